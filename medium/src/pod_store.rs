//! The store of pods in a data folder: how it is opened, and how a node has it open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapters::pods::disk::Disk;
use adapters::pods::{PodStore, PodStoreOptions, Pods, PodsError, WalletKey, WalletName, Wallets};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::clock::SystemClock;
use crate::elsewhere::Elsewhere;
use crate::folder;

/// Opens the store of a data folder. It knows the time of day, on a deterministic node as well: stamps are
/// bought for so many days.
///
/// # Errors
/// [`PodsError`]: another process has it open, which is named, or it is damaged.
pub fn open(data: &Path) -> Result<Arc<PodStore>, PodsError> {
    folder::prepare(data)?;
    let options = PodStoreOptions {
        clock: Arc::new(SystemClock::default()),
        random: || Ok(folder::random()?),
    };
    PodStore::open(data, options).map(Arc::new)
}

/// The key of a wallet, which is made if there is none. The store need not be open.
///
/// # Errors
/// [`PodsError::Io`], [`PodsError::Damaged`].
pub fn wallet_key(data: &Path, name: &WalletName) -> Result<WalletKey, PodsError> {
    folder::prepare(data)?;
    Wallets::of(data).key_or_new(name, || Ok(folder::random()?))
}

/// A wallet, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    /// What it is called.
    pub name: String,
    /// Its address, 40 hexadecimal digits.
    pub address: String,
}

/// The wallets of a data folder, by name. Their keys are files; the store need not be open.
///
/// # Errors
/// [`PodsError::Io`], [`PodsError::Damaged`].
pub fn wallets(data: &Path) -> Result<Vec<Wallet>, PodsError> {
    let wallets = Wallets::of(data);
    let mut found = Vec::new();
    for name in wallets.names()? {
        // One that was removed meanwhile is not there.
        if let Some(key) = wallets.key(&name)? {
            found.push(Wallet {
                name: name.to_string(),
                address: key.owner().to_string(),
            });
        }
    }
    Ok(found)
}

/// The store of pods that a node has: opened when it is first needed, because most nodes never are asked for
/// pods, and another process may use the folder until then.
#[derive(Debug)]
pub struct NodePods {
    data: PathBuf,
    /// Shared by requests, each of which holds it only to look or to open.
    opened: Mutex<Option<Arc<PodStore>>>,
}

impl NodePods {
    /// That of a data folder, which is not touched yet.
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            opened: Mutex::new(None),
        }
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The store. Blocks while it is opened.
    ///
    /// # Errors
    /// As [`open`]; the next call tries again.
    pub fn store(&self) -> Result<Arc<PodStore>, PodsError> {
        let mut opened = self.opened.lock();
        if let Some(store) = &*opened {
            return Ok(store.clone());
        }
        Ok(opened.insert(open(&self.data)?).clone())
    }

    /// The pods of a wallet, which is made if there is none. Blocks.
    ///
    /// # Errors
    /// As [`NodePods::store`].
    pub fn wallet(&self, name: &WalletName) -> Result<Arc<dyn Pods>, PodsError> {
        self.store()?.wallet(name)
    }

    /// Pods that somebody else keeps, by what `--dfs` calls that: to read from references. Blocks.
    ///
    /// # Errors
    /// [`PodsError`]: there is no such keeper, or it cannot be reached.
    pub fn elsewhere(&self, keeper: &str) -> Result<Arc<dyn Pods>, PodsError> {
        let keeper: Elsewhere = keeper.parse()?;
        keeper.pods(&self.data, &WalletName::default())
    }

    /// Lets go of the store, and gives what is locked until nobody uses it.
    pub(crate) fn close(&self) -> Option<Arc<Disk>> {
        let store = self.opened.lock().take()?;
        Some(store.disk().clone())
    }
}
