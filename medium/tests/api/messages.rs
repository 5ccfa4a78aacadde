//! Messages, their answers and their ends.

use data_encoding::BASE64;
use genesis::refusal::Code;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{Served, ephemeral, is_text, refused};

#[tokio::test]
async fn a_message_is_answered_once() {
    let node = Served::start(ephemeral()).await;
    node.spawn(&json!({"pod": {"embedded": "echo"}, "name": "echo"}))
        .await;
    let asked = node
        .write(Method::POST, "/v1/vcs/echo/messages?wait=5000")
        .body("hi");
    let asked = asked
        .header("x-medium-meta-topic", "cats")
        .send()
        .await
        .unwrap();
    assert_eq!(asked.status(), StatusCode::OK);
    let asked: Value = asked.json().await.unwrap();
    assert_eq!(
        (&asked["reply"]["text"], &asked["reply"]["kind"]),
        (&json!("hi"), &json!("reply"))
    );
    assert_eq!(asked["reply"]["from"], node.get("/v1/vcs/echo").await["id"]);
    assert_eq!(
        (&asked["duplicate"], &asked["reply"]["error"]),
        (&json!(false), &Value::Null)
    );

    let bytes = node
        .write(Method::POST, "/v1/vcs/echo/messages?wait=5000")
        .body(vec![0xff, 0]);
    let bytes: Value = bytes.send().await.unwrap().json().await.unwrap();
    assert_eq!(bytes["reply"]["base64"], BASE64.encode(&[0xff, 0]));

    let keyed = || {
        node.write(Method::POST, "/v1/vcs/echo/messages")
            .header("idempotency-key", "k1")
    };
    let first = keyed().body("once").send().await.unwrap();
    assert_eq!(first.status(), StatusCode::ACCEPTED);
    let first: Value = first.json().await.unwrap();
    let second: Value = keyed()
        .body("once")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&first["duplicate"], &second["duplicate"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(first["message"], second["message"]);

    let shown = node
        .get(&format!("/v1/messages/{}", is_text(&asked["message"])))
        .await;
    assert_eq!(
        (&shown["contents"]["text"], &shown["contents"]["bytes"]),
        (&json!("hi"), &json!(2))
    );
    assert_eq!(shown["metadata"]["facts"]["topic"]["text"], "cats");
    assert_eq!(
        shown["metadata"]["sender"],
        node.node.runtime().owner().to_string()
    );
    assert_eq!(shown["fate"], json!({"fate": "consumed"}));
    let explained = node
        .get(&format!(
            "/v1/messages/{}/explain",
            is_text(&asked["message"])
        ))
        .await;
    assert_eq!(explained["fate"], "consumed");
    assert!(
        explained["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|check| check["ok"] == true)
    );
}

/// Regression: the id of a reply was told, but nothing was known under it.
#[tokio::test]
async fn a_reply_can_be_shown() {
    let node = Served::start(ephemeral()).await;
    node.spawn(&json!({"pod": {"embedded": "echo"}, "name": "echo"}))
        .await;
    let asked = node
        .write(Method::POST, "/v1/vcs/echo/messages?wait=5000")
        .body("hi");
    let asked: Value = asked.send().await.unwrap().json().await.unwrap();
    let reply = is_text(&asked["reply"]["message"]);
    let shown = node.get(&format!("/v1/messages/{reply}")).await;
    assert_eq!(shown["contents"]["text"], "hi");
    assert_eq!(shown["metadata"]["sender"], asked["reply"]["from"]);
    assert_eq!(shown["metadata"]["kind"], "reply");
    let explained = node.get(&format!("/v1/messages/{reply}/explain")).await;
    assert!(is_text(&explained["why"]).contains("owner"), "{explained}");
}

/// Regression: a part that was stripped is a message, but nobody could say where it was.
#[tokio::test]
async fn a_stripped_part_is_explained() {
    let node = Served::start(ephemeral()).await;
    node.spawn(&json!({"pod": {"native": "echo"}, "name": "host"}))
        .await;
    let part = json!({"part": {"native": "counter", "argument": ""}});
    let placed = node.post("/v1/vcs/host/internalize", &part).await;
    let place = json!({"occurrence": placed["occurrence"]});
    let message = node.post("/v1/vcs/host/strip", &place).await["message"].clone();
    let path = format!("/v1/messages/{}", is_text(&message));
    let held = |explained: &Value| is_text(&explained["why"]).contains("held by the scavenger");
    let explained = node.until(&format!("{path}/explain"), held).await;
    assert_eq!(explained["fate"], "queued");
    assert_eq!(node.get(&path).await["fate"]["fate"], "queued");

    node.spawn(&json!({"pod": {"message": message}, "name": "alone"}))
        .await;
    let explained = node.get(&format!("{path}/explain")).await;
    assert_eq!(explained["fate"], "consumed", "{explained}");
    assert_eq!(node.get(&path).await["fate"]["fate"], "consumed");
    let again = node
        .write(Method::POST, "/v1/vcs")
        .json(&json!({"pod": {"message": message}}));
    let again = again.send().await.unwrap();
    let again = refused(again, StatusCode::NOT_FOUND, Code::Unknown).await;
    assert!(is_text(&again["what"]).contains("another body"), "{again}");
}

#[tokio::test]
async fn a_bounce_says_why() {
    let node = Served::start(ephemeral()).await;
    let pod = tempfile::tempdir().unwrap();
    let json = json!({"name": "stone", "parts": [{"file": "a.txt"}]}).to_string();
    std::fs::write(pod.path().join("vc.json"), json).unwrap();
    std::fs::write(pod.path().join("a.txt"), "no code in here").unwrap();
    node.spawn(&json!({"pod": {"path": pod.path()}})).await;
    let asked = node
        .write(Method::POST, "/v1/vcs/stone/messages?wait=5000")
        .body("hi");
    let asked: Value = asked.send().await.unwrap().json().await.unwrap();
    assert_eq!(asked["reply"]["kind"], "bounce");
    assert!(asked["reply"]["error"]["code"].is_string(), "{asked}");
    assert!(!is_text(&asked["reply"]["error"]["what"]).is_empty());
    let shown = node
        .get(&format!("/v1/messages/{}", is_text(&asked["message"])))
        .await;
    assert_eq!(shown["fate"]["fate"], "bounced");
    assert_eq!(shown["fate"]["why"], asked["reply"]["error"]);
}

#[tokio::test]
async fn an_ask_without_an_answer_times_out_and_says_which_message_it_was() {
    let node = Served::start(ephemeral()).await;
    // An echo answers what it is told, and is silent when it is answered itself.
    node.spawn(&json!({"pod": {"native": "echo"}, "name": "deaf"}))
        .await;
    let asked = node
        .write(Method::POST, "/v1/vcs/deaf/messages?kind=reply&wait=30")
        .body("hi")
        .send()
        .await;
    let body = refused(asked.unwrap(), StatusCode::GATEWAY_TIMEOUT, Code::Timeout).await;
    assert!(is_text(&body["message"]).starts_with("msg:"));
    assert!(body["sequence"].is_u64());
}
