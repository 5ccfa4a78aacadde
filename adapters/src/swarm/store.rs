//! Where chunks are.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::RwLock;

use super::reference::Address;

/// Why a store could not answer or keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the chunk store failed: {what}")]
pub struct StoreFault {
    /// What it said.
    pub what: String,
    /// Whether it is another server, that can be asked again; else it is on this machine.
    pub is_elsewhere: bool,
}

impl StoreFault {
    /// A store on this machine could not.
    pub fn here(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            is_elsewhere: false,
        }
    }

    /// Another server could not, or was not reached.
    pub fn elsewhere(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            is_elsewhere: true,
        }
    }
}

/// Chunks by address. Content-addressed and single-owner chunks share the addresses.
///
/// A store is not trusted to answer with the right bytes: who reads checks them.
pub trait ChunkStore: Sync {
    /// The chunk's bytes, as [`Chunk::bytes`](super::chunk::Chunk::bytes) or
    /// [`Soc::to_bytes`](super::soc::Soc::to_bytes) gave them, or `None` if it is not here.
    ///
    /// # Errors
    /// [`StoreFault`].
    fn get(&self, address: &Address) -> Result<Option<Bytes>, StoreFault>;

    /// Keeps chunks, all or none. A splitter passes a node of the tree behind its children, and up to
    /// 129 chunks at a time, so that one call can be one transaction.
    ///
    /// # Errors
    /// [`StoreFault`].
    fn put(&self, chunks: &[(Address, &[u8])]) -> Result<(), StoreFault>;

    /// Whether chunks that are put are kept. Where they are not, they need not be laid out.
    fn keeps(&self) -> bool {
        true
    }
}

/// A store that keeps nothing: for a reference alone, as `medium pod hash` prints it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nowhere;

impl ChunkStore for Nowhere {
    fn get(&self, _: &Address) -> Result<Option<Bytes>, StoreFault> {
        Ok(None)
    }

    fn put(&self, _: &[(Address, &[u8])]) -> Result<(), StoreFault> {
        Ok(())
    }

    fn keeps(&self) -> bool {
        false
    }
}

/// A store that lives as long as the process.
#[derive(Debug, Default)]
pub struct MemoryChunks {
    /// Held for a look-up or an insertion.
    chunks: RwLock<HashMap<Address, Bytes>>,
}

impl MemoryChunks {
    /// How many chunks there are.
    pub fn count(&self) -> usize {
        self.chunks.read().len()
    }

    /// Every address, in no order.
    pub fn addresses(&self) -> Vec<Address> {
        self.chunks.read().keys().copied().collect()
    }

    /// Forgets a chunk, and says whether it was here.
    pub fn remove(&self, address: &Address) -> bool {
        self.chunks.write().remove(address).is_some()
    }
}

impl ChunkStore for MemoryChunks {
    fn get(&self, address: &Address) -> Result<Option<Bytes>, StoreFault> {
        Ok(self.chunks.read().get(address).cloned())
    }

    fn put(&self, chunks: &[(Address, &[u8])]) -> Result<(), StoreFault> {
        let mut kept = self.chunks.write();
        for (address, bytes) in chunks {
            kept.entry(*address)
                .or_insert_with(|| Bytes::copy_from_slice(bytes));
        }
        Ok(())
    }
}
