//! What pods do, on any keeper.

use adapters::pods::{FileMeta, PodPath, PodsError, Quiet, Source};

use super::harness::{Store, noise, path, paths, pod, put, read, shown, source, write};

#[test]
fn what_was_written_is_read_back_after_a_restart() {
    let store = Store::new();
    let big = noise(1, 700_000);
    for public in [false, true] {
        let pods = store.wallet("ana");
        let name = if public { "open" } else { "secret" };
        pods.create(&pod(name), public).unwrap();
        let mut edit = pods.edit(&pod(name)).unwrap();
        put(&mut *edit, "/a.txt", "hello");
        put(&mut *edit, "/deep/er/big.bin", &big);
        put(&mut *edit, "/empty", "");
        edit.make_directory(&path("/hollow/dir")).unwrap();
        let snapshot = edit.commit("first").unwrap();
        assert_eq!((snapshot.files, snapshot.bytes), (3, 5 + 700_000));
        assert_eq!(snapshot.index, 1);
        assert_eq!(snapshot.reference.len(), if public { 64 } else { 128 });
    }
    let Store { pods, folder, .. } = store;
    drop(pods);
    let store = Store::at(folder);
    let pods = store.wallet("ana");
    for name in ["open", "secret"] {
        let from = source(name);
        assert_eq!(read(&*pods, &from, "/a.txt").unwrap(), b"hello");
        assert_eq!(read(&*pods, &from, "/deep/er/big.bin").unwrap(), big);
        assert_eq!(read(&*pods, &from, "/empty").unwrap(), b"");
        let mut part = Vec::new();
        let range = Some(4090..4100);
        pods.read(&from, &path("deep/er/big.bin"), range, &mut part, &Quiet)
            .unwrap();
        assert_eq!(part, big[4090..4100]);
        assert_eq!(
            paths(&*pods, &from),
            [
                "/a.txt",
                "/deep/",
                "/deep/er/",
                "/deep/er/big.bin",
                "/empty",
                "/hollow/",
                "/hollow/dir/"
            ]
        );
        let root = pods.list(&from, &PodPath::root()).unwrap();
        assert_eq!(shown(root), ["/a.txt", "/deep/", "/empty", "/hollow/"]);
        let verified = pods.verify(&from, &Quiet).unwrap();
        assert_eq!(verified.damage, []);
        assert_eq!(verified.files, 3);
    }
}

#[test]
fn directories_live_as_long_as_nobody_removes_them() {
    let store = Store::new();
    let pods = store.wallet("ana");
    pods.create(&pod("p"), false).unwrap();
    write(&*pods, "p", &[("/a/b/c.txt", "1"), ("/a/d.txt", "2")]);
    let mut edit = pods.edit(&pod("p")).unwrap();
    edit.remove(&path("/a/b/c.txt"), false).unwrap();
    edit.commit("").unwrap();
    assert_eq!(paths(&*pods, &source("p")), ["/a/", "/a/b/", "/a/d.txt"]);

    let mut edit = pods.edit(&pod("p")).unwrap();
    assert!(matches!(
        edit.remove(&path("/a"), false),
        Err(PodsError::NotEmpty { entries: 2, .. })
    ));
    edit.remove(&path("/a/b"), false).unwrap();
    edit.rename(&path("/a"), &path("/z/y")).unwrap();
    edit.copy(&path("/z/y/d.txt"), &path("/copy.txt")).unwrap();
    let snapshot = edit.commit("").unwrap();
    assert_eq!((snapshot.files, snapshot.bytes), (2, 2));
    let expected = ["/copy.txt", "/z/", "/z/y/", "/z/y/d.txt"];
    assert_eq!(paths(&*pods, &source("p")), expected);

    let mut edit = pods.edit(&pod("p")).unwrap();
    edit.remove(&path("/z"), true).unwrap();
    edit.make_directory(&path("/copy")).unwrap();
    edit.commit("").unwrap();
    assert_eq!(paths(&*pods, &source("p")), ["/copy/", "/copy.txt"]);
    let history = pods.history(&pod("p")).unwrap();
    assert_eq!(history.len(), 5);
    let then = Source::Pod {
        name: "p".to_owned(),
        at: Some(1),
    };
    assert_eq!(read(&*pods, &then, "/a/b/c.txt").unwrap(), b"1");
}

#[test]
fn a_share_reads_what_was_shared_and_nothing_else() {
    let store = Store::new();
    let (ana, bo) = (store.wallet("ana"), store.wallet("bo"));
    ana.create(&pod("p"), false).unwrap();
    let files = [
        ("/a.txt", "one"),
        ("/d/b.txt", "two"),
        ("/d/e/c.txt", "three"),
    ];
    write(&*ana, "p", &files);

    let file = Source::Reference(ana.share(&pod("p"), &path("/d/b.txt")).unwrap());
    assert_eq!(paths(&*bo, &file), ["/b.txt"]);
    assert_eq!(read(&*bo, &file, "/").unwrap(), b"two");
    assert_eq!(read(&*bo, &file, "/b.txt").unwrap(), b"two");

    let directory = Source::Reference(ana.share(&pod("p"), &path("/d")).unwrap());
    assert_eq!(paths(&*bo, &directory), ["/b.txt", "/e/", "/e/c.txt"]);

    let key = ana.share(&pod("p"), &PodPath::root()).unwrap();
    assert_eq!(key, ana.share(&pod("p"), &PodPath::root()).unwrap());
    let found = bo.find(&key).unwrap();
    assert!(found.live && found.name == "p" && found.root.len() == 128);
    let whole = Source::Reference(key);
    assert_eq!(read(&*bo, &whole, "/a.txt").unwrap(), b"one");
    write(&*ana, "p", &[("/a.txt", "more")]);
    assert_eq!(read(&*bo, &whole, "/a.txt").unwrap(), b"more");

    let fork = bo.fork(&whole, &pod("mine")).unwrap();
    assert!(!fork.public);
    assert_eq!(fork.latest.as_ref().unwrap().files, 3);
    assert_eq!(fork.parent.unwrap().name, "p");
    write(&*bo, "mine", &[("/d/b.txt", "mine"), ("/new.txt", "new")]);
    assert_eq!(read(&*ana, &source("p"), "/d/b.txt").unwrap(), b"two");
    assert!(matches!(
        bo.pod(&pod("p")),
        Err(PodsError::Missing(name)) if name == "p"
    ));

    let offer = bo.offer(&pod("mine")).unwrap();
    assert_eq!(offer.added, ["/new.txt"]);
    assert_eq!(offer.changed, ["/d/b.txt"]);
    assert_eq!(ana.offers(&pod("p")).unwrap(), [offer.clone()]);
    ana.settle(&pod("p"), &offer.id, true).unwrap().unwrap();
    assert_eq!(read(&*ana, &source("p"), "/d/b.txt").unwrap(), b"mine");
    assert_eq!(ana.offers(&pod("p")).unwrap(), []);
}

#[test]
fn ten_thousand_files_are_one_edit() {
    let store = Store::new();
    let pods = store.wallet("ana");
    pods.create(&pod("p"), true).unwrap();
    let mut edit = pods.edit(&pod("p")).unwrap();
    for number in 0..10_000 {
        let at = path(&format!("/{}/{number}.txt", number % 100));
        let text = number.to_string();
        edit.write(&at, &FileMeta::default(), &mut text.as_bytes(), &Quiet)
            .unwrap();
    }
    let snapshot = edit.commit("").unwrap();
    assert_eq!(snapshot.files, 10_000);
    assert_eq!(pods.list(&source("p"), &path("/7")).unwrap().len(), 100);
}
