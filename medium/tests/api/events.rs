//! The event socket.

use std::time::Duration;

use actors::birth::Birth;
use genesis::limits::EVENTS_MAX;
use medium::server::SOCKETS_MAX;
use reqwest::StatusCode;
use serde_json::json;

use super::support::{Served, ephemeral, is_text};

#[tokio::test]
async fn events_resume_by_number() {
    let node = Served::start(ephemeral()).await;
    let mut now = node.events("").await;
    assert_eq!(now.next().await["hello"], "medium/events/1");
    let (_, born) = node
        .spawn(&json!({"pod": {"native": "echo"}, "name": "a"}))
        .await;
    let event = now.next_of("born", is_text(&born["id"])).await;
    let seq = event["seq"].as_u64().unwrap();
    let (_, later) = node
        .spawn(&json!({"pod": {"native": "echo"}, "name": "b"}))
        .await;

    let mut resumed = node.events(&format!("?after={seq}")).await;
    assert!(resumed.next().await["last"].as_u64().unwrap() > seq);
    let next = resumed.next().await;
    assert_eq!(
        next["seq"],
        seq + 1,
        "nothing is left out, nothing comes twice"
    );
    if next["vc"] != later["id"] {
        resumed.next_of("born", is_text(&later["id"])).await;
    }
    // A number from before this node was started: all that is kept is sent.
    let mut renewed = node.events("?after=999999999").await;
    renewed.next().await;
    assert_eq!(renewed.next().await["seq"], 1);
}

#[tokio::test]
async fn a_reader_that_fell_behind_learns_how_much_it_missed() {
    let node = Served::start(ephemeral()).await;
    let extra = 50;
    for _ in 0..EVENTS_MAX + extra {
        node.node
            .runtime()
            .spawn(Birth::native("echo", ""))
            .await
            .unwrap();
    }
    let mut late = node.events("?after=10").await;
    let last = late.next().await["last"].as_u64().unwrap();
    let lagged = late.next().await["lagged"].as_u64().unwrap();
    assert!(lagged >= extra as u64 - 10, "{lagged}");
    let first = late.next().await["seq"].as_u64().unwrap();
    assert_eq!(first, 10 + lagged + 1);
    for seq in first + 1..=last {
        assert_eq!(late.next().await["seq"], seq);
    }
}

#[tokio::test]
async fn event_sockets_are_bounded() {
    let node = Served::start(ephemeral()).await;
    let mut open = Vec::new();
    for _ in 0..SOCKETS_MAX {
        open.push(node.events("").await);
    }
    let refusal = node.try_events("").await.expect_err("one too many");
    assert_eq!(refusal, StatusCode::TOO_MANY_REQUESTS);
    drop(open);
    let reopened = async { while node.try_events("").await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(10), reopened)
        .await
        .expect("places are given back");
}
