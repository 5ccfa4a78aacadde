//! Why something could not be run.

use std::io;
use std::path::PathBuf;

use genesis::refusal::{Code, Refusal};

use crate::compute::ComputeError;
use crate::pods::PodsError;
use crate::recipe::{RecipeError, with_hint};

/// Why something could not be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// What a step names is no pod that can be run.
    #[error("step `{step}`: `{pod}` {why}")]
    NotAPod {
        /// The step.
        step: String,
        /// What it names.
        pod: String,
        /// Why it is none, as the end of a sentence.
        why: String,
    },
    /// A step would not be started.
    #[error("step `{step}`: {error}")]
    Refused {
        /// The step.
        step: String,
        /// Why.
        #[source]
        error: ComputeError,
    },
    /// A step cannot be given what it is to work on.
    #[error("step `{step}` cannot be given its payload: {error}")]
    Payload {
        /// The step.
        step: String,
        /// Why.
        #[source]
        error: Box<RecipeError>,
    },
    /// A fan-out has too many items.
    #[error("step `{step}` would be run {count} times, at most {count_max} are possible")]
    TooMany {
        /// The step.
        step: String,
        /// How often.
        count: usize,
        /// The bound.
        count_max: usize,
    },
    /// What a step left is not in its directory.
    #[error("step `{step}` made `{}` lead out of its directory", place.display())]
    LeadsOut {
        /// The step.
        step: String,
        /// What leads out.
        place: PathBuf,
    },
    /// There is no such run.
    #[error("there is no run in `{}`", .0.display())]
    NoRun(PathBuf),
    /// A run is going on in the folder.
    #[error("the run in `{}` is going on", .0.display())]
    GoingOn(PathBuf),
    /// A run's folder is damaged.
    #[error("the run in `{}` cannot be resumed: {why}", folder.display())]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// Why.
        why: String,
    },
    /// A recipe says no.
    #[error(transparent)]
    Recipe(Box<RecipeError>),
    /// The disk says no.
    #[error("cannot {what}: {error}")]
    Io {
        /// What.
        what: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

impl From<RecipeError> for TaskError {
    fn from(error: RecipeError) -> Self {
        Self::Recipe(Box::new(error))
    }
}

impl From<PodsError> for TaskError {
    fn from(error: PodsError) -> Self {
        RecipeError::from(error).into()
    }
}

impl TaskError {
    /// What the system said when something was to be done.
    pub(super) fn io(what: impl Into<String>, error: io::Error) -> Self {
        Self::Io {
            what: what.into(),
            error,
        }
    }

    /// The name of this kind of refusal.
    pub fn code(&self) -> Code {
        match self {
            Self::NotAPod { .. } => Code::Malformed,
            Self::Refused { error, .. } => match error {
                ComputeError::NotAllowed { .. } | ComputeError::NoCage { .. } => Code::Denied,
                ComputeError::Io { .. } => Code::Io,
                _ => Code::Malformed,
            },
            Self::Payload { error, .. } | Self::Recipe(error) => error.code(),
            Self::TooMany { .. } => Code::TooLarge,
            Self::LeadsOut { .. } => Code::Denied,
            Self::NoRun(_) => Code::Unknown,
            Self::GoingOn(_) => Code::Conflict,
            Self::Damaged { .. } => Code::Corrupt,
            Self::Io { error, .. } => match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::DiskFull,
                io::ErrorKind::PermissionDenied => Code::Denied,
                _ => Code::Io,
            },
        }
    }

    /// The way out.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotAPod { .. } => {
                Some("a step names a pod with a `recipe.json` that has `golem`".to_owned())
            }
            Self::Refused { error, .. } => error.hint(),
            Self::Payload { error, .. } | Self::Recipe(error) => error.hint(),
            Self::TooMany { .. } => Some("put several items into one".to_owned()),
            Self::LeadsOut { .. } => {
                Some("look at what its program does: nothing of it was kept".to_owned())
            }
            Self::NoRun(_) => Some("`medium task run` prints where its run is".to_owned()),
            Self::GoingOn(_) => Some("wait until it has ended, or stop it".to_owned()),
            Self::Damaged { .. } => Some("run the task anew; what was fetched is kept".to_owned()),
            Self::Io { .. } => None,
        }
    }
}

impl TaskError {
    /// The same as every other part of the medium says it.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Recipe(error) => error.refusal(),
            _ => with_hint(Refusal::new(self.code(), self.to_string()), self.hint()),
        }
    }
}
