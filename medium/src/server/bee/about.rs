//! What the node says of itself where Bee says it of a Bee.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::BeeApi;
use super::answer::Said;
use super::stamps::{BLOCK_S, PRICE, VALIDITY_BLOCKS_MIN};

/// The version of Bee's API that is served.
const API_VERSION: &str = "8.1.0";

/// `GET /`: what FairOS-DFS and others look for, byte for byte.
pub(super) async fn root() -> &'static str {
    "Ethereum Swarm Bee\n"
}

fn version() -> String {
    format!("medium-{}", env!("CARGO_PKG_VERSION"))
}

/// `GET /health`
pub(super) async fn health() -> Response {
    let health = json!({"status": "ok", "version": version(), "apiVersion": API_VERSION});
    Said(StatusCode::OK, health).into_response()
}

/// `GET /readiness`
pub(super) async fn readiness(State(api): State<BeeApi>) -> Response {
    let (status, word) = if api.is_stopping() {
        (StatusCode::BAD_REQUEST, "notReady")
    } else {
        (StatusCode::OK, "ready")
    };
    let readiness = json!({"status": word, "version": version(), "apiVersion": API_VERSION});
    Said(status, readiness).into_response()
}

/// `GET /node`. `full`: everything that is asked for is here. There is no chain, hence no chequebook.
pub(super) async fn node() -> Response {
    let node = json!({"beeMode": "full", "chequebookEnabled": false, "swapEnabled": false});
    Said(StatusCode::OK, node).into_response()
}

/// `GET /chainstate`: by which price an amount is a time. The blocks are counted from the clock.
pub(super) async fn chainstate(State(api): State<BeeApi>) -> Response {
    let block = api.now().0 / 1_000 / BLOCK_S;
    let state = json!({
        "chainTip": block,
        "block": block,
        "totalAmount": "0",
        "currentPrice": PRICE.to_string(),
        "minimumValidityBlocks": VALIDITY_BLOCKS_MIN,
    });
    Said(StatusCode::OK, state).into_response()
}
