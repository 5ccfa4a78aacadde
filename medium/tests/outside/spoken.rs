//! What is said, and what is refused by name.

use serde_json::json;

use crate::harness::Node;
use crate::{ECHO, has, logged, python, until};

#[test]
fn a_program_answers_and_its_bad_lines_are_refused_by_name() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    python(&node, "echo", ECHO, &json!({}));
    node.done(&["spawn", "./echo"]);
    assert_eq!(node.done(&["send", "echo", "hello"]), "echo: hello");
    let long = "y".repeat(20_000);
    assert_eq!(node.done(&["send", "echo", &long]), format!("echo: {long}"));
    assert_eq!(node.done(&["send", "echo", "bad"]), "after the bad line");
    assert_eq!(node.done(&["send", "echo", "huge"]), "after the huge line");
    assert_eq!(
        node.done(&["send", "echo", "strange"]),
        "after four strange lines"
    );
    let log = logged(&node, "echo", "fly");
    for refused in [
        "refused: malformed: key must be a string",
        "refused: malformed: a line of 100001 bytes, at most 32768 are read",
        "refused: not-a-contact: `nobody` is not a contact; there are host",
        "refused: malformed: it has re and emit at once",
        "refused: unknown: there was no message 99",
        "refused: malformed: unknown field `fly`",
    ] {
        assert!(log.contains(refused), "{refused}\n{log}");
    }
    // The program was told as well, and nothing of all that was a fault.
    assert!(
        log.contains(r#"stderr: told {"refused":{"code":"not-a-contact""#),
        "{log}"
    );
    assert_eq!(node.json(&["show", "echo"])["faults"], 0);
}

#[test]
fn what_cannot_be_answered_goes_back_and_the_program_is_begun_again() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    python(&node, "echo", ECHO, &json!({ "timeout_ms": 300 }));
    node.done(&["spawn", "./echo"]);
    let crash = node.run(&["send", "echo", "crash", "--wait", "20000"]);
    assert!(
        crash.refused().contains("it exited with code 3"),
        "{}",
        crash.stderr
    );
    assert_eq!(
        node.done(&["send", "echo", "hello", "--wait", "20000"]),
        "echo: hello"
    );
    let hang = node.run(&["send", "echo", "hang", "--wait", "20000"]);
    assert!(
        hang.refused().contains("it was silent for 300 ms"),
        "{}",
        hang.stderr
    );
    let half = node.run(&["send", "echo", "half", "--wait", "20000"]);
    assert!(
        half.refused().contains("it exited with code 0"),
        "{}",
        half.stderr
    );
    let log = logged(&node, "echo", "in the middle of a line of 6 bytes");
    assert!(
        log.contains("message 3 is set aside: it was silent for 300 ms"),
        "{log}"
    );
    let shown = node.json(&["show", "echo"]);
    assert_eq!(
        (&shown["faults"], &shown["restarts"]),
        (&json!(3), &json!(3))
    );
    // Once too often.
    let last = node.run(&["send", "echo", "crash", "--wait", "20000"]);
    last.refused();
    let shown = until(|| {
        let shown = node.json(&["show", "echo"]);
        if shown["life"] == "stopped" {
            Ok(shown)
        } else {
            Err(shown.to_string())
        }
    });
    assert_eq!(shown["reason"], "faults");
}

#[test]
fn a_flood_of_garbage_is_ended() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    python(&node, "echo", ECHO, &json!({}));
    node.done(&["spawn", "./echo"]);
    let flood = node.run(&["send", "echo", "garbage", "--wait", "20000"]);
    assert!(
        flood.refused().contains("64 lines in a row were refused"),
        "{}",
        flood.stderr
    );
    assert_eq!(
        node.done(&["send", "echo", "hello", "--wait", "20000"]),
        "echo: hello"
    );
}

const MANNERS: &str = r#"
import json, sys
def say(line): print(json.dumps(line), flush=True)
asker = None
for line in sys.stdin:
    m = json.loads(line)
    if "medium" in m: continue
    if m.get("re") == "k":
        say({"re": asker, "json": {"answer": m.get("text"), "error": m.get("error", {}).get("code")}})
        say({"done": m["id"]})
    elif "after" in m:
        say({"to": "e", "text": "late", "ask": "k"})
        say({"done": m["id"]})
    elif m.get("text") == "child":
        asker = m["id"]
        say({"spawn": {"native": "echo"}, "as": "e"})
        say({"to": "e", "text": "hi", "ask": "k"})
        say({"done": asker})
    elif m.get("text") == "timer":
        asker = m["id"]
        say({"done": asker})
        say({"after": 20, "tag": "now"})
    elif m.get("text") == "silence":
        asker = m["id"]
        say({"done": asker})
        say({"to": "deaf", "text": "anybody?", "ask": "k", "within": 50})
    else:
        say({"done": m["id"]})
"#;

#[test]
fn a_program_has_children_timers_and_questions() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    python(&node, "manners", MANNERS, &json!({}));
    python(
        &node,
        "deaf",
        "import time\nwhile True: time.sleep(60)\n",
        &json!({ "timeout_ms": 0 }),
    );
    node.done(&["spawn", "./deaf"]);
    node.done(&[
        "spawn",
        "./manners",
        "--grant",
        "spawn",
        "--contact",
        "deaf=deaf",
    ]);
    let child = node.json(&["send", "manners", "child", "--wait", "20000"]);
    let text = |answer: &serde_json::Value| answer["reply"]["text"].as_str().unwrap().to_owned();
    assert_eq!(text(&child), r#"{"answer":"hi","error":null}"#, "{child}");
    let timer = node.json(&["send", "manners", "timer", "--wait", "20000"]);
    assert_eq!(text(&timer), r#"{"answer":"late","error":null}"#, "{timer}");
    let silence = node.json(&["send", "manners", "silence", "--wait", "20000"]);
    assert_eq!(
        text(&silence),
        r#"{"answer":null,"error":"timeout"}"#,
        "{silence}"
    );
    let shown = node.json(&["show", "manners"]);
    let names: Vec<_> = shown["contacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].clone())
        .collect();
    assert!(names.contains(&json!("e")), "{shown}");
}
