//! Tasks: pods that are run, each in a directory of its own, in the order that their needs allow.
//!
//! A pod that is run by itself is a task of one step. Everything outside goes through two ports:
//! [`Pods`] has what references name, and [`Compute`] runs commands.
//!
//! Read in this order: [`Work`] (what is to be run), [`plan`](fn@plan) (what would happen; touches nothing),
//! [`run`](fn@run) and [`resume`] (what happens: fetch, check, then steps beside one another, as many as there are
//! workers), [`RunRecord`] (how it ended).
//!
//! A run is a folder:
//!
//! | what | in it |
//! |---|---|
//! | `recipe.json`, `work.json` | what is run, as it was when the run began |
//! | `lock.json` | every reference that is used, and the root it led to: live ones do not move under a run |
//! | `journal` | what happened, a line each, on disk before the next thing happens |
//! | `pods/` | copies of the directories that steps name |
//! | `fetched/` | what was fetched from references that lead to no state that has a name |
//! | `steps/<step>[.<item>]/` | `pod/` (what the job saw and left), `stdout`, `stderr`, `log` (both, with times) |
//! | `run.json` | the record, when it ended |
//!
//! What was fetched, and results by what they follow from (the pod's files, its inputs, its command line and environment), are kept
//! in a [cache](Folders::cache) that all runs share; both are verified whenever they are used. Resuming is exact: a
//! step whose success is in the journal, and whose output is as it was, is not run again.
//!
//! The only clock is the one that is handed in.

use std::path::PathBuf;
use std::sync::Arc;

use actors::clock::Clock;

use crate::compute::{Allowed, Compute};
use crate::pods::{Pods, PodsError, Progress};
use crate::recipe::{Budget, Kind, PodAt, Recipe, Step};

mod error;
mod fetch;
mod journal;
mod logs;
mod memo;
mod place;
mod plan;
mod record;
mod run;
mod schedule;
mod step;

pub use self::error::TaskError;
pub use self::plan::{Bound, Fetch, How, Plan, PlannedEach, PlannedPod, PlannedStep, plan};
pub use self::record::{Ended, Kept, RunRecord, StepEnd, StepRecord};
pub use self::run::{Run, resume, run};

/// Most workers of one run.
pub const WORKERS_MAX: usize = 256;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Work {
    /// Its recipe.
    pub recipe: Recipe,
    /// The directory of the recipe.
    pub directory: PathBuf,
    /// Whether a pod is run in its own directory, and not in a copy.
    pub in_place: bool,
    /// Where copies of the directories are that steps name, once they were made.
    copies: Option<PathBuf>,
}

impl Work {
    /// What a directory's recipe says is to be run.
    pub const fn new(recipe: Recipe, directory: PathBuf, in_place: bool) -> Self {
        Self {
            recipe,
            directory,
            in_place,
            copies: None,
        }
    }

    /// Its steps: those of a task, or the one that a pod is.
    pub fn steps(&self) -> Vec<Step> {
        match &self.recipe.kind {
            Kind::Task(task) => task.steps.clone(),
            Kind::Pod(_) => vec![Step {
                name: "pod".to_owned(),
                pod: PodAt::Directory(".".to_owned()),
                needs: Vec::new(),
                inputs: Vec::new(),
                each: None,
                args: Vec::new(),
                budget: Budget::default(),
                timeout_s: None,
                retries: 0,
            }],
        }
    }
}

impl Work {
    /// Where a pod is that a step names by its directory.
    fn pod_directory(&self, path: &str) -> PathBuf {
        match (&self.copies, path) {
            // One name for each path, whatever directories are in one another.
            (Some(copies), ".") => copies.join("%2E"),
            (Some(copies), path) => copies.join(path.replace('%', "%25").replace('/', "%2F")),
            (None, ".") => self.directory.clone(),
            (None, path) => self.directory.join(path),
        }
    }
}

/// How it is to be run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How many steps are run at a time, at most [`WORKERS_MAX`]; 0: one.
    pub workers: usize,
    /// What every step is allowed beyond its directory.
    pub allowed: Allowed,
    /// Whether steps are run whose result is known already.
    pub fresh: bool,
}

/// Opens the pods of the wallet, when the first reference is met.
pub type OpenPods<'a> = &'a (dyn Fn() -> Result<Arc<dyn Pods>, PodsError> + Sync);

/// What is outside of a run.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// Where references lead.
    pub pods: OpenPods<'a>,
    /// Who runs commands.
    pub compute: &'a dyn Compute,
    /// What time it is.
    pub clock: &'a dyn Clock,
    /// Who is told how far it is, and may stop it.
    pub watcher: &'a dyn Watcher,
}

impl std::fmt::Debug for Outside<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// Who watches a run, and may stop it.
pub trait Watcher: Progress {
    /// Something happened, in plain words.
    fn happened(&self, what: &str);

    /// A step's job printed something.
    fn printed(&self, step: &str, stream: crate::compute::Stream, bytes: &[u8]) {
        let _ = (step, stream, bytes);
    }
}

impl Watcher for crate::pods::Quiet {
    fn happened(&self, _: &str) {}
}

/// Where runs are kept.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The run's own folder.
    pub run: PathBuf,
    /// What all runs share; it may be removed whenever nothing runs.
    pub cache: PathBuf,
}
