//! What Bee's headers and paths say, checked once.
//!
//! Rule: Bee `pkg/api/api.go` (the names of headers), `pkg/api/util.go` (how values are read).

use std::str::FromStr;

use adapters::swarm::keccak::Hash;
use adapters::swarm::sign::Owner;
use adapters::swarm::{HASH_BYTES, Reference};
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::de::DeserializeOwned;

use super::answer::{Answer, Refused, shown};

pub(super) const BATCH_ID: &str = "swarm-postage-batch-id";
pub(super) const STAMP: &str = "swarm-postage-stamp";
pub(super) const TAG: &str = "swarm-tag";
pub(super) const PIN: &str = "swarm-pin";
pub(super) const ENCRYPT: &str = "swarm-encrypt";
pub(super) const DEFERRED: &str = "swarm-deferred-upload";
pub(super) const REDUNDANCY: &str = "swarm-redundancy-level";
pub(super) const COLLECTION: &str = "swarm-collection";
pub(super) const INDEX_DOCUMENT: &str = "swarm-index-document";
pub(super) const ERROR_DOCUMENT: &str = "swarm-error-document";
pub(super) const FEED_INDEX: &str = "swarm-feed-index";
pub(super) const FEED_INDEX_NEXT: &str = "swarm-feed-index-next";
pub(super) const FEED_VERSION: &str = "swarm-feed-resolved-version";
pub(super) const SOC_SIGNATURE: &str = "swarm-soc-signature";
pub(super) const ONLY_ROOT_CHUNK: &str = "swarm-only-root-chunk";
const ACT: &str = "swarm-act";
const ACT_PUBLISHER: &str = "swarm-act-publisher";
const ACT_HISTORY: &str = "swarm-act-history-address";

/// Longest topic of a feed, in bytes. Bee sets none; 32 is what everybody uses.
const TOPIC_BYTES_MAX: usize = 256;

/// What an upload's headers say.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    /// The batch that pays, as the header has it; checked when the store is asked.
    pub(super) batch: Hash,
    /// The tag that counts what comes in; none: a new one.
    pub(super) tag: Option<u64>,
    pub(super) pin: bool,
    pub(super) encrypt: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Upload {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        let headers = &parts.headers;
        no_access_control(headers)?;
        check_redundancy(headers)?;
        // Here everything is stored when it is answered for: there is nothing to defer.
        let _ = flag(headers, DEFERRED)?;
        Ok(Self {
            batch: batch(headers)?,
            tag: tag(headers)?,
            pin: flag(headers, PIN)?,
            encrypt: flag(headers, ENCRYPT)?,
        })
    }
}

/// The batch that pays for an upload.
pub(super) fn batch(headers: &HeaderMap) -> Answer<Hash> {
    let text = text(headers, BATCH_ID)?
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Refused::header(BATCH_ID, "want required:"))?;
    batch_id(text).map_err(|bytes| match bytes {
        Some(bytes) => Refused::bad("invalid batch id")
            .because(BATCH_ID, format!("a batch id has 32 bytes, not {bytes}")),
        None => Refused::header(BATCH_ID, format!("invalid hex: {}", shown(text))),
    })
}

/// Reads a batch's id, or says how many bytes it has instead of 32, or that it is not hexadecimal.
pub(super) fn batch_id(text: &str) -> Result<Hash, Option<usize>> {
    let bytes = HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .map_err(|_| None)?;
    Hash::try_from(&bytes[..]).map_err(|_| Some(bytes.len()))
}

/// The tag that an upload counts in; 0 stands for none.
pub(super) fn tag(headers: &HeaderMap) -> Answer<Option<u64>> {
    let tag = number(headers, TAG)?;
    Ok(tag.filter(|tag| *tag != 0))
}

/// Refuses levels that this node does not make. Absent is 0 here, as it was in Bee before 2.8.1.
pub(super) fn check_redundancy(headers: &HeaderMap) -> Answer<()> {
    match number(headers, REDUNDANCY)?.unwrap_or(0) {
        0 => Ok(()),
        level @ 1..=4 => Err(Refused::bad(format!(
            "redundancy level {level} is not supported, only level 0 is"
        ))
        .because(
            REDUNDANCY,
            "send `Swarm-Redundancy-Level: 0`, or leave it out",
        )),
        level => Err(Refused::header(
            REDUNDANCY,
            format!("levels are 0 to 4, not {level}"),
        )),
    }
}

/// Refuses what asks for access control: served without it, it would be somebody else's contents.
pub(super) fn no_access_control(headers: &HeaderMap) -> Answer<()> {
    if flag(headers, ACT)?
        || headers.contains_key(ACT_PUBLISHER)
        || headers.contains_key(ACT_HISTORY)
    {
        return Err(Refused::unsupported("access control (`Swarm-Act`)"));
    }
    Ok(())
}

/// A header that says yes or no, in the ways Go reads; absent is no.
pub(super) fn flag(headers: &HeaderMap, name: &'static str) -> Answer<bool> {
    match text(headers, name)?.unwrap_or("false") {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" | "" => Ok(false),
        other => Err(Refused::header(
            name,
            format!("neither true nor false: {}", shown(other)),
        )),
    }
}

fn number(headers: &HeaderMap, name: &'static str) -> Answer<Option<u64>> {
    text(headers, name)?
        .filter(|text| !text.is_empty())
        .map(|text| {
            text.parse()
                .map_err(|_| Refused::header(name, format!("not a number: {}", shown(text))))
        })
        .transpose()
}

/// A header as text, without what is around it.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &'static str) -> Answer<Option<&'h str>> {
    headers
        .get(name)
        .map(|value| {
            value
                .to_str()
                .map(str::trim)
                .map_err(|_| Refused::header(name, "not text"))
        })
        .transpose()
}

/// Reads 64 or 128 hexadecimal digits of a path.
pub(super) fn reference(text: &str) -> Answer<Reference> {
    text.parse()
        .map_err(|error: adapters::swarm::SwarmError| Refused::path("address", error.to_string()))
}

/// Reads an owner.
pub(super) fn owner(text: &str) -> Answer<Owner> {
    text.parse()
        .map_err(|error: adapters::swarm::SwarmError| Refused::path("owner", error.to_string()))
}

/// Reads the id of a single-owner chunk.
pub(super) fn id(text: &str) -> Answer<Hash> {
    let bytes = hex("id", text)?;
    Hash::try_from(&bytes[..]).map_err(|_| {
        Refused::path(
            "id",
            format!("{HASH_BYTES} bytes are needed, not {}", bytes.len()),
        )
    })
}

/// Reads a feed's topic: as many bytes as somebody chose.
pub(super) fn topic(text: &str) -> Answer<Vec<u8>> {
    let bytes = hex("topic", text)?;
    if bytes.is_empty() || bytes.len() > TOPIC_BYTES_MAX {
        let why = format!(
            "1 to {TOPIC_BYTES_MAX} bytes are needed, not {}",
            bytes.len()
        );
        return Err(Refused::path("topic", why));
    }
    Ok(bytes)
}

fn hex(field: &'static str, text: &str) -> Answer<Vec<u8>> {
    HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .map_err(|_| Refused::path(field, format!("invalid hex: {}", shown(text))))
}

/// The variable parts of the path, decoded.
pub(super) struct Segments<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(rejection) => Err(Refused::path("path", rejection.body_text())),
        }
    }
}

/// The parameters behind the `?`. Those that nobody knows are ignored, as Bee does.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(Refused::query("query", rejection.body_text())),
        }
    }
}

/// A part of the path that is a number.
pub(super) fn segment<T: FromStr>(field: &'static str, text: &str) -> Answer<T> {
    text.parse()
        .map_err(|_| Refused::path(field, format!("not a number in range: {}", shown(text))))
}
