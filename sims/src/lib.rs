//! Worlds: many virtual computers under one seed, at the speed of arrays.
//!
//! Read in this order: [`model`] (what a modeller writes), [`agent`](mod@agent) and [`params`](mod@params) (how agents and parameters are
//! declared), [`world`](mod@world) (what a world is made of), [`cohort`] (VCs of one behaviour, kept as columns), [`turn`] (what one
//! may do), [`near`], [`patches`], [`board`], [`links`] and [`mail`] (whom it sees, what hosts it, where there is room, whom it
//! knows and writes to), [`tick`] and [`random`] (when, and with which randomness), [`run`] and [`live`] (a world that runs, can be saved, digested and looked into).
//!
//! The same seed gives the same digest for any number of threads, with rows as columns or each on its own, straight
//! through or resumed, looked at or not.

#![expect(
    clippy::inline_always,
    reason = "the bodies of loops over rows: a call for each row would cost more than the row"
)]

pub mod agent;
pub mod asks;
pub mod board;
pub mod bytes;
pub mod cli;
pub mod code;
pub mod cohort;
pub mod crew;
pub mod drive;
pub mod field;
pub mod folder;
pub mod ids;
pub mod links;
pub mod live;
pub mod mail;
pub mod message;
pub mod model;
pub mod models;
pub mod near;
pub mod outside;
pub mod params;
pub mod patches;
pub mod piece;
pub mod random;
pub mod rle;
pub mod run;
pub mod series;
pub mod space;
pub mod store;
pub mod sweep;
pub mod tick;
pub mod turn;
pub mod view;
pub mod world;

pub mod data;
pub mod plot;

/// What a model needs.
pub mod prelude {
    pub use crate::agent::Agent;
    pub use crate::asks::Asks;
    pub use crate::board::Board;
    pub use crate::code::Code;
    pub use crate::cohort::Cohort;
    pub use crate::ids::AgentId;
    pub use crate::links::Links;
    pub use crate::mail::{Channel, Overflow};
    pub use crate::model::{Model, Sample};
    pub use crate::near::Near;
    pub use crate::params::{Params, Value};
    pub use crate::patches::Patches;
    pub use crate::space::{Lattice, P2, Plane, Spot, V2};
    pub use crate::tick::Tick;
    pub use crate::{agent, message, params, world};
}
