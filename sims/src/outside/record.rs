//! The record of what was answered: a line of JSON for each answer, in the order in which they were given.

use std::collections::VecDeque;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{Outside, OutsideError};
use crate::live::Question;

/// An answer, and when it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// After which tick.
    pub tick: u64,
    /// To which question.
    pub number: u64,
    /// What it says.
    pub answer: String,
}

/// A record that is written.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    file: BufWriter<fs::File>,
}

/// A record that is read.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    given: VecDeque<Given>,
}

impl Record {
    /// Begins a record, or goes on with one; with it comes what it has for the ticks from `now` on. A last line that was
    /// not written to its end is removed.
    ///
    /// # Errors
    /// [`OutsideError::Record`] if it cannot be read or written, or holds something else.
    pub fn open(path: &Path, now: u64) -> Result<(Self, Replay), OutsideError> {
        let failed = |why: std::io::Error| record_error(path, &why.to_string());
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let whole = text
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1);
        let replay = Replay::parse(path, &text[..whole], now)?;
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(failed)?;
        if whole < text.len() {
            file.set_len(whole as u64).map_err(failed)?;
        }
        let file = BufWriter::new(file);
        Ok((
            Self {
                path: path.to_owned(),
                file,
            },
            replay,
        ))
    }

    /// Writes an answer down.
    ///
    /// # Errors
    /// [`OutsideError::Record`].
    pub fn note(&mut self, given: &Given) -> Result<(), OutsideError> {
        let line = serde_json::to_string(given);
        let line = line.map_err(|error| record_error(&self.path, &error.to_string()))?;
        let written = writeln!(self.file, "{line}");
        written.map_err(|error| record_error(&self.path, &error.to_string()))
    }

    /// Hands what was written to the system.
    ///
    /// # Errors
    /// [`OutsideError::Record`].
    pub fn flush(&mut self) -> Result<(), OutsideError> {
        let flushed = self.file.flush();
        flushed.map_err(|error| record_error(&self.path, &error.to_string()))
    }
}

impl Replay {
    /// Reads a record, for a run that begins after tick `now`.
    ///
    /// # Errors
    /// [`OutsideError::Record`] if it cannot be read, or a line is not one of a record.
    pub fn open(path: &Path, now: u64) -> Result<Self, OutsideError> {
        let text = fs::read(path).map_err(|error| record_error(path, &error.to_string()))?;
        Self::parse(path, &text, now)
    }

    fn parse(path: &Path, text: &[u8], now: u64) -> Result<Self, OutsideError> {
        let mut given: VecDeque<Given> = VecDeque::new();
        let mut last = 0;
        for (number, line) in (1_u64..).zip(text.split(|&byte| byte == b'\n')) {
            if line.is_empty() {
                continue;
            }
            let bad = |why: String| record_error(path, &format!("line {number}: {why}"));
            let line: Given =
                serde_json::from_slice(line).map_err(|error| bad(error.to_string()))?;
            if line.tick < last {
                return Err(bad(format!("tick {} comes after tick {last}", line.tick)));
            }
            last = line.tick;
            if line.tick >= now {
                given.push_back(line);
            }
        }
        Ok(Self { given })
    }

    /// Whether there is something for this tick or a later one.
    pub fn goes_on(&self, now: u64) -> bool {
        self.given.back().is_some_and(|last| last.tick >= now)
    }
}

impl Outside for Replay {
    fn ask(&mut self, _: &Question) -> Result<bool, OutsideError> {
        Ok(true)
    }

    fn poll(&mut self, now: u64) -> Result<Vec<(u64, String)>, OutsideError> {
        let mut answers = Vec::new();
        while let Some(given) = self.given.pop_front_if(|given| given.tick <= now) {
            if given.tick < now {
                return Err(OutsideError::Strange {
                    number: given.number,
                    tick: given.tick,
                });
            }
            answers.push((given.number, given.answer));
        }
        Ok(answers)
    }
}

fn record_error(path: &Path, why: &str) -> OutsideError {
    OutsideError::Record {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}
