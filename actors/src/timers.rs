//! What is due when: one ordered set per worker, none per VC.
//!
//! A b-tree rather than a wheel of slots: the same cost at the sizes a worker has (a million timers:
//! 20 comparisons), exact order at equal times, and no tick to turn while nothing is due.

use std::collections::BTreeMap;

use genesis::id::VcId;
use genesis::time::Time;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A VC asked to be told.
    Notice {
        /// What it wanted to be told.
        tag: u64,
    },
    /// An ask has had no answer.
    Deadline {
        /// Which message.
        sequence: u64,
    },
    /// A VC may have been idle for long enough.
    Idle,
    /// Messages for a full VC whose senders wait may have expired.
    Expiry,
}

/// Timers in the order in which they are due; of those due together, the one set first is first.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeMap<(Time, u64), (VcId, Due)>,
    set: u64,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Time, vc: VcId, due: Due) {
        self.set += 1;
        self.due.insert((at, self.set), (vc, due));
    }

    /// When the next is due.
    pub(crate) fn next(&self) -> Option<Time> {
        self.due.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Takes out the next that is due at `now`.
    pub(crate) fn pop(&mut self, now: Time) -> Option<(Time, VcId, Due)> {
        let entry = self.due.first_entry()?;
        let at = entry.key().0;
        if at > now {
            return None;
        }
        let (vc, due) = entry.remove();
        Some((at, vc, due))
    }
}
