//! Trees of causes: what led to a message, and what it led to.

use axum::Json as Answered;
use axum::extract::State;
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};

use actors::view::Caused;

use super::Api;
use super::extract::{Msg, Params, Vc};
use super::failure::Answer;

/// How many messages of a VC are shown unless told otherwise.
const TREES_DEFAULT: usize = 10;
/// Most messages of a VC that are shown at once.
const TREES_MAX: usize = 1_000;

#[derive(Serialize)]
pub(super) struct Trees {
    trees: Vec<Caused>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TraceParams {
    k: Option<usize>,
}

/// The last messages that a VC handled, each with all that it caused.
pub(super) async fn of_vc(
    State(api): State<Api>,
    Vc(id): Vc,
    Params(params): Params<TraceParams>,
) -> Answer<Answered<Trees>> {
    let count = params.k.unwrap_or(TREES_DEFAULT).clamp(1, TREES_MAX);
    let trees = api.until_stop(api.runtime().trace_of(id, count)).await?;
    Ok(Answered(Trees { trees }))
}

/// The tree in which a message is, from its root.
pub(super) async fn of_message(State(api): State<Api>, Msg(id): Msg) -> Answer<Answered<Trees>> {
    // A reply that was given out is known by the message that it answers.
    if let Some(reply) = api.0.replies.get(id)
        && let Some(cause) = reply.header().cause
        && let Some(tree) = api
            .runtime()
            .trace_turn(reply.header().sender.id, cause)
            .await?
    {
        return Ok(Answered(Trees { trees: vec![tree] }));
    }
    let tree = api.until_stop(api.runtime().trace(id)).await;
    let tree = tree.map_err(|why| match why.code {
        Code::Unknown => Refusal {
            hint: Some("`medium trace <vc>` shows the last messages of a VC".to_owned()),
            ..why
        },
        _ => why,
    })?;
    Ok(Answered(Trees { trees: vec![tree] }))
}
