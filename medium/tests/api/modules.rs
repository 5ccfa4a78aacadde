//! Sandboxed code over the API: modules that are brought, parts made of them, trials.

use genesis::refusal::Code;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::schema;
use super::support::{Served, ephemeral, is_text, refused};

/// A part that needs a channel that nobody gives; its test passes.
const NEEDY: &str = r#"(module
  (import "channel" "x/y" (func $need (param i32 i32) (result i64)))
  (memory (export "memory") 1 1)
  (data (i32.const 8) "ok 1\0a")
  (func (export "vc_abi") (result i32) (i32.const 1))
  (func (export "vc_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "vc_done"))
  (func (export "vc_save") (result i64) (i64.const 0))
  (func (export "vc_load") (param i32 i32) (result i32) (i32.const 0))
  (func (export "vc_test") (param i32 i32) (result i64) (i64.const 0x800000005))
  (func (export "channel/main") (param i32 i32) (result i64)
    (call $need (local.get 0) (local.get 1))))"#;

async fn bring(node: &Served, module: impl Into<reqwest::Body>) -> reqwest::Response {
    let request = node.write(Method::POST, "/v1/modules").body(module);
    request.send().await.expect("the node answers")
}

#[tokio::test]
async fn a_module_is_brought_once_and_named_by_its_digest() {
    let node = Served::start(ephemeral()).await;
    let document = node.get("/openapi.json").await;
    let check = |name: &str, answer: &Value| {
        let schema = &document["components"]["schemas"][name];
        assert_eq!(
            schema::complaint(&document, schema, answer),
            None,
            "{answer}"
        );
    };
    let brought = bring(&node, NEEDY).await;
    assert_eq!(brought.status(), StatusCode::CREATED);
    let facts: Value = brought.json().await.unwrap();
    check("Module", &facts);
    assert_eq!(
        (&facts["needs"], &facts["gives"]),
        (&json!(["x/y"]), &json!(["main"]))
    );
    assert_eq!(
        (&facts["tests"], &facts["decodes"]),
        (&json!(true), &json!(false))
    );
    let again: Value = bring(&node, NEEDY).await.json().await.unwrap();
    assert_eq!(again, facts);

    let digest = is_text(&facts["digest"]);
    let (status, spawned) = node
        .spawn(&json!({
            "pod": {"wasm": digest, "argument": "", "name": "needy"}, "turn_fuel": 2_000_000,
        }))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{spawned}");
    assert_eq!(spawned["name"], "needy");
    let shown = node.get("/v1/vcs/needy").await;
    assert_eq!(
        (&shown["hunger"], &shown["turn_fuel"]),
        (&json!(["x/y"]), &json!(2_000_000))
    );

    // A part that comes with the program needs nobody to bring it.
    let (_, host) = node.spawn(&json!({"pod": {"embedded": "robot"}})).await;
    assert_eq!(host["name"], "robot");
    let part = json!({"part": {"wasm": "limb-boaster"}, "role": "limb"});
    let trial = node.post("/v1/vcs/robot/try", &part).await;
    check("Trial", &trial);
    assert_eq!(trial["replaces"], 3);
    assert_eq!(trial["self"]["ok"], true);
    assert_eq!(trial["tests"]["ok"], false);
    assert!(is_text(&trial["verdict"]["refuse"]["what"]).contains("judge"));
    let better = json!({"part": {"wasm": "limb-v1"}, "role": "limb"});
    let trial = node.post("/v1/vcs/robot/try", &better).await;
    check("Trial", &trial);
    assert_eq!(trial["verdict"], "adopt");
    let moved = json!({"name": "moved", "value": 3});
    assert_eq!(trial["self"]["measured"], json!([moved]));
    let upgraded = node.post("/v1/vcs/robot/upgrade", &better).await;
    check("Placed", &upgraded);
    let stripped = node
        .post("/v1/vcs/robot/strip", &json!({"occurrence": 3}))
        .await;
    assert!(
        stripped["fuel"].is_u64() && stripped["message"].is_string(),
        "{stripped}"
    );
    let again = json!({"part": {"message": stripped["message"]}});
    let tried = node.write(Method::POST, "/v1/vcs/robot/try").json(&again);
    let (status, code) = (StatusCode::UNPROCESSABLE_ENTITY, Code::Malformed);
    refused(tried.send().await.unwrap(), status, code).await;
}

#[tokio::test]
async fn what_is_no_module_is_refused_with_its_place() {
    let node = Served::start(ephemeral()).await;
    let (status, code) = (StatusCode::UNPROCESSABLE_ENTITY, Code::Malformed);
    let text = bring(&node, "(module\n  (func foo))").await;
    let why = refused(text, status, code).await;
    assert!(
        is_text(&why["what"]).starts_with("line 2, column 9: "),
        "{why}"
    );
    for bad in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"\xff\xfe"] {
        refused(bring(&node, bad).await, status, code).await;
    }
    let long = vec![b' '; medium::server::MODULE_BODY_BYTES_MAX + 1];
    let (large, too_large) = (StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge);
    refused(bring(&node, long).await, large, too_large).await;

    // Neither a name nor a digest; or a digest that nobody brought.
    let spawn = async |body: Value, status: StatusCode, code: Code| -> Value {
        let asked = node.write(Method::POST, "/v1/vcs").json(&body);
        refused(asked.send().await.unwrap(), status, code).await
    };
    let unknown = json!({"pod": {"wasm": "lamb-v1"}});
    let why = spawn(unknown, StatusCode::NOT_FOUND, Code::Unknown).await;
    assert!(
        is_text(&why["what"]).contains("the nearest is `limb-v1`"),
        "{why}"
    );
    let nobodys = json!({"pod": {"wasm": "0".repeat(64)}});
    spawn(nobodys, status, Code::Untestable).await;
    for pod in [
        json!({"wasm": "hello", "native": "echo"}),
        json!({"wasm": "hello", "argument": "x", "base64_argument": "eA=="}),
        json!({"wasm": "hello", "base64_argument": "?"}),
        json!({"native": "echo", "base64_argument": ""}),
        json!({"embedded": "echo", "name": "x"}),
    ] {
        spawn(json!({"pod": pod}), status, code).await;
    }
    let greedy = json!({"pod": {"wasm": "hello"}, "turn_fuel": 1_000_000_001});
    spawn(greedy, large, too_large).await;
}
