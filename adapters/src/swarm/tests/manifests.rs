//! Manifests as Bee's API makes them, and laws.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::feed::{Feed, MANIFEST_PATH};
use super::super::mantaray::{Entry, Manifest, PATH_BYTES_MAX, ROOT_PATH};
use super::super::reference::Address;
use super::super::store::Nowhere;
use super::*;

struct File<'a> {
    path: &'a str,
    contents: &'a str,
    content_type: &'a str,
}

/// What `POST /bzz` makes of a folder.
fn folder(files: &[File<'_>], index: Option<&str>, error: Option<&str>) -> String {
    let chunks = MemoryChunks::default();
    let mut manifest = Manifest::default();
    for file in files {
        let reference = store(&chunks, file.contents.as_bytes());
        let name = file.path.rsplit('/').next().unwrap();
        let entry = Entry::file(reference, file.content_type, name);
        manifest
            .insert(&chunks, file.path.as_bytes(), entry)
            .unwrap();
    }
    if index.or(error).is_some() {
        let site = Entry::site(index, error);
        manifest.insert(&chunks, ROOT_PATH, site).unwrap();
    }
    let reference = manifest.save(&chunks, &SplitOptions::default()).unwrap();
    check_read_back(&chunks, reference, files);
    reference.to_string()
}

fn check_read_back(chunks: &MemoryChunks, reference: Reference, files: &[File<'_>]) {
    let manifest = Manifest::open(chunks, reference).unwrap();
    for file in files {
        let entry = manifest.get(chunks, file.path.as_bytes()).unwrap().unwrap();
        assert_eq!(
            entry.reference,
            Some(store(chunks, file.contents.as_bytes()))
        );
        assert_eq!(entry.metadata["Content-Type"], file.content_type);
    }
}

const HTML: &str = "text/html; charset=utf-8";

#[test]
fn folders_have_the_references_that_bee_gives_them() {
    let files = [
        File {
            path: "file1",
            contents: "first file data",
            content_type: "",
        },
        File {
            path: "file2",
            contents: "second file data",
            content_type: "",
        },
    ];
    let reference = "f3312af64715d26b5e1a3dc90f012d2c9cc74a167899dab1d07cdee8c107f939";
    assert_eq!(folder(&files, None, None), reference);

    let files = [
        File {
            path: "robots.txt",
            contents: "robots text",
            content_type: "text/plain; charset=utf-8",
        },
        File {
            path: "img/1.png",
            contents: "image 1",
            content_type: "image/png",
        },
        File {
            path: "img/2.png",
            contents: "image 2",
            content_type: "image/png",
        },
    ];
    let reference = "4c9c76d63856102e54092c38a7cd227d769752d768b7adc8c3542e3dd9fcf295";
    assert_eq!(folder(&files, None, None), reference);

    let files = [File {
        path: "index.html",
        contents: "<h1>Swarm",
        content_type: HTML,
    }];
    let reference = "9e178dbd1ed4b748379e25144e28dfb29c07a4b5114896ef454480115a56b237";
    assert_eq!(folder(&files, None, None), reference);
    let reference = "a58484e3d77bbdb40323ddc9020c6e96e5eb5deb52015d3e0f63cce629ac1aa6";
    assert_eq!(folder(&files, Some("index.html"), None), reference);

    let [index] = files;
    let files = [
        index,
        File {
            path: "error.html",
            contents: "<h2>404",
            content_type: HTML,
        },
    ];
    let reference = "2cd9a6ac11eefbb71b372fb97c3ef64109c409955964a294fdc183c1014b3844";
    assert_eq!(
        folder(&files, Some("index.html"), Some("error.html")),
        reference
    );

    let files = [File {
        path: "dir/index.html",
        contents: "<h1>Swarm",
        content_type: HTML,
    }];
    let reference = "3e2f008a578c435efa7a1fce146e21c4ae8c20b80fbb4c4e0c1c87ca08fef414";
    assert_eq!(folder(&files, Some("index.html"), None), reference);
}

/// What `POST /bzz?name=` makes of one file: `/` comes first, and its index is the file.
fn single(name: &str, contents: &str, content_type: &str) -> String {
    let chunks = MemoryChunks::default();
    let mut manifest = Manifest::default();
    let site = Entry::site(Some(name), None);
    manifest.insert(&chunks, ROOT_PATH, site).unwrap();
    let entry = Entry::file(store(&chunks, contents.as_bytes()), content_type, name);
    manifest.insert(&chunks, name.as_bytes(), entry).unwrap();
    manifest
        .save(&chunks, &SplitOptions::default())
        .unwrap()
        .to_string()
}

#[test]
fn single_files_have_the_references_that_bee_gives_them() {
    let text = "this is a simple text";
    assert_eq!(
        single("simple_file.txt", text, HTML),
        "65148cd89b58e91616773f5acea433f7b5a6274f2259e25f4893a332b74a7e28"
    );
    assert_eq!(
        single("my-pictures.jpeg", text, "image/jpeg; charset=utf-8"),
        "4f9146b3813ccbd7ce45a18be23763d7e436ab7a3982ef39961c6f3cd4da1dcf"
    );
}

#[test]
fn a_feeds_manifest_has_the_reference_that_bee_gives_it() {
    let chunks = MemoryChunks::default();
    let feed = Feed {
        owner: "8d3766440f0d7b949a5e32995d09619a7f86e632".parse().unwrap(),
        topic: hex("aabbcc"),
    };
    let mut manifest = Manifest::default();
    manifest
        .insert(&chunks, MANIFEST_PATH, feed.manifest_entry())
        .unwrap();
    let reference = manifest.save(&chunks, &SplitOptions::default()).unwrap();
    assert_eq!(
        reference.to_string(),
        "891a1d1c8436c792d02fc2e8883fef7ab387eaeaacd25aa9f518be7be7856d54"
    );
    let manifest = Manifest::open(&chunks, reference).unwrap();
    let entry = manifest.get(&chunks, MANIFEST_PATH).unwrap().unwrap();
    assert_eq!(Feed::from_manifest_entry(&entry).unwrap(), Some(feed));
    assert_eq!(Feed::from_manifest_entry(&Entry::default()).unwrap(), None);
}

fn entry(number: u8) -> Entry {
    let metadata: &[(&str, &str)] = match number % 4 {
        0 => &[],
        1 => &[("k", "<&>\u{2028}\u{8}\"")],
        2 => &[("name", "exactly thirty-two w/ size"), ("a", "b")],
        _ => &[("Content-Type", "text/plain"), ("Filename", "x")],
    };
    Entry {
        reference: Some(Address([number.max(1); 32]).into()),
        metadata: metadata
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
    }
}

fn all(manifest: &Manifest, chunks: &MemoryChunks, prefix: &[u8]) -> BTreeMap<Vec<u8>, Entry> {
    let mut found = BTreeMap::new();
    let mut last = Vec::new();
    manifest
        .walk(chunks, prefix, 100_000, &mut |path, entry| {
            assert!(last.is_empty() || last.as_slice() < path, "in order");
            last = path.to_vec();
            found.insert(path.to_vec(), entry);
            Ok(())
        })
        .unwrap();
    found
}

#[derive(Debug, Clone)]
enum Step {
    Insert(Vec<u8>, u8),
    Remove(Vec<u8>),
    Save,
    Reopen,
}

/// Paths that share beginnings, with chains of more than 30 bytes among them.
fn path() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just("a"),
        Just("b"),
        Just("/"),
        Just("ab"),
        Just("dir/"),
        Just("0123456789012345678901234567"),
    ];
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.concat().into_bytes())
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (path(), any::<u8>()).prop_map(|(path, number)| Step::Insert(path, number)),
        3 => path().prop_map(Step::Remove),
        1 => Just(Step::Save),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 0..30)
}

fn run(steps: Vec<Step>, obfuscation: [u8; 32]) -> Outcome {
    let chunks = MemoryChunks::default();
    let mut manifest = Manifest::new(obfuscation);
    let mut model = BTreeMap::new();
    for step in steps {
        match step {
            Step::Insert(path, number) => {
                manifest.insert(&chunks, &path, entry(number))?;
                model.insert(path, entry(number));
            }
            Step::Remove(path) => {
                assert_eq!(manifest.remove(&chunks, &path)?, model.remove(&path));
            }
            Step::Save => {
                manifest.save(&chunks, &SplitOptions::default())?;
            }
            Step::Reopen => {
                let reference = manifest.save(&chunks, &SplitOptions::default())?;
                manifest = Manifest::open(&chunks, reference)?;
            }
        }
        for (path, entry) in &model {
            assert_eq!(manifest.get(&chunks, path)?.as_ref(), Some(entry));
        }
        for path in ["a", "b", "ab", "dir/", "/", "0123", ""] {
            let path = path.as_bytes();
            assert_eq!(manifest.get(&chunks, path)?.as_ref(), model.get(path));
        }
        assert_eq!(all(&manifest, &chunks, b""), model);
        let below = model.iter().filter(|(path, _)| path.starts_with(b"dir/a"));
        let below: BTreeMap<_, _> = below.map(|(p, e)| (p.clone(), e.clone())).collect();
        assert_eq!(all(&manifest, &chunks, b"dir/a"), below);
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_manifest_is_a_map(steps in steps(), obfuscated: bool) {
        run(steps, [u8::from(obfuscated) * 0xa5; 32]).unwrap();
    }

    #[test]
    fn a_saved_manifest_is_saved_as_it_was(paths in prop::collection::vec(path(), 1..10)) {
        // Without separators: their mark depends on the order of insertions.
        let unmarked = |path: Vec<u8>| path.into_iter().map(|byte| if byte == b'/' { b'-' } else { byte });
        let paths: Vec<Vec<u8>> = paths.into_iter().map(|path| unmarked(path).collect()).collect();
        let chunks = MemoryChunks::default();
        let mut manifest = Manifest::default();
        for (number, path) in (0u8..).zip(&paths) {
            manifest.insert(&chunks, path, entry(number)).unwrap();
        }
        let reference = manifest.save(&chunks, &SplitOptions::default()).unwrap();
        // Changing a path and changing it back stores the same nodes.
        let mut again = Manifest::open(&chunks, reference).unwrap();
        let kept = again.get(&chunks, &paths[0]).unwrap().unwrap();
        again.insert(&chunks, &paths[0], entry(255)).unwrap();
        prop_assert_ne!(again.save(&chunks, &SplitOptions::default()).unwrap(), reference);
        again.insert(&chunks, &paths[0], kept).unwrap();
        prop_assert_eq!(again.save(&chunks, &SplitOptions::default()).unwrap(), reference);
    }
}

#[test]
fn an_encrypted_manifest_needs_its_key() {
    let chunks = MemoryChunks::default();
    let fresh = encrypt::Fresh(counted());
    let options = encrypted(&fresh);
    let file = split(&d(5000)[..], &chunks, &options).unwrap().reference();
    let mut manifest = Manifest::new([0x5a; 32]);
    for path in ["a/b", "a/c", &"long".repeat(20)] {
        let entry = Entry::file(file, "text/plain", "b");
        manifest.insert(&chunks, path.as_bytes(), entry).unwrap();
    }
    let plain = manifest.save(&chunks, &SplitOptions::default());
    assert!(
        matches!(plain, Err(SwarmError::Malformed { .. })),
        "{plain:?}"
    );
    let reference = manifest.save(&chunks, &options).unwrap();
    let manifest = Manifest::open(&chunks, reference).unwrap();
    assert_eq!(
        manifest.get(&chunks, b"a/c").unwrap().unwrap().reference,
        Some(file)
    );
    assert!(Manifest::open(&chunks, reference.address().into()).is_err());
}

#[test]
fn what_is_refused_changes_nothing() {
    let chunks = MemoryChunks::default();
    let mut manifest = Manifest::default();
    manifest.insert(&chunks, b"a/long", entry(3)).unwrap();
    let before = manifest.save(&chunks, &SplitOptions::default()).unwrap();
    let sealed = Entry {
        reference: Some(Reference::Encrypted(Address([1; 32]), Key([1; 32]))),
        ..Entry::default()
    };
    for path in ["a/long", "a/lo", "a/longer", "b"] {
        assert!(
            manifest
                .insert(&chunks, path.as_bytes(), sealed.clone())
                .is_err()
        );
    }
    assert!(manifest.insert(&chunks, b"", entry(1)).is_err());
    assert!(
        manifest
            .insert(&chunks, &[b'x'; PATH_BYTES_MAX + 1], entry(1))
            .is_err()
    );
    assert_eq!(manifest.remove(&chunks, b"a/").unwrap(), None);
    assert_eq!(
        manifest.save(&chunks, &SplitOptions::default()).unwrap(),
        before
    );

    let huge = Entry {
        metadata: [("k".to_owned(), "v".repeat(70_000))].into(),
        ..entry(1)
    };
    manifest.insert(&chunks, b"huge", huge).unwrap();
    let refused = manifest.save(&chunks, &SplitOptions::default());
    assert!(
        matches!(refused, Err(SwarmError::TooLong { .. })),
        "{refused:?}"
    );
}

/// A fork that is left alone is joined with what is below it, mark of separators included.
#[test]
fn what_is_removed_leaves_no_trace() {
    let chunks = MemoryChunks::default();
    let options = SplitOptions::default();
    let mut manifest = Manifest::default();
    manifest.insert(&chunks, b"dir/a", entry(3)).unwrap();
    let before = manifest.save(&chunks, &options).unwrap();
    manifest.insert(&chunks, b"dir/b", entry(2)).unwrap();
    manifest.insert(&chunks, b"other", entry(1)).unwrap();
    assert_ne!(manifest.save(&chunks, &options).unwrap(), before);
    for path in [&b"other"[..], b"dir/b"] {
        assert!(manifest.remove(&chunks, path).unwrap().is_some());
    }
    assert_eq!(manifest.save(&chunks, &options).unwrap(), before);
}

/// Every prefix of the longest path is a path: as deep as a manifest gets.
#[test]
fn the_deepest_manifest_is_read_and_changed() {
    let chunks = MemoryChunks::default();
    let mut manifest = Manifest::default();
    let longest = [b'x'; PATH_BYTES_MAX];
    for len in 1..=PATH_BYTES_MAX {
        manifest
            .insert(&Nowhere, &longest[..len], entry(1))
            .unwrap();
    }
    let reference = manifest.save(&chunks, &SplitOptions::default()).unwrap();
    let mut manifest = Manifest::open(&chunks, reference).unwrap();
    assert_eq!(all(&manifest, &chunks, b"").len(), PATH_BYTES_MAX);
    assert!(manifest.remove(&chunks, &longest).unwrap().is_some());
    assert!(manifest.get(&chunks, &longest).unwrap().is_none());
    manifest.insert(&chunks, &longest, entry(2)).unwrap();
    manifest.save(&chunks, &SplitOptions::default()).unwrap();
    let few = manifest.walk(&chunks, b"", 10, &mut |_, _| Ok(()));
    assert!(matches!(few, Err(SwarmError::TooMany { max: 10 })));
}

/// More than 4,096 bytes of node: it becomes a tree of chunks.
#[test]
fn a_node_with_many_forks_is_a_tree() {
    let chunks = MemoryChunks::default();
    let mut manifest = Manifest::default();
    for first in 0..=u8::MAX {
        manifest
            .insert(&chunks, &[first, b'x'], entry(first))
            .unwrap();
    }
    let reference = manifest.save(&chunks, &SplitOptions::default()).unwrap();
    let manifest = Manifest::open(&chunks, reference).unwrap();
    assert_eq!(all(&manifest, &chunks, b"").len(), 256);
}
