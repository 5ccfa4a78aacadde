//! Why a JSON text could not be read: [`JsonError`], and where: [`Place`].

use std::fmt;

use serde::Serialize;

/// Where in a file something is wrong; shown as `dir/vc.json:4:12 parts[1].file`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, as a path that begins as it, or its directory, was given.
    pub file: String,
    /// The line, counted from 1; 0 if the whole file is meant.
    pub line: usize,
    /// The column in characters, counted from 1; 0 if the whole file is meant.
    pub column: usize,
    /// The path of the field: `parts[1].file`; empty for the outermost object.
    pub field: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if self.field.is_empty() {
            Ok(())
        } else {
            write!(f, " {}", self.field)
        }
    }
}

/// Why a JSON text could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not plain UTF-8.
    #[error("{place}: expected UTF-8, found {found}")]
    NotUtf8 {
        /// Where.
        place: Place,
        /// What is there.
        found: &'static str,
    },
    /// The text is not JSON.
    #[error("{place}: not valid JSON: {reason}")]
    Malformed {
        /// Where.
        place: Place,
        /// What the parser met.
        reason: String,
    },
    /// A value has another type than its field.
    #[error("{place}: expected {want}, found {found}")]
    WrongType {
        /// Where.
        place: Place,
        /// What belongs there.
        want: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A key of an object, or a value of a set, is there twice.
    #[error("{place}: given a second time")]
    Repeated {
        /// Where the second one is.
        place: Place,
    },
    /// A number is larger than its bound.
    #[error("{place}: {value} is more than the most possible, {max}")]
    TooLarge {
        /// Where.
        place: Place,
        /// What was given.
        value: u64,
        /// The bound.
        max: u64,
    },
    /// A text is longer than its bound.
    #[error("{place}: {bytes} bytes, at most {bytes_max} are possible")]
    TooLong {
        /// Where.
        place: Place,
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// There are more things than their bound.
    #[error("{place}: {count} {what}, at most {count_max} are possible")]
    TooMany {
        /// Where.
        place: Place,
        /// What is counted.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The bound.
        count_max: usize,
    },
}

impl JsonError {
    /// Where it is.
    pub const fn place(&self) -> &Place {
        match self {
            Self::NotUtf8 { place, .. }
            | Self::Malformed { place, .. }
            | Self::WrongType { place, .. }
            | Self::Repeated { place }
            | Self::TooLarge { place, .. }
            | Self::TooLong { place, .. }
            | Self::TooMany { place, .. } => place,
        }
    }

    /// What to do about it, where no format knows better.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NotUtf8 { .. } => "save the file as UTF-8 without a byte order mark",
            Self::Malformed { .. } => {
                "JSON has no comments, no comma before `]` or `}`, and double quotes around names"
            }
            Self::WrongType { .. } => "correct it",
            Self::Repeated { .. } => "keep one of the two",
            Self::TooLarge { .. } => "lower it",
            Self::TooLong { .. } => "shorten it",
            Self::TooMany { .. } => "split it",
        }
    }
}
