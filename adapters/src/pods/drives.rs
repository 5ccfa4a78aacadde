//! Pods over any keeper: what makes drives of chunks.
//!
//! A wallet's key is all that is needed to find its pods again. From it follow
//! * the **list**: a feed of the wallet's address whose records, sealed, name an encrypted list of the wallet's pods with
//!   a secret for each;
//! * each pod's **snapshots**: a feed of a key that follows from the pod's secret; its records, sealed unless the pod is
//!   public, name a root manifest ([`tree`](super::tree));
//! * **shares**: single-owner chunks whose place, owner and seal follow from a reference key.
//!
//! So nothing that a private pod stores says to whom it belongs, what it holds, or which chunks belong together.
//!
//! Nothing is kept here but what saves look-ups. Two processes may work on one wallet through a keeper that both reach
//! (a Bee): whoever writes a record second finds the place taken, and begins again from what is there.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use actors::clock::Clock;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::keeper::{Deposit, Keeper, Placed};
use super::record::{Listed, Records, SnapshotRecord};
use super::tree::{At, Tree};
use super::wallet::WalletKey;
use super::{
    Batch, Bought, BuyBatch, Edit, Entry, ForkOf, Found, Freed, Offer, PodInfo, PodName, PodPath,
    Pods, PodsError, Progress, Snapshot, Source, Verified, reach,
};
use crate::swarm::encrypt::Keys;
use crate::swarm::joiner::Joiner;
use crate::swarm::sign::Owner;
use crate::swarm::splitter::{SplitOptions, split};
use crate::swarm::store::ChunkStore;
use crate::swarm::{Reference, SwarmError};

mod edit;
mod offer;
mod share;
mod source;
mod transfer;
mod verify;

/// Most pods of a wallet.
pub const PODS_MAX: usize = 10_000;
/// Longest list of pods, in bytes.
const LIST_BYTES_MAX: usize = PODS_MAX * 1024;
/// How often a change is begun again because another process was faster.
const RETRIES_MAX: usize = 8;
/// Most threads that hash and encrypt for one transfer.
const THREADS_MAX: usize = 8;

/// The pods of a wallet on a keeper.
pub struct Drives {
    keeper: Arc<dyn Keeper>,
    key: WalletKey,
    clock: Arc<dyn Clock>,
    threads: usize,
    /// The latest known number of a feed's records: where to look for later ones.
    known: Mutex<HashMap<Owner, u64>>,
    /// Held by whoever changes the list or makes a snapshot.
    writing: Mutex<()>,
    /// Batches bought and not yet told of.
    bought: Mutex<Vec<Batch>>,
}

impl std::fmt::Debug for Drives {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drives")
            .field("keeper", &self.keeper.name())
            .field("wallet", &self.key.owner())
            .finish_non_exhaustive()
    }
}

/// The wallet's pods by name.
type List = BTreeMap<String, Listed>;

/// What a record of the list says.
#[derive(Debug, Serialize, Deserialize)]
struct ListRecord {
    /// The list's contents, as JSON.
    list: String,
    /// The batch that stamped it and the records before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch: Option<String>,
}

/// The list, as its latest record has it.
#[derive(Debug, Default)]
struct Known {
    list: List,
    /// The number of the next record.
    next: u64,
    /// What stamped this one.
    batch: Option<String>,
}

impl Drives {
    /// The pods of the wallet with this key.
    pub fn new(keeper: Arc<dyn Keeper>, key: WalletKey, clock: Arc<dyn Clock>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            keeper,
            key,
            clock,
            threads: threads.min(THREADS_MAX),
            known: Mutex::default(),
            writing: Mutex::default(),
            bought: Mutex::default(),
        }
    }

    /// The wallet's address.
    pub fn wallet(&self) -> Owner {
        self.key.owner()
    }

    fn chunks(&self) -> &dyn ChunkStore {
        &*self.keeper
    }

    /// Begins to write, and remembers what had to be bought for it.
    fn deposit(&self) -> Result<Box<dyn Deposit + '_>, PodsError> {
        let deposit = self.keeper.deposit(self.key.owner())?;
        self.bought.lock().extend(deposit.bought());
        Ok(deposit)
    }

    fn now_s(&self) -> u64 {
        self.clock.now().0 / 1000
    }

    /// The keys of a pod's contents; none for a public one.
    fn keys(&self, public: bool) -> Option<Box<dyn Keys>> {
        (!public).then(|| Box::new(self.key.contents()) as Box<dyn Keys>)
    }

    /// The latest record of a feed, looked for from the last one known.
    fn latest<T: serde::de::DeserializeOwned>(
        &self,
        records: &Records,
    ) -> Result<Option<(u64, T)>, PodsError> {
        let owner = records.feed.owner;
        let known = self.known.lock().get(&owner).copied().unwrap_or(0);
        let mut latest = records.latest(&*self.keeper, known)?;
        if latest.is_none() && known > 0 {
            // What was known has expired; what came before may have lasted longer.
            latest = records.latest(&*self.keeper, 0)?;
        }
        if let Some((index, _)) = &latest {
            self.known.lock().insert(owner, *index);
        }
        Ok(latest)
    }

    fn list_records(&self) -> Records {
        Records {
            feed: self.key.list_feed(),
            seal: Some(self.key.list_seal()),
        }
    }

    /// The wallet's list.
    fn list_of_pods(&self) -> Result<List, PodsError> {
        Ok(self.list_and_record()?.list)
    }

    /// The wallet's list, and where it is from.
    fn list_and_record(&self) -> Result<Known, PodsError> {
        let Some((index, record)) = self.latest::<ListRecord>(&self.list_records())? else {
            return Ok(Known::default());
        };
        let reference: Reference = record.list.parse()?;
        let bytes = Joiner::open(self.chunks(), reference)
            .and_then(|mut list| list.read_all(LIST_BYTES_MAX))
            .map_err(|error| self.explain_swarm("the wallet's list of pods", error))?;
        let list = serde_json::from_slice(&bytes)
            .map_err(|error| PodsError::Damaged(format!("the wallet's list of pods: {error}")))?;
        Ok(Known {
            list,
            next: index + 1,
            batch: record.batch,
        })
    }

    /// Changes the wallet's list. `change` is given the list and the number of the record to be, and may be asked again;
    /// `also` writes what belongs to it.
    fn change_list<T>(
        &self,
        change: &dyn Fn(&mut List, u64) -> Result<T, PodsError>,
        also: &dyn Fn(&dyn Deposit, &T) -> Result<(), PodsError>,
    ) -> Result<T, PodsError> {
        for _ in 0..RETRIES_MAX {
            let known = self.list_and_record()?;
            let (index, mut list) = (known.next, known.list.clone());
            let changed = change(&mut list, index)?;
            if list == known.list {
                return Ok(changed);
            }
            if list.len() > PODS_MAX {
                return Err(PodsError::Unsupported {
                    keeper: "a wallet".to_owned(),
                    what: format!("have more than {PODS_MAX} pods"),
                    hint: "use another wallet (`--wallet NAME`)".to_owned(),
                });
            }
            let deposit = self.deposit()?;
            also(&*deposit, &changed)?;
            let bytes = serde_json::to_vec(&list)
                .map_err(|error| PodsError::Damaged(format!("the list of pods: {error}")))?;
            let keys = self.key.contents();
            let options = SplitOptions {
                keys: Some(&keys),
                ..SplitOptions::default()
            };
            let split = split(&bytes[..], &*deposit, &options)
                .map_err(|error| explain_put(&*deposit, error))?;
            deposit.settle(&split.reference())?;
            let record = ListRecord {
                list: split.reference().to_string(),
                batch: deposit.batch().map(str::to_owned),
            };
            let records = self.list_records();
            if record.batch != known.batch {
                records.stamp(&*self.keeper, &*deposit, index)?;
            }
            let placed = records.put(&*deposit, self.key.signer(), index, &record)?;
            if placed == Placed::Kept {
                deposit.finish()?;
                return Ok(changed);
            }
        }
        Err(self.too_busy("the wallet's list of pods"))
    }

    /// Stamps the wallet's list as it is: without it no pod is found.
    fn stamp_list(&self, deposit: &dyn Deposit) -> Result<(), PodsError> {
        let records = self.list_records();
        if let Some((index, record)) = self.latest::<ListRecord>(&records)? {
            let list: Reference = record.list.parse()?;
            share::stamp_all(self, deposit, &list, reach::contents_alone)?;
            records.stamp(&*self.keeper, deposit, index + 1)?;
        }
        Ok(())
    }

    fn too_busy(&self, what: &str) -> PodsError {
        PodsError::Unsupported {
            keeper: self.keeper.name(),
            what: format!("change {what}: others changed it {RETRIES_MAX} times meanwhile"),
            hint: "try again".to_owned(),
        }
    }

    /// A pod, open or closed.
    fn listed(&self, name: &PodName) -> Result<Listed, PodsError> {
        let mut list = self.list_of_pods()?;
        list.remove(name.as_str())
            .ok_or_else(|| PodsError::Missing(name.to_string()))
    }

    /// A pod that may be read and changed.
    fn opened(&self, name: &PodName) -> Result<Listed, PodsError> {
        let listed = self.listed(name)?;
        if listed.open {
            Ok(listed)
        } else {
            Err(PodsError::Closed(name.to_string()))
        }
    }

    /// A pod's latest snapshot. Every pod has one.
    fn head(&self, name: &str, listed: &Listed) -> Result<(u64, SnapshotRecord), PodsError> {
        self.latest(&listed.records()?)?.ok_or_else(|| {
            PodsError::Damaged(format!(
                "the pod `{name}`: its first snapshot is not here; if its stamps expired, a collection freed it"
            ))
        })
    }

    fn info(&self, name: &str, listed: &Listed) -> Result<PodInfo, PodsError> {
        let (index, record) = self.head(name, listed)?;
        listed.info(name, Some(record.to_snapshot(index)))
    }

    /// Adds a pod whose first snapshot `first` makes.
    fn add(
        &self,
        name: &PodName,
        public: bool,
        parent: Option<&ForkOf>,
        first: &dyn Fn(&dyn Deposit) -> Result<SnapshotRecord, PodsError>,
    ) -> Result<PodInfo, PodsError> {
        let _writing = self.writing.lock();
        let listed = self.change_list(
            &|list, index| {
                if list.contains_key(name.as_str()) {
                    return Err(PodsError::Exists(name.to_string()));
                }
                // No two records of the list have one number, so no two pods have one secret.
                let about = [&index.to_le_bytes(), name.as_str().as_bytes()].concat();
                let secret = self.key.derive("secret of a pod", &about);
                let listed = Listed::new(&secret, public, parent.cloned());
                list.insert(name.to_string(), listed.clone());
                Ok(listed)
            },
            &|deposit, listed| {
                let record = first(deposit)?.stamped_by(deposit.batch());
                let signer = listed.signer()?;
                match listed.records()?.put(deposit, &signer, 0, &record)? {
                    Placed::Kept => Ok(()),
                    Placed::Taken => Err(PodsError::Exists(name.to_string())),
                }
            },
        )?;
        self.info(name.as_str(), &listed)
    }

    /// An error of reading, with what was read and the place of a chunk that is damaged or missing.
    fn explain_swarm(&self, what: &str, error: SwarmError) -> PodsError {
        match error {
            SwarmError::Missing { address }
            | SwarmError::Corrupt { address }
            | SwarmError::Span { address, .. }
            | SwarmError::Shape { address, .. } => {
                let place = self.keeper.damaged(&address);
                let place = place.map_or_else(String::new, |place| format!(" ({place})"));
                PodsError::Damaged(format!("{what}: {error}{place}"))
            }
            other => other.into(),
        }
    }
}

/// Why chunks were not taken, in the keeper's own words where it has some.
fn explain_put(deposit: &dyn Deposit, error: SwarmError) -> PodsError {
    match error {
        SwarmError::Store(fault) => deposit.explain(fault),
        other => other.into(),
    }
}

impl Pods for Drives {
    fn keeper(&self) -> String {
        self.keeper.name()
    }

    fn create(&self, name: &PodName, public: bool) -> Result<PodInfo, PodsError> {
        self.add(name, public, None, &|deposit| {
            let keys = self.keys(public);
            let root = Tree::empty()
                .save(deposit, keys.as_deref())
                .map_err(|error| explain_put(deposit, error))?;
            SnapshotRecord::new(&root, self.now_s(), "created", 0, 0)
        })
    }

    fn set_open(&self, name: &PodName, open: bool) -> Result<PodInfo, PodsError> {
        let _writing = self.writing.lock();
        let listed = self.change_list(
            &|list, _| {
                let listed = list.get_mut(name.as_str());
                let listed = listed.ok_or_else(|| PodsError::Missing(name.to_string()))?;
                listed.open = open;
                Ok(listed.clone())
            },
            &|_, _| Ok(()),
        )?;
        self.info(name.as_str(), &listed)
    }

    fn pods(&self) -> Result<Vec<PodInfo>, PodsError> {
        let list = self.list_of_pods()?;
        let info = |(name, listed): (&String, &Listed)| match self.info(name, listed) {
            // One that is damaged must not hide the others; whoever reads it is told.
            Err(PodsError::Damaged(_)) => listed.info(name, None),
            info => info,
        };
        list.iter().map(info).collect()
    }

    fn pod(&self, name: &PodName) -> Result<PodInfo, PodsError> {
        self.info(name.as_str(), &self.listed(name)?)
    }

    fn remove_pod(&self, name: &PodName) -> Result<(), PodsError> {
        let _writing = self.writing.lock();
        self.change_list(
            &|list, _| match list.remove(name.as_str()) {
                Some(_) => Ok(()),
                None => Err(PodsError::Missing(name.to_string())),
            },
            &|_, ()| Ok(()),
        )
    }

    fn list(&self, from: &Source, path: &PodPath) -> Result<Vec<Entry>, PodsError> {
        self.resolve(from)?.list(self, path)
    }

    fn stat(&self, from: &Source, path: &PodPath) -> Result<Entry, PodsError> {
        self.resolve(from)?.stat(self, path)
    }

    fn walk(&self, from: &Source, path: &PodPath) -> Result<Vec<Entry>, PodsError> {
        self.resolve(from)?.walk(self, path)
    }

    fn read(
        &self,
        from: &Source,
        path: &PodPath,
        range: Option<Range<u64>>,
        out: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<u64, PodsError> {
        self.resolve(from)?.read(self, path, range, out, progress)
    }

    fn edit<'p>(&'p self, pod: &PodName) -> Result<Box<dyn Edit + 'p>, PodsError> {
        Ok(Box::new(edit::DriveEdit::begin(self, pod)?))
    }

    fn history(&self, pod: &PodName) -> Result<Vec<Snapshot>, PodsError> {
        let listed = self.opened(pod)?;
        let records = listed.records()?;
        let (latest, _) = self.head(pod.as_str(), &listed)?;
        let mut snapshots = Vec::new();
        for index in 0..=latest {
            let record: Option<SnapshotRecord> = records.at(&*self.keeper, index)?;
            snapshots.extend(record.map(|record| record.to_snapshot(index)));
        }
        Ok(snapshots)
    }

    fn share(&self, pod: &PodName, path: &PodPath) -> Result<String, PodsError> {
        self.share_path(pod, path)
    }

    fn find(&self, reference: &str) -> Result<Found, PodsError> {
        Ok(self.seek(reference)?.to_found())
    }

    fn fork(&self, from: &Source, name: &PodName) -> Result<PodInfo, PodsError> {
        self.fork_source(from, name)
    }

    fn offer(&self, fork: &PodName) -> Result<Offer, PodsError> {
        self.make_offer(fork)
    }

    fn offers(&self, pod: &PodName) -> Result<Vec<Offer>, PodsError> {
        self.keeper.left_for(self.opened(pod)?.owner()?)
    }

    fn settle(
        &self,
        pod: &PodName,
        offer: &str,
        take: bool,
    ) -> Result<Option<Snapshot>, PodsError> {
        self.settle_offer(pod, offer, take)
    }

    fn accept(&self, pod: &PodName, offer: &Offer) -> Result<Snapshot, PodsError> {
        self.take_offer(pod, offer)
    }

    fn bought_unasked(&self) -> Vec<Batch> {
        std::mem::take(&mut *self.bought.lock())
    }

    fn verify(&self, from: &Source, progress: &dyn Progress) -> Result<Verified, PodsError> {
        self.verify_source(from, progress)
    }

    fn batches(&self) -> Result<Vec<Batch>, PodsError> {
        self.keeper.batches(self.key.owner())
    }

    fn buy(&self, what: &BuyBatch) -> Result<Bought, PodsError> {
        self.keeper.buy(self.key.owner(), what)
    }

    fn set_pinned(&self, reference: &str, pinned: bool) -> Result<(), PodsError> {
        let wallet = self.key.owner();
        if !pinned
            && let Ok(root) = reference.parse()
            && self.keeper.pins(wallet)?.contains(&root)
        {
            // Damaged or not, it need not be kept.
            return self.keeper.set_pinned(wallet, &root, false);
        }
        let root = self.root_of(reference)?;
        self.keeper.set_pinned(wallet, &root, pinned)
    }

    fn pins(&self) -> Result<Vec<String>, PodsError> {
        let pins = self.keeper.pins(self.key.owner())?;
        Ok(pins.iter().map(Reference::to_string).collect())
    }

    fn collect(&self) -> Result<Freed, PodsError> {
        self.keeper.collect()
    }
}

/// What is at a path of a stored tree, or why nothing is.
fn at(
    store: &dyn ChunkStore,
    root: Reference,
    from: &str,
    path: &PodPath,
) -> Result<At, PodsError> {
    match Tree::open(store, root, 0, 0)?.at(store, path)? {
        At::Nothing => Err(PodsError::NoSuchPath {
            from: from.to_owned(),
            path: path.to_string(),
        }),
        found => Ok(found),
    }
}
