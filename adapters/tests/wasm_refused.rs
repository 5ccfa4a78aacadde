//! Which modules and images are refused, and what is said of them.

mod wasm_harness;

use actors::behaviour::Fault;
use actors::sandbox::{Sandbox, Source};
use adapters::wasm::{Engine, decoded_parts};
use bytes::Bytes;
use genesis::refusal::{Code, Refusal};
use proptest::prelude::*;
use wasm_harness::{
    FUEL, admit, ask, body, counter, engine, part, passes_on, piece, refusal, wasm,
};

#[track_caller]
fn check_refused(text: &str, code: Code, what: &str) {
    let Refusal {
        code: found,
        what: said,
        hint,
        ..
    } = refusal(&engine(), text);
    assert_eq!(found, code, "{said}");
    assert!(said.contains(what), "{said}\ndoes not say: {what}");
    assert!(hint.is_some(), "{said}");
}

#[test]
fn modules_that_are_no_parts() {
    let malformed = |text: &str, what: &str| check_refused(text, Code::Malformed, what);
    malformed("(module)", "does not export `memory`");
    let whole = part("", "");
    for name in [
        "memory", "vc_abi", "vc_alloc", "vc_done", "vc_save", "vc_load",
    ] {
        let without = whole.replace(&format!("(export \"{name}\")"), "");
        malformed(&without, &format!("does not export `{name}`"));
    }
    for (from, to, what) in [
        (
            "(func (export \"vc_abi\") (result i32) (i32.const 1))",
            "(func (export \"vc_abi\"))",
            "`vc_abi` is not a function of type () -> i32",
        ),
        (
            "(export \"memory\")",
            "(export \"memory\") (export \"vc_test\")",
            "`vc_test` is not a function",
        ),
        ("(i32.const 1))", "(i32.const 2))", "speaks ABI 2"),
        ("(i32.const 1))", "(unreachable))", "does not begin"),
        (
            "(export \"top\")",
            "",
            "global 0 can change and is not exported",
        ),
    ] {
        malformed(&whole.replacen(from, to, 1), what);
    }
    malformed(&part("", "(func $s) (start $s)"), "start function");
    malformed(
        &part("", "(data (i32.const 65530) \"too far out\")"),
        "does not begin",
    );
    malformed(
        &part("", "(global (export \"g\") (mut funcref) (ref.null func))"),
        "is no number",
    );
    malformed(
        &part(
            "",
            "(func (export \"channel/Main\") (param i32 i32) (result i64) (i64.const 0))",
        ),
        "channel `Main`",
    );
    malformed(
        &part("", "(func (export \"channel/main\"))"),
        "`channel/main` is not a function",
    );
    malformed(
        &part(
            "",
            "(func (export \"channel/contents/read\") (param i32 i32) (result i64) (i64.const 0))",
        ),
        "only the host gives",
    );
    malformed(
        &part("", "(func (export \"vc_test\") (result i64) (i64.const 0))"),
        "`vc_test`",
    );
}

#[test]
fn what_a_part_may_import() {
    for (import, what) in [
        (
            r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#,
            "`fd_write` of `wasi_snapshot_preview1`",
        ),
        (r#"(import "env" "abort" (func))"#, "`abort` of `env`"),
        (
            r#"(import "channel" "t" (table 1 funcref))"#,
            "is no function",
        ),
        (r#"(import "channel" "g" (global i32))"#, "is no function"),
        (
            r#"(import "channel" "a//b" (func (param i32 i32) (result i64)))"#,
            "channel `a//b`",
        ),
        (
            r#"(import "channel" "a" (func (param i32) (result i64)))"#,
            "not a function of type (i32, i32) -> i64",
        ),
    ] {
        check_refused(&part(import, ""), Code::Malformed, what);
    }
    let memory = part("", "").replace(
        "(memory (export \"memory\") 1 1)",
        r#"(memory (export "memory") (import "channel" "m") 1 1)"#,
    );
    check_refused(&memory, Code::Malformed, "is no function");
}

#[test]
fn what_of_webassembly_a_part_may_use() {
    for rest in [
        "(func (drop (v128.const i64x2 0 0)))",
        "(memory $second 1 1)",
        "(func (param i64) (drop (i32.atomic.load (i32.const 0))))",
        "(func $f (return_call $f))",
        "(tag $t) (func (throw $t))",
        "(type $s (struct)) (func (drop (struct.new $s)))",
        "(func (param externref))",
        "(table 1 funcref) (table 1 funcref)",
        "(table $t 1 funcref) (func (table.set $t (i32.const 0) (ref.null func)))",
        "(table $t 1 funcref) (func (drop (table.grow $t (ref.null func) (i32.const 1))))",
        "(data $d \"x\") (func (data.drop $d))",
        "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
    ] {
        let refusal = refusal(&engine(), &part("", rest));
        assert!(
            matches!(refusal.code, Code::Malformed | Code::TooLarge),
            "{rest}: {refusal}"
        );
    }
    for memory in [
        "(memory (export \"memory\") i64 1 1)",
        "(memory (export \"memory\") 1 1 shared)",
    ] {
        let text = part("", "").replace("(memory (export \"memory\") 1 1)", memory);
        assert_eq!(refusal(&engine(), &text).code, Code::Malformed, "{memory}");
    }
    // What compilers commonly use.
    let usual = part(
        "",
        "(table 2 funcref) (elem (i32.const 0) $pack $pack) (data $d \"x\")
         (func (result i32) (i32.extend8_s (i32.trunc_sat_f64_u (f64.const 1e9))))
         (func (memory.copy (i32.const 0) (i32.const 8) (i32.const 8)))
         (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)))
         (func (result i32 i32) (i32.const 1) (i32.const 2))
         (func (param i32 i32) (result i64)
           (call_indirect (param i32 i32) (result i64) (local.get 0) (local.get 1) (i32.const 0)))",
    );
    admit(&engine(), &usual);
}

#[test]
fn modules_have_bounds() {
    let too_large = |text: &str, what: &str| check_refused(text, Code::TooLarge, what);
    too_large(
        &part(
            "",
            &format!("(data (i32.const 0) \"{}\")", "x".repeat(256 * 1024)),
        ),
        "at most 262144 are taken",
    );
    let long = format!("(func {})", "(drop (i32.const 1)) ".repeat(30_000));
    too_large(&part("", &long), "at most 65536 are taken");
    too_large(
        &part("", &format!("(func (local {}))", "i32 ".repeat(3_000))),
        "3000 local variables",
    );
    too_large(
        &part("", &"(func)".repeat(9_000)),
        "functions, at most 8192",
    );
    too_large(
        &part("", &"(global i32 (i32.const 0))".repeat(300)),
        "globals, at most 256",
    );
    too_large(
        &part("", "(table 100000000 funcref)"),
        "elements in its table, at most 1024",
    );
    let pages = part("", "").replace("\"memory\") 1 1)", "\"memory\") 1 257)");
    too_large(&pages, "up to 257 pages, at most 256");
    let gives = |count: usize, prefix: &str| {
        let one = |at| {
            format!(
                "(func (export \"channel/{prefix}{at}\") (param i32 i32) (result i64) (i64.const 0))"
            )
        };
        part("", &(0..count).map(one).collect::<String>())
    };
    too_large(&gives(9, "c"), "9 channels, at most 8");
    too_large(&gives(33, "medium/c"), "33 links, at most 32");
    admit(&engine(), &gives(8, "c"));
    admit(&engine(), &gives(32, "medium/c"));
}

#[test]
fn machine_code_is_never_taken() {
    let engine = engine();
    for bytes in [
        &b"\x7fELF\x02\x01\x01"[..],
        b"",
        b"\0asm",
        b"\0asm\x0d\0\x01\0",
        b"\0asm\x01\0\0\0",
    ] {
        let refusal = engine.admit(&Bytes::copy_from_slice(bytes)).unwrap_err();
        assert_eq!(refusal.code, Code::Malformed, "{refusal}");
    }
}

#[test]
fn an_image_of_another_module_is_refused() {
    let engine = engine();
    let image = body(&engine, &[&counter(1)]).image(0).unwrap();
    let mut other = piece(0, &admit(&engine, &counter(2)));
    other.from = Source::Image(image.into());
    let fault = engine
        .assemble(&[other], FUEL)
        .err()
        .expect("another module");
    assert_eq!(fault.code, Code::Malformed);
    assert!(fault.what.contains("made by module"), "{fault}");
}

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("a few")
}

/// An image of `counter(1)` with these pages, globals and runs.
fn forged(pages: u32, globals: &[u64], runs: &[(u32, u32, &[u8])]) -> Bytes {
    let mut image = vec![1];
    image.extend_from_slice(wasm_harness::digest(&counter(1)).as_bytes());
    image.extend_from_slice(&pages.to_le_bytes());
    image.extend_from_slice(&count(globals.len()).to_le_bytes());
    for bits in globals {
        image.extend_from_slice(&bits.to_le_bytes());
    }
    image.extend_from_slice(&count(runs.len()).to_le_bytes());
    for (from, len, bytes) in runs {
        image.extend_from_slice(&from.to_le_bytes());
        image.extend_from_slice(&len.to_le_bytes());
        image.extend_from_slice(bytes);
    }
    image.into()
}

fn restored(engine: &Engine, image: Bytes) -> Result<(), Fault> {
    let mut on = piece(0, &admit(engine, &counter(1)));
    on.from = Source::Image(image);
    engine.assemble(&[on], FUEL).map(drop)
}

#[test]
fn images_that_lie_are_refused() {
    let engine = engine();
    assert_eq!(
        restored(&engine, forged(1, &[1_024], &[(0, 1, b"x")])),
        Ok(())
    );
    for (what, image) in [
        ("no bytes", Bytes::new()),
        ("no pages", forged(0, &[1_024], &[])),
        (
            "more pages than the module may have",
            forged(2, &[1_024], &[]),
        ),
        (
            "more pages than anyone may have",
            forged(u32::MAX, &[1_024], &[]),
        ),
        ("no globals", forged(1, &[], &[])),
        ("too many globals", forged(1, &[1, 2], &[])),
        ("a global too wide", forged(1, &[1 << 32], &[])),
        ("a run outside", forged(1, &[0], &[(65_536, 1, b"x")])),
        (
            "a run that leads outside",
            forged(1, &[0], &[(65_535, 2, b"xx")]),
        ),
        ("a run that wraps", forged(1, &[0], &[(u32::MAX, 2, b"xx")])),
        (
            "a run longer than the image",
            forged(1, &[0], &[(0, u32::MAX, b"x")]),
        ),
        ("an empty run", forged(1, &[0], &[(0, 0, b"")])),
        (
            "runs out of order",
            forged(1, &[0], &[(8, 1, b"x"), (0, 1, b"x")]),
        ),
        (
            "runs that overlap",
            forged(1, &[0], &[(0, 2, b"xx"), (1, 1, b"x")]),
        ),
        (
            "bytes after its end",
            [&forged(1, &[0], &[])[..], b"x"].concat().into(),
        ),
        (
            "another version",
            [&[2], &forged(1, &[0], &[])[1..]].concat().into(),
        ),
    ] {
        let fault = restored(&engine, image).expect_err(what);
        assert_eq!(fault.code, Code::Malformed, "{what}: {fault}");
    }
}

/// Changes some bytes of a good value, and cuts or lengthens it.
fn damaged(good: &[u8], damage: &[(usize, u8)], len: usize) -> Bytes {
    let mut bytes = good.to_vec();
    for &(at, byte) in damage {
        let at = at % bytes.len();
        bytes[at] = byte;
    }
    bytes.resize(len % (good.len() + 8), 0);
    bytes.into()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn no_bytes_make_a_module_do_harm(damage in prop::collection::vec((0_usize.., 0_u8..), 0..4), cut in any::<bool>(), len: usize) {
        let good = wasm(&passes_on("main", "inner"));
        let len = if cut { len } else { good.len() };
        let engine = engine();
        if let Ok(facts) = engine.admit(&damaged(&good, &damage, len))
            && let Ok(mut capsule) = engine.assemble(&[piece(0, &facts)], FUEL)
        {
                let _ = ask(&mut *capsule, "main", b"input");
                let _ = capsule.image(0);
        }
    }

    #[test]
    fn no_bytes_make_an_image_do_harm(damage in prop::collection::vec((33_usize.., 0_u8..), 0..4), len: usize, cut in any::<bool>()) {
        let good = forged(1, &[1_024], &[(0, 4, b"abcd"), (4_096, 4, b"efgh")]);
        let len = if cut { len } else { good.len() };
        let _ = restored(&engine(), damaged(&good, &damage, len));
    }

    #[test]
    fn no_bytes_make_a_decoders_list_do_harm(answer: Vec<u8>) {
        let _ = decoded_parts(&answer);
    }
}
