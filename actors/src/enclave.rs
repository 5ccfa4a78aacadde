//! The sandboxed parts of one body as a VC's program: turns, failed turns, saves.
//!
//! A turn runs on the live memories. What makes a failed one undone is a *save* (an image of each part) and
//! the *past* since then: what was called, with what, and what every call out of the sandbox was answered.
//! After a failure the memories are thrown away; when they are next needed, they are made again from the
//! save and the past is called again, its effects going nowhere. A copy of the memory before every turn
//! would make turns five times dearer.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use genesis::channel::{Channel, Polarity};
use genesis::id::{Digest, VcId};
use genesis::limits::{CONTENTS_REFERENCE_MIN, PAST_BYTES_MAX, PAST_TURNS_MAX, TURN_FUEL_MAX};
use genesis::message::Kind;
use genesis::purse::Coin;
use genesis::refusal::Code;

use crate::behaviour::Fault;
use crate::effects::Effects;
use crate::letter::Letter;
use crate::sandbox::{Called, Capsule, Piece, Sandbox, Source};

mod host;
mod past;

pub(crate) use host::{Calls, FREE, Guest, WITH_SEND};
use host::{Mute, TurnHost};
use past::{Past, Replayed};

/// The channel by which a part reads contents that are too long to be copied to it.
pub(crate) const CONTENTS_READ: Channel = Channel::known("contents/read");

/// The sandboxed parts of a body.
pub(crate) struct Enclave {
    sandbox: Arc<dyn Sandbox>,
    /// The parts, each with the save it goes on from.
    pieces: Vec<Piece>,
    /// The live memories; none after a failure, and while it rests.
    capsule: Option<Box<dyn Capsule>>,
    /// What was called since the save.
    past: Past,
    /// What one turn may take.
    turn_fuel: u64,
    /// Fuel that was used and not yet paid for: of calls made again after a failure.
    debt: u64,
    /// Whether its worker counts it among those that are live.
    pub(crate) listed: bool,
}

impl fmt::Debug for Enclave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enclave")
            .field("parts", &self.pieces.len())
            .field("live", &self.capsule.is_some())
            .finish_non_exhaustive()
    }
}

impl Enclave {
    /// The code of these parts, begun or going on. `turn_fuel` 0 is the default.
    ///
    /// # Errors
    /// As [`Sandbox::assemble`].
    pub(crate) fn new(
        sandbox: Arc<dyn Sandbox>,
        pieces: Vec<Piece>,
        turn_fuel: u64,
    ) -> Result<Self, Fault> {
        let turn_fuel = match turn_fuel {
            0 => TURN_FUEL_MAX,
            more => more,
        };
        let capsule = sandbox.assemble(&pieces, turn_fuel)?;
        Ok(Self {
            sandbox,
            pieces,
            capsule: Some(capsule),
            past: Past::default(),
            turn_fuel,
            debt: 0,
            listed: false,
        })
    }

    /// Whether a part gives this channel.
    pub(crate) fn gives(&self, channel: Channel) -> bool {
        match &self.capsule {
            Some(capsule) => capsule.gives(channel),
            None => self.giver(channel).is_some(),
        }
    }

    /// Who of them answers a channel, in the terms in which parts are ordered.
    pub(crate) fn giver(&self, channel: Channel) -> Option<(Digest, u64)> {
        let gives = |piece: &&Piece| {
            self.sandbox
                .facts(piece.module)
                .is_some_and(|facts| facts.links.contains(&(channel, Polarity::Gives)))
        };
        let givers = self.pieces.iter().filter(gives);
        givers.map(|piece| (piece.digest, piece.occurrence)).min()
    }

    /// Handles a message. On an error the state is as it was before.
    pub(crate) fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let channel = if self.gives(letter.channel) {
            letter.channel
        } else {
            Channel::MAIN
        };
        let mut reference = [0; 40];
        let input = if letter.contents.len() > CONTENTS_REFERENCE_MIN {
            let (digest, bytes) = (Digest::of(&letter.contents), letter.contents.len() as u64);
            reference[..32].copy_from_slice(&digest.0);
            reference[32..].copy_from_slice(&bytes.to_le_bytes());
            reference.as_slice()
        } else {
            &letter.contents
        };
        let mut answer = std::mem::take(&mut effects.spare.answer);
        answer.clear();
        let outcome = self.make_room();
        let mark = self.mark();
        let outcome = outcome.and_then(|()| self.called(channel, input, effects, &mut answer));
        let outcome = outcome.and_then(|answered| {
            let asked = letter.kind == Kind::Tell && letter.from != VcId::NOBODY;
            if answered && asked {
                effects.reply(answer.as_slice()).map(drop)
            } else {
                Ok(())
            }
        });
        if outcome.is_err() {
            // Also if only the answer could not leave: then the call has not happened either.
            self.back_to(mark);
        }
        effects.spare.answer = answer;
        outcome
    }

    /// Calls a channel within somebody's turn, outside of any message: how a judge is asked.
    ///
    /// # Errors
    /// [`Fault`]; the memories are then as the fault left them.
    pub(crate) fn ask(
        &mut self,
        channel: Channel,
        input: &[u8],
        effects: &mut Effects<'_>,
        answer: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        self.make_room()?;
        self.called(channel, input, effects, answer)
    }

    fn called(
        &mut self,
        channel: Channel,
        input: &[u8],
        effects: &mut Effects<'_>,
        answer: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        let left = effects.standing.purse.left(Coin::Fuel);
        let fuel_max = self.turn_fuel.min(left).min(effects.fuel_here);
        let Self {
            capsule: Some(capsule),
            past,
            ..
        } = self
        else {
            return Err(not_live());
        };
        past.begin(channel, input);
        let Called { fuel, outcome } = capsule.call(
            channel,
            input,
            fuel_max,
            &mut TurnHost { effects, past },
            answer,
        );
        effects.spent += fuel + std::mem::take(&mut self.debt);
        match outcome {
            Err(fault) if fault.ended && fuel >= fuel_max && fuel_max == left => Err(Fault::new(
                Code::Budget,
                format!("the purse held {left} fuel, the turn needs more"),
            )),
            outcome => outcome,
        }
    }

    /// Answers a call of the VC whose body this one lives in, on its fuel. It acts by its answer only.
    pub(crate) fn serve(
        &mut self,
        channel: Channel,
        request: &[u8],
        answer: &mut Vec<u8>,
    ) -> (u64, Result<bool, Fault>) {
        if let Err(fault) = self.revive() {
            return (0, Err(fault));
        }
        let Some(capsule) = &mut self.capsule else {
            return (0, Err(not_live()));
        };
        self.past.begin(channel, request);
        let mut host = Mute {
            past: &mut self.past,
        };
        let called = capsule.call(channel, request, self.turn_fuel, &mut host, answer);
        (called.fuel, called.outcome)
    }

    /// Takes back the last call; its memories go with it.
    fn undo_last(&mut self) {
        self.past.undo_last();
        self.capsule = None;
    }

    /// How many calls there are since the save, to go back to; until then there is no new save.
    pub(crate) fn mark(&self) -> u32 {
        self.past.turns()
    }

    /// Sees to it that it can answer calls of its host's turn; gives the mark to go back to.
    ///
    /// # Errors
    /// [`Fault`] if it cannot be made live.
    pub(crate) fn prepare(&mut self) -> Result<u32, Fault> {
        self.make_room()?;
        Ok(self.mark())
    }

    /// Takes back all calls since a mark; whether there were any.
    pub(crate) fn back_to(&mut self, mark: u32) -> bool {
        let changed = self.past.turns() > mark;
        while self.past.turns() > mark {
            self.undo_last();
        }
        changed
    }

    /// Sees to it that the memories are live and the past has room for another call.
    fn make_room(&mut self) -> Result<(), Fault> {
        self.revive()?;
        if self.past.turns() >= PAST_TURNS_MAX || self.past.bytes() >= PAST_BYTES_MAX {
            self.keep()?;
        }
        Ok(())
    }

    /// Makes the memories again, from the save and the past, if they are gone.
    fn revive(&mut self) -> Result<(), Fault> {
        if self.capsule.is_some() {
            return Ok(());
        }
        let mut capsule = self.sandbox.assemble(&self.pieces, self.turn_fuel)?;
        let mut answer = Vec::new();
        for call in self.past.calls() {
            answer.clear();
            let mut answers = Replayed::of(&call);
            let called = capsule.call(
                call.channel,
                call.input,
                self.turn_fuel,
                &mut answers,
                &mut answer,
            );
            self.debt += called.fuel;
            if let Err(fault) = called.outcome {
                return Err(Fault::new(
                    Code::Internal,
                    format!("a turn that succeeded fails when it is repeated: {fault}"),
                ));
            }
        }
        self.capsule = Some(capsule);
        Ok(())
    }

    /// Makes a new save; the past begins anew.
    fn keep(&mut self) -> Result<(), Fault> {
        if self.past.turns() == 0
            && self
                .pieces
                .iter()
                .all(|p| matches!(p.from, Source::Image(_)))
        {
            return Ok(());
        }
        self.revive()?;
        let Some(capsule) = &mut self.capsule else {
            return Err(not_live());
        };
        let images = self
            .pieces
            .iter()
            .map(|piece| capsule.image(piece.occurrence).map(Bytes::from))
            .collect::<Result<Vec<_>, _>>()?;
        for (piece, image) in self.pieces.iter_mut().zip(images) {
            piece.from = Source::Image(image);
        }
        self.past.clear();
        Ok(())
    }

    /// The states of all parts, by occurrence: from now on its save.
    ///
    /// # Errors
    /// [`Fault`] if a memory is larger than is kept.
    pub(crate) fn states(&mut self) -> Result<Vec<(u64, Bytes)>, Fault> {
        self.keep()?;
        Ok(self.last_save())
    }

    /// The states of all parts when the last save was made; none of those that had only begun.
    pub(crate) fn last_save(&self) -> Vec<(u64, Bytes)> {
        let state = |piece: &Piece| match &piece.from {
            Source::Image(image) => Some((piece.occurrence, image.clone())),
            Source::Birth | Source::Save(_) => None,
        };
        self.pieces.iter().filter_map(state).collect()
    }

    /// What a part saves for another version of itself, and the fuel that took.
    ///
    /// # Errors
    /// [`Fault`] if there is no such part, or it fails.
    pub(crate) fn save(&mut self, occurrence: u64) -> Result<Bytes, Fault> {
        self.keep()?;
        self.revive()?;
        let Some(mut capsule) = self.capsule.take() else {
            return Err(not_live());
        };
        // Saving is code of the part, and may change its memory: those memories are not gone on with.
        capsule.save(occurrence, self.turn_fuel).map(Bytes::from)
    }

    /// Lets the memories go, keeping the save. Nobody can notice, but by the time the next turn takes.
    ///
    /// # Errors
    /// [`Fault`] if no save can be made; it then stays live.
    pub(crate) fn rest(&mut self) -> Result<(), Fault> {
        self.keep()?;
        self.capsule = None;
        Ok(())
    }

    /// Whether a turn that was ended here may go on elsewhere, where it may take more.
    pub(crate) fn may_take_more(&self, here: u64) -> bool {
        self.turn_fuel > here
    }

    /// If its memories are live: whether they are of the large engine, and how many.
    pub(crate) fn is_live(&self) -> Option<(bool, usize)> {
        let capsule = self.capsule.as_ref()?;
        Some((capsule.is_large(), self.pieces.len()))
    }
}

fn not_live() -> Fault {
    Fault::new(Code::Internal, "sandboxed code is not live")
}
