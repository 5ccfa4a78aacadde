//! The node's root actor and its children: one per worker's thread, one for the writer's.
//!
//! A thread that ends by a panic is a defect of ours. Its overseer fails, the steward is told by
//! supervision, logs it and closes the doors, so that nobody waits for a worker that is gone.

use std::sync::Arc;
use std::thread::JoinHandle;

use genesis::id::VcId;
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;
use parking_lot::Mutex;
use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::events::{Event, EventKind};
use crate::log::Writer;
use crate::shared::Shared;
use crate::store::StoreError;
use crate::worker::Worker;

/// How the threads of a runtime are called.
pub(crate) const THREAD_NAME: &str = "medium";

/// The owner of a runtime's threads.
#[derive(Debug)]
pub(crate) struct Steward {
    root: ActorRef<()>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Root {
    shared: Arc<Shared>,
}

impl Actor for Root {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(_, why) = event {
            tracing::error!(%why, "a thread of the runtime ended by a panic; the runtime closes");
            self.shared.events.append(&mut vec![Event {
                seq: 0,
                at: self.shared.clock.now(),
                kind: EventKind::Fault,
                vc: VcId::NOBODY,
                data: format!("a thread of the runtime ended by a panic: {why}"),
            }]);
            for port in &self.shared.ports {
                port.close();
            }
        }
        Ok(())
    }
}

/// Watches one thread; fails when the thread does.
struct Overseer;

impl Actor for Overseer {
    type Msg = Result<(), String>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<Self::Msg>,
        ended: Self::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        ended.map_err(ActorProcessingErr::from)?;
        me.stop(None);
        Ok(())
    }
}

impl Steward {
    /// Starts a thread per worker and one for the writer, each with its overseer.
    pub(crate) async fn start(
        shared: &Arc<Shared>,
        writer: Option<Writer>,
    ) -> Result<Self, Refusal> {
        let internal = |error: String| Refusal::new(Code::Internal, error);
        let (root, _) = Actor::spawn(
            None,
            Root {
                shared: Arc::clone(shared),
            },
            (),
        )
        .await
        .map_err(|error| internal(error.to_string()))?;
        let mut threads = Vec::new();
        for index in 0..shared.ports.len() {
            let (overseer, _) = Actor::spawn_linked(None, Overseer, (), root.get_cell())
                .await
                .map_err(|error| internal(error.to_string()))?;
            let shared = Arc::clone(shared);
            #[expect(clippy::cast_possible_truncation, reason = "at most 256 workers")]
            let index = index as u8;
            threads.push(thread(
                &format!("{THREAD_NAME}-worker-{index}"),
                overseer,
                move || {
                    Worker::new(index, shared).run();
                },
            )?);
        }
        let writer = match (shared.log.clone(), writer) {
            (Some(log), Some(writer)) => {
                let (overseer, _) = Actor::spawn_linked(None, Overseer, (), root.get_cell())
                    .await
                    .map_err(|error| internal(error.to_string()))?;
                let shared = Arc::clone(shared);
                Some(thread(
                    &format!("{THREAD_NAME}-writer"),
                    overseer,
                    move || {
                        writer.run(&log, |why| on_health(&shared, why), || on_commit(&shared));
                    },
                )?)
            }
            _ => None,
        };
        Ok(Self {
            root,
            threads: Mutex::new(threads),
            writer: Mutex::new(writer),
        })
    }

    /// Waits for the workers' threads, then lets the writer commit what they left.
    pub(crate) async fn stop(&self, shared: &Arc<Shared>) {
        let workers: Vec<_> = std::mem::take(&mut *self.threads.lock());
        join(workers).await;
        if let Some(log) = &shared.log {
            log.close();
        }
        let writer: Vec<_> = self.writer.lock().take().into_iter().collect();
        join(writer).await;
        self.root.stop(None);
    }
}

async fn join(threads: Vec<JoinHandle<()>>) {
    // The overseers have the outcome; here it only matters that the threads are gone.
    let _ = tokio::task::spawn_blocking(move || {
        for thread in threads {
            let _ = thread.join();
        }
    })
    .await;
}

fn thread(
    name: &str,
    overseer: ActorRef<Result<(), String>>,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Refusal> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let said = outcome.map_err(|payload| {
                let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
                text.or_else(|| payload.downcast_ref::<String>().cloned())
                    .unwrap_or_default()
            });
            // Only at shutdown is nobody there to be told.
            let _ = overseer.cast(said);
        })
        .map_err(|error| Refusal::new(Code::Io, format!("a thread could not be started: {error}")))
}

fn on_health(shared: &Shared, why: Option<&StoreError>) {
    let (kind, data) = match why {
        Some(error) => (EventKind::StoreStalled, error.to_string()),
        None => (EventKind::StoreRecovered, String::new()),
    };
    let at: Time = shared.clock.now();
    shared.events.append(&mut vec![Event {
        seq: 0,
        at,
        kind,
        vc: VcId::NOBODY,
        data,
    }]);
    on_commit(shared);
}

/// Workers with cells that fall asleep or wait for the store look again.
fn on_commit(shared: &Shared) {
    for port in &shared.ports {
        port.nudge_if_waiting();
    }
}
