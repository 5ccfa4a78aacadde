//! Trees of causes over all VCs of a runtime that keep journals.

use std::collections::BTreeSet;

use genesis::id::{MessageId, VcId};
use genesis::message::MessageRef;
use genesis::refusal::{Code, Refusal};

use super::{Runtime, from_store};
use crate::journal::Recorded;
use crate::stage::letter_of;
use crate::store::Table;
use crate::trace::{Book, Page, Place};
use crate::view::{Caused, End, Fate};

impl Runtime {
    /// The tree in which a message is: from what it goes back to, down to all that this caused. It is looked
    /// for among the owner's messages of late, then in every journal.
    ///
    /// # Errors
    /// [`Refusal`] `unknown` if nobody has seen it; else if a journal cannot be read.
    pub async fn trace(&self, id: MessageId) -> Result<Caused, Refusal> {
        let mut book = Book::new(self.shared.owner);
        if let Some((message, fate)) = self.shared.gateway.seen(id) {
            let letter = letter_of(&message);
            if let Some(tree) = self
                .trace_in(&mut book, letter.to, letter.reference())
                .await?
            {
                return Ok(tree);
            }
            self.open(&mut book, BTreeSet::from([letter.to])).await?;
            let mut alone = book.of(&letter);
            alone.end = match fate {
                Fate::Queued => End::Queued,
                Fate::Bounced(why) => End::Bounced(why),
                // Handled, by one who does not say what came of it.
                Fate::Consumed | Fate::Dead(_) => End::NotRecorded,
            };
            return Ok(alone);
        }
        for vc in self.recording().await? {
            self.open(&mut book, BTreeSet::from([vc])).await?;
            let said = |letter: &crate::letter::Letter| {
                letter.to_message().and_then(|message| message.id()).ok()
            };
            let turns = book.pages.get(&vc).map_or(&[][..], Page::turns);
            let at = turns.iter().position(|turn| said(&turn.letter) == Some(id));
            match at {
                Some(at) => return self.whole(&mut book, (vc, at)).await,
                // A book of all journals would not fit into memory.
                None => drop(book.pages.remove(&vc)),
            }
        }
        let what = format!("no journal of this node has {id}");
        Err(Refusal::new(Code::Unknown, what).who(id).hint(
            "journals keep the last messages of VCs that are spawned with `--record N`; `medium trace <vc>` shows those",
        ))
    }

    /// The tree of the turn in which a VC handled a message, as its sender names it; none if it is not
    /// recorded.
    ///
    /// # Errors
    /// [`Refusal`] if a journal cannot be read.
    pub async fn trace_turn(
        &self,
        by: VcId,
        message: MessageRef,
    ) -> Result<Option<Caused>, Refusal> {
        let mut book = Book::new(self.shared.owner);
        self.trace_in(&mut book, by, message).await
    }

    /// The last `count` messages that a VC handled, the oldest first, each with all that it caused; those
    /// that an earlier one of them caused are in its tree only.
    ///
    /// # Errors
    /// [`Refusal`] `unknown` if there is no such VC or it keeps no journal; else if a journal cannot be read.
    pub async fn trace_of(&self, id: VcId, count: usize) -> Result<Vec<Caused>, Refusal> {
        // Says what is wrong, where others in a tree are just not recorded.
        self.look(id, move |worker| worker.moment(id).map(drop))
            .await?;
        let mut book = Book::new(self.shared.owner);
        self.open(&mut book, BTreeSet::from([id])).await?;
        let turns = book.pages.get(&id).map_or(0, |page| page.turns().len());
        loop {
            book.begin();
            let mut trees: Vec<Caused> = Vec::new();
            for at in turns.saturating_sub(count)..turns {
                let Some(tree) = book.tree((id, at)) else {
                    continue;
                };
                if !trees.iter().any(|earlier| earlier.has(&tree)) {
                    trees.push(tree);
                }
            }
            if book.missing.is_empty() {
                return Ok(trees);
            }
            let missing = std::mem::take(&mut book.missing);
            self.open(&mut book, missing).await?;
        }
    }

    async fn trace_in(
        &self,
        book: &mut Book,
        to: VcId,
        reference: MessageRef,
    ) -> Result<Option<Caused>, Refusal> {
        self.open(book, BTreeSet::from([to])).await?;
        match book.find(to, reference) {
            Some(place) => self.whole(book, place).await.map(Some),
            None => Ok(None),
        }
    }

    /// The tree from the root of a turn, with whatever pages it takes.
    async fn whole(&self, book: &mut Book, place: Place) -> Result<Caused, Refusal> {
        loop {
            book.begin();
            let root = book.root(place);
            let tree = book.tree(root);
            if book.missing.is_empty() {
                return tree.ok_or_else(|| {
                    Refusal::new(Code::Internal, "a turn went while it was looked at")
                });
            }
            let missing = std::mem::take(&mut book.missing);
            self.open(book, missing).await?;
        }
    }

    /// Opens pages; of VCs that are not here, or keep no journal, empty ones.
    async fn open(&self, book: &mut Book, whose: BTreeSet<VcId>) -> Result<(), Refusal> {
        for id in whose {
            if book.pages.contains_key(&id) {
                continue;
            }
            let looked = self.look(id, move |worker| worker.waiting(id)).await;
            let (name, waiting, records) = match looked {
                Ok(looked) => looked,
                Err(why) if matches!(why.code, Code::Unknown | Code::Conflict) => {
                    (None, Vec::new(), false)
                }
                Err(why) => return Err(why),
            };
            let recorded = if records {
                match self.recorded(id).await {
                    Ok((_, recorded)) => recorded,
                    // It was removed meanwhile.
                    Err(why) if why.code == Code::Unknown => Recorded::default(),
                    Err(why) => return Err(why),
                }
            } else {
                Recorded::default()
            };
            book.pages.insert(id, Page::new(name, &recorded, &waiting));
        }
        Ok(())
    }

    /// Who keeps a journal: those in memory that do, and those of whom the store has one.
    async fn recording(&self) -> Result<BTreeSet<VcId>, Refusal> {
        let mut found = BTreeSet::new();
        for worker in 0..self.shared.ports.len() {
            found.extend(self.on_worker(worker, |worker| worker.recording()).await?);
        }
        let Some(log) = &self.shared.log else {
            return Ok(found);
        };
        let mut from = Vec::new();
        // One row of each: the next begins behind the last there can be.
        while let Some((key, _)) = log
            .store()
            .range(Table::Journal, &from, 1)
            .map_err(from_store)?
            .pop()
        {
            let Some(Ok(id)) = key.get(..32).map(<[u8; 32]>::try_from) else {
                break;
            };
            let id = VcId::from_bytes(id);
            found.insert(id);
            from = [crate::journal::key_of(id, u64::MAX).as_slice(), &[0]].concat();
        }
        Ok(found)
    }
}
