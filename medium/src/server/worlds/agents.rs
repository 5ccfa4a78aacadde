//! Agents of worlds, addressed as `WORLD/COHORT/ID` wherever a VC is.

use std::collections::BTreeMap;

use axum::Json as Answered;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use genesis::channel::Channel;
use genesis::export;
use genesis::id::VcId;
use genesis::limits::PAGE_MAX;
use genesis::message::{Header, Message};
use genesis::refusal::{Code, Refusal};
use serde::Serialize;
use serde_json::Value as Json;
use sims::agent::FieldInfo;
use sims::field::Leaf;
use sims::ids::AgentId;

use super::super::Api;
use super::super::failure::{Answer, clip, malformed};
use crate::worlds::address::{address, address_of};
use crate::worlds::agent::Agent;
use crate::worlds::crossing::agent_in;
use crate::worlds::held::{Held, refused};
use crate::worlds::journal::Act;
use crate::worlds::{Within, no_world};

/// Longest text that an agent is told, in bytes: refuse.
pub const TOLD_BYTES_MAX: usize = 4 * 1024;

/// An agent, as it is shown.
#[derive(Serialize)]
pub(super) struct AgentView {
    world: String,
    model: String,
    cohort: String,
    kind: String,
    agent: String,
    tick: u64,
    fields: BTreeMap<String, Json>,
}

/// A page of a cohort.
#[derive(Serialize)]
pub(super) struct CohortPage {
    world: String,
    model: String,
    cohort: String,
    kind: String,
    tick: u64,
    count: usize,
    agents: Vec<AgentRow>,
    /// Where the next page begins; null if this is the last.
    next: Option<String>,
}

#[derive(Serialize)]
struct AgentRow {
    agent: String,
    fields: BTreeMap<String, Json>,
}

fn json_of(leaf: Leaf) -> Json {
    match leaf {
        Leaf::F64(value) => value.into(),
        Leaf::U64(value) => value.into(),
        Leaf::I64(value) => value.into(),
        Leaf::Bool(value) => value.into(),
    }
}

fn fields_of(fields: impl Iterator<Item = (String, Leaf)>) -> BTreeMap<String, Json> {
    fields.map(|(name, leaf)| (name, json_of(leaf))).collect()
}

/// The agent that an address means, and not its cohort.
pub(super) fn one_of(within: Within) -> Result<(Within, String), Refusal> {
    if let Some(agent) = within.agent.clone() {
        return Ok((within, agent));
    }
    let what = format!("`{}` is a cohort, not one of its agents", within.cohort);
    Err(malformed(what).hint(format!("say which: WORLD/{}/ID", within.cohort)))
}

/// What `show` says of an agent, or of a cohort.
pub(in crate::server) async fn show(
    within: Within,
    after: Option<String>,
    limit: Option<usize>,
) -> Answer<Response> {
    let (world, cohort) = (within.world.to_string(), within.cohort.clone());
    let Some(agent) = within.agent else {
        let limit = limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let page = move |held: &mut Held| page(held, world, &cohort, after.as_deref(), limit);
        return Ok(Answered(within.keeper.ask(page).await?).into_response());
    };
    let seen = move |held: &mut Held| {
        let id = address(held.live.as_mut(), &cohort, &agent)?;
        let fields = held.show(&cohort, id)?;
        Ok(AgentView {
            world,
            model: held.live.model().name.to_owned(),
            kind: kind_of(held, &cohort),
            cohort,
            agent,
            tick: held.live.now(),
            fields: fields_of(fields.into_iter()),
        })
    };
    Ok(Answered(within.keeper.ask(seen).await?).into_response())
}

fn kind_of(held: &mut Held, cohort: &str) -> String {
    let cohorts = held.live.cohorts().into_iter();
    let kinds = cohorts.filter(|known| known.name == cohort);
    kinds
        .map(|known| known.kind.to_owned())
        .next()
        .unwrap_or_default()
}

/// So many agents of a cohort, in the order of their addresses.
fn page(
    held: &mut Held,
    world: String,
    cohort: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<CohortPage, Refusal> {
    held.sound()?;
    let live = held.live.as_mut();
    let after = after
        .map(|after| address(live, cohort, after))
        .transpose()?;
    let cohorts = live.cohorts();
    let known = cohorts.into_iter().find(|known| known.name == cohort);
    let Some(known) = known else {
        // Says which there are.
        return Err(address(live, cohort, "0")
            .err()
            .unwrap_or_else(|| no_world(cohort)));
    };
    let names: Vec<String> = known.fields.iter().flat_map(FieldInfo::names).collect();
    let mut agents = Vec::new();
    let mut more = false;
    let mut see = |id, leaves: &[Leaf]| {
        if after.is_some_and(|after| id <= after) {
            return;
        }
        if agents.len() == limit {
            more = true;
            return;
        }
        agents.push(AgentRow {
            agent: address_of(known.place, id),
            fields: fields_of(names.iter().cloned().zip(leaves.iter().copied())),
        });
    };
    live.each(cohort, &mut see)
        .map_err(|error| refused(&error))?;
    let next = more.then(|| agents.last().map(|last| last.agent.clone()));
    Ok(CohortPage {
        world,
        model: live.model().name.to_owned(),
        cohort: cohort.to_owned(),
        kind: known.kind.to_owned(),
        tick: live.now(),
        count: known.len,
        agents,
        next: next.flatten(),
    })
}

/// What is told to an agent, and that it heard.
#[derive(Serialize)]
pub(super) struct Heard {
    message: String,
    sequence: u64,
    duplicate: bool,
    reply: HeardReply,
}

#[derive(Serialize)]
struct HeardReply {
    from: String,
    kind: &'static str,
    channel: Channel,
    message: String,
    text: String,
}

/// Tells an agent something; it has heard it when this is answered.
pub(in crate::server) async fn send(
    api: &Api,
    within: Within,
    contents: &[u8],
) -> Answer<Response> {
    let (within, agent) = one_of(within)?;
    if contents.len() > TOLD_BYTES_MAX {
        let what = format!(
            "{} bytes, and an agent is told {TOLD_BYTES_MAX} at most",
            contents.len()
        );
        return Err(Refusal::new(Code::TooLarge, what).into());
    }
    let text = std::str::from_utf8(contents).map_err(|_| malformed("agents understand text"))?;
    let (cohort, told) = (within.cohort.clone(), text.to_owned());
    let (id, tick, fields, sequence) = within
        .keeper
        .ask(move |held| {
            let id = address(held.live.as_mut(), &cohort, &agent)?;
            held.act(Act::Send {
                cohort: cohort.clone(),
                id: id.0,
                text: told,
            })?;
            // A message may end whom it is for.
            let fields = held.show(&cohort, id).unwrap_or_default();
            Ok((id, held.live.now(), fields, held.entries()))
        })
        .await?;
    let fields = fields.iter().map(|(name, value)| format!("{name}={value}"));
    let fields = fields.collect::<Vec<_>>().join(" ");
    let vc = Agent::vc_of(within.world, &within.cohort, id);
    let owner = api.runtime().owner();
    let named = |from, to, bytes: Bytes| {
        let header = Header::new(from, sequence, to, api.now());
        let message = Message::inline(header, bytes).and_then(|message| message.id());
        message.map_err(|error| Refusal::new(Code::Internal, error.to_string()))
    };
    let text = format!("tick {tick}: {fields}");
    let question = named(owner, vc, Bytes::copy_from_slice(contents))?;
    let reply = named(vc, owner, Bytes::copy_from_slice(text.as_bytes()))?;
    Ok(Answered(Heard {
        message: question.to_string(),
        sequence,
        duplicate: false,
        reply: HeardReply {
            from: vc.to_string(),
            kind: "reply",
            channel: Channel::MAIN,
            message: reply.to_string(),
            text,
        },
    })
    .into_response())
}

/// An agent as the frozen VC that it would be if it were taken out.
pub(in crate::server) async fn image(api: &Api, within: Within) -> Answer<Response> {
    let (within, agent) = one_of(within)?;
    let (at, agent) = api.worlds().copy(&within, &agent).await?;
    let vc = Agent::vc_of(within.world, &within.cohort, at);
    let image = api.worlds().image_of(vc, &agent, at)?;
    let failed = |error: String| Refusal::new(Code::Internal, error).who(vc);
    let digest = image.digest().map_err(|error| failed(error.to_string()))?;
    let key = api.0.config.secret.key_of(vc);
    let bytes =
        export::write(&image, &key, api.now()).map_err(|error| failed(error.to_string()))?;
    let digest = HeaderValue::from_str(&digest.to_string());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(export::TYPE)),
        (
            header::HeaderName::from_static("x-medium-image-digest"),
            digest.map_err(|error| failed(error.to_string()))?,
        ),
    ];
    Ok((headers, Body::from(bytes)).into_response())
}

/// A copy of an agent, as a VC of its own.
pub(in crate::server) async fn fork(
    api: &Api,
    within: Within,
    name: Option<String>,
) -> Result<VcId, Refusal> {
    let (within, agent) = one_of(within)?;
    api.worlds().fork_agent(&within, &agent, name).await
}

/// Ends an agent.
pub(in crate::server) async fn remove(
    api: &Api,
    within: Within,
    force: bool,
) -> Result<VcId, Refusal> {
    let (within, agent) = one_of(within)?;
    let (at, _) = api.worlds().copy(&within, &agent).await?;
    let vc = Agent::vc_of(within.world, &within.cohort, at);
    if !force {
        let what = format!("{}/{agent} lives in its world", within.cohort);
        return Err(Refusal::new(Code::Conflict, what)
            .who(vc)
            .hint("`medium remove --force` ends it there; `medium sim take` makes a VC of it"));
    }
    api.worlds().end(&within, &agent).await?;
    Ok(vc)
}

/// What only whole VCs go through.
pub(in crate::server) fn lives_within(text: &str) -> Refusal {
    let what = format!(
        "`{}` lives with its world, and has no life of its own",
        clip(text)
    );
    Refusal::new(Code::Conflict, what)
        .hint("`medium sim take` makes a VC of it; `medium remove --force` ends it")
}

/// Refuses to bring back a copy of an agent that lives in a world of this node: it would be there twice.
///
/// # Errors
/// [`Code::Conflict`].
pub(in crate::server) async fn not_twice(api: &Api, file: &[u8]) -> Result<(), Refusal> {
    if api.worlds().list().is_empty() {
        return Ok(());
    }
    let Ok((image, ..)) = export::read(file) else {
        return Ok(()); // whoever brings it back says what is wrong with it
    };
    let Some(agent) = agent_in(&image) else {
        return Ok(());
    };
    let Some(keeper) = api.worlds().keeper(agent.world) else {
        return Ok(());
    };
    let (world, cohort, id) = (agent.world, agent.frozen.cohort, agent.frozen.id);
    if Agent::vc_of(world, &cohort, AgentId(id)) != image.id {
        return Ok(()); // a fork, which is somebody else
    }
    let there = keeper.ask(move |held| held.copy(&cohort, AgentId(id)).map(drop));
    match there.await {
        Ok(()) => {
            let what = format!("{} lives in the world {world} of this node", image.id);
            Err(Refusal::new(Code::Conflict, what)
                .who(image.id)
                .hint("`medium sim take` makes a VC of it, `medium fork` one of a copy"))
        }
        Err(_) => Ok(()),
    }
}
