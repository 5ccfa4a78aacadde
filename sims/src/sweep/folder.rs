//! The folder of a sweep: what it is (`sweep.json`), one table (`model.parquet`), and, until it has ended, the rows of each
//! run that has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Plan, Point, RECORD, RUNS};
use crate::crew::Crew;
use crate::data::{self, Table};
use crate::drive::{Course, Ended, drive};
use crate::folder::{self, FileRecord, Folder, FolderError, SCHEMA, Status};
use crate::live::RunError;
use crate::model::ModelInfo;
use crate::series::{Era, Names};

/// The key under which the table of a single run says what came of it.
const RUN: &str = "run";

/// What a folder says of its sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepRecord {
    /// The version of the file.
    pub schema: u32,
    /// Which runs there are.
    pub plan: Plan,
    /// Where it stands.
    pub status: Status,
    /// What came of each run that has ended, in the order of the plan.
    pub runs: Vec<RunRecord>,
    /// Which runs failed, and why.
    pub failed: BTreeMap<String, String>,
    /// The columns of what the model collects.
    pub series: Vec<String>,
    /// The columns of the parameters.
    pub parameters: Vec<String>,
    /// The files beside it.
    pub files: BTreeMap<String, FileRecord>,
    /// How long it took, in seconds, over all of its beginnings.
    pub seconds: f64,
    /// Versions of what ran it.
    pub versions: BTreeMap<String, String>,
    /// The command that began it.
    pub command: Vec<String>,
}

/// What came of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its place in the plan.
    pub index: usize,
    /// The values of the axes' parameters.
    pub set: BTreeMap<String, Json>,
    /// Its seed.
    pub seed: u64,
    /// How many ticks are over.
    pub steps: u64,
    /// Why there are no more.
    pub ended: Ended,
    /// How many agents there are at its end.
    pub agents: u64,
    /// How many turns they took.
    pub agent_steps: u64,
    /// Its trace digest.
    pub digest: String,
}

/// What came of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What the folder says now.
    pub record: SweepRecord,
    /// Whether somebody wanted it to stop.
    pub interrupted: bool,
}

/// A sweep in its folder.
#[derive(Debug)]
pub struct Sweep {
    folder: Folder,
    record: SweepRecord,
    /// What came of the runs that have ended before.
    done: BTreeMap<usize, RunRecord>,
}

impl Sweep {
    /// A sweep in a new folder, or the same sweep in the folder in which it was stopped.
    ///
    /// # Errors
    /// [`FolderError`]: a folder that holds something else, is in use, or cannot be made.
    pub fn open(path: &Path, record: SweepRecord, force: bool) -> Result<Self, FolderError> {
        if !force && path.join(RECORD).exists() {
            let before: SweepRecord = folder::read_json(path, "sweep", RECORD)?;
            let is_same =
                serde_json::to_value(&before.plan).ok() == serde_json::to_value(&record.plan).ok();
            if before.schema != SCHEMA || !is_same {
                return Err(FolderError::Taken {
                    path: path.to_owned(),
                    what: "sweep of other runs",
                });
            }
            let folder = Folder::lock(path)?;
            let mut done = BTreeMap::new();
            for index in 0..record.plan.runs() {
                // What cannot be read is run again.
                if let Some(run) = ended(&piece(path, index)) {
                    done.insert(index, run);
                }
            }
            if before.status == Status::Finished {
                done = before
                    .runs
                    .iter()
                    .map(|run| (run.index, run.clone()))
                    .collect();
            }
            let record = SweepRecord {
                seconds: before.seconds,
                command: before.command,
                files: before.files,
                series: before.series,
                parameters: before.parameters,
                status: before.status,
                plan: record.plan,
                ..record
            };
            return Ok(Self {
                folder,
                record,
                done,
            });
        }
        let folder = Folder::create(path, "sweep", force)?;
        folder::write_json(&path.join(RECORD), &record)?;
        Ok(Self {
            folder,
            record,
            done: BTreeMap::new(),
        })
    }

    /// How many runs are left.
    pub fn left(&self) -> usize {
        self.record.plan.runs() - self.done.len()
    }

    /// Runs what is left, `threads` at a time, and puts all of it into one table. `see` hears of each run that has ended, how
    /// many have, and says whether to go on.
    ///
    /// # Errors
    /// [`FolderError`]; a run that fails is no error here but is named in [`SweepRecord::failed`].
    pub fn run(
        mut self,
        model: &ModelInfo,
        threads: usize,
        go_on: impl Fn() -> bool + Sync,
        see: impl Fn(usize) + Sync,
        seconds: impl Fn() -> f64,
    ) -> Result<Outcome, FolderError> {
        if self.record.status == Status::Finished {
            self.record.runs = self.done.into_values().collect();
            return Ok(Outcome {
                record: self.record,
                interrupted: false,
            });
        }
        let path = self.folder.path().to_owned();
        fs_err::create_dir_all(path.join(RUNS))?;
        let plan = &self.record.plan;
        let left: Vec<_> = (0..plan.runs())
            .filter(|index| !self.done.contains_key(index))
            .collect();
        let count = AtomicUsize::new(self.done.len());
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(std::io::Error::other)?;
        let ran: Vec<_> = pool.install(|| {
            let runs = left.into_par_iter().with_max_len(1);
            runs.map(|index| {
                let point = plan.point(model, index);
                let ran = one(&path, plan, &point, model, &go_on);
                if matches!(ran, Ok(Some(_))) {
                    see(count.fetch_add(1, Ordering::Relaxed) + 1);
                }
                (index, point.to_string(), ran)
            })
            .collect()
        });
        let mut interrupted = false;
        let mut failed = BTreeMap::new();
        for (index, name, ran) in ran {
            match ran {
                Ok(Some(run)) => {
                    self.done.insert(index, run);
                }
                Ok(None) => interrupted = true,
                Err(FolderError::Run(error)) => {
                    failed.insert(name, error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        self.record.failed = failed;
        self.record.seconds += seconds();
        self.end(interrupted)
    }

    fn end(mut self, interrupted: bool) -> Result<Outcome, FolderError> {
        let path = self.folder.path();
        let table = folder::model_table(path, self.record.plan.format);
        let pieces: Vec<_> = self.done.keys().map(|index| piece(path, *index)).collect();
        self.record.files.clear();
        if let Some(first) = pieces.first() {
            let metadata = data::read(first)?.metadata;
            let columns = |key: &str| {
                metadata.get(key).map_or_else(Vec::new, |names| {
                    names.split(',').map(str::to_owned).collect()
                })
            };
            self.record.series = columns(crate::series::SERIES);
            self.record.parameters = columns(crate::plot::PARAMETERS);
            data::concat(&pieces, &table)?;
            let name = table
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            self.record.files.insert(name, folder::file_record(&table)?);
        }
        self.record.status = match (interrupted, self.record.failed.is_empty()) {
            (true, _) => Status::Interrupted,
            (false, true) => Status::Finished,
            (false, false) => Status::Failed,
        };
        self.record.runs = self.done.into_values().collect();
        folder::write_json(&path.join(RECORD), &self.record)?;
        if self.record.status == Status::Finished {
            // All of it is in the table now.
            fs_err::remove_dir_all(path.join(RUNS))?;
        }
        Ok(Outcome {
            record: self.record,
            interrupted,
        })
    }
}

fn piece(path: &Path, index: usize) -> PathBuf {
    path.join(RUNS).join(format!("{index}.parquet"))
}

/// What came of the run that left this file.
fn ended(file: &Path) -> Option<RunRecord> {
    let metadata = data::read(file).ok()?.metadata;
    serde_json::from_str(metadata.get(RUN)?).ok()
}

/// The rows of a run; none if somebody wanted it to stop.
pub(crate) fn rows_of(
    plan: &Plan,
    point: &Point,
    model: &ModelInfo,
    go_on: &(impl Fn() -> bool + Sync),
) -> Result<Option<(Table, RunRecord)>, FolderError> {
    let crew = Crew::alone();
    let mut live = model.begin(&point.setting)?;
    let names = Names::of(live.as_ref());
    let mut rows = vec![names.row(live.as_ref())?];
    let empty = |why: &str| RunError::Failed {
        tick: 0,
        why: format!("the run is empty: {why}"),
    };
    if live.agents() == 0 {
        return Err(empty("there is no agent in its world").into());
    }
    if rows.iter().all(|row| row.values.is_empty()) {
        return Err(empty("the model collects nothing").into());
    }
    let course = Course {
        steps: plan.steps,
        acts: &[],
        crew: &crew,
    };
    let ended = drive(live.as_mut(), &course, &mut None, |live| {
        if live.now().is_multiple_of(plan.collect_every) {
            rows.push(names.row(live)?);
        }
        Ok::<_, FolderError>(go_on())
    })?;
    if ended == Ended::Interrupted {
        return Ok(None);
    }
    let run = RunRecord {
        index: point.index,
        set: point
            .values
            .iter()
            .map(|(name, value)| (name.clone(), value.into()))
            .collect(),
        seed: point.setting.seed,
        steps: live.now(),
        ended,
        agents: live.agents(),
        agent_steps: live.agent_steps(),
        digest: live.digest().to_string(),
    };
    let eras = [Era {
        after: 0,
        values: live.params(),
    }];
    let mut table = names.table(&rows, run.seed, &eras)?;
    table.metadata = names.metadata(model);
    Ok(Some((table, run)))
}

fn one(
    path: &Path,
    plan: &Plan,
    point: &Point,
    model: &ModelInfo,
    go_on: &(impl Fn() -> bool + Sync),
) -> Result<Option<RunRecord>, FolderError> {
    if !go_on() {
        return Ok(None);
    }
    let Some((mut table, run)) = rows_of(plan, point, model, go_on)? else {
        return Ok(None);
    };
    let text = serde_json::to_string(&run).map_err(std::io::Error::from)?;
    table.metadata.insert(RUN.to_owned(), text);
    data::write(piece(path, point.index), &table)?;
    Ok(Some(run))
}
