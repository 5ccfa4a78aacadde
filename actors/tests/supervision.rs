//! What follows a failed turn, and who is told.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;

use actors::birth::Birth;
use actors::clock::{Clock, VirtualClock};
use actors::events::EventKind;
use actors::life::Life;
use actors::runtime::Runtime;
use common::{ask, check_conserved, config, knowing, notes, pass, puppet, say, show, start, tell};
use genesis::id::VcId;
use genesis::purse::Purse;
use genesis::refusal::Code;

async fn timed() -> (Runtime, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::default());
    let mut config = config(1);
    config.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    (start(config).await, clock)
}

async fn spawn(runtime: &Runtime, birth: Birth) -> VcId {
    runtime.spawn(birth).await.unwrap()
}

async fn stopped_because(runtime: &Runtime, id: VcId) -> Option<String> {
    let summary = show(runtime, id).await.summary;
    (summary.life == Life::Stopped).then(|| summary.reason.unwrap_or_default())
}

/// A failed turn leaves everything as it was, but for the fuel it used; hosted either way.
#[tokio::test]
async fn a_failed_turn_never_happened() {
    for own_actor in [false, true] {
        for end in ["fail", "panic", "send k9 nobody"] {
            let runtime = start(config(1)).await;
            let friend = spawn(&runtime, puppet()).await;
            let mut birth = knowing(puppet(), &[friend]);
            birth.own_actor = own_actor;
            birth.purse = Purse {
                fuel: 100_000,
                messages: 50,
                children: 5,
                ..Purse::EMPTY
            };
            let puppet = spawn(&runtime, birth).await;
            tell(&runtime, puppet, "!note kept").await;
            let before = show(&runtime, puppet).await;
            let script = format!(
                "!note lost;send k0 lost;spawn echo fuel=10 messages=1 children=0;after 10 1;emit lost;keep s;{end}"
            );
            let why = ask(&runtime, puppet, &script).await.unwrap_err();
            let expected = if end.starts_with("send") {
                Code::NotAContact
            } else {
                Code::Fault
            };
            assert_eq!(why.code, expected, "{why}");
            assert_eq!(why.who, Some(puppet.to_string()));
            let after = show(&runtime, puppet).await;
            assert_eq!(notes(&runtime, puppet).await, ["kept"], "{end}");
            assert_eq!(notes(&runtime, friend).await.len(), 0, "{end}");
            let mut purse = before.summary.purse;
            purse.fuel = after.summary.purse.fuel;
            assert_eq!(after.summary.purse, purse, "{end}: only fuel is lost");
            assert!(after.summary.purse.fuel < before.summary.purse.fuel);
            assert_eq!(after.contacts, before.contacts, "{end}");
            assert_eq!(
                (after.sent, after.births, after.timers),
                (before.sent, 0, 0)
            );
            assert_eq!((after.summary.faults, after.set_aside.len()), (1, 1));
            assert_eq!(after.set_aside[0].from, runtime.owner());
            assert!(after.set_aside[0].why.contains(why.code.name()));
            let lines = runtime.logs(puppet, 0, 10).await.unwrap().lines;
            assert!(lines.iter().all(|line| line.text != "lost"));
            let events = runtime.events().after(0, usize::MAX).events;
            assert!(
                events
                    .iter()
                    .any(|e| e.kind == EventKind::Fault && e.vc == puppet)
            );
            check_conserved(&runtime, end).await;
            runtime.shutdown().await;
        }
    }
}

/// The message set aside is the one that failed: its id is that of its receipt.
#[tokio::test]
async fn a_poison_message_is_shown() {
    let runtime = start(config(1)).await;
    let counter = spawn(&runtime, Birth::native("counter", "")).await;
    let answer = runtime
        .ask(
            actors::view::Outgoing::new(counter, "poison"),
            common::WAIT_MS,
        )
        .await
        .unwrap();
    let aside = show(&runtime, counter).await.set_aside;
    assert_eq!(aside.len(), 1);
    assert_eq!(aside[0].message, answer.receipt.message);
    assert_eq!(say(&runtime, counter, "1").await, "1", "it goes on");
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_panic_touches_no_other() {
    let runtime = start(config(1)).await;
    let mut others = Vec::new();
    for _ in 0..5 {
        let other = spawn(&runtime, puppet()).await;
        tell(&runtime, other, "!note mine").await;
        others.push((other, show(&runtime, other).await));
    }
    let bad = spawn(&runtime, puppet()).await;
    for _ in 0..100 {
        let _ = ask(&runtime, bad, "!panic").await;
    }
    for (other, before) in others {
        assert_eq!(show(&runtime, other).await, before);
        assert_eq!(notes(&runtime, other).await, ["mine"]);
    }
    assert_eq!(
        stopped_because(&runtime, bad).await.as_deref(),
        Some("faults")
    );
    check_conserved(&runtime, "panics").await;
    runtime.shutdown().await;
}

/// Nine messages that made no sense restarted a VC from its birth state, and a few more stopped it: who
/// could send to it could reset it.
#[tokio::test]
async fn a_vc_that_refuses_its_messages_is_not_restarted() {
    let (runtime, _) = timed().await;
    let id = spawn(&runtime, puppet()).await;
    tell(&runtime, id, "!note mine").await;
    for _ in 0..100 {
        let why = ask(&runtime, id, "!no-such-step").await.unwrap_err();
        assert_eq!(why.code, Code::Malformed);
    }
    let portrait = show(&runtime, id).await;
    assert_eq!(
        (portrait.summary.faults, portrait.summary.restarts),
        (100, 0)
    );
    assert_eq!(notes(&runtime, id).await, ["mine"]);
    runtime.shutdown().await;
}

#[tokio::test]
async fn too_many_faults_restart_and_too_many_restarts_stop() {
    let (runtime, clock) = timed().await;
    let parent = spawn(&runtime, puppet()).await;
    tell(&runtime, parent, "!spawn puppet all").await;
    let child = show(&runtime, parent).await.contacts[0].id;
    let rules = show(&runtime, child).await;
    assert_eq!(rules.summary.restarts, 0);
    tell(&runtime, child, "!note born-again").await;
    let mut faults = 0;
    let mut restarts = Vec::new();
    while stopped_because(&runtime, child).await.is_none() {
        assert!(faults < 100);
        faults += 1;
        let why = ask(&runtime, child, "!fail").await.unwrap_err();
        assert_eq!(why.code, Code::Fault);
        let portrait = show(&runtime, child).await;
        if portrait.summary.restarts > restarts.len() as u64 {
            restarts.push(faults);
            let events = runtime.events().after(0, usize::MAX).events;
            let told = events
                .iter()
                .filter(|e| e.kind == EventKind::Restarted)
                .count();
            assert_eq!(told, restarts.len());
        }
    }
    // Eight faults are forgiven, the ninth restarts; three restarts, and the fourth time it stops.
    assert_eq!(restarts, [9, 18, 27]);
    assert_eq!(faults, 36);
    assert_eq!(
        stopped_because(&runtime, child).await.as_deref(),
        Some("faults")
    );
    assert_eq!(
        notes(&runtime, parent).await,
        ["down faults"],
        "the parent is told"
    );

    // Faults apart are forgiven.
    let patient = spawn(&runtime, puppet()).await;
    tell(&runtime, patient, "!note kept").await;
    for _ in 0..30 {
        ask(&runtime, patient, "!fail").await.unwrap_err();
        pass(&runtime, clock.as_ref(), 2_000).await;
    }
    let portrait = show(&runtime, patient).await;
    assert_eq!(
        (portrait.summary.faults, portrait.summary.restarts),
        (30, 0)
    );
    assert_eq!(notes(&runtime, patient).await, ["kept"]);
    runtime.shutdown().await;
}

/// A restart gives the state of the birth; body, powers, purse and contacts stay.
#[tokio::test]
async fn a_restart_begins_from_the_birth_state() {
    for own_actor in [false, true] {
        let runtime = start(config(1)).await;
        let friend = spawn(&runtime, puppet()).await;
        let mut birth = knowing(puppet(), &[friend]);
        birth.restart.faults_max = 0;
        birth.own_actor = own_actor;
        let puppet = spawn(&runtime, birth).await;
        tell(&runtime, puppet, "!note forgotten;spawn echo").await;
        let before = show(&runtime, puppet).await;
        ask(&runtime, puppet, "!fail").await.unwrap_err();
        let after = show(&runtime, puppet).await;
        assert_eq!(
            (after.summary.restarts, &after.contacts),
            (1, &before.contacts)
        );
        assert_eq!(after.grants, before.grants);
        assert_eq!(notes(&runtime, puppet).await.len(), 0);
        assert_eq!(after.body_digest, before.body_digest);
        runtime.shutdown().await;
    }
}

#[tokio::test]
async fn links_stop_both_and_watchers_are_told() {
    let runtime = start(config(1)).await;
    let target = spawn(&runtime, puppet()).await;
    let watcher = spawn(&runtime, knowing(puppet(), &[target])).await;
    let linked = spawn(&runtime, knowing(puppet(), &[target])).await;
    tell(&runtime, watcher, "!watch k0;watch k0").await;
    tell(&runtime, linked, "!link k0").await;
    let beyond = spawn(&runtime, knowing(puppet(), &[linked])).await;
    tell(&runtime, beyond, "!watch k0").await;
    tell(&runtime, target, "!stop").await;
    assert_eq!(
        stopped_because(&runtime, target).await.as_deref(),
        Some("itself")
    );
    assert_eq!(
        notes(&runtime, watcher).await,
        ["down itself"],
        "once, although it asked twice"
    );
    let why = stopped_because(&runtime, linked).await.unwrap();
    assert!(why.starts_with("link"), "{why}");
    assert_eq!(
        notes(&runtime, beyond).await.len(),
        1,
        "a link is followed by watchers"
    );

    // The other way round, and to one who is gone already.
    let one = spawn(&runtime, puppet()).await;
    let two = spawn(&runtime, knowing(puppet(), &[one])).await;
    tell(&runtime, two, "!link k0").await;
    runtime.stop_vc(two).await.unwrap();
    runtime.quiet().await.unwrap();
    assert!(
        stopped_because(&runtime, one).await.is_some(),
        "a link holds both ways"
    );
    let late = spawn(&runtime, knowing(puppet(), &[one])).await;
    tell(&runtime, late, "!watch k0").await;
    assert_eq!(notes(&runtime, late).await.len(), 1, "it is told at once");
    tell(&runtime, late, "!link k0").await;
    assert!(stopped_because(&runtime, late).await.is_some());
    check_conserved(&runtime, "links").await;
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_deadline_gives_one_timeout_and_a_late_answer_is_not_delivered() {
    let (runtime, clock) = timed().await;
    let slow = spawn(&runtime, puppet()).await;
    let asker = spawn(&runtime, knowing(puppet(), &[slow])).await;
    tell(&runtime, asker, "!ask k0 50 !later").await;
    assert_eq!(notes(&runtime, asker).await.len(), 0);
    pass(&runtime, clock.as_ref(), 200).await;
    assert_eq!(notes(&runtime, asker).await, ["bounce timeout"]);
    tell(&runtime, slow, "!answer late").await;
    pass(&runtime, clock.as_ref(), 1_000).await;
    assert_eq!(notes(&runtime, asker).await, ["bounce timeout"]);

    // An answer in time: no timeout follows.
    let echo = spawn(&runtime, Birth::native("echo", "")).await;
    let asker = spawn(&runtime, knowing(puppet(), &[echo])).await;
    tell(&runtime, asker, "!ask k0 50 hello").await;
    pass(&runtime, clock.as_ref(), 200).await;
    assert_eq!(notes(&runtime, asker).await, ["reply hello"]);

    // A bounce is an answer too: of one who has stopped, or whose turn fails.
    runtime.stop_vc(echo).await.unwrap();
    tell(&runtime, asker, "!ask k0 50 hello").await;
    pass(&runtime, clock.as_ref(), 200).await;
    assert_eq!(
        notes(&runtime, asker).await,
        ["reply hello", "bounce stopped"]
    );
    check_conserved(&runtime, "deadlines").await;
    runtime.shutdown().await;
}

#[tokio::test]
async fn what_was_cancelled_is_not_answered() {
    let (runtime, clock) = timed().await;
    let slow = spawn(&runtime, puppet()).await;
    let asker = spawn(&runtime, knowing(puppet(), &[slow])).await;
    tell(&runtime, asker, "!ask k0 50 !later").await;
    tell(&runtime, asker, "!cancel;cancel").await;
    assert_eq!(notes(&runtime, asker).await, ["bounce cancelled"]);
    let before = runtime.stats().await.unwrap().dead;
    tell(&runtime, slow, "!answer late").await;
    assert_eq!(
        runtime.stats().await.unwrap().dead,
        before + 1,
        "it is counted"
    );
    pass(&runtime, clock.as_ref(), 1_000).await;
    assert_eq!(notes(&runtime, asker).await, ["bounce cancelled"]);

    // Asked and cancelled in one turn; and cancelled after the answer came.
    let echo = spawn(&runtime, Birth::native("echo", "")).await;
    let asker = spawn(&runtime, knowing(puppet(), &[echo])).await;
    tell(&runtime, asker, "!ask k0 50 hello;cancel").await;
    assert_eq!(notes(&runtime, asker).await, ["bounce cancelled"]);
    tell(&runtime, asker, "!ask k0 50 hello").await;
    tell(&runtime, asker, "!cancel").await;
    pass(&runtime, clock.as_ref(), 1_000).await;
    assert_eq!(
        notes(&runtime, asker).await,
        ["bounce cancelled", "reply hello"]
    );
    check_conserved(&runtime, "cancellations").await;
    runtime.shutdown().await;
}
