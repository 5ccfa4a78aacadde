//! Manifests as directories.
//!
//! A file is a path with a reference and the metadata of Bee's `/bzz` (media type and name), so that a public pod is an
//! ordinary collection; beside these stand its length, when it was written and whether it is a program. Directories follow
//! from paths; only an empty one has an entry of its own, its path with a trailing `/` and no reference.
//!
//! Manifests come from strangers: a path that no pod can have is refused by name.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, EntryKind, FileMeta, PodPath, PodsError};
use crate::swarm::encrypt::Keys;
use crate::swarm::joiner::Branch;
use crate::swarm::mantaray::{
    CONTENT_TYPE_KEY, Entry as Named, FILENAME_KEY, Manifest, ROOT_PATH, StoredNode,
};
use crate::swarm::media;
use crate::swarm::splitter::SplitOptions;
use crate::swarm::store::ChunkStore;
use crate::swarm::{Reference, SwarmError};

/// Metadata of a file: its length in bytes.
const BYTES_KEY: &str = "medium-bytes";
/// Metadata of a file: when it was last written, in seconds since 1970.
const MODIFIED_KEY: &str = "medium-modified";
/// Metadata of a program: `true`.
const EXECUTABLE_KEY: &str = "medium-executable";
/// Metadata of an empty directory: `directory`.
const KIND_KEY: &str = "medium-kind";
/// Most nodes of a manifest that one operation reads.
pub(super) const NODES_MAX: usize = 4_194_304;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    File(Named),
    Directory,
    Nothing,
}

/// What is to be at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    File(Named),
    Directory,
    /// Nothing: what is there goes, a directory only if it is empty.
    Removed,
}

/// A pod's tree, of which only what is needed is in memory.
#[derive(Debug)]
pub(super) struct Tree {
    manifest: Manifest,
    /// Files in it.
    pub(super) files: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Directories that are known to be there and not empty.
    full: BTreeSet<String>,
}

impl Tree {
    /// A tree without files.
    pub(super) fn empty() -> Self {
        Self {
            manifest: Manifest::default(),
            files: 0,
            bytes: 0,
            full: BTreeSet::new(),
        }
    }

    /// A stored tree with so many files and bytes.
    pub(super) fn open(
        store: &dyn ChunkStore,
        root: Reference,
        files: u64,
        bytes: u64,
    ) -> Result<Self, PodsError> {
        Ok(Self {
            manifest: Manifest::open(store, root)?,
            files,
            bytes,
            full: BTreeSet::new(),
        })
    }

    /// Stores what has changed; encrypted, if there are keys.
    pub(super) fn save(
        &mut self,
        store: &dyn ChunkStore,
        keys: Option<&dyn Keys>,
    ) -> Result<Reference, SwarmError> {
        let options = SplitOptions {
            keys,
            ..SplitOptions::default()
        };
        self.manifest.save(store, &options)
    }

    /// What is at a path.
    pub(super) fn at(&self, store: &dyn ChunkStore, path: &PodPath) -> Result<At, PodsError> {
        if path.is_root() {
            return Ok(At::Directory);
        }
        if let Some(named) = self.manifest.get(store, path.relative().as_bytes())? {
            return Ok(At::File(named));
        }
        if self.full.contains(path.relative()) {
            return Ok(At::Directory);
        }
        let below = format!("{}/", path.relative());
        let first = self.manifest.first(store, below.as_bytes(), NODES_MAX)?;
        Ok(if first.is_some() {
            At::Directory
        } else {
            At::Nothing
        })
    }

    /// Makes a change, and those that follow from it: directories on the way to something are no longer empty, and one
    /// from which the last was taken is.
    pub(super) fn apply(
        &mut self,
        store: &dyn ChunkStore,
        path: &PodPath,
        change: &Change,
    ) -> Result<(), PodsError> {
        match change {
            Change::File(named) => {
                self.fill_parents(store, path)?;
                let bytes = length(store, named)?;
                self.forget(store, path.relative())?;
                self.forget(store, &format!("{}/", path.relative()))?;
                let relative = path.relative().as_bytes();
                self.manifest.insert(store, relative, named.clone())?;
                self.files += 1;
                self.bytes = self.bytes.saturating_add(bytes);
            }
            Change::Directory => {
                if self.at(store, path)? != At::Directory {
                    self.fill_parents(store, path)?;
                    self.mark_empty(store, path)?;
                }
            }
            Change::Removed => {
                self.forget(store, path.relative())?;
                self.forget(store, &format!("{}/", path.relative()))?;
                self.empty_parent(store, path)?;
            }
        }
        Ok(())
    }

    /// The files and empty directories at and below a path, in the order of their bytes, and what is to be done to have
    /// each elsewhere.
    pub(super) fn below(
        &self,
        store: &dyn ChunkStore,
        path: &PodPath,
    ) -> Result<Vec<(PodPath, Change)>, PodsError> {
        let prefix = below(path);
        let mut found = Vec::new();
        self.manifest
            .walk(store, prefix.as_bytes(), NODES_MAX, &mut |at, named| {
                found.push((at.to_vec(), named));
                Ok(())
            })?;
        let mut parts = Vec::with_capacity(found.len());
        for (at, named) in found {
            if at == ROOT_PATH {
                continue;
            }
            let change = if at.ends_with(b"/") {
                Change::Directory
            } else {
                Change::File(named)
            };
            parts.push((checked(&at)?, change));
        }
        Ok(parts)
    }

    /// How many entries a directory has.
    pub(super) fn entries(
        &self,
        store: &dyn ChunkStore,
        path: &PodPath,
    ) -> Result<usize, PodsError> {
        let mut names = BTreeSet::new();
        for (at, change) in self.below(store, path)? {
            if at == *path && change == Change::Directory {
                continue;
            }
            let rest = at.as_str()[path.as_str().len()..].trim_start_matches('/');
            names.extend(rest.split('/').next().map(str::to_owned));
        }
        Ok(names.len())
    }

    /// Directories on the way to a path have something in them from now on.
    fn fill_parents(&mut self, store: &dyn ChunkStore, path: &PodPath) -> Result<(), PodsError> {
        let mut parent = path.parent();
        while let Some(directory) = parent.filter(|directory| !directory.is_root()) {
            if !self.full.insert(directory.relative().to_owned()) {
                break;
            }
            self.forget(store, &format!("{}/", directory.relative()))?;
            parent = directory.parent();
        }
        Ok(())
    }

    /// The directory that something was taken from stays, and may be empty now.
    fn empty_parent(&mut self, store: &dyn ChunkStore, path: &PodPath) -> Result<(), PodsError> {
        // What is below what was removed is no longer known.
        self.full.remove(path.relative());
        let Some(parent) = path.parent().filter(|parent| !parent.is_root()) else {
            return Ok(());
        };
        self.full.remove(parent.relative());
        if self.at(store, &parent)? == At::Nothing {
            self.mark_empty(store, &parent)?;
        }
        Ok(())
    }

    fn mark_empty(&mut self, store: &dyn ChunkStore, path: &PodPath) -> Result<(), PodsError> {
        let marker = Named {
            reference: None,
            metadata: [(KIND_KEY.to_owned(), "directory".to_owned())].into(),
        };
        let path = format!("{}/", path.relative());
        Ok(self.manifest.insert(store, path.as_bytes(), marker)?)
    }

    fn forget(&mut self, store: &dyn ChunkStore, path: &str) -> Result<(), PodsError> {
        if let Some(named) = self.manifest.remove(store, path.as_bytes())?
            && !path.ends_with('/')
        {
            self.files = self.files.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(length(store, &named)?);
        }
        Ok(())
    }
}

/// What is in a directory of a stored tree, by name; nothing if there is no such directory. Nothing below it is read that
/// need not be.
pub(super) fn list(
    store: &dyn ChunkStore,
    root: Reference,
    directory: &PodPath,
) -> Result<Vec<Entry>, PodsError> {
    let prefix = below(directory).into_bytes();
    let mut files = Vec::new();
    let mut directories = BTreeSet::new();
    let mut pending = vec![(Vec::new(), root, false, BTreeMap::new())];
    let mut nodes = 0;
    while let Some((path, reference, is_value, metadata)) = pending.pop() {
        nodes += 1;
        if nodes > NODES_MAX {
            return Err(SwarmError::TooMany { max: NODES_MAX }.into());
        }
        if let Some(rest) = path.strip_prefix(&prefix[..]) {
            if let Some(end) = rest.iter().position(|byte| *byte == b'/')
                && path != ROOT_PATH
            {
                directories.insert(checked(&path[..=prefix.len() + end])?);
                continue;
            }
        } else if !prefix.starts_with(&path) {
            continue;
        }
        let node = StoredNode::read(store, reference)?;
        if is_value && path.len() > prefix.len() && path != ROOT_PATH {
            let named = Named {
                reference: node.entry,
                metadata,
            };
            files.push(to_entry(store, &checked(&path)?, &named)?);
        }
        for fork in node.forks {
            let path = [&path[..], &fork.prefix].concat();
            pending.push((path, fork.node, fork.is_value, fork.metadata));
        }
    }
    files.extend(directories.iter().map(directory_entry));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Everything below a directory of a stored tree, by path.
pub(super) fn walk(
    store: &dyn ChunkStore,
    root: Reference,
    directory: &PodPath,
) -> Result<Vec<Entry>, PodsError> {
    let tree = Tree::open(store, root, 0, 0)?;
    let mut found = Vec::new();
    let mut directories = BTreeSet::new();
    for (path, change) in tree.below(store, directory)? {
        let mut parent = path.parent();
        while let Some(above) =
            parent.filter(|above| above != directory && above.is_within(directory))
        {
            parent = above.parent();
            if !directories.insert(above) {
                break;
            }
        }
        match change {
            Change::File(named) => found.push(to_entry(store, &path, &named)?),
            _ if path == *directory => {}
            _ => {
                directories.insert(path);
            }
        }
    }
    found.extend(directories.iter().map(directory_entry));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Files and empty directories that two stored trees do not have alike, and what the second has there.
pub(super) fn difference(
    store: &dyn ChunkStore,
    before: Reference,
    after: Reference,
) -> Result<BTreeMap<PodPath, (Option<Change>, Change)>, PodsError> {
    let mut differing = BTreeMap::new();
    if before == after {
        return Ok(differing);
    }
    let root = PodPath::root();
    let mut old: BTreeMap<PodPath, Change> = Tree::open(store, before, 0, 0)?
        .below(store, &root)?
        .into_iter()
        .collect();
    for (path, change) in Tree::open(store, after, 0, 0)?.below(store, &root)? {
        let was = old.remove(&path);
        if was.as_ref() != Some(&change) {
            differing.insert(path, (was, change));
        }
    }
    for (path, was) in old {
        differing.insert(path, (Some(was), Change::Removed));
    }
    Ok(differing)
}

/// What stands for a file of these bytes.
pub(super) fn named(reference: Reference, path: &PodPath, bytes: u64, meta: &FileMeta) -> Named {
    let content_type = if meta.content_type.is_empty() {
        media::by_name(path.name())
    } else {
        &meta.content_type
    };
    let mut named = Named::file(reference, content_type, path.name());
    named
        .metadata
        .insert(BYTES_KEY.to_owned(), bytes.to_string());
    if meta.modified > 0 {
        let modified = meta.modified.to_string();
        named.metadata.insert(MODIFIED_KEY.to_owned(), modified);
    }
    if meta.executable {
        named
            .metadata
            .insert(EXECUTABLE_KEY.to_owned(), "true".to_owned());
    }
    named
}

/// The same file under another name.
pub(super) fn renamed(mut named: Named, path: &PodPath) -> Named {
    named
        .metadata
        .insert(FILENAME_KEY.to_owned(), path.name().to_owned());
    named
}

/// A file, as lists show it.
pub(super) fn to_entry(
    store: &dyn ChunkStore,
    path: &PodPath,
    named: &Named,
) -> Result<Entry, PodsError> {
    let said = |key: &str| named.metadata.get(key);
    Ok(Entry {
        path: path.to_string(),
        kind: EntryKind::File,
        bytes: length(store, named)?,
        content_type: said(CONTENT_TYPE_KEY).cloned().unwrap_or_default(),
        modified: said(MODIFIED_KEY)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0),
        executable: said(EXECUTABLE_KEY).is_some_and(|text| text == "true"),
        reference: named.reference.map(|reference| reference.to_string()),
    })
}

/// A directory, as lists show it.
pub(super) fn directory_entry(path: &PodPath) -> Entry {
    Entry {
        path: path.to_string(),
        kind: EntryKind::Directory,
        bytes: 0,
        content_type: String::new(),
        modified: 0,
        executable: false,
        reference: None,
    }
}

/// A file's length: what its entry says, or, where that says nothing, what its root spans.
fn length(store: &dyn ChunkStore, named: &Named) -> Result<u64, PodsError> {
    let said = named
        .metadata
        .get(BYTES_KEY)
        .and_then(|text| text.parse().ok());
    match (said, named.reference) {
        (Some(bytes), _) => Ok(bytes),
        (None, Some(reference)) => Ok(Branch::fetch(store, &reference, None)?.span),
        (None, None) => Ok(0),
    }
}

/// What the paths below a directory begin with in a manifest.
fn below(directory: &PodPath) -> String {
    if directory.is_root() {
        String::new()
    } else {
        format!("{}/", directory.relative())
    }
}

/// A manifest's path, if a pod can have it.
pub(super) fn checked(path: &[u8]) -> Result<PodPath, PodsError> {
    let refused = |why: &str| PodsError::Path {
        text: String::from_utf8_lossy(path).into_owned(),
        why: why.to_owned(),
    };
    let text = std::str::from_utf8(path).map_err(|_| refused("it is not text"))?;
    if text.starts_with('/') {
        return Err(refused("a step of it is empty"));
    }
    let checked: PodPath = text.parse()?;
    if checked.is_root() {
        return Err(refused("it is empty"));
    }
    Ok(checked)
}
