//! What can be read: pods, snapshots, shares and references.

use std::io::Write;
use std::ops::Range;

use super::transfer::Counted;
use super::{At, Drives, at, share};
use crate::pods::record::{Records, SnapshotRecord};
use crate::pods::seal::Secret;
use crate::pods::tree::{self, Tree, directory_entry, to_entry};
use crate::pods::{
    Entry, EntryKind, FileMeta, Found, PodName, PodPath, PodsError, Progress, Source,
};
use crate::swarm::joiner::Joiner;
use crate::swarm::mantaray::{Entry as Named, StoredNode};
use crate::swarm::{Reference, SwarmError};

/// What a source leads to.
pub(super) struct Resolved {
    /// How messages call it.
    pub(super) from: String,
    /// What it is called.
    pub(super) name: String,
    /// The root of a manifest, or of plain contents.
    pub(super) root: Reference,
    pub(super) shape: Shape,
    /// Whether it follows later snapshots.
    pub(super) live: bool,
    /// The address that owns it.
    pub(super) owner: Option<String>,
    /// The snapshots it is one of.
    pub(super) records: Option<Records>,
}

/// What is at a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A directory.
    Directory,
    /// A manifest with one file that is meant, at this path.
    File(PodPath),
    /// The contents of a file, without a manifest.
    Contents,
}

impl Drives {
    /// Finds what can be read.
    pub(super) fn resolve(&self, source: &Source) -> Result<Resolved, PodsError> {
        match source {
            Source::Pod { name, at } => self.snapshot(&name.parse()?, *at),
            Source::Reference(reference) => self.seek(reference),
        }
    }

    fn snapshot(&self, name: &PodName, at: Option<u64>) -> Result<Resolved, PodsError> {
        let listed = self.opened(name)?;
        let records = listed.records()?;
        let (latest, head) = self.head(name.as_str(), &listed)?;
        let record: SnapshotRecord = match at {
            Some(index) if index != latest => {
                let record = if index < latest {
                    records.at(&*self.keeper, index)?
                } else {
                    None
                };
                record.ok_or_else(|| PodsError::Reference {
                    text: format!("{name}@{index}"),
                    why: format!("its snapshots are 0 to {latest}"),
                })?
            }
            _ => head,
        };
        Ok(Resolved {
            from: name.to_string(),
            name: name.to_string(),
            root: record.root()?,
            shape: Shape::Directory,
            live: at.is_none(),
            owner: Some(records.feed.owner.to_string()),
            records: Some(records),
        })
    }

    /// Finds what a reference key, or else a reference, leads to.
    pub(super) fn seek(&self, text: &str) -> Result<Resolved, PodsError> {
        let shown: String = text.chars().take(64).collect();
        let refused = |why: String| PodsError::Reference {
            text: shown.clone(),
            why,
        };
        let reference: Reference = text
            .parse()
            .map_err(|error: SwarmError| refused(error.to_string()))?;
        if reference.key().is_none()
            && let Some(key) = Secret::from_hex(text)
            && let Some(share) = share::open(&*self.keeper, &key)?
        {
            return share.resolve(self, &shown);
        }
        let address = reference.address();
        if !self.keeper.has(&address).map_err(SwarmError::from)? {
            return Err(refused(format!(
                "{} has no such chunk, and nothing was shared under such a key",
                self.keeper.name()
            )));
        }
        let shape = match StoredNode::read(self.chunks(), reference) {
            Ok(_) => Shape::Directory,
            Err(SwarmError::Malformed { .. } | SwarmError::TooLong { .. }) => {
                // With a wrong key anything looks like the top of a tree, and has nothing below.
                Joiner::open(self.chunks(), reference)
                    .and_then(|mut contents| contents.read_at(0, &mut [0]))
                    .map_err(|error| refused(error.to_string()))?;
                Shape::Contents
            }
            Err(error) => return Err(refused(error.to_string())),
        };
        Ok(Resolved {
            from: shown.clone(),
            name: shown.chars().take(12).collect(),
            root: reference,
            shape,
            live: false,
            owner: None,
            records: None,
        })
    }

    /// The root that a reference key or a reference leads to now.
    pub(super) fn root_of(&self, text: &str) -> Result<Reference, PodsError> {
        Ok(self.seek(text)?.root)
    }
}

impl Resolved {
    pub(super) fn to_found(&self) -> Found {
        Found {
            name: self.name.clone(),
            kind: match self.shape {
                Shape::Directory => EntryKind::Directory,
                Shape::File(_) | Shape::Contents => EntryKind::File,
            },
            live: self.live,
            owner: self.owner.clone(),
            root: self.root.to_string(),
        }
    }

    /// A file without a manifest, as if it were in one.
    fn contents(&self, drives: &Drives) -> Result<(PodPath, Named), PodsError> {
        let path = PodPath::root().join(&self.name)?;
        let joiner = Joiner::open(drives.chunks(), self.root)
            .map_err(|error| self.explain(drives, &path, error))?;
        let named = tree::named(self.root, &path, joiner.len(), &FileMeta::default());
        Ok((path, named))
    }

    /// What is at a path, and the path that is meant.
    pub(super) fn at(&self, drives: &Drives, path: &PodPath) -> Result<(PodPath, At), PodsError> {
        match &self.shape {
            Shape::Contents => {
                let (name, named) = self.contents(drives)?;
                if path.is_root() || *path == name {
                    return Ok((name, At::File(named)));
                }
                Err(PodsError::NoSuchPath {
                    from: self.from.clone(),
                    path: path.to_string(),
                })
            }
            Shape::File(file) if path.is_root() => self.at_path(drives, file),
            Shape::File(_) | Shape::Directory => self.at_path(drives, path),
        }
    }

    fn at_path(&self, drives: &Drives, path: &PodPath) -> Result<(PodPath, At), PodsError> {
        let found = at(drives.chunks(), self.root, &self.from, path)
            .map_err(|error| self.name(drives, path, error))?;
        Ok((path.clone(), found))
    }

    pub(super) fn stat(&self, drives: &Drives, path: &PodPath) -> Result<Entry, PodsError> {
        match self.at(drives, path)? {
            (path, At::File(named)) => to_entry(drives.chunks(), &path, &named)
                .map_err(|error| self.name(drives, &path, error)),
            (path, _) => Ok(directory_entry(&path)),
        }
    }

    pub(super) fn list(&self, drives: &Drives, path: &PodPath) -> Result<Vec<Entry>, PodsError> {
        if self.shape == Shape::Contents && path.is_root() {
            return Ok(vec![self.stat(drives, path)?]);
        }
        self.check_directory(drives, path)?;
        tree::list(drives.chunks(), self.root, path).map_err(|error| self.name(drives, path, error))
    }

    pub(super) fn walk(&self, drives: &Drives, path: &PodPath) -> Result<Vec<Entry>, PodsError> {
        if self.shape == Shape::Contents && path.is_root() {
            return self.list(drives, path);
        }
        self.check_directory(drives, path)?;
        tree::walk(drives.chunks(), self.root, path).map_err(|error| self.name(drives, path, error))
    }

    fn check_directory(&self, drives: &Drives, path: &PodPath) -> Result<(), PodsError> {
        if path.is_root() {
            return Ok(());
        }
        match self.at(drives, path)? {
            (path, At::File(_)) => Err(PodsError::NotADirectory(path.to_string())),
            _ => Ok(()),
        }
    }

    pub(super) fn read(
        &self,
        drives: &Drives,
        path: &PodPath,
        range: Option<Range<u64>>,
        out: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<u64, PodsError> {
        let (path, named) = match self.at(drives, path)? {
            (path, At::File(named)) => (path, named),
            (path, _) => return Err(PodsError::NotAFile(path.to_string())),
        };
        let explain = |error| self.explain(drives, &path, error);
        let reference = named.reference.ok_or_else(|| {
            PodsError::Damaged(format!("`{path}` of {} has no contents", self.from))
        })?;
        let joiner = Joiner::open(drives.chunks(), reference).map_err(explain)?;
        let said = to_entry(drives.chunks(), &path, &named)?.bytes;
        if said != joiner.len() {
            return Err(PodsError::Damaged(format!(
                "`{path}` of {}: it is said to have {said} bytes, and has {}",
                self.from,
                joiner.len()
            )));
        }
        let range = range.unwrap_or(0..joiner.len());
        let mut out = Counted::new(out, progress);
        match joiner.copy_to(range, &mut out, drives.threads) {
            Ok(bytes) => Ok(bytes),
            Err(error) => Err(out.stopped().unwrap_or_else(|| match error {
                SwarmError::Io(error) => PodsError::Io {
                    what: format!("writing out `{path}`"),
                    error,
                },
                error => explain(error),
            })),
        }
    }

    fn explain(&self, drives: &Drives, path: &PodPath, error: SwarmError) -> PodsError {
        self.name(drives, path, error.into())
    }

    /// Names the path in an error about a chunk.
    pub(super) fn name(&self, drives: &Drives, path: &PodPath, error: PodsError) -> PodsError {
        match error {
            PodsError::Swarm(error) => {
                drives.explain_swarm(&format!("`{path}` of {}", self.from), error)
            }
            other => other,
        }
    }

    /// A tree to be gone on with.
    pub(super) fn tree(&self, drives: &Drives) -> Result<Tree, PodsError> {
        Tree::open(drives.chunks(), self.root, 0, 0)
    }
}
