//! What handlers take from a request, checked once: the VC it is about, its parameters, its body.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use genesis::id::{MessageId, VcId};
use genesis::limits::CONTENTS_INLINE_MAX;
use genesis::refusal::{Code, Refusal};
use genesis::wire::VALUE_BYTES_MAX;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use tokio::sync::OwnedSemaphorePermit;

use super::Api;
use super::failure::{Failure, clip, malformed};
use super::vcs::receiver;
use crate::worlds::Within;

/// Longest JSON body, in bytes, where nothing else is said: refuse. Room for a part of
/// [`CONTENTS_INLINE_MAX`] in base64, and then some.
pub const JSON_BYTES_MAX: usize = 256 * 1024;
/// Longest body of a spawn, in bytes: an image of [`VALUE_BYTES_MAX`] in base64. Refuse.
pub const SPAWN_BYTES_MAX: usize = VALUE_BYTES_MAX / 3 * 4 + JSON_BYTES_MAX;
/// How long a body may pause, in milliseconds: refuse.
pub const BODY_MS_MAX: u64 = 30_000;
/// How many bytes of a body that is too large are read before it is refused, and thrown away.
const DRAIN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// For how long, in milliseconds.
const DRAIN_MS_MAX: u64 = 1_000;

const _: () = assert!(CONTENTS_INLINE_MAX / 3 * 4 < JSON_BYTES_MAX / 2);

/// The VC that the path names.
pub(super) struct Vc(pub(super) VcId);

impl FromRequestParts<Api> for Vc {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let name = segment(parts, api).await?;
        Ok(Self(api.runtime().resolve(&name).await?))
    }
}

/// A VC, or who lives within a world.
pub(super) enum Whom {
    /// A VC.
    Vc(VcId),
    /// A cohort or an agent, and how it was named.
    Within(Within, String),
}

impl FromRequestParts<Api> for Whom {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let name = segment(parts, api).await?;
        Ok(match api.worlds().within(&name).await? {
            Some(within) => Self::Within(within, name),
            None => Self::Vc(api.runtime().resolve(&name).await?),
        })
    }
}

/// Whom a message is for, which the path names: a VC, a place in pods where one sleeps, or who lives within a world.
pub(super) enum Receiver {
    /// A VC.
    Vc(VcId),
    /// An agent of a world.
    Within(Within),
}

impl FromRequestParts<Api> for Receiver {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let name = segment(parts, api).await?;
        Ok(match api.worlds().within(&name).await? {
            Some(within) => Self::Within(within),
            None => Self::Vc(receiver(api, &name).await?),
        })
    }
}

/// The message that the path names.
pub(super) struct Msg(pub(super) MessageId);

impl FromRequestParts<Api> for Msg {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let text = segment(parts, api).await?;
        Ok(Self(message_id(&text)?))
    }
}

/// Reads a message's id.
pub(super) fn message_id(text: &str) -> Result<MessageId, Refusal> {
    text.parse().map_err(|error| {
        malformed(format!("`{}` is not a message's id: {error}", clip(text))).who(clip(text))
    })
}

/// The one variable segment of the path, decoded.
pub(super) async fn segment(parts: &mut Parts, api: &Api) -> Result<String, Refusal> {
    match Path::<String>::from_request_parts(parts, api).await {
        Ok(Path(text)) => Ok(text),
        Err(rejection) => Err(malformed(format!("the path: {}", rejection.body_text()))),
    }
}

/// The parameters behind the `?`.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Failure> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(
                malformed(format!("the parameters: {}", rejection.body_text()))
                    .hint("`/openapi.json` lists the parameters of every endpoint")
                    .into(),
            ),
        }
    }
}

/// A parameter that is on as `?all`, `?all=1` or `?all=true`.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" | "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(serde::de::Error::custom("expected true or false")),
    }
}

/// A JSON body of at most `MAX` bytes; an empty one is `{}`.
pub(super) struct Json<T, const MAX: usize = JSON_BYTES_MAX>(pub(super) T);

impl<T: DeserializeOwned, const MAX: usize> FromRequest<Api> for Json<T, MAX> {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Failure> {
        let (bytes, _room) = read(request.into_body(), MAX, "a body of this kind", api).await?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| {
            malformed(format!("the body: {error}"))
                .hint("`/openapi.json` has the schema of every body")
                .into()
        })
    }
}

/// Reads on for a while and keeps nothing: a connection that is closed on a client that still writes
/// takes the refusal away before it was read.
pub(super) async fn drain(mut frames: BodyDataStream) {
    let mut left = DRAIN_BYTES_MAX;
    let drained = async {
        while let Some(Ok(frame)) = frames.next().await {
            left = left.saturating_sub(frame.len());
            if left == 0 {
                return;
            }
        }
    };
    // Whoever is slower than this has to do without the reason.
    let _ = tokio::time::timeout(Duration::from_millis(DRAIN_MS_MAX), drained).await;
}

/// Room in memory for so many bytes of a body.
///
/// # Errors
/// [`Code::Busy`] if the bodies of other requests take it.
pub(super) fn room(api: &Api, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
    u32::try_from(bytes.div_ceil(1024))
        .ok()
        .and_then(|kib| api.0.bodies_kib.clone().try_acquire_many_owned(kib).ok())
        .ok_or_else(|| {
            Refusal::new(
                Code::Busy,
                "the node is reading as many bodies as it has memory for",
            )
            .hint("try again in a moment")
        })
}

/// Reads a body of at most `bytes_max` bytes, as it comes in; the permit is its room in memory.
///
/// # Errors
/// [`Code::TooLarge`] before the first byte if its length is announced, else as soon as it is longer;
/// [`Code::Busy`] if the bodies of other requests take the memory; [`Code::Malformed`] if it is cut off
/// or pauses for longer than [`BODY_MS_MAX`].
pub(super) async fn read(
    body: Body,
    bytes_max: usize,
    what: &str,
    api: &Api,
) -> Result<(Bytes, OwnedSemaphorePermit), Refusal> {
    let too_large = |size: &str| {
        Refusal::new(
            Code::TooLarge,
            format!("{what} has at most {bytes_max} bytes, this one {size}"),
        )
    };
    let hint = body.size_hint();
    if hint.lower() > bytes_max as u64 {
        let size = hint.lower();
        drain(body.into_data_stream()).await;
        return Err(too_large(&format!("has {size}")));
    }
    let announced = hint.exact().and_then(|len| usize::try_from(len).ok());
    let room = room(api, announced.unwrap_or(bytes_max))?;
    let mut bytes = BytesMut::with_capacity(announced.unwrap_or_default());
    let mut frames = body.into_data_stream();
    let pause = Duration::from_millis(BODY_MS_MAX);
    loop {
        match tokio::time::timeout(pause, frames.next()).await {
            Ok(None) => return Ok((bytes.freeze(), room)),
            Ok(Some(Ok(frame))) if bytes.len() + frame.len() <= bytes_max => {
                bytes.extend_from_slice(&frame);
            }
            Ok(Some(Ok(_))) => {
                drain(frames).await;
                return Err(too_large("has more"));
            }
            Ok(Some(Err(error))) => {
                return Err(malformed(format!("the body was cut off: {error}")));
            }
            Err(_) => return Err(malformed(format!("the body paused for {BODY_MS_MAX} ms"))),
        }
    }
}
