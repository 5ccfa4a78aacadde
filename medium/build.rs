//! Puts the sources of the engine into the binary, so that `new sim` can write them wherever it is installed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folders of a crate that only its own tests need, or that are crates of their own.
const LEFT_OUT: [&str; 7] = [
    "tests",
    "examples",
    "benches",
    "parts",
    "pods",
    "proptest-regressions",
    "target",
];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..");
    let mut files = Vec::new();
    for name in ["genesis", "sims"] {
        gather(&root, Path::new(name), 0, &mut files)?;
    }
    // The order of a folder is the file system's.
    files.sort();
    let mut list = String::from("&[\n");
    for path in files {
        let full = root.join(&path).canonicalize()?.display().to_string();
        // Writing to a string does not fail.
        let _ = writeln!(list, "    ({path:?}, include_str!({full:?})),");
    }
    list.push_str("]\n");
    // For which machine we are built, and so what a model is built for here.
    println!(
        "cargo::rustc-env=TARGET={}",
        env::var("TARGET").unwrap_or_default()
    );
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("engine.rs"), list)
}

/// The files of a folder and of those in it, with their paths from the root.
fn gather(root: &Path, folder: &Path, depth: u32, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = folder.join(name);
        if name.starts_with('.') || depth == 0 && LEFT_OUT.contains(&name) {
            continue;
        }
        if depth == 0 {
            println!("cargo::rerun-if-changed=../{}", path.display());
        }
        if entry.file_type()?.is_dir() {
            gather(root, &path, depth + 1, files)?;
        } else if let Some(path) = path.to_str() {
            files.push(path.replace('\\', "/"));
        }
    }
    Ok(())
}
