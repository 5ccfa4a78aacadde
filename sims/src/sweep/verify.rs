//! Whether a sweep is what its folder says: every run is run again and compared, row by row, to the last bit.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _,
};

use super::RECORD;
use super::folder::{RunRecord, SweepRecord, rows_of};
use crate::data::{self, Table, Values};
use crate::folder::{self, FolderError, SCHEMA, Verdict};
use crate::model::ModelInfo;
use crate::series::Difference;

/// What a folder says of its sweep.
///
/// # Errors
/// [`FolderError`]: it holds none, or what it says cannot be read.
pub fn read(path: &Path) -> Result<SweepRecord, FolderError> {
    let record: SweepRecord = folder::read_json(path, "sweep", RECORD)?;
    let file = path.join(RECORD);
    if record.schema != SCHEMA {
        let reason = format!(
            "its schema is {}, and this program knows {SCHEMA}",
            record.schema
        );
        return Err(FolderError::malformed(&file, reason));
    }
    if record.plan.collect_every == 0 || record.plan.seeds.is_empty() {
        return Err(FolderError::malformed(
            &file,
            "it has no seed, or collects after each 0th tick",
        ));
    }
    Ok(record)
}

/// Runs the runs of a sweep again, `threads` at a time, and compares those that had ended.
///
/// # Errors
/// [`FolderError`]: the table cannot be read, a parameter is wrong, a world fails.
pub fn verify(
    path: &Path,
    record: SweepRecord,
    model: &ModelInfo,
    threads: usize,
    go_on: impl Fn() -> bool + Sync,
    see: impl Fn(usize) + Sync,
) -> Result<Verdict, FolderError> {
    let plan = record.plan.resolved(model)?;
    let table = data::read(folder::model_table(path, plan.format))?;
    // Where the rows of each run begin is known from how many ticks it had.
    let mut at = 0;
    let mut places = Vec::with_capacity(record.runs.len());
    for run in &record.runs {
        if run.index >= plan.runs() {
            let reason = format!("it has no run {}: there are {}", run.index, plan.runs());
            return Err(FolderError::malformed(&path.join(RECORD), reason));
        }
        places.push((run, at));
        at += usize::try_from(run.steps / plan.collect_every)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
    }
    let count = AtomicUsize::new(0);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(std::io::Error::other)?;
    let compared: Vec<_> = pool.install(|| {
        let runs = places.par_iter().with_max_len(1);
        runs.map(|&(run, at)| {
            let Some((now, again)) = rows_of(&plan, &plan.point(model, run.index), model, &go_on)?
            else {
                return Ok(None);
            };
            see(count.fetch_add(1, Ordering::Relaxed) + 1);
            Ok(Some(difference(&now, &again, &table, at, run)))
        })
        .collect()
    });
    for compared in compared {
        match compared {
            Err(error) => return Err(error),
            Ok(None) => return Ok(Verdict::Interrupted),
            Ok(Some(Some(difference))) => return Ok(Verdict::Different(difference)),
            Ok(Some(None)) => {}
        }
    }
    let differs = |series: String, recorded: String, recomputed: String| {
        let step = plan.steps;
        (recorded != recomputed).then_some(Verdict::Different(Difference {
            step,
            series,
            recorded,
            recomputed,
        }))
    };
    if let Some(verdict) = differs("rows".to_owned(), table.rows().to_string(), at.to_string()) {
        return Ok(verdict);
    }
    let mut digest = String::new();
    for (name, known) in &record.files {
        let found = folder::file_record(&path.join(name))?.blake3;
        digest.clone_from(&known.blake3);
        if let Some(verdict) = differs(format!("bytes of {name}"), known.blake3.clone(), found) {
            return Ok(verdict);
        }
    }
    Ok(Verdict::Same { rows: at, digest })
}

/// The first difference between the rows of a run now and those of the table from `at` on.
fn difference(
    now: &Table,
    again: &RunRecord,
    table: &Table,
    at: usize,
    run: &RunRecord,
) -> Option<Difference> {
    let name = format!("run {}", run.index);
    let step = |row: usize| match now.column("step") {
        Some(Values::U64(steps)) => steps.get(row).copied().unwrap_or_default(),
        _ => 0,
    };
    for row in 0..now.rows() {
        for column in now.columns() {
            let recorded = match table.column(&column.name) {
                Some(values) if values.is_same(at + row, &column.values, row) => continue,
                Some(values) => values.shown(at + row),
                None => "no such column".to_owned(),
            };
            return Some(Difference {
                step: step(row),
                series: format!("{} of {name}", column.name),
                recorded,
                recomputed: column.values.shown(row),
            });
        }
    }
    (run != again).then(|| Difference {
        step: again.steps,
        series: format!("digest of {name}"),
        recorded: run.digest.clone(),
        recomputed: again.digest.clone(),
    })
}
