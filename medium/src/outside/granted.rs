//! What programs were granted on this node: kept in its folder, mode 0600, because secrets are among it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::DirBuilder;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use adapters::http::origin;
use adapters::outside::Asks;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use genesis::id::VcId;
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};

/// Largest file that is read, in bytes.
const BYTES_MAX: u64 = 1024 * 1024;
/// The file that says that a program runs.
const RUNNING: &str = "running";
/// The file that says what it was granted.
const GRANTED: &str = "granted.json";
/// The program's own folder.
const WORK: &str = "work";

/// What a program is granted beyond its folder.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Granted {
    /// The network, all of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub network: bool,
    /// TCP ports of this machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tcp: Vec<u16>,
    /// Further folders to read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    /// Servers to call: scheme, host and port of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// The secrets: variables of its environment and their values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// Whether it may run outside of the sandbox.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub trust_native: bool,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted")
            .field("asks", &self.asks()) // of secrets their names, never their values
            .field("trust_native", &self.trust_native)
            .finish_non_exhaustive()
    }
}

impl Granted {
    /// All that a program may ask for with this, in the words in which it does.
    pub fn asks(&self) -> Asks {
        Asks {
            network: self.network,
            tcp: self.tcp.clone(),
            secrets: self.secrets.keys().cloned().collect(),
            read: self.read.clone(),
            origins: self
                .origins
                .iter()
                .map(|o| origin(o).unwrap_or_else(|_| o.clone()))
                .collect(),
        }
    }

    /// That of it which somebody asks for.
    #[must_use]
    pub fn only(&self, asked: &[&Asks]) -> Self {
        let mut own = self.clone();
        if self.network {
            // All ports are among it.
            own.tcp = asked.iter().flat_map(|asks| asks.tcp.clone()).collect();
        }
        own.tcp
            .retain(|port| asked.iter().any(|asks| asks.tcp.contains(port)));
        own.network &= asked.iter().any(|asks| asks.network);
        own.read
            .retain(|folder| asked.iter().any(|asks| asks.read.contains(folder)));
        own.origins.retain(|url| {
            let url = origin(url).unwrap_or_else(|_| url.clone());
            asked.iter().any(|asks| asks.origins.contains(&url))
        });
        own.secrets
            .retain(|name, _| asked.iter().any(|asks| asks.secrets.contains(name)));
        own
    }

    pub(super) fn read(folder: &Path, vc: VcId) -> Result<Self, Refusal> {
        let file = place(folder, vc).join(GRANTED);
        let bytes = match fs::metadata(&file) {
            Ok(facts) if facts.len() > BYTES_MAX => {
                let what = format!("{} has {} bytes", file.display(), facts.len());
                return Err(Refusal::new(Code::TooLarge, what));
            }
            Ok(_) => fs::read(&file),
            Err(error) => Err(error),
        };
        match bytes {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Refusal::new(Code::Corrupt, format!("{}: {error}", file.display()))
                    .hint("spawn the VC again with what its program is to be granted")
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(io(&error)),
        }
    }

    pub(super) fn write(&self, folder: &Path, vc: VcId) -> Result<(), Refusal> {
        let place = place(folder, vc);
        private(&place)?;
        let bytes = serde_json::to_vec(self)
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        let (file, passing) = (place.join(GRANTED), place.join("granted.new"));
        let written = || {
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&passing)?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        written()
            .and_then(|()| fs::rename(&passing, &file))
            .map_err(|error| io(&error))
    }
}

/// The VCs whose programs ran when the node ended.
pub(super) fn ran(folder: &Path) -> Vec<VcId> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let vc = |name: std::ffi::OsString| format!("vc:{}", name.to_str()?).parse().ok();
    let mut ran: Vec<VcId> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().join(RUNNING).exists())
        .filter_map(|entry| vc(entry.file_name()))
        .collect();
    ran.sort_unstable();
    ran
}

/// Notes whether a program runs.
pub(super) fn note_running(folder: &Path, vc: VcId, runs: bool) -> Result<(), Refusal> {
    let place = place(folder, vc);
    let outcome = if runs {
        private(&place)?;
        fs::write(place.join(RUNNING), "")
    } else {
        match fs::remove_file(place.join(RUNNING)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    };
    outcome.map_err(|error| io(&error))
}

/// Makes a program's own folder with its files in it; what else it left there stays.
pub(super) fn furnish(
    folder: &Path,
    vc: VcId,
    files: &BTreeMap<String, String>,
) -> Result<PathBuf, Refusal> {
    let work = place(folder, vc).join(WORK);
    private(&work)?;
    let work = fs::canonicalize(&work).map_err(|error| io(&error))?;
    for (path, text) in files {
        let file = work.join(path);
        if let Some(parent) = file.parent() {
            private(parent)?;
        }
        // The program may have put a link there.
        let _ = fs::remove_file(&file);
        let real = file.parent().map(fs::canonicalize);
        if !matches!(real, Some(Ok(parent)) if parent.starts_with(&work)) {
            let what = format!("`{path}` leads out of the program's folder");
            return Err(Refusal::new(Code::Denied, what).who(vc));
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o700);
        let write = options
            .open(&file)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        write.map_err(|error| io(&error))?;
    }
    Ok(work)
}

/// Removes all that is kept of a program.
pub(super) fn forget(folder: &Path, vc: VcId) {
    let _ = fs::remove_dir_all(place(folder, vc));
}

fn place(folder: &Path, vc: VcId) -> PathBuf {
    let name = vc.to_string();
    folder.join(name.strip_prefix("vc:").unwrap_or(&name))
}

fn private(folder: &Path) -> Result<(), Refusal> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| io(&error))
}

fn io(error: &std::io::Error) -> Refusal {
    Refusal::new(Code::Io, error.to_string()).hint("check that the node's folder is yours to write")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_one_is_what_that_one_asks_for() {
        let granted = Granted {
            network: true,
            read: vec!["/a".to_owned(), "/b".to_owned()],
            secrets: [("ONE", "1"), ("TWO", "2")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Granted::default()
        };
        let asks = Asks {
            tcp: vec![443],
            read: vec!["/b".to_owned(), "/c".to_owned()],
            secrets: vec!["TWO".to_owned()],
            ..Asks::default()
        };
        let own = granted.only(&[&asks]);
        assert!(asks.without(&own.asks()).read == ["/c"] && !own.network);
        assert_eq!(
            (own.tcp.as_slice(), own.read.as_slice()),
            (&[443][..], &["/b".to_owned()][..])
        );
        assert_eq!(own.secrets.keys().collect::<Vec<_>>(), ["TWO"]);
        assert_eq!(granted.only(&[]), Granted::default());
    }
}
