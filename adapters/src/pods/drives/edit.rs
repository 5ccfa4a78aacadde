//! Changing a pod.
//!
//! An edit works on the snapshot that it began with. If another one is the latest when it commits, its changes are made
//! again on that one, unless both changed the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::share::stamp_all;
use super::transfer::Counted;
use super::{At, Drives, RETRIES_MAX, explain_put};
use crate::pods::keeper::{Deposit, Placed};
use crate::pods::record::{Listed, SnapshotRecord};
use crate::pods::tree::{self, Change, Tree, to_entry};
use crate::pods::{Edit, Entry, FileMeta, PodName, PodPath, PodsError, Progress, Snapshot, reach};
use crate::swarm::splitter::{SplitOptions, split};
use crate::swarm::{Reference, SwarmError};

/// Changes to a pod that are not a snapshot yet.
pub(super) struct Draft {
    name: PodName,
    listed: Listed,
    base: u64,
    base_root: Reference,
    tree: Tree,
    changes: BTreeMap<PodPath, Change>,
}

impl Draft {
    pub(super) fn begin(drives: &Drives, name: &PodName) -> Result<Self, PodsError> {
        let listed = drives.opened(name)?;
        let (base, record) = drives.head(name.as_str(), &listed)?;
        let base_root = record.root()?;
        Ok(Self {
            name: name.clone(),
            tree: open(drives, name, &record)?,
            listed,
            base,
            base_root,
            changes: BTreeMap::new(),
        })
    }

    pub(super) const fn root(&self) -> Reference {
        self.base_root
    }

    pub(super) const fn listed(&self) -> &Listed {
        &self.listed
    }

    pub(super) fn apply(
        &mut self,
        drives: &Drives,
        path: &PodPath,
        change: Change,
    ) -> Result<(), PodsError> {
        self.tree
            .apply(drives.chunks(), path, &change)
            .map_err(|error| self.explain(drives, path, error))?;
        self.changes.insert(path.clone(), change);
        Ok(())
    }

    /// Makes the changes a snapshot.
    pub(super) fn commit(
        mut self,
        drives: &Drives,
        deposit: Box<dyn Deposit + '_>,
        note: &str,
    ) -> Result<Snapshot, PodsError> {
        let _writing = drives.writing.lock();
        for _ in 0..RETRIES_MAX {
            let listed = drives.opened(&self.name)?;
            if listed.secret()? != self.listed.secret()? {
                return Err(PodsError::Missing(self.name.to_string()));
            }
            let (head, record) = drives.head(self.name.as_str(), &listed)?;
            if head != self.base {
                self.rebase(drives, head, &record)?;
            }
            let keys = drives.keys(listed.public);
            let root = self
                .tree
                .save(&*deposit, keys.as_deref())
                .map_err(|error| explain_put(&*deposit, error))?;
            deposit.settle(&root)?;
            let (files, bytes) = (self.tree.files, self.tree.bytes);
            let records = listed.records()?;
            if deposit.batch() != record.batch.as_deref() {
                // Else what an older batch stamped would go when that expires.
                stamp_all(drives, &*deposit, &root, reach::each)?;
                records.stamp(&*drives.keeper, &*deposit, head + 1)?;
                drives.stamp_list(&*deposit)?;
            }
            let record = SnapshotRecord::new(&root, drives.now_s(), note, files, bytes)?
                .stamped_by(deposit.batch());
            let placed = records.put(&*deposit, &listed.signer()?, head + 1, &record)?;
            if placed == Placed::Kept {
                deposit.finish()?;
                drives.known.lock().insert(records.feed.owner, head + 1);
                return Ok(record.to_snapshot(head + 1));
            }
        }
        Err(drives.too_busy(&format!("the pod `{}`", self.name)))
    }

    /// Makes the same changes to a later snapshot.
    fn rebase(
        &mut self,
        drives: &Drives,
        head: u64,
        record: &SnapshotRecord,
    ) -> Result<(), PodsError> {
        let root = record.root()?;
        let theirs = tree::difference(drives.chunks(), self.base_root, root)?;
        let theirs = theirs
            .into_iter()
            .map(|(path, (_, now))| (path, now))
            .collect();
        check_conflicts(&self.changes, &theirs)?;
        self.tree = open(drives, &self.name, record)?;
        self.base = head;
        self.base_root = root;
        let removed = |change: &Change| *change == Change::Removed;
        // What goes makes room first, the deepest before what holds it.
        let gone = self
            .changes
            .iter()
            .rev()
            .filter(|(_, change)| removed(change));
        let come = self.changes.iter().filter(|(_, change)| !removed(change));
        for (path, change) in gone.chain(come) {
            self.tree.apply(drives.chunks(), path, change)?;
        }
        Ok(())
    }

    fn explain(&self, drives: &Drives, path: &PodPath, error: PodsError) -> PodsError {
        match error {
            PodsError::Swarm(error) => {
                drives.explain_swarm(&format!("`{path}` of {}", self.name), error)
            }
            other => other,
        }
    }
}

fn open(drives: &Drives, name: &PodName, record: &SnapshotRecord) -> Result<Tree, PodsError> {
    Tree::open(drives.chunks(), record.root()?, record.files, record.bytes).map_err(|error| {
        match error {
            PodsError::Swarm(error) => drives.explain_swarm(&format!("`/` of {name}"), error),
            other => other,
        }
    })
}

/// Refuses changes that cannot both be had: of one path, or of a file and what is below it. Equal ones can.
pub(super) fn check_conflicts(
    ours: &BTreeMap<PodPath, Change>,
    theirs: &BTreeMap<PodPath, Change>,
) -> Result<(), PodsError> {
    let is_file = |change: &Change| matches!(change, Change::File(_));
    let mut paths: Vec<String> = Vec::new();
    for (path, change) in ours {
        if theirs.get(path).is_some_and(|other| other != change) {
            paths.push(path.to_string());
        }
        // A file here and something below it there, or the other way round.
        let mut above = path.parent();
        while let Some(parent) = above {
            let clash = theirs.get(&parent).is_some_and(is_file) && *change != Change::Removed;
            if clash {
                paths.push(parent.to_string());
            }
            above = parent.parent();
        }
    }
    for (path, change) in theirs {
        let mut above = path.parent();
        while let Some(parent) = above {
            let clash = ours.get(&parent).is_some_and(is_file) && *change != Change::Removed;
            if clash {
                paths.push(parent.to_string());
            }
            above = parent.parent();
        }
    }
    if paths.is_empty() {
        return Ok(());
    }
    paths.sort();
    paths.dedup();
    Err(PodsError::Conflict { paths })
}

/// An edit of a pod.
pub(super) struct DriveEdit<'d> {
    drives: &'d Drives,
    draft: Draft,
    /// Begun with the first write, so that an edit that writes nothing buys nothing.
    deposit: Option<Box<dyn Deposit + 'd>>,
}

impl<'d> DriveEdit<'d> {
    pub(super) fn begin(drives: &'d Drives, pod: &PodName) -> Result<Self, PodsError> {
        Ok(Self {
            drives,
            draft: Draft::begin(drives, pod)?,
            deposit: None,
        })
    }

    fn at(&self, path: &PodPath) -> Result<At, PodsError> {
        self.draft
            .tree
            .at(self.drives.chunks(), path)
            .map_err(|error| self.draft.explain(self.drives, path, error))
    }

    /// Whether all above a path can be directories.
    fn check_parents(&self, path: &PodPath) -> Result<(), PodsError> {
        let mut above = path.parent();
        while let Some(parent) = above {
            match self.at(&parent)? {
                At::File(_) => return Err(PodsError::NotADirectory(parent.to_string())),
                // What is above a directory is one.
                At::Directory => return Ok(()),
                At::Nothing => above = parent.parent(),
            }
        }
        Ok(())
    }

    fn missing(&self, path: &PodPath) -> PodsError {
        PodsError::NoSuchPath {
            from: self.draft.name.to_string(),
            path: path.to_string(),
        }
    }

    fn apply(&mut self, path: &PodPath, change: Change) -> Result<(), PodsError> {
        self.draft.apply(self.drives, path, change)
    }

    /// Files and empty directories at or below a path.
    fn below(&self, path: &PodPath) -> Result<Vec<(PodPath, Change)>, PodsError> {
        self.draft
            .tree
            .below(self.drives.chunks(), path)
            .map_err(|error| self.draft.explain(self.drives, path, error))
    }
}

impl Edit for DriveEdit<'_> {
    fn write(
        &mut self,
        path: &PodPath,
        meta: &FileMeta,
        input: &mut dyn Read,
        progress: &dyn Progress,
    ) -> Result<Entry, PodsError> {
        if self.at(path)? == At::Directory {
            return Err(PodsError::NotAFile(path.to_string()));
        }
        self.check_parents(path)?;
        if self.deposit.is_none() {
            self.deposit = Some(self.drives.deposit()?);
        }
        let Some(deposit) = self.deposit.as_deref() else {
            return Err(PodsError::Damaged("a deposit was not begun".to_owned()));
        };
        let keys = self.drives.keys(self.draft.listed.public);
        let options = SplitOptions {
            threads: self.drives.threads,
            keys: keys.as_deref(),
            ..SplitOptions::default()
        };
        let mut input = Counted::new(input, progress);
        let written = split(&mut input, deposit, &options).map_err(|error| {
            input.stopped().unwrap_or_else(|| match error {
                SwarmError::Io(error) => PodsError::Io {
                    what: format!("reading what is to be `{path}`"),
                    error,
                },
                error => explain_put(deposit, error),
            })
        })?;
        if let Some(announced) = meta.bytes.filter(|bytes| *bytes != written.len) {
            return Err(PodsError::Io {
                what: format!("reading what is to be `{path}`"),
                error: std::io::Error::other(format!(
                    "{announced} bytes were announced, {} came",
                    written.len
                )),
            });
        }
        let named = tree::named(written.reference(), path, written.len, meta);
        let entry = to_entry(self.drives.chunks(), path, &named)?;
        self.apply(path, Change::File(named))?;
        Ok(entry)
    }

    fn make_directory(&mut self, path: &PodPath) -> Result<(), PodsError> {
        match self.at(path)? {
            At::Directory => Ok(()),
            At::File(_) => Err(PodsError::NotADirectory(path.to_string())),
            At::Nothing => {
                self.check_parents(path)?;
                self.apply(path, Change::Directory)
            }
        }
    }

    fn remove(&mut self, path: &PodPath, recursive: bool) -> Result<(), PodsError> {
        match self.at(path)? {
            At::Nothing => return Err(self.missing(path)),
            At::File(_) => return self.apply(path, Change::Removed),
            At::Directory => {}
        }
        if !recursive {
            let entries = self.draft.tree.entries(self.drives.chunks(), path)?;
            if entries > 0 {
                return Err(PodsError::NotEmpty {
                    path: path.to_string(),
                    entries,
                });
            }
        }
        let mut directories = BTreeSet::from([path.clone()]);
        for (below, _) in self.below(path)? {
            let mut above = below.parent();
            while let Some(parent) = above.filter(|parent| parent.is_within(path)) {
                above = parent.parent();
                if !directories.insert(parent) {
                    break;
                }
            }
            self.apply(&below, Change::Removed)?;
        }
        // The deepest first: what is taken out of a directory leaves it empty, but there.
        for directory in directories.into_iter().rev().filter(|path| !path.is_root()) {
            self.apply(&directory, Change::Removed)?;
        }
        Ok(())
    }

    fn copy(&mut self, from: &PodPath, to: &PodPath) -> Result<(), PodsError> {
        let found = self.at(from)?;
        if found == At::Nothing {
            return Err(self.missing(from));
        }
        if found == At::Directory && to.is_within(from) && from != to {
            return Err(PodsError::Path {
                text: to.to_string(),
                why: format!("it is inside `{from}`, which is to be copied there"),
            });
        }
        if self.at(to)? != At::Nothing {
            return Err(PodsError::PathExists(to.to_string()));
        }
        self.check_parents(to)?;
        if let At::File(named) = found {
            return self.apply(to, Change::File(tree::renamed(named, to)));
        }
        for (below, change) in self.below(from)? {
            let rest = &below.as_str()[from.as_str().len()..];
            let place = if rest.is_empty() {
                to.clone()
            } else {
                to.join(rest)?
            };
            self.apply(&place, change)?;
        }
        Ok(())
    }

    fn rename(&mut self, from: &PodPath, to: &PodPath) -> Result<(), PodsError> {
        self.copy(from, to)?;
        self.remove(from, true)
    }

    fn commit(self: Box<Self>, note: &str) -> Result<Snapshot, PodsError> {
        let Self {
            drives,
            draft,
            deposit,
        } = *self;
        if draft.changes.is_empty() {
            // Nothing became of it, so there is nothing to tell apart from what is.
            let listed = drives.opened(&draft.name)?;
            let (head, record) = drives.head(draft.name.as_str(), &listed)?;
            return Ok(record.to_snapshot(head));
        }
        let deposit = match deposit {
            Some(deposit) => deposit,
            None => drives.deposit()?,
        };
        draft.commit(drives, deposit, note)
    }
}
