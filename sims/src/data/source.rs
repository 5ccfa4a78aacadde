//! A file as a series of short tables: what [`super::read`] and [`super::concat()`] have in common.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::Error;
use super::table::{Schema, Table};
use super::{Format, GROUP_ROWS, Limits, csv, parquet};

/// A table's file that is being read.
#[derive(Debug)]
pub(super) struct Source {
    rows: Rows,
    schema: Schema,
    metadata: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Rows {
    Csv(csv::Reader),
    Parquet(parquet::Reader),
}

impl Source {
    pub(super) fn open(path: &Path, limits: Limits) -> Result<Self, Error> {
        let format = Format::of(path)?;
        // A pipe would be waited for before it could be refused.
        if !fs_err::metadata(path)?.is_file() {
            return Err(Error::NotAFile {
                path: path.to_owned(),
            });
        }
        let file = fs_err::File::open(path)?;
        Ok(match format {
            Format::Csv => {
                let reader = csv::Reader::open(path, file, limits)?;
                Self {
                    schema: reader.schema()?,
                    metadata: BTreeMap::new(),
                    rows: Rows::Csv(reader),
                }
            }
            Format::Parquet => {
                let reader = parquet::Reader::open(path, file, limits)?;
                Self {
                    schema: reader.schema().clone(),
                    metadata: reader.metadata(),
                    rows: Rows::Parquet(reader),
                }
            }
        })
    }

    pub(super) const fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) const fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// What the columns of a CSV file are allowed to be; `None` of Parquet, which says what they are.
    pub(super) fn guesses(&self) -> Option<&[csv::Guess]> {
        match &self.rows {
            Rows::Csv(reader) => Some(reader.guesses()),
            Rows::Parquet(_) => None,
        }
    }

    /// Reads a CSV file as what it and others allow; nothing changes for Parquet.
    ///
    /// # Errors
    /// None that [`Self::open`] would not have had.
    pub(super) fn set_guesses(&mut self, guesses: &[csv::Guess]) -> Result<(), Error> {
        if let Rows::Csv(reader) = &mut self.rows {
            reader.set_guesses(guesses);
            self.schema = reader.schema()?;
        }
        Ok(())
    }

    /// The next rows, at most [`GROUP_ROWS`], with values of at most `bytes_max`; none at the end.
    pub(super) fn next(&mut self, bytes_max: u64) -> Result<Option<Table>, Error> {
        match &mut self.rows {
            Rows::Csv(reader) => reader.next(GROUP_ROWS, bytes_max),
            Rows::Parquet(reader) => reader.next(GROUP_ROWS, bytes_max),
        }
    }
}
