//! The VC `compute`: orders wait for whoever runs jobs outside, and their answers are messages.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use actors::birth::Birth;
use actors::natives::{Compute, Finished, Work};
use actors::runtime::Runtime;
use actors::view::Outgoing;
use common::{WAIT_MS, check_conserved, config, knowing, notes, puppet, show, start, tell};
use genesis::id::VcId;
use genesis::refusal::Code;

async fn on(
    runtime: &Runtime,
    to: VcId,
    channel: genesis::channel::Channel,
    contents: Vec<u8>,
) -> Vec<u8> {
    let mut outgoing = Outgoing::new(to, contents);
    outgoing.channel = channel;
    let answer = runtime.ask(outgoing, WAIT_MS).await.unwrap();
    answer.reply.unwrap().contents.to_vec()
}

async fn work(runtime: &Runtime, compute: VcId) -> Work {
    Compute::work(&on(runtime, compute, Compute::NEXT, Vec::new()).await).unwrap()
}

async fn finish(runtime: &Runtime, compute: VcId, number: u64, answer: &str) {
    let finished = Finished {
        number,
        answer: answer.to_owned(),
    };
    on(
        runtime,
        compute,
        Compute::DONE,
        Compute::done(&finished).unwrap(),
    )
    .await;
}

#[tokio::test]
async fn an_order_is_answered_once() {
    let runtime = start(config(1)).await;
    let compute = runtime
        .spawn(Birth::native("compute", "native  yagna"))
        .await
        .unwrap();
    assert_eq!(work(&runtime, compute).await.allowed, ["native", "yagna"]);
    let customer = runtime.spawn(knowing(puppet(), &[compute])).await.unwrap();
    tell(&runtime, customer, "!send k0 first").await;
    tell(&runtime, customer, "!send k0 second").await;
    let open = work(&runtime, compute).await.orders;
    let texts: Vec<_> = open
        .iter()
        .map(|order| (order.number, order.text.as_str()))
        .collect();
    assert_eq!(texts, [(1, "first"), (2, "second")]);
    assert!(open.iter().all(|order| order.from == customer));
    // Asked again, as after a restart of whoever runs them, all that is not answered is handed out again.
    assert_eq!(work(&runtime, compute).await.orders, open);
    for answer in ["done", "done twice"] {
        finish(&runtime, compute, 1, answer).await;
    }
    finish(&runtime, compute, 7, "never ordered").await;
    assert_eq!(work(&runtime, compute).await.orders, open[1..]);
    let heard = notes(&runtime, customer).await.join("\n");
    assert_eq!(heard.matches("done").count(), 1, "{heard}");
    assert!(!heard.contains("never"), "{heard}");
    check_conserved(&runtime, "answers").await;
    runtime.shutdown().await;
}

#[tokio::test]
async fn only_its_host_is_told_and_believed() {
    let runtime = start(config(1)).await;
    let compute = runtime.spawn(Birth::native("compute", "")).await.unwrap();
    let stranger = runtime.spawn(knowing(puppet(), &[compute])).await.unwrap();
    tell(&runtime, stranger, "!send k0 order").await;
    for channel in [Compute::NEXT, Compute::DONE] {
        tell(&runtime, stranger, &format!("!send-by k0 {channel} x")).await;
    }
    let portrait = show(&runtime, compute).await;
    assert_eq!(portrait.summary.faults, 2);
    assert!(
        portrait
            .set_aside
            .iter()
            .all(|aside| aside.why.starts_with("denied"))
    );
    assert_eq!(work(&runtime, compute).await.orders.len(), 1);
    runtime.shutdown().await;
}

#[tokio::test]
async fn orders_are_bounded() {
    let runtime = start(config(1)).await;
    let compute = runtime.spawn(Birth::native("compute", "")).await.unwrap();
    let long = "x".repeat(Compute::ORDER_BYTES_MAX);
    for _ in 0..=Compute::ORDERS_MAX {
        runtime
            .send(Outgoing::new(compute, long.clone()))
            .await
            .unwrap();
    }
    runtime
        .send(Outgoing::new(compute, format!("{long}x")))
        .await
        .unwrap();
    // The longest list of the longest orders fits one answer.
    assert_eq!(
        work(&runtime, compute).await.orders.len(),
        Compute::ORDERS_MAX
    );
    assert_eq!(show(&runtime, compute).await.summary.faults, 2);
    let refusal = runtime
        .spawn(Birth::native("compute", "a ".repeat(17)))
        .await
        .unwrap_err();
    assert_eq!(refusal.code, Code::Malformed, "{refusal}");
    runtime.shutdown().await;
}
