//! The port to what survives: an ordered key-value store with atomic, durable commits.
//!
//! This crate knows *what* is stored ([`Table`]) and what a commit promises; `adapters` knows how.
//! One thread commits (`log.rs`); any thread reads.

use std::fmt;

/// What is stored, each in a table of its own, with keys ordered bytewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Table {
    /// Of the node: format, counters, key material, birth counter. Key: a name.
    Meta,
    /// A durable VC whole: its state and all that belongs to it. Key: VC id.
    Vcs,
    /// Names the owner gave. Key: the name; value: VC id.
    Names,
    /// Packed log rows: messages owed at the end of a commit. Key: `u64`, big-endian.
    Log,
    /// What was accepted with an idempotency key, until it expires. Key: digest.
    Dedup,
    /// Recorded messages and snapshots. Key: VC id, then `u64` big-endian.
    Journal,
    /// Messages that were stored whole: stripped parts, frozen VCs, literals. Key: message id.
    Messages,
    /// Parts' contents up to [`CONTENTS_FILE_MIN`](genesis::limits::CONTENTS_FILE_MIN). Key: digest.
    Contents,
    /// Accounts of the node's ledger. Key: account name.
    Ledger,
    /// Who must be looked at when a node starts. Key: `t` (has timers) or `v` (volatile), then VC id.
    Marks,
}

impl Table {
    /// Every table, in a fixed order.
    pub const ALL: [Self; 10] = [
        Self::Meta,
        Self::Vcs,
        Self::Names,
        Self::Log,
        Self::Dedup,
        Self::Journal,
        Self::Messages,
        Self::Contents,
        Self::Ledger,
        Self::Marks,
    ];

    /// The table's name in a store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Vcs => "vcs",
            Self::Names => "names",
            Self::Log => "log",
            Self::Dedup => "dedup",
            Self::Journal => "journal",
            Self::Messages => "messages",
            Self::Contents => "contents",
            Self::Ledger => "ledger",
            Self::Marks => "marks",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One change of a commit. Later ones win over earlier ones of the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Set a row.
    Put {
        /// Where.
        table: Table,
        /// Under which key.
        key: Vec<u8>,
        /// To what.
        value: Vec<u8>,
    },
    /// Remove a row; it need not exist.
    Delete {
        /// Where.
        table: Table,
        /// Under which key.
        key: Vec<u8>,
    },
    /// Remove every row from `from` (included) to `until` (excluded).
    DeleteRange {
        /// Where.
        table: Table,
        /// The first key.
        from: Vec<u8>,
        /// The key after the last; empty for the end of the table.
        until: Vec<u8>,
    },
}

/// A row's key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// An ordered key-value store whose commits are atomic and, once they return, durable.
///
/// # Contract
/// * After `commit` returned `Ok`, all of its changes survive a crash of process and machine.
/// * After a crash or an error, either all changes of a commit are there or none.
/// * A read sees the last commit that returned; a damaged row is an error that names it, never data.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Makes all changes, or none. Blocks until they are on disk.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was changed.
    fn commit(&self, ops: &[Op]) -> Result<(), StoreError>;

    /// Reads one row.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] or [`StoreError::Io`].
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Reads at most `limit` rows from `from` (included) on, in the order of their keys.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn range(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError>;

    /// How many rows a table holds.
    ///
    /// # Errors
    /// As [`Store::get`].
    fn len(&self, table: Table) -> Result<u64, StoreError>;

    /// How many bytes the store takes on disk, all told.
    fn bytes_on_disk(&self) -> u64;
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk is full.
    #[error("the disk is full: {what}")]
    Full {
        /// What was being written.
        what: String,
    },
    /// Something stored is damaged.
    #[error("stored data is damaged: {what}")]
    Corrupt {
        /// Which table and row, as far as it is known.
        what: String,
    },
    /// The operating system failed.
    #[error("the store failed: {what}")]
    Io {
        /// What it said.
        what: String,
    },
    /// The folder is in use by a live node.
    #[error("the data folder is in use by a running node: {what}")]
    InUse {
        /// Which folder, and by whom if known.
        what: String,
    },
    /// The folder was written by a newer program.
    #[error("the data folder has format {found}, this program knows up to {known}")]
    Version {
        /// Its format.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
}
