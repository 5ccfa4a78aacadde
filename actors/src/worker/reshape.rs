//! How bodies change: parts are taken in, replaced and taken out by messages, while the VC lives.

use bytes::Bytes;
use genesis::body::{Body, Part as BodyPart};
use genesis::channel::{Channel, Polarity};
use genesis::id::{Digest, MessageId, VcId};
use genesis::image::{Code as PartCode, ImagePart};
use genesis::limits::CONTENTS_INLINE_MAX;
use genesis::message::Kind;
use genesis::pattern::{Mode, Pattern, Profile};
use genesis::power::Grants;
use genesis::refusal::{Code, Refusal};
use genesis::wire;

use super::Worker;
use super::images::{organs_of, program_of};
use crate::cell::{Assembly, Part, Seat};
use crate::effects::Contacts;
use crate::events::EventKind;
use crate::hosted::states_of;
use crate::letter::{Contents, Letter};

/// The version byte of a part on its way.
const PART_VERSION: u8 = 1;
/// The fact of a message by which its sender takes responsibility for what was not tested.
pub(crate) const OVERRIDE: &str = "override";
/// The fact of a message that names the occurrence it is about.
pub(crate) const OCCURRENCE: &str = "occurrence";

/// A part as the contents of a message.
///
/// # Errors
/// [`Refusal`] if it is too large to be encoded.
pub(crate) fn wrap(part: &ImagePart) -> Result<Contents, Refusal> {
    wire::encode(PART_VERSION, part)
        .map(Contents::from)
        .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))
}

/// The part that is the contents of a message.
///
/// # Errors
/// [`Refusal`] if the contents are not a part.
pub(crate) fn unwrap(contents: &[u8]) -> Result<ImagePart, Refusal> {
    wire::decode_canonical(PART_VERSION, contents)
        .map_err(|error| Refusal::new(Code::Malformed, format!("not a part: {error}")))
}

impl Worker {
    /// Handles a letter that asks for another body: obeyed only from the owner, the host, or a contact
    /// granted `reshape`.
    pub(super) fn reshape(&mut self, slot: u32, seat: &mut Seat, letter: &Letter) {
        let outcome = self.reshape_checked(slot, seat, letter);
        let id = self.cells[slot as usize].id;
        self.cells[slot as usize].standing.turns += 1;
        self.tally.turns += 1;
        self.touch(slot);
        match outcome {
            Ok(said) => {
                // A journal holds what the code handled; this it did not.
                self.snapshot(slot, seat);
                self.tally.consumed += 1;
                if letter.logged {
                    self.slice.finish(letter.reference());
                    self.slice.counts.consumed += 1;
                }
                self.ended(letter, || crate::view::Fate::Consumed);
                self.answer_for(slot, letter, said);
            }
            Err(why) => {
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
    ) -> Result<Contents, Refusal> {
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
        let by_override = fact(OVERRIDE).is_some();
        let number = |bytes: &[u8]| {
            bytes.try_into().map(u64::from_le_bytes).map_err(|_| {
                Refusal::new(Code::Malformed, "an occurrence is 8 bytes, little-endian")
            })
        };
        match letter.kind {
            Kind::Internalize => {
                let part = unwrap(&letter.contents)?;
                self.take_in(slot, seat, part, by_override)
                    .map(Contents::from)
            }
            Kind::Upgrade => {
                let part = unwrap(&letter.contents)?;
                let occurrence = fact(OCCURRENCE).map(number).transpose()?;
                self.replace(slot, seat, occurrence, part, by_override)
                    .map(Contents::from)
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
    ) -> Result<Contents, Refusal> {
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
        let messages = outdated
            .into_iter()
            .map(|occurrence| self.take_out(slot, seat, occurrence))
            .collect::<Result<Vec<_>, _>>()?;
        let mut said = Vec::new();
        wire::encode_into(&mut said, &messages)
            .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
        Ok(said.into())
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

    /// Takes a part into a body, after it was tested; gives its occurrence.
    pub(super) fn take_in(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        mut part: ImagePart,
        by_override: bool,
    ) -> Result<u64, Refusal> {
        self.test_part(slot, &part, by_override)?;
        self.make_explicit(slot);
        let more = self.cells[slot as usize].more_mut();
        part.occurrence = more.next_occurrence;
        let mut parts: Vec<ImagePart> = more.parts.iter().map(|p| p.to_image(None)).collect();
        parts.push(part.clone());
        body_of(&parts)?;
        let occurrence = part.occurrence;
        let state = part.state.take();
        more.next_occurrence += 1;
        more.parts.push(Part::from_image(&part));
        part.state = state;
        if let Err(why) = self.rebuild(slot, seat, Some(part)) {
            self.cells[slot as usize].more_mut().parts.pop();
            return Err(why);
        }
        let id = self.cells[slot as usize].id;
        self.event(
            EventKind::Reshaped,
            id,
            format!("internalized occurrence {occurrence}"),
        );
        Ok(occurrence)
    }

    /// Puts a part in the place of an older one, under the same occurrence. If the new one cannot go on
    /// from the old one's state, it begins anew.
    fn replace(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        occurrence: Option<u64>,
        mut part: ImagePart,
        by_override: bool,
    ) -> Result<u64, Refusal> {
        self.test_part(slot, &part, by_override)?;
        self.make_explicit(slot);
        let parts = &self.cells[slot as usize].more_mut().parts;
        let same = |old: &Part| match (&old.code, &part.code) {
            (PartCode::Native { name: a, .. }, PartCode::Native { name: b, .. }) => a == b,
            _ => old.role.is_some() && old.role == part.role,
        };
        let at = match occurrence {
            Some(wanted) => parts.iter().position(|old| old.occurrence == wanted),
            None => parts.iter().position(same),
        };
        let at = at.ok_or_else(|| {
            Refusal::new(Code::Unknown, "the body has no such part")
                .hint("`medium show` lists the occurrences")
        })?;
        let old = parts[at].clone();
        let lost: Vec<String> = old
            .channels
            .iter()
            .filter(|link| !part.channels.contains(link))
            .map(|(channel, _)| channel.to_string())
            .collect();
        if !lost.is_empty() && !by_override {
            return Err(Refusal::new(
                Code::Denied,
                format!(
                    "the new part does not do all the old one does: {}",
                    lost.join(" ")
                ),
            )
            .hint("the owner can override it; what relied on these goes hungry"));
        }
        part.occurrence = old.occurrence;
        if old.code == part.code {
            let states = states_of(seat, self.first_code_occurrence(slot));
            part.state = states
                .into_iter()
                .find(|(occurrence, _)| *occurrence == old.occurrence)
                .map(|(_, state)| state.into());
        }
        self.cells[slot as usize].more_mut().parts[at] = Part::from_image(&part);
        let occurrence = part.occurrence;
        if let Err(why) = self.rebuild(slot, seat, Some(part)) {
            self.cells[slot as usize].more_mut().parts[at] = old;
            return Err(why);
        }
        let id = self.cells[slot as usize].id;
        self.event(
            EventKind::Reshaped,
            id,
            format!("upgraded occurrence {occurrence}"),
        );
        Ok(occurrence)
    }

    /// Takes a part out of a body and broadcasts it, wrapped, to the scavenger.
    pub(super) fn take_out(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        occurrence: u64,
    ) -> Result<MessageId, Refusal> {
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
            .map(|(_, s)| Bytes::copy_from_slice(s));
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
        self.event(
            EventKind::Reshaped,
            id,
            format!("stripped occurrence {occurrence}"),
        );
        self.broadcast(slot, &part.to_image(state))
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

    /// Tests a part as its adopter would: a native tests itself, contents are tested by their decoder.
    fn test_part(&mut self, slot: u32, part: &ImagePart, by_override: bool) -> Result<(), Refusal> {
        let natives = &self.shared.natives;
        let outcome = match (&part.code, part.decoder) {
            (PartCode::Genesis, _) => Err(Refusal::new(
                Code::Denied,
                "powers are granted at birth, not internalized",
            )),
            (PartCode::Native { .. }, _) => program_of(natives, part)
                .and_then(|(_, program)| program.test())
                .map_err(Refusal::from),
            (PartCode::Data, Some(decoder)) => {
                match natives.iter().find(|kind| kind.digest() == decoder) {
                    Some(kind) => kind
                        .born(&part.contents)
                        .and_then(|program| program.test())
                        .map_err(Refusal::from),
                    None => Err(Refusal::new(
                        Code::Untestable,
                        format!("this node does not know the decoder {decoder}"),
                    )),
                }
            }
            (PartCode::Data, None) => Err(Refusal::new(
                Code::Untestable,
                "contents without a decoder cannot be tested",
            )),
            // Its contents would name a VC that lives elsewhere.
            _ => Err(Refusal::new(
                Code::Denied,
                "a VC is not taken into a body by a message; spawn a host with it inside",
            )),
        };
        match outcome {
            Err(why) if by_override && why.code != Code::Denied => {
                self.log_line(slot, &format!("override: taken untested ({why})"));
                Ok(())
            }
            Err(why) => Err(why.hint("name a decoder, or take it on your own account: --override")),
            Ok(()) => Ok(()),
        }
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

    /// Wires a body anew: every part goes on with the state it has; `fresh` begins, or goes on from the
    /// state it came with.
    fn rebuild(
        &mut self,
        slot: u32,
        seat: &mut Seat,
        fresh: Option<ImagePart>,
    ) -> Result<(), Refusal> {
        let mut image = self.image_with(slot, &states_of(seat, self.first_state(seat, slot)));
        if let Some(fresh) = fresh
            && let Some(part) = image
                .parts
                .iter_mut()
                .find(|p| p.occurrence == fresh.occurrence)
        {
            part.state = fresh.state;
        }
        let organs = organs_of(&self.shared.natives, &image).map_err(Refusal::from)?;
        *seat = match organs.len() {
            0 => Seat::Empty,
            _ => Seat::Many(Box::new(Assembly { organs })),
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
    fn answer_for(&mut self, slot: u32, letter: &Letter, contents: Contents) {
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

/// The body that parts make up, as the protocol sees it: bounds, wiring, shape.
pub(crate) fn body_of(parts: &[ImagePart]) -> Result<Body, Refusal> {
    body_with(parts, Grants::NONE)
}

/// The same, with the genesis part giving the channels of these grants.
pub(crate) fn body_with(parts: &[ImagePart], grants: Grants) -> Result<Body, Refusal> {
    let mut body = Body::new();
    for part in parts {
        let (digest, bytes) = (part.digest(), part.contents.len() as u64);
        let made = match part.code {
            PartCode::Genesis => {
                let gives = grants
                    .iter()
                    .filter_map(|power| format!("medium/{power}").parse::<Channel>().ok());
                BodyPart::genesis(digest, bytes, gives)
            }
            PartCode::Computer => BodyPart::new(digest, bytes, 1, part.channels.iter().copied()),
            _ => BodyPart::new(digest, bytes, 0, part.channels.iter().copied()),
        };
        let made = made.map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
        body.internalize(made)
            .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
    }
    Ok(body)
}

/// Whether a pattern accepts a letter: its extent, or the point its bytes make, and its facts as tags.
pub(super) fn accepts(pattern: &Pattern, letter: &Letter) -> Result<(), String> {
    let mut extent = letter
        .extra
        .as_ref()
        .map(|e| e.extent.clone())
        .unwrap_or_default();
    let bytes = i64::try_from(letter.contents.len()).unwrap_or(i64::MAX);
    extent
        .0
        .entry(genesis::extent::Dimension::Bytes)
        .or_insert(genesis::extent::Interval::point(bytes));
    let links = [(letter.channel, Polarity::Needs)];
    let mut profile = Profile {
        extent: &extent,
        links: &links,
        tags: std::collections::BTreeMap::new(),
    };
    if let Some(extra) = &letter.extra {
        for (key, value) in &extra.metadata {
            if let Ok(value) = std::str::from_utf8(value) {
                profile.tags.insert(key, value);
            }
        }
    }
    pattern
        .explain(&profile, Mode::Within)
        .map_err(|refusal| refusal.to_string())
}
