//! Archives from strangers, unpacked into a directory and nowhere else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::RecipeError;
use crate::pods::PodPath;

/// Most entries of one archive: refuse.
const ENTRIES_MAX: usize = 100_000;
/// Most bytes that one archive may become: refuse.
const UNPACKED_BYTES_MAX: u64 = 64 << 30;
/// How many times longer than the archive its contents may be, beside [`RATIO_FREE_BYTES`]: refuse. The
/// densest that deflate packs is 1 to 1,032, and nothing but a bomb comes near it.
const RATIO_MAX: u64 = 200;
/// Contents that are so short are no bomb, however densely they are packed.
const RATIO_FREE_BYTES: u64 = 16 << 20;

/// What was unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Paths of its files, in the order of the archive.
    pub files: Vec<String>,
    /// Their bytes.
    pub bytes: u64,
}

/// Unpacks a `.zip` into a directory, over what is there. `shown` is what errors call it.
///
/// Everything is checked before the first byte is written, and lengths again as they come: no path leads out of the
/// directory, no path is there twice, there are no links, and it does not become longer than the bounds
/// of this module.
///
/// # Errors
/// [`RecipeError::Unfit`] names the entry, [`RecipeError::Archive`] says what is wrong with all of it. What was
/// unpacked until then is left behind: unpack into a directory that nobody looks at yet.
pub fn unpack(
    archive: impl Read + Seek,
    archive_bytes: u64,
    shown: &str,
    into: &Path,
) -> Result<Unpacked, RecipeError> {
    let refused = |why: String| RecipeError::Archive {
        what: format!("`{shown}`"),
        why,
    };
    let mut archive = zip::ZipArchive::new(archive).map_err(|error| refused(error.to_string()))?;
    if archive.len() > ENTRIES_MAX {
        return Err(refused(format!(
            "it has {} entries, at most {ENTRIES_MAX} are unpacked",
            archive.len()
        )));
    }
    let entries = checked(&mut archive, shown)?;
    let bytes_max = UNPACKED_BYTES_MAX.min(
        archive_bytes
            .saturating_mul(RATIO_MAX)
            .saturating_add(RATIO_FREE_BYTES),
    );
    let mut unpacked = Unpacked::default();
    for (index, (path, is_directory)) in entries.iter().enumerate() {
        let target = into.join(path);
        let failed = |error: io::Error| RecipeError::io(format!("unpack `{path}`"), error);
        if *is_directory {
            fs_err::create_dir_all(&target).map_err(failed)?;
            continue;
        }
        if let Some(parent) = target.parent() {
            fs_err::create_dir_all(parent).map_err(failed)?;
        }
        let mut entry = archive
            .by_index(index)
            .map_err(|error| refused(format!("`{}`: {error}", path.escape_debug())))?;
        let executable = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        let mut file = fresh_file(&target, executable).map_err(failed)?;
        let left = bytes_max.saturating_sub(unpacked.bytes);
        let written = copy_at_most(&mut entry, &mut file, left)
            .map_err(|error| refused(format!("`{}`: {error}", path.escape_debug())))?;
        let Some(written) = written else {
            return Err(RecipeError::Unfit {
                within: format!("`{shown}`"),
                path: path.clone(),
                why: format!(
                    "makes it longer than {bytes_max} bytes, the most that {archive_bytes} bytes may become"
                ),
            });
        };
        unpacked.bytes += written;
        unpacked.files.push(path.clone());
    }
    Ok(unpacked)
}

/// The paths of all entries, in their order, and whether each is a directory.
fn checked<R: Read + Seek>(
    archive: &mut zip::ZipArchive<R>,
    shown: &str,
) -> Result<Vec<(String, bool)>, RecipeError> {
    let mut entries = Vec::with_capacity(archive.len());
    let mut kinds: BTreeMap<String, bool> = BTreeMap::new();
    for index in 0..archive.len() {
        let entry = archive
            .by_index_raw(index)
            .map_err(|error| RecipeError::Archive {
                what: format!("`{shown}`"),
                why: error.to_string(),
            })?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let unfit = |why: &str| RecipeError::Unfit {
            within: format!("`{shown}`"),
            path: name.clone(),
            why: why.to_owned(),
        };
        if std::str::from_utf8(entry.name_raw()).is_err() {
            return Err(unfit("has a name that is not UTF-8"));
        }
        if entry.is_symlink() {
            return Err(unfit("is a symbolic link"));
        }
        if entry.encrypted() {
            return Err(unfit("is encrypted"));
        }
        if name.starts_with('/') || name.contains('\\') || name.get(1..2) == Some(":") {
            return Err(unfit("is no path from the directory it is unpacked in"));
        }
        let plain = name.strip_prefix("./").unwrap_or(&name);
        if plain.is_empty() {
            entries.push((String::new(), true)); // the directory itself, as `zip -r x.zip .` writes it
            continue;
        }
        let path = plain
            .parse::<PodPath>()
            .map_err(|error| unfit(&format!("cannot be unpacked: {error}")))?;
        let path = path.relative().to_owned();
        let is_directory = entry.is_dir();
        if kinds
            .insert(path.clone(), is_directory)
            .is_some_and(|before| !before || !is_directory)
        {
            return Err(unfit("is there twice"));
        }
        entries.push((path, is_directory));
    }
    for path in kinds.keys() {
        let mut above = path.as_str();
        while let Some((parent, _)) = above.rsplit_once('/') {
            if kinds.get(parent) == Some(&false) {
                return Err(RecipeError::Unfit {
                    within: format!("`{shown}`"),
                    path: path.clone(),
                    why: format!("lies in `{}`, which is a file", parent.escape_debug()),
                });
            }
            above = parent;
        }
    }
    Ok(entries)
}

/// A new file in the place of whatever is there.
pub(crate) fn fresh_file(path: &Path, executable: bool) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(if executable { 0o755 } else { 0o644 })
        .open(path)
}

/// Copies to the end, unless that is further than so many bytes: then nothing is said to be copied.
fn copy_at_most(
    from: &mut impl Read,
    to: &mut impl Write,
    bytes_max: u64,
) -> io::Result<Option<u64>> {
    let copied = io::copy(&mut from.by_ref().take(bytes_max.saturating_add(1)), to)?;
    Ok((copied <= bytes_max).then_some(copied))
}
