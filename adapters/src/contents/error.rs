//! Why contents were not stored or read.

use std::io;

use genesis::id::Digest;

/// Why contents were not stored or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentsError {
    /// They are larger than this node accepts.
    #[error("the contents have {bytes} bytes or more, this node accepts {max}")]
    TooLarge {
        /// How many bytes had come when they were refused.
        bytes: u64,
        /// How many this node accepts.
        max: u64,
    },
    /// They are not those that were expected.
    #[error("the contents have digest {found}, not {expected}")]
    Unexpected {
        /// Which were expected.
        expected: Digest,
        /// Which they are.
        found: Digest,
    },
    /// They are not here.
    #[error("there are no contents {digest}")]
    Missing {
        /// Which.
        digest: Digest,
    },
    /// They are damaged.
    #[error("contents {digest} are damaged in bytes {from}..{until}: {what}")]
    Corrupt {
        /// Which.
        digest: Digest,
        /// The first byte that cannot be trusted.
        from: u64,
        /// The byte after the last.
        until: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The disk is full.
    #[error("the disk is full: {what}")]
    Full {
        /// What was being written.
        what: String,
    },
    /// The operating system failed.
    #[error("contents failed: {what}")]
    Io {
        /// What it said.
        what: String,
    },
}

impl From<io::Error> for ContentsError {
    fn from(error: io::Error) -> Self {
        let error = match error.downcast() {
            Ok(own) => return own,
            Err(error) => error,
        };
        let what = error.to_string();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { what },
            _ => Self::Io { what },
        }
    }
}

impl From<ContentsError> for io::Error {
    fn from(error: ContentsError) -> Self {
        let kind = match error {
            ContentsError::TooLarge { .. } => io::ErrorKind::FileTooLarge,
            ContentsError::Missing { .. } => io::ErrorKind::NotFound,
            ContentsError::Unexpected { .. } | ContentsError::Corrupt { .. } => {
                io::ErrorKind::InvalidData
            }
            ContentsError::Full { .. } => io::ErrorKind::StorageFull,
            ContentsError::Io { .. } => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
