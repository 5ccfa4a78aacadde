//! What was published is computed again: the truth is found to be true, and whatever was changed is found.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sims::data::{self, Table, Values};

use crate::home::Home;

/// Puts another value into a row of a table.
pub(crate) fn change(path: &Path, column: &str, row: usize, value: f64) {
    let old = data::read(path).unwrap();
    let mut new = Table::new();
    for other in old.columns() {
        let mut values = other.values.clone();
        if other.name == column {
            let Values::F64(numbers) = &mut values else {
                panic!("{column} has no numbers with a point");
            };
            numbers[row] = value;
        }
        new.push(&other.name, values).unwrap();
    }
    data::write(path, &new).unwrap();
}

/// Changes the text of a file; `what` is in it.
pub(crate) fn replace(path: &Path, what: &str, with: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(what), "{what}: {text}");
    fs::write(path, text.replacen(what, with, 1)).unwrap();
}

/// Says in `publish.json` what is there now, as somebody would who wants to hide a change.
pub(crate) fn hide(place: &Path) {
    let path = place.join("publish.json");
    let mut published: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (name, file) in published["files"].as_object_mut().unwrap() {
        let bytes = fs::read(place.join(name)).unwrap();
        file["blake3"] = genesis::id::Digest::of(&bytes).to_string().into();
        file["bytes"] = bytes.len().into();
    }
    fs::write(path, published.to_string()).unwrap();
}

/// A fresh copy of what a reference names.
pub(crate) fn fetched(home: &Home, reference: &str, name: &str) -> std::path::PathBuf {
    home.done(&["pod", "import", reference, name]);
    home.path(name)
}

#[test]
fn a_run_of_a_built_in_model_is_verified_and_changes_are_found() {
    let home = Home::new();
    let run = [
        "sim", "run", "flocking", "--preset", "small", "--steps", "20", "--out", "run",
    ];
    home.done(&run);
    let made = home.json(&["sim", "publish", "run", "--share"]);
    assert_eq!(made["kind"], "built-in");
    let (reference, key) = (
        made["reference"].as_str().unwrap(),
        made["key"].as_str().unwrap(),
    );
    for place in [reference, key] {
        let said = home.done(&["sim", "verify", place]);
        assert!(said.starts_with("= published: 21 rows, digest "), "{said}");
    }
    let verified = home.json(&["sim", "verify", reference, "--threads", "1"]);
    assert_eq!(
        (&verified["verified"], &verified["digest"]),
        (&true.into(), &made["digest"])
    );

    let differs = |place: &Path, said: &[&str]| {
        let verified = home.run(&["sim", "verify", place.to_str().unwrap()]);
        for said in said {
            assert!(
                verified.refused().contains(said),
                "{said}: {}",
                verified.stderr
            );
        }
    };
    // One value of the table.
    let place = fetched(&home, reference, "value");
    change(&place.join("run/model.parquet"), "order", 7, 0.5);
    let said = ["differs after tick 7 in order: published 0.5, recomputed 0."];
    differs(&place, &said);
    hide(&place);
    differs(&place, &said);
    // Another seed, or another parameter.
    let place = fetched(&home, reference, "seed");
    replace(&place.join("run/run.json"), "\"seed\": 1", "\"seed\": 2");
    hide(&place);
    differs(&place, &["after tick 0 in seed: published 1, recomputed 2"]);
    let place = fetched(&home, reference, "parameter");
    replace(
        &place.join("run/run.json"),
        "\"vision\": 5.0",
        "\"vision\": 5.5",
    );
    hide(&place);
    differs(
        &place,
        &["after tick 0 in vision: published 5, recomputed 5.5"],
    );
    // What no number depends on.
    let place = fetched(&home, reference, "word");
    replace(&place.join("run/run.json"), "Reynolds", "Raynolds");
    differs(&place, &["in the bytes of run/run.json"]);
    let place = fetched(&home, reference, "more");
    fs::write(place.join("run/notes.txt"), "trust me").unwrap();
    differs(
        &place,
        &["the bytes of run/notes.txt", "published no such file"],
    );
    let changed = home.run(&["sim", "verify", "more", "--json"]);
    assert_eq!(changed.code, Some(1));
    let changed: Value = serde_json::from_str(&changed.stdout).unwrap();
    assert_eq!(
        changed["difference"]["recorded"], "no such file",
        "{changed}"
    );

    // What would not be verified is not published.
    change(&home.path("run/model.parquet"), "order", 3, 0.25);
    let refused = home.run(&["sim", "publish", "run"]);
    assert!(
        refused.refused().contains("after tick 3 in order"),
        "{}",
        refused.stderr
    );
    let refused = home.run(&["sim", "publish", "nowhere"]);
    assert!(refused.refused().contains("nowhere"), "{}", refused.stderr);
    let missing = "0".repeat(64);
    let refused = home.run(&["sim", "verify", &missing]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
}
