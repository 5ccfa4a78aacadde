//! The space a message occupies: a box of integers, and the bounds of the medium around it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::{BODY_CHANNELS_MAX, DEPTH_MAX, DIMENSIONS_MAX, PARTS_MAX};

/// One axis of the space in which VCs and messages have coordinates.
///
/// The dense ones are computed from a body ([`shape`](crate::shape)); the named, sparse ones come
/// from signed test reports (`tests.pass`) or a message's own decoder (`self.…`). Stored and sent as
/// its text, so that no named dimension can pass for a dense one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Dimension {
    /// Bytes of all parts, inner ones included; saturating.
    Bytes,
    /// Parts of this level.
    Parts,
    /// How deep bodies nest below this one; 0 if no part has a body.
    Depth,
    /// Channels of this level, needed or given.
    Channels,
    /// Channels that are needed and that nothing here gives.
    Hunger,
    /// Euler characteristic of the complex of parts and channels.
    Euler,
    /// Unconnected organs: components of that complex (β0), parts without a channel among them.
    Organs,
    /// A named dimension.
    Named(String),
}

impl Dimension {
    /// The dense dimensions, in the order in which they are shown.
    pub const DENSE: [Self; 7] = [
        Self::Bytes,
        Self::Parts,
        Self::Depth,
        Self::Channels,
        Self::Hunger,
        Self::Euler,
        Self::Organs,
    ];
    /// Longest name of a named dimension, in bytes.
    pub const NAME_BYTES_MAX: usize = 64;

    /// Whether everything has a coordinate here; a named dimension may be absent.
    pub const fn is_dense(&self) -> bool {
        !matches!(self, Self::Named(_))
    }

    /// The bounds of the medium: no coordinate that a node computes lies outside of them.
    ///
    /// Only the Euler characteristic and the named dimensions may be negative.
    pub const fn bounds(&self) -> Interval {
        #[expect(clippy::cast_possible_wrap, reason = "the limits are small")]
        const fn up_to(max: usize) -> Interval {
            Interval {
                low: 0,
                high: max as i64,
            }
        }
        match self {
            Self::Bytes => Interval {
                low: 0,
                high: i64::MAX,
            },
            Self::Parts | Self::Organs => up_to(PARTS_MAX),
            Self::Depth => up_to(DEPTH_MAX - 1),
            Self::Channels | Self::Hunger => up_to(BODY_CHANNELS_MAX),
            Self::Euler | Self::Named(_) => Interval::ALL,
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::Parts => "parts",
            Self::Depth => "depth",
            Self::Channels => "channels",
            Self::Hunger => "hunger",
            Self::Euler => "euler",
            Self::Organs => "organs",
            Self::Named(name) => name,
        })
    }
}

/// The text is not the name of a dimension.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a named dimension begins with a letter and has words of a-z 0-9 - _ with `.` between them, at least two, at most {} bytes",
    Dimension::NAME_BYTES_MAX
)]
pub struct NotADimension;

impl FromStr for Dimension {
    type Err = NotADimension;

    fn from_str(text: &str) -> Result<Self, NotADimension> {
        if let Some(dense) = Self::DENSE
            .into_iter()
            .find(|dense| dense.to_string() == text)
        {
            return Ok(dense);
        }
        let in_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        let word = |word: &str| !word.is_empty() && word.bytes().all(in_word);
        if text.len() <= Self::NAME_BYTES_MAX
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.contains('.')
            && text.split('.').all(word)
        {
            Ok(Self::Named(text.to_owned()))
        } else {
            Err(NotADimension)
        }
    }
}

impl TryFrom<String> for Dimension {
    type Error = NotADimension;

    fn try_from(text: String) -> Result<Self, NotADimension> {
        text.parse()
    }
}

impl From<Dimension> for String {
    fn from(dimension: Dimension) -> Self {
        match dimension {
            Dimension::Named(name) => name,
            dense => dense.to_string(),
        }
    }
}

/// All integers from `low` to `high`, both included; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Interval {
    /// The smallest.
    pub low: i64,
    /// The largest.
    pub high: i64,
}

impl Interval {
    /// Every integer.
    pub const ALL: Self = Self {
        low: i64::MIN,
        high: i64::MAX,
    };

    /// One integer.
    pub const fn point(at: i64) -> Self {
        Self { low: at, high: at }
    }

    /// The integers from `low` to `high`, if there are any.
    pub const fn new(low: i64, high: i64) -> Option<Self> {
        if low <= high {
            Some(Self { low, high })
        } else {
            None
        }
    }

    /// Whether every integer of `other` is one of these.
    pub const fn contains(self, other: Self) -> bool {
        self.low <= other.low && other.high <= self.high
    }

    /// What the two have in common, if anything.
    pub fn meet(self, other: Self) -> Option<Self> {
        Self::new(self.low.max(other.low), self.high.min(other.high))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.low, self.high) {
            (low, high) if low == high => write!(f, "{low}"),
            (i64::MIN, i64::MAX) => f.write_str("anything"),
            (i64::MIN, high) => write!(f, "at most {high}"),
            (low, i64::MAX) => write!(f, "at least {low}"),
            (low, high) => write!(f, "{low} to {high}"),
        }
    }
}

/// The box a message occupies: an interval per dimension it says something about.
///
/// A weak message is a point; a strong one declares the range its shape may take over its life, and a
/// host stops it when it leaves that range. About a dense dimension it does not mention it says only
/// what holds for everyone, the [bounds of the medium](Dimension::bounds); in a named one it does not
/// mention it has no coordinate.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Extent(pub BTreeMap<Dimension, Interval>);

impl Extent {
    /// The whole medium: every dense dimension with its bounds.
    pub fn medium() -> Self {
        Self(
            Dimension::DENSE
                .into_iter()
                .map(|d| (d.clone(), d.bounds()))
                .collect(),
        )
    }

    /// What it occupies of a dimension; nothing of a named one it does not mention.
    pub fn interval(&self, dimension: &Dimension) -> Option<Interval> {
        let mentioned = self.0.get(dimension).copied();
        mentioned.or_else(|| dimension.is_dense().then(|| dimension.bounds()))
    }

    /// Whether all of `other` lies inside, in every dimension that this box mentions.
    pub fn contains(&self, other: &Self) -> bool {
        self.0.iter().all(|(axis, mine)| {
            other
                .interval(axis)
                .is_some_and(|theirs| mine.contains(theirs))
        })
    }

    /// What the two boxes have in common, if anything: both say what either says.
    pub fn meet(&self, other: &Self) -> Option<Self> {
        let mut both = self.0.clone();
        for (dimension, &theirs) in &other.0 {
            let met = match both.get(dimension) {
                Some(mine) => mine.meet(theirs)?,
                None => theirs,
            };
            both.insert(dimension.clone(), met);
        }
        Some(Self(both))
    }

    /// Checks that the box lies in the medium; "addressable within and bounded by the medium".
    ///
    /// # Errors
    /// [`ExtentError`] names the first dimension at fault, or the number of named ones.
    pub fn within_medium(&self) -> Result<(), ExtentError> {
        let named = self
            .0
            .keys()
            .filter(|dimension| !dimension.is_dense())
            .count();
        if named > DIMENSIONS_MAX {
            return Err(ExtentError::Dimensions { named });
        }
        for (dimension, &found) in &self.0 {
            let bound = dimension.bounds();
            if found.low > found.high {
                return Err(ExtentError::Empty {
                    dimension: dimension.clone(),
                    found,
                });
            }
            if !bound.contains(found) {
                return Err(ExtentError::OutsideMedium {
                    dimension: dimension.clone(),
                    found,
                    bound,
                });
            }
        }
        Ok(())
    }

    /// Checks that `now`, what a VC occupies at present, has not left this box, which it declared.
    ///
    /// A dimension that either side does not mention was not left: a VC that nobody has tested yet has
    /// no `tests.pass`, and that is no breach of having declared one.
    ///
    /// # Errors
    /// [`ExtentError::Left`] names the first dimension in which it did.
    pub fn not_left_by(&self, now: &Self) -> Result<(), ExtentError> {
        for (dimension, &declared) in &self.0 {
            if let Some(&found) = now.0.get(dimension)
                && !declared.contains(found)
            {
                return Err(ExtentError::Left {
                    dimension: dimension.clone(),
                    found,
                    declared,
                });
            }
        }
        Ok(())
    }
}

/// Why a box is refused, or why a VC is stopped for its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtentError {
    /// An interval holds no integer.
    #[error("{dimension} is empty: from {} to {}", found.low, found.high)]
    Empty {
        /// The dimension.
        dimension: Dimension,
        /// The interval, which ends before it begins.
        found: Interval,
    },
    /// A coordinate lies outside of the medium.
    #[error("{dimension} is {found}, the medium is bounded by {} to {}", bound.low, bound.high)]
    OutsideMedium {
        /// The dimension.
        dimension: Dimension,
        /// What is occupied of it.
        found: Interval,
        /// What the medium has of it.
        bound: Interval,
    },
    /// There are more named dimensions than a shape may have.
    #[error("{named} named dimensions, at most {DIMENSIONS_MAX} are allowed")]
    Dimensions {
        /// How many there are.
        named: usize,
    },
    /// A VC is no longer where it declared that it would stay.
    #[error("{dimension} is {found}, the declared extent is {declared}")]
    Left {
        /// The dimension.
        dimension: Dimension,
        /// What is occupied of it now.
        found: Interval,
        /// What was declared.
        declared: Interval,
    },
}

impl ExtentError {
    /// The way out.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "write the smaller number first",
            Self::OutsideMedium { .. } => "declare a smaller extent; nest parts to stay within it",
            Self::Dimensions { .. } => "keep the dimensions that someone searches for",
            Self::Left { .. } => "declare the range the shape takes over its whole life",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(sides: &[(&str, i64, i64)]) -> Extent {
        let side =
            |&(name, low, high): &(&str, _, _)| (name.parse().unwrap(), Interval { low, high });
        Extent(sides.iter().map(side).collect())
    }

    #[test]
    fn names_of_dimensions_are_checked_once() {
        for name in ["bytes", "organs", "tests.pass", "self.a-b.c_2"] {
            assert_eq!(
                name.parse::<Dimension>().map(String::from),
                Ok(name.to_owned())
            );
        }
        for name in [
            "",
            "pass",
            "Bytes",
            "a..b",
            ".a",
            "a.",
            "9.9",
            "-a.b",
            &"a.".repeat(40),
        ] {
            assert!(name.parse::<Dimension>().is_err(), "{name}");
        }
    }

    #[test]
    fn boxes_contain_and_meet() {
        let (large, small) = (
            extent(&[("parts", 0, 9)]),
            extent(&[("parts", 3, 4), ("a.b", 1, 1)]),
        );
        assert!(large.contains(&small) && !small.contains(&large));
        assert!(Extent::medium().contains(&large) && Extent::default().contains(&large));
        assert!(
            !large.contains(&Extent::default()),
            "what says nothing may be anything"
        );
        assert_eq!(large.meet(&small).as_ref(), Some(&small));
        assert_eq!(large.meet(&extent(&[("parts", 10, 11)])), None);
    }

    #[test]
    fn errors_name_the_dimension_and_the_bound() {
        let error = |result: Result<(), ExtentError>| result.unwrap_err().to_string();
        insta::assert_snapshot!(
            error(extent(&[("depth", 3, 16)]).within_medium()),
            @"depth is 3 to 16, the medium is bounded by 0 to 15"
        );
        insta::assert_snapshot!(
            error(extent(&[("parts", 2, 1)]).within_medium()),
            @"parts is empty: from 2 to 1"
        );
        let declared = extent(&[("parts", 0, 4), ("tests.pass", 90, 100)]);
        assert_eq!(
            declared.not_left_by(&extent(&[("parts", 4, 4), ("bytes", 7, 7)])),
            Ok(())
        );
        insta::assert_snapshot!(
            error(declared.not_left_by(&extent(&[("parts", 5, 5)]))),
            @"parts is 5, the declared extent is 0 to 4"
        );
        assert_eq!(Extent::medium().within_medium(), Ok(()));
    }
}
