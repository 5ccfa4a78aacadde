//! Runs that are stopped or killed on their way, and go on.

use serde_json::Value;

use super::Place;
use super::harness::Run;

/// A run that is long enough to be caught.
const LONG: [&str; 13] = [
    "run",
    "flocking",
    "--preset",
    "small",
    "--steps",
    "1500",
    "--seed",
    "3",
    "--format",
    "csv",
    "--checkpoint-every",
    "100",
    "--out",
];

fn long<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    LONG.iter()
        .copied()
        .chain([out])
        .chain(more.iter().copied())
        .collect()
}

/// The folders hold the same.
fn check_same(place: &Place, a: &str, b: &str) {
    let (left, right) = (place.record(a), place.record(b));
    for label in [
        "digest",
        "state_digest",
        "last",
        "files",
        "agent_steps",
        "params",
        "steps",
        "done",
        "status",
    ] {
        assert_eq!(left[label], right[label], "{label}");
    }
    for file in left["files"].as_object().unwrap().keys() {
        assert!(
            place.bytes(&format!("{a}/{file}")) == place.bytes(&format!("{b}/{file}")),
            "{file}"
        );
    }
    let ends = |folder: &str| -> Vec<_> {
        let entries = std::fs::read_dir(place.path(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(ends(a), ends(b), "nothing is left over");
    assert_eq!(
        place.bytes(&format!("{a}/checkpoints/1500.vcw")),
        place.bytes(&format!("{b}/checkpoints/1500.vcw"))
    );
}

#[test]
fn a_run_that_was_killed_goes_on_as_if_it_had_not_been() {
    let place = Place::new();
    let agents = ["--agents-every", "250"];
    place.done(&long("straight", &agents));
    let process = place.start(&long("killed", &agents));
    place.await_file("killed/checkpoints/300.vcw");
    process.signal("KILL");
    assert_eq!(process.exit_code(), None);
    assert_eq!(place.record("killed")["status"], "running");
    assert!(!place.has("killed/model.csv"), "no table that looks whole");
    let resumed = place.run(&["resume", "killed"]);
    assert!(
        resumed
            .stderr
            .contains("going on from the checkpoint after tick "),
        "{}",
        resumed.stderr
    );
    resumed.done();
    check_same(&place, "straight", "killed");
    assert!(
        place
            .done(&["verify", "killed"])
            .starts_with("= recorded: 1501 rows")
    );
}

#[test]
fn a_run_that_is_interrupted_keeps_what_it_has_and_says_how_to_go_on() {
    let place = Place::new();
    place.done(&long("straight", &[]));
    let process = place.start(&long("stopped", &["--json"]));
    place.await_file("stopped/checkpoints/100.vcw");
    process.signal("INT");
    let mut process = process;
    let errors: Vec<_> = process.errors().collect();
    assert_eq!(process.exit_code(), Some(1));
    let said: Value = serde_json::from_str(errors.last().unwrap()).unwrap();
    assert_eq!(said["code"], "cancelled");
    assert!(
        said["hint"]
            .as_str()
            .unwrap()
            .contains("`medium sim resume stopped`"),
        "{said}"
    );
    let record = place.record("stopped");
    let done = record["done"].as_u64().unwrap();
    assert!(
        record["status"] == "interrupted" && (100..1500).contains(&done),
        "{record}"
    );
    assert_eq!(
        said["what"],
        format!("interrupted after tick {done} of 1500")
    );
    assert!(place.has(&format!("stopped/checkpoints/{done}.vcw")));
    let table = String::from_utf8(place.bytes("stopped/model.csv")).unwrap();
    assert_eq!(
        table.lines().count() as u64,
        done + 2,
        "a header, tick 0, and each tick since"
    );
    // What was kept can be verified as it is.
    assert!(place.done(&["verify", "stopped"]).starts_with("= recorded"));
    place.done(&["resume", "stopped"]);
    // The interruption left a checkpoint of its own.
    std::fs::remove_file(place.path(&format!("stopped/checkpoints/{done}.vcw"))).unwrap();
    check_same(&place, "straight", "stopped");
}

#[cfg(target_os = "linux")]
#[test]
fn without_a_folder_an_interrupted_run_says_how_to_keep_one() {
    let place = Place::new();
    let mut process = place.start(&[
        "run",
        "flocking",
        "--steps",
        "100000000",
        "--preset",
        "small",
    ]);
    // It awaits signals from before its first tick on, but nobody outside can see when that is: the signal is given until it
    // is heard, and one that comes too early is the system's own end.
    let pid = process.id();
    let status = format!("/proc/{pid}/status");
    // SigCgt has the bits of signals that are caught: 2 is SIGINT.
    let caught = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        line.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & 2 != 0)
    };
    while !caught(&std::fs::read_to_string(&status).unwrap_or_default()) {
        std::thread::yield_now();
    }
    process.signal("INT");
    let errors: Vec<_> = process.errors().collect();
    assert_eq!(process.exit_code(), Some(1));
    assert!(
        errors[0].starts_with("error: interrupted after tick "),
        "{errors:?}"
    );
    assert!(errors[1].contains("--out DIR"), "{errors:?}");
}

#[test]
fn a_folder_has_one_run_at_a_time() {
    let place = Place::new();
    let process = place.start(&[
        "run",
        "flocking",
        "--preset",
        "small",
        "--steps",
        "100000000",
        "--out",
        "r",
    ]);
    place.await_file("r/run.json");
    for arguments in [
        &["run", "flocking", "--out", "r", "--json"][..],
        &["run", "flocking", "--out", "r", "--force", "--json"],
        &["resume", "r", "--json"],
    ] {
        assert_eq!(place.run(arguments).code(), "busy", "{arguments:?}");
    }
    process.signal("KILL");
    process.exit_code();
    // Whoever is dead holds nothing.
    place.done(&["resume", "r", "--steps", "5"]);
    assert_eq!(place.record("r")["done"], 5);
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_used() {
    let place = Place::new();
    let steps = |steps| {
        [
            "run",
            "wolfsheep",
            "--preset",
            "small",
            "--steps",
            steps,
            "--checkpoint-every",
            "10",
            "--out",
        ]
    };
    let run = |steps_: &'static str, out: &'static str| -> Run {
        let arguments: Vec<_> = steps(steps_).into_iter().chain([out]).collect();
        place.run(&arguments)
    };
    run("60", "straight").done();
    run("40", "r").done();
    let mut bytes = place.bytes("r/checkpoints/40.vcw");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(place.path("r/checkpoints/40.vcw"), bytes).unwrap();
    std::fs::write(place.path("r/checkpoints/30.vcw"), "").unwrap();
    let resumed = place.run(&["resume", "r", "--steps", "60"]);
    for text in [
        "checkpoint 40 is of no use: damaged",
        "checkpoint 30 is of no use",
        "after tick 20",
    ] {
        assert!(resumed.stderr.contains(text), "{text}: {}", resumed.stderr);
    }
    resumed.done();
    assert!(place.bytes("r/model.parquet") == place.bytes("straight/model.parquet"));
    assert_eq!(
        place.record("r")["digest"],
        place.record("straight")["digest"]
    );
}
