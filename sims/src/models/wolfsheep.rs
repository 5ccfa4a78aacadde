//! Wolves eat sheep, sheep eat grass, grass grows again.

use crate::prelude::*;

agent! {
    /// A sheep.
    pub struct Sheep { at: Spot, energy: f64 }
    /// A wolf.
    pub struct Wolf { at: Spot, energy: f64 }
    /// A patch of grass: in how many ticks it is there again.
    pub struct Grass { regrows: u16 }
}

world! {
    /// The pasture.
    pub struct Pasture { grass: Patches<Grass>, sheep: Cohort<Sheep>, wolves: Cohort<Wolf> }
}

params! {
    /// Wolves eat sheep, sheep eat grass, grass grows again; all three may live on, or not.
    pub struct WolfSheep {
        /// The side of the pasture.
        side: u64 = 100_u64, 1..=60_000, "patches", fixed;
        /// How many sheep there are at first.
        sheep: u64 = 1_000_u64, 0..=100_000_000, "sheep", fixed;
        /// How many wolves there are at first.
        wolves: u64 = 500_u64, 0..=100_000_000, "wolves", fixed;
        /// In how many ticks grass is there again.
        regrow: u64 = 10_u64, 1..=60_000, "ticks";
        /// How likely a sheep has a lamb in a tick.
        lambs: f64 = 0.4, 0.0..=1.0, "probability";
        /// How likely a wolf has a cub in a tick.
        cubs: f64 = 0.2, 0.0..=1.0, "probability";
        /// What a patch of grass gives.
        grass_gives: f64 = 5.0, 0.0..=1_000.0, "energy";
        /// What a sheep gives.
        sheep_gives: f64 = 13.0, 0.0..=1_000.0, "energy";
    }
    small { side: 25_u64, sheep: 60_u64, wolves: 40_u64, regrow: 20_u64, lambs: 0.2, cubs: 0.1 }
    large { side: 100_u64, sheep: 1_000_u64, wolves: 500_u64, regrow: 10_u64, lambs: 0.4, cubs: 0.2 }
}

impl Model for WolfSheep {
    const NAME: &'static str = "wolfsheep";
    const RULE: &'static str = "Wilensky 1997, in the form of Agents.jl's ABMFrameworksComparison";
    type World = Pasture;

    fn build(&self, w: &mut Pasture, t: &mut Tick<'_>) {
        let (side, spots) = (
            u32::try_from(self.side).unwrap_or(u32::MAX),
            self.side * self.side,
        );
        let regrow = u16::try_from(self.regrow).unwrap_or(u16::MAX);
        w.grass.lay(t, Lattice::bounded(side, side), |_, vc| Grass {
            regrows: if vc.chance(0.5) {
                0
            } else {
                1 + vc.below(regrow.into()) as u16
            },
        });
        w.sheep.spawn(t, self.sheep, |vc| Sheep {
            at: Spot(vc.below(spots) as u32),
            energy: 1.0 + vc.below((2.0 * self.grass_gives) as u64) as f64,
        });
        w.wolves.spawn(t, self.wolves, |vc| Wolf {
            at: Spot(vc.below(spots) as u32),
            energy: 1.0 + vc.below((2.0 * self.sheep_gives) as u64) as f64,
        });
    }

    fn tick(&self, w: &mut Pasture, t: &mut Tick<'_>) {
        let land = *w.grass.lattice();
        let regrow = self.regrow as u16;
        w.sheep.each(t, |sheep, vc| {
            sheep.at = land.step(sheep.at, || vc.random())
        });
        w.wolves
            .each(t, |wolf, vc| wolf.at = land.step(wolf.at, || vc.random()));
        w.sheep.gather(&land, |sheep| sheep.at);
        w.wolves.gather(&land, |wolf| wolf.at);
        w.grass
            .host_two(t, &mut w.sheep, &mut w.wolves, |grass, sheep, wolves, _| {
                sheep.each(|sheep, vc| {
                    sheep.energy -= 1.0;
                    if grass.regrows == 0 {
                        grass.regrows = regrow;
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
