//! Steering from the command line: `top`, `ps --where`, the brake, `budget`.

use serde_json::json;

use crate::harness::Node;

#[test]
fn many_are_steered_by_a_pattern() {
    let node = Node::start();
    for name in ["a", "b", "c"] {
        node.done(&["spawn", "echo", "--name", name]);
    }
    let listed = node.json(&["ps", "--where", "name in {a,b}"]);
    let names: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|vc| &vc["name"])
        .collect();
    assert_eq!(names, ["a", "b"]);
    let slept = node.done(&["sleep", "--where", "name in {a}"]);
    assert!(slept.ends_with("  dormant  a"), "{slept}");
    assert_eq!(
        node.json(&["ps", "--where", "life in {dormant} & name in {a}"])[0]["name"],
        "a"
    );
    let woken = node.done(&["wake", "--where", "name in {a}"]);
    assert!(woken.contains("  a"), "{woken}");

    let run = node.run(&["stop", "--where", "name in {nobody}"]);
    assert!(run.stderr.contains("nobody who lives"), "{}", run.stderr);
    let run = node.run(&["stop", "--where", "name in {a,b}"]);
    assert!(
        run.stderr.contains("2 stopped: 2 taken, 0 descended"),
        "{}",
        run.stderr
    );
    assert!(run.done().starts_with("ID "));
    let table = node.done(&["ps"]);
    assert!(
        table
            .lines()
            .any(|line| line.contains("  a ") && line.ends_with("owner")),
        "{table}"
    );
    let braked = node.json(&["stop", "c", "--children"]);
    assert_eq!(
        (&braked["count"], &braked["stopped"][0]["name"]),
        (&json!(1), &json!("c"))
    );
    let removed = node.done(&["remove", "--where", "life in {stopped}"]);
    assert_eq!(removed.lines().count(), 3, "{removed}");
    // Those that are refused are named, and the others done.
    node.done(&["spawn", "echo", "--name", "d"]);
    let run = node.run(&["remove", "--where", "name in {d}"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("not stopped"), "{}", run.stderr);
    for bad in [
        &["stop"][..],
        &["stop", "d", "--where", "all"],
        &["stop", "--where", "&"],
    ] {
        assert_eq!(node.run(bad).code, Some(1), "{bad:?}");
    }
}

#[test]
fn a_purse_is_watched_and_filled() {
    let node = Node::start();
    node.done(&[
        "spawn",
        "echo",
        "--name",
        "poor",
        "--budget",
        "messages=10,fuel=100000",
    ]);
    for _ in 0..9 {
        node.done(&["send", "poor", "x"]);
    }
    let table = node.done(&["ps"]);
    assert!(table.contains("messages=1!"), "{table}");
    assert!(
        node.done(&["show", "poor"])
            .contains("a tenth or less is left of messages")
    );
    assert!(
        node.done(&["logs", "poor"])
            .contains("purse: 1 of 10 messages left")
    );
    let holds = node.done(&["budget", "poor", "messages=100"]);
    assert!(holds.contains("messages=101"), "{holds}");
    assert_eq!(node.done(&["budget", "poor"]), holds);
    let holds = node.done(&["budget", "poor", "messages=endless,fuel=endless"]);
    assert_eq!(holds, "endless");
    // What was said of a purse is remembered by who sleeps.
    node.done(&[
        "spawn",
        "echo",
        "--name",
        "sleeper",
        "--budget",
        "messages=10",
    ]);
    for _ in 0..9 {
        node.done(&["send", "sleeper", "x"]);
    }
    node.done(&["sleep", "sleeper"]);
    let node = node.restart();
    let sleeper = &node.json(&["ps", "--where", "name in {sleeper}"])[0];
    assert_eq!(
        (&sleeper["low"], &sleeper["life"]),
        (&json!(["messages"]), &json!("dormant"))
    );
    node.done(&["send", "sleeper", "x"]);
    let said = node.done(&["logs", "sleeper"]);
    assert_eq!(said.matches("left").count(), 1, "{said}");
    node.done(&["stop", "sleeper"]);
    let run = node.run(&["budget", "sleeper", "messages=1"]);
    assert!(run.refused().contains("stopped"), "{}", run.stderr);
}

#[test]
fn the_busiest_are_shown_once_or_line_by_line() {
    let node = Node::start();
    node.done(&["spawn", "echo", "--name", "busy"]);
    node.done(&["send", "busy", "x"]);
    let table = node.done(&["top", "--once", "--every", "1", "--by", "fuel"]);
    let mut lines = table.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .contains(" live, 0 stopped, 0 messages wait, "),
        "{table}"
    );
    assert!(lines.next().unwrap().starts_with("ID "), "{table}");
    assert!(table.contains("busy"), "{table}");
    let top = node.json(&["top", "--once", "--every", "1", "-n", "2"]);
    assert_eq!(top["rows"].as_array().unwrap().len(), 2);
    assert_eq!(
        top["seqs"].as_array().map(|seqs| !seqs.is_empty()),
        Some(true)
    );
    assert_eq!(node.run(&["top", "--by", "size"]).code, Some(1));
}
