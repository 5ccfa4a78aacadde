//! `new sim`: a crate with a model, and the engine that it is built on.
//!
//! The medium is in no registry, so the crate brings the engine along: the sources of `sims` and `genesis` as
//! they are in this binary, below `engine/`, which is a workspace of its own, and our lock file. The folder depends
//! on nothing of this machine and on no version of the medium; docs/decisions/model-crates.md says why it is made
//! like that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use genesis::id::{Digest, Digester};

/// A file: its path with `/` between words, and what is in it.
type File = (&'static str, &'static str);

/// The sources of the crates of the engine, by path.
const SOURCES: &[File] = include!(concat!(env!("OUT_DIR"), "/engine.rs"));
/// The manifest of the workspace, from which theirs inherit.
const WORKSPACE: &str = include_str!("../../../Cargo.toml");
/// Which versions of other people's crates we are built with.
const LOCK: &str = include_str!("../../../Cargo.lock");
/// Under which terms the sources are handed on.
const LICENCES: &[File] = &[
    ("LICENSE-APACHE", include_str!("../../../LICENSE-APACHE")),
    ("LICENSE-MIT", include_str!("../../../LICENSE-MIT")),
];
/// The crates of the engine.
const CRATES: [&str; 2] = ["genesis", "sims"];

/// Stands in a template for the name of the crate.
const NAME: &str = "MODEL-NAME";
/// Stands in a template for that name as Rust writes it.
const RUST_NAME: &str = "MODEL_NAME";
const TEMPLATE: &[File] = &[
    (
        "Cargo.toml",
        include_str!("../../templates/sim/Cargo.toml.in"),
    ),
    (
        "clippy.toml",
        include_str!("../../templates/sim/clippy.toml.in"),
    ),
    (
        ".gitignore",
        include_str!("../../templates/sim/gitignore.in"),
    ),
    (
        "README.md",
        include_str!("../../templates/sim/README.md.in"),
    ),
    ("sweep.sh", include_str!("../../templates/sim/sweep.sh.in")),
    ("src/lib.rs", include_str!("../../templates/sim/lib.rs.in")),
    (
        "src/main.rs",
        include_str!("../../templates/sim/main.rs.in"),
    ),
    (
        "tests/model.rs",
        include_str!("../../templates/sim/tests.rs.in"),
    ),
];

/// Names that cargo or Rust would not have for a crate, or that the engine has.
const TAKEN: [&str; 12] = [
    "alloc",
    "core",
    "crate",
    "deps",
    "engine",
    "genesis",
    "proc-macro",
    "self",
    "sims",
    "std",
    "super",
    "test",
];

/// Whether a crate can be called so, beyond what holds for all names: `2d` and `sims` cannot.
pub(crate) fn is_crate_name(name: &str) -> bool {
    let keyword = matches!(
        name,
        "as" | "async"
            | "await"
            | "break"
            | "const"
            | "continue"
            | "dyn"
            | "else"
            | "enum"
            | "extern"
            | "false"
            | "fn"
            | "for"
            | "if"
            | "impl"
            | "in"
            | "let"
            | "loop"
            | "match"
            | "mod"
            | "move"
            | "mut"
            | "pub"
            | "ref"
            | "return"
            | "static"
            | "struct"
            | "trait"
            | "true"
            | "type"
            | "unsafe"
            | "use"
            | "where"
            | "while"
            | "abstract"
            | "become"
            | "box"
            | "do"
            | "final"
            | "gen"
            | "macro"
            | "override"
            | "priv"
            | "try"
            | "typeof"
            | "unsized"
            | "virtual"
            | "yield"
    );
    name.starts_with(|first: char| first.is_ascii_lowercase()) && !keyword && !TAKEN.contains(&name)
}

/// The files of a crate with a model: its own, then those of the engine.
pub(crate) fn files(name: &str) -> Vec<(String, String)> {
    let rust_name = name.replace('-', "_");
    let own = TEMPLATE.iter().map(|(path, text)| {
        let text = text.replace(NAME, name).replace(RUST_NAME, &rust_name);
        ((*path).to_owned(), text)
    });
    // All of our lock; cargo takes out of it what the crate does without, when it first looks at it.
    let lock = ("Cargo.lock".to_owned(), LOCK.to_owned());
    let engine = engine().into_iter();
    let engine = engine.map(|(path, text)| (format!("engine/{path}"), text));
    own.chain([lock]).chain(engine).collect()
}

/// The engine as a workspace of its own, by path.
fn engine() -> Vec<(String, String)> {
    let mut files = vec![("Cargo.toml".to_owned(), workspace())];
    let sources = SOURCES.iter().chain(LICENCES);
    files.extend(sources.map(|(path, text)| {
        let text = if path.ends_with("/Cargo.toml") {
            manifest(text)
        } else {
            (*text).to_owned()
        };
        ((*path).to_owned(), text)
    }));
    files
}

/// Which engine this is: the digest of its files.
pub(crate) fn engine_digest() -> Digest {
    digest_of(&engine())
}

/// The digest of files, by path and contents, whatever their order.
fn digest_of(files: &[(String, String)]) -> Digest {
    let files: BTreeMap<_, _> = files.iter().map(|(path, text)| (path, text)).collect();
    let mut digester = Digester::default();
    for (path, text) in files {
        for part in [path, text] {
            digester.update(&(part.len() as u64).to_le_bytes());
            digester.update(part.as_bytes());
        }
    }
    digester.digest()
}

/// The manifest of the engine's workspace: ours, with what its crates inherit and no more.
fn workspace() -> String {
    let inherited: BTreeSet<&str> = manifests()
        .flat_map(|(_, text)| dependencies(text))
        .collect();
    let mut section = "";
    let mut text = String::from(
        "# The engine of this model: two crates of the medium, as they were when the model was begun.\n",
    );
    for line in WORKSPACE.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let first = line.split([' ', '=']).next().unwrap_or_default();
        let kept = match section {
            "[workspace]" => !line.starts_with("default-members"),
            "[workspace.dependencies]" => line.starts_with('[') || inherited.contains(first),
            // Profiles and lints are those of whoever builds.
            section => section == "[workspace.package]",
        };
        if !kept {
            continue;
        }
        // Writing to a string does not fail.
        let _ = if line.starts_with("members") {
            writeln!(text, "members = {CRATES:?}")
        } else {
            writeln!(text, "{line}")
        };
    }
    text
}

/// The manifests of the engine's crates, as they are in our workspace, by name.
fn manifests() -> impl Iterator<Item = (&'static str, &'static str)> {
    SOURCES
        .iter()
        .filter_map(|(path, text)| Some((path.strip_suffix("/Cargo.toml")?, *text)))
}

/// A crate's manifest without what only its own tests need.
fn manifest(text: &str) -> String {
    let mut kept = String::new();
    let mut is_kept = true;
    for line in text.lines() {
        if line.starts_with('[') {
            let own = ["[dev-dependencies]", "[lints]", "[[bench]]", "[[example]]"];
            is_kept = !own.contains(&line);
        }
        if is_kept {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The dependencies that a manifest inherits, without those of tests.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let lines = manifest.lines();
    let mut lines = lines.skip_while(|line| *line != "[dependencies]");
    lines.next();
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ']).next())
        .filter(|name| !name.is_empty())
}
