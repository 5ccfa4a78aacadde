//! What is wrong with a recipe: [`Finding`]; and why something could not be done with one: [`RecipeError`].

use std::fmt;
use std::io;

use genesis::refusal::{Code, Refusal};
use serde::Serialize;

use crate::json::{JsonError, Place};
use crate::pods::PodsError;
use crate::transfer::TransferError;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It cannot be run.
    Error,
    /// It can be run, but somebody should know.
    Warning,
}

/// One thing that is to be said of a recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind of thing it is, for programs: `missing-field`, `cycle`.
    pub rule: &'static str,
    /// Where.
    pub place: Place,
    /// What, in one line.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl Finding {
    /// Something that keeps a recipe from being run.
    pub(super) fn error(
        rule: &'static str,
        place: Place,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            rule,
            place,
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// Something that somebody should know.
    pub(super) fn warning(
        rule: &'static str,
        place: Place,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(rule, place, what, hint)
        }
    }

    /// What the JSON reader says.
    pub(super) fn of_json(error: &JsonError) -> Self {
        let place = error.place().clone();
        let text = error.to_string();
        let what = text
            .strip_prefix(&format!("{place}: "))
            .unwrap_or(&text)
            .to_owned();
        let rule = match error {
            JsonError::NotUtf8 { .. } | JsonError::Malformed { .. } => "not-json",
            JsonError::WrongType { .. } => "wrong-type",
            JsonError::Repeated { .. } => "repeated",
            JsonError::TooLarge { .. } | JsonError::TooLong { .. } | JsonError::TooMany { .. } => {
                "too-much"
            }
        };
        Self::error(rule, place, what, error.hint())
    }

    /// Whether it keeps the recipe from being run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Why something could not be done with a recipe.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// There is no recipe.
    #[error("there is no recipe `{file}`")]
    Missing {
        /// What was looked for.
        file: String,
    },
    /// The recipe is longer than is read.
    #[error(
        "{file} is longer than the {} bytes that are read",
        super::RECIPE_BYTES_MAX
    )]
    TooLong {
        /// The file.
        file: String,
    },
    /// The recipe cannot be run.
    #[error("{}", of_findings(findings))]
    Invalid {
        /// All errors, in the order of the file; at least one.
        findings: Vec<Finding>,
    },
    /// A pod's recipe was wanted and this is a task's, or the other way round.
    #[error("`{file}` describes {found}, not {wanted}")]
    WrongKind {
        /// The file.
        file: String,
        /// What it describes.
        found: &'static str,
        /// What was wanted.
        wanted: &'static str,
    },
    /// Something in an archive cannot be unpacked.
    #[error("`{}` in {within} {why}", path.escape_debug())]
    Unfit {
        /// In what.
        within: String,
        /// The path.
        path: String,
        /// Why, as the end of a sentence.
        why: String,
    },
    /// An archive is not one, or is damaged.
    #[error("{what} is no archive that can be unpacked: {why}")]
    Archive {
        /// Which.
        what: String,
        /// Why.
        why: String,
    },
    /// A directory is in the way.
    #[error("`{0}` is there already")]
    InTheWay(String),
    /// What is read back is not what was written.
    #[error("{what} was written, but cannot be read back: {why}")]
    NotKept {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
    /// Publishing needs a yes.
    #[error("`{name}` is public: whoever is given its reference reads all of it")]
    NoConsent {
        /// The recipe's name.
        name: String,
    },
    /// The registry cannot be understood; it was left as it is.
    #[error("the registry {file} cannot be understood: {why}")]
    Registry {
        /// Which file of which pod.
        file: String,
        /// Why.
        why: String,
    },
    /// The pods say no.
    #[error(transparent)]
    Pods(#[from] PodsError),
    /// Something cannot leave a directory, or cannot come into one.
    #[error(transparent)]
    Transfer(#[from] TransferError),
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

impl RecipeError {
    /// What the system said when something was to be done.
    pub(crate) fn io(what: impl Into<String>, error: io::Error) -> Self {
        Self::Io {
            what: what.into(),
            error,
        }
    }

    /// The name of this kind of refusal.
    pub fn code(&self) -> Code {
        match self {
            Self::Missing { .. } => Code::Unknown,
            Self::TooLong { .. } => Code::TooLarge,
            Self::Invalid { .. }
            | Self::WrongKind { .. }
            | Self::Unfit { .. }
            | Self::Archive { .. } => Code::Malformed,
            Self::InTheWay(_) => Code::Conflict,
            Self::NoConsent { .. } => Code::Denied,
            Self::NotKept { .. } | Self::Registry { .. } => Code::Corrupt,
            Self::Pods(error) => error.code(),
            Self::Transfer(error) => error.code(),
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
            Self::Missing { .. } => Some(
                "`medium recipe init` writes one; or name the directory that holds `recipe.json`"
                    .to_owned(),
            ),
            Self::TooLong { .. } => Some("move what is long into files of the pod".to_owned()),
            Self::Invalid { findings } => findings.first().map(|finding| finding.hint.clone()),
            Self::WrongKind { .. } => Some(
                "`medium recipe run` takes a pod's recipe, `medium task run` a task's".to_owned(),
            ),
            Self::Unfit { .. } => Some("rename or remove it, then try again".to_owned()),
            Self::Archive { .. } => Some("make it again as a `.zip`".to_owned()),
            Self::InTheWay(_) => {
                Some("name another one, or give `--force` to replace it".to_owned())
            }
            Self::NotKept { .. } => Some("try it again; nothing was announced".to_owned()),
            Self::NoConsent { .. } => {
                Some("`--public` says yes, `--private` persists it without sharing it".to_owned())
            }
            Self::Registry { file, .. } => Some(format!(
                "it was left as it is; look at {file}, or make it anew by `medium recipe ls --rebuild`"
            )),
            Self::Pods(error) => error.hint(),
            Self::Transfer(error) => error.hint(),
            Self::Io { .. } => None,
        }
    }
}

impl RecipeError {
    /// The same as every other part of the medium says it.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Pods(error) => error.refusal(),
            Self::Transfer(error) => error.refusal(),
            _ => with_hint(Refusal::new(self.code(), self.to_string()), self.hint()),
        }
    }
}

/// A refusal with the way out, if there is one.
pub(crate) fn with_hint(refusal: Refusal, hint: Option<String>) -> Refusal {
    match hint {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

fn of_findings(findings: &[Finding]) -> String {
    match findings {
        [] => "the recipe cannot be read".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!(
            "{first} (and {} more; `medium recipe lint` lists them)",
            rest.len()
        ),
    }
}
