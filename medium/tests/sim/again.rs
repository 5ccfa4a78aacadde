//! Runs that go beyond their end, take another way, are verified, are plotted.

use serde_json::Value;

use super::Place;

const RUN: [&str; 11] = [
    "run",
    "wolfsheep",
    "--preset",
    "small",
    "--seed",
    "7",
    "--format",
    "csv",
    "--checkpoint-every",
    "20",
    "--steps",
];

fn run(place: &Place, steps: &str, out: &str) -> Value {
    let arguments: Vec<_> = RUN.iter().copied().chain([steps, "--out", out]).collect();
    place.json(&arguments)
}

#[test]
fn a_run_goes_beyond_its_end() {
    let place = Place::new();
    run(&place, "60", "straight");
    run(&place, "45", "r");
    let resumed = place.json(&["resume", "r", "--steps", "60"]);
    assert_eq!(resumed["digest"], place.record("straight")["digest"]);
    assert!(place.bytes("r/model.csv") == place.bytes("straight/model.csv"));
    // Nothing is left to do, and that is no error.
    let again = place.run(&["resume", "r"]);
    assert!(
        again.stderr.contains("nothing is left to do"),
        "{}",
        again.stderr
    );
    again.done();
    place.run(&["resume", "r", "--steps", "50"]).refused();
}

#[test]
fn a_fork_shares_its_past() {
    let place = Place::new();
    run(&place, "60", "r");
    let fork = |at: &str, set: &str, out: &str| {
        place.json(&["fork", "r", "--at", at, "--set", set, "--out", out])
    };
    let other = fork("30", "cubs=0.3", "other");
    assert_ne!(other["digest"], place.record("r")["digest"]);
    let lines = |path: &str| -> Vec<String> {
        String::from_utf8(place.bytes(path))
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let (mine, theirs) = (lines("r/model.csv"), lines("other/model.csv"));
    // A header, and the ticks 0 to 30.
    assert_eq!(mine[..32], theirs[..32]);
    assert_ne!(mine[32..], theirs[32..]);
    let record = place.record("other");
    assert_eq!(
        (&record["fork"]["of"], &record["fork"]["at"]),
        (&"r".into(), &30.into())
    );
    assert_eq!(record["acts"][0]["set"]["cubs"], 0.3);
    assert!(place.done(&["verify", "other"]).starts_with("= recorded"));

    // The same from any checkpoint, or from none; and a fork of a fork.
    std::fs::remove_dir_all(place.path("r/checkpoints")).unwrap();
    assert_eq!(fork("30", "cubs=0.3", "again")["digest"], other["digest"]);
    place.done(&[
        "fork",
        "other",
        "--at",
        "40",
        "--set",
        "lambs=0.1",
        "--out",
        "third",
    ]);
    assert!(place.done(&["verify", "third"]).starts_with("= recorded"));
    assert_eq!(place.record("third")["acts"].as_array().unwrap().len(), 2);
    // Resuming a fork is going on with it.
    let longer = place.json(&["resume", "other", "--steps", "70"]);
    assert_eq!(
        place.json(&[
            "fork", "r", "--at", "30", "--set", "cubs=0.3", "--steps", "70", "--out", "long"
        ])["digest"],
        longer["digest"]
    );
    // A fork that changes nothing else is the other run, but for what was done to it.
    fork("30", "cubs=0.1", "same");
    assert_eq!(place.bytes("same/model.csv"), place.bytes("r/model.csv"));
    assert_eq!(
        place.record("same")["state_digest"],
        place.record("r")["state_digest"]
    );
}

#[test]
fn what_was_changed_afterwards_is_found() {
    let place = Place::new();
    run(&place, "60", "r");
    let good = place.json(&["verify", "r"]);
    assert_eq!(
        (&good["verified"], &good["rows"]),
        (&true.into(), &61.into())
    );
    let table = String::from_utf8(place.bytes("r/model.csv")).unwrap();
    let record = String::from_utf8(place.bytes("r/run.json")).unwrap();
    let check = |file: &str, text: &str, step: u64, series: &str| {
        let before = place.bytes(&format!("r/{file}"));
        std::fs::write(place.path(&format!("r/{file}")), text).unwrap();
        let run = place.run(&["verify", "r", "--json"]);
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        let said: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(said["verified"], false);
        let difference = &said["difference"];
        assert_eq!(
            (&difference["step"], difference["series"].as_str()),
            (&step.into(), Some(series)),
            "{said}"
        );
        assert_ne!(difference["recorded"], difference["recomputed"]);
        let plain = place.run(&["verify", "r"]);
        assert!(plain.refused().contains("recorded"), "{}", plain.stderr);
        std::fs::write(place.path(&format!("r/{file}")), before).unwrap();
    };
    let lines: Vec<_> = table.lines().collect();
    let mut cells: Vec<_> = lines[41].split(',').map(str::to_owned).collect();
    assert_eq!(cells[0], "40");
    cells[10] = "99.0".to_owned();
    let changed = table.replace(lines[41], &cells.join(","));
    check("model.csv", &changed, 40, "sheep");
    check("model.csv", &lines[..31].join("\n"), 30, "step");
    check(
        "run.json",
        &record.replace("\"seed\": 7", "\"seed\": 8"),
        0,
        "seed",
    );
    check(
        "run.json",
        &record.replace("\"cubs\": 0.1", "\"cubs\": 0.2"),
        0,
        "cubs",
    );
    let digest = serde_json::from_str::<Value>(&record).unwrap()["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    check(
        "run.json",
        &record.replace(&digest, &"0".repeat(64)),
        60,
        "digest",
    );
    // The same values, written otherwise.
    check("model.csv", &format!("{table}\n"), 60, "bytes of model.csv");
    assert_eq!(place.json(&["verify", "r"])["verified"], true);
}

#[test]
fn what_was_collected_is_plotted() {
    let place = Place::new();
    place.done(&[
        "run",
        "flocking",
        "--preset",
        "small",
        "--steps",
        "20",
        "--out",
        "r",
        "--agents-every",
        "10",
    ]);
    assert_eq!(place.done(&["plot", "r"]), "r/plot.svg");
    let svg = String::from_utf8(place.bytes("r/plot.svg")).unwrap();
    assert!(
        svg.contains("order") && svg.contains("flocking, seed 1") && !svg.contains("births"),
        "{svg}"
    );
    assert_eq!(
        place.json(&[
            "plot",
            "r",
            "--y",
            "order,birds.count",
            "--log",
            "x,y",
            "-o",
            "p.png"
        ])["plot"],
        "p.png"
    );
    assert!(place.bytes("p.png").starts_with(b"\x89PNG"));
    place.done(&[
        "plot",
        "r/agents.parquet",
        "--x",
        "pos.x",
        "--y",
        "pos.y",
        "-o",
        "birds.svg",
    ]);
    place.done(&[
        "sweep",
        "flocking",
        "--preset",
        "small",
        "--steps",
        "5",
        "--set",
        "vision=1,5",
        "--seeds",
        "1..3",
        "--out",
        "s",
        "--format",
        "csv",
    ]);
    place.done(&["plot", "s"]);
    let svg = String::from_utf8(place.bytes("s/plot.svg")).unwrap();
    assert!(svg.contains("vision = 5"), "{svg}");
}
