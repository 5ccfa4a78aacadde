//! Which file a command line means.

use std::fs::Metadata;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::places::SYSTEM_PROGRAMS;
use super::{Cage, ComputeError, MODULE_BYTES_MAX};

/// Where confined commands are looked for, by those that name no folder.
const PATH: [&str; 5] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// Whether the first word of a command line names a WASI module, and no native command.
pub fn is_module(program: &str) -> bool {
    Path::new(program)
        .extension()
        .is_some_and(|ending| ending == "wasm")
}

/// The folders that a command is looked for in: those of `programs` first.
pub(super) fn search_path(programs: &[PathBuf]) -> Vec<PathBuf> {
    let own = programs.iter().filter(|place| place.is_dir());
    let own = own.map(|folder| {
        let bin = folder.join("bin");
        if bin.is_dir() { bin } else { folder.clone() }
    });
    own.chain(PATH.map(PathBuf::from)).collect()
}

/// The file of a module: in the job's directory, symbolic links followed.
///
/// # Errors
/// [`ComputeError::NoProgram`], [`ComputeError::Module`].
pub(super) fn find_module(program: &str, directory: &Path) -> Result<PathBuf, ComputeError> {
    let refused = |why: String| ComputeError::Module {
        module: program.to_owned(),
        why,
    };
    let path = resolve(program, &directory.join(program))?;
    if !path.starts_with(directory) {
        return Err(refused(format!("it is outside of {}", directory.display())));
    }
    let mut file = fs::File::open(&path).map_err(|error| no_program(program, &error))?;
    let about = file
        .metadata()
        .map_err(|error| no_program(program, &error))?;
    let len = about.len();
    if !about.is_file() || len > MODULE_BYTES_MAX {
        let what = format!("it is no file of at most {MODULE_BYTES_MAX} bytes but has {len}");
        return Err(refused(what));
    }
    let mut head = [0; 8];
    if file.read_exact(&mut head).is_err() || !head.starts_with(b"\0asm") {
        return Err(refused(
            "it is no WebAssembly: it does not begin with \\0asm".to_owned(),
        ));
    }
    if head != *b"\0asm\x01\0\0\0" {
        let what = "it is a component, or of a later version; a program is a module of version 1 that uses WASI \
                    preview 1 (target `wasm32-wasip1`)";
        return Err(refused(what.to_owned()));
    }
    Ok(path)
}

/// The file of a native command, and what it needs besides.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// A place that it reads and runs, which nobody has allowed by name.
    pub(super) needs: Option<PathBuf>,
}

/// The file of a native command.
///
/// # Errors
/// [`ComputeError::NoProgram`].
pub(super) fn find_command(
    program: &str,
    directory: &Path,
    programs: &[PathBuf],
    path: &[PathBuf],
    cage: Cage,
) -> Result<Found, ComputeError> {
    let refused = |why: String| ComputeError::NoProgram {
        program: program.to_owned(),
        why,
    };
    if program.contains('/') {
        let path = directory.join(program);
        let about = fs::metadata(&path).map_err(|error| no_program(program, &error))?;
        if !is_executable(&about) {
            return Err(refused("it is not an executable file".to_owned()));
        }
        let real = resolve(program, &path)?;
        let is_in = |folder: &Path| real.starts_with(folder);
        let system = SYSTEM_PROGRAMS
            .iter()
            .any(|folder| is_in(Path::new(folder)));
        let is_reached = system || is_in(directory) || programs.iter().any(|folder| is_in(folder));
        if cage == Cage::Os && !is_reached {
            let why = "it is neither in the job's directory nor in a folder of the system's programs, and a \
                       confined command reads nothing else";
            return Err(refused(why.to_owned()));
        }
        return Ok(Found { path, needs: None });
    }
    let folders = match cage {
        Cage::None => std::env::var_os("PATH")
            .map(|path| std::env::split_paths(&path).collect())
            .unwrap_or_default(),
        Cage::Wasi | Cage::Os => search_path(programs),
    };
    let is_there = |path: &PathBuf| fs::metadata(path).is_ok_and(|about| is_executable(&about));
    let mut found = folders.iter().map(|folder| folder.join(program));
    if let Some(path) = found.find(is_there) {
        return Ok(Found { path, needs: None });
    }
    let owners = if cage == Cage::Os { path } else { &[] };
    // A folder that depends on where this process happens to be is nobody's choice.
    let found = owners.iter().filter(|folder| folder.is_absolute());
    let found = found.map(|folder| folder.join(program));
    let mut script = None;
    for path in found.filter(is_there) {
        let real = resolve(program, &path)?;
        if is_script(&real) {
            script.get_or_insert(path);
            continue;
        }
        let home = std::env::home_dir();
        let needs = Some(installed_in(&real, home.as_deref(), directory));
        return Ok(Found { path: real, needs });
    }
    let folders: Vec<_> = (folders.iter().chain(owners))
        .map(|folder| folder.display().to_string())
        .collect();
    let script = script.map(|script| {
        format!(
            "; {} is a script, which may run anything: allow the folder of the program that is meant",
            script.display()
        )
    });
    Err(refused(format!(
        "it is in none of {}{}",
        folders.join(", "),
        script.unwrap_or_default()
    )))
}

/// Whether a file is run by another program, which is named in it.
fn is_script(path: &Path) -> bool {
    let mut head = [0; 2];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_err() || head == *b"#!"
}

/// What a program of a user needs of where it was installed: its prefix if that is one of its own, else its own file.
fn installed_in(program: &Path, home: Option<&Path>, directory: &Path) -> PathBuf {
    let bin = program.parent().filter(|bin| bin.ends_with("bin"));
    let prefix = bin.and_then(Path::parent);
    let holds_others = |prefix: &Path| {
        let within = |path: &Path| path.starts_with(prefix);
        within(directory) || home.is_some_and(|home| within(home) || within(&home.join(".local")))
    };
    prefix
        .filter(|prefix| prefix.join("lib").is_dir() && !holds_others(prefix))
        .unwrap_or(program)
        .to_owned()
}

fn resolve(program: &str, path: &Path) -> Result<PathBuf, ComputeError> {
    fs::canonicalize(path).map_err(|error| no_program(program, &error))
}

fn is_executable(about: &Metadata) -> bool {
    about.is_file() && about.permissions().mode() & 0o111 != 0
}

fn no_program(program: &str, error: &std::io::Error) -> ComputeError {
    ComputeError::NoProgram {
        program: program.to_owned(),
        why: error.to_string(),
    }
}
