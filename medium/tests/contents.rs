//! Contents of any size from the command line: there and back. In a binary of its own, so that nobody
//! else waits for the disk meanwhile.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

#[path = "cli/harness.rs"]
#[allow(dead_code, reason = "the other tests of the command line use the rest")]
mod harness;

use std::process::Stdio;

use genesis::id::Digest;
use serde_json::json;

use harness::{Node, Process, medium};

/// Bytes that are not text and do not repeat soon.
fn bytes(len: usize) -> Vec<u8> {
    let mut state = 41_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        bytes.extend_from_slice(&(state ^ state >> 29).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

#[test]
fn a_file_goes_through_a_vc_and_back() {
    let node = Node::start();
    node.done(&["spawn", "echo", "--name", "e"]);
    let bytes = bytes(64 << 20);
    let digest = Digest::of(&bytes).to_string();
    std::fs::write(node.home().join("there.bin"), &bytes).unwrap();
    let back = || std::fs::read(node.home().join("back.bin")).unwrap();

    let run = node.run(&["send", "e", "--file", "there.bin", "--out", "back.bin"]);
    assert_eq!(run.stderr, "");
    assert_eq!(run.done(), "");
    assert!(back() == bytes);
    // Nothing is overwritten, and nothing is sent that could not be kept.
    let taken = node.run(&["send", "e", "hi", "--out", "back.bin", "--json"]);
    assert_eq!(taken.code(), "conflict");
    // Whoever reads stdout and is no person gets the bytes.
    let mut command = node.command(&["send", "e", "--file", "there.bin"]);
    let piped = command.output().unwrap();
    assert!(piped.status.success() && piped.stdout == bytes);
    // From a pipe, without a length that is known.
    let mut command = node.command(&["send", "e", "-"]);
    let file = std::fs::File::open(node.home().join("there.bin")).unwrap();
    let piped = command.stdin(Stdio::from(file)).output().unwrap();
    assert!(piped.status.success() && piped.stdout == bytes);

    let asked = node.json(&["send", "e", "--file", "there.bin"]);
    let reply = &asked["reply"];
    assert_eq!(
        (&reply["ref"], &reply["bytes"]),
        (&json!(digest), &json!(64 << 20))
    );
    let message = asked["message"].as_str().unwrap();
    let shown = node.done(&["show", message]);
    assert!(
        shown.contains(&digest) && shown.contains("67108864 bytes"),
        "{shown}"
    );
    // A short reply can be kept as well.
    assert_eq!(node.done(&["send", "e", "hi", "--out", "hi.txt"]), "");
    assert_eq!(std::fs::read(node.home().join("hi.txt")).unwrap(), b"hi");
}

#[test]
fn what_an_ephemeral_node_was_sent_goes_with_it() {
    let home = tempfile::tempdir().unwrap();
    let tmp = home.path().join("tmp");
    std::fs::create_dir(&tmp).unwrap();
    let mut command = medium(home.path());
    command.env("TMPDIR", &tmp);
    command.args(["up", "--ephemeral", "--json", "--api", "127.0.0.1:0"]);
    let mut process = Process::start(command);
    let ready = process
        .lines()
        .next()
        .expect("a node that is ready says so");
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let api = ready["api"].as_str().unwrap();
    let token = ready["token"].as_str().unwrap_or_default();
    let there = home.path().join("there.bin");
    std::fs::write(&there, bytes(200_000)).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = medium(home.path());
        command
            .args(arguments)
            .args(["--api", api, "--token", token]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    run(&["spawn", "echo", "--name", "e"]);
    let echoed = run(&["send", "e", "--file", there.to_str().unwrap()]);
    assert!(echoed == bytes(200_000));
    assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 1);
    process.signal("TERM");
    assert_eq!(process.exit_code(), Some(0));
    assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 0);
}
