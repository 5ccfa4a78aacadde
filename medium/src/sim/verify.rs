//! `sim verify`: whether what was published is what comes of it.
//!
//! A model that is built in is run here. A crate is built in the sandbox and run there with what `run.json` asks for,
//! and with none of what it says came of it; what the program leaves behind is compared by us, not by the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adapters::pods::{PodPath, Source};
use adapters::transfer::fetch_directory;
use anyhow::Result;
use genesis::refusal::{Code, Refusal};
use serde_json::json;
use sims::crew::Crew;
use sims::data::{self, Table};
use sims::folder::{self, Folder, FolderError, Record, Status, Verdict};
use sims::models;
use sims::series::Difference;

use super::cargo::Crate;
use super::program::{builds, cache};
use super::published::{self, Kind, Published, RUN, RUN_RECORD, SOURCE};
use super::sandbox::Sandbox;
use crate::report::{Said, file_refused};
use crate::verbs::Context;
use crate::verbs::up::Signals;

/// What is to be verified, and how.
pub(crate) struct Options<'a> {
    /// A folder of what was published, or a reference.
    pub(crate) what: &'a Path,
    /// On so many threads; none for all cores.
    pub(crate) threads: Option<usize>,
    /// Whether a crate is built and run with everything that the user may do.
    pub(crate) trust_native: bool,
}

/// Whether this names what was published, and not only the folder of a run or a sweep.
pub(crate) fn is_published(what: &Path) -> bool {
    reference(what).is_some() || what.join(published::RECORD).is_file()
}

/// The reference that it is, if it is one and no file.
fn reference(what: &Path) -> Option<&str> {
    let text = what.to_str()?;
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (matches!(text.len(), 64 | 128) && is_hex && !what.exists()).then_some(text)
}

/// Verifies what was published, and says what came of it.
pub(crate) async fn verify(context: Context<'_>, options: Options<'_>) -> Result<()> {
    let Some(reference) = reference(options.what) else {
        return verify_folder(context, options.what, &options);
    };
    let cache = cache(context)?;
    published::make(&cache)?;
    let folder = tempfile::Builder::new()
        .prefix("fetched-")
        .tempdir_in(&cache);
    let folder = folder.map_err(|error| file_refused("make a folder in", &cache, &error))?;
    let place = folder.path().join("published");
    let (from, to) = (Source::Reference(reference.to_owned()), place.clone());
    context
        .with_pods("fetched", move |pods, bar| {
            Ok(fetch_directory(pods, &from, &PodPath::root(), &to, bar)?)
        })
        .await?;
    verify_folder(context, &place, &options)
}

fn verify_folder(context: Context<'_>, place: &Path, options: &Options<'_>) -> Result<()> {
    let printer = context.printer;
    let published = Published::read(place)?;
    let run = place.join(RUN);
    let record = Folder::read(&run).map_err(|error| refused(&error))?;
    let stop = Stop::on_signals()?;
    let verdict = tokio::task::block_in_place(|| match published.kind {
        Kind::BuiltIn => {
            if published.engine != super::crates::engine_digest().to_string() {
                printer.note(&format!(
                    "published by the medium {} with another engine than this one, {}",
                    published.medium,
                    env!("CARGO_PKG_VERSION")
                ));
            }
            built_in(&run, &record, options.threads, &|| stop.is_given())
        }
        Kind::Crate => {
            let again = outside(context, place, &record, options, &|| stop.is_given())?;
            compare(&run, &record, &again.path().join(RUN))
        }
    })?;
    let verdict = match verdict {
        // Every number is right; then every byte is to be, the source's and those that nobody computes.
        Verdict::Same { rows, digest } => match published.first_change(place)? {
            None => Verdict::Same { rows, digest },
            Some((path, recorded, recomputed)) => Verdict::Different(Difference {
                step: record.done,
                series: format!("the bytes of {path}"),
                recorded,
                recomputed,
            }),
        },
        other => other,
    };
    say(context, &verdict)
}

/// Runs the run of a built-in model again.
///
/// # Errors
/// What the folder or the world says.
pub(crate) fn built_in(
    run: &Path,
    record: &Record,
    threads: Option<usize>,
    stopped: &dyn Fn() -> bool,
) -> Result<Verdict, Refusal> {
    let Some(model) = models::find(&record.model) else {
        let what = format!("no model `{}` is built in", record.model);
        return Err(Refusal::new(Code::Unknown, what)
            .hint("it may be one of another version: `medium sim ls`"));
    };
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let crew = Crew::of(threads.unwrap_or_else(cores))
        .map_err(|error| Refusal::new(Code::Io, format!("cannot start threads: {error}")))?;
    folder::verify(run, record, model, &crew, |_| !stopped()).map_err(|error| refused(&error))
}

/// Builds the crate of what was published and has it run the run anew; the folder in which it did.
fn outside(
    context: Context<'_>,
    place: &Path,
    record: &Record,
    options: &Options<'_>,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<tempfile::TempDir, Refusal> {
    let cache = cache(context)?;
    if options.trust_native {
        let program = Crate::at(&place.join(SOURCE))?.build(&builds(context)?, context.printer)?;
        return trusted(&program, record, options.threads, &cache);
    }
    let sandbox = Sandbox {
        cache: &cache,
        printer: context.printer,
        stopped,
    };
    let program = sandbox.program(place)?;
    let threads = options.threads.map(|threads| threads.to_string());
    let mut words = vec!["resume", RUN, "--quiet"];
    if let Some(threads) = &threads {
        words.extend(["--threads", threads]);
    }
    sandbox.run_program(&program, &words, |folder| ask(record, folder))
}

/// Has a program that is trusted run a run anew, in a new folder in `cache`.
///
/// # Errors
/// It cannot be started, or fails.
pub(crate) fn trusted(
    program: &Path,
    record: &Record,
    threads: Option<usize>,
    cache: &Path,
) -> Result<tempfile::TempDir, Refusal> {
    published::make(cache)?;
    let folder = tempfile::Builder::new().prefix("run-").tempdir_in(cache);
    let folder = folder.map_err(|error| file_refused("make a folder in", cache, &error))?;
    ask(record, folder.path())?;
    let mut command = Command::new(program);
    command
        .args(["resume", RUN, "--quiet"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if let Some(threads) = threads {
        command.arg("--threads").arg(threads.to_string());
    }
    let status = command.status().map_err(|error| {
        Refusal::new(
            Code::Io,
            format!("cannot start `{}`: {error}", program.display()),
        )
    })?;
    if status.success() {
        return Ok(folder);
    }
    let what = format!("the model failed: {status}");
    Err(Refusal::new(Code::Fault, what).hint("what it says is above"))
}

/// Writes a folder of a run that was just begun: what was asked, without what came of it.
fn ask(record: &Record, folder: &Path) -> Result<(), Refusal> {
    let asked = Record {
        status: Status::Running,
        done: 0,
        why: None,
        checkpoint_every: None,
        agents: 0,
        agent_steps: 0,
        digest: None,
        state_digest: None,
        last: BTreeMap::new(),
        files: BTreeMap::new(),
        seconds: 0.0,
        command: Vec::new(),
        ..record.clone()
    };
    let run = folder.join(RUN);
    published::make(&run)?;
    let text = serde_json::to_vec(&asked)
        .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
    published::write(&run.join(RUN_RECORD), &text)
}

/// Compares a run with one that was run anew: rows first, then how it ended, then all files.
///
/// # Errors
/// What cannot be read.
pub(crate) fn compare(run: &Path, record: &Record, again: &Path) -> Result<Verdict, Refusal> {
    let new = Folder::read(again).map_err(|error| refused(&error))?;
    let file = |folder: &Path| folder.join(format!("model.{}", record.format.ending()));
    let read = |path: PathBuf| data::read(path).map_err(|error| refused(&error.into()));
    let (old_table, new_table) = (read(file(run))?, read(file(again))?);
    if let Some(difference) = first_difference(&old_table, &new_table) {
        return Ok(Verdict::Different(difference));
    }
    let differs = |series: String, recorded: &str, recomputed: &str| {
        (recorded != recomputed).then(|| Difference {
            step: new.done,
            series,
            recorded: recorded.to_owned(),
            recomputed: recomputed.to_owned(),
        })
    };
    let none = String::new();
    let text = |digest: &Option<String>| digest.clone().unwrap_or_default();
    let ends = [
        ("steps", record.done.to_string(), new.done.to_string()),
        (
            "state digest",
            text(&record.state_digest),
            text(&new.state_digest),
        ),
        ("digest", text(&record.digest), text(&new.digest)),
    ];
    let mut found = ends
        .iter()
        .find_map(|(series, old, new)| differs((*series).to_owned(), old, new));
    let mut names: Vec<_> = record.files.keys().chain(new.files.keys()).collect();
    names.sort_unstable();
    for name in names {
        if found.is_some() {
            break;
        }
        let old = if run.join(name).is_file() {
            published::digest(&run.join(name))?.blake3
        } else {
            none.clone()
        };
        let new = new
            .files
            .get(name)
            .map_or(none.as_str(), |file| file.blake3.as_str());
        found = differs(format!("the bytes of {name}"), &old, new);
    }
    Ok(match found {
        Some(difference) => Verdict::Different(difference),
        None => Verdict::Same {
            rows: new_table.rows(),
            digest: text(&new.digest),
        },
    })
}

/// The first cell in which two tables differ, by rows.
fn first_difference(old: &Table, new: &Table) -> Option<Difference> {
    let step = |row: usize| {
        let of = |table: &Table| {
            table
                .column("step")
                .and_then(|steps| steps.shown(row).parse().ok())
        };
        of(new).or_else(|| of(old)).unwrap_or(row as u64)
    };
    let names = new
        .columns()
        .iter()
        .chain(old.columns())
        .map(|column| column.name.as_str());
    let names: Vec<_> = names.collect();
    for row in 0..old.rows().max(new.rows()) {
        for name in &names {
            let (left, right) = (old.column(name), new.column(name));
            let is_same = left
                .zip(right)
                .is_some_and(|(left, right)| left.is_same(row, right, row));
            if is_same {
                continue;
            }
            let shown = |table: &Table| match table.column(name) {
                None => "no such column".to_owned(),
                Some(_) if row >= table.rows() => "no such row".to_owned(),
                Some(column) => column.shown(row),
            };
            return Some(Difference {
                step: step(row),
                series: (*name).to_owned(),
                recorded: shown(old),
                recomputed: shown(new),
            });
        }
    }
    None
}

/// Says what came of it; a difference is an error that was said.
fn say(context: Context<'_>, verdict: &Verdict) -> Result<()> {
    let printer = context.printer;
    match verdict {
        Verdict::Interrupted => Err(Refusal::new(Code::Cancelled, "interrupted before the end")
            .hint("what was compared so far is the same")
            .into()),
        Verdict::Same { rows, digest } if printer.is_json() => {
            printer.json(&json!({ "verified": true, "rows": rows, "digest": digest }))
        }
        Verdict::Same { rows, digest } => {
            printer.text(&format!("= published: {rows} rows, digest {digest}"))
        }
        Verdict::Different(difference) if printer.is_json() => {
            let Difference {
                step,
                series,
                recorded,
                recomputed,
            } = difference;
            let difference = json!({ "step": step, "series": series, "recorded": recorded, "recomputed": recomputed });
            printer.json(&json!({ "verified": false, "difference": difference }))?;
            Err(Said.into())
        }
        Verdict::Different(difference) => Err(differs(difference).into()),
    }
}

/// The error that a difference is.
pub(crate) fn differs(difference: &Difference) -> Refusal {
    let Difference {
        step,
        series,
        recorded,
        recomputed,
    } = difference;
    let what = format!(
        "it differs after tick {step} in {series}: published {recorded}, recomputed {recomputed}"
    );
    Refusal::new(Code::Conflict, what)
        .hint("it was changed after the run, or the model gives another run each time")
}

/// What a folder says, as everybody says it.
pub(crate) fn refused(error: &FolderError) -> Refusal {
    let refusal = Refusal::new(error.code(), error.to_string());
    match error.hint() {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

/// Whether somebody asked to stop.
struct Stop(Arc<AtomicBool>);

// Relaxed: the flag is only looked at, and nothing else is published by it.
impl Stop {
    /// From now on the first signal asks; the second ends the program as it always would.
    fn on_signals() -> Result<Self, Refusal> {
        let given = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&given);
        let mut signals = Signals::new()?;
        tokio::spawn(async move {
            signals.next().await;
            asked.store(true, Ordering::Relaxed);
        });
        Ok(Self(given))
    }

    fn is_given(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
