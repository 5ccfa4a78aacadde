//! The replies that were given out lately: so that a message's id that somebody was told can be shown.
//!
//! The runtime remembers what the owner sent; what came back it hands over and forgets.

use std::collections::{HashMap, VecDeque};

use genesis::id::MessageId;
use genesis::message::Message;
use parking_lot::Mutex;

/// How many replies are remembered, each of at most 64 KiB and a header: the oldest goes for the next.
pub(super) const REPLIES_MAX: usize = 1_024;

/// A ring of replies.
#[derive(Debug, Default)]
pub(super) struct Replies(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    messages: HashMap<MessageId, Message>,
    order: VecDeque<MessageId>,
}

impl Replies {
    /// Remembers a reply.
    pub(super) fn keep(&self, id: MessageId, message: Message) {
        let mut ring = self.0.lock();
        if ring.messages.insert(id, message).is_some() {
            return; // given out again, to the same question
        }
        ring.order.push_back(id);
        if ring.order.len() > REPLIES_MAX
            && let Some(oldest) = ring.order.pop_front()
        {
            ring.messages.remove(&oldest);
        }
    }

    /// A reply that is remembered.
    pub(super) fn get(&self, id: MessageId) -> Option<Message> {
        self.0.lock().messages.get(&id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use genesis::id::VcId;
    use genesis::message::Header;
    use genesis::time::Time;

    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let replies = Replies::default();
        let mut ids = Vec::new();
        for sequence in 0..=REPLIES_MAX as u64 {
            let header = Header::new(VcId::NOBODY, sequence, VcId::NOBODY, Time::ZERO);
            let message = Message::inline(header, Bytes::new()).unwrap();
            let id = message.id().unwrap();
            replies.keep(id, message.clone());
            replies.keep(id, message);
            ids.push(id);
        }
        assert!(replies.get(ids[0]).is_none());
        assert!(ids[1..].iter().all(|&id| replies.get(id).is_some()));
    }
}
