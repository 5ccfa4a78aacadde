//! Laws of the codec: one value, one form; and nothing a stranger sends does harm.
//!
//! [`by_hand`] writes messages from the words of `PROTOCOL.md` alone, without the serializer: a second
//! implementation, and a way to write what the first one never would.
#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use genesis::channel::Channel;
use genesis::extent::{Dimension, Extent, Interval};
use genesis::id::{Address, Digest, VcId};
use genesis::limits::{
    CONTENTS_INLINE_MAX, DEPTH_MAX, EXPIRY_MAX_MS, HEADER_BYTES_MAX, MESSAGE_BYTES_MAX,
    METADATA_ENTRIES_MAX, METADATA_KEY_MAX, METADATA_VALUE_MAX,
};
use genesis::message::{Header, Kind, Message, MessageError, MessageRef};
use genesis::oracle;
use genesis::seal::{self, NodeSecret, SealError};
use genesis::time::Time;
use genesis::wire::{DecodeError, VALUE_BYTES_MAX};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

mod by_hand;

use by_hand::Frame;

// --- Arbitrary messages -------------------------------------------------------------------------

fn id() -> impl Strategy<Value = VcId> {
    any::<[u8; 32]>().prop_map(VcId::from_bytes)
}

fn address() -> impl Strategy<Value = Address> {
    (id(), vec(any::<u64>(), 0..3)).prop_map(|(id, path)| Address { id, path })
}

fn reference() -> impl Strategy<Value = MessageRef> {
    (id(), any::<u64>()).prop_map(|(sender, sequence)| MessageRef { sender, sequence })
}

fn channel() -> impl Strategy<Value = Channel> {
    "[a-z0-9_.-]{1,9}(/[a-z0-9_.-]{1,9}){0,2}".prop_map(|name| name.parse().unwrap())
}

fn extent() -> impl Strategy<Value = Extent> {
    let dimension = prop_oneof![
        proptest::sample::select(&Dimension::DENSE[..]),
        "[a-z]{1,8}\\.[a-z0-9_-]{1,8}".prop_map(Dimension::Named),
    ];
    let interval = any::<(i64, i64)>().prop_map(|(a, b)| Interval {
        low: a.min(b),
        high: a.max(b),
    });
    btree_map(dimension, interval, 0..6).prop_map(Extent)
}

fn header() -> impl Strategy<Value = Header> {
    let names = (
        proptest::sample::select(&Kind::ALL[..]),
        address(),
        address(),
        channel(),
        any::<u64>(),
        option::of(reference()),
        option::of(reference()),
        option::of(address()),
        option::of(any::<[u8; 32]>().prop_map(Digest)),
    );
    let rest = (
        any::<[u8; 32]>().prop_map(Digest),
        any::<u64>(),
        extent(),
        btree_map(
            ".{0,12}",
            vec(any::<u8>(), 0..40).prop_map(Bytes::from),
            0..5,
        ),
        vec(address(), 0..4),
        any::<u64>(),
        0..=EXPIRY_MAX_MS,
        any::<u64>(),
    );
    (names, rest).prop_map(|(names, rest)| {
        let (kind, sender, recipient, channel, sequence, cause, answers, reply_to, decoder) = names;
        let (contents, contents_bytes, extent, metadata, contacts, sent_at, lives_ms, postage) =
            rest;
        let sent_at = Time(sent_at);
        let expires_at = sent_at.plus_ms(lives_ms);
        Header {
            kind,
            sender,
            recipient,
            channel,
            sequence,
            cause,
            answers,
            reply_to,
            decoder,
            contents,
            contents_bytes,
            extent,
            metadata,
            contacts,
            sent_at,
            expires_at,
            postage,
        }
    })
}

fn message() -> impl Strategy<Value = Message> {
    (header(), option::of(vec(any::<u8>(), 0..200))).prop_map(|(header, contents)| match contents {
        Some(contents) => Message::inline(header, contents.into()).unwrap(),
        None => Message::by_reference(header).unwrap(),
    })
}

fn plain() -> Header {
    Header::new(
        VcId::root(&[1; 32], 0),
        1,
        VcId::root(&[1; 32], 1),
        Time(1_000),
    )
}

fn key() -> NodeSecret {
    NodeSecret::new([3; 32])
}

// --- What holds ---------------------------------------------------------------------------------

proptest! {
    #[test]
    fn the_words_of_the_specification_give_the_same_bytes(message in message()) {
        prop_assert_eq!(Frame::of(&message).write(), message.to_bytes()?);
    }

    #[test]
    fn different_messages_have_different_bytes(a in message(), b in message()) {
        prop_assert_eq!(a == b, a.to_bytes()? == b.to_bytes()?);
    }

    #[test]
    fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..600)) {
        oracle::decode_reencode(&bytes);
    }

    #[test]
    fn no_text_does_harm(text in ".{0,80}", id: [u8; 32]) {
        oracle::address(&text);
        oracle::address(&format!("vc:{text}"));
        oracle::address(&format!("{}/{text}", VcId::from_bytes(id)));
        oracle::address(&format!("msg:{text}"));
    }

    #[test]
    fn maps_out_of_order_are_refused(message in message(), swap: prop::sample::Index) {
        let frame = Frame::of(&message);
        for part in [0, 1] {
            let mut frame = Frame { extent: frame.extent.clone(), metadata: frame.metadata.clone(), ..frame };
            let entries = if part == 0 { frame.extent.len() } else { frame.metadata.len() };
            if entries < 2 {
                continue;
            }
            let at = swap.index(entries - 1);
            if part == 0 { frame.extent.swap(at, at + 1) } else { frame.metadata.swap(at, at + 1) }
            refused(&frame.write(), &DecodeError::NotCanonical.into());
        }
    }
}

// Curve arithmetic without optimisation takes milliseconds, so there are fewer cases of these.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_message_reads_back_as_it_was_written(message in message()) {
        let bytes = message.to_bytes()?;
        let (read, id) = Message::from_bytes(&bytes)?;
        prop_assert_eq!(&read, &message);
        prop_assert_eq!(id, message.id()?);
        prop_assert!(oracle::message(&bytes));
    }

    #[test]
    fn a_seal_opens_for_what_it_was_put_on(message in message()) {
        let key = key().key_of(message.header().sender.id);
        let frame = seal::seal(&message, &key)?;
        prop_assert_eq!(&frame, &seal::seal(&message, &key)?);
        let id = message.id()?;
        prop_assert_eq!(seal::open(&frame), Ok((message, id, key.verifying_key().to_bytes())));
        prop_assert!(oracle::sealed(&frame));
    }

    #[test]
    fn a_flipped_bit_breaks_every_seal(message in message(), at: prop::sample::Index, bit in 0..8_u8) {
        let mut frame = seal::seal(&message, &key().key_of(message.header().sender.id))?;
        let at = at.index(frame.len());
        frame[at] ^= 1 << bit;
        prop_assert!(seal::open(&frame).is_err(), "byte {at}, bit {bit}");
    }

    #[test]
    fn no_damage_does_harm(
        message in message(),
        flips in vec((any::<prop::sample::Index>(), 0..8_u8), 1..4),
        keep: prop::sample::Index,
    ) {
        let bytes = message.to_bytes()?;
        let mut damaged = bytes.clone();
        for (at, bit) in flips {
            let at = at.index(damaged.len());
            damaged[at] ^= 1 << bit;
        }
        // What is still a message is another one: the judge checks that it has one form and identity.
        if oracle::message(&damaged) && damaged != bytes {
            prop_assert_ne!(Message::from_bytes(&damaged)?.1, message.id()?);
        }
        let cut = keep.index(bytes.len());
        prop_assert!(!oracle::message(&bytes[..cut]), "a message was understood without its end");
    }
}

// --- What is refused ----------------------------------------------------------------------------

#[track_caller]
fn refused(bytes: &[u8], why: &MessageError) {
    assert_eq!(Message::from_bytes(bytes).as_ref(), Err(why));
}

/// A change to a message that a valid one never has, and the refusal it meets.
#[track_caller]
fn refused_after(change: impl Fn(&mut Frame<'_>), why: &MessageError) {
    let message = Message::inline(plain(), Bytes::from_static(b"Hello, World!")).unwrap();
    let mut frame = Frame::of(&message);
    assert!(oracle::message(&frame.write()));
    change(&mut frame);
    refused(&frame.write(), why);
}

fn bound(what: &'static str, size: u64, max: usize) -> MessageError {
    MessageError::Bound {
        what,
        size,
        max: max as u64,
    }
}

#[test]
fn an_entry_told_twice_is_refused() {
    let not_canonical = DecodeError::NotCanonical.into();
    let entry = |value| ("key".to_owned(), Bytes::from_static(value));
    refused_after(
        |frame| frame.metadata = vec![entry(b"1"), entry(b"1")],
        &not_canonical,
    );
    refused_after(
        |frame| frame.metadata = vec![entry(b"1"), entry(b"2")],
        &not_canonical,
    );
    let axis = (Dimension::Parts, Interval::point(1));
    refused_after(
        |frame| frame.extent = vec![axis.clone(), axis.clone()],
        &not_canonical,
    );
}

#[test]
fn bounds_hold_for_what_is_read() {
    let entries = |n: usize, key: usize, value: usize| {
        (0..n)
            .map(|i| (format!("{i:0>key$}"), Bytes::from(vec![7; value])))
            .collect::<Vec<_>>()
    };
    refused_after(
        |frame| frame.metadata = entries(METADATA_ENTRIES_MAX + 1, 3, 0),
        &bound(
            "metadata entries",
            METADATA_ENTRIES_MAX as u64 + 1,
            METADATA_ENTRIES_MAX,
        ),
    );
    refused_after(
        |frame| frame.metadata = entries(1, METADATA_KEY_MAX + 1, 0),
        &bound(
            "bytes of a metadata key",
            METADATA_KEY_MAX as u64 + 1,
            METADATA_KEY_MAX,
        ),
    );
    refused_after(
        |frame| frame.metadata = entries(1, 1, METADATA_VALUE_MAX + 1),
        &bound(
            "bytes of a metadata value",
            METADATA_VALUE_MAX as u64 + 1,
            METADATA_VALUE_MAX,
        ),
    );
    refused_after(
        |frame| frame.extent = vec![(Dimension::Parts, Interval { low: 2, high: 1 })],
        &MessageError::EmptyExtent {
            dimension: "parts".to_owned(),
            low: 2,
            high: 1,
        },
    );
    let contents = vec![0; CONTENTS_INLINE_MAX + 1];
    let size = contents.len() as u64;
    assert_eq!(
        Message::inline(plain(), contents.into()),
        Err(bound("bytes of inline contents", size, CONTENTS_INLINE_MAX))
    );
}

#[test]
fn bounds_hold_for_what_is_made() {
    let made = |change: &dyn Fn(&mut Header)| {
        let mut header = plain();
        change(&mut header);
        Message::by_reference(header)
    };
    let long = || Address {
        id: VcId::NOBODY,
        path: vec![0; DEPTH_MAX + 1],
    };
    let steps = bound("steps of an address", DEPTH_MAX as u64 + 1, DEPTH_MAX);
    assert_eq!(made(&|h| h.sender = long()), Err(steps.clone()));
    assert_eq!(made(&|h| h.recipient = long()), Err(steps.clone()));
    assert_eq!(made(&|h| h.reply_to = Some(long())), Err(steps.clone()));
    assert_eq!(made(&|h| h.contacts = vec![long()]), Err(steps));
    let lives_ms = EXPIRY_MAX_MS + 1;
    assert_eq!(
        made(&|h| h.expires_at = h.sent_at.plus_ms(lives_ms)),
        Err(MessageError::Expiry { lives_ms })
    );
    for name in ["bytes", "Tests.pass", "tests", "tests.", "☃.x", ""] {
        let named = Dimension::Named(name.to_owned());
        assert_eq!(
            made(&|h| h.extent.0.extend([(named.clone(), Interval::ALL)])),
            Err(MessageError::Dimension {
                name: name.to_owned()
            })
        );
    }
    // Each entry is within its bound, all together are too long for a header.
    let value = Bytes::from(vec![7; METADATA_VALUE_MAX]);
    let message =
        made(&|h| h.metadata = (0..20).map(|n| (n.to_string(), value.clone())).collect()).unwrap();
    assert!(matches!(
        message.to_bytes(),
        Err(MessageError::Bound { what: "bytes of the header", max, .. }) if max == HEADER_BYTES_MAX as u64
    ));
}

#[test]
fn the_longest_message_fits_its_bound() {
    let mut header = plain();
    let value = Bytes::from(vec![7; METADATA_VALUE_MAX]);
    header.metadata = (0..15)
        .map(|n| (format!("{n:02}"), value.clone()))
        .collect();
    let message = Message::inline(header, vec![0; CONTENTS_INLINE_MAX].into()).unwrap();
    let bytes = message.to_bytes().unwrap();
    assert!(bytes.len() <= MESSAGE_BYTES_MAX && oracle::message(&bytes));
    let long = vec![1; MESSAGE_BYTES_MAX + 1];
    refused(
        &long,
        &bound("bytes of a message", long.len() as u64, MESSAGE_BYTES_MAX),
    );
    let long = vec![1; MESSAGE_BYTES_MAX + 257];
    assert!(matches!(
        seal::open(&long),
        Err(SealError::Frame(DecodeError::TooLarge {
            what: "a sealed message",
            ..
        }))
    ));
}

#[test]
fn frames_that_are_no_messages_say_why() {
    let message = Message::inline(plain(), Bytes::from_static(b"Hello, World!")).unwrap();
    let bytes = message.to_bytes().unwrap();
    refused(&[], &DecodeError::Empty.into());
    for found in [0, 2, 255] {
        let mut other = bytes.clone();
        other[0] = found;
        refused(&other, &DecodeError::Version { found, known: 1 }.into());
    }
    let mut longer = bytes.clone();
    longer.extend([0; 3]);
    refused(&longer, &DecodeError::Trailing { extra: 3 }.into());
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    refused(
        &other,
        &MessageError::Contents {
            claimed: message.header().contents,
            claimed_bytes: message.header().contents_bytes,
        },
    );
    for mark in [2, 255] {
        // `cause` is absent: its mark follows kind, two addresses, channel and sequence.
        let mut other = bytes.clone();
        let at = 1 + 4 + 2 * (32 + 8) + (8 + 4) + 8;
        assert_eq!(other[at], 0);
        other[at] = mark;
        assert!(matches!(
            Message::from_bytes(&other),
            Err(MessageError::Decode(DecodeError::Malformed { .. }))
        ));
    }
    let mut other = bytes;
    other[1] = 9;
    assert!(matches!(
        Message::from_bytes(&other),
        Err(MessageError::Decode(DecodeError::Malformed { .. }))
    ));
    for name in ["Tests.pass", "tests", "tests.", "☃.x", ""] {
        let mut frame = Frame::of(&message);
        frame.extent = vec![(Dimension::Named(name.to_owned()), Interval::ALL)];
        assert!(matches!(
            Message::from_bytes(&frame.write()),
            Err(MessageError::Decode(DecodeError::Malformed { .. }))
        ));
    }
}

#[test]
fn a_message_by_reference_may_claim_any_contents() {
    let mut header = plain();
    (header.contents, header.contents_bytes) = (Digest([1; 32]), u64::MAX);
    let bytes = Message::by_reference(header).unwrap().to_bytes().unwrap();
    assert!(oracle::message(&bytes));
}

/// Every byte of one sealed message, signature and key and lengths among them.
#[test]
fn every_byte_of_a_sealed_message_counts() {
    let message = Message::inline(plain(), Bytes::from_static(b"Hello")).unwrap();
    let frame = seal::seal(&message, &key().key_of(message.header().sender.id)).unwrap();
    for at in 0..frame.len() {
        // One bit of each byte, another one each time: all of them take an unoptimised build minutes.
        let mut flipped = frame.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(seal::open(&flipped).is_err(), "byte {at}");
    }
    let mut longer = frame.clone();
    longer.push(0);
    assert!(seal::open(&longer).is_err());
    assert!(seal::open(&frame[..frame.len() - 1]).is_err());
}

// --- Hostile lengths ----------------------------------------------------------------------------

/// The system's allocator, noting the largest piece that this thread ever asked for.
struct Noting;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(bytes: usize) {
    LARGEST.set(LARGEST.get().max(bytes));
}

#[expect(
    unsafe_code,
    reason = "an allocator cannot be written without; it only looks at sizes"
)]
// SAFETY: every call goes to `System` with the arguments it came with.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size);
        // SAFETY: as the caller's.
        unsafe { System.realloc(old, layout, new_size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as the caller's.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

/// The largest piece of memory that reading a frame asks for, message or sealed.
fn largest_allocation(frame: &[u8]) -> usize {
    LARGEST.set(0);
    let _ = Message::from_bytes(frame);
    let _ = seal::open(frame);
    LARGEST.get()
}

/// A message with every list filled, plain and sealed.
fn frames_to_damage() -> [Vec<u8>; 2] {
    let mut header = plain();
    header
        .metadata
        .insert("key".to_owned(), Bytes::from_static(b"value"));
    header.contacts = vec![header.sender.clone()];
    let message = Message::inline(header, Bytes::from_static(b"Hello, World!")).unwrap();
    let sealed = seal::seal(&message, &key().key_of(message.header().sender.id)).unwrap();
    [message.to_bytes().unwrap(), sealed]
}

/// A length beyond the bound of a value costs no more than what any list may reserve: 1 MiB.
#[test]
fn no_hostile_length_makes_us_allocate() {
    let [message, sealed] = frames_to_damage();
    // Where lengths stand: the paths of sender and recipient, channel, contents; message, signature.
    let contents = message.len() - b"Hello, World!".len() - 8;
    let places = [37, 77, 85, contents].map(|at| (&message, at));
    for (frame, at) in places
        .into_iter()
        .chain([(&sealed, 1), (&sealed, sealed.len() - 72)])
    {
        for length in [
            u64::MAX,
            1 << 63,
            1 << 40,
            8 << 30,
            VALUE_BYTES_MAX as u64 + 1,
        ] {
            let mut hostile = frame.clone();
            hostile[at..at + 8].copy_from_slice(&length.to_le_bytes());
            let largest = largest_allocation(&hostile);
            assert!(
                largest <= 1 << 20,
                "{length} at {at}: {largest} bytes were asked for"
            );
        }
    }
}

/// Whatever is written over a frame, reading it asks for no piece beyond the bound of one value.
#[test]
fn no_damage_makes_us_allocate_more_than_a_value() {
    for frame in frames_to_damage() {
        for at in 1..frame.len() - 8 {
            for length in [u64::MAX, VALUE_BYTES_MAX as u64 / 16] {
                let mut hostile = frame.clone();
                hostile[at..at + 8].copy_from_slice(&length.to_le_bytes());
                let largest = largest_allocation(&hostile);
                assert!(largest <= 1 << 20, "{length} at {at}: {largest} bytes");
            }
        }
    }
}
