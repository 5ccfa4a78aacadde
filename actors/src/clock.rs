//! Time as a runtime is given it. This crate never reads a clock of its own.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

use genesis::time::Time;

/// Says what time it is.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Now. Never goes backwards by more than the operator sets it back.
    fn now(&self) -> Time;

    /// Moves time on to `time`, if this clock is one that can be moved: under `--deterministic`, when
    /// nothing is left to do before the next timer.
    fn advance_to(&self, time: Time) {
        let _ = time;
    }
}

/// Virtual time: stands still until it is moved.
#[derive(Debug, Default)]
pub struct VirtualClock(AtomicU64);

impl Clock for VirtualClock {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::Relaxed))
    }

    fn advance_to(&self, time: Time) {
        self.0.fetch_max(time.0, Ordering::Relaxed);
    }
}
