//! `/bytes`: contents without a name.

use adapters::swarm::splitter::split;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;

use super::answer::Answer;
use super::ask::{Segments, Upload, no_access_control, reference};
use super::deposit::{Uploaded, Uploading};
use super::incoming::read_with;
use super::outgoing::{Root, give};
use super::{BeeApi, THREADS};

/// `POST /bytes`
pub(super) async fn upload(
    State(api): State<BeeApi>,
    upload: Upload,
    body: Body,
) -> Answer<Uploaded> {
    let _place = api.upload()?;
    let uploading = Uploading::begin(&api, &upload)?;
    read_with(body, move |input| {
        uploading.store(|chunks| {
            let done = split(input, chunks, &chunks.options(THREADS));
            Ok(done.map_err(|error| chunks.refused(error))?.reference())
        })
    })
    .await
}

/// `GET` and `HEAD /bytes/{reference}`
pub(super) async fn download(
    State(api): State<BeeApi>,
    Segments(address): Segments<String>,
    method: Method,
    headers: HeaderMap,
) -> Answer<Response> {
    no_access_control(&headers)?;
    let root = Root::Named(reference(&address)?);
    give(&api, &method, &headers, root, HeaderMap::new()).await
}
