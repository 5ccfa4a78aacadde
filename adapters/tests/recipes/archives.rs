//! Archives from strangers.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;

use adapters::recipe::unpack;
use proptest::prelude::*;
use zip::write::SimpleFileOptions;

use crate::world::zipped;

fn unpacked(bytes: &[u8], into: &Path) -> Result<Vec<String>, String> {
    let unpacked = unpack(Cursor::new(bytes), bytes.len() as u64, "a.zip", into);
    unpacked
        .map(|unpacked| unpacked.files)
        .map_err(|error| error.to_string())
}

/// A home, and in it a directory that is to be unpacked into.
fn place() -> (tempfile::TempDir, std::path::PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let into = home.path().join("into");
    fs::create_dir(&into).unwrap();
    (home, into)
}

#[test]
fn what_is_whole_is_unpacked() {
    let (_home, into) = place();
    let zip = zipped(&[("a/b.txt", b"hi"), ("./c", b""), ("d/", b"")]);
    assert_eq!(unpacked(&zip, &into).unwrap(), ["a/b.txt", "c"]);
    assert_eq!(fs::read(into.join("a/b.txt")).unwrap(), b"hi");
    assert!(into.join("d").is_dir());
    // Over what is there, links included: it is the link that goes.
    fs::remove_file(into.join("c")).unwrap();
    std::os::unix::fs::symlink("../out", into.join("c")).unwrap();
    unpacked(&zip, &into).unwrap();
    assert!(!into.join("../out").exists());
}

#[test]
fn no_name_leads_out() {
    for name in [
        "../x",
        "a/../../x",
        "/etc/x",
        "..",
        "a//b",
        "C:/x",
        "a\\..\\x",
        "a/./b",
        "a\u{1}b",
        &"x".repeat(256),
        &"x/".repeat(600),
    ] {
        let (home, into) = place();
        let refused = unpacked(&zipped(&[(name, b"!")]), &into);
        assert!(refused.is_err(), "{name}");
        assert_eq!(
            fs::read_dir(&into).unwrap().count(),
            0,
            "{name}: nothing is written before all is checked"
        );
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "{name}");
    }
}

#[test]
fn links_and_doubles_are_refused() {
    let (_home, into) = place();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("link", "/etc", SimpleFileOptions::default())
        .unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    assert!(
        unpacked(&bytes, &into)
            .unwrap_err()
            .contains("symbolic link")
    );
    let twice = zipped(&[("a", b"1"), ("a/b", b"2")]);
    assert!(
        unpacked(&twice, &into)
            .unwrap_err()
            .contains("which is a file")
    );
    let twice = zipped(&[("a", b"1"), ("./a", b"2")]);
    assert!(unpacked(&twice, &into).unwrap_err().contains("twice"));
}

#[test]
fn a_bomb_does_not_go_off() {
    let (_home, into) = place();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bomb", SimpleFileOptions::default())
        .unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        zip.write_all(&zeros).unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    assert!(bytes.len() < 100_000);
    let error = unpacked(&bytes, &into).unwrap_err();
    assert!(error.contains("longer than"), "{error}");
    assert!(fs::metadata(into.join("bomb")).unwrap().len() < 40 << 20);
}

#[test]
fn what_is_no_archive_is_said() {
    let (_home, into) = place();
    assert!(unpacked(b"", &into).is_err());
    let mut zip = zipped(&[("a", b"some text that is stored in an archive")]);
    let at = zip
        .windows(4)
        .position(|four| four == [0x50, 0x4b, 1, 2])
        .unwrap();
    zip[at - 3] ^= 0x55; // in the data or its sum
    assert!(unpacked(&zip, &into).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_damage_gets_out(cut in 0_usize..200, flip in 0_usize..200, bit in 0_u8..8) {
        let (home, into) = place();
        let mut zip = zipped(&[("a/b.txt", b"hi"), ("c", b"there")]);
        let at = flip.min(zip.len() - 1);
        zip[at] ^= 1 << bit;
        zip.truncate(zip.len() - cut.min(zip.len()));
        let _ = unpacked(&zip, &into);
        prop_assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
