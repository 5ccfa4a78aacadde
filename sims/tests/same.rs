//! The same seed gives the same digest: for any number of threads, with rows as columns or each on its own, straight
//! through or resumed at every tick, looked at or not.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use sims::crew::Crew;
use sims::live::{Live, Loaded};
use sims::model::{ModelInfo, Setting};
use sims::models::MODELS;
use sims::params::Value;
use sims::store::Hosting;

/// A world of each model that is large enough for threads to share, and small enough for a test.
fn setting(model: &ModelInfo, hosting: Hosting) -> Setting {
    let set: &[(&str, u64)] = match model.name {
        "flocking" => &[("birds", 6_000), ("side", 600)],
        "wolfsheep" => &[("sheep", 5_000), ("wolves", 2_500), ("side", 220)],
        "limbs" => &[
            ("robots", 9_000),
            ("release", 2),
            ("first", 500),
            ("fails", 6),
        ],
        "money" => &[("traders", 6_000)],
        "sir" => &[("people", 9_000), ("ill", 900), ("days", 3)],
        "walk" => &[("walkers", 6_000)],
        "forestfire" => &[("side", 120)],
        "market" => &[("buyers", 9_000), ("sellers", 5_000)],
        "cats" => &[("cats", 9_000), ("side", 700), ("roam", 3), ("grow", 4)],
        _ => &[],
    };
    let mut set: Vec<_> = set
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::U64(*value)))
        .collect();
    if model.name == "life" {
        set.push(("pattern".to_owned(), Value::Text(soup())));
    }
    Setting {
        set,
        seed: 42,
        hosting,
        ..Setting::default()
    }
}

/// A pattern of about 6,700 cells without a plan.
fn soup() -> String {
    let spots = (0..20_000_u64).map(|n| {
        let alive = sims::random::mix(n).is_multiple_of(3);
        format!(
            "{}{}",
            if n % 141 == 140 { "$" } else { "" },
            if alive { "o" } else { "b" }
        )
    });
    spots.chain(["!".to_owned()]).collect()
}

const TICKS: u64 = 12;

fn digests(model: &ModelInfo, hosting: Hosting, threads: usize) -> Vec<String> {
    let crew = Crew::of(threads).unwrap();
    let mut run = model.begin(&setting(model, hosting)).unwrap();
    (0..TICKS)
        .map(|_| {
            run.tick(&crew).unwrap();
            run.digest().to_string()
        })
        .collect()
}

#[test]
fn threads_do_not_show() {
    for model in MODELS {
        let one = digests(model, Hosting::Cohorts, 1);
        for threads in [2, 3, 7] {
            assert_eq!(
                one,
                digests(model, Hosting::Cohorts, threads),
                "{}",
                model.name
            );
        }
    }
}

#[test]
fn how_rows_are_kept_does_not_show() {
    for model in MODELS {
        let columns = digests(model, Hosting::Cohorts, 1);
        assert_eq!(columns, digests(model, Hosting::Alone, 1), "{}", model.name);
        assert_eq!(columns, digests(model, Hosting::Alone, 3), "{}", model.name);
    }
}

#[test]
fn looking_does_not_show() {
    for model in MODELS {
        let crew = Crew::alone();
        let straight = digests(model, Hosting::Cohorts, 1);
        let mut run = model.begin(&setting(model, Hosting::Cohorts)).unwrap();
        for digest in straight {
            run.observe();
            let cohorts: Vec<_> = run
                .cohorts()
                .into_iter()
                .map(|cohort| cohort.name)
                .collect();
            for cohort in cohorts {
                run.each(cohort, &mut |_, _| {}).unwrap();
            }
            run.tick(&crew).unwrap();
            run.counts();
            run.save();
            assert_eq!(run.digest().to_string(), digest, "{}", model.name);
        }
    }
}

#[test]
fn a_run_that_is_resumed_at_every_tick_is_the_same() {
    for model in MODELS {
        for (first, then) in [
            (Hosting::Cohorts, Hosting::Cohorts),
            (Hosting::Cohorts, Hosting::Alone),
        ] {
            let crew = Crew::of(2).unwrap();
            let straight = digests(model, first, 1);
            let mut run = model.begin(&setting(model, first)).unwrap();
            for digest in straight {
                let saved = run.save();
                run = model.load(&Loaded::parse(&saved).unwrap(), then).unwrap();
                run.tick(&crew).unwrap();
                assert_eq!(run.digest().to_string(), digest, "{}", model.name);
            }
        }
    }
}

#[test]
fn another_seed_is_another_world() {
    // Life draws nothing: its world is that of its pattern.
    for model in MODELS.iter().filter(|model| model.name != "life") {
        let mut setting = setting(model, Hosting::Cohorts);
        let mut digest = |seed| {
            setting.seed = seed;
            let mut run = model.begin(&setting).unwrap();
            run.tick(&Crew::alone()).unwrap();
            run.state_digest()
        };
        assert_ne!(digest(1), digest(2), "{}", model.name);
    }
}

#[test]
fn every_flipped_byte_of_a_checkpoint_is_found() {
    for model in MODELS {
        let mut run: Box<dyn Live> = model.begin(&setting(model, Hosting::Cohorts)).unwrap();
        run.tick(&Crew::alone()).unwrap();
        let saved = run.save();
        for at in (0..saved.len()).step_by(saved.len() / 97 + 1) {
            let mut bytes = saved.clone();
            bytes[at] ^= 1;
            assert!(Loaded::parse(&bytes).is_err(), "{}: byte {at}", model.name);
            assert!(
                Loaded::parse(&saved[..at]).is_err(),
                "{}: byte {at}",
                model.name
            );
        }
    }
}
