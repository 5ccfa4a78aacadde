//! The rules of ARCHITECTURE.md that neither the compiler nor a lint holds.
//!
//! They are about text: which crate depends on which, which module names what, which file is long, and
//! whether the documents speak of tests and files that exist. It stands here because this crate is the
//! lowest whose tests may read files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The crates in the order in which they may know one another: each only those before it.
const CRATES: [(&str, &[&str]); 6] = [
    ("genesis", &[]),
    ("actors", &["genesis"]),
    ("adapters", &["genesis", "actors"]),
    ("sims", &["genesis"]),
    ("medium", &["genesis", "actors", "adapters", "sims"]),
    (
        "benches",
        &["genesis", "actors", "adapters", "sims", "medium"],
    ),
];

/// What a crate must do without, whatever else it is given.
const WITHOUT: [(&str, &[&str]); 4] = [
    (
        "genesis",
        &[
            "tokio",
            "ractor",
            "redb",
            "axum",
            "reqwest",
            "tracing",
            "parking_lot",
            "dashmap",
            "fs-err",
        ],
    ),
    (
        "actors",
        &[
            "redb",
            "axum",
            "reqwest",
            "clap",
            "fs-err",
            "serde_json",
            "bincode",
        ],
    ),
    ("adapters", &["ractor", "axum", "clap", "bincode"]),
    (
        "sims",
        &["redb", "axum", "reqwest", "ractor", "bincode", "wasmtime"],
    ),
];

/// From how many lines on a file says in ARCHITECTURE.md why it is that long.
const LINES_MAX: usize = 600;

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the workspace is there")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files below a folder of the repository that end so, as paths from its root; sorted.
fn files(below: &str, ending: &str) -> Vec<PathBuf> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.join(below)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("a folder can be read").path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(ending) {
                found.push(path.strip_prefix(&root).expect("it is below").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The source files of a crate, without its tests, each with its code: no comments, no module of tests.
fn code_of(krate: &str) -> Vec<(String, String)> {
    let sources = files(&format!("{krate}/src"), ".rs");
    let sources = sources
        .into_iter()
        .filter(|path| !path.ends_with("tests.rs"));
    let code = sources.map(|path| (path.display().to_string(), code(&read(&root().join(&path)))));
    code.collect()
}

fn code(source: &str) -> String {
    let mut lines = Vec::new();
    let mut source = source.lines().peekable();
    while let Some(line) = source.next() {
        let next_is_module = source.peek().is_some_and(|next| next.starts_with("mod "));
        if line.starts_with("#[cfg(test)]") && next_is_module {
            break; // tests are the end of every file
        }
        // A `//` inside a string is cut as well; none of what is looked for stands behind one.
        lines.push(line.split("//").next().unwrap_or_default());
    }
    lines.join("\n")
}

/// Names under `[dependencies]`, and under `[dev-dependencies]`, of a crate.
fn dependencies(krate: &str) -> BTreeMap<&'static str, BTreeSet<String>> {
    let manifest = read(&root().join(krate).join("Cargo.toml"));
    let mut found = BTreeMap::from([("normal", BTreeSet::new()), ("dev", BTreeSet::new())]);
    let mut section = None;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = match line {
                "[dev-dependencies]" => Some("dev"),
                _ if line.contains("dependencies") => Some("normal"),
                _ => None,
            };
        } else if let Some(section) = section
            && let Some((name, _)) = line.split_once('=')
        {
            let name = name.trim().trim_end_matches(".workspace");
            found.entry(section).or_default().insert(name.to_owned());
        }
    }
    found
}

/// Where in the code of a crate one of the words stands, outside of the files that may name it.
fn named(krate: &str, words: &[&str], may: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, code) in code_of(krate) {
        if may.iter().any(|may| path.starts_with(may)) {
            continue;
        }
        for (number, line) in code.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                found.push(format!("{path}:{}: {word}", number + 1));
            }
        }
    }
    found
}

fn check_nowhere(krates: &[&str], words: &[&str], may: &[&str]) {
    let found: Vec<_> = krates
        .iter()
        .flat_map(|krate| named(krate, words, may))
        .collect();
    assert!(
        found.is_empty(),
        "only {may:?} may name {words:?}:\n{}",
        found.join("\n")
    );
}

const ALL: [&str; 6] = ["genesis", "actors", "adapters", "sims", "medium", "benches"];

#[test]
fn dependencies_point_one_way() {
    let ours: BTreeSet<&str> = CRATES.iter().map(|(krate, _)| *krate).collect();
    for (krate, may) in CRATES {
        for (kind, names) in dependencies(krate) {
            for name in names.iter().filter(|name| ours.contains(name.as_str())) {
                assert!(
                    may.contains(&name.as_str()),
                    "{krate} may not depend on {name} ({kind})"
                );
            }
        }
    }
}

#[test]
fn crates_do_without_what_is_not_theirs() {
    for (krate, without) in WITHOUT {
        let all = dependencies(krate);
        for name in without {
            assert!(
                !all["normal"].contains(*name),
                "{krate} does without {name}"
            );
        }
    }
}

/// The manifests are read by hand: this is what the reader is trusted for.
#[test]
fn manifests_are_read() {
    assert!(dependencies("genesis")["normal"].contains("bincode"));
    assert!(dependencies("genesis")["dev"].contains("proptest"));
    assert!(
        dependencies("adapters")["normal"].contains("serde_json"),
        "a table in braces"
    );
    assert!(!dependencies("medium")["normal"].contains("version"));
}

#[test]
fn one_module_names_the_serializer() {
    check_nowhere(&ALL, &["bincode"], &["genesis/src/wire.rs"]);
    let who: Vec<_> = ALL
        .into_iter()
        .filter(|krate| {
            dependencies(krate)
                .values()
                .any(|names| names.contains("bincode"))
        })
        .collect();
    assert_eq!(who, ["genesis"]);
}

#[test]
fn nothing_below_the_node_reads_a_clock_or_draws_at_random() {
    let clocks = ["SystemTime", "Instant", "UNIX_EPOCH"];
    check_nowhere(
        &["genesis", "actors", "adapters", "sims"],
        &clocks,
        &["sims/src/cli/stopwatch.rs"],
    );
    check_nowhere(&["medium"], &["SystemTime"], &["medium/src/clock.rs"]);
    let chance = [
        "urandom",
        "getrandom",
        "thread_rng",
        "rand::",
        "RandomState",
    ];
    // What a confined job may reach for is not drawn here.
    let compute = [
        "adapters/src/compute/calls.rs",
        "adapters/src/compute/places.rs",
    ];
    check_nowhere(
        &ALL,
        &chance,
        &[&["medium/src/folder.rs"][..], &compute].concat(),
    );
}

#[test]
fn the_protocol_does_no_io() {
    check_nowhere(
        &["genesis"],
        &[
            "std::fs",
            "std::net",
            "std::io",
            "std::thread",
            "std::env",
            "std::process",
            "async fn",
        ],
        &[],
    );
    check_nowhere(
        &["actors", "sims"],
        &["std::fs", "std::net", "std::env", "std::process"],
        &[
            "sims/src/cli.rs",
            "sims/src/cli/",
            // Who answers the questions of a world may be a program.
            "sims/src/outside/program.rs",
        ],
    );
}

#[test]
fn every_queue_has_a_bound() {
    check_nowhere(
        &ALL,
        &[
            "unbounded_channel",
            "UnboundedSender",
            "sync::mpsc::channel",
            "sync::mpsc::Sender",
            "mpsc::{channel",
            "mpsc::{Sender",
        ],
        &[],
    );
}

/// Two nodes in one process share nothing: ractor's registry and groups belong to the process.
#[test]
fn actors_have_no_global_names() {
    check_nowhere(
        &ALL,
        &["ractor::registry", "ractor::pg", "pg::join", "where_is("],
        &[],
    );
    for (path, code) in ALL.into_iter().flat_map(code_of) {
        for call in ["Actor::spawn(", "Actor::spawn_linked(", "::spawn_instant("] {
            for (at, _) in code.match_indices(call) {
                let name = code[at + call.len()..].trim_start();
                assert!(name.starts_with("None"), "{path}: an actor is given a name");
            }
        }
    }
    check_nowhere(
        &ALL,
        &["ractor::"],
        &[
            "actors/src/steward.rs",
            "actors/src/hosted.rs",
            "medium/src/outside.rs",
            "medium/src/outside/call.rs",
            "medium/src/outside/driver.rs",
            "benches/src/peer.rs",
        ],
    );
}

/// Whoever replaces one of these replaces it in one place.
#[test]
fn outside_software_is_named_where_it_is_adapted() {
    let store = [
        "adapters/src/store/",
        "adapters/src/store.rs",
        "adapters/src/pods/",
    ];
    check_nowhere(&["adapters"], &["redb::"], &store);
    let servers = [
        "adapters/src/http",
        "adapters/src/bee",
        "adapters/src/fairos",
    ];
    check_nowhere(&["adapters"], &["reqwest"], &servers);
    let compute = ["adapters/src/compute"];
    check_nowhere(
        &["adapters"],
        &["landlock", "seccompiler", "wasmtime_wasi"],
        &compute,
    );
    check_nowhere(
        &["adapters"],
        &["zip::"],
        &["adapters/src/recipe/archive.rs"],
    );
    check_nowhere(&["adapters"], &["bao_tree"], &["adapters/src/contents.rs"]);
    check_nowhere(&["medium"], &["axum"], &["medium/src/server"]);
    let client = [
        "medium/src/client",
        "medium/src/verbs/send.rs",
        "medium/src/outside/call.rs",
        "medium/src/outside/http.rs",
        "medium/src/outside/llm.rs",
    ];
    check_nowhere(&["medium"], &["reqwest", "tungstenite"], &client);
}

/// The command line reaches a node through its API, like any other program.
#[test]
fn verbs_know_a_node_only_by_its_api() {
    let starts = ["medium/src/verbs/up.rs", "medium/src/demo.rs"];
    for (path, code) in code_of("medium") {
        let is_of_the_command_line = [
            "verbs",
            "client",
            "demo",
            "cli.rs",
            "printer.rs",
            "report.rs",
        ]
        .iter()
        .any(|part| path.starts_with(&format!("medium/src/{part}")));
        if !is_of_the_command_line {
            continue;
        }
        assert!(
            !code.contains("actors::runtime"),
            "{path} goes round the API"
        );
        if !starts.contains(&path.as_str()) {
            assert!(!code.contains("Node::start"), "{path} starts a node");
        }
    }
}

#[test]
fn long_files_say_why() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let (_, listed) = text
        .split_once("## Long files")
        .expect("ARCHITECTURE.md lists long files");
    let listed = listed.split("\n## ").next().unwrap_or_default();
    let mut silent = Vec::new();
    for path in ALL.iter().flat_map(|krate| files(krate, ".rs")) {
        let lines = read(&root().join(&path)).lines().count();
        let name = format!("`{}`", path.display());
        if lines > LINES_MAX && !listed.contains(&name) {
            silent.push(format!("{name} has {lines} lines"));
        }
    }
    assert!(
        silent.is_empty(),
        "split them, or say why in ARCHITECTURE.md, `Long files`:\n{}",
        silent.join("\n")
    );
}

#[test]
fn the_code_map_has_every_module() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let mut missing = Vec::new();
    for krate in ALL {
        let heading = format!("\n### `{krate}`");
        let (_, map) = text
            .split_once(&heading)
            .unwrap_or_else(|| panic!("ARCHITECTURE.md has no heading{heading}"));
        let map = map.split("\n### ").next().unwrap_or_default();
        let src = root().join(krate).join("src");
        for path in files(&format!("{krate}/src"), ".rs") {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let is_direct = root().join(&path).parent() == Some(&src);
            if is_direct
                && !["lib.rs", "main.rs"].contains(&name)
                && !map.contains(&format!("`{name}`"))
            {
                missing.push(path.display().to_string());
            }
        }
    }
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md does not say what is in:\n{}",
        missing.join("\n")
    );
}

/// The documents a person reads, which name tests as `path.rs::name` and files by relative links.
fn documents() -> Vec<PathBuf> {
    let mut found = files("docs", ".md");
    found.extend(["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(PathBuf::from));
    found
}

#[test]
fn the_tests_that_documents_name_exist() {
    let mut broken = Vec::new();
    for document in documents() {
        for quoted in read(&root().join(&document)).split('`').skip(1).step_by(2) {
            let Some((path, name)) = quoted.split_once(".rs::") else {
                continue;
            };
            let source =
                std::fs::read_to_string(root().join(format!("{path}.rs"))).unwrap_or_default();
            if !source.contains(&format!("fn {name}(")) {
                broken.push(format!("{}: {quoted}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "no such test:\n{}", broken.join("\n"));
}

#[test]
fn the_links_of_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = read(&root().join(&document));
        for (at, _) in text.match_indices("](") {
            let link = text[at + 2..].split(')').next().unwrap_or_default();
            let path = link.split('#').next().unwrap_or_default();
            let outside = link.contains("://") || path.is_empty();
            let here = root().join(&document);
            let target = here.parent().expect("a file is in a folder").join(path);
            if !outside && !target.exists() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(
        broken.is_empty(),
        "these links lead nowhere:\n{}",
        broken.join("\n")
    );
}
