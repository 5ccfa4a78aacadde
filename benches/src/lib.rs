//! What the benches share: one measure, one set of workloads, three contenders.
//!
//! Everything is measured in CPU time of the whole process ([`time`]): user and system, all threads, so
//! that a busy machine and idle cores change little. The [`work`] is the same for each contender:
//! [`medium`], a runtime with grants, contacts, purses and bounds in place; [`peer`], ractor, an actor
//! per VC; and [`floor`], a Tokio task with a bounded channel per VC and nothing else. Sandboxed code is
//! measured in [`sandboxed`] VCs, in the engine alone, and called by wasmtime itself, [`bare`]; the
//! [`parts`] are the same. [`rows`] of agents are turned natively and by sandboxed code.

pub mod bare;
pub mod beside;
pub mod brake;
pub mod floor;
pub mod medium;
pub mod memory;
pub mod parts;
pub mod peer;
pub mod rows;
pub mod sandboxed;
pub mod sleepers;
pub mod time;
pub mod work;
pub mod worlds;
