//! The rows of a run that has not ended: appended tick by tick, each with a check of its own, so that a run that was
//! killed finds what it had.

use std::io::{BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use genesis::id::Digest;

use super::FolderError;
use crate::series::{Names, Row};

/// The bytes of a row's check: the first of its digest.
const CHECK_BYTES: usize = 8;

/// Rows that are appended.
#[derive(Debug)]
pub(crate) struct RowLog {
    path: PathBuf,
    file: BufWriter<fs_err::File>,
}

impl RowLog {
    /// An empty one.
    pub(crate) fn create(path: &Path) -> Result<Self, FolderError> {
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(fs_err::File::create(path)?),
        })
    }

    /// Goes on after the row of this step; none if that, or one before it, is missing or damaged.
    pub(crate) fn resume(
        path: &Path,
        names: &Names,
        step: u64,
        every: u64,
    ) -> Result<Option<Self>, FolderError> {
        let wanted = step / every + 1;
        let mut found = 0;
        each(path, names, |row| {
            let good = row.step == found * every && found < wanted;
            found += u64::from(good);
            Ok(good)
        })?;
        if found < wanted {
            return Ok(None);
        }
        let mut file = fs_err::OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)?;
        let len = wanted * width(names) as u64;
        file.set_len(len)?;
        file.seek(SeekFrom::Start(len))?;
        Ok(Some(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
        }))
    }

    /// One more.
    pub(crate) fn push(&mut self, row: &Row) -> Result<(), FolderError> {
        let mut bytes = row.step.to_le_bytes().to_vec();
        bytes.extend(
            row.values
                .iter()
                .flat_map(|value| value.to_bits().to_le_bytes()),
        );
        bytes.extend(row.counts.iter().flat_map(|count| count.to_le_bytes()));
        let check = Digest::of(&bytes);
        bytes.extend_from_slice(&check.0[..CHECK_BYTES]);
        Ok(self.file.write_all(&bytes)?)
    }

    /// Makes sure that all of them are on the disk.
    pub(crate) fn sync(&mut self) -> Result<(), FolderError> {
        self.file.flush()?;
        Ok(self.file.get_ref().sync_data()?)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn width(names: &Names) -> usize {
    let (values, counts) = names.widths();
    8 * (1 + values + counts) + CHECK_BYTES
}

/// Sees the rows of a log until one is damaged or cut off, or `see` has seen enough.
pub(crate) fn each(
    path: &Path,
    names: &Names,
    mut see: impl FnMut(Row) -> Result<bool, FolderError>,
) -> Result<(), FolderError> {
    let mut file = match fs_err::File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let (values, _) = names.widths();
    let mut bytes = vec![0; width(names)];
    loop {
        match file.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let (row, check) = bytes.split_at(bytes.len() - CHECK_BYTES);
        if Digest::of(row).0[..CHECK_BYTES] != *check {
            return Ok(());
        }
        let (numbers, _) = row.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let row = Row {
            step: numbers.next().unwrap_or_default(),
            values: numbers.by_ref().take(values).map(f64::from_bits).collect(),
            counts: numbers.collect(),
        };
        if !see(row)? {
            return Ok(());
        }
    }
}
