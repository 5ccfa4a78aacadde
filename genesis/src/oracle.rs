//! What must hold of any bytes and any text: the judges of fuzz targets and property tests.
//!
//! Each takes what a stranger may send. Either it is refused, and the judge answers `false`, or it is
//! understood, and then it must read back as what it was written as.
//! A judge that panics has found a law broken; that is a defect of this crate, never of the bytes.

use crate::id::{Address, MessageId};
use crate::message::Message;
use crate::pattern::Pattern;
use crate::seal::{self, NodeSecret};

/// Any frame: a message or a sealed message. The judges [`message`] and [`sealed`] both look at it.
///
/// # Panics
/// If the law is broken.
pub fn decode_reencode(frame: &[u8]) -> bool {
    let message = message(frame);
    let sealed = sealed(frame);
    assert!(
        !(message && sealed),
        "one frame, two meanings: {frame:02x?}"
    );
    message || sealed
}

/// A message: one value has one form, one form has one identity, and a seal over it can be opened.
///
/// # Panics
/// If the law is broken.
pub fn message(bytes: &[u8]) -> bool {
    let Ok((message, id)) = Message::from_bytes(bytes) else {
        return false;
    };
    assert_eq!(
        message.to_bytes().as_deref(),
        Ok(bytes),
        "a message has another form"
    );
    assert_eq!(message.id(), Ok(id), "a message has another identity");
    let key = NodeSecret::new([7; 32]).key_of(message.header().sender.id);
    let frame = seal::seal(&message, &key).expect("what was read can be sealed");
    let opened = seal::open(&frame);
    assert_eq!(
        opened,
        Ok((message, id, key.verifying_key().to_bytes())),
        "a seal does not open"
    );
    true
}

/// A sealed message: what is inside is a message, and its bytes stand in the frame as they are.
///
/// # Panics
/// If the law is broken.
pub fn sealed(frame: &[u8]) -> bool {
    let Ok((inside, id, key)) = seal::open(frame) else {
        return false;
    };
    let bytes = inside.to_bytes().expect("what was read can be written");
    assert_eq!(
        id,
        MessageId(crate::id::Digest::of(&bytes)),
        "the identity is of other bytes"
    );
    // version 1, length 8, message, key 32, length 8, signature 64: PROTOCOL.md, "Seals".
    assert_eq!(
        frame.len(),
        9 + bytes.len() + 32 + 8 + 64,
        "a sealed frame has bytes to spare"
    );
    assert_eq!(
        frame.get(9..9 + bytes.len()),
        Some(&*bytes),
        "the frame holds another message"
    );
    assert_eq!(
        frame.get(9 + bytes.len()..41 + bytes.len()),
        Some(&key[..]),
        "another key"
    );
    message(&bytes)
}

/// An address, or the name of a message: what is read is shown so that it reads the same.
///
/// # Panics
/// If the law is broken.
pub fn address(text: &str) -> bool {
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(
            address.to_string().parse(),
            Ok(address),
            "an address reads back otherwise"
        );
        return true;
    }
    if let Ok(id) = text.parse::<MessageId>() {
        assert_eq!(id.to_string(), text, "a message's name has another form");
        return true;
    }
    false
}

/// A pattern: what is read is shown so that it reads the same, in the same words.
///
/// # Panics
/// If the law is broken.
pub fn pattern(text: &str) -> bool {
    let Ok(pattern) = text.parse::<Pattern>() else {
        return false;
    };
    let shown = pattern.to_string();
    let again = shown.parse::<Pattern>();
    assert_eq!(
        again.as_ref(),
        Ok(&pattern),
        "a pattern reads back otherwise: {shown}"
    );
    assert_eq!(
        again.map(|again| again.to_string()),
        Ok(shown),
        "a pattern has two texts"
    );
    true
}
