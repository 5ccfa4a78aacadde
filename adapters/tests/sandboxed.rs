//! Bodies of sandboxed parts on the real engine: how they turn, fail, sleep, travel and serve one another.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod sandbox;

use std::fmt::Write as _;
use std::sync::Arc;

use actors::birth::{Birth, CodeBirth, PartBirth};
use actors::view::Consent;
use adapters::store::memory::{FaultStore, Plan};
use adapters::wasm::{Engine, Options};
use genesis::channel::Channel;
use genesis::image::Image;
use genesis::power::{Grants, Power};
use genesis::purse::Purse;
use genesis::refusal::Code;
use proptest::prelude::*;
use sandbox::common::{self, ask, config, config_on, say, show, start, tell};
use sandbox::{body, bring, fragile, log, module, on_store, robot, sandboxed, source, sum};

#[tokio::test]
async fn a_turn_that_fails_has_never_happened() {
    let runtime = on_store().await;
    let part = bring(&runtime, fragile().as_bytes()).await;
    // Nobody who may send to it can make it begin again: it is as it was after every failure.
    let id = runtime.spawn(body(vec![part])).await.unwrap();
    let mut expected = 0;
    // Far over the turns between two saves, with failures before the first, after one, and in a row.
    for n in 0..300_u64 {
        match n % 7 {
            3 => assert_eq!(sum(&runtime, id, b'!').await, Err(Code::Fault)),
            5 if n % 3 == 0 => assert_eq!(sum(&runtime, id, b'L').await, Err(Code::TooLarge)),
            _ => {
                expected += 1;
                assert_eq!(sum(&runtime, id, 1).await, Ok(expected), "message {n}");
            }
        }
        if n % 50 == 49 {
            runtime.sleep(id).await.unwrap();
            runtime.quiet().await.unwrap();
        }
    }
    assert_eq!(show(&runtime, id).await.summary.restarts, 0);
    let log = log(&runtime, id).await;
    assert!(log.contains("unreachable"), "{log}");
    assert!(
        log.contains("out of fuel: the turn used its 1000000"),
        "{log}"
    );
    runtime.shutdown().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Any run of messages, failures, sleeps and forks leaves what the messages that succeeded make.
    #[test]
    fn a_body_is_the_sum_of_its_turns(script in proptest::collection::vec(0_u8..8, 1..120)) {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio.block_on(async {
            let runtime = on_store().await;
            let mut birth = body(vec![bring(&runtime, fragile().as_bytes()).await]);
            birth.restart.faults_max = u32::MAX;
            let mut id = runtime.spawn(birth).await.unwrap();
            let mut expected = 0;
            for step in script {
                match step {
                    0 => drop(sum(&runtime, id, b'!').await.unwrap_err()),
                    1 => {
                        runtime.sleep(id).await.unwrap();
                        runtime.quiet().await.unwrap();
                    }
                    2 => id = runtime.fork(id, None).await.unwrap(),
                    add => {
                        expected += u64::from(add);
                        assert_eq!(sum(&runtime, id, add).await, Ok(expected));
                    }
                }
            }
            runtime.shutdown().await;
        });
    }
}

#[tokio::test]
async fn a_purse_ends_what_loops_for_ever() {
    let runtime = on_store().await;
    let mut birth = body(vec![bring(&runtime, fragile().as_bytes()).await]);
    birth.purse = Purse {
        fuel: 50_000,
        ..Purse::ENDLESS
    };
    let id = runtime.spawn(birth).await.unwrap();
    assert_eq!(sum(&runtime, id, 1).await, Ok(1));
    assert_eq!(sum(&runtime, id, b'L').await, Err(Code::Budget));
    let shown = show(&runtime, id).await;
    assert_eq!(shown.summary.reason.as_deref(), Some("budget"));
    runtime.shutdown().await;
}

#[tokio::test]
async fn an_unmet_need_is_shown_fails_the_turn_and_is_met_again() {
    let runtime = on_store().await;
    let robot = runtime.spawn(robot(&runtime).await).await.unwrap();
    assert_eq!(say(&runtime, robot, "move 5").await, "5");
    let stripped = runtime.strip(robot, 3).await.unwrap();
    assert!(stripped.fuel > 0);
    let shown = show(&runtime, robot).await;
    assert_eq!(shown.hunger, [Channel::known("limb/move")]);
    for _ in 0..20 {
        let refused = ask(&runtime, robot, "move 1").await.unwrap_err();
        assert_eq!(refused.what, "unmet need limb/move");
    }
    assert_eq!(
        show(&runtime, robot).await.summary.restarts,
        0,
        "it is not its own fault"
    );
    // Back comes what was stripped, with the state it had.
    runtime
        .adopt(robot, stripped.message, Consent::Judge)
        .await
        .unwrap();
    assert!(show(&runtime, robot).await.hunger.is_empty());
    assert_eq!(say(&runtime, robot, "move 1").await, "6");
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_frozen_body_goes_on_elsewhere_to_the_bit() {
    let here = on_store().await;
    let robot = here.spawn(robot(&here).await).await.unwrap();
    assert_eq!(say(&here, robot, "move 5").await, "5");
    let frozen = here.freeze(robot).await.unwrap();
    let digest = frozen.digest().unwrap();
    let bytes = frozen.to_bytes().unwrap();
    here.shutdown().await;
    // Another node, with an engine that has never seen the modules.
    let mut config = config_on(2, Arc::new(FaultStore::new(Plan::default())));
    let options = Options {
        small_max: 16,
        large_max: 1,
        ..Options::default()
    };
    config.sandbox = Some(Arc::new(Engine::new(options).unwrap()));
    let there = start(config).await;
    let image = Image::from_bytes(&bytes).unwrap();
    let moved = there.thaw(image, None, true, false).await.unwrap();
    let again = there.freeze(moved).await.unwrap();
    let states =
        |image: &Image| -> Vec<_> { image.parts.iter().map(|p| p.state.clone()).collect() };
    assert_eq!(states(&again), states(&frozen));
    let mut again = again;
    again.host = frozen.host;
    assert_eq!(again.digest().unwrap(), digest);
    assert_eq!(say(&there, moved, "move 2").await, "7");
    // A module that is not the one its part names.
    let mut forged = Image::from_bytes(&bytes).unwrap();
    for part in &mut forged.parts {
        if part.enclosed.is_some() {
            part.enclosed = Some(bytes::Bytes::from_static(b"\0asm\x01\0\0\0"));
        }
    }
    assert!(Image::from_bytes(&forged.to_bytes().unwrap()).is_err());
    // One that claims channels which its code does not have.
    let mut boasting = Image::from_bytes(&bytes).unwrap();
    boasting.parts.last_mut().unwrap().channels.clear();
    let refused = there.thaw(boasting, None, true, true).await.unwrap_err();
    assert_eq!(refused.code, Code::Malformed, "{refused}");
    there.shutdown().await;
}

#[tokio::test]
async fn hello_goes_on_until_it_is_stopped() {
    let clock = Arc::new(actors::clock::VirtualClock::default());
    let mut config = sandboxed(config(1));
    config.clock = Arc::clone(&clock) as Arc<dyn actors::clock::Clock>;
    let runtime = start(config).await;
    let mut birth = body(vec![bring(&runtime, &source("hello/hello.wat")).await]);
    birth.grants = Grants::NONE.with(Power::Emit).with(Power::After);
    let hello = runtime.spawn(birth).await.unwrap();
    common::pass(&runtime, clock.as_ref(), 1_000).await;
    let lines = log(&runtime, hello).await;
    assert_eq!(lines.matches("Hello, World!").count(), 11, "{lines}");
    runtime.stop_vc(hello).await.unwrap();
    common::pass(&runtime, clock.as_ref(), 1_000).await;
    assert_eq!(log(&runtime, hello).await.matches("Hello").count(), 11);
    runtime.shutdown().await;
}

/// Needs `sum/add` and passes its message on; a message that begins with `!` fails after the call.
fn front() -> String {
    module(
        r#"(import "channel" "sum/add" (func $add (param i32 i32) (result i64)))"#,
        r#"(func (export "channel/main") (param $p i32) (param $n i32) (result i64) (local $said i64)
    (local.set $said (call $add (local.get $p) (local.get $n)))
    (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 33)) (then (unreachable)))
    (local.get $said))"#,
    )
}

#[tokio::test]
async fn a_vc_in_a_body_serves_its_host() {
    let runtime = on_store().await;
    let inner = fragile()
        .replace("channel/main", "channel/sum/add")
        .replace("(i32.const 33)", "(i32.const 34)");
    let inner = Birth {
        parts: vec![bring(&runtime, inner.as_bytes()).await],
        name: Some("sum".to_owned()),
        ..Birth::default()
    };
    let nested = PartBirth {
        role: Some("sum".to_owned()),
        code: CodeBirth::Computer(Box::new(inner)),
    };
    let mut birth = body(vec![bring(&runtime, front().as_bytes()).await, nested]);
    birth.name = Some("host".to_owned());
    let host = runtime.spawn(birth).await.unwrap();
    assert_eq!(sum(&runtime, host, 5).await, Ok(5));
    assert_eq!(sum(&runtime, host, 2).await, Ok(7));
    // The host's turn fails after its guest has answered: neither has happened.
    assert_eq!(sum(&runtime, host, b'!').await, Err(Code::Fault));
    assert_eq!(sum(&runtime, host, 1).await, Ok(8));
    let inner = runtime.resolve("host/sum").await.unwrap();
    assert!(show(&runtime, host).await.hunger.is_empty());
    runtime.sleep(inner).await.unwrap();
    runtime.sleep(host).await.unwrap();
    runtime.quiet().await.unwrap();
    assert_eq!(sum(&runtime, host, 1).await, Ok(9), "both wake");
    let copy = runtime.fork(host, None).await.unwrap();
    assert_eq!(sum(&runtime, copy, 1).await, Ok(10));
    assert_eq!(
        sum(&runtime, host, 1).await,
        Ok(10),
        "each has a guest of its own"
    );
    runtime.shutdown().await;
}

#[tokio::test]
async fn what_a_digest_sees_does_not_depend_on_fuel() {
    let mut digests = Vec::new();
    for fuel in [10_000_000, 20_000_000] {
        let runtime = start(sandboxed(config(3))).await;
        let mut birth = robot(&runtime).await;
        birth.purse = Purse {
            fuel,
            ..Purse::ENDLESS
        };
        let robot = runtime.spawn(birth).await.unwrap();
        tell(&runtime, robot, "move 5").await;
        let shown = show(&runtime, robot).await;
        let mut seen = String::new();
        write!(seen, "{} {}", shown.image_digest, shown.trace).unwrap();
        assert_ne!(shown.summary.purse.fuel, fuel);
        digests.push(seen);
        runtime.shutdown().await;
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn more_bodies_live_than_the_engine_has_room_for() {
    const MANY: u64 = 60;
    let mut config = config(1);
    let options = Options {
        small_max: 16,
        large_max: 1,
        ..Options::default()
    };
    config.sandbox = Some(Arc::new(Engine::new(options).unwrap()));
    // Without a store: those that rest are kept in memory.
    let runtime = start(config).await;
    let part = bring(&runtime, fragile().as_bytes()).await;
    let mut many = Vec::new();
    for _ in 0..MANY {
        many.push(runtime.spawn(body(vec![part.clone()])).await.unwrap());
    }
    for round in 1..=3 {
        for &id in &many {
            assert_eq!(sum(&runtime, id, 1).await, Ok(round));
        }
    }
    runtime.shutdown().await;
}

#[tokio::test]
async fn a_number_and_a_whole_vc_travel_in_the_same_envelope() {
    let runtime = on_store().await;
    let world = Birth {
        grants: Grants::ALL,
        ..body(vec![bring(&runtime, fragile().as_bytes()).await])
    };
    let world = runtime.spawn(world.named("world")).await.unwrap();
    assert_eq!(sum(&runtime, world, 40).await, Ok(40));
    let mut birth = common::puppet().durable();
    birth.purse = Purse {
        children: 2,
        ..Purse::ENDLESS
    };
    let receiver = runtime.spawn(birth).await.unwrap();
    // A number: weak, the bytes travel.
    tell(&runtime, receiver, "3.14").await;
    // A copy: strong, and each goes its own way.
    let copy = runtime.give(world, receiver, false).await.unwrap();
    runtime.quiet().await.unwrap();
    assert_ne!(copy, world);
    assert_eq!(sum(&runtime, copy, 2).await, Ok(42));
    assert_eq!(sum(&runtime, world, 1).await, Ok(41));
    // Itself: it keeps its id and its state, and has another host.
    let moved = runtime.give(world, receiver, true).await.unwrap();
    runtime.quiet().await.unwrap();
    assert_eq!(moved, world);
    assert_eq!(sum(&runtime, world, 1).await, Ok(42));
    for id in [copy, world] {
        let shown = show(&runtime, id).await;
        assert_eq!(shown.summary.host, receiver);
        let expected: Vec<Power> = show(&runtime, receiver).await.grants;
        assert!(shown.grants.iter().all(|power| expected.contains(power)));
    }
    assert_eq!(
        show(&runtime, receiver).await.contacts.len(),
        2,
        "it holds both"
    );
    let circle = runtime.give(receiver, copy, true).await.unwrap_err();
    assert_eq!(circle.code, Code::Conflict, "{circle}");
    // Its purse has no room for a third: what was to be moved lives on where it was.
    let other = runtime
        .spawn(body(vec![bring(&runtime, fragile().as_bytes()).await]))
        .await
        .unwrap();
    assert_eq!(sum(&runtime, other, 7).await, Ok(7));
    let refused = runtime.give(other, receiver, true).await.unwrap_err();
    assert_eq!(refused.code, Code::Budget, "{refused}");
    assert_eq!(sum(&runtime, other, 1).await, Ok(8));
    runtime.shutdown().await;
}
