//! The VC `compute`: keeps orders of jobs until somebody outside has done them, and hands on the answers.
//!
//! A turn is pure, so it cannot run a program. What it can do is remember: an order is a message, kept with the
//! question it is until the answer comes, as a message as well. Who runs jobs is outside and asks for work on
//! [`Compute::NEXT`]; it answers on [`Compute::DONE`]. Only the VC's host may, that is its owner: who else
//! would believe the answers? So nothing is ever waited for, a replay needs no job to run, and a restart
//! loses no order: those that were not answered are handed out again.

use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::message::Kind;
use genesis::refusal::Code;
use genesis::wire::{self, DecodeError};
use serde::{Deserialize, Serialize};

use crate::behaviour::{Behaviour, Fault};
use crate::effects::{Contact, Effects, Question};
use crate::letter::Letter;

const SEND: Channel = Channel::known("medium/send");
const EMIT: Channel = Channel::known("medium/emit");
/// The version byte of what it and who runs jobs tell one another.
const VERSION: u8 = 1;

/// Keeps orders until they are answered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Compute {
    /// What jobs are allowed beyond the sandbox of modules, in words of whoever runs them.
    allowed: Vec<String>,
    /// Orders that were taken so far.
    taken: u64,
    /// Those that are not answered, oldest first.
    open: Vec<Open>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    order: Order,
    question: Question,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its number, from 1: with the VC's id it names the order for good.
    pub number: u64,
    /// Who wants it.
    pub from: VcId,
    /// What, as it was written: JSON, which who runs jobs reads.
    pub text: String,
}

/// All that there is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// What jobs are allowed beyond the sandbox of modules.
    pub allowed: Vec<String>,
    /// Orders that are not answered, oldest first.
    pub orders: Vec<Order>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Which order.
    pub number: u64,
    /// The answer, for who ordered it.
    pub answer: String,
}

impl Compute {
    /// Where its host asks for [`Work`].
    pub const NEXT: Channel = Channel::known("compute/next");
    /// Where its host tells it what is [`Finished`].
    pub const DONE: Channel = Channel::known("compute/done");
    /// Longest order, in bytes.
    pub const ORDER_BYTES_MAX: usize = 1_536;
    /// Orders that are kept at a time; further ones are refused with `busy`. All of them fit one message.
    pub const ORDERS_MAX: usize = 32;
    /// What it writes to its log when there is work, before the number of the order.
    pub const ORDERED: &'static str = "order ";

    /// Reads the answer to a question on [`Compute::NEXT`].
    ///
    /// # Errors
    /// [`DecodeError`]: it was not one.
    pub fn work(answer: &[u8]) -> Result<Work, DecodeError> {
        wire::decode(VERSION, answer)
    }

    /// What is to be said on [`Compute::DONE`].
    ///
    /// # Errors
    /// [`Fault`] if the answer does not fit into a message.
    pub fn done(finished: &Finished) -> Result<Vec<u8>, Fault> {
        encoded(finished)
    }

    fn take(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let bytes = letter.contents.total();
        if bytes > Self::ORDER_BYTES_MAX as u64 {
            let max = Self::ORDER_BYTES_MAX;
            let what = format!("an order of {bytes} bytes, at most {max} are taken");
            return Err(Fault::new(Code::TooLarge, what));
        }
        let Some(text) = letter.contents.as_text() else {
            return Err(Fault::malformed("an order is text"));
        };
        if self.open.len() >= Self::ORDERS_MAX {
            let what = format!("{} orders are open, no more are taken", self.open.len());
            return Err(Fault::new(Code::Busy, what));
        }
        self.taken += 1;
        let order = Order {
            number: self.taken,
            from: letter.from,
            text: text.to_owned(),
        };
        effects.emit(format!(
            "{}{} of {}",
            Self::ORDERED,
            order.number,
            order.from
        ))?;
        let question = effects.question()?;
        self.open.push(Open { order, question });
        Ok(())
    }

    fn next(&self, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let work = Work {
            allowed: self.allowed.clone(),
            orders: self.open.iter().map(|open| open.order.clone()).collect(),
        };
        effects.reply(encoded(&work)?).map(drop)
    }

    /// Hands an answer on. One that comes twice, because whoever sent it could not know, counts once.
    fn finish(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let finished: Finished = wire::decode(VERSION, &letter.contents)
            .map_err(|error| Fault::malformed(error.to_string()))?;
        let is_it = |open: &Open| open.order.number == finished.number;
        if let Some(at) = self.open.iter().position(is_it) {
            let open = self.open.remove(at);
            effects.answer(open.question, finished.answer)?;
            effects.emit(format!("answered {}", finished.number))?;
        }
        effects.reply("").map(drop)
    }
}

fn encoded(value: &impl Serialize) -> Result<Vec<u8>, Fault> {
    wire::encode(VERSION, value).map_err(|error| Fault::new(Code::TooLarge, error.to_string()))
}

impl Behaviour for Compute {
    const NAME: &'static str = "compute";
    const GIVES: &'static [Channel] = &[Channel::MAIN, Self::NEXT, Self::DONE];
    const NEEDS: &'static [Channel] = &[SEND, EMIT];

    /// The argument says what jobs are allowed beyond the sandbox of modules: words, in any order. What they
    /// mean is up to who runs jobs; who does not know one refuses.
    fn born(argument: &[u8]) -> Result<Self, Fault> {
        const WORDS_MAX: usize = 16;
        let text = std::str::from_utf8(argument).map_err(|_| Fault::malformed("it is not text"))?;
        let allowed: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if allowed.len() > WORDS_MAX || text.len() > Self::ORDER_BYTES_MAX {
            let found = allowed.len();
            let what = format!(
                "{found} words in {} bytes, at most {WORDS_MAX} are taken",
                text.len()
            );
            return Err(Fault::malformed(what));
        }
        Ok(Self {
            allowed,
            ..Self::default()
        })
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind != Kind::Tell {
            return Ok(());
        }
        if letter.channel == Channel::MAIN {
            return self.take(letter, effects);
        }
        if effects.id_of(Contact::Host) != Ok(letter.from) {
            let what = format!("`{}` is for the host of this VC", letter.channel);
            return Err(Fault::new(Code::Denied, what));
        }
        if letter.channel == Self::NEXT {
            self.next(effects)
        } else {
            self.finish(letter, effects)
        }
    }
}
