//! Folders to begin with, and agents of several languages that talk to one another.

use std::process::Command;

use crate::harness::Node;
use crate::has;

#[test]
fn new_agents_work_and_talk_to_one_another() {
    if !has("python3") || !has("node") {
        return;
    }
    let node = Node::start();
    node.done(&["new", "agent", "counter", "--lang", "python"]);
    node.done(&["new", "agent", "turner", "--lang", "js"]);
    node.done(&["new", "agent", "notes", "--lang", "lisp"]);
    let passes = |folder: &str, program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(node.home().join(folder));
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    passes("counter", "python3", &["-m", "unittest"]);
    passes("turner", "node", &["--test"]);

    node.done(&["spawn", "./notes"]);
    node.done(&["spawn", "./counter", "--contact", "notes=notes"]);
    node.done(&["spawn", "./turner", "--contact", "bob=counter"]);
    assert_eq!(
        node.done(&["send", "counter", "one two", "--wait", "30000"]),
        "2 words"
    );
    assert_eq!(
        node.done(&["send", "turner", "one two", "--wait", "30000"]),
        "two one"
    );
    // JavaScript asks Python, which asks Lisp.
    let asked = node.done(&[
        "send",
        "turner",
        r#"tell bob tell notes (note "milk")"#,
        "--wait",
        "30000",
    ]);
    assert_eq!(asked, "1");
    assert_eq!(node.done(&["send", "notes", "(newest)"]), r#""milk""#);
    // After an edit it is the same VC.
    let file = node.home().join("counter/agent.py");
    let edited = std::fs::read_to_string(&file)
        .unwrap()
        .replace("{words} words\"", "{words} Wörter\"");
    std::fs::write(&file, edited).unwrap();
    node.done(&["upgrade", "counter", "./counter"]);
    assert_eq!(
        node.done(&["send", "counter", "one", "--wait", "30000"]),
        "1 Wörter"
    );
}
