//! The folder of a tour.

use std::path::{Path, PathBuf};

use genesis::refusal::{Code, Refusal};
use tempfile::TempDir;

use crate::report::file_refused;

/// Where the tour takes place.
#[derive(Debug)]
pub(super) enum Place {
    /// In a folder that goes away when this is dropped.
    Passing(TempDir),
    /// In a folder that stays.
    Kept(PathBuf),
}

impl Place {
    /// A new folder: a named one that stays, or else one that passes.
    ///
    /// # Errors
    /// `conflict` if the named one is there and not empty; what the operating system refuses.
    pub(super) fn new(keep: Option<&Path>) -> Result<Self, Refusal> {
        let Some(dir) = keep else {
            let dir = tempfile::Builder::new().prefix("medium-demo-").tempdir();
            return dir
                .map(Self::Passing)
                .map_err(|error| file_refused("make a folder in", &std::env::temp_dir(), &error));
        };
        let refused = |error: std::io::Error| file_refused("make", dir, &error);
        std::fs::create_dir_all(dir).map_err(refused)?;
        if std::fs::read_dir(dir).map_err(refused)?.next().is_some() {
            let what = format!("`{}` is not empty", dir.display());
            return Err(Refusal::new(Code::Conflict, what)
                .who(dir.display())
                .hint("name a new directory"));
        }
        std::fs::canonicalize(dir).map(Self::Kept).map_err(refused)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Passing(dir) => dir.path(),
            Self::Kept(dir) => dir,
        }
    }
}
