//! Characters, strings and symbols. Strings are UTF-8 and never change; positions count characters.

use crate::control::Outcome;
use crate::heap::{Fault, Lisp, Reg};
use crate::names::Builtin;
use crate::read::{NAME_LEN_MAX, parse_integer};
use crate::value::{Imm, V, kind};

impl Lisp {
    fn is_string(&self, value: V) -> bool {
        self.is(value, kind::STRING)
    }

    pub(crate) fn string_arg(&self, value: V) -> Result<V, Fault> {
        if self.is_string(value) {
            Ok(value)
        } else {
            Err(Fault::Bad("not a string", value))
        }
    }

    fn char_of(value: V) -> Result<char, Fault> {
        if value.is_imm(Imm::Char)
            && let Some(c) = char::from_u32(value.payload())
        {
            return Ok(c);
        }
        Err(Fault::Bad("not a character", value))
    }

    /// The character whose first byte is at `at` of the slab, and how many bytes it has. A byte that
    /// begins no character counts as U+FFFD.
    fn char_at(&self, at: usize, end: usize) -> (char, usize) {
        let bytes = &self.bytes()[at..end];
        let first = bytes[0];
        let len = match first {
            0..0x80 => return (char::from(first), 1),
            0xC2..0xE0 => 2,
            0xE0..0xF0 => 3,
            0xF0..0xF5 => 4,
            _ => return (char::REPLACEMENT_CHARACTER, 1),
        };
        let mut code = u32::from(first) & (0x7F >> len);
        for n in 1..len {
            match bytes.get(n) {
                Some(byte) if byte & 0xC0 == 0x80 => code = (code << 6) | u32::from(byte & 0x3F),
                _ => return (char::REPLACEMENT_CHARACTER, 1),
            }
        }
        (
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
            len,
        )
    }

    fn chars_in(&self, string: V) -> usize {
        let range = self.text_range(string);
        let (mut at, mut count) = (range.start, 0);
        while at < range.end {
            at += self.char_at(at, range.end).1;
            count += 1;
        }
        count
    }

    /// The bytes of the characters `from..to`, as a range within the string.
    fn byte_range(&self, string: V, from: usize, to: usize) -> core::ops::Range<usize> {
        let range = self.text_range(string);
        let (mut at, mut count, mut start) = (range.start, 0, range.start);
        while at < range.end && count < to {
            if count == from {
                start = at;
            }
            at += self.char_at(at, range.end).1;
            count += 1;
        }
        if from >= count {
            start = at;
        }
        start - range.start..at - range.start
    }

    /// Part of the string that is the nth argument.
    fn part(&mut self, count: usize, bytes: &core::ops::Range<usize>) -> Outcome {
        let string = self.make_text(|lisp| {
            let start = lisp.text_range(lisp.arg(count, 0)).start;
            lisp.put_range(start + bytes.start..start + bytes.end)
        })?;
        Ok(Some(string))
    }

    /// The list of the characters of a string; `Spare` holds the string.
    fn chars_of_spare(&mut self, from: usize, to: usize) -> Result<V, Fault> {
        self.need(2 * (to - from))?;
        let string = self.reg(Reg::Spare);
        let within = self.byte_range(string, from, to);
        let range = self.text_range(string);
        let (mut at, end) = (range.start + within.start, range.start + within.end);
        let (mut list, mut last) = (V::NIL, None);
        while at < end {
            let (c, len) = self.char_at(at, range.end);
            let pair = self.cons(V::char(c), V::NIL);
            match last {
                None => list = pair,
                Some(last) => self.set(last, pair),
            }
            last = Some(pair.word() + 1);
            at += len;
        }
        Ok(list)
    }

    /// Turns the vectors and strings behind the first argument into lists.
    pub(crate) fn lists_of_arguments(&mut self, count: usize) -> Result<(), Fault> {
        for n in 1..count {
            let value = self.arg(count, n);
            let list = if self.is_string(value) {
                self.set_reg(Reg::Spare, value);
                let chars = self.chars_in(value);
                self.chars_of_spare(0, chars)?
            } else if self.is(value, kind::VECTOR) {
                let len = self.len(value);
                self.need(2 * len)?;
                let vector = self.arg(count, n);
                (0..len)
                    .rev()
                    .fold(V::NIL, |list, i| self.cons(self.field(vector, i), list))
            } else {
                return Err(Fault::Bad("not a vector or string", value));
            };
            self.set(self.sp + count - 1 - n, list);
        }
        Ok(())
    }

    /// A string of the list of characters in `Val`.
    pub(crate) fn string_of_chars(&mut self) -> Result<V, Fault> {
        self.make_text(|lisp| {
            let mut rest = lisp.reg(Reg::Val);
            while rest.is_pair() {
                let c = Self::char_of(lisp.car(rest))?;
                lisp.put_char(c)?;
                rest = lisp.cdr(rest);
            }
            Ok(())
        })
    }

    fn compare_texts(&self, count: usize, holds: fn(core::cmp::Ordering) -> bool) -> Outcome {
        let mut all = true;
        for n in 0..count {
            self.string_arg(self.arg(count, n))?;
        }
        for n in 1..count {
            let (a, b) = (self.arg(count, n - 1), self.arg(count, n));
            all &= holds(self.text(a).cmp(self.text(b)));
        }
        Ok(Some(V::bool(all)))
    }

    fn compare_chars(&self, count: usize, holds: fn(core::cmp::Ordering) -> bool) -> Outcome {
        let mut all = true;
        let mut last = Self::char_of(self.arg(count, 0))?;
        for n in 1..count {
            let next = Self::char_of(self.arg(count, n))?;
            all &= holds(last.cmp(&next));
            last = next;
        }
        Ok(Some(V::bool(all)))
    }

    /// Where the second argument begins in the first, in bytes from `from` on.
    fn find_text(&self, count: usize, from: usize) -> Option<usize> {
        let (text, part) = (self.text(self.arg(count, 0)), self.text(self.arg(count, 1)));
        (from..(text.len() + 1).saturating_sub(part.len())).find(|at| text[*at..].starts_with(part))
    }

    /// Carries out a procedure of characters, strings or symbols.
    pub(crate) fn texts(&mut self, name: Builtin, count: usize) -> Outcome {
        use core::cmp::Ordering;
        let first = if count > 0 {
            self.arg(count, 0)
        } else {
            V::NIL
        };
        let value = match name {
            Builtin::IsChar => V::bool(first.is_imm(Imm::Char)),
            Builtin::CharToInteger => V::fix(Self::char_of(first)? as i32),
            Builtin::IntegerToChar => {
                let c = self
                    .as_integer(first)
                    .and_then(|code| u32::try_from(code).ok());
                let c = c.and_then(char::from_u32);
                V::char(c.ok_or(Fault::Bad("not the number of a character", first))?)
            }
            Builtin::CharEq => return self.compare_chars(count, Ordering::is_eq),
            Builtin::CharLess => return self.compare_chars(count, Ordering::is_lt),
            Builtin::CharGreater => return self.compare_chars(count, Ordering::is_gt),
            Builtin::CharLessEq => return self.compare_chars(count, Ordering::is_le),
            Builtin::CharGreaterEq => return self.compare_chars(count, Ordering::is_ge),
            Builtin::CharUp => V::char(Self::char_of(first)?.to_ascii_uppercase()),
            Builtin::CharDown => V::char(Self::char_of(first)?.to_ascii_lowercase()),
            Builtin::IsAlphabetic => V::bool(Self::char_of(first)?.is_ascii_alphabetic()),
            Builtin::IsNumeric => V::bool(Self::char_of(first)?.is_ascii_digit()),
            Builtin::IsWhitespace => V::bool(matches!(Self::char_of(first)?, ' ' | '\t'..='\r')),
            Builtin::DigitValue => {
                let digit = Self::char_of(first)?.to_digit(10);
                digit.map_or(V::FALSE, |digit| V::fix(digit as i32))
            }
            Builtin::IsString => V::bool(self.is_string(first)),
            Builtin::IsSymbol => V::bool(self.is_symbol(first)),
            Builtin::StringLength => V::count(self.chars_in(self.string_arg(first)?)),
            Builtin::StringRef => {
                let index = self.index_of(self.arg(count, 1))?;
                let range = self.byte_range(self.string_arg(first)?, index, index + 1);
                if range.is_empty() {
                    return Err(Fault::Bad("out of range", self.arg(count, 1)));
                }
                let text = self.text_range(first);
                V::char(self.char_at(text.start + range.start, text.end).0)
            }
            Builtin::Substring | Builtin::StringCopy => {
                let len = self.chars_in(self.string_arg(first)?);
                let (from, to) = self.range(count, 1, len)?;
                let bytes = self.byte_range(first, from, to);
                return self.part(count, &bytes);
            }
            Builtin::StringEq => return self.compare_texts(count, Ordering::is_eq),
            Builtin::StringLess => return self.compare_texts(count, Ordering::is_lt),
            Builtin::StringGreater => return self.compare_texts(count, Ordering::is_gt),
            Builtin::StringLessEq => return self.compare_texts(count, Ordering::is_le),
            Builtin::StringGreaterEq => return self.compare_texts(count, Ordering::is_ge),
            Builtin::StringToList => {
                let len = self.chars_in(self.string_arg(first)?);
                let (from, to) = self.range(count, 1, len)?;
                self.set_reg(Reg::Spare, first);
                self.chars_of_spare(from, to)?
            }
            Builtin::ListToString => {
                self.len_of(first)?;
                self.set_reg(Reg::Val, first);
                self.string_of_chars()?
            }
            Builtin::StringOf | Builtin::StringAppend | Builtin::ToText => {
                self.make_text(|lisp| {
                    for n in 0..count {
                        let value = lisp.arg(count, n);
                        if name == Builtin::StringAppend {
                            lisp.string_arg(value)?;
                        }
                        lisp.put_value(value, false)?;
                    }
                    Ok(())
                })?
            }
            Builtin::MakeString => {
                let len = self.index_of(first)?;
                let c = if count > 1 {
                    Self::char_of(self.arg(count, 1))?
                } else {
                    ' '
                };
                self.make_text(|lisp| (0..len).try_for_each(|_| lisp.put_char(c)))?
            }
            Builtin::StringToSymbol => {
                self.string_arg(first)?;
                let mut buffer = [0; NAME_LEN_MAX];
                let len = self.len(first);
                let Some(name) = buffer.get_mut(..len) else {
                    return Err(Fault::Bad("longer than 64 bytes", first));
                };
                name.copy_from_slice(self.text(first));
                self.intern(&buffer[..len])
            }
            Builtin::SymbolToString => {
                if !self.is_symbol(first) {
                    return Err(Fault::Bad("not a symbol", first));
                }
                self.make_text(|lisp| lisp.put_value(lisp.arg(count, 0), false))?
            }
            Builtin::StringUp | Builtin::StringDown => {
                self.string_arg(first)?;
                self.make_text(|lisp| {
                    let range = lisp.text_range(lisp.arg(count, 0));
                    for at in range {
                        let byte = lisp.bytes()[at];
                        lisp.put(match name {
                            Builtin::StringUp => byte.to_ascii_uppercase(),
                            _ => byte.to_ascii_lowercase(),
                        })?;
                    }
                    Ok(())
                })?
            }
            Builtin::StringContains => {
                self.string_arg(first)?;
                self.string_arg(self.arg(count, 1))?;
                match self.find_text(count, 0) {
                    None => V::FALSE,
                    Some(at) => {
                        let start = self.text_range(first).start;
                        let (mut position, mut chars) = (start, 0);
                        while position < start + at {
                            position += self.char_at(position, self.text_range(first).end).1;
                            chars += 1;
                        }
                        V::count(chars)
                    }
                }
            }
            Builtin::StringJoin => {
                let len = self.len_of(first)?;
                self.make_text(|lisp| {
                    let mut rest = lisp.arg(count, 0);
                    for n in 0..len {
                        if n > 0 {
                            if count > 1 {
                                lisp.put_value(lisp.arg(count, 1), false)?;
                            } else {
                                lisp.put(b' ')?;
                            }
                        }
                        lisp.put_value(lisp.car(rest), false)?;
                        rest = lisp.cdr(rest);
                    }
                    Ok(())
                })?
            }
            Builtin::StringSplit => return self.split(count),
            Builtin::NumberToString => {
                let number = self.int(first)?;
                let radix = if count > 1 {
                    self.int(self.arg(count, 1))?
                } else {
                    10
                };
                if !(2..=36).contains(&radix) {
                    return Err(Fault::Bad("not a radix", self.arg(count, 1)));
                }
                self.make_text(|lisp| lisp.put_number(number, radix as u32))?
            }
            Builtin::StringToNumber => {
                let radix = if count > 1 {
                    self.int(self.arg(count, 1))?
                } else {
                    10
                };
                if !(2..=36).contains(&radix) {
                    return Err(Fault::Bad("not a radix", self.arg(count, 1)));
                }
                match parse_integer(self.text(self.string_arg(first)?), radix as u32) {
                    Some(Ok(number)) => self.integer(number),
                    _ => V::FALSE,
                }
            }
            _ => {
                return Err(Fault::Syntax(
                    "not carried out",
                    V::imm(Imm::Builtin, name as u32),
                ));
            }
        };
        Ok(Some(value))
    }

    /// The parts of the first argument between the occurrences of the second.
    fn split(&mut self, count: usize) -> Outcome {
        self.string_arg(self.arg(count, 0))?;
        let separator = self.arg(count, 1);
        if separator.is_imm(Imm::Char) {
            let string = self.make_text(|lisp| lisp.put_value(lisp.arg(count, 1), false))?;
            self.set(self.sp, string);
        }
        let separator = self.len(self.string_arg(self.arg(count, 1))?);
        if separator == 0 {
            return Err(Fault::Bad("an empty separator", self.arg(count, 1)));
        }
        self.set_reg(Reg::Spare, V::NIL);
        let mut from = 0;
        loop {
            let found = self.find_text(count, from);
            let end = found.unwrap_or(self.len(self.arg(count, 0)));
            let Some(part) = self.part(count, &(from..end))? else {
                break;
            };
            let list = self.cons(part, self.reg(Reg::Spare));
            self.set_reg(Reg::Spare, list);
            let Some(at) = found else { break };
            from = at + separator;
        }
        let list = self.reg(Reg::Spare);
        Ok(Some(self.reverse_in_place(list)))
    }
}
