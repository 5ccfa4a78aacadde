//! Values: one word each.
//!
//! | low bits | what | the rest |
//! |---|---|---|
//! | `..1` | a small integer | 31 bits, signed |
//! | `000` | a pair | where its two words lie; a pair has no header |
//! | `010` | another object | where its header lies |
//! | `100` | an immediate | 5 bits of [`Imm`], 24 bits of payload |
//! | `110` | a header | 5 bits of kind, 24 bits of length; never held by a variable or a field |
//!
//! Objects lie on even words, so bits 0 to 2 of an address are free, and so are bits 24 to 31: 16 MiB
//! are all a part may have. Bit 31 marks a resolved global variable in code ([`V::GLOBAL`]).

/// A value, or a header, as it lies in the slab.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct V(pub u32);

/// The kinds of immediates. Numbers are saved with the state: only append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Imm {
    /// `()`, `#t`, ...: see the constants of [`V`].
    Const = 0,
    /// A character.
    Char = 1,
    /// A symbol whose name is in the part's own table: a `Name` of `names`.
    Symbol = 2,
    /// A procedure that is built in, by its name.
    Builtin = 3,
    /// The head of a form that was recognised.
    Form = 4,
    /// A resolved local variable: 12 bits of depth, 12 bits of index.
    Local = 5,
    /// A resolved global variable whose name is in the table.
    Global = 6,
    /// The kind of a frame on the stack.
    Frame = 7,
    /// A contact that is kept.
    Kept = 8,
    /// A contact of one turn: 16 bits of the turn, 8 bits of which.
    Passing = 9,
    /// A mark on the stack, of reader or printer.
    Mark = 10,
}

/// The kinds of headers. Numbers are saved with the state: only append within a group.
pub mod kind {
    /// Elements.
    pub const VECTOR: u32 = 0;
    /// Parent, names, values.
    pub const ENV: u32 = 1;
    /// Names, required, slots * 2 + rest, body, own name.
    pub const LAMBDA: u32 = 2;
    /// Lambda, environment.
    pub const CLOSURE: u32 = 3;
    /// Type, fields.
    pub const RECORD: u32 = 4;
    /// Handlers, then the words of the stack.
    pub const CONTINUATION: u32 = 5;
    /// Message, irritants, form.
    pub const CONDITION: u32 = 6;
    /// What it does with which field, record type.
    pub const ACCESSOR: u32 = 7;
    /// Several values.
    pub const VALUES: u32 = 8;
    /// Whether it is forced, value or expression, environment.
    pub const PROMISE: u32 = 9;
    /// Name, number of fields, names of fields.
    pub const RECORD_TYPE: u32 = 10;
    /// Next of its bucket, value, bytes of the name; the length is that of the name.
    pub const SYMBOL: u32 = 16;
    /// Bytes of UTF-8.
    pub const STRING: u32 = 24;
    /// An integer of 8 bytes.
    pub const LONG: u32 = 25;
}

impl V {
    /// The empty list.
    pub const NIL: Self = Self::imm(Imm::Const, 0);
    /// `#f`.
    pub const FALSE: Self = Self::imm(Imm::Const, 1);
    /// `#t`.
    pub const TRUE: Self = Self::imm(Imm::Const, 2);
    /// What forms without a value answer.
    pub const UNSPECIFIED: Self = Self::imm(Imm::Const, 3);
    /// The end of a text that was read.
    pub const EOF: Self = Self::imm(Imm::Const, 4);
    /// What a variable holds before it is defined.
    pub const UNBOUND: Self = Self::imm(Imm::Const, 5);
    /// The condition of having no memory left: it needs none.
    pub const NO_MEMORY: Self = Self::imm(Imm::Const, 6);
    /// No object: ends the chains of the symbol table.
    pub const NULL: Self = Self(0);
    /// Set in a reference to a symbol that stands for its global value.
    pub const GLOBAL: u32 = 1 << 31;

    /// A small integer, if 31 bits suffice.
    pub fn small(number: i64) -> Option<Self> {
        (-(1 << 30)..1 << 30)
            .contains(&number)
            .then(|| Self::fix(number as i32))
    }

    /// A small integer.
    pub const fn fix(number: i32) -> Self {
        Self(((number as u32) << 1) | 1)
    }

    /// A count or an index.
    pub const fn count(number: usize) -> Self {
        Self::fix(number as i32)
    }

    /// An immediate.
    pub const fn imm(kind: Imm, payload: u32) -> Self {
        Self((payload << 8) | ((kind as u32) << 3) | 4)
    }

    /// A header.
    pub const fn header(kind: u32, len: usize) -> Self {
        Self(((len as u32) << 8) | (kind << 3) | 6)
    }

    /// A truth value.
    pub const fn bool(truth: bool) -> Self {
        if truth { Self::TRUE } else { Self::FALSE }
    }

    /// A character.
    pub const fn char(c: char) -> Self {
        Self::imm(Imm::Char, c as u32)
    }

    /// The pair at a word of the slab.
    pub const fn pair(word: usize) -> Self {
        Self((word as u32) << 2)
    }

    /// The object whose header is at a word of the slab.
    pub const fn object(word: usize) -> Self {
        Self(((word as u32) << 2) | 2)
    }

    /// Where the object lies, in words.
    pub const fn word(self) -> usize {
        ((self.0 & 0x00FF_FFF8) >> 2) as usize
    }

    /// Whether it is a small integer.
    pub const fn is_fix(self) -> bool {
        self.0 & 1 == 1
    }

    /// The small integer, of a value that is one.
    pub const fn as_fix(self) -> i32 {
        (self.0 as i32) >> 1
    }

    /// The count, of a value that was made by [`V::count`].
    pub const fn as_count(self) -> usize {
        self.as_fix() as usize
    }

    /// Whether it is a pair.
    #[expect(clippy::verbose_bit_mask, reason = "a tag, like the others")]
    pub const fn is_pair(self) -> bool {
        self.0 & 7 == 0 && self.0 != 0
    }

    /// Whether it is an object with a header.
    pub const fn is_object(self) -> bool {
        self.0 & 7 == 2
    }

    /// Whether it refers to something in the slab.
    pub const fn is_reference(self) -> bool {
        self.0 & 5 == 0 && self.0 != 0
    }

    /// Whether it is a header.
    pub const fn is_header(self) -> bool {
        self.0 & 7 == 6
    }

    /// Whether it is an immediate of this kind.
    pub const fn is_imm(self, kind: Imm) -> bool {
        self.0 & 0xFF == ((kind as u32) << 3) | 4
    }

    /// The payload of an immediate, or the length of a header.
    pub const fn payload(self) -> u32 {
        self.0 >> 8
    }

    /// The kind of a header or an immediate.
    pub const fn kind(self) -> u32 {
        (self.0 >> 3) & 31
    }

    /// Whether a test takes it for true.
    pub const fn is_true(self) -> bool {
        self.0 != Self::FALSE.0
    }

    /// How many words an object with this header takes.
    pub const fn size(self) -> usize {
        let len = self.payload() as usize;
        let words = match self.kind() {
            kind::SYMBOL => 3 + len.div_ceil(4),
            kind::STRING.. => 1 + len.div_ceil(4),
            _ => 1 + len,
        };
        words.next_multiple_of(2)
    }
}
