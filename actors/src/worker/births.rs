//! How VCs begin, fall asleep and go on: births, images, rows.

use bytes::Bytes;
use genesis::channel::Channel;
use genesis::id::{Digest, VcId};
use genesis::image::{Code, Image, ImagePart};
use genesis::limits::DEPTH_MAX;
use genesis::purse::Purse;
use genesis::refusal::{Code as Why, Refusal};
use genesis::time::Time;
use genesis::wire;

use super::Worker;
use crate::behaviour::{Fault, NativeKind, Natives, Program};
use crate::birth::{Birth, CodeBirth};
use crate::cell::{
    Assembly, Cell, Digest0, Flags, More, Organ, Part, RowFlags, Seat, TAIL_VERSION, Tail,
    read_whole_row,
};
use crate::effects::{Contacts, Standing};
use crate::events::EventKind;
use crate::handle::{Entry, Handle};
use crate::hosted::{Hosted, states_of};
use crate::journal::Journal;
use crate::life::{Life, Signal};
use crate::log::vc_key;
use crate::mailbox::Mailbox;
use crate::store::{Op, Table};
use crate::timers::Due;

/// How long a cell must have been idle before the memory budget may put it to sleep.
const BUDGET_IDLE_MS: u64 = 1_000;

/// Events of births that are gathered before they are passed on.
const EVENTS_AT_ONCE: usize = 1_024;

/// What a VC is born or woken with, beside its image.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each named where it is used"
)]
pub(crate) struct Manner {
    pub(crate) durable: bool,
    pub(crate) own_actor: bool,
    /// It begins: it is told so, and its row is written.
    pub(crate) born: bool,
    pub(crate) stopped: bool,
}

impl Worker {
    // --- Births -------------------------------------------------------------------------------

    /// Gives birth to a VC here, and to those nested in it.
    pub(crate) fn birth(
        &mut self,
        id: VcId,
        host: VcId,
        nested: bool,
        birth: Birth,
    ) -> Result<VcId, Refusal> {
        let durable = birth.durable && self.shared.log.is_some();
        if let Some(kind) = self.plain_kind(&birth) {
            return self.plain_birth(id, host, kind, &birth);
        }
        let own_actor = birth.own_actor;
        let images = images_of(&self.shared.natives, id, host, nested, birth, 0)?;
        // All or none: every seat is made before the first cell is.
        let mut made = Vec::with_capacity(images.len());
        for (n, image) in images.into_iter().enumerate() {
            let manner = Manner {
                durable,
                own_actor: own_actor && n == 0,
                born: true,
                stopped: false,
            };
            let cell = self.cell_of(image, manner).map_err(Refusal::from)?;
            made.push(cell);
        }
        for cell in made.into_iter().rev() {
            self.settle_in(cell, true);
        }
        Ok(id)
    }

    /// Which native behaviour a birth is all there is of it, if it is that plain.
    fn plain_kind(&self, birth: &Birth) -> Option<u16> {
        let [part] = birth.parts.as_slice() else {
            return None;
        };
        let CodeBirth::Native {
            name,
            version,
            argument,
        } = &part.code
        else {
            return None;
        };
        let plain = !birth.durable
            && !birth.own_actor
            && argument.is_empty()
            && part.role.is_none()
            && birth.name.is_none()
            && birth.description.is_none()
            && birth.contacts.is_empty()
            && birth.reshapers.is_empty()
            && birth.accept.is_none()
            && birth.goal.is_none()
            && birth.record == 0
            && birth.idle_ms == 0
            && birth.restart == genesis::image::Restart::default();
        if !plain {
            return None;
        }
        self.shared.natives.index_of(name, *version)
    }

    /// The birth of a VC that is one native behaviour and nothing else: no allocation but its state.
    fn plain_birth(
        &mut self,
        id: VcId,
        host: VcId,
        kind: u16,
        birth: &Birth,
    ) -> Result<VcId, Refusal> {
        let Some(native) = self.shared.natives.at(kind) else {
            return Err(Refusal::new(
                Why::Internal,
                "a native behaviour has no place",
            ));
        };
        let program = native.born(&[]).map_err(Refusal::from)?;
        let cell = Cell {
            id,
            host: Entry::of(host),
            standing: Standing {
                purse: birth.purse,
                grants: birth.grants,
                sequence: 0,
                births: 0,
                turns: 0,
            },
            seat: Seat::One(program),
            mail: Mailbox::EMPTY,
            generation: 0,
            kind: Some(kind),
            life: Life::Born,
            flags: Flags::default(),
            last_active: self.now,
            contacts: None,
            more: None,
        };
        self.settle_in(cell, true);
        Ok(id)
    }

    /// Many births at once of VCs as plain as they come: what a world or a bench is made of.
    pub(crate) fn births(&mut self, ids: &[VcId], birth: &Birth) -> Result<(), Refusal> {
        self.cells
            .reserve(ids.len().saturating_sub(self.free.len()));
        for &id in ids {
            self.birth(id, self.shared.owner, false, birth.clone())?;
            if self.events.len() >= EVENTS_AT_ONCE {
                // A million births in one slice must not keep a million events until it ends.
                self.shared.events.append(&mut self.events);
            }
        }
        Ok(())
    }

    /// Where VCs are, in their order; with no place for those that are not here.
    pub(crate) fn entries(&self, ids: &[VcId]) -> Vec<Entry> {
        let entry = |&id: &VcId| match self.find(id) {
            Some(slot) => self.cells[slot as usize].entry(self.index, slot),
            None => Entry::of(id),
        };
        ids.iter().map(entry).collect()
    }

    /// Gives VCs a book of contacts that they share.
    pub(crate) fn share_book(&mut self, ids: &[VcId], book: &std::sync::Arc<[Entry]>) {
        for &id in ids {
            if let Some(slot) = self.find(id) {
                let contacts = Contacts {
                    book: Some(std::sync::Arc::clone(book)),
                    ..Contacts::default()
                };
                self.cells[slot as usize].contacts = Some(Box::new(contacts));
            }
        }
    }

    /// Gives a cell its slot, its place in the table and, if it begins, its first notice.
    pub(super) fn settle_in(&mut self, mut cell: Cell, born: bool) -> u32 {
        let id = cell.id;
        cell.flags.live = true;
        // A copy that goes on from a state has been told before.
        let wants_start = born && cell.standing.turns == 0 && self.wants_start(&cell);
        let slot = if let Some(slot) = self.free.pop() {
            let old = &mut self.cells[slot as usize];
            cell.generation = old.generation;
            *old = cell;
            slot
        } else {
            self.cells.push(cell);
            u32::try_from(self.cells.len() - 1).expect("a worker's cells are bounded by memory")
        };
        let cells = &self.cells;
        self.table
            .insert_unique(id.hash64(), slot, |&slot| cells[slot as usize].id.hash64());
        if born {
            self.tally.born += 1;
            let name = self.cells[slot as usize]
                .name()
                .unwrap_or_default()
                .to_owned();
            self.event(EventKind::Born, id, name);
            self.touch(slot);
            self.list_now(slot);
        }
        let cell = &self.cells[slot as usize];
        let journal = cell.more.as_ref().and_then(|more| more.journal.as_ref());
        if let Some(journal) = journal.filter(|_| cell.flags.durable) {
            // What is on disk of an earlier stay ends where this one begins.
            let snapshot = journal.snapshot().to_vec();
            self.journal_snapshot(id, snapshot);
        }
        let cell = &self.cells[slot as usize];
        if let Some(more) = &cell.more {
            for &(sequence, at) in &more.asks {
                self.timers.set(at, id, Due::Deadline { sequence });
            }
            for &(at, tag) in &more.timers {
                self.timers.set(at, id, Due::Notice { tag });
            }
        }
        self.set_idle(slot);
        if wants_start {
            self.notify(id, Channel::START, Vec::new());
        }
        slot
    }

    /// Whether a part of the VC gives the channel by which it learns that it was born.
    fn wants_start(&self, cell: &Cell) -> bool {
        let native = |kind: &NativeKind| kind.gives.contains(&Channel::START);
        match (cell.kind, &cell.more) {
            (Some(kind), _) => self.shared.natives.at(kind).as_ref().is_some_and(native),
            (None, Some(more)) => more.parts.iter().any(|part| {
                part.channels
                    .iter()
                    .any(|&(channel, _)| channel == Channel::START)
            }),
            (None, None) => false,
        }
    }

    /// A child that a turn gave birth to, placed anywhere.
    pub(super) fn spawn_child(&mut self, slot: u32, id: VcId, birth: Birth) {
        let host = self.cells[slot as usize].id;
        let (parent_is_durable, purse) = (self.cells[slot as usize].flags.durable, birth.purse);
        if birth.durable && parent_is_durable && self.shared.log.is_some() {
            // Its row is written together with the turn that bore it, wherever it will live.
            let natives = &self.shared.natives;
            let images = images_of(natives, id, host, false, birth, 0).and_then(|images| {
                // A row that could not be woken is not written.
                let check = |image| seat_of(natives, image).map(drop);
                images.iter().try_for_each(check).map_err(Refusal::from)?;
                Ok(images)
            });
            match images {
                Ok(images) => {
                    for image in images {
                        self.put_row(&image, RowFlags(0));
                        self.begin_elsewhere(image);
                    }
                }
                Err(why) => self.child_failed(host, purse, &why),
            }
            return;
        }
        self.at_worker_of(id, move |worker| {
            if let Err(why) = worker.birth(id, host, false, birth) {
                worker.child_failed(host, purse, &why);
            }
        });
    }

    /// A copy of a VC as it is after this turn.
    pub(super) fn fork_child(&mut self, slot: u32, id: VcId, purse: Purse, seat: &Seat) {
        let states = states_of(seat, self.first_code_occurrence(slot));
        let mut image = self.image_with(slot, &states);
        let host = image.id;
        if let Err(why) = self.add_inner(&mut image, 0) {
            return self.child_failed(host, purse, &why);
        }
        image.purse = purse;
        fork_of(&mut image, id, None);
        share_out(&mut image);
        if self.cells[slot as usize].flags.durable && self.shared.log.is_some() {
            self.put_rows(&image);
            self.begin_elsewhere(image);
        } else {
            self.at_worker_of(id, move |worker| {
                let host = image.host;
                let manner = Manner {
                    born: true,
                    ..Manner::default()
                };
                if let Err(why) = worker.thaw(image, manner) {
                    worker.child_failed(host, purse, &why);
                }
            });
        }
    }

    fn begin_elsewhere(&mut self, image: Image) {
        let (id, host, purse) = (image.id, image.host, image.purse);
        self.at_worker_of(id, move |worker| {
            let manner = Manner {
                durable: true,
                born: true,
                ..Manner::default()
            };
            if let Err(why) = worker.thaw(image, manner) {
                worker.child_failed(host, purse, &why);
            }
        });
    }

    /// A birth that a turn paid for failed: the purse goes back.
    fn child_failed(&mut self, host: VcId, purse: Purse, why: &Refusal) {
        self.give_back(host, purse);
        if let Some(slot) = self.find(host) {
            self.log_line(slot, &format!("a birth failed: {why}"));
        }
        self.event(EventKind::Fault, host, format!("a birth failed: {why}"));
    }

    /// Lets a frozen VC go on here.
    pub(crate) fn thaw(&mut self, image: Image, manner: Manner) -> Result<u32, Refusal> {
        let id = image.id;
        if self.find(id).is_some() {
            return Err(Refusal::new(Why::Conflict, format!("{id} lives here already")).who(id));
        }
        // Those in its body come with it.
        let inner: Vec<Image> = image
            .parts
            .iter()
            .filter_map(|part| part.computer.as_ref())
            .map(|bytes| Image::from_trusted_bytes(bytes))
            .collect::<Result<_, _>>()
            .map_err(|error| Refusal::new(Why::Malformed, format!("a nested image: {error}")))?;
        let born = manner.born;
        let cell = self.cell_of(image, manner).map_err(Refusal::from)?;
        for image in inner {
            self.thaw(image, manner)?;
        }
        Ok(self.settle_in(cell, born))
    }

    /// A cell from an image; not yet in its slot.
    fn cell_of(&mut self, image: Image, manner: Manner) -> Result<Cell, Fault> {
        let mut seat = seat_of(&self.shared.natives, &image)?;
        let first = image
            .parts
            .iter()
            .find(|part| has_code(part))
            .map_or(0, |part| part.occurrence);
        if manner.own_actor && !matches!(seat, Seat::Empty) {
            seat = Seat::Actor(Box::new(Hosted::new(image.id, seat, first, &self.shared)?));
        }
        let accept = match &image.accept {
            Some(text) => Some(Box::new(text.parse().map_err(
                |error: genesis::pattern::ParseError| {
                    Fault::new(Why::Malformed, format!("the pattern it accepts: {error}"))
                },
            )?)),
            None => None,
        };
        let contacts = (!image.contacts.is_empty()).then(|| {
            Box::new(Contacts {
                book: None,
                own: image.contacts.iter().copied().map(Entry::of).collect(),
                names: image
                    .contact_names
                    .iter()
                    .map(|(n, at)| (n.as_str().into(), *at))
                    .collect(),
            })
        });
        let journal = (image.record > 0).then(|| {
            let snapshot = image.to_bytes().unwrap_or_default();
            Box::new(Journal::new(image.record, snapshot.into()))
        });
        Ok(Cell {
            id: image.id,
            host: Entry::of(image.host),
            standing: Standing {
                purse: image.purse,
                grants: image.grants,
                sequence: image.sequence,
                births: image.births,
                turns: image.turns,
            },
            seat,
            mail: Mailbox::EMPTY,
            generation: 0,
            kind: None,
            life: if manner.stopped {
                Life::Stopped
            } else {
                Life::Born
            },
            flags: Flags {
                durable: manner.durable && self.shared.log.is_some(),
                nested: image.nested,
                ..Flags::default()
            },
            last_active: self.now,
            contacts,
            more: Some(Box::new(More {
                name: image.name,
                description: image.description,
                parts: image.parts.iter().map(Part::from_image).collect(),
                next_occurrence: image.next_occurrence,
                lineage: image.lineage,
                reshapers: image.reshapers,
                accept,
                goal: image.goal,
                restart: image.restart,
                timers: image
                    .timers
                    .iter()
                    .map(|&(at, tag)| (Time(at), tag))
                    .collect(),
                journal,
                trace: Digest0(image.trace),
                record: image.record,
                idle_ms: image.idle_ms,
                ..More::default()
            })),
        })
    }

    /// Lets a VC begin again from its birth state; body, powers, purse and contacts stay.
    pub(super) fn restart(&mut self, slot: u32, seat: &mut Seat) {
        let mut image = self.image_with(slot, &[]);
        for part in &mut image.parts {
            part.state = None;
        }
        match seat_of(&self.shared.natives, &image) {
            Ok(fresh) if !matches!(seat, Seat::Actor(_) | Seat::Away(_)) => *seat = fresh,
            Ok(fresh) => {
                let first = self.first_code_occurrence(slot);
                if let Ok(hosted) = Hosted::new(image.id, fresh, first, &self.shared) {
                    *seat = Seat::Actor(Box::new(hosted));
                }
            }
            Err(fault) => self.log_line(slot, &format!("it cannot be restarted: {fault}")),
        }
        self.touch(slot);
    }

    // --- Images and rows ----------------------------------------------------------------------

    /// The parts of a VC's body, the genesis part first.
    pub(super) fn parts_of(&self, cell: &Cell) -> Vec<Part> {
        match (cell.kind, &cell.more) {
            (Some(kind), _) => {
                let native = self.shared.natives.at(kind);
                let native = native.map(|native| Part::native(1, &native, Bytes::new()));
                let genesis = Part::genesis(cell.standing.grants, &[]);
                std::iter::once(genesis).chain(native).collect()
            }
            (None, Some(more)) => more.parts.clone(),
            (None, None) => Vec::new(),
        }
    }

    /// The occurrence of the first part with code.
    pub(super) fn first_code_occurrence(&self, slot: u32) -> u64 {
        let cell = &self.cells[slot as usize];
        match (cell.kind, &cell.more) {
            (None, Some(more)) => more
                .parts
                .iter()
                .find(|part| matches!(part.code, Code::Native { .. }))
                .map_or(0, |part| part.occurrence),
            _ => 1,
        }
    }

    /// The image of a VC, with the states of its code as given.
    pub(super) fn image_with(&self, slot: u32, states: &[(u64, Vec<u8>)]) -> Image {
        let cell = &self.cells[slot as usize];
        let state = |occurrence: u64| {
            states
                .iter()
                .find(|(at, _)| *at == occurrence)
                .map(|(_, state)| Bytes::copy_from_slice(state))
        };
        let parts: Vec<Part> = self.parts_of(cell);
        let next = parts
            .iter()
            .map(|part| part.occurrence + 1)
            .max()
            .unwrap_or(0);
        let contacts = cell.contacts.as_deref();
        let more = cell.more.as_deref();
        Image {
            id: cell.id,
            host: cell.host.id,
            nested: cell.flags.nested,
            lineage: more.map(|more| more.lineage.clone()).unwrap_or_default(),
            name: more.and_then(|more| more.name.clone()),
            description: more.and_then(|more| more.description.clone()),
            parts: parts
                .iter()
                .map(|part| part.to_image(state(part.occurrence)))
                .collect(),
            next_occurrence: more.map_or(next, |more| more.next_occurrence.max(next)),
            grants: cell.standing.grants,
            purse: cell.standing.purse,
            contacts: contacts
                .map(|c| c.iter().map(|e| e.id).collect())
                .unwrap_or_default(),
            contact_names: contacts
                .map(|c| c.names.iter().map(|(n, at)| (n.to_string(), *at)).collect())
                .unwrap_or_default(),
            reshapers: more.map(|more| more.reshapers.clone()).unwrap_or_default(),
            accept: more
                .and_then(|more| more.accept.as_ref())
                .map(ToString::to_string),
            goal: more.and_then(|more| more.goal.clone()),
            restart: more.map(|more| more.restart).unwrap_or_default(),
            sequence: cell.standing.sequence,
            births: cell.standing.births,
            turns: cell.standing.turns,
            trace: more.map_or(Digest::ZERO, |more| more.trace.0),
            timers: more
                .map(|more| more.timers.iter().map(|&(at, tag)| (at.0, tag)).collect())
                .unwrap_or_default(),
            record: more.map_or(0, |more| more.record),
            idle_ms: more.map_or(0, |more| more.idle_ms),
        }
    }

    /// The image of a VC as it is now; those in its body are left to their own rows.
    pub(crate) fn image(&self, slot: u32) -> Image {
        let states = states_of(
            &self.cells[slot as usize].seat,
            self.first_code_occurrence(slot),
        );
        self.image_with(slot, &states)
    }

    /// The image of a VC as it is now, with those in its body.
    pub(crate) fn whole_image(&mut self, slot: u32, depth: usize) -> Result<Image, Refusal> {
        let mut image = self.image(slot);
        self.add_inner(&mut image, depth)?;
        Ok(image)
    }

    /// Puts the images of those in its body into an image.
    fn add_inner(&mut self, image: &mut Image, depth: usize) -> Result<(), Refusal> {
        if depth > DEPTH_MAX {
            return Err(Refusal::new(
                Why::TooLarge,
                format!("bodies nest deeper than {DEPTH_MAX}"),
            ));
        }
        for part in &mut image.parts {
            let Some(inner) = Part::from_image(part).computer() else {
                continue;
            };
            let slot = self.find_or_wake(inner)?;
            let bytes = self.whole_image(slot, depth + 1)?.to_bytes();
            part.computer = Some(
                bytes
                    .map_err(|error| Refusal::new(Why::TooLarge, error.to_string()))?
                    .into(),
            );
        }
        Ok(())
    }

    /// The rows of a VC and of those in its body, as they begin.
    fn put_rows(&mut self, image: &Image) {
        let mut own = image.clone();
        for part in &mut own.parts {
            if let Some(inner) = Part::inner_image(part) {
                self.put_rows(&inner);
            }
            part.computer = None;
        }
        self.put_row(&own, RowFlags(0));
    }

    /// Writes the rows of all durable VCs that changed in this slice.
    pub(super) fn write_dirty_rows(&mut self) {
        for slot in std::mem::take(&mut self.dirty) {
            let cell = &mut self.cells[slot as usize];
            if !std::mem::take(&mut cell.flags.dirty) || !cell.flags.live {
                continue;
            }
            self.write_row(slot);
        }
    }

    fn write_row(&mut self, slot: u32) {
        let image = self.image(slot);
        let cell = &self.cells[slot as usize];
        let mut flags = 0;
        if !cell.flags.durable {
            flags |= RowFlags::VOLATILE;
        }
        if cell.life == Life::Stopped {
            flags |= RowFlags::STOPPED;
        }
        if matches!(cell.seat, Seat::Actor(_) | Seat::Away(_)) {
            flags |= RowFlags::OWN_ACTOR;
        }
        let asleep = cell.life == Life::Dormant;
        let tail = cell.more.as_ref().and_then(|more| Tail::of(more, asleep));
        let asks = cell.more.as_ref().is_some_and(|more| !more.asks.is_empty());
        let tail = tail.and_then(|tail| wire::encode(TAIL_VERSION, &tail).ok());
        self.put_whole_row(&image, RowFlags(flags), tail.as_deref(), asks);
    }

    fn put_row(&mut self, image: &Image, flags: RowFlags) {
        self.put_whole_row(image, flags, None, false);
    }

    fn put_whole_row(&mut self, image: &Image, flags: RowFlags, tail: Option<&[u8]>, asks: bool) {
        if self.shared.log.is_none() {
            return;
        }
        match image.to_bytes() {
            Ok(bytes) => {
                let mut value = Vec::with_capacity(bytes.len() + 1);
                value.push(flags.0);
                if let Some(tail) = tail
                    && let Ok(len) = u32::try_from(tail.len())
                {
                    value[0] |= RowFlags::TAIL;
                    value.extend_from_slice(&len.to_le_bytes());
                    value.extend_from_slice(tail);
                }
                value.extend_from_slice(&bytes);
                self.slice.ops.push(Op::Put {
                    table: Table::Vcs,
                    key: vc_key(image.id),
                    value,
                });
            }
            Err(error) => tracing::error!(%error, id = %image.id, "a row cannot be written"),
        }
        let live = flags.0 & RowFlags::STOPPED == 0;
        self.mark(b't', image.id, live && (asks || !image.timers.is_empty()));
        self.mark(b'v', image.id, flags.0 & RowFlags::VOLATILE != 0);
        // Names are the owner's: what a VC calls its children is a label, not a name.
        if let Some(name) = &image.name
            && !image.nested
            && self
                .shared
                .names
                .get(name)
                .is_some_and(|owner| *owner == image.id)
        {
            let (key, value) = (name.clone().into_bytes(), vc_key(image.id));
            self.slice.ops.push(Op::Put {
                table: Table::Names,
                key,
                value,
            });
        }
    }

    fn mark(&mut self, kind: u8, id: VcId, on: bool) {
        let key = [&[kind], id.as_bytes().as_slice()].concat();
        self.slice.ops.push(if on {
            Op::Put {
                table: Table::Marks,
                key,
                value: Vec::new(),
            }
        } else {
            Op::Delete {
                table: Table::Marks,
                key,
            }
        });
    }

    pub(super) fn journal_row(&mut self, id: VcId, number: u64, message: Vec<u8>) {
        let key = [id.as_bytes().as_slice(), &number.to_be_bytes()].concat();
        self.slice.ops.push(Op::Put {
            table: Table::Journal,
            key,
            value: message,
        });
    }

    /// A new snapshot, under number 0; the messages before it go.
    pub(super) fn journal_snapshot(&mut self, id: VcId, snapshot: Vec<u8>) {
        let key = |number: u64| [id.as_bytes().as_slice(), &number.to_be_bytes()].concat();
        let (from, until) = (key(1), key(u64::MAX));
        self.slice.ops.push(Op::DeleteRange {
            table: Table::Journal,
            from,
            until,
        });
        self.slice.ops.push(Op::Put {
            table: Table::Journal,
            key: key(0),
            value: snapshot,
        });
    }

    // --- Sleep and wake -----------------------------------------------------------------------

    /// The cell of a VC, woken from the store if it sleeps.
    pub(crate) fn find_or_wake(&mut self, id: VcId) -> Result<u32, Refusal> {
        match self.find(id) {
            Some(slot) => Ok(slot),
            None => self.wake_from_store(id),
        }
    }

    pub(super) fn wake_from_store(&mut self, id: VcId) -> Result<u32, Refusal> {
        let unknown = || Refusal::new(Why::Unknown, format!("there is no {id}")).who(id);
        let Some(log) = &self.shared.log else {
            return Err(unknown());
        };
        let row = log
            .store()
            .get(Table::Vcs, id.as_bytes())
            .map_err(|error| {
                let code = match error {
                    crate::store::StoreError::Corrupt { .. } => Why::Corrupt,
                    _ => Why::Io,
                };
                Refusal::new(code, error.to_string()).who(id)
            })?;
        let row = row.ok_or_else(unknown)?;
        let damaged = |error: wire::DecodeError| {
            Refusal::new(Why::Corrupt, format!("the row of {id}: {error}")).who(id)
        };
        let (flags, image, tail) = read_whole_row(&row).map_err(damaged)?;
        let tail: Option<Tail> = tail
            .map(|tail| wire::decode(TAIL_VERSION, tail))
            .transpose()
            .map_err(damaged)?;
        let manner = Manner {
            durable: flags.0 & RowFlags::VOLATILE == 0,
            own_actor: flags.0 & RowFlags::OWN_ACTOR != 0,
            born: false,
            stopped: flags.0 & RowFlags::STOPPED != 0,
        };
        let mut cell = self.cell_of(image, manner).map_err(Refusal::from)?;
        if let Some(tail) = tail {
            tail.restore(cell.more_mut());
        }
        let slot = self.settle_in(cell, false);
        if !manner.stopped {
            self.tally.woken += 1;
            self.event(EventKind::Awake, id, "");
        }
        Ok(slot)
    }

    /// Wakes a VC, if it sleeps.
    pub(crate) fn wake(&mut self, id: VcId) -> Result<Life, Refusal> {
        let slot = self.find_or_wake(id)?;
        let cell = &mut self.cells[slot as usize];
        if cell.life == Life::Stopped {
            return Err(stopped(id, "woken"));
        }
        if matches!(cell.life, Life::Born | Life::Dormant) {
            cell.life = cell.life.next(Signal::Wake).unwrap_or(cell.life);
            self.falling.retain(|&(falling, _)| falling != id);
            self.set_idle(slot);
        }
        let cell = &mut self.cells[slot as usize];
        cell.last_active = self.now;
        Ok(cell.life)
    }

    /// Puts a VC to sleep: its image goes to the store and, once it is there, its cell.
    pub(crate) fn sleep(&mut self, id: VcId) -> Result<Life, Refusal> {
        if self.shared.log.is_none() {
            return Err(Refusal::new(
                Why::Conflict,
                "this runtime has no store to sleep in",
            ));
        }
        let Some(slot) = self.find(id) else {
            // Known to the store and not here: it sleeps already, or there is none.
            let slot = self.wake_from_store(id)?;
            return self.sleep(self.cells[slot as usize].id);
        };
        let cell = &self.cells[slot as usize];
        if cell.life == Life::Stopped {
            return Err(stopped(id, "put to sleep"));
        }
        if matches!(cell.seat, Seat::Owner) {
            return Err(Refusal::new(Why::Denied, "the owner does not sleep").who(id));
        }
        let held = cell.more.as_ref().is_some_and(|more| more.held > 0);
        if !cell.mail.is_empty() || held || matches!(cell.seat, Seat::Away(_)) {
            return Err(Refusal::new(
                Why::Busy,
                format!("{id} has {} messages to handle first", cell.mail.len()),
            )
            .who(id)
            .hint("it goes to sleep by itself when it is idle"));
        }
        if cell.life != Life::Dormant {
            let cell = &mut self.cells[slot as usize];
            cell.life = cell.life.next(Signal::Sleep).unwrap_or(cell.life);
            cell.flags.dirty = false;
            self.write_row(slot);
            self.tally.slept += 1;
            self.falling.push((id, 0));
            self.event(EventKind::Dormant, id, "");
        }
        Ok(Life::Dormant)
    }

    /// Looks again when a VC may have been idle for long enough.
    pub(super) fn set_idle(&mut self, slot: u32) {
        let cell = &self.cells[slot as usize];
        let idle_ms = cell.more.as_ref().map_or(0, |more| more.idle_ms);
        if idle_ms > 0 {
            self.timers
                .set(self.now.plus_ms(idle_ms), cell.id, Due::Idle);
        }
    }

    pub(super) fn sleep_if_idle(&mut self, id: VcId) {
        let Some(slot) = self.find(id) else { return };
        let cell = &self.cells[slot as usize];
        let idle_ms = cell.more.as_ref().map_or(0, |more| more.idle_ms);
        if idle_ms == 0 || !matches!(cell.life, Life::Born | Life::Awake) {
            return;
        }
        let due = cell.last_active.plus_ms(idle_ms);
        if due > self.now || self.sleep(id).is_err() {
            self.timers
                .set(due.max(self.now.plus_ms(idle_ms.min(1_000))), id, Due::Idle);
        }
    }

    /// Frees the cells of sleepers whose rows are on disk.
    pub(super) fn settle_sleepers(&mut self) {
        if self.falling.is_empty() {
            return;
        }
        let Some(log) = self.shared.log.clone() else {
            return;
        };
        let settled = log.settled_now();
        let newest = self
            .falling
            .iter()
            .map(|&(_, slice)| slice)
            .max()
            .unwrap_or(0);
        if newest > settled {
            log.want(newest);
        }
        let falling = std::mem::take(&mut self.falling);
        for (id, slice) in falling {
            if slice == 0 || slice > settled {
                self.falling.push((id, slice));
            } else if let Some(slot) = self.find(id)
                && self.cells[slot as usize].life == Life::Dormant
            {
                self.free_cell(slot);
            }
        }
    }

    /// Over the memory budget, cells that were idle longest go to sleep: a clock over the slab.
    pub(super) fn keep_the_budget(&mut self) {
        let bound = self.shared.memory_bytes_max / self.shared.ports.len();
        if self.shared.log.is_none() || self.bytes() <= bound || self.cells.is_empty() {
            return;
        }
        for _ in 0..self.cells.len().min(4_096) {
            self.clock_hand = (self.clock_hand + 1) % self.cells.len();
            let cell = &self.cells[self.clock_hand];
            let idle = cell.flags.live
                && matches!(cell.life, Life::Born | Life::Awake)
                && cell.mail.is_empty()
                && self.now.since_ms(cell.last_active) >= BUDGET_IDLE_MS
                && !matches!(cell.seat, Seat::Owner | Seat::Away(_));
            if idle {
                let id = cell.id;
                // Refused only if it has become busy since; then it stays.
                let _ = self.sleep(id);
            }
        }
    }

    /// About how many bytes this worker's VCs take.
    pub(crate) fn bytes(&self) -> usize {
        const CELL_BYTES: usize = size_of::<Cell>() + 64;
        self.table.len() * CELL_BYTES + self.arena.bytes()
    }

    /// Empties a slot. Its generation goes on, so that old handles are noticed.
    pub(super) fn free_cell(&mut self, slot: u32) {
        let id = self.cells[slot as usize].id;
        if let Ok(entry) = self
            .table
            .find_entry(id.hash64(), |&at| self.cells[at as usize].id == id)
        {
            entry.remove();
        }
        let cell = &mut self.cells[slot as usize];
        cell.flags = Flags::default();
        cell.seat = Seat::Empty;
        cell.contacts = None;
        cell.more = None;
        cell.life = Life::Removed;
        cell.generation += 1;
        if cell.generation < Handle::GENERATION_MAX {
            self.free.push(slot);
        }
    }
}

fn stopped(id: VcId, what: &str) -> Refusal {
    Refusal::new(
        Why::Stopped,
        format!("{id} is stopped and cannot be {what}"),
    )
    .who(id)
}

fn has_code(part: &ImagePart) -> bool {
    matches!(part.code, Code::Native { .. })
}

/// Makes the image that of a fork: another id, the same body and state, the parent recorded.
pub(crate) fn fork_of(image: &mut Image, id: VcId, name: Option<String>) {
    image.lineage.insert(0, image.id);
    image.lineage.truncate(64);
    image.host = image.id;
    image.id = id;
    image.name = name;
    image.nested = false;
    image.sequence = 0;
    image.births = 0;
    // Those in the body are forked with it, under ids of their own, and know one another by these.
    let mut renamed = vec![(image.lineage[0], id)];
    let inner = image.parts.iter().filter_map(Part::inner_image);
    let inner: Vec<Image> = inner.collect();
    for nested in &inner {
        renamed.push((nested.id, id.inner(image.births)));
        image.births += 1;
    }
    let rename = |ids: &mut Vec<VcId>| {
        for id in ids {
            if let Some(&(_, new)) = renamed.iter().find(|(old, _)| old == id) {
                *id = new;
            }
        }
    };
    rename(&mut image.contacts);
    rename(&mut image.reshapers);
    let places = image.parts.iter_mut().filter(|p| p.computer.is_some());
    for ((part, mut nested), &(_, nested_id)) in places.zip(inner).zip(&renamed[1..]) {
        rename(&mut nested.contacts);
        rename(&mut nested.reshapers);
        let name = nested.name.clone();
        fork_of(&mut nested, nested_id, name);
        nested.host = id;
        nested.nested = true;
        part.contents = Bytes::copy_from_slice(nested_id.as_bytes());
        part.computer = nested.to_bytes().ok().map(Bytes::from);
    }
}

/// Gives those in the body of a copy their purses, out of the copy's own.
fn share_out(image: &mut Image) {
    let mut waiting = image.parts.iter().filter(|p| p.computer.is_some()).count() as u64;
    for part in &mut image.parts {
        let Some(mut inner) = Part::inner_image(part) else {
            continue;
        };
        let share = share_of(image.purse, Purse::ENDLESS, waiting);
        // Not more than is there: a share of each coin.
        inner.purse = image.purse.split(share).unwrap_or(Purse::EMPTY);
        waiting -= 1;
        share_out(&mut inner);
        part.computer = inner.to_bytes().ok().map(Bytes::from);
    }
}

/// What a VC in a body asks of its host's purse: what it says or, where it names no end and the host has
/// one, as much as is left to the host and each of the `waiting` who still ask.
fn share_of(host: Purse, wanted: Purse, waiting: u64) -> Purse {
    let share = |host: u64, wanted: u64| {
        if wanted == u64::MAX && host != u64::MAX {
            host / (waiting + 1)
        } else {
            wanted
        }
    };
    Purse {
        fuel: share(host.fuel, wanted.fuel),
        messages: share(host.messages, wanted.messages),
        children: share(host.children, wanted.children),
        outside: share(host.outside, wanted.outside),
        motes: wanted.motes,
    }
}

/// The code of an image, born or with its state.
fn seat_of(natives: &Natives, image: &Image) -> Result<Seat, Fault> {
    let mut organs = Vec::new();
    for part in image.parts.iter().filter(|part| has_code(part)) {
        let (kind, program) = program_of(natives, part)?;
        organs.push(Organ {
            digest: part.digest(),
            occurrence: part.occurrence,
            gives: kind.gives,
            program,
        });
    }
    organs.sort_by_key(|organ| (organ.digest, organ.occurrence));
    Ok(match organs.len() {
        0 => Seat::Empty,
        1 => organs
            .pop()
            .map_or(Seat::Empty, |organ| Seat::One(organ.program)),
        _ => Seat::Many(Box::new(Assembly { organs })),
    })
}

/// The program of one part with code.
pub(super) fn program_of(
    natives: &Natives,
    part: &ImagePart,
) -> Result<(NativeKind, Box<dyn Program>), Fault> {
    let Code::Native { name, version } = &part.code else {
        return Err(Fault::new(Why::Untestable, "the part has no code"));
    };
    let kind = natives.get(name, Some(*version)).ok_or_else(|| {
        Fault::new(
            Why::Untestable,
            format!("this node knows no native behaviour {name}/{version}"),
        )
    })?;
    let program = match &part.state {
        Some(state) => kind.load(state)?,
        None => kind.born(&part.contents)?,
    };
    Ok((kind, program))
}

/// A part as it is born.
pub(crate) fn part_of(
    natives: &Natives,
    occurrence: u64,
    part: crate::birth::PartBirth,
) -> Result<ImagePart, Refusal> {
    let (code, contents, decoder, channels) = match part.code {
        CodeBirth::Native {
            name,
            version,
            argument,
        } => {
            let kind = natives.get(&name, version).ok_or_else(|| {
                let known: Vec<String> = natives.iter().map(|kind| format!("{kind:?}")).collect();
                Refusal::new(
                    Why::Unknown,
                    format!("this node knows no native behaviour `{name}`"),
                )
                .hint(format!("it knows {}", known.join(" ")))
            })?;
            let code = Code::Native {
                name,
                version: kind.version,
            };
            (code, argument, Some(kind.digest()), kind.channels())
        }
        CodeBirth::Data { contents, decoder } => (Code::Data, contents, decoder, Vec::new()),
        CodeBirth::Computer(_) => (Code::Computer, Bytes::new(), None, Vec::new()),
    };
    Ok(ImagePart {
        occurrence,
        code,
        role: part.role,
        contents,
        decoder,
        channels,
        state: None,
        computer: None,
    })
}

/// The images of a birth: the VC's, then those of all nested in it.
fn images_of(
    natives: &Natives,
    id: VcId,
    host: VcId,
    nested: bool,
    birth: Birth,
    depth: usize,
) -> Result<Vec<Image>, Refusal> {
    if depth > DEPTH_MAX {
        return Err(Refusal::new(
            Why::TooLarge,
            format!("bodies nest deeper than {DEPTH_MAX}"),
        ));
    }
    let granted: Vec<VcId> = birth.contacts.iter().map(|(_, id)| *id).collect();
    let mut parts = vec![Part::genesis(birth.grants, &granted).to_image(None)];
    let mut contacts: Vec<VcId> = Vec::new();
    let mut contact_names = Vec::new();
    for (name, contact) in birth.contacts {
        if let (Some(name), Ok(at)) = (name, u32::try_from(contacts.len())) {
            contact_names.push((name, at));
        }
        contacts.push(contact);
    }
    let mut births = 0;
    let mut inner: Vec<(Option<String>, VcId, Birth)> = Vec::new();
    for (n, mut part) in birth.parts.into_iter().enumerate() {
        let occurrence = n as u64 + 1;
        let code = std::mem::replace(
            &mut part.code,
            CodeBirth::Data {
                contents: Bytes::new(),
                decoder: None,
            },
        );
        if let CodeBirth::Computer(child) = code {
            let child_id = id.inner(births);
            births += 1;
            let role = part.role.clone().or_else(|| child.name.clone());
            if let (Some(name), Ok(at)) = (role.clone(), u32::try_from(contacts.len())) {
                contact_names.push((name, at));
            }
            contacts.push(child_id);
            let mut image = part_of(natives, occurrence, part)?;
            image.code = Code::Computer;
            image.role.clone_from(&role);
            image.contents = Bytes::copy_from_slice(child_id.as_bytes());
            parts.push(image);
            inner.push((role, child_id, *child));
        } else {
            part.code = code;
            parts.push(part_of(natives, occurrence, part)?);
        }
    }
    super::reshape::body_of(&parts)?;
    let inner_count = inner.len();
    let siblings: Vec<(Option<String>, VcId)> = inner
        .iter()
        .map(|(role, id, _)| (role.clone(), *id))
        .collect();
    let next_occurrence = parts.len() as u64;
    let durable = birth.durable;
    let mut purse = birth.purse;
    for (n, (_, _, child)) in inner.iter_mut().enumerate() {
        let share = share_of(purse, child.purse, (inner_count - n) as u64);
        child.purse = purse
            .split(share)
            .map_err(|empty| Refusal::new(Why::Budget, empty.to_string()))?;
    }
    let mut images = vec![Image {
        id,
        host,
        nested,
        lineage: Vec::new(),
        name: birth.name,
        description: birth.description,
        parts,
        next_occurrence,
        grants: birth.grants,
        purse,
        contacts,
        contact_names,
        reshapers: birth.reshapers,
        accept: birth.accept,
        goal: birth.goal,
        restart: birth.restart,
        sequence: 0,
        births,
        turns: 0,
        trace: Digest::ZERO,
        timers: Vec::new(),
        record: birth.record,
        idle_ms: birth.idle_ms,
    }];
    for (role, child_id, mut child) in inner {
        child.grants = child.grants.narrow(birth.grants);
        child.durable = durable;
        child.name = role;
        // Its siblings, under the names that the host gave them; beyond them, only what it was granted.
        child
            .contacts
            .extend(siblings.iter().filter(|(_, id)| *id != child_id).cloned());
        images.extend(images_of(natives, child_id, id, true, child, depth + 1)?);
    }
    Ok(images)
}
