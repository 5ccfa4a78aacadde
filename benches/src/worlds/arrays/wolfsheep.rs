//! Sheep and wolves in rows of 16 bytes, in bands of the grid that fit the processor's second cache.
//!
//! Nothing is sorted: a sheep that is done is put on its cell's list, which the wolves then take from. Bands are
//! a matter of the size alone, so that their number of threads decides nothing; who leaves a band is handed over
//! between two phases. Grass is the step at which it is there again, so that none has to be counted down.

use std::thread;

use super::random::{below, draw, fraction, mix};
use crate::worlds::{Outcome, Seen, WolfSheep, timed};

/// Cells of a band, about: 6 bytes each.
const BAND_CELLS: usize = 1 << 15;
/// The end of a cell's list.
const NONE: u32 = u32::MAX;
/// Energy of a sheep that was eaten.
const EATEN: f64 = -1.0;
/// The eight neighbours, as columns and rows to go.
const WAYS: [(i16, i16); 8] = [
    (-1, -1),
    (0, -1),
    (1, -1),
    (-1, 0),
    (1, 0),
    (-1, 1),
    (0, 1),
    (1, 1),
];

/// A sheep or a wolf.
#[derive(Clone, Copy, Debug)]
struct Animal {
    energy: f64,
    id: u32,
    column: u16,
    row: u16,
}

impl Animal {
    /// One of the neighbours inside the grid, each as likely.
    #[inline]
    fn walk(&mut self, side: u16, mut number: u64) {
        loop {
            let (columns, rows) = WAYS[(number & 7) as usize];
            let (column, row) = (
                self.column.wrapping_add_signed(columns),
                self.row.wrapping_add_signed(rows),
            );
            if column < side && row < side {
                (self.column, self.row) = (column, row);
                return;
            }
            number = mix(number);
        }
    }
}

/// Some rows of the grid, and who is there.
#[derive(Debug)]
struct Band {
    rows: std::ops::Range<u16>,
    /// The step from which on there is grass, per cell.
    grass: Vec<u16>,
    /// The sheep that came last, per cell.
    last: Vec<u32>,
    /// The sheep that came before, per sheep.
    before: Vec<u32>,
    sheep: Vec<Animal>,
    wolves: Vec<Animal>,
    /// Born in this step, or come from another band.
    late: Vec<Animal>,
    /// The id of the next that is born; bands count in turns.
    id_next: u32,
    id_step: u32,
    /// Sheep that live; eaten ones are in their column until the next step.
    sheep_alive: usize,
}

/// Who has left a band in this phase.
#[derive(Debug, Default)]
struct Leaving {
    up: Vec<Animal>,
    down: Vec<Animal>,
}

/// What every animal needs to know of the world.
#[derive(Clone, Copy, Debug)]
struct Now<'a> {
    rules: &'a WolfSheep,
    seed: u64,
    step: u32,
}

impl Now<'_> {
    /// The animal's number: the lower bits say where it walks, the upper ones whether it has young.
    #[inline]
    const fn number(&self, animal: &Animal) -> u64 {
        draw(self.seed, self.step, animal.id)
    }
}

impl Band {
    fn cell(&self, animal: &Animal, side: u16) -> usize {
        usize::from(animal.row - self.rows.start) * usize::from(side) + usize::from(animal.column)
    }

    /// A young one of `parent`, which gives it half of its energy.
    #[inline]
    fn bear(&mut self, parent: &mut Animal) {
        parent.energy /= 2.0;
        let id = self.id_next;
        self.id_next += self.id_step;
        self.late.push(Animal { id, ..*parent });
    }

    /// Lets the band's own sheep walk and graze.
    fn graze(&mut self, now: Now<'_>, leaving: &mut Leaving) {
        self.last.fill(NONE);
        self.before.clear();
        leaving.up.clear();
        leaving.down.clear();
        let mut kept = 0;
        for from in 0..self.sheep.len() {
            let mut sheep = self.sheep[from];
            if sheep.energy < 0.0 {
                continue;
            }
            let number = now.number(&sheep);
            sheep.walk(now.rules.side, number);
            if sheep.row < self.rows.start {
                leaving.up.push(sheep);
            } else if sheep.row >= self.rows.end {
                leaving.down.push(sheep);
            } else if self.eat_grass(now, &mut sheep, number) {
                self.list(&sheep, now.rules.side);
                self.sheep[kept] = sheep;
                kept += 1;
            }
        }
        self.sheep.truncate(kept);
        self.keep_lambs(now.rules.side);
    }

    /// Lets sheep graze that have come from the bands above and below.
    fn graze_arrived<'a>(&mut self, now: Now<'_>, arrived: impl Iterator<Item = &'a Animal>) {
        for &(mut sheep) in arrived {
            let number = now.number(&sheep);
            if self.eat_grass(now, &mut sheep, number) {
                self.list(&sheep, now.rules.side);
                self.sheep.push(sheep);
            }
        }
        self.keep_lambs(now.rules.side);
        self.sheep_alive = self.sheep.len();
    }

    /// Whether the sheep lives on.
    #[inline]
    fn eat_grass(&mut self, now: Now<'_>, sheep: &mut Animal, number: u64) -> bool {
        let cell = self.cell(sheep, now.rules.side);
        sheep.energy -= 1.0;
        if u32::from(self.grass[cell]) <= now.step {
            self.grass[cell] = now.step as u16 + now.rules.regrow;
            sheep.energy += WolfSheep::GRASS;
        }
        if sheep.energy < WolfSheep::SHEEP_LEAST {
            return false;
        }
        if fraction(number) < now.rules.lamb {
            self.bear(sheep);
        }
        true
    }

    /// Puts the sheep that is kept next on its cell's list.
    #[inline]
    fn list(&mut self, sheep: &Animal, side: u16) {
        let (index, cell) = (self.before.len() as u32, self.cell(sheep, side));
        self.before
            .push(std::mem::replace(&mut self.last[cell], index));
    }

    fn keep_lambs(&mut self, side: u16) {
        let mut late = std::mem::take(&mut self.late);
        for lamb in late.drain(..) {
            self.list(&lamb, side);
            self.sheep.push(lamb);
        }
        self.late = late;
    }

    /// Lets the band's own wolves walk and hunt.
    fn hunt(&mut self, now: Now<'_>, leaving: &mut Leaving) {
        leaving.up.clear();
        leaving.down.clear();
        let mut kept = 0;
        for from in 0..self.wolves.len() {
            let mut wolf = self.wolves[from];
            let number = now.number(&wolf);
            wolf.walk(now.rules.side, number);
            if wolf.row < self.rows.start {
                leaving.up.push(wolf);
            } else if wolf.row >= self.rows.end {
                leaving.down.push(wolf);
            } else if self.eat_sheep(now, &mut wolf, number) {
                self.wolves[kept] = wolf;
                kept += 1;
            }
        }
        self.wolves.truncate(kept);
        self.wolves.append(&mut self.late);
    }

    /// Lets wolves hunt that have come from the bands above and below.
    fn hunt_arrived<'a>(&mut self, now: Now<'_>, arrived: impl Iterator<Item = &'a Animal>) {
        for &(mut wolf) in arrived {
            let number = now.number(&wolf);
            if self.eat_sheep(now, &mut wolf, number) {
                self.wolves.push(wolf);
            }
        }
        self.wolves.append(&mut self.late);
    }

    /// Whether the wolf lives on.
    #[inline]
    fn eat_sheep(&mut self, now: Now<'_>, wolf: &mut Animal, number: u64) -> bool {
        let cell = self.cell(wolf, now.rules.side);
        wolf.energy -= 1.0;
        if let Some(sheep) = self.take(cell, number) {
            self.sheep[sheep].energy = EATEN;
            self.sheep_alive -= 1;
            wolf.energy += WolfSheep::SHEEP;
        }
        if wolf.energy < WolfSheep::WOLF_LEAST {
            return false;
        }
        if fraction(number) < now.rules.cub {
            self.bear(wolf);
        }
        true
    }

    /// Takes one of a cell's sheep off its list, each as likely.
    #[inline]
    fn take(&mut self, cell: usize, number: u64) -> Option<usize> {
        let last = self.last[cell];
        if last == NONE {
            return None;
        }
        let before = self.before[last as usize];
        if before == NONE {
            self.last[cell] = NONE;
            return Some(last as usize);
        }
        let (mut count, mut at) = (1, before);
        while at != NONE {
            count += 1;
            at = self.before[at as usize];
        }
        let (mut after, mut taken) = (None, last as usize);
        for _ in 0..below(mix(number), count) {
            after = Some(taken);
            taken = self.before[taken] as usize;
        }
        let before = self.before[taken];
        match after {
            None => self.last[cell] = before,
            Some(after) => self.before[after] = before,
        }
        Some(taken)
    }
}

/// The grid.
struct World<'a> {
    rules: &'a WolfSheep,
    seed: u64,
    bands: Vec<Band>,
    /// Beside `bands`, so that a band can be changed while others' leavers are read.
    leaving: Vec<Leaving>,
}

impl<'a> World<'a> {
    fn new(rules: &'a WolfSheep, seed: u64) -> Self {
        let side = usize::from(rules.side);
        let rows_each = side.div_ceil((side * side / BAND_CELLS).max(1));
        let count = side.div_ceil(rows_each);
        let animals = rules.sheep + rules.wolves;
        let mut world = Self {
            rules,
            seed,
            bands: Vec::new(),
            leaving: std::iter::repeat_with(Leaving::default)
                .take(count)
                .collect(),
        };
        for band in 0..count {
            let rows = band * rows_each..((band + 1) * rows_each).min(side);
            let cells = rows.start * side..rows.end * side;
            world.bands.push(Band {
                rows: rows.start as u16..rows.end as u16,
                last: vec![NONE; cells.len()],
                grass: cells.map(|cell| world.first_grass(cell as u32)).collect(),
                before: Vec::new(),
                sheep: Vec::new(),
                wolves: Vec::new(),
                late: Vec::new(),
                id_next: animals + band as u32,
                id_step: count as u32,
                sheep_alive: 0,
            });
        }
        for id in 0..animals {
            let sheep = id < rules.sheep;
            let number = |nth: u32| draw(seed, u32::MAX - nth, id);
            let gain = if sheep {
                WolfSheep::GRASS
            } else {
                WolfSheep::SHEEP
            };
            let animal = Animal {
                energy: f64::from(1 + below(number(0), 2 * gain as u32)),
                id,
                column: below(number(1), rules.side.into()) as u16,
                row: below(number(2), rules.side.into()) as u16,
            };
            let band = &mut world.bands[usize::from(animal.row) / rows_each];
            if sheep {
                band.sheep.push(animal);
            } else {
                band.wolves.push(animal);
            }
        }
        for band in &mut world.bands {
            band.sheep.sort_by_key(|sheep| (sheep.row, sheep.column));
            band.wolves.sort_by_key(|wolf| (wolf.row, wolf.column));
            band.sheep_alive = band.sheep.len();
        }
        world
    }

    /// Half of the cells have grass; that of the others is there after 1 to `regrow` steps.
    fn first_grass(&self, cell: u32) -> u16 {
        let number = draw(self.seed, u32::MAX - 3, cell);
        if number & 1 == 0 {
            0
        } else {
            1 + below(number, self.rules.regrow.into()) as u16
        }
    }

    fn step(&mut self, step: u32, threads: usize) {
        let now = Now {
            rules: self.rules,
            seed: self.seed,
            step,
        };
        self.walk(threads, |band, leaving| band.graze(now, leaving));
        self.arrive(threads, |band, above, below| {
            band.graze_arrived(now, above.iter().chain(below));
        });
        self.walk(threads, |band, leaving| band.hunt(now, leaving));
        self.arrive(threads, |band, above, below| {
            band.hunt_arrived(now, above.iter().chain(below));
        });
    }

    /// Does a phase in which animals leave their bands.
    fn walk(&mut self, threads: usize, phase: impl Fn(&mut Band, &mut Leaving) + Sync) {
        let share = self.bands.len().div_ceil(threads);
        let (bands, leaving) = (self.bands.chunks_mut(share), self.leaving.chunks_mut(share));
        let work = |(bands, leaving): (&mut [Band], &mut [Leaving])| {
            for (band, leaving) in bands.iter_mut().zip(leaving) {
                phase(band, leaving);
            }
        };
        on_threads(bands.zip(leaving), work);
    }

    /// Does a phase in which those who have left arrive: from the band above and from the one below.
    fn arrive(&mut self, threads: usize, phase: impl Fn(&mut Band, &[Animal], &[Animal]) + Sync) {
        let share = self.bands.len().div_ceil(threads);
        let leaving = &self.leaving;
        let work = |(nth, bands): (usize, &mut [Band])| {
            for (band, at) in bands.iter_mut().zip(nth * share..) {
                let above = at.checked_sub(1).map_or(&[][..], |at| &leaving[at].down);
                let below = leaving.get(at + 1).map_or(&[][..], |below| &below.up);
                phase(band, above, below);
            }
        };
        on_threads(self.bands.chunks_mut(share).enumerate(), work);
    }

    fn agents(&self) -> usize {
        let (sheep, wolves) = self.alive();
        sheep + wolves
    }

    fn alive(&self) -> (usize, usize) {
        let sheep = self.bands.iter().map(|band| band.sheep_alive).sum();
        (sheep, self.bands.iter().map(|band| band.wolves.len()).sum())
    }
}

/// Works on all shares at once, on the last one here.
fn on_threads<S: Send>(shares: impl ExactSizeIterator<Item = S>, work: impl Fn(S) + Sync) {
    let work = &work;
    thread::scope(|scope| {
        let last = shares.len() - 1;
        for (nth, share) in shares.enumerate() {
            if nth == last {
                work(share);
            } else {
                scope.spawn(move || work(share));
            }
        }
    });
}

/// Runs a world on so many threads.
pub fn run(size: &WolfSheep, threads: usize, seed: u64) -> Outcome {
    let mut world = World::new(size, seed);
    let took = timed(size.steps, |step| {
        let agents = world.agents();
        world.step(step, threads);
        (agents, world.agents())
    });
    let (sheep, wolves) = world.alive();
    let hash = |animal: &Animal| {
        let place = (u64::from(animal.row) << 16) | u64::from(animal.column);
        mix(mix(place ^ (u64::from(animal.id) << 32)) ^ animal.energy.to_bits())
    };
    let animals = world.bands.iter().flat_map(|band| {
        let sheep = band.sheep.iter().filter(|sheep| sheep.energy >= 0.0);
        sheep.chain(&band.wolves)
    });
    Outcome {
        took,
        seen: Seen::Alive {
            sheep: sheep as u64,
            wolves: wolves as u64,
        },
        hash: animals.map(hash).fold(seed, u64::wrapping_add),
    }
}
