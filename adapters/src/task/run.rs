//! Running: fetch, check, and then steps beside one another, each written down as it ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};

use super::fetch::Fetched;
use super::journal::{Event, Journal};
use super::memo::Memo;
use super::place::copy_tree;
use super::plan::{argv_in, limits_of, may_run, plan, pod_recipe};
use super::record::{Ended, RunRecord, StepEnd, StepRecord};
use super::schedule::{Board, Next, Outcome};
use super::step::{Item, Outputs, Prepared, Shared, items_of};
use super::{Folders, Options, Outside, TaskError, WORKERS_MAX, Work};
use crate::compute::{Allowed, Job};
use crate::recipe::{Fresh, Kind, Payload, PodAt, RECIPE_JSON, Recipe, Tree, Why};

/// What is kept of a [`Work`] beside its recipe: `work.json`.
#[derive(Debug, Serialize, Deserialize)]
struct WorkFile {
    directory: PathBuf,
    in_place: bool,
    allowed: Allowed,
    fresh: bool,
}

/// Every reference of a run and the root it led to: `lock.json`.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Lock {
    /// Roots by references.
    roots: BTreeMap<String, String>,
}

/// A run's folder, for who wants to know what would be resumed.
#[derive(Debug)]
pub struct Run {
    /// What is run.
    pub work: Work,
    /// What was allowed. A key that was, was not kept.
    pub allowed: Allowed,
    fresh: bool,
}

impl Run {
    /// Reads what a run's folder says of it.
    ///
    /// # Errors
    /// [`TaskError::NoRun`], [`TaskError::Damaged`].
    pub fn read(folder: &Path) -> Result<Self, TaskError> {
        let file: WorkFile = read_json(folder, "work.json")?;
        let recipe = Recipe::read(&folder.join(RECIPE_JSON))?;
        let mut work = Work::new(recipe, file.directory, file.in_place);
        work.copies = (!file.in_place).then(|| folder.join("pods"));
        Ok(Self {
            work,
            allowed: file.allowed,
            fresh: file.fresh,
        })
    }
}

/// Runs something in a new folder.
///
/// Everything is fetched and checked before the first step is started. A step that fails stops those that need it, and
/// no others; how it went is in the answer, and in `run.json`.
///
/// # Errors
/// [`TaskError::Refused`] if a step would not be started; [`TaskError::Io`] if the folder is there
/// already; and what keeps a run from going on.
pub fn run(
    work: &Work,
    options: &Options,
    folders: &Folders,
    outside: &Outside<'_>,
) -> Result<RunRecord, TaskError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let failed = |error| TaskError::io(format!("make `{}`", folders.run.display()), error);
    // References may be keys: nobody else reads this.
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&folders.run)
        .map_err(failed)?;
    let mut work = work.clone();
    if !work.in_place {
        let copies = folders.run.join("pods");
        copy_pods(&work, &copies, outside)?;
        work.copies = Some(copies);
    }
    let planned = plan(&work, options, &BTreeMap::new(), outside)?;
    let lock = Lock {
        roots: planned.roots,
    };
    write(folders, "lock.json", &lock)?;
    let file = WorkFile {
        directory: work.directory.clone(),
        in_place: work.in_place,
        allowed: options.allowed.clone(),
        fresh: options.fresh,
    };
    write(folders, "work.json", &file)?;
    fs_err::write(folders.run.join(RECIPE_JSON), work.recipe.to_json()).map_err(failed)?;
    let journal = Journal::create(&folders.run)?;
    journal.append(&Event::Begun {
        at: outside.clock.now().0,
        name: work.recipe.name.clone(),
    })?;
    go(
        &work,
        options,
        folders,
        outside,
        lock,
        journal,
        BTreeMap::new(),
    )
}

/// Goes on with a run that was stopped, was killed or failed. Steps that succeeded, and whose output is as it was, are
/// not run again; what failed is tried anew.
///
/// What was allowed is allowed again, and what `options` say; a key is not kept, and must be given again.
///
/// # Errors
/// [`TaskError::NoRun`], [`TaskError::GoingOn`], [`TaskError::Damaged`], and as [`run`].
pub fn resume(
    options: &Options,
    folders: &Folders,
    outside: &Outside<'_>,
) -> Result<RunRecord, TaskError> {
    let (journal, events) = Journal::open(&folders.run)?;
    let Run {
        work,
        allowed,
        fresh,
    } = Run::read(&folders.run)?;
    let lock: Lock = read_json(&folders.run, "lock.json")?;
    let options = Options {
        workers: options.workers,
        allowed: Allowed {
            yagna: options.allowed.yagna.clone(),
            trust_native: options.allowed.trust_native || allowed.trust_native,
            ..Allowed::default()
        },
        fresh: options.fresh || fresh,
    };
    let mut before = BTreeMap::new();
    for event in events {
        if let Event::Ended { record } = event {
            before.insert(record.job(), *record);
        }
    }
    journal.append(&Event::Resumed {
        at: outside.clock.now().0,
    })?;
    go(&work, &options, folders, outside, lock, journal, before)
}

/// Copies the directories that steps name, so that nothing that changes there later changes the run.
fn copy_pods(work: &Work, copies: &Path, outside: &Outside<'_>) -> Result<(), TaskError> {
    let at = Work {
        copies: Some(copies.to_owned()),
        ..work.clone()
    };
    for step in work.steps() {
        if let PodAt::Directory(path) = &step.pod {
            let to = at.pod_directory(path);
            if !to.exists() {
                let tree = Tree::of_pod(&work.pod_directory(path))?;
                for stays in tree.stays.iter().filter(|stays| stays.why == Why::Secret) {
                    let file = &stays.path;
                    outside.watcher.happened(&format!(
                        "{}: {file} is not given to it: {}",
                        step.name, stays.why
                    ));
                }
                let fresh = Fresh::beside(&to)?;
                copy_tree(&tree, fresh.path(), &|_| true)?;
                fresh.take_place(&to)?;
            }
        }
    }
    Ok(())
}

/// The run itself, new or resumed.
fn go(
    work: &Work,
    options: &Options,
    folders: &Folders,
    outside: &Outside<'_>,
    lock: Lock,
    journal: Journal,
    before: BTreeMap<String, StepRecord>,
) -> Result<RunRecord, TaskError> {
    let began = outside.clock.now().0;
    let planned = plan(work, options, &lock.roots, outside)?;
    let fetched = Fetched::new(*outside, folders, lock.roots);
    let payload = match &work.recipe.kind {
        Kind::Task(task) => task.payload.as_slice(),
        Kind::Pod(_) => &[],
    };
    let steps = prepare(work, options, outside, &fetched)?;
    for external in payload {
        fetched.external(external)?;
    }
    let shared = Shared {
        name: &work.recipe.name,
        options,
        folders,
        outside: *outside,
        steps: &steps,
        payload,
        in_place: work.in_place,
        fetched,
        memo: Memo::new(&folders.cache),
        journal,
        before,
    };
    let (records, was_stopped) = all_steps(&shared)?;
    let record = RunRecord {
        name: work.recipe.name.clone(),
        folder: folders.run.clone(),
        began,
        ended: shared.now(),
        ended_as: if was_stopped {
            Ended::Stopped
        } else if records.iter().all(StepRecord::is_success) {
            Ended::Succeeded
        } else {
            Ended::Failed
        },
        plan: planned,
        allowed: options.allowed.clone(),
        steps: records,
    };
    write(folders, "run.json", &record)?;
    Ok(record)
}

/// Fetches every step's pod and what it works on, and sees that it may be run.
fn prepare(
    work: &Work,
    options: &Options,
    outside: &Outside<'_>,
    fetched: &Fetched<'_>,
) -> Result<Vec<Prepared>, TaskError> {
    let mut all = Vec::new();
    for step in work.steps() {
        let (directory, at) = match &step.pod {
            PodAt::Directory(path) => (work.pod_directory(path), path),
            PodAt::Reference(reference) => (fetched.pod(reference)?, reference),
        };
        let (name, recipe) = pod_recipe(Recipe::read(&directory)?, &step, at)?;
        // What was fetched was shared as it is.
        let tree = match &step.pod {
            PodAt::Directory(_) => Tree::of_pod(&directory)?,
            PodAt::Reference(_) => Tree::whole(&directory)?,
        };
        if let Payload::External(own) = &recipe.payload {
            for external in own {
                fetched.external(external)?;
            }
        }
        let job = Job {
            argv: argv_in(&recipe.exec, &step.args, &directory, None),
            directory: directory.clone(),
            environment: BTreeMap::new(),
            limits: limits_of(&step),
            allowed: options.allowed.clone(),
        };
        may_run(&recipe, &tree, options)
            .and_then(|()| outside.compute.plan(&job).map(|_| ()))
            .map_err(|error| TaskError::Refused {
                step: step.name.clone(),
                error,
            })?;
        all.push(Prepared {
            step,
            recipe,
            name,
            directory,
            tree,
        });
    }
    Ok(all)
}

/// What workers share.
struct Bench {
    board: Board,
    /// The items of every step that was expanded; none if it is run once.
    items: Vec<Option<Vec<Item>>>,
    records: BTreeMap<(usize, usize), StepRecord>,
    error: Option<TaskError>,
}

/// Runs all steps, and says whether it was stopped before it was over.
fn all_steps(shared: &Shared<'_>) -> Result<(Vec<StepRecord>, bool), TaskError> {
    let index_of: BTreeMap<&str, usize> = shared
        .steps
        .iter()
        .enumerate()
        .map(|(index, prepared)| (prepared.step.name.as_str(), index))
        .collect();
    let needs = shared.steps.iter().map(|prepared| {
        let needs = prepared.step.needs.iter();
        needs
            .filter_map(|name| index_of.get(name.as_str()).copied())
            .collect()
    });
    let bench = Mutex::new(Bench {
        board: Board::new(needs.collect()),
        items: vec![None; shared.steps.len()],
        records: BTreeMap::new(),
        error: None,
    });
    let changed = Condvar::new();
    let workers = shared.options.workers.clamp(1, WORKERS_MAX);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| work_on(shared, &index_of, &bench, &changed));
        }
    });
    let bench = bench.into_inner();
    match bench.error {
        Some(error) => Err(error),
        None => Ok(collect(shared, bench)),
    }
}

/// One worker: takes what is next until nothing is left.
fn work_on(
    shared: &Shared<'_>,
    index_of: &BTreeMap<&str, usize>,
    bench: &Mutex<Bench>,
    changed: &Condvar,
) {
    let outputs_of = |name: &str| outputs(&bench.lock(), index_of.get(name).copied());
    let mut held = bench.lock();
    loop {
        if shared.outside.watcher.stopped() || held.error.is_some() {
            held.board.stop();
        }
        match held.board.next() {
            Next::Over => break,
            Next::Wait => changed.wait(&mut held),
            Next::Expand(step) => {
                drop(held);
                let items = items_of(&shared.steps[step].step, &outputs_of);
                held = bench.lock();
                match items {
                    Ok(items) => {
                        let count = items.as_ref().map_or(1, Vec::len);
                        held.items[step] = items;
                        held.board.expanded(step, Some(count));
                    }
                    Err(error) => {
                        let name = &shared.steps[step].step.name;
                        let mut record = StepRecord::new(name, None, None, shared.now());
                        record.end = StepEnd::Refused {
                            hint: error.hint(),
                            what: error.to_string(),
                        };
                        held.records.insert((step, 0), record);
                        held.board.expanded(step, None);
                    }
                }
                changed.notify_all();
            }
            Next::Run(job) => {
                let items = held.items[job.step].as_ref();
                let item = items.and_then(|items| items.get(job.item)).cloned();
                drop(held);
                let item = item.as_ref().map(|item| (job.item, item));
                let ended = shared.job(&shared.steps[job.step], item, &outputs_of);
                held = bench.lock();
                match ended {
                    Ok(record) => {
                        let stopped = record.end == StepEnd::Stopped;
                        if stopped {
                            held.board.stop();
                        }
                        held.board.ended(job, record.is_success());
                        held.records.insert((job.step, job.item), record);
                    }
                    Err(error) => {
                        held.board.ended(job, false);
                        held.error.get_or_insert(error);
                    }
                }
                changed.notify_all();
            }
        }
    }
    changed.notify_all();
}

/// What a step left: the outputs of its items in their order.
fn outputs(bench: &Bench, step: Option<usize>) -> Outputs {
    let Some(step) = step else { return Vec::new() };
    let records = bench.records.range((step, 0)..=(step, usize::MAX));
    let left = records.filter_map(|(_, record)| {
        let output = record.output.as_ref()?;
        Some((record.index, output.path.clone()))
    });
    left.collect()
}

/// The records of all steps, those that were not run included.
fn collect(shared: &Shared<'_>, mut bench: Bench) -> (Vec<StepRecord>, bool) {
    let mut all = Vec::new();
    let mut was_stopped = false;
    for (step, prepared) in shared.steps.iter().enumerate() {
        let name = &prepared.step.name;
        let ran: Vec<_> = bench
            .records
            .range((step, 0)..=(step, usize::MAX))
            .map(|(_, record)| record.clone())
            .collect();
        was_stopped |= ran.iter().any(|record| record.end == StepEnd::Stopped);
        match bench.board.outcome(step) {
            Some(Outcome::Skipped(because)) => {
                let mut record = StepRecord::new(name, None, None, shared.now());
                record.end = StepEnd::Skipped {
                    because: shared.steps[because].step.name.clone(),
                };
                all.push(record);
            }
            None => {
                was_stopped = true;
                if ran.is_empty() {
                    all.push(StepRecord::new(name, None, None, shared.now()));
                }
            }
            Some(Outcome::Succeeded | Outcome::Failed) => {}
        }
        all.extend(ran);
    }
    bench.board.stop();
    (all, was_stopped)
}

fn read_json<T: serde::de::DeserializeOwned>(folder: &Path, name: &str) -> Result<T, TaskError> {
    let path = folder.join(name);
    let text = std::fs::read(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => TaskError::NoRun(folder.to_owned()),
        _ => TaskError::io(format!("read `{}`", path.display()), error),
    })?;
    serde_json::from_slice(&text).map_err(|error| TaskError::Damaged {
        folder: folder.to_owned(),
        why: format!("its `{name}` is damaged: {error}"),
    })
}

/// Writes a file of the run whole: it is not seen before it is on disk.
fn write(folders: &Folders, name: &str, value: &impl Serialize) -> Result<(), TaskError> {
    use std::io::Write as _;
    let path = folders.run.join(name);
    let failed = |error| TaskError::io(format!("write `{}`", path.display()), error);
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    let coming = folders.run.join(format!("{name}.new"));
    let mut file = std::fs::File::create(&coming).map_err(failed)?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    std::fs::rename(&coming, &path).map_err(failed)
}
