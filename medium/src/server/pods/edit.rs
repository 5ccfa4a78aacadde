//! Edits of pods that live between requests: each on a thread of its own, which takes one command after the
//! other and ends with the commit, when it is abandoned, or when nobody has asked for anything for a while.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use adapters::pods::{Edit, Entry, FileMeta, PodName, PodPath, Pods, PodsError, Quiet, Snapshot};
use axum::Json as Answered;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use data_encoding::HEXLOWER;
use genesis::refusal::{Code, Refusal};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::super::Api;
use super::super::contents::{self, pass_on};
use super::super::extract::{Json, Params, drain, segment};
use super::super::failure::{Answer, Failure, clip};
use super::{Named, Of, refused};
use crate::folder;

/// Most edits at one time: refuse with `busy`.
pub const EDITS_MAX: usize = 64;
/// After how long an edit of which nobody asks anything is abandoned, in milliseconds.
pub const EDIT_IDLE_MS: u64 = 10 * 60 * 1_000;
/// Pieces of a file that wait to be written.
const PIECES: usize = 4;

/// The edits of a node.
#[derive(Debug)]
pub(in super::super) struct Edits {
    places: Arc<Semaphore>,
    /// Those under way, by id. Held only to look and to change, never across a wait.
    open: Mutex<HashMap<String, mpsc::Sender<Command>>>,
}

impl Default for Edits {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(EDITS_MAX)),
            open: Mutex::new(HashMap::new()),
        }
    }
}

impl Edits {
    /// Abandons all of them; their threads end soon.
    pub(in super::super) fn abandon(&self) {
        self.open.lock().clear();
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        self.places.clone().try_acquire_owned().map_err(|_| {
            let what = format!("{EDITS_MAX} edits of pods are under way, more are refused");
            Refusal::new(Code::Busy, what).hint("commit or abandon one of them, or try again later")
        })
    }

    fn add(&self, commands: mpsc::Sender<Command>) -> Result<String, Refusal> {
        let id = HEXLOWER.encode(&folder::random()?);
        let mut open = self.open.lock();
        open.retain(|_, commands| !commands.is_closed());
        open.insert(id.clone(), commands);
        Ok(id)
    }

    fn get(&self, id: &str) -> Result<mpsc::Sender<Command>, Refusal> {
        self.open.lock().get(id).cloned().ok_or_else(|| gone(id))
    }

    fn take(&self, id: &str) -> Result<mpsc::Sender<Command>, Refusal> {
        self.open.lock().remove(id).ok_or_else(|| gone(id))
    }
}

fn gone(id: &str) -> Refusal {
    Refusal::new(Code::Unknown, format!("there is no edit `{}`", clip(id))).hint(format!(
        "it was committed or abandoned, or nobody used it for {} minutes",
        EDIT_IDLE_MS / 60_000
    ))
}

/// What is asked of an edit.
enum Command {
    Write(
        PodPath,
        FileMeta,
        Incoming,
        oneshot::Sender<Result<Entry, Refusal>>,
    ),
    Change(Change, oneshot::Sender<Result<(), Refusal>>),
    Commit(String, oneshot::Sender<Result<Snapshot, Refusal>>),
}

/// A change but for what a file holds.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in super::super) enum Change {
    MakeDirectory {
        path: String,
    },
    Remove {
        path: String,
        #[serde(default)]
        recursive: bool,
    },
    Copy {
        from: String,
        to: String,
    },
    Rename {
        from: String,
        to: String,
    },
}

impl Change {
    fn make(self, edit: &mut dyn Edit) -> Result<(), PodsError> {
        match self {
            Self::MakeDirectory { path } => edit.make_directory(&path.parse()?),
            Self::Remove { path, recursive } => edit.remove(&path.parse()?, recursive),
            Self::Copy { from, to } => edit.copy(&from.parse()?, &to.parse()?),
            Self::Rename { from, to } => edit.rename(&from.parse()?, &to.parse()?),
        }
    }
}

/// Takes commands until the last. Blocks.
fn run(
    pods: &dyn Pods,
    pod: &PodName,
    begun: oneshot::Sender<Result<(), Refusal>>,
    mut commands: mpsc::Receiver<Command>,
    executor: &Handle,
) {
    let mut edit = match pods.edit(pod) {
        Ok(edit) => edit,
        Err(error) => {
            let _ = begun.send(Err(refused(error)));
            return;
        }
    };
    if begun.send(Ok(())).is_err() {
        return;
    }
    let idle = Duration::from_millis(EDIT_IDLE_MS);
    // Whoever does not wait for the answer any more is not told; what was done stays done.
    loop {
        let next = executor.block_on(async { tokio::time::timeout(idle, commands.recv()).await });
        match next {
            Ok(Some(Command::Write(path, meta, mut input, answer))) => {
                let written = edit.write(&path, &meta, &mut input, &Quiet);
                let _ = answer.send(written.map_err(refused));
            }
            Ok(Some(Command::Change(change, answer))) => {
                let made = change.make(edit.as_mut());
                let _ = answer.send(made.map_err(refused));
            }
            Ok(Some(Command::Commit(note, answer))) => {
                let committed = edit.commit(&note);
                let _ = answer.send(committed.map_err(refused));
                return;
            }
            Ok(None) | Err(_) => return,
        }
    }
}

/// A body, as what reads a file has it.
struct Incoming {
    pieces: mpsc::Receiver<contents::Piece>,
    piece: Bytes,
    is_over: bool,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            if self.is_over {
                return Ok(0);
            }
            match self.pieces.blocking_recv() {
                Some(contents::Piece::Bytes(bytes)) => self.piece = bytes,
                Some(contents::Piece::End) => self.is_over = true,
                None => {
                    let why = "the body was cut off";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
                }
            }
        }
        let n = buffer.len().min(self.piece.len());
        buffer[..n].copy_from_slice(&self.piece.split_to(n));
        Ok(n)
    }
}

/// The edit that the path names.
pub(in super::super) struct Which(String);

impl FromRequestParts<Api> for Which {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        Ok(Self(segment(parts, api).await?))
    }
}

#[derive(Serialize)]
pub(in super::super) struct BegunView {
    edit: String,
}

/// Begins to change a pod.
pub(in super::super) async fn begin(
    State(api): State<Api>,
    Of(pods): Of,
    Named(pod): Named,
) -> Answer<(StatusCode, Answered<BegunView>)> {
    let place = api.0.edits.place()?;
    let (commands, taken) = mpsc::channel(1);
    let (begun, outcome) = oneshot::channel();
    let executor = Handle::current();
    tokio::task::spawn_blocking(move || {
        let _place = place;
        run(pods.as_ref(), &pod, begun, taken, &executor);
    });
    answer_of(outcome).await?;
    let edit = api.0.edits.add(commands)?;
    Ok((StatusCode::CREATED, Answered(BegunView { edit })))
}

/// What an edit's thread answers.
async fn answer_of<T>(answer: oneshot::Receiver<Result<T, Refusal>>) -> Result<T, Refusal> {
    answer.await.unwrap_or_else(|_| {
        Err(Refusal::new(
            Code::Cancelled,
            "the edit was abandoned meanwhile",
        ))
    })
}

async fn ask(commands: &mpsc::Sender<Command>, command: Command, id: &str) -> Result<(), Refusal> {
    commands.send(command).await.map_err(|_| gone(id))
}

/// What is said of a file that is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct WriteParams {
    path: String,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    modified: u64,
    #[serde(default, deserialize_with = "super::super::extract::flag")]
    executable: bool,
    bytes: Option<u64>,
}

/// Writes a file, whole.
pub(in super::super) async fn write(
    State(api): State<Api>,
    Which(id): Which,
    Params(params): Params<WriteParams>,
    request: Request,
) -> Answer<Answered<Entry>> {
    let mut frames = request.into_body().into_data_stream();
    let begun = (|| -> Result<_, Refusal> {
        let path: PodPath = params.path.parse().map_err(refused)?;
        let place = api.0.uploads.clone().try_acquire_owned().map_err(|_| {
            Refusal::new(Code::Busy, "the node is taking in as much as it can")
                .hint("try again in a moment")
        })?;
        Ok((path, place, api.0.edits.get(&id)?))
    })();
    let (path, _place, commands) = match begun {
        Ok(begun) => begun,
        Err(refusal) => {
            drain(frames).await;
            return Err(Failure::from(refusal));
        }
    };
    let meta = FileMeta {
        content_type: params.content_type,
        modified: params.modified,
        executable: params.executable,
        bytes: params.bytes,
    };
    let (sender, pieces) = mpsc::channel(PIECES);
    let input = Incoming {
        pieces,
        piece: Bytes::new(),
        is_over: false,
    };
    let (answer, outcome) = oneshot::channel();
    let written = api.until_stop(async {
        ask(&commands, Command::Write(path, meta, input, answer), &id).await?;
        pass_on(Bytes::new(), &mut frames, sender).await?;
        answer_of(outcome).await
    });
    match written.await {
        Ok(entry) => Ok(Answered(entry)),
        Err(refusal) => {
            drain(frames).await;
            Err(refusal.into())
        }
    }
}

#[derive(Serialize)]
pub(in super::super) struct ChangedView {
    changed: bool,
}

/// Makes a change.
pub(in super::super) async fn change(
    State(api): State<Api>,
    Which(id): Which,
    Json(change): Json<Change>,
) -> Answer<Answered<ChangedView>> {
    let commands = api.0.edits.get(&id)?;
    let (answer, outcome) = oneshot::channel();
    ask(&commands, Command::Change(change, answer), &id).await?;
    answer_of(outcome).await?;
    Ok(Answered(ChangedView { changed: true }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct CommitRequest {
    #[serde(default)]
    note: String,
}

/// Makes the changes one snapshot.
pub(in super::super) async fn commit(
    State(api): State<Api>,
    Which(id): Which,
    Json(request): Json<CommitRequest>,
) -> Answer<Answered<Snapshot>> {
    let commands = api.0.edits.take(&id)?;
    let (answer, outcome) = oneshot::channel();
    ask(&commands, Command::Commit(request.note, answer), &id).await?;
    Ok(Answered(answer_of(outcome).await?))
}

#[derive(Serialize)]
pub(in super::super) struct AbandonedView {
    abandoned: String,
}

/// Abandons an edit: nothing of it is seen.
pub(in super::super) async fn abandon(
    State(api): State<Api>,
    Which(id): Which,
) -> Answer<Answered<AbandonedView>> {
    api.0.edits.take(&id)?;
    Ok(Answered(AbandonedView { abandoned: id }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_body_that_is_cut_off_is_not_a_file_that_has_ended() {
        for (end, whole) in [(true, true), (false, false)] {
            let (sender, pieces) = mpsc::channel(PIECES);
            let mut input = Incoming {
                pieces,
                piece: Bytes::new(),
                is_over: false,
            };
            let read = tokio::task::spawn_blocking(move || {
                let mut text = String::new();
                input.read_to_string(&mut text).map(|_| text)
            });
            for piece in ["", "ab", "c"] {
                let _ = sender.send(contents::Piece::Bytes(piece.into())).await;
            }
            if end {
                let _ = sender.send(contents::Piece::End).await;
            }
            drop(sender);
            let read = read.await.unwrap();
            assert_eq!(read.is_ok(), whole, "{read:?}");
        }
    }
}
