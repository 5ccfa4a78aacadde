//! A home for the program, with cargo in it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Run, medium};

/// Where the tests build models.
const BUILDS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/models");

/// A home with a data folder, where cargo is at home as it is for whoever runs the tests.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        let path = self.path(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = medium(self.0.path());
        command.args(arguments);
        self.settle(&mut command);
        command
    }

    /// Has a command live here, with cargo, and with the program in its path.
    pub(crate) fn settle(&self, command: &mut Command) {
        let program = Path::new(env!("CARGO_BIN_EXE_medium")).parent().unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(program.to_owned()).chain(std::env::split_paths(&path));
        command
            .env("PATH", std::env::join_paths(folders).unwrap())
            .env("MEDIUM_DATA", self.path("data"))
            .env_remove("MEDIUM_API")
            .env_remove("MEDIUM_DFS")
            // Other people's crates are compiled once for all tests, and kept for the next time.
            .env("CARGO_TARGET_DIR", BUILDS)
            .current_dir(self.0.path());
        with_cargo(command);
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run::of(arguments, self.command(arguments).output().unwrap())
    }

    /// What it prints, if it succeeds.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        self.run(arguments).done()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let said = self.done(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"))
    }

    /// Cargo itself, in a folder.
    pub(crate) fn cargo(&self, folder: &str, arguments: &[&str]) {
        let mut command = Command::new("cargo");
        command
            .args(arguments)
            .current_dir(self.path(folder))
            .env_remove("CARGO_TARGET_DIR");
        let said = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{arguments:?}: {stderr}");
    }
}

/// Where cargo and rustup are at home, which they would look for in the home that a test gave the program.
fn with_cargo(command: &mut Command) {
    let home = std::env::var_os("HOME").unwrap_or_default();
    let home = Path::new(&home);
    for (variable, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let usual = || OsString::from(home.join(folder));
        command.env(variable, std::env::var_os(variable).unwrap_or_else(usual));
    }
}
