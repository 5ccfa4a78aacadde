//! The pods of a data folder: the embedded store and the wallets that use it.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use actors::clock::Clock;
use parking_lot::Mutex;

use super::disk::Disk;
use super::keeper::Keeper;
use super::{Drives, Pods, PodsError, WalletName, Wallets};
use crate::swarm::keccak::Hash;

/// What a store of pods is given, because this crate neither reads clocks nor draws at random.
#[derive(Clone)]
pub struct PodStoreOptions {
    /// Says when snapshots are made and batches expire.
    pub clock: Arc<dyn Clock>,
    /// Draws the keys of new wallets: 32 bytes that nobody can guess.
    pub random: fn() -> Result<Hash, PodsError>,
}

impl fmt::Debug for PodStoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PodStoreOptions")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// The pods of a data folder: chunks in `pods/`, keys in `wallets/`. One process has it at a time.
#[derive(Debug)]
pub struct PodStore {
    disk: Arc<Disk>,
    wallets: Wallets,
    options: PodStoreOptions,
    /// Those in use: whoever asks for one wallet gets the same drives, whose changes wait for each other.
    drives: Mutex<HashMap<WalletName, Arc<Drives>>>,
}

impl PodStore {
    /// Opens the pods of a data folder, or makes room for them.
    ///
    /// # Errors
    /// [`PodsError::InUse`] if another process has them, [`PodsError::Damaged`], [`PodsError::Io`].
    pub fn open(data: &Path, options: PodStoreOptions) -> Result<Self, PodsError> {
        Ok(Self {
            disk: Arc::new(Disk::open(&data.join("pods"), Arc::clone(&options.clock))?),
            wallets: Wallets::of(data),
            options,
            drives: Mutex::default(),
        })
    }

    /// The pods of a wallet. The wallet is made if there is none of this name.
    ///
    /// # Errors
    /// As [`Wallets::key_or_new`].
    pub fn wallet(&self, name: &WalletName) -> Result<Arc<dyn Pods>, PodsError> {
        Ok(self.drives(name)?)
    }

    /// As [`Self::wallet`], with what only the embedded store can tell.
    ///
    /// # Errors
    /// As [`Self::wallet`].
    pub fn drives(&self, name: &WalletName) -> Result<Arc<Drives>, PodsError> {
        let mut drives = self.drives.lock();
        if let Some(known) = drives.get(name) {
            return Ok(Arc::clone(known));
        }
        let key = self.wallets.key_or_new(name, self.options.random)?;
        let keeper: Arc<dyn Keeper> = Arc::clone(&self.disk) as _;
        let made = Arc::new(Drives::new(keeper, key, Arc::clone(&self.options.clock)));
        drives.insert(name.clone(), Arc::clone(&made));
        Ok(made)
    }

    /// The wallets that have a key.
    pub const fn wallets(&self) -> &Wallets {
        &self.wallets
    }

    /// What keeps the chunks, for whoever serves or moves them.
    pub fn keeper(&self) -> Arc<dyn Keeper> {
        Arc::clone(&self.disk) as _
    }

    /// What keeps the chunks, with its money.
    pub const fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }
}
