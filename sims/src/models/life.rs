//! Cells that live, die and are born by the number of their neighbours.

use crate::prelude::*;
use crate::rle::Pattern;

agent! {
    /// A cell that is alive, to the right of and below the origin.
    pub struct Cell { x: i32, y: i32 }
}

world! {
    /// The plane: only who is alive is there at all.
    pub struct Plane { cells: Cohort<Cell> }
}

params! {
    /// Conway's Game of Life on a plane without an edge: who has two or three neighbours lives on, and a cell is born where
    /// there are three.
    pub struct Life {
        /// Which cells are alive at first: a file in RLE, or its text. If nobody says otherwise, the R-pentomino.
        pattern: Pattern = "b2o$2o$bo!", (), "RLE", fixed;
    }
}

impl Model for Life {
    const NAME: &'static str = "life";
    const RULE: &'static str = "Conway, in Gardner 1970 (B3/S23)";
    const STEPS: u64 = 1_103;
    type World = Plane;

    fn build(&self, w: &mut Plane, _: &mut Tick<'_>) {
        for &(x, y) in self.pattern.cells() {
            w.cells.bear(Cell { x, y });
        }
    }

    fn tick(&self, w: &mut Plane, t: &mut Tick<'_>) {
        let mut alive: Vec<u64> = w.cells.iter().map(key).collect();
        alive.sort_unstable();
        let mut told = Vec::with_capacity(8 * alive.len());
        for (dx, dy) in [-1, 0, 1]
            .map(|dy| [-1, 0, 1].map(|dx| (dx, dy)))
            .as_flattened()
        {
            if (*dx, *dy) != (0, 0) {
                told.extend(alive.iter().map(|&key| beside(key, *dx, *dy)));
            }
        }
        #[expect(
            clippy::stable_sort_primitive,
            reason = "eight runs that are in order: the stable sort merges them"
        )]
        told.sort();
        let (mut stay, mut born) = (Vec::with_capacity(alive.len()), Vec::new());
        let mut known = alive.iter().copied().peekable();
        for here in told.chunk_by(|a, b| a == b) {
            while known.next_if(|&key| key < here[0]).is_some() {}
            match (here.len(), known.peek() == Some(&here[0])) {
                (2 | 3, true) => stay.push(here[0]),
                (3, false) => born.push(cell(here[0])),
                _ => {}
            }
        }
        w.cells.each(t, |cell, vc| {
            if stay.binary_search(&key(*cell)).is_err() {
                vc.die();
            }
        });
        for cell in born {
            w.cells.bear(cell);
        }
    }

    fn observe(&self, w: &Plane, see: &mut Sample) {
        see.count("population", w.cells.len());
    }

    fn is_over(&self, w: &Plane) -> bool {
        w.cells.is_empty()
    }
}

/// What sorts cells row by row.
fn key(cell: Cell) -> u64 {
    let upper = |x: i32| u64::from(x.cast_unsigned() ^ 1 << 31);
    upper(cell.y) << 32 | upper(cell.x)
}

#[expect(clippy::cast_possible_truncation, reason = "halves of 32 bits")]
fn cell(key: u64) -> Cell {
    let lower = |half: u64| (half as u32 ^ 1 << 31).cast_signed();
    Cell {
        x: lower(key),
        y: lower(key >> 32),
    }
}

/// The plane ends where the numbers do: there one goes on at the other end.
fn beside(key: u64, dx: i32, dy: i32) -> u64 {
    let Cell { x, y } = cell(key);
    self::key(Cell {
        x: x.wrapping_add(dx),
        y: y.wrapping_add(dy),
    })
}
