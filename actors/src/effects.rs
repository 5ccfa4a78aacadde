//! What a turn may do: a closed list of effects, each passed through one gate.
//!
//! The gate is the same for every VC, native or not: grants, contacts and purse. An effect is checked
//! when it is asked for and carried out only after the turn succeeded.

use std::sync::Arc;

use bytes::Bytes;
use genesis::channel::Channel;
use genesis::id::{Digest, VcId};
use genesis::image::{Image, ImagePart};
use genesis::limits::{
    CONTACTS_MAX, CONTENTS_INLINE_MAX, CONTENTS_READ_MAX, DEPTH_MAX, EFFECTS_MAX,
    EXPIRY_DEFAULT_MS, EXPIRY_MAX_MS, MESSAGE_CONTACTS_MAX,
};
use genesis::message::{Kind, MessageRef};
use genesis::power::{Grants, Power};
use genesis::purse::{Coin, Purse};
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;
use serde::Serialize;

use crate::behaviour::Fault;
use crate::birth::{Birth, CodeBirth};
use crate::cell::Part;
use crate::contents::{Shelf, held};
use crate::enclave::{Calls, Guest};
use crate::handle::{Entry, Handle};
use crate::letter::{Contents, Letter, Spare};
use crate::outside::OUTSIDE;
use crate::worker::reshape::{OVERRIDE, REPLAY};

/// Fuel that a native turn costs, before its effects.
pub const FUEL_PER_TURN: u64 = 100;
/// Fuel that each effect costs, beside a unit per 64 bytes of contents.
pub const FUEL_PER_EFFECT: u64 = 10;

/// Someone a VC may send to, as its code names them: never an address made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub enum Contact {
    /// The host whose body it lives in; for others, who gave birth to it.
    Host,
    /// Whoever sent the message of this turn, or whom it names for answers.
    Sender,
    /// The nth address that the message of this turn hands over.
    Carried(u32),
    /// The nth contact it keeps: granted at birth, its children, and those it kept.
    Kept(u32),
}

/// A message that will be answered in a later turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Question {
    who: Asker,
    sequence: u64,
}

/// Who asked. The first four are those of [`Contact`], as states of older versions have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
enum Asker {
    Host,
    Sender,
    Carried(u32),
    Kept(u32),
    /// By id: who asks is no contact for good.
    Id(VcId),
}

impl Question {
    /// Who asked, if it was asked in this version of the program.
    pub const fn from(&self) -> Option<VcId> {
        match self.who {
            Asker::Id(id) => Some(id),
            _ => None,
        }
    }
}

/// The contacts a VC keeps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contacts {
    /// Granted at birth and shared with others (a fleet's book); they come first.
    pub(crate) book: Option<Arc<[Entry]>>,
    /// Its own.
    pub(crate) own: Vec<Entry>,
    /// What it calls some of them.
    pub(crate) names: Vec<(Box<str>, u32)>,
}

impl Contacts {
    /// Those of a frozen VC; nothing, if it knows nobody.
    pub(crate) fn of(image: &Image) -> Option<Box<Self>> {
        let name = |(name, at): &(String, u32)| (name.as_str().into(), *at);
        (!image.contacts.is_empty()).then(|| {
            Box::new(Self {
                book: None,
                own: image.contacts.iter().copied().map(Entry::of).collect(),
                names: image.contact_names.iter().map(name).collect(),
            })
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.book.as_ref().map_or(0, |book| book.len()) + self.own.len()
    }

    pub(crate) fn get(&self, index: u32) -> Option<Entry> {
        let index = index as usize;
        let book = self.book.as_deref().unwrap_or_default();
        book.get(index)
            .or_else(|| self.own.get(index - book.len()))
            .copied()
    }

    pub(crate) fn named(&self, name: &str) -> Option<u32> {
        self.names
            .iter()
            .find(|(n, _)| &**n == name)
            .map(|&(_, index)| index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry> {
        self.book
            .as_deref()
            .unwrap_or_default()
            .iter()
            .chain(&self.own)
            .copied()
    }

    /// Keeps an entry, or finds it again.
    pub(crate) fn keep(&mut self, entry: Entry) -> Result<u32, Fault> {
        if let Some(at) = self.iter().position(|kept| kept.id == entry.id) {
            return Ok(u32::try_from(at).unwrap_or(u32::MAX));
        }
        self.add(entry)
    }

    /// Adds an entry that is known to be new.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<u32, Fault> {
        let at = self.len();
        if at >= CONTACTS_MAX {
            return Err(Fault::new(
                Code::TooLarge,
                format!("a VC keeps at most {CONTACTS_MAX} contacts"),
            ));
        }
        self.own.push(entry);
        Ok(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Remembers where somebody is now.
    pub(crate) fn locate(&mut self, id: VcId, handle: Handle) {
        for entry in self.own.iter_mut().filter(|entry| entry.id == id) {
            entry.handle = handle;
        }
    }
}

/// What a VC is worth and may do: all of it that a turn changes, put back when the turn fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) purse: Purse,
    pub(crate) grants: Grants,
    /// Messages sent: the lane sequence.
    pub(crate) sequence: u64,
    /// Births given.
    pub(crate) births: u64,
    /// Turns taken.
    pub(crate) turns: u64,
}

/// One effect of a turn.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Effect {
    /// A message to a contact.
    Send(Box<Letter>),
    /// A birth; the id is known before the child is.
    Spawn {
        /// Who is born.
        id: VcId,
        /// As what.
        birth: Box<Birth>,
    },
    /// A copy of itself is born.
    Fork {
        /// Who is born.
        id: VcId,
        /// With how much.
        purse: Purse,
    },
    /// A notice to itself, later.
    After {
        /// After how many milliseconds.
        delay_ms: u64,
        /// What the notice says.
        tag: u64,
    },
    /// An ask of this turn has a deadline.
    Deadline {
        /// Which message.
        sequence: u64,
        /// After how many milliseconds.
        delay_ms: u64,
    },
    /// An ask is given up: its answer, if any comes, is not delivered.
    Cancel {
        /// Which message.
        sequence: u64,
    },
    /// A line for its log.
    Emit(Contents),
    /// A part for its body.
    Internalize(Box<ImagePart>),
    /// A part out of its body, broadcast.
    Strip {
        /// Which.
        occurrence: u64,
    },
    /// It will be told when somebody stops; linked, it stops as well.
    Watch {
        /// Whom.
        target: VcId,
        /// Whether one stops when the other does.
        link: bool,
    },
    /// Its own end.
    Stop,
}

impl Effect {
    /// Appends what a trace sees of the effect: its number and fields (`genesis/PROTOCOL.md` §11).
    pub(crate) fn trace(&self, into: &mut Vec<u8>) {
        let mut put = |number: u32, fields: &[&[u8]]| {
            into.extend_from_slice(&number.to_le_bytes());
            for field in fields {
                into.extend_from_slice(field);
            }
        };
        match self {
            Self::Send(letter) => {
                let id = letter.to_message().and_then(|message| message.id());
                // A letter that passed the gate is within all bounds, so it has an id.
                put(0, &[&id.map_or([0; 32], |id| id.0.0)]);
            }
            Self::Spawn { id, birth } => {
                put(
                    1,
                    &[
                        id.as_bytes(),
                        &birth.grants.bits().to_le_bytes(),
                        &without_fuel(birth.purse),
                    ],
                );
            }
            Self::Fork { id, purse } => put(2, &[id.as_bytes(), &without_fuel(*purse)]),
            Self::After { delay_ms, tag } => put(3, &[&delay_ms.to_le_bytes(), &tag.to_le_bytes()]),
            Self::Deadline { sequence, delay_ms } => {
                put(4, &[&sequence.to_le_bytes(), &delay_ms.to_le_bytes()]);
            }
            Self::Cancel { sequence } => put(5, &[&sequence.to_le_bytes()]),
            Self::Emit(line) => put(6, &[&Digest::of(line).0]),
            Self::Internalize(part) => put(7, &[&part.digest().0]),
            Self::Strip { occurrence } => put(8, &[&occurrence.to_le_bytes()]),
            Self::Watch { target, link } => put(9, &[target.as_bytes(), &[u8::from(*link)]]),
            Self::Stop => put(10, &[]),
        }
    }
}

/// The gate through which a turn's effects go, and what a turn may know.
pub struct Effects<'a> {
    pub(crate) me: Entry,
    pub(crate) host: Entry,
    pub(crate) letter: &'a Letter,
    pub(crate) standing: &'a mut Standing,
    pub(crate) contacts: &'a mut Option<Box<Contacts>>,
    pub(crate) list: &'a mut Vec<Effect>,
    pub(crate) spare: &'a mut Spare,
    /// Where contents by reference are, if there is a place for them.
    pub(crate) shelf: Option<&'a Arc<Shelf>>,
    pub(crate) ahead: bool,
    pub(crate) seed: u64,
    pub(crate) draws: u64,
    /// What its messages are due to, if not to the one that is handled.
    pub(crate) cause: Option<MessageRef>,
    /// Fuel that sandboxed code has used.
    pub(crate) spent: u64,
    /// The parts of its body.
    pub(crate) parts: &'a [Part],
    /// Whether it survives the node.
    pub(crate) durable: bool,
    /// What one of its turns may take; 0 for the default.
    pub(crate) turn_fuel: u64,
    /// What it may take here, where others wait; more of it elsewhere.
    pub(crate) fuel_here: u64,
    /// Those in its body whose channels are its body's.
    pub(crate) guests: &'a mut [Guest],
    /// What they were asked.
    pub(crate) calls: Calls,
}

impl std::fmt::Debug for Effects<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Effects")
            .field("me", &self.me.id)
            .field("list", &self.list)
            .finish_non_exhaustive()
    }
}

impl Effects<'_> {
    /// Who this is.
    pub fn me(&self) -> VcId {
        self.me.id
    }

    /// The time of the message that is handled: the only time there is.
    pub fn now(&self) -> Time {
        self.letter.sent_at
    }

    /// The number of this turn, from 1.
    pub fn turn(&self) -> u64 {
        self.standing.turns
    }

    /// A random number: a function of the node's seed, this VC's id, the turn and the draw.
    ///
    /// Mixing: the finalizer of `SplitMix64` (Steele, Lea and Flood 2014), keyed step by step.
    pub fn random(&mut self) -> u64 {
        self.draws += 1;
        let keyed = mix(self.seed ^ self.me.id.hash64());
        mix(mix(keyed.wrapping_add(self.standing.turns)).wrapping_add(self.draws))
    }

    /// Reads at most `len` bytes of this message's contents from `offset` on, fewer where they end: a
    /// function of the message alone, wherever its contents are. Costs what sending them would.
    ///
    /// # Errors
    /// [`Fault`]: `too-large` if `len` is over [`CONTENTS_READ_MAX`], `budget`, and `unknown`, `corrupt`
    /// or `io` if the contents cannot be read.
    pub fn read_contents(&mut self, offset: u64, len: usize) -> Result<Vec<u8>, Fault> {
        if len > CONTENTS_READ_MAX {
            let what = format!("{len} bytes, at most {CONTENTS_READ_MAX} are read at once");
            return Err(Fault::new(Code::TooLarge, what));
        }
        self.take(Coin::Fuel, FUEL_PER_EFFECT + len as u64 / 64)?;
        let read = self.letter.read(offset, len);
        read.map(Vec::from)
            .map_err(|why| Fault::new(why.code, why.what))
    }

    /// The contact of this name, as `vc.json` or the host gave it.
    pub fn named(&self, name: &str) -> Option<Contact> {
        self.contacts.as_ref()?.named(name).map(Contact::Kept)
    }

    /// Who a contact is.
    ///
    /// # Errors
    /// [`Fault`] if it is not held.
    pub fn id_of(&self, contact: Contact) -> Result<VcId, Fault> {
        self.resolve(contact).map(|entry| entry.id)
    }

    /// How many contacts it keeps.
    pub fn contacts_len(&self) -> u32 {
        self.contacts
            .as_ref()
            .map_or(0, |c| u32::try_from(c.len()).unwrap_or(u32::MAX))
    }

    /// Sends a message to a contact's main channel.
    ///
    /// # Errors
    /// [`Fault`]: `denied`, `not-a-contact`, `budget` or `too-large`.
    pub fn send(&mut self, to: Contact, contents: impl Into<Contents>) -> Result<u64, Fault> {
        self.send_by(to, Channel::MAIN, contents)
    }

    /// Sends a message to a channel of a contact; gives its sequence.
    ///
    /// # Errors
    /// As [`Effects::send`].
    pub fn send_by(
        &mut self,
        to: Contact,
        channel: Channel,
        contents: impl Into<Contents>,
    ) -> Result<u64, Fault> {
        if channel.is_of_the_medium() {
            let why = format!("only the medium itself speaks on `{channel}`");
            return Err(Fault::new(Code::Denied, why));
        }
        let entry = self.resolve(to)?;
        let letter = self.letter(entry, contents.into())?;
        let letter = self.spare.fill(Letter { channel, ..letter });
        self.push(Effect::Send(letter))?;
        Ok(self.standing.sequence)
    }

    /// Sends a message whose answer, or a bounce `timeout`, will be there within `deadline_ms`.
    ///
    /// # Errors
    /// As [`Effects::send`].
    pub fn ask(
        &mut self,
        to: Contact,
        channel: Channel,
        contents: impl Into<Contents>,
        deadline_ms: u64,
    ) -> Result<u64, Fault> {
        let sequence = self.send_by(to, channel, contents)?;
        self.within(sequence, deadline_ms)?;
        Ok(sequence)
    }

    /// Makes a question of a message that this turn sent: its answer, or a bounce `timeout`, will be there within
    /// `deadline_ms`.
    ///
    /// # Errors
    /// [`Fault`] if the turn has too many effects.
    pub fn within(&mut self, sequence: u64, deadline_ms: u64) -> Result<(), Fault> {
        self.push(Effect::Deadline {
            sequence,
            delay_ms: deadline_ms,
        })
    }

    /// Gives up an ask.
    ///
    /// # Errors
    /// [`Fault`] if the turn has too many effects.
    pub fn cancel(&mut self, sequence: u64) -> Result<(), Fault> {
        self.push(Effect::Cancel { sequence })
    }

    /// Says something to the world outside: to the program or server that this VC speaks for. It costs one
    /// call of the world outside, and no message.
    ///
    /// # Errors
    /// [`Fault`]: `denied`, `budget` or `too-large`.
    pub fn tell_outside(
        &mut self,
        channel: Channel,
        contents: impl Into<Contents>,
    ) -> Result<u64, Fault> {
        self.take(Coin::Outside, 1)?;
        self.tell_outside_again(channel, contents)
    }

    /// Says once more what was said, and paid for, before: who listened then is gone.
    ///
    /// # Errors
    /// [`Fault`]: `denied` or `too-large`.
    pub fn tell_outside_again(
        &mut self,
        channel: Channel,
        contents: impl Into<Contents>,
    ) -> Result<u64, Fault> {
        self.allow(Power::Send)?;
        let letter = self.written(Entry::of(OUTSIDE), contents.into())?;
        let letter = self.spare.fill(Letter { channel, ..letter });
        self.push(Effect::Send(letter))?;
        Ok(self.standing.sequence)
    }

    /// Whether the message of this turn comes from the world outside.
    pub fn is_from_outside(&self) -> bool {
        self.letter.from == OUTSIDE
    }

    /// What the messages that this turn sends from now on are due to, if not to the message that is handled: who
    /// speaks for somebody outside hears the answer to one message by another.
    pub fn because(&mut self, cause: MessageRef) {
        self.cause = Some(cause);
    }

    /// Pays.
    ///
    /// # Errors
    /// [`Fault`] `budget` if there is not as much: nothing was taken.
    pub fn pay(&mut self, coin: Coin, amount: u64) -> Result<(), Fault> {
        self.take(coin, amount)
    }

    /// What is left of a coin.
    pub fn left(&self, coin: Coin) -> u64 {
        self.standing.purse.left(coin)
    }

    /// The powers it has.
    pub fn grants(&self) -> Grants {
        self.standing.grants
    }

    /// The contacts that have names, and their names.
    pub fn names(&self) -> impl Iterator<Item = (&str, Contact)> {
        let contacts = self.contacts.iter().flat_map(|contacts| &contacts.names);
        contacts.map(|(name, at)| (&**name, Contact::Kept(*at)))
    }

    /// What this VC calls somebody, if it has a name for them.
    pub fn name_of(&self, id: VcId) -> Option<&str> {
        let contacts = self.contacts.as_deref()?;
        let called = contacts.names.iter().find(|(_, at)| {
            let entry = contacts.get(*at);
            entry.is_some_and(|entry| entry.id == id)
        });
        called.map(|(name, _)| &**name)
    }

    /// The kept contact with this id.
    pub fn kept(&self, id: VcId) -> Option<Contact> {
        if id == self.host.id {
            return Some(Contact::Host);
        }
        let at = self.contacts.as_ref()?.iter().position(|e| e.id == id)?;
        u32::try_from(at).ok().map(Contact::Kept)
    }

    /// Gives a kept contact a name; whoever had it, has it no more.
    ///
    /// # Errors
    /// [`Fault`] if it is not kept.
    pub fn call(&mut self, contact: Contact, name: &str) -> Result<(), Fault> {
        let Contact::Kept(at) = self.keep(contact)? else {
            return Err(Fault::malformed("only a contact that is kept has a name"));
        };
        let contacts = self.contacts.get_or_insert_default();
        contacts.names.retain(|(known, _)| &**known != name);
        contacts.names.push((name.into(), at));
        Ok(())
    }

    /// Answers the message of this turn.
    ///
    /// # Errors
    /// As [`Effects::send`].
    pub fn reply(&mut self, contents: impl Into<Contents>) -> Result<u64, Fault> {
        let entry = self.resolve(Contact::Sender)?;
        let mut letter = self.letter(entry, contents.into())?;
        letter.kind = Kind::Reply;
        letter.channel = Channel::REPLY;
        letter.answers = self.letter.question();
        let letter = self.spare.fill(letter);
        self.push(Effect::Send(letter))?;
        Ok(self.standing.sequence)
    }

    /// Remembers the message of this turn, to be answered in a later one.
    ///
    /// # Errors
    /// As [`Effects::keep`].
    pub fn question(&mut self) -> Result<Question, Fault> {
        let asker = self.resolve(Contact::Sender)?.id;
        Ok(Question {
            who: Asker::Id(asker),
            sequence: self.letter.question(),
        })
    }

    /// Answers a message of an earlier turn.
    ///
    /// # Errors
    /// As [`Effects::send`].
    pub fn answer(
        &mut self,
        question: Question,
        contents: impl Into<Contents>,
    ) -> Result<u64, Fault> {
        let entry = self.asker(question)?;
        let mut letter = self.letter(entry, contents.into())?;
        letter.kind = Kind::Reply;
        letter.channel = Channel::REPLY;
        letter.answers = question.sequence;
        let letter = self.spare.fill(letter);
        self.push(Effect::Send(letter))?;
        Ok(self.standing.sequence)
    }

    /// Brings a message of an earlier turn back to who sent it, with the reason.
    ///
    /// # Errors
    /// As [`Effects::send`].
    pub fn refuse(&mut self, question: Question, why: &Refusal) -> Result<u64, Fault> {
        let entry = self.asker(question)?;
        let mut letter = self.letter(entry, why.what.as_str().into())?;
        letter.tell_why(why);
        letter.answers = question.sequence;
        let letter = self.spare.fill(letter);
        self.push(Effect::Send(letter))?;
        Ok(self.standing.sequence)
    }

    fn asker(&self, question: Question) -> Result<Entry, Fault> {
        match question.who {
            Asker::Host => self.resolve(Contact::Host),
            Asker::Sender => self.resolve(Contact::Sender),
            Asker::Carried(n) => self.resolve(Contact::Carried(n)),
            Asker::Kept(n) => self.resolve(Contact::Kept(n)),
            Asker::Id(id) => Ok(Entry::of(id)),
        }
    }

    /// Says more about the last message of this turn: facts that its reader may look at.
    pub fn note(&mut self, key: &str, value: &'static str) {
        if let Some(Effect::Send(letter)) = self.list.last_mut() {
            let facts = &mut letter.extra_mut().metadata;
            facts.insert(key.to_owned(), Bytes::from_static(value.as_bytes()));
        }
    }

    /// Offers a part to a contact for its body; who may reshape it decides.
    ///
    /// # Errors
    /// As [`Effects::send`].
    pub fn offer(&mut self, to: Contact, part: Contents) -> Result<u64, Fault> {
        let entry = self.resolve(to)?;
        let mut letter = self.letter(entry, part)?;
        letter.kind = Kind::Internalize;
        let reshapes = self.standing.grants.has(Power::Reshape);
        // On whose word it comes in is said by who asked for it.
        let said = self.letter.extra.as_deref().map(|extra| &extra.metadata);
        let consent: Vec<_> = [OVERRIDE, REPLAY]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), said?.get(name)?.clone())))
            .collect();
        let extra = letter.extra_mut();
        extra.metadata.extend(consent);
        extra.asker = Some(self.letter.from);
        extra.reshapes = reshapes;
        let letter = self.spare.fill(letter);
        self.push(Effect::Send(letter))?;
        Ok(self.standing.sequence)
    }

    /// Sends on the message of this turn as it is: whoever answers it answers its sender.
    ///
    /// # Errors
    /// As [`Effects::send`].
    pub fn forward(&mut self, to: Contact) -> Result<u64, Fault> {
        let channel = self.letter.channel;
        if channel.is_of_the_medium() {
            let why = format!("only the medium itself speaks on `{channel}`");
            return Err(Fault::new(Code::Denied, why));
        }
        let entry = self.resolve(to)?;
        let mut letter = self.letter(entry, self.letter.contents.clone())?;
        letter.channel = self.letter.channel;
        letter.extra.clone_from(&self.letter.extra);
        let back = self.resolve(Contact::Sender)?.id;
        let extra = letter.extra_mut();
        extra.key = None;
        extra.reply_to = Some(back);
        extra.question = Some(self.letter.question());
        let letter = self.spare.fill(letter);
        self.push(Effect::Send(letter))?;
        Ok(self.standing.sequence)
    }

    /// Hands contacts over with a message that this turn sent.
    ///
    /// # Errors
    /// [`Fault`] if there are too many, one is not held, or no such message was sent.
    pub fn hand_over(&mut self, sequence: u64, contacts: &[Contact]) -> Result<(), Fault> {
        let ids = contacts
            .iter()
            .map(|&contact| self.resolve(contact).map(|entry| entry.id))
            .collect::<Result<Vec<_>, _>>()?;
        let sent = self.list.iter_mut().find_map(|effect| match effect {
            Effect::Send(letter) if letter.sequence == sequence => Some(letter),
            _ => None,
        });
        let Some(letter) = sent else {
            return Err(Fault::malformed(format!(
                "this turn sent no message {sequence}"
            )));
        };
        let extra = letter.extra_mut();
        if extra.contacts.len() + ids.len() > MESSAGE_CONTACTS_MAX {
            return Err(Fault::new(
                Code::TooLarge,
                format!("a message hands over at most {MESSAGE_CONTACTS_MAX} contacts"),
            ));
        }
        extra.contacts.extend(ids);
        Ok(())
    }

    /// How long the last message of this turn lives, if not a day; in milliseconds.
    pub fn expires_after(&mut self, lives_ms: u64) {
        let now = self.now();
        if let Some(Effect::Send(letter)) = self.list.last_mut() {
            letter.expires_at = now.plus_ms(lives_ms.min(EXPIRY_MAX_MS));
        }
    }

    /// Keeps a contact for later turns.
    ///
    /// # Errors
    /// [`Fault`] if it is not held, or too many are kept.
    pub fn keep(&mut self, contact: Contact) -> Result<Contact, Fault> {
        if matches!(contact, Contact::Kept(_)) {
            return Ok(contact);
        }
        let entry = self.resolve(contact)?;
        self.contacts
            .get_or_insert_default()
            .keep(entry)
            .map(Contact::Kept)
    }

    /// Gives birth; the child is a contact from now on.
    ///
    /// # Errors
    /// [`Fault`]: `denied` or `budget`.
    pub fn spawn(&mut self, mut birth: Birth) -> Result<Contact, Fault> {
        self.allow(Power::Spawn)?;
        self.holds_all(&birth, 0)?;
        self.take(Coin::Children, 1)?;
        birth.purse = self.split(birth.purse)?;
        birth.grants = birth.grants.narrow(self.standing.grants);
        let id = self.next_child();
        self.push(Effect::Spawn {
            id,
            birth: Box::new(birth),
        })?;
        self.contacts
            .get_or_insert_default()
            .add(Entry::of(id))
            .map(Contact::Kept)
    }

    /// Makes a copy of itself as it will be after this turn, with a purse out of its own.
    ///
    /// # Errors
    /// As [`Effects::spawn`].
    pub fn fork(&mut self, purse: Purse) -> Result<Contact, Fault> {
        self.allow(Power::Fork)?;
        self.take(Coin::Children, 1)?;
        let purse = self.split(purse)?;
        let id = self.next_child();
        self.push(Effect::Fork { id, purse })?;
        self.contacts
            .get_or_insert_default()
            .add(Entry::of(id))
            .map(Contact::Kept)
    }

    /// Will be told by a notice on [`Channel::TIMER`] with `tag` (8 bytes, little-endian).
    ///
    /// # Errors
    /// [`Fault`]: `denied`.
    pub fn after(&mut self, delay_ms: u64, tag: u64) -> Result<(), Fault> {
        self.allow(Power::After)?;
        self.push(Effect::After { delay_ms, tag })
    }

    /// Writes a line to its log.
    ///
    /// # Errors
    /// [`Fault`]: `denied`.
    pub fn emit(&mut self, line: impl Into<Contents>) -> Result<(), Fault> {
        self.allow(Power::Emit)?;
        self.push(Effect::Emit(line.into()))
    }

    /// Takes a part into its body, after this turn; tested first, refused if it fails.
    ///
    /// # Errors
    /// [`Fault`]: `denied`.
    pub fn internalize(&mut self, part: ImagePart) -> Result<(), Fault> {
        self.allow(Power::Internalize)?;
        self.push(Effect::Internalize(Box::new(part)))
    }

    /// Takes a part out of its body and broadcasts it, after this turn.
    ///
    /// # Errors
    /// [`Fault`]: `denied`.
    pub fn strip(&mut self, occurrence: u64) -> Result<(), Fault> {
        self.allow(Power::Strip)?;
        self.push(Effect::Strip { occurrence })
    }

    /// Will be told by a notice on [`Channel::DOWN`] when a contact stops; if `link`, stops as well.
    ///
    /// # Errors
    /// [`Fault`]: `denied` or `not-a-contact`.
    pub fn watch(&mut self, contact: Contact, link: bool) -> Result<(), Fault> {
        self.allow(Power::Watch)?;
        let target = self.resolve(contact)?.id;
        self.push(Effect::Watch { target, link })
    }

    /// Stops, after this turn.
    ///
    /// # Errors
    /// [`Fault`] if the turn has too many effects.
    pub fn stop(&mut self) -> Result<(), Fault> {
        self.push(Effect::Stop)
    }

    /// Whether a child is given nobody's address that its parent does not hold.
    fn holds_all(&self, birth: &Birth, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            let what = format!("bodies nest deeper than {DEPTH_MAX}");
            return Err(Fault::new(Code::TooLarge, what));
        }
        let carried = self.letter.extra.as_deref().map(|extra| &extra.contacts);
        for &(_, id) in &birth.contacts {
            let held = id == self.me.id
                || id == self.host.id
                || self
                    .resolve(Contact::Sender)
                    .is_ok_and(|sender| sender.id == id)
                || carried.is_some_and(|carried| carried.contains(&id))
                || self
                    .contacts
                    .as_ref()
                    .is_some_and(|kept| kept.iter().any(|entry| entry.id == id));
            if !held {
                return Err(Fault::new(
                    Code::NotAContact,
                    format!("{id:?} is not a contact of {:?}", self.me.id),
                ));
            }
        }
        for part in &birth.parts {
            if let CodeBirth::Computer(inner) = &part.code {
                self.holds_all(inner, depth + 1)?;
            }
        }
        Ok(())
    }

    fn resolve(&self, contact: Contact) -> Result<Entry, Fault> {
        let entry = match contact {
            Contact::Host => Some(self.host),
            Contact::Sender => Some(
                match self.letter.extra.as_deref().and_then(|e| e.reply_to) {
                    Some(id) => Entry::of(id),
                    None => Entry {
                        id: self.letter.from,
                        handle: self.letter.from_handle,
                    },
                },
            ),
            Contact::Carried(n) => self
                .letter
                .extra
                .as_deref()
                .and_then(|extra| extra.contacts.get(n as usize))
                .map(|&id| Entry::of(id)),
            Contact::Kept(n) => self.contacts.as_ref().and_then(|contacts| contacts.get(n)),
        };
        entry
            .filter(|entry| entry.id != VcId::NOBODY)
            .ok_or_else(|| {
                Fault::new(
                    Code::NotAContact,
                    format!("{contact:?} is not a contact of {:?}", self.me.id),
                )
            })
    }

    /// A letter from this VC, paid for.
    #[inline]
    fn letter(&mut self, to: Entry, contents: Contents) -> Result<Letter, Fault> {
        self.allow(Power::Send)?;
        self.take(Coin::Messages, 1)?;
        self.written(to, contents)
    }

    /// A letter from this VC.
    #[inline]
    fn written(&mut self, to: Entry, contents: Contents) -> Result<Letter, Fault> {
        if contents.len() > CONTENTS_INLINE_MAX {
            return Err(Fault::new(
                Code::TooLarge,
                format!(
                    "contents of {} bytes, at most {CONTENTS_INLINE_MAX} travel inside a message",
                    contents.len()
                ),
            ));
        }
        // What a state kept may have been read from disk: from here on the contents are needed again.
        let contents = held(self.shelf, contents).map_err(|why| Fault::new(why.code, why.what))?;
        self.standing.sequence += 1;
        let now = self.letter.sent_at;
        Ok(Letter {
            to: to.id,
            from: self.me.id,
            to_handle: to.handle,
            from_handle: self.me.handle,
            sequence: self.standing.sequence,
            answers: 0,
            cause: self.cause.unwrap_or_else(|| self.letter.reference()),
            sent_at: now,
            expires_at: now.plus_ms(EXPIRY_DEFAULT_MS),
            kind: Kind::Tell,
            logged: false,
            ahead: self.ahead,
            channel: Channel::MAIN,
            contents,
            extra: None,
        })
    }

    fn allow(&self, power: Power) -> Result<(), Fault> {
        if self.standing.grants.has(power) {
            return Ok(());
        }
        Err(Fault::new(
            Code::Denied,
            format!(
                "{:?} was not granted `{power}` (it has: {})",
                self.me.id, self.standing.grants
            ),
        ))
    }

    fn take(&mut self, coin: Coin, amount: u64) -> Result<(), Fault> {
        self.standing
            .purse
            .take(coin, amount)
            .map_err(|empty| Fault::new(Code::Budget, empty.to_string()))
    }

    fn split(&mut self, wanted: Purse) -> Result<Purse, Fault> {
        self.standing
            .purse
            .split(wanted)
            .map_err(|empty| Fault::new(Code::Budget, empty.to_string()))
    }

    fn next_child(&mut self) -> VcId {
        let id = self.me.id.child(self.standing.births);
        self.standing.births += 1;
        id
    }

    fn push(&mut self, effect: Effect) -> Result<(), Fault> {
        if self.list.len() >= EFFECTS_MAX {
            return Err(Fault::new(
                Code::TooLarge,
                format!("a turn has at most {EFFECTS_MAX} effects"),
            ));
        }
        self.list.push(effect);
        Ok(())
    }
}

/// A purse as a digest sees it: what a unit of work costs is the host's measure.
fn without_fuel(purse: Purse) -> [u8; 40] {
    Purse { fuel: 0, ..purse }.to_le_bytes()
}

/// What a turn with these effects costs.
pub(crate) fn fuel_of(effects: &[Effect]) -> u64 {
    effects.iter().fold(FUEL_PER_TURN, |fuel, effect| {
        fuel + FUEL_PER_EFFECT
            + match effect {
                Effect::Send(letter) => letter.contents.len() as u64 / 64,
                Effect::Emit(line) => line.len() as u64 / 64,
                _ => 0,
            }
    })
}

pub(crate) const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}
