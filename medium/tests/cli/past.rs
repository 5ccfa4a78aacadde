//! `replay` and `trace`: what happened, computed again and shown.

use serde_json::Value;

use crate::harness::{Node, Run, medium};

/// Whatever was done to VCs, also between two lives of the node, comes to the same; with and without a node.
#[test]
fn what_happened_is_computed_again() {
    let node = Node::start();
    node.done(&["spawn", "notary"]);
    node.done(&["spawn", "counter", "--name", "c"]);
    node.done(&["spawn", "echo", "--name", "silent", "--record", "0"]);
    node.done(&["spawn", "echo", "--name", "passing", "--volatile"]);
    for n in 1..=3 {
        assert_eq!(node.done(&["send", "notary", "x"]), n.to_string());
    }
    node.done(&["send", "c", "3"]);
    node.done(&["send", "silent", "x"]);
    node.done(&["sleep", "c"]);
    // Those that record nothing say so.
    for vc in ["silent", "passing"] {
        let refused = node.run(&["replay", vc]);
        assert!(refused.refused().contains("keeps no journal"), "{vc}");
        assert!(
            node.run(&["trace", vc])
                .refused()
                .contains("keeps no journal")
        );
    }
    let node = node.restart();
    assert_eq!(node.done(&["send", "c", "4"]), "7");
    let digest = node.json(&["show", "c"])["image_digest"].clone();
    let digest = digest.as_str().unwrap();
    let said = node.done(&["replay", "c"]);
    assert_eq!(said, format!("c: 2 messages, same digest {digest}"));
    let found = node.json(&["replay", "notary"]);
    assert_eq!(
        (&found["messages"], &found["first"]),
        (&3.into(), &Value::Null)
    );
    let all = node.done(&["replay", "--all"]);
    let mut who: Vec<_> = all
        .lines()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    who.sort_unstable();
    assert_eq!(who, ["c", "notary"], "{all}");
    // The same part is the same; another is not, and that is exit code 1.
    let same = node.done(&["replay", "c", "--with", "counter"]);
    assert!(
        same.starts_with("2 messages: 0 with another outcome"),
        "{same}"
    );
    let other = node.run(&["replay", "c", "--with", "echo", "--occurrence", "1"]);
    assert_eq!(other.code, Some(1));
    assert!(
        other
            .stdout
            .contains("with another outcome, 0 of them failing now"),
        "{}",
        other.stdout
    );
    assert!(
        other.stdout.contains("after   reply \"4\""),
        "{}",
        other.stdout
    );
    // Without a node, of the folder: nothing is started for it.
    let Node { process, home, .. } = node;
    process.signal("INT");
    assert_eq!(process.exit_code(), Some(0));
    let arguments = ["replay", "--all", "--data", "data"];
    let again = Run::of(
        &arguments,
        medium(home.path()).args(arguments).output().unwrap(),
    );
    assert_eq!(again.done(), all);
}

#[test]
fn a_request_is_one_tree() {
    let node = Node::start();
    node.done(&["spawn", "ring"]);
    let asked = node.json(&["send", "ring", "token", "--wait", "5000"]);
    let message = asked["message"].as_str().unwrap();
    let tree = node.json(&["trace", message]);
    assert_eq!(tree["trees"][0]["message"], message);
    // Down five levels and up again: who, and how far in. Numbers and times aside.
    let shown = node.done(&["trace", message]);
    let who = |line: &str| {
        line.split("  ")
            .find(|part| part.contains(" -> "))
            .map(|part| {
                let depth = line.len() - line.trim_start().len();
                format!("{}{part}", " ".repeat(depth))
            })
    };
    let who: Vec<String> = shown.lines().filter_map(who).collect();
    insta::assert_snapshot!(who.join("\n"), @"
    owner -> ring
      ring -> inner
        inner -> inner
          inner -> inner
            inner -> inner
              inner -> inner
                inner -> inner reply
                  inner -> inner reply
                    inner -> inner reply
                      inner -> inner reply
                        inner -> ring reply
                          ring -> owner reply
    ");
    // A reply that was given out leads to the same tree, and so does whoever handled it last.
    let reply = asked["reply"]["message"].as_str().unwrap();
    assert_eq!(node.json(&["trace", reply]), tree);
    assert_eq!(
        node.json(&["trace", "ring", "-k", "9"])["trees"][0],
        tree["trees"][0]
    );
    let unknown = format!("msg:{}", "a".repeat(52));
    let refused = node.run(&["trace", &unknown]);
    assert!(
        refused.refused().contains("no journal of this node has"),
        "{}",
        refused.stderr
    );
}
