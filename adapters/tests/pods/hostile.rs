//! Manifests and trees made by somebody who means harm.

use std::collections::BTreeMap;

use adapters::pods::keeper::Keeper;
use adapters::pods::{PodPath, Pods, PodsError, Quiet, Source};
use adapters::swarm::Reference;
use adapters::swarm::chunk::Chunk;
use adapters::swarm::mantaray::{Entry, Manifest};
use adapters::swarm::splitter::{SplitOptions, split};

use super::harness::{World, key, path, pod, read};

/// Stores a plain manifest with these paths, each of a small file, and answers what names it.
fn manifest(keeper: &dyn Keeper, paths: &[&[u8]]) -> String {
    let deposit = keeper.deposit(key("mallory").owner()).unwrap();
    let contents = split(&b"gotcha"[..], &*deposit, &SplitOptions::default()).unwrap();
    let mut manifest = Manifest::default();
    for path in paths {
        let entry = Entry::file(contents.reference(), "text/plain", "x");
        manifest.insert(&*deposit, path, entry).unwrap();
    }
    let root = manifest.save(&*deposit, &SplitOptions::default()).unwrap();
    deposit.finish().unwrap();
    root.to_string()
}

#[test]
fn paths_that_lead_elsewhere_are_refused_by_name() {
    let world = World::on_disk();
    let bo = world.wallet("bo");
    let long = [b'x'; 300];
    let tricks: [&[u8]; 12] = [
        b"../evil",
        b"a/../../evil",
        b"./a",
        b"a//b",
        b"/etc/passwd",
        b"nul\0byte",
        b"line\nbreak",
        b"escape\x1b[2J",
        b"not \xff text",
        b"..",
        &long,
        b"dir/..",
    ];
    for trick in tricks {
        let shown = String::from_utf8_lossy(trick).into_owned();
        let from = Source::Reference(manifest(&*world.keeper, &[b"good.txt", trick]));
        let refused = |result: Result<(), PodsError>| match result {
            Err(PodsError::Path { text, .. }) => assert!(
                shown.starts_with(&text) || text.starts_with(&shown),
                "{text:?} for {shown:?}"
            ),
            other => panic!("{shown:?}: {other:?}"),
        };
        refused(bo.walk(&from, &PodPath::root()).map(drop));
        refused(bo.fork(&from, &pod("fork")).map(drop));
        assert!(matches!(bo.pod(&pod("fork")), Err(PodsError::Missing(_))));
        // What has an honest name is read all the same, and damage is looked for everywhere.
        assert_eq!(read(&*bo, &from, "/good.txt").unwrap(), b"gotcha");
        assert_eq!(bo.verify(&from, &Quiet).unwrap().files, 2);
    }
    let from = Source::Reference(manifest(&*world.keeper, &[b"../evil"]));
    assert!(matches!(
        bo.list(&from, &PodPath::root()),
        Err(PodsError::Path { .. })
    ));
}

/// In Bee's collections a path may be a file and have others below it.
#[test]
fn a_path_that_is_a_file_and_a_directory_shows_both() {
    let world = World::on_disk();
    let bo = world.wallet("bo");
    let from = Source::Reference(manifest(&*world.keeper, &[b"a", b"a/b", b"/"]));
    let listed = bo.list(&from, &PodPath::root()).unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(read(&*bo, &from, "/a").unwrap(), b"gotcha");
    assert_eq!(read(&*bo, &from, "/a/b").unwrap(), b"gotcha");
}

#[test]
fn a_length_that_is_a_lie_is_noticed() {
    let world = World::on_disk();
    let bo = world.wallet("bo");
    let deposit = world.keeper.deposit(key("mallory").owner()).unwrap();
    let contents = split(&b"short"[..], &*deposit, &SplitOptions::default()).unwrap();
    let mut manifest = Manifest::default();
    let entry = Entry {
        reference: Some(contents.reference()),
        metadata: BTreeMap::from([("medium-bytes".to_owned(), u64::MAX.to_string())]),
    };
    manifest.insert(&*deposit, b"a", entry.clone()).unwrap();
    manifest.insert(&*deposit, b"b", entry).unwrap();
    let root = manifest.save(&*deposit, &SplitOptions::default()).unwrap();
    deposit.finish().unwrap();
    let from = Source::Reference(root.to_string());
    let error = read(&*bo, &from, "/a").unwrap_err();
    assert!(matches!(error, PodsError::Damaged(_)), "{error}");
    bo.fork(&from, &pod("fork")).unwrap();
    let mut edit = bo.edit(&pod("fork")).unwrap();
    edit.remove(&path("/a"), false).unwrap();
    edit.commit("").unwrap();
}

/// A tree of eight chunks that stands for two exabytes.
fn bomb(keeper: &dyn Keeper) -> Reference {
    let deposit = keeper.deposit(key("mallory").owner()).unwrap();
    let mut chunk = Chunk::new(&[0; 4096]).unwrap();
    let mut span = 4096_u64;
    for _ in 0..7 {
        deposit.put(&[(chunk.address(), chunk.bytes())]).unwrap();
        span *= 128;
        chunk = Chunk::with_span(span, &chunk.address().0.repeat(128)).unwrap();
    }
    deposit.put(&[(chunk.address(), chunk.bytes())]).unwrap();
    deposit.finish().unwrap();
    chunk.address().into()
}

#[test]
fn a_tree_that_stands_for_exabytes_is_gone_through_once() {
    let world = World::on_disk();
    let bo = world.wallet("bo");
    let root = bomb(&*world.keeper);
    let from = Source::Reference(root.to_string());
    let entry = bo.stat(&from, &PodPath::root()).unwrap();
    assert_eq!(entry.bytes, 4096 * 128u64.pow(7));
    bo.fork(&from, &pod("fork")).unwrap();
    bo.set_pinned(&root.to_string(), true).unwrap();
    let verified = bo.verify(&from, &Quiet).unwrap();
    assert!(verified.damage.is_empty() && verified.chunks < 1_000);
    let mut part = Vec::new();
    let range = Some(entry.bytes - 10..entry.bytes);
    bo.read(&from, &PodPath::root(), range, &mut part, &Quiet)
        .unwrap();
    assert_eq!(part, [0; 10]);
}

#[test]
fn what_is_missing_is_named_and_nothing_is_pinned() {
    let world = World::on_disk();
    let bo = world.wallet("bo");
    let deposit = world.keeper.deposit(key("mallory").owner()).unwrap();
    let absent = Chunk::new(b"absent").unwrap().address();
    let mut manifest = Manifest::default();
    let entry = Entry::file(absent.into(), "", "a");
    manifest.insert(&*deposit, b"a", entry).unwrap();
    let root = manifest.save(&*deposit, &SplitOptions::default()).unwrap();
    deposit.finish().unwrap();
    let from = Source::Reference(root.to_string());
    for refused in [
        bo.set_pinned(&root.to_string(), true),
        bo.fork(&from, &pod("fork")).map(drop),
        read(&*bo, &from, "/a").map(drop),
    ] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains(&absent.to_string()), "{error}");
    }
    assert!(bo.pins().unwrap().is_empty());
    assert!(bo.pods().unwrap().is_empty());
    let damage = bo.verify(&from, &Quiet).unwrap().damage;
    assert_eq!(damage.len(), 1);
    assert_eq!(damage[0].path, "/a");
}
