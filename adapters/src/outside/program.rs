//! A program, as it is described before it runs.

use std::collections::BTreeMap;

use genesis::channel::Channel;
use genesis::id::Digest;
use serde::{Deserialize, Serialize};

/// Most bytes of the files of a program: they are in the body of its VC, which is written often.
pub const FILES_BYTES_MAX: usize = 256 * 1024;
/// Most words of a command.
pub const WORDS_MAX: usize = 64;
/// How long a program may be silent while it owes something, unless told otherwise, in milliseconds.
pub const TIMEOUT_MS: u64 = 30_000;

/// A program that a VC speaks for: the argument of the part `outside`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Program {
    /// The command and its arguments; none for a program that attaches itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The files it finds in its folder, by their paths.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// What it asks for beyond its folder.
    #[serde(skip_serializing_if = "Asks::is_nothing")]
    pub asks: Asks,
    /// How long it may be silent while it owes something, in milliseconds; 0 for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The channels by which it may be called, and what for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<Channel, Described>,
}

/// What a channel is for: what a language model is told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// In plain words.
    pub description: String,
    /// A JSON Schema of what is sent there; without one it is a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<serde_json::Value>,
}

/// What a program asks for beyond its folder: it gets what whoever spawns it grants, and is not started unless that
/// is all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asks {
    /// The network, all of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub network: bool,
    /// TCP ports of this machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tcp: Vec<u16>,
    /// Secrets, by name: variables of its environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Further folders to read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    /// Whom `http` and `llm` call: scheme, host and port of each. A process is given no such thing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
}

impl Asks {
    /// Whether it asks for nothing.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What it asks for, as the flags that grant it.
    pub fn flags(&self) -> Vec<String> {
        let network = self.network.then(|| "--network".to_owned());
        let tcp = self.tcp.iter().map(|port| format!("--tcp {port}"));
        let secrets = self.secrets.iter().map(|name| format!("--secret {name}"));
        let read = self.read.iter().map(|path| format!("--read {path}"));
        let origins = self.origins.iter().map(|url| format!("--origin {url}"));
        let all = network.into_iter().chain(tcp).chain(secrets);
        all.chain(read).chain(origins).collect()
    }

    /// What it asks for that is not among what was granted.
    #[must_use]
    pub fn without(&self, granted: &Self) -> Self {
        fn left<T: Clone + PartialEq>(all: &[T], has: &[T]) -> Vec<T> {
            all.iter()
                .filter(|one| !has.contains(one))
                .cloned()
                .collect()
        }
        Self {
            network: self.network && !granted.network,
            tcp: if granted.network {
                Vec::new()
            } else {
                left(&self.tcp, &granted.tcp)
            },
            secrets: left(&self.secrets, &granted.secrets),
            read: left(&self.read, &granted.read),
            origins: left(&self.origins, &granted.origins),
        }
    }
}

/// Why a program is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// It is not described by JSON of this form.
    #[error("it is no description of a program: {0}")]
    Json(String),
    /// Too many words, or an empty first one.
    #[error("a command has 1 to {WORDS_MAX} words, this one has {0}")]
    Words(usize),
    /// Its files are too many bytes.
    #[error("its files have {0} bytes, at most {FILES_BYTES_MAX} live in a body")]
    Files(usize),
    /// A path leads elsewhere.
    #[error("`{0}` is not a path below its folder")]
    Path(String),
    /// A name that no variable of an environment has.
    #[error("`{0}` is not the name of a variable")]
    Secret(String),
}

impl Program {
    /// Reads the argument of a part.
    ///
    /// # Errors
    /// [`ProgramError`] says what is wrong.
    pub fn read(argument: &[u8]) -> Result<Self, ProgramError> {
        if argument.is_empty() {
            return Ok(Self::default());
        }
        let program: Self = serde_json::from_slice(argument)
            .map_err(|error| ProgramError::Json(error.to_string()))?;
        program.check()?;
        Ok(program)
    }

    /// Says what is wrong with it.
    ///
    /// # Errors
    /// [`ProgramError`].
    pub fn check(&self) -> Result<(), ProgramError> {
        let words = self.command.len();
        if words > WORDS_MAX || self.command.first().is_some_and(String::is_empty) {
            return Err(ProgramError::Words(words));
        }
        let bytes = self
            .files
            .iter()
            .map(|(path, text)| path.len() + text.len());
        let bytes = bytes.sum();
        if bytes > FILES_BYTES_MAX {
            return Err(ProgramError::Files(bytes));
        }
        if let Some(path) = self.files.keys().find(|path| !is_below(path)) {
            return Err(ProgramError::Path(path.clone()));
        }
        if let Some(name) = self.asks.secrets.iter().find(|name| !is_variable(name)) {
            return Err(ProgramError::Secret(name.clone()));
        }
        Ok(())
    }

    /// Its argument, in one form.
    pub fn to_argument(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What it is: a digest of command, files and all it asks for. What has the same name and another digest is
    /// another program.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_argument())
    }

    /// Whether it attaches itself.
    pub fn attaches(&self) -> bool {
        self.command.is_empty()
    }

    /// How long it may be silent while it owes something, in milliseconds; none for ever.
    pub fn timeout_ms(&self) -> Option<u64> {
        match self.timeout_ms {
            Some(0) => None,
            timeout => Some(timeout.unwrap_or(TIMEOUT_MS)),
        }
    }
}

/// Whether a path leads to a place below where it begins.
pub fn is_below(path: &str) -> bool {
    let is_word = |word: &str| !matches!(word, "" | "." | "..");
    !path.is_empty()
        && path.len() <= 255
        && !path.contains(['\0', '\\'])
        && path.split('/').all(is_word)
}

/// Whether a text is the name of a variable of an environment.
pub fn is_variable(name: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !name.is_empty() && name.len() <= 128 && name.bytes().all(is_letter)
}
