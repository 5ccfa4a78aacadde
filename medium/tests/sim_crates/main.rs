//! Models that are crates: the real binary writes one, cargo builds it, and others check what it computed.
//!
//! They need cargo, and on this machine the crates that the engine depends on; whoever builds the tests has both.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

#[path = "../cli/harness.rs"]
#[allow(dead_code, reason = "shared with the other tests of the command line")]
mod harness;
mod home;
mod published;
mod shown;
mod tutorial;

use std::fs;

use home::Home;
use published::{change, fetched, hide, replace};
use serde_json::{Value, json};

#[test]
fn a_new_model_is_whole() {
    let home = Home::new();
    let made = home.json(&["new", "sim", "two-rooms"]);
    assert_eq!(made["folder"], "two-rooms");
    let files = made["files"].as_array().unwrap().iter();
    let files: Vec<_> = files.map(|file| file.as_str().unwrap()).collect();
    for file in [
        "Cargo.toml",
        "Cargo.lock",
        "clippy.toml",
        "README.md",
        "sweep.sh",
        "src/lib.rs",
        "src/main.rs",
        "tests/model.rs",
        "engine/Cargo.toml",
        "engine/LICENSE-MIT",
        "engine/sims/src/lib.rs",
        "engine/genesis/PROTOCOL.md",
    ] {
        assert!(files.contains(&file), "{file}");
    }
    for file in &files {
        let text = home.read(&format!("two-rooms/{file}"));
        let is_engine = file.starts_with("engine/");
        assert!(is_engine || !text.contains("MODEL"), "{file}");
        // Nothing says on which machine the binary was built.
        assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "{file}");
    }
    // Cargo has nothing to add to the lock file, and nothing to fetch.
    home.cargo("two-rooms", &["tree", "--locked", "--offline"]);
    let lock = home.read("two-rooms/Cargo.lock");
    assert!(!lock.contains("name = \"wasmtime\""), "{lock}");

    for (name, why) in [
        ("two-rooms", "exists"),
        ("sims", "cannot be called"),
        ("fn", "cannot be called"),
        ("2d", "cannot be called"),
        ("A", "not a name"),
    ] {
        let again = home.run(&["new", "sim", name]);
        assert!(again.refused().contains(why), "{name}: {}", again.stderr);
    }
}

/// The whole way of a model that is a crate, in one test because building it takes a while.
#[test]
fn a_model_is_built_and_run_where_it_is() {
    let home = Home::new();
    home.done(&["new", "sim", "rumour"]);

    let built = home.run(&[
        "sim", "run", "./rumour", "--seed", "42", "--json", "--wallet", "x",
    ]);
    assert!(!built.stderr.contains("warning"), "{}", built.stderr);
    let run: Value = serde_json::from_str(&built.done()).unwrap();
    assert_eq!(
        (&run["model"], &run["seed"]),
        (&json!("rumour"), &json!(42))
    );
    assert!(run["last"]["know"].as_f64().unwrap() > 500.0, "{run}");
    let again = home.json(&["sim", "run", "rumour/", "--seed", "42", "--threads", "1"]);
    assert_eq!(again["digest"], run["digest"]);
    let listed = home.done(&["sim", "ls", "./rumour"]);
    assert!(listed.contains("How long one tells a rumour"), "{listed}");

    // The program's own errors, with its own exit code.
    let wrong = home.run(&["sim", "run", "./rumour", "--set", "reech=3"]);
    assert!(wrong.stderr.contains("is it `reach`?"), "{}", wrong.stderr);
    assert_eq!(wrong.code, Some(1));

    // A run that lies in the crate: its other verbs are the program's, and it is published with the crate.
    home.done(&[
        "sim",
        "run",
        "./rumour",
        "--steps",
        "30",
        "--out",
        "rumour/runs/first",
    ]);
    home.done(&["sim", "resume", "rumour/runs/first", "--steps", "40"]);
    let said = home.done(&["sim", "verify", "rumour/runs/first"]);
    assert!(said.starts_with("= recorded: 41 rows"), "{said}");
    let made = home.json(&["sim", "publish", "rumour/runs/first"]);
    assert_eq!(made["kind"], "crate");
    let reference = made["reference"].as_str().unwrap();
    let verify = |place: &str| home.run(&["sim", "verify", place, "--trust-native"]);
    let said = verify(reference).done();
    assert!(said.starts_with("= published: 41 rows, digest "), "{said}");
    for file in ["source/runs", "source/target", "source/.gitignore"] {
        assert!(
            !fetched(&home, reference, "files").join(file).exists(),
            "{file}"
        );
        fs::remove_dir_all(home.path("files")).unwrap();
    }

    // Whatever is changed is found, though its digest was changed as well.
    let differs = |place: &str, said: &str| {
        let verified = verify(place);
        assert_eq!(
            (verified.code, verified.stdout.as_str()),
            (Some(1), ""),
            "{place}"
        );
        assert!(
            verified.stderr.contains(said),
            "{place}: {}",
            verified.stderr
        );
    };
    let place = fetched(&home, reference, "value");
    change(&place.join("run/model.parquet"), "know", 9, 77.0);
    hide(&place);
    differs("value", "after tick 9 in know: published 77, recomputed ");
    let place = fetched(&home, reference, "seed");
    replace(&place.join("run/run.json"), "\"seed\": 1", "\"seed\": 3");
    hide(&place);
    differs("seed", "after tick 0 in seed: published 1, recomputed 3");
    let place = fetched(&home, reference, "source");
    replace(
        &place.join("source/src/lib.rs"),
        "walker.tells = self.interest",
        "walker.tells = self.interest + 1",
    );
    hide(&place);
    differs("source", "in tell: published ");
    let place = fetched(&home, reference, "comment");
    replace(
        &place.join("source/src/lib.rs"),
        "//! A rumour",
        "//! A humour",
    );
    differs("comment", "the bytes of source/src/lib.rs");

    // What does not compile is said by cargo, then by us.
    let model = home.read("rumour/src/lib.rs");
    home.write(
        "rumour/src/lib.rs",
        &model.replace("walker.tells > 0", "walker.tells > false"),
    );
    let broken = home.run(&["sim", "run", "./rumour"]);
    assert_eq!(broken.code, Some(1));
    for said in ["mismatched types", "rumour` does not build", "hint: "] {
        assert!(broken.stderr.contains(said), "{}", broken.stderr);
    }
}

#[test]
fn a_folder_without_a_model_explains_itself() {
    let home = Home::new();
    let refused = |arguments: &[&str], why: &str| {
        let run = home.run(arguments);
        assert!(run.refused().contains(why), "{}", run.stderr);
    };
    refused(&["sim", "run", "./nowhere"], "cannot read `./nowhere`");
    home.write("some/file.txt", "");
    refused(&["sim", "run", "./some"], "no Cargo.toml");
    home.write("some/Cargo.toml", "[package]\nname = 1\n");
    refused(&["sim", "ls", "./some"], "Cargo.toml`: ");
    home.write(
        "some/Cargo.toml",
        "[package]\nname = \"some\"\nedition = \"2024\"\n",
    );
    home.write("some/src/lib.rs", "");
    refused(&["sim", "run", "./some"], "it has no program");
}

/// What the workspace forbids for the sake of digests, a model forbids.
#[test]
fn a_new_model_forbids_what_would_break_digests() {
    let ours = include_str!("../../../clippy.toml");
    let theirs = include_str!("../../templates/sim/clippy.toml.in");
    let paths = |text: &'static str| {
        let lines = text.lines().filter(|line| line.contains("path = "));
        lines.filter_map(|line| line.split('"').nth(1))
    };
    // The rest is about nodes: queues and locks.
    let of_nodes = ["tokio::sync::mpsc::unbounded_channel", "std::sync::Mutex"];
    let ours = paths(ours).filter(|path| !of_nodes.contains(path));
    let tables = ["std::collections::HashMap", "std::collections::HashSet"];
    for path in ours.chain(tables) {
        assert!(paths(theirs).any(|theirs| theirs == path), "{path}");
    }
}
