//! What is published of a run: the folder that becomes a pod, and how it is read again.
//!
//! `run/` has `run.json` and the tables that it names, `source/` the crate that computed it (nothing for a model that
//! is built in), `publish.json` which files there are. Checkpoints, builds, links and hidden files stay behind.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use adapters::transfer::is_secret;
use genesis::id::Digester;
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use sims::folder::{FileRecord, Record};

use super::crates::engine_digest;
use crate::report::file_refused;

/// The version of `publish.json`.
const SCHEMA: u32 = 1;
/// The file that says what is published.
pub(crate) const RECORD: &str = "publish.json";
/// The folder of the run.
pub(crate) const RUN: &str = "run";
/// What a run's folder says of it.
pub(crate) const RUN_RECORD: &str = "run.json";
/// The folder of the crate.
pub(crate) const SOURCE: &str = "source";
/// Most files of a crate; more are refused.
const FILES_MAX: usize = 10_000;
/// Most bytes of a crate, all files together; more are refused.
const BYTES_MAX: u64 = 256 << 20;
/// Longest `publish.json` that is read, in bytes.
const RECORD_BYTES_MAX: u64 = 16 << 20;
/// How much of a file is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// What is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Published {
    schema: u32,
    /// Of which model.
    pub(crate) model: String,
    /// Where the model is from.
    pub(crate) kind: Kind,
    /// Which version of the medium published it.
    pub(crate) medium: String,
    /// The digest of the engine of that version; a crate has its own, among its files.
    pub(crate) engine: String,
    /// All other files, by path.
    pub(crate) files: BTreeMap<String, FileRecord>,
}

/// Where a model is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The medium.
    BuiltIn,
    /// A crate.
    Crate,
}

impl Published {
    /// Puts what is published of a run into an empty folder; with the crate that computed it, if it was one.
    ///
    /// # Errors
    /// What files say; `too-large` for a crate that is more than a model.
    pub(crate) fn stage(
        run: &Path,
        record: &Record,
        source: Option<&Path>,
        stage: &Path,
    ) -> Result<Self, Refusal> {
        make(&stage.join(RUN))?;
        let shown = shown(record);
        let text = serde_json::to_vec_pretty(&shown)
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        write(&stage.join(RUN).join(RUN_RECORD), &text)?;
        for name in record.files.keys() {
            // The record may have come from elsewhere: its names lead nowhere else.
            let is_plain = !name.contains('/') && !name.starts_with('.');
            let from = run.join(name);
            if !is_plain {
                let what = format!("`{}` names a file `{name}`", run.join(RUN_RECORD).display());
                return Err(Refusal::new(Code::Malformed, what)
                    .hint("the files of a run lie beside its run.json"));
            }
            copy(&from, &stage.join(RUN).join(name))?;
        }
        if let Some(source) = source {
            let mut bytes = 0;
            let files = sources(source)?;
            for (path, length) in &files {
                bytes += length;
                let to = stage.join(SOURCE).join(path);
                make(to.parent().unwrap_or(stage))?;
                copy(&source.join(path), &to)?;
            }
            if files.len() > FILES_MAX || bytes > BYTES_MAX {
                let what = format!(
                    "`{}` has {} files of {bytes} bytes, and a model has at most {FILES_MAX} of {BYTES_MAX}",
                    source.display(),
                    files.len()
                );
                return Err(Refusal::new(Code::TooLarge, what)
                    .hint("keep data that the model does not need elsewhere"));
            }
        }
        let published = Self {
            schema: SCHEMA,
            model: record.model.clone(),
            kind: if source.is_some() {
                Kind::Crate
            } else {
                Kind::BuiltIn
            },
            medium: env!("CARGO_PKG_VERSION").to_owned(),
            engine: engine_digest().to_string(),
            files: found(stage)?,
        };
        let text = serde_json::to_vec_pretty(&published)
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        write(&stage.join(RECORD), &text)?;
        Ok(published)
    }

    /// What a folder says that was published.
    ///
    /// # Errors
    /// `malformed` if it says nothing that can be read.
    pub(crate) fn read(place: &Path) -> Result<Self, Refusal> {
        let path = place.join(RECORD);
        let bad = |why: String| {
            Refusal::new(Code::Malformed, format!("`{}`: {why}", path.display()))
                .hint("`medium sim publish` makes what `medium sim verify` checks")
        };
        let mut file = File::open(&path).map_err(|error| file_refused("read", &path, &error))?;
        let mut text = Vec::new();
        let read = file.by_ref().take(RECORD_BYTES_MAX).read_to_end(&mut text);
        read.map_err(|error| file_refused("read", &path, &error))?;
        let published: Self =
            serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
        if published.schema != SCHEMA {
            let why = format!(
                "its schema is {}, and this program knows {SCHEMA}",
                published.schema
            );
            return Err(bad(why));
        }
        Ok(published)
    }

    /// The first file that is not what was published, or that was not: its path, what was published, what is there.
    ///
    /// # Errors
    /// What files say.
    pub(crate) fn first_change(
        &self,
        place: &Path,
    ) -> Result<Option<(String, String, String)>, Refusal> {
        let found = found(place)?;
        let nothing = || "no such file".to_owned();
        let shown = |record: Option<&FileRecord>| {
            record.map_or_else(nothing, |record| record.blake3.clone())
        };
        let mut paths: Vec<_> = self.files.keys().chain(found.keys()).collect();
        paths.sort_unstable();
        let first = paths
            .into_iter()
            .find(|path| self.files.get(*path) != found.get(*path));
        Ok(first.map(|path| {
            (
                path.clone(),
                shown(self.files.get(path)),
                shown(found.get(path)),
            )
        }))
    }
}

/// A run's record as it is published: without the paths of the machine that ran it.
fn shown(record: &Record) -> Record {
    let name = |word: &String| match Path::new(word).file_name() {
        Some(name) if word.starts_with('/') => name.to_string_lossy().into_owned(),
        _ => word.clone(),
    };
    let mut shown = record.clone();
    shown.command = record.command.iter().map(name).collect();
    if let Some(fork) = &mut shown.fork {
        fork.of = name(&fork.of);
    }
    shown
}

/// The files of a crate that are its source, with their lengths, by path: without builds, runs, links, what is hidden,
/// and what is called like a secret.
fn sources(source: &Path) -> Result<Vec<(PathBuf, u64)>, Refusal> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let full = source.join(&folder);
        let refused = |error: io::Error| file_refused("read", &full, &error);
        let is_made = ["CACHEDIR.TAG", RUN_RECORD, "sweep.json", RECORD]
            .iter()
            .any(|file| full.join(file).exists());
        if is_made && !folder.as_os_str().is_empty() {
            continue;
        }
        for entry in fs::read_dir(&full).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let about = entry.metadata().map_err(refused)?;
            if name.starts_with('.') || is_secret(&name) {
                continue;
            }
            let path = folder.join(&*name);
            if about.is_dir() {
                folders.push(path);
            } else if about.is_file() {
                files.push((path, about.len()));
                if files.len() > 2 * FILES_MAX {
                    return Ok(files);
                }
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Every file of a folder but `publish.json`, with its digest, by path.
pub(crate) fn found(place: &Path) -> Result<BTreeMap<String, FileRecord>, Refusal> {
    let mut all = BTreeMap::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let full = place.join(&folder);
        let refused = |error: io::Error| file_refused("read", &full, &error);
        for entry in fs::read_dir(&full).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            if entry.file_type().map_err(refused)?.is_dir() {
                folders.push(path);
            } else if path != RECORD {
                all.insert(path, digest(&entry.path())?);
            }
        }
    }
    Ok(all)
}

/// Digest and length of a file.
pub(crate) fn digest(path: &Path) -> Result<FileRecord, Refusal> {
    let refused = |error: io::Error| file_refused("read", path, &error);
    let mut file = File::open(path).map_err(refused)?;
    let mut digester = Digester::default();
    let (mut piece, mut bytes) = (vec![0; PIECE_BYTES], 0);
    loop {
        match file.read(&mut piece).map_err(refused)? {
            0 => break,
            read => {
                digester.update(&piece[..read]);
                bytes += read as u64;
            }
        }
    }
    Ok(FileRecord {
        blake3: digester.digest().to_string(),
        bytes,
    })
}

pub(crate) fn make(folder: &Path) -> Result<(), Refusal> {
    fs::create_dir_all(folder).map_err(|error| file_refused("make", folder, &error))
}

pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Refusal> {
    fs::copy(from, to)
        .map(|_| ())
        .map_err(|error| file_refused("copy", from, &error))
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    fs::write(path, bytes).map_err(|error| file_refused("write", path, &error))
}
