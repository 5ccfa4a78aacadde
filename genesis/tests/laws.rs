//! The laws of shape, extent and pattern, as numbered in the theory (`genesis/PROTOCOL.md`).
//!
//! Each is checked against an oracle written for this file, as simple as it can be and without the
//! tables, slots and shortcuts of the library. All laws are in this one file, long as it is, so that
//! the list can be read against the theory's.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use genesis::body::{Body, BodyError, Link, OccurrenceId, Part};
use genesis::channel::{Channel, Polarity};
use genesis::extent::{Dimension, Extent, Interval};
use genesis::id::Digest;
use genesis::limits::{BODY_CHANNELS_MAX, DEPTH_MAX, DIMENSIONS_MAX, PARTS_MAX};
use genesis::pattern::{Containment, Mode, Pattern};
use genesis::shape::{Shape, Weights, k_nearest};
use genesis::wire::{decode_canonical, encode};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

// --- Generators ---------------------------------------------------------------------------------

fn channel(n: usize) -> Channel {
    format!("c/{n}").parse().unwrap()
}

fn digest(n: u8) -> Digest {
    Digest([n; 32])
}

/// Parts of few channels out of few, so that faces are shared, holes arise and needs are met.
fn part() -> impl Strategy<Value = Part> {
    let ways = prop_oneof![
        Just(vec![Polarity::Needs]),
        Just(vec![Polarity::Gives]),
        Just(vec![Polarity::Needs, Polarity::Gives])
    ];
    let link = (0..9_usize, ways).prop_map(|(n, ways)| {
        let name = if n == 8 {
            "medium/send".parse().unwrap()
        } else {
            channel(n)
        };
        ways.into_iter()
            .map(move |way| (name, way))
            .collect::<Vec<Link>>()
    });
    let ordinary =
        (0..6_u8, 0..5_000_u64, 0..3_u32, vec(link, 0..5)).prop_map(|(n, bytes, depth, links)| {
            Part::new(digest(n), bytes, depth, links.into_iter().flatten()).unwrap()
        });
    let genesis = any::<bool>().prop_map(|send| {
        let gives = send.then(|| "medium/send".parse().unwrap());
        Part::genesis(digest(9), 100, gives).unwrap()
    });
    prop_oneof![9 => ordinary, 1 => genesis]
}

fn body(parts: &[Part]) -> Body {
    let mut body = Body::new();
    for part in parts {
        body.internalize(part.clone()).unwrap();
    }
    body
}

#[derive(Clone, Debug)]
enum Edit {
    Internalize(Part),
    Strip(usize),
    Upgrade(usize, Part, bool),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => part().prop_map(Edit::Internalize),
        2 => any::<usize>().prop_map(Edit::Strip),
        2 => (any::<usize>(), part(), any::<bool>()).prop_map(|(n, p, f)| Edit::Upgrade(n, p, f)),
    ]
}

fn occurrence(body: &Body, n: usize) -> OccurrenceId {
    let all: Vec<_> = body.iter().map(|(occurrence, _)| occurrence).collect();
    all.get(n % all.len().max(1))
        .copied()
        .unwrap_or(OccurrenceId(u64::MAX))
}

fn apply(body: &mut Body, edit: &Edit) {
    let before = body.clone();
    let done = match edit {
        Edit::Internalize(part) => body.internalize(part.clone()).map(drop),
        Edit::Strip(n) => body.strip(occurrence(body, *n)).map(drop),
        Edit::Upgrade(n, part, force) => body
            .upgrade(occurrence(body, *n), part.clone(), *force)
            .map(drop),
    };
    if done.is_err() {
        assert_eq!(
            (body.shape(), body.faces()),
            (before.shape(), before.faces())
        );
        assert_eq!(*body, before, "a refused edit changes nothing");
    }
}

// --- Law 1: the two Dowker complexes agree ------------------------------------------------------

type Complex = BTreeSet<BTreeSet<usize>>;

/// All non-empty subsets of the given simplices.
fn close(simplices: impl IntoIterator<Item = BTreeSet<usize>>) -> Complex {
    let mut faces = Complex::new();
    for simplex in simplices {
        let points: Vec<_> = simplex.into_iter().collect();
        for mask in 1_u32..1 << points.len() {
            let chosen = points
                .iter()
                .enumerate()
                .filter(|(n, _)| mask & 1 << n != 0);
            faces.insert(chosen.map(|(_, &point)| point).collect());
        }
    }
    faces
}

fn euler(complex: &Complex) -> i64 {
    complex
        .iter()
        .map(|face| if face.len() % 2 == 1 { 1 } else { -1 })
        .sum()
}

/// Betti numbers over GF(2), by Gaussian elimination of the boundary matrices.
fn betti(complex: &Complex) -> Vec<i64> {
    let top = complex.iter().map(BTreeSet::len).max().unwrap_or(0);
    let of_size = |size: usize| {
        complex
            .iter()
            .filter(|f| f.len() == size)
            .collect::<Vec<_>>()
    };
    let rank = |size: usize| {
        let rows: BTreeMap<_, _> = of_size(size - 1).into_iter().zip(0..).collect();
        let mut pivots: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for face in of_size(size) {
            let mut column: BTreeSet<usize> = face
                .iter()
                .filter_map(|point| {
                    let mut side = face.clone();
                    side.remove(point);
                    rows.get(&side).copied()
                })
                .collect();
            while let Some(&low) = column.last() {
                let Some(pivot) = pivots.get(&low) else {
                    pivots.insert(low, column);
                    break;
                };
                column = &column ^ pivot;
            }
        }
        i64::try_from(pivots.len()).unwrap()
    };
    (1..=top)
        .map(|size| {
            let cycles = i64::try_from(of_size(size).len()).unwrap() - rank(size);
            cycles - if size < top { rank(size + 1) } else { 0 }
        })
        .collect()
}

/// β0..β2, where a complex of low dimension has zeros.
fn padded(mut betti: Vec<i64>) -> Vec<i64> {
    while betti.last() == Some(&0) {
        betti.pop();
    }
    betti
}

proptest! {
    /// Law 1: `betti(D(R)) = betti(D(Rᵀ))` and `χ = Σ(-1)^k β_k`, and the shape says the same.
    #[test]
    fn dowker_duality_and_euler_poincare(parts in vec(part(), 0..9)) {
        let shape = body(&parts).shape();
        // A part without channels is an isolated point of both complexes; the genesis part of none.
        let points: Vec<BTreeSet<Channel>> = parts
            .iter()
            .filter(|part| !part.is_genesis())
            .map(|part| part.channels().into_iter().collect())
            .collect();
        let channels: Vec<Channel> =
            points.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let number = |c: &Channel| channels.iter().position(|d| d == c).unwrap();
        let by_part = points.iter().enumerate().map(|(n, own)| {
            let isolated = own.is_empty().then_some(1_000 + n);
            own.iter().map(number).chain(isolated).collect()
        });
        let by_channel = channels.iter().map(|c| {
            points.iter().enumerate().filter(|(_, own)| own.contains(c)).map(|(n, _)| n).collect()
        });
        let isolated = points.iter().enumerate().filter(|(_, own)| own.is_empty());
        let by_channel = by_channel.chain(isolated.map(|(n, _)| BTreeSet::from([n])));
        let (channel_side, part_side) = (close(by_part), close(by_channel));
        let numbers = padded(betti(&channel_side));
        prop_assert_eq!(&numbers, &padded(betti(&part_side)));
        prop_assert_eq!(euler(&channel_side), euler(&part_side));
        let alternating: i64 =
            numbers.iter().enumerate().map(|(k, b)| if k % 2 == 0 { *b } else { -b }).sum();
        prop_assert_eq!(euler(&channel_side), alternating);
        prop_assert_eq!(shape.get(&Dimension::Euler), Some(alternating));
        prop_assert_eq!(shape.get(&Dimension::Organs), Some(numbers.first().copied().unwrap_or(0)));
    }

    /// Law 2: any order of internalizing gives equal shape, wiring and digest.
    #[test]
    fn order_cannot_be_seen(
        (parts, shuffled) in vec(part(), 0..9)
            .prop_flat_map(|parts| (Just(parts.clone()), Just(parts).prop_shuffle()))
    ) {
        let (one, other) = (body(&parts), body(&shuffled));
        prop_assert_eq!(one.shape(), other.shape());
        prop_assert_eq!(one.digest(), other.digest());
        prop_assert_eq!(one.faces(), other.faces());
        prop_assert_eq!((one.hunger(), one.denied()), (other.hunger(), other.denied()));
        for channel in one.channels() {
            let giver = |body: &Body| {
                body.giver(&channel).and_then(|occurrence| body.get(occurrence).map(Part::digest))
            };
            prop_assert_eq!(giver(&one), giver(&other));
        }
    }

    /// Law 3: stripping what was just internalized is the identity of structure, face table and all.
    #[test]
    fn strip_undoes_internalize(edits in vec(edit(), 0..12), part in part()) {
        let mut edited = Body::new();
        for edit in &edits {
            apply(&mut edited, edit);
        }
        let before = edited.clone();
        let occurrence = edited.internalize(part.clone()).unwrap();
        prop_assert_eq!(edited.strip(occurrence), Ok(part));
        prop_assert_eq!(edited.shape(), before.shape());
        prop_assert_eq!(edited.digest(), before.digest());
        prop_assert_eq!(edited.faces(), before.faces());
        prop_assert!(edited.iter().eq(before.iter()));
        prop_assert_eq!((edited.hunger(), edited.denied()), (before.hunger(), before.denied()));
    }

    /// Law 4, the body's half: a copy keeps digest, shape and wiring, and lives on by itself.
    #[test]
    fn a_copy_keeps_digest_and_shape(parts in vec(part(), 1..9)) {
        let original = body(&parts);
        let mut copy = original.clone();
        prop_assert_eq!(&copy, &original);
        prop_assert_eq!((copy.digest(), copy.shape()), (original.digest(), original.shape()));
        copy.strip(OccurrenceId(0)).unwrap();
        prop_assert_eq!(original.shape(), Shape::from_scratch(&parts));
    }

    /// Law 6: of a nested body its host sees the exported channels, size and depth, nothing else.
    #[test]
    fn nesting_hides_the_inside(host in vec(part(), 0..6), inside in vec(part(), 1..6)) {
        let inner = body(&inside);
        let exports: Vec<Link> = inside
            .iter()
            .flat_map(|part| part.links().iter().copied())
            .filter(|(channel, way)| *way == Polarity::Gives && !channel.is_of_the_medium())
            .take(3)
            .collect();
        let nested = inner.as_part(digest(77), exports.iter().copied()).unwrap();
        let opaque = Part::new(digest(78), nested.bytes(), nested.depth(), exports).unwrap();
        prop_assert_eq!(
            i64::from(nested.depth()),
            inner.shape().get(&Dimension::Depth).unwrap() + 1
        );
        let (mut with_nested, mut with_opaque) = (body(&host), body(&host));
        with_nested.internalize(nested).unwrap();
        with_opaque.internalize(opaque).unwrap();
        prop_assert_eq!(with_nested.shape(), with_opaque.shape());
        prop_assert_eq!(with_nested.faces(), with_opaque.faces());
    }

    /// Laws 8 and 10: after any edits the tables say what a computation from nothing says, bodies
    /// survive their stored form, and no body leaves the medium.
    #[test]
    fn incremental_is_from_scratch(edits in vec(edit(), 0..40)) {
        let mut edited = Body::new();
        for edit in &edits {
            apply(&mut edited, edit);
            let shape = edited.shape();
            prop_assert_eq!(&shape, &Shape::from_scratch(edited.iter().map(|(_, part)| part)));
            prop_assert_eq!(shape.as_extent().within_medium(), Ok(()));
            let hunger = i64::try_from(edited.hunger().len()).unwrap();
            prop_assert_eq!(shape.get(&Dimension::Hunger), Some(hunger));
        }
        let fresh = body(&edited.iter().map(|(_, part)| part.clone()).collect::<Vec<_>>());
        prop_assert_eq!(edited.faces(), fresh.faces());
        prop_assert_eq!(edited.digest(), fresh.digest());
        let read: Body = decode_canonical(1, &encode(1, &edited).unwrap()).unwrap();
        prop_assert_eq!(read.shape(), edited.shape());
        let shape = edited.shape();
        prop_assert_eq!(decode_canonical(1, &encode(1, &shape).unwrap()), Ok(shape));
        prop_assert_eq!(read.faces(), edited.faces());
        prop_assert_eq!(read, edited);
    }

    /// Law 9: the `k` nearest are the first `k` of all, sorted by distance and key.
    #[test]
    fn k_nearest_agrees_with_sorting(
        bodies in vec(vec(part(), 0..4), 0..12), target in vec(part(), 0..4), k in 0..14_usize
    ) {
        let mut shapes: Vec<(u8, Shape)> = (0..).zip(bodies.iter().map(|b| body(b).shape())).collect();
        for (n, shape) in shapes.iter_mut().filter(|(n, _)| n % 3 == 0) {
            shape.set_named("tests.pass", i64::from(*n)).unwrap();
        }
        let mut weights = Weights::default();
        weights.0.insert("tests.pass".parse().unwrap(), 7);
        let target = body(&target).shape();
        let near = k_nearest(shapes.iter().rev().map(|(n, s)| (*n, s)), &target, &weights, k);
        let distance = |shape: &Shape| {
            let at = |shape: &Shape, d: &Dimension| i128::from(shape.get(d).unwrap_or(0));
            let side = |(d, &w): (_, &u32)| (at(shape, d) - at(&target, d)).unsigned_abs() * u128::from(w);
            weights.0.iter().map(side).sum::<u128>()
        };
        let mut sorted: Vec<_> = shapes.iter().map(|(n, shape)| (distance(shape), *n)).collect();
        sorted.sort_unstable();
        sorted.truncate(k);
        let near: Vec<_> = near.into_iter().map(|near| (near.distance, near.key)).collect();
        prop_assert_eq!(near, sorted);
    }
}

/// Law 3's trap: `{a}` with `a` taken in and out again is `{a}`, because parts have occurrences.
#[test]
fn a_body_is_a_multiset() {
    let a = Part::new(digest(1), 10, 0, [(channel(1), Polarity::Gives)]).unwrap();
    let mut twice = body(std::slice::from_ref(&a));
    let (shape, digest) = (twice.shape(), twice.digest());
    let second = twice.internalize(a.clone()).unwrap();
    assert_ne!(twice.digest(), digest);
    assert_eq!(twice.spares(&channel(1)).collect::<Vec<_>>(), [second]);
    twice.strip(second).unwrap();
    assert_eq!(
        (twice.shape(), twice.digest(), twice.len()),
        (shape, digest, 1)
    );
    assert_ne!(
        twice.internalize(a).unwrap(),
        second,
        "occurrence ids are not given again"
    );
}

/// Law 10 at its edges: bodies refuse what would take them out of the medium.
#[test]
fn bodies_are_bounded() {
    let plain = |n: u64| Part::new(digest(1), n, 0, []).unwrap();
    let mut full = Body::new();
    for _ in 0..PARTS_MAX {
        full.internalize(plain(u64::MAX)).unwrap();
    }
    assert_eq!(full.internalize(plain(1)), Err(BodyError::Parts));
    let shape = full.shape();
    assert_eq!(
        shape.bytes_exact(),
        u128::from(u64::MAX) * PARTS_MAX as u128
    );
    assert_eq!(shape.get(&Dimension::Bytes), Some(i64::MAX));
    assert_eq!(shape.as_extent().within_medium(), Ok(()));

    let mut wide = Body::new();
    for n in 0..BODY_CHANNELS_MAX / 8 {
        let links = (0..8).map(|c| (channel(8 * n + c), Polarity::Needs));
        wide.internalize(Part::new(digest(2), 1, 0, links).unwrap())
            .unwrap();
    }
    let one_more = Part::new(digest(2), 1, 0, [(channel(999), Polarity::Gives)]).unwrap();
    assert_eq!(
        wide.internalize(one_more.clone()),
        Err(BodyError::Channels { have: 256, new: 1 })
    );
    assert_eq!(wide.shape().get(&Dimension::Organs), Some(32));
    wide.upgrade(OccurrenceId(3), one_more, true).unwrap();
    assert_eq!(
        wide.shape(),
        Shape::from_scratch(wide.iter().map(|(_, part)| part))
    );

    let deep = Part::new(digest(3), 1, u32::try_from(DEPTH_MAX).unwrap(), []).unwrap();
    assert_eq!(
        Body::new().internalize(deep),
        Err(BodyError::Depth { levels: 17 })
    );

    let mut shape = Shape::default();
    for n in 0..DIMENSIONS_MAX {
        shape.set_named(&format!("d.n{n}"), 1).unwrap();
    }
    assert!(shape.set_named("one.more", 1).is_err() && shape.set_named("bytes", 1).is_err());
    assert_eq!(shape.as_extent().within_medium(), Ok(()));
}

// --- Law 7: patterns ----------------------------------------------------------------------------

/// A pattern's box over the small grid: sides on `parts`, `a.x` and `a.y`, a tag, a channel.
#[derive(Clone, Debug)]
struct Sides {
    parts: Option<(i64, i64)>,
    named: [Option<(i64, i64, bool)>; 2],
    tag: Option<(BTreeSet<&'static str>, bool, bool)>,
    gives: bool,
}

const GRID: i64 = 6;
const TAGS: [&str; 3] = ["a", "b", "c"];

fn sides() -> impl Strategy<Value = Sides> {
    let range = || (0..GRID, 0..GRID).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let named = || {
        prop::option::weighted(
            0.5,
            (range(), any::<bool>()).prop_map(|((l, h), o)| (l, h, o)),
        )
    };
    let tags = (
        btree_set(prop::sample::select(&TAGS[..]), 0..3),
        any::<bool>(),
        any::<bool>(),
    );
    (
        prop::option::of(range()),
        named(),
        named(),
        prop::option::weighted(0.3, tags),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(parts, x, y, tag, gives)| Sides {
            parts,
            named: [x, y],
            tag,
            gives,
        })
}

/// Unions of boxes on all axes, or of boxes on one named axis alone, which more often cover a box
/// only together.
fn union(boxes: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Sides>> {
    let on_a_line =
        (0..GRID, 0..4_i64, prop::bool::weighted(0.8)).prop_map(|(at, len, optional)| {
            let side = Some((at, (at + len).min(GRID - 1), optional));
            Sides {
                parts: None,
                named: [side, None],
                tag: None,
                gives: false,
            }
        });
    prop_oneof![vec(sides(), boxes.clone()), vec(on_a_line, boxes)]
}

fn text(boxes: &[Sides]) -> String {
    let one = |sides: &Sides| {
        let mut terms = vec!["all".to_owned()];
        terms.extend(
            sides
                .parts
                .map(|(low, high)| format!("parts in {low}..{high}")),
        );
        for (name, side) in ["a.x", "a.y"].iter().zip(sides.named) {
            let term = |(low, high, optional)| {
                format!("{name}{} in {low}..{high}", if optional { "?" } else { "" })
            };
            terms.extend(side.map(term));
        }
        if let Some((listed, all_but, optional)) = &sides.tag {
            let listed = listed.iter().copied().collect::<Vec<_>>().join(",");
            let (maybe, not) = (
                if *optional { "?" } else { "" },
                if *all_but { "not " } else { "" },
            );
            terms.push(format!("t{maybe} {not}in {{{listed}}}"));
        }
        if sides.gives {
            terms.push("gives(c/1)".to_owned());
        }
        format!("({})", terms.join(" & "))
    };
    if boxes.is_empty() {
        "none".to_owned()
    } else {
        boxes.iter().map(one).collect::<Vec<_>>().join("|")
    }
}

/// One point of the grid; `None` is absent.
#[derive(Clone, Copy, Debug)]
struct Point {
    parts: i64,
    named: [Option<i64>; 2],
    tag: Option<&'static str>,
    gives: bool,
}

impl genesis::pattern::Subject for Point {
    fn interval(&self, dimension: &Dimension) -> Option<Interval> {
        match dimension.to_string().as_str() {
            "parts" => Some(Interval::point(self.parts)),
            "a.x" => self.named[0].map(Interval::point),
            "a.y" => self.named[1].map(Interval::point),
            _ => None,
        }
    }

    fn gives(&self, channel: &Channel) -> bool {
        self.gives && channel.as_str() == "c/1"
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.tag.filter(|_| key == "t")
    }
}

impl Sides {
    fn accept(&self, point: Point) -> bool {
        let inside = |(low, high): (i64, i64), at: i64| low <= at && at <= high;
        self.parts.is_none_or(|side| inside(side, point.parts))
            && self
                .named
                .iter()
                .zip(point.named)
                .all(|(side, at)| match (*side, at) {
                    (None, _) => true,
                    (Some((.., optional)), None) => optional,
                    (Some((low, high, _)), Some(at)) => inside((low, high), at),
                })
            && self
                .tag
                .as_ref()
                .is_none_or(|(listed, all_but, optional)| match point.tag {
                    None => *optional,
                    Some(tag) => listed.contains(tag) != *all_but,
                })
            && (point.gives || !self.gives)
    }
}

/// Every point of a grid one step larger than the sides on all axes, so that it stands for all.
fn grid() -> impl Iterator<Item = Point> {
    let named = || std::iter::once(None).chain((-1..=GRID).map(Some));
    let tags = || [None, Some("a"), Some("b"), Some("c"), Some("other")].into_iter();
    (0..=GRID).flat_map(move |parts| {
        named().flat_map(move |x| {
            named().flat_map(move |y| {
                tags().flat_map(move |tag| {
                    [false, true].map(|gives| Point {
                        parts,
                        named: [x, y],
                        tag,
                        gives,
                    })
                })
            })
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    /// Law 7: covering is exact on small grids, where it never runs out of pieces.
    #[test]
    fn covering_agrees_with_brute_force(a in union(0..7), b in union(1..3)) {
        let (wide, narrow): (Pattern, Pattern) = (text(&a).parse().unwrap(), text(&b).parse().unwrap());
        let inside = grid().all(|p| {
            !b.iter().any(|sides| sides.accept(p)) || a.iter().any(|sides| sides.accept(p))
        });
        let want = if inside { Containment::Yes } else { Containment::No };
        prop_assert_eq!(wide.covers(&narrow), want);
        prop_assert_eq!(wide.or(&narrow).unwrap().covers(&narrow), Containment::Yes);
        prop_assert_eq!(narrow.covers(&wide.and(&narrow).unwrap()), Containment::Yes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// A pattern accepts exactly the points that one of its boxes does, in every mode that may accept.
    #[test]
    fn patterns_mean_what_they_say(boxes in vec(sides(), 0..4)) {
        let pattern: Pattern = text(&boxes).parse().unwrap();
        for point in grid() {
            let want = boxes.iter().any(|sides| sides.accept(point));
            prop_assert_eq!(pattern.matches(&point, Mode::Within), want, "{:?}", point);
            prop_assert_eq!(pattern.matches(&point, Mode::Meets), want, "{:?}", point);
            prop_assert_eq!(pattern.explain(&point, Mode::Within).is_ok(), want);
            let exact = if want { Containment::Yes } else { Containment::No };
            prop_assert_eq!(pattern.contains(&point), exact, "{:?}", point);
        }
    }

    /// Law 7: widening a side or adding a box never rejects, for points and for boxes.
    #[test]
    fn acceptance_is_monotone(
        boxes in vec(sides(), 1..4), extra in sides(), at in any::<prop::sample::Index>(), by in 0..3_i64,
        low in vec(0..GRID, 3), length in vec(0..3_i64, 3),
    ) {
        let mut wider = boxes.clone();
        let widened = at.get(&boxes).clone();
        let place = at.index(boxes.len());
        wider[place].parts = widened.parts.map(|(low, high)| (low, high + by));
        wider[place].named = widened.named.map(|s| s.map(|(l, h, o)| (l - by, h, o || by == 2)));
        wider.push(extra);
        let (before, after): (Pattern, Pattern) =
            (text(&boxes).parse().unwrap(), text(&wider).parse().unwrap());
        prop_assert_eq!(after.covers(&before), Containment::Yes);
        let names = ["parts", "a.x", "a.y"].into_iter().zip(low.iter().zip(&length));
        let subject = Extent(names.map(|(name, (&low, &length))| {
            (name.parse().unwrap(), Interval { low, high: low + length })
        }).collect());
        for mode in [Mode::Within, Mode::Meets] {
            if before.matches(&subject, mode) {
                prop_assert!(after.matches(&subject, mode));
            } else if mode == Mode::Meets {
                prop_assert_eq!(before.contains(&subject), Containment::No);
            }
        }
        if before.matches(&subject, Mode::Within) {
            prop_assert_eq!(before.contains(&subject), Containment::Yes);
        }
    }

    /// The canonical text reads back as the same pattern.
    #[test]
    fn canonical_text_reads_back(boxes in vec(sides(), 0..5), more in vec(sides(), 0..3)) {
        let text = format!("({}) & ({})", text(&boxes), text(&more));
        let pattern: Pattern = text.parse().unwrap();
        prop_assert_eq!(&pattern.to_string().parse::<Pattern>().unwrap(), &pattern);
        prop_assert_eq!(decode_canonical(1, &encode(1, &pattern).unwrap()), Ok(pattern));
    }

    /// Whatever the text, reading it ends in a pattern or in an error that can be shown.
    #[test]
    fn hostile_text_never_panics(
        text in prop_oneof![
            ".{0,60}",
            "[a-c.()<>=&|?!{}, \"\\\\0-9é\n-]{0,80}",
            "((all|parts|bytes|a\\.b|lang|in|not|gives|needs)[ ?&|()<>={},.0-9/]{0,4}){0,20}",
        ]
    ) {
        match text.parse::<Pattern>() {
            Ok(pattern) => prop_assert_eq!(pattern.to_string().parse::<Pattern>().unwrap(), pattern),
            Err(error) => {
                prop_assert!(text.is_char_boundary(error.at));
                prop_assert!(error.with_caret().contains('^'));
            }
        }
    }
}
