//! Virtual time, which only requests move.

use genesis::refusal::Code;
use medium::node::NodeConfig;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{Served, ephemeral};

fn seeded(paced: bool) -> NodeConfig {
    NodeConfig {
        deterministic: true,
        paced,
        seed: 7,
        ..ephemeral()
    }
}

/// Regression: virtual time followed the time of day, so that a trace depended on how long a client took
/// between two requests.
#[tokio::test]
async fn time_stands_still_but_for_requests() {
    let node = Served::start(seeded(false)).await;
    let now = async || node.get("/v1/node").await["now"].clone();
    assert_eq!(now().await, 0);
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    assert_eq!(now().await, 0);
    node.spawn(&json!({"pod": {"embedded": "echo"}, "name": "echo"}))
        .await;
    let ask = async |query: &str| {
        let path = format!("/v1/vcs/echo/messages{query}");
        let asked = node.write(Method::POST, &path).body("hi").send().await;
        asked.unwrap().status()
    };
    assert_eq!(ask("?wait=5000").await, StatusCode::OK);
    assert_eq!(now().await, 0, "an answer that is there needs no time");
    assert_eq!(
        ask("?kind=reply&wait=50").await,
        StatusCode::GATEWAY_TIMEOUT
    );
    assert_eq!(now().await, 50, "one that never comes takes all of it");
    let ran = node.post("/v1/run?ms=1234", &json!({})).await;
    assert_eq!(ran, json!({"now": 1284}));
    for (path, status, code) in [
        ("/v1/run", StatusCode::UNPROCESSABLE_ENTITY, Code::Malformed),
        (
            "/v1/run?ms=2592000001",
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::TooLarge,
        ),
    ] {
        node.refuses(Method::POST, path, status, code).await;
    }
    node.node.stop().await.unwrap();
}

#[tokio::test]
async fn time_that_is_not_virtual_is_not_run() {
    for config in [seeded(true), ephemeral()] {
        let paced = config.paced;
        let node = Served::start(config).await;
        let (status, code) = (StatusCode::UNPROCESSABLE_ENTITY, Code::Malformed);
        node.refuses(Method::POST, "/v1/run?ms=1", status, code)
            .await;
        if paced {
            let moved = |node: &Value| node["now"].as_u64() > Some(0);
            node.until("/v1/node", moved).await;
        }
        node.node.stop().await.unwrap();
    }
}

/// Stopping does not wait for an ask that runs a long time.
#[tokio::test]
async fn a_node_whose_time_runs_can_be_stopped() {
    let node = Served::start(seeded(false)).await;
    node.spawn(&json!({"pod": {"embedded": "hello"}})).await;
    let run = node.write(Method::POST, "/v1/run?ms=2592000000");
    let run = tokio::spawn(run.send());
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let stopping = node.write(Method::POST, "/v1/stop").send().await.unwrap();
    assert_eq!(stopping.status(), StatusCode::ACCEPTED);
    let ran = run.await.unwrap();
    // Thirty days of `hello` may be over before the stop came.
    assert!(ran.is_ok(), "{ran:?}");
    node.node.stop().await.unwrap();
}
