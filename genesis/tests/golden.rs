//! Golden bytes: the format of messages, pinned.
//!
//! Each file of `tests/golden` is one frame in hexadecimal under a comment with its identity. A test
//! that fails here has found another protocol: give it another version. New frames are written by
//! `GENESIS_GOLDEN=write cargo test -p genesis --test golden`, never over one that exists.
#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails is a test that fails"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use genesis::channel::Channel;
use genesis::extent::{Dimension, Extent, Interval};
use genesis::id::{Address, Digest, VcId};
use genesis::literal;
use genesis::message::{Header, Kind, Message, MessageRef};
use genesis::oracle;
use genesis::seal::{self, NodeSecret};
use genesis::time::Time;

const NOW: Time = Time(1_792_540_799_999);

fn secret() -> NodeSecret {
    NodeSecret::new([2; 32])
}

fn root() -> VcId {
    VcId::root(&secret().node_key(), 0)
}

/// A header from the node's first root to that root's first child.
fn header() -> Header {
    Header::new(root(), 7, root().child(0), NOW)
}

fn asked() -> MessageRef {
    MessageRef {
        sender: root().child(0),
        sequence: 3,
    }
}

fn inline(header: Header, contents: &'static [u8]) -> Message {
    Message::inline(header, Bytes::from_static(contents)).unwrap()
}

fn metadata(entries: &[(&str, &'static str)]) -> BTreeMap<String, Bytes> {
    entries
        .iter()
        .map(|&(key, value)| (key.to_owned(), Bytes::from_static(value.as_bytes())))
        .collect()
}

/// A typical message of each kind.
fn of_kind(kind: Kind) -> Message {
    let header = Header { kind, ..header() };
    match kind {
        Kind::Tell => inline(header, b"Hello, World!"),
        Kind::Reply => inline(
            Header {
                channel: Channel::REPLY,
                answers: Some(asked()),
                ..header
            },
            b"(4 9 16 25 36 49)",
        ),
        Kind::Bounce => inline(
            Header {
                channel: Channel::REPLY,
                answers: Some(asked()),
                metadata: metadata(&[("code", "busy"), ("hint", "send it again later")]),
                ..header
            },
            b"mailbox is full (1024 messages)",
        ),
        Kind::Notice => inline(
            Header {
                sender: VcId::NOBODY.into(),
                channel: Channel::TIMER,
                ..header
            },
            &[42, 0, 0, 0, 0, 0, 0, 0],
        ),
        Kind::Internalize | Kind::Upgrade => inline(
            Header {
                decoder: Some(Digest([0xdd; 32])),
                metadata: metadata(&[("type", "application/wasm")]),
                ..header
            },
            b"\0asm\x01\0\0\0",
        ),
        Kind::Deprecate => inline(header, &[0xab; 32]),
        Kind::Stripped => inline(
            Header {
                channel: Channel::STRIPPED,
                metadata: metadata(&[("type", "application/octet-stream")]),
                ..header
            },
            b"a part that nobody needs any more",
        ),
        Kind::Computer => inline(
            Header {
                extent: Extent(BTreeMap::from([(
                    Dimension::Parts,
                    Interval { low: 1, high: 8 },
                )])),
                metadata: metadata(&[("type", "application/vnd.medium.image")]),
                ..header
            },
            b"an image",
        ),
        _ => panic!("a kind without golden bytes: {}", kind.name()),
    }
}

/// A message in which every field says something.
fn full() -> Message {
    let header = Header {
        kind: Kind::Tell,
        sender: Address {
            id: root(),
            path: vec![0, u64::MAX],
        },
        recipient: Address {
            id: root().child(0),
            path: vec![5],
        },
        channel: Channel::known("text/eval"),
        sequence: u64::MAX,
        cause: Some(MessageRef {
            sender: root().child(1),
            sequence: 1,
        }),
        answers: Some(asked()),
        reply_to: Some(root().inner(9).into()),
        decoder: Some(Digest([0xdd; 32])),
        extent: Extent(BTreeMap::from([
            (
                Dimension::Bytes,
                Interval {
                    low: 0,
                    high: i64::MAX,
                },
            ),
            (Dimension::Parts, Interval::point(1)),
            (Dimension::Depth, Interval { low: 0, high: 15 }),
            (Dimension::Channels, Interval { low: 1, high: 256 }),
            (Dimension::Hunger, Interval { low: 0, high: 2 }),
            (
                Dimension::Euler,
                Interval {
                    low: i64::MIN,
                    high: -1,
                },
            ),
            (Dimension::Organs, Interval::point(1)),
            (
                Dimension::Named("self.size".to_owned()),
                Interval::point(-3),
            ),
            (
                Dimension::Named("tests.pass".to_owned()),
                Interval { low: 90, high: 100 },
            ),
        ])),
        metadata: metadata(&[
            ("", "an empty key"),
            ("license", "MIT"),
            ("sprache", "Größe 1,5 µm"),
        ]),
        contacts: vec![
            root().child(2).into(),
            root().child(1).into(),
            Address {
                id: root(),
                path: vec![1],
            },
        ],
        sent_at: NOW,
        expires_at: NOW.plus_ms(genesis::limits::EXPIRY_MAX_MS),
        postage: 21,
        ..header()
    };
    inline(header, b"(cons '4 '(9 16 25 36 49))")
}

/// Contents of 8 GiB: lengths have 64 bits, and what does not fit a message travels by reference.
fn by_reference() -> Message {
    let mut header = header();
    header.contents = Digest([0xee; 32]);
    header.contents_bytes = 8 << 30;
    Message::by_reference(header).unwrap()
}

fn messages() -> Vec<(String, Message)> {
    let kinds = Kind::ALL.map(|kind| (format!("kind-{}", kind.name()), of_kind(kind)));
    let others = [
        ("full", full()),
        ("by-reference", by_reference()),
        ("empty", inline(header(), b"")),
        (
            "literal",
            literal::message(header(), "Hello, World!").unwrap(),
        ),
    ];
    kinds
        .into_iter()
        .chain(others.map(|(name, message)| (name.to_owned(), message)))
        .collect()
}

fn file(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    PathBuf::from(folder).join(format!("{name}.hex"))
}

/// Compares a frame with its file, or writes the file if that is asked for and there is none.
fn check(name: &str, id: &str, frame: &[u8]) {
    let path = file(name);
    if std::env::var("GENESIS_GOLDEN").as_deref() == Ok("write") && !path.exists() {
        let mut text = format!("# {id}\n");
        for line in frame.chunks(32) {
            writeln!(text, "{}", HEXLOWER.encode(line)).unwrap();
        }
        fs::write(&path, text).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (comment, hex) = text.split_once('\n').unwrap();
    assert_eq!(comment, format!("# {id}"), "{name}: another identity");
    let hex: String = hex.split_whitespace().collect();
    assert_eq!(HEXLOWER.encode(frame), hex, "{name}: other bytes");
}

#[test]
fn messages_are_pinned() {
    for (name, message) in messages() {
        let bytes = message.to_bytes().unwrap();
        let id = message.id().unwrap();
        check(&name, &id.to_string(), &bytes);
        assert_eq!(Message::from_bytes(&bytes), Ok((message, id)), "{name}");
        assert!(oracle::message(&bytes), "{name}");
    }
}

#[test]
fn a_sealed_message_is_pinned() {
    let message = full();
    let key = secret().key_of(root());
    let frame = seal::seal(&message, &key).unwrap();
    let id = message.id().unwrap();
    check("sealed", &id.to_string(), &frame);
    assert_eq!(
        seal::open(&frame),
        Ok((message, id, key.verifying_key().to_bytes()))
    );
    assert!(oracle::sealed(&frame) && oracle::decode_reencode(&frame));
}

#[test]
fn no_golden_file_is_forgotten() {
    let mut known: Vec<_> = messages()
        .into_iter()
        .map(|(name, _)| file(&name))
        .collect();
    known.push(file("sealed"));
    known.sort();
    let mut found: Vec<_> = fs::read_dir(file("").parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    assert_eq!(found, known);
}

#[test]
fn lengths_beyond_32_bits_survive() {
    let (message, _) = Message::from_bytes(&by_reference().to_bytes().unwrap()).unwrap();
    assert_eq!(message.header().contents_bytes, 8_589_934_592);
    assert!(message.contents().is_none());
}
