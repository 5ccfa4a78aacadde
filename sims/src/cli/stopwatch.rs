//! How long something took: the one place of worlds that reads a clock. Nothing that a digest sees depends on it.

use std::time::{Duration, Instant};

/// A watch that runs since it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "what is shown to a person, and in no digest"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// In seconds, to the millisecond.
    pub(crate) fn seconds(self) -> f64 {
        (self.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0
    }
}
