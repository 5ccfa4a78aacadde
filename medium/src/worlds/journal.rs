//! What was done to a world from outside, and before which tick: enough to run it again with all of it.
//!
//! A file of lines, each `LINK JSON`: the JSON says what was done, the link is a digest of it and of the link
//! before, so that no line can be changed, taken out or moved unnoticed. A line is on disk before whoever
//! asked is answered; one that was cut off was never answered, and is left out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use genesis::id::Digest;
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use sims::live::Frozen;

/// Longest journal, in bytes: refuse. A fork of the world begins with what is in it, so it is long.
pub const JOURNAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How many characters of a digest a link has.
const LINK_LEN: usize = 16;
/// What the first link follows.
const FIRST: &str = "world journal 1";

/// An agent outside of its world, as it is written: the row in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    model: String,
    cohort: String,
    kind: String,
    id: u64,
    row: String,
}

impl Written {
    /// An agent as it is written.
    pub fn of(agent: &Frozen) -> Self {
        Self {
            model: agent.model.clone(),
            cohort: agent.cohort.clone(),
            kind: agent.kind.clone(),
            id: agent.id,
            row: data_encoding::BASE64.encode(&agent.row),
        }
    }

    /// The agent.
    ///
    /// # Errors
    /// [`Code::Corrupt`] if its row is not base64.
    pub fn agent(&self) -> Result<Frozen, Refusal> {
        let row = data_encoding::BASE64.decode(self.row.as_bytes());
        let row = row.map_err(|error| corrupt(format!("the row of an agent: {error}")))?;
        Ok(Frozen {
            model: self.model.clone(),
            cohort: self.cohort.clone(),
            kind: self.kind.clone(),
            id: self.id,
            row,
        })
    }
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// A parameter was given another value, which is written as text so that it reads back equal.
    Set {
        /// Which.
        name: String,
        /// Its value.
        value: String,
    },
    /// An agent was sent a message.
    Send {
        /// In which cohort.
        cohort: String,
        /// Which address.
        id: u64,
        /// What it was told.
        text: String,
    },
    /// An agent was taken out.
    Take {
        /// From which cohort.
        cohort: String,
        /// Which address.
        id: u64,
        /// The VC that it becomes, and as what; none if it ended.
        vc: Option<String>,
        /// What that VC is called.
        name: Option<String>,
        /// The agent.
        agent: Written,
    },
    /// An agent was put in.
    Put {
        /// The agent.
        agent: Written,
        /// The VC that it was.
        vc: String,
    },
    /// What a `take` or a `put` means for the VC was done: it is there, or gone.
    Settled {
        /// Which VC.
        vc: String,
    },
    /// The world was told to go.
    Go {
        /// Until how many ticks are over; none for without end.
        until: Option<u64>,
        /// How many ticks there are in a second, in thousandths; none for as many as can be.
        millihertz: Option<u64>,
    },
    /// The world came to rest.
    Rest {
        /// Its trace digest.
        digest: String,
    },
}

/// An act, and when it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// How many ticks were over.
    pub tick: u64,
    /// What was done.
    #[serde(flatten)]
    pub act: Act,
}

/// The journal of a world, open at its end.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    link: String,
    bytes: u64,
    /// How many entries it has.
    pub len: u64,
}

fn link_of(before: &str, json: &str) -> String {
    let digest = Digest::of_fields(b"world journal", &[before.as_bytes(), json.as_bytes()]);
    let mut text = digest.to_string();
    text.truncate(LINK_LEN);
    text
}

fn corrupt(what: impl Into<String>) -> Refusal {
    Refusal::new(Code::Corrupt, what)
}

/// What the system said of a file, with the way out.
pub(super) fn failed(verb: &str, path: &Path, error: &io::Error) -> Refusal {
    let (code, hint) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (Code::DiskFull, "make room on that disk")
        }
        _ => (
            Code::Io,
            "the operating system refused; its log may say more",
        ),
    };
    Refusal::new(code, format!("cannot {verb} {}: {error}", path.display()))
        .who(path.display())
        .hint(hint)
}

/// The entries of a journal as it is on disk, where the last whole one ends, and its link.
fn parse(path: &Path, bytes: &[u8]) -> Result<(Vec<Entry>, usize, String), Refusal> {
    let mut entries = Vec::new();
    let mut link = FIRST.to_owned();
    let mut end = 0;
    // What is behind the last line end was cut off while it was written, before anybody was answered.
    let whole = bytes.iter().rposition(|byte| *byte == b'\n');
    let whole = bytes
        .get(..whole.map_or(0, |at| at + 1))
        .unwrap_or_default();
    for (n, line) in whole.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let damaged = |why: &str| {
            corrupt(format!("line {} of the journal {why}", n + 1))
                .who(path.display())
                .hint("restore the folder from a backup, or go on from a fork made earlier")
        };
        let text = std::str::from_utf8(line).map_err(|_| damaged("is not text"))?;
        let (found, json) = text
            .trim_end_matches('\n')
            .split_once(' ')
            .ok_or_else(|| damaged("is no entry"))?;
        link = link_of(&link, json);
        if found != link {
            return Err(damaged("was changed, or one before it is missing"));
        }
        let entry: Entry = serde_json::from_str(json)
            .map_err(|error| damaged(&format!("is no entry: {error}")))?;
        entries.push(entry);
        end += line.len();
    }
    Ok((entries, end, link))
}

impl Journal {
    /// An empty one.
    ///
    /// # Errors
    /// The system's.
    pub fn create(path: &Path) -> Result<Self, Refusal> {
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let file = file.map_err(|error| failed("make", path, &error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            link: FIRST.to_owned(),
            bytes: 0,
            len: 0,
        })
    }

    /// Reads one, and goes on at its end.
    ///
    /// # Errors
    /// [`Code::Corrupt`] if it was changed; else the system's.
    pub fn open(path: &Path) -> Result<(Self, Vec<Entry>), Refusal> {
        let bytes = read(path)?;
        let (entries, end, link) = parse(path, &bytes)?;
        let file = OpenOptions::new().append(true).open(path);
        let file = file.map_err(|error| failed("open", path, &error))?;
        file.set_len(end as u64)
            .map_err(|error| failed("shorten", path, &error))?;
        let journal = Self {
            path: path.to_owned(),
            file,
            link,
            bytes: end as u64,
            len: entries.len() as u64,
        };
        Ok((journal, entries))
    }

    /// Reads the entries of one, which may be open elsewhere.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn entries(path: &Path) -> Result<Vec<Entry>, Refusal> {
        parse(path, &read(path)?).map(|(entries, _, _)| entries)
    }

    /// Adds entries; when this returns they are on disk. On an error none of them may be taken for done.
    ///
    /// # Errors
    /// [`Code::TooLarge`] if the journal is full; else the system's.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), Refusal> {
        let mut lines = String::new();
        let mut link = self.link.clone();
        for entry in entries {
            let json = serde_json::to_string(entry)
                .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
            link = link_of(&link, &json);
            lines.push_str(&link);
            lines.push(' ');
            lines.push_str(&json);
            lines.push('\n');
        }
        if self.bytes + lines.len() as u64 > JOURNAL_BYTES_MAX {
            let what = format!(
                "the journal of this world has {} bytes, of {JOURNAL_BYTES_MAX} at most",
                self.bytes
            );
            return Err(Refusal::new(Code::TooLarge, what)
                .hint("run its model in another world; this one can still be looked at"));
        }
        let written = self
            .file
            .write_all(lines.as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line must not stand before the next one.
            let _ = self.file.set_len(self.bytes);
            return Err(failed("write", &self.path, &error));
        }
        self.bytes += lines.len() as u64;
        self.link = link;
        self.len += entries.len() as u64;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Refusal> {
    let about = fs::metadata(path).map_err(|error| failed("read", path, &error))?;
    if about.len() > JOURNAL_BYTES_MAX + 1024 * 1024 {
        return Err(corrupt(format!("the journal has {} bytes", about.len())).who(path.display()));
    }
    fs::read(path).map_err(|error| failed("read", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(tick: u64, text: &str) -> Entry {
        let act = Act::Send {
            cohort: "birds".to_owned(),
            id: u64::MAX - 1,
            text: text.to_owned(),
        };
        Entry { tick, act }
    }

    #[test]
    fn what_was_written_is_read_and_what_was_cut_off_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::create(&path).unwrap();
        journal.append(&[entry(1, "a"), entry(1, "b\n\"")]).unwrap();
        let whole = fs::read(&path).unwrap();
        journal.append(&[entry(2, "c")]).unwrap();
        let longer = fs::read(&path).unwrap();
        for end in whole.len()..longer.len() {
            fs::write(&path, &longer[..end]).unwrap();
            let (mut journal, entries) = Journal::open(&path).unwrap();
            assert_eq!(entries, [entry(1, "a"), entry(1, "b\n\"")], "{end}");
            journal.append(&[entry(2, "c")]).unwrap();
            assert_eq!(fs::read(&path).unwrap(), longer, "{end}");
        }
    }

    #[test]
    fn a_changed_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::create(&path).unwrap();
        journal.append(&[entry(1, "a"), entry(1, "b")]).unwrap();
        let whole = fs::read(&path).unwrap();
        let lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        for at in 0..whole.len() - 1 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let refused = Journal::entries(&path).unwrap_err();
            assert_eq!(refused.code, Code::Corrupt, "{at}: {refused}");
        }
        fs::write(&path, lines[1]).unwrap();
        assert!(Journal::entries(&path).unwrap_err().what.contains("line 1"));
    }
}
