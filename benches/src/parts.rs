//! The sandboxed parts that are measured: small ones, as text, and some that come with the program.

use std::path::Path;

use adapters::wasm::assemble_text;
use bytes::Bytes;

/// Bytes of a message to a sandboxed part.
pub const MESSAGE_BYTES: usize = 64;

/// What a message to a counting part holds: at how many messages it is finished, then what is added up.
pub fn message(last: u64) -> Bytes {
    let mut bytes = vec![1; MESSAGE_BYTES];
    bytes[..8].copy_from_slice(&last.to_le_bytes());
    bytes.into()
}

/// What every part here has beside its channels: scratch from 1024 on, 16 bytes of state at 0.
fn module(imports: &str, body: &str) -> Bytes {
    let text = format!(
        r#"(module
  {imports}
  (memory (export "memory") 1 1)
  (global $top (export "top") (mut i32) (i32.const 1024))
  (func $pack (param i32 i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1))))
  (func (export "vc_abi") (result i32) (i32.const 1))
  (func (export "vc_alloc") (param $n i32) (result i32) (local $p i32)
    (local.set $p (global.get $top))
    (global.set $top (i32.and (i32.add (i32.add (local.get $p) (local.get $n)) (i32.const 7)) (i32.const -8)))
    (local.get $p))
  (func (export "vc_done") (global.set $top (i32.const 1024)))
  (func (export "vc_save") (result i64) (call $pack (i32.const 0) (i32.const 16)))
  (func (export "vc_load") (param $p i32) (param $n i32) (result i32)
    (memory.copy (i32.const 0) (local.get $p) (i32.const 16)) (i32.const 0))
  (func (export "vc_test") (param i32 i32) (result i64) (call $pack (i32.const 16) (i32.const 5)))
  (data (i32.const 16) "ok 1\0a")
  {body})"#
    );
    wasm(text.as_bytes())
}

fn wasm(text: &[u8]) -> Bytes {
    assemble_text(text).expect("a part of the benches is well-formed")
}

/// Adds up the bytes of its messages and counts them; tells its first contact when it is finished. Answers
/// with the sum, in 4 bytes, or not at all.
fn counting(channel: &str, answer: &str) -> Bytes {
    module(
        r#"(import "channel" "medium/send" (func $send (param i32 i32) (result i64)))"#,
        &format!(
            r#"(data (i32.const 256) "\00\00\00\00\00\00\00\00\04main\01\00\00\00\00\00\00\00")
  (func (export "channel/{channel}") (param $p i32) (param $n i32) (result i64) (local $i i32)
    (block $end (loop $next
      (br_if $end (i32.ge_u (local.get $i) (local.get $n)))
      (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8))
        (i32.load8_u (i32.add (local.get $p) (local.get $i)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $next)))
    (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.const 1)))
    (if (i64.eq (i64.load (i32.const 0)) (i64.load (local.get $p))) (then
      (i64.store (i32.const 0) (i64.const 0))
      (drop (call $send (i32.const 256) (i32.const 21)))))
    {answer})"#
        ),
    )
}

/// A part that counts what it is sent, and answers nothing.
pub fn counter() -> Bytes {
    counting("main", "(i64.const 0)")
}

/// A part that counts what another part passes on, and answers it.
pub fn adder() -> Bytes {
    counting("count/add", "(call $pack (i32.const 8) (i32.const 4))")
}

/// A part that passes its messages on to whoever gives `count/add`, and answers nothing.
pub fn front() -> Bytes {
    module(
        r#"(import "channel" "count/add" (func $add (param i32 i32) (result i64)))"#,
        r#"(func (export "channel/main") (param i32 i32) (result i64)
    (drop (call $add (local.get 0) (local.get 1))) (i64.const 0))"#,
    )
}

/// A version of a part that answers a message with what it has added up; each takes over from any other.
pub fn version(number: u32) -> Bytes {
    module(
        "",
        &format!(
            r#"(func (export "channel/main") (param $p i32) (param $n i32) (result i64)
    (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.const {number})))
    (call $pack (i32.const 0) (i32.const 8)))"#
        ),
    )
}

/// A part that answers a message with the same, at once.
pub fn echo() -> Bytes {
    module(
        "",
        r#"(func (export "channel/main") (param i32 i32) (result i64)
    (call $pack (local.get 0) (local.get 1)))"#,
    )
}

/// A part that never comes back from a message.
pub fn hostile() -> Bytes {
    module(
        "",
        r#"(func (export "channel/main") (param i32 i32) (result i64)
    (loop $again (br $again)) (i64.const 0))"#,
    )
}

/// A part that comes with the program, if it is there: its place below `genesis/parts`.
pub fn built_in(path: &str) -> Option<Bytes> {
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../genesis/parts");
    let bytes = std::fs::read(parts.join(path)).ok()?;
    Some(if bytes.starts_with(b"\0asm") {
        bytes.into()
    } else {
        wasm(&bytes)
    })
}

/// The four parts of the console, if they are there.
pub fn console() -> Option<Vec<Bytes>> {
    [
        "chip8-cpu/chip8-cpu.wasm",
        "chip8/chip8-ram.wat",
        "chip8/chip8-io.wat",
        "chip8/chip8-cartridge.wat",
    ]
    .into_iter()
    .map(built_in)
    .collect()
}
