//! The machine: evaluates or returns, one step at a time, with what is yet to be done on the stack.
//!
//! Code is the list structure that the reader made. It is analysed where it stands, one level at a
//! time, when it is first evaluated: a symbol becomes the place of its variable, the head of a form
//! becomes its number, a derived form becomes what it is derived to ([`crate::forms`]). So nothing
//! here recurses, and what is never run costs nothing.

use crate::heap::{Fault, Kept, Lisp, Reg};
use crate::names::{Builtin, FORMS_AT, Form, Name};
use crate::value::{Imm, V, kind};
use crate::world::World;

/// The kinds of frames: what is on top of the stack when a value is returned. Below each lies what
/// it names, the last nearest. Numbers are saved in continuations: only append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Frame {
    /// Environment, operands left, values so far.
    Argument,
    /// Environment, expressions left.
    Sequence,
    /// Environment, the rest of the form.
    If,
    /// Symbol.
    Define,
    /// Environment, the variable's place.
    Set,
    /// Environment, expressions left.
    Or,
    /// Environment, clauses.
    Case,
    /// Procedure, list of lists, values so far.
    Map,
    /// Procedure, list of lists.
    ForEach,
    /// Procedure, list, values so far.
    Filter,
    /// Procedure, list.
    Fold,
    /// Environment, lambda of the clauses, handlers.
    Guard,
    /// Handlers.
    Handler,
    /// Condition: its handler must not return.
    Raised,
    /// Consumer of the values.
    Values,
    /// Nothing: the returned list becomes a vector.
    ToVector,
    /// Promise.
    Force,
    /// Nothing: the returned list becomes a string.
    ToString,
    /// Procedure, list: like `Fold`, with the arguments the other way round.
    FoldRight,
}

static FRAMES: [Frame; 19] = [
    Frame::Argument,
    Frame::Sequence,
    Frame::If,
    Frame::Define,
    Frame::Set,
    Frame::Or,
    Frame::Case,
    Frame::Map,
    Frame::ForEach,
    Frame::Filter,
    Frame::Fold,
    Frame::Guard,
    Frame::Handler,
    Frame::Raised,
    Frame::Values,
    Frame::ToVector,
    Frame::Force,
    Frame::ToString,
    Frame::FoldRight,
];

type Done = Result<(), Fault>;

impl Lisp {
    /// Evaluates a datum as a program would; the error is what was raised.
    pub(crate) fn evaluate(&mut self, datum: V, world: &mut dyn World) -> Result<V, V> {
        self.cut(0);
        self.set_reg(Reg::Env, V::NIL);
        self.set_reg(Reg::Guards, V::NIL);
        self.set_reg(Reg::Val, datum);
        // In a list, so that a lone symbol has a place where it is resolved.
        if self.need(0).is_err() {
            return Err(V::NO_MEMORY);
        }
        let body = self.cons(self.reg(Reg::Val), V::NIL);
        let code = V::imm(Imm::Form, Form::Begin as u32);
        let code = self.cons(code, body);
        self.set_reg(Reg::Val, code);
        self.returning = false;
        self.run(world)
    }

    /// Calls a procedure with the arguments that were pushed after it.
    pub(crate) fn call(&mut self, count: usize, world: &mut dyn World) -> Result<V, V> {
        self.set_reg(Reg::Env, V::NIL);
        self.set_reg(Reg::Guards, V::NIL);
        if let Err(fault) = self.apply(count, world) {
            self.throw(fault)?;
        }
        self.run(world)
    }

    /// Runs until nothing is left to do.
    fn run(&mut self, world: &mut dyn World) -> Result<V, V> {
        loop {
            if self.returning && self.depth() == 0 {
                return Ok(self.reg(Reg::Val));
            }
            let step = match self.need(0) {
                Ok(()) if self.returning => self.resume(world),
                Ok(()) => self.step(world),
                Err(fault) => Err(fault),
            };
            if let Err(fault) = step {
                self.throw(fault)?;
            }
        }
    }

    #[inline]
    pub(crate) fn give(&mut self, value: V) {
        self.set_reg(Reg::Val, value);
        self.returning = true;
    }

    #[inline]
    pub(crate) fn go(&mut self, code: V) {
        self.set_reg(Reg::Val, code);
        self.returning = false;
    }

    #[inline]
    pub(crate) fn push_frame(&mut self, frame: Frame) {
        self.push(V::imm(Imm::Frame, frame as u32));
    }

    /// One step of evaluating what is in `Val`.
    fn step(&mut self, world: &mut dyn World) -> Done {
        let code = self.reg(Reg::Val);
        if !code.is_pair() {
            let value = self.value_of(code)?;
            self.give(value);
            return Ok(());
        }
        let head = self.resolve(code.word());
        if head.is_imm(Imm::Form) {
            return self.form(code, head, world);
        }
        self.arguments(code, 0, world)
    }

    /// The code at a word of the slab; a symbol there is replaced by its variable's place.
    #[inline]
    pub(crate) fn resolve(&mut self, word: usize) -> V {
        let code = self.get(word);
        if code.is_imm(Imm::Symbol) || (code.is_object() && code.0 & V::GLOBAL == 0) {
            return self.resolve_symbol(word, code);
        }
        code
    }

    fn resolve_symbol(&mut self, word: usize, code: V) -> V {
        if !self.is_symbol(code) {
            return code;
        }
        let mut env = self.reg(Reg::Env);
        let mut depth = 0;
        while env != V::NIL {
            let (mut names, mut index) = (self.field(env, 1), 0);
            while names.is_pair() {
                if self.car(names) == code {
                    let place = V::imm(Imm::Local, (depth << 12) | index);
                    self.set(word, place);
                    return place;
                }
                names = self.cdr(names);
                index += 1;
            }
            env = self.field(env, 0);
            depth += 1;
        }
        let place = if code.is_object() {
            V(code.0 | V::GLOBAL)
        } else {
            let number = code.payload();
            if number >= FORMS_AT && self.table_value(number) == V::UNBOUND {
                V::imm(Imm::Form, number - FORMS_AT)
            } else {
                V::imm(Imm::Global, number)
            }
        };
        self.set(word, place);
        place
    }

    /// The word that a local variable's place means here.
    pub(crate) fn local_word(&self, place: V) -> usize {
        let mut env = self.reg(Reg::Env);
        for _ in 0..place.payload() >> 12 {
            env = self.field(env, 0);
        }
        env.word() + 3 + (place.payload() & 0xFFF) as usize
    }

    /// The value of code that is not a list.
    #[inline]
    fn value_of(&mut self, code: V) -> Result<V, Fault> {
        let value = if code.is_imm(Imm::Local) {
            self.get(self.local_word(code))
        } else if code.is_object() && code.0 & V::GLOBAL != 0 {
            self.field(code, 1)
        } else if code.is_imm(Imm::Global) {
            self.table_value(code.payload())
        } else if code == V::NIL || code.is_imm(Imm::Form) {
            return Err(Fault::Syntax("not an expression", code));
        } else {
            return Ok(code);
        };
        if value == V::UNBOUND {
            Err(self.unbound(code))
        } else {
            Ok(value)
        }
    }

    fn unbound(&self, place: V) -> Fault {
        let name = if place.is_imm(Imm::Local) {
            let mut env = self.reg(Reg::Env);
            for _ in 0..place.payload() >> 12 {
                env = self.field(env, 0);
            }
            let mut names = self.field(env, 1);
            for _ in 0..place.payload() & 0xFFF {
                names = self.cdr(names);
            }
            self.car(names)
        } else if place.is_imm(Imm::Global) {
            V::imm(Imm::Symbol, place.payload())
        } else {
            V(place.0 & !V::GLOBAL)
        };
        Fault::Syntax("unbound variable", name)
    }

    /// Evaluates operands from `rest` on, of which `count` values (the operator's first) are pushed.
    pub(crate) fn arguments(&mut self, rest: V, count: usize, world: &mut dyn World) -> Done {
        let (mut rest, mut count) = (rest, count);
        while rest.is_pair() {
            let code = self.resolve(rest.word());
            if code.is_pair() {
                if let Some(value) = self.shortcut(code) {
                    self.push(value);
                } else {
                    self.push(self.reg(Reg::Env));
                    self.push(self.cdr(rest));
                    self.push(V::count(count));
                    self.push_frame(Frame::Argument);
                    self.go(code);
                    return Ok(());
                }
            } else {
                let value = self.value_of(code)?;
                self.push(value);
            }
            count += 1;
            rest = self.cdr(rest);
            if count % 8 == 0 {
                self.set_reg(Reg::Val, rest);
                self.need(0)?;
                rest = self.reg(Reg::Val);
            }
        }
        if rest != V::NIL {
            return Err(Fault::Syntax("a call must be a proper list", rest));
        }
        self.apply(count - 1, world)
    }

    /// Applies the procedure below the `count` topmost words to them.
    pub(crate) fn apply(&mut self, count: usize, world: &mut dyn World) -> Done {
        let operator = self.peek(count);
        let outcome = if operator.is_imm(Imm::Builtin) {
            self.apply_builtin(operator, count, world)
        } else if !operator.is_object() {
            Err(Fault::Bad("not a procedure", operator))
        } else {
            match self.get(operator.word()).kind() {
                kind::CLOSURE | kind::LAMBDA => self.enter(count),
                kind::CONTINUATION => self.reinstate(count),
                kind::ACCESSOR => self.access(count),
                _ => Err(Fault::Bad("not a procedure", operator)),
            }
        };
        match outcome {
            Err(Fault::Bad(why, irritant)) => Err(self.refusal(why, irritant, count)),
            other => other,
        }
    }

    fn apply_builtin(&mut self, operator: V, count: usize, world: &mut dyn World) -> Done {
        let Some(builtin) = Builtin::from_number(operator.payload()) else {
            return Err(Fault::Bad("not a procedure", operator));
        };
        if !builtin.takes(count) {
            return Err(Fault::Bad("wrong number of arguments", V::count(count)));
        }
        if let Some(value) = self.builtin(builtin, count, world)? {
            self.sp += count + 1;
            self.give(value);
        }
        Ok(())
    }

    /// Binds the arguments to the names of a closure, or of a `let`, and goes to its body.
    pub(crate) fn enter(&mut self, count: usize) -> Done {
        let operator = self.peek(count);
        let is_closure = self.get(operator.word()).kind() == kind::CLOSURE;
        let lambda = if is_closure {
            self.field(operator, 0)
        } else {
            operator
        };
        let required = self.field(lambda, 1).as_count();
        let shape = self.field(lambda, 2).as_count();
        let (slots, has_rest) = (shape >> 1, shape & 1 == 1);
        if count < required || (count > required && !has_rest) {
            return Err(Fault::Bad("wrong number of arguments", V::count(count)));
        }
        self.need(4 + slots + 2 * (count - required))?;
        // What was read before lies elsewhere now, if that collected.
        let operator = self.peek(count);
        let (lambda, parent) = if is_closure {
            (self.field(operator, 0), self.field(operator, 1))
        } else {
            (operator, self.reg(Reg::Env))
        };
        let mut rest = V::NIL;
        for n in 0..count - required {
            rest = self.cons(self.peek(n), rest);
        }
        let word = self.take(3 + slots);
        self.set(word + (3 + slots).next_multiple_of(2) - 1, V::NULL);
        self.set(word, V::header(kind::ENV, 2 + slots));
        self.set(word + 1, parent);
        self.set(word + 2, self.field(lambda, 0));
        for n in 0..slots {
            let value = match n {
                _ if n < required => self.peek(count - 1 - n),
                _ if n == required && has_rest => rest,
                _ => V::UNBOUND,
            };
            self.set(word + 3 + n, value);
        }
        self.sp += count + 1;
        self.set_reg(Reg::Env, V::object(word));
        self.sequence(self.field(lambda, 3))
    }

    /// Evaluates expressions in order, the last one in place of the whole.
    #[expect(clippy::unnecessary_wraps, reason = "an end of steps that may fail")]
    pub(crate) fn sequence(&mut self, body: V) -> Done {
        if !body.is_pair() {
            self.give(V::UNSPECIFIED);
            return Ok(());
        }
        let code = self.resolve(body.word());
        let rest = self.cdr(body);
        if rest != V::NIL {
            self.push(self.reg(Reg::Env));
            self.push(rest);
            self.push_frame(Frame::Sequence);
        }
        self.go(code);
        Ok(())
    }

    /// Goes on with what the topmost frame waits for.
    fn resume(&mut self, world: &mut dyn World) -> Done {
        let top = self.pop();
        let Some(frame) = FRAMES.get(top.payload() as usize).copied() else {
            return Err(Fault::Syntax("broken stack", V::NIL));
        };
        let value = self.reg(Reg::Val);
        match frame {
            Frame::Argument => {
                let count = self.pop().as_count();
                let rest = self.pop();
                let env = self.pop();
                self.set_reg(Reg::Env, env);
                self.push(value);
                self.arguments(rest, count + 1, world)
            }
            Frame::Sequence => {
                let rest = self.pop();
                let env = self.pop();
                self.set_reg(Reg::Env, env);
                self.sequence(rest)
            }
            Frame::If => {
                let branches = self.pop();
                let env = self.pop();
                self.set_reg(Reg::Env, env);
                self.branch(value, branches)
            }
            Frame::Define => {
                let symbol = self.pop();
                self.name_closure(value, symbol);
                self.set_global(symbol, value);
                self.give(symbol);
                Ok(())
            }
            Frame::Set => {
                let place = self.pop();
                let env = self.pop();
                self.set_reg(Reg::Env, env);
                self.assign(place, value)
            }
            Frame::Or => {
                let rest = self.pop();
                let env = self.pop();
                self.set_reg(Reg::Env, env);
                if value.is_true() {
                    return Ok(());
                }
                self.or(rest)
            }
            Frame::Case => {
                let clauses = self.pop();
                let env = self.pop();
                self.set_reg(Reg::Env, env);
                self.case(value, clauses, world)
            }
            Frame::Guard => {
                let handlers = self.pop();
                self.sp += 2;
                self.set_reg(Reg::Guards, handlers);
                Ok(())
            }
            Frame::Handler => {
                let handlers = self.pop();
                self.set_reg(Reg::Guards, handlers);
                Ok(())
            }
            Frame::Raised => {
                self.pop();
                Err(Fault::Syntax("a handler of `raise` returned", value))
            }
            Frame::Map
            | Frame::ForEach
            | Frame::Filter
            | Frame::Fold
            | Frame::FoldRight
            | Frame::Values
            | Frame::ToVector
            | Frame::ToString
            | Frame::Force => self.resume_control(frame, value, world),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "an end of steps that may fail")]
    pub(crate) fn branch(&mut self, test: V, branches: V) -> Done {
        let chosen = if test.is_true() {
            branches
        } else {
            self.cdr(branches)
        };
        if chosen.is_pair() {
            let code = self.resolve(chosen.word());
            self.go(code);
        } else {
            self.give(V::UNSPECIFIED);
        }
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "an end of steps that may fail")]
    pub(crate) fn or(&mut self, rest: V) -> Done {
        if !rest.is_pair() {
            self.give(V::FALSE);
            return Ok(());
        }
        let code = self.resolve(rest.word());
        let left = self.cdr(rest);
        if left != V::NIL {
            self.push(self.reg(Reg::Env));
            self.push(left);
            self.push_frame(Frame::Or);
        }
        self.go(code);
        Ok(())
    }

    /// Changes the variable at a place.
    pub(crate) fn assign(&mut self, place: V, value: V) -> Done {
        if place.is_imm(Imm::Local) {
            let word = self.local_word(place);
            self.set(word, value);
        } else {
            let symbol = if place.is_imm(Imm::Global) {
                V::imm(Imm::Symbol, place.payload())
            } else {
                V(place.0 & !V::GLOBAL)
            };
            if self.global(symbol) == V::UNBOUND {
                return Err(self.unbound(place));
            }
            self.set_global(symbol, value);
        }
        self.give(V::UNSPECIFIED);
        Ok(())
    }

    pub(crate) fn name_closure(&mut self, value: V, symbol: V) {
        if self.is(value, kind::CLOSURE) {
            let lambda = self.field(value, 0);
            if self.field(lambda, 4) == V::FALSE {
                self.set_field(lambda, 4, symbol);
            }
        }
    }

    /// Goes to the clause of a `case` that has the key.
    fn case(&mut self, key: V, clauses: V, world: &mut dyn World) -> Done {
        let mut rest = clauses;
        while rest.is_pair() {
            let clause = self.car(rest);
            if !clause.is_pair() {
                return Err(Fault::Syntax("case: a clause is not a list", clause));
            }
            let mut data = self.car(clause);
            let is_else = data == V::imm(Imm::Symbol, Name::Form(Form::Else).number());
            while data.is_pair() && !self.is_eqv(self.car(data), key) {
                data = self.cdr(data);
            }
            if is_else || data.is_pair() {
                let body = self.cdr(clause);
                let arrow = V::imm(Imm::Symbol, Name::Form(Form::Arrow).number());
                if body.is_pair() && self.car(body) == arrow {
                    // The key stands as an operand that is quoted.
                    let quoted = V::imm(Imm::Form, Form::Quote as u32);
                    let quoted = self.list(&[quoted, key], V::NIL);
                    let receiver = self.cdr(body);
                    let call = self.list(&[self.car(receiver), quoted], V::NIL);
                    return self.arguments(call, 0, world);
                }
                return self.sequence(body);
            }
            rest = self.cdr(rest);
        }
        self.give(V::UNSPECIFIED);
        Ok(())
    }

    // Agents.

    /// The procedure that was given for a channel.
    pub(crate) fn handler(&self, channel: &[u8]) -> Option<V> {
        let mut list = self.kept(Kept::Handlers);
        while list.is_pair() {
            let entry = self.car(list);
            if self.text(self.car(entry)) == channel {
                return Some(self.cdr(entry));
            }
            list = self.cdr(list);
        }
        None
    }
}
