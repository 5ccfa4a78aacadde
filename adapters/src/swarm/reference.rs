//! What names contents: an address, or an address and the key that opens it.

use std::fmt;
use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

use super::keccak::Hash;
use super::{HASH_BYTES, SwarmError};

/// Where a chunk is: its hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub Hash);

impl Address {
    /// The address of nothing, which stands for "no reference".
    pub const ZERO: Self = Self([0; HASH_BYTES]);

    /// Its bytes.
    pub const fn as_bytes(&self) -> &Hash {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl FromStr for Address {
    type Err = SwarmError;

    /// Reads 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, SwarmError> {
        from_hex(text, "an address").map(Self)
    }
}

/// What opens an encrypted chunk. It is not shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub Hash);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What names contents. It is written as 64 hexadecimal digits, or 128 with a key.
///
/// An encrypted reference shows its key when it is displayed: that is what it is for. Debug output
/// hides the key.
///
/// Rule: Bee `pkg/swarm` (`HashSize`), `pkg/encryption` (`ReferenceSize`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// The root chunk's address.
    Plain(Address),
    /// The root chunk's address, and its key.
    Encrypted(Address, Key),
}

impl Reference {
    /// Length of a plain reference, in bytes.
    pub const PLAIN_BYTES: usize = HASH_BYTES;
    /// Length of an encrypted reference, in bytes.
    pub const ENCRYPTED_BYTES: usize = 2 * HASH_BYTES;

    /// The root chunk's address.
    pub const fn address(&self) -> Address {
        match self {
            Self::Plain(address) | Self::Encrypted(address, _) => *address,
        }
    }

    /// What opens the root chunk.
    pub const fn key(&self) -> Option<Key> {
        match self {
            Self::Plain(_) => None,
            Self::Encrypted(_, key) => Some(*key),
        }
    }

    /// Its length, in bytes.
    pub const fn len_bytes(&self) -> usize {
        match self {
            Self::Plain(_) => Self::PLAIN_BYTES,
            Self::Encrypted(..) => Self::ENCRYPTED_BYTES,
        }
    }

    /// Appends its bytes: the address, then the key.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.address().0);
        if let Some(key) = self.key() {
            out.extend_from_slice(&key.0);
        }
    }

    /// Its bytes: the address, then the key.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len_bytes());
        self.write_to(&mut bytes);
        bytes
    }

    /// Reads 32 or 64 bytes.
    ///
    /// # Errors
    /// [`SwarmError::Malformed`] for any other length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SwarmError> {
        let wrong = || {
            let reason = format!("32 or 64 bytes are needed, not {}", bytes.len());
            SwarmError::malformed("a reference", reason)
        };
        let (address, key) = bytes.split_first_chunk::<HASH_BYTES>().ok_or_else(wrong)?;
        if key.is_empty() {
            return Ok(Self::Plain(Address(*address)));
        }
        let key = Key(key.try_into().map_err(|_| wrong())?);
        Ok(Self::Encrypted(Address(*address), key))
    }
}

impl From<Address> for Reference {
    fn from(address: Address) -> Self {
        Self::Plain(address)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().fmt(f)?;
        self.key()
            .map_or(Ok(()), |key| f.write_str(&HEXLOWER.encode(&key.0)))
    }
}

impl FromStr for Reference {
    type Err = SwarmError;

    /// Reads 64 or 128 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, SwarmError> {
        match text.len() {
            64 => from_hex(text, "a reference").map(|address| Self::Plain(Address(address))),
            128 => {
                let bytes: [u8; Self::ENCRYPTED_BYTES] = from_hex(text, "a reference")?;
                Self::from_bytes(&bytes)
            }
            digits => Err(SwarmError::malformed(
                "a reference",
                format!("64 or 128 hexadecimal digits are needed, not {digits} bytes"),
            )),
        }
    }
}

/// Reads `LEN` bytes as hexadecimal digits of either case.
pub(super) fn from_hex<const LEN: usize>(
    text: &str,
    what: &'static str,
) -> Result<[u8; LEN], SwarmError> {
    let mut bytes = [0; LEN];
    if text.len() != 2 * LEN {
        let reason = format!(
            "{} hexadecimal digits are needed, not {} bytes",
            2 * LEN,
            text.len()
        );
        return Err(SwarmError::malformed(what, reason));
    }
    HEXLOWER_PERMISSIVE
        .decode_mut(text.as_bytes(), &mut bytes)
        .map_err(|partial| SwarmError::malformed(what, partial.error.to_string()))?;
    Ok(bytes)
}

/// How much of a tree may be lost and still be read.
///
/// Contents of more than one chunk have another reference at each level, so the level belongs to a
/// reference ([`Recorded`]). Only level 0 is supported: no parity chunks.
///
/// Rule: Bee `pkg/file/redundancy/level.go`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Redundancy {
    /// Level 0.
    #[default]
    None = 0,
    /// Level 1.
    Medium = 1,
    /// Level 2.
    Strong = 2,
    /// Level 3.
    Insane = 3,
    /// Level 4.
    Paranoid = 4,
}

impl Redundancy {
    /// The level of this number.
    ///
    /// # Errors
    /// [`SwarmError::Malformed`] beyond 4.
    pub fn from_level(level: u8) -> Result<Self, SwarmError> {
        match level {
            0 => Ok(Self::None),
            1 => Ok(Self::Medium),
            2 => Ok(Self::Strong),
            3 => Ok(Self::Insane),
            4 => Ok(Self::Paranoid),
            _ => Err(SwarmError::malformed(
                "a redundancy level",
                format!("levels are 0 to 4, not {level}"),
            )),
        }
    }

    /// Its number, 0 to 4.
    pub const fn level(self) -> u8 {
        self as u8
    }

    /// Passes level 0.
    ///
    /// # Errors
    /// [`SwarmError::Redundancy`] for any other.
    pub const fn supported(self) -> Result<(), SwarmError> {
        match self {
            Self::None => Ok(()),
            level => Err(SwarmError::Redundancy { level }),
        }
    }
}

impl fmt::Display for Redundancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::None => "none",
            Self::Medium => "medium",
            Self::Strong => "strong",
            Self::Insane => "insane",
            Self::Paranoid => "paranoid",
        };
        write!(f, "{} ({name})", self.level())
    }
}

/// A reference and the redundancy that it was made with, as a store keeps them.
///
/// In bytes: the level, then the reference's 32 or 64 bytes. This form is ours, not Swarm's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recorded {
    /// What names the contents.
    pub reference: Reference,
    /// What it was made with.
    pub redundancy: Redundancy,
}

impl Recorded {
    /// Its bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![self.redundancy.level()];
        self.reference.write_to(&mut bytes);
        bytes
    }

    /// Reads 33 or 65 bytes.
    ///
    /// # Errors
    /// [`SwarmError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SwarmError> {
        let (level, reference) = bytes
            .split_first()
            .ok_or_else(|| SwarmError::malformed("a recorded reference", "it is empty"))?;
        Ok(Self {
            redundancy: Redundancy::from_level(*level)?,
            reference: Reference::from_bytes(reference)?,
        })
    }
}
