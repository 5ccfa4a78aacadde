//! Trees and bytes that nobody honest makes.

use proptest::prelude::*;

use super::super::chunk::Chunk;
use super::super::feed::{Dated, Feed, Index, topic};
use super::super::joiner::Joiner;
use super::super::mantaray::{Entry, Manifest};
use super::super::reference::{Address, Recorded, Redundancy};
use super::super::sign::{Owner, Signature};
use super::super::soc::Soc;
use super::super::stamp::Stamp;
use super::super::store::ChunkStore;
use super::*;

/// Stores a chunk that says whatever it is told to.
fn put(chunks: &MemoryChunks, span: u64, payload: &[u8]) -> Address {
    let chunk = Chunk::with_span(span, payload).unwrap();
    chunks.put(&[(chunk.address(), chunk.bytes())]).unwrap();
    chunk.address()
}

fn read(chunks: &MemoryChunks, root: Address) -> Result<Vec<u8>, SwarmError> {
    Joiner::open(chunks, root.into())?.read_all(64 * 1024 * 1024)
}

fn node(chunks: &MemoryChunks, span: u64, children: &[Address]) -> Address {
    let payload: Vec<u8> = children.iter().flat_map(|child| child.0).collect();
    put(chunks, span, &payload)
}

#[test]
fn a_child_must_span_what_its_parent_needs() {
    let chunks = MemoryChunks::default();
    let leaf = |len: usize| put(&chunks, len as u64, &d(len));
    let honest = node(&chunks, 8192, &[leaf(4096), leaf(4096)]);
    assert_eq!(read(&chunks, honest).unwrap().len(), 8192);
    for children in [
        [leaf(4096), leaf(4095)],
        [leaf(1), leaf(4096)],
        [honest, honest],
    ] {
        let bad = read(&chunks, node(&chunks, 8192, &children));
        assert!(matches!(bad, Err(SwarmError::Span { .. })), "{bad:?}");
    }
}

#[test]
fn a_payload_must_fit_its_span() {
    let chunks = MemoryChunks::default();
    let leaf = put(&chunks, 4096, &d(4096));
    for bad in [
        put(&chunks, 3, b"more than three"),
        put(&chunks, 4096, b""),
        put(&chunks, 0, b"x"),
        node(&chunks, 8192, &[leaf]),
        node(&chunks, 8192, &[leaf, leaf, leaf]),
        put(&chunks, 8192, &[0; 63]),
        put(&chunks, 1 << 62, &[0; 4096]),
    ] {
        let refused = read(&chunks, bad);
        assert!(
            matches!(refused, Err(SwarmError::Shape { .. })),
            "{refused:?}"
        );
    }
}

/// 2^61 bytes in ten chunks: every child of a node is the same. It is opened, read anywhere in ten steps,
/// and not read as a whole by who says how much is too much.
#[test]
fn a_small_tree_of_enormous_contents() {
    let chunks = MemoryChunks::default();
    let mut root = put(&chunks, 4096, &[7; 4096]);
    let mut span: u64 = 4096;
    while span < 1 << 61 {
        span *= 128;
        root = node(&chunks, span, &[root; 128]);
    }
    let mut joiner = Joiner::open(&chunks, root.into()).unwrap();
    assert_eq!(joiner.len(), 1 << 61);
    let mut bytes = [0; 5000];
    assert_eq!(joiner.read_at((1 << 60) - 17, &mut bytes).unwrap(), 5000);
    assert_eq!(bytes, [7; 5000]);
    let whole = read(&chunks, root);
    assert!(
        matches!(whole, Err(SwarmError::TooLong { .. })),
        "{whole:?}"
    );
    // A level more would need a bit that marks redundancy.
    let beyond = node(&chunks, 1 << 63, &[root; 4]);
    assert!(read(&chunks, beyond).is_err());
}

#[test]
fn redundant_trees_are_named_as_such() {
    let chunks = MemoryChunks::default();
    for (level, span) in [(1, 0x81u64 << 56), (4, 0x84 << 56)] {
        let refused = read(&chunks, put(&chunks, span | 8192, &[0; 96]));
        let expected = Redundancy::from_level(level).unwrap();
        assert!(
            matches!(refused, Err(SwarmError::Redundancy { level }) if level == expected),
            "{refused:?}"
        );
    }
    assert!(read(&chunks, put(&chunks, 0x80 << 56, b"")).is_err());
    assert!(read(&chunks, put(&chunks, 0x8f << 56, b"")).is_err());
}

/// A store that answers with another chunk, whatever is asked for.
#[derive(Debug)]
struct Liar(Vec<u8>);

impl ChunkStore for Liar {
    fn get(&self, _: &Address) -> Result<Option<bytes::Bytes>, super::super::store::StoreFault> {
        Ok(Some(self.0.clone().into()))
    }

    fn put(&self, _: &[(Address, &[u8])]) -> Result<(), super::super::store::StoreFault> {
        Ok(())
    }
}

#[test]
fn a_store_is_not_trusted() {
    let chunks = MemoryChunks::default();
    let root = store(&chunks, &d(40_000));
    for missing in chunks.addresses() {
        let bytes = chunks.get(&missing).unwrap().unwrap();
        chunks.remove(&missing);
        let refused = read(&chunks, root.address());
        assert!(matches!(refused, Err(SwarmError::Missing { address }) if address == missing));
        chunks.put(&[(missing, &bytes)]).unwrap();
    }
    for lie in [b"".to_vec(), vec![0; 8], vec![0; 4104], vec![0; 4105]] {
        assert!(Joiner::open(&Liar(lie), root).is_err());
    }
    let feed = Feed {
        owner: Owner([1; 20]),
        topic: topic("t"),
    };
    assert!(feed.latest(&Liar(vec![0; 200]), Index(0)).is_err());
}

#[test]
fn another_key_opens_nothing() {
    let chunks = MemoryChunks::default();
    let sealed = split(&d(10_000)[..], &chunks, &encrypted(&KEYS))
        .unwrap()
        .reference();
    let wrong = Reference::Encrypted(sealed.address(), Key([1; 32]));
    assert!(Joiner::open(&chunks, wrong).is_err());
    assert!(Joiner::open(&chunks, sealed.address().into()).is_err());
}

/// Whatever is in the store as a manifest's node.
fn manifest_of(bytes: &[u8]) -> Result<usize, SwarmError> {
    let chunks = MemoryChunks::default();
    let reference = store(&chunks, bytes);
    let mut manifest = Manifest::open(&chunks, reference)?;
    let mut count = 0;
    let walked = manifest.walk(&chunks, b"", 1000, &mut |_, _| {
        count += 1;
        Ok(())
    });
    let _ = (manifest.get(&chunks, b"a"), manifest.remove(&chunks, b"a"));
    let entry = Entry {
        reference: Some(reference),
        ..Entry::default()
    };
    let _ = manifest.insert(&chunks, b"ab", entry);
    let _ = manifest.save(&chunks, &SplitOptions::default());
    walked.map(|()| count)
}

/// A node as honest writers write it, not obfuscated.
fn honest_node() -> Vec<u8> {
    let chunks = MemoryChunks::default();
    let mut manifest = Manifest::default();
    for path in ["a", "b/c", "d"] {
        let entry = Entry::file(Address([1; 32]).into(), "text/plain", path);
        manifest.insert(&chunks, path.as_bytes(), entry).unwrap();
    }
    let reference = manifest.save(&chunks, &SplitOptions::default()).unwrap();
    Joiner::open(&chunks, reference)
        .unwrap()
        .read_all(10_000)
        .unwrap()
}

/// A node whose two forks lead to a node like it, and so on: 2^1000 paths in a thousand chunks.
#[test]
fn a_manifest_of_endless_paths_is_given_up() {
    let chunks = MemoryChunks::default();
    let mut manifest = Manifest::default();
    for path in [b"a", b"b"] {
        let entry = Entry {
            reference: Some(Address([1; 32]).into()),
            ..Entry::default()
        };
        manifest.insert(&chunks, path, entry).unwrap();
    }
    let mut reference = manifest.save(&chunks, &SplitOptions::default()).unwrap();
    let bytes = Joiner::open(&chunks, reference)
        .unwrap()
        .read_all(1000)
        .unwrap();
    for _ in 0..1000 {
        let mut bytes = bytes.clone();
        for fork in [0, 64] {
            // Both forks lead to the node before, and are edges.
            bytes[128 + fork] = 4;
            bytes[128 + fork + 32..128 + fork + 64].copy_from_slice(&reference.address().0);
        }
        reference = store(&chunks, &bytes);
    }
    let manifest = Manifest::open(&chunks, reference).unwrap();
    let walked = manifest.walk(&chunks, b"", 10_000, &mut |_, _| Ok(()));
    assert!(
        matches!(walked, Err(SwarmError::TooMany { max: 10_000 })),
        "{walked:?}"
    );
    assert!(manifest.get(&chunks, &[b'a'; 1001]).unwrap().is_some());
    assert!(manifest.get(&chunks, &[b'a'; 1000]).unwrap().is_none());
}

/// Where things are in [`honest_node`]: the version, the length of references, the index, the first fork
/// and its metadata.
#[test]
fn a_spoilt_node_says_what_is_wrong() {
    let honest = honest_node();
    let check = |at: usize, bytes: &[u8], said: &str| {
        let mut spoilt = honest.clone();
        spoilt[at..at + bytes.len()].copy_from_slice(bytes);
        let refused = manifest_of(&spoilt).unwrap_err().to_string();
        assert!(
            refused.contains(said),
            "{refused:?} where {said:?} was expected"
        );
    };
    check(32, &[0], "it is not of version 0.2");
    check(63, &[31], "a reference: 32 or 64 bytes are needed, not 31");
    check(63, &[0], "bytes too many");
    // `a` is bit 1 of byte 12 of the index; bit 0 would be a backquote.
    check(
        96 + 12,
        &[honest[96 + 12] ^ 3],
        "another byte than the index says",
    );
    check(96, &[1], "another byte than the index says");
    check(128 + 1, &[0], "a prefix has 1 to 30 bytes, not 0");
    check(128 + 1, &[31], "a prefix has 1 to 30 bytes, not 31");
    check(128 + 64, &[0xff, 0xff], "more bytes are needed");
    check(128 + 66, b"[", "metadata of a path");
    check(128 + 66, b"{\"a\":1}", "metadata of a path");
    check(128, &[2], "");
}

#[test]
fn every_shortened_or_lengthened_node_is_refused() {
    let honest = honest_node();
    assert!(
        matches!(manifest_of(&honest), Err(SwarmError::Missing { .. })),
        "it has children"
    );
    for len in 0..honest.len() {
        let refused = manifest_of(&honest[..len]);
        assert!(
            matches!(refused, Err(SwarmError::Malformed { .. })),
            "{len}: {refused:?}"
        );
    }
    let longer = [&honest[..], b"x"].concat();
    assert!(matches!(
        manifest_of(&longer),
        Err(SwarmError::Malformed { .. })
    ));
}

proptest! {
    #[test]
    fn no_bytes_panic_a_decoder(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        let _ = Reference::from_bytes(&bytes);
        let _ = Recorded::from_bytes(&bytes);
        let _ = Stamp::from_bytes(&bytes);
        let _ = Soc::from_bytes(bytes.clone());
        if let Ok(chunk) = Chunk::from_bytes(bytes.clone()) {
            let _ = Dated::from_chunk(&chunk);
            let chunks = MemoryChunks::default();
            chunks.put(&[(chunk.address(), chunk.bytes())]).unwrap();
            let _ = read(&chunks, chunk.address());
            let sealed = Reference::Encrypted(chunk.address(), Key([3; 32]));
            let _ = Joiner::open(&chunks, sealed).and_then(|mut joiner| joiner.read_all(5000));
        }
        let _ = manifest_of(&bytes);
        let _ = String::from_utf8_lossy(&bytes).parse::<Reference>();
    }

    #[test]
    fn no_signature_panics(bytes: [u8; 32], more: [u8; 32], v: u8, digest: [u8; 32]) {
        let mut signature = [0; 65];
        signature[..32].copy_from_slice(&bytes);
        signature[32..64].copy_from_slice(&more);
        for v in [v, 27, 28] {
            signature[64] = v;
            let _ = Signature(signature).recover(&digest);
        }
    }

    #[test]
    fn no_spoilt_node_panics(at in 0usize..600, byte: u8, also in 0usize..600, other: u8) {
        let mut bytes = honest_node();
        for (at, byte) in [(at, byte), (also, other)] {
            if let Some(spoilt) = bytes.get_mut(at) {
                *spoilt = byte;
            }
        }
        let _ = manifest_of(&bytes);
    }

    #[test]
    fn no_tree_hangs(spans: [u64; 4], payload in prop::collection::vec(any::<u8>(), 0..4096), shift in 0u32..64) {
        let chunks = MemoryChunks::default();
        let mut child = put(&chunks, spans[0] >> shift, &payload);
        for span in spans {
            child = node(&chunks, span >> shift, &[child; 3]);
            let _ = read(&chunks, child);
        }
    }
}
