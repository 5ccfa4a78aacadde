//! Bytes on their way in or out, counted and stoppable.

use std::io::{self, Read, Write};

use crate::pods::{PodsError, Progress};

/// What is read or written, and who is told.
pub(super) struct Counted<'p, T> {
    inner: T,
    progress: &'p dyn Progress,
    moved: u64,
    /// Whether whoever is told has stopped it.
    stopped: bool,
}

impl<'p, T> Counted<'p, T> {
    pub(super) fn new(inner: T, progress: &'p dyn Progress) -> Self {
        Self {
            inner,
            progress,
            moved: 0,
            stopped: false,
        }
    }

    /// That it was stopped, if that is why it failed.
    pub(super) fn stopped(&self) -> Option<PodsError> {
        self.stopped
            .then_some(PodsError::Stopped { bytes: self.moved })
    }

    fn go_on(&mut self) -> io::Result<()> {
        if self.progress.stopped() {
            self.stopped = true;
            return Err(io::Error::other("stopped"));
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) {
        self.moved += bytes as u64;
        self.progress.moved(bytes as u64);
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.go_on()?;
        let read = self.inner.read(out)?;
        self.count(read);
        Ok(read)
    }
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.go_on()?;
        let written = self.inner.write(bytes)?;
        self.count(written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
