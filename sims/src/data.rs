//! Tables on disk: what a run collected, as Parquet or CSV, written row group by row group and read with a
//! bound.
//!
//! Read in this order: [`Table`] (named columns of equal length, with metadata), [`Writer`] (a table that
//! is longer than memory), [`read`], [`concat()`]. Tables are tidy: a row is one observation, a column is one
//! variable (Wickham, "Tidy Data", J. Stat. Softw. 59, 2014).
//!
//! The ending of a file's name chooses its format ([`Format`]). Parquet keeps kinds and metadata. CSV keeps
//! neither: the kinds are inferred from the text when it is read, by the rule of [`Kind`].
//!
//! A file appears under its own name only when it is whole: it is written to `NAME.part`, and renamed by
//! [`Writer::finish`].

mod concat;
mod csv;
mod error;
mod guard;
mod parquet;
mod source;
mod table;
mod writer;

use std::path::Path;

pub use concat::concat;
pub use error::Error;
pub use table::{Column, Kind, Schema, Table, Values};
pub use writer::{Writer, write};

use source::Source;

/// Most columns of a table.
pub const COLUMNS_MAX: usize = 1024;
/// Longest name of a column, in bytes.
pub const NAME_BYTES_MAX: usize = 256;
/// Rows of a row group: what a [`Writer`] keeps in memory, unless its texts are long.
pub const GROUP_ROWS: usize = 64 * 1024;
/// Bytes of values from which on a [`Writer`] writes a row group with fewer rows.
pub const GROUP_BYTES: u64 = 64 * 1024 * 1024;
/// Most rows that [`read`] takes into memory.
pub const READ_ROWS_MAX: u64 = 1 << 27;
/// Most bytes of values that [`read`] takes into memory, and most bytes of a CSV file.
pub const READ_BYTES_MAX: u64 = 2 << 30;

/// How a table is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Apache Parquet, compressed with Snappy: kinds and metadata are kept. Source: the format's
    /// specification, github.com/apache/parquet-format.
    Parquet,
    /// Comma-separated values as in RFC 4180, lines ended by a line feed: neither kinds nor metadata.
    Csv,
}

impl Format {
    /// The format that a file's ending asks for: `.parquet` or `.csv`, in any case.
    ///
    /// # Errors
    /// [`Error::Ending`] if it is another one.
    pub fn of(path: &Path) -> Result<Self, Error> {
        let ending = path.extension().unwrap_or_default();
        if ending.eq_ignore_ascii_case("parquet") {
            Ok(Self::Parquet)
        } else if ending.eq_ignore_ascii_case("csv") {
            Ok(Self::Csv)
        } else {
            Err(Error::Ending {
                path: path.to_owned(),
            })
        }
    }
}

/// How much of a file is taken into memory before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most rows.
    pub rows_max: u64,
    /// Most bytes of values in memory, and most bytes of a CSV file.
    pub bytes_max: u64,
}

impl Default for Limits {
    /// [`READ_ROWS_MAX`] and [`READ_BYTES_MAX`].
    fn default() -> Self {
        Self {
            rows_max: READ_ROWS_MAX,
            bytes_max: READ_BYTES_MAX,
        }
    }
}

/// Reads a whole table, within the default [`Limits`].
///
/// Of Parquet it reads what tables here need, whoever wrote it: flat columns of numbers, booleans and UTF-8
/// text, plain or by dictionary, uncompressed or Snappy. A missing value is NaN in a column of floats, and
/// an error in others.
///
/// # Errors
/// Anything the file may do wrong is an [`Error`]: the ending, the operating system, [`Error::Malformed`],
/// and [`Error::TooLarge`] for what is over a limit.
pub fn read(path: impl AsRef<Path>) -> Result<Table, Error> {
    read_within(path, Limits::default())
}

/// Reads a whole table, within the given limits.
///
/// # Errors
/// As [`read`].
pub fn read_within(path: impl AsRef<Path>, limits: Limits) -> Result<Table, Error> {
    let path = path.as_ref();
    let mut source = Source::open(path, limits)?;
    let mut table = Table::empty(source.schema(), source.metadata().clone());
    let mut bytes_left = limits.bytes_max;
    while let Some(batch) = source.next(bytes_left)? {
        bytes_left = bytes_left.saturating_sub(batch.bytes());
        table.append(&batch)?;
        let rows = table.rows() as u64;
        if rows > limits.rows_max {
            return Err(Error::too_large(path, "rows", rows, limits.rows_max));
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests;
