//! What would happen if something were run. Nothing is touched.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Options, Outside, TaskError, Work};
use crate::compute::{self, ComputeError, Job, Limits};
use crate::pods::{EntryKind, PodPath, Pods, Quiet, Source};
use crate::recipe::{
    EACH, EACH_MAX, Each, External, HERE, Kind, LOOKED_AT_BYTES, Payload, PodAt, PodRecipe, Recipe,
    Step, Tree, Wanted, has_extension, needs_yagna, recipe_of, tree_needs_yagna,
};

/// What would happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What is run.
    pub name: String,
    /// Its steps, none before one that it needs.
    pub steps: Vec<PlannedStep>,
    /// What is fetched, each once.
    pub fetches: Vec<Fetch>,
    /// The root that every reference leads to now.
    pub roots: BTreeMap<String, String>,
    /// What all of it costs at most.
    pub bound: Bound,
    /// What somebody should know.
    pub notes: Vec<String>,
}

/// A step, as it would be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// What it is called.
    pub name: String,
    /// What is run.
    pub pod: PlannedPod,
    /// Steps that must have succeeded before.
    pub needs: Vec<String>,
    /// What it is run for, if it is run more than once.
    pub each: Option<PlannedEach>,
    /// Its command line, with `[@]` and `[each]` where they stand.
    pub argv: Vec<String>,
    /// What one attempt may use.
    pub limits: Limits,
    /// How often it is tried at most.
    pub attempts_max: u32,
    /// How it would be run.
    pub how: How,
    /// The pod that its output becomes, if it is shared.
    pub shares: Option<String>,
}

/// The pod of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPod {
    /// What its recipe calls it.
    pub name: String,
    /// Where it is: a directory or a reference, as the task names it.
    pub at: String,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a step is run for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlannedEach {
    /// So many items.
    Items(usize),
    /// The files of a step's output: how many is known when that step has ended.
    FilesOf(String),
}

/// How a step would be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// So.
    Plan(compute::Plan),
    /// Not at all.
    Refused {
        /// Why.
        what: String,
        /// What would help.
        hint: Option<String>,
    },
    /// That is known when the pod has been fetched, before anything is run.
    WhenFetched,
}

/// Something that is fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// From what reference.
    pub reference: String,
    /// Which file; `/` for all.
    pub path: String,
    /// How many bytes.
    pub bytes: u64,
    /// For which steps.
    pub steps: Vec<String>,
}

/// What something costs at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// CPU time, in seconds, of all attempts of all steps.
    pub cpu_s: u64,
    /// The largest memory of one job, in bytes.
    pub memory_bytes: u64,
    /// Bytes to be fetched; those in the cache are counted too.
    pub fetched_bytes: u64,
    /// How many jobs are run at most, all attempts counted.
    pub jobs: u64,
    /// Whether a fan-out whose size is not known yet is counted with the most items that are possible.
    pub at_worst: bool,
    /// Money, in motes: jobs run on this machine, so none.
    pub motes: u64,
}

/// Says what would happen if something were run.
///
/// # Errors
/// [`TaskError::NotAPod`], and whatever keeps a recipe from being read. What [`Compute`](compute::Compute)
/// would refuse is in the answer.
pub fn plan(
    work: &Work,
    options: &Options,
    locked: &BTreeMap<String, String>,
    outside: &Outside<'_>,
) -> Result<Plan, TaskError> {
    let mut planner = Planner {
        work,
        options,
        outside,
        roots: locked.clone(),
        fetches: BTreeMap::new(),
    };
    let mut steps = Vec::new();
    for step in work.steps() {
        steps.push(planner.step(&step)?);
    }
    if let Kind::Task(task) = &work.recipe.kind {
        let names: Vec<String> = steps
            .iter()
            .map(|step: &PlannedStep| step.name.clone())
            .collect();
        for external in &task.payload {
            for name in &names {
                planner.payload(external, name)?;
            }
        }
    }
    let fetches: Vec<Fetch> = planner.fetches.into_values().collect();
    let mut bound = bound_of(&steps);
    bound.fetched_bytes = fetches.iter().map(|fetch| fetch.bytes).sum();
    Ok(Plan {
        name: work.recipe.name.clone(),
        notes: notes_of(&steps, &bound),
        steps,
        fetches,
        roots: planner.roots,
        bound,
    })
}

struct Planner<'a> {
    work: &'a Work,
    options: &'a Options,
    outside: &'a Outside<'a>,
    roots: BTreeMap<String, String>,
    fetches: BTreeMap<(String, String), Fetch>,
}

impl Planner<'_> {
    fn step(&mut self, step: &Step) -> Result<PlannedStep, TaskError> {
        let limits = limits_of(step);
        let (pod, recipe, how) = match &step.pod {
            PodAt::Directory(path) => self.of_directory(step, path, limits)?,
            PodAt::Reference(reference) => self.of_reference(step, reference)?,
        };
        if let Payload::External(wanted) = &recipe.payload {
            for external in wanted {
                self.payload(external, &step.name)?;
            }
        }
        let mut argv = recipe.exec;
        argv.extend(step.args.iter().cloned());
        let each = step.each.as_ref().map(|each| match each {
            Each::Items(items) => PlannedEach::Items(items.len()),
            Each::Files { from, .. } => PlannedEach::FilesOf(from.clone()),
        });
        Ok(PlannedStep {
            name: step.name.clone(),
            shares: recipe.share.map(|_| format!("output-{}", pod.name)),
            pod,
            needs: step.needs.clone(),
            each,
            argv,
            limits,
            attempts_max: step.retries + 1,
            how,
        })
    }

    fn of_directory(
        &self,
        step: &Step,
        path: &str,
        limits: Limits,
    ) -> Result<(PlannedPod, PodRecipe, How), TaskError> {
        let directory = self.work.pod_directory(path);
        let recipe = Recipe::read(&directory)?;
        let (name, recipe) = pod_recipe(recipe, step, path)?;
        let tree = Tree::of_pod(&directory)?;
        let how = match may_run(&recipe, &tree, self.options) {
            Ok(()) => {
                let job = Job {
                    argv: argv_in(&recipe.exec, &step.args, &directory, None),
                    directory,
                    environment: BTreeMap::new(),
                    limits,
                    allowed: self.options.allowed.clone(),
                };
                match self.outside.compute.plan(&job) {
                    Ok(plan) => How::Plan(plan),
                    Err(error) => How::refused(&error),
                }
            }
            Err(error) => How::refused(&error),
        };
        let pod = PlannedPod {
            name,
            at: path.to_owned(),
            files: tree.files().len() as u64,
            bytes: tree.scan.bytes,
        };
        Ok((pod, recipe, how))
    }

    fn of_reference(
        &mut self,
        step: &Step,
        reference: &str,
    ) -> Result<(PlannedPod, PodRecipe, How), TaskError> {
        let pods = (self.outside.pods)()?;
        let source = self.source(pods.as_ref(), reference)?;
        let recipe = recipe_of(pods.as_ref(), &source)?.ok_or_else(|| TaskError::NotAPod {
            step: step.name.clone(),
            pod: reference.to_owned(),
            why: "has no `recipe.json`".to_owned(),
        })?;
        let (name, recipe) = pod_recipe(recipe, step, reference)?;
        let entries = pods.walk(&source, &PodPath::root())?;
        let is_file = |entry: &&crate::pods::Entry| entry.kind == EntryKind::File;
        let files = entries.iter().filter(is_file);
        let bytes = files.clone().map(|entry| entry.bytes).sum();
        let paths = files
            .clone()
            .map(|entry| entry.path.trim_start_matches('/'));
        let yagna = needs_yagna(&recipe, paths, &|path| {
            let path: PodPath = path.parse()?;
            let len = pods.stat(&source, &path)?.bytes.min(LOOKED_AT_BYTES);
            let mut text = Vec::new();
            if len > 0 {
                pods.read(&source, &path, Some(0..len), &mut text, &Quiet)?;
            }
            Ok(text)
        })?;
        let how = match yagna {
            Some(file) if self.options.allowed.yagna.is_none() => {
                How::refused(&not_allowed(&recipe, &file))
            }
            _ => How::WhenFetched,
        };
        let pod = PlannedPod {
            name,
            at: reference.to_owned(),
            files: files.count() as u64,
            bytes,
        };
        self.fetch(reference, "/", bytes, &step.name);
        Ok((pod, recipe, how))
    }

    /// Takes up what a payload fetches.
    fn payload(&mut self, external: &External, step: &str) -> Result<(), TaskError> {
        let pods = (self.outside.pods)()?;
        let source = self.source(pods.as_ref(), &external.reference)?;
        let paths = match &external.wanted {
            Wanted::Data(path) => std::slice::from_ref(path),
            Wanted::Files(paths) => paths.as_slice(),
        };
        for path in paths {
            let entry = pods.stat(&source, path)?;
            self.fetch(&external.reference, path.as_str(), entry.bytes, step);
        }
        Ok(())
    }

    fn fetch(&mut self, reference: &str, path: &str, bytes: u64, step: &str) {
        let fetch = self
            .fetches
            .entry((reference.to_owned(), path.to_owned()))
            .or_insert_with(|| Fetch {
                reference: reference.to_owned(),
                path: path.to_owned(),
                bytes,
                steps: Vec::new(),
            });
        if !fetch.steps.iter().any(|known| known == step) {
            fetch.steps.push(step.to_owned());
        }
    }

    /// Where a reference leads, the same throughout: one that is live may move meanwhile.
    fn source(&mut self, pods: &dyn Pods, reference: &str) -> Result<Source, TaskError> {
        if let Some(root) = self.roots.get(reference) {
            return Ok(Source::Reference(root.clone()));
        }
        let root = pods.find(reference)?.root;
        self.roots.insert(reference.to_owned(), root.clone());
        Ok(Source::Reference(root))
    }
}

impl How {
    fn refused(error: &ComputeError) -> Self {
        Self::Refused {
            what: error.to_string(),
            hint: error.hint(),
        }
    }
}

/// The recipe of a pod, and its name; a task cannot be a step.
pub(super) fn pod_recipe(
    recipe: Recipe,
    step: &Step,
    at: &str,
) -> Result<(String, PodRecipe), TaskError> {
    match recipe.kind {
        Kind::Pod(pod) => Ok((recipe.name, pod)),
        Kind::Task(_) => Err(TaskError::NotAPod {
            step: step.name.clone(),
            pod: at.to_owned(),
            why: "is a task, and tasks are no steps of others".to_owned(),
        }),
    }
}

/// What one attempt of a step may use.
pub(super) fn limits_of(step: &Step) -> Limits {
    let usual = Limits::default();
    Limits {
        cpu_s: step.budget.cpu_s.unwrap_or(usual.cpu_s),
        memory_bytes: step.budget.memory_bytes.unwrap_or(usual.memory_bytes),
        wall: step
            .timeout_s
            .map_or(usual.wall, std::time::Duration::from_secs),
        file_bytes: step.budget.file_bytes.unwrap_or(usual.file_bytes),
        processes: step.budget.processes.unwrap_or(usual.processes),
    }
}

/// Whether a pod may be run at all: a requestor may only where a yagna daemon is allowed.
pub(super) fn may_run(
    recipe: &PodRecipe,
    tree: &Tree,
    options: &Options,
) -> Result<(), ComputeError> {
    if options.allowed.yagna.is_some() {
        return Ok(());
    }
    match tree_needs_yagna(recipe, tree) {
        Ok(None) => Ok(()),
        Ok(Some(file)) => Err(not_allowed(recipe, &file)),
        Err(error) => Err(ComputeError::Io {
            what: "look at the pod's program".to_owned(),
            error: std::io::Error::other(error),
        }),
    }
}

fn not_allowed(recipe: &PodRecipe, file: &str) -> ComputeError {
    ComputeError::NotAllowed {
        program: format!("`{}`", recipe.exec[0]),
        what: format!("a yagna daemon (`{file}` hires others through one)"),
        flag: "--allow yagna".to_owned(),
    }
}

/// The words of a command line for a directory and an item.
///
/// A WASI module sees its directory as `/pod`; everything else as it is.
pub(super) fn argv_in(
    exec: &[String],
    args: &[String],
    directory: &Path,
    item: Option<&str>,
) -> Vec<String> {
    let is_module = exec.first().is_some_and(|word| has_extension(word, "wasm"));
    let here = if is_module {
        "/pod/".to_owned()
    } else {
        format!("{}/", directory.display())
    };
    let words = exec.iter().chain(args).enumerate();
    let expanded = words.map(|(index, word)| {
        let here = if is_module && index == 0 { "" } else { &here };
        let word = word.replace(HERE, here);
        match item {
            Some(item) => word.replace(EACH, item),
            None => word,
        }
    });
    expanded.collect()
}

fn bound_of(steps: &[PlannedStep]) -> Bound {
    let mut bound = Bound::default();
    for step in steps {
        let times = match &step.each {
            None => 1,
            Some(PlannedEach::Items(count)) => *count as u64,
            Some(PlannedEach::FilesOf(_)) => {
                bound.at_worst = true;
                EACH_MAX as u64
            }
        };
        let jobs = times.saturating_mul(step.attempts_max.into());
        bound.jobs = bound.jobs.saturating_add(jobs);
        bound.cpu_s = bound
            .cpu_s
            .saturating_add(jobs.saturating_mul(step.limits.cpu_s));
        bound.memory_bytes = bound.memory_bytes.max(step.limits.memory_bytes);
    }
    bound
}

fn notes_of(steps: &[PlannedStep], bound: &Bound) -> Vec<String> {
    let mut notes = Vec::new();
    if bound.at_worst {
        notes.push(format!(
            "how often some steps are run is known later; each is counted {EACH_MAX} times"
        ));
    }
    for step in steps {
        if step.shares.is_some() && step.each.is_some() {
            notes.push(format!(
                "`{}` shares its output, but is run more than once: nothing of it is shared",
                step.name
            ));
        }
    }
    notes
}
