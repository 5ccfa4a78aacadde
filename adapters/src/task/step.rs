//! One job: a step, or one item of it, from its directory to its output.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use genesis::id::Digest;

use super::fetch::Fetched;
use super::journal::{Event, Journal};
use super::logs::Logs;
use super::memo::Memo;
use super::place::{Given, Payload, copy_pod, of_step, place_outputs, place_payloads};
use super::plan::{argv_in, limits_of};
use super::record::{Kept, StepEnd, StepRecord, job_name};
use super::{Folders, Options, Outside, TaskError};
use crate::compute::{End, Job};
use crate::recipe::{
    EXTERNAL, Each, External, FROM, Fresh, Glob, Payload as PayloadOf, PodRecipe, Step, Tree,
    remove, share_output,
};

/// A step with all that was found out about it before anything runs.
pub(super) struct Prepared {
    /// As the task has it.
    pub(super) step: Step,
    /// Its pod's recipe.
    pub(super) recipe: PodRecipe,
    /// What its recipe calls the pod.
    pub(super) name: String,
    /// Where the pod is.
    pub(super) directory: PathBuf,
    /// Its files.
    pub(super) tree: Tree,
}

/// What all jobs of a run share.
pub(super) struct Shared<'a> {
    pub(super) name: &'a str,
    pub(super) options: &'a Options,
    pub(super) folders: &'a Folders,
    pub(super) outside: Outside<'a>,
    pub(super) steps: &'a [Prepared],
    /// What every step is given beside its own payload.
    pub(super) payload: &'a [External],
    pub(super) in_place: bool,
    pub(super) fetched: Fetched<'a>,
    pub(super) memo: Memo,
    pub(super) journal: Journal,
    /// What an earlier run of the same folder did.
    pub(super) before: BTreeMap<String, StepRecord>,
}

/// The outputs of a step, each with the number of its item.
pub(super) type Outputs = Vec<(Option<usize>, PathBuf)>;

/// An item that a step is run for.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// What stands for `[each]`.
    pub(super) text: String,
    /// The output it is a file of, with the path there.
    pub(super) file: Option<(Option<usize>, String)>,
}

impl Shared<'_> {
    /// Runs a job to its end. What is wrong with the job is in the record.
    ///
    /// # Errors
    /// What keeps the run from going on: its journal cannot be written.
    pub(super) fn job(
        &self,
        prepared: &Prepared,
        item: Option<(usize, &Item)>,
        outputs_of: &dyn Fn(&str) -> Outputs,
    ) -> Result<StepRecord, TaskError> {
        let step = &prepared.step;
        let index = item.map(|(index, _)| index);
        let name = job_name(&step.name, index);
        if let Some(before) = self.before.get(&name)
            && is_still_so(before)
        {
            return Ok(before.clone());
        }
        let text = item.map(|(_, item)| item.text.clone());
        let mut record = StepRecord::new(&step.name, index, text, self.now());
        for attempt in 1..=step.retries + 1 {
            record.attempts = attempt;
            self.journal.append(&Event::Started {
                at: self.now(),
                job: name.clone(),
                attempt,
            })?;
            record.end = match self.attempt(prepared, item, outputs_of, &mut record) {
                Ok(end) => end,
                Err(error) => StepEnd::Refused {
                    hint: error.hint(),
                    what: error.to_string(),
                },
            };
            if !matches!(record.end, StepEnd::Failed { .. }) || self.outside.watcher.stopped() {
                break;
            }
        }
        record.ended = self.now();
        self.outside.watcher.happened(&said(&name, &record));
        // What was stopped is not over.
        if record.end != StepEnd::Stopped {
            self.journal.append(&Event::Ended {
                record: Box::new(record.clone()),
            })?;
        }
        Ok(record)
    }

    fn attempt(
        &self,
        prepared: &Prepared,
        item: Option<(usize, &Item)>,
        outputs_of: &dyn Fn(&str) -> Outputs,
        record: &mut StepRecord,
    ) -> Result<StepEnd, TaskError> {
        let step = &prepared.step;
        let recipe = &prepared.recipe;
        let folder = self.folders.run.join(&record.folder);
        let directory = self.directory(prepared, item, outputs_of, &folder, record)?;
        let text = item.map(|(_, item)| item.text.as_str());
        let output = directory.join(&recipe.output);

        let environment = self.environment(step, record.index, text);
        let key = if self.in_place {
            None
        } else {
            let before = Tree::whole(&directory)?.digest()?;
            // What the command line says without this machine's directory in it.
            let argv = argv_in(&recipe.exec, &step.args, Path::new("[@]"), text);
            Some(Memo::key(&before, &argv, &environment))
        };
        record.key = key.as_ref().map(ToString::to_string);
        if let Some(key) = &key
            && !self.options.fresh
            && self.memo.recall(key, &output)?
        {
            record.known = true;
            return self.keep(prepared, &directory, None, record);
        }
        for place in [
            recipe.output.as_str(),
            recipe.logs.as_deref().unwrap_or("logs"),
            "payload",
        ] {
            fs_err::create_dir_all(directory.join(place.trim_matches('/')))
                .map_err(|error| TaskError::io("make a directory of a job", error))?;
        }
        let job = Job {
            argv: argv_in(&recipe.exec, &step.args, &directory, text),
            environment,
            directory: directory.clone(),
            limits: limits_of(step),
            allowed: self.options.allowed.clone(),
        };
        let logs = Logs::create(
            &folder,
            &step.name,
            self.outside.clock,
            self.outside.watcher,
        )?;
        let done = self.outside.compute.run(&job, &logs);
        logs.finish()?;
        let done = done.map_err(|error| TaskError::Refused {
            step: step.name.clone(),
            error,
        })?;
        record.ran = Some(done.plan);
        record.fuel = done.fuel;
        match done.end {
            end if end.is_success() => self.keep(prepared, &directory, key.as_ref(), record),
            End::Stopped => Ok(StepEnd::Stopped),
            how => Ok(StepEnd::Failed { how }),
        }
    }

    /// The directory that a job sees.
    fn directory(
        &self,
        prepared: &Prepared,
        item: Option<(usize, &Item)>,
        outputs_of: &dyn Fn(&str) -> Outputs,
        folder: &Path,
        record: &mut StepRecord,
    ) -> Result<PathBuf, TaskError> {
        let named = of_step(&prepared.step.name);
        let mut payloads = Vec::new();
        let own = match &prepared.recipe.payload {
            PayloadOf::External(own) => own.as_slice(),
            PayloadOf::None | PayloadOf::Local(_) => &[],
        };
        for external in own.iter().chain(self.payload) {
            payloads.push(Payload {
                external,
                files: self.fetched.external(external)?,
            });
        }
        if self.in_place {
            fs_err::create_dir_all(folder)
                .map_err(|error| TaskError::io("make the folder of a step", error))?;
            if !payloads.is_empty() {
                let external = prepared.directory.join(EXTERNAL);
                let fresh = Fresh::beside(&external).map_err(&named)?;
                record.replaced = place_payloads(&payloads, fresh.path()).map_err(&named)?;
                fresh.take_place(&external).map_err(&named)?;
            }
            return Ok(prepared.directory.clone());
        }
        remove(folder)?;
        let fresh = Fresh::beside(folder)?;
        let directory = fresh.path().join("pod");
        copy_pod(&prepared.tree, &prepared.recipe.output, &directory).map_err(&named)?;
        if !payloads.is_empty() {
            let external = directory.join(EXTERNAL);
            record.replaced = place_payloads(&payloads, &external).map_err(&named)?;
        }
        place_inputs(&prepared.step, item, outputs_of, &directory, record).map_err(&named)?;
        fresh.take_place(folder)?;
        Ok(folder.join("pod"))
    }

    /// Takes up what a job left.
    fn keep(
        &self,
        prepared: &Prepared,
        directory: &Path,
        key: Option<&Digest>,
        record: &mut StepRecord,
    ) -> Result<StepEnd, TaskError> {
        let output = &left_in(directory, &prepared.recipe.output, &prepared.step.name)?;
        let tree = Tree::whole(output)?;
        let digest = tree.digest()?;
        if let Some(key) = key {
            self.memo.keep(key, &tree, &digest)?;
        }
        let mut kept = Kept {
            path: output.to_owned(),
            digest: digest.to_string(),
            files: tree.files().len() as u64,
            bytes: tree.scan.bytes,
            reference: None,
        };
        if let Some(shared) = &prepared.recipe.share
            && record.index.is_none()
        {
            let inside = shared
                .strip_prefix(&prepared.recipe.output)
                .unwrap_or_default();
            let inside = inside.trim_start_matches('/');
            if output.join(inside).is_dir() {
                let shared = left_in(output, inside, &prepared.step.name)?;
                let pods = (self.outside.pods)()?;
                let watcher = self.outside.watcher;
                let shared = share_output(pods.as_ref(), &prepared.name, &shared, watcher)?;
                watcher.happened(&format!("shares {} as {}", shared.pod, shared.reference));
                kept.reference = Some(shared.reference);
            } else {
                let step = &prepared.step.name;
                self.outside.watcher.happened(&format!(
                    "{step} left no `{}`, so there is nothing to share",
                    prepared.recipe.share.as_deref().unwrap_or_default()
                ));
            }
        }
        record.output = Some(kept);
        Ok(StepEnd::Succeeded)
    }

    /// What a job is told by its environment: which step it is, and nothing of who runs it.
    fn environment(
        &self,
        step: &Step,
        index: Option<usize>,
        item: Option<&str>,
    ) -> BTreeMap<String, String> {
        let mut environment = BTreeMap::from([
            ("MEDIUM_TASK".to_owned(), self.name.to_owned()),
            ("MEDIUM_STEP".to_owned(), step.name.clone()),
        ]);
        if let (Some(index), Some(item)) = (index, item) {
            environment.insert("MEDIUM_INDEX".to_owned(), index.to_string());
            environment.insert("MEDIUM_EACH".to_owned(), item.to_owned());
        }
        environment
    }

    pub(super) fn now(&self) -> u64 {
        self.outside.clock.now().0
    }
}

/// Where a job left something in its directory. A link on the way, which the job may have made and which may lead
/// anywhere, is not followed out of the directory: else other files of this machine would be kept, and shared.
fn left_in(directory: &Path, place: &str, step: &str) -> Result<PathBuf, TaskError> {
    let look = |error| TaskError::io("look at what a job left", error);
    let root = fs_err::canonicalize(directory).map_err(look)?;
    let mut left = root.clone();
    for name in place.split('/').filter(|name| !name.is_empty()) {
        let next = left.join(name);
        // What the job removed was empty, as far as anybody can tell.
        if fs_err::symlink_metadata(&next).is_err() {
            fs_err::create_dir(&next).map_err(look)?;
        }
        left = fs_err::canonicalize(&next).map_err(look)?;
        if !left.starts_with(&root) {
            return Err(TaskError::LeadsOut {
                step: step.to_owned(),
                place: next,
            });
        }
    }
    Ok(left)
}

/// The items of a step; none if it is run once. `outputs_of` answers what a step left.
pub(super) fn items_of(
    step: &Step,
    outputs_of: &dyn Fn(&str) -> Outputs,
) -> Result<Option<Vec<Item>>, TaskError> {
    let items = match &step.each {
        None => return Ok(None),
        Some(Each::Items(items)) => items
            .iter()
            .map(|text| Item {
                text: text.clone(),
                file: None,
            })
            .collect(),
        Some(Each::Files { from, files }) => files_of(step, from, files, &outputs_of(from))?,
    };
    if items.len() > crate::recipe::EACH_MAX {
        return Err(TaskError::TooMany {
            step: step.name.clone(),
            count: items.len(),
            count_max: crate::recipe::EACH_MAX,
        });
    }
    Ok(Some(items))
}

/// Whether an earlier result holds: it was a success, and what it left is as it was.
fn is_still_so(before: &StepRecord) -> bool {
    let Some(output) = &before.output else {
        return false;
    };
    let digest = Tree::whole(&output.path).and_then(|tree| tree.digest());
    before.is_success() && digest.is_ok_and(|digest| digest.to_string() == output.digest)
}

/// Gives a job what it works on of other steps' outputs.
fn place_inputs(
    step: &Step,
    item: Option<(usize, &Item)>,
    outputs_of: &dyn Fn(&str) -> Outputs,
    directory: &Path,
    record: &mut StepRecord,
) -> Result<(), crate::recipe::RecipeError> {
    for input in &step.inputs {
        let given = Given {
            from: &input.from,
            outputs: &outputs_of(&input.from),
            files: &|path| input.files.matches(path),
            to: input.to.as_deref(),
        };
        let replaced = place_outputs(&[given], directory)?;
        record.replaced.extend(replaced);
    }
    let file = item.and_then(|(_, item)| item.file.as_ref());
    if let (Some((of, path)), Some(Each::Files { from, .. })) = (file, &step.each) {
        let mut outputs = outputs_of(from);
        outputs.retain(|(index, _)| index == of);
        let given = Given {
            from,
            outputs: &outputs,
            files: &|found| found == path,
            to: None,
        };
        // It may be there already, as one of the inputs.
        place_outputs(&[given], directory)?;
    }
    Ok(())
}

/// The files of a step's outputs as items, in the order of items and paths.
fn files_of(
    step: &Step,
    from: &str,
    files: &Glob,
    outputs: &Outputs,
) -> Result<Vec<Item>, TaskError> {
    let mut items = Vec::new();
    for (index, output) in outputs {
        let tree = Tree::whole(output).map_err(of_step(&step.name))?;
        for file in tree.files() {
            let path = file.path.relative();
            if files.matches(path) {
                let inner = index.map_or(String::new(), |index| {
                    format!("{}/", super::record::folder_of_item(index))
                });
                items.push(Item {
                    text: format!("{FROM}/{from}/{inner}{path}"),
                    file: Some((*index, path.to_owned())),
                });
            }
        }
    }
    Ok(items)
}

/// How a job ended, in plain words.
fn said(name: &str, record: &StepRecord) -> String {
    let how = match &record.end {
        StepEnd::Succeeded if record.known => "was known already".to_owned(),
        StepEnd::Succeeded => format!(
            "succeeded in {} ms",
            record.ended.saturating_sub(record.began)
        ),
        StepEnd::Failed { how } => format!("failed: {}", in_words(how)),
        StepEnd::Refused { what, .. } => format!("cannot be run: {what}"),
        StepEnd::Skipped { because } => format!("was not run, because of {because}"),
        StepEnd::Stopped => "was stopped".to_owned(),
    };
    let twice = match record.replaced.len() {
        0 => String::new(),
        count => format!(" ({count} files of its payload were given twice; the later was taken)"),
    };
    format!("{name} {how}{twice}")
}

/// How a job ended, as the end of a sentence.
pub(super) fn in_words(end: &End) -> String {
    match end {
        End::Exit(code) => format!("exit code {code}"),
        End::Signal(number) => format!("signal {number}"),
        End::Limit(which) => format!("limit: {which}"),
        End::Trap(why) => format!("trap: {why}"),
        End::Stopped => "stopped".to_owned(),
    }
}
