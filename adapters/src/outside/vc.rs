//! The VC that speaks for a program: a pure function, like every other.

use std::collections::{BTreeMap, VecDeque};

use actors::behaviour::{Behaviour, Fault};
use actors::effects::{Contact, Effects, Question};
use actors::letter::{Contents as Shared, Letter};
use data_encoding::{BASE64, HEXLOWER};
use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::limits::CONTENTS_INLINE_MAX;
use genesis::message::{Kind, MessageRef};
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};

use super::child::birth_of;
use super::facts::{JSON, TYPE, says_json, written};
use super::line::{Contents, Far, Hello, Said, Tell, Why};
use super::program::Program;
use super::{
    ASKS_MAX, BEGAN, ENDED, GARBAGE_MAX, HELLO, LINE, NOISE, OPEN_BYTES_MAX, OPEN_MAX, OWED_MAX,
    PROTOCOL, SAID,
};

/// How long a question of a program waits unless it says otherwise, in milliseconds.
const WITHIN_MS: u64 = 60_000;
/// So many messages are told again in a message each; more of them share some.
const TOLD_ALONE_MAX: usize = 64;
/// How much of a refused line is shown, in characters.
const SHOWN_MAX: usize = 120;

/// Speaks for a program.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outside {
    /// How often the program was started.
    run: u64,
    /// Whether it runs, as far as is known: a node that was cut off could not say that it ended.
    runs: bool,
    /// The number of the last message that it was told.
    last: u64,
    /// What it was told and has not done with, oldest first.
    open: VecDeque<Open>,
    /// What it has done with and may still answer, oldest first.
    owed: VecDeque<Owed>,
    /// Its questions that are open: sequence and key.
    asks: Vec<(u64, String)>,
    /// Its timers: their numbers and tags.
    timers: BTreeMap<u64, String>,
    timers_set: u64,
    /// Lines refused since the last that was not.
    garbage: u32,
}

/// A message that a program was told.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open {
    id: u64,
    /// Who may be answered; nobody, if it is an answer itself or a notice.
    question: Option<Question>,
    reference: MessageRef,
    line: Shared,
    /// Whether there was a program to hear it.
    heard: bool,
}

/// A message that can still be answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Owed {
    id: u64,
    question: Question,
    reference: MessageRef,
}

/// What a line of a program asked for cannot be.
type Refused = (Code, String);

impl Outside {
    /// Tells the program a message.
    fn tell(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let mut tell = Tell::default();
        let refusal;
        let key = self.asks.iter().position(|&(ask, _)| ask == letter.answers);
        let key = key
            .filter(|_| letter.answers != 0)
            .map(|at| self.asks.remove(at).1);
        let text = letter.contents.as_text();
        let mut question = None;
        match letter.kind {
            Kind::Notice if letter.channel == Channel::TIMER => {
                let tag = <[u8; 8]>::try_from(&*letter.contents).map_or(0, u64::from_le_bytes);
                let Some(tag) = self.timers.remove(&tag) else {
                    return Ok(());
                };
                return self.hand(
                    &Tell {
                        after: Some(&tag),
                        ..tell
                    },
                    None,
                    letter,
                    effects,
                );
            }
            Kind::Notice if letter.channel == Channel::DOWN => tell.down = text,
            Kind::Notice => return Ok(()),
            Kind::Bounce => {
                refusal = letter.refusal();
                let Some(why) = &refusal else { return Ok(()) };
                tell.error = Some(Why {
                    code: why.code.name(),
                    what: &why.what,
                    line: None,
                });
            }
            _ => {
                if letter.kind == Kind::Tell {
                    question = Some(effects.question()?);
                }
                read_contents(letter, &mut tell);
            }
        }
        tell.re = key.as_deref();
        if tell.re.is_none() && letter.kind == Kind::Reply {
            // The answer to something it did not ask: of no use without the question.
            return Ok(());
        }
        if letter.kind != Kind::Notice {
            tell.from = Some(called(letter.from, effects));
        }
        if letter.channel != Channel::MAIN && letter.kind == Kind::Tell {
            tell.channel = Some(letter.channel.to_string());
        }
        for at in 0..letter
            .extra
            .as_deref()
            .map_or(0, |extra| extra.contacts.len())
        {
            let carried = Contact::Carried(u32::try_from(at).unwrap_or(u32::MAX));
            effects.keep(carried)?;
            tell.contacts.push(effects.id_of(carried)?.to_string());
        }
        self.hand(&tell, question, letter, effects)
    }

    /// Numbers a line, remembers it until the program has done with it, and lets it leave.
    fn hand(
        &mut self,
        tell: &Tell<'_>,
        question: Option<Question>,
        letter: &Letter,
        effects: &mut Effects<'_>,
    ) -> Result<(), Fault> {
        let held: usize = self.open.iter().map(|open| open.line.len()).sum();
        if question.is_some() && (self.open.len() >= OPEN_MAX || held >= OPEN_BYTES_MAX) {
            let what = format!(
                "its program has {} messages ({held} bytes) that it has not done with",
                self.open.len()
            );
            return Err(Fault::new(Code::Busy, what));
        }
        self.last += 1;
        let tell = Tell {
            id: Some(self.last),
            ..tell.clone()
        };
        let line = written(&tell)?;
        if line.len() > CONTENTS_INLINE_MAX {
            let what = format!(
                "as a line it has {} bytes, at most {CONTENTS_INLINE_MAX} are told a program",
                line.len()
            );
            return Err(Fault::new(Code::TooLarge, what));
        }
        effects.tell_outside(LINE, line.as_str())?;
        self.open.push_back(Open {
            id: self.last,
            question,
            reference: letter.reference(),
            line: line.into(),
            heard: self.runs,
        });
        Ok(())
    }

    /// The program was started: it is told where it stands, and what it has not done with.
    fn began(&mut self, effects: &mut Effects<'_>) -> Result<(), Fault> {
        self.run += 1;
        self.garbage = 0;
        let hello = Hello {
            medium: PROTOCOL,
            you: effects.me().to_string(),
            run: self.run,
            last: self.last,
            open: self.open.iter().map(|open| open.id).collect(),
            asked: self.asks.iter().map(|(_, key)| key.as_str()).collect(),
            contacts: effects.names().map(|(name, _)| name.to_owned()).collect(),
            grants: effects
                .grants()
                .iter()
                .map(|power| power.to_string())
                .collect(),
        };
        effects.tell_outside(HELLO, written(&hello)?)?;
        // One message each, so that it is seen what is due to what; but a turn has only so many effects.
        let alone = self.open.len() <= TOLD_ALONE_MAX;
        let mut lines = String::new();
        for open in &mut self.open {
            let start = format!("{{\"id\":{},", open.id);
            let line = open.line.as_text().unwrap_or_default();
            let line = match line.strip_prefix(start.as_str()).filter(|_| open.heard) {
                Some(rest) => format!("{start}\"again\":true,{rest}"),
                None => line.to_owned(),
            };
            open.heard = true;
            let full = lines.len() + line.len() >= CONTENTS_INLINE_MAX;
            if !lines.is_empty() && (alone || full) {
                effects.tell_outside_again(LINE, std::mem::take(&mut lines))?;
            }
            if lines.is_empty() {
                effects.because(open.reference);
            } else {
                lines.push('\n');
            }
            lines.push_str(&line);
        }
        if !lines.is_empty() {
            effects.tell_outside_again(LINE, lines)?;
        }
        self.runs = true;
        Ok(())
    }

    /// The program ended: what it was at goes back to who sent it, so that it is not what it fails at again.
    fn ended(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        self.runs = false;
        let how = letter.contents.as_text().unwrap_or("it ended");
        let Some(open) = self.open.pop_front() else {
            return Ok(());
        };
        effects.emit(format!("message {} is set aside: {how}", open.id))?;
        if let Some(question) = open.question {
            effects.because(open.reference);
            let why = format!("the program of {} had it when {how}", effects.me());
            effects.refuse(question, &Refusal::new(Code::Fault, why))?;
        }
        Ok(())
    }

    /// Carries out what the program wrote, a line after the other. A line that cannot be is refused by name, and
    /// the others count.
    fn said(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        for line in letter.contents.split(|&byte| byte == b'\n') {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let said = Said::read(line).map_err(|why| (Code::Malformed, why));
            let outcome = match said {
                Ok(said) => self.carry_out(said, effects),
                Err(refused) => Err(Doubt::Refused(refused)),
            };
            match outcome {
                Ok(()) => self.garbage = 0,
                Err(Doubt::Refused((code, what))) => self.refuse(code, &what, line, effects)?,
                Err(Doubt::Fault(fault)) if is_the_lines_own(&fault) => {
                    self.refuse(fault.code, &fault.what, line, effects)?;
                }
                Err(Doubt::Fault(fault)) => return Err(fault),
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, said: Said, effects: &mut Effects<'_>) -> Result<(), Doubt> {
        // A program that reads one message after the other speaks because of the oldest it has.
        if let Some(open) = self.open.front() {
            effects.because(open.reference);
        }
        match said {
            Said::Version(PROTOCOL) => {}
            Said::Version(other) => {
                let what = format!("this is version {PROTOCOL} of the protocol, not {other}");
                return Err(Doubt::Refused((Code::Malformed, what)));
            }
            Said::Answer(id, contents) => {
                let (question, reference) = self.finish(id, true)?;
                effects.because(reference);
                let (bytes, is_json) = bytes_of(contents);
                effects.answer(question, bytes)?;
                if is_json {
                    effects.note(TYPE, JSON);
                }
            }
            Said::Refuse(id, why) => {
                let (question, reference) = self.finish(id, true)?;
                effects.because(reference);
                effects.refuse(question, &Refusal::new(Code::Fault, why))?;
            }
            Said::Done(id) => self.done(id)?,
            Said::Send {
                to,
                channel,
                contents,
                ask,
            } => self.send(&to, channel.as_deref(), contents, ask, effects)?,
            Said::Emit(line) => effects.emit(line)?,
            Said::After(delay_ms, tag) => {
                effects.after(delay_ms, self.timers_set)?;
                self.timers.insert(self.timers_set, tag);
                self.timers_set += 1;
            }
            Said::Spawn(child, name) => {
                let birth = birth_of(child, &name)
                    .map_err(|what| Doubt::Refused((Code::Malformed, what)))?;
                let contact = effects.spawn(birth)?;
                effects.call(contact, &name)?;
            }
            Said::Stop => effects.stop()?,
        }
        Ok(())
    }

    fn send(
        &mut self,
        to: &str,
        channel: Option<&str>,
        contents: Contents,
        ask: Option<(String, Option<u64>)>,
        effects: &mut Effects<'_>,
    ) -> Result<(), Doubt> {
        let contact = contact(to, effects).ok_or_else(|| {
            let names: Vec<_> = effects.names().map(|(name, _)| name).collect();
            let known = format!(
                "host{}{}",
                if names.is_empty() { "" } else { ", " },
                names.join(", ")
            );
            Doubt::Refused((
                Code::NotAContact,
                format!("`{to}` is not a contact; there are {known}"),
            ))
        })?;
        let channel = match channel {
            None => Channel::MAIN,
            Some(name) => name.parse().map_err(|error| {
                Doubt::Refused((Code::Malformed, format!("`channel`: {error}")))
            })?,
        };
        let (bytes, is_json) = bytes_of(contents);
        let Some((key, within_ms)) = ask else {
            effects.send_by(contact, channel, bytes)?;
            if is_json {
                effects.note(TYPE, JSON);
            }
            return Ok(());
        };
        if self.asks.len() >= ASKS_MAX {
            let what = format!("{ASKS_MAX} of its questions are open");
            return Err(Doubt::Refused((Code::Busy, what)));
        }
        if self.asks.iter().any(|(_, open)| *open == key) {
            let what = format!("a question `{key}` is open already");
            return Err(Doubt::Refused((Code::Conflict, what)));
        }
        let sequence = effects.send_by(contact, channel, bytes)?;
        if is_json {
            effects.note(TYPE, JSON);
        }
        effects.within(sequence, within_ms.unwrap_or(WITHIN_MS))?;
        self.asks.push((sequence, key));
        Ok(())
    }

    /// Takes a message off what is open, or off what may still be answered.
    fn finish(&mut self, id: u64, answers: bool) -> Result<(Question, MessageRef), Doubt> {
        if let Some(at) = self.open.iter().position(|open| open.id == id) {
            if answers
                && self
                    .open
                    .get(at)
                    .is_some_and(|open| open.question.is_none())
            {
                let what = format!("message {id} is nobody's question: say `done`");
                return Err(Doubt::Refused((Code::Malformed, what)));
            }
            if let Some(open) = self.open.remove(at)
                && let Some(question) = open.question
            {
                return Ok((question, open.reference));
            }
        }
        if let Some(at) = self.owed.iter().position(|owed| owed.id == id)
            && let Some(owed) = self.owed.remove(at)
        {
            return Ok((owed.question, owed.reference));
        }
        Err(self.unknown(id))
    }

    fn done(&mut self, id: u64) -> Result<(), Doubt> {
        let at = self.open.iter().position(|open| open.id == id);
        let Some(open) = at.and_then(|at| self.open.remove(at)) else {
            return Err(self.unknown(id));
        };
        if let Some(question) = open.question {
            if self.owed.len() >= OWED_MAX {
                self.owed.pop_front();
            }
            self.owed.push_back(Owed {
                id,
                question,
                reference: open.reference,
            });
        }
        Ok(())
    }

    fn unknown(&self, id: u64) -> Doubt {
        let what = if id == 0 || id > self.last {
            format!("there was no message {id}; the last is {}", self.last)
        } else {
            format!("message {id} is answered or done with, or was given up")
        };
        Doubt::Refused((Code::Unknown, what))
    }

    /// Tells the program that one of its lines is refused, and says so in the log.
    fn refuse(
        &mut self,
        code: Code,
        what: &str,
        line: &[u8],
        effects: &mut Effects<'_>,
    ) -> Result<(), Fault> {
        self.garbage += 1;
        if self.garbage > GARBAGE_MAX {
            // Who listens outside ends it when this turn fails.
            let what = format!("{GARBAGE_MAX} lines in a row were refused, the last: {what}");
            return Err(Fault::malformed(what));
        }
        let shown: String = String::from_utf8_lossy(line)
            .chars()
            .take(SHOWN_MAX)
            .collect();
        let refused = Tell {
            refused: Some(Why {
                code: code.name(),
                what,
                line: Some(&shown),
            }),
            ..Tell::default()
        };
        effects.tell_outside(LINE, written(&refused)?)?;
        effects.emit(format!("refused: {}: {what}: {shown}", code.name()))
    }
}

/// Why a line is not carried out.
enum Doubt {
    Refused(Refused),
    Fault(Fault),
}

impl From<Fault> for Doubt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Whether a fault is about one line, and others may still be carried out. An empty purse is about all of them.
fn is_the_lines_own(fault: &Fault) -> bool {
    matches!(
        fault.code,
        Code::Denied | Code::NotAContact | Code::Malformed | Code::TooLarge | Code::Unknown
    )
}

/// The contact that a program means: the host, a name, or the id of somebody it keeps.
fn contact(to: &str, effects: &Effects<'_>) -> Option<Contact> {
    if to == "host" {
        return Some(Contact::Host);
    }
    effects.named(to).or_else(|| {
        let id = to.starts_with("vc:").then(|| to.parse().ok())??;
        let id: genesis::id::Address = id;
        effects.kept(id.id)
    })
}

/// What a program calls somebody.
fn called(id: VcId, effects: &Effects<'_>) -> String {
    if let Some(name) = effects.name_of(id) {
        return name.to_owned();
    }
    match effects.id_of(Contact::Host) {
        Ok(host) if host == id => "host".to_owned(),
        _ => id.to_string(),
    }
}

fn read_contents<'a>(letter: &'a Letter, tell: &mut Tell<'a>) {
    if let Some(far) = letter.contents.reference() {
        tell.reference = Some(Far {
            digest: HEXLOWER.encode(&far.digest().0),
            bytes: far.len(),
        });
        return;
    }
    if says_json(letter)
        && let Ok(value) = serde_json::from_slice(&letter.contents)
    {
        tell.json = Some(value);
        return;
    }
    match letter.contents.as_text() {
        Some(text) => tell.text = Some(text),
        None => tell.base64 = Some(BASE64.encode(&letter.contents)),
    }
}

fn bytes_of(contents: Contents) -> (String, bool) {
    match contents {
        Contents::Text(text) => (text, false),
        Contents::Json(value) => (value.to_string(), true),
    }
}

impl Behaviour for Outside {
    const NAME: &'static str = "outside";
    const NEEDS: &'static [Channel] =
        &[Channel::known("medium/send"), Channel::known("medium/emit")];

    fn born(argument: &[u8]) -> Result<Self, Fault> {
        Program::read(argument).map_err(|error| Fault::malformed(error.to_string()))?;
        Ok(Self::default())
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if !effects.is_from_outside() {
            return self.tell(letter, effects);
        }
        if letter.channel == SAID {
            self.said(letter, effects)
        } else if letter.channel == BEGAN {
            self.began(effects)
        } else if letter.channel == ENDED {
            self.ended(letter, effects)
        } else if letter.channel == NOISE {
            let what = letter.contents.as_text().unwrap_or("not a line").to_owned();
            self.refuse(Code::Malformed, &what, b"", effects)
        } else {
            Ok(())
        }
    }

    /// Whatever is sent to it is told to the program, by whichever channel.
    fn answers(&self, channel: Channel) -> bool {
        !channel.is_of_the_medium()
    }
}
