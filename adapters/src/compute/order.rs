//! What the processes of a job tell one another: an order on its way in, a report on its way out.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Cage, ComputeError, End, Limits};

/// Longest order or report, in bytes.
pub(super) const FRAME_BYTES_MAX: usize = 1 << 20;

/// A job as its processes are told of it.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    /// The command and its arguments.
    pub(super) argv: Vec<String>,
    /// What is run: the file of the command, or of the module.
    pub(super) program: PathBuf,
    /// How it is confined.
    pub(super) cage: Cage,
    /// The one directory it may write to, without symbolic links.
    pub(super) directory: PathBuf,
    /// All of its environment.
    pub(super) environment: BTreeMap<String, String>,
    /// What it may use.
    pub(super) limits: Limits,
    /// Folders it may read and run programs from, besides those of the system.
    pub(super) programs: Vec<PathBuf>,
    /// The port it may connect to.
    pub(super) tcp_port: Option<u16>,
    /// Whether it is to see a root of its own.
    pub(super) view: bool,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order") // its environment may hold a key
            .field("program", &self.program)
            .field("cage", &self.cage)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// What the process that is to become the job says before it is gone.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// It did not start.
    Refused(Refused),
    /// A module ended: the fuel it burnt, and how it ended if not by its exit code.
    Ended {
        /// Fuel.
        fuel: u64,
        /// A limit or a trap.
        end: Option<End>,
    },
}

/// What the watching process says at the end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// It did not start.
    Refused(Refused),
    /// It ran.
    Ended {
        /// How it ended.
        end: End,
        /// From start to end.
        took: Duration,
        /// Fuel that a module burnt, if it came to say so.
        fuel: Option<u64>,
    },
}

/// Why a job was not started: a [`ComputeError`] that can be sent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Refused {
    /// [`ComputeError::NoCage`].
    NoCage(String),
    /// There are no roots of its own here; it can be started without.
    NoView(String),
    /// [`ComputeError::NoProgram`].
    NoProgram(String),
    /// [`ComputeError::Module`].
    Module(String),
    /// [`ComputeError::Io`].
    Io(String),
}

impl Refused {
    pub(super) fn io(what: &str, error: impl fmt::Display) -> Self {
        Self::Io(format!("{what}: {error}"))
    }

    /// The error that it stands for.
    pub(super) fn into_error(self, program: &str) -> ComputeError {
        let program = program.to_owned();
        match self {
            Self::NoCage(why) | Self::NoView(why) => ComputeError::NoCage { why },
            Self::NoProgram(why) => ComputeError::NoProgram { program, why },
            Self::Module(why) => ComputeError::Module {
                module: program,
                why,
            },
            Self::Io(why) => ComputeError::Io {
                what: format!("{program} cannot be started"),
                error: io::Error::other(why),
            },
        }
    }
}

/// Sends one value.
pub(super) fn send(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(value)?;
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    if bytes.len() > FRAME_BYTES_MAX {
        let what =
            format!("{len} bytes of command line and environment, at most {FRAME_BYTES_MAX}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    to.write_all(&len.to_le_bytes())?;
    to.write_all(&bytes)
}

/// Takes one value, and waits for it.
pub(super) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut len = [0; 4];
    from.read_exact(&mut len)?;
    let len = u32::from_le_bytes(len) as usize;
    if len > FRAME_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a frame of {len} bytes"),
        ));
    }
    let mut bytes = vec![0; len];
    from.read_exact(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}
