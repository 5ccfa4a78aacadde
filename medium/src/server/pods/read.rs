//! What is read of pods and of what references name: lists, files, and the hashes of everything.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use adapters::pods::{
    Entry, EntryKind, PodName, PodPath, Pods, PodsError, Progress, Source, Verified,
};
use axum::Json as Answered;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::super::Api;
use super::super::contents::Range;
use super::super::extract::Params;
use super::super::failure::{Answer, Failure, malformed};
use super::{Of, answered, blocking, path, refused};

/// Bytes of a file that leave at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces that wait for whoever reads them.
const PIECES: usize = 4;
/// How many bytes are verified between two lines that say how far it is.
const VERIFIED_BYTES: u64 = 4 * 1024 * 1024;
/// The type of one JSON value a line.
const LINES_TYPE: &str = "application/x-ndjson";

/// What is read, and where in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Where {
    pod: Option<String>,
    at: Option<u64>,
    reference: Option<String>,
    path: Option<String>,
}

impl Where {
    fn checked(self) -> Result<(Source, PodPath), Refusal> {
        let path = path(self.path.as_deref()).map_err(refused)?;
        let source = match (self.pod, self.reference, self.at) {
            (Some(name), None, at) => {
                let name: PodName = name.parse().map_err(refused)?;
                Source::Pod {
                    name: name.to_string(),
                    at,
                }
            }
            (None, Some(reference), None) => Source::Reference(reference),
            _ => {
                let what =
                    "the parameters: name either a `pod`, with or without `at`, or a `reference`";
                return Err(malformed(what));
            }
        };
        Ok((source, path))
    }
}

/// What is in a directory.
pub(in super::super) async fn list(
    Of(pods): Of,
    Params(place): Params<Where>,
) -> Answer<Answered<Vec<Entry>>> {
    let (from, path) = place.checked()?;
    answered(move || pods.list(&from, &path)).await
}

/// What is below a directory.
pub(in super::super) async fn walk(
    Of(pods): Of,
    Params(place): Params<Where>,
) -> Answer<Answered<Vec<Entry>>> {
    let (from, path) = place.checked()?;
    answered(move || pods.walk(&from, &path)).await
}

/// What is at a path.
pub(in super::super) async fn stat(
    Of(pods): Of,
    Params(place): Params<Where>,
) -> Answer<Answered<Entry>> {
    let (from, path) = place.checked()?;
    answered(move || pods.stat(&from, &path)).await
}

/// A file's bytes, or a range of them.
pub(in super::super) async fn file(
    State(api): State<Api>,
    method: Method,
    headers: HeaderMap,
    Of(pods): Of,
    Params(place): Params<Where>,
) -> Answer<Response> {
    let permit = api.0.downloads.clone().try_acquire_owned().map_err(|_| {
        Refusal::new(Code::Busy, "the node is giving out as much as it can")
            .hint("try again in a moment")
    })?;
    let (from, path) = place.checked()?;
    let (from, path, entry, pods) = blocking(move || {
        let from = fixed(pods.as_ref(), from)?;
        let entry = pods.stat(&from, &path)?;
        if entry.kind == EntryKind::Directory {
            return Err(PodsError::NotAFile(path.to_string()));
        }
        Ok((from, path, entry, pods))
    })
    .await?;
    let asked = headers
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok());
    let total = entry.bytes;
    let range = asked.map_or(Range::All, |asked| Range::of(asked, total));
    let (status, start, end) = match range {
        Range::All => (StatusCode::OK, 0, total),
        Range::Some { from, until } => (StatusCode::PARTIAL_CONTENT, from, until),
        Range::Beyond => return Ok(beyond(total)),
    };
    let about = [
        // Bytes of strangers: no browser is to make a page of them.
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::CONTENT_LENGTH, (end - start).to_string()),
    ];
    let body = if method == Method::HEAD || start == end {
        Body::empty()
    } else {
        let pieces = begin(move |out| {
            let _permit = permit;
            let range = (status == StatusCode::PARTIAL_CONTENT).then_some(start..end);
            let closed = Closed(out.sender.clone());
            pods.read(&from, &path, range, out, &closed).map(|_| ())
        });
        streamed(pieces).await?
    };
    let mut answer = (status, about, body).into_response();
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) = format!("bytes {start}-{}/{total}", end.saturating_sub(1)).parse()
    {
        answer.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    Ok(answer)
}

fn beyond(total: u64) -> Response {
    let what = format!("the file has {total} bytes, none of them in that range");
    let mut refused = Failure::from(malformed(what))
        .status(StatusCode::RANGE_NOT_SATISFIABLE)
        .into_response();
    if let Ok(range) = format!("bytes */{total}").parse() {
        refused.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    refused
}

/// A source that stays as it is while it is read: a pod's latest snapshot by its index.
fn fixed(pods: &dyn Pods, from: Source) -> Result<Source, PodsError> {
    match from {
        Source::Pod { name, at: None } => {
            let latest = pods.pod(&name.parse()?)?.latest;
            Ok(Source::Pod {
                name,
                at: latest.map(|snapshot| snapshot.index),
            })
        }
        other => Ok(other),
    }
}

type Piece = Result<Bytes, Refusal>;

/// Runs what writes on a thread of its own; its end is the end of the pieces, or the last of them says why.
fn begin(
    work: impl FnOnce(&mut Outgoing) -> Result<(), PodsError> + Send + 'static,
) -> mpsc::Receiver<Piece> {
    let (sender, pieces) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let mut out = Outgoing {
            sender,
            buffer: Vec::with_capacity(PIECE_BYTES),
        };
        let done = work(&mut out).and_then(|()| {
            out.flush().map_err(|error| PodsError::Io {
                what: "sending".to_owned(),
                error,
            })
        });
        if let Err(error) = done {
            // Whoever has gone needs no reason.
            let _ = out.sender.blocking_send(Err(error.refusal()));
        }
    });
    pieces
}

/// A body of pieces; what fails before the first of them is a refusal, later the connection is cut.
async fn streamed(mut pieces: mpsc::Receiver<Piece>) -> Result<Body, Refusal> {
    let first = match pieces.recv().await {
        None => return Ok(Body::empty()),
        Some(first) => first?,
    };
    let pieces = stream::unfold(Some((Some(first), pieces)), |state| async move {
        let (first, mut pieces) = state?;
        if let Some(first) = first {
            return Some((Ok(first), Some((None, pieces))));
        }
        match pieces.recv().await? {
            Ok(piece) => Some((Ok(piece), Some((None, pieces)))),
            Err(refused) => {
                tracing::error!(code = %refused.code, what = refused.what, "an answer was cut off");
                Some((Err(io::Error::other(refused.what)), None))
            }
        }
    });
    Ok(Body::from_stream(pieces))
}

/// What is written goes to whoever reads the answer, in pieces.
struct Outgoing {
    sender: mpsc::Sender<Piece>,
    buffer: Vec<u8>,
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > PIECE_BYTES {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE_BYTES));
        let sent = self.sender.blocking_send(Ok(piece.into()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Stops what is done for somebody who has gone.
struct Closed(mpsc::Sender<Piece>);

impl Progress for Closed {
    fn moved(&self, _: u64) {}

    fn stopped(&self) -> bool {
        self.0.is_closed()
    }
}

/// A line of the answer to `verify`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// How many bytes were verified since the last line.
    Moved(u64),
    /// What was found; the last line.
    Verified(Verified),
    /// Why nothing was; the last line.
    Refused(Refusal),
}

impl Line {
    fn bytes(&self) -> Bytes {
        // Numbers, strings and lists of them have a JSON form.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line.into()
    }
}

/// Says on a line of its own how far a verification is.
struct Lines {
    sender: mpsc::Sender<Piece>,
    unsaid: AtomicU64,
}

impl Progress for Lines {
    fn moved(&self, bytes: u64) {
        // Relaxed: only a number that is shown.
        let unsaid = self.unsaid.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if unsaid < VERIFIED_BYTES {
            return;
        }
        self.unsaid.fetch_sub(unsaid, Ordering::Relaxed);
        // If nobody takes the lines fast enough, one that is missing does no harm.
        if self
            .sender
            .try_send(Ok(Line::Moved(unsaid).bytes()))
            .is_err()
        {
            self.unsaid.fetch_add(unsaid, Ordering::Relaxed);
        }
    }

    fn stopped(&self) -> bool {
        self.sender.is_closed()
    }
}

/// Recomputes every hash of a source; one JSON value a line says how far it is, the last one what was found.
pub(in super::super) async fn verify(
    Of(pods): Of,
    Params(place): Params<Where>,
) -> Answer<Response> {
    let (from, at) = place.checked()?;
    if !at.is_root() {
        return Err(malformed(
            "the parameters: what is verified is verified whole, without a `path`",
        )
        .into());
    }
    let pieces = begin(move |out| {
        let lines = Lines {
            sender: out.sender.clone(),
            unsaid: AtomicU64::new(0),
        };
        let last = match pods.verify(&from, &lines) {
            Ok(verified) => Line::Verified(verified),
            Err(error) => Line::Refused(error.refusal()),
        };
        // Whoever has gone needs no answer.
        let _ = out.sender.blocking_send(Ok(last.bytes()));
        Ok(())
    });
    Ok((
        [(header::CONTENT_TYPE, LINES_TYPE)],
        streamed(pieces).await?,
    )
        .into_response())
}
