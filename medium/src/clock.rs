//! The wall clock: the one place of the program that reads it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use actors::clock::Clock;
use genesis::time::Time;

/// Milliseconds since 1970 as the operating system has them, but never less than was said before.
///
/// When the operator sets the time back, this clock stands still until the time is made up for, so
/// that no timer and no expiry of this run happens twice or out of order.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest_ms: AtomicU64,
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where a node learns the time"
        )]
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        // Relaxed: the number orders itself, nothing else is published by it.
        Time(
            self.latest_ms
                .fetch_max(now_ms, Ordering::Relaxed)
                .max(now_ms),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_was_set_back_stands_still() {
        let clock = SystemClock::default();
        let first = clock.now();
        assert!(
            first > Time(1_700_000_000_000),
            "{first} is before this was written"
        );
        let ahead = Time(first.0 + 60_000);
        clock.latest_ms.store(ahead.0, Ordering::Relaxed);
        assert_eq!(clock.now(), ahead);
    }
}
