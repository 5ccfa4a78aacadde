//! People move house until enough of their neighbours are as they are.

use crate::prelude::*;

agent! {
    /// Somebody of group 1 or 2.
    pub struct Person { at: Spot, group: u8 }
}

world! {
    /// A town: in each home lives nobody (0), or somebody of a group.
    pub struct Town { homes: Board<u8>, people: Cohort<Person> }
}

params! {
    /// People of two groups move house until enough of their neighbours are of their own.
    pub struct Schelling {
        /// The side of the town.
        side: u32 = 100_u32, 1..=60_000, "homes", side;
        /// How many people there are.
        people: u64 = 8_000_u64, 0..=1_000_000_000, "people", agents;
        /// How far they look around, in each direction.
        radius: u32 = 2_u32, 1..=1_000, "homes";
        /// With how many neighbours of their own group they stay.
        happy: u32 = 8_u32, 0..=1_000_000, "people";
    }
    small { side: 40_u32, people: 1_000_u64, radius: 1_u32, happy: 3_u32 }
    large { side: 100_u32, people: 8_000_u64, radius: 2_u32, happy: 8_u32 }
}

impl Model for Schelling {
    const NAME: &'static str = "schelling";
    const RULE: &'static str = "Schelling 1971, in the form of Agents.jl's ABMFrameworksComparison";
    const STEPS: u64 = 20;
    type World = Town;

    fn build(&self, w: &mut Town, t: &mut Tick<'_>) {
        w.homes.lay(Lattice::bounded(self.side, self.side));
        w.people.spawn(t, self.people, |vc| {
            let group = 1 + u8::from(vc.id().entry() % 2 == 1);
            let at = w.homes.enter(vc, group);
            Person { at, group }
        });
    }

    fn tick(&self, Town { homes, people }: &mut Town, t: &mut Tick<'_>) {
        people.each_in_random_order(t, |one, vc| {
            if homes
                .around(one.at, self.radius, |group| group == one.group)
                .0
                < self.happy
            {
                one.at = homes.relocate(vc, one.at);
            }
        });
    }

    fn observe(&self, Town { homes, people }: &Town, see: &mut Sample) {
        let around = |p: Person| homes.around(p.at, self.radius, |group| group == p.group);
        see.mean(
            "happy",
            people.iter().map(|p| f64::from(around(p).0 >= self.happy)),
        );
        see.mean(
            "alike",
            people
                .iter()
                .map(around)
                .filter(|n| n.1 > 0)
                .map(|n| f64::from(n.0) / f64::from(n.1)),
        );
    }
}
