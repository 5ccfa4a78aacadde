//! What a durable message costs: commits of the store.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../actors/tests/common/mod.rs"]
mod common;

use std::sync::Arc;

use actors::birth::Birth;
use actors::runtime::Runtime;
use adapters::store::memory::MemoryStore;
use common::{check_conserved, config_on, knowing, say, start};
use genesis::id::VcId;

/// A chain of relays, each of which knows the next; gives the first.
async fn chain(runtime: &Runtime, hops: usize, durable: bool) -> VcId {
    let mut next = None;
    for _ in 0..hops {
        let mut birth = Birth::native("relay", "");
        birth.durable = durable;
        if let Some(next) = next {
            birth = knowing(birth, &[next]);
        }
        next = Some(runtime.spawn(birth).await.unwrap());
    }
    next.unwrap()
}

/// Sends one question through the chain; gives the commits it took.
async fn commits_of_a_question(hops: usize, durable: bool) -> u64 {
    let runtime = start(config_on(3, Arc::new(MemoryStore::new()))).await;
    let first = chain(&runtime, hops, durable).await;
    runtime.quiet().await.unwrap();
    let before = runtime.stats().await.unwrap();
    assert_eq!(say(&runtime, first, "ten hops").await, "ten hops");
    runtime.quiet().await.unwrap();
    let after = runtime.stats().await.unwrap();
    assert_eq!(after.turns - before.turns, hops as u64);
    check_conserved(&runtime, "a chain").await;
    runtime.shutdown().await;
    after.commits - before.commits
}

#[tokio::test]
async fn ten_hops_cost_one_commit() {
    assert_eq!(commits_of_a_question(10, true).await, 1);
}

#[tokio::test]
async fn a_volatile_pair_costs_none() {
    assert_eq!(commits_of_a_question(2, false).await, 0);
}
