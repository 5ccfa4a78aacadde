//! Models beyond those that are built in: crates of their own, and runs that others can check.
//!
//! [`crates`] writes one to begin with, [`cargo`] builds one.

pub(crate) mod cargo;
pub(crate) mod crates;
