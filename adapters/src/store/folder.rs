//! The data folder: made for its owner only, and used by one node at a time.

use std::fs::TryLockError;
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use actors::store::StoreError;
use fs_err::os::unix::fs::OpenOptionsExt;
use fs_err::{File, OpenOptions};

use super::io_error;

/// Makes a folder, and those above it, that only its owner can read.
///
/// A folder that exists keeps the permissions it has.
pub(crate) fn create_private(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| {
            std::io::Error::new(
                error.kind(),
                format!("cannot create {}: {error}", dir.display()),
            )
        })
}

/// How to open a file that only its owner can read, and that is made if there is none.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options
}

/// Makes sure that names that were given or taken in a folder survive a crash.
pub(crate) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The exclusive use of a data folder, held until it is dropped or the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Closing it releases the lock. The file stays: removing it would let two nodes lock two files.
    _file: File,
}

impl Lock {
    /// Takes the folder, or says which process has it.
    pub(crate) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("lock");
        let mut file = private_file()
            .open(&path)
            .map_err(|error| io_error(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // The owner may just be writing it; then the folder alone must do.
                let by = match file.read_to_string(&mut pid) {
                    Ok(_) if !pid.trim().is_empty() => format!(", process {}", pid.trim()),
                    _ => String::new(),
                };
                return Err(StoreError::InUse {
                    what: format!("{}{by}", dir.display()),
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(StoreError::Io {
                    what: format!("cannot lock {}: {error}", path.display()),
                });
            }
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(|error| io_error(&error))?;
        Ok(Self { _file: file })
    }
}
