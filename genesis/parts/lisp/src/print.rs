//! Texts are made at the top of the heap, byte by byte, and become strings there; values are printed
//! into them with the stack for what is yet to come, so no depth of nesting is too much.

use crate::heap::{Fault, Lisp, Reg};
use crate::names::Name;
use crate::value::{Imm, V, kind};

/// What is yet to be printed: a mark above the value it is about.
const TAIL: V = V::imm(Imm::Mark, 32);
const ELEMENTS: V = V::imm(Imm::Mark, 33);

/// A contact that is not numbered: whoever hosts this VC.
pub(crate) const HOST_PAYLOAD: u32 = 0x00FF_FFFE;

impl Lisp {
    /// Makes a string of what `write` puts; when memory runs out, collects and writes once more, so
    /// `write` must read what it prints from registers or the stack.
    pub(crate) fn make_text(
        &mut self,
        write: impl Fn(&mut Self) -> Result<(), Fault>,
    ) -> Result<V, Fault> {
        self.need(0)?;
        let depth = self.depth();
        self.text_len = 0;
        match write(self) {
            Err(Fault::Memory) => {
                self.cut(depth);
                self.collect();
                self.text_len = 0;
                write(self)?;
            }
            other => other?,
        }
        // Its bytes are there already; zeros behind them fill the last pair of words.
        let len = self.text_len;
        let end = self.text_end();
        let header = V::header(kind::STRING, len);
        let word = self.take(header.size());
        let behind = self.top * 4;
        self.bytes_mut()[end..behind].fill(0);
        self.set(word, header);
        self.text_len = 0;
        Ok(V::object(word))
    }

    /// The number of the byte of the slab where the next byte of the text goes.
    fn text_end(&self) -> usize {
        (self.top + 1) * 4 + self.text_len
    }

    pub(crate) fn put(&mut self, byte: u8) -> Result<(), Fault> {
        let end = self.text_end();
        let top = end / 4 + 3;
        if top + Self::collector_words(top) + 8 > self.sp && !self.raise_limit() {
            return Err(Fault::Memory);
        }
        self.bytes_mut()[end] = byte;
        self.text_len += 1;
        Ok(())
    }

    pub(crate) fn put_all(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        bytes.iter().try_for_each(|byte| self.put(*byte))
    }

    /// Puts bytes of the slab.
    pub(crate) fn put_range(&mut self, range: core::ops::Range<usize>) -> Result<(), Fault> {
        for at in range {
            self.put(self.bytes()[at])?;
        }
        Ok(())
    }

    pub(crate) fn put_char(&mut self, c: char) -> Result<(), Fault> {
        let mut buffer = [0; 4];
        self.put_all(c.encode_utf8(&mut buffer).as_bytes())
    }

    pub(crate) fn put_number(&mut self, number: i64, radix: u32) -> Result<(), Fault> {
        let mut digits = [0_u8; 64];
        let mut at = digits.len();
        let mut rest = number.unsigned_abs();
        loop {
            at -= 1;
            digits[at] =
                b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % u64::from(radix)) as usize];
            rest /= u64::from(radix);
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            self.put(b'-')?;
        }
        self.put_all(&digits[at..])
    }

    /// Puts an id as people see it: `vc:` and base32.
    pub(crate) fn put_id(&mut self, id: &[u8; 32]) -> Result<(), Fault> {
        self.put_all(b"vc:")?;
        let (mut bits, mut count) = (0_u32, 0);
        for byte in id {
            bits = (bits << 8) | u32::from(*byte);
            count += 8;
            while count >= 5 {
                count -= 5;
                self.put(b"abcdefghijklmnopqrstuvwxyz234567"[(bits >> count) as usize & 31])?;
            }
            bits &= (1 << count) - 1;
        }
        if count > 0 {
            self.put(b"abcdefghijklmnopqrstuvwxyz234567"[(bits << (5 - count)) as usize & 31])?;
        }
        Ok(())
    }

    /// Prints a value: as `display` does, or with `quoted` as `write` does.
    pub(crate) fn put_value(&mut self, value: V, quoted: bool) -> Result<(), Fault> {
        let depth = self.depth();
        let mut next = Some(value);
        loop {
            if let Some(value) = next.take() {
                if value.is_pair() {
                    self.put(b'(')?;
                    self.push_two(self.cdr(value), TAIL)?;
                    next = Some(self.car(value));
                    continue;
                }
                if self.is(value, kind::VECTOR) {
                    self.put_all(b"#(")?;
                    self.push_two(value, V::count(0))?;
                    self.push(ELEMENTS);
                } else {
                    self.put_atom(value, quoted)?;
                }
            }
            if self.depth() == depth {
                return Ok(());
            }
            if self.pop() == TAIL {
                let rest = self.pop();
                if rest.is_pair() {
                    self.put(b' ')?;
                    self.push_two(self.cdr(rest), TAIL)?;
                    next = Some(self.car(rest));
                } else {
                    if rest != V::NIL {
                        self.put_all(b" . ")?;
                        if self.is(rest, kind::VECTOR) {
                            self.push_two(V::NIL, TAIL)?;
                            next = Some(rest);
                            continue;
                        }
                        self.put_atom(rest, quoted)?;
                    }
                    self.put(b')')?;
                }
            } else {
                let at = self.pop().as_count();
                let vector = self.pop();
                if at == self.len(vector) {
                    self.put(b')')?;
                } else {
                    if at > 0 {
                        self.put(b' ')?;
                    }
                    self.push_two(vector, V::count(at + 1))?;
                    self.push(ELEMENTS);
                    next = Some(self.field(vector, at));
                }
            }
        }
    }

    /// Pushes two words beside a text in the making, with room for a third.
    fn push_two(&mut self, first: V, second: V) -> Result<(), Fault> {
        let top = self.text_end() / 4 + 3;
        if top + Self::collector_words(top) + 8 > self.sp && !self.raise_limit() {
            return Err(Fault::Memory);
        }
        self.push(first);
        self.push(second);
        Ok(())
    }

    fn put_atom(&mut self, value: V, quoted: bool) -> Result<(), Fault> {
        if let Some(number) = self.as_integer(value) {
            return self.put_number(number, 10);
        }
        if value.is_object() {
            return self.put_object(value, quoted);
        }
        let payload = value.payload();
        match value.kind() {
            k if k == Imm::Char as u32 => {
                let c = char::from_u32(payload).unwrap_or('?');
                if quoted {
                    self.put_char_name(c)
                } else {
                    self.put_char(c)
                }
            }
            k if k == Imm::Symbol as u32 => self.put_all(
                Name::from_number(payload)
                    .map_or("?", Name::text)
                    .as_bytes(),
            ),
            k if k == Imm::Builtin as u32 => {
                self.put_all(b"#<procedure ")?;
                self.put_all(
                    Name::from_number(payload)
                        .map_or("?", Name::text)
                        .as_bytes(),
                )?;
                self.put(b'>')
            }
            k if k == Imm::Kept as u32 || k == Imm::Passing as u32 => {
                self.put_all(b"#<contact ")?;
                if k == Imm::Passing as u32 {
                    self.put_all(b"of this turn>")
                } else if payload == HOST_PAYLOAD {
                    self.put_all(b"host>")
                } else {
                    self.put_number(i64::from(payload), 10)?;
                    self.put(b'>')
                }
            }
            _ => self.put_all(match value {
                V::NIL => b"()",
                V::FALSE => b"#f",
                V::TRUE => b"#t",
                V::EOF => b"#<eof>",
                V::NO_MEMORY => b"#<condition out of memory>",
                V::UNSPECIFIED => b"#<unspecified>",
                _ => b"#<internal>",
            }),
        }
    }

    fn put_object(&mut self, value: V, quoted: bool) -> Result<(), Fault> {
        match self.get(value.word()).kind() {
            kind::STRING if quoted => self.put_quoted(value),
            kind::STRING | kind::SYMBOL => self.put_range(self.text_range(value)),
            kind::CLOSURE => {
                let name = self.field(self.field(value, 0), 4);
                self.put_all(b"#<procedure")?;
                if self.is_symbol(name) {
                    self.put(b' ')?;
                    self.put_symbol(name)?;
                }
                self.put(b'>')
            }
            kind::CONTINUATION => self.put_all(b"#<continuation>"),
            kind::ACCESSOR => self.put_all(b"#<procedure>"),
            kind::PROMISE => self.put_all(b"#<promise>"),
            kind::CONDITION => self.put_all(b"#<condition>"),
            kind::VALUES => self.put_all(b"#<values>"),
            kind::RECORD => {
                self.put_all(b"#<")?;
                let name = self.field(self.field(value, 0), 0);
                self.put_symbol(name)?;
                self.put(b'>')
            }
            kind::RECORD_TYPE => self.put_all(b"#<record-type>"),
            _ => self.put_all(b"#<internal>"),
        }
    }

    fn put_symbol(&mut self, symbol: V) -> Result<(), Fault> {
        if symbol.is_object() {
            self.put_range(self.text_range(symbol))
        } else {
            self.put_atom(symbol, false)
        }
    }

    fn put_quoted(&mut self, string: V) -> Result<(), Fault> {
        self.put(b'"')?;
        for at in self.text_range(string) {
            let byte = self.bytes()[at];
            match byte {
                b'"' | b'\\' => self.put_all(&[b'\\', byte])?,
                b'\n' => self.put_all(b"\\n")?,
                b'\t' => self.put_all(b"\\t")?,
                b'\r' => self.put_all(b"\\r")?,
                _ => self.put(byte)?,
            }
        }
        self.put(b'"')
    }

    fn put_char_name(&mut self, c: char) -> Result<(), Fault> {
        self.put_all(b"#\\")?;
        match CHAR_NAMES.iter().find(|(_, named)| *named == c) {
            Some((name, _)) => self.put_all(name.as_bytes()),
            None => self.put_char(c),
        }
    }

    /// Prints what a condition says; other raised values are written.
    pub(crate) fn put_report(&mut self, condition: V) -> Result<(), Fault> {
        if condition == V::NO_MEMORY {
            self.put_all(b"out of memory: ")?;
            self.put_number((self.limit / 2) as i64, 10)?;
            return self.put_all(b" cells");
        }
        if !self.is(condition, kind::CONDITION) {
            self.put_all(b"raised ")?;
            return self.put_value(condition, true);
        }
        self.put_value(self.field(condition, 0), false)?;
        let form = self.field(condition, 2);
        let mut irritants = self.field(condition, 1);
        if form != V::NIL && irritants.is_pair() {
            self.put(b':')?;
        }
        while irritants.is_pair() {
            self.put(b' ')?;
            self.put_value(self.car(irritants), true)?;
            irritants = self.cdr(irritants);
        }
        if form != V::NIL {
            self.put_all(b" in ")?;
            self.put_value(form, true)?;
        }
        Ok(())
    }

    /// Puts what was displayed in this turn, and forgets it.
    pub(crate) fn put_output(&mut self) -> Result<(), Fault> {
        let mut length = self.list_len(self.reg(Reg::Output)).unwrap_or(0);
        while length > 0 {
            length -= 1;
            let mut entry = self.reg(Reg::Output);
            for _ in 0..length {
                entry = self.cdr(entry);
            }
            self.put_range(self.text_range(self.car(entry)))?;
        }
        Ok(())
    }
}

/// Characters that have names.
pub(crate) const CHAR_NAMES: [(&str, char); 9] = [
    ("space", ' '),
    ("newline", '\n'),
    ("tab", '\t'),
    ("return", '\r'),
    ("null", '\0'),
    ("delete", '\u{7f}'),
    ("escape", '\u{1b}'),
    ("alarm", '\u{7}'),
    ("backspace", '\u{8}'),
];
