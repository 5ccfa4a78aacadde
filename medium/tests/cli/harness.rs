//! A node and the binary, as the tests hold them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The binary, without anything of whoever runs the tests.
pub(crate) fn medium(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medium"));
    for variable in [
        "MEDIUM_DATA",
        "MEDIUM_API",
        "MEDIUM_TOKEN",
        "MEDIUM_LOG",
        "MEDIUM_WALLET",
        "MEDIUM_DFS",
        "XDG_DATA_HOME",
        "COLUMNS",
    ] {
        command.env_remove(variable);
    }
    command
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

/// A process that ends with its test.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        Self(
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        )
    }

    pub(crate) fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        BufReader::new(self.0.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap)
    }

    pub(crate) fn errors(&mut self) -> impl Iterator<Item = String> + use<> {
        BufReader::new(self.0.stderr.take().unwrap())
            .lines()
            .map(Result::unwrap)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.0.stdin.take().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{name}"), &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    pub(crate) fn exit_code(mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A node on a folder of its own, and a place for files.
pub(crate) struct Node {
    pub(crate) process: Process,
    pub(crate) ready: Value,
    pub(crate) home: TempDir,
}

impl Node {
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (process, ready) = Self::on(home.path());
        Self {
            process,
            ready,
            home,
        }
    }

    /// A node on the folder `data` of this home; its process and what it said when it was ready.
    pub(crate) fn on(home: &Path) -> (Process, Value) {
        let mut command = medium(home);
        command
            .args(["up", "--json", "--api", "127.0.0.1:0", "--data"])
            .arg(home.join("data"));
        let mut process = Process::start(command);
        let line = process
            .lines()
            .next()
            .expect("a node that is ready says so");
        (process, serde_json::from_str(&line).unwrap())
    }

    /// Ends it in order, and starts another on the same folder.
    pub(crate) fn restart(self) -> Self {
        let Self { process, home, .. } = self;
        process.signal("INT");
        assert_eq!(process.exit_code(), Some(0));
        let (process, ready) = Self::on(home.path());
        Self {
            process,
            ready,
            home,
        }
    }

    /// Kills it, and starts another on the same folder.
    pub(crate) fn killed(self) -> Self {
        let Self { process, home, .. } = self;
        process.signal("KILL");
        drop(process);
        let (process, ready) = Self::on(home.path());
        Self {
            process,
            ready,
            home,
        }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = medium(self.home());
        command
            .args(arguments)
            .env("MEDIUM_DATA", self.home().join("data"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run::of(arguments, self.command(arguments).output().unwrap())
    }

    /// The stdout of a run that succeeds, without the last line end.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        self.run(arguments).done()
    }

    /// The JSON of a run with `--json` that succeeds.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.done(&arguments)).unwrap()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.home().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
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
    pub(crate) fn of(arguments: &[&str], output: Output) -> Self {
        Self {
            arguments: arguments.join(" "),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn done(self) -> String {
        let Self {
            arguments,
            code,
            stdout,
            stderr,
        } = self;
        assert_eq!(code, Some(0), "medium {arguments}: {stdout}{stderr}");
        assert!(!stderr.contains("error:"), "medium {arguments}: {stderr}");
        stdout.strip_suffix('\n').unwrap_or(&stdout).to_owned()
    }

    /// A refusal: nothing on stdout, exit code 1, an error with a way out.
    pub(crate) fn refused(&self) -> &str {
        let Self {
            arguments,
            code,
            stdout,
            stderr,
        } = self;
        assert_eq!(*code, Some(1), "medium {arguments}: {stdout}{stderr}");
        assert_eq!(stdout, "", "medium {arguments}");
        assert!(
            stderr.starts_with("error: "),
            "medium {arguments}: {stderr}"
        );
        stderr
    }

    /// The same with `--json`: the code of the refusal.
    pub(crate) fn code(&self) -> String {
        assert_eq!(
            self.code,
            Some(1),
            "medium {}: {}",
            self.arguments,
            self.stderr
        );
        // Notes, if there are any, come before it.
        let refusal: Value = serde_json::from_str(self.stderr.lines().last().unwrap()).unwrap();
        assert!(refusal["what"].is_string(), "{refusal}");
        refusal["code"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|digits| digits.len() == 52)
}
