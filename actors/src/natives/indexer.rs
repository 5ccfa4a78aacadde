//! The indexer: keeps listings by shape and answers `find`.

use std::collections::BTreeMap;
use std::sync::Arc;

use genesis::channel::{Channel, Polarity};
use genesis::extent::{Dimension, Extent, Interval};
use genesis::id::VcId;
use genesis::message::Kind;
use genesis::pattern::{Mode, Pattern, Profile};
use genesis::wire;
use serde::{Deserialize, Serialize};

use crate::behaviour::{Behaviour, Fault};
use crate::effects::Effects;
use crate::letter::Letter;

const SEND: Channel = Channel::known("medium/send");
/// The version byte of listings and answers.
pub(crate) const VERSION: u8 = 1;
/// Branches of the listings, and leaves of each branch.
const FAN: usize = 64;

/// What a VC tells the indexer of itself; nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Who.
    pub id: VcId,
    /// What it is called.
    pub name: Option<String>,
    /// Its coordinates, by dimension; none takes the listing back.
    pub shape: Option<BTreeMap<String, i64>>,
    /// Its links.
    pub links: Vec<(Channel, Polarity)>,
}

/// A question to the indexer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Find {
    pub(crate) pattern: String,
    pub(crate) limit: u32,
}

/// The listings, in shards by two bytes of the id.
///
/// The host keeps a clone of a behaviour over each turn, so whatever a turn changes is copied. A turn
/// that changes a listing copies 64 pointers twice and one leaf of pointers; all the rest is shared
/// with the clone. The cost of a turn so hardly grows with the number of listings.
#[derive(Clone, Debug)]
pub struct Indexer {
    root: Arc<Vec<Branch>>,
    len: usize,
}

type Branch = Arc<Vec<Leaf>>;
type Leaf = Arc<BTreeMap<VcId, Arc<Listing>>>;

impl Serialize for Indexer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let listings: Vec<&Listing> = self.listings().collect();
        listings.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Indexer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut indexer = Self::default();
        for listing in Vec::<Listing>::deserialize(deserializer)? {
            indexer.list(listing).map_err(serde::de::Error::custom)?;
        }
        Ok(indexer)
    }
}

impl Default for Indexer {
    /// No listings: all branches are one and the same empty branch until a listing is put there.
    fn default() -> Self {
        let branch: Branch = Arc::new(std::iter::repeat_n(Leaf::default(), FAN).collect());
        Self {
            root: Arc::new(std::iter::repeat_n(branch, FAN).collect()),
            len: 0,
        }
    }
}

impl Indexer {
    /// Listings kept; further ones are refused.
    pub const LISTINGS_MAX: usize = 1 << 20;

    fn listings(&self) -> impl Iterator<Item = &Listing> {
        let leaves = self.root.iter().flat_map(|branch| branch.iter());
        leaves.flat_map(|leaf| leaf.values()).map(Arc::as_ref)
    }

    /// The leaf of an id, copied if the clone of the turn still holds it.
    fn leaf_mut(&mut self, id: VcId) -> Option<&mut BTreeMap<VcId, Arc<Listing>>> {
        let [_, branch, leaf, ..] = *id.as_bytes();
        let branch = Arc::make_mut(&mut self.root).get_mut(usize::from(branch) % FAN)?;
        let leaf = Arc::make_mut(branch).get_mut(usize::from(leaf) % FAN)?;
        Some(Arc::make_mut(leaf))
    }

    fn list(&mut self, listing: Listing) -> Result<(), Fault> {
        let len = self.len;
        let Some(leaf) = self.leaf_mut(listing.id) else {
            return Ok(());
        };
        let before = leaf.len();
        if listing.shape.is_none() {
            leaf.remove(&listing.id);
        } else if len < Self::LISTINGS_MAX || leaf.contains_key(&listing.id) {
            leaf.insert(listing.id, Arc::new(listing));
        } else {
            return Err(Fault::new(
                genesis::refusal::Code::Busy,
                format!("the index holds {len} listings and no more"),
            ));
        }
        self.len = len - before + leaf.len();
        Ok(())
    }

    /// The first listings, in the order of their ids, whose shape meets the pattern.
    fn find(&self, find: &Find) -> Result<Vec<Listing>, Fault> {
        let pattern: Pattern = find
            .pattern
            .parse()
            .map_err(|error: genesis::pattern::ParseError| Fault::malformed(error.with_caret()))?;
        let mut hits: Vec<Listing> = self
            .listings()
            .filter(|listing| meets(&pattern, listing))
            .cloned()
            .collect();
        hits.sort_by_key(|listing| listing.id);
        hits.truncate(find.limit as usize);
        Ok(hits)
    }
}

fn meets(pattern: &Pattern, listing: &Listing) -> bool {
    let mut extent = Extent::default();
    for (name, &at) in listing.shape.iter().flatten() {
        if let Ok(dimension) = name.parse::<Dimension>() {
            extent.0.insert(dimension, Interval::point(at));
        }
    }
    let mut tags = BTreeMap::new();
    if let Some(name) = &listing.name {
        tags.insert("name", name.as_str());
    }
    pattern.matches(
        &Profile {
            extent: &extent,
            links: &listing.links,
            tags,
        },
        Mode::Within,
    )
}

impl Behaviour for Indexer {
    const NAME: &'static str = "indexer";
    const GIVES: &'static [Channel] = &[Channel::MAIN, Channel::LISTING];
    const NEEDS: &'static [Channel] = &[SEND];

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self::default())
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let malformed = |error: wire::DecodeError| Fault::malformed(error.to_string());
        match letter.kind {
            Kind::Notice if letter.channel == Channel::LISTING => {
                self.list(wire::decode(VERSION, &letter.contents).map_err(malformed)?)
            }
            Kind::Tell => {
                let Ok(find) = wire::decode::<Find>(VERSION, &letter.contents) else {
                    // A person may ask in plain words: the text is the pattern, the answer names ids.
                    let pattern = letter.contents.as_text().unwrap_or_default().to_owned();
                    let hits = self.find(&Find {
                        pattern,
                        limit: 100,
                    })?;
                    let ids: Vec<String> = hits.iter().map(|hit| hit.id.to_string()).collect();
                    return effects.reply(ids.join("\n")).map(drop);
                };
                let hits = self.find(&find)?;
                let mut answer = wire::encode(VERSION, &hits)
                    .map_err(|error| Fault::malformed(error.to_string()))?;
                let mut few = hits.len();
                while answer.len() > genesis::limits::CONTENTS_INLINE_MAX {
                    few /= 2;
                    answer = wire::encode(VERSION, &hits.get(..few).unwrap_or_default())
                        .map_err(|error| Fault::malformed(error.to_string()))?;
                }
                effects.reply(answer).map(drop)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_are_counted_found_and_taken_back() {
        let listing = |n: u8, shape: bool| Listing {
            id: VcId::root(&[1; 32], u64::from(n)),
            name: Some(n.to_string()),
            shape: shape.then(BTreeMap::new),
            links: Vec::new(),
        };
        let mut indexer = Indexer::default();
        let empty = indexer.clone();
        for n in (0..200).chain(0..200) {
            indexer.list(listing(n, true)).unwrap();
        }
        assert_eq!((indexer.len, indexer.listings().count()), (200, 200));
        let full = indexer.clone();
        for n in 0..150 {
            indexer.list(listing(n, false)).unwrap();
        }
        assert_eq!((indexer.len, indexer.listings().count()), (50, 50));
        // What was cloned before a turn is not changed by it.
        assert_eq!(
            (empty.listings().count(), full.listings().count()),
            (0, 200)
        );
    }
}
