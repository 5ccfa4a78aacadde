//! Pairs, lists, vectors and what is the same.

use crate::control::Outcome;
use crate::heap::{Fault, Lisp};
use crate::names::Builtin;
use crate::value::{V, kind};

impl Lisp {
    fn pair_of(value: V) -> Result<V, Fault> {
        if value.is_pair() {
            Ok(value)
        } else {
            Err(Fault::Bad("not a pair", value))
        }
    }

    /// `path` is read from its lowest bit: 1 is car, 2 is cdr.
    fn walk(&self, value: V, path: u32) -> Result<V, Fault> {
        let (mut at, mut path) = (value, path);
        while path != 0 {
            if !at.is_pair() {
                return Err(Fault::Bad("not a pair", at));
            }
            at = if path & 3 == 1 {
                self.car(at)
            } else {
                self.cdr(at)
            };
            path >>= 2;
        }
        Ok(at)
    }

    pub(crate) fn index_of(&self, value: V) -> Result<usize, Fault> {
        match self.as_integer(value).map(usize::try_from) {
            Some(Ok(index)) => Ok(index),
            _ => Err(Fault::Bad("not an index", value)),
        }
    }

    pub(crate) fn len_of(&self, list: V) -> Result<usize, Fault> {
        self.list_len(list).ok_or(Fault::Bad("not a list", list))
    }

    fn vector_arg(&self, value: V) -> Result<V, Fault> {
        if self.is(value, kind::VECTOR) {
            Ok(value)
        } else {
            Err(Fault::Bad("not a vector", value))
        }
    }

    /// The range that optional arguments from the nth on give.
    pub(crate) fn range(
        &self,
        count: usize,
        n: usize,
        len: usize,
    ) -> Result<(usize, usize), Fault> {
        let from = if count > n {
            self.index_of(self.arg(count, n))?
        } else {
            0
        };
        let to = if count > n + 1 {
            self.index_of(self.arg(count, n + 1))?
        } else {
            len
        };
        if to > len {
            return Err(Fault::Bad("out of range", self.arg(count, n + 1)));
        }
        if from > to {
            return Err(Fault::Bad("out of range", self.arg(count, n)));
        }
        Ok((from, to))
    }

    pub(crate) fn reversed(&mut self, list: V) -> V {
        let (mut rest, mut answer) = (list, V::NIL);
        while rest.is_pair() {
            answer = self.cons(self.car(rest), answer);
            rest = self.cdr(rest);
        }
        answer
    }

    /// A vector of the first `count` of a list.
    pub(crate) fn vector_of(&mut self, list: V, count: usize) -> V {
        let word = self.take(1 + count);
        self.set(word + (1 + count).next_multiple_of(2) - 1, V::NULL);
        self.set(word, V::header(kind::VECTOR, count));
        let mut rest = list;
        for n in 0..count {
            self.set(word + 1 + n, self.car(rest));
            rest = self.cdr(rest);
        }
        V::object(word)
    }

    /// The nth tail of a list.
    fn tail(&self, list: V, n: V) -> Result<V, Fault> {
        let mut rest = list;
        for _ in 0..self.index_of(n)? {
            if !rest.is_pair() {
                return Err(Fault::Bad("out of range", n));
            }
            rest = self.cdr(rest);
        }
        Ok(rest)
    }

    pub(crate) fn is_eqv(&self, a: V, b: V) -> bool {
        a == b
            || (self.is(a, kind::LONG)
                && self.is(b, kind::LONG)
                && self.as_integer(a) == self.as_integer(b))
            || (self.is_empty(a) && self.is_empty(b) && self.get(a.word()) == self.get(b.word()))
    }

    /// Empty strings and vectors are the same, whichever they are.
    fn is_empty(&self, value: V) -> bool {
        (self.is(value, kind::STRING) || self.is(value, kind::VECTOR)) && self.len(value) == 0
    }

    /// Whether two values look the same; what is yet to be compared lies on the stack.
    pub(crate) fn is_equal(&mut self, a: V, b: V) -> Result<bool, Fault> {
        let depth = self.depth();
        self.push(a);
        self.push(b);
        while self.depth() > depth {
            let (b, a) = (self.pop(), self.pop());
            if self.is_eqv(a, b) {
                continue;
            }
            let mut same = false;
            if a.is_pair() && b.is_pair() {
                self.push(a);
                self.push(b);
                self.need(4)?;
                let (b, a) = (self.pop(), self.pop());
                self.push(self.cdr(a));
                self.push(self.cdr(b));
                self.push(self.car(a));
                self.push(self.car(b));
                same = true;
            } else if self.is(a, kind::STRING) && self.is(b, kind::STRING) {
                same = self.text(a) == self.text(b);
            } else if self.is(a, kind::VECTOR) && self.is(b, kind::VECTOR) {
                let len = self.len(a);
                if len == self.len(b) {
                    self.push(a);
                    self.push(b);
                    self.need(2 * len)?;
                    let (b, a) = (self.pop(), self.pop());
                    for n in 0..len {
                        self.push(self.field(a, n));
                        self.push(self.field(b, n));
                    }
                    same = true;
                }
            }
            if !same {
                self.cut(depth);
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_same(&mut self, how: Builtin, a: V, b: V) -> Result<bool, Fault> {
        match how {
            Builtin::Memq | Builtin::Assq => Ok(a == b),
            Builtin::Memv | Builtin::Assv => Ok(self.is_eqv(a, b)),
            _ => self.is_equal(a, b),
        }
    }

    /// `memq`, `assq` and their kin: the key is below the list, which is on top of the stack.
    fn find(&mut self, how: Builtin) -> Outcome {
        let pairs = matches!(how, Builtin::Assq | Builtin::Assv | Builtin::Assoc);
        while self.peek(0).is_pair() {
            let list = self.peek(0);
            let item = self.car(list);
            let found = if pairs {
                let item = Self::pair_of(item)?;
                self.is_same(how, self.peek(1), self.car(item))?
            } else {
                self.is_same(how, self.peek(1), item)?
            };
            let list = self.peek(0);
            if found {
                return Ok(Some(if pairs { self.car(list) } else { list }));
            }
            self.set(self.sp, self.cdr(list));
        }
        if self.peek(0) != V::NIL {
            return Err(Fault::Bad("not a list", self.peek(0)));
        }
        Ok(Some(V::FALSE))
    }

    fn append(&mut self, count: usize) -> Outcome {
        if count == 0 {
            return Ok(Some(V::NIL));
        }
        let mut words = 0;
        for n in 0..count - 1 {
            words += 2 * self.len_of(self.arg(count, n))?;
        }
        self.need(words)?;
        let last = self.arg(count, count - 1);
        let (mut first, mut end) = (last, None);
        for n in 0..count - 1 {
            let mut list = self.arg(count, n);
            while list.is_pair() {
                let pair = self.cons(self.car(list), last);
                match end {
                    None => first = pair,
                    Some(end) => self.set(end + 1, pair),
                }
                end = Some(pair.word());
                list = self.cdr(list);
            }
        }
        Ok(Some(first))
    }

    /// Carries out a procedure of lists, vectors or sameness.
    pub(crate) fn lists(&mut self, name: Builtin, count: usize) -> Outcome {
        let first = if count > 0 {
            self.arg(count, 0)
        } else {
            V::NIL
        };
        let second = if count > 1 {
            self.arg(count, 1)
        } else {
            V::NIL
        };
        let value = match name {
            Builtin::Cons => self.cons(first, second),
            Builtin::Car => self.walk(first, 1)?,
            Builtin::Cdr => self.walk(first, 2)?,
            Builtin::Caar => self.walk(first, 0b0101)?,
            Builtin::Cadr => self.walk(first, 0b0110)?,
            Builtin::Cdar => self.walk(first, 0b1001)?,
            Builtin::Cddr => self.walk(first, 0b1010)?,
            Builtin::Caddr => self.walk(first, 0b01_1010)?,
            Builtin::Cdddr => self.walk(first, 0b10_1010)?,
            Builtin::Cdadr => self.walk(first, 0b10_0110)?,
            Builtin::Cadddr => self.walk(first, 0b0110_1010)?,
            Builtin::Cddddr => self.walk(first, 0b1010_1010)?,
            Builtin::SetCar => {
                self.set(Self::pair_of(first)?.word(), second);
                V::UNSPECIFIED
            }
            Builtin::SetCdr => {
                self.set(Self::pair_of(first)?.word() + 1, second);
                V::UNSPECIFIED
            }
            Builtin::List | Builtin::ListStar => {
                self.need(2 * count)?;
                let (mut list, from) = if name == Builtin::List {
                    (V::NIL, 0)
                } else {
                    (self.peek(0), 1)
                };
                for n in from..count {
                    list = self.cons(self.peek(n), list);
                }
                list
            }
            Builtin::Length => V::count(self.len_of(first)?),
            Builtin::Append => return self.append(count),
            Builtin::Reverse | Builtin::ListCopy => {
                let words = 2 * self.len_of(first)?;
                self.need(words)?;
                let reversed = self.reversed(self.arg(count, 0));
                if name == Builtin::Reverse {
                    reversed
                } else {
                    self.reverse_twice(reversed)
                }
            }
            Builtin::ListTail => self.tail(first, second)?,
            Builtin::ListRef | Builtin::ListSet => {
                let tail = self.tail(first, second)?;
                if !tail.is_pair() {
                    return Err(Fault::Bad("out of range", second));
                }
                if name == Builtin::ListSet {
                    self.set(tail.word(), self.arg(count, 2));
                    V::UNSPECIFIED
                } else {
                    self.car(tail)
                }
            }
            Builtin::LastPair => {
                let mut pair = Self::pair_of(first)?;
                self.len_of(first)?;
                while self.cdr(pair).is_pair() {
                    pair = self.cdr(pair);
                }
                pair
            }
            Builtin::Memq
            | Builtin::Memv
            | Builtin::Member
            | Builtin::Assq
            | Builtin::Assv
            | Builtin::Assoc => return self.find(name),
            Builtin::Delete => return self.delete(count),
            Builtin::IsNull => V::bool(first == V::NIL),
            Builtin::IsPair => V::bool(first.is_pair()),
            Builtin::IsList => V::bool(self.list_len(first).is_some()),
            Builtin::Iota => return self.iota(count),
            Builtin::MakeList => {
                let len = self.index_of(first)?;
                self.need(len.saturating_mul(2))?;
                let fill = if count > 1 {
                    self.arg(count, 1)
                } else {
                    V::UNSPECIFIED
                };
                (0..len).fold(V::NIL, |list, _| self.cons(fill, list))
            }
            Builtin::IsEq => V::bool(first == second),
            Builtin::IsEqv => V::bool(self.is_eqv(first, second)),
            Builtin::IsEqual => V::bool(self.is_equal(first, second)?),
            Builtin::Not => V::bool(first == V::FALSE),
            Builtin::IsBoolean => V::bool(first == V::TRUE || first == V::FALSE),
            Builtin::SymbolEq | Builtin::BooleanEq => {
                V::bool((1..count).all(|n| self.arg(count, n) == first))
            }
            Builtin::IsVector => V::bool(self.is(first, kind::VECTOR)),
            Builtin::Vector | Builtin::MakeVector => {
                let len = if name == Builtin::Vector {
                    count
                } else {
                    self.index_of(first)?
                };
                self.need(len.saturating_add(2))?;
                let fill = if count > 1 {
                    self.arg(count, 1)
                } else {
                    V::fix(0)
                };
                let word = self.take(1 + len);
                self.set(word + (1 + len).next_multiple_of(2) - 1, V::NULL);
                self.set(word, V::header(kind::VECTOR, len));
                for n in 0..len {
                    let value = if name == Builtin::Vector {
                        self.arg(count, n)
                    } else {
                        fill
                    };
                    self.set(word + 1 + n, value);
                }
                V::object(word)
            }
            Builtin::VectorLength => V::count(self.len(self.vector_arg(first)?)),
            Builtin::VectorRef | Builtin::VectorSet => {
                let len = self.len(self.vector_arg(first)?);
                let index = self.index_of(second)?;
                if index >= len {
                    return Err(Fault::Bad("out of range", second));
                }
                if name == Builtin::VectorRef {
                    self.field(first, index)
                } else {
                    self.set_field(first, index, self.arg(count, 2));
                    V::UNSPECIFIED
                }
            }
            Builtin::VectorToList | Builtin::VectorCopy => {
                let len = self.len(self.vector_arg(first)?);
                let (from, to) = self.range(count, 1, len)?;
                self.need(4 * (to - from) + 2)?;
                let vector = self.arg(count, 0);
                let list = (from..to)
                    .rev()
                    .fold(V::NIL, |list, n| self.cons(self.field(vector, n), list));
                if name == Builtin::VectorCopy {
                    self.vector_of(list, to - from)
                } else {
                    list
                }
            }
            Builtin::ListToVector => {
                let len = self.len_of(first)?;
                self.need(len + 2)?;
                self.vector_of(self.arg(count, 0), len)
            }
            Builtin::VectorFill => {
                for n in 0..self.len(self.vector_arg(first)?) {
                    self.set_field(first, n, second);
                }
                V::UNSPECIFIED
            }
            _ => return self.vector_append(count),
        };
        Ok(Some(value))
    }

    fn reverse_twice(&mut self, list: V) -> V {
        self.reverse_in_place(list)
    }

    fn vector_append(&mut self, count: usize) -> Outcome {
        let mut len = 0;
        for n in 0..count {
            len += self.len(self.vector_arg(self.arg(count, n))?);
        }
        self.need(len + 2)?;
        let word = self.take(1 + len);
        self.set(word + (1 + len).next_multiple_of(2) - 1, V::NULL);
        self.set(word, V::header(kind::VECTOR, len));
        let mut at = word + 1;
        for n in 0..count {
            let vector = self.arg(count, n);
            for i in 0..self.len(vector) {
                self.set(at, self.field(vector, i));
                at += 1;
            }
        }
        Ok(Some(V::object(word)))
    }

    fn delete(&mut self, count: usize) -> Outcome {
        self.len_of(self.arg(count, 1))?;
        // Beside the arguments: what is kept so far.
        self.push(V::NIL);
        while self.peek(1).is_pair() {
            let item = self.car(self.peek(1));
            if !self.is_equal(self.peek(2), item)? {
                self.need(2)?;
                let item = self.car(self.peek(1));
                let kept = self.cons(item, self.peek(0));
                self.set(self.sp, kept);
            }
            let rest = self.cdr(self.peek(1));
            self.set(self.sp + 1, rest);
        }
        let kept = self.pop();
        Ok(Some(self.reverse_in_place(kept)))
    }

    fn iota(&mut self, count: usize) -> Outcome {
        let len = self.index_of(self.arg(count, 0))?;
        let number = |lisp: &Self, n: usize, default: i64| {
            if count <= n {
                return Ok(default);
            }
            let value = lisp.arg(count, n);
            lisp.as_integer(value)
                .ok_or(Fault::Bad("not an integer", value))
        };
        let (start, step) = (number(self, 1, 0)?, number(self, 2, 1)?);
        self.need(len.saturating_mul(6))?;
        let mut list = V::NIL;
        for n in (0..len as i64).rev() {
            let Some(item) = n.checked_mul(step).and_then(|sum| sum.checked_add(start)) else {
                return Err(Fault::Bad("overflow", self.arg(count, 0)));
            };
            let item = self.integer(item);
            list = self.cons(item, list);
        }
        Ok(Some(list))
    }
}
