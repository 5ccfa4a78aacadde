//! A frozen VC in a file: what `freeze` writes and `spawn` reads, whole or not at all.
//!
//! ```text
//! offset   bytes   what
//! 0        15      the magic line `medium/1 image\n`, ASCII
//! 15       8       L: length of the sealed message, u64, little-endian
//! 23       L       a sealed message (PROTOCOL.md, Signatures), by reference, of kind `computer`
//! 23 + L   rest    the image's exact bytes (PROTOCOL.md, Images), nothing after them
//! ```
//! The message's header names the image: `contents` is the digest of its exact bytes, `contents_bytes`
//! their number. Sender and recipient are the VC of the image, both without a path; the channel is
//! `main`; `sequence` is 0, because an export is no message of the VC's lane; metadata is one entry,
//! `type` = [`TYPE`]; cause, answers, reply-to, decoder, contacts, extent and postage are absent.
//! `sent_at` is when the VC was frozen. `expires_at` is [`EXPIRY_MAX_MS`] later and is not looked at by
//! readers: a file is not in flight. The signature is by the key of the VC on the node that wrote the
//! file, so every byte of a file is covered: by the magic, by the seal, or by the digest under it.
//!
//! A reader refuses a file whose parts are not exactly these. Whether the key may speak for the VC is
//! the reader's question, as with [`seal::open`]: nothing in an id says which key it has.
#![deny(clippy::indexing_slicing)]

use bytes::Bytes;
use ed25519_dalek::SigningKey;

use crate::id::{Digest, VcId};
use crate::image::Image;
use crate::limits::{EXPIRY_MAX_MS, MESSAGE_BYTES_MAX};
use crate::message::{Header, Kind, Message, MessageError};
use crate::seal::{self, SealError};
use crate::time::Time;
use crate::wire::{DecodeError, EncodeError, VALUE_BYTES_MAX};

/// What a file with a frozen VC begins with.
pub const MAGIC: &[u8] = b"medium/1 image\n";
/// The type that the message names.
pub const TYPE: &str = "application/vnd.medium.image";
/// Longest sealed message of a file, in bytes: refuse.
pub const SEALED_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 256;
/// Longest file, in bytes: refuse.
pub const FILE_BYTES_MAX: usize = MAGIC.len() + 8 + SEALED_BYTES_MAX + VALUE_BYTES_MAX + 1;

/// The bytes of a file for an image, signed with the key of its VC; equal images frozen at one time
/// under one key give equal bytes.
///
/// # Errors
/// [`ExportError::Encode`] or [`ExportError::Message`] if the image is larger than the codec allows.
pub fn write(image: &Image, key: &SigningKey, now: Time) -> Result<Vec<u8>, ExportError> {
    let contents = image.to_bytes()?;
    let header = header(image.id, Digest::of(&contents), contents.len() as u64, now);
    let sealed = seal::seal(&Message::by_reference(header)?, key)?;
    let mut file = Vec::with_capacity(MAGIC.len() + 8 + sealed.len() + contents.len());
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&(sealed.len() as u64).to_le_bytes());
    file.extend_from_slice(&sealed);
    file.extend_from_slice(&contents);
    Ok(file)
}

/// Whether bytes begin as a file with a frozen VC does; they may still be damaged.
pub fn is_export(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Reads a file; gives the image, the key that signed it and the image's digest. Nothing is reserved
/// that the file's own bytes do not fill.
///
/// # Errors
/// [`ExportError`], whichever byte of the file was changed, is missing or too many.
pub fn read(file: &[u8]) -> Result<(Image, [u8; 32], Digest), ExportError> {
    let rest = file.strip_prefix(MAGIC).ok_or(ExportError::NotAnExport)?;
    let (length, rest) = rest.split_first_chunk::<8>().ok_or(ExportError::CutOff)?;
    let size = u64::from_le_bytes(*length);
    if size > SEALED_BYTES_MAX as u64 {
        return Err(DecodeError::TooLarge {
            what: "the sealed message of an export",
            size,
            max: SEALED_BYTES_MAX as u64,
        }
        .into());
    }
    let size = usize::try_from(size).map_err(|_| ExportError::CutOff)?;
    let (sealed, contents) = rest.split_at_checked(size).ok_or(ExportError::CutOff)?;
    let (message, _, key) = seal::open(sealed)?;
    let named = message.header();
    let found = contents.len() as u64;
    if found != named.contents_bytes {
        return Err(ExportError::Length {
            named: named.contents_bytes,
            found,
        });
    }
    let digest = Digest::of(contents);
    if digest != named.contents {
        return Err(ExportError::Digest {
            named: named.contents,
            found: digest,
        });
    }
    let image = Image::from_bytes(contents)?;
    if message.contents().is_some() || *named != header(image.id, digest, found, named.sent_at) {
        return Err(ExportError::Header { id: image.id });
    }
    Ok((image, key, digest))
}

/// The one header that goes with an image.
fn header(id: VcId, contents: Digest, contents_bytes: u64, sent_at: Time) -> Header {
    let mut header = Header::new(id, 0, id, sent_at);
    header.kind = Kind::Computer;
    header.contents = contents;
    header.contents_bytes = contents_bytes;
    header.expires_at = sent_at.plus_ms(EXPIRY_MAX_MS);
    let value = Bytes::from_static(TYPE.as_bytes());
    header.metadata.insert("type".to_owned(), value);
    header
}

/// Why a file is refused, or could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// It is something else.
    #[error("it does not begin with `medium/1 image`")]
    NotAnExport,
    /// The end is missing.
    #[error("it is cut off")]
    CutOff,
    /// The image has not the length that was signed.
    #[error("the image has {found} bytes, {named} were signed")]
    Length {
        /// How many were signed.
        named: u64,
        /// How many are there.
        found: u64,
    },
    /// The image is not the one that was signed.
    #[error("the image was changed: its digest is {found}, {named} was signed")]
    Digest {
        /// The one that was signed.
        named: Digest,
        /// That of the bytes there.
        found: Digest,
    },
    /// The message before the image is not the one that goes with it.
    #[error("the message before the image is not that of an export of {id}")]
    Header {
        /// The VC of the image.
        id: VcId,
    },
    /// The sealed message is damaged, or its signature is wrong.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The image, or a length, is not as the protocol has it.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The message cannot be written.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The image cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::Restart;
    use crate::power::Grants;
    use crate::purse::Purse;
    use crate::seal::NodeSecret;

    const NOW: Time = Time(1_792_540_799_999);

    fn secret() -> NodeSecret {
        NodeSecret::new([2; 32])
    }

    fn image() -> Image {
        Image {
            id: VcId::root(&secret().node_key(), 3),
            host: VcId::root(&secret().node_key(), 0),
            nested: false,
            lineage: Vec::new(),
            name: Some("c".to_owned()),
            description: None,
            parts: Vec::new(),
            next_occurrence: 1,
            grants: Grants::HARMLESS,
            purse: Purse::ENDLESS,
            contacts: Vec::new(),
            contact_names: Vec::new(),
            reshapers: Vec::new(),
            accept: None,
            goal: None,
            restart: Restart::default(),
            sequence: 0,
            births: 0,
            turns: 2,
            trace: Digest::ZERO,
            timers: Vec::new(),
            record: 0,
            idle_ms: 0,
            turn_fuel: 0,
        }
    }

    fn file() -> Vec<u8> {
        write(&image(), &secret().key_of(image().id), NOW).unwrap()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let (read_image, key, digest) = read(&file()).unwrap();
        assert_eq!(read_image, image());
        assert_eq!(key, secret().key_of(image().id).verifying_key().to_bytes());
        assert_eq!(
            digest,
            Digest::of(&image().to_bytes().unwrap()),
            "of its exact bytes"
        );
        assert!(is_export(&file()) && !is_export(b"medium/1 im"));
    }

    /// Regression: a frozen VC carried neither checksum nor signature, and a bit that flipped on a disk
    /// became a VC with another state.
    #[test]
    fn any_flipped_bit_is_refused() {
        let file = file();
        for at in 0..file.len() {
            // An unoptimised verification takes long: there, one bit of each byte must do.
            let bits = if cfg!(debug_assertions) {
                at % 8..at % 8 + 1
            } else {
                0..8
            };
            for bit in bits {
                let mut damaged = file.clone();
                damaged[at] ^= 1 << bit;
                assert!(read(&damaged).is_err(), "byte {at}, bit {bit}");
            }
            let mut damaged = file.clone();
            damaged[at] = !damaged[at];
            assert!(read(&damaged).is_err(), "byte {at}");
            assert!(read(&file[..at]).is_err(), "cut at {at}");
        }
        assert!(read(&[file.as_slice(), &[0]].concat()).is_err(), "one more");
    }

    #[test]
    fn the_message_must_be_that_of_this_image() {
        let contents = image().to_bytes().unwrap();
        let of = |change: &dyn Fn(&mut Header)| {
            let (digest, bytes) = (Digest::of(&contents), contents.len() as u64);
            let mut header = header(image().id, digest, bytes, NOW);
            change(&mut header);
            let message = Message::by_reference(header).unwrap();
            let sealed = seal::seal(&message, &secret().key_of(image().id)).unwrap();
            let length = (sealed.len() as u64).to_le_bytes();
            read(&[MAGIC, &length, &sealed, &contents].concat()).map(drop)
        };
        assert_eq!(of(&|_| {}), Ok(()));
        let refused = Err(ExportError::Header { id: image().id });
        assert_eq!(of(&|h| h.kind = Kind::Tell), refused);
        assert_eq!(of(&|h| h.sender = VcId::NOBODY.into()), refused);
        assert_eq!(of(&|h| h.recipient = VcId::NOBODY.into()), refused);
        assert_eq!(of(&|h| h.sequence = 1), refused);
        assert_eq!(of(&|h| h.metadata.clear()), refused);
        let hostile = [MAGIC, &u64::MAX.to_le_bytes(), b"x"].concat();
        assert!(matches!(
            read(&hostile),
            Err(ExportError::Decode(DecodeError::TooLarge { .. }))
        ));
    }

    /// The format, pinned: a digest that changes here is another format, and needs another magic, or
    /// another version of the image in it.
    #[test]
    fn the_bytes_are_golden() {
        let file = file();
        assert_eq!(&file[..15], b"medium/1 image\n");
        insta::assert_snapshot!(
            format!("{} bytes, blake3 {}", file.len(), Digest::of(&file)),
            @"651 bytes, blake3 bf2e974cefe4101d5877eff35ee415112f3fe8bcbb4d9849ca7bf38b1f182024"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..512),
            length: u64,
            magic: bool,
        ) {
            let length = if magic { length % 512 } else { length };
            let framed = [MAGIC, &length.to_le_bytes(), &bytes].concat();
            prop_assert!(read(&framed).is_err());
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn what_is_spliced_into_a_file_is_refused(
            at in 0_usize..2048,
            cut in 0_usize..64,
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let whole = file();
            let at = at.min(whole.len());
            let to = (at + cut).min(whole.len());
            let changed = [&whole[..at], bytes.as_slice(), &whole[to..]].concat();
            prop_assert_eq!(read(&changed).is_ok(), changed == whole);
        }
    }
}
