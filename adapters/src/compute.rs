//! Compute: running the command of a recipe in its directory, and nothing else.
//!
//! One port, [`Compute`]: a [`Job`] is a command line with the one directory it may see; what it prints goes to
//! an [`Output`] as it comes; the answer says how it ended and what it was allowed. A WASI module runs in
//! the sandbox of modules; a native command needs an OS sandbox, or the explicit trust of whoever starts it.
//!
//! [`Local`] runs jobs on this machine, and starts processes that one can talk to ([`Talk`]). Read in this order: `local` (what the caller's process does), `order`
//! (what it tells its children), `supervise` (the child that watches a job and ends all of it), `confine` (the
//! grandchild that gives up what a job may not have, then becomes the job), `places` and `calls` (which files
//! and which system calls are left), `view` (a root of its own), `wasi` (a module in place of a command), `census`
//! (who belongs to a job), `talk` (a process that one can talk to). [`Capture`] is an [`Output`] that keeps what is
//! worth keeping.

mod calls;
mod capture;
mod census;
mod confine;
mod inherited;
mod local;
mod order;
mod places;
mod program;
mod supervise;
mod talk;
mod view;
mod wasi;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use capture::{Capture, Printed};
pub use local::{Launcher, Local};
pub use program::is_module;
pub use supervise::confine_child;
pub use talk::{Leash, Stopper, Talk};

/// Most bytes that a job may print, both streams together: more ends it.
pub const OUTPUT_BYTES_MAX: u64 = 64 << 20;
/// Largest WASI module that is taken, in bytes.
pub const MODULE_BYTES_MAX: u64 = 64 << 20;

/// Who runs jobs.
pub trait Compute: Send + Sync {
    /// How it would run a job, or why it would not; starts nothing and touches nothing.
    ///
    /// # Errors
    /// [`ComputeError`].
    fn plan(&self, job: &Job) -> Result<Plan, ComputeError>;

    /// Runs a job to its end, or until `output` says to stop.
    ///
    /// # Errors
    /// [`ComputeError`]: it was not started. How a started one ended is in the answer, good or bad.
    fn run(&self, job: &Job, output: &dyn Output) -> Result<Done, ComputeError>;
}

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The command and its arguments; a first word ending in `.wasm` is a WASI module in the directory.
    pub argv: Vec<String>,
    /// The directory it sees, and its working directory: its pod's, on the disk. WASI programs see it as `/pod`
    /// and `.`.
    pub directory: PathBuf,
    /// Environment variables it gets; it gets no others.
    pub environment: BTreeMap<String, String>,
    /// What it may use.
    pub limits: Limits,
    /// What it is allowed beyond its directory.
    pub allowed: Allowed,
}

/// What a job may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time, in seconds.
    pub cpu_s: u64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Time from start to end.
    pub wall: Duration,
    /// The largest file it may write, in bytes.
    pub file_bytes: u64,
    /// Processes and threads at a time.
    pub processes: u32,
}

impl Default for Limits {
    /// 10 minutes of CPU time, 2 GiB, an hour, 4 GiB per file, 256 processes.
    fn default() -> Self {
        Self {
            cpu_s: 600,
            memory_bytes: 2 << 30,
            wall: Duration::from_hours(1),
            file_bytes: 4 << 30,
            processes: 256,
        }
    }
}

impl Limits {
    /// Those of a process that is talked to for as long as it is wanted: no end to time and CPU time, 1 GiB of memory, 1
    /// GiB per file, 64 processes and threads (an interpreter may start a dozen threads).
    pub const fn lasting() -> Self {
        Self {
            cpu_s: Self::CPU_S_ENDLESS,
            memory_bytes: 1 << 30,
            wall: Duration::MAX,
            file_bytes: 1 << 30,
            processes: 64,
        }
    }

    /// As CPU time: no bound.
    pub const CPU_S_ENDLESS: u64 = u64::MAX;
}

/// What a job is allowed beyond its directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// A yagna daemon: this one address, and its key. The key is not shown.
    pub yagna: Option<Yagna>,
    /// Ports it may connect to over TCP, of whatever host: the system cannot tell hosts apart here. Of native
    /// commands.
    #[serde(default)]
    pub tcp: Vec<u16>,
    /// Whether it has the network like any program: connects and listens over TCP and UDP, on this machine and
    /// beyond. Of native commands.
    #[serde(default)]
    pub network: bool,
    /// Folders and files it may read, besides its directory and those of the system. Of native commands.
    #[serde(default)]
    pub read: Vec<PathBuf>,
    /// Folders it may read and run programs from, as well; commands are looked for in their `bin` first. Of native
    /// commands.
    #[serde(default)]
    pub programs: Vec<PathBuf>,
    /// Whether a native command may run where there is no OS sandbox, or outside of it.
    pub trust_native: bool,
}

/// A yagna daemon.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Yagna {
    /// Where: `http://127.0.0.1:7465`.
    pub address: String,
    /// Its key.
    #[serde(skip)]
    pub key: String,
}

impl std::fmt::Debug for Yagna {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Yagna")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// How a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cage {
    /// A WASI module in wasmtime.
    Wasi,
    /// A native command, confined by the operating system.
    Os,
    /// A native command, trusted.
    None,
}

/// How a job would run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In what.
    pub cage: Cage,
    /// What it may do, in plain words, a line each; shown before it starts and written into the run's record.
    pub may: Vec<String>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// How it ran.
    pub plan: Plan,
    /// How it ended.
    pub end: End,
    /// How long it took, from start to end.
    pub took: Duration,
    /// Fuel it burnt, of a WASI module.
    pub fuel: Option<u64>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// It exited with this code; 0 is success.
    Exit(i32),
    /// A signal ended it: its number.
    Signal(i32),
    /// It hit a limit: which, in plain words.
    Limit(String),
    /// It trapped: why.
    Trap(String),
    /// It was stopped from outside.
    Stopped,
}

impl End {
    /// Whether it did what it was to do.
    pub const fn is_success(&self) -> bool {
        matches!(self, Self::Exit(0))
    }
}

/// Which of a job's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Who takes what a job prints.
pub trait Output: Sync {
    /// Bytes it printed, in the order of each stream.
    fn printed(&self, stream: Stream, bytes: &[u8]);

    /// Whether the job is to be stopped.
    fn stopped(&self) -> bool {
        false
    }
}

/// Why a job was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComputeError {
    /// There is no such program.
    #[error("there is no program `{program}`: {why}")]
    NoProgram {
        /// The first word of the command line.
        program: String,
        /// Why.
        why: String,
    },
    /// A native command has nothing to confine it.
    #[error("a native command cannot be confined here: {why}")]
    NoCage {
        /// What is missing.
        why: String,
    },
    /// The program needs what is not allowed.
    #[error("{program} needs {what}, which is not allowed")]
    NotAllowed {
        /// The first word of the command line.
        program: String,
        /// What it needs.
        what: String,
        /// The flag that allows it.
        flag: String,
    },
    /// The module is refused.
    #[error("{module} is refused: {why}")]
    Module {
        /// Which.
        module: String,
        /// Why.
        why: String,
    },
    /// The system says no.
    #[error("{what}: {error}")]
    Io {
        /// What was done.
        what: String,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
}

impl ComputeError {
    /// The way out.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoCage { .. } => Some(
                "`--trust-native` runs it with everything that you may do; a `.wasm` program needs no trust".to_owned(),
            ),
            Self::NotAllowed { flag, .. } => Some(format!("`{flag}` allows it")),
            _ => None,
        }
    }
}
