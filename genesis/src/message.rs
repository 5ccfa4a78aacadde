//! A message: a virtual computer in flight.
//!
//! Contents, a decoder (how to read and test them) and metadata. Its identity is the digest of its
//! exact bytes, `version ‖ header ‖ contents`; equal messages therefore have equal bytes, and bytes
//! that do not re-encode to themselves are refused.
#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::extent::{Dimension, Extent};
use crate::id::{Address, Digest, MessageId, VcId};
use crate::limits::{
    CONTENTS_INLINE_MAX, DEPTH_MAX, DIMENSIONS_MAX, EXPIRY_MAX_MS, HEADER_BYTES_MAX,
    MESSAGE_BYTES_MAX, MESSAGE_CONTACTS_MAX, METADATA_ENTRIES_MAX, METADATA_KEY_MAX,
    METADATA_VALUE_MAX,
};
use crate::time::Time;
use crate::wire::{self, DecodeError, EncodeError};

/// The version byte every message begins with.
pub const VERSION: u8 = 1;

/// What a message asks of its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Kind {
    /// Something for a channel of the receiver.
    Tell,
    /// The answer to a message.
    Reply,
    /// A message comes back with a reason.
    Bounce,
    /// The medium itself speaks: a timer, a birth, a watched VC that stopped.
    Notice,
    /// Take this part into your body.
    Internalize,
    /// This part of your body is outdated: strip it.
    Deprecate,
    /// Replace a part of your body by this one.
    Upgrade,
    /// A part that was stripped, offered to whoever wants it.
    Stripped,
    /// A whole VC: a strong message.
    Computer,
}

impl Kind {
    /// Every kind, in the order of their numbers on the wire.
    pub const ALL: [Self; 9] = [
        Self::Tell,
        Self::Reply,
        Self::Bounce,
        Self::Notice,
        Self::Internalize,
        Self::Deprecate,
        Self::Upgrade,
        Self::Stripped,
        Self::Computer,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tell => "tell",
            Self::Reply => "reply",
            Self::Bounce => "bounce",
            Self::Notice => "notice",
            Self::Internalize => "internalize",
            Self::Deprecate => "deprecate",
            Self::Upgrade => "upgrade",
            Self::Stripped => "stripped",
            Self::Computer => "computer",
        }
    }
}

/// Names one message of one sender: the sender and its lane sequence.
///
/// Cheaper than a digest (a message that stays inside a node is never encoded) and as unique: a sender
/// numbers its messages itself and never twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageRef {
    /// Who sent it.
    pub sender: VcId,
    /// Which of its messages.
    pub sequence: u64,
}

/// Everything about a message but its contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What it asks.
    pub kind: Kind,
    /// Who sent it.
    pub sender: Address,
    /// Who shall have it.
    pub recipient: Address,
    /// By which channel.
    pub channel: Channel,
    /// The sender's own counter; gaps are allowed, repetition is not.
    pub sequence: u64,
    /// The message whose turn sent this one; none for what began outside.
    pub cause: Option<MessageRef>,
    /// The message this one answers or brings back.
    pub answers: Option<MessageRef>,
    /// Where answers shall go, if not to the sender.
    pub reply_to: Option<Address>,
    /// The code that reads and tests the contents; without one they are *untestable*.
    pub decoder: Option<Digest>,
    /// Digest of the contents.
    pub contents: Digest,
    /// Length of the contents, in bytes.
    pub contents_bytes: u64,
    /// The box the message occupies.
    pub extent: Extent,
    /// Further facts, sorted by key.
    pub metadata: BTreeMap<String, Bytes>,
    /// Addresses handed over: the receiver may keep them as contacts.
    pub contacts: Vec<Address>,
    /// When it was sent.
    pub sent_at: Time,
    /// From when on nobody shall act on it.
    pub expires_at: Time,
    /// What was paid for its way, in motes.
    pub postage: u64,
}

impl Header {
    /// A header with nothing said that need not be: from, to, when.
    pub fn new(sender: VcId, sequence: u64, recipient: impl Into<Address>, sent_at: Time) -> Self {
        Self {
            kind: Kind::Tell,
            sender: sender.into(),
            recipient: recipient.into(),
            channel: Channel::MAIN,
            sequence,
            cause: None,
            answers: None,
            reply_to: None,
            decoder: None,
            contents: Digest::of(&[]),
            contents_bytes: 0,
            extent: Extent::default(),
            metadata: BTreeMap::new(),
            contacts: Vec::new(),
            sent_at,
            expires_at: sent_at.plus_ms(crate::limits::EXPIRY_DEFAULT_MS),
            postage: 0,
        }
    }

    /// Checks all bounds that the types cannot carry.
    fn check(&self) -> Result<(), MessageError> {
        let bound = |what, size: usize, max: usize| {
            if size > max {
                return Err(MessageError::Bound {
                    what,
                    size: size as u64,
                    max: max as u64,
                });
            }
            Ok(())
        };
        bound(
            "metadata entries",
            self.metadata.len(),
            METADATA_ENTRIES_MAX,
        )?;
        for (key, value) in &self.metadata {
            bound("bytes of a metadata key", key.len(), METADATA_KEY_MAX)?;
            bound("bytes of a metadata value", value.len(), METADATA_VALUE_MAX)?;
        }
        bound("contacts", self.contacts.len(), MESSAGE_CONTACTS_MAX)?;
        bound(
            "dimensions of the extent",
            self.extent.0.len(),
            DIMENSIONS_MAX + Dimension::DENSE.len(),
        )?;
        for address in [
            Some(&self.sender),
            Some(&self.recipient),
            self.reply_to.as_ref(),
        ]
        .into_iter()
        .flatten()
        .chain(&self.contacts)
        {
            bound("steps of an address", address.path.len(), DEPTH_MAX)?;
        }
        if let Some((dimension, box_)) = self.extent.0.iter().find(|(_, i)| i.low > i.high) {
            return Err(MessageError::EmptyExtent {
                dimension: dimension.to_string(),
                low: box_.low,
                high: box_.high,
            });
        }
        let misnamed = |dimension: &&Dimension| match dimension {
            Dimension::Named(name) => name.parse().as_ref() != Ok(*dimension),
            _ => false,
        };
        if let Some(dimension) = self.extent.0.keys().find(misnamed) {
            return Err(MessageError::Dimension {
                name: dimension.to_string(),
            });
        }
        let lives_ms = self.expires_at.since_ms(self.sent_at);
        if lives_ms > EXPIRY_MAX_MS {
            return Err(MessageError::Expiry { lives_ms });
        }
        Ok(())
    }
}

/// A message with its contents, or with a reference to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    header: Header,
    /// The contents, if they travel inside; else whoever needs them asks by digest.
    inline: Option<Bytes>,
}

impl Message {
    /// A message whose contents travel inside; the header's digest and length are set from them.
    ///
    /// # Errors
    /// [`MessageError`] if the header or the contents are beyond their bounds.
    pub fn inline(mut header: Header, contents: Bytes) -> Result<Self, MessageError> {
        if contents.len() > CONTENTS_INLINE_MAX {
            return Err(MessageError::Bound {
                what: "bytes of inline contents",
                size: contents.len() as u64,
                max: CONTENTS_INLINE_MAX as u64,
            });
        }
        header.contents = Digest::of(&contents);
        header.contents_bytes = contents.len() as u64;
        header.check()?;
        Ok(Self {
            header,
            inline: Some(contents),
        })
    }

    /// A message whose contents are elsewhere, under the digest that the header names.
    ///
    /// # Errors
    /// [`MessageError`] if the header is beyond its bounds.
    pub fn by_reference(header: Header) -> Result<Self, MessageError> {
        header.check()?;
        Ok(Self {
            header,
            inline: None,
        })
    }

    /// Everything but the contents.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The contents, unless they travel by reference.
    pub const fn contents(&self) -> Option<&Bytes> {
        self.inline.as_ref()
    }

    /// Names this message among those of its sender.
    pub const fn reference(&self) -> MessageRef {
        MessageRef {
            sender: self.header.sender.id,
            sequence: self.header.sequence,
        }
    }

    /// The exact bytes of the message.
    ///
    /// # Errors
    /// [`MessageError::Bound`] if the header takes more than [`HEADER_BYTES_MAX`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, MessageError> {
        let mut bytes = wire::encode(VERSION, &self.header)?;
        if bytes.len() > HEADER_BYTES_MAX {
            return Err(MessageError::Bound {
                what: "bytes of the header",
                size: bytes.len() as u64,
                max: HEADER_BYTES_MAX as u64,
            });
        }
        wire::encode_into(&mut bytes, &self.inline)?;
        Ok(bytes)
    }

    /// The identity of the message: the digest of its bytes.
    ///
    /// # Errors
    /// As [`Message::to_bytes`].
    pub fn id(&self) -> Result<MessageId, MessageError> {
        Ok(MessageId(Digest::of(&self.to_bytes()?)))
    }

    /// Reads a message from its exact bytes, and its identity.
    ///
    /// # Errors
    /// [`MessageError`]: too long, another version, malformed, beyond a bound, contents that are not
    /// those of the digest, or bytes that are not the canonical form of what they say.
    pub fn from_bytes(bytes: &[u8]) -> Result<(Self, MessageId), MessageError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(MessageError::Bound {
                what: "bytes of a message",
                size: bytes.len() as u64,
                max: MESSAGE_BYTES_MAX as u64,
            });
        }
        let (&found, rest) = bytes.split_first().ok_or(DecodeError::Empty)?;
        if found != VERSION {
            return Err(DecodeError::Version {
                found,
                known: VERSION,
            }
            .into());
        }
        let (header, read) = wire::decode_prefix::<Header>(rest)?;
        let rest = rest.get(read..).unwrap_or_default();
        let (inline, read) = wire::decode_prefix::<Option<Bytes>>(rest)?;
        if read < rest.len() {
            return Err(DecodeError::Trailing {
                extra: rest.len() - read,
            }
            .into());
        }
        let claimed = (header.contents, header.contents_bytes);
        let message = match inline {
            Some(contents) => Self::inline(header, contents)?,
            None => Self::by_reference(header)?,
        };
        if (message.header.contents, message.header.contents_bytes) != claimed {
            return Err(MessageError::Contents {
                claimed: claimed.0,
                claimed_bytes: claimed.1,
            });
        }
        if message.to_bytes()? != bytes {
            return Err(DecodeError::NotCanonical.into());
        }
        Ok((message, MessageId(Digest::of(bytes))))
    }
}

/// Why something is not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The bytes are not a message.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The message cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Something is larger than the protocol allows.
    #[error("{what}: {size}, at most {max} are allowed")]
    Bound {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The bound.
        max: u64,
    },
    /// The contents are not those that the header names.
    #[error("the contents are not those of the header ({claimed}, {claimed_bytes} bytes)")]
    Contents {
        /// The digest that the header names.
        claimed: Digest,
        /// The length that the header names.
        claimed_bytes: u64,
    },
    /// An interval of the extent holds no integer.
    #[error("the extent is empty in {dimension}: from {low} to {high}")]
    EmptyExtent {
        /// In which dimension.
        dimension: String,
        /// Its lower end.
        low: i64,
        /// Its upper end.
        high: i64,
    },
    /// The extent names a dimension that has no such name.
    #[error("`{name}` names no dimension: {}", crate::extent::NotADimension)]
    Dimension {
        /// The name.
        name: String,
    },
    /// The message would live too long.
    #[error("the message would live {lives_ms} ms, at most {EXPIRY_MAX_MS} (30 days) are allowed")]
    Expiry {
        /// How long, in milliseconds.
        lives_ms: u64,
    },
}
