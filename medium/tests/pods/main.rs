//! Pods from outside: the real binary, in process on a data folder and through a really running node.
//!
//! [`Place`] is either; what holds for one holds for the other. Files are small: the tests run unoptimized.
#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

#[path = "../cli/harness.rs"]
#[allow(dead_code, reason = "shared with the other tests of the command line")]
mod harness;

mod api;
mod elsewhere;
mod local;
mod place;
mod same;
mod together;
