//! Building and running a stranger's crate where it can do no harm: without network, writing nowhere but in a folder of
//! its own, reading the toolchain and the crates that cargo keeps, and nothing else of this user.
//!
//! Building runs code as well (build scripts, macros), so it is done in there, too. A program that was built is kept by
//! the digest of all that it was made of, because building takes a minute and more.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use adapters::compute::{
    Allowed, Compute as _, ComputeError, Done, End, Job, Launcher, Limits, Local, Output, Stream,
};
use genesis::id::Digest;
use genesis::refusal::{Code, Refusal};
use parking_lot::Mutex;
use serde::Deserialize;

use super::published::{SOURCE, copy, found, make};
use crate::printer::Printer;
use crate::report::file_refused;

/// What building or running a model may use: a build is more than most jobs are.
const LIMITS: Limits = Limits {
    cpu_s: 4 * 3_600,
    memory_bytes: 8 << 30,
    wall: Duration::from_hours(12),
    file_bytes: 4 << 30,
    processes: 512,
};
/// Most bytes of cargo's messages that are kept.
const SAID_BYTES_MAX: usize = 16 << 20;
/// What the program is called where it is kept.
const PROGRAM: &str = "program";

/// What is needed to build a crate.
#[derive(Clone, Debug)]
struct Toolchain {
    /// Where compiler and cargo are.
    root: PathBuf,
    /// The crates that cargo keeps.
    registry: PathBuf,
    /// What the compiler says of itself.
    version: String,
}

/// Where strangers' crates are built and run.
pub(crate) struct Sandbox<'a> {
    /// Where programs are kept, and folders made.
    pub(crate) cache: &'a Path,
    /// What is shown of it.
    pub(crate) printer: &'a Printer,
    /// Whether somebody wants it to stop.
    pub(crate) stopped: &'a (dyn Fn() -> bool + Sync),
}

/// A line of what cargo says while it builds.
#[derive(Debug, Deserialize)]
struct Built {
    reason: String,
    executable: Option<PathBuf>,
}

/// What a job prints: errors are shown as they come, the rest is kept.
struct Said<'a> {
    sandbox: &'a Sandbox<'a>,
    kept: Mutex<Vec<u8>>,
}

impl Output for Said<'_> {
    fn printed(&self, stream: Stream, bytes: &[u8]) {
        if stream == Stream::Stderr {
            if !self.sandbox.printer.is_quiet() && !self.sandbox.printer.is_json() {
                self.sandbox.printer.aside(bytes);
            }
            return;
        }
        let mut kept = self.kept.lock();
        let room = SAID_BYTES_MAX - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn stopped(&self) -> bool {
        (self.sandbox.stopped)()
    }
}

impl Toolchain {
    /// That of this user.
    fn found() -> Result<Self, Refusal> {
        let said = |arguments: &[&str]| {
            let said = Command::new("rustc")
                .args(arguments)
                .output()
                .map_err(|error| no_rust(&error.to_string()))?;
            if !said.status.success() {
                return Err(no_rust(String::from_utf8_lossy(&said.stderr).trim()));
            }
            Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
        };
        let root = PathBuf::from(said(&["--print", "sysroot"])?);
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let home = var("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| var("HOME").map(|home| Path::new(&home).join(".cargo")));
        let home =
            home.ok_or_else(|| no_rust("neither CARGO_HOME nor HOME says where it keeps crates"))?;
        let registry = home.join("registry");
        let registry =
            fs::canonicalize(&registry).map_err(|error| file_refused("read", &registry, &error))?;
        if !root.join("bin/cargo").is_file() {
            return Err(no_rust(&format!("`{}` has no cargo", root.display())));
        }
        Ok(Self {
            root: fs::canonicalize(&root).map_err(|error| file_refused("read", &root, &error))?,
            registry,
            version: said(&["-vV"])?,
        })
    }
}

impl Sandbox<'_> {
    /// The program of a published crate.
    ///
    /// # Errors
    /// There is nothing to build with or to confine it with; it does not build.
    pub(crate) fn program(&self, place: &Path) -> Result<PathBuf, Refusal> {
        let toolchain = Toolchain::found()?;
        let source = place.join(SOURCE);
        let key = format!("{}\n{:?}", toolchain.version, found(&source)?);
        let kept = self
            .cache
            .join("verified")
            .join(&Digest::of(key.as_bytes()).to_string()[..32]);
        let program = kept.join(PROGRAM);
        if program.is_file() {
            return Ok(program);
        }
        let folder = self.folder("build")?;
        let built = self.built(&toolchain, &source, folder.path())?;
        make(&kept)?;
        // It appears whole or not at all.
        let new = tempfile::NamedTempFile::new_in(&kept)
            .map_err(|error| file_refused("write", &kept, &error))?;
        copy(&built, new.path())?;
        new.persist(&program)
            .map_err(|error| file_refused("write", &program, &error.error))?;
        Ok(program)
    }

    /// Builds a crate in a folder.
    fn built(
        &self,
        toolchain: &Toolchain,
        source: &Path,
        folder: &Path,
    ) -> Result<PathBuf, Refusal> {
        for path in found(source)?.keys() {
            let to = folder.join(SOURCE).join(path);
            make(to.parent().unwrap_or(folder))?;
            copy(&source.join(path), &to)?;
        }
        // Cargo wants a home where it can write; of this user's it sees the crates, and neither keys nor settings.
        let home = folder.join("cargo");
        make(&home)?;
        let crates = home.join("registry");
        std::os::unix::fs::symlink(&toolchain.registry, &crates)
            .map_err(|error| file_refused("make", &crates, &error))?;
        let bin = toolchain.root.join("bin");
        let word = |path: &Path| path.display().to_string();
        let argv = [
            &word(&bin.join("cargo")),
            "build",
            "--release",
            "--locked",
            "--offline",
            "--message-format",
            "json-render-diagnostics",
            "--manifest-path",
            "source/Cargo.toml",
            "--target-dir",
            "target",
        ];
        let job = Job {
            argv: argv.map(str::to_owned).to_vec(),
            directory: folder.to_owned(),
            environment: BTreeMap::from([
                ("CARGO_HOME".to_owned(), word(&home)),
                ("RUSTC".to_owned(), word(&bin.join("rustc"))),
                ("CARGO_TERM_PROGRESS_WHEN".to_owned(), "never".to_owned()),
            ]),
            limits: LIMITS,
            allowed: Allowed::default(),
        };
        self.printer
            .note("building the crate in the sandbox, from its lock file and without network");
        let said = self.run(
            &job,
            vec![toolchain.root.clone(), toolchain.registry.clone()],
            "the build of the crate",
        )?;
        let lines = serde_json::Deserializer::from_slice(&said)
            .into_iter::<Built>()
            .flatten();
        let built = lines
            .filter(|line| line.reason == "compiler-artifact")
            .filter_map(|line| line.executable)
            .last();
        let built = built.and_then(|built| fs::canonicalize(built).ok());
        let inside =
            fs::canonicalize(folder).map_err(|error| file_refused("read", folder, &error))?;
        built
            .filter(|built| built.starts_with(&inside))
            .ok_or_else(|| {
                Refusal::new(Code::Malformed, "the crate has no program")
                    .hint("the `main` of a model calls `sims::cli::main`")
            })
    }

    /// Runs a program in a folder of its own, which `fill` fills; answers the folder.
    ///
    /// # Errors
    /// It cannot be started, or fails.
    pub(crate) fn run_program(
        &self,
        program: &Path,
        arguments: &[&str],
        fill: impl FnOnce(&Path) -> Result<(), Refusal>,
    ) -> Result<tempfile::TempDir, Refusal> {
        let folder = self.folder("run")?;
        copy(program, &folder.path().join(PROGRAM))?;
        fill(folder.path())?;
        let argv = [&["./program"], arguments].concat();
        let job = Job {
            argv: argv.into_iter().map(str::to_owned).collect(),
            directory: folder.path().to_owned(),
            environment: BTreeMap::new(),
            limits: LIMITS,
            allowed: Allowed::default(),
        };
        self.run(&job, Vec::new(), "the model")?;
        Ok(folder)
    }

    /// Runs a job; what it printed.
    fn run(&self, job: &Job, programs: Vec<PathBuf>, what: &str) -> Result<Vec<u8>, Refusal> {
        let program = std::env::current_exe().map_err(|error| {
            Refusal::new(Code::Io, format!("cannot find this program: {error}"))
        })?;
        let launcher = Launcher {
            program,
            args: vec![OsString::from("confine")],
        };
        let said = Said {
            sandbox: self,
            kept: Mutex::default(),
        };
        let done = Local::new(launcher).with_programs(programs).run(job, &said);
        let Done { end, .. } = done.map_err(|error| not_started(what, &error))?;
        let how = match end {
            End::Exit(0) => return Ok(said.kept.into_inner()),
            End::Stopped => {
                return Err(Refusal::new(Code::Cancelled, format!("{what} was stopped")));
            }
            End::Exit(code) => format!("exit code {code}"),
            End::Signal(signal) => format!("signal {signal}"),
            End::Limit(why) | End::Trap(why) => why,
        };
        let what = format!("{what} failed in the sandbox: {how}");
        Err(Refusal::new(Code::Fault, what).hint(
            "what it says is above; crates that are not here: `cargo fetch --locked` in the crate brings them",
        ))
    }

    fn folder(&self, what: &str) -> Result<tempfile::TempDir, Refusal> {
        make(self.cache)?;
        let folder = tempfile::Builder::new()
            .prefix(&format!("{what}-"))
            .tempdir_in(self.cache);
        folder.map_err(|error| file_refused("make a folder in", self.cache, &error))
    }
}

fn not_started(what: &str, error: &ComputeError) -> Refusal {
    let code = match error {
        ComputeError::NoCage { .. } => Code::Denied,
        _ => Code::Io,
    };
    let refusal = Refusal::new(code, format!("cannot start {what} in the sandbox: {error}"));
    match error {
        ComputeError::NoCage { .. } => {
            refusal.hint("look at the source first, then `--trust-native` builds and runs it with everything that you may do")
        }
        _ => refusal,
    }
}

fn no_rust(why: &str) -> Refusal {
    Refusal::new(
        Code::Unknown,
        format!("cannot build the crate here: no Rust that works: {why}"),
    )
    .hint("install Rust 1.95 or later, with cargo")
}
