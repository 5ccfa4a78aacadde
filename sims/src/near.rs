//! Who is near: rows sorted into the cells of a grid, read by anybody, written by nobody.

use crate::agent::{Agent, Columns as _, View as _};
use crate::cohort::Cohort;
use crate::ids::AgentId;
use crate::space::{P2, Plane, V2};
use crate::tick::Tick;
use crate::turn::Turn;

/// At most so many cells on a side, so that a tiny radius in a large plane does not ask for all memory.
const CELLS_MAX: usize = 8_192;

/// So many hits are noted before they are seen.
const HITS: usize = 32;

/// What rows can see of each other: a copy of a cohort as it was when it [looked](Self::look), sorted by place.
///
/// Looking also puts the rows of the cohort in that order, so that neighbours are neighbours in memory.
#[derive(Debug, Default)]
pub struct Near<A: Agent> {
    plane: Option<Plane>,
    radius2: f64,
    columns: usize,
    lines: usize,
    cell: V2,
    starts: Vec<u32>,
    rows: A::Columns,
    places: Vec<P2>,
    ids: Vec<u64>,
    tick: u64,
}

/// Cells of one line that follow one another, and by how much they are moved because the plane wraps.
type Stretch = (usize, usize, f64);

impl<A: Agent> Near<A> {
    /// Looks at a cohort: from now on in this tick, whoever is within `radius` of a place can be seen from it.
    ///
    /// # Panics
    /// If the radius is not a positive number.
    pub fn look(
        &mut self,
        t: &Tick<'_>,
        cohort: &mut Cohort<A>,
        plane: Plane,
        radius: f64,
        at: impl Fn(&A) -> P2,
    ) {
        assert!(radius > 0.0, "a radius of {radius} is not positive");
        self.tick = t.now();
        self.plane = Some(plane);
        self.radius2 = radius * radius;
        self.columns = cells(plane.width, radius);
        self.lines = cells(plane.height, radius);
        self.cell = V2::new(
            plane.width / self.columns as f64,
            plane.height / self.lines as f64,
        );
        let (columns, lines) = (self.columns, self.lines);
        let (per_x, per_y) = (1.0 / self.cell.x, 1.0 / self.cell.y);
        // The copy of the last tick is the room that rows are sorted into, and the room they leave is that of the next copy.
        std::mem::swap(&mut self.rows, &mut cohort.spare);
        std::mem::swap(&mut self.ids, &mut cohort.spare_ids);
        cohort.group(columns * lines, |row| {
            let at = at(row);
            index(at.y * per_y, lines) * columns + index(at.x * per_x, columns)
        });
        self.starts.clone_from(&cohort.starts);
        cohort.spare_ids.clone_from(&cohort.ids);
        cohort.store.copy_to(&mut cohort.spare);
        std::mem::swap(&mut self.rows, &mut cohort.spare);
        std::mem::swap(&mut self.ids, &mut cohort.spare_ids);
        self.places.clear();
        let rows = self.rows.view(0, self.rows.len());
        self.places
            .extend((0..rows.len()).map(|row| at(&rows.get(row))));
    }

    /// Sees all others within the radius of whose turn it is: the way to each, and its row as it was. How many there are.
    ///
    /// # Panics
    /// If this was not looked at in the same tick.
    #[inline(always)]
    pub fn others(&self, vc: &Turn<'_, A>, mut see: impl FnMut(V2, A)) -> u32 {
        let me = vc.slot();
        self.check(vc.tick());
        let at = self.places[me];
        let mut count = 0;
        self.search(at, |other, way| {
            if other != me {
                count += 1;
                see(way, self.rows.get(other));
            }
        });
        count
    }

    /// Sees all within the radius of a place: the way to each, its address, and its row as it was.
    #[inline(always)]
    pub fn around(&self, at: P2, mut see: impl FnMut(V2, AgentId, A)) {
        self.search(at, |other, way| {
            see(way, AgentId(self.ids[other]), self.rows.get(other));
        });
    }

    fn check(&self, tick: u64) {
        assert!(
            self.tick == tick,
            "tick {tick} sees what was looked at in tick {}: look in every tick",
            self.tick
        );
    }

    #[inline(always)]
    fn search(&self, at: P2, mut see: impl FnMut(usize, V2)) {
        let Some(plane) = self.plane else {
            return;
        };
        if plane.wraps && (self.columns < 3 || self.lines < 3) {
            // Too few cells to tell on which side of the torus a neighbour is: look at all.
            for (other, &there) in self.places.iter().enumerate() {
                let way = plane.way(at, there);
                if way.len2() <= self.radius2 {
                    see(other, way);
                }
            }
            return;
        }
        let column = index(at.x / self.cell.x, self.columns);
        let line = index(at.y / self.cell.y, self.lines);
        let (stretches, count) = stretch(column, self.columns, plane.width, plane.wraps);
        // About a third of those looked at are near, and no processor guesses which: they are noted without a branch.
        let mut hits = [(0, V2::ZERO); 2 * HITS];
        let mut noted = 0;
        for dy in 0..3 {
            let Some((line, up)) = shifted(line, dy, self.lines, plane.height, plane.wraps) else {
                continue;
            };
            let first = line * self.columns;
            for &(from, to, right) in &stretches[..count] {
                let from = self.starts[first + from] as usize;
                let to = self.starts[first + to] as usize;
                let mut other = from;
                for places in self.places[from..to].chunks(HITS) {
                    for there in places {
                        let way = V2::new(there.x + right - at.x, there.y + up - at.y);
                        hits[noted % (2 * HITS)] = (other, way);
                        noted += usize::from(way.len2() <= self.radius2);
                        other += 1;
                    }
                    if noted >= HITS {
                        for &(other, way) in &hits[..noted % (2 * HITS)] {
                            see(other, way);
                        }
                        noted = 0;
                    }
                }
            }
        }
        for &(other, way) in &hits[..noted % (2 * HITS)] {
            see(other, way);
        }
    }
}

/// How many cells of at least the radius fit on a side.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the quotient is positive, and a cast saturates"
)]
fn cells(side: f64, radius: f64) -> usize {
    ((side / radius) as usize).clamp(1, CELLS_MAX)
}

/// The cell of a coordinate.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, and what is outside belongs to the cells of the edge"
)]
fn index(cell: f64, cells: usize) -> usize {
    (cell as u32 as usize).min(cells - 1)
}

/// The cells beside one, as stretches without a seam.
#[inline(always)]
fn stretch(column: usize, columns: usize, width: f64, wraps: bool) -> ([Stretch; 2], usize) {
    let whole = (column.saturating_sub(1), (column + 2).min(columns), 0.0);
    if wraps && column == 0 {
        ([(columns - 1, columns, -width), whole], 2)
    } else if wraps && column + 1 == columns {
        ([whole, (0, 1, width)], 2)
    } else {
        ([whole, whole], 1)
    }
}

/// The line one below, the same, or one above (`step` 0, 1, 2), and by how much it is moved; none beyond a wall.
#[inline(always)]
fn shifted(
    line: usize,
    step: usize,
    lines: usize,
    height: f64,
    wraps: bool,
) -> Option<(usize, f64)> {
    let moved = line + step;
    if moved == 0 {
        wraps.then_some((lines - 1, -height))
    } else if moved > lines {
        wraps.then_some((0, height))
    } else {
        Some((moved - 1, 0.0))
    }
}
