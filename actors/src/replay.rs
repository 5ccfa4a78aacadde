//! A VC computed again from a snapshot and what happened to it since, by the code that runs in a cell.
//!
//! Nothing of it happens: a [`Player`] takes turns on a [`Stage`], and whatever would be carried out is
//! compared with what was recorded. What the machine did to a turn on that day (its fuel ran out, a disk
//! failed) is taken from the record, and so are the answers of VCs in its body, which have journals of
//! their own.

mod against;

pub(crate) use against::against;

use std::sync::Arc;

use bytes::Bytes;
use genesis::channel::Channel;
use genesis::id::Digest;
use genesis::image::{Image, ImagePart};
use genesis::limits::TIMERS_MAX;
use genesis::message::Kind;
use genesis::purse::{Coin, Purse};
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;

use crate::behaviour::{Fault, Natives};
use crate::cell::Seat;
use crate::contents::{Shelf, adopted};
use crate::effects::Effect;
use crate::hosted::{States, states_of};
use crate::journal::{Call, Entry, Failed, Item, Recorded, Sent, Turn};
use crate::letter::Letter;
use crate::modules::Modules;
use crate::sandbox::Source;
use crate::stage::{Heard, Stage, describe};
use crate::view::{Divergence, Replayed};
use crate::worker::images::{has_code, seat_with};
use crate::worker::replay::{digest_of, link, mark_of};

/// What a VC is computed again on: the same for all VCs of a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) natives: &'a Natives,
    pub(crate) modules: &'a Modules,
    pub(crate) shelf: Option<&'a Arc<Shelf>>,
    pub(crate) seed: u64,
}

/// A VC that is computed again.
pub(crate) struct Player<'a> {
    ground: Ground<'a>,
    /// What it was; what turns change of it stands below.
    image: Image,
    stage: Stage,
    seat: Seat,
    first_code: u64,
    timers: Vec<(Time, u64)>,
    trace: Digest,
    stopped: bool,
}

impl<'a> Player<'a> {
    /// A VC as an image has it; one part may go on from something else than its state.
    ///
    /// # Errors
    /// [`Fault`] if code of it is not here, or does not go on from there.
    pub(crate) fn begin(
        ground: Ground<'a>,
        image: Image,
        fresh: Option<(u64, Source)>,
    ) -> Result<Self, Fault> {
        let seat = seat_with(ground.natives, ground.modules, &image, fresh)?;
        let coded = image.parts.iter().find(|part| has_code(&part.code));
        Ok(Self {
            stage: Stage::of(&image, ground),
            seat,
            first_code: coded.map_or(0, |part| part.occurrence),
            timers: image
                .timers
                .iter()
                .map(|&(at, tag)| (Time(at), tag))
                .collect(),
            trace: image.trace,
            stopped: false,
            image,
            ground,
        })
    }

    /// Takes a turn again. Nothing, if its outcome is taken from the record: what the machine did to it, if
    /// `trust` says so, and changes of the body, after which the record goes on with a snapshot.
    pub(crate) fn turn(&mut self, turn: &Turn, trust: bool) -> Option<Heard> {
        let mut letter = turn.letter.clone();
        letter.contents = adopted(self.ground.shelf, letter.contents);
        if reshapes(letter.kind) {
            self.stage.pass();
            return None;
        }
        let failed = turn
            .outcome
            .as_ref()
            .and_then(|outcome| outcome.as_ref().err());
        let given = failed.filter(|failed| trust && failed.is_of_the_host());
        let heard = if given.is_some() {
            self.stage.pass();
            None
        } else {
            Some(self.stage.turn(&mut self.seat, &letter, turn.calls.clone()))
        };
        self.pay(turn, heard.as_ref());
        self.end_timer(&letter);
        if let Some(heard) = &heard {
            self.set_timers(turn.at, &heard.effects);
            let failed = heard.outcome.as_ref().err();
            let failed = failed.map(|fault| (fault.ended, fault.code));
            self.chain(turn, &letter, failed, digest_of(&heard.effects));
        } else {
            let failed = given.map(|failed| (failed.ended, failed.code));
            // It had no effects.
            self.chain(turn, &letter, failed, digest_of(&[]));
        }
        heard
    }

    fn chain(
        &mut self,
        turn: &Turn,
        letter: &Letter,
        failed: Option<(bool, Code)>,
        effects: Digest,
    ) {
        if turn.traced {
            self.trace = link(self.trace, letter, failed, effects).unwrap_or(self.trace);
        }
    }

    /// Takes from the purse what the turn cost: then, if that is known.
    fn pay(&mut self, turn: &Turn, heard: Option<&Heard>) {
        let now = heard.map_or(0, |heard| {
            heard
                .spent
                .saturating_add(crate::effects::fuel_of(&heard.effects))
        });
        let fuel = turn.outcome.as_ref().map_or(now, |_| turn.fuel);
        let purse = &mut self.stage.standing_mut().purse;
        let fuel = fuel.min(purse.left(Coin::Fuel));
        // Cannot fail: not more than is left.
        let _ = purse.take(Coin::Fuel, fuel);
    }

    fn end_timer(&mut self, letter: &Letter) {
        if letter.kind == Kind::Notice
            && letter.channel == Channel::TIMER
            && let Ok(tag) = <[u8; 8]>::try_from(&*letter.contents).map(u64::from_le_bytes)
            && let Some(at) = self
                .timers
                .iter()
                .position(|&timer| timer == (letter.sent_at, tag))
        {
            self.timers.swap_remove(at);
        }
    }

    fn set_timers(&mut self, now: Time, effects: &[Effect]) {
        for effect in effects {
            if let &Effect::After { delay_ms, tag } = effect
                && self.timers.len() < TIMERS_MAX as usize
            {
                self.timers.push((now.plus_ms(delay_ms.max(1)), tag));
            }
        }
    }

    /// Answers a call of its host's turn again.
    fn serve(&mut self, call: &Call) -> Result<Bytes, Failed> {
        let Some(enclave) = self.seat.enclave_mut() else {
            return Err(Failed::of(&Fault::new(
                Code::Unknown,
                "it answers no calls",
            )));
        };
        let mut answer = Vec::new();
        let outcome = enclave.prepare().and_then(|mark| {
            let (_, outcome) = enclave.serve(call.channel, &call.request, &mut answer);
            if outcome.is_err() {
                enclave.back_to(mark);
            }
            outcome
        });
        outcome
            .map(|_| answer.into())
            .map_err(|fault| Failed::of(&fault))
    }

    /// Lets happen again what is no message.
    ///
    /// # Errors
    /// What it answers now, if it answered a call otherwise.
    pub(crate) fn event(&mut self, entry: &Entry) -> Result<(), Box<Divergence>> {
        match entry {
            Entry::Turn(_) => {}
            Entry::Served(call) => {
                let now = self.serve(call);
                if now != call.answer {
                    let said = |answer: &Result<Bytes, Failed>| match answer {
                        Ok(bytes) => {
                            format!("answer {:?}", crate::letter::Contents::from(bytes.clone()))
                        }
                        Err(failed) => format!("fault: {}", failed.fault()),
                    };
                    return Err(Box::new(Divergence {
                        message: 0,
                        contents: format!("a call of `{}` by its host", call.channel),
                        recorded: vec![said(&call.answer)],
                        now: vec![said(&now)],
                    }));
                }
            }
            Entry::Refund(purse) => self.stage.standing_mut().purse.merge(*purse),
            Entry::Restarted => {
                let mut image = self.image.clone();
                for part in &mut image.parts {
                    part.state = None;
                }
                // One that cannot be begun again went on as it was.
                if let Ok(seat) = seat_with(self.ground.natives, self.ground.modules, &image, None)
                {
                    self.seat = seat;
                }
            }
            Entry::Stopped(_) => {
                self.stage.standing_mut().purse = Purse::EMPTY;
                self.timers.clear();
                self.stopped = true;
            }
        }
        Ok(())
    }

    /// The states of its parts.
    pub(crate) fn states(&mut self) -> States {
        states_of(&mut self.seat, self.first_code)
    }

    /// Its image as it is now.
    pub(crate) fn image(&mut self) -> Image {
        let states = self.states();
        let mut image = self.image.clone();
        for part in &mut image.parts {
            let state = states.iter().find(|(at, _)| *at == part.occurrence);
            part.state = state.map(|(_, state)| state.clone());
        }
        let standing = *self.stage.standing_mut();
        image.purse = standing.purse;
        image.sequence = standing.sequence;
        image.births = standing.births;
        image.turns = standing.turns;
        let contacts = self.stage.contacts();
        image.contacts = contacts.map_or_else(Vec::new, |contacts| {
            contacts.iter().map(|entry| entry.id).collect()
        });
        image.contact_names = contacts.map_or_else(Vec::new, |contacts| {
            let name = |(name, at): &(Box<str>, u32)| (name.to_string(), *at);
            contacts.names.iter().map(name).collect()
        });
        image.timers = self.timers.iter().map(|&(at, tag)| (at.0, tag)).collect();
        image.trace = self.trace;
        image
    }
}

/// Whether a message asks for another body: then it is not for the VC's code.
pub(crate) const fn reshapes(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Internalize | Kind::Deprecate | Kind::Upgrade | Kind::Computer
    )
}

/// Computes a VC again from what was recorded of it, up to the first difference.
///
/// # Errors
/// [`Refusal`] if the record cannot be read, or code of the VC is not here.
pub(crate) fn replay(
    ground: Ground<'_>,
    recorded: &Recorded,
    present: &Image,
) -> Result<Replayed, Refusal> {
    let mut found = Replayed {
        vc: present.id,
        name: present.name.clone(),
        messages: 0,
        taken: 0,
        unsaid: 0,
        changes: 0,
        digest: digest(present)?,
        first: None,
    };
    let mut player: Option<Player<'_>> = None;
    for item in &recorded.items {
        let differs = match (item, &mut player) {
            (Item::Snapshot { image, anew }, player) => {
                let image = snapshot_of(image)?;
                let differs = match player {
                    Some(player) if !anew => state_differs(&image, &player.image())?,
                    Some(_) => {
                        found.changes += 1;
                        None
                    }
                    None => None,
                };
                if differs.is_none() {
                    *player = Some(Player::begin(ground, image, None)?);
                }
                differs
            }
            (Item::Entry(_), None) => {
                let what = "the journal does not begin with a snapshot";
                return Err(Refusal::new(Code::Corrupt, what).who(present.id));
            }
            (Item::Entry(Entry::Turn(turn)), Some(player)) => again(player, turn, &mut found),
            (Item::Entry(entry), Some(player)) => {
                player.event(entry).err().map(|differs| Divergence {
                    message: found.messages,
                    ..*differs
                })
            }
        };
        if differs.is_some() {
            found.first = differs;
            return Ok(found);
        }
    }
    if let Some(player) = &mut player {
        let image = player.image();
        found.digest = digest(&image)?;
        found.first = state_differs(present, &image)?;
    }
    Ok(found)
}

/// Takes one turn again, and compares.
fn again(player: &mut Player<'_>, turn: &Turn, found: &mut Replayed) -> Option<Divergence> {
    found.messages += 1;
    let heard = player.turn(turn, true);
    let Some(outcome) = &turn.outcome else {
        found.unsaid += 1;
        return None;
    };
    let Some(heard) = heard else {
        found.taken += 1;
        return None;
    };
    let same = match (outcome, &heard.outcome) {
        (Ok(()), Ok(())) => mark_of(&heard.effects) == turn.effects,
        (Err(then), Err(now)) => then.code == now.code && then.ended == now.ended,
        _ => false,
    };
    if same {
        return None;
    }
    let mut now = describe(&heard);
    now.push(format!("digest of its effects {}", mark_of(&heard.effects)));
    Some(Divergence {
        message: if turn.number > 0 {
            turn.number
        } else {
            found.messages
        },
        contents: format!("{:?}", turn.letter.contents),
        recorded: recorded_lines(turn),
        now,
    })
}

/// What a record says of a turn, a line for each thing.
pub(crate) fn recorded_lines(turn: &Turn) -> Vec<String> {
    let mut lines: Vec<String> = turn.sent.iter().map(line_of).collect();
    match &turn.outcome {
        Some(Err(failed)) => lines.push(format!("fault: {}", failed.fault())),
        Some(Ok(())) => {}
        None => lines.push("nothing was recorded of what came of it".to_owned()),
    }
    lines.push(format!("digest of its effects {}", turn.effects));
    lines
}

fn line_of(sent: &Sent) -> String {
    let Sent {
        to,
        kind,
        channel,
        bytes,
        cause: _,
    } = sent;
    match kind {
        Kind::Reply => format!("reply of {bytes} bytes"),
        _ if *channel == Channel::MAIN => format!("send {bytes} bytes to {to}"),
        _ => format!("send {bytes} bytes to {to} {channel}"),
    }
}

/// The image that a snapshot is.
pub(crate) fn snapshot_of(bytes: &[u8]) -> Result<Image, Refusal> {
    Image::from_trusted_bytes(bytes)
        .map_err(|error| Refusal::new(Code::Corrupt, format!("the journal: a snapshot: {error}")))
}

fn digest(image: &Image) -> Result<String, Refusal> {
    let digest = image
        .digest()
        .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
    Ok(digest.to_string())
}

/// In what two images of a VC differ, if their digests do.
fn state_differs(recorded: &Image, now: &Image) -> Result<Option<Divergence>, Refusal> {
    let digests = (digest(recorded)?, digest(now)?);
    if digests.0 == digests.1 {
        return Ok(None);
    }
    let mut lines = (Vec::new(), Vec::new());
    let mut compare = |what: &str, recorded: String, now: String| {
        if recorded != now {
            lines.0.push(format!("{what} {recorded}"));
            lines.1.push(format!("{what} {now}"));
        }
    };
    let state = |part: &ImagePart| match &part.state {
        Some(state) => Digest::of(state).to_string(),
        None => "none".to_owned(),
    };
    for part in &recorded.parts {
        let other = now
            .parts
            .iter()
            .find(|other| other.occurrence == part.occurrence);
        let what = format!("state of occurrence {}:", part.occurrence);
        compare(
            &what,
            state(part),
            other.map_or_else(|| "no such part".to_owned(), state),
        );
    }
    compare("turns", recorded.turns.to_string(), now.turns.to_string());
    compare(
        "messages sent",
        recorded.sequence.to_string(),
        now.sequence.to_string(),
    );
    compare(
        "births",
        recorded.births.to_string(),
        now.births.to_string(),
    );
    compare(
        "contacts",
        recorded.contacts.len().to_string(),
        now.contacts.len().to_string(),
    );
    compare(
        "timers",
        format!("{:?}", recorded.timers),
        format!("{:?}", now.timers),
    );
    compare("purse", coins(recorded.purse), coins(now.purse));
    compare("trace", recorded.trace.to_string(), now.trace.to_string());
    compare("image", digests.0, digests.1);
    Ok(Some(Divergence {
        message: 0,
        contents: format!("its state after {} turns", recorded.turns),
        recorded: lines.0,
        now: lines.1,
    }))
}

/// A purse, all but its fuel, which no digest sees.
fn coins(purse: Purse) -> String {
    format!("{:?}", Purse { fuel: 0, ..purse })
}
