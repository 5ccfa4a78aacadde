//! Where something is until it is whole: beside its place, under a name of this process.
//!
//! What was stopped is kept under a name that says of what it is a part, and the next run takes it from
//! there by renaming it, so that no two runs write to one. What a killed run leaves is nobody's: it may not
//! have reached the disk.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::TransferError;

/// Something that is not whole yet; dropped, it is gone.
#[derive(Debug)]
pub(super) struct Staging {
    at: PathBuf,
    kept: Option<PathBuf>,
    resumed: bool,
    is_over: bool,
}

impl Staging {
    /// Begins something, or goes on with what was stopped. `identity` names exactly what it is a part of;
    /// without one it cannot be gone on with.
    pub(super) fn begin(place: &Path, identity: Option<&str>) -> Result<Self, TransferError> {
        let beside = |ending: &str| {
            let mut name = std::ffi::OsString::from(".");
            name.push(place.file_name().unwrap_or_default());
            name.push(ending);
            place.with_file_name(name)
        };
        let at = beside(&format!(".{}.writing", std::process::id()));
        let kept = identity.map(|identity| beside(&format!(".{identity}.part")));
        let resumed = match kept.as_deref().map(|kept| fs::rename(kept, &at)) {
            Some(Ok(())) => true,
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => {
                return Err(TransferError::io("go on with", &at)(error));
            }
            _ => false,
        };
        Ok(Self {
            at,
            kept,
            resumed,
            is_over: false,
        })
    }

    /// Where it is.
    pub(super) fn at(&self) -> &Path {
        &self.at
    }

    /// Whether some of it came in an earlier run.
    pub(super) const fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Keeps what there is for the next run, if it can go on; says where.
    pub(super) fn keep(mut self) -> Result<Option<PathBuf>, TransferError> {
        let Some(kept) = self.kept.take() else {
            return Ok(None);
        };
        fs::rename(&self.at, &kept).map_err(TransferError::io("keep", &self.at))?;
        self.is_over = true;
        Ok(Some(kept))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_over {
            let _ = match fs::symlink_metadata(&self.at) {
                Ok(about) if about.is_dir() => fs::remove_dir_all(&self.at),
                _ => fs::remove_file(&self.at),
            };
        }
    }
}
