//! What makes a program an agent: handlers, contacts, messages, timers, children, output.

use crate::control::Outcome;
use crate::heap::{Fault, Kept, Lisp};
use crate::names::Builtin;
use crate::print::HOST_PAYLOAD;
use crate::value::{Imm, V, kind};
use crate::vc::{ALL, CARRIED, Contact, HOST, SENDER};
use crate::world::World;

/// What a contact of one turn says when it is the sender.
const FROM: u32 = 0xFF;
/// The longest name of a channel, in bytes.
const CHANNEL_LEN_MAX: usize = 31;

impl Lisp {
    /// The contact that the medium numbers so.
    pub(crate) fn contact(&self, contact: Contact) -> V {
        let turn = self.kept(Kept::Turn).as_fix() as u32 & 0xFFFF;
        match contact {
            HOST => V::imm(Imm::Kept, HOST_PAYLOAD),
            SENDER => V::imm(Imm::Passing, (turn << 8) | FROM),
            CARRIED.. => V::imm(
                Imm::Passing,
                (turn << 8) | (contact - CARRIED).min(FROM - 1),
            ),
            _ => V::imm(Imm::Kept, contact),
        }
    }

    /// How the medium numbers a contact, or the name of one.
    fn number_of(&self, value: V, world: &mut dyn World) -> Result<Contact, Fault> {
        let payload = value.payload();
        if value.is_imm(Imm::Kept) {
            return Ok(if payload == HOST_PAYLOAD {
                HOST
            } else {
                payload
            });
        }
        if value.is_imm(Imm::Passing) {
            if payload >> 8 != self.kept(Kept::Turn).as_fix() as u32 & 0xFFFF {
                return Err(Fault::Bad("a contact of an earlier turn (see keep)", value));
            }
            return Ok(if payload & 0xFF == FROM {
                SENDER
            } else {
                CARRIED + (payload & 0xFF)
            });
        }
        if self.is_symbol(value) || self.is(value, kind::STRING) {
            return world
                .named(self.text(value))
                .ok_or(Fault::Bad("no contact of this name", value));
        }
        Err(Fault::Bad("not a contact", value))
    }

    fn put_le(&mut self, number: u64, bytes: usize) -> Result<(), Fault> {
        self.put_all(&number.to_le_bytes()[..bytes])
    }

    /// Sends the nth argument to the first one, with the contacts behind it; answers the sequence.
    fn send(
        &mut self,
        count: usize,
        channel: Option<V>,
        at: usize,
        deadline_ms: u32,
        world: &mut dyn World,
    ) -> Result<u64, Fault> {
        let to = self.number_of(self.arg(count, 0), world)?;
        if let Some(channel) = channel {
            let is_name = self.is_symbol(channel) || self.is(channel, kind::STRING);
            if !is_name || self.text(channel).len() > CHANNEL_LEN_MAX {
                return Err(Fault::Bad("not a channel", channel));
            }
        }
        let request = self.make_text(|lisp| {
            lisp.put_le(u64::from(to), 4)?;
            lisp.put_le(u64::from(deadline_ms), 4)?;
            if channel.is_some() {
                let channel = lisp.arg(count, 1);
                let len = lisp.text(channel).len();
                lisp.put(len as u8)?;
                lisp.put_value(channel, false)?;
            } else {
                lisp.put_all(b"\x04main")?;
            }
            lisp.put_value(lisp.arg(count, at), false)
        })?;
        let sequence = world.send(self.text(request));
        if deadline_ms == 0 {
            for n in at + 1..count {
                let contact = self.number_of(self.arg(count, n), world)?;
                world.hand(sequence, contact);
            }
        }
        Ok(sequence)
    }

    /// Adds `(key . value)` to a kept list; the key is an integer.
    fn remember(&mut self, kept: Kept, key: i64, value: V) {
        let key = self.integer(key);
        let entry = self.cons(key, value);
        let list = self.cons(entry, self.kept(kept));
        self.set_kept(kept, list);
    }

    /// Takes what a kept list has under a key.
    pub(crate) fn recall(&mut self, kept: Kept, key: i64) -> Option<V> {
        let mut before = None;
        let mut list = self.kept(kept);
        while list.is_pair() {
            let entry = self.car(list);
            let rest = self.cdr(list);
            if self.as_integer(self.car(entry)) == Some(key) {
                match before {
                    None => self.set_kept(kept, rest),
                    Some(before) => self.set(before, rest),
                }
                return Some(self.cdr(entry));
            }
            before = Some(list.word() + 1);
            list = rest;
        }
        None
    }

    fn delay(&self, value: V) -> Result<u64, Fault> {
        let delay = self.as_integer(value).and_then(|ms| u64::try_from(ms).ok());
        delay.ok_or(Fault::Bad("not a time in ms", value))
    }

    fn on(&mut self, channel: V, handler: V) -> Outcome {
        if !self.is_symbol(channel) {
            return Err(Fault::Bad("not a channel's name", channel));
        }
        let mut list = self.kept(Kept::Handlers);
        while list.is_pair() {
            let entry = self.car(list);
            if self.car(entry) == channel {
                self.set(entry.word() + 1, handler);
                return Ok(Some(V::UNSPECIFIED));
            }
            list = self.cdr(list);
        }
        let entry = self.cons(channel, handler);
        let list = self.cons(entry, self.kept(Kept::Handlers));
        self.set_kept(Kept::Handlers, list);
        Ok(Some(V::UNSPECIFIED))
    }

    fn spawn(&mut self, count: usize, world: &mut dyn World) -> Result<V, Fault> {
        let mut budgets = [ALL; 3];
        for (n, budget) in budgets.iter_mut().enumerate() {
            if count > n + 2 {
                let value = self.arg(count, n + 2);
                let number = self
                    .as_integer(value)
                    .and_then(|sum| u64::try_from(sum).ok());
                *budget = number.ok_or(Fault::Bad("not a budget", value))?;
            }
        }
        if count > 1 {
            let name = self.arg(count, 1);
            if !self.is_symbol(name) && !self.is(name, kind::STRING) || self.text(name).len() > 255
            {
                return Err(Fault::Bad("not a name", name));
            }
        }
        let request = self.make_text(|lisp| {
            lisp.put_le(0xFFFF, 2)?;
            for budget in budgets {
                lisp.put_le(budget, 8)?;
            }
            if count > 1 {
                let name = lisp.arg(count, 1);
                let len = lisp.text(name).len();
                lisp.put(len as u8)?;
                lisp.put_value(name, false)?;
            } else {
                lisp.put(0)?;
            }
            let program = lisp.arg(count, 0);
            if !program.is_pair() || !lisp.car(program).is_pair() {
                let is_text = lisp.is(program, kind::STRING);
                return lisp.put_value(program, !is_text);
            }
            let mut forms = program;
            while forms.is_pair() {
                lisp.put_value(lisp.car(forms), true)?;
                lisp.put(b'\n')?;
                forms = lisp.cdr(forms);
            }
            Ok(())
        })?;
        let child = world.spawn(self.text(request));
        Ok(self.contact(child))
    }

    fn read_contents(&mut self, count: usize, world: &mut dyn World) -> Outcome {
        let total = world.context().contents_len();
        let offset = if count > 0 {
            self.delay(self.arg(count, 0))?
        } else {
            0
        };
        let wanted = if count > 1 {
            self.delay(self.arg(count, 1))?
        } else {
            total
        };
        let len = wanted.min(total.saturating_sub(offset));
        Ok(Some(self.contents(offset, len, world)?))
    }

    /// A string of part of the contents of this message.
    pub(crate) fn contents(
        &mut self,
        offset: u64,
        len: u64,
        world: &mut dyn World,
    ) -> Result<V, Fault> {
        let Ok(len) = usize::try_from(len) else {
            return Err(Fault::Memory);
        };
        self.need(len / 4 + 4)?;
        let string = self.raw_string(len);
        let range = self.text_range(string);
        let mut buffer = [0_u8; 240];
        let mut at = 0;
        while at < len {
            let part = buffer.len().min(len - at);
            let read = world
                .read(offset + at as u64, &mut buffer[..part])
                .min(part);
            if read == 0 {
                return Err(Fault::Syntax("the contents ended at byte", V::count(at)));
            }
            self.bytes_mut()[range.start + at..][..read].copy_from_slice(&buffer[..read]);
            at += read;
        }
        Ok(string)
    }

    /// Carries out a procedure of agents.
    pub(crate) fn agent(&mut self, name: Builtin, count: usize, world: &mut dyn World) -> Outcome {
        let first = if count > 0 {
            self.arg(count, 0)
        } else {
            V::NIL
        };
        let value = match name {
            Builtin::On => return self.on(first, self.arg(count, 1)),
            Builtin::Send => {
                let sequence = self.send(count, None, 1, 0, world)?;
                self.integer(sequence as i64)
            }
            Builtin::SendToChannel => {
                let channel = self.arg(count, 1);
                let sequence = self.send(count, Some(channel), 2, 0, world)?;
                self.integer(sequence as i64)
            }
            Builtin::Ask => {
                let ms = self.delay(self.arg(count, 2))?;
                let Ok(ms @ 1..) = u32::try_from(ms) else {
                    return Err(Fault::Bad("not a time in ms", self.arg(count, 2)));
                };
                let sequence = self.send(count, None, 1, ms, world)?;
                self.need(0)?;
                let then = self.arg(count, 3);
                self.remember(Kept::Asks, sequence as i64, then);
                self.integer(sequence as i64)
            }
            Builtin::After => {
                let ms = self.delay(first)?;
                let tag = i64::from(self.kept(Kept::Tag).as_fix());
                self.set_kept(Kept::Tag, V::small(tag + 1).unwrap_or(V::fix(1)));
                self.remember(Kept::Timers, tag, self.arg(count, 1));
                world.after(ms, tag as u64);
                V::UNSPECIFIED
            }
            Builtin::Spawn => self.spawn(count, world)?,
            Builtin::Fork => {
                let copy = world.fork();
                self.contact(copy)
            }
            Builtin::Emit => {
                let text = self.make_text(|lisp| lisp.put_value(lisp.arg(count, 0), false))?;
                world.emit(self.text(text));
                V::UNSPECIFIED
            }
            Builtin::Random => {
                let Some(bound @ 1..) = self.as_integer(first) else {
                    return Err(Fault::Bad("not a positive integer", first));
                };
                let draw = world.random() % bound.unsigned_abs();
                self.integer(draw as i64)
            }
            Builtin::Now => self.integer(world.context().now_ms() as i64),
            Builtin::Turn => self.integer(world.context().turn() as i64),
            Builtin::SelfId => {
                let id = world.context().own();
                self.make_text(|lisp| lisp.put_id(&id))?
            }
            Builtin::ContactId => {
                let contact = self.number_of(first, world)?;
                let id = world.id(contact);
                self.make_text(|lisp| lisp.put_id(&id))?
            }
            Builtin::Contacts | Builtin::Carried => {
                let context = world.context();
                let (len, base) = match name {
                    Builtin::Contacts => (context.kept(), 0),
                    _ => (context.carried(), CARRIED),
                };
                self.need(2 * len as usize)?;
                (0..len).rev().fold(V::NIL, |list, n| {
                    let contact = self.contact(base + n);
                    self.cons(contact, list)
                })
            }
            Builtin::Stop => {
                world.stop();
                V::UNSPECIFIED
            }
            Builtin::Keep => {
                let contact = self.number_of(first, world)?;
                let kept = world.keep(contact);
                self.contact(kept)
            }
            Builtin::IsContact => V::bool(first.is_imm(Imm::Kept) || first.is_imm(Imm::Passing)),
            Builtin::Named => {
                let is_name = self.is_symbol(first) || self.is(first, kind::STRING);
                if !is_name {
                    return Err(Fault::Bad("not a name", first));
                }
                match world.named(self.text(first)) {
                    Some(contact) => self.contact(contact),
                    None => V::FALSE,
                }
            }
            Builtin::Forward => {
                let contact = self.number_of(first, world)?;
                let sequence = world.forward(contact);
                self.integer(sequence as i64)
            }
            Builtin::Host => self.contact(HOST),
            _ => return self.read_contents(count, world),
        };
        Ok(Some(value))
    }
}
