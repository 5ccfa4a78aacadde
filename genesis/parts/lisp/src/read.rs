//! The reader: one datum at a time from the text in its register. What is open lies on the stack.

use crate::heap::{Fault, Lisp, Reg};
use crate::names::Form;
use crate::print::CHAR_NAMES;
use crate::value::{Imm, V, kind};

const LIST: V = V::imm(Imm::Mark, 0);
const VECTOR: V = V::imm(Imm::Mark, 1);
const DOT: V = V::imm(Imm::Mark, 2);
const IGNORE: V = V::imm(Imm::Mark, 3);
/// Marks from here on are prefixes: the rest is the number of the form.
const PREFIX: u32 = 64;

/// The longest name of a symbol, in bytes.
pub(crate) const NAME_LEN_MAX: usize = 64;

/// A token, as a small buffer.
struct Token {
    bytes: [u8; NAME_LEN_MAX],
    len: usize,
}

impl Lisp {
    /// Starts to read a string.
    pub(crate) fn read_from(&mut self, text: V) {
        self.set_reg(Reg::Text, text);
        self.at = 0;
    }

    /// Looks up where the text lies: after everything that may have collected.
    fn find_place(&mut self) {
        let text = self.reg(Reg::Text);
        self.text_place = if text.is_object() {
            self.text_range(text)
        } else {
            0..0
        };
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        let at = self.text_place.start + self.at;
        (at < self.text_place.end).then(|| self.bytes()[at])
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.byte()?;
        self.at += 1;
        Some(byte)
    }

    /// Reads a datum; none at the end of the text.
    pub(crate) fn read_datum(&mut self) -> Result<Option<V>, Fault> {
        let depth = self.depth();
        let answer = self.read_nested(depth);
        if answer.is_err() {
            self.cut(depth);
        }
        answer
    }

    fn read_nested(&mut self, depth: usize) -> Result<Option<V>, Fault> {
        let mut began = self.at;
        loop {
            self.need(0)?;
            self.find_place();
            if self.depth() == depth {
                self.skip_blanks()?;
                began = self.at;
            } else {
                self.skip_blanks()?;
            }
            let Some(byte) = self.byte() else {
                return if self.depth() == depth {
                    Ok(None)
                } else {
                    Err(Fault::Unfinished(began))
                };
            };
            self.at += 1;
            let datum = match byte {
                b'(' | b'[' => {
                    self.push(LIST);
                    continue;
                }
                b')' | b']' => {
                    if self.depth() == depth {
                        return Err(self.bad("too many )"));
                    }
                    self.close(depth)?
                }
                b'\'' => {
                    self.push_prefix(Form::Quote);
                    continue;
                }
                b'`' => {
                    self.push_prefix(Form::Quasiquote);
                    continue;
                }
                b',' => {
                    if self.byte() == Some(b'@') {
                        self.at += 1;
                        self.push_prefix(Form::UnquoteSplicing);
                    } else {
                        self.push_prefix(Form::Unquote);
                    }
                    continue;
                }
                b'"' => self.read_string(began)?,
                b'#' => match self.byte() {
                    Some(b'(') => {
                        self.at += 1;
                        self.push(VECTOR);
                        continue;
                    }
                    Some(b';') => {
                        self.at += 1;
                        self.push(IGNORE);
                        continue;
                    }
                    _ => self.read_hash()?,
                },
                _ => {
                    self.at -= 1;
                    let token = self.token()?;
                    if token.as_bytes() == b"." {
                        if self.depth() == depth {
                            return Err(self.bad("a dot outside of a list"));
                        }
                        self.push(DOT);
                        continue;
                    }
                    self.atom(&token)?
                }
            };
            if let Some(datum) = self.complete(datum, depth)? {
                return Ok(Some(datum));
            }
        }
    }

    fn bad(&self, why: &'static str) -> Fault {
        Fault::Syntax(why, V::count(self.at))
    }

    fn push_prefix(&mut self, form: Form) {
        self.push(V::imm(Imm::Mark, PREFIX + form as u32));
    }

    /// A datum is complete: wraps it in its prefixes; answers it if nothing is open.
    fn complete(&mut self, datum: V, depth: usize) -> Result<Option<V>, Fault> {
        let mut datum = datum;
        loop {
            if self.depth() == depth {
                return Ok(Some(datum));
            }
            let mark = self.peek(0);
            if mark == IGNORE {
                self.pop();
                return Ok(None);
            }
            if !mark.is_imm(Imm::Mark) || mark.payload() < PREFIX {
                self.push(datum);
                return Ok(None);
            }
            self.set(self.sp, datum);
            self.need(4)?;
            datum = self.pop();
            let form = V::imm(
                Imm::Symbol,
                crate::names::FORMS_AT + mark.payload() - PREFIX,
            );
            datum = self.list(&[form, datum], V::NIL);
        }
    }

    /// Closes the list or vector that was opened last.
    fn close(&mut self, depth: usize) -> Result<V, Fault> {
        let open = self.depth() - depth;
        let found = (0..open).find(|n| matches!(self.peek(*n), LIST | VECTOR));
        let Some(count) = found else {
            return Err(self.bad("too many )"));
        };
        self.need(2 * count + 2)?;
        if self.peek(count) == VECTOR {
            let word = self.take(1 + count);
            self.set(word + (1 + count).next_multiple_of(2) - 1, V::NULL);
            self.set(word, V::header(kind::VECTOR, count));
            for n in (0..count).rev() {
                let item = self.pop();
                if item.is_imm(Imm::Mark) {
                    return Err(self.bad("a dot or a prefix without a datum"));
                }
                self.set(word + 1 + n, item);
            }
            self.pop();
            return Ok(V::object(word));
        }
        let mut list = V::NIL;
        for n in 0..count {
            let item = self.pop();
            if item == DOT && n == 1 && count > 2 {
                list = self.car(list);
            } else if item.is_imm(Imm::Mark) {
                return Err(self.bad("a dot or a prefix without a datum"));
            } else {
                list = self.cons(item, list);
            }
        }
        self.pop();
        Ok(list)
    }

    fn skip_blanks(&mut self) -> Result<(), Fault> {
        while let Some(byte) = self.byte() {
            match byte {
                b';' => while !matches!(self.next(), None | Some(b'\n')) {},
                b'#' => {
                    self.at += 1;
                    if self.byte() != Some(b'|') {
                        self.at -= 1;
                        return Ok(());
                    }
                    self.skip_block()?;
                }
                0..=b' ' => self.at += 1,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    fn skip_block(&mut self) -> Result<(), Fault> {
        let began = self.at - 1;
        self.at += 1;
        let mut open = 1;
        while open > 0 {
            match (self.next(), self.byte()) {
                (None, _) => return Err(Fault::Unfinished(began)),
                (Some(b'|'), Some(b'#')) => {
                    self.at += 1;
                    open -= 1;
                }
                (Some(b'#'), Some(b'|')) => {
                    self.at += 1;
                    open += 1;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn token(&mut self) -> Result<Token, Fault> {
        let mut token = Token {
            bytes: [0; NAME_LEN_MAX],
            len: 0,
        };
        while let Some(byte) = self.byte() {
            if matches!(
                byte,
                0..=b' ' | b'(' | b')' | b'[' | b']' | b'"' | b';' | b'\'' | b'`' | b','
            ) {
                break;
            }
            let Some(place) = token.bytes.get_mut(token.len) else {
                return Err(self.bad("a name longer than 64 bytes"));
            };
            *place = byte;
            token.len += 1;
            self.at += 1;
        }
        Ok(token)
    }

    fn atom(&mut self, token: &Token) -> Result<V, Fault> {
        let text = token.as_bytes();
        if let Some(number) = parse_integer(text, 10) {
            let Ok(number) = number else {
                return Err(self.bad("an integer beyond 64 bits"));
            };
            return Ok(self.integer(number));
        }
        if text[0].is_ascii_digit() {
            return Err(self.bad("not an integer"));
        }
        Ok(self.intern(text))
    }

    fn read_hash(&mut self) -> Result<V, Fault> {
        if self.byte() == Some(b'\\') {
            self.at += 1;
            return self.read_char();
        }
        let token = self.token()?;
        let radix = match token.as_bytes() {
            b"t" | b"true" => return Ok(V::TRUE),
            b"f" | b"false" => return Ok(V::FALSE),
            [b'x', ..] => 16,
            [b'b', ..] => 2,
            [b'o', ..] => 8,
            [b'd', ..] => 10,
            _ => return Err(self.bad("unknown after #")),
        };
        match parse_integer(&token.as_bytes()[1..], radix) {
            Some(Ok(number)) => Ok(self.integer(number)),
            Some(Err(())) => Err(self.bad("an integer beyond 64 bits")),
            None => Err(self.bad("not an integer")),
        }
    }

    fn read_char(&mut self) -> Result<V, Fault> {
        let from = self.at;
        let Some(first) = self.next() else {
            return Err(self.bad("a character is missing"));
        };
        // The character itself may be a delimiter; then come the other bytes of its name or code.
        let rest = if first.is_ascii_alphanumeric() || first >= 0x80 {
            self.token()?.len
        } else {
            0
        };
        let start = self.text_place.start + from;
        let name = &self.bytes()[start..=start + rest];
        let named = CHAR_NAMES
            .iter()
            .find(|(known, _)| known.as_bytes() == name);
        let text = core::str::from_utf8(name).unwrap_or_default();
        let mut chars = text.chars();
        let first = chars.next();
        match (named, first, chars.as_str()) {
            (Some((_, c)), ..) => return Ok(V::char(*c)),
            (_, Some(c), "") => return Ok(V::char(c)),
            (_, Some('x'), digits) => {
                if let Some(c) = u32::from_str_radix(digits, 16)
                    .ok()
                    .and_then(char::from_u32)
                {
                    return Ok(V::char(c));
                }
            }
            _ => {}
        }
        Err(self.bad("unknown character"))
    }

    fn read_string(&mut self, began: usize) -> Result<V, Fault> {
        let from = self.at;
        let outcome = core::cell::Cell::new(None);
        let string = self.make_text(|lisp| {
            lisp.at = from;
            lisp.find_place();
            outcome.set(lisp.put_string_body()?);
            Ok(())
        })?;
        match outcome.take() {
            None => Ok(string),
            Some("") => Err(Fault::Unfinished(began)),
            Some(why) => Err(self.bad(why)),
        }
    }

    /// Puts what stands between quotes; answers what is wrong with it.
    fn put_string_body(&mut self) -> Result<Option<&'static str>, Fault> {
        loop {
            match self.next() {
                None => return Ok(Some("")),
                Some(b'"') => return Ok(None),
                Some(b'\\') => match self.next() {
                    None => return Ok(Some("")),
                    Some(b'n') => self.put(b'\n')?,
                    Some(b't') => self.put(b'\t')?,
                    Some(b'r') => self.put(b'\r')?,
                    Some(b'a') => self.put(7)?,
                    Some(b'b') => self.put(8)?,
                    Some(b'0') => self.put(0)?,
                    Some(c @ (b'"' | b'\\' | b'|')) => self.put(c)?,
                    Some(b'x') => {
                        let mut code = 0_u32;
                        loop {
                            match self.next().map(|b| (b, (b as char).to_digit(16))) {
                                Some((_, Some(digit))) if code < 1 << 24 => {
                                    code = code * 16 + digit;
                                }
                                Some((b';', _)) => break,
                                _ => return Ok(Some("a bad \\x in a string")),
                            }
                        }
                        let Some(c) = char::from_u32(code) else {
                            return Ok(Some("a bad \\x in a string"));
                        };
                        self.put_char(c)?;
                    }
                    Some(c @ (b' ' | b'\t' | b'\n')) => {
                        let mut line_ended = c == b'\n';
                        while let Some(blank @ (b' ' | b'\t' | b'\n')) = self.byte() {
                            if blank == b'\n' {
                                if line_ended {
                                    break;
                                }
                                line_ended = true;
                            }
                            self.at += 1;
                        }
                    }
                    Some(_) => return Ok(Some("an unknown \\ in a string")),
                },
                Some(byte) => self.put(byte)?,
            }
        }
    }
}

impl Token {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The integer that a text is; none if it is not one, an error if it is too large.
pub(crate) fn parse_integer(text: &[u8], radix: u32) -> Option<Result<i64, ()>> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut sum = Ok(0_i64);
    for byte in digits {
        let digit = i64::from((*byte as char).to_digit(radix)?);
        sum = sum.and_then(|sum| {
            let tens = sum.checked_mul(i64::from(radix)).ok_or(())?;
            if negative {
                tens.checked_sub(digit)
            } else {
                tens.checked_add(digit)
            }
            .ok_or(())
        });
    }
    Some(sum)
}
