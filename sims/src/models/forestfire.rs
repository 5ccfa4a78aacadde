//! A fire goes from tree to tree.

use crate::prelude::*;

agent! {
    /// A plot of the forest.
    pub struct Plot { is: u8 }
}

/// Nothing grows here.
pub const BARE: u8 = 0;
/// A tree.
pub const TREE: u8 = 1;
/// A tree that burns now.
pub const BURNING: u8 = 2;
/// What is left of it.
pub const BURNT: u8 = 3;

world! {
    /// The forest. The plots that are awake are those that burn.
    pub struct Forest { plots: Patches<Plot>, trees: u64, burnt: u64 }
}

params! {
    /// A fire goes from tree to tree: each burns for a tick and sets fire to the four trees beside it.
    pub struct ForestFire {
        /// The side of the forest.
        side: u32 = 500_u32, 1..=60_000, "plots", side;
        /// How likely a plot has a tree.
        density: f64 = 0.9, 0.0..=1.0, "probability", fixed;
    }
    small { side: 100_u32, density: 0.7 }
    large { side: 500_u32, density: 0.9 }
}

impl Model for ForestFire {
    const NAME: &'static str = "forestfire";
    const RULE: &'static str =
        "site percolation (Drossel and Schwabl 1992 without growth), as in Mesa and Agents.jl";
    type World = Forest;

    fn build(&self, w: &mut Forest, t: &mut Tick<'_>) {
        let land = Lattice::bounded(self.side, self.side);
        w.plots.lay(t, land, |_, vc| Plot {
            is: u8::from(vc.chance(self.density)),
        });
        // The left column burns.
        for spot in (0..self.side).map(|y| land.spot(0, y)) {
            if w.plots.get(spot).is == TREE {
                w.plots.set(spot, Plot { is: BURNING });
                w.plots.wake(spot);
            }
        }
        w.trees = w.plots.iter().filter(|plot| plot.is == TREE).count() as u64;
    }

    fn tick(&self, w: &mut Forest, _: &mut Tick<'_>) {
        w.burnt += w.plots.awake() as u64;
        w.plots.react(
            |plot, spot, seen, waking| {
                plot.is = BURNT;
                for beside in seen.lattice().four(spot) {
                    if seen.get(beside).is == TREE {
                        waking.wake(beside);
                    }
                }
            },
            |plot| plot.is = BURNING,
        );
        w.trees -= w.plots.awake() as u64;
    }

    fn observe(&self, w: &Forest, see: &mut Sample) {
        see.count("burning", w.plots.awake());
        see.value("burnt", w.burnt as f64);
        see.value("trees", w.trees as f64);
    }

    fn is_over(&self, w: &Forest) -> bool {
        w.plots.awake() == 0
    }
}
