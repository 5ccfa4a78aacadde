//! What the tests of sandboxed bodies share: one engine, the parts that come with the program, and small ones.
#![allow(dead_code, reason = "each test binary uses its own share of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../../actors/tests/common/mod.rs"]
pub(crate) mod common;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use actors::birth::{Birth, CodeBirth, PartBirth};
use actors::runtime::{Config, Runtime};
use actors::sandbox::Sandbox;
use actors::view::Outgoing;
use adapters::store::memory::{FaultStore, Plan};
use adapters::wasm::{Engine, Options, assemble_text};
use common::{config_on, start};
use genesis::id::VcId;
use genesis::power::{Grants, Power};
use genesis::refusal::Code;

/// One engine for all tests: address space is reserved for each.
pub(crate) fn engine() -> Arc<dyn Sandbox> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| {
        let options = Options {
            small_max: 2_000,
            large_max: 8,
            ..Options::default()
        };
        Arc::new(Engine::new(options).unwrap())
    });
    Arc::clone(engine) as Arc<dyn Sandbox>
}

pub(crate) fn sandboxed(mut config: Config) -> Config {
    config.sandbox = Some(engine());
    config
}

pub(crate) async fn on_store() -> Runtime {
    let store = Arc::new(FaultStore::new(Plan::default()));
    start(sandboxed(config_on(1, store))).await
}

/// The text of a part that comes with the program.
pub(crate) fn source(path: &str) -> Vec<u8> {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../genesis/parts");
    std::fs::read(parts.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) async fn bring(runtime: &Runtime, text: &[u8]) -> PartBirth {
    let facts = runtime.bring(assemble_text(text).unwrap()).await.unwrap();
    PartBirth {
        role: None,
        code: CodeBirth::WebAssembly {
            module: facts.digest,
            argument: bytes::Bytes::new(),
        },
    }
}

pub(crate) async fn part(runtime: &Runtime, path: &str, role: &str) -> PartBirth {
    PartBirth {
        role: Some(role.to_owned()),
        ..bring(runtime, &source(path)).await
    }
}

pub(crate) fn body(parts: Vec<PartBirth>) -> Birth {
    Birth {
        parts,
        ..Birth::default()
    }
    .durable()
}

pub(crate) async fn log(runtime: &Runtime, id: VcId) -> String {
    let lines = runtime.logs(id, 0, 1_000).await.unwrap().lines;
    lines.into_iter().map(|line| line.text + "\n").collect()
}

/// What every test part has, beside its channels; `body` may use memory from 1024 on, and `$pack`.
pub(crate) fn module(imports: &str, body: &str) -> String {
    format!(
        r#"(module
  {imports}
  (memory (export "memory") 1 1)
  (global $top (export "top") (mut i32) (i32.const 32768))
  (func $pack (param i32 i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))
  (func (export "vc_abi") (result i32) (i32.const 1))
  (func (export "vc_alloc") (param $n i32) (result i32) (local $p i32)
    (local.set $p (global.get $top))
    (global.set $top (i32.add (local.get $p) (local.get $n)))
    (local.get $p))
  (func (export "vc_done") (global.set $top (i32.const 32768)))
  (func (export "vc_save") (result i64) (call $pack (i32.const 0) (i32.const 8)))
  (func (export "vc_load") (param i32 i32) (result i32) (i64.store (i32.const 0) (i64.load (local.get 0))) (i32.const 0))
  (func (export "vc_test") (param i32 i32) (result i64) (call $pack (i32.const 16) (i32.const 5)))
  (data (i32.const 16) "ok 1\0a")
  {body})"#
    )
}

/// Adds the first byte of a message to a sum and answers the sum's low byte as it is; `!` traps and `L` loops,
/// both after the sum was changed.
pub(crate) fn fragile() -> String {
    module(
        "",
        r#"(func (export "channel/main") (param $p i32) (param $n i32) (result i64)
    (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.load8_u (local.get $p))))
    (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 33)) (then (unreachable)))
    (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 76)) (then (loop $again (br $again))))
    (call $pack (i32.const 0) (i32.const 8)))"#,
    )
}

pub(crate) async fn sum(runtime: &Runtime, id: VcId, byte: u8) -> Result<u64, Code> {
    let outgoing = Outgoing::new(id, vec![byte]);
    let answer = runtime.ask(outgoing, common::WAIT_MS).await.unwrap();
    let reply = answer.reply.unwrap();
    match reply.refusal() {
        Some(why) => Err(why.code),
        None => Ok(u64::from_le_bytes(
            <[u8; 8]>::try_from(&reply.contents[..]).unwrap(),
        )),
    }
}

/// A robot: brain, judge and the good limb.
pub(crate) async fn robot(runtime: &Runtime) -> Birth {
    let mut robot = body(vec![
        part(runtime, "limb/robot-brain.wat", "brain").await,
        part(runtime, "limb/robot-judge.wat", "judge").await,
        part(runtime, "limb/limb-v1.wat", "limb").await,
    ]);
    robot.grants = Grants::NONE.with(Power::Send);
    robot
}
