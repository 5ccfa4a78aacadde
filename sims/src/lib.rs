//! Worlds: many virtual computers under one seed, in virtual time.
//!
//! So far there is one, [`money`], and it runs as VCs of a deterministic runtime, each with a mailbox of
//! its own. The same seed gives the same digest on any machine.

pub mod money;
