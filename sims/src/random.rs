//! Randomness by counter: a draw is a function of (seed, VC id, tick, phase, draw), so that neither threads nor the
//! order of rows, collection or a resumed run can change it.
//!
//! Mixing: `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014) read at any
//! place: draw `c` of the stream with key `k` is `mix(k + c * GOLDEN)`.

/// What the counter of `SplitMix64` moves by.
pub const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
/// How many draws a VC has in one phase before it would meet those of the next: two to this power.
pub const DRAWS_BITS: u32 = 20;
/// How many phases a tick has before it would meet those of the next: two to this power.
pub const PHASES_BITS: u32 = 8;

/// The finalizer of `SplitMix64`: a bijection in which every bit of the argument reaches every bit of the result.
#[inline]
pub const fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The key of a VC's stream in a world of this seed.
#[inline]
pub const fn key(seed: u64, id: u64) -> u64 {
    mix(mix(seed.wrapping_add(GOLDEN)) ^ id.wrapping_mul(GOLDEN))
}

/// Where in a stream a phase of a tick begins.
#[inline]
pub const fn counter(tick: u64, phase: u32) -> u64 {
    (tick << PHASES_BITS | phase as u64) << DRAWS_BITS
}

/// The draw at a place of a stream.
#[inline]
pub const fn draw(key: u64, counter: u64) -> u64 {
    mix(key.wrapping_add(counter.wrapping_mul(GOLDEN)))
}

/// Uniform in `[0, 1)`, from the upper 53 bits.
#[inline]
pub fn unit(random: u64) -> f64 {
    (random >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// Uniform in `0..n`, by multiplication (Lemire 2019, without rejection: the bias is below `n / 2^64`); 0 if `n` is 0.
#[inline]
pub fn below(random: u64, n: u64) -> u64 {
    ((u128::from(random) * u128::from(n)) >> 64) as u64
}

/// A stream of its own: for what is not a row's, such as the order of activation.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    key: u64,
    counter: u64,
}

impl Stream {
    /// The stream of an id from a place on.
    #[inline]
    pub const fn at(seed: u64, id: u64, counter: u64) -> Self {
        Self {
            key: key(seed, id),
            counter,
        }
    }

    /// Uniform in `0..n`; 0 if `n` is 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        below(self.random(), n)
    }

    /// Uniform in `[0, 1)`.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        unit(self.random())
    }

    /// The next draw: uniform over all 64-bit numbers.
    #[inline]
    pub fn random(&mut self) -> u64 {
        let random = draw(self.key, self.counter);
        self.counter = self.counter.wrapping_add(1);
        random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of `SplitMix64` with seed 1234567, as its authors' C program prints them.
    #[test]
    fn a_stream_is_splitmix64() {
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        for (n, expected) in (1..).zip(published) {
            assert_eq!(draw(1_234_567, n), expected);
        }
    }

    #[test]
    fn draws_are_uniform_enough_to_count_with() {
        let mut bins = [0_u32; 10];
        for id in 0..1_000 {
            let mut stream = Stream::at(7, id, counter(3, 1));
            for _ in 0..100 {
                bins[usize::try_from(below(stream.random(), 10)).unwrap()] += 1;
            }
        }
        // Chi-square with nine degrees of freedom: above 27.9 once in a thousand.
        let chi: f64 = bins
            .iter()
            .map(|&n| f64::from(n) - 1e4)
            .map(|off| off * off / 1e4)
            .sum();
        assert!(chi < 27.9, "{chi}");
        assert!((0..1_000).all(|id| (0.0..1.0).contains(&unit(draw(key(1, id), 0)))));
    }
}
