//! A VC's row in memory: what every one has, and what most do not.

use std::collections::VecDeque;

use bytes::Bytes;
use genesis::channel::{Channel, Polarity};
use genesis::id::{Address, Digest, MessageId, VcId};
use genesis::image::{Code, Image, ImagePart, Restart};
use genesis::pattern::Pattern;
use genesis::power::Grants;
use genesis::protocol::digest_of_protocol;
use genesis::time::Time;
use genesis::wire;
use serde::{Deserialize, Serialize};

use crate::behaviour::{Fault, NativeKind, Natives, Program};
use crate::effects::{Contacts, Effects, Standing};
use crate::enclave::Enclave;
use crate::gauge::Gauge;
use crate::handle::{Entry, Handle};
use crate::hosted::Hosted;
use crate::journal::{Journal, Marks};
use crate::letter::Letter;
use crate::life::Life;
use crate::mailbox::Mailbox;
use crate::ready::FamilyId;
use crate::view::{LogLine, SetAside, Summary};

/// Where a VC's code is.
pub(crate) enum Seat {
    /// Nowhere: no part has code, or the VC is stopped, or its turn is being taken.
    Empty,
    /// Here: one part has code.
    One(Box<dyn Program>),
    /// Here: all parts with code are sandboxed.
    Enclave(Box<Enclave>),
    /// Here: several parts have code, natives among them.
    Many(Box<Assembly>),
    /// In an actor of its own, that is idle.
    Actor(Box<Hosted>),
    /// In an actor of its own, that takes a turn.
    Away(Box<Hosted>),
    /// With the node's owner: whoever asked over the API.
    Owner,
}

impl Seat {
    pub(crate) fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        match self {
            Self::One(program) => {
                let by_default =
                    letter.channel.is_of_the_medium() || letter.channel == Channel::REPLY;
                if by_default || program.gives(letter.channel) {
                    program.turn(letter, effects)
                } else {
                    Err(no_giver(letter.channel))
                }
            }
            Self::Enclave(enclave) => {
                let by_default =
                    letter.channel.is_of_the_medium() || letter.channel == Channel::REPLY;
                if enclave.gives(letter.channel) || by_default && enclave.gives(Channel::MAIN) {
                    enclave.turn(letter, effects)
                } else {
                    Err(no_giver(letter.channel))
                }
            }
            Self::Many(assembly) => assembly.turn(letter, effects),
            Self::Empty | Self::Actor(_) | Self::Away(_) | Self::Owner => {
                Err(no_giver(letter.channel))
            }
        }
    }

    /// Its sandboxed parts, if it has any and they are here.
    pub(crate) fn enclave_mut(&mut self) -> Option<&mut Enclave> {
        match self {
            Self::Enclave(enclave) => Some(enclave),
            Self::Many(assembly) => assembly.enclave.as_deref_mut(),
            _ => None,
        }
    }
}

/// The parts of a body that have code, wired by channel.
pub(crate) struct Assembly {
    /// Natives, in the order that decides who gives a channel: digest, then occurrence.
    pub(crate) organs: Vec<Organ>,
    /// Sandboxed parts.
    pub(crate) enclave: Option<Box<Enclave>>,
}

/// A native part.
pub(crate) struct Organ {
    pub(crate) digest: Digest,
    pub(crate) occurrence: u64,
    pub(crate) gives: &'static [Channel],
    pub(crate) program: Box<dyn Program>,
}

impl Assembly {
    /// The active giver of the channel handles the message; of `main`, also whatever the medium says.
    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let by_default = letter.channel.is_of_the_medium() || letter.channel == Channel::REPLY;
        let giver = match self.giver(letter.channel) {
            None if by_default => self
                .giver(Channel::MAIN)
                .ok_or_else(|| no_giver(Channel::MAIN))?,
            giver => giver.ok_or_else(|| no_giver(letter.channel))?,
        };
        match giver {
            Giver::Native(at) => self.organs[at].program.turn(letter, effects),
            Giver::Sandboxed => match &mut self.enclave {
                Some(enclave) => enclave.turn(letter, effects),
                None => Err(no_giver(letter.channel)),
            },
        }
    }

    /// Who answers a channel: of all that give it the lowest by (digest, occurrence).
    fn giver(&self, channel: Channel) -> Option<Giver> {
        let native = self
            .organs
            .iter()
            .position(|organ| organ.gives.contains(&channel));
        let place = |at: usize| (self.organs[at].digest, self.organs[at].occurrence);
        let sandboxed = self.enclave.as_ref().and_then(|e| e.giver(channel));
        match (native, sandboxed) {
            (Some(at), Some(other)) if place(at) < other => Some(Giver::Native(at)),
            (_, Some(_)) => Some(Giver::Sandboxed),
            (Some(at), None) => Some(Giver::Native(at)),
            // Who says no channel of its own, but takes what nobody else does.
            (None, None) => {
                let takes = |organ: &Organ| organ.program.gives(channel);
                self.organs.iter().position(takes).map(Giver::Native)
            }
        }
    }
}

/// Where the active giver of a channel is.
enum Giver {
    Native(usize),
    Sandboxed,
}

impl Organ {
    /// The organ of a part, if this registry knows its behaviour.
    pub(crate) fn native(
        natives: &Natives,
        part: &ImagePart,
        program: Box<dyn Program>,
    ) -> Option<Self> {
        let Code::Native { name, version } = &part.code else {
            return None;
        };
        Some(Self {
            digest: part.digest(),
            occurrence: part.occurrence,
            gives: natives.get(name, Some(*version))?.gives,
            program,
        })
    }
}

fn no_giver(channel: Channel) -> Fault {
    Fault::new(
        genesis::refusal::Code::Unknown,
        format!("no part gives the channel `{channel}`"),
    )
}

/// A VC's row.
pub(crate) struct Cell {
    pub(crate) id: VcId,
    pub(crate) host: Entry,
    pub(crate) standing: Standing,
    pub(crate) seat: Seat,
    pub(crate) mail: Mailbox,
    /// Low half of the handle's generation; the slot's, not the VC's.
    pub(crate) generation: u32,
    /// Which native behaviour a plain VC is made of.
    pub(crate) kind: Option<u16>,
    pub(crate) life: Life,
    pub(crate) flags: Flags,
    pub(crate) last_active: Time,
    /// In whose line it stands for its turns.
    pub(crate) family: FamilyId,
    /// Fuel it used since it is in memory.
    pub(crate) burned: u64,
    /// How full its purse is, if it has an end.
    pub(crate) gauge: Option<Box<Gauge>>,
    pub(crate) contacts: Option<Box<Contacts>>,
    pub(crate) more: Option<Box<More>>,
}

/// Yes-or-no facts of a cell.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each named where it is used"
)]
pub(crate) struct Flags {
    /// Survives the node.
    pub(crate) durable: bool,
    /// Lives in its host's body.
    pub(crate) nested: bool,
    /// Stands in the ready queue.
    pub(crate) ready: bool,
    /// Changed since its row was last written.
    pub(crate) dirty: bool,
    /// Something that is not yet on disk led to its state.
    pub(crate) ahead: bool,
    /// The slot is in use.
    pub(crate) live: bool,
}

impl Cell {
    pub(crate) fn entry(&self, worker: u8, slot: u32) -> Entry {
        Entry {
            id: self.id,
            handle: Handle::new(worker, slot, self.generation),
        }
    }

    pub(crate) fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.more.as_ref()?.name.as_deref()
    }
}

/// One part of a body, as a worker keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) occurrence: u64,
    pub(crate) code: Code,
    pub(crate) role: Option<String>,
    pub(crate) contents: Bytes,
    pub(crate) decoder: Option<Digest>,
    pub(crate) channels: Vec<(Channel, Polarity)>,
}

impl Part {
    /// The genesis part: the protocol, what it grants, and whom it makes known.
    pub(crate) fn genesis(grants: Grants, contacts: &[VcId]) -> Self {
        const GENESIS_VERSION: u8 = 1;
        let contacts: Vec<Address> = contacts.iter().copied().map(Address::from).collect();
        let value = (digest_of_protocol(), grants, contacts);
        // Plain values of bounded length: the codec cannot refuse them.
        let contents = wire::encode(GENESIS_VERSION, &value).unwrap_or_default();
        Self {
            occurrence: 0,
            code: Code::Genesis,
            role: None,
            contents: contents.into(),
            decoder: None,
            channels: Vec::new(),
        }
    }

    pub(crate) fn native(occurrence: u64, kind: &NativeKind, contents: Bytes) -> Self {
        Self {
            occurrence,
            code: Code::Native {
                name: kind.name.to_owned(),
                version: kind.version,
            },
            role: None,
            contents,
            decoder: None,
            channels: kind.channels(),
        }
    }

    pub(crate) fn from_image(part: &ImagePart) -> Self {
        Self {
            occurrence: part.occurrence,
            code: part.code.clone(),
            role: part.role.clone(),
            contents: part.contents.clone(),
            decoder: part.decoder,
            channels: part.channels.clone(),
        }
    }

    pub(crate) fn to_image(&self, state: Option<Bytes>) -> ImagePart {
        ImagePart {
            occurrence: self.occurrence,
            code: self.code.clone(),
            role: self.role.clone(),
            contents: self.contents.clone(),
            decoder: self.decoder,
            channels: self.channels.clone(),
            state,
            enclosed: None,
        }
    }

    /// The image of the VC that a part is, if it travels with it.
    pub(crate) fn inner_image(part: &ImagePart) -> Option<Image> {
        Image::from_trusted_bytes(part.computer()?).ok()
    }

    /// The VC it is, if it is one.
    pub(crate) fn computer(&self) -> Option<VcId> {
        match self.code {
            Code::Computer => self.contents.as_ref().try_into().ok().map(VcId::from_bytes),
            _ => None,
        }
    }

    /// The channels it gives to its body.
    pub(crate) fn gives(&self) -> Vec<Channel> {
        let gives = |&(channel, polarity): &(Channel, Polarity)| {
            (polarity == Polarity::Gives).then_some(channel)
        };
        self.channels.iter().filter_map(gives).collect()
    }

    /// In the words of `show`.
    pub(crate) fn describe(&self) -> String {
        match &self.code {
            Code::Genesis => "genesis".to_owned(),
            Code::Native { name, version } => format!("native {name}/{version}"),
            Code::Computer => self
                .computer()
                .map_or_else(|| "computer".to_owned(), |id| format!("computer {id}")),
            Code::WebAssembly { module, bytes } => format!("wasm {module} ({bytes} bytes)"),
            _ => "data".to_owned(),
        }
    }
}

/// What most VCs do not have: kept apart so that a plain one stays small.
#[derive(Debug, Default)]
pub(crate) struct More {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    /// The body; empty for a plain VC, whose body follows from its kind.
    pub(crate) parts: Vec<Part>,
    pub(crate) next_occurrence: u64,
    pub(crate) lineage: Vec<VcId>,
    pub(crate) reshapers: Vec<VcId>,
    pub(crate) accept: Option<Box<Pattern>>,
    pub(crate) goal: Option<String>,
    pub(crate) restart: Restart,
    pub(crate) faults: Vec<Time>,
    pub(crate) restarts: Vec<Time>,
    pub(crate) faults_total: u64,
    pub(crate) restarts_total: u64,
    pub(crate) set_aside: VecDeque<SetAside>,
    /// Who is told when it stops, and whether they stop as well.
    pub(crate) watchers: Vec<(VcId, bool)>,
    pub(crate) timers: Vec<(Time, u64)>,
    /// Those of `timers` whose notices wait in the mailbox.
    pub(crate) fired: Vec<(Time, u64)>,
    /// Asks that are open, and until when.
    pub(crate) asks: Vec<(u64, Time)>,
    /// Asks that ended without an answer; a late one is dropped.
    pub(crate) closed: VecDeque<u64>,
    pub(crate) log: VecDeque<LogLine>,
    pub(crate) log_next: u64,
    pub(crate) log_dropped: u64,
    pub(crate) journal: Option<Box<Journal>>,
    pub(crate) trace: Digest0,
    pub(crate) record: u32,
    pub(crate) idle_ms: u64,
    pub(crate) turn_fuel: u64,
    /// Turns of late that burned all their fuel.
    pub(crate) burns: u8,
    pub(crate) reason: Option<String>,
    /// Durable senders over the bound, and how many of their messages wait here beyond it.
    pub(crate) over: Vec<(Entry, u32)>,
    /// How many mailboxes this VC waits for; it takes no turn until there are none.
    pub(crate) held: u32,
}

/// A digest whose default is zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest0(pub(crate) Digest);

impl Default for Digest0 {
    fn default() -> Self {
        Self(Digest::ZERO)
    }
}

/// What a row of the store says beside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowFlags(pub(crate) u8);

impl RowFlags {
    pub(crate) const VOLATILE: u8 = 1;
    pub(crate) const STOPPED: u8 = 2;
    pub(crate) const OWN_ACTOR: u8 = 4;
    /// A [`Tail`] stands before the image, after its length as u32.
    pub(crate) const TAIL: u8 = 8;
}

/// What a VC has beside its image, and keeps when it sleeps: nobody shall notice that it did.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tail {
    first: TailOne,
    gauge: Option<Gauge>,
    /// Where its journal is in the store; only of a durable VC.
    journal: Option<Marks>,
}

/// The first version of a tail, which is how the others begin.
#[derive(Debug, Default, Serialize, Deserialize)]
struct TailOne {
    watchers: Vec<(VcId, bool)>,
    asks: Vec<(u64, Time)>,
    closed: Vec<u64>,
    faults_total: u64,
    restarts_total: u64,
    set_aside: Vec<(MessageId, VcId, Time, String)>,
    reason: Option<String>,
    /// Only of a VC that goes to sleep: too much to be written with every turn.
    log: Vec<LogLine>,
    log_next: u64,
}

impl Tail {
    /// The tail of a cell, if it has one.
    pub(crate) fn of(cell: &Cell, with_log: bool) -> Option<Self> {
        let first = cell.more.as_deref().map(|more| TailOne::of(more, with_log));
        let first = first.unwrap_or_default();
        // A purse that nothing was taken from is its own measure.
        let gauge = cell.gauge.as_deref().copied();
        let gauge = gauge.filter(|gauge| !gauge.is_new(cell.standing.purse));
        let journal = cell.more.as_deref().and_then(|more| more.journal.as_ref());
        let journal = journal.map(|journal| journal.marks());
        let journal = journal.filter(|marks| cell.flags.durable && marks.has_begun());
        let is_something = !first.is_nothing() || gauge.is_some() || journal.is_some();
        is_something.then_some(Self {
            first,
            gauge,
            journal,
        })
    }

    /// Reads a tail of any version.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, wire::DecodeError> {
        match bytes.first() {
            Some(&TAIL_ONE) => Ok(Self {
                first: wire::decode(TAIL_ONE, bytes)?,
                gauge: None,
                journal: None,
            }),
            _ => wire::decode(TAIL_VERSION, bytes),
        }
    }

    /// Where its journal is, if there is one.
    pub(crate) const fn journal(&self) -> Option<Marks> {
        self.journal
    }

    /// Gives a cell that wakes what it had.
    pub(crate) fn restore(self, cell: &mut Cell) {
        if let Some(gauge) = self.gauge {
            cell.gauge = Some(Box::new(gauge));
        }
        let marks = self.journal;
        let more = cell.more_mut();
        self.first.restore(more);
        if let (Some(journal), Some(marks)) = (&mut more.journal, marks) {
            journal.resume(marks);
        }
    }

    /// Puts what it says into a summary of the sleeper.
    pub(crate) fn sum_up(self, summary: &mut Summary) {
        summary.low = self.gauge.map_or_else(Vec::new, |g| g.low(summary.purse));
        summary.faults = self.first.faults_total;
        summary.restarts = self.first.restarts_total;
        summary.reason = self.first.reason;
    }
}

impl TailOne {
    fn of(more: &More, with_log: bool) -> Self {
        let aside = |aside: &SetAside| (aside.message, aside.from, aside.at, aside.why.clone());
        Self {
            watchers: more.watchers.clone(),
            asks: more.asks.clone(),
            closed: more.closed.iter().copied().collect(),
            faults_total: more.faults_total,
            restarts_total: more.restarts_total,
            set_aside: more.set_aside.iter().map(aside).collect(),
            reason: more.reason.clone(),
            log: more.log.iter().filter(|_| with_log).cloned().collect(),
            log_next: more.log_next,
        }
    }

    fn is_nothing(&self) -> bool {
        self.watchers.is_empty()
            && self.asks.is_empty()
            && self.closed.is_empty()
            && self.reason.is_none()
            && self.log_next + self.faults_total == 0
    }

    fn restore(self, more: &mut More) {
        let aside = |(message, from, at, why)| SetAside {
            message,
            from,
            at,
            why,
        };
        more.watchers = self.watchers;
        more.asks = self.asks;
        more.closed = self.closed.into();
        more.faults_total = self.faults_total;
        more.restarts_total = self.restarts_total;
        more.set_aside = self.set_aside.into_iter().map(aside).collect();
        more.reason = self.reason;
        // Lines that were not kept count as dropped.
        more.log_dropped = self.log_next.saturating_sub(self.log.len() as u64);
        more.log = self.log.into();
        more.log_next = self.log_next;
    }
}

/// A row of [`Table::Vcs`](crate::store::Table): flags, a tail if they say so, the image.
pub(crate) fn read_row(row: &[u8]) -> Result<(RowFlags, Image), wire::DecodeError> {
    read_whole_row(row).map(|(flags, image, _)| (flags, image))
}

/// The same, with the bytes of the tail.
pub(crate) fn read_whole_row(
    row: &[u8],
) -> Result<(RowFlags, Image, Option<&[u8]>), wire::DecodeError> {
    let (&flags, mut image) = row.split_first().ok_or(wire::DecodeError::Empty)?;
    let mut tail = None;
    if flags & RowFlags::TAIL != 0 {
        let (len, rest) = image.split_first_chunk().ok_or(wire::DecodeError::Empty)?;
        let len = u32::from_le_bytes(*len) as usize;
        let (bytes, rest) = rest.split_at_checked(len).ok_or(wire::DecodeError::Empty)?;
        (tail, image) = (Some(bytes), rest);
    }
    let image = Image::from_trusted_bytes(image)?;
    Ok((RowFlags(flags), image, tail))
}

/// The version byte of tails; those of version [`TAIL_ONE`] have no gauge.
pub(crate) const TAIL_VERSION: u8 = 2;
const TAIL_ONE: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// Tails that were written before journals went on over a sleep.
    #[test]
    fn a_tail_of_version_1_is_still_read() {
        let first = TailOne {
            faults_total: 3,
            log_next: 2,
            ..TailOne::default()
        };
        let old = wire::encode(TAIL_ONE, &first).unwrap();
        let read = Tail::read(&old).unwrap();
        assert_eq!((read.first.faults_total, read.first.log_next), (3, 2));
        assert_eq!(read.journal(), None);
    }
}
