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
/// Shards of the listings: a turn copies at most one, and a pointer for each.
const SHARDS: usize = 256;

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

/// The listings, in shards by a byte of the id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Indexer {
    shards: Vec<BTreeMapShard>,
}

type Shard = BTreeMap<VcId, Listing>;

/// A shard that is copied when it is changed.
#[derive(Clone, Debug, Default)]
struct BTreeMapShard(Arc<Shard>);

impl Serialize for BTreeMapShard {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BTreeMapShard {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Shard::deserialize(deserializer).map(|shard| Self(Arc::new(shard)))
    }
}

impl Indexer {
    /// Listings kept; further ones are refused.
    pub const LISTINGS_MAX: usize = 1 << 20;

    fn list(&mut self, listing: Listing) -> Result<(), Fault> {
        let len: usize = self.shards.iter().map(|shard| shard.0.len()).sum();
        let at = usize::from(listing.id.as_bytes()[1]) % SHARDS;
        let Some(shard) = self.shards.get_mut(at) else {
            return Ok(());
        };
        if listing.shape.is_none() {
            Arc::make_mut(&mut shard.0).remove(&listing.id);
        } else if len < Self::LISTINGS_MAX || shard.0.contains_key(&listing.id) {
            Arc::make_mut(&mut shard.0).insert(listing.id, listing);
        } else {
            return Err(Fault::new(
                genesis::refusal::Code::Busy,
                format!("the index holds {len} listings and no more"),
            ));
        }
        Ok(())
    }

    /// The first listings, in the order of their ids, whose shape meets the pattern.
    fn find(&self, find: &Find) -> Result<Vec<Listing>, Fault> {
        let pattern: Pattern = find
            .pattern
            .parse()
            .map_err(|error: genesis::pattern::ParseError| Fault::malformed(error.with_caret()))?;
        let mut hits: Vec<Listing> = self
            .shards
            .iter()
            .flat_map(|shard| shard.0.values())
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
        Ok(Self {
            shards: vec![BTreeMapShard::default(); SHARDS],
        })
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
