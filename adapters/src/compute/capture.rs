//! What a job printed, as much of it as is worth keeping.

use std::sync::atomic::{AtomicBool, Ordering};

use genesis::id::Digest;
use parking_lot::Mutex;

use super::{Output, Stream};

/// Takes what a job prints: keeps the beginning of each stream, counts and digests all of it.
#[derive(Debug)]
pub struct Capture {
    kept_bytes_max: usize,
    /// One thread prints and another may ask to stop; neither waits long for the other.
    stdout: Mutex<Taking>,
    stderr: Mutex<Taking>,
    is_stopped: AtomicBool,
}

/// What came of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The blake3 digest of all of it.
    pub digest: Digest,
    /// How many bytes it has.
    pub bytes: u64,
    /// Its beginning.
    pub head: Vec<u8>,
}

#[derive(Debug, Default)]
struct Taking {
    hasher: blake3::Hasher,
    bytes: u64,
    head: Vec<u8>,
}

impl Capture {
    /// One that keeps at most this many bytes of each stream.
    pub fn new(kept_bytes_max: usize) -> Self {
        Self {
            kept_bytes_max,
            stdout: Mutex::default(),
            stderr: Mutex::default(),
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Has the job stopped.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// What came of a stream so far.
    pub fn printed(&self, stream: Stream) -> Printed {
        let taking = self.taking(stream).lock();
        Printed {
            digest: Digest(*taking.hasher.finalize().as_bytes()),
            bytes: taking.bytes,
            head: taking.head.clone(),
        }
    }

    const fn taking(&self, stream: Stream) -> &Mutex<Taking> {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }
}

impl Output for Capture {
    fn printed(&self, stream: Stream, bytes: &[u8]) {
        let mut taking = self.taking(stream).lock();
        taking.hasher.update(bytes);
        taking.bytes += bytes.len() as u64;
        let room = self.kept_bytes_max.saturating_sub(taking.head.len());
        taking
            .head
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_counted_and_the_beginning_kept() {
        let capture = Capture::new(4);
        for bytes in [&b"abc"[..], b"", b"def"] {
            Output::printed(&capture, Stream::Stdout, bytes);
        }
        let printed = capture.printed(Stream::Stdout);
        assert_eq!((printed.bytes, printed.head.as_slice()), (6, &b"abcd"[..]));
        assert_eq!(printed.digest, Digest::of(b"abcdef"));
        assert_eq!(capture.printed(Stream::Stderr).bytes, 0);
        assert!(!capture.stopped());
        capture.stop();
        assert!(capture.stopped());
    }
}
