//! Feeds: a series of single-owner chunks that anyone who knows owner and topic can follow.
//!
//! Update `n` of a sequence feed has the id `keccak(topic ‖ n)`, with `n` as `u64` **big-endian**. Its chunk
//! either is the root of the contents, or holds a time and a reference to them, which is the older form.
//!
//! Rule: Bee `pkg/feeds/feed.go`, `pkg/feeds/sequence`, `pkg/feeds/epochs`. FairOS-DFS has epochs of its
//! own, which are not these.

use std::fmt;

use super::chunk::Chunk;
use super::keccak::{Hash, keccak256, keccak256_of};
use super::mantaray::Entry;
use super::reference::{Address, Reference};
use super::sign::{Owner, Signer};
use super::soc::{self, Soc};
use super::store::ChunkStore;
use super::{HASH_BYTES, SwarmError};

/// Metadata of a feed's manifest: the owner, without `0x`.
pub const OWNER_KEY: &str = "swarm-feed-owner";
/// Metadata of a feed's manifest: the topic.
pub const TOPIC_KEY: &str = "swarm-feed-topic";
/// Metadata of a feed's manifest: how updates are numbered.
pub const TYPE_KEY: &str = "swarm-feed-type";
/// The only way of numbering that Bee's API writes.
pub const TYPE_SEQUENCE: &str = "Sequence";
/// The path in a feed's manifest.
pub const MANIFEST_PATH: &[u8] = b"/";
/// Length of the time that precedes a reference in the older form, in bytes.
const TIME_BYTES: usize = 8;

/// A feed: whose, and about what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Feed {
    /// Whose updates they are.
    pub owner: Owner,
    /// About what: 32 bytes, or as many as the API was given.
    pub topic: Vec<u8>,
}

/// The number of an update in a sequence feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Index(pub u64);

impl fmt::Display for Index {
    /// 16 hexadecimal digits, as the header `Swarm-Feed-Index` has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// When and how finely an update of an epoch feed is filed: 2^`level` seconds from `start`, in seconds
/// since 1970. Levels begin at 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch {
    /// When it begins.
    pub start: u64,
    /// How long it is.
    pub level: u8,
}

impl Epoch {
    /// What stands for it behind the topic: `keccak(start as u64 big-endian ‖ level)`.
    pub fn marker(self) -> Hash {
        keccak256_of(&[&self.start.to_be_bytes(), &[self.level]])
    }
}

/// What a topic's name stands for: its hash.
pub fn topic(name: &str) -> Vec<u8> {
    keccak256(name.as_bytes()).to_vec()
}

impl Feed {
    /// The id of a numbered update.
    pub fn id(&self, index: Index) -> Hash {
        keccak256_of(&[&self.topic, &index.0.to_be_bytes()])
    }

    /// The id of an update filed by time.
    pub fn epoch_id(&self, epoch: Epoch) -> Hash {
        keccak256_of(&[&self.topic, &epoch.marker()])
    }

    /// Where a numbered update is.
    pub fn address(&self, index: Index) -> Address {
        soc::address(&self.id(index), self.owner)
    }

    /// Signs a numbered update.
    ///
    /// # Errors
    /// [`SwarmError::Signature`], also if the key is another owner's.
    pub fn update(&self, signer: &Signer, index: Index, chunk: Chunk) -> Result<Soc, SwarmError> {
        if signer.owner() != self.owner {
            return Err(SwarmError::Signature {
                what: "an update of a feed",
                reason: "the key is not the owner's",
            });
        }
        Ok(Soc::sign(signer, self.id(index), chunk))
    }

    /// A numbered update, or `None` if it is not in the store.
    ///
    /// # Errors
    /// [`SwarmError`] if the store fails, or what is at the update's address is not it.
    pub fn get(&self, store: &dyn ChunkStore, index: Index) -> Result<Option<Soc>, SwarmError> {
        let address = self.address(index);
        store
            .get(&address)?
            .map(|bytes| Soc::verify(address, bytes))
            .transpose()
    }

    /// The latest update from `after` on, and its number, or `None` if `after` itself is not there.
    ///
    /// Updates are numbered without gaps. Offsets of 2^k - 1 are probed until one is missing, then again
    /// from the last one found: about log2(n)²/2 look-ups for n updates.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn latest(
        &self,
        store: &dyn ChunkStore,
        after: Index,
    ) -> Result<Option<(Index, Soc)>, SwarmError> {
        let Some(first) = self.get(store, after)? else {
            return Ok(None);
        };
        let mut latest = (after, first);
        loop {
            let base = latest.0.0;
            for k in 1..u64::BITS {
                let Some(probed) = base.checked_add((1 << k) - 1).map(Index) else {
                    break;
                };
                match self.get(store, probed)? {
                    Some(update) => latest = (probed, update),
                    None => break,
                }
            }
            if latest.0.0 == base {
                return Ok(Some(latest));
            }
        }
    }

    /// What a feed's manifest says at [`MANIFEST_PATH`].
    pub fn manifest_entry(&self) -> Entry {
        let metadata = [
            (OWNER_KEY, self.owner.to_string()),
            (TOPIC_KEY, data_encoding::HEXLOWER.encode(&self.topic)),
            (TYPE_KEY, TYPE_SEQUENCE.to_owned()),
        ];
        Entry {
            reference: Some(Reference::Plain(Address::ZERO)),
            metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
        }
    }

    /// The feed that a manifest's entry is about, or `None` if it is about none.
    ///
    /// # Errors
    /// [`SwarmError::Malformed`] if it is about one that cannot be understood.
    pub fn from_manifest_entry(entry: &Entry) -> Result<Option<Self>, SwarmError> {
        let (Some(owner), Some(topic)) =
            (entry.metadata.get(OWNER_KEY), entry.metadata.get(TOPIC_KEY))
        else {
            return Ok(None);
        };
        match entry.metadata.get(TYPE_KEY) {
            Some(kind) if kind.eq_ignore_ascii_case(TYPE_SEQUENCE) => {}
            kind => {
                let kind = kind.map_or("none", String::as_str);
                let reason = format!("its type is {kind:?}, not {TYPE_SEQUENCE:?}");
                return Err(SwarmError::malformed("a feed's manifest", reason));
            }
        }
        let topic = data_encoding::HEXLOWER_PERMISSIVE
            .decode(topic.as_bytes())
            .map_err(|error| SwarmError::malformed("a feed's topic", error.to_string()))?;
        Ok(Some(Self {
            owner: owner.parse()?,
            topic,
        }))
    }
}

/// What an update of the older form holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dated {
    /// When it was made, in seconds since 1970.
    pub at: u64,
    /// What it refers to.
    pub reference: Reference,
}

impl Dated {
    /// The chunk of an update that says this: the time as `u64` big-endian, then the reference.
    ///
    /// # Errors
    /// None in practice: 72 bytes fit a chunk.
    pub fn to_chunk(self) -> Result<Chunk, SwarmError> {
        let mut payload = self.at.to_be_bytes().to_vec();
        self.reference.write_to(&mut payload);
        Chunk::new(&payload)
    }

    /// Reads an update's chunk as one of the older form, or answers `None` if its length says that it
    /// cannot be. A newer update of 40 or 72 bytes looks the same: who reads must know which is meant.
    pub fn from_chunk(chunk: &Chunk) -> Option<Self> {
        let payload = chunk.payload();
        if chunk.span() != payload.len() as u64 {
            return None;
        }
        let (at, reference) = payload.split_first_chunk::<TIME_BYTES>()?;
        match reference.len() {
            HASH_BYTES | Reference::ENCRYPTED_BYTES => Some(Self {
                at: u64::from_be_bytes(*at),
                reference: Reference::from_bytes(reference).ok()?,
            }),
            _ => None,
        }
    }
}
