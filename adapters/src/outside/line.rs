//! The lines of the protocol: what a program writes, and what it is told. A line is one JSON object.
//!
//! | the program writes | and means |
//! |---|---|
//! | `{"re":7,"text":"..."}` | the answer to message 7, which is done with that |
//! | `{"re":7,"error":"..."}` | message 7 goes back to who sent it, with this reason |
//! | `{"done":7}` | message 7 is done with, without an answer; one may still follow |
//! | `{"to":"bob","channel":"main","text":"..."}` | a message to a contact |
//! | `{"to":"bob","text":"...","ask":"k","within":5000}` | the same, and its answer will be told with `"re":"k"` |
//! | `{"emit":"..."}` | a line for the VC's log |
//! | `{"after":500,"tag":"t"}` | to be told `{"after":"t"}` in 500 ms |
//! | `{"spawn":{"native":"echo"},"as":"e"}` | a child, known as `e` from now on |
//! | `{"stop":true}` | its own end |
//! | `{"medium":1}` | which version it speaks; need not be said |
//!
//! Wherever `text` stands may stand `json`, with any value.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One line of a program: every field it may have. Which go together, `Said::meant` knows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    medium: Option<u32>,
    re: Option<u64>,
    done: Option<u64>,
    to: Option<String>,
    channel: Option<String>,
    text: Option<String>,
    json: Option<Value>,
    error: Option<String>,
    ask: Option<String>,
    within: Option<u64>,
    emit: Option<String>,
    after: Option<u64>,
    tag: Option<String>,
    spawn: Option<Child>,
    #[serde(rename = "as")]
    name: Option<String>,
    stop: Option<bool>,
}

/// A child that a program gives birth to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Child {
    /// A native behaviour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<String>,
    /// A literal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Sandboxed code that the node knows: the digest of its module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// What it begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// What it may do, of what its parent may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
    /// What it may spend, out of its parent's purse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purse: Option<genesis::purse::Purse>,
}

/// What a message says: a text, or a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Contents {
    /// A text.
    Text(String),
    /// A value.
    Json(Value),
}

/// What a line means.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// The program speaks this version.
    Version(u32),
    /// An answer to a message it was told.
    Answer(u64, Contents),
    /// A message it was told goes back.
    Refuse(u64, String),
    /// A message it was told is done with.
    Done(u64),
    /// A message to a contact.
    Send {
        /// To whom.
        to: String,
        /// By which channel.
        channel: Option<String>,
        /// What it says.
        contents: Contents,
        /// What its answer will be told with, and within how many milliseconds, if it is a question.
        ask: Option<(String, Option<u64>)>,
    },
    /// A line for the log.
    Emit(String),
    /// To be told so later.
    After(u64, String),
    /// A child.
    Spawn(Child, String),
    /// Its end.
    Stop,
}

/// Longest key of a question, name of a contact or tag of a timer, in bytes.
pub const KEY_BYTES_MAX: usize = 128;

impl Said {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, in plain words.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let raw: Raw = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        raw.meant()
    }
}

impl Raw {
    fn meant(self) -> Result<Said, String> {
        let verbs = [
            ("medium", self.medium.is_some()),
            ("re", self.re.is_some()),
            ("done", self.done.is_some()),
            ("to", self.to.is_some()),
            ("emit", self.emit.is_some()),
            ("after", self.after.is_some()),
            ("spawn", self.spawn.is_some()),
            ("stop", self.stop.is_some()),
        ];
        let said: Vec<_> = verbs
            .iter()
            .filter(|(_, is)| *is)
            .map(|(verb, _)| *verb)
            .collect();
        let [verb] = said.as_slice() else {
            let all = verbs.map(|(verb, _)| verb).join(", ");
            return Err(match said.as_slice() {
                [] => format!("it has none of {all}"),
                several => format!("it has {} at once", several.join(" and ")),
            });
        };
        let may: &[(&str, bool)] = &[
            ("channel", self.channel.is_some() && *verb != "to"),
            ("text", self.text.is_some() && !matches!(*verb, "to" | "re")),
            ("json", self.json.is_some() && !matches!(*verb, "to" | "re")),
            ("error", self.error.is_some() && *verb != "re"),
            ("ask", self.ask.is_some() && *verb != "to"),
            ("within", self.within.is_some() && self.ask.is_none()),
            ("tag", self.tag.is_some() && *verb != "after"),
            ("as", self.name.is_some() && *verb != "spawn"),
        ];
        if let Some((field, _)) = may.iter().find(|(_, is)| *is) {
            return Err(format!("`{field}` does not go with `{verb}`"));
        }
        let keys = [&self.to, &self.ask, &self.tag, &self.name];
        if let Some(key) = keys
            .into_iter()
            .flatten()
            .find(|key| key.len() > KEY_BYTES_MAX)
        {
            return Err(format!(
                "a name of {} bytes, at most {KEY_BYTES_MAX}",
                key.len()
            ));
        }
        let contents = |text: Option<String>, json: Option<Value>| match (text, json) {
            (Some(text), None) => Ok(Contents::Text(text)),
            (None, Some(json)) => Ok(Contents::Json(json)),
            (None, None) => Err("it has neither `text` nor `json`".to_owned()),
            (Some(_), Some(_)) => Err("it has `text` and `json` at once".to_owned()),
        };
        Ok(if let Some(version) = self.medium {
            Said::Version(version)
        } else if let Some(id) = self.re {
            match self.error {
                Some(error) if self.text.is_none() && self.json.is_none() => {
                    Said::Refuse(id, error)
                }
                Some(_) => return Err("it has an answer and an `error`".to_owned()),
                None => Said::Answer(id, contents(self.text, self.json)?),
            }
        } else if let Some(id) = self.done {
            Said::Done(id)
        } else if let Some(to) = self.to {
            Said::Send {
                to,
                channel: self.channel,
                contents: contents(self.text, self.json)?,
                ask: self.ask.map(|key| (key, self.within)),
            }
        } else if let Some(line) = self.emit {
            Said::Emit(line)
        } else if let Some(delay_ms) = self.after {
            Said::After(delay_ms, self.tag.unwrap_or_default())
        } else if let Some(child) = self.spawn {
            let name = self
                .name
                .ok_or("`spawn` needs `as`: what the child is called")?;
            Said::Spawn(child, name)
        } else {
            Said::Stop
        })
    }
}

/// What a program is told. `None` is left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tell<'a> {
    /// The number by which it is done with or answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Whether it was told before, and the program did not say that it was done with it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// Whose answer this is: the key of the program's own question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub re: Option<&'a str>,
    /// Who sent it: what the program calls them, or their id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// By which channel it came, if not by `main`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The tag of a timer that ran out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<&'a str>,
    /// Who stopped, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<&'a str>,
    /// What it says, if that is a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    /// What it says, if that is a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
    /// What it says, if that is neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// What it says, if that is too long for a line: digest and bytes.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Far>,
    /// Why the program's own message came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Why<'a>>,
    /// Addresses that the message hands over; they are contacts from now on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    /// A line of the program was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Why<'a>>,
}

/// Contents that are elsewhere.
#[derive(Clone, Debug, Serialize)]
pub struct Far {
    /// Which: the hexadecimal digits of their digest.
    pub digest: String,
    /// How many bytes.
    pub bytes: u64,
}

/// A reason.
#[derive(Clone, Debug, Serialize)]
pub struct Why<'a> {
    /// What kind: `denied`, `busy`, …
    pub code: &'a str,
    /// What failed, in plain words.
    pub what: &'a str,
    /// The line that it is about, or its beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<&'a str>,
}

/// The first line that a program is told: where it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Hello<'a> {
    /// The version of the protocol.
    pub medium: u32,
    /// Who the program is.
    pub you: String,
    /// How often it was started, this time included.
    pub run: u64,
    /// The number of the last message that it was told in its life.
    pub last: u64,
    /// Messages that it was told and has not done with: they follow, with `"again":true`.
    pub open: Vec<u64>,
    /// Its questions that are still without an answer.
    pub asked: Vec<&'a str>,
    /// Whom it may send to, by name.
    pub contacts: Vec<String>,
    /// What it may do.
    pub grants: Vec<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::outside::LINE_BYTES_MAX;

    fn text(text: &str) -> Contents {
        Contents::Text(text.to_owned())
    }

    #[test]
    fn every_verb_is_read() {
        let to_bob = |ask| Said::Send {
            to: "bob".to_owned(),
            channel: Some("main".to_owned()),
            contents: Contents::Json(json!({"a": [1]})),
            ask,
        };
        for (line, said) in [
            (r#"{"medium":1}"#, Said::Version(1)),
            (r#"{"re":7,"text":""}"#, Said::Answer(7, text(""))),
            (r#"{"re":7,"error":"no"}"#, Said::Refuse(7, "no".to_owned())),
            (r#"{"done":7}"#, Said::Done(7)),
            (
                r#"{"to":"bob","channel":"main","json":{"a":[1]}}"#,
                to_bob(None),
            ),
            (
                r#"{"ask":"k","to":"bob","within":5,"channel":"main","json":{"a":[1]}}"#,
                to_bob(Some(("k".to_owned(), Some(5)))),
            ),
            (r#"{"emit":"x"}"#, Said::Emit("x".to_owned())),
            (r#"{"after":0}"#, Said::After(0, String::new())),
            (r#"{"stop":true}"#, Said::Stop),
        ] {
            assert_eq!(Said::read(line.as_bytes()), Ok(said), "{line}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        for (line, why) in [
            (
                "{}",
                "it has none of medium, re, done, to, emit, after, spawn, stop",
            ),
            (
                r#"{"re":1,"done":1,"text":"x"}"#,
                "it has re and done at once",
            ),
            (r#"{"done":1,"text":"x"}"#, "`text` does not go with `done`"),
            (r#"{"to":"b"}"#, "it has neither `text` nor `json`"),
            (
                r#"{"to":"b","text":"","json":1}"#,
                "it has `text` and `json` at once",
            ),
            (
                r#"{"to":"b","text":"","within":1}"#,
                "`within` does not go with `to`",
            ),
            (
                r#"{"re":1,"text":"","error":""}"#,
                "it has an answer and an `error`",
            ),
            (
                r#"{"spawn":{"native":"echo"}}"#,
                "`spawn` needs `as`: what the child is called",
            ),
        ] {
            assert_eq!(Said::read(line.as_bytes()), Err(why.to_owned()), "{line}");
        }
        let long = format!(r#"{{"to":"{}","text":""}}"#, "b".repeat(KEY_BYTES_MAX + 1));
        let why = Said::read(long.as_bytes()).unwrap_err();
        assert_eq!(why, "a name of 129 bytes, at most 128");
    }

    proptest! {
        /// No bytes do harm, and what is understood is within bounds.
        #[test]
        fn any_line_is_read_or_refused(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Said::read(&line);
        }

        #[test]
        fn a_line_with_something_changed_is_read_or_refused(at in 0..60_usize, byte in any::<u8>()) {
            let mut line = br#"{"to":"bob","channel":"main","text":"x","ask":"k","within":5}"#.to_vec();
            line[at] = byte;
            if let Ok(Said::Send { to, .. }) = Said::read(&line) {
                prop_assert!(to.len() < LINE_BYTES_MAX);
            }
        }
    }
}
