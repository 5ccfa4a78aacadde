//! Where rows are: points of a plane, spots of a lattice.

use crate::bytes::{Damaged, Reader};
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

/// A point of a plane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct P2 {
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
}

/// A vector of a plane: a difference of points, a velocity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct V2 {
    /// To the right.
    pub x: f64,
    /// Upwards.
    pub y: f64,
}

impl V2 {
    /// No length.
    pub const ZERO: Self = Self { x: 0.0, y: 0.0 };

    /// From its coordinates.
    #[inline]
    pub const fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    /// The square of its length.
    #[inline]
    pub fn len2(self) -> f64 {
        self.x * self.x + self.y * self.y
    }

    /// Its length.
    #[inline]
    pub fn len(self) -> f64 {
        self.len2().sqrt()
    }

    /// The same direction with length 1; itself if it has none.
    #[inline]
    #[must_use]
    pub fn unit(self) -> Self {
        let len = self.len();
        if len > 0.0 { self / len } else { self }
    }
}

macro_rules! by_coordinate {
    ($($op:ident $f:ident $left:ident $right:ident $out:ident $sign:tt),*) => { $(
        impl $op<$right> for $left {
            type Output = $out;

            #[inline]
            fn $f(self, other: $right) -> $out {
                $out { x: self.x $sign other.x, y: self.y $sign other.y }
            }
        }
    )* };
}
by_coordinate!(Add add V2 V2 V2 +, Sub sub V2 V2 V2 -, Sub sub P2 P2 V2 -, Add add P2 V2 P2 +, Sub sub P2 V2 P2 -);

impl Mul<f64> for V2 {
    type Output = Self;

    #[inline]
    fn mul(self, by: f64) -> Self {
        Self::new(self.x * by, self.y * by)
    }
}

impl Div<f64> for V2 {
    type Output = Self;

    #[inline]
    fn div(self, by: f64) -> Self {
        Self::new(self.x / by, self.y / by)
    }
}

impl Neg for V2 {
    type Output = Self;

    #[inline]
    fn neg(self) -> Self {
        Self::new(-self.x, -self.y)
    }
}

impl AddAssign for V2 {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for V2 {
    #[inline]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl AddAssign<V2> for P2 {
    #[inline]
    fn add_assign(&mut self, by: V2) {
        *self = *self + by;
    }
}

/// A plane of continuous places: a torus, or a box with walls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    /// From left to right.
    pub width: f64,
    /// From bottom to top.
    pub height: f64,
    /// Whether who leaves on one side comes back on the other.
    pub wraps: bool,
}

impl Plane {
    /// A torus of these sides.
    pub const fn torus(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            wraps: true,
        }
    }

    /// A box with walls.
    pub const fn walled(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            wraps: false,
        }
    }

    /// The place that is meant by a point outside, at most one side away: the same on a torus, the nearest in a box.
    #[inline]
    pub fn place(&self, at: P2) -> P2 {
        if self.wraps {
            P2 {
                x: wrap(at.x, self.width),
                y: wrap(at.y, self.height),
            }
        } else {
            P2 {
                x: at.x.clamp(0.0, self.width),
                y: at.y.clamp(0.0, self.height),
            }
        }
    }

    /// The shortest way from one point to another.
    #[inline]
    pub fn way(&self, from: P2, to: P2) -> V2 {
        let way = to - from;
        if self.wraps {
            V2::new(shortest(way.x, self.width), shortest(way.y, self.height))
        } else {
            way
        }
    }
}

#[inline]
fn wrap(x: f64, side: f64) -> f64 {
    if x < 0.0 {
        // A very small negative number plus the side rounds to the side itself, which is outside.
        let inside = x + side;
        if inside < side { inside } else { 0.0 }
    } else if x >= side {
        x - side
    } else {
        x
    }
}

#[inline]
fn shortest(x: f64, side: f64) -> f64 {
    if x > side * 0.5 {
        x - side
    } else if x < side * -0.5 {
        x + side
    } else {
        x
    }
}

/// A spot of a lattice: its number, row by row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot(pub u32);

/// A lattice of spots: bounded, or a torus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lattice {
    width: u32,
    height: u32,
    wraps: bool,
    /// `2^64 / width + 1`: the upper half of its product with a number below 2^32 is that number divided by `width`
    /// (Lemire, Kaser and Kurz 2019, theorem 1), at a tenth of the time of a division. 0 for a width of 1.
    reciprocal: u64,
}

/// The eight spots around one, row by row; the four beside it are at 1, 3, 4 and 6.
const AROUND: [(i32, i32); 8] = [
    (-1, -1),
    (0, -1),
    (1, -1),
    (-1, 0),
    (1, 0),
    (-1, 1),
    (0, 1),
    (1, 1),
];

impl Lattice {
    /// With an edge.
    ///
    /// # Panics
    /// If it has 2^32 spots or more.
    pub fn bounded(width: u32, height: u32) -> Self {
        Self::new(width, height, false)
    }

    /// Without one.
    ///
    /// # Panics
    /// If it has 2^32 spots or more.
    pub fn torus(width: u32, height: u32) -> Self {
        Self::new(width, height, true)
    }

    fn new(width: u32, height: u32, wraps: bool) -> Self {
        let spots = u64::from(width) * u64::from(height);
        assert!(
            spots < u64::from(u32::MAX),
            "a lattice of {spots} spots: fewer than 2^32 - 1 can be numbered"
        );
        Self {
            width,
            height,
            wraps,
            reciprocal: (u64::MAX / u64::from(width.max(1))).wrapping_add(1),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.width.to_le_bytes());
        out.extend_from_slice(&self.height.to_le_bytes());
        out.push(self.wraps.into());
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Damaged> {
        let width = u32::from_le_bytes(from.array()?);
        let height = u32::from_le_bytes(from.array()?);
        let wraps = from.array()? != [0];
        if u64::from(width) * u64::from(height) >= u64::from(u32::MAX) {
            return Err(Damaged::new(format!(
                "{width} x {height} spots cannot be numbered"
            )));
        }
        Ok(Self::new(width, height, wraps))
    }

    /// Spots from left to right.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Spots from top to bottom.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Whether who leaves on one side comes back on the other.
    pub const fn wraps(&self) -> bool {
        self.wraps
    }

    /// How many spots it has.
    #[inline]
    pub const fn len(&self) -> usize {
        self.width as usize * self.height as usize
    }

    /// All spots, row by row.
    pub fn spots(&self) -> impl Iterator<Item = Spot> + use<> {
        // The constructors have checked that they can be numbered.
        (0..self.width.wrapping_mul(self.height)).map(Spot)
    }

    /// Whether it has none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// The spot in this column and row, both within.
    #[inline]
    pub const fn spot(&self, x: u32, y: u32) -> Spot {
        Spot(y.wrapping_mul(self.width).wrapping_add(x))
    }

    /// Column and row of a spot.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the quotient is at most the number"
    )]
    pub const fn xy(&self, spot: Spot) -> (u32, u32) {
        let y = if self.reciprocal == 0 {
            spot.0
        } else {
            ((spot.0 as u128 * self.reciprocal as u128) >> 64) as u32
        };
        (spot.0.wrapping_sub(y.wrapping_mul(self.width)), y)
    }

    /// The spot so far away; none beyond the edge. Steps of at most one side.
    #[inline]
    pub fn beside(&self, spot: Spot, dx: i32, dy: i32) -> Option<Spot> {
        let (x, y) = self.xy(spot);
        let x = along(x, dx, self.width, self.wraps)?;
        let y = along(y, dy, self.height, self.wraps)?;
        Some(self.spot(x, y))
    }

    /// The spots around one that there are, at most eight, row by row.
    pub fn eight(&self, spot: Spot) -> impl Iterator<Item = Spot> + '_ {
        AROUND
            .iter()
            .filter_map(move |&(dx, dy)| self.beside(spot, dx, dy))
    }

    /// The spots to the left, above, to the right and below that there are.
    #[inline(always)]
    pub fn four(&self, spot: Spot) -> impl Iterator<Item = Spot> {
        let (x, y) = self.xy(spot);
        let (right, below) = (self.width.wrapping_sub(1), self.height.wrapping_sub(1));
        let line = self.width;
        let column = line.wrapping_mul(below);
        // Each is a step in the numbers, or a jump to the other side.
        let step = |inside: bool, by: u32, jump: u32| {
            let to = Spot(spot.0.wrapping_add(if inside { by } else { jump }));
            (inside || self.wraps).then_some(to)
        };
        [
            step(x > 0, 1_u32.wrapping_neg(), right),
            step(y > 0, line.wrapping_neg(), column),
            step(x < right, 1, right.wrapping_neg()),
            step(y < below, line, column.wrapping_neg()),
        ]
        .into_iter()
        .flatten()
    }

    /// One of the spots around, each as likely: `draw` is asked until the answer is not beyond the edge.
    #[inline]
    pub fn step(&self, spot: Spot, mut draw: impl FnMut() -> u64) -> Spot {
        if self.len() <= 1 {
            return spot;
        }
        let (x, y) = self.xy(spot);
        loop {
            // Eight directions are three bits, so one draw is good for many tries.
            let mut bits = draw();
            for _ in 0..21 {
                let (dx, dy) = AROUND[(bits & 7) as usize];
                bits >>= 3;
                if let Some(x) = along(x, dx, self.width, self.wraps)
                    && let Some(y) = along(y, dy, self.height, self.wraps)
                {
                    return self.spot(x, y);
                }
            }
        }
    }

    /// The columns and rows within a Chebyshev distance of a spot, on a lattice with an edge: `(left..right, top..bottom)`.
    #[inline]
    pub fn square(&self, spot: Spot, radius: u32) -> (std::ops::Range<u32>, std::ops::Range<u32>) {
        let (x, y) = self.xy(spot);
        (
            x.saturating_sub(radius)..x.saturating_add(radius + 1).min(self.width),
            y.saturating_sub(radius)..y.saturating_add(radius + 1).min(self.height),
        )
    }
}

#[inline]
fn along(x: u32, by: i32, side: u32, wraps: bool) -> Option<u32> {
    let moved = x.wrapping_add_signed(by);
    if moved < side {
        Some(moved)
    } else if !wraps {
        None
    } else if by < 0 {
        Some(moved.wrapping_add(side))
    } else {
        Some(moved.wrapping_sub(side))
    }
}
