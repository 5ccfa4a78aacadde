//! Wolves eat sheep, sheep eat grass, grass grows again.

use crate::prelude::*;

agent! { /** A sheep. */ pub struct Sheep { at: Spot, energy: f64 } }
agent! { /** A wolf. */ pub struct Wolf { at: Spot, energy: f64 } }
agent! { /** Grass: in how many ticks it is there again. */ pub struct Grass { regrows: u32 } }
world! { /** A pasture. */ pub struct Pasture { grass: Patches<Grass>, sheep: Cohort<Sheep>, wolves: Cohort<Wolf> } }

params! {
    /// Wolves eat sheep, sheep eat grass, grass grows again; all three may live on, or not.
    pub struct WolfSheep = "wolfsheep", "Wilensky 1997, as JuliaDynamics compare it", presets [small, large] {
        /// The side of the pasture.
        side: u32 = [25, 100], 1..=60_000, "patches", side;
        /// How many sheep there are at first.
        sheep: u64 = [60, 1_000], 0..=100_000_000, "sheep", agents;
        /// How many wolves there are at first.
        wolves: u64 = [40, 500], 0..=100_000_000, "wolves", agents;
        /// In how many ticks grass is there again.
        regrow: u32 = [20, 10], 1..=60_000, "ticks";
        /// How likely a sheep has a lamb in a tick.
        lambs: f64 = [0.2, 0.4], 0.0..=1.0, "probability";
        /// How likely a wolf has a cub in a tick.
        cubs: f64 = [0.1, 0.2], 0.0..=1.0, "probability";
        /// What a patch of grass gives.
        grass_gives: f64 = 5.0, 0.0..=1_000.0, "energy";
        /// What a sheep gives.
        sheep_gives: f64 = 13.0, 0.0..=1_000.0, "energy";
    }
}

impl Model for WolfSheep {
    type World = Pasture;

    fn build(&self, w: &mut Pasture, t: &mut Tick<'_>) {
        let land = Lattice::bounded(self.side, self.side);
        w.grass.lay(t, land, |_, vc| Grass {
            regrows: vc.within(0, 1) * vc.within(1, self.regrow),
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
        let (grass, sheep, wolves) = (&mut w.grass, &mut w.sheep, &mut w.wolves);
        let land = *grass.lattice();
        sheep.each(t, |sheep, vc| sheep.at = vc.step(&land, sheep.at));
        wolves.each(t, |wolf, vc| wolf.at = vc.step(&land, wolf.at));
        sheep.gather(&land, |sheep| sheep.at);
        wolves.gather(&land, |wolf| wolf.at);
        grass.host_two(t, sheep, wolves, |grass, sheep, wolves, _| {
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
        grass.each(t, |grass, _| {
            grass.regrows = grass.regrows.saturating_sub(1);
        });
    }

    fn observe(&self, w: &Pasture, see: &mut Sample) {
        see.count("sheep", w.sheep.len());
        see.count("wolves", w.wolves.len());
        see.count("grass", w.grass.count(|grass| grass.regrows == 0));
    }

    fn is_over(&self, w: &Pasture) -> bool {
        w.sheep.is_empty() && w.wolves.is_empty()
    }
}
