//! Where virtual computers sleep that are not in the node's store: in pods, behind the port [`Dormitory`].
//!
//! A VC that is laid down leaves no row, only a [`Bed`]: where its image is, and what digest it has. A message
//! for it, or its owner, has it fetched; what comes in the meantime waits. `worker/beds.rs` does both.

use std::fmt;

use genesis::id::Digest;
use genesis::image::Image;
use genesis::refusal::Refusal;
use genesis::time::Time;
use serde::{Deserialize, Serialize};

/// Who fetches VCs that sleep elsewhere.
pub trait Dormitory: fmt::Debug + Send + Sync + 'static {
    /// The image at a place, whole: with its modules and the VCs in its body. Called on a thread that may
    /// block.
    ///
    /// # Errors
    /// [`Refusal`]: nothing is there, it is damaged, or it cannot be reached. The VC sleeps on then.
    fn fetch(&self, place: &str) -> Result<Image, Refusal>;
}

/// The version byte of a bed's row.
pub(crate) const BED_VERSION: u8 = 1;

/// Where a VC sleeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bed {
    /// Where, in the words of the [`Dormitory`].
    pub place: String,
    /// The digest of its image; another is not woken.
    pub image: Digest,
    /// Since when.
    pub at: Time,
    /// What its owner calls it; the name stays its own.
    pub name: Option<String>,
}
