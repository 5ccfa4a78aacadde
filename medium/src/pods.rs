//! How a verb reaches pods, wherever they are kept, and how it names what is in them.
//!
//! [`Keeping::of`] decides once: another keeper that `--dfs` names, else the node that runs on the data
//! folder or that `--api` names, else the data folder itself, opened for as long as the verb takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapters::fairos::Fairos;
use adapters::http::Credentials;
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

/// The file in a data folder with what other servers ask for; only its owner may read it.
const CREDENTIALS_FILE: &str = "credentials.json";

/// Who keeps the pods that the flags name.
#[derive(Debug)]
pub(crate) enum Keeping {
    /// A running node, in its store.
    Node(Client),
    /// The store of a data folder on which no node runs.
    Folder(PathBuf),
    /// A Bee, and the data folder with the keys of wallets.
    Bee {
        /// Its address.
        url: String,
        /// The data folder.
        folder: PathBuf,
    },
    /// A FairOS-DFS, and the data folder with the credentials.
    FairOs {
        /// Its address.
        url: String,
        /// The data folder.
        folder: PathBuf,
    },
}

impl Keeping {
    /// Who keeps them, by the flags, the environment and what runs.
    ///
    /// # Errors
    /// `malformed` if `--dfs` or `--api` makes no sense, `unreachable` if no node answers at `--api`.
    pub(crate) async fn of(global: &Global) -> Result<Self, Refusal> {
        let folder = found::data_folder(global)?;
        if let Some(dfs) = &global.dfs {
            return match dfs.split_once(':') {
                Some(("bee", url)) if !url.is_empty() => Ok(Self::Bee {
                    url: url.to_owned(),
                    folder,
                }),
                Some(("fairos", url)) if !url.is_empty() => Ok(Self::FairOs {
                    url: url.to_owned(),
                    folder,
                }),
                _ => Err(
                    Refusal::new(Code::Malformed, format!("`{dfs}` names no keeper of pods")).hint(
                        "it looks like bee:http://127.0.0.1:1633 or fairos:http://127.0.0.1:9090",
                    ),
                ),
            };
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
            Self::Folder(folder) => {
                blocking(move || pod_store::open(&folder)?.wallet(&wallet)).await
            }
            Self::Bee { url, folder: _ } => Err(PodsError::Unsupported {
                keeper: format!("Bee at {url}"),
                what: "be used by this program".to_owned(),
                hint: "leave `--dfs` out: the data folder keeps pods as well".to_owned(),
            }),
            Self::FairOs { url, folder } => blocking(move || fairos(&url, &folder)).await,
        }
    }

    /// The wallets there are, by name.
    ///
    /// # Errors
    /// As [`Keeping::pods`].
    pub(crate) async fn wallets(self) -> Result<Vec<Wallet>, PodsError> {
        match self {
            Self::Node(client) => Ok(client.get(&["v1", "wallets"], &[]).await?),
            // Their keys are here, whoever keeps the pods.
            Self::Folder(folder) | Self::Bee { folder, .. } => {
                blocking(move || pod_store::wallets(&folder)).await
            }
            Self::FairOs { url, .. } => Err(PodsError::Unsupported {
                keeper: format!("FairOS-DFS at {url}"),
                what: "list wallets: it has users".to_owned(),
                hint: format!("{} names the user", Credentials::FAIROS_USER),
            }),
        }
    }
}

/// The pods of the user of a FairOS-DFS whom the environment or the file of credentials names.
fn fairos(url: &str, folder: &Path) -> Result<Arc<dyn Pods>, PodsError> {
    let login = credentials(folder)?.fairos.ok_or_else(|| {
        let what = format!("nobody is named to FairOS-DFS at {url}");
        Refusal::new(Code::Denied, what).hint(format!(
            "set {} and {}, or write them to `{}`",
            Credentials::FAIROS_USER,
            Credentials::FAIROS_PASSWORD,
            folder.join(CREDENTIALS_FILE).display()
        ))
    })?;
    Ok(Arc::new(Fairos::new(url, login)?))
}

/// What the environment and the data folder have for other servers.
fn credentials(folder: &Path) -> Result<Credentials, Refusal> {
    let variable = |name: &str| std::env::var(name).ok();
    let file = folder.join(CREDENTIALS_FILE);
    Credentials::read(variable, Some(&file))
        .map_err(|error| Refusal::new(Code::Denied, error.to_string()).hint(error.hint()))
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
