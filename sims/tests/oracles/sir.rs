//! An epidemic in a well-mixed town: the final size z = 1 - exp(-R0 z), and the chance 1/R0 that one ill person is the last
//! few (a branching process with geometric offspring, because times are exponential).

use sims::models::sir::Sir;

use crate::{mean, root, run, seen, ticks};

/// Which share has been ill in the end.
fn share(seed: u64, people: u64, r0: f64) -> f64 {
    // Short illnesses: the result does not depend on how long a tick is, and the test does.
    let mut sir = run::<Sir>(seed, |sir| {
        (sir.people, sir.r0, sir.days) = (people, r0, 1.5);
    });
    ticks(&mut sir, u64::MAX);
    assert_eq!(
        (seen(&sir, "i"), seen(&sir, "s") + seen(&sir, "r")),
        (0.0, people as f64)
    );
    seen(&sir, "r") / people as f64
}

#[test]
fn major_outbreaks_have_the_final_size() {
    for r0 in [1.5, 2.0, 3.0] {
        let exact = root(1e-6, 1.0, |z| z - 1.0 + libm::exp(-r0 * z));
        let shares: Vec<_> = (0..100).map(|seed| share(seed, 100_000, r0)).collect();
        let major: Vec<_> = shares
            .iter()
            .copied()
            .filter(|&share| share > 0.1)
            .collect();
        let found = mean(&major);
        assert!(
            (found / exact - 1.0).abs() < 0.01,
            "R0 {r0}: {found}, not {exact}"
        );
        check_minor(r0, shares.len() - major.len(), shares.len());
    }
}

/// Three sigma around 1/R0.
fn check_minor(r0: f64, minor: usize, of: usize) {
    let (found, exact) = (minor as f64 / of as f64, 1.0 / r0);
    let sigma = (exact * (1.0 - exact) / of as f64).sqrt();
    assert!(
        (found - exact).abs() < 3.0 * sigma,
        "R0 {r0}: {found} of {of} are minor, not {exact}"
    );
}

#[test]
fn minor_outbreaks_are_as_likely_as_one_in_r0() {
    for r0 in [1.5, 2.0, 3.0] {
        let minor = (0..2_000)
            .filter(|&seed| share(1_000 + seed, 2_000, r0) < 0.1)
            .count();
        check_minor(r0, minor, 2_000);
    }
}

#[test]
fn below_one_there_is_no_outbreak() {
    assert!((0..100).all(|seed| share(seed, 10_000, 0.8) < 0.05));
}

/// Ten times as long a tick changes neither law.
#[test]
fn the_length_of_a_tick_does_not_matter() {
    for days in [0.3, 30.0] {
        let sizes: Vec<_> = (0..40)
            .map(|seed| {
                let mut sir = run::<Sir>(seed, |sir| {
                    (sir.people, sir.r0, sir.days) = (5_000, 2.0, days);
                });
                ticks(&mut sir, u64::MAX);
                seen(&sir, "r") / 5_000.0
            })
            .filter(|&share| share > 0.1)
            .collect();
        let exact = root(1e-6, 1.0, |z| z - 1.0 + libm::exp(-2.0 * z));
        assert!(
            (mean(&sizes) / exact - 1.0).abs() < 0.01,
            "{days}: {}",
            mean(&sizes)
        );
    }
}
