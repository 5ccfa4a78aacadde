//! `pod get` and `pod import`: from a pod, or from what a reference names, to this machine.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use adapters::pods::{Entry, EntryKind, Pods, PodsError, Source};
use adapters::transfer::{Fetched, TransferError, fetch_directory, fetch_file};
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use serde_json::json;

use super::super::Context;
use crate::bar::{Bar, size};
use crate::pods::Place;
use crate::printer::{Closed, Printer};

/// Longest file that is shown on a terminal, in bytes.
const SHOWN_BYTES_MAX: u64 = 1024 * 1024;

/// Gets a file or a directory.
pub(super) async fn get(
    context: Context<'_>,
    from: Place,
    output: Option<PathBuf>,
    force: bool,
    at: Option<u64>,
) -> Result<()> {
    let source = from.source(at)?;
    if output.as_deref() == Some(Path::new("-")) {
        return print(context, source, from).await;
    }
    let done = context
        .with_pods("got", move |pods, bar| {
            let entry = pods.stat(&source, &from.path)?;
            let place = match output {
                Some(output) => output,
                None => PathBuf::from(name_of(pods, &source, &entry)?),
            };
            let fetched = if entry.kind == EntryKind::File {
                bar.expect(entry.bytes);
                fetch_file(pods, &source, &entry, &place, force, bar)?
            } else {
                expect(pods, &source, &from, bar)?;
                fetch_directory(pods, &source, &from.path, &place, bar)?
            };
            Ok((place, fetched))
        })
        .await?;
    said(context, &done.0, done.1)
}

/// Writes what a source has to a new directory.
pub(super) async fn import(
    context: Context<'_>,
    from: Place,
    to: PathBuf,
    at: Option<u64>,
) -> Result<()> {
    let source = from.source(at)?;
    let done = context
        .with_pods("imported", move |pods, bar| {
            expect(pods, &source, &from, bar)?;
            let fetched = fetch_directory(pods, &source, &from.path, &to, bar)?;
            Ok((to, fetched))
        })
        .await?;
    said(context, &done.0, done.1)
}

/// How many bytes a whole pod has, where that is known without looking at all of it.
fn expect(pods: &dyn Pods, source: &Source, from: &Place, bar: &Bar) -> Result<()> {
    if let Source::Pod { name, at: None } = source
        && from.path.is_root()
        && let Some(latest) = pods.pod(&name.parse()?)?.latest
    {
        bar.expect(latest.bytes);
    }
    Ok(())
}

/// What something is called on this machine that was not given a name.
fn name_of(pods: &dyn Pods, source: &Source, entry: &Entry) -> Result<String> {
    let name = match (entry.path.rsplit('/').next(), source) {
        (Some(name), _) if !name.is_empty() => name.to_owned(),
        (_, Source::Pod { name, .. }) => name.clone(),
        (_, Source::Reference(reference)) => pods.find(reference)?.name,
    };
    // The name that somebody else gave must not lead elsewhere.
    let is_plain = !name.is_empty() && !name.contains('/') && !matches!(name.as_str(), "." | "..");
    if is_plain && !name.contains('\0') {
        return Ok(name);
    }
    let what = format!("`{}` is no name for a file here", name.escape_debug());
    Err(Refusal::new(Code::Malformed, what)
        .hint("name one: `--output FILE`")
        .into())
}

fn said(context: Context<'_>, place: &Path, fetched: Fetched) -> Result<()> {
    if context.printer.is_json() {
        return context.printer.json(&json!({
            "output": place.display().to_string(),
            "files": fetched.files,
            "bytes": fetched.bytes,
            "resumed_bytes": fetched.resumed,
        }));
    }
    let files = if fetched.files == 1 { "file" } else { "files" };
    let resumed = match fetched.resumed {
        0 => String::new(),
        bytes => format!(", {} of them from the run before", size(bytes)),
    };
    context.printer.note(&format!(
        "{} {files} ({}{resumed})",
        fetched.files,
        size(fetched.bytes)
    ));
    context.printer.text(&place.display().to_string())
}

/// Writes a file to stdout: as it is to a program; to a person only what is text, and not too long.
async fn print(context: Context<'_>, source: Source, from: Place) -> Result<()> {
    if context.printer.is_json() {
        return Err(Refusal::new(Code::Malformed, "a file is not JSON")
            .hint("leave `--json` out, or name a file: `--output FILE`")
            .into());
    }
    if !context.printer.is_terminal() {
        let mut out = Printer::raw();
        return context
            .with_pods("got", move |pods, bar| {
                if let Ok(entry) = pods.stat(&source, &from.path) {
                    bar.expect(entry.bytes);
                }
                pods.read(&source, &from.path, None, &mut out, bar)
                    .map_err(nobody_reads)?;
                out.flush().map_err(|error| match error.kind() {
                    io::ErrorKind::BrokenPipe => Closed.into(),
                    _ => TransferError::Io {
                        doing: "write to",
                        path: "stdout".into(),
                        error,
                    }
                    .into(),
                })
            })
            .await;
    }
    let hint = "name a file: `--output FILE`";
    let shown = context
        .with_pods("got", move |pods, bar| {
            let entry = pods.stat(&source, &from.path)?;
            if entry.bytes > SHOWN_BYTES_MAX {
                let what = format!("{} bytes are too much for a terminal", entry.bytes);
                return Err(Refusal::new(Code::TooLarge, what).hint(hint).into());
            }
            let mut bytes = Vec::new();
            pods.read(&source, &from.path, None, &mut bytes, bar)?;
            Ok(bytes)
        })
        .await?;
    let Ok(text) = String::from_utf8(shown) else {
        let what = "this file is not text, and stdout is a terminal";
        return Err(Refusal::new(Code::Malformed, what).hint(hint).into());
    };
    context.printer.text(text.trim_end_matches('\n'))
}

/// A reader that has seen enough is no error.
fn nobody_reads(error: PodsError) -> anyhow::Error {
    match error {
        PodsError::Io { error, .. } if error.kind() == io::ErrorKind::BrokenPipe => Closed.into(),
        other => other.into(),
    }
}
