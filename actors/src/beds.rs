//! Where virtual computers sleep that are not in the node's store: in pods, behind the port [`Dormitory`].
//!
//! A VC that is laid down leaves no row, only a [`Bed`]: where its image is, and what digest it has. A message
//! for it, or its owner, has it fetched; what comes in the meantime waits. `worker/beds.rs` does both.

use std::fmt;

use genesis::id::{Digest, VcId};
use genesis::image::Image;
use genesis::purse::Purse;
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;
use serde::{Deserialize, Serialize};

use crate::life::Life;
use crate::view::Summary;

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
    /// Who gave birth to it.
    pub host: VcId,
    /// How many parts its body has.
    pub parts: u32,
    /// What it may still spend.
    pub purse: Purse,
}

impl Bed {
    /// The bed of a VC with this image, at a place.
    ///
    /// # Errors
    /// [`Refusal`] if the image has no digest: it is too large.
    pub(crate) fn of(image: &Image, place: String, at: Time) -> Result<Self, Refusal> {
        let digest = image.digest();
        Ok(Self {
            place,
            image: digest.map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?,
            at,
            name: image.name.clone(),
            host: image.host,
            parts: u32::try_from(image.parts.len()).unwrap_or(u32::MAX),
            purse: image.purse,
        })
    }

    /// The VC in a list.
    pub(crate) fn summary(&self, id: VcId) -> Summary {
        Summary {
            id,
            name: self.name.clone(),
            life: Life::Dormant,
            parts: self.parts as usize,
            mailbox: 0,
            host: self.host,
            nested: false,
            durable: true,
            purse: self.purse,
            low: Vec::new(),
            faults: 0,
            restarts: 0,
            reason: None,
            place: Some(self.place.clone()),
        }
    }
}
