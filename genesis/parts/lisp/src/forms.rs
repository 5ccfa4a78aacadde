//! The forms: what each does, and what derived ones become when they are first evaluated.
//!
//! A derived form is rewritten in place, one level deep, out of other forms. The heads of what it
//! becomes are [`Imm::Form`] values, not symbols, so a program that binds `if` or `begin` changes
//! nothing in them.

use crate::eval::Frame;
use crate::heap::{Fault, Lisp, Reg};
use crate::names::{Builtin, Form, Name};
use crate::value::{Imm, V, kind};
use crate::world::World;

type Done = Result<(), Fault>;

/// The head of a form in analysed code.
const fn head(form: Form) -> V {
    V::imm(Imm::Form, form as u32)
}

/// The symbol of a form's name.
const fn symbol(form: Form) -> V {
    V::imm(Imm::Symbol, Name::Form(form).number())
}

/// A built-in procedure in analysed code, whatever its name is bound to.
const fn procedure(builtin: Builtin) -> V {
    V::imm(Imm::Builtin, builtin as u32)
}

impl Lisp {
    /// Evaluates a form, whose head is resolved.
    pub(crate) fn form(&mut self, code: V, form_head: V, world: &mut dyn World) -> Done {
        let Some(form) = Form::from_number(form_head.payload()) else {
            return Err(Fault::Syntax("unknown form", form_head));
        };
        let rest = self.cdr(code);
        match form {
            Form::Quote => {
                let value = self.only(rest, "quote: one datum, not")?;
                self.give(value);
                Ok(())
            }
            Form::If => {
                if !rest.is_pair() || !self.cdr(rest).is_pair() {
                    return Err(Fault::Syntax("if: a test and a branch, not", rest));
                }
                let test = self.resolve(rest.word());
                let branches = self.cdr(rest);
                if let Some(value) = self.simple(test) {
                    return self.branch(value, branches);
                }
                self.push(self.reg(Reg::Env));
                self.push(branches);
                self.push_frame(Frame::If);
                self.go(test);
                Ok(())
            }
            Form::Begin => self.sequence(rest),
            Form::Lambda => {
                self.at_least(rest, 2, "lambda: parameters and a body, not")?;
                let lambda = self.analyse(self.car(rest), self.cdr(rest), V::FALSE)?;
                // What was read before may have moved; Val holds the form.
                let code = self.reg(Reg::Val);
                self.set(code.word(), head(Form::LambdaReady));
                let rest = self.cdr(code);
                self.set(rest.word(), lambda);
                self.set(rest.word() + 1, V::NIL);
                Ok(())
            }
            Form::LambdaReady => {
                let lambda = self.car(rest);
                let closure = self.object(kind::CLOSURE, &[lambda, self.reg(Reg::Env)]);
                self.give(closure);
                Ok(())
            }
            Form::LetReady => {
                let lambda = self.car(rest);
                self.push(lambda);
                self.arguments(self.cdr(rest), 1, world)
            }
            Form::Define => self.define(rest),
            Form::Set => {
                self.exactly(rest, 2, "set!: a name and an expression, not")?;
                let place = self.resolve(rest.word());
                let is_variable = place.is_imm(Imm::Local)
                    || place.is_imm(Imm::Global)
                    || (place.is_object() && place.0 & V::GLOBAL != 0);
                if !is_variable {
                    return Err(Fault::Syntax("set!: not a name", place));
                }
                let expression = self.cdr(rest);
                let value = self.resolve(expression.word());
                self.push(self.reg(Reg::Env));
                self.push(place);
                self.push_frame(Frame::Set);
                self.go(value);
                Ok(())
            }
            Form::Let => self.let_form(rest),
            Form::Or => self.or(rest),
            Form::Case => {
                self.at_least(rest, 1, "case: a key, not")?;
                let key = self.resolve(rest.word());
                self.push(self.reg(Reg::Env));
                self.push(self.cdr(rest));
                self.push_frame(Frame::Case);
                self.go(key);
                Ok(())
            }
            Form::GuardReady => {
                let lambda = self.car(rest);
                let body = self.cdr(rest);
                self.push(self.reg(Reg::Env));
                self.push(lambda);
                self.push(self.reg(Reg::Guards));
                self.push_frame(Frame::Guard);
                let entry = V::count(self.depth());
                let guards = self.cons(entry, self.reg(Reg::Guards));
                self.set_reg(Reg::Guards, guards);
                self.go(body);
                Ok(())
            }
            Form::Delay | Form::DelayForce => {
                let expression = self.only(rest, "delay: one expression, not")?;
                let fields = [V::FALSE, expression, self.reg(Reg::Env)];
                let promise = self.object(kind::PROMISE, &fields);
                self.give(promise);
                Ok(())
            }
            Form::Guard => self.guard(rest),
            Form::DefineRecord => self.define_record(rest),
            _ => {
                let derived = self.derive(form, rest)?;
                // In place, so that it is derived once; the form may have moved.
                let code = self.reg(Reg::Val);
                self.set(code.word(), self.car(derived));
                self.set(code.word() + 1, self.cdr(derived));
                Ok(())
            }
        }
    }

    /// The value of code that takes no step of its own.
    #[inline]
    pub(crate) fn simple(&mut self, code: V) -> Option<V> {
        if code.is_pair() {
            return self.shortcut(code);
        }
        let value = if code.is_imm(Imm::Local) {
            self.get(self.local_word(code))
        } else if code.is_object() && code.0 & V::GLOBAL != 0 {
            self.field(code, 1)
        } else if code.is_imm(Imm::Form) || code.is_imm(Imm::Global) || code == V::NIL {
            return None;
        } else {
            return Some(code);
        };
        (value != V::UNBOUND).then_some(value)
    }

    /// The value of a call of a frequent procedure with plain operands, where nothing can go wrong
    /// and nothing is allocated; none: take the long way.
    pub(crate) fn shortcut(&mut self, code: V) -> Option<V> {
        let operator = self.resolve(code.word());
        let rest = self.cdr(code);
        if operator == head(Form::Quote) && rest.is_pair() {
            return Some(self.car(rest));
        }
        if !operator.is_imm(Imm::Global) || !rest.is_pair() {
            return None;
        }
        let bound = self.table_value(operator.payload());
        if !bound.is_imm(Imm::Builtin) {
            return None;
        }
        let builtin = Builtin::from_number(bound.payload())?;
        let first = self.plain(rest)?;
        let rest = self.cdr(rest);
        if rest == V::NIL {
            return Some(match builtin {
                Builtin::Car if first.is_pair() => self.car(first),
                Builtin::Cdr if first.is_pair() => self.cdr(first),
                Builtin::IsNull => V::bool(first == V::NIL),
                Builtin::IsPair => V::bool(first.is_pair()),
                Builtin::Not => V::bool(first == V::FALSE),
                Builtin::IsZero if first.is_fix() => V::bool(first == V::fix(0)),
                _ => return None,
            });
        }
        let second = self.plain(rest)?;
        if self.cdr(rest) != V::NIL {
            return None;
        }
        if builtin == Builtin::IsEq {
            return Some(V::bool(first == second));
        }
        if !first.is_fix() || !second.is_fix() {
            return None;
        }
        let (a, b) = (first.as_fix(), second.as_fix());
        match builtin {
            Builtin::Add => V::small(i64::from(a) + i64::from(b)),
            Builtin::Subtract => V::small(i64::from(a) - i64::from(b)),
            Builtin::Multiply => V::small(i64::from(a) * i64::from(b)),
            Builtin::NumEq => Some(V::bool(a == b)),
            Builtin::Less => Some(V::bool(a < b)),
            Builtin::Greater => Some(V::bool(a > b)),
            Builtin::LessEq => Some(V::bool(a <= b)),
            Builtin::GreaterEq => Some(V::bool(a >= b)),
            _ => None,
        }
    }

    /// The value of an operand that is a constant or a variable.
    #[inline]
    fn plain(&mut self, operands: V) -> Option<V> {
        if !operands.is_pair() {
            return None;
        }
        let code = self.resolve(operands.word());
        if code.is_pair() {
            None
        } else {
            self.simple(code)
        }
    }

    // Shapes of forms.

    fn at_least(&self, list: V, count: usize, why: &'static str) -> Done {
        match self.list_len(list) {
            Some(found) if found >= count => Ok(()),
            _ => Err(Fault::Syntax(why, list)),
        }
    }

    fn exactly(&self, list: V, count: usize, why: &'static str) -> Done {
        if self.list_len(list) == Some(count) {
            Ok(())
        } else {
            Err(Fault::Syntax(why, list))
        }
    }

    fn only(&self, list: V, why: &'static str) -> Result<V, Fault> {
        self.exactly(list, 1, why)?;
        Ok(self.car(list))
    }

    // Binding forms.

    /// Makes the lambda of parameters and a body; names that the body defines become its slots.
    fn analyse(&mut self, parameters: V, body: V, name: V) -> Result<V, Fault> {
        // Counted first, so that everything below can be allocated at once.
        let (mut required, mut rest) = (0, parameters);
        while rest.is_pair() {
            if !self.is_symbol(self.car(rest)) {
                return Err(Fault::Syntax("lambda: not a name", self.car(rest)));
            }
            required += 1;
            rest = self.cdr(rest);
        }
        if rest != V::NIL && !self.is_symbol(rest) {
            return Err(Fault::Syntax("lambda: not a name", rest));
        }
        let has_rest = rest != V::NIL;
        let mut defined = 0;
        self.each_definition(body, &mut |_, _| defined += 1);
        let slots = required + usize::from(has_rest) + defined;
        if slots > 0xFFF {
            return Err(Fault::Syntax("lambda: too many names", V::count(slots)));
        }
        self.push(parameters);
        self.push(body);
        self.push(name);
        let room = self.need(2 * slots + 8);
        let (name, body, parameters) = (self.pop(), self.pop(), self.pop());
        room?;
        // The names in order: parameters, the rest, definitions.
        let first = self.top;
        self.take(2 * slots);
        let mut at = first;
        let mut write = |lisp: &mut Self, symbol: V| {
            lisp.set(at, symbol);
            lisp.set(at + 1, V::pair(at + 2));
            at += 2;
        };
        let mut list = parameters;
        while list.is_pair() {
            let symbol = self.car(list);
            write(self, symbol);
            list = self.cdr(list);
        }
        if has_rest {
            write(self, list);
        }
        let mut expressions = body;
        self.each_definition(expressions, &mut |lisp, symbol| write(lisp, symbol));
        let names = if slots == 0 {
            V::NIL
        } else {
            self.set(first + 2 * slots - 1, V::NIL);
            V::pair(first)
        };
        if !expressions.is_pair() {
            expressions = V::NIL;
        }
        let shape = V::count(slots * 2 + usize::from(has_rest));
        Ok(self.object(
            kind::LAMBDA,
            &[names, V::count(required), shape, expressions, name],
        ))
    }

    /// Calls `found` with each name that a body defines at its own level.
    fn each_definition(&mut self, body: V, found: &mut dyn FnMut(&mut Self, V)) {
        let mut rest = body;
        while rest.is_pair() {
            let expression = self.car(rest);
            rest = self.cdr(rest);
            if !expression.is_pair() {
                continue;
            }
            let first = self.car(expression);
            if first == symbol(Form::Define) || first == head(Form::Define) {
                let mut target = self.cdr(expression);
                while target.is_pair() {
                    target = self.car(target);
                }
                if self.is_symbol(target) {
                    found(self, target);
                }
            } else if first == symbol(Form::DefineRecord) {
                self.each_record_name(self.cdr(expression), found);
            }
        }
    }

    fn define(&mut self, rest: V) -> Done {
        self.at_least(rest, 1, "define: a name, not")?;
        let target = self.car(rest);
        if target.is_pair() {
            // (define (name . parameters) body ...), where the name may be such a list again.
            let parameters = self.cdr(target);
            let lambda = self.cons(parameters, self.cdr(rest));
            let lambda = self.cons(head(Form::Lambda), lambda);
            let value = self.cons(lambda, V::NIL);
            self.set(rest.word(), self.car(target));
            self.set(rest.word() + 1, value);
            return Ok(());
        }
        if self.list_len(rest).is_none_or(|len| len > 2) {
            return Err(Fault::Syntax("define: a name and an expression, not", rest));
        }
        let value = self.cdr(rest);
        let is_global = self.reg(Reg::Env) == V::NIL;
        if is_global {
            if !self.is_symbol(target) {
                return Err(Fault::Syntax("define: not a name", target));
            }
            self.push(target);
            self.push_frame(Frame::Define);
        } else {
            let place = self.resolve(rest.word());
            if !place.is_imm(Imm::Local) || place.payload() >> 12 != 0 {
                return Err(Fault::Syntax("define: only at the start of a body", target));
            }
            self.push(self.reg(Reg::Env));
            self.push(place);
            self.push_frame(Frame::Set);
        }
        if value == V::NIL {
            self.give(V::UNSPECIFIED);
            return Ok(());
        }
        let code = self.resolve(value.word());
        if !is_global {
            self.name_lambda(code, target);
        }
        self.go(code);
        Ok(())
    }

    /// Gives the lambda of an inner definition its name.
    fn name_lambda(&mut self, code: V, name: V) {
        if code.is_pair() && self.car(code) == head(Form::LambdaReady) && self.is_symbol(name) {
            let lambda = self.car(self.cdr(code));
            self.set_field(lambda, 4, name);
        }
    }

    /// `let`, also with a name: becomes a lambda that is entered at once, or a loop.
    fn let_form(&mut self, rest: V) -> Done {
        self.at_least(rest, 2, "let: bindings and a body, not")?;
        let first = self.car(rest);
        if self.is_symbol(first) {
            // (let name ((x e) ...) body ...) -> ((letrec ((name (lambda (x ...) body ...))) name) e ...)
            self.at_least(rest, 3, "let: a name, bindings and a body, not")?;
        }
        let named = self.is_symbol(first);
        let tail = if named { self.cdr(rest) } else { rest };
        let bindings = self.car(tail);
        let Some(count) = self.list_len(bindings) else {
            return Err(Fault::Syntax("let: bindings are a list, not", bindings));
        };
        let mut list = bindings;
        while list.is_pair() {
            let binding = self.car(list);
            let len = self.list_len(binding).unwrap_or(0);
            if len == 0 || len > 2 || !self.is_symbol(self.car(binding)) {
                return Err(Fault::Syntax(
                    "let: a binding is (name expression), not",
                    binding,
                ));
            }
            list = self.cdr(list);
        }
        self.need(4 * count)?;
        // Val holds the form; everything else may have moved.
        let code = self.reg(Reg::Val);
        let rest = self.cdr(code);
        let tail = if named { self.cdr(rest) } else { rest };
        let bindings = self.car(tail);
        let (names, values) = (self.top, self.top + 2 * count);
        self.take(4 * count);
        let mut list = bindings;
        for n in 0..count {
            let binding = self.car(list);
            let value = self.cdr(binding);
            let value = if value.is_pair() {
                self.car(value)
            } else {
                V::UNSPECIFIED
            };
            let is_last = n + 1 == count;
            let (name_at, value_at) = (names + 2 * n, values + 2 * n);
            self.set(name_at, self.car(binding));
            self.set(
                name_at + 1,
                if is_last {
                    V::NIL
                } else {
                    V::pair(name_at + 2)
                },
            );
            self.set(value_at, value);
            self.set(
                value_at + 1,
                if is_last {
                    V::NIL
                } else {
                    V::pair(value_at + 2)
                },
            );
            list = self.cdr(list);
        }
        let names = if count == 0 { V::NIL } else { V::pair(names) };
        let values = if count == 0 { V::NIL } else { V::pair(values) };
        let body = self.cdr(tail);
        if named {
            let name = self.car(rest);
            let lambda = self.cons(names, body);
            let lambda = self.cons(head(Form::Lambda), lambda);
            let define = self.list(&[head(Form::Define), name, lambda], V::NIL);
            let operator = self.list(&[head(Form::Let), V::NIL, define, name], V::NIL);
            self.set(code.word(), operator);
            self.set(code.word() + 1, values);
            return Ok(());
        }
        self.push(values);
        let lambda = self.analyse(names, body, symbol(Form::Let));
        let values = self.pop();
        let rest = self.cons(lambda?, values);
        let code = self.reg(Reg::Val);
        self.set(code.word(), head(Form::LetReady));
        self.set(code.word() + 1, rest);
        Ok(())
    }

    /// `(guard (name clause ...) body ...)`.
    fn guard(&mut self, rest: V) -> Done {
        self.at_least(rest, 2, "guard: (name clause ...) and a body, not")?;
        let spec = self.car(rest);
        if !spec.is_pair() || !self.is_symbol(self.car(spec)) || self.list_len(spec).is_none() {
            return Err(Fault::Syntax("guard: (name clause ...), not", spec));
        }
        let name = self.car(spec);
        // What no clause takes is raised again.
        let again = self.list(&[procedure(Builtin::RaiseContinuable), name], V::NIL);
        let last = self.list(&[symbol(Form::Else), again], V::NIL);
        let last = self.cons(last, V::NIL);
        let clauses = self.append_copy(self.cdr(spec), last)?;
        let cond = self.cons(head(Form::Cond), clauses);
        let body = self.cons(cond, V::NIL);
        let spec = self.car(self.cdr(self.reg(Reg::Val)));
        let names = self.cons(self.car(spec), V::NIL);
        let lambda = self.analyse(names, body, symbol(Form::Guard))?;
        let code = self.reg(Reg::Val);
        let body = self.cdr(self.cdr(code));
        let let_body = self.cons(V::NIL, body);
        let body = self.cons(head(Form::Let), let_body);
        let rest = self.cons(lambda, body);
        self.set(code.word(), head(Form::GuardReady));
        self.set(code.word() + 1, rest);
        Ok(())
    }

    /// A copy of a proper list before `tail`; both may move, `Val` stays valid.
    fn append_copy(&mut self, list: V, tail: V) -> Result<V, Fault> {
        let count = self.list_len(list).unwrap_or(0);
        self.push(list);
        self.push(tail);
        let room = self.need(2 * count);
        let (tail, mut list) = (self.pop(), self.pop());
        room?;
        if count == 0 {
            return Ok(tail);
        }
        let first = self.top;
        self.take(2 * count);
        for n in 0..count {
            let at = first + 2 * n;
            self.set(at, self.car(list));
            self.set(
                at + 1,
                if n + 1 == count {
                    tail
                } else {
                    V::pair(at + 2)
                },
            );
            list = self.cdr(list);
        }
        Ok(V::pair(first))
    }
}
