//! Contents by reference: named, read, stored, and swept out when nothing needs them any more.

use std::collections::HashSet;
use std::sync::Arc;

use genesis::id::Digest;
use genesis::limits::CONTENTS_IDLE_MS;
use genesis::refusal::{Code, Refusal};
use tokio::sync::oneshot;

use super::{Runtime, from_store, gone};
use crate::contents::{Idle, Shelf, Swept, missing, references_in};
use crate::letter::Contents;
use crate::shared::Shared;
use crate::store::{Store, StoreError, Table};

/// Contents that are looked at together.
const PAGE: usize = 1_024;
/// Rows that are looked at together.
const ROWS: usize = 64;
/// Where references are that may not be in memory.
const TABLES: [Table; 3] = [Table::Vcs, Table::Dedup, Table::Messages];

impl Runtime {
    /// Contents that are on this node, for a message: they stay as long as what is returned does.
    /// Blocks for as long as a disk takes.
    ///
    /// # Errors
    /// [`Code::Unknown`] if they are not here, [`Code::Corrupt`] or [`Code::Io`].
    pub fn contents(&self, digest: Digest) -> Result<Contents, Refusal> {
        let shelf = self.shared.shelf.as_ref();
        shelf.ok_or_else(|| missing(digest))?.hold(digest)
    }

    /// Has contents stored, and names them for a message. Whoever stores them in another way may find
    /// them swept out before it has said what they are for. Blocks for as long as `store` does.
    ///
    /// # Errors
    /// Those of `store`, and [`Code::Unknown`] if this runtime has no place for contents.
    pub fn store_contents(
        &self,
        store: impl FnOnce() -> Result<(Digest, u64), Refusal>,
    ) -> Result<Contents, Refusal> {
        let none = || Refusal::new(Code::Unknown, "this runtime has no place for long contents");
        self.shared.shelf.as_ref().ok_or_else(none)?.stored(store)
    }

    /// Removes contents that nothing needs and nothing has needed for so many milliseconds: no message
    /// that waits or is handled, no state, no answer kept for an idempotency key, no pin.
    ///
    /// # Errors
    /// [`Refusal`] if store or contents cannot be read, or the disk is full; then some of them are still
    /// there, and none that are needed are gone.
    pub async fn sweep_contents(&self, idle_ms: u64) -> Result<Swept, Refusal> {
        sweep(&self.shared, idle_ms).await
    }
}

/// What is done from time to time; never in a deterministic node, where only requests do anything.
pub(super) async fn sweep_idle(shared: &Arc<Shared>) {
    if shared.deterministic {
        return;
    }
    match sweep(shared, CONTENTS_IDLE_MS).await {
        Ok(Swept { removed: 0, .. }) => {}
        Ok(Swept { removed, bytes }) => {
            tracing::info!(removed, bytes, "contents that nothing needs were removed");
        }
        Err(why) => tracing::warn!(%why, "contents that nothing needs could not be removed"),
    }
}

async fn sweep(shared: &Arc<Shared>, idle_ms: u64) -> Result<Swept, Refusal> {
    let Some(shelf) = shared.shelf.clone() else {
        return Ok(Swept::default());
    };
    shared.gateway.keys.forget_expired(shared.clock.now());
    let lister = Arc::clone(&shelf);
    let idle = blocking(move || find_idle(&lister, idle_ms)).await?;
    if idle.is_empty() {
        return Ok(Swept::default());
    }
    // What ended the last message that needed them may not be on disk yet: after a crash it would be
    // owed again.
    rounds_settled(shared).await?;
    let store = shared.log.as_ref().map(|log| Arc::clone(log.store()));
    blocking(move || {
        let needed = match store {
            Some(store) => references(store.as_ref())?,
            None => HashSet::new(),
        };
        let mut swept = Swept::default();
        let unneeded = idle
            .iter()
            .filter(|idle| !needed.contains(&idle.stored.digest));
        for idle in unneeded {
            if shelf.remove(idle)? {
                swept.removed += 1;
                swept.bytes += idle.stored.bytes;
            }
        }
        Ok(swept)
    })
    .await
}

fn find_idle(shelf: &Shelf, idle_ms: u64) -> Result<Vec<Idle>, StoreError> {
    let mut idle = Vec::new();
    let mut after = None;
    loop {
        let page = shelf.store().list(after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(idle);
        };
        after = Some(last.digest);
        idle.append(&mut shelf.idle(&page, idle_ms));
    }
}

/// The references in rows whose VCs and letters may not be in memory.
fn references(store: &dyn Store) -> Result<HashSet<Digest>, StoreError> {
    let mut needed = HashSet::new();
    for table in TABLES {
        let mut from = Vec::new();
        loop {
            let rows = store.range(table, &from, ROWS)?;
            let Some((last, _)) = rows.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            for (_, row) in &rows {
                references_in(row, |digest| {
                    needed.insert(digest);
                });
            }
        }
    }
    Ok(needed)
}

/// Waits until every worker has ended the round it is in, and all of that is on disk.
async fn rounds_settled(shared: &Shared) -> Result<(), Refusal> {
    let mut rounds = Vec::with_capacity(shared.ports.len());
    for port in &shared.ports {
        let (sender, receiver) = oneshot::channel();
        port.control(Box::new(move |worker| {
            // Nobody waits any more: then nobody needs to know.
            worker.after_slice(move |_| {
                let _ = sender.send(());
            });
        }));
        rounds.push(receiver);
    }
    for round in rounds {
        round.await.map_err(|_| gone())?;
    }
    match &shared.log {
        Some(log) => log.settled(log.appended()).await,
        None => Ok(()),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?
        .map_err(from_store)
}
