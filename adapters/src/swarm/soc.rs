//! Single-owner chunks: an owner's signature puts a content-addressed chunk at an address of the
//! owner's choice.
//!
//! The address is `keccak(id ‖ owner)`. Stored and sent as `id ‖ signature ‖ span ‖ payload`; what is signed
//! is `keccak(id ‖ address of the wrapped chunk)`.
//!
//! Rule: Bee `pkg/soc/soc.go`. Its dispersed replicas, chunks of an owner whose key everybody knows, need
//! no rule of their own here.

use bytes::Bytes;

use super::chunk::{CHUNK_BYTES, Chunk};
use super::keccak::{Hash, keccak256_of};
use super::reference::Address;
use super::sign::{Owner, Signature, Signer};
use super::{HASH_BYTES, SIGNATURE_BYTES, SwarmError};

/// What precedes the wrapped chunk, in bytes.
const HEAD_BYTES: usize = HASH_BYTES + SIGNATURE_BYTES;
/// Shortest and longest single-owner chunk, in bytes.
pub const SOC_BYTES: std::ops::RangeInclusive<usize> =
    HEAD_BYTES + *CHUNK_BYTES.start()..=HEAD_BYTES + *CHUNK_BYTES.end();

/// The address of an owner's chunk.
pub fn address(id: &Hash, owner: Owner) -> Address {
    Address(keccak256_of(&[id, &owner.0]))
}

/// A single-owner chunk whose signature is its owner's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Soc {
    id: Hash,
    owner: Owner,
    signature: Signature,
    chunk: Chunk,
}

impl Soc {
    /// Signs `chunk` under `id`.
    pub fn sign(signer: &Signer, id: Hash, chunk: Chunk) -> Self {
        Self {
            id,
            owner: signer.owner(),
            signature: signer.sign(&digest(&id, &chunk)),
            chunk,
        }
    }

    /// Takes a signature that was made elsewhere, as `POST /soc/{owner}/{id}?sig=` does.
    ///
    /// # Errors
    /// [`SwarmError::Signature`] if it is not the owner's.
    pub fn signed(
        id: Hash,
        owner: Owner,
        signature: Signature,
        chunk: Chunk,
    ) -> Result<Self, SwarmError> {
        if signature.recover(&digest(&id, &chunk))? != owner {
            return Err(SwarmError::Signature {
                what: "a single-owner chunk",
                reason: "another key than the owner's signed it",
            });
        }
        Ok(Self {
            id,
            owner,
            signature,
            chunk,
        })
    }

    /// Reads `id ‖ signature ‖ span ‖ payload`. Whoever signed it is the owner.
    ///
    /// # Errors
    /// [`SwarmError::Malformed`], [`SwarmError::Signature`].
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, SwarmError> {
        let bytes: Bytes = bytes.into();
        let short = || {
            SwarmError::malformed(
                "a single-owner chunk",
                format!(
                    "{} to {} bytes are needed, not {}",
                    SOC_BYTES.start(),
                    SOC_BYTES.end(),
                    bytes.len()
                ),
            )
        };
        if !SOC_BYTES.contains(&bytes.len()) {
            return Err(short());
        }
        let (id, rest) = bytes.split_first_chunk::<HASH_BYTES>().ok_or_else(short)?;
        let (signature, _) = rest
            .split_first_chunk::<SIGNATURE_BYTES>()
            .ok_or_else(short)?;
        let signature = Signature(*signature);
        let chunk = Chunk::from_bytes(bytes.slice(HEAD_BYTES..))?;
        Ok(Self {
            id: *id,
            owner: signature.recover(&digest(id, &chunk))?,
            signature,
            chunk,
        })
    }

    /// Reads the bytes as the chunk of this address: the signature must be of the owner it names.
    ///
    /// # Errors
    /// [`SwarmError::Malformed`], [`SwarmError::Signature`], or [`SwarmError::Corrupt`] if it is at
    /// another address.
    pub fn verify(address: Address, bytes: impl Into<Bytes>) -> Result<Self, SwarmError> {
        let soc = Self::from_bytes(bytes)?;
        if soc.address() == address {
            return Ok(soc);
        }
        Err(SwarmError::Corrupt { address })
    }

    /// `id ‖ signature ‖ span ‖ payload`.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.id[..], &self.signature.0, self.chunk.bytes()].concat()
    }

    /// Where it is.
    pub fn address(&self) -> Address {
        address(&self.id, self.owner)
    }

    /// What the owner calls it.
    pub const fn id(&self) -> &Hash {
        &self.id
    }

    /// Whose it is.
    pub const fn owner(&self) -> Owner {
        self.owner
    }

    /// The owner's signature.
    pub const fn signature(&self) -> Signature {
        self.signature
    }

    /// The chunk in it.
    pub const fn chunk(&self) -> &Chunk {
        &self.chunk
    }
}

/// What an owner signs.
fn digest(id: &Hash, chunk: &Chunk) -> Hash {
    keccak256_of(&[id, &chunk.address().0])
}
