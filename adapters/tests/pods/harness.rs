//! What the tests share: stores in folders of their own, and short ways to say what is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actors::clock::{Clock, VirtualClock};
use adapters::pods::{
    Edit, FileMeta, PodName, PodPath, PodStore, PodStoreOptions, Pods, PodsError, Quiet, Snapshot,
    Source, WalletName,
};
use genesis::time::Time;
use tempfile::TempDir;

/// A day on which tests begin, in milliseconds since 1970.
pub(crate) const TODAY_MS: u64 = 1_800_000_000_000;

/// A store in a folder that goes with it.
pub(crate) struct Store {
    pub(crate) pods: PodStore,
    pub(crate) clock: Arc<VirtualClock>,
    pub(crate) folder: TempDir,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    pub(crate) fn at(folder: TempDir) -> Self {
        let clock = Arc::new(VirtualClock::default());
        clock.advance_to(Time(TODAY_MS));
        let pods = PodStore::open(folder.path(), options(&clock)).unwrap();
        Self {
            pods,
            clock,
            folder,
        }
    }

    pub(crate) fn wallet(&self, name: &str) -> Arc<dyn Pods> {
        self.pods.wallet(&wallet(name)).unwrap()
    }
}

pub(crate) fn options(clock: &Arc<VirtualClock>) -> PodStoreOptions {
    PodStoreOptions {
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        random,
    }
}

/// Bytes that nobody drew before in this process.
pub(crate) fn random() -> Result<[u8; 32], PodsError> {
    static DRAWN: AtomicU64 = AtomicU64::new(1);
    let number = DRAWN.fetch_add(1, Ordering::Relaxed);
    Ok(*blake3::hash(&number.to_le_bytes()).as_bytes())
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

pub(crate) fn shown(entries: Vec<adapters::pods::Entry>) -> Vec<String> {
    let name = |entry: adapters::pods::Entry| match entry.kind {
        adapters::pods::EntryKind::File => entry.path,
        adapters::pods::EntryKind::Directory => entry.path + "/",
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
