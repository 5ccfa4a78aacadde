//! A node's rows in one redb file of its data folder.
//!
//! The folder holds `medium.redb` (the rows), `medium.sums` (checksums of its pages, present only
//! while no node runs; see `pages`) and `lock`. Three things guard against damage: a checksum of
//! every page, checked whenever one is read; one of every row, which binds a value to its table and
//! key; and redb's own, verified as a whole after a run that did not end cleanly.
//!
//! # Known limits
//! * After an unclean end redb reads the whole file before the store opens, and if pages of the very
//!   last commit are damaged *as well*, it says so: commits are in two phases, so that damage is no torn commit.
//! * After a failed sync nobody knows what is on disk: the store refuses commits until the node is
//!   started again, and reads what is in memory.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::redb::{Builder, Database, ReadableDatabase, ReadableTableMetadata};
use actors::store::{Op, Row, Store, StoreError, Table};
use parking_lot::{Mutex, RwLock};

use super::folder::{Lock, create_private, private_file};
use super::pages::{Backend, Pages};
use super::rows::{Failure, definition, guard, holds, migrate, unseal, write};
use super::{io_error, row_name};

/// Memory for pages, unless told otherwise, in bytes.
pub const CACHE_BYTES_DEFAULT: usize = 64 * 1024 * 1024;
/// Most errors that [`RedbStore::verify`] lists.
pub const VERIFY_ERRORS_MAX: usize = 1_000;
/// Disk space that must be free, beside what is written, before a full disk is tried again, in bytes.
const PROBE_BYTES: usize = 1024 * 1024;

/// How the run before this one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastRun {
    /// There was none: the folder is new.
    None,
    /// The store was closed.
    Clean,
    /// The process was killed or the machine failed; the file was verified and, if needed, repaired.
    Unclean,
}

/// What was found when a store was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// How the last run ended.
    pub last_run: LastRun,
    /// The format that the rows had, if it was older than [`FORMAT`](super::FORMAT) and they were migrated.
    pub migrated_from: Option<u32>,
}

/// A store in one file. Any thread reads while one commits; commits wait for each other.
#[derive(Debug)]
pub struct RedbStore {
    dir: PathBuf,
    cache_bytes: usize,
    pages: Arc<Pages>,
    /// The open database, or why there is none. Written only while it is opened anew after an error.
    database: RwLock<Result<Database, StoreError>>,
    /// Held by whoever commits. Whether the last commit found the disk full.
    writer: Mutex<bool>,
    _lock: Lock,
}

impl RedbStore {
    /// Opens the store of a data folder, or makes both.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if a live node has the folder, [`StoreError::Version`] if it was
    /// written by a newer program, [`StoreError::Corrupt`] if what every read needs is damaged.
    pub fn open(dir: &Path) -> Result<(Self, Opened), StoreError> {
        Self::open_with_cache(dir, CACHE_BYTES_DEFAULT)
    }

    /// As [`RedbStore::open`], with so many bytes of memory for pages.
    ///
    /// # Errors
    /// As [`RedbStore::open`].
    pub fn open_with_cache(dir: &Path, cache_bytes: usize) -> Result<(Self, Opened), StoreError> {
        create_private(dir).map_err(|error| io_error(&error))?;
        let lock = Lock::take(dir)?;
        let (pages, last_run) = Pages::open(dir)?;
        let opened =
            open_database(&pages, cache_bytes, last_run == LastRun::Unclean).and_then(|database| {
                match guard(|| migrate(&database)) {
                    Ok(migrated_from) => Ok((database, migrated_from)),
                    Err(failure) => {
                        let _ = database.close();
                        Err(failure.error)
                    }
                }
            });
        match opened {
            Ok((database, migrated_from)) => {
                pages.arm();
                let store = Self {
                    dir: dir.to_owned(),
                    cache_bytes,
                    pages,
                    database: RwLock::new(Ok(database)),
                    writer: Mutex::new(false),
                    _lock: lock,
                };
                Ok((
                    store,
                    Opened {
                        last_run,
                        migrated_from,
                    },
                ))
            }
            Err(error) => {
                // Refusing a folder must not cost the knowledge of what its pages should be.
                if last_run == LastRun::Clean {
                    let _ = pages.save();
                }
                Err(name_damage(error, &pages))
            }
        }
    }

    /// Reads every row and every page, and says what is damaged: at most [`VERIFY_ERRORS_MAX`].
    ///
    /// Commits wait meanwhile. Cost: reads the whole file, twice.
    pub fn verify(&self) -> Vec<StoreError> {
        let _writer = self.writer.lock();
        let mut errors = self.pages.verify();
        for table in Table::ALL {
            let mut from = Bound::Unbounded;
            // Each round goes on behind the row that could not be read, until one ends or fails
            // without naming a row.
            while errors.len() < VERIFY_ERRORS_MAX {
                match self.first_bad_row(table, &from) {
                    None => break,
                    Some((error, None)) => {
                        errors.push(error);
                        break;
                    }
                    Some((error, Some(key))) => {
                        errors.push(error);
                        from = Bound::Excluded(key);
                    }
                }
            }
        }
        errors.truncate(VERIFY_ERRORS_MAX);
        errors
    }

    /// The first row behind a bound that cannot be read, and its key if that is known.
    fn first_bad_row(
        &self,
        table: Table,
        from: &Bound<Vec<u8>>,
    ) -> Option<(StoreError, Option<Vec<u8>>)> {
        let mut bad = None;
        let scanned = self.read(&format!("table {table}"), |database| {
            let rows = database.begin_read()?.open_table(definition(table))?;
            let bounds = (from.as_ref().map(Vec::as_slice), Bound::Unbounded);
            for row in rows.range::<&[u8]>(bounds)? {
                let (key, value) = row?;
                if let Err(failure) = unseal(table, key.value(), value.value()) {
                    bad = Some(key.value().to_vec());
                    return Err(failure);
                }
            }
            Ok(())
        });
        scanned.err().map(|error| (error, bad))
    }

    /// Runs a read, and names what was to be read if it fails.
    fn read<T>(
        &self,
        what: &str,
        read: impl FnOnce(&Database) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let database = self.database.read();
        let database = database.as_ref().map_err(Clone::clone)?;
        guard(|| read(database)).map_err(|failure| match failure.error {
            StoreError::Corrupt { what: reason } if reason.starts_with("table ") => {
                StoreError::Corrupt { what: reason }
            }
            StoreError::Corrupt { what: reason } => name_damage(
                StoreError::Corrupt {
                    what: format!("{what}: {reason}"),
                },
                &self.pages,
            ),
            StoreError::Io { what: reason } => StoreError::Io {
                what: format!("{what}: {reason}"),
            },
            other => other,
        })
    }

    /// Opens the database anew after an error that it does not get over by itself.
    fn reopen(&self) {
        let mut database = self.database.write();
        // Two on one file would undo each other's work.
        *database = Err(StoreError::Io {
            what: "the store is being opened anew".to_owned(),
        });
        self.pages.disarm();
        *database = open_database(&self.pages, self.cache_bytes, true)
            .map_err(|error| name_damage(error, &self.pages));
        self.pages.arm();
    }

    /// Whether there is room for what is to be written, found out by writing as much.
    fn probe(&self, ops: &[Op]) -> Result<(), StoreError> {
        use std::io::Write;
        let bytes: usize = ops
            .iter()
            .map(|op| {
                if let Op::Put { value, .. } = op {
                    value.len()
                } else {
                    64
                }
            })
            .sum();
        let path = self.dir.join("probe");
        let write = || {
            #[cfg(test)]
            if self.pages.full.load(std::sync::atomic::Ordering::Acquire) {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            let mut file = private_file().truncate(true).open(&path)?;
            let block = [0x5a; 8 * 1024];
            let mut left = 2 * bytes + PROBE_BYTES;
            while left > 0 {
                let len = left.min(block.len());
                file.write_all(&block[..len])?;
                left -= len;
            }
            file.sync_all()
        };
        let written = write();
        let _ = fs_err::remove_file(&path);
        written.map_err(|error: std::io::Error| io_error(&error))
    }

    /// Commits once; on an error the database cannot get over, opens it anew and finds out what is
    /// stored now.
    fn try_commit(&self, ops: &[Op]) -> Result<(), StoreError> {
        let failure = {
            let database = self.database.read();
            let database = database.as_ref().map_err(Clone::clone)?;
            match guard(|| write(database, ops)) {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            }
        };
        if self.pages.sync_failed() {
            return Err(sync_failed(&failure.error));
        }
        if failure.fatal {
            self.reopen();
            // It may have failed when all was done but the tidying up.
            if self
                .read("the last commit", |database| holds(database, ops))
                .unwrap_or(false)
            {
                return Ok(());
            }
        }
        Err(name_damage(failure.error, &self.pages))
    }
}

impl Store for RedbStore {
    fn commit(&self, ops: &[Op]) -> Result<(), StoreError> {
        let mut full = self.writer.lock();
        if self.pages.sync_failed() {
            return Err(sync_failed(&StoreError::Io {
                what: "an earlier commit".to_owned(),
            }));
        }
        if *full {
            self.probe(ops)?;
        }
        if self.database.read().is_err() {
            self.reopen();
        }
        let committed = self.try_commit(ops);
        *full = matches!(committed, Err(StoreError::Full { .. }));
        committed
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(&row_name(table, key), |database| {
            let rows = database.begin_read()?.open_table(definition(table))?;
            let Some(value) = rows.get(key)? else {
                return Ok(None);
            };
            Ok(Some(unseal(table, key, value.value())?.to_vec()))
        })
    }

    fn range(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        self.read(&format!("table {table}"), |database| {
            let rows = database.begin_read()?.open_table(definition(table))?;
            rows.range::<&[u8]>(from..)?
                .take(limit)
                .map(|row| {
                    let (key, value) = row?;
                    let (key, value) = (key.value(), value.value());
                    Ok((key.to_vec(), unseal(table, key, value)?.to_vec()))
                })
                .collect()
        })
    }

    fn len(&self, table: Table) -> Result<u64, StoreError> {
        self.read(&format!("table {table}"), |database| {
            Ok(database
                .begin_read()?
                .open_table(definition(table))?
                .len()?)
        })
    }

    fn bytes_on_disk(&self) -> u64 {
        self.pages.bytes_on_disk()
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        let closed = StoreError::Io {
            what: "the store is closed".to_owned(),
        };
        let database = std::mem::replace(self.database.get_mut(), Err(closed));
        // An end that fails is an unclean one: the next start verifies the file.
        if let Ok(database) = database
            && matches!(
                catch_unwind(AssertUnwindSafe(|| database.close())),
                Ok(Ok(()))
            )
        {
            let _ = self.pages.save();
        }
    }
}

fn open_database(
    pages: &Arc<Pages>,
    cache_bytes: usize,
    verify: bool,
) -> Result<Database, StoreError> {
    let open = || {
        let mut builder = Builder::new();
        builder
            .set_cache_size(cache_bytes)
            .set_check_integrity_on_open(verify);
        Ok(builder.create_with_backend(Backend(Arc::clone(pages)))?)
    };
    guard(open).map_err(|failure| match failure.error {
        StoreError::Corrupt { what } => StoreError::Corrupt {
            what: format!("medium.redb: {what}"),
        },
        other => other,
    })
}

/// Adds to an error of damage where in the file it is, if that is known.
fn name_damage(error: StoreError, pages: &Pages) -> StoreError {
    match error {
        StoreError::Corrupt { what } => match pages.damage() {
            known if known.is_empty() => StoreError::Corrupt { what },
            known => StoreError::Corrupt {
                what: format!("{what} ({known})"),
            },
        },
        other => other,
    }
}

fn sync_failed(error: &StoreError) -> StoreError {
    StoreError::Io {
        what: format!(
            "{error}; the disk could not make it safe, so nothing more is written until the node is started again"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    fn rows(batch: u8, count: u32) -> Vec<Op> {
        let key = |row: u32| [&[batch][..], &row.to_be_bytes()].concat();
        (0..count)
            .map(|row| Op::Put {
                table: Table::Vcs,
                key: key(row),
                value: vec![batch; 500],
            })
            .collect()
    }

    #[test]
    fn a_full_disk_refuses_commits_serves_reads_and_is_got_over() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = RedbStore::open_with_cache(dir.path(), 0).unwrap();
        store.commit(&rows(1, 2_000)).unwrap();
        store.pages.full.store(true, Ordering::Release);
        for _ in 0..3 {
            let refused = store.commit(&rows(2, 20_000));
            assert!(
                matches!(refused, Err(StoreError::Full { .. })),
                "{refused:?}"
            );
            assert_eq!(store.len(Table::Vcs).unwrap(), 2_000);
            assert_eq!(
                store.get(Table::Vcs, &[1, 0, 0, 0, 9]).unwrap(),
                Some(vec![1; 500])
            );
            assert_eq!(store.get(Table::Vcs, &[2, 0, 0, 0, 0]).unwrap(), None);
        }
        store.pages.full.store(false, Ordering::Release);
        store.commit(&rows(2, 2_000)).unwrap();
        assert_eq!(store.len(Table::Vcs).unwrap(), 4_000);
        assert_eq!(store.verify(), vec![]);
        drop(store);
        let (store, opened) = RedbStore::open(dir.path()).unwrap();
        assert_eq!(opened.last_run, LastRun::Clean);
        assert_eq!(store.len(Table::Vcs).unwrap(), 4_000);
    }

    #[test]
    fn after_a_failed_sync_nothing_is_written_until_the_store_is_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = RedbStore::open(dir.path()).unwrap();
        store.commit(&rows(1, 10)).unwrap();
        store.pages.broken.store(true, Ordering::Release);
        assert!(matches!(
            store.commit(&rows(2, 10)),
            Err(StoreError::Io { .. })
        ));
        store.pages.broken.store(false, Ordering::Release);
        assert!(matches!(
            store.commit(&rows(3, 10)),
            Err(StoreError::Io { .. })
        ));
        assert_eq!(
            store.len(Table::Vcs).unwrap(),
            10,
            "the last commit that returned"
        );
        drop(store);
        let (store, opened) = RedbStore::open(dir.path()).unwrap();
        assert_eq!(opened.last_run, LastRun::Unclean);
        let rows = store.len(Table::Vcs).unwrap();
        assert!(
            rows == 10 || rows == 20,
            "all of the failed commit or nothing: {rows}"
        );
    }

    #[test]
    fn what_a_commit_would_make_of_the_store_is_recognized() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = RedbStore::open(dir.path()).unwrap();
        let put = |key: u8, value: u8| Op::Put {
            table: Table::Log,
            key: vec![key],
            value: vec![value],
        };
        let delete = |key: u8| Op::Delete {
            table: Table::Log,
            key: vec![key],
        };
        let clear = |from: u8, until: u8| Op::DeleteRange {
            table: Table::Log,
            from: vec![from],
            until: vec![until],
        };
        store.commit(&[put(1, 1), put(2, 2), put(3, 3)]).unwrap();
        let holds = |ops: &[Op]| store.read("", |database| holds(database, ops)).unwrap();
        assert!(holds(&[put(1, 1), delete(9), clear(5, 8)]));
        assert!(holds(&[put(1, 7), clear(1, 2), put(1, 1)]));
        assert!(!holds(&[put(1, 7)]));
        assert!(!holds(&[delete(2)]));
        assert!(!holds(&[clear(2, 9)]));
        assert!(!holds(&[put(2, 2), clear(2, 3)]));
    }
}
