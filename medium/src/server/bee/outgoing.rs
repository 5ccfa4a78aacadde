//! Contents on their way out: all of them or a range, piece by piece.

use std::sync::Arc;

use adapters::swarm::chunk::Chunk;
use adapters::swarm::joiner::Joiner;
use adapters::swarm::store::ChunkStore;
use adapters::swarm::{Reference, SwarmError};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use tokio::sync::OwnedSemaphorePermit;

use super::super::contents::Range;
use super::answer::{Answer, Refused, set};
use super::{BeeApi, blocking};

/// Bytes of contents that are read at one time: what one node above leaves spans.
const PIECE_BYTES: u64 = 512 * 1024;

/// Where contents begin.
#[derive(Clone, Debug)]
pub(super) enum Root {
    /// In the store.
    Named(Reference),
    /// In a single-owner chunk: the root is at hand, what is below it in the store.
    Wrapped(Chunk),
}

impl Root {
    fn open<'s>(&self, store: &'s dyn ChunkStore) -> Result<Joiner<'s>, SwarmError> {
        match self {
            Self::Named(reference) => Joiner::open(store, *reference),
            Self::Wrapped(chunk) => Joiner::of(store, chunk),
        }
    }

    /// What an entity tag says of the contents.
    fn tag(&self) -> String {
        match self {
            Self::Named(reference) => format!("\"{reference}\""),
            Self::Wrapped(chunk) => format!("\"{}\"", chunk.address()),
        }
    }
}

/// Gives contents out, with the headers in `about`. The first piece is read before anything is answered, so
/// contents that are not here are a 404; what is found missing or damaged later breaks the answer off.
pub(super) async fn give(
    api: &BeeApi,
    method: &Method,
    asked: &HeaderMap,
    root: Root,
    mut about: HeaderMap,
) -> Answer<Response> {
    let place = api.download()?;
    let opened = root.clone();
    let total = blocking(api, move |store| Ok(opened.open(store)?.len())).await?;
    let tag = root.tag();
    about
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/octet-stream"));
    about.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Bytes of strangers: a browser takes them for what they are said to be, and for nothing else.
    about.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // A feed's contents change under one address, so only a reference is a tag.
    if matches!(root, Root::Named(_))
        && let Ok(tag) = HeaderValue::from_str(&tag)
    {
        if asked.get(header::IF_NONE_MATCH) == Some(&tag) {
            about.insert(header::ETAG, tag);
            return Ok((StatusCode::NOT_MODIFIED, about).into_response());
        }
        about.insert(header::ETAG, tag);
    }
    let is_current = asked
        .get(header::IF_RANGE)
        .is_none_or(|wanted| wanted.as_bytes() == tag.as_bytes());
    let range = asked
        .get(header::RANGE)
        .filter(|_| is_current && *method == Method::GET)
        .and_then(|range| range.to_str().ok())
        .map_or(Range::All, |range| Range::of(range, total));
    let (status, from, until) = match range {
        Range::All => (StatusCode::OK, 0, total),
        Range::Some { from, until } => (StatusCode::PARTIAL_CONTENT, from, until),
        Range::Beyond => {
            let what = format!("the contents have {total} bytes, none of them in that range");
            let mut refused = Refused::new(StatusCode::RANGE_NOT_SATISFIABLE, what).into_response();
            set(
                &mut refused,
                header::CONTENT_RANGE,
                &format!("bytes */{total}"),
            );
            return Ok(refused);
        }
    };
    let body = if *method == Method::HEAD {
        Body::empty()
    } else {
        let going = Going {
            api: api.clone(),
            root,
            at: from,
            until,
            place: Arc::new(place),
        };
        going.into_body().await?
    };
    let mut answer = (status, about, body).into_response();
    set(
        &mut answer,
        header::CONTENT_LENGTH,
        &(until - from).to_string(),
    );
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {from}-{}/{total}", until - 1);
        set(&mut answer, header::CONTENT_RANGE, &range);
    }
    Ok(answer)
}

/// Contents that are given out.
struct Going {
    api: BeeApi,
    root: Root,
    at: u64,
    until: u64,
    /// Their place among all that is given out; shared with the piece that is being read.
    place: Arc<OwnedSemaphorePermit>,
}

impl Going {
    async fn into_body(self) -> Answer<Body> {
        let (first, going) = self.next().await?;
        let rest = stream::try_unfold(going, |going| async move {
            if going.at >= going.until {
                return Ok(None);
            }
            going.next().await.map(Some).map_err(|refused| {
                tracing::error!(?refused, "contents were cut off");
                std::io::Error::other("contents were cut off")
            })
        });
        Ok(Body::from_stream(
            stream::once(async { Ok::<_, std::io::Error>(first) }).chain(rest),
        ))
    }

    /// The next piece. No thread waits while nobody takes it, which is why each opens the contents anew: one
    /// or two chunks more for 128.
    async fn next(mut self) -> Answer<(Bytes, Self)> {
        let (at, until) = (self.at, self.until);
        let end = until.min((at / PIECE_BYTES + 1) * PIECE_BYTES);
        let (root, place) = (self.root.clone(), self.place.clone());
        let piece = blocking(&self.api, move |store| {
            let _place = place;
            let mut piece = vec![0; usize::try_from(end - at).unwrap_or(0)];
            let read = root.open(store)?.read_at(at, &mut piece)?;
            if read < piece.len() {
                return Err(Refused::failed(
                    "joiner failed",
                    &"contents ended before their end",
                ));
            }
            Ok(Bytes::from(piece))
        })
        .await?;
        self.at = end;
        Ok((piece, self))
    }
}
