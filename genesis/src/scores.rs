//! What a test says: scores, as text in one canonical form.
//!
//! One score per line, `name number why`; the first is `ok 0` or `ok 1`. The names that follow are sorted and
//! occur once. Who says them decides what they are worth: `self.*` of a part about itself, `tests.*` of a
//! tester whom the adopter trusts.
#![deny(clippy::indexing_slicing)]

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::SCORES_BYTES_MAX;

/// One thing that was measured.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Score {
    /// What: one to 64 bytes of `a-z 0-9 -`.
    pub name: String,
    /// How much.
    pub value: i64,
    /// Why, in words; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// What a test says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scores {
    /// Whether it passed.
    pub ok: bool,
    /// Why not, or what was found.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What was measured, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<Score>,
}

impl Scores {
    /// A test that passed and measured nothing.
    pub const fn passed() -> Self {
        Self {
            ok: true,
            why: String::new(),
            measured: Vec::new(),
        }
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, value: i64, why: &str| {
            let gap = if why.is_empty() { "" } else { " " };
            writeln!(f, "{name} {value}{gap}{why}")
        };
        line(f, "ok", i64::from(self.ok), &self.why)?;
        for score in &self.measured {
            line(f, &score.name, score.value, &score.why)?;
        }
        Ok(())
    }
}

impl FromStr for Scores {
    type Err = ScoresError;

    fn from_str(text: &str) -> Result<Self, ScoresError> {
        const NAME_BYTES_MAX: usize = 64;
        if text.len() > SCORES_BYTES_MAX {
            return Err(ScoresError::TooLong { bytes: text.len() });
        }
        let Some(text) = text.strip_suffix('\n') else {
            return Err(ScoresError::NoEnd);
        };
        let mut read: Vec<Score> = Vec::new();
        let mut first = None;
        for (n, line) in text.split('\n').enumerate() {
            let wrong = |what| ScoresError::Line { line: n + 1, what };
            let mut words = line.splitn(3, ' ');
            let name = words.next().unwrap_or_default();
            let number = words.next().ok_or_else(|| wrong("has no number"))?;
            let value: i64 = number.parse().map_err(|_| wrong("has no whole number"))?;
            if value.to_string() != number {
                return Err(wrong("writes its number in another way than its shortest"));
            }
            let why = words.next().unwrap_or_default().to_owned();
            if line.ends_with(' ') || why.chars().any(char::is_control) {
                return Err(wrong("has blanks at its end, or control characters"));
            }
            if n == 0 {
                first = match (name, value) {
                    ("ok", 0 | 1) => Some((value == 1, why)),
                    _ => return Err(wrong("is not `ok 0` or `ok 1`")),
                };
                continue;
            }
            let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(letter) {
                return Err(wrong("has a name that is not of 1 to 64 a-z 0-9 -"));
            }
            if name == "ok" || read.last().is_some_and(|last| last.name.as_str() >= name) {
                return Err(wrong("is out of order, or says something twice"));
            }
            read.push(Score {
                name: name.to_owned(),
                value,
                why,
            });
        }
        let (ok, why) = first.ok_or(ScoresError::NoEnd)?;
        Ok(Self {
            ok,
            why,
            measured: read,
        })
    }
}

/// Why text is not scores.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoresError {
    /// There is too much of it.
    #[error("scores have at most {SCORES_BYTES_MAX} bytes, these have {bytes}")]
    TooLong {
        /// How many there were.
        bytes: usize,
    },
    /// The last line has no end.
    #[error("scores are lines, each ended by a line feed; the first is `ok 0` or `ok 1`")]
    NoEnd,
    /// A line is not a score.
    #[error("line {line} of the scores {what}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_test_says_what_it_found() {
        let scores: Scores = "ok 0 it went backwards\nmoved -1\nspeed 20 twice as fast\n"
            .parse()
            .unwrap();
        assert!(!scores.ok);
        assert_eq!(scores.why, "it went backwards");
        assert_eq!(
            scores.measured.iter().map(|s| s.value).collect::<Vec<_>>(),
            [-1, 20]
        );
        for wrong in [
            "",
            "\n",
            "ok 1",
            "ok 2\n",
            "fine 1\n",
            "ok 1\nb 1\na 1\n",
            "ok 1\na 1\na 1\n",
            "ok 1\nA 1\n",
            "ok 1\na 01\n",
            "ok 1\na 1 \n",
            "ok 1 \n",
            "ok 1\nok 1\n",
            "ok 1\n\n",
            "ok 1\na 99999999999999999999\n",
            "ok +1\n",
        ] {
            assert!(wrong.parse::<Scores>().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_again(text in "(ok [01]( [a-z ]{0,8})?\n)?([a-c-]{0,2} -?[0-9]{1,3}( [a-z]{0,3})?\n?){0,4}") {
            if let Ok(scores) = text.parse::<Scores>() {
                prop_assert_eq!(scores.to_string(), text);
            }
        }

        #[test]
        fn no_text_does_harm(text in ".{0,64}") {
            let _ = text.parse::<Scores>();
        }
    }
}
