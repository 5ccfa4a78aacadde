//! Reads a pattern's text; points at what is wrong with it.
//!
//! ```text
//! pattern    := conjunction { "|" conjunction }
//! conjunction:= term { "&" term }
//! term       := "(" pattern ")" | "all" | "none"
//!             | "gives" "(" channel ")" | "needs" "(" channel ")"
//!             | dimension [ "?" ] ( "<" | "<=" | ">" | ">=" | "=" ) number
//!             | dimension [ "?" ] "in" number ".." number
//!             | tag [ "?" ] [ "not" ] "in" "{" [ value { "," value } ] "}"
//! number     := [ "-" ] digits [ "KiB" | "MiB" | "GiB" | "TiB" | "kB" | "MB" | "GB" | "TB" ]
//! value      := characters of a-z A-Z 0-9 - _ . + /, or text in double quotes (\" \\)
//! ```

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::region::{Allowed, Axis, Region, Values, is_bare};
use super::{Boxes, Pattern, TooLarge};
use crate::channel::{Channel, ChannelError};
use crate::extent::{Dimension, Interval};
use crate::limits::{METADATA_KEY_MAX, PATTERN_DEPTH_MAX, PATTERN_TEXT_MAX};

/// Why some text is not a pattern, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {}: {fault}", self.column())]
pub struct ParseError {
    /// The byte at which the fault begins, from 0.
    pub at: usize,
    /// What is wrong there.
    pub fault: Fault,
    /// What of the fault's line comes before it, and from it on.
    line: (String, String),
}

/// What is wrong with a pattern's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The text is too long to look at.
    #[error("a pattern has at most {PATTERN_TEXT_MAX} bytes, this one has {bytes}")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// Parentheses nest too deep.
    #[error("parentheses nest at most {PATTERN_DEPTH_MAX} deep")]
    TooDeep,
    /// Multiplied out it is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Something else should stand here.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What could stand here.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// A word is compared with a number and is no dimension.
    #[error("`{word}` is not a dimension")]
    NotADimension {
        /// The word.
        word: String,
    },
    /// A word is compared with a set of tags and is not a tag.
    #[error("`{word}` is not a tag")]
    NotATag {
        /// The word.
        word: String,
    },
    /// A `?` follows what is never absent.
    #[error("`{word}` is never absent")]
    NeverAbsent {
        /// The word.
        word: String,
    },
    /// A number is too large.
    #[error("the number does not fit into 64 bits")]
    Number,
    /// A number has an unknown unit.
    #[error("`{unit}` is not a unit")]
    Unit {
        /// The unit.
        unit: String,
    },
    /// A range ends before it begins.
    #[error("{low}..{high} holds no number")]
    Reversed {
        /// Where it begins.
        low: i64,
        /// Where it ends.
        high: i64,
    },
    /// A channel's name is not one.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

impl ParseError {
    /// The column of the fault in its line, in characters from 1.
    pub fn column(&self) -> usize {
        self.line.0.chars().count() + 1
    }

    /// The way out.
    pub fn hint(&self) -> Option<&'static str> {
        let dimensions = "dimensions are bytes, parts, depth, channels, hunger, euler, organs, and named ones with a dot (tests.pass); a tag is written `lang in {…}`";
        Some(match &self.fault {
            Fault::TooLong { .. } | Fault::TooLarge(_) => {
                "state less, or several patterns of which each is asked for"
            }
            Fault::TooDeep => "leave out parentheses: `&` binds closer than `|`",
            Fault::Unexpected { expected, found } => match (*expected, found.as_str()) {
                (_, "`!`" | "`not`") => {
                    "patterns have no negation; write the other bound, or `lang not in {…}` for a tag"
                }
                (TERM, "`&`") | (MORE, "`and`") => "both is written with one `&`",
                (TERM, "`|`") | (MORE, "`or`") => "either is written with one `|`",
                (CLOSE, "the end") => "close every parenthesis that you open",
                (NUMBER, "`=`") => "the operators are < <= > >= and one `=`",
                _ => return None,
            },
            Fault::NotADimension { .. } => dimensions,
            Fault::NotATag { .. } => "this is a number: compare it with < <= > >= = or `in 3..10`",
            Fault::NeverAbsent { .. } => {
                "leave out the `?`: only named dimensions and tags are ever absent"
            }
            Fault::Number => "numbers go from -9223372036854775808 to 9223372036854775807",
            Fault::Unit { .. } => {
                "units are KiB MiB GiB TiB (powers of 1024) and kB MB GB TB (of 1000)"
            }
            Fault::Reversed { .. } => {
                "write the smaller number first; both ends belong to the range"
            }
            Fault::Channel(_) => "a channel is written like text/eval",
        })
    }

    /// What is wrong, and the line with a `^` under the fault; [`ParseError::hint`] has the way out.
    pub fn with_caret(&self) -> String {
        let mut text = self.fault.to_string();
        if !matches!(self.fault, Fault::TooLong { .. }) {
            // What would not stay in its column is shown as a space; long lines are cut on both sides.
            let plain = |c: char| if c.is_control() { ' ' } else { c };
            let before: Vec<char> = self.line.0.chars().map(plain).collect();
            let (cut, skip) = match before.len() {
                0..=50 => ("", 0),
                long => ("…", long - 49),
            };
            let before: String = cut.chars().chain(before.into_iter().skip(skip)).collect();
            let after: String = self.line.1.chars().map(plain).take(30).collect();
            let more = if self.line.1.chars().count() > 30 {
                "…"
            } else {
                ""
            };
            let indent = " ".repeat(before.chars().count());
            let _ = write!(text, "\n  {before}{after}{more}\n  {indent}^");
        }
        text
    }
}

const TERM: &str = "a dimension, a tag, gives(…), needs(…), all, none or `(`";
const MORE: &str = "`&`, `|` or the end";
const CLOSE: &str = "`&`, `|` or `)`";
const NUMBER: &str = "a number";

/// Reads a pattern.
pub(super) fn parse(text: &str) -> Result<Pattern, ParseError> {
    if text.len() > PATTERN_TEXT_MAX {
        let fault = Fault::TooLong { bytes: text.len() };
        return Err(ParseError {
            at: 0,
            fault,
            line: Default::default(),
        });
    }
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    let parsed = parser.pattern().and_then(|boxes| {
        if parser.at < text.len() {
            return Err(parser.unexpected(MORE));
        }
        parser.at = 0;
        Ok(boxes.fits()?)
    });
    parsed.map_err(|fault| {
        let at = parser.at;
        let (before, after) = text.split_at(at);
        let before = before.rsplit('\n').next().unwrap_or_default().to_owned();
        let after = after.split('\n').next().unwrap_or_default().to_owned();
        ParseError {
            at,
            fault,
            line: (before, after),
        }
    })
}

/// Where reading stands. `at` is a boundary of characters, and when a method fails, the fault's place.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn pattern(&mut self) -> Result<Boxes, Fault> {
        let mut either = self.conjunction()?;
        loop {
            let at = self.at;
            if !self.eat("|") {
                return Ok(either);
            }
            let more = self.conjunction()?;
            either = either
                .or(&more)
                .map_err(|error| self.back_to(at, error.into()))?;
        }
    }

    fn conjunction(&mut self) -> Result<Boxes, Fault> {
        let mut both = self.term()?;
        loop {
            let at = self.at;
            if !self.eat("&") {
                return Ok(both);
            }
            let more = self.term()?;
            both = both
                .and(&more)
                .map_err(|error| self.back_to(at, error.into()))?;
        }
    }

    fn term(&mut self) -> Result<Boxes, Fault> {
        self.space();
        let start = self.at;
        if self.eat("(") {
            if self.depth == PATTERN_DEPTH_MAX {
                return Err(self.back_to(start, Fault::TooDeep));
            }
            self.depth += 1;
            let inner = self.pattern()?;
            self.depth -= 1;
            self.expect(")", CLOSE)?;
            return Ok(inner);
        }
        let word = self.word();
        match word {
            "all" => Ok(Boxes::all()),
            "none" => Ok(Boxes::default()),
            "gives" => Ok(Boxes::one(self.link(Axis::Gives)?)),
            "needs" => Ok(Boxes::one(self.link(Axis::Needs)?)),
            "" | "not" | "in" => {
                self.at = start;
                Err(self.unexpected(TERM))
            }
            _ => self.constraint(word, start).map(Boxes::one),
        }
    }

    /// `(channel)`, after `gives` or `needs`.
    fn link(&mut self, axis: fn(Channel) -> Axis) -> Result<Option<Region>, Fault> {
        self.expect("(", "`(`")?;
        self.space();
        let start = self.at;
        let name = self.take(|b| b != b')' && !b.is_ascii_whitespace());
        let channel = name.parse().map_err(|error: ChannelError| {
            let beyond = if let ChannelError::Character { at } = error {
                at
            } else {
                0
            };
            self.back_to(start + beyond, error.into())
        })?;
        self.expect(")", "`)`")?;
        Ok(Region::only(
            axis(channel),
            &Allowed {
                present: Values::There(true),
                absent: false,
            },
        ))
    }

    /// What follows the name of a dimension or a tag, which began at `start`.
    fn constraint(&mut self, word: &str, start: usize) -> Result<Option<Region>, Fault> {
        let mark = self.at;
        let absent = self.eat("?");
        self.space();
        let operator = self.at;
        let not = self.eat_word("not");
        if not || self.at_word("in") {
            if !self.eat_word("in") {
                return Err(self.unexpected("`in`"));
            }
            if self.eat("{") {
                let axis = tag(word).map_err(|fault| self.back_to(start, fault))?;
                let listed = self.values()?;
                let present = Values::Texts {
                    listed,
                    all_but: not,
                };
                return Ok(Region::only(axis, &Allowed { present, absent }));
            }
            if not {
                return Err(self.unexpected("`{`"));
            }
            let axis = self.dimension(word, absent, start, mark)?;
            self.space();
            let range = self.at;
            let low = self.number("a number or `{`")?;
            self.expect("..", "`..`")?;
            let high = self.number(NUMBER)?;
            let Some(interval) = Interval::new(low, high) else {
                return Err(self.back_to(range, Fault::Reversed { low, high }));
            };
            let present = Values::Range(Some(interval));
            return Ok(Region::only(axis, &Allowed { present, absent }));
        }
        let Some(operator) = ["<=", ">=", "<", ">", "="]
            .into_iter()
            .find(|op| self.eat(op))
        else {
            self.at = operator;
            return Err(self.unexpected("< <= > >= = or `in`"));
        };
        let axis = self.dimension(word, absent, start, mark)?;
        let number = self.number(NUMBER)?;
        let interval = match operator {
            "<=" => Interval::new(i64::MIN, number),
            ">=" => Interval::new(number, i64::MAX),
            "<" => number
                .checked_sub(1)
                .and_then(|high| Interval::new(i64::MIN, high)),
            ">" => number
                .checked_add(1)
                .and_then(|low| Interval::new(low, i64::MAX)),
            _ => Some(Interval::point(number)),
        };
        Ok(Region::only(
            axis,
            &Allowed {
                present: Values::Range(interval),
                absent,
            },
        ))
    }

    fn dimension(
        &mut self,
        word: &str,
        absent: bool,
        start: usize,
        mark: usize,
    ) -> Result<Axis, Fault> {
        let Ok(dimension) = word.parse::<Dimension>() else {
            return Err(self.back_to(start, Fault::NotADimension { word: clip(word) }));
        };
        if absent && dimension.is_dense() {
            return Err(self.back_to(mark, Fault::NeverAbsent { word: clip(word) }));
        }
        Ok(Axis::Number(dimension))
    }

    /// The values of a set, and its `}`.
    fn values(&mut self) -> Result<BTreeSet<String>, Fault> {
        let mut listed = BTreeSet::new();
        if self.eat("}") {
            return Ok(listed);
        }
        loop {
            listed.insert(self.value()?);
            if !self.eat(",") {
                self.expect("}", "`,` or `}`")?;
                return Ok(listed);
            }
        }
    }

    fn value(&mut self) -> Result<String, Fault> {
        if !self.eat("\"") {
            let bare = self.take(is_bare);
            if bare.is_empty() {
                return Err(self.unexpected("a tag's value"));
            }
            return Ok(bare.to_owned());
        }
        let mut value = String::new();
        loop {
            let rest = &self.text[self.at..];
            let mut chars = rest.chars();
            let c = match chars.next() {
                Some('"') => {
                    self.at += 1;
                    return Ok(value);
                }
                Some('\\') if rest[1..].starts_with(['"', '\\']) => {
                    self.at += 1;
                    chars.next()
                }
                Some(c) if !c.is_control() && c != '\\' => Some(c),
                _ => None,
            };
            let Some(c) = c else {
                return Err(self.unexpected("text and a closing `\"`"));
            };
            self.at += c.len_utf8();
            value.push(c);
        }
    }

    fn number(&mut self, expected: &'static str) -> Result<i64, Fault> {
        self.space();
        let start = self.at;
        let minus = self.eat("-");
        let digits = self.take(|b| b.is_ascii_digit());
        if digits.is_empty() {
            self.at = start;
            return Err(self.unexpected(expected));
        }
        let after = self.at;
        let scale: i128 = match self.take(|b| b.is_ascii_alphabetic()) {
            "" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            "kB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            unit => {
                let unit = clip(unit);
                return Err(self.back_to(after, Fault::Unit { unit }));
            }
        };
        let sign = if minus { -1 } else { 1 };
        // Below 2⁶⁴ times 2⁴⁰: no overflow of 128 bits.
        let number = digits
            .parse::<u64>()
            .ok()
            .map(|size| i128::from(size) * scale * sign);
        match number.and_then(|number| i64::try_from(number).ok()) {
            Some(number) => Ok(number),
            None => Err(self.back_to(start, Fault::Number)),
        }
    }

    fn space(&mut self) {
        self.take(|b| b.is_ascii_whitespace());
    }

    /// The longest text of such bytes from here; only ASCII may be among them.
    fn take(&mut self, is_part: impl Fn(u8) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let len = rest
            .bytes()
            .position(|b| !b.is_ascii() || !is_part(b))
            .unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    /// A name or a word of the language: begins with a small letter.
    fn word(&mut self) -> &'a str {
        if !self.text[self.at..].starts_with(|c: char| c.is_ascii_lowercase()) {
            return "";
        }
        self.take(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
    }

    fn at_word(&mut self, word: &str) -> bool {
        let start = self.at;
        let found = self.eat_word(word);
        self.at = start;
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        self.space();
        let start = self.at;
        let found = self.word() == word;
        if !found {
            self.at = start;
        }
        found
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let found = self.text[self.at..].starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str, expected: &'static str) -> Result<(), Fault> {
        if self.eat(token) {
            Ok(())
        } else {
            Err(self.unexpected(expected))
        }
    }

    fn back_to(&mut self, at: usize, fault: Fault) -> Fault {
        self.at = at;
        fault
    }

    /// Something else than `expected` stands here.
    fn unexpected(&mut self, expected: &'static str) -> Fault {
        self.space();
        let at = self.at;
        let word = self.take(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        self.at = at;
        let found = match (word, self.text[at..].chars().next()) {
            ("", None) => "the end".to_owned(),
            ("", Some(c)) => format!("`{c}`"),
            (word, _) => format!("`{}`", clip(word)),
        };
        Fault::Unexpected { expected, found }
    }
}

/// The axis of a tag, if the word may be one.
fn tag(word: &str) -> Result<Axis, Fault> {
    let dense = Dimension::DENSE
        .iter()
        .any(|dense| dense.to_string() == word);
    if dense || word.len() > METADATA_KEY_MAX {
        return Err(Fault::NotATag { word: clip(word) });
    }
    Ok(Axis::Tag(word.to_owned()))
}

/// What an error shows of a word it was given.
fn clip(word: &str) -> String {
    match word.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &word[..end]),
        None => word.to_owned(),
    }
}
