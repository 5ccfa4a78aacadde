//! Sovr's sixteen bugs and limits, a test for each. The number is that of the list in which they were written down.

use std::fs;
use std::sync::Arc;

use adapters::pods::{PodPath, PodsError, Quiet, Source};
use adapters::recipe::{
    External, NewPod, Persist, Recipe, RecipeError, Registry, Wanted, Why, fork, import, persist,
};
use adapters::task::{Ended, TaskError};
use serde_json::json;

use crate::odd::Odd;
use crate::world::{World, ends, get, left, put, zipped};

/// 1. What was chained is wiped by a pod's own payload.
#[test]
fn bug_01_chained_data_stays_beside_a_pods_own_payload() {
    let world = World::new();
    let own = world.shared(
        "own",
        &[(
            "/own.zip",
            &zipped(&[("own.txt", b"own"), ("both.txt", b"own")]),
        )],
    );
    let all = world.shared(
        "all",
        &[("/all.zip", &zipped(&[("shared.txt", b"shared")]))],
    );
    let task = world.task("t", &json!({"name": "t", "payload": [{"ref": all, "data": "/all.zip"}], "pods": ["./one", "./two"]}));
    world.shell_pod(
        "t/one",
        "echo chained > output/chained.txt; echo chained > output/both.txt",
    );
    world.write("t/two", &[
        ("recipe.json", &json!({"name": "two", "golem": {
            "exec": ["sh", "-c", "cat payload/external/own.txt payload/external/shared.txt payload/external/chained.txt payload/external/both.txt > output/x; cat payload/external/*/own.txt >> output/x"],
            "payload": [{"ref": own, "data": "/own.zip"}]}}).to_string()),
    ]);
    let record = world.run(&task, "one");
    assert_eq!(
        left(&record, "pod-2", "x"),
        "ownsharedchained\nchained\nown"
    );
    let step = record
        .steps
        .iter()
        .find(|step| step.step == "pod-2")
        .unwrap();
    assert_eq!(
        step.replaced,
        ["both.txt"],
        "the later was taken, and that is said"
    );
}

/// 2. Without a directory `payload` a run crashes.
#[test]
fn bug_02_directories_are_made_on_the_way() {
    let world = World::new();
    let data = world.shared("data", &[("/a/b/data.zip", &zipped(&[("x/y.txt", b"y")]))]);
    let dir = world.write("p", &[("recipe.json", &json!({"name": "p", "golem": {
        "exec": "cp payload/external/x/y.txt output/y.txt", "payload": [{"ref": data, "data": "/a/b/data.zip"}]}}).to_string())]);
    assert_eq!(left(&world.run(&dir, "one"), "pod", "y.txt"), "y");
}

/// 3. The pod's exit status is ignored, and the next is run with stale output.
#[test]
fn bug_03_a_pod_that_fails_stops_the_chain() {
    let world = World::new();
    let task = world.task("t", &json!({"name": "t", "pods": ["./bad", "./next"]}));
    world.shell_pod("t/bad", "echo half > output/x; exit 3");
    world.shell_pod("t/next", "true");
    let record = world.run(&task, "one");
    assert_eq!(record.ended_as, Ended::Failed);
    assert_eq!(ends(&record)["pod-2"], "skipped");
    assert_eq!(world.compute.count("pod-2"), 0);
}

/// 4. Command lines are split at single blanks, and run where the caller is.
#[test]
fn bug_04_quotes_are_understood_and_pods_run_in_their_directory() {
    let world = World::new();
    let dir = world.write(
        "p",
        &[
            (
                "recipe.json",
                r#"{"name": "p", "golem": {"exec": "sh  script/run.sh 'a b'  \"\" [@]payload/x"}}"#,
            ),
            (
                "script/run.sh",
                "for word in \"$@\"; do echo \"<$word>\"; done > output/words",
            ),
            ("payload/x", ""),
        ],
    );
    let words = left(&world.run(&dir, "one"), "pod", "words");
    let lines: Vec<_> = words.lines().collect();
    assert_eq!(lines[..2], ["<a b>", "<>"]);
    assert!(
        lines[2].ends_with("/pod/payload/x>") && lines.len() == 3,
        "{words}"
    );
}

/// 5. Forking a pod whose name one has imports one's own pod instead.
#[test]
fn bug_05_ones_own_pod_is_never_taken_for_the_forked_one() {
    let world = World::new();
    let theirs = world.shared("theirs", &[("/recipe.json", b"theirs")]);
    world.shared("mine", &[("/recipe.json", b"mine")]);
    let found = world.pods.find(&theirs).unwrap();
    assert_eq!(found.name, "theirs");
    let error = fork(world.pods.as_ref(), &theirs, Some(&"mine".parse().unwrap())).unwrap_err();
    assert!(
        matches!(error, RecipeError::Pods(PodsError::Exists(_))),
        "{error}"
    );
    assert!(
        fork(world.pods.as_ref(), &theirs, None).is_err(),
        "the name it has there is taken, too"
    );
    fork(
        world.pods.as_ref(),
        &theirs,
        Some(&"other".parse().unwrap()),
    )
    .unwrap();
    assert_eq!(
        get(
            world.pods.as_ref(),
            &Source::pod(&"other".parse().unwrap()),
            "/recipe.json"
        )
        .unwrap(),
        "theirs"
    );
}

/// 6. Importing again merges over old files; stale outputs look new.
#[test]
fn bug_06_an_import_is_whole_and_leaves_nothing_old() {
    let world = World::new();
    world.shared("p", &[("/a", b"1"), ("/b", b"2")]);
    let to = world.path("p");
    let name = "p".parse().unwrap();
    import(world.pods.as_ref(), &name, &to, false, &Quiet).unwrap();
    fs::write(to.join("stale"), "x").unwrap();
    let mut edit = world.pods.edit(&name).unwrap();
    edit.remove(&"/b".parse().unwrap(), false).unwrap();
    edit.commit("less").unwrap();
    assert!(matches!(
        import(world.pods.as_ref(), &name, &to, false, &Quiet),
        Err(RecipeError::InTheWay(_))
    ));
    assert!(to.join("stale").exists(), "a refusal changes nothing");
    import(world.pods.as_ref(), &name, &to, true, &Quiet).unwrap();
    let left: Vec<_> = fs::read_dir(&to)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["a"]);
    assert_eq!(
        fs::read_dir(world.home.path())
            .unwrap()
            .filter(|entry| {
                entry
                    .as_ref()
                    .unwrap()
                    .file_name()
                    .to_string_lossy()
                    .starts_with('.')
            })
            .count(),
        0,
        "nothing is left lying about"
    );
}

/// 7. `output.share` never finds its directory, and shares nothing.
#[test]
fn bug_07_a_shared_output_can_be_read_by_its_reference() {
    let world = World::new();
    let dir = world.write("p", &[
        ("recipe.json", r#"{"name": "p", "public": true, "golem": {"exec": "true", "output": {"share": "output/final"}}}"#),
        ("output/final/x", "result"),
    ]);
    let done = persist(
        world.pods.as_ref(),
        &dir,
        Persist { public: Some(true) },
        &Quiet,
    )
    .unwrap();
    let output = done.output.unwrap();
    assert_eq!(output.pod, "output-p");
    assert_eq!(
        get(
            world.pods.as_ref(),
            &Source::Reference(output.reference),
            "/x"
        )
        .unwrap(),
        "result"
    );
}

/// 8. Errors end in a `NameError`: every kind has a text, a code and most a way out.
#[test]
fn bug_08_errors_say_what_failed() {
    let world = World::new();
    let task = world.task("t", &json!({"name": "t", "pods": ["ab".repeat(32)]}));
    let error = world.try_run(&task, "one").unwrap_err();
    assert!(error.to_string().contains(&"ab".repeat(32)), "{error}");
    assert_eq!(error.code(), genesis::refusal::Code::Unknown);
    let missing = Recipe::read(&world.path("nowhere")).unwrap_err();
    assert!(missing.hint().unwrap().contains("medium recipe init"));
}

/// 9. Persisting publishes `creds.json`, and leaves an archive behind.
#[test]
fn bug_09_secrets_do_not_travel() {
    let world = World::new();
    let dir = world.shell_pod("p", "true");
    world.write(
        "p",
        &[
            ("creds.json", "{}"),
            ("script/.env", "KEY=1"),
            ("id_ed25519", "x"),
            (".git/config", "x"),
        ],
    );
    let before = fs::read_dir(world.home.path()).unwrap().count();
    let done = persist(world.pods.as_ref(), &dir, Persist::default(), &Quiet).unwrap();
    let secret: Vec<_> = done.stays.iter().map(|stays| stays.path.as_str()).collect();
    assert_eq!(secret, [".git", "creds.json", "id_ed25519", "script/.env"]);
    assert!(done.stays.iter().all(|stays| stays.why == Why::Secret));
    let walked = world
        .pods
        .walk(&Source::pod(&"p".parse().unwrap()), &PodPath::root())
        .unwrap();
    assert_eq!(
        walked.iter().filter(|entry| entry.bytes > 0).count(),
        2,
        "{walked:?}"
    );
    assert_eq!(fs::read_dir(world.home.path()).unwrap().count(), before);
    // Nor do they get to a job.
    let record = world.run(&dir, "one");
    assert!(!record.folder.join("steps/pod/pod/creds.json").exists());
}

/// 10. The wizard lower-cases what it is told, and takes any name.
#[test]
fn bug_10_a_new_recipe_says_what_it_was_told() {
    let reference = "AB".repeat(32);
    let new = NewPod {
        name: "Images".to_owned(),
        exec: "sh [@]Run.sh".to_owned(),
        payload: vec![External {
            reference: reference.clone(),
            wanted: Wanted::Data("/Big/Images.zip".parse().unwrap()),
        }],
        ..NewPod::default()
    };
    let text = new.recipe().unwrap().to_json();
    assert!(
        text.contains(&reference) && text.contains("/Big/Images.zip") && text.contains("Run.sh")
    );
    for name in ["a/b", "..", " a", ""] {
        let bad = NewPod {
            name: name.to_owned(),
            ..new.clone()
        };
        assert!(bad.recipe().is_err(), "{name:?}");
    }
}

/// 11. A recipe without `golem`, `payload` or `output` is a `KeyError`.
#[test]
fn bug_11_what_may_be_missing_may_be_missing() {
    let world = World::new();
    let dir = world.write(
        "p",
        &[(
            "recipe.json",
            r#"{"name": "p", "golem": {"exec": "touch output/x"}}"#,
        )],
    );
    assert_eq!(left(&world.run(&dir, "one"), "pod", "x"), "");
    persist(world.pods.as_ref(), &dir, Persist::default(), &Quiet).unwrap();
    let neither = Recipe::parse("r", br#"{"name": "p"}"#).unwrap_err();
    assert!(neither.to_string().contains("neither `golem`"), "{neither}");
}

/// 12. Hints name what does not exist.
#[test]
fn bug_12_hints_name_what_there_is() {
    let verbs = [
        "medium recipe init",
        "medium recipe lint",
        "medium recipe ls --rebuild",
        "medium recipe run",
        "medium task run",
        "--allow yagna",
        "--force",
        "--public",
        "--private",
    ];
    let all = [
        RecipeError::Missing {
            file: "x".to_owned(),
        },
        RecipeError::InTheWay("x".to_owned()),
        RecipeError::NoConsent {
            name: "x".to_owned(),
        },
        RecipeError::Registry {
            file: "x".to_owned(),
            why: String::new(),
        },
        RecipeError::WrongKind {
            file: "x".to_owned(),
            found: "a",
            wanted: "b",
        },
    ];
    for error in all {
        let hint = error.hint().unwrap();
        assert!(verbs.iter().any(|verb| hint.contains(verb)), "{hint}");
    }
}

/// 13. A registry that cannot be read is taken for empty, and overwritten.
#[test]
fn bug_13_what_cannot_be_reached_is_not_empty() {
    let world = World::new();
    for name in ["one", "two"] {
        let dir = world.shell_pod(name, "true");
        persist(world.pods.as_ref(), &dir, Persist::default(), &Quiet).unwrap();
    }
    let flaky = Odd {
        inner: Arc::clone(&world.pods),
        fails: true.into(),
        stateless: false,
    };
    let three = world.shell_pod("three", "true");
    assert!(Registry::read(&flaky).is_err());
    assert!(persist(&flaky, &three, Persist::default(), &Quiet).is_err());
    assert!(Registry::rebuild(&flaky).is_err());
    // Nor is one that is damaged.
    let registry = "ComputePodRegistry".parse().unwrap();
    put(
        world.pods.as_ref(),
        &registry,
        &[("/Registry.json", b"{\"one\": ")],
    );
    let error = persist(world.pods.as_ref(), &three, Persist::default(), &Quiet).unwrap_err();
    assert!(matches!(error, RecipeError::Registry { .. }), "{error}");
    let text = get(
        world.pods.as_ref(),
        &Source::pod(&registry),
        "/Registry.json",
    )
    .unwrap();
    assert_eq!(text, "{\"one\": ");
    Registry::rebuild(world.pods.as_ref()).unwrap();
    let names: Vec<_> = Registry::read(world.pods.as_ref())
        .unwrap()
        .list()
        .into_iter()
        .map(|one| one.name)
        .collect();
    assert_eq!(names, ["one", "two"]);
}

/// 14. Sharing cannot be undone, and nobody is asked.
#[test]
fn bug_14_what_is_public_needs_a_yes() {
    let world = World::new();
    let dir = world.write(
        "p",
        &[(
            "recipe.json",
            r#"{"name": "p", "public": true, "golem": {"exec": "true"}}"#,
        )],
    );
    let error = persist(world.pods.as_ref(), &dir, Persist::default(), &Quiet).unwrap_err();
    assert!(matches!(error, RecipeError::NoConsent { .. }), "{error}");
    assert!(world.pods.pods().unwrap().is_empty(), "nothing was written");
    let private = persist(
        world.pods.as_ref(),
        &dir,
        Persist {
            public: Some(false),
        },
        &Quiet,
    )
    .unwrap();
    assert_eq!(private.reference, None);
}

/// 15. Every run fetches everything again, unverified, and litters the list of shared pods.
#[test]
fn bug_15_what_was_fetched_is_kept_and_verified() {
    let world = World::new();
    let data = world.shared("data", &[("/d.zip", &zipped(&[("x", b"1")]))]);
    let task = world.task(
        "t",
        &json!({"name": "t", "payload": [{"ref": data, "data": "/d.zip"}], "pods": ["./p", "./p"]}),
    );
    world.shell_pod("t/p", "cp payload/external/x output/x");
    let pods = world.pods.pods().unwrap();
    let fetches = |world: &World| {
        world
            .listener
            .said
            .lock()
            .iter()
            .filter(|line| line.starts_with("fetches"))
            .count()
    };
    world.run(&task, "one");
    assert_eq!(fetches(&world), 1);
    world.run(&task, "two");
    assert_eq!(fetches(&world), 1);
    for entry in fs::read_dir(world.path("cache/fetched"))
        .unwrap()
        .map(Result::unwrap)
    {
        if entry.path().extension().is_none() {
            fs::write(entry.path(), "damaged").unwrap();
        }
    }
    assert_eq!(left(&world.run(&task, "three"), "pod-1", "x"), "1");
    assert_eq!(fetches(&world), 2, "what is damaged is fetched again");
    assert_eq!(world.pods.pods().unwrap(), pods, "nothing became one's own");
}

/// 15, where a keeper has no names for states: what was fetched may not be what is shared now.
#[test]
fn bug_15_what_has_no_named_state_is_fetched_for_each_run() {
    let mut world = World::new();
    world.pods = Arc::new(Odd {
        inner: Arc::clone(&world.pods),
        fails: false.into(),
        stateless: true,
    });
    let data = world.shared("data", &[("/x", b"old")]);
    let task = world.task(
        "t",
        &json!({"name": "t", "payload": {"pod": data, "files": ["/x"]}, "pods": ["./p", "./p"]}),
    );
    world.shell_pod("t/p", "cp payload/external/x output/x");
    assert_eq!(left(&world.run(&task, "one"), "pod-1", "x"), "old");
    put(
        world.pods.as_ref(),
        &"data".parse().unwrap(),
        &[("/x", b"new")],
    );
    assert_eq!(left(&world.resume("one"), "pod-1", "x"), "old");
    assert_eq!(left(&world.run(&task, "two"), "pod-2", "x"), "new");
}

/// 16. A forked pod is run with the caller's keys in its environment.
#[test]
fn bug_16_a_requestor_is_refused_before_it_starts() {
    let mut world = World::new();
    let hello = world.write(
        "hello",
        &[
            (
                "recipe.json",
                include_str!("sovr/pod-hello-world.recipe.json"),
            ),
            ("script/hello.py", "from yapapi import Golem\n"),
        ],
    );
    let error = world.try_run(&hello, "one").unwrap_err();
    assert!(matches!(error, TaskError::Refused { .. }));
    assert!(error.to_string().contains("script/hello.py"), "{error}");
    assert_eq!(error.hint().unwrap(), "`--allow yagna` allows it");
    assert_eq!(world.compute.count(""), 0);
    world.allow_yagna();
    let record = world.run(&hello, "two");
    assert_eq!(world.compute.count(""), 1);
    let text = fs::read_to_string(record.folder.join("run.json")).unwrap();
    assert!(
        text.contains("http://127.0.0.1:7465") && !text.contains("0123456789"),
        "the key is nowhere"
    );
}
