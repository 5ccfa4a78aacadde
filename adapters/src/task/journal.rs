//! What happened in a run, a line each, on disk before the next thing happens.
//!
//! A line is 16 hexadecimal digits of the digest of the rest, a blank, and JSON. The last line may be torn by
//! a crash, and is then cut off; a wrong line before others is damage.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{StepRecord, TaskError};

/// What the file is called.
const NAME: &str = "journal";
/// How often a lock that somebody has is tried again, and how long in between: a fifth of a second in all.
const LOCK_TRIES: u32 = 20;
/// See [`LOCK_TRIES`].
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// Longest journal that is read, in bytes: refuse. A line of a step is about 1 KiB, and a run has at most
/// 1,024 steps of 10,000 items; what is longer has something wrong with it.
const BYTES_MAX: u64 = 16 << 30;
/// Hexadecimal digits of a line's digest.
const SUM_DIGITS: usize = 16;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub(super) enum Event {
    /// The run began.
    Begun {
        /// When, in milliseconds since 1970.
        at: u64,
        /// What is run.
        name: String,
    },
    /// The run goes on after it had ended, in whatever way.
    Resumed {
        /// When.
        at: u64,
    },
    /// A job was started.
    Started {
        /// When.
        at: u64,
        /// Which.
        job: String,
        /// The how many'th attempt.
        attempt: u32,
    },
    /// A step, or an item of one, has ended.
    Ended {
        /// What became of it.
        record: Box<StepRecord>,
    },
}

/// The journal of a run that goes on; nobody else has it meanwhile.
#[derive(Debug)]
pub(super) struct Journal {
    file: Mutex<File>,
}

impl Journal {
    /// A new one.
    pub(super) fn create(folder: &Path) -> Result<Self, TaskError> {
        let path = folder.join(NAME);
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| TaskError::io(format!("make `{}`", path.display()), error))?;
        Self::locked(file, folder)
    }

    /// That of a run before, and what is in it.
    pub(super) fn open(folder: &Path) -> Result<(Self, Vec<Event>), TaskError> {
        let path = folder.join(NAME);
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => TaskError::NoRun(folder.to_owned()),
            _ => TaskError::io(format!("read `{}`", path.display()), error),
        };
        let file = OpenOptions::new().read(true).append(true).open(&path);
        let journal = Self::locked(file.map_err(failed)?, folder)?;
        let events = {
            let mut file = journal.file.lock();
            let mut text = Vec::new();
            file.seek(SeekFrom::Start(0)).map_err(failed)?;
            (&mut *file)
                .take(BYTES_MAX)
                .read_to_end(&mut text)
                .map_err(failed)?;
            let (events, whole) = read(&text).map_err(|line| TaskError::Damaged {
                folder: folder.to_owned(),
                why: format!("line {line} of its journal is damaged"),
            })?;
            if whole < text.len() {
                file.set_len(whole as u64).map_err(failed)?;
                file.sync_all().map_err(failed)?;
            }
            events
        };
        Ok((journal, events))
    }

    fn locked(file: File, folder: &Path) -> Result<Self, TaskError> {
        // A process that is being started has our open files until it becomes another program, and with them the
        // lock of a journal that was closed meanwhile.
        let mut tries = 0;
        let mut locked = file.try_lock();
        while matches!(locked, Err(TryLockError::WouldBlock)) && tries < LOCK_TRIES {
            tries += 1;
            std::thread::park_timeout(LOCK_PAUSE);
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => Ok(Self {
                file: Mutex::new(file),
            }),
            Err(TryLockError::WouldBlock) => Err(TaskError::GoingOn(folder.to_owned())),
            Err(TryLockError::Error(error)) => Err(TaskError::io("lock the journal", error)),
        }
    }

    /// Writes down what happened; it is on disk when this returns.
    pub(super) fn append(&self, event: &Event) -> Result<(), TaskError> {
        let failed = |error| TaskError::io("write the journal", error);
        let json = serde_json::to_string(event).map_err(|error| failed(error.into()))?;
        let line = format!("{} {json}\n", sum(json.as_bytes()));
        let mut file = self.file.lock();
        file.write_all(line.as_bytes()).map_err(failed)?;
        file.sync_data().map_err(failed)
    }
}

fn sum(json: &[u8]) -> String {
    let digest = blake3::hash(json).to_hex();
    digest.get(..SUM_DIGITS).unwrap_or_default().to_owned()
}

/// The events of a journal and how many bytes they take; or the number of a line that is damaged.
fn read(text: &[u8]) -> Result<(Vec<Event>, usize), usize> {
    let mut events = Vec::new();
    let mut whole = 0;
    for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match event(line) {
            Some(event) => events.push(event),
            None if whole + line.len() == text.len() => break,
            None => return Err(number + 1),
        }
        whole += line.len();
    }
    Ok((events, whole))
}

fn event(line: &[u8]) -> Option<Event> {
    let line = line.strip_suffix(b"\n")?;
    let (digits, rest) = line.split_at_checked(SUM_DIGITS)?;
    let json = rest.strip_prefix(b" ")?;
    if digits != sum(json).as_bytes() {
        return None;
    }
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_torn_is_cut_off_and_what_is_damaged_is_said() {
        let events: Vec<_> = (0..5_u64).map(|at| Event::Resumed { at }).collect();
        let lines: Vec<String> = events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap())
            .map(|json| format!("{} {json}\n", sum(json.as_bytes())))
            .collect();
        let text = lines.concat();
        for cut in 0..=text.len() {
            let (found, whole) = read(&text.as_bytes()[..cut]).unwrap();
            assert_eq!(found, events[..found.len()]);
            assert!(whole <= cut && cut - whole < lines[0].len().max(lines[4].len()));
        }
        let mut damaged = text.into_bytes();
        damaged[lines[0].len() + 20] ^= 1;
        assert_eq!(read(&damaged), Err(2));
    }

    #[test]
    fn a_run_has_one_journal_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            Journal::open(folder.path()),
            Err(TaskError::NoRun(_))
        ));
        let journal = Journal::create(folder.path()).unwrap();
        assert!(matches!(
            Journal::open(folder.path()),
            Err(TaskError::GoingOn(_))
        ));
        journal.append(&Event::Resumed { at: 7 }).unwrap();
        drop(journal);
        let (_, events) = Journal::open(folder.path()).unwrap();
        assert_eq!(events, [Event::Resumed { at: 7 }]);
    }
}
