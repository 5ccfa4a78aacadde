//! The scavenger: takes what others strip, until somebody adopts it or it is removed.
//!
//! A stripped part is in exactly one place: in a message on its way, held here, or offered to an adopter
//! (and held here until the adopter has answered). It ends internalized elsewhere or removed, never both
//! and never neither (theory §6, law 5).

use bytes::Bytes;
use genesis::channel::Channel;
use genesis::id::MessageId;
use genesis::message::Kind;
use genesis::refusal::Code;
use genesis::time::Time;
use serde::{Deserialize, Serialize};

use crate::behaviour::{Behaviour, Fault};
use crate::effects::{Contact, Effects, Question};
use crate::letter::Letter;
use crate::worker::reshape::FUEL;

mod parts;

use parts::Parts;

const SEND: Channel = Channel::known("medium/send");
const EMIT: Channel = Channel::known("medium/emit");
const AFTER: Channel = Channel::known("medium/after");

/// What the scavenger holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Scavenger {
    parts: Parts,
    /// Parts taken, adopted and removed so far; what is held is the rest.
    taken: u64,
    adopted: u64,
    removed: u64,
    next_tag: u64,
    /// Whether its one timer is set.
    waits: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Held {
    part: Bytes,
    tag: u64,
    until: Time,
    /// The message that offers it to an adopter, and who asked for that.
    offered: Option<(u64, Question)>,
}

impl Scavenger {
    /// Parts held at a time; the oldest is removed for the next.
    pub const PARTS_MAX: usize = 1_024;
    /// How long a part is held, in milliseconds: an hour.
    pub const HOLD_MS: u64 = 60 * 60 * 1_000;

    fn remove(&mut self, id: MessageId, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if let Some(held) = self.parts.remove(id) {
            self.removed += 1;
            effects.emit(format!("removed {id}, {} bytes", held.part.len()))?;
        }
        Ok(())
    }

    fn take(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let id = letter
            .to_message()
            .and_then(|message| message.id())
            .map_err(|error| Fault::malformed(error.to_string()))?;
        if self.parts.len() >= Self::PARTS_MAX {
            let oldest = self.parts.iter().filter(|(_, held)| held.offered.is_none());
            let oldest = oldest.min_by_key(|(_, held)| held.tag).map(|(&id, _)| id);
            match oldest {
                Some(oldest) => self.remove(oldest, effects)?,
                None => return Err(Fault::new(Code::Busy, "all parts held are on offer")),
            }
        }
        self.next_tag += 1;
        self.taken += 1;
        let held = Held {
            part: letter.contents.to_bytes(),
            tag: self.next_tag,
            until: effects.now().plus_ms(Self::HOLD_MS),
            offered: None,
        };
        self.parts.insert(id, held);
        effects.emit(format!("took {id}, {} bytes", letter.contents.len()))?;
        self.wait(effects)
    }

    /// Removes what was held for long enough and is not on offer.
    fn expire(&mut self, effects: &mut Effects<'_>) -> Result<(), Fault> {
        /// A turn has room for so many, and for what else it does.
        const AT_ONCE: usize = 128;
        let now = effects.now();
        let due = |held: &Held| held.offered.is_none() && held.until <= now;
        let due = self.parts.iter().filter(|(_, held)| due(held));
        let due: Vec<MessageId> = due.map(|(&id, _)| id).take(AT_ONCE).collect();
        for id in due {
            self.remove(id, effects)?;
        }
        self.wait(effects)
    }

    /// Sets the one timer, if there is something to wait for: one for each part would be too many.
    fn wait(&mut self, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if self.waits {
            return Ok(());
        }
        let held = self.parts.iter().map(|(_, held)| held);
        let held = held.filter(|held| held.offered.is_none());
        let Some(next) = held.map(|held| held.until).min() else {
            return Ok(());
        };
        self.waits = true;
        effects.after(next.since_ms(effects.now()), 0)
    }

    /// `give msg:…`, with the adopter handed over as a contact.
    fn give(&mut self, text: &str, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let id: MessageId = text
            .strip_prefix("give ")
            .unwrap_or(text)
            .trim()
            .parse()
            .map_err(|error: genesis::id::AddressError| Fault::malformed(error.to_string()))?;
        let held = self
            .parts
            .get_mut(id)
            .ok_or_else(|| Fault::new(Code::Unknown, format!("no stripped part {id} is held")))?;
        if held.offered.is_some() {
            return Err(Fault::new(
                Code::Conflict,
                format!("{id} is on offer to somebody else"),
            ));
        }
        let question = effects.question()?;
        let sequence = effects.offer(Contact::Carried(0), held.part.clone().into())?;
        held.offered = Some((sequence, question));
        Ok(())
    }

    fn answered(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let offered = self
            .parts
            .iter()
            .find_map(|(&id, held)| match held.offered {
                Some((sequence, question)) if sequence == letter.answers => Some((id, question)),
                _ => None,
            });
        let Some((id, question)) = offered else {
            return Ok(());
        };
        if letter.kind == Kind::Reply {
            self.parts.remove(id);
            self.adopted += 1;
            effects.emit(format!("{id} was adopted"))?;
            // Where it is now and what that took, for whoever asked.
            let facts = letter.extra.as_deref().map(|extra| &extra.metadata);
            let fuel = facts.and_then(|facts| facts.get(FUEL));
            let fuel: &[u8] = fuel.map_or(&[], |fuel| fuel);
            let said = [&*letter.contents, fuel].concat();
            effects.answer(question, said)?;
        } else {
            if let Some(held) = self.parts.get_mut(id) {
                held.offered = None;
            }
            let why = letter.refusal().map_or_else(String::new, |why| why.what);
            effects.answer(question, format!("refused: {why}"))?;
        }
        self.expire(effects)
    }
}

impl Behaviour for Scavenger {
    const NAME: &'static str = "scavenger";
    const GIVES: &'static [Channel] = &[Channel::MAIN, Channel::STRIPPED];
    const NEEDS: &'static [Channel] = &[SEND, EMIT, AFTER];

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self::default())
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        match letter.kind {
            Kind::Stripped => self.take(letter, effects),
            Kind::Reply | Kind::Bounce => self.answered(letter, effects),
            Kind::Notice if letter.channel == Channel::TIMER => {
                self.waits = false;
                self.expire(effects)
            }
            Kind::Tell => match letter.contents.as_text() {
                Some(text) if text.starts_with("give ") => self.give(text, effects),
                Some("list") => {
                    let list: Vec<String> =
                        self.parts.iter().map(|(id, _)| id.to_string()).collect();
                    effects.reply(list.join("\n")).map(drop)
                }
                _ => effects
                    .reply(format!(
                        "taken={} held={} adopted={} removed={}",
                        self.taken,
                        self.parts.len(),
                        self.adopted,
                        self.removed
                    ))
                    .map(drop),
            },
            _ => Ok(()),
        }
    }
}
