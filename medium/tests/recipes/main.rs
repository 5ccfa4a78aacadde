//! Recipes and tasks from the command line: the real program, its own store, and jobs confined as they are for everybody.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod home;

use std::fs;

use serde_json::{Value, json};

use self::home::Home;

/// The line that two steps of a person give: written, looked at, run, kept, brought back.
#[test]
fn a_recipe_is_made_run_persisted_and_forked() {
    recipes_work(&Home::new());
}

/// The same through a node that has the folder.
#[test]
fn a_node_keeps_recipes_as_a_folder_does() {
    let home = Home::new();
    let mut node = home.start(&["up", "--json", "--api", "127.0.0.1:0"]);
    node.wait_for("ready");
    recipes_work(&home);
    // What a step shares becomes a pod there, too; and a path with a detour is the same directory.
    home.recipe(
        "out",
        &json!({"exec": ["sh", "-c", "echo hi > output/x"], "output": {"share": "output"}}),
    );
    home.done(&["recipe", "run", "hello/../out"]);
    assert_eq!(home.done(&["pod", "get", "output-out:/x", "-o", "-"]), "hi");
}

fn recipes_work(home: &Home) {
    assert_eq!(
        home.done(&["recipe", "init", "hello", "--public", "--author", "Ana"]),
        "hello"
    );
    let linted = home.json(&["recipe", "lint", "hello"]);
    assert_eq!(linted["kind"], "pod");
    assert_eq!(linted["findings"], json!([]));
    home.done(&["recipe", "run", "hello"]);
    assert_eq!(home.read("hello/output/result.txt"), "Hello, World!\n");

    let refused = home.run(&["recipe", "persist", "hello"]);
    assert!(refused.refused().contains("--public"), "{}", refused.stderr);
    let reference = home.done(&["recipe", "persist", "hello", "--public"]);
    assert_eq!(reference.len(), 64);
    let listed = home.json(&["recipe", "ls"]);
    assert_eq!(listed[0]["name"], "hello");
    assert_eq!(listed[0]["sharing_references"], json!([reference]));
    assert_eq!(listed[0]["recipe"]["author"], "Ana");

    let taken = home.run(&["recipe", "fork", &reference]);
    assert!(
        taken.refused().contains("hello"),
        "one's own pod is not taken for it"
    );
    assert_eq!(
        home.done(&[
            "recipe", "fork", &reference, "--name", "mine", "--to", "mine"
        ]),
        "mine"
    );
    assert_eq!(home.read("mine/payload/text.txt"), "Hello, World!\n");
    home.write("mine/stale", "x");
    assert!(
        home.run(&["recipe", "import", "mine"])
            .refused()
            .contains("is there already")
    );
    home.done(&["recipe", "import", "mine", "--force"]);
    assert!(!home.path("mine/stale").exists());
    // A reference runs as it is, in a copy.
    let record = home.json(&["recipe", "run", &reference]);
    assert_eq!(record["ended_as"], "succeeded");
    assert_eq!(record["steps"][0]["ran"]["cage"], "os");
}

#[test]
fn what_a_pod_prints_is_printed_and_its_failure_is_ours() {
    let home = Home::new();
    home.recipe(
        "p",
        &json!({"exec": ["sh", "-c", "echo out; echo err >&2; exit 3"]}),
    );
    let run = home.run(&["recipe", "run", "p"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), "out\n"));
    assert!(
        run.stderr.contains("err") && run.stderr.contains("exit code 3"),
        "{}",
        run.stderr
    );
    let json = home.run(&["recipe", "run", "p", "--json"]);
    let record: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        record["steps"][0]["end"],
        json!({"failed": {"how": {"exit": 3}}})
    );
    assert_eq!(json.code, Some(1));
}

#[test]
fn lint_says_everything_and_the_exit_code_says_whether() {
    let home = Home::new();
    home.write(
        "p/recipe.json",
        "{\n  \"name\": \"a/b\",\n  \"golem\": {}\n}",
    );
    let run = home.run(&["recipe", "lint", "p"]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stdout.contains("p/recipe.json:2:11 name"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("golem: the field `exec` is missing"),
        "{}",
        run.stdout
    );
    let schema: Value = serde_json::from_str(&home.done(&["recipe", "lint", "--schema"])).unwrap();
    assert_eq!(schema["title"], "recipe.json");
    assert!(
        home.run(&["recipe", "lint", "nowhere"])
            .refused()
            .contains("nowhere")
    );
}

/// Six lines that begin with a word.
fn lines(word: &str) -> String {
    let lines: Vec<_> = (0..6).map(|n| format!("{word} {n}")).collect();
    lines.join("\n") + "\n"
}

fn split_map_reduce(home: &Home) {
    home.write(
        "smr/recipe.json",
        &json!({"name": "smr", "steps": {
            "split": {"pod": "./split"},
            "map": {"pod": "./map", "each": {"from": "split"}, "args": ["[each]"]},
            "reduce": {"pod": "./reduce", "inputs": ["map"]}}})
        .to_string(),
    );
    let words = lines("word");
    home.write("smr/split/payload/words", &words);
    home.recipe("smr/split", &json!({"exec": ["sh", "-c", "i=0; while read l; do echo $l > output/$i; i=$((i+1)); done < payload/words"]}));
    home.recipe(
        "smr/map",
        &json!({"exec": ["sh", "-c", "tr a-z A-Z < $0 > output/part"]}),
    );
    home.recipe(
        "smr/reduce",
        &json!({"exec": ["sh", "-c", "cat payload/from/map/*/part > output/all"]}),
    );
}

#[test]
fn a_task_over_workers_gives_what_one_gives() {
    let expected = lines("WORD");
    for workers in ["1", "3"] {
        let home = Home::new();
        split_map_reduce(&home);
        let plan = home.json(&["task", "plan", "smr"]);
        assert_eq!(plan["steps"][1]["each"], json!({"files-of": "split"}));
        assert!(plan["steps"][0]["how"]["plan"]["may"].is_array(), "{plan}");
        assert!(!home.path("data/runs").exists(), "a plan touches nothing");
        let record = home.json(&["task", "run", "smr", "--workers", workers]);
        let last = record["steps"].as_array().unwrap().last().unwrap();
        let output = last["output"]["path"].as_str().unwrap();
        assert_eq!(
            fs::read_to_string(format!("{output}/all")).unwrap(),
            expected
        );
        let again = home.json(&["task", "run", "smr"]);
        assert!(
            again["steps"]
                .as_array()
                .unwrap()
                .iter()
                .all(|step| step["known"] == true)
        );
        assert!(home.done(&["task", "run", "smr"]).contains("was known"));
    }
}

/// Killed at once, with a job under way: what had ended is not run again.
#[test]
fn a_killed_run_goes_on() {
    let home = Home::new();
    home.write(
        "t/recipe.json",
        r#"{"name": "t", "steps": {"a": {"pod": "./a"}, "b": {"pod": "./b", "inputs": "a"}}}"#,
    );
    home.recipe(
        "t/a",
        &json!({"exec": ["sh", "-c", "date +%N > output/when"]}),
    );
    // The first time it waits for ever, which is seen by its first line.
    home.recipe("t/b", &json!({"exec": ["sh", "-c", "echo begun; cat payload/from/a/when > output/when; test -n \"$(cat payload/go)\" || exec cat /dev/zero > /dev/null"]}));
    home.write("t/b/payload/go", "");
    let mut run = home.start(&["task", "run", "t"]);
    run.wait_for("begun");
    run.signal("KILL");
    let when = home.read("data/runs/t-1/steps/a/pod/output/when");
    // The run has a copy of its pods: that is what is changed here.
    home.write("data/runs/t-1/pods/b/payload/go", "yes");
    let resumed = home.json(&["task", "resume", "t-1"]);
    assert_eq!(resumed["ended_as"], "succeeded");
    assert_eq!(home.read("data/runs/t-1/steps/b/pod/output/when"), when);
    let journal = home.read("data/runs/t-1/journal");
    assert_eq!(journal.matches(r#""job":"a""#).count(), 1, "{journal}");
    assert!(
        home.run(&["task", "resume", "t-9"])
            .refused()
            .contains("t-1")
    );
}

#[test]
fn ctrl_c_keeps_what_had_ended() {
    let home = Home::new();
    home.write(
        "t/recipe.json",
        r#"{"name": "t", "steps": {"a": {"pod": "./a"}, "b": {"pod": "./b", "inputs": "a"}}}"#,
    );
    home.recipe("t/a", &json!({"exec": "true"}));
    home.recipe(
        "t/b",
        &json!({"exec": ["sh", "-c", "echo begun; exec cat /dev/zero > /dev/null"]}),
    );
    let mut run = home.start(&["task", "run", "t"]);
    run.wait_for("begun");
    run.signal("INT");
    let (code, stderr) = run.end();
    assert_eq!(code, Some(1));
    assert!(stderr.contains("medium task resume t-1"), "{stderr}");
    let record: Value = serde_json::from_str(&home.read("data/runs/t-1/run.json")).unwrap();
    assert_eq!(record["ended_as"], "stopped");
    assert_eq!(record["steps"][0]["end"], "succeeded");
}

/// The least module there is: it has memory, and a beginning that does nothing.
const MODULE: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\
    \x07\x13\x02\x06memory\x02\0\x06_start\0\0\x0a\x04\x01\x02\0\x0b";

#[test]
fn a_module_runs_in_the_sandbox_of_modules() {
    let home = Home::new();
    home.recipe("p", &json!({"exec": "[@]run.wasm --of [@]payload"}));
    fs::write(home.path("p/run.wasm"), MODULE).unwrap();
    let record = home.json(&["recipe", "run", "p"]);
    assert_eq!(record["ended_as"], "succeeded");
    assert_eq!(record["steps"][0]["ran"]["cage"], "wasi");
    assert!(record["steps"][0]["fuel"].as_u64().is_some(), "{record}");
}

/// Sovr's own pods hire others: they need the daemon, and are refused without it before anything starts.
#[test]
fn a_requestor_needs_a_flag_and_a_key() {
    let home = Home::new();
    home.write(
        "hello/recipe.json",
        include_str!("../../../adapters/tests/recipes/sovr/pod-hello-world.recipe.json"),
    );
    home.write("hello/script/hello.py", "from yapapi import Golem\n");
    let refused = home.run(&["recipe", "run", "hello"]);
    assert!(
        refused.refused().contains("`--allow yagna` allows it"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        home.run(&["recipe", "run", "hello", "--json"]).error_code(),
        "denied"
    );
    let no_key = home.run(&["recipe", "run", "hello", "--allow", "yagna"]);
    assert!(
        no_key.refused().contains("YAGNA_APPKEY"),
        "{}",
        no_key.stderr
    );
}

#[test]
fn the_example_of_three_pods_does_what_it_says() {
    let home = Home::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/three-pods/run.sh");
    let output = std::process::Command::new("sh")
        .arg(script)
        .env("MEDIUM", env!("CARGO_BIN_EXE_medium"))
        .env("MEDIUM_DATA", home.path("data"))
        .env("HOME", home.path(""))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "3 words, the first is apple\n",
        "{stderr}"
    );
}

#[test]
fn the_general_persist_knows_recipes() {
    let home = Home::new();
    home.recipe("p", &json!({"exec": "true"}));
    assert_eq!(home.done(&["persist", "p"]), "p");
    assert_eq!(home.json(&["recipe", "ls"])[0]["name"], "p");
}
