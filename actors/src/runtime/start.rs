//! How a runtime begins with what its store holds, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use genesis::id::VcId;
use genesis::power::{Grants, Power};
use genesis::refusal::{Code, Refusal};
use genesis::wire;

use super::{Config, KEY_VERSION, KeyRow, RESERVED_BIRTHS, Runtime, SWEEP, contents, from_store};
use crate::beds::BED_VERSION;
use crate::behaviour::Natives;
use crate::birth::Birth;
use crate::cell::read_row;
use crate::contents::{Shelf, adopted};
use crate::events::Events;
use crate::lane::Lane;
use crate::letter::Letter;
use crate::log::Log;
use crate::modules::Modules;
use crate::natives::natives;
use crate::port::Port;
use crate::shared::{Gateway, Shared};
use crate::steward::Steward;
use crate::store::{Op, Store, StoreError, Table};
use crate::worker::beds::BED_MARK;
use crate::worker::{Worker, index};

impl Runtime {
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
        let modules = Modules::new(config.sandbox, config.store.clone());
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
        let clock = &config.clock;
        let shelf = config
            .contents
            .map(|store| Shelf::new(store, Arc::clone(clock)));
        let shared = Arc::new(Shared {
            ports: (0..workers).map(|_| Port::default()).collect(),
            clock: config.clock,
            natives: config.natives,
            modules,
            slow: Lane::default(),
            log,
            shelf,
            events: Events::default(),
            beds: dashmap::DashMap::new(),
            dormitory: config.dormitory,
            outside: config.outside,
            names: dashmap::DashMap::new(),
            gateway,
            seed: config.seed,
            deterministic: config.deterministic,
            open: AtomicBool::new(false),
            brakes: AtomicU64::new(0),
            trace: config.trace || config.deterministic,
            watchers: Arc::default(),
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
        contents::sweep_idle(&runtime.shared).await;
        let sweeper = Arc::downgrade(&runtime.shared);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(shared) = sweeper.upgrade() else {
                    return;
                };
                sweep(&shared);
                contents::sweep_idle(&shared).await;
            }
        });
        Ok(runtime)
    }

    /// Takes up what the store holds, and lets the society be born.
    pub(super) async fn settle(&self, owed: Vec<Letter>) -> Result<(), Refusal> {
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
            for mut letter in owed {
                let to = letter.to;
                letter.contents = adopted(shared.shelf.as_ref(), letter.contents);
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
    pub(super) async fn read_marks(&self) -> Result<(), Refusal> {
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
            for (key, value) in rows {
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
                } else if kind == BED_MARK {
                    let bed = wire::decode(BED_VERSION, &value).map_err(|error| {
                        let id = VcId::from_bytes(id);
                        Refusal::new(Code::Corrupt, format!("the bed of {id}: {error}"))
                    })?;
                    self.shared.beds.insert(VcId::from_bytes(id), bed);
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
    pub(super) async fn society(&self) -> Result<(), Refusal> {
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

    pub(super) async fn settle_reserved(&self, id: VcId, birth: Birth) -> Result<(), Refusal> {
        let owner = self.shared.owner;
        if let Some(name) = &birth.name {
            self.shared.names.insert(name.clone(), id);
        }
        self.on(id, move |worker| worker.birth(id, owner, false, birth))
            .await??;
        Ok(())
    }

    pub(super) async fn feed_the_indexer(&self) -> Result<(), Refusal> {
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
}

/// The number of this run of a store: no two runs give the same ids.
pub(super) fn next_epoch(store: &dyn Store) -> Result<u64, StoreError> {
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
pub(super) fn sweep(shared: &Shared) {
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
