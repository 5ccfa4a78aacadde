//! The whole runtime as a value: start it, talk to it, shut it down. Many fit into one process.

mod beds;
mod births;
mod contents;
mod lives;
mod looking;
mod messages;
mod outside;
mod replay;
mod reshaping;
mod start;
mod steer;
mod trace;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use genesis::id::{MessageId, VcId};
use genesis::limits::NAME_BYTES_MAX;
use genesis::refusal::{Code, Refusal};
use genesis::seal::NodeSecret;
use genesis::time::Time;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::beds::Dormitory;
use crate::behaviour::Natives;
use crate::clock::Clock;
use crate::contents::ContentsStore;
use crate::letter::Letter;
use crate::natives::natives;
use crate::outside::Outside;
use crate::sandbox::Sandbox;
use crate::shared::Shared;
use crate::steward::Steward;
use crate::store::{Store, StoreError};
use crate::worker::Worker;

pub use looking::TurnWatch;
pub use messages::Courier;
pub use steer::TOP_MS_MAX;

/// How long a change of a body may take to be acknowledged, in milliseconds.
const RESHAPE_MS: u64 = 10_000;
/// How often expired idempotency keys are swept out.
const SWEEP: Duration = Duration::from_mins(10);
/// Births of roots that belong to the node itself: owner, scavenger, indexer.
const RESERVED_BIRTHS: u64 = 16;

/// What a runtime is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads that turn cells; 0 for one per core.
    pub workers: usize,
    /// The seed of all randomness.
    pub seed: u64,
    /// One worker, seeded order, virtual time (give it a [`VirtualClock`](crate::clock::VirtualClock)).
    pub deterministic: bool,
    /// From which the node's ids and keys are derived.
    pub secret: NodeSecret,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// The native behaviours it knows.
    pub natives: Natives,
    /// What survives it; without a store everything is volatile and nothing sleeps.
    pub store: Option<Arc<dyn Store>>,
    /// What runs code that is not trusted; without one no VC has WebAssembly parts.
    pub sandbox: Option<Arc<dyn Sandbox>>,
    /// Where contents by reference are; without it there are none.
    pub contents: Option<Arc<dyn ContentsStore>>,
    /// Who fetches VCs that sleep in pods; without it there are none.
    pub dormitory: Option<Arc<dyn Dormitory>>,
    /// Who listens outside; without it nobody does, and what is said there is lost with a line in the log.
    pub outside: Option<Arc<dyn Outside>>,
    /// Over this many bytes of VCs and mail, idle VCs go to sleep.
    pub memory_bytes_max: usize,
    /// Whether every VC keeps the chain of its trace; always so if `deterministic`.
    pub trace: bool,
}

impl Config {
    /// A runtime with every native behaviour and no store.
    pub fn new(secret: NodeSecret, clock: Arc<dyn Clock>) -> Self {
        Self {
            workers: 0,
            seed: 0,
            deterministic: false,
            secret,
            clock,
            natives: natives(),
            store: None,
            sandbox: None,
            contents: None,
            dormitory: None,
            outside: None,
            memory_bytes_max: 1 << 30,
            trace: false,
        }
    }
}

/// A running runtime; clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Runtime {
    shared: Arc<Shared>,
    steward: Arc<Steward>,
    /// The next root's birth index.
    births: Arc<AtomicU64>,
    node_key: [u8; 32],
}

/// What is kept of a message that came with an idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub(crate) expires_at: Time,
    pub(crate) sequence: u64,
    pub(crate) message: MessageId,
    pub(crate) reply: Option<Box<Letter>>,
}

pub(crate) const KEY_VERSION: u8 = 1;

impl Runtime {
    /// Has something done by the worker of a VC.
    async fn on<T: Send + 'static>(
        &self,
        id: VcId,
        job: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        self.on_worker(self.shared.worker_of(id), job).await
    }

    async fn on_worker<T: Send + 'static>(
        &self,
        worker: usize,
        job: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (sender, receiver) = oneshot::channel();
        self.shared.ports[worker].control(Box::new(move |worker| {
            let _ = sender.send(job(worker));
        }));
        receiver.await.map_err(|_| gone())
    }

    /// Has something done by every worker with its own VCs, by all at the same time.
    async fn on_each<T: Send + 'static>(
        &self,
        by_worker: &[Arc<[VcId]>],
        job: impl Fn(&mut Worker, &[VcId]) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, Refusal> {
        let mut pending = Vec::with_capacity(by_worker.len());
        for (port, ids) in self.shared.ports.iter().zip(by_worker) {
            let (sender, receiver) = oneshot::channel();
            let (ids, job) = (Arc::clone(ids), job.clone());
            port.control(Box::new(move |worker| {
                // Nobody waits any more: then nobody needs to know.
                let _ = sender.send(job(worker, &ids));
            }));
            pending.push(receiver);
        }
        let mut done = Vec::with_capacity(pending.len());
        for receiver in pending {
            done.push(receiver.await.map_err(|_| gone())?);
        }
        Ok(done)
    }

    /// The same, and waits until what was done is on disk, if it is to be.
    async fn settled_on<T: Send + 'static>(
        &self,
        id: VcId,
        job: impl FnOnce(&mut Worker) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (sender, receiver) = oneshot::channel();
        self.shared.at(id).control(Box::new(move |worker| {
            let outcome = job(worker);
            worker.after_slice(move |slice| {
                let _ = sender.send((outcome, slice));
            });
        }));
        let (outcome, slice) = receiver.await.map_err(|_| gone())?;
        let outcome = outcome?;
        if let (Some(log), true) = (&self.shared.log, slice > 0) {
            log.settled(slice).await?;
        }
        Ok(outcome)
    }

    fn check_health(&self, durable: bool) -> Result<(), Refusal> {
        if durable { self.health() } else { Ok(()) }
    }

    fn claim(&self, name: Option<&str>, id: VcId) -> Result<Option<String>, Refusal> {
        let Some(name) = name else { return Ok(None) };
        let first = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let valid = name.as_bytes().first().is_some_and(first)
            && name.len() <= NAME_BYTES_MAX
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !valid {
            let shown: String = name.chars().take(NAME_BYTES_MAX).collect();
            return Err(
                Refusal::new(Code::Malformed, format!("`{shown}` cannot be a name")).hint(format!(
                    "a name has 1 to {NAME_BYTES_MAX} letters, digits, - _ or . and begins with neither - nor ."
                )),
            );
        }
        match self.shared.names.entry(name.to_owned()) {
            dashmap::Entry::Occupied(taken) => Err(Refusal::new(
                Code::Conflict,
                format!("the name `{name}` is taken by {}", taken.get()),
            )
            .who(taken.get())
            .hint("give another with --name, or remove that one")),
            dashmap::Entry::Vacant(free) => {
                free.insert(id);
                Ok(Some(name.to_owned()))
            }
        }
    }

    fn release_on_error(
        &self,
        name: Option<String>,
        id: VcId,
        outcome: Result<VcId, Refusal>,
    ) -> Result<VcId, Refusal> {
        if outcome.is_err()
            && let Some(name) = name
        {
            self.shared.names.remove_if(&name, |_, owner| *owner == id);
        }
        outcome
    }
}

fn gone() -> Refusal {
    Refusal::new(Code::Unreachable, "the runtime is shutting down")
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn from_store(error: StoreError) -> Refusal {
    let code = match error {
        StoreError::Full { .. } => Code::DiskFull,
        StoreError::Corrupt { .. } => Code::Corrupt,
        StoreError::InUse { .. } => Code::Conflict,
        StoreError::Version { .. } => Code::Malformed,
        StoreError::Io { .. } => Code::Io,
    };
    Refusal::new(code, error.to_string())
}
