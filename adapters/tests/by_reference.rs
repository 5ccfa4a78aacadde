//! Contents by reference inside a node: sent on and kept without being read, read in ranges, and there
//! for exactly as long as something needs them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../actors/tests/common/mod.rs"]
mod common;

use std::io::Write as _;
use std::sync::Arc;

use actors::behaviour::{Behaviour, Fault};
use actors::birth::Birth;
use actors::contents::Swept;
use actors::effects::Effects;
use actors::letter::{Contents, Letter};
use actors::runtime::{Config, Runtime};
use actors::store::Store;
use actors::view::Outgoing;
use adapters::contents::Contents as Files;
use adapters::store::memory::{CommitFate, FaultStore, MemoryStore, Plan};
use common::{WAIT_MS, ask, check_conserved, config, config_on, say, start};
use genesis::id::{Digest, Digester, VcId};
use genesis::limits::{CONTENTS_IDLE_MS, CONTENTS_READ_MAX};
use genesis::message::Kind;
use genesis::power::Grants;
use genesis::purse::Purse;
use genesis::refusal::Code;
use genesis::time::Time;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// Keeps contents and tells their digest, which it reads them for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Hoarder(Vec<Contents>);

impl Behaviour for Hoarder {
    const NAME: &'static str = "hoarder";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self::default())
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind != Kind::Tell {
            return Ok(());
        }
        match letter.contents.as_text() {
            Some("count") => effects.reply(self.0.len().to_string())?,
            Some("give") => match self.0.last() {
                Some(last) => effects.reply(last.clone())?,
                None => effects.reply("nothing")?,
            },
            Some("drop") => {
                self.0.clear();
                effects.reply("dropped")?
            }
            Some("too much") => {
                effects.read_contents(0, CONTENTS_READ_MAX + 1)?;
                0
            }
            _ => {
                let mut digester = Digester::default();
                let mut offset = 0;
                loop {
                    let piece = effects.read_contents(offset, CONTENTS_READ_MAX)?;
                    if piece.is_empty() {
                        break;
                    }
                    offset += piece.len() as u64;
                    digester.update(&piece);
                }
                assert_eq!(offset, letter.contents.total());
                self.0.push(letter.contents.clone());
                effects.reply(digester.digest().to_string())?
            }
        };
        Ok(())
    }
}

/// A place for contents, and one of them.
struct Place {
    dir: TempDir,
    files: Files,
    bytes: Vec<u8>,
    digest: Digest,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::open(dir.path(), 1 << 20).unwrap();
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        let digest = Digest::of(&bytes);
        Self {
            dir,
            files,
            bytes,
            digest,
        }
    }

    fn config(&self, mut config: Config) -> Config {
        config.contents = Some(Arc::new(self.files.clone()));
        config.natives = config.natives.with::<Hoarder>();
        config
    }

    /// Stores the contents, as a request would.
    fn store(&self, runtime: &Runtime) -> Contents {
        let stored = runtime.store_contents(|| {
            let mut writer = self.files.writer().unwrap();
            writer.write_all(&self.bytes).unwrap();
            Ok(writer.finish().unwrap())
        });
        stored.unwrap()
    }

    fn is_there(&self) -> bool {
        self.files.len(self.digest).unwrap().is_some()
    }
}

async fn reply(runtime: &Runtime, outgoing: Outgoing) -> Letter {
    let answer = runtime.ask(outgoing, WAIT_MS).await.unwrap();
    answer.reply.expect("an answer in time")
}

async fn hoarder(runtime: &Runtime) -> VcId {
    let birth = Birth::native("hoarder", "").durable().named("hoarder");
    runtime.spawn(birth).await.unwrap()
}

async fn sweep(runtime: &Runtime) -> u64 {
    runtime.quiet().await.unwrap();
    runtime.sweep_contents(0).await.unwrap().removed
}

#[tokio::test]
async fn references_are_sent_on_and_read_in_ranges() {
    let place = Place::new();
    let runtime = start(place.config(config(1))).await;
    let echo = runtime.spawn(Birth::native("echo", "")).await.unwrap();
    let echoed = reply(&runtime, Outgoing::new(echo, place.store(&runtime))).await;
    let reference = echoed.contents.reference().expect("a reference comes back");
    assert_eq!(reference.digest(), place.digest);
    assert_eq!(reference.len(), place.bytes.len() as u64);
    assert_eq!(
        echoed.read(100_000, 300).unwrap(),
        place.bytes[100_000..100_300]
    );
    assert_eq!(echoed.read(199_999, 300).unwrap(), place.bytes[199_999..]);
    assert!(echoed.read(1 << 40, 300).unwrap().is_empty());
    let message = echoed.to_message().unwrap();
    assert_eq!(message.contents(), None, "the contents stay where they are");
    assert_eq!(message.header().contents, place.digest);
    assert_eq!(message.header().contents_bytes, 200_000);

    let hoarder = hoarder(&runtime).await;
    let read = reply(&runtime, Outgoing::new(hoarder, place.store(&runtime))).await;
    assert_eq!(read.contents.as_text(), Some(&*place.digest.to_string()));
    // The same for contents that are in the message.
    let read = say(&runtime, hoarder, "short").await;
    assert_eq!(read, Digest::of(b"short").to_string());
    let refused = ask(&runtime, hoarder, "too much").await.unwrap_err();
    assert_eq!(refused.code, Code::TooLarge);
    // Whoever makes nothing of references says so.
    let counter = runtime.spawn(Birth::native("counter", "")).await.unwrap();
    let bounced = reply(&runtime, Outgoing::new(counter, place.store(&runtime))).await;
    assert_eq!(bounced.refusal().unwrap().code, Code::Malformed);
    check_conserved(&runtime, "references").await;
}

#[tokio::test]
async fn reading_is_paid_for() {
    let place = Place::new();
    let runtime = start(place.config(config(1))).await;
    let birth = Birth {
        purse: Purse {
            fuel: 3_000,
            ..Purse::ENDLESS
        },
        ..Birth::native("hoarder", "").granted(Grants::HARMLESS)
    };
    let poor = runtime.spawn(birth).await.unwrap();
    // 200,000 bytes take 3,125.
    let bounced = reply(&runtime, Outgoing::new(poor, place.store(&runtime))).await;
    assert_eq!(bounced.refusal().unwrap().code, Code::Budget);
}

#[tokio::test]
async fn only_contents_that_are_here_are_taken() {
    let place = Place::new();
    let runtime = start(place.config(config(1))).await;
    assert_eq!(
        runtime.contents(place.digest).unwrap_err().code,
        Code::Unknown
    );
    let contents = place.store(&runtime);
    let echo = runtime.spawn(Birth::native("echo", "")).await.unwrap();
    let mut part = Outgoing::new(echo, contents.clone());
    part.kind = Kind::Internalize;
    assert_eq!(runtime.send(part).await.unwrap_err().code, Code::TooLarge);
    // A runtime without a place for them has none.
    let bare = start(config(1)).await;
    assert_eq!(bare.contents(place.digest).unwrap_err().code, Code::Unknown);
}

#[tokio::test]
async fn what_is_needed_stays_and_what_is_not_goes() {
    let place = Place::new();
    let runtime = start(place.config(config_on(1, Arc::new(MemoryStore::new())))).await;
    // An upload that nobody needs yet stays for an hour.
    drop(place.store(&runtime));
    let idle = runtime.sweep_contents(CONTENTS_IDLE_MS).await.unwrap();
    assert_eq!(idle, Swept::default());
    // A reference that somebody holds.
    let held = runtime.contents(place.digest).unwrap();
    assert_eq!(sweep(&runtime).await, 0);
    drop(held);
    // A pin.
    assert!(place.files.pin(place.digest, true).unwrap());
    assert_eq!(sweep(&runtime).await, 0);
    assert!(place.files.pin(place.digest, false).unwrap());
    // A state.
    let hoarder = hoarder(&runtime).await;
    let outgoing = Outgoing::new(hoarder, runtime.contents(place.digest).unwrap());
    drop(reply(&runtime, outgoing).await);
    assert_eq!(sweep(&runtime).await, 0);
    runtime.sleep(hoarder).await.unwrap();
    assert_eq!(sweep(&runtime).await, 0, "asleep");
    let given = reply(&runtime, Outgoing::new(hoarder, "give".to_owned())).await;
    assert_eq!(given.read(5, 1).unwrap(), [5][..], "after waking");
    drop(given);
    say(&runtime, hoarder, "drop").await;
    assert_eq!(sweep(&runtime).await, 1);
    assert!(!place.is_there());
    assert_eq!(
        std::fs::read_dir(place.dir.path().join("contents/tmp"))
            .unwrap()
            .count(),
        0
    );
    // An upload that nobody needed within an hour.
    drop(place.store(&runtime));
    runtime
        .run_until(Time(CONTENTS_IDLE_MS + 1_000))
        .await
        .unwrap();
    let idle = runtime.sweep_contents(CONTENTS_IDLE_MS).await.unwrap();
    assert_eq!((idle.removed, idle.bytes), (1, 200_000));
}

#[tokio::test]
async fn answers_kept_for_a_key_keep_their_contents() {
    let place = Place::new();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let keyed = |to, contents| Outgoing {
        key: Some("k".to_owned()),
        expires_ms: Some(60_000),
        ..Outgoing::new(to, contents)
    };
    let runtime = start(place.config(config_on(1, Arc::clone(&store)))).await;
    let echo = Birth::native("echo", "").durable().named("echo");
    let echo = runtime.spawn(echo).await.unwrap();
    drop(reply(&runtime, keyed(echo, place.store(&runtime))).await);
    assert_eq!(sweep(&runtime).await, 0);
    runtime.shutdown().await;
    let runtime = start(place.config(config_on(2, Arc::clone(&store)))).await;
    assert_eq!(sweep(&runtime).await, 0, "after a restart");
    let kept = reply(&runtime, keyed(echo, Contents::EMPTY)).await;
    assert_eq!(kept.contents.reference().unwrap().digest(), place.digest);
    drop(kept);
    // Its row goes when keys are swept, which starting does, when their time is over.
    runtime.shutdown().await;
    let later = place.config(config_on(3, store));
    later.clock.advance_to(Time(61_000));
    let runtime = start(later).await;
    assert_eq!(sweep(&runtime).await, 1);
}

/// What was accepted with a reference is handled with its contents, wherever the store crashes and
/// whenever it is swept.
#[tokio::test]
async fn a_crash_leaves_no_message_without_its_contents() {
    let whole = FaultStore::new(Plan::default());
    let plain: Arc<dyn Store> = Arc::new(whole.clone());
    assert_eq!(crashing(&Place::new(), &plain).await, 4);
    let mut accepted = 0;
    for fate in [CommitFate::Lost, CommitFate::Kept] {
        for call in 1..=whole.calls() {
            let place = Place::new();
            let faults = FaultStore::new(Plan::default());
            let store: Arc<dyn Store> = Arc::new(faults.clone());
            faults.crash_at(call, fate);
            let told = crashing(&place, &store).await;
            faults.restart();
            let runtime = start(place.config(config_on(2, store))).await;
            sweep(&runtime).await;
            let context = format!("crash at call {call}, {fate:?}: {told} acknowledged");
            let hoarded = match runtime.resolve("hoarder").await {
                Ok(hoarder) => say(&runtime, hoarder, "count").await.parse().unwrap(),
                Err(_) => 0,
            };
            assert!(
                (told..=told + 1).contains(&hoarded),
                "{context}, {hoarded} handled"
            );
            accepted += told;
            if hoarded > 0 {
                assert_eq!(place.files.verify(place.digest), Ok(()), "{context}");
            } else {
                assert!(!place.is_there(), "{context}: nothing needs them");
            }
            runtime.shutdown().await;
        }
    }
    assert!(accepted > 10, "{accepted} were acknowledged before a crash");
}

/// How many messages were acknowledged before the crash.
async fn crashing(place: &Place, store: &Arc<dyn Store>) -> u64 {
    let Ok(runtime) = Runtime::start(place.config(config_on(1, Arc::clone(store)))).await else {
        return 0;
    };
    let mut told = 0;
    let birth = Birth::native("hoarder", "").durable().named("hoarder");
    if let Ok(hoarder) = runtime.spawn(birth).await {
        for _ in 0..4 {
            let far = Outgoing::new(hoarder, place.store(&runtime));
            if runtime.send(far).await.is_err() {
                break;
            }
            told += 1;
            // What ends the message may not be on disk yet.
            let _ = runtime.sweep_contents(0).await;
        }
    }
    runtime.shutdown().await;
    told
}
