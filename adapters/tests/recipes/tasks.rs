//! Tasks that are run: order, inputs, fan-out and fan-in, what is known already, failures.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::Ordering;

use adapters::recipe::EACH_MAX;
use adapters::task::{self, Ended, How, StepEnd, TaskError};
use serde_json::json;

use crate::world::{World, ends, left};

/// Nine lines that begin with a word.
fn lines(word: &str) -> String {
    let lines: Vec<_> = (0..9).map(|n| format!("{word} {n}")).collect();
    lines.join("\n") + "\n"
}

/// Splits a text into lines, upper-cases each by a job of its own, and puts them together.
fn split_map_reduce(world: &World) -> std::path::PathBuf {
    let dir = world.task(
        "smr",
        &json!({"name": "smr", "steps": {
            "split": {"pod": "./split"},
            "map": {"pod": "./map", "each": {"from": "split", "path": "parts"}, "args": ["[each]"]},
            "reduce": {"pod": "./reduce", "inputs": [{"from": "map", "to": "payload/parts"}]}}}),
    );
    world.shell_pod(
        "smr/split",
        "mkdir -p output/parts; i=10; while read line; do echo \"$line\" > output/parts/$i.txt; i=$((i+1)); done < payload/text",
    );
    let text = lines("line");
    world.write("smr/split", &[("payload/text", &text)]);
    world.shell_pod(
        "smr/map",
        "tr a-z A-Z < \"$1\" > output/part; echo \"did $MEDIUM_INDEX\"",
    );
    world.shell_pod("smr/reduce", "cat payload/parts/*/part > output/all");
    dir
}

#[test]
fn a_task_over_workers_gives_what_one_run_gives() {
    let expected = lines("LINE");
    let mut digests = Vec::new();
    for workers in [1, 2, 5] {
        let mut world = World::new();
        world.options.workers = workers;
        let dir = split_map_reduce(&world);
        let record = world.run(&dir, "one");
        assert_eq!(record.ended_as, Ended::Succeeded, "{:?}", ends(&record));
        assert_eq!(
            left(&record, "reduce", "all"),
            expected,
            "{workers} workers"
        );
        assert_eq!(world.compute.count("map"), 9);
        assert!(world.compute.at_once.load(Ordering::SeqCst) <= workers);
        digests.push(record.steps.last().unwrap().output.clone().unwrap().digest);
        // Neither reference nor payload: the pods were not even opened.
        assert_eq!(world.opened.load(Ordering::SeqCst), 0);
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn what_is_known_already_is_not_run_again() {
    let mut world = World::new();
    let dir = split_map_reduce(&world);
    world.run(&dir, "one");
    assert_eq!(world.compute.count(""), 11);
    let again = world.run(&dir, "two");
    assert_eq!(world.compute.count(""), 11, "nothing was run");
    assert!(again.steps.iter().all(|step| step.known));
    // One line of nine is another: one part, and what follows from it.
    let text = fs::read_to_string(dir.join("split/payload/text")).unwrap();
    fs::write(
        dir.join("split/payload/text"),
        text.replace("line 4", "line four"),
    )
    .unwrap();
    let changed = world.run(&dir, "three");
    assert_eq!(world.compute.count("split"), 2);
    assert_eq!(world.compute.count("map"), 10);
    assert_eq!(world.compute.count("reduce"), 2);
    assert!(left(&changed, "reduce", "all").contains("LINE FOUR"));
    // A result that was damaged is not taken, nor one that is not wanted.
    let results = fs::read_dir(world.path("cache/results")).unwrap();
    for entry in results
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
    {
        let all = entry.path().join("all");
        if all.exists() {
            fs::write(all, "damaged").unwrap();
        }
    }
    world.run(&dir, "four");
    assert_eq!(world.compute.count("reduce"), 3);
    assert_eq!(world.compute.count("split"), 2);
    world.options.fresh = true;
    world.run(&dir, "five");
    assert_eq!(world.compute.count("split"), 3);
}

#[test]
fn a_step_that_fails_stops_those_that_need_it_and_no_others() {
    let world = World::new();
    let dir = world.task(
        "t",
        &json!({"name": "t", "steps": {
            "a": {"pod": "./fine"},
            "b": {"pod": "./bad", "needs": ["a"]},
            "c": {"pod": "./fine", "needs": ["b"]},
            "d": {"pod": "./fine", "needs": ["c", "a"]},
            "e": {"pod": "./fine", "needs": ["a"]},
            "f": {"pod": "./some", "each": ["0", "3", "0"], "args": ["[each]"]},
            "g": {"pod": "./fine", "needs": ["f"]}}}),
    );
    world.shell_pod("t/fine", "echo fine > output/x");
    world.shell_pod("t/bad", "echo oh no >&2; exit 7");
    world.shell_pod("t/some", "exit $1");
    let record = world.run(&dir, "one");
    let expected = [
        ("a", "succeeded"),
        ("b", "failed"),
        ("c", "skipped"),
        ("d", "skipped"),
        ("e", "succeeded"),
        ("f[0]", "succeeded"),
        ("f[1]", "failed"),
        ("f[2]", "succeeded"),
        ("g", "skipped"),
    ];
    assert_eq!(
        ends(&record),
        expected.map(|(job, end)| (job.to_owned(), end)).into()
    );
    assert_eq!(record.ended_as, Ended::Failed);
    let failed = record.first_failure().unwrap();
    assert_eq!(
        failed.end,
        StepEnd::Failed {
            how: adapters::compute::End::Exit(7)
        }
    );
    let skipped = record.steps.iter().find(|step| step.step == "d").unwrap();
    assert_eq!(
        skipped.end,
        StepEnd::Skipped {
            because: "b".to_owned()
        }
    );
    let log = fs::read_to_string(record.folder.join("steps/b/log")).unwrap();
    assert_eq!(log, "2027-01-15T08:00:00.000Z stderr oh no\n");
    assert_eq!(
        fs::read_to_string(record.folder.join("steps/b/stderr")).unwrap(),
        "oh no\n"
    );
    let written = fs::read_to_string(record.folder.join("run.json")).unwrap();
    assert_eq!(
        serde_json::from_str::<task::RunRecord>(&written).unwrap(),
        record
    );
}

#[test]
fn what_failed_is_tried_again_as_often_as_it_says() {
    let world = World::new();
    let dir = world.task(
        "t",
        &json!({"name": "t", "steps": {"a": {"pod": "./flaky", "retries": 3}}}),
    );
    let counter = world.path("counter");
    world.shell_pod(
        "t/flaky",
        &format!("echo x >> {0}; test -e output/old && exit 9; touch output/old; test $(wc -l < {0}) -ge 3", counter.display()),
    );
    let record = world.run(&dir, "one");
    assert_eq!(record.ended_as, Ended::Succeeded, "{record:?}");
    assert_eq!(record.steps[0].attempts, 3, "each in a fresh directory");
}

#[test]
fn a_plan_touches_nothing_and_says_everything() {
    let world = World::new();
    let images = world.shared("images", &[("/images.zip", b"not read"), ("/x", b"1")]);
    let counted = world.shared(
        "counted",
        &[
            (
                "/recipe.json",
                br#"{"name": "counted", "golem": {"exec": "sh [@]run.sh 'a b'"}}"#,
            ),
            ("/run.sh", b"true"),
        ],
    );
    let dir = world.task(
        "t",
        &json!({"name": "t", "payload": [{"ref": images, "data": "/images.zip"}], "steps": {
            "a": {"pod": counted, "timeout_s": 9, "retries": 1, "budget": {"cpu_s": 4}},
            "b": {"pod": "./local", "each": {"from": "a"}},
            "c": {"pod": "./odd"}}}),
    );
    world.shell_pod("t/local", "true");
    world.write(
        "t/odd",
        &[(
            "recipe.json",
            r#"{"name": "odd", "golem": {"exec": "no-such-program"}}"#,
        )],
    );
    let before = everything(world.home.path());
    let work = World::work(&dir);
    let plan = world
        .with(|outside| task::plan(&work, &world.options, &BTreeMap::new(), outside))
        .unwrap();
    assert_eq!(everything(world.home.path()), before, "nothing was touched");
    assert_eq!(world.compute.count(""), 0);
    let names: Vec<_> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(plan.steps[0].argv, ["sh", "[@]run.sh", "a b"]);
    assert_eq!(
        (plan.steps[0].attempts_max, plan.steps[0].limits.cpu_s),
        (2, 4)
    );
    assert_eq!(plan.steps[0].how, How::WhenFetched);
    assert!(
        matches!(&plan.steps[2].how, How::Refused { what, .. } if what.contains("no-such-program"))
    );
    let fetched: Vec<_> = plan
        .fetches
        .iter()
        .map(|fetch| (fetch.path.as_str(), fetch.bytes))
        .collect();
    assert!(fetched.contains(&("/images.zip", 8)), "{fetched:?}");
    assert_eq!(
        plan.fetches
            .iter()
            .find(|f| f.path == "/images.zip")
            .unwrap()
            .steps
            .len(),
        3
    );
    assert!(plan.bound.at_worst);
    assert_eq!(plan.bound.jobs, 2 + EACH_MAX as u64 + 1);
    assert_eq!(plan.bound.motes, 0);
    let error = world.try_run(&dir, "one").unwrap_err();
    assert!(
        matches!(
            &error,
            TaskError::Payload { .. } | TaskError::Refused { .. }
        ),
        "{error}"
    );
    assert_eq!(
        world.compute.count(""),
        0,
        "nothing is run if something would be refused"
    );
}

/// Every file below a directory with its length, but for those of the store, which reading may touch.
fn everything(below: &std::path::Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut found = Vec::new();
    let mut todo = vec![below.to_owned()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() && entry.file_name() != "data" {
                todo.push(entry.path());
            }
            found.push((entry.path(), entry.metadata().unwrap().len()));
        }
    }
    found.sort();
    found
}

#[test]
fn nothing_of_the_caller_reaches_a_job() {
    let world = World::new();
    let dir = world.task(
        "t",
        &json!({"name": "t", "steps": {"a": {"pod": "./env", "each": ["red"]}}}),
    );
    world.shell_pod("t/env", "env | sort > output/env; pwd > output/pwd");
    let record = world.run(&dir, "one");
    let env = left(&record, "a[0]", "env");
    let names: Vec<_> = env
        .lines()
        .map(|line| line.split('=').next().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "MEDIUM_EACH",
            "MEDIUM_INDEX",
            "MEDIUM_STEP",
            "MEDIUM_TASK",
            "PATH",
            "PWD"
        ]
    );
    let pwd = left(&record, "a[0]", "pwd");
    assert!(pwd.trim_end().ends_with("steps/a.00000/pod"), "{pwd}");
}

#[test]
fn an_output_that_leads_out_is_refused() {
    let world = World::new();
    let dir = world.task(
        "t",
        &json!({"name": "t", "steps": {"a": {"pod": "./sly"}, "b": {"pod": "./sly", "inputs": "a"}}}),
    );
    world.shell_pod("t/sly", "ln -s /etc/passwd output/x");
    let record = world.run(&dir, "one");
    let StepEnd::Refused { what, .. } = &record.steps[0].end else {
        panic!("{record:?}")
    };
    assert!(what.contains("leads out"), "{what}");
    assert_eq!(ends(&record)["b"], "skipped");
}

#[test]
fn a_task_is_no_step_of_another() {
    let world = World::new();
    let dir = world.task("t", &json!({"name": "t", "pods": ["./u"]}));
    world.task("t/u", &json!({"name": "u", "pods": ["./v"]}));
    let error = world.try_run(&dir, "one").unwrap_err();
    assert!(error.to_string().contains("is a task"), "{error}");
}

#[test]
fn an_empty_fan_out_is_a_success() {
    let world = World::new();
    let dir = world.task(
        "t",
        &json!({"name": "t", "steps": {
            "a": {"pod": "./nothing"},
            "b": {"pod": "./nothing", "each": {"from": "a", "path": "*.txt"}},
            "c": {"pod": "./nothing", "inputs": "b"}}}),
    );
    world.shell_pod("t/nothing", "true");
    let record = world.run(&dir, "one");
    assert_eq!(record.ended_as, Ended::Succeeded);
    assert_eq!(ends(&record).len(), 2);
}
