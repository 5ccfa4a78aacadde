//! The folder of a run: what it was asked ([`Record`], `run.json`), what it collected (`model.parquet`), where it can go on
//! (`checkpoints/TICK.vcw`), and, where asked, everybody in it (`agents.parquet`).
//!
//! Read in this order: [`Record`], [`Folder`] (files, and who may write them), [`Keeper`] (what a run does with its folder
//! from tick to tick), [`fork()`], [`verify()`], [`error`]. Every file appears whole: it is written beside its place and renamed. While a run is under
//! way its rows stand in `model.rows`, each with a check; a checkpoint is written after what came before it is on the disk. So
//! a run that was killed goes on from its last checkpoint, and ends with the same bytes as one that was not.

mod agents;
pub mod error;
mod fork;
mod keeper;
mod record;
pub(crate) mod rows;
mod verify;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use genesis::id::Digester;

pub use error::FolderError;
pub use fork::{Forked, fork};
pub use keeper::{Keeper, Resumed, Start};
pub use record::{FileRecord, Fork, Format, Record, SCHEMA, Status};
pub use verify::{Verdict, verify};

use crate::outside::{self, Replay, Talk};

/// The file that says what a folder is of.
const RECORD: &str = "run.json";
/// The folder of checkpoints.
const CHECKPOINTS: &str = "checkpoints";
/// What checkpoints end in.
const CHECKPOINT: &str = ".vcw";
/// The rows of a run that has not ended.
const ROWS: &str = "model.rows";
/// What was answered from outside.
const ANSWERS: &str = "answers.jsonl";
/// Where the tables of agents are in pieces.
const PIECES: &str = "agents.parts";

/// A folder that this program alone writes to, as long as it has this.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Locked, so that a second run into the same folder is refused; the system unlocks it when this program ends.
    _lock: fs_err::File,
}

impl Folder {
    /// A folder for something new; with `force` in the place of what was in it. `what` is `run` or `sweep`.
    ///
    /// # Errors
    /// [`FolderError`]: it is taken, of something else, in use, or cannot be made.
    pub fn create(path: &Path, what: &'static str, force: bool) -> Result<Self, FolderError> {
        fs_err::create_dir_all(path)?;
        let folder = Self::lock(path)?;
        let holds = |file: &str| path.join(file).exists();
        let taken = match (holds(RECORD), holds(crate::sweep::RECORD)) {
            (true, _) => Some("run"),
            (false, true) => Some("sweep"),
            (false, false) => None,
        };
        match taken {
            Some(what) if !force => Err(FolderError::Taken {
                path: path.to_owned(),
                what,
            }),
            Some(_) => {
                folder.clear()?;
                Ok(folder)
            }
            None if fs_err::read_dir(path)?.next().is_some() => Err(FolderError::Foreign {
                path: path.to_owned(),
                what,
            }),
            None => Ok(folder),
        }
    }

    /// A folder of a run, to go on with it.
    ///
    /// # Errors
    /// [`FolderError`]: it holds no run, is in use, or cannot be read.
    pub fn open(path: &Path) -> Result<(Self, Record), FolderError> {
        // First what it is: a file, or a folder of something else, is not locked.
        Self::read(path)?;
        let folder = Self::lock(path)?;
        // Once more, now that nobody changes it.
        let record = Self::read(path)?;
        Ok((folder, record))
    }

    /// What a folder says of its run.
    ///
    /// # Errors
    /// [`FolderError`]: it holds no run, or what it says cannot be read.
    pub fn read(path: &Path) -> Result<Record, FolderError> {
        let record: Record = read_json(path, "run", RECORD)?;
        let file = path.join(RECORD);
        if record.schema != SCHEMA {
            let reason = format!(
                "its schema is {}, and this program knows {SCHEMA}",
                record.schema
            );
            return Err(FolderError::malformed(&file, reason));
        }
        if record.collect_every == 0
            || record.checkpoint_every == Some(0)
            || record.agents_every == Some(0)
        {
            return Err(FolderError::malformed(
                &file,
                "something is done after each 0th tick",
            ));
        }
        Ok(record)
    }

    pub(crate) fn lock(path: &Path) -> Result<Self, FolderError> {
        let lock = fs_err::File::open(path)?;
        match lock.file().try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(error) => {
                let error = std::io::Error::from(error);
                if error.kind() == std::io::ErrorKind::WouldBlock {
                    return Err(FolderError::Busy {
                        path: path.to_owned(),
                    });
                }
                Err(error.into())
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what runs and sweeps write, and nothing else.
    fn clear(&self) -> Result<(), FolderError> {
        for entry in fs_err::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_file = [
                "model.",
                "agents.",
                "answers.",
                "run.json",
                "sweep.json",
                "plot.",
            ];
            if [CHECKPOINTS, PIECES, crate::sweep::RUNS].contains(&name.as_str()) {
                fs_err::remove_dir_all(entry.path())?;
            } else if is_file.iter().any(|begin| name.starts_with(begin)) {
                fs_err::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// The answers that were given from outside, to a world that goes on after tick `now`; none if there were none.
    ///
    /// # Errors
    /// [`FolderError::Outside`]: they cannot be read.
    pub fn answers(path: &Path, now: u64) -> Result<Option<Replay>, FolderError> {
        let path = path.join(ANSWERS);
        Ok(if path.exists() {
            Some(Replay::open(&path, now)?)
        } else {
            None
        })
    }

    /// The talk of a world that goes on after tick `now`: with the program of this command, and first with the answers that
    /// are recorded for the ticks to come.
    ///
    /// # Errors
    /// [`FolderError::Outside`]: the program cannot be started, the record cannot be read.
    pub fn talk(path: &Path, command: Option<&str>, now: u64) -> Result<Option<Talk>, FolderError> {
        let Some(command) = command else {
            return Ok(Self::answers(path, now)?.map(Talk::replay));
        };
        let (record, ahead) = outside::Record::open(&path.join(ANSWERS), now)?;
        let program = Box::new(outside::Program::shell(command)?);
        Ok(Some(Talk::with(program, Some(record), ahead)))
    }

    /// Writes what the folder says of its run.
    pub(crate) fn write(&self, record: &Record) -> Result<(), FolderError> {
        write_json(&self.path.join(RECORD), record)
    }

    /// Writes a checkpoint, and makes sure that it is on the disk.
    pub(crate) fn checkpoint(&self, tick: u64, bytes: &[u8]) -> Result<PathBuf, FolderError> {
        let folder = self.path.join(CHECKPOINTS);
        fs_err::create_dir_all(&folder)?;
        let path = folder.join(format!("{tick}{CHECKPOINT}"));
        write_whole(&path, bytes)?;
        Ok(path)
    }
}

/// The checkpoints of a folder, the last one first.
pub(crate) fn checkpoints(path: &Path) -> Result<Vec<(u64, PathBuf)>, FolderError> {
    let entries = match fs_err::read_dir(path.join(CHECKPOINTS)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let tick = name.strip_suffix(CHECKPOINT).map(str::parse);
        if let Some(Ok(tick)) = tick {
            found.push((tick, path));
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// The table of a run or sweep.
pub(crate) fn model_table(path: &Path, format: Format) -> PathBuf {
    path.join(format!("model.{}", format.ending()))
}

/// Reads what a folder says of itself.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(
    path: &Path,
    what: &'static str,
    file: &'static str,
) -> Result<T, FolderError> {
    let text = match fs_err::read_to_string(path.join(file)) {
        Ok(text) => text,
        Err(error)
            if [
                std::io::ErrorKind::NotFound,
                std::io::ErrorKind::NotADirectory,
            ]
            .contains(&error.kind()) =>
        {
            let path = path.to_owned();
            return Err(FolderError::None { path, what, file });
        }
        Err(error) => return Err(error.into()),
    };
    serde_json::from_str(&text)
        .map_err(|error| FolderError::malformed(&path.join(file), error.to_string()))
}

/// Writes JSON for people and programs.
pub(crate) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), FolderError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(std::io::Error::from)?;
    text.push(b'\n');
    write_whole(path, &text)
}

/// Writes a file so that it is there whole or not at all, even if the machine stops.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut file = fs_err::File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs_err::rename(&part, path)?;
    if let Some(folder) = path.parent() {
        // A folder with an empty name is the current one.
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        fs_err::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Digest and length of a file.
pub(crate) fn file_record(path: &Path) -> Result<FileRecord, FolderError> {
    let mut file = fs_err::File::open(path)?;
    let mut digester = Digester::default();
    let (mut buffer, mut bytes) = (vec![0; 1 << 16], 0);
    loop {
        let read = std::io::Read::read(&mut file, &mut buffer)?;
        if read == 0 {
            break;
        }
        digester.update(&buffer[..read]);
        bytes += read as u64;
    }
    Ok(FileRecord {
        blake3: digester.digest().to_string(),
        bytes,
    })
}
