//! Births, lives and bodies.

use data_encoding::BASE64;
use genesis::export;
use genesis::id::Digest;
use genesis::refusal::Code;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{Served, ephemeral, is_text, refused};

#[tokio::test]
async fn a_vc_lives_from_spawn_to_removal() {
    let node = Served::start(ephemeral()).await;
    let (status, spawned) = node
        .spawn(&json!({"pod": {"embedded": "echo"}, "name": "e1"}))
        .await;
    assert_eq!(
        (status, &spawned["name"]),
        (StatusCode::CREATED, &json!("e1"))
    );
    assert_eq!(spawned["withheld"], json!([]));
    let id = is_text(&spawned["id"]);

    let by_name = node.get("/v1/vcs/e1").await;
    assert_eq!(by_name, node.get(&format!("/v1/vcs/{id}")).await);
    assert_eq!(
        (&by_name["name"], &by_name["durable"]),
        (&json!("e1"), &json!(false))
    );

    assert_eq!(
        node.post("/v1/vcs/e1/sleep", &json!({})).await["life"],
        "dormant"
    );
    assert_eq!(
        node.post("/v1/vcs/e1/wake", &json!({})).await["life"],
        "awake"
    );
    node.refuses(
        Method::DELETE,
        "/v1/vcs/e1",
        StatusCode::CONFLICT,
        Code::Conflict,
    )
    .await;
    assert_eq!(
        node.post("/v1/vcs/e1/stop", &json!({})).await["life"],
        "stopped"
    );
    node.refuses(
        Method::POST,
        "/v1/vcs/e1/messages",
        StatusCode::GONE,
        Code::Stopped,
    )
    .await;
    assert_eq!(
        node.delete("/v1/vcs/e1").await,
        json!({"id": id, "life": "removed"})
    );
    node.refuses(
        Method::GET,
        "/v1/vcs/e1",
        StatusCode::NOT_FOUND,
        Code::Unknown,
    )
    .await;

    node.spawn(&json!({"pod": {"native": "echo"}, "name": "e2"}))
        .await;
    assert_eq!(node.delete("/v1/vcs/e2?stop=true").await["life"], "removed");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let node = Served::start(ephemeral()).await;
    for name in ["a", "b", "c"] {
        node.spawn(&json!({"pod": {"native": "echo"}, "name": name}))
            .await;
    }
    let all = node.get("/v1/vcs").await;
    let all: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|vc| vc["id"].clone())
        .collect();
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/vcs?limit=1{after}");
        let response = node.request(Method::GET, &path).send().await.unwrap();
        let next = response.headers().get("x-medium-next").cloned();
        let page: Vec<Value> = response.json().await.unwrap();
        paged.extend(page.iter().map(|vc| vc["id"].clone()));
        let Some(next) = next else { break };
        assert_eq!(page.len(), 1);
        after = format!("&after={}", next.to_str().unwrap());
    }
    assert!(all.len() >= 3);
    assert_eq!(paged, all);
    node.refuses(
        Method::GET,
        "/v1/vcs?after=x",
        StatusCode::UNPROCESSABLE_ENTITY,
        Code::Malformed,
    )
    .await;
    node.refuses(
        Method::GET,
        "/v1/vcs?frm=x",
        StatusCode::UNPROCESSABLE_ENTITY,
        Code::Malformed,
    )
    .await;
}

#[tokio::test]
async fn dangerous_powers_are_withheld_unless_named() {
    let node = Served::start(ephemeral()).await;
    let pod = tempfile::tempdir().unwrap();
    let write = |path: &str, value: Value| {
        std::fs::write(pod.path().join(path), value.to_string()).unwrap();
    };
    std::fs::create_dir(pod.path().join("inner")).unwrap();
    let part = json!([{"native": "echo"}]);
    write(
        "vc.json",
        json!({"name": "greedy", "parts": part, "grants": ["send", "spawn"],
        "nested": {"inner": "inner/"}, "purse": {"fuel": 1000, "messages": 7}}),
    );
    write(
        "inner/vc.json",
        json!({"name": "inner", "parts": part, "grants": ["fork"]}),
    );
    let request =
        |name: &str| json!({"pod": {"path": pod.path()}, "name": name, "purse": {"fuel": 5}});

    let (_, spawned) = node.spawn(&request("g1")).await;
    assert_eq!(spawned["withheld"], json!(["spawn", "fork"]));
    let shown = node.get("/v1/vcs/g1").await;
    assert_eq!(shown["grants"], json!(["send"]));
    let inner = node.get("/v1/vcs/g1%2Finner").await;
    let fuel = |vc: &Value| vc["purse"]["fuel"].as_u64().unwrap();
    assert_eq!(
        fuel(&shown) + fuel(&inner),
        5,
        "what the request says comes before what the pod says, and is for the whole body"
    );

    let mut named = request("g2");
    named["grants"] = json!(["spawn", "watch"]);
    let (_, spawned) = node.spawn(&named).await;
    assert_eq!(spawned["withheld"], json!(["fork"]));
    assert_eq!(
        node.get("/v1/vcs/g2").await["grants"],
        json!(["send", "spawn", "watch"])
    );
}

#[tokio::test]
async fn vcs_in_one_body_know_each_other() {
    let node = Served::start(ephemeral()).await;
    let pod = tempfile::tempdir().unwrap();
    let part = json!([{"native": "echo"}]);
    let write = |path: &str, value: Value| {
        let path = pod.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, value.to_string()).unwrap();
    };
    write(
        "vc.json",
        json!({"name": "host", "parts": part, "grants": ["send"], "nested": {"left": "l/", "right": "r/"}}),
    );
    write(
        "l/vc.json",
        json!({"name": "left", "parts": part, "contacts": {"right": "../right", "up": "host"}}),
    );
    write("r/vc.json", json!({"name": "right", "parts": part}));
    node.spawn(&json!({"pod": {"path": pod.path()}})).await;
    let right = node.get("/v1/vcs/host%2Fright").await;
    assert_eq!(
        (&right["nested"], &right["host"]),
        (&json!(true), &node.get("/v1/vcs/host").await["id"])
    );
    let left = node.get("/v1/vcs/host%2Fleft").await;
    let contacts = left["contacts"].as_array().unwrap();
    assert!(
        contacts.contains(&json!({"name": "right", "id": right["id"]})),
        "{contacts:?}"
    );

    write(
        "l/vc.json",
        json!({"name": "left", "parts": part, "contacts": {"other": "../nobody"}}),
    );
    let request = json!({"pod": {"path": pod.path()}, "name": "again"});
    let lost = node.write(Method::POST, "/v1/vcs").json(&request);
    let (status, code) = (StatusCode::UNPROCESSABLE_ENTITY, Code::Malformed);
    refused(lost.send().await.unwrap(), status, code).await;
}

#[tokio::test]
async fn spawns_that_make_no_sense_are_refused() {
    let node = Served::start(ephemeral()).await;
    node.spawn(&json!({"pod": {"native": "echo"}, "name": "taken"}))
        .await;
    let unprocessable = (StatusCode::UNPROCESSABLE_ENTITY, Code::Malformed);
    for (request, (status, code)) in [
        (json!({}), unprocessable),
        (json!({"pod": {}}), unprocessable),
        (json!({"pod": {"text": "a", "native": "b"}}), unprocessable),
        (
            json!({"pod": {"text": "a", "argument": "b"}}),
            unprocessable,
        ),
        (json!({"pod": {"image": "not base64!"}}), unprocessable),
        (
            json!({"pod": {"image": BASE64.encode(b"no image")}}),
            unprocessable,
        ),
        (json!({"pod": {"path": "relative/path"}}), unprocessable),
        (json!({"pod": {"path": "/no/such/pod"}}), unprocessable),
        (json!({"pod": {"message": "no id"}}), unprocessable),
        (
            json!({"pod": {"text": "a"}, "name": "No Name"}),
            unprocessable,
        ),
        (
            json!({"pod": {"text": "a"}, "grants": ["fly"]}),
            unprocessable,
        ),
        (
            json!({"pod": {"text": "a"}, "purse": {"gold": 1}}),
            unprocessable,
        ),
        (
            json!({"pod": {"text": "a"}, "colour": "red"}),
            unprocessable,
        ),
        (
            json!({"pod": {"text": "a"}, "record": u32::MAX}),
            (StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge),
        ),
        (
            json!({"pod": {"message": format!("msg:{}", "a".repeat(51) + "q")}}),
            (StatusCode::NOT_FOUND, Code::Unknown),
        ),
        (json!({"pod": {"text": "a"}, "name": "-x"}), unprocessable),
        (json!({"pod": {"text": "a"}, "name": ".."}), unprocessable),
        (
            json!({"pod": {"embedded": "no-such"}}),
            (StatusCode::NOT_FOUND, Code::Unknown),
        ),
        (
            json!({"pod": {"native": "echo"}, "name": "taken"}),
            (StatusCode::CONFLICT, Code::Conflict),
        ),
    ] {
        let answer = node
            .write(Method::POST, "/v1/vcs")
            .json(&request)
            .send()
            .await
            .unwrap();
        let body = refused(answer, status, code).await;
        assert!(!is_text(&body["what"]).is_empty(), "{request}");
    }
}

#[tokio::test]
async fn a_literal_says_itself() {
    let node = Served::start(ephemeral()).await;
    node.spawn(&json!({"pod": {"text": "3.14"}, "name": "pi"}))
        .await;
    let said = node
        .until("/v1/vcs/pi/logs?after=0", |page| {
            page["lines"][0]["text"] == "3.14"
        })
        .await;
    assert_eq!(
        (&said["lines"][0]["seq"], &said["dropped"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        node.get("/v1/vcs/pi/logs?limit=0").await["lines"],
        json!([])
    );

    node.spawn(&json!({"pod": {"native": "echo"}, "name": "echo"}))
        .await;
    let sent = node
        .write(Method::POST, "/v1/vcs/echo/messages")
        .body("carried")
        .send()
        .await
        .unwrap();
    let sent: Value = sent.json().await.unwrap();
    node.spawn(&json!({"pod": {"message": sent["message"]}, "name": "lifted"}))
        .await;
    node.until("/v1/vcs/lifted/logs", |page| {
        page["lines"][0]["text"] == "carried"
    })
    .await;
}

#[tokio::test]
async fn a_frozen_vc_goes_on_where_it_does_not_live() {
    let (here, there) = (
        Served::start(ephemeral()).await,
        Served::start(ephemeral()).await,
    );
    here.spawn(&json!({"pod": {"embedded": "counter"}, "name": "counter", "grants": ["spawn"]}))
        .await;
    let response = here
        .request(Method::GET, "/v1/vcs/counter/image")
        .send()
        .await
        .unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "application/vnd.medium.image"
    );
    let digest = response.headers()["x-medium-image-digest"]
        .to_str()
        .unwrap()
        .to_owned();
    let bytes = response.bytes().await.unwrap();
    let (image, _, named) = export::read(&bytes).unwrap();
    assert_eq!(Digest::of(&image.to_bytes().unwrap()), named);
    assert_eq!(named.to_string(), digest);
    assert_eq!(
        image.id.to_string(),
        is_text(&here.get("/v1/vcs/counter").await["id"])
    );

    let request = json!({"pod": {"image": BASE64.encode(&bytes)}});
    let again = here
        .write(Method::POST, "/v1/vcs")
        .json(&request)
        .send()
        .await
        .unwrap();
    refused(again, StatusCode::CONFLICT, Code::Conflict).await;
    let (status, moved) = there.spawn(&request).await;
    assert_eq!(
        (status, &moved["id"]),
        (StatusCode::CREATED, &json!(image.id.to_string()))
    );
    // It is a stranger there: what its image says it may do, it may not.
    assert_eq!(moved["withheld"], json!(["spawn"]));
    assert_eq!(
        there.get("/v1/vcs/counter").await["grants"],
        json!(["send"])
    );
}

#[tokio::test]
async fn a_fork_knows_where_it_comes_from() {
    let node = Served::start(ephemeral()).await;
    let (_, first) = node
        .spawn(&json!({"pod": {"native": "echo"}, "name": "first"}))
        .await;
    let forked = node
        .write(Method::POST, "/v1/vcs/first/fork")
        .json(&json!({"name": "second"}));
    let forked = forked.send().await.unwrap();
    assert_eq!(forked.status(), StatusCode::CREATED);
    let forked: Value = forked.json().await.unwrap();
    assert_ne!(forked["id"], first["id"]);
    let lineage = node.get("/v1/vcs/second/lineage").await;
    assert_eq!(lineage[0]["id"], forked["id"]);
    assert_eq!(
        (&lineage[1]["id"], &lineage[1]["name"]),
        (&first["id"], &json!("first"))
    );
    assert!(lineage[1]["life"].is_string(), "it still lives here");
    let unnamed = node
        .write(Method::POST, "/v1/vcs/first/fork")
        .send()
        .await
        .unwrap();
    assert_eq!(unnamed.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_body_changes_by_parts() {
    let node = Served::start(ephemeral()).await;
    node.spawn(&json!({"pod": {"native": "echo"}, "name": "host"}))
        .await;
    let roles = async || {
        let host = node.get("/v1/vcs/host").await;
        let body = host["body"].as_array().unwrap().clone();
        body.into_iter()
            .filter(|part| part["role"] == "judge")
            .collect::<Vec<_>>()
    };
    let part = json!({"native": "counter", "argument": ""});
    let placed = node
        .post(
            "/v1/vcs/host/internalize",
            &json!({"part": part, "role": "judge"}),
        )
        .await;
    assert_eq!(roles().await[0]["occurrence"], placed["occurrence"]);

    let stripped = node
        .post(
            "/v1/vcs/host/strip",
            &json!({"occurrence": placed["occurrence"]}),
        )
        .await;
    assert!(roles().await.is_empty());
    let back = json!({"part": {"message": stripped["message"]}});
    let placed = node.post("/v1/vcs/host/internalize", &back).await;
    assert_eq!(roles().await[0]["occurrence"], placed["occurrence"]);
    let upgrade = json!({"occurrence": placed["occurrence"], "part": part, "role": "judge"});
    let upgraded = node.post("/v1/vcs/host/upgrade", &upgrade).await;
    assert_eq!(roles().await[0]["occurrence"], upgraded["occurrence"]);

    // A part can also go on alone, in a body of its own; nobody holds it any more then.
    let place = json!({"occurrence": upgraded["occurrence"]});
    let stripped = node.post("/v1/vcs/host/strip", &place).await;
    let alone = json!({"pod": {"message": stripped["message"]}, "name": "alone"});
    node.spawn(&alone).await;
    let sum = node
        .write(Method::POST, "/v1/vcs/alone/messages?wait=5000")
        .body("42");
    let sum: Value = sum.send().await.unwrap().json().await.unwrap();
    assert_eq!(sum["reply"]["text"], "42");
    let twice = json!({"pod": {"message": stripped["message"]}, "name": "twice"});
    let twice = node.write(Method::POST, "/v1/vcs").json(&twice);
    assert!(twice.send().await.unwrap().status().is_client_error());
    node.refuses(
        Method::GET,
        "/v1/vcs/twice",
        StatusCode::NOT_FOUND,
        Code::Unknown,
    )
    .await;

    // Nothing can test bytes without a decoder; only the owner's word takes them in.
    let data = |by_override: bool| json!({"part": {"base64": "AAEC"}, "override": by_override});
    let untested = node
        .write(Method::POST, "/v1/vcs/host/internalize")
        .json(&data(false));
    let untested = untested.send().await.unwrap();
    refused(untested, StatusCode::UNPROCESSABLE_ENTITY, Code::Untestable).await;
    assert!(node.post("/v1/vcs/host/internalize", &data(true)).await["occurrence"].is_u64());
    for part in [
        json!({}),
        json!({"native": "a", "base64": ""}),
        json!({"message": "x"}),
        json!({"decoder": "00"}),
        json!({"base64": "?"}),
    ] {
        let asked = node
            .write(Method::POST, "/v1/vcs/host/internalize")
            .json(&json!({"part": part}));
        refused(
            asked.send().await.unwrap(),
            StatusCode::UNPROCESSABLE_ENTITY,
            Code::Malformed,
        )
        .await;
    }
}

#[tokio::test]
async fn vcs_are_found_by_pattern_and_by_hunger() {
    let node = Served::start(ephemeral()).await;
    let (_, echo) = node
        .spawn(&json!({"pod": {"native": "echo"}, "name": "echo"}))
        .await;
    let hits = node.get("/v1/find?pattern=all&k=1000").await;
    assert!(
        hits.as_array()
            .unwrap()
            .iter()
            .any(|hit| hit["id"] == echo["id"])
    );
    let (status, code) = (StatusCode::UNPROCESSABLE_ENTITY, Code::Malformed);
    node.refuses(Method::GET, "/v1/find?pattern=all&k=0", status, code)
        .await;
    assert_eq!(
        node.get("/v1/find?feeds=echo").await,
        json!([]),
        "an echo hungers for nothing"
    );
    for path in ["/v1/find", "/v1/find?pattern=all&k=many"] {
        node.refuses(
            Method::GET,
            path,
            StatusCode::UNPROCESSABLE_ENTITY,
            Code::Malformed,
        )
        .await;
    }
    let (status, code) = (StatusCode::UNPROCESSABLE_ENTITY, Code::Pattern);
    node.refuses(Method::GET, "/v1/find?pattern=((", status, code)
        .await;
    node.refuses(
        Method::GET,
        "/v1/find?feeds=nobody",
        StatusCode::NOT_FOUND,
        Code::Unknown,
    )
    .await;
}
