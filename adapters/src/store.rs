//! What survives: stores behind [`actors::store::Store`].
//!
//! [`redb`] keeps a node's rows in one file of its data folder; [`memory`] keeps them as long as the
//! process lives, for `--ephemeral` nodes and, with faults on demand, for tests. Both answer alike:
//! `tests/store.rs` runs the same scripts on them and compares every row.

use actors::store::{Op, StoreError, Table};

pub(crate) mod folder;
pub mod memory;
pub(crate) mod pages;
pub mod redb;
pub(crate) mod rows;

/// The version of what this program stores: of the tables and of what their rows mean.
///
/// It is row [`FORMAT_KEY`] of [`Table::Meta`], as `u32` little-endian. A newer one is refused, an
/// older one is migrated in one transaction.
pub const FORMAT: u32 = 1;

/// The key of the row in [`Table::Meta`] that holds the [`FORMAT`]. Stores write it; a node must not
/// remove it.
pub const FORMAT_KEY: &[u8] = b"format";

/// The table that a change is about.
const fn table_of(op: &Op) -> Table {
    match op {
        Op::Put { table, .. } | Op::Delete { table, .. } | Op::DeleteRange { table, .. } => *table,
    }
}

/// Whether a key lies in `from..until`, where an empty `until` is the end of the table.
fn in_range(key: &[u8], from: &[u8], until: &[u8]) -> bool {
    key >= from && (until.is_empty() || key < until)
}

/// How errors name a row: the table, and as much of the key as tells it apart.
fn row_name(table: Table, key: &[u8]) -> String {
    use std::fmt::Write as _;
    const SHOWN: usize = 8;
    let mut name = format!("table {table}, key ");
    for byte in key.iter().take(SHOWN) {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    if key.len() > SHOWN {
        name.push('…');
    }
    name
}

/// What the operating system said, as an error of a store.
fn io_error(error: &std::io::Error) -> StoreError {
    use std::io::ErrorKind as Kind;
    let what = error.to_string();
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => StoreError::Full { what },
        Kind::InvalidData | Kind::UnexpectedEof => StoreError::Corrupt { what },
        _ => StoreError::Io { what },
    }
}
