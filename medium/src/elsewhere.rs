//! Pods that another server keeps: what `--dfs` names.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use adapters::bee::{Bee, BeeOptions};
use adapters::fairos::Fairos;
use adapters::http::Credentials;
use adapters::pods::{Drives, Pods, PodsError, WalletName};
use genesis::refusal::{Code, Refusal};

use crate::clock::SystemClock;
use crate::pod_store;

/// The file in a data folder with what other servers ask for; only its owner may read it.
pub const CREDENTIALS_FILE: &str = "credentials.json";
/// The folder in a data folder where uploads to Bees are noted, so that what was broken off goes on.
pub const JOURNALS_FOLDER: &str = "bee";

/// A server that keeps pods, by its address: `bee:URL` or `fairos:URL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// A Bee. The keys of wallets are in the data folder.
    Bee(String),
    /// A FairOS-DFS. It has users instead of wallets.
    FairOs(String),
}

impl FromStr for Elsewhere {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        match text.split_once(':') {
            Some(("bee", url)) if !url.is_empty() => Ok(Self::Bee(url.to_owned())),
            Some(("fairos", url)) if !url.is_empty() => Ok(Self::FairOs(url.to_owned())),
            _ => Err(
                Refusal::new(Code::Malformed, format!("`{text}` names no keeper of pods")).hint(
                    "it looks like bee:http://127.0.0.1:1633 or fairos:http://127.0.0.1:9090",
                ),
            ),
        }
    }
}

impl Elsewhere {
    /// The pods of a wallet there; `data` is the folder with wallets and credentials. Blocks.
    ///
    /// # Errors
    /// [`PodsError`]: the address is none, or credentials are missing or exposed.
    pub fn pods(&self, data: &Path, wallet: &WalletName) -> Result<Arc<dyn Pods>, PodsError> {
        match self {
            Self::Bee(url) => bee(url, data, wallet),
            Self::FairOs(url) => fairos(url, data),
        }
    }
}

/// The pods of a wallet whose chunks a Bee keeps.
fn bee(url: &str, data: &Path, wallet: &WalletName) -> Result<Arc<dyn Pods>, PodsError> {
    let batch = credentials(data)?.bee_batch;
    let options = BeeOptions {
        batch: batch.map(|batch| batch.reveal().to_owned()),
        journals: Some(data.join(JOURNALS_FOLDER)),
        ..BeeOptions::default()
    };
    let keeper = Arc::new(Bee::new(url, options)?);
    let key = pod_store::wallet_key(data, wallet)?;
    let clock = Arc::new(SystemClock::default());
    Ok(Arc::new(Drives::new(keeper, key, clock)))
}

/// The pods of the user whom the environment or the file of credentials names.
fn fairos(url: &str, data: &Path) -> Result<Arc<dyn Pods>, PodsError> {
    let login = credentials(data)?.fairos.ok_or_else(|| {
        let what = format!("nobody is named to FairOS-DFS at {url}");
        Refusal::new(Code::Denied, what).hint(format!(
            "set {} and {}, or write them to `{}`",
            Credentials::FAIROS_USER,
            Credentials::FAIROS_PASSWORD,
            data.join(CREDENTIALS_FILE).display()
        ))
    })?;
    Ok(Arc::new(Fairos::new(url, login)?))
}

/// What the environment and the data folder have for other servers.
fn credentials(data: &Path) -> Result<Credentials, Refusal> {
    let variable = |name: &str| std::env::var(name).ok();
    Credentials::read(variable, Some(&data.join(CREDENTIALS_FILE)))
        .map_err(|error| Refusal::new(Code::Denied, error.to_string()).hint(error.hint()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keeper_is_named_with_its_address() {
        for (text, keeper) in [
            ("bee:http://x:1", Elsewhere::Bee("http://x:1".to_owned())),
            ("fairos:http://y", Elsewhere::FairOs("http://y".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(keeper));
        }
        for bad in ["", "bee", "bee:", "http://x:1", "ipfs:x"] {
            assert_eq!(
                bad.parse::<Elsewhere>().unwrap_err().code,
                Code::Malformed,
                "{bad}"
            );
        }
    }
}
