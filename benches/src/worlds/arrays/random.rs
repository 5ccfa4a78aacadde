//! Random numbers without a state: functions of the seed, the agent and the step.

/// Odd, and half of its bits are set: the golden ratio in 64 bits (`SplitMix64`, Steele et al. 2014).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes the bits of a number; each of the input's changes half of the output's (David Stafford's variant 13).
#[inline]
pub(crate) const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The number of an agent in a step.
#[inline]
pub(crate) const fn draw(seed: u64, step: u32, agent: u32) -> u64 {
    mix(seed ^ (((step as u64) << 32) | agent as u64).wrapping_mul(GOLDEN))
}

/// A fraction in `0..1` of the upper 53 bits.
#[inline]
pub(crate) fn fraction(number: u64) -> f64 {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    (number >> 11) as f64 * STEP
}

/// A number below `bound` of the upper bits: for a bound of `n` bits and a number of 64, `2^(n - 32)` from even.
#[inline]
pub(crate) const fn below(number: u64, bound: u32) -> u32 {
    (((number >> 32) * bound as u64) >> 32) as u32
}

/// Numbers one after the other, for what is sequential anyway.
#[derive(Clone, Debug)]
pub(crate) struct Stream(u64);

impl Stream {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }
}
