//! Signatures of messages that leave a node.
//!
//! A VC's key is derived from the node's secret and the VC's id, at first need. A seal covers the
//! message's id under a domain of its own, so that no other signature of the protocol can be taken for
//! one. Inside a node nothing is signed.
#![deny(clippy::indexing_slicing)]

use bytes::Bytes;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::id::{Digest, MessageId, VcId, domain};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::message::{Message, MessageError};
use crate::wire::{self, DecodeError};

/// The version byte every sealed message begins with.
pub const VERSION: u8 = 1;

/// The secret from which a node derives the keys of its VCs. Not shown by `Debug`.
#[derive(Clone)]
pub struct NodeSecret([u8; 32]);

impl NodeSecret {
    /// A secret from 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The node's public key, from which the ids of its roots are derived.
    pub fn node_key(&self) -> [u8; 32] {
        SigningKey::from_bytes(&self.0).verifying_key().to_bytes()
    }

    /// The key of one VC.
    pub fn key_of(&self, id: VcId) -> SigningKey {
        let seed = Digest::of_fields(domain::KEY, &[&self.0, id.as_bytes()]);
        SigningKey::from_bytes(&seed.0)
    }
}

impl std::fmt::Debug for NodeSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeSecret(…)")
    }
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    message: Bytes,
    key: [u8; 32],
    signature: Bytes,
}

/// Signs a message; equal messages under one key give equal bytes.
///
/// # Errors
/// [`MessageError`] if the message cannot be encoded.
pub fn seal(message: &Message, key: &SigningKey) -> Result<Vec<u8>, MessageError> {
    let bytes = message.to_bytes()?;
    let signature = key.sign(&covered(MessageId(Digest::of(&bytes))));
    Ok(wire::encode(
        VERSION,
        &Sealed {
            message: bytes.into(),
            key: key.verifying_key().to_bytes(),
            signature: Bytes::copy_from_slice(&signature.to_bytes()),
        },
    )?)
}

/// Reads a sealed message and checks its signature; gives the message and the key that signed it.
///
/// Whether that key may speak for the sender is the caller's question: the ids of a node's VCs follow
/// from its key only for the node itself.
///
/// # Errors
/// [`SealError`].
pub fn open(bytes: &[u8]) -> Result<(Message, MessageId, [u8; 32]), SealError> {
    let size = bytes.len() as u64;
    let max = MESSAGE_BYTES_MAX as u64 + 256;
    if size > max {
        return Err(DecodeError::TooLarge {
            what: "a sealed message",
            size,
            max,
        }
        .into());
    }
    let sealed: Sealed = wire::decode_canonical(VERSION, bytes)?;
    let (message, id) = Message::from_bytes(&sealed.message)?;
    let signature =
        Signature::from_slice(&sealed.signature).map_err(|_| SealError::Signature { id })?;
    VerifyingKey::from_bytes(&sealed.key)
        .and_then(|key| key.verify_strict(&covered(id), &signature))
        .map_err(|_| SealError::Signature { id })?;
    Ok((message, id, sealed.key))
}

fn covered(id: MessageId) -> [u8; 32] {
    Digest::of_fields(domain::SEAL, &[&id.0.0]).0
}

/// Why a sealed message is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The frame is malformed.
    #[error(transparent)]
    Frame(#[from] DecodeError),
    /// The message in it is malformed.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The signature is not that of the key over the message.
    #[error("wrong signature on {id}")]
    Signature {
        /// The message.
        id: MessageId,
    },
}
