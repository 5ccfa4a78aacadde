//! What the command line of worlds says: help, models, summaries, errors.

use serde_json::{Value, json};

use super::Place;

#[test]
fn help_of_every_verb() {
    let place = Place::new();
    let mut all = place
        .done(&["-h"])
        .split("\nFor ")
        .next()
        .unwrap()
        .to_owned();
    for verb in ["ls", "run", "resume", "fork", "verify", "sweep", "plot"] {
        let help = place.done(&[verb, "-h"]);
        // What holds for every verb is in the snapshots of the whole.
        let own = help.split("\nFor ").next().unwrap();
        all.extend(["\n$ medium sim ", verb, " -h\n", own]);
        let full = place.done(&[verb, "--help"]);
        assert!(full.contains(&format!("  medium sim {verb}")), "{verb}");
    }
    insta::assert_snapshot!("help", all);
}

#[test]
fn models_explain_themselves() {
    let place = Place::new();
    let all = place.json(&["ls"]);
    for model in all.as_array().unwrap() {
        for label in ["model", "about", "rule"] {
            assert!(
                !model[label].as_str().unwrap().is_empty(),
                "{label}: {model}"
            );
        }
        assert!(model["steps"].as_u64().unwrap() > 0);
        for param in model["params"].as_array().unwrap() {
            for label in ["name", "about", "unit"] {
                assert!(param[label].is_string(), "{label}: {param}");
            }
        }
    }
    let table = place.done(&["ls"]);
    assert!(
        table.lines().any(|line| line.starts_with("flocking ")),
        "{table}"
    );
    insta::assert_snapshot!("flocking", place.done(&["ls", "flocking"]));
    let one = place.json(&["ls", "flocking"]);
    assert_eq!(one[0]["params"][0]["grows"], "count");
}

#[test]
fn a_run_says_what_came_of_it() {
    let place = Place::new();
    let asked = [
        "run",
        "wolfsheep",
        "--preset",
        "small",
        "--steps",
        "20",
        "--seed",
        "7",
    ];
    let summary = place.json(&asked);
    for (label, value) in [
        ("model", json!("wolfsheep")),
        ("seed", json!(7)),
        ("steps", json!(20)),
    ] {
        assert_eq!(summary[label], value, "{summary}");
    }
    for label in ["threads", "agents", "seconds"] {
        assert!(summary[label].is_number(), "{label}: {summary}");
    }
    let last = summary["last"].as_object().unwrap();
    assert_eq!(
        last.keys().map(String::as_str).collect::<Vec<_>>(),
        ["grass", "sheep", "wolves"]
    );
    let number = |value: &Value| value.as_f64().unwrap();
    let (sheep, wolves) = (number(&last["sheep"]), number(&last["wolves"]));
    assert_eq!(
        number(&summary["agents"]).to_bits(),
        (sheep + wolves).to_bits()
    );

    // The same for any number of threads, with rows on their own, with collection of everything.
    let same = |more: &[&str]| {
        let arguments: Vec<_> = asked.iter().chain(more).copied().collect();
        assert_eq!(
            place.json(&arguments)["digest"],
            summary["digest"],
            "{more:?}"
        );
    };
    same(&["--threads", "1"]);
    same(&["--threads", "3"]);
    same(&["--cohorts", "off"]);
    same(&[
        "--out",
        "a",
        "--agents-every",
        "5",
        "--checkpoint-every",
        "1",
    ]);
    same(&["--out", "b", "--format", "csv", "--collect-every", "7"]);
    assert_eq!(place.record("a")["digest"], summary["digest"]);
    for file in [
        "a/model.parquet",
        "a/agents.sheep.parquet",
        "a/checkpoints/20.vcw",
        "b/model.csv",
    ] {
        assert!(place.has(file), "{file}");
    }
    assert_ne!(
        place.json(&["run", "wolfsheep", "--preset", "small", "--steps", "20"])["digest"],
        summary["digest"]
    );
    let table = String::from_utf8(place.bytes("b/model.csv")).unwrap();
    let steps: Vec<_> = table
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert_eq!(steps, ["0", "7", "14"]);

    let screen = place.done(&asked);
    assert!(
        screen.contains("wolfsheep, seed 7")
            && screen.contains(summary["digest"].as_str().unwrap()),
        "{screen}"
    );
}

#[test]
fn parameters_come_from_presets_numbers_files_and_single_values() {
    let place = Place::new();
    std::fs::write(place.path("birds.json"), r#"{ "vision": 7.5, "speed": 2 }"#).unwrap();
    let params = |more: &[&str]| {
        let asked: Vec<_> = ["run", "flocking", "--steps", "1"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        place.json(&asked)["params"].clone()
    };
    let small = params(&["--preset", "small", "--agents", "800"]);
    assert_eq!(
        (small["birds"].as_u64(), small["side"].as_f64()),
        (Some(800), Some(200.0))
    );
    let set = params(&[
        "--agents",
        "100",
        "--params",
        "birds.json",
        "--set",
        "speed=0.1",
        "--set",
        "side=90",
    ]);
    assert_eq!(
        (set["birds"].as_u64(), set["side"].as_f64()),
        (Some(100), Some(90.0))
    );
    assert_eq!(
        (set["vision"].as_f64(), set["speed"].as_f64()),
        (Some(7.5), Some(0.1))
    );
}

/// Numbers that are no short decimals are the same after they have been in `run.json`.
#[test]
fn parameters_survive_to_the_last_bit() {
    let place = Place::new();
    place.done(&[
        "run", "flocking", "--agents", "1000", "--steps", "3", "--out", "r",
    ]);
    assert!(
        place
            .done(&["verify", "r"])
            .starts_with("= recorded: 4 rows")
    );
}

#[test]
fn a_hundred_thousand_agents() {
    let place = Place::new();
    let summary = place.json(&[
        "run", "flocking", "--agents", "100_000", "--steps", "2", "--seed", "42",
    ]);
    assert_eq!(
        (summary["agents"].as_u64(), summary["agent_steps"].as_u64()),
        (Some(100_000), Some(200_000))
    );
    let one = [
        "run",
        "flocking",
        "--agents",
        "100000",
        "--steps",
        "2",
        "--seed",
        "42",
        "--threads",
        "1",
    ];
    assert_eq!(place.digest(&one), summary["digest"].as_str().unwrap());
}

#[test]
fn what_is_wrong_is_said_with_the_way_out() {
    let place = Place::new();
    place.done(&[
        "run", "flocking", "--preset", "small", "--steps", "1", "--out", "taken",
    ]);
    std::fs::create_dir(place.path("foreign")).unwrap();
    std::fs::write(place.path("foreign/letter.txt"), "dear").unwrap();
    std::fs::write(place.path("broken.json"), "{").unwrap();
    let mut all = String::new();
    for arguments in [
        &["run"][..],
        &["run", "flokking"],
        &["ls", "x"],
        &["run", "flocking", "--set", "vison=3"],
        &["run", "flocking", "--set", "vision=1e9"],
        &["run", "flocking", "--set", "vision=far"],
        &["run", "flocking", "--preset", "smal"],
        &["run", "flocking", "--agents", "0"],
        &["run", "flocking", "--params", "nowhere.json"],
        &["run", "flocking", "--params", "broken.json"],
        &["run", "flocking", "--out", "taken"],
        &["run", "flocking", "--out", "foreign"],
        &["run", "flocking", "--out", "foreign", "--force"],
        &["resume", "nowhere"],
        &["verify", "foreign"],
        &[
            "fork", "taken", "--at", "1", "--set", "vision=3", "--out", "f",
        ],
        &[
            "fork", "taken", "--at", "0", "--set", "birds=3", "--out", "f",
        ],
        &[
            "fork", "taken", "--at", "0", "--set", "vision=3", "--steps", "5", "--out", "./taken",
            "--force",
        ],
        &["resume", "taken", "--steps", "0"],
        &["sweep", "flocking", "--set", "vision=5,1e9", "--out", "s"],
        &[
            "sweep", "flocking", "--set", "vision=5", "--set", "vision=6", "--out", "s",
        ],
        &[
            "sweep",
            "flocking",
            "--set",
            "vision=1..100000",
            "--seeds",
            "1..100000",
            "--out",
            "s",
        ],
        &["plot", "nowhere.csv"],
        &["plot", "taken", "--y", "wolves"],
    ] {
        let run = place.run(arguments);
        // What the operating system says of a file is its own.
        let said = run.refused();
        all.extend(["$ medium sim ", &arguments.join(" "), "\n", said, "\n"]);
    }
    insta::assert_snapshot!("errors", all);
    assert_eq!(place.run(&["run", "flokking", "--json"]).code(), "unknown");
    assert_eq!(
        place
            .run(&["run", "flocking", "--out", "taken", "--json"])
            .code(),
        "conflict"
    );
    place.done(&[
        "run", "flocking", "--preset", "small", "--steps", "2", "--out", "taken", "--force",
    ]);
    assert_eq!(place.record("taken")["steps"], 2);
    assert!(
        !place.has("f") && !place.has("s"),
        "nothing is made for what cannot be run"
    );
}
