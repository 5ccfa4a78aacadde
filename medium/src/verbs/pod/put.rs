//! `pod put`: from this machine into a pod.

use std::io;
use std::path::{Path, PathBuf};

use adapters::pods::{FileMeta, PodPath, Pods, PodsError, Snapshot};
use adapters::transfer::{Put, Scan, ScanOptions, is_secret, put as put_scan, put_file, scan};
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use serde_json::json;

use super::super::Context;
use crate::bar::{Bar, size};
use crate::pods::Place;
use crate::report::file_refused;

/// Most names of what was left out that are shown.
const LEFT_OUT_SHOWN: usize = 10;

/// What is put.
enum What {
    Stdin,
    File(PathBuf, PodPath),
    Directory(Scan),
}

/// Puts a file, a directory or standard input into a pod, as one snapshot.
pub(super) async fn put(
    context: Context<'_>,
    source: PathBuf,
    to: Place,
    secrets: bool,
    note: Option<String>,
) -> Result<()> {
    let pod = to.pod()?.clone();
    let what = look(&source, &to, secrets)?;
    if let What::Directory(scan) = &what {
        say_left_out(context, scan);
    }
    let note = note.unwrap_or_else(|| format!("put {}", source.display()));
    let name = pod.to_string();
    let left_out: Vec<_> = match &what {
        What::Directory(scan) => scan.left_out.iter().map(|left| left.path.clone()).collect(),
        _ => Vec::new(),
    };
    let (put, snapshot) = context
        .with_pods("put", move |pods, bar| {
            write(pods, bar, &pod, &what, &to.path, &note).map_err(|error| stopped(error, &pod))
        })
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&json!({
            "pod": name, "files": put.files, "bytes": put.bytes, "left_out": left_out, "snapshot": snapshot,
        }));
    }
    let files = if put.files == 1 { "file" } else { "files" };
    context.printer.note(&format!(
        "{} {files} ({}) put; `{name}` is at snapshot {}",
        put.files,
        size(put.bytes),
        snapshot.index
    ));
    context.printer.text(&snapshot.reference)
}

/// Looks at what is to be put, before anything leaves.
fn look(source: &Path, to: &Place, secrets: bool) -> Result<What> {
    if source.as_os_str() == "-" {
        if to.is_into {
            return Err(Refusal::new(Code::Malformed, "standard input has no name")
                .hint("name the file: `medium pod put - POD:/name`")
                .into());
        }
        return Ok(What::Stdin);
    }
    let about = std::fs::metadata(source).map_err(|error| file_refused("read", source, &error))?;
    if about.is_dir() {
        let options = ScanOptions {
            secrets,
            ..ScanOptions::default()
        };
        return Ok(What::Directory(scan(source, &options)?));
    }
    // What was named is meant: a link is followed.
    let real = std::fs::canonicalize(source);
    let real = real.map_err(|error| file_refused("read", source, &error))?;
    let name = source.file_name().and_then(|name| name.to_str());
    let Some(name) = name else {
        let what = format!("the name of `{}` is not UTF-8", source.display());
        return Err(Refusal::new(Code::Malformed, what)
            .hint("put it by another name: `medium pod put - POD:/name < FILE`")
            .into());
    };
    let real_name = real.file_name().unwrap_or_default().to_string_lossy();
    if !secrets && (is_secret(name) || is_secret(&real_name)) {
        let what = format!("`{}` is called like a secret", source.display());
        return Err(Refusal::new(Code::Denied, what)
            .hint("`--secrets` puts it all the same")
            .into());
    }
    Ok(What::File(real, to.for_name(name)?))
}

fn say_left_out(context: Context<'_>, scan: &Scan) {
    let shown = scan.left_out.iter().take(LEFT_OUT_SHOWN);
    for left in shown {
        let why = if left.secret {
            "it is called like a secret; `--secrets` puts it"
        } else {
            ".mediumignore names it"
        };
        context
            .printer
            .note(&format!("left out: {} ({why})", left.path));
    }
    if let more @ 1.. = scan.left_out.len().saturating_sub(LEFT_OUT_SHOWN) {
        context.printer.note(&format!("left out: {more} more"));
    }
}

fn write(
    pods: &dyn Pods,
    bar: &Bar,
    pod: &adapters::pods::PodName,
    what: &What,
    to: &PodPath,
    note: &str,
) -> Result<(Put, Snapshot)> {
    let mut edit = pods.edit(pod)?;
    let put = match what {
        What::Stdin => {
            let meta = FileMeta::default();
            let entry = edit.write(to, &meta, &mut io::stdin().lock(), bar)?;
            Put {
                files: 1,
                bytes: entry.bytes,
            }
        }
        What::File(file, to) => {
            if let Ok(about) = std::fs::metadata(file) {
                bar.expect(about.len());
            }
            let entry = put_file(edit.as_mut(), file, to, bar)?;
            Put {
                files: 1,
                bytes: entry.bytes,
            }
        }
        What::Directory(scan) => {
            bar.expect(scan.bytes);
            put_scan(edit.as_mut(), scan, to, bar)?
        }
    };
    Ok((put, edit.commit(note)?))
}

/// Says of what was stopped what was kept.
fn stopped(error: anyhow::Error, pod: &adapters::pods::PodName) -> anyhow::Error {
    let refusal = match (
        error.downcast_ref::<PodsError>(),
        error.downcast_ref::<adapters::transfer::TransferError>(),
    ) {
        (Some(error), _) => error.refusal(),
        (_, Some(error)) => error.refusal(),
        _ => return error,
    };
    if refusal.code != Code::Cancelled {
        return error;
    }
    let what = format!("{}; `{pod}` is as it was", refusal.what);
    Refusal::new(Code::Cancelled, what)
        .hint("put it again: what was stored already is kept for that, and is not stored twice")
        .into()
}
