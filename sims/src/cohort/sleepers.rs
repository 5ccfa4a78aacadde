//! Who takes no turns now, and until when.

use std::collections::BTreeMap;

use crate::ids::AgentId;
use crate::turn::UNTIL_CALLED;

/// Who takes no turns now.
#[derive(Debug, Default)]
pub(super) struct Sleepers {
    /// A bit for each slot; empty if nobody sleeps.
    pub(super) bits: Vec<u64>,
    pub(super) count: usize,
    /// Of those who wake by themselves: when.
    until: BTreeMap<AgentId, u64>,
    /// The same by tick. Who was woken before stays in it until then; [`Self::until`] knows better.
    due: BTreeMap<u64, Vec<AgentId>>,
}

impl Sleepers {
    pub(super) fn sleeps(&self, slot: usize) -> bool {
        self.bits
            .get(slot / 64)
            .is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    /// Somebody sleeps until a tick, or until called.
    pub(super) fn lay(&mut self, slot: usize, id: AgentId, until: u64) {
        self.mark(slot);
        if until == UNTIL_CALLED {
            self.until.remove(&id);
        } else if self.until.insert(id, until) != Some(until) {
            self.due.entry(until).or_default().push(id);
        }
    }

    fn mark(&mut self, slot: usize) {
        if self.bits.len() <= slot / 64 {
            self.bits.resize(slot / 64 + 1, 0);
        }
        let bit = 1 << (slot % 64);
        let word = &mut self.bits[slot / 64];
        self.count += usize::from(*word & bit == 0);
        *word |= bit;
    }

    pub(super) fn wake(&mut self, slot: usize, id: AgentId) {
        if let Some(word) = self.bits.get_mut(slot / 64) {
            let bit = 1 << (slot % 64);
            self.count -= usize::from(*word & bit != 0);
            *word &= !bit;
        }
        if self.count == 0 {
            self.bits.clear();
        }
        if !self.until.is_empty() {
            self.until.remove(&id);
        }
    }

    /// Those whose time has come.
    pub(super) fn due(&mut self, now: u64) -> Vec<AgentId> {
        let mut who = Vec::new();
        while let Some(due) = self.due.first_entry() {
            let until = *due.key();
            if until > now {
                break;
            }
            let still = |id: &AgentId| self.until.get(id) == Some(&until);
            who.extend(due.remove().into_iter().filter(still));
        }
        who
    }

    /// Rows have moved: each slot's is now at the place that `to` says, or gone.
    pub(super) fn moved(&mut self, to: &[u32]) {
        if self.count == 0 {
            return;
        }
        let (bits, _) = (
            std::mem::take(&mut self.bits),
            std::mem::take(&mut self.count),
        );
        for (slot, &to) in to.iter().enumerate() {
            let slept = bits
                .get(slot / 64)
                .is_some_and(|word| word >> (slot % 64) & 1 == 1);
            if slept && to != u32::MAX {
                self.mark(to as usize);
            }
        }
    }

    /// Who wakes by itself, and when, by address.
    pub(super) fn timers(&self) -> impl ExactSizeIterator<Item = (AgentId, u64)> + '_ {
        self.until.iter().map(|(&id, &until)| (id, until))
    }
}
