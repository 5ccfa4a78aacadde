//! Sweeps: every combination, for every seed, as one table.

use serde_json::Value;

use super::Place;

const SWEEP: [&str; 12] = [
    "sweep",
    "wolfsheep",
    "--preset",
    "small",
    "--steps",
    "30",
    "--set",
    "cubs=0.05..0.15:0.05",
    "--set",
    "lambs=0.1,0.2",
    "--format",
    "csv",
];

fn sweep<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SWEEP.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn every_combination_is_run_and_the_table_has_them_in_order() {
    let place = Place::new();
    let run = place.run(&sweep(&["--seeds", "1..3", "--out", "a", "--threads", "3"]));
    assert!(
        run.stderr
            .contains("note: 3 x 2 x 3 = 18 runs of wolfsheep, 30 steps each, 3 at a time"),
        "{}",
        run.stderr
    );
    assert!(run.done().contains("a/model.csv"));
    let said = place.json(&sweep(&["--seeds", "1..3", "--out", "b", "--threads", "1"]));
    assert_eq!((&said["runs"], &said["done"]), (&18.into(), &18.into()));
    assert!(
        place.bytes("a/model.csv") == place.bytes("b/model.csv"),
        "whichever ended first"
    );
    let table = String::from_utf8(place.bytes("a/model.csv")).unwrap();
    let mut lines = table.lines();
    let header: Vec<_> = lines.next().unwrap().split(',').collect();
    let at = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 18 * 31);
    let begins: Vec<_> = rows.iter().filter(|row| row[at("step")] == "0").collect();
    let begins: Vec<_> = begins
        .iter()
        .take(7)
        .map(|row| [row[at("cubs")], row[at("lambs")], row[at("seed")]].join(" "))
        .collect();
    assert_eq!(
        begins[..4],
        ["0.05 0.1 1", "0.05 0.1 2", "0.05 0.1 3", "0.05 0.2 1"]
    );
    assert_eq!(begins[6], "0.1 0.1 1");

    // A run of it is the run that one would have made alone.
    let alone = place.digest(&[
        "run",
        "wolfsheep",
        "--preset",
        "small",
        "--steps",
        "30",
        "--set",
        "cubs=0.1",
        "--set",
        "lambs=0.2",
        "--seed",
        "2",
    ]);
    let record: Value = serde_json::from_slice(&place.bytes("a/sweep.json")).unwrap();
    let runs = record["runs"].as_array().unwrap();
    let found = runs
        .iter()
        .find(|run| run["digest"] == alone.as_str())
        .unwrap();
    assert_eq!(
        (&found["seed"], &found["set"]["lambs"]),
        (&2.into(), &0.2.into())
    );
    assert!(
        place
            .done(&["verify", "a"])
            .starts_with("= recorded: 558 rows")
    );

    // One value that was changed is found.
    std::fs::write(place.path("a/model.csv"), table.replacen("0.15", "0.25", 1)).unwrap();
    let verified = place.run(&["verify", "a"]);
    assert!(
        verified
            .refused()
            .contains("cubs of run 12: recorded 0.25, recomputed 0.15"),
        "{}",
        verified.stderr
    );
}

#[test]
fn a_sweep_that_was_killed_runs_what_is_left() {
    let place = Place::new();
    let asked = |out| sweep(&["--seeds", "1..40", "--threads", "2", "--out", out]);
    place.done(&asked("straight"));
    let process = place.start(&asked("killed"));
    place.await_file("killed/model.runs/20.parquet");
    process.signal("KILL");
    process.exit_code();
    let resumed = place.run(&asked("killed"));
    assert!(
        resumed.stderr.contains(" of them done before"),
        "{}",
        resumed.stderr
    );
    resumed.done();
    assert!(place.bytes("killed/model.csv") == place.bytes("straight/model.csv"));
    assert!(!place.has("killed/model.runs"), "nothing is left over");
    // Another sweep does not take its place unasked.
    let other = place.run(&sweep(&["--seeds", "1..2", "--out", "killed"]));
    assert!(
        other.refused().contains("sweep of other runs"),
        "{}",
        other.stderr
    );
    place.done(&sweep(&["--seeds", "1..2", "--out", "killed", "--force"]));
}

#[test]
fn an_empty_run_is_an_error_and_the_others_are_kept() {
    let place = Place::new();
    let asked = [
        "sweep",
        "wolfsheep",
        "--preset",
        "small",
        "--steps",
        "5",
        "--set",
        "sheep=0,10",
        "--set",
        "wolves=0",
        "--out",
        "s",
    ];
    for _ in 0..2 {
        let run = place.run(&asked);
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert!(
            run.stderr
                .contains("error: 1 of 2 runs failed: sheep=0, wolves=0, seed 1: "),
            "{}",
            run.stderr
        );
        assert!(
            run.stderr
                .contains("the run is empty: there is no agent in its world"),
            "{}",
            run.stderr
        );
        assert!(run.stdout.contains("model.parquet"), "{}", run.stdout);
    }
    let record: Value = serde_json::from_slice(&place.bytes("s/sweep.json")).unwrap();
    assert_eq!(
        (&record["status"], record["runs"].as_array().unwrap().len()),
        (&"failed".into(), 1)
    );
}
