//! Recipes as pods: persisted, shared, forked, imported, listed; and the three ways in which pods communicate.

use std::fs;

use adapters::pods::{PodName, PodPath, PodsError, Quiet, Source};
use adapters::recipe::{
    Persist, RecipeError, Registry, Why, fork, import, into_directory, persist, share_output,
};
use adapters::task::{Ended, StepEnd};
use serde_json::json;

use crate::world::{World, get, left, put, zipped};

fn name(text: &str) -> PodName {
    text.parse().unwrap()
}

#[test]
fn what_is_persisted_can_be_forked_and_imported() {
    let world = World::new();
    let dir = world.shell_pod("count", "wc -l < payload/text > output/n");
    world.write(
        "count",
        &[
            ("payload/text", "a\nb\n"),
            ("payload/external/old", "x"),
            ("notes.tmp", "x"),
            (".sovrignore", "*.tmp\n"),
            ("key", "-----BEGIN RSA PRIVATE KEY-----"),
        ],
    );
    fs::create_dir_all(dir.join("logs")).unwrap();
    let done = persist(world.pods.as_ref(), &dir, Persist::default(), &Quiet).unwrap();
    assert_eq!(done.pod, "count");
    assert_eq!(done.reference, None, "it is private");
    let stays: Vec<_> = done
        .stays
        .iter()
        .map(|stays| (stays.path.as_str(), stays.why))
        .collect();
    assert_eq!(
        stays,
        [
            ("key", Why::Secret),
            ("notes.tmp", Why::Ignored),
            ("payload/external", Why::Fetched)
        ]
    );

    let shared = persist(
        world.pods.as_ref(),
        &dir,
        Persist { public: Some(true) },
        &Quiet,
    )
    .unwrap();
    let reference = shared.reference.unwrap();
    let info = fork(world.pods.as_ref(), &reference, Some(&name("mine"))).unwrap();
    assert_eq!(info.parent.unwrap().name, "count");
    let to = world.path("there");
    let imported = import(world.pods.as_ref(), &name("mine"), &to, false, &Quiet).unwrap();
    assert!(imported.files >= 3 && !imported.from_archive);
    assert_eq!(
        fs::read_to_string(to.join("payload/text")).unwrap(),
        "a\nb\n"
    );
    assert!(to.join("logs").is_dir() && !to.join("key").exists());
    let record = world.run(&to, "one");
    assert_eq!(left(&record, "pod", "n").trim(), "2");

    let registry = Registry::read(world.pods.as_ref()).unwrap();
    let listed = registry.list();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].sharing_references.len(), 1);
    assert_eq!(listed[0].sharing_references[0].0, reference);
}

#[test]
fn what_went_away_goes_away_in_the_pod() {
    let world = World::new();
    let dir = world.shell_pod("p", "true");
    world.write("p", &[("a/b/c", "1"), ("a-b", "2"), ("d", "3")]);
    persist(world.pods.as_ref(), &dir, Persist::default(), &Quiet).unwrap();
    fs::remove_dir_all(dir.join("a")).unwrap();
    fs::remove_file(dir.join("d")).unwrap();
    fs::create_dir(dir.join("d")).unwrap();
    fs::write(dir.join("d/e"), "4").unwrap();
    persist(world.pods.as_ref(), &dir, Persist::default(), &Quiet).unwrap();
    let walked = world
        .pods
        .walk(&Source::pod(&name("p")), &PodPath::root())
        .unwrap();
    let paths: Vec<_> = walked.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/a-b",
            "/d",
            "/d/e",
            "/recipe.json",
            "/script",
            "/script/run.sh"
        ]
    );
}

#[test]
fn a_pod_that_is_something_else_is_left_alone() {
    let world = World::new();
    world.shared("p", &[("/diary", b"dear diary")]);
    let dir = world.shell_pod("p", "true");
    let error = persist(world.pods.as_ref(), &dir, Persist::default(), &Quiet).unwrap_err();
    assert!(
        matches!(error, RecipeError::Pods(PodsError::Exists(_))),
        "{error}"
    );
    assert_eq!(
        get(world.pods.as_ref(), &Source::pod(&name("p")), "/diary").unwrap(),
        "dear diary"
    );
}

/// Shared payload, external payload, shared output: see `medium/examples/three-pods`.
#[test]
fn pods_communicate_in_three_ways() {
    let world = World::new();
    let words = world.shared(
        "words",
        &[("/words.zip", &zipped(&[("words.txt", b"b\na\n")]))],
    );
    // External payload: a pod names another's data.
    let sort = world.write(
        "sort",
        &[
            (
                "recipe.json",
                &json!({"name": "sort", "golem": {
            "exec": ["sh", "-c", "sort payload/external/words.txt > output/final/sorted.txt"],
            "payload": [{"ref": words, "data": "/words.zip"}],
            "output": {"share": "output/final"}}})
                .to_string(),
            ),
            ("output/final/old.txt", "stale"),
        ],
    );
    let error = world.run(&sort, "zero");
    assert_eq!(
        error.ended_as,
        Ended::Failed,
        "old output is not there, nor its directory"
    );
    let recipe = fs::read_to_string(sort.join("recipe.json")).unwrap();
    fs::write(
        sort.join("recipe.json"),
        recipe.replace("sort payload", "mkdir output/final; sort payload"),
    )
    .unwrap();
    let record = world.run(&sort, "one");
    assert_eq!(record.ended_as, Ended::Succeeded, "{record:?}");
    // Shared output: what it printed can be read, and is the payload of the next.
    let output = record.steps[0]
        .output
        .as_ref()
        .unwrap()
        .reference
        .clone()
        .unwrap();
    let source = Source::Reference(output.clone());
    assert_eq!(
        get(world.pods.as_ref(), &source, "/sorted.txt").unwrap(),
        "a\nb\n"
    );
    // Shared payload: of a task, for all its pods.
    let task = world.task(
        "both",
        &json!({"name": "both",
        "payload": [{"pod": output, "files": ["/sorted.txt"]}],
        "pods": ["./first", "./last"]}),
    );
    world.shell_pod(
        "both/first",
        "head -n 1 payload/external/sorted.txt > output/first",
    );
    world.shell_pod(
        "both/last",
        "cat payload/external/first payload/external/sorted.txt > output/all",
    );
    let record = world.run(&task, "two");
    assert_eq!(left(&record, "pod-2", "all"), "a\na\nb\n");
}

#[test]
fn an_output_is_shared_whole_each_time() {
    let world = World::new();
    let dir = world.write("o", &[("a", "1"), ("b", "2")]);
    let first = share_output(world.pods.as_ref(), "x", &dir, &Quiet).unwrap();
    assert_eq!((first.pod.as_str(), first.files), ("output-x", 2));
    fs::remove_file(dir.join("a")).unwrap();
    share_output(world.pods.as_ref(), "x", &dir, &Quiet).unwrap();
    let walked = world
        .pods
        .walk(&Source::pod(&name("output-x")), &PodPath::root())
        .unwrap();
    assert_eq!(walked.len(), 1);
}

#[test]
fn a_pod_of_the_old_form_is_unpacked() {
    let world = World::new();
    let recipe = br#"{"name": "Old", "golem": {"exec": "sh script/run.sh", "payload": "payload"}}"#;
    let zip = zipped(&[
        ("recipe.json", recipe),
        ("script/run.sh", b"echo hi > output/x"),
        ("output/", b""),
    ]);
    let reference = world.shared("Old", &[("/recipe.json", recipe), ("/Old.zip", &zip)]);
    let to = world.path("Old");
    let imported = import(world.pods.as_ref(), &name("Old"), &to, false, &Quiet).unwrap();
    assert!(imported.from_archive);
    assert!(to.join("script/run.sh").exists() && !to.join("Old.zip").exists());
    let task = world.task("t", &json!({"name": "t", "pods": [reference]}));
    assert_eq!(left(&world.run(&task, "one"), "pod-1", "x"), "hi\n");
    // A pod that only looks like one stays as it is.
    world.shared("other", &[("/recipe.json", recipe), ("/data.zip", &zip)]);
    let to = world.path("other");
    into_directory(
        world.pods.as_ref(),
        &Source::pod(&name("other")),
        &to,
        false,
        &Quiet,
    )
    .unwrap();
    assert!(to.join("data.zip").exists());
}

#[test]
fn old_registries_are_read_and_kept() {
    let world = World::new();
    let registry = json!({"keras": {"name": "keras", "pods": ["x"], "odd": 1.50}, "z": {"name": "z", "golem": {"exec": "x"}}});
    let shares = json!({"z": [{"recipe": {"name": "z"}, "sharing_reference": "ab"}, {"recipe": {"name": "z"}, "sharing_reference": "cd"}], "gone": []});
    world.shared(
        "ComputePodRegistry",
        &[("/Registry.json", registry.to_string().as_bytes())],
    );
    world.shared(
        "SharedPods",
        &[("/SharedPods.json", shares.to_string().as_bytes())],
    );
    let listed = Registry::read(world.pods.as_ref()).unwrap().list();
    let kinds: Vec<_> = listed
        .iter()
        .map(|one| (one.name.as_str(), one.kind, one.sharing_references.len()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("gone", None, 0),
            ("keras", Some("task"), 0),
            ("z", Some("pod"), 2)
        ]
    );
    let dir = world.shell_pod("mine", "true");
    persist(
        world.pods.as_ref(),
        &dir,
        Persist { public: Some(true) },
        &Quiet,
    )
    .unwrap();
    let listed = Registry::read(world.pods.as_ref()).unwrap().list();
    assert_eq!(listed.len(), 4, "nothing was lost");
    let text = get(
        world.pods.as_ref(),
        &Source::pod(&name("ComputePodRegistry")),
        "/Registry.json",
    )
    .unwrap();
    assert!(text.contains("\"odd\": 1.5"), "{text}");
    // Made anew: what has a recipe is in it.
    put(
        world.pods.as_ref(),
        &name("ComputePodRegistry"),
        &[("/Registry.json", b"{}")],
    );
    Registry::rebuild(world.pods.as_ref()).unwrap();
    let listed = Registry::read(world.pods.as_ref()).unwrap().list();
    assert!(
        listed
            .iter()
            .any(|one| one.name == "mine" && one.kind == Some("pod"))
    );
}

/// A job owns its directory, and may make a link of its output: where that leads is not looked at.
#[test]
fn an_output_that_leads_elsewhere_is_not_kept() {
    let world = World::new();
    let elsewhere = world.write("elsewhere", &[("secret", "hunter2")]);
    for script in [
        format!("rmdir output && ln -s {} output", elsewhere.display()),
        "rmdir output && ln -s nowhere output".to_owned(),
    ] {
        world.shell_pod("t/leak", &script);
        let task = json!({"name": "t", "steps": {"leak": {"pod": "./leak"}}});
        let task = world.task("t", &task);
        let record = world.run(&task, &format!("run-{}", script.len()));
        let step = record
            .steps
            .iter()
            .find(|step| step.step == "leak")
            .unwrap();
        assert!(
            matches!(step.end, StepEnd::Refused { .. }),
            "{:?}",
            step.end
        );
        assert_eq!(step.output, None);
    }
    assert_eq!(fs::read(elsewhere.join("secret")).unwrap(), b"hunter2");
}
