//! Who keeps chunks for pods: the port below [`Pods`](super::Pods).
//!
//! What pods are made of (manifests, feeds, shares) is the same wherever chunks are kept; a keeper adds who
//! may write (stamps), what is kept without them (pins), and that what it took can be read back.

use super::{Batch, Bought, BuyBatch, Freed, Offer, PodsError};
use crate::swarm::feed::{Feed, Index};
use crate::swarm::sign::Owner;
use crate::swarm::soc::Soc;
use crate::swarm::store::{ChunkStore, StoreFault};
use crate::swarm::{Address, Reference};

/// A place for chunks that takes them only with a stamp. Calls block.
///
/// [`ChunkStore::get`] reads what is there and is not trusted: who reads checks the bytes against the address.
/// [`ChunkStore::put`] is refused: writing is done in a [`Deposit`].
///
/// Wallets are told apart by their address. What a keeper says of batches and pins is said to one wallet.
pub trait Keeper: ChunkStore + Send + Sync {
    /// Who it is, for messages: `the embedded store`, `Bee at …`.
    fn name(&self) -> String;

    /// Whether a chunk is here, without its bytes being read.
    ///
    /// # Errors
    /// [`StoreFault`].
    fn has(&self, address: &Address) -> Result<bool, StoreFault> {
        Ok(self.get(address)?.is_some())
    }

    /// Is told that the bytes it gave for a chunk are not the chunk's, and answers where it keeps them, for
    /// messages: the file and the offset in it. Where they can be, they are replaced when the chunk is put again.
    fn damaged(&self, _address: &Address) -> Option<String> {
        None
    }

    /// The latest update of a feed from `after` on, or `None` if `after` itself is not there; [`Feed::latest`]
    /// where a look-up costs little.
    ///
    /// # Errors
    /// As [`Feed::latest`].
    fn latest(&self, feed: &Feed, after: Index) -> Result<Option<(Index, Soc)>, PodsError>;

    /// Begins to write for a wallet, with a batch that the keeper chooses among the wallet's.
    ///
    /// # Errors
    /// [`PodsError::Batch`] if none can stamp, [`PodsError::Funds`] if one had to be bought first.
    fn deposit<'k>(&'k self, wallet: Owner) -> Result<Box<dyn Deposit + 'k>, PodsError>;

    /// Begins to write for a wallet with the batch of this id, 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`PodsError::Batch`] if the wallet has no such batch, or it cannot stamp.
    fn deposit_with<'k>(
        &'k self,
        wallet: Owner,
        batch: &str,
    ) -> Result<Box<dyn Deposit + 'k>, PodsError>;

    /// The wallet's batches of stamps.
    ///
    /// # Errors
    /// What the keeper says.
    fn batches(&self, wallet: Owner) -> Result<Vec<Batch>, PodsError>;

    /// Buys a batch of stamps for the wallet.
    ///
    /// # Errors
    /// [`PodsError::Funds`], [`PodsError::Batch`] for a depth or a time that no batch has.
    fn buy(&self, wallet: Owner, what: &BuyBatch) -> Result<Bought, PodsError>;

    /// Keeps every chunk that a reference leads to (of contents, and of a manifest all that it names), stamped
    /// or not; or no longer. To do either again changes nothing.
    ///
    /// # Errors
    /// [`PodsError::Reference`] if a chunk of it is missing or damaged; nothing is pinned then.
    fn set_pinned(&self, wallet: Owner, root: &Reference, pinned: bool) -> Result<(), PodsError>;

    /// What the wallet has pinned.
    ///
    /// # Errors
    /// What the keeper says.
    fn pins(&self, wallet: Owner) -> Result<Vec<Reference>, PodsError>;

    /// Frees exactly what is neither stamped by a batch that has not expired nor pinned.
    ///
    /// # Errors
    /// [`PodsError::Unsupported`] where that is nobody's to say.
    fn collect(&self) -> Result<Freed, PodsError> {
        Err(self.unsupported("free chunks", "it does so by itself"))
    }

    /// Leaves an offer for the owner of the pod that it is for. One with the same id is replaced.
    ///
    /// # Errors
    /// [`PodsError::Unsupported`] where nobody would find it.
    fn leave(&self, _offer: &Offer) -> Result<(), PodsError> {
        Err(self.unsupported(
            "carry an offer",
            "write it to a file (`--output`), and give that to the author",
        ))
    }

    /// What was left for the owner of a pod.
    ///
    /// # Errors
    /// [`PodsError::Unsupported`].
    fn left_for(&self, _pod: Owner) -> Result<Vec<Offer>, PodsError> {
        Err(self.unsupported("list offers", "take them from files"))
    }

    /// Forgets what was left for the owner of a pod under this id.
    ///
    /// # Errors
    /// [`PodsError::Unsupported`].
    fn forget(&self, _pod: Owner, _id: &str) -> Result<(), PodsError> {
        Err(self.unsupported("forget an offer", "it keeps none"))
    }

    /// That it cannot do something.
    fn unsupported(&self, what: &str, hint: &str) -> PodsError {
        PodsError::Unsupported {
            keeper: self.name(),
            what: what.to_owned(),
            hint: hint.to_owned(),
        }
    }
}

/// What became of a single-owner chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is kept now, or was before.
    Kept,
    /// Another chunk is at its address, and stays.
    Taken,
}

/// Chunks on their way to a keeper, stamped by one batch.
///
/// [`ChunkStore::put`] takes content-addressed chunks. A chunk that is there already is stamped and not stored
/// again; a chunk that the batch has stamped before costs nothing. [`ChunkStore::get`] reads what the keeper has and
/// what was put here.
///
/// One that is dropped without [`Deposit::finish`] may leave chunks behind: they are stamped until the batch
/// expires, and putting them again costs nothing. So an upload that was broken off goes on where it was.
pub trait Deposit: ChunkStore {
    /// Stamps chunks that are kept already.
    ///
    /// # Errors
    /// [`PodsError::Batch`]; a chunk that is not here.
    fn stamp(&self, chunks: &[Address]) -> Result<(), PodsError> {
        for address in chunks {
            let bytes = self.get(address).map_err(|fault| self.explain(fault))?;
            let bytes = bytes.ok_or(crate::swarm::SwarmError::Missing { address: *address })?;
            self.put(&[(*address, &bytes)])
                .map_err(|fault| self.explain(fault))?;
        }
        Ok(())
    }

    /// Takes a single-owner chunk, unless another one is at its address.
    ///
    /// # Errors
    /// What the keeper says.
    fn put_single_owner(&self, chunk: &Soc) -> Result<Placed, PodsError>;

    /// Makes sure that what `root` names is found by whoever finds what is put behind this call: a keeper whose
    /// [`Deposit::finish`] keeps all or nothing has nothing to do.
    ///
    /// # Errors
    /// What could not be read back.
    fn settle(&self, root: &Reference) -> Result<(), PodsError>;

    /// Returns when everything that was put can be read back, after a crash too.
    ///
    /// # Errors
    /// What the keeper says; then nobody knows what is kept.
    fn finish(self: Box<Self>) -> Result<(), PodsError>;

    /// The id of the batch, where chunks are freed when what stamped them expires. When a wallet has another batch than
    /// its last snapshot says, the next one is stamped by it as a whole; elsewhere that would cost too much.
    fn batch(&self) -> Option<&str> {
        None
    }

    /// The batch that was bought for this deposit because the wallet had none.
    fn bought(&self) -> Option<Batch> {
        None
    }

    /// Says in the words of pods why a `put` or `get` failed, if that is known here.
    fn explain(&self, fault: StoreFault) -> PodsError {
        crate::swarm::SwarmError::from(fault).into()
    }
}
