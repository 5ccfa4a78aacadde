//! The first VCs: small enough to be read as examples.

use bytes::Bytes;
use genesis::channel::Channel;
use genesis::message::Kind;
use genesis::refusal::Code;
use serde::{Deserialize, Serialize};

use crate::behaviour::{Behaviour, Fault};
use crate::effects::{Contact, Effects, Question};
use crate::letter::Letter;

const SEND: Channel = Channel::known("medium/send");
const EMIT: Channel = Channel::known("medium/emit");
const AFTER: Channel = Channel::known("medium/after");

/// "Hello, World!": constantly emits its argument until it is stopped, or its purse is empty.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Say {
    text: Bytes,
}

impl Say {
    /// How long it waits between two lines, in milliseconds.
    pub const EVERY_MS: u64 = 100;
}

impl Behaviour for Say {
    const NAME: &'static str = "say";
    const GIVES: &'static [Channel] = &[Channel::MAIN, Channel::START, Channel::TIMER];
    const NEEDS: &'static [Channel] = &[SEND, EMIT, AFTER];

    fn born(argument: &[u8]) -> Result<Self, Fault> {
        Ok(Self {
            text: Bytes::copy_from_slice(argument),
        })
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.channel == Channel::START || letter.channel == Channel::TIMER {
            effects.emit(self.text.clone())?;
            effects.after(Self::EVERY_MS, 0)
        } else if letter.kind == Kind::Tell {
            effects.reply(self.text.clone()).map(drop)
        } else {
            Ok(())
        }
    }
}

/// Replies the contents.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Echo;

impl Behaviour for Echo {
    const NAME: &'static str = "echo";
    const NEEDS: &'static [Channel] = &[SEND];

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind == Kind::Tell {
            effects.reply(letter.contents.clone())?;
        }
        Ok(())
    }
}

/// Adds a decimal number to its state and replies the total, exactly: digits before and after the point
/// are kept in one integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// The total, in billionths.
    total: i128,
}

impl Counter {
    /// Digits after the point.
    const PLACES: usize = 9;
    const ONE: i128 = 10_i128.pow(9);

    fn parse(text: &str) -> Option<i128> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.len() + part.len() == 0
            || whole.len() > 20
            || part.len() > Self::PLACES
            || !all_digits(whole)
            || !all_digits(part)
        {
            return None;
        }
        let whole: i128 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        let part: i128 = format!("{part:0<9}").parse().ok()?;
        let value = whole.checked_mul(Self::ONE)?.checked_add(part)?;
        Some(if negative { -value } else { value })
    }

    fn show(self) -> String {
        let (sign, value) = (
            if self.total < 0 { "-" } else { "" },
            self.total.unsigned_abs(),
        );
        let one = Self::ONE.unsigned_abs();
        let (whole, part) = (value / one, value % one);
        let part = format!("{part:09}");
        match part.trim_end_matches('0') {
            "" => format!("{sign}{whole}"),
            part => format!("{sign}{whole}.{part}"),
        }
    }
}

impl Behaviour for Counter {
    const NAME: &'static str = "counter";
    const NEEDS: &'static [Channel] = &[SEND];

    fn born(argument: &[u8]) -> Result<Self, Fault> {
        let mut counter = Self::default();
        if !argument.is_empty() {
            let text = std::str::from_utf8(argument).unwrap_or("(not text)");
            counter.total = Self::parse(text).ok_or_else(|| not_a_number(text))?;
        }
        Ok(counter)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind != Kind::Tell {
            return Ok(());
        }
        let text = letter.contents.as_text().unwrap_or("(not text)");
        let number = Self::parse(text).ok_or_else(|| not_a_number(text))?;
        self.total = self
            .total
            .checked_add(number)
            .ok_or_else(|| Fault::malformed("the total would not fit into 128 bits"))?;
        effects.reply(self.show()).map(drop)
    }

    fn test(&self) -> Result<(), Fault> {
        match Self::parse("1.5")
            .map(|total| Self { total }.show())
            .as_deref()
        {
            Some("1.5") => Ok(()),
            other => Err(Fault::malformed(format!("1.5 reads back as {other:?}"))),
        }
    }
}

fn not_a_number(text: &str) -> Fault {
    let text: String = text.chars().take(40).collect();
    Fault::malformed(format!(
        "`{text}` is not a decimal number (at most 20 digits before and {} after the point)",
        Counter::PLACES
    ))
}

/// One level of a ring: passes a token to the VC `inner` in its body and its answer back out, each level
/// adding one; the innermost answers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ring {
    waiting: Vec<(u64, Question)>,
}

impl Behaviour for Ring {
    const NAME: &'static str = "ring";
    const NEEDS: &'static [Channel] = &[SEND];

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self::default())
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        const WAITING_MAX: usize = 64;
        match letter.kind {
            Kind::Tell => {
                let Some(inner) = effects.named("inner") else {
                    let token = letter.contents.as_text().unwrap_or_default();
                    return effects.reply(format!("{token} 1")).map(drop);
                };
                if self.waiting.len() >= WAITING_MAX {
                    let why = format!("{WAITING_MAX} tokens are under way");
                    return Err(Fault::new(Code::Busy, why));
                }
                let question = effects.question()?;
                let sequence = effects.send(inner, letter.contents.clone())?;
                self.waiting.push((sequence, question));
                Ok(())
            }
            Kind::Reply | Kind::Bounce => {
                let at = self
                    .waiting
                    .iter()
                    .position(|&(sequence, _)| sequence == letter.answers);
                let Some(at) = at else { return Ok(()) };
                let (_, question) = self.waiting.swap_remove(at);
                let said = letter.contents.as_text().unwrap_or_default();
                let (token, levels) = said.rsplit_once(' ').unwrap_or((said, "0"));
                let levels: u64 = levels.parse().unwrap_or(0);
                effects
                    .answer(question, format!("{token} {}", levels + 1))
                    .map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// Counts each message and replies its ordinal; the message `count` replies the number so far and is
/// not counted.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Notary {
    count: u64,
}

impl Behaviour for Notary {
    const NAME: &'static str = "notary";
    const NEEDS: &'static [Channel] = &[SEND];

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self::default())
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind != Kind::Tell {
            return Ok(());
        }
        if &*letter.contents != b"count" {
            self.count += 1;
        }
        effects.reply(self.count.to_string()).map(drop)
    }
}

/// Sends what it is told on to its first contact, and the answer back; without a contact it answers
/// itself. A link of chains.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Relay;

impl Behaviour for Relay {
    const NAME: &'static str = "relay";
    const NEEDS: &'static [Channel] = &[SEND];

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind != Kind::Tell {
            return Ok(());
        }
        if effects.contacts_len() > 0 {
            effects.forward(Contact::Kept(0)).map(drop)
        } else {
            effects.reply(letter.contents.clone()).map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_counter_reads_back_what_it_shows(total in -10_i128.pow(27)..10_i128.pow(27)) {
            let shown = Counter { total }.show();
            prop_assert_eq!(Counter::parse(&shown), Some(total), "{}", shown);
        }

        #[test]
        fn no_text_makes_the_counter_panic(text: String) {
            let _ = Counter::parse(&text);
        }
    }

    #[test]
    fn numbers_are_exact_decimals() {
        let sum = Counter::parse("0.1").unwrap() + Counter::parse("0.2").unwrap();
        assert_eq!(Counter { total: sum }.show(), "0.3");
        for bad in ["", ".", "-", "1e3", "1.0000000001", "0x1", "1 2"] {
            assert_eq!(Counter::parse(bad), None, "{bad}");
        }
    }
}
