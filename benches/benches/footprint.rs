//! How much memory a VC takes, and how much CPU time its birth.
//!
//! Prints one JSON line per contender and size to stdout: `{"name","n","bytes_each","spawn_ns"}`.
//! `bytes_each` is what the process grew by, just born or after one message each, whichever is more;
//! `spawn_ns` is CPU time per birth, of all threads. Each figure is the median of fresh processes, so
//! that no memory is counted that an earlier round left behind.

use std::process::Command;
use std::time::Duration;

use actors::behaviour::Behaviour;
use actors::birth::Birth;
use actors::letter::Contents;
use benches::memory::resident_bytes;
use benches::time::Stopwatch;
use benches::work::WORKERS;
use benches::{medium, parts, peer, sandboxed};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Names the one figure that a child process measures.
const CHILD: &str = "MEDIUM_BENCH_FOOTPRINT";
/// How many children measure one figure.
const CHILDREN: usize = 3;
/// How long freed memory and late work may settle.
const SETTLE: Duration = Duration::from_millis(300);

/// What is measured, and how many of them.
const FIGURES: [(&str, u64); 5] = [
    ("medium", 100_000),
    ("ractor", 100_000),
    ("medium", 1_000_000),
    ("wasm_awake", 100_000),
    ("lisp_awake", 10_000),
];
/// How many when it is only to be seen that it works.
const SMOKE: u64 = 2_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Measured {
    born_bytes: u64,
    told_bytes: u64,
    spawn_ns: u64,
    spawn_wall_ns: u64,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    name: &'a str,
    n: u64,
    bytes_each: u64,
    spawn_ns: u64,
}

async fn medium(n: u64) -> Measured {
    let runtime = medium::start(None).await;
    let (before, watch) = (resident_bytes(), Stopwatch::start());
    let birth = Birth::native(medium::Counter::NAME, "");
    let ids = runtime.spawn_many(birth, n, false).await;
    let ids = ids.expect("a known behaviour is born");
    let spawned = (watch.cpu(), watch.wall());
    tokio::time::sleep(SETTLE).await;
    let born = resident_bytes();
    medium::FINISH.expect(n);
    let mut courier = runtime.courier();
    for &id in &ids {
        courier.tell(id, 1_u64).await;
    }
    courier.flush().await;
    medium::FINISH.wait().await;
    tokio::time::sleep(SETTLE).await;
    let told = resident_bytes();
    let stats = runtime.stats().await.expect("it runs");
    assert!(stats.turns >= n && stats.awake >= n, "{stats:?}");
    runtime.shutdown().await;
    Measured::new(n, before, born, told, spawned)
}

/// VCs of one sandboxed part; each is told the same.
async fn sandboxed(n: u64, module: Bytes, message: Contents) -> Measured {
    let runtime = sandboxed::start(WORKERS, None).await;
    let birth = sandboxed::body(&runtime, vec![module]).await;
    let (before, watch) = (resident_bytes(), Stopwatch::start());
    let ids = runtime.spawn_many(birth, n, false).await;
    let ids = ids.expect("a part is born");
    let spawned = (watch.cpu(), watch.wall());
    tokio::time::sleep(SETTLE).await;
    let born = resident_bytes();
    let mut courier = runtime.courier();
    for &id in &ids {
        courier.tell(id, message.clone()).await;
    }
    courier.flush().await;
    while runtime.stats().await.expect("it runs").turns < n {
        tokio::time::sleep(SETTLE).await;
    }
    tokio::time::sleep(SETTLE).await;
    let told = resident_bytes();
    let stats = runtime.stats().await.expect("it runs");
    assert!(stats.faults == 0 && stats.awake >= n, "{stats:?}");
    runtime.shutdown().await;
    Measured::new(n, before, born, told, spawned)
}

async fn ractor(n: u64) -> Measured {
    let (before, watch) = (resident_bytes(), Stopwatch::start());
    let count = u32::try_from(n).expect("as many as a fleet may be");
    let fleet = peer::Fleet::of(count).await;
    let spawned = (watch.cpu(), watch.wall());
    tokio::time::sleep(SETTLE).await;
    let born = resident_bytes();
    fleet.tell_each().await;
    tokio::time::sleep(SETTLE).await;
    let told = resident_bytes();
    Measured::new(n, before, born, told, spawned)
}

impl Measured {
    fn new(n: u64, before: u64, born: u64, told: u64, spawned: (Duration, Duration)) -> Self {
        let each = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / n;
        Self {
            born_bytes: born.saturating_sub(before) / n,
            told_bytes: told.saturating_sub(before) / n,
            spawn_ns: each(spawned.0),
            spawn_wall_ns: each(spawned.1),
        }
    }
}

/// Measures one figure in this process.
fn child(figure: &str) -> Measured {
    let (name, n) = figure.split_once(' ').expect("a name and a number");
    let n: u64 = n.parse().expect("a number");
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .expect("threads can be started");
    let measured = match name {
        "medium" => tokio.spawn(medium(n)),
        "wasm_awake" => {
            let message = parts::message(0).into();
            tokio.spawn(sandboxed(n, parts::counter(), message))
        }
        "lisp_awake" => {
            let lisp = parts::built_in("lisp/lisp.wasm").expect("it comes with the program");
            tokio.spawn(sandboxed(n, lisp, "(cons '4 '(9 16 25 36 49))".into()))
        }
        _ => tokio.spawn(ractor(n)),
    };
    tokio.block_on(measured).expect("a figure does not panic")
}

/// Measures one figure in fresh processes, one after the other.
fn figure(name: &str, n: u64, children: usize) -> Vec<Measured> {
    let program = std::env::current_exe().expect("a process knows its program");
    let measure = || {
        let mut child = Command::new(&program);
        child.env(CHILD, format!("{name} {n}"));
        let output = child.output().expect("a child can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} {n} failed: {said}");
        serde_json::from_slice(&output.stdout).expect("a child says what it measured")
    };
    std::iter::repeat_with(measure).take(children).collect()
}

fn median(measured: &[Measured], of: impl Fn(&Measured) -> u64) -> u64 {
    let mut values: Vec<u64> = measured.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench's figures are its output"
)]
fn main() {
    if let Ok(figure) = std::env::var(CHILD) {
        let measured = serde_json::to_string(&child(&figure)).expect("numbers are JSON");
        println!("{measured}");
        return;
    }
    let smoke = std::env::args().any(|argument| argument == "--test" || argument == "--quick");
    eprintln!("name              n  born B  told B  spawn CPU ns  spawn wall ns");
    for (name, n) in FIGURES {
        let (n, children) = if smoke { (SMOKE, 1) } else { (n, CHILDREN) };
        let measured = figure(name, n, children);
        let (born, told) = (
            median(&measured, |m| m.born_bytes),
            median(&measured, |m| m.told_bytes),
        );
        let spawn_ns = median(&measured, |m| m.spawn_ns);
        let wall_ns = median(&measured, |m| m.spawn_wall_ns);
        eprintln!("{name:<11}{n:>9}{born:>8}{told:>8}{spawn_ns:>14}{wall_ns:>15}");
        let line = Line {
            name,
            n,
            bytes_each: born.max(told),
            spawn_ns,
        };
        println!(
            "{}",
            serde_json::to_string(&line).expect("numbers are JSON")
        );
    }
}
