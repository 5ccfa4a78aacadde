//! `sim`, as far as it is about worlds that a node holds, and about agents that leave them and come in.

use std::path::Path;

use anyhow::Result;
use data_encoding::BASE64;
use genesis::refusal::{Code, Refusal};
use medium::worlds::folder::Folder;
use medium::worlds::{held, replay};
use serde_json::{Value, json};
use sims::cli;
use sims::cli::args::Run;

use super::Context;
use super::list::understood;
use super::sim::failed;
use super::spawn::image_file;
use crate::cli::WorldVerb;
use crate::client::seen::short;
use crate::client::worlds::World;

/// Does something with worlds.
pub(crate) async fn world(context: Context<'_>, verb: WorldVerb) -> Result<()> {
    match verb {
        WorldVerb::Worlds => list(context).await,
        WorldVerb::Step { world, ticks } => {
            let seen = context.client()?.step(&world, ticks).await?;
            told(context, seen)
        }
        WorldVerb::Pause { world } => tell(context, &world, "pause", &json!({})).await,
        WorldVerb::Go {
            world,
            steps,
            ticks_per_second,
        } => {
            let body = json!({ "steps": steps, "ticks_per_second": ticks_per_second });
            tell(context, &world, "go", &body).await
        }
        WorldVerb::Set { world, set } => tell(context, &world, "set", &texts(set)).await,
        WorldVerb::Take { agent, name } => take(context, &agent, name.as_deref()).await,
        WorldVerb::Put { world, agent } => put(context, &world, &agent).await,
        WorldVerb::Recompute { world, folder } => {
            verify(context, world.as_deref(), folder.as_deref()).await
        }
    }
}

fn texts(set: Vec<(String, String)>) -> Value {
    let set = set.into_iter();
    Value::Object(set.map(|(name, value)| (name, value.into())).collect())
}

/// Begins a world in a node; prints its id.
pub(super) async fn begin(context: Context<'_>, name: &str, options: &Run) -> Result<()> {
    let model = options.model.as_deref().unwrap_or_default();
    let setting = cli::setting(options).map_err(failed)?;
    // Here, where the files are that parameters may name.
    let known = held::model(model)?;
    let values = known
        .resolve(&setting)
        .map_err(|error| held::refused(&error))?;
    let set = known.params().into_iter().zip(values);
    let set = set.map(|(info, value)| (info.name.to_owned(), value.to_string()));
    let body = json!({
        "model": model,
        "name": name,
        "set": texts(set.collect()),
        "seed": setting.seed,
        "steps": options.start.steps,
        "ticks_per_second": options.node.ticks_per_second,
        "paused": options.node.paused,
        "threads": options.going.threads.unwrap_or_default(),
    });
    let seen: Value = context.client()?.post(&["v1", "worlds"], &body).await?;
    if context.printer.is_json() {
        return context.printer.json(&seen);
    }
    let world: World = understood(seen)?;
    let cohorts = world.cohorts.iter();
    let cohorts: Vec<_> = cohorts
        .map(|cohort| format!("{} {}", cohort.count, cohort.name))
        .collect();
    let called = world.name.as_deref().unwrap_or(&world.id);
    context.printer.note(&format!(
        "a world of {} with seed {}: {}; `medium show {called}` says how it is",
        world.model,
        world.seed,
        cohorts.join(", ")
    ));
    context.printer.text(&world.id)
}

async fn list(context: Context<'_>) -> Result<()> {
    let worlds: Value = context.client()?.get(&["v1", "worlds"], &[]).await?;
    if context.printer.is_json() {
        return context.printer.json(&worlds);
    }
    let worlds: Vec<World> = understood(worlds)?;
    if worlds.is_empty() {
        context
            .printer
            .note("no worlds here; `medium sim run flocking --in-node flock` begins one");
        return Ok(());
    }
    let rows: Vec<_> = worlds
        .iter()
        .map(|world| {
            vec![
                short(&world.id).to_owned(),
                world.name.clone().unwrap_or_default(),
                world.model.clone(),
                state(world),
                world.tick.to_string(),
                world.agents.to_string(),
            ]
        })
        .collect();
    context
        .printer
        .table(&["ID", "NAME", "MODEL", "STATE", "TICK", "AGENTS"], &rows)
}

/// What a world does, with where to.
pub(super) fn state(world: &World) -> String {
    match world.until {
        Some(until) => format!("{} until {until}", world.state),
        None => world.state.clone(),
    }
}

async fn tell(context: Context<'_>, world: &str, verb: &str, body: &Value) -> Result<()> {
    let seen = context.client()?.world(world, verb, body).await?;
    told(context, seen)
}

/// A world in a line, and its digest if it is known.
fn told(context: Context<'_>, seen: Value) -> Result<()> {
    if context.printer.is_json() {
        return context.printer.json(&seen);
    }
    let world: World = understood(seen)?;
    if let Some(why) = &world.why {
        return Err(why.clone().into());
    }
    let last = world.last.iter();
    let last: Vec<_> = last
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let line = format!(
        "tick {}, {}; {} agents; {}",
        world.tick,
        state(&world),
        world.agents,
        last.join(", ")
    );
    match &world.digest {
        Some(digest) => {
            context.printer.note(&line);
            context.printer.text(digest)
        }
        None => context.printer.text(&line),
    }
}

async fn take(context: Context<'_>, agent: &str, name: Option<&str>) -> Result<()> {
    let Some((world, within)) = agent.split_once('/') else {
        let what = format!("`{agent}` is no agent of a world");
        return Err(Refusal::new(Code::Malformed, what)
            .hint("an agent is named WORLD/COHORT/ID")
            .into());
    };
    let body = match name {
        Some(name) => json!({ "agent": within, "name": name }),
        None => json!({ "agent": within }),
    };
    let taken = context.client()?.world(world, "take", &body).await?;
    answered(context, &taken, taken["id"].as_str().unwrap_or_default())
}

async fn put(context: Context<'_>, world: &str, agent: &str) -> Result<()> {
    let client = context.client()?;
    let path = Path::new(agent);
    let vc = if path.is_file() {
        let file = BASE64.encode(&image_file(path)?);
        client.spawn(&json!({ "pod": { "image": file } })).await?.id
    } else {
        agent.to_owned()
    };
    let put = client.world(world, "put", &json!({ "agent": vc })).await?;
    let text = |field: &str| put[field].as_str().unwrap_or_default();
    let address = format!("{world}/{}/{}", text("cohort"), text("agent"));
    answered(context, &put, &address)
}

fn answered(context: Context<'_>, answer: &Value, text: &str) -> Result<()> {
    if context.printer.is_json() {
        context.printer.json(answer)
    } else {
        context.printer.text(text)
    }
}

async fn verify(context: Context<'_>, world: Option<&str>, folder: Option<&Path>) -> Result<()> {
    let found = match (world, folder) {
        (_, Some(folder)) => {
            let folder = Folder::at(folder);
            let computing = move || replay::verify(&folder, &sims::crew::Crew::alone(), None);
            let verified = tokio::task::spawn_blocking(computing).await??;
            json!({
                "ticks": verified.ticks, "entries": verified.entries, "digests": verified.digests,
                "digest": verified.digest,
            })
        }
        (world, None) => context.client()?.verify(world.unwrap_or_default()).await?,
    };
    if !context.printer.is_json() {
        context.printer.note(&format!(
            "{} ticks and {} entries of the journal computed again, {} digests compared",
            found["ticks"], found["entries"], found["digests"]
        ));
    }
    let digest = found["digest"].as_str().unwrap_or_default();
    answered(context, &found, &format!("= recorded {digest}"))
}

/// What is said on one screen of a VC that is a world.
pub(super) fn fields(world: &World) -> Vec<(&'static str, String)> {
    let cohorts = world.cohorts.iter();
    let cohorts: Vec<_> = cohorts
        .map(|cohort| format!("{} {} of kind {}", cohort.count, cohort.name, cohort.kind))
        .collect();
    let last = world.last.iter();
    let last: Vec<_> = last
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let mut fields = vec![
        ("model", format!("{}, seed {}", world.model, world.seed)),
        ("tick", format!("{}, {}", world.tick, state(world))),
        ("cohorts", cohorts.join(", ")),
        ("series", last.join(", ")),
        (
            "interventions",
            format!("{} entries in its journal", world.entries),
        ),
    ];
    fields.extend(world.why.as_ref().map(|why| ("broken", why.to_string())));
    fields
}

/// Shows an agent, or a cohort.
pub(super) fn within(context: Context<'_>, what: &str, seen: &Value) -> Result<()> {
    if context.printer.is_json() {
        return context.printer.json(seen);
    }
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let kind = text(&seen["kind"]);
    let model = text(&seen["model"]);
    let Some(agents) = seen["agents"].as_array() else {
        context.printer.note(&format!(
            "a {kind} in a world of {model}, at tick {}",
            seen["tick"]
        ));
        let fields = seen["fields"].as_object().into_iter().flatten();
        let rows: Vec<_> = fields
            .map(|(name, value)| vec![name.clone(), text(value)])
            .collect();
        return context.printer.table(&["FIELD", "VALUE"], &rows);
    };
    context.printer.note(&format!(
        "{} of kind {kind} in a world of {model}, at tick {}",
        seen["count"], seen["tick"]
    ));
    if let Some(next) = seen["next"].as_str() {
        context.printer.note(&format!(
            "there are more: `medium show {what} --after {next}`"
        ));
    }
    let first = agents.first().and_then(|agent| agent["fields"].as_object());
    let names: Vec<&str> = first
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let header: Vec<&str> = std::iter::once("ID").chain(names.iter().copied()).collect();
    let rows: Vec<_> = agents
        .iter()
        .map(|agent| {
            let values = names.iter().map(|name| text(&agent["fields"][name]));
            std::iter::once(text(&agent["agent"]))
                .chain(values)
                .collect()
        })
        .collect();
    context.printer.table(&header, &rows)
}
