//! What a worker records of its VCs, and gives to whoever computes them again.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use genesis::id::{Digest, VcId, domain};
use genesis::image::Image;
use genesis::message::{Kind, MessageRef};
use genesis::refusal::{Code, Refusal};
use genesis::wire;

use super::Worker;
use crate::behaviour::Fault;
use crate::cell::{Cell, Digest0, More, Seat};
use crate::effects::Effect;
use crate::events::EventKind;
use crate::hosted::states_of;
use crate::journal::{Entry, Failed, Item, Marks, Recorded, Sent, Turn, Unread, key_of, read};
use crate::letter::Letter;
use crate::store::{Op, Table};
use crate::view::JournalView;

/// A VC in one moment: all that is needed to compute it again, or to look at what it did.
#[derive(Debug)]
pub(crate) struct Moment {
    /// What it is.
    pub(crate) image: Image,
    /// Where its journal is in the store.
    pub(crate) marks: Marks,
    /// The rows of it that may not be there yet.
    pub(crate) recent: Vec<(u64, Bytes)>,
}

impl Worker {
    /// Keeps trace and journal of a turn, where they are kept.
    pub(super) fn record(
        &mut self,
        slot: u32,
        letter: &Letter,
        outcome: &Result<(), Fault>,
        effects: &[Effect],
        fuel: u64,
    ) {
        let calls = std::mem::take(&mut self.calls);
        let trace = self.shared.trace;
        let journals = self.keeps_journal(slot);
        if !trace && !journals {
            return;
        }
        if trace {
            let seen = digest_of(effects);
            let failed = outcome
                .as_ref()
                .err()
                .map(|fault| (fault.ended, fault.code));
            let more = self.cells[slot as usize].more_mut();
            match link(more.trace.0, letter, failed, seen) {
                Ok(next) => more.trace = Digest0(next),
                Err(error) => {
                    tracing::error!(%error, letter = ?letter.reference(), "a letter cannot be traced");
                }
            }
        }
        if !journals {
            return;
        }
        let sends = |effect: &Effect| match effect {
            Effect::Send(sent) => Some((sent.sequence, sent_of(sent, letter))),
            _ => None,
        };
        let first_sent = effects.iter().find_map(sends).map_or(0, |(first, _)| first);
        let turn = Turn {
            letter: letter.clone(),
            number: self.cells[slot as usize].standing.turns,
            at: self.now,
            traced: trace,
            outcome: Some(outcome.as_ref().map(|&()| ()).map_err(Failed::of)),
            effects: mark_of(effects),
            fuel,
            first_sent,
            sent: effects
                .iter()
                .filter_map(sends)
                .map(|(_, sent)| sent)
                .collect(),
            calls,
        };
        self.write_down(slot, &Entry::Turn(Box::new(turn)));
    }

    /// Records a message that asked for another body: what it cost, or why it was refused.
    pub(super) fn record_reshaping(
        &mut self,
        slot: u32,
        letter: &Letter,
        outcome: Result<u64, &Refusal>,
    ) {
        if !self.keeps_journal(slot) {
            return;
        }
        let standing = self.cells[slot as usize].standing;
        let answer = Sent {
            to: letter.from,
            kind: Kind::Reply,
            channel: genesis::channel::Channel::REPLY,
            bytes: 0,
            cause: None,
        };
        let failed = |why: &Refusal| Failed::of(&Fault::new(why.code, why.what.as_str()));
        let turn = Turn {
            letter: letter.clone(),
            number: standing.turns,
            at: self.now,
            traced: false,
            outcome: Some(outcome.map(drop).map_err(failed)),
            effects: Digest::ZERO,
            fuel: outcome.unwrap_or(0),
            first_sent: standing.sequence,
            sent: outcome.is_ok().then_some(answer).into_iter().collect(),
            calls: Vec::new(),
        };
        self.write_down(slot, &Entry::Turn(Box::new(turn)));
    }

    fn keeps_journal(&self, slot: u32) -> bool {
        let more = self.cells[slot as usize].more.as_deref();
        more.is_some_and(|more| more.journal.is_some())
    }

    /// Records something that happened to a VC, if it keeps a journal.
    pub(super) fn write_down(&mut self, slot: u32, entry: &Entry) {
        if self.shared.watchers.load(Ordering::Relaxed) > 0
            && let Entry::Turn(turn) = entry
        {
            let letter = &turn.letter;
            let verdict = match &turn.outcome {
                Some(Err(failed)) => format!("fault: {}", failed.code),
                _ => "consumed".to_owned(),
            };
            let data = format!(
                "{} on {}, {} bytes, {} fuel: {verdict}",
                letter.from,
                letter.channel,
                letter.contents.total(),
                turn.fuel
            );
            self.event(EventKind::Handled, letter.to, data);
        }
        let more = self.cells[slot as usize].more.as_deref_mut();
        if let Some(journal) = more.and_then(|more| more.journal.as_mut()) {
            journal.push(entry);
            self.touch(slot);
        }
    }

    /// Makes a snapshot, if the VC keeps a journal that wants one before the turn that comes.
    pub(super) fn make_room(&mut self, slot: u32, seat: &mut Seat) {
        let wants = |more: &More| more.journal.as_ref().is_some_and(|j| j.wants_snapshot());
        if self.cells[slot as usize].more.as_deref().is_some_and(wants) {
            self.snapshot(slot, seat, false);
        }
    }

    /// Notes what a VC is between two turns, if it keeps a journal; `anew` if what was recorded before does
    /// not lead here.
    pub(super) fn snapshot(&mut self, slot: u32, seat: &mut Seat, anew: bool) {
        if !self.keeps_journal(slot) {
            return;
        }
        let states = states_of(seat, self.first_code_occurrence(slot));
        let image = self.image_with(slot, &states).to_bytes();
        let image = match image {
            Ok(image) => image,
            Err(error) => {
                tracing::error!(%error, "an image cannot be recorded");
                return;
            }
        };
        self.write_journal(slot);
        let cell = &mut self.cells[slot as usize];
        let (id, durable) = (cell.id, cell.flags.durable && self.shared.log.is_some());
        let Some(journal) = &mut cell.more_mut().journal else {
            return;
        };
        let began = journal.marks().has_begun();
        let kept_from = journal.snapshot(&image, anew);
        let number = journal.marks().last;
        let row = journal.recent().pop();
        if durable && let Some((_, value)) = row {
            // One that begins ends whatever is there of an earlier stay.
            let until = if began { kept_from } else { u64::MAX };
            self.slice.ops.push(Op::DeleteRange {
                table: Table::Journal,
                from: key_of(id, 0),
                until: key_of(id, until),
            });
            self.slice.ops.push(Op::Put {
                table: Table::Journal,
                key: key_of(id, number),
                value: value.to_vec(),
            });
            self.journaled.push(id);
            self.touch(slot);
        }
    }

    /// Writes what was recorded of a VC since its row was last written.
    pub(super) fn write_journal(&mut self, slot: u32) {
        let cell = &mut self.cells[slot as usize];
        let (id, durable) = (cell.id, cell.flags.durable);
        if !durable || self.shared.log.is_none() {
            return;
        }
        let more = cell.more.as_deref_mut();
        let Some(journal) = more.and_then(|more| more.journal.as_mut()) else {
            return;
        };
        if let Some((number, row)) = journal.flush() {
            self.journaled.push(id);
            self.slice.ops.push(Op::Put {
                table: Table::Journal,
                key: key_of(id, number),
                value: row.to_vec(),
            });
        }
    }

    /// Lets go of what was recorded and is on disk by now. After the slice of this round was appended.
    pub(super) fn settle_journals(&mut self) {
        if !self.journaled.is_empty() {
            let whose = std::mem::take(&mut self.journaled);
            self.settling.push_back((self.appended, whose));
        }
        let Some(log) = &self.shared.log else {
            return;
        };
        let settled = log.settled_now();
        while self
            .settling
            .front()
            .is_some_and(|(slice, _)| *slice <= settled)
        {
            let (_, whose) = self.settling.pop_front().unwrap_or_default();
            for id in whose {
                let Some(slot) = self.find(id) else { continue };
                let more = self.cells[slot as usize].more.as_deref_mut();
                if let Some(journal) = more.and_then(|more| more.journal.as_mut()) {
                    journal.settle(self.appended, settled);
                }
            }
        }
    }

    /// A VC as it is now, with where its journal is. Nothing is read from the store but the VC, if it sleeps.
    pub(crate) fn moment(&mut self, id: VcId) -> Result<Moment, Refusal> {
        let slot = self.find_or_wake(id)?;
        let image = self.image(slot);
        let more = self.cells[slot as usize].more.as_deref();
        let journal = more
            .and_then(|more| more.journal.as_deref())
            .ok_or_else(|| no_journal(id))?;
        Ok(Moment {
            image,
            marks: journal.marks(),
            recent: journal.recent(),
        })
    }

    /// What a VC is called, which messages wait for it, and whether it keeps a journal.
    pub(crate) fn waiting(
        &mut self,
        id: VcId,
    ) -> Result<(Option<String>, Vec<MessageRef>, bool), Refusal> {
        let slot = self.find_or_wake(id)?;
        let cell = &self.cells[slot as usize];
        let waiting = self.arena.iter(&cell.mail).map(Letter::reference).collect();
        Ok((
            cell.name().map(str::to_owned),
            waiting,
            self.keeps_journal(slot),
        ))
    }

    /// Who of those in memory here keeps a journal.
    pub(crate) fn recording(&self) -> Vec<VcId> {
        let keeps = |cell: &&Cell| {
            let more = cell.more.as_deref();
            cell.flags.live && more.is_some_and(|more| more.journal.is_some())
        };
        self.cells
            .iter()
            .filter(keeps)
            .map(|cell| cell.id)
            .collect()
    }

    /// Reads the journal of a VC, here and now.
    pub(super) fn recorded(&self, slot: u32) -> Result<Recorded, Refusal> {
        let cell = &self.cells[slot as usize];
        let more = cell.more.as_deref();
        let journal = more
            .and_then(|more| more.journal.as_deref())
            .ok_or_else(|| no_journal(cell.id))?;
        let store = self.shared.log.as_ref().map(|log| log.store().as_ref());
        read(store, cell.id, journal.marks(), journal.recent()).map_err(|why| match why {
            Unread::Failed(why) => why,
            // Nothing moves while its worker looks: the row is gone.
            Unread::Moved => {
                Refusal::new(Code::Corrupt, "the journal's first row is missing").who(cell.id)
            }
        })
    }

    /// What a VC's journal holds, as exact bytes.
    pub(crate) fn journal_of(&mut self, id: VcId) -> Result<JournalView, Refusal> {
        let slot = self.find_or_wake(id)?;
        let recorded = self.recorded(slot)?;
        let too_large = |error: genesis::message::MessageError| {
            Refusal::new(Code::TooLarge, error.to_string()).who(id)
        };
        let bytes = |turn: &Turn| {
            let message = turn
                .letter
                .to_message()
                .and_then(|message| message.to_bytes());
            message.map(Bytes::from).map_err(too_large)
        };
        let snapshot = recorded.items.iter().find_map(|item| match item {
            Item::Snapshot { image, .. } => Some(image.clone()),
            Item::Entry(_) => None,
        });
        // One that has not begun begins with what the VC is now.
        let snapshot = if let Some(snapshot) = snapshot {
            snapshot
        } else {
            let image = self.image(slot).to_bytes();
            let image = image.map_err(|error| Refusal::new(Code::TooLarge, error.to_string()));
            image?.into()
        };
        Ok(JournalView {
            snapshot,
            messages: recorded.turns().map(bytes).collect::<Result<_, _>>()?,
        })
    }
}

/// The digest of effects, as a trace has it.
pub(crate) fn digest_of(effects: &[Effect]) -> Digest {
    let mut seen = (effects.len() as u64).to_le_bytes().to_vec();
    for effect in effects {
        effect.trace(&mut seen);
    }
    Digest::of(&seen)
}

/// The digest of effects that a journal has. It sees what a trace sees and the rest of each message, and costs
/// less: messages are digested as they lie there, not as they would leave the node.
pub(crate) fn mark_of(effects: &[Effect]) -> Digest {
    let mut seen = (effects.len() as u64).to_le_bytes().to_vec();
    for effect in effects {
        match effect {
            Effect::Send(letter) => {
                seen.extend_from_slice(&[0; 4]);
                // A letter that passed the gate is within all bounds.
                let _ = wire::encode_into(&mut seen, letter.as_ref());
            }
            other => other.trace(&mut seen),
        }
    }
    Digest::of(&seen)
}

/// The next link of a trace (`genesis/PROTOCOL.md` §11).
pub(crate) fn link(
    last: Digest,
    letter: &Letter,
    failed: Option<(bool, Code)>,
    effects: Digest,
) -> Result<Digest, genesis::message::MessageError> {
    let bytes = letter.to_message()?.to_bytes()?;
    let outcome = match failed {
        None => vec![0],
        Some((ended, code)) => [&[1 + u8::from(ended)], code.name().as_bytes()].concat(),
    };
    Ok(Digest::of_fields(
        domain::TRACE,
        &[&last.0, &Digest::of(&bytes).0, &outcome, &effects.0],
    ))
}

fn sent_of(letter: &Letter, handled: &Letter) -> Sent {
    let cause = Some(letter.cause).filter(|&cause| cause != handled.reference());
    Sent {
        to: letter.to,
        kind: letter.kind,
        channel: letter.channel,
        bytes: letter.contents.total(),
        cause,
    }
}

pub(crate) fn no_journal(id: VcId) -> Refusal {
    Refusal::new(Code::Unknown, format!("{id} keeps no journal"))
        .who(id)
        .hint("spawn it with --record N")
}
