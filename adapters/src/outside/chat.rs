//! How a language model behind an OpenAI-compatible address answers: server-sent events, and what is put together
//! of them. Bytes of a stranger: bounded, and never a panic.
//!
//! Form of the events: <https://html.spec.whatwg.org/multipage/server-sent-events.html>; of what is in them:
//! <https://platform.openai.com/docs/api-reference/chat-streaming>.

#![deny(clippy::indexing_slicing)]

use serde::Deserialize;

use super::call::{Said, TOOL_CALLS_MAX, ToolCall, Usage, WORDS_BYTES_MAX};

/// Longest line or event, in bytes: refuse.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;

/// Finds events in a stream of bytes, however it is cut.
#[derive(Debug, Default)]
pub struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// Whether the last byte was a carriage return, so that a newline belongs to it.
    after_return: bool,
}

/// An event or a line of one is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {EVENT_BYTES_MAX} bytes")]
pub struct EventTooLong;

impl Events {
    /// Takes bytes; gives the data of the events that end in them.
    ///
    /// # Errors
    /// [`EventTooLong`].
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<String>, EventTooLong> {
        let mut found = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => self.end_line(&mut found)?,
                _ => {
                    if self.line.len() >= EVENT_BYTES_MAX {
                        return Err(EventTooLong);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(found)
    }

    fn end_line(&mut self, found: &mut Vec<String>) -> Result<(), EventTooLong> {
        if self.line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                found.push(String::from_utf8_lossy(&self.data).into_owned());
                self.data.clear();
            }
            return Ok(());
        }
        // Other fields (`event`, `id`, `retry`) and comments say nothing that is used here.
        if let Some(value) = self.line.strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            if self.data.len() + value.len() >= EVENT_BYTES_MAX {
                return Err(EventTooLong);
            }
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
            self.has_data = true;
        }
        self.line.clear();
        Ok(())
    }
}

/// Why an answer is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChatError {
    /// It is not of the form that was asked for.
    #[error("the answer is not of the form of `/chat/completions`: {0}")]
    Form(String),
    /// The server says what failed, in the middle.
    #[error("the server says: {0}")]
    Server(String),
    /// It has more than is read.
    #[error("the answer has more than {WORDS_BYTES_MAX} bytes")]
    TooLong,
    /// It calls too many tools at once.
    #[error("the answer calls more than {TOOL_CALLS_MAX} tools at once")]
    TooManyCalls,
}

/// An answer that is being put together.
#[derive(Debug, Default)]
pub struct Answering {
    said: Said,
    usage: Option<Usage>,
    finished: bool,
}

#[derive(Deserialize)]
struct Piece {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Spent>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u64,
    /// What is added, in a stream.
    delta: Option<Delta>,
    /// All of it, where nothing is streamed.
    message: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    tool_calls: Option<Vec<CallPiece>>,
}

#[derive(Deserialize)]
struct CallPiece {
    index: Option<usize>,
    id: Option<String>,
    function: Option<FunctionPiece>,
}

#[derive(Deserialize)]
struct FunctionPiece {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct Spent {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl Answering {
    /// Takes the data of an event, or an answer that is not streamed.
    ///
    /// # Errors
    /// [`ChatError`]: the answer is of no use from here on.
    pub fn take(&mut self, data: &str) -> Result<(), ChatError> {
        if data.trim() == "[DONE]" {
            self.finished = true;
            return Ok(());
        }
        let piece: Piece =
            serde_json::from_str(data).map_err(|error| ChatError::Form(error.to_string()))?;
        if let Some(error) = piece.error.filter(|error| !error.is_null()) {
            let said = error.get("message").and_then(|message| message.as_str());
            let said = said.map_or_else(|| error.to_string(), str::to_owned);
            return Err(ChatError::Server(clipped(&said)));
        }
        if let Some(spent) = piece.usage {
            self.usage = Some(Usage {
                tokens_in: spent.prompt_tokens,
                tokens_out: spent.completion_tokens,
                estimated: false,
            });
        }
        // One answer was asked for.
        for choice in piece.choices.into_iter().filter(|choice| choice.index == 0) {
            for delta in choice.delta.into_iter().chain(choice.message) {
                self.said
                    .text
                    .push_str(delta.content.as_deref().unwrap_or_default());
                for (at, call) in delta.tool_calls.unwrap_or_default().into_iter().enumerate() {
                    self.call(at, call)?;
                }
            }
            self.finished |= choice.finish_reason.is_some();
        }
        if self.bytes() > WORDS_BYTES_MAX {
            return Err(ChatError::TooLong);
        }
        Ok(())
    }

    fn call(&mut self, at: usize, piece: CallPiece) -> Result<(), ChatError> {
        let at = piece.index.unwrap_or(at);
        if at >= TOOL_CALLS_MAX {
            return Err(ChatError::TooManyCalls);
        }
        if self.said.calls.len() <= at {
            self.said.calls.resize_with(at + 1, ToolCall::default);
        }
        let Some(call) = self.said.calls.get_mut(at) else {
            return Err(ChatError::TooManyCalls);
        };
        if let Some(id) = piece.id {
            call.id = id;
        }
        if let Some(function) = piece.function {
            call.name
                .push_str(function.name.as_deref().unwrap_or_default());
            let arguments = function.arguments.as_deref().unwrap_or_default();
            call.arguments.push_str(arguments);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let calls = self.said.calls.iter();
        let calls = calls.map(|call| call.id.len() + call.name.len() + call.arguments.len());
        self.said.text.len() + calls.sum::<usize>()
    }

    /// What it says so far.
    pub fn text(&self) -> &str {
        &self.said.text
    }

    /// Whether all of it came.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// What was spent; where the server did not say, a token for four bytes, of `asked` as well.
    pub fn usage(&self, asked: usize) -> Usage {
        self.usage.unwrap_or_else(|| Usage {
            tokens_in: tokens_of(asked),
            tokens_out: tokens_of(self.bytes()),
            estimated: true,
        })
    }

    /// The answer.
    pub fn said(self, asked: usize) -> Said {
        Said {
            usage: self.usage(asked),
            ..self.said
        }
    }
}

/// About how many tokens a text of so many bytes is.
pub fn tokens_of(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

/// The beginning of a text of somebody else.
pub fn clipped(text: &str) -> String {
    let short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short + "…"
    } else {
        short
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail by a panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = concat!(
        ": a comment\r\n\r\n",
        "event: x\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Grüß\"}}]}\n\n",
        "data:{\"choices\":[{\"index\":0,\ndata: \"delta\":{\"content\":\" dich\"}}]}\r\r",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}}]}\r\n\r\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\n",
        "data: [DONE]\n\n",
    );

    fn answered(pieces: &[&[u8]]) -> Answering {
        let (mut events, mut answering) = (Events::default(), Answering::default());
        for piece in pieces {
            for data in events.take(piece).unwrap() {
                answering.take(&data).unwrap();
            }
        }
        answering
    }

    #[test]
    fn a_stream_means_the_same_wherever_it_is_cut() {
        let bytes = STREAM.as_bytes();
        let whole = answered(&[bytes]);
        assert!(whole.is_finished());
        let whole = whole.said(0);
        assert_eq!(whole.text, "Grüß dich");
        assert_eq!(whole.usage.tokens(), 12);
        let calls = whole.calls.iter();
        let calls = calls.map(|call| {
            (
                call.id.as_str(),
                call.name.as_str(),
                call.arguments.as_str(),
            )
        });
        assert_eq!(
            calls.collect::<Vec<_>>(),
            [("a", "f", "{\"x\":1}"), ("b", "g", "{}")]
        );
        for at in 0..bytes.len() {
            let (left, right) = bytes.split_at(at);
            assert_eq!(answered(&[left, right]).said(0), whole, "cut at {at}");
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(answered(&single).said(0), whole);
    }

    #[test]
    fn what_is_not_finished_is_known_not_to_be() {
        let half = STREAM.split("data: {\"choices\":[],").next().unwrap();
        let half = half.replace("\"tool_calls\"}", "null}");
        let answering = answered(&[half.as_bytes()]);
        assert!(!answering.is_finished());
        let usage = answering.usage(8);
        assert!(usage.estimated && usage.tokens_in == 2, "{usage:?}");
    }

    #[test]
    fn an_answer_that_is_not_streamed_is_one_too() {
        let mut answering = Answering::default();
        let json = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi","tool_calls":null},
            "finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
        answering.take(json).unwrap();
        assert!(answering.is_finished());
        assert_eq!((answering.text(), answering.usage(0).tokens()), ("Hi", 3));
    }

    #[test]
    fn what_is_no_answer_is_named() {
        let long = format!(
            r#"{{"choices":[{{"delta":{{"content":"{}"}}}}]}}"#,
            "a".repeat(WORDS_BYTES_MAX + 1)
        );
        let many = r#"{"choices":[{"delta":{"tool_calls":[{"index":99999999}]}}]}"#;
        for (data, named) in [
            ("<html>", "form"),
            ("[]", "form"),
            (r#"{"error":{"message":"out of cats"}}"#, "out of cats"),
            (long.as_str(), "more than 32768 bytes"),
            (many, "more than 16 tools"),
        ] {
            let why = Answering::default().take(data).unwrap_err().to_string();
            assert!(why.contains(named), "{why}");
        }
        let endless = vec![b'a'; EVENT_BYTES_MAX + 1];
        assert_eq!(Events::default().take(&endless), Err(EventTooLong));
        let lines = b"data: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n".repeat(EVENT_BYTES_MAX / 32);
        assert_eq!(Events::default().take(&lines), Err(EventTooLong));
    }

    proptest! {
        /// Whatever comes, it is an answer or it is not one, and what it costs in memory is bounded.
        #[test]
        fn garbage_does_no_harm(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..16),
            edits in prop::collection::vec((0..STREAM.len(), any::<u8>()), 0..8),
        ) {
            let mut bytes = STREAM.as_bytes().to_vec();
            for (at, byte) in edits {
                bytes[at] = byte;
            }
            let (mut events, mut answering) = (Events::default(), Answering::default());
            for piece in pieces.iter().map(Vec::as_slice).chain(bytes.chunks(7)) {
                for data in events.take(piece).unwrap_or_default() {
                    let _ = answering.take(&data);
                }
            }
            prop_assert!(answering.text().len() <= WORDS_BYTES_MAX + EVENT_BYTES_MAX);
        }
    }
}
