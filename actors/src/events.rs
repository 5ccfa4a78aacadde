//! What happened, in order: for people who watch and scripts that wait.

use std::collections::VecDeque;

use genesis::id::VcId;
use genesis::limits::EVENTS_MAX;
use genesis::time::Time;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EventKind {
    /// A VC was born.
    Born,
    /// A dormant VC was woken.
    Awake,
    /// A VC went to sleep.
    Dormant,
    /// A VC stopped; data: the reason.
    Stopped,
    /// Nothing is left of a VC.
    Removed,
    /// A VC wrote to its log; data: the text.
    Output,
    /// A turn failed; data: why. The message was set aside.
    Fault,
    /// A VC began again from its birth state; data: how often it did.
    Restarted,
    /// Of a coin in a VC's purse little is left, or the owner gave some; data: which, and how much.
    Purse,
    /// A VC that keeps a journal handled a message; data: from whom, by which channel, how long, what it took, how it
    /// ended. Only while somebody [watches](crate::runtime::Runtime::watch_turns).
    Handled,
    /// A VC's body changed; data: how.
    Reshaped,
    /// A message came back to its sender; data: why.
    Bounced,
    /// A message ended without a reader; data: why.
    Dead,
    /// The store cannot commit; data: why.
    StoreStalled,
    /// The store commits again.
    StoreRecovered,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its number, from 1; resume by it.
    pub seq: u64,
    /// When it happened.
    pub at: Time,
    /// What happened.
    pub kind: EventKind,
    /// To whom, if to somebody.
    #[serde(serialize_with = "as_text")]
    pub vc: VcId,
    /// The rest, as text.
    pub data: String,
}

fn as_text<S: serde::Serializer>(id: &VcId, serializer: S) -> Result<S::Ok, S::Error> {
    if *id == VcId::NOBODY {
        serializer.serialize_none()
    } else {
        serializer.collect_str(id)
    }
}

/// What a reader gets who asks for the events after one it knows.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Events in order.
    pub events: Vec<Event>,
    /// How many between the one asked for and the first of these are no longer kept.
    pub lagged: u64,
}

/// The last events of a runtime: a ring of [`EVENTS_MAX`], the oldest dropped and counted.
#[derive(Debug)]
pub struct Events {
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Event>,
    last: u64,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            ring: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }
}

impl Events {
    /// Adds events that happened at one time, numbering them; leaves `events` empty.
    pub(crate) fn append(&self, events: &mut Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let last = {
            let mut ring = self.ring.lock();
            for mut event in events.drain(..) {
                ring.last += 1;
                event.seq = ring.last;
                if ring.events.len() >= EVENTS_MAX {
                    ring.events.pop_front();
                }
                ring.events.push_back(event);
            }
            ring.last
        };
        self.newest.send_replace(last);
    }

    /// The number of the last event.
    pub fn last(&self) -> u64 {
        self.ring.lock().last
    }

    /// At most `limit` events after number `after`.
    pub fn after(&self, after: u64, limit: usize) -> Page {
        let ring = self.ring.lock();
        let Some(first) = ring.events.front().map(|event| event.seq) else {
            return Page::default();
        };
        let lagged = first.saturating_sub(after.saturating_add(1));
        let skip =
            usize::try_from(after.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
        Page {
            events: ring.events.iter().skip(skip).take(limit).cloned().collect(),
            lagged,
        }
    }

    /// Waits until there is an event after number `after`. Cancel-safe.
    pub async fn wait_after(&self, after: u64) {
        let mut newest = self.newest.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = newest.wait_for(|&last| last > after).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_resumes_by_number_and_learns_what_it_missed() {
        let events = Events::default();
        let event = || Event {
            seq: 0,
            at: Time(7),
            kind: EventKind::Output,
            vc: VcId::NOBODY,
            data: String::new(),
        };
        for _ in 0..EVENTS_MAX + 10 {
            events.append(&mut vec![event()]);
        }
        let page = events.after(0, 3);
        assert_eq!(
            (page.lagged, page.events.len(), page.events[0].seq),
            (10, 3, 11)
        );
        let last = events.last();
        assert_eq!(events.after(last - 1, 9).events.len(), 1);
        assert_eq!(events.after(last, 9).events.len(), 0);
        assert_eq!(events.after(last + 5, 9).events.len(), 0);
    }
}
