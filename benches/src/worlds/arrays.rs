//! The limit: the same rules by hand over arrays, without agents that could be addressed.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and coordinates are small by construction; `u32` and `u16` halve the memory that is read"
)]

pub mod flocking;
pub mod forestfire;
pub mod mailbox;
pub(super) mod random;
pub mod schelling;
pub mod wolfsheep;

/// A fraction in `0..1` that belongs to two numbers.
pub(super) fn fraction(seed: u64, nth: u32, of: u32) -> f64 {
    random::fraction(random::draw(seed, nth, of))
}
