//! How a verb reaches pods, wherever they are kept, and how it names what is in them.
//!
//! [`Keeping::of`] decides once: another keeper that `--dfs` names, else the node that runs on the data
//! folder or that `--api` names, else the data folder itself, opened for as long as the verb takes.

use std::path::PathBuf;
use std::sync::Arc;

use adapters::pods::{Pods, PodsError, WalletName};
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use medium::pod_store::{self, Wallet};

use crate::bar::{Bar, watch};
use crate::cli::Global;
use crate::client::pods::NodePods;
use crate::client::{Client, found};
use crate::verbs::Context;

mod place;

pub(crate) use place::{Place, What, plain_name};

/// Who keeps the pods that the flags name.
#[derive(Debug)]
pub(crate) enum Keeping {
    /// A running node, in its store.
    Node(Client),
    /// The store of a data folder on which no node runs.
    Folder(PathBuf),
    /// A Bee, at this address.
    Bee(String),
    /// A FairOS-DFS, at this address.
    FairOs(String),
}

impl Keeping {
    /// Who keeps them, by the flags, the environment and what runs.
    ///
    /// # Errors
    /// `malformed` if `--dfs` or `--api` makes no sense, `unreachable` if no node answers at `--api`.
    pub(crate) async fn of(global: &Global) -> Result<Self, Refusal> {
        if let Some(dfs) = &global.dfs {
            return match dfs.split_once(':') {
                Some(("bee", url)) if !url.is_empty() => Ok(Self::Bee(url.to_owned())),
                Some(("fairos", url)) if !url.is_empty() => Ok(Self::FairOs(url.to_owned())),
                _ => Err(
                    Refusal::new(Code::Malformed, format!("`{dfs}` names no keeper of pods")).hint(
                        "it looks like bee:http://127.0.0.1:1633 or fairos:http://127.0.0.1:9090",
                    ),
                ),
            };
        }
        let folder = found::data_folder(global)?;
        match found::client(global) {
            Ok(client) => match client.node().await {
                // A node that was killed could not take its address away.
                Err(refusal) if refusal.code == Code::Unreachable && global.api.is_none() => {
                    Ok(Self::Folder(folder))
                }
                Err(refusal) => Err(refusal),
                Ok(_) => Ok(Self::Node(client)),
            },
            Err(refusal) if refusal.code == Code::Unreachable && global.api.is_none() => {
                Ok(Self::Folder(folder))
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// The pods of a wallet; it is made if there is none.
    ///
    /// # Errors
    /// [`PodsError`]: who keeps them cannot be reached, or another process has the folder open.
    pub(crate) async fn pods(&self, wallet: WalletName) -> Result<Arc<dyn Pods>, PodsError> {
        match self {
            Self::Node(client) => Ok(Arc::new(NodePods::new(client.clone(), wallet))),
            Self::Folder(folder) => {
                let folder = folder.clone();
                blocking(move || pod_store::open(&folder)?.wallet(&wallet)).await
            }
            Self::Bee(url) => Err(not_here("Bee", url)),
            Self::FairOs(url) => Err(not_here("FairOS-DFS", url)),
        }
    }

    /// The wallets there are, by name.
    ///
    /// # Errors
    /// As [`Keeping::pods`].
    pub(crate) async fn wallets(&self) -> Result<Vec<Wallet>, PodsError> {
        match self {
            Self::Node(client) => Ok(client.get(&["v1", "wallets"], &[]).await?),
            Self::Folder(folder) => {
                let folder = folder.clone();
                blocking(move || pod_store::wallets(&folder)).await
            }
            Self::Bee(url) => Err(not_here("Bee", url)),
            Self::FairOs(url) => Err(not_here("FairOS-DFS", url)),
        }
    }
}

fn not_here(keeper: &str, url: &str) -> PodsError {
    PodsError::Unsupported {
        keeper: format!("{keeper} at {url}"),
        what: "be used by this program".to_owned(),
        hint: "leave `--dfs` out: the data folder keeps pods as well".to_owned(),
    }
}

/// Runs what blocks on a thread where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PodsError> + Send + 'static,
) -> Result<T, PodsError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?
}

impl Context<'_> {
    /// The pods of the wallet that the flags name.
    ///
    /// # Errors
    /// As [`Keeping::of`] and [`Keeping::pods`].
    pub(crate) async fn pods(&self) -> Result<Arc<dyn Pods>> {
        let wallet = match &self.global.wallet {
            Some(name) => name.parse()?,
            None => WalletName::default(),
        };
        Ok(Keeping::of(self.global).await?.pods(wallet).await?)
    }

    /// Works with the pods of the wallet that the flags name, and shows how far it is; `did` says in one word
    /// what is done.
    ///
    /// # Errors
    /// As [`Context::pods`], and what the work says.
    pub(crate) async fn with_pods<T: Send + 'static>(
        &self,
        did: &'static str,
        work: impl FnOnce(&dyn Pods, &Bar) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let pods = self.pods().await?;
        let bar = Bar::new(did);
        let working = bar.clone();
        let work = tokio::task::spawn_blocking(move || {
            let outcome = work(pods.as_ref(), &working);
            (outcome, pods.bought_unasked())
        });
        let (outcome, bought) = watch(self.printer, &bar, work)
            .await?
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        for batch in bought {
            self.printer.note(&format!(
                "bought stamps for {} motes, because the wallet had none: `medium pod stamp ls`",
                batch.motes
            ));
        }
        outcome
    }
}
