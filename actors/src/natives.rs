//! The native behaviours every node knows: the first VCs, and the society's.

mod compute;
mod first;
mod indexer;
mod scavenger;

pub use compute::{Compute, Finished, Order, Work};
pub use first::{Counter, Echo, Notary, Relay, Ring, Say};
pub(crate) use indexer::{Find, VERSION as INDEX_VERSION};
pub use indexer::{Indexer, Listing};
pub use scavenger::Scavenger;

use crate::behaviour::Natives;

/// All of them.
pub fn natives() -> Natives {
    Natives::new()
        .with::<Say>()
        .with::<Echo>()
        .with::<Counter>()
        .with::<Ring>()
        .with::<Notary>()
        .with::<Relay>()
        .with::<Scavenger>()
        .with::<Indexer>()
        .with::<Compute>()
}
