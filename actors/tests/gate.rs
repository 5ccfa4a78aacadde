//! What is not granted, not held or not paid for does not happen.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use actors::birth::{Birth, CodeBirth, PartBirth};
use actors::life::Life;
use actors::runtime::Runtime;
use common::{ask, check_conserved, config, knowing, notes, puppet, say, show, start, tell};
use genesis::id::VcId;
use genesis::power::{Grants, Power};
use genesis::purse::Purse;
use genesis::refusal::Code;
use proptest::prelude::*;

async fn spawn(runtime: &Runtime, birth: Birth) -> VcId {
    runtime.spawn(birth).await.unwrap()
}

/// A step that uses a power, each its own.
fn uses() -> [(Power, &'static str); 8] {
    [
        (Power::Send, "send k0 x"),
        (Power::Emit, "emit x"),
        (Power::After, "after 1000 1"),
        (Power::Spawn, "spawn echo"),
        (Power::Fork, "fork 1000"),
        (Power::Internalize, "internalize echo"),
        (Power::Strip, "strip 1"),
        (Power::Watch, "watch k0"),
    ]
}

#[tokio::test]
async fn each_effect_needs_its_grant() {
    for own_actor in [false, true] {
        let runtime = start(config(1)).await;
        let friend = spawn(&runtime, puppet()).await;
        for (power, step) in uses() {
            for granted in [false, true] {
                let only = Grants::NONE.with(power);
                let mut birth = knowing(puppet(), &[friend]);
                birth.grants = if granted {
                    only
                } else {
                    Grants::ALL.without(only)
                };
                birth.own_actor = own_actor;
                let puppet = spawn(&runtime, birth).await;
                tell(&runtime, puppet, &format!("!{step}")).await;
                let portrait = show(&runtime, puppet).await;
                assert_eq!(
                    portrait.summary.faults,
                    u64::from(!granted),
                    "{step}, granted: {granted}"
                );
                if !granted {
                    assert!(portrait.set_aside[0].why.starts_with("denied"), "{step}");
                }
            }
        }
        // Stopping oneself is nobody's to grant.
        let mute = spawn(&runtime, puppet().granted(Grants::NONE)).await;
        tell(&runtime, mute, "!stop").await;
        assert_eq!(show(&runtime, mute).await.summary.life, Life::Stopped);
        check_conserved(&runtime, "the gate").await;
        runtime.shutdown().await;
    }
}

#[tokio::test]
async fn who_is_not_a_contact_cannot_be_reached() {
    let runtime = start(config(1)).await;
    let stranger = spawn(&runtime, puppet()).await;
    let between = spawn(&runtime, knowing(puppet(), &[stranger])).await;
    let puppet = spawn(&runtime, knowing(puppet(), &[between])).await;
    for step in [
        "send k1 x",
        "send c0 x",
        "watch k7",
        "keep c0",
        "send =friend x",
        "forward k1",
    ] {
        let why = ask(&runtime, puppet, &format!("!{step}"))
            .await
            .unwrap_err();
        assert_eq!(why.code, Code::NotAContact, "{step}: {why}");
    }
    // Handed over by one who has it, and kept, it is.
    tell(&runtime, between, "!keep s").await;
    tell(&runtime, puppet, "!order k0 give+s+k0").await;
    assert_eq!(notes(&runtime, puppet).await, ["tell gift"]);
    tell(&runtime, puppet, "!order k0 give+s+k0").await;
    let why = ask(&runtime, puppet, "!send k1 x").await.unwrap_err();
    assert_eq!(
        why.code,
        Code::NotAContact,
        "what is not kept is gone with its message"
    );
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_contact_can_be_handed_over_and_kept() {
    let runtime = start(config(1)).await;
    let stranger = spawn(&runtime, puppet()).await;
    let giver = spawn(&runtime, knowing(puppet(), &[stranger])).await;
    let taker = spawn(&runtime, Birth::native("keeper", "")).await;
    tell(&runtime, giver, "!order s x").await;
    // The giver learns the taker from a message of the taker: it has to write first.
    let opener = spawn(&runtime, knowing(puppet(), &[giver, taker])).await;
    tell(&runtime, opener, "!give k1 k0").await;
    assert_eq!(show(&runtime, taker).await.contacts.len(), 1);
    assert_eq!(show(&runtime, taker).await.contacts[0].id, giver);
    assert_eq!(
        notes(&runtime, giver).await,
        ["tell thanks"],
        "it was written to"
    );
    runtime.shutdown().await;
}

/// Births name nobody that the parent does not hold: no address can be made up by way of a child.
#[tokio::test]
async fn a_child_knows_nobody_its_parent_does_not() {
    let runtime = start(config(1)).await;
    let stranger = spawn(&runtime, puppet()).await;
    for nested in [false, true] {
        let smuggler = spawn(&runtime, Birth::native("smuggler", "").granted(Grants::ALL)).await;
        let which = if nested { "nested" } else { "child" };
        let why = ask(&runtime, smuggler, &format!("{which} {stranger}"))
            .await
            .unwrap_err();
        assert_eq!(why.code, Code::NotAContact, "{why}");
        let birth = knowing(
            Birth::native("smuggler", "").granted(Grants::ALL),
            &[stranger],
        );
        let holder = spawn(&runtime, birth).await;
        assert_eq!(
            say(&runtime, holder, &format!("{which} {stranger}")).await,
            "born"
        );
    }
    assert_eq!(notes(&runtime, stranger).await.len(), 0);
    runtime.shutdown().await;
}

fn purse(fuel: u64, messages: u64, children: u64) -> Purse {
    Purse {
        fuel,
        messages,
        children,
        ..Purse::EMPTY
    }
}

#[tokio::test]
async fn an_empty_purse_stops_and_tells_the_parent() {
    for (purse, script) in [
        (purse(100_000, 3, 9), "!burst k0 3;send k0 x"),
        (
            purse(100_000, 9, 1),
            "!spawn echo fuel=1 messages=1 children=0;spawn echo fuel=1 messages=1 children=0",
        ),
        (purse(150, 9, 9), "!note x"),
        (
            purse(100_000, 9, 9),
            "!spawn echo fuel=200000 messages=0 children=0",
        ),
    ] {
        let runtime = start(config(1)).await;
        let parent = spawn(&runtime, puppet()).await;
        let friend = spawn(&runtime, puppet()).await;
        let mut birth = knowing(puppet(), &[friend]);
        birth.purse = purse;
        let poor = spawn(&runtime, birth).await;
        let watcher = spawn(&runtime, knowing(puppet(), &[poor])).await;
        tell(&runtime, watcher, "!watch k0").await;
        for _ in 0..2 {
            let _ = runtime
                .send(actors::view::Outgoing::new(poor, script))
                .await;
            runtime.quiet().await.unwrap();
        }
        let portrait = show(&runtime, poor).await;
        assert_eq!(portrait.summary.life, Life::Stopped, "{script}");
        assert_eq!(
            portrait.summary.reason.as_deref(),
            Some("budget"),
            "{script}"
        );
        assert_eq!(notes(&runtime, watcher).await, ["down budget"], "{script}");
        let _ = parent;
        check_conserved(&runtime, script).await;
        runtime.shutdown().await;
    }
}

/// All purses of a family: what its eldest had, less what was burnt and sent.
#[tokio::test]
async fn a_childs_purse_comes_out_of_its_parents_and_goes_back() {
    let runtime = start(config(1)).await;
    let mut birth = puppet();
    birth.purse = purse(1_000_000, 100, 10);
    let parent = spawn(&runtime, birth).await;
    tell(
        &runtime,
        parent,
        "!spawn puppet all fuel=300000 messages=40 children=4",
    )
    .await;
    let child = show(&runtime, parent).await.contacts[0].id;
    let had = show(&runtime, parent).await.summary.purse;
    assert_eq!(
        (had.messages, had.children),
        (60, 5),
        "four given, one spent on the birth"
    );
    assert_eq!(had.fuel, 1_000_000 - 300_000 - 100 - 10);
    let left = show(&runtime, child).await.summary.purse;
    assert_eq!(left, purse(300_000, 40, 4));
    tell(&runtime, child, "!burst h 7;stop").await;
    let back = show(&runtime, parent).await.summary.purse;
    assert_eq!((back.messages, back.children), (60 + 33, 5 + 4));
    assert_eq!(show(&runtime, child).await.summary.purse, Purse::EMPTY);

    // A birth that fails costs nothing but the turn.
    let before = show(&runtime, parent).await.summary.purse;
    tell(
        &runtime,
        parent,
        "!spawn nobody fuel=1000 messages=9 children=2",
    )
    .await;
    let after = show(&runtime, parent).await.summary.purse;
    assert_eq!(after.messages, before.messages);
    assert_eq!(after.children + 1, before.children);
    runtime.shutdown().await;
}

/// Those born in a body are paid for by their host, and what is left of theirs goes back to it.
#[tokio::test]
async fn a_body_spends_no_more_than_its_purse() {
    let runtime = start(config(1)).await;
    let mut host = puppet();
    host.purse = purse(900_000, 90, 9);
    for role in ["a", "b"] {
        host.parts.push(PartBirth {
            role: Some(role.into()),
            code: CodeBirth::Computer(Box::new(puppet())),
        });
    }
    let host = spawn(&runtime, host).await;
    let purse_of = async |text: String| {
        let id = runtime.resolve(&text).await.unwrap();
        (id, show(&runtime, id).await.summary.purse)
    };
    let (a, first) = purse_of(format!("{host}/a")).await;
    let (_, second) = purse_of(format!("{host}/b")).await;
    let own = show(&runtime, host).await.summary.purse;
    assert_eq!(first.messages + second.messages + own.messages, 90);
    assert_eq!(first.fuel + second.fuel + own.fuel, 900_000);
    assert_eq!(first.children + second.children + own.children, 9);
    runtime.stop_vc(a).await.unwrap();
    runtime.quiet().await.unwrap();
    assert_eq!(
        show(&runtime, host).await.summary.purse.messages,
        own.messages + first.messages
    );
    runtime.shutdown().await;
}

/// A VC without its genesis part is mute, native or not.
#[tokio::test]
async fn without_the_genesis_part_a_vc_is_mute() {
    let runtime = start(config(1)).await;
    let friend = spawn(&runtime, puppet()).await;
    let puppet = spawn(&runtime, knowing(puppet(), &[friend])).await;
    assert_eq!(show(&runtime, puppet).await.body[0].code, "genesis");
    tell(&runtime, puppet, "!send k0 before").await;
    runtime.strip(puppet, 0).await.unwrap();
    let portrait = show(&runtime, puppet).await;
    assert!(portrait.grants.is_empty());
    assert!(portrait.body.iter().all(|part| part.code != "genesis"));
    for (power, step) in uses() {
        let before = show(&runtime, puppet).await.summary.faults;
        tell(&runtime, puppet, &format!("!{step}")).await;
        let portrait = show(&runtime, puppet).await;
        if portrait.summary.life != Life::Stopped {
            assert_eq!(portrait.summary.faults, before + 1, "{power}");
        }
    }
    assert_eq!(notes(&runtime, friend).await, ["tell before"]);
    let kept = runtime
        .adopt(
            puppet,
            genesis::id::MessageId(genesis::id::Digest::ZERO),
            actors::view::Consent::Judge,
        )
        .await;
    assert!(kept.is_err());
    runtime.shutdown().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// However powers are asked for, along spawn, fork and nesting nobody has one that its parent lacks.
    #[test]
    fn grants_only_narrow(
        first in any::<u16>(),
        steps in proptest::collection::vec((0..3_u8, any::<u16>()), 1..5),
    ) {
        let some = |bits: u16| Power::ALL.into_iter().filter(|&p| bits >> p as u8 & 1 == 1).collect();
        let first: Grants = some(first);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let medium = start(config(1)).await;
            let mut birth = Birth::native("smuggler", "");
            birth.grants = first.with(Power::Send).with(Power::Spawn).with(Power::Fork);
            let mut parent = spawn(&medium, birth.clone()).await;
            let mut allowed = birth.grants;
            for (how, asked) in steps {
                let asked: Grants = some(asked);
                let words: Vec<String> = asked.iter().map(|p| p.to_string()).collect();
                let how = ["grow", "fork", "nest"][usize::from(how)];
                tell(&medium, parent, &format!("{how} {}", words.join(" "))).await;
                let portrait = show(&medium, parent).await;
                let Some(child) = portrait.contacts.last().map(|contact| contact.id) else { break };
                let mut family = vec![child];
                if how == "nest" {
                    family.push(medium.resolve(&format!("{child}/inner")).await.unwrap());
                }
                for id in family {
                    let grants: Grants = show(&medium, id).await.grants.into_iter().collect();
                    assert_eq!(grants.without(allowed), Grants::NONE, "{how} {asked}");
                    allowed = if how == "fork" { allowed } else { allowed.narrow(grants) };
                }
                parent = child;
                if !allowed.has(Power::Spawn) || !allowed.has(Power::Fork) { break }
            }
            medium.shutdown().await;
        });
    }
}

/// Only the medium speaks on its channels: not by way of sending on what it said, either.
#[tokio::test]
async fn nobody_speaks_for_the_medium() {
    let runtime = start(config(1)).await;
    let friend = spawn(&runtime, puppet()).await;
    let relay = spawn(&runtime, knowing(Birth::native("forwarder", ""), &[friend])).await;
    tell(&runtime, relay, "begin").await;
    runtime.run_until(genesis::time::Time(100)).await.unwrap();
    let portrait = show(&runtime, relay).await;
    assert_eq!(portrait.summary.faults, 1, "{:?}", portrait.set_aside);
    assert!(portrait.set_aside[0].why.starts_with("denied"));
    assert_eq!(notes(&runtime, friend).await.len(), 0);
    check_conserved(&runtime, "the medium's channels").await;
    runtime.shutdown().await;
}
