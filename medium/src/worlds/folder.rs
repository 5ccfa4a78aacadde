//! What a world leaves on disk: how it was begun, its checkpoints, and the [journal](super::journal).
//!
//! | file | what it holds | written |
//! |---|---|---|
//! | `run.json` | [`Begun`]: model, parameters, seed | once |
//! | `vc` | the id of the VC that the world is | once, when it is born |
//! | `journal` | what was done from outside | a line at a time |
//! | `checkpoints/TICK-ENTRIES.vcw` | the world after so many ticks and so many entries | whole or not at all; the last two are kept |

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};

use super::journal::failed;

/// How many checkpoints are kept: one more than needed, in case the last is damaged.
pub const CHECKPOINTS_KEPT: usize = 2;
/// The version of `run.json`.
pub const FORMAT: u32 = 1;
/// Longest `run.json`, in bytes: refuse.
const ABOUT_BYTES_MAX: u64 = 1024 * 1024;

/// How a world was begun: the contents of `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The version of this form.
    pub world: u32,
    /// Its model.
    pub model: String,
    /// The program that began it.
    pub version: String,
    /// Whose randomness.
    pub seed: u64,
    /// All parameters, in the order of declaration; as text, so that each reads back equal.
    pub params: Vec<(String, String)>,
    /// The trace digest before the first tick.
    pub digest: String,
}

/// A checkpoint, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// How many ticks are over.
    pub tick: u64,
    /// How many entries of the journal are in it.
    pub entries: u64,
}

impl Mark {
    /// The name of its file.
    pub fn file(self) -> String {
        format!("{:012}-{:08}.vcw", self.tick, self.entries)
    }

    fn named(name: &str) -> Option<Self> {
        let (tick, entries) = name.strip_suffix(".vcw")?.split_once('-')?;
        Some(Self {
            tick: tick.parse().ok()?,
            entries: entries.parse().ok()?,
        })
    }
}

/// The folder of a world.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// This one.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the journal is.
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// Makes it, with nothing in it.
    ///
    /// # Errors
    /// The system's.
    pub fn make(&self) -> Result<(), Refusal> {
        let checkpoints = self.0.join("checkpoints");
        fs::create_dir_all(&checkpoints).map_err(|error| failed("make", &checkpoints, &error))
    }

    /// Removes it and all that is in it.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(&self) -> Result<(), Refusal> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed("remove", &self.0, &error))
            }
            _ => Ok(()),
        }
    }

    /// Says how the world was begun.
    ///
    /// # Errors
    /// The system's.
    pub fn begin(&self, begun: &Begun) -> Result<(), Refusal> {
        let text = serde_json::to_vec_pretty(begun)
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        write(&self.0.join("run.json"), &text)
    }

    /// How the world was begun.
    ///
    /// # Errors
    /// [`Code::Corrupt`] if that cannot be read, [`Code::Conflict`] if a newer program wrote it.
    pub fn begun(&self) -> Result<Begun, Refusal> {
        let path = self.0.join("run.json");
        let bytes = read(&path, ABOUT_BYTES_MAX)?;
        let begun: Begun = serde_json::from_slice(&bytes).map_err(|error| {
            let what = format!("{} is damaged: {error}", path.display());
            Refusal::new(Code::Corrupt, what).who(path.display())
        })?;
        if begun.world > FORMAT {
            let what = format!(
                "{} is of version {}, and this program knows {FORMAT}",
                path.display(),
                begun.world
            );
            return Err(Refusal::new(Code::Conflict, what).hint("use the newer program"));
        }
        Ok(begun)
    }

    /// Says which VC the world is.
    ///
    /// # Errors
    /// The system's.
    pub fn belong(&self, vc: &str) -> Result<(), Refusal> {
        write(&self.0.join("vc"), vc.as_bytes())
    }

    /// Which VC the world is; none if it was never born.
    pub fn vc(&self) -> Option<String> {
        fs::read_to_string(self.0.join("vc")).ok()
    }

    /// Keeps a checkpoint, and removes those that are too old.
    ///
    /// # Errors
    /// The system's.
    pub fn save(&self, mark: Mark, bytes: &[u8]) -> Result<(), Refusal> {
        write(&self.checkpoint(mark), bytes)?;
        for old in self.marks()?.iter().skip(CHECKPOINTS_KEPT) {
            // One that stays takes room and does no harm.
            let _ = fs::remove_file(self.checkpoint(*old));
        }
        Ok(())
    }

    /// The checkpoints that there are, newest first.
    ///
    /// # Errors
    /// The system's.
    pub fn marks(&self) -> Result<Vec<Mark>, Refusal> {
        let folder = self.0.join("checkpoints");
        let refused = |error: std::io::Error| failed("list", &folder, &error);
        let mut marks = Vec::new();
        for entry in fs::read_dir(&folder).map_err(refused)? {
            let name = entry.map_err(refused)?.file_name();
            marks.extend(name.to_str().and_then(Mark::named));
        }
        marks.sort_unstable_by(|a, b| b.cmp(a));
        Ok(marks)
    }

    /// Where a checkpoint is.
    pub fn checkpoint(&self, mark: Mark) -> PathBuf {
        self.0.join("checkpoints").join(mark.file())
    }

    /// The bytes of a checkpoint.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&self, mark: Mark) -> Result<Vec<u8>, Refusal> {
        read(&self.checkpoint(mark), u64::MAX)
    }
}

fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Refusal> {
    let about = fs::metadata(path).map_err(|error| failed("read", path, &error))?;
    if about.len() > bytes_max {
        let what = format!(
            "{} has {} bytes, at most {bytes_max} are read",
            path.display(),
            about.len()
        );
        return Err(Refusal::new(Code::TooLarge, what));
    }
    fs::read(path).map_err(|error| failed("read", path, &error))
}

/// Writes a file whole and on disk, or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    let part = path.with_extension("part");
    let written = (|| {
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        path.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    })();
    written.map_err(|error| failed("write", path, &error))
}
