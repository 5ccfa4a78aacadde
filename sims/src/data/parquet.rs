//! Parquet, by the low-level writer and reader of the `parquet` crate; Arrow is not used.
//!
//! The crate's reader trusts some of what a file says about itself. So [`super::guard`] looks at footer and
//! page headers before it does, and a panic of the crate ends here, as an error.

use std::collections::BTreeMap;
use std::io::BufWriter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{ColumnDescriptor, Type};
use fs_err::File;

use super::error::Error;
use super::table::{Column, Kind, Schema, Table, Values};
use super::{Limits, guard};

/// A dictionary that grows over this size is given up, and the values that follow are written plain: a
/// column pays for a dictionary only where its values repeat (steps, seeds, parameters, names).
const DICTIONARY_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    file: SerializedFileWriter<BufWriter<File>>,
}

impl Writer {
    pub(super) fn new(
        path: &Path,
        file: BufWriter<File>,
        schema: &Schema,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let pairs = metadata.iter();
        let pairs = pairs.map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_created_by(format!("medium sims {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata(Some(pairs.collect()))
            .build();
        let file = root(schema)
            .and_then(|root| SerializedFileWriter::new(file, Arc::new(root), Arc::new(properties)))
            .map_err(|cause| encode(path, cause))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Writes a row group.
    pub(super) fn write(&mut self, table: &Table) -> Result<(), Error> {
        write_group(&mut self.file, table).map_err(|cause| encode(&self.path, cause))
    }

    /// Writes the footer; what was buffered is not yet flushed.
    pub(super) fn finish(self) -> Result<BufWriter<File>, Error> {
        let Self { path, file } = self;
        file.into_inner().map_err(|cause| encode(&path, cause))
    }
}

fn encode(path: &Path, cause: ParquetError) -> Error {
    match cause {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(cause) => Error::Io(*cause),
            Err(cause) => Error::Encode {
                path: path.to_owned(),
                reason: cause.to_string(),
            },
        },
        cause => Error::Encode {
            path: path.to_owned(),
            reason: cause.to_string(),
        },
    }
}

fn root(schema: &Schema) -> Result<Type, ParquetError> {
    let mut fields = Vec::new();
    for (name, kind) in schema.columns() {
        let (physical, logical) = match kind {
            Kind::F64 => (Physical::DOUBLE, None),
            Kind::I64 => (Physical::INT64, Some(LogicalType::integer(64, true))),
            Kind::U64 => (Physical::INT64, Some(LogicalType::integer(64, false))),
            Kind::Bool => (Physical::BOOLEAN, None),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let field = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(logical);
        fields.push(Arc::new(field.build()?));
    }
    Type::group_type_builder("table")
        .with_fields(fields)
        .build()
}

fn write_group(
    file: &mut SerializedFileWriter<BufWriter<File>>,
    table: &Table,
) -> Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    for column in table.columns() {
        let Some(mut writer) = group.next_column()? else {
            return Err(ParquetError::General("a column is missing".to_owned()));
        };
        match &column.values {
            Values::F64(values) => writer
                .typed::<DoubleType>()
                .write_batch(values, None, None)?,
            Values::I64(values) => writer
                .typed::<Int64Type>()
                .write_batch(values, None, None)?,
            Values::U64(values) => {
                let signed: Vec<i64> = values.iter().map(|value| value.cast_signed()).collect();
                writer
                    .typed::<Int64Type>()
                    .write_batch(&signed, None, None)?
            }
            Values::Bool(values) => writer.typed::<BoolType>().write_batch(values, None, None)?,
            Values::Text(values) => {
                let bytes = values.iter().map(|text| ByteArray::from(text.as_str()));
                let bytes: Vec<ByteArray> = bytes.collect();
                writer
                    .typed::<ByteArrayType>()
                    .write_batch(&bytes, None, None)?
            }
        };
        writer.close()?;
    }
    group.close()?;
    Ok(())
}

/// Reads a table's rows in their order, row group by row group.
pub(super) struct Reader {
    path: PathBuf,
    limits: Limits,
    file: Box<dyn FileReader>,
    /// The same file, for the guard.
    raw: File,
    schema: Schema,
    /// The row group that comes next.
    group: usize,
    /// The columns of the row group that is being read, and how many rows of it are left.
    columns: Vec<ColumnReader>,
    rows_left: usize,
    /// What the pages of the row groups so far unfold to.
    bytes: u64,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Reader");
        out.field("path", &self.path).field("schema", &self.schema);
        out.field("group", &self.group).finish_non_exhaustive()
    }
}

/// Runs the crate's reader; what it panics about is a fault of the file.
fn caught<T>(path: &Path, read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(cause)) => Err(Error::malformed(path, cause.to_string())),
        Err(_) => Err(Error::malformed(
            path,
            "what it says about itself cannot be true",
        )),
    }
}

impl Reader {
    pub(super) fn open(path: &Path, file: File, limits: Limits) -> Result<Self, Error> {
        let raw = file.try_clone()?;
        guard::check_footer(path, &raw)?;
        let file = caught(path, || SerializedFileReader::new(file.into_file()))?;
        let metadata = file.metadata();
        let descriptors = metadata.file_metadata().schema_descr().columns();
        let mut columns = Vec::new();
        for descriptor in descriptors {
            columns.push((descriptor.name(), kind(path, descriptor)?));
        }
        let schema = Schema::new(columns)?;
        let mut rows = 0_u64;
        for group in metadata.row_groups() {
            let more = u64::try_from(group.num_rows()).ok();
            rows = more
                .and_then(|more| rows.checked_add(more))
                .ok_or_else(|| Error::malformed(path, "a row group has less than no rows"))?;
            if group.num_columns() != schema.columns().len() {
                return Err(Error::malformed(path, "a row group lacks columns"));
            }
        }
        if rows > limits.rows_max {
            return Err(Error::too_large(path, "rows", rows, limits.rows_max));
        }
        let row_bytes: usize = schema
            .columns()
            .iter()
            .map(|(_, kind)| kind.value_bytes())
            .sum();
        let bytes = rows.saturating_mul(row_bytes as u64);
        if bytes > limits.bytes_max {
            return Err(Error::too_large(
                path,
                "bytes of values",
                bytes,
                limits.bytes_max,
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            limits,
            file: Box::new(file),
            raw,
            schema,
            group: 0,
            columns: Vec::new(),
            rows_left: 0,
            bytes: 0,
        })
    }

    pub(super) const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// What the file says of all rows; a key without a value is left out.
    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        let metadata = self.file.metadata().file_metadata();
        let pairs = metadata.key_value_metadata().into_iter().flatten();
        let pairs = pairs.filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?)));
        pairs.collect()
    }

    /// The next rows, at most `rows_max`, with values of at most `bytes_max`; none at the end.
    pub(super) fn next(&mut self, rows_max: usize, bytes_max: u64) -> Result<Option<Table>, Error> {
        while self.rows_left == 0 {
            if self.group == self.file.metadata().num_row_groups() {
                return Ok(None);
            }
            self.open_group()?;
        }
        let rows = rows_max.min(self.rows_left);
        let mut bytes_left = bytes_max;
        let mut columns = Vec::new();
        for ((name, kind), reader) in self.schema.columns().iter().zip(&mut self.columns) {
            let wanted = Wanted {
                path: &self.path,
                name,
                kind: *kind,
                rows,
                bytes_max: bytes_left,
            };
            let values = wanted.read(reader)?;
            bytes_left = bytes_left.saturating_sub(values.bytes());
            columns.push(Column {
                name: name.clone(),
                values,
            });
        }
        self.rows_left -= rows;
        Ok(Some(Table::of(columns, BTreeMap::new())))
    }

    /// Goes to the next row group.
    fn open_group(&mut self) -> Result<(), Error> {
        let path = &self.path;
        let metadata = self.file.metadata();
        let group = metadata.row_group(self.group);
        self.rows_left = usize::try_from(group.num_rows()).unwrap_or(0);
        self.columns.clear();
        if self.rows_left > 0 {
            for chunk in group.columns() {
                let begin = chunk.dictionary_page_offset();
                let begin = begin.unwrap_or_else(|| chunk.data_page_offset());
                let range = guard::Chunk {
                    begin,
                    bytes: chunk.compressed_size(),
                };
                self.bytes += guard::check_pages(path, &self.raw, range)?;
                // Beside the values there may be dictionaries, as long as they, and lengths.
                let max = self.limits.bytes_max.saturating_mul(2);
                let max = max.saturating_add(guard::PAGE_BYTES_MAX.unsigned_abs());
                if self.bytes > max {
                    return Err(Error::too_large(path, "bytes of pages", self.bytes, max));
                }
            }
            let descriptors = metadata.file_metadata().schema_descr().columns();
            let file = &self.file;
            let index = self.group;
            self.columns = caught(path, || {
                let group = file.get_row_group(index)?;
                let columns = descriptors.iter().enumerate().map(|(index, descriptor)| {
                    let pages = group.get_column_page_reader(index)?;
                    Ok(get_column_reader(descriptor.clone(), pages))
                });
                columns.collect()
            })?;
        }
        self.group += 1;
        Ok(())
    }
}

/// What a column of a file is here.
fn kind(path: &Path, column: &ColumnDescriptor) -> Result<Kind, Error> {
    let unsupported = |what: String| Error::Unsupported {
        path: path.to_owned(),
        column: column.path().string(),
        what,
    };
    if column.max_rep_level() > 0 || column.max_def_level() > 1 || column.path().parts().len() > 1 {
        return Err(unsupported("lists or groups".to_owned()));
    }
    let logical = column.logical_type_ref();
    let converted = column.converted_type();
    let unsigned = match logical {
        Some(LogicalType::Integer(integer)) => Some(!integer.is_signed),
        Some(_) => None,
        None => match converted {
            ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64 => Some(true),
            ConvertedType::NONE
            | ConvertedType::INT_8
            | ConvertedType::INT_16
            | ConvertedType::INT_32
            | ConvertedType::INT_64 => Some(false),
            _ => None,
        },
    };
    match (column.physical_type(), unsigned) {
        (Physical::BOOLEAN, _) => Ok(Kind::Bool),
        (Physical::INT32 | Physical::INT64, Some(true)) => Ok(Kind::U64),
        (Physical::INT32 | Physical::INT64, Some(false)) => Ok(Kind::I64),
        (Physical::FLOAT | Physical::DOUBLE, _) => Ok(Kind::F64),
        (Physical::BYTE_ARRAY, _)
            if matches!(
                logical,
                Some(LogicalType::String | LogicalType::Enum | LogicalType::Json)
            ) || converted == ConvertedType::UTF8 =>
        {
            Ok(Kind::Text)
        }
        (physical, _) => Err(unsupported(match logical {
            Some(logical) => format!("{logical:?}"),
            None => physical.to_string(),
        })),
    }
}

/// Some rows of a column, to be read.
struct Wanted<'a> {
    path: &'a Path,
    name: &'a str,
    kind: Kind,
    rows: usize,
    bytes_max: u64,
}

/// Values that are there, and a level for each row if some may be missing: 0 where one is.
struct Found<T> {
    values: Vec<T>,
    levels: Option<Vec<i16>>,
}

impl Wanted<'_> {
    fn read(&self, reader: &mut ColumnReader) -> Result<Values, Error> {
        Ok(match (reader, self.kind) {
            (ColumnReader::BoolColumnReader(reader), Kind::Bool) => {
                Values::Bool(self.all(self.rows_of(reader)?)?)
            }
            (ColumnReader::Int32ColumnReader(reader), Kind::I64) => {
                let values = self.all(self.rows_of(reader)?)?;
                Values::I64(values.into_iter().map(i64::from).collect())
            }
            (ColumnReader::Int32ColumnReader(reader), Kind::U64) => {
                let values = self.all(self.rows_of(reader)?)?;
                let values = values
                    .into_iter()
                    .map(|value| u64::from(value.cast_unsigned()));
                Values::U64(values.collect())
            }
            (ColumnReader::Int64ColumnReader(reader), Kind::I64) => {
                Values::I64(self.all(self.rows_of(reader)?)?)
            }
            (ColumnReader::Int64ColumnReader(reader), Kind::U64) => {
                let values = self.all(self.rows_of(reader)?)?;
                Values::U64(values.into_iter().map(i64::cast_unsigned).collect())
            }
            (ColumnReader::FloatColumnReader(reader), Kind::F64) => {
                let Found { values, levels } = self.rows_of(reader)?;
                let values = values.into_iter().map(f64::from).collect();
                Values::F64(self.or_nan(Found { values, levels })?)
            }
            (ColumnReader::DoubleColumnReader(reader), Kind::F64) => {
                Values::F64(self.or_nan(self.rows_of(reader)?)?)
            }
            (ColumnReader::ByteArrayColumnReader(reader), Kind::Text) => {
                let values = self.all(self.rows_of(reader)?)?;
                Values::Text(self.texts(&values)?)
            }
            _ => return Err(self.malformed("is of another type than the file says")),
        })
    }

    /// As many values as there are rows, or an error.
    fn rows_of<T: DataType>(&self, reader: &mut ColumnReaderImpl<T>) -> Result<Found<T::T>, Error> {
        let mut values = Vec::new();
        let mut levels = Vec::new();
        let mut rows = 0;
        while rows < self.rows {
            let (more, _, _) = caught(self.path, || {
                reader.read_records(self.rows - rows, Some(&mut levels), None, &mut values)
            })?;
            if more == 0 {
                return Err(self.malformed("has fewer rows than the file says"));
            }
            rows += more;
        }
        let levels = (!levels.is_empty()).then_some(levels);
        if values.len() > self.rows
            || levels
                .as_ref()
                .is_some_and(|levels| levels.len() != self.rows)
        {
            return Err(self.malformed("has other values than rows"));
        }
        Ok(Found { values, levels })
    }

    /// The values, none of which may be missing.
    fn all<T>(&self, found: Found<T>) -> Result<Vec<T>, Error> {
        let missing = self.rows - found.values.len();
        if missing > 0 {
            return Err(Error::Unsupported {
                path: self.path.to_owned(),
                column: self.name.to_owned(),
                what: format!("no value in {missing} of {} rows", self.rows),
            });
        }
        Ok(found.values)
    }

    /// The values, NaN where one is missing.
    fn or_nan(&self, found: Found<f64>) -> Result<Vec<f64>, Error> {
        let Some(levels) = &found.levels else {
            return self.all(found);
        };
        let mut values = found.values.into_iter();
        let rows = levels.iter().map(|level| match level {
            0 => Some(f64::NAN),
            _ => values.next(),
        });
        rows.collect::<Option<_>>()
            .ok_or_else(|| self.malformed("has fewer values than it says"))
    }

    fn texts(&self, bytes: &[ByteArray]) -> Result<Vec<String>, Error> {
        // The lengths first: a dictionary makes many long texts of a few bytes.
        let contents: usize = bytes.iter().map(ByteArray::len).sum();
        if contents as u64 > self.bytes_max {
            let (found, max) = (contents as u64, self.bytes_max);
            return Err(Error::too_large(self.path, "bytes of text", found, max));
        }
        let texts = bytes.iter().map(|bytes| {
            let text = std::str::from_utf8(bytes.data());
            text.map(str::to_owned)
                .map_err(|_| self.malformed("is not UTF-8"))
        });
        texts.collect()
    }

    fn malformed(&self, reason: &str) -> Error {
        Error::malformed(self.path, format!("column `{}` {reason}", self.name))
    }
}
