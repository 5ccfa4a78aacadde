//! Pods: named directories on a distributed file system, whoever keeps them.
//!
//! Verbs, recipes and dormant virtual computers know one port, [`Pods`]: the pods of one wallet. What is
//! behind it is the node's own store, a Bee, a FairOS-DFS, or another process that has the data folder open.
//!
//! * A **pod** is a directory with a name and a history: every [edit](Pods::edit) is one [`Snapshot`].
//! * A **source** ([`Source`]) is what can be read: a pod of one's own now or as it was, or what a
//!   reference names without its becoming one's own.
//! * A **reference key** is 64 hexadecimal digits that [`Pods::share`] prints; whoever has it reads what was
//!   shared, and nobody else does.
//!
//! Paths and names are checked once, by [`PodName`] and [`PodPath`].

pub mod disk;
mod drives;
mod error;
pub mod keeper;
mod name;
mod offer;
mod port;
pub mod reach;
mod record;
mod seal;
mod store;
mod tree;
mod wallet;

pub use drives::{Drives, PODS_MAX};
pub use error::PodsError;
pub use name::{PodName, PodPath, WalletName};
pub use offer::OFFER_BYTES_MAX;
pub use port::{
    Batch, Bought, BuyBatch, Damage, Edit, Entry, EntryKind, FileMeta, ForkOf, Found, Freed, Offer,
    PodInfo, Pods, Progress, Quiet, Snapshot, Source, Verified,
};
pub use store::{PodStore, PodStoreOptions};
pub use wallet::{WalletKey, Wallets};
