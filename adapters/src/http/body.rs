//! Bodies that are read as they are sent.

use std::io::{self, Read};

use bytes::Bytes;
use reqwest::Body;
use tokio::sync::mpsc;

use super::{PIECE_BYTES, PIECES_MAX};

/// A body, and where its pieces go in.
pub(super) fn pipe() -> (mpsc::Sender<io::Result<Bytes>>, Body) {
    let (pieces, taken) = mpsc::channel(PIECES_MAX);
    let stream = futures_util::stream::unfold(taken, async |mut taken: mpsc::Receiver<_>| {
        let piece: io::Result<Bytes> = taken.recv().await?;
        Some((piece, taken))
    });
    (pieces, Body::wrap_stream(stream))
}

/// Reads a piece that is as large as can be; an empty one at the end.
pub(super) fn read_piece(input: &mut dyn Read) -> io::Result<Bytes> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    input.take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
    Ok(piece.into())
}

/// Checks a piece against what is left of the length that was told; an empty one is the end.
pub(super) fn fits(piece: Bytes, left: &mut Option<u64>) -> io::Result<Bytes> {
    let Some(left) = left else {
        return Ok(piece);
    };
    match left.checked_sub(piece.len() as u64) {
        None => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is longer than it was said to be",
        )),
        Some(missing) if piece.is_empty() && missing > 0 => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("{missing} bytes are missing at its end"),
        )),
        Some(rest) => {
            *left = rest;
            Ok(piece)
        }
    }
}
