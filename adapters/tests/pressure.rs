//! What happens when mailboxes are full.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../actors/tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actors::birth::Birth;
use actors::clock::{Clock, VirtualClock};
use actors::runtime::Runtime;
use actors::store::{Store, Table};
use actors::view::Outgoing;
use adapters::store::memory::MemoryStore;
use common::{check_conserved, config_on, knowing, notes, puppet, say, start, tell};
use genesis::id::VcId;
use genesis::limits::{EXPIRY_DEFAULT_MS, MAILBOX_LEN_MAX, OUTBOX_LEN_MAX};

async fn timed() -> (Runtime, Arc<VirtualClock>, Arc<dyn Store>) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = Arc::new(VirtualClock::default());
    let mut config = config_on(1, Arc::clone(&store));
    config.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    (start(config).await, clock, store)
}

/// Has `senders` told at once to send `each` numbered messages to one receiver.
async fn flood(
    runtime: &Runtime,
    receiver: Birth,
    durable: bool,
    senders: u64,
    each: u64,
) -> (VcId, Vec<VcId>) {
    let receiver = runtime.spawn(receiver).await.unwrap();
    let mut many = Vec::new();
    for _ in 0..senders {
        let mut birth = knowing(puppet(), &[receiver]);
        birth.durable = durable;
        many.push(runtime.spawn(birth).await.unwrap());
    }
    let driver = runtime.spawn(knowing(puppet(), &many)).await.unwrap();
    let orders: Vec<String> = (0..senders)
        .map(|n| format!("order k{n} burst+k0+{each}"))
        .collect();
    tell(runtime, driver, &format!("!{}", orders.join(";"))).await;
    (receiver, many)
}

/// The messages one sender got back, and those that arrived.
async fn ends(runtime: &Runtime, receiver: VcId, senders: &[VcId]) -> (usize, usize) {
    let arrived = notes(runtime, receiver).await.len();
    let mut back = 0;
    for &sender in senders {
        let heard = notes(runtime, sender).await;
        assert!(heard.iter().all(|note| note == "bounce busy"), "{heard:?}");
        back += heard.len();
    }
    (arrived, back)
}

/// The 1,025th message for a volatile VC comes back to a volatile sender; none is lost.
#[tokio::test]
async fn a_full_mailbox_answers_busy() {
    let (runtime, ..) = timed().await;
    // One sender alone, in one turn at a time, with contents handed back.
    let (receiver, senders) = flood(&runtime, puppet(), false, 8, 250).await;
    let (arrived, back) = ends(&runtime, receiver, &senders).await;
    assert_eq!(arrived + back, 8 * 250);
    assert!(arrived >= MAILBOX_LEN_MAX as usize);
    check_conserved(&runtime, "busy").await;
    runtime.shutdown().await;
}

/// At the door: a receiver that takes no turns, because the mailbox it writes to is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_1025th_message_is_refused() {
    use actors::behaviour::{Behaviour, Fault};
    use actors::effects::Effects;
    use actors::letter::Letter;
    use serde::{Deserialize, Serialize};

    /// Takes its turns in an actor of its own, and does not end the first before the gate is open.
    #[derive(Clone, Serialize, Deserialize)]
    struct Gated;
    static OPEN: AtomicBool = AtomicBool::new(false);
    impl Behaviour for Gated {
        const NAME: &'static str = "gated";
        fn born(_: &[u8]) -> Result<Self, Fault> {
            Ok(Self)
        }
        fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
            while !OPEN.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            effects.reply(letter.contents.clone()).map(drop)
        }
    }

    let mut config = config_on(1, Arc::new(MemoryStore::new()));
    config.natives = config.natives.with::<Gated>();
    let runtime = start(config).await;
    let mut birth = Birth::native("gated", "");
    birth.own_actor = true;
    let gated = runtime.spawn(birth).await.unwrap();
    let before = runtime.stats().await.unwrap().accepted;
    let mut accepted = 0_u32;
    let refused = loop {
        match runtime.send(Outgoing::new(gated, "x")).await {
            Ok(_) => accepted += 1,
            Err(why) => break why,
        }
    };
    assert_eq!(refused.code, genesis::refusal::Code::Busy, "{refused}");
    assert_eq!(refused.who, Some(gated.to_string()));
    assert!(
        refused.what.contains("1024"),
        "the bound is named: {refused}"
    );
    assert_eq!(
        accepted,
        MAILBOX_LEN_MAX + 1,
        "one is being handled, the others wait"
    );
    // From a VC it comes back with its contents.
    let sender = runtime.spawn(knowing(puppet(), &[gated])).await.unwrap();
    runtime
        .send(Outgoing::new(sender, "!send k0 precious"))
        .await
        .unwrap();
    let bounced = loop {
        let events = runtime.events().after(0, usize::MAX).events;
        if let Some(event) = events
            .into_iter()
            .find(|e| e.kind == actors::events::EventKind::Bounced)
        {
            break event;
        }
        tokio::task::yield_now().await;
    };
    assert!(bounced.data.starts_with("busy"), "{bounced:?}");
    OPEN.store(true, Ordering::Release);
    runtime.quiet().await.unwrap();
    assert_eq!(notes(&runtime, sender).await, ["bounce busy"]);
    let after = runtime.stats().await.unwrap();
    assert!(after.accepted > before + u64::from(accepted));
    check_conserved(&runtime, "at the door").await;
    runtime.shutdown().await;
}

/// Durable senders wait: nothing is lost, nothing comes back, each sender's order is kept, and what waits
/// is bounded.
#[tokio::test]
async fn durable_senders_wait_for_room() {
    let (runtime, _, store) = timed().await;
    let receiver = runtime.spawn(puppet().durable()).await.unwrap();
    let mut senders = Vec::new();
    for _ in 0..4 {
        senders.push(
            runtime
                .spawn(knowing(puppet().durable(), &[receiver]))
                .await
                .unwrap(),
        );
    }
    let driver = runtime.spawn(knowing(puppet(), &senders)).await.unwrap();
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.extend((0..4).map(|n| format!("order k{n} burst+k0+200")));
    }
    tell(&runtime, driver, &format!("!{}", orders.join(";"))).await;
    let heard = notes_in_order(&runtime, receiver).await;
    assert_eq!(heard.len(), 4 * 5 * 200, "nothing is lost");
    for sender in senders {
        assert_eq!(notes(&runtime, sender).await.len(), 0, "nothing came back");
    }
    // Each sender numbers its own: each number four times, and the nth time never before the n-1th.
    let mut last = std::collections::BTreeMap::<u64, u64>::new();
    for number in heard {
        *last.entry(number).or_default() += 1;
        let this = last[&number];
        let before = last.get(&(number - 1)).copied().unwrap_or(4);
        assert!(
            number == 1 || before >= this,
            "{number} overtook {}",
            number - 1
        );
    }
    check_conserved(&runtime, "durable senders").await;
    runtime.shutdown().await;
    assert_eq!(store.len(Table::Log).unwrap(), 0);
}

/// The numbers a puppet heard; its notes are more than fit one answer, so its state is read.
async fn notes_in_order(runtime: &Runtime, puppet: VcId) -> Vec<u64> {
    let image = runtime.freeze(puppet).await.unwrap();
    let state = image
        .parts
        .iter()
        .find_map(|part| part.state.clone())
        .unwrap();
    let puppet: common::Puppet = genesis::wire::decode(1, &state).unwrap();
    puppet
        .notes
        .iter()
        .map(|note| note.strip_prefix("tell ").unwrap().parse().unwrap())
        .collect()
}

/// Two full VCs that send to each other do not hang for good: what they wait for expires.
#[tokio::test]
async fn two_full_vcs_go_on_when_their_mail_expires() {
    let (runtime, clock, store) = timed().await;
    let one = runtime
        .spawn(Birth::native("flooder", "").durable())
        .await
        .unwrap();
    let two = Birth::native("flooder", "").durable();
    let two = runtime.spawn(knowing(two, &[one])).await.unwrap();
    runtime.send(Outgoing::new(two, "begin")).await.unwrap();
    // Neither gets to an end by itself: each turn sends more than it takes.
    let stuck = loop {
        let stats = runtime.stats().await.unwrap();
        tokio::task::yield_now().await;
        let again = runtime.stats().await.unwrap();
        if stats.queued > u64::from(MAILBOX_LEN_MAX) && stats == again {
            break again;
        }
    };
    let bound = u64::from(2 * (MAILBOX_LEN_MAX + OUTBOX_LEN_MAX + 256));
    assert!(stuck.queued > u64::from(MAILBOX_LEN_MAX), "{stuck:?}");
    assert!(stuck.queued <= bound, "what waits is bounded: {stuck:?}");
    // The flooders grow tired after a day.
    for day in 1..4 {
        let until = genesis::time::Time(clock.now().0 + EXPIRY_DEFAULT_MS + 1);
        runtime
            .run_until(until)
            .await
            .unwrap_or_else(|why| panic!("day {day}: {why}"));
    }
    runtime.quiet().await.unwrap();
    let stats = runtime.stats().await.unwrap();
    assert_eq!(stats.queued, 0, "{stats:?}");
    assert!(stats.bounced > 0, "what expired came back: {stats:?}");
    assert_eq!(say(&runtime, one, "well?").await, "well");
    check_conserved(&runtime, "two full").await;
    runtime.shutdown().await;
    assert_eq!(store.len(Table::Log).unwrap(), 0);
}

/// A VC that floods itself is told that it is full, durable or not: it cannot wait for itself.
#[tokio::test]
async fn a_vc_cannot_outgrow_its_own_mailbox() {
    for durable in [false, true] {
        let (runtime, ..) = timed().await;
        let mut birth = puppet();
        birth.durable = durable;
        let narcissus = runtime.spawn(birth).await.unwrap();
        let introducer = runtime
            .spawn(knowing(puppet(), &[narcissus]))
            .await
            .unwrap();
        // Whoever is handed to itself may write to itself.
        tell(&runtime, introducer, "!order k0 keep+s").await;
        tell(&runtime, introducer, "!mirror k0").await;
        tell(
            &runtime,
            narcissus,
            &format!("!{}", ["order k1 burst+k1+200"; 10].join(";")),
        )
        .await;
        let heard = notes(&runtime, narcissus).await;
        let busy = heard.iter().filter(|note| *note == "bounce busy").count();
        assert_eq!(heard.len(), 10 * 200, "each came or came back");
        assert!(busy > 500, "{busy}");
        check_conserved(&runtime, "a flood of its own").await;
        runtime.shutdown().await;
    }
}

/// A courier waits for room; nothing it carries is refused.
#[tokio::test]
async fn a_courier_loses_nothing() {
    for own_actor in [false, true] {
        let (runtime, ..) = timed().await;
        let mut birth = puppet();
        birth.own_actor = own_actor;
        let receiver = runtime.spawn(birth).await.unwrap();
        // More than a door holds.
        let mut notary = Birth::native("notary", "");
        notary.own_actor = own_actor;
        let notary = runtime.spawn(notary).await.unwrap();
        let many = genesis::limits::INGRESS_MAX as u64 + 5_000;
        let mut courier = runtime.courier();
        for n in 0..many {
            courier.tell(notary, n).await;
            if n < 1_500 {
                courier.tell(receiver, n.to_string()).await;
            }
        }
        courier.flush().await;
        runtime.quiet().await.unwrap();
        let heard = notes_in_order(&runtime, receiver).await;
        assert!(heard.iter().copied().eq(0..1_500), "own actor: {own_actor}");
        assert_eq!(say(&runtime, notary, "count").await, many.to_string());
        check_conserved(&runtime, "courier").await;
        runtime.shutdown().await;
    }
}
