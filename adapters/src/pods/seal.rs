//! Secrets, what follows from them, and chunks that only they open.
//!
//! A sealed chunk has a payload of 4,096 bytes: a nonce, then length, contents and zeros, encrypted as Swarm encrypts
//! a chunk. The nonce is a hash of secret and contents, and the key a hash of secret and nonce: two contents never share
//! a key, equal ones are sealed alike, and who opens one sees whether it was changed.

use std::fmt;

use crate::swarm::chunk::Chunk;
use crate::swarm::encrypt::transform;
use crate::swarm::keccak::Hash;
use crate::swarm::reference::Key;
use crate::swarm::sign::Signer;
use crate::swarm::{HASH_BYTES, PAYLOAD_BYTES_MAX, SwarmError};

/// Most bytes that fit a sealed chunk.
pub(super) const SEALED_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - HASH_BYTES - LEN_BYTES;
const LEN_BYTES: usize = 2;

/// 32 bytes that are not shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(Hash);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// These bytes.
    pub(super) const fn new(bytes: Hash) -> Self {
        Self(bytes)
    }

    pub(super) const fn bytes(&self) -> &Hash {
        &self.0
    }

    /// As 64 hexadecimal digits, for who may have it.
    pub(super) fn to_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// Reads 64 hexadecimal digits.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes());
        Some(Self(bytes.ok()?.try_into().ok()?))
    }

    /// The secret for a purpose, and for whatever `about` tells apart. From it nobody learns this one.
    pub(super) fn derive(&self, purpose: &str, about: &[u8]) -> Self {
        let context = format!("medium pods 1: {purpose}");
        let mut hasher = blake3::Hasher::new_derive_key(&context);
        hasher.update(&self.0);
        hasher.update(about);
        Self(hasher.finalize().into())
    }

    /// The key that signs.
    pub(super) fn signer(&self) -> Result<Signer, SwarmError> {
        // One in 2^128 secrets is no key; nobody will see one.
        Signer::from_bytes(&self.0)
    }

    /// A chunk that only this secret opens.
    pub(super) fn seal(&self, contents: &[u8]) -> Result<Chunk, SwarmError> {
        let too_long = || SwarmError::Payload {
            bytes: contents.len(),
            max: SEALED_BYTES_MAX,
        };
        if contents.len() > SEALED_BYTES_MAX {
            return Err(too_long());
        }
        let len = u16::try_from(contents.len()).map_err(|_| too_long())?;
        let nonce = self.nonce(contents);
        let mut payload = vec![0; PAYLOAD_BYTES_MAX];
        let (head, body) = payload.split_at_mut(HASH_BYTES);
        head.copy_from_slice(&nonce.0);
        body[..LEN_BYTES].copy_from_slice(&len.to_le_bytes());
        body[LEN_BYTES..LEN_BYTES + contents.len()].copy_from_slice(contents);
        transform(self.key(&nonce.0), 0, body);
        Chunk::new(&payload)
    }

    /// What was sealed in a chunk, or `None` if it was not with this secret.
    pub(super) fn open(&self, chunk: &Chunk) -> Option<Vec<u8>> {
        let payload = chunk.payload();
        if payload.len() != PAYLOAD_BYTES_MAX {
            return None;
        }
        let (nonce, body) = payload.split_first_chunk::<HASH_BYTES>()?;
        let mut body = body.to_vec();
        transform(self.key(nonce), 0, &mut body);
        let (len, rest) = body.split_first_chunk::<LEN_BYTES>()?;
        let (contents, padding) = rest.split_at_checked(u16::from_le_bytes(*len).into())?;
        // The nonce vouches for the contents; what fills the chunk has one form, too.
        let is_whole = self.nonce(contents).0 == *nonce && padding.iter().all(|&byte| byte == 0);
        is_whole.then(|| contents.to_vec())
    }

    fn nonce(&self, contents: &[u8]) -> Self {
        self.derive("nonce", contents)
    }

    fn key(&self, nonce: &Hash) -> Key {
        Key(self.derive("key", nonce).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_opens_what_it_sealed() {
        let secret = Secret::new([7; 32]);
        for len in [0, 1, 31, 32, 4000, SEALED_BYTES_MAX] {
            let contents: Vec<u8> = (0..=250).cycle().take(len).collect();
            let chunk = secret.seal(&contents).unwrap();
            assert_eq!(secret.open(&chunk), Some(contents.clone()));
            assert_eq!(Secret::new([8; 32]).open(&chunk), None);
            let mut bytes = chunk.payload().to_vec();
            bytes[40] ^= 1;
            assert_eq!(secret.open(&Chunk::new(&bytes).unwrap()), None);
        }
        assert!(secret.seal(&[0; SEALED_BYTES_MAX + 1]).is_err());
    }
}
