//! Patterns: the region a VC accepts or a person searches.
//!
//! A pattern is a union of boxes, and a box is a conjunction of constraints:
//!
//! ```
//! use genesis::pattern::Pattern;
//!
//! let pattern: Pattern = "bytes<2MiB & (hunger=0 | gives(text/eval) & tests.pass?>=95)".parse()?;
//! assert_eq!(
//!     pattern.to_string(),
//!     "bytes<2MiB & hunger=0 | bytes<2MiB & tests.pass?>=95 & gives(text/eval)",
//! );
//! # Ok::<(), genesis::pattern::ParseError>(())
//! ```
//!
//! There is no negation: whoever widens a constraint or adds a box never rejects what was accepted
//! before (theory §3; §6, law 7). Tags alone have sets that list what is *not* allowed. A named
//! dimension or a tag that the subject lacks fails, unless a `?` marks it as optional. The grammar is
//! in `pattern/parse.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::body::Link;
use crate::channel::{Channel, Polarity};
use crate::extent::{Dimension, Extent, Interval};
use crate::limits::{COVER_PIECES_MAX, PATTERN_BOXES_MAX, PATTERN_TEXT_MAX};
use crate::shape::Shape;

mod cover;
mod parse;
mod region;
#[cfg(test)]
mod tests;

pub use parse::{Fault, ParseError};

use region::{Allowed, Axis, Constraint, Quoted, Region, Values};

/// A union of boxes. Cheap to clone; "accepts all" is a null pointer.
///
/// Multiplied out and sorted when it is made, with boxes inside other boxes left out. Its text, which
/// is also the form in which it is stored and sent, reads back as an equal pattern.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Option<Arc<[Region]>>);

impl Pattern {
    /// Accepts everything.
    pub const ALL: Self = Self(None);

    /// Whether it accepts everything, whatever it is.
    pub const fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// How many boxes there are; none accepts nothing.
    pub fn boxes(&self) -> usize {
        self.regions().len()
    }

    fn regions(&self) -> &[Region] {
        static ALL: [Region; 1] = [Region::ALL];
        self.0.as_deref().unwrap_or(&ALL)
    }

    /// What both accept.
    ///
    /// # Errors
    /// [`TooLarge`] if that has too many boxes, or too long a text.
    pub fn and(&self, other: &Self) -> Result<Self, TooLarge> {
        Boxes::from(self).and(&Boxes::from(other))?.fits()
    }

    /// What either accepts.
    ///
    /// # Errors
    /// As [`Self::and`].
    pub fn or(&self, other: &Self) -> Result<Self, TooLarge> {
        Boxes::from(self).or(&Boxes::from(other))?.fits()
    }

    /// Whether some box of the pattern and the subject stand in this relation, see [`Mode`].
    ///
    /// Cost: boxes times constraints. A strong message that only two boxes together hold is refused
    /// here: an exact answer may take too long ([`Self::contains`] tries), and one that gave up as
    /// boxes are added would not be monotone.
    pub fn matches(&self, subject: &(impl Subject + ?Sized), mode: Mode) -> bool {
        let fits = |region: &Region| {
            region
                .iter()
                .all(|(axis, allowed)| mode.holds(allowed, &occupied(subject, axis)))
        };
        match mode {
            Mode::Within | Mode::Meets => self.is_all() || self.regions().iter().any(fits),
            Mode::Covers => self.regions().iter().all(fits),
        }
    }

    /// As [`Self::matches`], and says for each box why not.
    ///
    /// # Errors
    /// [`Mismatch`] with what was found and what was wanted.
    pub fn explain(&self, subject: &(impl Subject + ?Sized), mode: Mode) -> Result<(), Mismatch> {
        if self.matches(subject, mode) {
            return Ok(());
        }
        let reasons = |region: &Region| {
            let at_fault = |&(axis, allowed): &(&Axis, &Allowed)| {
                !mode.holds(allowed, &occupied(subject, axis))
            };
            let reason = |(axis, allowed): (&Axis, &Allowed)| {
                let verb = if mode == Mode::Covers {
                    "spans"
                } else {
                    "wants"
                };
                Reason {
                    found: found(subject, axis),
                    wanted: format!("{verb} {:#}", Constraint(axis, allowed)),
                }
            };
            region
                .iter()
                .filter(at_fault)
                .map(reason)
                .collect::<Vec<_>>()
        };
        let boxes = self
            .regions()
            .iter()
            .map(reasons)
            .filter(|reasons| !reasons.is_empty());
        Err(Mismatch {
            boxes: boxes.collect(),
        })
    }

    /// Whether the boxes together hold all that the subject occupies: exact, or *Unknown*.
    ///
    /// For a subject that is a point this is [`Self::matches`] within.
    pub fn contains(&self, subject: &(impl Subject + ?Sized)) -> Containment {
        let mut occupies = Region::ALL;
        for (axis, _) in self.regions().iter().flat_map(Region::iter) {
            let side = Region::only(axis.clone(), &occupied(subject, axis));
            match side.and_then(|side| occupies.meet(&side)) {
                Some(met) => occupies = met,
                // It lies outside of the medium, where no pattern reaches.
                None => return Containment::No,
            }
        }
        let mut budget = COVER_PIECES_MAX;
        cover::covers(self.regions(), occupies, &mut budget)
    }

    /// Whether this pattern accepts all that `other` accepts; for points, exact unless *Unknown*.
    ///
    /// Decided by box covering first (Siena), then by box subtraction that gives up after
    /// [`COVER_PIECES_MAX`] pieces.
    pub fn covers(&self, other: &Self) -> Containment {
        let mut budget = COVER_PIECES_MAX;
        for region in other.regions() {
            match cover::covers(self.regions(), region.clone(), &mut budget) {
                Containment::Yes => {}
                answer => return answer,
            }
        }
        Containment::Yes
    }
}

/// Whether one region lies in another. Treat *Unknown* as *No*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Containment {
    /// It does; this answer is never wrong.
    Yes,
    /// It does not; this answer is never wrong.
    No,
    /// The question takes more work than a node is ready to do.
    Unknown,
}

/// How a subject and a pattern have to lie for a match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// All that the subject occupies lies in one box: whatever it becomes, it is wanted.
    #[default]
    Within,
    /// Some of it does: it may become what is wanted.
    Meets,
    /// It fills what each box asks for, in the dimensions the box mentions. Unlike the others this is
    /// not monotone: for searches, never for acceptance.
    Covers,
}

impl Mode {
    fn holds(self, allowed: &Allowed, occupied: &Allowed) -> bool {
        match self {
            Self::Within => allowed.contains(occupied),
            Self::Meets => allowed.meets(occupied),
            Self::Covers => occupied.contains(allowed),
        }
    }
}

/// What a pattern is asked about.
pub trait Subject {
    /// What it occupies of a dimension; `None` if it has no coordinate there.
    fn interval(&self, dimension: &Dimension) -> Option<Interval>;

    /// Whether it gives a channel.
    fn gives(&self, _channel: &Channel) -> bool {
        false
    }

    /// Whether it needs a channel.
    fn needs(&self, _channel: &Channel) -> bool {
        false
    }

    /// Its tag of this name.
    fn tag(&self, _key: &str) -> Option<&str> {
        None
    }
}

impl Subject for Extent {
    fn interval(&self, dimension: &Dimension) -> Option<Interval> {
        self.interval(dimension)
    }
}

impl Subject for Shape {
    fn interval(&self, dimension: &Dimension) -> Option<Interval> {
        self.get(dimension).map(Interval::point)
    }
}

/// A subject with everything a pattern can ask about.
#[derive(Clone, Debug)]
pub struct Profile<'a> {
    /// The box it occupies.
    pub extent: &'a Extent,
    /// The channels it needs and gives.
    pub links: &'a [Link],
    /// Its tags.
    pub tags: BTreeMap<&'a str, &'a str>,
}

impl Subject for Profile<'_> {
    fn interval(&self, dimension: &Dimension) -> Option<Interval> {
        self.extent.interval(dimension)
    }

    fn gives(&self, channel: &Channel) -> bool {
        self.links.contains(&(*channel, Polarity::Gives))
    }

    fn needs(&self, channel: &Channel) -> bool {
        self.links.contains(&(*channel, Polarity::Needs))
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.tags.get(key).copied()
    }
}

/// What the subject occupies of an axis.
fn occupied(subject: &(impl Subject + ?Sized), axis: &Axis) -> Allowed {
    let (present, there) = match axis {
        Axis::Number(dimension) => {
            let interval = subject.interval(dimension);
            (Values::Range(interval), interval.is_some())
        }
        Axis::Tag(key) => {
            let value = subject.tag(key);
            let listed = value.map(str::to_owned).into_iter().collect();
            (
                Values::Texts {
                    listed,
                    all_but: false,
                },
                value.is_some(),
            )
        }
        Axis::Gives(channel) => (
            Values::There(subject.gives(channel)),
            subject.gives(channel),
        ),
        Axis::Needs(channel) => (
            Values::There(subject.needs(channel)),
            subject.needs(channel),
        ),
    };
    Allowed {
        present,
        absent: !there,
    }
}

/// What the subject is on an axis, for a person.
fn found(subject: &(impl Subject + ?Sized), axis: &Axis) -> String {
    match axis {
        Axis::Number(dimension) => match subject.interval(dimension) {
            Some(interval) => format!("{dimension} is {interval}"),
            None => format!("{dimension} is absent"),
        },
        Axis::Tag(key) => match subject.tag(key) {
            Some(value) => format!("{key} is {}", Quoted(value)),
            None => format!("{key} is absent"),
        },
        Axis::Gives(channel) if subject.gives(channel) => format!("it gives {channel}"),
        Axis::Gives(channel) => format!("it does not give {channel}"),
        Axis::Needs(channel) if subject.needs(channel) => format!("it needs {channel}"),
        Axis::Needs(channel) => format!("it does not need {channel}"),
    }
}

/// Why a pattern does not match: for each box that fails, what is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Mismatch {
    /// Per box at least one reason; no boxes if the pattern accepts nothing at all.
    pub boxes: Vec<Vec<Reason>>,
}

/// One constraint that a subject does not meet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The dimension and what was found: `bytes is 3145728`.
    pub found: String,
    /// What the pattern says of it: `wants bytes < 2097152`.
    pub wanted: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, the pattern {}", self.found, self.wanted)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.boxes.is_empty() {
            return f.write_str("the pattern accepts nothing");
        }
        let several = self.boxes.len() > 1;
        for (n, reasons) in self.boxes.iter().enumerate() {
            if several {
                write!(f, "{}box {}: ", if n > 0 { "; or " } else { "" }, n + 1)?;
            }
            for (n, reason) in reasons.iter().enumerate() {
                write!(f, "{}{reason}", if n > 0 { "; and " } else { "" })?;
            }
        }
        Ok(())
    }
}

/// A pattern is larger than a node is ready to keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TooLarge {
    /// It has too many boxes.
    #[error("multiplied out the pattern has more than {PATTERN_BOXES_MAX} boxes")]
    Boxes,
    /// Its text is too long.
    #[error(
        "multiplied out the pattern has {bytes} bytes of text, at most {PATTERN_TEXT_MAX} are allowed"
    )]
    Text {
        /// How many it has.
        bytes: usize,
    },
}

/// A union of boxes in the making: none inside another, at most [`PATTERN_BOXES_MAX`].
#[derive(Clone, Debug, Default)]
struct Boxes(Vec<Region>);

impl Boxes {
    fn all() -> Self {
        Self(vec![Region::ALL])
    }

    fn one(region: Option<Region>) -> Self {
        Self(region.into_iter().collect())
    }

    fn push(&mut self, region: Region) -> Result<(), TooLarge> {
        if self.0.iter().any(|other| other.contains(&region)) {
            return Ok(());
        }
        self.0.retain(|other| !region.contains(other));
        if self.0.len() == PATTERN_BOXES_MAX {
            return Err(TooLarge::Boxes);
        }
        self.0.push(region);
        Ok(())
    }

    fn or(mut self, other: &Self) -> Result<Self, TooLarge> {
        other
            .0
            .iter()
            .try_for_each(|region| self.push(region.clone()))?;
        Ok(self)
    }

    fn and(&self, other: &Self) -> Result<Self, TooLarge> {
        let mut both = Self::default();
        for a in &self.0 {
            other
                .0
                .iter()
                .filter_map(|b| a.meet(b))
                .try_for_each(|region| both.push(region))?;
        }
        Ok(both)
    }

    /// The pattern, if its own text can be read again.
    fn fits(mut self) -> Result<Pattern, TooLarge> {
        if self.0.first().is_some_and(Region::is_all) {
            return Ok(Pattern::ALL);
        }
        self.0.sort_unstable();
        let pattern = Pattern(Some(self.0.into()));
        match pattern.to_string().len() {
            bytes if bytes > PATTERN_TEXT_MAX => Err(TooLarge::Text { bytes }),
            _ => Ok(pattern),
        }
    }
}

impl From<&Pattern> for Boxes {
    fn from(pattern: &Pattern) -> Self {
        Self(pattern.regions().to_vec())
    }
}

impl FromStr for Pattern {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse::parse(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.boxes() == 0 {
            return f.write_str("none");
        }
        for (n, region) in self.regions().iter().enumerate() {
            write!(f, "{}{region}", if n > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({self})")
    }
}
