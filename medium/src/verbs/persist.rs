//! `persist`: a VC, or a directory, becomes a pod.

use std::path::Path;

use adapters::pods::{PodName, PodPath, Pods, Snapshot};
use adapters::transfer::{self, ScanOptions};
use adapters::vc_pod;
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use serde_json::json;

use super::Context;
use super::freeze::digest_of;
use super::recipe;
use crate::bar::Bar;
use crate::cli::Persist;

/// Makes a pod of a VC or of a directory, and prints the reference by which it is spawned.
pub(crate) async fn persist(context: Context<'_>, options: &Persist) -> Result<()> {
    let what = Path::new(&options.what);
    if what.is_dir() {
        if options.sleep {
            let what = format!("`{}` is a directory: it does not sleep", options.what);
            return Err(Refusal::new(Code::Malformed, what)
                .hint("leave out `--sleep`")
                .into());
        }
        if options.pod.is_none() && recipe::is_recipe(what) {
            let yes = (options.public || options.share).then_some(true);
            return recipe::persist(context, what, adapters::recipe::Persist { public: yes }).await;
        }
        return directory(context, what, options).await;
    }
    if options.what.starts_with(['.', '/']) {
        let what = format!("there is no directory `{}`", options.what);
        return Err(Refusal::new(Code::Unknown, what)
            .hint("a VC is named by its id or name; `medium ps` lists them")
            .into());
    }
    vc(context, options).await
}

/// What was made a pod.
#[derive(Debug)]
pub(crate) struct Persisted {
    /// Its name.
    pub(crate) pod: String,
    /// What it is now.
    pub(crate) snapshot: Snapshot,
    /// The reference key, if it was shared.
    pub(crate) key: Option<String>,
}

async fn vc(context: Context<'_>, options: &Persist) -> Result<()> {
    let client = context.client()?;
    let id = client.portrait(&options.what).await?.summary.id;
    let (_, image) = client.image(&options.what).await?;
    let digest = digest_of(&image)?;
    let name = match &options.pod {
        Some(name) => name.parse()?,
        None => pod_name(image.name.as_deref(), &id)?,
    };
    let (public, share) = (options.public, options.share);
    let persisted = context
        .with_pods("persisted", move |pods, _| {
            let snapshot = vc_pod::write(pods, &name, public, &image)?;
            finish(pods, &name, snapshot, share)
        })
        .await?;
    let place = match &context.global.dfs {
        None => persisted.snapshot.reference.clone(),
        Some(keeper) => format!("{}@{keeper}", persisted.snapshot.reference),
    };
    if options.sleep {
        client.lay_down(&id, &place, &digest.to_string()).await?;
    }
    if context.printer.is_json() {
        return context.printer.json(&json!({
            "vc": id,
            "pod": persisted.pod,
            "snapshot": persisted.snapshot.index,
            "reference": place,
            "key": persisted.key,
            "image": digest.to_string(),
            "asleep": options.sleep,
        }));
    }
    context.printer.note(&if options.sleep {
        format!(
            "{id} sleeps in the pod `{}`; a message wakes it",
            persisted.pod
        )
    } else {
        format!(
            "the pod `{}`, snapshot {}, has the image {digest}; {id} lives on",
            persisted.pod, persisted.snapshot.index
        )
    });
    if let Some(key) = persisted.key {
        context.printer.note(&format!(
            "{key} reads it, now and later: give it to whom it is for"
        ));
    }
    context.printer.text(&place)
}

async fn directory(context: Context<'_>, folder: &Path, options: &Persist) -> Result<()> {
    let folder = folder.canonicalize()?;
    let own = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let name: PodName = match &options.pod {
        Some(name) => name.parse()?,
        None => own.unwrap_or_default().parse()?,
    };
    let (public, share) = (options.public, options.share);
    let persisted = context
        .with_pods("persisted", move |pods, bar| {
            whole(
                pods,
                bar,
                &folder,
                &name,
                What {
                    public,
                    share,
                    note: "persist",
                },
            )
        })
        .await?;
    if context.printer.is_json() {
        return context.printer.json(&json!({
            "pod": persisted.pod,
            "snapshot": persisted.snapshot.index,
            "reference": persisted.snapshot.reference,
            "key": persisted.key,
            "files": persisted.snapshot.files,
            "bytes": persisted.snapshot.bytes,
        }));
    }
    context.printer.note(&format!(
        "the pod `{}`, snapshot {}: {} files, {} bytes",
        persisted.pod, persisted.snapshot.index, persisted.snapshot.files, persisted.snapshot.bytes
    ));
    if let Some(key) = persisted.key {
        context.printer.note(&format!(
            "{key} reads it, now and later: give it to whom it is for"
        ));
    }
    context.printer.text(&persisted.snapshot.reference)
}

/// How a directory becomes a pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct What {
    /// Not encrypted.
    pub(crate) public: bool,
    /// With a reference key.
    pub(crate) share: bool,
    /// What the snapshot is for.
    pub(crate) note: &'static str,
}

/// Makes a pod what a directory is, with a new snapshot; it may be there already.
///
/// # Errors
/// What the directory and the keeper of pods say.
pub(crate) fn whole(
    pods: &dyn Pods,
    bar: &Bar,
    folder: &Path,
    name: &PodName,
    what: What,
) -> Result<Persisted> {
    let scan = transfer::scan(folder, &ScanOptions::default())?;
    if pods.pods()?.iter().all(|pod| pod.name != name.as_str()) {
        pods.create(name, what.public)?;
    }
    let mut edit = pods.edit(name)?;
    // The pod is what the directory is: what is not there any more goes.
    for entry in pods.list(&adapters::pods::Source::pod(name), &PodPath::root())? {
        edit.remove(&entry.path.parse()?, true)?;
    }
    transfer::put(edit.as_mut(), &scan, &PodPath::root(), bar)?;
    let snapshot = edit.commit(what.note)?;
    finish(pods, name, snapshot, what.share)
}

fn finish(pods: &dyn Pods, name: &PodName, snapshot: Snapshot, share: bool) -> Result<Persisted> {
    let key = share
        .then(|| pods.share(name, &PodPath::root()))
        .transpose()?;
    Ok(Persisted {
        pod: name.to_string(),
        snapshot,
        key,
    })
}

/// What the pod of a VC is called: as the VC, or by its id.
fn pod_name(name: Option<&str>, id: &str) -> Result<PodName, Refusal> {
    let short: String = id.trim_start_matches("vc:").chars().take(12).collect();
    let name = name.map_or_else(|| format!("vc-{short}"), ToOwned::to_owned);
    name.parse()
        .map_err(|error: adapters::pods::PodsError| error.refusal())
}
