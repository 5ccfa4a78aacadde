//! The collector: marks by reversing pointers, then slides what lives towards the start.
//!
//! It needs no stack, and above the heap one bit for each pair of words and as much again for sums;
//! it touches nothing outside of the part of the slab that is in use, and leaves zeros where it
//! cleared. Sliding keeps the order of objects, so a heap that has settled stays where it is.

use crate::heap::{BUCKETS, BUCKETS_AT, FIRST, Lisp};
use crate::value::{V, kind};

/// What a reversed pointer says of the slot that it came from.
mod link {
    /// Bits that hold the slot's word.
    pub(super) const SLOT: u32 = (1 << 22) - 1;
    /// The slot is the cdr of a pair, whose car comes next.
    pub(super) const CDR: u32 = 1 << 24;
    /// The slot is the car of a pair, which is done then.
    pub(super) const CAR: u32 = 2 << 24;
    /// The slot is the value of a symbol, which is done then.
    pub(super) const SYMBOL: u32 = 3 << 24;
    /// Bits that hold which of these; zero: a field, whose next lower word comes next.
    pub(super) const OWNER: u32 = 3 << 24;
}

/// The heap's words and the collector's tables above them.
struct Tables<'a> {
    words: &'a mut [u32],
    /// Where the bits begin.
    bits: usize,
    /// Where the sums begin.
    sums: usize,
}

impl Tables<'_> {
    fn is_marked(&self, word: usize) -> bool {
        self.words[self.bits + word / 64] & (1 << (word / 2 % 32)) != 0
    }

    fn mark_words(&mut self, word: usize, size: usize) {
        for pair in word / 2..word / 2 + size / 2 {
            self.words[self.bits + pair / 32] |= 1 << (pair % 32);
        }
    }

    fn size_at(&self, word: usize) -> usize {
        let first = V(self.words[word]);
        if first.is_header() { first.size() } else { 2 }
    }

    /// The slot of an object that is to be followed first, with what it says; none if it has none.
    fn first_slot(&self, value: V) -> Option<u32> {
        let word = value.word();
        if value.is_pair() {
            return Some((word + 1) as u32 | link::CDR);
        }
        let header = V(self.words[word]);
        match header.kind() {
            kind::STRING.. => None,
            kind::SYMBOL => Some((word + 2) as u32 | link::SYMBOL),
            _ if header.payload() == 0 => None,
            _ => Some(word as u32 + header.payload()),
        }
    }

    /// Marks everything that can be reached from a value.
    fn mark(&mut self, root: V) {
        let mut current = root;
        let mut back = 0_u32;
        loop {
            // Down: into `current`, if there is anything to follow.
            if current.is_reference() && !self.is_marked(current.word()) {
                let word = current.word();
                let size = if current.is_pair() {
                    2
                } else {
                    self.size_at(word)
                };
                self.mark_words(word, size);
                if let Some(slot) = self.first_slot(current) {
                    (current, back) = self.descend(slot, back);
                    continue;
                }
            }
            // Up: `current` is done; put it back into its slot and go on with the next one.
            loop {
                if back == 0 {
                    return;
                }
                let slot = (back & link::SLOT) as usize;
                let earlier = self.words[slot];
                self.words[slot] = current.0;
                let done = match back & link::OWNER {
                    link::CDR => {
                        (current, back) = self.descend((slot - 1) as u32 | link::CAR, earlier);
                        break;
                    }
                    link::CAR => V::pair(slot),
                    link::SYMBOL => V::object(slot - 2),
                    _ if V(self.words[slot - 1]).is_header() => V::object(slot - 1),
                    _ => {
                        (current, back) = self.descend((slot - 1) as u32, earlier);
                        break;
                    }
                };
                current = V(done.0 | (earlier & V::GLOBAL));
                back = earlier;
            }
        }
    }

    /// Leaves `back` in a slot; answers what was in it, and the way back to it.
    fn descend(&mut self, slot: u32, back: u32) -> (V, u32) {
        let word = (slot & link::SLOT) as usize;
        let child = self.words[word];
        self.words[word] = back;
        (V(child), slot | (child & V::GLOBAL))
    }

    fn sum_up(&mut self, top: usize) {
        let mut pairs = (FIRST / 2) as u32;
        for i in 0..top.div_ceil(64) {
            self.words[self.sums + i] = pairs;
            pairs += self.words[self.bits + i].count_ones();
        }
    }

    /// Where a marked word will lie.
    fn moved(&self, word: usize) -> usize {
        let pair = word / 2;
        let below = self.words[self.bits + pair / 32] & ((1 << (pair % 32)) - 1);
        2 * (self.words[self.sums + pair / 32] + below.count_ones()) as usize
    }

    fn relocate(&mut self, slot: usize) {
        self.words[slot] = self.relocated(V(self.words[slot])).0;
    }

    fn relocated(&self, value: V) -> V {
        if !value.is_reference() {
            return value;
        }
        V((value.0 & 0xFF00_0007) | (self.moved(value.word()) as u32) << 2)
    }

    /// Moves every marked object down, with its references changed; answers the new top.
    fn slide(&mut self, top: usize) -> usize {
        let mut to = FIRST;
        let mut word = FIRST;
        while word < top {
            let bits = self.words[self.bits + word / 64] >> (word / 2 % 32);
            if bits == 0 {
                word = (word / 64 + 1) * 64;
                continue;
            }
            word += 2 * bits.trailing_zeros() as usize;
            let first = V(self.words[word]);
            let size = self.size_at(word);
            let slots = if first.is_header() {
                match first.kind() {
                    kind::STRING.. => 1..1,
                    kind::SYMBOL => 1..3,
                    _ => 1..1 + first.payload() as usize,
                }
            } else {
                0..2
            };
            for slot in slots {
                self.relocate(word + slot);
            }
            if to != word {
                self.words.copy_within(word..word + size, to);
            }
            to += size;
            word += size;
        }
        to
    }
}

impl Lisp {
    /// Drops what cannot be reached any more.
    pub fn collect(&mut self) {
        self.collections += 1;
        let (top, sp, limit) = (self.top, self.sp, self.limit);
        let len = top.div_ceil(64);
        let mut tables = Tables {
            words: self.mem.words_mut(),
            bits: top,
            sums: top + len,
        };
        tables.words[top..top + 2 * len].fill(0);

        for root in self.regs {
            tables.mark(root);
        }
        for word in Self::KEPT_WORDS.chain(sp..limit) {
            tables.mark(V(tables.words[word]));
        }
        // A symbol lives if it has a value or is reachable; its place in the table does not count.
        for bucket in BUCKETS_AT..BUCKETS_AT + BUCKETS {
            let mut symbol = V(tables.words[bucket]);
            while symbol != V::NULL {
                if V(tables.words[symbol.word() + 2]) != V::UNBOUND {
                    tables.mark(symbol);
                }
                symbol = V(tables.words[symbol.word() + 1]);
            }
        }
        for bucket in BUCKETS_AT..BUCKETS_AT + BUCKETS {
            let mut slot = bucket;
            while tables.words[slot] != V::NULL.0 {
                let word = V(tables.words[slot]).word();
                if tables.is_marked(word) {
                    slot = word + 1;
                } else {
                    tables.words[slot] = tables.words[word + 1];
                }
            }
        }

        tables.sum_up(top);
        for root in &mut self.regs {
            *root = tables.relocated(*root);
        }
        let buckets = BUCKETS_AT..BUCKETS_AT + BUCKETS;
        for word in Self::KEPT_WORDS.chain(buckets).chain(sp..limit) {
            tables.relocate(word);
        }
        let new_top = tables.slide(top);
        tables.words[new_top..top + 2 * len].fill(0);
        self.top = new_top;
    }
}
