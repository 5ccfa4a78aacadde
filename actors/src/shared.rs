//! What all workers of one runtime share. A value, not a global: a hundred runtimes fit one process.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use dashmap::DashMap;
use genesis::id::{Digest, MessageId, VcId};
use genesis::message::{Message, MessageRef};
use genesis::time::Time;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::beds::{Bed, Dormitory};
use crate::behaviour::Natives;
use crate::clock::Clock;
use crate::contents::Shelf;
use crate::events::Events;
use crate::lane::Lane;
use crate::letter::Letter;
use crate::log::Log;
use crate::modules::Modules;
use crate::outside::Outside;
use crate::port::Port;
use crate::replay::Ground;
use crate::runtime::KeyRow;
use crate::view::Fate;

/// Messages of the owner that `show` and `explain` still know.
const SEEN_MAX: usize = 16 * 1024;

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ports: Vec<Port>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) natives: Natives,
    pub(crate) modules: Modules,
    pub(crate) slow: Lane,
    pub(crate) log: Option<Arc<Log>>,
    pub(crate) shelf: Option<Arc<Shelf>>,
    pub(crate) events: Events,
    /// VCs that sleep in pods.
    pub(crate) beds: DashMap<VcId, Bed>,
    /// Who fetches them.
    pub(crate) dormitory: Option<Arc<dyn Dormitory>>,
    /// Who listens outside.
    pub(crate) outside: Option<Arc<dyn Outside>>,
    /// Names the owner gave.
    pub(crate) names: DashMap<String, VcId>,
    pub(crate) gateway: Gateway,
    pub(crate) seed: u64,
    pub(crate) deterministic: bool,
    /// Whether what was owed from before is in its mailboxes: no turn is taken earlier, so that nothing new
    /// overtakes it.
    pub(crate) open: AtomicBool,
    /// How many brakes are being pulled: meanwhile no turn is taken.
    pub(crate) brakes: AtomicU64,
    pub(crate) trace: bool,
    /// How many watch each turn that is recorded.
    pub(crate) watchers: Arc<AtomicU32>,
    /// Virtual time goes no further than this.
    pub(crate) horizon: AtomicU64,
    pub(crate) memory_bytes_max: usize,
    pub(crate) owner: VcId,
    pub(crate) scavenger: VcId,
    pub(crate) indexer: VcId,
    pub(crate) tokio: tokio::runtime::Handle,
}

impl Shared {
    /// Whether turns are taken.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire) && self.brakes.load(Ordering::Acquire) == 0
    }

    /// The index of the worker of a VC.
    pub(crate) fn worker_of(&self, id: VcId) -> usize {
        usize::from(id.placement()) % self.ports.len()
    }

    /// What a VC is computed again on.
    pub(crate) fn ground(&self) -> Ground<'_> {
        Ground {
            natives: &self.natives,
            modules: &self.modules,
            shelf: self.shelf.as_ref(),
            seed: self.seed,
        }
    }

    /// The door of the worker of a VC.
    pub(crate) fn at(&self, id: VcId) -> &Port {
        &self.ports[self.worker_of(id)]
    }
}

/// Something that many threads write, on cache lines of its own: beside it lies what all workers read
/// in every turn.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Alone<T>(pub(crate) T);

/// Where messages for the owner come out: asks that wait, and what was seen of late.
#[derive(Debug, Default)]
pub(crate) struct Gateway {
    /// More than one waits where a message was sent again with its idempotency key.
    asks: DashMap<u64, Vec<oneshot::Sender<(Letter, u64)>>>,
    seen: Mutex<SeenRing>,
    /// Idempotency keys of this run.
    pub(crate) keys: Keys,
    pub(crate) sequence: Alone<AtomicU64>,
}

/// The last idempotency keys of this run, until they can be read from the store: a bound, so the oldest
/// go. With a store they are on disk by then (the log's backlog is shorter); without one they are
/// forgotten, which `docs/SEMANTICS.md` says.
#[derive(Debug, Default)]
pub(crate) struct Keys(Mutex<KeysInner>);

#[derive(Debug, Default)]
struct KeysInner {
    rows: HashMap<Digest, KeyRow>,
    order: VecDeque<Digest>,
}

impl Keys {
    /// How many are kept: more than records may wait for the writer.
    const KEPT_MAX: usize = 128 * 1024;

    pub(crate) fn get(&self, key: Digest) -> Option<KeyRow> {
        self.0.lock().rows.get(&key).cloned()
    }

    /// Forgets the keys that have expired, and with them the answers kept for them.
    pub(crate) fn forget_expired(&self, now: Time) {
        let mut keys = self.0.lock();
        let KeysInner { rows, order } = &mut *keys;
        rows.retain(|_, row| row.expires_at > now);
        order.retain(|key| rows.contains_key(key));
    }

    pub(crate) fn insert(&self, key: Digest, row: KeyRow) {
        let mut keys = self.0.lock();
        if keys.rows.insert(key, row).is_none() {
            keys.order.push_back(key);
            if keys.order.len() > Self::KEPT_MAX
                && let Some(oldest) = keys.order.pop_front()
            {
                keys.rows.remove(&oldest);
            }
        }
    }
}

#[derive(Debug, Default)]
struct SeenRing {
    by_id: HashMap<MessageId, MessageRef>,
    by_reference: HashMap<MessageRef, (MessageId, Message, Fate)>,
    order: VecDeque<MessageRef>,
}

impl Gateway {
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequences(1)
    }

    /// The first of so many sequences that follow each other and belong to nobody else.
    pub(crate) fn next_sequences(&self, count: u64) -> u64 {
        self.sequence.0.fetch_add(count, Ordering::Relaxed) + 1
    }

    /// Registers an ask; its answer comes with the slice it depends on.
    pub(crate) fn expect(&self, sequence: u64) -> oneshot::Receiver<(Letter, u64)> {
        let (sender, receiver) = oneshot::channel();
        self.asks.entry(sequence).or_default().push(sender);
        receiver
    }

    /// Forgets those who no longer wait: drop the receiver first.
    pub(crate) fn give_up(&self, sequence: u64) {
        self.asks.remove_if_mut(&sequence, |_, waiting| {
            waiting.retain(|ask| !ask.is_closed());
            waiting.is_empty()
        });
    }

    /// Hands a letter to whoever asked; whether anybody did.
    pub(crate) fn deliver(&self, letter: Letter, slice: u64) -> bool {
        let Some((_, mut waiting)) = self.asks.remove(&letter.answers) else {
            return false;
        };
        let Some(last) = waiting.pop() else {
            return false;
        };
        let mut told = false;
        for ask in waiting {
            told |= ask.send((letter.clone(), slice)).is_ok();
        }
        last.send((letter, slice)).is_ok() || told
    }

    /// Remembers a message the owner sent.
    pub(crate) fn remember(&self, id: MessageId, message: Message, fate: Fate) {
        let reference = message.reference();
        let mut seen = self.seen.lock();
        if seen.order.len() >= SEEN_MAX
            && let Some(oldest) = seen.order.pop_front()
            && let Some((id, ..)) = seen.by_reference.remove(&oldest)
        {
            seen.by_id.remove(&id);
        }
        seen.order.push_back(reference);
        seen.by_id.insert(id, reference);
        seen.by_reference.insert(reference, (id, message, fate));
    }

    /// Remembers what became of a message.
    pub(crate) fn ended(&self, reference: MessageRef, fate: impl FnOnce() -> Fate) {
        if let Some(entry) = self.seen.lock().by_reference.get_mut(&reference) {
            entry.2 = fate();
        }
    }

    /// A message seen of late.
    pub(crate) fn seen(&self, id: MessageId) -> Option<(Message, Fate)> {
        let seen = self.seen.lock();
        let reference = seen.by_id.get(&id)?;
        seen.by_reference
            .get(reference)
            .map(|(_, message, fate)| (message.clone(), fate.clone()))
    }
}
