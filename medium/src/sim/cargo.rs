//! What is asked of cargo.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

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
