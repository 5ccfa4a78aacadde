//! `task`: plans over pods.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use adapters::recipe::{Kind, Recipe, RecipeError};
use adapters::task::{self, Folders, How, Options, Plan, PlannedEach, Work};
use anyhow::Result;
use genesis::refusal::{Code, Refusal};

use self::running::{allowed, folders, run_to_its_end, said};
use super::Context;
use crate::bar::size;
use crate::cli::TaskKind;
use crate::printer::{Style, harmless};

pub(super) mod running;

/// Does what is to be done with tasks.
pub(crate) async fn task(context: Context<'_>, kind: TaskKind) -> Result<()> {
    match kind {
        TaskKind::Plan {
            directory,
            permissions,
        } => {
            let options = Options {
                allowed: allowed(&permissions)?,
                ..Options::default()
            };
            let (recipe, directory) = recipe_at(&directory)?;
            let work = Work::new(recipe, directory, false);
            let planned = run_to_its_end(context, move |outside| {
                task::plan(&work, &options, &BTreeMap::new(), outside)
            })
            .await?;
            show(context, &planned)
        }
        TaskKind::Run {
            directory,
            workers,
            fresh,
            permissions,
        } => {
            let (recipe, directory) = recipe_at(&directory)?;
            if !matches!(recipe.kind, Kind::Task(_)) {
                return Err(RecipeError::WrongKind {
                    file: directory.display().to_string(),
                    found: "a pod",
                    wanted: "a task",
                }
                .into());
            }
            let options = Options {
                workers: workers_of(workers),
                allowed: allowed(&permissions)?,
                fresh,
            };
            let folders = folders(context, &recipe.name)?;
            let work = Work::new(recipe, directory, false);
            let record = run_to_its_end(context, move |outside| {
                task::run(&work, &options, &folders, outside)
            })
            .await?;
            said(context, &record, false)
        }
        TaskKind::Resume {
            run,
            workers,
            permissions,
        } => {
            let options = Options {
                workers: workers_of(workers),
                allowed: allowed(&permissions)?,
                fresh: false,
            };
            let folders = folders_of(context, &run)?;
            let record = run_to_its_end(context, move |outside| {
                task::resume(&options, &folders, outside)
            })
            .await?;
            said(context, &record, false)
        }
    }
}

/// The recipe of a directory, or at a file, and the directory.
pub(super) fn recipe_at(path: &Path) -> Result<(Recipe, PathBuf)> {
    let recipe = Recipe::read(path)?;
    let directory = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(Path::new("."))
    };
    // Jobs have another working directory than we, and see no links on the way to their own.
    let directory = directory
        .canonicalize()
        .unwrap_or_else(|_| directory.to_owned());
    Ok((recipe, directory))
}

/// As many as were asked for, or one for each core.
fn workers_of(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

/// The folders of a run that is named, or whose folder is.
fn folders_of(context: Context<'_>, run: &Path) -> Result<Folders> {
    let all = running::runs(context)?;
    let is_name = run.components().count() == 1 && !run.is_dir();
    let folder = if is_name {
        all.join(run)
    } else {
        run.to_owned()
    };
    if folder.is_dir() {
        return Ok(Folders {
            run: folder.canonicalize()?,
            cache: running::cache(context)?,
        });
    }
    let mut names: Vec<String> = std::fs::read_dir(&all)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    let hint = match names.as_slice() {
        [] => "there are none in this data folder; `medium task run` makes one".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    let what = format!("there is no run `{}`", run.display());
    Err(Refusal::new(Code::Unknown, what).hint(hint).into())
}

/// Prints a plan.
fn show(context: Context<'_>, plan: &Plan) -> Result<()> {
    let printer = context.printer;
    if printer.is_json() {
        return printer.json(plan);
    }
    let mut text = String::new();
    for step in &plan.steps {
        let name = printer.paint(Style::Bold, &harmless(&step.name));
        let needs = match step.needs.as_slice() {
            [] => String::new(),
            needs => format!("  after {}", needs.join(", ")),
        };
        let each = match &step.each {
            None => String::new(),
            Some(PlannedEach::Items(count)) => format!("  {count} times"),
            Some(PlannedEach::FilesOf(from)) => format!("  for each file that {from} leaves"),
        };
        let _ = writeln!(text, "{name}{needs}{each}");
        let pod = &step.pod;
        let _ = writeln!(
            text,
            "  pod    {} ({}, {} files, {})",
            harmless(&pod.name),
            harmless(&pod.at),
            pod.files,
            size(pod.bytes)
        );
        let _ = writeln!(text, "  runs   {}", harmless(&in_quotes(&step.argv)));
        let limits = &step.limits;
        let _ = writeln!(
            text,
            "  bound  {} s of CPU, {} of memory, {} s, {} attempts",
            limits.cpu_s,
            size(limits.memory_bytes),
            limits.wall.as_secs(),
            step.attempts_max
        );
        match &step.how {
            How::Plan(plan) => {
                for may in &plan.may {
                    let _ = writeln!(text, "  may    {}", harmless(may));
                }
            }
            How::WhenFetched => {
                let _ = writeln!(
                    text,
                    "  may    that is known when it is fetched, before it runs"
                );
            }
            How::Refused { what, hint } => {
                let refused = printer.paint(Style::Red, "refused");
                let hint = hint.as_deref().unwrap_or_default();
                let _ = writeln!(text, "  {refused}  {}; {}", harmless(what), harmless(hint));
            }
        }
        if let Some(pod) = &step.shares {
            let _ = writeln!(text, "  shares its output as the pod {}", harmless(pod));
        }
    }
    for fetch in &plan.fetches {
        let _ = writeln!(
            text,
            "fetches {} {} ({}) for {}",
            harmless(&fetch.reference),
            harmless(&fetch.path),
            size(fetch.bytes),
            fetch.steps.join(", ")
        );
    }
    let bound = &plan.bound;
    let _ = write!(
        text,
        "at most {} jobs, {} s of CPU, {} of memory each, {} to fetch, {} motes",
        bound.jobs,
        bound.cpu_s,
        size(bound.memory_bytes),
        size(bound.fetched_bytes),
        bound.motes
    );
    for note in &plan.notes {
        printer.note(note);
    }
    printer.screen(&text)
}

/// A command line as it could be typed.
fn in_quotes(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@[]+,%".contains(c);
    let quoted = words.iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_can_be_read_back() {
        let words = ["cat", "a b", "", "it's", "[@]x"].map(str::to_owned);
        let line = in_quotes(&words);
        assert_eq!(line, r"cat 'a b' '' 'it'\''s' [@]x");
        assert_eq!(adapters::recipe::split_words(&line), Ok(words.to_vec()));
    }
}
