//! One part, as its host knows it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::channel::{Channel, Polarity};
use crate::id::Digest;
use crate::limits::{PART_CHANNELS_MAX, PART_LINKS_MAX};

/// A channel and the way in which a part touches it.
pub type Link = (Channel, Polarity);

/// What a body knows of one of its parts; the part itself is stored under its digest.
///
/// Made by whoever has read the part's code: links are its imports and exports, not its claims.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawPart")]
pub struct Part {
    digest: Digest,
    bytes: u64,
    depth: u32,
    genesis: bool,
    links: Vec<Link>,
}

impl Part {
    /// A part with its size in bytes, how many levels of bodies it has inside (0: none), and its links.
    ///
    /// # Errors
    /// [`PartError`] if it touches more channels, or has more links, than a part may.
    pub fn new(
        digest: Digest,
        bytes: u64,
        depth: u32,
        links: impl IntoIterator<Item = Link>,
    ) -> Result<Self, PartError> {
        Self::checked(digest, bytes, depth, false, links)
    }

    /// The genesis part, which gives these channels of the medium: what its grants say, no more.
    ///
    /// It counts as a part and its bytes count. Its channels count neither against the 8 nor in the
    /// complex, and it is no organ of its own: the host carries it out. A flag says so, not the links,
    /// because with no grant at all it has none, and because an ordinary part that does nothing but
    /// answer `medium/timer` is an organ.
    ///
    /// # Errors
    /// [`PartError`] if a channel is not one of the medium, or there are too many.
    pub fn genesis(
        digest: Digest,
        bytes: u64,
        gives: impl IntoIterator<Item = Channel>,
    ) -> Result<Self, PartError> {
        let links = gives.into_iter().map(|channel| (channel, Polarity::Gives));
        Self::checked(digest, bytes, 0, true, links)
    }

    fn checked(
        digest: Digest,
        bytes: u64,
        depth: u32,
        genesis: bool,
        links: impl IntoIterator<Item = Link>,
    ) -> Result<Self, PartError> {
        let mut sorted = BTreeSet::new();
        for link in links {
            sorted.insert(link);
            if sorted.len() > PART_LINKS_MAX {
                return Err(PartError::Links);
            }
        }
        if genesis {
            let foreign = |&(channel, polarity): &Link| {
                !channel.is_of_the_medium() || polarity == Polarity::Needs
            };
            if let Some((channel, _)) = sorted.iter().copied().find(foreign) {
                return Err(PartError::NotOfTheMedium { channel });
            }
            if depth > 0 {
                return Err(PartError::GenesisDepth { depth });
            }
        }
        let part = Self {
            digest,
            bytes,
            depth,
            genesis,
            links: sorted.into_iter().collect(),
        };
        match part.channels().len() {
            found if found > PART_CHANNELS_MAX => Err(PartError::Channels { found }),
            _ => Ok(part),
        }
    }

    /// What the part is.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) const fn digest_bytes(&self) -> &[u8; 32] {
        self.digest.as_bytes()
    }

    /// Its size in bytes, its own parts included.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many levels of bodies it has inside; 0 for a part that has no body.
    pub const fn depth(&self) -> u32 {
        self.depth
    }

    /// Whether it is the genesis part.
    pub const fn is_genesis(&self) -> bool {
        self.genesis
    }

    /// Everything it needs and gives, channels of the medium included; sorted.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The channels that count: those that are not of the medium, each once, sorted.
    pub fn channels(&self) -> Vec<Channel> {
        let own = self.links.iter().map(|&(channel, _)| channel);
        let mut channels: Vec<_> = own.filter(|channel| !channel.is_of_the_medium()).collect();
        channels.dedup();
        channels
    }
}

/// A part as it arrives, before its links were checked.
#[derive(Deserialize)]
struct RawPart {
    digest: Digest,
    bytes: u64,
    depth: u32,
    genesis: bool,
    links: Vec<Link>,
}

impl TryFrom<RawPart> for Part {
    type Error = PartError;

    fn try_from(raw: RawPart) -> Result<Self, PartError> {
        Self::checked(raw.digest, raw.bytes, raw.depth, raw.genesis, raw.links)
    }
}

/// Why something cannot be a part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// It touches too many channels.
    #[error("the part has {found} channels, a part has at most {PART_CHANNELS_MAX}")]
    Channels {
        /// How many it touches, those of the medium not counted.
        found: usize,
    },
    /// It has too many links.
    #[error("the part has more than {PART_LINKS_MAX} links, those to the medium counted")]
    Links,
    /// A genesis part has another channel than those of the medium that it gives.
    #[error("a genesis part only gives channels of the medium, not `{channel}`")]
    NotOfTheMedium {
        /// The channel.
        channel: Channel,
    },
    /// A genesis part claims to have a body.
    #[error("a genesis part has no body, this one claims {depth} levels")]
    GenesisDepth {
        /// How many levels.
        depth: u32,
    },
    /// A body cannot export what it does not have.
    #[error("the body has no part that {} `{channel}`", if *polarity == Polarity::Gives { "gives" } else { "needs" })]
    NotInside {
        /// The channel.
        channel: Channel,
        /// The way in which it should be touched.
        polarity: Polarity,
    },
}

impl PartError {
    /// The way out.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Channels { .. } | Self::Links => {
                Some("nest: put parts that belong together into one and export fewer channels")
            }
            Self::NotInside { .. } => Some("export only channels that a part inside has"),
            Self::NotOfTheMedium { .. } | Self::GenesisDepth { .. } => None,
        }
    }
}
