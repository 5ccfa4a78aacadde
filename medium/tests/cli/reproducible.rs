//! `--deterministic` from outside: two processes, the same seed, the same requests, other pauses.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Process, Run, medium};

/// Asks one node everything, with a pause between two requests; gives what must not depend on it.
async fn told(pause_ms: u64, ephemeral: bool) -> Value {
    let home = tempfile::tempdir().unwrap();
    let mut up = medium(home.path());
    up.args(["up", "--json", "--deterministic", "--seed", "7"]);
    up.args(["--api", "127.0.0.1:0"]);
    if ephemeral {
        up.arg("--ephemeral");
    } else {
        up.arg("--data").arg(home.path().join("data"));
    }
    let mut process = Process::start(up);
    let ready: Value = serde_json::from_str(&process.lines().next().unwrap()).unwrap();
    let api = ready["api"].as_str().unwrap().to_owned();
    let token = match ready["token"].as_str() {
        Some(token) => token.to_owned(),
        None => std::fs::read_to_string(home.path().join("data/token")).unwrap(),
    };
    let run = |arguments: &[&str]| -> Value {
        let mut command = medium(home.path());
        command.env("MEDIUM_API", &api).env("MEDIUM_TOKEN", &token);
        let output = command.args(arguments).arg("--json").output().unwrap();
        let run = Run::of(arguments, output);
        // One line, or a line for each thing that is told.
        let lines = run.stdout.lines();
        Value::Array(
            lines
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
        )
    };
    let pause = || {
        let seconds = format!("{:.3}", f64::from(u32::try_from(pause_ms).unwrap()) / 1e3);
        assert!(
            Command::new("sleep")
                .arg(seconds)
                .status()
                .unwrap()
                .success()
        );
    };
    let mut told = vec![ready["id"].clone()];
    for arguments in [
        &["spawn", "hello"][..],
        &["spawn", "echo"],
        &["spawn", "ring"],
        &["send", "echo", "hi"],
        &["send", "ring", "token"],
        &["send", "echo", "later", "--wait", "0"],
        // Nobody answers: time goes on by all of the wait, and `hello` speaks meanwhile.
        &["send", "hello", "anybody?", "--wait", "300"],
    ] {
        told.push(run(arguments));
        pause();
    }
    let client = reqwest::Client::new();
    let ran = client
        .post(format!("{api}/v1/run?ms=2500"))
        .bearer_auth(&token);
    told.push(ran.send().await.unwrap().json().await.unwrap());
    for vc in ["hello", "echo", "ring", "ring/inner"] {
        pause();
        let output = medium(home.path())
            .args(["show", vc, "--json", "--api", &api])
            .output()
            .unwrap();
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let trace = shown["trace"].as_str().unwrap_or_default();
        assert!(trace.bytes().any(|digit| digit != b'0'), "{vc}: {shown}");
        told.push(json!([vc, trace, shown["turns"], shown["sent"]]));
    }
    let said = run(&["logs", "hello"]);
    assert!(said.as_array().unwrap().len() >= 3, "{said}");
    told.push(said);
    Value::Array(told)
}

/// Regression: the trace of a deterministic node depended on how fast somebody typed, because its time
/// was that of the day.
#[tokio::test]
async fn the_same_seed_and_requests_give_the_same_trace() {
    let fast = told(0, true).await;
    let slow = told(130, true).await;
    assert_eq!(fast, slow);
}

/// The same where answers wait for a disk.
#[tokio::test]
async fn a_disk_does_not_change_the_trace() {
    assert_eq!(told(0, false).await, told(90, false).await);
}
