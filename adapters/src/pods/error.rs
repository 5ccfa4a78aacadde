//! Why something could not be done with pods.

use genesis::refusal::{Code, Refusal};

use crate::swarm::SwarmError;

/// Why something could not be done with pods.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PodsError {
    /// A name is not one.
    #[error("`{}` cannot be the name of {what}: {why}", text.escape_debug())]
    Name {
        /// Of what.
        what: &'static str,
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// A path is not one.
    #[error("`{}` is no path in a pod: {why}", text.escape_debug())]
    Path {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such pod.
    #[error("there is no pod `{0}`")]
    Missing(String),
    /// The pod is closed.
    #[error("the pod `{0}` is closed")]
    Closed(String),
    /// There is one already.
    #[error("there is a pod `{0}` already")]
    Exists(String),
    /// Nothing is at the path.
    #[error("`{from}` has no `{path}`")]
    NoSuchPath {
        /// The pod or reference.
        from: String,
        /// The path.
        path: String,
    },
    /// Something is at the path already.
    #[error("`{0}` is there already")]
    PathExists(String),
    /// What is at the path is a directory.
    #[error("`{0}` is a directory")]
    NotAFile(String),
    /// What is at the path is a file.
    #[error("`{0}` is a file, not a directory")]
    NotADirectory(String),
    /// The directory has something in it.
    #[error("`{path}` is not empty: {entries} entries are in it")]
    NotEmpty {
        /// The directory.
        path: String,
        /// How many.
        entries: usize,
    },
    /// A reference leads nowhere.
    #[error("`{text}` leads nowhere: {why}")]
    Reference {
        /// What was given; a key that opens nothing is no secret.
        text: String,
        /// Why.
        why: String,
    },
    /// A batch of stamps does not allow it.
    #[error("batch {id}: {why}")]
    Batch {
        /// The batch, or what was given.
        id: String,
        /// Why: expired, full, not there.
        why: String,
    },
    /// The wallet cannot pay.
    #[error("the wallet `{wallet}` has {has} motes; {needs} are needed")]
    Funds {
        /// Whose.
        wallet: String,
        /// What it has.
        has: i128,
        /// What is needed.
        needs: u64,
    },
    /// Both sides changed the same.
    #[error("the pod changed {paths:?} since it was forked")]
    Conflict {
        /// What.
        paths: Vec<String>,
    },
    /// An offer is not what it says, or not for this pod.
    #[error("the offer `{id}`: {why}")]
    Offer {
        /// Which.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// The keeper cannot do that.
    #[error("{keeper} cannot {what}")]
    Unsupported {
        /// Who.
        keeper: String,
        /// What.
        what: String,
        /// What can be done instead.
        hint: String,
    },
    /// It was stopped.
    #[error("stopped after {bytes} bytes")]
    Stopped {
        /// How far it got.
        bytes: u64,
    },
    /// The formats of Swarm say no.
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    /// A file says no.
    #[error("{what}: {error}")]
    Io {
        /// What was done to which file.
        what: String,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// Another server said no.
    #[error("{server} answered {status} to {what}: {message}")]
    Server {
        /// Which.
        server: String,
        /// What was asked of it.
        what: String,
        /// Its status.
        status: u16,
        /// What it said.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// Another process has the store open.
    #[error("the pods are in use: {what}")]
    InUse {
        /// The folder and, if it is known, the process that has it.
        what: String,
    },
    /// A server could not be reached, or it broke off.
    #[error("{server} cannot be reached: {why}")]
    Unreachable {
        /// Which.
        server: String,
        /// Why.
        why: String,
    },
    /// What is kept is damaged.
    #[error("what is kept is damaged: {0}")]
    Damaged(String),
    /// A node said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl PodsError {
    /// Whether it says that there is no such pod, path or reference; and not that nobody could be asked. It is the
    /// same whether it was said here or by a node.
    pub fn is_unknown(&self) -> bool {
        self.code() == Code::Unknown
    }

    /// The name of this kind of refusal.
    pub fn code(&self) -> Code {
        match self {
            Self::Name { .. }
            | Self::Path { .. }
            | Self::NotAFile(_)
            | Self::NotADirectory(_)
            | Self::Offer { .. }
            | Self::Unsupported { .. } => Code::Malformed,
            Self::Missing(_) | Self::NoSuchPath { .. } | Self::Reference { .. } => Code::Unknown,
            Self::Closed(_)
            | Self::Exists(_)
            | Self::PathExists(_)
            | Self::NotEmpty { .. }
            | Self::Conflict { .. }
            | Self::InUse { .. } => Code::Conflict,
            Self::Batch { .. } | Self::Funds { .. } => Code::Postage,
            Self::Stopped { .. } => Code::Cancelled,
            Self::Server { .. } | Self::Unreachable { .. } => Code::Unreachable,
            Self::Swarm(SwarmError::Store(fault)) if fault.is_elsewhere => Code::Unreachable,
            Self::Swarm(SwarmError::Store(_)) => Code::Io,
            Self::Swarm(_) | Self::Damaged(_) => Code::Corrupt,
            Self::Io { error, .. } if error.kind() == std::io::ErrorKind::StorageFull => {
                Code::DiskFull
            }
            Self::Io { .. } => Code::Io,
            Self::Refused(refusal) => refusal.code,
        }
    }

    /// The way out.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing(_) => Some("`medium pod ls` lists the pods of a wallet".to_owned()),
            Self::InUse { .. } => {
                Some("ask the node that has them, or wait until that process ends".to_owned())
            }
            Self::Closed(name) => Some(format!("`medium pod open {name}` opens it")),
            Self::Batch { .. } => Some(
                "`medium pod stamp ls` lists the wallet's batches, `medium pod stamp buy` buys one"
                    .to_owned(),
            ),
            Self::Exists(name) => Some(format!(
                "choose another name, or `medium pod remove {name}` first"
            )),
            Self::NoSuchPath { from, .. } => Some(format!(
                "`medium pod ls {from} --recursive` lists what is there"
            )),
            Self::PathExists(_) => Some("name another path, or remove what is there".to_owned()),
            Self::Name { .. } => Some("a name has 1 to 64 bytes, no `/` and no `:`".to_owned()),
            Self::Path { .. } => {
                Some("a path is made of plain names with `/` between: `/a/b.txt`".to_owned())
            }
            Self::NotAFile(_) => Some("name a file in it".to_owned()),
            Self::NotADirectory(_) => Some("name a directory".to_owned()),
            Self::NotEmpty { .. } => Some("`-r` removes it with all that is in it".to_owned()),
            Self::Reference { .. } => Some(
                "check it digit by digit, and that whoever shared it still keeps it".to_owned(),
            ),
            Self::Funds { .. } => Some("buy a smaller batch, or for a shorter time".to_owned()),
            Self::Conflict { .. } => {
                Some("nothing was changed: begin again from the pod as it is now".to_owned())
            }
            Self::Offer { .. } => Some("ask its author for it again".to_owned()),
            Self::Unsupported { hint, .. } | Self::Server { hint, .. } => Some(hint.clone()),
            Self::Unreachable { .. } => Some("check the address, and that it runs".to_owned()),
            Self::Swarm(SwarmError::Store(fault)) => fault
                .is_elsewhere
                .then(|| "check the address, that it runs, and try again".to_owned()),
            Self::Swarm(_) | Self::Damaged(_) => Some(
                "`medium pod verify` says what is damaged; what is put again is whole".to_owned(),
            ),
            Self::Io { .. } | Self::Stopped { .. } | Self::Refused(_) => None,
        }
    }

    /// The same as every other part of the medium says it.
    pub fn refusal(&self) -> Refusal {
        if let Self::Refused(refusal) = self {
            return refusal.clone();
        }
        let refusal = Refusal::new(self.code(), self.to_string());
        match self.hint() {
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    }
}
