//! The VC `llm`: a language model behind an OpenAI-compatible address, for those who ask it.
//!
//! A text asks, the model's text answers. Before it does, the model may call tools: the contacts of this VC, which
//! are asked by messages, and whose answers it reads in its next *round*. The turns are pure: a call of the model
//! leaves as a message to the world outside, and its answer is a message as well; so a journal holds all that the
//! model ever said, and a replay needs no model. Questions that are not answered are kept in the state, and their
//! calls made once more when the node begins again.
//!
//! Read in this order: [`LlmSpec`] (the argument), `ask` (what may be asked), `Llm` (the rounds of a talk).

mod ask;
mod spec;

use std::collections::VecDeque;
use std::fmt::Write;

use actors::behaviour::{Behaviour, Fault};
use actors::effects::{Contact, Effects, Question};
use actors::letter::{Contents as Shared, Letter};
use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::message::{Kind, MessageRef};
use genesis::power::Power;
use genesis::purse::Coin;
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use spec::{LlmSpec, Price, Tool};

use super::BEGAN;
use super::call::{
    ANSWER, Answer, CALL, CHUNK, Call, Came, Chat, Chunk, MESSAGES_BYTES_MAX, Said, ToolCall,
    Usage, What,
};
use super::chat::tokens_of;
use super::facts::{JSON, TYPE, written};
use super::http::no_calls_left;
use ask::Ask;

/// Where pieces of an answer are told to who asked for them: JSON with `re`, `at` and `text`.
pub const PIECES: Channel = Channel::known("llm/chunk");
/// Longest answer of a tool that a model reads, in bytes; the rest is left out, and the model is told.
const TOOL_BYTES_MAX: usize = 8 * 1024;
/// Most who asked whose exchanges are kept: the one who asked longest ago is forgotten.
const ASKERS_MAX: usize = 64;
/// Most bytes of the exchanges with one of them that are kept.
const HISTORY_BYTES_MAX: usize = 16 * 1024;

/// Speaks for a language model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Llm {
    argument: Shared,
    /// The number of the last call.
    last: u64,
    /// Tokens spent in its life.
    spent: u64,
    /// Questions that are not answered, oldest first.
    talks: Vec<Talk>,
    /// What was said before, by who asked; who asked last is last.
    past: VecDeque<Past>,
}

/// A question, from when it is asked until it is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Talk {
    question: Question,
    reference: MessageRef,
    /// Who gets pieces of the answer, and how they are named to them.
    pieces: Option<(Contact, String)>,
    /// What was asked, to be remembered with the answer.
    asked: Option<String>,
    /// All messages of the talk, as JSON.
    messages: Shared,
    rounds: u32,
    /// The call that is under way: its number and what was told; none while tools work.
    call: Option<(u64, Shared)>,
    /// What of the caps may be spent by that call.
    reserved: Reserved,
    /// The tools that work.
    tools: Vec<Use>,
}

/// What calls that are under way may spend.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Reserved {
    tokens: u64,
    motes: u64,
}

/// A tool that a model called.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Use {
    id: String,
    /// The message that asks it; 0 if it was not asked.
    sequence: u64,
    answer: Option<String>,
}

/// What was said before.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Past {
    asker: VcId,
    exchanges: VecDeque<(String, String)>,
}

impl Llm {
    fn spec(&self) -> Result<LlmSpec, Fault> {
        LlmSpec::read(&self.argument).map_err(Fault::malformed)
    }

    /// Somebody asks.
    fn asked(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let spec = self.spec()?;
        let question = effects.question()?;
        let open = self.talks.len();
        if open >= spec.open_max {
            let what = format!("{open} questions are open (`open_max`)");
            let why = Refusal::new(Code::Busy, what).hint("ask again later");
            effects.refuse(question, &why)?;
            return Ok(());
        }
        let ask = match Ask::read(letter) {
            Ok(ask) => ask,
            Err(why) => {
                effects.refuse(question, &Refusal::new(Code::Malformed, why))?;
                return Ok(());
            }
        };
        let mut messages: Vec<Value> = Vec::new();
        if let Some(system) = &spec.system {
            messages.push(json!({ "role": "system", "content": system }));
        }
        let past = self.past.iter();
        let past = past.filter(|past| Some(past.asker) == question.from() && spec.history > 0);
        for (asked, answered) in past.flat_map(|past| &past.exchanges) {
            messages.push(json!({ "role": "user", "content": asked }));
            messages.push(json!({ "role": "assistant", "content": answered }));
        }
        messages.extend(ask.messages);
        let pieces = match ask.stream {
            Some(name) => Some((effects.keep(Contact::Sender)?, name)),
            None => None,
        };
        let talk = Talk {
            question,
            reference: letter.reference(),
            pieces,
            asked: ask.text.filter(|_| spec.history > 0),
            messages: written(&messages)?.into(),
            rounds: 0,
            call: None,
            reserved: Reserved::default(),
            tools: Vec::new(),
        };
        self.round(talk, &spec, effects)
    }

    /// Calls the model with all that was said so far, or refuses the question because it may not be called.
    fn round(
        &mut self,
        mut talk: Talk,
        spec: &LlmSpec,
        effects: &mut Effects<'_>,
    ) -> Result<(), Fault> {
        effects.because(talk.reference);
        let max_tokens = match self.allowance(&talk, spec, effects) {
            Ok((reserved, max_tokens)) => {
                talk.reserved = reserved;
                max_tokens
            }
            Err(why) => {
                effects.refuse(talk.question, &why)?;
                return Ok(());
            }
        };
        self.last += 1;
        talk.rounds += 1;
        let messages = serde_json::from_slice(&talk.messages)
            .map_err(|error| Fault::malformed(error.to_string()))?;
        let call: Shared = written(&Call {
            number: self.last,
            key: spec.key.clone(),
            timeout_ms: spec.timeout_ms,
            what: What::Chat(Chat {
                base: spec.base.clone(),
                model: spec.model.clone(),
                messages,
                max_tokens,
                stream: talk.pieces.is_some(),
                tries: spec.tries,
                wait_ms: spec.wait_ms,
            }),
        })?
        .into();
        effects.tell_outside(CALL, call.clone())?;
        talk.call = Some((self.last, call));
        self.talks.push(talk);
        Ok(())
    }

    /// What the next call may spend, or which of the caps is reached.
    fn allowance(
        &self,
        talk: &Talk,
        spec: &LlmSpec,
        effects: &Effects<'_>,
    ) -> Result<(Reserved, Option<u64>), Refusal> {
        let budget = |what: String| Refusal::new(Code::Budget, what);
        let bytes = talk.messages.len();
        if bytes > MESSAGES_BYTES_MAX {
            let what = format!(
                "the talk has {bytes} bytes, at most {MESSAGES_BYTES_MAX} are told the model"
            );
            return Err(Refusal::new(Code::TooLarge, what).hint("ask for less at a time"));
        }
        if talk.rounds >= spec.rounds_max {
            let what = format!(
                "the model called tools for {} rounds (`rounds_max`) and did not answer",
                talk.rounds
            );
            return Err(budget(what));
        }
        if effects.left(Coin::Outside) == 0 {
            return Err(no_calls_left());
        }
        let reads = tokens_of(bytes);
        let mut writes = spec.answer_tokens_max;
        let taken = self
            .talks
            .iter()
            .fold(Reserved::default(), |sum, talk| Reserved {
                tokens: sum.tokens.saturating_add(talk.reserved.tokens),
                motes: sum.motes.saturating_add(talk.reserved.motes),
            });
        if let Some(max) = spec.tokens_max {
            let left = max.saturating_sub(self.spent).saturating_sub(taken.tokens);
            if left <= reads {
                let what = format!(
                    "{} of its {max} tokens are spent (`tokens_max`), {} more may be by questions that are open; \
                     this one begins with about {reads}",
                    self.spent, taken.tokens
                );
                return Err(budget(what).hint("spawn it again with more"));
            }
            writes = Some(writes.map_or(left - reads, |writes| writes.min(left - reads)));
        }
        let mut reserved = Reserved {
            tokens: reads.saturating_add(writes.unwrap_or(0)),
            motes: 0,
        };
        if let Some(price) = &spec.price {
            let left = effects.left(Coin::Motes).saturating_sub(taken.motes);
            let affordable = price.affordable(reads, left);
            let Some(affordable) = affordable.filter(|&tokens| tokens > 0) else {
                let what = format!(
                    "its purse has {left} `motes` left, and to be read alone this costs about {}",
                    price.of(reads, 0)
                );
                return Err(budget(what).hint("spawn it again with `--budget motes=N`"));
            };
            if affordable < u64::MAX {
                writes = Some(writes.map_or(affordable, |writes| writes.min(affordable)));
            }
            reserved.motes = price.of(reads, writes.unwrap_or(0));
        }
        Ok((reserved, writes))
    }

    /// The model answered, or failed to.
    fn answered(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let answer: Answer = serde_json::from_slice(&letter.contents)
            .map_err(|error| Fault::malformed(error.to_string()))?;
        let is_it = |talk: &Talk| talk.call.as_ref().map(|(n, _)| *n) == Some(answer.number);
        // What was answered already was called again after a restart.
        let Some(at) = self.talks.iter().position(is_it) else {
            return Ok(());
        };
        let spec = self.spec()?;
        let mut talk = self.talks.remove(at);
        talk.call = None;
        talk.reserved = Reserved::default();
        effects.because(talk.reference);
        match answer.came {
            Came::Chat(said) => {
                self.pay(answer.number, said.usage, &spec, effects)?;
                if said.calls.is_empty() {
                    self.remember(&talk, &said.text, &spec);
                    effects.answer(talk.question, said.text)?;
                    return Ok(());
                }
                call_tools(&mut talk, said, &spec, effects)?;
                self.go_on(talk, &spec, effects)
            }
            Came::Failed { why, usage } => {
                self.pay(answer.number, usage, &spec, effects)?;
                effects.refuse(talk.question, &why)?;
                Ok(())
            }
            Came::Http(_) => Err(Fault::malformed("a server answered instead of a model")),
        }
    }

    /// Takes what a call cost: tokens off the cap, motes off the purse.
    fn pay(
        &mut self,
        number: u64,
        usage: Usage,
        spec: &LlmSpec,
        effects: &mut Effects<'_>,
    ) -> Result<(), Fault> {
        self.spent = self.spent.saturating_add(usage.tokens());
        let mut line = format!(
            "call {number}: {}{} tokens in, {} out",
            if usage.estimated { "about " } else { "" },
            usage.tokens_in,
            usage.tokens_out
        );
        if let Some(max) = spec.tokens_max {
            let _ = write!(line, "; {} of {max} spent", self.spent);
        }
        if let Some(price) = &spec.price {
            // A server that says more than it was allowed is not paid more than there is.
            let cost = price.of(usage.tokens_in, usage.tokens_out);
            let paid = cost.min(effects.left(Coin::Motes));
            effects.pay(Coin::Motes, paid)?;
            let _ = write!(line, "; {paid} motes paid");
            if paid < cost {
                let _ = write!(line, " of {cost}");
            }
        }
        if effects.grants().has(Power::Emit) {
            effects.emit(line)?;
        }
        Ok(())
    }

    fn remember(&mut self, talk: &Talk, answered: &str, spec: &LlmSpec) {
        let (Some(asked), Some(asker)) = (&talk.asked, talk.question.from()) else {
            return;
        };
        let at = self.past.iter().position(|past| past.asker == asker);
        let mut past = at.and_then(|at| self.past.remove(at)).unwrap_or(Past {
            asker,
            exchanges: VecDeque::new(),
        });
        past.exchanges
            .push_back((asked.clone(), answered.to_owned()));
        let bytes = |past: &Past| -> usize {
            let exchanges = past.exchanges.iter();
            exchanges
                .map(|(asked, said)| asked.len() + said.len())
                .sum()
        };
        while past.exchanges.len() > spec.history as usize || bytes(&past) > HISTORY_BYTES_MAX {
            past.exchanges.pop_front();
        }
        self.past.push_back(past);
        if self.past.len() > ASKERS_MAX {
            self.past.pop_front();
        }
    }

    /// The next round, once all tools have answered.
    fn go_on(
        &mut self,
        mut talk: Talk,
        spec: &LlmSpec,
        effects: &mut Effects<'_>,
    ) -> Result<(), Fault> {
        if talk.tools.iter().any(|tool| tool.answer.is_none()) {
            self.talks.push(talk);
            return Ok(());
        }
        let answers: Vec<_> = std::mem::take(&mut talk.tools)
            .into_iter()
            .map(|tool| json!({ "role": "tool", "tool_call_id": tool.id, "content": tool.answer }))
            .collect();
        add(&mut talk.messages, answers)?;
        self.round(talk, spec, effects)
    }

    /// A tool answered, or its message came back.
    fn tool_answered(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let answers = |tool: &Use| tool.sequence == letter.answers && tool.answer.is_none();
        let at = self.talks.iter().position(|t| t.tools.iter().any(answers));
        let Some(at) = at.filter(|_| letter.answers != 0) else {
            return Ok(());
        };
        let mut talk = self.talks.remove(at);
        let answer = match letter.refusal() {
            Some(why) if letter.kind == Kind::Bounce => format!("error: {}: {why}", why.code),
            _ => readable(&letter.contents),
        };
        for tool in talk.tools.iter_mut().filter(|tool| answers(tool)) {
            tool.answer = Some(answer.clone());
        }
        let spec = self.spec()?;
        self.go_on(talk, &spec, effects)
    }

    /// Hands on a piece of an answer.
    fn piece(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        let chunk: Chunk = serde_json::from_slice(&letter.contents)
            .map_err(|error| Fault::malformed(error.to_string()))?;
        let is_it = |talk: &&Talk| talk.call.as_ref().map(|(n, _)| *n) == Some(chunk.number);
        let talk = self.talks.iter().find(is_it);
        if let Some(talk) = talk
            && let Some((contact, name)) = &talk.pieces
        {
            let said = json!({ "re": name, "at": chunk.at, "text": chunk.text });
            effects.because(talk.reference);
            effects.send_by(*contact, PIECES, said.to_string())?;
            effects.note(TYPE, JSON);
        }
        Ok(())
    }

    /// Who calls begins anew: calls that are not answered are made again.
    fn again(&self, effects: &mut Effects<'_>) -> Result<(), Fault> {
        for talk in &self.talks {
            if let Some((_, call)) = &talk.call {
                effects.because(talk.reference);
                effects.tell_outside_again(CALL, call.clone())?;
            }
        }
        Ok(())
    }
}

/// Adds messages to a talk.
fn add(messages: &mut Shared, more: impl IntoIterator<Item = Value>) -> Result<(), Fault> {
    let mut all: Vec<Value> =
        serde_json::from_slice(messages).map_err(|error| Fault::malformed(error.to_string()))?;
    all.extend(more);
    *messages = written(&all)?.into();
    Ok(())
}

/// Asks the contacts that the model calls.
fn call_tools(
    talk: &mut Talk,
    said: Said,
    spec: &LlmSpec,
    effects: &mut Effects<'_>,
) -> Result<(), Fault> {
    let calls: Vec<_> = said
        .calls
        .iter()
        .map(|call| {
            let function = json!({ "name": call.name, "arguments": call.arguments });
            json!({ "id": call.id, "type": "function", "function": function })
        })
        .collect();
    let content = (!said.text.is_empty()).then_some(&said.text);
    let message = json!({ "role": "assistant", "content": content, "tool_calls": calls });
    add(&mut talk.messages, [message])?;
    for call in said.calls {
        let (sequence, answer) = match ask_tool(&call, spec, effects) {
            Ok(sequence) => (sequence, None),
            Err(why) if why.code == Code::Budget => return Err(why),
            Err(why) => (0, Some(format!("error: {why}"))),
        };
        talk.tools.push(Use {
            id: call.id,
            sequence,
            answer,
        });
    }
    Ok(())
}

/// Asks a contact on the model's behalf; gives the sequence of the message.
fn ask_tool(call: &ToolCall, spec: &LlmSpec, effects: &mut Effects<'_>) -> Result<u64, Fault> {
    let Some(to) = &call.to else {
        let what = format!("there is no tool `{}`", call.name);
        return Err(Fault::new(Code::Unknown, what));
    };
    let contact = effects.named(to).ok_or_else(|| {
        let what = format!("`{to}` is not a contact");
        Fault::new(Code::NotAContact, what)
    })?;
    let channel = match &call.channel {
        None => Channel::MAIN,
        Some(name) => name
            .parse()
            .map_err(|error| Fault::malformed(format!("`{name}`: {error}")))?,
    };
    let arguments: Value = serde_json::from_str(&call.arguments)
        .map_err(|error| Fault::malformed(format!("the arguments are not JSON: {error}")))?;
    let sequence = if call.as_json {
        let sequence = effects.send_by(contact, channel, arguments.to_string())?;
        effects.note(TYPE, JSON);
        sequence
    } else {
        let text = arguments.get("text").and_then(Value::as_str);
        let text = text.ok_or_else(|| Fault::malformed("the arguments have no `text`"))?;
        effects.send_by(contact, channel, text)?
    };
    effects.within(sequence, spec.tool_timeout_ms)?;
    Ok(sequence)
}

/// What a tool answered, as a model reads it.
fn readable(contents: &Shared) -> String {
    let Some(text) = contents.as_text() else {
        return format!("{} bytes that are no text", contents.total());
    };
    if text.len() <= TOOL_BYTES_MAX {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(TOOL_BYTES_MAX);
    let (start, _) = text.split_at(end);
    format!("{start}… ({} bytes more are left out)", text.len() - end)
}

impl Behaviour for Llm {
    const NAME: &'static str = "llm";
    const NEEDS: &'static [Channel] =
        &[Channel::known("medium/send"), Channel::known("medium/emit")];

    fn born(argument: &[u8]) -> Result<Self, Fault> {
        LlmSpec::read(argument).map_err(Fault::malformed)?;
        Ok(Self {
            argument: argument.into(),
            last: 0,
            spent: 0,
            talks: Vec::new(),
            past: VecDeque::new(),
        })
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if !effects.is_from_outside() {
            return match letter.kind {
                Kind::Tell => self.asked(letter, effects),
                Kind::Reply | Kind::Bounce => self.tool_answered(letter, effects),
                _ => Ok(()),
            };
        }
        if letter.channel == ANSWER {
            self.answered(letter, effects)
        } else if letter.channel == CHUNK {
            self.piece(letter, effects)
        } else if letter.channel == BEGAN {
            self.again(effects)
        } else {
            Ok(())
        }
    }

    fn answers(&self, channel: Channel) -> bool {
        [Channel::MAIN, ANSWER, CHUNK, BEGAN].contains(&channel)
    }
}
