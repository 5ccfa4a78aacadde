//! What a job prints: as it is, and line by line with the time.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use actors::clock::Clock;
use parking_lot::Mutex;

use super::{TaskError, Watcher};
use crate::compute::{Output, Stream};

/// Most bytes of a stream that are kept; what is beyond is counted, and said at the end of the log.
pub(super) const STREAM_BYTES_MAX: u64 = 256 << 20;
/// Longest line of the log, in bytes; a longer one goes on in the next.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// The files that take what a job prints.
pub(super) struct Logs<'a> {
    step: &'a str,
    clock: &'a dyn Clock,
    watcher: &'a dyn Watcher,
    files: Mutex<Files>,
}

struct Files {
    log: File,
    stdout: Kept,
    stderr: Kept,
    /// The first thing that went wrong.
    error: Option<io::Error>,
}

/// One stream.
struct Kept {
    file: File,
    bytes: u64,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
}

impl<'a> Logs<'a> {
    /// New files in a folder.
    pub(super) fn create(
        folder: &Path,
        step: &'a str,
        clock: &'a dyn Clock,
        watcher: &'a dyn Watcher,
    ) -> Result<Self, TaskError> {
        let file = |name: &str| {
            let path = folder.join(name);
            File::create(&path)
                .map_err(|error| TaskError::io(format!("write `{}`", path.display()), error))
        };
        let kept = |name: &str| {
            Ok::<_, TaskError>(Kept {
                file: file(name)?,
                bytes: 0,
                line: Vec::new(),
            })
        };
        Ok(Self {
            step,
            clock,
            watcher,
            files: Mutex::new(Files {
                log: file("log")?,
                stdout: kept("stdout")?,
                stderr: kept("stderr")?,
                error: None,
            }),
        })
    }

    /// Writes what is left of lines without an end.
    pub(super) fn finish(self) -> Result<(), TaskError> {
        let Files {
            mut log,
            stdout,
            stderr,
            error,
        } = self.files.into_inner();
        let failed = |error| TaskError::io(format!("keep what `{}` printed", self.step), error);
        if let Some(error) = error {
            return Err(failed(error));
        }
        let now = self.clock.now();
        for (name, kept) in [("stdout", stdout), ("stderr", stderr)] {
            if !kept.line.is_empty() {
                let line = String::from_utf8_lossy(&kept.line);
                writeln!(log, "{now} {name} {line}").map_err(failed)?;
            }
            if let Some(lost @ 1..) = kept.bytes.checked_sub(STREAM_BYTES_MAX) {
                writeln!(log, "{now} {name} ({lost} bytes more were not kept)").map_err(failed)?;
            }
        }
        Ok(())
    }
}

impl Output for Logs<'_> {
    fn printed(&self, stream: Stream, bytes: &[u8]) {
        self.watcher.printed(self.step, stream, bytes);
        let now = self.clock.now();
        let mut files = self.files.lock();
        let Files {
            log,
            stdout,
            stderr,
            error,
        } = &mut *files;
        let (name, kept) = match stream {
            Stream::Stdout => ("stdout", stdout),
            Stream::Stderr => ("stderr", stderr),
        };
        let left = STREAM_BYTES_MAX.saturating_sub(kept.bytes);
        kept.bytes = kept.bytes.saturating_add(bytes.len() as u64);
        let fits = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let Some(bytes) = bytes.get(..fits).filter(|bytes| !bytes.is_empty()) else {
            return;
        };
        let written = kept.file.write_all(bytes).and_then(|()| {
            for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                kept.line.extend_from_slice(piece);
                if piece.ends_with(b"\n") || kept.line.len() >= LINE_BYTES_MAX {
                    let line = String::from_utf8_lossy(&kept.line);
                    writeln!(log, "{now} {name} {}", line.trim_end_matches('\n'))?;
                    kept.line.clear();
                }
            }
            Ok(())
        });
        if let Err(failed) = written {
            error.get_or_insert(failed);
        }
    }

    fn stopped(&self) -> bool {
        self.watcher.stopped()
    }
}
