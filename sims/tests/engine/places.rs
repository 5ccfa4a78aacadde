//! Planes, lattices, boards, and who is near.

use std::collections::BTreeSet;

use proptest::prelude::*;
use sims::crew::Crew;
use sims::prelude::*;
use sims::store::Hosting;
use sims::world::World;

agent! {
    /// Somebody somewhere.
    pub struct Somebody { at: P2, number: u64 }
}

world! {
    /// A plane.
    pub struct Sheet { all: Cohort<Somebody>, sight: Near<Somebody>, board: Board<u8> }
}

/// Who sees whom, by number.
type Pairs = BTreeSet<(u64, u64)>;

fn plane(width: f64, height: f64, wraps: bool) -> Plane {
    if wraps {
        Plane::torus(width, height)
    } else {
        Plane::walled(width, height)
    }
}

/// Whom everybody sees, as pairs of numbers, and how many each was told to see.
fn seen(plane: Plane, radius: f64, places: &[P2], hosting: Hosting) -> Pairs {
    let mut w = Sheet::new(hosting);
    let crew = Crew::alone();
    let mut t = Tick::new(1, 1, &crew);
    w.all.spawn(&mut t, places.len() as u64, |vc| Somebody {
        at: places[vc.id().entry() as usize],
        number: vc.id().entry().into(),
    });
    w.sight.look(&t, &mut w.all, plane, radius, |one| one.at);
    let mut pairs = BTreeSet::new();
    w.all.each_in_random_order(&mut t, |me, vc| {
        let mut count = 0;
        let told = w.sight.others(vc, |way, other| {
            count += 1;
            let direct = plane.way(me.at, other.at);
            assert!((way - direct).len() < 1e-9, "{way:?} is not {direct:?}");
            assert!(pairs.insert((me.number, other.number)), "seen twice");
        });
        assert_eq!(told, count);
    });
    for (number, &at) in (0..).zip(places) {
        w.sight.around(at, |way, id, other| {
            assert_eq!(u64::from(id.entry()), other.number);
            let among = pairs.contains(&(number, other.number));
            assert!(among || number == other.number, "{way:?}");
        });
    }
    pairs
}

/// The same by looking at all pairs; those at the very edge of sight may be seen or not.
fn by_force(plane: Plane, radius: f64, places: &[P2]) -> (Pairs, Pairs) {
    let (mut surely, mut perhaps) = (BTreeSet::new(), BTreeSet::new());
    for (a, &from) in (0..).zip(places) {
        for (b, &to) in (0..).zip(places).filter(|(b, _)| *b != a) {
            let away = plane.way(from, to).len();
            if away <= radius * (1.0 - 1e-12) {
                surely.insert((a, b));
            } else if away <= radius * (1.0 + 1e-12) {
                perhaps.insert((a, b));
            }
        }
    }
    (surely, perhaps)
}

fn check_near(plane: Plane, radius: f64, places: &[P2]) {
    let (surely, perhaps) = by_force(plane, radius, places);
    for hosting in crate::BOTH {
        let seen = seen(plane, radius, places, hosting);
        let missed: Vec<_> = surely.difference(&seen).collect();
        assert!(
            missed.is_empty(),
            "{plane:?} radius {radius}: {missed:?} not seen"
        );
        let made_up: Vec<_> = seen
            .difference(&surely)
            .filter(|pair| !perhaps.contains(pair))
            .collect();
        assert!(
            made_up.is_empty(),
            "{plane:?} radius {radius}: {made_up:?} seen"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// From one cell to many, on a torus and in a box, with a radius up to the whole side.
    #[test]
    fn who_is_near_is_who_is_near_by_all_pairs(
        width in 1.0..40.0_f64,
        height in 1.0..40.0_f64,
        share in 0.02..1.0_f64,
        wraps: bool,
        units in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64), 0..60),
    ) {
        let places: Vec<_> = units.iter().map(|(x, y)| P2 { x: x * width, y: y * height }).collect();
        check_near(plane(width, height, wraps), share * width.min(height), &places);
    }

    /// Whole numbers meet the borders of cells and the edge of sight exactly.
    #[test]
    fn who_is_near_on_whole_numbers(
        cells in 1..9_u32,
        radius in 1..6_u32,
        wraps: bool,
        units in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64), 0..60),
    ) {
        let side = f64::from(cells * radius);
        let places: Vec<_> = units.iter().map(|(x, y)| P2 { x: (x * side).floor(), y: (y * side).floor() }).collect();
        check_near(plane(side, side, wraps), f64::from(radius), &places);
    }

    #[test]
    fn ways_on_a_torus_are_short_and_go_both_ways(
        width in 0.5..1e4_f64,
        height in 0.5..1e4_f64,
        a in (0.0..1.0_f64, 0.0..1.0_f64),
        b in (0.0..1.0_f64, 0.0..1.0_f64),
    ) {
        let torus = Plane::torus(width, height);
        let at = |(x, y): (f64, f64)| P2 { x: x * width, y: y * height };
        let (there, back) = (torus.way(at(a), at(b)), torus.way(at(b), at(a)));
        prop_assert!((there.len() - back.len()).abs() <= 1e-9 * width.max(height));
        prop_assert!(there.x.abs() <= width / 2.0 && there.y.abs() <= height / 2.0);
        // Who goes the way arrives.
        let arrived = torus.way(torus.place(at(a) + there), at(b));
        prop_assert!(arrived.len() <= 1e-9 * width.max(height), "{:?}", arrived);
        // No image of the other is nearer.
        for dx in [-width, 0.0, width] {
            for dy in [-height, 0.0, height] {
                let image = at(b) + V2::new(dx, dy) - at(a);
                prop_assert!(there.len() <= image.len() * (1.0 + 1e-12) + 1e-12);
            }
        }
    }

    /// Also for the number just outside of the edge that rounds to the side itself.
    #[test]
    fn places_are_inside(
        side in 0.5..1e6_f64,
        share in -1.0..2.0_f64,
        wraps: bool,
        tiny in prop::sample::select(vec![0.0, -f64::MIN_POSITIVE, -1e-300, 1e-300, -1e-17]),
    ) {
        let plane = plane(side, side, wraps);
        for x in [share * side, tiny] {
            let P2 { x, y } = plane.place(P2 { x, y: x });
            let inside = |x: f64| x >= 0.0 && if wraps { x < side } else { x <= side };
            prop_assert!(inside(x) && inside(y), "{} {} of {}", x, y, side);
        }
    }

    #[test]
    fn the_reciprocal_divides(width in 1..=u32::MAX, spot: u32) {
        let height = (u32::MAX - 1) / width;
        let land = Lattice::bounded(width, height);
        for spot in [spot, spot % 1_000, 0, width - 1, width.saturating_mul(height).saturating_sub(1)] {
            prop_assert_eq!(land.xy(Spot(spot)), (spot % width, spot / width));
        }
    }

    /// The eight around, the four beside and the square agree with columns and rows.
    #[test]
    fn neighbours_on_a_lattice(width in 1..9_u32, height in 1..9_u32, nth: u32, radius in 0..12_u32) {
        let land = Lattice::bounded(width, height);
        let spot = Spot(nth % (width * height));
        let (x, y) = land.xy(spot);
        let away = |other: Spot| {
            let (ox, oy) = land.xy(other);
            (x.abs_diff(ox), y.abs_diff(oy))
        };
        let such = |such: &dyn Fn((u32, u32)) -> bool| -> Vec<Spot> { land.spots().filter(|&other| such(away(other))).collect() };
        prop_assert_eq!(land.eight(spot).collect::<Vec<_>>(), such(&|(dx, dy)| dx.max(dy) == 1));
        let mut four: Vec<_> = land.four(spot).collect();
        four.sort_unstable();
        prop_assert_eq!(four, such(&|(dx, dy)| dx + dy == 1));
        let (columns, lines) = land.square(spot, radius);
        let square: Vec<_> = lines.flat_map(|y| columns.clone().map(move |x| land.spot(x, y))).collect();
        prop_assert_eq!(square, such(&|(dx, dy)| dx.max(dy) <= radius));
        if width.min(height) > 2 {
            let torus = Lattice::torus(width, height);
            let around: BTreeSet<_> = torus.eight(spot).collect();
            prop_assert_eq!(around.len(), 8);
            prop_assert!(around.iter().all(|&other| torus.eight(other).any(|back| back == spot)));
        }
    }

    /// However people move, each spot has one of them or is listed as empty, and what is seen around is what is there.
    #[test]
    fn a_board_has_room_for_one_on_each_spot(side in 1..7_u32, share in 0.0..1.0_f64, seed: u64, radius in 0..8_u32) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "fewer than 49")]
        let people = (f64::from(side * side) * share) as u64;
        let crew = Crew::alone();
        let mut w = Sheet::new(Hosting::Cohorts);
        let land = Lattice::bounded(side, side);
        w.board.lay(land);
        let mut where_they_are = Vec::new();
        let mut t = Tick::new(seed, 1, &crew);
        w.all.spawn(&mut t, people, |vc| {
            where_they_are.push((w.board.enter([1, 2], vc), vc.deal([1_u8, 2])));
            Somebody::default()
        });
        w.all.each_in_random_order(&mut t, |_, vc| {
            let at = &mut where_they_are[vc.id().entry() as usize].0;
            *at = w.board.relocate(*at, vc);
        });
        let taken: BTreeSet<_> = where_they_are.iter().map(|(at, _)| *at).collect();
        prop_assert_eq!(taken.len() as u64, people);
        prop_assert_eq!(w.board.empty() as u64, u64::from(side * side) - people);
        for &(at, group) in &where_they_are {
            prop_assert_eq!(w.board.get(at), group);
            let (x, y) = land.xy(at);
            let near = |other: &Spot| {
                let (ox, oy) = land.xy(*other);
                *other != at && x.abs_diff(ox).max(y.abs_diff(oy)) <= radius
            };
            let others: Vec<_> = where_they_are.iter().filter(|(other, _)| near(other)).collect();
            let like = others.iter().filter(|(_, theirs)| *theirs == group).count();
            prop_assert_eq!(w.board.like(at, radius) as usize, like);
            let share = (!others.is_empty()).then(|| like as f64 / others.len() as f64);
            prop_assert_eq!(w.board.likeness(at, radius), share);
        }
        if let Some(&(at, group)) = where_they_are.first() {
            prop_assert_eq!((w.board.leave(at), w.board.leave(at)), (group, 0));
            prop_assert_eq!(w.board.empty() as u64, u64::from(side * side) - people + 1);
        }
    }
}

#[test]
#[should_panic(expected = "all of the 4 spots are taken")]
fn a_full_board_says_so() {
    let crew = Crew::alone();
    let mut w = Sheet::new(Hosting::Cohorts);
    w.board.lay(Lattice::bounded(2, 2));
    w.all.spawn(&mut Tick::new(1, 1, &crew), 5, |vc| {
        w.board.enter([1], vc);
        Somebody::default()
    });
}
