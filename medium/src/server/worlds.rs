//! Worlds: begun, moved on, changed; agents taken out and put in.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json as Answered;
use axum::extract::State;
use axum::http::StatusCode;
use genesis::id::VcId;
use genesis::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sims::agent::FieldInfo;
use sims::crew::Crew;
use sims::model::{Sample, Setting};
use sims::params::Value;

use super::Api;
use super::extract::{Json as Given, Params, Vc, flag};
use super::failure::{Answer, clip, malformed};
use super::messages::WAIT_MS_MAX;
use crate::worlds::folder::Folder;
use crate::worlds::held::{Held, MILLIHERTZ_MAX, Pace};
use crate::worlds::journal::Act;
use crate::worlds::keeper::Keeper;
use crate::worlds::replay::{Verified, verify};
use crate::worlds::{NewWorld, no_world};

mod agents;

pub use agents::TOLD_BYTES_MAX;
pub(super) use agents::{fork, image, lives_within, not_twice, remove, send, show};

/// How long a step is waited for unless told otherwise, in milliseconds.
const STEP_MS_DEFAULT: u64 = 10_000;
/// Most threads of a world: refuse.
const THREADS_MAX: usize = 256;

/// A world, as it is shown.
#[derive(Serialize)]
pub(super) struct WorldView {
    id: String,
    name: Option<String>,
    model: String,
    seed: u64,
    params: BTreeMap<String, Json>,
    tick: u64,
    /// `resting`, `going`, `over` or `broken`.
    state: &'static str,
    until: Option<u64>,
    ticks_per_second: Option<f64>,
    threads: usize,
    agents: u64,
    agent_steps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    last: BTreeMap<String, Json>,
    cohorts: Vec<CohortBrief>,
    entries: u64,
    checkpoint: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Refusal>,
}

#[derive(Serialize)]
struct CohortBrief {
    name: String,
    kind: String,
    count: usize,
    fields: Vec<String>,
}

/// A world as it is between two ticks.
fn view(held: &mut Held, id: VcId, with_digest: bool) -> WorldView {
    let infos = held.live.model().params();
    let params = infos.iter().zip(held.live.params());
    let (until, millihertz) = match held.pace {
        Pace::Resting => (None, None),
        Pace::Going { until, millihertz } => (until, millihertz),
    };
    let state = match held.pace {
        _ if held.broken.is_some() => "broken",
        _ if held.live.is_over() => "over",
        Pace::Resting => "resting",
        Pace::Going { .. } => "going",
    };
    let params = params
        .map(|(info, value)| (info.name.to_owned(), (&value).into()))
        .collect();
    // A world that broke in a tick is not looked into any more.
    let sound = held.broken.is_none();
    let sample = if sound {
        held.live.observe()
    } else {
        Sample::default()
    };
    let cohorts = held.live.cohorts();
    WorldView {
        id: id.to_string(),
        name: None,
        model: held.live.model().name.to_owned(),
        seed: held.live.seed(),
        params,
        tick: held.live.now(),
        state,
        until,
        ticks_per_second: millihertz.map(|millihertz| millihertz as f64 / 1_000.0),
        threads: held.threads(),
        agents: held.live.agents(),
        agent_steps: held.live.agent_steps(),
        digest: (with_digest && sound).then(|| held.digest().to_string()),
        last: sample
            .values()
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect(),
        cohorts: cohorts
            .iter()
            .map(|cohort| CohortBrief {
                name: cohort.name.to_owned(),
                kind: cohort.kind.to_owned(),
                count: cohort.len,
                fields: cohort.fields.iter().flat_map(FieldInfo::names).collect(),
            })
            .collect(),
        entries: held.entries(),
        checkpoint: held.saved().tick,
        why: held.broken.clone(),
    }
}

/// What is said of a world wherever it is shown.
async fn seen(api: &Api, id: VcId, digest: bool) -> Result<WorldView, Refusal> {
    let keeper = keeper(api, id)?;
    let seen = keeper.ask(move |held| Ok(view(held, id, digest))).await?;
    let name = api.runtime().show(id).await.ok();
    let name = name.and_then(|portrait| portrait.summary.name);
    Ok(WorldView { name, ..seen })
}

/// The same beside a VC that may be none.
pub(super) async fn beside(api: &Api, id: VcId) -> Option<WorldView> {
    api.worlds().keeper(id)?;
    seen(api, id, false).await.ok()
}

fn keeper(api: &Api, id: VcId) -> Result<std::sync::Arc<Keeper>, Refusal> {
    let keeper = api.worlds().keeper(id);
    keeper.ok_or_else(|| no_world(&id.to_string()).who(id))
}

/// A value as JSON gives it.
fn value(name: &str, json: &Json) -> Result<Value, Refusal> {
    Ok(match json {
        Json::Bool(value) => Value::Bool(*value),
        Json::String(value) => Value::Text(value.clone()),
        // As text a number reads back as it was written.
        Json::Number(value) => Value::Text(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => {
            let what = format!("`{}` is a number, true, false or text", clip(name));
            return Err(malformed(what));
        }
    })
}

fn values(set: BTreeMap<String, Json>) -> Result<Vec<(String, Value)>, Refusal> {
    let values = set.into_iter();
    values
        .map(|(name, json)| value(&name, &json).map(|value| (name, value)))
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    model: String,
    name: Option<String>,
    preset: Option<String>,
    agents: Option<u64>,
    #[serde(default)]
    set: BTreeMap<String, Json>,
    #[serde(default = "seed_default")]
    seed: u64,
    /// Until how many ticks are over; the model's own number if nothing is said.
    steps: Option<u64>,
    ticks_per_second: Option<f64>,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    threads: usize,
}

const fn seed_default() -> u64 {
    1
}

/// Begins a world; unless it is to rest, it goes.
pub(super) async fn begin(
    State(api): State<Api>,
    Given(request): Given<Begin>,
) -> Answer<(StatusCode, Answered<WorldView>)> {
    if request.threads > THREADS_MAX {
        let what = format!("{} threads, and {THREADS_MAX} at most", request.threads);
        return Err(Refusal::new(Code::TooLarge, what).into());
    }
    let paused = request.paused || (api.worlds().is_virtual() && request.steps.is_none());
    let millihertz = paced(&api, request.ticks_per_second)?;
    let new = NewWorld {
        name: request.name,
        model: request.model,
        setting: Setting {
            preset: request.preset,
            agents: request.agents,
            set: values(request.set)?,
            seed: request.seed,
            ..Setting::default()
        },
        threads: request.threads,
    };
    let steps = request.steps;
    let id = api.worlds().begin(new).await?;
    if !paused {
        let go = move |held: &mut Held| {
            let until = steps.unwrap_or(held.live.model().steps);
            held.go(Some(until), millihertz)
        };
        keeper(&api, id)?.ask(go).await?;
    }
    Ok((StatusCode::CREATED, Answered(seen(&api, id, false).await?)))
}

/// A pace, in thousandths.
fn paced(api: &Api, ticks_per_second: Option<f64>) -> Result<Option<u64>, Refusal> {
    let Some(rate) = ticks_per_second else {
        return Ok(None);
    };
    if api.worlds().is_virtual() {
        let what = "the time of this node is virtual: there are no ticks in a second";
        return Err(Refusal::new(Code::Conflict, what)
            .hint("`medium sim step` takes as many ticks as are wanted"));
    }
    let millihertz = (rate * 1_000.0).round();
    if !(1.0..=MILLIHERTZ_MAX as f64).contains(&millihertz) {
        let what = format!(
            "{rate} ticks per second; there are 0.001 to {}",
            MILLIHERTZ_MAX / 1_000
        );
        return Err(malformed(what).hint("leave it out for as many as can be"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was held against its bounds"
    )]
    let millihertz = millihertz as u64;
    Ok(Some(millihertz))
}

/// The worlds of this node.
pub(super) async fn list(State(api): State<Api>) -> Answer<Answered<Vec<WorldView>>> {
    let mut views = Vec::new();
    for (id, _) in api.worlds().list() {
        // One that ended meanwhile, or cannot be gone on with, is shown as the VC that it is.
        views.extend(seen(&api, id, false).await);
    }
    Ok(Answered(views))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookParams {
    #[serde(default, deserialize_with = "flag")]
    digest: bool,
}

/// A world, and its digest if that is asked for.
pub(super) async fn look(
    State(api): State<Api>,
    Vc(id): Vc,
    Params(params): Params<LookParams>,
) -> Answer<Answered<WorldView>> {
    Ok(Answered(seen(&api, id, params.digest).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    #[serde(default = "one")]
    ticks: u64,
    wait: Option<u64>,
}

const fn one() -> u64 {
    1
}

/// So many ticks more; answers when they are over, or when the wait is.
pub(super) async fn step(
    State(api): State<Api>,
    Vc(id): Vc,
    Given(Step { ticks, wait }): Given<Step>,
) -> Answer<Answered<WorldView>> {
    let wait = wait.unwrap_or(STEP_MS_DEFAULT);
    if wait > WAIT_MS_MAX {
        let what = format!("`wait` is at most {WAIT_MS_MAX} ms, not {wait}");
        return Err(Refusal::new(Code::TooLarge, what).into());
    }
    let keeper = keeper(&api, id)?;
    let mut place = keeper.place();
    let until = keeper
        .ask(move |held| {
            held.sound()?;
            let from = match held.pace {
                Pace::Resting => held.live.now(),
                Pace::Going { until: None, .. } => {
                    let what = "this world goes, and without end";
                    return Err(Refusal::new(Code::Conflict, what)
                        .hint("`medium sim pause` lets it rest first"));
                }
                // Two who step one after the other get what both asked for.
                Pace::Going {
                    until: Some(until), ..
                } => until,
            };
            let until = from.saturating_add(ticks);
            held.go(Some(until), None).map(|()| until)
        })
        .await?;
    let over = place.wait_for(|place| place.tick >= until || !place.going);
    let over = tokio::time::timeout(Duration::from_millis(wait), over);
    api.until_stop(async { Ok(over.await.is_ok()) }).await?;
    Ok(Answered(seen(&api, id, false).await?))
}

/// Lets a world rest after the tick that it is in.
pub(super) async fn pause(State(api): State<Api>, Vc(id): Vc) -> Answer<Answered<WorldView>> {
    keeper(&api, id)?
        .ask(|held| held.sound().and_then(|()| held.rest()))
        .await?;
    Ok(Answered(seen(&api, id, false).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Go {
    steps: Option<u64>,
    ticks_per_second: Option<f64>,
}

/// Lets a world go, until so many ticks are over or without end.
pub(super) async fn go(
    State(api): State<Api>,
    Vc(id): Vc,
    Given(Go {
        steps,
        ticks_per_second,
    }): Given<Go>,
) -> Answer<Answered<WorldView>> {
    let millihertz = paced(&api, ticks_per_second)?;
    if steps.is_none() && api.worlds().is_virtual() {
        let what =
            "the time of this node is virtual: a world goes for as many ticks as are asked for";
        return Err(Refusal::new(Code::Conflict, what)
            .hint("say until which tick: `steps`")
            .into());
    }
    keeper(&api, id)?
        .ask(move |held| held.go(steps, millihertz))
        .await?;
    Ok(Answered(seen(&api, id, false).await?))
}

/// Gives parameters other values, from the next tick on; all of them, or none.
pub(super) async fn set(
    State(api): State<Api>,
    Vc(id): Vc,
    Given(set): Given<BTreeMap<String, Json>>,
) -> Answer<Answered<WorldView>> {
    let values = values(set)?;
    keeper(&api, id)?
        .ask(move |held| {
            for (name, value) in values {
                let value = value.to_string();
                held.act(Act::Set { name, value })?;
            }
            Ok(())
        })
        .await?;
    Ok(Answered(seen(&api, id, false).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Take {
    agent: String,
    name: Option<String>,
}

/// A VC that an agent became.
#[derive(Serialize)]
pub(super) struct Taken {
    id: String,
    name: Option<String>,
}

/// Takes an agent out: it is a VC of its own from then on.
pub(super) async fn take(
    State(api): State<Api>,
    Vc(id): Vc,
    Given(Take { agent, name }): Given<Take>,
) -> Answer<(StatusCode, Answered<Taken>)> {
    if let Some(name) = &name {
        crate::name::given(name)?;
    }
    let within = api.worlds().within(&format!("{id}/{agent}")).await?;
    let within = within.ok_or_else(|| no_world(&id.to_string()))?;
    let (within, agent) = agents::one_of(within)?;
    let vc = api.worlds().take(&within, &agent, name.clone()).await?;
    let id = vc.to_string();
    Ok((StatusCode::CREATED, Answered(Taken { id, name })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Put {
    agent: String,
}

/// Where an agent is now.
#[derive(Serialize)]
pub(super) struct Placed {
    cohort: String,
    agent: String,
}

/// Puts the agent that a VC is into a world; the VC is gone then.
pub(super) async fn put(
    State(api): State<Api>,
    Vc(id): Vc,
    Given(Put { agent }): Given<Put>,
) -> Answer<Answered<Placed>> {
    let vc = api.runtime().resolve(&agent).await?;
    let (cohort, agent) = api.worlds().put(id, vc).await?;
    Ok(Answered(Placed { cohort, agent }))
}

/// What a recomputation found.
#[derive(Serialize)]
pub(super) struct VerifiedView {
    ticks: u64,
    entries: u64,
    digests: u64,
    digest: String,
}

/// Computes a world again, from the beginning to where it is, and compares.
pub(super) async fn recompute(
    State(api): State<Api>,
    Vc(id): Vc,
) -> Answer<Answered<VerifiedView>> {
    let now = |held: &mut Held| {
        held.sound()?;
        let place = (held.live.now(), held.entries(), held.digest().to_string());
        Ok((held.folder().clone(), place))
    };
    let (folder, place) = keeper(&api, id)?.ask(now).await?;
    let computing = tokio::task::spawn_blocking(move || compute(&folder, &place));
    let verified = api
        .until_stop(async {
            let done = computing.await;
            done.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?
        })
        .await?;
    let Verified {
        ticks,
        entries,
        digests,
        digest,
    } = verified;
    Ok(Answered(VerifiedView {
        ticks,
        entries,
        digests,
        digest,
    }))
}

fn compute(
    folder: &Folder,
    (tick, entries, digest): &(u64, u64, String),
) -> Result<Verified, Refusal> {
    verify(folder, &Crew::alone(), Some((*tick, *entries, digest)))
}
