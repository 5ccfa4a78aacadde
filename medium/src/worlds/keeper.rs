//! The thread of a world: ticks, and between two of them what others ask for.
//!
//! Others leave jobs in a queue; a full queue refuses. A job runs between two ticks, on the world's own thread, so
//! nothing is ever done to a world that is in the middle of a tick, and no worker of the node waits for one.

use std::sync::Arc;
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::thread::JoinHandle;
use std::time::Duration;

use genesis::refusal::{Code, Refusal};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::folder::Mark;
use super::held::{Held, Pace};

/// Jobs that wait for a world at one time: refuse with `busy`.
pub const JOBS_MAX: usize = 64;
/// Jobs that run between two ticks of a world that goes: others wait for one tick more.
const JOBS_A_TICK: usize = JOBS_MAX;
/// Longest sleep of a world that waits for its next tick, in milliseconds.
const WAIT_MS_MAX: u64 = 60_000;

type Job = Box<dyn FnOnce(Result<&mut Held, &Refusal>) + Send>;

/// Where a world is, for those who wait for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// How many ticks are over.
    pub tick: u64,
    /// Whether it goes.
    pub going: bool,
    /// Its last checkpoint.
    pub saved: Option<Mark>,
}

/// A world's thread, as others hold it.
#[derive(Debug)]
pub struct Keeper {
    jobs: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    place: watch::Receiver<Place>,
}

impl Keeper {
    /// Starts the thread of a world, which `open` makes or brings back there.
    ///
    /// # Errors
    /// [`Code::Io`] if the system has no thread to give.
    pub fn start(
        label: &str,
        open: impl FnOnce() -> Result<Held, Refusal> + Send + 'static,
    ) -> Result<Arc<Self>, Refusal> {
        let (jobs, queue) = sync_channel(JOBS_MAX);
        let (tell, place) = watch::channel(Place::default());
        let thread = std::thread::Builder::new()
            .name(format!("world {label}"))
            .spawn(move || match open() {
                Ok(held) => keep(held, &queue, &tell),
                Err(refusal) => {
                    tracing::error!(%refusal, "a world cannot be gone on with");
                    while let Ok(job) = queue.recv() {
                        job(Err(&refusal));
                    }
                }
            })
            .map_err(|error| Refusal::new(Code::Io, format!("no thread for a world: {error}")))?;
        Ok(Arc::new(Self {
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
            place,
        }))
    }

    /// Has something done between two ticks, and waits for it.
    ///
    /// # Errors
    /// [`Code::Busy`] if too many wait, [`Code::Stopped`] if the world was stopped; else what is done says.
    pub async fn ask<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Held) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |held| {
            let said = held.map_err(Clone::clone).and_then(what);
            // Whoever asked may have gone away; it is done all the same.
            let _ = answer.send(said);
        });
        let queue = self.jobs.lock().clone();
        let Some(queue) = queue else {
            return Err(stopped());
        };
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => {
                let what = format!("{JOBS_MAX} others wait for this world");
                Refusal::new(Code::Busy, what).hint("try again after its next tick")
            }
            TrySendError::Disconnected(_) => stopped(),
        })?;
        drop(queue);
        answered.await.map_err(|_| stopped())?
    }

    /// Where it is, as others are told after each tick.
    pub fn place(&self) -> watch::Receiver<Place> {
        self.place.clone()
    }

    /// Ends the thread between two ticks; the world is saved. Blocks until then.
    pub fn end(&self) {
        self.jobs.lock().take();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of a world panicked");
        }
    }
}

fn stopped() -> Refusal {
    Refusal::new(Code::Stopped, "this world was stopped")
}

fn place(held: &Held) -> Place {
    Place {
        tick: held.live.now(),
        going: held.broken.is_none() && held.pace != Pace::Resting,
        saved: Some(held.saved()),
    }
}

/// The life of a world: until nobody holds it any more.
fn keep(mut held: Held, queue: &Receiver<Job>, tell: &watch::Sender<Place>) {
    tell.send_replace(place(&held));
    loop {
        for _ in 0..JOBS_A_TICK {
            let next = match held.due_ms() {
                Some(0) => queue.try_recv(),
                Some(wait) => {
                    let wait = Duration::from_millis(wait.min(WAIT_MS_MAX));
                    queue.recv_timeout(wait).map_err(|error| match error {
                        RecvTimeoutError::Timeout => TryRecvError::Empty,
                        RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
                    })
                }
                None => queue.recv().map_err(|_| TryRecvError::Disconnected),
            };
            match next {
                Ok(job) => {
                    job(Ok(&mut held));
                    tell.send_replace(place(&held));
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    if held.broken.is_none()
                        && let Err(refusal) = held.save()
                    {
                        tracing::warn!(%refusal, "a world could not be saved at its end");
                    }
                    tell.send_replace(place(&held));
                    return;
                }
            }
        }
        if held.due_ms() == Some(0) {
            held.tick();
            tell.send_replace(place(&held));
        }
    }
}
