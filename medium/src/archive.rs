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

/// Replays every VC of a data folder that keeps a journal, one after the other, and hands out each as it is
/// known. The folder is in use for as long as this takes.
///
/// # Errors
/// [`Refusal`]: `conflict` if a node runs on the folder, `unknown` if it is none; else if it cannot be read.
pub async fn replay_all(
    folder: &Path,
    compiler: Compiler,
    mut seen: impl FnMut(Replayed) -> Result<(), Refusal> + Send + 'static,
) -> Result<(), Refusal> {
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
    let archive = Archive::new(Reading {
        store,
        natives: native_behaviours(),
        sandbox: Some(sandbox(&config, &secret).await?),
        contents: Some(Arc::new(contents)),
        seed: seed.unwrap_or_default(),
        clock: Arc::new(SystemClock::default()),
    });
    blocking(move || {
        let mut after: Option<VcId> = None;
        loop {
            let page = archive.vcs(after)?;
            let Some(&last) = page.last() else {
                return Ok(());
            };
            for id in page {
                match archive.replay(id) {
                    Ok(replayed) => seen(replayed)?,
                    // It keeps no journal.
                    Err(why) if why.code == Code::Unknown => {}
                    Err(why) => return Err(why),
                }
            }
            after = Some(last);
        }
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?
}
