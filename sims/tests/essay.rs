//! What the essay promises of its own examples, over many seeds: cats that look for mates, limbs that are tried before they
//! are adopted, a market of compute.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::float_cmp, reason = "counts and the shares of them are exact")]

#[path = "essay/cats.rs"]
mod cats;
#[path = "essay/limbs.rs"]
mod limbs;
#[path = "essay/market.rs"]
mod market;
#[path = "essay/outside.rs"]
mod outside;
