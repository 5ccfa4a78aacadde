//! `sim publish`: a run, and all that it takes to compute it again, as a pod.

use std::fs;
use std::path::{Path, PathBuf};

use adapters::pods::PodName;
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use serde_json::json;
use sims::folder::{Folder, Record, Status, Verdict};
use sims::models;

use super::cargo::{Crate, around};
use super::program::{builds, cache};
use super::published::{self, Kind, Published};
use super::verify;
use crate::bar::size;
use crate::cli::Publish;
use crate::report::file_refused;
use crate::verbs::{Context, persist};

/// How much of a digest stands in a pod's name.
const DIGEST_SHOWN: usize = 8;

/// Publishes a run.
pub(crate) async fn publish(context: Context<'_>, options: &Publish) -> Result<()> {
    let record = Folder::read(&options.run).map_err(|error| verify::refused(&error))?;
    let (Some(digest), Status::Finished | Status::Over) = (record.digest.clone(), record.status)
    else {
        let what = format!("the run in `{}` has not ended", options.run.display());
        let hint = format!(
            "`medium sim resume {}` goes on with it",
            options.run.display()
        );
        return Err(Refusal::new(Code::Conflict, what).hint(hint).into());
    };
    let source = source(options, &record)?;
    let name: PodName = match &options.pod {
        Some(name) => name.parse()?,
        None => format!(
            "{}-{}",
            record.model,
            &digest[..DIGEST_SHOWN.min(digest.len())]
        )
        .parse()?,
    };
    if !options.unchecked {
        let source = source.as_deref();
        let check = || check(context, options, &record, source);
        if let Verdict::Different(difference) = tokio::task::block_in_place(check)? {
            return Err(verify::differs(&difference).into());
        }
    }
    let cache = cache(context)?;
    published::make(&cache)?;
    let stage = tempfile::Builder::new()
        .prefix("publish-")
        .tempdir_in(&cache);
    let stage = stage.map_err(|error| file_refused("make a folder in", &cache, &error))?;
    let published = Published::stage(&options.run, &record, source.as_deref(), stage.path())?;
    let (folder, public, share) = (stage.path().to_owned(), options.public, options.share);
    let persisted = context
        .with_pods("published", move |pods, bar| {
            let what = persist::What {
                public,
                share,
                note: "publish",
            };
            persist::whole(pods, bar, &folder, &name, what)
        })
        .await?;
    let snapshot = &persisted.snapshot;
    if context.printer.is_json() {
        return context.printer.json(&json!({
            "pod": persisted.pod,
            "snapshot": snapshot.index,
            "reference": snapshot.reference,
            "key": persisted.key,
            "model": published.model,
            "kind": published.kind,
            "digest": digest,
            "files": snapshot.files,
            "bytes": snapshot.bytes,
        }));
    }
    let what = match published.kind {
        Kind::BuiltIn => "the run of a built-in model",
        Kind::Crate => "the run and the crate that computed it",
    };
    context.printer.note(&format!(
        "the pod `{}`, snapshot {}: {what}, {} files, {}",
        persisted.pod,
        snapshot.index,
        snapshot.files,
        size(snapshot.bytes)
    ));
    if let Some(key) = &persisted.key {
        context.printer.note(&format!(
            "{key} reads it, now and later: give it to whom it is for"
        ));
    }
    context
        .printer
        .note("`medium sim verify REFERENCE` computes it again and compares");
    context.printer.text(&snapshot.reference)
}

/// The crate that computed a run; none if the model is built in.
fn source(options: &Publish, record: &Record) -> Result<Option<PathBuf>, Refusal> {
    if let Some(source) = &options.source {
        return Ok(Some(Crate::at(source)?.folder));
    }
    if models::find(&record.model).is_some() {
        return Ok(None);
    }
    if let Some(folder) = around(&options.run) {
        return Ok(Some(Crate::at(&folder)?.folder));
    }
    let what = format!(
        "no model `{}` is built in, and `{}` lies in no crate",
        record.model,
        options.run.display()
    );
    Err(Refusal::new(Code::Unknown, what).hint("say with `--source DIR` which crate computed it"))
}

/// Runs the run again as whoever reads it will: what does not come out the same is not worth publishing.
fn check(
    context: Context<'_>,
    options: &Publish,
    record: &Record,
    source: Option<&Path>,
) -> Result<Verdict, Refusal> {
    let Some(source) = source else {
        return verify::built_in(&options.run, record, None, &|| false);
    };
    let program = Crate::at(source)?.build(&builds(context)?, context.printer)?;
    if !source.join("Cargo.lock").is_file() {
        let what = format!("`{}` has no Cargo.lock", source.display());
        return Err(Refusal::new(Code::Unknown, what).hint("`cargo generate-lockfile` makes it"));
    }
    let again = verify::trusted(&program, record, None, &cache(context)?)?;
    let verdict = verify::compare(&options.run, record, &again.path().join(published::RUN));
    // The folder goes whatever came of it.
    let _ = fs::remove_dir_all(again.path());
    verdict
}
