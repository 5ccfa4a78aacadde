//! What users of the real FairOS-DFS share, and who forks it.

use adapters::pods::{EntryKind, PodPath, Pods as _, Quiet, Source};

use crate::users::{get, noise, path, pod, put, told, tree, user};

#[test]
fn a_shared_pod_is_read_and_forked_by_somebody_else() {
    let (Some(ana), Some(ben)) = (user("giver"), user("taker")) else {
        return;
    };
    ana.create(&pod("books"), false).unwrap();
    put(&ana, "books", "/a.txt", b"alpha");
    put(&ana, "books", "/empty", b"");
    put(&ana, "books", "/deep/er/b.bin", &noise(2_345_678));
    let key = ana.share(&pod("books"), &PodPath::root()).unwrap();
    assert_eq!(key.len(), 64);

    let found = ben.find(&key).unwrap();
    assert_eq!(
        (found.name.as_str(), found.kind, found.live),
        ("books", EntryKind::Directory, true)
    );
    let owner = ana.address().unwrap().to_lowercase();
    assert_eq!(found.owner.as_deref(), owner.strip_prefix("0x"));
    let shared = Source::Reference(key.clone());
    let all = [
        "/a.txt=5",
        "/deep/",
        "/deep/er/",
        "/deep/er/b.bin=2345678",
        "/empty=0",
    ];
    assert_eq!(tree(&ben, &shared), all);
    assert_eq!(get(&ben, &shared, "/a.txt").unwrap(), b"alpha");
    assert_eq!(get(&ben, &shared, "/empty").unwrap(), b"");
    let mut out = Vec::new();
    ben.read(
        &shared,
        &path("/deep/er/b.bin"),
        Some(1_000_000..1_000_010),
        &mut out,
        &Quiet,
    )
    .unwrap();
    assert_eq!(out, noise(2_345_678)[1_000_000..1_000_010]);
    insta::assert_snapshot!(told(get(&ben, &shared, "/no")), @"`the shared pod` has no `/no`");
    insta::assert_snapshot!(told(ben.list(&shared, &path("/no"))), @"`the shared pod` has no `/no`");
    insta::assert_snapshot!(told(ben.list(&shared, &path("/a.txt"))), @"`/a.txt` is a file, not a directory");

    let fork = ben.fork(&shared, &pod("mine")).unwrap();
    let parent = fork.parent.unwrap();
    assert_eq!(
        (parent.name.as_str(), parent.reference.as_str()),
        ("books", key.as_str())
    );
    let mine = Source::pod(&pod("mine"));
    assert_eq!(tree(&ben, &mine), all);
    assert!(get(&ben, &mine, "/deep/er/b.bin").unwrap() == noise(2_345_678));
    put(&ben, "mine", "/a.txt", b"my own");
    assert_eq!(
        get(&ana, &Source::pod(&pod("books")), "/a.txt").unwrap(),
        b"alpha"
    );
    insta::assert_snapshot!(told(ben.fork(&shared, &pod("mine"))), @"there is a pod `mine` already");
    assert_eq!(
        get(&ben, &mine, "/a.txt").unwrap(),
        b"my own",
        "a taken name is left alone"
    );

    put(&ana, "books", "/later", b"!");
    assert_eq!(
        get(&ben, &shared, "/later").unwrap(),
        b"!",
        "the reference is live"
    );
    assert_eq!(tree(&ben, &mine).len(), all.len(), "the fork is not");
}

#[test]
fn a_pod_is_forked_by_its_owner() {
    let Some(ana) = user("forker") else {
        return;
    };
    ana.create(&pod("one"), false).unwrap();
    put(&ana, "one", "/d/f", b"text");
    put(&ana, "one", "/e", b"");
    ana.create(&pod("nothing"), false).unwrap();
    let one = Source::pod(&pod("one"));
    let fork = ana.fork(&one, &pod("two")).unwrap();
    assert_eq!(fork.parent.unwrap().name, "one");
    assert_eq!(tree(&ana, &Source::pod(&pod("two"))), tree(&ana, &one));
    ana.fork(&Source::pod(&pod("nothing")), &pod("nothing else"))
        .unwrap();
    assert_eq!(tree(&ana, &Source::pod(&pod("nothing else"))), [""; 0]);
    assert_eq!(ana.pods().unwrap().len(), 4);
}

#[test]
fn a_shared_file_is_found_and_forked() {
    let (Some(ana), Some(ben)) = (user("file-giver"), user("file-taker")) else {
        return;
    };
    ana.create(&pod("p"), false).unwrap();
    put(&ana, "p", "/d/a b.txt", b"shared");
    put(&ana, "p", "/secret", b"not shared");
    let key = ana.share(&pod("p"), &path("/d/a b.txt")).unwrap();
    assert_eq!(key.len(), 128);
    let found = ben.find(&key).unwrap();
    assert_eq!(
        (found.name.as_str(), found.kind, found.live),
        ("a b.txt", EntryKind::File, false)
    );
    let shared = Source::Reference(key.clone());
    assert_eq!(tree(&ben, &shared), ["/a b.txt=6"]);
    insta::assert_snapshot!(told(get(&ben, &shared, "/a b.txt")), @"FairOS-DFS at http://HOST cannot read a file by its reference alone | fork it first, and read the fork");
    ben.fork(&shared, &pod("received")).unwrap();
    let received = Source::pod(&pod("received"));
    assert_eq!(tree(&ben, &received), ["/a b.txt=6"]);
    assert_eq!(get(&ben, &received, "/a b.txt").unwrap(), b"shared");
    put(&ana, "p", "/d/a b.txt", b"changed");
    assert_eq!(
        get(&ben, &received, "/a b.txt").unwrap(),
        b"shared",
        "it is one state"
    );
}
