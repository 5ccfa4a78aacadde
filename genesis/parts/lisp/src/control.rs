//! Procedures that call procedures, continuations and conditions: they leave frames.

use crate::eval::Frame;
use crate::heap::{Fault, Lisp, Reg};
use crate::names::Builtin;
use crate::value::{V, kind};
use crate::world::World;

type Done = Result<(), Fault>;
/// The value of a call; none if the machine was sent elsewhere, and the arguments are dropped.
pub(crate) type Outcome = Result<Option<V>, Fault>;

impl Lisp {
    /// The nth of `count` arguments, from 0.
    #[inline]
    pub(crate) fn arg(&self, count: usize, n: usize) -> V {
        self.peek(count - 1 - n)
    }

    /// Carries out a procedure that sends the machine elsewhere.
    pub(crate) fn control(
        &mut self,
        name: Builtin,
        count: usize,
        world: &mut dyn World,
    ) -> Outcome {
        match name {
            Builtin::Apply => {
                let list = self.arg(count, count - 1);
                let Some(len) = self.list_len(list) else {
                    return Err(Fault::Bad("not a list", list));
                };
                self.need(len)?;
                // The procedure moves into the place of `apply` itself, the others follow.
                let list = self.peek(0);
                for n in (0..count).rev() {
                    let value = self.peek(n);
                    self.set(self.sp + n + 1, value);
                }
                self.sp += 2;
                let mut rest = list;
                while rest.is_pair() {
                    self.push(self.car(rest));
                    rest = self.cdr(rest);
                }
                self.apply(count - 2 + len, world)?;
            }
            Builtin::Map | Builtin::ForEach => {
                let mut lists = V::NIL;
                self.need(2 * count)?;
                for n in (1..count).rev() {
                    lists = self.cons(self.arg(count, n), lists);
                }
                self.start_map(name == Builtin::Map, lists, count, world)?;
            }
            Builtin::VectorMap
            | Builtin::VectorForEach
            | Builtin::StringForEach
            | Builtin::StringMap => {
                self.lists_of_arguments(count)?;
                let mut lists = V::NIL;
                self.need(2 * count)?;
                for n in (1..count).rev() {
                    lists = self.cons(self.arg(count, n), lists);
                }
                let maps = match name {
                    Builtin::VectorMap => Some(Frame::ToVector),
                    Builtin::StringMap => Some(Frame::ToString),
                    _ => None,
                };
                if let Some(frame) = maps {
                    // Below the arguments: their result goes there.
                    self.set_reg(Reg::Spare, lists);
                    let procedure = self.arg(count, 0);
                    self.sp += count + 1;
                    self.push_frame(frame);
                    self.push(V::NIL);
                    self.push(procedure);
                    self.start_map(true, self.reg(Reg::Spare), 1, world)?;
                } else {
                    self.start_map(false, lists, count, world)?;
                }
            }
            Builtin::Filter => {
                let (procedure, list) = (self.arg(count, 0), self.proper(self.arg(count, 1))?);
                self.sp += count + 1;
                self.push(procedure);
                self.push(list);
                self.push(V::NIL);
                self.filter_next(world)?;
            }
            Builtin::FoldLeft | Builtin::FoldRight | Builtin::Reduce => {
                let list = self.proper(self.arg(count, 2))?;
                let (procedure, start) = (self.arg(count, 0), self.arg(count, 1));
                let (list, start) = match name {
                    Builtin::Reduce if list == V::NIL => return Ok(Some(start)),
                    Builtin::Reduce => (self.cdr(list), self.car(list)),
                    Builtin::FoldRight => {
                        self.need(2 * self.list_len(list).unwrap_or(0))?;
                        (self.reversed(self.arg(count, 2)), self.arg(count, 1))
                    }
                    _ => (list, start),
                };
                let procedure = if name == Builtin::FoldRight {
                    self.arg(count, 0)
                } else {
                    procedure
                };
                self.sp += count + 1;
                self.push(procedure);
                self.push(list);
                let frame = if name == Builtin::FoldLeft {
                    Frame::Fold
                } else {
                    Frame::FoldRight
                };
                self.fold_next(frame, start, world)?;
            }
            Builtin::CallCc | Builtin::CallCcLong => {
                let words = self.depth() - 2;
                self.need(words + 4)?;
                let word = self.take(2 + words);
                self.set(word + (2 + words).next_multiple_of(2) - 1, V::NULL);
                self.set(word, V::header(kind::CONTINUATION, 1 + words));
                self.set(word + 1, self.reg(Reg::Guards));
                for n in 0..words {
                    self.set(word + 2 + n, self.peek(2 + n));
                }
                let procedure = self.peek(0);
                self.sp += 2;
                self.push(procedure);
                self.push(V::object(word));
                self.apply(1, world)?;
            }
            Builtin::Values => {
                if count == 1 {
                    return Ok(Some(self.peek(0)));
                }
                self.need(count + 2)?;
                let word = self.take(1 + count);
                self.set(word + (1 + count).next_multiple_of(2) - 1, V::NULL);
                self.set(word, V::header(kind::VALUES, count));
                for n in 0..count {
                    self.set(word + 1 + n, self.arg(count, n));
                }
                return Ok(Some(V::object(word)));
            }
            Builtin::CallWithValues => {
                let (producer, consumer) = (self.peek(1), self.peek(0));
                self.sp += 3;
                self.push(consumer);
                self.push_frame(Frame::Values);
                self.push(producer);
                self.apply(0, world)?;
            }
            Builtin::Force => {
                let promise = self.peek(0);
                if !self.is(promise, kind::PROMISE) {
                    return Ok(Some(promise));
                }
                self.sp += 2;
                self.force(promise);
            }
            Builtin::Raise | Builtin::RaiseContinuable => {
                let condition = self.peek(0);
                let handlers = self.reg(Reg::Guards);
                if name == Builtin::Raise || !handlers.is_pair() || self.car(handlers).is_fix() {
                    return Err(Fault::Raise(condition));
                }
                self.sp += 2;
                self.set_reg(Reg::Spare, condition);
                self.push(handlers);
                self.push_frame(Frame::Handler);
                self.call_handler(handlers);
            }
            Builtin::WithHandler => {
                let (handler, thunk) = (self.peek(1), self.peek(0));
                if handler.is_fix() {
                    return Err(Fault::Bad("not a procedure", handler));
                }
                self.sp += 3;
                let guards = self.reg(Reg::Guards);
                self.push(guards);
                self.push_frame(Frame::Handler);
                let guards = self.cons(handler, guards);
                self.set_reg(Reg::Guards, guards);
                self.push(thunk);
                self.apply(0, world)?;
            }
            _ => {
                return Err(Fault::Syntax(
                    "not carried out",
                    V::imm(crate::value::Imm::Builtin, name as u32),
                ));
            }
        }
        Ok(None)
    }

    /// A frame was returned to whose procedure calls procedures.
    pub(crate) fn resume_control(&mut self, frame: Frame, value: V, world: &mut dyn World) -> Done {
        match frame {
            Frame::Map => {
                let values = self.cons(value, self.peek(0));
                self.set(self.sp, values);
                self.map_next(true, world)
            }
            Frame::ForEach => self.map_next(false, world),
            Frame::Filter => {
                if value.is_true() {
                    let item = self.car(self.peek(1));
                    let values = self.cons(item, self.peek(0));
                    self.set(self.sp, values);
                }
                let list = self.cdr(self.peek(1));
                self.set(self.sp + 1, list);
                self.filter_next(world)
            }
            Frame::Fold | Frame::FoldRight => self.fold_next(frame, value, world),
            Frame::Values => {
                // The consumer on the stack is the operator; the values are its arguments.
                if !self.is(value, kind::VALUES) {
                    self.push(value);
                    return self.apply(1, world);
                }
                let count = self.len(value);
                self.need(count)?;
                let value = self.reg(Reg::Val);
                for n in 0..count {
                    self.push(self.field(value, n));
                }
                self.apply(count, world)
            }
            Frame::ToVector => {
                let count = self.list_len(value).unwrap_or(0);
                self.need(count + 2)?;
                let vector = self.vector_of(self.reg(Reg::Val), count);
                self.give(vector);
                Ok(())
            }
            Frame::ToString => {
                let string = self.string_of_chars()?;
                self.give(string);
                Ok(())
            }
            Frame::Force => {
                let promise = self.pop();
                if self.field(promise, 0) == V::TRUE {
                    let value = self.field(promise, 1);
                    self.give(value);
                } else if self.is(value, kind::PROMISE) {
                    // As R7RS chains them: the outer becomes what the inner is.
                    for n in 0..3 {
                        let field = self.field(value, n);
                        self.set_field(promise, n, field);
                    }
                    self.force(promise);
                } else {
                    self.set_field(promise, 0, V::TRUE);
                    self.set_field(promise, 1, value);
                    self.set_field(promise, 2, V::NIL);
                }
                Ok(())
            }
            _ => Err(Fault::Syntax("broken stack", V::NIL)),
        }
    }

    fn proper(&self, list: V) -> Result<V, Fault> {
        if self.list_len(list).is_some() {
            Ok(list)
        } else {
            Err(Fault::Bad("not a list", list))
        }
    }

    fn force(&mut self, promise: V) {
        if self.field(promise, 0) == V::TRUE {
            let value = self.field(promise, 1);
            self.give(value);
            return;
        }
        self.push(promise);
        self.push_frame(Frame::Force);
        let (expression, env) = (self.field(promise, 1), self.field(promise, 2));
        self.set_reg(Reg::Env, env);
        // In a list, so that a lone symbol has a place where it is resolved.
        let body = self.cons(expression, V::NIL);
        let begin = V::imm(crate::value::Imm::Form, crate::names::Form::Begin as u32);
        let code = self.cons(begin, body);
        self.go(code);
    }

    fn start_map(&mut self, maps: bool, lists: V, count: usize, world: &mut dyn World) -> Done {
        let procedure = self.arg(count, 0);
        self.sp += count + 1;
        self.push(procedure);
        self.push(lists);
        if maps {
            self.push(V::NIL);
        }
        self.map_next(maps, world)
    }

    /// On the stack: procedure, list of lists and, to map, the values so far.
    fn map_next(&mut self, maps: bool, world: &mut dyn World) -> Done {
        let at = usize::from(maps);
        let mut lists = self.peek(at);
        let mut count = 0;
        let mut ended = false;
        while lists.is_pair() {
            ended |= !self.car(lists).is_pair();
            count += 1;
            lists = self.cdr(lists);
        }
        if ended {
            let answer = if maps {
                self.reverse_in_place(self.peek(0))
            } else {
                V::UNSPECIFIED
            };
            self.sp += 2 + at;
            self.give(answer);
            return Ok(());
        }
        self.need(count)?;
        let mut lists = self.peek(at);
        let procedure = self.peek(at + 1);
        self.push_frame(if maps { Frame::Map } else { Frame::ForEach });
        self.push(procedure);
        while lists.is_pair() {
            let list = self.car(lists);
            self.push(self.car(list));
            // The list of lists is this frame's own; it may be changed.
            self.set(lists.word(), self.cdr(list));
            lists = self.cdr(lists);
        }
        self.apply(count, world)
    }

    /// On the stack: procedure, list, values so far.
    fn filter_next(&mut self, world: &mut dyn World) -> Done {
        let list = self.peek(1);
        if !list.is_pair() {
            let answer = self.reverse_in_place(self.peek(0));
            self.sp += 3;
            self.give(answer);
            return Ok(());
        }
        let procedure = self.peek(2);
        self.push_frame(Frame::Filter);
        self.push(procedure);
        self.push(self.car(list));
        self.apply(1, world)
    }

    /// On the stack: procedure, list; `value` is the sum so far.
    fn fold_next(&mut self, frame: Frame, value: V, world: &mut dyn World) -> Done {
        let list = self.peek(0);
        if !list.is_pair() {
            self.sp += 2;
            self.give(value);
            return Ok(());
        }
        let item = self.car(list);
        self.set(self.sp, self.cdr(list));
        let procedure = self.peek(1);
        self.push_frame(frame);
        self.push(procedure);
        if frame == Frame::Fold {
            self.push(value);
            self.push(item);
        } else {
            self.push(item);
            self.push(value);
        }
        self.apply(2, world)
    }

    pub(crate) fn reverse_in_place(&mut self, list: V) -> V {
        let (mut rest, mut reversed) = (list, V::NIL);
        while rest.is_pair() {
            let next = self.cdr(rest);
            self.set(rest.word() + 1, reversed);
            reversed = rest;
            rest = next;
        }
        reversed
    }

    /// A continuation replaces the stack by its own.
    pub(crate) fn reinstate(&mut self, count: usize) -> Done {
        let words = self.len(self.peek(count)) - 1;
        self.need(words + count)?;
        let continuation = self.peek(count);
        let value = if count == 1 {
            self.peek(0)
        } else {
            let word = self.take(1 + count);
            self.set(word + (1 + count).next_multiple_of(2) - 1, V::NULL);
            self.set(word, V::header(kind::VALUES, count));
            for n in 0..count {
                self.set(word + 1 + n, self.arg(count, n));
            }
            V::object(word)
        };
        self.cut(0);
        for n in (0..words).rev() {
            let saved = self.field(continuation, 1 + n);
            self.push(saved);
        }
        self.set_reg(Reg::Guards, self.field(continuation, 0));
        self.give(value);
        Ok(())
    }
}
