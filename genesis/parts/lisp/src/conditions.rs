//! Conditions: what a fault becomes, and who is told of it.

use crate::eval::Frame;
use crate::heap::{Fault, Lisp, Reg};
use crate::names::Form;
use crate::value::{Imm, V, kind};

impl Lisp {
    /// The condition that a procedure refuses a value, with the call that it was refused in.
    pub(crate) fn refusal(&mut self, why: &'static str, irritant: V, count: usize) -> Fault {
        self.push(irritant);
        let outcome = self.make_refusal(why, count);
        outcome.map_or(Fault::Memory, Fault::Raise)
    }

    /// As `refusal`; the irritant is on top of the stack, the arguments and the operator below it.
    fn make_refusal(&mut self, why: &'static str, count: usize) -> Result<V, Fault> {
        let message = self.make_text(|lisp| {
            let name = lisp.operator_name(lisp.peek(count + 1));
            if name != V::NIL {
                lisp.put_value(name, false)?;
                lisp.put_all(b": ")?;
            }
            lisp.put_all(why.as_bytes())
        })?;
        self.push(message);
        self.need(2 * count + 12)?;
        let mut form = V::NIL;
        for n in 0..count {
            form = self.cons(self.peek(2 + n), form);
        }
        let operator = self.peek(count + 2);
        let name = self.operator_name(operator);
        form = self.cons(if name == V::NIL { operator } else { name }, form);
        let irritants = self.cons(self.peek(1), V::NIL);
        Ok(self.object(kind::CONDITION, &[self.peek(0), irritants, form]))
    }

    /// What a call names as its operator: a symbol, or nothing.
    fn operator_name(&self, operator: V) -> V {
        if operator.is_imm(Imm::Builtin) {
            return V::imm(Imm::Symbol, operator.payload());
        }
        let lambda = if self.is(operator, kind::CLOSURE) {
            self.field(operator, 0)
        } else {
            operator
        };
        let name = if self.is(lambda, kind::LAMBDA) {
            self.field(lambda, 4)
        } else {
            V::NIL
        };
        if name == V::FALSE { V::NIL } else { name }
    }

    /// Makes a fault the condition that it is.
    fn condition(&mut self, fault: Fault) -> V {
        let (why, irritant) = match fault {
            Fault::Memory => return V::NO_MEMORY,
            Fault::Raise(value) => return value,
            Fault::Bad(why, irritant) | Fault::Syntax(why, irritant) => (why, irritant),
            Fault::Unfinished(at) => ("unfinished from byte", V::count(at)),
        };
        self.push(irritant);
        let made = self.make_text(|lisp| {
            lisp.put_all(why.as_bytes())?;
            lisp.put(b':')
        });
        let Ok(message) = made else {
            return V::NO_MEMORY;
        };
        let irritant = self.pop();
        let irritants = self.cons(irritant, V::NIL);
        self.object(kind::CONDITION, &[message, irritants, V::NIL])
    }

    /// Hands a fault to the innermost handler; the error is what no handler took.
    pub(crate) fn throw(&mut self, fault: Fault) -> Result<(), V> {
        let mut condition = self.condition(fault);
        loop {
            let handlers = self.reg(Reg::Guards);
            if !handlers.is_pair() {
                return Err(condition);
            }
            let handler = self.car(handlers);
            let outer = self.cdr(handlers);
            if handler.is_fix() {
                // A guard: back to where it stands, and its clauses with the condition bound.
                self.cut(handler.as_count());
                self.pop();
                let outer = self.pop();
                let lambda = self.pop();
                let env = self.pop();
                self.set_reg(Reg::Guards, outer);
                self.set_reg(Reg::Env, env);
                self.push(lambda);
                self.push(condition);
                match self.enter(1) {
                    Ok(()) => return Ok(()),
                    Err(fault) => condition = self.condition(fault),
                }
                continue;
            }
            self.set_reg(Reg::Spare, condition);
            if self.need(0).is_err() {
                self.set_reg(Reg::Guards, outer);
                continue;
            }
            let handlers = self.reg(Reg::Guards);
            self.push(handlers);
            self.push_frame(Frame::Handler);
            self.push(self.reg(Reg::Spare));
            self.push_frame(Frame::Raised);
            self.call_handler(handlers);
            return Ok(());
        }
    }

    /// Goes to call the first of the handlers with `Spare`, under the others.
    pub(crate) fn call_handler(&mut self, handlers: V) {
        let (handler, outer) = (self.car(handlers), self.cdr(handlers));
        self.set_reg(Reg::Guards, outer);
        let quote = V::imm(Imm::Form, Form::Quote as u32);
        let condition = self.list(&[quote, self.reg(Reg::Spare)], V::NIL);
        let handler = self.list(&[quote, handler], V::NIL);
        let call = self.list(&[handler, condition], V::NIL);
        self.go(call);
    }
}
