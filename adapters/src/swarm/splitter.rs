//! Contents of any length as a tree of chunks.
//!
//! Leaves hold 4,096 bytes each; a node above holds the references of 128 children (64 where they are
//! encrypted) and spans the bytes below it. A lone last reference of a level is not wrapped in a node of its
//! own but carried up as it is. The root's reference names the contents.
//!
//! Memory does not depend on the length: a few buffers of half a MiB per thread, and a node per level.
//! The references do not depend on the number of threads.
//!
//! Rule: Bee `pkg/file/pipeline/{feeder,hashtrie}`.

use std::io::{self, Read};
use std::ops::Range;

use super::encrypt::{self, Keys};
use super::pool::{Driver, in_order};
use super::reference::{Address, Recorded, Redundancy, Reference};
use super::store::{ChunkStore, Nowhere};
use super::{PAYLOAD_BYTES_MAX, SPAN_BYTES, SwarmError, bmt};

/// How contents are split. By default: one thread, level 0, not encrypted.
#[derive(Clone, Copy, Default)]
pub struct SplitOptions<'a> {
    /// How many threads hash; 0 and 1 are this one, and more than 32 are as 32.
    pub threads: usize,
    /// How much of the tree may be lost. Only level 0 is supported.
    pub redundancy: Redundancy,
    /// Where keys come from, if the contents are encrypted.
    pub keys: Option<&'a dyn Keys>,
}

impl std::fmt::Debug for SplitOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SplitOptions")
            .field("threads", &self.threads)
            .field("redundancy", &self.redundancy)
            .field("encrypted", &self.keys.is_some())
            .finish()
    }
}

/// What became of contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// What names them, and at which level.
    pub recorded: Recorded,
    /// How many bytes there were.
    pub len: u64,
}

impl Split {
    /// What names the contents.
    pub const fn reference(&self) -> Reference {
        self.recorded.reference
    }
}

/// The reference of contents, with nothing stored: what `medium pod hash` prints.
///
/// # Errors
/// [`SwarmError::Io`] if `input` fails.
///
/// ```
/// # use adapters::swarm::splitter::hash;
/// let split = hash(&b"hello world"[..], 1)?;
/// assert_eq!(
///     split.reference().to_string(),
///     "92672a471f4419b255d7cb0cf313474a6f5856fb347c5ece85fb706d644b630f"
/// );
/// # Ok::<(), adapters::swarm::SwarmError>(())
/// ```
pub fn hash(input: impl Read, threads: usize) -> Result<Split, SwarmError> {
    let options = SplitOptions {
        threads,
        ..SplitOptions::default()
    };
    split(input, &Nowhere, &options)
}

/// Stores contents as chunks, children before their parents and the root last.
///
/// # Errors
/// [`SwarmError::Redundancy`], [`SwarmError::Io`] if `input` fails, [`SwarmError::Store`] or
/// [`SwarmError::Key`]. What was stored until then stays in the store.
pub fn split(
    input: impl Read,
    store: &dyn ChunkStore,
    options: &SplitOptions<'_>,
) -> Result<Split, SwarmError> {
    options.redundancy.supported()?;
    let sealer = Sealer {
        store,
        keys: options.keys,
    };
    let width = width(options.keys.is_some());
    let mut trunk = Trunk {
        sealer,
        width,
        levels: Vec::new(),
    };
    let mut source = Source {
        input,
        ended: false,
    };
    let mut first = vec![0; width * PAYLOAD_BYTES_MAX];
    let filled = source.fill(&mut first)?;
    if source.ended {
        // One node or none: no thread is worth its start.
        trunk.push(0, sealer.branch(&first[..filled])?)?;
    } else {
        trunk.push(0, sealer.branch(&first)?)?;
        let mut driver = Branches {
            source,
            trunk: &mut trunk,
            spare: vec![first],
        };
        let work = || {
            move |mut job: Job| {
                let node = sealer.branch(&job.buffer[..job.filled]);
                job.filled = 0;
                (node, job.buffer)
            }
        };
        in_order(options.threads, work, &mut driver)?;
    }
    let root = trunk.finish()?;
    Ok(Split {
        recorded: Recorded {
            reference: root.reference,
            redundancy: options.redundancy,
        },
        len: root.span,
    })
}

/// How many references a node holds.
pub(super) const fn width(encrypted: bool) -> usize {
    let reference = if encrypted {
        Reference::ENCRYPTED_BYTES
    } else {
        Reference::PLAIN_BYTES
    };
    PAYLOAD_BYTES_MAX / reference
}

/// A chunk that was made, and how many bytes it spans.
#[derive(Clone, Copy)]
struct Node {
    reference: Reference,
    span: u64,
}

/// Makes chunks and stores them.
#[derive(Clone, Copy)]
struct Sealer<'a> {
    store: &'a dyn ChunkStore,
    keys: Option<&'a dyn Keys>,
}

/// Chunks on their way to the store.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    chunks: Vec<(Address, Range<usize>)>,
}

impl Sealer<'_> {
    /// The leaves of at most one node's worth of contents, and the node above them unless there is one
    /// leaf only. No contents are one empty leaf.
    fn branch(&self, contents: &[u8]) -> Result<Node, SwarmError> {
        let mut kept = Kept::default();
        if self.store.keeps() {
            kept.bytes
                .reserve(contents.len() + contents.len() / 256 + 2 * PAYLOAD_BYTES_MAX);
        }
        let root = if contents.len() <= PAYLOAD_BYTES_MAX {
            self.seal(contents.len() as u64, contents, &mut kept)?
        } else {
            let mut children = Vec::with_capacity(PAYLOAD_BYTES_MAX);
            for leaf in contents.chunks(PAYLOAD_BYTES_MAX) {
                self.seal(leaf.len() as u64, leaf, &mut kept)?
                    .reference
                    .write_to(&mut children);
            }
            self.seal(contents.len() as u64, &children, &mut kept)?
        };
        self.put(&kept)?;
        Ok(root)
    }

    /// The node above `children`.
    fn fold(&self, children: &[Node]) -> Result<Node, SwarmError> {
        let mut payload = Vec::with_capacity(PAYLOAD_BYTES_MAX);
        let mut span: u64 = 0;
        for child in children {
            child.reference.write_to(&mut payload);
            span = span.checked_add(child.span).ok_or(SwarmError::TooLong {
                what: "contents",
                bytes: u64::MAX,
                max: u64::MAX,
            })?;
        }
        let mut kept = Kept::default();
        let node = self.seal(span, &payload, &mut kept)?;
        self.put(&kept)?;
        Ok(node)
    }

    fn seal(&self, span: u64, payload: &[u8], kept: &mut Kept) -> Result<Node, SwarmError> {
        let reference = if let Some(keys) = self.keys {
            let key = keys.key(span, payload)?;
            let (span, payload) = encrypt::seal(key, span, payload)?;
            Reference::Encrypted(self.keep(span, &payload, kept)?, key)
        } else {
            Reference::Plain(self.keep(span.to_le_bytes(), payload, kept)?)
        };
        Ok(Node { reference, span })
    }

    fn keep(
        &self,
        span: [u8; SPAN_BYTES],
        payload: &[u8],
        kept: &mut Kept,
    ) -> Result<Address, SwarmError> {
        let address = bmt::address(span, payload)?;
        if self.store.keeps() {
            let start = kept.bytes.len();
            kept.bytes.extend_from_slice(&span);
            kept.bytes.extend_from_slice(payload);
            kept.chunks.push((address, start..kept.bytes.len()));
        }
        Ok(address)
    }

    fn put(&self, kept: &Kept) -> Result<(), SwarmError> {
        if kept.chunks.is_empty() {
            return Ok(());
        }
        let chunks: Vec<(Address, &[u8])> = kept
            .chunks
            .iter()
            .map(|(address, range)| (*address, &kept.bytes[range.clone()]))
            .collect();
        Ok(self.store.put(&chunks)?)
    }
}

/// The nodes that wait for their siblings, level by level.
struct Trunk<'a> {
    sealer: Sealer<'a>,
    width: usize,
    levels: Vec<Vec<Node>>,
}

impl Trunk<'_> {
    fn push(&mut self, mut level: usize, mut node: Node) -> Result<(), SwarmError> {
        loop {
            if level == self.levels.len() {
                self.levels.push(Vec::with_capacity(self.width));
            }
            let nodes = &mut self.levels[level];
            nodes.push(node);
            if nodes.len() < self.width {
                return Ok(());
            }
            node = self.sealer.fold(nodes)?;
            nodes.clear();
            level += 1;
        }
    }

    /// The root. A lone node is carried up; others are folded.
    fn finish(mut self) -> Result<Node, SwarmError> {
        let mut carried: Option<Node> = None;
        for nodes in &mut self.levels {
            nodes.extend(carried);
            carried = match nodes.as_slice() {
                [] => None,
                [lone] => Some(*lone),
                many => Some(self.sealer.fold(many)?),
            };
        }
        match carried {
            Some(root) => Ok(root),
            None => self.sealer.branch(&[]),
        }
    }
}

/// What is read, until it has ended.
struct Source<R> {
    input: R,
    ended: bool,
}

impl<R: Read> Source<R> {
    /// Reads until `buffer` is full or the input has ended.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() && !self.ended {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => self.ended = true,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// One node's worth of contents.
struct Job {
    buffer: Vec<u8>,
    filled: usize,
}

struct Branches<'t, 'a, R> {
    source: Source<R>,
    trunk: &'t mut Trunk<'a>,
    /// Buffers that can be filled again.
    spare: Vec<Vec<u8>>,
}

type Sealed = (Result<Node, SwarmError>, Vec<u8>);

impl<R: Read> Driver<Job, Sealed, SwarmError> for Branches<'_, '_, R> {
    fn next(&mut self) -> Result<Option<Job>, SwarmError> {
        let mut buffer = self
            .spare
            .pop()
            .unwrap_or_else(|| vec![0; self.trunk.width * PAYLOAD_BYTES_MAX]);
        let filled = self.source.fill(&mut buffer)?;
        Ok((filled > 0).then_some(Job { buffer, filled }))
    }

    fn done(&mut self, (node, buffer): Sealed) -> Result<(), SwarmError> {
        self.spare.push(buffer);
        self.trunk.push(0, node?)
    }
}

/// The tree over parts that were split before, each as high as the others but the last, so that a test can
/// have high trees without hashing equal parts again.
#[cfg(test)]
pub(super) fn over(
    parts: impl Iterator<Item = Split>,
    store: &dyn ChunkStore,
    options: &SplitOptions<'_>,
) -> Result<Split, SwarmError> {
    let mut trunk = Trunk {
        sealer: Sealer {
            store,
            keys: options.keys,
        },
        width: width(options.keys.is_some()),
        levels: Vec::new(),
    };
    for part in parts {
        let (reference, span) = (part.reference(), part.len);
        trunk.push(0, Node { reference, span })?;
    }
    let root = trunk.finish()?;
    Ok(Split {
        recorded: Recorded {
            reference: root.reference,
            redundancy: Redundancy::None,
        },
        len: root.span,
    })
}
