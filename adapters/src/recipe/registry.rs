//! The registries of recipes, as Sovr keeps them: two files in two pods of the wallet.
//!
//! `/Registry.json` of the pod `ComputePodRegistry` has every recipe by its name; `/SharedPods.json` of the pod
//! `SharedPods` has, for each name, every reference it was shared by, oldest first. What cannot be read is never taken
//! for empty: an error that passes would else cost every entry but one.

use serde::Serialize;

use super::bring::{recipe_of, small_file};
use super::{Json, Recipe, RecipeError};
use crate::pods::{FileMeta, PodName, PodPath, Pods, Quiet, Source};

/// The pod with the recipes, and its file.
const RECIPES: (&str, &str) = ("ComputePodRegistry", "/Registry.json");
/// The pod with the references, and its file.
const SHARED: (&str, &str) = ("SharedPods", "/SharedPods.json");
/// Longest registry, in bytes: refuse.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How often an entry is put in again that somebody else's write undid.
const ATTEMPTS_MAX: u32 = 5;

/// What the registries say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    recipes: Json,
    shared: Json,
}

/// A recipe in the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// What it is called.
    pub name: String,
    /// `pod` or `task`; none if it is neither.
    pub kind: Option<&'static str>,
    /// Which version it is.
    pub version: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The references it was shared by, oldest first.
    pub sharing_references: Vec<Shared>,
    /// All that is known of it.
    pub recipe: Json,
}

/// A reference by which something was shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Shared(pub String);

impl Registry {
    /// Reads both.
    ///
    /// # Errors
    /// What the pods say, but for what is not there yet; [`RecipeError::Registry`] for a file that is not one.
    pub fn read(pods: &dyn Pods) -> Result<Self, RecipeError> {
        Ok(Self {
            recipes: read(pods, RECIPES)?,
            shared: read(pods, SHARED)?,
        })
    }

    /// Every recipe, by name.
    pub fn list(&self) -> Vec<Listed> {
        let mut all: Vec<Listed> = entries(&self.recipes)
            .iter()
            .map(|(name, recipe)| self.listed(name, recipe))
            .collect();
        // One that was shared and is not among the recipes any more is still worth a line.
        for (name, shares) in entries(&self.shared) {
            if all.iter().any(|listed| listed.name == *name) {
                continue;
            }
            let Json::List(shares) = shares else { continue };
            let recipe = shares.last().and_then(|share| share.get("recipe"));
            all.push(self.listed(name, recipe.unwrap_or(&Json::Null)));
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn listed(&self, name: &str, recipe: &Json) -> Listed {
        let text = |key: &str| recipe.get(key).and_then(Json::as_text).map(str::to_owned);
        let kind = if recipe.get("golem").is_some() {
            Some("pod")
        } else {
            let is_task = recipe.get("pods").or_else(|| recipe.get("steps"));
            is_task.map(|_| "task")
        };
        let shares = match self.shared.get(name) {
            Some(Json::List(shares)) => shares.as_slice(),
            _ => &[],
        };
        let reference = |share: &Json| share.get("sharing_reference")?.as_text().map(str::to_owned);
        Listed {
            name: name.to_owned(),
            kind,
            version: text("version"),
            description: text("description"),
            sharing_references: shares.iter().filter_map(reference).map(Shared).collect(),
            recipe: recipe.clone(),
        }
    }

    /// Puts a recipe in, and the reference it was shared by.
    ///
    /// # Errors
    /// As [`Registry::read`]; [`RecipeError::NotKept`] if others undo it again and again.
    pub fn add(
        pods: &dyn Pods,
        recipe: &Recipe,
        reference: Option<&str>,
    ) -> Result<(), RecipeError> {
        let name = &recipe.name;
        if let Some(reference) = reference {
            let share = Json::Object(vec![
                ("recipe".to_owned(), recipe.json().clone()),
                ("sharing_reference".to_owned(), Json::text(reference)),
            ]);
            change(pods, SHARED, &|all| {
                let mut shares = match all.get(name) {
                    Some(Json::List(shares)) => shares.clone(),
                    _ => Vec::new(),
                };
                if shares.last() == Some(&share) {
                    return false;
                }
                shares.push(share.clone());
                all.set(name, Json::List(shares));
                true
            })?;
        }
        change(pods, RECIPES, &|all| {
            if all.get(name) == Some(recipe.json()) {
                return false;
            }
            all.set(name, recipe.json().clone());
            true
        })
    }

    /// Makes the registry of recipes anew from the pods of the wallet that have one, forks included; answers the names
    /// of pods whose recipe cannot be read. What was shared stays as it is.
    ///
    /// # Errors
    /// What the pods say: a pod that cannot be read now is no pod without a recipe.
    pub fn rebuild(pods: &dyn Pods) -> Result<Vec<String>, RecipeError> {
        let mut recipes = Vec::new();
        let mut unread = Vec::new();
        for info in pods.pods()?.into_iter().filter(|info| info.open) {
            let name: PodName = info.name.parse()?;
            match recipe_of(pods, &Source::pod(&name)) {
                Ok(Some(recipe)) => recipes.push((info.name, recipe.json().clone())),
                Ok(None) => {}
                Err(RecipeError::Invalid { .. }) => unread.push(info.name),
                Err(error) => return Err(error),
            }
        }
        write(pods, RECIPES, &Json::Object(recipes))?;
        Ok(unread)
    }
}

fn entries(json: &Json) -> &[(String, Json)] {
    match json {
        Json::Object(entries) => entries,
        _ => &[],
    }
}

/// A registry, empty if it was never written.
fn read(pods: &dyn Pods, (pod, file): (&str, &str)) -> Result<Json, RecipeError> {
    let name: PodName = pod.parse()?;
    let refused = |why: String| RecipeError::Registry {
        file: format!("{pod}:{file}"),
        why,
    };
    let bytes = match pods.stat(&Source::pod(&name), &file.parse()?) {
        Err(error) if error.is_unknown() => None,
        Err(error) => return Err(error.into()),
        Ok(_) => Some(
            small_file(pods, &Source::pod(&name), file, BYTES_MAX)?
                .ok_or_else(|| refused("it is no file, or too long".to_owned()))?,
        ),
    };
    let Some(bytes) = bytes else {
        return Ok(Json::Object(Vec::new()));
    };
    match Json::parse(file, &bytes) {
        Ok(json @ Json::Object(_)) => Ok(json),
        Ok(_) => Err(refused("it is no object".to_owned())),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// Changes a registry, and sees that the change is there: another machine may have written meanwhile.
fn change(
    pods: &dyn Pods,
    at: (&str, &str),
    change: &dyn Fn(&mut Json) -> bool,
) -> Result<(), RecipeError> {
    for _ in 0..ATTEMPTS_MAX {
        let mut json = read(pods, at)?;
        if !change(&mut json) {
            return Ok(());
        }
        write(pods, at, &json)?;
    }
    let mut json = read(pods, at)?;
    if !change(&mut json) {
        return Ok(());
    }
    Err(RecipeError::NotKept {
        what: format!("{}:{}", at.0, at.1),
        why: format!("others wrote {ATTEMPTS_MAX} times meanwhile"),
    })
}

fn write(pods: &dyn Pods, (pod, file): (&str, &str), json: &Json) -> Result<(), RecipeError> {
    let name: PodName = pod.parse()?;
    match pods.pod(&name) {
        Ok(_) => {}
        Err(error) if error.is_unknown() => {
            pods.create(&name, false)?;
        }
        Err(error) => return Err(error.into()),
    }
    let text = json.pretty();
    let path: PodPath = file.parse()?;
    let meta = FileMeta {
        content_type: "application/json".to_owned(),
        bytes: Some(text.len() as u64),
        ..FileMeta::default()
    };
    let mut edit = pods.edit(&name)?;
    edit.write(&path, &meta, &mut text.as_bytes(), &Quiet)?;
    edit.commit("registry")?;
    Ok(())
}
