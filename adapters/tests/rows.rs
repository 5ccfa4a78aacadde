//! Behaviours of rows: that batches change nothing, what the parts that stand here compute, what is refused, and
//! what hostile modules get.

use std::sync::LazyLock;

use adapters::rows::{Field, Row, RowCode, RowError, RowOptions, RowOutcome, RowRunner, RowTick};
use adapters::wasm::assemble_text;
use genesis::refusal::{Code, Refusal};
use proptest::prelude::*;

const WALKER: &str = include_str!("rows/walker.wat");
const SIR: &str = include_str!("rows/sir.wat");
const REMEMBERS: &str = include_str!("rows/remembers.wat");

fn load(text: &str, options: &RowOptions) -> Result<RowCode, RowError> {
    let module = assemble_text(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    RowCode::load(&module, options)
}

fn code(text: &str, row_bytes: usize) -> RowCode {
    let code = load(text, &RowOptions::of_rows(Row::Bytes(row_bytes)));
    code.unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn runner(text: &str, row_bytes: usize) -> RowRunner {
    code(text, row_bytes).runner().expect("it is there")
}

/// A module of which `turn` takes one `i32` and has this body.
fn of_one(imports: &str, body: &str) -> String {
    format!("(module {imports} (func (export \"turn\") (param $x i32) (result i32) {body}))")
}

/// The draw of ABI `rows/1`, written down a second time.
fn draw(key: u64, counter: u64) -> u64 {
    let z = key.wrapping_add(counter.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The exponential function by its series, exact enough for small numbers; the platform's is not for tests.
fn exp(x: f64) -> f64 {
    let mut term = 1.0;
    let terms = (1..60).map(|n| {
        term *= x / f64::from(n);
        term
    });
    1.0 + terms.sum::<f64>()
}

/// Ids and keys for so many rows: any numbers, different for each seed.
fn names(seed: u64, count: usize) -> (Vec<u64>, Vec<u64>) {
    let of = |salt: u64| (0..count as u64).map(move |n| draw(seed ^ salt, n));
    (of(1).collect(), of(2).collect())
}

/// A tick of which rows know nothing but who they are.
fn of<'a>(ids: &'a [u64], keys: &'a [u64]) -> RowTick<'a> {
    RowTick {
        ids,
        keys,
        ..RowTick::default()
    }
}

fn ints(rows: &[u8]) -> Vec<i32> {
    let words = rows.as_chunks::<4>().0.iter();
    words.map(|word| i32::from_le_bytes(*word)).collect()
}

fn bytes(ints: &[i32]) -> Vec<u8> {
    ints.iter().flat_map(|int| int.to_le_bytes()).collect()
}

/// One tick of all rows, in batches of at most this size, or each alone.
fn tick(
    code: &RowCode,
    batch_rows: Option<usize>,
    now: &RowTick<'_>,
    rows: &[u8],
) -> Result<(Vec<u8>, RowOutcome), RowError> {
    let mut after = rows.to_vec();
    let outcome = match batch_rows {
        Some(batch_rows) => code.runner_of(batch_rows)?.turns(now, &mut after),
        None => code.turns_one_by_one(now, &mut after),
    };
    assert!(
        outcome.is_ok() || after == rows,
        "a tick that failed changed a row"
    );
    Ok((after, outcome?))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn batches_of_any_size_do_what_rows_do_alone(
        states in prop::collection::vec(0..3_i32, 0..40),
        batch_rows in 1..50_usize,
        seed: u64,
        at in 0..u64::MAX / 8,
        probabilities: [u8; 3],
    ) {
        static CODE: LazyLock<RowCode> = LazyLock::new(|| code(SIR, 12));
        let (ids, keys) = names(seed, states.len());
        let parameters = probabilities.map(|p| f64::from(p) / 256.0);
        let rows: Vec<u8> = states
            .iter()
            .flat_map(|state| [state.to_le_bytes().as_slice(), &at.to_le_bytes()].concat())
            .collect();
        let now = RowTick { tick: at, counter: 7 * at, parameters: &parameters, ids: &ids, keys: &keys };
        let together = tick(&CODE, Some(batch_rows), &now, &rows);
        prop_assert_eq!(together, tick(&CODE, None, &now, &rows));
    }

    /// Rows of which some use much fuel and some fail: the first that fails alone is the one that is named.
    #[test]
    fn batches_of_any_size_fail_as_rows_do_alone(
        rounds in prop::collection::vec(prop_oneof![8 => 0..60_i32, 2 => 60..130_i32, 1 => Just(-1)], 0..40),
        batch_rows in 1..50_usize,
    ) {
        // Counts down from x; -1 traps.
        static CODE: LazyLock<RowCode> = LazyLock::new(|| {
            let text = of_one("", "(local $n i32)
                (if (i32.lt_s (local.get $x) (i32.const 0)) (then (unreachable)))
                (local.set $n (local.get $x))
                (loop $again
                  (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                  (br_if $again (i32.gt_s (local.get $n) (i32.const 0))))
                (i32.add (local.get $x) (i32.const 1))");
            let options = RowOptions { fuel_max: 700, ..RowOptions::of_rows(Row::Bytes(4)) };
            load(&text, &options).expect("it is taken")
        });
        let (ids, keys) = names(1, rounds.len());
        let now = of(&ids, &keys);
        let together = tick(&CODE, Some(batch_rows), &now, &bytes(&rounds));
        prop_assert_eq!(together, tick(&CODE, None, &now, &bytes(&rounds)));
    }
}

/// Mean square distance n after n steps (Pearson 1905), for a walk on a lattice exactly so in the mean.
#[test]
fn walkers_are_as_far_as_they_should_be() {
    let (walkers, steps) = (10_000, 100_u64);
    let mut runner = runner(WALKER, 8);
    let (ids, keys) = names(42, walkers);
    let mut rows = vec![0; 8 * walkers];
    for tick in 0..steps {
        let now = RowTick {
            tick,
            counter: tick,
            ids: &ids,
            keys: &keys,
            ..RowTick::default()
        };
        runner.turns(&now, &mut rows).expect("they walk");
    }
    let squares = ints(&rows)
        .iter()
        .map(|&x| i64::from(x).pow(2))
        .sum::<i64>();
    let mean = squares as f64 / walkers as f64;
    // The distance's square has about the variance n^2: 1 % is one standard error at 1e4 walkers.
    assert!(
        (mean / steps as f64 - 1.0).abs() < 0.01,
        "{mean} after {steps}"
    );
}

/// How many are ill in the end solves z = 1 - s exp(-R0 z), of which s were not ill at first (Kermack and
/// `McKendrick`, 1927): 0.797 at R0 = 2 and s = 1.
#[test]
fn an_epidemic_ends_as_large_as_it_should() {
    let (agents, infected) = (50_000, 500);
    let recovers = 0.02;
    let mut runner = runner(SIR, 12);
    let (ids, keys) = names(7, agents);
    let mut rows = vec![0; 12 * agents];
    for row in rows.chunks_exact_mut(12).take(infected) {
        row[0] = 1;
    }
    let mut dead = 0;
    for tick in 0.. {
        let count = |state| rows.chunks_exact(12).filter(|row| row[0] == state).count();
        let ill = count(1);
        if ill == 0 {
            let ended = count(2) as f64 / ids.len() as f64;
            let expected = (0..99).fold(1.0, |z: f64, _| 1.0 - 0.99 * exp(-2.0 * z));
            assert!(
                (ended / expected - 1.0).abs() < 0.01,
                "{ended} were ill, not {expected}"
            );
            break;
        }
        let infects = 2.0 * recovers * ill as f64 / ids.len() as f64;
        let now = RowTick {
            tick,
            counter: 4 * tick,
            parameters: &[infects, recovers, 0.0],
            ids: &ids,
            keys: &keys,
        };
        let outcome = runner.turns(&now, &mut rows).expect("it spreads");
        dead += outcome.died.len();
        // Who sleeps is not turned again; here it only must not matter.
        assert!(outcome.asleep.iter().all(|&at| rows[12 * at] == 2));
    }
    assert_eq!(dead, 0);
}

#[test]
fn nothing_is_left_for_the_next_row() {
    let code = code(REMEMBERS, 12);
    let (ids, keys) = names(1, 100);
    let now = of(&ids, &keys);
    for batch_rows in [1, 3, 64] {
        let (rows, _) = tick(&code, Some(batch_rows), &now, &[0; 1_200]).expect("it runs");
        assert_eq!(ints(&rows), [1; 300]);
    }
}

#[track_caller]
fn check_refused(text: &str, code: Code, what: &str) {
    let module = assemble_text(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let error = RowCode::load(&module, &RowOptions::of_rows(Row::Bytes(4))).expect_err(text);
    let said = Refusal::from(error);
    assert_eq!(said.code, code, "{said}\n{text}");
    assert!(said.what.contains(what), "{said}\ndoes not say: {what}");
    assert!(said.hint.is_some(), "{said}");
}

#[test]
fn modules_that_are_no_behaviours_of_rows() {
    let malformed = |text: &str, what: &str| check_refused(text, Code::Malformed, what);
    malformed("(module)", "does not export `turn`");
    malformed(
        "(module (func (export \"turn\")))",
        "`turn` has 0 parameters",
    );
    for (turn, what) in [
        ("(param funcref)", "a parameter of `turn` is no number"),
        (
            "(param i32) (result i64) (i64.const 0)",
            "`turn` answers other fields",
        ),
        (
            "(param i64)",
            "is about other rows (i64: 8 bytes) than the world's (4 bytes)",
        ),
        ("(param i32 f32)", "(i32 f32: 8 bytes) than"),
    ] {
        malformed(&format!("(module (func (export \"turn\") {turn}))"), what);
    }
    let keeps = |imports: &str, body: &str| of_one(imports, &format!("{body} (local.get 0)"));
    let table = "(table 1 1 funcref) (elem $e funcref (ref.null func))";
    for (imports, body, what) in [
        (
            "(memory 1 2)",
            "(drop (memory.grow (i32.const 1)))",
            "`memory.grow` at byte",
        ),
        (
            table,
            "(table.set (i32.const 0) (ref.null func))",
            "`table.set` at byte",
        ),
        (table, "(elem.drop $e)", "`elem.drop` at byte"),
        (
            "(global $g (mut i32) (i32.const 0))",
            "",
            "global 0 can change",
        ),
        (
            "(global (export \"g\") (mut funcref) (ref.null func))",
            "",
            "global 0 can change and is no number",
        ),
        (
            "(memory 1)",
            "(i32.store (i32.const 0) (i32.const 1))",
            "does not export it",
        ),
        (
            "(import \"row\" \"key\" (func))",
            "",
            "`key` of `row`, which no row module is given",
        ),
        (
            "(import \"env\" \"random\" (func (result i64)))",
            "",
            "`random` of `env`",
        ),
        (
            "(import \"row\" \"random\" (func (result i32)))",
            "",
            "as a function of another type",
        ),
        (
            "(import \"row\" \"memory\" (memory 1))",
            "",
            "`memory` of `row`",
        ),
        (
            "(import \"row\" \"put_i32\" (func (param i32 i32)))",
            "",
            "it does one or the other",
        ),
        ("(func $s) (start $s)", "", "start function"),
        (
            "(memory 1 1) (data (i32.const 65536) \"too far out\")",
            "",
            "does not begin",
        ),
        ("(memory 1) (memory 1)", "", "2 memories"),
    ] {
        let found = keeps(imports, body);
        let code = if what.starts_with("2 ") {
            Code::TooLarge
        } else {
            Code::Malformed
        };
        check_refused(&found, code, what);
    }
    let large = |text: &str, what: &str| check_refused(text, Code::TooLarge, what);
    large(
        &keeps("(memory 17)", ""),
        "has 1114112 bytes, at most 1048576",
    );
    let writes = "(i32.store (i32.const 0) (i32.const 1))";
    let memory = "(memory (export \"memory\") 2 2)";
    large(&keeps(memory, writes), "is put back before each row");
    large(&keeps("(table 1025 funcref)", ""), "1025 elements");
    let refused =
        RowCode::load(b"\0asn", &RowOptions::of_rows(Row::Bytes(4))).expect_err("no module");
    assert!(
        refused.to_string().contains("does not begin with \\0asm"),
        "{refused}"
    );
    let long = vec![0; genesis::limits::MODULE_BYTES_MAX + 1];
    let refused = RowCode::load(&long, &RowOptions::of_rows(Row::Bytes(4))).expect_err("too long");
    assert_eq!(Refusal::from(refused).code, Code::TooLarge);
}

#[test]
fn a_turn_that_fails_says_whose_it_was() {
    let imports = "(import \"row\" \"parameter\" (func $parameter (param i32) (result f64)))";
    for (body, reason) in [
        ("(unreachable)", "wasm `unreachable` instruction executed"),
        (
            "(i32.div_u (i32.const 1) (i32.const 0))",
            "integer divide by zero",
        ),
        (
            "(i32.load8_u (i32.const 65536))",
            "out of bounds memory access",
        ),
        (
            "(i32.load8_u (i32.const -1))",
            "out of bounds memory access",
        ),
        ("(call $again (local.get $x))", "call stack exhausted"),
        (
            "(drop (call $parameter (i32.const 1))) (unreachable)",
            "it asks for parameter 1, the world has 1",
        ),
        (
            "(drop (call $parameter (i32.const -1))) (unreachable)",
            "it asks for parameter 4294967295, the world has 1",
        ),
        ("(loop $again (br $again)) (unreachable)", "fuel"),
    ] {
        // The third of four rows is the only one with a field of 0.
        let text = format!(
            "(module {imports} (memory 1 1)
               (func $again (param i32) (result i32) (i32.add (i32.const 1) (call $again (local.get 0))))
               (func (export \"turn\") (param $x i32) (result i32)
                 (if (result i32) (local.get $x) (then (i32.const 9)) (else {body}))))"
        );
        let mut runner = runner(&text, 4);
        let now = RowTick {
            parameters: &[0.5],
            ids: &[10, 20, 30, 40],
            keys: &[0; 4],
            ..RowTick::default()
        };
        let before = bytes(&[1, 1, 0, 1]);
        let mut rows = before.clone();
        let error = runner.turns(&now, &mut rows).expect_err("it fails");
        let (row, id) = (2, 30);
        let expected = if reason == "fuel" {
            let fuel_max = 1_000_000;
            RowError::Fuel { row, id, fuel_max }
        } else {
            let reason = reason.to_owned();
            RowError::Trap { row, id, reason }
        };
        assert_eq!(error, expected);
        assert_eq!(rows, before);
        // It can be used again, and knows nothing of it.
        let mut rows = bytes(&[1; 4]);
        runner.turns(&now, &mut rows).expect("these rows are good");
        assert_eq!(ints(&rows), [9; 4]);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut runner = runner(&of_one("", "(local.get 0)"), 4);
    let mut check = |ids: &[u64], keys: &[u64], bytes: usize, parameters: usize, what: &str| {
        let parameters = vec![0.0; parameters];
        let parameters = &parameters;
        let now = RowTick {
            parameters,
            ids,
            keys,
            ..RowTick::default()
        };
        let error = runner
            .turns(&now, &mut vec![0; bytes])
            .expect_err("it does not fit");
        assert_eq!(error.to_string(), what);
    };
    check(&[1, 2], &[1, 2], 9, 0, "2 rows, and 9 bytes");
    check(&[1], &[1, 2], 8, 0, "2 rows, and 1 ids");
    check(&[1, 2], &[1, 2, 3], 8, 0, "2 rows, and 3 keys");
    check(&[], &[], 0, 257, "0 rows, and 257 parameters");
}

/// Every kind of field, in a row without gaps, answered and put.
#[test]
fn fields_of_every_kind_lie_one_after_the_other() {
    let answers = r#"(module (func (export "turn") (param f32 i64 i32 f64) (result f32 i64 i32 f64)
        (f32.neg (local.get 0)) (i64.sub (i64.const 0) (local.get 1))
        (i32.sub (i32.const 0) (local.get 2)) (f64.neg (local.get 3))))"#;
    let puts = r#"(module
      (import "row" "put_i32" (func $put_i32 (param i32 i32)))
      (import "row" "put_i64" (func $put_i64 (param i32 i64)))
      (import "row" "put_f32" (func $put_f32 (param i32 f32)))
      (import "row" "put_f64" (func $put_f64 (param i32 f64)))
      (func (export "turn") (param f32 i64 i32 f64)
        (call $put_f32 (i32.const 0) (f32.neg (local.get 0)))
        (call $put_i64 (i32.const 4) (i64.sub (i64.const 0) (local.get 1)))
        (call $put_i32 (i32.const 12) (i32.sub (i32.const 0) (local.get 2)))
        (call $put_f64 (i32.const 16) (f64.neg (local.get 3)))))"#;
    let row = |a: f32, b: i64, c: i32, d: f64| {
        let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
        let (c, d) = (c.to_le_bytes(), d.to_le_bytes());
        [a.as_slice(), &b, &c, &d].concat()
    };
    for text in [answers, puts] {
        let code = code(text, 24);
        assert_eq!(
            code.fields(),
            [Field::F32, Field::I64, Field::I32, Field::F64]
        );
        let mut rows = [row(1.5, 2, 3, 4.5), row(-0.0, i64::MIN, -1, f64::INFINITY)].concat();
        let now = RowTick {
            ids: &[1, 2],
            keys: &[0; 2],
            ..RowTick::default()
        };
        code.runner()
            .unwrap()
            .turns(&now, &mut rows)
            .expect("it runs");
        let expected = [
            row(-1.5, -2, -3, -4.5),
            row(0.0, i64::MIN, 1, f64::NEG_INFINITY),
        ];
        assert_eq!(rows, expected.concat(), "{text}");
    }
}

#[test]
fn a_field_is_put_inside_of_its_row() {
    let put = |at: i32| {
        format!(
            "(module (import \"row\" \"put_i64\" (func $put (param i32 i64)))
               (func (export \"turn\") (param i32 i64) (call $put (i32.const {at}) (i64.const -1))))"
        )
    };
    let now = RowTick {
        ids: &[1, 2],
        keys: &[0; 2],
        ..RowTick::default()
    };
    for (at, good) in [
        (0, true),
        (4, true),
        (5, false),
        (-1, false),
        (12, false),
        (-8, false),
    ] {
        let outcome = runner(&put(at), 12).turns(&now, &mut [0; 24]);
        match outcome {
            Ok(_) => assert!(good, "put at {at}"),
            Err(error) => assert!(
                !good
                    && error
                        .to_string()
                        .contains(&format!("at byte {}", at.cast_unsigned())),
                "{error}"
            ),
        }
    }
}

/// The draws that the ABI promises, and what else a row is told.
#[test]
fn a_row_is_told_who_and_when_it_is() {
    let text = r#"(module
      (import "row" "random" (func $random (result i64)))
      (import "row" "tick" (func $tick (result i64)))
      (import "row" "id" (func $id (result i64)))
      (func (export "turn") (param i64 i64 i64 i64) (result i64 i64 i64 i64)
        (call $random) (call $random) (call $tick) (call $id)))"#;
    let (ids, keys) = names(3, 5);
    let now = RowTick {
        tick: 77,
        counter: 12,
        parameters: &[],
        ids: &ids,
        keys: &keys,
    };
    let mut rows = [0; 32 * 5];
    runner(text, 32).turns(&now, &mut rows).expect("it runs");
    let words = rows.as_chunks::<8>().0.iter();
    let found: Vec<u64> = words.map(|word| u64::from_le_bytes(*word)).collect();
    let expected = ids.iter().zip(&keys);
    let expected = expected.flat_map(|(&id, &key)| [draw(key, 12), draw(key, 13), 77, id]);
    assert_eq!(found, expected.collect::<Vec<_>>());
}

/// `SplitMix64` from the seed 1234567, as its authors' programs print it.
#[test]
fn draws_are_those_of_splitmix() {
    let step = 0x9E37_79B9_7F4A_7C15_u64;
    let found: Vec<u64> = (1..=3).map(|n| draw(1_234_567, n)).collect();
    assert_eq!(
        found,
        [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423
        ]
    );
    assert_eq!(draw(0, 1), draw(step, 0));
}

#[test]
fn rows_that_die_or_sleep_are_told() {
    let imports = "(import \"row\" \"die\" (func $die)) (import \"row\" \"sleep\" (func $sleep))";
    let body = "(if (i32.and (local.get $x) (i32.const 1)) (then (call $die)))
        (if (i32.and (local.get $x) (i32.const 2)) (then (call $sleep))) (i32.const 0)";
    let code = code(&of_one(imports, body), 4);
    let now = of(&[0; 5], &[0; 5]);
    for batch_rows in [1, 2, 5] {
        let mut runner = code.runner_of(batch_rows).unwrap();
        let mut rows = bytes(&[0, 1, 2, 3, 0]);
        let outcome = runner.turns(&now, &mut rows).expect("it runs");
        assert_eq!(
            outcome,
            RowOutcome {
                died: vec![1, 3],
                asleep: vec![2, 3]
            }
        );
        // What was asked for is forgotten.
        let outcome = runner.turns(&now, &mut rows).expect("it runs");
        assert_eq!(outcome, RowOutcome::default());
    }
}

#[test]
fn narrow_fields_are_carried_and_cut() {
    use Field::{Bool, I8, I16, U8, U16};
    let text = r#"(module (func (export "turn") (param i32 i32 i32 i32 i32) (result i32 i32 i32 i32 i32)
      (i32.add (local.get 0) (i32.const 2)) (i32.sub (local.get 1) (i32.const 1))
      (i32.shr_s (local.get 2) (i32.const 1)) (i32.add (local.get 3) (i32.const 1))
      (i32.shr_s (local.get 4) (i32.const 1))))"#;
    let options = RowOptions::of_rows(Row::Fields(vec![Bool, U8, I8, U16, I16]));
    let code = load(text, &options).expect("it is taken");
    assert_eq!(code.fields(), [Bool, U8, I8, U16, I16]);
    let mut rows = [1, 0, 0x80, 0xff, 0xff, 0xfe, 0xff];
    let now = of(&[1], &[0]);
    code.runner()
        .expect("it begins")
        .turns(&now, &mut rows)
        .expect("it runs");
    assert_eq!(rows, [1, 0xff, 0xc0, 0, 0, 0xff, 0xff]);
    let options = RowOptions::of_rows(Row::Fields(vec![Bool, U8]));
    let error = load(text, &options).expect_err("other rows").to_string();
    assert!(
        error.contains("(i32 i32 i32 i32 i32: 20 bytes)") && error.contains("(bool u8)"),
        "{error}"
    );
}
