//! Why a table could not be made, written or read: [`Error`].

use std::path::{Path, PathBuf};

use super::{COLUMNS_MAX, NAME_BYTES_MAX};

/// Why a table could not be made, written or read.
///
/// The text says in one line what is wrong and where; [`Error::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A table without columns.
    #[error("a table needs at least one column")]
    NoColumns,
    /// More columns than a table may have.
    #[error("a table of {columns} columns is over the limit of {COLUMNS_MAX}")]
    TooManyColumns {
        /// How many there are.
        columns: usize,
    },
    /// A column's name is empty or long.
    #[error("`{name}` cannot name a column: it has {} bytes, and 1 to {NAME_BYTES_MAX} are allowed", name.len())]
    BadName {
        /// The name.
        name: String,
    },
    /// Two columns of one name.
    #[error("there are two columns `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// A column is shorter or longer than those before it.
    #[error("column `{name}` has {found} rows, the columns before it have {expected}")]
    Length {
        /// The column.
        name: String,
        /// Its rows.
        found: usize,
        /// Those of the others.
        expected: usize,
    },
    /// Rows of one table are put into another one that has other columns.
    #[error("the columns of {of} are `{found}`, not `{expected}`")]
    OtherColumns {
        /// Whose columns they are.
        of: String,
        /// What they are.
        found: String,
        /// What they should be.
        expected: String,
    },
    /// The name of a file does not say what it is.
    #[error("`{}` ends neither in `.parquet` nor in `.csv`", path.display())]
    Ending {
        /// The file.
        path: PathBuf,
    },
    /// Nothing to put together.
    #[error("no table was given to be put together")]
    NoInputs,
    /// The operating system refused; its text names the file.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// What was asked for is not a file.
    #[error("`{}` is not a file", path.display())]
    NotAFile {
        /// What was asked for.
        path: PathBuf,
    },
    /// The table could not be encoded.
    #[error("cannot write `{}`: {reason}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the encoder said.
        reason: String,
    },
    /// The file is damaged, or not what its name says.
    #[error("cannot read `{}`: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// The file holds something that tables here do not have.
    #[error("column `{column}` of `{}` holds {what}, which is not read here", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What it holds.
        what: String,
    },
    /// The file is over a limit.
    #[error("`{}` has {found} {what}, over the limit of {max}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What there is too much of.
        what: &'static str,
        /// How much.
        found: u64,
        /// The limit.
        max: u64,
    },
}

impl Error {
    /// What to do about it, in one line.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoColumns => "collect at least one value",
            Self::TooManyColumns { .. } => {
                "write tidy rows: a column `name` and a column `value` instead of a column for each name"
            }
            Self::BadName { .. } => "for example: `population`",
            Self::Twice { .. } => "name each column once",
            Self::Length { .. } => "give every column one value for each row",
            Self::OtherColumns { .. } => {
                "the same columns, in the same order and of the same kinds, belong into one table"
            }
            Self::Ending { .. } => "for example: `model.parquet` or `model.csv`",
            Self::NoInputs => "name at least one file",
            Self::Io(_) => "check the path, who may use it, and whether the disk is full",
            Self::NotAFile { .. } => "name the file, for example `run/model.parquet`",
            Self::Encode { .. } => "write `.csv` instead, and report it with the columns' kinds",
            Self::Malformed { .. } => {
                "an interrupted run leaves only `.part` files; make this one again, or compare its digest"
            }
            Self::Unsupported { .. } => {
                "leave the column out, or convert it to a number, a boolean or text, with Snappy or no compression"
            }
            Self::TooLarge { .. } => {
                "collect less often, or read it in pieces with pandas or DuckDB"
            }
        }
    }

    pub(super) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }

    pub(super) fn too_large(path: &Path, what: &'static str, found: u64, max: u64) -> Self {
        Self::TooLarge {
            path: path.to_owned(),
            what,
            found,
            max,
        }
    }
}
