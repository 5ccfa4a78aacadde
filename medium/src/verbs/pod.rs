//! `pod`: pods, wherever they are kept, and what Swarm would call things.
//!
//! [`manage`] has what is done to pods as a whole, [`files`] what is done inside them, [`put`] and [`get`] the
//! ways in and out, [`offers`] and [`keeping`] the rest.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use adapters::pods::Snapshot;
use adapters::swarm::splitter;
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use serde_json::json;

use super::Context;
use crate::cli::{PodKind, StampKind, WalletKind};
use crate::report::file_refused;

mod files;
mod get;
mod keeping;
mod manage;
mod offers;
mod put;

/// Does what is to be done with pods.
pub(crate) async fn pod(context: Context<'_>, kind: PodKind) -> Result<()> {
    match kind {
        PodKind::New { name, public } => manage::new(context, name, public).await,
        PodKind::Ls {
            place: None,
            recursive: false,
            at: None,
            ..
        } => manage::list(context).await,
        PodKind::Ls { place: None, .. } => Err(Refusal::new(Code::Malformed, "no pod was named")
            .hint("`medium pod ls POD`; without a pod, `ls` takes nothing")
            .into()),
        PodKind::Ls {
            place: Some(place),
            path,
            recursive,
            at,
        } => files::list(context, place, path, recursive, at).await,
        PodKind::Put {
            source,
            to,
            secrets,
            note,
        } => put::put(context, source, to, secrets, note).await,
        PodKind::Get {
            from,
            output,
            force,
            at,
        } => get::get(context, from, output, force, at).await,
        PodKind::Import { from, to, at } => get::import(context, from, to, at).await,
        PodKind::Cp { from, to, at } => files::copy(context, from, to, at).await,
        PodKind::Mv { from, to } => files::rename(context, from, to).await,
        PodKind::Rm { what, recursive } => files::remove(context, what, recursive).await,
        PodKind::Mkdir { what, parents } => files::make_directory(context, what, parents).await,
        PodKind::Stat { what, at } => files::stat(context, what, at).await,
        PodKind::Open { pod } => manage::set_open(context, pod, true).await,
        PodKind::Close { pod } => manage::set_open(context, pod, false).await,
        PodKind::Remove { pod, yes } => manage::remove(context, pod, yes).await,
        PodKind::Share { what } => manage::share(context, what).await,
        PodKind::Fork { from, name, to, at } => manage::fork(context, from, name, to, at).await,
        PodKind::History { pod } => manage::history(context, pod).await,
        PodKind::Verify { what, at } => manage::verify(context, what, at).await,
        PodKind::Offer { fork, output } => offers::offer(context, fork, output).await,
        PodKind::Offers { pod } => offers::list(context, pod).await,
        PodKind::Take { pod, offer } => offers::take(context, pod, offer).await,
        PodKind::Decline { pod, offer } => offers::decline(context, pod, offer).await,
        PodKind::Stamp { kind } => match kind {
            StampKind::Buy { depth, ttl, label } => keeping::buy(context, depth, ttl, label).await,
            StampKind::Ls => keeping::batches(context).await,
        },
        PodKind::Pin { reference } => keeping::pin(context, reference, true).await,
        PodKind::Unpin { reference } => keeping::pin(context, reference, false).await,
        PodKind::Pins => keeping::pins(context).await,
        PodKind::Gc { yes } => keeping::collect(context, yes).await,
        PodKind::Wallet { kind } => match kind {
            WalletKind::Ls => keeping::wallets(context).await,
        },
        PodKind::Hash { file } => hash(context, &file),
    }
}

/// Prints what Swarm would call a file. Needs no keeper of pods.
fn hash(context: Context<'_>, file: &Path) -> Result<()> {
    let input: Box<dyn Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else if file.is_dir() {
        let what = format!(
            "`{}` is a directory: a reference is of a file",
            file.display()
        );
        return Err(Refusal::new(Code::Malformed, what)
            .hint("`medium pod put` makes a snapshot of a directory, which has a reference")
            .into());
    } else {
        let opened = File::open(file).map_err(|error| file_refused("read", file, &error))?;
        Box::new(opened)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let split = splitter::hash(input, threads).map_err(|error| {
        Refusal::new(Code::Io, error.to_string())
            .who(file.display())
            .hint(error.hint().unwrap_or("try it again"))
    })?;
    if context.printer.is_json() {
        return context.printer.json(&json!({
            "reference": split.reference().to_string(),
            "bytes": split.len,
            "redundancy": 0,
        }));
    }
    context.printer.text(&split.reference().to_string())
}

/// Says what a change became: the snapshot, and its reference on stdout.
fn changed(context: Context<'_>, pod: &str, snapshot: &Snapshot) -> Result<()> {
    if context.printer.is_json() {
        return context
            .printer
            .json(&json!({ "pod": pod, "snapshot": snapshot }));
    }
    context
        .printer
        .note(&format!("`{pod}` is at snapshot {}", snapshot.index));
    context.printer.text(&snapshot.reference)
}

/// A time in seconds since 1970, as people write it: `2026-11-21 18:02:33`, in UTC; nothing for 0.
fn date(seconds: u64) -> String {
    if seconds == 0 {
        return String::new();
    }
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of a number of days since 1970; the calendar repeats every 400 years, and its years
/// are counted from March here, so that the odd day is at their end.
const fn civil(days: u64) -> (u64, u64, u64) {
    const ERA_DAYS: u64 = 146_097;
    let days = days.saturating_add(719_468);
    let (era, of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / (ERA_DAYS - 1)) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Held against `date -u -d @N`.
    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, ""),
            (1, "1970-01-01 00:00:01"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_709_210_096, "2024-02-29 12:34:56"),
            (1_735_689_599, "2024-12-31 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }
}
