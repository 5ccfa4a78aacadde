//! Where the files of a pod come from: a directory, or memory. Nothing outside the pod is read.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use genesis::limits;

use super::error::PodError;
use super::{Contents, PATH_BYTES_MAX, READ_BYTES_MAX, VC_JSON_BYTES_MAX};
use crate::json::{Place, clip, printable};

/// What every pod has.
pub(super) const VC_JSON: &str = "vc.json";

/// What may still be read of one pod, all its levels together.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: u64,
}

impl Budget {
    pub(super) const fn full() -> Self {
        Self {
            bytes: READ_BYTES_MAX,
        }
    }
}

/// Says where a path is written. Finding out takes time, so only errors ask.
pub(super) type At<'a> = &'a dyn Fn() -> Place;

/// The files of one level of a pod.
#[derive(Debug)]
pub(super) struct Source<'a> {
    /// What to call it in errors.
    shown: String,
    place: Kept<'a>,
}

#[derive(Debug)]
enum Kept<'a> {
    /// The canonical path of this level, and those of its hosts, outermost first.
    Disk { root: PathBuf, hosts: Vec<PathBuf> },
    /// All files of the pod, and what the paths of this level begin with.
    Memory {
        files: &'a BTreeMap<String, Bytes>,
        prefix: String,
    },
}

impl<'a> Source<'a> {
    /// The pod in a directory.
    pub(super) fn disk(dir: &Path) -> Result<Self, PodError> {
        let shown = dir.display().to_string();
        let root = match fs_err::canonicalize(dir) {
            Ok(root) => root,
            Err(error) if is_absent(&error) => {
                return Err(PodError::NoSuchDirectory {
                    dir: dir.to_owned(),
                });
            }
            Err(cause) => return Err(PodError::Io { pod: shown, cause }),
        };
        if !root.is_dir() {
            return Err(PodError::NotADirectory {
                path: dir.to_owned(),
            });
        }
        Ok(Self {
            shown,
            place: Kept::Disk {
                root,
                hosts: Vec::new(),
            },
        })
    }

    /// The pod whose files, by their paths, are these.
    pub(super) fn memory(name: &str, files: &'a BTreeMap<String, Bytes>) -> Self {
        let place = Kept::Memory {
            files,
            prefix: String::new(),
        };
        Self {
            shown: name.to_owned(),
            place,
        }
    }

    /// What to call the `vc.json` of this level in errors.
    pub(super) fn vc_json_shown(&self) -> String {
        format!("{}/{VC_JSON}", self.shown.trim_end_matches('/'))
    }

    /// The text of the `vc.json` of this level.
    pub(super) fn vc_json(&self, budget: &mut Budget) -> Result<Bytes, PodError> {
        let file = self.vc_json_shown();
        let bytes_max = VC_JSON_BYTES_MAX.min(budget.bytes);
        let too_long = || PodError::VcJsonTooLong {
            file: file.clone(),
            bytes_max,
        };
        let bytes = match &self.place {
            Kept::Memory { files, prefix } => files
                .get(&format!("{prefix}{VC_JSON}"))
                .cloned()
                .ok_or_else(|| PodError::NoVcJson {
                    dir: self.shown.clone(),
                })?,
            Kept::Disk { .. } => {
                let whole = || Place {
                    file: file.clone(),
                    ..Place::default()
                };
                let path = match self.resolve(&whole, "file", VC_JSON) {
                    Err(PodError::NoSuchFile { .. }) => {
                        return Err(PodError::NoVcJson {
                            dir: self.shown.clone(),
                        });
                    }
                    resolved => resolved?,
                };
                if self.file_len(&whole, VC_JSON, &path)? > bytes_max {
                    return Err(too_long());
                }
                // It may have grown since: one byte more than wanted tells.
                self.io(read_at_most(&path, bytes_max + 1))?
            }
        };
        let len = bytes.len() as u64;
        if len > bytes_max {
            return Err(too_long());
        }
        budget.bytes -= len;
        Ok(bytes)
    }

    /// The contents of the file that `at` names.
    pub(super) fn contents(
        &self,
        at: At<'_>,
        path: &str,
        budget: &mut Budget,
    ) -> Result<Contents, PodError> {
        check_path(at, path)?;
        match &self.place {
            Kept::Memory { files, prefix } => match files.get(&format!("{prefix}{path}")) {
                Some(bytes) => Ok(Contents::Inline(bytes.clone())),
                None if self.holds_dir(path) => Err(not_a_file(at, path, "a directory")),
                None => Err(no_such_file(at, "file", path)),
            },
            Kept::Disk { .. } => {
                let resolved = self.resolve(at, "file", path)?;
                let len = self.file_len(at, path, &resolved)?;
                let inline_max = (limits::CONTENTS_INLINE_MAX as u64).min(budget.bytes);
                if len <= inline_max {
                    let bytes = self.io(read_at_most(&resolved, inline_max + 1))?;
                    let read = bytes.len() as u64;
                    if read <= inline_max {
                        budget.bytes -= read;
                        return Ok(Contents::Inline(bytes));
                    }
                }
                let len = self.file_len(at, path, &resolved)?;
                Ok(Contents::OnDisk {
                    path: resolved,
                    len,
                })
            }
        }
    }

    /// The nested pod in the directory that `at` names.
    pub(super) fn nested(&self, at: At<'_>, path: &str) -> Result<Self, PodError> {
        check_path(at, path)?;
        let shown = format!("{}/{path}", self.shown.trim_end_matches('/'));
        match &self.place {
            Kept::Memory { files, .. } if self.holds_dir(path) => {
                let prefix = self.prefixed(&format!("{path}/"));
                Ok(Self {
                    shown,
                    place: Kept::Memory { files, prefix },
                })
            }
            Kept::Memory { files, .. } if files.contains_key(&self.prefixed(path)) => {
                Err(not_a_directory(at, path))
            }
            Kept::Memory { .. } => Err(no_such_file(at, "directory", path)),
            Kept::Disk { root, hosts } => {
                let mut hosts = hosts.clone();
                hosts.push(root.clone());
                let resolved = self.io_at(at, "directory", path)?;
                if hosts.contains(&resolved) {
                    return Err(PodError::NestedCycle {
                        place: at(),
                        path: printable(path),
                    });
                }
                let resolved = self.resolve(at, "directory", path)?;
                if !resolved.is_dir() {
                    return Err(not_a_directory(at, path));
                }
                Ok(Self {
                    shown,
                    place: Kept::Disk {
                        root: resolved,
                        hosts,
                    },
                })
            }
        }
    }

    /// The canonical path of something on this level, which must not lie outside.
    fn resolve(&self, at: At<'_>, want: &'static str, path: &str) -> Result<PathBuf, PodError> {
        let resolved = self.io_at(at, want, path)?;
        match &self.place {
            Kept::Disk { root, .. } if !resolved.starts_with(root) => Err(PodError::LeavesPod {
                place: at(),
                path: clip(path),
                reason: "is a symbolic link that leads out of the pod",
            }),
            Kept::Disk { .. } | Kept::Memory { .. } => Ok(resolved),
        }
    }

    /// The canonical path of something on this level.
    fn io_at(&self, at: At<'_>, want: &'static str, path: &str) -> Result<PathBuf, PodError> {
        let base = match &self.place {
            Kept::Disk { root, .. } => root.as_path(),
            Kept::Memory { .. } => Path::new(""),
        };
        match fs_err::canonicalize(base.join(path)) {
            Err(error) if is_absent(&error) => Err(no_such_file(at, want, path)),
            resolved => self.io(resolved),
        }
    }

    /// The length of a plain file. Others are not even opened: a pipe would never end.
    fn file_len(&self, at: At<'_>, path: &str, resolved: &Path) -> Result<u64, PodError> {
        let metadata = self.io(fs_err::metadata(resolved))?;
        if metadata.is_file() {
            Ok(metadata.len())
        } else {
            let found = if metadata.is_dir() {
                "a directory"
            } else {
                "a device or a pipe"
            };
            Err(not_a_file(at, path, found))
        }
    }

    fn io<T>(&self, result: io::Result<T>) -> Result<T, PodError> {
        result.map_err(|cause| PodError::Io {
            pod: self.shown.clone(),
            cause,
        })
    }

    fn prefixed(&self, path: &str) -> String {
        match &self.place {
            Kept::Memory { prefix, .. } => format!("{prefix}{path}"),
            Kept::Disk { .. } => path.to_owned(),
        }
    }

    fn holds_dir(&self, path: &str) -> bool {
        let Kept::Memory { files, .. } = &self.place else {
            return false;
        };
        let dir = self.prefixed(&format!("{path}/"));
        files
            .range(dir.clone()..)
            .next()
            .is_some_and(|(file, _)| file.starts_with(&dir))
    }
}

/// Checks that a path is made of plain words, so that it means the same on every system.
fn check_path(at: At<'_>, path: &str) -> Result<(), PodError> {
    let odd = |c: char| c.is_control() || c == '\\' || c == ':';
    let reason = if path.len() > PATH_BYTES_MAX {
        "is longer than 1024 bytes"
    } else if path.is_empty() {
        "is empty"
    } else if path.starts_with('/') {
        "begins at the root, not in the pod"
    } else if path.split('/').any(|step| step == "..") {
        "leads out of the pod"
    } else if path.split('/').any(|step| step.is_empty() || step == ".") {
        "has a step that is empty or `.`"
    } else if path.contains(odd) {
        "has a `\\`, a `:` or a control character"
    } else {
        return Ok(());
    };
    Err(PodError::LeavesPod {
        place: at(),
        path: clip(path),
        reason,
    })
}

fn read_at_most(path: &Path, bytes_max: u64) -> io::Result<Bytes> {
    let mut bytes = Vec::new();
    fs_err::File::open(path)?
        .take(bytes_max)
        .read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// A path through a file, as in `main.wasm/x`, leads to nothing either.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn no_such_file(at: At<'_>, want: &'static str, path: &str) -> PodError {
    PodError::NoSuchFile {
        place: at(),
        want,
        path: printable(path),
    }
}

fn not_a_file(at: At<'_>, path: &str, found: &'static str) -> PodError {
    PodError::WrongKind {
        place: at(),
        path: printable(path),
        want: "a file",
        found,
    }
}

fn not_a_directory(at: At<'_>, path: &str) -> PodError {
    PodError::WrongKind {
        place: at(),
        path: printable(path),
        want: "a directory",
        found: "a file",
    }
}
