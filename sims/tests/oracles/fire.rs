//! A forest fire is site percolation: on a large square lattice it reaches the far side above `p_c` = 0.592746 (Newman and Ziff
//! 2000) and not below.

use sims::model::Model;
use sims::models::forestfire::{BURNT, ForestFire};

use crate::{run, ticks};

const SIDE: u32 = 400;

/// In how many of ten forests the fire reaches the right column.
fn crossings(density: f64) -> usize {
    (0..10)
        .filter(|&seed| {
            let mut fire =
                run::<ForestFire>(seed, |fire| (fire.side, fire.density) = (SIDE, density));
            ticks(&mut fire, u64::MAX);
            assert!(fire.model().is_over(&fire.world));
            let plots = &fire.world.plots;
            let burnt = plots.iter().filter(|plot| plot.is == BURNT).count() as u64;
            assert_eq!(burnt, fire.world.burnt, "what is counted is what burnt");
            (0..SIDE).any(|y| plots.get(plots.lattice().spot(SIDE - 1, y)).is == BURNT)
        })
        .count()
}

#[test]
fn the_fire_crosses_above_the_percolation_threshold_alone() {
    assert_eq!(crossings(0.58), 0);
    // At the threshold half of them cross (the chance of a square is 1/2 by duality): of ten, 1 to 9 but for 0.2 %.
    let at = crossings(0.592_746);
    assert!((1..=9).contains(&at), "{at}");
    assert_eq!(crossings(0.61), 10);
}

/// With a tree on each plot the fire is a line that goes from left to right.
#[test]
fn a_forest_without_gaps_burns_column_by_column() {
    let mut fire = run::<ForestFire>(1, |fire| (fire.side, fire.density) = (30, 1.0));
    for now in 0..30 {
        assert_eq!((fire.world.plots.awake(), fire.world.burnt), (30, now * 30));
        ticks(&mut fire, 1);
    }
    assert!(fire.model().is_over(&fire.world));
    assert_eq!((fire.world.burnt, fire.world.trees), (900, 0));
}
