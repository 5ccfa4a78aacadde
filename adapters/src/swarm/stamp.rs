//! Postage stamps: a batch owner's signature that pays for one chunk.
//!
//! 113 bytes: `batch ‖ bucket ‖ slot ‖ time ‖ signature`; bucket and slot as `u32` and the time, in nanoseconds
//! since 1970, as `u64`, all **big-endian**. A chunk falls into the bucket of its address's leading bits;
//! what is signed is `keccak(address ‖ batch ‖ bucket ‖ slot ‖ time)`.
//!
//! Rule: Bee `pkg/postage/stamp.go`, `stampissuer.go` (`toBucket`).

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use super::keccak::{Hash, keccak256_of};
use super::reference::{Address, from_hex};
use super::sign::{Owner, Signature, Signer};
use super::{HASH_BYTES, SIGNATURE_BYTES, SwarmError};

/// Length of a stamp, in bytes.
pub const STAMP_BYTES: usize = HASH_BYTES + SLOT_BYTES + TIME_BYTES + SIGNATURE_BYTES;
/// How many leading bits of an address choose a bucket, in every batch that Bee's contract makes.
pub const BUCKET_DEPTH: u8 = 16;
/// Bucket and slot.
const SLOT_BYTES: usize = 8;
const TIME_BYTES: usize = 8;

const _: () = assert!(STAMP_BYTES == 113, "the length that the API states");

/// Which bucket a chunk falls into: the first [`BUCKET_DEPTH`] bits of its address.
pub const fn bucket_of(address: &Address) -> u32 {
    u16::from_be_bytes([address.0[0], address.0[1]]) as u32
}

/// How many chunks fit one bucket of a batch of 2^`depth` chunks, or `None` if the depth is below
/// [`BUCKET_DEPTH`] or too large to count.
pub const fn bucket_slots(depth: u8) -> Option<u32> {
    match depth.checked_sub(BUCKET_DEPTH) {
        Some(bits) => 1u32.checked_shl(bits as u32),
        None => None,
    }
}

/// What pays for a chunk, before it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Postage {
    /// Which batch pays.
    pub batch: Hash,
    /// Which of the bucket's slots the chunk takes.
    pub slot: u32,
    /// When it was stamped, in nanoseconds since 1970. The later of two stamps for a slot wins.
    pub time_ns: u64,
}

/// A signed stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// What it says beside the bucket.
    pub postage: Postage,
    /// Which bucket it is for.
    pub bucket: u32,
    /// The batch owner's signature.
    pub signature: Signature,
}

impl Stamp {
    /// Stamps a chunk.
    pub fn sign(signer: &Signer, address: &Address, postage: Postage) -> Self {
        let bucket = bucket_of(address);
        Self {
            postage,
            bucket,
            signature: signer.sign(&digest(address, bucket, postage)),
        }
    }

    /// Who stamped this chunk. Whether the batch is theirs only the chain can tell.
    ///
    /// # Errors
    /// [`SwarmError::Signature`], also if the stamp is for another bucket than the chunk's.
    pub fn signer(&self, address: &Address) -> Result<Owner, SwarmError> {
        if self.bucket != bucket_of(address) {
            return Err(SwarmError::Signature {
                what: "a stamp",
                reason: "it is for another bucket than the chunk's",
            });
        }
        self.signature
            .recover(&digest(address, self.bucket, self.postage))
    }

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; STAMP_BYTES] {
        let parts: [&[u8]; 5] = [
            &self.postage.batch,
            &self.bucket.to_be_bytes(),
            &self.postage.slot.to_be_bytes(),
            &self.postage.time_ns.to_be_bytes(),
            &self.signature.0,
        ];
        let mut bytes = [0; STAMP_BYTES];
        for (byte, part) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *byte = *part;
        }
        bytes
    }

    /// Reads [`STAMP_BYTES`] bytes. The signature is checked by [`Self::signer`].
    ///
    /// # Errors
    /// [`SwarmError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SwarmError> {
        let parts = || {
            let (batch, rest) = bytes.split_first_chunk::<HASH_BYTES>()?;
            let (bucket, rest) = rest.split_first_chunk::<4>()?;
            let (slot, rest) = rest.split_first_chunk::<4>()?;
            let (time, signature) = rest.split_first_chunk::<TIME_BYTES>()?;
            Some(Self {
                postage: Postage {
                    batch: *batch,
                    slot: u32::from_be_bytes(*slot),
                    time_ns: u64::from_be_bytes(*time),
                },
                bucket: u32::from_be_bytes(*bucket),
                signature: Signature(signature.try_into().ok()?),
            })
        };
        parts().ok_or_else(|| {
            let reason = format!("{STAMP_BYTES} bytes are needed, not {}", bytes.len());
            SwarmError::malformed("a stamp", reason)
        })
    }
}

impl fmt::Display for Stamp {
    /// 226 hexadecimal digits, as the header `Swarm-Postage-Stamp` has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.to_bytes()))
    }
}

impl FromStr for Stamp {
    type Err = SwarmError;

    /// Reads 226 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, SwarmError> {
        Self::from_bytes(&from_hex::<STAMP_BYTES>(text, "a stamp")?)
    }
}

/// What is signed.
fn digest(address: &Address, bucket: u32, postage: Postage) -> Hash {
    keccak256_of(&[
        &address.0,
        &postage.batch,
        &bucket.to_be_bytes(),
        &postage.slot.to_be_bytes(),
        &postage.time_ns.to_be_bytes(),
    ])
}
