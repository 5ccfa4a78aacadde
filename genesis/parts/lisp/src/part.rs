//! The part: what its channels do with a message, and how its state is saved and loaded.

use crate::heap::{BUCKETS, BUCKETS_AT, FIRST, Fault, Kept, Lisp, Reg};
use crate::value::{V, kind};
use crate::vc::{Kind, SENDER};
use crate::world::World;

/// The first word of a saved state: what it is, and the version of its layout.
const MAGIC: u32 = u32::from_le_bytes(*b"lsp1");

/// The channels that the part gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    /// `main`: the handler of `main`, else as `text/eval`.
    Main,
    /// `text/eval`: the message is a program; its last value is the answer.
    Eval,
    /// `ask`: for programs.
    Ask,
    /// `report`: for programs.
    Report,
    /// `event`: for programs.
    Event,
    /// `reply`: what `ask` waits for.
    Reply,
    /// `medium/timer`: what `after` waits for.
    Timer,
    /// `medium/down`: a watched contact stopped.
    Down,
    /// `medium/start`: the first turn.
    Start,
}

impl Channel {
    /// The name under which a program gives its handler.
    const fn handler_name(self) -> &'static str {
        match self {
            Self::Main | Self::Eval => "main",
            Self::Ask => "ask",
            Self::Report => "report",
            Self::Event => "event",
            Self::Reply => "reply",
            Self::Timer => "timer",
            Self::Down => "down",
            Self::Start => "start",
        }
    }

    /// Whether nobody reads an answer, so that an error must fail the turn to be seen.
    const fn is_unanswered(self) -> bool {
        matches!(self, Self::Reply | Self::Timer | Self::Down | Self::Start)
    }
}

/// What a turn answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// No reply.
    Nothing,
    /// A string in the slab.
    Text(V),
    /// The turn fails; a string in the slab says why, if there is room for one.
    Failure(Option<V>),
}

impl Lisp {
    /// Room for a message of so many bytes: where they begin in the slab.
    pub fn message_place(&mut self, len: usize) -> Option<usize> {
        self.need(len / 4 + 4).ok()?;
        let string = self.raw_string(len);
        self.set_reg(Reg::Message, string);
        Some(self.text_range(string).start)
    }

    /// Puts a message there, as the host does.
    pub fn receive(&mut self, message: &[u8]) -> bool {
        let Some(place) = self.message_place(message.len()) else {
            return false;
        };
        self.bytes_mut()[place..place + message.len()].copy_from_slice(message);
        true
    }

    /// The bytes of an answer.
    pub fn answer_bytes(&self, answer: V) -> &[u8] {
        self.text(answer)
    }

    /// The program is the message that was put there last; it runs in the first turn.
    pub fn born(&mut self) {
        let message = self.reg(Reg::Message);
        if message.is_object() && self.len(message) > 0 {
            self.set_kept(Kept::Program, message);
        }
    }

    /// A turn with the message that was put there last.
    pub fn turn(&mut self, channel: Channel, world: &mut dyn World) -> Answer {
        let turn = self.kept(Kept::Turn).as_fix().wrapping_add(1) & 0x000F_FFFF;
        self.set_kept(Kept::Turn, V::fix(turn));
        if !self.reg(Reg::Message).is_object() && self.message_place(0).is_none() {
            return Answer::Failure(None);
        }
        let outcome = self
            .first_turn(world)
            .and_then(|()| self.dispatch(channel, world));
        let text = match outcome {
            Ok(None) => return Answer::Nothing,
            Ok(Some(quoted)) => match self.answer_of(quoted) {
                // Too long, or without an end: that is said instead.
                Err(_) => self.answer_error(V::NO_MEMORY),
                text => text,
            },
            Err(condition) if channel.is_unanswered() => {
                return Answer::Failure(self.answer_error(condition).ok());
            }
            Err(condition) => self.answer_error(condition),
        };
        text.map_or(Answer::Failure(None), Answer::Text)
    }

    /// After a turn, when its answer was read.
    pub fn end_turn(&mut self) {
        self.settle();
    }

    fn first_turn(&mut self, world: &mut dyn World) -> Result<(), V> {
        if self.kept(Kept::Program) == V::NIL {
            return Ok(());
        }
        let outcome = self.run_text(Source::Program, world);
        self.set_kept(Kept::Program, V::NIL);
        outcome
    }

    /// Answers whether to answer, with the value in its register: as `write` prints it or not.
    fn dispatch(&mut self, channel: Channel, world: &mut dyn World) -> Result<Option<bool>, V> {
        match channel {
            Channel::Timer => return self.timer(world),
            Channel::Reply => {
                if let Some(outcome) = self.answered(world) {
                    return outcome;
                }
            }
            _ => {}
        }
        let handler = if channel == Channel::Eval {
            None
        } else {
            self.handler(channel.handler_name().as_bytes())
                .filter(|handler| handler.is_true())
        };
        let Some(handler) = handler else {
            return match channel {
                Channel::Main | Channel::Eval => {
                    self.fetch(world)?;
                    self.run_text(Source::Message, world).map(|()| Some(true))
                }
                Channel::Ask => Err(self.plain_error("no handler", V::FALSE)),
                _ => Ok(None),
            };
        };
        self.cut(0);
        self.push(handler);
        self.fetch(world)?;
        self.push(self.reg(Reg::Message));
        self.push(self.contact(SENDER));
        let value = self.call(2, world)?;
        Ok(self.answer_with(value))
    }

    /// What a handler's value answers: nothing, if it is `#f` or unspecified and nothing was shown.
    fn answer_with(&mut self, value: V) -> Option<bool> {
        let silent = value == V::FALSE || value == V::UNSPECIFIED;
        self.set_reg(Reg::Answer, if silent { V::UNSPECIFIED } else { value });
        (!silent || self.reg(Reg::Output) != V::NIL).then_some(false)
    }

    fn timer(&mut self, world: &mut dyn World) -> Result<Option<bool>, V> {
        let tag = self.text(self.reg(Reg::Message)).iter().rev();
        let tag = tag.fold(0_i64, |sum, byte| (sum << 8) | i64::from(*byte));
        let Some(what) = self.recall(Kept::Timers, tag) else {
            return Ok(None);
        };
        self.cut(0);
        let is_procedure = self.is(what, kind::CLOSURE) || self.is(what, kind::CONTINUATION);
        if is_procedure {
            self.push(what);
            self.call(0, world)?;
        } else if let Some(handler) = self.handler(b"timer") {
            self.push(handler);
            self.push(what);
            self.call(1, world)?;
        }
        Ok(None)
    }

    /// If this message answers an `ask`: what became of it.
    fn answered(&mut self, world: &mut dyn World) -> Option<Result<Option<bool>, V>> {
        let context = world.context();
        let then = self.recall(Kept::Asks, context.answers() as i64)?;
        self.cut(0);
        self.push(then);
        if let Err(condition) = self.fetch(world) {
            return Some(Err(condition));
        }
        let message = self.reg(Reg::Message);
        let value = if context.kind() == Kind::Bounce {
            self.object(kind::CONDITION, &[message, V::NIL, V::NIL])
        } else {
            message
        };
        self.push(value);
        Some(self.call(1, world).map(|_| None))
    }

    /// Fetches the contents of a message that came by reference.
    fn fetch(&mut self, world: &mut dyn World) -> Result<(), V> {
        let message = self.reg(Reg::Message);
        if !message.is_object() || self.len(message) != 40 {
            return Ok(());
        }
        let context = world.context();
        if !context.by_reference() {
            return Ok(());
        }
        match self.contents(0, context.contents_len(), world) {
            Ok(message) => {
                self.set_reg(Reg::Message, message);
                Ok(())
            }
            Err(_) => Err(V::NO_MEMORY),
        }
    }

    fn plain_error(&mut self, why: &'static str, irritant: V) -> V {
        let Ok(message) = self.make_text(|lisp| lisp.put_all(why.as_bytes())) else {
            return V::NO_MEMORY;
        };
        let irritants = if irritant == V::FALSE {
            V::NIL
        } else {
            self.cons(irritant, V::NIL)
        };
        self.object(kind::CONDITION, &[message, irritants, V::NIL])
    }

    /// Evaluates a text form by form; the last value is left in its register.
    fn run_text(&mut self, source: Source, world: &mut dyn World) -> Result<(), V> {
        let mut at = 0;
        self.set_reg(Reg::Answer, V::UNSPECIFIED);
        loop {
            self.cut(0);
            let text = match source {
                Source::Program => self.kept(Kept::Program),
                Source::Message => self.reg(Reg::Message),
            };
            self.read_from(text);
            self.at = at;
            let datum = match self.read_datum() {
                Ok(Some(datum)) => datum,
                Ok(None) => return Ok(()),
                Err(fault) => return Err(self.reading_error(fault)),
            };
            at = self.at;
            self.set_reg(Reg::Text, V::NIL);
            let value = self.evaluate(datum, world)?;
            self.set_reg(Reg::Answer, value);
        }
    }

    fn reading_error(&mut self, fault: Fault) -> V {
        match fault {
            Fault::Memory => V::NO_MEMORY,
            Fault::Raise(condition) => condition,
            Fault::Bad(why, irritant) => self.plain_error(why, irritant),
            Fault::Syntax(why, at) => {
                let Ok(message) = self.make_text(|lisp| {
                    lisp.put_all(b"read: ")?;
                    lisp.put_all(why.as_bytes())?;
                    lisp.put_all(b", before byte")
                }) else {
                    return V::NO_MEMORY;
                };
                let irritants = self.cons(at, V::NIL);
                self.object(kind::CONDITION, &[message, irritants, V::NIL])
            }
            Fault::Unfinished(at) => self.plain_error("read: unfinished, from byte", V::count(at)),
        }
    }

    fn answer_of(&mut self, quoted: bool) -> Result<V, Fault> {
        self.cut(0);
        self.make_text(|lisp| {
            lisp.put_output()?;
            let value = lisp.reg(Reg::Answer);
            if value == V::UNSPECIFIED {
                Ok(())
            } else {
                lisp.put_value(value, quoted)
            }
        })
    }

    fn answer_error(&mut self, condition: V) -> Result<V, Fault> {
        self.set_reg(Reg::Answer, condition);
        self.set_reg(Reg::Env, V::NIL);
        self.set_reg(Reg::Guards, V::NIL);
        self.set_reg(Reg::Val, V::NIL);
        self.set_reg(Reg::Text, V::NIL);
        self.cut(0);
        self.make_text(|lisp| {
            lisp.put_output()?;
            lisp.put_all(b"error: ")?;
            lisp.put_report(lisp.reg(Reg::Answer))
        })
    }

    /// Reads the message as a program without running it: the number of forms, or what is wrong,
    /// as a string.
    ///
    /// # Errors
    /// The string that says what is wrong.
    pub fn test(&mut self) -> Result<u64, V> {
        let message = self.reg(Reg::Message);
        self.read_from(message);
        let mut forms = 0;
        loop {
            match self.read_datum() {
                Ok(Some(_)) => forms += 1,
                Ok(None) => return Ok(forms),
                Err(fault) => {
                    let condition = self.reading_error(fault);
                    self.set_reg(Reg::Answer, condition);
                    let text = self.make_text(|lisp| lisp.put_report(lisp.reg(Reg::Answer)));
                    return Err(text.unwrap_or(V::NIL));
                }
            }
        }
    }

    /// The state as it is to be saved: that many bytes from the slab's start.
    pub fn save(&mut self) -> usize {
        self.settle();
        self.collect();
        let top = self.top;
        let words = self.mem.words_mut();
        words[0] = MAGIC;
        words[1] = top as u32;
        top * 4
    }

    /// The address of the slab.
    pub fn slab_address(&self) -> usize {
        self.mem.address()
    }

    /// The saved bytes.
    pub fn saved_bytes(&self, len: usize) -> &[u8] {
        &self.bytes()[..len]
    }

    /// Loads the state that was put there as a message; the state is as before if it is refused.
    pub fn load(&mut self) -> bool {
        let message = self.reg(Reg::Message);
        if !message.is_object() {
            return false;
        }
        let len = self.len(message);
        let from = message.word() + 1;
        let top = len / 4;
        if !len.is_multiple_of(4) || top < FIRST || !top.is_multiple_of(2) {
            return false;
        }
        let words = self.mem.words();
        if words[from] != MAGIC || words[from + 1] as usize != top || !self.is_sound(from, top) {
            return false;
        }
        let old_top = self.top;
        let words = self.mem.words_mut();
        words.copy_within(from..from + top, 0);
        words[top..old_top.max(from + top)].fill(0);
        self.top = top;
        self.cut(0);
        self.settle();
        self.need(0).is_ok()
    }

    /// Whether the words at `from` are objects from [`FIRST`] to `top`, and refer to nothing else.
    fn is_sound(&self, from: usize, top: usize) -> bool {
        let words = &self.mem.words()[from..from + top];
        let starts = |value: V| -> bool {
            let word = value.word();
            word >= FIRST && word < top && V(words[word]).is_header() == value.is_object()
        };
        let holds = |word: &u32| -> bool {
            let value = V(*word);
            !value.is_header() && (!value.is_reference() || starts(value))
        };
        let roots = [Self::KEPT_WORDS, BUCKETS_AT..BUCKETS_AT + BUCKETS];
        if !roots
            .iter()
            .all(|range| words[range.clone()].iter().all(holds))
        {
            return false;
        }
        let mut at = FIRST;
        while at < top {
            let first = V(words[at]);
            let size = if first.is_header() { first.size() } else { 2 };
            if size > top - at {
                return false;
            }
            let fields = if first.is_header() {
                match first.kind() {
                    kind::STRING | kind::LONG => at..at,
                    kind::SYMBOL => at + 1..at + 3,
                    kind::VECTOR..=kind::RECORD_TYPE => at + 1..at + 1 + first.payload() as usize,
                    _ => return false,
                }
            } else {
                at..at + 2
            };
            if !words[fields].iter().all(holds) {
                return false;
            }
            at += size;
        }
        at == top
    }
}

/// Where a program's text is held.
#[derive(Clone, Copy)]
enum Source {
    Program,
    Message,
}
