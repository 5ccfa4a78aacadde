//! The same seed gives the same run, and where a VC is hosted cannot be observed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::birth::{Birth, CodeBirth, PartBirth};
use actors::clock::{Clock, VirtualClock};
use actors::runtime::Runtime;
use actors::view::{ListQuery, Outgoing};
use common::{config, draw, knowing, pass, puppet, show, start, tell};
use genesis::id::{Digest, VcId};

/// A ring of three levels.
fn ring(own_actor: bool) -> Birth {
    let mut ring = Birth::native("ring", "");
    for _ in 0..2 {
        let mut outer = Birth::native("ring", "");
        outer.parts.push(PartBirth {
            role: Some("inner".into()),
            code: CodeBirth::Computer(Box::new(ring)),
        });
        ring = outer;
    }
    ring.own_actor = own_actor;
    ring
}

/// Steps that set several VCs going at once: the seed decides who is first.
const RACES: &[&str] = &[
    "!send k0 token;send k1 2.5;emit sent",
    "!spawn puppet all;fork 5000;draw",
    "!burst k0 5;burst k1 5;burst k2 5",
    "!after 70 1;after 30 2;ask k2 500 hello",
    "!fail",
    "!send k1 0.125;send k2 x;panic",
    "!watch k1;link k2;order k3 emit+heard,send+s+back",
    "!draw;emit drawn",
];

/// Steps after each of which one VC at a time has something to do: across senders no order is promised,
/// so that only these tell whether the place of a VC shows.
const NO_RACES: &[&str] = &[
    "!send k0 token",
    "!burst k1 5",
    "!spawn puppet all;draw",
    "!fork 5000;emit forked",
    "!after 70 1;after 30 2",
    "!ask k2 500 hello",
    "!fail",
    "!send k1 0.125;panic",
    "!watch k1;link k2",
    "!order k3 emit+heard,send+s+back",
    "!draw",
    "!internalize counter",
];

/// A run of a mixed population: what each VC's trace and log were at the end, and the node's digest.
async fn run(
    seed: u64,
    own_actor: bool,
    scripts: &[&'static str],
) -> (Digest, BTreeMap<VcId, (String, Vec<String>)>) {
    let clock = Arc::new(VirtualClock::default());
    let mut config = config(seed);
    config.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let runtime = start(config).await;
    let hosted = |mut birth: Birth| {
        birth.own_actor = own_actor;
        birth
    };
    let ring = runtime.spawn(ring(own_actor)).await.unwrap();
    let counter = runtime
        .spawn(hosted(Birth::native("counter", "")))
        .await
        .unwrap();
    let say = runtime
        .spawn(hosted(Birth::native("say", "hello")))
        .await
        .unwrap();
    let mut people = vec![ring, counter, say];
    for _ in 0..4 {
        let birth = hosted(knowing(puppet(), &people));
        people.push(runtime.spawn(birth).await.unwrap());
    }
    for n in 0..12 {
        let roll = draw(seed, n);
        let script = scripts[usize::try_from(roll % scripts.len() as u64).unwrap()];
        let who = people[3 + usize::try_from(roll >> 8 & 3).unwrap()];
        runtime.send(Outgoing::new(who, script)).await.unwrap();
        runtime.quiet().await.unwrap();
        pass(&runtime, clock.as_ref(), roll >> 16 & 127).await;
    }
    let digest = runtime.trace_digest().await.unwrap();
    let seat = if own_actor { "actor" } else { "cell" };
    assert_eq!(
        show(&runtime, counter).await.seat,
        seat,
        "the test tests something"
    );
    let all = runtime
        .list(ListQuery {
            all: true,
            ..ListQuery::default()
        })
        .await
        .unwrap()
        .rows;
    let mut traces = BTreeMap::new();
    for vc in all {
        let trace = show(&runtime, vc.id).await.trace;
        let log = runtime.logs(vc.id, 0, 1_000).await.unwrap();
        let lines = log.lines.into_iter().map(|line| line.text).collect();
        traces.insert(vc.id, (trace, lines));
    }
    runtime.shutdown().await;
    (digest, traces)
}

#[tokio::test]
async fn the_same_seed_gives_the_same_traces() {
    let mut digests = Vec::new();
    for seed in 0..50 {
        let (first, traces) = run(seed, false, RACES).await;
        let (second, again) = run(seed, false, RACES).await;
        assert_eq!(traces, again, "seed {seed}");
        assert_eq!(first, second, "seed {seed}");
        digests.push(first);
    }
    digests.sort_unstable();
    digests.dedup();
    assert!(digests.len() > 1, "the seed decides something");
}

#[tokio::test]
async fn where_a_vc_is_hosted_is_not_observable() {
    for seed in 0..10 {
        let (_, cells) = run(seed, false, NO_RACES).await;
        let (_, hosted) = run(seed, true, NO_RACES).await;
        for (id, cell) in &cells {
            assert_eq!(Some(cell), hosted.get(id), "seed {seed}, {id}");
        }
        assert_eq!(cells.len(), hosted.len(), "seed {seed}");
    }
}

/// The seed draws the order in which VCs take their turns.
#[tokio::test]
async fn another_seed_gives_another_order() {
    let mut orders = std::collections::BTreeSet::new();
    for seed in 0..10 {
        let order = order(seed).await;
        assert_eq!(order, self::order(seed).await, "seed {seed}");
        orders.insert(order);
    }
    assert!(orders.len() > 1, "{orders:?}");
}

/// In which order eight VCs, told at once, reach a ninth.
async fn order(seed: u64) -> Vec<String> {
    let runtime = start(config(seed)).await;
    let last = runtime.spawn(puppet()).await.unwrap();
    let mut eight = Vec::new();
    for _ in 0..8 {
        eight.push(runtime.spawn(knowing(puppet(), &[last])).await.unwrap());
    }
    let first = runtime.spawn(knowing(puppet(), &eight)).await.unwrap();
    let orders: Vec<String> = (0..8).map(|n| format!("order k{n} send+k0+{n}")).collect();
    tell(&runtime, first, &format!("!{}", orders.join(";"))).await;
    let heard = common::notes(&runtime, last).await;
    assert_eq!(heard.len(), 8);
    runtime.shutdown().await;
    heard
}

/// Randomness is a function of seed, VC, turn and draw: nothing else moves it.
#[tokio::test]
async fn draws_depend_on_seed_and_place_only() {
    async fn draws(runtime: Runtime) -> Vec<String> {
        let one = runtime.spawn(puppet()).await.unwrap();
        let other = runtime.spawn(puppet()).await.unwrap();
        let mut drawn = Vec::new();
        for who in [one, one, other] {
            drawn.push(common::say(&runtime, who, "!draw").await);
        }
        runtime.shutdown().await;
        drawn
    }
    let first = draws(start(config(1)).await).await;
    assert_eq!(first, draws(start(config(1)).await).await);
    assert_ne!(first, draws(start(config(2)).await).await);
    assert_ne!(first[0], first[1], "another turn, another number");
    assert_ne!(first[0], first[2], "another VC, another number");
}
