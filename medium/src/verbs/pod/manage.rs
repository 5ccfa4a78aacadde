//! What is done to pods as a whole: made, listed, closed, removed, shared, forked, verified.

use std::path::PathBuf;

use adapters::pods::{PodInfo, PodName, Snapshot, Source};
use adapters::transfer::fetch_directory;
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use serde_json::json;

use super::super::Context;
use super::date;
use crate::bar::size;
use crate::pods::{Place, plain_name};

/// Most damaged places that are listed for a person.
const DAMAGE_SHOWN: usize = 20;

/// Makes an empty pod.
pub(super) async fn new(context: Context<'_>, name: PodName, public: bool) -> Result<()> {
    let made = context
        .with_pods("made", move |pods, _| Ok(pods.create(&name, public)?))
        .await?;
    said(context, &made, "is made and open")
}

/// Prints a pod's name, and in a note what became of it.
fn said(context: Context<'_>, pod: &PodInfo, what: &str) -> Result<()> {
    if context.printer.is_json() {
        return context.printer.json(pod);
    }
    let kind = if pod.public { "public" } else { "private" };
    context
        .printer
        .note(&format!("the {kind} pod `{}` {what}", pod.name));
    context.printer.text(&pod.name)
}

/// Lists the pods of the wallet.
pub(super) async fn list(context: Context<'_>) -> Result<()> {
    let pods = context
        .with_pods("listed", |pods, _| Ok(pods.pods()?))
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&pods);
    }
    if pods.is_empty() {
        context
            .printer
            .note("no pods here; `medium pod new NAME` makes one");
        return Ok(());
    }
    let cells = |pod: &PodInfo| {
        let latest = pod.latest.as_ref();
        let of_latest = |shown: &dyn Fn(&Snapshot) -> String| latest.map(shown).unwrap_or_default();
        vec![
            pod.name.clone(),
            if pod.open { "open" } else { "closed" }.to_owned(),
            if pod.public { "public" } else { "private" }.to_owned(),
            of_latest(&|snapshot| snapshot.files.to_string()),
            of_latest(&|snapshot| size(snapshot.bytes)),
            of_latest(&|snapshot| snapshot.index.to_string()),
            of_latest(&|snapshot| date(snapshot.at)),
        ]
    };
    let rows: Vec<_> = pods.iter().map(cells).collect();
    let header = [
        "NAME", "STATE", "KIND", "FILES", "SIZE", "SNAPSHOT", "CHANGED",
    ];
    context.printer.table(&header, &rows)
}

/// Opens or closes a pod.
pub(super) async fn set_open(context: Context<'_>, pod: PodName, open: bool) -> Result<()> {
    let now = context
        .with_pods("changed", move |pods, _| Ok(pods.set_open(&pod, open)?))
        .await?;
    said(context, &now, if open { "is open" } else { "is closed" })
}

/// Removes a pod; asks first, unless told not to.
pub(super) async fn remove(context: Context<'_>, pod: PodName, yes: bool) -> Result<()> {
    let asked = pod.clone();
    let info = context
        .with_pods("looked", move |pods, _| {
            // One whose snapshots are lost is listed still, and is to be removed all the more.
            let listed = pods
                .pods()?
                .into_iter()
                .find(|pod| pod.name == asked.as_str());
            Ok(listed.map_or_else(|| pods.pod(&asked), Ok)?)
        })
        .await?;
    if !yes {
        confirm(context, &info)?;
    }
    let name = pod.clone();
    context
        .with_pods("removed", move |pods, _| Ok(pods.remove_pod(&name)?))
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&json!({ "removed": pod.as_str() }));
    }
    context.printer.note(&format!("the pod `{pod}` is removed"));
    Ok(())
}

fn confirm(context: Context<'_>, pod: &PodInfo) -> Result<(), Refusal> {
    let what = match &pod.latest {
        Some(latest) => format!(
            "`{}` with its {} files and {} snapshots",
            pod.name,
            latest.files,
            latest.index + 1
        ),
        None => format!("`{}`", pod.name),
    };
    let answer = context.printer.ask(&format!("remove {what}? [y/N]"));
    match answer.as_deref() {
        Some("y" | "Y" | "yes") => Ok(()),
        Some(_) => Err(
            Refusal::new(Code::Cancelled, format!("`{}` stays", pod.name))
                .hint("answer `y` to remove it"),
        ),
        None => Err(Refusal::new(
            Code::Denied,
            format!("nobody is here to be asked about {what}"),
        )
        .hint("say so beforehand: `--yes`")),
    }
}

/// Prints a reference key.
pub(super) async fn share(context: Context<'_>, what: Place) -> Result<()> {
    let shown = what.clone();
    let key = context
        .with_pods("shared", move |pods, _| {
            Ok(pods.share(what.pod()?, &what.path)?)
        })
        .await?;
    let live = shown.path.is_root();
    if context.printer.is_json() {
        return context.printer.json(&json!({
            "pod": shown.pod()?.as_str(), "path": shown.path.as_str(), "key": key, "live": live,
        }));
    }
    context.printer.note(if live {
        "whoever has this key reads the pod, as it is and as it will be"
    } else {
        "whoever has this key reads this as it is now, and nothing else of the pod"
    });
    context.printer.text(&key)
}

/// Makes a pod of one's own from a source, and writes it to a directory if told to.
pub(super) async fn fork(
    context: Context<'_>,
    from: Place,
    name: Option<PodName>,
    to: Option<PathBuf>,
    at: Option<u64>,
) -> Result<()> {
    if !from.path.is_root() {
        return Err(
            Refusal::new(Code::Malformed, "what is forked is forked whole")
                .hint("leave the path out; `medium pod cp` copies a part of it")
                .into(),
        );
    }
    if let Some(to) = &to
        && to.exists()
    {
        return Err(Refusal::new(
            Code::Conflict,
            format!("`{}` is there already", to.display()),
        )
        .hint("name a new directory")
        .into());
    }
    let source = from.source(at)?;
    let (forked, fetched) = context
        .with_pods("fetched", move |pods, bar| {
            let name = match (name, &source) {
                (Some(name), _) => name,
                (None, Source::Reference(reference)) => plain_name(&pods.find(reference)?.name)?,
                (None, Source::Pod { name, .. }) => plain_name(name)?,
            };
            let forked = pods.fork(&source, &name)?;
            let Some(to) = to else {
                return Ok((forked, None));
            };
            bar.expect(forked.latest.as_ref().map_or(0, |latest| latest.bytes));
            let own = Source::pod(&name);
            let root = adapters::pods::PodPath::root();
            let fetched = fetch_directory(pods, &own, &root, &to, bar).map_err(|error| {
                let again = format!("medium pod import {name} {}", to.display());
                let forked = format!("`{name}` is forked, but not written");
                anyhow::Error::from(error.refusal().hint(format!("go on with `{again}`")))
                    .context(forked)
            })?;
            Ok((forked, Some((to, fetched))))
        })
        .await?;
    if let Some((to, fetched)) = fetched {
        context.printer.note(&format!(
            "{} files ({}) are in `{}`",
            fetched.files,
            size(fetched.bytes),
            to.display()
        ));
    }
    let of = forked
        .parent
        .as_ref()
        .map_or("elsewhere", |parent| &parent.name);
    said(context, &forked, &format!("is a fork of `{of}`"))
}

/// Lists the snapshots of a pod.
pub(super) async fn history(context: Context<'_>, pod: PodName) -> Result<()> {
    let snapshots = context
        .with_pods("listed", move |pods, _| Ok(pods.history(&pod)?))
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&snapshots);
    }
    let cells = |snapshot: &Snapshot| {
        vec![
            snapshot.index.to_string(),
            date(snapshot.at),
            snapshot.files.to_string(),
            size(snapshot.bytes),
            snapshot.note.clone(),
            snapshot.reference.clone(),
        ]
    };
    let rows: Vec<_> = snapshots.iter().map(cells).collect();
    let header = ["SNAPSHOT", "WHEN", "FILES", "SIZE", "NOTE", "REFERENCE"];
    context.printer.table(&header, &rows)
}

/// Recomputes every hash of a source.
pub(super) async fn verify(context: Context<'_>, what: Place, at: Option<u64>) -> Result<()> {
    if !what.path.is_root() {
        return Err(
            Refusal::new(Code::Malformed, "what is verified is verified whole")
                .hint("leave the path out")
                .into(),
        );
    }
    let source = what.source(at)?;
    let shown = source.to_string();
    let verified = context
        .with_pods("verified", move |pods, bar| {
            if let Source::Pod { name, at: None } = &source
                && let Some(latest) = pods.pod(&name.parse()?)?.latest
            {
                bar.expect(latest.bytes);
            }
            Ok(pods.verify(&source, bar)?)
        })
        .await?;
    if context.printer.is_json() {
        context.printer.json(&verified)?;
    } else {
        context.printer.text(&format!(
            "{} files are whole: {} chunks, {}",
            verified.files,
            verified.chunks,
            size(verified.bytes)
        ))?;
        for damage in verified.damage.iter().take(DAMAGE_SHOWN) {
            let line = format!("{}: chunk {}: {}", damage.path, damage.chunk, damage.why);
            context.printer.text(&line)?;
        }
    }
    match verified.damage.len() {
        0 => Ok(()),
        count => {
            let what = format!("{count} places of `{shown}` are damaged or missing");
            Err(Refusal::new(Code::Corrupt, what)
                .hint("put these files again, or fork the pod from somebody who has it whole")
                .into())
        }
    }
}
