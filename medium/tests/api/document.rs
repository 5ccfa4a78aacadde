//! The documents that the API gives of itself.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::schema;
use super::support::{Served, ephemeral, is_text};

/// Every GET of the document is asked for, and its answer held against its schema; so are the writes
/// that the other answers come from.
#[tokio::test]
async fn answers_are_what_the_document_says() {
    let node = Served::start(ephemeral()).await;
    let document = node.get("/openapi.json").await;
    let (_, spawned) = node
        .spawn(&json!({"pod": {"embedded": "echo"}, "name": "echo", "record": 8}))
        .await;
    let ask = async |path: &str| -> Value {
        let asked = node
            .write(Method::POST, path)
            .header("x-medium-meta-a", "b")
            .body("hi");
        asked.send().await.unwrap().json().await.unwrap()
    };
    let asked = ask("/v1/vcs/echo/messages?wait=5000").await;
    let accepted = ask("/v1/vcs/echo/messages").await;
    let check = |method: &str, path: &str, status: &str, answer: &Value| {
        let responses = &document["paths"][path][method]["responses"];
        let response = if responses[status].is_object() {
            status
        } else {
            "default"
        };
        let answered = schema::follow(&document, &responses[response]);
        let (_, media) = answered["content"]
            .as_object()
            .unwrap()
            .iter()
            .next()
            .unwrap();
        let wrong = schema::complaint(&document, &media["schema"], answer);
        assert_eq!(wrong, None, "{method} {path}: {answer}");
    };
    let long = vec![b'x'; 100_000];
    let put = node.write(Method::PUT, "/v1/contents").body(long);
    let stored: Value = put.send().await.unwrap().json().await.unwrap();
    check("put", "/v1/contents", "201", &stored);
    let digest = is_text(&stored["digest"]);
    let named = node
        .write(Method::POST, "/v1/vcs/echo/messages?wait=5000")
        .header("content-type", "application/vnd.medium.ref+json")
        .body(json!({"ref": digest}).to_string());
    let by_reference: Value = named.send().await.unwrap().json().await.unwrap();
    check("post", "/v1/vcs/{vc}/messages", "200", &by_reference);
    assert_eq!(by_reference["reply"]["ref"], stored["digest"]);
    let pin = format!("/v1/contents/{digest}/pin");
    let pinned = node.post(&pin, &json!({})).await;
    check("post", "/v1/contents/{digest}/pin", "200", &pinned);
    let unpinned = node.delete(&pin).await;
    check("delete", "/v1/contents/{digest}/pin", "200", &unpinned);
    let swept = node.post("/v1/contents/sweep", &json!({})).await;
    check("post", "/v1/contents/sweep", "200", &swept);
    check("post", "/v1/vcs", "201", &spawned);
    check("post", "/v1/vcs/{vc}/messages", "200", &asked);
    check("post", "/v1/vcs/{vc}/messages", "202", &accepted);

    let replayed = node.post("/v1/vcs/echo/replay", &json!({})).await;
    check("post", "/v1/vcs/{vc}/replay", "200", &replayed);
    assert_eq!(replayed["first"], Value::Null);
    let with = json!({"part": {"native": "counter"}, "occurrence": 1});
    let other = node.post("/v1/vcs/echo/replay", &with).await;
    check("post", "/v1/vcs/{vc}/replay", "200", &other);
    assert!(other["different"].as_u64() > Some(0), "{other}");

    let world = json!({"model": "money", "name": "w", "set": {"traders": 20}, "steps": 3});
    let begun = node.post("/v1/worlds", &world).await;
    check("post", "/v1/worlds", "201", &begun);
    let message = is_text(&asked["message"]);
    let mut checked = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        // What only the token reads is asked for in the tests of pods.
        let is_open = item["get"]["security"] == json!([]);
        let is_socket = path == "/v1/events" || path.ends_with("/outside");
        if item.get("get").is_none() || is_socket || !is_open {
            continue;
        }
        let vc = if path.starts_with("/v1/worlds") {
            "w"
        } else {
            "echo"
        };
        let mut real = path.replace("{vc}", vc).replace("{message}", message);
        real = real.replace("{digest}", digest);
        if path == "/v1/find" {
            real.push_str("?pattern=all");
        }
        if path == "/v1/top" {
            real.push_str("?over=1");
        }
        let answer = node.request(Method::GET, &real).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{real}");
        let media = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let described = &item["get"]["responses"]["200"]["content"];
        let kind = media.split(';').next().unwrap();
        assert!(described[kind].is_object(), "{real} is {media}");
        if kind.ends_with("json") {
            check("get", path, "200", &answer.json().await.unwrap());
        }
        checked.insert(path.clone());
    }
    assert!(checked.len() >= 13, "{checked:?}");

    for (method, path, real) in [
        ("get", "/v1/vcs/{vc}", "/v1/vcs/nobody"),
        ("get", "/v1/messages/{message}", "/v1/messages/x"),
        ("get", "/v1/events", "/v1/events"),
    ] {
        let answer = node.request(Method::GET, real).send().await.unwrap();
        let status = answer.status().as_u16().to_string();
        check(method, path, &status, &answer.json().await.unwrap());
    }

    for (verb, body) in [
        ("step", json!({"ticks": 2})),
        ("go", json!({"steps": 4, "ticks_per_second": 1000})),
        ("pause", json!({})),
        ("set", json!({})),
        ("verify", json!({})),
    ] {
        let path = format!("/v1/worlds/w/{verb}");
        let said = node.post(&path, &body).await;
        check("post", &format!("/v1/worlds/{{vc}}/{verb}"), "200", &said);
    }
    for address in ["w", "w%2Ftraders", "w%2Ftraders%2F3"] {
        let seen = node.get(&format!("/v1/vcs/{address}")).await;
        check("get", "/v1/vcs/{vc}", "200", &seen);
    }
    let heard = ask("/v1/vcs/w%2Ftraders%2F3/messages?wait=5000").await;
    check("post", "/v1/vcs/{vc}/messages", "422", &heard);
    let give = node.write(Method::POST, "/v1/vcs/w%2Ftraders%2F3/messages");
    let heard: Value = give
        .body("give 1")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    check("post", "/v1/vcs/{vc}/messages", "200", &heard);
    let forked = node.post("/v1/vcs/w%2Ftraders%2F3/fork", &json!({})).await;
    check("post", "/v1/vcs/{vc}/fork", "201", &forked);
    let taking = json!({"agent": "traders/3", "name": "three"});
    let taken = node.post("/v1/worlds/w/take", &taking).await;
    check("post", "/v1/worlds/{vc}/take", "201", &taken);
    let putting = json!({"agent": "three"});
    let put = node.post("/v1/worlds/w/put", &putting).await;
    check("post", "/v1/worlds/{vc}/put", "200", &put);
    let ended = node.delete("/v1/vcs/w%2Ftraders%2F4?stop").await;
    check("delete", "/v1/vcs/{vc}", "200", &ended);

    let frames = node.get("/v1/events.schema.json").await;
    let mut events = node.events("?after=0").await;
    for _ in 0..2 {
        let frame = events.next().await;
        assert_eq!(schema::complaint(&frames, &frames, &frame), None, "{frame}");
    }
    let forked = node.post("/v1/vcs/echo/fork", &json!({})).await;
    check("post", "/v1/vcs/{vc}/fork", "201", &forked);
    let filled = node
        .post("/v1/vcs/echo/purse", &json!({"motes": 5, "fuel": null}))
        .await;
    check("post", "/v1/vcs/{vc}/purse", "200", &filled);
    let kin = json!({"vcs": [forked["id"]]});
    let braked = node.post("/v1/brake", &kin).await;
    assert_eq!(braked["count"], 1);
    check("post", "/v1/brake", "200", &braked);
    for verb in ["sleep", "wake", "stop"] {
        let life = node.post(&format!("/v1/vcs/echo/{verb}"), &json!({})).await;
        check("post", &format!("/v1/vcs/{{vc}}/{verb}"), "200", &life);
    }
    check(
        "delete",
        "/v1/vcs/{vc}",
        "200",
        &node.delete("/v1/vcs/echo").await,
    );
}
