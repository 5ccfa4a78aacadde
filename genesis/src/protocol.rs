//! The text of the protocol, and its digest: the address at which nodes of one medium meet.

use std::sync::OnceLock;

use crate::id::Digest;

/// The normative specification, byte for byte. One changed byte is another medium.
pub const PROTOCOL: &str = include_str!("../PROTOCOL.md");

/// The digest of [`PROTOCOL`]: the genesis address.
pub fn digest_of_protocol() -> Digest {
    static DIGEST: OnceLock<Digest> = OnceLock::new();
    *DIGEST.get_or_init(|| Digest::of(PROTOCOL.as_bytes()))
}

/// Code and text must not drift apart: whatever the code names, the text names.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Channel;
    use crate::extent::Dimension;
    use crate::id::{VcId, domain};
    use crate::limits;
    use crate::literal::{SAY, TYPE_BYTES, TYPE_KEY, TYPE_TEXT};
    use crate::message::{self, Header, Kind, Message};
    use crate::power::Power;
    use crate::purse::Coin;
    use crate::refusal::Code;
    use crate::seal;
    use crate::time::Time;

    /// Where lines break does not matter.
    fn plain(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn says(what: impl AsRef<str>) {
        static TEXT: OnceLock<String> = OnceLock::new();
        let (text, what) = (TEXT.get_or_init(|| plain(PROTOCOL)), plain(what.as_ref()));
        assert!(text.contains(&what), "PROTOCOL.md does not say: {what}");
    }

    #[test]
    fn the_text_lists_every_name() {
        for code in Code::ALL {
            says(format!("| `{code}` |"));
        }
        for (number, power) in Power::ALL.into_iter().enumerate() {
            says(format!("| {number} | `{power}` |"));
        }
        for coin in Coin::ALL {
            says(format!("| `{coin}` |"));
        }
        for (number, dimension) in Dimension::DENSE.into_iter().enumerate() {
            says(format!("| {number} | `{dimension}` |"));
        }
        for channel in [
            Channel::MAIN,
            Channel::REPLY,
            Channel::TIMER,
            Channel::START,
            Channel::DOWN,
            Channel::STRIPPED,
            Channel::LISTING,
        ] {
            says(format!("| `{channel}` |"));
        }
    }

    #[test]
    fn the_text_numbers_kinds_as_the_codec_does() {
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            says(format!("| {number} | `{}` |", kind.name()));
            let mut header = Header::new(VcId::NOBODY, 0, VcId::NOBODY, Time::ZERO);
            header.kind = kind;
            let message = Message::by_reference(header).unwrap().to_bytes().unwrap();
            assert_eq!(message[1..5], u32::try_from(number).unwrap().to_le_bytes());
        }
    }

    #[test]
    fn the_text_has_every_domain() {
        for domain in [
            domain::ROOT,
            domain::CHILD,
            domain::KEY,
            domain::SEAL,
            domain::NATIVE,
            domain::PART,
            domain::BODY,
            domain::TRACE,
        ] {
            says(format!("| `{}` |", str::from_utf8(domain).unwrap()));
        }
    }

    #[test]
    fn the_text_has_the_bounds_of_the_code() {
        let grouped = |n: u64| {
            let digits = n.to_string();
            let mut text = String::new();
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at).is_multiple_of(3) {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        };
        for (what, bound) in [
            (
                "bytes of an encoded header",
                limits::HEADER_BYTES_MAX as u64,
            ),
            (
                "bytes of contents inside a message",
                limits::CONTENTS_INLINE_MAX as u64,
            ),
            ("bytes of a message", limits::MESSAGE_BYTES_MAX as u64),
            (
                "bytes of a sealed message",
                limits::MESSAGE_BYTES_MAX as u64 + 256,
            ),
            (
                "entries of a message's metadata",
                limits::METADATA_ENTRIES_MAX as u64,
            ),
            ("bytes of a metadata key", limits::METADATA_KEY_MAX as u64),
            (
                "bytes of a metadata value",
                limits::METADATA_VALUE_MAX as u64,
            ),
            ("contacts of a message", limits::MESSAGE_CONTACTS_MAX as u64),
            (
                "dimensions of an extent or a shape",
                limits::DIMENSIONS_MAX as u64,
            ),
            (
                "steps of an address; nesting of bodies",
                limits::DEPTH_MAX as u64,
            ),
            ("parts of a body", limits::PARTS_MAX as u64),
            ("channels of a part", limits::PART_CHANNELS_MAX as u64),
            ("links of a part", limits::PART_LINKS_MAX as u64),
            ("channels of a body", limits::BODY_CHANNELS_MAX as u64),
            ("bytes of a pattern's text", limits::PATTERN_TEXT_MAX as u64),
            (
                "parentheses nested in a pattern",
                limits::PATTERN_DEPTH_MAX as u64,
            ),
            (
                "pieces a containment may take",
                limits::COVER_PIECES_MAX as u64,
            ),
            ("boxes of a pattern", limits::PATTERN_BOXES_MAX as u64),
            ("effects of a turn", limits::EFFECTS_MAX as u64),
            ("contacts of a VC", limits::CONTACTS_MAX as u64),
            ("bytes of a channel's name", Channel::LEN_MAX as u64),
            (
                "milliseconds a message lives by default",
                limits::EXPIRY_DEFAULT_MS,
            ),
            ("milliseconds a message may live", limits::EXPIRY_MAX_MS),
            (
                "bytes of one encoded value",
                crate::wire::VALUE_BYTES_MAX as u64,
            ),
        ] {
            says(format!("| {what} | {} |", grouped(bound)));
        }
    }

    #[test]
    fn the_text_has_versions_and_literals() {
        says(format!("| message | {} |", message::VERSION));
        says(format!("| sealed message | {} |", seal::VERSION));
        says(format!("| image | {} |", crate::image::VERSION));
        says(format!("native `{}`, version {}", SAY.name, SAY.version));
        for word in [TYPE_KEY, TYPE_TEXT, TYPE_BYTES] {
            says(format!("`{word}`"));
        }
    }

    /// The test vectors of appendix A, made by the code.
    #[test]
    fn the_text_has_the_vectors_of_the_code() {
        let root = VcId::root(&[1; 32], 0);
        says(root.to_string());
        says(root.child(0).to_string());
        says(root.inner(0).to_string());
        says(SAY.digest().to_string());
        says(Digest::of_fields(domain::BODY, &[]).to_string());
        let header = Header::new(root, 1, root.child(0), Time(1_000));
        let hello = crate::literal::message(header, "Hello, World!").unwrap();
        says(hello.id().unwrap().to_string());
        let hex = data_encoding::HEXLOWER.encode(&hello.to_bytes().unwrap());
        let text: String = PROTOCOL.split_whitespace().collect();
        assert!(
            text.contains(&hex),
            "PROTOCOL.md lacks the bytes of the message:\n{hex}"
        );
    }

    #[test]
    fn the_text_is_plain_and_its_digest_is_taken_once() {
        assert!(
            !PROTOCOL.contains('\r'),
            "line ends are part of the digest: check .gitattributes"
        );
        assert!(PROTOCOL.ends_with('\n'));
        assert_eq!(digest_of_protocol(), Digest::of(PROTOCOL.as_bytes()));
        assert_ne!(digest_of_protocol(), Digest::ZERO);
    }
}
