//! What strangers' modules may try once they are taken, and what they get. Those that are not taken: `wasm_refused.rs`.

mod wasm_harness;

use std::sync::atomic::{AtomicBool, Ordering};

use actors::behaviour::Fault;
use actors::sandbox::{Sandbox, Source};
use adapters::wasm::{Engine, Options};
use bytes::Bytes;
use genesis::channel::Channel;
use genesis::refusal::Code;
use wasm_harness::{
    FUEL, Nobody, Notes, admit, ask, body, counter, echo, engine, fault, main, part, passes_on,
    piece,
};

/// A part with a memory of several pages, whose `main` is this.
fn large_main(memory: &str, body: &str) -> String {
    main("", body).replacen("(memory (export \"memory\") 1 1)", memory, 1)
}

const GROWING: &str = "(memory (export \"memory\") 1)";

#[track_caller]
fn check_fault(texts: &[&str], code: Code, what: &str) {
    let found = fault(&engine(), texts);
    assert_eq!((found.code, found.what.as_str()), (code, what));
}

#[test]
fn an_endless_loop_runs_out_of_fuel() {
    check_fault(
        &[&main("", "(loop $again (br $again)) (unreachable)")],
        Code::TooLarge,
        "out of fuel: the turn used its 1000000",
    );
}

#[test]
fn fuel_that_was_used_is_told() {
    let engine = engine();
    let endless = main("", "(loop $again (br $again)) (unreachable)");
    let mut capsule = body(&engine, &[&endless]);
    let called = capsule.call(Channel::MAIN, b"", 5_000, &mut Nobody, &mut Vec::new());
    assert_eq!(called.fuel, 5_000);
    let again = capsule.call(Channel::MAIN, b"", FUEL, &mut Nobody, &mut Vec::new());
    assert_eq!(again.fuel, 0, "after a fault it is not to be called again");
    assert_eq!(again.outcome.unwrap_err().code, Code::Internal);
    assert!(capsule.image(0).is_err() && capsule.save(0, FUEL).is_err());
}

#[test]
fn the_operator_stops_what_runs() {
    let engine = engine();
    let endless = main("", "(loop $again (br $again)) (unreachable)");
    let mut capsule = body(&engine, &[&endless]);
    let ended = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let fuel = u64::MAX >> 1;
            let called = capsule.call(Channel::MAIN, b"", fuel, &mut Nobody, &mut Vec::new());
            ended.store(true, Ordering::Release);
            called.outcome
        });
        while !ended.load(Ordering::Acquire) {
            engine.interrupt();
            std::thread::yield_now();
        }
        run.join().expect("no panic")
    });
    assert_eq!(outcome.unwrap_err().code, Code::Cancelled);
}

#[test]
fn wide_operations_cost_by_their_width() {
    let fill = "(loop $again
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216)) (br $again)) (unreachable)";
    let engine = engine();
    let text = large_main("(memory (export \"memory\") 256 256)", fill);
    let mut capsule = body(&engine, &[&text]);
    let called = capsule.call(Channel::MAIN, b"", 1_000, &mut Nobody, &mut Vec::new());
    let fault = called.outcome.unwrap_err();
    assert_eq!(fault.what, "out of fuel: the turn used its 1000");
}

#[test]
fn growth_beyond_the_rule_is_refused_not_trapped() {
    // Grows by as much as it is told until it cannot, and answers how many pages it has.
    let grow = |by: u32| {
        format!(
            "(loop $again (br_if $again (i32.ne (memory.grow (i32.const {by})) (i32.const -1))))
             (i32.store (i32.const 0) (memory.size)) (call $pack (i32.const 0) (i32.const 4))"
        )
    };
    for (memory, by, pages) in [
        ("(memory (export \"memory\") 1 1)", 1, 1_u32),
        ("(memory (export \"memory\") 1 3)", 1, 3),
        ("(memory (export \"memory\") 1 8)", 5, 6),
        (GROWING, 5, 256),
        (GROWING, 60_000, 1),
    ] {
        let mut capsule = body(&engine(), &[&large_main(memory, &grow(by))]);
        let answer = ask(&mut *capsule, "main", b"").unwrap().unwrap();
        assert_eq!(answer, pages.to_le_bytes(), "{memory} by {by}");
    }
}

#[test]
fn recursion_ends_at_the_stack() {
    let text = part(
        "",
        r#"(func $f (export "channel/main") (param i32 i32) (result i64)
             (call $f (local.get 0) (local.get 1)) (drop) (i64.const 1))"#,
    );
    check_fault(&[&text], Code::TooLarge, "stack exhausted in part 0");
}

#[test]
fn traps_say_what_and_who() {
    for (body_of_main, reason) in [
        ("(unreachable)", "wasm `unreachable` instruction executed"),
        (
            "(i64.extend_i32_u (i32.div_u (i32.const 1) (local.get $n)))",
            "integer divide by zero",
        ),
        (
            "(i64.load (i32.const 65533))",
            "out of bounds memory access",
        ),
        ("(i64.load (i32.const -1))", "out of bounds memory access"),
    ] {
        let inner = main("", body_of_main).replace("channel/main", "channel/inner");
        check_fault(
            &[&passes_on("main", "inner"), &inner],
            Code::Fault,
            &format!("part 1: {reason}"),
        );
    }
}

#[test]
fn pointers_that_lie_are_found() {
    for pointer_and_len in [
        "(i32.const 0xfffffff0) (i32.const 0xffffffff)",
        "(i32.const 65536) (i32.const 1)",
        "(i32.const 65535) (i32.const 2)",
        "(i32.const 0) (i32.const 65537)",
        "(i32.const 0) (i32.const -1)",
    ] {
        let answers = main("", &format!("(call $pack {pointer_and_len})"));
        let asks = main(
            r#"(import "channel" "inner" (func $inner (param i32 i32) (result i64)))"#,
            &format!("(call $inner {pointer_and_len})"),
        );
        let inner = answers.replace("channel/main", "channel/inner");
        for texts in [
            &[answers.as_str()][..],
            &[&asks],
            &[&passes_on("main", "inner"), &inner],
        ] {
            let fault = fault(&engine(), texts);
            assert_eq!(fault.code, Code::Fault);
            assert!(
                fault
                    .what
                    .starts_with("the part points outside its memory: "),
                "{pointer_and_len}: {fault}"
            );
        }
    }
    // The last byte is inside.
    let mut capsule = body(
        &engine(),
        &[&main("", "(call $pack (i32.const 65535) (i32.const 1))")],
    );
    assert_eq!(ask(&mut *capsule, "main", b""), Ok(Some(vec![0])));
}

#[test]
fn an_allocator_that_lies_or_has_no_room() {
    let with = |alloc: &str| {
        let returns = format!("(return (i32.const {alloc})) (local.set $p (global.get $top))");
        echo("main").replace("(local.set $p (global.get $top))", &returns)
    };
    for (alloc, code, what) in [
        ("0", Code::TooLarge, "part 0 has no room for 5 bytes"),
        (
            "65532",
            Code::Fault,
            "the part points outside its memory: part 0, 5 bytes at 65532 of 65536",
        ),
        (
            "-1",
            Code::Fault,
            "the part points outside its memory: part 0, 5 bytes at 4294967295 of 65536",
        ),
    ] {
        let mut capsule = body(&engine(), &[&with(alloc)]);
        let fault = ask(&mut *capsule, "main", b"hello").unwrap_err();
        assert_eq!((fault.code, fault.what.as_str()), (code, what));
    }
}

#[test]
fn answers_have_a_bound() {
    let memory = "(memory (export \"memory\") 2 2)";
    let most = large_main(memory, "(call $pack (i32.const 0) (i32.const 65536))");
    let mut capsule = body(&engine(), &[&most]);
    assert_eq!(
        ask(&mut *capsule, "main", b"").map(|a| a.map(|a| a.len())),
        Ok(Some(65_536))
    );
    let more = large_main(memory, "(call $pack (i32.const 0) (i32.const 65537))");
    check_fault(
        &[&more],
        Code::TooLarge,
        "part 0 answers 65537 bytes, at most 65536 are taken",
    );
    // The host's answers as well.
    let mut capsule = body(&engine(), &[&passes_on("main", "medium/named")]);
    let mut notes = Notes {
        answer: vec![0; 65_537],
        ..Notes::default()
    };
    let called = capsule.call(Channel::MAIN, b"", FUEL, &mut notes, &mut Vec::new());
    assert_eq!(called.outcome.unwrap_err().code, Code::TooLarge);
}

#[test]
fn calls_in_a_circle_end() {
    let (front, back) = (passes_on("main", "there"), passes_on("there", "main"));
    check_fault(
        &[&front, &back],
        Code::Fault,
        "cycle: part 0 is called on main while it runs",
    );
    check_fault(
        &[&passes_on("main", "main")],
        Code::Fault,
        "cycle: part 0 is called on main while it runs",
    );
}

#[test]
fn calls_go_sixteen_deep() {
    let chain = |len: usize| {
        let name = |at: usize| {
            if at == 0 {
                "main".to_owned()
            } else {
                format!("c{at}")
            }
        };
        let mut texts: Vec<_> = (0..len - 1)
            .map(|at| passes_on(&name(at), &name(at + 1)))
            .collect();
        texts.push(echo(&name(len - 1)));
        texts
    };
    let engine = engine();
    let texts = chain(16);
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    assert_eq!(
        ask(&mut *body(&engine, &texts), "main", b"far"),
        Ok(Some(b"far".to_vec()))
    );
    let texts = chain(17);
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    assert_eq!(
        fault(&engine, &texts).what,
        "too deep: a call on c16 from the 16th part in a row"
    );
}

/// Only a channel's function may call: not `vc_born`, `vc_save`, `vc_load`, `vc_alloc`, `vc_done`.
#[test]
fn needs_are_closed_outside_of_turns() {
    let engine = engine();
    let import = r#"(import "channel" "medium/emit" (func $emit (param i32 i32) (result i64)))"#;
    let emit = "(drop (call $emit (i32.const 0) (i32.const 0)))";
    let check = |outcome: Result<(), Fault>| {
        let fault = outcome.expect_err("it is closed");
        assert_eq!(fault.code, Code::Fault);
        assert!(
            fault.what.contains("only a channel's function may"),
            "{fault}"
        );
    };
    let born = part(
        import,
        &format!("(func (export \"vc_born\") (param i32 i32) (result i32) {emit} (i32.const 0))"),
    );
    check(
        engine
            .assemble(&[piece(0, &admit(&engine, &born))], FUEL)
            .map(drop),
    );
    let loads = part(import, "").replace(
        "(i32.ne (local.get 1)",
        &format!("{emit} (i32.ne (local.get 1)"),
    );
    let mut on = piece(0, &admit(&engine, &loads));
    on.from = Source::Save(Bytes::new());
    check(engine.assemble(&[on], FUEL).map(drop));
    let saves = part(import, "").replace("(i64.const 0)", &format!("{emit} (i64.const 0)"));
    check(body(&engine, &[&saves]).save(0, FUEL).map(drop));
    for (from, to) in [
        (
            "(local.set $p (global.get $top))",
            format!("{emit} (local.set $p (global.get $top))"),
        ),
        (
            "(export \"vc_done\")",
            format!("(export \"vc_done\") {emit}"),
        ),
    ] {
        let text = main(import, "(i64.const 0)").replace(from, &to);
        check(ask(&mut *body(&engine, &[&text]), "main", b"x").map(drop));
    }
}

/// While a part waits for an answer, its own `vc_alloc` is all of it that runs: and it may not call on.
#[test]
fn room_for_an_answer_is_made_without_calls() {
    let engine = engine();
    let import = r#"(import "channel" "inner" (func $inner (param i32 i32) (result i64)))"#;
    let text = main(
        import,
        "(global.set $on (i32.const 1)) (call $inner (local.get $p) (local.get $n))",
    )
    .replace(
        "(local.set $p (global.get $top))",
        "(if (global.get $on) (then (drop (call $inner (i32.const 0) (i32.const 0)))))
             (local.set $p (global.get $top))",
    )
    .replace(
        "(func $pack",
        "(global $on (export \"on\") (mut i32) (i32.const 0)) (func $pack",
    );
    let fault = fault(&engine, &[&text, &echo("inner")]);
    assert!(
        fault.what.contains("only a channel's function may"),
        "{fault}"
    );
}

#[test]
fn a_fault_deep_inside_passes_unchanged() {
    let engine = engine();
    let mut capsule = body(
        &engine,
        &[&passes_on("main", "a"), &passes_on("a", "medium/send")],
    );
    let fault = Fault::new(Code::Budget, "the purse is empty");
    let mut notes = Notes {
        fault: Some(fault.clone()),
        ..Notes::default()
    };
    let called = capsule.call(Channel::MAIN, b"", FUEL, &mut notes, &mut Vec::new());
    assert_eq!(called.outcome, Err(fault));
}

#[test]
fn calls_cost_fuel_by_their_length() {
    let engine = engine();
    let mut capsule = body(&engine, &[&passes_on("main", "inner"), &echo("inner")]);
    let mut cost = |len: usize| {
        let mut answer = Vec::new();
        let input = vec![0; len];
        capsule
            .call(Channel::MAIN, &input, FUEL, &mut Nobody, &mut answer)
            .fuel
    };
    let (short, long) = (cost(16), cost(16_016));
    assert!(short >= 100, "{short}");
    assert_eq!(long - short, 2 * 1_000, "there and back, 16 bytes for one");
}

#[test]
fn nothing_is_left_in_a_slot() {
    let engine = Engine::new(Options {
        small_max: 1,
        large_max: 1,
        ..Options::default()
    })
    .unwrap();
    let fills = "(memory.fill (i32.const 2048) (i32.const 0xaa) (i32.const 63488)) (i64.const 0)";
    let looks = "(local $i i32) (local.set $i (i32.const 2048))
        (loop $next (br_if 1 (i64.const 1) (i32.load8_u (local.get $i))) (drop)
          (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 65536))))
        (i64.const 0)";
    for memory in [
        "(memory (export \"memory\") 1 1)",
        "(memory (export \"memory\") 1 2)",
    ] {
        ask(
            &mut *body(&engine, &[&large_main(memory, fills)]),
            "main",
            b"",
        )
        .unwrap();
        let found = ask(
            &mut *body(&engine, &[&large_main(memory, looks)]),
            "main",
            b"",
        );
        assert_eq!(found, Ok(None), "all zero");
    }
}

#[test]
fn instances_have_a_cap() {
    let engine = Engine::new(Options {
        small_max: 4,
        large_max: 2,
        ..Options::default()
    })
    .unwrap();
    for (text, max) in [(counter(1), 4), (large_main(GROWING, "(i64.const 0)"), 2)] {
        let facts = admit(&engine, &text);
        let mut all = Vec::new();
        for _ in 0..max {
            all.push(engine.assemble(&[piece(0, &facts)], FUEL).expect("room"));
        }
        let full = engine
            .assemble(&[piece(0, &facts)], FUEL)
            .err()
            .expect("full");
        assert_eq!(full.code, Code::Busy);
        drop(all);
        // A body that does not fit leaves nothing behind.
        let pieces: Vec<_> = (0..=max).map(|at| piece(at, &facts)).collect();
        assert_eq!(
            engine.assemble(&pieces, FUEL).err().expect("too many").code,
            Code::Busy
        );
        assert!(
            engine
                .assemble(&pieces[..usize::try_from(max).unwrap()], FUEL)
                .is_ok()
        );
    }
}
