//! Bee's API as a node serves it: asked by a client that Bee's authors wrote, by hostile ones, and by our own.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod client;
mod conformance;
mod hostile;
mod served;
