//! What is done inside pods: listed, looked at, copied, moved, removed.

use std::io::{self, Read, Write};

use adapters::pods::{
    Edit, Entry, EntryKind, FileMeta, PodName, PodPath, Pods, PodsError, Snapshot, Source,
};
use anyhow::Result;
use genesis::refusal::{Code, Refusal};

use super::super::Context;
use super::{changed, date};
use crate::bar::{Bar, size};
use crate::pods::{Place, What};

/// Lists a directory, or everything below it.
pub(super) async fn list(
    context: Context<'_>,
    place: Place,
    path: Option<PodPath>,
    recursive: bool,
    at: Option<u64>,
) -> Result<()> {
    let path = match path {
        Some(path) if place.path.is_root() => path,
        Some(_) => {
            return Err(Refusal::new(Code::Malformed, "the path was named twice")
                .hint("`medium pod ls POD:/path`, or `medium pod ls POD /path`")
                .into());
        }
        None => place.path.clone(),
    };
    let source = place.source(at)?;
    let entries = context
        .with_pods("listed", move |pods, _| {
            let found = if recursive {
                pods.walk(&source, &path)
            } else {
                pods.list(&source, &path)
            };
            found.or_else(|error| match pods.stat(&source, &path) {
                // A file is listed as itself.
                Ok(entry) if entry.kind == EntryKind::File => Ok(vec![entry]),
                _ => Err(error.into()),
            })
        })
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&entries);
    }
    if entries.is_empty() {
        context.printer.note("nothing is in it");
        return Ok(());
    }
    let cells = |entry: &Entry| {
        let name = if recursive {
            entry.path.clone()
        } else {
            entry.path.rsplit('/').next().unwrap_or_default().to_owned()
        };
        match entry.kind {
            EntryKind::Directory => vec![String::new(), date(entry.modified), format!("{name}/")],
            EntryKind::File => vec![size(entry.bytes), date(entry.modified), name],
        }
    };
    let rows: Vec<_> = entries.iter().map(cells).collect();
    context.printer.table(&["SIZE", "CHANGED", "NAME"], &rows)
}

/// Shows a pod, or what is at a path.
pub(super) async fn stat(context: Context<'_>, what: Place, at: Option<u64>) -> Result<()> {
    if let (What::Pod(name), true, None) = (&what.what, what.path.is_root(), at) {
        return stat_pod(context, name.clone()).await;
    }
    let source = what.source(at)?;
    let path = what.path.clone();
    let entry = context
        .with_pods("looked", move |pods, _| Ok(pods.stat(&source, &path)?))
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&entry);
    }
    let mut fields = vec![("path", entry.path.clone())];
    match entry.kind {
        EntryKind::Directory => fields.push(("kind", "directory".to_owned())),
        EntryKind::File => {
            fields.push((
                "kind",
                if entry.executable { "program" } else { "file" }.to_owned(),
            ));
            fields.push(("bytes", entry.bytes.to_string()));
            fields.push(("type", entry.content_type.clone()));
        }
    }
    fields.push(("changed", date(entry.modified)));
    fields.extend(
        entry
            .reference
            .clone()
            .map(|reference| ("reference", reference)),
    );
    fields.retain(|(_, value)| !value.is_empty());
    context.printer.fields(&fields)
}

async fn stat_pod(context: Context<'_>, name: PodName) -> Result<()> {
    let pod = context
        .with_pods("looked", move |pods, _| Ok(pods.pod(&name)?))
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&pod);
    }
    let mut fields = vec![
        ("pod", pod.name.clone()),
        ("state", if pod.open { "open" } else { "closed" }.to_owned()),
        (
            "kind",
            if pod.public {
                "public"
            } else {
                "private: encrypted"
            }
            .to_owned(),
        ),
        ("owner", pod.owner.clone()),
    ];
    if let Some(latest) = &pod.latest {
        fields.extend([
            ("files", latest.files.to_string()),
            ("bytes", latest.bytes.to_string()),
            ("snapshot", latest.index.to_string()),
            ("changed", date(latest.at)),
            ("reference", latest.reference.clone()),
        ]);
    }
    if let Some(parent) = &pod.parent {
        fields.push(("fork of", format!("{} ({})", parent.name, parent.reference)));
    }
    fields.retain(|(_, value)| !value.is_empty());
    context.printer.fields(&fields)
}

/// Makes a directory.
pub(super) async fn make_directory(context: Context<'_>, what: Place, parents: bool) -> Result<()> {
    let pod = what.pod()?.clone();
    let name = pod.to_string();
    let snapshot = context
        .with_pods("changed", move |pods, _| {
            if !parents {
                is_new(pods, &pod, &what.path)?;
            }
            let mut edit = pods.edit(&pod)?;
            edit.make_directory(&what.path)?;
            Ok(edit.commit(&format!("mkdir {}", what.path))?)
        })
        .await?;
    changed(context, &name, &snapshot)
}

/// Whether a directory can be made without others, and without being there.
fn is_new(pods: &dyn Pods, pod: &PodName, path: &PodPath) -> Result<(), PodsError> {
    let source = Source::pod(pod);
    match pods.stat(&source, path) {
        Ok(_) => return Err(PodsError::PathExists(path.to_string())),
        Err(error) if error.code() == Code::Unknown => {}
        Err(error) => return Err(error),
    }
    match path.parent() {
        Some(parent) if !parent.is_root() => match pods.stat(&source, &parent) {
            Ok(entry) if entry.kind == EntryKind::Directory => Ok(()),
            Ok(_) => Err(PodsError::NotADirectory(parent.to_string())),
            Err(error) if error.code() == Code::Unknown => {
                let hint = "`-p` makes the directories on the way as well";
                Err(error.refusal().hint(hint).into())
            }
            Err(error) => Err(error),
        },
        // The root is there as soon as the pod is.
        _ => pods.pod(pod).map(drop),
    }
}

/// Removes a file or a directory.
pub(super) async fn remove(context: Context<'_>, what: Place, recursive: bool) -> Result<()> {
    let pod = what.pod()?.clone();
    if what.path.is_root() {
        let hint = format!("to remove the pod: `medium pod remove {pod}`");
        return Err(Refusal::new(Code::Malformed, "the root of a pod stays")
            .hint(hint)
            .into());
    }
    let name = pod.to_string();
    let snapshot = context
        .with_pods("changed", move |pods, _| {
            let mut edit = pods.edit(&pod)?;
            edit.remove(&what.path, recursive)?;
            Ok(edit.commit(&format!("rm {}", what.path))?)
        })
        .await?;
    changed(context, &name, &snapshot)
}

/// Moves inside a pod, or from one to another.
pub(super) async fn rename(context: Context<'_>, from: Place, to: Place) -> Result<()> {
    let (source_pod, pod) = (from.pod()?.clone(), to.pod()?.clone());
    let target = to.for_name(from.path.name())?;
    if from.path.is_root() {
        return Err(Refusal::new(Code::Malformed, "the root of a pod stays")
            .hint("`medium pod cp` copies all that is in it")
            .into());
    }
    let name = pod.to_string();
    let snapshot = context
        .with_pods("moved", move |pods, bar| {
            let note = format!("mv {} {target}", from.path);
            if source_pod == pod {
                let mut edit = pods.edit(&pod)?;
                edit.rename(&from.path, &target)?;
                return Ok(edit.commit(&note)?);
            }
            let source = Source::pod(&source_pod);
            let snapshot = across(pods, &source, &from.path, &pod, &target, &note, bar)?;
            let mut edit = pods.edit(&source_pod)?;
            edit.remove(&from.path, true)?;
            edit.commit(&note)?;
            Ok(snapshot)
        })
        .await?;
    changed(context, &name, &snapshot)
}

/// Copies inside a pod, or into one.
pub(super) async fn copy(
    context: Context<'_>,
    from: Place,
    to: Place,
    at: Option<u64>,
) -> Result<()> {
    let pod = to.pod()?.clone();
    let source = from.source(at)?;
    let target = to.for_name(from.path.name())?;
    let name = pod.to_string();
    let snapshot = context
        .with_pods("copied", move |pods, bar| {
            let note = format!("cp {source}:{} {target}", from.path);
            if source == Source::pod(&pod) {
                let mut edit = pods.edit(&pod)?;
                edit.copy(&from.path, &target)?;
                return Ok(edit.commit(&note)?);
            }
            across(pods, &source, &from.path, &pod, &target, &note, bar)
        })
        .await?;
    changed(context, &name, &snapshot)
}

/// Copies what a source has at a path into a pod. Nothing is overwritten.
fn across(
    pods: &dyn Pods,
    from: &Source,
    path: &PodPath,
    pod: &PodName,
    to: &PodPath,
    note: &str,
    bar: &Bar,
) -> Result<Snapshot> {
    let first = pods.stat(from, path)?;
    let is_directory = first.kind == EntryKind::Directory;
    let entries = if is_directory {
        pods.walk(from, path)?
    } else {
        vec![first]
    };
    bar.expect(entries.iter().map(|entry| entry.bytes).sum());
    if !to.is_root() {
        match pods.stat(&Source::pod(pod), to) {
            Ok(_) => return Err(PodsError::PathExists(to.to_string()).into()),
            Err(error) if error.code() == Code::Unknown => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut edit = pods.edit(pod)?;
    if is_directory && !to.is_root() {
        edit.make_directory(to)?;
    }
    for entry in &entries {
        let there: PodPath = entry.path.parse()?;
        let target = if is_directory {
            let below = &there.as_str()[path.as_str().trim_end_matches('/').len()..];
            to.join(below)?
        } else {
            to.clone()
        };
        match entry.kind {
            EntryKind::Directory => edit.make_directory(&target)?,
            EntryKind::File => copy_file(pods, from, entry, &there, edit.as_mut(), &target, bar)?,
        }
    }
    Ok(edit.commit(note)?)
}

/// Copies one file through a pipe: read on a thread of its own, so that it is never in memory as a whole.
fn copy_file(
    pods: &dyn Pods,
    from: &Source,
    entry: &Entry,
    path: &PodPath,
    edit: &mut dyn Edit,
    to: &PodPath,
    bar: &Bar,
) -> Result<()> {
    let piped = |error: io::Error| Refusal::new(Code::Io, format!("no pipe: {error}"));
    let (output, input) = io::pipe().map_err(piped)?;
    let meta = FileMeta {
        content_type: entry.content_type.clone(),
        modified: entry.modified,
        executable: entry.executable,
        bytes: Some(entry.bytes),
    };
    let (read, written) = std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut input = input;
            let read = pods.read(from, path, None, &mut input, &adapters::pods::Quiet);
            read.and_then(|bytes| {
                let flushed = input.flush();
                flushed.map_or_else(|error| Err(piped_out(error)), |()| Ok(bytes))
            })
        });
        let mut output = output;
        let written = edit.write(to, &meta, &mut output as &mut dyn Read, bar);
        // A reader that nobody listens to any more ends.
        drop(output);
        (reading.join(), written)
    });
    match (read, written) {
        // What could not be read is the reason why it could not be written.
        (Ok(Err(error)), Err(_)) if !is_broken_pipe(&error) => Err(error.into()),
        (_, Err(error)) | (Ok(Err(error)), Ok(_)) => Err(error.into()),
        (Err(_), Ok(_)) => Err(Refusal::new(Code::Internal, "a reader failed").into()),
        (Ok(Ok(_)), Ok(_)) => Ok(()),
    }
}

fn piped_out(error: io::Error) -> PodsError {
    PodsError::Io {
        what: "copying".to_owned(),
        error,
    }
}

fn is_broken_pipe(error: &PodsError) -> bool {
    matches!(error, PodsError::Io { error, .. } if error.kind() == io::ErrorKind::BrokenPipe)
}
