//! Idempotency keys, journals and events: what is kept of the past, and how much of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../actors/tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use actors::birth::Birth;
use actors::clock::{Clock, VirtualClock};
use actors::events::EventKind;
use actors::runtime::Runtime;
use actors::store::{Store, Table};
use actors::view::{Answer, Outgoing};
use adapters::store::memory::{FaultStore, MemoryStore, Plan};
use common::{WAIT_MS, check_conserved, config, config_on, pass, puppet, say, start, tell};
use genesis::id::VcId;
use genesis::image::Image;
use genesis::limits::EVENTS_MAX;
use genesis::message::Message;
use genesis::refusal::Code;

fn keyed(to: VcId, key: &str, text: &str) -> Outgoing {
    Outgoing {
        key: Some(key.to_owned()),
        ..Outgoing::new(to, text.to_owned())
    }
}

fn text(answer: Answer) -> String {
    let reply = answer.reply.expect("an answer in time");
    assert!(reply.refusal().is_none(), "{:?}", reply.refusal());
    String::from_utf8_lossy(&reply.contents).into_owned()
}

async fn notary(runtime: &Runtime) -> VcId {
    let notary = Birth::native("notary", "").durable().named("notary");
    runtime.spawn(notary).await.unwrap()
}

/// However many ask at once with one key, one message is accepted and all get its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_duplicates_are_one_message() {
    for with_store in [true, false] {
        let mut config = config(1);
        if with_store {
            config.store = Some(Arc::new(MemoryStore::new()));
        }
        let runtime = start(config).await;
        let notary = notary(&runtime).await;
        for round in 1..=20 {
            let mut asks = Vec::new();
            for _ in 0..8 {
                let runtime = runtime.clone();
                asks.push(tokio::spawn(async move {
                    loop {
                        match runtime
                            .ask(keyed(notary, &round.to_string(), "x"), WAIT_MS)
                            .await
                        {
                            // Another is at the door this very moment.
                            Err(why) if why.code == Code::Conflict => {}
                            outcome => return text(outcome.unwrap()),
                        }
                    }
                }));
            }
            for ask in asks {
                assert_eq!(ask.await.unwrap(), round.to_string());
            }
            assert_eq!(say(&runtime, notary, "count").await, round.to_string());
        }
        check_conserved(&runtime, "duplicates").await;
        runtime.shutdown().await;
    }
}

#[tokio::test]
async fn a_retry_after_a_restart_gets_the_recorded_answer() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let runtime = start(config_on(1, Arc::clone(&store))).await;
    let notary = notary(&runtime).await;
    let first = runtime.ask(keyed(notary, "a", "x"), WAIT_MS).await.unwrap();
    assert!(!first.receipt.duplicate);
    let message = first.receipt.message;
    assert_eq!(text(first), "1");
    assert_eq!(
        text(runtime.ask(keyed(notary, "b", "x"), WAIT_MS).await.unwrap()),
        "2"
    );
    let receipt = runtime.send(keyed(notary, "a", "x")).await.unwrap();
    assert!(receipt.duplicate);
    runtime.shutdown().await;
    let runtime = start(config_on(2, store)).await;
    let again = runtime.ask(keyed(notary, "a", "x"), WAIT_MS).await.unwrap();
    assert!(again.receipt.duplicate);
    assert_eq!(again.receipt.message, message);
    assert_eq!(text(again), "1");
    assert_eq!(say(&runtime, notary, "count").await, "2");
    // The same key for another VC is another message.
    let echo = runtime.spawn(Birth::native("echo", "")).await.unwrap();
    assert_eq!(
        text(
            runtime
                .ask(keyed(echo, "a", "fresh"), WAIT_MS)
                .await
                .unwrap()
        ),
        "fresh"
    );
    runtime.shutdown().await;
}

/// A key lives as long as its message.
#[tokio::test]
async fn a_key_expires_with_its_message() {
    for with_store in [true, false] {
        let clock = Arc::new(VirtualClock::default());
        let mut config = config(1);
        config.clock = Arc::clone(&clock) as Arc<dyn Clock>;
        if with_store {
            config.store = Some(Arc::new(MemoryStore::new()));
        }
        let runtime = start(config).await;
        let notary = notary(&runtime).await;
        let outgoing = || Outgoing {
            expires_ms: Some(500),
            ..keyed(notary, "a", "x")
        };
        assert_eq!(text(runtime.ask(outgoing(), WAIT_MS).await.unwrap()), "1");
        pass(&runtime, clock.as_ref(), 499).await;
        assert_eq!(text(runtime.ask(outgoing(), WAIT_MS).await.unwrap()), "1");
        pass(&runtime, clock.as_ref(), 1).await;
        assert_eq!(text(runtime.ask(outgoing(), WAIT_MS).await.unwrap()), "2");
        runtime.shutdown().await;
    }
}

/// A repeated message is acknowledged no earlier than the first: while the disk is full, not at all.
#[tokio::test]
async fn a_duplicate_is_not_acknowledged_before_it_is_on_disk() {
    let faults = FaultStore::new(Plan::default());
    let runtime = start(config_on(1, Arc::new(faults.clone()))).await;
    let notary = notary(&runtime).await;
    faults.fill_space();
    for _ in 0..2 {
        let refused = runtime.send(keyed(notary, "a", "x")).await.unwrap_err();
        assert_eq!(refused.code, Code::DiskFull, "{refused}");
        let refused = runtime
            .ask(keyed(notary, "a", "x"), WAIT_MS)
            .await
            .unwrap_err();
        assert_eq!(refused.code, Code::DiskFull, "{refused}");
    }
    faults.free_space();
    while runtime.health().is_err() {
        let seen = runtime.events().last();
        runtime.events().wait_after(seen).await;
    }
    assert_eq!(
        text(runtime.ask(keyed(notary, "a", "x"), WAIT_MS).await.unwrap()),
        "1"
    );
    assert_eq!(say(&runtime, notary, "count").await, "1");
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_journal_is_bounded_in_memory_and_on_disk() {
    const RECORD: u32 = 8;
    for durable in [true, false] {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let runtime = start(config_on(1, Arc::clone(&store))).await;
        let mut birth = puppet().named("diarist");
        birth.record = RECORD;
        birth.durable = durable;
        let id = runtime.spawn(birth).await.unwrap();
        for n in 0..50 {
            tell(&runtime, id, &n.to_string()).await;
            if n % 13 == 12 {
                runtime.sleep(id).await.unwrap();
                runtime.quiet().await.unwrap();
            }
            let journal = runtime.journal(id).await.unwrap();
            assert!(journal.messages.len() <= RECORD as usize);
            let snapshot = Image::from_bytes(&journal.snapshot).unwrap();
            // What was handled before the snapshot and what is recorded since is all there was.
            assert_eq!(snapshot.turns + journal.messages.len() as u64, n + 1);
            let last = Message::from_bytes(journal.messages.last().unwrap_or(&journal.snapshot));
            assert!(n % 13 == 12 || last.is_ok());
        }
        runtime.shutdown().await;
        let rows = store.range(Table::Journal, &[], 1_000).unwrap();
        assert!(rows.len() <= RECORD as usize + 1, "{}", rows.len());
        assert_eq!(rows.is_empty(), !durable);
    }
}

#[tokio::test]
async fn events_resume_by_number_and_count_what_was_missed() {
    let clock = Arc::new(VirtualClock::default());
    let mut config = config(1);
    config.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let runtime = start(config).await;
    let talker = runtime.spawn(puppet()).await.unwrap();
    let mut after = runtime.events().last();
    let mut seen = Vec::new();
    for n in 0..30 {
        tell(&runtime, talker, &format!("!emit a{n};emit b{n}")).await;
        runtime.events().wait_after(after).await;
        let page = runtime.events().after(after, 1_000);
        assert_eq!(page.lagged, 0);
        for event in page.events {
            assert_eq!(event.seq, after + 1, "no gap, no repetition");
            after = event.seq;
            if event.kind == EventKind::Output {
                assert_eq!(event.vc, talker);
                seen.push(event.data);
            }
        }
    }
    let expected: Vec<String> = (0..30)
        .flat_map(|n| [format!("a{n}"), format!("b{n}")])
        .collect();
    assert_eq!(seen, expected);

    // A reader that slept through more than is kept learns how much it missed.
    let script = vec!["emit x"; 200].join(";");
    for _ in 0..EVENTS_MAX / 200 + 2 {
        tell(&runtime, talker, &format!("!{script}")).await;
    }
    let page = runtime.events().after(after, usize::MAX);
    assert_eq!(page.events.len(), EVENTS_MAX);
    assert_eq!(page.lagged, page.events[0].seq - after - 1);
    assert!(page.lagged > 0);
    let log = runtime.logs(talker, 0, 10_000).await.unwrap();
    assert_eq!(log.lines.len(), genesis::limits::LOG_LINES_MAX);
    assert_eq!(log.lines[0].seq, log.dropped + 1);
    runtime.shutdown().await;
}
