//! Every accepted message ends as exactly one of consumed, bounced, dead, whatever happens.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../actors/tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use actors::clock::{Clock, VirtualClock};
use actors::runtime::Runtime;
use actors::store::{Store, Table};
use actors::view::Outgoing;
use adapters::store::memory::MemoryStore;
use common::{check_conserved, config_on, draw, pass, puppet, start};
use genesis::id::VcId;

/// A few VCs that know one another, some of them durable, some in an actor of their own.
async fn people(runtime: &Runtime, seed: u64) -> Vec<VcId> {
    let mut people = Vec::new();
    for n in 0..8 {
        let mut birth = puppet();
        birth.durable = n % 2 == 0;
        birth.own_actor = n % 4 == 3;
        birth.idle_ms = if draw(seed, 90 + n).is_multiple_of(2) {
            40
        } else {
            0
        };
        birth.record = 5;
        birth.restart.faults_max = 1;
        birth.contacts.extend(people.iter().map(|&id| (None, id)));
        people.push(runtime.spawn(birth).await.unwrap());
    }
    people
}

/// One step of a random script; what may be refused may be refused.
async fn step(runtime: &Runtime, clock: &dyn Clock, people: &[VcId], roll: u64) {
    let who = people[usize::try_from(roll >> 8).unwrap() % people.len()];
    let whom = usize::try_from(roll >> 16).unwrap() % people.len();
    let script = match roll % 20 {
        0 => "!fail".to_owned(),
        1 => "!panic".to_owned(),
        2 => format!("!burst k{whom} 200"),
        3 => format!("!burst k{whom} 200;burst k{whom} 50;reply"),
        4 => format!("!send k{whom} hello;expires 5;reply"),
        5 => format!("!ask k{whom} 20 !notes"),
        6 => "!after 30 1;after 10 2;send s x".to_owned(),
        7 => "!spawn echo;fork 500;send k0 hi".to_owned(),
        8 => format!("!watch k{whom};link k0"),
        9 => "!stop".to_owned(),
        10 => "!internalize counter;strip 1".to_owned(),
        11 => format!("!order k{whom} order+s+order+s+reply,send+s+x"),
        12 => "!spawn puppet durable all;order k0 burst+h+60".to_owned(),
        13 => {
            let _ = runtime.sleep(who).await;
            return;
        }
        14 => {
            let _ = runtime.stop_vc(who).await;
            return;
        }
        15 => {
            let _ = runtime.remove(who).await;
            return;
        }
        16 => {
            let mut courier = runtime.courier();
            for n in 0..70_u64 {
                courier.tell(who, n).await;
            }
            courier.flush().await;
            return;
        }
        17 => {
            pass(runtime, clock, roll >> 32 & 63).await;
            return;
        }
        18 => {
            let _ = runtime.wake(who).await;
            return;
        }
        _ => "a note".to_owned(),
    };
    let outgoing = Outgoing {
        expires_ms: (roll >> 40 & 3 == 1).then_some(roll >> 42 & 7),
        ..Outgoing::new(who, script)
    };
    let _ = runtime.send(outgoing).await;
    if roll >> 50 & 3 == 1 {
        runtime.quiet().await.unwrap();
    }
}

/// What became of messages of durable VCs, as of the last commit.
fn owed(runtime: &Runtime) -> i128 {
    let [accepted, consumed, bounced, dead] = runtime.lasting_counts().map(i128::from);
    accepted - consumed - bounced - dead
}

#[tokio::test]
async fn messages_are_conserved_under_any_script() {
    for seed in 0..100 {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        for run in 0..2 {
            let clock = Arc::new(VirtualClock::default());
            let mut config = config_on(seed, Arc::clone(&store));
            config.clock = Arc::clone(&clock) as Arc<dyn Clock>;
            let runtime = start(config).await;
            let context = format!("seed {seed}, run {run}");
            check_conserved(&runtime, &context).await;
            let people = people(&runtime, seed).await;
            for n in 0..40 {
                step(
                    &runtime,
                    clock.as_ref(),
                    &people,
                    draw(seed, run * 1_000 + n),
                )
                .await;
                if n % 10 == 9 {
                    check_conserved(&runtime, &format!("{context}, step {n}")).await;
                }
            }
            // At the end of the first run messages are still under way; the second takes them up.
            if run == 1 {
                pass(&runtime, clock.as_ref(), 1_000).await;
                check_conserved(&runtime, &context).await;
                let stats = runtime.stats().await.unwrap();
                runtime.shutdown().await;
                assert_eq!(owed(&runtime), i128::from(stats.queued), "{context}");
                assert_eq!(
                    store.len(Table::Log).unwrap() == 0,
                    stats.queued == 0,
                    "{context}"
                );
            } else {
                runtime.shutdown().await;
                assert!(owed(&runtime) >= 0, "{context}");
            }
        }
    }
}
