//! A runtime is a value: many fit one process, and each ends with all of its threads.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::{Arc, Weak};

use actors::birth::Birth;
use actors::clock::{Clock, VirtualClock};
use actors::runtime::{Config, Runtime};
use common::{check_conserved, knowing, puppet, registry, say, tell};
use genesis::refusal::Code;
use genesis::seal::NodeSecret;

/// A runtime of two workers with a secret of its own, and a handle that tells when the last thread that
/// could read its clock is gone.
async fn node(n: u8) -> (Runtime, Weak<VirtualClock>) {
    let clock = Arc::new(VirtualClock::default());
    let alive = Arc::downgrade(&clock);
    let mut config = Config::new(NodeSecret::new([n; 32]), clock as Arc<dyn Clock>);
    config.workers = 2;
    config.natives = registry();
    (Runtime::start(config).await.unwrap(), alive)
}

#[tokio::test]
async fn a_hundred_runtimes_live_and_end_in_one_process() {
    let mut nodes = Vec::new();
    for n in 0..100 {
        nodes.push(node(n).await);
    }
    for (n, (runtime, _)) in nodes.iter().enumerate() {
        let echo = runtime
            .spawn(Birth::native("echo", "").named("echo"))
            .await
            .unwrap();
        let puppet = runtime.spawn(knowing(puppet(), &[echo])).await.unwrap();
        tell(runtime, puppet, &format!("!send k0 {n}")).await;
        assert_eq!(common::notes(runtime, puppet).await, [format!("reply {n}")]);
    }
    // The same name, another VC in each.
    let mut ids = Vec::new();
    for (runtime, _) in &nodes {
        let echo = runtime.resolve("echo").await.unwrap();
        assert_eq!(say(runtime, echo, "here").await, "here");
        check_conserved(runtime, "one of a hundred").await;
        ids.push(echo);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 100);
    for (runtime, alive) in nodes {
        let echo = runtime.resolve("echo").await.unwrap();
        runtime.shutdown().await;
        let refused = runtime.spawn(Birth::native("echo", "")).await.unwrap_err();
        assert_eq!(refused.code, Code::Unreachable);
        assert!(runtime.show(echo).await.is_err());
        drop(runtime);
        // Its sweeper holds nothing, its threads are joined; its root actor ends on its own.
        while alive.upgrade().is_some() {
            tokio::task::yield_now().await;
        }
    }
}

/// Messages cross workers and all arrive; volatile, in real time, on several threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_cross_workers() {
    let (runtime, _) = node(7).await;
    let mut people = Vec::new();
    for _ in 0..16 {
        people.push(runtime.spawn(knowing(puppet(), &people)).await.unwrap());
    }
    for (n, &id) in people.iter().enumerate() {
        let script: Vec<String> = (0..n).map(|k| format!("burst k{k} 10")).collect();
        tell(&runtime, id, &format!("!{}", script.join(";"))).await;
    }
    for (k, &id) in people.iter().enumerate() {
        assert_eq!(
            say(&runtime, id, "!count").await,
            ((15 - k) * 10).to_string()
        );
    }
    check_conserved(&runtime, "across workers").await;
    let stopped = runtime.stop_vc(people[3]).await.unwrap();
    assert_eq!(stopped, actors::life::Life::Stopped);
    tell(&runtime, people[9], "!send k3 x;watch k3").await;
    assert_eq!(common::notes(&runtime, people[9]).await.len(), 6 * 10 + 2);
    check_conserved(&runtime, "across workers").await;
    runtime.shutdown().await;
}
