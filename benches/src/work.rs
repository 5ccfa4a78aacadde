//! What is done: sizes, routes of tokens, and how the end is noticed.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Threads that do the work, of each contender.
pub const WORKERS: usize = 2;
/// VCs among which tokens travel; as many tokens are under way.
pub const FLEET: u32 = 10_000;
/// Hops of one token in one round.
pub const HOPS: u32 = 20;
/// Messages of one round, one to one.
pub const TELLS: u64 = 200_000;
/// Those who ask at the same time.
pub const CLIENTS: u64 = 64;
/// Questions of one round, of all clients.
pub const ASKS: u64 = 64 * 250;
/// How many messages the floor's channels hold: one receiver, and each of a fleet.
pub const CHANNEL_LEN_MAX: (usize, usize) = (1_024, 64);

/// Where a token goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To one drawn from all.
    Random,
    /// To the one after this one.
    Ring,
}

/// A token, as it travels in 8 bytes of contents: on a ring `at` is where it is, else which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Where it is, or which it is.
    pub at: u32,
    /// The route, and the hops that are left.
    pub left: u32,
}

impl Token {
    const RING: u32 = 1 << 31;

    /// A token at its start.
    pub const fn new(route: Route, at: u32, hops: u32) -> Self {
        let flag = match route {
            Route::Ring => Self::RING,
            Route::Random => 0,
        };
        Self {
            at,
            left: hops | flag,
        }
    }

    /// Whom it goes to next, and as what; nothing if its way has ended.
    #[inline]
    pub fn hop(self) -> Option<(u32, Self)> {
        if self.left & !Self::RING == 0 {
            return None;
        }
        let left = self.left - 1;
        if self.left & Self::RING != 0 {
            let at = if self.at + 1 == FLEET { 0 } else { self.at + 1 };
            return Some((at, Self { at, left }));
        }
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of a u32")]
        let to = (mix(u64::from(self.at) << 32 | u64::from(self.left)) % u64::from(FLEET)) as u32;
        Some((to, Self { at: self.at, left }))
    }

    /// As 8 bytes.
    pub const fn to_u64(self) -> u64 {
        (self.at as u64) << 32 | self.left as u64
    }

    /// From 8 bytes.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a u64")]
    pub const fn from_u64(bytes: u64) -> Self {
        Self {
            at: (bytes >> 32) as u32,
            left: bytes as u32,
        }
    }
}

/// The finalizer of `SplitMix64` (Steele, Lea and Flood 2014).
#[inline]
const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Messages of one round of tokens, the first ones included.
pub const fn token_messages() -> u64 {
    FLEET as u64 * (HOPS as u64 + 1)
}

/// Counts down to the end of a round, for all contenders alike.
#[derive(Debug)]
pub struct Finish {
    left: AtomicU64,
    all: Notify,
}

impl Finish {
    /// One that is waiting for nothing.
    pub const fn new() -> Self {
        Self {
            left: AtomicU64::new(0),
            all: Notify::const_new(),
        }
    }

    /// From now on it waits for so many.
    pub fn expect(&self, count: u64) {
        self.left.store(count, Ordering::Release);
    }

    /// One has come.
    #[inline]
    pub fn hit(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all.notify_one();
        }
    }

    /// Waits until all have come. Cancel-safe.
    pub async fn wait(&self) {
        self.all.notified().await;
    }
}

impl Default for Finish {
    fn default() -> Self {
        Self::new()
    }
}

/// The state of each receiver: how many messages came. The message says at how many it is finished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Count(pub u64);

impl Count {
    /// Counts a message; whether it was the last.
    #[inline]
    pub fn one_more(&mut self, last: u64) -> bool {
        self.0 += 1;
        let finished = self.0 == last;
        if finished {
            self.0 = 0;
        }
        finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_its_hops_and_survives_its_eight_bytes() {
        for route in [Route::Random, Route::Ring] {
            let mut token = Token::new(route, FLEET - 3, HOPS);
            let mut hops = 0;
            while let Some((to, next)) = token.hop() {
                assert!(to < FLEET);
                assert_eq!(Token::from_u64(next.to_u64()), next);
                token = next;
                hops += 1;
            }
            assert_eq!(hops, HOPS, "{route:?}");
        }
    }
}
