//! Models beyond those that are built in: crates of their own, and runs that others can check.
//!
//! [`crates`] writes one to begin with, [`cargo`] builds one, [`program`] hands a verb to the program that came of it.
//! [`publish`] makes a pod of a run and of what computed it, [`published`] says what is in that, [`verify`] computes it
//! again, strangers' crates in a [`sandbox`].

pub(crate) mod cargo;
pub(crate) mod crates;
pub(crate) mod program;
pub(crate) mod publish;
mod published;
mod sandbox;
pub(crate) mod verify;
