//! `new`: folders to begin with.

use std::fs;
use std::path::Path;

use adapters::pod_dir::is_name;
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use serde_json::json;

use super::Context;
use crate::cli::{AgentLanguage, New, NewKind, PartLanguage};
use crate::report::file_refused;
use crate::sim::{cargo, crates};

/// What stands for the name in a template.
const NAME: &str = "NAME";

/// A file of a template: its path, and what is in it.
type File = (&'static str, &'static str);

const WAT: &[File] = &[
    (
        "vc.json",
        include_str!("../../templates/part-wat/vc.json.in"),
    ),
    (
        "NAME.wat",
        include_str!("../../templates/part-wat/part.wat.in"),
    ),
    (
        "README.md",
        include_str!("../../templates/part-wat/README.md.in"),
    ),
];
const RUST: &[File] = &[
    (
        "vc.json",
        include_str!("../../templates/part-rust/vc.json.in"),
    ),
    (
        "Cargo.toml",
        include_str!("../../templates/part-rust/Cargo.toml.in"),
    ),
    (
        "build.sh",
        include_str!("../../templates/part-rust/build.sh.in"),
    ),
    (
        "src/lib.rs",
        include_str!("../../templates/part-rust/lib.rs.in"),
    ),
    (
        "src/vc.rs",
        include_str!("../../../genesis/parts/kit/vc.rs"),
    ),
    (
        "README.md",
        include_str!("../../templates/part-rust/README.md.in"),
    ),
];
const LISP: &[File] = &[
    (
        "vc.json",
        include_str!("../../templates/agent-lisp/vc.json.in"),
    ),
    (
        "agent.scm",
        include_str!("../../templates/agent-lisp/agent.scm.in"),
    ),
    (
        "README.md",
        include_str!("../../templates/agent-lisp/README.md.in"),
    ),
];

const PYTHON: &[File] = &[
    (
        "vc.json",
        include_str!("../../templates/agent-python/vc.json.in"),
    ),
    (
        "agent.py",
        include_str!("../../templates/agent-python/agent.py.in"),
    ),
    (
        "medium.py",
        include_str!("../../templates/agent-python/medium.py.in"),
    ),
    (
        "test_agent.py",
        include_str!("../../templates/agent-python/test_agent.py.in"),
    ),
    (
        "README.md",
        include_str!("../../templates/agent-python/README.md.in"),
    ),
];
const JS: &[File] = &[
    (
        "vc.json",
        include_str!("../../templates/agent-js/vc.json.in"),
    ),
    (
        "agent.js",
        include_str!("../../templates/agent-js/agent.js.in"),
    ),
    (
        "medium.js",
        include_str!("../../templates/agent-js/medium.js.in"),
    ),
    (
        "agent.test.js",
        include_str!("../../templates/agent-js/agent.test.js.in"),
    ),
    (
        "README.md",
        include_str!("../../templates/agent-js/README.md.in"),
    ),
];

/// Writes a folder of a template.
pub(crate) fn new(context: Context<'_>, options: &New) -> Result<()> {
    let (name, files) = match &options.kind {
        NewKind::Part { name, lang } => {
            let template = match lang {
                PartLanguage::Wat => WAT,
                PartLanguage::Rust => RUST,
            };
            (name, filled(name, template))
        }
        NewKind::Agent { name, lang } => {
            let template = match lang {
                AgentLanguage::Lisp => LISP,
                AgentLanguage::Python => PYTHON,
                AgentLanguage::Js => JS,
            };
            (name, filled(name, template))
        }
        NewKind::Sim { name } => {
            if !crates::is_crate_name(name) && is_name(name) {
                let what = format!("a crate cannot be called `{name}`");
                return Err(Refusal::new(Code::Malformed, what)
                    .who(name)
                    .hint("a name that begins with a letter and is no word of Rust's, nor of the engine's")
                    .into());
            }
            (name, crates::files(name))
        }
    };
    let files = written(name, &files)?;
    if matches!(options.kind, NewKind::Sim { .. }) {
        // Where there is no cargo, or not all crates, it does so when they are there.
        let _ = cargo::settled(Path::new(name));
    }
    let printer = context.printer;
    if printer.is_json() {
        printer.json(&json!({ "folder": name, "files": files }))?;
    } else {
        printer.text(name)?;
    }
    printer.note(&format!("`{name}/README.md` has the commands to run it"));
    Ok(())
}

/// The files of a template for this name.
fn filled(name: &str, template: &[File]) -> Vec<(String, String)> {
    let files = template.iter().map(|(path, text)| {
        let path = path.replace(NAME, name);
        // The guest kit is the same for all.
        let text = if path.ends_with("vc.rs") {
            (*text).to_owned()
        } else {
            text.replace(NAME, name)
        };
        (path, text)
    });
    files.collect()
}

/// Writes files into a new folder; their paths.
fn written(name: &str, files: &[(String, String)]) -> Result<Vec<String>, Refusal> {
    if !is_name(name) {
        let what = format!("`{name}` is not a name");
        return Err(Refusal::new(Code::Malformed, what)
            .who(name)
            .hint("words of a-z 0-9 with single `-` or `_` between them, as `word-count2`"));
    }
    let folder = Path::new(name);
    fs::create_dir(folder).map_err(|error| file_refused("create", folder, &error))?;
    let mut paths = Vec::with_capacity(files.len());
    for (path, text) in files {
        let file = folder.join(path);
        if let Some(inner) = file.parent() {
            fs::create_dir_all(inner).map_err(|error| file_refused("create", inner, &error))?;
        }
        fs::write(&file, text).map_err(|error| file_refused("write", &file, &error))?;
        paths.push(path.clone());
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_is_refused() {
        for name in ["A b", "../x", "", "a/b"] {
            assert_eq!(
                written(name, &filled(name, WAT)).unwrap_err().code,
                Code::Malformed,
                "{name}"
            );
        }
    }
}
