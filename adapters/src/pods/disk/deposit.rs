//! Writing to the embedded store.

use bytes::Bytes;
use parking_lot::Mutex;

use super::batch::Chosen;
use super::{Disk, fault};
use crate::pods::keeper::{Deposit, Placed};
use crate::pods::{Batch, PodsError};
use crate::swarm::sign::Owner;
use crate::swarm::soc::Soc;
use crate::swarm::store::{ChunkStore, StoreFault};
use crate::swarm::{Address, Reference, SwarmError};

/// Chunks on their way to disk. What is put is in the store at once, and on disk at the latest with
/// [`Deposit::finish`].
pub(super) struct DiskDeposit<'d> {
    disk: &'d Disk,
    batch: u32,
    /// The batch's id.
    id: String,
    bought: Option<Batch>,
    /// Why the last `put` failed, in the words of pods.
    failed: Mutex<Option<PodsError>>,
}

impl<'d> DiskDeposit<'d> {
    pub(super) fn begin(disk: &'d Disk, wallet: Owner) -> Result<Self, PodsError> {
        let (chosen, bought) = disk.choose_batch(wallet)?;
        Ok(Self {
            bought,
            ..Self::with(disk, chosen)
        })
    }

    pub(super) fn with(disk: &'d Disk, (batch, id): Chosen) -> Self {
        Self {
            disk,
            batch,
            id,
            bought: None,
            failed: Mutex::default(),
        }
    }
}

impl ChunkStore for DiskDeposit<'_> {
    fn get(&self, address: &Address) -> Result<Option<Bytes>, StoreFault> {
        self.disk.get(address)
    }

    fn put(&self, chunks: &[(Address, &[u8])]) -> Result<(), StoreFault> {
        self.disk.put(self.batch, chunks).map_err(|error| {
            let fault = fault(&error);
            *self.failed.lock() = Some(error);
            fault
        })
    }
}

impl Deposit for DiskDeposit<'_> {
    fn stamp(&self, chunks: &[Address]) -> Result<(), PodsError> {
        self.disk.stamp(self.batch, chunks)
    }

    fn put_single_owner(&self, chunk: &Soc) -> Result<Placed, PodsError> {
        self.disk.put_single_owner(self.batch, chunk)
    }

    fn settle(&self, _: &Reference) -> Result<(), PodsError> {
        // The index learns of chunks in the order in which they were put.
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), PodsError> {
        let mut writer = self.disk.writer.lock();
        self.disk.commit(&mut writer)
    }

    fn batch(&self) -> Option<&str> {
        Some(&self.id)
    }

    fn bought(&self) -> Option<Batch> {
        self.bought.clone()
    }

    fn explain(&self, fault: StoreFault) -> PodsError {
        let failed = self.failed.lock().take();
        failed.unwrap_or_else(|| SwarmError::from(fault).into())
    }
}
