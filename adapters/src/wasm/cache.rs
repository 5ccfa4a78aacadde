//! Machine code that is kept between two runs of a node, in a folder of its own.
//!
//! What is in the folder is loaded as code, so nobody else may write there, and a file counts only with its
//! checksum, which takes a secret to make: a damaged or foreign file is noticed, and the module is compiled
//! again. Files are written whole: beside their place first, then moved there.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use genesis::id::Digest;
use genesis::refusal::{Code as Kind, Refusal};

use super::compile::{CODE_BYTES_MAX, Compiled};
use super::pool::Target;

/// Most files in the folder: what comes later is not kept.
const FILES_MAX: usize = 16_384;
const SUM_BYTES: usize = 32;

/// A folder for machine code.
#[derive(Clone)]
pub struct CacheFolder {
    /// The folder; made if it is not there. Nobody but the node's user may enter it.
    pub folder: PathBuf,
    /// What its checksums are made with; the node keeps it elsewhere.
    pub secret: [u8; 32],
}

impl fmt::Debug for CacheFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheFolder")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl CacheFolder {
    /// Makes the folder, closed to others.
    pub(super) fn open(&self) -> Result<(), Refusal> {
        let failed = |error: std::io::Error| {
            Refusal::new(Kind::Io, format!("the folder for compiled code: {error}"))
                .who(self.folder.display())
        };
        if !self.folder.is_dir() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.folder)
                .map_err(failed)?;
        }
        fs::set_permissions(&self.folder, std::fs::Permissions::from_mode(0o700)).map_err(failed)
    }

    /// Under which name the code of a module is kept.
    pub(super) fn key(module: Digest, target: Target, fingerprint: &[u8; 32]) -> Digest {
        let machine = [std::env::consts::ARCH, std::env::consts::OS].join("-");
        Digest::of_fields(
            b"medium/1 compiled",
            &[
                module.as_bytes(),
                &[target.code()],
                fingerprint,
                machine.as_bytes(),
            ],
        )
    }

    fn path(&self, key: Digest) -> PathBuf {
        self.folder.join(format!("{key}.code"))
    }

    fn sum(&self, key: Digest, code: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(key.as_bytes());
        hasher.update(code);
        hasher.finalize()
    }

    /// The code that is kept under a key; nothing if there is none or it is damaged.
    pub(super) fn load(&self, key: Digest) -> Option<Compiled> {
        let file = fs::File::open(self.path(key)).ok()?;
        let mut kept = Vec::new();
        let max = (SUM_BYTES + CODE_BYTES_MAX) as u64;
        file.take(max).read_to_end(&mut kept).ok()?;
        let (sum, code) = kept.split_first_chunk::<SUM_BYTES>()?;
        // Compared in constant time.
        (self.sum(key, code) == *sum).then(|| Compiled::kept(code.to_vec()))
    }

    /// Keeps code. That it could not be kept only costs time.
    pub(super) fn keep(&self, key: Digest, code: &Compiled) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let files = fs::read_dir(&self.folder).map_or(0, Iterator::count);
        if files >= FILES_MAX {
            return;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let beside = self
            .folder
            .join(format!("{key}.{}.{number}.new", std::process::id()));
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .and_then(|mut file| {
                file.write_all(self.sum(key, code.bytes()).as_bytes())?;
                file.write_all(code.bytes())
            })
            .and_then(|()| fs::rename(&beside, self.path(key)));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
    }
}
