//! What may be asked of a model.

use actors::letter::Letter;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::facts::says_json;

/// Longest name of a stream, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// A question, as it is read.
pub(super) struct Ask {
    /// The messages, as the model reads them.
    pub(super) messages: Vec<Value>,
    /// What was asked, if it was asked by a text.
    pub(super) text: Option<String>,
    /// How pieces of the answer are named to who asked, if they are wanted.
    pub(super) stream: Option<String>,
}

/// A question that is more than a text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    text: Option<String>,
    messages: Option<Vec<Message>>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    re: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    role: String,
    content: String,
}

impl Ask {
    /// Reads a message: a text, or JSON with `text` or `messages`.
    pub(super) fn read(letter: &Letter) -> Result<Self, String> {
        let text = letter.contents.as_text();
        let text = text.ok_or("a question is a text, or JSON with `text` or `messages`")?;
        // A text may look like JSON: only what says that it is, or can be nothing else, is taken for it.
        let full = match serde_json::from_str::<Full>(text) {
            Ok(full) => full,
            Err(error) if says_json(letter) => return Err(format!("the question: {error}")),
            Err(_) => Full {
                text: Some(text.to_owned()),
                messages: None,
                stream: false,
                re: None,
            },
        };
        Self::of(full)
    }

    fn of(full: Full) -> Result<Self, String> {
        let messages = match (&full.text, full.messages) {
            (Some(text), None) => vec![json!({ "role": "user", "content": text })],
            (None, Some(messages)) if !messages.is_empty() => messages
                .into_iter()
                .map(|Message { role, content }| {
                    if ["user", "assistant", "system"].contains(&role.as_str()) {
                        return Ok(json!({ "role": role, "content": content }));
                    }
                    Err(format!("`role` is user, assistant or system, not `{role}`"))
                })
                .collect::<Result<_, _>>()?,
            _ => return Err("a question has either `text` or `messages`".to_owned()),
        };
        let name = full.re.unwrap_or_default();
        if name.len() > NAME_BYTES_MAX {
            let bytes = name.len();
            return Err(format!("`re` has {bytes} bytes, at most {NAME_BYTES_MAX}"));
        }
        Ok(Self {
            messages,
            text: full.text,
            stream: full.stream.then_some(name),
        })
    }
}
