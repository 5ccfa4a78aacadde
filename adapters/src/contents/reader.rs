//! Contents on their way out.

use std::io::{self, Read};

use bytes::Bytes;

use super::{ContentsError, GROUP_BYTES, Stored, WINDOW_BYTES};

/// Contents on their way out, verified before they are handed over.
#[derive(Debug)]
pub struct ContentsReader {
    stored: Stored,
    offset: u64,
    window: Bytes,
}

impl ContentsReader {
    pub(super) const fn new(stored: Stored) -> Self {
        Self {
            stored,
            offset: 0,
            window: Bytes::new(),
        }
    }

    /// How many bytes the contents have in all.
    pub fn total(&self) -> u64 {
        self.stored.len
    }

    /// Reads the next bytes, at most `most` of them and no more than a window; none at the end.
    ///
    /// # Errors
    /// [`ContentsError::Corrupt`] or [`ContentsError::Io`].
    pub fn next(&mut self, most: u64) -> Result<Bytes, ContentsError> {
        if self.window.is_empty() {
            // Up to where groups end, so that none is read twice.
            let ahead = self.offset % GROUP_BYTES;
            let len = usize::try_from(most).unwrap_or(usize::MAX);
            let len = len.min(WINDOW_BYTES - usize::try_from(ahead).unwrap_or(0));
            self.window = self.stored.read(self.offset, len)?;
            self.offset += self.window.len() as u64;
        }
        let len =
            usize::try_from(most).map_or(self.window.len(), |most| most.min(self.window.len()));
        Ok(self.window.split_to(len))
    }

    /// Goes on from an offset.
    pub fn skip_to(&mut self, offset: u64) {
        self.offset = offset;
        self.window = Bytes::new();
    }
}

impl Read for ContentsReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.window.is_empty() {
            self.window = self.stored.read(self.offset, WINDOW_BYTES)?;
            self.offset += self.window.len() as u64;
        }
        let len = self.window.len().min(out.len());
        out[..len].copy_from_slice(&self.window.split_to(len));
        Ok(len)
    }
}
