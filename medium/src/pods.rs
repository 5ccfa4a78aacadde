//! How a verb reaches pods, wherever they are kept, and how it names what is in them.
//!
//! [`Keeping::of`] decides once: another keeper that `--dfs` names, else the node that runs on the data
//! folder or that `--api` names, else the data folder itself, opened for as long as the verb takes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adapters::http::Credentials;
use adapters::pods::{Pods, PodsError, WalletName};
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use medium::elsewhere::Elsewhere;
use medium::pod_store::{self, Wallet};

use crate::bar::{Bar, watch};
use crate::cli::Global;
use crate::client::pods::NodePods;
use crate::client::{Client, found};
use crate::verbs::Context;

mod place;

/// How often a folder's pods are looked at that another process has, and how long in between: three seconds in all.
const IN_USE_TRIES: u32 = 60;
/// See [`IN_USE_TRIES`].
const IN_USE_PAUSE: Duration = Duration::from_millis(50);

pub(crate) use place::{Place, What, plain_name};

/// Who keeps the pods that the flags name.
#[derive(Debug)]
pub(crate) enum Keeping {
    /// A running node, in its store.
    Node(Client),
    /// The store of a data folder on which no node runs.
    Folder(PathBuf),
    /// Another server, and the data folder with wallets and credentials.
    Elsewhere(Elsewhere, PathBuf),
}

impl Keeping {
    /// Who keeps them, by the flags, the environment and what runs.
    ///
    /// # Errors
    /// `malformed` if `--dfs` or `--api` makes no sense, `unreachable` if no node answers at `--api`.
    pub(crate) async fn of(global: &Global) -> Result<Self, Refusal> {
        let folder = found::data_folder(global)?;
        if let Some(dfs) = &global.dfs {
            return Ok(Self::Elsewhere(dfs.parse()?, folder));
        }
        let in_process = |refusal: Refusal| match refusal.code {
            Code::Unreachable if global.api.is_none() => Ok(Self::Folder(folder)),
            _ => Err(refusal),
        };
        match found::client(global) {
            Ok(client) => match client.node().await {
                Ok(_) => Ok(Self::Node(client)),
                // A node that was killed could not take its address away.
                Err(refusal) => in_process(refusal),
            },
            Err(refusal) => in_process(refusal),
        }
    }

    /// The pods of a wallet; it is made if there is none.
    ///
    /// # Errors
    /// [`PodsError`]: who keeps them cannot be reached, or another process has the folder open.
    pub(crate) async fn pods(self, wallet: WalletName) -> Result<Arc<dyn Pods>, PodsError> {
        match self {
            Self::Node(client) => Ok(Arc::new(NodePods::new(client, wallet))),
            Self::Folder(folder) => in_folder(folder, wallet).await,
            Self::Elsewhere(keeper, folder) => {
                blocking(move || keeper.pods(&folder, &wallet)).await
            }
        }
    }

    /// The wallets there are, by name.
    ///
    /// # Errors
    /// As [`Keeping::pods`].
    pub(crate) async fn wallets(self) -> Result<Vec<Wallet>, PodsError> {
        match self {
            Self::Node(client) => Ok(client.get(&["v1", "wallets"], &[]).await?),
            Self::Elsewhere(Elsewhere::FairOs(url), _) => Err(PodsError::Unsupported {
                keeper: format!("FairOS-DFS at {url}"),
                what: "list wallets: it has users".to_owned(),
                hint: format!("{} names the user", Credentials::FAIROS_USER),
            }),
            // Their keys are here, whoever keeps the pods.
            Self::Folder(folder) | Self::Elsewhere(Elsewhere::Bee(_), folder) => {
                blocking(move || pod_store::wallets(&folder)).await
            }
        }
    }
}

/// The pods of a wallet in a folder, as soon as another verb that has them is done.
async fn in_folder(folder: PathBuf, wallet: WalletName) -> Result<Arc<dyn Pods>, PodsError> {
    let mut tries = 0;
    loop {
        let (folder, wallet) = (folder.clone(), wallet.clone());
        match blocking(move || pod_store::open(&folder)?.wallet(&wallet)).await {
            Err(PodsError::InUse { .. }) if tries < IN_USE_TRIES => {
                tries += 1;
                tokio::time::sleep(IN_USE_PAUSE).await;
            }
            opened => return opened,
        }
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
        // It begins when it is first waited for: by then signals are awaited as well.
        let work = async move {
            let working = tokio::task::spawn_blocking(move || {
                let outcome = work(pods.as_ref(), &working);
                (outcome, pods.bought_unasked())
            });
            working.await
        };
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
