//! Worlds in sizes that others publish, and what every contender says about its run.
//!
//! Four models with the parameters of the comparison of simulators by `JuliaDynamics`
//! (`ABMFrameworksComparison`, `small` and `large`), and flocking and wolf-sheep at the density of `large` with ten
//! thousand, a hundred thousand and a million agents at the start. The [`arrays`] are the limit: the same rules
//! written by hand over arrays. The [`medium`]'s agents are VCs. `krabmaga`, with the feature `peers`, is the simulator of others in Rust.
//!
//! A contender's time counts from when its world is laid out to the end of the last step.

use std::time::Duration;

use crate::memory::peak_bytes;
use crate::time::Stopwatch;

pub mod arrays;
#[cfg(feature = "peers")]
pub mod krabmaga;
pub mod medium;

/// Birds on a torus; each sees the others within `vision` (Reynolds 1987, as in the comparison of simulators).
#[derive(Clone, Copy, Debug)]
pub struct Flocking {
    /// What the size is called.
    pub name: &'static str,
    /// How many birds.
    pub birds: u32,
    /// Side of the square world.
    pub side: f64,
    /// How far a bird sees.
    pub vision: f64,
    /// How many steps are measured.
    pub steps: u32,
}

impl Flocking {
    /// How far a bird flies in a step.
    pub const SPEED: f64 = 1.0;
    /// Birds nearer than this are avoided.
    pub const SEPARATION: f64 = 1.0;
    /// Weight of the way to the neighbours.
    pub const COHERE: f64 = 0.03;
    /// Weight of the way from those too near.
    pub const SEPARATE: f64 = 0.015;
    /// Weight of the neighbours' velocities.
    pub const MATCH: f64 = 0.05;

    /// Few and small first.
    pub const SIZES: [Self; 5] = [
        Self::new("small", 200, 100.0, 5.0, 100),
        Self::new("large", 400, 150.0, 15.0, 100),
        Self::new("1e4", 10_000, 750.0, 15.0, 100),
        Self::new("1e5", 100_000, 2_372.0, 15.0, 20),
        Self::new("1e6", 1_000_000, 7_500.0, 15.0, 5),
    ];

    const fn new(name: &'static str, birds: u32, side: f64, vision: f64, steps: u32) -> Self {
        Self {
            name,
            birds,
            side,
            vision,
            steps,
        }
    }

    /// Where birds are at the start and where they fly, `[x, y, u, v]`; the same for contenders that can be told.
    pub fn start(&self, seed: u64) -> impl Iterator<Item = [f64; 4]> {
        let side = self.side;
        (0..self.birds).map(move |bird| {
            let at = |axis| arrays::fraction(seed, axis, bird);
            [
                at(0) * side,
                at(1) * side,
                at(2) * 2.0 - 1.0,
                at(3) * 2.0 - 1.0,
            ]
        })
    }
}

/// Sheep eat grass and wolves eat sheep, on a bounded grid (Wilensky 1997, as in the comparison of simulators).
#[derive(Clone, Copy, Debug)]
pub struct WolfSheep {
    /// What the size is called.
    pub name: &'static str,
    /// Cells along each side.
    pub side: u16,
    /// Sheep at the start.
    pub sheep: u32,
    /// Wolves at the start.
    pub wolves: u32,
    /// Steps until eaten grass is there again.
    pub regrow: u16,
    /// Probability that a sheep has a lamb in a step.
    pub lamb: f64,
    /// Probability that a wolf has a cub in a step.
    pub cub: f64,
    /// How many steps are measured.
    pub steps: u32,
}

impl WolfSheep {
    /// What a sheep gains by grass.
    pub const GRASS: f64 = 5.0;
    /// What a wolf gains by a sheep.
    pub const SHEEP: f64 = 13.0;
    /// A sheep with less energy dies.
    pub const SHEEP_LEAST: f64 = 1.0;
    /// A wolf with less energy dies.
    pub const WOLF_LEAST: f64 = 0.0;

    /// Few and small first; from `large` up at one density.
    pub const SIZES: [Self; 5] = [
        Self {
            name: "small",
            side: 25,
            sheep: 60,
            wolves: 40,
            regrow: 20,
            lamb: 0.2,
            cub: 0.1,
            steps: 100,
        },
        Self::dense("large", 100, 1_500, 100),
        Self::dense("1e4", 258, 10_000, 100),
        Self::dense("1e5", 816, 100_000, 20),
        Self::dense("1e6", 2_582, 1_000_000, 8),
    ];

    const fn dense(name: &'static str, side: u16, animals: u32, steps: u32) -> Self {
        Self {
            name,
            side,
            sheep: animals - animals / 3,
            wolves: animals / 3,
            regrow: 10,
            lamb: 0.4,
            cub: 0.2,
            steps,
        }
    }
}

/// People of two kinds who move to an empty place until enough of their neighbours are of their own (Schelling 1971).
#[derive(Clone, Copy, Debug)]
pub struct Schelling {
    /// What the size is called.
    pub name: &'static str,
    /// Places along each side.
    pub side: u32,
    /// How many people.
    pub people: u32,
    /// How far away a neighbour is, by the larger of the two coordinates.
    pub radius: u32,
    /// How many neighbours of their own people want.
    pub wanted: u8,
    /// How many steps are measured.
    pub steps: u32,
}

impl Schelling {
    /// Few and small first.
    pub const SIZES: [Self; 3] = [
        Self::new("small", 40, 1_000, 1, 3),
        Self::new("large", 100, 8_000, 2, 8),
        Self::new("1e6", 1_118, 1_000_000, 2, 8),
    ];

    const fn new(name: &'static str, side: u32, people: u32, radius: u32, wanted: u8) -> Self {
        Self {
            name,
            side,
            people,
            radius,
            wanted,
            steps: 20,
        }
    }
}

/// A forest that burns from its left side on, from tree to tree of four neighbours.
#[derive(Clone, Copy, Debug)]
pub struct ForestFire {
    /// What the size is called.
    pub name: &'static str,
    /// Places along each side.
    pub side: u32,
    /// Share of the places with a tree.
    pub density: f64,
    /// How many steps are measured.
    pub steps: u32,
}

impl ForestFire {
    /// Few and small first.
    pub const SIZES: [Self; 2] = [
        Self {
            name: "small",
            side: 100,
            density: 0.7,
            steps: 100,
        },
        Self {
            name: "large",
            side: 500,
            density: 0.9,
            steps: 100,
        },
    ];

    /// Where the trees are, row by row: the medium's, for every contender.
    pub fn trees(&self, seed: u64) -> Vec<bool> {
        medium::trees(self, seed)
    }
}

/// Every VC tells another one 8 bytes in each step.
#[derive(Clone, Copy, Debug)]
pub struct Mailbox {
    /// What the kind is called.
    pub name: &'static str,
    /// How many VCs.
    pub vcs: u32,
    /// Who is told: one of so many that follow.
    pub reach: u32,
    /// How many steps are measured.
    pub steps: u32,
}

impl Mailbox {
    /// To one of the next 64, and to anyone.
    pub const KINDS: [Self; 2] = [Self::new("near", 64), Self::new("any", Self::VCS)];
    const VCS: u32 = 1_000_000;

    const fn new(name: &'static str, reach: u32) -> Self {
        Self {
            name,
            vcs: Self::VCS,
            reach,
            steps: 10,
        }
    }

    /// The same among fewer VCs.
    #[must_use]
    pub fn with_vcs(self, vcs: u32) -> Self {
        let reach = self.reach.min(vcs);
        Self { vcs, reach, ..self }
    }
}

/// What a contender says about its run.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// What its steps took.
    pub took: Took,
    /// What the contenders must agree on.
    pub seen: Seen,
    /// Digest of the last state, for the same contender on other threads; 0 where there is none.
    pub hash: u64,
}

/// What the steps of a run took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// Agents there were in each step, summed: what the time is divided by.
    pub agent_steps: u64,
    /// Most agents there were at once.
    pub agents_max: u64,
    /// CPU time, of all threads.
    pub cpu: Duration,
    /// Time on the wall.
    pub wall: Duration,
    /// Most memory the process ever had, in bytes; what is computed about the last state is not in it.
    pub peak_bytes: u64,
}

/// What contenders must agree on, each model's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// Flocking.
    Order {
        /// Length of the mean velocity over the speed: 1 where all fly the same way.
        polarisation: f64,
        /// Mean cosine between the velocities of two birds of one box of about `vision`; see `local_order`.
        local: f64,
    },
    /// Wolf-sheep: the living at the end.
    Alive {
        /// Sheep.
        sheep: u64,
        /// Wolves.
        wolves: u64,
    },
    /// Schelling: mean share of the neighbours of one's own kind, of those who have any.
    Share(f64),
    /// Forest fire: trees that have burnt.
    Burnt(u64),
    /// Mailbox: messages that were read.
    Read(u64),
}

impl Seen {
    /// As numbers.
    pub fn values(&self) -> Vec<f64> {
        match *self {
            Self::Order {
                polarisation,
                local,
            } => vec![local, polarisation],
            Self::Alive { sheep, wolves } => vec![sheep as f64, wolves as f64],
            Self::Share(share) => vec![share],
            Self::Burnt(count) | Self::Read(count) => vec![count as f64],
        }
    }

    /// How far the means of two contenders' numbers may be apart that have run so many agents, of all seeds.
    ///
    /// Chance decides all of them but the last two kinds: what it does to a mean falls with the root of the number of
    /// agents, and the bounds are about three times that. On top of it come 2 % of a population and 0.01 of a share.
    pub fn bounds(&self, means: &[f64], agents: f64) -> Vec<f64> {
        let chance = 1.0 / agents.sqrt();
        let bound = |mean: &f64| match self {
            Self::Order { .. } => 4.0 * chance,
            Self::Alive { .. } => mean * (0.02 + 14.0 * chance),
            Self::Share(_) => 0.01 + 2.0 * chance,
            Self::Burnt(_) | Self::Read(_) => 0.0,
        };
        means.iter().map(bound).collect()
    }

    /// The order of a flock: positions and velocities, a column each.
    pub fn order(size: &Flocking, x: &[f64], y: &[f64], u: &[f64], v: &[f64]) -> Self {
        let (all_u, all_v) = (u.iter().sum::<f64>(), v.iter().sum::<f64>());
        let polarisation =
            (all_u * all_u + all_v * all_v).sqrt() / (u.len() as f64 * Flocking::SPEED);
        Self::Order {
            polarisation,
            local: local_order(size, x, y, u, v),
        }
    }
}

/// Mean cosine between the velocities of two birds of one box, of all pairs.
///
/// The world is cut in boxes of about `vision`. In large flocks, which have had no time to agree as a whole, it
/// is what a run's length decides, while polarisation is all but chance.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "boxes are counted from 0, and there are fewer than birds"
)]
fn local_order(size: &Flocking, x: &[f64], y: &[f64], u: &[f64], v: &[f64]) -> f64 {
    let along = (size.side / size.vision).floor();
    let cell = |at: f64| (at / size.side * along).min(along - 1.0) as usize;
    let mut boxes = vec![(0.0_f64, 0.0_f64, 0.0_f64); (along * along) as usize];
    for (((&x, &y), &u), &v) in x.iter().zip(y).zip(u).zip(v) {
        let (count, sum_u, sum_v) = &mut boxes[cell(y) * along as usize + cell(x)];
        *count += 1.0;
        *sum_u += u / Flocking::SPEED;
        *sum_v += v / Flocking::SPEED;
    }
    let (mut cosines, mut pairs) = (0.0, 0.0);
    for (count, u, v) in boxes {
        // The square of the sum is the sum over all ordered pairs; a bird with itself gives 1.
        cosines += u * u + v * v - count;
        pairs += count * (count - 1.0);
    }
    cosines / pairs
}

/// Measures the steps of a run, which says after each how many agents have taken part in it and how many there are now.
pub fn timed(steps: u32, mut step: impl FnMut(u32) -> (usize, usize)) -> Took {
    let watch = Stopwatch::start();
    let (mut agent_steps, mut agents_max) = (0, 0);
    for number in 0..steps {
        let (agents, left) = step(number);
        agent_steps += agents as u64;
        agents_max = agents_max.max(agents.max(left) as u64);
    }
    Took {
        agent_steps,
        agents_max,
        cpu: watch.cpu(),
        wall: watch.wall(),
        peak_bytes: peak_bytes(),
    }
}

#[cfg(test)]
mod tests;
