//! Each rule once more, as slow and plain as it can be told.

use std::collections::VecDeque;

use super::arrays::random::{below, draw, mix};
use super::*;

/// The way from one coordinate to another on a ring.
fn way(from: f64, to: f64, side: f64) -> f64 {
    let way = to - from;
    way - (way / side).round() * side
}

/// Every bird looks at every other.
fn plain_flocking(size: &Flocking, seed: u64) -> Vec<[f64; 4]> {
    let mut birds: Vec<[f64; 4]> = size.start(seed).collect();
    for _ in 0..size.steps {
        let seen = birds.clone();
        for (own, bird) in birds.iter_mut().enumerate() {
            let (mut sums, mut count) = ([0.0; 2], 0.0_f64);
            for (other, &[x, y, u, v]) in seen.iter().enumerate() {
                let ways = [way(bird[0], x, size.side), way(bird[1], y, size.side)];
                let distance = (ways[0] * ways[0] + ways[1] * ways[1]).sqrt();
                if other == own || distance > size.vision {
                    continue;
                }
                count += 1.0;
                for (sum, (way, velocity)) in sums.iter_mut().zip(ways.into_iter().zip([u, v])) {
                    *sum += way * Flocking::COHERE + velocity * Flocking::MATCH;
                    if distance < Flocking::SEPARATION {
                        *sum -= way * Flocking::SEPARATE;
                    }
                }
            }
            let [u, v] = [0, 1].map(|axis| bird[2 + axis] + sums[axis] / count.max(1.0));
            let speed = (u * u + v * v).sqrt();
            for (axis, velocity) in [u / speed, v / speed].into_iter().enumerate() {
                bird[axis] = (bird[axis] + velocity).rem_euclid(size.side);
                bird[2 + axis] = velocity;
            }
        }
    }
    birds
}

#[test]
fn birds_fly_as_if_each_looked_at_all() {
    let size = Flocking {
        steps: 10,
        ..Flocking::SIZES[1]
    };
    let birds = plain_flocking(&size, 7);
    let column = |axis: usize| birds.iter().map(|bird| bird[axis]).collect::<Vec<_>>();
    let [x, y, u, v] = [0, 1, 2, 3].map(column);
    let wanted = Seen::order(&size, &x, &y, &u, &v).values();
    let one = arrays::flocking::run(&size, 1, 7);
    for (seen, wanted) in one.seen.values().into_iter().zip(wanted) {
        assert!((seen - wanted).abs() < 1e-6, "{seen} {wanted}");
    }
    assert_eq!(one.hash, arrays::flocking::run(&size, 3, 7).hash);
    assert_eq!(one.took.agent_steps, 4_000);
}

#[test]
fn sheep_and_wolves_live_as_known_of_two_older_codes() {
    let size = WolfSheep::SIZES[1];
    let runs: Vec<Vec<f64>> = (0..10)
        .map(|seed| arrays::wolfsheep::run(&size, 1, seed).seen.values())
        .collect();
    for (animal, wanted) in [(0, 1_350.0), (1, 2_550.0)] {
        let mean = runs.iter().map(|run| run[animal]).sum::<f64>() / 10.0;
        assert!((mean / wanted - 1.0).abs() < 0.1, "{mean} {wanted}");
    }
}

#[test]
fn threads_decide_nothing_about_animals() {
    let size = WolfSheep {
        steps: 5,
        ..WolfSheep::SIZES[3]
    };
    let one = arrays::wolfsheep::run(&size, 1, 1);
    assert_eq!(one.hash, arrays::wolfsheep::run(&size, 3, 1).hash);
    let Seen::Alive { sheep, wolves } = one.seen else {
        panic!("animals are counted");
    };
    assert!(sheep > 100_000 && wolves > 33_000, "{sheep} {wolves}");
}

#[test]
fn people_end_among_their_own() {
    for (size, wanted) in Schelling::SIZES.iter().zip([0.87, 0.83]) {
        let values = (0..10).flat_map(|seed| arrays::schelling::run(size, seed).seen.values());
        let mean = values.sum::<f64>() / 10.0;
        assert!((mean - wanted).abs() < 0.02, "{} {mean}", size.name);
    }
}

#[test]
fn a_fire_reaches_what_is_as_many_steps_away() {
    let size = ForestFire::SIZES[0];
    let side = size.side as usize;
    let trees = size.trees(3);
    let mut left = vec![None; trees.len()];
    let mut next: VecDeque<usize> = VecDeque::new();
    for place in (0..trees.len()).step_by(side).filter(|&place| trees[place]) {
        left[place] = Some(size.steps);
        next.push_back(place);
    }
    while let Some(place) = next.pop_front() {
        let steps = left[place].unwrap_or_default();
        let (column, row) = (place % side, place / side);
        let near = [
            (column > 0).then(|| place - 1),
            (column + 1 < side).then(|| place + 1),
            (row > 0).then(|| place - side),
            (row + 1 < side).then(|| place + side),
        ];
        for near in near.into_iter().flatten() {
            if steps > 0 && trees[near] && left[near].is_none() {
                left[near] = Some(steps - 1);
                next.push_back(near);
            }
        }
    }
    // What caught fire in the last step still burns.
    let burnt = left.iter().flatten().filter(|&&steps| steps > 0).count();
    let run = arrays::forestfire::run(&size, 3);
    assert_eq!(run.seen, Seen::Burnt(burnt as u64));
}

#[test]
fn letters_arrive_in_the_order_of_their_senders() {
    for kind in Mailbox::KINDS.map(|kind| kind.with_vcs(9_000)) {
        let mut states: Vec<u64> = (0..u64::from(kind.vcs)).map(|vc| mix(vc + 1)).collect();
        for step in 0..kind.steps {
            let mut boxes = vec![VecDeque::new(); states.len()];
            for (from, &word) in (0..kind.vcs).zip(&states) {
                let to = (from + below(draw(5, step, from), kind.reach)) % kind.vcs;
                boxes[to as usize].push_back(word.wrapping_add(from.into()));
            }
            for (state, letters) in states.iter_mut().zip(boxes) {
                *state = letters
                    .into_iter()
                    .fold(*state, |state, letter| mix(state ^ letter));
            }
        }
        let wanted = states.iter().fold(5, |hash, &state| hash ^ mix(state));
        let run = arrays::mailbox::run(&kind, 5);
        assert_eq!(run.hash, wanted, "{}", kind.name);
        assert_eq!(run.seen, Seen::Read(90_000));
    }
}
