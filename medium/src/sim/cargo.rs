//! A model that is a crate: what cargo says of it, and building it.
//!
//! All crates are built into one folder, so that other people's crates are compiled once. A copy of the program is
//! kept for each crate, made while nobody else builds: two crates may be called alike.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use genesis::id::Digest;
use genesis::refusal::{Code, Refusal};
use serde::Deserialize;

use crate::printer::Printer;
use crate::report::file_refused;

/// A crate with a program that is the command line of its models.
#[derive(Clone, Debug)]
pub(crate) struct Crate {
    /// Where its manifest is, without links.
    pub(crate) folder: PathBuf,
    /// The name of the program.
    pub(crate) program: String,
}

/// What cargo says of a folder; only what is asked of it.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    manifest_path: PathBuf,
    default_run: Option<String>,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// A line of what cargo says while it builds.
#[derive(Debug, Deserialize)]
struct Built {
    reason: String,
    executable: Option<PathBuf>,
}

impl Crate {
    /// The crate in a folder.
    ///
    /// # Errors
    /// `unknown` if no crate is there, `malformed` if cargo cannot read it or it has no program or several.
    pub(crate) fn at(folder: &Path) -> Result<Self, Refusal> {
        let folder =
            fs::canonicalize(folder).map_err(|error| file_refused("read", folder, &error))?;
        let manifest = folder.join("Cargo.toml");
        if !manifest.is_file() {
            let what = format!("there is no crate in `{}`: no Cargo.toml", folder.display());
            return Err(Refusal::new(Code::Unknown, what).hint(
                "`medium new sim NAME` makes one; a model that is built in is named without `/`: `medium sim ls`",
            ));
        }
        let said = cargo(&folder)
            .args([
                "metadata",
                "--format-version",
                "1",
                "--no-deps",
                "--offline",
            ])
            .output()
            .map_err(|error| no_cargo(&error))?;
        let bad = |what: &str| {
            Refusal::new(Code::Malformed, format!("`{}`: {what}", manifest.display()))
                .hint("`cargo metadata` in that folder says more")
        };
        if !said.status.success() {
            return Err(bad(&first_error(&said.stderr)));
        }
        let metadata: Metadata = serde_json::from_slice(&said.stdout)
            .map_err(|error| bad(&format!("what cargo says of it is odd: {error}")))?;
        let package = metadata
            .packages
            .into_iter()
            .find(|package| package.manifest_path == manifest);
        let package = package.ok_or_else(|| bad("it is a workspace and no crate"))?;
        let mut programs: Vec<String> = package
            .targets
            .into_iter()
            .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
            .map(|target| target.name)
            .collect();
        let program = match (package.default_run, programs.len()) {
            (Some(program), _) => program,
            (None, 1) => programs.remove(0),
            (None, 0) => return Err(bad("it has no program, `src/main.rs`")),
            (None, count) => {
                return Err(bad(&format!(
                    "it has {count} programs and no `default-run`"
                )));
            }
        };
        Ok(Self { folder, program })
    }

    /// Builds it and answers where its program is. Cargo's messages go to stderr.
    ///
    /// # Errors
    /// `malformed` if it does not compile; what cargo said of it is on stderr by then.
    pub(crate) fn build(&self, builds: &Path, printer: &Printer) -> Result<PathBuf, Refusal> {
        let target = match std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty())
        {
            Some(folder) => PathBuf::from(folder),
            None => builds.to_owned(),
        };
        let target =
            std::path::absolute(&target).map_err(|error| file_refused("make", &target, &error))?;
        fs::create_dir_all(&target).map_err(|error| file_refused("make", &target, &error))?;
        let _alone = alone(&target, printer)?;
        let mut command = cargo(&self.folder);
        command
            .args([
                "build",
                "--release",
                "--message-format",
                "json-render-diagnostics",
                "--bin",
            ])
            .arg(&self.program)
            .arg("--target-dir")
            .arg(&target);
        // Without the network where that is possible: a build is then as quick as it can be, and asks nobody.
        if self.has_all_crates()? {
            command.arg("--offline");
        }
        if printer.is_quiet() {
            command.arg("--quiet");
        }
        let mut building = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| no_cargo(&error))?;
        let mut said = Vec::new();
        if let Some(stdout) = &mut building.stdout {
            stdout
                .read_to_end(&mut said)
                .map_err(|error| cargo_failed(&error))?;
        }
        let status = building.wait().map_err(|error| cargo_failed(&error))?;
        if !status.success() {
            let what = format!("`{}` does not build", self.folder.display());
            return Err(Refusal::new(Code::Malformed, what).hint("what cargo says of it is above"));
        }
        let built = serde_json::Deserializer::from_slice(&said)
            .into_iter::<Built>()
            .flatten();
        let program = built
            .filter(|line| line.reason == "compiler-artifact")
            .filter_map(|line| line.executable)
            .last();
        let program = program.ok_or_else(|| {
            Refusal::new(
                Code::Internal,
                format!("cargo built `{}` and named no program", self.program),
            )
        })?;
        self.keep(&target, &program)
    }

    /// Whether all crates that it depends on are on this machine. Settles its lock file, if so.
    fn has_all_crates(&self) -> Result<bool, Refusal> {
        settled(&self.folder).map_err(|error| no_cargo(&error))
    }

    /// A copy of the program that no other crate of the same name writes over.
    fn keep(&self, target: &Path, program: &Path) -> Result<PathBuf, Refusal> {
        use std::os::unix::ffi::OsStrExt as _;
        let place = Digest::of(self.folder.as_os_str().as_bytes()).to_string();
        let folder = target.join("models").join(&place[..16]);
        fs::create_dir_all(&folder).map_err(|error| file_refused("make", &folder, &error))?;
        let kept = folder.join(&self.program);
        let new = folder.join(format!("{}.new", self.program));
        // One that runs is not written over, but replaced: copied beside it, then renamed.
        fs::copy(program, &new)
            .and_then(|_| fs::rename(&new, &kept))
            .map_err(|error| file_refused("write", &kept, &error))?;
        Ok(kept)
    }
}

/// Cargo, at home in a folder: a toolchain that the folder asks for is taken.
fn cargo(folder: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Has cargo take out of a crate's lock file what the crate does without, with what is on this machine alone. Whether
/// it could.
///
/// # Errors
/// There is no cargo.
pub(crate) fn settled(folder: &Path) -> io::Result<bool> {
    let status = cargo(folder)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--filter-platform",
            env!("TARGET"),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    Ok(status.success())
}

/// The folder of the crate that something lies in; none if it lies in none.
pub(crate) fn around(path: &Path) -> Option<PathBuf> {
    let path = fs::canonicalize(path).ok()?;
    let mut folders = path.ancestors();
    let found = folders.find(|folder| folder.join("Cargo.toml").is_file());
    found.map(Path::to_owned)
}

/// Keeps others from building into a folder at the same time, for as long as the answer is kept.
fn alone(target: &Path, printer: &Printer) -> Result<File, Refusal> {
    let path = target.join("models.lock");
    let refused = |error: io::Error| file_refused("lock", &path, &error);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(refused)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            printer.note("another model is being built: waiting for it");
            file.lock().map_err(refused)?;
        }
        Err(fs::TryLockError::Error(error)) => return Err(refused(error)),
    }
    Ok(file)
}

/// The name of a model as the command line has it, or the folder of a crate.
pub(crate) fn is_folder(model: &OsStr) -> bool {
    let text = model.to_string_lossy();
    text.contains('/') || matches!(text.as_ref(), "." | "..")
}

fn no_cargo(error: &io::Error) -> Refusal {
    Refusal::new(Code::Unknown, format!("cannot start `cargo`: {error}"))
        .hint("a model that is a crate is built by cargo: install Rust 1.95 or later, or use a built-in model")
}

fn cargo_failed(error: &io::Error) -> Refusal {
    Refusal::new(Code::Io, format!("cannot hear what cargo says: {error}"))
}

/// What cargo says first.
fn first_error(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().find(|line| line.starts_with("error"));
    line.unwrap_or("cargo cannot read it")
        .trim_start_matches("error: ")
        .to_owned()
}
