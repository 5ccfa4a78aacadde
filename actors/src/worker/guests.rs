//! VCs in a body whose channels are the body's: they come along to their host's turns.

use genesis::channel::Channel;
use genesis::id::VcId;

use super::Worker;
use crate::behaviour::Fault;
use crate::cell::{Part, Seat};
use crate::enclave::{Enclave, Guest};
use crate::journal::Entry;
use crate::life::Life;

impl Worker {
    /// Brings those VCs in a body to the turn whose channels are the body's; their seats come along.
    pub(super) fn invite(&mut self, slot: u32, seat: &mut Seat) -> Result<Vec<Guest>, Fault> {
        let Some(more) = &self.cells[slot as usize].more else {
            return Ok(Vec::new());
        };
        if seat.enclave_mut().is_none() {
            return Ok(Vec::new());
        }
        let serves =
            |part: &Part| Some((part.computer()?, part.gives())).filter(|s| !s.1.is_empty());
        let serving: Vec<(VcId, Vec<Channel>)> = more.parts.iter().filter_map(serves).collect();
        let mut guests = Vec::with_capacity(serving.len());
        for (id, gives) in serving {
            // One that cannot come now is missed only if it is called: that is an unmet need.
            let Ok(slot) = self.find_or_wake(id) else {
                continue;
            };
            let cell = &mut self.cells[slot as usize];
            if !matches!(cell.life, Life::Born | Life::Awake) {
                continue;
            }
            if cell.seat.enclave_mut().is_some() {
                // What it answers, its own journal has as well.
                let mut seat = std::mem::replace(&mut cell.seat, Seat::Empty);
                self.make_room(slot, &mut seat);
                self.cells[slot as usize].seat = seat;
            }
            let cell = &mut self.cells[slot as usize];
            let mark = match cell.seat.enclave_mut().map(Enclave::prepare) {
                Some(Ok(mark)) => mark,
                Some(Err(fault)) => {
                    self.see_off(guests, false);
                    return Err(fault);
                }
                None => continue,
            };
            let seat = std::mem::replace(&mut cell.seat, Seat::Empty);
            guests.push(Guest {
                id,
                gives,
                seat,
                mark,
            });
        }
        Ok(guests)
    }

    /// Sends guests home; after a turn that failed, as they came.
    pub(super) fn see_off(&mut self, guests: Vec<Guest>, succeeded: bool) {
        for mut guest in guests {
            let Some(slot) = self.find(guest.id) else {
                continue;
            };
            let served = match guest.seat.enclave_mut() {
                Some(enclave) if succeeded => enclave.mark() > guest.mark,
                Some(enclave) => {
                    enclave.back_to(guest.mark);
                    false
                }
                None => false,
            };
            self.cells[slot as usize].seat = guest.seat;
            if served {
                self.cells[slot as usize].last_active = self.now;
                let calls = std::mem::take(&mut self.calls);
                for call in calls.iter().filter(|call| call.guest == guest.id) {
                    self.write_down(slot, &Entry::Served(call.clone()));
                }
                self.calls = calls;
                self.touch(slot);
            }
        }
    }
}
