//! How bodies change: parts are taken in, replaced and taken out by messages, while the VC lives.

use bytes::Bytes;
use genesis::channel::{Channel, Polarity};
use genesis::id::{Digest, MessageId, VcId};
use genesis::image::{Code as PartCode, ImagePart};
use genesis::limits::CONTENTS_INLINE_MAX;
use genesis::message::Kind;
use genesis::power::Grants;
use genesis::purse::Coin;
use genesis::refusal::{Code, Refusal};
use genesis::wire;

use super::Worker;
use super::bodies::{body_of, unwrap, wrap};
use super::images::{has_code, seat_with};
use super::trial::{Candidate, begun};
use crate::cell::{Assembly, Organ, Part, Seat};
use crate::effects::{Contacts, FUEL_PER_TURN};
use crate::events::EventKind;
use crate::hosted::states_of;
use crate::letter::{Contents, Letter};
use crate::sandbox::Source;
use crate::view::{Consent, Reshaped, Stripped, Verdict};

/// The fact of a message by which its sender takes responsibility for what was not tested.
pub(crate) const OVERRIDE: &str = "override";
/// The fact of a message that asks for a replay of so many messages (u32) as the judge.
pub(crate) const REPLAY: &str = "replay";
/// The fact of an answer that says what a change of a body took.
pub(crate) const FUEL: &str = "fuel";
/// The fact of a message that names the occurrence it is about.
pub(crate) const OCCURRENCE: &str = "occurrence";

impl Worker {
    /// Handles a letter that asks for another body: obeyed only from the owner, the host, or a contact
    /// granted `reshape`.
    pub(super) fn reshape(&mut self, slot: u32, seat: &mut Seat, letter: &Letter) {
        self.make_room(slot, seat);
        let before = self.cells[slot as usize].standing.sequence;
        let outcome = self.reshape_checked(slot, seat, letter);
        let id = self.cells[slot as usize].id;
        self.cells[slot as usize].standing.turns += 1;
        self.tally.turns += 1;
        self.touch(slot);
        match outcome {
            Ok((said, fuel)) => {
                self.tally.consumed += 1;
                if letter.logged {
                    self.slice.finish(letter.reference());
                    self.slice.counts.consumed += 1;
                }
                self.ended(letter, || crate::view::Fate::Consumed);
                self.answer_for(slot, letter, said, fuel);
                self.record_reshaping(slot, letter, Ok(fuel));
                self.snapshot(slot, seat, true);
            }
            Err(why) => {
                self.record_reshaping(slot, letter, Err(&why));
                if self.cells[slot as usize].standing.sequence != before {
                    // It went half of the way: what left cannot be taken back.
                    self.snapshot(slot, seat, true);
                }
                self.log_line(slot, &format!("{} refused: {why}", letter.kind.name()));
                self.bounce(letter, why.who(id));
            }
        }
    }

    fn reshape_checked(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        letter: &Letter,
    ) -> Result<(Contents, u64), Refusal> {
        let cell = &self.cells[slot as usize];
        let id = cell.id;
        let asker = letter.extra.as_ref().and_then(|extra| extra.asker);
        let reshapes = letter.extra.as_ref().is_some_and(|extra| extra.reshapes);
        let allowed = letter.from == self.shared.owner
            || letter.from == cell.host.id
            || letter.from == self.shared.scavenger && asker == Some(self.shared.owner)
            || reshapes
                && cell
                    .more
                    .as_ref()
                    .is_some_and(|more| more.reshapers.contains(&letter.from));
        if !allowed {
            return Err(Refusal::new(
                Code::Denied,
                format!("{:?} may not reshape {id:?}", letter.from),
            )
            .hint("only its owner, its host, or a contact granted `reshape` may"));
        }
        let fact = |name: &str| {
            letter
                .extra
                .as_ref()
                .and_then(|extra| extra.metadata.get(name))
                .map(Bytes::as_ref)
        };
        let replay = fact(REPLAY).map(|bytes| match <[u8; 4]>::try_from(bytes) {
            Ok(last) => Ok(Consent::Replay(u32::from_le_bytes(last))),
            Err(_) => Err(Refusal::new(
                Code::Malformed,
                "how many messages to replay is 4 bytes, little-endian",
            )),
        });
        let consent = match (fact(OVERRIDE), replay) {
            (Some(_), _) => Consent::Override,
            (None, Some(replay)) => replay?,
            (None, None) => Consent::Judge,
        };
        let number = |bytes: &[u8]| {
            bytes.try_into().map(u64::from_le_bytes).map_err(|_| {
                Refusal::new(Code::Malformed, "an occurrence is 8 bytes, little-endian")
            })
        };
        match letter.kind {
            Kind::Computer => self
                .wake_strong(slot, letter)
                .map(|id| (Contents::from(id.as_bytes().as_slice()), FUEL_PER_TURN)),
            Kind::Internalize => {
                let part = unwrap(&letter.contents)?;
                self.take_in(slot, seat, part, consent)
                    .map(|done| (Contents::from(done.occurrence), done.fuel))
            }
            Kind::Upgrade => {
                let part = unwrap(&letter.contents)?;
                let occurrence = fact(OCCURRENCE).map(number).transpose()?;
                self.replace(slot, seat, occurrence, part, consent)
                    .map(|done| (Contents::from(done.occurrence), done.fuel))
            }
            _ => {
                let Some((digest, at)) = letter.contents.split_first_chunk::<32>() else {
                    return Err(Refusal::new(
                        Code::Malformed,
                        "which part? 32 bytes of digest",
                    ));
                };
                let at = if at.is_empty() {
                    None
                } else {
                    Some(number(at)?)
                };
                self.take_out_all(slot, seat, Digest(*digest), at)
            }
        }
    }

    /// Takes out every occurrence of a part, or one; answers with the messages they were broadcast in.
    fn take_out_all(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        digest: Digest,
        at: Option<u64>,
    ) -> Result<(Contents, u64), Refusal> {
        let parts = self.parts_of(&self.cells[slot as usize]);
        let outdated: Vec<u64> = parts
            .iter()
            .filter(|part| at.is_none_or(|at| part.occurrence == at))
            .filter(|part| part.to_image(None).digest() == digest)
            .map(|part| part.occurrence)
            .collect();
        if outdated.is_empty() {
            return Err(Refusal::new(
                Code::Unknown,
                format!("the body has no part {digest} there"),
            )
            .hint("`medium show` lists the occurrences"));
        }
        let stripped = outdated
            .into_iter()
            .map(|occurrence| self.take_out(slot, seat, occurrence))
            .collect::<Result<Vec<_>, _>>()?;
        let messages: Vec<MessageId> = stripped.iter().map(|one| one.message).collect();
        let fuel = stripped.iter().map(|one| one.fuel).sum();
        let mut said = Vec::new();
        wire::encode_into(&mut said, &messages)
            .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
        Ok((said.into(), fuel))
    }

    /// The digest of a part of a body.
    pub(crate) fn part_digest(&mut self, id: VcId, occurrence: u64) -> Result<Digest, Refusal> {
        let slot = self.find_or_wake(id)?;
        let parts = self.parts_of(&self.cells[slot as usize]);
        let part = parts
            .iter()
            .find(|part| part.occurrence == occurrence)
            .ok_or_else(|| no_occurrence(id, occurrence))?;
        Ok(part.to_image(None).digest())
    }

    /// Takes a part into a body, after it was tried; gives its occurrence and what that took.
    pub(super) fn take_in(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        mut part: ImagePart,
        consent: Consent,
    ) -> Result<Reshaped, Refusal> {
        let candidate = Candidate {
            part: &part,
            replaces: None,
            from: begun(&part),
        };
        let fuel = self.admit_part(slot, seat, &candidate, consent)?;
        let from = candidate.from;
        self.make_explicit(slot);
        let more = self.cells[slot as usize].more_mut();
        part.occurrence = more.next_occurrence;
        let mut parts: Vec<ImagePart> = more.parts.iter().map(|p| p.to_image(None)).collect();
        parts.push(part.clone());
        body_of(&parts)?;
        let occurrence = part.occurrence;
        more.next_occurrence += 1;
        more.parts.push(Part::from_image(&part));
        if let Err(why) = self.rebuild(slot, seat, Some((part, from))) {
            self.cells[slot as usize].more_mut().parts.pop();
            return Err(why);
        }
        let what = format!("internalized occurrence {occurrence} for {fuel} fuel");
        self.event(EventKind::Reshaped, self.cells[slot as usize].id, what);
        Ok(Reshaped { occurrence, fuel })
    }

    /// Puts a part in the place of an older one, under the same occurrence, going on from what the older
    /// one saved; the older one is broadcast. A transaction: on any failure the older one stays, and so do
    /// its state and all mail.
    fn replace(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        occurrence: Option<u64>,
        mut part: ImagePart,
        consent: Consent,
    ) -> Result<Reshaped, Refusal> {
        let old = self.place_for(slot, occurrence, &part)?;
        if old.code == PartCode::Genesis || old.computer().is_some() {
            let what = format!("occurrence {} is no part that is replaced", old.occurrence);
            return Err(Refusal::new(Code::Denied, what));
        }
        let lost: Vec<String> = old
            .channels
            .iter()
            .filter(|link| !part.channels.contains(link))
            .filter(|(channel, polarity)| {
                // To need less of the medium is no loss.
                *polarity == Polarity::Gives || !channel.is_of_the_medium()
            })
            .map(|(channel, _)| channel.to_string())
            .collect();
        if !lost.is_empty() && consent != Consent::Override {
            return Err(Refusal::new(
                Code::Denied,
                format!(
                    "the new part does not do all the old one does: {}",
                    lost.join(" ")
                ),
            )
            .hint("the owner can override it; what relied on these goes hungry"));
        }
        let states = states_of(seat, self.first_code_occurrence(slot));
        let old_state = states
            .into_iter()
            .find(|(at, _)| *at == old.occurrence)
            .map(|(_, state)| state);
        let (from, _) = self.successor(slot, seat, &old, &part);
        let candidate = Candidate {
            part: &part,
            replaces: Some(old.occurrence),
            from,
        };
        let fuel = self.admit_part(slot, seat, &candidate, consent)?;
        let from = candidate.from;
        self.make_explicit(slot);
        part.occurrence = old.occurrence;
        part.role = part.role.or_else(|| old.role.clone());
        let parts = &mut self.cells[slot as usize].more_mut().parts;
        let Some(at) = parts.iter().position(|p| p.occurrence == old.occurrence) else {
            return Err(no_occurrence(self.cells[slot as usize].id, old.occurrence));
        };
        parts[at] = Part::from_image(&part);
        let whole: Vec<ImagePart> = parts.iter().map(|p| p.to_image(None)).collect();
        let anew = old.contents != part.contents && matches!(from, Source::Birth);
        let swapped = body_of(&whole).and_then(|_| self.rebuild(slot, seat, Some((part, from))));
        if let Err(why) = swapped {
            self.cells[slot as usize].more_mut().parts[at] = old;
            let what = format!("the old part stays: {}", why.what);
            let hint = "to begin anew, strip the old one and internalize this one";
            return Err(Refusal { what, ..why }.hint(hint));
        }
        let occurrence = old.occurrence;
        if anew {
            self.log_line(
                slot,
                &format!(
                    "occurrence {occurrence} begins anew: the same code with another argument"
                ),
            );
        }
        let what = format!("upgraded occurrence {occurrence} for {fuel} fuel");
        self.event(EventKind::Reshaped, self.cells[slot as usize].id, what);
        if let Err(why) = self.broadcast(slot, &old.to_image(old_state)) {
            self.log_line(slot, &format!("the old part was let go unheard: {why}"));
        }
        Ok(Reshaped { occurrence, fuel })
    }

    /// Tries a candidate and lets it in if the consent holds; what was overridden is logged. Gives the fuel
    /// it took, paid from the VC's purse as far as that reaches.
    fn admit_part(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        candidate: &Candidate<'_>,
        consent: Consent,
    ) -> Result<u64, Refusal> {
        let replay = match consent {
            Consent::Replay(last) => Some(last),
            Consent::Judge | Consent::Override => None,
        };
        let trial = self.trial(slot, seat, candidate, replay)?;
        let fuel = trial.fuel + fuel_of_part(candidate.part);
        self.pay(slot, fuel);
        match trial.verdict {
            Verdict::Adopt => Ok(fuel),
            Verdict::Refuse(why) if consent == Consent::Override => {
                let line = format!("override: {} was taken although {why}", trial.code);
                self.log_line(slot, &line);
                Ok(fuel)
            }
            Verdict::Refuse(why) if why.hint.is_some() => Err(why),
            Verdict::Refuse(why) => {
                Err(why.hint("`medium try` shows more; on your own account: --override"))
            }
        }
    }

    /// Takes fuel for a change of the body, as far as there is any.
    fn pay(&mut self, slot: u32, fuel: u64) {
        let purse = &mut self.cells[slot as usize].standing.purse;
        let fuel = fuel.min(purse.left(Coin::Fuel));
        // Cannot fail: not more than is left.
        let _ = purse.take(Coin::Fuel, fuel);
    }

    /// Takes a part out of a body and broadcasts it, wrapped, to the scavenger. Costs what its bytes cost,
    /// and asks nobody.
    pub(super) fn take_out(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        occurrence: u64,
    ) -> Result<Stripped, Refusal> {
        self.make_explicit(slot);
        let states = states_of(seat, self.first_code_occurrence(slot));
        let id = self.cells[slot as usize].id;
        let more = self.cells[slot as usize].more_mut();
        let at = more
            .parts
            .iter()
            .position(|part| part.occurrence == occurrence)
            .ok_or_else(|| no_occurrence(id, occurrence))?;
        if let Some(inner) = more.parts[at].computer() {
            return Err(Refusal::new(
                Code::Denied,
                format!("occurrence {occurrence} is a VC ({inner:?}); freeze and stop it instead"),
            ));
        }
        let state = states
            .iter()
            .find(|(o, _)| *o == occurrence)
            .map(|(_, s)| s.clone());
        let wrapped = wrap(&more.parts[at].to_image(state.clone()))?.len();
        if wrapped > CONTENTS_INLINE_MAX {
            let what = format!(
                "occurrence {occurrence} takes {wrapped} bytes as a message, at most {CONTENTS_INLINE_MAX} travel"
            );
            return Err(Refusal::new(Code::TooLarge, what));
        }
        let part = more.parts.remove(at);
        if part.code == PartCode::Genesis {
            // Without it a VC is mute: it has no power that a grant could give back.
            self.cells[slot as usize].standing.grants = Grants::NONE;
        }
        self.rebuild(slot, seat, None)?;
        let part = part.to_image(state);
        let fuel = fuel_of_part(&part);
        self.pay(slot, fuel);
        let what = format!("stripped occurrence {occurrence} for {fuel} fuel");
        self.event(EventKind::Reshaped, id, what);
        let message = self.broadcast(slot, &part)?;
        Ok(Stripped { message, fuel })
    }

    /// Wraps a part as a message and lets it go.
    fn broadcast(&mut self, slot: u32, part: &ImagePart) -> Result<MessageId, Refusal> {
        let to = self.shared.scavenger;
        let now = self.now;
        let cell = &mut self.cells[slot as usize];
        cell.standing.sequence += 1;
        let contents = wrap(part)?;
        let mut letter = Letter::new(cell.id, cell.standing.sequence, to, contents, now);
        letter.kind = Kind::Stripped;
        letter.channel = Channel::STRIPPED;
        letter.extra_mut().decoder = part.decoder;
        let message = letter.to_message().and_then(|message| {
            let id = message.id()?;
            Ok((id, message))
        });
        let (id, message) = message.map_err(|error| {
            Refusal::new(
                Code::TooLarge,
                format!("the part does not fit a message: {error}"),
            )
        })?;
        self.shared
            .gateway
            .remember(id, message, crate::view::Fate::Queued);
        let durable = cell.flags.durable && self.shared.log.is_some();
        self.tally.accepted += 1;
        if durable {
            letter.logged = true;
            self.slice.accept(&letter);
            self.slice.counts.accepted += 1;
        }
        self.touch(slot);
        self.route(Box::new(letter));
        Ok(id)
    }

    /// Gives a plain VC, whose body followed from its kind, a body of its own.
    fn make_explicit(&mut self, slot: u32) {
        let parts = self.parts_of(&self.cells[slot as usize]);
        let cell = &mut self.cells[slot as usize];
        if cell.kind.take().is_some() {
            let more = cell.more_mut();
            more.next_occurrence = parts
                .iter()
                .map(|part| part.occurrence + 1)
                .max()
                .unwrap_or(0);
            more.parts = parts;
        }
    }

    /// Wires a body anew: every part goes on with the state it has; `fresh` from what comes with it. On an
    /// error the seat is as it was.
    fn rebuild(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        fresh: Option<(ImagePart, Source)>,
    ) -> Result<(), Refusal> {
        let first = self.first_state(seat, slot);
        let mut image = self.image_with(slot, &states_of(seat, first));
        let mut source = None;
        if let Some((fresh, from)) = fresh
            && let Some(part) = image
                .parts
                .iter_mut()
                .find(|p| p.occurrence == fresh.occurrence)
        {
            part.state = match (&fresh.code, &from) {
                (PartCode::WebAssembly { .. }, _) | (_, Source::Birth | Source::Save(_)) => None,
                (_, Source::Image(state)) => Some(state.clone()),
            };
            source = Some((fresh.occurrence, from));
        }
        let made = seat_with(&self.shared.natives, &self.shared.modules, &image, source)
            .map_err(Refusal::from)?;
        *seat = match made {
            // A body that was reshaped is told apart by occurrence, even with one part.
            Seat::One(program) => {
                let part = image.parts.iter().find(|part| has_code(&part.code));
                let organ = part.map(|part| Organ::native(&self.shared.natives, part, program));
                Seat::Many(Box::new(Assembly {
                    organs: organ.into_iter().flatten().collect(),
                    enclave: None,
                }))
            }
            made => made,
        };
        self.touch(slot);
        self.list_now(slot);
        Ok(())
    }

    /// The occurrence of the one part with code, as the old seat knew it.
    fn first_state(&self, seat: &Seat, slot: u32) -> u64 {
        match seat {
            Seat::One(_) => self.first_code_occurrence(slot),
            _ => 0,
        }
    }

    /// An answer of the host on behalf of a VC: how a body's change is acknowledged.
    fn answer_for(&mut self, slot: u32, letter: &Letter, contents: Contents, fuel: u64) {
        let now = self.now;
        let durable = self.cells[slot as usize].flags.durable;
        let cell = &mut self.cells[slot as usize];
        cell.standing.sequence += 1;
        let mut answer = Letter::new(cell.id, cell.standing.sequence, letter.from, contents, now);
        answer.kind = Kind::Reply;
        answer.channel = Channel::REPLY;
        answer.answers = letter.sequence;
        answer.cause = letter.reference();
        answer.to_handle = letter.from_handle;
        answer.ahead = durable;
        let fuel = Bytes::copy_from_slice(&fuel.to_le_bytes());
        answer.extra_mut().metadata.insert(FUEL.to_owned(), fuel);
        self.tally.accepted += 1;
        if durable && answer.to != self.shared.owner {
            answer.logged = true;
            self.slice.accept(&answer);
            self.slice.counts.accepted += 1;
        }
        self.route(Box::new(answer));
    }

    /// The names by which a VC's contacts are known to it, for `show`.
    pub(super) fn contact_views(contacts: Option<&Contacts>) -> Vec<crate::view::ContactView> {
        const SHOWN_MAX: usize = 256;
        let Some(contacts) = contacts else {
            return Vec::new();
        };
        contacts
            .iter()
            .take(SHOWN_MAX)
            .enumerate()
            .map(|(n, entry)| crate::view::ContactView {
                name: contacts
                    .names
                    .iter()
                    .find(|(_, at)| *at as usize == n)
                    .map(|(name, _)| name.to_string()),
                id: entry.id,
            })
            .collect()
    }
}

fn no_occurrence(id: VcId, occurrence: u64) -> Refusal {
    let what = format!("the body of {id} has no occurrence {occurrence}");
    Refusal::new(Code::Unknown, what).hint("`medium show` lists the occurrences")
}

/// What it takes to take a part in or out: its bytes are touched once.
fn fuel_of_part(part: &ImagePart) -> u64 {
    let state = part.state.as_ref().map_or(0, Bytes::len) as u64;
    FUEL_PER_TURN + (part.contents.len() as u64 + state) / 64
}
