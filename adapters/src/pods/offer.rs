//! Offers as records that can be carried: as JSON, signed by who offers.

use super::{Offer, PodsError};
use crate::swarm::keccak::{Hash, keccak256_of};
use crate::swarm::sign::{Signature, Signer};

/// Longest offer that is read, in bytes.
pub const OFFER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Length of an offer's id, in bytes; it is written with twice as many digits.
const ID_BYTES: usize = 16;

impl Offer {
    /// Its bytes, to be carried to the author of the pod.
    ///
    /// # Errors
    /// [`PodsError::Offer`] if it is too long to be read again.
    pub fn to_json(&self) -> Result<Vec<u8>, PodsError> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| self.refused(error))?;
        self.check_len(bytes.len())?;
        Ok(bytes)
    }

    /// Reads an offer and checks who signed it.
    ///
    /// # Errors
    /// [`PodsError::Offer`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, PodsError> {
        let unread = Self {
            id: "of this file".to_owned(),
            to: String::new(),
            pod: String::new(),
            from: String::new(),
            base: String::new(),
            fork: String::new(),
            added: Vec::new(),
            changed: Vec::new(),
            removed: Vec::new(),
            signature: String::new(),
        };
        unread.check_len(bytes.len())?;
        let offer: Self = serde_json::from_slice(bytes).map_err(|error| unread.refused(error))?;
        offer.check()?;
        Ok(offer)
    }

    /// Checks that it is signed by whom it says, as it is.
    ///
    /// # Errors
    /// [`PodsError::Offer`].
    pub fn check(&self) -> Result<(), PodsError> {
        let digest = self.digest()?;
        if self.id != id(&digest) {
            return Err(self.refused("its id is another offer's"));
        }
        let signature: Signature = self
            .signature
            .parse()
            .map_err(|error| self.refused(error))?;
        let signer = signature
            .recover(&digest)
            .map_err(|error| self.refused(error))?;
        if self.from != signer.to_string() {
            return Err(self.refused(format!("{signer} signed it, not {}", self.from)));
        }
        Ok(())
    }

    /// The same offer, by this signer.
    pub(super) fn signed(mut self, signer: &Signer) -> Result<Self, PodsError> {
        self.from = signer.owner().to_string();
        let digest = self.digest()?;
        self.id = id(&digest);
        self.signature = signer.sign(&digest).to_string();
        Ok(self)
    }

    /// What is signed: everything but the id, which follows from it, and the signature.
    fn digest(&self) -> Result<Hash, PodsError> {
        let plain = Self {
            id: String::new(),
            signature: String::new(),
            ..self.clone()
        };
        let bytes = serde_json::to_vec(&plain).map_err(|error| self.refused(error))?;
        Ok(keccak256_of(&[b"medium: an offer, 1", &bytes]))
    }

    fn check_len(&self, bytes: usize) -> Result<(), PodsError> {
        if bytes > OFFER_BYTES_MAX {
            return Err(self.refused(format!(
                "it has {bytes} bytes, at most {OFFER_BYTES_MAX} are read"
            )));
        }
        Ok(())
    }

    fn refused(&self, why: impl std::fmt::Display) -> PodsError {
        PodsError::Offer {
            id: self.id.clone(),
            why: why.to_string(),
        }
    }
}

fn id(digest: &Hash) -> String {
    data_encoding::HEXLOWER.encode(&digest[..ID_BYTES])
}
