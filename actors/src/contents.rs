//! Contents by reference: the port to where contents of any size are kept, and what keeps them there.
//!
//! A letter with long contents has their digest and length ([`Reference`]); the bytes are in a
//! [`ContentsStore`] and are read in ranges, verified. As long as a reference that this runtime *holds*
//! is anywhere in memory, its contents stay: the shelf counts. What is on disk only (states, answers kept
//! for an idempotency key) is found by the mark that a written reference begins with. The rest is removed
//! by a sweep (`runtime/contents.rs`), never earlier than what last used it is on disk.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use genesis::id::Digest;
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::letter::Contents;
use crate::runtime::from_store;
use crate::store::StoreError;

/// Where contents of any size are: immutable, named by their digest, durable once they can be read.
///
/// # Contract
/// * What is read has been verified against the digest: damage is an error, never data.
/// * Whoever is reading while they are removed reads on.
pub trait ContentsStore: fmt::Debug + Send + Sync + 'static {
    /// How many bytes contents have; none if they are not here.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] or [`StoreError::Io`].
    fn len(&self, digest: Digest) -> Result<Option<u64>, StoreError>;

    /// Reads at most `len` bytes from `offset` on, fewer where the contents end; none if they are not
    /// here.
    ///
    /// # Errors
    /// As [`ContentsStore::len`].
    fn read(&self, digest: Digest, offset: u64, len: usize) -> Result<Option<Bytes>, StoreError>;

    /// At most `limit` contents in the order of their digests, beginning behind `after`.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn list(&self, after: Option<Digest>, limit: usize) -> Result<Vec<Stored>, StoreError>;

    /// Removes contents, and says whether there were any.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn remove(&self, digest: Digest) -> Result<bool, StoreError>;
}

/// Contents in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Which.
    pub digest: Digest,
    /// How many bytes.
    pub bytes: u64,
    /// When they were written.
    pub since: Time,
    /// Whether the owner wants them kept.
    pub pinned: bool,
}

/// What a sweep removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Swept {
    /// How many contents.
    pub removed: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// Which contents, and how long they are.
pub struct Reference {
    /// Digest and length, little-endian: what the contents of a letter look like to code that does not
    /// know of references.
    bytes: [u8; Self::BYTES],
    /// What counts this reference; none for one that was only just read from somewhere.
    held: Option<Arc<Shelf>>,
}

impl Reference {
    /// The length of a reference, in bytes.
    pub const BYTES: usize = 40;
    /// What a reference begins with where it is written, before a 1; contents that begin like this are
    /// written with a 0 in between.
    pub(crate) const MARK: [u8; 16] = *b"medium/1 by-ref\0";

    fn new(digest: Digest, len: u64, held: Option<Arc<Shelf>>) -> Self {
        let mut bytes = [0; Self::BYTES];
        let (first, last) = bytes.split_at_mut(32);
        first.copy_from_slice(&digest.0);
        last.copy_from_slice(&len.to_le_bytes());
        Self { bytes, held }
    }

    /// A reference that keeps nothing.
    pub(crate) fn unheld(bytes: [u8; Self::BYTES]) -> Self {
        Self { bytes, held: None }
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.bytes
    }

    /// The digest of the contents.
    pub fn digest(&self) -> Digest {
        let (digest, _) = self.bytes.split_first_chunk().unwrap_or((&[0; 32], &[]));
        Digest(*digest)
    }

    /// The length of the contents, in bytes.
    pub fn len(&self) -> u64 {
        let (_, len) = self.bytes.split_last_chunk().unwrap_or((&[], &[0; 8]));
        u64::from_le_bytes(*len)
    }

    /// Whether the contents have no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the contents stay as long as this does.
    pub(crate) const fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Reads at most `len` bytes from `offset` on, fewer where the contents end. Blocks.
    ///
    /// # Errors
    /// [`Code::Unknown`] if they are not here, [`Code::Corrupt`] if they are damaged, [`Code::Io`].
    pub(crate) fn read(&self, offset: u64, len: usize) -> Result<Bytes, Refusal> {
        let digest = self.digest();
        let shelf = self.held.as_ref().ok_or_else(|| missing(digest))?;
        let read = shelf.store.read(digest, offset, len).map_err(from_store)?;
        read.ok_or_else(|| missing(digest))
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        if let Some(shelf) = &self.held {
            shelf.release(self.digest());
        }
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, digest {}", self.len(), self.digest())
    }
}

/// Counts who needs which contents.
pub(crate) struct Shelf {
    store: Arc<dyn ContentsStore>,
    clock: Arc<dyn Clock>,
    /// When this run began: contents of earlier ones count as idle since then, where the clock is behind
    /// the times of files.
    began: Time,
    uses: Mutex<Uses>,
}

#[derive(Debug, Default)]
struct Uses {
    by_digest: HashMap<Digest, Use>,
    /// Contents that are just being stored: nothing is removed meanwhile.
    storing: usize,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    /// References that are held.
    count: u64,
    /// How often one was taken: two looks that see the same know that nobody came and went in between.
    taken: u64,
    /// Since when nobody has held one.
    idle_since: Time,
}

/// Contents that nothing in memory needs, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    pub(crate) stored: Stored,
    taken: u64,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Shelf {
    pub(crate) fn new(store: Arc<dyn ContentsStore>, clock: Arc<dyn Clock>) -> Arc<Self> {
        let began = clock.now();
        Arc::new(Self {
            store,
            clock,
            began,
            uses: Mutex::default(),
        })
    }

    /// A reference that keeps its contents, whether they are here or not.
    fn take(self: &Arc<Self>, digest: Digest, len: u64) -> Reference {
        let mut uses = self.uses.lock();
        let entry = uses.by_digest.entry(digest).or_insert(Use {
            count: 0,
            taken: 0,
            idle_since: self.began,
        });
        entry.count += 1;
        entry.taken += 1;
        drop(uses);
        Reference::new(digest, len, Some(Arc::clone(self)))
    }

    fn release(&self, digest: Digest) {
        let now = self.clock.now();
        if let Some(entry) = self.uses.lock().by_digest.get_mut(&digest) {
            entry.count = entry.count.saturating_sub(1);
            entry.idle_since = now;
        }
    }

    /// Contents by a reference that keeps them.
    ///
    /// # Errors
    /// [`Code::Unknown`] if they are not here; what the store says.
    pub(crate) fn hold(self: &Arc<Self>, digest: Digest) -> Result<Contents, Refusal> {
        // Taken first: what is then found to be here cannot be removed any more.
        let taken = self.take(digest, 0);
        let len = self.store.len(digest).map_err(from_store);
        let held = len.and_then(|len| {
            let len = len.ok_or_else(|| missing(digest))?;
            Ok(Contents::Far(Arc::new(self.take(digest, len))))
        });
        drop(taken);
        if held.is_err() {
            let mut uses = self.uses.lock();
            if uses
                .by_digest
                .get(&digest)
                .is_some_and(|used| used.count == 0)
            {
                uses.by_digest.remove(&digest);
            }
        }
        held
    }

    /// Stores contents and gives a reference that keeps them; no sweep comes in between.
    pub(crate) fn stored<E>(
        self: &Arc<Self>,
        store: impl FnOnce() -> Result<(Digest, u64), E>,
    ) -> Result<Contents, E> {
        self.uses.lock().storing += 1;
        let stored = store();
        let held = stored.map(|(digest, len)| self.take(digest, len));
        self.uses.lock().storing -= 1;
        held.map(|held| Contents::Far(Arc::new(held)))
    }

    /// Which of these contents nothing in memory has needed for so long.
    pub(crate) fn idle(&self, listed: &[Stored], idle_ms: u64) -> Vec<Idle> {
        let now = self.clock.now();
        let uses = self.uses.lock();
        let idle = listed.iter().filter_map(|&stored| {
            let used = uses.by_digest.get(&stored.digest);
            if stored.pinned || used.is_some_and(|used| used.count > 0) {
                return None;
            }
            let written = stored.since.min(self.began);
            let since = used.map_or(written, |used| used.idle_since.max(written));
            (now.since_ms(since) >= idle_ms).then_some(Idle {
                stored,
                taken: used.map_or(0, |used| used.taken),
            })
        });
        idle.collect()
    }

    /// Removes contents, if nobody has needed them since they were found idle; whether it did.
    pub(crate) fn remove(&self, idle: &Idle) -> Result<bool, StoreError> {
        let mut uses = self.uses.lock();
        let used = uses.by_digest.get(&idle.stored.digest);
        let unused = used.is_none_or(|used| used.count == 0 && used.taken == idle.taken);
        if uses.storing > 0 || !unused {
            return Ok(false);
        }
        let removed = self.store.remove(idle.stored.digest)?;
        uses.by_digest.remove(&idle.stored.digest);
        Ok(removed)
    }

    pub(crate) fn store(&self) -> &Arc<dyn ContentsStore> {
        &self.store
    }
}

/// The contents, held if they are by reference and were not yet.
///
/// # Errors
/// As [`Shelf::hold`]; [`Code::Unknown`] too if there is no place for long contents.
pub(crate) fn held(shelf: Option<&Arc<Shelf>>, contents: Contents) -> Result<Contents, Refusal> {
    match &contents {
        Contents::Far(reference) if !reference.is_held() => {
            let digest = reference.digest();
            shelf.ok_or_else(|| missing(digest))?.hold(digest)
        }
        _ => Ok(contents),
    }
}

/// The contents of a letter that was owed, held whether they are here or not: it must have its end.
pub(crate) fn adopted(shelf: Option<&Arc<Shelf>>, contents: Contents) -> Contents {
    match (&contents, shelf) {
        (Contents::Far(reference), Some(shelf)) if !reference.is_held() => {
            let held = shelf.take(reference.digest(), reference.len());
            Contents::Far(Arc::new(held))
        }
        _ => contents,
    }
}

pub(crate) fn missing(digest: Digest) -> Refusal {
    Refusal::new(
        Code::Unknown,
        format!("the contents {digest} are not on this node"),
    )
    .who(digest)
    .hint("send them to `/v1/contents` first; what nothing needs is removed after an hour")
}

/// The references that are written in a row of a store.
pub(crate) fn references_in(row: &[u8], mut found: impl FnMut(Digest)) {
    const MARK: [u8; 16] = Reference::MARK;
    let mut at = 0;
    while let Some(window) = row.get(at..at + MARK.len()) {
        // Horspool's search: what the window ends with says how far on the mark can begin.
        let last = window[MARK.len() - 1];
        if window == MARK
            && let Some((1, rest)) = row[at + MARK.len()..].split_first()
            && let Some(digest) = rest.first_chunk::<32>()
        {
            found(Digest(*digest));
        }
        let again = MARK[..MARK.len() - 1]
            .iter()
            .rposition(|&byte| byte == last);
        at += again.map_or(MARK.len(), |again| MARK.len() - 1 - again);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genesis::wire;

    #[test]
    fn a_reference_is_written_and_read_and_no_bytes_are_taken_for_one() {
        let far = Contents::Far(Arc::new(Reference::new(Digest([7; 32]), 1 << 33, None)));
        let forged = [&Reference::MARK[..], &[1], &far[..]].concat();
        for contents in [
            far.clone(),
            Contents::from(forged.as_slice()),
            Contents::from(&far[..]),
            Contents::from("hi"),
            Contents::EMPTY,
        ] {
            let written = wire::encode(1, &contents).unwrap();
            let read: Contents = wire::decode(1, &written).unwrap();
            assert_eq!(read, contents);
            assert_eq!(read.reference().is_some(), contents == far);
        }
        assert_eq!((far.total(), far.weight()), (1 << 33, 40));
        assert_ne!(far, Contents::from(&far[..]), "bytes are no reference");
        let cut = wire::encode(1, &Bytes::from(forged[..30].to_vec())).unwrap();
        assert!(wire::decode::<Contents>(1, &cut).is_err());
    }

    #[test]
    fn references_are_found_wherever_they_are_written() {
        let of = |n| Contents::Far(Arc::new(Reference::new(Digest([n; 32]), 9, None)));
        let row = wire::encode(1, &("medium/1 by-re", of(3), vec![1_u8; 5], (of(4), "x"))).unwrap();
        for cut in 0..5 {
            let mut found = Vec::new();
            references_in(&row[cut..], |digest| found.push(digest.0[0]));
            assert_eq!(found, [3, 4]);
        }
        references_in(&Reference::MARK, |_| panic!("there is none"));
        references_in(&[], |_| panic!("there is none"));
    }
}
