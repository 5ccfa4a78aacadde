//! Births: names, relations, purses, and VCs that come back from a file.

use data_encoding::BASE64;
use genesis::export;
use genesis::refusal::Code;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{Served, ephemeral, is_text, refused};

/// Regression: a frozen VC with a flipped bit came to life with another state, and a file that is none
/// at all was called a damaged image.
#[tokio::test]
async fn a_frozen_vc_that_was_changed_stays_frozen() {
    let node = Served::start(ephemeral()).await;
    node.spawn(&json!({"pod": {"embedded": "counter"}})).await;
    let frozen = node.request(Method::GET, "/v1/vcs/counter/image");
    let frozen = frozen.send().await.unwrap().bytes().await.unwrap();
    node.delete("/v1/vcs/counter?stop=true").await;
    let thaw = async |bytes: &[u8]| {
        let request = json!({"pod": {"image": BASE64.encode(bytes)}});
        let answer = node.write(Method::POST, "/v1/vcs").json(&request);
        answer.send().await.unwrap()
    };
    for at in [0, 15, 30, frozen.len() / 2, frozen.len() - 1] {
        let mut damaged = frozen.to_vec();
        damaged[at] ^= 1;
        let answer = thaw(&damaged).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{at}");
    }
    let (image, ..) = export::read(&frozen).unwrap();
    let answer = thaw(&image.to_bytes().unwrap()).await;
    let (status, code) = (StatusCode::UNPROCESSABLE_ENTITY, Code::Malformed);
    let body = refused(answer, status, code).await;
    assert!(is_text(&body["what"]).contains("medium/1 image"), "{body}");
    assert_eq!(thaw(&frozen).await.status(), StatusCode::CREATED);
}

/// Regression: the second VC of a pod was refused because the pod's name was taken by the first.
#[tokio::test]
async fn a_pod_is_spawned_as_often_as_one_likes() {
    let node = Served::start(ephemeral()).await;
    let echo = json!({"pod": {"embedded": "echo"}});
    let (_, first) = node.spawn(&echo).await;
    assert_eq!(
        (&first["name"], &first["name_taken"]),
        (&json!("echo"), &Value::Null)
    );
    let (_, second) = node.spawn(&echo).await;
    assert_eq!(
        (&second["name"], &second["name_taken"]),
        (&Value::Null, &json!("echo"))
    );
    assert_ne!(first["id"], second["id"]);
    let named = json!({"pod": {"embedded": "echo"}, "name": "echo"});
    let named = node.write(Method::POST, "/v1/vcs").json(&named);
    refused(
        named.send().await.unwrap(),
        StatusCode::CONFLICT,
        Code::Conflict,
    )
    .await;

    // An image brings its name with it, too.
    let frozen = node.request(Method::GET, "/v1/vcs/echo/image");
    let frozen = frozen.send().await.unwrap().bytes().await.unwrap();
    node.delete("/v1/vcs/echo?stop=true").await;
    node.spawn(&json!({"pod": {"native": "echo"}, "name": "echo"}))
        .await;
    let request = json!({"pod": {"image": BASE64.encode(&frozen)}});
    let (_, thawed) = node.spawn(&request).await;
    assert_eq!(
        (&thawed["name"], &thawed["name_taken"]),
        (&Value::Null, &json!("echo"))
    );
    assert_eq!(thawed["id"], first["id"]);
}

/// Regression: nobody but owner and host could ever be allowed to reshape a VC, and no VC be told of
/// another at its birth.
#[tokio::test]
async fn a_birth_says_whom_a_vc_knows_and_who_may_change_it() {
    let node = Served::start(ephemeral()).await;
    let (_, smith) = node
        .spawn(&json!({"pod": {"native": "echo"}, "name": "smith"}))
        .await;
    let (_, made) = node
        .spawn(&json!({
            "pod": {"embedded": "echo"}, "name": "made", "reshapers": ["smith", smith["id"]],
            "contacts": {"maker": "smith"}, "own_actor": true,
        }))
        .await;
    let shown = node.get("/v1/vcs/made").await;
    assert_eq!(shown["reshapers"], json!([smith["id"]]));
    let maker = json!({"name": "maker", "id": smith["id"]});
    assert!(
        shown["contacts"].as_array().unwrap().contains(&maker),
        "{shown}"
    );
    assert_eq!(shown["seat"], "actor");

    // The same for one that was frozen.
    let frozen = node.request(Method::GET, "/v1/vcs/smith/image");
    let frozen = frozen.send().await.unwrap().bytes().await.unwrap();
    node.delete("/v1/vcs/smith?stop=true").await;
    node.spawn(&json!({
        "pod": {"image": BASE64.encode(&frozen)}, "reshapers": ["made"], "contacts": {"work": "made"},
    }))
    .await;
    let shown = node.get("/v1/vcs/smith").await;
    assert_eq!(shown["reshapers"], json!([made["id"]]));
    let work = json!({"name": "work", "id": made["id"]});
    assert!(
        shown["contacts"].as_array().unwrap().contains(&work),
        "{shown}"
    );
    for request in [
        json!({"pod": {"text": "a"}, "reshapers": ["nobody"]}),
        json!({"pod": {"text": "a"}, "contacts": {"a": "nobody"}}),
    ] {
        let answer = node.write(Method::POST, "/v1/vcs").json(&request);
        refused(
            answer.send().await.unwrap(),
            StatusCode::NOT_FOUND,
            Code::Unknown,
        )
        .await;
    }
}

/// Regression: a purse that a node had shown, with its endless coins as null, could not be given to
/// another VC.
#[tokio::test]
async fn an_endless_coin_is_null_in_both_directions() {
    let node = Served::start(ephemeral()).await;
    node.spawn(&json!({
        "pod": {"native": "echo"}, "name": "a",
        "purse": {"fuel": null, "messages": u64::MAX, "children": 3, "motes": 2},
    }))
    .await;
    let purse = node.get("/v1/vcs/a").await["purse"].clone();
    for endless in ["fuel", "messages"] {
        let coin = &purse[endless];
        assert!(coin.is_null() || *coin == json!(u64::MAX), "{purse}");
    }
    assert_eq!(
        (&purse["children"], &purse["motes"]),
        (&json!(3), &json!(2))
    );
    node.spawn(&json!({"pod": {"native": "echo"}, "name": "b", "purse": purse}))
        .await;
    assert_eq!(node.get("/v1/vcs/b").await["purse"], purse);
    let motes = json!({"pod": {"native": "echo"}, "purse": {"motes": null}});
    let motes = node
        .write(Method::POST, "/v1/vcs")
        .json(&motes)
        .send()
        .await
        .unwrap();
    refused(motes, StatusCode::UNPROCESSABLE_ENTITY, Code::Malformed).await;
}
