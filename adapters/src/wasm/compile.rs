//! How a module becomes machine code: in a child process that can be killed, or here.
//!
//! A compiler is given what strangers wrote. What bounds it is time, memory and the size of the module; a
//! process of its own is what makes the first two hold.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use genesis::refusal::{Code as Kind, Refusal};
use parking_lot::{Condvar, Mutex};

use super::TRUSTED_BYTES_MAX;
use super::pool::{self, Target};

/// How long a module is compiled, at most.
const WALL_MAX: Duration = Duration::from_secs(10);
/// CPU time of the child, in seconds.
const CPU_SECONDS_MAX: u64 = 10;
/// Address space of the child, in bytes.
const ADDRESS_BYTES_MAX: u64 = 2 << 30;
/// Longest machine code of one module, in bytes.
pub(super) const CODE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// First byte of what a child says: code follows, or what was wrong.
const DONE: u8 = 0;
const REFUSED: u8 = 1;
const HINT: &str = "make its functions smaller, or fewer";

/// Where modules are compiled.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// In this process, unbounded in time: for tests, and for modules that come with the program.
    InProcess,
    /// In a child that is killed after ten seconds and has at most 2 GiB.
    Child {
        /// The program; it is to call [`compile_child`].
        program: PathBuf,
        /// How it knows that it is to.
        args: Vec<OsString>,
    },
}

/// Machine code that our own compiler made.
pub(super) struct Compiled(Vec<u8>);

impl Compiled {
    /// Code that was kept by us, and is unharmed.
    pub(super) const fn kept(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Compiler {
    /// Compiles a module that was read and found good.
    pub(super) fn compile(&self, target: Target, module: &[u8]) -> Result<Compiled, Refusal> {
        match self {
            Self::InProcess => here(target, module)
                .map(Compiled)
                .map_err(|error| Refusal::new(Kind::Malformed, error).hint(HINT)),
            Self::Child { program, args } => {
                let child = Command::new(program)
                    .args(args)
                    .env_clear()
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn();
                let mut child = child.map_err(|error| {
                    let program = program.display();
                    Refusal::new(
                        Kind::Io,
                        format!("the compiler {program} does not start: {error}"),
                    )
                })?;
                let said = converse(&mut child, target, module, WALL_MAX);
                // Whatever came of it, nothing of it stays behind.
                let killed = child.kill().and_then(|()| child.wait());
                killed.map_err(|error| {
                    Refusal::new(Kind::Io, format!("the compiler cannot be ended: {error}"))
                })?;
                understood(said)
            }
        }
    }
}

/// Gives a child the module and takes what it says; nothing if it took too long.
fn converse(
    child: &mut Child,
    target: Target,
    module: &[u8],
    wall_max: Duration,
) -> Option<Vec<u8>> {
    let (mut stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
    let done = Arc::new((Mutex::new(false), Condvar::new()));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A child that ended early says why on its output.
            let _ = stdin.write_all(&[target.code()]);
            let _ = stdin.write_all(module);
        });
        let reader_done = done.clone();
        let reader = scope.spawn(move || {
            let mut said = Vec::new();
            let read = stdout
                .take(CODE_BYTES_MAX as u64 + 2)
                .read_to_end(&mut said);
            *reader_done.0.lock() = true;
            reader_done.1.notify_one();
            read.map(|_| said).unwrap_or_default()
        });
        let (is_done, told) = &*done;
        let waited = told.wait_while_for(&mut is_done.lock(), |done| !*done, wall_max);
        if waited.timed_out() {
            // Closes both pipes, so that both threads end.
            let _ = child.kill();
            return None;
        }
        reader.join().ok()
    })
}

fn understood(said: Option<Vec<u8>>) -> Result<Compiled, Refusal> {
    let Some(mut said) = said else {
        let seconds = WALL_MAX.as_secs();
        let what = format!("the module was not compiled within {seconds} s");
        return Err(Refusal::new(Kind::TooLarge, what).hint(HINT));
    };
    match said.first() {
        Some(&DONE) if said.len() <= CODE_BYTES_MAX => {
            said.remove(0);
            Ok(Compiled(said))
        }
        Some(&DONE) => {
            let what = format!("the module's code has more than {CODE_BYTES_MAX} bytes");
            Err(Refusal::new(Kind::TooLarge, what).hint(HINT))
        }
        Some(&REFUSED) => {
            let what = String::from_utf8_lossy(&said[1..])
                .chars()
                .take(500)
                .collect::<String>();
            Err(Refusal::new(Kind::Malformed, what).hint(HINT))
        }
        _ => {
            let what = format!(
                "the compiler ended without an answer: it has {CPU_SECONDS_MAX} s and {ADDRESS_BYTES_MAX} bytes"
            );
            Err(Refusal::new(Kind::TooLarge, what).hint(HINT))
        }
    }
}

fn here(target: Target, module: &[u8]) -> Result<Vec<u8>, String> {
    let engine = pool::compiling(target).map_err(|error| format!("{error:#}"))?;
    let code = engine.precompile_module(module);
    code.map_err(|error| format!("the module cannot be compiled: {error:#}"))
}

/// What the child does: limits itself, reads a module from its input and writes machine code to its output.
///
/// The program that [`Compiler::Child`] names calls it, and does nothing else, before it starts any thread.
pub fn compile_child() -> ExitCode {
    let answer = child_answer();
    let (first, rest) = match &answer {
        Ok(code) => (DONE, code.as_slice()),
        Err(what) => (REFUSED, what.as_bytes()),
    };
    let mut out = std::io::stdout().lock();
    let written = out
        .write_all(&[first])
        .and_then(|()| out.write_all(rest))
        .and_then(|()| out.flush());
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn child_answer() -> Result<Vec<u8>, String> {
    limit_itself()?;
    let mut input = Vec::new();
    let max = TRUSTED_BYTES_MAX as u64 + 2;
    let read = std::io::stdin().lock().take(max).read_to_end(&mut input);
    read.map_err(|error| format!("the compiler cannot read its input: {error}"))?;
    let (&target, module) = input
        .split_first()
        .ok_or("the compiler was given nothing")?;
    if module.len() > TRUSTED_BYTES_MAX {
        return Err(format!(
            "the module has more than {TRUSTED_BYTES_MAX} bytes"
        ));
    }
    let target =
        Target::from_code(target).ok_or("the compiler was asked for an engine it does not know")?;
    here(target, module)
}

/// Gives up what a compiler does not need; there is no way back.
fn limit_itself() -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limits = [
        (Resource::As, ADDRESS_BYTES_MAX),
        (Resource::Cpu, CPU_SECONDS_MAX),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ];
    for (resource, max) in limits {
        let limit = Rlimit {
            current: Some(max),
            maximum: Some(max),
        };
        setrlimit(resource, limit)
            .map_err(|error| format!("the compiler cannot limit itself: {error}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(program: &str, args: &[&str]) -> Child {
        let command = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        command.expect("the test's program is there")
    }

    #[test]
    fn a_child_that_does_not_answer_is_killed() {
        // Longer than any test run: it ends because it is killed.
        let mut child = child("sleep", &["100000"]);
        let module = vec![0; 1 << 20]; // more than a pipe holds
        let said = converse(&mut child, Target::Rows, &module, Duration::from_millis(50));
        assert_eq!(said, None);
        let status = child.wait().expect("it can be waited for");
        assert!(!status.success(), "{status}");
        let refusal = understood(said).err().expect("no code");
        assert_eq!(refusal.what, "the module was not compiled within 10 s");
    }

    #[test]
    fn a_child_that_says_something_else_is_not_believed() {
        for (program, said) in [("true", None), ("cat", Some(b'r'))] {
            let mut child = child(program, &[]);
            let heard = converse(&mut child, Target::Rows, b"module", WALL_MAX);
            assert_eq!(
                heard.as_ref().map(|heard| heard.first().copied()),
                Some(said)
            );
            let refusal = understood(heard).err().expect("no code");
            assert_eq!(refusal.code, Kind::TooLarge);
            child.wait().expect("it ends by itself");
        }
        assert!(understood(Some(vec![DONE, 1, 2])).is_ok());
        let refused = understood(Some(b"\x01why".to_vec()))
            .err()
            .expect("no code");
        assert_eq!(
            (refused.code, refused.what.as_str()),
            (Kind::Malformed, "why")
        );
    }
}
