//! From a pod, or from what a reference names, to this machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Timespec, Timestamps, UTIME_OMIT};

use super::TransferError;
use super::staging::Staging;
use crate::pods::{Entry, EntryKind, PodPath, Pods, PodsError, Progress, Source};

/// Most files and directories that are brought at once: refuse.
pub const FETCH_ENTRIES_MAX: usize = 1_000_000;
/// Most bytes that are brought at once: refuse.
pub const FETCH_BYTES_MAX: u64 = 1 << 40;

/// In a directory that is not whole yet: what is whole of it.
const WHOLE: &str = "whole";
/// In a directory that is not whole yet: the file that comes now.
const COMING: &str = "coming";

/// What was brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Files.
    pub files: u64,
    /// Their bytes, those that came in an earlier run included.
    pub bytes: u64,
    /// How many of the bytes an earlier run had brought.
    pub resumed: u64,
}

/// Brings one file; nothing is overwritten unless `force` says so, and a device or a pipe is then written to.
///
/// # Errors
/// [`TransferError::Taken`], [`TransferError::Stopped`] and what the pods and the system say; what is not
/// whole is then not at `place`.
pub fn fetch_file(
    pods: &dyn Pods,
    from: &Source,
    entry: &Entry,
    place: &Path,
    force: bool,
    progress: &dyn Progress,
) -> Result<Fetched, TransferError> {
    match fs::metadata(place) {
        Ok(about) if force && !about.is_file() => {
            return fetch_into(pods, from, entry, place, progress);
        }
        Ok(_) if !force => return Err(TransferError::Taken(place.to_owned())),
        // A link that leads nowhere is there as well.
        Err(_) if !force && fs::symlink_metadata(place).is_ok() => {
            return Err(TransferError::Taken(place.to_owned()));
        }
        _ => {}
    }
    let identity = entry.reference.as_deref().map(identity);
    let staging = Staging::begin(place, identity.as_deref())?;
    let mut coming = Coming::open(staging.at(), entry, staging.is_resumed())?;
    let resumed = coming.there;
    if let Err(error) = coming.read(pods, from, entry, progress) {
        return Err(stopped(error, staging, || coming.file.sync_all()));
    }
    coming.finish(entry)?;
    let placed = if force {
        fs::rename(staging.at(), place)
    } else {
        // A link fails where the name is taken by now; a rename does not.
        fs::hard_link(staging.at(), place)
    };
    placed.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => TransferError::Taken(place.to_owned()),
        _ => TransferError::io("write", place)(error),
    })?;
    Ok(Fetched {
        files: 1,
        bytes: entry.bytes,
        resumed,
    })
}

/// Writes a file into what cannot be replaced: a device or a pipe.
fn fetch_into(
    pods: &dyn Pods,
    from: &Source,
    entry: &Entry,
    place: &Path,
    progress: &dyn Progress,
) -> Result<Fetched, TransferError> {
    let mut coming = Coming {
        path: place.to_owned(),
        file: OpenOptions::new()
            .write(true)
            .open(place)
            .map_err(TransferError::io("write", place))?,
        there: 0,
    };
    coming.read(pods, from, entry, progress)?;
    Ok(Fetched {
        files: 1,
        bytes: entry.bytes,
        resumed: 0,
    })
}

/// Brings a directory and all that is in it: there is nothing at `place` before everything has come.
///
/// Nothing is written outside of `place`, and no links are made, whatever the names in the directory are.
///
/// # Errors
/// As [`fetch_file`]; [`TransferError::Hostile`], [`TransferError::TooLarge`].
pub fn fetch_directory(
    pods: &dyn Pods,
    from: &Source,
    path: &PodPath,
    place: &Path,
    progress: &dyn Progress,
) -> Result<Fetched, TransferError> {
    if fs::symlink_metadata(place).is_ok() {
        return Err(TransferError::Taken(place.to_owned()));
    }
    let listed = Listed::of(pods, from, path)?;
    let staging = Staging::begin(place, listed.identity.as_deref())?;
    let mut fetched = Fetched::default();
    match listed.bring(pods, from, staging.at(), &mut fetched, progress) {
        Ok(()) => {}
        Err(error) => {
            let at = staging.at().to_owned();
            return Err(stopped(error, staging, || sync(&at)));
        }
    }
    fs::rename(staging.at().join(WHOLE), place).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
            TransferError::Taken(place.to_owned())
        }
        _ => TransferError::io("write", place)(error),
    })?;
    Ok(fetched)
}

/// What becomes of something that was stopped: it is kept if it can be gone on with and has reached the disk.
fn stopped(
    error: TransferError,
    staging: Staging,
    to_disk: impl FnOnce() -> io::Result<()>,
) -> TransferError {
    let TransferError::Pods(PodsError::Stopped { bytes }) = error else {
        return error;
    };
    match to_disk() {
        Ok(()) => match staging.keep() {
            Ok(Some(kept)) => TransferError::Stopped { kept, bytes },
            Ok(None) => error,
            Err(failed) => failed,
        },
        Err(_) => error,
    }
}

/// Waits until the disk has what was written below a directory.
fn sync(directory: &Path) -> io::Result<()> {
    let directory = File::open(directory)?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&directory)?;
    directory.sync_all()
}

/// The first digits of a reference or digest: enough to tell parts of different things apart.
fn identity(reference: &str) -> String {
    reference.chars().take(16).collect()
}

/// A file on its way.
struct Coming {
    path: PathBuf,
    file: File,
    /// How many of its bytes an earlier run has brought.
    there: u64,
}

impl Coming {
    fn open(path: &Path, entry: &Entry, resumed: bool) -> Result<Self, TransferError> {
        let failed = || TransferError::io("write", path);
        let mut options = OpenOptions::new();
        if resumed {
            options.append(true);
        } else {
            options.write(true).create_new(true);
        }
        let file = options.open(path).map_err(failed())?;
        let mut there = file.metadata().map_err(failed())?.len();
        if there > entry.bytes {
            file.set_len(0).map_err(failed())?;
            there = 0;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            there,
        })
    }

    /// Reads what is missing.
    fn read(
        &mut self,
        pods: &dyn Pods,
        from: &Source,
        entry: &Entry,
        progress: &dyn Progress,
    ) -> Result<(), TransferError> {
        progress.moved(self.there);
        let missing = entry.bytes - self.there;
        if missing == 0 {
            return Ok(());
        }
        let range = (self.there > 0).then_some(self.there..entry.bytes);
        let mut out = AtMost {
            out: &mut self.file,
            left: missing,
        };
        let read = pods.read(from, &entry.path.parse()?, range, &mut out, progress)?;
        if read == missing {
            return Ok(());
        }
        let what = format!("`{}` ended after {read} of {missing} bytes", entry.path);
        Err(PodsError::Damaged(what).into())
    }

    /// Gives it the rights and the time it has in the pod.
    fn finish(&self, entry: &Entry) -> Result<(), TransferError> {
        let failed = || TransferError::io("write", &self.path);
        let mode = if entry.executable { 0o755 } else { 0o644 };
        let rights = fs::Permissions::from_mode(mode);
        self.file.set_permissions(rights).map_err(failed())?;
        if entry.modified == 0 {
            return Ok(());
        }
        let no_time = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        };
        let times = Timestamps {
            last_access: no_time,
            last_modification: Timespec {
                tv_sec: i64::try_from(entry.modified).unwrap_or(i64::MAX),
                tv_nsec: 0,
            },
        };
        // A time that the file system cannot have is not worth failing for.
        let _ = rustix::fs::futimens(&self.file, &times);
        Ok(())
    }
}

/// Takes no more bytes than were announced.
struct AtMost<'a> {
    out: &'a mut File,
    left: u64,
}

impl Write for AtMost<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::other("the file is longer than its entry says"));
        }
        let written = self.out.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What is to be brought, all names checked.
struct Listed {
    /// Paths as they will be below the place, and what they are.
    entries: Vec<(PathBuf, Entry)>,
    /// Names exactly this state of the directory, where the keeper has references.
    identity: Option<String>,
}

impl Listed {
    fn of(pods: &dyn Pods, from: &Source, path: &PodPath) -> Result<Self, TransferError> {
        let too_large = |max: u64, unit| TransferError::TooLarge {
            what: format!("{from}:{path}"),
            max,
            unit,
            hint: "fetch its directories one by one".to_owned(),
        };
        let walked = pods.walk(from, path)?;
        if walked.len() > FETCH_ENTRIES_MAX {
            return Err(too_large(FETCH_ENTRIES_MAX as u64, "entries"));
        }
        let mut bytes = 0_u64;
        let mut hasher = Some(blake3::Hasher::new());
        let mut entries = Vec::with_capacity(walked.len());
        for entry in walked {
            let hostile = |why: String| TransferError::Hostile {
                from: from.to_string(),
                path: entry.path.clone(),
                why,
            };
            // Whoever wrote the directory may have chosen names that the port does not allow.
            let checked: PodPath = entry
                .path
                .parse()
                .map_err(|error: PodsError| hostile(error.to_string()))?;
            if checked.as_str() == path.as_str() || !checked.is_within(path) {
                return Err(hostile("it is not in the directory".to_owned()));
            }
            let below = &checked.as_str()[path.as_str().trim_end_matches('/').len()..];
            bytes = bytes.saturating_add(entry.bytes);
            if entry.kind == EntryKind::File {
                hasher = hasher.zip(entry.reference.as_ref()).map(|(mut hasher, r)| {
                    hasher.update(below.as_bytes()).update(&[0]);
                    hasher.update(r.as_bytes()).update(&[0]);
                    hasher
                });
            }
            entries.push((PathBuf::from(below.trim_start_matches('/')), entry));
        }
        if bytes > FETCH_BYTES_MAX {
            return Err(too_large(FETCH_BYTES_MAX, "bytes"));
        }
        let identity = hasher.map(|hasher| identity(&hasher.finalize().to_hex()));
        Ok(Self { entries, identity })
    }

    /// Brings everything that is not there yet.
    fn bring(
        &self,
        pods: &dyn Pods,
        from: &Source,
        staging: &Path,
        fetched: &mut Fetched,
        progress: &dyn Progress,
    ) -> Result<(), TransferError> {
        let whole = staging.join(WHOLE);
        make_directory(&whole)?;
        let mut moved = 0_u64;
        for (below, entry) in &self.entries {
            let place = whole.join(below);
            if entry.kind == EntryKind::Directory {
                make_directory(&place)?;
                continue;
            }
            if let Some(parent) = place.parent() {
                make_directory(parent)?;
            }
            fetched.files += 1;
            fetched.bytes += entry.bytes;
            // Only this process writes here, and puts only what is whole in its place.
            if fs::symlink_metadata(&place).is_ok_and(|about| about.is_file()) {
                fetched.resumed += entry.bytes;
                progress.moved(entry.bytes);
                continue;
            }
            let coming = staging.join(COMING);
            let _ = fs::remove_file(&coming);
            let mut file = Coming::open(&coming, entry, false)?;
            file.read(pods, from, entry, progress)
                .map_err(|error| match error {
                    TransferError::Pods(PodsError::Stopped { bytes }) => PodsError::Stopped {
                        bytes: moved + bytes,
                    }
                    .into(),
                    other => other,
                })?;
            file.finish(entry)?;
            moved += entry.bytes;
            fs::hard_link(&coming, &place).map_err(TransferError::io("write", &place))?;
            fs::remove_file(&coming).map_err(TransferError::io("write", &coming))?;
            if progress.stopped() {
                return Err(PodsError::Stopped { bytes: moved }.into());
            }
        }
        Ok(())
    }
}

fn make_directory(path: &Path) -> Result<(), TransferError> {
    fs::create_dir_all(path).map_err(TransferError::io("make", path))
}
