//! From a pod to a directory: whole or not at all, never mixed with what was there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::archive::{fresh_file, unpack};
use super::parse::has_extension;
use super::{Json, RECIPE_BYTES_MAX, RECIPE_JSON, Recipe, RecipeError};
use crate::pods::{
    Entry, EntryKind, PodInfo, PodName, PodPath, Pods, PodsError, Progress, Quiet, Source,
};
use crate::transfer::fetch_directory;

/// What was brought into a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Where.
    pub directory: PathBuf,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether the pod was one of Sovr's, which keep everything in one archive.
    pub from_archive: bool,
}

/// Makes a pod of one's own from a reference. `name` is what it is to be called; none: as it is called there.
///
/// # Errors
/// [`PodsError::Exists`] if one has a pod of that name: it is never taken for the one that was asked for.
pub fn fork(
    pods: &dyn Pods,
    reference: &str,
    name: Option<&PodName>,
) -> Result<PodInfo, RecipeError> {
    let found = pods.find(reference)?;
    let name = match name {
        Some(name) => name.clone(),
        None => found.name.parse()?,
    };
    match pods.pod(&name) {
        Ok(_) => return Err(PodsError::Exists(name.to_string()).into()),
        Err(error) if error.is_unknown() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(pods.fork(&Source::Reference(reference.to_owned()), &name)?)
}

/// Brings a pod of one's own into a directory; see [`into_directory`].
///
/// # Errors
/// As [`into_directory`].
pub fn import(
    pods: &dyn Pods,
    name: &PodName,
    to: &Path,
    replace: bool,
    progress: &dyn Progress,
) -> Result<Imported, RecipeError> {
    into_directory(pods, &Source::pod(name), to, replace, progress)
}

/// Brings all of a source into a directory, which is there whole afterwards or as it was before: files that
/// the source does not have do not stay.
///
/// A pod of Sovr's old form, with nothing but its recipe and one archive, is unpacked.
///
/// # Errors
/// [`RecipeError::InTheWay`] if something is there and `replace` is not set; and what [`fetch_directory`] and
/// [`unpack`] refuse.
pub fn into_directory(
    pods: &dyn Pods,
    from: &Source,
    to: &Path,
    replace: bool,
    progress: &dyn Progress,
) -> Result<Imported, RecipeError> {
    if !replace && fs::symlink_metadata(to).is_ok() {
        return Err(RecipeError::InTheWay(to.display().to_string()));
    }
    let fresh = Fresh::beside(to)?;
    let entries = pods.list(from, &PodPath::root())?;
    let old = old_archive(pods, from, &entries)?;
    let (files, bytes) = if let Some(archive) = &old {
        let unpacked = from_old(pods, from, archive, &fresh, progress)?;
        (unpacked.files.len() as u64, unpacked.bytes)
    } else {
        remove(fresh.path())?;
        let fetched = fetch_directory(pods, from, &PodPath::root(), fresh.path(), progress)?;
        (fetched.files, fetched.bytes)
    };
    fresh.take_place(to)?;
    Ok(Imported {
        directory: to.to_owned(),
        files,
        bytes,
        from_archive: old.is_some(),
    })
}

/// The archive of a pod of the old form: beside it there is nothing but `recipe.json`, which names it.
fn old_archive(
    pods: &dyn Pods,
    from: &Source,
    entries: &[Entry],
) -> Result<Option<Entry>, RecipeError> {
    let [one, two] = entries else { return Ok(None) };
    let recipe = format!("/{RECIPE_JSON}");
    let archive = match (one.path == recipe, two.path == recipe) {
        (true, false) => two,
        (false, true) => one,
        _ => return Ok(None),
    };
    if archive.kind != EntryKind::File || !has_extension(&archive.path, "zip") {
        return Ok(None);
    }
    let name = small_file(pods, from, &recipe, RECIPE_BYTES_MAX)?.and_then(|bytes| {
        let json = Json::parse(RECIPE_JSON, &bytes).ok()?;
        json.get("name")?.as_text().map(str::to_owned)
    });
    let is_it = name.is_some_and(|name| archive.path == format!("/{name}.zip"));
    Ok(is_it.then(|| archive.clone()))
}

fn from_old(
    pods: &dyn Pods,
    from: &Source,
    archive: &Entry,
    fresh: &Fresh,
    progress: &dyn Progress,
) -> Result<super::Unpacked, RecipeError> {
    let path: PodPath = archive.path.parse()?;
    let held = fresh.path().with_extension("zip");
    let failed = |error| RecipeError::io(format!("write `{}`", held.display()), error);
    let mut file = fresh_file(&held, false).map_err(failed)?;
    let fetched = pods.read(from, &path, None, &mut file, progress);
    let unpacked = fetched.map_err(RecipeError::from).and_then(|bytes| {
        let file = fs_err::File::open(&held).map_err(failed)?;
        unpack(io::BufReader::new(file), bytes, &archive.path, fresh.path())
    });
    let _ = fs::remove_file(&held);
    unpacked
}

/// The bytes of a file that is short, if it is there.
pub(crate) fn small_file(
    pods: &dyn Pods,
    from: &Source,
    path: &str,
    bytes_max: u64,
) -> Result<Option<Vec<u8>>, RecipeError> {
    let path: PodPath = path.parse()?;
    match pods.stat(from, &path) {
        Ok(entry) if entry.kind == EntryKind::File && entry.bytes <= bytes_max => {}
        Ok(_) => return Ok(None),
        Err(error) if error.is_unknown() => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut bytes = Vec::new();
    pods.read(from, &path, None, &mut bytes, &Quiet)?;
    Ok(Some(bytes))
}

/// The recipe of a source, if it has one.
pub(crate) fn recipe_of(pods: &dyn Pods, from: &Source) -> Result<Option<Recipe>, RecipeError> {
    let shown = format!("{from}/{RECIPE_JSON}");
    small_file(pods, from, RECIPE_JSON, RECIPE_BYTES_MAX)?
        .map(|bytes| Recipe::parse(&shown, &bytes))
        .transpose()
}

/// A directory that nobody looks at until it takes its place; what is left of it goes with this value.
pub(crate) struct Fresh {
    path: PathBuf,
}

impl Fresh {
    /// A new, empty directory beside the place it is for, with the directories on the way there.
    pub(crate) fn beside(place: &Path) -> Result<Self, RecipeError> {
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let path = place.with_file_name(format!(".{name}.new-{}", std::process::id()));
        let failed = |error| RecipeError::io(format!("make `{}`", path.display()), error);
        remove(&path)?;
        fs_err::create_dir_all(&path).map_err(failed)?;
        Ok(Self { path })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it where it belongs. What is there goes away: it is moved out of the way first, so that there is
    /// never half of each.
    pub(crate) fn take_place(self, place: &Path) -> Result<(), RecipeError> {
        let failed = |error| RecipeError::io(format!("replace `{}`", place.display()), error);
        let old = self.path.with_extension("old");
        remove(&old)?;
        match fs::rename(place, &old) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        if let Err(error) = fs_err::rename(&self.path, place) {
            let _ = fs::rename(&old, place);
            return Err(failed(error));
        }
        remove(&old)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = remove(&self.path);
    }
}

/// Removes a directory with all in it, or a file, if it is there. A symbolic link goes, not where it leads.
pub(crate) fn remove(path: &Path) -> Result<(), RecipeError> {
    let removed = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    removed.map_err(|error| RecipeError::io(format!("remove `{}`", path.display()), error))
}
