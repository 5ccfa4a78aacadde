//! The right to write: batches, money, pins, and what is freed.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::clock::{Clock, VirtualClock};
use adapters::pods::disk::{ALLOWANCE_MOTES, Disk, price};
use adapters::pods::keeper::Keeper;
use adapters::pods::{BuyBatch, FileMeta, PodPath, Pods, PodsError, Quiet};
use adapters::swarm::chunk::Chunk;
use adapters::swarm::sign::Owner;
use adapters::swarm::splitter::{SplitOptions, split};
use adapters::swarm::stamp::bucket_of;
use adapters::swarm::store::ChunkStore;
use adapters::swarm::{Address, Reference};
use genesis::ledger::Ledger;
use genesis::time::Time;
use proptest::prelude::*;

use super::harness::{
    TODAY_MS, key, noise, open, path, paths, pod, put, read, source, store, today, wallet, write,
};
use super::memory::Memory;

const DAY_S: u64 = 86_400;

fn wish(depth: u8, ttl_s: u64) -> BuyBatch {
    BuyBatch {
        depth,
        ttl_s,
        label: "test".to_owned(),
    }
}

#[test]
fn the_first_write_buys_a_batch_and_says_so() {
    let (pods, _folder, _) = store();
    let ana = pods.drives(&wallet("ana")).unwrap();
    ana.create(&pod("p"), false).unwrap();
    let bought = ana.bought_unasked();
    assert_eq!(bought.len(), 1);
    assert_eq!(bought[0].label, "default");
    assert!(bought[0].motes > 0);
    let batches = ana.batches().unwrap();
    assert_eq!(batches.len(), 1);
    assert!(batches[0].stamped > 0 && batches[0].usable);
    write(&*ana, "p", &[("/a", "1")]);
    assert!(ana.bought_unasked().is_empty());
    assert_eq!(ana.batches().unwrap().len(), 1);
    let bo = pods.wallet(&wallet("bo")).unwrap();
    assert!(bo.batches().unwrap().is_empty());
}

#[test]
fn money_is_conserved_and_journalled() {
    let (pods, folder, clock) = store();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    let cheap = ana.buy(&wish(17, DAY_S)).unwrap();
    assert_eq!(cheap.batch.motes, price(17, DAY_S));
    assert_eq!(cheap.batch.motes, 32, "2^17 chunks for a day, 4,096 a mote");
    let left = i64::try_from(ALLOWANCE_MOTES).unwrap() - 32;
    assert_eq!(cheap.motes_left, left);
    let PodsError::Funds { has, needs, .. } = ana.buy(&wish(32, 365 * DAY_S)).unwrap_err() else {
        panic!("nobody has as much");
    };
    assert_eq!(has, i128::from(left));
    assert_eq!(needs, price(32, 365 * DAY_S));
    for odd in [
        wish(16, DAY_S),
        wish(33, DAY_S),
        wish(20, 0),
        wish(20, u64::MAX),
    ] {
        assert!(matches!(ana.buy(&odd), Err(PodsError::Batch { .. })));
    }
    let bo = pods.wallet(&wallet("bo")).unwrap();
    bo.buy(&wish(20, DAY_S)).unwrap();
    let ledger = pods.disk().ledger();
    assert_eq!(ledger.sum(), 0);
    assert_eq!(ledger.issued(), 2 * i128::from(ALLOWANCE_MOTES));
    drop((ana, bo, pods));
    let pods = open(folder.path(), &clock).unwrap();
    assert_eq!(pods.disk().ledger(), ledger);
    let journal = pods.disk().journal().unwrap();
    assert_eq!(journal.len(), 4);
    assert_eq!(Ledger::replay(journal).unwrap(), ledger);
}

#[test]
fn an_expired_batch_refuses_and_the_pod_is_as_it_was() {
    let (pods, _folder, clock) = store();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    let batch = ana.buy(&wish(20, DAY_S)).unwrap().batch;
    ana.create(&pod("p"), false).unwrap();
    write(&*ana, "p", &[("/a", "1")]);
    let mut edit = ana.edit(&pod("p")).unwrap();
    put(&mut *edit, "/b", "in time");
    clock.advance_to(Time(TODAY_MS + DAY_S * 1000));
    let meta = FileMeta::default();
    let refusals = [
        edit.write(&path("/c"), &meta, &mut &b"late"[..], &Quiet)
            .map(drop),
        edit.commit("").map(drop),
        ana.create(&pod("q"), false).map(drop),
        ana.share(&pod("p"), &PodPath::root()).map(drop),
    ];
    for refused in refusals {
        let PodsError::Batch { id, why } = refused.unwrap_err() else {
            panic!("the batch has expired");
        };
        assert_eq!(id, batch.id);
        assert!(why.contains("expired"), "{why}");
    }
    assert_eq!(paths(&*ana, &source("p")), ["/a"]);
    assert!(!ana.batches().unwrap()[0].usable);
    assert!(ana.bought_unasked().is_empty());
    ana.buy(&wish(20, DAY_S)).unwrap();
    write(&*ana, "p", &[("/c", "paid")]);
}

/// What the latest snapshot consists of outlives the batch that its older files were written with.
#[test]
fn a_new_batch_takes_over_what_an_older_one_stamped() {
    let (pods, folder, clock) = store();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    ana.buy(&wish(20, DAY_S)).unwrap();
    ana.create(&pod("p"), false).unwrap();
    write(&*ana, "p", &[("/a", "old"), ("/gone", "old")]);
    ana.buy(&wish(20, 10 * DAY_S)).unwrap();
    let mut edit = ana.edit(&pod("p")).unwrap();
    put(&mut *edit, "/b", "new");
    edit.remove(&path("/gone"), false).unwrap();
    edit.commit("").unwrap();
    clock.advance_to(Time(TODAY_MS + DAY_S * 1000));
    let freed = ana.collect().unwrap();
    assert!(freed.chunks > 0 && freed.batches == 1);
    drop((ana, pods));
    let pods = open(folder.path(), &clock).unwrap();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    assert_eq!(paths(&*ana, &source("p")), ["/a", "/b"]);
    assert_eq!(read(&*ana, &source("p"), "/a").unwrap(), b"old");
    assert_eq!(ana.verify(&source("p"), &Quiet).unwrap().damage, []);
    assert_eq!(ana.history(&pod("p")).unwrap().len(), 3);
    write(&*ana, "p", &[("/c", "newer")]);
}

/// Payloads of chunks that all fall into one bucket.
fn crowd(count: usize) -> Vec<Chunk> {
    let mut buckets: BTreeMap<u32, Vec<Chunk>> = BTreeMap::new();
    for number in 0u64.. {
        let chunk = Chunk::new(&number.to_le_bytes()).unwrap();
        let bucket = buckets.entry(bucket_of(&chunk.address())).or_default();
        bucket.push(chunk);
        if bucket.len() == count {
            return std::mem::take(bucket);
        }
    }
    unreachable!("numbers do not end")
}

#[test]
fn a_full_bucket_refuses_and_says_which() {
    let disk = tempfile::tempdir().unwrap();
    let disk = Disk::open(disk.path(), today()).unwrap();
    let ana = key("ana").owner();
    disk.buy(ana, &wish(17, DAY_S)).unwrap();
    let chunks = crowd(3);
    let deposit = disk.deposit(ana).unwrap();
    let put = |chunk: &Chunk| deposit.put(&[(chunk.address(), chunk.bytes())]);
    put(&chunks[0]).unwrap();
    put(&chunks[1]).unwrap();
    put(&chunks[1]).unwrap();
    let other = Chunk::new(b"in another bucket").unwrap();
    // All or none: the chunk in front of the one too many is not kept either.
    let both = [&other, &chunks[2]].map(|chunk| (chunk.address(), &chunk.bytes()[..]));
    let fault = deposit.put(&both).unwrap_err();
    let PodsError::Batch { why, .. } = deposit.explain(fault) else {
        panic!("the bucket is full");
    };
    let bucket = bucket_of(&chunks[0].address());
    assert_eq!(why, format!("it is full: bucket {bucket} has given 2 of 2"));
    assert!(!disk.has(&other.address()).unwrap());
    assert!(!disk.has(&chunks[2].address()).unwrap());
    let batch = &disk.batches(ana).unwrap()[0];
    assert_eq!((batch.stamped, batch.fullest, batch.usable), (2, 2, false));
    put(&other).unwrap();
    assert_eq!(disk.batches(ana).unwrap()[0].stamped, 3);
    deposit.finish().unwrap();
    // A batch that has room is taken before one that is full.
    disk.buy(ana, &wish(17, DAY_S / 2)).unwrap();
    let deposit = disk.deposit(ana).unwrap();
    deposit
        .put(&[(chunks[2].address(), chunks[2].bytes())])
        .unwrap();
}

#[test]
fn a_stamp_that_is_shown_is_the_wallets() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::open(folder.path(), today()).unwrap();
    let ana = key("ana");
    let bought = disk.buy(ana.owner(), &wish(17, DAY_S)).unwrap();
    let chunk = Chunk::new(b"stamped").unwrap();
    let deposit = disk.deposit(ana.owner()).unwrap();
    deposit.put(&[(chunk.address(), chunk.bytes())]).unwrap();
    deposit.finish().unwrap();
    let stamp = disk.stamp_of(&ana, &chunk.address()).unwrap().unwrap();
    assert_eq!(stamp.signer(&chunk.address()).unwrap(), ana.owner());
    assert_eq!(Address(stamp.postage.batch).to_string(), bought.batch.id);
    assert_eq!(disk.stamp_of(&key("bo"), &chunk.address()).unwrap(), None);
}

#[test]
fn what_expires_is_freed_but_for_what_is_pinned() {
    let (pods, folder, clock) = store();
    let ana = pods.wallet(&wallet("ana")).unwrap();
    let bo = pods.wallet(&wallet("bo")).unwrap();
    ana.buy(&wish(20, DAY_S)).unwrap();
    ana.create(&pod("p"), true).unwrap();
    let mut edit = ana.edit(&pod("p")).unwrap();
    put(&mut *edit, "/keep/big", noise(1, 100_000));
    put(&mut *edit, "/lose/big", noise(2, 100_000));
    edit.commit("").unwrap();
    let kept = ana.share(&pod("p"), &path("/keep")).unwrap();
    let root = bo.find(&kept).unwrap().root;
    bo.set_pinned(&kept, true).unwrap();
    bo.set_pinned(&root, true).unwrap();
    assert_eq!(bo.pins().unwrap(), std::slice::from_ref(&root));
    assert!(ana.pins().unwrap().is_empty());
    assert_eq!(ana.collect().unwrap().chunks, 0);
    clock.advance_to(Time(TODAY_MS + DAY_S * 1000));
    let freed = ana.collect().unwrap();
    assert!(freed.chunks > 25 && freed.kept >= 26);
    assert_eq!(freed.batches, 1);
    let directory = adapters::pods::Source::Reference(root.clone());
    assert_eq!(read(&*bo, &directory, "/big").unwrap(), noise(1, 100_000));
    assert!(ana.pods().unwrap().is_empty(), "the list has expired, too");
    let len = || {
        std::fs::metadata(folder.path().join("pods/chunks.data"))
            .unwrap()
            .len()
    };
    bo.set_pinned(&root, false).unwrap();
    let freed = bo.collect().unwrap();
    assert_eq!(freed.kept, 0);
    assert_eq!(len(), 0, "the disk has its room back");
    drop((ana, bo, pods));
    let pods = open(folder.path(), &clock).unwrap();
    let bo = pods.wallet(&wallet("bo")).unwrap();
    assert!(bo.pins().unwrap().is_empty());
    bo.create(&pod("anew"), false).unwrap();
    write(&*bo, "anew", &[("/a", "1")]);
    assert_eq!(pods.disk().verify(&Quiet).unwrap().damage, []);
}

/// One step of two wallets that buy, write, pin and wait.
#[derive(Clone, Debug)]
enum Step {
    Buy {
        wallet: u8,
        ttl_s: u64,
    },
    /// Contents of some chunks, some of them those of other contents.
    Put {
        wallet: u8,
        contents: u8,
    },
    Pin {
        wallet: u8,
        contents: u8,
        on: bool,
    },
    Wait {
        s: u64,
    },
    Collect,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..2u8, 1..300u64).prop_map(|(wallet, ttl_s)| Step::Buy { wallet, ttl_s }),
        4 => (0..2u8, 0..6u8).prop_map(|(wallet, contents)| Step::Put { wallet, contents }),
        2 => (0..2u8, 0..6u8, any::<bool>())
            .prop_map(|(wallet, contents, on)| Step::Pin { wallet, contents, on }),
        2 => (1..200u64).prop_map(|s| Step::Wait { s }),
        2 => Just(Step::Collect),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..25)
}

/// One to three leaves, of which the first is shared by two contents.
fn contents(number: u8) -> Vec<u8> {
    let mut bytes = noise(u64::from(number / 2), 4096);
    bytes.extend(noise(
        100 + u64::from(number),
        usize::from(number % 3) * 4000,
    ));
    bytes
}

/// A wallet's batches here and in the model, in pairs.
type Pairs = Vec<(String, String)>;

fn put_contents(
    keeper: &dyn Keeper,
    wallet: Owner,
    batch: &str,
    bytes: &[u8],
) -> Result<Reference, PodsError> {
    let deposit = keeper.deposit_with(wallet, batch)?;
    let split = split(bytes, &*deposit, &SplitOptions::default());
    let split = split.map_err(PodsError::from)?;
    deposit.finish()?;
    Ok(split.reference())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// After any history a collection leaves what the model leaves: what is stamped by a live batch or pinned.
    #[test]
    fn collection_frees_exactly_what_nothing_keeps(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<VirtualClock> = today();
        let open = || Disk::open(folder.path(), Arc::clone(&clock) as _).unwrap();
        let mut disk = open();
        let model = Memory::new(Arc::clone(&clock) as _);
        let owners = [key("ana").owner(), key("bo").owner()];
        let mut batches: [Pairs; 2] = [Vec::new(), Vec::new()];
        let mut roots: BTreeMap<u8, Reference> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Buy { wallet, ttl_s } => {
                    let (owner, what) = (owners[usize::from(wallet)], wish(20, ttl_s));
                    let ours = disk.buy(owner, &what).unwrap().batch.id;
                    let models = model.buy(owner, &what).unwrap().batch.id;
                    batches[usize::from(wallet)].push((ours, models));
                }
                Step::Put { wallet, contents: number } => {
                    let wallet = usize::from(wallet);
                    let Some((ours, models)) = batches[wallet].last() else { continue };
                    let bytes = contents(number);
                    let put = put_contents(&disk, owners[wallet], ours, &bytes);
                    let expected = put_contents(&model, owners[wallet], models, &bytes);
                    prop_assert_eq!(put.is_ok(), expected.is_ok());
                    if let Ok(reference) = put {
                        prop_assert_eq!(reference, expected.unwrap());
                        roots.insert(number, reference);
                    }
                }
                Step::Pin { wallet, contents: number, on } => {
                    let Some(root) = roots.get(&number) else { continue };
                    let owner = owners[usize::from(wallet)];
                    let pinned = disk.set_pinned(owner, root, on);
                    let expected = model.set_pinned(owner, root, on);
                    prop_assert_eq!(pinned.is_ok(), expected.is_ok());
                }
                Step::Wait { s } => clock.advance_to(Time(clock.now().0 + s * 1000)),
                Step::Collect => {
                    let (freed, expected) = (disk.collect().unwrap(), model.collect().unwrap());
                    prop_assert_eq!(freed.chunks, expected.chunks);
                    prop_assert_eq!(freed.kept, expected.kept);
                }
                Step::Reopen => {
                    drop(disk);
                    disk = open();
                }
            }
            let kept = model.chunks();
            for (address, bytes) in &kept {
                let here = disk.get(address).unwrap();
                prop_assert_eq!(here.as_ref(), Some(bytes));
            }
            let verified = disk.verify(&Quiet).unwrap();
            prop_assert_eq!(verified.chunks, kept.len() as u64);
            prop_assert_eq!(verified.damage, []);
            for owner in owners {
                let mut pins = disk.pins(owner).unwrap();
                let mut expected = model.pins(owner).unwrap();
                pins.sort();
                expected.sort();
                prop_assert_eq!(pins, expected);
            }
        }
    }
}
