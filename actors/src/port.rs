//! A worker's door: what others leave for it, in three lanes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use genesis::limits::INGRESS_MAX;
use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use crate::letter::{Letter, Parcel};
use crate::worker::Worker;

/// Something a worker does for somebody else, between two turns.
pub(crate) type Job = Box<dyn FnOnce(&mut Worker) + Send>;

/// What one worker leaves for another, in order.
pub(crate) enum Item {
    Letter(Box<Letter>),
    Job(Job),
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Letter(letter) => write!(f, "Letter({:?})", letter.to),
            Self::Job(_) => f.write_str("Job"),
        }
    }
}

#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each named where it is used"
)]
struct Lanes {
    /// From the runtime: always taken.
    control: Vec<ControlJob>,
    /// From workers: always taken.
    traffic: Vec<Item>,
    /// From couriers, at most about [`INGRESS_MAX`]: taken while there is room. By value, so that the
    /// sender's thread allocates nothing that the worker's would have to free.
    mail: VecDeque<Parcel>,
    asleep: bool,
    nudged: bool,
    /// Whether the sleeper waits for the store.
    waits: bool,
    closed: bool,
}

struct ControlJob(Job);

impl fmt::Debug for ControlJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

/// A worker's door.
#[derive(Debug, Default)]
pub(crate) struct Port {
    lanes: Mutex<Lanes>,
    /// Whether something waits in the control lane: looked at between two turns, so without the lock.
    called: AtomicBool,
    /// Traffic that was left here and not yet read: looked at by those who leave it, so without the lock.
    unread: AtomicUsize,
    wake: Condvar,
    room: Notify,
}

impl Port {
    /// Leaves a job in the control lane, which is always taken. Whether the worker still lives.
    pub(crate) fn control(&self, job: Job) -> bool {
        let mut lanes = self.lanes.lock();
        if lanes.closed {
            return false;
        }
        lanes.control.push(ControlJob(job));
        self.called.store(true, Ordering::Relaxed);
        self.ring(&mut lanes);
        true
    }

    /// Leaves traffic from another worker: never waits, because two full workers would wait on each
    /// other. What a worker may produce in a slice bounds it.
    pub(crate) fn append(&self, items: &mut Vec<Item>) {
        self.unread.fetch_add(items.len(), Ordering::Relaxed);
        let mut lanes = self.lanes.lock();
        if lanes.traffic.is_empty() {
            std::mem::swap(&mut lanes.traffic, items);
        } else {
            lanes.traffic.append(items);
        }
        self.ring(&mut lanes);
    }

    /// Leaves traffic from outside: waits for room. Cancel-safe before the first item is left.
    pub(crate) async fn admit(&self, parcels: &mut Vec<Parcel>) {
        loop {
            let room = self.room.notified();
            {
                let mut lanes = self.lanes.lock();
                if lanes.mail.len() < INGRESS_MAX || lanes.closed {
                    lanes.mail.extend(parcels.drain(..));
                    self.ring(&mut lanes);
                    return;
                }
            }
            room.await;
        }
    }

    /// Wakes the worker if it sleeps.
    pub(crate) fn nudge(&self) {
        let mut lanes = self.lanes.lock();
        lanes.nudged = true;
        self.ring(&mut lanes);
    }

    /// Wakes the worker if it sleeps for a while only: it waits for the store.
    pub(crate) fn nudge_if_waiting(&self) {
        let mut lanes = self.lanes.lock();
        if lanes.asleep && lanes.waits {
            self.ring(&mut lanes);
        }
    }

    fn ring(&self, lanes: &mut Lanes) {
        if lanes.asleep {
            lanes.asleep = false;
            self.wake.notify_one();
        }
    }

    /// Takes what is there: control always, traffic if the worker has none left, mail if there is `room` and the
    /// worker has none left. Whether the door is still open.
    pub(crate) fn take(
        &self,
        control: &mut Vec<Job>,
        traffic: &mut Vec<Item>,
        mail: &mut VecDeque<Parcel>,
        room: bool,
    ) -> bool {
        let mut lanes = self.lanes.lock();
        self.called.store(false, Ordering::Relaxed);
        control.extend(lanes.control.drain(..).map(|ControlJob(job)| job));
        // Whatever the arena holds: among it are the jobs that let held senders go on. Who leaves it does less
        // while much of it is unread.
        if traffic.is_empty() {
            std::mem::swap(&mut lanes.traffic, traffic);
        }
        if room && mail.is_empty() {
            let was_full = lanes.mail.len() >= INGRESS_MAX;
            std::mem::swap(&mut lanes.mail, mail);
            if was_full {
                self.room.notify_waiters();
            }
        }
        !lanes.closed
    }

    /// Sleeps until something is left here, or for `at_most`.
    /// Without `room`, what waits in the other lanes than control's is no reason to stay awake.
    pub(crate) fn sleep(&self, at_most: Option<Duration>, waits: bool, room: bool) {
        let mut lanes = self.lanes.lock();
        let mail = !lanes.mail.is_empty();
        let called = std::mem::take(&mut lanes.nudged) || lanes.closed;
        if called || !lanes.control.is_empty() || !lanes.traffic.is_empty() || room && mail {
            return;
        }
        lanes.asleep = true;
        lanes.waits = waits;
        match at_most {
            Some(at_most) => drop(self.wake.wait_for(&mut lanes, at_most)),
            None => self.wake.wait(&mut lanes),
        }
        lanes.asleep = false;
        lanes.nudged = false;
    }

    /// Takes nothing more.
    pub(crate) fn close(&self) {
        let mut lanes = self.lanes.lock();
        lanes.closed = true;
        lanes.control.clear();
        lanes.traffic.clear();
        lanes.mail.clear();
        self.room.notify_waiters();
        self.wake.notify_all();
    }

    /// So much traffic was read.
    pub(crate) fn read(&self, items: usize) {
        self.unread.fetch_sub(items, Ordering::Relaxed);
    }

    /// Traffic that was left here and not yet read.
    pub(crate) fn unread(&self) -> usize {
        self.unread.load(Ordering::Relaxed)
    }

    /// Whether something waits in the control lane.
    pub(crate) fn is_called(&self) -> bool {
        self.called.load(Ordering::Relaxed)
    }

    /// How much traffic and mail waits at the door, or was taken and not yet read.
    pub(crate) fn waiting(&self) -> usize {
        self.unread() + self.lanes.lock().mail.len()
    }
}
