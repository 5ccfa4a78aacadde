//! What is split is joined again.

use std::io::{Read, Seek, SeekFrom};

use proptest::prelude::*;

use super::super::chunk::Chunk;
use super::super::joiner::Joiner;
use super::super::splitter::over;
use super::super::store::ChunkStore;
use super::*;

/// Contents that differ from chunk to chunk.
fn contents(len: usize) -> Vec<u8> {
    let word = |at: usize| {
        (at as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(word).collect();
    bytes.truncate(len);
    bytes
}

/// Splits, and reads the whole and a range back, in every way there is.
fn check(len: usize, keys: Option<&dyn encrypt::Keys>, range: std::ops::Range<usize>) -> Outcome {
    let contents = contents(len);
    let chunks = MemoryChunks::default();
    let options = SplitOptions {
        threads: 3,
        keys,
        ..SplitOptions::default()
    };
    let split = split(&contents[..], &chunks, &options)?;
    assert_eq!(split.len, len as u64);
    let mut joiner = Joiner::open(&chunks, split.reference())?;
    assert_eq!(joiner.len(), len as u64);
    assert!(joiner.read_all(len)? == contents, "{len} bytes");
    let range = range.start.min(len)..range.end.min(len);
    let expected = &contents[range.clone()];
    let mut found = vec![0; expected.len()];
    assert_eq!(joiner.read_at(range.start as u64, &mut found)?, found.len());
    assert!(found == expected, "{range:?} of {len}");
    for threads in [1, 3] {
        let mut copied = Vec::new();
        let written = joiner.copy_to(range.start as u64..range.end as u64, &mut copied, threads)?;
        assert_eq!(written, expected.len() as u64);
        assert!(copied == expected, "{range:?} of {len}");
    }
    joiner.seek(SeekFrom::Start(range.start as u64))?;
    let mut rest = Vec::new();
    joiner.read_to_end(&mut rest)?;
    assert!(rest == contents[range.start..]);
    assert_eq!(joiner.read_at(len as u64, &mut [0])?, 0);
    assert_eq!(joiner.read_at(u64::MAX, &mut [0])?, 0);
    Ok(())
}

#[test]
fn lengths_around_every_boundary() {
    let plain = [0, 32, 4096, 2 * 4096, 128 * 4096];
    let sealed = [0, 32, 4096, 2 * 4096, 64 * 4096];
    for (boundary, sealed) in plain
        .map(|at| (at, false))
        .into_iter()
        .chain(sealed.map(|at| (at, true)))
    {
        for len in [boundary - 1i64, boundary, boundary + 1] {
            let Ok(len) = usize::try_from(len) else {
                continue;
            };
            let keys: Option<&dyn encrypt::Keys> = if sealed { Some(&KEYS) } else { None };
            check(len, keys, len - len / 10..len).unwrap();
        }
    }
}

/// Trees with three levels of nodes and a lone leaf behind them, of which few chunks differ.
#[test]
fn deep_trees() {
    let keys: [Option<&dyn encrypt::Keys>; 2] = [None, Some(&KEYS)];
    for keys in keys {
        let chunks = MemoryChunks::default();
        let options = SplitOptions {
            keys,
            ..SplitOptions::default()
        };
        let width = if keys.is_some() { 64 } else { 128 };
        let branch = contents(width * 4096);
        for (count, tail) in [
            (width, 1),
            (width, 0),
            (2 * width + 1, 5000),
            (width * width, 33),
        ] {
            let part = split(&branch[..], &chunks, &options).unwrap();
            let last = (tail > 0).then(|| split(&branch[..tail], &chunks, &options).unwrap());
            let parts = std::iter::repeat_n(part, count).chain(last);
            let split = over(parts, &chunks, &options).unwrap();
            let len = (count * branch.len() + tail) as u64;
            assert_eq!(split.len, len);
            let mut joiner = Joiner::open(&chunks, split.reference()).unwrap();
            for at in [0, 1, len / 2 - 3, len - 6000] {
                let mut found = vec![0; 6000];
                assert_eq!(joiner.read_at(at, &mut found).unwrap(), 6000);
                let ends = (count * branch.len()) as u64;
                for (at, byte) in (at..).zip(found) {
                    let at = if at < ends {
                        at % branch.len() as u64
                    } else {
                        at - ends
                    };
                    assert_eq!(byte, branch[usize::try_from(at).unwrap()]);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_range_of_any_contents(len in 0usize..300_000, from in 0usize..300_000, count in 0usize..100_000, sealed: bool) {
        let keys: Option<&dyn encrypt::Keys> = if sealed { Some(&KEYS) } else { None };
        check(len, keys, from..from + count).unwrap();
    }
}

/// What a feed's update holds is read without the store having its root.
#[test]
fn a_root_at_hand_is_enough() {
    let chunks = MemoryChunks::default();
    let contents = contents(10_000);
    let root = store(&chunks, &contents).address();
    let chunk = Chunk::verify(root, chunks.get(&root).unwrap().unwrap()).unwrap();
    chunks.remove(&root);
    let mut joiner = Joiner::of(&chunks, &chunk).unwrap();
    assert_eq!(joiner.read_all(10_000).unwrap(), contents);
}

#[test]
fn equal_secrets_give_equal_chunks_and_others_none() {
    let chunks = MemoryChunks::default();
    let contents = contents(300_000);
    let once = split(&contents[..], &chunks, &encrypted(&KEYS)).unwrap();
    let count = chunks.count();
    let twice = split(&contents[..], &chunks, &encrypted(&KEYS)).unwrap();
    assert_eq!(once, twice);
    assert_eq!(chunks.count(), count);
    let other = encrypt::Convergent::new([8; HASH_BYTES]);
    let third = split(&contents[..], &chunks, &encrypted(&other)).unwrap();
    assert_ne!(key(&once.reference()), key(&third.reference()));
    assert_eq!(chunks.count(), 2 * count);
}

#[test]
fn a_source_of_keys_that_fails_is_reported() {
    let keys = encrypt::Fresh(|_: &mut [u8; 32]| Err("no entropy".to_owned()));
    let failed = split(&b"x"[..], &MemoryChunks::default(), &encrypted(&keys)).unwrap_err();
    assert_eq!(failed.to_string(), "no key could be made: no entropy");
}

#[test]
fn an_input_that_fails_is_reported() {
    struct Broken(usize);
    impl Read for Broken {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = out.len().min(1000).min(self.0);
            self.0 -= count;
            match count {
                0 => Err(std::io::Error::other("unplugged")),
                count => Ok(count),
            }
        }
    }
    for good in [0, 5000, 2_000_000] {
        let options = SplitOptions {
            threads: 2,
            ..SplitOptions::default()
        };
        let failed = split(Broken(good), &MemoryChunks::default(), &options);
        assert!(matches!(failed, Err(SwarmError::Io(_))), "{failed:?}");
    }
}
