//! Sandboxed code from the command line: Lisp, limbs, a console, and folders to begin with.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::{Node, is_id, medium};

/// One node for all of it: the interpreter is compiled once.
#[test]
fn lisp_answers_and_remembers_asleep_and_awake() {
    let node = Node::start();
    assert!(is_id(&node.done(&["spawn", "lisp"]), "vc:"));
    assert_eq!(
        node.done(&["send", "lisp", "(cons '4 '(9 16 25 36 49))"]),
        "(4 9 16 25 36 49)"
    );

    // A program in a file is a VC; what it is told later it keeps, too.
    node.write("agent.scm", "(define (double x) (* 2 x))\n");
    node.done(&["spawn", "agent.scm"]);
    assert_eq!(node.done(&["send", "agent", "(double 21)"]), "42");
    node.done(&["send", "agent", "(define (square x) (* x x))"]);
    node.done(&["sleep", "agent"]);
    assert_eq!(node.done(&["send", "agent", "(square 12)"]), "144");
    assert_eq!(node.done(&["send", "agent", "(double 4)"]), "8");

    // The folder that `new` writes is such an agent.
    assert_eq!(
        node.done(&["new", "agent", "helper", "--lang", "lisp"]),
        "helper"
    );
    node.done(&["spawn", "./helper"]);
    assert_eq!(node.done(&["send", "helper", r#"(note "milk")"#]), "1");
    assert_eq!(node.done(&["send", "helper", "(newest)"]), r#""milk""#);

    // A console is something else, and that is said.
    let none = node.run(&["console", "lisp", "--frames", "2", "--plain"]);
    assert!(none.refused().contains("console/frame"), "{}", none.stderr);
    assert!(
        none.stderr.contains("medium spawn chip8"),
        "{}",
        none.stderr
    );
}

#[test]
fn a_limb_is_tried_upgraded_and_stripped() {
    let node = Node::start();
    node.done(&["spawn", "robot", "--record", "16", "--turn-fuel", "2000000"]);
    assert_eq!(node.done(&["send", "robot", "move 3"]), "3");

    // One that admits its fault, and one that only boasts: both are refused, with reasons.
    let honest = node.run(&["try", "robot", "limb-v2", "--role", "limb"]);
    assert_eq!(honest.code, Some(1), "{}", honest.stderr);
    assert!(
        honest
            .stdout
            .starts_with("verdict     refuse: it fails its own test: "),
        "{}",
        honest.stdout
    );
    assert!(honest.stdout.contains("self.ok     0"), "{}", honest.stdout);
    let boaster = node.run(&["try", "robot", "limb-boaster", "--role", "limb", "--json"]);
    assert_eq!(boaster.code, Some(1), "{}", boaster.stderr);
    let trial: serde_json::Value = serde_json::from_str(&boaster.stdout).unwrap();
    assert_eq!(trial["self"]["ok"], true);
    assert_eq!(trial["tests"]["ok"], false);
    assert_eq!(trial["verdict"]["refuse"]["code"], "fault");
    let upgrade = node.run(&["upgrade", "robot", "limb-boaster", "--role", "limb"]);
    assert!(
        upgrade.refused().contains("the judge refuses it"),
        "{}",
        upgrade.stderr
    );

    // A better one comes in, and says what that took; the old one's place is its.
    let tried = node.json(&["try", "robot", "limb-v1", "--role", "limb"]);
    assert_eq!(tried["verdict"], "adopt", "{tried}");
    let upgraded = node.json(&["upgrade", "robot", "limb-v1", "--role", "limb"]);
    assert_eq!(upgraded["occurrence"], 3);
    assert!(upgraded["fuel"].as_u64().unwrap() > 0);

    // Without it the robot cannot move, and says so; it comes back by the message it became.
    let stripped = node.run(&["strip", "robot", "3"]);
    assert!(stripped.stderr.contains(" fuel"), "{}", stripped.stderr);
    let message = stripped.done();
    assert!(is_id(&message, "msg:"));
    assert!(
        node.run(&["send", "robot", "move 1"])
            .refused()
            .contains("limb/move")
    );
    assert!(node.done(&["show", "robot"]).contains("limb/move"));
    node.done(&["internalize", "robot", &message]);
    node.done(&["send", "robot", "move 1"]);

    assert!(node.done(&["doctor"]).contains("wasmtime"));
    show_fits_a_screen(&node);
}

fn show_fits_a_screen(node: &Node) {
    node.done(&[
        "spawn",
        "cat",
        "--turn-fuel",
        "2000000",
        "--budget",
        "fuel=9000000",
    ]);
    let screen = node.done(&["show", "cat"]);
    // What differs from run to run, or with every change of a part, is left out.
    let shown: Vec<_> = screen
        .lines()
        .map(|line| {
            let words = line.split(' ').map(|word| {
                let is_hex = word.len() > 11
                    && word
                        .trim_end_matches('…')
                        .bytes()
                        .all(|b| b.is_ascii_hexdigit());
                let is_size =
                    word.trim_start_matches('(').parse::<u64>().is_ok() && line.contains("wasm");
                match word {
                    _ if word.starts_with("vc:") => "vc:…",
                    _ if is_hex => "…",
                    _ if is_size && word.starts_with('(') => "(N",
                    _ if word.starts_with("bytes=") => "bytes=N",
                    _ => word,
                }
            });
            words.collect::<Vec<_>>().join(" ")
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_file_with_code_is_a_vc_and_its_errors_have_a_place() {
    let node = Node::start();
    node.write("bad.wat", "(module\n  (func foo)\n)\n");
    for verb in [
        vec!["spawn", "bad.wat"],
        vec!["internalize", "nobody", "bad.wat"],
    ] {
        let bad = node.run(&verb);
        assert!(
            bad.refused().contains("bad.wat: line 2, column 9: "),
            "{}",
            bad.stderr
        );
    }
    node.write(
        "bad-pod/vc.json",
        r#"{ "name": "bad", "parts": [{ "wasm": "part.wat" }] }"#,
    );
    node.write("bad-pod/part.wat", "(module\n  (func foo)\n)\n");
    let bad = node.run(&["spawn", "./bad-pod"]);
    assert!(
        bad.refused().contains("part.wat: line 2, column 9: "),
        "{}",
        bad.stderr
    );
    assert_eq!(node.run(&["spawn", "none.wat", "--json"]).code(), "unknown");

    // The folder that `new` writes is a VC, and its part a VC of its own.
    assert_eq!(node.done(&["new", "part", "tally"]), "tally");
    let again = node.run(&["new", "part", "tally"]);
    assert!(again.refused().contains("tally"), "{}", again.stderr);
    node.done(&["spawn", "./tally"]);
    assert_eq!(node.done(&["send", "tally", "40"]), "40");
    let part = "tally/tally.wat";
    let tried = ["try", "tally", part, "--role", "main", "--replay", "100"];
    assert!(node.done(&tried).starts_with("verdict   adopt"));
    node.done(&["spawn", part, "--name", "alone", "--text", "2"]);
    assert_eq!(node.done(&["send", "alone", "40"]), "42");
    let taken = node.run(&["spawn", part]);
    assert!(taken.stderr.contains("another VC is called `tally`"));

    // A part that comes with the medium is named as its file is.
    node.done(&["spawn", "counter-v1"]);
    assert_eq!(node.json(&["show", "counter-v1"])["name"], "counter-v1");
}

#[test]
fn a_console_runs_without_a_terminal() {
    let node = Node::start();
    node.done(&["spawn", "chip8"]);
    let picture = node.done(&["console", "chip8", "--frames", "3", "--plain"]);
    assert_eq!(picture.lines().count(), 32);
    assert!(picture.lines().all(|line| line.len() == 64));
    assert!(picture.contains('#'), "{picture}");
    let next = node.json(&["console", "chip8", "--frames", "1", "--plain"]);
    assert_eq!(next["frame"], json!(4));
    let screen = node.run(&["console", "chip8"]);
    assert!(
        screen.refused().contains("needs a terminal"),
        "{}",
        screen.stderr
    );
}

#[test]
fn the_rust_template_is_a_part() {
    let home = tempfile::tempdir().unwrap();
    let made = medium(home.path())
        .args(["new", "part", "filter", "--lang", "rust"])
        .output()
        .unwrap();
    assert!(made.status.success());
    if !has_target() {
        assert!(
            std::env::var_os("CI").is_none(),
            "the target wasm32v1-none must be installed here"
        );
        eprintln!("skipped: the target wasm32v1-none is not installed");
        return;
    }
    let built = Command::new("sh")
        .arg(home.path().join("filter/build.sh"))
        .output();
    let built = built.unwrap();
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    assert!(built.status.success(), "{said}");
    assert_eq!(said, "", "it compiles without a warning");
    let node = Node::start();
    let folder = home.path().join("filter");
    node.done(&["spawn", folder.to_str().unwrap()]);
    assert_eq!(node.done(&["send", "filter", "five!"]), "5");
    let module = folder.join("filter.wasm");
    let module = module.to_str().unwrap();
    let tried = node.json(&["try", "filter", module, "--role", "main", "--replay", "8"]);
    assert_eq!(tried["self"]["ok"], true, "{tried}");
    assert_eq!(tried["verdict"], "adopt", "{tried}");
}

/// Whether the standard library for parts is there.
fn has_target() -> bool {
    let rustc = Command::new("rustc").args(["--print", "sysroot"]).output();
    let Ok(sysroot) = rustc.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    else {
        return false;
    };
    Path::new(&sysroot)
        .join("lib/rustlib/wasm32v1-none")
        .is_dir()
}

#[test]
fn a_whole_vc_is_given_away_and_goes_on() {
    let node = Node::start();
    node.done(&["spawn", "lisp", "--name", "pupil"]);
    node.done(&["spawn", "lisp", "--name", "teacher"]);
    node.done(&["send", "pupil", "(define known 41)"]);
    let copy = node.done(&["give", "pupil", "teacher"]);
    assert!(is_id(&copy, "vc:"));
    assert_eq!(node.done(&["send", &copy, "(+ known 1)"]), "42");
    // Itself: under the same id and name, with another host.
    let before = node.json(&["show", "pupil"]);
    let moved = node.done(&["give", "pupil", "teacher", "--move"]);
    assert_eq!(before["id"], moved.as_str());
    assert_eq!(node.done(&["send", "pupil", "known"]), "41");
    let (pupil, teacher) = (
        node.json(&["show", "pupil"]),
        node.json(&["show", "teacher"]),
    );
    assert_eq!(pupil["host"], teacher["id"]);
    let itself = node.run(&["give", "pupil", "pupil"]);
    assert!(itself.refused().contains("to itself"), "{}", itself.stderr);
}
