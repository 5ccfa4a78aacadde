//! Pod directories: a VC as `vc.json` and the files it names.
//!
//! A pod directory says what a VC is made of (`parts`), what it may do (`grants`, `contacts`,
//! `purse`), what it takes (`accept`) and wants (`goal`), and which VCs live in its body
//! (`nested`, each a sub-directory with a `vc.json` of its own). The format is published as a
//! JSON Schema ([`schema`]); the pods that come with the medium are in the binary ([`embedded`])
//! and are read by the same parser.
//!
//! ```
//! use adapters::pod_dir::{PodDir, embedded_pod};
//!
//! let hello = embedded_pod("hello").expect("it comes with the medium").open()?;
//! assert_eq!(hello.grants.to_string(), "emit after");
//!
//! let elsewhere = PodDir::read("no/such/dir".as_ref()).unwrap_err();
//! assert_eq!(elsewhere.to_string(), "there is no directory `no/such/dir`");
//! # Ok::<(), adapters::pod_dir::PodError>(())
//! ```
//!
//! Whatever a directory holds is hostile: sizes are bounded before anything is read, no path leads
//! out of the pod, and every error names the line, the column and the field.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use bytes::Bytes;
use genesis::channel::Channel;
use genesis::id::Address;
use genesis::limits;
use genesis::power::Grants;

mod embedded;
mod error;
mod fleet;
mod parse;
mod schema;
mod source;
mod write;

pub use crate::json::{JsonError, Place};
use crate::outside::Asks;
use crate::outside::program::Described;
pub use embedded::{EmbeddedPod, embedded, embedded_pod};
pub use error::PodError;
pub(crate) use parse::edits;
pub use schema::schema;

/// Longest `vc.json`, in bytes: refuse.
pub const VC_JSON_BYTES_MAX: u64 = 1024 * 1024;
/// Most bytes of one pod, all levels together, that are held in memory. Files beyond it stay on
/// the disk as long ones do; a `vc.json` beyond it: refuse.
pub const READ_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Most VCs of one pod, all levels together: refuse.
pub const VCS_MAX: usize = 4_096;
/// Longest path of a file, in bytes: refuse.
pub const PATH_BYTES_MAX: usize = 1_024;
/// Longest description, in bytes: refuse.
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;

/// A VC as its pod directory describes it.
///
/// What came from [`PodDir::read`] or [`PodDir::from_files`] is valid; one that was put together by
/// hand is checked when [what it writes](PodDir::files) is read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodDir {
    /// What it is called: a [name](is_name).
    pub name: String,
    /// Which version of it this is; only shown.
    pub version: Option<String>,
    /// What it is for, in plain words.
    pub description: Option<String>,
    /// What its body is made of, beside the nested VCs.
    pub parts: Vec<PartSpec>,
    /// The text of the pattern that a message must match; without one it takes every message.
    pub accept: Option<String>,
    /// What it may do. What is not granted is denied.
    pub grants: Grants,
    /// Whom it may send to, by the names it has for them; its host and its nested VCs are implied.
    pub contacts: BTreeMap<String, ContactSpec>,
    /// What it may spend in its life.
    pub purse: PurseSpec,
    /// The text of the pattern that it wants to match itself.
    pub goal: Option<String>,
    /// The VCs in its body, by the names it has for them.
    pub nested: BTreeMap<String, NestedSpec>,
    /// How often it may fail before it stays stopped; without it, the node's own rule holds.
    pub restart: Option<RestartSpec>,
    /// Whether it outlives the node's process; without it, it does on a node with a data folder.
    pub durable: Option<bool>,
    /// How many messages its journal keeps, at most [`limits::JOURNAL_LEN_MAX`].
    pub record: Option<u32>,
    /// After how many milliseconds without a message it goes dormant.
    pub idle_ms: Option<u64>,
    /// Fuel that one of its turns may take, at most [`limits::TURN_FUEL_GRANT_MAX`]; without it,
    /// [`limits::TURN_FUEL_MAX`].
    pub turn_fuel: Option<u64>,
    /// The program outside that it speaks for.
    pub outside: Option<OutsideSpec>,
    /// That it is a fleet: nothing but its nested VCs, its members.
    pub fleet: Option<FleetSpec>,
}

/// A fleet: what its `vc.json` says holds for all its members, unless they say less. See [`crate::fleet`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetSpec {
    /// The member that answers what is sent to the fleet itself; without one it is refused.
    pub front: Option<String>,
}

/// A program that a VC speaks for: see [`crate::outside`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutsideSpec {
    /// The command and its arguments; none for a program that attaches itself.
    pub command: Vec<String>,
    /// The files it finds in its folder, by their paths here and there. Files that the command names are among them.
    pub files: BTreeMap<String, Contents>,
    /// What it asks for beyond its folder.
    pub asks: Asks,
    /// How long it may be silent while it owes something, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The channels by which it may be called, and what for.
    pub channels: BTreeMap<Channel, Described>,
}

/// One part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartSpec {
    /// What it is.
    pub source: PartSource,
    /// What it does in the body, a [name](is_name): `judge`, `memory`.
    pub role: Option<String>,
    /// What turns its contents into parts and can test them.
    pub decoder: Option<DecoderSpec>,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartSource {
    /// The contents of a file of the pod.
    File {
        /// Its path in the pod, with `/` between plain words.
        path: String,
        /// What it holds.
        contents: Contents,
    },
    /// A behaviour that the medium brings along.
    Native {
        /// What it is called: a [name](is_name).
        name: String,
        /// Which version; without one, the newest the node has.
        version: Option<u32>,
        /// What it starts with.
        argument: Option<ArgumentSpec>,
    },
    /// A text in `vc.json`, at most [`limits::CONTENTS_INLINE_MAX`] bytes.
    Text(String),
    /// Sandboxed code.
    WebAssembly {
        /// Where its module is.
        module: ModuleSpec,
        /// What it begins with.
        argument: Option<ArgumentSpec>,
    },
}

/// Where a module is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleSpec {
    /// In the binary: the name of one of [`crate::parts`].
    BuiltIn(String),
    /// In a file of the pod: a module, or the text of one.
    File {
        /// Its path in the pod.
        path: String,
        /// What it holds.
        contents: Contents,
    },
}

/// What code begins with, at most [`limits::CONTENTS_INLINE_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentSpec {
    /// A text in `vc.json`.
    Text(String),
    /// The contents of a file of the pod.
    File {
        /// Its path in the pod.
        path: String,
        /// What it holds.
        contents: Contents,
    },
}

/// What turns the contents of a part into parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecoderSpec {
    /// A native one, by its [name](is_name).
    Native(String),
    /// One in a file of the pod; its path has a `.` or a `/`, which tells it from a name.
    File {
        /// Its path in the pod.
        path: String,
        /// What it holds.
        contents: Contents,
    },
}

/// What a file of a pod holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// The bytes. Those of a directory are at most [`limits::CONTENTS_INLINE_MAX`]; a pod that is
    /// in memory already has all its files so.
    Inline(Bytes),
    /// Contents that were not read: longer ones, and those beyond [`READ_BYTES_MAX`].
    OnDisk {
        /// The canonical path of the file.
        path: PathBuf,
        /// How many bytes it had.
        len: u64,
    },
}

impl Contents {
    /// How many bytes it holds.
    pub const fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::OnDisk { len, .. } => *len,
        }
    }

    /// Whether it holds none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A VC in the body of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NestedSpec {
    /// The path of its directory in that of its host, without a `/` at the end.
    pub path: String,
    /// What is there.
    pub pod: PodDir,
}

/// Whom a VC may send to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContactSpec {
    /// Whoever hosts it: `host`.
    Host,
    /// Another VC in the same body, by its name there: `../parser`.
    Sibling(String),
    /// A VC by its address: `vc:…`.
    Address(Address),
    /// A VC of the same node by its name.
    Named(String),
}

impl fmt::Display for ContactSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str(HOST),
            Self::Sibling(name) => write!(f, "../{name}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl FromStr for ContactSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == HOST {
            Ok(Self::Host)
        } else if text.starts_with("vc:") {
            text.parse()
                .map(Self::Address)
                .map_err(|error| error.to_string())
        } else if let Some(name) = text.strip_prefix("../").filter(|name| is_name(name)) {
            Ok(Self::Sibling(name.to_owned()))
        } else if is_name(text) {
            Ok(Self::Named(text.to_owned()))
        } else {
            Err("neither a name, nor an address, nor `../` with a name".to_owned())
        }
    }
}

/// What a VC may spend in its life; what is not said is bounded only by its parent's purse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PurseSpec {
    /// Fuel of all its turns.
    pub fuel: Option<u64>,
    /// Messages it sends.
    pub messages: Option<u64>,
    /// VCs it gives birth to.
    pub children: Option<u64>,
    /// Calls that leave the node.
    pub outside: Option<u64>,
    /// Money, in the smallest unit.
    pub motes: Option<u64>,
}

/// How often a VC may fail before it stays stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RestartSpec {
    /// So many faults,
    pub faults_max: u32,
    /// within so many milliseconds.
    pub within_ms: u64,
    /// How often it is restarted within that time before it stays stopped; without it, as the node's own rule says.
    pub restarts_max: Option<u32>,
}

/// Says what is wrong with the text of a pattern, if anything is.
///
/// Patterns have a grammar of their own; whoever reads a pod passes its parser here, so that a wrong
/// pattern is reported with its line, column and field like everything else.
pub type PatternCheck<'a> = &'a dyn Fn(&str) -> Result<(), String>;

impl PodDir {
    /// A VC with this name and nothing else.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: None,
            description: None,
            parts: Vec::new(),
            accept: None,
            grants: Grants::NONE,
            contacts: BTreeMap::new(),
            purse: PurseSpec::default(),
            goal: None,
            nested: BTreeMap::new(),
            restart: None,
            durable: None,
            record: None,
            idle_ms: None,
            turn_fuel: None,
            outside: None,
            fleet: None,
        }
    }

    /// Reads the pod in a directory. The texts of patterns are checked for their length only.
    ///
    /// Cost: every `vc.json` and every file up to [`limits::CONTENTS_INLINE_MAX`] is read once.
    ///
    /// # Errors
    /// [`PodError`] says what is wrong and where.
    pub fn read(dir: &Path) -> Result<Self, PodError> {
        Self::read_with(dir, &|_| Ok(()))
    }

    /// As [`PodDir::read`], and checks patterns.
    ///
    /// # Errors
    /// [`PodError`] says what is wrong and where.
    pub fn read_with(dir: &Path, check: PatternCheck<'_>) -> Result<Self, PodError> {
        parse::pod(&source::Source::disk(dir)?, check)
    }

    /// Reads a pod from memory: all of its files by their paths, `vc.json` among them. `name` is
    /// what errors call the directory. The texts of patterns are checked for their length only.
    ///
    /// # Errors
    /// [`PodError`] says what is wrong and where.
    pub fn from_files(name: &str, files: &BTreeMap<String, Bytes>) -> Result<Self, PodError> {
        Self::from_files_with(name, files, &|_| Ok(()))
    }

    /// As [`PodDir::from_files`], and checks patterns.
    ///
    /// # Errors
    /// [`PodError`] says what is wrong and where.
    pub fn from_files_with(
        name: &str,
        files: &BTreeMap<String, Bytes>,
        check: PatternCheck<'_>,
    ) -> Result<Self, PodError> {
        parse::pod(&source::Source::memory(name, files), check)
    }

    /// The text of this VC's `vc.json`; those of its nested VCs are files of their own.
    pub fn to_json(&self) -> String {
        write::vc_json(self, false)
    }

    /// All files of the pod by their paths: every `vc.json` and everything they name.
    ///
    /// Reading them again gives an equal pod.
    pub fn files(&self) -> BTreeMap<String, Contents> {
        let mut files = BTreeMap::new();
        write::files(self, false, "", &mut files);
        files
    }
}

/// Whether a text is a name: words of `a-z 0-9` with single `-` or `_` between them, at most
/// [`limits::NAME_BYTES_MAX`] bytes.
///
/// ```
/// # use adapters::pod_dir::is_name;
/// assert!(is_name("word-count2"));
/// assert!(!is_name("Word count"));
/// ```
pub fn is_name(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.len() <= limits::NAME_BYTES_MAX && text.split(['-', '_']).all(is_word)
}

/// The name that every VC has for its host.
const HOST: &str = "host";
