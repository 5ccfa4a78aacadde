//! Contents as `actors` asks for them.

use std::os::unix::fs::MetadataExt;

use actors::contents::{ContentsStore, Stored};
use actors::store::StoreError;
use bytes::Bytes;
use genesis::id::Digest;
use genesis::time::Time;

use super::{Contents, ContentsError, PIN};

impl ContentsStore for Contents {
    fn len(&self, digest: Digest) -> Result<Option<u64>, StoreError> {
        Ok(Self::len(self, digest)?)
    }

    fn read(&self, digest: Digest, offset: u64, len: usize) -> Result<Option<Bytes>, StoreError> {
        match Self::read(self, digest, offset, len) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ContentsError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn list(&self, after: Option<Digest>, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let listed = self.ls(after, limit)?.into_iter();
        Ok(listed
            .map(|(digest, bytes)| self.about(digest, bytes))
            .collect())
    }

    fn remove(&self, digest: Digest) -> Result<bool, StoreError> {
        Ok(Self::remove(self, digest)?)
    }
}

impl Contents {
    fn about(&self, digest: Digest, bytes: u64) -> Stored {
        let path = self.inner.path(digest);
        let written = fs_err::metadata(&path).ok();
        let ms = written.and_then(|about| {
            let ms = about.mtime().checked_mul(1_000)? + about.mtime_nsec() / 1_000_000;
            u64::try_from(ms).ok()
        });
        Stored {
            digest,
            bytes,
            // What has no time that can be told was written just now, or has just gone.
            since: Time(ms.unwrap_or(u64::MAX)),
            pinned: path.with_extension(PIN).exists(),
        }
    }
}

impl From<ContentsError> for StoreError {
    fn from(error: ContentsError) -> Self {
        let what = error.to_string();
        match error {
            ContentsError::Corrupt { .. } => Self::Corrupt { what },
            ContentsError::Full { what } => Self::Full { what },
            ContentsError::Io { .. }
            | ContentsError::Missing { .. }
            | ContentsError::Unexpected { .. }
            | ContentsError::TooLarge { .. } => Self::Io { what },
        }
    }
}
