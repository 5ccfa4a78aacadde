//! What references lead to, on this disk: each once, verified whenever a run takes it up.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use genesis::id::Digest;
use parking_lot::Mutex;

use super::{Folders, Outside, TaskError};
use crate::pods::{PodPath, Source};
use crate::recipe::{
    External, RecipeError, Tree, Wanted, digest_of_file, fresh_file, into_directory, remove,
};

/// The cache of what was fetched.
pub(super) struct Fetched<'a> {
    outside: Outside<'a>,
    cache: PathBuf,
    run: PathBuf,
    /// Where references lead in this run.
    roots: BTreeMap<String, String>,
    /// What this run has fetched or verified.
    known: Mutex<BTreeMap<(String, String), PathBuf>>,
}

impl<'a> Fetched<'a> {
    pub(super) fn new(
        outside: Outside<'a>,
        folders: &Folders,
        roots: BTreeMap<String, String>,
    ) -> Self {
        Self {
            outside,
            cache: folders.cache.join("fetched"),
            run: folders.run.join("fetched"),
            roots,
            known: Mutex::new(BTreeMap::new()),
        }
    }

    /// The directory of all that a reference names.
    pub(super) fn pod(&self, reference: &str) -> Result<PathBuf, TaskError> {
        self.once(reference, "/", |place, source| {
            let pods = (self.outside.pods)()?;
            into_directory(pods.as_ref(), source, place, true, self.outside.watcher)?;
            Ok(Tree::whole(place)?.digest()?)
        })
    }

    /// The files that a payload wants, each with its path there.
    pub(super) fn external<'e>(
        &self,
        external: &'e External,
    ) -> Result<Vec<(&'e PodPath, PathBuf)>, TaskError> {
        let paths = match &external.wanted {
            Wanted::Data(path) => std::slice::from_ref(path),
            Wanted::Files(paths) => paths.as_slice(),
        };
        let files = paths.iter().map(|path| {
            let place = self.once(&external.reference, path.as_str(), |place, source| {
                self.file(place, source, path)
            })?;
            Ok((path, place))
        });
        files.collect()
    }

    fn file(&self, place: &Path, source: &Source, path: &PodPath) -> Result<Digest, TaskError> {
        let failed = |error| TaskError::io(format!("write `{}`", place.display()), error);
        let coming = place.with_extension(format!("new-{}", std::process::id()));
        let pods = (self.outside.pods)()?;
        let mut file = fresh_file(&coming, false).map_err(failed)?;
        let read = pods.read(source, path, None, &mut file, self.outside.watcher);
        let written = read
            .map_err(TaskError::from)
            .and_then(|_| file.flush().map_err(failed));
        if let Err(error) = written {
            remove(&coming)?;
            return Err(error);
        }
        let digest = Digest(*digest_of_file(&coming)?.as_bytes());
        fs_err::rename(&coming, place).map_err(failed)?;
        Ok(digest)
    }

    /// Whether what a reference leads to changes and nothing names one state of it, as with FairOS-DFS: it is fetched for
    /// each run, and kept with it.
    fn moves(&self, reference: &str) -> Result<bool, TaskError> {
        Ok((self.outside.pods)()?.find(reference)?.live)
    }

    /// Where something is, after it was fetched or found as it was when it was.
    fn once(
        &self,
        reference: &str,
        path: &str,
        fetch: impl Fn(&Path, &Source) -> Result<Digest, TaskError>,
    ) -> Result<PathBuf, TaskError> {
        let key = (reference.to_owned(), path.to_owned());
        if let Some(place) = self.known.lock().get(&key) {
            return Ok(place.clone());
        }
        let root = self
            .roots
            .get(reference)
            .ok_or_else(|| TaskError::Damaged {
                folder: self.run.clone(),
                why: format!("`{reference}` is not in its lock file"),
            })?;
        // The name says neither the reference, which may be a key, nor the path.
        let name = Digest::of_fields(b"medium/1 fetched", &[root.as_bytes(), path.as_bytes()]);
        let name: String = name.to_string().chars().take(32).collect();
        let folder = if root == reference && self.moves(reference)? {
            &self.run
        } else {
            &self.cache
        };
        let place = folder.join(&name);
        let sum = folder.join(format!("{name}.digest"));
        let failed = |error| TaskError::io(format!("write `{}`", sum.display()), error);
        fs_err::create_dir_all(folder).map_err(failed)?;
        let before = std::fs::read_to_string(&sum).ok();
        if before.is_none() || before != digest_at(&place).map(|digest| digest.to_string()) {
            self.outside
                .watcher
                .happened(&format!("fetches {reference} {path}"));
            remove(&sum)?;
            let digest = fetch(&place, &Source::Reference(root.clone()))?;
            fs_err::write(&sum, digest.to_string()).map_err(failed)?;
        }
        self.known.lock().insert(key, place.clone());
        Ok(place)
    }
}

/// The digest of a file or a directory, if it is there and can be read.
fn digest_at(place: &Path) -> Option<Digest> {
    let of = || -> Result<Digest, RecipeError> {
        if place.is_dir() {
            Tree::whole(place)?.digest()
        } else {
            Ok(Digest(*digest_of_file(place)?.as_bytes()))
        }
    };
    of().ok()
}
