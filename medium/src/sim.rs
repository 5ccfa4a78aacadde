//! Models beyond those that are built in: crates of their own, and runs that others can check.
//!
//! [`crates`] writes one to begin with, [`cargo`] builds one, [`program`] hands a verb to the program that came of it.

pub(crate) mod cargo;
pub(crate) mod crates;
pub(crate) mod program;
