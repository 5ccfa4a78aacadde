//! JSON whose every value knows its line, column and field; read by `vc.json` and by recipes.
//!
//! `serde_json` checks the syntax once and then hands out values as [`RawValue`]s: pieces of the
//! text, so that where a value lies is where its piece begins. A value is read only when somebody
//! asks for it, which bounds the depth by what the format has, not by what the text nests.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

#[cfg(test)]
mod complaint;
mod error;
mod value;

#[cfg(test)]
pub(crate) use self::complaint::complaint;
pub use self::error::{JsonError, Place};
pub use self::value::Json;

/// Deepest nesting of a value that is kept whole, in levels: refuse.
pub(crate) const DEPTH_MAX: usize = 32;

/// A text that is JSON, and what to call it in errors.
#[derive(Clone, Copy)]
pub(crate) struct Document<'a> {
    file: &'a str,
    text: &'a str,
}

/// One value of a document.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    document: Document<'a>,
    raw: &'a str,
    field: String,
}

/// One entry of an object.
pub(crate) struct Entry<'a> {
    /// Its key.
    pub(crate) key: String,
    /// The key as a value, for its place: finding a place reads the text from its beginning, so
    /// only errors do.
    pub(crate) key_node: Node<'a>,
    /// Its value.
    pub(crate) value: Node<'a>,
}

impl<'a> Document<'a> {
    /// Checks that `bytes` are JSON.
    pub(crate) fn parse(file: &'a str, bytes: &'a [u8]) -> Result<Self, JsonError> {
        let at = |offset: usize| place(file, bytes, offset, String::new());
        let text = std::str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8 {
            place: at(error.valid_up_to()),
            found: "bytes that are not",
        })?;
        if text.starts_with('\u{feff}') {
            return Err(JsonError::NotUtf8 {
                place: at(0),
                found: "a byte order mark",
            });
        }
        match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => Ok(Self { file, text }),
            Err(error) => Err(JsonError::Malformed {
                place: at(offset_of(text, &error)),
                reason: reason_of(&error),
            }),
        }
    }

    /// The outermost value.
    pub(crate) fn root(self) -> Node<'a> {
        Node {
            document: self,
            raw: self.text.trim_ascii(),
            field: String::new(),
        }
    }
}

impl<'a> Node<'a> {
    /// Where the value is.
    pub(crate) fn place(&self) -> Place {
        self.place_of(self.raw, self.field.clone())
    }

    /// Whether the value is a string.
    pub(crate) fn is_string(&self) -> bool {
        self.raw.starts_with('"')
    }

    /// Whether the value is an object.
    pub(crate) fn is_object(&self) -> bool {
        self.raw.starts_with('{')
    }

    /// Whether the value is `null`.
    pub(crate) fn is_null(&self) -> bool {
        self.raw == "null"
    }

    /// The value, which must be a string.
    pub(crate) fn string(&self) -> Result<String, JsonError> {
        if !self.is_string() {
            return Err(self.wrong_type("a string"));
        }
        self.read()
    }

    /// The value, which must be a string of at most so many bytes.
    pub(crate) fn string_within(&self, bytes_max: usize) -> Result<String, JsonError> {
        let text = self.string()?;
        if text.len() > bytes_max {
            return Err(JsonError::TooLong {
                place: self.place(),
                bytes: text.len(),
                bytes_max,
            });
        }
        Ok(text)
    }

    /// The value, which must be `true` or `false`.
    pub(crate) fn flag(&self) -> Result<bool, JsonError> {
        serde_json::from_str(self.raw).map_err(|_| self.wrong_type("true or false"))
    }

    /// The value, which must be a whole number that is not negative.
    pub(crate) fn whole(&self) -> Result<u64, JsonError> {
        serde_json::from_str(self.raw)
            .map_err(|_| self.wrong_type("a whole number from 0 to 18446744073709551615"))
    }

    /// The value, which must be a whole number of at most `max`.
    pub(crate) fn whole_within(&self, max: u32) -> Result<u32, JsonError> {
        let value = self.whole()?;
        u32::try_from(value)
            .ok()
            .filter(|&value| value <= max)
            .ok_or_else(|| JsonError::TooLarge {
                place: self.place(),
                value,
                max: max.into(),
            })
    }

    /// The values of the list that this must be, at most `count_max` of them.
    pub(crate) fn list(&self, count_max: usize) -> Result<Vec<Self>, JsonError> {
        if !self.raw.starts_with('[') {
            return Err(self.wrong_type("a list"));
        }
        let items: Vec<&'a RawValue> = self.read()?;
        self.bounded(items.len(), count_max)?;
        let item = |(index, raw): (usize, &'a RawValue)| Self {
            document: self.document,
            raw: raw.get(),
            field: format!("{}[{index}]", self.field),
        };
        Ok(items.into_iter().enumerate().map(item).collect())
    }

    /// The entries of the object that this must be, at most `count_max` of them, no key twice.
    pub(crate) fn object(&self, count_max: usize) -> Result<Vec<Entry<'a>>, JsonError> {
        if !self.raw.starts_with('{') {
            return Err(self.wrong_type("an object"));
        }
        let Pairs(pairs) = self.read()?;
        self.bounded(pairs.len(), count_max)?;
        let mut seen = BTreeSet::new();
        let mut entries = Vec::with_capacity(pairs.len());
        for (raw_key, raw) in pairs {
            let key: String = self.read_piece(raw_key.get())?;
            let field = self.field_of(&key);
            let key_node = Self {
                document: self.document,
                raw: raw_key.get(),
                field: field.clone(),
            };
            if !seen.insert(key.clone()) {
                return Err(JsonError::Repeated {
                    place: key_node.place(),
                });
            }
            let value = Self {
                document: self.document,
                raw: raw.get(),
                field,
            };
            entries.push(Entry {
                key,
                key_node,
                value,
            });
        }
        Ok(entries)
    }

    fn bounded(&self, count: usize, count_max: usize) -> Result<(), JsonError> {
        if count > count_max {
            return Err(JsonError::TooMany {
                place: self.place(),
                what: "entries",
                count,
                count_max,
            });
        }
        Ok(())
    }

    fn wrong_type(&self, want: &'static str) -> JsonError {
        JsonError::WrongType {
            place: self.place(),
            want,
            found: kind_of(self.raw),
        }
    }

    fn read<T: Deserialize<'a>>(&self) -> Result<T, JsonError> {
        self.read_piece(self.raw)
    }

    /// Reads a piece whose syntax was checked; what can still be wrong is half of a surrogate pair.
    fn read_piece<T: Deserialize<'a>>(&self, raw: &'a str) -> Result<T, JsonError> {
        serde_json::from_str(raw).map_err(|error| JsonError::Malformed {
            place: self.place_of(raw, self.field.clone()),
            reason: reason_of(&error),
        })
    }

    fn field_of(&self, key: &str) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_$".contains(&b);
        match (
            self.field.is_empty(),
            !key.is_empty() && key.bytes().all(plain),
        ) {
            (true, true) => clip(key),
            (false, true) => format!("{}.{}", self.field, clip(key)),
            (_, false) => format!("{}[\"{}\"]", self.field, clip(key)),
        }
    }

    fn place_of(&self, raw: &str, field: String) -> Place {
        let Document { file, text } = self.document;
        let offset = raw.as_ptr().addr().saturating_sub(text.as_ptr().addr());
        place(file, text.as_bytes(), offset, field)
    }
}

/// An object's keys and values in their order.
struct Pairs<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// What an error shows of a text it was given: never more than a line's worth.
pub(crate) fn clip(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", printable(text.get(..end).unwrap_or(text))),
        None => printable(text),
    }
}

/// A text without line ends and other characters that would change the line that shows it.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\'' | '\\') {
            shown.push(c);
        } else {
            shown.extend(c.escape_debug());
        }
    }
    shown
}

fn kind_of(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        Some(b'-') => "a negative number",
        _ if raw.contains(['.', 'e', 'E']) => "a number with a fraction or an exponent",
        _ if raw.len() >= 20 => "a larger number",
        _ => "a number",
    }
}

/// Lines and columns count from 1, columns in characters.
fn place(file: &str, text: &[u8], offset: usize, field: String) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit(|&b| b == b'\n').next().unwrap_or_default();
    let begins_character = |b: &&u8| **b & 0b1100_0000 != 0b1000_0000;
    Place {
        file: file.to_owned(),
        line: before.split(|&b| b == b'\n').count(),
        column: 1 + line.iter().filter(begins_character).count(),
        field,
    }
}

/// `serde_json` counts columns in bytes; a column of 0 is the end of the line before.
fn offset_of(text: &str, error: &serde_json::Error) -> usize {
    let line_start = match error.line().checked_sub(2) {
        None => 0,
        Some(newlines) => text
            .match_indices('\n')
            .nth(newlines)
            .map_or(text.len(), |(at, _)| at + 1),
    };
    (line_start + error.column())
        .saturating_sub(1)
        .min(text.len())
}

fn reason_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ")
        .map_or(text.clone(), |(reason, _)| reason.to_owned())
}
