//! The messages a VC received since a snapshot: bounded, and truncated by the next snapshot.

use std::collections::VecDeque;

use bytes::Bytes;
use genesis::limits::JOURNAL_LEN_MAX;

/// One VC's journal.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Most messages between two snapshots.
    bound: u32,
    /// The image when the first of `entries` came.
    snapshot: Bytes,
    /// Messages, encoded, in the order in which they were handled.
    entries: VecDeque<Bytes>,
    /// How many messages were recorded before the snapshot.
    before: u64,
}

impl Journal {
    pub(crate) fn new(bound: u32, snapshot: Bytes) -> Self {
        Self {
            bound: bound.clamp(1, JOURNAL_LEN_MAX),
            snapshot,
            entries: VecDeque::new(),
            before: 0,
        }
    }

    /// Whether the next message needs a snapshot first.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= self.bound as usize
    }

    /// Begins again from a snapshot.
    pub(crate) fn truncate(&mut self, snapshot: Bytes) {
        self.before += self.entries.len() as u64;
        self.entries.clear();
        self.snapshot = snapshot;
    }

    /// Records a message that is handled now; gives its number.
    pub(crate) fn record(&mut self, message: Bytes) -> u64 {
        self.entries.push_back(message);
        self.before + self.entries.len() as u64
    }

    /// How many messages it holds.
    pub(crate) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The snapshot.
    pub(crate) fn snapshot(&self) -> &Bytes {
        &self.snapshot
    }

    /// The messages since the snapshot.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Bytes> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_never_outgrows_its_bound() {
        let mut journal = Journal::new(3, Bytes::from_static(b"0"));
        for n in 1..=10_u8 {
            if journal.is_full() {
                journal.truncate(Bytes::copy_from_slice(&[n]));
            }
            assert_eq!(journal.record(Bytes::copy_from_slice(&[n])), u64::from(n));
            assert!(journal.len() <= 3);
        }
        assert_eq!(
            (journal.snapshot().as_ref(), journal.entries().count()),
            (&[10_u8][..], 1)
        );
    }
}
