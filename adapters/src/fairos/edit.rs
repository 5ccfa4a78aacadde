//! Changes to a pod, each done at once and read back.
//!
//! Two calls of the server are avoided, because they damage its lists of what is in a directory:
//!
//! * `rmdir` takes the entry out of the list of the directory two levels above. Where that has a directory of the
//!   same name, this vanishes; the removed one stays listed. Only in the root are the two the same.
//! * `rename` of a directory with directories in it does the same for each of them.
//!
//! So a directory is emptied from its leaves up, each empty one is moved into the root under a name that is not
//! taken, and is removed there; and a directory is moved by moving its files.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::Fairos;
use super::read::Tree;
use crate::http::{Answer, File};
use crate::pods::{
    Edit, Entry, EntryKind, FileMeta, PodName, PodPath, PodsError, Progress, Quiet, Snapshot,
    Source,
};

/// The mode of a program: an ordinary file that its owner may run.
const PROGRAM: u32 = 0o100_700;
/// What the server calls its own list of what is in a directory; a file of that name would replace it.
const RESERVED: &str = "index.dfs";
/// How many names are tried for a directory that is on its way out.
const NAMES_MAX: u32 = 100;

/// The changes that are made to one pod.
#[derive(Debug)]
pub(super) struct Changes<'f> {
    fairos: &'f Fairos,
    pod: PodName,
    /// What is there; used while the session is held.
    tree: Tree<'f>,
    /// The files that were written and are still to be there, with their lengths.
    written: BTreeMap<PodPath, u64>,
}

impl<'f> Changes<'f> {
    /// The changes to a pod that is open.
    pub(super) fn new(fairos: &'f Fairos, pod: &PodName) -> Self {
        Self {
            fairos,
            pod: pod.clone(),
            tree: fairos.tree_held(pod),
            written: BTreeMap::new(),
        }
    }

    /// What is at a path; none, if nothing is.
    fn look(&self, path: &PodPath) -> Result<Option<Entry>, PodsError> {
        match self.tree.stat(path) {
            Ok(entry) => Ok(Some(entry)),
            Err(PodsError::NoSuchPath { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a directory and those on the way to it, where they are missing.
    fn ensure_directory(&self, path: &PodPath) -> Result<(), PodsError> {
        let mut at = PodPath::root();
        for step in path.steps() {
            at = at.join(step)?;
            match self.look(&at)? {
                Some(entry) if entry.kind == EntryKind::File => {
                    return Err(PodsError::NotADirectory(at.to_string()));
                }
                Some(_) => {}
                None => {
                    check_name(&at)?;
                    let api = &self.fairos.api;
                    api.directory_make(self.pod.as_str(), at.as_str())?;
                    if self.look(&at)?.is_none() {
                        return Err(self.not_done("POST /v1/dir/mkdir", &at, "is not there"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Makes room for a copy or a move: the target is free, and its directory is there.
    fn prepare(&self, from: &PodPath, to: &PodPath) -> Result<Entry, PodsError> {
        let entry = self.tree.stat(from)?;
        if to.is_within(from) {
            return Err(PodsError::Path {
                text: to.to_string(),
                why: format!("it is inside `{from}`"),
            });
        }
        if self.look(to)?.is_some() {
            return Err(PodsError::PathExists(to.to_string()));
        }
        check_name(to)?;
        self.ensure_directory(&to.parent().unwrap_or_else(PodPath::root))?;
        Ok(entry)
    }

    /// Uploads a file and reads back that it is there, in its full length.
    fn upload(
        &self,
        path: &PodPath,
        meta: &FileMeta,
        input: &mut dyn Read,
        progress: &dyn Progress,
    ) -> Result<Entry, PodsError> {
        let mut watched = Watched {
            input,
            progress,
            bytes: 0,
            stopped: false,
        };
        let directory = path.parent().unwrap_or_else(PodPath::root);
        let file = File {
            field: "files",
            name: path.name().to_owned(),
            content_type: meta.content_type.clone(),
            bytes: meta.bytes,
            input: &mut watched,
        };
        let api = &self.fairos.api;
        let sent = api.file_upload(self.pod.as_str(), directory.as_str(), file);
        if watched.stopped {
            let bytes = watched.bytes;
            return Err(PodsError::Stopped { bytes });
        }
        sent?;
        if meta.executable {
            api.file_mode(self.pod.as_str(), path.as_str(), PROGRAM)?;
        }
        let entry = self.tree.stat(path)?;
        if entry.kind != EntryKind::File || entry.bytes != watched.bytes {
            let has = format!("has {} bytes, not {}", entry.bytes, watched.bytes);
            return Err(self.not_done("POST /v1/file/upload", path, &has));
        }
        if entry.executable != meta.executable {
            return Err(self.not_done("POST /v1/file/chmod", path, "has another mode"));
        }
        Ok(entry)
    }

    fn remove_file(&self, path: &PodPath) -> Result<(), PodsError> {
        let api = &self.fairos.api;
        api.file_delete(self.pod.as_str(), path.as_str())?;
        match self.look(path)? {
            None => Ok(()),
            Some(_) => Err(self.not_done("DELETE /v1/file/delete", path, "is still there")),
        }
    }

    /// Removes an empty directory (see the module).
    fn remove_directory(&self, path: &PodPath) -> Result<(), PodsError> {
        let api = &self.fairos.api;
        let is_in_root = path.parent().is_some_and(|parent| parent.is_root());
        if is_in_root {
            api.directory_remove(self.pod.as_str(), path.as_str())?;
        } else {
            let aside = self.free_name()?;
            api.directory_rename(self.pod.as_str(), path.as_str(), aside.as_str())?;
            api.directory_remove(self.pod.as_str(), aside.as_str())?;
        }
        self.tree.forget();
        match self.look(path)? {
            None => Ok(()),
            Some(_) => Err(self.not_done("DELETE /v1/dir/rmdir", path, "is still there")),
        }
    }

    /// A path in the root where nothing is.
    fn free_name(&self) -> Result<PodPath, PodsError> {
        for number in 0..NAMES_MAX {
            let path: PodPath = format!("/.removed-{number}").parse()?;
            if self.look(&path)?.is_none() {
                return Ok(path);
            }
        }
        Err(PodsError::PathExists("/.removed-0".to_owned()))
    }

    /// Moves a directory: makes those of the target, moves the files, and removes what is then empty.
    fn move_directory(&self, from: &PodPath, to: &PodPath) -> Result<(), PodsError> {
        let inside = self.tree.walk(from)?;
        self.ensure_directory(to)?;
        for entry in &inside {
            let old: PodPath = entry.path.parse()?;
            let new = moved(&old, from, to)?;
            match entry.kind {
                EntryKind::Directory => self.ensure_directory(&new)?,
                EntryKind::File => self.move_file(&old, &new, entry.bytes)?,
            }
        }
        for entry in inside.iter().rev() {
            if entry.kind == EntryKind::Directory {
                self.remove_directory(&entry.path.parse()?)?;
            }
        }
        self.remove_directory(from)
    }

    fn move_file(&self, from: &PodPath, to: &PodPath, bytes: u64) -> Result<(), PodsError> {
        let api = &self.fairos.api;
        api.file_rename(self.pod.as_str(), from.as_str(), to.as_str())?;
        match (self.look(from)?, self.look(to)?) {
            (None, Some(entry)) if entry.bytes == bytes => Ok(()),
            _ => Err(self.not_done("POST /v1/file/rename", to, "is not what was moved")),
        }
    }

    /// Copies a file through this process: the server has no call for it.
    fn copy_file(&self, from: &Entry, to: &PodPath) -> Result<(), PodsError> {
        let (bytes, answer) = self.tree.open(&from.path.parse()?)?;
        let meta = FileMeta {
            content_type: from.content_type.clone(),
            modified: from.modified,
            executable: from.executable,
            bytes: Some(bytes),
        };
        let mut body = Body {
            answer,
            piece: bytes::Bytes::new(),
        };
        self.upload(to, &meta, &mut body, &Quiet).map(drop)
    }

    fn not_done(&self, what: &str, path: &PodPath, how: &str) -> PodsError {
        let message = format!("it reports a success, and `{path}` {how}");
        self.fairos.api.contradicts(what, message)
    }
}

impl Edit for Changes<'_> {
    fn write(
        &mut self,
        path: &PodPath,
        meta: &FileMeta,
        input: &mut dyn Read,
        progress: &dyn Progress,
    ) -> Result<Entry, PodsError> {
        let _session = self.fairos.session.lock();
        check_name(path)?;
        let there = self.look(path)?;
        if there.is_some_and(|entry| entry.kind == EntryKind::Directory) {
            return Err(PodsError::NotAFile(path.to_string()));
        }
        self.ensure_directory(&path.parent().unwrap_or_else(PodPath::root))?;
        let entry = self.upload(path, meta, input, progress)?;
        self.written.insert(path.clone(), entry.bytes);
        Ok(entry)
    }

    fn make_directory(&mut self, path: &PodPath) -> Result<(), PodsError> {
        let _session = self.fairos.session.lock();
        self.ensure_directory(path)
    }

    fn remove(&mut self, path: &PodPath, recursive: bool) -> Result<(), PodsError> {
        let _session = self.fairos.session.lock();
        self.written.retain(|written, _| !written.is_within(path));
        if self.tree.stat(path)?.kind == EntryKind::File {
            return self.remove_file(path);
        }
        let entries = self.tree.list(path)?.len();
        if entries > 0 && !recursive {
            return Err(PodsError::NotEmpty {
                path: path.to_string(),
                entries,
            });
        }
        for entry in self.tree.walk(path)?.iter().rev() {
            let at = entry.path.parse()?;
            match entry.kind {
                EntryKind::File => self.remove_file(&at)?,
                EntryKind::Directory => self.remove_directory(&at)?,
            }
        }
        if path.is_root() {
            return Ok(()); // it is empty, and stays
        }
        self.remove_directory(path)
    }

    fn copy(&mut self, from: &PodPath, to: &PodPath) -> Result<(), PodsError> {
        let _session = self.fairos.session.lock();
        let entry = self.prepare(from, to)?;
        if entry.kind == EntryKind::File {
            return self.copy_file(&entry, to);
        }
        self.ensure_directory(to)?;
        for inside in self.tree.walk(from)? {
            let new = moved(&inside.path.parse()?, from, to)?;
            match inside.kind {
                EntryKind::Directory => self.ensure_directory(&new)?,
                EntryKind::File => self.copy_file(&inside, &new)?,
            }
        }
        Ok(())
    }

    fn rename(&mut self, from: &PodPath, to: &PodPath) -> Result<(), PodsError> {
        let _session = self.fairos.session.lock();
        let entry = self.prepare(from, to)?;
        self.written.retain(|written, _| !written.is_within(from));
        match entry.kind {
            EntryKind::File => self.move_file(from, to, entry.bytes),
            EntryKind::Directory => self.move_directory(from, to),
        }
    }

    /// Reads back what the pod holds, from the server's store and not from what its session knows, and makes sure that
    /// all that was written is there: everything was done already. `reference` is empty, since the server has no
    /// snapshots, and `at` is when the newest entry was written.
    fn commit(self: Box<Self>, note: &str) -> Result<Snapshot, PodsError> {
        let read_back = self.fairos.tree(&Source::pod(&self.pod))?;
        let all = read_back.walk(&PodPath::root())?;
        for (path, bytes) in &self.written {
            let there = all.binary_search_by(|entry| entry.path.as_str().cmp(path.as_str()));
            if !there.is_ok_and(|at| all[at].bytes == *bytes) {
                return Err(self.not_done("POST /v1/file/upload", path, "is not what was written"));
            }
        }
        let files = all.iter().filter(|entry| entry.kind == EntryKind::File);
        let at = all.iter().map(|entry| entry.modified).max();
        Ok(Snapshot {
            index: 0,
            reference: String::new(),
            redundancy: 0,
            at: at.unwrap_or_default(),
            note: note.to_owned(),
            files: files.clone().count() as u64,
            bytes: files.map(|entry| entry.bytes).sum(),
        })
    }
}

/// Where what was at `path` below `from` is once `from` is `to`.
fn moved(path: &PodPath, from: &PodPath, to: &PodPath) -> Result<PodPath, PodsError> {
    let below = path.as_str().strip_prefix(from.as_str());
    to.join(below.unwrap_or(path.as_str()))
}

/// Refuses the one name that the server needs for itself.
fn check_name(path: &PodPath) -> Result<(), PodsError> {
    if path.name() == RESERVED {
        return Err(PodsError::Path {
            text: path.to_string(),
            why: format!("FairOS-DFS keeps its own lists in files named `{RESERVED}`"),
        });
    }
    Ok(())
}

/// A source that tells how far it is, and ends with an error when it is to stop.
struct Watched<'i> {
    input: &'i mut dyn Read,
    progress: &'i dyn Progress,
    bytes: u64,
    stopped: bool,
}

impl Read for Watched<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.progress.stopped() {
            self.stopped = true;
            return Err(io::Error::other("stopped"));
        }
        let read = self.input.read(into)?;
        self.bytes += read as u64;
        self.progress.moved(read as u64);
        Ok(read)
    }
}

/// The body of an answer as something to read from.
struct Body {
    answer: Answer,
    piece: bytes::Bytes,
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.answer.piece().map_err(io::Error::other)? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = self.piece.len().min(into.len());
        into[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}
