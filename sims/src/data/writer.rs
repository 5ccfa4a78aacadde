//! A table that is written while it grows: [`Writer`].

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::table::{Schema, Table};
use super::{Format, GROUP_BYTES, GROUP_ROWS, csv, parquet};

/// Writes a table of any length with bounded memory.
///
/// Rows go to `NAME.part`; [`Writer::finish`] renames that file to `NAME`. A writer that is dropped before
/// removes it, and what a killed process leaves is a `.part` file, which nobody takes for a whole one.
/// The same rows give the same bytes, in however many pieces they were appended.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    part: PathBuf,
    schema: Schema,
    rows: u64,
    /// `None` once it is finished.
    sink: Option<Sink>,
    renamed: bool,
}

#[derive(Debug)]
enum Sink {
    Csv(BufWriter<fs_err::File>),
    Parquet {
        writer: Box<parquet::Writer>,
        /// Rows that are not yet worth a row group.
        buffer: Table,
        buffer_bytes: u64,
    },
}

impl Writer {
    /// Begins a table; the ending of `path` says in which [`Format`]. A file of that name is replaced when
    /// the writer finishes.
    ///
    /// # Errors
    /// [`Error::Ending`], [`Error::Io`], and [`Error::Encode`] if the encoder refuses.
    pub fn create(
        path: impl AsRef<Path>,
        schema: &Schema,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let path = path.as_ref();
        let format = Format::of(path)?;
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut file = BufWriter::new(fs_err::File::create(&part)?);
        let sink = match format {
            Format::Csv => csv::write_header(&mut file, schema)
                .map_err(Error::from)
                .map(|()| Sink::Csv(file)),
            Format::Parquet => {
                parquet::Writer::new(path, file, schema, metadata).map(|writer| Sink::Parquet {
                    writer: Box::new(writer),
                    buffer: Table::empty(schema, BTreeMap::new()),
                    buffer_bytes: 0,
                })
            }
        };
        // Made before the result is looked at, so that a failure removes the `.part` file.
        let mut writer = Self {
            path: path.to_owned(),
            part,
            schema: schema.clone(),
            rows: 0,
            sink: None,
            renamed: false,
        };
        writer.sink = Some(sink?);
        Ok(writer)
    }

    /// Adds rows at the end. Small pieces are gathered until a row group is worth it.
    ///
    /// # Errors
    /// [`Error::OtherColumns`] if the table's columns are not those that were promised (then nothing was
    /// added), [`Error::Io`] and [`Error::Encode`].
    pub fn append(&mut self, table: &Table) -> Result<(), Error> {
        let found = table.schema()?;
        self.schema
            .check(&found, || format!("the rows for `{}`", self.path.display()))?;
        let rows = table.rows();
        match &mut self.sink {
            None => {}
            Some(Sink::Csv(file)) => csv::write_rows(file, table)?,
            Some(Sink::Parquet {
                writer,
                buffer,
                buffer_bytes,
            }) => {
                let mut from = 0;
                while from < rows {
                    // Where a row group ends depends on the rows alone, not on the pieces they come in.
                    let rows_max = GROUP_ROWS - buffer.rows();
                    let mut to = from;
                    while to < rows && to - from < rows_max && *buffer_bytes < GROUP_BYTES {
                        *buffer_bytes += table.row_bytes(to);
                        to += 1;
                    }
                    buffer.extend(table, from..to);
                    from = to;
                    if buffer.rows() == GROUP_ROWS || *buffer_bytes >= GROUP_BYTES {
                        writer.write(buffer)?;
                        buffer.clear();
                        *buffer_bytes = 0;
                    }
                }
            }
        }
        self.rows += rows as u64;
        Ok(())
    }

    /// How many rows were added so far.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes what is left, makes sure that it is on the disk, and gives the file its name.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Encode`]; then there is no file of that name, or the one before.
    pub fn finish(mut self) -> Result<(), Error> {
        let file = match self.sink.take() {
            None => return Ok(()),
            Some(Sink::Csv(file)) => file,
            Some(Sink::Parquet {
                mut writer, buffer, ..
            }) => {
                if buffer.rows() > 0 {
                    writer.write(&buffer)?;
                }
                writer.finish()?
            }
        };
        let file = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        drop(file);
        fs_err::rename(&self.part, &self.path)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Writer {
    /// Removes the `.part` file, unless it has become the whole one.
    fn drop(&mut self) {
        drop(self.sink.take());
        if !self.renamed {
            // Where it cannot be removed, its name still says that it is not whole.
            let _ = fs_err::remove_file(&self.part);
        }
    }
}

/// Writes a whole table.
///
/// # Errors
/// As [`Writer::create`], [`Writer::append`] and [`Writer::finish`].
pub fn write(path: impl AsRef<Path>, table: &Table) -> Result<(), Error> {
    let mut writer = Writer::create(path, &table.schema()?, &table.metadata)?;
    writer.append(table)?;
    writer.finish()
}
