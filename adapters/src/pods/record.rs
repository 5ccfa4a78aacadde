//! Feeds of small records: a wallet's list of pods, and a pod's snapshots.
//!
//! Update `n` of a feed holds record `n`, as JSON, sealed unless the pod is public. Only who has the seal sees
//! anything of it, not even how long it is.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::keeper::{Deposit, Keeper, Placed};
use super::seal::{SEALED_BYTES_MAX, Secret};
use super::{ForkOf, PodInfo, PodsError, Snapshot};
use crate::swarm::chunk::Chunk;
use crate::swarm::feed::{Feed, Index, topic};
use crate::swarm::reference::Recorded;
use crate::swarm::sign::{Owner, Signer};
use crate::swarm::soc::Soc;
use crate::swarm::{Redundancy, Reference, SwarmError};

/// A feed of records, as a reader has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) feed: Feed,
    /// What opens its records; none if they are public.
    pub(super) seal: Option<Secret>,
}

impl Records {
    /// The latest record and its number; none if there is no record. `after` is one that is there, or the first.
    pub(super) fn latest<T: DeserializeOwned>(
        &self,
        keeper: &dyn Keeper,
        after: u64,
    ) -> Result<Option<(u64, T)>, PodsError> {
        match keeper.latest(&self.feed, Index(after)) {
            Ok(None) => Ok(None),
            Ok(Some((index, update))) => Ok(Some((index.0, self.read(&update)?))),
            Err(error) => Err(self.name_damage(keeper, after, error)),
        }
    }

    /// One record.
    pub(super) fn at<T: DeserializeOwned>(
        &self,
        keeper: &dyn Keeper,
        index: u64,
    ) -> Result<Option<T>, PodsError> {
        match self.feed.get(keeper, Index(index)) {
            Ok(None) => Ok(None),
            Ok(Some(update)) => self.read(&update).map(Some),
            Err(error) => Err(self.name_damage(keeper, index, error.into())),
        }
    }

    /// Writes record `index`.
    pub(super) fn put<T: Serialize>(
        &self,
        deposit: &dyn Deposit,
        signer: &Signer,
        index: u64,
        record: &T,
    ) -> Result<Placed, PodsError> {
        let bytes = serde_json::to_vec(record)
            .map_err(|error| PodsError::Damaged(format!("a record cannot be written: {error}")))?;
        let chunk = match &self.seal {
            Some(seal) => seal.seal(&bytes)?,
            None => Chunk::new(&bytes)?,
        };
        deposit.put_single_owner(&self.feed.update(signer, Index(index), chunk)?)
    }

    /// Stamps the records before `index`, of which the oldest are where the latest is looked for from.
    pub(super) fn stamp(
        &self,
        keeper: &dyn Keeper,
        deposit: &dyn Deposit,
        index: u64,
    ) -> Result<(), PodsError> {
        for index in 0..index {
            let address = self.feed.address(Index(index));
            if keeper.has(&address).map_err(SwarmError::from)? {
                deposit.stamp(&[address])?;
            }
        }
        Ok(())
    }

    fn read<T: DeserializeOwned>(&self, update: &Soc) -> Result<T, PodsError> {
        let bytes = match &self.seal {
            Some(seal) => seal.open(update.chunk()),
            None => Some(update.chunk().payload().to_vec()),
        };
        let damaged =
            |why: &str| PodsError::Damaged(format!("the record at {}: {why}", update.address()));
        let bytes = bytes.ok_or_else(|| damaged("it was not sealed by its owner"))?;
        serde_json::from_slice(&bytes).map_err(|error| damaged(&error.to_string()))
    }

    /// Says which update is damaged, and where it is kept.
    fn name_damage(&self, keeper: &dyn Keeper, after: u64, error: PodsError) -> PodsError {
        for index in after.. {
            let address = self.feed.address(Index(index));
            match keeper.get(&address) {
                Ok(Some(bytes)) => {
                    if let Err(why) = Soc::verify(address, bytes) {
                        let place = keeper.damaged(&address).unwrap_or_else(|| keeper.name());
                        return PodsError::Damaged(format!(
                            "the record in chunk {address} ({place}): {why}"
                        ));
                    }
                }
                Ok(None) | Err(_) => break,
            }
        }
        error
    }
}

/// A pod, as its wallet's list has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    /// What its keys follow from, 64 hexadecimal digits.
    secret: String,
    pub(super) open: bool,
    pub(super) public: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<ForkOf>,
}

impl Listed {
    pub(super) fn new(secret: &Secret, public: bool, parent: Option<ForkOf>) -> Self {
        Self {
            secret: secret.to_hex(),
            open: true,
            public,
            parent,
        }
    }

    pub(super) fn secret(&self) -> Result<Secret, PodsError> {
        Secret::from_hex(&self.secret)
            .ok_or_else(|| PodsError::Damaged("a pod's secret in the wallet's list".to_owned()))
    }

    /// The pod, as lists show it.
    pub(super) fn info(&self, name: &str, latest: Option<Snapshot>) -> Result<PodInfo, PodsError> {
        Ok(PodInfo {
            name: name.to_owned(),
            open: self.open,
            public: self.public,
            owner: self.owner()?.to_string(),
            latest,
            parent: self.parent.clone(),
        })
    }

    /// What signs the pod's snapshots.
    pub(super) fn signer(&self) -> Result<Signer, PodsError> {
        Ok(self.secret()?.derive("owner of a pod", &[]).signer()?)
    }

    /// Whose the pod's feed is.
    pub(super) fn owner(&self) -> Result<Owner, PodsError> {
        Ok(self.signer()?.owner())
    }

    /// The pod's snapshots, as whoever it is shared with has them: a public pod's are at a topic that everybody
    /// knows.
    pub(super) fn records(&self) -> Result<Records, PodsError> {
        let owner = self.owner()?;
        if self.public {
            return Ok(Records::of_public(owner));
        }
        let secret = self.secret()?;
        Ok(Records {
            feed: Feed {
                owner,
                topic: secret.derive("topic of a pod", &[]).bytes().to_vec(),
            },
            seal: Some(secret.derive("seal of a pod", &[])),
        })
    }
}

impl Records {
    /// The snapshots of a public pod.
    pub(super) fn of_public(owner: Owner) -> Self {
        Self {
            feed: Feed {
                owner,
                topic: topic(PUBLIC_TOPIC),
            },
            seal: None,
        }
    }
}

/// The topic of public pods' snapshots.
const PUBLIC_TOPIC: &str = "medium pod";

/// A snapshot, as its record has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SnapshotRecord {
    reference: String,
    redundancy: u8,
    pub(super) at: u64,
    pub(super) note: String,
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// The batch that stamped all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) batch: Option<String>,
}

impl SnapshotRecord {
    /// Longest note, in bytes: it fits a sealed record however it is escaped.
    const NOTE_BYTES_MAX: usize = 512;

    /// A record of level 0.
    ///
    /// # Errors
    /// [`PodsError::Name`] if the note is too long.
    pub(super) fn new(
        root: &Reference,
        at: u64,
        note: &str,
        files: u64,
        bytes: u64,
    ) -> Result<Self, PodsError> {
        if note.len() > Self::NOTE_BYTES_MAX {
            return Err(PodsError::Name {
                what: "a snapshot",
                text: note.chars().take(40).collect(),
                why: format!(
                    "a note has at most {} bytes, this one has {}",
                    Self::NOTE_BYTES_MAX,
                    note.len()
                ),
            });
        }
        Ok(Self {
            reference: root.to_string(),
            redundancy: Redundancy::None.level(),
            at,
            note: note.to_owned(),
            files,
            bytes,
            batch: None,
        })
    }

    /// The same, stamped by this batch.
    pub(super) fn stamped_by(mut self, batch: Option<&str>) -> Self {
        self.batch = batch.map(str::to_owned);
        self
    }

    /// What names the root, and at which level.
    pub(super) fn recorded(&self) -> Result<Recorded, PodsError> {
        let redundancy = Redundancy::from_level(self.redundancy)?;
        redundancy.supported()?;
        Ok(Recorded {
            reference: self.reference.parse()?,
            redundancy,
        })
    }

    pub(super) fn root(&self) -> Result<Reference, PodsError> {
        Ok(self.recorded()?.reference)
    }

    pub(super) fn to_snapshot(&self, index: u64) -> Snapshot {
        Snapshot {
            index,
            reference: self.reference.clone(),
            redundancy: self.redundancy,
            at: self.at,
            note: self.note.clone(),
            files: self.files,
            bytes: self.bytes,
        }
    }
}

const _: () = assert!(
    6 * SnapshotRecord::NOTE_BYTES_MAX + 512 <= SEALED_BYTES_MAX,
    "the longest record fits"
);
