//! `/chunks` and `/soc`: single chunks as they are.

use adapters::swarm::chunk::{CHUNK_BYTES, Chunk};
use adapters::swarm::soc::{self, SOC_BYTES, Soc};
use adapters::swarm::store::ChunkStore;
use adapters::swarm::{Address, SPAN_BYTES, SwarmError};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::answer::{Answer, Refused, set, shown};
use super::ask::{
    BATCH_ID, ONLY_ROOT_CHUNK, Params, SOC_SIGNATURE, STAMP, Segments, batch, check_redundancy,
    flag, id, no_access_control, owner, tag,
};
use super::deposit::{Uploaded, Uploading};
use super::outgoing::{Root, give};
use super::{BeeApi, blocking, short_body};

/// `POST /chunks`: a content-addressed chunk, or, where it is too long for one, a single-owner chunk.
pub(super) async fn upload(
    State(api): State<BeeApi>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Uploaded> {
    let uploading = paid(&api, &headers)?;
    let bytes = short_body(body, *SOC_BYTES.end(), "a chunk").await?;
    if bytes.len() < SPAN_BYTES {
        return Err(Refused::bad("insufficient data length"));
    }
    blocking(&api, move |_| {
        if CHUNK_BYTES.contains(&bytes.len()) {
            let chunk = Chunk::from_bytes(bytes)?;
            uploading.store(|chunks| {
                chunks
                    .put(&[(chunk.address(), chunk.bytes())])
                    .map_err(|fault| chunks.refused(fault.into()))?;
                Ok(chunk.address().into())
            })
        } else {
            let chunk = Soc::from_bytes(bytes).map_err(|error| {
                Refused::bad("invalid soc chunk").because("body", error.to_string())
            })?;
            uploading.store(|chunks| chunks.put_single_owner(&chunk))
        }
    })
    .await
}

/// Lets a chunk's upload in.
fn paid(api: &BeeApi, headers: &HeaderMap) -> Answer<Uploading> {
    no_access_control(headers)?;
    check_redundancy(headers)?;
    if headers.contains_key(STAMP) && !headers.contains_key(BATCH_ID) {
        return Err(
            Refused::unsupported("a stamp signed elsewhere (`Swarm-Postage-Stamp`)").because(
                STAMP,
                "name a batch of this node by `Swarm-Postage-Batch-Id`",
            ),
        );
    }
    Uploading::of_chunk(api, batch(headers)?, tag(headers)?)
}

/// `GET /chunks/{address}`
pub(super) async fn download(
    State(api): State<BeeApi>,
    Segments(address): Segments<String>,
    method: Method,
) -> Answer<Response> {
    let address = address_of(&address)?;
    let only_look = method == Method::HEAD;
    let keeper = api.clone();
    let bytes = blocking(&api, move |store| {
        if only_look {
            let here = keeper.keeper().has(&address).map_err(SwarmError::from)?;
            return if here {
                Ok(Bytes::new())
            } else {
                Err(Refused::not_found("chunk not found"))
            };
        }
        let bytes = store
            .get(&address)
            .map_err(SwarmError::from)?
            .ok_or_else(|| Refused::not_found("chunk not found"))?;
        check(address, &bytes)?;
        Ok(bytes)
    })
    .await?;
    let kind = [(header::CONTENT_TYPE, "binary/octet-stream")];
    Ok((kind, bytes).into_response())
}

/// Refuses bytes that are not the chunk's, whichever kind it is.
fn check(address: Address, bytes: &Bytes) -> Answer<()> {
    if CHUNK_BYTES.contains(&bytes.len()) && Chunk::verify(address, bytes.clone()).is_ok() {
        return Ok(());
    }
    Soc::verify(address, bytes.clone())
        .map(|_| ())
        .map_err(|_| SwarmError::Corrupt { address }.into())
}

fn address_of(text: &str) -> Answer<Address> {
    text.parse()
        .map_err(|error: SwarmError| Refused::path("address", error.to_string()))
}

/// The parameters of `POST /soc/{owner}/{id}`.
#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    sig: Option<String>,
}

/// `POST /soc/{owner}/{id}?sig=`
pub(super) async fn upload_single_owner(
    State(api): State<BeeApi>,
    Segments((owner_text, id_text)): Segments<(String, String)>,
    Params(signed): Params<Signed>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Uploaded> {
    let (owner, id) = (owner(&owner_text)?, id(&id_text)?);
    let signature = signed
        .sig
        .ok_or_else(|| Refused::query("sig", "want required:"))?;
    let signature = signature.parse().map_err(|error: SwarmError| {
        Refused::query("sig", format!("{error}: {}", shown(&signature)))
    })?;
    let uploading = paid(&api, &headers)?;
    let bytes = short_body(body, *CHUNK_BYTES.end(), "a chunk").await?;
    if bytes.len() < SPAN_BYTES {
        return Err(Refused::bad("short chunk data"));
    }
    blocking(&api, move |_| {
        let chunk =
            Soc::signed(id, owner, signature, Chunk::from_bytes(bytes)?).map_err(|error| {
                Refused::new(StatusCode::UNAUTHORIZED, "invalid chunk")
                    .because("sig", error.to_string())
            })?;
        uploading.store(|chunks| chunks.put_single_owner(&chunk))
    })
    .await
}

/// `GET /soc/{owner}/{id}`: what the chunk in it stands for, or with `Swarm-Only-Root-Chunk` that chunk.
pub(super) async fn download_single_owner(
    State(api): State<BeeApi>,
    Segments((owner_text, id_text)): Segments<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Answer<Response> {
    let address = soc::address(&id(&id_text)?, owner(&owner_text)?);
    let only_root = flag(&headers, ONLY_ROOT_CHUNK)?;
    let chunk = blocking(&api, move |store| {
        let bytes = store
            .get(&address)
            .map_err(SwarmError::from)?
            .ok_or_else(|| Refused::not_found("requested chunk cannot be retrieved"))?;
        Ok(Soc::verify(address, bytes)?)
    })
    .await?;
    let mut about = HeaderMap::new();
    let signature = chunk.signature().to_string();
    if let Ok(signature) = HeaderValue::from_str(&signature) {
        about.insert(HeaderName::from_static(SOC_SIGNATURE), signature);
    }
    if only_root {
        return Ok(root_chunk(about, chunk.chunk()));
    }
    let root = Root::Wrapped(chunk.chunk().clone());
    give(&api, &method, &headers, root, about).await
}

/// A root chunk as it is: span and payload.
pub(super) fn root_chunk(about: HeaderMap, chunk: &Chunk) -> Response {
    let mut answer = (about, chunk.bytes().clone()).into_response();
    set(
        &mut answer,
        header::CONTENT_TYPE,
        "application/octet-stream",
    );
    answer
}
