//! Time as the protocol knows it: a number handed in by the host.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01 UTC, or ticks in worlds and under `--deterministic`.
///
/// This crate never reads a clock: whoever calls it says what time it is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Time(pub u64);

impl Time {
    /// The beginning of time.
    pub const ZERO: Self = Self(0);
    /// Later than everything.
    pub const MAX: Self = Self(u64::MAX);

    /// This time and a while; stops at [`Time::MAX`].
    #[must_use]
    pub const fn plus_ms(self, while_ms: u64) -> Self {
        Self(self.0.saturating_add(while_ms))
    }

    /// How long ago `earlier` was, in milliseconds; 0 if it is not earlier.
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Days to date: Howard Hinnant, "chrono-compatible low-level date algorithms".
        let (days, rest) = (self.0 / 86_400_000, self.0 % 86_400_000);
        if days > 3_000_000 {
            return write!(f, "{} ms", self.0);
        }
        let days = days + 719_468;
        let (era, doe) = (days / 146_097, days % 146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + u64::from(month <= 2);
        let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
        let (second, ms) = (rest / 1_000 % 60, rest % 1_000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_dates() {
        assert_eq!(Time(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            Time(951_782_400_123).to_string(),
            "2000-02-29T00:00:00.123Z"
        );
        assert_eq!(
            Time(1_792_540_799_999).to_string(),
            "2026-10-20T23:59:59.999Z"
        );
        assert_eq!(Time::MAX.plus_ms(1), Time::MAX);
    }
}
