//! Pods: drives over any keeper, the embedded store, and what strangers may try.
//!
//! `suite` is what drives promise on every keeper; it runs over the embedded store and over the model in `memory`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[macro_use]
mod suite;
mod damage;
mod embedded;
mod harness;
mod hostile;
mod kill;
mod memory;
mod sharing;
mod stamps;

mod over_disk {
    suite!(crate::harness::World::on_disk());
}

mod over_memory {
    suite!(crate::harness::World::in_memory());
}
