//! Which procedure is carried out where.

use crate::control::Outcome;
use crate::heap::{Fault, Kept, Lisp, Reg};
use crate::names::{Builtin, Form};
use crate::value::{Imm, V, kind};
use crate::world::World;

impl Lisp {
    /// Carries out a built-in procedure with the `count` topmost words.
    pub(crate) fn builtin(
        &mut self,
        name: Builtin,
        count: usize,
        world: &mut dyn World,
    ) -> Outcome {
        let number = name as u8;
        if number <= Builtin::IsBoolean as u8 {
            return self.lists(name, count);
        }
        if number <= Builtin::IsInteger as u8 {
            return self.numbers(name, count);
        }
        match name {
            Builtin::BitAnd
            | Builtin::BitOr
            | Builtin::BitXor
            | Builtin::BitNot
            | Builtin::Shift
            | Builtin::ExactSqrt
            | Builtin::IsExact
            | Builtin::IsExactInteger
            | Builtin::FloorQuotient
            | Builtin::FloorRemainder
            | Builtin::TruncateQuotient
            | Builtin::TruncateRemainder => self.numbers(name, count),
            Builtin::IsVector
            | Builtin::Vector
            | Builtin::MakeVector
            | Builtin::VectorLength
            | Builtin::VectorRef
            | Builtin::VectorSet
            | Builtin::VectorToList
            | Builtin::ListToVector
            | Builtin::VectorFill
            | Builtin::VectorAppend
            | Builtin::VectorCopy
            | Builtin::ListSet
            | Builtin::SymbolEq
            | Builtin::BooleanEq
            | Builtin::Cdadr
            | Builtin::Cddddr => self.lists(name, count),
            Builtin::VectorMap
            | Builtin::VectorForEach
            | Builtin::StringForEach
            | Builtin::StringMap
            | Builtin::Apply
            | Builtin::Map
            | Builtin::ForEach
            | Builtin::Filter
            | Builtin::FoldLeft
            | Builtin::FoldRight
            | Builtin::Reduce
            | Builtin::CallCc
            | Builtin::CallCcLong
            | Builtin::Values
            | Builtin::CallWithValues
            | Builtin::Force
            | Builtin::Raise
            | Builtin::RaiseContinuable
            | Builtin::WithHandler => self.control(name, count, world),
            Builtin::On
            | Builtin::Send
            | Builtin::SendToChannel
            | Builtin::Ask
            | Builtin::After
            | Builtin::Spawn
            | Builtin::Fork
            | Builtin::Emit
            | Builtin::Random
            | Builtin::Now
            | Builtin::SelfId
            | Builtin::Contacts
            | Builtin::Stop
            | Builtin::Keep
            | Builtin::Carried
            | Builtin::IsContact
            | Builtin::ContactId
            | Builtin::Named
            | Builtin::Forward
            | Builtin::Turn
            | Builtin::Host
            | Builtin::ReadContents => self.agent(name, count, world),
            Builtin::IsProcedure
            | Builtin::MakePromise
            | Builtin::IsPromise
            | Builtin::Error
            | Builtin::IsErrorObject
            | Builtin::ErrorMessage
            | Builtin::ErrorIrritants
            | Builtin::ReportString
            | Builtin::Display
            | Builtin::Write
            | Builtin::WriteString
            | Builtin::WriteChar
            | Builtin::Newline
            | Builtin::Read
            | Builtin::Eval
            | Builtin::IsEof
            | Builtin::EofObject
            | Builtin::Void
            | Builtin::Gensym => self.others(name, count),
            _ => self.texts(name, count),
        }
    }

    fn is_condition(&self, value: V) -> bool {
        value == V::NO_MEMORY || self.is(value, kind::CONDITION)
    }

    fn others(&mut self, name: Builtin, count: usize) -> Outcome {
        let first = if count > 0 {
            self.arg(count, 0)
        } else {
            V::NIL
        };
        let value = match name {
            Builtin::IsProcedure => V::bool(
                first.is_imm(Imm::Builtin)
                    || self.is(first, kind::CLOSURE)
                    || self.is(first, kind::CONTINUATION)
                    || self.is(first, kind::ACCESSOR),
            ),
            Builtin::IsPromise => V::bool(self.is(first, kind::PROMISE)),
            Builtin::MakePromise if self.is(first, kind::PROMISE) => first,
            Builtin::MakePromise => self.object(kind::PROMISE, &[V::TRUE, first, V::NIL]),
            Builtin::Error => {
                self.need(2 * count)?;
                let mut irritants = V::NIL;
                for n in (1..count).rev() {
                    irritants = self.cons(self.arg(count, n), irritants);
                }
                let message = self.arg(count, 0);
                let condition = self.object(kind::CONDITION, &[message, irritants, V::NIL]);
                return Err(Fault::Raise(condition));
            }
            Builtin::IsErrorObject => V::bool(self.is_condition(first)),
            Builtin::ErrorMessage | Builtin::ErrorIrritants | Builtin::ReportString => {
                if !self.is_condition(first) {
                    return Err(Fault::Bad("not a condition", first));
                }
                match name {
                    Builtin::ErrorIrritants if first == V::NO_MEMORY => V::NIL,
                    Builtin::ErrorIrritants => self.field(first, 1),
                    Builtin::ErrorMessage if first != V::NO_MEMORY => self.field(first, 0),
                    _ => self.make_text(|lisp| lisp.put_report(lisp.arg(count, 0)))?,
                }
            }
            Builtin::Display
            | Builtin::Write
            | Builtin::Newline
            | Builtin::WriteString
            | Builtin::WriteChar => {
                let text = self.make_text(|lisp| match name {
                    Builtin::Newline => lisp.put(b'\n'),
                    _ => lisp.put_value(lisp.arg(count, 0), name == Builtin::Write),
                })?;
                let output = self.cons(text, self.reg(Reg::Output));
                self.set_reg(Reg::Output, output);
                V::UNSPECIFIED
            }
            Builtin::Read => {
                let text = self.string_arg(first)?;
                self.read_from(text);
                self.read_datum()?.unwrap_or(V::EOF)
            }
            Builtin::Eval => {
                // Code is analysed in place, so what is evaluated must be a copy of the datum.
                let text = self.make_text(|lisp| lisp.put_value(lisp.arg(count, 0), true))?;
                self.read_from(text);
                let datum = self.read_datum()?.unwrap_or(V::UNSPECIFIED);
                let begin = V::imm(Imm::Form, Form::Begin as u32);
                let code = self.list(&[begin, datum], V::NIL);
                self.sp += count + 1;
                self.set_reg(Reg::Env, V::NIL);
                self.go(code);
                return Ok(None);
            }
            Builtin::IsEof => V::bool(first == V::EOF),
            Builtin::EofObject => V::EOF,
            Builtin::Gensym => {
                let number = self.kept(Kept::Tag);
                self.set_kept(Kept::Tag, V::fix(number.as_fix() + 1));
                let mut name = [
                    b'g', b'0', b'0', b'0', b'0', b'0', b'0', b'0', b'0', b'0', b'0',
                ];
                let (mut at, mut rest) = (10, number.as_fix());
                while rest > 0 && at > 0 {
                    name[at] = b'0' + (rest % 10) as u8;
                    rest /= 10;
                    at -= 1;
                }
                self.intern(&name)
            }
            _ => V::UNSPECIFIED,
        };
        Ok(Some(value))
    }
}
