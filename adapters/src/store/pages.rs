//! The file under redb, with a checksum of every page beside it: damage is noticed when it is read.
//!
//! redb checks its pages only when it repairs a file, and trusts them at every other time: a flipped
//! bit in a branch page would hide rows, and one in a length could make it panic. So every page of
//! [`PAGE`] bytes that is read or written here has its checksum kept in memory (8 bytes each, 0.2 %
//! of the file). When a store is closed they are saved as `medium.sums`, and taken up again when it
//! is opened; the file is removed while the store is open, so its presence says that the last run
//! ended cleanly. Without it redb verifies its own checksums of the whole file before we trust it.
//!
//! redb takes no read error lightly: after one it refuses everything. One bad page must not take the
//! others along, so once the store is open ([`Pages::arm`]) a bad page is handed over as zeros, which
//! is no node of any tree: redb reports that place, and only that place, as corrupted.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actors::store::StoreError;
use fs_err::File;
use fs_err::os::unix::fs::FileExt;
use parking_lot::{Mutex, RwLock};
use redb::StorageBackend;

use super::folder::{private_file, sync_dir};
use super::io_error;
use super::redb::LastRun;

/// The unit of checksums, in bytes; redb's page.
pub(super) const PAGE: usize = 4096;
const PAGE_BYTES: u64 = PAGE as u64;
const MAGIC: &[u8; 16] = b"medium sums v1\r\n";
/// Magic, length of the file, digest of its first page.
const HEADER: usize = 16 + 8 + 32;

/// A file whose pages are checked.
#[derive(Debug)]
pub(crate) struct Pages {
    file: File,
    sums_path: PathBuf,
    /// By page index; 0 is a page that is not known (yet). The first page is never known: redb
    /// writes and checks its parts itself.
    sums: RwLock<Vec<u64>>,
    /// Whether bad pages are handed over as zeros rather than as errors.
    armed: AtomicBool,
    /// Pages that were found bad, to be named in errors.
    damaged: Mutex<BTreeSet<usize>>,
    sync_failed: AtomicBool,
    /// A full disk, for tests: pages that were never written cannot be.
    #[cfg(test)]
    pub(super) full: AtomicBool,
    /// A disk that cannot sync, for tests.
    #[cfg(test)]
    pub(super) broken: AtomicBool,
}

impl Pages {
    /// Opens or makes the file, and takes up the checksums of the last run.
    pub(crate) fn open(dir: &Path) -> Result<(Arc<Self>, LastRun), StoreError> {
        let file = private_file()
            .open(dir.join("medium.redb"))
            .map_err(|error| io_error(&error))?;
        let pages = Self {
            file,
            sums_path: dir.join("medium.sums"),
            sums: RwLock::default(),
            armed: AtomicBool::new(false),
            damaged: Mutex::default(),
            sync_failed: AtomicBool::new(false),
            #[cfg(test)]
            full: AtomicBool::new(false),
            #[cfg(test)]
            broken: AtomicBool::new(false),
        };
        let len = pages.len().map_err(|error| io_error(&error))?;
        let saved = match fs_err::read(&pages.sums_path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let last_run = if len == 0 {
                    LastRun::None
                } else {
                    LastRun::Unclean
                };
                return Ok((Arc::new(pages), last_run));
            }
            Err(error) => return Err(io_error(&error)),
        };
        *pages.sums.write() = pages.check(&saved, len)?;
        // From here on redb writes, and what was saved is no longer the truth.
        fs_err::remove_file(&pages.sums_path)
            .and_then(|()| sync_dir(dir))
            .map_err(|error| io_error(&error))?;
        Ok((Arc::new(pages), LastRun::Clean))
    }

    /// The checksums in the saved bytes, if they belong to the file as it is.
    fn check(&self, saved: &[u8], len: u64) -> Result<Vec<u64>, StoreError> {
        let sums = self.sums_path.display();
        let corrupt = |reason: String| StoreError::Corrupt {
            what: format!("{}: {reason}", self.file.path().display()),
        };
        let body = saved.split_last_chunk::<32>().and_then(|(body, digest)| {
            (blake3::hash(body).as_bytes() == digest && body.len() >= HEADER).then_some(body)
        });
        let Some((head, rest)) = body.and_then(|body| body.split_at_checked(HEADER)) else {
            return Err(corrupt(format!(
                "its checksums are damaged; remove {sums} to check anew"
            )));
        };
        if !head.starts_with(MAGIC) {
            return Err(corrupt(format!(
                "{sums} is of another version of this program"
            )));
        }
        if head[16..24] != len.to_le_bytes() {
            return Err(corrupt(format!(
                "its length of {len} bytes is not that of the last run"
            )));
        }
        let mut first = [0; PAGE];
        self.file
            .read_exact_at(&mut first, 0)
            .map_err(|error| io_error(&error))?;
        if head[24..] != *blake3::hash(&first).as_bytes() {
            return Err(corrupt(format!(
                "bytes 0..{PAGE} are not those of the last run"
            )));
        }
        let (sums, _) = rest.as_chunks::<8>();
        Ok(sums.iter().map(|sum| u64::from_le_bytes(*sum)).collect())
    }

    /// Saves the checksums, once redb has closed the file: the run has ended cleanly.
    pub(crate) fn save(&self) -> Result<(), StoreError> {
        let save = || {
            let mut first = [0; PAGE];
            self.file.read_exact_at(&mut first, 0)?;
            let mut bytes = Vec::from(MAGIC);
            bytes.extend(self.file_len()?.to_le_bytes());
            bytes.extend(blake3::hash(&first).as_bytes());
            self.sums
                .read()
                .iter()
                .for_each(|sum| bytes.extend(sum.to_le_bytes()));
            bytes.extend(blake3::hash(&bytes).as_bytes());
            let tmp = self.sums_path.with_extension("sums.tmp");
            let mut file = private_file().truncate(true).open(&tmp)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs_err::rename(&tmp, &self.sums_path)?;
            self.sums_path.parent().map_or(Ok(()), sync_dir)
        };
        save().map_err(|error: io::Error| io_error(&error))
    }

    /// From now on a bad page is handed over as zeros.
    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::Release);
    }

    /// Prepares the file for being opened anew after a failed write: what is on disk is not known,
    /// and redb will verify it.
    pub(super) fn disarm(&self) {
        self.armed.store(false, Ordering::Release);
        self.sums.write().clear();
    }

    /// Whether a sync has failed. What was written since the one before may or may not be on disk,
    /// and no later sync or read can tell.
    pub(crate) fn sync_failed(&self) -> bool {
        self.sync_failed.load(Ordering::Acquire)
    }

    /// How many bytes of the disk the file takes.
    pub(crate) fn bytes_on_disk(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        self.file
            .metadata()
            .map_or(0, |metadata| metadata.blocks() * 512)
    }

    /// The ranges of bytes found bad so far, as text for an error; empty if there are none.
    pub(crate) fn damage(&self) -> String {
        let damaged = self.damaged.lock();
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for &index in damaged.iter() {
            match ranges.last_mut() {
                Some((_, until)) if *until == index => *until = index + 1,
                _ => ranges.push((index, index + 1)),
            }
        }
        let shown: Vec<String> = ranges
            .iter()
            .take(4)
            .map(|(from, until)| format!("{}..{}", from * PAGE, until * PAGE))
            .collect();
        match ranges.len() {
            0 => String::new(),
            1..=4 => format!("damaged bytes of medium.redb: {}", shown.join(", ")),
            more => format!(
                "damaged bytes of medium.redb: {}, {more} in all",
                shown.join(", ")
            ),
        }
    }

    /// Reads every page whose checksum is known from disk, and names those that are bad.
    ///
    /// Nothing may be written meanwhile.
    pub(super) fn verify(&self) -> Vec<StoreError> {
        let mut errors = Vec::new();
        let mut page = [0; PAGE];
        for index in 0..self.sums.read().len() {
            let Some(expected) = self.sums.read().get(index).copied().filter(|sum| *sum != 0)
            else {
                continue;
            };
            let offset = index * PAGE;
            let what = match self.file.read_exact_at(&mut page, offset as u64) {
                Ok(()) if sum(&page) == expected => continue,
                Ok(()) => "wrong checksum".to_owned(),
                Err(error) => error.to_string(),
            };
            self.damaged.lock().insert(index);
            errors.push(StoreError::Corrupt {
                what: format!("medium.redb, bytes {offset}..{}: {what}", offset + PAGE),
            });
        }
        errors
    }

    fn file_len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Compares pages that were read with what they should be; learns those that are not known.
    /// Says which one is bad.
    fn verify_read(&self, offset: u64, bytes: &[u8]) -> Option<usize> {
        let mut learned = Vec::new();
        {
            let sums = self.sums.read();
            for (index, page) in whole_pages(offset, bytes) {
                let sum = sum(page);
                match sums.get(index).copied().unwrap_or(0) {
                    0 => learned.push((index, sum)),
                    expected if expected == sum => {}
                    _ => return Some(index),
                }
            }
        }
        self.record(learned);
        None
    }

    fn record(&self, new: Vec<(usize, u64)>) {
        let Some(last) = new.last().map(|(index, _)| *index) else {
            return;
        };
        let mut sums = self.sums.write();
        if sums.len() <= last {
            sums.resize(last + 1, 0);
        }
        for (index, sum) in new {
            if let Some(slot) = sums.get_mut(index) {
                *slot = sum;
            }
        }
    }

    /// What [`Pages::record`] needs to forget all pages that a write touches.
    fn unknown(offset: u64, len: usize) -> Vec<(usize, u64)> {
        let until = (offset + len as u64).div_ceil(PAGE_BYTES);
        (offset / PAGE_BYTES..until)
            .map(|index| (to_index(index), 0))
            .collect()
    }

    #[cfg(test)]
    fn refuse_if_full(&self, offset: u64, len: usize) -> io::Result<()> {
        let sums = self.sums.read();
        let new = Self::unknown(offset, len)
            .iter()
            .any(|(index, _)| *index > 0 && sums.get(*index).is_none_or(|sum| *sum == 0));
        if self.full.load(Ordering::Acquire) && new {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.file_len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let read = self.file.read_exact_at(out, offset);
        let (bad, error) = match read {
            Ok(()) => match self.verify_read(offset, out) {
                None => return Ok(()),
                Some(index) => {
                    let from = index * PAGE;
                    let text = format!("medium.redb, bytes {from}..{} are damaged", from + PAGE);
                    (index, io::Error::new(io::ErrorKind::InvalidData, text))
                }
            },
            Err(error) => (to_index(offset / PAGE_BYTES), error),
        };
        self.damaged.lock().insert(bad);
        if !self.armed.load(Ordering::Acquire) {
            return Err(error);
        }
        out.fill(0);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        let mut sums = self.sums.write();
        let pages = to_index(len / PAGE_BYTES);
        sums.truncate(pages);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        if self.broken.load(Ordering::Acquire) {
            self.sync_failed.store(true, Ordering::Release);
            return Err(io::Error::other("the disk does not answer"));
        }
        self.file
            .sync_data()
            .inspect_err(|_| self.sync_failed.store(true, Ordering::Release))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.refuse_if_full(offset, data.len())?;
        // Of what was not written whole nothing is known.
        let aligned = offset.is_multiple_of(PAGE_BYTES) && data.len().is_multiple_of(PAGE);
        let written = self.file.write_all_at(data, offset);
        if written.is_err() || !aligned {
            self.record(Self::unknown(offset, data.len()));
        }
        written?;
        self.record(
            whole_pages(offset, data)
                .map(|(index, page)| (index, sum(page)))
                .collect(),
        );
        self.damaged.lock().retain(|index| {
            let at = *index as u64 * PAGE_BYTES;
            at + PAGE_BYTES <= offset || at >= offset + data.len() as u64
        });
        Ok(())
    }
}

/// The pages that bytes at an offset cover whole, except the file's first, with their index.
fn whole_pages(offset: u64, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let first = offset.div_ceil(PAGE_BYTES);
    let skip = to_index(first * PAGE_BYTES - offset).min(bytes.len());
    let pages = bytes[skip..].chunks_exact(PAGE);
    pages
        .zip(to_index(first)..)
        .map(|(page, index)| (index, page))
        .filter(|(index, _)| *index > 0)
}

/// The checksum of a page; never 0.
fn sum(page: &[u8]) -> u64 {
    let mut sum = [0; 8];
    sum.copy_from_slice(&blake3::hash(page).as_bytes()[..8]);
    u64::from_le_bytes(sum).max(1)
}

/// Offsets come from redb, which addresses at most 16 TiB; the index of a page fits every 64-bit target.
fn to_index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The file as redb sees it. Locking is left to the folder's lock.
#[derive(Debug)]
pub(crate) struct Backend(pub(crate) Arc<Pages>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
