//! Typed names by which parts of one body, and messages from outside, reach code.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A channel's name: `mem/read`, `text/eval`, `main`.
///
/// One to [`Channel::LEN_MAX`] bytes of `a-z 0-9 - _ .`, with single `/` between non-empty words.
/// Held in place (no allocation, `Copy`), because every message carries one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel {
    /// The name's bytes, zero-padded; a name has no zero byte, so equality and order are the text's.
    bytes: [u8; Self::LEN_MAX],
    len: u8,
}

impl Channel {
    /// Longest name, in bytes.
    pub const LEN_MAX: usize = 31;
    /// Where a message goes that names no channel.
    pub const MAIN: Self = Self::known("main");
    /// Answers and bounces travel on this one.
    pub const REPLY: Self = Self::known("reply");
    /// A timer of the VC's own has run out.
    pub const TIMER: Self = Self::known("medium/timer");
    /// A VC learns that it was born or woken.
    pub const START: Self = Self::known("medium/start");
    /// A watched VC has stopped.
    pub const DOWN: Self = Self::known("medium/down");
    /// A stripped part is offered to whoever wants it.
    pub const STRIPPED: Self = Self::known("medium/stripped");
    /// A VC tells the indexer what it looks like.
    pub const LISTING: Self = Self::known("medium/listing");

    /// A channel named in the source text.
    ///
    /// # Panics
    /// If the name is not valid; in a constant, this is an error of the compiler.
    pub const fn known(name: &str) -> Self {
        match Self::check(name.as_bytes()) {
            Ok(channel) => channel,
            Err(_) => panic!("not a channel's name"),
        }
    }

    const fn check(name: &[u8]) -> Result<Self, ChannelError> {
        if name.is_empty() {
            return Err(ChannelError::Empty);
        }
        if name.len() > Self::LEN_MAX {
            return Err(ChannelError::Length { bytes: name.len() });
        }
        let mut bytes = [0; Self::LEN_MAX];
        let mut at = 0;
        let mut word = 0;
        while at < name.len() {
            match name[at] {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => word += 1,
                b'/' if word > 0 => word = 0,
                _ => return Err(ChannelError::Character { at }),
            }
            bytes[at] = name[at];
            at += 1;
        }
        if word == 0 {
            return Err(ChannelError::Character { at: at - 1 });
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most LEN_MAX, which is below 256"
        )]
        Ok(Self {
            bytes,
            len: name.len() as u8,
        })
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }

    /// Whether the host itself gives this channel (`medium/…`), to VCs that were granted its power.
    pub fn is_of_the_medium(&self) -> bool {
        self.bytes.starts_with(b"medium/")
    }
}

impl FromStr for Channel {
    type Err = ChannelError;

    fn from_str(name: &str) -> Result<Self, ChannelError> {
        Self::check(name.as_bytes())
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

/// Why some text does not name a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// There is no text.
    #[error("a channel's name has at least one character")]
    Empty,
    /// The text is too long.
    #[error(
        "a channel's name has at most {} bytes, this one has {bytes}",
        Channel::LEN_MAX
    )]
    Length {
        /// How many there were.
        bytes: usize,
    },
    /// A character is not one of a name, or stands where it may not.
    #[error("byte {at} does not belong into a channel's name (a-z 0-9 - _ . and single / between)")]
    Character {
        /// Where it stands, from 0.
        at: usize,
    },
}

/// Which way a part touches a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Polarity {
    /// The part calls it: an import of its code.
    Needs,
    /// The part answers it: an export of its code.
    Gives,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_once_at_the_boundary() {
        for name in ["main", "mem/read", "text/eval", "a/b/c", "v1.2_x-y"] {
            assert_eq!(
                name.parse::<Channel>().map(|c| c.to_string()),
                Ok(name.to_owned())
            );
        }
        for name in ["", "/a", "a/", "a//b", "A", "a b", "ä", &"x".repeat(32)] {
            assert!(name.parse::<Channel>().is_err(), "{name}");
        }
    }
}
