//! The slow lane: two threads for turns that take long, so that nobody waits for them at their workers.
//!
//! A turn that needs more fuel than one has where others wait, and may take it, is taken here; so are those of
//! who burns all of it again and again. Only the turn itself is elsewhere, as for a VC with an actor of its own; so it cannot be observed.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Turns that are taken here at a time.
const LANES: usize = 2;

type Job = Box<dyn FnOnce() + Send>;

/// What waits for the slow threads. At most one turn of each VC, so it needs no bound of its own.
#[derive(Default)]
pub(crate) struct Lane(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    running: usize,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.0.lock();
        f.debug_struct("Lane")
            .field("waiting", &waiting.jobs.len())
            .field("running", &waiting.running)
            .finish()
    }
}

impl Lane {
    /// Queues a job; gives one that a thread is to be started for, if fewer run than may.
    pub(crate) fn queue(&self, job: Job) -> Option<Job> {
        let mut waiting = self.0.lock();
        if waiting.running == LANES {
            waiting.jobs.push_back(job);
            return None;
        }
        waiting.running += 1;
        Some(job)
    }

    /// Runs a job and all that wait by then, one after the other.
    pub(crate) fn run(&self, first: Job) {
        let mut job = first;
        loop {
            job();
            let mut waiting = self.0.lock();
            let Some(next) = waiting.jobs.pop_front() else {
                waiting.running -= 1;
                return;
            };
            job = next;
        }
    }
}
