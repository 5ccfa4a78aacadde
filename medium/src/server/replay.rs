//! VCs computed again from their journals.

use axum::Json as Answered;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use actors::view::{Replay, Replayed};

use super::Api;
use super::extract::{Json, Vc};
use super::failure::{Answer, malformed};
use super::reshape::{Part, PartRequest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayRequest {
    part: Option<PartRequest>,
    occurrence: Option<u64>,
    role: Option<String>,
}

/// What came of it: against the record, or against the VC as it is.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Outcome {
    Same(Replayed),
    With(Replay),
}

/// Computes a VC again and compares, with another part in its body if one is given. The VC goes on meanwhile.
pub(super) async fn replay(
    State(api): State<Api>,
    Vc(id): Vc,
    Json(request): Json<ReplayRequest>,
) -> Answer<Answered<Outcome>> {
    let Some(part) = request.part else {
        if request.occurrence.is_some() || request.role.is_some() {
            return Err(malformed("`occurrence` and `role` belong to `part`").into());
        }
        let replayed = api.until_stop(api.runtime().replay(id)).await?;
        return Ok(Answered(Outcome::Same(replayed)));
    };
    let Part::New(part) = part.part(request.role, api.runtime()).await? else {
        return Err(
            malformed("a stripped part is not replayed; `medium show` has its code").into(),
        );
    };
    let replayed = api.runtime().replay_with(id, request.occurrence, part);
    Ok(Answered(Outcome::With(api.until_stop(replayed).await?)))
}
