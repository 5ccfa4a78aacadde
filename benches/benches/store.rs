//! What survives, and what it costs: acknowledged messages, and awakenings from the store.
//!
//! Rows 5 and 6 of the numbers to reach. Prints one JSON line per figure to stdout and a table to
//! stderr. The data folder is made beside the build's own, on the disk, or in the folder that
//! `MEDIUM_BENCH_DIR` names. `messages_s` is on the wall, because the disk is what is waited for; the
//! two floors are measured right after each figure, with commits of as many messages as it had.
//! `cargo bench -p benches --bench store -- awake` measures row 6 alone, `-- acknowledged` row 5.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actors::birth::Birth;
use actors::letter::Contents;
use actors::runtime::Runtime;
use actors::view::Outgoing;
use adapters::store::redb::RedbStore;
use benches::medium;
use benches::sleepers::{self, asleep, born, crowd, stats, woken};
use benches::time::{Stopwatch, per_second};
use benches::work::WORKERS;
use genesis::id::VcId;
use genesis::limits::JOURNAL_LEN_DEFAULT;
use genesis::refusal::{Code, Refusal};
use serde::Serialize;
use tempfile::TempDir;

/// Those who send, each the next message when the one before is acknowledged.
const SENDERS: [u64; 3] = [1, 64, 512];
/// Bytes that a message takes in a log: header and a few bytes of contents.
const LOGGED_BYTES: usize = 240;
/// Durable VCs that fall asleep and are woken.
const SLEEPERS: u64 = 100_000;

/// How long and how much.
#[derive(Clone, Copy, Debug)]
struct Size {
    figure: Duration,
    floor: Duration,
    sleepers: u64,
}

const WHOLE: Size = Size {
    figure: Duration::from_secs(4),
    floor: Duration::from_secs(2),
    sleepers: SLEEPERS,
};
/// When it is only to be seen that it works.
const SMOKE: Size = Size {
    figure: Duration::from_millis(200),
    floor: Duration::from_millis(100),
    sleepers: 1_000,
};

#[derive(Debug, Serialize)]
struct Acknowledged {
    name: &'static str,
    senders: u64,
    messages: u64,
    messages_s: u64,
    commits: u64,
    commits_s: u64,
    messages_per_commit: u64,
    cpu_ns: u64,
    redb_messages_s: u64,
    fdatasync_messages_s: u64,
}

#[derive(Debug, Serialize)]
struct Awoken {
    name: &'static str,
    n: u64,
    cpu_ns: u64,
    per_s_per_core: u64,
    wall_ns: u64,
}

fn folder() -> TempDir {
    let parent =
        std::env::var_os("MEDIUM_BENCH_DIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    tempfile::tempdir_in(parent).expect("a folder can be made")
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

async fn node(folder: &Path) -> Runtime {
    let (store, _) = RedbStore::open(folder).expect("a new store opens");
    medium::start(Some(Arc::new(store))).await
}

// --- Row 5 ------------------------------------------------------------------------------------

async fn acknowledged(size: Size, senders: u64, asks: bool, record: u32) -> Acknowledged {
    let folder = folder();
    let runtime = node(folder.path()).await;
    let notary = Birth {
        record,
        ..Birth::native("notary", "").durable()
    };
    let notary = runtime.spawn(notary).await;
    let notary = notary.expect("a notary is born");
    let acknowledged = Arc::new(AtomicU64::new(0));
    let (before, watch) = (stats(&runtime).await, Stopwatch::start());
    crowd(senders, |sender| {
        let (runtime, acknowledged) = (runtime.clone(), Arc::clone(&acknowledged));
        async move {
            while watch.wall() < size.figure {
                let outgoing = Outgoing::new(notary, sender.to_le_bytes().to_vec());
                // Whoever is told `busy` sends again: more senders than turns is what a full mailbox is for.
                let is_busy = |why: &Refusal| why.code == Code::Busy;
                if asks {
                    let answer = runtime.ask(outgoing, medium::ASK_MS).await;
                    if answer.as_ref().is_err_and(is_busy) {
                        tokio::task::yield_now().await;
                        continue;
                    }
                    let reply = answer.expect("a notary accepts").reply;
                    assert!(reply.is_some_and(|reply| reply.refusal().is_none()));
                } else {
                    let receipt = runtime.send(outgoing).await;
                    if receipt.as_ref().is_err_and(is_busy) {
                        tokio::task::yield_now().await;
                        continue;
                    }
                    assert!(!receipt.expect("a notary accepts").duplicate);
                }
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
    .await;
    let (used, took) = (watch.cpu(), watch.wall());
    let commits = stats(&runtime).await.commits - before.commits;
    let messages = acknowledged.load(Ordering::Relaxed);
    let counted = runtime.ask(Outgoing::new(notary, "count"), medium::ASK_MS);
    let counted = counted.await.expect("a notary accepts").reply;
    let counted = counted.expect("a notary replies").contents;
    assert_eq!(counted.as_text(), Some(messages.to_string().as_str()));
    runtime.shutdown().await;
    let messages_per_commit = (messages / commits.max(1)).max(1);
    Acknowledged {
        name: match (asks, record) {
            (false, 0) => "send",
            (true, 0) => "ask",
            (false, _) => "send_recorded",
            (true, _) => "ask_recorded",
        },
        senders,
        messages,
        messages_s: per_second(messages, took),
        commits,
        commits_s: per_second(commits, took),
        messages_per_commit,
        cpu_ns: nanos(used) / messages.max(1),
        redb_messages_s: redb_floor(size, folder.path(), messages_per_commit),
        fdatasync_messages_s: fdatasync_floor(size, folder.path(), messages_per_commit),
    }
}

/// redb alone: one packed row per commit.
fn redb_floor(size: Size, folder: &Path, messages: u64) -> u64 {
    const LOG: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("log");
    let database = redb::Database::create(folder.join("floor.redb")).expect("a new file opens");
    let row = packed(messages);
    let watch = Stopwatch::start();
    let mut commits = 0;
    while watch.wall() < size.floor {
        let transaction = database.begin_write().expect("nobody else writes");
        let mut log = transaction.open_table(LOG).expect("the table opens");
        log.insert(commits, row.as_slice()).expect("a row fits");
        if commits > 0 {
            log.remove(commits - 1).expect("the row before goes");
        }
        drop(log);
        transaction.commit().expect("the disk has room");
        commits += 1;
    }
    per_second(commits * messages, watch.wall())
}

/// The disk alone: as many bytes appended to a file, then `fdatasync`.
fn fdatasync_floor(size: Size, folder: &Path, messages: u64) -> u64 {
    let mut file = File::create(folder.join("floor.log")).expect("a file can be made");
    let row = packed(messages);
    let watch = Stopwatch::start();
    let mut commits = 0;
    while watch.wall() < size.floor {
        file.write_all(&row).expect("the disk has room");
        file.sync_data().expect("the disk answers");
        commits += 1;
    }
    per_second(commits * messages, watch.wall())
}

fn packed(messages: u64) -> Vec<u8> {
    let messages = usize::try_from(messages).expect("they fit into memory");
    vec![0x5a; messages * LOGGED_BYTES]
}

// --- Row 6 ------------------------------------------------------------------------------------

async fn awoken(size: Size) -> Vec<Awoken> {
    let folder = folder();
    let runtime = node(folder.path()).await;
    let ids = born(&runtime, &Birth::native("notary", ""), size.sleepers).await;
    let mut figures = Vec::new();

    // As a message does it: read, checked, decoded, seated; the turn, and its row in the next commit.
    asleep(&runtime, &ids).await;
    let before = stats(&runtime).await.woken;
    figures.push(told("awake_by_message", &runtime, &ids).await);
    assert_eq!(stats(&runtime).await.woken - before, size.sleepers);
    // The same message when they are awake: the turn and its row alone.
    figures.push(told("message_to_awake", &runtime, &ids).await);

    // Without a message: read, checked, decoded, seated.
    asleep(&runtime, &ids).await;
    let watch = Stopwatch::start();
    woken(&runtime, &ids).await;
    figures.push(figure("awake", size.sleepers, watch));
    runtime.shutdown().await;
    figures
}

/// Sends one message to each; until all are handled and on disk.
async fn told(name: &'static str, runtime: &Runtime, ids: &[VcId]) -> Awoken {
    let watch = Stopwatch::start();
    sleepers::told(runtime, ids, &Contents::from(1_u64)).await;
    figure(name, ids.len() as u64, watch)
}

fn figure(name: &'static str, n: u64, watch: Stopwatch) -> Awoken {
    let (used, took) = (watch.cpu(), watch.wall());
    Awoken {
        name,
        n,
        cpu_ns: nanos(used) / n,
        per_s_per_core: per_second(n, used),
        wall_ns: nanos(took) / n,
    }
}

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--test" || argument == "--quick");
    let size = if smoke { SMOKE } else { WHOLE };
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .expect("threads can be started");
    let filters: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |row: &str| filters.is_empty() || filters.iter().any(|filter| filter == row);
    if wanted("acknowledged") {
        acknowledged_rows(&tokio, size);
    }
    if wanted("awake") {
        awake_rows(&tokio, size);
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench's figures are its output"
)]
fn acknowledged_rows(tokio: &tokio::runtime::Runtime, size: Size) {
    eprintln!(
        "      senders  messages/s  commits/s  per commit  CPU ns  redb msg/s  fdatasync msg/s"
    );
    for (asks, record) in [
        (false, 0),
        (false, JOURNAL_LEN_DEFAULT),
        (true, 0),
        (true, JOURNAL_LEN_DEFAULT),
    ] {
        for senders in SENDERS {
            let line = tokio.block_on(tokio.spawn(acknowledged(size, senders, asks, record)));
            let line = line.expect("a figure does not panic");
            eprintln!(
                "{:<5}{:>8}{:>12}{:>11}{:>12}{:>8}{:>12}{:>17}",
                line.name,
                line.senders,
                line.messages_s,
                line.commits_s,
                line.messages_per_commit,
                line.cpu_ns,
                line.redb_messages_s,
                line.fdatasync_messages_s,
            );
            println!(
                "{}",
                serde_json::to_string(&line).expect("numbers are JSON")
            );
        }
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench's figures are its output"
)]
fn awake_rows(tokio: &tokio::runtime::Runtime, size: Size) {
    eprintln!("                         n  CPU ns  /s/core  wall ns");
    let lines = tokio.block_on(tokio.spawn(awoken(size)));
    for line in lines.expect("a figure does not panic") {
        eprintln!(
            "{:<18}{:>8}{:>8}{:>9}{:>9}",
            line.name, line.n, line.cpu_ns, line.per_s_per_core, line.wall_ns
        );
        println!(
            "{}",
            serde_json::to_string(&line).expect("numbers are JSON")
        );
    }
}
