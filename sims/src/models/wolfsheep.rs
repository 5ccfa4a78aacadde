//! Wolves eat sheep, sheep eat grass, grass grows again.

use crate::prelude::*;

agent! {
    /// A sheep.
    pub struct Sheep { at: Spot, energy: f64 }
    /// A wolf.
    pub struct Wolf { at: Spot, energy: f64 }
    /// A patch of grass: in how many ticks it is there again.
    pub struct Grass { regrows: u32 }
}

world! {
    /// The pasture.
    pub struct Pasture { grass: Patches<Grass>, sheep: Cohort<Sheep>, wolves: Cohort<Wolf> }
}

params! {
    /// Wolves eat sheep, sheep eat grass, grass grows again; all three may live on, or not.
    pub struct WolfSheep {
        /// The side of the pasture.
        side: u32 = 100_u32, 1..=60_000, "patches", side;
        /// How many sheep there are at first.
        sheep: u64 = 1_000_u64, 0..=100_000_000, "sheep", agents;
        /// How many wolves there are at first.
        wolves: u64 = 500_u64, 0..=100_000_000, "wolves", agents;
        /// In how many ticks grass is there again.
        regrow: u32 = 10_u32, 1..=60_000, "ticks";
        /// How likely a sheep has a lamb in a tick.
        lambs: f64 = 0.4, 0.0..=1.0, "probability";
        /// How likely a wolf has a cub in a tick.
        cubs: f64 = 0.2, 0.0..=1.0, "probability";
        /// What a patch of grass gives.
        grass_gives: f64 = 5.0, 0.0..=1_000.0, "energy";
        /// What a sheep gives.
        sheep_gives: f64 = 13.0, 0.0..=1_000.0, "energy";
    }
    small { side: 25_u32, sheep: 60_u64, wolves: 40_u64, regrow: 20_u32, lambs: 0.2, cubs: 0.1 }
    large { side: 100_u32, sheep: 1_000_u64, wolves: 500_u64, regrow: 10_u32, lambs: 0.4, cubs: 0.2 }
}

impl Model for WolfSheep {
    const NAME: &'static str = "wolfsheep";
    const RULE: &'static str = "Wilensky 1997, in the form of Agents.jl's ABMFrameworksComparison";
    type World = Pasture;

    fn build(&self, w: &mut Pasture, t: &mut Tick<'_>) {
        let land = Lattice::bounded(self.side, self.side);
        w.grass.lay(t, land, |_, vc| Grass {
            regrows: if vc.chance(0.5) {
                0
            } else {
                vc.within(1, self.regrow)
            },
        });
        w.sheep.spawn(t, self.sheep, |vc| Sheep {
            at: vc.spot(&land),
            energy: vc.between(1.0, 1.0 + 2.0 * self.grass_gives).floor(),
        });
        w.wolves.spawn(t, self.wolves, |vc| Wolf {
            at: vc.spot(&land),
            energy: vc.between(1.0, 1.0 + 2.0 * self.sheep_gives).floor(),
        });
    }

    fn tick(&self, w: &mut Pasture, t: &mut Tick<'_>) {
        let land = *w.grass.lattice();
        w.sheep
            .each(t, |sheep, vc| sheep.at = vc.step(&land, sheep.at));
        w.wolves
            .each(t, |wolf, vc| wolf.at = vc.step(&land, wolf.at));
        w.sheep.gather(&land, |sheep| sheep.at);
        w.wolves.gather(&land, |wolf| wolf.at);
        w.grass
            .host_two(t, &mut w.sheep, &mut w.wolves, |grass, sheep, wolves, _| {
                sheep.each(|sheep, vc| {
                    sheep.energy -= 1.0;
                    if grass.regrows == 0 {
                        grass.regrows = self.regrow;
                        sheep.energy += self.grass_gives;
                    }
                    if sheep.energy < 1.0 {
                        vc.die();
                    } else if vc.chance(self.lambs) {
                        sheep.energy /= 2.0;
                        vc.bear(*sheep);
                    }
                });
                wolves.each(|wolf, vc| {
                    wolf.energy -= 1.0;
                    if sheep.take(vc.random()).is_some() {
                        wolf.energy += self.sheep_gives;
                    }
                    if wolf.energy < 0.0 {
                        vc.die();
                    } else if vc.chance(self.cubs) {
                        wolf.energy /= 2.0;
                        vc.bear(*wolf);
                    }
                });
            });
        w.grass.each(t, |grass, _| {
            grass.regrows = grass.regrows.saturating_sub(1);
        });
    }

    fn observe(&self, w: &Pasture, see: &mut Sample) {
        see.count("sheep", w.sheep.len());
        see.count("wolves", w.wolves.len());
        see.count(
            "grass",
            w.grass.iter().filter(|grass| grass.regrows == 0).count(),
        );
    }

    fn is_over(&self, w: &Pasture) -> bool {
        w.sheep.is_empty() && w.wolves.is_empty()
    }
}
