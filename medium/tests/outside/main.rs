//! Programs outside as VCs: real processes in Python and JavaScript, a real node, real kills.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "what is skipped is said")]

#[path = "../cli/harness.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod harness;

mod attached;
mod begun;
mod fleet;
mod granted;
mod lives;
#[path = "../sim_crates/shown.rs"]
mod shown;
mod spoken;
mod walk;

use std::process::Command;

use harness::Node;
use serde_json::json;

/// Whether a language is here; on CI it has to be.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output();
    let found = found.is_ok_and(|output| output.status.success());
    assert!(
        found || std::env::var_os("CI").is_none(),
        "CI needs {program}"
    );
    if !found {
        eprintln!("skipped: there is no {program}");
    }
    found
}

/// A pod directory with a program in Python; further fields of `outside` come as JSON.
fn python(node: &Node, name: &str, program: &str, more: &serde_json::Value) {
    let mut outside = json!({ "command": ["python3", "agent.py"] });
    for (field, value) in more.as_object().unwrap() {
        outside[field] = value.clone();
    }
    let vc = json!({
        "name": name,
        "outside": outside,
        "grants": ["send", "emit", "after", "spawn"],
        "restart": { "faults_max": 8, "within_ms": 60_000 },
    });
    node.write(&format!("{name}/vc.json"), &vc.to_string());
    node.write(&format!("{name}/agent.py"), program);
}

/// Waits until a VC's log has a line with this in it, and gives the log.
fn logged(node: &Node, vc: &str, what: &str) -> String {
    until(|| {
        let log = node.done(&["logs", vc]);
        if log.contains(what) {
            Ok(log)
        } else {
            Err(log)
        }
    })
}

/// Waits until something is so: processes take the time they take.
fn until<T>(look: impl Fn() -> Result<T, String>) -> T {
    // Each look is a program that is started and asks the node.
    const LOOKS_MAX: u32 = 5_000;
    let mut last = String::new();
    for _ in 0..LOOKS_MAX {
        match look() {
            Ok(seen) => return seen,
            Err(seen) => last = seen,
        }
        std::thread::yield_now();
    }
    panic!("it did not come to pass; the last that was seen: {last}");
}

/// Answers every message by what it does for it, as a program of the protocol would be written without a library.
const ECHO: &str = r#"
import json, os, sys

def say(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()

for line in sys.stdin:
    m = json.loads(line)
    print("told", line.strip(), file=sys.stderr, flush=True)
    if "medium" in m or "refused" in m:
        continue
    text = m.get("text", "")
    if text == "crash":
        sys.exit(3)
    elif text == "hang":
        pass
    elif text == "half":
        sys.stdout.write('{"re":')
        sys.stdout.flush()
        sys.exit(0)
    elif text == "huge":
        sys.stdout.write("x" * 100_000 + "\n")
        say({"re": m["id"], "text": "after the huge line"})
    elif text == "bad":
        sys.stdout.write("{nonsense\n")
        say({"re": m["id"], "text": "after the bad line"})
    elif text == "garbage":
        while True:
            sys.stdout.write("garbage\n")
    elif text == "strange":
        say({"to": "nobody", "text": "x"})
        say({"re": m["id"], "text": "x", "emit": "y"})
        say({"done": 99})
        say({"fly": True})
        say({"re": m["id"], "text": "after four strange lines"})
    elif text.startswith("run "):
        try:
            say({"re": m["id"], "text": str(eval(text[4:]))})
        except Exception as error:
            say({"re": m["id"], "error": repr(error)})
    elif "text" in m:
        say({"re": m["id"], "text": "echo: " + text})
    else:
        say({"done": m["id"]})
"#;
