//! How VCs begin: births of owners and of turns, thaws, restarts.

use super::images::{fork_of, has_code, images_of, seat_of, share_out};
use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::image::Image;
use genesis::purse::Purse;
use genesis::refusal::{Code as Why, Refusal};
use genesis::time::Time;

use super::{BIRTH_WORK, Worker};
use crate::behaviour::{Fault, NativeKind};
use crate::birth::{Birth, CodeBirth};
use crate::cell::{Cell, Digest0, Flags, More, Part, RowFlags, Seat};
use crate::effects::{Contacts, Standing};
use crate::events::EventKind;
use crate::gauge::Gauge;
use crate::handle::Entry;
use crate::hosted::{Hosted, states_of};
use crate::journal::Journal;
use crate::life::Life;
use crate::mailbox::Mailbox;
use crate::ready::FamilyId;
use crate::timers::Due;

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
        let images = images_of(&self.shared, id, host, nested, birth, 0)?;
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
    pub(super) fn plain_kind(&self, birth: &Birth) -> Option<u16> {
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
    pub(super) fn plain_birth(
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
            family: 0,
            burned: 0,
            gauge: Gauge::of(birth.purse).map(Box::new),
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
        cell.family = self.family_of(&cell);
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
        let mut seat = std::mem::replace(&mut self.cells[slot as usize].seat, Seat::Empty);
        self.list_live(slot, &mut seat);
        self.cells[slot as usize].seat = seat;
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

    /// In whose line a VC stands that comes to live here.
    fn family_of(&mut self, cell: &Cell) -> FamilyId {
        let host = cell.host.id;
        // One that draws by the seed has no families.
        if self.shared.deterministic || host == self.shared.owner || host == VcId::NOBODY {
            return 0;
        }
        let root = match (self.root, self.find(host)) {
            (Some(root), _) => root,
            (None, Some(slot)) => self.root_of(slot),
            (None, None) => host,
        };
        self.ready.join(root)
    }

    /// From whom a VC descends whom nobody but the owner gave birth to; that may be itself.
    fn root_of(&self, slot: u32) -> VcId {
        let cell = &self.cells[slot as usize];
        self.ready.root_of(cell.family).unwrap_or(cell.id)
    }

    /// Does what gives birth to somebody who descends from this root.
    fn under<T>(&mut self, root: VcId, births: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.root.replace(root);
        let done = births(self);
        self.root = before;
        done
    }

    /// Whether a part of the VC gives the channel by which it learns that it was born.
    pub(super) fn wants_start(&self, cell: &Cell) -> bool {
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
    pub(super) fn spawn_child(&mut self, slot: u32, id: VcId, mut birth: Birth) {
        let parent = &self.cells[slot as usize];
        let host = parent.id;
        let (parent_is_durable, purse) = (parent.flags.durable, birth.purse);
        if birth.durable && parent_is_durable && birth.record == 0 {
            // What leads through it shall be seen as far as its parent's part.
            birth.record = parent.more.as_ref().map_or(0, |more| more.record);
        }
        self.work += BIRTH_WORK;
        let root = self.root_of(slot);
        if birth.durable && parent_is_durable && self.shared.log.is_some() {
            // Its row is written together with the turn that bore it, wherever it will live.
            let shared = &self.shared;
            let images = images_of(shared, id, host, false, birth, 0).and_then(|images| {
                // A row that could not be woken is not written.
                let check = |image| seat_of(shared, image).map(drop);
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
            let born = worker.under(root, |worker| worker.birth(id, host, false, birth));
            if let Err(why) = born {
                worker.child_failed(host, purse, &why);
            }
        });
    }

    /// A copy of a VC as it is after this turn.
    pub(super) fn fork_child(&mut self, slot: u32, id: VcId, purse: Purse, seat: &mut Seat) {
        let states = states_of(seat, self.first_code_occurrence(slot));
        let mut image = self.image_with(slot, &states);
        self.work += BIRTH_WORK;
        let root = self.root_of(slot);
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
                if let Err(why) = worker.under(root, |worker| worker.thaw(image, manner)) {
                    worker.child_failed(host, purse, &why);
                }
            });
        }
    }

    pub(super) fn begin_elsewhere(&mut self, image: Image) {
        let (id, host, purse) = (image.id, image.host, image.purse);
        let root = self.find(host).map_or(host, |slot| self.root_of(slot));
        self.at_worker_of(id, move |worker| {
            let manner = Manner {
                durable: true,
                born: true,
                ..Manner::default()
            };
            if let Err(why) = worker.under(root, |worker| worker.thaw(image, manner)) {
                worker.child_failed(host, purse, &why);
            }
        });
    }

    /// A birth that a turn paid for failed: the purse goes back.
    pub(super) fn child_failed(&mut self, host: VcId, purse: Purse, why: &Refusal) {
        self.give_back(host, purse);
        if let Some(slot) = self.find(host) {
            self.log_line(slot, &format!("a birth failed: {why}"));
        }
        self.event(EventKind::Fault, host, format!("a birth failed: {why}"));
    }

    /// Lets a frozen VC go on here.
    pub(crate) fn thaw(&mut self, image: Image, manner: Manner) -> Result<u32, Refusal> {
        let id = image.id;
        self.make_way(id);
        if self.find(id).is_some() {
            return Err(Refusal::new(Why::Conflict, format!("{id} lives here already")).who(id));
        }
        // Those in its body come with it.
        let inner: Vec<Image> = image
            .parts
            .iter()
            .filter_map(|part| part.computer())
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
    pub(super) fn cell_of(&mut self, image: Image, manner: Manner) -> Result<Cell, Fault> {
        let mut seat = seat_of(&self.shared, &image)?;
        let first = image
            .parts
            .iter()
            .find(|part| has_code(&part.code))
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
        let contacts = Contacts::of(&image);
        let journal = (image.record > 0).then(|| Box::new(Journal::new(image.record)));
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
            family: 0,
            burned: 0,
            gauge: Gauge::of(image.purse).map(Box::new),
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
                turn_fuel: image.turn_fuel,
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
        match seat_of(&self.shared, &image) {
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
}
