//! The files of a collection as they come in: a tar, or parts of a form. One after the other, none of them in
//! memory as a whole.
//!
//! Rule: Bee `pkg/api/dirs.go`. Stricter in this: a path that begins with `/` or has a `..` is refused, where
//! Bee would put it into the manifest.

use std::io::{self, Read};

use adapters::swarm::mantaray::PATH_BYTES_MAX;
use tar::{Archive, EntryType, PaxExtensions};

use super::answer::{Answer, Refused, shown};

/// What is known of a file before it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Where in the collection: `img/1.png`.
    pub(super) path: String,
    /// Its media type, if somebody said one.
    pub(super) content_type: Option<String>,
}

/// What is done with each file.
pub(super) type Each<'e> = &'e mut dyn FnMut(Head, &mut dyn Read) -> Answer<()>;

/// Longest name, or list of attributes, that precedes an entry of a tar, in bytes.
const EXTENSION_BYTES_MAX: u64 = 64 * 1024;

/// The regular files of a tar; whatever else is in it is passed over, as Bee does.
///
/// Extensions are read here and not by the library, which would take a name of any length into memory.
pub(super) fn of_tar(input: &mut dyn Read, each: Each<'_>) -> Answer<()> {
    let mut archive = Archive::new(input);
    let entries = archive.entries().map_err(|error| broken(&error))?;
    // What an extension says of the entry behind it.
    let mut long_path: Option<Vec<u8>> = None;
    let mut long_size: Option<u64> = None;
    for entry in entries.raw(true) {
        let mut entry = entry.map_err(|error| broken(&error))?;
        let size = entry
            .header()
            .entry_size()
            .map_err(|error| broken(&error))?;
        match entry.header().entry_type() {
            EntryType::GNULongName => long_path = Some(extension(&mut entry, size)?),
            EntryType::XHeader => {
                let bytes = extension(&mut entry, size)?;
                for attribute in PaxExtensions::new(&bytes) {
                    let attribute = attribute.map_err(|error| broken(&error))?;
                    match attribute.key() {
                        Ok("path") => long_path = Some(attribute.value_bytes().to_vec()),
                        Ok("size") => {
                            long_size = attribute.value().ok().and_then(|size| size.parse().ok());
                        }
                        _ => {}
                    }
                }
            }
            EntryType::XGlobalHeader | EntryType::GNULongLink => {}
            EntryType::Regular | EntryType::Continuous => {
                let path = long_path
                    .take()
                    .unwrap_or_else(|| path_of(entry.header().as_bytes()));
                if long_size.take().is_some_and(|said| said != size) {
                    let what = format!(
                        "`{}` is longer than its header can say",
                        shown(&String::from_utf8_lossy(&path))
                    );
                    return Err(Refused::bad("invalid tar")
                        .because("body", format!("{what}; write the tar in the GNU format")));
                }
                let Some(path) = clean(&path)? else { continue };
                let mut whole = Whole {
                    input: &mut entry,
                    left: size,
                };
                let head = Head {
                    path,
                    content_type: None,
                };
                each(head, &mut whole)?;
            }
            _ => (long_path, long_size) = (None, None),
        }
    }
    Ok(())
}

/// An entry that must have as many bytes as its header says: a tar that was cut off is not a shorter file.
struct Whole<'e, R> {
    input: &'e mut R,
    left: u64,
}

impl<R: Read> Read for Whole<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        if read == 0 && self.left > 0 && !out.is_empty() {
            return Err(io::Error::other(format!(
                "{} bytes of an entry are missing",
                self.left
            )));
        }
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

fn extension(entry: &mut impl Read, size: u64) -> Answer<Vec<u8>> {
    if size > EXTENSION_BYTES_MAX {
        let why =
            format!("a name or attributes of {size} bytes; at most {EXTENSION_BYTES_MAX} are read");
        return Err(Refused::bad("invalid tar").because("body", why));
    }
    let mut bytes = Vec::new();
    entry
        .take(size)
        .read_to_end(&mut bytes)
        .map_err(|error| broken(&error))?;
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(bytes)
}

/// The path in a header: of the POSIX format whatever its version, which some writers leave out.
fn path_of(header: &[u8; 512]) -> Vec<u8> {
    let until_zero = |field: &[u8]| {
        let end = field
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(field.len());
        field[..end].to_vec()
    };
    let name = until_zero(&header[..100]);
    let prefix = until_zero(&header[345..500]);
    if &header[257..263] == b"ustar\0" && !prefix.is_empty() {
        return [&prefix[..], b"/", &name].concat();
    }
    name
}

fn broken(error: &io::Error) -> Refused {
    Refused::bad("invalid tar").because("body", error.to_string())
}

/// A path as the manifest has it: without `.` and doubled slashes. None for that of the collection itself.
pub(super) fn clean(path: &[u8]) -> Answer<Option<String>> {
    let refused = |why: &str| {
        let path = shown(&String::from_utf8_lossy(path));
        Refused::bad("invalid path in the collection").because("path", format!("`{path}` {why}"))
    };
    let text = std::str::from_utf8(path).map_err(|_| refused("is not UTF-8"))?;
    if text.starts_with('/') {
        return Err(refused("begins with `/`"));
    }
    if text.contains('\0') {
        return Err(refused("has a zero byte"));
    }
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") {
        return Err(refused("leads out of the collection"));
    }
    let path = parts.join("/");
    if path.len() > PATH_BYTES_MAX {
        return Err(refused(&format!(
            "has {} bytes, at most {PATH_BYTES_MAX} are possible",
            path.len()
        )));
    }
    Ok(Some(path).filter(|path| !path.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tar: &[u8]) -> Answer<Vec<(String, Vec<u8>)>> {
        let mut found = Vec::new();
        of_tar(&mut &tar[..], &mut |head, input| {
            let mut contents = Vec::new();
            input
                .read_to_end(&mut contents)
                .map_err(|error| Refused::bad(error.to_string()))?;
            found.push((head.path, contents));
            Ok(())
        })?;
        Ok(found)
    }

    fn entry(kind: EntryType, name: &[u8], contents: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(contents);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn file(name: &[u8], contents: &[u8]) -> Vec<u8> {
        entry(EntryType::Regular, name, contents)
    }

    #[test]
    fn regular_files_are_read_and_others_passed_over() {
        let tar = [
            entry(EntryType::Directory, b"img/", b""),
            file(b"./img//1.png", b"one"),
            entry(EntryType::Symlink, b"link", b""),
            file(b"empty", b""),
            vec![0; 1024],
        ]
        .concat();
        let expected = [("img/1.png", &b"one"[..]), ("empty", b"")];
        let expected = expected.map(|(path, contents)| (path.to_owned(), contents.to_vec()));
        assert_eq!(read(&tar).unwrap(), expected);
    }

    #[test]
    fn long_names_are_read_in_each_form() {
        let long = "d/".repeat(100) + "file";
        let gnu = entry(
            EntryType::GNULongName,
            b"././@LongLink",
            &[long.as_bytes(), b"\0"].concat(),
        );
        let record = format!(" path={long}\n");
        let pax = format!("{}{record}", record.len() + 3);
        let pax = entry(EntryType::XHeader, b"pax", pax.as_bytes());
        for extension in [gnu, pax] {
            let tar = [extension, file(b"short", b"x")].concat();
            assert_eq!(read(&tar).unwrap(), [(long.clone(), b"x".to_vec())]);
        }
        let mut prefixed = file(b"name", b"x");
        prefixed[345..348].copy_from_slice(b"far");
        // A version is missing, as from bee-js, and the checksum is made again.
        prefixed[263..265].copy_from_slice(b"\0\0");
        prefixed[148..156].copy_from_slice(b"        ");
        let sum: u32 = prefixed[..512].iter().map(|byte| u32::from(*byte)).sum();
        prefixed[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert_eq!(
            read(&prefixed).unwrap(),
            [("far/name".to_owned(), b"x".to_vec())]
        );
    }

    #[test]
    fn hostile_tars_are_refused() {
        let huge_name = {
            let mut tar = entry(EntryType::GNULongName, b"././@LongLink", b"");
            tar[124..136].copy_from_slice(b"77777777777\0");
            tar[148..156].copy_from_slice(b"        ");
            let sum: u32 = tar[..512].iter().map(|byte| u32::from(*byte)).sum();
            tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            tar
        };
        let mut cut_off = file(b"a", &[7; 2000]);
        cut_off.truncate(1000);
        for tar in [
            file(b"../etc/passwd", b"x"),
            file(b"a/../../b", b"x"),
            file(b"/etc/passwd", b"x"),
            file(b"\xff\xfe", b"x"),
            huge_name,
            cut_off,
            vec![b'x'; 5000],
        ] {
            assert!(read(&tar).is_err());
        }
    }
}
