//! Manifests: paths, and what each of them refers to, as a trie of nodes. Version 0.2.
//!
//! A fork of a node is a prefix of up to 30 bytes and the node below it; longer ones are chained. Each
//! node is stored as contents of its own, so a manifest's reference is its root's.
//!
//! References equal Bee's when the same paths are inserted in the same order into a new manifest: the
//! mark of path separators depends on the order, and Bee's own rule is followed. [`Manifest::remove`]
//! differs from Bee's on purpose: it removes one path and not those that it is a prefix of.
//!
//! Rule: Bee `pkg/manifest/mantaray/{node,marshal,persist}.go`, `pkg/manifest/mantaray.go`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use self::node::Node;
use super::SwarmError;
use super::keccak::Hash;
use super::reference::Reference;
use super::splitter::SplitOptions;
use super::store::ChunkStore;

mod codec;
mod node;

/// Longest path, in bytes. Swarm has no such limit; it bounds how deep a hostile manifest can be.
pub const PATH_BYTES_MAX: usize = 1024;
/// The path whose metadata is about the whole manifest.
pub const ROOT_PATH: &[u8] = b"/";
/// Metadata of [`ROOT_PATH`]: the file that a folder shows.
pub const INDEX_DOCUMENT_KEY: &str = "website-index-document";
/// Metadata of [`ROOT_PATH`]: the file that is shown where there is none.
pub const ERROR_DOCUMENT_KEY: &str = "website-error-document";
/// Metadata of a file: its MIME type.
pub const CONTENT_TYPE_KEY: &str = "Content-Type";
/// Metadata of a file: its name, without folders.
pub const FILENAME_KEY: &str = "Filename";
/// What [`Manifest::walk`] may remember of nodes that it has not come to yet, in bytes.
const PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a path refers to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The contents, or none where a path has only metadata. Zeros are read back as none.
    pub reference: Option<Reference>,
    /// What is said about it. Keys are sorted when stored.
    pub metadata: BTreeMap<String, String>,
}

impl Entry {
    /// A file as Bee's upload describes it: its contents, MIME type and name without folders.
    pub fn file(reference: Reference, content_type: &str, name: &str) -> Self {
        let metadata = [(CONTENT_TYPE_KEY, content_type), (FILENAME_KEY, name)];
        Self {
            reference: Some(reference),
            metadata: metadata
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        }
    }

    /// What [`ROOT_PATH`] says about a site.
    pub fn site(index_document: Option<&str>, error_document: Option<&str>) -> Self {
        let documents = [
            (INDEX_DOCUMENT_KEY, index_document),
            (ERROR_DOCUMENT_KEY, error_document),
        ];
        Self {
            reference: None,
            metadata: documents
                .into_iter()
                .filter_map(|(key, path)| Some((key.to_owned(), path?.to_owned())))
                .collect(),
        }
    }
}

/// What is done with each path of a walk, and what it refers to.
pub type Visit<'v> = &'v mut dyn FnMut(&[u8], Entry) -> Result<(), SwarmError>;

/// As [`Visit`], and whether to go on.
type VisitWhile<'v> = &'v mut dyn FnMut(&[u8], Entry) -> Result<ControlFlow<()>, SwarmError>;

/// A manifest: what was inserted in memory, and the rest in a store until it is needed.
#[derive(Debug)]
pub struct Manifest {
    root: Node,
}

impl Default for Manifest {
    fn default() -> Self {
        Self::new([0; 32])
    }
}

impl Manifest {
    /// A manifest without paths. `obfuscation` is added to its nodes bit by bit: zeros in a plain
    /// manifest, random bytes in an encrypted one.
    pub const fn new(obfuscation: Hash) -> Self {
        Self {
            root: Node::new(obfuscation, 0),
        }
    }

    /// A stored manifest, of which the root is read now.
    ///
    /// # Errors
    /// [`SwarmError::Malformed`] and the errors of
    /// [`Joiner::read_at`](super::joiner::Joiner::read_at).
    pub fn open(store: &dyn ChunkStore, reference: Reference) -> Result<Self, SwarmError> {
        let mut root = Node::stored(reference);
        root.load(store)?;
        Ok(Self { root })
    }

    /// Makes a path refer to `entry`, and to nothing that it did before.
    ///
    /// # Errors
    /// [`SwarmError::Malformed`] for an empty path, or a reference of another length than those that are
    /// there; [`SwarmError::TooLong`] beyond [`PATH_BYTES_MAX`]; errors of reading nodes. Then no path has
    /// changed.
    pub fn insert(
        &mut self,
        store: &dyn ChunkStore,
        path: &[u8],
        entry: Entry,
    ) -> Result<(), SwarmError> {
        check(path)?;
        self.root.insert(store, path, entry)
    }

    /// What a path refers to.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn get(&self, store: &dyn ChunkStore, path: &[u8]) -> Result<Option<Entry>, SwarmError> {
        if path.is_empty() || path.len() > PATH_BYTES_MAX {
            return Ok(None);
        }
        self.root.get(store, path)
    }

    /// Removes a path and gives what it referred to. Paths that it is a prefix of stay.
    ///
    /// # Errors
    /// As [`Self::open`]. Then no path has changed.
    pub fn remove(
        &mut self,
        store: &dyn ChunkStore,
        path: &[u8],
    ) -> Result<Option<Entry>, SwarmError> {
        if path.is_empty() || path.len() > PATH_BYTES_MAX {
            return Ok(None);
        }
        self.root.remove(store, path)
    }

    /// Visits every path that begins with `prefix`, in the order of their bytes, and reads at most
    /// `nodes_max` nodes for it: a few hundred stored bytes can stand for any number of paths.
    ///
    /// # Errors
    /// [`SwarmError::TooMany`], [`SwarmError::TooLong`], as [`Self::open`], or what `visit` returns.
    pub fn walk(
        &self,
        store: &dyn ChunkStore,
        prefix: &[u8],
        nodes_max: usize,
        visit: Visit<'_>,
    ) -> Result<(), SwarmError> {
        self.walk_while(store, prefix, nodes_max, &mut |path, entry| {
            visit(path, entry).map(ControlFlow::Continue)
        })
    }

    /// The first path that begins with `prefix`, and what it refers to.
    ///
    /// # Errors
    /// As [`Self::walk`].
    pub fn first(
        &self,
        store: &dyn ChunkStore,
        prefix: &[u8],
        nodes_max: usize,
    ) -> Result<Option<(Vec<u8>, Entry)>, SwarmError> {
        let mut first = None;
        self.walk_while(store, prefix, nodes_max, &mut |path, entry| {
            first = Some((path.to_vec(), entry));
            Ok(ControlFlow::Break(()))
        })?;
        Ok(first)
    }

    /// As [`Self::walk`], until `visit` says that it is enough.
    fn walk_while(
        &self,
        store: &dyn ChunkStore,
        prefix: &[u8],
        nodes_max: usize,
        visit: VisitWhile<'_>,
    ) -> Result<(), SwarmError> {
        let mut walk = Walk {
            prefix,
            nodes_left: nodes_max,
            pending: Vec::new(),
            pending_bytes: 0,
        };
        let too_many = || SwarmError::TooMany { max: nodes_max };
        walk.push(Vec::new(), At::Kept(&self.root))?;
        while let Some((path, node)) = walk.pop() {
            match node {
                At::Kept(node) if node.is_loaded() => {
                    if node.is_value()
                        && path.starts_with(prefix)
                        && !path.is_empty()
                        && visit(&path, node.to_entry())?.is_break()
                    {
                        return Ok(());
                    }
                    for (part, child) in node.children().rev() {
                        walk.child(&path, part, At::Kept(child), too_many)?;
                    }
                }
                node => {
                    let mut node = node.into_owned();
                    node.load(store)?;
                    if node.is_value()
                        && path.starts_with(prefix)
                        && !path.is_empty()
                        && visit(&path, node.to_entry())?.is_break()
                    {
                        return Ok(());
                    }
                    for (part, child) in node.into_children().rev() {
                        walk.child(&path, &part, At::Fetched(child), too_many)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Stores the nodes that have changed, and gives the manifest's reference.
    ///
    /// # Errors
    /// [`SwarmError::Malformed`] if nodes would have references of another length than entries (encrypted
    /// entries need keys in `options`), [`SwarmError::TooLong`] for more metadata than fits, or as
    /// [`split`](super::splitter::split).
    pub fn save(
        &mut self,
        store: &dyn ChunkStore,
        options: &SplitOptions<'_>,
    ) -> Result<Reference, SwarmError> {
        self.root.save(store, options)?;
        self.root
            .saved
            .ok_or_else(|| SwarmError::malformed("a manifest", "its root was not stored"))
    }
}

/// One node as it is stored: for whoever goes through a manifest node by node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNode {
    /// What the path that ends here refers to, if one does.
    pub entry: Option<Reference>,
    /// What is below, by the bytes that lead there.
    pub forks: Vec<StoredFork>,
}

/// What leads from one stored node to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFork {
    /// The bytes that are added to the path.
    pub prefix: Vec<u8>,
    /// The node below.
    pub node: Reference,
    /// Whether a path ends there.
    pub is_value: bool,
    /// What is said about that path.
    pub metadata: BTreeMap<String, String>,
}

impl StoredNode {
    /// Reads a node.
    ///
    /// # Errors
    /// As [`Manifest::open`].
    pub fn read(store: &dyn ChunkStore, reference: Reference) -> Result<Self, SwarmError> {
        let mut node = Node::stored(reference);
        node.load(store)?;
        let entry = node.entry;
        let forks = node.into_children().filter_map(|(prefix, mut below)| {
            Some(StoredFork {
                prefix,
                node: below.saved?,
                is_value: below.is_value(),
                metadata: std::mem::take(&mut below.metadata),
            })
        });
        Ok(Self {
            entry,
            forks: forks.collect(),
        })
    }
}

/// A node that a walk comes to.
enum At<'m> {
    /// One of the manifest's own.
    Kept(&'m Node),
    /// One that the walk has read.
    Fetched(Box<Node>),
}

impl At<'_> {
    fn metadata_bytes(&self) -> usize {
        match self {
            Self::Kept(_) => 0,
            Self::Fetched(node) => node.metadata_bytes(),
        }
    }

    /// The node itself, without what is below it if it is the manifest's.
    fn into_owned(self) -> Box<Node> {
        match self {
            Self::Kept(node) => Box::new(node.unloaded()),
            Self::Fetched(node) => node,
        }
    }
}

/// What a walk has yet to come to.
struct Walk<'m> {
    prefix: &'m [u8],
    nodes_left: usize,
    /// The last is the next.
    pending: Vec<(Vec<u8>, At<'m>)>,
    /// About how much memory `pending` takes.
    pending_bytes: usize,
}

impl<'m> Walk<'m> {
    fn cost(path: &[u8], node: &At<'_>) -> usize {
        size_of::<Node>() + path.len() + node.metadata_bytes()
    }

    fn pop(&mut self) -> Option<(Vec<u8>, At<'m>)> {
        let (path, node) = self.pending.pop()?;
        self.pending_bytes -= Self::cost(&path, &node);
        Some((path, node))
    }

    fn push(&mut self, path: Vec<u8>, node: At<'m>) -> Result<(), SwarmError> {
        self.pending_bytes += Self::cost(&path, &node);
        if self.pending_bytes > PENDING_BYTES_MAX {
            return Err(SwarmError::TooLong {
                what: "what is left of the manifest",
                bytes: self.pending_bytes as u64,
                max: PENDING_BYTES_MAX as u64,
            });
        }
        self.pending.push((path, node));
        Ok(())
    }

    /// Remembers a child if it may be on the way to the prefix or lies below it.
    fn child(
        &mut self,
        path: &[u8],
        part: &[u8],
        node: At<'m>,
        too_many: impl Fn() -> SwarmError,
    ) -> Result<(), SwarmError> {
        let path = [path, part].concat();
        if !path.starts_with(self.prefix) && !self.prefix.starts_with(&path) {
            return Ok(());
        }
        check(&path)?;
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or_else(too_many)?;
        self.push(path, node)
    }
}

fn check(path: &[u8]) -> Result<(), SwarmError> {
    if path.is_empty() {
        return Err(SwarmError::malformed("a manifest's path", "it is empty"));
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(SwarmError::TooLong {
            what: "a manifest's path",
            bytes: path.len() as u64,
            max: PATH_BYTES_MAX as u64,
        });
    }
    Ok(())
}
