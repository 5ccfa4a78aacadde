//! How VCs end: stops, what follows from them, and disposal.

use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::refusal::{Code, Refusal};

use super::Worker;
use crate::cell::{More, Seat};
use crate::events::EventKind;
use crate::journal::{Entry, key_of};
use crate::life::{Life, Signal};
use crate::log::vc_key;
use crate::store::{Op, Table};

impl Worker {
    /// Stops a VC: it takes no more turns, its mail goes back, those in its body stop with it, its purse
    /// goes back to its host, and who watches it is told.
    pub(super) fn stop(&mut self, slot: u32, reason: &str) {
        let cell = &mut self.cells[slot as usize];
        let Some(next) = cell.life.next(Signal::Stop) else {
            return;
        };
        if matches!(cell.seat, Seat::Owner) {
            return;
        }
        cell.life = next;
        if let Seat::Away(hosted) = &cell.seat
            && !hosted.is_actor()
            && let Ok(sandbox) = self.shared.modules.sandbox()
        {
            // It runs in the slow lane, for as long as its fuel lasts: end that.
            sandbox.interrupt();
        }
        let cell = &mut self.cells[slot as usize];
        let (id, host) = (cell.id, cell.host.id);
        let purse = std::mem::replace(&mut cell.standing.purse, genesis::purse::Purse::EMPTY);
        cell.gauge = None;
        let more = cell.more_mut();
        more.reason = Some(reason.to_owned());
        more.timers.clear();
        more.fired.clear();
        more.asks.clear();
        let watchers = std::mem::take(&mut more.watchers);
        let over = std::mem::take(&mut more.over);
        let inner: Vec<VcId> = more
            .parts
            .iter()
            .filter_map(crate::cell::Part::computer)
            .collect();
        self.falling.retain(|&(falling, _)| falling != id);
        self.event(EventKind::Stopped, id, reason);
        self.log_line(slot, &format!("stopped: {reason}"));
        while let Some(letter) = self.arena.pop(&mut self.cells[slot as usize].mail) {
            let why = Refusal::new(Code::Stopped, format!("{id} stopped ({reason})")).who(id);
            self.bounce(&letter, why);
        }
        for (sender, waiting) in over {
            if waiting >= genesis::limits::OUTBOX_LEN_MAX {
                self.at_worker_of(sender.id, move |worker| worker.hold(sender.id, false));
            }
        }
        for inner in inner {
            if let Ok(slot) = self.find_or_wake(inner) {
                self.stop(slot, "host");
            }
        }
        self.gone_from_outside(id);
        self.write_down(slot, &Entry::Stopped(reason.to_owned()));
        self.give_back(host, purse);
        let escalate = matches!(reason, "faults" | "budget");
        if escalate && !watchers.iter().any(|(watcher, _)| *watcher == host) {
            self.tell_down(host, id, reason);
        }
        for (watcher, link) in watchers {
            self.tell_down(watcher, id, reason);
            if link {
                let why = format!("link: {}", id.short());
                self.at_worker_of(watcher, move |worker| worker.stop_linked(watcher, &why));
            }
        }
        self.touch(slot);
    }

    fn tell_down(&mut self, to: VcId, who: VcId, reason: &str) {
        if to == VcId::NOBODY || to == self.shared.owner {
            return;
        }
        self.notify(to, Channel::DOWN, format!("{who} {reason}").into_bytes());
    }

    fn stop_linked(&mut self, id: VcId, why: &str) {
        if let Ok(slot) = self.find_or_wake(id) {
            self.stop(slot, why);
        }
    }

    pub(super) fn give_back(&mut self, host: VcId, purse: genesis::purse::Purse) {
        if host == VcId::NOBODY || host == self.shared.owner {
            return;
        }
        self.at_worker_of(host, move |worker| {
            if let Ok(slot) = worker.find_or_wake(host)
                && worker.cells[slot as usize].life != Life::Stopped
            {
                let cell = &mut worker.cells[slot as usize];
                if let Seat::Away(hosted) = &mut cell.seat {
                    // Its standing is away with the turn and comes back with it.
                    hosted.returned.merge(purse);
                } else {
                    cell.standing.purse.merge(purse);
                    worker.write_down(slot, &Entry::Refund(purse));
                }
                worker.touch(slot);
            }
        });
    }

    /// Stops a VC on the owner's behalf.
    pub(crate) fn stop_vc(&mut self, id: VcId) -> Result<Life, Refusal> {
        let slot = self.find_or_wake(id)?;
        if matches!(self.cells[slot as usize].seat, Seat::Owner) {
            return Err(
                Refusal::new(Code::Denied, "the owner is not stopped; stop the node").who(id),
            );
        }
        self.stop(slot, "owner");
        Ok(self.cells[slot as usize].life)
    }

    /// One VC will be told when another stops; linked, each stops with the other.
    pub(super) fn watch(&mut self, slot: u32, target: VcId, link: bool) {
        let watcher = self.cells[slot as usize].id;
        if link {
            add_watcher(self.cells[slot as usize].more_mut(), target, true);
        }
        self.at_worker_of(target, move |worker| match worker.find_or_wake(target) {
            Ok(slot) if worker.cells[slot as usize].life != Life::Stopped => {
                add_watcher(worker.cells[slot as usize].more_mut(), watcher, link);
                worker.touch(slot);
            }
            _ => {
                worker.tell_down(watcher, target, "gone");
                if link {
                    worker.at_worker_of(watcher, move |worker| {
                        worker.stop_linked(watcher, "link: gone");
                    });
                }
            }
        });
    }

    /// Leaves nothing of a stopped VC: row, names, journal, marks, cell, nor of those in its body.
    pub(crate) fn remove(&mut self, id: VcId) -> Result<Life, Refusal> {
        let slot = self.find_or_wake(id)?;
        let cell = &self.cells[slot as usize];
        if cell.life.next(Signal::Remove).is_none() {
            return Err(Refusal::new(
                Code::Conflict,
                format!("{id} is {}, not stopped", cell.life),
            )
            .who(id)
            .hint("`medium stop` it first, or `medium remove --force`"));
        }
        if cell.flags.nested
            && self
                .find(cell.host.id)
                .is_some_and(|host| self.cells[host as usize].life != Life::Stopped)
        {
            return Err(
                Refusal::new(Code::Conflict, format!("{id} is part of a living body")).who(id),
            );
        }
        let more = cell.more.as_deref();
        let name = more.and_then(|more| more.name.clone());
        let inner: Vec<VcId> = more
            .map(|more| {
                more.parts
                    .iter()
                    .filter_map(crate::cell::Part::computer)
                    .collect()
            })
            .unwrap_or_default();
        for inner in inner {
            self.remove(inner)?;
        }
        if let Some(name) = name {
            self.free_name(id, name);
        }
        self.forget(id, slot);
        self.event(EventKind::Removed, id, "");
        Ok(Life::Removed)
    }

    /// Takes a name from a VC, if it is its own.
    pub(super) fn free_name(&mut self, id: VcId, name: String) {
        let names = &self.shared.names;
        if names.remove_if(&name, |_, owner| *owner == id).is_some() {
            self.slice.ops.push(Op::Delete {
                table: Table::Names,
                key: name.into_bytes(),
            });
        }
    }

    /// Leaves nothing of a VC here but its name: neither row, journal, marks nor cell.
    pub(super) fn forget(&mut self, id: VcId, slot: u32) {
        for kind in [b't', b'v'] {
            let key = [&[kind], id.as_bytes().as_slice()].concat();
            self.slice.ops.push(Op::Delete {
                table: Table::Marks,
                key,
            });
        }
        self.slice.ops.push(Op::Delete {
            table: Table::Vcs,
            key: vc_key(id),
        });
        let (from, until) = (key_of(id, 0), key_of(id, u64::MAX));
        self.slice.ops.push(Op::DeleteRange {
            table: Table::Journal,
            from,
            until,
        });
        self.cells[slot as usize].flags.dirty = false;
        self.free_cell(slot);
        self.unlist(id);
    }
}

/// Notes who is told of an end, once; a link stays one.
fn add_watcher(more: &mut More, watcher: VcId, link: bool) {
    match more.watchers.iter_mut().find(|(id, _)| *id == watcher) {
        Some((_, linked)) => *linked |= link,
        None => more.watchers.push((watcher, link)),
    }
}
