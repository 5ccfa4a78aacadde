//! A keeper in memory: the slow and simple model of what every keeper promises.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actors::clock::Clock;
use adapters::pods::keeper::{Deposit, Keeper, Placed};
use adapters::pods::{Batch, Bought, BuyBatch, Freed, Offer, PodsError};
use adapters::swarm::feed::{Feed, Index};
use adapters::swarm::sign::Owner;
use adapters::swarm::soc::Soc;
use adapters::swarm::store::{ChunkStore, StoreFault};
use adapters::swarm::{Address, Reference, SwarmError};
use bytes::Bytes;
use parking_lot::Mutex;

/// Chunks, who stamped them, and what is pinned, all said outright.
#[derive(Debug)]
pub(crate) struct Memory {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    chunks: BTreeMap<Address, Bytes>,
    /// By number: owner, when it expires in milliseconds, and what it stamped.
    batches: BTreeMap<usize, (Owner, u64, BTreeSet<Address>)>,
    pins: Vec<(Owner, Reference, BTreeSet<Address>)>,
    offers: Vec<Offer>,
}

impl Memory {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    pub(crate) fn chunks(&self) -> Vec<(Address, Bytes)> {
        let state = self.state.lock();
        let chunks = state.chunks.iter();
        chunks
            .map(|(address, bytes)| (*address, bytes.clone()))
            .collect()
    }

    fn batch(&self, number: usize, batch: &(Owner, u64, BTreeSet<Address>)) -> Batch {
        let ttl_ms = batch.1.saturating_sub(self.clock.now().0);
        Batch {
            id: format!("{number:064x}"),
            label: String::new(),
            depth: 24,
            fullest: 0,
            stamped: batch.2.len() as u64,
            ttl_s: ttl_ms / 1000,
            usable: ttl_ms > 0,
            motes: 0,
        }
    }

    fn keep(&self, batch: usize, address: Address, bytes: &[u8]) -> Result<(), PodsError> {
        let mut state = self.state.lock();
        let (_, expires, stamped) = state.batches.get_mut(&batch).unwrap();
        if *expires <= self.clock.now().0 {
            return Err(PodsError::Batch {
                id: batch.to_string(),
                why: "it has expired".to_owned(),
            });
        }
        stamped.insert(address);
        let bytes = Bytes::copy_from_slice(bytes);
        state.chunks.entry(address).or_insert(bytes);
        Ok(())
    }
}

impl ChunkStore for Memory {
    fn get(&self, address: &Address) -> Result<Option<Bytes>, StoreFault> {
        Ok(self.state.lock().chunks.get(address).cloned())
    }

    fn put(&self, _: &[(Address, &[u8])]) -> Result<(), StoreFault> {
        Err(StoreFault::here("it takes chunks only with a stamp"))
    }
}

impl Keeper for Memory {
    fn name(&self) -> String {
        "memory".to_owned()
    }

    fn latest(&self, feed: &Feed, after: Index) -> Result<Option<(Index, Soc)>, PodsError> {
        Ok(feed.latest(self, after)?)
    }

    fn deposit<'k>(&'k self, wallet: Owner) -> Result<Box<dyn Deposit + 'k>, PodsError> {
        if let Some(batch) = self.batches(wallet)?.last() {
            return self.deposit_with(wallet, &batch.id);
        }
        let what = BuyBatch {
            depth: 24,
            ttl_s: 1_000_000,
            label: String::new(),
        };
        let batch = self.buy(wallet, &what)?.batch;
        Ok(Box::new(InMemory {
            memory: self,
            batch: usize::from_str_radix(&batch.id, 16).unwrap(),
            bought: Some(batch),
            failed: Mutex::default(),
        }))
    }

    fn deposit_with<'k>(
        &'k self,
        _: Owner,
        batch: &str,
    ) -> Result<Box<dyn Deposit + 'k>, PodsError> {
        Ok(Box::new(InMemory {
            memory: self,
            batch: usize::from_str_radix(batch, 16).unwrap(),
            bought: None,
            failed: Mutex::default(),
        }))
    }

    fn batches(&self, wallet: Owner) -> Result<Vec<Batch>, PodsError> {
        let state = self.state.lock();
        let own = state.batches.iter().filter(|(_, batch)| batch.0 == wallet);
        Ok(own
            .map(|(number, batch)| self.batch(*number, batch))
            .collect())
    }

    fn buy(&self, wallet: Owner, what: &BuyBatch) -> Result<Bought, PodsError> {
        let mut state = self.state.lock();
        let number = state.batches.len();
        let expires_ms = self.clock.now().0 + what.ttl_s * 1000;
        let batch = (wallet, expires_ms, BTreeSet::new());
        let bought = Bought {
            batch: self.batch(number, &batch),
            motes_left: 0,
        };
        state.batches.insert(number, batch);
        Ok(bought)
    }

    fn set_pinned(&self, wallet: Owner, root: &Reference, pinned: bool) -> Result<(), PodsError> {
        let mut reached = BTreeSet::new();
        if pinned {
            reach(self, root, &mut reached)?;
        }
        let mut state = self.state.lock();
        state
            .pins
            .retain(|(owner, known, _)| *owner != wallet || known != root);
        if pinned {
            state.pins.push((wallet, *root, reached));
        }
        Ok(())
    }

    fn pins(&self, wallet: Owner) -> Result<Vec<Reference>, PodsError> {
        let state = self.state.lock();
        let own = state.pins.iter().filter(|(owner, ..)| *owner == wallet);
        Ok(own.map(|(_, root, _)| *root).collect())
    }

    fn collect(&self) -> Result<Freed, PodsError> {
        let now_ms = self.clock.now().0;
        let mut state = self.state.lock();
        let mut kept: BTreeSet<Address> = BTreeSet::new();
        for (_, expires_ms, stamped) in state.batches.values() {
            if *expires_ms > now_ms {
                kept.extend(stamped);
            }
        }
        for (_, _, reached) in &state.pins {
            kept.extend(reached);
        }
        let before = state.chunks.len();
        state.chunks.retain(|address, _| kept.contains(address));
        Ok(Freed {
            chunks: (before - state.chunks.len()) as u64,
            kept: state.chunks.len() as u64,
            ..Freed::default()
        })
    }

    fn leave(&self, offer: &Offer) -> Result<(), PodsError> {
        let mut state = self.state.lock();
        state.offers.retain(|known| known.id != offer.id);
        state.offers.push(offer.clone());
        Ok(())
    }

    fn left_for(&self, pod: Owner) -> Result<Vec<Offer>, PodsError> {
        let state = self.state.lock();
        let own = state
            .offers
            .iter()
            .filter(|offer| offer.to == pod.to_string());
        Ok(own.cloned().collect())
    }

    fn forget(&self, _: Owner, id: &str) -> Result<(), PodsError> {
        self.state.lock().offers.retain(|offer| offer.id != id);
        Ok(())
    }
}

/// Every chunk of a manifest and of what it names, by its own rule: read all, and remember what was asked for.
fn reach(
    memory: &Memory,
    root: &Reference,
    reached: &mut BTreeSet<Address>,
) -> Result<(), SwarmError> {
    use adapters::swarm::joiner::Joiner;
    use adapters::swarm::mantaray::Manifest;

    /// Remembers what it was asked for.
    struct Asked<'m>(&'m Memory, Mutex<BTreeSet<Address>>);
    impl ChunkStore for Asked<'_> {
        fn get(&self, address: &Address) -> Result<Option<Bytes>, StoreFault> {
            self.1.lock().insert(*address);
            self.0.get(address)
        }
        fn put(&self, _: &[(Address, &[u8])]) -> Result<(), StoreFault> {
            unreachable!("nothing is written")
        }
    }
    let asked = Asked(memory, Mutex::default());
    Joiner::open(&asked, *root)?.read_all(usize::MAX)?;
    if let Ok(manifest) = Manifest::open(&asked, *root) {
        let mut named = Vec::new();
        manifest.walk(&asked, b"", 1_000_000, &mut |_, entry| {
            named.extend(entry.reference);
            Ok(())
        })?;
        for reference in named {
            Joiner::open(&asked, reference)?.read_all(usize::MAX)?;
        }
    }
    reached.extend(asked.1.into_inner());
    Ok(())
}

struct InMemory<'m> {
    memory: &'m Memory,
    batch: usize,
    bought: Option<Batch>,
    failed: Mutex<Option<PodsError>>,
}

impl ChunkStore for InMemory<'_> {
    fn get(&self, address: &Address) -> Result<Option<Bytes>, StoreFault> {
        self.memory.get(address)
    }

    fn put(&self, chunks: &[(Address, &[u8])]) -> Result<(), StoreFault> {
        for (address, bytes) in chunks {
            self.memory
                .keep(self.batch, *address, bytes)
                .map_err(|error| {
                    let what = error.to_string();
                    *self.failed.lock() = Some(error);
                    StoreFault::here(what)
                })?;
        }
        Ok(())
    }
}

impl Deposit for InMemory<'_> {
    fn put_single_owner(&self, chunk: &Soc) -> Result<Placed, PodsError> {
        let (address, bytes) = (chunk.address(), chunk.to_bytes());
        if let Some(there) = self.memory.get(&address).unwrap()
            && there != bytes
        {
            return Ok(Placed::Taken);
        }
        self.memory.keep(self.batch, address, &bytes)?;
        Ok(Placed::Kept)
    }

    fn settle(&self, _: &Reference) -> Result<(), PodsError> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), PodsError> {
        Ok(())
    }

    fn bought(&self) -> Option<Batch> {
        self.bought.clone()
    }

    fn explain(&self, fault: StoreFault) -> PodsError {
        let failed = self.failed.lock().take();
        failed.unwrap_or_else(|| SwarmError::from(fault).into())
    }
}
