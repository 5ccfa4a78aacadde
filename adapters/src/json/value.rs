//! A JSON value that keeps what others drop: the order of keys, and numbers as they are written.

use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;

use super::{DEPTH_MAX, Document, JsonError, Node, kind_of};

/// A JSON value, in the order and the notation it was written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A number, as it is written: `1.50` stays `1.50`.
    Number(String),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// An object: its keys, each once, in their order.
    Object(Vec<(String, Self)>),
}

impl Json {
    /// Most entries of one list or object: refuse.
    pub const ENTRIES_MAX: usize = 65_536;

    /// Reads a text. `file` is what errors call it.
    ///
    /// # Errors
    /// [`JsonError`] says what is wrong and where.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, JsonError> {
        Document::parse(file, bytes)?.root().json()
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// What an object has at a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) => entries
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// Puts a value at a key: in the place of the one that is there, else behind all others. What is no
    /// object becomes one.
    pub fn set(&mut self, key: &str, value: Self) {
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Vec::new());
        }
        if let Self::Object(entries) = self {
            match entries.iter_mut().find(|(name, _)| name == key) {
                Some((_, old)) => *old = value,
                None => entries.push((key.to_owned(), value)),
            }
        }
    }

    /// The text of a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// It as a text over several lines, two blanks for each level, with a line end.
    ///
    /// # Panics
    /// If a number was put together by hand and is none.
    pub fn pretty(&self) -> String {
        let mut text = serde_json::to_string_pretty(self)
            .expect("every value has a JSON form: its numbers were numbers when they were read");
        text.push('\n');
        text
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => RawValue::from_string(number.clone())
                .map_err(S::Error::custom)?
                .serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl Node<'_> {
    /// The value, whole; refused if it nests deeper than [`DEPTH_MAX`].
    pub(crate) fn json(&self) -> Result<Json, JsonError> {
        self.json_within(DEPTH_MAX)
    }

    fn json_within(&self, levels: usize) -> Result<Json, JsonError> {
        let Some(below) = levels.checked_sub(1) else {
            return Err(JsonError::TooMany {
                place: self.place(),
                what: "levels of lists and objects",
                count: DEPTH_MAX + 1,
                count_max: DEPTH_MAX,
            });
        };
        Ok(match self.raw.as_bytes().first() {
            Some(b'"') => Json::Text(self.string()?),
            Some(b'{') => {
                let entries = self.object(Json::ENTRIES_MAX)?.into_iter();
                let kept = entries.map(|entry| Ok((entry.key, entry.value.json_within(below)?)));
                Json::Object(kept.collect::<Result<_, JsonError>>()?)
            }
            Some(b'[') => {
                let items = self.list(Json::ENTRIES_MAX)?;
                let kept = items.iter().map(|item| item.json_within(below));
                Json::List(kept.collect::<Result<_, JsonError>>()?)
            }
            Some(b't' | b'f') => Json::Flag(self.flag()?),
            Some(b'n') => Json::Null,
            _ => {
                debug_assert!(kind_of(self.raw).contains("number"));
                Json::Number(self.raw.to_owned())
            }
        })
    }
}
