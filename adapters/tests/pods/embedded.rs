//! What only the embedded store promises: folders, locks, money, and what is the same after a restart.

use std::os::unix::fs::PermissionsExt;

use adapters::pods::keeper::Keeper;
use adapters::pods::{FileMeta, PodPath, Pods, PodsError, Quiet};
use adapters::swarm::splitter::hash;

use super::harness::{
    noise, open, path, paths, pod, put, read, shown, source, store, wallet, write,
};

#[test]
fn what_was_written_is_read_back_after_a_restart() {
    let (pods, folder, clock) = store();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    ana.create(&pod("p"), false).unwrap();
    let mut edit = ana.edit(&pod("p")).unwrap();
    put(&mut *edit, "/a.txt", "hello");
    put(&mut *edit, "/big", noise(1, 300_000));
    let snapshot = edit.commit("").unwrap();
    let key = ana.share(&pod("p"), &PodPath::root()).unwrap();
    drop((ana, pods));
    let pods = open(folder.path(), &clock).unwrap();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    assert_eq!(ana.pod(&pod("p")).unwrap().latest, Some(snapshot));
    assert_eq!(
        read(&*ana, &source("p"), "/big").unwrap(),
        noise(1, 300_000)
    );
    assert_eq!(paths(&*ana, &source("p")), ["/a.txt", "/big"]);
    let bo = pods.wallet(&wallet("bo")).unwrap();
    assert_eq!(bo.find(&key).unwrap().name, "p");
    assert_eq!(
        pods.wallets().names().unwrap(),
        [wallet("ana"), wallet("bo")]
    );
}

/// Offline references are those that Bee would give.
#[test]
fn a_public_file_has_the_reference_of_its_bytes() {
    let (pods, _folder, _) = store();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    ana.create(&pod("p"), true).unwrap();
    let contents = noise(2, 530_000);
    let mut edit = ana.edit(&pod("p")).unwrap();
    put(&mut *edit, "/big", &contents);
    edit.commit("").unwrap();
    let entry = ana.stat(&source("p"), &path("/big")).unwrap();
    let expected = hash(&contents[..], 1).unwrap().reference().to_string();
    assert_eq!(entry.reference, Some(expected));
}

#[test]
fn a_second_process_is_told_who_has_the_store() {
    let (pods, folder, clock) = store();
    let refused = open(folder.path(), &clock).unwrap_err();
    let PodsError::InUse { what } = &refused else {
        panic!("{refused}");
    };
    let pid = std::process::id().to_string();
    assert!(what.contains(&pid), "{what}");
    assert!(refused.hint().is_some());
    drop(pods);
    open(folder.path(), &clock).unwrap();
}

#[test]
fn keys_and_chunks_are_their_owners_only() {
    let (pods, folder, _) = store();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    ana.create(&pod("p"), false).unwrap();
    for file in [
        "wallets/ana.key",
        "pods/chunks.data",
        "pods/medium.redb",
        "pods/lock",
    ] {
        let metadata = std::fs::metadata(folder.path().join(file)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{file}");
    }
    let key = std::fs::read_to_string(folder.path().join("wallets/ana.key")).unwrap();
    let debug = format!("{pods:?} {:?}", pods.drives(&wallet("ana")).unwrap());
    assert!(!debug.contains(key.trim()));
}

#[test]
fn ten_thousand_files_are_one_edit() {
    let (pods, _folder, _) = store();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    ana.create(&pod("p"), true).unwrap();
    let mut edit = ana.edit(&pod("p")).unwrap();
    for number in 0..10_000 {
        let at = path(&format!("/{}/{number}.txt", number % 100));
        let text = (number % 10).to_string();
        edit.write(&at, &FileMeta::default(), &mut text.as_bytes(), &Quiet)
            .unwrap();
    }
    let snapshot = edit.commit("").unwrap();
    assert_eq!((snapshot.index, snapshot.files), (1, 10_000));
    let seven = ana.list(&source("p"), &path("/7")).unwrap();
    assert_eq!(seven.len(), 100);
    let mut edit = ana.edit(&pod("p")).unwrap();
    edit.remove(&path("/7"), true).unwrap();
    assert_eq!(edit.commit("").unwrap().files, 9_900);
    let root = ana.list(&source("p"), &PodPath::root()).unwrap();
    assert_eq!(root.len(), 99);
    assert!(!shown(root).contains(&"/7/".to_owned()));
}

/// Threads write to one pod and to pods of their own while others free what is not kept: nothing is lost.
#[test]
fn many_writers_at_one_time_lose_nothing() {
    const WRITERS: u64 = 4;
    const ROUNDS: u64 = 5;
    let (pods, _folder, _) = store();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    ana.create(&pod("shared"), false).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (ana, pods) = (&ana, &pods);
            scope.spawn(move || {
                let own = pod(&format!("own {writer}"));
                ana.create(&own, writer % 2 == 0).unwrap();
                for round in 0..ROUNDS {
                    for name in [&own, &pod("shared")] {
                        let mut edit = ana.edit(name).unwrap();
                        let at = format!("/{writer}/{round}");
                        put(&mut *edit, &at, noise(writer * 100 + round, 10_000));
                        edit.commit("").unwrap();
                    }
                    pods.disk().collect().unwrap();
                }
            });
        }
    });
    let shared = ana.pod(&pod("shared")).unwrap().latest.unwrap();
    assert_eq!((shared.index, shared.files), (20, 20));
    for writer in 0..WRITERS {
        for name in [format!("own {writer}"), "shared".to_owned()] {
            for round in 0..ROUNDS {
                let contents = read(&*ana, &source(&name), &format!("/{writer}/{round}"));
                assert_eq!(contents.unwrap(), noise(writer * 100 + round, 10_000));
            }
        }
    }
    assert_eq!(ana.batches().unwrap().len(), 1);
    assert_eq!(pods.disk().verify(&Quiet).unwrap().damage, []);
}

#[test]
fn a_wallet_that_has_nothing_costs_nothing() {
    let (pods, folder, _) = store();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    assert!(ana.pods().unwrap().is_empty());
    assert!(ana.batches().unwrap().is_empty());
    assert!(ana.pins().unwrap().is_empty());
    let len = std::fs::metadata(folder.path().join("pods/chunks.data"));
    assert_eq!(len.unwrap().len(), 0);
    assert!(pods.disk().journal().unwrap().is_empty());
    write_one(&*ana);
    assert!(!pods.disk().journal().unwrap().is_empty());
}

fn write_one(pods: &dyn Pods) {
    pods.create(&pod("p"), false).unwrap();
    write(pods, "p", &[("/a", "1")]);
}
