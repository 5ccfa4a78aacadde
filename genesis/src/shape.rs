//! A VC's shape: integer coordinates computed from its body, the same on every node.
//!
//! A shape is a filter, never identity or safety: many bodies share one, and anyone can imitate one.
//! It depends on the multiset of parts alone, never on the order in which they came (theory §6, laws
//! 2 and 8). [`Body`](crate::body::Body) keeps it up to date; [`Shape::from_scratch`] computes it the
//! slow and simple way, as an oracle for the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::body::Part;
use crate::channel::{Channel, Polarity};
use crate::extent::{Dimension, Extent, Interval, NotADimension};
use crate::limits::DIMENSIONS_MAX;

mod complex;

pub(crate) use complex::Complex;

/// Coordinates: the dense ones of a body, and named ones from test reports.
///
/// # The complex that is shown
/// χ and the organs are those of the Dowker complex of parts × channels in which a part without
/// channels is an isolated point. The complex on the channel side has no vertex for such a part, nor
/// has the one on the part side, so it is counted apart: 1 to χ and 1 to the organs. With that
/// `euler = organs - β1 + β2 - …` (Euler–Poincaré) holds for every body. Channels of the medium are
/// in neither complex, and the genesis part is no point of it: it is the host's organ, not the VC's.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawShape")]
pub struct Shape {
    bytes: u128,
    parts: i64,
    depth: i64,
    channels: i64,
    hunger: i64,
    euler: i64,
    organs: i64,
    named: BTreeMap<String, i64>,
}

/// What a [`Shape`] is made from; its fields are the coordinates of [`Dimension::DENSE`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dense {
    pub(crate) bytes: u128,
    pub(crate) parts: usize,
    pub(crate) depth: u32,
    pub(crate) channels: usize,
    pub(crate) hunger: usize,
    pub(crate) euler: i64,
    pub(crate) organs: usize,
}

impl Shape {
    pub(crate) fn new(dense: Dense) -> Self {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        Self {
            bytes: dense.bytes,
            parts: count(dense.parts),
            depth: i64::from(dense.depth),
            channels: count(dense.channels),
            hunger: count(dense.hunger),
            euler: dense.euler,
            organs: count(dense.organs),
            named: BTreeMap::new(),
        }
    }

    /// The shape of a body with these parts, computed at once from nothing but them.
    ///
    /// The oracle of the tables in [`Body`](crate::body::Body): sets of channel names, no reference
    /// counts, no slots. Cost: all faces of all parts, with allocation.
    pub fn from_scratch<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Self {
        let mut dense = Dense::default();
        let mut faces: BTreeSet<BTreeSet<Channel>> = BTreeSet::new();
        let mut organs: Vec<BTreeSet<Channel>> = Vec::new();
        let (mut needed, mut given) = (BTreeSet::new(), BTreeSet::new());
        for part in parts {
            dense.bytes += u128::from(part.bytes());
            dense.parts += 1;
            dense.depth = dense.depth.max(part.depth());
            let own: BTreeSet<Channel> = part.channels().into_iter().collect();
            for &(channel, polarity) in part.links().iter().filter(|(c, _)| own.contains(c)) {
                match polarity {
                    Polarity::Needs => needed.insert(channel),
                    Polarity::Gives => given.insert(channel),
                };
            }
            if own.is_empty() {
                let isolated = usize::from(!part.is_genesis());
                dense.organs += isolated;
                dense.euler += i64::from(isolated == 1);
                continue;
            }
            let names: Vec<Channel> = own.iter().copied().collect();
            for mask in 1_u32..1 << names.len() {
                let chosen = names.iter().enumerate().filter(|(n, _)| mask & 1 << n != 0);
                faces.insert(chosen.map(|(_, &channel)| channel).collect());
            }
            let (joined, apart): (Vec<_>, Vec<_>) = organs
                .into_iter()
                .partition(|organ| !organ.is_disjoint(&own));
            organs = apart;
            organs.push(joined.into_iter().flatten().chain(own).collect());
        }
        dense.channels = needed.union(&given).count();
        dense.hunger = needed.difference(&given).count();
        dense.euler += faces
            .iter()
            .map(|face| if face.len() % 2 == 1 { 1 } else { -1 })
            .sum::<i64>();
        dense.organs += organs.len();
        Self::new(dense)
    }

    /// The coordinate in a dimension; `None` in a named one that the shape lacks.
    pub fn get(&self, dimension: &Dimension) -> Option<i64> {
        Some(match dimension {
            Dimension::Bytes => i64::try_from(self.bytes).unwrap_or(i64::MAX),
            Dimension::Parts => self.parts,
            Dimension::Depth => self.depth,
            Dimension::Channels => self.channels,
            Dimension::Hunger => self.hunger,
            Dimension::Euler => self.euler,
            Dimension::Organs => self.organs,
            Dimension::Named(name) => return self.named.get(name).copied(),
        })
    }

    /// Bytes of all parts, exactly; the coordinate `bytes` saturates.
    pub const fn bytes_exact(&self) -> u128 {
        self.bytes
    }

    /// The named coordinates, sorted.
    pub fn named(&self) -> impl Iterator<Item = (&str, i64)> {
        self.named
            .iter()
            .map(|(name, &value)| (name.as_str(), value))
    }

    /// Every coordinate there is: the dense ones in their order, then the named ones.
    pub fn iter(&self) -> impl Iterator<Item = (Dimension, i64)> {
        let named = self
            .named
            .iter()
            .map(|(name, &at)| (Dimension::Named(name.clone()), at));
        let dense = |d: Dimension| self.get(&d).map(|at| (d, at));
        Dimension::DENSE.into_iter().filter_map(dense).chain(named)
    }

    /// Sets a named coordinate, for one who has read a test report.
    ///
    /// # Errors
    /// [`ShapeError`] if the name is not one of a named dimension, or there are too many.
    pub fn set_named(&mut self, name: &str, value: i64) -> Result<(), ShapeError> {
        match name.parse()? {
            Dimension::Named(name) => {
                if self.named.len() >= DIMENSIONS_MAX && !self.named.contains_key(&name) {
                    return Err(ShapeError::Dimensions);
                }
                self.named.insert(name, value);
                Ok(())
            }
            dense => Err(ShapeError::Dense { dimension: dense }),
        }
    }

    /// The shape as the box it occupies: a point.
    pub fn as_extent(&self) -> Extent {
        Extent(
            self.iter()
                .map(|(dimension, at)| (dimension, Interval::point(at)))
                .collect(),
        )
    }

    /// The dimensions in which `other` differs, and how.
    pub fn diff(&self, other: &Self) -> Vec<Difference> {
        let either: BTreeSet<Dimension> = self.iter().chain(other.iter()).map(|(d, _)| d).collect();
        let difference = |dimension: Dimension| Difference {
            before: self.get(&dimension),
            after: other.get(&dimension),
            dimension,
        };
        either
            .into_iter()
            .map(difference)
            .filter(|d| d.before != d.after)
            .collect()
    }

    /// Weighted L1 distance: `Σ |Δ|·weight`; an absent coordinate counts as 0.
    ///
    /// Exact: at most 2⁶⁴·2³² for each of less than 2⁷ dimensions, which `u128` holds. Shapes at the
    /// same distance are ordered by digest, see [`k_nearest`].
    pub fn distance(&self, other: &Self, weights: &Weights) -> u128 {
        let apart = |dimension: &Dimension| {
            let at = |shape: &Self| shape.get(dimension).unwrap_or(0);
            u128::from(at(self).abs_diff(at(other)))
        };
        weights
            .0
            .iter()
            .map(|(dimension, &weight)| apart(dimension) * u128::from(weight))
            .sum()
    }
}

/// The form in which a shape arrives: a stranger's claim, checked before it is a [`Shape`].
#[derive(Deserialize)]
struct RawShape {
    bytes: u128,
    parts: i64,
    depth: i64,
    channels: i64,
    hunger: i64,
    euler: i64,
    organs: i64,
    named: BTreeMap<String, i64>,
}

impl TryFrom<RawShape> for Shape {
    type Error = ShapeError;

    fn try_from(raw: RawShape) -> Result<Self, ShapeError> {
        let RawShape {
            bytes,
            parts,
            depth,
            channels,
            hunger,
            euler,
            organs,
            named,
        } = raw;
        let mut shape = Self {
            bytes,
            parts,
            depth,
            channels,
            hunger,
            euler,
            organs,
            named: BTreeMap::new(),
        };
        for (name, value) in named {
            shape.set_named(&name, value)?;
        }
        shape.as_extent().within_medium()?;
        Ok(shape)
    }
}

/// Why something is not a shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// There are too many named dimensions.
    #[error("a shape has at most {DIMENSIONS_MAX} named dimensions")]
    Dimensions,
    /// A name is not one of a dimension.
    #[error(transparent)]
    Name(#[from] NotADimension),
    /// A dense coordinate is computed, nobody sets it.
    #[error("{dimension} is computed from the body and cannot be set")]
    Dense {
        /// The dimension.
        dimension: Dimension,
    },
    /// A coordinate lies outside of the medium.
    #[error(transparent)]
    Outside(#[from] crate::extent::ExtentError),
}

/// One dimension in which two shapes differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The dimension.
    pub dimension: Dimension,
    /// The coordinate of the one, if it has any.
    pub before: Option<i64>,
    /// The coordinate of the other, if it has any.
    pub after: Option<i64>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |at: Option<i64>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        write!(
            f,
            "{} {} -> {}",
            self.dimension,
            at(self.before),
            at(self.after)
        )
    }
}

/// How much a step in each dimension counts; one that is not mentioned counts nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights(pub BTreeMap<Dimension, u32>);

impl Default for Weights {
    /// A mebibyte counts as much as one part, channel or level; named dimensions count nothing.
    fn default() -> Self {
        let weight = |d: Dimension| {
            if d == Dimension::Bytes {
                (d, 1)
            } else {
                (d, 1 << 20)
            }
        };
        Self(Dimension::DENSE.into_iter().map(weight).collect())
    }
}

/// One of the [`k_nearest`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Near<K> {
    /// How far away, see [`Shape::distance`].
    pub distance: u128,
    /// Whose shape it is.
    pub key: K,
}

/// The `k` candidates nearest to `target`, nearest first.
///
/// Equally near ones are ordered by key, so that anyone who asks the same gets the same answer (theory
/// §3). Cost: one distance and `log k` per candidate; memory for `k` of them.
pub fn k_nearest<'a, K: Ord>(
    candidates: impl IntoIterator<Item = (K, &'a Shape)>,
    target: &Shape,
    weights: &Weights,
    k: usize,
) -> Vec<Near<K>> {
    let mut nearest = std::collections::BinaryHeap::new();
    for (key, shape) in candidates {
        nearest.push(Near {
            distance: target.distance(shape, weights),
            key,
        });
        if nearest.len() > k {
            nearest.pop();
        }
    }
    nearest.into_sorted_vec()
}
