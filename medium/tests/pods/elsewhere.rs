//! `--dfs`: the same verbs on what another server keeps.

use crate::harness::{Process, medium};
use crate::place::Place;

/// A node that serves Bee's API, and where.
fn a_bee(home: &Place) -> (Process, String) {
    let mut command = medium(home.path());
    command.args(["up", "--json", "--api", "127.0.0.1:0", "--ephemeral"]);
    command.args(["--bee-api", "127.0.0.1:0"]);
    let mut process = Process::start(command);
    let ready = process.lines().next().unwrap();
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    (process, ready["bee_api"].as_str().unwrap().to_owned())
}

/// Two homes share nothing but the Bee: what one puts there, the other reads by its reference key.
#[test]
fn pods_on_a_bee_are_pods() {
    let (writer, reader) = (Place::in_process(), Place::in_process());
    let (_bee, url) = a_bee(&writer);
    let dfs = format!("bee:{url}");
    let on_bee = |place: &Place, arguments: &[&str]| {
        let all: Vec<_> = ["--dfs", &dfs, "pod"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        place.run(&all)
    };
    writer.write("tree/a/b.txt", b"hello");
    let refused = on_bee(&writer, &["new", "p"]);
    assert!(
        refused.refused().contains("stamp buy"),
        "{}",
        refused.stderr
    );
    on_bee(&writer, &["stamp", "buy", "--depth", "20", "--ttl", "30d"]).done();
    on_bee(&writer, &["new", "p"]).done();
    on_bee(&writer, &["put", "tree", "p:/"]).done();
    on_bee(&writer, &["mv", "p:/a/b.txt", "p:/c.txt"]).done();
    assert!(on_bee(&writer, &["ls", "p"]).done().contains("c.txt"));
    on_bee(&writer, &["verify", "p"]).done();
    let key = on_bee(&writer, &["share", "p"]).done();
    on_bee(&reader, &["import", &key, "theirs"]).done();
    assert_eq!(reader.read("theirs/c.txt"), b"hello");
    assert_eq!(
        on_bee(&reader, &["ls"]).done(),
        "",
        "another wallet, other pods"
    );
    // Nothing of it is kept here but the wallet's key.
    assert!(reader.path().join("data/wallets/default.key").exists());
    assert!(!reader.path().join("data/pods").exists());
}

/// What is needed and missing is said by name, before anybody is asked.
#[test]
fn a_keeper_that_cannot_be_used_says_why() {
    let place = Place::in_process();
    let nobody = place.run(&["--dfs", "fairos:http://127.0.0.1:1", "pod", "ls"]);
    assert!(
        nobody.refused().contains("MEDIUM_FAIROS_USER"),
        "{}",
        nobody.stderr
    );
    let gone = place.run(&["--dfs", "bee:http://127.0.0.1:1", "pod", "ls"]);
    assert!(gone.refused().contains("127.0.0.1:1"), "{}", gone.stderr);
    place.write("data/credentials.json", b"{}");
    let exposed = place.run(&["--dfs", "fairos:http://127.0.0.1:1", "pod", "ls"]);
    assert!(
        exposed.refused().contains("chmod 600"),
        "{}",
        exposed.stderr
    );
}
