//! What was acknowledged survives: crashes at every call of the store, full disks, unreadable rows.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../actors/tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use actors::birth::Birth;
use actors::events::EventKind;
use actors::life::Life;
use actors::runtime::Runtime;
use actors::store::{Store, Table};
use actors::view::{ListQuery, Outgoing};
use adapters::store::memory::{CommitFate, FaultStore, Plan};
use common::{WAIT_MS, ask, check_conserved, config_on, knowing, notes, puppet, say, start, tell};
use genesis::id::VcId;
use genesis::refusal::{Code, Refusal};

const MESSAGES: u64 = 50;

fn store_with(plan: Plan) -> (FaultStore, Arc<dyn Store>) {
    let store = FaultStore::new(plan);
    (store.clone(), Arc::new(store))
}

/// Asks with an idempotency key and gives the ordinal that comes back.
async fn stamped(runtime: &Runtime, to: VcId, key: u64) -> Result<u64, Refusal> {
    let outgoing = Outgoing {
        key: Some(key.to_string()),
        ..Outgoing::new(to, "stamp this")
    };
    let answer = runtime.ask(outgoing, WAIT_MS).await?;
    let reply = answer.reply.expect("an answer in time");
    match reply.refusal() {
        Some(why) => Err(why),
        None => Ok(reply.contents.as_text().unwrap().parse().unwrap()),
    }
}

/// What a script knows when its node is gone: who was born, and which ordinals were handed out.
#[derive(Debug, Default)]
struct Heard {
    notary: bool,
    stamps: Vec<(u64, u64)>,
}

/// A notary is born and stamps messages, one after another, until something fails.
async fn script(store: &Arc<dyn Store>, heard: &mut Heard) -> Result<(), Refusal> {
    let runtime = Runtime::start(config_on(1, Arc::clone(store))).await?;
    let outcome = async {
        let notary = Birth::native("notary", "").durable().named("notary");
        let notary = runtime.spawn(notary).await?;
        heard.notary = true;
        for key in 0..MESSAGES {
            heard
                .stamps
                .push((key, stamped(&runtime, notary, key).await?));
        }
        Ok(())
    }
    .await;
    runtime.shutdown().await;
    outcome
}

/// The node starts again on what the crash left; whoever had no answer asks again.
async fn aftermath(store: &Arc<dyn Store>, heard: &Heard, context: &str) {
    let runtime = start(config_on(2, Arc::clone(store))).await;
    let notary = match runtime.resolve("notary").await {
        Ok(notary) => notary,
        Err(why) => {
            assert!(
                !heard.notary,
                "{context}: an acknowledged birth is lost: {why}"
            );
            runtime.shutdown().await;
            return;
        }
    };
    runtime.quiet().await.unwrap();
    let counted: u64 = say(&runtime, notary, "count").await.parse().unwrap();
    let acknowledged = heard.stamps.len() as u64;
    assert!(
        (acknowledged..=acknowledged + 1).contains(&counted),
        "{context}: {acknowledged} acknowledged, {counted} counted"
    );
    for key in 0..MESSAGES {
        let stamp = stamped(&runtime, notary, key).await.unwrap();
        if let Some(&(_, first)) = heard.stamps.iter().find(|&&(k, _)| k == key) {
            assert_eq!(
                stamp, first,
                "{context}: key {key} was answered twice, differently"
            );
        }
        assert_eq!(
            stamp,
            key + 1,
            "{context}: key {key} was counted twice or lost"
        );
    }
    assert_eq!(
        say(&runtime, notary, "count").await,
        MESSAGES.to_string(),
        "{context}"
    );
    check_conserved(&runtime, context).await;
    runtime.shutdown().await;
    let [accepted, consumed, bounced, dead] = runtime.lasting_counts();
    assert_eq!(
        accepted,
        consumed + bounced + dead,
        "{context}: something is still owed"
    );
    assert_eq!(
        store.len(Table::Log).unwrap(),
        0,
        "{context}: a row of the log owes nothing"
    );
}

#[tokio::test]
async fn a_crash_at_any_call_of_the_store_loses_and_doubles_nothing() {
    let (faults, store) = store_with(Plan::default());
    script(&store, &mut Heard::default()).await.unwrap();
    let calls = faults.calls();
    assert!(
        calls > 2 * MESSAGES,
        "the script reads and writes: {calls} calls"
    );
    for fate in [CommitFate::Lost, CommitFate::Kept] {
        for call in 1..=calls {
            let (faults, store) = store_with(Plan::default());
            faults.crash_at(call, fate);
            let mut heard = Heard::default();
            let outcome = script(&store, &mut heard).await;
            let context = format!("crash at call {call} of {calls}, {fate:?}");
            assert!(faults.is_crashed(), "{context}: not reached");
            assert!(
                outcome.is_err() || heard.stamps.len() as u64 == MESSAGES,
                "{context}: {outcome:?}"
            );
            faults.restart();
            aftermath(&store, &heard, &context).await;
        }
    }
}

/// Relays hand a message on to a puppet, which notes it; no answer is waited for.
async fn chain(store: &Arc<dyn Store>, told: &mut Vec<u64>) -> Result<(), Refusal> {
    let runtime = Runtime::start(config_on(1, Arc::clone(store))).await?;
    let outcome = async {
        let last = runtime.spawn(puppet().durable().named("last")).await?;
        let middle = knowing(Birth::native("relay", "").durable(), &[last]);
        let middle = runtime.spawn(middle).await?;
        let first = knowing(
            Birth::native("relay", "").durable().named("first"),
            &[middle],
        );
        let first = runtime.spawn(first).await?;
        for n in 0..20 {
            let outgoing = Outgoing {
                key: Some(n.to_string()),
                ..Outgoing::new(first, n.to_string())
            };
            runtime.send(outgoing).await?;
            told.push(n);
        }
        Ok(())
    }
    .await;
    runtime.shutdown().await;
    outcome
}

/// Whatever was on its way between durable VCs arrives once, and in order.
#[tokio::test]
async fn a_crash_loses_and_doubles_nothing_between_virtual_computers() {
    let (faults, store) = store_with(Plan::default());
    chain(&store, &mut Vec::new()).await.unwrap();
    for call in 1..=faults.calls() {
        for fate in [CommitFate::Lost, CommitFate::Kept] {
            let (faults, store) = store_with(Plan::default());
            faults.crash_at(call, fate);
            let mut told = Vec::new();
            let _ = chain(&store, &mut told).await;
            faults.restart();
            let context = format!("crash at call {call}, {fate:?}");
            let runtime = start(config_on(2, Arc::clone(&store))).await;
            runtime.quiet().await.unwrap();
            if let Ok(last) = runtime.resolve("last").await {
                let heard = notes(&runtime, last).await;
                let expected: Vec<String> = (0..20).map(|n| format!("tell {n}")).collect();
                assert!(heard.len() >= told.len(), "{context}: {told:?} {heard:?}");
                assert_eq!(heard, expected[..heard.len()], "{context}");
            } else {
                assert!(told.is_empty(), "{context}");
            }
            check_conserved(&runtime, &context).await;
            runtime.shutdown().await;
        }
    }
}

/// A disk that lies about what is safe may lose what was acknowledged; what is left is consistent: a
/// prefix, in which state, queue and answers agree.
#[tokio::test]
async fn a_disk_that_lies_leaves_a_prefix() {
    let (faults, store) = store_with(Plan::default());
    script(&store, &mut Heard::default()).await.unwrap();
    let calls = faults.calls();
    for seed in 0..20 {
        let (faults, store) = store_with(Plan {
            seed,
            unsynced_max: 12,
            ..Plan::default()
        });
        faults.crash_at(1 + common::draw(seed, 0) % calls, CommitFate::Lost);
        let mut heard = Heard::default();
        let _ = script(&store, &mut heard).await;
        faults.restart();
        let runtime = start(config_on(2, Arc::clone(&store))).await;
        runtime.quiet().await.unwrap();
        let Ok(notary) = runtime.resolve("notary").await else {
            runtime.shutdown().await;
            continue;
        };
        let counted: u64 = say(&runtime, notary, "count").await.parse().unwrap();
        assert!(counted <= heard.stamps.len() as u64 + 1, "seed {seed}");
        for key in 0..MESSAGES {
            let stamp = stamped(&runtime, notary, key).await.unwrap();
            assert_eq!(
                stamp,
                key + 1,
                "seed {seed}: key {key}, {counted} were counted"
            );
        }
        check_conserved(&runtime, &format!("seed {seed}")).await;
        runtime.shutdown().await;
    }
}

/// Waits for an event; events are the only clock this test needs.
async fn wait_for(runtime: &Runtime, kind: EventKind) {
    let mut after = 0;
    loop {
        let page = runtime.events().after(after, usize::MAX);
        if page.events.iter().any(|event| event.kind == kind) {
            return;
        }
        after = page.events.last().map_or(after, |event| event.seq);
        runtime.events().wait_after(after).await;
    }
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_and_serves_the_rest() {
    let (faults, store) = store_with(Plan::default());
    let runtime = start(config_on(1, store)).await;
    let notary = Birth::native("notary", "").durable();
    let notary = runtime.spawn(notary).await.unwrap();
    let echo = runtime.spawn(Birth::native("echo", "")).await.unwrap();
    assert_eq!(say(&runtime, notary, "x").await, "1");
    faults.fill_space();

    let refused = ask(&runtime, notary, "x").await.unwrap_err();
    assert_eq!(refused.code, Code::DiskFull, "{refused}");
    assert!(refused.hint.is_some(), "the way out is named");
    wait_for(&runtime, EventKind::StoreStalled).await;
    assert_eq!(runtime.health().unwrap_err().code, Code::DiskFull);
    let refused = runtime.send(Outgoing::new(notary, "x")).await.unwrap_err();
    assert_eq!(refused.code, Code::DiskFull, "at the door: {refused}");
    let refused = runtime
        .spawn(Birth::native("notary", "").durable())
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::DiskFull, "{refused}");

    // Reads and volatile VCs go on.
    assert_eq!(say(&runtime, echo, "still here").await, "still here");
    assert_eq!(runtime.show(notary).await.unwrap().summary.id, notary);
    assert!(
        !runtime
            .list(ListQuery::default())
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    let volatile = runtime.spawn(Birth::native("echo", "")).await.unwrap();
    assert_eq!(say(&runtime, volatile, "new").await, "new");

    faults.free_space();
    wait_for(&runtime, EventKind::StoreRecovered).await;
    runtime.health().unwrap();
    // The message that was refused while it waited for the disk was accepted before: it is there, once.
    assert_eq!(say(&runtime, notary, "x").await, "3");
    check_conserved(&runtime, "after the disk was full").await;
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_and_the_others_are_served() {
    let (faults, store) = store_with(Plan::default());
    let runtime = start(config_on(1, Arc::clone(&store))).await;
    let mut born = Vec::new();
    for _ in 0..4 {
        let notary = Birth::native("notary", "").durable();
        let notary = runtime.spawn(notary).await.unwrap();
        assert_eq!(say(&runtime, notary, "x").await, "1");
        born.push(notary);
    }
    runtime.shutdown().await;
    faults.break_row(Table::Vcs, born[1].as_bytes());
    let runtime = start(config_on(2, store)).await;
    for (n, &notary) in born.iter().enumerate() {
        if n == 1 {
            for refused in [
                ask(&runtime, notary, "x").await.unwrap_err(),
                runtime.show(notary).await.unwrap_err(),
                runtime.wake(notary).await.unwrap_err(),
            ] {
                assert_eq!(refused.code, Code::Io, "{refused}");
                assert!(
                    refused.what.contains("table vcs"),
                    "the row is named: {refused}"
                );
                assert_eq!(refused.who, Some(notary.to_string()));
            }
        } else {
            assert_eq!(say(&runtime, notary, "x").await, "2");
        }
    }
    faults.mend_rows();
    assert_eq!(
        say(&runtime, born[1], "x").await,
        "2",
        "nothing of it was lost"
    );
    check_conserved(&runtime, "an unreadable row").await;
    runtime.shutdown().await;
}

/// A row that is there but no image is named as damaged, and never served.
#[tokio::test]
async fn a_damaged_row_is_never_served() {
    use actors::store::Op;
    let (_, store) = store_with(Plan::default());
    let runtime = start(config_on(1, Arc::clone(&store))).await;
    let notary = Birth::native("notary", "").durable().named("n");
    let notary = runtime.spawn(notary).await.unwrap();
    runtime.shutdown().await;
    let mut row = store.get(Table::Vcs, notary.as_bytes()).unwrap().unwrap();
    row.truncate(row.len() / 2);
    store
        .commit(&[Op::Put {
            table: Table::Vcs,
            key: notary.as_bytes().to_vec(),
            value: row,
        }])
        .unwrap();
    let runtime = start(config_on(2, store)).await;
    let refused = ask(&runtime, notary, "x").await.unwrap_err();
    assert_eq!(refused.code, Code::Corrupt, "{refused}");
    assert_eq!(runtime.show(notary).await.unwrap_err().code, Code::Corrupt);
    let echo = runtime
        .spawn(Birth::native("echo", "").durable())
        .await
        .unwrap();
    assert_eq!(say(&runtime, echo, "others live").await, "others live");
    assert_eq!(show_life(&runtime, echo).await, Life::Awake);
    runtime.shutdown().await;
}

async fn show_life(runtime: &Runtime, id: VcId) -> Life {
    runtime.show(id).await.unwrap().summary.life
}

/// Notices that fall due together are told apart by the log: none is handled again after a restart.
#[tokio::test]
async fn notices_of_one_moment_are_handled_once() {
    let (_, store) = store_with(Plan::default());
    let clock = Arc::new(actors::clock::VirtualClock::default());
    let mut config = config_on(1, Arc::clone(&store));
    config.clock = Arc::clone(&clock) as Arc<dyn actors::clock::Clock>;
    let runtime = start(config.clone()).await;
    let mut puppets = Vec::new();
    for _ in 0..3 {
        let puppet = runtime.spawn(puppet().durable()).await.unwrap();
        tell(&runtime, puppet, "!after 10 1;after 10 2;after 10 3").await;
        puppets.push(puppet);
    }
    common::pass(&runtime, clock.as_ref(), 20).await;
    runtime.shutdown().await;
    assert_eq!(store.len(Table::Log).unwrap(), 0, "nothing is owed");
    let runtime = start(config).await;
    runtime.quiet().await.unwrap();
    for puppet in puppets {
        let heard = notes(&runtime, puppet).await;
        assert_eq!(heard, ["timer 1 at 10", "timer 2 at 10", "timer 3 at 10"]);
    }
    runtime.shutdown().await;
}

/// What was owed is in its mailboxes before anybody takes a turn: nothing new overtakes it, however often
/// the node ends in the middle of its work.
#[tokio::test]
async fn nothing_overtakes_what_was_owed() {
    const ORDERS: u64 = 15 * 200;
    const EACH: u64 = 6;
    for seed in 0..1 {
        let (_, store) = store_with(Plan::default());
        let runtime = start(config_on(seed, Arc::clone(&store))).await;
        let lineup = Birth::native("lineup", "").durable().named("lineup");
        let lineup = runtime.spawn(lineup).await.unwrap();
        let sender = knowing(puppet().durable(), &[lineup]);
        let sender = runtime.spawn(sender).await.unwrap();
        let driver = knowing(puppet().durable(), &[sender]);
        let driver = runtime.spawn(driver).await.unwrap();
        let mut courier = runtime.courier();
        for _ in 0..ORDERS / 200 {
            let order = format!("order k0 burst+k0+{EACH}");
            courier
                .tell(driver, format!("!{}", vec![order; 200].join(";")))
                .await;
        }
        courier.flush().await;
        // The birth is on disk, and the orders with it; not all that they lead to.
        runtime
            .spawn(Birth::native("echo", "").durable())
            .await
            .unwrap();
        runtime.shutdown().await;
        let [accepted, consumed, bounced, dead] = runtime.lasting_counts();
        assert!(
            accepted > consumed + bounced + dead,
            "the test tests something"
        );
        for run in 0..8 {
            // Several workers, and mail between them.
            let mut config = config_on(seed, Arc::clone(&store));
            config.deterministic = false;
            config.workers = 3;
            let runtime = start(config).await;
            let lineup = runtime.resolve("lineup").await.unwrap();
            if run == 7 {
                runtime.quiet().await.unwrap();
                let expected = format!("{} in order", ORDERS * EACH);
                assert_eq!(
                    say(&runtime, lineup, "well?").await,
                    expected,
                    "seed {seed}"
                );
                check_conserved(&runtime, "after many ends").await;
            }
            runtime.shutdown().await;
        }
    }
}

/// Past its time a message is not acted on: it comes back.
#[tokio::test]
async fn an_expired_message_is_bounced() {
    let (_, store) = store_with(Plan::default());
    let clock = Arc::new(actors::clock::VirtualClock::default());
    let mut config = config_on(1, Arc::clone(&store));
    config.clock = Arc::clone(&clock) as Arc<dyn actors::clock::Clock>;
    let runtime = start(config.clone()).await;
    let friend = runtime.spawn(puppet().durable()).await.unwrap();
    let sender = knowing(puppet().durable(), &[friend]);
    let sender = runtime.spawn(sender).await.unwrap();
    tell(&runtime, sender, "!send k0 stale;expires 0").await;
    assert_eq!(notes(&runtime, friend).await.len(), 0);
    assert_eq!(notes(&runtime, sender).await, ["bounce expired"]);
    let outgoing = Outgoing {
        expires_ms: Some(0),
        ..Outgoing::new(friend, "x")
    };
    let refused = runtime.send(outgoing).await.unwrap_err();
    assert_eq!(refused.code, Code::Expired);
    check_conserved(&runtime, "expiry").await;
    runtime.shutdown().await;
}
