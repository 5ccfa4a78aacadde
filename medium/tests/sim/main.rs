//! Worlds from outside: the real binary, as a person or a script runs models with it.
//!
//! Where a run must be caught on its way the tests wait for what it leaves in its folder, never for time.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

#[path = "../cli/harness.rs"]
#[allow(dead_code, reason = "shared with the other tests of the command line")]
mod harness;

mod again;
mod says;
mod seen;
mod stopped;
mod sweeps;

use std::path::Path;
use std::process::Command;

use harness::{Process, Run, medium};
use serde_json::Value;
use tempfile::TempDir;

/// A place for folders.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = medium(self.0.path());
        command.arg("sim").args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(arguments, self.command(arguments).output().unwrap())
    }

    fn done(&self, arguments: &[&str]) -> String {
        self.run(arguments).done()
    }

    /// The JSON of a run that succeeds.
    fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.done(&arguments)).unwrap()
    }

    fn digest(&self, arguments: &[&str]) -> String {
        let summary = self.json(arguments);
        summary["digest"].as_str().unwrap().to_owned()
    }

    fn start(&self, arguments: &[&str]) -> Process {
        Process::start(self.command(arguments))
    }

    fn bytes(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn record(&self, folder: &str) -> Value {
        serde_json::from_slice(&self.bytes(&format!("{folder}/run.json"))).unwrap()
    }

    /// Waits until a file is there.
    fn await_file(&self, path: &str) {
        while !self.path(path).exists() {
            std::thread::yield_now();
        }
    }

    fn has(&self, path: &str) -> bool {
        Path::exists(&self.path(path))
    }
}
