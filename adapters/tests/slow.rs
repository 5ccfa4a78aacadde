//! Turns that take long: taken elsewhere, ended by the operator, and not at the cost of others.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod sandbox;

use std::sync::Arc;

use actors::birth::Birth;
use actors::clock::VirtualClock;
use actors::runtime::{Config, Runtime};
use actors::view::Outgoing;
use genesis::limits::TURN_FUEL_GRANT_MAX;
use genesis::refusal::Code;
use genesis::seal::NodeSecret;
use sandbox::common::{self, show, start};
use sandbox::{body, bring, fragile, sandboxed, sum};

/// Two workers in real order: a deterministic runtime has no slow lane.
async fn two_workers() -> Runtime {
    let mut config = Config::new(NodeSecret::new([7; 32]), Arc::new(VirtualClock::default()));
    config.workers = 2;
    config.natives = common::registry();
    start(sandboxed(config)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_turn_that_takes_long_is_ended_by_a_stop_and_nobody_else_notices() {
    let runtime = two_workers().await;
    let part = bring(&runtime, fragile().as_bytes()).await;
    let mut honest = Vec::new();
    for _ in 0..8 {
        honest.push(runtime.spawn(body(vec![part.clone()])).await.unwrap());
    }
    for round in 1..=4_u64 {
        let slow = Birth {
            turn_fuel: TURN_FUEL_GRANT_MAX,
            ..body(vec![part.clone()])
        };
        let slow = runtime.spawn(slow).await.unwrap();
        assert_eq!(sum(&runtime, slow, 3).await, Ok(3), "its short turns too");
        let looping = runtime.ask(Outgoing::new(slow, "L"), common::WAIT_MS);
        let others = async {
            for n in 1..=20 {
                for &id in &honest {
                    assert_eq!(sum(&runtime, id, 1).await, Ok((round - 1) * 20 + n));
                }
                if n == 10 {
                    runtime.stop_vc(slow).await.unwrap();
                }
            }
        };
        let (looped, ()) = tokio::join!(looping, others);
        let ended = looped.unwrap().reply.unwrap().refusal().unwrap();
        // Stopped while it ran, unless its fuel had ended before that.
        assert!(
            [Code::Stopped, Code::TooLarge].contains(&ended.code),
            "{ended}"
        );
        let shown = show(&runtime, slow).await;
        assert_eq!(shown.summary.reason.as_deref(), Some("owner"));
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_burns_all_its_fuel_again_and_again_is_as_it_was() {
    let runtime = two_workers().await;
    let mut birth = body(vec![bring(&runtime, fragile().as_bytes()).await]);
    birth.restart.faults_max = u32::MAX;
    let id = runtime.spawn(birth).await.unwrap();
    for n in 1..=30 {
        assert_eq!(sum(&runtime, id, b'L').await, Err(Code::TooLarge));
        assert_eq!(sum(&runtime, id, b'!').await, Err(Code::Fault));
        assert_eq!(sum(&runtime, id, 1).await, Ok(n));
        assert_eq!(sum(&runtime, id, b'L').await, Err(Code::TooLarge));
        assert_eq!(sum(&runtime, id, b'L').await, Err(Code::TooLarge));
    }
    assert_eq!(show(&runtime, id).await.seat, "cell");
    runtime.shutdown().await;
}
