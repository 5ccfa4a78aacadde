//! What a Parquet file says about itself, looked at before the library believes it.
//!
//! The library allocates what a page header or a dictionary asks for, and goes as deep as a schema is
//! nested; neither can be caught when it fails. So footer and page headers are walked through here first,
//! with bounds. Source: Thrift's compact protocol (github.com/apache/thrift, `thrift-compact-protocol.md`)
//! and the field numbers of `parquet.thrift` (github.com/apache/parquet-format).
#![deny(clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use fs_err::File;

use super::COLUMNS_MAX;
use super::error::Error;

/// Longest footer, in bytes: that of some ten thousand row groups of ten columns.
const FOOTER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Longest header of a page, in bytes; it may hold the least and the greatest value.
const HEADER_BYTES_MAX: u64 = 1024 * 1024;
/// What a page may unfold to, in bytes; writers aim at 1 MiB.
pub(super) const PAGE_BYTES_MAX: i64 = 256 * 1024 * 1024;
/// How deep structures of footers and headers are nested; the format needs 6.
const DEPTH_MAX: u32 = 16;
/// What a file begins and ends with.
const MAGIC: &[u8; 4] = b"PAR1";

/// A column of a row group, where the footer says it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) begin: i64,
    pub(super) bytes: i64,
}

/// Checks that the footer is whole, not long, and describes flat columns.
pub(super) fn check_footer(path: &Path, mut file: &File) -> Result<(), Error> {
    let malformed = |reason: &str| Error::malformed(path, reason);
    let file_bytes = file.metadata()?.len();
    let mut tail = [0; 8];
    if file_bytes < 12 {
        return Err(malformed("it is too short for Parquet"));
    }
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut tail)?;
    let [a, b, c, d, magic @ ..] = tail;
    if magic != *MAGIC {
        return Err(malformed("it does not end as Parquet does"));
    }
    let footer_bytes = u64::from(u32::from_le_bytes([a, b, c, d]));
    if footer_bytes > FOOTER_BYTES_MAX {
        let what = "bytes of footer";
        return Err(Error::too_large(path, what, footer_bytes, FOOTER_BYTES_MAX));
    }
    let begin = file_bytes.checked_sub(8 + footer_bytes);
    let begin = begin.ok_or_else(|| malformed("its footer is longer than the file"))?;
    file.seek(SeekFrom::Start(begin))?;
    let mut footer = Thrift::new(BufReader::new(file), footer_bytes);
    let whole = footer.file_metadata();
    whole.map_err(|fault| malformed(&format!("its footer {fault}")))
}

/// Checks the headers of all pages of a column chunk; returns what the pages unfold to, in bytes.
pub(super) fn check_pages(path: &Path, file: &File, chunk: Chunk) -> Result<u64, Error> {
    let malformed = |reason: String| Error::malformed(path, reason);
    let file_bytes = file.metadata()?.len();
    let range = u64::try_from(chunk.begin)
        .ok()
        .zip(u64::try_from(chunk.bytes).ok());
    let range = range.and_then(|(begin, bytes)| Some((begin, begin.checked_add(bytes)?)));
    let Some((mut at, end)) = range.filter(|(_, end)| *end <= file_bytes) else {
        return Err(malformed(format!(
            "a column of {} bytes is outside of it",
            chunk.bytes
        )));
    };
    let mut file = BufReader::new(file);
    let mut unfolded = 0;
    while at < end {
        file.seek(SeekFrom::Start(at))?;
        let mut header = Thrift::new(&mut file, HEADER_BYTES_MAX.min(end - at));
        let before = header.left;
        let page_at = at;
        let fault =
            |fault: Fault| malformed(format!("the header of the page at byte {page_at} {fault}"));
        let page = header.page().map_err(fault)?;
        at += before - header.left + page.bytes;
        if at > end {
            return Err(fault(Fault("asks for more bytes than its column has")));
        }
        unfolded = page.unfolded.saturating_add(unfolded);
    }
    Ok(unfolded)
}

/// What is wrong, as the end of a sentence.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0}")]
struct Fault(&'static str);

/// A page as its header describes it.
struct Page {
    /// In the file.
    bytes: u64,
    /// In memory.
    unfolded: u64,
}

/// A walk through a structure of Thrift's compact protocol.
struct Thrift<From> {
    from: From,
    /// How many bytes it may still take.
    left: u64,
}

/// Types of values, as the protocol numbers them.
mod wire {
    pub(super) const STOP: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const MAP: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const UUID: u8 = 13;
}

impl<From: Read> Thrift<From> {
    const fn new(from: From, left: u64) -> Self {
        Self { from, left }
    }

    /// A `PageHeader`.
    fn page(&mut self) -> Result<Page, Fault> {
        let mut fields = BTreeMap::new();
        self.integers(0, 0, &mut fields)?;
        let field = |outer, id| fields.get(&(outer, id)).copied();
        let size = |id| field(0, id).filter(|size| (0..=PAGE_BYTES_MAX).contains(size));
        let (Some(unfolded), Some(bytes)) = (size(2), size(3)) else {
            return Err(Fault(
                "asks for less than nothing, or for more than a page may have",
            ));
        };
        // Structure 5 is of a data page, 7 of a dictionary, 8 of a data page of the second version.
        let encodings = [field(5, 2), field(7, 2), field(8, 4)];
        // Plain, its forms with a dictionary, and runs (of booleans); others need memory that nothing bounds.
        let known = |encoding: &i64| matches!(encoding, 0 | 2 | 3 | 8);
        if !encodings.iter().flatten().all(known) {
            return Err(Fault(
                "asks for an encoding other than plain, dictionary and runs",
            ));
        }
        // A value takes at least four bytes: every type but booleans, which have no dictionary.
        let values = [field(5, 1), field(7, 1), field(8, 1)];
        if values.iter().flatten().any(|count| *count < 0)
            || field(7, 1).is_some_and(|count| count > unfolded / 4)
        {
            return Err(Fault("promises more values than fit in"));
        }
        Ok(Page {
            bytes: bytes.unsigned_abs(),
            unfolded: unfolded.unsigned_abs(),
        })
    }

    /// A `FileMetaData`, whose field 2 is the schema: a list of elements of which only the first, the root,
    /// may have children (field 5).
    fn file_metadata(&mut self) -> Result<(), Fault> {
        let mut last = 0;
        let mut has_schema = false;
        while let Some((id, kind)) = self.field(&mut last)? {
            if (id, kind) != (2, wire::LIST) {
                self.skip(kind, 1)?;
                continue;
            }
            if std::mem::replace(&mut has_schema, true) {
                return Err(Fault("has two schemas"));
            }
            let (element, count) = self.list()?;
            if element != wire::STRUCT || count > COLUMNS_MAX as u64 + 1 {
                return Err(Fault("describes more columns than a table may have"));
            }
            for index in 0..count {
                let mut fields = BTreeMap::new();
                self.integers(0, 1, &mut fields)?;
                let children = fields.get(&(0, 5)).copied().unwrap_or(0);
                if index > 0 && children != 0 {
                    return Err(Fault("describes columns inside of columns"));
                }
            }
        }
        match self.left {
            0 => Ok(()),
            _ => Err(Fault("is longer than what it holds")),
        }
    }

    /// The integers of a structure, by (field of the structure they are in, or 0, and field).
    fn integers(
        &mut self,
        outer: i16,
        depth: u32,
        found: &mut BTreeMap<(i16, i16), i64>,
    ) -> Result<(), Fault> {
        let mut last = 0;
        while let Some((id, kind)) = self.field(&mut last)? {
            match kind {
                wire::I16 | wire::I32 | wire::I64 => {
                    let value = self.zigzag()?;
                    if found.insert((outer, id), value).is_some() {
                        return Err(Fault("says something twice"));
                    }
                }
                wire::STRUCT if outer == 0 => {
                    if found.keys().any(|(outer, _)| *outer == id) {
                        return Err(Fault("says something twice"));
                    }
                    self.integers(id, depth + 1, found)?;
                }
                _ => self.skip(kind, depth + 1)?,
            }
        }
        Ok(())
    }

    /// Number and type of the next field; `None` at the end of the structure.
    fn field(&mut self, last: &mut i16) -> Result<Option<(i16, u8)>, Fault> {
        let byte = self.byte()?;
        let kind = byte & 0x0f;
        if byte == wire::STOP {
            return Ok(None);
        }
        let id = match byte >> 4 {
            0 => i16::try_from(self.zigzag()?).ok(),
            more => last.checked_add(i16::from(more)),
        };
        let id = id.filter(|id| *id > 0);
        *last = id.ok_or(Fault("has a field of an impossible number"))?;
        Ok(Some((*last, kind)))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault("is nested deeper than the format"));
        }
        match kind {
            wire::TRUE | wire::FALSE => Ok(()),
            wire::BYTE => self.bytes(1),
            wire::I16 | wire::I32 | wire::I64 => self.zigzag().map(drop),
            wire::DOUBLE => self.bytes(8),
            wire::UUID => self.bytes(16),
            wire::BINARY => {
                let len = self.varint()?;
                self.bytes(len)
            }
            wire::LIST | wire::SET => {
                let (element, count) = self.list()?;
                for _ in 0..count {
                    self.skip_element(element, depth)?;
                }
                Ok(())
            }
            wire::MAP => {
                let count = self.varint()?;
                let kinds = if count == 0 { 0 } else { self.byte()? };
                for _ in 0..count {
                    self.skip_element(kinds >> 4, depth)?;
                    self.skip_element(kinds & 0x0f, depth)?;
                }
                Ok(())
            }
            wire::STRUCT => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, depth + 1)?;
                }
                Ok(())
            }
            _ => Err(Fault("has a value of an unknown type")),
        }
    }

    /// Every element takes a byte at least, so that their number is bounded by the bytes there are.
    fn skip_element(&mut self, kind: u8, depth: u32) -> Result<(), Fault> {
        match kind {
            wire::TRUE | wire::FALSE => self.bytes(1),
            other => self.skip(other, depth + 1),
        }
    }

    /// Type and number of the elements of a list.
    fn list(&mut self) -> Result<(u8, u64), Fault> {
        let byte = self.byte()?;
        let count = match byte >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        Ok((byte & 0x0f, count))
    }

    fn zigzag(&mut self) -> Result<i64, Fault> {
        let bits = self.varint()?;
        Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed())
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault("has a number that does not end"))
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        self.take(1)?;
        let mut byte = [0];
        let read = self.from.read_exact(&mut byte);
        read.map_err(|_| Fault("ends early"))?;
        let [byte] = byte;
        Ok(byte)
    }

    fn bytes(&mut self, count: u64) -> Result<(), Fault> {
        self.take(count)?;
        let mut skipped = self.from.by_ref().take(count);
        match std::io::copy(&mut skipped, &mut std::io::sink()) {
            Ok(copied) if copied == count => Ok(()),
            Ok(_) | Err(_) => Err(Fault("ends early")),
        }
    }

    fn take(&mut self, count: u64) -> Result<(), Fault> {
        self.left = self.left.checked_sub(count).ok_or(Fault("ends early"))?;
        Ok(())
    }
}
