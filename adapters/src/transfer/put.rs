//! From this machine into a pod.

use std::fs::File;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::{Scan, Scanned, TransferError};
use crate::pods::{Edit, Entry, FileMeta, PodPath, Progress};

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Writes what was found in a directory to `at` of a pod: not the directory itself, but what is in it.
///
/// # Errors
/// [`TransferError::Io`] if a file went away or is no file any more, and what the edit says.
pub fn put(
    edit: &mut dyn Edit,
    scan: &Scan,
    at: &PodPath,
    progress: &dyn Progress,
) -> Result<Put, TransferError> {
    if !at.is_root() {
        edit.make_directory(at)?;
    }
    for directory in &scan.empty_directories {
        edit.make_directory(&at.join(directory.relative())?)?;
    }
    let mut done = Put::default();
    for found in &scan.files {
        let path = at.join(found.path.relative())?;
        let entry = put_file(edit, &found.file, &path, progress)?;
        done.files += 1;
        done.bytes += entry.bytes;
    }
    Ok(done)
}

/// Writes one file to `at` of a pod.
///
/// # Errors
/// As [`put`].
pub fn put_file(
    edit: &mut dyn Edit,
    file: &Path,
    at: &PodPath,
    progress: &dyn Progress,
) -> Result<Entry, TransferError> {
    let (mut input, about) = open(file)?;
    let meta = FileMeta {
        modified: about.modified,
        executable: about.executable,
        bytes: Some(about.bytes),
        ..FileMeta::default()
    };
    Ok(edit.write(at, &meta, &mut input, progress)?)
}

/// Opens what is a file, and not a link that somebody has put there since it was looked at; a pipe does not
/// make this wait.
fn open(path: &Path) -> Result<(File, Scanned), TransferError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|error| TransferError::io("read", path)(error.into()))?;
    let file = File::from(file);
    let about = file.metadata().map_err(TransferError::io("read", path))?;
    if !about.is_file() {
        return Err(TransferError::Refused {
            path: path.to_owned(),
            why: "it is not a file".to_owned(),
            hint: "read from a pipe with `-`".to_owned(),
        });
    }
    Ok((file, Scanned::of(&about)))
}
