//! What a program may do, and what it was granted.

use serde_json::json;

use crate::harness::Node;
use crate::{ECHO, has, python};

#[test]
fn a_program_reaches_nothing_it_was_not_granted() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    python(&node, "echo", ECHO, &json!({}));
    node.done(&["spawn", "./echo"]);
    let run = |code: &str| node.run(&["send", "echo", &format!("run {code}"), "--wait", "20000"]);
    let connect = run("__import__('socket').socket()");
    assert!(
        connect.refused().contains("PermissionError"),
        "{}",
        connect.stderr
    );
    let data = node.home().join("data").join("token");
    let read = run(&format!("open({:?}).read()", data.display().to_string()));
    assert!(read.refused().contains("Error"), "{}", read.stderr);
    let write = run("open('/usr/x', 'w')");
    assert!(write.refused().contains("Error"), "{}", write.stderr);
    let own = run("open('notes', 'w').write('mine') and open('notes').read()");
    assert_eq!(own.done(), "mine");
    let environment = run("sorted(os.environ)").done();
    assert!(!environment.contains("MEDIUM"), "{environment}");
    assert!(environment.contains("'HOME', "), "{environment}");
}

#[test]
fn what_a_program_asks_for_is_granted_by_name_or_it_is_refused() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    python(
        &node,
        "feed",
        ECHO,
        &json!({ "network": true, "secrets": ["FEED_KEY"] }),
    );
    let refused = node.run(&["spawn", "./feed"]);
    let said = refused.refused().to_owned();
    assert!(said.contains("`feed` (program "), "{said}");
    assert!(
        said.contains("asks for more than it is granted: --network --secret FEED_KEY"),
        "{said}"
    );
    assert_eq!(
        node.run(&["show", "feed"]).code,
        Some(1),
        "nothing was born"
    );

    let secret = "correct-horse-battery-staple";
    let spawned = node
        .command(&[
            "spawn",
            "./feed",
            "--network",
            "--secret",
            "FEED_KEY",
            "--json",
        ])
        .env("FEED_KEY", secret)
        .output()
        .unwrap();
    let spawned = crate::harness::Run::of(&["spawn"], spawned).done();
    assert!(
        spawned.contains("FEED_KEY") && !spawned.contains(secret),
        "{spawned}"
    );
    let length = node.done(&[
        "send",
        "feed",
        "run len(os.environ['FEED_KEY'])",
        "--wait",
        "20000",
    ]);
    assert_eq!(length, secret.len().to_string());
    let socket = node.done(&[
        "send",
        "feed",
        "run __import__('socket').socket().fileno() > 0",
        "--wait",
        "20000",
    ]);
    assert_eq!(socket, "True");
    // Named on screen, and never shown.
    for verb in ["show", "logs"] {
        let text = node.done(&[verb, "feed"]) + &node.done(&[verb, "feed", "--json"]);
        assert!(!text.contains(secret), "{text}");
    }
    let screen = node.done(&["show", "feed"]);
    assert!(screen.contains("is given the secret FEED_KEY"), "{screen}");
    let missing = node.run(&[
        "spawn",
        "./feed",
        "--network",
        "--secret",
        "NOT_SET_ANYWHERE",
    ]);
    assert!(
        missing
            .refused()
            .contains("`NOT_SET_ANYWHERE` is not in the environment")
    );
}

#[test]
fn a_poisoned_tool_is_refused_and_the_old_one_goes_on() {
    if !has("python3") {
        return;
    }
    let node = Node::start();
    python(&node, "tool", ECHO, &json!({}));
    let spawned = node.json(&["spawn", "./tool"]);
    let digest = spawned["programs"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(node.done(&["send", "tool", "one"]), "echo: one");
    // The same name, another digest, and it asks for the network.
    let other = ECHO.replace("echo: ", "ECHO: ");
    python(&node, "tool", &other, &json!({ "network": true }));
    let refused = node.run(&["upgrade", "tool", "./tool"]);
    let said = refused.refused();
    assert!(
        said.contains("asks for more than it is granted: --network"),
        "{said}"
    );
    assert_eq!(node.done(&["send", "tool", "two"]), "echo: two");
    python(&node, "tool", &other, &json!({}));
    let expected = node.run(&["spawn", "./tool", "--name", "again", "--expect", &digest]);
    assert!(
        expected
            .refused()
            .contains("it is another one of the same name"),
        "{}",
        expected.stderr
    );
    // Without the network it is only another version: the VC stays who it is.
    node.done(&["upgrade", "tool", "./tool"]);
    assert_eq!(
        node.done(&["send", "tool", "three", "--wait", "20000"]),
        "ECHO: three"
    );
    assert_eq!(node.json(&["show", "tool"])["id"], spawned["id"]);
    assert_ne!(
        node.json(&["show", "tool"])["program"]["digest"],
        json!(digest)
    );
}
