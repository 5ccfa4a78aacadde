//! krABMaga 0.6, the simulator of others in Rust, with models written to the same declarations.
//!
//! Its own examples have other rules and take numbers without a seed. Its feature `parallel` locks the whole
//! state for each agent, so its one thread is the measure. The models hold what they need as plainly as it lets
//! them: no set of the dead, but a flag per sheep; no generator but a fast one.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "its coordinates are `f32` and `i32`, and all counts are small"
)]

pub mod flocking;
pub mod wolfsheep;
