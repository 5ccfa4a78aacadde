//! Contents on their way to or from a file, and how far they are.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use genesis::refusal::{Code, Refusal};
use tokio::time::{Interval, MissedTickBehavior};

use crate::bar::line;
use crate::printer::Printer;
use crate::report::file_refused;

/// How often it is said how far something is, in milliseconds.
const SHOW_MS: u64 = 200;

/// A file that is written whole or not at all: beside its place first, then into it.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    /// Where it is until it is whole; none for what cannot be replaced.
    part: Option<PathBuf>,
    file: File,
}

impl Output {
    /// Begins a file; nothing is overwritten.
    ///
    /// # Errors
    /// `conflict` if there is one; what the operating system refuses.
    pub(super) fn to_file(path: &Path) -> Result<Self, Refusal> {
        let refused = |error: io::Error| file_refused("write", path, &error);
        // A device or a pipe cannot be replaced, only written to.
        if let Ok(about) = fs::metadata(path) {
            if about.is_file() {
                return Err(taken(path));
            }
            let file = OpenOptions::new().write(true).open(path).map_err(refused)?;
            return Ok(Self {
                path: path.to_owned(),
                part: None,
                file,
            });
        }
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&part)
            .map_err(refused)?;
        Ok(Self {
            path: path.to_owned(),
            part: Some(part),
            file,
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| file_refused("write", &self.path, &error))
    }

    /// Puts the file into its place.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        let Some(part) = &self.part else {
            return Ok(());
        };
        // A link fails where the name is taken by now; a rename does not.
        let placed = self
            .file
            .sync_all()
            .and_then(|()| fs::hard_link(part, &self.path));
        placed.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => taken(&self.path),
            _ => file_refused("write", &self.path, &error),
        })
    }
}

/// What is not whole goes away, and so does what was only a way to get there.
impl Drop for Output {
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            let _ = fs::remove_file(part);
        }
    }
}

fn taken(path: &Path) -> Refusal {
    Refusal::new(
        Code::Conflict,
        format!("`{}` is there already", path.display()),
    )
    .who(path.display())
    .hint("name another file")
}

/// How far something is, on one line of a terminal.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    printer: &'a Printer,
    did: &'static str,
    total: Option<u64>,
    ticks: Interval,
    /// How often it was shown.
    shown: u64,
}

impl<'a> Progress<'a> {
    pub(super) fn new(printer: &'a Printer, did: &'static str, total: Option<u64>) -> Self {
        let mut ticks = tokio::time::interval(Duration::from_millis(SHOW_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            printer,
            did,
            total,
            ticks,
            shown: 0,
        }
    }

    /// Waits until it is time to say something. Cancel-safe.
    pub(super) async fn pause(&mut self) {
        self.ticks.tick().await;
    }

    /// Says how far it is.
    pub(super) fn show(&mut self, done: u64) {
        self.shown += 1;
        let elapsed_ms = self.shown * SHOW_MS;
        let line = line(self.did, done, self.total, elapsed_ms);
        self.printer.progress(&line);
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.shown > 0 {
            self.printer.progress("");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reply");
        let mut cut = Output::to_file(&path).unwrap();
        cut.write(b"ha").unwrap();
        drop(cut);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut whole = Output::to_file(&path).unwrap();
        whole.write(b"all").unwrap();
        whole.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"all");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(Output::to_file(&path).unwrap_err().code, Code::Conflict);
    }
}
