//! The files of a pod's directory, and what names them.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use genesis::id::Digest;
use serde::Serialize;

use super::{EXTERNAL, RecipeError};
use crate::transfer::{LeftOut, Scan, ScanOptions, ScannedFile, scan};

/// The files in which a person names what does not travel with a pod.
const IGNORE_FILES: [&str; 2] = [".mediumignore", ".sovrignore"];
/// How much of a file is looked at for a private key, in bytes.
const LOOKED_AT_BYTES: u64 = 16 * 1024;
/// Directories of tools that are not the pod's, and often hold somebody's passwords.
const TOOLS: [&str; 3] = [".git", ".docker", ".yagna"];

/// The files of a directory, by path.
#[derive(Clone, Debug)]
pub struct Tree {
    /// What there is.
    pub scan: Scan,
    /// What is not to travel, with the reason; directories stand for all in them.
    pub stays: Vec<Stays>,
}

/// Something that does not travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stays {
    /// Its path in the directory.
    pub path: String,
    /// Why.
    pub why: Why,
}

/// Why something does not travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It has the name of a secret, or a private key in it.
    Secret,
    /// Its owner said so in `.mediumignore` or `.sovrignore`.
    Ignored,
    /// It was fetched, and can be fetched again.
    Fetched,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "it looks like a secret",
            Self::Ignored => "it is ignored",
            Self::Fetched => "it is fetched for each run",
        })
    }
}

impl Tree {
    /// What of a pod's directory travels with it: no secrets, nothing that is ignored, nothing that was fetched.
    ///
    /// # Errors
    /// What [`scan`] refuses by name: links that lead out, devices, names that a pod cannot have.
    pub fn of_pod(directory: &Path) -> Result<Self, RecipeError> {
        let scanned = scan(
            directory,
            &ScanOptions {
                ignore_files: IGNORE_FILES.map(str::to_owned).to_vec(),
                ..ScanOptions::default()
            },
        )?;
        let mut stays: Vec<Stays> = scanned.left_out.iter().map(Stays::of).collect();
        let mut kept = Scan {
            empty_directories: scanned.empty_directories,
            ..Scan::default()
        };
        let mut also = |path: String, why: Why| {
            if stays.iter().all(|known| known.path != path) {
                stays.push(Stays { path, why });
            }
        };
        for file in scanned.files {
            let path = file.path.relative();
            if is_within(path, EXTERNAL) {
                also(EXTERNAL.to_owned(), Why::Fetched);
            } else if let Some(tool) = tool_of(path) {
                also(tool, Why::Secret);
            } else if begins_with_a_key(&file.file)? {
                also(path.to_owned(), Why::Secret);
            } else {
                kept.bytes += file.about.bytes;
                kept.files.push(file);
            }
        }
        kept.empty_directories.retain(|path| {
            tool_of(path.relative()).is_none() && !is_within(path.relative(), EXTERNAL)
        });
        stays.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { scan: kept, stays })
    }

    /// All of a directory.
    ///
    /// # Errors
    /// As [`Tree::of_pod`].
    pub fn whole(directory: &Path) -> Result<Self, RecipeError> {
        let options = ScanOptions {
            secrets: true,
            ignore_files: Vec::new(),
            ..ScanOptions::default()
        };
        Ok(Self {
            scan: scan(directory, &options)?,
            stays: Vec::new(),
        })
    }

    /// Its files.
    pub fn files(&self) -> &[ScannedFile] {
        &self.scan.files
    }

    /// What names paths and bytes of its files, and nothing else of it: not where it is, not how old it is.
    ///
    /// # Errors
    /// What reading says.
    pub fn digest(&self) -> Result<Digest, RecipeError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"medium/1 tree");
        for file in &self.scan.files {
            let path = file.path.relative();
            hasher.update(&(path.len() as u64).to_le_bytes());
            hasher.update(path.as_bytes());
            hasher.update(&[u8::from(file.about.executable)]);
            hasher.update(digest_of_file(&file.file)?.as_bytes());
        }
        Ok(Digest(*hasher.finalize().as_bytes()))
    }
}

impl Stays {
    fn of(left: &LeftOut) -> Self {
        Self {
            path: left.path.clone(),
            why: if left.secret {
                Why::Secret
            } else {
                Why::Ignored
            },
        }
    }
}

/// Whether a path is a directory or inside of it.
pub(crate) fn is_within(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The directory of a tool that a path is in.
fn tool_of(path: &str) -> Option<String> {
    let steps: Vec<&str> = path.split('/').collect();
    let at = steps.iter().position(|step| TOOLS.contains(step))?;
    Some(steps.get(..=at)?.join("/"))
}

/// The digest of a file's bytes.
pub(crate) fn digest_of_file(path: &Path) -> Result<blake3::Hash, RecipeError> {
    let failed = |error| RecipeError::io("read a file", error);
    let mut hasher = blake3::Hasher::new();
    let mut file = fs_err::File::open(path).map_err(failed)?;
    std::io::copy(&mut file, &mut hasher).map_err(failed)?;
    Ok(hasher.finalize())
}

/// Whether a file begins as a private key does.
fn begins_with_a_key(path: &PathBuf) -> Result<bool, RecipeError> {
    let failed = |error| RecipeError::io("read a file", error);
    let mut beginning = Vec::new();
    fs_err::File::open(path)
        .map_err(failed)?
        .take(LOOKED_AT_BYTES)
        .read_to_end(&mut beginning)
        .map_err(failed)?;
    let text = String::from_utf8_lossy(&beginning);
    Ok(text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----"))
}
