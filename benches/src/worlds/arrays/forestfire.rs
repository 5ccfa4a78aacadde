//! A byte per place; only trees that burn are looked at.

use super::random::mix;
use crate::worlds::{ForestFire, Outcome, Seen, timed};

const EMPTY: u8 = 0;
const TREE: u8 = 1;
const FIRE: u8 = 2;
const BURNT: u8 = 3;

/// Runs a forest, whose trees are those of [`ForestFire::trees`].
pub fn run(size: &ForestFire, seed: u64) -> Outcome {
    let side = size.side as usize;
    // Empty places all around, so that each has four neighbours.
    let stride = side + 2;
    let mut places = vec![EMPTY; stride * stride];
    let mut burning = Vec::new();
    for (at, tree) in size.trees(seed).into_iter().enumerate() {
        let place = (at / side + 1) * stride + at % side + 1;
        if tree && at % side == 0 {
            places[place] = FIRE;
            burning.push(place as u32);
        } else if tree {
            places[place] = TREE;
        }
    }
    let mut caught = Vec::with_capacity(side);
    let took = timed(size.steps, |_| {
        caught.clear();
        for &place in &burning {
            let place = place as usize;
            for near in [place - stride, place - 1, place + 1, place + stride] {
                if places[near] == TREE {
                    places[near] = FIRE;
                    caught.push(near as u32);
                }
            }
            places[place] = BURNT;
        }
        std::mem::swap(&mut burning, &mut caught);
        (side * side, side * side)
    });
    let burnt: u64 = places.iter().map(|&place| u64::from(place == BURNT)).sum();
    Outcome {
        took,
        seen: Seen::Burnt(burnt),
        hash: places
            .iter()
            .fold(seed, |hash, &place| mix(hash ^ u64::from(place))),
    }
}
