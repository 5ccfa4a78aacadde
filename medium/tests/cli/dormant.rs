//! VCs in pods: persisted, asleep there, woken by a message, spawned from a reference and forked from it.

use serde_json::{Value, json};

use crate::harness::{Node, Process, medium};

/// The digest of a VC, wherever it is.
fn image_of(node: &Node, vc: &str) -> String {
    let shape = node.json(&["shape", vc]);
    shape["image_digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_vc_sleeps_in_a_pod_and_a_message_wakes_it() {
    let node = Node::start();
    let id = node.done(&["spawn", "counter", "--name", "c"]);
    assert_eq!(node.done(&["send", "c", "42"]), "42");
    let image = image_of(&node, "c");

    // A copy in a pod changes nothing here.
    let kept = node.json(&["persist", "c"]);
    assert_eq!(kept["vc"], json!(id));
    assert_eq!(kept["image"], json!(image));
    assert_eq!(kept["asleep"], false);
    assert_eq!(node.done(&["send", "c", "0"]), "42");
    let lived_on = image_of(&node, "c");
    assert_ne!(lived_on, image, "it handled a message");

    let slept = node.json(&["persist", "c", "--sleep"]);
    assert_eq!(slept["image"], json!(lived_on));
    let refused = node.run(&["show", "c"]);
    assert!(refused.refused().contains("sleeps in the pod"));
    let listed = node.done(&["ps", "--all"]);
    let row = listed.lines().find(|row| row.contains(" c "));
    assert!(row.is_some_and(|row| row.contains("in a pod")), "{listed}");

    // The node may end in between; nothing of the VC is in its store.
    let node = node.restart();
    assert_eq!(node.done(&["wake", "c"]), "awake");
    assert_eq!(image_of(&node, "c"), lived_on, "as it was laid down");
    node.done(&["persist", "c", "--sleep"]);
    assert_eq!(node.done(&["send", "c", "1"]), "43", "a message wakes it");
    assert_eq!(node.done(&["pod", "ls", "c"]).lines().count(), 3);

    // It need not be woken to be forgotten; the pod stays.
    let reference = node.done(&["persist", "c", "--sleep"]);
    assert!(node.run(&["remove", "c"]).refused().contains("--force"));
    node.done(&["remove", "c", "--force"]);
    assert!(
        node.run(&["send", "c", "1"])
            .refused()
            .contains("no VC is called")
    );
    assert_eq!(node.done(&["spawn", &reference]), id);
    assert_eq!(node.done(&["send", "c", "0"]), "43");
}

#[test]
fn a_reference_spawns_forks_and_receives() {
    let node = Node::start();
    node.done(&["spawn", "counter", "--name", "c"]);
    node.done(&["send", "c", "40"]);
    let reference = node.done(&["persist", "c"]);
    assert_eq!(
        reference.len(),
        128,
        "a private pod has a key in its reference"
    );

    // It lives here: another one is a fork.
    let refused = node.run(&["spawn", &reference]);
    assert!(refused.refused().contains("lives here already"));
    let fork = node.done(&["fork", &reference, "--name", "f"]);
    assert_eq!(node.done(&["send", &fork, "2"]), "42");
    assert_eq!(
        node.done(&["send", "c", "0"]),
        "40",
        "the first knows nothing of it"
    );
    assert!(node.done(&["lineage", "f"]).contains('c'));

    // A message to the reference finds the one who lives here, or wakes it.
    assert_eq!(node.done(&["send", &reference, "1"]), "41");
    node.done(&["remove", "c", "--force"]);
    assert_eq!(
        node.done(&["send", &reference, "1"]),
        "41",
        "as it was persisted"
    );
    let key = node.done(&["pod", "share", "c"]);
    assert_eq!(key.len(), 64);
    assert_eq!(
        node.done(&["send", &key, "1"]),
        "42",
        "the same VC by its key"
    );

    // What holds no VC is said to hold none.
    node.write("notes/a.txt", "text");
    let notes = node.done(&["persist", "notes"]);
    for verb in [
        &["spawn", &notes][..],
        &["fork", &notes],
        &["send", &notes, "hello"],
    ] {
        let run = node.run(verb);
        assert!(run.refused().contains("holds no VC"), "{}", run.stderr);
    }
    let nowhere = "0".repeat(64);
    assert!(
        node.run(&["spawn", &nowhere])
            .refused()
            .contains("leads nowhere")
    );
}

#[test]
fn directories_are_persisted_and_spawned_by_reference() {
    let node = Node::start();
    node.write(
        "mine/vc.json",
        r#"{ "name": "mine", "parts": [{ "native": "counter" }], "grants": ["send"] }"#,
    );
    let reference = node.done(&["persist", "mine"]);
    node.done(&["spawn", &reference]);
    assert_eq!(node.done(&["send", "mine", "7"]), "7");
    assert_eq!(
        node.done(&["persist", "mine"]),
        reference,
        "the same directory, the same reference"
    );
    let sleeping = node.run(&["persist", "./mine", "--sleep"]);
    assert!(sleeping.refused().contains("does not sleep"));
}

/// Parts that VCs share are stored once: the second Lisp costs little more than its state.
#[test]
fn shared_parts_are_stored_once() {
    let node = Node::start();
    let mut stamped = Vec::new();
    for name in ["one", "two", "three"] {
        node.done(&["spawn", "lisp", "--name", name]);
        node.done(&["send", name, &format!("(define {name} 1)")]);
        node.done(&["persist", name]);
        let batches = node.json(&["pod", "stamp", "ls"]);
        stamped.push(batches[0]["stamped"].as_u64().unwrap());
    }
    let (first, second) = (stamped[0], stamped[2] - stamped[1]);
    assert!(
        second * 2 < first,
        "the first takes {first} chunks, the third {second} more"
    );
    node.done(&["persist", "one", "--sleep"]);
    assert_eq!(node.done(&["send", "one", "(+ one 41)"]), "42");
}

/// A node that serves Bee's API, and where.
fn a_bee(home: &std::path::Path) -> (Process, String) {
    let mut command = medium(home);
    command.args(["up", "--json", "--ephemeral", "--api", "127.0.0.1:0"]);
    command.args(["--bee-api", "127.0.0.1:0"]);
    let mut process = Process::start(command);
    let ready: Value = serde_json::from_str(&process.lines().next().unwrap()).unwrap();
    (process, ready["bee_api"].as_str().unwrap().to_owned())
}

/// Asleep in a pod on a Bee, a VC is woken by whoever was given the reference: here or elsewhere, the same one.
#[test]
fn a_vc_in_a_pod_on_a_bee_wakes_on_any_node() {
    let (here, there) = (Node::start(), Node::start());
    let (_bee, url) = a_bee(here.home());
    let dfs = format!("bee:{url}");
    let on_bee = |arguments: &[&str]| {
        let all: Vec<_> = ["--dfs", &dfs].iter().chain(arguments).copied().collect();
        here.done(&all)
    };
    on_bee(&["pod", "stamp", "buy", "--depth", "20", "--ttl", "30d"]);
    here.done(&["spawn", "counter", "--name", "c"]);
    here.done(&["send", "c", "40"]);
    let image = image_of(&here, "c");

    let place = on_bee(&["persist", "c", "--sleep"]);
    assert!(place.ends_with(&format!("@{dfs}")), "{place}");
    assert_eq!(here.done(&["wake", "c"]), "awake");
    assert_eq!(image_of(&here, "c"), image, "the same as before it slept");

    let place = on_bee(&["persist", "c", "--sleep"]);
    let id = there.done(&["spawn", &place]);
    assert_eq!(image_of(&there, &id), image, "the same on another node");
    assert_eq!(
        there.done(&["send", &place, "2"]),
        "42",
        "the place finds it"
    );
    there.done(&["remove", &id, "--force"]);
    assert_eq!(
        there.done(&["send", &place, "3"]),
        "43",
        "a message wakes it there"
    );
    let fork = there.done(&["fork", &place]);
    assert_ne!(fork, id);
    assert_eq!(there.done(&["send", &fork, "4"]), "44");

    // That nobody can be asked is not that nobody is there.
    let (reference, _) = place.split_once('@').unwrap();
    let silent = format!("{reference}@bee:http://127.0.0.1:9");
    for verb in [&["spawn", &silent][..], &["send", &silent, "1"]] {
        let run = there.run(verb);
        assert!(
            run.refused().contains("cannot be reached"),
            "{}",
            run.stderr
        );
    }
}
