//! What became of a run: `run.json`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::compute::{self, Allowed, End};

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What was run.
    pub name: String,
    /// The run's folder.
    pub folder: PathBuf,
    /// When it began, or was resumed, in milliseconds since 1970.
    pub began: u64,
    /// When it ended, in milliseconds since 1970.
    pub ended: u64,
    /// How it ended.
    pub ended_as: Ended,
    /// What was to happen.
    pub plan: Plan,
    /// What steps were allowed beyond their directories. Keys are not in it.
    pub allowed: Allowed,
    /// What became of every step, in the order of the plan; one that was run for items has a record for each.
    pub steps: Vec<StepRecord>,
}

impl RunRecord {
    /// The record of the first step that failed, in the order of the plan.
    pub fn first_failure(&self) -> Option<&StepRecord> {
        self.steps
            .iter()
            .find(|step| matches!(step.end, StepEnd::Failed { .. } | StepEnd::Refused { .. }))
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// Every step succeeded.
    Succeeded,
    /// A step failed, and those that need it were not run.
    Failed,
    /// It was stopped, and can be resumed.
    Stopped,
}

/// What became of a step, or of one item of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The step.
    pub step: String,
    /// Which item of it, from 0; none if it is run once.
    pub index: Option<usize>,
    /// The item.
    pub item: Option<String>,
    /// How it ended.
    pub end: StepEnd,
    /// How often it was tried.
    pub attempts: u32,
    /// When it began, in milliseconds since 1970.
    pub began: u64,
    /// When it ended, in milliseconds since 1970.
    pub ended: u64,
    /// What its result follows from: the digest of its files and its command line.
    pub key: Option<String>,
    /// Whether its result was known already.
    pub known: bool,
    /// How it was run, and what it was allowed.
    pub ran: Option<compute::Plan>,
    /// Fuel it burnt, of a WASI module.
    pub fuel: Option<u64>,
    /// Its folder in that of the run.
    pub folder: String,
    /// What it left.
    pub output: Option<Kept>,
    /// Files of its payload that were given twice; the later one was taken.
    pub replaced: Vec<String>,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepEnd {
    /// It did what it was to do.
    Succeeded,
    /// Its job failed, as often as it was tried.
    Failed {
        /// How the last attempt ended.
        how: End,
    },
    /// It could not be run, or its output not be kept.
    Refused {
        /// Why.
        what: String,
        /// What would help.
        hint: Option<String>,
    },
    /// It was not run: a step that it needs did not succeed.
    Skipped {
        /// Which.
        because: String,
    },
    /// It was stopped from outside.
    Stopped,
}

/// What a step left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Where: a directory.
    pub path: PathBuf,
    /// What names its files and their bytes.
    pub digest: String,
    /// Files in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What reads it as a pod, if it was shared.
    pub reference: Option<String>,
}

impl StepRecord {
    /// A step, or an item of one, with nothing done yet.
    pub(super) fn new(step: &str, index: Option<usize>, item: Option<String>, at: u64) -> Self {
        Self {
            step: step.to_owned(),
            index,
            item,
            end: StepEnd::Stopped,
            attempts: 0,
            began: at,
            ended: at,
            key: None,
            known: false,
            ran: None,
            fuel: None,
            folder: folder_of(step, index),
            output: None,
            replaced: Vec::new(),
        }
    }

    /// Its name among all records of a run.
    pub fn job(&self) -> String {
        job_name(&self.step, self.index)
    }

    /// Whether it did what it was to do.
    pub const fn is_success(&self) -> bool {
        matches!(self.end, StepEnd::Succeeded)
    }
}

/// What a step, or one item of it, is called: `map[3]`.
pub(super) fn job_name(step: &str, index: Option<usize>) -> String {
    match index {
        None => step.to_owned(),
        Some(index) => format!("{step}[{index}]"),
    }
}

/// Where it is in the run's folder: `steps/map.00003`.
pub(super) fn folder_of(step: &str, index: Option<usize>) -> String {
    match index {
        None => format!("steps/{step}"),
        Some(index) => format!("steps/{step}.{}", folder_of_item(index)),
    }
}

/// What the folder of an item is called.
pub(super) fn folder_of_item(index: usize) -> String {
    format!("{index:05}")
}
