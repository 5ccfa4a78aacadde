//! Wallets: a key each, and all that follows from it.
//!
//! A wallet's key is 32 bytes, kept as `wallets/NAME.key` of the data folder, for its owner only. Its address is the one
//! that Ethereum gives such a key. From the key follow the feed that lists the wallet's pods, what encrypts it, and what
//! encrypts the contents of its private pods; so the key alone finds everything again, on any keeper.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::seal::Secret;
use super::{PodsError, WalletName};
use crate::store::folder::{create_private, private_file, sync_dir};
use crate::swarm::encrypt::Convergent;
use crate::swarm::feed::Feed;
use crate::swarm::keccak::Hash;
use crate::swarm::sign::{Owner, Signer};

/// How file names of keys end.
const ENDING: &str = ".key";

/// A wallet's key. It is not shown.
#[derive(Clone)]
pub struct WalletKey {
    secret: Secret,
    signer: Signer,
}

impl fmt::Debug for WalletKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WalletKey({})", self.owner())
    }
}

impl WalletKey {
    /// The key with these bytes.
    ///
    /// # Errors
    /// [`PodsError::Swarm`] for one of the few numbers that are no key.
    pub fn from_bytes(bytes: Hash) -> Result<Self, PodsError> {
        let secret = Secret::new(bytes);
        let signer = secret.signer()?;
        Ok(Self { secret, signer })
    }

    /// The wallet's address.
    pub fn owner(&self) -> Owner {
        self.signer.owner()
    }

    /// What signs for the wallet: its offers, and its stamps where they are shown.
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What follows for a purpose.
    pub(super) fn derive(&self, purpose: &str, about: &[u8]) -> Secret {
        self.secret.derive(purpose, about)
    }

    /// The feed that lists the wallet's pods.
    pub(super) fn list_feed(&self) -> Feed {
        Feed {
            owner: self.owner(),
            topic: self.derive("topic of the list", &[]).bytes().to_vec(),
        }
    }

    /// What seals the updates of that feed.
    pub(super) fn list_seal(&self) -> Secret {
        self.derive("seal of the list", &[])
    }

    /// The keys of private contents: equal contents of one wallet are stored once.
    pub(super) fn contents(&self) -> Convergent {
        Convergent::new(*self.derive("contents", &[]).bytes())
    }
}

/// The folder of keys.
#[derive(Clone, Debug)]
pub struct Wallets {
    folder: PathBuf,
}

impl Wallets {
    /// The wallets of a data folder; nothing is made yet.
    pub fn of(data: &Path) -> Self {
        Self {
            folder: data.join("wallets"),
        }
    }

    /// Every wallet's name, in order.
    ///
    /// # Errors
    /// [`PodsError::Io`].
    pub fn names(&self) -> Result<Vec<WalletName>, PodsError> {
        let entries = match fs_err::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| self.failed(error))?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(ENDING));
            // What is no wallet's name was not put there by us.
            names.extend(name.and_then(|name| name.parse::<WalletName>().ok()));
        }
        names.sort();
        Ok(names)
    }

    /// A wallet's key, if there is such a wallet.
    ///
    /// # Errors
    /// [`PodsError::Io`], [`PodsError::Damaged`] if the file holds no key.
    pub fn key(&self, name: &WalletName) -> Result<Option<WalletKey>, PodsError> {
        let path = self.path(name);
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let damaged = || PodsError::Damaged(format!("{} is not a key", path.display()));
        let secret = Secret::from_hex(&text).ok_or_else(damaged)?;
        WalletKey::from_bytes(*secret.bytes()).map(Some)
    }

    /// A wallet's key; it is made of `random` bytes if there is none.
    ///
    /// # Errors
    /// As [`Wallets::key`].
    pub fn key_or_new(
        &self,
        name: &WalletName,
        random: impl FnOnce() -> Result<Hash, PodsError>,
    ) -> Result<WalletKey, PodsError> {
        if let Some(key) = self.key(name)? {
            return Ok(key);
        }
        let bytes = random()?;
        let key = WalletKey::from_bytes(bytes)?;
        let write = || {
            create_private(&self.folder)?;
            let mut options = private_file();
            let mut file = options.create_new(true).open(self.path(name))?;
            writeln!(file, "{}", Secret::new(bytes).to_hex())?;
            file.sync_all()?;
            sync_dir(&self.folder)
        };
        match write() {
            Ok(()) => Ok(key),
            // Another process was faster, and its key is the wallet's.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => self
                .key(name)?
                .ok_or_else(|| PodsError::Missing(name.to_string())),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn path(&self, name: &WalletName) -> PathBuf {
        self.folder.join(format!("{name}{ENDING}"))
    }

    fn failed(&self, error: std::io::Error) -> PodsError {
        PodsError::Io {
            what: format!("the keys in {}", self.folder.display()),
            error,
        }
    }
}
