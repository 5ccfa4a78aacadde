//! Pod directories from outside: what is refused and how it is said, what is read and written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use adapters::outside::{Asks, program::Described};
use adapters::pod_dir::{
    ArgumentSpec, ContactSpec, Contents, DecoderSpec, ModuleSpec, NestedSpec, OutsideSpec,
    PartSource, PartSpec, PodDir, PurseSpec, READ_BYTES_MAX, RestartSpec, embedded, embedded_pod,
    is_name,
};
use bytes::Bytes;
use genesis::channel::Channel;
use genesis::id::{Address, VcId};
use genesis::limits;
use genesis::power::{Grants, Power};
use proptest::prelude::*;

#[path = "pod_dir/errors.rs"]
mod errors;

/// A directory with these files.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("there is room for a directory");
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    dir
}

// --- What is read and written ---------------------------------------------------------------------

#[test]
fn everything_a_pod_can_say() {
    let address = Address::from(VcId::root(&[1; 32], 0));
    let printer = ContactSpec::Named("line-printer".to_owned());
    let vc_json = format!(
        r#"{{
        "$schema": "vc.schema.json",
        "name": "word-count", "version": "1.2", "description": "Counts words.",
        "parts": [
            {{"file": "lib/main.wasm", "role": "main", "decoder": "wasm"}},
            {{"native": "say", "version": 1, "argument": "Hi"}},
            {{"text": "some text", "decoder": "lib/main.wasm"}},
            {{"wasm": "hello", "argument": {{"file": "lib/main.wasm"}}}},
            {{"wasm": "lib/main.wasm", "argument": "3"}},
            {{"native": "llm", "argument": {{"file": "lib/main.wasm"}}}}
        ],
        "accept": "bytes <= 4096", "goal": "hunger = 0",
        "grants": ["after", "send"],
        "contacts": {{"up": "host", "printer": "line-printer", "boss": "{address}"}},
        "purse": {{"fuel": 18446744073709551615, "messages": 2, "children": 3, "outside": 4, "motes": 5}},
        "nested": {{"parser": "parser/"}},
        "restart": {{"faults_max": 3, "within_ms": 60000, "restarts_max": 2}},
        "durable": false, "record": 1000, "idle_ms": 0, "turn_fuel": 5000000,
        "outside": {{
            "command": ["cat", "lib/main.wasm"], "timeout_ms": 5,
            "channels": {{"a/b": {{"description": "d", "parameters": {{"type": "object"}}}}}}
        }}
    }}"#
    );
    let files = [
        ("vc.json", vc_json.as_str()),
        ("lib/main.wasm", "code"),
        (
            "parser/vc.json",
            r#"{"name": "parser", "contacts": {"me": "../parser"}}"#,
        ),
    ];
    let code = || Contents::Inline(Bytes::from_static(b"code"));
    let part = |source, role: Option<&str>, decoder| PartSpec {
        source,
        role: role.map(str::to_owned),
        decoder,
    };
    let path = || "lib/main.wasm".to_owned();
    let mut parser = PodDir::new("parser");
    parser.contacts = [("me".to_owned(), ContactSpec::Sibling("parser".to_owned()))].into();
    let want = PodDir {
        name: "word-count".to_owned(),
        version: Some("1.2".to_owned()),
        description: Some("Counts words.".to_owned()),
        parts: vec![
            part(
                PartSource::File {
                    path: path(),
                    contents: code(),
                },
                Some("main"),
                Some(DecoderSpec::Native("wasm".to_owned())),
            ),
            part(
                PartSource::Native {
                    name: "say".to_owned(),
                    version: Some(1),
                    argument: Some(ArgumentSpec::Text("Hi".to_owned())),
                },
                None,
                None,
            ),
            part(
                PartSource::Text("some text".to_owned()),
                None,
                Some(DecoderSpec::File {
                    path: path(),
                    contents: code(),
                }),
            ),
            part(
                PartSource::WebAssembly {
                    module: ModuleSpec::BuiltIn("hello".to_owned()),
                    argument: Some(ArgumentSpec::File {
                        path: path(),
                        contents: code(),
                    }),
                },
                None,
                None,
            ),
            part(
                PartSource::WebAssembly {
                    module: ModuleSpec::File {
                        path: path(),
                        contents: code(),
                    },
                    argument: Some(ArgumentSpec::Text("3".to_owned())),
                },
                None,
                None,
            ),
            part(
                PartSource::Native {
                    name: "llm".to_owned(),
                    version: None,
                    argument: Some(ArgumentSpec::File {
                        path: path(),
                        contents: code(),
                    }),
                },
                None,
                None,
            ),
        ],
        accept: Some("bytes <= 4096".to_owned()),
        grants: Grants::NONE.with(Power::Send).with(Power::After),
        contacts: [
            ("up".to_owned(), ContactSpec::Host),
            ("printer".to_owned(), printer),
            ("boss".to_owned(), ContactSpec::Address(address)),
        ]
        .into(),
        purse: PurseSpec {
            fuel: Some(u64::MAX),
            messages: Some(2),
            children: Some(3),
            outside: Some(4),
            motes: Some(5),
        },
        goal: Some("hunger = 0".to_owned()),
        nested: [(
            "parser".to_owned(),
            NestedSpec {
                path: "parser".to_owned(),
                pod: parser,
            },
        )]
        .into(),
        restart: Some(RestartSpec {
            faults_max: 3,
            within_ms: 60_000,
            restarts_max: Some(2),
        }),
        durable: Some(false),
        record: Some(1_000),
        idle_ms: Some(0),
        turn_fuel: Some(5_000_000),
        outside: Some(OutsideSpec {
            command: vec!["cat".to_owned(), path()],
            files: [(path(), code())].into(),
            timeout_ms: Some(5),
            asks: Asks::default(),
            channels: [(
                Channel::known("a/b"),
                Described {
                    description: "d".to_owned(),
                    parameters: Some(serde_json::json!({"type": "object"})),
                },
            )]
            .into(),
        }),
        fleet: None,
    };
    assert_eq!(PodDir::read(directory(&files).path()).unwrap(), want);
    assert_eq!(read_again(&want), want);
}

#[test]
fn a_long_file_stays_on_the_disk() {
    let vc_json = r#"{"name": "a", "parts": [{"file": "short"}, {"file": "long"}]}"#;
    let short = "x".repeat(limits::CONTENTS_INLINE_MAX);
    let long = "x".repeat(limits::CONTENTS_INLINE_MAX + 1);
    let dir = directory(&[("vc.json", vc_json), ("short", &short), ("long", &long)]);
    let pod = PodDir::read(dir.path()).unwrap();
    let lens: Vec<_> = pod
        .parts
        .iter()
        .map(|part| match &part.source {
            PartSource::File {
                contents: Contents::Inline(bytes),
                ..
            } => (true, bytes.len() as u64),
            PartSource::File {
                contents: Contents::OnDisk { path, len },
                ..
            } => {
                assert_eq!(path, &dir.path().canonicalize().unwrap().join("long"));
                (false, *len)
            }
            PartSource::Native { .. } | PartSource::Text(_) | PartSource::WebAssembly { .. } => {
                panic!("both are files")
            }
        })
        .collect();
    assert_eq!(
        lens,
        [(true, short.len() as u64), (false, long.len() as u64)]
    );
}

#[test]
fn a_vc_json_that_is_full_to_its_bounds_is_read() {
    let contact = |n: usize| format!(r#""{n}":"x""#);
    let contacts: Vec<_> = (0..limits::CONTACTS_MAX).map(contact).collect();
    let parts = vec![r#"{"text":""}"#; limits::PARTS_MAX].join(",");
    let contacts = contacts.join(",");
    let vc_json = format!(r#"{{"name":"a","contacts":{{{contacts}}},"parts":[{parts}]}}"#);
    let files = [("vc.json".to_owned(), Bytes::from(vc_json))].into();
    let pod = PodDir::from_files("pod", &files).unwrap();
    assert_eq!(
        (pod.contacts.len(), pod.parts.len()),
        (limits::CONTACTS_MAX, limits::PARTS_MAX)
    );
}

#[test]
fn what_one_pod_holds_in_memory_is_bounded() {
    // The same short file again and again: memory is bounded by what is read, not by the disk.
    let inline_max = limits::CONTENTS_INLINE_MAX as u64;
    let count = usize::try_from(READ_BYTES_MAX / inline_max).unwrap() + 2;
    let parts = vec![r#"{"file":"x"}"#; count].join(",");
    let vc_json = format!(r#"{{"name": "a", "parts": [{parts}]}}"#);
    let file = "x".repeat(limits::CONTENTS_INLINE_MAX);
    let pod = PodDir::read(directory(&[("vc.json", &vc_json), ("x", &file)]).path()).unwrap();
    let in_memory = |part: &&PartSpec| {
        matches!(
            &part.source,
            PartSource::File {
                contents: Contents::Inline(_),
                ..
            }
        )
    };
    let inline = pod.parts.iter().filter(in_memory).count() as u64;
    assert_eq!(inline, (READ_BYTES_MAX - vc_json.len() as u64) / inline_max);
}

// --- The pods that come with the medium -----------------------------------------------------------

fn files_under(dir: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a plain name");
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            files_under(&entry.path(), &format!("{path}/"), files);
        } else {
            files.insert(path, fs::read(entry.path()).expect("a file"));
        }
    }
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../genesis/pods")
}

#[test]
fn the_binary_holds_what_the_repository_holds() {
    let mut on_disk = BTreeMap::new();
    files_under(&shipped(), "", &mut on_disk);
    let held: BTreeMap<_, _> = embedded()
        .iter()
        .flat_map(|pod| {
            pod.files
                .iter()
                .map(move |(path, bytes)| (pod, path, bytes))
        })
        .map(|(pod, path, bytes)| (format!("{}/{path}", pod.name), bytes.to_vec()))
        .collect();
    assert_eq!(held, on_disk);
}

#[test]
fn the_shipped_pods_are_what_they_say() {
    let names: Vec<_> = embedded().iter().map(|pod| pod.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    for name in [
        "counter", "echo", "hello", "lisp", "notary", "ring", "robot",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    for pod in embedded() {
        let opened = pod.open().unwrap();
        assert_eq!(opened.name, pod.name);
        assert!(
            opened
                .description
                .as_deref()
                .is_some_and(|text| text.len() > 40)
        );
        assert_eq!(PodDir::read(&shipped().join(pod.name)).unwrap(), opened);
        assert_eq!(read_again(&opened), opened);
        // What comes with the program is trusted, and still asks for nothing dangerous.
        assert_eq!(opened.grants.narrow(Grants::HARMLESS), opened.grants);
        assert_eq!(opened.durable, (pod.name == "notary").then_some(true));
        let [part] = opened.parts.as_slice() else {
            continue;
        };
        let (native, argument) = match pod.name {
            "hello" => ("say", Some(ArgumentSpec::Text("Hello, World!".to_owned()))),
            name => (name, None),
        };
        let code = match pod.name {
            "lisp" => PartSource::WebAssembly {
                module: ModuleSpec::BuiltIn("lisp".to_owned()),
                argument: None,
            },
            _ => PartSource::Native {
                name: native.to_owned(),
                version: Some(1),
                argument,
            },
        };
        assert_eq!(part.source, code, "{}", pod.name);
    }
    assert!(embedded_pod("nobody").is_none());
}

#[test]
fn the_ring_has_five_levels_that_know_only_their_hosts() {
    let ring = embedded_pod("ring").unwrap().open().unwrap();
    let mut levels = 0;
    let mut at = &ring;
    while let Some(inner) = at.nested.get("inner") {
        assert_eq!(at.nested.len(), 1);
        at = &inner.pod;
        levels += 1;
        assert_eq!(at.name, format!("ring-{levels}"));
        assert!(at.contacts.is_empty());
        assert_eq!((&at.parts, at.grants), (&ring.parts, ring.grants));
    }
    assert_eq!(levels, 5);
}

// --- Laws -----------------------------------------------------------------------------------------

/// The pod that one gets by reading all that this one writes.
fn read_again(pod: &PodDir) -> PodDir {
    let bytes = |contents| match contents {
        Contents::Inline(bytes) => bytes,
        Contents::OnDisk { path, .. } => panic!("{} is not in memory", path.display()),
    };
    let files = pod
        .files()
        .into_iter()
        .map(|(path, contents)| (path, bytes(contents)))
        .collect();
    PodDir::from_files("pod", &files).expect("what a pod writes can be read")
}

fn some_name() -> impl Strategy<Value = String> {
    "[a-z0-9]{1,9}([-_][a-z0-9]{1,9}){0,3}"
}

fn some_file(place: &'static str) -> impl Strategy<Value = (String, Contents)> {
    // The path tells the contents, so that no two parts mean different files by one path.
    (0_u8..8, 0_usize..300).prop_map(move |(byte, len)| {
        let contents = Contents::Inline(vec![byte; len].into());
        (format!("{place}/{byte}-{len} ä.bin"), contents)
    })
}

fn some_part() -> impl Strategy<Value = PartSpec> {
    let source = prop_oneof![
        some_file("files").prop_map(|(path, contents)| PartSource::File { path, contents }),
        any::<String>().prop_map(PartSource::Text),
        (
            some_name(),
            any::<Option<u32>>(),
            proptest::option::of(some_argument())
        )
            .prop_map(|(name, version, argument)| PartSource::Native {
                name,
                version,
                argument
            }),
        (some_module(), proptest::option::of(some_argument()))
            .prop_map(|(module, argument)| PartSource::WebAssembly { module, argument }),
    ];
    let decoder = prop_oneof![
        some_name().prop_map(DecoderSpec::Native),
        some_file("decoders").prop_map(|(path, contents)| DecoderSpec::File { path, contents }),
    ];
    (
        source,
        proptest::option::of(some_name()),
        proptest::option::of(decoder),
    )
        .prop_map(|(source, role, decoder)| PartSpec {
            source,
            role,
            decoder,
        })
}

fn some_module() -> impl Strategy<Value = ModuleSpec> {
    prop_oneof![
        (0..adapters::parts::parts().len())
            .prop_map(|at| ModuleSpec::BuiltIn(adapters::parts::parts()[at].name.to_owned())),
        some_file("modules").prop_map(|(path, contents)| ModuleSpec::File { path, contents }),
    ]
}

fn some_argument() -> impl Strategy<Value = ArgumentSpec> {
    prop_oneof![
        any::<String>().prop_map(ArgumentSpec::Text),
        some_file("arguments").prop_map(|(path, contents)| ArgumentSpec::File { path, contents }),
    ]
}

fn some_contact() -> impl Strategy<Value = ContactSpec> {
    let address = (
        any::<[u8; 32]>(),
        proptest::collection::vec(any::<u64>(), 0..4),
    );
    prop_oneof![
        Just(ContactSpec::Host),
        // Every VC below is nested beside one of this name, or has no host.
        Just(ContactSpec::Sibling("n-twin".to_owned())),
        address.prop_map(|(id, path)| {
            ContactSpec::Address(Address {
                id: VcId::from_bytes(id),
                path,
            })
        }),
        some_name().prop_map(|name| ContactSpec::Named(format!("vc-{name}"))),
    ]
}

fn some_flat_pod() -> impl Strategy<Value = PodDir> {
    let grants = proptest::collection::vec(proptest::sample::select(&Power::ALL[..]), 0..6);
    let contact = (
        some_name().prop_map(|name| format!("c-{name}")),
        some_contact(),
    );
    let purse = any::<[Option<u64>; 5]>().prop_map(|[fuel, messages, children, outside, motes]| {
        PurseSpec {
            fuel,
            messages,
            children,
            outside,
            motes,
        }
    });
    let restart = any::<Option<(u32, u64, Option<u32>)>>().prop_map(|restart| {
        restart.map(|(faults_max, within_ms, restarts_max)| RestartSpec {
            faults_max,
            within_ms,
            restarts_max,
        })
    });
    let texts = (
        some_name(),
        proptest::option::of("\\PC{0,16}"),
        any::<Option<String>>(),
        any::<Option<String>>(),
        any::<Option<String>>(),
    );
    let rest = (
        any::<Option<bool>>(),
        proptest::option::of(0..=limits::JOURNAL_LEN_MAX),
        any::<Option<u64>>(),
        proptest::option::of(0..=limits::TURN_FUEL_GRANT_MAX),
        any::<Option<Option<u64>>>(),
    );
    let lists = (
        proptest::collection::vec(some_part(), 0..4),
        grants,
        proptest::collection::vec(contact, 0..4),
    );
    (texts, lists, purse, restart, rest).prop_map(|(texts, lists, purse, restart, rest)| {
        let (name, version, description, accept, goal) = texts;
        let (parts, grants, contacts) = lists;
        let (durable, record, idle_ms, turn_fuel, outside) = rest;
        PodDir {
            name,
            version,
            description,
            parts,
            accept,
            grants: grants.into_iter().collect(),
            contacts: contacts.into_iter().collect(),
            purse,
            goal,
            restart,
            durable,
            record,
            idle_ms,
            turn_fuel,
            outside: outside.map(|timeout_ms| OutsideSpec {
                timeout_ms,
                ..OutsideSpec::default()
            }),
            ..PodDir::new("")
        }
    })
}

fn some_pod() -> impl Strategy<Value = PodDir> {
    some_flat_pod().prop_recursive(2, 8, 3, |inner| {
        let nested = proptest::collection::btree_map(some_name(), inner.clone(), 0..3);
        (some_flat_pod(), inner, nested).prop_map(|(mut pod, twin, nested)| {
            let nested = nested
                .into_iter()
                .map(|(name, pod)| (format!("n-{name}"), pod));
            let all = nested.chain([("n-twin".to_owned(), twin)]).enumerate();
            pod.nested = all
                .map(|(index, (name, pod))| {
                    (
                        name,
                        NestedSpec {
                            path: format!("vcs/{index}"),
                            pod,
                        },
                    )
                })
                .collect();
            pod
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn reading_inverts_writing(pod in some_pod()) {
        prop_assert_eq!(read_again(&pod), pod);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
        if let Err(error) = PodDir::from_files("pod", &[("vc.json".to_owned(), bytes.into())].into()) {
            prop_assert!(!error.hint().is_empty());
        }
    }

    /// One byte of a pod that was valid is changed, or its text ends early: the parser reads it or
    /// names a place that there is.
    #[test]
    fn a_damaged_pod_is_read_or_refused_with_a_place(
        pod in some_flat_pod(),
        at: proptest::sample::Index,
        byte in prop_oneof![any::<u8>(), proptest::sample::select(&b"{}[]\",:\\0-. n"[..])],
        cut: bool,
    ) {
        let mut text = pod.to_json().into_bytes();
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        let files = [("vc.json".to_owned(), Bytes::from(text.clone()))].into();
        if let Err(error) = PodDir::from_files("pod", &files) {
            let place = error.place().expect("it is about the text");
            prop_assert_eq!(&place.file, "pod/vc.json");
            let line = text.split(|&b| b == b'\n').nth(place.line - 1);
            prop_assert!(line.is_some_and(|line| (1..=line.len() + 1).contains(&place.column)), "{}", error);
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn names_are_what_the_schema_says(text in "[a-c0-1_A.-]{0,6}") {
        let words = text.replace('_', "-");
        let plain = words.chars().all(|c| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit());
        let dashes = !words.starts_with('-') && !words.ends_with('-') && !words.contains("--");
        prop_assert_eq!(is_name(&text), !text.is_empty() && plain && dashes);
    }
}
