//! Integers of 64 bits: an overflow is an error.

use crate::control::Outcome;
use crate::heap::{Fault, Lisp};
use crate::names::Builtin;
use crate::value::V;

impl Lisp {
    pub(crate) fn int(&self, value: V) -> Result<i64, Fault> {
        self.as_integer(value)
            .ok_or(Fault::Bad("not an integer", value))
    }

    /// The nth argument, which must be an integer.
    fn int_arg(&self, count: usize, n: usize) -> Result<i64, Fault> {
        self.int(self.arg(count, n))
    }

    /// Joins all arguments from the nth on to `start`.
    fn join(
        &self,
        count: usize,
        from: usize,
        start: i64,
        operation: impl Fn(i64, i64) -> Option<i64>,
    ) -> Result<i64, Fault> {
        let mut sum = start;
        for n in from..count {
            let next = self.int_arg(count, n)?;
            sum = operation(sum, next).ok_or(Fault::Bad("overflow", self.arg(count, n)))?;
        }
        Ok(sum)
    }

    fn compare(&self, count: usize, holds: impl Fn(&i64, &i64) -> bool) -> Result<bool, Fault> {
        let mut all = true;
        let mut last = self.int_arg(count, 0)?;
        for n in 1..count {
            let next = self.int_arg(count, n)?;
            all &= holds(&last, &next);
            last = next;
        }
        Ok(all)
    }

    fn divided(
        &self,
        count: usize,
        operation: impl Fn(i64, i64) -> Option<i64>,
    ) -> Result<i64, Fault> {
        let (a, b) = (self.int_arg(count, 0)?, self.int_arg(count, 1)?);
        if b == 0 {
            return Err(Fault::Bad("division by zero", self.arg(count, 0)));
        }
        operation(a, b).ok_or(Fault::Bad("overflow", self.arg(count, 0)))
    }

    /// Carries out a procedure of integers.
    pub(crate) fn numbers(&mut self, name: Builtin, count: usize) -> Outcome {
        let number = match name {
            Builtin::Add => self.join(count, 0, 0, i64::checked_add)?,
            Builtin::Multiply => self.join(count, 0, 1, i64::checked_mul)?,
            Builtin::Subtract if count == 1 => {
                let negated = self.int_arg(1, 0)?.checked_neg();
                negated.ok_or(Fault::Bad("overflow", self.arg(1, 0)))?
            }
            Builtin::Subtract => self.join(count, 1, self.int_arg(count, 0)?, i64::checked_sub)?,
            Builtin::Divide => {
                let (start, from) = if count == 1 {
                    (1, 0)
                } else {
                    (self.int_arg(count, 0)?, 1)
                };
                let mut quotient = start;
                for n in from..count {
                    let divisor = self.int_arg(count, n)?;
                    if divisor == 0 {
                        return Err(Fault::Bad("division by zero", self.arg(count, 0)));
                    }
                    if quotient.checked_rem(divisor) != Some(0) {
                        return Err(Fault::Bad("no integer quotient", self.arg(count, n)));
                    }
                    quotient /= divisor;
                }
                quotient
            }
            Builtin::Quotient | Builtin::TruncateQuotient => {
                self.divided(count, i64::checked_div)?
            }
            Builtin::Remainder | Builtin::TruncateRemainder => {
                self.divided(count, |a, b| Some(a.wrapping_rem(b)))?
            }
            Builtin::FloorQuotient => self.divided(count, |a, b| {
                let quotient = a.checked_div(b)?;
                Some(quotient - i64::from(a % b != 0 && (a < 0) != (b < 0)))
            })?,
            Builtin::Modulo | Builtin::FloorRemainder => self.divided(count, |a, b| {
                let rest = a.wrapping_rem(b);
                Some(if rest != 0 && (rest < 0) != (b < 0) {
                    rest + b
                } else {
                    rest
                })
            })?,
            Builtin::Abs => {
                let number = self.int_arg(1, 0)?.checked_abs();
                number.ok_or(Fault::Bad("overflow", self.arg(1, 0)))?
            }
            Builtin::Min => self.join(count, 1, self.int_arg(count, 0)?, |a, b| Some(a.min(b)))?,
            Builtin::Max => self.join(count, 1, self.int_arg(count, 0)?, |a, b| Some(a.max(b)))?,
            Builtin::Gcd => self.join(count, 0, 0, gcd)?,
            Builtin::Lcm => self.join(count, 0, 1, |a, b| {
                if a == 0 || b == 0 {
                    Some(0)
                } else {
                    (a / gcd(a, b)?).checked_mul(b)?.checked_abs()
                }
            })?,
            Builtin::Expt => {
                let (base, exponent) = (self.int_arg(2, 0)?, self.int_arg(2, 1)?);
                let Ok(exponent) = u32::try_from(exponent) else {
                    return Err(Fault::Bad("not a small natural number", self.arg(2, 1)));
                };
                base.checked_pow(exponent)
                    .ok_or(Fault::Bad("overflow", self.arg(2, 1)))?
            }
            Builtin::Square => {
                let number = self.int_arg(1, 0)?;
                number
                    .checked_mul(number)
                    .ok_or(Fault::Bad("overflow", self.arg(1, 0)))?
            }
            Builtin::BitAnd => self.join(count, 0, -1, |a, b| Some(a & b))?,
            Builtin::BitOr => self.join(count, 0, 0, |a, b| Some(a | b))?,
            Builtin::BitXor => self.join(count, 0, 0, |a, b| Some(a ^ b))?,
            Builtin::BitNot => !self.int_arg(1, 0)?,
            Builtin::Shift => {
                let (number, by) = (self.int_arg(2, 0)?, self.int_arg(2, 1)?);
                if by < 0 {
                    number >> by.unsigned_abs().min(63)
                } else {
                    let shifted = if by < 63 { number << by } else { 0 };
                    if by >= 63 && number != 0 || by < 63 && shifted >> by != number {
                        return Err(Fault::Bad("overflow", self.arg(2, 0)));
                    }
                    shifted
                }
            }
            Builtin::ExactSqrt => {
                let number = self.int_arg(1, 0)?;
                if number < 0 {
                    return Err(Fault::Bad("a negative number", self.arg(1, 0)));
                }
                let root = number.isqrt();
                let word = self.take(12);
                self.set(word, V::header(crate::value::kind::VALUES, 2));
                self.set(word + 3, V::NULL);
                // The words of integers that need some come behind.
                self.top = word + 4;
                let (root, rest) = (self.integer(root), self.integer(number - root * root));
                self.set(word + 1, root);
                self.set(word + 2, rest);
                return Ok(Some(V::object(word)));
            }
            _ => {
                return self
                    .number_tests(name, count)
                    .map(|truth| Some(V::bool(truth)));
            }
        };
        Ok(Some(self.integer(number)))
    }

    fn number_tests(&self, name: Builtin, count: usize) -> Result<bool, Fault> {
        Ok(match name {
            Builtin::NumEq => self.compare(count, i64::eq)?,
            Builtin::Less => self.compare(count, i64::lt)?,
            Builtin::Greater => self.compare(count, i64::gt)?,
            Builtin::LessEq => self.compare(count, i64::le)?,
            Builtin::GreaterEq => self.compare(count, i64::ge)?,
            Builtin::IsZero => self.int_arg(1, 0)? == 0,
            Builtin::IsPositive => self.int_arg(1, 0)? > 0,
            Builtin::IsNegative => self.int_arg(1, 0)? < 0,
            Builtin::IsOdd => self.int_arg(1, 0)? & 1 == 1,
            Builtin::IsEven => self.int_arg(1, 0)? & 1 == 0,
            Builtin::IsExact => {
                self.int_arg(1, 0)?;
                true
            }
            _ => self.as_integer(self.arg(count, 0)).is_some(),
        })
    }
}

fn gcd(a: i64, b: i64) -> Option<i64> {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i64::try_from(a).ok()
}
