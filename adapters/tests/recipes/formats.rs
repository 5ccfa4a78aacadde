//! What recipes say: Sovr's own files, and everything the format has beside them.

use adapters::recipe::{
    Each, External, Json, Kind, NewPod, NewTask, Payload, PodAt, PodRecipe, Recipe, TaskRecipe,
    Wanted, split_words,
};
use proptest::prelude::*;

const REFERENCE: &str = "da41f8dfd57e2e89df2dacd3b01c4a1dbc7c4a1df429f96743317e6a220c5fac";

/// Sovr's eight files.
const SOVR: [(&str, &str); 8] = [
    ("blender", include_str!("sovr/pod-blender.recipe.json")),
    (
        "DenseNet201",
        include_str!("sovr/pod-densenet201.recipe.json"),
    ),
    (
        "HelloWorld",
        include_str!("sovr/pod-hello-world.recipe.json"),
    ),
    (
        "InceptionResNetV2",
        include_str!("sovr/pod-inception_resnet_v2.recipe.json"),
    ),
    (
        "NasnetLarge",
        include_str!("sovr/pod-nasnet_large.recipe.json"),
    ),
    (
        "ResNet152V2",
        include_str!("sovr/pod-resnet152v2.recipe.json"),
    ),
    ("XCeption", include_str!("sovr/pod-xception.recipe.json")),
    ("keras", include_str!("sovr/task-keras.recipe.json")),
];

pub(crate) fn read(text: &str) -> Recipe {
    Recipe::parse("recipe.json", text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn pod(text: &str) -> PodRecipe {
    match read(text).kind {
        Kind::Pod(pod) => pod,
        Kind::Task(_) => panic!("{text} is a task"),
    }
}

fn task(text: &str) -> TaskRecipe {
    match read(text).kind {
        Kind::Task(task) => task,
        Kind::Pod(_) => panic!("{text} is a pod"),
    }
}

#[test]
fn all_files_of_sovr_are_read_and_written_byte_by_byte() {
    for (name, text) in SOVR {
        let recipe = read(text);
        assert_eq!(recipe.name, name);
        assert_eq!(recipe.to_json().trim_end(), text.trim_end(), "{name}");
    }
    let (_, text) = SOVR[1];
    let recipe = read(text);
    assert_eq!(recipe.author.as_deref(), Some("reza"));
    assert!(recipe.public);
    let Kind::Pod(pod) = recipe.kind else {
        panic!("a pod")
    };
    assert_eq!(
        pod.exec,
        [
            "python3",
            "[@]script/script.py",
            "--model",
            "densenet201",
            "--images",
            "[@]payload/external/images"
        ]
    );
    let wanted = External {
        reference: REFERENCE.to_owned(),
        wanted: Wanted::Data("/images.zip".parse().unwrap()),
    };
    assert_eq!(pod.payload, Payload::External(vec![wanted]));
    assert_eq!(
        (pod.output.as_str(), pod.logs.as_deref()),
        ("output", Some("logs"))
    );

    let task = task(SOVR[7].1);
    assert!(task.linear && task.steps.len() == 5);
    assert_eq!(task.steps[1].needs, ["pod-1"]);
    assert_eq!(
        task.steps[1].inputs[0].to.as_deref(),
        Some("payload/external")
    );
}

#[test]
fn unknown_keys_and_odd_numbers_stay_where_they_are() {
    let text = r#"{
  "zeta": [1.50, -0, 1e3, {"b": null, "a": "ü\u0001"}],
  "name": "x",
  "golem": {
    "later": {},
    "exec": "true",
    "empty": []
  },
  "alpha": 18446744073709551616
}"#;
    let recipe = read(text);
    let again = read(&recipe.to_json());
    assert_eq!(again, recipe);
    let keys = |json: &Json| match json {
        Json::Object(entries) => entries
            .iter()
            .map(|(key, _)| key.clone())
            .collect::<Vec<_>>(),
        _ => panic!("an object"),
    };
    assert_eq!(keys(recipe.json()), ["zeta", "name", "golem", "alpha"]);
    assert!(recipe.to_json().contains("1.50"), "{}", recipe.to_json());
    assert!(recipe.to_json().contains("18446744073709551616"));
}

#[test]
fn every_form_of_a_payload_is_read() {
    let of = |payload: &str| {
        pod(&format!(
            r#"{{"name": "x", "golem": {{"exec": "true", "payload": {payload}}}}}"#
        ))
        .payload
    };
    assert_eq!(of(r#""payload""#), Payload::Local("payload".to_owned()));
    assert_eq!(of(r#""./payload/""#), Payload::Local("payload".to_owned()));
    let files = External {
        reference: REFERENCE.to_owned(),
        wanted: Wanted::Files(vec!["/a/b.blend".parse().unwrap()]),
    };
    let archive = External {
        reference: REFERENCE.to_owned(),
        wanted: Wanted::Data("/Images.ZIP".parse().unwrap()),
    };
    let one = format!(r#"{{"pod": "{REFERENCE}", "files": ["/a/b.blend"]}}"#);
    let other = format!(r#"{{"ref": "{REFERENCE}", "data": "/Images.ZIP"}}"#);
    assert_eq!(of(&one), Payload::External(vec![files.clone()]));
    assert_eq!(
        of(&format!("[{other}, {one}]")),
        Payload::External(vec![archive, files])
    );
}

#[test]
fn every_form_of_output_and_logs_is_read() {
    let of = |fields: &str| {
        pod(&format!(
            r#"{{"name": "x", "golem": {{"exec": "true"{fields}}}}}"#
        ))
    };
    let bare = of("");
    assert_eq!(
        (bare.output.as_str(), bare.share, bare.logs),
        ("output", None, None)
    );
    assert_eq!(of(r#", "output": "results""#).output, "results");
    let shared = of(r#", "output": {"share": "output/final"}"#);
    assert_eq!(
        (shared.output.as_str(), shared.share.as_deref()),
        ("output", Some("output/final"))
    );
    assert_eq!(of(r#", "log": "l""#).logs.as_deref(), Some("l"));
    assert_eq!(of(r#", "logs": "l""#).logs.as_deref(), Some("l"));
}

#[test]
fn a_command_line_is_words_or_a_text() {
    let of = |exec: &str| pod(&format!(r#"{{"name": "x", "golem": {{"exec": {exec}}}}}"#)).exec;
    assert_eq!(of(r#"["cat", "a b", ""]"#), ["cat", "a b", ""]);
    assert_eq!(of(r#""cat  'a b' \"c\"""#), ["cat", "a b", "c"]);
}

#[test]
fn named_steps_are_an_object_or_a_list() {
    let object = task(
        r#"{"name": "t", "steps": {
            "reduce": {"pod": "./reduce", "inputs": [{"from": "map", "path": "*.n", "to": "payload/parts"}], "retries": 2},
            "map": {"pod": "./map", "each": {"from": "split", "path": "parts"}, "args": ["[each]"], "timeout_s": 5,
                    "budget": {"cpu_s": 3}},
            "split": {"pod": "./split", "needs": []},
            "colour": {"pod": "./map", "each": ["red", "green"], "needs": "split"}}}"#,
    );
    let names: Vec<_> = object.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names,
        ["split", "map", "reduce", "colour"],
        "in the order of their needs"
    );
    let map = &object.steps[1];
    assert_eq!(map.pod, PodAt::Directory("map".to_owned()));
    assert_eq!(map.needs, ["split"], "what files come from is needed");
    assert!(matches!(&map.each, Some(Each::Files { from, .. }) if from == "split"));
    assert_eq!((map.timeout_s, map.budget.cpu_s), (Some(5), Some(3)));
    assert_eq!(object.steps[2].needs, ["map"]);
    assert_eq!(object.steps[2].retries, 2);

    let list = task(
        r#"{"name": "t", "steps": [{"name": "a", "pod": "./x"}, {"name": "b", "pod": "./x", "inputs": "a/out"}]}"#,
    );
    assert_eq!(list.steps[1].inputs[0].files.as_str(), "out");
    assert!(!list.linear);
}

#[test]
fn what_the_wizard_writes_is_read() {
    let pod = NewPod {
        name: "Count".to_owned(),
        exec: "python3 [@]script/count.py".to_owned(),
        version: "1.0".to_owned(),
        payload: vec![External {
            reference: REFERENCE.to_owned(),
            wanted: Wanted::Data("/Images/A.zip".parse().unwrap()),
        }],
        ..NewPod::default()
    };
    let recipe = pod.recipe().unwrap();
    assert_eq!(read(&recipe.to_json()), recipe);
    assert!(recipe.to_json().contains("/Images/A.zip"), "case is kept");
    let task = NewTask {
        name: "two".to_owned(),
        pods: vec!["./a".to_owned(), REFERENCE.to_owned()],
        ..NewTask::default()
    };
    assert_eq!(read(&task.recipe().unwrap().to_json()).name, "two");
    for name in ["a/b", "..", "", "a\u{0}", &"x".repeat(65)] {
        let bad = NewPod {
            name: name.to_owned(),
            ..pod.clone()
        };
        assert!(bad.recipe().is_err(), "{name:?}");
    }
}

proptest! {
    /// Whatever JSON stands in the unknown keys of a recipe, it is given back.
    #[test]
    fn nothing_is_lost(keys in prop::collection::btree_map("[a-z]{1,8}", any::<f64>(), 0..6), word in "[ -~]{0,20}") {
        let mut json = Json::Object(vec![("name".to_owned(), Json::text("x"))]);
        for (key, number) in &keys {
            if key != "name" && key != "public" && number.is_finite() {
                json.set(&format!("x-{key}"), Json::Number(format!("{number:?}")));
            }
        }
        json.set("golem", Json::Object(vec![("exec".to_owned(), Json::List(vec![Json::text("p"), Json::text(&word)]))]));
        let recipe = read(&json.pretty());
        prop_assert_eq!(recipe.json(), &json);
        prop_assert_eq!(recipe.to_json(), json.pretty());
    }

    #[test]
    fn no_bytes_do_harm(bytes: Vec<u8>, line: String) {
        let _ = Recipe::parse("recipe.json", &bytes);
        let _ = split_words(&line);
        let text = serde_json::json!({"name": "x", "golem": {"exec": line}}).to_string();
        let _ = Recipe::parse("recipe.json", text.as_bytes());
    }
}
