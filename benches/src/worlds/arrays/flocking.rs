//! Birds in columns, sorted by cell; a cell is as wide as a bird sees.
//!
//! The grid has a rim of *ghosts*: copies of the birds at the opposite side, moved by the side's length. So no
//! distance needs the torus, and the cells that a bird sees are three runs of neighbours in memory.

use std::thread;

use super::random::mix;
use crate::worlds::{Flocking, Outcome, Seen, timed};

/// Birds looked at at once: what two 64-bit lanes of the least x86-64 hold.
const LANES: usize = 2;
/// Farther than any bird sees, for reading beyond the last bird.
const NOWHERE: f64 = 1e150;

/// Where birds are and where they fly, a column each.
#[derive(Clone, Debug, Default)]
struct Birds {
    x: Vec<f64>,
    y: Vec<f64>,
    u: Vec<f64>,
    v: Vec<f64>,
    id: Vec<u32>,
}

/// A part of the columns that one thread writes.
struct BirdsMut<'a> {
    x: &'a mut [f64],
    y: &'a mut [f64],
    u: &'a mut [f64],
    v: &'a mut [f64],
    id: &'a mut [u32],
}

impl Birds {
    fn resize(&mut self, len: usize) {
        for column in [&mut self.x, &mut self.y, &mut self.u, &mut self.v] {
            column.resize(len, NOWHERE);
        }
        self.id.resize(len, 0);
    }

    fn all_mut(&mut self) -> BirdsMut<'_> {
        BirdsMut {
            x: &mut self.x,
            y: &mut self.y,
            u: &mut self.u,
            v: &mut self.v,
            id: &mut self.id,
        }
    }

    /// Copies a run of birds to `to`, moved by `(dx, dy)`.
    fn copy_moved(&mut self, run: std::ops::Range<usize>, to: usize, dx: f64, dy: f64) {
        let len = run.len();
        self.u.copy_within(run.clone(), to);
        self.v.copy_within(run.clone(), to);
        self.x.copy_within(run.clone(), to);
        self.y.copy_within(run, to);
        self.x[to..to + len].iter_mut().for_each(|x| *x += dx);
        self.y[to..to + len].iter_mut().for_each(|y| *y += dy);
    }
}

impl BirdsMut<'_> {
    /// The first `len` birds, and the rest.
    fn split_at(self, len: usize) -> (Self, Self) {
        let (x, x_rest) = self.x.split_at_mut(len);
        let (y, y_rest) = self.y.split_at_mut(len);
        let (u, u_rest) = self.u.split_at_mut(len);
        let (v, v_rest) = self.v.split_at_mut(len);
        let (id, id_rest) = self.id.split_at_mut(len);
        let rest = BirdsMut {
            x: x_rest,
            y: y_rest,
            u: u_rest,
            v: v_rest,
            id: id_rest,
        };
        (Self { x, y, u, v, id }, rest)
    }
}

/// A flock.
struct Flock {
    side: f64,
    vision: f64,
    /// Cells along each side, without the rim.
    cells: usize,
    /// By how much a coordinate is multiplied for its cell.
    cells_per_unit: f64,
    /// In the cells' order of the step before.
    birds: Birds,
    /// What birds see: sorted by cell, with the rim.
    seen: Birds,
    /// Where each cell begins in `seen`; one more for the end.
    first: Vec<u32>,
    /// The cell of each of `birds`.
    cell: Vec<u32>,
}

impl Flock {
    fn new(size: &Flocking, seed: u64) -> Self {
        let cells = (size.side / size.vision) as usize;
        assert!(cells > 1, "a bird would see another one twice");
        let mut birds = Birds::default();
        for (id, [x, y, u, v]) in (0..).zip(size.start(seed)) {
            birds.x.push(x);
            birds.y.push(y);
            birds.u.push(u);
            birds.v.push(v);
            birds.id.push(id);
        }
        Self {
            side: size.side,
            vision: size.vision,
            cells,
            cells_per_unit: cells as f64 / size.side,
            cell: vec![0; birds.id.len()],
            birds,
            seen: Birds::default(),
            first: Vec::new(),
        }
    }

    /// Cells in a row, with the rim.
    const fn stride(&self) -> usize {
        self.cells + 2
    }

    /// Where the inner cells of a row begin and end in `seen`; rows are counted with the rim.
    fn inner(&self, row: usize) -> std::ops::Range<usize> {
        let cell = row * self.stride() + 1;
        self.first[cell] as usize..self.first[cell + self.cells] as usize
    }

    fn step(&mut self, threads: usize) {
        self.count();
        self.sort();
        self.rim();
        let mut birds = std::mem::take(&mut self.birds);
        self.fly_all(birds.all_mut(), threads);
        self.birds = birds;
    }

    /// Finds the cell of each bird and where each cell begins.
    fn count(&mut self) {
        let (stride, last) = (self.stride(), self.cells - 1);
        self.first.clear();
        self.first.resize(stride * stride + 1, 0);
        for ((&x, &y), cell) in self.birds.x.iter().zip(&self.birds.y).zip(&mut self.cell) {
            // What is rounded up to the side belongs to the last cell.
            let column = ((x * self.cells_per_unit) as usize).min(last) + 1;
            let row = ((y * self.cells_per_unit) as usize).min(last) + 1;
            let at = row * stride + column;
            *cell = at as u32;
            self.first[at] += 1;
        }
        for row in 1..=self.cells {
            let row = row * stride;
            self.first[row] = self.first[row + self.cells];
            self.first[row + self.cells + 1] = self.first[row + 1];
        }
        let bottom = (self.cells + 1) * stride;
        self.first.copy_within(bottom - stride..bottom, 0);
        self.first.copy_within(stride..2 * stride, bottom);
        let mut sum = 0;
        for first in &mut self.first {
            sum += std::mem::replace(first, sum);
        }
        self.seen.resize(sum as usize + LANES);
        // An older and larger step's birds may be there.
        self.seen.x[sum as usize..].fill(NOWHERE);
    }

    /// Copies the birds to their cells.
    fn sort(&mut self) {
        for (bird, &cell) in self.cell.iter().enumerate() {
            let first = &mut self.first[cell as usize];
            let to = *first as usize;
            *first += 1;
            self.seen.x[to] = self.birds.x[bird];
            self.seen.y[to] = self.birds.y[bird];
            self.seen.u[to] = self.birds.u[bird];
            self.seen.v[to] = self.birds.v[bird];
            self.seen.id[to] = self.birds.id[bird];
        }
        // Each inner cell now begins where it ends; the rim's still begin where they should.
        let stride = self.stride();
        for row in 1..=self.cells {
            let row = row * stride;
            self.first.copy_within(row + 1..row + self.cells, row + 2);
            // The first inner cell begins where the rim's before it ends: after as many birds as the last inner one has.
            let (last, end) = (
                self.first[row + self.cells],
                self.first[row + self.cells + 1],
            );
            self.first[row + 1] = self.first[row] + (end - last);
        }
    }

    /// Fills the rim: its left and right columns, then its rows, which have the corners.
    fn rim(&mut self) {
        let stride = self.stride();
        for row in 1..=self.cells {
            let row = row * stride;
            let run = |cell: usize| self.first[cell] as usize..self.first[cell + 1] as usize;
            let (left, right) = (run(row + 1), run(row + self.cells));
            let (to_left, to_right) = (run(row).start, run(row + self.cells + 1).start);
            self.seen.copy_moved(right, to_left, -self.side, 0.0);
            self.seen.copy_moved(left, to_right, self.side, 0.0);
        }
        let run =
            |row: usize| self.first[row * stride] as usize..self.first[(row + 1) * stride] as usize;
        let (top, bottom) = (run(1), run(self.cells));
        let (to_top, to_bottom) = (run(0).start, run(self.cells + 1).start);
        self.seen.copy_moved(bottom, to_top, 0.0, -self.side);
        self.seen.copy_moved(top, to_bottom, 0.0, self.side);
    }

    /// Lets all birds fly, a share of the rows on each thread.
    fn fly_all(&self, mut birds: BirdsMut<'_>, threads: usize) {
        let share = self.cells.div_ceil(threads);
        thread::scope(|scope| {
            for first in (1..=self.cells).step_by(share) {
                let rows = first..(first + share).min(self.cells + 1);
                let count = rows.clone().map(|row| self.inner(row).len()).sum();
                let (these, rest) = birds.split_at(count);
                birds = rest;
                if rows.end > self.cells {
                    self.fly_rows(rows, these);
                    break;
                }
                scope.spawn(move || self.fly_rows(rows, these));
            }
        });
    }

    fn fly_rows(&self, rows: std::ops::Range<usize>, mut to: BirdsMut<'_>) {
        for row in rows {
            let (mut these, rest) = to.split_at(self.inner(row).len());
            to = rest;
            self.fly_row(row, &mut these);
        }
    }

    fn fly_row(&self, row: usize, to: &mut BirdsMut<'_>) {
        let stride = self.stride();
        let from = self.inner(row).start;
        for cell in row * stride + 1..=row * stride + self.cells {
            let near = [cell - stride, cell, cell + stride]
                .map(|cell| self.first[cell - 1] as usize..self.first[cell + 2] as usize);
            for bird in self.first[cell] as usize..self.first[cell + 1] as usize {
                let (x, y, u, v) = self.fly(bird, &near);
                let at = bird - from;
                to.x[at] = x;
                to.y[at] = y;
                to.u[at] = u;
                to.v[at] = v;
                to.id[at] = self.seen.id[bird];
            }
        }
    }

    /// Where a bird is and where it flies after it has looked at those nearby.
    #[inline]
    fn fly(&self, bird: usize, near: &[std::ops::Range<usize>; 3]) -> (f64, f64, f64, f64) {
        let seen = &self.seen;
        let (x, y, u, v) = (seen.x[bird], seen.y[bird], seen.u[bird], seen.v[bird]);
        let mut sums = Sums::default();
        for run in near {
            // What is read beyond the run are birds of cells farther to the right, or of the next row's beginning,
            // or `NOWHERE`: out of sight.
            let run = run.start..run.start + run.len().next_multiple_of(LANES);
            let (xs, ys) = (&seen.x[run.clone()], &seen.y[run.clone()]);
            let (us, vs) = (&seen.u[run.clone()], &seen.v[run]);
            let (xs, ys) = (xs.as_chunks().0, ys.as_chunks().0);
            let (us, vs) = (us.as_chunks().0, vs.as_chunks().0);
            for (((xs, ys), us), vs) in xs.iter().zip(ys).zip(us).zip(vs) {
                sums.add(self.vision, (x, y), (xs, ys), (us, vs));
            }
        }
        let [count, dx, dy, su, sv, ax, ay] = sums.total();
        // The bird has seen itself, no way off.
        let weight = 1.0 / (count - 1.0).max(1.0);
        let turn = |way: f64, apart: f64, others: f64| {
            way * Flocking::COHERE - apart * Flocking::SEPARATE + others * Flocking::MATCH
        };
        let u_new = u + turn(dx, ax, su - u) * weight;
        let v_new = v + turn(dy, ay, sv - v) * weight;
        let scale = Flocking::SPEED / (u_new * u_new + v_new * v_new).sqrt();
        let (u, v) = (u_new * scale, v_new * scale);
        (wrap(x + u, self.side), wrap(y + v, self.side), u, v)
    }
}

/// Puts a coordinate that has left the world by less than its side back on the torus.
#[inline]
fn wrap(at: f64, side: f64) -> f64 {
    if at < 0.0 {
        at + side
    } else if at >= side {
        at - side
    } else {
        at
    }
}

/// What a bird has seen, summed in lanes: how many, the ways to them, their velocities, and the ways from those too near.
#[derive(Clone, Copy, Debug, Default)]
struct Sums([[f64; LANES]; 7]);

impl Sums {
    #[inline]
    fn add(
        &mut self,
        vision: f64,
        (x, y): (f64, f64),
        (xs, ys): (&[f64; LANES], &[f64; LANES]),
        (us, vs): (&[f64; LANES], &[f64; LANES]),
    ) {
        let (near, too_near) = (vision * vision, Flocking::SEPARATION * Flocking::SEPARATION);
        let to_x = xs.map(|other| other - x);
        let to_y = ys.map(|other| other - y);
        let distance: [f64; LANES] =
            std::array::from_fn(|lane| to_x[lane] * to_x[lane] + to_y[lane] * to_y[lane]);
        // Chosen by mask, not by branch: a third is near, and no processor guesses which.
        let mask = distance.map(|distance| u64::from(distance <= near).wrapping_neg());
        let close = distance.map(|distance| u64::from(distance < too_near).wrapping_neg());
        let [count, dx, dy, su, sv, ax, ay] = &mut self.0;
        masked(count, &[1.0; LANES], &mask);
        masked(dx, &to_x, &mask);
        masked(dy, &to_y, &mask);
        masked(su, us, &mask);
        masked(sv, vs, &mask);
        masked(ax, &to_x, &close);
        masked(ay, &to_y, &close);
    }

    fn total(&self) -> [f64; 7] {
        self.0.map(|lanes| lanes.iter().sum())
    }
}

/// Adds the values whose masks are all ones, and 0 for those whose are all zeros.
#[inline]
fn masked(sums: &mut [f64; LANES], values: &[f64; LANES], mask: &[u64; LANES]) {
    for lane in 0..LANES {
        sums[lane] += f64::from_bits(values[lane].to_bits() & mask[lane]);
    }
}

/// Runs a flock on so many threads.
pub fn run(size: &Flocking, threads: usize, seed: u64) -> Outcome {
    let mut flock = Flock::new(size, seed);
    let took = timed(size.steps, |_| {
        flock.step(threads);
        (flock.birds.id.len(), flock.birds.id.len())
    });
    let mut birds: Vec<usize> = (0..flock.birds.id.len()).collect();
    birds.sort_unstable_by_key(|&bird| flock.birds.id[bird]);
    let column = |values: &[f64]| birds.iter().map(|&bird| values[bird]).collect::<Vec<_>>();
    let (x, y) = (column(&flock.birds.x), column(&flock.birds.y));
    let (u, v) = (column(&flock.birds.u), column(&flock.birds.v));
    let hash = |hash: u64, value: &f64| mix(hash ^ value.to_bits());
    Outcome {
        took,
        seen: Seen::order(size, &x, &y, &u, &v),
        hash: x.iter().chain(&y).fold(seed, hash),
    }
}
