//! What only a program that speaks to the API itself can do wrong.

use std::path::Path;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::place::Place;

#[path = "../api/schema.rs"]
mod schema;

struct Api {
    client: Client,
    base: String,
    token: String,
}

impl Api {
    fn of(data: &Path) -> Self {
        let node: Value =
            serde_json::from_slice(&std::fs::read(data.join("node.json")).unwrap()).unwrap();
        Self {
            client: Client::builder().no_proxy().build().unwrap(),
            base: node["api"].as_str().unwrap().to_owned(),
            token: node["token"].as_str().unwrap().to_owned(),
        }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token)
    }

    async fn answer(&self, request: RequestBuilder) -> (StatusCode, Value) {
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.answer(self.ask(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.answer(self.ask(Method::POST, path).json(body)).await
    }
}

/// Every answer of pods is what the document says, and none is given without the token.
#[tokio::test]
async fn answers_are_what_the_document_says() {
    let place = Place::on_a_node();
    let api = Api::of(&place.path().join("data"));
    let document: Value = api.get("/openapi.json").await.1;
    let check = |method: &str, path: &str, (status, answer): &(StatusCode, Value)| {
        let response = &document["paths"][path][method]["responses"][status.as_str()];
        let media = &response["content"]["application/json"]["schema"];
        assert!(media.is_object(), "{method} {path}: {status} {answer}");
        let wrong = schema::complaint(&document, media, answer);
        assert_eq!(wrong, None, "{method} {path}: {answer}");
    };
    let made = api
        .post("/v1/pods", &json!({ "name": "p", "public": true }))
        .await;
    check("post", "/v1/pods", &made);
    let begun = api.post("/v1/pods/p/edits", &json!({})).await;
    check("post", "/v1/pods/{pod}/edits", &begun);
    let edit = begun.1["edit"].as_str().unwrap().to_owned();
    let put = api.ask(
        Method::PUT,
        &format!("/v1/edits/{edit}/file?path=/a/b.txt&bytes=5"),
    );
    let put = api.answer(put.body("hello")).await;
    check("put", "/v1/edits/{edit}/file", &put);
    for change in [
        json!({ "make-directory": { "path": "/c" } }),
        json!({ "copy": { "from": "/a/b.txt", "to": "/c/d.txt" } }),
        json!({ "rename": { "from": "/c/d.txt", "to": "/c/e.txt" } }),
        json!({ "remove": { "path": "/c/e.txt" } }),
    ] {
        let made = api.post(&format!("/v1/edits/{edit}/change"), &change).await;
        check("post", "/v1/edits/{edit}/change", &made);
    }
    let committed = api
        .post(&format!("/v1/edits/{edit}/commit"), &json!({}))
        .await;
    check("post", "/v1/edits/{edit}/commit", &committed);
    let shared = api.post("/v1/pods/p/share", &json!({})).await;
    check("post", "/v1/pods/{pod}/share", &shared);
    let key = shared.1["key"].as_str().unwrap();
    let forked = api
        .post(
            "/v1/pods",
            &json!({ "name": "f", "from": { "reference": key } }),
        )
        .await;
    check("post", "/v1/pods", &forked);
    for (path, real) in [
        ("/v1/wallets", "/v1/wallets".to_owned()),
        ("/v1/pods", "/v1/pods".to_owned()),
        ("/v1/pods/{pod}", "/v1/pods/f".to_owned()),
        ("/v1/pods/{pod}/history", "/v1/pods/p/history".to_owned()),
        ("/v1/pods/{pod}/offers", "/v1/pods/p/offers".to_owned()),
        ("/v1/dfs/find", format!("/v1/dfs/find?reference={key}")),
        ("/v1/dfs/list", "/v1/dfs/list?pod=p".to_owned()),
        ("/v1/dfs/walk", format!("/v1/dfs/walk?reference={key}")),
        (
            "/v1/dfs/stat",
            "/v1/dfs/stat?pod=p&at=1&path=/a/b.txt".to_owned(),
        ),
        ("/v1/dfs/batches", "/v1/dfs/batches".to_owned()),
        ("/v1/dfs/pins", "/v1/dfs/pins".to_owned()),
    ] {
        check("get", path, &api.get(&real).await);
        let without = api
            .client
            .get(format!("{}{real}", api.base))
            .send()
            .await
            .unwrap();
        assert_eq!(without.status(), StatusCode::UNAUTHORIZED, "{real}");
    }
    for (path, real, body) in [
        ("/v1/pods/{pod}/close", "/v1/pods/f/close", json!({})),
        ("/v1/pods/{pod}/open", "/v1/pods/f/open", json!({})),
        ("/v1/dfs/bought", "/v1/dfs/bought", json!({})),
        ("/v1/dfs/collect", "/v1/dfs/collect", json!({})),
        (
            "/v1/dfs/pins",
            "/v1/dfs/pins",
            json!({ "reference": key, "pinned": true }),
        ),
    ] {
        check("post", path, &api.post(real, &body).await);
    }
    let removed = api.answer(api.ask(Method::DELETE, "/v1/pods/f")).await;
    check("delete", "/v1/pods/{pod}", &removed);
    let verified = api
        .ask(Method::POST, "/v1/dfs/verify?pod=p")
        .send()
        .await
        .unwrap();
    let lines = verified.text().await.unwrap();
    let described = &document["paths"]["/v1/dfs/verify"]["post"]["responses"]["200"];
    let line = &described["content"]["application/x-ndjson"]["schema"];
    for text in lines.lines() {
        let value = serde_json::from_str(text).unwrap();
        assert_eq!(schema::complaint(&document, line, &value), None, "{text}");
    }
}

/// Ranges, as every HTTP client asks for them; a file that is cut off is no file; an edit is over once.
#[tokio::test]
async fn files_are_read_in_ranges_and_written_whole() {
    let place = Place::on_a_node();
    let api = Api::of(&place.path().join("data"));
    api.post("/v1/pods", &json!({ "name": "p" })).await;
    let begun = api.post("/v1/pods/p/edits", &json!({})).await.1;
    let edit = begun["edit"].as_str().unwrap();
    let file = |path: &str, more: &str| {
        api.ask(
            Method::PUT,
            &format!("/v1/edits/{edit}/file?path={path}{more}"),
        )
    };
    let digits: String = ('0'..='9').collect();
    api.answer(file("/digits", "").body(digits)).await;
    let (status, refused) = api
        .answer(file("/short", "&bytes=11").body("0123456789"))
        .await;
    assert!(
        status.is_client_error() || status.is_server_error(),
        "{refused}"
    );
    let (status, _) = api.answer(file("/digits/below", "").body("x")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, refused) = api.answer(file("/../x", "").body("x")).await;
    assert_eq!(
        (status, &refused["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &"malformed".into())
    );
    let commit = format!("/v1/edits/{edit}/commit");
    assert_eq!(api.post(&commit, &json!({})).await.1["files"], 1);
    let (status, again) = api.post(&commit, &json!({})).await;
    assert_eq!(
        (status, &again["code"]),
        (StatusCode::NOT_FOUND, &"unknown".into())
    );
    for (range, status, body) in [
        (None, 200, "0123456789"),
        (Some("bytes=2-4"), 206, "234"),
        (Some("bytes=-3"), 206, "789"),
        (Some("bytes=8-"), 206, "89"),
        (Some("lines=1"), 200, "0123456789"),
    ] {
        let mut request = api.ask(Method::GET, "/v1/dfs/file?pod=p&path=/digits");
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{range:?}");
        assert_eq!(answer.text().await.unwrap(), body, "{range:?}");
    }
    let beyond = api
        .ask(Method::GET, "/v1/dfs/file?pod=p&path=/digits")
        .header("range", "bytes=10-");
    let beyond = beyond.send().await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.headers()["content-range"], "bytes */10");
    for odd in [
        "",
        "?pod=p&reference=x",
        "?reference=x&at=1",
        "?pod=a/b",
        "?pod=p&path=/..",
    ] {
        let (status, refused) = api.get(&format!("/v1/dfs/list{odd}")).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{odd}: {refused}");
    }
}

/// Edits are bounded, and one that is abandoned makes room and leaves nothing.
#[tokio::test]
async fn edits_are_bounded() {
    let place = Place::on_a_node();
    let api = Api::of(&place.path().join("data"));
    api.post("/v1/pods", &json!({ "name": "p" })).await;
    let mut edits = Vec::new();
    let refused = loop {
        let (status, answer) = api.post("/v1/pods/p/edits", &json!({})).await;
        if status != StatusCode::CREATED {
            break answer;
        }
        edits.push(answer["edit"].as_str().unwrap().to_owned());
    };
    assert_eq!(
        (edits.len(), &refused["code"]),
        (medium::server::EDITS_MAX, &"busy".into())
    );
    let (status, _) = api
        .answer(api.ask(Method::DELETE, &format!("/v1/edits/{}", edits[0])))
        .await;
    assert_eq!(status, StatusCode::OK);
    // Its thread gives its place back before long.
    while api.post("/v1/pods/p/edits", &json!({})).await.0 != StatusCode::CREATED {}
    let (_, history) = api.get("/v1/pods/p/history").await;
    assert_eq!(history.as_array().unwrap().len(), 1);
}
