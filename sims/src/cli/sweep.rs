//! `sweep`: every combination of some values, for some seeds.

use std::collections::BTreeMap;

use genesis::refusal::{Code, Refusal};
use serde_json::json;

use super::again::say;
use super::args::{Sweep as Options, Verify};
use super::bar::{self, Bar};
use super::run::{base, command, threads, versions};
use super::stop::Stop;
use super::stopwatch::Stopwatch;
use super::{Env, Failure};
use crate::folder::{SCHEMA, Status};
use crate::sweep::{self, Plan, Sweep, SweepRecord};

/// How many failed runs are named.
const NAMED_MAX: usize = 5;

/// Runs every combination.
pub(super) fn sweep(options: &Options, env: &Env<'_>) -> Result<(), Failure> {
    let printer = &env.printer;
    let model = env.model(options.model.as_deref())?;
    let base = base(&options.start)?;
    let steps = options.start.steps.unwrap_or(model.steps);
    for (at, axis) in options.set.iter().enumerate() {
        if options.set[..at]
            .iter()
            .any(|other| other.name == axis.name)
        {
            let what = format!("`{}` has values twice", axis.name);
            return Err(Refusal::new(Code::Malformed, what)
                .hint("put them into one list")
                .into());
        }
    }
    let runs = options
        .set
        .iter()
        .map(|axis| axis.values.len())
        .try_fold(options.seeds.0.len(), usize::checked_mul);
    if runs.is_none_or(|runs| runs > sweep::RUNS_MAX) {
        let what = format!("these are more than {} runs", sweep::RUNS_MAX);
        return Err(Refusal::new(Code::TooLarge, what)
            .hint("make several sweeps of them")
            .into());
    }
    let mut plan = Plan::new(model, &base, &options.set, options.seeds.0.clone(), steps)?;
    plan.collect_every = options.collect_every;
    plan.format = options.format;
    let (runs, shape) = (plan.runs(), plan.shape());
    let record = SweepRecord {
        schema: SCHEMA,
        plan,
        status: Status::Running,
        runs: Vec::new(),
        failed: BTreeMap::new(),
        series: Vec::new(),
        parameters: Vec::new(),
        files: BTreeMap::new(),
        seconds: 0.0,
        versions: versions(),
        command: command(),
    };
    let threads = threads(options.threads);
    let sweep = Sweep::open(&options.out, record, options.force)?;
    let left = sweep.left();
    let before = if left == runs {
        String::new()
    } else {
        format!(", {} of them done before", runs - left)
    };
    printer.note(&format!(
        "{shape} = {runs} runs of {}, {steps} steps each, {threads} at a time{before}",
        model.name
    ));
    let stop = Stop::on_signals()?;
    let watch = Stopwatch::start();
    let bar = Bar::new(printer, format!("{} runs", model.name), runs as u64);
    let outcome = sweep.run(
        model,
        threads,
        || !stop.is_given(),
        |done| {
            bar.at(done as u64, |seconds| {
                bar::rate((done - (runs - left)) as u64, seconds, "runs")
            });
        },
        || watch.seconds(),
    )?;
    drop(bar);
    let record = &outcome.record;
    if outcome.interrupted {
        let what = format!("interrupted after {} of {runs} runs", record.runs.len());
        let hint = format!(
            "`{}` keeps them; the same command goes on",
            options.out.display()
        );
        return Err(Refusal::new(Code::Cancelled, what).hint(hint).into());
    }
    print(record, options, env, threads)?;
    if record.failed.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = record
        .failed
        .iter()
        .take(NAMED_MAX)
        .map(|(name, why)| format!("{name}: {why}"))
        .collect();
    let more = match record.failed.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let what = format!(
        "{} of {runs} runs failed: {}{more}",
        record.failed.len(),
        named.join("; ")
    );
    let hint = format!(
        "`{}` keeps the others; the same command runs those that failed again",
        options.out.display()
    );
    Err(Refusal::new(Code::Fault, what).hint(hint).into())
}

fn print(
    record: &SweepRecord,
    options: &Options,
    env: &Env<'_>,
    threads: usize,
) -> Result<(), Failure> {
    let plan = &record.plan;
    let table = record.files.iter().next();
    let path = table.map(|(name, _)| options.out.join(name).display().to_string());
    if env.printer.is_json() {
        return env.printer.json(&json!({
            "model": plan.model,
            "runs": plan.runs(),
            "done": record.runs.len(),
            "failed": record.failed,
            "axes": plan.axes.iter().map(|(name, values)| json!({ "name": name, "values": values })).collect::<Vec<_>>(),
            "seeds": plan.seeds,
            "steps": plan.steps,
            "threads": threads,
            "seconds": record.seconds,
            "digest": table.map(|(_, file)| &file.blake3),
            "table": path,
            "out": options.out.display().to_string(),
        }));
    }
    let field = |label: &str, value: String| (label.to_owned(), value);
    let agent_steps = record.runs.iter().map(|run| run.agent_steps).sum();
    let rate = bar::rate(agent_steps, record.seconds, "agent-steps");
    let mut fields = vec![
        field("model", plan.model.clone()),
        field("runs", format!("{} = {}", plan.shape(), plan.runs())),
        field(
            "time",
            format!("{:.2} s, {threads} at a time, {rate}", record.seconds),
        ),
    ];
    fields.extend(table.map(|(_, file)| field("digest", file.blake3.clone())));
    fields.extend(path.map(|path| field("table", path)));
    env.printer.fields(&fields)
}

/// Runs a sweep again and compares.
pub(super) fn verify(options: &Verify, env: &Env<'_>) -> Result<(), Failure> {
    let record = sweep::read(&options.dir)?;
    let model = env.model(Some(&record.plan.model))?;
    let stop = Stop::on_signals()?;
    let bar = Bar::new(
        &env.printer,
        format!("{} runs", record.plan.model),
        record.runs.len() as u64,
    );
    let verdict = sweep::verify(
        &options.dir,
        record,
        model,
        threads(options.threads),
        || !stop.is_given(),
        |done| {
            bar.at(done as u64, |seconds| {
                bar::rate(done as u64, seconds, "runs")
            });
        },
    )?;
    drop(bar);
    say(verdict, &options.dir, env)
}
