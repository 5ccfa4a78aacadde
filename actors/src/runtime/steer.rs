//! Top, the brake, and gifts to purses.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use genesis::id::VcId;
use genesis::limits::PAGE_MAX;
use genesis::purse::Purse;
use genesis::refusal::{Code, Refusal};
use tokio::sync::oneshot;

use super::{Runtime, from_store, gone};
use crate::cell::{RowFlags, read_row};
use crate::life::Life;
use crate::shared::Shared;
use crate::store::Table;
use crate::view::{Brake, Braked, BrakedRow, Seqs, Top, TopBy};
use crate::worker::Worker;
use crate::worker::steer::{Kin, Sieve};

/// How long rates may be measured, in milliseconds.
pub const TOP_MS_MAX: u64 = 10_000;
/// So often in a row nothing may be unread before nothing is on its way: without turns, what is read is followed by
/// fewer letters than that, one after the other (a message comes back, what comes back dies).
const STILL: u32 = 4;
/// How often the brake looks for kin that came while it stopped others: each time means that it found some.
const ROUNDS_MAX: usize = 64;

impl Runtime {
    /// Has something done by every worker at the same time, between two rounds of each.
    async fn on_all<T: Send + 'static>(
        &self,
        job: impl Fn(&mut Worker) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, Refusal> {
        let mut pending = Vec::with_capacity(self.shared.ports.len());
        for port in &self.shared.ports {
            let (sender, receiver) = oneshot::channel();
            let job = job.clone();
            port.control(Box::new(move |worker| {
                // Nobody waits any more: then nobody needs to know.
                let _ = sender.send(job(worker));
            }));
            pending.push(receiver);
        }
        let mut done = Vec::with_capacity(pending.len());
        for receiver in pending {
            done.push(receiver.await.map_err(|_| gone())?);
        }
        Ok(done)
    }

    /// The busiest VCs in memory, and how many there are. Rates are measured for so long; 0 ranks by all there
    /// ever was and waits for nothing. Costs a pass over all VCs in memory, twice if rates are measured.
    ///
    /// # Errors
    /// [`Refusal`] if it is shutting down.
    pub async fn top(&self, by: TopBy, limit: usize, over_ms: u64) -> Result<Top, Refusal> {
        let limit = limit.min(PAGE_MAX);
        let clock = &self.shared.clock;
        let mut before = vec![(Vec::new(), 0); self.shared.ports.len()];
        let since = clock.now();
        if over_ms > 0 {
            before = self.on_all(|worker| worker.done()).await?;
            tokio::time::sleep(Duration::from_millis(over_ms.min(TOP_MS_MAX))).await;
        }
        let mut top = Top {
            at: since,
            over_ms: 0,
            seqs: Seqs::default(),
            live: 0,
            stopped: 0,
            queued: 0,
            rate: None,
            rows: Vec::new(),
        };
        let mut pending = Vec::new();
        for (port, before) in self.shared.ports.iter().zip(before) {
            let (sender, receiver) = oneshot::channel();
            port.control(Box::new(move |worker| {
                let _ = sender.send(worker.busiest(by, limit, &before));
            }));
            pending.push(receiver);
        }
        let (mut rows, mut turns) = (Vec::new(), 0);
        for receiver in pending {
            let part = receiver.await.map_err(|_| gone())?;
            top.seqs.0.push(part.seq);
            top.live += part.live;
            top.stopped += part.stopped;
            top.queued += part.queued;
            turns += part.turns;
            rows.extend(part.rows);
        }
        top.at = clock.now();
        if over_ms > 0 {
            top.over_ms = top.at.since_ms(since);
        }
        let a_second = |done: u64| match top.over_ms {
            0 => None,
            ms => u64::try_from(u128::from(done) * 1_000 / u128::from(ms)).ok(),
        };
        top.rate = a_second(turns);
        rows.sort_unstable_by_key(|(row, turns, fuel)| {
            let rank = match by {
                TopBy::Rate => (*turns, *fuel),
                TopBy::Fuel => (*fuel, *turns),
                TopBy::Mailbox => (u64::from(row.summary.mailbox), *turns),
            };
            (std::cmp::Reverse(rank), row.summary.id)
        });
        rows.truncate(limit);
        let rated = rows.into_iter().map(|(mut row, turns, fuel)| {
            row.rate = a_second(turns);
            row.fuel_rate = a_second(fuel);
            row
        });
        top.rows = rated.collect();
        Ok(top)
    }

    /// Stops all whom the brake names and all who descend from them, at once: while it looks for them nobody
    /// takes a turn, so nobody is born in the meantime. Once this returns, what is durable of it is on disk.
    ///
    /// The node's own VCs are stopped by no pattern. Those that sleep in the store are stopped, too; those that
    /// sleep in pods are not. Costs a pass over all VCs in memory, and one over the rows of the store.
    ///
    /// # Errors
    /// [`Refusal`] if it is shutting down, or the store fails.
    pub async fn brake(&self, brake: Brake) -> Result<Braked, Refusal> {
        let owner = self.shared.owner;
        if brake.ids.contains(&owner) {
            let what = "the owner is not stopped; stop the node";
            return Err(Refusal::new(Code::Denied, what).who(owner));
        }
        let mut caught = Caught {
            matched: brake.ids.iter().copied().collect(),
            ..Caught::default()
        };
        // Whom the pattern takes is decided once: those born later only if they descend from them.
        let mut pattern = brake.pattern.clone();
        let mut slices = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let held = Held::pull(&self.shared);
            self.traffic_is_read().await?;
            loop {
                let asked = pattern.take();
                let kin = self
                    .on_all(move |worker| worker.kin(asked.as_ref()))
                    .await?;
                let ids = caught.close(&kin.concat());
                if ids.is_empty() {
                    break;
                }
                slices.extend(self.stop_these(ids, &mut caught).await?);
            }
            drop(held);
            let asleep = self.sleeping_kin(&brake, &mut caught)?;
            if asleep.is_empty() {
                break;
            }
            slices.extend(self.wake_and_stop(asleep, &mut caught).await?);
        }
        if let (Some(log), Some(&last)) = (&self.shared.log, slices.iter().max()) {
            log.settled(last).await?;
        }
        Ok(caught.told())
    }

    /// Waits until nothing is on its way between workers, while nobody takes a turn.
    async fn traffic_is_read(&self) -> Result<(), Refusal> {
        let mut still = 0;
        while still < STILL {
            let unread = self.on_all(|worker| worker.has_traffic()).await?;
            still = if unread.contains(&true) { 0 } else { still + 1 };
        }
        Ok(())
    }

    /// Stops these at their workers; the slices in which that is written.
    async fn stop_these(&self, ids: Vec<VcId>, caught: &mut Caught) -> Result<Vec<u64>, Refusal> {
        let mut by_worker: Vec<Vec<VcId>> = vec![Vec::new(); self.shared.ports.len()];
        for id in ids {
            by_worker[self.shared.worker_of(id)].push(id);
        }
        let matched = Arc::new(caught.matched.clone());
        let mut pending = Vec::new();
        for (port, ids) in self.shared.ports.iter().zip(by_worker) {
            let (sender, receiver) = oneshot::channel();
            let matched = Arc::clone(&matched);
            port.control(Box::new(move |worker| {
                let rows = worker.brake(&ids, &matched);
                worker.after_slice(move |slice| {
                    let _ = sender.send((rows, slice));
                });
            }));
            pending.push(receiver);
        }
        let mut slices = Vec::new();
        for receiver in pending {
            let (rows, slice) = receiver.await.map_err(|_| gone())?;
            caught.stopped.extend(rows);
            slices.push(slice);
        }
        Ok(slices)
    }

    /// Those of the store that nobody has woken and that are named, taken by the pattern, or descend.
    fn sleeping_kin(&self, brake: &Brake, caught: &mut Caught) -> Result<Vec<VcId>, Refusal> {
        let Some(log) = &self.shared.log else {
            return Ok(Vec::new());
        };
        let sieve = brake.pattern.as_ref().map(Sieve::new);
        let own = [
            self.shared.owner,
            self.shared.scavenger,
            self.shared.indexer,
        ];
        let (mut kin, mut after) = (Vec::new(), Vec::new());
        loop {
            let rows = log
                .store()
                .range(Table::Vcs, &after, 256)
                .map_err(from_store)?;
            let Some((last, _)) = rows.last() else { break };
            after = [last.as_slice(), &[0]].concat();
            for (_, row) in rows {
                // A row that cannot be read is nobody's who could run.
                let Ok((flags, image)) = read_row(&row) else {
                    continue;
                };
                if flags.0 & RowFlags::STOPPED != 0 || own.contains(&image.id) {
                    continue;
                }
                let takes = |sieve: &Sieve<'_>| sieve.takes_image(&image, Life::Dormant);
                kin.push(Kin {
                    id: image.id,
                    host: image.host,
                    matched: !image.nested && sieve.as_ref().is_some_and(takes),
                });
            }
        }
        Ok(caught.close(&kin))
    }

    async fn wake_and_stop(
        &self,
        ids: Vec<VcId>,
        caught: &mut Caught,
    ) -> Result<Vec<u64>, Refusal> {
        for &id in &ids {
            // One whose row is newer than that has been seen in memory.
            let _ = self
                .on(id, move |worker| worker.find_or_wake(id).map(drop))
                .await?;
        }
        self.stop_these(ids, caught).await
    }

    /// Puts something into a VC's purse, as the owner's gift; gives what it holds now. A coin of `u64::MAX` is
    /// *without end* from then on. It is written to the VC's log.
    ///
    /// # Errors
    /// [`Refusal`] `stopped`: what is stopped has no use for it; `unknown`, or the store.
    pub async fn fill_purse(&self, id: VcId, gift: Purse) -> Result<Purse, Refusal> {
        self.settled_on(id, move |worker| worker.fill_purse(id, gift))
            .await
    }
}

/// Whom the brake has found so far.
#[derive(Debug, Default)]
struct Caught {
    /// Named, or taken by the pattern.
    matched: HashSet<VcId>,
    /// They, and all who descend from them, as far as they were seen.
    lineage: HashSet<VcId>,
    /// How they were when they were stopped.
    stopped: Vec<BrakedRow>,
    /// Whom was asked to stop, that none is asked twice.
    asked: HashSet<VcId>,
}

impl Caught {
    /// Takes in all who live: which of them are to stop and were not asked yet.
    fn close(&mut self, kin: &[Kin]) -> Vec<VcId> {
        let mut children: HashMap<VcId, Vec<VcId>> = HashMap::new();
        for one in kin {
            children.entry(one.host).or_default().push(one.id);
            if one.matched {
                self.matched.insert(one.id);
            }
        }
        let mut next: Vec<VcId> = self.lineage.union(&self.matched).copied().collect();
        self.lineage.extend(&next);
        while let Some(id) = next.pop() {
            for child in children.remove(&id).unwrap_or_default() {
                if self.lineage.insert(child) {
                    next.push(child);
                }
            }
        }
        let new = kin.iter().map(|one| one.id);
        let new = new.filter(|id| self.lineage.contains(id));
        new.filter(|&id| self.asked.insert(id)).collect()
    }

    fn told(mut self) -> Braked {
        let key = |row: &BrakedRow| (std::cmp::Reverse((row.fuel, row.mailbox)), row.id);
        self.stopped.sort_unstable_by_key(key);
        let count = self.stopped.len() as u64;
        let matched = self.stopped.iter().filter(|row| row.matched).count() as u64;
        self.stopped.truncate(PAGE_MAX);
        Braked {
            count,
            matched,
            stopped: self.stopped,
        }
    }
}

/// Nobody takes a turn as long as this lives.
struct Held<'a>(&'a Shared);

impl<'a> Held<'a> {
    fn pull(shared: &'a Shared) -> Self {
        shared.brakes.fetch_add(1, Ordering::AcqRel);
        Self(shared)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.brakes.fetch_sub(1, Ordering::AcqRel);
        for port in &self.0.ports {
            port.nudge();
        }
    }
}
