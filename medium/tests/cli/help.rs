//! What the command line says of itself, for which it needs no node.

use std::process::Stdio;

use crate::harness::{Run, medium};

/// Help, usage errors, completions, the manual.
#[test]
fn the_command_line_explains_itself() {
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        Run::of(
            arguments,
            medium(home.path()).args(arguments).output().unwrap(),
        )
    };
    insta::assert_snapshot!("help_short", run(&["-h"]).done());
    insta::assert_snapshot!("help_full", run(&["--help"]).done());
    let verbs = [
        "up",
        "demo",
        "spawn",
        "send",
        "logs",
        "ps",
        "top",
        "show",
        "shape",
        "find",
        "explain",
        "fork",
        "sleep",
        "wake",
        "stop",
        "budget",
        "remove",
        "strip",
        "internalize",
        "upgrade",
        "replay",
        "trace",
        "freeze",
        "pod",
        "lineage",
        "doctor",
        "completions",
        "man",
    ];
    let mut short = String::new();
    for verb in verbs {
        // What holds for every verb is in the snapshots above.
        let help = run(&[verb, "-h"]).done();
        let own = help.split("\nFor ").next().unwrap();
        short.extend(["$ medium ", verb, " -h\n", own, "\n"]);
        assert!(
            run(&[verb, "--help"])
                .done()
                .contains(&format!("  medium {verb}")),
            "{verb}"
        );
    }
    insta::assert_snapshot!("help_of_verbs", short);
    insta::assert_snapshot!("help_of_pod", help_of_pod(&run));

    for arguments in [
        &["sendd"][..],
        &["ps", "--limit", "x"],
        &["spawn"],
        &["send", "e"],
        &["spawn", "e", "--grant", "fly"],
    ] {
        run(arguments).refused();
    }
    assert_eq!(run(&["ps", "--limit", "x", "--json"]).code(), "malformed");
    let nothing = run(&[]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        run(&["--version"]).done(),
        concat!("medium ", env!("CARGO_PKG_VERSION"))
    );

    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(
            run(&["completions", shell]).done().contains("internalize"),
            "{shell}"
        );
    }
    let manual = run(&["man"]).done();
    for verb in verbs {
        assert!(manual.contains(&format!(".TH medium-{verb} ")), "{verb}");
    }
    run(&["man", "--output", "man"]).done();
    assert!(home.path().join("man/medium-spawn.1").exists());
    assert!(run(&["ps"]).refused().contains("medium up"));
    assert_eq!(
        run(&["doctor"]).code,
        Some(0),
        "no node and no folder is no fault"
    );
}

/// What each verb of `pod` says of itself; every one has an example, but for those that have verbs of their own.
fn help_of_pod(run: &dyn Fn(&[&str]) -> Run) -> String {
    let mut all = String::new();
    for verb in [
        "new", "ls", "put", "get", "cp", "mv", "rm", "mkdir", "stat", "open", "close", "remove",
        "share", "fork", "import", "history", "verify", "offer", "offers", "take", "decline",
        "stamp", "pin", "unpin", "pins", "gc", "wallet", "hash",
    ] {
        let full = run(&["pod", verb, "--help"]).done();
        let has_verbs = matches!(verb, "stamp" | "wallet");
        assert!(
            has_verbs || full.contains(&format!("medium pod {verb}")),
            "{verb}: {full}"
        );
        let help = run(&["pod", verb, "-h"]).done();
        // What holds for every verb is in the snapshots of the whole.
        let own = help.split("\nFor ").next().unwrap_or_default();
        all.extend(["$ medium pod ", verb, " -h\n", own, "\n"]);
    }
    all
}

/// Regression: a reader that has seen enough is no error and no panic.
#[test]
fn a_closed_pipe_ends_quietly() {
    let home = tempfile::tempdir().unwrap();
    let mut command = medium(home.path());
    let mut child = command
        .arg("man")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}
