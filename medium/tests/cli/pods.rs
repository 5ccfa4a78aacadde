//! Pods from the command line, without a node.

use std::io::Write as _;
use std::process::Stdio;

use crate::harness::{Run, medium};

/// What Bee answers for these is in its own tests (`pkg/api/bytes_test.go`, `pkg/file/splitter`).
#[test]
fn a_reference_made_offline_is_the_one_that_bee_gives() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("foo"), b"foo").unwrap();
    let foo = "2387e8e7d8a48c2a9339c97c1dc3461a9a7aa07e994c5cb8b38fd7c1b3e6ea48";
    let output = medium(home.path()).args(["pod", "hash", "foo"]).output();
    let of_file = Run::of(&["pod", "hash", "foo"], output.unwrap()).done();
    assert_eq!(of_file, foo);
    let mut piped = medium(home.path())
        .args(["pod", "hash", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    piped.stdin.take().unwrap().write_all(b"foo").unwrap();
    let said = piped.wait_with_output().unwrap().stdout;
    assert_eq!(String::from_utf8(said).unwrap().trim(), foo);
    let missing = medium(home.path()).args(["pod", "hash", "bar"]).output();
    let missing = Run::of(&["pod", "hash", "bar"], missing.unwrap());
    assert!(missing.refused().contains("bar"), "{}", missing.stderr);
}
