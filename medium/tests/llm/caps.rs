//! What `llm` may spend.

use std::sync::Arc;

use genesis::refusal::Code;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::home::{Home, llm};
use super::server::{Reply, Server};

#[tokio::test]
async fn caps_are_named_when_they_are_reached() {
    let server = Server::start(|_, _| Reply::words(&["well"], Some((30, 20)))).await;
    let home = Home::new().await;
    let named = |name: &str, more: &Value, purse: &Value| {
        let mut birth = llm(&server.origin, more);
        birth["name"] = name.into();
        birth["purse"] = purse.clone();
        birth
    };
    // 50 tokens each time: twice is allowed, and by then the cap is known to be near.
    let birth = named("tokens", &json!({ "tokens_max": 120 }), &json!({}));
    home.spawn(&birth).await;
    home.says("tokens", "a").await;
    home.says("tokens", "b").await;
    home.refuses("tokens", &"c".repeat(60), Code::Budget, "`tokens_max`")
        .await;
    assert_eq!(
        server.asked()[1].json()["max_tokens"].as_u64(),
        Some(120 - 50 - 8)
    );

    let price = json!({ "price": { "in_motes_per_1000": 100, "out_motes_per_1000": 1000 } });
    let birth = named("motes", &price, &json!({ "motes": 30 }));
    home.spawn(&birth).await;
    home.says("motes", "a").await;
    let log = home.log("motes").await;
    assert!(log.contains("23 motes paid"), "{log}");
    home.says("motes", "b").await;
    let log = home.log("motes").await;
    assert!(log.contains("7 motes paid of 23"), "{log}");
    home.refuses("motes", "c", Code::Budget, "`motes`").await;

    let birth = named("calls", &json!({}), &json!({ "outside": 1 }));
    home.spawn(&birth).await;
    home.says("calls", "a").await;
    home.refuses("calls", "b", Code::Budget, "`outside`").await;
    // It refuses, and lives.
    let shown = home.get("/v1/vcs/calls").await;
    assert_eq!(shown["life"], "awake", "{shown}");
}

#[tokio::test]
async fn questions_at_one_time_share_the_cap() {
    let go = Arc::new(Notify::new());
    let wait = go.clone();
    let server = Server::start(move |_, _| {
        Reply::Waits(wait.clone(), Box::new(Reply::words(&["x"], Some((9, 1)))))
    })
    .await;
    let home = Home::new().await;
    let caps = json!({ "tokens_max": 100, "answer_tokens_max": 80 });
    home.spawn(&llm(&server.origin, &caps)).await;
    let meanwhile = async {
        server.was_asked(1).await;
        // All but about ten tokens may be spent by the first.
        let why = home.refuses("llm", "b", Code::Budget, "`tokens_max`").await;
        assert!(
            why["what"]
                .as_str()
                .unwrap()
                .contains("by questions that are open"),
            "{why}"
        );
        go.notify_one();
    };
    let ask = "a".repeat(20);
    let (said, ()) = tokio::join!(home.says("llm", &ask), meanwhile);
    assert_eq!(said, "x");
}
