//! What the tests of the sandbox share: small parts as text, an engine, and givers that write down.

#![allow(dead_code, reason = "each test file uses some of it")]

use actors::behaviour::Fault;
use actors::sandbox::{Capsule, Givers, ModuleFacts, Piece, Sandbox, Source};
use adapters::wasm::{Engine, Options, assemble_text};
use bytes::Bytes;
use genesis::channel::Channel;
use genesis::id::Digest;
use genesis::refusal::{Code, Refusal};
use std::sync::Arc;

pub(crate) const FUEL: u64 = 1_000_000;

/// An engine with room for a few.
pub(crate) fn engine() -> Engine {
    Engine::new(Options {
        small_max: 256,
        large_max: 16,
        ..Options::default()
    })
    .expect("an engine starts")
}

/// What every part exports, but its memory: a bump allocator above 1024, no state.
pub(crate) const ABI: &str = r#"
  (global $top (export "top") (mut i32) (i32.const 1024))
  (func $pack (param i32 i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))
  (func (export "vc_abi") (result i32) (i32.const 1))
  (func (export "vc_alloc") (param $n i32) (result i32) (local $p i32)
    (local.set $p (global.get $top))
    (global.set $top (i32.and (i32.add (i32.add (local.get $p) (local.get $n)) (i32.const 7)) (i32.const -8)))
    (local.get $p))
  (func (export "vc_done") (global.set $top (i32.const 1024)))
"#;

/// A part that has no state to save.
pub(crate) const NO_STATE: &str = r#"
  (func (export "vc_save") (result i64) (i64.const 0))
  (func (export "vc_load") (param i32 i32) (result i32) (i32.ne (local.get 1) (i32.const 0)))
"#;

/// The text of a module with one page: imports, then the ABI, then the rest.
pub(crate) fn part(imports: &str, rest: &str) -> String {
    format!("(module {imports} (memory (export \"memory\") 1 1) {ABI} {NO_STATE} {rest})")
}

/// A part of which `main` is this body, with `$p` and `$n` for what came in.
pub(crate) fn main(imports: &str, body: &str) -> String {
    part(
        imports,
        &format!(
            "(func (export \"channel/main\") (param $p i32) (param $n i32) (result i64) {body})"
        ),
    )
}

/// A part that gives `name` and answers what came in.
pub(crate) fn echo(name: &str) -> String {
    part(
        "",
        &format!(
            "(func (export \"channel/{name}\") (param $p i32) (param $n i32) (result i64)
               (call $pack (local.get $p) (local.get $n)))"
        ),
    )
}

/// A part that gives `gives` by calling `needs` with what came in.
pub(crate) fn passes_on(gives: &str, needs: &str) -> String {
    part(
        &format!("(import \"channel\" \"{needs}\" (func $needs (param i32 i32) (result i64)))"),
        &format!(
            "(func (export \"channel/{gives}\") (param $p i32) (param $n i32) (result i64)
               (call $needs (local.get $p) (local.get $n)))"
        ),
    )
}

/// Adds the bytes of its messages to a total and answers the total; `scale` tells versions apart.
pub(crate) fn counter(scale: u32) -> String {
    format!(
        r#"(module
  (memory (export "memory") 1 1) {ABI}
  (func (export "vc_save") (result i64) (call $pack (i32.const 0) (i32.const 4)))
  (func (export "vc_load") (param $p i32) (param $n i32) (result i32)
    (if (i32.ne (local.get $n) (i32.const 4)) (then (return (i32.const 1))))
    (i32.store (i32.const 0) (i32.load (local.get $p))) (i32.const 0))
  (func (export "channel/count/add") (param $p i32) (param $n i32) (result i64) (local $i i32)
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $i) (local.get $n)))
      (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0))
        (i32.mul (i32.const {scale}) (i32.load8_u (i32.add (local.get $p) (local.get $i))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $next)))
    (call $pack (i32.const 0) (i32.const 4))))"#
    )
}

pub(crate) fn wasm(text: &str) -> Bytes {
    assemble_text(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

pub(crate) fn admit(engine: &Engine, text: &str) -> Arc<ModuleFacts> {
    let admitted = engine.admit(&wasm(text));
    admitted.unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Why a module is not taken.
pub(crate) fn refusal(engine: &Engine, text: &str) -> Refusal {
    match engine.admit(&wasm(text)) {
        Ok(facts) => panic!("taken: {facts:?}\n{text}"),
        Err(refusal) => refusal,
    }
}

/// A piece of a module, that begins.
pub(crate) fn piece(occurrence: u64, facts: &ModuleFacts) -> Piece {
    Piece {
        occurrence,
        digest: facts.digest,
        module: facts.digest,
        argument: Bytes::new(),
        from: Source::Birth,
    }
}

/// A body of these texts, as occurrences 0, 1, ..., all of which begin.
pub(crate) fn body(engine: &Engine, texts: &[&str]) -> Box<dyn Capsule> {
    let pieces: Vec<_> = texts
        .iter()
        .zip(0..)
        .map(|(text, at)| piece(at, &admit(engine, text)))
        .collect();
    engine
        .assemble(&pieces, FUEL)
        .expect("a body of good parts")
}

/// Writes down what it is asked, and answers the same each time.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) asked: Vec<(Channel, Vec<u8>)>,
    pub(crate) answer: Vec<u8>,
    pub(crate) fault: Option<Fault>,
}

impl Givers for Notes {
    fn give(
        &mut self,
        channel: Channel,
        request: &[u8],
        answer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        self.asked.push((channel, request.to_vec()));
        answer.extend_from_slice(&self.answer);
        self.fault.clone().map_or(Ok(()), Err)
    }
}

/// Nobody: every need is unmet.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Givers for Nobody {
    fn give(&mut self, channel: Channel, _: &[u8], _: &mut Vec<u8>) -> Result<(), Fault> {
        Err(Fault::new(Code::Fault, format!("unmet need {channel}")))
    }
}

/// What a capsule answers on a channel.
pub(crate) fn ask(
    capsule: &mut dyn Capsule,
    channel: &str,
    input: &[u8],
) -> Result<Option<Vec<u8>>, Fault> {
    let mut answer = Vec::new();
    let channel = channel.parse().expect("a channel's name");
    let called = capsule.call(channel, input, FUEL, &mut Nobody, &mut answer);
    called.outcome.map(|answered| answered.then_some(answer))
}

/// Why `main` fails.
pub(crate) fn fault(engine: &Engine, texts: &[&str]) -> Fault {
    let mut capsule = body(engine, texts);
    match ask(&mut *capsule, "main", b"") {
        Ok(answer) => panic!("it answers {answer:?}"),
        Err(fault) => fault,
    }
}

/// The digest that a text's module has.
pub(crate) fn digest(text: &str) -> Digest {
    Digest::of(&wasm(text))
}
