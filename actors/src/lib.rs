//! Where virtual computers live, take turns, change shape and are stopped.
//!
//! Read in this order: [`life`] (what a virtual computer goes through), [`behaviour`] and [`effects`] (what
//! its code is and what a turn may do), [`letter`] (a message inside a node), [`birth`] (all that is said of
//! a VC before it exists), `cell` and [`worker`] (its row in memory and the thread that turns it), `log`
//! and [`store`] (what survives), [`runtime`] (all of it as one value), [`natives`] (the first VCs).
//!
//! This crate reads no clock, draws no randomness of its own, knows no network, no disk format and no
//! command line.

pub mod archive;
pub mod beds;
pub mod behaviour;
pub mod birth;
mod cell;
pub mod clock;
pub mod contents;
pub mod effects;
mod enclave;
pub mod events;
mod gauge;
pub mod handle;
mod hosted;
mod journal;
mod lane;
pub mod letter;
pub mod life;
mod log;
mod mailbox;
mod modules;
pub mod natives;
pub mod outside;
mod port;
mod ready;
mod replay;
pub mod runtime;
pub mod sandbox;
mod shared;
mod stage;
mod steward;
pub mod store;
mod timers;
mod trace;
pub mod view;
pub mod worker;
