//! The protocol of the medium. Pure: no I/O, no clock, no runtime.
//!
//! Read in this order: [`id`] and [`channel`] (names), [`message`] (a VC in flight) and [`seal`] (its
//! signature), [`body`] and [`shape`] (what a VC is made of), [`image`] (a VC at rest), [`extent`] and
//! [`pattern`] (the space a message occupies and the region a VC accepts), [`power`] and [`purse`] (what a
//! VC may do and spend), [`refusal`] (the names of errors), [`limits`] (every bound), [`wire`] (the one
//! module that names the serializer), [`protocol`] (the specification itself, and its digest).

pub mod body;
pub mod channel;
pub mod export;
pub mod extent;
pub mod id;
pub mod image;
pub mod ledger;
pub mod limits;
pub mod literal;
pub mod message;
pub mod native;
pub mod oracle;
pub mod pattern;
pub mod power;
pub mod protocol;
pub mod purse;
pub mod refusal;
pub mod scores;
pub mod seal;
pub mod shape;
pub mod time;
pub mod wire;
