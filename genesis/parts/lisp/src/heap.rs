//! The slab: a heap that grows upwards, a stack that grows downwards, and nothing else.
//!
//! ```text
//! 0          FIRST                    top         sp          limit           capacity
//! | header   | objects, bump-allocated | free      | stack     | never touched |
//! ```
//! `limit` starts low and is raised, a page of the machine at a time, only when a collection leaves
//! too little; so a small program touches few pages. A step of the machine begins by making sure of
//! [`STEP_WORDS`] (that is where a collection may happen) and then allocates without asking; what may
//! need more calls [`Lisp::need`] first and reads its values from the stack again afterwards.

use crate::memory::Memory;
use crate::names::{Builtin, Name};
use crate::value::{Imm, V, kind};

/// Words of the header: the magic number and the top, what is kept, which procedures were
/// redefined, the buckets of the symbol table.
pub(crate) const FIRST: usize = KEPT_AT + KEPT + 8 + BUCKETS;
const KEPT_AT: usize = 2;
const KEPT: usize = 10;
const REDEFINED_AT: usize = KEPT_AT + KEPT;
pub(crate) const BUCKETS_AT: usize = REDEFINED_AT + 8;
pub(crate) const BUCKETS: usize = 64;

/// Words that every step may take from heap and stack together without asking.
pub(crate) const STEP_WORDS: usize = 40;
/// Words of a page of the machine.
const PAGE: usize = 1024;
/// Words that a collection leaves free at least, if the slab may grow.
const SLACK: usize = 2 * PAGE;
/// Collections of one turn that may leave next to nothing.
const TIGHT_MAX: u32 = 3;

/// What outlives a turn, by its place in the header. Part of the saved state: only append.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(crate) enum Kept {
    /// Pairs of a redefined procedure's name and its value.
    Redefined = 0,
    /// The program's text, until it has been evaluated; else `()`.
    Program = 1,
    /// Pairs of channel and procedure.
    Handlers = 2,
    /// Pairs of tag and what `after` was given.
    Timers = 3,
    /// Pairs of sequence and what `ask` was given.
    Asks = 4,
    /// The next tag.
    Tag = 5,
    /// A count of turns, to tell contacts of one turn from those of another.
    Turn = 6,
}

/// What only lives during a turn.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(crate) enum Reg {
    Env = 0,
    /// The expression to evaluate, or the value to return.
    Val = 1,
    /// Handlers of conditions: a procedure, or a stack depth where a guard is.
    Guards = 2,
    /// What was displayed in this turn: a list of strings, the last first.
    Output = 3,
    /// The text that is being read.
    Text = 4,
    /// The message of this turn.
    Message = 5,
    Spare = 6,
    /// The value of the expression before the one that is being read.
    Answer = 7,
}
pub(crate) const REGS: usize = 8;

/// Why a step could not be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A collection left too little.
    Memory,
    /// A procedure refuses a value.
    Bad(&'static str, V),
    /// A form is not written as it must be.
    Syntax(&'static str, V),
    /// This condition.
    Raise(V),
    /// The text ended within a datum; at which byte it began.
    Unfinished(usize),
}

/// A Scheme in a slab of words.
#[derive(Debug)]
pub struct Lisp {
    pub(crate) mem: Memory,
    pub(crate) regs: [V; REGS],
    pub(crate) top: usize,
    pub(crate) sp: usize,
    pub(crate) limit: usize,
    /// Words that the slab may have at most.
    capacity: usize,
    /// Where the reader is in its text, in bytes.
    pub(crate) at: usize,
    /// Where the reader's text lies in the slab, in bytes, until the next collection.
    pub(crate) text_place: core::ops::Range<usize>,
    /// Whether the machine evaluates `Val` or returns it.
    pub(crate) returning: bool,
    /// Bytes of the text being made at the top of the heap.
    pub(crate) text_len: usize,
    /// Whether every step collects: for tests.
    pub(crate) stress: bool,
    /// How many collections of this turn left next to nothing.
    tight: u32,
    /// Whether this turn raised the limit.
    raised: bool,
    /// How often it collected.
    pub(crate) collections: u64,
}

impl Lisp {
    /// An empty one in a slab that may grow to `capacity` words.
    pub fn new(mem: Memory, capacity: usize) -> Self {
        let mut lisp = Self {
            mem,
            regs: [V::NIL; REGS],
            top: FIRST,
            sp: 0,
            limit: 0,
            capacity,
            at: 0,
            text_place: 0..0,
            returning: false,
            text_len: 0,
            stress: false,
            tight: 0,
            raised: false,
            collections: 0,
        };
        lisp.limit = lisp.round_up(FIRST + SLACK).min(capacity);
        lisp.mem.grow(lisp.limit);
        lisp.sp = lisp.limit;
        for at in KEPT_AT..REDEFINED_AT {
            lisp.set(at, V::NIL);
        }
        lisp.set_kept(Kept::Tag, V::fix(1));
        lisp.set_kept(Kept::Turn, V::fix(0));
        lisp
    }

    /// Collect at every step: for tests.
    pub fn stress(&mut self) {
        self.stress = true;
    }

    /// How often it collected.
    pub fn collections(&self) -> u64 {
        self.collections
    }

    /// Words of the slab that may have been touched.
    pub fn touched_words(&self) -> usize {
        self.limit
    }

    /// The first limit at or behind `words` that ends a page of the machine.
    fn round_up(&self, words: usize) -> usize {
        let offset = (self.mem.address() / 4) % PAGE;
        (words + offset).next_multiple_of(PAGE) - offset
    }

    #[inline]
    pub(crate) fn get(&self, word: usize) -> V {
        V(self.mem.words()[word])
    }

    #[inline]
    pub(crate) fn set(&mut self, word: usize, value: V) {
        self.mem.words_mut()[word] = value.0;
    }

    #[inline]
    pub(crate) fn reg(&self, reg: Reg) -> V {
        self.regs[reg as usize]
    }

    #[inline]
    pub(crate) fn set_reg(&mut self, reg: Reg, value: V) {
        self.regs[reg as usize] = value;
    }

    pub(crate) fn kept(&self, kept: Kept) -> V {
        self.get(KEPT_AT + kept as usize)
    }

    pub(crate) fn set_kept(&mut self, kept: Kept, value: V) {
        self.set(KEPT_AT + kept as usize, value);
    }

    /// Where the collector finds values outside of objects and the stack.
    pub(crate) const KEPT_WORDS: core::ops::Range<usize> = KEPT_AT..REDEFINED_AT;

    // The stack.

    #[inline]
    pub(crate) fn push(&mut self, value: V) {
        self.sp -= 1;
        self.set(self.sp, value);
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> V {
        let value = self.get(self.sp);
        self.sp += 1;
        value
    }

    /// The nth word from the top of the stack.
    #[inline]
    pub(crate) fn peek(&self, n: usize) -> V {
        self.get(self.sp + n)
    }

    /// How many words the stack has. Survives a move of the stack, unlike `sp`.
    pub(crate) fn depth(&self) -> usize {
        self.limit - self.sp
    }

    pub(crate) fn cut(&mut self, depth: usize) {
        self.sp = self.limit - depth;
    }

    // Room.

    /// Words that the collector needs above the heap: a bit for each pair of words, and sums.
    pub(crate) const fn collector_words(top: usize) -> usize {
        top / 32 + 4
    }

    #[inline]
    const fn has_room(&self, words: usize) -> bool {
        let top = self.top + words;
        top + Self::collector_words(top) <= self.sp
    }

    /// Makes sure of so many words, besides those of a step.
    ///
    /// # Errors
    /// [`Fault::Memory`].
    #[inline]
    pub(crate) fn need(&mut self, words: usize) -> Result<(), Fault> {
        if words > self.capacity {
            return Err(Fault::Memory);
        }
        let words = words + STEP_WORDS;
        if self.has_room(words) && !self.stress {
            Ok(())
        } else {
            self.make_room(words)
        }
    }

    #[cold]
    fn make_room(&mut self, words: usize) -> Result<(), Fault> {
        self.collect();
        // So much left free keeps the price of collections in proportion.
        let used = self.top + self.depth();
        let wish = used + words + SLACK.max(used / 2) + Self::collector_words(used * 2 + words);
        if wish > self.limit {
            let limit = self.round_up(wish).min(self.capacity);
            if limit > self.limit && self.mem.grow(limit) {
                self.move_stack(limit);
            }
        }
        if self.limit == self.capacity && !self.has_room(words + used / 32) {
            // Nearly full: collecting for every few words would take as long as not ending at all.
            // The next turn may try again, so that a program can still be told to let go.
            self.tight += 1;
            if self.tight > TIGHT_MAX {
                return Err(Fault::Memory);
            }
        }
        if self.has_room(words) {
            Ok(())
        } else {
            Err(Fault::Memory)
        }
    }

    /// Raises the limit without collecting, so that nothing but the stack moves.
    pub(crate) fn raise_limit(&mut self) -> bool {
        let limit = self
            .round_up(self.limit + self.limit / 2)
            .min(self.capacity);
        if limit <= self.limit || !self.mem.grow(limit) {
            return false;
        }
        self.move_stack(limit);
        true
    }

    fn move_stack(&mut self, limit: usize) {
        let (from, old, depth) = (self.sp, self.limit, self.depth());
        let to = limit - depth;
        let words = self.mem.words_mut();
        words.copy_within(from..old, to);
        words[from..to.min(old)].fill(0);
        self.raised = true;
        self.limit = limit;
        self.sp = to;
    }

    /// Between turns: gives back what only this turn needed, and leaves zeros behind.
    pub(crate) fn settle(&mut self) {
        self.regs = [V::NIL; REGS];
        self.text_len = 0;
        self.tight = 0;
        let (sp, limit) = (self.sp, self.limit);
        self.mem.words_mut()[sp..limit].fill(0);
        self.sp = limit;
        if !core::mem::take(&mut self.raised) {
            return;
        }
        self.collect();
        let wish = self.round_up(self.top + SLACK.max(self.top / 2));
        if wish < self.limit {
            self.clear_above_top();
            self.limit = wish;
            self.sp = wish;
        }
    }

    fn clear_above_top(&mut self) {
        let (top, limit) = (self.top, self.limit);
        self.mem.words_mut()[top..limit].fill(0);
    }

    /// A number of words at the top of the heap, which the caller has made sure of and fills.
    #[inline]
    pub(crate) fn take(&mut self, words: usize) -> usize {
        let word = self.top;
        self.top += words.next_multiple_of(2);
        debug_assert!(
            self.top + Self::collector_words(self.top) <= self.sp,
            "room was made"
        );
        word
    }

    // Objects.

    #[inline]
    pub(crate) fn cons(&mut self, car: V, cdr: V) -> V {
        let word = self.take(2);
        self.set(word, car);
        self.set(word + 1, cdr);
        V::pair(word)
    }

    #[inline]
    pub(crate) fn car(&self, pair: V) -> V {
        self.get(pair.word())
    }

    #[inline]
    pub(crate) fn cdr(&self, pair: V) -> V {
        self.get(pair.word() + 1)
    }

    /// A list whose last cdr is `tail`.
    pub(crate) fn list(&mut self, items: &[V], tail: V) -> V {
        items
            .iter()
            .rev()
            .fold(tail, |list, item| self.cons(*item, list))
    }

    /// An object of fields.
    pub(crate) fn object(&mut self, kind: u32, fields: &[V]) -> V {
        let word = self.take(1 + fields.len());
        self.set(word, V::header(kind, fields.len()));
        for (i, field) in fields.iter().enumerate() {
            self.set(word + 1 + i, *field);
        }
        if fields.len().is_multiple_of(2) {
            self.set(word + 1 + fields.len(), V::NULL);
        }
        V::object(word)
    }

    #[inline]
    pub(crate) fn is(&self, value: V, kind: u32) -> bool {
        value.is_object() && self.get(value.word()).kind() == kind
    }

    /// The nth field of an object, from 0.
    #[inline]
    pub(crate) fn field(&self, object: V, n: usize) -> V {
        self.get(object.word() + 1 + n)
    }

    #[inline]
    pub(crate) fn set_field(&mut self, object: V, n: usize, value: V) {
        self.set(object.word() + 1 + n, value);
    }

    /// The length in the header of an object.
    #[inline]
    pub(crate) fn len(&self, object: V) -> usize {
        self.get(object.word()).payload() as usize
    }

    /// How many pairs a proper list has.
    pub(crate) fn list_len(&self, list: V) -> Option<usize> {
        let (mut n, mut rest, mut slow) = (0, list, list);
        while rest.is_pair() {
            n += 1;
            rest = self.cdr(rest);
            if n % 2 == 0 {
                slow = self.cdr(slow);
                if slow == rest {
                    return None;
                }
            }
        }
        (rest == V::NIL).then_some(n)
    }

    /// An integer as a value; takes up to 4 words.
    pub(crate) fn integer(&mut self, number: i64) -> V {
        V::small(number).unwrap_or_else(|| {
            let word = self.take(3);
            self.set(word, V::header(kind::LONG, 8));
            self.set(word + 1, V(number as u32));
            self.set(word + 2, V((number >> 32) as u32));
            self.set(word + 3, V::NULL);
            V::object(word)
        })
    }

    /// The integer that a value is.
    #[inline]
    pub(crate) fn as_integer(&self, value: V) -> Option<i64> {
        if value.is_fix() {
            return Some(i64::from(value.as_fix()));
        }
        self.is(value, kind::LONG).then(|| {
            let low = i64::from(self.field(value, 0).0);
            low | (i64::from(self.field(value, 1).0) << 32)
        })
    }

    // Texts.

    /// The bytes of the whole slab.
    pub(crate) fn bytes(&self) -> &[u8] {
        crate::vc::bytes_of(self.mem.words())
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        crate::vc::bytes_of_mut(self.mem.words_mut())
    }

    /// The bytes of a string or of a heap symbol's name, as a range of the slab.
    pub(crate) fn text_range(&self, text: V) -> core::ops::Range<usize> {
        let header = self.get(text.word());
        let words = if header.kind() == kind::SYMBOL { 3 } else { 1 };
        let from = (text.word() + words) * 4;
        from..from + header.payload() as usize
    }

    /// The bytes of a string or of any symbol.
    pub(crate) fn text(&self, text: V) -> &[u8] {
        if text.is_imm(Imm::Symbol) || text.is_imm(Imm::Builtin) {
            return Name::from_number(text.payload()).map_or(&[], |name| name.text().as_bytes());
        }
        &self.bytes()[self.text_range(text)]
    }

    /// An empty place for a string of so many bytes; the caller has made sure of the room.
    pub(crate) fn raw_string(&mut self, len: usize) -> V {
        let words = 1 + len.div_ceil(4);
        let word = self.take(words);
        self.set(word + words.next_multiple_of(2) - 1, V::NULL);
        self.set(word + words - 1, V::NULL);
        self.set(word, V::header(kind::STRING, len));
        V::object(word)
    }

    // Symbols.

    pub(crate) fn is_symbol(&self, value: V) -> bool {
        value.is_imm(Imm::Symbol) || self.is(value, kind::SYMBOL)
    }

    /// The symbol of this name; a new one takes up to 20 words.
    pub(crate) fn intern(&mut self, name: &[u8]) -> V {
        if let Some(name) = Name::find(name) {
            return V::imm(Imm::Symbol, name.number());
        }
        let hash = name
            .iter()
            .fold(5381_u32, |h, b| (h << 5).wrapping_add(h) ^ u32::from(*b));
        let bucket = BUCKETS_AT + hash as usize % BUCKETS;
        let mut symbol = self.get(bucket);
        while symbol != V::NULL {
            if self.text(symbol) == name {
                return symbol;
            }
            symbol = self.field(symbol, 0);
        }
        let words = 3 + name.len().div_ceil(4);
        let word = self.take(words);
        self.set(word + words.next_multiple_of(2) - 1, V::NULL);
        self.set(word + words - 1, V::NULL);
        self.set(word, V::header(kind::SYMBOL, name.len()));
        self.set(word + 1, self.get(bucket));
        self.set(word + 2, V::UNBOUND);
        self.bytes_mut()[(word + 3) * 4..][..name.len()].copy_from_slice(name);
        self.set(bucket, V::object(word));
        V::object(word)
    }

    /// The global value of a name of the table.
    pub(crate) fn table_value(&self, number: u32) -> V {
        if number < 256 {
            let word = self.get(REDEFINED_AT + number as usize / 32).0;
            if word & (1 << (number % 32)) == 0 {
                return if (number as usize) < Builtin::COUNT {
                    V::imm(Imm::Builtin, number)
                } else {
                    V::UNBOUND
                };
            }
        }
        let key = V::imm(Imm::Symbol, number);
        let mut list = self.kept(Kept::Redefined);
        while list.is_pair() {
            let entry = self.car(list);
            if self.car(entry) == key {
                return self.cdr(entry);
            }
            list = self.cdr(list);
        }
        V::UNBOUND
    }

    /// The global value of a symbol.
    pub(crate) fn global(&self, symbol: V) -> V {
        if symbol.is_object() {
            self.field(symbol, 1)
        } else {
            self.table_value(symbol.payload())
        }
    }

    /// Gives a symbol a global value; takes up to 4 words.
    pub(crate) fn set_global(&mut self, symbol: V, value: V) {
        if symbol.is_object() {
            self.set_field(symbol, 1, value);
            return;
        }
        let mut list = self.kept(Kept::Redefined);
        while list.is_pair() {
            let entry = self.car(list);
            if self.car(entry) == symbol {
                self.set(entry.word() + 1, value);
                return;
            }
            list = self.cdr(list);
        }
        let entry = self.cons(symbol, value);
        let list = self.cons(entry, self.kept(Kept::Redefined));
        self.set_kept(Kept::Redefined, list);
        let number = symbol.payload() as usize;
        if number < 256 {
            let word = REDEFINED_AT + number / 32;
            self.set(word, V(self.get(word).0 | (1 << (number % 32))));
        }
    }
}
