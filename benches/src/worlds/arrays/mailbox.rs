//! Mailboxes as runs of one array, filled in two passes: by the high bits of the receiver, then by receiver.
//!
//! Neither pass writes to more places at once than the caches hold. Who gets several letters gets them in the order
//! of their senders.

use super::random::{below, draw, mix};
use crate::worlds::{Mailbox, Outcome, Seen, timed};

/// Receivers whose letters are sorted together.
const BUCKET: usize = 1 << 12;

/// 16 bytes on their way.
#[derive(Clone, Copy, Debug, Default)]
struct Letter {
    to: u32,
    from: u32,
    word: u64,
}

/// Who writes, and what is on its way.
struct Post {
    state: Vec<u64>,
    /// Letters of this step, by bucket of their receivers.
    sent: Vec<Vec<Letter>>,
    /// Letters of one bucket, by receiver.
    inbox: Vec<Letter>,
    /// Where each receiver's letters begin in `inbox`.
    first: Vec<u32>,
}

impl Post {
    fn send(&mut self, kind: &Mailbox, seed: u64, step: u32) {
        for (from, &word) in (0..kind.vcs).zip(&self.state) {
            let mut to = from + below(draw(seed, step, from), kind.reach);
            if to >= kind.vcs {
                to -= kind.vcs;
            }
            self.sent[to as usize / BUCKET].push(Letter { to, from, word });
        }
    }

    fn read(&mut self) -> usize {
        let mut read = 0;
        let first = &mut self.first[..];
        for (sent, states) in self.sent.iter_mut().zip(self.state.chunks_mut(BUCKET)) {
            read += sent.len();
            first.fill(0);
            for letter in &*sent {
                first[letter.to as usize % BUCKET] += 1;
            }
            let mut sum = 0;
            for first in &mut *first {
                sum += std::mem::replace(first, sum);
            }
            self.inbox.resize(sent.len(), Letter::default());
            for letter in sent.drain(..) {
                let first = &mut first[letter.to as usize % BUCKET];
                self.inbox[*first as usize] = letter;
                *first += 1;
            }
            // Each run now ends where the next one began.
            let mut begin = 0;
            for (state, &end) in states.iter_mut().zip(&*first) {
                for letter in &self.inbox[begin..end as usize] {
                    *state = mix(*state ^ letter.word.wrapping_add(letter.from.into()));
                }
                begin = end as usize;
            }
        }
        read
    }
}

/// Lets everyone write to another one in each step.
pub fn run(kind: &Mailbox, seed: u64) -> Outcome {
    let buckets = (kind.vcs as usize).div_ceil(BUCKET);
    let mut post = Post {
        state: (0..kind.vcs).map(|vc| mix(u64::from(vc) + 1)).collect(),
        sent: vec![Vec::new(); buckets],
        inbox: Vec::new(),
        first: vec![0; BUCKET],
    };
    let took = timed(kind.steps, |step| {
        post.send(kind, seed, step);
        (post.read(), post.state.len())
    });
    Outcome {
        took,
        seen: Seen::Read(took.agent_steps),
        hash: post
            .state
            .iter()
            .fold(seed, |hash, &state| hash ^ mix(state)),
    }
}
