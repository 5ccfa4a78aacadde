//! Sleep, waking, forks and ends.

use axum::Json as Answered;
use axum::extract::State;
use axum::http::StatusCode;
use genesis::id::VcId;
use serde::{Deserialize, Serialize};

use actors::life::Life;

use super::Api;
use super::extract::{Json, Params, Vc, flag};
use super::failure::Answer;
use crate::name;

/// Where in its life a VC is now.
#[derive(Serialize)]
pub(super) struct LifeView {
    id: String,
    life: Life,
}

fn view(id: VcId, life: Life) -> Answered<LifeView> {
    Answered(LifeView {
        id: id.to_string(),
        life,
    })
}

/// Puts a VC to sleep; a message wakes it.
pub(super) async fn sleep(State(api): State<Api>, Vc(id): Vc) -> Answer<Answered<LifeView>> {
    Ok(view(id, api.runtime().sleep(id).await?))
}

/// Wakes a VC.
pub(super) async fn wake(State(api): State<Api>, Vc(id): Vc) -> Answer<Answered<LifeView>> {
    Ok(view(id, api.runtime().wake(id).await?))
}

/// Stops a VC: it takes no more turns.
pub(super) async fn stop(State(api): State<Api>, Vc(id): Vc) -> Answer<Answered<LifeView>> {
    Ok(view(id, api.runtime().stop_vc(id).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveParams {
    #[serde(default, deserialize_with = "flag")]
    stop: bool,
}

/// Leaves nothing of a VC. A live one is stopped first if the request says so, else it is a conflict.
pub(super) async fn remove(
    State(api): State<Api>,
    Vc(id): Vc,
    Params(params): Params<RemoveParams>,
) -> Answer<Answered<LifeView>> {
    let runtime = api.runtime();
    if params.stop && runtime.show(id).await?.summary.life != Life::Stopped {
        runtime.stop_vc(id).await?;
    }
    Ok(view(id, runtime.remove(id).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForkRequest {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GiveRequest {
    to: String,
    #[serde(default)]
    r#move: bool,
}

/// Who a VC is where it was given to.
#[derive(Serialize)]
pub(super) struct Given {
    id: String,
}

/// Sends a whole VC to another, as a copy or as itself.
pub(super) async fn give(
    State(api): State<Api>,
    Vc(id): Vc,
    Json(request): Json<GiveRequest>,
) -> Answer<Answered<Given>> {
    let to = api.runtime().resolve(&request.to).await?;
    let given = api.runtime().give(id, to, request.r#move).await?;
    Ok(Answered(Given {
        id: given.to_string(),
    }))
}

/// A VC and what it is called.
#[derive(Serialize)]
pub(super) struct Forked {
    id: String,
    name: Option<String>,
}

/// Makes a copy of a VC, with an id of its own.
pub(super) async fn fork(
    State(api): State<Api>,
    Vc(id): Vc,
    Json(ForkRequest { name }): Json<ForkRequest>,
) -> Answer<(StatusCode, Answered<Forked>)> {
    if let Some(name) = &name {
        name::given(name)?;
    }
    let id = api.runtime().fork(id, name.clone()).await?;
    Ok((
        StatusCode::CREATED,
        Answered(Forked {
            id: id.to_string(),
            name,
        }),
    ))
}
