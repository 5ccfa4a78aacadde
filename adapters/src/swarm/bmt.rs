//! The binary Merkle tree over a chunk's payload, and a chunk's address.
//!
//! A payload is padded with zeros to 4,096 bytes: 128 segments of 32 bytes. Pairs of them are hashed,
//! then pairs of hashes, seven times, to one root; the address is the hash of the span and the root.
//! Subtrees of nothing but padding are known, so a short payload costs what it has.
//!
//! Rule: Bee `pkg/bmt`, `pkg/cac`.

use std::sync::LazyLock;

use super::keccak::{Hash, each, keccak256, keccak256_of};
use super::reference::Address;
use super::{HASH_BYTES, PAYLOAD_BYTES_MAX, SPAN_BYTES, SwarmError};

/// Two segments, or two hashes.
const PAIR_BYTES: usize = 2 * HASH_BYTES;
/// Pairs of segments in a payload.
const PAIRS_MAX: usize = PAYLOAD_BYTES_MAX / PAIR_BYTES;
/// How often pairs are hashed.
const LEVELS: usize = 7;

const _: () = assert!(PAIRS_MAX == 1 << (LEVELS - 1), "a full tree has one root");

/// The root of a subtree of padding, by its height: that of height 0 is a segment of zeros.
static ZEROS: LazyLock<[Hash; LEVELS + 1]> = LazyLock::new(|| {
    let mut zeros = [[0; HASH_BYTES]; LEVELS + 1];
    for height in 0..LEVELS {
        let child = zeros[height];
        zeros[height + 1] = keccak256_of(&[&child, &child]);
    }
    zeros
});

/// The address of the chunk with this span and payload.
///
/// Cost: 127 hashes of 64 bytes for a full payload, and one of 40.
///
/// # Errors
/// [`SwarmError::Payload`] if the payload exceeds [`PAYLOAD_BYTES_MAX`].
pub fn address(span: [u8; SPAN_BYTES], payload: &[u8]) -> Result<Address, SwarmError> {
    let mut message = [0; SPAN_BYTES + HASH_BYTES];
    message[..SPAN_BYTES].copy_from_slice(&span);
    message[SPAN_BYTES..].copy_from_slice(&root(payload)?);
    Ok(Address(keccak256(&message)))
}

/// The root of the tree over a payload, which does not say how long the payload is.
///
/// # Errors
/// [`SwarmError::Payload`] if the payload exceeds [`PAYLOAD_BYTES_MAX`].
pub fn root(payload: &[u8]) -> Result<Hash, SwarmError> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(SwarmError::Payload {
            bytes: payload.len(),
            max: PAYLOAD_BYTES_MAX,
        });
    }
    let mut below = [0; PAYLOAD_BYTES_MAX];
    below[..payload.len()].copy_from_slice(payload);
    let mut above = [[0; HASH_BYTES]; PAIRS_MAX];
    let mut pairs = payload.len().div_ceil(PAIR_BYTES);
    for height in 0..LEVELS {
        each(
            &below.as_chunks::<PAIR_BYTES>().0[..pairs],
            &mut above[..pairs],
        );
        if height + 1 == LEVELS {
            break;
        }
        // An odd node out is paired with padding as high as it is.
        let nodes = pairs.next_multiple_of(2);
        if nodes > pairs {
            above[pairs] = ZEROS[height + 1];
        }
        below[..nodes * HASH_BYTES].copy_from_slice(above[..nodes].as_flattened());
        pairs = nodes / 2;
    }
    Ok(if pairs == 0 { ZEROS[LEVELS] } else { above[0] })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule, word by word.
    fn plain_root(payload: &[u8]) -> Hash {
        let mut nodes: Vec<Hash> = vec![[0; 32]; 128];
        for (node, segment) in nodes.iter_mut().zip(payload.chunks(32)) {
            node[..segment.len()].copy_from_slice(segment);
        }
        while nodes.len() > 1 {
            nodes = nodes
                .chunks(2)
                .map(|pair| keccak256(pair.as_flattened()))
                .collect();
        }
        nodes[0]
    }

    #[test]
    fn every_length_has_the_root_that_the_rule_gives() {
        let payload: Vec<u8> = (0..4096u32).map(|at| (at % 251) as u8 + 1).collect();
        for len in (0..200).chain([2047, 2048, 2049, 4031, 4032, 4033, 4064, 4095, 4096]) {
            assert_eq!(
                root(&payload[..len]).unwrap(),
                plain_root(&payload[..len]),
                "{len}"
            );
        }
        assert!(matches!(
            root(&[0; 4097]),
            Err(SwarmError::Payload {
                bytes: 4097,
                max: 4096
            })
        ));
    }

    proptest! {
        #[test]
        fn any_payload_has_the_root_that_the_rule_gives(payload in prop::collection::vec(any::<u8>(), 0..=4096)) {
            prop_assert_eq!(root(&payload).unwrap(), plain_root(&payload));
        }
    }
}
