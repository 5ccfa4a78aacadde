//! One flipped byte on disk, wherever it is, is noticed and named.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::Path;

use adapters::pods::disk::SLOT_BYTES;
use adapters::pods::{PodPath, PodStore, Pods, PodsError, Quiet, Source};

use super::harness::{noise, open, path, pod, put, read, source, store, today, wallet, write};

/// A private and a public pod with a file of one chunk and one of several, and what was shared of them.
fn fill(pods: &PodStore) -> Vec<Source> {
    let ana = pods.wallet(&wallet("ana")).unwrap();
    let mut sources = Vec::new();
    for (name, public) in [("private", false), ("public", true)] {
        ana.create(&pod(name), public).unwrap();
        write(&*ana, name, &[("/gone", "before")]);
        let mut edit = ana.edit(&pod(name)).unwrap();
        edit.remove(&path("/gone"), false).unwrap();
        put(&mut *edit, "/small.txt", "hello");
        put(&mut *edit, "/d/big.bin", noise(5, 10_000));
        edit.commit("").unwrap();
        let shared = ana.share(&pod(name), &path("/small.txt")).unwrap();
        sources.extend([source(name), Source::Reference(shared)]);
    }
    sources
}

fn flip(file: &Path, at: u64) {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(file)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

/// What reading everything says: the names of what is damaged.
fn complaints(pods: &dyn Pods, sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for from in sources {
        match pods.verify(from, &Quiet) {
            Ok(verified) => {
                let damage = verified.damage.into_iter();
                complaints.extend(damage.map(|d| format!("{from}: {} {}", d.path, d.why)));
            }
            Err(error) => complaints.push(format!("{from}: {error}")),
        }
    }
    complaints
}

#[test]
fn a_flipped_byte_of_any_chunk_is_named() {
    let (pods, folder, clock) = store();
    let sources = fill(&pods);
    drop(pods);
    let file = folder.path().join("pods/chunks.data");
    let slots = std::fs::metadata(&file).unwrap().len().div_ceil(SLOT_BYTES);
    assert!(slots > 30);
    let mut named = BTreeSet::new();
    for slot in 0..slots {
        // Within the shortest chunk: a span and five bytes.
        let at = slot * SLOT_BYTES + slot % 13;
        flip(&file, at);
        let pods = open(folder.path(), &clock).unwrap();
        let all = pods.disk().verify(&Quiet).unwrap();
        assert_eq!(all.damage.len(), 1, "slot {slot}");
        let place = format!("chunks.data at byte {})", slot * SLOT_BYTES);
        assert!(all.damage[0].why.contains(&place), "{}", all.damage[0].why);
        assert!(all.damage[0].why.contains(&all.damage[0].chunk));
        let ana = pods.wallet(&wallet("ana")).unwrap();
        for complaint in complaints(&*ana, &sources) {
            assert!(complaint.contains(&place), "{complaint}");
            assert!(complaint.contains(&all.damage[0].chunk), "{complaint}");
            let path = complaint.split_once(": ").unwrap().1;
            named.insert(path.split_whitespace().next().unwrap().to_owned());
        }
        drop(pods);
        flip(&file, at);
    }
    for path in ["/", "/small.txt", "/d/big.bin"] {
        assert!(named.contains(path), "{path} among {named:?}");
    }
    let pods = open(folder.path(), &clock).unwrap();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    assert_eq!(complaints(&*ana, &sources), [""; 0]);
}

#[test]
fn a_damaged_file_is_never_served_and_is_whole_when_written_again() {
    let (pods, folder, clock) = store();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    ana.create(&pod("p"), true).unwrap();
    // The first chunk of all is the leaf.
    write(&*ana, "p", &[("/a.txt", "hello, hello")]);
    let place = {
        let bytes = std::fs::read(folder.path().join("pods/chunks.data")).unwrap();
        let at = bytes.windows(12).position(|w| w == b"hello, hello");
        at.unwrap() as u64
    };
    drop((ana, pods));
    flip(&folder.path().join("pods/chunks.data"), place);
    let pods = open(folder.path(), &clock).unwrap();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    let error = read(&*ana, &source("p"), "/a.txt").unwrap_err();
    let PodsError::Damaged(what) = &error else {
        panic!("{error}");
    };
    let slot = place / SLOT_BYTES * SLOT_BYTES;
    assert!(what.contains("`/a.txt` of p"), "{what}");
    assert!(what.contains(&format!("at byte {slot}")), "{what}");
    write(&*ana, "p", &[("/b.txt", "hello, hello")]);
    assert_eq!(
        read(&*ana, &source("p"), "/a.txt").unwrap(),
        b"hello, hello"
    );
    assert_eq!(ana.verify(&source("p"), &Quiet).unwrap().damage, []);
    drop((ana, pods));
    let pods = open(folder.path(), &clock).unwrap();
    assert_eq!(pods.disk().verify(&Quiet).unwrap().damage, []);
}

#[test]
fn a_flipped_byte_of_the_index_is_named() {
    let (pods, folder, clock) = store();
    let sources = fill(&pods);
    drop(pods);
    let file = folder.path().join("pods/medium.redb");
    let whole = std::fs::read(&file).unwrap();
    let sums = std::fs::read(folder.path().join("pods/medium.sums")).unwrap();
    let mut noticed = 0;
    // A few bytes of every page.
    for page in 0..whole.len() as u64 / 4096 {
        for at in [page * 4096 + 5, page * 4096 + 777] {
            std::fs::write(&file, &whole).unwrap();
            std::fs::write(folder.path().join("pods/medium.sums"), &sums).unwrap();
            flip(&file, at);
            let complaints = match open(folder.path(), &clock) {
                Err(error) => vec![error.to_string()],
                Ok(pods) => match pods.wallet(&wallet("ana")) {
                    Ok(ana) => complaints(&*ana, &sources),
                    Err(error) => vec![error.to_string()],
                },
            };
            // Pages that nothing uses say nothing; of the others each complaint is about damage.
            noticed += usize::from(!complaints.is_empty());
            for complaint in complaints {
                assert!(
                    complaint.contains("amaged") || complaint.contains("medium.redb"),
                    "{complaint}"
                );
            }
        }
    }
    assert!(noticed > 0);
}

#[test]
fn a_flipped_byte_of_a_key_is_not_another_wallet() {
    let (pods, folder, _) = store();
    pods.wallet(&wallet("ana")).unwrap();
    drop(pods);
    let file = folder.path().join("wallets/ana.key");
    std::fs::write(&file, "not a key\n").unwrap();
    let pods = open(folder.path(), &today()).unwrap();
    let refused = pods.wallet(&wallet("ana")).map(drop).unwrap_err();
    assert!(refused.to_string().contains("ana.key"), "{refused}");
    assert!(pods.wallet(&wallet("bo")).is_ok());
    let from = Source::pod(&pod("none"));
    let bo = pods.wallet(&wallet("bo")).unwrap();
    assert!(bo.list(&from, &PodPath::root()).is_err());
}
