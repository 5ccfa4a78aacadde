//! Starts the real servers: FairOS-DFS, and the Bee inside of it.
//!
//! They are Go programs, built from their own sources by the module in `adapters/tests/fairos`; what starts
//! them there is also what keeps them away from the network. One pair serves all tests of a process and ends with
//! it; tests keep apart by users, pods and contents.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Once};

use serde::Deserialize;

/// Where the servers can be reached: `HOST:PORT`.
#[derive(Debug, Deserialize)]
pub(crate) struct Servers {
    /// FairOS-DFS, with no user yet.
    pub(crate) fairos: String,
    /// The Bee in which FairOS-DFS keeps everything; it takes any batch.
    pub(crate) bee: String,
}

/// The servers and what runs them, which ends when the last end of its standard input is closed.
struct Running {
    servers: Servers,
    _runner: Child,
}

static RUNNING: LazyLock<Result<Running, String>> = LazyLock::new(start);

/// The servers; none where they cannot be had, which is said once.
///
/// # Panics
/// Where they cannot be had and `CI` is `true`: there they must.
pub(crate) fn servers() -> Option<&'static Servers> {
    static SAID: Once = Once::new();
    match &*RUNNING {
        Ok(running) => Some(&running.servers),
        Err(why) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            panic!("no FairOS-DFS to test against: {why}")
        }
        Err(why) => {
            // Not by a macro: what these print is shown only for tests that fail.
            SAID.call_once(|| {
                let said = format!("skipped: no FairOS-DFS to test against: {why}\n");
                let _ = std::io::stderr().write_all(said.as_bytes());
            });
            None
        }
    }
}

fn start() -> Result<Running, String> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/tests/fairos");
    let programs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("servers");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(format!("{}/", programs.display()))
        .args([".", "tool"])
        .current_dir(module)
        .env("GOTOOLCHAIN", "local") // no other Go is fetched
        .env("CGO_ENABLED", "0") // and no C compiler is asked for
        .output()
        .map_err(|error| format!("`go` cannot be run ({error}); install Go 1.24 or later"))?;
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        return Err(format!("`go build` failed:\n{said}"));
    }

    let mut runner = Command::new(programs.join("servers"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut said = String::new();
    if let Some(output) = runner.stdout.take() {
        let read = BufReader::new(output).read_line(&mut said);
        read.map_err(|error| error.to_string())?;
    }
    if let Ok(servers) = serde_json::from_str(&said) {
        // They tell of every request that fails, and would stop at a pipe that is full.
        if let Some(mut told) = runner.stderr.take() {
            std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
        }
        return Ok(Running {
            servers,
            _runner: runner,
        });
    }
    let ended = runner
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    Err(String::from_utf8_lossy(&ended.stderr).trim().to_owned())
}
