//! Comma-separated values: RFC 4180 with line feeds.
//!
//! A reader goes over the file twice: once to infer kinds, once for the values. So a file of any length is
//! read with the memory of one record.

use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err::File;

use super::error::Error;
use super::table::{Kind, Schema, Table, Values};
use super::{COLUMNS_MAX, Limits};

/// Longest record, in bytes of its fields.
const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What some spreadsheets begin a file with.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

pub(super) fn write_header(to: &mut impl Write, schema: &Schema) -> io::Result<()> {
    for (index, (name, _)) in schema.columns().iter().enumerate() {
        if index > 0 {
            to.write_all(b",")?;
        }
        let plain = |c: char| c.is_alphanumeric() || "_-. /()".contains(c);
        if name.chars().all(plain) && name.trim() == name {
            to.write_all(name.as_bytes())?;
        } else {
            write_quoted(to, name)?;
        }
    }
    to.write_all(b"\n")
}

pub(super) fn write_rows(to: &mut impl Write, table: &Table) -> io::Result<()> {
    for row in 0..table.rows() {
        for (index, column) in table.columns().iter().enumerate() {
            if index > 0 {
                to.write_all(b",")?;
            }
            match &column.values {
                // `{:?}` is the shortest text that reads back equal, and always has a point or an exponent.
                Values::F64(values) => write!(to, "{:?}", values[row])?,
                Values::I64(values) => write!(to, "{}", values[row])?,
                Values::U64(values) => write!(to, "{}", values[row])?,
                Values::Bool(values) => write!(to, "{}", values[row])?,
                Values::Text(values) => write_quoted(to, &values[row])?,
            }
        }
        to.write_all(b"\n")?;
    }
    Ok(())
}

fn write_quoted(to: &mut impl Write, text: &str) -> io::Result<()> {
    to.write_all(b"\"")?;
    for (index, piece) in text.split('"').enumerate() {
        if index > 0 {
            to.write_all(b"\"\"")?;
        }
        to.write_all(piece.as_bytes())?;
    }
    to.write_all(b"\"")
}

/// What the fields of one column are, as a set; see [`Kind`] for the rule.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guess(u8);

impl Guess {
    const TEXT: u8 = 1;
    const MISSING: u8 = 2;
    const BOOLEAN: u8 = 4;
    const WHOLE: u8 = 8;
    const NEGATIVE: u8 = 16;
    const OVER_I64: u8 = 32;
    const FRACTION: u8 = 64;

    fn see(&mut self, field: &str, quoted: bool) {
        self.0 |= if quoted {
            Self::TEXT
        } else if field.is_empty() {
            Self::MISSING
        } else if field == "true" || field == "false" {
            Self::BOOLEAN
        } else if let Ok(whole) = field.parse::<i64>() {
            if whole < 0 {
                Self::NEGATIVE
            } else {
                Self::WHOLE
            }
        } else if field.parse::<u64>().is_ok() {
            Self::OVER_I64
        } else if field.parse::<f64>().is_ok() {
            Self::FRACTION
        } else {
            Self::TEXT
        };
    }

    /// The fields of both.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn kind(self) -> Kind {
        let only = |kinds: u8| self.0 & !kinds == 0;
        if self.0 == 0 || self.0 == Self::MISSING {
            Kind::Text
        } else if only(Self::BOOLEAN) {
            Kind::Bool
        } else if only(Self::WHOLE | Self::OVER_I64) {
            Kind::U64
        } else if only(Self::WHOLE | Self::NEGATIVE) {
            Kind::I64
        } else if only(!(Self::TEXT | Self::BOOLEAN)) {
            Kind::F64
        } else {
            Kind::Text
        }
    }
}

/// Reads a table's rows in their order.
#[derive(Debug)]
pub(super) struct Reader {
    records: Records<BufReader<File>>,
    names: Vec<String>,
    guesses: Vec<Guess>,
    rows: u64,
    rows_read: u64,
}

impl Reader {
    /// Goes over the whole file once, to infer kinds and to find every fault of form.
    pub(super) fn open(path: &Path, file: File, limits: Limits) -> Result<Self, Error> {
        let bytes = file.metadata()?.len();
        if bytes > limits.bytes_max {
            return Err(Error::too_large(path, "bytes", bytes, limits.bytes_max));
        }
        let mut records = Records::new(path, BufReader::new(file));
        records.rewind()?;
        if !records.next()? {
            return Err(Error::malformed(path, "it has no header"));
        }
        let mut names = Vec::new();
        for index in 0..records.len() {
            names.push(records.field(index)?.0.to_owned());
        }
        let mut guesses = vec![Guess::default(); names.len()];
        let mut rows = 0;
        while records.next()? {
            records.check_len(names.len())?;
            for (index, guess) in guesses.iter_mut().enumerate() {
                let (field, quoted) = records.field(index)?;
                guess.see(field, quoted);
            }
            rows += 1;
            if rows > limits.rows_max {
                return Err(Error::too_large(path, "rows", rows, limits.rows_max));
            }
        }
        records.rewind()?;
        records.next()?; // the header
        Ok(Self {
            records,
            names,
            guesses,
            rows,
            rows_read: 0,
        })
    }

    pub(super) fn schema(&self) -> Result<Schema, Error> {
        let names = self.names.iter();
        let kinds = self.guesses.iter().map(|guess| guess.kind());
        Schema::new(names.zip(kinds))
    }

    pub(super) fn guesses(&self) -> &[Guess] {
        &self.guesses
    }

    /// Reads the columns as what they and those of other files allow; as many as this table has.
    pub(super) fn set_guesses(&mut self, guesses: &[Guess]) {
        self.guesses = guesses.to_vec();
    }

    /// The next rows, at most `rows_max`, with values of at most `bytes_max`; none at the end.
    pub(super) fn next(&mut self, rows_max: usize, bytes_max: u64) -> Result<Option<Table>, Error> {
        let mut table = Table::empty(&self.schema()?, std::collections::BTreeMap::new());
        let mut bytes = 0;
        while table.rows() < rows_max && self.rows_read < self.rows && self.records.next()? {
            self.records.check_len(self.names.len())?;
            for (index, values) in table.values_mut().enumerate() {
                let (field, _) = self.records.field(index)?;
                if !push(values, field) {
                    let reason = format!(
                        "`{field}` is no {}: it changed while it was read",
                        values.kind()
                    );
                    return Err(self.records.malformed(&reason));
                }
            }
            self.rows_read += 1;
            bytes += table.row_bytes(table.rows() - 1);
            if bytes > bytes_max {
                return Err(Error::too_large(
                    &self.records.path,
                    "bytes of values",
                    bytes,
                    bytes_max,
                ));
            }
        }
        Ok((table.rows() > 0).then_some(table))
    }
}

/// Adds a field to a column; false if it does not fit.
fn push(values: &mut Values, field: &str) -> bool {
    match values {
        Values::F64(values) if field.is_empty() => values.push(f64::NAN),
        Values::F64(values) => match field.parse() {
            Ok(value) => values.push(value),
            Err(_) => return false,
        },
        Values::I64(values) => match field.parse() {
            Ok(value) => values.push(value),
            Err(_) => return false,
        },
        Values::U64(values) => match field.parse() {
            Ok(value) => values.push(value),
            Err(_) => return false,
        },
        Values::Bool(values) => match field.parse() {
            Ok(value) => values.push(value),
            Err(_) => return false,
        },
        Values::Text(values) => values.push(field.to_owned()),
    }
    true
}

/// Splits bytes into records and fields. Lines that are empty are passed over.
#[derive(Debug)]
struct Records<From> {
    path: PathBuf,
    from: From,
    /// The fields of the record, one behind the other, without their quotes.
    fields: Vec<u8>,
    /// Where each field ends, and whether it was quoted.
    ends: Vec<(usize, bool)>,
    /// Of the record, counted from 1, the header's.
    number: u64,
    /// A line feed that comes next belongs to a carriage return before it.
    after_return: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldBegins,
    Plain,
    Quoted,
    /// Behind a quote inside of a quoted field: its end, or the first half of a doubled one.
    QuoteInQuoted,
}

impl<From: BufRead + Seek> Records<From> {
    fn new(path: &Path, from: From) -> Self {
        Self {
            path: path.to_owned(),
            from,
            fields: Vec::new(),
            ends: Vec::new(),
            number: 0,
            after_return: false,
        }
    }

    /// Goes to the first record.
    fn rewind(&mut self) -> Result<(), Error> {
        self.from.seek(SeekFrom::Start(0))?;
        if self.from.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
            self.from.consume(BYTE_ORDER_MARK.len());
        }
        self.number = 0;
        self.after_return = false;
        Ok(())
    }

    /// Reads the next record; false at the end.
    fn next(&mut self) -> Result<bool, Error> {
        loop {
            self.fields.clear();
            self.ends.clear();
            if !self.record()? {
                return Ok(false);
            }
            if self.ends.as_slice() != [(0, false)] {
                return Ok(true);
            }
        }
    }

    fn record(&mut self) -> Result<bool, Error> {
        self.number += 1;
        let mut state = State::FieldBegins;
        loop {
            let chunk = self.from.fill_buf()?;
            if chunk.is_empty() {
                return match state {
                    State::Quoted => Err(self.malformed("a quote is not closed")),
                    State::FieldBegins if self.ends.is_empty() => Ok(false),
                    State::FieldBegins | State::Plain | State::QuoteInQuoted => {
                        self.end_field(state).map(|()| true)
                    }
                };
            }
            let mut used = 0;
            let mut ended = false;
            let mut fault = None;
            for &byte in chunk {
                used += 1;
                if std::mem::take(&mut self.after_return) && byte == b'\n' {
                    continue;
                }
                match (state, byte) {
                    (State::Quoted, b'"') => state = State::QuoteInQuoted,
                    (State::Quoted, _) => self.fields.push(byte),
                    (State::QuoteInQuoted, b'"') => {
                        self.fields.push(b'"');
                        state = State::Quoted;
                    }
                    (_, b',') => {
                        self.ends
                            .push((self.fields.len(), state == State::QuoteInQuoted));
                        state = State::FieldBegins;
                    }
                    (_, b'\n' | b'\r') => {
                        self.after_return = byte == b'\r';
                        ended = true;
                        break;
                    }
                    (State::FieldBegins, b'"') => state = State::Quoted,
                    (State::Plain, b'"') => {
                        fault =
                            Some("a quote stands inside of a field that does not begin with one");
                        break;
                    }
                    (State::QuoteInQuoted, _) => {
                        fault = Some("something stands behind the closing quote of a field");
                        break;
                    }
                    (State::FieldBegins | State::Plain, _) => {
                        self.fields.push(byte);
                        state = State::Plain;
                    }
                }
            }
            self.from.consume(used);
            if let Some(fault) = fault {
                return Err(self.malformed(fault));
            }
            if self.fields.len() > RECORD_BYTES_MAX || self.ends.len() > COLUMNS_MAX {
                return Err(self.malformed(&format!(
                    "it has more than {RECORD_BYTES_MAX} bytes or {COLUMNS_MAX} fields"
                )));
            }
            if ended {
                return self.end_field(state).map(|()| true);
            }
        }
    }

    fn end_field(&mut self, state: State) -> Result<(), Error> {
        self.ends
            .push((self.fields.len(), state == State::QuoteInQuoted));
        if self.ends.len() > COLUMNS_MAX {
            return Err(self.malformed(&format!("it has more than {COLUMNS_MAX} fields")));
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn check_len(&self, columns: usize) -> Result<(), Error> {
        if self.len() == columns {
            return Ok(());
        }
        let reason = format!("it has {} fields, the header has {columns}", self.len());
        Err(self.malformed(&reason))
    }

    /// A field's text, and whether it was quoted.
    fn field(&self, index: usize) -> Result<(&str, bool), Error> {
        let before = index.checked_sub(1).and_then(|index| self.ends.get(index));
        let begin = before.map_or(0, |(end, _)| *end);
        let &(end, quoted) = self
            .ends
            .get(index)
            .ok_or_else(|| self.malformed("a field is missing"))?;
        let bytes = self.fields.get(begin..end).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| self.malformed("it is not UTF-8"))?;
        Ok((text, quoted))
    }

    fn malformed(&self, reason: &str) -> Error {
        Error::malformed(&self.path, format!("record {}: {reason}", self.number))
    }
}
