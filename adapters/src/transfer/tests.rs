//! What may leave a directory, by name.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use tempfile::TempDir;

use super::*;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn paths(scan: &Scan) -> Vec<&str> {
    scan.files.iter().map(|file| file.path.as_str()).collect()
}

fn refused(folder: &Path, options: &ScanOptions) -> String {
    scan(folder, options).unwrap_err().to_string()
}

#[test]
fn a_directory_is_what_is_in_it_without_secrets_and_what_it_ignores() {
    let folder = folder(&[
        ("b.txt", "bb"),
        ("a/run.sh", "#!"),
        ("a/.env", "TOKEN=1"),
        ("target/x.o", ""),
        (".ssh/id_rsa", "key"),
        (".mediumignore", "target/\n"),
    ]);
    let script = folder.path().join("a/run.sh");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    symlink("b.txt", folder.path().join("link.txt")).unwrap();
    let found = scan(folder.path(), &ScanOptions::default()).unwrap();
    assert_eq!(
        paths(&found),
        ["/.mediumignore", "/a/run.sh", "/b.txt", "/link.txt"]
    );
    assert!(found.files[1].about.executable && !found.files[2].about.executable);
    assert_eq!(found.files[3].about.bytes, 2, "a link is what it leads to");
    assert_eq!(found.empty_directories, ["/empty".parse().unwrap()]);
    let left: Vec<_> = found
        .left_out
        .iter()
        .map(|left| (left.path.as_str(), left.secret))
        .collect();
    assert_eq!(left, [(".ssh", true), ("a/.env", true), ("target", false)]);
    let all = ScanOptions {
        secrets: true,
        ..ScanOptions::default()
    };
    let found = scan(folder.path(), &all).unwrap();
    assert!(paths(&found).contains(&"/a/.env"));
}

#[test]
fn what_cannot_be_in_a_pod_is_refused_by_name() {
    let options = ScanOptions::default();
    let outside = folder(&[("secret.txt", "s")]);

    let out = folder(&[("inside/key.pem", "k")]);
    symlink(
        outside.path().join("secret.txt"),
        out.path().join("leads-out"),
    )
    .unwrap();
    let what = refused(out.path(), &options);
    assert!(
        what.contains("leads-out") && what.contains("out of the directory"),
        "{what}"
    );
    fs::remove_file(out.path().join("leads-out")).unwrap();
    symlink("inside/key.pem", out.path().join("innocent")).unwrap();
    assert!(refused(out.path(), &options).contains("secret"));
    fs::remove_file(out.path().join("innocent")).unwrap();
    symlink("inside", out.path().join("directory")).unwrap();
    assert!(refused(out.path(), &options).contains("link to a directory"));
    fs::remove_file(out.path().join("directory")).unwrap();
    symlink("nowhere", out.path().join("dangling")).unwrap();
    assert!(refused(out.path(), &options).contains("leads nowhere"));

    let socket = folder(&[]);
    let _listener = UnixListener::bind(socket.path().join("s")).unwrap();
    assert!(refused(socket.path(), &options).contains("socket"));

    let name = folder(&[]);
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes;
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff.txt");
    assert_eq!(bytes(odd).len(), 5);
    fs::write(name.path().join(odd), "x").unwrap();
    assert!(refused(name.path(), &options).contains("UTF-8"));
    let control = folder(&[("a\nb", "x")]);
    assert!(refused(control.path(), &options).contains("control character"));
}

#[test]
fn sizes_are_bounded_before_anything_is_read() {
    let folder = folder(&[("a", "12345"), ("b", "12345")]);
    let bytes = ScanOptions {
        bytes_max: 9,
        ..ScanOptions::default()
    };
    assert!(refused(folder.path(), &bytes).contains("more than 9 bytes"));
    let entries = ScanOptions {
        entries_max: 1,
        ..ScanOptions::default()
    };
    assert!(refused(folder.path(), &entries).contains("more than 1 entries"));
    let mut deep = folder.path().to_owned();
    for _ in 0..=DEPTH_MAX {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    assert!(refused(folder.path(), &ScanOptions::default()).contains("levels"));
}
