//! A walker is sqrt(n) away after n steps, in the square mean.

use sims::models::walk::Walk;

use crate::{run, seen, ticks};

#[test]
fn the_mean_square_distance_is_the_number_of_steps() {
    // r2 / n is a mean of exponential ones, so 100,000 of them are known to 0.3 %.
    let mut walk = run::<Walk>(5, |walk| walk.walkers = 100_000);
    for n in 1..=8_u32 {
        ticks(&mut walk, 25);
        let steps = f64::from(25 * n);
        let r2 = seen(&walk, "r2") / steps;
        assert!((r2 - 1.0).abs() < 0.01, "{n}: {r2}");
        for axis in ["x", "y"] {
            let middle = seen(&walk, axis);
            assert!(
                middle.abs() < 4.0 * (0.5 * steps / 1e5).sqrt(),
                "{n}: {middle}"
            );
        }
    }
}
