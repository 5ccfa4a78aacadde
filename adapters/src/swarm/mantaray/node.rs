//! One node of a manifest, and those below it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use super::Entry;
use super::codec::{self, NODE_BYTES_MAX};
use crate::swarm::joiner::{Joiner, reference_bytes};
use crate::swarm::keccak::Hash;
use crate::swarm::reference::Reference;
use crate::swarm::splitter::{SplitOptions, split};
use crate::swarm::store::ChunkStore;
use crate::swarm::{HASH_BYTES, SwarmError};

/// Longest prefix of a fork, in bytes.
pub(super) const PREFIX_BYTES_MAX: usize = 30;

/// What a fork says about the node below it.
///
/// Rule: Bee `pkg/manifest/mantaray/node.go` (`nodeType…`). Bit 1 has no meaning.
pub(super) mod kind {
    /// A path ends here.
    pub(in super::super) const VALUE: u8 = 2;
    /// Paths go on.
    pub(in super::super) const EDGE: u8 = 4;
    /// The prefix has a `/` behind its first byte.
    pub(in super::super) const SEPARATOR: u8 = 8;
    /// The fork carries metadata.
    pub(in super::super) const METADATA: u8 = 16;
}

/// A node of a manifest.
#[derive(Debug)]
pub(super) struct Node {
    /// Bits of [`kind`]. They are stored in the fork above, so a root has none but [`kind::EDGE`].
    pub(super) kind: u8,
    /// Length of entries and of references to nodes, in bytes; 0 until one is known.
    pub(super) reference_bytes: usize,
    pub(super) obfuscation: Hash,
    /// Where it is stored, as it is now.
    pub(super) saved: Option<Reference>,
    pub(super) entry: Option<Reference>,
    /// Stored in the fork above, like [`Self::kind`].
    pub(super) metadata: BTreeMap<String, String>,
    /// By the first byte of their prefixes; `None` until the node is read.
    pub(super) forks: Option<BTreeMap<u8, Fork>>,
}

/// What leads to a node.
#[derive(Debug)]
pub(super) struct Fork {
    /// 1 to [`PREFIX_BYTES_MAX`] bytes.
    pub(super) prefix: Vec<u8>,
    pub(super) node: Box<Node>,
}

impl Node {
    pub(super) const fn new(obfuscation: Hash, reference_bytes: usize) -> Self {
        Self {
            kind: 0,
            reference_bytes,
            obfuscation,
            saved: None,
            entry: None,
            metadata: BTreeMap::new(),
            forks: Some(BTreeMap::new()),
        }
    }

    /// A node that has not been read yet.
    pub(super) const fn stored(reference: Reference) -> Self {
        Self {
            kind: 0,
            reference_bytes: 0,
            obfuscation: [0; HASH_BYTES],
            saved: Some(reference),
            entry: None,
            metadata: BTreeMap::new(),
            forks: None,
        }
    }

    /// A copy of a node that is not loaded.
    pub(super) fn unloaded(&self) -> Self {
        Self {
            kind: self.kind,
            reference_bytes: self.reference_bytes,
            obfuscation: self.obfuscation,
            saved: self.saved,
            entry: self.entry,
            metadata: self.metadata.clone(),
            forks: None,
        }
    }

    pub(super) const fn is_loaded(&self) -> bool {
        self.forks.is_some()
    }

    pub(super) const fn is_value(&self) -> bool {
        self.kind & kind::VALUE != 0
    }

    pub(super) fn to_entry(&self) -> Entry {
        Entry {
            reference: self.entry,
            metadata: self.metadata.clone(),
        }
    }

    /// About how much memory the metadata take.
    pub(super) fn metadata_bytes(&self) -> usize {
        let strings = 2 * size_of::<String>();
        self.metadata
            .iter()
            .map(|(key, value)| strings + key.len() + value.len())
            .sum()
    }

    /// What is below a loaded node, with the prefixes that lead to it.
    pub(super) fn children(&self) -> impl DoubleEndedIterator<Item = (&[u8], &Self)> {
        let forks = self.forks.iter().flat_map(BTreeMap::values);
        forks.map(|fork| (&fork.prefix[..], &*fork.node))
    }

    /// As [`Self::children`].
    pub(super) fn into_children(mut self) -> impl DoubleEndedIterator<Item = (Vec<u8>, Box<Self>)> {
        let forks = self.forks.take();
        let forks = forks.into_iter().flat_map(BTreeMap::into_values);
        forks.map(|fork| (fork.prefix, fork.node))
    }

    /// Reads the node unless it is here.
    pub(super) fn load(&mut self, store: &dyn ChunkStore) -> Result<(), SwarmError> {
        if let (None, Some(reference)) = (&self.forks, self.saved) {
            let bytes = Joiner::open(store, reference)?.read_all(NODE_BYTES_MAX)?;
            codec::decode(&bytes, self)?;
        }
        Ok(())
    }

    fn set(&mut self, bit: u8, on: bool) {
        if on {
            self.kind |= bit;
        } else {
            self.kind &= !bit;
        }
    }

    /// Marks the node below a prefix that has a `/`. One in front does not count.
    fn mark_separator(&mut self, prefix: &[u8]) {
        let marked = prefix.iter().skip(1).any(|byte| *byte == b'/') && !prefix.starts_with(b"/");
        self.set(kind::SEPARATOR, marked);
    }

    fn put(&mut self, entry: Entry) {
        self.set(kind::VALUE, true);
        self.set(kind::METADATA, !entry.metadata.is_empty());
        self.entry = entry.reference;
        self.metadata = entry.metadata;
    }

    /// Makes a path below this node refer to `entry`. Nothing changes if it fails: first all that can
    /// fail is done.
    pub(super) fn insert(
        &mut self,
        store: &dyn ChunkStore,
        path: &[u8],
        entry: Entry,
    ) -> Result<(), SwarmError> {
        self.prepare(store, path, entry.reference.as_ref())?;
        self.add(path, entry);
        Ok(())
    }

    /// Reads the nodes on the way to a path, and checks that they take references of this length.
    fn prepare(
        &mut self,
        store: &dyn ChunkStore,
        mut path: &[u8],
        reference: Option<&Reference>,
    ) -> Result<(), SwarmError> {
        let mut node = self;
        loop {
            node.load(store)?;
            let known = node.reference_bytes;
            if let Some(found) = reference.map(Reference::len_bytes)
                && known != 0
                && known != found
            {
                let reason = format!("its references have {known} bytes, this one has {found}");
                return Err(SwarmError::malformed("a manifest's entry", reason));
            }
            let forks = node.forks.get_or_insert_default();
            match path.first().and_then(|first| forks.get_mut(first)) {
                Some(fork) if path.starts_with(&fork.prefix) => {
                    path = &path[fork.prefix.len()..];
                    node = &mut fork.node;
                }
                _ => return Ok(()),
            }
        }
    }

    /// Adds to nodes that are prepared.
    ///
    /// Rule: Bee `node.go`, `Add`, step by step; its recursion is a loop here.
    fn add(&mut self, mut path: &[u8], entry: Entry) {
        let mut node = self;
        loop {
            if let (0, Some(reference)) = (node.reference_bytes, &entry.reference) {
                node.reference_bytes = reference.len_bytes();
            }
            node.saved = None;
            let Some(first) = path.first() else {
                node.put(entry);
                return;
            };
            node.set(kind::EDGE, true);
            let fresh = || Self::new(node.obfuscation, node.reference_bytes);
            let fork = match node.forks.get_or_insert_default().entry(*first) {
                Slot::Occupied(slot) => {
                    let fork = slot.into_mut();
                    let shared = common(&fork.prefix, path);
                    if shared < fork.prefix.len() {
                        let mut between = fresh();
                        let rest = fork.prefix.split_off(shared);
                        std::mem::swap(&mut between, &mut fork.node);
                        between.mark_separator(&rest);
                        fork.node.fork(rest, between);
                    }
                    // From all that is left of the path: Bee's special case.
                    fork.node.mark_separator(path);
                    fork
                }
                Slot::Vacant(slot) => {
                    let prefix = path[..path.len().min(PREFIX_BYTES_MAX)].to_vec();
                    let mut below = Box::new(fresh());
                    below.mark_separator(&prefix);
                    slot.insert(Fork {
                        prefix,
                        node: below,
                    })
                }
            };
            path = &path[fork.prefix.len()..];
            node = &mut fork.node;
        }
    }

    /// Puts a node below this one.
    fn fork(&mut self, prefix: Vec<u8>, node: Self) {
        let Some(first) = prefix.first() else { return };
        self.set(kind::EDGE, true);
        let node = Box::new(node);
        self.forks
            .get_or_insert_default()
            .insert(*first, Fork { prefix, node });
    }

    /// What a path below this node refers to. Nodes that are read for it are not kept.
    pub(super) fn get(
        &self,
        store: &dyn ChunkStore,
        mut path: &[u8],
    ) -> Result<Option<Entry>, SwarmError> {
        let mut node = self;
        // As far as nodes are here.
        while let (Some(forks), Some(first)) = (&node.forks, path.first()) {
            match forks.get(first) {
                Some(fork) if path.starts_with(&fork.prefix) => {
                    path = &path[fork.prefix.len()..];
                    node = &fork.node;
                }
                _ => return Ok(None),
            }
        }
        if node.is_loaded() {
            return Ok(node.is_value().then(|| node.to_entry()));
        }
        // From here on none is: each is read, and left for the next.
        let mut fetched = Box::new(node.unloaded());
        loop {
            fetched.load(store)?;
            let Some(first) = path.first() else {
                return Ok(fetched.is_value().then(|| fetched.to_entry()));
            };
            let forks = fetched.forks.get_or_insert_default();
            match forks.remove(first) {
                Some(fork) if path.starts_with(&fork.prefix) => {
                    path = &path[fork.prefix.len()..];
                    fetched = fork.node;
                }
                _ => return Ok(None),
            }
        }
    }

    /// Removes a path below this node. Nodes without value or fork go with it, and one with a single
    /// fork and no value is joined with the node below where their prefixes fit one.
    pub(super) fn remove(
        &mut self,
        store: &dyn ChunkStore,
        path: &[u8],
    ) -> Result<Option<Entry>, SwarmError> {
        self.prepare(store, path, None)?;
        let mut removed = None;
        self.remove_prepared(path, &mut removed);
        Ok(removed)
    }

    /// As [`Self::remove`]. It calls itself once per node of the path, so it keeps little on the stack.
    fn remove_prepared(&mut self, path: &[u8], removed: &mut Option<Entry>) {
        if let Some(fork) = path
            .first()
            .and_then(|first| self.forks.as_mut()?.get_mut(first))
            && let Some(rest) = path.strip_prefix(&fork.prefix[..])
        {
            fork.node.remove_prepared(rest, removed);
            if removed.is_some() {
                self.tidy(path);
            }
        } else if path.is_empty() {
            self.take(removed);
        }
    }

    /// Drops or joins the node below that a path was removed from.
    fn tidy(&mut self, path: &[u8]) {
        self.saved = None;
        let (Some(first), Some(forks)) = (path.first(), &mut self.forks) else {
            return;
        };
        if let Some(fork) = forks.get_mut(first)
            && !fork.node.is_value()
        {
            // A node of a removed path is loaded.
            let below = fork.node.forks.get_or_insert_default();
            if below.is_empty() {
                forks.remove(first);
            } else if let Some(lone) = lone(below)
                && fork.prefix.len() + lone.prefix.len() <= PREFIX_BYTES_MAX
                && let Some((_, lone)) = below.pop_first()
            {
                fork.prefix.extend_from_slice(&lone.prefix);
                fork.node = lone.node;
                fork.node.mark_separator(&fork.prefix);
            }
        }
        let edge = !forks.is_empty();
        self.set(kind::EDGE, edge);
    }

    /// Takes the value, if there is one.
    fn take(&mut self, taken: &mut Option<Entry>) {
        if self.is_value() {
            self.set(kind::VALUE | kind::METADATA, false);
            self.saved = None;
            *taken = Some(Entry {
                reference: self.entry.take(),
                metadata: std::mem::take(&mut self.metadata),
            });
        }
    }

    /// Stores what has changed at and below this node, children first. It calls itself once per level, so
    /// it keeps little on the stack.
    pub(super) fn save(
        &mut self,
        store: &dyn ChunkStore,
        options: &SplitOptions<'_>,
    ) -> Result<(), SwarmError> {
        if self.saved.is_some() {
            return Ok(());
        }
        self.check_length(options)?;
        if let Some(forks) = &mut self.forks {
            for fork in forks.values_mut() {
                fork.node.save(store, options)?;
            }
        }
        self.save_alone(store, options)
    }

    /// Entries and nodes must have references of one length.
    fn check_length(&self, options: &SplitOptions<'_>) -> Result<(), SwarmError> {
        let bytes = reference_bytes(options.keys.is_some());
        if self.reference_bytes == 0 || self.reference_bytes == bytes {
            return Ok(());
        }
        let reason = format!(
            "its entries have references of {} bytes, and its nodes would have {bytes}",
            self.reference_bytes
        );
        Err(SwarmError::malformed("a manifest", reason))
    }

    /// Stores this node, below which all are stored.
    fn save_alone(
        &mut self,
        store: &dyn ChunkStore,
        options: &SplitOptions<'_>,
    ) -> Result<(), SwarmError> {
        let has_forks = self.forks.as_ref().is_some_and(|forks| !forks.is_empty());
        if self.reference_bytes == 0 && has_forks {
            self.reference_bytes = reference_bytes(options.keys.is_some());
        }
        let bytes = codec::encode(self)?;
        self.saved = Some(split(&bytes[..], store, options)?.reference());
        Ok(())
    }
}

/// The only fork there is.
fn lone(forks: &BTreeMap<u8, Fork>) -> Option<&Fork> {
    let mut forks = forks.values();
    forks.next().filter(|_| forks.next().is_none())
}

impl Drop for Node {
    /// Nodes below are dropped one after the other, not one within the other: chains may be long.
    fn drop(&mut self) {
        let mut below: Vec<BTreeMap<u8, Fork>> = self.forks.take().into_iter().collect();
        while let Some(forks) = below.pop() {
            below.extend(
                forks
                    .into_values()
                    .filter_map(|mut fork| fork.node.forks.take()),
            );
        }
    }
}

/// How many bytes two strings begin alike with.
fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
