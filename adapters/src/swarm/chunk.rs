//! Content-addressed chunks: a span, at most 4,096 bytes of payload, and their hash as address.
//!
//! Stored and sent as `span ‖ payload`, the span as `u64` and the payload not padded.
//!
//! Rule: Bee `pkg/cac`.

use bytes::Bytes;

use super::reference::{Address, Redundancy};
use super::{PAYLOAD_BYTES_MAX, SPAN_BYTES, SwarmError, bmt};

/// Shortest and longest chunk, in bytes.
pub const CHUNK_BYTES: std::ops::RangeInclusive<usize> =
    SPAN_BYTES..=SPAN_BYTES + PAYLOAD_BYTES_MAX;

/// A content-addressed chunk. Its address is that of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    address: Address,
    bytes: Bytes,
}

impl Chunk {
    /// Contents of one chunk: the span is the payload's length.
    ///
    /// # Errors
    /// [`SwarmError::Payload`].
    pub fn new(payload: &[u8]) -> Result<Self, SwarmError> {
        Self::with_span(payload.len() as u64, payload)
    }

    /// A chunk that spans more than it holds, as nodes of a tree do.
    ///
    /// # Errors
    /// [`SwarmError::Payload`].
    pub fn with_span(span: u64, payload: &[u8]) -> Result<Self, SwarmError> {
        let span = span.to_le_bytes();
        Ok(Self {
            address: bmt::address(span, payload)?,
            bytes: Bytes::from([&span, payload].concat()),
        })
    }

    /// Reads `span ‖ payload` and computes the address.
    ///
    /// # Errors
    /// [`SwarmError::Malformed`] for a length outside [`CHUNK_BYTES`].
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, SwarmError> {
        let bytes = bytes.into();
        let (span, payload) = split(&bytes)?;
        let address = bmt::address(span, payload)?;
        Ok(Self { address, bytes })
    }

    /// Reads `span ‖ payload` as the chunk of this address.
    ///
    /// # Errors
    /// [`SwarmError::Malformed`], or [`SwarmError::Corrupt`] if they are another chunk's.
    pub fn verify(address: Address, bytes: impl Into<Bytes>) -> Result<Self, SwarmError> {
        let chunk = Self::from_bytes(bytes)?;
        if chunk.address == address {
            return Ok(chunk);
        }
        Err(SwarmError::Corrupt { address })
    }

    /// Its address.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// `span ‖ payload`.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// `span ‖ payload`, without the address.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The span as it is stored: in an encrypted chunk it is encrypted too.
    pub fn span_bytes(&self) -> [u8; SPAN_BYTES] {
        let mut span = [0; SPAN_BYTES];
        span.copy_from_slice(&self.bytes[..SPAN_BYTES]);
        span
    }

    /// How many bytes of contents the chunk stands for.
    pub fn span(&self) -> u64 {
        u64::from_le_bytes(self.span_bytes())
    }

    /// What it holds.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(SPAN_BYTES..)
    }
}

/// Takes `span ‖ payload` apart.
pub(super) fn split(bytes: &[u8]) -> Result<([u8; SPAN_BYTES], &[u8]), SwarmError> {
    match bytes.split_first_chunk::<SPAN_BYTES>() {
        Some((span, payload)) if payload.len() <= PAYLOAD_BYTES_MAX => Ok((*span, payload)),
        _ => Err(SwarmError::malformed(
            "a chunk",
            format!(
                "{} to {} bytes are needed, not {}",
                CHUNK_BYTES.start(),
                CHUNK_BYTES.end(),
                bytes.len()
            ),
        )),
    }
}

/// The bytes that a decrypted or plain span stands for, if it is one of redundancy level 0.
///
/// Rule: Bee `pkg/file/redundancy/span.go`: the level is in the last byte, whose highest bit says so.
pub(super) fn decode_span(span: [u8; SPAN_BYTES]) -> Result<u64, SwarmError> {
    /// Says that a span's last byte is a level.
    const LEVEL_MARK: u8 = 0x80;
    let last = span[SPAN_BYTES - 1];
    if last & LEVEL_MARK != 0 {
        Redundancy::from_level(last & !LEVEL_MARK)?.supported()?;
        return Err(SwarmError::malformed(
            "a span",
            "it is marked as redundant, at level 0",
        ));
    }
    Ok(u64::from_le_bytes(span))
}
