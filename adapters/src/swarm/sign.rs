//! Keys, owners and signatures, as Ethereum has them.
//!
//! An owner is an Ethereum address: the last 20 bytes of the hash of an uncompressed public key on
//! secp256k1. What is signed is `keccak("\x19Ethereum Signed Message:\n32" ‖ digest)`, and a signature is
//! `r ‖ s ‖ v` with `v` 27 or 28, from which the owner is recovered. Nonces follow RFC 6979, so a signature
//! repeats.
//!
//! Rule: EIP-191 (`personal_sign`); Bee `pkg/crypto/signer.go`.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use k256::ecdsa::{RecoveryId, Signature as Scalars, SigningKey, VerifyingKey};

use super::keccak::{Hash, keccak256, keccak256_of};
use super::reference::from_hex;
use super::{HASH_BYTES, SIGNATURE_BYTES, SwarmError};

/// Length of an owner, in bytes.
pub const OWNER_BYTES: usize = 20;
/// What `v` adds to the number of the recovered point.
const V_BASE: u8 = 27;

/// Who may write: an Ethereum address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub [u8; OWNER_BYTES]);

impl Owner {
    fn of(key: &VerifyingKey) -> Self {
        // The first byte of a point says that it is not compressed.
        let point = key.to_sec1_point(false);
        let hash = keccak256(&point.as_bytes()[1..]);
        let mut owner = [0; OWNER_BYTES];
        owner.copy_from_slice(&hash[HASH_BYTES - OWNER_BYTES..]);
        Self(owner)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({self})")
    }
}

impl FromStr for Owner {
    type Err = SwarmError;

    /// Reads 40 hexadecimal digits, with or without `0x`.
    fn from_str(text: &str) -> Result<Self, SwarmError> {
        from_hex(text.strip_prefix("0x").unwrap_or(text), "an owner").map(Self)
    }
}

/// `r ‖ s ‖ v`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; SIGNATURE_BYTES]);

impl Signature {
    /// Who signed `digest`.
    ///
    /// Both forms of `s` are accepted, as Ethereum's `ecrecover` does.
    ///
    /// # Errors
    /// [`SwarmError::Signature`].
    pub fn recover(&self, digest: &Hash) -> Result<Owner, SwarmError> {
        let refuse = |reason| SwarmError::Signature {
            what: "a signature",
            reason,
        };
        let [scalars @ .., v] = &self.0;
        let number = v
            .checked_sub(V_BASE)
            .filter(|number| *number <= 1)
            .and_then(RecoveryId::from_byte)
            .ok_or_else(|| refuse("its last byte is neither 27 nor 28"))?;
        let scalars = Scalars::from_slice(scalars).map_err(|_| refuse("no such r and s exist"))?;
        // The library checks signatures with the lower `s` only; negating it negates the point.
        let normal = scalars.normalize_s();
        let number = RecoveryId::new(
            number.is_y_odd() ^ (normal != scalars),
            number.is_x_reduced(),
        );
        VerifyingKey::recover_from_prehash(&personal(digest), &normal, number)
            .map(|key| Owner::of(&key))
            .map_err(|_| refuse("no key made it"))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = SwarmError;

    /// Reads 130 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, SwarmError> {
        from_hex(text, "a signature").map(Self)
    }
}

/// A private key. It is not shown, and wiped when dropped.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.owner())
    }
}

impl Signer {
    /// The key with these bytes.
    ///
    /// # Errors
    /// [`SwarmError::Signature`] for zero, and from the order of the curve on.
    pub fn from_bytes(bytes: &Hash) -> Result<Self, SwarmError> {
        SigningKey::from_slice(bytes)
            .map(|key| Self { key })
            .map_err(|_| SwarmError::Signature {
                what: "a private key",
                reason: "the curve has no such number",
            })
    }

    /// Whom signatures by this key are by.
    pub fn owner(&self) -> Owner {
        Owner::of(self.key.verifying_key())
    }

    /// Signs `digest`.
    pub fn sign(&self, digest: &Hash) -> Signature {
        let (scalars, number) = self.key.sign_prehash_recoverable(&personal(digest));
        let mut bytes = [0; SIGNATURE_BYTES];
        bytes[..SIGNATURE_BYTES - 1].copy_from_slice(&scalars.to_bytes());
        bytes[SIGNATURE_BYTES - 1] = V_BASE + number.to_byte();
        Signature(bytes)
    }
}

/// What is signed in place of a digest.
fn personal(digest: &Hash) -> Hash {
    keccak256_of(&[b"\x19Ethereum Signed Message:\n32", digest])
}
