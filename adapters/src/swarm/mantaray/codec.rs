//! A node's bytes.
//!
//! ```text
//! obfuscation key 32 ‖ ( version 31 ‖ r 1 ‖ entry r ‖ index 32 ‖ forks ) XOR key, repeated
//! fork: kind 1 ‖ prefix length 1 ‖ prefix 30 ‖ reference r [ ‖ size 2 ‖ metadata ]
//! ```
//!
//! The version is the hash of `mantaray:0.2` without its last byte. Bit `b % 8` of byte `b / 8` of the index
//! says that there is a fork whose prefix begins with `b`; forks are in that order. Metadata, if a fork's
//! kind says so, are a size as `u16` **big-endian** and JSON as Go writes it, filled up with newlines.
//!
//! Rule: Bee `pkg/manifest/mantaray/marshal.go`.
#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::node::{Fork, Node, PREFIX_BYTES_MAX, kind};
use crate::swarm::reference::Reference;
use crate::swarm::{HASH_BYTES, SwarmError};

/// `keccak("mantaray:0.2")` without its last byte.
const VERSION: [u8; VERSION_BYTES] = [
    0x57, 0x68, 0xb3, 0xb6, 0xa7, 0xdb, 0x56, 0xd2, 0x1d, 0x1a, 0xbf, 0xf4, 0x0d, 0x41, 0xce, 0xbf,
    0xc8, 0x34, 0x48, 0xfe, 0xd8, 0xd7, 0xe9, 0xb0, 0x6e, 0xc0, 0xd3, 0xb0, 0x73, 0xf2, 0x8f,
];
const VERSION_BYTES: usize = HASH_BYTES - 1;
/// Key, version and length of references.
const HEADER_BYTES: usize = HASH_BYTES + VERSION_BYTES + 1;
/// Kind and prefix of a fork.
const FORK_HEAD_BYTES: usize = 2 + PREFIX_BYTES_MAX;
/// One bit for each byte that a prefix may begin with.
const INDEX_BYTES: usize = 32;
/// The size in front of metadata.
const SIZE_BYTES: usize = 2;
/// Metadata and their size are filled up to a multiple of this.
const METADATA_STEP: usize = 32;
/// Longest node, in bytes: every fork with as much metadata as its size can say.
pub(super) const NODE_BYTES_MAX: usize = HEADER_BYTES
    + Reference::ENCRYPTED_BYTES
    + INDEX_BYTES
    + 256 * (FORK_HEAD_BYTES + Reference::ENCRYPTED_BYTES + SIZE_BYTES + u16::MAX as usize);

const WHAT: &str = "a manifest's node";

/// The bytes of a node whose children are stored.
pub(super) fn encode(node: &Node) -> Result<Vec<u8>, SwarmError> {
    let length = u8::try_from(node.reference_bytes)
        .map_err(|_| SwarmError::malformed(WHAT, "its references are too long"))?;
    let mut bytes = node.obfuscation.to_vec();
    bytes.extend_from_slice(&VERSION);
    bytes.push(length);
    match node.entry {
        Some(entry) => entry.write_to(&mut bytes),
        None => bytes.resize(bytes.len() + node.reference_bytes, 0),
    }
    let forks = || node.forks.iter().flatten();
    let mut index = [0; INDEX_BYTES];
    for (first, _) in forks() {
        if let Some(byte) = index.get_mut(usize::from(first / 8)) {
            *byte |= 1 << (first % 8);
        }
    }
    bytes.extend_from_slice(&index);
    for (_, fork) in forks() {
        encode_fork(fork, node.reference_bytes, &mut bytes)?;
    }
    obfuscate(&mut bytes);
    Ok(bytes)
}

fn encode_fork(fork: &Fork, reference_bytes: usize, out: &mut Vec<u8>) -> Result<(), SwarmError> {
    let reference = fork
        .node
        .saved
        .filter(|reference| reference.len_bytes() == reference_bytes)
        .ok_or_else(|| {
            let reason = format!(
                "entries have references of {reference_bytes} bytes, and nodes must have the same"
            );
            SwarmError::malformed(WHAT, reason)
        })?;
    let length = u8::try_from(fork.prefix.len())
        .ok()
        .filter(|length| usize::from(*length) <= PREFIX_BYTES_MAX)
        .ok_or_else(|| SwarmError::malformed(WHAT, "a prefix is too long"))?;
    out.extend_from_slice(&[fork.node.kind, length]);
    out.extend_from_slice(&fork.prefix);
    out.resize(out.len() + PREFIX_BYTES_MAX - fork.prefix.len(), 0);
    reference.write_to(out);
    if fork.node.kind & kind::METADATA != 0 {
        let json = metadata_json(&fork.node.metadata)?;
        let size = u16::try_from(json.len()).map_err(|_| SwarmError::TooLong {
            what: "metadata of a path",
            bytes: json.len() as u64,
            max: u64::from(u16::MAX),
        })?;
        out.extend_from_slice(&size.to_be_bytes());
        out.extend_from_slice(&json);
    }
    Ok(())
}

/// Metadata as Go's `json.Marshal` writes a map, and the newlines behind it.
fn metadata_json(metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, SwarmError> {
    let json = serde_json::to_string(metadata)
        .map_err(|error| SwarmError::malformed("metadata of a path", error.to_string()))?;
    // These occur in strings only, so they may be replaced wherever they are.
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    let mut json = escaped.into_bytes();
    let sized = json.len() + SIZE_BYTES;
    if sized != METADATA_STEP {
        // Beyond one step, an exact multiple gets another step: that is Bee's rule too.
        json.resize(json.len() + METADATA_STEP - sized % METADATA_STEP, b'\n');
    }
    Ok(json)
}

/// XORs all behind the key with the key.
fn obfuscate(bytes: &mut [u8]) {
    if let Some((key, rest)) = bytes.split_first_chunk_mut::<HASH_BYTES>() {
        for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
    }
}

/// Reads a node's bytes into `node`, whose kind and metadata its parent's fork has given.
///
/// Nothing is longer in memory than in the bytes, a few small allocations per fork aside.
pub(super) fn decode(bytes: &[u8], node: &mut Node) -> Result<(), SwarmError> {
    let mut plain = bytes.to_vec();
    obfuscate(&mut plain);
    let mut rest = &plain[..];
    let obfuscation = take::<HASH_BYTES>(&mut rest)?;
    match take::<VERSION_BYTES>(&mut rest)? {
        VERSION => {}
        _ => return Err(SwarmError::malformed(WHAT, "it is not of version 0.2")),
    }
    let [reference_bytes] = take(&mut rest)?;
    let reference_bytes = usize::from(reference_bytes);
    let entry = take_reference(reference_bytes, &mut rest)?;
    let index = take::<INDEX_BYTES>(&mut rest)?;
    let mut forks = BTreeMap::new();
    for first in 0..=u8::MAX {
        let byte = index.get(usize::from(first / 8)).copied().unwrap_or(0);
        if byte >> (first % 8) & 1 == 1 {
            let fork = decode_fork(reference_bytes, &mut rest)?;
            if fork.prefix.first() != Some(&first) {
                return Err(SwarmError::malformed(
                    WHAT,
                    "a prefix begins with another byte than the index says",
                ));
            }
            forks.insert(first, fork);
        }
    }
    if !rest.is_empty() {
        let reason = format!("{} bytes too many", rest.len());
        return Err(SwarmError::malformed(WHAT, reason));
    }
    if !forks.is_empty() {
        node.kind |= kind::EDGE;
    }
    node.reference_bytes = reference_bytes;
    node.obfuscation = obfuscation;
    node.entry = entry;
    node.forks = Some(forks);
    Ok(())
}

fn decode_fork(reference_bytes: usize, rest: &mut &[u8]) -> Result<Fork, SwarmError> {
    let [kind, length] = take(rest)?;
    let prefix = take::<PREFIX_BYTES_MAX>(rest)?;
    let prefix = prefix
        .get(..usize::from(length))
        .filter(|prefix| !prefix.is_empty())
        .ok_or_else(|| {
            let reason = format!("a prefix has 1 to {PREFIX_BYTES_MAX} bytes, not {length}");
            SwarmError::malformed(WHAT, reason)
        })?
        .to_vec();
    let reference = Reference::from_bytes(take_slice(reference_bytes, rest)?)?;
    let mut node = Node::stored(reference);
    node.kind = kind;
    if kind & kind::METADATA != 0 {
        let size = u16::from_be_bytes(take(rest)?);
        let json = take_slice(usize::from(size), rest)?;
        if !json.is_empty() {
            node.metadata = serde_json::from_slice(json)
                .map_err(|error| SwarmError::malformed("metadata of a path", error.to_string()))?;
        }
    }
    Ok(Fork {
        prefix,
        node: Box::new(node),
    })
}

/// An entry; none if it is zeros, or if the node has no references.
fn take_reference(bytes: usize, rest: &mut &[u8]) -> Result<Option<Reference>, SwarmError> {
    let entry = take_slice(bytes, rest)?;
    if entry.iter().all(|byte| *byte == 0)
        && matches!(bytes, 0 | HASH_BYTES | Reference::ENCRYPTED_BYTES)
    {
        return Ok(None);
    }
    Reference::from_bytes(entry).map(Some)
}

fn take<const LEN: usize>(rest: &mut &[u8]) -> Result<[u8; LEN], SwarmError> {
    let (taken, left) = rest
        .split_first_chunk::<LEN>()
        .ok_or_else(|| short(LEN, rest))?;
    *rest = left;
    Ok(*taken)
}

fn take_slice<'b>(len: usize, rest: &mut &'b [u8]) -> Result<&'b [u8], SwarmError> {
    let (taken, left) = rest.split_at_checked(len).ok_or_else(|| short(len, rest))?;
    *rest = left;
    Ok(taken)
}

fn short(needed: usize, rest: &[u8]) -> SwarmError {
    let reason = format!("{needed} more bytes are needed, {} are left", rest.len());
    SwarmError::malformed(WHAT, reason)
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::swarm::keccak::keccak256;
    use crate::swarm::mantaray::Entry;
    use crate::swarm::reference::Address;
    use crate::swarm::store::Nowhere;

    #[test]
    fn the_version_is_the_hash_of_its_name() {
        assert_eq!(keccak256(b"mantaray:0.2")[..VERSION_BYTES], VERSION);
    }

    /// The node of Bee's `TestMarshal`: an obfuscated node of five forks, one with metadata, whose children
    /// have the references 0 to 4. Its 480 bytes are known by their hash.
    #[test]
    fn an_obfuscated_node_has_the_bytes_that_bee_gives_it() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let key = hex("52fdfc072182654f163f5f0f9a621d729566c74d10037c4d7bbb0407d1e2c649");
        let mut node = Node::new(key.try_into().unwrap(), 0);
        for path in ["/", "aaaaa", "cc", "d", "ee"] {
            let mut address = [0; HASH_BYTES];
            address[HASH_BYTES - path.len()..].copy_from_slice(path.as_bytes());
            let metadata = match path {
                "/" => [("index-document".to_owned(), "aaaaa".to_owned())].into(),
                _ => BTreeMap::new(),
            };
            let reference = Some(Address(address).into());
            let entry = Entry {
                reference,
                metadata,
            };
            node.insert(&Nowhere, path.as_bytes(), entry).unwrap();
        }
        for (number, fork) in (0..).zip(node.forks.as_mut().unwrap().values_mut()) {
            let mut address = [0; HASH_BYTES];
            address[HASH_BYTES - 1] = number;
            fork.node.saved = Some(Address(address).into());
        }
        let bytes = encode(&node).unwrap();
        assert_eq!(bytes.len(), 480);
        let expected = "dbdd66491649c12c7f21f2c1016288080db1fec65bf77d51c0d9c44d19f1a7fe";
        assert_eq!(keccak256(&bytes).to_vec(), hex(expected));

        let mut read = Node::stored(Address::ZERO.into());
        decode(&bytes, &mut read).unwrap();
        assert_eq!(encode(&read).unwrap(), bytes);
        let metadata = &read.forks.as_ref().unwrap()[&b'/'].node.metadata;
        assert_eq!(metadata["index-document"], "aaaaa");
    }

    #[test]
    fn metadata_are_filled_up_as_bee_does() {
        for (value, len) in [
            (0, 30),
            (22, 30),
            (23, 30 + 32),
            (53, 62),
            (54, 30 + 64),
            (55, 94),
        ] {
            let metadata = [("k".to_owned(), "v".repeat(value))].into();
            // The JSON has 8 bytes around the value.
            let json = metadata_json(&metadata).unwrap();
            assert_eq!(json.len(), len, "{value}");
        }
        let metadata = [("a".to_owned(), "<&>\u{2028}\n\u{8}ä".to_owned())].into();
        let json = String::from_utf8(metadata_json(&metadata).unwrap()).unwrap();
        assert_eq!(json.trim_end(), r#"{"a":"\u003c\u0026\u003e\u2028\n\bä"}"#);
    }
}
