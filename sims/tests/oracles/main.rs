//! What nobody here made up: constants and exact results of the literature, which the models must meet, over enough seeds to
//! mean something.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod crowds;
mod fire;
mod life;
mod money;
mod sir;
mod walk;

use sims::crew::Crew;
use sims::live::Live;
use sims::model::Model;
use sims::params::Params;
use sims::run::Run;
use sims::store::Hosting;

/// A run of a model with other parameters than the defaults.
fn run<M: Model + Params>(seed: u64, change: impl FnOnce(&mut M)) -> Run<M> {
    let mut model = M::defaults();
    change(&mut model);
    Run::of(model, seed, Hosting::Cohorts).unwrap()
}

/// So many ticks, or fewer if nothing can happen any more.
fn ticks(run: &mut dyn Live, ticks: u64) {
    let crew = Crew::alone();
    for _ in 0..ticks {
        if run.is_over() {
            break;
        }
        run.tick(&crew).unwrap();
    }
}

/// What a model collects, now.
fn seen(run: &dyn Live, name: &str) -> f64 {
    run.observe().get(name).unwrap()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Where a function that rises is 0.
fn root(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if f(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}
