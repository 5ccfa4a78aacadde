//! Large contents come back as they were, or with the name of what is wrong.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use adapters::contents::{Contents, ContentsError, GROUP_BYTES};
use genesis::id::Digest;
use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

const GROUP: usize = 16 * 1024;

fn contents(dir: &TempDir) -> Contents {
    Contents::open(dir.path(), 1 << 20).unwrap()
}

fn bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new()
        .update(b"contents")
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

fn store(contents: &Contents, bytes: &[u8]) -> Digest {
    let mut writer = contents.writer().unwrap();
    for part in bytes.chunks(10_000) {
        writer.write_all(part).unwrap();
    }
    let (digest, len) = writer.finish().unwrap();
    assert_eq!((digest, len), (Digest::of(bytes), bytes.len() as u64));
    digest
}

fn path(dir: &TempDir, digest: Digest) -> PathBuf {
    let hex = digest.to_string();
    dir.path().join("contents").join(&hex[..2]).join(hex)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn tmp_files(dir: &TempDir) -> usize {
    dir.path().join("contents/tmp").read_dir().unwrap().count()
}

#[test]
fn contents_of_every_awkward_length_come_back() {
    let dir = TempDir::new().unwrap();
    let contents = contents(&dir);
    for len in [
        0,
        1,
        GROUP - 1,
        GROUP,
        GROUP + 1,
        2 * GROUP,
        3 * GROUP + 5,
        8 * GROUP,
        20 * GROUP + 1,
    ] {
        let bytes = bytes(len);
        let digest = store(&contents, &bytes);
        assert_eq!(contents.len(digest).unwrap(), Some(len as u64));
        assert_eq!(contents.read(digest, 0, usize::MAX).unwrap(), bytes);
        assert_eq!(contents.read(digest, len as u64, 1).unwrap(), [0; 0][..]);
        assert_eq!(
            contents.read(digest, u64::MAX, usize::MAX).unwrap(),
            [0; 0][..]
        );
        let mut streamed = Vec::new();
        contents
            .reader(digest)
            .unwrap()
            .read_to_end(&mut streamed)
            .unwrap();
        assert_eq!(streamed, bytes);
        contents.verify(digest).unwrap();
    }
    assert_eq!(tmp_files(&dir), 0);
}

#[test]
fn the_same_contents_are_one_file_and_storing_them_again_heals_it() {
    let dir = TempDir::new().unwrap();
    let contents = contents(&dir);
    let digest = store(&contents, &bytes(100_000));
    let size = contents.bytes_on_disk().unwrap();
    store(&contents, &bytes(100_000));
    assert_eq!(contents.bytes_on_disk().unwrap(), size);
    assert_eq!(contents.ls(None, 10).unwrap(), [(digest, 100_000)]);
    flip(&path(&dir, digest), 50_000);
    contents.verify(digest).unwrap_err();
    store(&contents, &bytes(100_000));
    contents.verify(digest).unwrap();
}

#[test]
fn contents_are_listed_in_pages_and_removed() {
    let dir = TempDir::new().unwrap();
    let contents = contents(&dir);
    let mut digests: Vec<Digest> = (0..30).map(|len| store(&contents, &bytes(len))).collect();
    digests.sort_unstable();
    let mut listed = Vec::new();
    loop {
        let page = contents.ls(listed.last().copied(), 7).unwrap();
        listed.extend(page.iter().map(|(digest, _)| *digest));
        if page.len() < 7 {
            break;
        }
    }
    assert_eq!(listed, digests);
    for digest in digests {
        assert!(contents.remove(digest).unwrap());
        assert!(!contents.remove(digest).unwrap());
        assert_eq!(
            contents.read(digest, 0, 1),
            Err(ContentsError::Missing { digest })
        );
        assert_eq!(contents.len(digest), Ok(None));
    }
    assert_eq!(contents.bytes_on_disk().unwrap(), 0);
}

#[test]
fn too_large_contents_are_refused_with_numbers_and_leave_nothing() {
    let dir = TempDir::new().unwrap();
    let contents = Contents::open(dir.path(), 1_000).unwrap();
    let refused = ContentsError::TooLarge {
        bytes: 1_200,
        max: 1_000,
    };
    let mut writer = contents.writer().unwrap();
    writer.write_all(&[0; 600]).unwrap();
    let error = writer.write_all(&[0; 600]).unwrap_err();
    assert_eq!(error.to_string(), refused.to_string());
    assert_eq!(writer.finish().unwrap_err(), refused);
    assert_eq!(tmp_files(&dir), 0);

    let mut exactly = contents.writer().unwrap();
    exactly.write_all(&[0; 1_000]).unwrap();
    exactly.finish().unwrap();
    drop(contents.writer().unwrap());
    assert_eq!(tmp_files(&dir), 0);
}

#[test]
fn what_a_killed_node_was_writing_is_removed() {
    let dir = TempDir::new().unwrap();
    drop(contents(&dir));
    std::fs::write(dir.path().join("contents/tmp/0"), b"half").unwrap();
    let contents = contents(&dir);
    assert_eq!(tmp_files(&dir), 0);
    assert_eq!(contents.bytes_on_disk().unwrap(), 0);
}

#[test]
fn a_cut_or_grown_file_is_named_with_the_bytes_in_question() {
    let dir = TempDir::new().unwrap();
    let contents = contents(&dir);
    let digest = store(&contents, &bytes(100_000));
    for (len, from, until) in [
        (90_000, 90_000, 100_000),
        (100_001, 100_000, 100_001),
        (0, 0, 100_000),
    ] {
        std::fs::File::options()
            .write(true)
            .open(path(&dir, digest))
            .unwrap()
            .set_len(len)
            .unwrap();
        let what = "the file has another length than was written";
        let expected = ContentsError::Corrupt {
            digest,
            from,
            until,
            what,
        };
        assert_eq!(contents.read(digest, 0, 1).unwrap_err(), expected);
        assert_eq!(contents.len(digest).unwrap_err(), expected);
    }
    let hashes = path(&dir, digest).with_extension("obao");
    std::fs::write(&hashes, b"short").unwrap();
    assert!(matches!(
        contents.read(digest, 0, 1),
        Err(ContentsError::Corrupt { .. })
    ));
    std::fs::remove_file(&hashes).unwrap();
    assert!(matches!(
        contents.read(digest, 0, 1),
        Err(ContentsError::Corrupt { .. })
    ));
}

#[test]
fn a_reader_stops_before_damaged_bytes() {
    let dir = TempDir::new().unwrap();
    let contents = contents(&dir);
    let bytes = bytes(600_000);
    let digest = store(&contents, &bytes);
    flip(&path(&dir, digest), 400_000);
    let mut out = Vec::new();
    let error = contents
        .reader(digest)
        .unwrap()
        .read_to_end(&mut out)
        .unwrap_err();
    let named = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<ContentsError>())
        .unwrap();
    let group = 400_000 / GROUP_BYTES * GROUP_BYTES;
    assert!(
        matches!(named, ContentsError::Corrupt { from, until, .. } if (*from, *until) == (group, group + GROUP_BYTES)),
        "{named}"
    );
    assert!(bytes.starts_with(&out) && out.len() <= 400_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_range_is_what_was_stored(len in 0_usize..300_000, ranges in proptest::collection::vec((0_usize..320_000, 0_usize..320_000), 8)) {
        let dir = TempDir::new()?;
        let contents = contents(&dir);
        let bytes = bytes(len);
        let digest = store(&contents, &bytes);
        for (offset, wanted) in ranges {
            let from = offset.min(len);
            let until = offset.saturating_add(wanted).min(len);
            prop_assert_eq!(contents.read(digest, offset as u64, wanted)?, &bytes[from..until]);
        }
    }

    #[test]
    fn a_flipped_bit_is_named_never_served(len in 1_usize..300_000, at: Index, in_hashes: bool) {
        let dir = TempDir::new()?;
        let contents = contents(&dir);
        let bytes = bytes(len);
        let digest = store(&contents, &bytes);
        let mut damaged = path(&dir, digest);
        if in_hashes {
            damaged.set_extension("obao");
        }
        let place = at.index(std::fs::read(&damaged)?.len());
        flip(&damaged, place);
        let mut errors = 0;
        for offset in (0..len).step_by(GROUP) {
            match contents.read(digest, offset as u64, GROUP) {
                Ok(read) => prop_assert_eq!(read, &bytes[offset..len.min(offset + GROUP)]),
                Err(ContentsError::Corrupt { digest: named, from, until, .. }) => {
                    errors += 1;
                    prop_assert_eq!(named, digest);
                    prop_assert!(in_hashes || (from..until).contains(&(place as u64)));
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
        prop_assert!(errors > 0);
        prop_assert!(in_hashes || errors == 1, "one group is lost, not {}", errors);
    }
}
