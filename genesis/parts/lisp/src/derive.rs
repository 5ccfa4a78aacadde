//! Derived forms and records: what they become.

use crate::heap::{Fault, Lisp, Reg};
use crate::names::{Builtin, Form, Name};
use crate::value::{Imm, V, kind};

type Done = Result<(), Fault>;

const fn head(form: Form) -> V {
    V::imm(Imm::Form, form as u32)
}

const fn symbol(form: Form) -> V {
    V::imm(Imm::Symbol, Name::Form(form).number())
}

const fn procedure(builtin: Builtin) -> V {
    V::imm(Imm::Builtin, builtin as u32)
}

/// What an accessor of records does.
pub(crate) mod access {
    pub(crate) const MAKE: usize = 0;
    pub(crate) const TEST: usize = 1;
    pub(crate) const GET: usize = 2;
    pub(crate) const SET: usize = 3;
}

impl Lisp {
    /// What a derived form becomes: a new pair of head and rest. Takes what a step may take.
    pub(crate) fn derive(&mut self, form: Form, rest: V) -> Result<V, Fault> {
        let wrong = |why| Err(Fault::Syntax(why, rest));
        if self.list_len(rest).is_none() {
            return wrong("a form must be a proper list, not");
        }
        let is_pair = rest.is_pair();
        let first = if is_pair { self.car(rest) } else { V::NIL };
        let others = if is_pair { self.cdr(rest) } else { V::NIL };
        let derived = match form {
            Form::LetStar => {
                if !others.is_pair() {
                    return wrong("let*: bindings and a body, not");
                }
                if !first.is_pair() || self.cdr(first) == V::NIL {
                    return Ok(self.cons(head(Form::Let), rest));
                }
                let one = self.list(&[self.car(first)], V::NIL);
                let inner = self.cons(self.cdr(first), others);
                let inner = self.cons(head(Form::LetStar), inner);
                self.list(&[head(Form::Let), one, inner], V::NIL)
            }
            Form::Letrec | Form::LetrecStar => {
                if !others.is_pair() || self.list_len(first).is_none() {
                    return wrong("letrec: bindings and a body, not");
                }
                return self.letrec();
            }
            Form::Cond => return self.cond(rest, first, others),
            Form::When | Form::Unless => {
                if !is_pair {
                    return wrong("when: a test, not");
                }
                let body = self.cons(head(Form::Begin), others);
                let branches = if form == Form::When {
                    [body, V::UNSPECIFIED]
                } else {
                    [V::UNSPECIFIED, body]
                };
                self.list(&[head(Form::If), first, branches[0], branches[1]], V::NIL)
            }
            Form::And => {
                if !is_pair {
                    self.list(&[head(Form::Quote), V::TRUE], V::NIL)
                } else if others == V::NIL {
                    self.list(&[head(Form::Begin), first], V::NIL)
                } else {
                    let more = self.cons(head(Form::And), others);
                    self.list(&[head(Form::If), first, more, V::FALSE], V::NIL)
                }
            }
            Form::Do => return self.do_form(),
            Form::Assert => {
                if !is_pair {
                    return wrong("assert: an expression, not");
                }
                let what = self.list(&[head(Form::Quote), symbol(Form::Assert)], V::NIL);
                let error = self.list(&[procedure(Builtin::Error), what, V::FALSE], V::NIL);
                self.list(&[head(Form::If), first, V::UNSPECIFIED, error], V::NIL)
            }
            Form::Quasiquote | Form::QuasiDeep => {
                if !is_pair {
                    return wrong("quasiquote: one template, not");
                }
                let depth = if others.is_pair() {
                    self.car(others).as_fix()
                } else {
                    1
                };
                return self.quasi(first, depth);
            }
            Form::Receive => {
                if !others.is_pair() {
                    return wrong("receive: names, an expression and a body, not");
                }
                let (expression, body) = (self.car(others), self.cdr(others));
                self.call_with_values(first, expression, body)
            }
            Form::LetValues | Form::LetStarValues => {
                if !others.is_pair() {
                    return wrong("let-values: bindings and a body, not");
                }
                if !first.is_pair() {
                    let body = self.cons(V::NIL, others);
                    return Ok(self.cons(head(Form::Let), body));
                }
                let binding = self.car(first);
                if self.list_len(binding) != Some(2) {
                    return wrong("let-values: a binding is (names expression), not");
                }
                let inner = self.cons(self.cdr(first), others);
                let inner = self.cons(head(Form::LetStarValues), inner);
                let body = self.cons(inner, V::NIL);
                let (names, expression) = (self.car(binding), self.car(self.cdr(binding)));
                self.call_with_values(names, expression, body)
            }
            _ => return Err(Fault::Syntax("not an expression", symbol(form))),
        };
        Ok(derived)
    }

    /// `(call-with-values (lambda () expression) (lambda names . body))`.
    fn call_with_values(&mut self, names: V, expression: V, body: V) -> V {
        let producer = self.list(&[head(Form::Lambda), V::NIL, expression], V::NIL);
        let consumer = self.cons(names, body);
        let consumer = self.cons(head(Form::Lambda), consumer);
        self.list(
            &[procedure(Builtin::CallWithValues), producer, consumer],
            V::NIL,
        )
    }

    /// `(let () (define name expression) ... body ...)`.
    fn letrec(&mut self) -> Result<V, Fault> {
        let bindings = self.car(self.cdr(self.reg(Reg::Val)));
        let count = self.list_len(bindings).unwrap_or(0);
        self.need(4 * count)?;
        // Val holds the form; everything else may have moved.
        let rest = self.cdr(self.reg(Reg::Val));
        let (mut bindings, body) = (self.car(rest), self.cdr(rest));
        let first = self.top;
        self.take(2 * count);
        for n in 0..count {
            let define = self.cons(head(Form::Define), self.car(bindings));
            let at = first + 2 * n;
            self.set(at, define);
            self.set(
                at + 1,
                if n + 1 == count {
                    body
                } else {
                    V::pair(at + 2)
                },
            );
            bindings = self.cdr(bindings);
        }
        let body = if count == 0 { body } else { V::pair(first) };
        let let_rest = self.cons(V::NIL, body);
        Ok(self.cons(head(Form::Let), let_rest))
    }

    fn cond(&mut self, rest: V, clause: V, others: V) -> Result<V, Fault> {
        if rest == V::NIL {
            return Ok(self.list(&[head(Form::Quote), V::UNSPECIFIED], V::NIL));
        }
        if self.list_len(clause).is_none_or(|len| len == 0) {
            return Err(Fault::Syntax(
                "cond: a clause is (test expression ...), not",
                clause,
            ));
        }
        let (test, body) = (self.car(clause), self.cdr(clause));
        if test == symbol(Form::Else) {
            return Ok(self.cons(head(Form::Begin), body));
        }
        let more = self.cons(head(Form::Cond), others);
        if body == V::NIL {
            return Ok(self.list(&[head(Form::Or), test, more], V::NIL));
        }
        if self.car(body) == symbol(Form::Arrow) {
            let receiver = self.cdr(body);
            if !receiver.is_pair() {
                return Err(Fault::Syntax("cond: a procedure after =>, not", clause));
            }
            let name = symbol(Form::TestName);
            let call = self.list(&[self.car(receiver), name], V::NIL);
            let choice = self.list(&[head(Form::If), name, call, more], V::NIL);
            let binding = self.list(&[name, test], V::NIL);
            let bindings = self.list(&[binding], V::NIL);
            return Ok(self.list(&[head(Form::Let), bindings, choice], V::NIL));
        }
        let body = self.cons(head(Form::Begin), body);
        Ok(self.list(&[head(Form::If), test, body, more], V::NIL))
    }

    /// `(do ((name init step) ...) (test result ...) body ...)` becomes a named `let`.
    fn do_form(&mut self) -> Result<V, Fault> {
        let rest = self.cdr(self.reg(Reg::Val));
        let wrong = Err(Fault::Syntax(
            "do: ((name init step) ...) (test result ...), not",
            rest,
        ));
        let Some(2..) = self.list_len(rest) else {
            return wrong;
        };
        let mut list = self.car(rest);
        let end = self.car(self.cdr(rest));
        let Some(count) = self.list_len(list) else {
            return wrong;
        };
        if self.list_len(end).is_none_or(|len| len == 0) {
            return wrong;
        }
        while list.is_pair() {
            if !matches!(self.list_len(self.car(list)), Some(2..=3)) {
                return wrong;
            }
            list = self.cdr(list);
        }
        self.need(8 * count)?;
        let rest = self.cdr(self.reg(Reg::Val));
        let mut specs = self.car(rest);
        let end = self.car(self.cdr(rest));
        let body = self.cdr(self.cdr(rest));
        let (bindings, steps) = (self.top, self.top + 2 * count);
        self.take(4 * count);
        for n in 0..count {
            let spec = self.car(specs);
            let (name, more) = (self.car(spec), self.cdr(spec));
            let step = self.cdr(more);
            let step = if step.is_pair() { self.car(step) } else { name };
            let binding = self.list(&[name, self.car(more)], V::NIL);
            let is_last = n + 1 == count;
            let (bind_at, step_at) = (bindings + 2 * n, steps + 2 * n);
            self.set(bind_at, binding);
            self.set(
                bind_at + 1,
                if is_last {
                    V::NIL
                } else {
                    V::pair(bind_at + 2)
                },
            );
            self.set(step_at, step);
            self.set(
                step_at + 1,
                if is_last {
                    V::NIL
                } else {
                    V::pair(step_at + 2)
                },
            );
            specs = self.cdr(specs);
        }
        let (bindings, steps) = if count == 0 {
            (V::NIL, V::NIL)
        } else {
            (V::pair(bindings), V::pair(steps))
        };
        let name = symbol(Form::LoopName);
        let again = self.cons(name, steps);
        let again = self.list(&[again], V::NIL);
        let body_form = self.cons(head(Form::Let), V::NIL);
        let body_rest = self.cons(V::NIL, body);
        self.set(body_form.word() + 1, body_rest);
        let body = if body == V::NIL {
            again
        } else {
            self.cons(body_form, again)
        };
        let body = self.cons(head(Form::Begin), body);
        let result = self.cons(head(Form::Begin), self.cdr(end));
        let choice = self.list(&[head(Form::If), self.car(end), result, body], V::NIL);
        Ok(self.list(&[head(Form::Let), name, bindings, choice], V::NIL))
    }

    /// One level of a template: what is left of it is a template again.
    fn quasi(&mut self, template: V, depth: i32) -> Result<V, Fault> {
        let deeper = |lisp: &mut Self, template: V, depth: i32| {
            lisp.list(&[head(Form::QuasiDeep), template, V::fix(depth)], V::NIL)
        };
        if self.is(template, kind::VECTOR) {
            let len = self.len(template);
            self.need(2 * len)?;
            let template = self.car(self.cdr(self.reg(Reg::Val)));
            let mut list = V::NIL;
            for n in (0..len).rev() {
                list = self.cons(self.field(template, n), list);
            }
            let list = deeper(self, list, depth);
            return Ok(self.list(&[procedure(Builtin::ListToVector), list], V::NIL));
        }
        if !template.is_pair() {
            return Ok(self.list(&[head(Form::Quote), template], V::NIL));
        }
        let (first, rest) = (self.car(template), self.cdr(template));
        let inner = |lisp: &mut Self, name: Form, depth: i32| {
            let argument = deeper(lisp, rest, depth);
            let name = lisp.list(&[head(Form::Quote), symbol(name)], V::NIL);
            lisp.list(&[procedure(Builtin::Cons), name, argument], V::NIL)
        };
        if first == symbol(Form::Unquote) && self.list_len(rest) == Some(1) {
            return Ok(if depth == 1 {
                self.list(&[head(Form::Begin), self.car(rest)], V::NIL)
            } else {
                inner(self, Form::Unquote, depth - 1)
            });
        }
        if first == symbol(Form::Quasiquote) && self.list_len(rest) == Some(1) {
            return Ok(inner(self, Form::Quasiquote, depth + 1));
        }
        let more = deeper(self, rest, depth);
        if first.is_pair()
            && self.car(first) == symbol(Form::UnquoteSplicing)
            && self.list_len(first) == Some(2)
            && depth == 1
        {
            let spliced = self.car(self.cdr(first));
            return Ok(self.list(&[procedure(Builtin::Append), spliced, more], V::NIL));
        }
        let depth = if first.is_pair() && self.car(first) == symbol(Form::UnquoteSplicing) {
            let argument = deeper(self, self.cdr(first), depth - 1);
            let name = self.list(&[head(Form::Quote), symbol(Form::UnquoteSplicing)], V::NIL);
            let first = self.list(&[procedure(Builtin::Cons), name, argument], V::NIL);
            return Ok(self.list(&[procedure(Builtin::Cons), first, more], V::NIL));
        } else {
            depth
        };
        let one = deeper(self, first, depth);
        Ok(self.list(&[procedure(Builtin::Cons), one, more], V::NIL))
    }

    // Records.

    /// Calls `found` with each name that a record's definition binds.
    pub(crate) fn each_record_name(&mut self, rest: V, found: &mut dyn FnMut(&mut Self, V)) {
        let mut at = 0;
        let mut list = rest;
        while list.is_pair() {
            let item = self.car(list);
            match at {
                1 if item.is_pair() => found(self, self.car(item)),
                0..=2 => {
                    if self.is_symbol(item) {
                        found(self, item);
                    }
                }
                _ => {
                    let mut names = if item.is_pair() {
                        self.cdr(item)
                    } else {
                        V::NIL
                    };
                    while names.is_pair() {
                        found(self, self.car(names));
                        names = self.cdr(names);
                    }
                }
            }
            at += 1;
            list = self.cdr(list);
        }
    }

    /// `(define-record-type name (maker field ...) test (field getter setter) ...)` becomes
    /// definitions of what it names.
    pub(crate) fn define_record(&mut self, rest: V) -> Done {
        let wrong = Fault::Syntax("define-record-type: name, maker, test, fields, not", rest);
        let Some(len @ 3..) = self.list_len(rest) else {
            return Err(wrong);
        };
        let count = len - 3;
        self.need(40 * (count + 4))?;
        let rest = self.cdr(self.reg(Reg::Val));
        let wrong = Fault::Syntax("define-record-type: name, maker, test, fields, not", rest);
        let mut name = self.car(rest);
        if name.is_pair() {
            name = self.car(name);
        }
        let maker = self.car(self.cdr(rest));
        let test = self.car(self.cdr(self.cdr(rest)));
        let fields = self.cdr(self.cdr(self.cdr(rest)));
        if !self.is_symbol(name) || self.list_len(maker).is_none() && !self.is_symbol(maker) {
            return Err(wrong);
        }
        let record = self.object(kind::RECORD_TYPE, &[name, V::count(count), fields]);
        let mut body = self.definition(name, record);
        body = self.cons(body, V::NIL);
        if self.is_symbol(test) {
            let accessor = self.accessor(access::TEST, 0, record);
            let define = self.definition(test, accessor);
            body = self.cons(define, body);
        }
        let mut list = fields;
        for index in 0..count {
            let field = self.car(list);
            let mut names = if field.is_pair() {
                self.cdr(field)
            } else {
                V::NIL
            };
            for what in [access::GET, access::SET] {
                if names.is_pair() {
                    let accessor = self.accessor(what, index, record);
                    let define = self.definition(self.car(names), accessor);
                    body = self.cons(define, body);
                    names = self.cdr(names);
                }
            }
            list = self.cdr(list);
        }
        if maker.is_pair() {
            // The maker's arguments as indices of fields: a list of numbers.
            let mut order = V::NIL;
            let mut arguments = self.cdr(maker);
            let mut seen = 0;
            while arguments.is_pair() && seen <= count {
                let (mut index, mut list) = (0, fields);
                while list.is_pair() {
                    let field = self.car(list);
                    let field = if field.is_pair() {
                        self.car(field)
                    } else {
                        field
                    };
                    if field == self.car(arguments) {
                        break;
                    }
                    index += 1;
                    list = self.cdr(list);
                }
                if index == count {
                    return Err(wrong);
                }
                order = self.cons(V::count(index), order);
                arguments = self.cdr(arguments);
                seen += 1;
            }
            let what = V::count(access::MAKE);
            let accessor = self.object(kind::ACCESSOR, &[what, order, record]);
            let define = self.definition(self.car(maker), accessor);
            body = self.cons(define, body);
        }
        let code = self.reg(Reg::Val);
        self.set(code.word(), head(Form::Begin));
        self.set(code.word() + 1, body);
        Ok(())
    }

    fn accessor(&mut self, what: usize, index: usize, record: V) -> V {
        self.object(kind::ACCESSOR, &[V::count(what), V::count(index), record])
    }

    fn definition(&mut self, name: V, value: V) -> V {
        let value = self.list(&[head(Form::Quote), value], V::NIL);
        self.list(&[head(Form::Define), name, value], V::NIL)
    }

    /// Applies an accessor of records.
    pub(crate) fn access(&mut self, count: usize) -> Done {
        let accessor = self.peek(count);
        let (what, record) = (self.field(accessor, 0).as_count(), self.field(accessor, 2));
        let wrong = Err(Fault::Bad("wrong number of arguments", V::count(count)));
        let value = if what == access::MAKE {
            let mut order = self.field(accessor, 1);
            if self.list_len(order) != Some(count) {
                return wrong;
            }
            let fields = self.field(record, 1).as_count();
            self.need(fields + 4)?;
            let accessor = self.peek(count);
            let record = self.field(accessor, 2);
            order = self.field(accessor, 1);
            let word = self.take(2 + fields);
            self.set(word + (2 + fields).next_multiple_of(2) - 1, V::NULL);
            self.set(word, V::header(kind::RECORD, 1 + fields));
            self.set(word + 1, record);
            for n in 0..fields {
                self.set(word + 2 + n, V::UNSPECIFIED);
            }
            // The order is that of the arguments from the last to the first, as the stack is.
            for n in 0..count {
                self.set(word + 2 + self.car(order).as_count(), self.peek(n));
                order = self.cdr(order);
            }
            V::object(word)
        } else {
            if count != if what == access::SET { 2 } else { 1 } {
                return wrong;
            }
            let object = self.peek(count - 1);
            let fits = self.is(object, kind::RECORD) && self.field(object, 0) == record;
            let index = 1 + self.field(accessor, 1).as_count();
            if what == access::TEST {
                V::bool(fits)
            } else if !fits {
                return Err(Fault::Bad("a record of another type", object));
            } else if what == access::GET {
                self.field(object, index)
            } else {
                self.set_field(object, index, self.peek(0));
                V::UNSPECIFIED
            }
        };
        self.sp += count + 1;
        self.give(value);
        Ok(())
    }
}
