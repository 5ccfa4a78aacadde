//! A data folder on which no node runs: its VCs are computed again, and nothing is launched.

use std::path::Path;
use std::sync::Arc;

use actors::archive::{Archive, Reading};
use adapters::wasm::Compiler;
use genesis::id::VcId;
use genesis::refusal::{Code, Refusal};

use crate::clock::SystemClock;
use crate::folder;
use crate::node::{NodeConfig, native_behaviours, open_contents, open_store, sandbox, was_used};

pub use actors::view::Replayed;

/// A data folder that is looked at; in use for as long as this lives.
#[derive(Clone, Debug)]
pub struct Folder(Arc<Archive>);

impl Folder {
    /// Opens a data folder.
    ///
    /// # Errors
    /// [`Refusal`]: `conflict` if a node runs on the folder, `unknown` if it is none; else if it cannot be read.
    pub async fn open(folder: &Path, compiler: Compiler) -> Result<Self, Refusal> {
        if !folder.is_dir() {
            let what = format!("there is no data folder `{}`", folder.display());
            return Err(Refusal::new(Code::Unknown, what).hint("name another: `--data DIR`"));
        }
        let config = NodeConfig {
            data: Some(folder.to_owned()),
            compiler,
            ..NodeConfig::default()
        };
        let data = folder.to_owned();
        let store = blocking(move || open_store(Some(&data))).await?;
        let (contents, _) = open_contents(Some(folder), config.contents_bytes_max)?;
        let used = was_used(store.as_ref())?;
        let seed = folder::seed(folder)?;
        let secret = match seed {
            Some(seed) => folder::seeded_secret(Some(folder), seed, used)?,
            None => folder::secret(folder, used)?,
        };
        Ok(Self(Arc::new(Archive::new(Reading {
            store,
            natives: native_behaviours(),
            sandbox: Some(sandbox(&config, &secret).await?),
            contents: Some(Arc::new(contents)),
            seed: seed.unwrap_or_default(),
            clock: Arc::new(SystemClock::default()),
        }))))
    }

    /// The next VCs in the order of their ids, after one; none at the end.
    ///
    /// # Errors
    /// [`Refusal`] if the store cannot be read.
    pub async fn vcs(&self, after: Option<VcId>) -> Result<Vec<VcId>, Refusal> {
        let archive = Arc::clone(&self.0);
        blocking(move || archive.vcs(after)).await
    }

    /// Computes a VC again from its journal, and compares; none if it keeps no journal.
    ///
    /// # Errors
    /// [`Refusal`] if the record cannot be read, or code of the VC is not here.
    pub async fn replay(&self, id: VcId) -> Result<Option<Replayed>, Refusal> {
        let archive = Arc::clone(&self.0);
        blocking(move || match archive.replay(id) {
            Ok(replayed) => Ok(Some(replayed)),
            Err(why) if why.code == Code::Unknown => Ok(None),
            Err(why) => Err(why),
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?
}
