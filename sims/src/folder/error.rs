//! What can be wrong with the folder of a run.

use std::path::{Path, PathBuf};

use genesis::refusal::Code;

use crate::data;
use crate::live::RunError;
use crate::outside::OutsideError;

/// What can be wrong with the folder of a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// There is a run or a sweep in it.
    #[error("`{}` holds a {what} already", path.display())]
    Taken {
        /// Which folder.
        path: PathBuf,
        /// `run` or `sweep`.
        what: &'static str,
    },
    /// There is something in it that is no run.
    #[error("`{}` is not empty, and holds no {what}", path.display())]
    Foreign {
        /// Which folder.
        path: PathBuf,
        /// `run` or `sweep`.
        what: &'static str,
    },
    /// Another program writes there.
    #[error("another run writes to `{}`", path.display())]
    Busy {
        /// Which folder.
        path: PathBuf,
    },
    /// It holds no run.
    #[error("`{}` holds no {what}: there is no `{file}`", path.display())]
    None {
        /// Which folder.
        path: PathBuf,
        /// `run` or `sweep`.
        what: &'static str,
        /// What is missed.
        file: &'static str,
    },
    /// What it says of its run cannot be read.
    #[error("cannot read `{}`: {reason}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused; its text names the file.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A table cannot be written or read.
    #[error("{0}")]
    Table(#[from] data::Error),
    /// The world itself.
    #[error("{0}")]
    Run(#[from] RunError),
    /// Whoever answers its questions.
    #[error("{0}")]
    Outside(#[from] OutsideError),
}

impl FolderError {
    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    /// The way out.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Taken { .. } => {
                "name another one, or put a new one in its place with `--force`".to_owned()
            }
            Self::Foreign { .. } => "name a folder that is empty or not there yet".to_owned(),
            Self::Busy { .. } => "wait until it has ended, or name another folder".to_owned(),
            Self::None { .. } => "name the folder that was given as `--out`".to_owned(),
            Self::Malformed { .. } => "it was changed, or is of a later version".to_owned(),
            Self::Io(error) => crate::cli::refused::io(error).hint?,
            Self::Table(error) => error.hint().to_owned(),
            Self::Run(error) => return error.hint(),
            Self::Outside(error) => return error.hint().map(str::to_owned),
        })
    }

    /// What kind of error it is.
    pub fn code(&self) -> Code {
        match self {
            Self::Taken { .. } | Self::Foreign { .. } => Code::Conflict,
            Self::Busy { .. } => Code::Busy,
            Self::None { .. } => Code::Unknown,
            Self::Io(error) | Self::Table(data::Error::Io(error)) => {
                crate::cli::refused::io(error).code
            }
            Self::Malformed { .. } | Self::Table(_) => Code::Malformed,
            Self::Run(error) => crate::cli::refused::code(error),
            Self::Outside(error) => match error {
                OutsideError::Start { .. } => Code::Unknown,
                OutsideError::Ended { .. } => Code::Unreachable,
                OutsideError::Garbage { .. }
                | OutsideError::Refused(_)
                | OutsideError::Strange { .. }
                | OutsideError::Record { .. } => Code::Malformed,
            },
        }
    }
}
