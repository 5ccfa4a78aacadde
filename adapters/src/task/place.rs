//! The directory of a job: a fresh copy of its pod with what it works on.
//!
//! | where | what |
//! |---|---|
//! | `payload/external/<reference>/` | what one reference's payload has |
//! | `payload/external/` | all of them in one, as Sovr has it; of two files at one path the later is taken, and that is said |
//! | `payload/from/<step>/` | another step's output; of one that was run for items, in a folder for each |
//!
//! The order is: the pod's own payload, the task's, the outputs of other steps.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::TaskError;
use super::record::folder_of_item;
use crate::pods::PodPath;
use crate::recipe::{
    EXTERNAL, External, FROM, RecipeError, Tree, Wanted, fresh_file, has_extension, is_within,
    unpack,
};

/// A payload that was fetched.
pub(super) struct Payload<'a> {
    /// What was wanted.
    pub(super) external: &'a External,
    /// The files, with their paths there.
    pub(super) files: Vec<(&'a PodPath, PathBuf)>,
}

/// Another step's output.
pub(super) struct Given<'a> {
    /// The step.
    pub(super) from: &'a str,
    /// Its outputs, with the number of their item if it was run for items.
    pub(super) outputs: &'a [(Option<usize>, PathBuf)],
    /// Which files.
    pub(super) files: &'a dyn Fn(&str) -> bool,
    /// Where to; none: its folder in `payload/from`.
    pub(super) to: Option<&'a str>,
}

/// Puts payloads into a directory: each in a folder of its own, and all of them in one. Answers the paths that
/// two of them have.
pub(super) fn place_payloads(
    payloads: &[Payload<'_>],
    external: &Path,
) -> Result<Vec<String>, RecipeError> {
    let mut replaced = Vec::new();
    for payload in payloads {
        let own = external.join(&payload.external.reference);
        fs_err::create_dir_all(&own).map_err(|error| RecipeError::io("place a payload", error))?;
        let mut paths = Vec::new();
        for (path, file) in &payload.files {
            let is_archive = matches!(payload.external.wanted, Wanted::Data(_))
                && has_extension(path.as_str(), "zip");
            if is_archive {
                let failed = |error| RecipeError::io("read a payload", error);
                let archive = fs_err::File::open(file).map_err(failed)?;
                let bytes = archive.metadata().map_err(failed)?.len();
                let unpacked = unpack(io::BufReader::new(archive), bytes, path.as_str(), &own)?;
                paths.extend(unpacked.files);
            } else {
                copy_file(file, &own.join(path.name()), false)?;
                paths.push(path.name().to_owned());
            }
        }
        for path in paths {
            if link_file(&own.join(&path), &external.join(&path))? {
                replaced.push(path);
            }
        }
    }
    Ok(replaced)
}

/// Gives a job what other steps left. Answers the paths of `payload/external` that were there already.
pub(super) fn place_outputs(
    given: &[Given<'_>],
    directory: &Path,
) -> Result<Vec<String>, RecipeError> {
    let mut replaced = Vec::new();
    for Given {
        from,
        outputs,
        files,
        to,
    } in given
    {
        let to = to.map_or_else(|| format!("{FROM}/{from}"), str::to_owned);
        for (item, output) in *outputs {
            let to = match item {
                Some(index) => format!("{to}/{}", folder_of_item(*index)),
                None => to.clone(),
            };
            for file in Tree::whole(output)?.files() {
                let path = file.path.relative();
                if !files(path) {
                    continue;
                }
                let target = directory.join(&to).join(path);
                if fs::symlink_metadata(&target).is_ok() {
                    let path = format!("{to}/{path}");
                    let inner = path.strip_prefix(&format!("{EXTERNAL}/"));
                    replaced.push(inner.unwrap_or(&path).to_owned());
                }
                copy_file(&file.file, &target, file.about.executable)?;
            }
        }
    }
    Ok(replaced)
}

/// Copies the files of a tree that are wanted, and its empty directories, to a place.
pub(super) fn copy_tree(
    tree: &Tree,
    to: &Path,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<(), RecipeError> {
    let failed = |error| RecipeError::io(format!("make `{}`", to.display()), error);
    fs_err::create_dir_all(to).map_err(failed)?;
    for directory in &tree.scan.empty_directories {
        if is_wanted(directory.relative()) {
            fs_err::create_dir_all(to.join(directory.relative())).map_err(failed)?;
        }
    }
    for file in tree.files() {
        let path = file.path.relative();
        if is_wanted(path) {
            copy_file(&file.file, &to.join(path), file.about.executable)?;
        }
    }
    Ok(())
}

/// Copies a pod without the results it was packed with: old ones would look new.
pub(super) fn copy_pod(tree: &Tree, output: &str, to: &Path) -> Result<(), RecipeError> {
    copy_tree(tree, to, &|path| {
        !is_within(path, output) && !is_within(path, EXTERNAL) && !is_within(path, FROM)
    })
}

/// Copies one file over what is there, and makes the directories on its way.
fn copy_file(from: &Path, to: &Path, executable: bool) -> Result<(), RecipeError> {
    let failed = |error| RecipeError::io(format!("write `{}`", to.display()), error);
    if let Some(parent) = to.parent() {
        fs_err::create_dir_all(parent).map_err(failed)?;
    }
    let mut input =
        fs_err::File::open(from).map_err(|error| RecipeError::io("read a file", error))?;
    let mut output = fresh_file(to, executable).map_err(failed)?;
    io::copy(&mut input, &mut output).map_err(failed)?;
    Ok(())
}

/// Makes one file seen at a second path; whether something was there. Both are in the job's own directory, so one
/// file is enough for both.
fn link_file(from: &Path, to: &Path) -> Result<bool, RecipeError> {
    let failed = |error| RecipeError::io(format!("write `{}`", to.display()), error);
    if let Some(parent) = to.parent() {
        fs_err::create_dir_all(parent).map_err(failed)?;
    }
    let was_there = match fs::remove_file(to) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed(error)),
    };
    if fs::hard_link(from, to).is_err() {
        // Some file systems have no links.
        fs_err::copy(from, to).map_err(failed)?;
    }
    Ok(was_there)
}

/// Makes the paths of a task's error say which step it was.
pub(super) fn of_step(step: &str) -> impl Fn(RecipeError) -> TaskError {
    move |error| TaskError::Payload {
        step: step.to_owned(),
        error: Box::new(error),
    }
}
