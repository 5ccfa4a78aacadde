//! Stray cats: matings are stable and the best for those who ask, and kittens are made of both parents.

use std::collections::BTreeMap;

use genesis::pattern::{Mode, Pattern};
use genesis::shape::{Shape, Weights};
use sims::crew::Crew;
use sims::ids::AgentId;
use sims::live::Live as _;
use sims::models::cats::{Cat, Cats, body};
use sims::params::Params as _;
use sims::run::Run;
use sims::store::Hosting;

fn run(cats: Cats, seed: u64) -> Run<Cats> {
    Run::of(cats, seed, Hosting::Cohorts).unwrap()
}

/// Everybody sees everybody, and there is no room for doubt about whom.
fn room(cats: u64, tolerance: u64) -> Cats {
    Cats {
        cats,
        side: 50.0,
        sight: 50.0,
        tolerance,
        roam: 3,
        variants: 6,
        rounds: 1,
        ..Cats::defaults()
    }
}

/// Goes on until a meeting is over; false if there was none within so many ticks.
fn meet(run: &mut Run<Cats>) -> bool {
    let crew = Crew::alone();
    for _ in 0..5_000 {
        let courting = run.world.roamed >= run.model().roam;
        run.tick(&crew).unwrap();
        if courting && run.world.roamed == 0 {
            return true;
        }
    }
    false
}

/// Two sides, and for each of its members those of the other whom it accepts, the best first.
struct Market {
    toms: Vec<(AgentId, Cat)>,
    queens: Vec<(AgentId, Cat)>,
    /// By tom, then by queen: both accept and see each other.
    lists: Vec<Vec<usize>>,
}

/// Computed from the rows alone, with the medium's own shapes and patterns.
fn market(run: &Run<Cats>) -> Market {
    let (w, model) = (&run.world, run.model());
    let rows = |cohort: &sims::cohort::Cohort<Cat>| -> Vec<_> {
        cohort.ids().zip(cohort.iter()).collect()
    };
    let (toms, queens) = (rows(&w.toms), rows(&w.queens));
    let plane = sims::space::Plane::torus(model.side, model.side);
    let shape = |cat: &Cat| body::body(&cat.parts).shape();
    let pattern =
        |cat: &Cat| -> Pattern { body::pattern(&cat.ideal, model.tolerance).parse().unwrap() };
    let of = |cats: &[(AgentId, Cat)]| -> Vec<(Shape, Pattern)> {
        cats.iter()
            .map(|(_, cat)| (shape(cat), pattern(cat)))
            .collect()
    };
    let (his, hers) = (of(&toms), of(&queens));
    let mut lists = Vec::new();
    for (tom, (tom_shape, tom_pattern)) in toms.iter().zip(&his) {
        let mut list: Vec<_> = (0..queens.len())
            .filter(|&queen| {
                let (queen_shape, queen_pattern) = &hers[queen];
                plane.way(tom.1.pos, queens[queen].1.pos).len2() <= model.sight * model.sight
                    && tom_pattern.matches(queen_shape, Mode::Within)
                    && queen_pattern.matches(tom_shape, Mode::Within)
            })
            .collect();
        list.sort_by_key(|&queen| rank(&tom.1, &queens[queen]));
        lists.push(list);
    }
    Market {
        toms,
        queens,
        lists,
    }
}

/// How much one likes another: less is more.
fn rank(who: &Cat, other: &(AgentId, Cat)) -> (u64, AgentId) {
    (body::distance(&who.ideal, &other.1.shape), other.0)
}

impl Market {
    /// Whom each tom has, by the queens' own word.
    fn pairs(&self) -> Vec<Option<usize>> {
        let of: BTreeMap<_, _> = (0..)
            .zip(&self.queens)
            .map(|(n, queen)| (queen.1.mate, n))
            .collect();
        self.toms
            .iter()
            .map(|tom| of.get(&tom.0).copied())
            .collect()
    }

    fn blocking(&self, pairs: &[Option<usize>]) -> usize {
        let mut has = vec![None; self.queens.len()];
        for (tom, queen) in pairs.iter().enumerate() {
            if let Some(queen) = *queen {
                has[queen] = Some(tom);
            }
        }
        let would = |tom: usize, queen: usize| {
            let rank_of = |tom: usize| rank(&self.queens[queen].1, &self.toms[tom]);
            has[queen].is_none_or(|other| rank_of(tom) < rank_of(other))
        };
        let better = |tom: usize| {
            let list = self.lists[tom].iter();
            list.take_while(move |&&queen| Some(queen) != pairs[tom])
        };
        (0..self.toms.len())
            .map(|tom| better(tom).filter(|&&queen| would(tom, queen)).count())
            .sum()
    }

    /// Deferred acceptance as the textbook has it, with no rounds, messages or ticks.
    fn textbook(&self) -> Vec<Option<usize>> {
        let mut next = vec![0; self.toms.len()];
        let mut has: Vec<Option<usize>> = vec![None; self.queens.len()];
        let mut free: Vec<usize> = (0..self.toms.len()).collect();
        while let Some(tom) = free.pop() {
            let Some(&queen) = self.lists[tom].get(next[tom]) else {
                continue;
            };
            next[tom] += 1;
            let rank_of = |tom: usize| rank(&self.queens[queen].1, &self.toms[tom]);
            match has[queen] {
                Some(other) if rank_of(other) < rank_of(tom) => free.push(tom),
                other => {
                    has[queen] = Some(tom);
                    free.extend(other);
                }
            }
        }
        let mut pairs = vec![None; self.toms.len()];
        for (queen, tom) in has.into_iter().enumerate() {
            if let Some(tom) = tom {
                pairs[tom] = Some(queen);
            }
        }
        pairs
    }

    /// Every stable matching, by trying all.
    fn all_stable(&self) -> Vec<Vec<Option<usize>>> {
        let mut stable = Vec::new();
        self.try_all(&mut Vec::new(), &mut stable);
        stable
    }

    fn try_all(&self, pairs: &mut Vec<Option<usize>>, stable: &mut Vec<Vec<Option<usize>>>) {
        if pairs.len() == self.toms.len() {
            if self.blocking(pairs) == 0 {
                stable.push(pairs.clone());
            }
            return;
        }
        let list = self.lists[pairs.len()].iter().copied().map(Some);
        for choice in list.chain([None]) {
            if choice.is_none() || !pairs.contains(&choice) {
                pairs.push(choice);
                self.try_all(pairs, stable);
                pairs.pop();
            }
        }
    }
}

#[test]
fn shapes_and_patterns_are_those_of_the_medium() {
    let mut run = run(room(60, 3), 1);
    let (mut likes, mut asked) = (0, 0);
    assert!(meet(&mut run));
    let rows: Vec<Cat> = run
        .world
        .toms
        .iter()
        .chain(run.world.queens.iter())
        .collect();
    for cat in &rows {
        let shape = body::body(&cat.parts).shape();
        let parts: Vec<_> = (0..)
            .zip(cat.parts)
            .filter_map(|(place, v)| body::part(place, v))
            .collect();
        assert_eq!(shape, Shape::from_scratch(&parts));
        for (at, dimension) in cat.shape.iter().zip(body::DIMENSIONS) {
            assert_eq!(shape.get(&dimension), Some(*at));
        }
        for other in &rows {
            for steps in [0, 1, 3, 50] {
                let pattern: Pattern = body::pattern(&cat.ideal, steps).parse().unwrap();
                let other_shape = body::body(&other.parts).shape();
                let within = body::within(&cat.ideal, &other.shape, steps);
                assert_eq!(
                    pattern.matches(&other_shape, Mode::Within),
                    within,
                    "{pattern:?}"
                );
                likes += u32::from(within);
                asked += 1;
            }
            let apart = shape.distance(&body::body(&other.parts).shape(), &Weights::default());
            assert_eq!(apart, body::distance(&cat.shape, &other.shape).into());
        }
    }
    assert!(
        likes > asked / 20 && likes < asked * 19 / 20,
        "{likes} of {asked}"
    );
}

#[test]
fn with_everyone_in_sight_no_pair_would_rather_have_each_other_and_it_is_the_best_for_those_who_ask()
 {
    let (mut pairs, mut contested) = (0, 0);
    for seed in 0..40 {
        // Among few, all matchings are tried; among many, the textbook's algorithm is asked.
        let few = seed < 25;
        let mut run = run(room(if few { 12 } else { 120 }, 2 + seed % 4), seed);
        assert!(meet(&mut run));
        let market = market(&run);
        let found = market.pairs();
        assert_eq!(market.blocking(&found), 0, "seed {seed}");
        assert_eq!(found, market.textbook(), "seed {seed}");
        assert_eq!(run.observe().get("blocking"), Some(0.0));
        pairs += found.iter().flatten().count();
        if few {
            let stable = market.all_stable();
            assert!(stable.contains(&found), "seed {seed}");
            contested += usize::from(stable.len() > 1);
            for (tom, queen) in found.iter().enumerate() {
                let place = |queen: &Option<usize>| {
                    let list = &market.lists[tom];
                    list.iter()
                        .position(|known| Some(*known) == *queen)
                        .unwrap_or(list.len())
                };
                let best = stable.iter().map(|pairs| place(&pairs[tom])).min();
                assert_eq!(Some(place(queen)), best, "seed {seed}: tom {tom}");
            }
        }
    }
    assert!(pairs > 300, "{pairs} pairs");
    assert!(
        contested > 0,
        "in no world was there more than one stable matching"
    );
}

#[test]
fn with_few_in_sight_it_is_stable_as_well() {
    for seed in 0..10 {
        let cats = Cats {
            cats: 300,
            side: 150.0,
            sight: 25.0,
            roam: 4,
            ..Cats::defaults()
        };
        let mut run = run(cats, 100 + seed);
        for _ in 0..2 {
            assert!(meet(&mut run));
            let market = market(&run);
            let found = market.pairs();
            assert!(found.iter().flatten().count() > 20, "seed {seed}");
            assert_eq!(market.blocking(&found), 0, "seed {seed}");
            assert_eq!(found, market.textbook(), "seed {seed}");
        }
    }
}

#[test]
fn who_keeps_the_first_who_asks_envies() {
    let mut blocking = 0;
    for seed in 0..10 {
        let cats = Cats {
            prefer: false,
            ..room(120, 3)
        };
        let mut run = run(cats, seed);
        assert!(meet(&mut run));
        let market = market(&run);
        let found = market.blocking(&market.pairs());
        assert_eq!(
            run.observe().get("blocking"),
            Some(found as f64),
            "seed {seed}"
        );
        blocking += found;
    }
    assert!(blocking > 100, "{blocking}");
}

#[test]
fn kittens_are_made_of_both_parents_and_of_nothing_else() {
    let crew = Crew::alone();
    let mut kittens = 0;
    for seed in 0..10 {
        let mut run = run(
            Cats {
                life: 60,
                ..Cats::defaults()
            },
            seed,
        );
        let mut known: BTreeMap<AgentId, Cat> = BTreeMap::new();
        for _ in 0..150 {
            run.tick(&crew).unwrap();
            let w = &run.world;
            for cohort in [&w.toms, &w.queens] {
                known.extend(cohort.ids().zip(cohort.iter()));
            }
            for (id, kitten) in w.kittens.ids().zip(w.kittens.iter()) {
                if kitten.born != run.now() {
                    continue;
                }
                kittens += 1;
                let (mother, father) = (known[&kitten.mother], known[&kitten.father]);
                assert!(!mother.tom && father.tom);
                assert!(!matches!(kitten.of_mother, 0 | 255), "one parent alone");
                for place in 0..8 {
                    let parent = if kitten.of_mother >> place & 1 == 1 {
                        mother
                    } else {
                        father
                    };
                    assert_eq!(
                        kitten.parts[place], parent.parts[place],
                        "{id} of seed {seed}"
                    );
                }
                assert_eq!(
                    kitten.generation,
                    1 + mother.generation.max(father.generation)
                );
                assert_eq!(kitten.shape, body::figure(&kitten.parts));
                assert!(kitten.ideal == mother.ideal || kitten.ideal == father.ideal);
            }
        }
        // The third generation is there, and keeps the addresses it was born with.
        assert!(
            run.observe().get("generation").unwrap() > 1.0,
            "seed {seed}"
        );
        assert!(run.world.toms.ids().any(|id| id.cohort() == 2));
    }
    assert!(kittens > 1_000, "{kittens}");
}

#[test]
fn there_are_never_more_than_there_is_room_for() {
    let crew = Crew::alone();
    let mut run = run(
        Cats {
            room: 1.125,
            litter: 6,
            life: 1_000,
            ..Cats::defaults()
        },
        3,
    );
    let mut most = 0.0_f64;
    for _ in 0..120 {
        run.tick(&crew).unwrap();
        let seen = run.observe();
        most = most.max(seen.get("cats").unwrap() + seen.get("kittens").unwrap());
    }
    assert_eq!(most, 450.0);
    assert!(run.world.refused > 0);
}
