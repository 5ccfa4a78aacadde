//! Mailboxes: first in, first out, all of a worker's in one arena.

use crate::letter::Letter;

const NIL: u32 = u32::MAX;

/// The queue of one cell: a list through the arena, with its bound's two counters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mailbox {
    head: u32,
    tail: u32,
    len: u32,
    bytes: u32,
}

impl Mailbox {
    pub(crate) const EMPTY: Self = Self {
        head: NIL,
        tail: NIL,
        len: 0,
        bytes: 0,
    };

    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    pub(crate) const fn bytes(&self) -> u32 {
        self.bytes
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[derive(Debug)]
struct Node {
    letter: Option<Box<Letter>>,
    next: u32,
}

/// The messages of all mailboxes of a worker.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    nodes: Vec<Node>,
    free: Option<u32>,
    len: usize,
    bytes: usize,
}

impl Arena {
    /// How many messages wait in all.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// What they weigh: their contents and the letters themselves.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes + self.len * size_of::<Letter>()
    }

    pub(crate) fn push(&mut self, mailbox: &mut Mailbox, letter: Box<Letter>) {
        let weight = letter.weight();
        let node = Node {
            letter: Some(letter),
            next: NIL,
        };
        let at = if let Some(at) = self.free {
            let slot = &mut self.nodes[at as usize];
            self.free = (slot.next != NIL).then_some(slot.next);
            *slot = node;
            at
        } else {
            self.nodes.push(node);
            u32::try_from(self.nodes.len() - 1).expect("an arena's bytes are bounded far below")
        };
        if mailbox.head == NIL {
            mailbox.head = at;
        } else {
            self.nodes[mailbox.tail as usize].next = at;
        }
        mailbox.tail = at;
        mailbox.len += 1;
        mailbox.bytes = mailbox.bytes.saturating_add(weight);
        self.len += 1;
        self.bytes += weight as usize;
    }

    /// The letter that comes next.
    pub(crate) fn peek(&self, mailbox: &Mailbox) -> Option<&Letter> {
        self.nodes.get(mailbox.head as usize)?.letter.as_deref()
    }

    /// The letters that wait, in their order.
    pub(crate) fn iter(&self, mailbox: &Mailbox) -> impl Iterator<Item = &Letter> {
        let mut at = mailbox.head;
        std::iter::from_fn(move || {
            let node = self.nodes.get(at as usize)?;
            at = node.next;
            node.letter.as_deref()
        })
    }

    pub(crate) fn pop(&mut self, mailbox: &mut Mailbox) -> Option<Box<Letter>> {
        let at = mailbox.head;
        let node = self.nodes.get_mut(at as usize)?;
        let letter = node.letter.take()?;
        mailbox.head = node.next;
        node.next = self.free.unwrap_or(NIL);
        self.free = Some(at);
        if mailbox.head == NIL {
            mailbox.tail = NIL;
        }
        let weight = letter.weight();
        mailbox.len -= 1;
        mailbox.bytes = mailbox.bytes.saturating_sub(weight);
        self.len -= 1;
        self.bytes -= weight as usize;
        Some(letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genesis::id::VcId;
    use genesis::time::Time;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn many_mailboxes_in_one_arena_behave_like_many_queues(
            script in proptest::collection::vec((0..4_usize, any::<Option<u8>>()), 0..400)
        ) {
            let mut arena = Arena::default();
            let mut mailboxes = [Mailbox::EMPTY; 4];
            let mut model: [VecDeque<u8>; 4] = Default::default();
            for (n, step) in script {
                if let Some(value) = step {
                    let contents = vec![value; usize::from(value)];
                    let letter = Letter::new(VcId::NOBODY, 1, VcId::NOBODY, contents, Time(0));
                    arena.push(&mut mailboxes[n], Box::new(letter));
                    model[n].push_back(value);
                } else {
                    let got = arena.pop(&mut mailboxes[n]).map(|letter| letter.contents.len());
                    prop_assert_eq!(got, model[n].pop_front().map(usize::from));
                }
                prop_assert_eq!(mailboxes[n].len() as usize, model[n].len());
                let bytes: u32 = model[n].iter().map(|&v| u32::from(v)).sum();
                prop_assert_eq!(mailboxes[n].bytes(), bytes);
                prop_assert_eq!(arena.len(), model.iter().map(VecDeque::len).sum::<usize>());
            }
        }
    }
}
