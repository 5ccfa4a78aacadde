//! `resume`, `fork` and `verify`: runs that were run before.

use std::collections::BTreeMap;
use std::path::Path;

use genesis::refusal::{Code, Refusal};
use serde_json::{Value as Json, json};

use super::args::{Fork, Resume, Verify};
use super::bar;
use super::refused::io;
use super::run::{Running, Summary, command, recorded_talk, threads, versions};
use super::{Env, Failure, sweep};
use crate::drive::Ended;
use crate::folder::{self, Folder, Keeper, Record, Resumed, Status, Verdict};
use crate::live::RunError;
use crate::model::ModelInfo;
use crate::params::ParamError;
use crate::series::Difference;

/// Goes on with a run.
pub(super) fn resume(options: &Resume, env: &Env<'_>) -> Result<(), Failure> {
    let (folder, mut record) = Folder::open(&options.dir)?;
    let model = env.model(Some(&record.model))?;
    let steps = options.steps.unwrap_or(record.steps);
    let ended = match record.status {
        Status::Finished => Some(Ended::Steps),
        Status::Over => Some(Ended::Over),
        Status::Running | Status::Interrupted | Status::Failed => None,
    };
    if steps < record.done && ended.is_some() {
        let what = format!(
            "`{}` is at tick {}, beyond {steps}",
            options.dir.display(),
            record.done
        );
        let hint = "a run does not go back; `fork --at` begins another one before";
        return Err(Refusal::new(Code::Malformed, what).hint(hint).into());
    }
    if let Some(ended) = ended
        && (steps == record.done || ended == Ended::Over)
    {
        let what = format!(
            "`{}` has ended: nothing is left to do",
            options.dir.display()
        );
        env.printer.note(&what);
        return Summary::recorded(&record, &options.dir, ended).print(env);
    }
    let run = Running::going(env, &options.going)?;
    record.steps = steps;
    let Resumed {
        live,
        keeper,
        from,
        notes,
    } = Keeper::resume(folder, record, model)?;
    for note in notes {
        env.printer.note(&note);
    }
    env.printer.note(&match from {
        Some(tick) => format!("going on from the checkpoint after tick {tick}"),
        None => "no checkpoint is of use: beginning anew".to_owned(),
    });
    let talk = recorded_talk(&keeper, &options.going, live.now())?;
    run.finish(live, Some(keeper), talk, steps)
}

/// Takes another way from a tick on.
pub(super) fn fork(options: &Fork, env: &Env<'_>) -> Result<(), Failure> {
    let parent = Folder::read(&options.dir)?;
    let model = env.model(Some(&parent.model))?;
    let steps = options.steps.unwrap_or(parent.steps);
    if steps <= options.at {
        let what = format!(
            "a fork at tick {} has no tick left before {steps}",
            options.at
        );
        return Err(Refusal::new(Code::Malformed, what)
            .hint("say with `--steps` where it should go")
            .into());
    }
    let set: BTreeMap<String, Json> = typed(model, &options.set, &parent)?;
    let same = |path: &Path| fs_err::canonicalize(path).ok();
    if same(&options.out).is_some_and(|out| Some(out) == same(&options.dir)) {
        let what = format!("`{}` cannot be forked into itself", options.dir.display());
        return Err(Refusal::new(Code::Conflict, what)
            .hint("name another folder")
            .into());
    }
    // First the folder, so that nothing is run that cannot be kept.
    let out = Folder::create(&options.out, "run", options.force)?;
    let run = Running::going(env, &options.going)?;
    let name = format!("{} seed {}", parent.model, parent.seed);
    let bar = bar::Bar::new(&env.printer, format!("{name}, to the fork"), options.at);
    let forked = folder::fork(
        &options.dir,
        &parent,
        model,
        options.at,
        set,
        &run.crew,
        |live| {
            let count = live.agent_steps();
            bar.at(live.now(), |seconds| {
                bar::rate(count, seconds, "agent-steps")
            });
            !run.stop.is_given()
        },
    )?;
    drop(bar);
    let Some(mut start) = forked.start else {
        return Err(Refusal::new(Code::Cancelled, "interrupted before the fork")
            .hint("nothing was kept")
            .into());
    };
    if !forked.answers.is_empty() {
        fs_err::write(options.out.join("answers.jsonl"), &forked.answers)
            .map_err(|error| io(&error))?;
    }
    let record = Record {
        steps,
        versions: versions(),
        command: command(),
        ..forked.record
    };
    env.printer.note(&match forked.from {
        Some(tick) if tick == options.at => format!("from the checkpoint after tick {tick}"),
        Some(tick) => format!(
            "from the checkpoint after tick {tick}, run to tick {}",
            options.at
        ),
        None => format!("run from the beginning to tick {}", options.at),
    });
    let keeper = Keeper::begin(out, record, model, &mut start)?;
    let talk = recorded_talk(&keeper, &options.going, options.at)?;
    run.finish(start.live, Some(keeper), talk, steps)
}

/// The values as the model has them: checked, and with their types.
fn typed(
    model: &ModelInfo,
    set: &[(String, crate::params::Value)],
    parent: &Record,
) -> Result<BTreeMap<String, Json>, Failure> {
    let mut setting = parent.setting();
    setting.set.extend(set.iter().cloned());
    let values = model.resolve(&setting)?;
    let before = model.resolve(&parent.setting())?;
    let infos = model.params();
    let changed = infos.iter().zip(before.iter().zip(&values));
    for (info, (before, now)) in changed {
        if info.fixed && before != now {
            return Err(RunError::from(ParamError::Fixed { name: info.name }).into());
        }
    }
    let named = infos.iter().zip(&values);
    let asked = named.filter(|(info, _)| set.iter().any(|(name, _)| name == info.name));
    Ok(asked
        .map(|(info, value)| (info.name.to_owned(), value.into()))
        .collect())
}

/// Runs a run or a sweep again and compares.
pub(super) fn verify(options: &Verify, env: &Env<'_>) -> Result<(), Failure> {
    let path = &options.dir;
    if !path.join("run.json").exists() && path.join("sweep.json").exists() {
        return sweep::verify(options, env);
    }
    let record = Folder::read(path)?;
    let model = env.model(Some(&record.model))?;
    let run = Running::new(env, Some(threads(options.threads)))?;
    let bar = bar::Bar::new(
        &env.printer,
        format!("{} seed {}", record.model, record.seed),
        record.done,
    );
    let verdict = folder::verify(path, &record, model, &run.crew, |live| {
        let count = live.agent_steps();
        bar.at(live.now(), |seconds| {
            bar::rate(count, seconds, "agent-steps")
        });
        !run.stop.is_given()
    })?;
    drop(bar);
    say(verdict, path, env)
}

/// Says what came of a comparison.
pub(super) fn say(verdict: Verdict, path: &Path, env: &Env<'_>) -> Result<(), Failure> {
    let printer = &env.printer;
    match verdict {
        Verdict::Interrupted => Err(Refusal::new(Code::Cancelled, "interrupted before the end")
            .hint("what was compared so far is the same")
            .into()),
        Verdict::Same { rows, digest } => {
            if printer.is_json() {
                return printer.json(&json!({ "verified": true, "rows": rows, "digest": digest }));
            }
            printer.screen(&format!("= recorded: {rows} rows, digest {digest}"))
        }
        Verdict::Different(Difference {
            step,
            series,
            recorded,
            recomputed,
        }) => {
            if printer.is_json() {
                let difference = json!({
                    "step": step, "series": series, "recorded": recorded, "recomputed": recomputed,
                });
                printer.json(&json!({ "verified": false, "difference": difference }))?;
                return Err(Failure::Said);
            }
            let what = format!(
                "`{}` differs after tick {step} in {series}: recorded {recorded}, recomputed {recomputed}",
                path.display()
            );
            let hint = "it was changed after the run, or run by another version of the program";
            Err(Refusal::new(Code::Conflict, what).hint(hint).into())
        }
    }
}
