//! Every chunk that a reference leads to.
//!
//! Trees and manifests share chunks, and a hostile one can name the same part again and again: each node is gone into
//! once, so the work is bounded by what is stored.

use std::collections::HashSet;

use super::PodsError;
use crate::swarm::joiner::Branch;
use crate::swarm::mantaray::StoredNode;
use crate::swarm::store::ChunkStore;
use crate::swarm::{Address, Reference, SwarmError};

/// Most nodes, of trees and of manifests, that are gone into: contents of half a TiB, or as many paths as a manifest of
/// some GiB has. Bounds memory at about 300 MB where a store is that large.
pub const NODES_MAX: usize = 4_194_304;

/// What is done with a chunk.
pub type Visit<'v> = &'v mut dyn FnMut(&Address) -> Result<(), PodsError>;

/// Visits every chunk of what a reference names, once or more often: of a manifest with all that it refers to, of other
/// contents their tree. Leaves are named without being read.
///
/// # Errors
/// A chunk that is missing or damaged, [`SwarmError::TooMany`], or what `visit` says.
pub fn each(store: &dyn ChunkStore, root: &Reference, visit: Visit<'_>) -> Result<(), PodsError> {
    let mut seen = Seen::default();
    contents(store, root, &mut seen, visit)?;
    if StoredNode::read(store, *root).is_ok() {
        manifest(store, *root, &mut seen, visit)?;
    }
    Ok(())
}

/// Visits every chunk of contents, whatever they are.
///
/// # Errors
/// As [`each`].
pub(super) fn contents_alone(
    store: &dyn ChunkStore,
    root: &Reference,
    visit: Visit<'_>,
) -> Result<(), PodsError> {
    contents(store, root, &mut Seen::default(), visit)
}

/// Visits every chunk of a manifest, and of what it refers to.
fn manifest(
    store: &dyn ChunkStore,
    root: Reference,
    seen: &mut Seen,
    visit: Visit<'_>,
) -> Result<(), PodsError> {
    let mut pending = vec![root];
    let mut nodes = HashSet::new();
    while let Some(reference) = pending.pop() {
        let node = StoredNode::read(store, reference)?;
        if let Some(entry) = &node.entry {
            contents(store, entry, seen, visit)?;
        }
        for fork in node.forks {
            if nodes.len() >= NODES_MAX {
                return Err(SwarmError::TooMany { max: NODES_MAX }.into());
            }
            if nodes.insert(fork.node.address()) {
                contents(store, &fork.node, seen, visit)?;
                pending.push(fork.node);
            }
        }
    }
    Ok(())
}

/// Visits every chunk of a tree.
fn contents(
    store: &dyn ChunkStore,
    root: &Reference,
    seen: &mut Seen,
    visit: Visit<'_>,
) -> Result<(), PodsError> {
    let mut pending = vec![(*root, None)];
    while let Some((reference, expected)) = pending.pop() {
        let address = reference.address();
        visit(&address)?;
        if expected.is_some_and(Branch::is_leaf) || !seen.is_new(address)? {
            continue;
        }
        let branch = Branch::fetch(store, &reference, expected)?;
        pending.extend(
            branch
                .children
                .into_iter()
                .rev()
                .map(|(child, span)| (child, Some(span))),
        );
    }
    Ok(())
}

/// Nodes that were gone into.
#[derive(Debug, Default)]
pub(super) struct Seen(HashSet<Address>);

impl Seen {
    /// Whether this node has not been gone into; it has now.
    pub(super) fn is_new(&mut self, address: Address) -> Result<bool, PodsError> {
        if self.0.len() >= NODES_MAX {
            return Err(SwarmError::TooMany { max: NODES_MAX }.into());
        }
        Ok(self.0.insert(address))
    }
}
