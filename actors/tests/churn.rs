//! What is shown agrees with the events, at every moment.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actors::birth::Birth;
use actors::events::{Event, EventKind};
use actors::life::Life;
use actors::runtime::Runtime;
use actors::view::{ListQuery, Seqs, TopBy};
use common::{config, draw, start};
use genesis::id::VcId;
use genesis::limits::PAGE_MAX;

/// Births and ends of one of those who churn.
const ROUNDS: u64 = 400;
/// How many churn at the same time.
const HANDS: u64 = 4;
/// How many each of them keeps.
const KEPT: usize = 40;

/// One look: as of which events, who is there, and whether each of them lives.
struct Look {
    what: &'static str,
    seqs: Seqs,
    seen: BTreeMap<VcId, bool>,
    /// How many live, if only that is known.
    live: u64,
}

/// Gives birth and ends, as chance has it.
async fn churn(runtime: Runtime, hand: u64) {
    let mut kept: Vec<VcId> = Vec::new();
    for round in 0..ROUNDS {
        let roll = draw(hand, round);
        kept.push(runtime.spawn(Birth::native("echo", "")).await.unwrap());
        if kept.len() > KEPT {
            let at = usize::try_from(roll % kept.len() as u64).unwrap();
            let id = kept.swap_remove(at);
            runtime.stop_vc(id).await.unwrap();
            if roll & 1 << 40 == 0 {
                runtime.remove(id).await.unwrap();
            }
        }
    }
}

/// All events, as they come; none was dropped before it was read.
async fn events(runtime: Runtime, ends: Arc<AtomicBool>) -> Vec<Event> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let ending = ends.load(Ordering::Acquire);
        let page = runtime.events().after(after, usize::MAX);
        assert_eq!(page.lagged, 0, "events were dropped before they were read");
        after = page.events.last().map_or(after, |event| event.seq);
        all.extend(page.events);
        if ending {
            return all;
        }
        tokio::task::yield_now().await;
    }
}

/// Who is there and who lives, as the events have it.
fn as_told(events: &[Event], seqs: &Seqs) -> BTreeMap<VcId, bool> {
    let mut there = BTreeMap::new();
    for event in events.iter().filter(|event| event.seq <= seqs.of(event.vc)) {
        match event.kind {
            EventKind::Born | EventKind::Awake => {
                there.insert(event.vc, true);
            }
            EventKind::Stopped => {
                there.insert(event.vc, false);
            }
            EventKind::Removed => {
                there.remove(&event.vc);
            }
            _ => {}
        }
    }
    there
}

/// While VCs are born and end as fast as can be, every list and every look at the busiest names exactly those
/// of whom the events up to it say that they are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_look_agrees_with_the_events() {
    for workers in [1, 2, 3] {
        let mut config = config(1);
        config.deterministic = false;
        config.workers = workers;
        let runtime = start(config).await;
        let ends = Arc::new(AtomicBool::new(false));
        let log = tokio::spawn(events(runtime.clone(), Arc::clone(&ends)));
        let hands: Vec<_> = (0..HANDS)
            .map(|hand| tokio::spawn(churn(runtime.clone(), hand)))
            .collect();
        let mut looks = Vec::new();
        while looks.len() < 20 || hands.iter().any(|hand| !hand.is_finished()) {
            let page = runtime.list(ListQuery::default()).await.unwrap();
            assert_eq!(page.next, None, "one page holds them");
            let seen: BTreeMap<_, _> = { page.rows.iter() }
                .map(|row| (row.id, row.life != Life::Stopped))
                .collect();
            looks.push(Look {
                what: "list",
                seqs: page.seqs,
                live: seen.values().filter(|lives| **lives).count() as u64,
                seen,
            });
            let top = runtime.top(TopBy::Mailbox, PAGE_MAX, 0).await.unwrap();
            let seen = top.rows.iter().map(|row| (row.summary.id, true)).collect();
            looks.push(Look {
                what: "top",
                seqs: top.seqs,
                seen,
                live: top.live,
            });
        }
        for hand in hands {
            hand.await.unwrap();
        }
        ends.store(true, Ordering::Release);
        let events = log.await.unwrap();
        for look in &looks {
            let mut told = as_told(&events, &look.seqs);
            if look.what == "top" {
                told.retain(|_, lives| *lives);
            }
            let (told, seen): (BTreeSet<_>, BTreeSet<_>) = (
                told.into_iter().collect(),
                look.seen.iter().map(|(&id, &lives)| (id, lives)).collect(),
            );
            let differ: Vec<_> = told.symmetric_difference(&seen).collect();
            assert!(
                differ.is_empty(),
                "{} {:?}: {differ:?}",
                look.what,
                look.seqs
            );
            assert_eq!(look.live, told.iter().filter(|vc| vc.1).count() as u64);
        }
        runtime.shutdown().await;
    }
}
