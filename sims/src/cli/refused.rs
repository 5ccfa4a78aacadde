//! Errors of worlds as they are shown: a code, what failed, the way out.

use genesis::refusal::{Code, Refusal};

use super::Failure;
use crate::data;
use crate::folder::FolderError;
use crate::live::RunError;
use crate::params::ParamError;

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        hinted(Refusal::new(code(&error), error.to_string()), error.hint()).into()
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        hinted(Refusal::new(error.code(), error.to_string()), error.hint()).into()
    }
}

impl From<data::Error> for Failure {
    fn from(error: data::Error) -> Self {
        FolderError::from(error).into()
    }
}

/// What kind of error a world's is.
pub(crate) fn code(error: &RunError) -> Code {
    match error {
        RunError::Param(ParamError::Unknown { .. } | ParamError::Uncounted { .. })
        | RunError::Preset { .. }
        | RunError::Cohort { .. }
        | RunError::Nobody { .. }
        | RunError::NotOpen { .. } => Code::Unknown,
        RunError::TooLong { .. } => Code::TooLarge,
        RunError::Param(
            ParamError::Type { .. }
            | ParamError::Range { .. }
            | ParamError::Fixed { .. }
            | ParamError::Unreadable { .. },
        )
        | RunError::Damaged(_)
        | RunError::Other { .. }
        | RunError::Unheard(_) => Code::Malformed,
        RunError::Mailbox { .. } | RunError::Failed { .. } => Code::Fault,
    }
}

/// With a hint, where there is one.
fn hinted(refusal: Refusal, hint: Option<String>) -> Refusal {
    match hint {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

/// What the operating system says about a file someone named; its text names the file.
pub(crate) fn io(error: &std::io::Error) -> Refusal {
    use std::io::ErrorKind as Kind;
    let (code, hint) = match error.kind() {
        Kind::NotFound => (Code::Unknown, "check the path"),
        Kind::PermissionDenied => (Code::Denied, "check who may read and write there"),
        Kind::AlreadyExists => (Code::Conflict, "name another one, or remove it first"),
        Kind::StorageFull | Kind::QuotaExceeded => (Code::DiskFull, "make room, then try again"),
        Kind::IsADirectory | Kind::NotADirectory | Kind::InvalidFilename | Kind::InvalidInput => {
            (Code::Malformed, "check the path")
        }
        _ => (
            Code::Io,
            "the operating system refused; its log may say more",
        ),
    };
    Refusal::new(code, error.to_string()).hint(hint)
}
