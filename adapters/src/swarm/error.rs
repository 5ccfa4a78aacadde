//! Why something in Swarm's formats was refused.

use super::reference::{Address, Redundancy};
use super::store::StoreFault;

/// Why something in Swarm's formats was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SwarmError {
    /// A payload does not fit a chunk.
    #[error("a chunk's payload has at most {max} bytes, not {bytes}")]
    Payload {
        /// How many it has.
        bytes: usize,
        /// How many fit.
        max: usize,
    },
    /// Bytes are not of the length or the shape that their format asks for.
    #[error("{what}: {reason}")]
    Malformed {
        /// Which format.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A chunk is not in the store.
    #[error("chunk {address} is not here")]
    Missing {
        /// Which.
        address: Address,
    },
    /// The store answered with other bytes than asked for.
    #[error("the bytes stored for chunk {address} are not that chunk's")]
    Corrupt {
        /// Which.
        address: Address,
    },
    /// A chunk of a tree does not hold as many bytes as its parent needs.
    #[error("chunk {address} spans {found} bytes where its parent needs {expected}")]
    Span {
        /// Which.
        address: Address,
        /// How many it says it spans.
        found: u64,
        /// How many it must.
        expected: u64,
    },
    /// A chunk's payload does not agree with its own span.
    #[error("chunk {address} spans {span} bytes and cannot have a payload of {bytes}")]
    Shape {
        /// Which.
        address: Address,
        /// How many bytes it says it spans.
        span: u64,
        /// How many bytes of payload it has.
        bytes: usize,
    },
    /// Contents or a path are longer than allowed.
    #[error("{what} has {bytes} bytes, at most {max} are allowed")]
    TooLong {
        /// What.
        what: &'static str,
        /// How many bytes it has.
        bytes: u64,
        /// How many are allowed.
        max: u64,
    },
    /// There is more in a manifest than was allowed for.
    #[error("the manifest has more than {max} nodes")]
    TooMany {
        /// How many were allowed.
        max: usize,
    },
    /// Redundancy is not supported.
    #[error("redundancy level {level} is not supported, only level 0 is")]
    Redundancy {
        /// Which level was asked for or found.
        level: Redundancy,
    },
    /// A signature is not one, or not the owner's.
    #[error("{what}: {reason}")]
    Signature {
        /// Of what.
        what: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// What was to be read failed, or what was to be written.
    #[error("reading or writing contents failed: {0}")]
    Io(#[from] std::io::Error),
    /// No key could be made.
    #[error("no key could be made: {what}")]
    Key {
        /// Why.
        what: String,
    },
}

impl SwarmError {
    /// [`Self::Malformed`] in short.
    pub(super) fn malformed(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed {
            what,
            reason: reason.into(),
        }
    }

    /// What the user can do about it, where something can be done.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some("ask a peer or a Bee node that has it"),
            Self::Corrupt { .. } => Some("remove the chunk and fetch it again"),
            Self::Redundancy { .. } => Some("upload with `Swarm-Redundancy-Level: 0`"),
            _ => None,
        }
    }
}
