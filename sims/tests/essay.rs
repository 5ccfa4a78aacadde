//! are adopted, a market of compute.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::float_cmp, reason = "counts and the shares of them are exact")]

#[path = "essay/cats.rs"]
mod cats;
