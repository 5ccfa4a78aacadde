//! Worlds beside the simulators of others and beside hand-written arrays.
//!
//! Prints one JSON line per figure to stdout and a table to stderr: agent-steps per second of CPU time of the whole
//! process, and on the wall; the more the better. A run's time has no start-up in it. Small worlds run with several
//! seeds, up to a hundred thousand agents a figure is the median of three rounds in which contenders take turns, and
//! from ten thousand agents on each is also run alone in a fresh process for the bytes that an agent takes: what the
//! process grew by at most, divided by the most agents there were.
//!
//! * `flocking/SIZE`, `wolfsheep/SIZE`: `medium`, `krabmaga` (with the feature `peers`), and `arrays`, the limit.
//! * `schelling/SIZE`, `forestfire/SIZE`: `medium` and `arrays`.
//! * `mailbox/near`, `mailbox/any`: messages, each 8 bytes and its sender, to one of the next 64 VCs or to anyone.
//!
//! No figure is printed before all contenders of its row are known to have computed the same ([`agree`]): speed
//! without an answer is worth nothing. A model, a size or both as arguments, such as `flocking` or `flocking/1e5`,
//! select rows.

use std::fmt;
use std::process::Command;
use std::time::Duration;

use benches::memory::resident_bytes;
use benches::worlds::{
    Flocking, ForestFire, Mailbox, Outcome, Schelling, Seen, Took, WolfSheep, arrays, medium,
};
use serde::Serialize;

/// Names the one figure whose memory a child process measures.
const CHILD: &str = "MEDIUM_BENCH_WORLDS";
/// From so many agents on, memory and threads are measured: smaller worlds are all start-up.
const AGENTS_MANY: u32 = 10_000;
/// Above so many agents, one round has to do.
const AGENTS_ONCE: u32 = 100_000;
/// Rounds below that.
const ROUNDS: u64 = 3;
/// Seeds per round of worlds with less than [`AGENTS_MANY`] agents.
const SEEDS: u64 = 10;

/// On how many threads the medium runs.
const THREADS: [usize; 2] = [1, 2];

/// Runs a world once, with a seed.
type Run = Box<dyn Fn(u64) -> Outcome>;

/// Who runs a world, on how many threads.
struct Contender {
    name: &'static str,
    threads: usize,
    run: Run,
}

/// A world that all contenders run.
struct Row {
    model: &'static str,
    size: &'static str,
    /// At the start.
    agents: u32,
    steps: u32,
    contenders: Vec<Contender>,
}

/// What one contender needed for one row.
#[derive(Debug, Serialize)]
struct Figure {
    model: &'static str,
    size: &'static str,
    contender: &'static str,
    threads: usize,
    /// At the start.
    agents: u32,
    steps: u32,
    /// How many runs were measured.
    runs: usize,
    agent_steps_per_cpu_s: f64,
    agent_steps_per_wall_s: f64,
    /// Share of what `arrays` does in a CPU second on one thread.
    of_arrays: f64,
    bytes_each: Option<u64>,
    /// The mean of what the contenders agree on.
    seen: Vec<f64>,
}

/// The rows that are asked for.
fn rows(smoke: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    rows.extend(Flocking::SIZES.map(flocking));
    rows.extend(WolfSheep::SIZES.map(wolfsheep));
    rows.extend(Schelling::SIZES.map(schelling));
    rows.extend(ForestFire::SIZES.map(forestfire));
    if smoke {
        rows.retain(|row| row.agents < AGENTS_MANY || row.model == "forestfire");
        rows.extend(Mailbox::KINDS.map(|kind| mailbox(kind.with_vcs(AGENTS_MANY))));
    } else {
        rows.extend(Mailbox::KINDS.map(mailbox));
    }
    rows
}

fn on(name: &'static str, threads: usize, run: impl Fn(u64) -> Outcome + 'static) -> Contender {
    let run = Box::new(run);
    Contender { name, threads, run }
}

fn flocking(size: Flocking) -> Row {
    let mut contenders = vec![on("arrays", 1, move |seed| {
        arrays::flocking::run(&size, 1, seed)
    })];
    if size.birds >= AGENTS_MANY {
        contenders.push(on("arrays", 2, move |seed| {
            arrays::flocking::run(&size, 2, seed)
        }));
    }
    for threads in THREADS {
        contenders.push(on("medium", threads, move |seed| {
            medium::flocking(&size, threads, seed)
        }));
    }
    #[cfg(feature = "peers")]
    contenders.push(on("krabmaga", 1, move |seed| {
        benches::worlds::krabmaga::flocking::run(&size, seed)
    }));
    Row {
        model: "flocking",
        size: size.name,
        agents: size.birds,
        steps: size.steps,
        contenders,
    }
}

fn wolfsheep(size: WolfSheep) -> Row {
    let mut contenders = vec![on("arrays", 1, move |seed| {
        arrays::wolfsheep::run(&size, 1, seed)
    })];
    let agents = size.sheep + size.wolves;
    if agents >= AGENTS_MANY {
        contenders.push(on("arrays", 2, move |seed| {
            arrays::wolfsheep::run(&size, 2, seed)
        }));
    }
    for threads in THREADS {
        contenders.push(on("medium", threads, move |seed| {
            medium::wolfsheep(&size, threads, seed)
        }));
    }
    #[cfg(feature = "peers")]
    contenders.push(on("krabmaga", 1, move |seed| {
        benches::worlds::krabmaga::wolfsheep::run(&size, seed)
    }));
    Row {
        model: "wolfsheep",
        size: size.name,
        agents,
        steps: size.steps,
        contenders,
    }
}

fn schelling(size: Schelling) -> Row {
    Row {
        model: "schelling",
        size: size.name,
        agents: size.people,
        steps: size.steps,
        contenders: vec![
            on("arrays", 1, move |seed| arrays::schelling::run(&size, seed)),
            on("medium", 1, move |seed| medium::schelling(&size, seed)),
        ],
    }
}

fn forestfire(size: ForestFire) -> Row {
    Row {
        model: "forestfire",
        size: size.name,
        agents: size.side * size.side,
        steps: size.steps,
        contenders: vec![
            on("arrays", 1, move |seed| {
                arrays::forestfire::run(&size, seed)
            }),
            on("medium", 1, move |seed| medium::forestfire(&size, seed)),
        ],
    }
}

fn mailbox(kind: Mailbox) -> Row {
    Row {
        model: "mailbox",
        size: kind.name,
        agents: kind.vcs,
        steps: kind.steps,
        contenders: vec![
            on("arrays", 1, move |seed| arrays::mailbox::run(&kind, seed)),
            on("medium", 1, move |seed| medium::mailbox(&kind, 1, seed)),
            on("medium", 2, move |seed| medium::mailbox(&kind, 2, seed)),
        ],
    }
}

impl Row {
    fn wanted(&self, filters: &[String]) -> bool {
        let whole = format!("{}/{}", self.model, self.size);
        let named = |filter: &String| [self.model, self.size, &whole].contains(&filter.as_str());
        filters.is_empty() || filters.iter().any(named)
    }

    /// Runs every contender in turns and says what each needed.
    fn measure(&self, smoke: bool) -> Vec<Figure> {
        let once = smoke || self.agents > AGENTS_ONCE;
        let rounds = if once { 1 } else { ROUNDS };
        let many = self.agents >= AGENTS_MANY;
        let seeds = if smoke || many { 1 } else { SEEDS };
        let mut outcomes: Vec<Vec<Vec<Outcome>>> = vec![Vec::new(); self.contenders.len()];
        for round in 0..rounds {
            for (contender, outcomes) in self.contenders.iter().zip(&mut outcomes) {
                let seeds = round * seeds..(round + 1) * seeds;
                outcomes.push(seeds.map(&contender.run).collect());
            }
        }
        agree(self, &outcomes);
        let reference = rate(&outcomes[0], |took| took.cpu);
        let figure = |(contender, rounds): (&Contender, &Vec<Vec<Outcome>>)| {
            let per_cpu_s = rate(rounds, |took| took.cpu);
            let alone = (many && !smoke).then(|| self.alone(contender));
            Figure {
                model: self.model,
                size: self.size,
                contender: contender.name,
                threads: contender.threads,
                agents: self.agents,
                steps: self.steps,
                runs: rounds.iter().map(Vec::len).sum(),
                agent_steps_per_cpu_s: per_cpu_s,
                agent_steps_per_wall_s: rate(rounds, |took| took.wall),
                of_arrays: per_cpu_s / reference,
                bytes_each: alone,
                seen: mean(rounds),
            }
        };
        self.contenders.iter().zip(&outcomes).map(figure).collect()
    }

    /// Bytes per agent of a contender that runs in a process of its own.
    fn alone(&self, contender: &Contender) -> u64 {
        let program = std::env::current_exe().expect("a process knows its program");
        let name = format!("{} {}", self.name(), contender);
        let child = Command::new(program).env(CHILD, &name).output();
        let output = child.expect("a child can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} failed: {said}");
        serde_json::from_slice(&output.stdout).expect("a child says what it measured")
    }

    fn name(&self) -> String {
        format!("{}/{}", self.model, self.size)
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.threads)
    }
}

/// Bytes per agent of the figure of this name, in this process.
fn child(name: &str) -> u64 {
    for row in rows(false) {
        for contender in &row.contenders {
            if format!("{} {contender}", row.name()) == name {
                let before = resident_bytes();
                let took = (contender.run)(0).took;
                return took.peak_bytes.saturating_sub(before) / took.agents_max;
            }
        }
    }
    panic!("no figure is called `{name}`");
}

/// The median over the rounds of agent-steps per second.
fn rate(rounds: &[Vec<Outcome>], time: fn(&Took) -> Duration) -> f64 {
    let rate = |runs: &Vec<Outcome>| {
        let agent_steps: u64 = runs.iter().map(|run| run.took.agent_steps).sum();
        let time: Duration = runs.iter().map(|run| time(&run.took)).sum();
        agent_steps as f64 / time.as_secs_f64()
    };
    let mut rates: Vec<f64> = rounds.iter().map(rate).collect();
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// The means of what was seen at the end of all runs.
fn mean(rounds: &[Vec<Outcome>]) -> Vec<f64> {
    let runs = rounds.iter().map(Vec::len).sum::<usize>() as f64;
    let mut sums = Vec::new();
    for outcome in rounds.iter().flatten() {
        let values = outcome.seen.values();
        sums.resize(values.len(), 0.0);
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value / runs;
        }
    }
    sums
}

/// Checks that all contenders have computed the same as the first: within [`Seen::bounds`], and to the bit on more threads.
///
/// # Panics
/// If one has not.
fn agree(row: &Row, outcomes: &[Vec<Vec<Outcome>>]) {
    let (wanted, first) = (mean(&outcomes[0]), &outcomes[0][0][0].seen);
    let runs = outcomes[0].iter().map(Vec::len).sum::<usize>();
    let bounds = first.bounds(&wanted, runs as f64 * f64::from(row.agents));
    for (contender, rounds) in row.contenders.iter().zip(outcomes) {
        let seen = mean(rounds);
        for ((seen, wanted), bound) in seen.iter().zip(&wanted).zip(&bounds) {
            assert!(
                (seen - wanted).abs() <= *bound,
                "{} {contender}: {seen} is farther than {bound} from {wanted} of {}: {rounds:?}",
                row.name(),
                row.contenders[0],
            );
        }
        // Letters are the same to the bit whoever delivers them.
        let all = matches!(first, Seen::Read(_));
        let mut named = row.contenders.iter();
        let same = named.position(|other| all || other.name == contender.name);
        let others = &outcomes[same.expect("a contender has its own name")];
        for (one, other) in rounds.iter().flatten().zip(others.iter().flatten()) {
            assert_eq!(one.hash, other.hash, "{} {contender}", row.name());
        }
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench's figures are its output"
)]
fn main() {
    if let Ok(name) = std::env::var(CHILD) {
        println!("{}", child(&name));
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    // `cargo bench` says so; anything else, such as `cargo test --benches`, is only to see that it works.
    let smoke = has("--test") || has("--quick") || !has("--bench");
    let filters = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'));
    let filters: Vec<String> = filters.cloned().collect();
    eprintln!("world                 contender    M/s CPU  M/s wall  of arrays  B each  seen");
    for row in rows(smoke).iter().filter(|row| row.wanted(&filters)) {
        for figure in row.measure(smoke) {
            eprintln!("{figure}");
            println!(
                "{}",
                serde_json::to_string(&figure).expect("numbers are JSON")
            );
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = format!("{}/{}", self.model, self.size);
        let contender = format!("{}/{}", self.contender, self.threads);
        let bytes = self
            .bytes_each
            .map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
        let (cpu, wall) = (
            self.agent_steps_per_cpu_s / 1e6,
            self.agent_steps_per_wall_s / 1e6,
        );
        write!(
            f,
            "{world:<22}{contender:<12}{cpu:>8.2}{wall:>10.2}{:>10.0}%{bytes:>8}",
            self.of_arrays * 100.0
        )?;
        self.seen
            .iter()
            .try_for_each(|value| write!(f, "  {value:.4}"))
    }
}
