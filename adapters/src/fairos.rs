//! Pods that a FairOS-DFS keeps: a client of its current HTTP API.
//!
//! [`Fairos`] is one user of one server, as [`Pods`]. What the server does differently is said where it shows:
//!
//! * It has no snapshots: a pod has one state, each change of an [`Edit`] is done at once, and what
//!   [`Edit::commit`] answers is a count of what is there.
//! * Every pod is encrypted; a reference key to a pod is live. A file is shared by 128 hexadecimal digits instead
//!   of 64, and a directory not at all.
//! * Of what is known of a file it keeps its name, its bytes and whether it is a program; when it was written is when the
//!   server got it.
//! * Which pods are closed is known only to the client that closed them; the server opens whatever is asked for.
//! * The parent of a fork is told by [`Pods::fork`] and not kept.
//!
//! The server reports some things as done that are not, and some of its calls damage its own lists. So whatever
//! changes something reads it back, directories are moved and removed in the only ways that are safe (`edit`),
//! nothing below a file is asked for (`read`), and references are opened before they are forked.

mod api;
mod edit;
mod read;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::Range;

use parking_lot::Mutex;

use crate::http::{Login, Secret};
use crate::pods::{
    Batch, Bought, BuyBatch, Edit, Entry, EntryKind, ForkOf, Found, Freed, Offer, PodInfo, PodName,
    PodPath, Pods, PodsError, Progress, Snapshot, Source, Verified,
};

pub use api::Account;
use api::Api;
use edit::Changes;
use wire::{Meaning, PodList, meaning};

/// The pods of one user of a FairOS-DFS.
#[derive(Debug)]
pub struct Fairos {
    api: Api,
    /// Pods that were closed here, with their addresses.
    closed: Mutex<BTreeMap<String, String>>,
    /// Pods that the server has open for this session; it answers from what it knew when it opened them.
    opened: Mutex<BTreeSet<String>>,
    /// Held by every change of a pod and by every request that reads one. The server does not bear two at once in one
    /// session: a list leaves out what another request looks at, and what was read while something changed is
    /// taken for the latest, and written back by the next change.
    session: Mutex<()>,
}

impl Fairos {
    /// The pods of a user of the server at an address: `http://HOST:PORT`. Nothing is called yet.
    ///
    /// # Errors
    /// [`PodsError::Unreachable`] if it is not an address that can be called.
    pub fn new(address: &str, login: Login) -> Result<Self, PodsError> {
        Ok(Self {
            api: Api::new(address, login)?,
            closed: Mutex::default(),
            opened: Mutex::default(),
            session: Mutex::default(),
        })
    }

    /// Makes the user known to the server and logs in. `mnemonic` is the twelve words of an account that can
    /// pay for its name where names cost something; without them the server makes some.
    ///
    /// # Errors
    /// What the server says: there is such a user, the name or the password is not what it takes (a password
    /// has at least 12 characters), or the account cannot pay.
    pub fn sign_up(&self, mnemonic: Option<&Secret>) -> Result<Account, PodsError> {
        self.api.sign_up(mnemonic)
    }

    /// Whether the server knows the user; asks for no password.
    ///
    /// # Errors
    /// What the server says.
    pub fn is_known(&self) -> Result<bool, PodsError> {
        self.api.user_present()
    }

    /// The address of the user's account, as the server writes it. Logs in.
    ///
    /// # Errors
    /// What the server says: there is no such user, the password is wrong.
    pub fn address(&self) -> Result<String, PodsError> {
        let found = self.api.user_stat()?;
        if found.user_name != self.api.user() {
            let who = found.user_name.escape_debug().to_string();
            let message = format!("its session is that of `{who}`");
            return Err(self.api.contradicts("GET /v1/user/stat", message));
        }
        Ok(found.address)
    }

    /// Ends the session; the next use begins another.
    ///
    /// # Errors
    /// What the server says.
    pub fn log_out(&self) -> Result<(), PodsError> {
        self.opened.lock().clear();
        self.api.log_out()
    }

    fn unsupported<T>(&self, what: &str, hint: &str) -> Result<T, PodsError> {
        Err(PodsError::Unsupported {
            keeper: self.keeper(),
            what: what.to_owned(),
            hint: hint.to_owned(),
        })
    }

    /// Opens a pod as it is now.
    fn refresh(&self, pod: &PodName) -> Result<(), PodsError> {
        self.check_open(pod)?;
        let _session = self.session.lock();
        self.reopen(pod)
    }

    /// Makes sure that a pod was not closed here.
    fn check_open(&self, pod: &PodName) -> Result<(), PodsError> {
        if self.closed.lock().contains_key(pod.as_str()) {
            return Err(PodsError::Closed(pod.to_string()));
        }
        Ok(())
    }

    /// Makes the session forget what it knows of a pod. Whoever calls holds `session`.
    fn reopen(&self, pod: &PodName) -> Result<(), PodsError> {
        if self.opened.lock().contains(pod.as_str()) {
            self.api.pod_close(pod.as_str())?;
        }
        self.open(pod)
    }

    fn open(&self, pod: &PodName) -> Result<(), PodsError> {
        let opened = self.api.pod_open(pod.as_str());
        opened.map_err(|error| of_pod(error, pod))?;
        self.opened.lock().insert(pod.to_string());
        Ok(())
    }

    /// Whether the pod is one's own (`true`) or somebody's that was received.
    fn is_own(&self, pod: &PodName) -> Result<bool, PodsError> {
        let list = self.api.pod_list()?;
        let has = |names: &[String]| names.iter().any(|name| name == pod.as_str());
        if has(&list.pods) {
            Ok(true)
        } else if has(&list.shared_pods) {
            Ok(false)
        } else {
            Err(PodsError::Missing(pod.to_string()))
        }
    }

    fn info(&self, name: &str) -> Result<PodInfo, PodsError> {
        // Asking for the address of a closed pod would open it.
        let closed = self.closed.lock().get(name).cloned();
        let open = closed.is_none();
        let owner = if let Some(address) = closed {
            address
        } else {
            let _session = self.session.lock();
            let address = self.api.pod_stat(name)?.address;
            self.opened.lock().insert(name.to_owned()); // by that question
            address
        };
        Ok(PodInfo {
            name: name.to_owned(),
            open,
            public: false,
            owner: bare(&owner),
            latest: None,
            parent: None,
        })
    }

    /// Makes sure that a name is free.
    fn check_free(&self, name: &PodName) -> Result<(), PodsError> {
        match self.is_own(name) {
            Err(PodsError::Missing(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(PodsError::Exists(name.to_string())),
        }
    }

    /// Forks what `make` forks and makes sure that all of it came; otherwise the fork is removed.
    fn fork_as(
        &self,
        name: &PodName,
        source: &[Entry],
        make: impl FnOnce() -> Result<(), PodsError>,
    ) -> Result<(), PodsError> {
        let made = {
            let _session = self.session.lock();
            make()
        };
        let whole = made.and_then(|()| {
            self.opened.lock().insert(name.to_string());
            let copy = self.walk(&Source::pod(name), &PodPath::root())?;
            let key = |entry: &Entry| (entry.path.clone(), entry.kind, entry.bytes);
            if source.iter().map(key).eq(copy.iter().map(key)) {
                return Ok(());
            }
            let message = format!(
                "it forked {} of {} files and directories",
                copy.len(),
                source.len()
            );
            Err(self.api.contradicts("POST /v1/pod/fork", message))
        });
        whole.inspect_err(|_| {
            // Half a fork would pass for a whole one. What is told is why there is none.
            let _ = self.api.pod_delete(name.as_str());
            self.opened.lock().remove(name.as_str());
        })
    }
}

impl Pods for Fairos {
    fn keeper(&self) -> String {
        self.api.server().to_owned()
    }

    fn create(&self, name: &PodName, public: bool) -> Result<PodInfo, PodsError> {
        if public {
            let hint = "make it private, and share it: its reference key is read by whoever has it";
            return self.unsupported("keep a pod unencrypted", hint);
        }
        {
            let _session = self.session.lock();
            let made = self.api.pod_new(name.as_str());
            made.map_err(|error| of_pod(error, name))?;
        }
        self.opened.lock().insert(name.to_string());
        self.closed.lock().remove(name.as_str());
        self.pod(name)
    }

    fn set_open(&self, name: &PodName, open: bool) -> Result<PodInfo, PodsError> {
        self.is_own(name)?;
        if open {
            self.closed.lock().remove(name.as_str());
            self.refresh(name)?;
        } else if !self.closed.lock().contains_key(name.as_str()) {
            let _session = self.session.lock();
            let address = self.api.pod_stat(name.as_str())?.address;
            self.api.pod_close(name.as_str())?;
            self.opened.lock().remove(name.as_str());
            self.closed.lock().insert(name.to_string(), address);
        }
        self.info(name.as_str())
    }

    fn pods(&self) -> Result<Vec<PodInfo>, PodsError> {
        let PodList { pods, shared_pods } = self.api.pod_list()?;
        let names: BTreeSet<String> = pods.into_iter().chain(shared_pods).collect();
        names.iter().map(|name| self.info(name)).collect()
    }

    fn pod(&self, name: &PodName) -> Result<PodInfo, PodsError> {
        self.is_own(name)?;
        self.info(name.as_str())
    }

    fn remove_pod(&self, name: &PodName) -> Result<(), PodsError> {
        self.is_own(name)?;
        let _session = self.session.lock();
        self.closed.lock().remove(name.as_str());
        self.reopen(name)?; // the server removes what it knows of
        self.api.pod_delete(name.as_str())?;
        self.opened.lock().remove(name.as_str());
        match self.is_own(name) {
            Err(PodsError::Missing(_)) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                let message = format!("the pod `{name}` is still there");
                Err(self.api.contradicts("DELETE /v1/pod/delete", message))
            }
        }
    }

    fn list(&self, from: &Source, path: &PodPath) -> Result<Vec<Entry>, PodsError> {
        self.tree(from)?.list(path)
    }

    fn stat(&self, from: &Source, path: &PodPath) -> Result<Entry, PodsError> {
        self.tree(from)?.stat(path)
    }

    fn walk(&self, from: &Source, path: &PodPath) -> Result<Vec<Entry>, PodsError> {
        self.tree(from)?.walk(path)
    }

    fn read(
        &self,
        from: &Source,
        path: &PodPath,
        range: Option<Range<u64>>,
        out: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<u64, PodsError> {
        self.tree(from)?.read(path, range, out, progress)
    }

    fn edit<'p>(&'p self, pod: &PodName) -> Result<Box<dyn Edit + 'p>, PodsError> {
        self.check_open(pod)?;
        if !self.is_own(pod)? {
            let hint = "fork it, and change the fork";
            return self.unsupported("change a pod that somebody else shares", hint);
        }
        let _session = self.session.lock();
        self.reopen(pod)?;
        Ok(Box::new(Changes::new(self, pod)))
    }

    fn history(&self, _: &PodName) -> Result<Vec<Snapshot>, PodsError> {
        self.unsupported(
            "tell the history of a pod",
            "the embedded store and Bee keep one",
        )
    }

    fn share(&self, pod: &PodName, path: &PodPath) -> Result<String, PodsError> {
        if self.tree(&Source::pod(pod))?.stat(path)?.kind == EntryKind::File {
            let reference = {
                let _session = self.session.lock();
                self.api.file_share(pod.as_str(), path.as_str())?
            };
            return match self.find(&reference)? {
                found if found.name == path.name() => Ok(reference),
                found => {
                    let message = format!("its reference leads to `{}`", found.name.escape_debug());
                    Err(self.api.contradicts("POST /v1/file/share", message))
                }
            };
        }
        if !path.is_root() {
            let hint = "share the pod, a file of it, or a pod with a copy of the directory";
            return self.unsupported("share a directory of a pod", hint);
        }
        if !self.is_own(pod)? {
            let hint = "pass on the reference that it was received by";
            return self.unsupported("share somebody else's pod", hint);
        }
        let reference = self.api.pod_share(pod.as_str())?;
        self.find(&reference)?;
        Ok(reference)
    }

    fn find(&self, reference: &str) -> Result<Found, PodsError> {
        self.found(reference)
    }

    fn fork(&self, from: &Source, name: &PodName) -> Result<PodInfo, PodsError> {
        self.check_free(name)?;
        let source = self.walk(from, &PodPath::root())?;
        let parent = match from {
            Source::Pod { name: pod, .. } => {
                self.fork_as(name, &source, || self.api.pod_fork(pod, name.as_str()))?;
                let owner = self.info(pod)?.owner;
                ForkOf {
                    name: pod.clone(),
                    owner: Some(owner),
                    reference: String::new(),
                }
            }
            Source::Reference(reference) => {
                let found = self.found(reference)?;
                self.fork_as(name, &source, || match found.kind {
                    EntryKind::Directory => self.api.pod_fork_from(reference, name.as_str()),
                    EntryKind::File => {
                        self.api.pod_new(name.as_str())?;
                        let at = self.api.file_receive(reference, name.as_str(), "/")?;
                        // An empty name is how the server says that there is no such file.
                        match at.strip_prefix('/') {
                            Some(file) if file == found.name => Ok(()),
                            _ => {
                                let message = format!("it put the file at `{}`", at.escape_debug());
                                Err(self.api.contradicts("GET /v1/file/receive", message))
                            }
                        }
                    }
                })?;
                ForkOf {
                    name: found.name,
                    owner: found.owner,
                    reference: reference.clone(),
                }
            }
        };
        let mut made = self.info(name.as_str())?;
        made.parent = Some(parent);
        Ok(made)
    }

    fn offer(&self, _: &PodName) -> Result<Offer, PodsError> {
        self.unsupported("carry offers", "share the fork with its author instead")
    }

    fn offers(&self, _: &PodName) -> Result<Vec<Offer>, PodsError> {
        self.unsupported("carry offers", "ask for a share of the fork instead")
    }

    fn settle(&self, _: &PodName, _: &str, _: bool) -> Result<Option<Snapshot>, PodsError> {
        self.unsupported("carry offers", "copy the files that are wanted")
    }

    fn verify(&self, _: &Source, _: &dyn Progress) -> Result<Verified, PodsError> {
        self.unsupported(
            "show the chunks of a pod",
            "copy the pod to the embedded store, which verifies all it reads",
        )
    }

    fn batches(&self) -> Result<Vec<Batch>, PodsError> {
        self.unsupported("list batches", "its operator chose one when it was started")
    }

    fn buy(&self, _: &BuyBatch) -> Result<Bought, PodsError> {
        self.unsupported("buy a batch", "its operator chose one when it was started")
    }

    fn set_pinned(&self, _: &str, _: bool) -> Result<(), PodsError> {
        self.unsupported("pin a reference", "pin it on the Bee that it uses")
    }

    fn pins(&self) -> Result<Vec<String>, PodsError> {
        self.unsupported("list what is pinned", "ask the Bee that it uses")
    }

    fn collect(&self) -> Result<Freed, PodsError> {
        self.unsupported("free anything", "the Bee that it uses does so by itself")
    }
}

/// A refusal that is about a pod, by its name.
fn of_pod(error: PodsError, pod: &PodName) -> PodsError {
    match meaning(&error) {
        Meaning::NoPod => PodsError::Missing(pod.to_string()),
        Meaning::PodExists => PodsError::Exists(pod.to_string()),
        _ => error,
    }
}

/// An address as it is written here: 40 hexadecimal digits.
fn bare(address: &str) -> String {
    let digits = address.strip_prefix("0x").unwrap_or(address);
    digits.to_ascii_lowercase()
}
