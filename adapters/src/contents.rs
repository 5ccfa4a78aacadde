//! Large contents: plain files, named by their digest and verified per 16 KiB.
//!
//! `contents/ab/<hex>` holds the bytes as they are, so that any program can read them. Beside it
//! `<hex>.obao` holds the inner hashes of the BLAKE3 tree down to groups of 16 KiB, in post-order, and
//! then the length as `u64`, little-endian: what bao-tree calls an outboard with suffix. The root of
//! that tree is the plain BLAKE3 digest of the bytes, so a range is proven with a few hashes and
//! without reading the rest.
//!
//! An empty `<hex>.pin` keeps the contents when nothing else does.
//!
//! Everything here blocks; from async code call it in `spawn_blocking`. One [`Contents`] owns its
//! folder: opening one clears away what a killed node was writing.

use std::fmt;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bao_tree::io::outboard::PostOrderOutboard;
use bao_tree::io::sync::{Outboard, outboard_post_order};
use bao_tree::iter::BaoChunk;
use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRanges};
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use bytes::Bytes;
use fs_err::File;
use fs_err::os::unix::fs::FileExt;
use genesis::id::Digest;

pub use self::error::ContentsError;
pub use self::reader::ContentsReader;
use crate::store::folder::{create_private, private_file, sync_dir};

mod error;
mod port;
mod reader;

/// Bytes that are verified together.
pub const GROUP_BYTES: u64 = 16 * 1024;
/// `log2` of the 1,024-byte chunks in a group.
const GROUP: BlockSize = BlockSize::from_chunk_log(4);
/// What a [`ContentsReader`] reads and verifies at a time, in bytes.
const WINDOW_BYTES: usize = 256 * 1024;
/// What a [`ContentsWriter`] collects before it writes, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;
/// The length behind the hashes, in bytes.
const SUFFIX_BYTES: usize = 8;
const OUTBOARD: &str = "obao";
/// An empty file beside contents that the owner wants kept.
const PIN: &str = "pin";

/// The large contents of a node. Clones share them.
#[derive(Clone, Debug)]
pub struct Contents {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `contents` in the data folder.
    dir: PathBuf,
    bytes_max: u64,
    /// Tells the files apart that are being written.
    writers: AtomicU64,
}

impl Contents {
    /// Opens the contents in a data folder, or makes room for them, and removes what was left
    /// unfinished. Contents of more than `bytes_max` bytes are refused
    /// ([`CONTENTS_POLICY_MAX`](genesis::limits::CONTENTS_POLICY_MAX) unless the owner says otherwise).
    ///
    /// # Errors
    /// [`ContentsError::Io`] or [`ContentsError::Full`].
    pub fn open(dir: &Path, bytes_max: u64) -> Result<Self, ContentsError> {
        let dir = dir.join("contents");
        let tmp = dir.join("tmp");
        match fs_err::remove_dir_all(&tmp) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => create_private(&tmp)?,
        }
        Ok(Self {
            inner: Arc::new(Inner {
                dir,
                bytes_max,
                writers: AtomicU64::new(0),
            }),
        })
    }

    /// Begins to store contents of unknown length and digest.
    ///
    /// # Errors
    /// [`ContentsError::Io`] or [`ContentsError::Full`].
    pub fn writer(&self) -> Result<ContentsWriter, ContentsError> {
        let number = self.inner.writers.fetch_add(1, Ordering::Relaxed);
        let tmp = Tmp(self.inner.dir.join("tmp").join(number.to_string()));
        let file = private_file().truncate(true).open(&tmp.0)?;
        Ok(ContentsWriter {
            contents: self.clone(),
            tmp,
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            hasher: Box::default(),
            len: 0,
            expected: None,
            failed: None,
        })
    }

    /// Reads `len` bytes from `offset` on, or fewer where the contents end; each group of 16 KiB
    /// that they touch is verified first.
    ///
    /// Memory: the bytes asked for and one group. Cost beside them: 64 bytes per level of the tree.
    ///
    /// # Errors
    /// [`ContentsError::Missing`]; [`ContentsError::Corrupt`] if what was asked for, or a hash that
    /// proves it, is damaged.
    pub fn read(&self, digest: Digest, offset: u64, len: usize) -> Result<Bytes, ContentsError> {
        self.stored(digest)?.read(offset, len)
    }

    /// Reads contents from the beginning to the end, in constant memory; what comes out is verified.
    ///
    /// # Errors
    /// [`ContentsError::Missing`], [`ContentsError::Corrupt`] or [`ContentsError::Io`].
    pub fn reader(&self, digest: Digest) -> Result<ContentsReader, ContentsError> {
        self.stored(digest).map(ContentsReader::new)
    }

    /// Keeps contents, or no longer, whatever else needs them; says whether they are here.
    ///
    /// # Errors
    /// [`ContentsError::Io`] or [`ContentsError::Full`].
    pub fn pin(&self, digest: Digest, on: bool) -> Result<bool, ContentsError> {
        let path = self.inner.path(digest);
        if !path.try_exists()? {
            return Ok(false);
        }
        let pin = path.with_extension(PIN);
        if on {
            private_file().open(&pin)?.sync_all()?;
        } else {
            removed(&pin)?;
        }
        path.parent().map_or(Ok(()), sync_dir)?;
        Ok(true)
    }

    /// Where the files are.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// How many bytes the contents have, or `None` if they are not here.
    ///
    /// # Errors
    /// [`ContentsError::Corrupt`] if the file has another length than was written.
    pub fn len(&self, digest: Digest) -> Result<Option<u64>, ContentsError> {
        match self.stored(digest) {
            Ok(stored) => Ok(Some(stored.len)),
            Err(ContentsError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes contents, and says whether there were any. Whoever is reading them reads on.
    ///
    /// # Errors
    /// [`ContentsError::Io`].
    pub fn remove(&self, digest: Digest) -> Result<bool, ContentsError> {
        let path = self.inner.path(digest);
        // Without the data the hashes are nothing: what a crash leaves of them, the next writer
        // replaces.
        let was_there = removed(&path)?;
        removed(&path.with_extension(OUTBOARD))?;
        removed(&path.with_extension(PIN))?;
        if was_there && let Some(dir) = path.parent() {
            sync_dir(dir)?;
        }
        Ok(was_there)
    }

    /// At most `limit` contents and their lengths, by digest, beginning behind `after`.
    ///
    /// # Errors
    /// [`ContentsError::Io`].
    pub fn ls(
        &self,
        after: Option<Digest>,
        limit: usize,
    ) -> Result<Vec<(Digest, u64)>, ContentsError> {
        let mut found = Vec::new();
        let first = after.map_or(0, |digest| digest.0[0]);
        for byte in first..=u8::MAX {
            let mut here = Vec::new();
            self.inner.each_file(byte, |name, path| {
                if let Ok(digest) = name.parse::<Digest>()
                    && after.is_none_or(|after| digest > after)
                {
                    here.push((digest, fs_err::metadata(path)?.len()));
                }
                Ok(())
            })?;
            here.sort_unstable();
            here.truncate(limit - found.len());
            found.append(&mut here);
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    /// How many bytes all contents and their hashes have. Cost: looks at every file.
    ///
    /// # Errors
    /// [`ContentsError::Io`].
    pub fn bytes_on_disk(&self) -> Result<u64, ContentsError> {
        let mut bytes = 0;
        for byte in 0..=u8::MAX {
            self.inner.each_file(byte, |_, path| {
                bytes += fs_err::metadata(path)?.len();
                Ok(())
            })?;
        }
        Ok(bytes)
    }

    /// Reads contents whole, for nothing but to see whether they are sound.
    ///
    /// # Errors
    /// The first [`ContentsError::Corrupt`], or why they cannot be read.
    pub fn verify(&self, digest: Digest) -> Result<(), ContentsError> {
        let stored = self.stored(digest)?;
        let mut offset = 0;
        while offset < stored.len {
            offset += stored.read(offset, WINDOW_BYTES)?.len() as u64;
        }
        Ok(())
    }

    fn stored(&self, digest: Digest) -> Result<Stored, ContentsError> {
        let path = self.inner.path(digest);
        let data = match File::open(&path) {
            Ok(data) => data,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ContentsError::Missing { digest });
            }
            Err(error) => return Err(error.into()),
        };
        let len = data.metadata()?.len();
        let tree = BaoTree::new(len, GROUP);
        let corrupt = |what| ContentsError::Corrupt {
            digest,
            from: 0,
            until: len,
            what,
        };
        let hashes = match File::open(path.with_extension(OUTBOARD)) {
            Ok(hashes) => hashes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(corrupt("their hashes are gone"));
            }
            Err(error) => return Err(error.into()),
        };
        let mut suffix = [0; SUFFIX_BYTES];
        let hashes_len = hashes.metadata()?.len();
        let Some(at) = hashes_len.checked_sub(SUFFIX_BYTES as u64) else {
            return Err(corrupt("their hashes are cut off"));
        };
        hashes.read_exact_at(&mut suffix, at)?;
        let expected = u64::from_le_bytes(suffix);
        if expected != len {
            let (from, until) = (expected.min(len), expected.max(len));
            let what = "the file has another length than was written";
            return Err(ContentsError::Corrupt {
                digest,
                from,
                until,
                what,
            });
        }
        if tree.outboard_size() != at {
            return Err(corrupt("their hashes have the wrong length"));
        }
        let root = blake3::Hash::from_bytes(digest.0);
        let hashes = PostOrderOutboard {
            root,
            tree,
            data: hashes.into_file(),
        };
        Ok(Stored {
            digest,
            len,
            data,
            hashes,
        })
    }
}

impl Inner {
    fn path(&self, digest: Digest) -> PathBuf {
        let hex = digest.to_string();
        self.dir.join(&hex[..2]).join(hex)
    }

    /// Visits the files of contents whose digest begins with a byte.
    fn each_file(
        &self,
        byte: u8,
        mut visit: impl FnMut(&str, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let entries = match fs_err::read_dir(self.dir.join(format!("{byte:02x}"))) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let visited = name
                .to_str()
                .map_or(Ok(()), |name| visit(name, &entry.path()));
            match visited {
                // Somebody removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                visited => visited?,
            }
        }
        Ok(())
    }
}

/// Contents that are open to be read.
#[derive(Debug)]
struct Stored {
    digest: Digest,
    len: u64,
    data: File,
    hashes: PostOrderOutboard<std::fs::File>,
}

impl Stored {
    /// Walks the tree from the root to the groups of a range, and proves every step.
    fn read(&self, offset: u64, len: usize) -> Result<Bytes, ContentsError> {
        let end = offset.saturating_add(len as u64).min(self.len);
        if offset >= end {
            return Ok(Bytes::new());
        }
        let chunks = GROUP_BYTES / 1024;
        let first = ChunkNum(offset / GROUP_BYTES * chunks);
        let ranges = ChunkRanges::from(first..ChunkNum(end.div_ceil(GROUP_BYTES) * chunks));
        let mut bytes = Vec::with_capacity(usize::try_from(end - offset).unwrap_or(0));
        let mut group = Vec::new();
        let mut expected = vec![self.hashes.root()];
        for step in self
            .hashes
            .tree()
            .ranges_pre_order_chunks_iter_ref(&ranges, 0)
        {
            // The iterator asks for no more hashes than it announced.
            let Some(hash) = expected.pop() else { break };
            match step {
                BaoChunk::Parent {
                    node,
                    is_root,
                    left,
                    right,
                    ..
                } => {
                    let range = node.chunk_range();
                    let (from, until) = (range.start.to_bytes(), range.end.to_bytes());
                    let pair = self.hashes.load(node)?;
                    let Some((l, r)) = pair.filter(|pair| parent(pair, is_root) == hash) else {
                        return Err(self.corrupt(from, until, "the hashes do not fit"));
                    };
                    expected.extend(right.then_some(r));
                    expected.extend(left.then_some(l));
                }
                BaoChunk::Leaf {
                    start_chunk,
                    size,
                    is_root,
                    ..
                } => {
                    let start = start_chunk.to_bytes();
                    let until = start + size as u64;
                    group.resize(size, 0);
                    self.data.read_exact_at(&mut group, start)?;
                    if leaf(&group, start, is_root) != hash {
                        return Err(self.corrupt(start, until, "the bytes do not fit the digest"));
                    }
                    let within = |at: u64| usize::try_from(at.clamp(start, until) - start);
                    if let (Ok(from), Ok(to)) = (within(offset), within(end)) {
                        bytes.extend_from_slice(&group[from..to]);
                    }
                }
            }
        }
        Ok(bytes.into())
    }

    fn corrupt(&self, from: u64, until: u64, what: &'static str) -> ContentsError {
        ContentsError::Corrupt {
            digest: self.digest,
            from,
            until: until.min(self.len),
            what,
        }
    }
}

/// The hash of an inner node of the tree.
fn parent((left, right): &(blake3::Hash, blake3::Hash), is_root: bool) -> blake3::Hash {
    if is_root {
        merge_subtrees_root(left.as_bytes(), right.as_bytes(), Mode::Hash)
    } else {
        merge_subtrees_non_root(left.as_bytes(), right.as_bytes(), Mode::Hash).into()
    }
}

/// The hash of a group at an offset.
fn leaf(bytes: &[u8], offset: u64, is_root: bool) -> blake3::Hash {
    if is_root {
        return blake3::hash(bytes);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(offset).update(bytes);
    hasher.finalize_non_root().into()
}

/// Contents on their way in, written as to any file. Dropped before [`ContentsWriter::finish`] they
/// leave nothing behind.
///
/// Memory: one buffer, whatever their length.
pub struct ContentsWriter {
    contents: Contents,
    tmp: Tmp,
    file: BufWriter<File>,
    hasher: Box<blake3::Hasher>,
    len: u64,
    expected: Option<Digest>,
    failed: Option<ContentsError>,
}

impl fmt::Debug for ContentsWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            contents: _,
            tmp,
            file: _,
            hasher: _,
            len,
            expected,
            failed,
        } = self;
        f.debug_struct("ContentsWriter")
            .field("tmp", tmp)
            .field("len", len)
            .field("expected", expected)
            .field("failed", failed)
            .finish_non_exhaustive()
    }
}

impl ContentsWriter {
    /// Makes the contents durable under their digest, and says it and their length. Contents that
    /// were there already are replaced by their equal, which heals damaged ones.
    ///
    /// Cost: reads them once more, for the hashes, which also proves that what is on disk is what
    /// was written.
    ///
    /// # Errors
    /// [`ContentsError::TooLarge`], [`ContentsError::Unexpected`], [`ContentsError::Full`] or
    /// [`ContentsError::Io`], also if an earlier write failed; then nothing is stored.
    pub fn finish(mut self) -> Result<(Digest, u64), ContentsError> {
        if let Err(error) = self.flush() {
            return Err(self.failed.unwrap_or_else(|| error.into()));
        }
        let digest = Digest(*self.hasher.finalize().as_bytes());
        if let Some(expected) = self.expected.filter(|&expected| expected != digest) {
            return Err(ContentsError::Unexpected {
                expected,
                found: digest,
            });
        }
        let path = self.contents.inner.path(digest);
        let data = self.file.get_mut();
        data.sync_all()?;
        data.seek(SeekFrom::Start(0))?;

        let hashes_tmp = Tmp(self.tmp.0.with_extension(OUTBOARD));
        let hashes = private_file().truncate(true).open(&hashes_tmp.0)?;
        let mut hashes = BufWriter::with_capacity(BUFFER_BYTES, hashes);
        let root = outboard_post_order(data, BaoTree::new(self.len, GROUP), &mut hashes)?;
        if root.as_bytes() != digest.as_bytes() {
            let what = "the disk returned other bytes than were written";
            return Err(ContentsError::Corrupt {
                digest,
                from: 0,
                until: self.len,
                what,
            });
        }
        hashes.write_all(&self.len.to_le_bytes())?;
        hashes.flush()?;
        hashes.get_ref().sync_all()?;

        if let Some(dir) = path.parent()
            && !dir.is_dir()
        {
            create_private(dir)?;
            sync_dir(&self.contents.inner.dir)?;
        }
        // The data come last: once they are there, so are the hashes.
        fs_err::rename(&hashes_tmp.0, path.with_extension(OUTBOARD))?;
        fs_err::rename(&self.tmp.0, &path)?;
        path.parent().map_or(Ok(()), sync_dir)?;
        Ok((digest, self.len))
    }

    /// Only contents of this digest are to be stored.
    pub fn expect(&mut self, digest: Digest) {
        self.expected = Some(digest);
    }

    /// Where they will be.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// How many bytes were written so far.
    pub fn written(&self) -> u64 {
        self.len
    }

    fn fail(&mut self, error: ContentsError) -> io::Error {
        self.failed = Some(error.clone());
        error.into()
    }
}

impl Write for ContentsWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        let max = self.contents.inner.bytes_max;
        let len = self.len.saturating_add(bytes.len() as u64);
        if len > max {
            return Err(self.fail(ContentsError::TooLarge { bytes: len, max }));
        }
        match self.file.write(bytes) {
            Ok(written) => {
                self.hasher.update(&bytes[..written]);
                self.len += written as u64;
                Ok(written)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => Err(self.fail(error.into())),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        self.file.flush().map_err(|error| self.fail(error.into()))
    }
}

/// A file that is removed when it is dropped, unless it was renamed.
#[derive(Debug)]
struct Tmp(PathBuf);

impl Drop for Tmp {
    fn drop(&mut self) {
        let _ = fs_err::remove_file(&self.0);
    }
}

/// Removes a file, and says whether there was one.
fn removed(path: &Path) -> io::Result<bool> {
    match fs_err::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
