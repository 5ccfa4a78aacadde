//! All that can be said of a recipe and its directory before it runs. Nothing is touched.

use std::path::Path;

use serde::Serialize;

use super::error::Finding;
use super::tree::{Tree, Why};
use super::{
    HERE, Kind, Payload, PodAt, PodRecipe, Recipe, RecipeError, read_bytes, tree_needs_yagna,
};
use crate::json::Place;
use crate::transfer::TransferError;

/// What there is to say of a recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Linted {
    /// What it is called, if that can be read.
    pub name: Option<String>,
    /// `pod`, `task`, or none if it is neither.
    pub kind: Option<&'static str>,
    /// Everything, in the order of the file; of the directory last.
    pub findings: Vec<Finding>,
}

impl Linted {
    /// Whether it can be run.
    pub fn is_fine(&self) -> bool {
        !self.findings.iter().any(Finding::is_error)
    }
}

/// Looks at a recipe and its directory.
///
/// # Errors
/// [`RecipeError::Missing`], and what reading says. What is wrong with the recipe is in the answer.
pub fn lint(path: &Path) -> Result<Linted, RecipeError> {
    let (file, bytes) = read_bytes(path)?;
    let directory = if path.is_dir() {
        path
    } else {
        let parent = path.parent();
        let named = parent.filter(|parent| !parent.as_os_str().is_empty());
        named.unwrap_or(Path::new("."))
    };
    let (recipe, mut findings) = Recipe::examine(&file, &bytes);
    let at = |field: &str| Place {
        file: file.clone(),
        field: field.to_owned(),
        ..Place::default()
    };
    match recipe.as_ref().map(|recipe| &recipe.kind) {
        Some(Kind::Pod(pod)) => of_pod(pod, directory, &at, &mut findings)?,
        Some(Kind::Task(task)) => {
            for step in &task.steps {
                if let PodAt::Directory(path) = &step.pod
                    && let Err(error) = Recipe::read(&directory.join(path))
                {
                    findings.push(Finding::error(
                        "bad-pod",
                        at(&format!("steps.{}", step.name)),
                        error.to_string(),
                        error.hint().unwrap_or_default(),
                    ));
                }
            }
        }
        None => {}
    }
    Ok(Linted {
        name: recipe.as_ref().map(|recipe| recipe.name.clone()),
        kind: recipe.as_ref().map(|recipe| match recipe.kind {
            Kind::Pod(_) => "pod",
            Kind::Task(_) => "task",
        }),
        findings,
    })
}

/// What its directory has to say to a pod's recipe.
fn of_pod(
    pod: &PodRecipe,
    directory: &Path,
    at: &dyn Fn(&str) -> Place,
    findings: &mut Vec<Finding>,
) -> Result<(), RecipeError> {
    if let Payload::Local(payload) = &pod.payload
        && !directory.join(payload).is_dir()
    {
        findings.push(Finding::warning(
            "no-payload",
            at("golem.payload"),
            format!("there is no directory `{payload}`"),
            "create it, or correct the field; it is made, empty, when the pod is run",
        ));
    }
    if let Some(script) = &pod.script
        && !directory.join(script).exists()
    {
        findings.push(Finding::warning(
            "no-script",
            at("golem.script"),
            format!("there is no `{script}`"),
            "create it, or correct the field",
        ));
    }
    for word in &pod.exec {
        let relative = match word.strip_prefix(HERE) {
            Some(inner) if inner.starts_with("script/") || word == &pod.exec[0] => {
                if !directory.join(inner).exists() {
                    findings.push(Finding::warning(
                        "no-program",
                        at("golem.exec"),
                        format!("there is no `{inner}`"),
                        "create it, or correct the command line",
                    ));
                }
                continue;
            }
            Some(_) => continue,
            None => word,
        };
        if relative.contains('/') && directory.join(relative).exists() {
            findings.push(Finding::warning(
                "no-placeholder",
                at("golem.exec"),
                format!("`{relative}` is found because pods run in their own directory; Sovr runs them where it is called"),
                format!("write `{HERE}{relative}`"),
            ));
        }
    }
    if let Payload::External(wanted) = &pod.payload
        && wanted.is_empty()
    {
        findings.push(Finding::warning(
            "no-payload",
            at("golem.payload"),
            "the list of payloads is empty",
            "name some, or write \"payload\" for a directory of the pod",
        ));
    }
    match Tree::of_pod(directory) {
        Ok(tree) => {
            for left in &tree.stays {
                let hint = match left.why {
                    Why::Secret => "keep it elsewhere; `.mediumignore` makes this quiet",
                    Why::Ignored | Why::Fetched => continue,
                };
                findings.push(Finding::warning(
                    "secret",
                    at(""),
                    format!("`{}` does not travel with the pod: {}", left.path, left.why),
                    hint,
                ));
            }
            if let Some(file) = tree_needs_yagna(pod, &tree)? {
                findings.push(Finding::warning(
                    "needs-yagna",
                    at("golem.exec"),
                    format!("`{file}` hires others through a yagna daemon"),
                    "`--allow yagna` lets it, when it is run",
                ));
            }
        }
        Err(error @ RecipeError::Transfer(TransferError::Refused { .. })) => {
            findings.push(Finding::error(
                "unfit",
                at(""),
                error.to_string(),
                error.hint().unwrap_or_default(),
            ));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
