//! `run`: a world from its beginning to its end.

use std::collections::BTreeMap;

use genesis::refusal::{Code, Refusal};
use serde::Serialize;
use serde_json::Value as Json;

use super::args::{Cohorts, Run, Start};
use super::bar::{self, Bar};
use super::refused::io;
use super::stop::Stop;
use super::stopwatch::Stopwatch;
use super::{Env, Failure};
use crate::crew::Crew;
use crate::drive::{Course, Ended, drive};
use crate::live::Live;
use crate::model::{ModelInfo, Setting};
use crate::params::Value;
use crate::store::Hosting;

/// Runs a model.
pub(super) fn run(options: &Run, env: &Env<'_>) -> Result<(), Failure> {
    let model = env.model(options.model.as_deref())?;
    let setting = setting(options)?;
    let steps = options.start.steps.unwrap_or(model.steps);
    // Wrong parameters are said before anything is built.
    model.resolve(&setting)?;
    let crew = crew(options.threads)?;
    let stop = Stop::on_signals()?;
    let watch = Stopwatch::start();
    let mut live = model.begin(&setting)?;
    let bar = Bar::new(
        &env.printer,
        format!("{} seed {}", model.name, setting.seed),
        steps,
    );
    let course = Course {
        steps,
        acts: &[],
        crew: &crew,
    };
    let ended = drive(live.as_mut(), &course, |live| {
        let count = live.agent_steps();
        bar.at(live.now(), |seconds| {
            bar::rate(count, seconds, "agent-steps")
        });
        Ok::<_, Failure>(!stop.is_given())
    })?;
    drop(bar);
    let summary = Summary::of(live.as_mut(), ended, crew.threads(), watch.seconds());
    if ended == Ended::Interrupted {
        let what = format!("interrupted after tick {} of {steps}", summary.steps);
        return Err(Refusal::new(Code::Cancelled, what)
            .hint("with `--out DIR` a run keeps what it has done")
            .into());
    }
    summary.print(env)
}

/// With what a world begins.
fn setting(options: &Run) -> Result<Setting, Failure> {
    let mut set = file(&options.start)?;
    set.extend(options.set.iter().cloned());
    Ok(Setting {
        preset: options.start.preset.clone(),
        agents: options.start.agents,
        set,
        seed: options.seed,
        hosting: match options.cohorts {
            Cohorts::On => Hosting::Cohorts,
            Cohorts::Off => Hosting::Alone,
        },
    })
}

/// The parameters of the file that was named, if one was.
pub(super) fn file(options: &Start) -> Result<Vec<(String, Value)>, Failure> {
    let Some(path) = &options.params else {
        return Ok(Vec::new());
    };
    let text = fs_err::read_to_string(path).map_err(|error| io(&error))?;
    let values: BTreeMap<String, Json> = serde_json::from_str(&text).map_err(|error| {
        let what = format!("`{}` holds no parameters: {error}", path.display());
        Refusal::new(Code::Malformed, what)
            .hint("one JSON object, as {\"vision\": 12.5, \"birds\": 1000}")
    })?;
    let values = values
        .iter()
        .map(|(name, value)| (name.clone(), Value::from_json(value)));
    Ok(values.collect())
}

/// So many threads; as many as there are cores if nobody says how many.
pub(super) fn crew(threads: Option<usize>) -> Result<Crew, Failure> {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let crew = Crew::of(threads.unwrap_or_else(cores)).map_err(|error| {
        Refusal::new(Code::Io, format!("cannot start threads: {error}"))
            .hint("ask for fewer with `--threads`")
    })?;
    Ok(crew)
}

/// The values of parameters by name.
pub(super) fn params(model: &ModelInfo, values: &[Value]) -> BTreeMap<String, Json> {
    let infos = model.params();
    let named = infos.iter().zip(values);
    named
        .map(|(info, value)| (info.name.to_owned(), value.into()))
        .collect()
}

/// What came of a run.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) model: String,
    pub(super) seed: u64,
    /// How many ticks are over.
    pub(super) steps: u64,
    pub(super) ended: Ended,
    pub(super) threads: usize,
    pub(super) agents: u64,
    pub(super) agent_steps: u64,
    pub(super) seconds: f64,
    pub(super) digest: String,
    pub(super) state_digest: String,
    /// What is collected, after the last tick.
    pub(super) last: BTreeMap<String, Json>,
    pub(super) params: BTreeMap<String, Json>,
}

impl Summary {
    pub(super) fn of(live: &mut dyn Live, ended: Ended, threads: usize, seconds: f64) -> Self {
        let model = live.model();
        let last = live.observe();
        Self {
            model: model.name.to_owned(),
            seed: live.seed(),
            steps: live.now(),
            ended,
            threads,
            agents: live.agents(),
            agent_steps: live.agent_steps(),
            seconds,
            digest: live.digest().to_string(),
            state_digest: live.state_digest().to_string(),
            last: last
                .values()
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.into()))
                .collect(),
            params: params(&model, &live.params()),
        }
    }

    pub(super) fn print(&self, env: &Env<'_>) -> Result<(), Failure> {
        if env.printer.is_json() {
            return env.printer.json(self);
        }
        let field = |label: &str, value: String| (label.to_owned(), value);
        let over = if self.ended == Ended::Over {
            ", and nothing can happen any more"
        } else {
            ""
        };
        let rate = bar::rate(self.agent_steps, self.seconds, "agent-steps");
        let mut fields = vec![
            field("model", format!("{}, seed {}", self.model, self.seed)),
            field("steps", format!("{}{over}", self.steps)),
            field("agents", self.agents.to_string()),
            field(
                "time",
                format!("{:.2} s on {} threads, {rate}", self.seconds, self.threads),
            ),
        ];
        fields.extend(
            self.last
                .iter()
                .map(|(name, value)| field(name, value.to_string())),
        );
        fields.push(field("digest", self.digest.clone()));
        env.printer.fields(&fields)
    }
}
