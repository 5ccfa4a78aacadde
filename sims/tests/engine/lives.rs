//! Addresses, death, sleep, and moves from one cohort to another.

use proptest::prelude::*;
use sims::ids::AgentId;
use sims::prelude::*;
use sims::world::World as _;

use crate::{BOTH, Field, One, Other, awake, field, ids, numbers, reloaded, tick};

#[test]
fn an_old_address_finds_nobody() {
    for hosting in BOTH {
        let mut w = field(hosting, 3);
        let old = ids(&w)[1];
        assert_eq!(w.ones.remove(old), Some(One::new(1, 0)));
        assert_eq!(w.ones.remove(old), None);
        let new = w.ones.bear(One::new(9, 0));
        assert_eq!(
            (new.entry(), new.generation()),
            (old.entry(), 1),
            "the entry is used again"
        );
        assert_eq!(
            (old.to_string(), new.to_string()),
            ("1".to_owned(), "1.1".to_owned())
        );
        assert_eq!(w.ones.get(old), None);
        assert_eq!(w.ones.get(new), Some(One::new(9, 0)));
        assert!(!w.ones.set(old, One::new(8, 0)));
        w.mail.post(old, 1);
        w.mail.post(new, 2);
        w.mail.post(AgentId::NOBODY, 3);
        tick(&mut w, 1, |w, t| {
            w.mail.deliver(&mut w.ones);
            w.ones.each(t, |one, vc| {
                one.turns = w.mail.of(vc).iter().map(|mail| mail.message).sum();
            });
        });
        assert_eq!(w.ones.get(new), Some(One::new(9, 2)));
        assert_eq!((w.mail.counts().lost, w.mail.counts().delivered), (2, 1));
        assert_eq!((w.ones.births(), w.ones.deaths(), w.ones.len()), (4, 1, 3));
    }
}

/// Dead rows once took turns in this order, until many had died: they had an address of nobody, and died again.
#[test]
fn the_dead_take_no_turns_in_any_order() {
    for hosting in BOTH {
        let mut w = field(hosting, 20);
        let dead = ids(&w)[3];
        w.ones.remove(dead);
        tick(&mut w, 1, |w, t| {
            let mut turns = 0;
            w.ones.each_in_random_order(t, |one, vc| {
                assert!(vc.id().is_somebody() && one.number != 3, "{hosting:?}");
                turns += 1;
                if one.number == 7 {
                    vc.die();
                }
            });
            assert_eq!(turns, 19);
        });
        assert_eq!((w.ones.len(), w.ones.deaths()), (18, 2), "{hosting:?}");
    }
}

#[test]
fn who_sleeps_takes_no_turns_until_its_time_or_a_message() {
    for hosting in BOTH {
        let mut w = field(hosting, 200);
        // 0 to 9 sleep until called, 10 to 19 for 3 ticks, 20 to 29 for one: they are there in the next.
        tick(&mut w, 1, |w, t| {
            w.ones.each(t, |one, vc| match one.number {
                0..10 => vc.sleep(),
                10..20 => vc.sleep_for(3),
                20..30 => vc.sleep_for(1),
                _ => {}
            });
        });
        assert_eq!(w.ones.asleep(), 30);
        assert_eq!(
            awake(&mut w, 2),
            (20..200).collect::<Vec<_>>(),
            "{hosting:?}"
        );
        let called = ids(&w)[5];
        w.mail.post(called, 1);
        tick(&mut w, 3, |w, _| w.mail.deliver(&mut w.ones));
        assert_eq!(w.ones.asleep(), 19);
        // Sleep does not depend on where a row is.
        let land = Lattice::bounded(200, 1);
        w.ones.gather(&land, |one| {
            land.spot(199 - u32::try_from(one.number).unwrap(), 0)
        });
        let mut expected: Vec<_> = (10..200).collect();
        expected.insert(0, 5);
        assert_eq!(awake(&mut w, 4), expected, "{hosting:?}");
    }
}

/// A timer once went on after its sleeper had been woken, and ended a later sleep.
#[test]
fn a_timer_ends_with_its_sleep() {
    for hosting in BOTH {
        let mut w = field(hosting, 2);
        let id = ids(&w)[0];
        let sleeps = |w: &mut Field, now, ticks: Option<u64>| {
            tick(w, now, |w, t| {
                w.ones.each(t, |one, vc| match (one.number, ticks) {
                    (0, Some(ticks)) => vc.sleep_for(ticks),
                    (0, None) => vc.sleep(),
                    _ => {}
                });
            });
        };
        sleeps(&mut w, 1, Some(4));
        w.mail.post(id, 1);
        tick(&mut w, 2, |w, _| w.mail.deliver(&mut w.ones));
        sleeps(&mut w, 3, None);
        for now in 4..10 {
            assert_eq!(awake(&mut w, now), [1], "{hosting:?} {now}");
        }
        // A later timer counts, and an earlier one does not.
        w.mail.post(id, 1);
        tick(&mut w, 10, |w, _| w.mail.deliver(&mut w.ones));
        sleeps(&mut w, 11, Some(2));
        w.mail.post(id, 1);
        tick(&mut w, 12, |w, t| {
            w.mail.deliver(&mut w.ones);
            w.ones.each(t, |one, vc| {
                if one.number == 0 {
                    vc.sleep_for(5);
                }
            });
        });
        for now in 13..17 {
            assert_eq!(awake(&mut w, now), [1], "{hosting:?} {now}");
        }
        assert_eq!(awake(&mut w, 17), [0, 1], "{hosting:?}");
    }
}

#[test]
fn who_changes_its_cohort_keeps_its_address() {
    for hosting in BOTH {
        let mut w = field(hosting, 4);
        let all = ids(&w);
        assert!(w.ones.move_to(&mut w.others, all[1], |one| Other {
            number: 10 * one.number
        }));
        assert!(!w.ones.move_to(&mut w.others, all[1], |_| Other::default()));
        assert_eq!(w.ones.get(all[1]), None);
        assert_eq!(w.others.get(all[1]), Some(Other { number: 10 }));
        assert_eq!(w.others.ids().collect::<Vec<_>>(), [all[1]]);
        // Who is born meanwhile gets another address.
        let newborn = w.ones.bear(One::new(7, 0));
        assert_ne!(newborn, all[1]);
        // Rows that move do not lose the guest, nor does a message.
        let land = Lattice::bounded(2, 1);
        w.others.bear(Other { number: 0 });
        w.others
            .gather(&land, |other| land.spot(u32::from(other.number > 0), 0));
        w.mail.post(all[1], 5);
        tick(&mut w, 1, |w, t| {
            w.mail.deliver(&mut w.others);
            w.others
                .each(t, |other, vc| other.number += w.mail.of(vc).len() as u64);
        });
        assert_eq!(w.others.get(all[1]), Some(Other { number: 11 }));
        assert!(
            w.others
                .move_to(&mut w.ones, all[1], |other| One::new(other.number, 0))
        );
        assert_eq!(w.ones.get(all[1]), Some(One::new(11, 0)));
        assert_eq!((w.ones.len(), w.others.len()), (5, 1));
        assert_eq!(
            (w.ones.births(), w.ones.deaths(), w.others.deaths()),
            (5, 0, 0)
        );
        // Who dies abroad is dead at home.
        assert!(
            w.ones
                .move_to(&mut w.others, all[2], |one| Other { number: one.number })
        );
        assert!(w.others.remove(all[2]).is_some());
        assert_eq!((w.ones.get(all[2]), w.others.get(all[2])), (None, None));
    }
}

/// Between gathering and hosting somebody may leave: a patch has no guests that are not there.
#[test]
#[should_panic(expected = "without having been gathered")]
fn who_left_is_not_hosted() {
    agent! { struct Ground { guests: u64 } }
    world! { struct Land { ground: Patches<Ground>, ones: Cohort<One> } }
    let mut w = Land::new(sims::store::Hosting::Cohorts);
    let crew = sims::crew::Crew::alone();
    let mut t = Tick::new(1, 1, &crew);
    let land = Lattice::bounded(2, 1);
    w.ground.lay(&mut t, land, |_, _| Ground::default());
    w.ones.spawn(&mut t, 3, |_| One::default());
    w.ones.gather(&land, |_| Spot(1));
    let first = w.ones.ids().next().unwrap();
    w.ones.remove(first);
    w.ground.host(&mut t, &mut w.ones, |ground, guests, _| {
        ground.guests = guests.len() as u64;
    });
}

params! {
    /// Births, deaths, sleep and mail, as the numbers fall.
    pub struct Lives = "lives", "none" {
        /// How many there are at first.
        ones: u64 = 40, 1..=1_000, "ones", agents;
    }
}

impl Model for Lives {
    type World = Field;

    fn build(&self, w: &mut Field, t: &mut Tick<'_>) {
        w.mail.bound(2, Overflow::Park);
        w.ones
            .spawn(t, self.ones, |vc| One::new(vc.id().entry().into(), 0));
    }

    fn tick(&self, w: &mut Field, t: &mut Tick<'_>) {
        let all: Vec<_> = w.ones.ids().collect();
        w.ones.each_sending(t, &mut w.mail, |one, vc, out| {
            if !all.is_empty() {
                let to = vc.one_of(&all);
                out.send(vc, to, one.number);
            }
            match vc.below(10) {
                0 => vc.die(),
                1 | 2 => vc.bear(One::new(one.number + 100, 0)),
                3 => vc.sleep(),
                4 | 5 => vc.sleep_for(1 + one.number % 5),
                _ => {}
            }
        });
        w.mail.deliver(&mut w.ones);
        w.ones.each_in_random_order(t, |one, vc| {
            one.turns = one.turns.wrapping_mul(31)
                + w.mail.of(vc).iter().map(|mail| mail.message).sum::<u64>();
        });
        let first = w.ones.ids().next();
        if let Some(id) = first {
            w.ones
                .move_to(&mut w.others, id, |one| Other { number: one.number });
        }
        let second = w.others.ids().nth(1);
        if let Some(id) = second {
            w.others
                .move_to(&mut w.ones, id, |other| One::new(other.number, 1));
        }
    }

    fn observe(&self, w: &Field, see: &mut Sample) {
        see.count("ones", w.ones.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// All that can happen to rows at once: straight or resumed at every tick, as columns or each on its own.
    #[test]
    fn lives_do_not_depend_on_how_they_are_kept(seed: u64, ones in 1..60_u64) {
        use sims::crew::Crew;
        use sims::live::Live;
        use sims::run::Run;
        let [mut columns, mut alone] = BOTH.map(|hosting| Run::of(Lives { ones }, seed, hosting).unwrap());
        let mut resumed = reloaded(&columns);
        for now in 1..=25 {
            let crew = Crew::alone();
            for run in [&mut columns, &mut alone, &mut resumed] {
                run.tick(&crew).unwrap();
            }
            let digest = columns.digest();
            prop_assert_eq!(&digest, &alone.digest(), "alone at {}", now);
            prop_assert_eq!(&digest, &resumed.digest(), "resumed at {}", now);
            resumed = reloaded(&resumed);
            let w = &columns.world;
            let all = w.ones.len() + w.others.len();
            prop_assert_eq!(all as u64, w.ones.births() - w.ones.deaths(), "at {}", now);
            let counts = w.mail.counts();
            prop_assert_eq!(counts.sent, counts.delivered + counts.lost + counts.parked);
            prop_assert_eq!(numbers(w).len(), w.ones.len());
        }
    }
}
