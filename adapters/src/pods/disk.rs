//! The embedded store: chunks in one file, and in a redb index where they are and what keeps them.
//!
//! `chunks.data` has slots of [`SLOT_BYTES`]; a chunk that is freed leaves its slot to another. The index is
//! `index`'s. A chunk is written before the index knows it: the file is synced, then one transaction names
//! all chunks that are new, so after a crash each is there whole or not at all. Until that transaction they are
//! *pending*: read by this process, and forgotten if it dies.
//!
//! A chunk is kept by its *holders*: batches that stamped it and pins. A batch that has expired and a pin that was taken back
//! hold nothing; [`Disk::collect`] frees what nothing holds.
//!
//! Bytes are not checked when they are read: whoever asks checks them against the address, as of any [`ChunkStore`].
//!
//! Memory: 32 MiB of the index, [`PENDING_MAX`] rows, 256 KiB per batch in use, 8 bytes per free slot.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors::clock::Clock;
use bytes::Bytes;
use fs_err::File;
use genesis::ledger::Ledger;
use parking_lot::{Mutex, RwLock};

use self::batch::Stamps;
use self::index::{Holder, Index, Row};
use super::keeper::{Deposit, Keeper, Placed};
use super::{Batch, Bought, BuyBatch, Freed, Offer, PodsError, reach};
use crate::store::folder::{Lock, create_private, private_file};
use crate::swarm::feed::{Feed, Index as FeedIndex};
use crate::swarm::sign::Owner;
use crate::swarm::soc::{SOC_BYTES, Soc};
use crate::swarm::store::{ChunkStore, StoreFault};
use crate::swarm::{Address, Reference, SwarmError};

mod batch;
mod collect;
mod deposit;
mod index;
mod offers;
mod pins;
mod verify;

pub use self::batch::{
    ALLOWANCE_MOTES, CHUNK_DAYS_PER_MOTE, DEFAULT_DEPTH, DEFAULT_TTL_S, TTL_MAX_S, price,
};

/// Room for a chunk of either kind, in bytes.
pub const SLOT_BYTES: u64 = 4_208;
/// Most chunks that are written without being in the index: then they are put there.
pub const PENDING_MAX: usize = 16_384;

const _: () = assert!(
    *SOC_BYTES.end() as u64 <= SLOT_BYTES,
    "the longest chunk fits a slot"
);

/// Chunks of a folder, and who may write them. One process has it at a time.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    file: File,
    index: Index,
    /// Chunks written or stamped since the last commit. Held for a look-up or an insertion.
    pending: RwLock<HashMap<Address, Row>>,
    /// Held by whoever writes.
    writer: Mutex<Writer>,
    /// Chunks whose bytes were found damaged, to be written again when somebody has them.
    damaged: Mutex<HashSet<Address>>,
    clock: Arc<dyn Clock>,
    _lock: Lock,
}

/// What changes with every write.
#[derive(Debug)]
struct Writer {
    /// How many slots the file has, used or not.
    slots: u64,
    /// Slots that can be used again; the last is the next.
    free: Vec<u64>,
    /// Free slots used since the last commit.
    used: Vec<u64>,
    /// Whether chunks were written that are in the index already.
    unsynced: bool,
    /// The number of the next batch or pin.
    next_holder: u32,
    batches: BTreeMap<u32, Stamps>,
    pins: BTreeMap<u32, pins::Pin>,
    ledger: Ledger,
    /// How many entries the journal has.
    journal: u64,
    /// Whether a write or a commit failed in a way after which nobody knows what is on disk.
    broken: bool,
}

impl Disk {
    /// Opens the chunks of a folder, or makes it.
    ///
    /// # Errors
    /// [`PodsError::InUse`] if another process has it, [`PodsError::Damaged`], [`PodsError::Io`].
    pub fn open(folder: &Path, clock: Arc<dyn Clock>) -> Result<Self, PodsError> {
        let failed = |error| PodsError::Io {
            what: format!("opening {}", folder.display()),
            error,
        };
        create_private(folder).map_err(failed)?;
        let lock = Lock::take(folder).map_err(index::store_error)?;
        let path = folder.join("chunks.data");
        let file = private_file().open(&path).map_err(failed)?;
        let index = Index::open(folder)?;
        let writer = Writer::load(&index)?;
        Ok(Self {
            path,
            file,
            index,
            pending: RwLock::default(),
            writer: Mutex::new(writer),
            damaged: Mutex::default(),
            clock,
            _lock: lock,
        })
    }

    /// What is known of a chunk.
    fn row(&self, address: &Address) -> Result<Option<Row>, PodsError> {
        if let Some(row) = self.pending.read().get(address) {
            return Ok(Some(row.clone()));
        }
        self.index.chunk(address)
    }

    /// The bytes of a chunk, as they are on disk.
    fn read(&self, address: &Address) -> Result<Option<(Row, Bytes)>, PodsError> {
        let Some(row) = self.row(address)? else {
            return Ok(None);
        };
        let mut bytes = vec![0; usize::from(row.len)];
        self.file
            .file()
            .read_exact_at(&mut bytes, row.slot * SLOT_BYTES)
            .map_err(|error| self.failed("reading", row.slot, error))?;
        Ok(Some((row, bytes.into())))
    }

    /// Takes content-addressed chunks, stamped by a batch: all or none.
    fn put(&self, batch: u32, chunks: &[(Address, &[u8])]) -> Result<(), PodsError> {
        self.put_in(&mut self.writer.lock(), batch, chunks, false)
    }

    /// Takes a single-owner chunk, unless another one is at its address.
    fn put_single_owner(&self, batch: u32, chunk: &Soc) -> Result<Placed, PodsError> {
        let (address, bytes) = (chunk.address(), chunk.to_bytes());
        let mut writer = self.writer.lock();
        if let Some((_, there)) = self.read(&address)?
            && there != bytes
        {
            if Soc::verify(address, there).is_ok() {
                return Ok(Placed::Taken);
            }
            self.damaged.lock().insert(address);
        }
        self.put_in(&mut writer, batch, &[(address, &bytes)], true)?;
        Ok(Placed::Kept)
    }

    fn put_in(
        &self,
        writer: &mut Writer,
        batch: u32,
        chunks: &[(Address, &[u8])],
        single_owner: bool,
    ) -> Result<(), PodsError> {
        writer.check()?;
        let now_ms = self.clock.now().0;
        let mut taken = Taken::default();
        let placed = self.place(writer, &mut taken, batch, now_ms, chunks, single_owner);
        match placed {
            Ok(()) => {
                writer.slots = writer.slots.max(taken.slots_until);
                writer.used.extend(&taken.reused);
                writer.unsynced |= taken.rewritten;
                self.pending.write().extend(taken.rows);
            }
            Err(error) => {
                writer.free.extend(taken.reused.iter().rev());
                if let Some(stamps) = writer.batches.get_mut(&batch) {
                    stamps.give_back(taken.rows.keys());
                }
                return Err(error);
            }
        }
        if self.pending.read().len() >= PENDING_MAX {
            self.commit(writer)?;
        }
        Ok(())
    }

    /// Gives chunks that are here a holder: a stamp of a batch, or a pin.
    fn hold(
        &self,
        writer: &mut Writer,
        addresses: &[Address],
        mut holder: impl FnMut(&mut Writer, &Address, &Row) -> Result<Option<Holder>, PodsError>,
    ) -> Result<(), PodsError> {
        writer.check()?;
        for address in addresses {
            let row = self.row(address)?;
            let mut row = row.ok_or(SwarmError::Missing { address: *address })?;
            if let Some(holder) = holder(writer, address, &row)? {
                row.holders.push(holder);
                self.pending.write().insert(*address, row);
            }
        }
        if self.pending.read().len() >= PENDING_MAX {
            self.commit(writer)?;
        }
        Ok(())
    }

    /// Stamps chunks that are here.
    fn stamp(&self, batch: u32, addresses: &[Address]) -> Result<(), PodsError> {
        let mut writer = self.writer.lock();
        let now_ms = self.clock.now().0;
        let stamps = writer.stamps(batch)?;
        stamps.check_time(now_ms)?;
        stamps.load(&self.index, batch)?;
        self.hold(&mut writer, addresses, |writer, address, row| {
            if row.is_held_by(batch) {
                return Ok(None);
            }
            let stamp = writer.stamps(batch)?.take(address)?;
            Ok(Some(Holder {
                number: batch,
                stamp,
            }))
        })
    }

    /// Finds a stamp and a slot for each chunk, and writes what is new.
    fn place(
        &self,
        writer: &mut Writer,
        taken: &mut Taken,
        batch: u32,
        now_ms: u64,
        chunks: &[(Address, &[u8])],
        single_owner: bool,
    ) -> Result<(), PodsError> {
        let Writer {
            batches,
            free,
            slots,
            ..
        } = writer;
        let stamps = batches.get_mut(&batch).ok_or_else(|| forgotten(batch))?;
        stamps.check_time(now_ms)?;
        stamps.load(&self.index, batch)?;
        taken.slots_until = *slots;
        let mut new: Vec<(u64, &[u8])> = Vec::with_capacity(chunks.len());
        for (address, bytes) in chunks {
            if taken.rows.contains_key(address) {
                continue;
            }
            let known = self.row(address)?;
            let is_damaged = known.is_some() && self.damaged.lock().contains(address);
            let mut row = if let Some(row) = known {
                if is_damaged && bytes.len() == usize::from(row.len) {
                    taken.rewritten = true;
                    new.push((row.slot, bytes));
                }
                row
            } else {
                let slot = if let Some(slot) = free.pop() {
                    taken.reused.push(slot);
                    slot
                } else {
                    taken.slots_until += 1;
                    taken.slots_until - 1
                };
                new.push((slot, bytes));
                Row {
                    slot,
                    len: u16::try_from(bytes.len()).map_err(|_| {
                        PodsError::Damaged(format!("chunk {address} has {} bytes", bytes.len()))
                    })?,
                    single_owner,
                    holders: Vec::new(),
                }
            };
            if row.is_held_by(batch) {
                continue;
            }
            let stamp = stamps.take(address)?;
            row.holders.push(Holder {
                number: batch,
                stamp,
            });
            taken.rows.insert(*address, row);
        }
        self.write_slots(&mut new)?;
        let mut damaged = self.damaged.lock();
        if !damaged.is_empty() {
            for (address, _) in chunks {
                damaged.remove(address);
            }
        }
        Ok(())
    }

    /// Writes chunks to their slots, neighbours in one go.
    fn write_slots(&self, chunks: &mut [(u64, &[u8])]) -> Result<(), PodsError> {
        chunks.sort_unstable_by_key(|(slot, _)| *slot);
        for run in chunks.chunk_by(|(a, _), (b, _)| a + 1 == *b) {
            let (Some((first, _)), Some((last, tail))) = (run.first(), run.last()) else {
                continue;
            };
            let mut bytes = vec![0; usize_of((last - first) * SLOT_BYTES) + tail.len()];
            for (slot, chunk) in run {
                let at = usize_of((slot - first) * SLOT_BYTES);
                bytes[at..at + chunk.len()].copy_from_slice(chunk);
            }
            self.file
                .file()
                .write_all_at(&bytes, first * SLOT_BYTES)
                .map_err(|error| self.failed("writing", *first, error))?;
        }
        Ok(())
    }

    /// Makes everything that was put survive a crash.
    fn commit(&self, writer: &mut Writer) -> Result<(), PodsError> {
        writer.check()?;
        let pending = self.pending.read();
        if pending.is_empty() && !writer.unsynced {
            return Ok(());
        }
        let mut rows: Vec<(&Address, &Row)> = pending.iter().collect();
        rows.sort_unstable_by_key(|(address, _)| **address);
        let written = self
            .file
            .sync_data()
            .map_err(|error| self.failed("syncing", 0, error))
            .and_then(|()| {
                self.index.write(|transaction| {
                    let mut table = transaction.open_table(index::CHUNKS)?;
                    for (address, row) in rows {
                        table.insert(&address.0, row.encode(address).as_slice())?;
                    }
                    let mut free = transaction.open_table(index::FREE)?;
                    for slot in &writer.used {
                        free.remove(slot)?;
                    }
                    for (number, stamps) in &writer.batches {
                        stamps.write(transaction, *number)?;
                    }
                    index::set_number(transaction, index::SLOTS_KEY, writer.slots)
                })
            });
        drop(pending);
        if let Err(error) = written {
            // The transaction is there whole or not at all, and which of the two is not known.
            writer.broken = true;
            return Err(error);
        }
        writer.used.clear();
        writer.unsynced = false;
        writer.batches.values_mut().for_each(Stamps::written);
        self.pending.write().clear();
        Ok(())
    }

    /// Where a slot is, for messages.
    fn place_of(&self, slot: u64) -> String {
        format!("{} at byte {}", self.path.display(), slot * SLOT_BYTES)
    }

    fn failed(&self, what: &str, slot: u64, error: std::io::Error) -> PodsError {
        PodsError::Io {
            what: format!("{what} {}", self.place_of(slot)),
            error,
        }
    }
}

/// What a call of [`Disk::put`] has taken so far, to be given back if it fails.
#[derive(Debug, Default)]
struct Taken {
    rows: HashMap<Address, Row>,
    /// Free slots.
    reused: Vec<u64>,
    /// One behind the last slot.
    slots_until: u64,
    /// Whether a damaged chunk was written anew.
    rewritten: bool,
}

impl Writer {
    fn load(index: &Index) -> Result<Self, PodsError> {
        let (ledger, journal) = batch::load_ledger(index)?;
        let free = index.read(|transaction| {
            let table = transaction.open_table(index::FREE)?;
            let mut free = Vec::new();
            for row in table.range::<u64>(..)?.rev() {
                free.push(row?.0.value());
            }
            Ok(free)
        })?;
        let next_holder = index.number(index::HOLDER_KEY)?.unwrap_or(0);
        Ok(Self {
            slots: index.number(index::SLOTS_KEY)?.unwrap_or(0),
            free,
            used: Vec::new(),
            unsynced: false,
            next_holder: u32::try_from(next_holder)
                .map_err(|_| PodsError::Damaged("the number of the next batch".to_owned()))?,
            batches: batch::load(index)?,
            pins: pins::load(index)?,
            ledger,
            journal,
            broken: false,
        })
    }

    fn stamps(&mut self, batch: u32) -> Result<&mut Stamps, PodsError> {
        self.batches.get_mut(&batch).ok_or_else(|| forgotten(batch))
    }

    /// Refuses to go on after a write of which nobody knows what became.
    fn check(&self) -> Result<(), PodsError> {
        if self.broken {
            return Err(PodsError::Damaged(
                "an earlier write failed halfway; nothing more is written until the store is opened anew"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

impl Drop for Disk {
    /// Keeps what an upload that was broken off has put, so that it costs nothing to put it again.
    fn drop(&mut self) {
        let mut writer = self.writer.lock();
        let _ = self.commit(&mut writer);
    }
}

impl ChunkStore for Disk {
    fn get(&self, address: &Address) -> Result<Option<Bytes>, StoreFault> {
        let read = self.read(address).map_err(|error| fault(&error))?;
        Ok(read.map(|(_, bytes)| bytes))
    }

    fn put(&self, _: &[(Address, &[u8])]) -> Result<(), StoreFault> {
        Err(StoreFault::here("it takes chunks only with a stamp"))
    }
}

impl Keeper for Disk {
    fn name(&self) -> String {
        "the embedded store".to_owned()
    }

    fn has(&self, address: &Address) -> Result<bool, StoreFault> {
        Ok(self.row(address).map_err(|error| fault(&error))?.is_some())
    }

    fn damaged(&self, address: &Address) -> Option<String> {
        let row = self.row(address).ok().flatten()?;
        self.damaged.lock().insert(*address);
        Some(self.place_of(row.slot))
    }

    fn latest(&self, feed: &Feed, after: FeedIndex) -> Result<Option<(FeedIndex, Soc)>, PodsError> {
        Ok(feed.latest(self, after)?)
    }

    fn deposit<'k>(&'k self, wallet: Owner) -> Result<Box<dyn Deposit + 'k>, PodsError> {
        Ok(Box::new(deposit::DiskDeposit::begin(self, wallet)?))
    }

    fn deposit_with<'k>(
        &'k self,
        wallet: Owner,
        batch: &str,
    ) -> Result<Box<dyn Deposit + 'k>, PodsError> {
        let chosen = self.batch_of(wallet, batch)?;
        Ok(Box::new(deposit::DiskDeposit::with(self, chosen)))
    }

    fn batches(&self, wallet: Owner) -> Result<Vec<Batch>, PodsError> {
        Ok(self.list_batches(wallet))
    }

    fn buy(&self, wallet: Owner, what: &BuyBatch) -> Result<Bought, PodsError> {
        let bought = self.buy_batch(&mut self.writer.lock(), wallet, what);
        bought.map(|(_, bought)| bought)
    }

    fn set_pinned(&self, wallet: Owner, root: &Reference, pinned: bool) -> Result<(), PodsError> {
        if pinned {
            self.pin(wallet, root)
        } else {
            self.unpin(wallet, root)
        }
    }

    fn pins(&self, wallet: Owner) -> Result<Vec<Reference>, PodsError> {
        self.list_pins(wallet)
    }

    fn collect(&self) -> Result<Freed, PodsError> {
        self.collect_chunks()
    }

    fn leave(&self, offer: &Offer) -> Result<(), PodsError> {
        self.leave_offer(offer)
    }

    fn left_for(&self, pod: Owner) -> Result<Vec<Offer>, PodsError> {
        self.list_offers(pod)
    }

    fn forget(&self, pod: Owner, id: &str) -> Result<(), PodsError> {
        self.forget_offer(pod, id)
    }
}

/// What went wrong, for a reader of chunks.
fn fault(error: &PodsError) -> StoreFault {
    StoreFault::here(match error {
        PodsError::Io { what, error } => format!("{what}: {error}"),
        other => other.to_string(),
    })
}

fn forgotten(batch: u32) -> PodsError {
    PodsError::Batch {
        id: format!("number {batch}"),
        why: "it has expired, and was forgotten".to_owned(),
    }
}

/// Lengths of a call's chunks fit memory.
fn usize_of(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
