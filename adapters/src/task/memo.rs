//! Results that are known already, by what they follow from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use genesis::id::Digest;

use super::TaskError;
use super::place::copy_tree;
use crate::recipe::{Fresh, Tree};

/// The results in a cache.
pub(super) struct Memo {
    folder: PathBuf,
}

impl Memo {
    pub(super) fn new(cache: &Path) -> Self {
        Self {
            folder: cache.join("results"),
        }
    }

    /// What names the result of a job: all that it can see. That is its directory before it runs, its command line with
    /// nothing of this machine in it, and its environment.
    pub(super) fn key(
        before: &Digest,
        argv: &[String],
        environment: &BTreeMap<String, String>,
    ) -> Digest {
        let words = (argv.len() as u64).to_le_bytes();
        let mut fields: Vec<&[u8]> = vec![&before.0, &words];
        fields.extend(argv.iter().map(String::as_bytes));
        for (name, value) in environment {
            fields.extend([name.as_bytes(), value.as_bytes()]);
        }
        Digest::of_fields(b"medium/1 job", &fields)
    }

    /// Puts a known result in its place, which must not be there; whether there was one. One that is damaged is
    /// forgotten.
    pub(super) fn recall(&self, key: &Digest, place: &Path) -> Result<bool, TaskError> {
        let (kept, sum) = self.places(key);
        let Ok(known) = std::fs::read_to_string(&sum) else {
            return Ok(false);
        };
        let Ok(tree) = Tree::whole(&kept) else {
            return Ok(false);
        };
        if tree.digest()?.to_string() != known {
            return Ok(false);
        }
        copy_tree(&tree, place, &|_| true)?;
        Ok(true)
    }

    /// Keeps a result.
    pub(super) fn keep(
        &self,
        key: &Digest,
        output: &Tree,
        digest: &Digest,
    ) -> Result<(), TaskError> {
        let (kept, sum) = self.places(key);
        let fresh = Fresh::beside(&kept)?;
        copy_tree(output, fresh.path(), &|_| true)?;
        fresh.take_place(&kept)?;
        fs_err::write(&sum, digest.to_string())
            .map_err(|error| TaskError::io("keep a result", error))
    }

    fn places(&self, key: &Digest) -> (PathBuf, PathBuf) {
        let name = key.to_string();
        let kept = self.folder.join(&name);
        let sum = self.folder.join(format!("{name}.digest"));
        (kept, sum)
    }
}
