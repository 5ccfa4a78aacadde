//! The node itself: what it says of itself, its folder, its address, its end.

use std::os::unix::fs::PermissionsExt;

use genesis::refusal::Code;
use medium::folder::Announcement;
use medium::node::{Node, NodeConfig};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{Served, ephemeral, refused};

#[tokio::test]
async fn a_node_says_what_it_is() {
    let node = Served::start(ephemeral()).await;
    let view = node.get("/v1/node").await;
    assert_eq!(view["id"], node.node.runtime().owner().to_string());
    assert_eq!(view["api"], node.node.base());
    assert_eq!(view["data"], Value::Null);
    assert_eq!(
        (&view["deterministic"], &view["store"]["healthy"]),
        (&json!(false), &json!(true))
    );
    assert!(view["now"].as_u64() >= view["started_at"].as_u64());
    assert_ne!(node.node.address().port(), 0);
    let page = node
        .request(Method::GET, "/")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(page.contains("/openapi.json"));
    assert!(node.get("/v1/stats").await["turns"].is_u64());
}

#[tokio::test]
async fn stopping_ends_asks_and_sockets_and_frees_the_address() {
    let node = Served::start(ephemeral()).await;
    node.spawn(&json!({"pod": {"native": "echo"}, "name": "deaf"}))
        .await;
    let mut events = node.events("").await;
    events.next().await;
    let ask = node
        .write(Method::POST, "/v1/vcs/deaf/messages?kind=reply&wait=60000")
        .body("hi");
    let ask = tokio::spawn(ask.send());
    let turns = node
        .until("/v1/vcs/deaf", |vc| vc["turns"].as_u64() > Some(0))
        .await;
    assert!(turns.is_object());
    let stopping = node.write(Method::POST, "/v1/stop").send().await.unwrap();
    assert_eq!(stopping.status(), StatusCode::ACCEPTED);
    node.node.asked_to_stop().await;
    refused(
        ask.await.unwrap().unwrap(),
        StatusCode::SERVICE_UNAVAILABLE,
        Code::Unreachable,
    )
    .await;
    let (code, reason) = events.closed().await;
    assert_eq!((code, reason.as_str()), (1001, "the node is shutting down"));
    let address = node.node.address();
    node.node.stop().await.unwrap();
    let same = NodeConfig {
        api: address,
        ..ephemeral()
    };
    Node::start(same).await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn one_folder_is_one_node() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = NodeConfig {
        data: Some(data.clone()),
        ..ephemeral()
    };
    let first = Node::start(config.clone()).await.unwrap();
    let left = Announcement::read(&data)
        .unwrap()
        .expect("a running node is announced");
    assert_eq!(
        (left.api.as_str(), left.token.as_str()),
        (first.base(), first.token())
    );
    assert_eq!(
        (left.pid, left.id),
        (std::process::id(), first.runtime().owner().to_string())
    );
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(data.clone()), 0o700);
    for file in ["node.json", "token", "secret"] {
        assert_eq!(mode(data.join(file)), 0o600, "{file}");
    }

    let second = Node::start(config.clone())
        .await
        .expect_err("the folder is in use");
    assert_eq!(second.code, Code::Conflict);
    assert_eq!(second.who, Some(data.display().to_string()));
    assert!(second.hint.is_some());
    assert!(
        Announcement::read(&data).unwrap().is_some(),
        "the refused node left it alone"
    );

    let (owner, token) = (first.runtime().owner(), first.token().to_owned());
    first.stop().await.unwrap();
    assert_eq!(Announcement::read(&data).unwrap(), None);
    let again = Node::start(config)
        .await
        .expect("a stopped node gives its folder back");
    assert_eq!(
        (again.runtime().owner(), again.token()),
        (owner, token.as_str())
    );
    again.stop().await.unwrap();
}

/// Regression: a node that lost its secret made another and orphaned every VC of its store; and one that
/// could not listen left an empty data folder behind.
#[tokio::test]
async fn a_node_neither_begins_anew_nor_begins_in_vain() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = NodeConfig {
        data: Some(data.clone()),
        ..ephemeral()
    };
    let in_vain = NodeConfig {
        api: busy.local_addr().unwrap(),
        ..config.clone()
    };
    let refused = Node::start(in_vain).await.expect_err("the port is taken");
    assert_eq!(refused.code, Code::Conflict);
    assert!(!data.exists());

    Node::start(config.clone())
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    let secret = std::fs::read(data.join("secret")).unwrap();
    std::fs::remove_file(data.join("secret")).unwrap();
    let refused = Node::start(config.clone()).await.expect_err("no secret");
    assert_eq!(refused.code, Code::Corrupt);
    assert!(refused.hint.unwrap().contains("backup"));
    assert!(!data.join("secret").exists());
    std::fs::write(data.join("secret"), secret).unwrap();
    Node::start(config).await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn what_is_durable_survives_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let config = NodeConfig {
        data: Some(folder.path().join("data")),
        ..ephemeral()
    };
    let node = Served::start(config.clone()).await;
    for (name, volatile) in [("keeps", false), ("goes", true)] {
        let request = json!({"pod": {"native": "counter"}, "name": name, "volatile": volatile});
        node.spawn(&request).await;
        assert_eq!(
            node.get(&format!("/v1/vcs/{name}")).await["durable"],
            !volatile
        );
    }
    let add = async |node: &Served, number: &'static str| -> Value {
        let asked = node
            .write(Method::POST, "/v1/vcs/keeps/messages?wait=5000")
            .body(number);
        asked.send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(add(&node, "2").await["reply"]["text"], "2");
    node.node.stop().await.unwrap();
    let node = Served::start(config).await;
    assert_eq!(add(&node, "40").await["reply"]["text"], "42");
    node.refuses(
        Method::GET,
        "/v1/vcs/goes",
        StatusCode::NOT_FOUND,
        Code::Unknown,
    )
    .await;
    node.node.stop().await.unwrap();
}

#[tokio::test]
async fn addresses_that_others_reach_must_be_asked_for() {
    let everywhere = NodeConfig {
        api: "0.0.0.0:0".parse().unwrap(),
        ..ephemeral()
    };
    let refusal = Node::start(everywhere.clone())
        .await
        .expect_err("loopback only");
    assert_eq!(refusal.code, Code::Denied);
    let asked = NodeConfig {
        listen_anywhere: true,
        ..everywhere
    };
    let node = Served::start(asked).await;
    assert!(node.node.base().starts_with("http://127.0.0.1:"));
    assert!(node.get("/v1/node").await.is_object());
    node.node.stop().await.unwrap();
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = NodeConfig {
        api: busy.local_addr().unwrap(),
        ..ephemeral()
    };
    assert_eq!(
        Node::start(taken)
            .await
            .expect_err("the port is taken")
            .code,
        Code::Conflict
    );
}

#[tokio::test]
async fn a_seed_decides_who_a_node_is() {
    let seeded = |seed| NodeConfig {
        deterministic: true,
        seed,
        ..ephemeral()
    };
    let mut owners = Vec::new();
    for seed in [7, 7, 8] {
        let node = Served::start(seeded(seed)).await;
        let view = node.get("/v1/node").await;
        assert_eq!(view["deterministic"], true);
        owners.push(view["id"].clone());
        node.node.stop().await.unwrap();
    }
    assert_eq!(owners[0], owners[1]);
    assert_ne!(owners[0], owners[2]);
}
