//! A VC orders a job by a message, and the answer is a message.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use actors::birth::Birth;
use actors::view::Outgoing;
use adapters::compute::Launcher;
use adapters::pods::{FileMeta, PodName, PodPath, Quiet, Source, WalletName};
use genesis::id::VcId;
use medium::node::{Node, NodeConfig};
use medium::pod_store;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a test waits for what should come soon, in milliseconds.
const WAIT_MS: u64 = 30_000;

/// Prints "hello", makes `output/result` with the same, and exits with 3.
const PROGRAM: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "hello") (data (i32.const 200) "output") (data (i32.const 300) "output/result")
  (func $print (param $fd i32)
    (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 5))
    (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func (export "_start")
    (call $print (i32.const 1))
    (drop (call $mkdir (i32.const 3) (i32.const 200) (i32.const 6)))
    (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 300) (i32.const 13)
      (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 16)))
    (call $print (i32.load (i32.const 16)))
    (call $proc_exit (i32.const 3))))"#;

/// Does nothing, for ever.
const SPIN: &str =
    r#"(module (memory (export "memory") 1) (func (export "_start") (loop $on (br $on))))"#;

/// Leaves a link that leads out as what it made.
const LEAD_OUT: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_symlink" (func $link (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "../..") (data (i32.const 200) "up")
  (func (export "_start")
    (call $proc_exit (call $link (i32.const 100) (i32.const 5) (i32.const 3) (i32.const 200) (i32.const 2)))))"#;

/// Puts a pod into a data folder that no node uses now, and gives a key that reads it.
fn shared_pod(data: &Path) -> String {
    let pods = pod_store::open(data)
        .unwrap()
        .wallet(&WalletName::default())
        .unwrap();
    let name: PodName = "program".parse().unwrap();
    pods.create(&name, false).unwrap();
    let mut edit = pods.edit(&name).unwrap();
    for (path, text) in [
        ("/hello.wasm", PROGRAM),
        ("/spin.wasm", SPIN),
        ("/lead-out.wasm", LEAD_OUT),
    ] {
        let module = wat::parse_str(text).unwrap();
        let path: PodPath = path.parse().unwrap();
        edit.write(&path, &FileMeta::default(), &mut module.as_slice(), &Quiet)
            .unwrap();
    }
    edit.commit("a test").unwrap();
    pods.share(&name, &PodPath::root()).unwrap()
}

async fn node(data: &Path, runs_jobs: bool) -> Node {
    let launcher = Launcher {
        program: env!("CARGO_BIN_EXE_medium").into(),
        args: vec!["confine".into()],
    };
    let config = NodeConfig {
        data: Some(data.to_owned()),
        api: ([127, 0, 0, 1], 0).into(),
        jobs: runs_jobs.then_some(launcher),
        ..NodeConfig::default()
    };
    Node::start(config).await.unwrap()
}

async fn desk(node: &Node) -> VcId {
    let birth = Birth::native("compute", "").named("compute").durable();
    node.runtime().spawn(birth).await.unwrap()
}

async fn ask(node: &Node, vc: VcId, order: &str, key: &str, wait_ms: u64) -> Option<Value> {
    let mut outgoing = Outgoing::new(vc, order);
    outgoing.key = Some(key.to_owned());
    let answer = node.runtime().ask(outgoing, wait_ms).await.unwrap();
    answer
        .reply
        .map(|reply| serde_json::from_slice(&reply.contents).unwrap())
}

#[tokio::test]
async fn a_job_is_ordered_and_answered_by_messages() {
    let folder = TempDir::new().unwrap();
    let pod = shared_pod(folder.path());
    let running = node(folder.path(), true).await;
    let vc = desk(&running).await;
    let order = json!({ "pod": pod, "argv": ["hello.wasm"] }).to_string();
    let answer = ask(&running, vc, &order, "1", WAIT_MS).await.unwrap();
    assert_eq!(answer["end"], json!({ "exit": 3 }), "{answer}");
    assert_eq!(
        (&answer["cage"], &answer["stdout"]["text"]),
        (&json!("wasi"), &json!("hello"))
    );
    assert_eq!(answer["output"]["files"], 1, "{answer}");

    // What is not allowed, and what makes no sense, is answered as well.
    let native = json!({ "pod": pod, "argv": ["sh"] }).to_string();
    let refused = ask(&running, vc, &native, "2", WAIT_MS).await.unwrap();
    assert_eq!(refused["refused"]["code"], "denied", "{refused}");
    let refused = ask(&running, vc, "{", "3", WAIT_MS).await.unwrap();
    assert_eq!(refused["refused"]["code"], "malformed", "{refused}");
    let nowhere = json!({ "pod": "0".repeat(64), "argv": ["hello.wasm"] }).to_string();
    let refused = ask(&running, vc, &nowhere, "4", WAIT_MS).await.unwrap();
    assert_eq!(refused["refused"]["code"], "unknown", "{refused}");
    let outwards = json!({ "pod": pod, "argv": ["lead-out.wasm"], "output": "up" }).to_string();
    let refused = ask(&running, vc, &outwards, "5", WAIT_MS).await.unwrap();
    assert_eq!(
        refused["refused"]["what"], "`/up` leads out of the job's directory",
        "{refused}"
    );
    running.stop().await.unwrap();

    // Whoever has the key reads what it made, and nothing else was left behind.
    let reference = answer["output"]["reference"].as_str().unwrap().to_owned();
    let pods = pod_store::open(folder.path())
        .unwrap()
        .wallet(&WalletName::default())
        .unwrap();
    let mut made = Vec::new();
    let path = "/result".parse().unwrap();
    pods.read(
        &Source::Reference(reference),
        &path,
        None,
        &mut made,
        &Quiet,
    )
    .unwrap();
    assert_eq!(made, b"hello");
    let left = std::fs::read_dir(folder.path().join("compute"))
        .unwrap()
        .count();
    assert_eq!(left, 0);
}

/// Nobody is there to run it when it is ordered; the order outlives the node.
#[tokio::test]
async fn an_order_outlives_the_node() {
    let folder = TempDir::new().unwrap();
    let pod = shared_pod(folder.path());
    let first = node(folder.path(), false).await;
    let vc = desk(&first).await;
    let order = json!({ "pod": pod, "argv": ["hello.wasm"] }).to_string();
    assert_eq!(ask(&first, vc, &order, "1", 0).await, None);
    first.stop().await.unwrap();
    let second = node(folder.path(), true).await;
    let answer = ask(&second, vc, &order, "1", WAIT_MS).await.unwrap();
    assert_eq!(answer["end"], json!({ "exit": 3 }), "{answer}");
    second.stop().await.unwrap();
}

/// What runs when the node stops is ended with it, and run again by the next.
#[tokio::test]
async fn a_job_is_run_again_that_a_node_did_not_outlive() {
    let folder = TempDir::new().unwrap();
    let pod = shared_pod(folder.path());
    let first = node(folder.path(), true).await;
    let vc = desk(&first).await;
    let limits = json!({ "wall_ms": 2_000 });
    let order = json!({ "pod": pod, "argv": ["spin.wasm"], "limits": limits }).to_string();
    assert_eq!(ask(&first, vc, &order, "1", 500).await, None);
    first.stop().await.unwrap();
    let second = node(folder.path(), true).await;
    let answer = ask(&second, vc, &order, "1", WAIT_MS).await.unwrap();
    assert_eq!(answer["end"], json!({ "limit": "2 s" }), "{answer}");
    second.stop().await.unwrap();
}
