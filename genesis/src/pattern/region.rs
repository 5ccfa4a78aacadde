//! The algebra under patterns: sets of values per axis, and boxes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use crate::channel::Channel;
use crate::extent::{Dimension, Interval};

/// Something a pattern can ask about a subject. The order is that of the canonical text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Axis {
    Number(Dimension),
    Tag(String),
    Gives(Channel),
    Needs(Channel),
}

/// What is allowed, or occupied, on one axis: a set of values, perhaps with "absent" among them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Allowed {
    pub(super) present: Values,
    pub(super) absent: bool,
}

/// A set of values. Sets of different kinds have nothing in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Values {
    /// The integers of an interval, or none.
    Range(Option<Interval>),
    /// The listed texts, or all but these.
    Texts {
        listed: BTreeSet<String>,
        all_but: bool,
    },
    /// The one value of what is either there or not.
    There(bool),
}

impl Values {
    /// The empty set of the same kind.
    pub(super) fn none(&self) -> Self {
        match self {
            Self::Range(_) => Self::Range(None),
            Self::Texts { .. } => Self::Texts {
                listed: BTreeSet::new(),
                all_but: false,
            },
            Self::There(_) => Self::There(false),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Range(interval) => interval.is_none(),
            Self::Texts { listed, all_but } => !all_but && listed.is_empty(),
            Self::There(there) => !there,
        }
    }

    fn meet(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Range(a), Self::Range(b)) => Self::Range(a.zip(*b).and_then(|(a, b)| a.meet(b))),
            (
                Self::Texts {
                    listed: a,
                    all_but: a_but,
                },
                Self::Texts {
                    listed: b,
                    all_but: b_but,
                },
            ) => {
                let listed = match (a_but, b_but) {
                    (false, false) => a & b,
                    (false, true) => a - b,
                    (true, false) => b - a,
                    (true, true) => a | b,
                };
                Self::Texts {
                    listed,
                    all_but: *a_but && *b_but,
                }
            }
            (Self::There(a), Self::There(b)) => Self::There(*a && *b),
            _ => self.none(),
        }
    }

    fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (_, none) if none.is_empty() => true,
            (Self::Range(Some(a)), Self::Range(Some(b))) => a.contains(*b),
            (
                Self::Texts {
                    listed: a,
                    all_but: a_but,
                },
                Self::Texts {
                    listed: b,
                    all_but: b_but,
                },
            ) => match (a_but, b_but) {
                (false, false) => b.is_subset(a),
                (false, true) => false,
                (true, false) => a.is_disjoint(b),
                (true, true) => a.is_subset(b),
            },
            (Self::There(a), Self::There(_)) => *a,
            _ => false,
        }
    }

    /// What is left without `other`, in at most two disjoint sets, none of them empty.
    fn minus(&self, other: &Self) -> Vec<Self> {
        let left = match (self, other) {
            (Self::Range(Some(a)), Self::Range(Some(b))) => match a.meet(*b) {
                // A side exists only where the cut lies strictly inside, so ±1 cannot overflow.
                Some(cut) => {
                    let below = (a.low < cut.low).then(|| Interval {
                        low: a.low,
                        high: cut.low - 1,
                    });
                    let above = (cut.high < a.high).then(|| Interval {
                        low: cut.high + 1,
                        high: a.high,
                    });
                    vec![Self::Range(below), Self::Range(above)]
                }
                None => vec![self.clone()],
            },
            (Self::Texts { .. }, Self::Texts { listed, all_but }) => {
                vec![self.meet(&Self::Texts {
                    listed: listed.clone(),
                    all_but: !all_but,
                })]
            }
            (Self::There(a), Self::There(b)) => vec![Self::There(*a && !b)],
            _ => vec![self.clone()],
        };
        left.into_iter()
            .filter(|values| !values.is_empty())
            .collect()
    }
}

impl Allowed {
    /// Everything there can be on an axis.
    pub(super) fn all(axis: &Axis) -> Self {
        match axis {
            Axis::Number(dimension) => Self {
                present: Values::Range(Some(dimension.bounds())),
                absent: !dimension.is_dense(),
            },
            Axis::Tag(_) => {
                let present = Values::Texts {
                    listed: BTreeSet::new(),
                    all_but: true,
                };
                Self {
                    present,
                    absent: true,
                }
            }
            Axis::Gives(_) | Axis::Needs(_) => Self {
                present: Values::There(true),
                absent: true,
            },
        }
    }

    fn is_empty(&self) -> bool {
        !self.absent && self.present.is_empty()
    }

    fn meet(&self, other: &Self) -> Self {
        let present = self.present.meet(&other.present);
        Self {
            present,
            absent: self.absent && other.absent,
        }
    }

    /// Whether the two have anything in common.
    pub(super) fn meets(&self, other: &Self) -> bool {
        !self.meet(other).is_empty()
    }

    /// Whether all of `other` is among these.
    pub(super) fn contains(&self, other: &Self) -> bool {
        (self.absent || !other.absent) && self.present.contains(&other.present)
    }

    /// What is left without `other`, in at most two disjoint sets, none of them empty.
    pub(super) fn minus(&self, other: &Self) -> Vec<Self> {
        let absent = self.absent && !other.absent;
        let mut pieces: Vec<Self> = self
            .present
            .minus(&other.present)
            .into_iter()
            .map(|present| Self {
                present,
                absent: false,
            })
            .collect();
        match pieces.first_mut() {
            Some(first) => first.absent = absent,
            None if absent => pieces.push(Self {
                present: self.present.none(),
                absent,
            }),
            None => {}
        }
        pieces
    }
}

/// A box: the product of what it allows per axis; an axis it does not mention is free.
///
/// Never empty, and no axis is mentioned that is free, so equal boxes are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Region(BTreeMap<Axis, Allowed>);

impl Region {
    /// The whole space.
    pub(super) const ALL: Self = Self(BTreeMap::new());

    /// The box with one constraint; `None` if that leaves nothing.
    pub(super) fn only(axis: Axis, allowed: &Allowed) -> Option<Self> {
        let all = Allowed::all(&axis);
        let allowed = allowed.meet(&all);
        if allowed.is_empty() {
            return None;
        }
        let mut region = Self::default();
        if allowed != all {
            region.0.insert(axis, allowed);
        }
        Some(region)
    }

    /// The constraints, in the order of their axes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Axis, &Allowed)> {
        self.0.iter()
    }

    /// Whether it is the whole space.
    pub(super) fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of `other` lies inside. Cost: the constraints of this box.
    pub(super) fn contains(&self, other: &Self) -> bool {
        self.0.iter().all(|(axis, mine)| match other.0.get(axis) {
            Some(theirs) => mine.contains(theirs),
            None => mine.contains(&Allowed::all(axis)),
        })
    }

    /// Whether the two have anything in common.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0
            .iter()
            .all(|(axis, mine)| other.0.get(axis).is_none_or(|theirs| mine.meets(theirs)))
    }

    /// What the two have in common; `None` if nothing.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let mut both = self.clone();
        for (axis, theirs) in &other.0 {
            let met = self
                .0
                .get(axis)
                .map_or_else(|| theirs.clone(), |mine| mine.meet(theirs));
            if met.is_empty() {
                return None;
            }
            both.0.insert(axis.clone(), met);
        }
        Some(both)
    }

    /// What is left of this box without `cut`: disjoint boxes, at most two per axis of `cut`.
    pub(super) fn minus(&self, cut: &Self) -> Vec<Self> {
        let mut pieces = Vec::new();
        let mut rest = self.clone();
        for (axis, theirs) in &cut.0 {
            let all = Allowed::all(axis);
            let mine = rest.0.get(axis).unwrap_or(&all).clone();
            for side in mine.minus(theirs) {
                let mut piece = rest.clone();
                piece.0.insert(axis.clone(), side);
                pieces.push(piece);
            }
            let inner = mine.meet(theirs);
            if inner.is_empty() {
                return pieces;
            }
            rest.0.insert(axis.clone(), inner);
        }
        pieces
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("all");
        }
        for (n, (axis, allowed)) in self.0.iter().enumerate() {
            write!(
                f,
                "{}{}",
                if n > 0 { " & " } else { "" },
                Constraint(axis, allowed)
            )?;
        }
        Ok(())
    }
}

/// One constraint as text: `{}` as in a pattern, `{:#}` for a person, with spaces and plain numbers.
pub(super) struct Constraint<'a>(pub(super) &'a Axis, pub(super) &'a Allowed);

impl fmt::Display for Constraint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(axis, allowed) = *self;
        let maybe = if allowed.absent { "?" } else { "" };
        let space = if f.alternate() { " " } else { "" };
        match (axis, &allowed.present) {
            (Axis::Number(dimension), Values::Range(interval)) => {
                let name = format!("{dimension}{maybe}{space}");
                // Nothing but absence is allowed: no integer is both.
                let Some(Interval { low, high }) = *interval else {
                    return write!(f, "{name}<{space}0 & {name}>{space}0");
                };
                let number = |at: i64| {
                    let plain = f.alternate() || *dimension != Dimension::Bytes;
                    if plain { at.to_string() } else { with_unit(at) }
                };
                let bounds = dimension.bounds();
                if low == high {
                    write!(f, "{name}={space}{}", number(low))
                } else if high == bounds.high {
                    write!(f, "{name}>={space}{}", number(low))
                } else if low == bounds.low {
                    write!(f, "{name}<{space}{}", number(high + 1))
                } else {
                    let name = name.trim_end();
                    write!(f, "{name} in {}..{}", number(low), number(high))
                }
            }
            (Axis::Tag(key), Values::Texts { listed, all_but }) => {
                write!(
                    f,
                    "{key}{maybe} {}in {{",
                    if *all_but { "not " } else { "" }
                )?;
                for (n, value) in listed.iter().enumerate() {
                    write!(f, "{}{}", if n > 0 { ", " } else { "" }, Quoted(value))?;
                }
                f.write_char('}')
            }
            (Axis::Gives(channel), _) => write!(f, "gives({channel})"),
            (Axis::Needs(channel), _) => write!(f, "needs({channel})"),
            (Axis::Number(_) | Axis::Tag(_), _) => f.write_str("none"),
        }
    }
}

/// A size with the largest binary unit that loses nothing.
fn with_unit(bytes: i64) -> String {
    const UNITS: [(&str, i64); 4] = [
        ("TiB", 1 << 40),
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
    ];
    match UNITS
        .into_iter()
        .find(|(_, size)| bytes != 0 && bytes % size == 0)
    {
        Some((unit, size)) => format!("{}{unit}", bytes / size),
        None => bytes.to_string(),
    }
}

/// Whether a character may stand in a tag's value that has no quotes.
pub(super) fn is_bare(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_.+/".contains(&b)
}

/// A tag's value, in quotes if it needs them.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && self.0.bytes().all(is_bare) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}
