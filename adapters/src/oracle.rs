//! What must hold of anything a stranger may send here: the judges of fuzz targets and property tests.
//!
//! Each answers whether it was understood. A judge that panics has found a defect.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use actors::behaviour::Fault;
use actors::sandbox::{Givers, Piece, Sandbox, Source};
use bytes::Bytes;
use genesis::channel::Channel;
use genesis::id::Digest;

use crate::pod_dir::PodDir;
use crate::recipe::Recipe;
use crate::wasm::{Engine, Options, assemble_text, decoded_parts, read_module};

/// Any bytes as a module: refused by name, or read; never compiled here.
pub fn module(bytes: &[u8]) -> bool {
    read_module(bytes).is_ok()
}

/// Any text as the `vc.json` of a pod.
///
/// # Panics
/// If a pod that was read is written as something else.
pub fn vc_json(text: &[u8]) -> bool {
    let files = BTreeMap::from([("vc.json".to_owned(), Bytes::copy_from_slice(text))]);
    let Ok(pod) = PodDir::from_files("fuzz", &files) else {
        return false;
    };
    let again = BTreeMap::from([("vc.json".to_owned(), Bytes::from(pod.to_json()))]);
    let again = PodDir::from_files("fuzz", &again).expect("what was written can be read");
    assert_eq!(again.to_json(), pod.to_json(), "a pod has another form");
    true
}

/// Any bytes as a line of a program outside: understood, or refused by name.
pub fn outside_line(line: &[u8]) -> bool {
    crate::outside::line::Said::read(line).is_ok()
}

/// Any text as a recipe: refused by name, or read; and what was read is given back, every key in its place.
///
/// # Panics
/// If a recipe that was read is written as something else.
pub fn recipe(text: &[u8]) -> bool {
    let Ok(recipe) = Recipe::parse("recipe.json", text) else {
        return false;
    };
    let written = recipe.to_json();
    let again = Recipe::parse("recipe.json", written.as_bytes()).expect("what was written is read");
    assert_eq!(again, recipe, "a recipe has another form");
    assert_eq!(again.to_json(), written, "a recipe has a second form");
    true
}

/// Any bytes as what a decoder answers: a list of parts that takes all of the bytes, or a refusal.
///
/// # Panics
/// If parts that were read do not make up the bytes.
pub fn decoder_output(bytes: &[u8]) -> bool {
    let Ok(parts) = decoded_parts(bytes) else {
        return false;
    };
    let written: usize = parts.iter().map(|part| 4 + part.len()).sum();
    assert_eq!(written, bytes.len(), "bytes that belong to no part");
    true
}

/// A guest that answers whatever pointers and lengths the bytes say, to a host that must not care: from
/// `vc_alloc` the first four, from its channel the next eight, and a call of a need with four and four more.
///
/// # Panics
/// Never; that is the law.
pub fn pointers(bytes: &[u8]) -> bool {
    /// Answers every call with as many bytes as it was asked with.
    struct Mirror;
    impl Givers for Mirror {
        fn give(&mut self, _: Channel, request: &[u8], answer: &mut Vec<u8>) -> Result<(), Fault> {
            answer.extend_from_slice(request);
            Ok(())
        }
    }
    const LIAR: &str = r#"(module
      (import "channel" "mirror" (func $need (param i32 i32) (result i64)))
      (memory (export "memory") 1 1)
      (data (i32.const 1) "\80")
      (func (export "vc_abi") (result i32) (i32.const 1))
      (func (export "vc_alloc") (param i32) (result i32) (i32.load (i32.const 0)))
      (func (export "vc_done"))
      (func (export "vc_save") (result i64) (i64.load (i32.const 4)))
      (func (export "vc_load") (param i32 i32) (result i32) (i32.const 0))
      (func (export "vc_born") (param $p i32) (param $n i32) (result i32)
        (memory.copy (i32.const 0) (local.get $p) (local.get $n)) (i32.const 0))
      (func (export "vc_test") (param i32 i32) (result i64) (i64.load (i32.const 4)))
      (func (export "channel/main") (param i32 i32) (result i64)
        (drop (call $need (i32.load (i32.const 12)) (i32.load (i32.const 16))))
        (i64.load (i32.const 4))))"#;
    static ENGINE: OnceLock<(Engine, Digest)> = OnceLock::new();
    const FUEL: u64 = 100_000;
    let (engine, module) = ENGINE.get_or_init(|| {
        let options = Options {
            small_max: 16,
            large_max: 1,
            ..Options::default()
        };
        let engine = Engine::new(options).expect("an engine starts");
        let module = assemble_text(LIAR.as_bytes()).expect("the liar assembles");
        let facts = engine.admit(&module).expect("the liar is a part");
        (engine, facts.digest)
    });
    let mut said = [0; 20];
    let len = bytes.len().min(said.len());
    said[..len].copy_from_slice(&bytes[..len]);
    let piece = Piece {
        occurrence: 1,
        digest: Digest::ZERO,
        module: *module,
        argument: Bytes::copy_from_slice(&said),
        from: Source::Birth,
    };
    // At its birth it has room at 32,768; what it says from then on is what the bytes say.
    let Ok(mut capsule) = engine.assemble(&[piece], FUEL) else {
        return false;
    };
    let mut answer = Vec::new();
    let called = capsule.call(Channel::MAIN, b"?", FUEL, &mut Mirror, &mut answer);
    let understood = called.outcome.is_ok();
    if understood {
        let _ = capsule.save(1, FUEL);
    }
    understood
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn judges_know_what_is_right() {
        assert!(vc_json(include_bytes!("../../genesis/pods/robot/vc.json")));
        assert!(recipe(br#"{"name": "a", "golem": {"exec": "b"}}"#));
        let text = include_bytes!("../../genesis/parts/limb/limb-v1.wat");
        assert!(module(&assemble_text(text).expect("it assembles")));
        assert!(decoder_output(b"\x02\0\0\0hi\0\0\0\0"));
        assert!(!decoder_output(b"\x03\0\0\0hi"));
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            module(&bytes);
            module(&[b"\0asm\x01\0\0\0", bytes.as_slice()].concat());
            vc_json(&bytes);
            recipe(&bytes);
            decoder_output(&bytes);
        }

        #[test]
        fn no_pointer_does_harm(said: [u32; 5]) {
            pointers(&said.map(u32::to_le_bytes).concat());
        }
    }
}
