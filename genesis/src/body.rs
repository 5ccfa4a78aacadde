//! What a VC is made of: a multiset of parts, wired by their channels.
//!
//! Parts occur under *occurrence ids*, never under their digest: with a set keyed by digest,
//! taking `a` into `{a}` and out again would leave nothing (theory §6, law 3). Shape, wiring and
//! digest are functions of the multiset alone, so the order in which parts came cannot be seen.
//! Body and wiring are Milner's place graph and link graph (theory §1: bigraphs); `internalize`,
//! `strip` and `upgrade` are the reaction rules of theory §7.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::channel::{Channel, Polarity};
use crate::id::{Digest, domain};
use crate::limits::{BODY_CHANNELS_MAX, DEPTH_MAX, PARTS_MAX};
use crate::shape::{Complex, Dense, Shape};

mod part;
#[cfg(test)]
mod tests;

pub use part::{Link, Part, PartError};

/// The number under which a part occurs in a body; never given twice in the life of a body.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct OccurrenceId(pub u64);

impl fmt::Display for OccurrenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who may answer on a channel; the least is the active giver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Giver {
    /// The genesis part comes first, so that no part can answer in the medium's place.
    ordinary: bool,
    digest: Digest,
    occurrence: OccurrenceId,
}

/// What the parts of a body have to do with one channel.
#[derive(Clone, Debug, Default)]
struct Wire {
    needs: u32,
    givers: BTreeSet<Giver>,
}

/// The multiset of a VC's parts.
///
/// Wiring and shape are kept up to date part by part: internalizing costs at most 255 faces and
/// stripping at most a rebuild of one component, however many parts there are.
#[derive(Clone, Debug, Default)]
pub struct Body {
    parts: BTreeMap<OccurrenceId, Part>,
    next: OccurrenceId,
    // What follows is a function of `parts`.
    wires: BTreeMap<Channel, Wire>,
    complex: Complex,
    bytes: u128,
    depths: BTreeMap<u32, u32>,
    isolated: usize,
    hunger: usize,
}

impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.next == other.next && self.parts == other.parts
    }
}

impl Eq for Body {}

impl Body {
    /// A body without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a part in and says under which occurrence.
    ///
    /// # Errors
    /// [`BodyError`] if the body would have more parts, channels or levels than a body may; it is then
    /// as before.
    pub fn internalize(&mut self, part: Part) -> Result<OccurrenceId, BodyError> {
        let occurrence = self.next;
        let next = occurrence.0.checked_add(1).ok_or(BodyError::Occurrences)?;
        self.admits(&part)?;
        self.next = OccurrenceId(next);
        self.insert(occurrence, part);
        Ok(occurrence)
    }

    /// Takes a part out.
    ///
    /// # Errors
    /// [`BodyError::NoSuchOccurrence`].
    pub fn strip(&mut self, occurrence: OccurrenceId) -> Result<Part, BodyError> {
        let part = self
            .parts
            .remove(&occurrence)
            .ok_or(BodyError::NoSuchOccurrence { occurrence })?;
        self.unwire(occurrence, &part);
        Ok(part)
    }

    /// Puts `part` in the place of another, under the same occurrence, and hands back the old one.
    ///
    /// Rule: `p` is replaced by `p′` iff ch(p) ⊆ ch(p′) or the owner forces (theory §7). Links are
    /// compared with their direction: what was given must still be given.
    ///
    /// # Errors
    /// [`BodyError`] if there is no such occurrence, the new part lacks links of the old one and
    /// `force` is not set, or the body would grow beyond a bound; it is then as before.
    pub fn upgrade(
        &mut self,
        occurrence: OccurrenceId,
        part: Part,
        force: bool,
    ) -> Result<Part, BodyError> {
        let old = self
            .get(occurrence)
            .ok_or(BodyError::NoSuchOccurrence { occurrence })?;
        let lost = |link: &&Link| part.links().binary_search(link).is_err();
        let missing: Vec<Link> = old.links().iter().filter(lost).copied().collect();
        if !missing.is_empty() && !force {
            return Err(BodyError::Narrower {
                occurrence,
                missing,
            });
        }
        let old = self.strip(occurrence)?;
        match self.admits(&part) {
            Ok(()) => {
                self.insert(occurrence, part);
                Ok(old)
            }
            Err(error) => {
                self.insert(occurrence, old);
                Err(error)
            }
        }
    }

    /// The part that occurs under a number.
    pub fn get(&self, occurrence: OccurrenceId) -> Option<&Part> {
        self.parts.get(&occurrence)
    }

    /// All parts, by occurrence.
    pub fn iter(&self) -> impl Iterator<Item = (OccurrenceId, &Part)> {
        self.parts
            .iter()
            .map(|(&occurrence, part)| (occurrence, part))
    }

    /// How many parts there are.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Who answers on a channel: of all that give it the lowest by (digest, occurrence).
    ///
    /// On a channel of the medium the genesis part comes before all others.
    pub fn giver(&self, channel: &Channel) -> Option<OccurrenceId> {
        self.givers(channel).next()
    }

    /// Who else gives a channel and would answer if those before were stripped, in that order.
    pub fn spares(&self, channel: &Channel) -> impl Iterator<Item = OccurrenceId> {
        self.givers(channel).skip(1)
    }

    fn givers(&self, channel: &Channel) -> impl Iterator<Item = OccurrenceId> {
        self.wires
            .get(channel)
            .into_iter()
            .flat_map(|w| w.givers.iter().map(|g| g.occurrence))
    }

    /// The unmet needs: channels that a part needs and none gives, sorted; not those of the medium.
    pub fn hunger(&self) -> Vec<Channel> {
        let unmet = |(channel, wire): &(&Channel, &Wire)| is_hungry(channel, wire);
        self.wires
            .iter()
            .filter(unmet)
            .map(|(&channel, _)| channel)
            .collect()
    }

    /// The channels of the medium that a part needs and the genesis part does not give, sorted.
    pub fn denied(&self) -> Vec<Channel> {
        let denied = |(channel, wire): &(&Channel, &Wire)| {
            channel.is_of_the_medium()
                && wire.needs > 0
                && wire.givers.first().is_none_or(|giver| giver.ordinary)
        };
        self.wires
            .iter()
            .filter(denied)
            .map(|(&channel, _)| channel)
            .collect()
    }

    /// Every channel of the body, those of the medium included, sorted.
    pub fn channels(&self) -> impl Iterator<Item = Channel> {
        self.wires.keys().copied()
    }

    /// The digest of the body: of the sorted multiset of its parts' digests, and of nothing else.
    ///
    /// Cost: sorts the parts and hashes 40 bytes for each.
    pub fn digest(&self) -> Digest {
        let mut digests: Vec<&[u8]> = self
            .parts
            .values()
            .map(|part| part.digest_bytes().as_slice())
            .collect();
        digests.sort_unstable();
        Digest::of_fields(domain::BODY, &digests)
    }

    /// The shape, without named dimensions: those come from reports. Cost: constant.
    pub fn shape(&self) -> Shape {
        let isolated = i64::try_from(self.isolated).unwrap_or(i64::MAX);
        Shape::new(Dense {
            bytes: self.bytes,
            parts: self.parts.len(),
            depth: self.depths.last_key_value().map_or(0, |(&depth, _)| depth),
            channels: self.complex.channels(),
            hunger: self.hunger,
            euler: self.complex.euler() + isolated,
            organs: self.complex.components() as usize + self.isolated,
        })
    }

    /// The face table: sets of channels that some part touches all of, and how many parts do; sorted.
    ///
    /// The picture behind χ and the organs. Cost: one allocation per face.
    pub fn faces(&self) -> Vec<(Vec<Channel>, u32)> {
        self.complex.faces()
    }

    /// This body as a part of another, which will see of it only these links, its size and its depth.
    ///
    /// # Errors
    /// [`PartError`] if a link is not one of a part in here, or there are too many.
    pub fn as_part(
        &self,
        digest: Digest,
        exports: impl IntoIterator<Item = Link>,
    ) -> Result<Part, PartError> {
        let bytes = u64::try_from(self.bytes).unwrap_or(u64::MAX);
        let levels = self
            .depths
            .last_key_value()
            .map_or(0, |(depth, _)| depth.saturating_add(1));
        let part = Part::new(digest, bytes, levels, exports)?;
        let inside = |&&(channel, polarity): &&Link| match polarity {
            Polarity::Gives => self.giver(&channel).is_some(),
            Polarity::Needs => self.wires.get(&channel).is_some_and(|wire| wire.needs > 0),
        };
        match part.links().iter().find(|link| !inside(link)) {
            Some(&(channel, polarity)) => Err(PartError::NotInside { channel, polarity }),
            None => Ok(part),
        }
    }

    /// Whether the body stays within its bounds with one part more.
    fn admits(&self, part: &Part) -> Result<(), BodyError> {
        if self.parts.len() >= PARTS_MAX {
            return Err(BodyError::Parts);
        }
        // One level less than DEPTH_MAX is left for those inside: every one of them has an address.
        if part.depth() as usize >= DEPTH_MAX {
            return Err(BodyError::Depth {
                levels: u64::from(part.depth()) + 1,
            });
        }
        let new = part
            .channels()
            .iter()
            .filter(|channel| !self.complex.has(channel))
            .count();
        let have = self.complex.channels();
        if have + new > BODY_CHANNELS_MAX {
            return Err(BodyError::Channels { have, new });
        }
        Ok(())
    }

    /// Enters a part into all tables; [`Self::admits`] has allowed it.
    fn insert(&mut self, occurrence: OccurrenceId, part: Part) {
        self.rewire(occurrence, &part, |wire, polarity, giver| match polarity {
            Polarity::Needs => wire.needs += 1,
            Polarity::Gives => {
                wire.givers.insert(giver);
            }
        });
        self.bytes += u128::from(part.bytes());
        *self.depths.entry(part.depth()).or_insert(0) += 1;
        let channels = part.channels();
        self.isolated += usize::from(is_isolated(&part, &channels));
        self.complex.add(&channels);
        self.parts.insert(occurrence, part);
    }

    /// Takes a part, already removed from `parts`, out of all tables.
    fn unwire(&mut self, occurrence: OccurrenceId, part: &Part) {
        self.rewire(occurrence, part, |wire, polarity, giver| match polarity {
            Polarity::Needs => wire.needs -= 1,
            Polarity::Gives => {
                wire.givers.remove(&giver);
            }
        });
        self.bytes -= u128::from(part.bytes());
        if let Some(count) = self.depths.get_mut(&part.depth()) {
            *count -= 1;
            if *count == 0 {
                self.depths.remove(&part.depth());
            }
        }
        let channels = part.channels();
        self.isolated -= usize::from(is_isolated(part, &channels));
        self.complex.remove(&channels);
    }

    /// Changes the wire of each link of a part, and with it the number of hungry channels.
    fn rewire(
        &mut self,
        occurrence: OccurrenceId,
        part: &Part,
        change: impl Fn(&mut Wire, Polarity, Giver),
    ) {
        let giver = Giver {
            ordinary: !part.is_genesis(),
            digest: part.digest(),
            occurrence,
        };
        for &(channel, polarity) in part.links() {
            let wire = self.wires.entry(channel).or_default();
            self.hunger -= usize::from(is_hungry(&channel, wire));
            change(wire, polarity, giver);
            self.hunger += usize::from(is_hungry(&channel, wire));
            if wire.needs == 0 && wire.givers.is_empty() {
                self.wires.remove(&channel);
            }
        }
    }
}

fn is_hungry(channel: &Channel, wire: &Wire) -> bool {
    wire.needs > 0 && wire.givers.is_empty() && !channel.is_of_the_medium()
}

/// A part that touches no channel is an organ of its own, unless it is the host's.
fn is_isolated(part: &Part, channels: &[Channel]) -> bool {
    channels.is_empty() && !part.is_genesis()
}

/// The form in which a body leaves: without the tables.
#[derive(Serialize)]
struct BodyOut<'a> {
    next: OccurrenceId,
    parts: Vec<(OccurrenceId, &'a Part)>,
}

/// The form in which a body arrives.
#[derive(Deserialize)]
struct BodyIn {
    next: OccurrenceId,
    parts: Vec<(OccurrenceId, Part)>,
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        BodyOut {
            next: self.next,
            parts: self.iter().collect(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Body {
    /// Rebuilds the tables and refuses what no sequence of edits could have made.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = BodyIn::deserialize(deserializer)?;
        let mut body = Self {
            next: raw.next,
            ..Self::default()
        };
        for (occurrence, part) in raw.parts {
            let last = body.parts.last_key_value().map(|(&last, _)| last);
            if occurrence >= raw.next || last.is_some_and(|last| occurrence <= last) {
                return Err(serde::de::Error::custom(BodyError::Order { occurrence }));
            }
            body.admits(&part).map_err(serde::de::Error::custom)?;
            body.insert(occurrence, part);
        }
        Ok(body)
    }
}

/// Why a body does not change as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// There is no room for another part.
    #[error("the body has {PARTS_MAX} parts, it can hold no more")]
    Parts,
    /// There is no room for the part's channels.
    #[error(
        "the body has {have} channels and the part brings {new} more, at most {BODY_CHANNELS_MAX} are allowed"
    )]
    Channels {
        /// How many the body has.
        have: usize,
        /// How many it would get.
        new: usize,
    },
    /// Bodies would nest too deep.
    #[error("bodies would nest {levels} deep, at most {DEPTH_MAX} are allowed")]
    Depth {
        /// How deep.
        levels: u64,
    },
    /// No part occurs under this number.
    #[error("the body has no occurrence {occurrence}")]
    NoSuchOccurrence {
        /// The number.
        occurrence: OccurrenceId,
    },
    /// The new part lacks links of the one it should replace.
    #[error(
        "the new part does not do all that occurrence {occurrence} does: {}",
        list(missing)
    )]
    Narrower {
        /// Which part was to be replaced.
        occurrence: OccurrenceId,
        /// What would be lost.
        missing: Vec<Link>,
    },
    /// All occurrence ids were given.
    #[error("the body has used up its occurrence ids")]
    Occurrences,
    /// A stored body has an occurrence out of order, twice, or not yet given.
    #[error("occurrence {occurrence} is out of order or was never given")]
    Order {
        /// Which one.
        occurrence: OccurrenceId,
    },
}

impl BodyError {
    /// The way out.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Parts | Self::Channels { .. } => {
                Some("nest: put parts that belong together into one")
            }
            Self::Depth { .. } => Some("strip the inner part and internalize it here"),
            Self::NoSuchOccurrence { .. } => Some("`medium show` lists the occurrences of a VC"),
            Self::Narrower { .. } => {
                Some("the owner can force it; what relied on these goes hungry")
            }
            Self::Occurrences | Self::Order { .. } => None,
        }
    }
}

/// What an error says of links: `gives text/eval, needs mem/read`.
fn list(links: &[Link]) -> String {
    let word = |&(channel, polarity): &Link| match polarity {
        Polarity::Gives => format!("gives {channel}"),
        Polarity::Needs => format!("needs {channel}"),
    };
    links.iter().map(word).collect::<Vec<_>>().join(", ")
}
