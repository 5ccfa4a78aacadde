//! Calls of servers outside: what the VCs `http` and `llm` want called, and what came back. Both are JSON, in
//! messages to and from the world outside, so a journal can be read by people.

use std::collections::BTreeMap;

use genesis::channel::Channel;
use genesis::id::Digest;
use genesis::refusal::Refusal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::http::{Http, HttpSpec};
use super::llm::{Llm, LlmSpec};
use super::program::Asks;
use actors::behaviour::Behaviour;

/// A server is to be called: a [`Call`].
pub const CALL: Channel = Channel::known("outside/call");
/// What came of a call: an [`Answer`].
pub const ANSWER: Channel = Channel::known("outside/answer");
/// A piece of an answer that is still coming: a [`Chunk`].
pub const CHUNK: Channel = Channel::known("outside/chunk");

/// Most bytes of a body that an answer brings: as base64 in JSON it still fits a message.
pub const BODY_BYTES_MAX: usize = 44 * 1024;
/// Most bytes of an answer of a language model, its calls of tools included.
pub const WORDS_BYTES_MAX: usize = 32 * 1024;
/// Most bytes of the messages that a language model is told in one call.
pub const MESSAGES_BYTES_MAX: usize = 48 * 1024;
/// Most tools that a model may call in one answer.
pub const TOOL_CALLS_MAX: usize = 16;
/// Longest time that a call may take, all tries included, in milliseconds.
pub const TIMEOUT_MS_MAX: u64 = 600_000;
/// Most calls of a VC that are under way.
pub const CALLS_MAX: usize = 64;

/// A call, as a VC wants it made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its number, from 1: with the VC's id it names the call for good.
    pub number: u64,
    /// The granted secret that goes with it as a bearer token, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How long it may take, all tries included, in milliseconds.
    pub timeout_ms: u64,
    /// What is called.
    #[serde(flatten)]
    pub what: What,
}

/// What is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A server of any kind.
    Http(Fetch),
    /// A language model.
    Chat(Chat),
}

/// A call of a server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fetch {
    /// The method, in capitals.
    pub method: String,
    /// The address.
    pub url: String,
    /// Headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Most bytes of the answer's body that are read; the rest is left out.
    pub bytes_max: usize,
}

/// A call of a language model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chat {
    /// The address before `/chat/completions`.
    pub base: String,
    /// Which model.
    pub model: String,
    /// The messages, as the model reads them.
    pub messages: Vec<Value>,
    /// Most tokens it may answer with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Whether who asked wants pieces of the answer while it comes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// How often it is tried, at the most.
    pub tries: u32,
    /// How long it waits before it tries again, the first time, in milliseconds; twice as long each time after.
    pub wait_ms: u64,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The number of the call.
    pub number: u64,
    /// What came.
    #[serde(flatten)]
    pub came: Came,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Came {
    /// A server answered, whatever its status.
    Http(Fetched),
    /// A language model answered.
    Chat(Said),
    /// Nothing that helps.
    Failed {
        /// Why.
        why: Refusal,
        /// What was spent nevertheless.
        #[serde(default)]
        usage: Usage,
    },
}

/// The answer of a server: what `http` answers with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The status: 200 is fine.
    pub status: u16,
    /// Some of its headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Its body, if that is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its body, if that is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// Whether there was more than may be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// The answer of a language model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// In words.
    #[serde(default)]
    pub text: String,
    /// The tools it calls first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ToolCall>,
    /// What was spent.
    #[serde(default)]
    pub usage: Usage,
}

/// A tool that a model calls: a message to a contact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What the model calls this call.
    pub id: String,
    /// What the model calls the tool.
    pub name: String,
    /// What it wrote as its arguments.
    pub arguments: String,
    /// Which contact is meant; none if there is no such tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// By which channel, if not by `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Whether the contact is sent the arguments as they are, or the text in them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_json: bool,
}

/// What a call spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens the model read.
    #[serde(rename = "in")]
    pub tokens_in: u64,
    /// Tokens it wrote.
    #[serde(rename = "out")]
    pub tokens_out: u64,
    /// Whether the server did not say, so that a token is taken for four bytes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            tokens_in: self.tokens_in.saturating_add(other.tokens_in),
            tokens_out: self.tokens_out.saturating_add(other.tokens_out),
            estimated: self.estimated || other.estimated,
        }
    }

    /// All tokens.
    pub fn tokens(self) -> u64 {
        self.tokens_in.saturating_add(self.tokens_out)
    }
}

/// A piece of an answer that is still coming.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The number of the call.
    pub number: u64,
    /// How many bytes of the answer came before; 0 again, if the call is tried again.
    pub at: usize,
    /// The piece.
    pub text: String,
}

/// A VC that calls servers, as whoever spawns it is told: whom, and with which secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What it is, in a few words.
    pub what: Vec<String>,
    /// What it asks for.
    pub asks: Asks,
    /// What it does there, in plain words.
    pub may: Vec<String>,
    /// A digest of its argument.
    pub digest: Digest,
}

impl Caller {
    /// What a native part with this argument calls; nothing, if it is not made to call anybody.
    ///
    /// # Errors
    /// What is wrong with its argument.
    pub fn of(native: &str, argument: &[u8]) -> Option<Result<Self, String>> {
        let read = match native {
            Http::NAME => HttpSpec::read(argument).map(|spec| {
                let methods = spec.methods.join(", ");
                let may = |origin: &String| format!("call {origin} by {methods}");
                let may = spec.origins.iter().map(may).collect();
                (vec![Http::NAME.to_owned()], spec.origins, spec.key, may)
            }),
            Llm::NAME => LlmSpec::read(argument).map(|spec| {
                let may = vec![format!("call {}", spec.base)];
                let what = vec![Llm::NAME.to_owned(), spec.model];
                (what, vec![spec.origin], spec.key, may)
            }),
            _ => return None,
        };
        Some(read.map(|(what, origins, key, may)| Self {
            what,
            asks: Asks {
                origins,
                secrets: key.into_iter().collect(),
                ..Asks::default()
            },
            may,
            digest: Digest::of(argument),
        }))
    }
}
