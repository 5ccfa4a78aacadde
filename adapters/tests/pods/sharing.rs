//! What is shared, forked and offered, and what is not, on any keeper; part of the suite.

use adapters::pods::{EntryKind, Offer, PodPath, Pods, PodsError, Quiet, Source};

use super::harness::{World, noise, path, paths, pod, put, read, shown, source, write};

pub(crate) fn a_share_reads_what_was_shared_and_nothing_else(world: &World) {
    let (ana, bo) = (world.wallet("ana"), world.wallet("bo"));
    for public in [false, true] {
        let name = if public { "open" } else { "secret" };
        ana.create(&pod(name), public).unwrap();
        let files = [
            ("/a.txt", "one"),
            ("/d/b.txt", "two"),
            ("/d/e/c.txt", "three"),
        ];
        write(&*ana, name, &files);

        let key = ana.share(&pod(name), &path("/d/b.txt")).unwrap();
        assert_eq!(key.len(), 64);
        let found = bo.find(&key).unwrap();
        assert_eq!((found.kind, found.live), (EntryKind::File, false));
        let file = Source::Reference(key);
        assert_eq!(paths(&*bo, &file), ["/b.txt"]);
        assert_eq!(read(&*bo, &file, "/").unwrap(), b"two");
        assert_eq!(read(&*bo, &file, "/b.txt").unwrap(), b"two");
        assert!(read(&*bo, &file, "/a.txt").is_err());
        assert_eq!(bo.verify(&file, &Quiet).unwrap().files, 1);

        let key = ana.share(&pod(name), &path("/d")).unwrap();
        let directory = Source::Reference(key);
        assert_eq!(paths(&*bo, &directory), ["/b.txt", "/e/", "/e/c.txt"]);

        let key = ana.share(&pod(name), &PodPath::root()).unwrap();
        assert_eq!(key, ana.share(&pod(name), &PodPath::root()).unwrap());
        let found = bo.find(&key).unwrap();
        assert!(found.live && found.name == name);
        let whole = Source::Reference(key);
        assert_eq!(read(&*bo, &whole, "/a.txt").unwrap(), b"one");
        write(&*ana, name, &[("/a.txt", "more"), ("/d/b.txt", "changed")]);
        assert_eq!(read(&*bo, &whole, "/a.txt").unwrap(), b"more");
        assert_eq!(read(&*bo, &file, "/").unwrap(), b"two");
        assert_eq!(read(&*bo, &directory, "/b.txt").unwrap(), b"two");
    }
    let nobodys = "ab".repeat(32);
    assert!(matches!(
        bo.find(&nobodys),
        Err(PodsError::Reference { .. })
    ));
    for odd in ["", "abc", &"zz".repeat(32), &"ab".repeat(64)] {
        assert!(matches!(bo.find(odd), Err(PodsError::Reference { .. })));
    }
}

pub(crate) fn a_fork_is_ones_own(world: &World) {
    let (ana, bo) = (world.wallet("ana"), world.wallet("bo"));
    ana.create(&pod("p"), false).unwrap();
    let mut edit = ana.edit(&pod("p")).unwrap();
    put(&mut *edit, "/big", noise(3, 100_000));
    put(&mut *edit, "/d/b.txt", "two");
    edit.commit("").unwrap();
    let key = ana.share(&pod("p"), &PodPath::root()).unwrap();
    let bytes = |world: &World| world.kept().iter().map(Vec::len).sum::<usize>();
    let before = bytes(world);
    let fork = bo.fork(&Source::Reference(key), &pod("mine")).unwrap();
    assert!(
        bytes(world) - before < 50_000,
        "its chunks are not stored again"
    );
    assert!(!fork.public);
    assert_eq!(fork.latest.as_ref().unwrap().files, 2);
    let parent = fork.parent.unwrap();
    assert_eq!(parent.name, "p");
    assert_eq!(parent.owner, Some(ana.pod(&pod("p")).unwrap().owner));
    write(&*bo, "mine", &[("/d/b.txt", "mine"), ("/new.txt", "new")]);
    assert_eq!(read(&*bo, &source("mine"), "/d/b.txt").unwrap(), b"mine");
    assert_eq!(
        read(&*bo, &source("mine"), "/big").unwrap(),
        noise(3, 100_000)
    );
    assert_eq!(read(&*ana, &source("p"), "/d/b.txt").unwrap(), b"two");
    assert!(matches!(
        bo.fork(&source("mine"), &pod("mine")),
        Err(PodsError::Exists(_))
    ));
    // Of a file, of a snapshot, and of plain contents.
    let file = ana.share(&pod("p"), &path("/d/b.txt")).unwrap();
    bo.fork(&Source::Reference(file), &pod("file")).unwrap();
    assert_eq!(paths(&*bo, &source("file")), ["/b.txt"]);
    let first = Source::Pod {
        name: "mine".to_owned(),
        at: Some(0),
    };
    bo.fork(&first, &pod("first")).unwrap();
    assert_eq!(read(&*bo, &source("first"), "/d/b.txt").unwrap(), b"two");
    ana.create(&pod("open"), true).unwrap();
    write(&*ana, "open", &[("/a.txt", "plain")]);
    let entry = ana.stat(&source("open"), &path("/a.txt")).unwrap();
    let contents = Source::Reference(entry.reference.unwrap());
    assert_eq!(read(&*bo, &contents, "/").unwrap(), b"plain");
    let fork = bo.fork(&contents, &pod("plain")).unwrap();
    assert!(fork.public);
    let only = paths(&*bo, &source("plain"));
    assert_eq!(only.len(), 1);
    assert_eq!(read(&*bo, &source("plain"), &only[0]).unwrap(), b"plain");
}

/// A pod of Ana's with two files, and Bo's fork of it.
fn forked(world: &World) {
    let (ana, bo) = (world.wallet("ana"), world.wallet("bo"));
    ana.create(&pod("p"), false).unwrap();
    write(&*ana, "p", &[("/a", "1"), ("/b", "2")]);
    let key = ana.share(&pod("p"), &PodPath::root()).unwrap();
    bo.fork(&Source::Reference(key), &pod("fork")).unwrap();
}

pub(crate) fn an_offer_is_taken_or_declined(world: &World) {
    let (ana, bo) = (world.wallet("ana"), world.wallet("bo"));
    forked(world);
    assert!(matches!(
        bo.offer(&pod("fork")),
        Err(PodsError::Offer { .. })
    ));
    let mut edit = bo.edit(&pod("fork")).unwrap();
    put(&mut *edit, "/a", "mine");
    put(&mut *edit, "/d/new", noise(1, 9_000));
    edit.remove(&path("/b"), false).unwrap();
    edit.commit("").unwrap();
    let offer = bo.offer(&pod("fork")).unwrap();
    assert_eq!(offer.added, ["/d/new"]);
    assert_eq!(offer.changed, ["/a"]);
    assert_eq!(offer.removed, ["/b"]);
    assert_eq!(ana.offers(&pod("p")).unwrap(), std::slice::from_ref(&offer));
    let declined = ana.settle(&pod("p"), &offer.id, false).unwrap();
    assert_eq!(declined, None);
    assert_eq!(ana.offers(&pod("p")).unwrap(), []);
    assert!(ana.settle(&pod("p"), &offer.id, true).is_err());

    let again = bo.offer(&pod("fork")).unwrap();
    assert_eq!(again, offer);
    // What Ana does elsewhere meanwhile stays.
    write(&*ana, "p", &[("/c", "hers")]);
    let taken = ana.settle(&pod("p"), &offer.id, true).unwrap().unwrap();
    assert_eq!(taken.files, 3);
    assert_eq!(paths(&*ana, &source("p")), ["/a", "/c", "/d/", "/d/new"]);
    assert_eq!(read(&*ana, &source("p"), "/a").unwrap(), b"mine");
    let new = read(&*ana, &source("p"), "/d/new").unwrap();
    assert_eq!(new, noise(1, 9_000));
    assert_eq!(ana.offers(&pod("p")).unwrap(), []);
}

pub(crate) fn an_offer_that_conflicts_changes_nothing(world: &World) {
    let (ana, bo) = (world.wallet("ana"), world.wallet("bo"));
    forked(world);
    write(&*bo, "fork", &[("/a", "his"), ("/c/d", "his")]);
    let offer = bo.offer(&pod("fork")).unwrap();
    write(&*ana, "p", &[("/a", "hers"), ("/c", "a file")]);
    let before = world.state(&*ana);
    let PodsError::Conflict { paths } = ana.settle(&pod("p"), &offer.id, true).unwrap_err() else {
        panic!("both changed the same");
    };
    assert_eq!(paths, ["/a", "/c"]);
    assert!(world.state(&*ana) == before);
    assert_eq!(ana.offers(&pod("p")).unwrap().len(), 1);
}

pub(crate) fn an_offer_travels_as_a_file(world: &World) {
    let (ana, bo) = (world.wallet("ana"), world.wallet("bo"));
    forked(world);
    write(&*bo, "fork", &[("/a", "his")]);
    let offer = bo.offer(&pod("fork")).unwrap();
    let bytes = offer.to_json().unwrap();
    let carried = Offer::from_json(&bytes).unwrap();
    assert_eq!(carried, offer);
    let tricks: [fn(&mut Offer); 6] = [
        |offer| offer.pod.push('x'),
        |offer| offer.added.push("/evil".to_owned()),
        |offer| offer.fork = "ab".repeat(32),
        |offer| offer.from = offer.to.clone(),
        |offer| offer.id = "ab".repeat(16),
        |offer| offer.signature = "00".repeat(65),
    ];
    for trick in tricks {
        let mut forged = offer.clone();
        trick(&mut forged);
        assert!(Offer::from_json(&serde_json::to_vec(&forged).unwrap()).is_err());
        assert!(ana.accept(&pod("p"), &forged).is_err());
    }
    ana.create(&pod("other"), false).unwrap();
    assert!(matches!(
        ana.accept(&pod("other"), &carried),
        Err(PodsError::Offer { .. })
    ));
    ana.accept(&pod("p"), &carried).unwrap();
    assert_eq!(read(&*ana, &source("p"), "/a").unwrap(), b"his");
}

pub(crate) fn who_holds_every_chunk_but_no_key_reads_nothing(world: &World) {
    let (ana, bo) = (world.wallet("ana"), world.wallet("bo"));
    ana.create(&pod("very private pod"), false).unwrap();
    let contents = "the treasure is under the old oak ".repeat(300);
    let files = [
        ("/hidden-name.txt", contents.as_str()),
        ("/folder-name/short", "meet me at noon, tell nobody"),
    ];
    let snapshot = write(&*ana, "very private pod", &files);
    let shared = ana
        .share(&pod("very private pod"), &path("/hidden-name.txt"))
        .unwrap();
    let whole = ana
        .share(&pod("very private pod"), &PodPath::root())
        .unwrap();
    let entry = ana
        .stat(&source("very private pod"), &path("/hidden-name.txt"))
        .unwrap();
    let mut secrets: Vec<Vec<u8>> = vec![
        b"treasure".to_vec(),
        b"meet me at noon".to_vec(),
        b"hidden-name".to_vec(),
        b"folder-name".to_vec(),
        b"very private pod".to_vec(),
        b"medium-bytes".to_vec(),
    ];
    for hex in [
        &snapshot.reference,
        &entry.reference.unwrap(),
        &shared,
        &whole,
    ] {
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        for half in bytes.chunks(32) {
            secrets.push(half.to_vec());
            secrets.push(data_encoding::HEXLOWER.encode(half).into_bytes());
        }
    }
    for bytes in world.kept() {
        for secret in &secrets {
            let found = memchr(&bytes, secret);
            assert_eq!(found, None, "{}", String::from_utf8_lossy(secret));
        }
    }
    // Bo knows where every chunk is, too.
    let (root, _) = snapshot.reference.split_at(64);
    for text in [root, &format!("{root}{}", "00".repeat(32))] {
        let source = Source::Reference(text.to_owned());
        assert!(paths_or_none(&*bo, &source).is_none(), "{text}");
    }
    assert!(bo.pods().unwrap().is_empty());
    assert_eq!(
        read(&*bo, &Source::Reference(shared), "/").unwrap(),
        contents.as_bytes()
    );
}

fn paths_or_none(pods: &dyn Pods, from: &Source) -> Option<Vec<String>> {
    pods.walk(from, &PodPath::root()).ok().map(shown)
}

/// Where `needle` begins in `bytes`.
fn memchr(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let first = needle.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| byte == first) {
        from += at;
        if bytes[from..].starts_with(needle) {
            return Some(from);
        }
        from += 1;
    }
    None
}
