//! What the processes of a job tell one another: an order on its way in, a report on its way out.
//!
//! A process that is talked to is handed its standard input as an open file, in a message of its own after the
//! order: the socket that the order came by stays what it is, and nobody has to leave a file open for a child.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
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
    /// Folders it may read, besides those.
    pub(super) read: Vec<PathBuf>,
    /// What it may reach by sockets.
    pub(super) net: Net,
    /// Whether it is to see a root of its own.
    pub(super) view: bool,
    /// Whether its standard input is a file that follows the order.
    pub(super) talks: bool,
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

/// What a job may reach by sockets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Net {
    /// Nothing.
    None,
    /// These ports, over TCP, of whatever host.
    Ports(Vec<u16>),
    /// Everything that the machine reaches over TCP and UDP.
    All,
}

/// What the process that is to become the job says before it is gone.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// A module that is talked to begins to run.
    Begins,
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

/// What the watching process says, the end last.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// A job that is talked to runs; more comes when it has ended.
    Begins,
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

/// Hands an open file over, which stays open here as well.
pub(super) fn send_file(to: &UnixStream, file: BorrowedFd<'_>) -> io::Result<()> {
    let files = [file];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    if !message.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("there is no room for an open file"));
    }
    // Files travel with bytes only: this one says nothing.
    sendmsg(to, &[IoSlice::new(&[0])], &mut message, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes an open file that is handed over, and waits for it; it is closed on exec.
pub(super) fn receive_file(from: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(
        from,
        &mut [IoSliceMut::new(&mut byte)],
        &mut message,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut files = message.drain().filter_map(|part| match part {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    files
        .next()
        .and_then(|mut files| files.next())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no open file was handed over"))
}
