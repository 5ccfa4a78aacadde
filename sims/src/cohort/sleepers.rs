//! Who takes no turns now, and until when.

use std::collections::BTreeMap;

use crate::ids::AgentId;

/// Who takes no turns now.
#[derive(Debug, Default)]
pub(super) struct Sleepers {
    /// A bit for each slot; empty if nobody sleeps.
    pub(super) bits: Vec<u64>,
    pub(super) count: usize,
    /// Who wakes by itself, and when.
    pub(super) timers: BTreeMap<u64, Vec<AgentId>>,
}

impl Sleepers {
    pub(super) fn sleeps(&self, slot: usize) -> bool {
        self.bits
            .get(slot / 64)
            .is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    pub(super) fn lay(&mut self, slot: usize) {
        if self.bits.len() <= slot / 64 {
            self.bits.resize(slot / 64 + 1, 0);
        }
        let bit = 1 << (slot % 64);
        let word = &mut self.bits[slot / 64];
        self.count += usize::from(*word & bit == 0);
        *word |= bit;
    }

    pub(super) fn wake(&mut self, slot: usize) {
        if let Some(word) = self.bits.get_mut(slot / 64) {
            let bit = 1 << (slot % 64);
            self.count -= usize::from(*word & bit != 0);
            *word &= !bit;
        }
        if self.count == 0 {
            self.bits.clear();
        }
    }
}
