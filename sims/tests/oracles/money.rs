//! Money that is given away at random ends up exponential: Gini 1/2 (Drăgulescu and Yakovenko 2000).

use sims::models::money::{Money, gini};

use crate::{mean, root, run, seen, ticks};

const MONEY: u64 = 10;
/// Nobody has more, as far as a double can tell.
const LEN: usize = 300;

/// The stationary Gini coefficient of one who gives a unit each tick, if there is one, and gets Poisson many: the queue M/D/1
/// in steps. Its rate follows from the mean (Pollaczek and Khinchine), its distribution by iteration.
fn stationary() -> f64 {
    let wanted = MONEY as f64;
    let rate = root(0.0, 1.0, |rate| {
        rate + rate * rate / (2.0 * (1.0 - rate)) - wanted
    });
    let mut gets = vec![libm::exp(-rate)];
    for n in 1..40 {
        gets.push(gets[n - 1] * rate / n as f64);
    }
    let mut now = vec![0.0; LEN];
    now[usize::try_from(MONEY).unwrap()] = 1.0;
    for _ in 0..5_000 {
        let mut next = vec![0.0; LEN];
        for (has, chance) in now.iter().enumerate() {
            for (more, likely) in gets.iter().enumerate() {
                next[(has.saturating_sub(1) + more).min(LEN - 1)] += chance * likely;
            }
        }
        now = next;
    }
    let found: f64 = now
        .iter()
        .enumerate()
        .map(|(has, chance)| has as f64 * chance)
        .sum();
    assert!((found - wanted).abs() < 0.01, "the mean is {found}");
    // Gini = 1 - sum of (1 - F(k))^2 / mean.
    let (mut below, mut squares) = (0.0, 0.0);
    for chance in now {
        below += chance;
        squares += (1.0 - below) * (1.0 - below);
    }
    1.0 - squares / wanted
}

#[test]
fn inequality_tends_to_that_of_the_exponential_distribution() {
    let mut late = Vec::new();
    for seed in 0..8 {
        let mut money = run::<Money>(seed, |money| (money.traders, money.money) = (2_000, MONEY));
        assert!(seen(&money, "gini").abs() < 1e-9, "equals at first");
        for _ in 0..10 {
            ticks(&mut money, 200);
            assert_eq!(
                money.world.traders.iter().map(|one| one.money).sum::<u64>(),
                2_000 * MONEY
            );
        }
        let gini = seen(&money, "gini");
        assert!((0.47..0.52).contains(&gini), "seed {seed}: {gini}");
        late.push(gini);
    }
    let (mean, exact) = (mean(&late), stationary());
    assert!((0.48..0.52).contains(&mean), "{mean}");
    assert!((mean - exact).abs() < 0.01, "{mean}, not {exact}");
}

#[test]
fn the_gini_coefficient_of_known_distributions() {
    assert!(gini([].into_iter()).abs() < 1e-12);
    assert!(gini([0, 0].into_iter()).abs() < 1e-12);
    assert!(gini([5; 100].into_iter()).abs() < 1e-12);
    // One has everything.
    assert!((gini((0..100).map(|n| u64::from(n == 7))) - 0.99).abs() < 1e-12);
    // Uniform: 1/3.
    assert!((gini(0..100_000) - 1.0 / 3.0).abs() < 1e-4);
    // The exponential distribution, by its quantiles: 1/2.
    let exponential = (0..100_000).map(|n| -libm::log(1.0 - (f64::from(n) + 0.5) / 1e5) * 1e6);
    let units = exponential.map(|money| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive and small"
        )]
        let money = money as u64;
        money
    });
    assert!((gini(units) - 0.5).abs() < 1e-3);
}
