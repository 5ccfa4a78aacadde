//! Limbs: what is tried spreads if it is good, what is believed spreads if it boasts, and the hungry find another station
//! within the stated number of ticks.

use sims::crew::Crew;
use sims::live::Live as _;
use sims::model::Sample;
use sims::models::limbs::sandbox::{BAD, GOOD, LIMBS, tried};
use sims::models::limbs::{Limbs, fed_again_within};
use sims::params::Params as _;
use sims::run::Run;
use sims::store::Hosting;

/// Runs for so many ticks and shows the series of each.
fn run(limbs: Limbs, seed: u64, ticks: u64, mut see: impl FnMut(u64, &Run<Limbs>, &Sample)) {
    let crew = Crew::alone();
    let mut run = Run::of(limbs, seed, Hosting::Cohorts).unwrap();
    for tick in 1..=ticks {
        run.tick(&crew).unwrap();
        let sample = run.observe();
        see(tick, &run, &sample);
    }
}

fn few() -> Limbs {
    Limbs {
        robots: 300,
        fails: 0,
        release: 5,
        ..Limbs::defaults()
    }
}

#[test]
fn the_good_limb_gets_to_everybody_and_the_bad_one_to_nobody() {
    for seed in 0..20 {
        let (mut good, mut work) = (vec![], vec![]);
        run(few(), seed, 120, |_, run, seen| {
            assert_eq!(seen.get("bad"), Some(0.0), "seed {seed}");
            assert_eq!(seen.get("untested"), Some(0.0), "seed {seed}");
            good.push(seen.get("good").unwrap());
            work.push(seen.get("work").unwrap());
            for robot in run.world.robots.iter() {
                let limb = &LIMBS[usize::from(robot.limb)];
                assert_eq!(robot.works, tried(limb, robot.load).score());
            }
        });
        assert!(good.is_sorted(), "who has it keeps it");
        assert!(good.last() >= Some(&0.99), "seed {seed}: {good:?}");
        assert!(work.last() > work.get(10), "seed {seed}: it was worth it");
    }
}

#[test]
fn without_a_sandbox_the_one_that_boasts_wins() {
    for seed in 0..10 {
        let mut last = Sample::default();
        run(
            Limbs {
                sandbox: false,
                ..few()
            },
            seed,
            120,
            |_, _, seen| last = seen.clone(),
        );
        assert!(last.get("bad") >= Some(0.98), "seed {seed}: {last:?}");
        assert_eq!(last.get("trials"), Some(0.0));
        assert!(last.get("work") < Some(20.0), "seed {seed}: {last:?}");
    }
}

#[test]
fn the_bad_one_is_had_only_by_those_who_did_not_try_it() {
    let mut ever = 0.0_f64;
    for seed in 0..10 {
        let limbs = Limbs {
            careless: 0.4,
            first: 10,
            ..few()
        };
        run(limbs, seed, 120, |_, run, seen| {
            let share = seen.get("untested").unwrap() / 300.0;
            let bad = seen.get("bad").unwrap();
            assert!(bad <= share, "seed {seed}: {seen:?}");
            ever = ever.max(bad);
            for robot in run
                .world
                .robots
                .iter()
                .filter(|robot| robot.limb == BAD.version)
            {
                assert!(robot.careless && robot.untested);
            }
        });
    }
    assert!(ever > 0.1, "careless robots are to be seen: {ever}");
}

#[test]
fn a_trial_changes_nothing_but_what_the_robot_knows() {
    let mut seen_refusals = 0;
    let mut before = Vec::new();
    run(few(), 7, 60, |_, run, _| {
        let now: Vec<_> = run.world.robots.iter().collect();
        for (before, after) in before.iter().zip(&now) {
            let before: &sims::models::limbs::Robot = before;
            if after.refused != before.refused && after.limb == before.limb {
                seen_refusals += 1;
                assert_eq!(after.works, before.works);
                assert!(after.trials > before.trials);
            }
        }
        before = now;
    });
    assert!(seen_refusals > 2, "{seen_refusals}");
    assert!(tried(&GOOD, 1) > tried(&BAD, 1));
}

#[test]
fn who_loses_a_station_is_fed_again_within_the_stated_ticks() {
    let mut slowest = 0;
    for seed in 0..30 {
        let stations = 2 + seed % 12;
        let fails = 40 + seed;
        // No more room than is needed: the hungry have to search.
        let limbs = Limbs {
            stations,
            room: 1.0,
            fails,
            station: seed % stations,
            ..few()
        };
        let within = fed_again_within(stations);
        let mut lost = 0.0;
        run(limbs, seed, fails + within + 5, |tick, _, seen| {
            let hungry = seen.get("hungry").unwrap();
            if tick > stations + 1 && tick <= fails {
                assert_eq!(hungry, 0.0, "seed {seed}: tick {tick}");
            }
            if tick == fails + 1 {
                lost = hungry;
            }
            if tick >= fails + within {
                assert_eq!(hungry, 0.0, "seed {seed}: {} ticks after", tick - fails);
            }
            if hungry > 0.0 && tick > fails {
                slowest = slowest.max(tick - fails);
            }
        });
        assert!(
            lost > 0.0,
            "seed {seed}: nobody was fed by the station that was taken"
        );
    }
    assert!(
        slowest > 5,
        "the bound is not idle: somebody searched for {slowest} ticks"
    );
}

#[test]
fn with_too_little_room_somebody_stays_hungry() {
    let limbs = Limbs {
        room: 0.8,
        fails: 30,
        ..few()
    };
    let mut last = 0.0;
    run(limbs, 1, 80, |_, _, seen| {
        last = seen.get("hungry").unwrap();
    });
    // 7 stations of 35 seats feed 245 of 300.
    assert_eq!(last, 300.0 - 7.0 * 35.0);
}
