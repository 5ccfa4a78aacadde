//! Looking at a directory before anything of it leaves: what may not is refused or left out by name.

use std::fs::{self, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{IGNORE_BYTES_MAX, Ignore, TransferError, is_secret};
use crate::pods::PodPath;

/// Deepest directory in a directory, in levels: refuse.
pub const DEPTH_MAX: usize = 64;

/// What is taken of a directory.
#[derive(Clone, Debug)]
pub struct ScanOptions {
    /// Most files and directories: refuse.
    pub entries_max: usize,
    /// Most bytes of files, all together: refuse.
    pub bytes_max: u64,
    /// Whether what is called like a secret is taken as well.
    pub secrets: bool,
    /// Names of files in the directory itself that say what is left out.
    pub ignore_files: Vec<String>,
}

impl Default for ScanOptions {
    /// A million entries, 1 TiB, no secrets, `.mediumignore`.
    fn default() -> Self {
        Self {
            entries_max: 1_000_000,
            bytes_max: 1 << 40,
            secrets: false,
            ignore_files: vec![".mediumignore".to_owned()],
        }
    }
}

/// What may leave a directory.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// Its files, by path.
    pub files: Vec<ScannedFile>,
    /// Its directories that have nothing in them, by path; the others follow from the files.
    pub empty_directories: Vec<PodPath>,
    /// What stays, by name.
    pub left_out: Vec<LeftOut>,
    /// The bytes of the files.
    pub bytes: u64,
}

/// A file that may leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannedFile {
    /// Its path, seen from the directory.
    pub path: PodPath,
    /// Where it is; links are followed already.
    pub file: PathBuf,
    /// What was seen of it.
    pub about: Scanned,
}

/// What was seen of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Its length, in bytes.
    pub bytes: u64,
    /// When it was last written, in seconds since 1970; 0 where that is earlier.
    pub modified: u64,
    /// Whether its owner may run it.
    pub executable: bool,
}

impl Scanned {
    /// What the system says of a file.
    pub(super) fn of(about: &Metadata) -> Self {
        Self {
            bytes: about.len(),
            modified: u64::try_from(about.mtime()).unwrap_or_default(),
            executable: about.permissions().mode() & 0o100 != 0,
        }
    }
}

/// Something that stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its path, seen from the directory, with `/` between.
    pub path: String,
    /// Whether it is called like a secret; else an ignore file names it.
    pub secret: bool,
}

/// Looks at everything in a directory. Reads no file but the ignore files.
///
/// A link to a file in the same directory is taken as that file. Refused by name: links that lead out of the
/// directory, to a directory or nowhere, what is neither file nor directory, names that are not UTF-8 or
/// cannot be in a pod.
///
/// # Errors
/// [`TransferError::Refused`], [`TransferError::TooLarge`], [`TransferError::Io`].
pub fn scan(directory: &Path, options: &ScanOptions) -> Result<Scan, TransferError> {
    let root = fs::canonicalize(directory).map_err(TransferError::io("read", directory))?;
    let mut looking = Looking {
        ignore: ignore_of(&root, options)?,
        shown: directory,
        root: &root,
        options,
        scan: Scan::default(),
        entries: 0,
    };
    looking.look(&root, "", 0)?;
    let mut scan = looking.scan;
    scan.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(scan)
}

fn ignore_of(root: &Path, options: &ScanOptions) -> Result<Ignore, TransferError> {
    let mut ignore = Ignore::default();
    for name in &options.ignore_files {
        let path = root.join(name);
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(TransferError::io("read", &path)(error)),
        };
        let mut text = String::new();
        let read = file.take(IGNORE_BYTES_MAX + 1).read_to_string(&mut text);
        let read = read.map_err(TransferError::io("read", &path))?;
        if read as u64 > IGNORE_BYTES_MAX {
            return Err(TransferError::TooLarge {
                what: path.display().to_string(),
                max: IGNORE_BYTES_MAX,
                unit: "bytes",
                hint: "name whole directories instead of their files".to_owned(),
            });
        }
        ignore.extend(Ignore::parse(&text, &path)?);
    }
    Ok(ignore)
}

struct Looking<'a> {
    /// The directory as it was named.
    shown: &'a Path,
    /// The same without links.
    root: &'a Path,
    options: &'a ScanOptions,
    ignore: Ignore,
    scan: Scan,
    entries: usize,
}

impl Looking<'_> {
    /// Looks at one directory; `at` is its path in the scanned one, empty for that one itself.
    fn look(&mut self, directory: &Path, at: &str, depth: usize) -> Result<(), TransferError> {
        if depth > DEPTH_MAX {
            return Err(self.too_large(DEPTH_MAX as u64, "levels"));
        }
        let reading = || TransferError::io("read", directory);
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).map_err(reading())? {
            self.entries += 1;
            if self.entries > self.options.entries_max {
                return Err(self.too_large(self.options.entries_max as u64, "entries"));
            }
            names.push(entry.map_err(reading())?.file_name());
        }
        names.sort_unstable();
        let is_empty = names.is_empty();
        for name in names {
            let real = directory.join(&name);
            let Some(name) = name.to_str() else {
                let hint = "give it a name that is text";
                return Err(self.refused(&real, "its name is not UTF-8", hint));
            };
            let path = match at {
                "" => name.to_owned(),
                at => format!("{at}/{name}"),
            };
            self.look_at(&real, name, path, depth)?;
        }
        if is_empty && !at.is_empty() {
            self.scan.empty_directories.push(at.parse()?);
        }
        Ok(())
    }

    fn look_at(
        &mut self,
        real: &Path,
        name: &str,
        path: String,
        depth: usize,
    ) -> Result<(), TransferError> {
        let about = fs::symlink_metadata(real).map_err(TransferError::io("read", real))?;
        let secret = !self.options.secrets && is_secret(name);
        if secret || self.ignore.covers(&path, about.is_dir()) {
            self.scan.left_out.push(LeftOut { path, secret });
            return Ok(());
        }
        if about.is_dir() {
            return self.look(real, &path, depth + 1);
        }
        let (file, about) = if about.is_symlink() {
            self.follow(real)?
        } else {
            (real.to_owned(), about)
        };
        if !about.is_file() {
            let kind = about.file_type();
            let what = if about.is_dir() {
                "it is a link to a directory, and pods have no links"
            } else if kind.is_socket() {
                "it is a socket"
            } else if kind.is_fifo() {
                "it is a pipe"
            } else {
                "it is a device"
            };
            return Err(self.refused(real, what, "name it in `.mediumignore` to leave it out"));
        }
        let about = Scanned::of(&about);
        self.scan.bytes = self.scan.bytes.saturating_add(about.bytes);
        if self.scan.bytes > self.options.bytes_max {
            return Err(self.too_large(self.options.bytes_max, "bytes"));
        }
        let path = path.parse()?;
        self.scan.files.push(ScannedFile { path, file, about });
        Ok(())
    }

    /// Where a link leads, if that is inside the directory and no secret.
    fn follow(&self, link: &Path) -> Result<(PathBuf, Metadata), TransferError> {
        let refused = |why: &str| {
            let hint = "put a copy in its place, or name it in `.mediumignore` to leave it out";
            self.refused(link, why, hint)
        };
        let target = fs::canonicalize(link).map_err(|error| match error.kind() {
            ErrorKind::NotFound => refused("it is a link that leads nowhere"),
            _ => TransferError::io("read", link)(error),
        })?;
        let Ok(inside) = target.strip_prefix(self.root) else {
            return Err(refused("it is a link that leads out of the directory"));
        };
        let mut steps = inside.iter().filter_map(|step| step.to_str());
        if !self.options.secrets && steps.any(is_secret) {
            return Err(refused("it is a link to what is called like a secret"));
        }
        let about = fs::metadata(&target).map_err(TransferError::io("read", &target))?;
        Ok((target, about))
    }

    /// A refusal of something in the directory, by the name the caller knows it.
    fn refused(&self, real: &Path, why: &str, hint: &str) -> TransferError {
        let path = match real.strip_prefix(self.root) {
            Ok(inside) => self.shown.join(inside),
            Err(_) => real.to_owned(),
        };
        TransferError::Refused {
            path,
            why: why.to_owned(),
            hint: hint.to_owned(),
        }
    }

    fn too_large(&self, max: u64, unit: &'static str) -> TransferError {
        TransferError::TooLarge {
            what: self.shown.display().to_string(),
            max,
            unit,
            hint: "leave something out with `.mediumignore`, or put its directories one by one"
                .to_owned(),
        }
    }
}
