//! Sleep, waking, forks and ends.

use axum::Json as Answered;
use axum::extract::State;
use axum::http::StatusCode;
use genesis::id::{Digest, VcId};
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};

use actors::behaviour::Behaviour;
use actors::life::Life;
use adapters::fleet::Fleet;

use super::extract::{Json, Params, Vc, Whom, flag};
use super::failure::{Answer, malformed};
use super::{Api, worlds};
use crate::name;
use crate::outside::body;

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
pub(super) async fn sleep(State(api): State<Api>, whom: Whom) -> Answer<Answered<LifeView>> {
    let id = whole(whom)?;
    if is_fleet(&api, id).await? {
        // Those who may not sleep now say so before the fleet does.
        for (_, member) in body(api.runtime(), id).await?.into_iter().skip(1).rev() {
            if api.runtime().show(member).await?.summary.life != Life::Stopped {
                api.runtime().sleep(member).await?;
            }
        }
    }
    Ok(view(id, api.runtime().sleep(id).await?))
}

/// Wakes a VC.
pub(super) async fn wake(State(api): State<Api>, whom: Whom) -> Answer<Answered<LifeView>> {
    let id = whole(whom)?;
    let runtime = api.runtime();
    // A pod has all that is in a body.
    let whole_body = runtime.bed(id).is_some();
    let life = runtime.wake(id).await?;
    if whole_body || is_fleet(&api, id).await? {
        for (_, member) in body(runtime, id).await?.into_iter().skip(1) {
            if runtime.show(member).await?.summary.life != Life::Stopped {
                runtime.wake(member).await?;
                api.programs().woken(member).await?;
            }
        }
    }
    api.programs().woken(id).await?;
    Ok(view(id, life))
}

/// Whether a VC is a fleet: what is done to it is done to its members.
async fn is_fleet(api: &Api, id: VcId) -> Result<bool, Refusal> {
    let parts = api.runtime().native_parts(id).await?;
    Ok(parts.iter().any(|(name, _)| name == Fleet::NAME))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BedRequest {
    /// Where its image is: a reference, and behind an `@` who keeps it.
    place: String,
    /// The digest of the image.
    image: String,
}

/// Leaves a VC to the pod that has its image; a message wakes it from there.
pub(super) async fn lay_down(
    State(api): State<Api>,
    Vc(id): Vc,
    Json(request): Json<BedRequest>,
) -> Answer<Answered<LifeView>> {
    let BedRequest { place, image } = request;
    let digest: Digest = image
        .parse()
        .map_err(|error| malformed(format!("`image` is no digest: {error}")))?;
    // What is laid down must be found again: looked at here, where the VC still is.
    let (beds, at) = (api.beds().clone(), place.clone());
    let about = tokio::task::spawn_blocking(move || beds.who(&at)).await;
    let about = about.map_err(|error| Refusal::new(Code::Internal, error.to_string()))??;
    if about.is_none_or(|about| about.id != id.to_string() || about.image != digest.to_string()) {
        let what = format!("`{place}` does not hold the image {digest} of {id}");
        return Err(Refusal::new(Code::Conflict, what)
            .who(id)
            .hint("persist it again")
            .into());
    }
    api.runtime().lay_down(id, place, digest).await?;
    Ok(view(id, Life::Dormant))
}

/// Stops a VC: it takes no more turns.
pub(super) async fn stop(State(api): State<Api>, whom: Whom) -> Answer<Answered<LifeView>> {
    let id = whole(whom)?;
    let life = api.runtime().stop_vc(id).await?;
    api.worlds().stopped(id).await;
    Ok(view(id, life))
}

/// The VC that goes through a life of its own.
fn whole(whom: Whom) -> Result<VcId, Refusal> {
    match whom {
        Whom::Vc(id) => Ok(id),
        Whom::Within(_, name) => Err(worlds::lives_within(&name)),
    }
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
    whom: Whom,
    Params(params): Params<RemoveParams>,
) -> Answer<Answered<LifeView>> {
    let id = match whom {
        Whom::Vc(id) => id,
        Whom::Within(within, _) => {
            let id = worlds::remove(&api, within, params.stop).await?;
            return Ok(view(id, Life::Removed));
        }
    };
    let runtime = api.runtime();
    if let Some(bed) = runtime.bed(id) {
        if !params.stop {
            let what = format!("{id} sleeps in the pod {}", bed.place);
            return Err(Refusal::new(Code::Conflict, what)
                .who(id)
                .hint("`medium remove --force` forgets it here; the pod stays")
                .into());
        }
        return Ok(view(id, runtime.forget_bed(id).await?));
    }
    if params.stop && runtime.show(id).await?.summary.life != Life::Stopped {
        runtime.stop_vc(id).await?;
    }
    let all = body(runtime, id).await?;
    let life = runtime.remove(id).await?;
    api.worlds().removed(id).await?;
    for (_, gone) in all {
        api.programs().removed(gone);
    }
    Ok(view(id, life))
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
    whom: Whom,
    Json(ForkRequest { name }): Json<ForkRequest>,
) -> Answer<(StatusCode, Answered<Forked>)> {
    if let Some(name) = &name {
        name::given(name)?;
    }
    let id = match whom {
        Whom::Within(within, _) => worlds::fork(&api, within, name.clone()).await?,
        Whom::Vc(id) => {
            if let Some(keeper) = api.worlds().keeper(id) {
                api.worlds().fork(&keeper, name.clone()).await?
            } else {
                let fork = api.runtime().fork(id, name.clone()).await?;
                api.programs().forked(id, fork).await?;
                fork
            }
        }
    };
    Ok((
        StatusCode::CREATED,
        Answered(Forked {
            id: id.to_string(),
            name,
        }),
    ))
}
