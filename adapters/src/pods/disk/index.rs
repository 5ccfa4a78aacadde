//! What the embedded store knows of its chunks: tables in one redb file, guarded as a node's own are.
//!
//! | table | key | value |
//! |---|---|---|
//! | `chunks` | address | [`Row`] |
//! | `stamped` | holder as `u32`, page of buckets as `u8` | 1,024 counters as `u32`: stamps given per bucket |
//! | `batches`, `pins` | holder as `u32` | JSON |
//! | `free` | slot as `u64` | nothing |
//! | `offers` | owner of a pod, id of the offer | JSON |
//! | `journal` | number of the entry as `u64` | JSON of a ledger's entry |
//! | `meta` | a name | the format, how many slots there are, the next holder, the balances |
//!
//! Integers are little-endian.

use std::path::Path;
use std::sync::Arc;

use actors::store::StoreError;
use parking_lot::RwLock;
use redb::{
    Builder, Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition,
    WriteTransaction,
};

use crate::pods::PodsError;
use crate::store::pages::{Backend, Pages};
use crate::store::rows::{Failure, guard};
use crate::swarm::{Address, HASH_BYTES};

pub(super) const CHUNKS: TableDefinition<'static, &'static [u8; HASH_BYTES], &'static [u8]> =
    TableDefinition::new("chunks");
pub(super) const STAMPED: TableDefinition<'static, (u32, u8), &'static [u8]> =
    TableDefinition::new("stamped");
pub(super) const BATCHES: TableDefinition<'static, u32, &'static [u8]> =
    TableDefinition::new("batches");
pub(super) const PINS: TableDefinition<'static, u32, &'static [u8]> = TableDefinition::new("pins");
pub(super) const FREE: TableDefinition<'static, u64, ()> = TableDefinition::new("free");
pub(super) const OFFERS: TableDefinition<'static, (&'static [u8], &'static str), &'static [u8]> =
    TableDefinition::new("offers");
pub(super) const JOURNAL: TableDefinition<'static, u64, &'static [u8]> =
    TableDefinition::new("journal");
pub(super) const META: TableDefinition<'static, &'static str, &'static [u8]> =
    TableDefinition::new("meta");

/// The version of the tables and of the slots; a newer one is refused.
const FORMAT: u32 = 1;
const FORMAT_KEY: &str = "format";
/// How many slots the file of chunks has.
pub(super) const SLOTS_KEY: &str = "slots";
/// The number of the next batch or pin.
pub(super) const HOLDER_KEY: &str = "holder";
/// The ledger's balances.
pub(super) const BALANCES_KEY: &str = "balances";
/// Memory for pages of the index, in bytes: all of it up to 1 GiB of chunks. Addresses are random, so beyond that a look-up
/// is likely to read a page. Measured with 8 GiB in and out: 80 MiB and twice [`PENDING_MAX`](super::PENDING_MAX) save a
/// tenth of the time, and double the memory of the process from 120 to 250 MiB.
const CACHE_BYTES: usize = 32 * 1024 * 1024;

/// What is known of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Where it is in the file of chunks.
    pub(super) slot: u64,
    /// How many bytes it has, at most 4,201.
    pub(super) len: u16,
    /// Whether it is a single-owner chunk.
    pub(super) single_owner: bool,
    /// What keeps it, by number, in no order.
    pub(super) holders: Vec<Holder>,
}

/// A batch that has stamped a chunk, or a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// Which; batches and pins share the numbers, and none is given twice.
    pub(super) number: u32,
    /// Which of its bucket's stamps the chunk has; 0 for a pin.
    pub(super) stamp: u32,
}

impl Row {
    const HEAD_BYTES: usize = 11;
    const HOLDER_BYTES: usize = 8;
    const CHECK_BYTES: usize = 4;

    pub(super) fn is_held_by(&self, number: u32) -> bool {
        self.holders.iter().any(|holder| holder.number == number)
    }

    /// Its bytes: slot, length, kind, holders, and a checksum of these and the address.
    pub(super) fn encode(&self, address: &Address) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(
            Self::HEAD_BYTES + self.holders.len() * Self::HOLDER_BYTES + Self::CHECK_BYTES,
        );
        bytes.extend(self.slot.to_le_bytes());
        bytes.extend(self.len.to_le_bytes());
        bytes.push(u8::from(self.single_owner));
        for holder in &self.holders {
            bytes.extend(holder.number.to_le_bytes());
            bytes.extend(holder.stamp.to_le_bytes());
        }
        let check = Self::check(address, &bytes);
        bytes.extend(check);
        bytes
    }

    /// Reads a row, or says that it is damaged.
    pub(super) fn decode(address: &Address, bytes: &[u8]) -> Result<Self, PodsError> {
        let read = || {
            let (row, check) = bytes.split_last_chunk::<{ Self::CHECK_BYTES }>()?;
            let (slot, rest) = row.split_first_chunk::<8>()?;
            let (len, rest) = rest.split_first_chunk::<2>()?;
            let (&single_owner, holders) = rest.split_first()?;
            let (holders, trailing) = holders.as_chunks::<{ Self::HOLDER_BYTES }>();
            (trailing.is_empty() && Self::check(address, row) == *check).then(|| Self {
                slot: u64::from_le_bytes(*slot),
                len: u16::from_le_bytes(*len),
                single_owner: single_owner != 0,
                holders: holders
                    .iter()
                    .map(|[a, b, c, d, e, f, g, h]| Holder {
                        number: u32::from_le_bytes([*a, *b, *c, *d]),
                        stamp: u32::from_le_bytes([*e, *f, *g, *h]),
                    })
                    .collect(),
            })
        };
        read().ok_or_else(|| PodsError::Damaged(format!("the index's row of chunk {address}")))
    }

    fn check(address: &Address, row: &[u8]) -> [u8; Self::CHECK_BYTES] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&address.0);
        hasher.update(row);
        let mut check = [0; Self::CHECK_BYTES];
        hasher.finalize_xof().fill(&mut check);
        check
    }
}

type Chunks = ReadOnlyTable<&'static [u8; HASH_BYTES], &'static [u8]>;

/// The tables.
pub(super) struct Index {
    pages: Arc<Pages>,
    /// Present until the index is dropped.
    database: Option<Database>,
    /// The chunks as of the last commit: beginning to read for every look-up would cost more than it.
    chunks: RwLock<Option<Arc<Chunks>>>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").finish_non_exhaustive()
    }
}

impl Index {
    /// Opens the index of a folder, or makes it.
    pub(super) fn open(folder: &Path) -> Result<Self, PodsError> {
        let (pages, last_run) = Pages::open(folder).map_err(store_error)?;
        let unclean = last_run == crate::store::redb::LastRun::Unclean;
        let opened = guarded(&pages, || {
            let mut builder = Builder::new();
            builder
                .set_cache_size(CACHE_BYTES)
                .set_check_integrity_on_open(unclean);
            Ok(builder.create_with_backend(Backend(Arc::clone(&pages)))?)
        });
        let index = match opened {
            Ok(database) => Self {
                pages,
                database: Some(database),
                chunks: RwLock::default(),
            },
            Err(error) => {
                if !unclean {
                    // Refusing a folder must not cost the knowledge of what its pages should be.
                    let _ = pages.save();
                }
                return Err(error);
            }
        };
        index.pages.arm();
        match index.number(FORMAT_KEY)? {
            Some(found) if found != u64::from(FORMAT) => {
                return Err(PodsError::Damaged(format!(
                    "the pods have format {found}, and this program knows {FORMAT}"
                )));
            }
            Some(_) => {}
            None => index.write(|transaction| {
                transaction.open_table(CHUNKS)?;
                transaction.open_table(STAMPED)?;
                transaction.open_table(BATCHES)?;
                transaction.open_table(PINS)?;
                transaction.open_table(FREE)?;
                transaction.open_table(OFFERS)?;
                transaction.open_table(JOURNAL)?;
                set_number(transaction, FORMAT_KEY, u64::from(FORMAT))
            })?,
        }
        index.refresh()?;
        Ok(index)
    }

    /// What is known of a chunk as of the last commit.
    pub(super) fn chunk(&self, address: &Address) -> Result<Option<Row>, PodsError> {
        let chunks = self.chunks.read().clone();
        let Some(chunks) = chunks else {
            return Err(closed());
        };
        let row = guarded(&self.pages, || {
            let row = chunks.get(&address.0)?;
            Ok(row.map(|row| Row::decode(address, row.value())))
        })?;
        row.transpose()
    }

    /// Reads in a transaction of its own.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&redb::ReadTransaction) -> Result<T, Failure>,
    ) -> Result<T, PodsError> {
        let database = self.database.as_ref().ok_or_else(closed)?;
        guarded(&self.pages, || read(&database.begin_read()?))
    }

    /// Writes in one transaction, which is on disk when this returns.
    pub(super) fn write(
        &self,
        write: impl FnOnce(&WriteTransaction) -> Result<(), Failure>,
    ) -> Result<(), PodsError> {
        if self.pages.sync_failed() {
            return Err(PodsError::Damaged(
                "the disk could not make an earlier write safe; open the store anew".to_owned(),
            ));
        }
        let database = self.database.as_ref().ok_or_else(closed)?;
        guarded(&self.pages, || {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            // A damaged last commit must not pass for a torn one, and be rolled back in silence.
            transaction.set_two_phase_commit(true);
            write(&transaction)?;
            Ok(transaction.commit()?)
        })?;
        self.refresh()
    }

    /// A number among the `meta` rows.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, PodsError> {
        let Some(bytes) = self.meta(key)? else {
            return Ok(None);
        };
        match bytes.try_into() {
            Ok(bytes) => Ok(Some(u64::from_le_bytes(bytes))),
            Err(_) => Err(PodsError::Damaged(format!("the index's row `{key}`"))),
        }
    }

    /// One of the `meta` rows.
    pub(super) fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, PodsError> {
        self.read(|transaction| {
            let table = match transaction.open_table(META) {
                Ok(table) => table,
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            Ok(table.get(key)?.map(|value| value.value().to_vec()))
        })
    }

    fn refresh(&self) -> Result<(), PodsError> {
        let chunks = self.read(|transaction| Ok(transaction.open_table(CHUNKS)?))?;
        *self.chunks.write() = Some(Arc::new(chunks));
        Ok(())
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        *self.chunks.get_mut() = None;
        if let Some(database) = self.database.take()
            && guard(|| Ok(database.close()?)).is_ok()
        {
            // An end that fails is an unclean one: the next start verifies the file.
            let _ = self.pages.save();
        }
    }
}

/// Writes a number among the `meta` rows.
pub(super) fn set_number(
    transaction: &WriteTransaction,
    key: &str,
    number: u64,
) -> Result<(), Failure> {
    transaction
        .open_table(META)?
        .insert(key, number.to_le_bytes().as_slice())?;
    Ok(())
}

/// Runs something in redb, and names the damage if there is any.
fn guarded<T>(pages: &Pages, run: impl FnOnce() -> Result<T, Failure>) -> Result<T, PodsError> {
    guard(run).map_err(|failure| match failure.error {
        StoreError::Corrupt { what } => PodsError::Damaged(match pages.damage() {
            known if known.is_empty() => format!("the index of the pods: {what}"),
            known => format!("the index of the pods: {what} ({known})"),
        }),
        other => store_error(other),
    })
}

fn closed() -> PodsError {
    PodsError::Damaged("the store is closed".to_owned())
}

/// What the parts that the index shares with a node's store say, in the words of pods.
pub(super) fn store_error(error: StoreError) -> PodsError {
    match error {
        StoreError::InUse { what } => PodsError::InUse { what },
        StoreError::Corrupt { what } => PodsError::Damaged(what),
        StoreError::Full { what } => PodsError::Io {
            what: "writing the index of the pods".to_owned(),
            error: std::io::Error::new(std::io::ErrorKind::StorageFull, what),
        },
        other => PodsError::Io {
            what: "the index of the pods".to_owned(),
            error: std::io::Error::other(other.to_string()),
        },
    }
}
