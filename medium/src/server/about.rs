//! What the node says of itself.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use genesis::protocol::digest_of_protocol;
use genesis::time::Time;
use serde::{Deserialize, Serialize};

use actors::view::Stats;

use super::Api;
use super::extract::Params;
use super::failure::Answer;
use crate::openapi;
use crate::virtual_time::Pace;

const PAGE: &str = "\
This is a node of the medium: a runtime in which every program is a virtual computer.

  /openapi.json           every endpoint of its API
  /v1/events.schema.json  the frames of the event socket, /v1/events
  /v1/node                this node
  /v1/vcs                 its virtual computers
  /v1/stats               its numbers

`medium --help` lists the verbs that talk to it.
";

/// The page at the root.
pub(super) async fn page() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], PAGE)
}

/// The OpenAPI document.
pub(super) async fn openapi() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        openapi::DOCUMENT,
    )
}

/// The schema of the frames of the event socket.
pub(super) async fn events_schema() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/schema+json")],
        openapi::EVENTS_SCHEMA,
    )
}

/// The node, as it is shown.
#[derive(Serialize)]
pub(super) struct NodeView {
    id: String,
    genesis: String,
    version: &'static str,
    api: String,
    data: Option<String>,
    deterministic: bool,
    engine: String,
    started_at: Time,
    now: Time,
    stats: Stats,
    store: StoreView,
}

#[derive(Serialize)]
struct StoreView {
    bytes: u64,
    healthy: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// What runs here, and how it is.
pub(super) async fn node(State(api): State<Api>) -> Answer<Json<NodeView>> {
    let health = api.runtime().health();
    Ok(Json(NodeView {
        id: api.owner().to_owned(),
        genesis: digest_of_protocol().to_string(),
        version: env!("CARGO_PKG_VERSION"),
        api: api.base().to_owned(),
        data: api.data().map(|folder| folder.display().to_string()),
        deterministic: api.0.config.pace != Pace::Real,
        engine: api.0.config.engine.clone(),
        started_at: api.0.started_at,
        now: api.now(),
        stats: api.runtime().stats().await?,
        store: StoreView {
            bytes: api.store().map_or(0, |store| store.bytes_on_disk()),
            healthy: health.is_ok(),
            why: health.err().map(|refusal| refusal.what),
        },
    }))
}

/// The runtime's numbers.
pub(super) async fn stats(State(api): State<Api>) -> Answer<Json<Stats>> {
    Ok(Json(api.runtime().stats().await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunParams {
    ms: u64,
}

#[derive(Serialize)]
pub(super) struct Ran {
    now: Time,
}

/// Lets virtual time go on.
pub(super) async fn run(
    State(api): State<Api>,
    Params(RunParams { ms }): Params<RunParams>,
) -> Answer<Json<Ran>> {
    let now = api.until_stop(api.gate().run(ms)).await?;
    Ok(Json(Ran { now }))
}

#[derive(Serialize)]
pub(super) struct Stopping {
    stopping: bool,
}

/// Stops the node; this answer is one of its last.
pub(super) async fn stop(State(api): State<Api>) -> (StatusCode, Json<Stopping>) {
    api.stop().give();
    (StatusCode::ACCEPTED, Json(Stopping { stopping: true }))
}
