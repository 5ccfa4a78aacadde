//! Reading: pods of one's own, and what references lead to.
//!
//! Whoever asks the server for something below a file makes it take the file for a directory, on which it dies
//! holding a lock: from then on it answers nothing about the pod. So paths are followed from the root down, and a step
//! is taken only where the directory above was seen to be one.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Write;
use std::ops::Range;

use super::api::Api;
use super::wire::{FileReceived, Listed, Listing, Meaning, meaning};
use super::{Fairos, bare, of_pod};
use crate::http::Answer;
use crate::pods::{Entry, EntryKind, Found, PodName, PodPath, PodsError, Progress, Source};
use crate::swarm::media;

/// How often a directory is listed until list and count agree.
const LISTS_MAX: usize = 8;
/// Most entries that a walk finds: refuse.
const WALK_MAX: usize = 1_000_000;
/// Deepest directory that a walk enters: refuse. Paths of 1,024 bytes have no more steps.
const DEPTH_MAX: usize = 512;

/// What can be read, once it is known what it is.
#[derive(Debug)]
pub(super) struct Tree<'f> {
    fairos: &'f Fairos,
    root: Root,
    /// Whether whoever reads holds the session already.
    is_held: bool,
    /// Directories of a pod that were seen to be there.
    known: RefCell<BTreeSet<PodPath>>,
}

/// Where a tree is.
#[derive(Debug)]
enum Root {
    /// A pod of the user.
    Pod(PodName),
    /// Somebody's pod, by a reference; read without logging in.
    Shared { reference: String },
    /// One file, by a reference.
    File(FileReceived),
}

/// What kind of reference a text is.
enum Reference<'t> {
    Pod(&'t str),
    File(&'t str),
}

impl<'t> Reference<'t> {
    /// Checks digits and length: some of the server's calls take any text and report a success.
    fn of(text: &'t str) -> Result<Self, PodsError> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match text.len() {
            64 if is_hex => Ok(Self::Pod(text)),
            128 if is_hex => Ok(Self::File(text)),
            _ => Err(nowhere(
                text,
                "references have 64 or 128 hexadecimal digits".to_owned(),
            )),
        }
    }
}

impl Fairos {
    /// What there is to read of a source, as it is now.
    pub(super) fn tree(&self, from: &Source) -> Result<Tree<'_>, PodsError> {
        let root = match from {
            Source::Pod { at: Some(_), .. } => {
                return self.unsupported(
                    "read a pod as it was",
                    "the embedded store and Bee keep snapshots",
                );
            }
            Source::Pod { name, at: None } => {
                let pod: PodName = name.parse()?;
                self.refresh(&pod)?;
                Root::Pod(pod)
            }
            Source::Reference(text) => match Reference::of(text)? {
                Reference::Pod(reference) => Root::Shared {
                    reference: reference.to_owned(),
                },
                Reference::File(reference) => Root::File(self.received(reference)?),
            },
        };
        Ok(Tree::new(self, root, false))
    }

    /// A pod as the session has it, for whoever holds that.
    pub(super) fn tree_held(&self, pod: &PodName) -> Tree<'_> {
        Tree::new(self, Root::Pod(pod.clone()), true)
    }

    /// What a reference leads to, once it was seen to open.
    pub(super) fn found(&self, text: &str) -> Result<Found, PodsError> {
        match Reference::of(text)? {
            Reference::Pod(reference) => {
                let told = self.api.pod_receive_info(reference);
                let told = told.map_err(|error| leads_nowhere(error, text))?;
                if told.pod_name.is_empty() || bare(&told.pod_address).len() != 40 {
                    return Err(nowhere(text, "what it names is no pod".to_owned()));
                }
                let opens = self.api.public_list(reference, "/");
                opens.map_err(|error| leads_nowhere(error, text))?;
                Ok(Found {
                    name: told.pod_name,
                    kind: EntryKind::Directory,
                    live: true,
                    owner: Some(bare(&told.user_address)),
                    root: reference.to_owned(),
                })
            }
            Reference::File(reference) => {
                let told = self.received(reference)?;
                Ok(Found {
                    name: told.name,
                    kind: EntryKind::File,
                    live: false,
                    owner: Some(bare(&told.source_address)),
                    root: reference.to_owned(),
                })
            }
        }
    }

    fn received(&self, reference: &str) -> Result<FileReceived, PodsError> {
        let told = self.api.file_receive_info(reference);
        match told.map_err(|error| leads_nowhere(error, reference))? {
            Some(told) => Ok(told),
            None => Err(nowhere(reference, "nothing is there".to_owned())),
        }
    }
}

impl<'f> Tree<'f> {
    fn new(fairos: &'f Fairos, root: Root, is_held: bool) -> Self {
        Self {
            fairos,
            root,
            is_held,
            known: RefCell::default(),
        }
    }

    /// Asks about a pod, while nobody else does.
    fn ask<T>(&self, question: impl FnOnce(&Api) -> T) -> T {
        let _session = (!self.is_held).then(|| self.fairos.session.lock());
        question(&self.fairos.api)
    }

    /// What it is called in messages.
    fn name(&self) -> String {
        match &self.root {
            Root::Pod(pod) => pod.to_string(),
            Root::Shared { .. } => "the shared pod".to_owned(),
            Root::File(file) => file.name.clone(),
        }
    }

    fn nothing_at(&self, path: &PodPath) -> PodsError {
        PodsError::NoSuchPath {
            from: self.name(),
            path: path.to_string(),
        }
    }

    pub(super) fn list(&self, path: &PodPath) -> Result<Vec<Entry>, PodsError> {
        let listing = match &self.root {
            Root::Pod(pod) => {
                self.check_directory(path)?;
                let listed = self.list_pod(pod, path);
                listed.map_err(|error| of_pod(error, pod))?
            }
            Root::Shared { reference } => {
                self.check_directory(path)?;
                let listed = self.fairos.api.public_list(reference, path.as_str());
                listed.map_err(|error| leads_nowhere(error, reference))?
            }
            Root::File(_) => {
                let entry = self.stat(path)?;
                return match entry.kind {
                    EntryKind::File => Err(PodsError::NotADirectory(path.to_string())),
                    EntryKind::Directory => self.file_entry().map(|file| vec![file]),
                };
            }
        };
        let of = |kind| move |listed| (kind, listed);
        let directories = listing.dirs.into_iter().map(of(EntryKind::Directory));
        let files = listing.files.into_iter().map(of(EntryKind::File));
        let all = directories.chain(files);
        let mut entries = all
            .map(|(kind, listed)| entry(path, kind, listed))
            .collect::<Result<Vec<_>, _>>()?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries.dedup_by(|a, b| a.path == b.path);
        Ok(entries)
    }

    /// Makes sure that a directory is at a path.
    fn check_directory(&self, path: &PodPath) -> Result<(), PodsError> {
        match self.stat(path)?.kind {
            EntryKind::Directory => Ok(()),
            EntryKind::File => Err(PodsError::NotADirectory(path.to_string())),
        }
    }

    /// Lists a directory of a pod until nothing of it is missing.
    ///
    /// The server leaves out what it cannot read at the moment, and what another session looks at, and says
    /// nothing of it. So the list is compared with the counts. Where they differ for good (its own calls leave such
    /// counts behind), the lists are the same each time.
    fn list_pod(&self, pod: &PodName, path: &PodPath) -> Result<Listing, PodsError> {
        let (mut is_whole, mut listing) = self.list_once(pod, path)?;
        let mut is_same = true;
        for _ in 1..LISTS_MAX {
            if is_whole {
                break;
            }
            let (next_is_whole, next) = self.list_once(pod, path)?;
            is_same &= next == listing;
            (is_whole, listing) = (next_is_whole, next);
        }
        if is_whole || is_same {
            return Ok(listing);
        }
        let message = format!("it lists `{path}` of `{pod}` differently each time");
        Err(self.fairos.api.contradicts("GET /v1/dir/ls", message))
    }

    /// Lists a directory of a pod, and says whether it has as many entries as are counted.
    fn list_once(&self, pod: &PodName, path: &PodPath) -> Result<(bool, Listing), PodsError> {
        self.ask(|api| {
            let mut listing = api.directory_list(pod.as_str(), path.as_str())?;
            listing.dirs.sort();
            listing.files.sort();
            let stat = api.directory_stat(pod.as_str(), path.as_str())?;
            let counts = (listing.dirs.len() as u64, listing.files.len() as u64);
            let is_whole = counts == (stat.no_of_directories, stat.no_of_files);
            Ok((is_whole, listing))
        })
    }

    pub(super) fn stat(&self, path: &PodPath) -> Result<Entry, PodsError> {
        match &self.root {
            _ if path.is_root() => Ok(directory(path, 0)),
            Root::Pod(pod) => self.stat_pod(pod, path),
            Root::Shared { .. } => {
                let above = path.parent().unwrap_or_else(PodPath::root);
                let entries = match self.list(&above) {
                    Err(PodsError::NoSuchPath { .. } | PodsError::NotADirectory(_)) => Vec::new(),
                    other => other?,
                };
                let found = entries
                    .into_iter()
                    .find(|entry| entry.path == path.as_str());
                found.ok_or_else(|| self.nothing_at(path))
            }
            Root::File(_) => {
                let file = self.file_entry()?;
                if file.path == path.as_str() {
                    Ok(file)
                } else {
                    Err(self.nothing_at(path))
                }
            }
        }
    }

    /// What is at a path of a pod, found from the root down.
    fn stat_pod(&self, pod: &PodName, path: &PodPath) -> Result<Entry, PodsError> {
        let mut at = PodPath::root();
        let above = path.parent().unwrap_or_else(PodPath::root);
        for step in above.steps() {
            at = at.join(step)?;
            if !self.known.borrow().contains(&at) && self.directory_at(pod, &at)?.is_none() {
                return Err(self.nothing_at(path));
            }
        }
        if let Some(entry) = self.file_at(pod, path)? {
            return Ok(entry);
        }
        let directory = self.directory_at(pod, path)?;
        directory.ok_or_else(|| self.nothing_at(path))
    }

    /// The file at a path in a directory that is one.
    fn file_at(&self, pod: &PodName, path: &PodPath) -> Result<Option<Entry>, PodsError> {
        match self.ask(|api| api.file_stat(pod.as_str(), path.as_str())) {
            Ok(file) => Ok(Some(Entry {
                path: path.to_string(),
                kind: EntryKind::File,
                bytes: file.file_size,
                content_type: media_type(path.name(), file.content_type),
                modified: file.modification_time,
                executable: is_executable(file.mode),
                reference: None,
            })),
            Err(error) if meaning(&error) == Meaning::NothingThere => Ok(None),
            Err(error) => Err(of_pod(error, pod)),
        }
    }

    /// The directory at a path in a directory that is one.
    fn directory_at(&self, pod: &PodName, path: &PodPath) -> Result<Option<Entry>, PodsError> {
        match self.ask(|api| api.directory_stat(pod.as_str(), path.as_str())) {
            Ok(stat) => {
                self.known.borrow_mut().insert(path.clone());
                Ok(Some(directory(path, stat.modification_time)))
            }
            Err(error) if meaning(&error) == Meaning::NothingThere => Ok(None),
            Err(error) => Err(of_pod(error, pod)),
        }
    }

    /// A directory is gone: nothing is known any more.
    pub(super) fn forget(&self) {
        self.known.borrow_mut().clear();
    }

    fn file_entry(&self) -> Result<Entry, PodsError> {
        let Root::File(file) = &self.root else {
            return Err(self.nothing_at(&PodPath::root()));
        };
        let listed = Listed {
            name: file.name.clone(),
            content_type: file.content_type.clone(),
            size: file.size,
            mode: 0,
            modification_time: file.shared_time,
        };
        entry(&PodPath::root(), EntryKind::File, listed)
    }

    pub(super) fn walk(&self, path: &PodPath) -> Result<Vec<Entry>, PodsError> {
        let mut found = Vec::new();
        let mut todo = vec![path.clone()];
        while let Some(directory) = todo.pop() {
            for entry in self.list(&directory)? {
                if entry.kind == EntryKind::Directory {
                    todo.push(entry.path.parse()?);
                }
                found.push(entry);
            }
            if found.len() > WALK_MAX || directory.steps().count() > DEPTH_MAX {
                return Err(PodsError::Damaged(format!(
                    "`{}` has over {WALK_MAX} entries, or more than {DEPTH_MAX} directories in one another",
                    self.name()
                )));
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    pub(super) fn read(
        &self,
        path: &PodPath,
        range: Option<Range<u64>>,
        out: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<u64, PodsError> {
        let (bytes, answer) = self.open(path)?;
        let range = match range {
            Some(range) => range.start.min(bytes)..range.end.min(bytes),
            None => 0..bytes,
        };
        copy_range(answer, &range, out, progress)
    }

    /// Begins to read a file: its length, and its bytes from the first on. The server knows no ranges.
    pub(super) fn open(&self, path: &PodPath) -> Result<(u64, Answer), PodsError> {
        let entry = self.stat(path)?;
        if entry.kind == EntryKind::Directory {
            return Err(PodsError::NotAFile(path.to_string()));
        }
        let api = &self.fairos.api;
        let answer = match &self.root {
            Root::Pod(pod) => self.ask(|api| api.file_download(pod.as_str(), path.as_str()))?,
            Root::Shared { reference } => api.public_download(reference, path.as_str())?,
            Root::File(_) => {
                let hint = "fork it first, and read the fork";
                return self
                    .fairos
                    .unsupported("read a file by its reference alone", hint);
            }
        };
        if let Some(length) = answer.content_length()
            && length != entry.bytes
        {
            let message = format!("`{path}` has {} bytes, it sends {length}", entry.bytes);
            return Err(api.contradicts("GET /v1/file/download", message));
        }
        Ok((entry.bytes, answer))
    }
}

/// Writes the bytes of a range of a body and leaves the others out. A body that ends early fails.
fn copy_range(
    mut answer: Answer,
    range: &Range<u64>,
    out: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<u64, PodsError> {
    let (mut at, mut written) = (0_u64, 0_u64);
    while at < range.end {
        let Some(piece) = answer.piece()? else {
            return Err(PodsError::Damaged(format!(
                "the file ended after {at} bytes instead of {}",
                range.end
            )));
        };
        let until = at + piece.len() as u64;
        let from = within(&piece, range.start, at);
        let to = within(&piece, range.end, at).max(from);
        let wanted = piece.slice(from..to);
        out.write_all(&wanted).map_err(|error| PodsError::Io {
            what: "what was read cannot be written".to_owned(),
            error,
        })?;
        written += wanted.len() as u64;
        progress.moved(wanted.len() as u64);
        at = until;
        if progress.stopped() {
            return Err(PodsError::Stopped { bytes: written });
        }
    }
    Ok(written)
}

/// Where an offset of a file is in a piece of it that begins at `at`; its nearest end, if it is not in there.
fn within(piece: &[u8], offset: u64, at: u64) -> usize {
    let inside = usize::try_from(offset.saturating_sub(at));
    inside.unwrap_or(usize::MAX).min(piece.len())
}

/// An entry of a listing; a name that would lead elsewhere is damage, or an attack.
pub(super) fn entry(
    directory: &PodPath,
    kind: EntryKind,
    listed: Listed,
) -> Result<Entry, PodsError> {
    let bad = |why: String| {
        PodsError::Damaged(format!(
            "`{directory}` has an entry named `{}`: {why}",
            listed.name.escape_debug()
        ))
    };
    if listed.name.is_empty() || listed.name.contains('/') {
        return Err(bad("that is no name".to_owned()));
    }
    let path = directory
        .join(&listed.name)
        .map_err(|error| bad(error.to_string()))?;
    let is_file = kind == EntryKind::File;
    Ok(Entry {
        path: path.to_string(),
        kind,
        bytes: if is_file { listed.size } else { 0 },
        content_type: if is_file {
            media_type(&listed.name, listed.content_type)
        } else {
            String::new()
        },
        modified: listed.modification_time,
        executable: is_file && is_executable(listed.mode),
        reference: None,
    })
}

fn directory(path: &PodPath, modified: u64) -> Entry {
    Entry {
        path: path.to_string(),
        kind: EntryKind::Directory,
        bytes: 0,
        content_type: String::new(),
        modified,
        executable: false,
        reference: None,
    }
}

/// What a file is, by its name, or else as the server found by its first bytes: it keeps no type that it is told.
fn media_type(name: &str, found: String) -> String {
    match media::by_name(name) {
        "" => found,
        known => known.to_owned(),
    }
}

const fn is_executable(mode: u32) -> bool {
    mode & 0o100 != 0
}

fn nowhere(reference: &str, why: String) -> PodsError {
    PodsError::Reference {
        text: reference.to_owned(),
        why,
    }
}

/// A reference that the server refuses leads nowhere; a server that cannot answer says nothing about it.
fn leads_nowhere(error: PodsError, reference: &str) -> PodsError {
    match error {
        PodsError::Server {
            status: 400 | 404 | 500,
            ref message,
            ..
        } if meaning(&error) != Meaning::LoggedOut => nowhere(reference, message.clone()),
        other => other,
    }
}
