//! Our client of a Bee against the real one that is inside of `dfs dev`: Bee 2.2, alone, with stamps for everybody.

use std::sync::Arc;

use actors::clock::VirtualClock;
use adapters::bee::{Bee, BeeOptions};
use adapters::http::{Http, Patience};
use adapters::pods::keeper::{Keeper, Placed};
use adapters::pods::{
    Drives, FileMeta, PodName, PodPath, Pods, PodsError, Quiet, Source, WalletKey,
};
use adapters::swarm::chunk::Chunk;
use adapters::swarm::encrypt::Convergent;
use adapters::swarm::feed::{Feed, Index};
use adapters::swarm::joiner::Joiner;
use adapters::swarm::sign::Signer;
use adapters::swarm::splitter::{SplitOptions, hash, split};
use serde_json::Value;

use crate::start;

/// The batch that this Bee gives out: it looks at none.
const BATCH: &str = "0000000000000000000000000000000000000000000000000000000000000001";

/// The real Bee, and where it is; none where it cannot be had.
fn real() -> Option<(Bee, &'static str)> {
    let address = &start::servers()?.bee;
    let options = BeeOptions {
        batch: Some(BATCH.to_owned()),
        ..BeeOptions::default()
    };
    Some((Bee::new(address, options).unwrap(), address))
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// What we upload chunk by chunk the Bee reads as one, and what it uploads has the reference that we compute.
#[test]
fn references_are_those_of_the_real_bee() {
    let Some((bee, address)) = real() else { return };
    let http = Http::new("Bee", address, Patience::default()).unwrap();
    let owner = Signer::from_bytes(&[5; 32]).unwrap().owner();
    let keys = Convergent::new([3; 32]);
    for (len, encrypted) in [
        (0, false),
        (5, false),
        (4097, false),
        (1_500_000, false),
        (700_000, true),
    ] {
        let contents = noise(len as u64, len);
        let options = SplitOptions {
            keys: encrypted.then_some(&keys as _),
            threads: 2,
            ..SplitOptions::default()
        };
        let deposit = bee.deposit(owner).unwrap();
        let reference = split(&contents[..], &*deposit, &options)
            .unwrap()
            .reference();
        deposit.settle(&reference).unwrap();
        deposit.finish().unwrap();
        let said = http.get(&["bytes", &reference.to_string()]).send().unwrap();
        assert_eq!(said.bytes(2_000_000).unwrap(), contents, "{len}");
        let joiner = Joiner::open(&bee, reference).unwrap();
        let mut out = Vec::new();
        joiner.copy_to(0..joiner.len(), &mut out, 2).unwrap();
        assert!(out == contents, "{len}");
        if !encrypted {
            let uploaded = http
                .post(&["bytes"])
                .header("swarm-postage-batch-id", BATCH)
                .header("swarm-redundancy-level", "0")
                .bytes("application/octet-stream", contents.clone())
                .send();
            let uploaded: Value = uploaded.unwrap().json().unwrap();
            let ours = hash(&contents[..], 1).unwrap().reference().to_string();
            assert_eq!(uploaded["reference"], ours, "{len}");
        }
    }
}

#[test]
fn pods_live_at_the_real_bee() {
    let Some((bee, address)) = real() else { return };
    let bee = Arc::new(bee);
    let wallet = |seed: u8| {
        let key = WalletKey::from_bytes([seed; 32]).unwrap();
        Drives::new(bee.clone(), key, Arc::new(VirtualClock::default()))
    };
    let (ana, bo) = (wallet(11), wallet(12));
    let [open, secret, mine]: [PodName; 3] =
        ["open", "secret", "mine"].map(|name| name.parse().unwrap());
    let big = noise(1, 100_000);
    for (pod, public) in [(&open, true), (&secret, false)] {
        ana.create(pod, public).unwrap();
        let mut edit = ana.edit(pod).unwrap();
        for (at, contents) in [("/index.html", &b"<h1>hello"[..]), ("/d/big.bin", &big)] {
            let at: PodPath = at.parse().unwrap();
            edit.write(&at, &FileMeta::default(), &mut &*contents, &Quiet)
                .unwrap();
        }
        edit.commit("first").unwrap();
        assert_eq!(read(&ana, &Source::pod(pod), "/d/big.bin"), big);
        assert_eq!(ana.verify(&Source::pod(pod), &Quiet).unwrap().damage, []);
    }
    let key = ana.share(&secret, &PodPath::root()).unwrap();
    let shared = Source::Reference(key);
    assert_eq!(read(&bo, &shared, "/index.html"), b"<h1>hello");
    bo.fork(&shared, &mine).unwrap();
    assert_eq!(read(&bo, &Source::pod(&mine), "/d/big.bin"), big);
    assert!(matches!(bo.pod(&secret), Err(PodsError::Missing(_))));
    // Its own handlers read a public pod as a collection.
    let reference = ana.pod(&open).unwrap().latest.unwrap().reference;
    let http = Http::new("Bee", address, Patience::default()).unwrap();
    let answer = http
        .get(&["bzz", &reference, "d", "big.bin"])
        .send()
        .unwrap();
    assert_eq!(answer.bytes(200_000).unwrap(), big);
    let answer = http.get(&["bzz", &reference, "index.html"]).send().unwrap();
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
}

fn read(pods: &dyn Pods, from: &Source, at: &str) -> Vec<u8> {
    let mut out = Vec::new();
    pods.read(from, &at.parse().unwrap(), None, &mut out, &Quiet)
        .unwrap();
    out
}

#[test]
fn feeds_live_at_the_real_bee() {
    let Some((bee, _)) = real() else { return };
    let signer = Signer::from_bytes(&[21; 32]).unwrap();
    let feed = Feed {
        owner: signer.owner(),
        topic: vec![7; 32],
    };
    assert_eq!(bee.latest(&feed, Index(0)).unwrap(), None);
    for number in 0..4 {
        let chunk = Chunk::new(format!("update {number}").as_bytes()).unwrap();
        let update = feed.update(&signer, Index(number), chunk).unwrap();
        let deposit = bee.deposit(signer.owner()).unwrap();
        assert_eq!(deposit.put_single_owner(&update).unwrap(), Placed::Kept);
        deposit.finish().unwrap();
        let (index, found) = bee.latest(&feed, Index(0)).unwrap().unwrap();
        assert_eq!((index, found), (Index(number), update));
    }
    assert_eq!(bee.latest(&feed, Index(4)).unwrap(), None);
    // Another chunk is not put in the place of one.
    let chunk = Chunk::new(b"another").unwrap();
    let update = feed.update(&signer, Index(2), chunk).unwrap();
    let deposit = bee.deposit(signer.owner()).unwrap();
    assert_eq!(deposit.put_single_owner(&update).unwrap(), Placed::Taken);
}
