//! `run`: a world from its beginning to its end, and what every verb does that runs one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use genesis::refusal::{Code, Refusal};
use serde::Serialize;
use serde_json::Value as Json;

use super::args::{Cohorts, Going, Run, Start};
use super::bar::{self, Bar};
use super::refused::io;
use super::screen::Screen;
use super::stop::Stop;
use super::stopwatch::Stopwatch;
use super::{Env, Failure};
use crate::crew::Crew;
use crate::drive::{Course, Ended, drive};
use crate::folder::{self, Folder, FolderError, Keeper, Record, SCHEMA, Status};
use crate::live::Live;
use crate::model::{ModelInfo, Setting};
use crate::outside::{Program, Replay, Talk};
use crate::params::Value;
use crate::store::Hosting;

/// Runs a model.
pub(super) fn run(options: &Run, env: &Env<'_>) -> Result<(), Failure> {
    if options.node.name.is_some() {
        let what = "the models of this program are not known to a node";
        return Err(Refusal::new(Code::Malformed, what)
            .hint("leave out `--in-node`; `medium sim run` runs those that come with the medium in a node")
            .into());
    }
    let model = env.model(options.model.as_deref())?;
    let setting = setting(options)?;
    // Wrong parameters are said before anything is made.
    let values = model.resolve(&setting)?;
    let steps = options.start.steps.unwrap_or(model.steps);
    let run = Running::going(env, &options.going)?;
    let Some(out) = &options.keep.out else {
        let live = model.begin(&setting)?;
        let talk = talk(
            None,
            options.going.outside.as_deref(),
            options.going.patience,
            0,
        )?;
        return run.finish(live, None, talk, steps);
    };
    let folder = Folder::create(out, "run", options.keep.force)?;
    let record = Record {
        schema: SCHEMA,
        model: model.name.to_owned(),
        rule: model.rule.to_owned(),
        params: params(model, &values),
        seed: setting.seed,
        steps,
        done: 0,
        status: Status::Running,
        why: None,
        cohorts: setting.hosting == Hosting::Cohorts,
        threads: run.crew.threads(),
        format: options.keep.format,
        collect_every: options.keep.collect_every,
        agents_every: options.keep.agents_every,
        checkpoint_every: options.keep.checkpoint_every,
        acts: Vec::new(),
        outside: options.going.outside.clone(),
        patience: options.going.patience,
        fork: None,
        agents: 0,
        agent_steps: 0,
        digest: None,
        state_digest: None,
        parameters: Vec::new(),
        series: Vec::new(),
        last: BTreeMap::new(),
        files: BTreeMap::new(),
        seconds: 0.0,
        versions: versions(),
        command: command(),
    };
    let live = model.begin(&setting)?;
    let mut start = folder::Start {
        live,
        rows: Vec::new(),
    };
    let keeper = Keeper::begin(folder, record, model, &mut start)?;
    let talk = recorded_talk(&keeper, &options.going, 0)?;
    run.finish(start.live, Some(keeper), talk, steps)
}

/// With what a world begins.
///
/// # Errors
/// [`Failure`] if the file of parameters cannot be read.
pub fn setting(options: &Run) -> Result<Setting, Failure> {
    let mut setting = base(&options.start)?;
    setting.set.extend(options.set.iter().cloned());
    setting.seed = options.seed;
    setting.hosting = match options.cohorts {
        Cohorts::On => Hosting::Cohorts,
        Cohorts::Off => Hosting::Alone,
    };
    Ok(setting)
}

/// Preset, number of agents, and the parameters of the file that was named.
pub(super) fn base(options: &Start) -> Result<Setting, Failure> {
    let mut set = Vec::new();
    if let Some(path) = &options.params {
        let text = fs_err::read_to_string(path).map_err(|error| io(&error))?;
        let values: BTreeMap<String, Json> = serde_json::from_str(&text).map_err(|error| {
            let what = format!("`{}` holds no parameters: {error}", path.display());
            let hint = "one JSON object, as {\"vision\": 12.5, \"birds\": 1000}";
            Refusal::new(Code::Malformed, what).hint(hint)
        })?;
        set.extend(
            values
                .iter()
                .map(|(name, value)| (name.clone(), Value::from_json(value))),
        );
    }
    Ok(Setting {
        preset: options.preset.clone(),
        agents: options.agents,
        set,
        ..Setting::default()
    })
}

/// As many as there are cores if nobody says how many.
pub(super) fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

/// The values of parameters by name.
pub(super) fn params(model: &ModelInfo, values: &[Value]) -> BTreeMap<String, Json> {
    let infos = model.params();
    let named = infos.iter().zip(values);
    named
        .map(|(info, value)| (info.name.to_owned(), value.into()))
        .collect()
}

/// Versions of what runs.
pub(super) fn versions() -> BTreeMap<String, String> {
    BTreeMap::from([("sims".to_owned(), env!("CARGO_PKG_VERSION").to_owned())])
}

/// The command that was given.
pub(super) fn command() -> Vec<String> {
    std::env::args_os()
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect()
}

/// Something that runs: its threads, its watch, and whether somebody wants it to stop.
#[derive(Debug)]
pub(super) struct Running<'a> {
    pub(super) env: &'a Env<'a>,
    pub(super) crew: Crew,
    pub(super) stop: Stop,
    pub(super) watch: Stopwatch,
    /// Whether the world is shown while it runs.
    pub(super) view: bool,
}

impl<'a> Running<'a> {
    /// As the flags say.
    pub(super) fn going(env: &'a Env<'a>, going: &Going) -> Result<Self, Failure> {
        let view = going.view;
        Ok(Self {
            view,
            ..Self::new(env, going.threads)?
        })
    }

    pub(super) fn new(env: &'a Env<'a>, asked: Option<usize>) -> Result<Self, Failure> {
        let crew = Crew::of(threads(asked)).map_err(|error| {
            Refusal::new(Code::Io, format!("cannot start threads: {error}"))
                .hint("ask for fewer with `--threads`")
        })?;
        let crew = match &env.engine {
            Some(engine) => crew.with_engine(Arc::clone(engine)),
            None => crew,
        };
        Ok(Self {
            env,
            crew,
            stop: Stop::on_signals()?,
            watch: Stopwatch::start(),
            view: false,
        })
    }

    /// A bar for a world that goes to this tick.
    pub(super) fn bar(&self, live: &dyn Live, steps: u64) -> Bar {
        Bar::new(
            &self.env.printer,
            format!("{} seed {}", live.model().name, live.seed()),
            steps,
        )
    }

    /// Runs a world to this tick, keeps what is to be kept, and says what came of it.
    pub(super) fn finish(
        self,
        mut live: Box<dyn Live>,
        mut keeper: Option<Keeper>,
        mut talk: Option<Talk>,
        steps: u64,
    ) -> Result<(), Failure> {
        let mut screen = if self.view {
            Screen::on(&self.env.printer)
        } else {
            None
        };
        // A view says itself how far it is.
        let bar = screen.is_none().then(|| self.bar(live.as_ref(), steps));
        let head = |live: &dyn Live, seconds: f64, before: u64| {
            let rate = bar::rate(live.agent_steps() - before, seconds, "agent-steps");
            let (model, seed, now) = (live.model().name, live.seed(), live.now());
            format!("{model}, seed {seed}: tick {now} of {steps}, {rate}")
        };
        let acts = keeper
            .as_ref()
            .map_or_else(Vec::new, |keeper| keeper.record().acts.clone());
        let course = Course {
            steps,
            acts: &acts,
            crew: &self.crew,
        };
        let before = live.agent_steps();
        let went = drive(live.as_mut(), &course, &mut talk, |live| {
            if let Some(keeper) = &mut keeper {
                keeper.see(live)?;
            }
            if let Some(screen) = &mut screen {
                let text = head(live, self.watch.seconds(), before);
                screen.see(live, &text);
            }
            if let Some(bar) = &bar {
                let count = live.agent_steps() - before;
                bar.at(live.now(), |seconds| {
                    bar::rate(count, seconds, "agent-steps")
                });
            }
            Ok::<_, FolderError>(!self.stop.is_given())
        });
        drop(bar);
        if let (Some(mut screen), Ok(_)) = (screen, &went) {
            let text = head(live.as_ref(), self.watch.seconds(), before);
            screen.draw(live.as_mut(), &text);
        }
        // Whoever answers has no more to do, and what was answered is in its file.
        drop(talk);
        let (threads, seconds) = (self.crew.threads(), self.watch.seconds());
        let ended = match went {
            Ok(ended) => ended,
            Err(error) => return Err(failed(error, keeper)),
        };
        let (summary, kept) = match keeper {
            Some(keeper) => {
                let path = keeper.path().to_owned();
                let record = keeper.end(live.as_mut(), ended, threads, seconds)?;
                (Summary::recorded(&record, &path, ended), Some(path))
            }
            None => (Summary::of(live.as_mut(), ended, threads, seconds), None),
        };
        if ended == Ended::Interrupted {
            return Err(self.interrupted(summary.steps, steps, kept.as_deref()));
        }
        summary.print(self.env)
    }

    fn interrupted(&self, done: u64, steps: u64, kept: Option<&Path>) -> Failure {
        let what = format!("interrupted after tick {done} of {steps}");
        let hint = match kept {
            Some(path) => {
                let (path, program) = (path.display(), self.env.program);
                format!("`{path}` keeps what was done; `{program} resume {path}` goes on")
            }
            None => "with `--out DIR` a run keeps what was done, and can go on".to_owned(),
        };
        Refusal::new(Code::Cancelled, what).hint(hint).into()
    }
}

/// The talk of a world with whoever was named, recorded in a folder if there is one.
fn talk(
    folder: Option<&Path>,
    command: Option<&str>,
    patience: Option<f64>,
    now: u64,
) -> Result<Option<Talk>, FolderError> {
    let mut talk = match (folder, command) {
        (Some(folder), command) => Folder::talk(folder, command, now)?,
        (None, Some(command)) => {
            let program = Box::new(Program::shell(command)?);
            Some(Talk::with(program, None, Replay::default()))
        }
        (None, None) => None,
    };
    if let (Some(talk), Some(seconds)) = (&mut talk, patience) {
        talk.wait(Duration::from_secs_f64(seconds));
    }
    Ok(talk)
}

/// The talk of a world whose folder is kept: with whoever is named now, or was named when it began.
pub(super) fn recorded_talk(
    keeper: &Keeper,
    going: &Going,
    now: u64,
) -> Result<Option<Talk>, FolderError> {
    let record = keeper.record();
    let command = going.outside.as_deref().or(record.outside.as_deref());
    talk(
        Some(keeper.path()),
        command,
        going.patience.or(record.patience),
        now,
    )
}

/// The world, or its folder, failed: what was before is kept.
fn failed(error: FolderError, keeper: Option<Keeper>) -> Failure {
    if let (FolderError::Run(_) | FolderError::Outside(_), Some(keeper)) = (&error, keeper) {
        // If even that fails, what went wrong first is what is said.
        let _ = keeper.fail(&error.to_string());
    }
    error.into()
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
    /// As they were at first.
    pub(super) params: BTreeMap<String, Json>,
    /// Where it is kept.
    pub(super) out: Option<String>,
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
            out: None,
        }
    }

    pub(super) fn recorded(record: &Record, path: &Path, ended: Ended) -> Self {
        Self {
            model: record.model.clone(),
            seed: record.seed,
            steps: record.done,
            ended,
            threads: record.threads,
            agents: record.agents,
            agent_steps: record.agent_steps,
            seconds: record.seconds,
            digest: record.digest.clone().unwrap_or_default(),
            state_digest: record.state_digest.clone().unwrap_or_default(),
            last: record.last.clone(),
            params: record.params.clone(),
            out: Some(path.display().to_string()),
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
        let threads = if self.threads == 1 {
            "thread"
        } else {
            "threads"
        };
        let mut fields = vec![
            field("model", format!("{}, seed {}", self.model, self.seed)),
            field("steps", format!("{}{over}", self.steps)),
            field("agents", self.agents.to_string()),
            field(
                "time",
                format!(
                    "{:.2} s on {} {threads}, {rate}",
                    self.seconds, self.threads
                ),
            ),
        ];
        fields.extend(
            self.last
                .iter()
                .map(|(name, value)| field(name, value.to_string())),
        );
        fields.push(field("digest", self.digest.clone()));
        fields.extend(self.out.iter().map(|out| field("kept in", out.clone())));
        env.printer.fields(&fields)
    }
}
