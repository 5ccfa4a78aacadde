//! What a VC is at rest: its parts, its image, its row in the store.

use bytes::Bytes;
use genesis::id::{Digest, VcId};
use genesis::image::Image;
use genesis::limits::DEPTH_MAX;
use genesis::refusal::{Code as Why, Refusal};
use genesis::wire;

use super::Worker;
use super::images::has_code;
use crate::cell::{Cell, Part, RowFlags, Seat, TAIL_VERSION, Tail};
use crate::hosted::states_of;
use crate::life::Life;
use crate::log::vc_key;
use crate::store::{Op, Table};

impl Worker {
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
                .find(|part| has_code(&part.code))
                .map_or(0, |part| part.occurrence),
            _ => 1,
        }
    }

    /// The image of a VC, with the states of its code as given.
    pub(super) fn image_with(&self, slot: u32, states: &[(u64, Bytes)]) -> Image {
        let cell = &self.cells[slot as usize];
        let state = |occurrence: u64| {
            states
                .iter()
                .find(|(at, _)| *at == occurrence)
                .map(|(_, state)| state.clone())
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
            turn_fuel: more.map_or(0, |more| more.turn_fuel),
        }
    }

    /// The image of a VC as it is now; those in its body are left to their own rows.
    pub(crate) fn image(&mut self, slot: u32) -> Image {
        let first = self.first_code_occurrence(slot);
        let states = states_of(&mut self.cells[slot as usize].seat, first);
        self.image_with(slot, &states)
    }

    /// The image of a VC as it is now, with those in its body.
    pub(crate) fn whole_image(&mut self, slot: u32, depth: usize) -> Result<Image, Refusal> {
        let mut image = self.image(slot);
        self.add_inner(&mut image, depth)?;
        Ok(image)
    }

    /// Puts the images of those in its body into an image.
    pub(super) fn add_inner(&mut self, image: &mut Image, depth: usize) -> Result<(), Refusal> {
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
            part.enclosed = Some(
                bytes
                    .map_err(|error| Refusal::new(Why::TooLarge, error.to_string()))?
                    .into(),
            );
        }
        Ok(())
    }

    /// The rows of a VC and of those in its body, as they begin.
    pub(super) fn put_rows(&mut self, image: &Image) {
        let mut own = image.clone();
        for part in &mut own.parts {
            if let Some(inner) = Part::inner_image(part) {
                self.put_rows(&inner);
            }
            part.enclosed = None;
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

    pub(super) fn write_row(&mut self, slot: u32) {
        self.write_journal(slot);
        let image = self.image(slot);
        let cell = &self.cells[slot as usize];
        let mut flags = 0;
        if !cell.flags.durable {
            flags |= RowFlags::VOLATILE;
        }
        if cell.life == Life::Stopped {
            flags |= RowFlags::STOPPED;
        }
        if let Seat::Actor(hosted) | Seat::Away(hosted) = &cell.seat
            && hosted.is_actor()
        {
            flags |= RowFlags::OWN_ACTOR;
        }
        let asleep = cell.life == Life::Dormant;
        let tail = Tail::of(cell, asleep);
        let asks = cell.more.as_ref().is_some_and(|more| !more.asks.is_empty());
        let tail = tail.and_then(|tail| wire::encode(TAIL_VERSION, &tail).ok());
        self.put_whole_row(&image, RowFlags(flags), tail.as_deref(), asks);
    }

    pub(super) fn put_row(&mut self, image: &Image, flags: RowFlags) {
        self.put_whole_row(image, flags, None, false);
    }

    pub(super) fn put_whole_row(
        &mut self,
        image: &Image,
        flags: RowFlags,
        tail: Option<&[u8]>,
        asks: bool,
    ) {
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

    pub(super) fn mark(&mut self, kind: u8, id: VcId, on: bool) {
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
}
