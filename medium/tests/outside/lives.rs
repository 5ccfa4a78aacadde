//! Programs and the ends of their nodes.

use serde_json::json;

use crate::harness::Node;
use crate::{ECHO, has, logged, python, until};

/// Keeps a message until it is told `go`, and then answers all it has.
const KEEPER: &str = r#"
import json, sys
def say(line): print(json.dumps(line), flush=True)
kept = []
for line in sys.stdin:
    m = json.loads(line)
    print("told", line.strip(), file=sys.stderr, flush=True)
    if "medium" in m: continue
    if m.get("text") == "go":
        for id in kept: say({"re": id, "text": "kept"})
        say({"re": m["id"], "text": str(len(kept))})
        kept = []
    else:
        kept.append(m["id"])
"#;

#[test]
fn after_a_kill_a_program_is_told_where_it_stands() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    python(&node, "keeper", KEEPER, &json!({ "timeout_ms": 0 }));
    node.done(&["spawn", "./keeper"]);
    node.done(&["send", "keeper", "one", "--wait", "0"]);
    node.done(&["send", "keeper", "two", "--wait", "0"]);
    logged(&node, "keeper", r#""id":2,"from":"host""#);
    let node = node.killed();
    // Nobody sends anything: it runs because it ran.
    let log = logged(&node, "keeper", r#""id":2,"again":true"#);
    assert!(log.contains(r#""run":2,"last":2,"open":[1,2]"#), "{log}");
    // More than have a message each, when they are told again.
    for _ in 0..70 {
        node.done(&["send", "keeper", "more", "--wait", "0"]);
    }
    let node = node.restart();
    let all = node.done(&["send", "keeper", "go", "--wait", "20000"]);
    assert_eq!(all, "72");
    logged(&node, "keeper", r#""run":3,"last":7"#);
}

#[test]
fn a_stopped_vc_has_no_process_and_a_fork_has_one_of_its_own() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    python(&node, "echo", ECHO, &json!({}));
    node.done(&["spawn", "./echo"]);
    let pid = |vc: &str| {
        node.done(&[
            "send",
            vc,
            "run os.readlink('/proc/self')",
            "--wait",
            "20000",
        ])
    };
    let first = pid("echo");
    node.done(&["fork", "echo", "--name", "other"]);
    let second = pid("other");
    assert_ne!(first, second);
    node.done(&["stop", "echo"]);
    until(|| {
        let gone = !std::path::Path::new("/proc").join(&first).exists();
        if gone {
            Ok(())
        } else {
            Err(format!("process {first} is there"))
        }
    });
    assert_eq!(pid("other"), second, "the other goes on");
    // Asleep it needs no process, and a message wakes both.
    node.done(&["sleep", "other"]);
    until(|| {
        let gone = !std::path::Path::new("/proc").join(&second).exists();
        if gone {
            Ok(())
        } else {
            Err(format!("process {second} is there"))
        }
    });
    assert_eq!(
        node.done(&["send", "other", "hello", "--wait", "20000"]),
        "echo: hello"
    );
}

#[test]
fn a_purse_ends_a_program_that_talks_without_end() {
    if !has("python3") {
        return;
    }
    let chatter = r#"
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if m.get("text") == "start":
        while True:
            print(json.dumps({"to": "host", "text": "more"}), flush=True)
"#;
    let node = Node::start();
    python(&node, "chatter", chatter, &json!({}));
    node.done(&["spawn", "./chatter", "--budget", "messages=1000"]);
    node.done(&["send", "chatter", "start", "--wait", "0"]);
    let shown = until(|| {
        let shown = node.json(&["show", "chatter"]);
        if shown["life"] == "stopped" {
            Ok(shown)
        } else {
            Err(shown.to_string())
        }
    });
    assert_eq!(shown["reason"], "budget");
}
