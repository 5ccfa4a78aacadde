//! Our own client of a Bee, against the node that serves Bee's API.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use actors::clock::VirtualClock;
use adapters::bee::{Bee, BeeOptions};
use adapters::http::{Http, Patience};
use adapters::pods::keeper::{Keeper, Placed};
use adapters::pods::{
    BuyBatch, Drives, FileMeta, PodName, PodPath, Pods, PodsError, Quiet, Source, WalletKey,
};
use adapters::swarm::Reference;
use adapters::swarm::chunk::Chunk;
use adapters::swarm::feed::{Feed, Index};
use adapters::swarm::joiner::Joiner;
use adapters::swarm::sign::{Owner, Signer};
use adapters::swarm::soc::Soc;
use adapters::swarm::splitter::{SplitOptions, hash, split};
use serde_json::Value;

use crate::served::Served;

/// Says to a copy of this program where it is to upload to: address, folder of journals, length.
const UPLOAD: &str = "TEST_UPLOAD_TO_BEE";

fn bee(api: &str) -> Bee {
    Bee::new(api, BeeOptions::default()).unwrap()
}

/// A Bee with a batch that can stamp.
fn bee_with_stamps(api: &str) -> Bee {
    let bee = bee(api);
    let what = BuyBatch {
        depth: 20,
        ttl_s: 7 * 86_400,
        label: "tests".to_owned(),
    };
    let bought = bee.buy(owner(), &what).unwrap().batch;
    assert!(bought.usable && bought.ttl_s >= 6 * 86_400, "{bought:?}");
    bee
}

fn owner() -> Owner {
    Signer::from_bytes(&[9; 32]).unwrap().owner()
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    // Numbers that nobody would call random, but no two chunks are alike.
    let words =
        (0..len.div_ceil(8) as u64).map(|at| (seed << 32 | at).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    bytes.truncate(len);
    bytes
}

/// Uploads as the drives do: content, settled, finished.
fn upload(bee: &Bee, contents: &[u8]) -> Result<Reference, PodsError> {
    let deposit = bee.deposit(owner())?;
    let options = SplitOptions {
        threads: 2,
        ..SplitOptions::default()
    };
    let split = split(contents, &*deposit, &options).map_err(|error| match error {
        adapters::swarm::SwarmError::Store(fault) => deposit.explain(fault),
        error => error.into(),
    })?;
    deposit.settle(&split.reference())?;
    deposit.finish()?;
    Ok(split.reference())
}

fn read_back(bee: &Bee, reference: Reference) -> Vec<u8> {
    let joiner = Joiner::open(bee, reference).unwrap();
    let mut out = Vec::new();
    joiner.copy_to(0..joiner.len(), &mut out, 2).unwrap();
    out
}

fn tags(api: &str) -> Vec<Value> {
    let http = Http::new("Bee", api, Patience::default()).unwrap();
    let list: Value = http.get(&["tags"]).send().unwrap().json().unwrap();
    list["tags"].as_array().unwrap().clone()
}

#[test]
fn a_bee_without_a_batch_says_what_to_do() {
    let node = Served::start();
    let none = upload(&bee(&node.api), b"x").unwrap_err();
    let said = format!("{none}; {}", none.hint().unwrap_or_default());
    assert!(
        said.contains("has 0 batches") && said.contains("MEDIUM_BEE_BATCH"),
        "{said}"
    );
    let options = BeeOptions {
        batch: Some("ab".repeat(32)),
        ..BeeOptions::default()
    };
    let unknown = upload(&Bee::new(&node.api, options).unwrap(), b"x").unwrap_err();
    assert!(
        matches!(&unknown, PodsError::Batch { why, .. } if why.contains("does not have it")),
        "{unknown}"
    );
    let options = BeeOptions {
        batch: Some("a batch".to_owned()),
        ..BeeOptions::default()
    };
    assert!(matches!(
        Bee::new(&node.api, options),
        Err(PodsError::Batch { .. })
    ));
}

#[test]
fn pods_live_at_a_bee_as_they_do_here() {
    let node = Served::start();
    let bee = Arc::new(bee_with_stamps(&node.api));
    let wallet = |seed: u8| {
        let key = WalletKey::from_bytes([seed; 32]).unwrap();
        Drives::new(bee.clone(), key, Arc::new(VirtualClock::default()))
    };
    let (ana, bo) = (wallet(1), wallet(2));
    let [open, secret, mine]: [PodName; 3] =
        ["open", "secret", "mine"].map(|name| name.parse().unwrap());
    let big = noise(1, 300_000);
    for (pod, public) in [(&open, true), (&secret, false)] {
        ana.create(pod, public).unwrap();
        let mut edit = ana.edit(pod).unwrap();
        for (at, contents) in [("/a.txt", &b"hello"[..]), ("/d/big.bin", &big)] {
            let at: PodPath = at.parse().unwrap();
            edit.write(&at, &FileMeta::default(), &mut &*contents, &Quiet)
                .unwrap();
        }
        edit.commit("first").unwrap();
        assert_eq!(read(&ana, &Source::pod(pod), "/d/big.bin"), big);
        assert_eq!(ana.history(pod).unwrap().len(), 2);
        assert_eq!(ana.verify(&Source::pod(pod), &Quiet).unwrap().damage, []);
    }
    // Another wallet sees nothing of it, until it is told.
    assert!(bo.pods().unwrap().is_empty());
    let key = ana.share(&secret, &PodPath::root()).unwrap();
    let shared = Source::Reference(key);
    assert_eq!(read(&bo, &shared, "/a.txt"), b"hello");
    bo.fork(&shared, &mine).unwrap();
    assert_eq!(read(&bo, &Source::pod(&mine), "/d/big.bin"), big);
    // A public pod is an ordinary collection.
    let reference = ana.pod(&open).unwrap().latest.unwrap().reference;
    let http = Http::new("Bee", &node.api, Patience::default()).unwrap();
    let answer = http.get(&["bzz", &reference, "a.txt"]).send().unwrap();
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(answer.bytes(100).unwrap(), "hello");
}

fn read(pods: &dyn Pods, from: &Source, at: &str) -> Vec<u8> {
    let mut out = Vec::new();
    pods.read(from, &at.parse().unwrap(), None, &mut out, &Quiet)
        .unwrap();
    out
}

#[test]
fn feeds_and_owners_chunks_are_kept_once() {
    let node = Served::start();
    let bee = bee_with_stamps(&node.api);
    let signer = Signer::from_bytes(&[9; 32]).unwrap();
    let feed = Feed {
        owner: signer.owner(),
        topic: vec![7; 32],
    };
    assert_eq!(bee.latest(&feed, Index(0)).unwrap(), None);
    for number in 0..5 {
        let chunk = Chunk::new(format!("update {number}").as_bytes()).unwrap();
        let update = feed.update(&signer, Index(number), chunk).unwrap();
        let deposit = bee.deposit(owner()).unwrap();
        assert_eq!(deposit.put_single_owner(&update).unwrap(), Placed::Kept);
        deposit.finish().unwrap();
    }
    for after in 0..5 {
        let (index, update) = bee.latest(&feed, Index(after)).unwrap().unwrap();
        assert_eq!(
            (index, update.chunk().payload()),
            (Index(4), "update 4".into())
        );
    }
    assert_eq!(bee.latest(&feed, Index(5)).unwrap(), None);
    // Another chunk in the place of one is not taken, and the same one is.
    let deposit = bee.deposit(owner()).unwrap();
    for (text, placed) in [("another", Placed::Taken), ("update 2", Placed::Kept)] {
        let chunk = Chunk::new(text.as_bytes()).unwrap();
        let update = Soc::sign(&signer, feed.id(Index(2)), chunk);
        assert_eq!(deposit.put_single_owner(&update).unwrap(), placed);
    }
}

#[test]
fn pins_and_batches_are_listed() {
    let node = Served::start();
    let bee = bee_with_stamps(&node.api);
    let reference = upload(&bee, &noise(2, 10_000)).unwrap();
    for pinned in [true, true, false, false] {
        bee.set_pinned(owner(), &reference, pinned).unwrap();
        assert_eq!(bee.pins(owner()).unwrap().contains(&reference), pinned);
    }
    let missing = "ab".repeat(32).parse().unwrap();
    assert!(matches!(
        bee.set_pinned(owner(), &missing, true),
        Err(PodsError::Reference { .. })
    ));
    let batches = bee.batches(owner()).unwrap();
    assert!(
        batches
            .iter()
            .any(|batch| batch.label == "tests" && batch.depth == 20)
    );
}

/// Connections that break off in the middle of anything: what can be repeated is, and all arrives.
#[test]
fn broken_connections_are_outlived() {
    let node = Served::start();
    bee_with_stamps(&node.api);
    let proxy = Breaking::start(&node.api, 30_000);
    let options = BeeOptions {
        patience: Patience {
            wait_first: Duration::from_millis(1),
            attempts: 10,
            ..Patience::default()
        },
        ..BeeOptions::default()
    };
    let bee = Bee::new(&proxy.address, options).unwrap();
    let contents = noise(3, 3_000_000);
    let reference = upload(&bee, &contents).unwrap();
    assert_eq!(reference, hash(&contents[..], 1).unwrap().reference());
    assert_eq!(read_back(&bee, reference), contents);
    assert!(proxy.broken.load(Ordering::Relaxed) >= 10, "it broke some");
}

/// A relay that ends each connection after some bytes.
struct Breaking {
    address: String,
    broken: Arc<AtomicUsize>,
}

impl Breaking {
    fn start(to: &str, after_bytes: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let to = to.trim_start_matches("http://").to_owned();
        let broken = Arc::new(AtomicUsize::new(0));
        let count = broken.clone();
        // It ends with the process.
        thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(&to).unwrap());
                let back = (far.try_clone().unwrap(), near.try_clone().unwrap());
                thread::spawn(move || relay(back.0, back.1, u64::MAX));
                let count = count.clone();
                thread::spawn(move || {
                    if relay(near, far, after_bytes) {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { address, broken }
    }
}

/// Carries bytes until there are no more, or until enough were carried; then both ends are closed.
fn relay(mut from: TcpStream, mut to: TcpStream, mut left: u64) -> bool {
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        left = left.saturating_sub(read as u64);
        if left == 0 || to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    for end in [&from, &to] {
        let _ = end.shutdown(std::net::Shutdown::Both);
    }
    left == 0
}

/// A process that is killed in the middle of an upload leaves a journal, and the next one sends what is missing.
#[test]
fn an_upload_that_was_killed_goes_on_where_it_was() {
    const LEN: usize = 12_000_000;
    if let Ok(task) = std::env::var(UPLOAD) {
        // The copy that will be killed.
        let (api, journals) = task.split_once(' ').unwrap();
        upload(&with_journals(api, Path::new(journals)), &noise(4, LEN)).unwrap();
        return;
    }
    let node = Served::start();
    bee_with_stamps(&node.api);
    let journals = tempfile::tempdir().unwrap();
    let mut copy = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "client::an_upload_that_was_killed_goes_on_where_it_was",
        ])
        .env(
            UPLOAD,
            format!("{} {}", node.api, journals.path().display()),
        )
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let sent = || {
        tags(&node.api)
            .iter()
            .map(|tag| tag["split"].as_u64().unwrap())
            .sum::<u64>()
    };
    let enough = 800;
    while sent() < enough {
        assert!(
            copy.try_wait().unwrap().is_none(),
            "it was too fast to be killed"
        );
        thread::yield_now();
    }
    copy.kill().unwrap();
    copy.wait().unwrap();
    let before = sent();
    let contents = noise(4, LEN);
    let chunks = {
        let leaves = LEN.div_ceil(4096) as u64;
        leaves + leaves.div_ceil(128) + 1
    };
    assert!(
        before < chunks,
        "it was killed in the middle: {before} of {chunks}"
    );

    let bee = with_journals(&node.api, journals.path());
    let reference = upload(&bee, &contents).unwrap();
    assert_eq!(read_back(&bee, reference), contents);
    assert_eq!(tags(&node.api).len(), 1, "the same upload goes on");
    // Sent again is at most what was under way, or acknowledged and not yet in the journal: a node of the tree for
    // each of the two threads, and what waited behind it.
    let again = sent() - chunks;
    assert!(
        again <= 4 * 129,
        "{again} of {before} chunks were sent again"
    );
    let left = std::fs::read_dir(journals.path()).unwrap().count();
    assert_eq!(left, 0, "the journal of what is done is gone");
}

fn with_journals(api: &str, journals: &Path) -> Bee {
    let options = BeeOptions {
        journals: Some(journals.to_owned()),
        ..BeeOptions::default()
    };
    Bee::new(api, options).unwrap()
}
