//! A home for the program, and its runs.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A home with a data folder, without anything of whoever runs the tests.
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
        fs::write(path, text).unwrap();
    }

    /// Writes the recipe of a pod that is called as its directory.
    pub(crate) fn recipe(&self, directory: &str, golem: &Value) {
        let name = Path::new(directory).file_name().unwrap().to_str().unwrap();
        let recipe = serde_json::json!({"name": name, "golem": golem});
        self.write(&format!("{directory}/recipe.json"), &recipe.to_string());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_medium"));
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.0.path())
            .env("MEDIUM_DATA", self.path("data"))
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let output = self.command(arguments).output().unwrap();
        Run {
            arguments: arguments.join(" "),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The stdout of a run that succeeds, without the last line end.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        let said = format!("medium {}: {}{}", run.arguments, run.stdout, run.stderr);
        assert_eq!(run.code, Some(0), "{said}");
        run.stdout.trim_end_matches('\n').to_owned()
    }

    /// The JSON of a run with `--json` that succeeds.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.done(&arguments)).unwrap()
    }

    /// Begins a run.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().unwrap())
    }
}

/// A run that has ended.
pub(crate) struct Run {
    pub(crate) arguments: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// What a refusal says.
    pub(crate) fn refused(&self) -> &str {
        let Self {
            arguments, stderr, ..
        } = self;
        assert_eq!(self.code, Some(1), "medium {arguments}: {stderr}");
        assert!(stderr.contains("error: "), "medium {arguments}: {stderr}");
        stderr
    }

    /// The code of a refusal with `--json`.
    pub(crate) fn error_code(&self) -> String {
        let last = self.stderr.lines().last().unwrap();
        let refusal: Value = serde_json::from_str(last).unwrap();
        refusal["code"].as_str().unwrap().to_owned()
    }
}

/// A run that goes on; it ends with its test.
pub(crate) struct Running(Child);

impl Running {
    /// Reads stdout until a line says this.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let mut reader = BufReader::new(self.0.stdout.as_mut().unwrap());
        let mut line = String::new();
        loop {
            line.clear();
            let read = reader.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended before it said `{text}`");
            if line.contains(text) {
                return;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Its exit code and what it said on stderr.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.0
            .stderr
            .as_mut()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        (self.0.wait().unwrap().code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
