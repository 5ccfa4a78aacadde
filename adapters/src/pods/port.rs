//! The port: what can be done with the pods of one wallet.

use std::fmt;
use std::io::{Read, Write};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{PodName, PodPath, PodsError};

/// The pods of one wallet, wherever they are kept.
///
/// Calls block; whoever is asynchronous calls from a thread that may. Nothing is reported done that cannot be
/// read back. An operation on a pod that is missing or closed changes nothing and says which it is.
pub trait Pods: Send + Sync {
    /// Who keeps them, for messages: `the embedded store`, `Bee at …`, `FairOS-DFS at …`.
    fn keeper(&self) -> String;

    /// Makes an empty pod and opens it. A private pod is encrypted.
    ///
    /// # Errors
    /// [`PodsError::Exists`] and what the keeper says.
    fn create(&self, name: &PodName, public: bool) -> Result<PodInfo, PodsError>;

    /// Opens or closes a pod. A closed pod is neither read nor changed.
    ///
    /// # Errors
    /// [`PodsError::Missing`].
    fn set_open(&self, name: &PodName, open: bool) -> Result<PodInfo, PodsError>;

    /// Every pod of the wallet, by name.
    ///
    /// # Errors
    /// What the keeper says.
    fn pods(&self) -> Result<Vec<PodInfo>, PodsError>;

    /// One pod, open or closed.
    ///
    /// # Errors
    /// [`PodsError::Missing`].
    fn pod(&self, name: &PodName) -> Result<PodInfo, PodsError>;

    /// Removes a pod from the wallet. What it shared stays readable as long as it is stamped or pinned.
    ///
    /// # Errors
    /// [`PodsError::Missing`].
    fn remove_pod(&self, name: &PodName) -> Result<(), PodsError>;

    /// What is in a directory, by name: files and directories, not what is in those.
    ///
    /// # Errors
    /// [`PodsError::NoSuchPath`], [`PodsError::NotADirectory`].
    fn list(&self, from: &Source, path: &PodPath) -> Result<Vec<Entry>, PodsError>;

    /// What is at a path.
    ///
    /// # Errors
    /// [`PodsError::NoSuchPath`].
    fn stat(&self, from: &Source, path: &PodPath) -> Result<Entry, PodsError>;

    /// Every file and directory below a path, by path; the path itself is not among them.
    ///
    /// # Errors
    /// As [`Pods::list`].
    fn walk(&self, from: &Source, path: &PodPath) -> Result<Vec<Entry>, PodsError> {
        let mut found = Vec::new();
        let mut todo = vec![path.clone()];
        while let Some(directory) = todo.pop() {
            for entry in self.list(from, &directory)? {
                if entry.kind == EntryKind::Directory {
                    todo.push(entry.path.parse()?);
                }
                found.push(entry);
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Writes a file's bytes, all or those of a range, and says how many there were. The bytes are verified
    /// against the reference as they come.
    ///
    /// # Errors
    /// [`PodsError::NoSuchPath`], [`PodsError::NotAFile`], and what reading or writing says.
    fn read(
        &self,
        from: &Source,
        path: &PodPath,
        range: Option<Range<u64>>,
        out: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<u64, PodsError>;

    /// Begins to change a pod. Nothing is seen of it before [`Edit::commit`], where the keeper can do that.
    ///
    /// # Errors
    /// [`PodsError::Missing`], [`PodsError::Closed`].
    fn edit<'p>(&'p self, pod: &PodName) -> Result<Box<dyn Edit + 'p>, PodsError>;

    /// The pod's snapshots, oldest first.
    ///
    /// # Errors
    /// [`PodsError::Missing`], [`PodsError::Unsupported`].
    fn history(&self, pod: &PodName) -> Result<Vec<Snapshot>, PodsError>;

    /// Shares a pod, or one file or directory of it: answers 64 hexadecimal digits that read it.
    ///
    /// # Errors
    /// [`PodsError::Missing`], [`PodsError::NoSuchPath`].
    fn share(&self, pod: &PodName, path: &PodPath) -> Result<String, PodsError>;

    /// What a reference key, or a reference of 64 or 128 digits, leads to.
    ///
    /// # Errors
    /// [`PodsError::Reference`]: it leads nowhere, or is not one.
    fn find(&self, reference: &str) -> Result<Found, PodsError>;

    /// Makes a pod of one's own from a source, which is recorded as its parent. Nothing that is in the store
    /// already is stored again.
    ///
    /// # Errors
    /// [`PodsError::Exists`], [`PodsError::Reference`].
    fn fork(&self, from: &Source, name: &PodName) -> Result<PodInfo, PodsError>;

    /// Offers what a fork changed to the author of what it was forked from.
    ///
    /// # Errors
    /// [`PodsError::Unsupported`], or it is not a fork.
    fn offer(&self, fork: &PodName) -> Result<Offer, PodsError>;

    /// What was offered to a pod and not yet taken or declined.
    ///
    /// # Errors
    /// [`PodsError::Missing`], [`PodsError::Unsupported`].
    fn offers(&self, pod: &PodName) -> Result<Vec<Offer>, PodsError>;

    /// Takes an offer into the pod as one snapshot (`take`), or declines it.
    ///
    /// # Errors
    /// [`PodsError::Conflict`]: the pod changed the same paths since; [`PodsError::Missing`].
    fn settle(&self, pod: &PodName, offer: &str, take: bool)
    -> Result<Option<Snapshot>, PodsError>;

    /// Takes an offer that came as a file into the pod as one snapshot, as [`Pods::settle`] does.
    ///
    /// # Errors
    /// As [`Pods::settle`]; [`PodsError::Offer`] if it is not for this pod.
    fn accept(&self, _pod: &PodName, _offer: &Offer) -> Result<Snapshot, PodsError> {
        Err(PodsError::Unsupported {
            keeper: self.keeper(),
            what: "take an offer".to_owned(),
            hint: "`--dfs` names another keeper".to_owned(),
        })
    }

    /// The batches that were bought since this was last asked because a wallet that had none wrote something: to be
    /// told to whoever pays.
    fn bought_unasked(&self) -> Vec<Batch> {
        Vec::new()
    }

    /// Reads everything a source consists of and recomputes every hash.
    ///
    /// # Errors
    /// [`PodsError::Missing`], [`PodsError::Reference`]. Damage is in the answer.
    fn verify(&self, from: &Source, progress: &dyn Progress) -> Result<Verified, PodsError>;

    /// The batches of stamps the wallet has.
    ///
    /// # Errors
    /// [`PodsError::Unsupported`].
    fn batches(&self) -> Result<Vec<Batch>, PodsError>;

    /// Buys a batch of stamps: the right to write.
    ///
    /// # Errors
    /// [`PodsError::Funds`], [`PodsError::Unsupported`].
    fn buy(&self, what: &BuyBatch) -> Result<Bought, PodsError>;

    /// Keeps everything a reference names, stamped or not; or no longer.
    ///
    /// # Errors
    /// [`PodsError::Reference`], [`PodsError::Unsupported`].
    fn set_pinned(&self, reference: &str, pinned: bool) -> Result<(), PodsError>;

    /// What is pinned: references.
    ///
    /// # Errors
    /// [`PodsError::Unsupported`].
    fn pins(&self) -> Result<Vec<String>, PodsError>;

    /// Frees exactly what is neither stamped nor pinned.
    ///
    /// # Errors
    /// [`PodsError::Unsupported`].
    fn collect(&self) -> Result<Freed, PodsError>;
}

/// Changes to one pod that become one snapshot.
///
/// One that is dropped without [`Edit::commit`] changed nothing, where the keeper can do that (FairOS-DFS cannot:
/// it does each at once).
pub trait Edit {
    /// Writes a file, whole; missing directories on the way are made. Answers what was written.
    ///
    /// # Errors
    /// [`PodsError::NotAFile`] if a directory is there, [`PodsError::NotADirectory`] if a file is on the way,
    /// and what reading says.
    fn write(
        &mut self,
        path: &PodPath,
        meta: &FileMeta,
        input: &mut dyn Read,
        progress: &dyn Progress,
    ) -> Result<Entry, PodsError>;

    /// Makes a directory and those on the way to it; it may be there.
    ///
    /// # Errors
    /// [`PodsError::NotADirectory`].
    fn make_directory(&mut self, path: &PodPath) -> Result<(), PodsError>;

    /// Removes a file, or a directory: an empty one, or with `recursive` any.
    ///
    /// # Errors
    /// [`PodsError::NoSuchPath`], [`PodsError::NotEmpty`].
    fn remove(&mut self, path: &PodPath, recursive: bool) -> Result<(), PodsError>;

    /// Copies a file or a directory inside the pod, without its bytes being read.
    ///
    /// # Errors
    /// [`PodsError::NoSuchPath`], [`PodsError::Path`] for a copy into itself, [`PodsError::PathExists`].
    fn copy(&mut self, from: &PodPath, to: &PodPath) -> Result<(), PodsError>;

    /// Moves a file or a directory inside the pod.
    ///
    /// # Errors
    /// As [`Edit::copy`].
    fn rename(&mut self, from: &PodPath, to: &PodPath) -> Result<(), PodsError>;

    /// Makes the changes one snapshot and answers it once it can be read back. `note` says what for.
    ///
    /// # Errors
    /// [`PodsError::Batch`] and what the keeper says; the pod is then as it was.
    fn commit(self: Box<Self>, note: &str) -> Result<Snapshot, PodsError>;
}

/// What can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A pod of the wallet, as it is now or as it was at a snapshot.
    Pod {
        /// Its name.
        name: String,
        /// The snapshot's index; none: the latest.
        at: Option<u64>,
    },
    /// What a reference key or a reference names.
    Reference(String),
}

impl Source {
    /// A pod as it is now.
    pub fn pod(name: &PodName) -> Self {
        Self::Pod {
            name: name.to_string(),
            at: None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod { name, at: None } => f.write_str(name),
            Self::Pod { name, at: Some(at) } => write!(f, "{name}@{at}"),
            Self::Reference(reference) => f.write_str(reference),
        }
    }
}

/// A pod, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodInfo {
    /// Its name.
    pub name: String,
    /// Whether it may be read and changed.
    pub open: bool,
    /// Whether it is unencrypted.
    pub public: bool,
    /// The address that owns its feed, 40 hexadecimal digits.
    pub owner: String,
    /// Its latest snapshot; none where the keeper has no snapshots, or where that one is damaged.
    pub latest: Option<Snapshot>,
    /// What it was forked from.
    pub parent: Option<ForkOf>,
}

/// What a pod was forked from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkOf {
    /// The pod's name there.
    pub name: String,
    /// The address of its owner, if it has one.
    pub owner: Option<String>,
    /// What its root's reference was; it is the base of what is offered back.
    pub reference: String,
}

/// One state of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its place in the pod's feed; the first is 0.
    pub index: u64,
    /// The root manifest, 64 hexadecimal digits, or 128 for a private pod: whoever has it reads the snapshot.
    pub reference: String,
    /// With which redundancy it was made.
    pub redundancy: u8,
    /// When, in seconds since 1970.
    pub at: u64,
    /// What for.
    pub note: String,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A file.
    File,
    /// A directory.
    Directory,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where, from the root: `/a/b.txt`.
    pub path: String,
    /// What.
    pub kind: EntryKind,
    /// A file's length, in bytes; 0 for a directory.
    pub bytes: u64,
    /// Its media type; empty where it is not known.
    pub content_type: String,
    /// When it was last written, in seconds since 1970; 0 where it is not known.
    pub modified: u64,
    /// Whether it is a program.
    pub executable: bool,
    /// What names its bytes, where the keeper has references.
    pub reference: Option<String>,
}

/// What is known of a file that is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMeta {
    /// Its media type; empty: found by its name.
    pub content_type: String,
    /// When it was last written, in seconds since 1970; 0: not known.
    pub modified: u64,
    /// Whether it is a program.
    pub executable: bool,
    /// Its length, if it is known before it is read; for the bar, and checked.
    pub bytes: Option<u64>,
}

/// What a reference leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What it is called there.
    pub name: String,
    /// What it is: a whole pod counts as a directory.
    pub kind: EntryKind,
    /// Whether it follows the pod's later snapshots; else it is one state.
    pub live: bool,
    /// The owner's address, if it has one.
    pub owner: Option<String>,
    /// The root it leads to now: 64 or 128 hexadecimal digits.
    pub root: String,
}

/// A difference that is offered to the author of what was forked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Names the offer.
    pub id: String,
    /// The owner of the pod it is for.
    pub to: String,
    /// The pod it is for, by its name there.
    pub pod: String,
    /// Who offers: the address of a wallet.
    pub from: String,
    /// The root it was forked from.
    pub base: String,
    /// A reference key of the fork as it is offered.
    pub fork: String,
    /// Paths it adds.
    pub added: Vec<String>,
    /// Paths it changes.
    pub changed: Vec<String>,
    /// Paths it removes.
    pub removed: Vec<String>,
    /// What `from` signed of all this, 130 hexadecimal digits.
    #[serde(default)]
    pub signature: String,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Chunks that were read and hashed.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that are whole.
    pub files: u64,
    /// What is not.
    pub damage: Vec<Damage>,
}

/// One thing that is damaged or missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The path it belongs to; `/` for the directory itself.
    pub path: String,
    /// The chunk.
    pub chunk: String,
    /// What is wrong with it.
    pub why: String,
}

/// A batch of stamps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// 64 hexadecimal digits.
    pub id: String,
    /// What its owner calls it.
    pub label: String,
    /// It stamps at most 2 to this power chunks.
    pub depth: u8,
    /// How many stamps the fullest of its 65,536 buckets has given; of 2^(depth - 16).
    pub fullest: u32,
    /// How many chunks it has stamped.
    pub stamped: u64,
    /// Seconds until it expires; 0 if it has.
    pub ttl_s: u64,
    /// Whether it can stamp now.
    pub usable: bool,
    /// What was paid for it, in motes; 0 where it was not paid here.
    pub motes: u64,
}

/// What batch to buy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyBatch {
    /// Its depth, from 17 on.
    pub depth: u8,
    /// For how long, in seconds.
    pub ttl_s: u64,
    /// What to call it.
    pub label: String,
}

/// A batch that was bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bought {
    /// The batch.
    pub batch: Batch,
    /// What the wallet has left, in motes.
    pub motes_left: i64,
}

/// What a collection freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freed {
    /// Chunks freed.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Chunks that stay.
    pub kept: u64,
    /// Batches that had expired and are forgotten.
    pub batches: u64,
}

/// Who is told how far a transfer is, and may stop it.
pub trait Progress: Sync {
    /// `bytes` more have been transferred.
    fn moved(&self, bytes: u64);

    /// Whether to stop as soon as that leaves what can be resumed.
    fn stopped(&self) -> bool {
        false
    }
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn moved(&self, _: u64) {}
}
