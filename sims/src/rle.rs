//! Patterns of cells as text: the run-length encoded files of Life's users.
//!
//! Format: `#` lines are comments; `x = 3, y = 3, rule = B3/S23` comes first and may be missing; then runs, each a count (1 if
//! it is missing) and `b` (dead), `o` (alive) or `$` (the line ends), up to `!`. What comes after it is not read.

use std::fmt;
use std::io::Read as _;

use crate::params::{Param, Value};

/// How many cells a pattern may have.
pub const CELLS_MAX: usize = 1 << 20;
/// How wide and how high it may be.
pub const SIDE_MAX: i32 = 1 << 30;
/// How long the text may be, in bytes.
pub const TEXT_BYTES_MAX: u64 = 1 << 24;

/// A text that is no pattern: where, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct RleError {
    /// From 1 on.
    pub line: usize,
    /// In characters, from 1 on.
    pub column: usize,
    /// What is wrong there.
    pub what: String,
}

/// Cells that are alive, and the text that says so.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    cells: Vec<(i32, i32)>,
}

impl Pattern {
    /// Reads a text.
    ///
    /// # Errors
    /// [`RleError`]: not of this format, too large, or of another rule than Life's.
    pub fn parse(text: impl Into<String>) -> Result<Self, RleError> {
        let text = text.into();
        let cells = Reader::of(&text).cells()?;
        Ok(Self { text, cells })
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The cells that are alive, as columns and rows from the upper left corner, row by row.
    pub fn cells(&self) -> &[(i32, i32)] {
        &self.cells
    }

    /// From a text, which ends with `!`, or from the file of this name, which does not.
    fn find(said: &str) -> Result<Self, String> {
        if said.contains('!') {
            return Self::parse(said).map_err(|error| error.to_string());
        }
        let read = || -> std::io::Result<String> {
            let mut text = String::new();
            let file = fs_err::File::open(said)?;
            file.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text)?;
            Ok(text)
        };
        let text = read().map_err(|error| error.to_string())?;
        if text.len() as u64 > TEXT_BYTES_MAX {
            return Err(format!("{said} has more than {TEXT_BYTES_MAX} bytes"));
        }
        Self::parse(text).map_err(|error| format!("{said}, {error}"))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({} cells)", self.cells.len())
    }
}

impl Param for Pattern {
    type Range = ();
    type Written = &'static str;
    const EXPECTED: &'static str = "a pattern in RLE, or the name of its file";

    /// # Panics
    /// If the text is no pattern: it belongs to the program.
    fn written(text: &'static str) -> Self {
        match Self::parse(text) {
            Ok(pattern) => pattern,
            Err(error) => panic!("{error}"),
        }
    }

    /// The text itself, so that a run needs no file to go on.
    fn value(&self) -> Value {
        Value::Text(self.text.clone())
    }

    fn from_value(value: &Value) -> Option<Self> {
        Self::find(&value.to_string()).ok()
    }

    fn why_not(value: &Value) -> Option<String> {
        Self::find(&value.to_string()).err()
    }

    fn range((): &()) -> Option<(Value, Value)> {
        None
    }

    fn nearest(&self, (): &()) -> Self {
        self.clone()
    }
}

/// A text, line by line and character by character.
struct Reader<'t> {
    lines: std::iter::Enumerate<std::str::Lines<'t>>,
    /// Of the line that is read now.
    line: usize,
    column: usize,
}

impl<'t> Reader<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            lines: text.lines().enumerate(),
            line: 1,
            column: 1,
        }
    }

    fn wrong<T>(&self, what: impl Into<String>) -> Result<T, RleError> {
        Err(RleError {
            line: self.line,
            column: self.column,
            what: what.into(),
        })
    }

    fn cells(mut self) -> Result<Vec<(i32, i32)>, RleError> {
        let (mut cells, mut header) = (Vec::new(), false);
        let (mut x, mut y) = (0_i32, 0_i32);
        let mut run: Option<i32> = None;
        while let Some((line, text)) = self.lines.next() {
            (self.line, self.column) = (line + 1, 1);
            if text.starts_with('#') {
                continue;
            }
            if text.trim_start().starts_with('x') && !header && cells.is_empty() && (x, y) == (0, 0)
            {
                header = true;
                self.header(text)?;
                continue;
            }
            for (column, letter) in text.chars().enumerate() {
                self.column = column + 1;
                match letter {
                    '0'..='9' => {
                        let digit = letter
                            .to_digit(10)
                            .and_then(|digit| i32::try_from(digit).ok());
                        let more = run.unwrap_or(0).checked_mul(10).zip(digit);
                        let more = more.and_then(|(tens, digit)| tens.checked_add(digit));
                        run = match more {
                            Some(run) if run <= SIDE_MAX => Some(run),
                            _ => return self.wrong(format!("a run of more than {SIDE_MAX}")),
                        };
                        continue;
                    }
                    _ if letter.is_whitespace() => continue,
                    _ => {}
                }
                let len = run.take().unwrap_or(1);
                if len == 0 {
                    return self.wrong("a run of 0");
                }
                match letter {
                    'b' => x = self.moved(x, len)?,
                    '$' => (x, y) = (0, self.moved(y, len)?),
                    'o' => {
                        let to = self.moved(x, len)?;
                        if usize::try_from(len).unwrap_or(usize::MAX) > CELLS_MAX - cells.len() {
                            return self.wrong(format!("more than {CELLS_MAX} cells are alive"));
                        }
                        cells.extend((x..to).map(|x| (x, y)));
                        x = to;
                    }
                    '!' => return Ok(cells),
                    other => {
                        return self.wrong(format!(
                            "`{}` is neither a count nor `b`, `o`, `$` or `!`",
                            other.escape_default()
                        ));
                    }
                }
            }
            self.column = text.chars().count() + 1;
        }
        self.wrong("the pattern does not end with `!`")
    }

    fn moved(&self, from: i32, by: i32) -> Result<i32, RleError> {
        match from.checked_add(by) {
            Some(to) if to <= SIDE_MAX => Ok(to),
            _ => self.wrong(format!("the pattern is wider or higher than {SIDE_MAX}")),
        }
    }

    /// `x = 3, y = 3, rule = B3/S23`: the sizes must be numbers, and the rule Life's.
    fn header(&mut self, text: &str) -> Result<(), RleError> {
        for field in text.split_inclusive(',') {
            let (name, value) = field
                .trim_end_matches(',')
                .split_once('=')
                .unwrap_or((field, ""));
            let value = value.trim();
            match name.trim() {
                "x" | "y" if value.parse::<u64>().is_err() => {
                    return self.wrong(format!(
                        "the size `{}` is not a number",
                        value.escape_default()
                    ));
                }
                "x" | "y" => {}
                "rule" => {
                    let rule = value.to_ascii_uppercase();
                    if !["B3/S23", "B3S23", "23/3", "S23/B3", "LIFE"].contains(&rule.as_str()) {
                        return self.wrong(format!(
                            "the rule is `{}`, not Life's `B3/S23`",
                            value.escape_default()
                        ));
                    }
                }
                other => {
                    return self.wrong(format!(
                        "`{}` is not known in a header: it is `x = 3, y = 3, rule = B3/S23`",
                        other.escape_default()
                    ));
                }
            }
            self.column += field.chars().count();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        Pattern::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_glider_is_read() {
        let text = "#N Glider\n#C from the left above\nx = 3, y = 3, rule = B3/S23\nbob$2b\no$3o! and so on\n";
        let pattern = Pattern::parse(text).unwrap();
        assert_eq!(pattern.cells(), [(1, 0), (2, 1), (0, 2), (1, 2), (2, 2)]);
        assert_eq!(
            Pattern::parse("bob$2bo$3o!").unwrap().cells(),
            pattern.cells()
        );
        assert_eq!(Pattern::parse("!").unwrap().cells(), []);
        assert_eq!(Pattern::parse("3$2bo!").unwrap().cells(), [(2, 3)]);
    }

    #[test]
    fn errors_say_where() {
        insta::assert_snapshot!(error("bo\n 2bA!"), @"line 2, column 4: `A` is neither a count nor `b`, `o`, `$` or `!`");
        insta::assert_snapshot!(error("#C\nx = 3, y = 3a\no!"), @"line 2, column 7: the size `3a` is not a number");
        insta::assert_snapshot!(error("x = 3, y = 3, rule = B36/S23\no!"), @"line 1, column 14: the rule is `B36/S23`, not Life's `B3/S23`");
        insta::assert_snapshot!(error("bo$\nbo"), @"line 2, column 3: the pattern does not end with `!`");
        insta::assert_snapshot!(error(""), @"line 1, column 1: the pattern does not end with `!`");
        insta::assert_snapshot!(error("0o!"), @"line 1, column 2: a run of 0");
        insta::assert_snapshot!(error("99999999999b!"), @"line 1, column 10: a run of more than 1073741824");
        insta::assert_snapshot!(error("1073741824b$1073741824$1073741824b9b!"), @"line 1, column 23: the pattern is wider or higher than 1073741824");
        insta::assert_snapshot!(error("1073741824o!"), @"line 1, column 11: more than 1048576 cells are alive");
        insta::assert_snapshot!(error("1048576o$2o!"), @"line 1, column 11: more than 1048576 cells are alive");
    }

    #[test]
    fn a_file_is_as_good_as_its_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("glider.rle");
        fs_err::write(&path, "bob$2bo$3o!\n").unwrap();
        let said = Value::Text(path.display().to_string());
        let pattern = Pattern::from_value(&said).unwrap();
        assert_eq!(pattern.value(), Value::Text("bob$2bo$3o!\n".to_owned()));
        assert_eq!(Pattern::from_value(&pattern.value()), Some(pattern));
        fs_err::write(&path, "bob$2bq$3o!\n").unwrap();
        let why = Pattern::why_not(&said).unwrap();
        assert!(
            why.ends_with(
                "glider.rle, line 1, column 7: `q` is neither a count nor `b`, `o`, `$` or `!`"
            ),
            "{why}"
        );
        let nothing = Pattern::why_not(&Value::Text("no/such.rle".to_owned())).unwrap();
        assert!(nothing.contains("no/such.rle"), "{nothing}");
    }

    proptest! {
           #[test]
           fn any_text_is_read_or_refused(text in "[bo$!0-9 \n#x=,yruleB/S3A\u{e4}]{0,60}") {
               let lines = text.lines().count().max(1);
               match Pattern::parse(text.clone()) {
                   Ok(pattern) => prop_assert!(pattern.cells().is_sorted_by_key(|&(x, y)| (y, x))),
                   Err(error) => prop_assert!((1..=lines).contains(&error.line), "{}", error),
               }
           }

           /// Cells written run by run are read back.
           #[test]
           fn what_is_written_is_read(rows in prop::collection::vec(prop::collection::vec(any::<bool>(), 0..20), 0..10)) {
               let mut text = String::new();
               let mut cells = Vec::new();
               for (y, row) in (0..).zip(&rows) {
                   for run in row.chunk_by(|a, b| a == b) {
                       let tag = if run[0] { 'o' } else { 'b' };
    text.extend([run.len().to_string(), tag.to_string()]);
                   }
                   text += "$\n";
                   cells.extend((0..).zip(row).filter(|(_, alive)| **alive).map(|(x, _)| (x, y)));
               }
               let read = Pattern::parse(text + "!").unwrap();
               prop_assert_eq!(read.cells(), cells);
           }
       }
}
