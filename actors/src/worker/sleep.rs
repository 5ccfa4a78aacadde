//! How VCs fall asleep and wake: by message, by idle time, by the memory budget.

use super::births::Manner;
use genesis::id::VcId;
use genesis::refusal::{Code as Why, Refusal};
use genesis::wire;

use super::Worker;
use crate::cell::{Cell, Flags, RowFlags, Seat, Tail, read_whole_row};
use crate::events::EventKind;
use crate::handle::Handle;
use crate::life::{Life, Signal};
use crate::store::Table;
use crate::timers::Due;

/// How long a cell must have been idle before the memory budget may put it to sleep.
const BUDGET_IDLE_MS: u64 = 1_000;

impl Worker {
    /// The cell of a VC, woken from the store if it sleeps.
    pub(crate) fn find_or_wake(&mut self, id: VcId) -> Result<u32, Refusal> {
        match self.find(id) {
            Some(slot) => Ok(slot),
            None => self.wake_from_store(id),
        }
    }

    pub(super) fn wake_from_store(&mut self, id: VcId) -> Result<u32, Refusal> {
        let bed = self.shared.beds.get(&id).map(|bed| bed.place.clone());
        let unknown = || match &bed {
            None => Refusal::new(Why::Unknown, format!("there is no {id}")).who(id),
            Some(place) => Refusal::new(Why::Conflict, format!("{id} sleeps in the pod {place}"))
                .who(id)
                .hint("`medium wake` or a message wakes it"),
        };
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
        let tail = tail.map(Tail::read).transpose().map_err(damaged)?;
        let manner = Manner {
            durable: flags.0 & RowFlags::VOLATILE == 0,
            own_actor: flags.0 & RowFlags::OWN_ACTOR != 0,
            born: false,
            stopped: flags.0 & RowFlags::STOPPED != 0,
        };
        let mut cell = self.cell_of(image, manner).map_err(Refusal::from)?;
        if let Some(tail) = tail {
            tail.restore(&mut cell);
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
            let slept = cell.life == Life::Dormant;
            cell.life = cell.life.next(Signal::Wake).unwrap_or(cell.life);
            if slept {
                self.event(EventKind::Awake, id, "");
            }
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
            self.gone_from_outside(id);
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
        cell.gauge = None;
        let family = std::mem::take(&mut cell.family);
        cell.life = Life::Removed;
        cell.generation += 1;
        self.ready.leave(family);
        let cell = &self.cells[slot as usize];
        if cell.generation < Handle::GENERATION_MAX {
            self.free.push(slot);
        }
    }
}

pub(super) fn stopped(id: VcId, what: &str) -> Refusal {
    Refusal::new(
        Why::Stopped,
        format!("{id} is stopped and cannot be {what}"),
    )
    .who(id)
}
