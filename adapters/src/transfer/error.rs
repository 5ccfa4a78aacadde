//! Why something could not be taken into a pod or out of one.

use std::io;
use std::path::{Path, PathBuf};

use genesis::refusal::{Code, Refusal};

use crate::pods::PodsError;

/// Why something could not be taken into a pod or out of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// Something on this machine may not become part of a pod.
    #[error("`{}` cannot be put into a pod: {why}", path.display())]
    Refused {
        /// Which file or directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
        /// What to do about it.
        hint: String,
    },
    /// Something in a pod may not come to this machine.
    #[error("`{path}` of `{from}` is not brought here: {why}")]
    Hostile {
        /// The pod or reference.
        from: String,
        /// The path there.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// It is more than was allowed.
    #[error("`{what}` has more than {max} {unit}")]
    TooLarge {
        /// The directory, or the source.
        what: String,
        /// How much is allowed.
        max: u64,
        /// Of what: files, bytes, levels.
        unit: &'static str,
        /// What to do about it.
        hint: String,
    },
    /// Something is where the result should go.
    #[error("`{}` is there already", .0.display())]
    Taken(PathBuf),
    /// It was stopped where it can go on.
    #[error("stopped after {bytes} bytes; what came is kept in `{}`", kept.display())]
    Stopped {
        /// Where what came is.
        kept: PathBuf,
        /// How many bytes of it came in this run.
        bytes: u64,
    },
    /// The operating system says no.
    #[error("cannot {doing} `{}`: {error}", path.display())]
    Io {
        /// What was done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The pods say no.
    #[error(transparent)]
    Pods(#[from] PodsError),
}

impl TransferError {
    /// What the operating system said about a file.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { doing, path, error }
    }

    /// The name of this kind of refusal.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused { .. } => Code::Malformed,
            Self::Hostile { .. } => Code::Denied,
            Self::TooLarge { .. } => Code::TooLarge,
            Self::Taken(_) => Code::Conflict,
            Self::Stopped { .. } => Code::Cancelled,
            Self::Io { error, .. } => match error.kind() {
                io::ErrorKind::NotFound => Code::Unknown,
                io::ErrorKind::PermissionDenied => Code::Denied,
                io::ErrorKind::AlreadyExists => Code::Conflict,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::DiskFull,
                io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => Code::Malformed,
                _ => Code::Io,
            },
            Self::Pods(error) => error.code(),
        }
    }

    /// The way out.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { hint, .. } | Self::TooLarge { hint, .. } => Some(hint.clone()),
            Self::Hostile { .. } => Some("single files can still be fetched by their paths".into()),
            Self::Taken(_) => Some("name another place, or move what is there away first".into()),
            Self::Stopped { .. } => Some("the same command goes on from there".into()),
            Self::Io { .. } => None,
            Self::Pods(error) => error.hint(),
        }
    }

    /// The same as every other part of the medium says it.
    pub fn refusal(&self) -> Refusal {
        if let Self::Pods(error) = self {
            return error.refusal();
        }
        let refusal = Refusal::new(self.code(), self.to_string());
        match self.hint() {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    }
}
