//! Sharing, and forking what was shared.
//!
//! What a reference key opens is a sealed single-owner chunk: its place, its owner and its seal follow from the key. A
//! pod is shared live: the chunk says where its snapshots are and what opens them, and not what signs them. A file or a
//! directory is shared as it is, by a manifest of its own that names nothing else of the pod.

use serde::{Deserialize, Serialize};

use super::source::{Resolved, Shape};
use super::{At, Drives, explain_put};
use crate::pods::keeper::{Deposit, Keeper, Placed};
use crate::pods::record::{Records, SnapshotRecord};
use crate::pods::seal::Secret;
use crate::pods::tree::{self, Change, Tree};
use crate::pods::{EntryKind, ForkOf, PodInfo, PodName, PodPath, PodsError, Source, reach};
use crate::swarm::feed::Feed;
use crate::swarm::soc::{self, Soc};
use crate::swarm::{Address, Redundancy, Reference, SwarmError};

/// How many chunks are stamped at a time.
const STAMPED_AT_A_TIME: usize = 4_096;

/// What a reference key opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(super) enum Share {
    /// A pod and its later snapshots.
    Pod {
        name: String,
        owner: String,
        topic: String,
        /// What opens its records; none if they are public.
        seal: Option<String>,
    },
    /// One state of a directory.
    Directory {
        name: String,
        root: String,
        redundancy: u8,
    },
    /// One state of a file: a manifest with nothing else in it.
    File {
        name: String,
        root: String,
        redundancy: u8,
    },
}

/// Where a key's share is, whose it is, and what seals it.
fn place(key: &Secret) -> Result<(crate::swarm::sign::Signer, [u8; 32], Secret), PodsError> {
    let signer = key.derive("owner of a share", &[]).signer()?;
    let id = *key.derive("id of a share", &[]).bytes();
    Ok((signer, id, key.derive("seal of a share", &[])))
}

/// What was shared under a key, if anything was.
pub(super) fn open(keeper: &dyn Keeper, key: &Secret) -> Result<Option<Share>, PodsError> {
    let (signer, id, seal) = place(key)?;
    let address = soc::address(&id, signer.owner());
    let Some(bytes) = keeper.get(&address).map_err(SwarmError::from)? else {
        return Ok(None);
    };
    let damaged = |why: String| {
        let place = keeper.damaged(&address).unwrap_or_else(|| keeper.name());
        PodsError::Damaged(format!("what was shared, chunk {address} ({place}): {why}"))
    };
    let chunk = Soc::verify(address, bytes).map_err(|error| damaged(error.to_string()))?;
    let json = seal
        .open(chunk.chunk())
        .ok_or_else(|| damaged("it was not sealed with this key".to_owned()))?;
    serde_json::from_slice(&json)
        .map(Some)
        .map_err(|error| damaged(error.to_string()))
}

/// What names a root, if it is of a level that is supported.
fn supported(root: &str, redundancy: u8) -> Result<Reference, PodsError> {
    Redundancy::from_level(redundancy)?.supported()?;
    Ok(root.parse()?)
}

impl Share {
    /// Puts it where its key finds it.
    pub(super) fn put(&self, deposit: &dyn Deposit, key: &Secret) -> Result<(), PodsError> {
        let (signer, id, seal) = place(key)?;
        let json = serde_json::to_vec(self)
            .map_err(|error| PodsError::Damaged(format!("a share cannot be written: {error}")))?;
        let chunk = Soc::sign(&signer, id, seal.seal(&json)?);
        match deposit.put_single_owner(&chunk)? {
            Placed::Kept => Ok(()),
            Placed::Taken => Err(PodsError::Damaged(format!(
                "something else was shared in chunk {}",
                chunk.address()
            ))),
        }
    }

    /// What it leads to now.
    pub(super) fn resolve(self, drives: &Drives, from: &str) -> Result<Resolved, PodsError> {
        let damaged =
            |what: &str| PodsError::Damaged(format!("what was shared under {from}: {what}"));
        match self {
            Self::Pod {
                name,
                owner,
                topic,
                seal,
            } => {
                let records = Records {
                    feed: Feed {
                        owner: owner.parse()?,
                        topic: data_encoding::HEXLOWER_PERMISSIVE
                            .decode(topic.as_bytes())
                            .map_err(|_| damaged("its topic is not hexadecimal"))?,
                    },
                    seal: seal
                        .map(|seal| Secret::from_hex(&seal).ok_or_else(|| damaged("its seal")))
                        .transpose()?,
                };
                let latest: Option<(u64, SnapshotRecord)> = drives.latest(&records)?;
                let (_, record) = latest.ok_or_else(|| PodsError::Reference {
                    text: from.to_owned(),
                    why: format!("the pod `{name}` that it shares is not here"),
                })?;
                Ok(Resolved {
                    from: from.to_owned(),
                    name,
                    root: record.root()?,
                    shape: Shape::Directory,
                    live: true,
                    owner: Some(owner),
                    records: Some(records),
                })
            }
            Self::Directory {
                name,
                root,
                redundancy,
            } => Ok(Resolved {
                from: from.to_owned(),
                name,
                root: supported(&root, redundancy)?,
                shape: Shape::Directory,
                live: false,
                owner: None,
                records: None,
            }),
            Self::File {
                name,
                root,
                redundancy,
            } => Ok(Resolved {
                from: from.to_owned(),
                root: supported(&root, redundancy)?,
                shape: Shape::File(tree::checked(name.as_bytes())?),
                name,
                live: false,
                owner: None,
                records: None,
            }),
        }
    }
}

impl Drives {
    /// Shares a pod, or what is at a path of it.
    pub(super) fn share_path(&self, pod: &PodName, path: &PodPath) -> Result<String, PodsError> {
        let listed = self.opened(pod)?;
        if path.is_root() {
            let Records { feed, seal } = listed.records()?;
            let share = Share::Pod {
                name: pod.to_string(),
                owner: feed.owner.to_string(),
                topic: data_encoding::HEXLOWER.encode(&feed.topic),
                seal: seal.map(|seal| seal.to_hex()),
            };
            let key = listed.secret()?.derive("share of a pod", &[]);
            let deposit = self.deposit()?;
            share.put(&*deposit, &key)?;
            deposit.finish()?;
            return Ok(key.to_hex());
        }
        let resolved = self.resolve(&Source::pod(pod))?;
        let name = path.name().to_owned();
        let (_, found) = resolved.at(self, path)?;
        let mut part = Tree::empty();
        match &found {
            At::File(named) => {
                let alone = PodPath::root().join(&name)?;
                part.apply(self.chunks(), &alone, &Change::File(named.clone()))?;
            }
            _ => {
                for (at, change) in resolved.tree(self)?.below(self.chunks(), path)? {
                    if at != *path {
                        let at = at.as_str()[path.as_str().len()..].parse()?;
                        part.apply(self.chunks(), &at, &change)?;
                    }
                }
            }
        }
        let deposit = self.deposit()?;
        let keys = self.keys(listed.public);
        let root = part
            .save(&*deposit, keys.as_deref())
            .map_err(|error| explain_put(&*deposit, error))?;
        let kind = match found {
            At::File(_) => EntryKind::File,
            _ => EntryKind::Directory,
        };
        let key = self.share_root(&*deposit, kind, name, &root)?;
        deposit.finish()?;
        Ok(key)
    }

    /// Shares one state.
    pub(super) fn share_root(
        &self,
        deposit: &dyn Deposit,
        kind: EntryKind,
        name: String,
        root: &Reference,
    ) -> Result<String, PodsError> {
        deposit.settle(root)?;
        let about = [name.as_bytes(), &[0], &root.to_bytes()].concat();
        let purpose = match kind {
            EntryKind::File => "share of a file",
            EntryKind::Directory => "share of a directory",
        };
        let key = self.key.derive(purpose, &about);
        let root = root.to_string();
        let redundancy = Redundancy::None.level();
        let share = match kind {
            EntryKind::File => Share::File {
                name,
                root,
                redundancy,
            },
            EntryKind::Directory => Share::Directory {
                name,
                root,
                redundancy,
            },
        };
        share.put(deposit, &key)?;
        Ok(key.to_hex())
    }

    /// Makes a pod of a source.
    pub(super) fn fork_source(&self, from: &Source, name: &PodName) -> Result<PodInfo, PodsError> {
        let resolved = self.resolve(from)?;
        let parent = ForkOf {
            name: resolved.name.clone(),
            owner: resolved.owner.clone(),
            reference: resolved.root.to_string(),
        };
        let root = PodPath::root();
        let entries = resolved.walk(self, &root)?;
        let files = entries.iter().filter(|e| e.kind == EntryKind::File);
        let (files, bytes) = files.fold((0, 0u64), |(files, bytes), entry| {
            (files + 1, bytes.saturating_add(entry.bytes))
        });
        // What was not encrypted is known to others; the pod says so and is public.
        let public = resolved.root.key().is_none();
        self.add(name, public, Some(&parent), &|deposit| {
            stamp_all(self, deposit, &resolved.root, reach::each)
                .map_err(|error| resolved.name(self, &root, error))?;
            let reference = if resolved.shape == Shape::Contents {
                let (path, at) = resolved.at(self, &root)?;
                let mut tree = Tree::empty();
                if let At::File(named) = at {
                    tree.apply(self.chunks(), &path, &Change::File(named))?;
                }
                let keys = self.keys(public);
                tree.save(deposit, keys.as_deref())
                    .map_err(|error| explain_put(deposit, error))?
            } else {
                resolved.root
            };
            deposit.settle(&reference)?;
            let note = format!("forked from {}", resolved.name);
            SnapshotRecord::new(&reference, self.now_s(), &note, files, bytes)
        })
    }
}

/// Goes through what a reference leads to.
type Each =
    fn(&dyn crate::swarm::store::ChunkStore, &Reference, reach::Visit<'_>) -> Result<(), PodsError>;

/// Stamps every chunk that a reference leads to; none is stored again.
pub(super) fn stamp_all(
    drives: &Drives,
    deposit: &dyn Deposit,
    root: &Reference,
    each: Each,
) -> Result<(), PodsError> {
    let mut found: Vec<Address> = Vec::with_capacity(STAMPED_AT_A_TIME);
    each(drives.chunks(), root, &mut |address| {
        found.push(*address);
        if found.len() == STAMPED_AT_A_TIME {
            deposit.stamp(&found)?;
            found.clear();
        }
        Ok(())
    })?;
    deposit.stamp(&found)
}
