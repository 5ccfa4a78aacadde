//! The one module that names the serializer.
//!
//! Every stored or sent value is `version byte ‖ bincode`, in bincode's legacy configuration:
//! little-endian, fixed-width integers, `u64` lengths. The format is pinned by golden bytes, so that a
//! successor (wincode writes the same bytes) can be put in here and nowhere else;
//! `docs/decisions/bincode.md` says why that day may come.
#![deny(clippy::indexing_slicing)]

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most bytes one value may take, read or written: what a hostile length can make us allocate.
pub const VALUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most bytes that count as short: every message is, sealed or not.
const FRAME_BYTES: usize = 256 * 1024;

type Config = Configuration<LittleEndian, Fixint, Limit<VALUE_BYTES_MAX>>;
const CONFIG: Config = bincode::config::legacy().with_limit::<VALUE_BYTES_MAX>();

/// Writes a value, preceded by the version of its format.
///
/// # Errors
/// [`EncodeError`] if the value is larger than [`VALUE_BYTES_MAX`] or cannot be serialized.
pub fn encode<T: Serialize>(version: u8, value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = vec![version];
    encode_into(&mut bytes, value)?;
    Ok(bytes)
}

/// Appends a value without a version byte, for records inside a versioned frame.
///
/// # Errors
/// As [`encode`].
pub fn encode_into<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<(), EncodeError> {
    bincode::serde::encode_into_std_write(value, bytes, CONFIG)
        .map(drop)
        .map_err(|error| EncodeError {
            reason: error.to_string(),
        })
}

/// Reads a value of which all bytes belong to it.
///
/// # Errors
/// [`DecodeError`] if the bytes are empty, of another version, malformed, or more than the value.
pub fn decode<T: DeserializeOwned>(version: u8, frame: &[u8]) -> Result<T, DecodeError> {
    let (&found, rest) = frame.split_first().ok_or(DecodeError::Empty)?;
    if found != version {
        return Err(DecodeError::Version {
            found,
            known: version,
        });
    }
    let (value, read) = decode_prefix(rest)?;
    match rest.len() - read {
        0 => Ok(value),
        extra => Err(DecodeError::Trailing { extra }),
    }
}

/// Reads a value without a version byte from the beginning of `bytes`, and how many bytes it took.
///
/// # Errors
/// [`DecodeError::Malformed`].
pub fn decode_prefix<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), DecodeError> {
    // The codec reserves what a length claims before it looks whether the bytes are there. No value
    // claims more than its own bytes, so a short frame gets a short limit.
    let decoded = if bytes.len() <= FRAME_BYTES {
        let config = bincode::config::legacy().with_limit::<FRAME_BYTES>();
        bincode::serde::decode_from_slice(bytes, config)
    } else {
        bincode::serde::decode_from_slice(bytes, CONFIG)
    };
    decoded.map_err(|error| DecodeError::Malformed {
        reason: error.to_string(),
    })
}

/// Reads a value and refuses bytes that the value would not be written as.
///
/// # Errors
/// As [`decode`], and [`DecodeError::NotCanonical`].
pub fn decode_canonical<T: DeserializeOwned + Serialize>(
    version: u8,
    frame: &[u8],
) -> Result<T, DecodeError> {
    let value = decode(version, frame)?;
    match encode(version, &value) {
        Ok(again) if again == frame => Ok(value),
        _ => Err(DecodeError::NotCanonical),
    }
}

/// Why a value could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value cannot be encoded: {reason}")]
pub struct EncodeError {
    /// What the serializer said.
    pub reason: String,
}

/// Why bytes are not the value that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are no bytes.
    #[error("there are no bytes")]
    Empty,
    /// The format has a version this code does not know.
    #[error("the format has version {found}, this program knows {known}")]
    Version {
        /// What the bytes begin with.
        found: u8,
        /// What was expected.
        known: u8,
    },
    /// The bytes are not this kind of value.
    #[error("the bytes are malformed: {reason}")]
    Malformed {
        /// What the deserializer said.
        reason: String,
    },
    /// There are bytes left over.
    #[error("{extra} bytes are left over")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// The same value has another, shorter or sorted, form.
    #[error("the bytes are not the canonical form of what they say")]
    NotCanonical,
    /// A length is beyond its bound.
    #[error("{what} has {size} bytes, at most {max} are allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The bound.
        max: u64,
    },
}
