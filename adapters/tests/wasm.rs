//! The ABI as parts see it: messages, needs, births, saves, images, bodies of several parts.

mod wasm_harness;

use actors::sandbox::{Sandbox, Source};
use adapters::wasm::{Engine, Options, assemble_text, decoded_parts};
use bytes::Bytes;
use genesis::channel::{Channel, Polarity};
use genesis::refusal::Code;
use wasm_harness::{
    ABI, FUEL, NO_STATE, Nobody, Notes, admit, ask, body, counter, echo, engine, main, part,
    passes_on, piece, wasm,
};

const ADD: &str = "count/add";

fn number(answer: Option<Vec<u8>>) -> u32 {
    let answer = answer.expect("it answers");
    u32::from_le_bytes(answer.as_slice().try_into().expect("four bytes"))
}

#[test]
fn two_parts_of_one_body() {
    let engine = engine();
    let (front, count) = (passes_on("main", ADD), counter(1));
    let mut both = body(&engine, &[&front, &count]);
    assert_eq!(number(ask(&mut *both, "main", &[1, 2, 3]).unwrap()), 6);
    assert_eq!(number(ask(&mut *both, "main", &[10]).unwrap()), 16);
    let saved = Bytes::from(both.save(1, FUEL).expect("it saves"));

    // Without the giver.
    let mut alone = body(&engine, &[&front]);
    let fault = ask(&mut *alone, "main", &[1]).unwrap_err();
    assert_eq!(
        (fault.code, fault.what.as_str()),
        (Code::Fault, "unmet need count/add")
    );

    // Another version of the counter goes on from what the first saved.
    for (scale, expected) in [(1, 17), (2, 18)] {
        let mut pieces = [
            piece(0, &admit(&engine, &front)),
            piece(1, &admit(&engine, &counter(scale))),
        ];
        pieces[1].from = Source::Save(saved.clone());
        let mut swapped = engine
            .assemble(&pieces, FUEL)
            .expect("the state is taken over");
        assert_eq!(number(ask(&mut *swapped, "main", &[1]).unwrap()), expected);
    }
}

#[test]
fn what_a_module_says_of_itself() {
    let engine = engine();
    let text = part(
        r#"(import "channel" "medium/send" (func (param i32 i32) (result i64)))
           (import "channel" "contents/read" (func (param i32 i32) (result i64)))
           (import "channel" "mem/read" (func (param i32 i32) (result i64)))"#,
        r#"(func (export "channel/main") (param i32 i32) (result i64) (i64.const 0))
           (func (export "vc_test") (param i32 i32) (result i64) (i64.const 0))"#,
    );
    let facts = admit(&engine, &text);
    let known = |name: &str| name.parse::<Channel>().unwrap();
    assert_eq!(
        facts.links,
        [
            (known("main"), Polarity::Gives),
            (known("medium/send"), Polarity::Needs),
            (known("mem/read"), Polarity::Needs),
        ],
        "sorted, and without contents/read"
    );
    assert!(facts.tests && !facts.decodes && !facts.large);
    assert_eq!(facts.bytes, wasm(&text).len() as u64);
    assert_eq!(facts.digest, wasm_harness::digest(&text));
    assert_eq!(engine.facts(facts.digest), Some(facts));
    assert_eq!(engine.facts(genesis::id::Digest::ZERO), None);
}

#[test]
fn no_answer_an_empty_one_and_one_with_bytes() {
    let engine = engine();
    for (body_of_main, expected) in [
        ("(i64.const 0)", None),
        ("(i64.const 0x800000000)", Some(vec![])),
        (
            "(call $pack (local.get $p) (i32.const 2))",
            Some(vec![7, 8]),
        ),
    ] {
        let mut capsule = body(&engine, &[&main("", body_of_main)]);
        assert_eq!(ask(&mut *capsule, "main", &[7, 8, 9]), Ok(expected));
    }
}

#[test]
fn nobody_answers_a_channel_that_nobody_gives() {
    let engine = engine();
    let mut capsule = body(&engine, &[&echo("main")]);
    assert!(capsule.gives(Channel::MAIN) && !capsule.gives(Channel::REPLY));
    assert_eq!(
        ask(&mut *capsule, "reply", b"").unwrap_err().code,
        Code::Unknown
    );
    assert_eq!(
        ask(&mut *capsule, "main", b"x"),
        Ok(Some(b"x".to_vec())),
        "no harm was done"
    );
}

#[test]
fn the_host_is_asked_for_what_no_part_gives() {
    let engine = engine();
    let mut capsule = body(&engine, &[&passes_on("main", "medium/send")]);
    let mut notes = Notes {
        answer: b"done".to_vec(),
        ..Notes::default()
    };
    let mut answer = Vec::new();
    let called = capsule.call(Channel::MAIN, b"hello", FUEL, &mut notes, &mut answer);
    assert_eq!(called.outcome, Ok(true));
    assert!(called.fuel > 100 && called.fuel < 1_000, "{}", called.fuel);
    assert_eq!(answer, b"done");
    assert_eq!(
        notes.asked,
        [("medium/send".parse().unwrap(), b"hello".to_vec())]
    );

    // What it says against it ends the turn, unchanged.
    let denied = actors::behaviour::Fault::new(Code::Denied, "medium/send was not granted");
    notes.fault = Some(denied.clone());
    let called = capsule.call(Channel::MAIN, b"", FUEL, &mut notes, &mut answer);
    assert_eq!(called.outcome, Err(denied));
}

/// A part that gives a channel of the host does not stand between the host and its neighbours.
#[test]
fn no_part_answers_in_the_hosts_place() {
    let engine = engine();
    let front = passes_on("main", "medium/send");
    let mut capsule = body(&engine, &[&front, &echo("medium/send")]);
    let mut notes = Notes::default();
    let called = capsule.call(Channel::MAIN, b"x", FUEL, &mut notes, &mut Vec::new());
    assert_eq!(
        called.outcome,
        Ok(false),
        "an empty answer of the host is none"
    );
    assert_eq!(notes.asked.len(), 1);
    // From outside it is a channel like any other: so parts are told of timers.
    assert_eq!(
        ask(&mut *capsule, "medium/send", b"x"),
        Ok(Some(b"x".to_vec()))
    );
}

#[test]
fn of_two_givers_the_lowest_answers() {
    let engine = engine();
    let texts = [1, 2].map(|number| {
        main("", &format!("(i32.store8 (i32.const 0) (i32.const {number})) (call $pack (i32.const 0) (i32.const 1))"))
    });
    let facts = texts.each_ref().map(|text| admit(&engine, text));
    let lowest = if facts[0].digest < facts[1].digest {
        1
    } else {
        2
    };
    for order in [[0, 1], [1, 0]] {
        let pieces = order.map(|at| piece(at as u64, &facts[at]));
        let mut capsule = engine.assemble(&pieces, FUEL).unwrap();
        assert_eq!(ask(&mut *capsule, "main", b""), Ok(Some(vec![lowest])));
    }
    // The same part twice: the lower occurrence, whatever the order of the pieces.
    let count = admit(&engine, &counter(1));
    let pieces = [piece(9, &count), piece(4, &count)];
    let mut capsule = engine.assemble(&pieces, FUEL).unwrap();
    ask(&mut *capsule, ADD, &[5]).unwrap();
    assert_eq!(capsule.save(4, FUEL).unwrap(), [5, 0, 0, 0]);
    assert_eq!(capsule.save(9, FUEL).unwrap(), [0, 0, 0, 0]);
    assert_eq!(capsule.save(5, FUEL).unwrap_err().code, Code::Unknown);
}

#[test]
fn a_part_begins_with_its_argument() {
    let engine = engine();
    let born = part(
        "",
        r#"(func (export "vc_born") (param $p i32) (param $n i32) (result i32)
             (i32.store (i32.const 0) (i32.load (local.get $p)))
             (i32.ne (local.get $n) (i32.const 4)))
           (func (export "channel/main") (param i32 i32) (result i64) (call $pack (i32.const 0) (i32.const 4)))"#,
    );
    let facts = admit(&engine, &born);
    let mut good = piece(3, &facts);
    good.argument = Bytes::from_static(&[1, 2, 3, 4]);
    let mut capsule = engine.assemble(&[good.clone()], FUEL).unwrap();
    assert_eq!(ask(&mut *capsule, "main", b""), Ok(Some(vec![1, 2, 3, 4])));
    let image = capsule.image(3).unwrap();

    let fault = engine
        .assemble(&[piece(3, &facts)], FUEL)
        .err()
        .expect("an empty argument");
    assert_eq!(
        (fault.code, fault.what.as_str()),
        (
            Code::Malformed,
            "part 3 refused its argument (vc_born answered 1)"
        )
    );
    // Whoever goes on is not born again.
    let mut on = piece(3, &facts);
    on.from = Source::Image(image.into());
    let mut capsule = engine.assemble(&[on], FUEL).unwrap();
    assert_eq!(ask(&mut *capsule, "main", b""), Ok(Some(vec![1, 2, 3, 4])));
    // Who does not export `vc_born` ignores its argument.
    let mut plain = piece(0, &admit(&engine, &echo("main")));
    plain.argument = Bytes::from_static(b"ignored");
    assert!(engine.assemble(&[plain], FUEL).is_ok());
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let engine = engine();
    let mut piece = piece(7, &admit(&engine, &counter(1)));
    piece.from = Source::Save(Bytes::from_static(b"five!"));
    let fault = engine
        .assemble(&[piece], FUEL)
        .err()
        .expect("five bytes are no total");
    assert_eq!(
        fault.what,
        "part 7 refused the state it should take over (vc_load answered 1)"
    );
}

/// A part of the large engine that fills its memory in a pattern, grows, and has data of its own.
fn grower() -> String {
    format!(
        r#"(module (memory (export "memory") 1 8) {ABI} {NO_STATE}
  (data (i32.const 100) "begins with this")
  (global $many (export "many") (mut i64) (i64.const -1))
  (global $real (export "real") (mut f64) (f64.const 1.5))
  (func (export "channel/main") (param $p i32) (param $n i32) (result i64)
    (drop (memory.grow (i32.const 1)))
    (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 7))
    (memory.fill (i32.const 100) (i32.const 0) (i32.const 6))
    (global.set $many (i64.sub (global.get $many) (i64.const 1)))
    (global.set $real (f64.mul (global.get $real) (f64.const 1.5)))
    (i64.store (i32.const 8) (global.get $many))
    (f64.store (i32.const 16) (global.get $real))
    (call $pack (i32.const 0) (i32.const 128))))"#
    )
}

#[test]
fn an_image_is_bit_for_bit_what_it_was_made_of() {
    let (here, there) = (engine(), engine());
    for text in [counter(1), grower()] {
        let channel = if text.contains(ADD) { ADD } else { "main" };
        let facts = admit(&here, &text);
        admit(&there, &text);
        let mut original = here.assemble(&[piece(0, &facts)], FUEL).unwrap();
        ask(&mut *original, channel, &[1, 2, 3]).unwrap();
        ask(&mut *original, channel, &[4]).unwrap();
        let image = original.image(0).unwrap();
        assert!(image.len() < 512, "only what is not zero: {}", image.len());
        let mut on = piece(0, &facts);
        on.from = Source::Image(image.clone().into());
        let mut copies =
            [&here, &there].map(|engine| engine.assemble(&[on.clone()], FUEL).unwrap());
        let expected = ask(&mut *original, channel, &[5]).unwrap();
        for copy in &mut copies {
            assert_eq!(copy.image(0).unwrap(), image);
            assert_eq!(ask(&mut **copy, channel, &[5]).unwrap(), expected);
            assert_eq!(copy.image(0).unwrap(), original.image(0).unwrap());
        }
    }
}

#[test]
fn small_and_large_parts_share_a_body() {
    let engine = engine();
    let large = format!(
        r#"(module (memory (export "memory") 2) {ABI} {NO_STATE}
             (import "channel" "count/add" (func $add (param i32 i32) (result i64)))
             (func (export "channel/main") (param $p i32) (param $n i32) (result i64)
               (call $add (local.get $p) (local.get $n))))"#
    );
    let large = large.replacen(
        "(memory",
        "(import \"channel\" \"count/add\" (func $add (param i32 i32) (result i64))) (memory",
        1,
    );
    let large = large.replacen(
        "(import \"channel\" \"count/add\" (func $add (param i32 i32) (result i64)))\n",
        "",
        1,
    );
    let mut mixed = body(&engine, &[&large, &counter(1)]);
    assert!(mixed.is_large());
    assert_eq!(number(ask(&mut *mixed, "main", &[1, 2]).unwrap()), 3);
    let image = mixed.image(1).unwrap();
    // An image does not know on which engine it was made.
    let mut small = piece(1, &admit(&engine, &counter(1)));
    small.from = Source::Image(image.into());
    let mut small = engine.assemble(&[small], FUEL).unwrap();
    assert!(!small.is_large());
    assert_eq!(number(ask(&mut *small, ADD, &[1]).unwrap()), 4);
}

/// Everything that a guest can compute, computed twice.
#[test]
fn two_runs_leave_the_same_memory() {
    let text = main(
        "",
        r"(local $i i32)
          (f64.store (i32.const 0) (f64.div (f64.const 0) (f64.const 0)))
          (f32.store (i32.const 8) (f32.sqrt (f32.const -1)))
          (f64.store (i32.const 16) (f64.neg (f64.div (f64.const 0) (f64.const 0))))
          (f64.store (i32.const 24) (f64.add (f64.const nan:0x4000000000001) (f64.const 1)))
          (loop $next
            (f64.store (i32.add (i32.const 2048) (i32.mul (local.get $i) (i32.const 8)))
              (f64.sqrt (f64.convert_i32_u (local.get $i))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const 1000))))
          (call $pack (i32.const 0) (i32.const 32))",
    );
    let runs = [engine(), engine()].map(|engine| {
        let mut capsule = body(&engine, &[&text]);
        let mut answer = Vec::new();
        let called = capsule.call(Channel::MAIN, b"", FUEL, &mut Nobody, &mut answer);
        assert_eq!(called.outcome, Ok(true));
        (called.fuel, answer, capsule.image(0).unwrap())
    });
    assert_eq!(runs[0], runs[1]);
    let answer = &runs[0].1;
    assert_eq!(
        answer[..8],
        0x7ff8_0000_0000_0000_u64.to_le_bytes(),
        "one form of NaN"
    );
    assert_eq!(answer[8..12], 0x7fc0_0000_u32.to_le_bytes());
    assert_eq!(
        answer[24..],
        0x7ff8_0000_0000_0000_u64.to_le_bytes(),
        "no payload survives"
    );
}

#[test]
fn scores_are_asked_on_a_throw_away_copy() {
    let engine = engine();
    let tests = |answer: &str| {
        part(
            r#"(import "channel" "medium/emit" (func $emit (param i32 i32) (result i64)))"#,
            &format!(
                r#"(data (i32.const 16) "ok 1\n") (data (i32.const 32) "\ff\fe")
                   (func (export "vc_test") (param $p i32) (param $n i32) (result i64) {answer})"#
            ),
        )
    };
    let score = |answer: &str| {
        let mut capsule = body(&engine, &[&tests(answer)]);
        let (fuel, scores) = capsule.test(0, b"contents", FUEL);
        assert!(fuel > 0);
        scores.map_err(|fault| (fault.code, fault.what))
    };
    assert_eq!(
        score("(call $pack (i32.const 16) (i32.const 5))"),
        Ok("ok 1\n".to_owned())
    );
    assert_eq!(score("(i64.const 0)").unwrap_err().0, Code::Malformed);
    assert_eq!(
        score("(call $pack (i32.const 32) (i32.const 2))")
            .unwrap_err()
            .0,
        Code::Malformed
    );
    assert_eq!(
        score("(call $pack (i32.const 0) (i32.const 4097))")
            .unwrap_err()
            .0,
        Code::TooLarge
    );
    let (code, what) = score("(call $emit (i32.const 16) (i32.const 5))").unwrap_err();
    assert_eq!(code, Code::Fault);
    assert!(what.contains("only a channel's function may"), "{what}");
    let mut none = body(&engine, &[&echo("main")]);
    let (fuel, scores) = none.test(0, b"", FUEL);
    assert_eq!((fuel, scores.unwrap_err().code), (0, Code::Untestable));
    assert_eq!(
        ask(&mut *none, "main", b"x"),
        Ok(Some(b"x".to_vec())),
        "no harm was done"
    );
}

#[test]
fn thousands_live_at_a_time() {
    let engine = Engine::new(Options {
        small_max: 2_000,
        large_max: 1,
        ..Options::default()
    })
    .unwrap();
    let facts = admit(&engine, &counter(1));
    let mut all: Vec<_> = (0..2_000)
        .map(|_| engine.assemble(&[piece(0, &facts)], FUEL).unwrap())
        .collect();
    for (capsule, at) in all.iter_mut().zip(0_u8..=255) {
        ask(&mut **capsule, ADD, &[at]).unwrap();
    }
    for (capsule, at) in all.iter_mut().zip(0_u8..=255) {
        assert_eq!(
            number(ask(&mut **capsule, ADD, &[0]).unwrap()),
            u32::from(at)
        );
    }
    let fault = engine
        .assemble(&[piece(0, &facts)], FUEL)
        .err()
        .expect("it is full");
    assert_eq!(fault.code, Code::Busy);
    all.pop();
    let mut fresh = engine
        .assemble(&[piece(0, &facts)], FUEL)
        .expect("room for one");
    assert_eq!(
        number(ask(&mut *fresh, ADD, &[]).unwrap()),
        0,
        "nothing is left of who was there"
    );
}

#[test]
fn modules_that_were_not_admitted_are_unknown() {
    let (here, there) = (engine(), engine());
    let facts = admit(&there, &echo("main"));
    let fault = here
        .assemble(&[piece(0, &facts)], FUEL)
        .err()
        .expect("unknown");
    assert_eq!(fault.code, Code::Unknown);
    assert!(here.assemble(&[], FUEL).is_err(), "a body of no parts");
}

#[test]
fn text_that_is_wrong_says_where() {
    let refusal = assemble_text(b"(module\n  (func (i32.cosnt 1)))").unwrap_err();
    assert_eq!(refusal.code, Code::Malformed);
    assert_eq!(
        refusal.what,
        "line 2, column 10: unknown operator or unexpected token"
    );
    let refusal = assemble_text(b"(module)\n\xff").unwrap_err();
    assert_eq!(refusal.what, "line 2: the text is not UTF-8");
    let refusal = assemble_text(&vec![b' '; 2_000_000]).unwrap_err();
    assert_eq!(refusal.code, Code::TooLarge);
    let deep = "(".repeat(100_000);
    assert!(assemble_text(deep.as_bytes()).is_err());
}

#[test]
fn a_decoders_list_is_read_to_its_end() {
    assert_eq!(decoded_parts(b""), Ok(vec![]));
    assert_eq!(
        decoded_parts(b"\x02\0\0\0ab\0\0\0\0"),
        Ok(vec![&b"ab"[..], b""])
    );
    assert_eq!(
        decoded_parts(b"\x02\0\0\0a").unwrap_err().code,
        Code::Malformed
    );
    assert_eq!(decoded_parts(b"\x02\0").unwrap_err().code, Code::Malformed);
    assert_eq!(
        decoded_parts(&vec![0; 4 * 4_097]).unwrap_err().code,
        Code::TooLarge
    );
}
