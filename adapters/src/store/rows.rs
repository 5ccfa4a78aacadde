//! Rows in redb's tables: how they are written, read and told to be what was put there.
//!
//! A value is stored with [`CHECK_BYTES`] of BLAKE3 over its table, key and bytes behind it, so that a
//! value under another key, or of another table, is as damaged as one with a flipped bit.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::redb::{Database, Durability, ReadableDatabase, TableDefinition, TableError, TableHandle};
use actors::store::{Op, StoreError, Table};

use super::{FORMAT, FORMAT_KEY, in_range, io_error, row_name, table_of};

/// What each stored value carries behind its bytes, to be checked when it is read.
const CHECK_BYTES: usize = 8;

pub(super) type Rows = TableDefinition<'static, &'static [u8], &'static [u8]>;

pub(super) const fn definition(table: Table) -> Rows {
    TableDefinition::new(table.name())
}

/// Why redb did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: StoreError,
    /// Whether the database refuses everything from now on.
    pub(crate) fatal: bool,
}

impl<E: Into<::redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        use ::redb::Error;
        let error = error.into();
        let what = error.to_string();
        match error {
            Error::Io(error) => Self {
                error: io_error(&error),
                fatal: true,
            },
            Error::PreviousIo | Error::DatabaseClosed | Error::LockPoisoned(_) => Self {
                error: StoreError::Io { what },
                fatal: true,
            },
            Error::Corrupted(_)
            | Error::TableDoesNotExist(_)
            | Error::TableTypeMismatch { .. }
            | Error::TypeDefinitionChanged { .. } => Self {
                error: StoreError::Corrupt { what },
                fatal: false,
            },
            _ => Self {
                error: StoreError::Io { what },
                fatal: false,
            },
        }
    }
}

impl Failure {
    fn corrupt(what: String) -> Self {
        Self {
            error: StoreError::Corrupt { what },
            fatal: false,
        }
    }
}

/// Runs something in redb. It panics on some damaged files; that is damage, too, and nothing else:
/// what it was doing is given up as a whole.
pub(crate) fn guard<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic: Box<dyn Any + Send>| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("redb panicked");
        Err(Failure::corrupt(text.to_owned()))
    })
}

/// Makes the tables of a new store, or brings those of an older program to [`FORMAT`], in one
/// transaction. Returns the older format.
pub(super) fn migrate(database: &Database) -> Result<Option<u32>, Failure> {
    let found = format_of(database)?;
    match found {
        Some(found) if found > FORMAT => {
            let error = StoreError::Version {
                found,
                known: FORMAT,
            };
            return Err(Failure {
                error,
                fatal: false,
            });
        }
        // A table that is new, and changes nothing else, needs no new format.
        Some(FORMAT) if has_all_tables(database)? => return Ok(None),
        // From a version on that changes the meaning of rows, they are rewritten below, before the
        // new format is written, in the same transaction.
        Some(_) | None => {}
    }
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    // Else a damaged page of the last commit, found after a crash, would pass for a commit that was
    // torn, and be rolled back in silence although it was acknowledged.
    transaction.set_two_phase_commit(true);
    for table in Table::ALL {
        let mut rows = transaction.open_table(definition(table))?;
        if table == Table::Meta {
            rows.insert(
                FORMAT_KEY,
                seal(table, FORMAT_KEY, &FORMAT.to_le_bytes()).as_slice(),
            )?;
        }
    }
    transaction.commit()?;
    Ok(found.filter(|found| *found != FORMAT))
}

fn has_all_tables(database: &Database) -> Result<bool, Failure> {
    let names: BTreeSet<String> = database
        .begin_read()?
        .list_tables()?
        .map(|table| table.name().to_owned())
        .collect();
    Ok(Table::ALL.iter().all(|table| names.contains(table.name())))
}

/// The format of what is stored, if anything is.
fn format_of(database: &Database) -> Result<Option<u32>, Failure> {
    let meta = match database.begin_read()?.open_table(definition(Table::Meta)) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let row = row_name(Table::Meta, FORMAT_KEY);
    let Some(value) = meta.get(FORMAT_KEY)? else {
        return Err(Failure::corrupt(format!("{row} (the format) is missing")));
    };
    let bytes = unseal(Table::Meta, FORMAT_KEY, value.value())?;
    match bytes.try_into() {
        Ok(bytes) => Ok(Some(u32::from_le_bytes(bytes))),
        Err(_) => Err(Failure::corrupt(format!(
            "{row} (the format) has {} bytes",
            bytes.len()
        ))),
    }
}

pub(super) fn write(database: &Database, ops: &[Op]) -> Result<(), Failure> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    // Else a damaged page of the last commit, found after a crash, would pass for a commit that was
    // torn, and be rolled back in silence although it was acknowledged.
    transaction.set_two_phase_commit(true);
    // Tables do not depend on each other, so each is opened once and given all that is its own.
    for table in Table::ALL {
        let mut own = ops.iter().filter(|op| table_of(op) == table).peekable();
        if own.peek().is_none() {
            continue;
        }
        let mut rows = transaction.open_table(definition(table))?;
        for op in own {
            match op {
                Op::Put { key, value, .. } => {
                    rows.insert(key.as_slice(), seal(table, key, value).as_slice())?;
                }
                Op::Delete { key, .. } => {
                    rows.remove(key.as_slice())?;
                }
                Op::DeleteRange { from, until, .. } if until.is_empty() => {
                    rows.retain_in::<&[u8], _>(from.as_slice().., |_, _| false)?;
                }
                Op::DeleteRange { from, until, .. } if from < until => {
                    rows.retain_in::<&[u8], _>(from.as_slice()..until.as_slice(), |_, _| false)?;
                }
                Op::DeleteRange { .. } => {}
            }
        }
    }
    Ok(transaction.commit()?)
}

/// Whether the store is as it would be after these changes.
pub(super) fn holds(database: &Database, ops: &[Op]) -> Result<bool, Failure> {
    let transaction = database.begin_read()?;
    for table in Table::ALL {
        let rows = transaction.open_table(definition(table))?;
        let mut wanted: BTreeMap<&[u8], Option<&[u8]>> = BTreeMap::new();
        for (index, op) in ops
            .iter()
            .enumerate()
            .filter(|(_, op)| table_of(op) == table)
        {
            match op {
                Op::Put { key, value, .. } => {
                    wanted.insert(key, Some(value));
                }
                Op::Delete { key, .. } => {
                    wanted.insert(key, None);
                }
                Op::DeleteRange { from, until, .. } => {
                    wanted.retain(|key, _| !in_range(key, from, until));
                    for row in rows.range::<&[u8]>(from.as_slice()..)? {
                        let (key, _) = row?;
                        if !in_range(key.value(), from, until) {
                            break;
                        }
                        // Only a later put of the same batch may have brought it back.
                        let brought_back = ops[index + 1..].iter().any(|op| {
                            matches!(op, Op::Put { table: at, key: put, .. }
                                if *at == table && put == key.value())
                        });
                        if !brought_back {
                            return Ok(false);
                        }
                    }
                }
            }
        }
        for (key, value) in wanted {
            let found = rows.get(key)?;
            let found = found
                .as_ref()
                .map(|found| unseal(table, key, found.value()))
                .transpose()?;
            if found != value {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// A value as it is stored: followed by a check that binds it to its table and key.
fn seal(table: Table, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(value.len() + CHECK_BYTES);
    sealed.extend_from_slice(value);
    sealed.extend_from_slice(&check(table, key, value));
    sealed
}

/// The value in what is stored, if it is what was put there under this key.
pub(super) fn unseal<'a>(table: Table, key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], Failure> {
    sealed
        .split_last_chunk::<CHECK_BYTES>()
        .filter(|(value, stored)| check(table, key, value) == **stored)
        .map(|(value, _)| value)
        .ok_or_else(|| Failure::corrupt(row_name(table, key)))
}

fn check(table: Table, key: &[u8], value: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(table.name().as_bytes());
    hasher.update(&[0]);
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(value);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK_BYTES]);
    check
}
