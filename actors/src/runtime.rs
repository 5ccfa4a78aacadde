//! The whole runtime as a value: start it, talk to it, shut it down. Many fit into one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use genesis::id::{Digest, MessageId, VcId};
use genesis::image::Image;
use genesis::limits::{
    CONTENTS_INLINE_MAX, EXPIRY_DEFAULT_MS, EXPIRY_MAX_MS, NAME_BYTES_MAX, PAGE_MAX,
};
use genesis::message::Kind;
use genesis::power::{Grants, Power};
use genesis::refusal::{Code, Refusal};
use genesis::seal::NodeSecret;
use genesis::time::Time;
use genesis::wire;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::behaviour::Natives;
use crate::birth::{Birth, PartBirth};
use crate::cell::read_row;
use crate::clock::Clock;
use crate::events::Events;
use crate::handle::Entry;
use crate::letter::{Contents, Extra, Letter, Parcel};
use crate::life::Life;
use crate::log::Log;
use crate::natives::{Listing, natives};
use crate::port::Port;
use crate::shared::{Gateway, Shared};
use crate::steward::Steward;
use crate::store::{Op, Store, StoreError, Table};
use crate::view::{
    Answer, Fate, Hit, JournalView, ListQuery, LogPage, Outgoing, Portrait, Receipt, Seen, Stats,
    Summary,
};
use crate::worker::births::{Manner, fork_of, part_of};
use crate::worker::look::shape_of;
use crate::worker::reshape::{OCCURRENCE, OVERRIDE, body_of, wrap};
use crate::worker::{Worker, index};

/// How long a change of a body may take to be acknowledged, in milliseconds.
const RESHAPE_MS: u64 = 10_000;
/// How often expired idempotency keys are swept out.
const SWEEP: Duration = Duration::from_mins(10);
/// Births of roots that belong to the node itself: owner, scavenger, indexer.
const RESERVED_BIRTHS: u64 = 16;

/// What a runtime is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads that turn cells; 0 for one per core.
    pub workers: usize,
    /// The seed of all randomness.
    pub seed: u64,
    /// One worker, seeded order, virtual time (give it a [`VirtualClock`](crate::clock::VirtualClock)).
    pub deterministic: bool,
    /// From which the node's ids and keys are derived.
    pub secret: NodeSecret,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// The native behaviours it knows.
    pub natives: Natives,
    /// What survives it; without a store everything is volatile and nothing sleeps.
    pub store: Option<Arc<dyn Store>>,
    /// Over this many bytes of VCs and mail, idle VCs go to sleep.
    pub memory_bytes_max: usize,
    /// Whether every VC keeps the chain of its trace; always so if `deterministic`.
    pub trace: bool,
}

impl Config {
    /// A runtime with every native behaviour and no store.
    pub fn new(secret: NodeSecret, clock: Arc<dyn Clock>) -> Self {
        Self {
            workers: 0,
            seed: 0,
            deterministic: false,
            secret,
            clock,
            natives: natives(),
            store: None,
            memory_bytes_max: 1 << 30,
            trace: false,
        }
    }
}

/// A running runtime; clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Runtime {
    shared: Arc<Shared>,
    steward: Arc<Steward>,
    /// The next root's birth index.
    births: Arc<AtomicU64>,
    node_key: [u8; 32],
}

/// What is kept of a message that came with an idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) expires_at: Time,
    pub(crate) sequence: u64,
    pub(crate) message: MessageId,
    pub(crate) reply: Option<Box<Letter>>,
}

pub(crate) const KEY_VERSION: u8 = 1;

impl Runtime {
    // --- Life of the runtime ------------------------------------------------------------------

    /// Starts a runtime and, where there is a store, takes up what it holds: names, messages that are
    /// owed, VCs with timers. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Refusal`] if the store cannot be read or the configuration makes no sense.
    pub async fn start(config: Config) -> Result<Self, Refusal> {
        let workers = match (config.deterministic, config.workers) {
            (true, _) => 1,
            (false, 0) => std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(256),
            (false, n) if n <= 256 => n,
            (false, n) => {
                return Err(Refusal::new(
                    Code::Malformed,
                    format!("{n} workers, at most 256"),
                ));
            }
        };
        let node_key = config.secret.node_key();
        let reserved = |n| VcId::root(&node_key, n);
        let mut epoch = 0;
        let (log, writer, recovered) = match config.store {
            Some(store) => {
                epoch = next_epoch(store.as_ref()).map_err(from_store)?;
                let (log, writer, recovered) = Log::open(store).map_err(from_store)?;
                (Some(log), Some(writer), recovered)
            }
            None => (None, None, crate::log::Recovered::default()),
        };
        let gateway = Gateway::default();
        // Sequences and births of this run never meet those of another.
        gateway.sequence.0.store(epoch << 40, Ordering::Relaxed);
        let shared = Arc::new(Shared {
            ports: (0..workers).map(|_| Port::default()).collect(),
            clock: config.clock,
            natives: config.natives,
            log,
            events: Events::default(),
            names: dashmap::DashMap::new(),
            gateway,
            seed: config.seed,
            deterministic: config.deterministic,
            open: AtomicBool::new(false),
            trace: config.trace || config.deterministic,
            horizon: AtomicU64::new(0),
            memory_bytes_max: config.memory_bytes_max,
            owner: reserved(0),
            scavenger: reserved(1),
            indexer: reserved(2),
            tokio: tokio::runtime::Handle::current(),
        });
        let steward = Steward::start(&shared, writer).await?;
        let runtime = Self {
            shared,
            steward: Arc::new(steward),
            births: Arc::new(AtomicU64::new(epoch << 40 | RESERVED_BIRTHS)),
            node_key,
        };
        if let Err(why) = runtime.settle(recovered.owed).await {
            runtime.shutdown().await;
            return Err(why);
        }
        let sweeper = Arc::downgrade(&runtime.shared);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(shared) = sweeper.upgrade() else {
                    return;
                };
                sweep(&shared);
            }
        });
        Ok(runtime)
    }

    /// Takes up what the store holds, and lets the society be born.
    async fn settle(&self, owed: Vec<Letter>) -> Result<(), Refusal> {
        let shared = &self.shared;
        self.on(shared.owner, Worker::seat_owner).await?;
        if shared.log.is_some() {
            sweep(shared);
            self.read_marks().await?;
        }
        self.society().await?;
        if let Some(log) = shared.log.clone() {
            let mut after = Vec::new();
            loop {
                let rows = log
                    .store()
                    .range(Table::Names, &after, 1_024)
                    .map_err(from_store)?;
                let Some((last, _)) = rows.last() else { break };
                after = [last.as_slice(), &[0]].concat();
                for (name, id) in rows {
                    if let (Ok(name), Ok(id)) = (String::from_utf8(name), id.as_slice().try_into())
                    {
                        shared.names.insert(name, VcId::from_bytes(id));
                    }
                }
            }
            for letter in owed {
                let to = letter.to;
                self.on(to, move |worker| worker.deliver_owed(letter))
                    .await?;
            }
            self.feed_the_indexer().await?;
        }
        shared.open.store(true, Ordering::Release);
        for port in &shared.ports {
            port.nudge();
        }
        Ok(())
    }

    /// Wakes the VCs that have timers, and forgets the volatile ones of a former run.
    async fn read_marks(&self) -> Result<(), Refusal> {
        let Some(log) = &self.shared.log else {
            return Ok(());
        };
        let store = Arc::clone(log.store());
        let mut after = Vec::new();
        let (mut gone, mut timed) = (Vec::new(), Vec::new());
        loop {
            let rows = store
                .range(Table::Marks, &after, 1_024)
                .map_err(from_store)?;
            let Some((last, _)) = rows.last() else { break };
            after = [last.as_slice(), &[0]].concat();
            for (key, _) in rows {
                let (Some(&kind), Some(Ok(id))) =
                    (key.first(), key.get(1..).map(<[u8; 32]>::try_from))
                else {
                    continue;
                };
                if kind == b'v' {
                    let name = store
                        .get(Table::Vcs, &id)
                        .ok()
                        .flatten()
                        .and_then(|row| read_row(&row).ok()?.1.name);
                    gone.extend(name.map(|n| Op::Delete {
                        table: Table::Names,
                        key: n.into_bytes(),
                    }));
                    gone.push(Op::Delete {
                        table: Table::Vcs,
                        key: id.to_vec(),
                    });
                    gone.push(Op::Delete {
                        table: Table::Marks,
                        key,
                    });
                } else {
                    timed.push(VcId::from_bytes(id));
                }
            }
        }
        if !gone.is_empty() {
            store.commit(&gone).map_err(from_store)?;
        }
        for id in timed {
            match self
                .on(id, move |worker| worker.find_or_wake(id).map(drop))
                .await?
            {
                Err(why) if why.code != Code::Unknown => {
                    tracing::error!(%id, %why, "a VC with timers could not be woken");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The node's own VCs: the scavenger, which survives, and the indexer, which is fed anew.
    async fn society(&self) -> Result<(), Refusal> {
        let mut birth = Birth::native("indexer", "").named("indexer");
        birth.grants = Grants::NONE.with(Power::Send);
        birth.description = Some("keeps listings by shape and answers `find`".into());
        self.settle_reserved(self.shared.indexer, birth).await?;
        let scavenger = self.shared.scavenger;
        if self
            .on(scavenger, move |worker| {
                worker.find_or_wake(scavenger).is_ok()
            })
            .await?
        {
            return Ok(());
        }
        let mut birth = Birth::native("scavenger", "").named("scavenger").durable();
        birth.description = Some("takes what others strip, until it is adopted or removed".into());
        self.settle_reserved(scavenger, birth).await
    }

    async fn settle_reserved(&self, id: VcId, birth: Birth) -> Result<(), Refusal> {
        let owner = self.shared.owner;
        if let Some(name) = &birth.name {
            self.shared.names.insert(name.clone(), id);
        }
        self.on(id, move |worker| worker.birth(id, owner, false, birth))
            .await??;
        Ok(())
    }

    async fn feed_the_indexer(&self) -> Result<(), Refusal> {
        let Some(log) = self.shared.log.clone() else {
            return Ok(());
        };
        let mut after = Vec::new();
        loop {
            let rows = match log.store().range(Table::Vcs, &after, 256) {
                Ok(rows) => rows,
                Err(error) => {
                    // An index with gaps is no reason not to serve those whose rows can be read.
                    tracing::error!(%error, "the index is not complete");
                    return Ok(());
                }
            };
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            after = [last.as_slice(), &[0]].concat();
            for (key, row) in rows {
                let listing = match read_row(&row) {
                    Ok((_, image)) => index::listing_of(&image),
                    Err(error) => {
                        tracing::error!(?key, %error, "a VC's row cannot be read");
                        continue;
                    }
                };
                if let Some(listing) = listing {
                    self.on(listing.id, move |worker| worker.tell_indexer(&listing))
                        .await?;
                }
            }
        }
    }

    /// Takes no more messages, commits what there is, and ends the threads.
    pub async fn shutdown(&self) {
        for port in &self.shared.ports {
            port.control(Box::new(Worker::close));
        }
        self.steward.stop(&self.shared).await;
    }

    /// The VC of the node's owner: the sender of all that comes in over the API.
    pub fn owner(&self) -> VcId {
        self.shared.owner
    }

    /// The native behaviours known to every node.
    pub fn natives() -> Natives {
        natives()
    }

    /// What happened, in order.
    pub fn events(&self) -> &Events {
        &self.shared.events
    }

    /// Why the store cannot commit, if it cannot.
    ///
    /// # Errors
    /// [`Refusal`]: the disk is full, or the store failed.
    pub fn health(&self) -> Result<(), Refusal> {
        self.shared.log.as_ref().map_or(Ok(()), |log| log.health())
    }

    // --- Births -------------------------------------------------------------------------------

    /// An id, a name, or `name/occurrence/…` for a VC in a body.
    ///
    /// # Errors
    /// [`Refusal`] `unknown` or `malformed`.
    pub async fn resolve(&self, text: &str) -> Result<VcId, Refusal> {
        let mut steps = text.split('/');
        let head = steps.next().unwrap_or_default();
        let mut id = if head.starts_with("vc:") {
            head.parse().map_err(|error: genesis::id::AddressError| {
                Refusal::new(Code::Malformed, error.to_string()).who(text)
            })?
        } else {
            let id = self.shared.names.get(head).map(|entry| *entry.value());
            id.ok_or_else(|| {
                let shown: String = head.chars().take(NAME_BYTES_MAX).collect();
                Refusal::new(Code::Unknown, format!("no VC is called `{shown}`"))
                    .who(shown)
                    .hint("`medium ps --all` lists them")
            })?
        };
        for step in steps {
            let step = step.to_owned();
            id = self.on(id, move |worker| worker.inner(id, &step)).await??;
        }
        Ok(id)
    }

    /// Gives birth to a VC; once this returns, a durable one is on disk.
    ///
    /// # Errors
    /// [`Refusal`]: a taken name, a part the node does not know, a bound, or the store.
    pub async fn spawn(&self, birth: Birth) -> Result<VcId, Refusal> {
        let id = VcId::root(&self.node_key, self.births.fetch_add(1, Ordering::Relaxed));
        self.check_health(birth.durable)?;
        let name = self.claim(birth.name.as_deref(), id)?;
        let owner = self.shared.owner;
        let born = self
            .settled_on(id, move |worker| worker.birth(id, owner, false, birth))
            .await;
        self.release_on_error(name, id, born)
    }

    /// Lets a frozen VC go on here under its own id or, if `fresh`, a fork of it.
    ///
    /// # Errors
    /// [`Refusal`] `conflict` if it lives here already; else as [`Runtime::spawn`].
    pub async fn thaw(
        &self,
        mut image: Image,
        name: Option<String>,
        durable: bool,
        fresh: bool,
    ) -> Result<VcId, Refusal> {
        self.check_health(durable)?;
        if fresh {
            let id = VcId::root(&self.node_key, self.births.fetch_add(1, Ordering::Relaxed));
            let name = name.or_else(|| image.name.clone());
            fork_of(&mut image, id, name);
            image.host = self.shared.owner;
        } else {
            image.name = name.or(image.name);
            if self.stored(image.id)? {
                return Err(Refusal::new(
                    Code::Conflict,
                    format!("{} lives here already", image.id),
                )
                .who(image.id)
                .hint("spawn a fork of it, or remove it first"));
            }
            image.host = self.shared.owner;
            image.nested = false;
        }
        let id = image.id;
        let name = self.claim(image.name.as_deref(), id)?;
        let manner = Manner {
            durable,
            born: true,
            ..Manner::default()
        };
        let thawed = self
            .settled_on(id, move |worker| worker.thaw(image, manner).map(|_| id))
            .await;
        self.release_on_error(name, id, thawed)
    }

    /// A copy of a VC under another id; it goes its own way from here on.
    ///
    /// # Errors
    /// As [`Runtime::thaw`].
    pub async fn fork(&self, id: VcId, name: Option<String>) -> Result<VcId, Refusal> {
        let (mut image, durable) = self.on(id, move |worker| worker.frozen(id)).await??;
        image.name = None;
        self.thaw(image, name, durable, true).await
    }

    /// The image of a VC as it is now, with those in its body.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn freeze(&self, id: VcId) -> Result<Image, Refusal> {
        self.on(id, move |worker| worker.frozen(id))
            .await?
            .map(|(image, _)| image)
    }

    /// Gives birth to many plain VCs of one kind at once, volatile ones; each holds all of them as
    /// contacts if `book`. For worlds and benches.
    ///
    /// # Errors
    /// As [`Runtime::spawn`].
    pub async fn spawn_many(
        &self,
        birth: Birth,
        count: u64,
        book: bool,
    ) -> Result<Vec<VcId>, Refusal> {
        let first = self.births.fetch_add(count, Ordering::Relaxed);
        let ids: Vec<VcId> = (first..first + count)
            .map(|n| VcId::root(&self.node_key, n))
            .collect();
        let mut by_worker: Vec<Vec<VcId>> = vec![Vec::new(); self.shared.ports.len()];
        for &id in &ids {
            by_worker[self.shared.worker_of(id)].push(id);
        }
        let by_worker: Vec<Arc<[VcId]>> = by_worker.into_iter().map(Arc::from).collect();
        let born = move |worker: &mut Worker, ids: &[VcId]| worker.births(ids, &birth);
        for outcome in self.on_each(&by_worker, born).await? {
            outcome?;
        }
        if book {
            // With their handles, so that no message by the book has to look its receiver up.
            let entries = self.on_each(&by_worker, |worker, ids| worker.entries(ids));
            let mut entries: Vec<_> = entries.await?.into_iter().map(Vec::into_iter).collect();
            let in_order = ids
                .iter()
                .filter_map(|&id| entries[self.shared.worker_of(id)].next());
            let book: Arc<[Entry]> = in_order.collect();
            let share = move |worker: &mut Worker, ids: &[VcId]| worker.share_book(ids, &book);
            self.on_each(&by_worker, share).await?;
        }
        Ok(ids)
    }

    // --- Messages -----------------------------------------------------------------------------

    /// Sends a message; once this returns, it is accepted and, if its receiver is durable, on disk.
    ///
    /// # Errors
    /// [`Refusal`]: unknown, stopped, busy, too large, not accepted by the receiver's pattern, expired,
    /// or the disk is full.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Receipt, Refusal> {
        let key = self.key_of(&outgoing);
        if let Some(row) = self.known_key(key)? {
            self.key_settled(outgoing.to).await?;
            return Ok(Receipt {
                message: row.message,
                sequence: row.sequence,
                duplicate: true,
            });
        }
        let sequence = self.shared.gateway.next_sequence();
        self.admit(outgoing, sequence, key).await
    }

    /// Sends a message and waits for the answer. If none comes in time the message stays queued. An
    /// answer that depends on durable VCs is given out only once all it depends on is on disk.
    ///
    /// # Errors
    /// As [`Runtime::send`]; a bounce is an answer.
    pub async fn ask(&self, outgoing: Outgoing, wait_ms: u64) -> Result<Answer, Refusal> {
        let (key, to) = (self.key_of(&outgoing), outgoing.to);
        let known = self.known_key(key)?;
        let sequence = match &known {
            Some(row) => row.sequence,
            None => self.shared.gateway.next_sequence(),
        };
        let answer = self.shared.gateway.expect(sequence);
        let receipt = match known {
            Some(row) => Receipt {
                message: row.message,
                sequence,
                duplicate: true,
            },
            None => match self.admit(outgoing, sequence, key).await {
                Ok(receipt) => receipt,
                Err(why) => {
                    drop(answer);
                    self.shared.gateway.give_up(sequence);
                    return Err(why);
                }
            },
        };
        if receipt.duplicate
            && let Some(reply) = self.known_key(key)?.and_then(|row| row.reply)
        {
            drop(answer);
            self.shared.gateway.give_up(sequence);
            self.key_settled(to).await?;
            return Ok(Answer {
                receipt,
                reply: Some(*reply),
            });
        }
        let waited = tokio::time::timeout(Duration::from_millis(wait_ms), async {
            let (letter, slice) = answer.await.ok()?;
            if let (Some(log), true) = (&self.shared.log, slice > 0)
                && let Err(why) = log.settled(slice).await
            {
                return Some(Err(why));
            }
            Some(Ok(letter))
        });
        match waited.await {
            Ok(Some(Ok(letter))) => Ok(Answer {
                receipt,
                reply: Some(letter),
            }),
            Ok(Some(Err(why))) => Err(why),
            Ok(None) | Err(_) => {
                self.shared.gateway.give_up(sequence);
                Ok(Answer {
                    receipt,
                    reply: None,
                })
            }
        }
    }

    async fn admit(
        &self,
        outgoing: Outgoing,
        sequence: u64,
        key: Option<Digest>,
    ) -> Result<Receipt, Refusal> {
        let letter = self.letter(outgoing, sequence, key)?;
        let message = letter
            .to_message()
            .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
        let id = message
            .id()
            .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
        let receipt = Receipt {
            message: id,
            sequence,
            duplicate: false,
        };
        let row = key.map(|_| KeyRow {
            expires_at: letter.expires_at,
            sequence,
            message: id,
            reply: None,
        });
        let to = letter.to;
        self.shared.gateway.remember(id, message, Fate::Queued);
        let refused = |why: Refusal| {
            let reference = genesis::message::MessageRef {
                sender: self.shared.owner,
                sequence,
            };
            self.shared
                .gateway
                .ended(reference, || Fate::Bounced(why.clone()));
            why
        };
        self.settled_on(to, move |worker| worker.admit(letter, row))
            .await
            .map_err(refused)?;
        Ok(receipt)
    }

    fn letter(
        &self,
        outgoing: Outgoing,
        sequence: u64,
        key: Option<Digest>,
    ) -> Result<Letter, Refusal> {
        let now = self.shared.clock.now();
        let lives_ms = outgoing.expires_ms.unwrap_or(EXPIRY_DEFAULT_MS);
        if lives_ms > EXPIRY_MAX_MS {
            return Err(Refusal::new(
                Code::Malformed,
                format!("a message lives at most {EXPIRY_MAX_MS} ms (30 days), not {lives_ms}"),
            ));
        }
        let bytes = outgoing.contents.len();
        if bytes > CONTENTS_INLINE_MAX {
            return Err(Refusal::new(
                Code::TooLarge,
                format!(
                    "contents of {bytes} bytes, at most {CONTENTS_INLINE_MAX} travel inside a message"
                ),
            ));
        }
        if outgoing.channel.is_of_the_medium() {
            return Err(Refusal::new(
                Code::Denied,
                format!("only the medium itself speaks on `{}`", outgoing.channel),
            ));
        }
        let mut letter = Letter::new(
            self.shared.owner,
            sequence,
            outgoing.to,
            outgoing.contents,
            now,
        );
        letter.expires_at = now.plus_ms(lives_ms);
        letter.kind = outgoing.kind;
        letter.channel = outgoing.channel;
        let literal = outgoing.kind == Kind::Tell;
        let say = literal.then(|| genesis::native::native_digest("say", 1));
        letter.extra = Some(Box::new(Extra {
            metadata: outgoing.metadata,
            decoder: say,
            key,
            ..Extra::default()
        }));
        Ok(letter)
    }

    fn key_of(&self, outgoing: &Outgoing) -> Option<Digest> {
        let key = outgoing.key.as_ref()?;
        let fields = [
            self.shared.owner.as_bytes().as_slice(),
            outgoing.to.as_bytes(),
            key.as_bytes(),
        ];
        Some(Digest::of_fields(b"medium/1 dedup", &fields))
    }

    /// What is kept of a message with this key, if it has not expired.
    fn known_key(&self, key: Option<Digest>) -> Result<Option<KeyRow>, Refusal> {
        let (Some(key), now) = (key, self.shared.clock.now()) else {
            return Ok(None);
        };
        if let Some(row) = self.shared.gateway.keys.get(key) {
            return Ok(Some(row).filter(|row| row.expires_at > now));
        }
        let Some(log) = &self.shared.log else {
            return Ok(None);
        };
        let Some(row) = log.store().get(Table::Dedup, &key.0).map_err(from_store)? else {
            return Ok(None);
        };
        let row: KeyRow = wire::decode(KEY_VERSION, &row).map_err(|error| {
            Refusal::new(Code::Corrupt, format!("table dedup, key {key}: {error}"))
        })?;
        Ok(Some(row).filter(|row| row.expires_at > now))
    }

    /// Waits until what a key stands for is on disk: a repeated message is acknowledged no earlier than
    /// the first. The worker of its receiver has appended it once it has ended its round.
    async fn key_settled(&self, to: VcId) -> Result<(), Refusal> {
        self.settled_on(to, |_| Ok(())).await?;
        match &self.shared.log {
            Some(log) => log.settled(log.appended()).await,
            None => Ok(()),
        }
    }

    /// A message of the owner that was seen of late.
    pub fn message(&self, id: MessageId) -> Option<Seen> {
        let (message, fate) = self.shared.gateway.seen(id)?;
        Some(Seen { id, message, fate })
    }

    /// A door for many messages from outside at once, without a receipt for each; it waits for room.
    pub fn courier(&self) -> Courier {
        Courier {
            shared: Arc::clone(&self.shared),
            batches: (0..self.shared.ports.len()).map(|_| Vec::new()).collect(),
            sequences: (0, 0),
        }
    }

    // --- Reshaping ----------------------------------------------------------------------------

    /// Takes a part into a body, after it was tested, or on the owner's account; gives its occurrence.
    ///
    /// # Errors
    /// [`Refusal`] `untestable`, or the part failed its test, or a bound.
    pub async fn internalize(
        &self,
        id: VcId,
        part: PartBirth,
        by_override: bool,
    ) -> Result<u64, Refusal> {
        let part = part_of(&self.shared.natives, 0, part)?;
        let said = self.reshape(
            id,
            Kind::Internalize,
            wrap(&part)?.to_bytes(),
            None,
            by_override,
        );
        number(&said.await?)
    }

    /// Lets a VC adopt a part that another stripped and the scavenger holds; gives its occurrence.
    ///
    /// # Errors
    /// [`Refusal`]: nobody holds it, or the adopter refused it; it then stays with the scavenger.
    pub async fn adopt(&self, id: VcId, stripped: MessageId) -> Result<u64, Refusal> {
        let mut letter = self.letter(
            Outgoing::new(self.shared.scavenger, format!("give {stripped}")),
            self.shared.gateway.next_sequence(),
            None,
        )?;
        letter.extra_mut().contacts.push(id);
        let sequence = letter.sequence;
        let answer = self.shared.gateway.expect(sequence);
        let to = letter.to;
        self.settled_on(to, move |worker| worker.admit(letter, None))
            .await?;
        let said = self.answered(sequence, answer).await?;
        match said.strip_prefix(b"refused: ".as_slice()) {
            Some(why) => {
                Err(Refusal::new(Code::Fault, String::from_utf8_lossy(why).into_owned()).who(id))
            }
            None => number(&said),
        }
    }

    /// Replaces a part by a newer one, under the same occurrence; with no occurrence, the part of the
    /// same name or role.
    ///
    /// # Errors
    /// As [`Runtime::internalize`].
    pub async fn upgrade(
        &self,
        id: VcId,
        occurrence: Option<u64>,
        part: PartBirth,
        by_override: bool,
    ) -> Result<u64, Refusal> {
        let part = part_of(&self.shared.natives, 0, part)?;
        let contents = wrap(&part)?.to_bytes();
        let said = self.reshape(id, Kind::Upgrade, contents, occurrence, by_override);
        number(&said.await?)
    }

    /// Takes a part out of a body and broadcasts it; gives the message it is wrapped in.
    ///
    /// # Errors
    /// [`Refusal`] if the body has no such part, or it is a VC.
    pub async fn strip(&self, id: VcId, occurrence: u64) -> Result<MessageId, Refusal> {
        let part = self
            .on(id, move |worker| worker.part_digest(id, occurrence))
            .await??;
        let contents = [part.0.as_slice(), &occurrence.to_le_bytes()].concat();
        let said = self
            .reshape(id, Kind::Deprecate, contents.into(), None, false)
            .await?;
        let messages: Vec<MessageId> = wire::decode_prefix(&said)
            .map_err(|error| Refusal::new(Code::Internal, format!("the answer: {error}")))?
            .0;
        messages.first().copied().ok_or_else(|| {
            Refusal::new(Code::Internal, "the part was stripped and no message named")
        })
    }

    async fn reshape(
        &self,
        id: VcId,
        kind: Kind,
        contents: Bytes,
        occurrence: Option<u64>,
        by_override: bool,
    ) -> Result<Bytes, Refusal> {
        let mut outgoing = Outgoing {
            kind,
            ..Outgoing::new(id, contents)
        };
        if let Some(occurrence) = occurrence {
            let value = Bytes::copy_from_slice(&occurrence.to_le_bytes());
            outgoing.metadata.insert(OCCURRENCE.to_owned(), value);
        }
        if by_override {
            outgoing
                .metadata
                .insert(OVERRIDE.to_owned(), Bytes::from_static(b"owner"));
        }
        let answer = self.ask(outgoing, RESHAPE_MS).await?;
        contents_of(answer.reply)
    }

    async fn answered(
        &self,
        sequence: u64,
        answer: oneshot::Receiver<(Letter, u64)>,
    ) -> Result<Bytes, Refusal> {
        let waited = tokio::time::timeout(Duration::from_millis(RESHAPE_MS), answer).await;
        let Ok(Ok((letter, slice))) = waited else {
            self.shared.gateway.give_up(sequence);
            return contents_of(None);
        };
        if let (Some(log), true) = (&self.shared.log, slice > 0) {
            log.settled(slice).await?;
        }
        contents_of(Some(letter))
    }

    // --- Looking ------------------------------------------------------------------------------

    /// VCs in the order of their ids, and the id after which the next page begins, if there is one.
    ///
    /// # Errors
    /// [`Refusal`] if the store cannot be read.
    pub async fn list(&self, query: ListQuery) -> Result<(Vec<Summary>, Option<VcId>), Refusal> {
        let limit = if query.limit == 0 {
            PAGE_MAX
        } else {
            query.limit.min(PAGE_MAX)
        };
        let mut rows = Vec::new();
        for worker in 0..self.shared.ports.len() {
            let query = query.clone();
            rows.extend(
                self.on_worker(worker, move |w| w.list(&query, limit + 1))
                    .await?,
            );
        }
        self.list_sleepers(&query, limit + 1, &mut rows)?;
        rows.sort_unstable_by_key(|row| row.id);
        rows.dedup_by_key(|row| row.id);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| row.id);
        Ok((rows, next))
    }

    /// Those that are nowhere but in the store.
    fn list_sleepers(
        &self,
        query: &ListQuery,
        limit: usize,
        rows: &mut Vec<Summary>,
    ) -> Result<(), Refusal> {
        let Some(log) = &self.shared.log else {
            return Ok(());
        };
        let here: std::collections::HashSet<VcId> = rows.iter().map(|row| row.id).collect();
        let mut after = query
            .after
            .map_or_else(Vec::new, |id| [id.as_bytes().as_slice(), &[0]].concat());
        let mut found = 0;
        while found < limit {
            let stored = log
                .store()
                .range(Table::Vcs, &after, 256)
                .map_err(from_store)?;
            let Some((last, _)) = stored.last() else {
                break;
            };
            after = [last.as_slice(), &[0]].concat();
            for (key, row) in stored {
                let (flags, image) = read_row(&row).map_err(|error| {
                    Refusal::new(Code::Corrupt, format!("table vcs, key {key:?}: {error}"))
                })?;
                if image.nested && !query.all {
                    continue;
                }
                found += 1;
                if !here.contains(&image.id) {
                    rows.push(index::summary_of(&image, flags));
                }
            }
        }
        Ok(())
    }

    fn stored(&self, id: VcId) -> Result<bool, Refusal> {
        match &self.shared.log {
            Some(log) => Ok(log
                .store()
                .get(Table::Vcs, id.as_bytes())
                .map_err(from_store)?
                .is_some()),
            None => Ok(false),
        }
    }

    /// A VC on one screen. Looking at a sleeper does not wake it.
    ///
    /// # Errors
    /// [`Refusal`] `unknown` or `corrupt`.
    pub async fn show(&self, id: VcId) -> Result<Portrait, Refusal> {
        self.look(id, move |worker| worker.show(id)).await
    }

    /// A piece of a VC's log.
    ///
    /// # Errors
    /// As [`Runtime::show`].
    pub async fn logs(&self, id: VcId, after: u64, limit: usize) -> Result<LogPage, Refusal> {
        self.look(id, move |worker| worker.logs(id, after, limit))
            .await
    }

    /// What a VC's journal holds.
    ///
    /// # Errors
    /// [`Refusal`] `unknown` if it keeps none; else as [`Runtime::show`].
    pub async fn journal(&self, id: VcId) -> Result<JournalView, Refusal> {
        self.on(id, move |worker| worker.journal_of(id)).await?
    }

    /// Looks at a VC; one that slept goes back to sleep.
    async fn look<T: Send + 'static>(
        &self,
        id: VcId,
        look: impl FnOnce(&mut Worker) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.on(id, move |worker| worker.looking(id, look)).await?
    }

    /// A VC, whom it was forked from, and so on; with names and lives where they are known here.
    ///
    /// # Errors
    /// As [`Runtime::show`].
    pub async fn lineage(
        &self,
        id: VcId,
    ) -> Result<Vec<(VcId, Option<String>, Option<Life>)>, Refusal> {
        let first = self.show(id).await?;
        let mut chain = vec![(id, first.summary.name, Some(first.summary.life))];
        for ancestor in first.lineage {
            let known = self.show(ancestor).await.ok();
            let name = known
                .as_ref()
                .and_then(|portrait| portrait.summary.name.clone());
            chain.push((ancestor, name, known.map(|portrait| portrait.summary.life)));
        }
        Ok(chain)
    }

    /// Asks the indexer for VCs whose shape meets a pattern.
    ///
    /// # Errors
    /// [`Refusal`] `pattern`, with a caret under the fault, or if the indexer does not answer.
    pub async fn find(&self, pattern: &str, limit: usize) -> Result<Vec<Hit>, Refusal> {
        if let Err(error) = pattern.parse::<genesis::pattern::Pattern>() {
            let refusal = Refusal::new(Code::Pattern, error.with_caret());
            return Err(match error.hint() {
                Some(hint) => refusal.hint(hint),
                None => refusal,
            });
        }
        let limit = u32::try_from(limit.min(PAGE_MAX)).unwrap_or(u32::MAX);
        let question = index::question(pattern, limit)?;
        let answer = self
            .ask(Outgoing::new(self.shared.indexer, question), RESHAPE_MS)
            .await?;
        let Some(reply) = answer.reply.filter(|reply| reply.kind == Kind::Reply) else {
            return Err(Refusal::new(
                Code::Unreachable,
                "the indexer does not answer",
            ));
        };
        let listings: Vec<Listing> = index::answer(&reply.contents)?;
        Ok(listings
            .into_iter()
            .map(|listing| Hit {
                id: listing.id.to_string(),
                name: listing.name,
                shape: listing.shape.unwrap_or_default(),
                gives: index::links(&listing.links, genesis::channel::Polarity::Gives),
                needs: index::links(&listing.links, genesis::channel::Polarity::Needs),
            })
            .collect())
    }

    /// The shape of an image that does not live here.
    ///
    /// # Errors
    /// [`Refusal`] if its body is beyond a bound.
    pub fn shape_of(image: &Image) -> Result<std::collections::BTreeMap<String, i64>, Refusal> {
        Ok(shape_of(&body_of(&image.parts)?))
    }

    /// Numbers of the runtime.
    ///
    /// # Errors
    /// [`Refusal`] if it is shutting down.
    pub async fn stats(&self) -> Result<Stats, Refusal> {
        let mut stats = Stats::default();
        for worker in 0..self.shared.ports.len() {
            let (tally, queued, awake, bytes) = self.on_worker(worker, |w| w.numbers()).await?;
            stats.accepted += tally.accepted;
            stats.consumed += tally.consumed;
            stats.bounced += tally.bounced;
            stats.dead += tally.dead;
            stats.turns += tally.turns;
            stats.faults += tally.faults;
            stats.born += tally.born;
            stats.slept += tally.slept;
            stats.woken += tally.woken;
            stats.queued += queued as u64;
            stats.awake += awake as u64;
            stats.bytes += bytes as u64;
        }
        stats.commits = self.shared.log.as_ref().map_or(0, |log| log.commits());
        Ok(stats)
    }

    /// What became of messages of durable VCs ever since the node was born, as of the last commit:
    /// accepted, consumed, bounced, dead.
    pub fn lasting_counts(&self) -> [u64; 4] {
        let counts = self
            .shared
            .log
            .as_ref()
            .map(|log| log.counts())
            .unwrap_or_default();
        [
            counts.accepted,
            counts.consumed,
            counts.bounced,
            counts.dead,
        ]
    }

    /// The traces of all VCs, sorted by id, as one digest.
    ///
    /// # Errors
    /// As [`Runtime::stats`].
    pub async fn trace_digest(&self) -> Result<Digest, Refusal> {
        let mut traces = Vec::new();
        for worker in 0..self.shared.ports.len() {
            traces.extend(self.on_worker(worker, |w| w.traces()).await?);
        }
        self.traces_of_sleepers(&mut traces)?;
        traces.retain(|&(_, trace)| trace != Digest::ZERO);
        traces.sort_unstable();
        let mut list = Vec::new();
        wire::encode_into(&mut list, &traces)
            .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
        Ok(Digest::of(&list))
    }

    fn traces_of_sleepers(&self, traces: &mut Vec<(VcId, Digest)>) -> Result<(), Refusal> {
        let Some(log) = &self.shared.log else {
            return Ok(());
        };
        let here: std::collections::HashSet<VcId> = traces.iter().map(|&(id, _)| id).collect();
        let mut after = Vec::new();
        loop {
            let rows = log
                .store()
                .range(Table::Vcs, &after, 256)
                .map_err(from_store)?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            after = [last.as_slice(), &[0]].concat();
            let images = rows.iter().filter_map(|(_, row)| read_row(row).ok());
            let sleepers = images.filter(|(_, image)| !here.contains(&image.id));
            traces.extend(sleepers.map(|(_, image)| (image.id, image.trace)));
        }
    }

    // --- Lives --------------------------------------------------------------------------------

    /// Puts a VC to sleep; once this returns its image is on disk.
    ///
    /// # Errors
    /// [`Refusal`]: it is stopped, busy, or there is no store.
    pub async fn sleep(&self, id: VcId) -> Result<Life, Refusal> {
        self.settled_on(id, move |worker| worker.sleep(id)).await
    }

    /// Wakes a VC.
    ///
    /// # Errors
    /// [`Refusal`]: it is stopped or unknown.
    pub async fn wake(&self, id: VcId) -> Result<Life, Refusal> {
        self.on(id, move |worker| worker.wake(id)).await?
    }

    /// Stops a VC.
    ///
    /// # Errors
    /// [`Refusal`]: it is unknown.
    pub async fn stop_vc(&self, id: VcId) -> Result<Life, Refusal> {
        self.settled_on(id, move |worker| worker.stop_vc(id)).await
    }

    /// Leaves nothing of a stopped VC.
    ///
    /// # Errors
    /// [`Refusal`] `conflict` if it lives.
    pub async fn remove(&self, id: VcId) -> Result<Life, Refusal> {
        self.settled_on(id, move |worker| worker.remove(id)).await
    }

    /// Waits until no message is queued and no turn runs; timers may be pending.
    ///
    /// # Errors
    /// As [`Runtime::stats`].
    pub async fn quiet(&self) -> Result<(), Refusal> {
        let mut before = None;
        loop {
            let mut quiet = true;
            let mut turns = 0;
            for worker in 0..self.shared.ports.len() {
                let (calm, tally) = self
                    .on_worker(worker, |w| (w.is_quiet(), w.numbers().0))
                    .await?;
                quiet &= calm;
                turns += tally.turns + tally.accepted;
            }
            // Quiet twice in a row with nothing done in between: nothing was on its way.
            if quiet && before == Some(turns) {
                return Ok(());
            }
            before = quiet.then_some(turns);
            tokio::task::yield_now().await;
        }
    }

    /// Lets virtual time go on until `until`, doing all that is due before.
    ///
    /// # Errors
    /// [`Refusal`] if the runtime is not deterministic.
    pub async fn run_until(&self, until: Time) -> Result<(), Refusal> {
        if !self.shared.deterministic {
            return Err(Refusal::new(
                Code::Malformed,
                "only virtual time can be run; start with --deterministic",
            ));
        }
        self.shared.horizon.fetch_max(until.0, Ordering::Relaxed);
        loop {
            self.shared.ports[0].nudge();
            self.quiet().await?;
            if self
                .on_worker(0, move |worker| worker.is_past(until))
                .await?
            {
                self.shared.clock.advance_to(until);
                return Ok(());
            }
        }
    }

    // --- Helpers ------------------------------------------------------------------------------

    /// Has something done by the worker of a VC.
    async fn on<T: Send + 'static>(
        &self,
        id: VcId,
        job: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        self.on_worker(self.shared.worker_of(id), job).await
    }

    async fn on_worker<T: Send + 'static>(
        &self,
        worker: usize,
        job: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (sender, receiver) = oneshot::channel();
        self.shared.ports[worker].control(Box::new(move |worker| {
            let _ = sender.send(job(worker));
        }));
        receiver.await.map_err(|_| gone())
    }

    /// Has something done by every worker with its own VCs, by all at the same time.
    async fn on_each<T: Send + 'static>(
        &self,
        by_worker: &[Arc<[VcId]>],
        job: impl Fn(&mut Worker, &[VcId]) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, Refusal> {
        let mut pending = Vec::with_capacity(by_worker.len());
        for (port, ids) in self.shared.ports.iter().zip(by_worker) {
            let (sender, receiver) = oneshot::channel();
            let (ids, job) = (Arc::clone(ids), job.clone());
            port.control(Box::new(move |worker| {
                // Nobody waits any more: then nobody needs to know.
                let _ = sender.send(job(worker, &ids));
            }));
            pending.push(receiver);
        }
        let mut done = Vec::with_capacity(pending.len());
        for receiver in pending {
            done.push(receiver.await.map_err(|_| gone())?);
        }
        Ok(done)
    }

    /// The same, and waits until what was done is on disk, if it is to be.
    async fn settled_on<T: Send + 'static>(
        &self,
        id: VcId,
        job: impl FnOnce(&mut Worker) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (sender, receiver) = oneshot::channel();
        self.shared.at(id).control(Box::new(move |worker| {
            let outcome = job(worker);
            worker.after_slice(move |slice| {
                let _ = sender.send((outcome, slice));
            });
        }));
        let (outcome, slice) = receiver.await.map_err(|_| gone())?;
        let outcome = outcome?;
        if let (Some(log), true) = (&self.shared.log, slice > 0) {
            log.settled(slice).await?;
        }
        Ok(outcome)
    }

    fn check_health(&self, durable: bool) -> Result<(), Refusal> {
        if durable { self.health() } else { Ok(()) }
    }

    fn claim(&self, name: Option<&str>, id: VcId) -> Result<Option<String>, Refusal> {
        let Some(name) = name else { return Ok(None) };
        let valid = !name.is_empty()
            && name.len() <= NAME_BYTES_MAX
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !valid {
            let shown: String = name.chars().take(NAME_BYTES_MAX).collect();
            return Err(
                Refusal::new(Code::Malformed, format!("`{shown}` cannot be a name")).hint(format!(
                    "a name has 1 to {NAME_BYTES_MAX} letters, digits, - _ or ."
                )),
            );
        }
        match self.shared.names.entry(name.to_owned()) {
            dashmap::Entry::Occupied(taken) => Err(Refusal::new(
                Code::Conflict,
                format!("the name `{name}` is taken by {}", taken.get()),
            )
            .who(taken.get())
            .hint("give another with --name, or remove that one")),
            dashmap::Entry::Vacant(free) => {
                free.insert(id);
                Ok(Some(name.to_owned()))
            }
        }
    }

    fn release_on_error(
        &self,
        name: Option<String>,
        id: VcId,
        outcome: Result<VcId, Refusal>,
    ) -> Result<VcId, Refusal> {
        if outcome.is_err()
            && let Some(name) = name
        {
            self.shared.names.remove_if(&name, |_, owner| *owner == id);
        }
        outcome
    }
}

/// Sends many messages from outside in batches, as the owner, and waits where there is no room.
#[derive(Debug)]
pub struct Courier {
    shared: Arc<Shared>,
    batches: Vec<Vec<Parcel>>,
    /// Sequences it may give: from, until. Those it never gives are gaps, which lanes may have.
    sequences: (u64, u64),
}

impl Courier {
    /// How many messages travel together.
    const BATCH: usize = 256;

    /// Sends a message; it is in its batch at once and leaves with it, which is what is waited for.
    pub fn tell<C: Into<Contents>>(
        &mut self,
        to: VcId,
        contents: C,
    ) -> impl Future<Output = ()> + use<'_, C> {
        if self.sequences.0 == self.sequences.1 {
            let first = self.shared.gateway.next_sequences(Self::BATCH as u64);
            self.sequences = (first, first + Self::BATCH as u64);
        }
        let sequence = self.sequences.0;
        self.sequences.0 += 1;
        let worker = self.shared.worker_of(to);
        let batch = &mut self.batches[worker];
        batch.push(Parcel {
            to,
            sequence,
            sent_at: self.shared.clock.now(),
            contents: contents.into(),
        });
        let port = (batch.len() >= Self::BATCH).then(|| &self.shared.ports[worker]);
        async move {
            if let Some(port) = port {
                port.admit(batch).await;
            }
        }
    }

    /// Sends what has been gathered.
    pub async fn flush(&mut self) {
        for (worker, batch) in self.batches.iter_mut().enumerate() {
            if !batch.is_empty() {
                self.shared.ports[worker].admit(batch).await;
            }
        }
    }
}

fn gone() -> Refusal {
    Refusal::new(Code::Unreachable, "the runtime is shutting down")
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn from_store(error: StoreError) -> Refusal {
    let code = match error {
        StoreError::Full { .. } => Code::DiskFull,
        StoreError::Corrupt { .. } => Code::Corrupt,
        StoreError::InUse { .. } => Code::Conflict,
        StoreError::Version { .. } => Code::Malformed,
        StoreError::Io { .. } => Code::Io,
    };
    Refusal::new(code, error.to_string())
}

fn number(said: &[u8]) -> Result<u64, Refusal> {
    said.try_into()
        .map(u64::from_le_bytes)
        .map_err(|_| Refusal::new(Code::Internal, "the answer is not an occurrence"))
}

/// The contents of an answer, or the refusal that a bounce carries.
fn contents_of(reply: Option<Letter>) -> Result<Bytes, Refusal> {
    let Some(reply) = reply else {
        return Err(
            Refusal::new(Code::Timeout, format!("no answer within {RESHAPE_MS} ms"))
                .hint("the VC may have much mail to handle first; see `medium show`"),
        );
    };
    match reply.refusal() {
        Some(why) => Err(why),
        None => Ok(reply.contents.to_bytes()),
    }
}

/// The number of this run of a store: no two runs give the same ids.
fn next_epoch(store: &dyn Store) -> Result<u64, StoreError> {
    let last = store.get(Table::Meta, b"epoch")?;
    let last = last
        .and_then(|bytes| bytes.as_slice().try_into().ok())
        .map_or(0, u64::from_le_bytes);
    let value = (last + 1).to_le_bytes().to_vec();
    store.commit(&[Op::Put {
        table: Table::Meta,
        key: b"epoch".to_vec(),
        value,
    }])?;
    Ok(last + 1)
}

/// Forgets idempotency keys that have expired.
fn sweep(shared: &Shared) {
    let now = shared.clock.now();
    let Some(log) = &shared.log else { return };
    let mut after = Vec::new();
    while let Ok(rows) = log.store().range(Table::Dedup, &after, 1_024) {
        let Some((last, _)) = rows.last() else { return };
        after = [last.as_slice(), &[0]].concat();
        let expired = rows.into_iter().filter(|(_, row)| {
            wire::decode::<KeyRow>(KEY_VERSION, row).is_ok_and(|row| row.expires_at <= now)
        });
        let mut slice = crate::log::Slice::default();
        slice.ops.extend(expired.map(|(key, _)| Op::Delete {
            table: Table::Dedup,
            key,
        }));
        if !slice.is_empty() {
            log.append(&mut slice);
        }
    }
}
