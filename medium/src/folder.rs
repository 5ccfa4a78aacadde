//! What a node keeps in its data folder beside its store: who it is, and where its verbs find it.
//!
//! | file | what it holds | made |
//! |---|---|---|
//! | `secret` | 32 random bytes from which the keys and ids of the node's VCs follow | once |
//! | `seed` | the seed of a `--deterministic` node, in place of `secret` | once |
//! | `token` | what a request must carry that changes something | once; delete it to have another |
//! | `node.json` | [`Announcement`]: address, token, process and owner of the running node | while it runs |
//! | `code/` | machine code of modules; without it they are compiled again | when the first is compiled |
//!
//! All are mode 0600. They are written whole or not at all: a temporary file, `fsync`, rename. The lock
//! of the store keeps a second node out, so nobody else writes them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use data_encoding::HEXLOWER;
use genesis::id::Digest;
use genesis::refusal::{Code, Refusal};
use genesis::seal::NodeSecret;
use serde::{Deserialize, Serialize};

/// The file in a data folder that says where the running node is.
pub const ANNOUNCEMENT: &str = "node.json";
/// Largest announcement that is read, in bytes: refuse.
const ANNOUNCEMENT_BYTES_MAX: u64 = 64 * 1024;
/// Length of secrets and tokens, in bytes.
const SECRET_BYTES: usize = 32;

/// Where a running node is, and what it takes to talk to it: the contents of `node.json`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// The base of its API: `http://127.0.0.1:7700`.
    pub api: String,
    /// The token that writes need.
    pub token: String,
    /// Its process.
    pub pid: u32,
    /// The VC of its owner: `vc:…`.
    pub id: String,
}

impl std::fmt::Debug for Announcement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Announcement")
            .field("api", &self.api)
            .field("pid", &self.pid)
            .field("id", &self.id)
            .finish_non_exhaustive() // the token stays out of logs
    }
}

impl Announcement {
    /// Reads the announcement in a data folder; none if no node left one there.
    ///
    /// One that is there may be stale: a node that was killed could not remove it.
    ///
    /// # Errors
    /// [`Code::Denied`] or [`Code::Io`] if it cannot be read, [`Code::Malformed`] if it is not an
    /// announcement, or the folder is none.
    pub fn read(folder: &Path) -> Result<Option<Self>, Refusal> {
        let path = folder.join(ANNOUNCEMENT);
        let Some(bytes) = read(&path, ANNOUNCEMENT_BYTES_MAX)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Refusal::new(
                Code::Malformed,
                format!("{} is damaged: {error}", path.display()),
            )
            .who(path.display())
            .hint("stop the node of this folder, if one runs, and start it again; or give `--api`")
        })
    }

    /// Leaves the announcement in a data folder.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Refusal> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        write(&folder.join(ANNOUNCEMENT), &text)
    }

    /// Takes the announcement away, if there is one.
    pub(crate) fn remove(folder: &Path) -> Result<(), Refusal> {
        let path = folder.join(ANNOUNCEMENT);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &path, &error))
            }
            _ => Ok(()),
        }
    }
}

/// The base of the API of a node that listens on `bound`, for those on the same machine.
pub(crate) fn base_of(bound: SocketAddr) -> String {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let reachable = match bound.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
        ip if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(reachable, bound.port()))
}

/// The secret of the node of a folder; random, and made if there is none.
///
/// If the store was `used`, a node had a secret: without it all ids and keys would be others, and so
/// what the store holds would be orphaned.
pub(crate) fn secret(folder: &Path, used: bool) -> Result<NodeSecret, Refusal> {
    if folder.join("seed").exists() {
        return Err(other_manner(folder, "--deterministic"));
    }
    let path = folder.join("secret");
    let bytes = if let Some(bytes) = read(&path, SECRET_BYTES as u64)? {
        bytes
    } else if used {
        return Err(lost(&path));
    } else {
        let bytes = random()?.to_vec();
        write(&path, &bytes)?;
        bytes
    };
    let secret = <[u8; SECRET_BYTES]>::try_from(bytes).map_err(|bytes| {
        Refusal::new(
            Code::Corrupt,
            format!(
                "{} has {} bytes instead of {SECRET_BYTES}",
                path.display(),
                bytes.len()
            ),
        )
        .hint("restore it from a backup: the ids and keys of the node's VCs follow from it")
    })?;
    Ok(NodeSecret::new(secret))
}

/// The seed with which the deterministic node of a folder began; none if its node is of the other kind.
pub(crate) fn seed(folder: &Path) -> Result<Option<u64>, Refusal> {
    let path = folder.join("seed");
    let Some(text) = read(&path, 64)? else {
        return Ok(None);
    };
    let seed = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let what = || format!("{} holds no seed", path.display());
    seed.map(Some)
        .ok_or_else(|| Refusal::new(Code::Corrupt, what()).who(path.display()))
}

/// The secret of a `--deterministic` node: it follows from the seed, so that ids do. Not a secret.
///
/// A folder stays with the manner and the seed it began with.
pub(crate) fn seeded_secret(
    folder: Option<&Path>,
    seed: u64,
    used: bool,
) -> Result<NodeSecret, Refusal> {
    if let Some(folder) = folder {
        if folder.join("secret").exists() {
            return Err(other_manner(folder, "real time and randomness"));
        }
        let path = folder.join("seed");
        match read(&path, 64)? {
            None if used => return Err(lost(&path)),
            None => write(&path, seed.to_string().as_bytes())?,
            Some(text) if text == seed.to_string().as_bytes() => {}
            Some(text) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                let what = format!("{} began with seed {text}, not {seed}", folder.display());
                return Err(Refusal::new(Code::Conflict, what)
                    .who(folder.display())
                    .hint(format!("give `--seed {text}`, or another folder")));
            }
        }
    }
    let digest = Digest::of_fields(b"medium/1 seeded secret", &[&seed.to_le_bytes()]);
    Ok(NodeSecret::new(digest.0))
}

/// There is a store, but not what the ids of its VCs follow from.
fn lost(path: &Path) -> Refusal {
    let what = format!(
        "{} is missing, but the store beside it was used: the ids and keys of its VCs follow from it",
        path.display()
    );
    Refusal::new(Code::Corrupt, what).who(path.display()).hint(
        "restore it from a backup; nothing was changed. Without one, begin anew in another folder",
    )
}

fn other_manner(folder: &Path, manner: &str) -> Refusal {
    let what = format!(
        "{} belongs to a node that began with {manner}",
        folder.display()
    );
    Refusal::new(Code::Conflict, what)
        .who(folder.display())
        .hint("start it as it began, or give another folder")
}

/// A new random secret, for nodes without a folder.
pub(crate) fn fresh_secret() -> Result<NodeSecret, Refusal> {
    Ok(NodeSecret::new(random()?))
}

/// The token of the node of a folder, made if there is none; without a folder, a new one.
pub(crate) fn token(folder: Option<&Path>) -> Result<String, Refusal> {
    let Some(folder) = folder else {
        return Ok(HEXLOWER.encode(&random()?));
    };
    let path = folder.join("token");
    let hex_bytes = 2 * SECRET_BYTES;
    let Some(text) = read(&path, hex_bytes as u64 + 1)? else {
        let token = HEXLOWER.encode(&random()?);
        write(&path, token.as_bytes())?;
        return Ok(token);
    };
    let token = String::from_utf8_lossy(&text).trim().to_owned();
    if token.len() == hex_bytes && token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(token);
    }
    Err(Refusal::new(
        Code::Corrupt,
        format!("{} does not hold a token", path.display()),
    )
    .hint("delete it; the node makes another when it starts"))
}

/// Random bytes from the operating system.
pub(crate) fn random() -> Result<[u8; SECRET_BYTES], Refusal> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| {
        Refusal::new(
            Code::Io,
            format!("the operating system has no randomness: {error}"),
        )
    })?;
    Ok(bytes)
}

/// The contents of a small file; none if there is no such file, and what is beyond `bytes_max` is a
/// byte more than that.
fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, Refusal> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path, &error)),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed("read", path, &error))?;
    Ok(Some(bytes))
}

/// Writes a file of the owner's: whole, on disk, or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    let part = path.with_extension("tmp");
    let written = (|| {
        // A leftover of a killed node could have other permissions.
        if let Err(error) = fs::remove_file(&part)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        path.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    })();
    written.map_err(|error| failed("write", path, &error))
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> Refusal {
    use io::ErrorKind as Kind;
    let (code, hint) = match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => (Code::DiskFull, "make room on that disk"),
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => (
            Code::Denied,
            "give the folder to the user that runs the node, or name another with `--data DIR`",
        ),
        Kind::NotADirectory | Kind::IsADirectory | Kind::NotFound | Kind::InvalidFilename => {
            (Code::Malformed, "name a folder of yours: `--data DIR`")
        }
        _ => (
            Code::Io,
            "the operating system refused; its log may say more",
        ),
    };
    Refusal::new(code, format!("cannot {verb} {}: {error}", path.display()))
        .who(path.display())
        .hint(hint)
}

/// Makes sure that there is a folder, and makes it for its owner alone.
pub(crate) fn prepare(folder: &Path) -> Result<(), Refusal> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                let what = format!("{} is not a directory", folder.display());
                Refusal::new(Code::Malformed, what)
                    .who(folder.display())
                    .hint("name a folder of yours: `--data DIR`")
            }
            _ => failed("create", folder, &error),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_folder_keeps_its_secret_and_its_token() {
        let folder = tempfile::tempdir().unwrap();
        let key = secret(folder.path(), false).unwrap().node_key();
        assert_eq!(secret(folder.path(), true).unwrap().node_key(), key);
        let first = token(Some(folder.path())).unwrap();
        assert_eq!(first.len(), 64);
        assert_eq!(token(Some(folder.path())).unwrap(), first);
        for file in ["secret", "token"] {
            assert_eq!(mode(&folder.path().join(file)), 0o600, "{file}");
        }
        let other = tempfile::tempdir().unwrap();
        assert_ne!(secret(other.path(), false).unwrap().node_key(), key);
        assert_ne!(token(Some(other.path())).unwrap(), first);
    }

    #[test]
    fn a_damaged_secret_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b"short"[..], &[7; 33]] {
            fs::write(folder.path().join("secret"), bytes).unwrap();
            let refused = secret(folder.path(), false).unwrap_err();
            assert_eq!(refused.code, Code::Corrupt);
            assert_eq!(fs::read(folder.path().join("secret")).unwrap(), bytes);
        }
        fs::write(folder.path().join("token"), "no token").unwrap();
        assert_eq!(token(Some(folder.path())).unwrap_err().code, Code::Corrupt);
    }

    /// Regression: a folder whose `secret` was lost got a new one without a word, and no VC of its store
    /// could be reached under its key any more.
    #[test]
    fn a_lost_secret_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let refused = [
            secret(folder.path(), true).map(drop),
            seeded_secret(Some(folder.path()), 7, true).map(drop),
        ];
        for refused in refused {
            let refused = refused.unwrap_err();
            assert_eq!(refused.code, Code::Corrupt);
            assert!(refused.hint.unwrap().contains("backup"));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// Regression: a data folder that is none, or that others own, counted as a failure of ours.
    #[test]
    fn a_folder_that_cannot_be_is_for_the_user_to_fix() {
        for folder in ["/dev/null", "/dev/null/x", "/proc/x"] {
            let refused = prepare(Path::new(folder)).unwrap_err();
            assert!(refused.code.user_can_fix(), "{folder}: {refused:?}");
            assert!(refused.hint.is_some(), "{folder}");
        }
        let refused = Announcement::read(Path::new("/dev/null")).unwrap_err();
        assert_eq!(refused.code, Code::Malformed);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(ANNOUNCEMENT), "{").unwrap();
        let refused = Announcement::read(folder.path()).unwrap_err();
        assert_eq!(refused.code, Code::Malformed);
    }

    #[test]
    fn a_folder_stays_with_the_seed_it_began_with() {
        let folder = tempfile::tempdir().unwrap();
        let of = |folder, seed| seeded_secret(folder, seed, false).map(|secret| secret.node_key());
        let key = of(Some(folder.path()), 7).unwrap();
        assert_eq!(of(Some(folder.path()), 7).unwrap(), key);
        assert_eq!(of(None, 7).unwrap(), key);
        assert_ne!(of(None, 8).unwrap(), key);
        assert_eq!(of(Some(folder.path()), 8).unwrap_err().code, Code::Conflict);
        let refused = secret(folder.path(), true).unwrap_err();
        assert_eq!(refused.code, Code::Conflict);
        let real = tempfile::tempdir().unwrap();
        secret(real.path(), false).unwrap();
        assert_eq!(of(Some(real.path()), 7).unwrap_err().code, Code::Conflict);
    }

    #[test]
    fn an_announcement_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Announcement::read(folder.path()).unwrap(), None);
        let announcement = Announcement {
            api: base_of("0.0.0.0:7700".parse().unwrap()),
            token: "abc".into(),
            pid: 1,
            id: "vc:a".into(),
        };
        assert_eq!(announcement.api, "http://127.0.0.1:7700");
        assert!(!format!("{announcement:?}").contains("abc"));
        announcement.write(folder.path()).unwrap();
        assert_eq!(mode(&folder.path().join(ANNOUNCEMENT)), 0o600);
        assert_eq!(
            Announcement::read(folder.path()).unwrap(),
            Some(announcement)
        );
        Announcement::remove(folder.path()).unwrap();
        Announcement::remove(folder.path()).unwrap();
        assert_eq!(Announcement::read(folder.path()).unwrap(), None);
    }
}
