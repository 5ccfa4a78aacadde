//! Walkers who do not know where they go.

use crate::code::Module;
use crate::prelude::*;

agent! {
    /// A walker on a lattice without an edge.
    pub struct Walker { x: i32, y: i32 }
}

world! {
    /// The lattice, and what came from outside to walk on it.
    pub struct Streets { walkers: Cohort<Walker>, code: Code }
}

params! {
    /// Each goes one step to the left, up, to the right or down in each tick: after n ticks it is sqrt(n) away, in the square
    /// mean.
    pub struct Walk {
        /// How many walk.
        walkers: u64 = 1_000_u64, 1..=100_000_000, "walkers", agents;
        /// Who says how they walk: a WebAssembly module whose `turn` takes and gives x and y. If it is empty, they walk by
        /// themselves.
        code: Module = "", (), "", fixed;
    }
}

impl Model for Walk {
    const NAME: &'static str = "walk";
    const RULE: &'static str = "Pearson 1905, on the square lattice (Pólya 1921)";
    type World = Streets;

    fn build(&self, w: &mut Streets, t: &mut Tick<'_>) {
        w.code.take(&self.code);
        w.walkers.spawn(t, self.walkers, |_| Walker::default());
    }

    fn tick(&self, w: &mut Streets, t: &mut Tick<'_>) {
        if w.code.is_there() {
            return w.walkers.each_by(t, &mut w.code, &[]);
        }
        w.walkers.each(t, |walker, vc| {
            let (dx, dy) = vc.one_of(&[(-1, 0), (0, -1), (1, 0), (0, 1)]);
            // The lattice ends where the numbers do: there one goes on at the other end.
            walker.x = walker.x.wrapping_add(dx);
            walker.y = walker.y.wrapping_add(dy);
        });
    }

    fn observe(&self, w: &Streets, see: &mut Sample) {
        let places = || {
            w.walkers
                .iter()
                .map(|walker| (f64::from(walker.x), f64::from(walker.y)))
        };
        see.mean("x", places().map(|(x, _)| x));
        see.mean("y", places().map(|(_, y)| y));
        see.mean("r2", places().map(|(x, y)| x * x + y * y));
    }
}
