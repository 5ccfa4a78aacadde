//! The parts of a form as the files of a collection.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};
use bytes::Buf;
use futures_util::Stream;
use tokio::sync::mpsc;

use super::super::extract::BODY_MS_MAX;
use super::answer::{Answer, Refused};
use super::collection::{Each, Head, clean};

/// Pieces of a form that wait for whoever reads them.
const PIECES: usize = 4;
/// Most bytes between two parts: the headers of the one, and what the library read ahead of the other.
const BETWEEN_BYTES_MAX: usize = 1024 * 1024;

/// What came in of a form.
enum Piece {
    File(Head),
    Bytes(Bytes),
    FileEnd,
    End,
}

/// A form's files, one after the other. Reading blocks.
pub(super) struct Form(mpsc::Receiver<Piece>);

impl Form {
    /// Does something with each file.
    pub(super) fn for_each(&mut self, each: Each<'_>) -> Answer<()> {
        loop {
            match self.0.blocking_recv() {
                Some(Piece::File(head)) => {
                    let mut part = Part {
                        pieces: &mut self.0,
                        current: Bytes::new(),
                        ended: false,
                    };
                    each(head, &mut part)?;
                    // Whoever does not read to the end leaves nothing for the next.
                    io::copy(&mut part, &mut io::sink())
                        .map_err(|error| Refused::bad(error.to_string()))?;
                }
                Some(Piece::End) => return Ok(()),
                Some(Piece::Bytes(_) | Piece::FileEnd) | None => {
                    return Err(Refused::bad("the body was cut off"));
                }
            }
        }
    }
}

/// One part of a form.
struct Part<'f> {
    pieces: &'f mut mpsc::Receiver<Piece>,
    current: Bytes,
    ended: bool,
}

impl Read for Part<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.current.has_remaining() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.current = bytes,
                Some(Piece::FileEnd) => self.ended = true,
                Some(Piece::File(_) | Piece::End) | None => {
                    return Err(io::Error::other("the body was cut off"));
                }
            }
        }
        let taken = out.len().min(self.current.len());
        self.current.copy_to_slice(&mut out[..taken]);
        Ok(taken)
    }
}

/// Does blocking work on the files of a form while they come in.
///
/// # Errors
/// What the work says, or 400 for a form that is none or broke off.
pub(super) async fn read_form_with<T: Send + 'static>(
    request: Request,
    work: impl FnOnce(&mut Form) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let between = Arc::new(AtomicUsize::new(0));
    let (head, body) = request.into_parts();
    let frames = Paced {
        frames: body.into_data_stream(),
        rests: false,
        between: between.clone(),
    };
    let request = Request::from_parts(head, Body::from_stream(frames));
    let form = Multipart::from_request(request, &())
        .await
        .map_err(|error| {
            Refused::bad("invalid content-type").because("content-type", error.body_text())
        })?;
    let (sender, pieces) = mpsc::channel(PIECES);
    let worked = tokio::task::spawn_blocking(move || work(&mut Form(pieces)));
    pass_on(form, &sender, &between).await?;
    drop(sender);
    worked
        .await
        .map_err(|error| Refused::failed("the request was not finished", &error))?
}

/// Passes parts on until the last, or until nobody takes them any more.
async fn pass_on(
    mut form: Multipart,
    sender: &mpsc::Sender<Piece>,
    between: &AtomicUsize,
) -> Answer<()> {
    loop {
        between.store(0, Ordering::Relaxed);
        let Some(mut field) = in_time(form.next_field()).await? else {
            let _ = sender.send(Piece::End).await;
            return Ok(());
        };
        let Some(head) = head_of(&field)? else {
            continue;
        };
        if sender.send(Piece::File(head)).await.is_err() {
            return Ok(());
        }
        loop {
            between.store(0, Ordering::Relaxed);
            let piece = match in_time(field.chunk()).await? {
                Some(bytes) => Piece::Bytes(bytes),
                None => Piece::FileEnd,
            };
            let last = matches!(piece, Piece::FileEnd);
            if sender.send(piece).await.is_err() {
                return Ok(());
            }
            if last {
                break;
            }
        }
    }
}

/// What a part's headers say: the path is the file's name, or that of the part.
fn head_of(field: &Field<'_>) -> Answer<Option<Head>> {
    let name = field.file_name().filter(|name| !name.is_empty());
    let path = name.or(field.name()).unwrap_or_default();
    Ok(clean(path.as_bytes())?.map(|path| Head {
        path,
        content_type: field.content_type().map(str::to_owned),
    }))
}

async fn in_time<T>(next: impl Future<Output = Result<T, MultipartError>>) -> Answer<T> {
    let pause = Duration::from_millis(BODY_MS_MAX);
    match tokio::time::timeout(pause, next).await {
        Ok(Ok(next)) => Ok(next),
        Ok(Err(error)) => {
            Err(Refused::bad("the form is broken").because("body", error.body_text()))
        }
        Err(_) => Err(Refused::bad("the body was cut off")
            .because("body", format!("it paused for {BODY_MS_MAX} ms"))),
    }
}

/// A body that gives one piece at a time, and not too many before a part is found in them: the library
/// would otherwise read ahead as fast as the network gives.
struct Paced {
    frames: BodyDataStream,
    /// Whether it gives nothing at the next look, so that what it gave is taken first.
    rests: bool,
    /// Bytes given since a part, or a piece of one, was found.
    between: Arc<AtomicUsize>,
}

impl Stream for Paced {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let frame = std::task::ready!(Pin::new(&mut self.frames).poll_next(cx));
        if let Some(Ok(bytes)) = &frame {
            self.rests = true;
            let before = self.between.fetch_add(bytes.len(), Ordering::Relaxed);
            if before > BETWEEN_BYTES_MAX {
                let why = format!("more than {BETWEEN_BYTES_MAX} bytes and no part of a form");
                return Poll::Ready(Some(Err(axum::Error::new(io::Error::other(why)))));
            }
        }
        Poll::Ready(frame)
    }
}
