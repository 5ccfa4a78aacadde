//! What pods do, on any keeper: each test is given a [`World`].

use std::sync::atomic::{AtomicU64, Ordering};

use adapters::pods::{
    Edit, EntryKind, FileMeta, PodName, PodPath, Pods, PodsError, Progress, Quiet, Snapshot, Source,
};

pub(crate) use super::sharing::*;

use super::harness::{World, noise, path, paths, pod, put, read, shown, source, write};

/// Makes a test of each function of the suite, over the keeper that an expression makes.
macro_rules! suite {
    ($world:expr) => {
        suite!(@ $world;
            what_was_written_is_read_back
            what_is_known_of_a_file_is_kept
            directories_live_as_long_as_nobody_removes_them
            every_snapshot_can_be_read
            a_share_reads_what_was_shared_and_nothing_else
            a_fork_is_ones_own
            an_offer_is_taken_or_declined
            an_offer_that_conflicts_changes_nothing
            an_offer_travels_as_a_file
            edits_at_one_time_are_merged_or_refused
            a_pod_that_is_missing_or_closed_is_not_changed
            an_edit_that_is_dropped_changed_nothing
            a_transfer_can_be_stopped
            who_holds_every_chunk_but_no_key_reads_nothing
            names_are_one_wallets_own
            equal_files_of_a_wallet_are_stored_once
        );
    };
    (@ $world:expr; $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                crate::suite::$name(&$world);
            }
        )*
    };
}

pub(crate) fn what_was_written_is_read_back(world: &World) {
    let big = noise(1, 530_000);
    for public in [false, true] {
        let pods = world.wallet("ana");
        let name = if public { "open" } else { "secret" };
        pods.create(&pod(name), public).unwrap();
        let mut edit = pods.edit(&pod(name)).unwrap();
        put(&mut *edit, "/a.txt", "hello");
        put(&mut *edit, "/deep/er/big.bin", &big);
        put(&mut *edit, "/empty", "");
        edit.make_directory(&path("/hollow/dir")).unwrap();
        let snapshot = edit.commit("first").unwrap();
        assert_eq!((snapshot.files, snapshot.bytes), (3, 5 + 530_000));
        assert_eq!(snapshot.index, 1);
        assert_eq!(snapshot.reference.len(), if public { 64 } else { 128 });
    }
    let pods = world.fresh("ana");
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
        let all = [
            "/a.txt",
            "/deep/",
            "/deep/er/",
            "/deep/er/big.bin",
            "/empty",
            "/hollow/",
            "/hollow/dir/",
        ];
        assert_eq!(paths(&*pods, &from), all);
        let root = pods.list(&from, &PodPath::root()).unwrap();
        assert_eq!(shown(root), ["/a.txt", "/deep/", "/empty", "/hollow/"]);
        let below = pods.walk(&from, &path("/deep")).unwrap();
        assert_eq!(shown(below), ["/deep/er/", "/deep/er/big.bin"]);
        let verified = pods.verify(&from, &Quiet).unwrap();
        assert_eq!(verified.damage, []);
        assert_eq!(verified.files, 3);
        assert!(verified.bytes > 530_000);
    }
    let listed = pods.pods().unwrap();
    let names: Vec<_> = listed.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(names, ["open", "secret"]);
}

pub(crate) fn what_is_known_of_a_file_is_kept(world: &World) {
    let pods = world.wallet("ana");
    pods.create(&pod("p"), false).unwrap();
    let mut edit = pods.edit(&pod("p")).unwrap();
    let meta = FileMeta {
        content_type: "text/x-odd".to_owned(),
        modified: 1_234,
        executable: true,
        bytes: Some(3),
    };
    edit.write(&path("/run"), &meta, &mut &b"abc"[..], &Quiet)
        .unwrap();
    put(&mut *edit, "/page.html", "<p>");
    let short = edit.write(&path("/short"), &meta, &mut &b"ab"[..], &Quiet);
    assert!(matches!(short, Err(PodsError::Io { .. })));
    edit.commit("").unwrap();
    let entry = pods.stat(&source("p"), &path("/run")).unwrap();
    assert_eq!(entry.content_type, "text/x-odd");
    assert_eq!((entry.modified, entry.executable), (1_234, true));
    let page = pods.stat(&source("p"), &path("/page.html")).unwrap();
    assert_eq!(page.content_type, "text/html; charset=utf-8");
    assert_eq!((page.modified, page.executable), (0, false));
    let root = pods.stat(&source("p"), &PodPath::root()).unwrap();
    assert_eq!(root.kind, EntryKind::Directory);
    assert!(matches!(
        pods.stat(&source("p"), &path("/short")),
        Err(PodsError::NoSuchPath { .. })
    ));
    assert!(matches!(
        read(&*pods, &source("p"), "/"),
        Err(PodsError::NotAFile(_))
    ));
    assert!(matches!(
        pods.list(&source("p"), &path("/run")),
        Err(PodsError::NotADirectory(_))
    ));
}

pub(crate) fn directories_live_as_long_as_nobody_removes_them(world: &World) {
    let pods = world.wallet("ana");
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
    let odd: [(&str, Result<(), PodsError>); 6] = [
        ("missing", edit.copy(&path("/no"), &path("/n"))),
        ("into itself", edit.copy(&path("/z"), &path("/z/y/z"))),
        ("there", edit.rename(&path("/z"), &path("/copy.txt"))),
        ("below a file", edit.make_directory(&path("/copy.txt/d"))),
        ("a file", edit.make_directory(&path("/copy.txt"))),
        ("nothing", edit.remove(&path("/no"), true)),
    ];
    for (what, refused) in odd {
        assert!(refused.is_err(), "{what}");
    }
    let meta = FileMeta::default();
    assert!(matches!(
        edit.write(&path("/z"), &meta, &mut &b""[..], &Quiet),
        Err(PodsError::NotAFile(_))
    ));
    assert!(matches!(
        edit.write(&path("/copy.txt/d/e"), &meta, &mut &b""[..], &Quiet),
        Err(PodsError::NotADirectory(at)) if at == "/copy.txt"
    ));
    edit.remove(&path("/z"), true).unwrap();
    edit.make_directory(&path("/copy")).unwrap();
    edit.make_directory(&path("/copy")).unwrap();
    edit.commit("").unwrap();
    assert_eq!(paths(&*pods, &source("p")), ["/copy/", "/copy.txt"]);
    let mut edit = pods.edit(&pod("p")).unwrap();
    edit.remove(&PodPath::root(), true).unwrap();
    edit.commit("").unwrap();
    assert_eq!(paths(&*pods, &source("p")), [""; 0]);
}

pub(crate) fn every_snapshot_can_be_read(world: &World) {
    let pods = world.wallet("ana");
    pods.create(&pod("p"), false).unwrap();
    for number in 1..=20 {
        let mut edit = pods.edit(&pod("p")).unwrap();
        put(&mut *edit, "/n", number.to_string());
        edit.commit(&format!("note {number}")).unwrap();
    }
    // Who knows nothing of the feed finds its end.
    let pods = world.fresh("ana");
    let history = pods.history(&pod("p")).unwrap();
    assert_eq!(history.len(), 21);
    for snapshot in history.iter().skip(1) {
        assert_eq!(snapshot.note, format!("note {}", snapshot.index));
        let at = Source::Pod {
            name: "p".to_owned(),
            at: Some(snapshot.index),
        };
        let number = snapshot.index.to_string();
        assert_eq!(read(&*pods, &at, "/n").unwrap(), number.as_bytes());
        let by_reference = Source::Reference(snapshot.reference.clone());
        let read = read(&*pods, &by_reference, "/n").unwrap();
        assert_eq!(read, number.as_bytes());
    }
    let beyond = Source::Pod {
        name: "p".to_owned(),
        at: Some(21),
    };
    assert!(matches!(
        read(&*pods, &beyond, "/n"),
        Err(PodsError::Reference { .. })
    ));
    let unchanged = pods.edit(&pod("p")).unwrap().commit("").unwrap();
    assert_eq!(unchanged.index, 20);
}

/// What is done in an edit.
type Does = fn(&mut dyn Edit);

pub(crate) fn edits_at_one_time_are_merged_or_refused(world: &World) {
    let pods = world.wallet("ana");
    pods.create(&pod("p"), false).unwrap();
    write(&*pods, "p", &[("/a", "1"), ("/b", "2"), ("/d/x", "3")]);
    // Another process has the same wallet.
    let other = world.fresh("ana");
    let mut mine = pods.edit(&pod("p")).unwrap();
    let mut theirs = other.edit(&pod("p")).unwrap();
    put(&mut *mine, "/a", "mine");
    mine.remove(&path("/d"), true).unwrap();
    mine.make_directory(&path("/hollow")).unwrap();
    put(&mut *theirs, "/b", "theirs");
    put(&mut *theirs, "/hollow/full", "theirs");
    theirs.commit("").unwrap();
    let merged = mine.commit("").unwrap();
    assert_eq!((merged.index, merged.files), (3, 3));
    assert_eq!(read(&*pods, &source("p"), "/a").unwrap(), b"mine");
    assert_eq!(read(&*pods, &source("p"), "/b").unwrap(), b"theirs");
    let expected = ["/a", "/b", "/hollow/", "/hollow/full"];
    assert_eq!(paths(&*pods, &source("p")), expected);

    let cases: [(Does, Does, &str); 4] = [
        (|e| put(e, "/a", "x"), |e| put(e, "/a", "y"), "/a"),
        (
            |e| e.remove(&path("/a"), false).unwrap(),
            |e| put(e, "/a", "y"),
            "/a",
        ),
        (|e| put(e, "/f", "x"), |e| put(e, "/f/g", "y"), "/f"),
        (|e| put(e, "/h/i", "x"), |e| put(e, "/h", "y"), "/h"),
    ];
    for (number, (mine_does, theirs_do, at)) in cases.into_iter().enumerate() {
        let name = format!("case {number}");
        pods.create(&pod(&name), false).unwrap();
        write(&*pods, &name, &[("/a", "0")]);
        let mut mine = pods.edit(&pod(&name)).unwrap();
        let mut theirs = other.edit(&pod(&name)).unwrap();
        mine_does(&mut *mine);
        theirs_do(&mut *theirs);
        let latest = theirs.commit("").unwrap();
        let Err(PodsError::Conflict { paths }) = mine.commit("") else {
            panic!("{name}: both changed {at}");
        };
        assert_eq!(paths, [at], "{name}");
        assert_eq!(pods.pod(&pod(&name)).unwrap().latest, Some(latest));
    }
    // Alike on both sides is no conflict.
    let mut mine = pods.edit(&pod("p")).unwrap();
    let mut theirs = other.edit(&pod("p")).unwrap();
    put(&mut *mine, "/same", "same");
    put(&mut *theirs, "/same", "same");
    theirs.commit("").unwrap();
    mine.commit("").unwrap();
    // A pod that was made anew under the name is another pod.
    let mut edit = pods.edit(&pod("p")).unwrap();
    put(&mut *edit, "/late", "late");
    other.remove_pod(&pod("p")).unwrap();
    other.create(&pod("p"), false).unwrap();
    assert!(matches!(edit.commit(""), Err(PodsError::Missing(_))));
    assert_eq!(paths(&*pods, &source("p")), [""; 0]);
}

type Operation = fn(&dyn Pods, &PodName) -> Result<(), PodsError>;

/// Every operation on a pod that reads or changes it.
const OPERATIONS: [(&str, Operation); 13] = [
    ("list", |p, n| {
        p.list(&Source::pod(n), &PodPath::root()).map(drop)
    }),
    ("stat", |p, n| {
        p.stat(&Source::pod(n), &path("/a")).map(drop)
    }),
    ("walk", |p, n| {
        p.walk(&Source::pod(n), &PodPath::root()).map(drop)
    }),
    ("read", |p, n| read(p, &Source::pod(n), "/a").map(drop)),
    ("edit", |p, n| p.edit(n).map(drop)),
    ("history", |p, n| p.history(n).map(drop)),
    ("share", |p, n| p.share(n, &PodPath::root()).map(drop)),
    ("share a file", |p, n| p.share(n, &path("/a")).map(drop)),
    ("fork", |p, n| {
        p.fork(&Source::pod(n), &pod("fork of it")).map(drop)
    }),
    ("offer", |p, n| p.offer(n).map(drop)),
    ("offers", |p, n| p.offers(n).map(drop)),
    ("settle", |p, n| p.settle(n, "ab", true).map(drop)),
    ("verify", |p, n| p.verify(&Source::pod(n), &Quiet).map(drop)),
];

pub(crate) fn a_pod_that_is_missing_or_closed_is_not_changed(world: &World) {
    let pods = world.wallet("ana");
    pods.create(&pod("p"), false).unwrap();
    write(&*pods, "p", &[("/a", "1")]);
    let edit_before = {
        let mut edit = pods.edit(&pod("p")).unwrap();
        put(&mut *edit, "/late", "late");
        edit
    };
    pods.set_open(&pod("p"), false).unwrap();
    let before = world.state(&*pods);
    for (what, operation) in OPERATIONS {
        let missing = operation(&*pods, &pod("none"));
        assert!(
            matches!(&missing, Err(PodsError::Missing(name)) if name == "none"),
            "{what}: {missing:?}"
        );
        let closed = operation(&*pods, &pod("p"));
        assert!(
            matches!(&closed, Err(PodsError::Closed(name)) if name == "p"),
            "{what}: {closed:?}"
        );
        assert!(world.state(&*pods) == before, "{what} changed something");
    }
    let missing: [(&str, Result<(), PodsError>); 4] = [
        ("open", pods.set_open(&pod("none"), true).map(drop)),
        ("close", pods.set_open(&pod("none"), false).map(drop)),
        ("pod", pods.pod(&pod("none")).map(drop)),
        ("remove", pods.remove_pod(&pod("none"))),
    ];
    for (what, refused) in missing {
        assert!(matches!(refused, Err(PodsError::Missing(_))), "{what}");
    }
    assert!(matches!(edit_before.commit(""), Err(PodsError::Closed(_))));
    assert!(!pods.pod(&pod("p")).unwrap().open);
    assert!(world.state(&*pods) == before);
    pods.set_open(&pod("p"), true).unwrap();
    assert_eq!(paths(&*pods, &source("p")), ["/a"]);
    assert!(matches!(
        pods.create(&pod("p"), true),
        Err(PodsError::Exists(_))
    ));
}

pub(crate) fn an_edit_that_is_dropped_changed_nothing(world: &World) {
    let pods = world.wallet("ana");
    pods.create(&pod("p"), false).unwrap();
    let before: Snapshot = write(&*pods, "p", &[("/a", "1")]);
    let mut edit = pods.edit(&pod("p")).unwrap();
    put(&mut *edit, "/a", "2");
    edit.remove(&path("/a"), false).unwrap();
    drop(edit);
    assert_eq!(pods.pod(&pod("p")).unwrap().latest, Some(before));
    assert_eq!(read(&*pods, &source("p"), "/a").unwrap(), b"1");
    let fresh = world.wallet("bo");
    let quiet = world.state(&*fresh);
    assert!(fresh.edit(&pod("p")).is_err());
    assert!(fresh.pods().unwrap().is_empty());
    assert!(world.state(&*fresh) == quiet, "who reads buys nothing");
    assert!(fresh.bought_unasked().is_empty());
    fresh.create(&pod("first"), false).unwrap();
    assert_eq!(fresh.bought_unasked().len(), 1);
    assert!(fresh.bought_unasked().is_empty());
}

/// Stops when so many bytes have moved.
struct StopAt(AtomicU64);

impl Progress for StopAt {
    fn moved(&self, bytes: u64) {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(bytes), Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

pub(crate) fn a_transfer_can_be_stopped(world: &World) {
    let pods = world.wallet("ana");
    pods.create(&pod("p"), false).unwrap();
    let big = noise(7, 800_000);
    let meta = FileMeta::default();
    let mut edit = pods.edit(&pod("p")).unwrap();
    let stop = StopAt(AtomicU64::new(600_000));
    let stopped = edit.write(&path("/big"), &meta, &mut &big[..], &stop);
    assert!(matches!(stopped, Err(PodsError::Stopped { bytes }) if bytes >= 600_000));
    put(&mut *edit, "/big", &big);
    edit.commit("").unwrap();
    let stop = StopAt(AtomicU64::new(600_000));
    let mut out = Vec::new();
    let stopped = pods.read(&source("p"), &path("/big"), None, &mut out, &stop);
    assert!(matches!(stopped, Err(PodsError::Stopped { .. })));
    assert!(out.len() >= 600_000 && big.starts_with(&out));
    let stop = StopAt(AtomicU64::new(600_000));
    assert!(matches!(
        pods.verify(&source("p"), &stop),
        Err(PodsError::Stopped { .. })
    ));
}

pub(crate) fn names_are_one_wallets_own(world: &World) {
    let (ana, bo) = (world.wallet("ana"), world.wallet("bo"));
    ana.create(&pod("p"), false).unwrap();
    bo.create(&pod("p"), false).unwrap();
    write(&*ana, "p", &[("/a", "ana's")]);
    write(&*bo, "p", &[("/a", "bo's")]);
    assert_eq!(read(&*ana, &source("p"), "/a").unwrap(), b"ana's");
    ana.remove_pod(&pod("p")).unwrap();
    assert!(ana.pods().unwrap().is_empty());
    assert_eq!(read(&*bo, &source("p"), "/a").unwrap(), b"bo's");
    ana.create(&pod("p"), false).unwrap();
    assert_eq!(paths(&*ana, &source("p")), [""; 0]);
    for odd in ["", ".", "..", "a/b", "a\0b", " a", "a\n", &"x".repeat(65)] {
        assert!(odd.parse::<PodName>().is_err(), "{odd:?}");
    }
    for odd in [
        "/../x",
        "/a/./b",
        "/a//b",
        "/a\0",
        "/a\x1b[2J",
        &"x".repeat(256),
    ] {
        assert!(odd.parse::<PodPath>().is_err(), "{odd:?}");
    }
}

pub(crate) fn equal_files_of_a_wallet_are_stored_once(world: &World) {
    let pods = world.wallet("ana");
    let big = noise(9, 300_000);
    let kept = |world: &World| world.kept().iter().map(Vec::len).sum::<usize>();
    for name in ["p", "q"] {
        pods.create(&pod(name), false).unwrap();
    }
    let mut edit = pods.edit(&pod("p")).unwrap();
    put(&mut *edit, "/big", &big);
    edit.commit("").unwrap();
    let before = kept(world);
    let mut edit = pods.edit(&pod("q")).unwrap();
    put(&mut *edit, "/the same", &big);
    edit.commit("").unwrap();
    assert!(kept(world) - before < 30_000);
    // Another wallet's are others, or it could be asked whether a file is here.
    let bo = world.wallet("bo");
    bo.create(&pod("p"), false).unwrap();
    let before = kept(world);
    let mut edit = bo.edit(&pod("p")).unwrap();
    put(&mut *edit, "/big", &big);
    edit.commit("").unwrap();
    assert!(kept(world) - before > 300_000);
}
