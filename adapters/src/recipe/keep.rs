//! From a directory to a pod: what travels, the registries, and the reference of what is public.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use super::parse::OUTPUT_POD;
use super::tree::{Stays, Tree};
use super::{Kind, Recipe, RecipeError, Registry};
use crate::pods::{
    EntryKind, PodName, PodPath, Pods, PodsError, Progress, Quiet, Snapshot, Source,
};
use crate::transfer::put;

/// How a directory is persisted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Persist {
    /// Whether it may be shared if its recipe says so: `Some(true)` is a yes, `Some(false)` keeps it private,
    /// none refuses with [`RecipeError::NoConsent`] before anything is written.
    pub public: Option<bool>,
}

/// What became of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Persisted {
    /// Its pod.
    pub pod: String,
    /// The pod's new state.
    pub snapshot: Snapshot,
    /// What reads it, if it was shared.
    pub reference: Option<String>,
    /// The pod of its output, if its recipe shares one and there is one.
    pub output: Option<SharedOutput>,
    /// What did not travel.
    pub stays: Vec<Stays>,
}

/// An output that is a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SharedOutput {
    /// The pod.
    pub pod: String,
    /// What reads it.
    pub reference: String,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Puts a directory with a recipe into the pod of its name, and into the registry; shares it if it is public.
///
/// A pod of that name that holds something else is left alone. Nothing is reported that cannot be read back.
///
/// # Errors
/// [`RecipeError::NoConsent`], [`RecipeError::Unfit`], and what the pods say.
pub fn persist(
    pods: &dyn Pods,
    directory: &Path,
    options: Persist,
    progress: &dyn Progress,
) -> Result<Persisted, RecipeError> {
    let recipe = Recipe::read(directory)?;
    let share = match (recipe.public, options.public) {
        (true, None) => {
            return Err(RecipeError::NoConsent { name: recipe.name });
        }
        (true, Some(yes)) => yes,
        (false, yes) => yes.unwrap_or(false),
    };
    let name: PodName = recipe.name.parse()?;
    let tree = Tree::of_pod(directory)?;
    // What cannot be understood must not be found out half-way.
    Registry::read(pods)?;
    ours_or_new(pods, &name, share)?;
    let snapshot = replace_contents(pods, &name, &tree, "persisted", progress)?;
    let reference = if share {
        let reference = pods.share(&name, &PodPath::root())?;
        read_back(pods, &reference, &tree)?;
        Some(reference)
    } else {
        None
    };
    Registry::add(pods, &recipe, reference.as_deref())?;
    let output = match &recipe.kind {
        Kind::Pod(pod) => match &pod.share {
            Some(shared) if directory.join(shared).is_dir() => Some(share_output(
                pods,
                &recipe.name,
                &directory.join(shared),
                progress,
            )?),
            _ => None,
        },
        Kind::Task(_) => None,
    };
    Ok(Persisted {
        pod: name.to_string(),
        snapshot,
        reference,
        output,
        stays: tree.stays,
    })
}

/// Puts a directory of results into the pod `output-<name>` and shares it. The pod is private: only who is told
/// the reference reads it.
///
/// # Errors
/// [`RecipeError::NotKept`] if it cannot be read back; and what the pods say.
pub fn share_output(
    pods: &dyn Pods,
    name: &str,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<SharedOutput, RecipeError> {
    let pod: PodName = format!("{OUTPUT_POD}{name}").parse()?;
    let tree = Tree::whole(directory)?;
    match pods.pod(&pod) {
        Ok(_) => {}
        Err(error) if error.is_unknown() => {
            pods.create(&pod, false)?;
        }
        Err(error) => return Err(error.into()),
    }
    replace_contents(pods, &pod, &tree, "output of a run", progress)?;
    let reference = pods.share(&pod, &PodPath::root())?;
    read_back(pods, &reference, &tree)?;
    Ok(SharedOutput {
        pod: pod.to_string(),
        reference,
        files: tree.files().len() as u64,
        bytes: tree.scan.bytes,
    })
}

/// Makes the pod, or sees that the one there is holds a recipe of the same name, or nothing.
fn ours_or_new(pods: &dyn Pods, name: &PodName, public: bool) -> Result<(), RecipeError> {
    match pods.pod(name) {
        Err(error) if error.is_unknown() => {
            pods.create(name, public)?;
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(info) if !info.open => Err(PodsError::Closed(name.to_string()).into()),
        Ok(_) => {
            let source = Source::pod(name);
            let is_empty = pods.list(&source, &PodPath::root())?.is_empty();
            let same = super::bring::recipe_of(pods, &source)
                .ok()
                .flatten()
                .is_some_and(|recipe| recipe.name == name.as_str());
            if is_empty || same {
                Ok(())
            } else {
                Err(PodsError::Exists(name.to_string()).into())
            }
        }
    }
}

/// Makes a pod hold a tree and nothing else, as one snapshot.
fn replace_contents(
    pods: &dyn Pods,
    name: &PodName,
    tree: &Tree,
    note: &str,
    progress: &dyn Progress,
) -> Result<Snapshot, RecipeError> {
    let files: BTreeSet<&str> = tree.files().iter().map(|file| file.path.as_str()).collect();
    let is_directory = |path: &PodPath| {
        let mut kept = tree.scan.empty_directories.iter();
        let below = format!("{path}/");
        let inside = files.range(below.as_str()..).next();
        kept.any(|kept| kept.is_within(path)) || inside.is_some_and(|file| file.starts_with(&below))
    };
    let before = pods.walk(&Source::pod(name), &PodPath::root())?;
    let mut edit = pods.edit(name)?;
    let mut removed: BTreeSet<PodPath> = BTreeSet::new();
    for entry in before {
        let path: PodPath = entry.path.parse()?;
        let stays = match entry.kind {
            EntryKind::File => files.contains(path.as_str()),
            EntryKind::Directory => is_directory(&path),
        };
        let above = std::iter::successors(path.parent(), PodPath::parent);
        let is_gone = above.into_iter().any(|above| removed.contains(&above));
        if !stays && !is_gone {
            edit.remove(&path, true)?;
            removed.insert(path);
        }
    }
    put(edit.as_mut(), &tree.scan, &PodPath::root(), progress)?;
    Ok(edit.commit(note)?)
}

/// Whether a reference leads to what was put there: every file, with its length, and the last byte of each.
fn read_back(pods: &dyn Pods, reference: &str, tree: &Tree) -> Result<(), RecipeError> {
    let not_kept = |why: String| RecipeError::NotKept {
        what: format!("`{reference}`"),
        why,
    };
    let source = Source::Reference(reference.to_owned());
    let found = pods.walk(&source, &PodPath::root())?;
    let files: Vec<_> = found
        .iter()
        .filter(|entry| entry.kind == EntryKind::File)
        .collect();
    if files.len() != tree.files().len() {
        return Err(not_kept(format!(
            "it has {} files instead of {}",
            files.len(),
            tree.files().len()
        )));
    }
    for file in tree.files() {
        let path = &file.path;
        let entry = pods.stat(&source, path)?;
        if entry.bytes != file.about.bytes {
            return Err(not_kept(format!(
                "`{path}` has {} bytes instead of {}",
                entry.bytes, file.about.bytes
            )));
        }
        if let Some(last) = file.about.bytes.checked_sub(1) {
            let mut end = Vec::new();
            pods.read(
                &source,
                path,
                Some(last..file.about.bytes),
                &mut end,
                &Quiet,
            )?;
            if end.len() != 1 {
                return Err(not_kept(format!("`{path}` cannot be read to its end")));
            }
        }
    }
    Ok(())
}
