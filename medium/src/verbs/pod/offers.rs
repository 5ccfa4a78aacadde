//! Changes that travel back from a fork to the author.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use adapters::pods::{OFFER_BYTES_MAX, Offer, PodName};
use anyhow::Result;
use genesis::refusal::Refusal;
use serde_json::json;

use super::super::Context;
use super::changed;
use crate::report::file_refused;

/// Digits of an offer's id.
const ID_DIGITS: usize = 32;

/// Offers what a fork changed, and writes the offer to a file if told to.
pub(super) async fn offer(
    context: Context<'_>,
    fork: PodName,
    output: Option<PathBuf>,
) -> Result<()> {
    let offer = context
        .with_pods("offered", move |pods, _| Ok(pods.offer(&fork)?))
        .await?;
    if let Some(output) = output {
        write(&output, &offer.to_json()?)?;
        let file = output.display();
        context.printer.note(&format!(
            "its author takes it on another machine with `medium pod take {} {file}`",
            offer.pod
        ));
    }
    if context.printer.is_json() {
        return context.printer.json(&offer);
    }
    let what = difference(&offer);
    context
        .printer
        .note(&format!("offered to `{}`: {what}", offer.pod));
    context.printer.text(&offer.id)
}

/// Writes a file that is not there yet.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    let refused = |error: io::Error| file_refused("write", path, &error);
    let mut file = File::create_new(path).map_err(refused)?;
    file.write_all(bytes).map_err(refused)
}

/// Reads an offer that came as a file.
fn read(path: &Path) -> Result<Offer> {
    let refused = |error: io::Error| file_refused("read", path, &error);
    let file = File::open(path).map_err(refused)?;
    let mut bytes = Vec::new();
    let most = OFFER_BYTES_MAX as u64 + 1;
    file.take(most).read_to_end(&mut bytes).map_err(refused)?;
    Ok(Offer::from_json(&bytes)?)
}

fn difference(offer: &Offer) -> String {
    format!(
        "{} added, {} changed, {} removed",
        offer.added.len(),
        offer.changed.len(),
        offer.removed.len()
    )
}

/// Lists what was offered to a pod.
pub(super) async fn list(context: Context<'_>, pod: PodName) -> Result<()> {
    let offers = context
        .with_pods("listed", move |pods, _| Ok(pods.offers(&pod)?))
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&offers);
    }
    if offers.is_empty() {
        context.printer.note("nothing was offered to it");
        return Ok(());
    }
    let cells = |offer: &Offer| {
        vec![
            offer.id.clone(),
            offer.from.clone(),
            offer.added.len().to_string(),
            offer.changed.len().to_string(),
            offer.removed.len().to_string(),
        ]
    };
    let rows: Vec<_> = offers.iter().map(cells).collect();
    let header = ["OFFER", "FROM", "ADDED", "CHANGED", "REMOVED"];
    context.printer.table(&header, &rows)
}

/// Takes an offer, which is named or came as a file.
pub(super) async fn take(context: Context<'_>, pod: PodName, offer: String) -> Result<()> {
    let name = pod.to_string();
    let is_id = offer.len() == ID_DIGITS && offer.bytes().all(|byte| byte.is_ascii_hexdigit());
    let brought = if is_id {
        None
    } else {
        Some(read(Path::new(&offer))?)
    };
    let taken = context
        .with_pods("taken", move |pods, _| match brought {
            Some(brought) => Ok(Some(pods.accept(&pod, &brought)?)),
            None => Ok(pods.settle(&pod, &offer, true)?),
        })
        .await?;
    match taken {
        Some(snapshot) => changed(context, &name, &snapshot),
        None => Ok(()),
    }
}

/// Declines an offer.
pub(super) async fn decline(context: Context<'_>, pod: PodName, offer: String) -> Result<()> {
    let (name, declined) = (pod.to_string(), offer.clone());
    context
        .with_pods("declined", move |pods, _| {
            Ok(pods.settle(&pod, &offer, false)?)
        })
        .await?;
    if context.printer.is_json() {
        let said = json!({ "pod": name, "declined": declined });
        return context.printer.json(&said);
    }
    context.printer.note("declined");
    Ok(())
}
