//! Which bodies have live memories: as many as the engine has room for. Those idle longest rest.

use std::collections::VecDeque;

use genesis::time::Time;

use super::Worker;
use crate::cell::Seat;

/// What a worker does not fill of its share of the engine: room for trials, and for guests.
const SPARE_PART: usize = 8;
/// How many it looks at for one that was not used since it was listed.
const LOOKS_MAX: usize = 16;

/// The bodies of one engine that are live at a worker, in about the order of their last turns.
#[derive(Debug, Default)]
pub(super) struct Live {
    listed: VecDeque<Listed>,
    instances: usize,
}

#[derive(Clone, Copy, Debug)]
struct Listed {
    slot: u32,
    generation: u32,
    instances: usize,
    at: Time,
}

impl Worker {
    /// Counts a body among those that are live, if it is; others rest where there are too many.
    pub(super) fn list_live(&mut self, slot: u32, seat: &mut Seat) {
        let Some(enclave) = seat.enclave_mut().filter(|enclave| !enclave.listed) else {
            return;
        };
        let Some((large, instances)) = enclave.is_live() else {
            return;
        };
        enclave.listed = true;
        let Ok(sandbox) = self.shared.modules.sandbox() else {
            return;
        };
        let share = sandbox.instances_max(large) / self.shared.ports.len();
        let share = share - share / SPARE_PART;
        let cell = &self.cells[slot as usize];
        let listed = Listed {
            slot,
            generation: cell.generation,
            instances,
            at: cell.last_active,
        };
        let live = &mut self.live[usize::from(large)];
        live.instances += instances;
        live.listed.push_back(listed);
        let mut looks = 0;
        while self.live[usize::from(large)].instances > share {
            let Some(mut oldest) = self.live[usize::from(large)].listed.pop_front() else {
                break;
            };
            let cell = &mut self.cells[oldest.slot as usize];
            if cell.generation == oldest.generation && oldest.slot != slot {
                looks += 1;
                if cell.last_active > oldest.at && looks < LOOKS_MAX {
                    oldest.at = cell.last_active;
                    self.live[usize::from(large)].listed.push_back(oldest);
                    continue;
                }
                // Away, or without code by now: then it is not there to rest.
                if let Some(enclave) = cell.seat.enclave_mut() {
                    enclave.listed = false;
                    if let Err(fault) = enclave.rest() {
                        tracing::error!(%fault, id = %cell.id, "a body cannot rest");
                    }
                }
            } else if oldest.slot == slot && cell.generation == oldest.generation {
                // Alone it fills the share: there is nobody else to rest.
                self.live[usize::from(large)].listed.push_back(oldest);
                break;
            }
            let live = &mut self.live[usize::from(large)];
            live.instances = live.instances.saturating_sub(oldest.instances);
        }
    }
}
