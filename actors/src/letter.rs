//! A message inside a node: a light value, encoded only when it is stored, internalized or shown.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use genesis::channel::Channel;
use genesis::extent::Extent;
use genesis::id::{Address, Digest, VcId};
use genesis::limits::EXPIRY_DEFAULT_MS;
use genesis::message::{Header, Kind, Message, MessageError, MessageRef};
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::contents::Reference;
use crate::handle::Handle;

/// The contents of a letter: a few bytes in place, more of them shared, very many elsewhere.
///
/// As bytes, contents by reference are the 40 of the reference: digest, then length as `u64`,
/// little-endian. Cloned contents are the same contents, so what is sent on or kept is the reference.
#[derive(Clone)]
pub enum Contents {
    /// At most [`Contents::SMALL_MAX`] bytes, held in place.
    Small {
        /// How many of them count.
        len: u8,
        /// The bytes, zero-padded.
        bytes: [u8; Self::SMALL_MAX],
    },
    /// More bytes, shared between all who hold them.
    Shared(Bytes),
    /// Bytes that are not in memory: over [`CONTENTS_INLINE_MAX`](genesis::limits::CONTENTS_INLINE_MAX).
    Far(Arc<Reference>),
}

impl Contents {
    /// Most bytes that are held in place.
    pub const SMALL_MAX: usize = 30;
    /// No bytes.
    pub const EMPTY: Self = Self::Small {
        len: 0,
        bytes: [0; Self::SMALL_MAX],
    };

    /// The bytes as text, if they are, and are here.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Far(_) => None,
            _ => std::str::from_utf8(self).ok(),
        }
    }

    /// Which contents they are, if they are elsewhere.
    pub fn reference(&self) -> Option<&Reference> {
        match self {
            Self::Far(reference) => Some(reference),
            _ => None,
        }
    }

    /// How many bytes they have, wherever they are.
    pub fn total(&self) -> u64 {
        self.reference().map_or(self.len() as u64, Reference::len)
    }

    /// The bytes they take of a mailbox's bound.
    pub(crate) fn weight(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    /// The bytes, shared; of contents elsewhere, those of the reference.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Small { .. } | Self::Far(_) => Bytes::copy_from_slice(self),
            Self::Shared(bytes) => bytes.clone(),
        }
    }
}

impl Deref for Contents {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Small { len, bytes } => &bytes[..usize::from(*len)],
            Self::Shared(bytes) => bytes,
            Self::Far(reference) => reference.as_bytes(),
        }
    }
}

impl From<&[u8]> for Contents {
    fn from(slice: &[u8]) -> Self {
        match u8::try_from(slice.len()) {
            Ok(len) if slice.len() <= Self::SMALL_MAX => {
                let mut bytes = [0; Self::SMALL_MAX];
                bytes[..slice.len()].copy_from_slice(slice);
                Self::Small { len, bytes }
            }
            _ => Self::Shared(Bytes::copy_from_slice(slice)),
        }
    }
}

impl From<&str> for Contents {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<String> for Contents {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<Bytes> for Contents {
    fn from(bytes: Bytes) -> Self {
        if bytes.len() <= Self::SMALL_MAX {
            bytes.as_ref().into()
        } else {
            Self::Shared(bytes)
        }
    }
}

impl From<Vec<u8>> for Contents {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<u64> for Contents {
    fn from(number: u64) -> Self {
        number.to_le_bytes().as_slice().into()
    }
}

impl PartialEq for Contents {
    fn eq(&self, other: &Self) -> bool {
        **self == **other && self.reference().is_some() == other.reference().is_some()
    }
}

impl Eq for Contents {}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reference) = self.reference() {
            return reference.fmt(f);
        }
        match self.as_text() {
            Some(text) if text.len() <= 80 => write!(f, "{text:?}"),
            _ => write!(f, "{} bytes", self.len()),
        }
    }
}

impl Serialize for Contents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mark = &Reference::MARK[..];
        match self {
            Self::Far(reference) => {
                serializer.serialize_bytes(&[mark, &[1], reference.as_bytes()].concat())
            }
            bytes if bytes.starts_with(mark) => {
                serializer.serialize_bytes(&[mark, &[0], bytes].concat())
            }
            bytes => serializer.serialize_bytes(bytes),
        }
    }
}

impl<'de> Deserialize<'de> for Contents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bytes = Bytes::deserialize(deserializer)?;
        let Some(rest) = bytes.strip_prefix(&Reference::MARK[..]) else {
            return Ok(Self::from(bytes));
        };
        if rest.first() == Some(&0) {
            return Ok(Self::from(bytes.split_off(Reference::MARK.len() + 1)));
        }
        let reference = rest
            .strip_prefix(&[1])
            .and_then(|rest| rest.try_into().ok());
        let reference = reference.map(|bytes| Self::Far(Arc::new(Reference::unheld(bytes))));
        reference.ok_or_else(|| serde::de::Error::custom("a reference to contents that is none"))
    }
}

/// What most letters do not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// See [`Header::metadata`].
    pub metadata: BTreeMap<String, Bytes>,
    /// See [`Header::contacts`].
    pub contacts: Vec<VcId>,
    /// See [`Header::reply_to`].
    pub reply_to: Option<VcId>,
    /// Who asked, if the answer goes to somebody else.
    pub asker: Option<VcId>,
    /// The sequence that an answer names, if this message was sent on: that of the first in the chain.
    pub question: Option<u64>,
    /// See [`Header::decoder`].
    pub decoder: Option<Digest>,
    /// See [`Header::extent`].
    pub extent: Extent,
    /// Idempotency key: the same key is accepted once, until it expires.
    pub key: Option<Digest>,
    /// Whether its sender had the power `reshape` when it sent this.
    pub reshapes: bool,
}

/// A message inside a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Who shall have it.
    pub to: VcId,
    /// Who sent it.
    pub from: VcId,
    #[serde(skip)]
    pub(crate) to_handle: Handle,
    #[serde(skip)]
    pub(crate) from_handle: Handle,
    /// The sender's own counter.
    pub sequence: u64,
    /// The sequence of the message that is answered or brought back; 0 if none.
    pub answers: u64,
    /// The message whose turn sent this one; sequence 0 if it began outside.
    pub cause: MessageRef,
    /// When it was sent.
    pub sent_at: Time,
    /// From when on nobody shall act on it.
    pub expires_at: Time,
    /// What it asks.
    pub kind: Kind,
    /// Whether the log knows it and must learn its end.
    #[serde(skip)]
    pub(crate) logged: bool,
    /// Whether something not yet on disk led to it.
    #[serde(skip)]
    pub(crate) ahead: bool,
    /// By which channel.
    pub channel: Channel,
    /// The contents.
    pub contents: Contents,
    /// The rest.
    pub extra: Option<Box<Extra>>,
}

/// Nothing in particular: the cause of what began outside.
pub(crate) const NO_CAUSE: MessageRef = MessageRef {
    sender: VcId::NOBODY,
    sequence: 0,
};

impl Letter {
    /// A letter to the main channel, sent now, that lives a day.
    pub fn new(
        from: VcId,
        sequence: u64,
        to: VcId,
        contents: impl Into<Contents>,
        now: Time,
    ) -> Self {
        Self {
            to,
            from,
            to_handle: Handle::NONE,
            from_handle: Handle::NONE,
            sequence,
            answers: 0,
            cause: NO_CAUSE,
            sent_at: now,
            expires_at: now.plus_ms(EXPIRY_DEFAULT_MS),
            kind: Kind::Tell,
            logged: false,
            ahead: false,
            channel: Channel::MAIN,
            contents: contents.into(),
            extra: None,
        }
    }

    /// A letter by which the medium brings back, or ends, message `sequence` of `to`, with the reason.
    pub(crate) fn bounce(to: VcId, sequence: u64, why: &Refusal, now: Time) -> Self {
        let mut letter = Self::new(VcId::NOBODY, sequence, to, why.what.as_str(), now);
        letter.answers = sequence;
        letter.tell_why(why);
        letter
    }

    /// Makes it one that brings another back.
    pub(crate) fn tell_why(&mut self, why: &Refusal) {
        self.kind = Kind::Bounce;
        self.channel = Channel::REPLY;
        let facts = &mut self.extra_mut().metadata;
        facts.insert(
            "code".to_owned(),
            Bytes::from_static(why.code.name().as_bytes()),
        );
        for (key, value) in [("who", &why.who), ("hint", &why.hint)] {
            if let Some(value) = value {
                facts.insert(key.to_owned(), Bytes::copy_from_slice(value.as_bytes()));
            }
        }
    }

    /// The reason that a bounce gives; none if this is no bounce.
    pub fn refusal(&self) -> Option<Refusal> {
        if self.kind != Kind::Bounce {
            return None;
        }
        let fact = |key: &str| {
            let value = self.extra.as_ref()?.metadata.get(key)?;
            std::str::from_utf8(value).ok().map(str::to_owned)
        };
        let code = fact("code")
            .and_then(|name| Code::named(&name))
            .unwrap_or(Code::Internal);
        let what = String::from_utf8_lossy(&self.contents).into_owned();
        Some(Refusal {
            code,
            what,
            who: fact("who"),
            hint: fact("hint"),
        })
    }

    /// The sequence that an answer to this letter names.
    pub(crate) fn question(&self) -> u64 {
        let sent_on = self.extra.as_deref().and_then(|extra| extra.question);
        sent_on.unwrap_or(self.sequence)
    }

    /// Numbers what nobody says, so that its reference is its own: the log and its receiver tell letters
    /// apart by it. A digest of what it says, so that the number depends on nothing else.
    pub(crate) fn number(&mut self) {
        let channel = self.channel.to_string();
        let digest = Digest::of_fields(
            b"medium/1 notice",
            &[
                self.to.as_bytes(),
                channel.as_bytes(),
                &self.answers.to_le_bytes(),
                &self.sent_at.0.to_le_bytes(),
                &self.contents,
            ],
        );
        let (number, _) = digest.0.split_first_chunk::<8>().unwrap_or((&[1; 8], &[]));
        self.sequence = u64::from_le_bytes(*number).max(1);
    }

    /// Names the letter among those of its sender.
    pub const fn reference(&self) -> MessageRef {
        MessageRef {
            sender: self.from,
            sequence: self.sequence,
        }
    }

    /// What most letters do not have, for this one.
    pub fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Reads at most `len` bytes of the contents from `offset` on, wherever they are; fewer where they
    /// end. Blocks, if they are elsewhere, for as long as a disk takes.
    ///
    /// # Errors
    /// [`Refusal`]: `unknown` or `corrupt` if they are elsewhere and gone or damaged, `io`.
    pub fn read(&self, offset: u64, len: usize) -> Result<Bytes, Refusal> {
        if let Some(reference) = self.contents.reference() {
            return reference.read(offset, len);
        }
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.contents.len());
        let until = from.saturating_add(len).min(self.contents.len());
        Ok(self.contents.to_bytes().slice(from..until))
    }

    /// The bytes it takes of a mailbox's bound.
    pub fn weight(&self) -> u32 {
        self.contents.weight()
    }

    /// The message as it is encoded, stored and shown.
    ///
    /// # Errors
    /// [`MessageError`] if something is beyond the protocol's bounds.
    pub fn to_message(&self) -> Result<Message, MessageError> {
        let mut header = Header::new(self.from, self.sequence, self.to, self.sent_at);
        header.kind = self.kind;
        header.channel = self.channel;
        header.cause = (self.cause.sequence != 0).then_some(self.cause);
        header.expires_at = self.expires_at;
        let mut asker = self.to;
        if let Some(extra) = self.extra.as_deref() {
            header.reply_to = extra.reply_to.map(Address::from);
            header.decoder = extra.decoder;
            header.extent = extra.extent.clone();
            header.metadata.clone_from(&extra.metadata);
            if let Some(question) = extra.question {
                let value = Bytes::copy_from_slice(&question.to_le_bytes());
                header.metadata.insert("question".to_owned(), value);
            }
            header.contacts = extra.contacts.iter().copied().map(Address::from).collect();
            asker = extra.asker.unwrap_or(asker);
        }
        header.answers = (self.answers != 0).then_some(MessageRef {
            sender: asker,
            sequence: self.answers,
        });
        if let Some(reference) = self.contents.reference() {
            header.contents = reference.digest();
            header.contents_bytes = reference.len();
            return Message::by_reference(header);
        }
        Message::inline(header, self.contents.to_bytes())
    }
}

/// What a courier brings: all of a letter that is not the same in each of them.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) to: VcId,
    pub(crate) sequence: u64,
    pub(crate) sent_at: Time,
    pub(crate) contents: Contents,
}

/// Boxes of letters that have had their end, for letters to come: a thread that sends as many as it
/// reads allocates nothing.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the boxes are what is kept")]
pub(crate) struct Spare {
    letters: Vec<Box<Letter>>,
    /// Where sandboxed code puts its answers.
    pub(crate) answer: Vec<u8>,
}

impl Spare {
    /// How many are kept: a mebibyte's worth.
    const LEN_MAX: usize = 4 * 1024;

    /// A box with this letter in it.
    #[inline]
    pub(crate) fn fill(&mut self, letter: Letter) -> Box<Letter> {
        match self.letters.pop() {
            Some(mut spare) => {
                *spare = letter;
                spare
            }
            None => Box::new(letter),
        }
    }

    /// Keeps the box of a letter that nobody needs any more; what the letter held is let go at once.
    #[inline]
    pub(crate) fn keep(&mut self, mut letter: Box<Letter>) {
        if self.letters.len() < Self::LEN_MAX {
            letter.contents = Contents::EMPTY;
            letter.extra = None;
            self.letters.push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_small() {
        // 240 bytes: what every queued message costs, beside contents over SMALL_MAX.
        assert!(size_of::<Letter>() <= 256, "{}", size_of::<Letter>());
        assert!(size_of::<Contents>() <= 40);
    }
}
