//! The body of a request as a reader for a thread that may block.

use std::io::{self, Read};
use std::time::Duration;

use axum::body::{Body, Bytes};
use bytes::Buf;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::super::extract::{BODY_MS_MAX, drain};
use super::answer::{Answer, Refused};

/// Pieces of a body that wait for whoever reads them.
const PIECES: usize = 4;

/// What came in of a body.
enum Piece {
    Bytes(Bytes),
    /// Nothing is missing. Without it a body that was cut off would look whole.
    End,
}

/// A body, piece by piece. Reading blocks.
pub(super) struct Incoming {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    ended: bool,
}

impl Read for Incoming {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.current.has_remaining() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.current = bytes,
                Some(Piece::End) => self.ended = true,
                None => return Err(io::Error::other("the body was cut off")),
            }
        }
        let taken = out.len().min(self.current.len());
        self.current.copy_to_slice(&mut out[..taken]);
        Ok(taken)
    }
}

/// Does blocking work on a body while it comes in. Memory: a few pieces as the network gives them.
///
/// # Errors
/// What the work says, or 400 for a body that broke off or paused for [`BODY_MS_MAX`].
pub(super) async fn read_with<T: Send + 'static>(
    body: Body,
    work: impl FnOnce(&mut Incoming) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let mut frames = body.into_data_stream();
    let done = read_stream_with(&mut frames, work).await;
    if done.is_err() {
        drain(frames).await;
    }
    done
}

/// As [`read_with`], on part of a body: until the stream ends, or the work does.
pub(super) async fn read_stream_with<T: Send + 'static, E: std::fmt::Display>(
    frames: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    work: impl FnOnce(&mut Incoming) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let (sender, pieces) = mpsc::channel(PIECES);
    let worked = tokio::task::spawn_blocking(move || {
        let mut incoming = Incoming {
            pieces,
            current: Bytes::new(),
            ended: false,
        };
        work(&mut incoming)
    });
    pass_on(frames, sender).await?;
    worked
        .await
        .map_err(|error| Refused::failed("the request was not finished", &error))?
}

/// Passes pieces on until the last, or until nobody takes them any more.
async fn pass_on<E: std::fmt::Display>(
    frames: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    sender: mpsc::Sender<Piece>,
) -> Answer<()> {
    let pause = Duration::from_millis(BODY_MS_MAX);
    loop {
        let piece = match tokio::time::timeout(pause, frames.next()).await {
            Ok(Some(Ok(frame))) => Piece::Bytes(frame),
            Ok(None) => Piece::End,
            Ok(Some(Err(error))) => {
                return Err(Refused::bad("the body was cut off").because("body", error.to_string()));
            }
            Err(_) => {
                let why = format!("it paused for {BODY_MS_MAX} ms");
                return Err(Refused::bad("the body was cut off").because("body", why));
            }
        };
        let last = matches!(piece, Piece::End);
        if sender.send(piece).await.is_err() || last {
            return Ok(());
        }
    }
}
