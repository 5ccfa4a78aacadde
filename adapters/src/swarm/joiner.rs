//! Contents read back from their tree, from anywhere in them.
//!
//! Where every child begins follows from the root's span alone: a node's children are full subtrees,
//! the largest that are smaller than the node, and the last holds what is left. So each chunk is fetched
//! knowing how many bytes it must span, and one that spans others is refused. The depth is bounded by
//! the root's span and every chunk's bytes are checked against its address, so no tree can make a reader
//! hang or read what its reference does not name.
//!
//! Memory: a chunk per level, at most ten; [`Joiner::copy_to`] adds two buffers of half a MiB per thread.
//!
//! Rule: Bee `pkg/file/joiner`, `pkg/file/utils.go` (`ChunkAddresses`), `pkg/encryption/store/decrypt_store.go`.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::chunk::{self, Chunk};
use super::encrypt;
use super::pool::{Driver, in_order};
use super::reference::{Key, Reference};
use super::splitter::width;
use super::store::ChunkStore;
use super::{PAYLOAD_BYTES_MAX, SPAN_BYTES, SwarmError};

/// Bytes of a leaf at most.
const LEAF_BYTES: u64 = PAYLOAD_BYTES_MAX as u64;

/// A reader of contents. Each clone has its own position.
#[derive(Clone)]
pub struct Joiner<'s> {
    store: &'s dyn ChunkStore,
    root: Reference,
    len: u64,
    position: u64,
    /// The chunks from the root to the last leaf read, the root first; never empty.
    path: Vec<Open>,
}

impl std::fmt::Debug for Joiner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Joiner")
            .field("root", &self.root.address())
            .field("len", &self.len)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

/// A chunk that was fetched, and what it stands for.
#[derive(Clone)]
struct Open {
    /// The first byte of contents that it stands for.
    start: u64,
    /// How many bytes it stands for.
    span: u64,
    /// A leaf's contents, or a node's references; decrypted, and without padding.
    payload: Bytes,
}

impl<'s> Joiner<'s> {
    /// Reads the root of contents of any length.
    ///
    /// # Errors
    /// [`SwarmError::Missing`] and the other errors of a chunk that cannot be used.
    pub fn open(store: &'s dyn ChunkStore, reference: Reference) -> Result<Self, SwarmError> {
        let root = fetch(store, &reference, 0, None)?;
        Ok(Self {
            store,
            root: reference,
            len: root.span,
            position: 0,
            path: vec![root],
        })
    }

    /// Reads plain contents whose root is at hand, as it is in a feed's update or another single-owner
    /// chunk; the store need not have it.
    ///
    /// # Errors
    /// [`SwarmError::Shape`] or [`SwarmError::Redundancy`].
    pub fn of(store: &'s dyn ChunkStore, root: &Chunk) -> Result<Self, SwarmError> {
        let opened = open(root, None, 0, None)?;
        Ok(Self {
            store,
            root: root.address().into(),
            len: opened.span,
            position: 0,
            path: vec![opened],
        })
    }

    /// How many bytes the contents have, as the root says.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of the contents.
    ///
    /// # Errors
    /// [`SwarmError::TooLong`] beyond `len_max` bytes, before anything is allocated; otherwise as
    /// [`Self::read_at`].
    pub fn read_all(&mut self, len_max: usize) -> Result<Vec<u8>, SwarmError> {
        let len = usize::try_from(self.len)
            .ok()
            .filter(|len| *len <= len_max)
            .ok_or(SwarmError::TooLong {
                what: "the contents",
                bytes: self.len,
                max: len_max as u64,
            })?;
        let mut contents = vec![0; len];
        self.read_at(0, &mut contents)?;
        Ok(contents)
    }

    /// Fills `out` with the contents from `offset` on, and says how much of it: all, unless they end.
    ///
    /// # Errors
    /// [`SwarmError::Missing`], [`SwarmError::Corrupt`], [`SwarmError::Span`], [`SwarmError::Shape`],
    /// [`SwarmError::Redundancy`] or [`SwarmError::Store`]. What is in `out` then is not defined.
    pub fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, SwarmError> {
        let mut filled = 0;
        while filled < out.len() {
            let at = offset.saturating_add(filled as u64);
            if at >= self.len {
                break;
            }
            let (start, leaf) = self.leaf(at)?;
            // A leaf is at most 4,096 bytes long, and `at` is in it.
            let from = usize::try_from(at - start).unwrap_or(usize::MAX);
            let rest = leaf.get(from..).unwrap_or_default();
            let taken = rest.len().min(out.len() - filled);
            if taken == 0 {
                // Cannot be: each chunk spans what its parent needs. If it were, this would never end.
                return Err(SwarmError::malformed("a tree", "a leaf lacks a byte"));
            }
            out[filled..filled + taken].copy_from_slice(&rest[..taken]);
            filled += taken;
        }
        Ok(filled)
    }

    /// Writes a range of the contents, as much of it as there is, with a few threads that fetch, check
    /// and decrypt; says how many bytes it wrote.
    ///
    /// # Errors
    /// As [`Self::read_at`], or [`SwarmError::Io`] if `out` fails. What was written before is correct.
    pub fn copy_to(
        &self,
        range: Range<u64>,
        out: &mut dyn Write,
        threads: usize,
    ) -> Result<u64, SwarmError> {
        let until = range.end.min(self.len);
        let mut driver = Pieces {
            next: range.start,
            until,
            // A piece is what one node above leaves spans, so threads share few nodes.
            step: width(self.root.key().is_some()) as u64 * LEAF_BYTES,
            spare: Vec::new(),
            out,
            written: 0,
        };
        // No more threads than pieces.
        let pieces = until.saturating_sub(range.start).div_ceil(driver.step);
        let threads = threads.min(usize::try_from(pieces).unwrap_or(usize::MAX));
        let worker = || {
            let mut joiner = self.clone();
            move |(at, mut buffer): (u64, Vec<u8>)| {
                let read = joiner.read_at(at, &mut buffer);
                (read, buffer)
            }
        };
        in_order(threads, worker, &mut driver)?;
        Ok(driver.written)
    }

    /// The leaf that holds the byte at `offset`, and where it begins.
    fn leaf(&mut self, offset: u64) -> Result<(u64, &[u8]), SwarmError> {
        // The root holds every byte and stays.
        while self.path.len() > 1 && self.path.last().is_some_and(|open| !open.holds(offset)) {
            self.path.pop();
        }
        let encrypted = self.root.key().is_some();
        let mut depth = self.path.len() - 1;
        while let Some((reference, start, span)) = self.path[depth].child(offset, encrypted)? {
            let child = fetch(self.store, &reference, start, Some(span))?;
            self.path.push(child);
            depth += 1;
        }
        let leaf = &self.path[depth];
        Ok((leaf.start, &leaf.payload))
    }
}

impl Open {
    const fn holds(&self, offset: u64) -> bool {
        offset >= self.start && offset - self.start < self.span
    }

    /// The child that holds the byte at `offset`: its reference, where it begins and how much it must span.
    /// `None` if this is a leaf.
    fn child(
        &self,
        offset: u64,
        encrypted: bool,
    ) -> Result<Option<(Reference, u64, u64)>, SwarmError> {
        if self.span <= LEAF_BYTES {
            return Ok(None);
        }
        let full = child_span(self.span, encrypted);
        let index = (offset - self.start) / full;
        let before = index * full;
        let bytes = reference_bytes(encrypted);
        let from = usize::try_from(index)
            .unwrap_or(usize::MAX)
            .saturating_mul(bytes);
        let reference = self
            .payload
            .get(from..from.saturating_add(bytes))
            .unwrap_or_default();
        Ok(Some((
            Reference::from_bytes(reference)?,
            self.start + before,
            full.min(self.span - before),
        )))
    }
}

/// One chunk of a tree, and what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// How many bytes of contents it stands for.
    pub span: u64,
    /// How many bytes it has, its span's included.
    pub chunk_bytes: usize,
    /// The chunks below it, and how many bytes each must span; none for a leaf.
    pub children: Vec<(Reference, u64)>,
}

impl Branch {
    /// Whether a chunk that spans so many bytes is a leaf.
    pub const fn is_leaf(span: u64) -> bool {
        span <= LEAF_BYTES
    }

    /// Fetches the chunk at the top of a tree, or one that must span `expected` bytes, and checks it. A leaf is
    /// not decrypted.
    ///
    /// # Errors
    /// As [`Joiner::open`].
    pub fn fetch(
        store: &dyn ChunkStore,
        reference: &Reference,
        expected: Option<u64>,
    ) -> Result<Self, SwarmError> {
        let address = reference.address();
        let bytes = store
            .get(&address)?
            .ok_or(SwarmError::Missing { address })?;
        let chunk = Chunk::verify(address, bytes)?;
        let open = open(&chunk, reference.key(), 0, expected)?;
        let mut children = Vec::new();
        let encrypted = reference.key().is_some();
        let mut at = 0;
        while let Some((child, start, span)) = open.child(at, encrypted)? {
            children.push((child, span));
            at = start + span;
            if at >= open.span {
                break;
            }
        }
        Ok(Self {
            span: open.span,
            chunk_bytes: chunk.bytes().len(),
            children,
        })
    }
}

/// Length of the references in a node, in bytes.
pub(super) const fn reference_bytes(encrypted: bool) -> usize {
    PAYLOAD_BYTES_MAX / width(encrypted)
}

/// What every child but the last of a node with this span spans: the largest full subtree that is smaller
/// than the node.
fn child_span(span: u64, encrypted: bool) -> u64 {
    let width = width(encrypted) as u64;
    let mut child = LEAF_BYTES;
    // Ends after at most 9 rounds: `child` grows at least 64-fold.
    while child.saturating_mul(width) < span {
        child *= width;
    }
    child
}

/// Fetches a chunk, checks that it is the one named and spans what it must, and decrypts it.
fn fetch(
    store: &dyn ChunkStore,
    reference: &Reference,
    start: u64,
    expected: Option<u64>,
) -> Result<Open, SwarmError> {
    let address = reference.address();
    let bytes = store
        .get(&address)?
        .ok_or(SwarmError::Missing { address })?;
    let chunk = Chunk::verify(address, bytes)?;
    open(&chunk, reference.key(), start, expected)
}

/// Checks that a chunk spans what it must and has the payload for it, and decrypts it.
fn open(
    chunk: &Chunk,
    key: Option<Key>,
    start: u64,
    expected: Option<u64>,
) -> Result<Open, SwarmError> {
    let address = chunk.address();
    let span = chunk::decode_span(match key {
        Some(key) => encrypt::transform_span(key, chunk.span_bytes()),
        None => chunk.span_bytes(),
    })?;
    if let Some(expected) = expected
        && expected != span
    {
        return Err(SwarmError::Span {
            address,
            found: span,
            expected,
        });
    }
    let encrypted = key.is_some();
    let mut payload = chunk.payload();
    let len = payload_len(span, encrypted);
    // An encrypted payload is padded; a plain one is not.
    let stored = if encrypted { PAYLOAD_BYTES_MAX } else { len };
    if payload.len() != stored || len > payload.len() {
        return Err(SwarmError::Shape {
            address,
            span,
            bytes: payload.len(),
        });
    }
    if let Some(key) = key {
        let mut plain = BytesMut::from(&chunk.bytes()[SPAN_BYTES..SPAN_BYTES + len]);
        encrypt::transform(key, 0, &mut plain);
        payload = plain.freeze();
    }
    Ok(Open {
        start,
        span,
        payload,
    })
}

/// How many bytes of payload a chunk with this span has: contents, or references.
fn payload_len(span: u64, encrypted: bool) -> usize {
    let len = if span <= LEAF_BYTES {
        span
    } else {
        span.div_ceil(child_span(span, encrypted)) * reference_bytes(encrypted) as u64
    };
    // At most 4,096 by construction of `child_span`.
    usize::try_from(len).unwrap_or(usize::MAX)
}

type Piece = (u64, Vec<u8>);
type Filled = (Result<usize, SwarmError>, Vec<u8>);

/// A range of contents, piece by piece.
struct Pieces<'o> {
    next: u64,
    until: u64,
    step: u64,
    /// Buffers that can be filled again.
    spare: Vec<Vec<u8>>,
    out: &'o mut dyn Write,
    written: u64,
}

impl Driver<Piece, Filled, SwarmError> for Pieces<'_> {
    fn next(&mut self) -> Result<Option<Piece>, SwarmError> {
        if self.next >= self.until {
            return Ok(None);
        }
        let start = self.next;
        // To the next multiple of a step, where another node begins.
        let len = (self.step - start % self.step).min(self.until - start);
        self.next = start + len;
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
        Ok(Some((start, buffer)))
    }

    fn done(&mut self, (read, buffer): Filled) -> Result<(), SwarmError> {
        let read = read?;
        self.out.write_all(&buffer[..read])?;
        self.written += read as u64;
        self.spare.push(buffer);
        Ok(())
    }
}

impl Read for Joiner<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.read_at(self.position, out).map_err(io::Error::other)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Joiner<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a seek before the start")
        })?;
        Ok(self.position)
    }
}
