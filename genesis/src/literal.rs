//! Literals: `"Hello, World!"` and `3.14` are virtual computers too.
//!
//! A literal is the shared VC [`SAY`], which constantly outputs what it was given, with the bytes as
//! its argument. The bytes travel, the VC is what is meant. *Law 11*: lifting a literal and lowering it
//! again is the identity, down to the bytes of the message that carries it.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::message::{Header, Message, MessageError};
use crate::native::native_digest;

/// The VC that every literal is.
pub const SAY: NativeRef = NativeRef::known("say", 1);
/// The metadata entry that names the media type of the contents.
pub const TYPE_KEY: &str = "type";
/// The type of a literal that is text.
pub const TYPE_TEXT: &str = "text/plain;charset=utf-8";
/// The type of a literal that is not.
pub const TYPE_BYTES: &str = "application/octet-stream";

/// Names a native behaviour. Two nodes mean the same code by the same name and version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NativeRef {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its version; one that behaves differently has another.
    pub version: u32,
}

impl NativeRef {
    /// A behaviour that the source text names.
    pub const fn known(name: &'static str, version: u32) -> Self {
        Self {
            name: Cow::Borrowed(name),
            version,
        }
    }

    /// What stands for the code wherever a digest is asked for, as in a message's `decoder`.
    pub fn digest(&self) -> Digest {
        native_digest(&self.name, self.version)
    }
}

impl fmt::Display for NativeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} v{}", self.name, self.version)
    }
}

/// A literal as what it is: a VC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// What runs: for a literal, [`SAY`].
    pub code: NativeRef,
    /// What it is given at its start.
    pub argument: Bytes,
}

/// The VC that a literal stands for.
pub fn lift(literal: impl Into<Bytes>) -> Lifted {
    Lifted {
        code: SAY,
        argument: literal.into(),
    }
}

/// The literal that stands for a VC, if the VC is one.
pub fn lower(lifted: &Lifted) -> Option<Bytes> {
    (lifted.code == SAY).then(|| lifted.argument.clone())
}

/// A message that carries a literal. Sets the header's decoder to [`SAY`] and, unless the header names
/// a type, [`TYPE_KEY`] to that of the bytes.
///
/// # Errors
/// As [`Message::inline`].
pub fn message(mut header: Header, literal: impl Into<Bytes>) -> Result<Message, MessageError> {
    let literal = literal.into();
    header.decoder = Some(SAY.digest());
    header
        .metadata
        .entry(TYPE_KEY.to_owned())
        .or_insert_with(|| Bytes::from_static(type_of(&literal).as_bytes()));
    Message::inline(header, literal)
}

/// The VC that the contents of a message stand for; none if the message carries no literal, or carries
/// it by reference.
pub fn lift_message(message: &Message) -> Option<Lifted> {
    if message.header().decoder != Some(SAY.digest()) {
        return None;
    }
    message.contents().cloned().map(lift)
}

fn type_of(literal: &[u8]) -> &'static str {
    if std::str::from_utf8(literal).is_ok() {
        TYPE_TEXT
    } else {
        TYPE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::VcId;
    use crate::time::Time;
    use proptest::prelude::*;

    fn header() -> Header {
        Header::new(
            VcId::root(&[1; 32], 0),
            1,
            VcId::root(&[1; 32], 1),
            Time(1_000),
        )
    }

    proptest! {
        /// Law 11, first half: on bytes.
        #[test]
        fn lowering_inverts_lifting(literal: Vec<u8>) {
            let literal = Bytes::from(literal);
            prop_assert_eq!(lower(&lift(literal.clone())), Some(literal));
        }

        /// Law 11, second half: a message whose contents were lifted and lowered on the way is the
        /// same message.
        #[test]
        fn a_message_survives_being_lifted_and_lowered(literal: Vec<u8>) {
            let sent = message(header(), literal.clone())?;
            let lifted = lift_message(&sent).expect("a literal's message carries a literal");
            prop_assert_eq!(&lifted, &lift(literal));
            let lowered = lower(&lifted).expect("what was lifted can be lowered");
            let again = Message::inline(sent.header().clone(), lowered)?;
            prop_assert_eq!(again.to_bytes()?, sent.to_bytes()?);
        }
    }

    #[test]
    fn text_and_bytes_are_told_apart() {
        let type_of = |literal: &'static [u8]| {
            let message = message(header(), literal).unwrap();
            message.header().metadata[TYPE_KEY].clone()
        };
        assert_eq!(type_of(b"Hello, World!"), TYPE_TEXT);
        assert_eq!(type_of(b"3.14"), TYPE_TEXT);
        assert_eq!(type_of(&[0xff, 0xfe]), TYPE_BYTES);
    }

    #[test]
    fn a_type_that_the_sender_names_is_kept() {
        let mut header = header();
        header
            .metadata
            .insert(TYPE_KEY.to_owned(), "application/json".into());
        let message = message(header, "{}").unwrap();
        assert_eq!(message.header().metadata[TYPE_KEY], "application/json");
    }

    #[test]
    fn only_literals_are_lowered() {
        let other = Lifted {
            code: NativeRef::known("echo", 1),
            argument: Bytes::from_static(b"x"),
        };
        assert_eq!(lower(&other), None);
        assert_eq!(
            lift_message(&Message::inline(header(), Bytes::new()).unwrap()),
            None
        );
    }
}
