//! The calls of FairOS-DFS that are used here, one function each, and the session they need.

use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;

use super::wire::{
    Admitted, DirectoryStat, FileReceived, FileShared, FileStat, Fork, ForkFromReference, Identity,
    Listing, Meaning, Move, OfDirectory, OfFile, OfPod, PodList, PodReceived, PodShared, PodStat,
    Present, ReceivedAt, SignedUp, Uploaded, UploadedFile, UserStat, meaning,
};
use crate::http::{Answer, File, Http, Login, Patience, Request, Secret};
use crate::pods::PodsError;

/// Blocks of ordinary files, in bytes: the least the server takes.
const BLOCK_BYTES: u64 = 1_000_000;
/// Blocks of large files, in bytes: the most the server takes.
const LARGE_BLOCK_BYTES: u64 = 8_000_000;
/// From how many bytes on a file is large: its list of blocks then has 100 entries.
const LARGE_BYTES: u64 = 100 * BLOCK_BYTES;

/// How long what moves a file or a whole pod may take: the server stores all of it before it answers.
const LONG: Duration = Duration::from_mins(30);

/// A server, and the session of one user with it.
///
/// It logs in when something first needs it, and once more when the server no longer knows the session.
#[derive(Debug)]
pub(super) struct Api {
    http: Http,
    login: Login,
    token: Mutex<Option<Secret>>,
}

/// A new account.
#[derive(Debug)]
pub struct Account {
    /// Its address, as the server writes it.
    pub address: String,
    /// Twelve words from which the account can be made again.
    pub mnemonic: Secret,
}

impl Api {
    pub(super) fn new(address: &str, login: Login) -> Result<Self, PodsError> {
        Ok(Self {
            http: Http::new("FairOS-DFS", address, Patience::default())?,
            login,
            token: Mutex::new(None),
        })
    }

    pub(super) fn server(&self) -> &str {
        self.http.server()
    }

    pub(super) fn user(&self) -> &str {
        &self.login.user
    }

    // The user.

    pub(super) fn sign_up(&self, mnemonic: Option<&Secret>) -> Result<Account, PodsError> {
        let identity = self.identity(mnemonic);
        let request = self.http.post(&["v2", "user", "signup"]).json(&identity);
        let sent = request.hiding(&self.login.password).send();
        let made: SignedUp = sent.and_then(Answer::json).map_err(|error| {
            explained(error.into(), |status, message| {
                if status == 402 {
                    return Some("the account needs ether to register its name: sign up with the words of one that has some");
                }
                if message.contains("at least 12") {
                    return Some("choose a longer password");
                }
                message
                    .contains("already")
                    .then_some("log in instead, or choose another name")
            })
        })?;
        *self.token.lock() = Some(made.access_token);
        Ok(Account {
            address: made.address,
            mnemonic: made.mnemonic,
        })
    }

    pub(super) fn user_present(&self) -> Result<bool, PodsError> {
        let request = self.http.get(&["v2", "user", "present"]);
        let found: Present = request.query("userName", self.user()).send()?.json()?;
        Ok(found.present)
    }

    pub(super) fn user_stat(&self) -> Result<UserStat, PodsError> {
        self.ask_json(|| self.http.get(&["v1", "user", "stat"]))
    }

    pub(super) fn log_out(&self) -> Result<(), PodsError> {
        let Some(token) = self.token.lock().take() else {
            return Ok(());
        };
        let request = self.http.post(&["v1", "user", "logout"]).bearer(&token);
        match request.send() {
            Ok(_) => Ok(()),
            Err(error) => match PodsError::from(error) {
                error if meaning(&error) == Meaning::LoggedOut => Ok(()),
                error => Err(error),
            },
        }
    }

    fn identity<'a>(&'a self, mnemonic: Option<&'a Secret>) -> Identity<'a> {
        Identity {
            user_name: &self.login.user,
            password: self.login.password.reveal(),
            mnemonic: mnemonic.map(Secret::reveal),
        }
    }

    /// The token of the session; logs in if there is none.
    ///
    /// The lock is held meanwhile, so that threads that begin together share one session.
    fn token(&self) -> Result<Secret, PodsError> {
        let mut token = self.token.lock();
        if let Some(token) = &*token {
            return Ok(token.clone());
        }
        let identity = self.identity(None);
        let request = self.http.post(&["v2", "user", "login"]).json(&identity);
        let sent = request.hiding(&self.login.password).repeatable().send();
        let admitted: Admitted = sent.and_then(Answer::json).map_err(|error| {
            explained(error.into(), |status, message| {
                if status == 404 {
                    return Some("`MEDIUM_FAIROS_USER` names nobody there: sign up first");
                }
                message
                    .contains("invalid password")
                    .then_some("correct `MEDIUM_FAIROS_PASSWORD`")
            })
        })?;
        *token = Some(admitted.access_token.clone());
        Ok(admitted.access_token)
    }

    /// Forgets a token that the server does not know; not one that came since.
    fn forget(&self, stale: &Secret) {
        let mut token = self.token.lock();
        if token.as_ref() == Some(stale) {
            *token = None;
        }
    }

    /// Asks as the user; once more, logged in again, if the session is over.
    fn ask<'h>(&'h self, request: impl Fn() -> Request<'h>) -> Result<Answer, PodsError> {
        self.with_token(|token| Ok(request().bearer(token).send()?))
    }

    fn ask_json<'h, T: serde::de::DeserializeOwned>(
        &'h self,
        request: impl Fn() -> Request<'h>,
    ) -> Result<T, PodsError> {
        Ok(self.ask(request)?.json()?)
    }

    /// Has something done that answers nothing that matters.
    fn order(&self, path: &[&str], body: &impl Serialize) -> Result<(), PodsError> {
        self.ask(|| self.http.post(path).json(body)).map(drop)
    }

    /// Has something done that moves a whole pod.
    fn order_long(&self, path: &[&str], body: &impl Serialize) -> Result<(), PodsError> {
        self.ask(|| self.http.post(path).json(body).answer_within(LONG))
            .map(drop)
    }

    fn with_token<T>(
        &self,
        call: impl Fn(&Secret) -> Result<T, PodsError>,
    ) -> Result<T, PodsError> {
        let token = self.token()?;
        match call(&token) {
            Err(error) if meaning(&error) == Meaning::LoggedOut => {
                self.forget(&token);
                call(&self.token()?)
            }
            other => other,
        }
    }

    // Pods.

    pub(super) fn pod_new(&self, pod_name: &str) -> Result<(), PodsError> {
        self.order(&["v1", "pod", "new"], &OfPod { pod_name })
    }

    pub(super) fn pod_open(&self, pod_name: &str) -> Result<(), PodsError> {
        self.ask(|| {
            self.http
                .post(&["v1", "pod", "open"])
                .json(&OfPod { pod_name })
                .repeatable()
        })
        .map(drop)
    }

    /// Closes a pod, so that the next use of it reads its state anew.
    pub(super) fn pod_close(&self, pod_name: &str) -> Result<(), PodsError> {
        match self.order(&["v1", "pod", "close"], &OfPod { pod_name }) {
            // It was not open.
            Err(error) if meaning(&error) == Meaning::NoPod => Ok(()),
            other => other,
        }
    }

    pub(super) fn pod_delete(&self, pod_name: &str) -> Result<(), PodsError> {
        self.ask(|| {
            let request = self.http.delete(&["v1", "pod", "delete"]);
            request.json(&OfPod { pod_name }).answer_within(LONG)
        })
        .map(drop)
    }

    pub(super) fn pod_list(&self) -> Result<PodList, PodsError> {
        self.ask_json(|| self.http.get(&["v1", "pod", "ls"]))
    }

    pub(super) fn pod_stat(&self, pod_name: &str) -> Result<PodStat, PodsError> {
        self.ask_json(|| {
            self.http
                .get(&["v1", "pod", "stat"])
                .query("podName", pod_name)
        })
    }

    pub(super) fn pod_share(&self, pod_name: &str) -> Result<String, PodsError> {
        let path = ["v1", "pod", "share"];
        let shared: PodShared =
            self.ask_json(|| self.http.post(&path).json(&OfPod { pod_name }).repeatable())?;
        Ok(shared.pod_sharing_reference)
    }

    pub(super) fn pod_receive_info(&self, reference: &str) -> Result<PodReceived, PodsError> {
        let path = ["v1", "pod", "receiveinfo"];
        // `null` is what some servers answer to a reference that leads nowhere.
        let found: Option<PodReceived> =
            self.ask_json(|| self.http.get(&path).query("sharingRef", reference))?;
        Ok(found.unwrap_or_default())
    }

    pub(super) fn pod_fork(&self, pod_name: &str, fork_name: &str) -> Result<(), PodsError> {
        let body = Fork {
            pod_name,
            fork_name,
        };
        self.order_long(&["v1", "pod", "fork"], &body)
    }

    /// The reference is one that was found to open: to text that is no reference the server answers with a success
    /// and an empty pod.
    pub(super) fn pod_fork_from(&self, reference: &str, fork_name: &str) -> Result<(), PodsError> {
        let body = ForkFromReference {
            fork_name,
            pod_sharing_reference: reference,
        };
        self.order_long(&["v1", "pod", "fork-from-reference"], &body)
    }

    // Directories.

    pub(super) fn directory_make(&self, pod_name: &str, dir_path: &str) -> Result<(), PodsError> {
        let body = OfDirectory { pod_name, dir_path };
        self.order(&["v1", "dir", "mkdir"], &body)
    }

    /// Removes an empty directory of the root; any other damages the server's lists (see `edit`).
    pub(super) fn directory_remove(&self, pod_name: &str, dir_path: &str) -> Result<(), PodsError> {
        let body = OfDirectory { pod_name, dir_path };
        self.ask(|| self.http.delete(&["v1", "dir", "rmdir"]).json(&body))
            .map(drop)
    }

    /// Moves an empty directory; any other damages the server's lists (see `edit`).
    pub(super) fn directory_rename(
        &self,
        pod_name: &str,
        old_path: &str,
        new_path: &str,
    ) -> Result<(), PodsError> {
        let body = Move {
            pod_name,
            old_path,
            new_path,
        };
        self.order(&["v1", "dir", "rename"], &body)
    }

    pub(super) fn directory_list(&self, pod: &str, path: &str) -> Result<Listing, PodsError> {
        self.ask_json(|| {
            let request = self.http.get(&["v1", "dir", "ls"]);
            request.query("podName", pod).query("dirPath", path)
        })
    }

    pub(super) fn directory_stat(&self, pod: &str, path: &str) -> Result<DirectoryStat, PodsError> {
        self.ask_json(|| {
            let request = self.http.get(&["v1", "dir", "stat"]);
            request.query("podName", pod).query("dirPath", path)
        })
    }

    // Files.

    /// Uploads a file over whatever file is there. `input` is read once: the caller has just used the session.
    pub(super) fn file_upload(
        &self,
        pod: &str,
        directory: &str,
        file: File<'_>,
    ) -> Result<(), PodsError> {
        let name = file.name.clone();
        let block = match file.bytes {
            Some(bytes) if bytes < LARGE_BYTES => BLOCK_BYTES,
            _ => LARGE_BLOCK_BYTES,
        };
        let block = block.to_string();
        let fields = [
            ("podName", pod),
            ("dirPath", directory),
            ("blockSize", block.as_str()),
            ("overwrite", "true"),
        ];
        let path = ["v1", "file", "upload"];
        let request = self.http.post(&path).bearer(&self.token()?);
        let request = request.answer_within(LONG);
        let told: Uploaded = request.send_form(&fields, file)?.json()?;
        match told.responses.as_slice() {
            [one] if one.message == UploadedFile::DONE && one.file_name == name => Ok(()),
            [one] if one.message == UploadedFile::DONE => Err(self.contradicts(
                "POST /v1/file/upload",
                format!(
                    "it stored `{}` as `{}`",
                    name.escape_debug(),
                    one.file_name.escape_debug()
                ),
            )),
            [one] => Err(self.contradicts("POST /v1/file/upload", one.message.clone())),
            others => Err(self.contradicts(
                "POST /v1/file/upload",
                format!("it tells of {} files instead of one", others.len()),
            )),
        }
    }

    pub(super) fn file_download(&self, pod: &str, path: &str) -> Result<Answer, PodsError> {
        self.ask(|| {
            let request = self.http.get(&["v1", "file", "download"]);
            request.query("podName", pod).query("filePath", path)
        })
    }

    pub(super) fn file_stat(&self, pod: &str, path: &str) -> Result<FileStat, PodsError> {
        self.ask_json(|| {
            let request = self.http.get(&["v1", "file", "stat"]);
            request.query("podName", pod).query("filePath", path)
        })
    }

    pub(super) fn file_delete(&self, pod: &str, path: &str) -> Result<(), PodsError> {
        let body = of_file(pod, path);
        self.ask(|| self.http.delete(&["v1", "file", "delete"]).json(&body))
            .map(drop)
    }

    pub(super) fn file_rename(&self, pod: &str, from: &str, to: &str) -> Result<(), PodsError> {
        let body = Move {
            pod_name: pod,
            old_path: from,
            new_path: to,
        };
        self.order(&["v1", "file", "rename"], &body)
    }

    pub(super) fn file_mode(&self, pod: &str, path: &str, mode: u32) -> Result<(), PodsError> {
        let body = OfFile {
            mode: Some(mode.to_string()),
            ..of_file(pod, path)
        };
        self.order(&["v1", "file", "chmod"], &body)
    }

    pub(super) fn file_share(&self, pod: &str, path: &str) -> Result<String, PodsError> {
        let body = OfFile {
            dest_user: Some(self.user()),
            ..of_file(pod, path)
        };
        let shared: FileShared = self.ask_json(|| {
            self.http
                .post(&["v1", "file", "share"])
                .json(&body)
                .repeatable()
        })?;
        Ok(shared.file_sharing_reference)
    }

    pub(super) fn file_receive_info(
        &self,
        reference: &str,
    ) -> Result<Option<FileReceived>, PodsError> {
        let path = ["v1", "file", "receiveinfo"];
        self.ask_json(|| self.http.get(&path).query("sharingRef", reference))
    }

    /// Takes a shared file into a directory of a pod; answers where. It is tried once: a second time it would be
    /// there already.
    pub(super) fn file_receive(
        &self,
        reference: &str,
        pod: &str,
        directory: &str,
    ) -> Result<String, PodsError> {
        let received: ReceivedAt = self.ask_json(|| {
            let request = self.http.get(&["v1", "file", "receive"]).once();
            let request = request.query("podName", pod).query("dirPath", directory);
            request.query("sharingRef", reference)
        })?;
        Ok(received.file_name)
    }

    // What a pod's reference shows to anybody.

    pub(super) fn public_list(&self, reference: &str, path: &str) -> Result<Listing, PodsError> {
        let request = self.http.get(&["public-dir"]);
        let request = request.query("sharingRef", reference);
        Ok(request.query("dirPath", path).send()?.json()?)
    }

    pub(super) fn public_download(&self, reference: &str, path: &str) -> Result<Answer, PodsError> {
        let request = self.http.get(&["public-file"]);
        let request = request.query("sharingRef", reference);
        Ok(request.query("filePath", path).send()?)
    }

    /// A success that is none.
    pub(super) fn contradicts(&self, what: &str, message: String) -> PodsError {
        PodsError::Server {
            server: self.server().to_owned(),
            what: format!("`{what}`"),
            status: 200,
            message,
            hint: "the server's own log says more".to_owned(),
        }
    }
}

fn of_file<'a>(pod_name: &'a str, file_path: &'a str) -> OfFile<'a> {
    OfFile {
        pod_name,
        file_path,
        dest_user: None,
        mode: None,
    }
}

/// Replaces the hint of a refusal by what is known of it here.
fn explained(mut error: PodsError, known: impl Fn(u16, &str) -> Option<&'static str>) -> PodsError {
    if let PodsError::Server {
        status,
        message,
        hint,
        ..
    } = &mut error
        && let Some(better) = known(*status, message)
    {
        better.clone_into(hint);
    }
    error
}
