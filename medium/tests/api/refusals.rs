//! Who is kept out, and how it is said.

use std::time::Duration;

use genesis::limits::CONTENTS_INLINE_MAX;
use genesis::refusal::Code;
use medium::node::NodeConfig;
use medium::server::JSON_BYTES_MAX;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::support::{Served, ephemeral, is_text, refused};

#[tokio::test]
async fn writes_need_the_token() {
    let node = Served::start(ephemeral()).await;
    for path in [
        "/v1/vcs",
        "/v1/stop",
        "/v1/vcs/x/messages",
        "/v1/contents",
        "/v1/contents/sweep",
        "/v1/no/such/path",
    ] {
        let bare = node.request(Method::POST, path).send().await.unwrap();
        assert_eq!(bare.headers()["www-authenticate"], "Bearer");
        refused(bare, StatusCode::UNAUTHORIZED, Code::Token).await;
        for token in ["", "wrong", &node.node.token()[1..]] {
            let wrong = node
                .request(Method::POST, path)
                .bearer_auth(token)
                .send()
                .await
                .unwrap();
            refused(wrong, StatusCode::UNAUTHORIZED, Code::Token).await;
        }
    }
    let asked = tokio::time::timeout(Duration::from_millis(20), node.node.asked_to_stop()).await;
    assert!(asked.is_err(), "nobody with the token asked");
}

#[tokio::test]
async fn web_pages_of_others_are_kept_out() {
    let node = Served::start(ephemeral()).await;
    for host in [
        "evil.example",
        "evil.example:7700",
        "127.0.0.1.evil.example",
    ] {
        let rebound = node
            .request(Method::GET, "/v1/node")
            .header("host", host)
            .send()
            .await
            .unwrap();
        refused(rebound, StatusCode::FORBIDDEN, Code::Denied).await;
    }
    let foreign = node
        .request(Method::GET, "/v1/node")
        .header("origin", "http://evil.example");
    let answer = foreign.send().await.unwrap();
    assert!(
        answer
            .headers()
            .get("access-control-allow-origin")
            .is_none()
    );
    refused(answer, StatusCode::FORBIDDEN, Code::Denied).await;
    let own = node
        .request(Method::GET, "/v1/node")
        .header("origin", node.node.base());
    assert_eq!(own.send().await.unwrap().status(), StatusCode::OK);
    let localhost = node
        .request(Method::GET, "/v1/node")
        .header("host", "localhost:7700");
    assert_eq!(localhost.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn every_refusal_is_json() {
    let node = Served::start(ephemeral()).await;
    node.spawn(&json!({"pod": {"native": "echo"}, "name": "echo"}))
        .await;
    node.refuses(
        Method::GET,
        "/v1/nothing",
        StatusCode::NOT_FOUND,
        Code::Unknown,
    )
    .await;
    let wrong = node.write(Method::PUT, "/v1/node").send().await.unwrap();
    assert!(wrong.headers()["allow"].to_str().unwrap().contains("GET"));
    refused(wrong, StatusCode::METHOD_NOT_ALLOWED, Code::Malformed).await;
    for body in ["{", "[]", "\"text\"", "{\"pod\":"] {
        let bad = node
            .write(Method::POST, "/v1/vcs")
            .body(body)
            .send()
            .await
            .unwrap();
        refused(bad, StatusCode::UNPROCESSABLE_ENTITY, Code::Malformed).await;
    }
    for path in [
        "/v1/vcs/echo/messages?channel=NO",
        "/v1/vcs/echo/messages?kind=bounce",
        "/v1/vcs/echo/messages?wait=soon",
        "/v1/vcs/%FF/messages",
    ] {
        node.refuses(
            Method::POST,
            path,
            StatusCode::UNPROCESSABLE_ENTITY,
            Code::Malformed,
        )
        .await;
    }
    for path in [
        "/v1/vcs/nobody",
        "/v1/vcs/nobody/shape",
        "/v1/vcs/nobody/image",
        "/v1/vcs/nobody/logs",
    ] {
        node.refuses(Method::GET, path, StatusCode::NOT_FOUND, Code::Unknown)
            .await;
    }
    let unseen = format!("/v1/messages/msg:{}", "a".repeat(51) + "q");
    node.refuses(Method::GET, &unseen, StatusCode::NOT_FOUND, Code::Unknown)
        .await;
    node.refuses(
        Method::GET,
        "/v1/messages/x",
        StatusCode::UNPROCESSABLE_ENTITY,
        Code::Malformed,
    )
    .await;
    node.refuses(
        Method::GET,
        "/v1/events",
        StatusCode::UPGRADE_REQUIRED,
        Code::Malformed,
    )
    .await;
    for path in [
        "/v1/vcs/echo/messages?wait=600001",
        "/v1/vcs/echo/messages?expires=2592000001",
    ] {
        node.refuses(
            Method::POST,
            path,
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::TooLarge,
        )
        .await;
    }
}

#[tokio::test]
async fn bodies_are_bounded_before_they_are_read() {
    const CONTENTS_MAX: u64 = 200_000;
    let node = Served::start(NodeConfig {
        contents_bytes_max: CONTENTS_MAX,
        ..ephemeral()
    })
    .await;
    node.spawn(&json!({"pod": {"native": "echo"}, "name": "echo"}))
        .await;
    let send = || node.write(Method::POST, "/v1/vcs/echo/messages");
    let bytes_max = usize::try_from(CONTENTS_MAX).unwrap();
    for len in [CONTENTS_INLINE_MAX, CONTENTS_INLINE_MAX + 1, bytes_max] {
        let taken = send().body(vec![7; len]).send().await.unwrap();
        assert_eq!(taken.status(), StatusCode::ACCEPTED);
    }
    let store = || node.write(Method::POST, "/v1/contents");
    for request in [send(), store()] {
        let longer = request.body(vec![7; bytes_max + 1]).send().await.unwrap();
        let body = refused(longer, StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge).await;
        let what = is_text(&body["what"]);
        assert!(what.contains("200000") && what.contains("200001"), "{what}");
    }
    // A length that is not announced is counted as it comes in.
    for request in [send(), store()] {
        let endless =
            futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![7_u8; 4096]));
        let answer = request
            .body(reqwest::Body::wrap_stream(endless))
            .send()
            .await;
        if let Ok(answer) = answer {
            refused(answer, StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge).await;
        } // else the connection was closed under the sender, which is as well
    }
    // What reshapes a body does not come by reference.
    let part = node.write(Method::POST, "/v1/vcs/echo/messages?kind=internalize");
    let part = part
        .body(vec![7; CONTENTS_INLINE_MAX + 1])
        .send()
        .await
        .unwrap();
    refused(part, StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge).await;
    let fork = node
        .write(Method::POST, "/v1/vcs/echo/fork")
        .body(vec![b' '; JSON_BYTES_MAX + 1]);
    refused(
        fork.send().await.unwrap(),
        StatusCode::PAYLOAD_TOO_LARGE,
        Code::TooLarge,
    )
    .await;
}
