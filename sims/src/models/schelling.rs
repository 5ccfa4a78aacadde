//! People move house until enough of their neighbours are as they are.
//!
//! `homes` says which group lives in each home, 1 or 2, or nobody, 0; so a home can tell who around it is of its own. The rule
//! is sequential: who is unhappy moves to an empty home at once, and those after it see that.

use crate::prelude::*;

agent! { /** Somebody, of the group that `homes` says. */ pub struct Person { at: Spot } }
world! { /** A town. */ pub struct Town { homes: Board<u8>, people: Cohort<Person> } }

params! {
    /// People of two groups move house until enough of their neighbours are of their own.
    pub struct Schelling = "schelling", "Schelling 1971, as JuliaDynamics compare it", 20 ticks, presets [small, large] {
        /// The side of the town.
        side: u32 = [40, 100], 1..=60_000, "homes", side;
        /// How many people there are.
        people: u64 = [1_000, 8_000], 0..=1_000_000_000, "people", agents;
        /// How far they look around, in each direction.
        radius: u32 = [1, 2], 1..=1_000, "homes";
        /// With how many neighbours of their own group they stay.
        happy: u32 = [3, 8], 0..=1_000_000, "people";
    }
}

impl Model for Schelling {
    type World = Town;

    fn build(&self, Town { homes, people }: &mut Town, t: &mut Tick<'_>) {
        homes.lay(Lattice::bounded(self.side, self.side));
        people.spawn(t, self.people, |vc| Person::new(homes.enter([1, 2], vc)));
    }

    fn tick(&self, Town { homes, people }: &mut Town, t: &mut Tick<'_>) {
        people.each_in_random_order(t, |person, vc| {
            if homes.like(person.at, self.radius) < self.happy {
                person.at = homes.relocate(person.at, vc);
            }
        });
    }

    fn observe(&self, Town { homes, people }: &Town, see: &mut Sample) {
        let like = |p: Person| homes.like(p.at, self.radius);
        see.value("happy", people.share(|p| like(p) >= self.happy));
        see.value("alike", people.mean(|p| homes.likeness(p.at, self.radius)));
    }
}
