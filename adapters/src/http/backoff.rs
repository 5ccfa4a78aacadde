//! How long a server is waited for, and how often it is asked again.

use std::time::Duration;

/// How long a server is waited for, and how often it is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long a connection may take to come about.
    pub connect: Duration,
    /// How long an answer may take to begin, once the request is out.
    pub answer: Duration,
    /// How long a transfer may stand still, either way.
    pub stall: Duration,
    /// How often something is tried in all; 1 for no repetition.
    pub attempts: u32,
    /// The bound of the first wait; each further one doubles it.
    pub wait_first: Duration,
    /// Where the doubling ends. A server that asks for more than this is not asked again.
    pub wait_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_mins(2),
            stall: Duration::from_mins(1),
            attempts: 5,
            wait_first: Duration::from_millis(100),
            wait_max: Duration::from_secs(10),
        }
    }
}

impl Patience {
    /// How long to wait before attempt `next` (the second is 2) of request `number`; none: do not try again.
    ///
    /// `asked_s` is what the server asked for, in seconds: never less than that. Otherwise the wait is drawn
    /// from all of `0..bound`, so that clients that failed together do not come back together. The draw
    /// follows from process, request and attempt.
    pub fn wait(&self, number: u64, next: u32, asked_s: Option<u64>) -> Option<Duration> {
        if next > self.attempts {
            return None;
        }
        let doublings = next.saturating_sub(2).min(31);
        let bound = self
            .wait_first
            .saturating_mul(1 << doublings)
            .min(self.wait_max);
        let mut draw = blake3::Hasher::new();
        draw.update(&std::process::id().to_le_bytes());
        draw.update(&number.to_le_bytes());
        draw.update(&next.to_le_bytes());
        let mut eight = [0; 8];
        draw.finalize_xof().fill(&mut eight);
        let bound_ns = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        let drawn = Duration::from_nanos(u64::from_le_bytes(eight) % bound_ns.saturating_add(1));
        match asked_s.map(Duration::from_secs) {
            Some(asked) if asked > self.wait_max => None,
            Some(asked) => Some(asked.saturating_add(drawn)),
            None => Some(drawn),
        }
    }
}
