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
    let own = programs.iter().map(|folder| {
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

/// The file of a native command.
///
/// # Errors
/// [`ComputeError::NoProgram`].
pub(super) fn find_command(
    program: &str,
    directory: &Path,
    programs: &[PathBuf],
    cage: Cage,
) -> Result<PathBuf, ComputeError> {
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
        return Ok(path);
    }
    let folders = match cage {
        Cage::None => std::env::var_os("PATH")
            .map(|path| std::env::split_paths(&path).collect())
            .unwrap_or_default(),
        Cage::Wasi | Cage::Os => search_path(programs),
    };
    let found = folders.iter().map(|folder| folder.join(program));
    let mut found =
        found.filter(|path| fs::metadata(path).is_ok_and(|about| is_executable(&about)));
    found.next().ok_or_else(|| {
        let folders: Vec<_> = folders
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        refused(format!("it is in none of {}", folders.join(", ")))
    })
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
