//! `/pins`: what is kept whether it is stamped or not; `/stewardship`: whether it is all here.

use adapters::pods::{PodsError, reach};
use adapters::swarm::chunk::Chunk;
use adapters::swarm::{Reference, SwarmError};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::answer::{Answer, Refused, Said, done};
use super::ask::{Segments, reference};
use super::{BeeApi, blocking};

#[derive(Debug, Serialize)]
struct List {
    references: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Pinned {
    reference: String,
}

/// `GET /pins`
pub(super) async fn list(State(api): State<BeeApi>) -> Answer<Response> {
    let references = pins(&api).await?;
    let references = references.iter().map(Reference::to_string).collect();
    Ok(Said(StatusCode::OK, List { references }).into_response())
}

/// `GET /pins/{reference}`
pub(super) async fn show(
    State(api): State<BeeApi>,
    Segments(address): Segments<String>,
) -> Answer<Response> {
    let wanted = reference(&address)?;
    if !pins(&api).await?.contains(&wanted) {
        return Err(Refused::not_found("Not Found"));
    }
    let reference = wanted.to_string();
    Ok(Said(StatusCode::OK, Pinned { reference }).into_response())
}

/// `POST /pins/{reference}`: 201, or 200 if it is pinned already.
pub(super) async fn pin(
    State(api): State<BeeApi>,
    Segments(address): Segments<String>,
) -> Answer<Response> {
    let wanted = reference(&address)?;
    if pins(&api).await?.contains(&wanted) {
        return Ok(done(StatusCode::OK));
    }
    set(&api, wanted, true).await?;
    Ok(done(StatusCode::CREATED))
}

/// `DELETE /pins/{reference}`
pub(super) async fn unpin(
    State(api): State<BeeApi>,
    Segments(address): Segments<String>,
) -> Answer<Response> {
    let wanted = reference(&address)?;
    if !pins(&api).await?.contains(&wanted) {
        return Err(Refused::not_found("Not Found"));
    }
    set(&api, wanted, false).await?;
    Ok(done(StatusCode::OK))
}

async fn pins(api: &BeeApi) -> Answer<Vec<Reference>> {
    let asked = api.clone();
    blocking(api, move |_| Ok(asked.keeper().pins(asked.wallet())?)).await
}

async fn set(api: &BeeApi, root: Reference, pinned: bool) -> Answer<()> {
    let asked = api.clone();
    blocking(api, move |_| {
        let set = asked.keeper().set_pinned(asked.wallet(), &root, pinned);
        set.map_err(|error| match error {
            PodsError::Swarm(SwarmError::Store(fault)) => SwarmError::Store(fault).into(),
            PodsError::Reference { .. } | PodsError::Swarm(_) => {
                Refused::not_found("pin collection failed").because("reference", error.to_string())
            }
            error => error.into(),
        })
    })
    .await
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Retrievable {
    is_retrievable: bool,
}

/// `GET /stewardship/{reference}`: whether every chunk that the reference leads to is here and whole.
pub(super) async fn is_retrievable(
    State(api): State<BeeApi>,
    Segments(address): Segments<String>,
) -> Answer<Response> {
    let root = reference(&address)?;
    let _place = api.download()?;
    let is_retrievable = blocking(&api, move |store| {
        // Nodes are checked on the way down, leaves here.
        let looked = reach::each(store, &root, &mut |address| {
            let bytes = store.get(address).map_err(SwarmError::from)?;
            let bytes = bytes.ok_or(SwarmError::Missing { address: *address })?;
            Chunk::verify(*address, bytes)?;
            Ok(())
        });
        match looked {
            Ok(()) => Ok(true),
            Err(PodsError::Swarm(SwarmError::Store(fault))) => Err(SwarmError::Store(fault).into()),
            Err(_) => Ok(false),
        }
    })
    .await?;
    Ok(Said(StatusCode::OK, Retrievable { is_retrievable }).into_response())
}
