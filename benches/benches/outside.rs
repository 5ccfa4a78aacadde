//! An echo outside: JSON lines to a program and back, through a VC and through a bare pipe.
//!
//! The same programs, the same lines: one in Python in the sandbox of the operating system, and this bench itself,
//! trusted, which answers as fast as it can. `one` sends the next message when the answer to the one before is there,
//! `many` has [`ASKERS`] of them. Through a VC, each message is accepted, handled by a turn, told, answered, recorded,
//! handled by a turn and answered; `durable` is on disk before it is told and before its answer is given out. Prints
//! one JSON line per figure to stdout and a table to stderr: messages per second on the wall, because pipes are what is
//! waited for, and CPU time of this process, which is the node's share of it.
//! `cargo bench -p benches --bench outside`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use actors::runtime::Runtime;
use actors::view::Outgoing;
use adapters::compute::{Launcher, confine_child};
use benches::time::{Stopwatch, per_second};
use genesis::id::VcId;
use medium::node::{Node, NodeConfig};
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Who ask at a time.
const ASKERS: usize = 64;
/// How this program knows that it is to start others, or to be the echo.
const LAUNCHER: &str = "as-a-launcher";
const ECHO: &str = "as-an-echo";
/// The echo in Python.
const PYTHON: &str = r#"
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if "text" in m:
        sys.stdout.write(json.dumps({"re": m["id"], "text": m["text"]}) + "\n")
        sys.stdout.flush()
"#;

#[derive(Debug, Serialize)]
struct Figure {
    name: String,
    program: &'static str,
    askers: usize,
    messages: u64,
    messages_s: u64,
    cpu_ns: u64,
}

#[expect(clippy::print_stderr, reason = "a bench's figures are its output")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(LAUNCHER) => {
            return confine_child(arguments.get(2).map_or("", String::as_str));
        }
        Some(ECHO) => {
            echo();
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    let smoke = arguments
        .iter()
        .any(|argument| argument == "--test" || argument == "--quick");
    let time = Duration::from_millis(if smoke { 100 } else { 3_000 });
    let here = std::env::current_exe().expect("a program that runs is somewhere");
    let here = here.to_str().expect("a path of text").to_owned();
    let programs: [(&'static str, Vec<String>); 2] = [
        ("python3", vec!["python3".into(), "agent.py".into()]),
        ("echo", vec![here, ECHO.into()]),
    ];
    eprintln!("name              program  askers   messages/s  CPU ns");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("agent.py"), PYTHON).expect("a file");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (program, command) in programs {
        for askers in [1, ASKERS] {
            print(&bare(program, &command, &folder, askers, time));
        }
        runtime.block_on(through(program, &command, time));
    }
    ExitCode::SUCCESS
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench's figures are its output"
)]
fn print(figure: &Figure) {
    let Figure {
        name,
        program,
        askers,
        messages_s,
        cpu_ns,
        ..
    } = figure;
    eprintln!("{name:<18}{program:<9}{askers:>6}{messages_s:>13}{cpu_ns:>8}");
    println!(
        "{}",
        serde_json::to_string(figure).expect("numbers are JSON")
    );
}

/// Answers lines as fast as it can.
fn echo() {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut lines = BufReader::with_capacity(1 << 16, std::io::stdin().lock());
    let mut line = String::new();
    while lines.read_line(&mut line).is_ok_and(|count| count > 0) {
        let message: Value = serde_json::from_str(&line).expect("a line is JSON");
        if let (Some(id), Some(text)) = (message.get("id"), message.get("text")) {
            writeln!(out, "{}", json!({ "re": id, "text": text })).expect("a reader");
        }
        line.clear();
        if lines.buffer().is_empty() {
            out.flush().expect("a reader");
        }
    }
}

/// A child with pipes, without anything between.
fn bare(
    program: &'static str,
    command: &[String],
    folder: &TempDir,
    askers: usize,
    time: Duration,
) -> Figure {
    let (first, rest) = command.split_first().expect("a command");
    let mut child: Child = Command::new(first)
        .args(rest)
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program is here");
    let mut to = BufWriter::new(child.stdin.take().expect("a pipe"));
    let mut from = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut answer = String::new();
    let (mut sent, mut came) = (0_u64, 0_u64);
    let mut watch = Stopwatch::start();
    let mut tell = |sent: &mut u64| {
        *sent += 1;
        let line = json!({ "id": *sent, "from": "host", "text": "hello" });
        writeln!(to, "{line}")
            .and_then(|()| to.flush())
            .expect("a reader");
    };
    while came < 200 || watch.wall() < time {
        while sent - came < askers as u64 {
            tell(&mut sent);
        }
        answer.clear();
        from.read_line(&mut answer).expect("an answer");
        let said: Value = serde_json::from_str(&answer).expect("an answer is JSON");
        assert_eq!(said["text"], "hello");
        came += 1;
        if came == 100 {
            watch = Stopwatch::start(); // it has begun
        }
    }
    let (wall, cpu) = (watch.wall(), watch.cpu());
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    figure(
        "bare pipe".to_owned(),
        program,
        askers,
        came - 100,
        wall,
        cpu,
    )
}

fn figure(
    name: String,
    program: &'static str,
    askers: usize,
    messages: u64,
    wall: Duration,
    cpu: Duration,
) -> Figure {
    Figure {
        name,
        program,
        askers,
        messages,
        messages_s: per_second(messages, wall),
        cpu_ns: u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX) / messages.max(1),
    }
}

/// The same through a VC of a node.
async fn through(program: &'static str, command: &[String], time: Duration) {
    let home = tempfile::tempdir().expect("a folder");
    let launcher = Launcher {
        program: std::env::current_exe().expect("a program that runs is somewhere"),
        args: vec![LAUNCHER.into()],
    };
    let config = NodeConfig {
        data: Some(home.path().join("data")),
        api: ([127, 0, 0, 1], 0).into(),
        jobs: Some(launcher),
        ..NodeConfig::default()
    };
    let node = Node::start(config).await.expect("a node");
    let pod = pod(&home, command);
    for (name, volatile) in [("VC, volatile", true), ("VC, durable", false)] {
        let request = json!({
            "pod": { "path": pod },
            "name": if volatile { "volatile" } else { "durable" },
            "volatile": volatile,
            "record": 0,
            "outside": { "trust_native": program == "echo" },
        });
        let born = node
            .spawn(serde_json::from_value(request).expect("a request"))
            .await
            .expect("a VC");
        let id: VcId = born.id.parse().expect("an id");
        asked(node.runtime(), id, 100).await;
        for askers in [1, ASKERS] {
            let watch = Stopwatch::start();
            let mut tasks = Vec::new();
            for _ in 0..askers {
                let runtime = node.runtime().clone();
                tasks.push(tokio::spawn(async move {
                    let mut count = 0;
                    while watch.wall() < time {
                        asked(&runtime, id, 1).await;
                        count += 1;
                    }
                    count
                }));
            }
            let mut messages = 0;
            for task in tasks {
                messages += task.await.expect("no panic");
            }
            let (wall, cpu) = (watch.wall(), watch.cpu());
            print(&figure(
                name.to_owned(),
                program,
                askers,
                messages,
                wall,
                cpu,
            ));
        }
    }
    node.stop().await.expect("it stops");
}

async fn asked(runtime: &Runtime, id: VcId, count: u64) {
    for _ in 0..count {
        let answer = runtime
            .ask(Outgoing::new(id, "hello"), 30_000)
            .await
            .expect("it is accepted");
        let reply = answer.reply.expect("an answer");
        assert_eq!(reply.contents.as_text(), Some("hello"));
    }
}

/// A pod directory of the program.
fn pod(home: &TempDir, command: &[String]) -> PathBuf {
    let pod = home.path().join("pod");
    std::fs::create_dir(&pod).expect("a folder");
    let files: BTreeMap<&str, String> = [
        ("agent.py", PYTHON.to_owned()),
        (
            "vc.json",
            json!({ "name": "echo", "outside": command, "grants": ["send", "emit"] }).to_string(),
        ),
    ]
    .into();
    for (name, text) in files {
        std::fs::write(pod.join(name), text).expect("a file");
    }
    pod
}
