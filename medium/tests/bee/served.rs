//! The program, started as a person would, serving Bee's API.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// `medium up --bee-api`, on free ports of the loopback and a data folder of its own. It ends with the test.
pub(crate) struct Served {
    child: Child,
    /// Where Bee's API is: `http://127.0.0.1:PORT`.
    pub(crate) api: String,
    _data: TempDir,
}

impl Served {
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let mut child = medium(data.path())
            .args(["up", "--json", "--workers", "1"])
            .args(["--api", "127.0.0.1:0", "--bee-api", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("it says where it is");
        let ready: Value = serde_json::from_str(&line).expect("JSON");
        let api = ready["bee_api"].as_str().expect("Bee's API").to_owned();
        Self {
            child,
            api,
            _data: data,
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, without anything of whoever runs the tests.
fn medium(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_medium"));
    for (name, _) in std::env::vars() {
        if name.starts_with("MEDIUM_") {
            command.env_remove(name);
        }
    }
    command.env("MEDIUM_DATA", data).stdin(Stdio::null());
    command
}
