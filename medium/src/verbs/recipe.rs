//! `recipe`: how pods are run.

use std::path::{Path, PathBuf};

use adapters::pods::PodName;
use adapters::recipe::{self, Kind, Linted, Persist, Persisted, RecipeError, Registry, Severity};
use adapters::task::{self, Options, Work};
use anyhow::Result;
use serde_json::json;

use super::Context;
use super::task::recipe_at;
use super::task::running::{allowed, folders, run_to_its_end, said};
use crate::cli::{Permissions, RecipeKind};
use crate::printer::{Style, harmless};
use crate::report::Said;

mod init;

/// Does what is to be done with recipes.
pub(crate) async fn recipe(context: Context<'_>, kind: RecipeKind) -> Result<()> {
    match kind {
        RecipeKind::Init(options) => init::init(context, options),
        RecipeKind::Lint { schema: true, .. } => context.printer.bytes(recipe::schema().as_bytes()),
        RecipeKind::Lint { directory, .. } => lint(context, &directory),
        RecipeKind::Run { what, permissions } => run(context, &what, &permissions).await,
        RecipeKind::Persist {
            directory,
            public,
            private,
        } => {
            let options = Persist {
                public: match (public, private) {
                    (true, _) => Some(true),
                    (_, true) => Some(false),
                    _ => None,
                },
            };
            persist(context, &directory, options).await
        }
        RecipeKind::Fork {
            reference,
            name,
            to,
        } => fork(context, reference, name, to).await,
        RecipeKind::Import { pod, to, force } => import(context, pod, to, force).await,
        RecipeKind::Ls { rebuild } => list(context, rebuild).await,
    }
}

/// Says everything there is to say of a recipe.
fn lint(context: Context<'_>, path: &Path) -> Result<()> {
    let linted = recipe::lint(path)?;
    let printer = context.printer;
    if printer.is_json() {
        printer.json(&linted)?;
    } else {
        show_findings(context, &linted)?;
    }
    if linted.is_fine() {
        Ok(())
    } else {
        Err(Said.into())
    }
}

fn show_findings(context: Context<'_>, linted: &Linted) -> Result<()> {
    let printer = context.printer;
    for finding in &linted.findings {
        let mark = match finding.severity {
            Severity::Error => printer.paint(Style::Red, "error:"),
            Severity::Warning => printer.paint(Style::Bold, "warning:"),
        };
        let hint = printer.paint(Style::Cyan, "hint:");
        let text = finding.to_string();
        let help = &finding.hint;
        printer.screen(&format!(
            "{mark} {}\n{hint} {}",
            harmless(&text),
            harmless(help)
        ))?;
    }
    if linted.findings.is_empty() {
        let name = linted.name.as_deref().unwrap_or_default();
        printer.note(&format!("nothing is wrong with `{name}`"));
    }
    Ok(())
}

/// Runs a pod where it is, or what a reference names in a copy.
async fn run(context: Context<'_>, what: &str, permissions: &Permissions) -> Result<()> {
    let options = Options {
        workers: 1,
        allowed: allowed(permissions)?,
        fresh: true,
    };
    let is_reference =
        matches!(what.len(), 64 | 128) && what.bytes().all(|byte| byte.is_ascii_hexdigit());
    let work = if is_reference && !Path::new(what).exists() {
        // A task of one step: the pod is fetched into the run.
        let one = recipe::NewTask {
            name: format!("pod-{}", &what[..8]),
            pods: vec![what.to_owned()],
            ..recipe::NewTask::default()
        };
        Work::new(one.recipe()?, PathBuf::from("."), false)
    } else {
        let (recipe, directory) = recipe_at(Path::new(what))?;
        if !matches!(recipe.kind, Kind::Pod(_)) {
            return Err(RecipeError::WrongKind {
                file: what.to_owned(),
                found: "a task",
                wanted: "a pod",
            }
            .into());
        }
        Work::new(recipe, directory, true)
    };
    let folders = folders(context, &work.recipe.name)?;
    let record = run_to_its_end(context, move |outside| {
        task::run(&work, &options, &folders, outside)
    })
    .await?;
    said(context, &record, true)
}

/// Makes a pod of a recipe's directory, and says what became of it.
///
/// # Errors
/// As [`recipe::persist`].
pub(crate) async fn persist(
    context: Context<'_>,
    directory: &Path,
    options: Persist,
) -> Result<()> {
    let directory = directory.to_owned();
    let done = context
        .with_pods("persisted", move |pods, bar| {
            Ok(recipe::persist(pods, &directory, options, bar)?)
        })
        .await?;
    let printer = context.printer;
    if printer.is_json() {
        return printer.json(&done);
    }
    let Persisted {
        pod,
        snapshot,
        reference,
        output,
        stays,
    } = &done;
    for stays in stays {
        printer.note(&format!("left out: {} ({})", stays.path, stays.why));
    }
    printer.note(&format!(
        "the pod `{pod}`, snapshot {}: {} files, {} bytes",
        snapshot.index, snapshot.files, snapshot.bytes
    ));
    if let Some(output) = output {
        printer.note(&format!(
            "its output is the pod `{}`: {}",
            output.pod, output.reference
        ));
    }
    match reference {
        Some(reference) => printer.text(reference),
        None => printer.text(pod),
    }
}

async fn fork(
    context: Context<'_>,
    reference: String,
    name: Option<PodName>,
    to: Option<PathBuf>,
) -> Result<()> {
    let place = to.clone();
    let (info, imported) = context
        .with_pods("forked", move |pods, bar| {
            let info = recipe::fork(pods, &reference, name.as_ref())?;
            let imported = match place {
                None => None,
                Some(to) => Some(recipe::import(pods, &info.name.parse()?, &to, false, bar)?),
            };
            Ok((info, imported))
        })
        .await?;
    let printer = context.printer;
    if printer.is_json() {
        return printer.json(&json!({ "pod": info, "imported": imported }));
    }
    match (to, imported) {
        (Some(to), Some(_)) => {
            printer.note(&format!("`medium recipe run {}` runs it", to.display()));
        }
        _ => printer.note(&format!(
            "`medium recipe import {}` brings it here",
            info.name
        )),
    }
    printer.text(&info.name)
}

async fn import(
    context: Context<'_>,
    pod: PodName,
    to: Option<PathBuf>,
    force: bool,
) -> Result<()> {
    let to = to.unwrap_or_else(|| PathBuf::from(pod.as_str()));
    let imported = context
        .with_pods("imported", move |pods, bar| {
            Ok(recipe::import(pods, &pod, &to, force, bar)?)
        })
        .await?;
    let printer = context.printer;
    if printer.is_json() {
        return printer.json(&imported);
    }
    let shown = imported.directory.display();
    printer.note(&format!(
        "{} files, {} bytes; `medium recipe run {shown}` runs it",
        imported.files, imported.bytes
    ));
    printer.text(&shown.to_string())
}

async fn list(context: Context<'_>, rebuild: bool) -> Result<()> {
    let (listed, unread) = context
        .with_pods("listed", move |pods, _| {
            let unread = if rebuild {
                Registry::rebuild(pods)?
            } else {
                Vec::new()
            };
            Ok((Registry::read(pods)?.list(), unread))
        })
        .await?;
    let printer = context.printer;
    for name in unread {
        printer.note(&format!(
            "the recipe of `{name}` cannot be read: it is left out"
        ));
    }
    if printer.is_json() {
        return printer.json(&listed);
    }
    let rows: Vec<Vec<String>> = listed
        .into_iter()
        .map(|one| {
            vec![
                one.name,
                one.kind.unwrap_or("?").to_owned(),
                one.version.unwrap_or_default(),
                one.sharing_references
                    .last()
                    .map(|shared| shared.0.clone())
                    .unwrap_or_default(),
                one.description.unwrap_or_default(),
            ]
        })
        .collect();
    printer.table(
        &["NAME", "KIND", "VERSION", "SHARED BY", "DESCRIPTION"],
        &rows,
    )
}

/// Whether a directory is a recipe's, and not that of a VC, for verbs that take directories of any kind.
pub(crate) fn is_recipe(directory: &Path) -> bool {
    directory.join(recipe::RECIPE_JSON).is_file() && !directory.join("vc.json").exists()
}
