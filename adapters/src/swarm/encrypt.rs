//! Encrypted chunks: a key for each, kept in the reference to it.
//!
//! A payload is padded to 4,096 bytes, and to every 32 bytes of it their own key is added bit by bit:
//! `keccak(keccak(key ‖ n))`, where `n` counts segments from 0 as `u32`. To the span the key of segment 128 is
//! added, the first behind the payload. The address is that of the encrypted span and payload.
//!
//! Bee fills the padding with random bytes after encryption. Here zeros are encrypted with the rest: to
//! who lacks the key they look as random, readers cut them off all the same, and equal chunks under equal
//! keys stay equal.
//!
//! Rule: Bee `pkg/encryption/encryption.go`, `chunk_encryption.go`.

use super::keccak::{Hash, each, keccak256_of};
use super::reference::Key;
use super::{HASH_BYTES, PAYLOAD_BYTES_MAX, SPAN_BYTES, SwarmError, bmt};

/// Segments of a payload, and the number of the span's key.
const SEGMENTS: usize = PAYLOAD_BYTES_MAX / HASH_BYTES;
/// A key and a counter.
const SEED_BYTES: usize = HASH_BYTES + size_of::<u32>();

/// Where the keys of chunks come from.
pub trait Keys: Sync {
    /// The key for a chunk, given its plain span and payload.
    ///
    /// Two chunks that differ must not share a key: that would give away the XOR of the two.
    ///
    /// # Errors
    /// [`SwarmError::Key`].
    fn key(&self, span: u64, payload: &[u8]) -> Result<Key, SwarmError>;
}

/// Keys that follow from the chunk and a secret: equal chunks under one secret are stored once, and
/// who lacks the secret cannot tell whether given bytes are among them.
///
/// This is our choice; any reader of Swarm's format reads the result.
#[derive(Clone)]
pub struct Convergent {
    secret: Hash,
}

impl std::fmt::Debug for Convergent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Convergent(…)")
    }
}

impl Convergent {
    /// Keys under this secret.
    pub const fn new(secret: Hash) -> Self {
        Self { secret }
    }
}

impl Keys for Convergent {
    fn key(&self, span: u64, payload: &[u8]) -> Result<Key, SwarmError> {
        // The plain chunk's address stands for the chunk: it is computed faster than a hash of as many bytes.
        let address = bmt::address(span.to_le_bytes(), payload)?;
        let context = &b"medium: key of a Swarm chunk, 1"[..];
        Ok(Key(keccak256_of(&[context, &self.secret, &address.0])))
    }
}

/// Keys from a source of random bytes, as Bee makes them: nothing is ever stored once.
#[derive(Debug, Clone)]
pub struct Fresh<F>(
    /// Fills a key with random bytes, or says why it cannot.
    pub F,
);

impl<F: Fn(&mut Hash) -> Result<(), String> + Sync> Keys for Fresh<F> {
    fn key(&self, _: u64, _: &[u8]) -> Result<Key, SwarmError> {
        let mut key = [0; HASH_BYTES];
        (self.0)(&mut key).map_err(|what| SwarmError::Key { what })?;
        Ok(Key(key))
    }
}

/// Encrypts or decrypts up to [`PAYLOAD_BYTES_MAX`] bytes in place, beginning at the segment numbered
/// `first`. Bytes beyond that are left alone.
///
/// Cost: two hashes per 32 bytes.
pub fn transform(key: Key, first: u32, bytes: &mut [u8]) {
    let count = bytes.len().div_ceil(HASH_BYTES).min(SEGMENTS);
    let mut seeds = [[0; SEED_BYTES]; SEGMENTS];
    for (number, seed) in (first..).zip(&mut seeds[..count]) {
        seed[..HASH_BYTES].copy_from_slice(&key.0);
        seed[HASH_BYTES..].copy_from_slice(&number.to_le_bytes());
    }
    let mut once = [[0; HASH_BYTES]; SEGMENTS];
    let mut twice = [[0; HASH_BYTES]; SEGMENTS];
    each(&seeds[..count], &mut once[..count]);
    each(&once[..count], &mut twice[..count]);
    for (segment, key) in bytes.chunks_mut(HASH_BYTES).zip(&twice[..count]) {
        for (byte, key) in segment.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
}

/// The number of the span's segment.
#[expect(clippy::cast_possible_truncation, reason = "128")]
const SPAN_SEGMENT: u32 = SEGMENTS as u32;

/// Encrypts or decrypts a span.
pub fn transform_span(key: Key, mut span: [u8; SPAN_BYTES]) -> [u8; SPAN_BYTES] {
    transform(key, SPAN_SEGMENT, &mut span);
    span
}

/// An encrypted chunk: span, and payload padded to [`PAYLOAD_BYTES_MAX`].
///
/// # Errors
/// [`SwarmError::Payload`].
pub fn seal(
    key: Key,
    span: u64,
    payload: &[u8],
) -> Result<([u8; SPAN_BYTES], [u8; PAYLOAD_BYTES_MAX]), SwarmError> {
    let mut sealed = [0; PAYLOAD_BYTES_MAX];
    sealed
        .get_mut(..payload.len())
        .ok_or(SwarmError::Payload {
            bytes: payload.len(),
            max: PAYLOAD_BYTES_MAX,
        })?
        .copy_from_slice(payload);
    transform(key, 0, &mut sealed);
    Ok((transform_span(key, span.to_le_bytes()), sealed))
}
