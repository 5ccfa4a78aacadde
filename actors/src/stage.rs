//! A VC on a stage of its own: it takes turns as it would in its cell, and nothing of it happens.
//!
//! For judges and replays: the code is the one that runs in a cell, the gate is the same, and what would be
//! carried out is only described.

use std::sync::Arc;

use genesis::channel::Channel;
use genesis::id::{Address, VcId};
use genesis::image::Image;
use genesis::message::{Kind, Message};

use crate::behaviour::Fault;
use crate::cell::{Part, Seat};
use crate::contents::Shelf;
use crate::effects::{Contacts, Effect, Effects, Standing};
use crate::enclave::Calls;
use crate::handle::{Entry, Handle};
use crate::journal::Call;
use crate::letter::{Contents, Extra, Letter, NO_CAUSE, Spare};
use crate::replay::Ground;

/// All of a VC that its code may know, beside the code.
#[derive(Debug)]
pub(crate) struct Stage {
    me: VcId,
    host: VcId,
    standing: Standing,
    contacts: Option<Box<Contacts>>,
    parts: Vec<Part>,
    turn_fuel: u64,
    seed: u64,
    shelf: Option<Arc<Shelf>>,
}

/// What came of one turn.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) outcome: Result<(), Fault>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) spent: u64,
}

impl Stage {
    /// The stage for a VC as its image has it.
    pub(crate) fn of(image: &Image, ground: Ground<'_>) -> Self {
        let contacts = Contacts::of(image);
        Self {
            me: image.id,
            host: image.host,
            standing: Standing {
                purse: image.purse,
                grants: image.grants,
                sequence: image.sequence,
                births: image.births,
                turns: image.turns,
            },
            contacts,
            parts: image.parts.iter().map(Part::from_image).collect(),
            turn_fuel: image.turn_fuel,
            seed: ground.seed,
            shelf: ground.shelf.cloned(),
        }
    }

    /// What it is worth and may do.
    pub(crate) const fn standing_mut(&mut self) -> &mut Standing {
        &mut self.standing
    }

    /// Whom it may send to.
    pub(crate) const fn contacts(&self) -> Option<&Contacts> {
        match &self.contacts {
            Some(contacts) => Some(contacts),
            None => None,
        }
    }

    /// Notes a turn that had no effects, whatever its code would say now.
    pub(crate) const fn pass(&mut self) {
        self.standing.turns += 1;
    }

    /// Does something within a turn that handles `letter`. What it would cause is what it gives back.
    pub(crate) fn play<T>(
        &mut self,
        letter: &Letter,
        calls: Calls,
        act: impl FnOnce(&mut Effects<'_>) -> Result<T, Fault>,
    ) -> (Result<T, Fault>, Vec<Effect>, u64) {
        let before = self.standing;
        let kept = self
            .contacts
            .as_ref()
            .map_or(0, |contacts| contacts.own.len());
        self.standing.turns += 1;
        let mut effects = Vec::new();
        let mut spare = Spare::default();
        let mut gate = Effects {
            me: Entry::of(self.me),
            host: Entry::of(self.host),
            letter,
            standing: &mut self.standing,
            contacts: &mut self.contacts,
            list: &mut effects,
            spare: &mut spare,
            shelf: self.shelf.as_ref(),
            ahead: false,
            seed: self.seed,
            draws: 0,
            cause: None,
            spent: 0,
            parts: &self.parts,
            durable: false,
            turn_fuel: self.turn_fuel,
            fuel_here: u64::MAX,
            guests: &mut [],
            calls,
        };
        let outcome = act(&mut gate);
        let spent = gate.spent;
        if outcome.is_err() {
            effects.clear();
            self.standing = before;
            self.standing.turns += 1;
            if let Some(contacts) = &mut self.contacts {
                contacts.own.truncate(kept);
            }
        }
        (outcome, effects, spent)
    }

    /// Lets code handle a letter; VCs in the body answer as they did then.
    pub(crate) fn turn(&mut self, seat: &mut Seat, letter: &Letter, calls: Vec<Call>) -> Heard {
        let calls = Calls::Recorded(calls.into_iter());
        let (outcome, effects, spent) =
            self.play(letter, calls, |effects| seat.turn(letter, effects));
        Heard {
            outcome,
            effects,
            spent,
        }
    }
}

/// The letter that a recorded message was.
pub(crate) fn letter_of(message: &Message) -> Letter {
    let header = message.header();
    let id = |address: &Address| address.id;
    let question = header
        .metadata
        .get("question")
        .and_then(|bytes| bytes.as_ref().try_into().ok())
        .map(u64::from_le_bytes);
    let extra = Extra {
        metadata: header.metadata.clone(),
        contacts: header.contacts.iter().map(id).collect(),
        reply_to: header.reply_to.as_ref().map(id),
        asker: header.answers.map(|answers| answers.sender),
        question,
        decoder: header.decoder,
        extent: header.extent.clone(),
        key: None,
        reshapes: false,
    };
    Letter {
        to: header.recipient.id,
        from: header.sender.id,
        to_handle: Handle::NONE,
        from_handle: Handle::NONE,
        sequence: header.sequence,
        answers: header.answers.map_or(0, |answers| answers.sequence),
        cause: header.cause.unwrap_or(NO_CAUSE),
        sent_at: header.sent_at,
        expires_at: header.expires_at,
        kind: header.kind,
        logged: false,
        ahead: false,
        channel: header.channel,
        contents: Contents::from(message.contents().cloned().unwrap_or_default()),
        extra: (extra != Extra::default()).then(|| Box::new(extra)),
    }
}

/// What a turn would have caused, a line for each effect.
pub(crate) fn describe(heard: &Heard) -> Vec<String> {
    let mut lines: Vec<String> = heard.effects.iter().map(line_of).collect();
    if let Err(fault) = &heard.outcome {
        lines.push(format!("fault: {fault}"));
    }
    lines
}

fn line_of(effect: &Effect) -> String {
    match effect {
        Effect::Send(letter) if letter.kind == Kind::Reply => {
            format!("reply {:?}", letter.contents)
        }
        Effect::Send(letter) => {
            let channel = letter.channel;
            let by = if channel == Channel::MAIN {
                String::new()
            } else {
                format!(" {channel}")
            };
            format!("send to {}{by} {:?}", letter.to, letter.contents)
        }
        Effect::Spawn { id, .. } => format!("spawn {id}"),
        Effect::Fork { id, .. } => format!("fork {id}"),
        Effect::After { delay_ms, tag } => format!("after {delay_ms} ms {tag}"),
        Effect::Deadline { delay_ms, .. } => format!("answer wanted within {delay_ms} ms"),
        Effect::Cancel { sequence } => format!("cancel {sequence}"),
        Effect::Emit(line) => format!("emit {line:?}"),
        Effect::Internalize(part) => format!("internalize {}", part.digest()),
        Effect::Strip { occurrence } => format!("strip {occurrence}"),
        Effect::Watch { target, link } => {
            let how = if *link { "link to" } else { "watch" };
            format!("{how} {target}")
        }
        Effect::Stop => "stop".to_owned(),
    }
}
