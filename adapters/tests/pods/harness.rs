//! What the tests share: keepers, wallets, and short ways to say what is done.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actors::clock::{Clock, VirtualClock};
use adapters::pods::disk::Disk;
use adapters::pods::keeper::Keeper;
use adapters::pods::{
    Drives, Edit, Entry, EntryKind, FileMeta, PodName, PodPath, PodStore, PodStoreOptions, Pods,
    PodsError, Quiet, Snapshot, Source, WalletKey, WalletName,
};
use genesis::time::Time;
use parking_lot::Mutex;
use tempfile::TempDir;

use super::memory::Memory;

/// The day on which tests begin, in milliseconds since 1970.
pub(crate) const TODAY_MS: u64 = 1_800_000_000_000;

/// A keeper, and wallets that use it.
pub(crate) struct World {
    pub(crate) keeper: Arc<dyn Keeper>,
    wallets: Mutex<HashMap<String, Arc<Drives>>>,
    clock: Arc<VirtualClock>,
    /// All bytes of all chunks that are kept.
    kept: Box<dyn Fn() -> Vec<Vec<u8>>>,
}

impl World {
    /// The pods of wallets over a keeper.
    pub(crate) fn over(
        keeper: Arc<dyn Keeper>,
        clock: Arc<VirtualClock>,
        kept: impl Fn() -> Vec<Vec<u8>> + 'static,
    ) -> Self {
        Self {
            keeper,
            wallets: Mutex::default(),
            clock,
            kept: Box::new(kept),
        }
    }

    pub(crate) fn on_disk() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), today());
        let disk = Arc::new(Disk::open(folder.path(), Arc::clone(&clock) as _).unwrap());
        Self::over(disk, clock, move || {
            vec![std::fs::read(folder.path().join("chunks.data")).unwrap()]
        })
    }

    pub(crate) fn in_memory() -> Self {
        let clock = today();
        let memory = Arc::new(Memory::new(Arc::clone(&clock) as _));
        let model = Arc::clone(&memory);
        Self::over(memory, clock, move || {
            let chunks = model.chunks();
            chunks.iter().map(|(_, bytes)| bytes.to_vec()).collect()
        })
    }

    /// The pods of the wallet with this name, whose key follows from it.
    pub(crate) fn wallet(&self, name: &str) -> Arc<Drives> {
        let mut wallets = self.wallets.lock();
        let drives = wallets
            .entry(name.to_owned())
            .or_insert_with(|| self.fresh(name));
        Arc::clone(drives)
    }

    /// The same pods, as another process has them.
    pub(crate) fn fresh(&self, name: &str) -> Arc<Drives> {
        let clock = Arc::clone(&self.clock) as _;
        Arc::new(Drives::new(Arc::clone(&self.keeper), key(name), clock))
    }

    /// All bytes of all chunks.
    pub(crate) fn kept(&self) -> Vec<Vec<u8>> {
        (self.kept)()
    }

    /// Everything that an operation could have changed.
    pub(crate) fn state(&self, pods: &dyn Pods) -> impl PartialEq + std::fmt::Debug {
        let mut hasher = blake3::Hasher::new();
        for bytes in self.kept() {
            hasher.update(&bytes);
        }
        (
            hasher.finalize(),
            pods.pods().unwrap(),
            pods.batches().unwrap(),
        )
    }
}

/// A clock that stands still at the day of tests.
pub(crate) fn today() -> Arc<VirtualClock> {
    let clock = Arc::new(VirtualClock::default());
    clock.advance_to(Time(TODAY_MS));
    clock
}

/// A key that follows from a name.
pub(crate) fn key(name: &str) -> WalletKey {
    WalletKey::from_bytes(*blake3::hash(name.as_bytes()).as_bytes()).unwrap()
}

/// The pods of a data folder.
pub(crate) fn open(data: &Path, clock: &Arc<VirtualClock>) -> Result<PodStore, PodsError> {
    PodStore::open(
        data,
        PodStoreOptions {
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            random: || Ok(drawn()),
        },
    )
}

/// A data folder with pods, and the clock that they have.
pub(crate) fn store() -> (PodStore, TempDir, Arc<VirtualClock>) {
    let (folder, clock) = (tempfile::tempdir().unwrap(), today());
    (open(folder.path(), &clock).unwrap(), folder, clock)
}

/// Bytes that nobody drew before in this process.
fn drawn() -> [u8; 32] {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let number = DRAWN.fetch_add(1, Ordering::Relaxed);
    *blake3::hash(&number.to_le_bytes()).as_bytes()
}

pub(crate) fn wallet(name: &str) -> WalletName {
    name.parse().unwrap()
}

pub(crate) fn pod(name: &str) -> PodName {
    name.parse().unwrap()
}

pub(crate) fn path(text: &str) -> PodPath {
    text.parse().unwrap()
}

pub(crate) fn source(name: &str) -> Source {
    Source::pod(&pod(name))
}

pub(crate) fn put(edit: &mut dyn Edit, at: &str, contents: impl AsRef<[u8]>) {
    let meta = FileMeta::default();
    let written = edit.write(&path(at), &meta, &mut contents.as_ref(), &Quiet);
    assert_eq!(written.unwrap().bytes, contents.as_ref().len() as u64);
}

/// Writes files as one snapshot.
pub(crate) fn write(pods: &dyn Pods, name: &str, files: &[(&str, &str)]) -> Snapshot {
    let mut edit = pods.edit(&pod(name)).unwrap();
    for (at, contents) in files {
        put(&mut *edit, at, contents);
    }
    edit.commit("").unwrap()
}

pub(crate) fn read(pods: &dyn Pods, from: &Source, at: &str) -> Result<Vec<u8>, PodsError> {
    let mut out = Vec::new();
    pods.read(from, &path(at), None, &mut out, &Quiet)?;
    Ok(out)
}

/// The paths below the root, directories with a `/` behind.
pub(crate) fn paths(pods: &dyn Pods, from: &Source) -> Vec<String> {
    shown(pods.walk(from, &PodPath::root()).unwrap())
}

pub(crate) fn shown(entries: Vec<Entry>) -> Vec<String> {
    let name = |entry: Entry| match entry.kind {
        EntryKind::File => entry.path,
        EntryKind::Directory => entry.path + "/",
    };
    entries.into_iter().map(name).collect()
}

/// Bytes that are not alike anywhere.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}
