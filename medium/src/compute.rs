//! Runs what the VC `compute` has orders for, and tells it what came of them.
//!
//! The clerk is outside of all turns, like a person: it asks the VC for work over the runtime, as the owner, and
//! answers it by a message. It looks when the VC says in its log that there is an order, and when the node
//! starts. What it was running when the node stopped is still an open order then, and is run again: a job is
//! run at least once, and answered exactly once. `order` reads an order and writes an answer, `job` does
//! what is between.

mod job;
mod order;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actors::events::EventKind;
use actors::natives::{Compute as Desk, Finished, Order};
use actors::runtime::Runtime;
use actors::view::Outgoing;
use adapters::compute::{Capture, Compute};
use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::refusal::{Code, Refusal};
use tokio::task::{JoinHandle, JoinSet};

use crate::pod_store::NodePods;
use crate::stop::Stop;

pub use order::{ANSWER_TEXT_BYTES_MAX, POD_BYTES_MAX, POD_ENTRIES_MAX};

/// What the VC is called that has the orders.
pub const NAME: &str = "compute";
/// The native behaviour that has them.
pub(crate) const NATIVE: &str = "compute";
/// Jobs that run at a time; other orders wait in the VC.
pub const JOBS_MAX: usize = 2;
/// How long the VC has for an answer, in milliseconds.
const ASK_MS: u64 = 10_000;
/// How long to wait until an answer that could not be delivered is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How many events are read at a time.
const EVENTS_AT_ONCE: usize = 256;
/// The folder in a data folder where directories of jobs are while they run.
const FOLDER: &str = "compute";

/// An order, by the VC that has it and its number there.
type Key = (VcId, u64);

/// Whoever runs jobs for a node.
#[derive(Debug)]
pub(crate) struct Clerk {
    task: JoinHandle<()>,
    stop: Stop,
}

impl Clerk {
    /// Begins to look for orders.
    pub(crate) fn start(runtime: Runtime, pods: Arc<NodePods>, compute: Arc<dyn Compute>) -> Self {
        let stop = Stop::default();
        let folder = pods.data().join(FOLDER);
        let office = Office {
            desk: Front {
                runtime,
                stop: stop.clone(),
            },
            pods,
            compute,
            folder,
            in_hand: BTreeSet::new(),
            running: JoinSet::new(),
        };
        let task = tokio::spawn(office.serve());
        Self { task, stop }
    }

    /// Stops what runs, whose orders stay open, and waits until nothing does.
    pub(crate) async fn stop(self) {
        self.stop.give();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "who runs jobs had failed");
        }
    }
}

/// How the VC is reached.
#[derive(Clone)]
struct Front {
    runtime: Runtime,
    stop: Stop,
}

struct Office {
    desk: Front,
    pods: Arc<NodePods>,
    compute: Arc<dyn Compute>,
    folder: PathBuf,
    /// Orders that are being run, and those whose answers nobody takes.
    in_hand: BTreeSet<Key>,
    running: JoinSet<Option<Key>>,
}

impl Office {
    async fn serve(mut self) {
        // What an earlier run left behind when it was killed.
        let left = self.folder.clone();
        let _ = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(left)).await;
        let mut seen = self.desk.runtime.events().last();
        let mut is_due = true;
        while !self.desk.stop.is_given() {
            if is_due && self.running.len() < JOBS_MAX {
                is_due = false;
                self.take_up().await;
            }
            tokio::select! {
                biased;
                () = self.desk.stop.given() => {}
                Some(ended) = self.running.join_next(), if !self.running.is_empty() => {
                    if let Ok(Some(key)) = ended {
                        self.in_hand.remove(&key);
                    }
                    is_due = true;
                }
                () = self.desk.runtime.events().wait_after(seen) => {
                    let page = self.desk.runtime.events().after(seen, EVENTS_AT_ONCE);
                    let mut events = page.events.iter();
                    is_due |= page.lagged > 0
                        || events.any(|event| {
                            event.kind == EventKind::Output && event.data.starts_with(Desk::ORDERED)
                        });
                    seen = page.events.last().map_or(seen + page.lagged, |event| event.seq);
                }
            }
        }
        while self.running.join_next().await.is_some() {}
    }

    /// Asks for work, and begins as much of it as there is room for.
    async fn take_up(&mut self) {
        // Where there is no such VC, nobody may order anything.
        let Ok(vc) = self.desk.runtime.resolve(NAME).await else {
            return;
        };
        let said = match self.desk.say(vc, Desk::NEXT, Vec::new()).await {
            Ok(said) => said,
            Err(refusal) => {
                tracing::warn!(%refusal, "the VC `compute` does not say what there is to do");
                return;
            }
        };
        let work = match Desk::work(&said) {
            Ok(work) => work,
            Err(error) => {
                tracing::warn!(%error, "the VC `compute` is not one that has orders");
                return;
            }
        };
        for order in work.orders {
            let key = (vc, order.number);
            if self.running.len() >= JOBS_MAX {
                return;
            }
            if self.in_hand.insert(key) {
                self.begin(key, order, work.allowed.clone());
            }
        }
    }

    fn begin(&mut self, key: Key, order: Order, allowed: Vec<String>) {
        let job = job::Job {
            key,
            allowed,
            text: order.text,
            folder: self.folder.join(order.number.to_string()),
            pods: self.pods.clone(),
            compute: self.compute.clone(),
        };
        let desk = self.desk.clone();
        tracing::info!(number = order.number, from = %order.from, "a job begins");
        self.running.spawn(async move {
            let answer = desk.run(job).await?;
            desk.deliver(key, answer).await.then_some(key)
        });
    }
}

impl Front {
    /// Runs a job to its end; no answer if it was stopped with the node.
    async fn run(&self, job: job::Job) -> Option<String> {
        let capture = Arc::new(Capture::new(ANSWER_TEXT_BYTES_MAX));
        let taking = capture.clone();
        let mut running = tokio::task::spawn_blocking(move || job.run(&taking));
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = self.stop.given() => {
                capture.stop();
                let _ = running.await;
                return None;
            }
        };
        // A job that brought its thread down is answered like any that could not be run.
        Some(ended.unwrap_or_else(|error| {
            order::refused(&Refusal::new(Code::Internal, error.to_string()))
        }))
    }

    /// Brings an answer to the VC until it has it; says whether it has.
    async fn deliver(&self, (vc, number): Key, answer: String) -> bool {
        let Ok(done) = Desk::done(&Finished { number, answer }) else {
            return false; // answers are bounded, and fit
        };
        loop {
            match self.say(vc, Desk::DONE, done.clone()).await {
                Ok(_) => return true,
                Err(refusal)
                    if matches!(refusal.code, Code::Busy | Code::DiskFull | Code::Timeout) =>
                {
                    tracing::warn!(%refusal, number, "an answer waits");
                    tokio::select! {
                        () = tokio::time::sleep(RETRY) => {}
                        () = self.stop.given() => return false,
                    }
                }
                Err(refusal) => {
                    tracing::warn!(%refusal, number, "nobody takes an answer");
                    return false;
                }
            }
        }
    }

    /// Says something to the VC, as its owner, and waits for what it replies.
    async fn say(&self, vc: VcId, channel: Channel, contents: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let mut outgoing = Outgoing::new(vc, contents);
        outgoing.channel = channel;
        let answer = self.runtime.ask(outgoing, ASK_MS).await?;
        let Some(reply) = answer.reply else {
            let what = format!("no answer within {ASK_MS} ms");
            return Err(Refusal::new(Code::Timeout, what).who(vc));
        };
        match reply.refusal() {
            Some(refusal) => Err(refusal),
            None => Ok(reply.contents.to_vec()),
        }
    }
}
