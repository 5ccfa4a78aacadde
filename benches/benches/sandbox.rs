//! Sandboxed code: messages, wakings, hot swaps, a Lisp, a console, rows of agents, and a hostile neighbour.
//!
//! Rows 3 and 4 of the numbers to reach. Each group has the id `medium`, a VC in a runtime with everything
//! in place; `engine` is the same parts without a runtime around them, and where there is one, `wasmtime`
//! the same part called by wasmtime itself, `native` a native behaviour. `rows` is the turn of one agent: in
//! batches, in batches of one (an entry from outside for each), and each on an instance of its own. What is shown is CPU time of the
//! whole process; `thrpt` is CPU time per message. `beside_a_hostile` is on the wall and prints one JSON
//! line per figure: what honest VCs answer alone, and beside one that never comes back.
//! `cargo bench -p benches --bench sandbox -- warm_message` measures one group alone.

use std::sync::Arc;
use std::time::Duration;

use actors::sandbox::{Capsule, Piece, Sandbox, Source};
use actors::view::Consent;
use adapters::store::redb::RedbStore;
use adapters::wasm::Engine;
use benches::bare::Bare;
use benches::beside::{Company, Served};
use benches::parts;
use benches::rows::{Walkers, walker, writing_walker};
use benches::sandboxed::{FUEL, One, body, bring, call, engine, pieces, start};
use benches::sleepers::{asleep, born, crowd, told, woken};
use benches::time::{CpuTime, Stopwatch};
use benches::work::{CLIENTS, WORKERS};
use bytes::Bytes;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};
use genesis::channel::Channel;
use genesis::limits::TURN_FUEL_GRANT_MAX;
use serde::Serialize;

/// How long each id is measured, and how often.
const MEASURED: Duration = Duration::from_secs(3);
const SAMPLES: usize = 12;
/// Messages of one round through a warm VC.
const TELLS: u64 = 100_000;
/// VCs that fall asleep and are woken.
const SLEEPERS: u64 = 2_000;
const FRAME: Channel = Channel::known("console/frame");
/// How often the two states beside a hostile VC alternate, and how long each lasts.
const ALTERNATIONS: usize = 5;
const WHILE: Duration = Duration::from_secs(2);
const WHILE_SMOKE: Duration = Duration::from_millis(200);

type Group<'a> = BenchmarkGroup<'a, CpuTime>;

fn group<'a>(criterion: &'a mut Criterion<CpuTime>, name: &str, messages: u64) -> Group<'a> {
    let mut group = criterion.benchmark_group(name);
    group
        .throughput(Throughput::Elements(messages))
        .sampling_mode(SamplingMode::Flat)
        .sample_size(SAMPLES)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(MEASURED);
    group
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .expect("threads can be started")
}

/// Measures rounds, each in a task of the runtime as any other.
fn rounds<F>(
    group: &mut Group<'_>,
    id: &str,
    tokio: &tokio::runtime::Runtime,
    round: impl Fn() -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    group.bench_function(id, |bencher| {
        bencher.iter_custom(|count| {
            let watch = Stopwatch::start();
            for _ in 0..count {
                let round = tokio.spawn(round());
                tokio.block_on(round).expect("a round does not panic");
            }
            watch.cpu()
        });
    });
}

/// Measures what happens on this thread.
fn here(group: &mut Group<'_>, id: &str, mut work: impl FnMut()) {
    group.bench_function(id, |bencher| bencher.iter(&mut work));
}

fn assembled(engine: &Engine, pieces: &[Piece]) -> Box<dyn Capsule> {
    engine.assemble(pieces, FUEL).expect("parts go on")
}

/// A body as it is when it wakes: after some messages, from images of its parts.
fn images(engine: &Engine, modules: &[Bytes]) -> Vec<Piece> {
    let mut pieces = pieces(engine, modules);
    let mut body = assembled(engine, &pieces);
    let mut answer = Vec::new();
    for _ in 0..3 {
        call(&mut *body, Channel::MAIN, &parts::message(0), &mut answer);
    }
    for piece in &mut pieces {
        let image = body.image(piece.occurrence).expect("it is small");
        piece.from = Source::Image(image.into());
    }
    pieces
}

/// A VC that is told, and a body that is called, the same number of times.
fn messages(group: &mut Group<'_>, modules: &[Bytes]) {
    let tokio = tokio_runtime();
    let one = tokio.block_on(One::new(modules.to_vec()));
    rounds(group, "medium", &tokio, || {
        let one = one.clone();
        async move { one.tell(TELLS, parts::message(TELLS)).await }
    });
    tokio.block_on(one.end());
    let engine = engine();
    let mut body = assembled(&engine, &pieces(&engine, modules));
    let (message, mut answer) = (parts::message(TELLS), Vec::new());
    here(group, "engine", || {
        for _ in 0..TELLS {
            call(&mut *body, Channel::MAIN, &message, &mut answer);
        }
    });
}

fn warm_message(criterion: &mut Criterion<CpuTime>) {
    let mut group = group(criterion, "warm_message", TELLS);
    messages(&mut group, &[parts::counter()]);
    let tokio = tokio_runtime();
    let one = tokio.block_on(One::native());
    rounds(&mut group, "native", &tokio, || {
        let one = one.clone();
        async move { one.tell(TELLS, parts::message(TELLS)).await }
    });
    tokio.block_on(one.end());
    let mut bare = Bare::new(&parts::counter());
    let message = parts::message(TELLS);
    here(&mut group, "wasmtime", || {
        for _ in 0..TELLS {
            std::hint::black_box(bare.message(&message));
        }
    });
    group.finish();
}

fn two_part_message(criterion: &mut Criterion<CpuTime>) {
    let mut group = group(criterion, "two_part_message", TELLS);
    messages(&mut group, &[parts::front(), parts::adder()]);
    group.finish();
}

fn wake(criterion: &mut Criterion<CpuTime>) {
    let mut group = group(criterion, "wake", SLEEPERS);
    let tokio = tokio_runtime();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let (store, _) = RedbStore::open(folder.path()).expect("a new store opens");
    let (runtime, ids) = tokio.block_on(async {
        let runtime = start(WORKERS, Some(Arc::new(store))).await;
        let birth = body(&runtime, vec![parts::counter()]).await;
        let ids = born(&runtime, &birth, SLEEPERS).await;
        (runtime, ids)
    });
    let message = parts::message(0).into();
    // Puts all to sleep, which is not measured, before each round.
    let mut of_sleepers = |id: &str, sleep: bool, by_message: bool| {
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|count| {
                let mut used = Duration::ZERO;
                for _ in 0..count {
                    if sleep {
                        tokio.block_on(asleep(&runtime, &ids));
                    }
                    let watch = Stopwatch::start();
                    if by_message {
                        tokio.block_on(told(&runtime, &ids, &message));
                    } else {
                        tokio.block_on(woken(&runtime, &ids));
                    }
                    used += watch.cpu();
                }
                used
            });
        });
    };
    of_sleepers("medium", true, false);
    // What it takes to ask each to wake, when it is awake.
    of_sleepers("medium_asked_when_awake", false, false);
    of_sleepers("medium_by_message", true, true);
    of_sleepers("medium_message_to_awake", false, true);
    tokio.block_on(runtime.shutdown());
    group.throughput(Throughput::Elements(1));
    let engine = engine();
    let pieces = images(&engine, &[parts::counter()]);
    here(&mut group, "engine", || {
        drop(assembled(&engine, &pieces));
    });
    let (message, mut answer) = (parts::message(0), Vec::new());
    here(&mut group, "engine_and_a_message", || {
        let mut body = assembled(&engine, &pieces);
        call(&mut *body, Channel::MAIN, &message, &mut answer);
    });
    group.finish();
}

fn hot_swap(criterion: &mut Criterion<CpuTime>) {
    const SWAPS: u64 = 20;
    let mut group = group(criterion, "hot_swap", SWAPS);
    let versions = [parts::version(1), parts::version(2)];
    let tokio = tokio_runtime();
    let one = tokio.block_on(One::new(vec![versions[0].clone()]));
    let parts_of = async |runtime: &actors::runtime::Runtime| {
        [
            bring(runtime, versions[0].clone()).await,
            bring(runtime, versions[1].clone()).await,
        ]
    };
    let versions_there = Arc::new(tokio.block_on(parts_of(&one.runtime)));
    rounds(&mut group, "medium", &tokio, || {
        let (one, versions) = (one.clone(), Arc::clone(&versions_there));
        async move {
            for n in 1..=SWAPS {
                let part = versions[usize::from(n % 2 == 1)].clone();
                let swapped = one
                    .runtime
                    .upgrade(one.id, Some(1), part, Consent::Override);
                swapped.await.expect("it is taken over");
            }
        }
    });
    tokio.block_on(one.end());
    group.throughput(Throughput::Elements(1));
    let engine = engine();
    let pieces = versions.map(|version| pieces(&engine, &[version]));
    let (mut body, mut n) = (assembled(&engine, &pieces[0]), 0);
    here(&mut group, "engine", || {
        n += 1;
        let saved = body.save(1, FUEL).expect("it saves");
        let mut next = pieces[n % 2].clone();
        next[0].from = Source::Save(saved.into());
        body = assembled(&engine, &next);
    });
    group.finish();
}

/// Questions of many clients to a VC, and calls of its body, each after another message; the fuel is said.
fn questions(
    group: &mut Group<'_>,
    modules: &[Bytes],
    before: &[u8],
    (name, channel, contents): (&str, Channel, &[u8]),
    turn_fuel: u64,
) {
    let tokio = tokio_runtime();
    let one = tokio.block_on(One::with_fuel(modules.to_vec(), turn_fuel));
    tokio.block_on(one.ask(Channel::MAIN, before));
    group.throughput(Throughput::Elements(CLIENTS));
    rounds(group, &format!("medium{name}"), &tokio, || {
        let (one, contents) = (one.clone(), contents.to_vec());
        crowd(CLIENTS, move |_| {
            let (one, contents) = (one.clone(), contents.clone());
            async move {
                std::hint::black_box(one.ask(channel, &contents).await);
            }
        })
    });
    tokio.block_on(one.end());
    group.throughput(Throughput::Elements(1));
    let engine = engine();
    let mut body = assembled(&engine, &pieces(&engine, modules));
    let (mut answer, mut fuel) = (Vec::new(), 0);
    call(&mut *body, Channel::MAIN, before, &mut answer);
    here(group, &format!("engine{name}"), || {
        fuel = call(&mut *body, channel, contents, &mut answer);
    });
    say(&format!(
        "engine{name}: {fuel} fuel, {} bytes of answer",
        answer.len()
    ));
}

fn lisp_eval(criterion: &mut Criterion<CpuTime>) {
    let Some(lisp) = parts::built_in("lisp/lisp.wasm") else {
        return;
    };
    let mut group = group(criterion, "lisp_eval", 1);
    let fib = b"(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))";
    let main = Channel::MAIN;
    let cons = ("_cons", main, b"(cons '4 '(9 16 25 36 49))".as_slice());
    questions(&mut group, std::slice::from_ref(&lisp), fib, cons, 0);
    // More than a turn has by default: the slow lane.
    let fib_20 = ("_fib_20", main, b"(fib 20)".as_slice());
    questions(&mut group, &[lisp], fib, fib_20, TURN_FUEL_GRANT_MAX);
    group.finish();
}

fn chip8_frame(criterion: &mut Criterion<CpuTime>) {
    let Some(console) = parts::console() else {
        return;
    };
    let mut group = group(criterion, "chip8_frame", 1);
    questions(&mut group, &console, b"status", ("", FRAME, &[0, 0]), 0);
    group.finish();
}

fn rows(criterion: &mut Criterion<CpuTime>) {
    const ROWS: usize = 10_000;
    const ALONE: usize = 100;
    let mut group = group(criterion, "rows", ROWS as u64);
    let (code, ticks) = (walker(), 10);
    let [mut native, mut sandboxed] = [Walkers::new(ROWS), Walkers::new(ROWS)];
    let mut runner = code.runner().expect("it begins");
    for _ in 0..ticks {
        native.native();
        sandboxed.sandboxed(&mut runner);
    }
    assert_eq!(native.rows, sandboxed.rows, "the contenders walk elsewhere");
    here(&mut group, "native", || native.native());
    here(&mut group, "batches", || sandboxed.sandboxed(&mut runner));
    let mut alone = code.runner_of(1).expect("it begins");
    here(&mut group, "batches_of_1", || {
        sandboxed.sandboxed(&mut alone);
    });
    for bytes in [64, 1_024, 65_536] {
        let mut runner = writing_walker(bytes).runner().expect("it begins");
        here(
            &mut group,
            &format!("batches_writing_{bytes}_bytes"),
            || {
                sandboxed.sandboxed(&mut runner);
            },
        );
    }
    let mut few = Walkers::new(ALONE);
    group.throughput(Throughput::Elements(ALONE as u64));
    here(&mut group, "one_by_one", || few.one_by_one(&code));
    group.finish();
}

#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    workers: usize,
    messages_s_alone: u64,
    messages_s_beside: u64,
    answers_s_alone: u64,
    answers_s_beside: u64,
    half_ns_alone: u64,
    half_ns_beside: u64,
    most_ns_alone: u64,
    most_ns_beside: u64,
}

fn median(served: &[Served], of: impl Fn(&Served) -> u64) -> u64 {
    let mut values: Vec<u64> = served.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

async fn besides(workers: usize, for_: Duration) -> Figure {
    let company = Company::new(workers).await;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..ALTERNATIONS {
        alone.push(company.alone(for_).await);
        beside.push(company.beside(for_).await);
    }
    company.end().await;
    Figure {
        name: "beside_a_hostile",
        workers,
        messages_s_alone: median(&alone, |s| s.messages_s),
        messages_s_beside: median(&beside, |s| s.messages_s),
        answers_s_alone: median(&alone, |s| s.answers_s),
        answers_s_beside: median(&beside, |s| s.answers_s),
        half_ns_alone: median(&alone, |s| s.half_ns),
        half_ns_beside: median(&beside, |s| s.half_ns),
        most_ns_alone: median(&alone, |s| s.most_ns),
        most_ns_beside: median(&beside, |s| s.most_ns),
    }
}

#[expect(clippy::print_stderr, reason = "a bench's figures are its output")]
fn say(what: &str) {
    eprintln!("{what}");
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench's figures are its output"
)]
fn beside_a_hostile() {
    let said: Vec<String> = std::env::args().skip(1).collect();
    let smoke = said
        .iter()
        .any(|said| said == "--test" || said == "--quick");
    let mut filters = said.iter().filter(|said| !said.starts_with('-')).peekable();
    if filters.peek().is_some() && !filters.any(|filter| "beside_a_hostile".contains(filter)) {
        return;
    }
    eprintln!(
        "beside_a_hostile: workers  messages/s alone  beside  answers/s alone  beside  half us  beside  99 % us  beside"
    );
    for workers in [1, WORKERS] {
        let tokio = tokio_runtime();
        let for_ = if smoke { WHILE_SMOKE } else { WHILE };
        let line = tokio.block_on(tokio.spawn(besides(workers, for_)));
        let line = line.expect("a figure does not panic");
        eprintln!(
            "{workers:>25}{:>18}{:>8}{:>17}{:>8}{:>9}{:>8}{:>9}{:>8}",
            line.messages_s_alone,
            line.messages_s_beside,
            line.answers_s_alone,
            line.answers_s_beside,
            line.half_ns_alone / 1_000,
            line.half_ns_beside / 1_000,
            line.most_ns_alone / 1_000,
            line.most_ns_beside / 1_000,
        );
        println!(
            "{}",
            serde_json::to_string(&line).expect("numbers are JSON")
        );
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .with_measurement(CpuTime)
        .configure_from_args();
    warm_message(&mut criterion);
    two_part_message(&mut criterion);
    wake(&mut criterion);
    hot_swap(&mut criterion);
    lisp_eval(&mut criterion);
    chip8_frame(&mut criterion);
    rows(&mut criterion);
    criterion.final_summary();
    beside_a_hostile();
}
