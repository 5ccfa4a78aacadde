//! What two independent programs, or the literature, found for those who flock, hunt and move house.

use sims::models::flocking::Flocking;
use sims::models::schelling::Schelling;
use sims::models::wolfsheep::WolfSheep;

use crate::{mean, run, seen, ticks};

/// A program of the same declaration, written by hand over arrays, finds 1,333 sheep and 2,397 wolves at step 100 of the
/// large preset: the means of 300 seeds, with standard deviations of 120 and 164.
#[test]
fn wolves_and_sheep_live_together_in_the_numbers_that_others_find() {
    let (mut sheep, mut wolves) = (Vec::new(), Vec::new());
    for seed in 0..30 {
        let mut run = run::<WolfSheep>(seed, |_| {});
        ticks(&mut run, 100);
        sheep.push(seen(&run, "sheep"));
        wolves.push(seen(&run, "wolves"));
    }
    for (found, known) in [(mean(&sheep), 1_333.0), (mean(&wolves), 2_397.0)] {
        assert!((found / known - 1.0).abs() < 0.05, "{found}, not {known}");
    }
}

/// Lotka and Volterra: those who hunt have their peak after those who are hunted.
#[test]
fn wolves_peak_after_sheep() {
    let mut together = [0.0; 40];
    for seed in 0..10 {
        let mut run = run::<WolfSheep>(seed, |_| {});
        let (mut sheep, mut wolves) = (Vec::new(), Vec::new());
        for _ in 0..400 {
            ticks(&mut run, 1);
            sheep.push(seen(&run, "sheep"));
            wolves.push(seen(&run, "wolves"));
        }
        for (lag, sum) in together.iter_mut().enumerate() {
            *sum += correlation(&sheep, &wolves, lag) / 10.0;
        }
    }
    let lag = (0..together.len()).max_by(|&a, &b| together[a].total_cmp(&together[b]));
    assert!(
        lag.is_some_and(|lag| (8..=25).contains(&lag)),
        "{lag:?} of {together:?}"
    );
    assert!(together[0] < 0.5 * together[lag.unwrap()], "{together:?}");
}

/// Of what was, with what is `lag` later; without the first 100, in which the numbers of the beginning still show.
fn correlation(first: &[f64], second: &[f64], lag: usize) -> f64 {
    let (a, b) = (&first[100..first.len() - lag], &second[100 + lag..]);
    let (ma, mb) = (mean(a), mean(b));
    let product = |x: &[f64], mx: f64, y: &[f64], my: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum()
    };
    product(a, ma, b, mb) / (product(a, ma, a, ma) * product(b, mb, b, mb)).sqrt()
}

/// A hand-written program finds a mean share of like neighbours of 0.826 after 20 steps of the large preset.
#[test]
fn people_of_a_kind_end_up_together() {
    let mut shares = Vec::new();
    for seed in 0..30 {
        let mut run = run::<Schelling>(seed, |_| {});
        let before = seen(&run, "alike");
        assert!(
            (0.48..0.52).contains(&before),
            "seed {seed}: mixed at first, {before}"
        );
        ticks(&mut run, 20);
        let after = seen(&run, "alike");
        assert!(after > 0.8, "seed {seed}: {after}");
        shares.push(after);
    }
    let found = mean(&shares);
    assert!((found - 0.826).abs() < 0.02, "{found}");
}

#[test]
fn nobody_is_lost_when_people_move_house() {
    let mut run = run::<Schelling>(3, |_| {});
    for _ in 0..10 {
        ticks(&mut run, 1);
        let (homes, people) = (&run.world.homes, &run.world.people);
        assert_eq!((people.len(), homes.empty()), (8_000, 2_000));
        for group in [1, 2] {
            assert_eq!(people.count(|one| homes.get(one.at) == group), 4_000);
        }
    }
}

/// The order of 400 birds is that of chance at first, 1/20, and rises to that of a flock.
#[test]
fn birds_come_to_fly_together() {
    for seed in 0..5 {
        let mut run = run::<Flocking>(seed, |_| {});
        assert!(seen(&run, "order") < 0.15);
        let mut order = Vec::new();
        for _ in 0..5 {
            ticks(&mut run, 100);
            order.push(seen(&run, "order"));
        }
        eprintln!("{order:?}");
        assert!(
            order[4] > 0.5 && order[4] > 2.0 * order[0],
            "seed {seed}: {order:?}"
        );
    }
}
