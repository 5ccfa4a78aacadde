//! Contents of any size: taken in, given out, pinned and swept, without ever being in memory as a whole.

use std::io::Write;
use std::time::Duration;

use axum::Json as Answered;
use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::{StreamExt, stream};
use genesis::id::Digest;
use genesis::limits::{CONTENTS_IDLE_MS, CONTENTS_INLINE_MAX};
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use actors::contents::Swept;
use actors::letter::Contents;
use adapters::contents::{ContentsError, ContentsReader, ContentsWriter};

use super::Api;
use super::extract::{BODY_MS_MAX, Params, drain, read, segment};
use super::failure::{Answer, Failure, clip, malformed};

/// Most contents that are taken in at one time: refuse with `busy`.
pub const UPLOADS_MAX: usize = 32;
/// Most contents that are given out at one time: refuse with `busy`.
pub const DOWNLOADS_MAX: usize = 64;
/// What stays free on the disk of the contents, in bytes: the store needs it.
pub const DISK_RESERVE_BYTES: u64 = 64 * 1024 * 1024;
/// The type of a body that only names contents: `{"ref": DIGEST}`.
pub const REFERENCE_TYPE: &str = "application/vnd.medium.ref+json";
/// Pieces of a body that wait for the disk.
const PIECES: usize = 4;
/// How many bytes are written between two looks at the free disk.
const LOOK_BYTES: u64 = 16 * 1024 * 1024;

/// The contents that the path names.
pub(super) struct Which(Digest);

impl FromRequestParts<Api> for Which {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let text = segment(parts, api).await?;
        Ok(Self(digest(&text)?))
    }
}

fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|error| {
        malformed(format!("`{}` is not a digest: {error}", clip(text)))
            .hint("a digest has 64 digits, 0 to 9 and a to f")
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreParams {
    digest: Option<String>,
    #[serde(default, deserialize_with = "super::extract::flag")]
    pin: bool,
}

/// Contents, as they are told.
#[derive(Serialize)]
pub(super) struct StoredView {
    digest: String,
    bytes: u64,
}

/// Takes contents in.
pub(super) async fn store(
    State(api): State<Api>,
    Params(params): Params<StoreParams>,
    request: Request,
) -> Answer<(StatusCode, Answered<StoredView>)> {
    let expected = params.digest.as_deref().map(digest).transpose()?;
    let taken = take_in(&api, BytesMut::new(), request.into_body(), expected);
    let contents = api.until_stop(taken).await?;
    let Some(reference) = contents.reference() else {
        return Err(Refusal::new(Code::Internal, "contents were stored without a name").into());
    };
    let (digest, bytes) = (reference.digest(), reference.len());
    if params.pin {
        let _ = set_pin(&api, digest, true).await?;
    }
    let stored = StoredView {
        digest: digest.to_string(),
        bytes,
    };
    Ok((StatusCode::CREATED, Answered(stored)))
}

/// One piece of a body on its way to the disk.
pub(super) enum Piece {
    Bytes(Bytes),
    End,
}

/// Stores what was read of a body already, and the rest of it. Dropped before it ends, it leaves nothing.
async fn take_in(
    api: &Api,
    first: BytesMut,
    body: Body,
    expected: Option<Digest>,
) -> Result<Contents, Refusal> {
    let announced = first.len() as u64 + body.size_hint().lower();
    let mut frames = body.into_data_stream();
    let place = api.0.uploads.clone().try_acquire_owned().map_err(|_| {
        Refusal::new(
            Code::Busy,
            "the node is taking in as many contents as it can",
        )
        .hint("try again in a moment")
    });
    let begun = place.and_then(|place| fits(api, announced).map(|()| place));
    let place = match begun {
        Ok(place) => place,
        Err(refusal) => {
            drain(frames).await;
            return Err(refusal);
        }
    };
    let (sender, pieces) = mpsc::channel(PIECES);
    let (contents, runtime) = (api.0.config.contents.clone(), api.runtime().clone());
    let written = tokio::task::spawn_blocking(move || {
        let _place = place;
        let mut writer = contents.writer().map_err(|error| refusal(&error))?;
        if let Some(expected) = expected {
            writer.expect(expected);
        }
        write(pieces, &mut writer)?;
        runtime.store_contents(|| writer.finish().map_err(|error| refusal(&error)))
    });
    pass_on(first.freeze(), &mut frames, sender).await?;
    let written = written.await;
    let stored = written.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    if stored.is_err() {
        drain(frames).await;
    }
    stored
}

/// Passes a body on, piece by piece, to whoever writes it; ends early where that one has failed, which
/// it says itself.
pub(super) async fn pass_on(
    first: Bytes,
    frames: &mut BodyDataStream,
    sender: mpsc::Sender<Piece>,
) -> Result<(), Refusal> {
    let mut piece = Piece::Bytes(first);
    let pause = Duration::from_millis(BODY_MS_MAX);
    while sender.send(piece).await.is_ok() {
        piece = match tokio::time::timeout(pause, frames.next()).await {
            Ok(Some(Ok(frame))) => Piece::Bytes(frame),
            Ok(None) => {
                let _ = sender.send(Piece::End).await;
                break;
            }
            Ok(Some(Err(error))) => {
                return Err(malformed(format!("the body was cut off: {error}")));
            }
            Err(_) => return Err(malformed(format!("the body paused for {BODY_MS_MAX} ms"))),
        };
    }
    Ok(())
}

/// Writes pieces until the last, and looks at the free disk now and then.
fn write(mut pieces: mpsc::Receiver<Piece>, writer: &mut ContentsWriter) -> Result<(), Refusal> {
    let mut looked = 0;
    loop {
        match pieces.blocking_recv() {
            Some(Piece::Bytes(bytes)) => {
                let error = writer.write_all(&bytes).err().map(ContentsError::from);
                error.map_or(Ok(()), |error| Err(refusal(&error)))?;
            }
            Some(Piece::End) => return Ok(()),
            None => return Err(malformed("the body was cut off")),
        }
        if writer.written() >= looked + LOOK_BYTES {
            looked = writer.written();
            has_room(writer.contents().dir(), 0)?;
        }
    }
}

/// Whether contents of at least this length are accepted and have room on the disk.
fn fits(api: &Api, bytes: u64) -> Result<(), Refusal> {
    let max = api.0.config.contents_bytes_max;
    if bytes > max {
        return Err(refusal(&ContentsError::TooLarge { bytes, max }));
    }
    has_room(api.0.config.contents.dir(), bytes)
}

fn has_room(dir: &std::path::Path, bytes: u64) -> Result<(), Refusal> {
    // A file system that does not say how much is free says so when it is full.
    let Ok(disk) = rustix::fs::statvfs(dir) else {
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    // With the hashes, 64 bytes for each group of 16 KiB.
    let needed = bytes.saturating_add(bytes / 256);
    if needed.saturating_add(DISK_RESERVE_BYTES) <= free {
        return Ok(());
    }
    let what =
        format!("{free} bytes are free on the disk, of which {DISK_RESERVE_BYTES} stay free");
    Err(Refusal::new(Code::DiskFull, what).hint("free space on the disk of the data folder"))
}

/// What was wrong with contents, as everyone else says it.
fn refusal(error: &ContentsError) -> Refusal {
    let what = error.to_string();
    match error {
        ContentsError::TooLarge { .. } => Refusal::new(Code::TooLarge, what)
            .hint("send them in pieces, or start the node so that it accepts more"),
        ContentsError::Unexpected { .. } => Refusal::new(Code::Malformed, what)
            .hint("they were damaged on the way, or are others: send them again"),
        ContentsError::Missing { digest } => Refusal::new(Code::Unknown, what)
            .who(digest)
            .hint("what nothing needs is removed after an hour"),
        ContentsError::Corrupt { digest, .. } => Refusal::new(Code::Corrupt, what)
            .who(digest)
            .hint("send them to `/v1/contents` again, which heals them"),
        ContentsError::Full { .. } => {
            Refusal::new(Code::DiskFull, what).hint("free space on the disk of the data folder")
        }
        _ => Refusal::new(Code::Io, what),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ByReference {
    #[serde(rename = "ref")]
    digest: String,
}

/// The contents of a message: the body, or what it names.
pub(super) async fn of_message(
    api: &Api,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Contents, Option<OwnedSemaphorePermit>), Refusal> {
    let of_type = headers.get(header::CONTENT_TYPE);
    let named = of_type.and_then(|of_type| of_type.to_str().ok()?.split(';').next());
    if named.is_some_and(|named| named.trim().eq_ignore_ascii_case(REFERENCE_TYPE)) {
        const NAMED_BYTES_MAX: usize = 1_024;
        let (bytes, _) = read(body, NAMED_BYTES_MAX, "a reference", api).await?;
        let named: ByReference = serde_json::from_slice(&bytes).map_err(|error| {
            malformed(format!("the body: {error}")).hint(r#"a reference is `{"ref": DIGEST}`"#)
        })?;
        return Ok((named_contents(api, digest(&named.digest)?).await?, None));
    }
    let hint = body.size_hint();
    if hint
        .upper()
        .is_some_and(|bytes| bytes <= CONTENTS_INLINE_MAX as u64)
    {
        let (bytes, room) = read(body, CONTENTS_INLINE_MAX, "a message", api).await?;
        return Ok((bytes.into(), Some(room)));
    }
    take_in_from(api, body, hint.lower() > CONTENTS_INLINE_MAX as u64).await
}

/// A body whose length is not known, or known to be long: in memory up to a bound, else on disk.
async fn take_in_from(
    api: &Api,
    body: Body,
    is_long: bool,
) -> Result<(Contents, Option<OwnedSemaphorePermit>), Refusal> {
    if is_long {
        let contents = api
            .until_stop(take_in(api, BytesMut::new(), body, None))
            .await?;
        return Ok((contents, None));
    }
    let room = super::extract::room(api, CONTENTS_INLINE_MAX)?;
    let mut first = BytesMut::new();
    let mut frames = body.into_data_stream();
    let pause = Duration::from_millis(BODY_MS_MAX);
    while first.len() <= CONTENTS_INLINE_MAX {
        match tokio::time::timeout(pause, frames.next()).await {
            Ok(None) => return Ok((first.freeze().into(), Some(room))),
            Ok(Some(Ok(frame))) => first.extend_from_slice(&frame),
            Ok(Some(Err(error))) => {
                return Err(malformed(format!("the body was cut off: {error}")));
            }
            Err(_) => return Err(malformed(format!("the body paused for {BODY_MS_MAX} ms"))),
        }
    }
    let rest = Body::from_stream(frames);
    let contents = api.until_stop(take_in(api, first, rest, None)).await?;
    Ok((contents, None))
}

/// Contents that are here; short ones travel inside the message.
async fn named_contents(api: &Api, digest: Digest) -> Result<Contents, Refusal> {
    let (runtime, contents) = (api.runtime().clone(), api.0.config.contents.clone());
    blocking(move || {
        let named = runtime.contents(digest)?;
        if named.total() > CONTENTS_INLINE_MAX as u64 {
            return Ok(named);
        }
        let read = contents.read(digest, 0, CONTENTS_INLINE_MAX);
        read.map(Contents::from).map_err(|error| refusal(&error))
    })
    .await
}

/// Gives contents out, or a range of them; verified before the first byte leaves, and piece by piece.
pub(super) async fn give(
    State(api): State<Api>,
    method: Method,
    headers: HeaderMap,
    Which(digest): Which,
) -> Answer<Response> {
    let place = api.0.downloads.clone().try_acquire_owned().map_err(|_| {
        Refusal::new(
            Code::Busy,
            "the node is giving out as many contents as it can",
        )
        .hint("try again in a moment")
    })?;
    let contents = api.0.config.contents.clone();
    let reader = blocking(move || contents.reader(digest).map_err(|error| refusal(&error)));
    let mut reader = reader.await?;
    let total = reader.total();
    let about = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, format!("\"{digest}\"")),
        // Bytes of strangers: no browser is to make a page of them.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_DISPOSITION, "attachment".to_owned()),
    ];
    let asked = headers
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok());
    let (status, from, until) = match asked.map_or(Range::All, |asked| Range::of(asked, total)) {
        Range::All => (StatusCode::OK, 0, total),
        Range::Some { from, until } => (StatusCode::PARTIAL_CONTENT, from, until),
        Range::Beyond => {
            let what = format!("the contents have {total} bytes, none of them in that range");
            let mut refused = Failure::from(malformed(what))
                .status(StatusCode::RANGE_NOT_SATISFIABLE)
                .into_response();
            if let Ok(range) = format!("bytes */{total}").parse() {
                refused.headers_mut().insert(header::CONTENT_RANGE, range);
            }
            return Ok(refused);
        }
    };
    let length = [(header::CONTENT_LENGTH, (until - from).to_string())];
    let range = match status {
        StatusCode::PARTIAL_CONTENT => format!("bytes {from}-{}/{total}", until - 1).parse().ok(),
        _ => None,
    };
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        reader.skip_to(from);
        let going = Going {
            reader,
            left: until - from,
            _place: place,
        };
        let (first, going) = going.next().await?;
        let rest = stream::try_unfold(going, |going| async move {
            if going.left == 0 {
                return Ok(None);
            }
            going.next().await.map(Some).map_err(|refused| {
                tracing::error!(code = %refused.code, what = refused.what, "contents were cut off");
                std::io::Error::other(refused.what)
            })
        });
        Body::from_stream(stream::once(async { Ok(first) }).chain(rest))
    };
    let mut answer = (status, about, length, body).into_response();
    if let Some(range) = range {
        answer.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    Ok(answer)
}

/// Contents on their way out.
struct Going {
    reader: ContentsReader,
    left: u64,
    /// Its place among those that are given out.
    _place: OwnedSemaphorePermit,
}

impl Going {
    /// The next piece; no thread waits while nobody takes it.
    async fn next(mut self) -> Result<(Bytes, Self), Refusal> {
        blocking(move || {
            let piece = self
                .reader
                .next(self.left)
                .map_err(|error| refusal(&error))?;
            if piece.is_empty() && self.left > 0 {
                return Err(Refusal::new(
                    Code::Corrupt,
                    "the contents ended before their end",
                ));
            }
            self.left -= piece.len() as u64;
            Ok((piece, self))
        })
        .await
    }
}

/// What a `Range` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// Everything: none was asked for, several were, or what was asked for makes no sense; RFC 9110 §14.2.
    All,
    /// From the first byte to the one after the last.
    Some { from: u64, until: u64 },
    /// Nothing that there is.
    Beyond,
}

impl Range {
    pub(super) fn of(text: &str, total: u64) -> Self {
        let Some((first, last)) = text.strip_prefix("bytes=").and_then(|r| r.split_once('-'))
        else {
            return Self::All;
        };
        let number = |text: &str| match text.trim() {
            "" => Some(None),
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse::<u64>().ok().map(Some)
            }
            _ => None,
        };
        let (from, until) = match (number(first), number(last)) {
            (Some(Some(from)), Some(None)) => (from, total),
            (Some(Some(from)), Some(Some(last))) if from <= last => {
                (from, last.saturating_add(1).min(total))
            }
            (Some(None), Some(Some(len))) => (total.saturating_sub(len), total),
            _ => return Self::All,
        };
        if from >= until {
            return Self::Beyond;
        }
        Self::Some { from, until }
    }
}

#[derive(Serialize)]
pub(super) struct PinView {
    digest: String,
    pinned: bool,
}

/// Keeps contents, whether anything needs them or not.
pub(super) async fn pin(State(api): State<Api>, Which(digest): Which) -> Answer<Answered<PinView>> {
    set_pin(&api, digest, true).await
}

/// Keeps contents no longer than something needs them.
pub(super) async fn unpin(
    State(api): State<Api>,
    Which(digest): Which,
) -> Answer<Answered<PinView>> {
    set_pin(&api, digest, false).await
}

async fn set_pin(api: &Api, digest: Digest, pinned: bool) -> Answer<Answered<PinView>> {
    let (runtime, contents) = (api.runtime().clone(), api.0.config.contents.clone());
    blocking(move || {
        let _held = runtime.contents(digest)?;
        contents
            .pin(digest, pinned)
            .map_err(|error| refusal(&error))
    })
    .await?;
    Ok(Answered(PinView {
        digest: digest.to_string(),
        pinned,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SweepParams {
    idle: Option<u64>,
}

/// Removes contents that nothing needs.
pub(super) async fn sweep(
    State(api): State<Api>,
    Params(params): Params<SweepParams>,
) -> Answer<Answered<Swept>> {
    let idle_ms = params.idle.unwrap_or(CONTENTS_IDLE_MS);
    Ok(Answered(api.runtime().sweep_contents(idle_ms).await?))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood() {
        let some = |from, until| Range::Some { from, until };
        for (text, range) in [
            ("bytes=0-", some(0, 100)),
            ("bytes=10-19", some(10, 20)),
            ("bytes=90-1000", some(90, 100)),
            ("bytes=90-18446744073709551615", some(90, 100)),
            ("bytes=-5", some(95, 100)),
            ("bytes=-500", some(0, 100)),
            ("bytes=100-", Range::Beyond),
            ("bytes=-0", Range::Beyond),
            ("bytes=5-4", Range::All),
            ("bytes=0-1,5-6", Range::All),
            ("bytes=-", Range::All),
            ("bytes=+1-2", Range::All),
            ("lines=1-2", Range::All),
            ("", Range::All),
        ] {
            assert_eq!(Range::of(text, 100), range, "{text}");
        }
        assert_eq!(Range::of("bytes=0-", 0), Range::Beyond);
    }
}
