//! Named columns of equal length: [`Table`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use super::error::Error;
use super::{COLUMNS_MAX, NAME_BYTES_MAX};

/// What the values of a column are.
///
/// CSV says nothing about kinds. When it is read, a column is, by the first of these that fits all rows:
///
/// 1. [`Kind::Text`] if a field is quoted, or is none of what follows, or if no row has a value.
///    [`super::Writer`] quotes every text and nothing else, so that the text `1` stays a text.
/// 2. [`Kind::Bool`] if all are `true` or `false`.
/// 3. [`Kind::U64`] if all are whole numbers up to `u64::MAX` without a minus sign.
/// 4. [`Kind::I64`] if all are whole numbers that an `i64` holds.
/// 5. [`Kind::F64`] if all are numbers (`NaN`, `inf` and `-inf` are), or empty, which is read as NaN.
///    `Writer` gives every float a point or an exponent, so that 1.0 stays a float.
///
/// So what was written to CSV is read back equal, except that an `I64` column without a negative value
/// comes back as `U64`, that a column without rows comes back as `Text`, and that every NaN is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// IEEE 754 double precision.
    F64,
    /// Whole numbers with a sign.
    I64,
    /// Whole numbers without a sign: steps, seeds, counts.
    U64,
    /// True or false.
    Bool,
    /// UTF-8.
    Text,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::F64, Self::I64, Self::U64, Self::Bool, Self::Text];

    /// The kind's name: `f64`, `i64`, `u64`, `bool` or `text`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F64 => "f64",
            Self::I64 => "i64",
            Self::U64 => "u64",
            Self::Bool => "bool",
            Self::Text => "text",
        }
    }

    /// Bytes of one value in memory, without the contents of texts.
    pub const fn value_bytes(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::Bool => 1,
            Self::Text => size_of::<String>(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The values of a column, from the first row to the last.
///
/// Two columns are equal if they look the same when written: every NaN equals every NaN, and -0 is not 0.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "`Kind` says what they are")]
pub enum Values {
    F64(Vec<f64>),
    I64(Vec<i64>),
    U64(Vec<u64>),
    Bool(Vec<bool>),
    Text(Vec<String>),
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::F64(a), Self::F64(b)) => {
                let same =
                    |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
                a.len() == b.len() && a.iter().zip(b).all(same)
            }
            (Self::I64(a), Self::I64(b)) => a == b,
            (Self::U64(a), Self::U64(b)) => a == b,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::F64(_) | Self::I64(_) | Self::U64(_) | Self::Bool(_) | Self::Text(_), _) => {
                false
            }
        }
    }
}

impl Eq for Values {}

impl From<Vec<f64>> for Values {
    fn from(values: Vec<f64>) -> Self {
        Self::F64(values)
    }
}

impl From<Vec<i64>> for Values {
    fn from(values: Vec<i64>) -> Self {
        Self::I64(values)
    }
}

impl From<Vec<u64>> for Values {
    fn from(values: Vec<u64>) -> Self {
        Self::U64(values)
    }
}

impl From<Vec<bool>> for Values {
    fn from(values: Vec<bool>) -> Self {
        Self::Bool(values)
    }
}

impl From<Vec<String>> for Values {
    fn from(values: Vec<String>) -> Self {
        Self::Text(values)
    }
}

impl From<Vec<&str>> for Values {
    fn from(values: Vec<&str>) -> Self {
        Self::Text(values.into_iter().map(str::to_owned).collect())
    }
}

impl Values {
    /// No values of a kind.
    pub const fn empty(kind: Kind) -> Self {
        match kind {
            Kind::F64 => Self::F64(Vec::new()),
            Kind::I64 => Self::I64(Vec::new()),
            Kind::U64 => Self::U64(Vec::new()),
            Kind::Bool => Self::Bool(Vec::new()),
            Kind::Text => Self::Text(Vec::new()),
        }
    }

    /// What they are.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::F64(_) => Kind::F64,
            Self::I64(_) => Kind::I64,
            Self::U64(_) => Kind::U64,
            Self::Bool(_) => Kind::Bool,
            Self::Text(_) => Kind::Text,
        }
    }

    /// How many rows there are.
    pub const fn len(&self) -> usize {
        match self {
            Self::F64(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::U64(values) => values.len(),
            Self::Bool(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there is no row.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a row as a number, with true as 1 and false as 0; `None` for a text, or behind the end.
    pub fn number(&self, row: usize) -> Option<f64> {
        match self {
            Self::F64(values) => values.get(row).copied(),
            Self::I64(values) => values.get(row).map(|value| *value as f64),
            Self::U64(values) => values.get(row).map(|value| *value as f64),
            Self::Bool(values) => values.get(row).map(|value| f64::from(u8::from(*value))),
            Self::Text(_) => None,
        }
    }

    /// The value of a row as people read it: 1.0 is `1`; nothing behind the end.
    pub fn shown(&self, row: usize) -> String {
        match self {
            Self::F64(values) => values.get(row).map(ToString::to_string),
            Self::I64(values) => values.get(row).map(ToString::to_string),
            Self::U64(values) => values.get(row).map(ToString::to_string),
            Self::Bool(values) => values.get(row).map(ToString::to_string),
            Self::Text(values) => values.get(row).cloned(),
        }
        .unwrap_or_default()
    }

    /// Whether a value is that of a row of another column, to the last bit; every NaN is the same.
    pub fn is_same(&self, row: usize, other: &Self, other_row: usize) -> bool {
        match (self, other) {
            (Self::F64(a), Self::F64(b)) => match (a.get(row), b.get(other_row)) {
                (Some(a), Some(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
                _ => false,
            },
            (Self::I64(a), Self::I64(b)) => a.get(row).is_some_and(|a| b.get(other_row) == Some(a)),
            (Self::U64(a), Self::U64(b)) => a.get(row).is_some_and(|a| b.get(other_row) == Some(a)),
            (Self::Bool(a), Self::Bool(b)) => {
                a.get(row).is_some_and(|a| b.get(other_row) == Some(a))
            }
            (Self::Text(a), Self::Text(b)) => {
                a.get(row).is_some_and(|a| b.get(other_row) == Some(a))
            }
            (Self::F64(_) | Self::I64(_) | Self::U64(_) | Self::Bool(_) | Self::Text(_), _) => {
                false
            }
        }
    }

    /// Bytes of the values in memory, with the contents of texts.
    pub fn bytes(&self) -> u64 {
        let contents = match self {
            Self::Text(texts) => texts.iter().map(String::len).sum(),
            Self::F64(_) | Self::I64(_) | Self::U64(_) | Self::Bool(_) => 0,
        };
        (self.len() * self.kind().value_bytes() + contents) as u64
    }

    /// Adds some rows of another column; false, and nothing is added, if that is of another kind.
    pub(super) fn extend(&mut self, from: &Self, rows: Range<usize>) -> bool {
        match (self, from) {
            (Self::F64(to), Self::F64(from)) => to.extend_from_slice(&from[rows]),
            (Self::I64(to), Self::I64(from)) => to.extend_from_slice(&from[rows]),
            (Self::U64(to), Self::U64(from)) => to.extend_from_slice(&from[rows]),
            (Self::Bool(to), Self::Bool(from)) => to.extend_from_slice(&from[rows]),
            (Self::Text(to), Self::Text(from)) => to.extend_from_slice(&from[rows]),
            (Self::F64(_) | Self::I64(_) | Self::U64(_) | Self::Bool(_) | Self::Text(_), _) => {
                return false;
            }
        }
        true
    }

    /// Forgets all rows and keeps the memory.
    pub(super) fn clear(&mut self) {
        match self {
            Self::F64(values) => values.clear(),
            Self::I64(values) => values.clear(),
            Self::U64(values) => values.clear(),
            Self::Bool(values) => values.clear(),
            Self::Text(values) => values.clear(),
        }
    }
}

/// Names and kinds of the columns of a table, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema(Vec<(String, Kind)>);

impl Schema {
    /// Checks names and their number once, so that no writer has to.
    ///
    /// # Errors
    /// [`Error::NoColumns`], [`Error::TooManyColumns`], [`Error::BadName`] and [`Error::Twice`].
    pub fn new<Name: Into<String>>(
        columns: impl IntoIterator<Item = (Name, Kind)>,
    ) -> Result<Self, Error> {
        let columns = columns.into_iter().map(|(name, kind)| (name.into(), kind));
        let columns: Vec<(String, Kind)> = columns.take(COLUMNS_MAX + 1).collect();
        if columns.is_empty() {
            return Err(Error::NoColumns);
        }
        if columns.len() > COLUMNS_MAX {
            return Err(Error::TooManyColumns {
                columns: columns.len(),
            });
        }
        let mut names = BTreeSet::new();
        for (name, _) in &columns {
            if name.is_empty() || name.len() > NAME_BYTES_MAX {
                return Err(Error::BadName { name: name.clone() });
            }
            if !names.insert(name) {
                return Err(Error::Twice { name: name.clone() });
            }
        }
        Ok(Self(columns))
    }

    /// Names and kinds, in their order.
    pub fn columns(&self) -> &[(String, Kind)] {
        &self.0
    }

    /// An error unless the other is equal; `of` says whose columns the others are.
    pub(super) fn check(&self, found: &Self, of: impl FnOnce() -> String) -> Result<(), Error> {
        if self == found {
            return Ok(());
        }
        Err(Error::OtherColumns {
            of: of(),
            found: found.to_string(),
            expected: self.to_string(),
        })
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, kind)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name} {kind}")?;
        }
        Ok(())
    }
}

/// A column with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// What it is called; unique in its table.
    pub name: String,
    /// Its values.
    pub values: Values,
}

/// Named columns of equal length, with metadata.
///
/// ```
/// use sims::data::Table;
///
/// let mut table = Table::new();
/// table.push("step", vec![0_u64, 1, 2])?;
/// table.push("sheep", vec![100.0, 104.0, 109.0])?;
/// assert_eq!(table.rows(), 3);
/// # Ok::<(), sims::data::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Column>,
    /// What is true of all rows: model, seed, versions. Parquet keeps it, CSV does not.
    pub metadata: BTreeMap<String, String>,
}

impl Table {
    /// A table without columns.
    pub const fn new() -> Self {
        Self {
            columns: Vec::new(),
            metadata: BTreeMap::new(),
        }
    }

    /// A table without rows.
    pub fn empty(schema: &Schema, metadata: BTreeMap<String, String>) -> Self {
        let columns = schema.columns().iter().map(|(name, kind)| Column {
            name: name.clone(),
            values: Values::empty(*kind),
        });
        Self {
            columns: columns.collect(),
            metadata,
        }
    }

    /// A table of columns; not checked: they are of equal length and of unique names.
    pub(super) const fn of(columns: Vec<Column>, metadata: BTreeMap<String, String>) -> Self {
        Self { columns, metadata }
    }

    /// Adds a column on the right.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::Twice`], [`Error::TooManyColumns`], and [`Error::Length`] if it has
    /// more or fewer rows than those before it.
    pub fn push(
        &mut self,
        name: impl Into<String>,
        values: impl Into<Values>,
    ) -> Result<(), Error> {
        let (name, values) = (name.into(), values.into());
        if let Some(first) = self.columns.first()
            && first.values.len() != values.len()
        {
            return Err(Error::Length {
                name,
                found: values.len(),
                expected: first.values.len(),
            });
        }
        let names = self.columns.iter().map(|column| &column.name);
        Schema::new(names.chain([&name]).map(|name| (name, values.kind())))?;
        self.columns.push(Column { name, values });
        Ok(())
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// The columns, in their order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The values of the column of a name.
    pub fn column(&self, name: &str) -> Option<&Values> {
        let mut columns = self.columns.iter();
        let found = columns.find(|column| column.name == name)?;
        Some(&found.values)
    }

    /// Names and kinds of the columns.
    ///
    /// # Errors
    /// [`Error::NoColumns`] if there is none.
    pub fn schema(&self) -> Result<Schema, Error> {
        let columns = self.columns.iter();
        Schema::new(columns.map(|column| (&column.name, column.values.kind())))
    }

    /// Adds the rows of another table with the same columns at the end; its metadata is not looked at.
    ///
    /// # Errors
    /// [`Error::OtherColumns`] if names, order or kinds differ; then nothing was added.
    pub fn append(&mut self, rows: &Self) -> Result<(), Error> {
        self.schema()?
            .check(&rows.schema()?, || "the rows to be added".to_owned())?;
        self.extend(rows, 0..rows.rows());
        Ok(())
    }

    /// Bytes of all values in memory.
    pub fn bytes(&self) -> u64 {
        self.columns
            .iter()
            .map(|column| column.values.bytes())
            .sum()
    }

    /// The values of each column, to be added to; the caller keeps them of equal length.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Values> {
        self.columns.iter_mut().map(|column| &mut column.values)
    }

    /// Bytes of the values of one row in memory.
    pub(super) fn row_bytes(&self, row: usize) -> u64 {
        let bytes = self.columns.iter().map(|column| match &column.values {
            Values::Text(texts) => Kind::Text.value_bytes() + texts.get(row).map_or(0, String::len),
            others => others.kind().value_bytes(),
        });
        bytes.sum::<usize>() as u64
    }

    /// Adds some rows of a table whose columns were compared before.
    pub(super) fn extend(&mut self, from: &Self, rows: Range<usize>) {
        for (to, from) in self.columns.iter_mut().zip(&from.columns) {
            let same_kind = to.values.extend(&from.values, rows.clone());
            debug_assert!(same_kind, "schemas are compared before rows are added");
        }
    }

    /// Forgets all rows and keeps columns and memory.
    pub(super) fn clear(&mut self) {
        for column in &mut self.columns {
            column.values.clear();
        }
    }
}
