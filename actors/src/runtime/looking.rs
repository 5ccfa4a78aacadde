//! What a runtime shows: lists, portraits, logs, finds, numbers, traces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use genesis::id::{Digest, VcId};
use genesis::image::Image;
use genesis::limits::PAGE_MAX;
use genesis::message::Kind;
use genesis::refusal::{Code, Refusal};
use genesis::wire;

use super::{RESHAPE_MS, Runtime, from_store};
use crate::cell::{Tail, read_row, read_whole_row};
use crate::life::Life;
use crate::natives::Listing;
use crate::store::Table;
use crate::view::{
    Hit, JournalView, ListQuery, Listed, LogPage, Outgoing, Portrait, Seqs, Stats, Summary,
};
use crate::worker::bodies::body_of;
use crate::worker::look::shape_of;
use crate::worker::steer::Sieve;
use crate::worker::{Worker, index};

/// Somebody watches every turn that is recorded, for as long as this is held.
#[derive(Debug)]
pub struct TurnWatch(Arc<AtomicU32>);

impl Drop for TurnWatch {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Runtime {
    /// Has an event for each turn that a VC with a journal takes, until what is given back is dropped. Events are kept
    /// in one ring: who watches a busy runtime reads fast, or misses some and is told how many.
    pub fn watch_turns(&self) -> TurnWatch {
        self.shared.watchers.fetch_add(1, Ordering::Relaxed);
        TurnWatch(Arc::clone(&self.shared.watchers))
    }

    /// VCs in the order of their ids. What is in memory agrees with the events up to those that the answer
    /// names; what sleeps is as the store has it.
    ///
    /// # Errors
    /// [`Refusal`] if the store cannot be read.
    pub async fn list(&self, query: ListQuery) -> Result<Listed, Refusal> {
        let limit = if query.limit == 0 {
            PAGE_MAX
        } else {
            query.limit.min(PAGE_MAX)
        };
        let (mut rows, mut seqs) = (Vec::new(), Seqs::default());
        for worker in 0..self.shared.ports.len() {
            let query = query.clone();
            let look = move |w: &mut Worker| (w.last_event(), w.list(&query, limit + 1));
            let (seq, here) = self.on_worker(worker, look).await?;
            seqs.0.push(seq);
            rows.extend(here);
        }
        self.list_sleepers(&query, limit + 1, &mut rows)?;
        let in_pods = self.beds().into_iter();
        rows.extend(
            in_pods
                .filter(|(id, _)| query.after.is_none_or(|after| *id > after))
                // What is in a pod is not known here, so no pattern takes it.
                .filter(|_| query.pattern.is_none())
                .map(|(id, bed)| bed.summary(id)),
        );
        rows.sort_unstable_by_key(|row| row.id);
        rows.dedup_by_key(|row| row.id);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| row.id);
        Ok(Listed { rows, next, seqs })
    }

    /// Those that are nowhere but in the store.
    pub(super) fn list_sleepers(
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
        let sieve = query.pattern.as_ref().map(Sieve::new);
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
                let damaged =
                    |error| Refusal::new(Code::Corrupt, format!("table vcs, key {key:?}: {error}"));
                let (flags, image, tail) = read_whole_row(&row).map_err(damaged)?;
                if image.nested && !query.all {
                    continue;
                }
                found += 1;
                if here.contains(&image.id) {
                    continue;
                }
                let mut row = index::summary_of(&image, flags);
                if sieve
                    .as_ref()
                    .is_some_and(|s| !s.takes_image(&image, row.life))
                {
                    continue;
                }
                if let Some(tail) = tail.map(Tail::read).transpose().map_err(damaged)? {
                    tail.sum_up(&mut row);
                }
                rows.push(row);
            }
        }
        Ok(())
    }

    pub(super) fn stored(&self, id: VcId) -> Result<bool, Refusal> {
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
    pub(super) async fn look<T: Send + 'static>(
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

    pub(super) fn traces_of_sleepers(
        &self,
        traces: &mut Vec<(VcId, Digest)>,
    ) -> Result<(), Refusal> {
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
}
