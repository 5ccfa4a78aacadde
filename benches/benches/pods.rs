//! Pods on the embedded store, and the hashes below them.
//!
//! Row 7 of the numbers to reach. Prints one JSON line per figure to stdout and a table to stderr, in CPU time of the
//! whole process and on the wall; `mb_s_per_core` is per CPU second. The data folder is made beside the build's own, on
//! the disk, or in the folder that `MEDIUM_BENCH_DIR` names. A figure's name as argument measures it alone.
//!
//! * `bmt`: addresses of full chunks on one core; `bmt_peer` the same tree of hashes by keccak-asm alone;
//!   `bmt_cores` and `bmt_peer_cores` on all cores.
//! * `encrypt`: keys, cipher and addresses of 64 MiB on one core; `hash` the reference without encryption.
//! * `put_64MiB`, `get_64MiB`: into a public pod and out of it, synced and verified; `put_private`, `get_private` the same
//!   encrypted; `write_file`, `read_file` the bytes as a file alone, written with `fdatasync`.
//! * `manifest_10k_files`: 10,000 small files as one snapshot; `walk_10k_files` listing them again.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actors::clock::Clock;
use adapters::pods::{
    FileMeta, PodName, PodPath, PodStore, PodStoreOptions, Pods, Quiet, Source, WalletName,
};
use adapters::swarm::bmt;
use adapters::swarm::encrypt::Convergent;
use adapters::swarm::splitter::{SplitOptions, hash, split};
use adapters::swarm::store::Nowhere;
use benches::time::{Stopwatch, SystemClock};
use keccak_asm::{Digest, Keccak256};
use serde::Serialize;
use tempfile::TempDir;

/// Bytes that a chunk holds.
const CHUNK_BYTES: usize = 4_096;
/// Bytes of a segment of a chunk.
const SEGMENT_BYTES: usize = 32;

/// How much of what.
#[derive(Clone, Copy, Debug)]
struct Size {
    bytes: usize,
    files: usize,
}

const WHOLE: Size = Size {
    bytes: 64 << 20,
    files: 10_000,
};
/// When it is only to be seen that it works.
const SMOKE: Size = Size {
    bytes: 1 << 20,
    files: 100,
};

#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    /// Bytes or files.
    n: u64,
    cpu_ms: f64,
    wall_ms: f64,
    mb_s_per_core: f64,
    mb_s_wall: f64,
}

fn figure(name: &'static str, n: usize, bytes: usize, watch: Stopwatch) -> Figure {
    let (used, took) = (watch.cpu(), watch.wall());
    let rate = |time: Duration| bytes as f64 / 1e6 / time.as_secs_f64().max(1e-9);
    Figure {
        name,
        n: n as u64,
        cpu_ms: used.as_secs_f64() * 1e3,
        wall_ms: took.as_secs_f64() * 1e3,
        mb_s_per_core: rate(used),
        mb_s_wall: rate(took),
    }
}

/// Bytes in which no two chunks are equal.
fn contents(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Does the same with a share of the chunks on each core.
fn on_all_cores(bytes: &[u8], work: impl Fn(&[u8]) + Sync) {
    let share = bytes.len().div_ceil(CHUNK_BYTES).div_ceil(cores()) * CHUNK_BYTES;
    std::thread::scope(|scope| {
        for share in bytes.chunks(share) {
            scope.spawn(|| work(share));
        }
    });
}

fn ours(bytes: &[u8]) {
    for chunk in bytes.chunks_exact(CHUNK_BYTES) {
        let address = bmt::address((chunk.len() as u64).to_le_bytes(), chunk);
        std::hint::black_box(address.expect("a chunk is not too long"));
    }
}

/// The tree of hashes by keccak-asm, each pair of segments by a call of its own.
fn peers(bytes: &[u8]) {
    for chunk in bytes.chunks_exact(CHUNK_BYTES) {
        std::hint::black_box(peers_address(chunk));
    }
}

fn peers_address(chunk: &[u8]) -> [u8; SEGMENT_BYTES] {
    let mut level = chunk.to_vec();
    let mut len = level.len();
    while len > SEGMENT_BYTES {
        for pair in 0..len / (2 * SEGMENT_BYTES) {
            let at = pair * 2 * SEGMENT_BYTES;
            let digest = Keccak256::digest(&level[at..at + 2 * SEGMENT_BYTES]);
            level[pair * SEGMENT_BYTES..][..SEGMENT_BYTES].copy_from_slice(&digest);
        }
        len /= 2;
    }
    let mut last = Keccak256::new();
    last.update((chunk.len() as u64).to_le_bytes());
    last.update(&level[..SEGMENT_BYTES]);
    last.finalize().into()
}

fn folder() -> TempDir {
    let parent =
        std::env::var_os("MEDIUM_BENCH_DIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    tempfile::tempdir_in(parent).expect("a folder can be made")
}

fn pods(data: &Path) -> Arc<dyn Pods> {
    let options = PodStoreOptions {
        clock: Arc::new(SystemClock) as Arc<dyn Clock>,
        random: || Ok([7; 32]),
    };
    let store = PodStore::open(data, options).expect("a new store opens");
    store
        .wallet(&WalletName::default())
        .expect("a new wallet is made")
}

fn put(pods: &dyn Pods, pod: &PodName, bytes: &[u8]) {
    let mut edit = pods.edit(pod).expect("the pod is open");
    let path: PodPath = "/contents".parse().expect("it is a path");
    edit.write(&path, &FileMeta::default(), &mut &*bytes, &Quiet)
        .expect("it is written");
    edit.commit("").expect("it is kept");
}

fn get(pods: &dyn Pods, pod: &PodName, bytes: &[u8]) {
    let mut read = Vec::with_capacity(bytes.len());
    let path: PodPath = "/contents".parse().expect("it is a path");
    pods.read(&Source::pod(pod), &path, None, &mut read, &Quiet)
        .expect("it is read");
    assert!(read == bytes, "what was put is what is read");
}

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--test" || argument == "--quick");
    let size = if smoke { SMOKE } else { WHOLE };
    let filters: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |row: &str| filters.is_empty() || filters.iter().any(|filter| filter == row);
    let bytes = contents(size.bytes);
    let chunk = &bytes[..CHUNK_BYTES];
    let address = bmt::address((chunk.len() as u64).to_le_bytes(), chunk).expect("a full chunk");
    assert_eq!(peers_address(chunk), address.0, "both compute the same");
    header();
    if wanted("bmt") {
        hashes(&bytes);
    }
    if wanted("encrypt") {
        references(&bytes);
    }
    if wanted("put_64MiB") || wanted("get_64MiB") {
        transfers(&bytes);
    }
    if wanted("manifest_10k_files") {
        manifests(size.files);
    }
}

fn hashes(bytes: &[u8]) {
    let all = bytes.len();
    let watch = Stopwatch::start();
    ours(bytes);
    show(&figure("bmt", all, all, watch));
    let watch = Stopwatch::start();
    peers(bytes);
    show(&figure("bmt_peer", all, all, watch));
    let watch = Stopwatch::start();
    on_all_cores(bytes, ours);
    show(&figure("bmt_cores", all, all, watch));
    let watch = Stopwatch::start();
    on_all_cores(bytes, peers);
    show(&figure("bmt_peer_cores", all, all, watch));
}

fn references(bytes: &[u8]) {
    let all = bytes.len();
    let watch = Stopwatch::start();
    hash(bytes, 1).expect("memory can be read");
    show(&figure("hash", all, all, watch));
    let keys = Convergent::new([7; 32]);
    let options = SplitOptions {
        threads: 1,
        keys: Some(&keys),
        ..SplitOptions::default()
    };
    let watch = Stopwatch::start();
    split(bytes, &Nowhere, &options).expect("memory can be read");
    show(&figure("encrypt", all, all, watch));
}

fn transfers(bytes: &[u8]) {
    let all = bytes.len();
    let folder = folder();
    let pods = pods(folder.path());
    for (public, names) in [
        (true, ["put_64MiB", "get_64MiB"]),
        (false, ["put_private", "get_private"]),
    ] {
        let pod: PodName = names[0].parse().expect("it is a name");
        pods.create(&pod, public).expect("there is none yet");
        let watch = Stopwatch::start();
        put(pods.as_ref(), &pod, bytes);
        show(&figure(names[0], all, all, watch));
        let watch = Stopwatch::start();
        get(pods.as_ref(), &pod, bytes);
        show(&figure(names[1], all, all, watch));
    }
    let path = folder.path().join("floor");
    let watch = Stopwatch::start();
    let mut file = File::create(&path).expect("a file can be made");
    file.write_all(bytes).expect("the disk has room");
    file.sync_data().expect("the disk answers");
    show(&figure("write_file", all, all, watch));
    let watch = Stopwatch::start();
    let mut read = Vec::with_capacity(all);
    let mut file = File::open(&path).expect("it is there");
    file.read_to_end(&mut read).expect("it can be read");
    show(&figure("read_file", all, all, watch));
}

fn manifests(files: usize) {
    let folder = folder();
    let pods = pods(folder.path());
    let pod: PodName = "many".parse().expect("it is a name");
    pods.create(&pod, false).expect("there is none yet");
    let watch = Stopwatch::start();
    let mut edit = pods.edit(&pod).expect("the pod is open");
    for n in 0..files {
        let path: PodPath = format!("/{:02}/{n:05}.txt", n % 100)
            .parse()
            .expect("a path");
        let text = format!("file {n}");
        edit.write(&path, &FileMeta::default(), &mut text.as_bytes(), &Quiet)
            .expect("it is written");
    }
    edit.commit("").expect("it is kept");
    show(&figure("manifest_10k_files", files, 0, watch));
    let watch = Stopwatch::start();
    let found = pods
        .walk(&Source::pod(&pod), &PodPath::root())
        .expect("they are listed");
    assert_eq!(found.iter().filter(|entry| entry.bytes > 0).count(), files);
    show(&figure("walk_10k_files", files, 0, watch));
}

#[expect(clippy::print_stderr, reason = "a bench's figures are its output")]
fn header() {
    eprintln!("                             n    CPU ms   wall ms  MB/s/core  MB/s wall");
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench's figures are its output"
)]
fn show(line: &Figure) {
    eprintln!(
        "{:<20}{:>10}{:>10.1}{:>10.1}{:>11.1}{:>11.1}",
        line.name, line.n, line.cpu_ms, line.wall_ms, line.mb_s_per_core, line.mb_s_wall
    );
    println!("{}", serde_json::to_string(line).expect("numbers are JSON"));
}
