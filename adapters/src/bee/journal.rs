//! What of an upload a Bee has acknowledged, so that one that was interrupted is not begun again.
//!
//! A file for each Bee, wallet and batch: a head that names the tag, then the address of every chunk that was
//! acknowledged, 32 bytes each. It is written without waiting for the disk: an address that is lost is a chunk that
//! is sent again. It is removed when the upload is done. While one upload uses it, others of the same name go
//! without.

use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err::File;
use parking_lot::Mutex;

use crate::store::folder::{create_private, private_file};
use crate::swarm::{Address, HASH_BYTES};

/// What a journal begins with; the last byte is the version.
const MAGIC: &[u8; 8] = b"bee-up\0\x01";
/// The magic, and the tag.
const HEAD_BYTES: usize = 16;
/// Most chunks that are remembered, 16 GiB of contents; further ones would be sent again.
const CHUNKS_MAX: usize = 4 * 1024 * 1024;

/// What was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Journal {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    sent: HashSet<Address>,
    /// Locked for as long as the journal is used; none where nothing is kept on disk.
    file: Option<(File, PathBuf)>,
    tag: Option<u64>,
}

impl Journal {
    /// Opens the journal of this name in a folder, and reads what it says. Without a folder, or if it cannot be
    /// used, nothing outlives the upload.
    pub(super) fn open(folder: Option<&Path>, name: &str) -> Self {
        let kept = folder.and_then(|folder| Kept::open(folder, name).ok());
        Self {
            kept: Mutex::new(kept.unwrap_or_default()),
        }
    }

    /// The tag of the upload that was interrupted.
    pub(super) fn tag(&self) -> Option<u64> {
        self.kept.lock().tag
    }

    /// All that it knows of.
    pub(super) fn sent(&self) -> Vec<Address> {
        self.kept.lock().sent.iter().copied().collect()
    }

    /// Begins a new upload: what was known is forgotten.
    pub(super) fn begin(&self, tag: u64) {
        let mut kept = self.kept.lock();
        kept.sent.clear();
        kept.tag = Some(tag);
        kept.write(|file| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(MAGIC)?;
            file.write_all(&tag.to_le_bytes())
        });
    }

    /// Whether a chunk was acknowledged.
    pub(super) fn has(&self, address: &Address) -> bool {
        self.kept.lock().sent.contains(address)
    }

    /// Remembers chunks that were acknowledged.
    pub(super) fn add(&self, chunks: &[Address]) {
        let mut kept = self.kept.lock();
        let room = CHUNKS_MAX.saturating_sub(kept.sent.len());
        let new: Vec<Address> = chunks.iter().take(room).copied().collect();
        kept.sent.extend(&new);
        let bytes: Vec<u8> = new.iter().flat_map(|address| address.0).collect();
        kept.write(|file| file.write_all(&bytes));
    }

    /// Ends the upload: nothing is left of it here.
    pub(super) fn end(&self) {
        let mut kept = self.kept.lock();
        kept.sent.clear();
        if let Some((file, path)) = kept.file.take() {
            // Removed while it is locked, so that nobody else reads what is over.
            let _ = fs_err::remove_file(path);
            drop(file);
        }
    }
}

impl Kept {
    fn open(folder: &Path, name: &str) -> std::io::Result<Self> {
        create_private(folder)?;
        let path = folder.join(format!("{name}.upload"));
        let mut file = private_file().open(&path)?;
        file.file().try_lock()?;
        let mut head = [0; HEAD_BYTES];
        let length = file.metadata()?.len();
        let mut kept = Self {
            sent: HashSet::new(),
            file: None,
            tag: None,
        };
        if length >= HEAD_BYTES as u64 {
            file.read_exact(&mut head)?;
            if let Some(tag) = head.strip_prefix(MAGIC) {
                kept.tag = tag.try_into().ok().map(u64::from_le_bytes);
                kept.sent = read(&mut file)?;
                // Behind the last whole address: one that was cut off is written over.
                let end = (HEAD_BYTES + kept.sent.len() * HASH_BYTES) as u64;
                file.seek(SeekFrom::Start(end))?;
                file.set_len(end)?;
            }
        }
        kept.file = Some((file, path));
        Ok(kept)
    }

    /// Writes; a journal that cannot be written is given up, and the upload goes on.
    fn write(&mut self, work: impl FnOnce(&mut File) -> std::io::Result<()>) {
        if let Some((file, path)) = &mut self.file
            && work(file).is_err()
        {
            let _ = fs_err::remove_file(path);
            self.file = None;
        }
    }
}

/// The addresses in a journal.
fn read(file: &mut File) -> std::io::Result<HashSet<Address>> {
    let mut sent = HashSet::new();
    let mut input = std::io::BufReader::new(file);
    let mut address = [0; HASH_BYTES];
    while sent.len() < CHUNKS_MAX {
        match input.read_exact(&mut address) {
            Ok(()) => sent.insert(Address(address)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        };
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_acknowledged_is_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let addresses = [Address([1; 32]), Address([2; 32])];
        let first = Journal::open(Some(folder.path()), "a");
        assert_eq!(first.tag(), None);
        first.begin(7);
        first.add(&addresses);
        // While it is used, nobody else uses it.
        assert_eq!(Journal::open(Some(folder.path()), "a").tag(), None);
        drop(first);
        let path = folder.path().join("a.upload");
        let mut bytes = fs_err::read(&path).unwrap();
        bytes.extend([9; 5]); // cut off in the middle of an address
        fs_err::write(&path, bytes).unwrap();
        let second = Journal::open(Some(folder.path()), "a");
        assert_eq!((second.tag(), second.sent().len()), (Some(7), 2));
        assert!(second.has(&addresses[1]));
        second.add(&[Address([3; 32])]);
        drop(second);
        let third = Journal::open(Some(folder.path()), "a");
        assert!(third.has(&Address([3; 32])));
        third.end();
        assert!(!path.exists());
    }

    #[test]
    fn without_a_folder_it_lasts_as_long_as_the_upload() {
        let journal = Journal::open(None, "a");
        journal.begin(1);
        journal.add(&[Address([1; 32])]);
        assert!(journal.has(&Address([1; 32])));
    }
}
