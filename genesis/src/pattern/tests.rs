//! What patterns say: canonical text, errors with a caret, refusals.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn pattern(text: &str) -> Pattern {
    text.parse()
        .unwrap_or_else(|error: ParseError| panic!("{}", error.with_caret()))
}

fn canonical(text: &str) -> String {
    let parsed = pattern(text);
    assert_eq!(
        pattern(&parsed.to_string()),
        parsed,
        "canonical text reads back: {parsed}"
    );
    parsed.to_string()
}

fn extent(sides: &[(&str, i64, i64)]) -> Extent {
    let side = |&(name, low, high): &(&str, _, _)| (name.parse().unwrap(), Interval { low, high });
    Extent(sides.iter().map(side).collect())
}

#[test]
fn texts_become_canonical() {
    for (text, want) in [
        ("all", "all"),
        (" ( none ) ", "none"),
        ("bytes<2MiB", "bytes<2MiB"),
        ("bytes<=2097151", "bytes<2MiB"),
        ("bytes<3MB", "bytes<3000000"),
        ("bytes>=0", "all"),
        ("hunger<=0", "hunger=0"),
        ("parts>9999", "none"),
        ("parts in 3..10", "parts in 3..10"),
        ("parts>2&parts<11", "parts in 3..10"),
        ("euler>-3", "euler>=-2"),
        ("bytes in 1KiB..4KiB", "bytes in 1KiB..4KiB"),
        ("tests.pass?>=95", "tests.pass?>=95"),
        ("tests.pass ? > 94", "tests.pass?>=95"),
        ("tests.pass?>5 & tests.pass<9", "tests.pass in 6..8"),
        ("a.b?>5 & a.b?<2", "a.b?<0 & a.b?>0"),
        ("a.b>=-9223372036854775808", "a.b>=-9223372036854775808"),
        ("a.b<-9223372036854775808", "none"),
        ("lang in {rust,lisp}", "lang in {lisp, rust}"),
        ("lang? not in {c}", "lang? not in {c}"),
        ("lang not in {}", "lang not in {}"),
        ("lang in {a,b} & lang not in {b}", "lang in {a}"),
        (
            r#"licence in {"MIT OR Apache-2.0", "a \"b\" \\"}"#,
            r#"licence in {"MIT OR Apache-2.0", "a \"b\" \\"}"#,
        ),
        (
            "needs(mem/read)&gives( text/eval )",
            "gives(text/eval) & needs(mem/read)",
        ),
        ("parts<5 | parts<3", "parts<5"),
        ("parts<5 | all", "all"),
        (
            "(parts=1|parts=2)&(depth=0|depth=1)",
            "parts=1 & depth=0 | parts=1 & depth=1 | parts=2 & depth=0 | parts=2 & depth=1",
        ),
    ] {
        assert_eq!(canonical(text), want, "{text}");
    }
    assert!(pattern("all").is_all() && Pattern::default().is_all() && !pattern("none").is_all());
}

#[test]
fn faults_are_pointed_at() {
    let render = |text: &str| {
        let error = text.parse::<Pattern>().unwrap_err();
        let hint = error.hint().map(|hint| format!("\nhint: {hint}"));
        format!("error: {}{}", error.with_caret(), hint.unwrap_or_default())
    };
    insta::assert_snapshot!(render("bytes<2MiB & lang<4"), @r#"
    error: `lang` is not a dimension
      bytes<2MiB & lang<4
                   ^
    hint: dimensions are bytes, parts, depth, channels, hunger, euler, organs, and named ones with a dot (tests.pass); a tag is written `lang in {…}`
    "#);
    insta::assert_snapshot!(render("parts<3 && depth=0"), @r#"
    error: expected a dimension, a tag, gives(…), needs(…), all, none or `(`, found `&`
      parts<3 && depth=0
               ^
    hint: both is written with one `&`
    "#);
    insta::assert_snapshot!(render("parts<3\n  & !(depth=0)\n"), @r#"
    error: expected a dimension, a tag, gives(…), needs(…), all, none or `(`, found `!`
        & !(depth=0)
          ^
    hint: patterns have no negation; write the other bound, or `lang not in {…}` for a tag
    "#);
    insta::assert_snapshot!(render("bytes<2Mib"), @r#"
    error: `Mib` is not a unit
      bytes<2Mib
             ^
    hint: units are KiB MiB GiB TiB (powers of 1024) and kB MB GB TB (of 1000)
    "#);
    insta::assert_snapshot!(render("parts in 10..3"), @r#"
    error: 10..3 holds no number
      parts in 10..3
               ^
    hint: write the smaller number first; both ends belong to the range
    "#);
    insta::assert_snapshot!(render("hunger?=0"), @r#"
    error: `hunger` is never absent
      hunger?=0
            ^
    hint: leave out the `?`: only named dimensions and tags are ever absent
    "#);
    insta::assert_snapshot!(render("(parts<3 | gives(text//eval)"), @r#"
    error: byte 5 does not belong into a channel's name (a-z 0-9 - _ . and single / between)
      (parts<3 | gives(text//eval)
                            ^
    hint: a channel is written like text/eval
    "#);
    insta::assert_snapshot!(render("(parts<3"), @r#"
    error: expected `&`, `|` or `)`, found the end
      (parts<3
              ^
    hint: close every parenthesis that you open
    "#);
    insta::assert_snapshot!(render("parts<99999999999999999999"), @r#"
    error: the number does not fit into 64 bits
      parts<99999999999999999999
            ^
    hint: numbers go from -9223372036854775808 to 9223372036854775807
    "#);
    insta::assert_snapshot!(render("parts in {few}"), @r#"
    error: `parts` is not a tag
      parts in {few}
      ^
    hint: this is a number: compare it with < <= > >= = or `in 3..10`
    "#);
    insta::assert_snapshot!(render("ünïts in {\"é\"}"), @r#"
    error: expected a dimension, a tag, gives(…), needs(…), all, none or `(`, found `ü`
      ünïts in {"é"}
      ^
    "#);
    insta::assert_snapshot!(render(&"(".repeat(200)), @r#"
    error: parentheses nest at most 32 deep
      ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((…
                                      ^
    hint: leave out parentheses: `&` binds closer than `|`
    "#);
    insta::assert_snapshot!(render(&" ".repeat(5_000)), @r#"
    error: a pattern has at most 4096 bytes, this one has 5000
    hint: state less, or several patterns of which each is asked for
    "#);
    let twelve = "(a.a=1|a.a=2|a.a=3|a.a=4|a.a=5|a.a=6|a.a=7|a.a=8|a.a=9)";
    insta::assert_snapshot!(render(&format!("{twelve}&{}", twelve.replace('a', "b"))), @r#"
    error: multiplied out the pattern has more than 64 boxes
      …|a.a=2|a.a=3|a.a=4|a.a=5|a.a=6|a.a=7|a.a=8|a.a=9)&(b.b=1|b.b=2|b.b=3|b.b=4|b.b=…
                                                        ^
    hint: state less, or several patterns of which each is asked for
    "#);
}

#[test]
fn refusals_name_the_dimension_and_the_bound() {
    let weak = extent(&[("bytes", 3_145_728, 3_145_728), ("parts", 3, 5)]);
    let links = [("text/eval".parse().unwrap(), Polarity::Gives)];
    let subject = Profile {
        extent: &weak,
        links: &links,
        tags: BTreeMap::from([("lang", "C sharp")]),
    };
    let explain = |text: &str, mode| match pattern(text).explain(&subject, mode) {
        Ok(()) => "it matches".to_owned(),
        Err(refusal) => refusal.to_string(),
    };
    let within = |text: &str| explain(text, Mode::Within);
    insta::assert_snapshot!(within("bytes<2MiB"), @"bytes is 3145728, the pattern wants bytes < 2097152");
    insta::assert_snapshot!(within("parts in 4..9 & tests.pass>=95"), @"parts is 3 to 5, the pattern wants parts in 4..9; and tests.pass is absent, the pattern wants tests.pass >= 95");
    insta::assert_snapshot!(within("lang in {rust, lisp} | needs(mem/read)"), @r#"box 1: lang is "C sharp", the pattern wants lang in {lisp, rust}; or box 2: it does not need mem/read, the pattern wants needs(mem/read)"#);
    insta::assert_snapshot!(within("none"), @"the pattern accepts nothing");
    insta::assert_snapshot!(explain("parts in 0..5", Mode::Covers), @"parts is 3 to 5, the pattern spans parts < 6");
    for (text, mode) in [
        (
            "parts in 3..5 & gives(text/eval) & tests.pass?>=95",
            Mode::Within,
        ),
        ("lang not in {rust} & bytes=3MiB", Mode::Within),
        ("parts in 4..9", Mode::Meets),
        ("parts in 4..5", Mode::Covers),
    ] {
        assert_eq!(explain(text, mode), "it matches", "{text}");
    }
    assert_eq!(
        pattern("parts<4 | parts>=4").contains(&subject),
        Containment::Yes
    );
    assert_eq!(
        pattern("parts<4 | parts>=5").contains(&subject),
        Containment::No
    );
    assert!(
        !pattern("parts<4 | parts>=4").matches(&subject, Mode::Within),
        "no box holds it all"
    );
}

#[test]
fn covering_gives_up_rather_than_answer_wrongly() {
    // Two halves hold everything, but are last in the order; the boxes before them, which overlap in
    // eight other dimensions, cut the question into more pieces than a node is ready to look at.
    let halves = "z.z<50 | z.z>=50 | ";
    let overlapping: Vec<String> = (0..20)
        .map(|n| {
            let side = |d| format!("d.d{d} in {}..{}", 10 + (n * 37 + d * 61) % 23, 70 + n + d);
            (0..8).map(side).collect::<Vec<_>>().join("&")
        })
        .collect();
    let every = pattern(
        "z.z>=0 & d.d0>=0 & d.d1>=0 & d.d2>=0 & d.d3>=0 & d.d4>=0 & d.d5>=0 & d.d6>=0 & d.d7>=0",
    );
    let hard = pattern(&format!("{halves}{}", overlapping.join("|")));
    assert_eq!(hard.covers(&every), Containment::Unknown);
    assert_eq!(hard.covers(&pattern("z.z in 3..4")), Containment::Yes);
    assert_eq!(hard.covers(&pattern("d.d0>=0")), Containment::No);
    let (low, high) = (pattern("parts<5 | parts>=5"), pattern("depth=1 | bytes<9"));
    assert_eq!(low.covers(&high), Containment::Yes);
    assert_eq!(high.covers(&low), Containment::No);
}

/// The step on which covering rests, for every pair of small sets: pieces are disjoint, and together
/// hold exactly what the one has and the other has not.
#[test]
fn a_difference_is_exact() {
    let range = |low, high| Values::Range(Interval::new(low, high));
    let text = |names: &str| names.chars().map(String::from).collect::<BTreeSet<_>>();
    let ranges = (0..6)
        .flat_map(|low| (0..6).map(move |high| range(low, high)))
        .collect();
    let texts = ["", "a", "b", "ab"].into_iter().flat_map(|names| {
        [false, true].map(|all_but| Values::Texts {
            listed: text(names),
            all_but,
        })
    });
    let there = [false, true].map(Values::There).to_vec();
    let one = |name: &str| Values::Texts {
        listed: text(name),
        all_but: false,
    };
    let kinds: [(Vec<Values>, Vec<Values>); 3] = [
        (ranges, (-1..=6).map(|at| range(at, at)).collect()),
        (texts.collect(), ["a", "b", "c"].map(one).to_vec()),
        (there, vec![Values::There(true)]),
    ];
    for (sets, points) in kinds {
        let allowed = |present: &Values| {
            [false, true].map(|absent| Allowed {
                present: present.clone(),
                absent,
            })
        };
        let sets: Vec<Allowed> = sets.iter().flat_map(allowed).collect();
        let none = points[0].none();
        let mut points: Vec<Allowed> = points
            .into_iter()
            .map(|present| Allowed {
                present,
                absent: false,
            })
            .collect();
        points.push(Allowed {
            present: none,
            absent: true,
        });
        for (a, b) in sets.iter().flat_map(|a| sets.iter().map(move |b| (a, b))) {
            let pieces = a.minus(b);
            assert!(pieces.len() <= 2);
            for point in &points {
                let held = pieces.iter().filter(|piece| piece.contains(point)).count();
                let want = a.contains(point) && !b.contains(point);
                assert_eq!(held, usize::from(want), "{a:?} - {b:?} at {point:?}");
                assert_eq!(a.meets(point), a.contains(point));
            }
        }
    }
}
