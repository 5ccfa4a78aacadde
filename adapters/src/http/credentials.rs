//! How secrets come in: from the environment, or from a file that only its owner reads.

use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use serde::Deserialize;

/// Largest file of credentials, in bytes: refuse.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Text that is used and never shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be sent to whom it is for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A user and a password.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Who.
    pub user: String,
    /// What proves it.
    pub password: Secret,
}

/// What other servers ask of whoever uses them.
///
/// In a file it is JSON: `{"bee": {"batch": "…"}, "fairos": {"user": "…", "password": "…"}}`; either may be
/// left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The batch whose stamps pay for what a Bee is given: 64 hexadecimal digits.
    pub bee_batch: Option<Secret>,
    /// Who one is to FairOS-DFS.
    pub fairos: Option<Login>,
}

/// The file, as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    bee: Option<WrittenBee>,
    #[serde(default)]
    fairos: Option<Login>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBee {
    batch: Secret,
}

/// Why credentials cannot be had. No secret is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// Others can read the file.
    #[error("{path} has mode {mode:04o}: others than its owner can read it")]
    Exposed {
        /// The file.
        path: String,
        /// The bits of its mode.
        mode: u32,
    },
    /// It is somebody else's, or no ordinary file.
    #[error("{path} cannot hold credentials: {why}")]
    NotOurs {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// It cannot be read.
    #[error("{path} cannot be read: {error}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// It is not what it should be; what is there is not shown.
    #[error("{path} is not a file of credentials: line {line}, column {column}")]
    Malformed {
        /// The file.
        path: String,
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// One half is given without the other.
    #[error("{given} is set and {missing} is not")]
    Half {
        /// What is there.
        given: &'static str,
        /// What is not.
        missing: &'static str,
    },
}

impl CredentialsError {
    /// The way out.
    pub fn hint(&self) -> String {
        match self {
            Self::Exposed { path, .. } => format!("`chmod 600 {path}`"),
            Self::NotOurs { .. } | Self::Io { .. } => {
                "make it an ordinary file of yours with mode 0600".to_owned()
            }
            Self::Malformed { .. } => {
                r#"it looks like {"bee": {"batch": "…"}, "fairos": {"user": "…", "password": "…"}}"#
                    .to_owned()
            }
            Self::Half { missing, .. } => format!("set {missing} too"),
        }
    }
}

impl Credentials {
    /// The variable with a Bee's batch.
    pub const BEE_BATCH: &str = "MEDIUM_BEE_BATCH";
    /// The variable with the user of FairOS-DFS.
    pub const FAIROS_USER: &str = "MEDIUM_FAIROS_USER";
    /// The variable with the password of that user.
    pub const FAIROS_PASSWORD: &str = "MEDIUM_FAIROS_PASSWORD";

    /// What the environment has, and for what it has not, the file, if there is one.
    ///
    /// `variable` reads the environment.
    ///
    /// # Errors
    /// [`CredentialsError`]: above all a file that others can read is refused, used or not.
    pub fn read(
        variable: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, CredentialsError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut found = match file {
            Some(path) => from_file(path)?,
            None => Self::default(),
        };
        if let Some(batch) = set(Self::BEE_BATCH) {
            found.bee_batch = Some(Secret::new(batch));
        }
        let (given, missing) = match (set(Self::FAIROS_USER), set(Self::FAIROS_PASSWORD)) {
            (Some(user), Some(password)) => {
                let password = Secret::new(password);
                found.fairos = Some(Login { user, password });
                return Ok(found);
            }
            (None, None) => return Ok(found),
            (Some(_), None) => (Self::FAIROS_USER, Self::FAIROS_PASSWORD),
            (None, Some(_)) => (Self::FAIROS_PASSWORD, Self::FAIROS_USER),
        };
        Err(CredentialsError::Half { given, missing })
    }
}

/// Reads a file of credentials; nothing, if there is none.
fn from_file(path: &Path) -> Result<Credentials, CredentialsError> {
    let shown = path.display().to_string();
    let failed = |error| CredentialsError::Io {
        path: shown.clone(),
        error,
    };
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Credentials::default());
        }
        Err(error) => return Err(failed(error)),
    };
    // Of the file that is open, so that nobody exchanges it in between.
    let about = file.metadata().map_err(failed)?;
    let not_ours = |why: &str| CredentialsError::NotOurs {
        path: shown.clone(),
        why: why.to_owned(),
    };
    if !about.is_file() {
        return Err(not_ours("it is no ordinary file"));
    }
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err(not_ours("it belongs to somebody else"));
    }
    let mode = about.permissions().mode() & 0o7777;
    if mode & 0o177 != 0 {
        return Err(CredentialsError::Exposed { path: shown, mode });
    }
    if about.len() > FILE_BYTES_MAX {
        return Err(not_ours("it has more than 64 KiB"));
    }
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(failed)?;
    let written: Written =
        serde_json::from_slice(&text).map_err(|error| CredentialsError::Malformed {
            path: shown.clone(),
            line: error.line(),
            column: error.column(),
        })?;
    Ok(Credentials {
        bee_batch: written.bee.map(|bee| bee.batch),
        fairos: written.fairos,
    })
}
