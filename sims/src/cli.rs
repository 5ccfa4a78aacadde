//! The command line of worlds: the same for the models that come with the medium and for a crate that is a model.
//!
//! Read in this order: [`args`] (every verb and flag), [`run`] (what each does), [`main`] (a whole program of them),
//! [`printer`] (the only place that prints). Data goes to stdout, everything else to stderr; exit codes are 0 (done),
//! 1 (the user can fix it) and 2 (our fault).

mod again;
pub mod args;
mod bar;
mod ls;
mod plot;
pub mod printer;
pub(crate) mod refused;
mod run;
mod screen;
mod stop;
mod stopwatch;
mod sweep;

use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};
use genesis::refusal::{Code, Refusal};

pub use args::Options;
pub use printer::{Failure, Flags, Printer};
pub use run::setting;

use crate::code::Engine;
use crate::model::ModelInfo;
use crate::params::nearest;
use args::{Alone, Verb};

/// What a verb works with.
#[derive(Debug)]
pub struct Env<'a> {
    /// The models that it knows.
    pub models: &'a [ModelInfo],
    /// How the program is called in hints: `medium sim`.
    pub program: &'a str,
    /// Who can run behaviours from outside; none in a program that has no engine for them.
    pub engine: Option<Arc<dyn Engine>>,
    /// Where its output goes.
    pub printer: Printer,
}

impl Env<'_> {
    /// The model of this name; without a name the only one that there is.
    pub(crate) fn model(&self, name: Option<&str>) -> Result<&ModelInfo, Refusal> {
        let names = || self.models.iter().map(|model| model.name);
        let Some(name) = name else {
            return match self.models {
                [only] => Ok(only),
                _ => Err(Refusal::new(Code::Malformed, "no model was named")
                    .hint(format!("`{} ls` shows them", self.program))),
            };
        };
        let found = self.models.iter().find(|model| model.name == name);
        found.ok_or_else(|| {
            let hint = match nearest(name, names()) {
                Some(near) => format!("is it `{near}`?"),
                None => format!("`{} ls` shows which there are", self.program),
            };
            Refusal::new(Code::Unknown, format!("there is no model `{name}`"))
                .who(name)
                .hint(hint)
        })
    }
}

/// Does what a verb says.
///
/// # Errors
/// [`Failure`]: what is left to say, and with which exit code.
pub fn run(verb: &Verb, env: &Env<'_>) -> Result<(), Failure> {
    match verb {
        Verb::Ls(options) => ls::ls(options, env),
        Verb::Run(options) => run::run(options, env),
        Verb::Resume(options) => again::resume(options, env),
        Verb::Fork(options) => again::fork(options, env),
        Verb::Verify(options) => again::verify(options, env),
        Verb::Sweep(options) => sweep::sweep(options, env),
        Verb::Plot(options) => plot::plot(options, env),
    }
}

/// A program of its own for these models: what the `main` of a model's crate calls.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use sims::model::ModelInfo;
/// use sims::models::flocking::Flocking;
///
/// fn main() -> ExitCode {
///     sims::cli::main(&[ModelInfo::of::<Flocking>()])
/// }
/// ```
pub fn main(models: &[ModelInfo]) -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let file = arguments.first().map(std::path::Path::new);
    let file = file.and_then(|path| path.file_name()).unwrap_or_default();
    let program = file.to_string_lossy().into_owned();
    let given = |flag: &str| arguments.iter().skip(1).any(|argument| argument == flag);
    let command = args::called(Alone::command(), &program);
    let parsed = command.try_get_matches_from(&arguments);
    let alone = match parsed.and_then(|matches| Alone::from_arg_matches(&matches)) {
        Ok(alone) => alone,
        Err(error) => {
            let printer = Printer::new(Flags {
                json: given("--json"),
                no_color: given("--no-color"),
                ..Flags::default()
            });
            return ExitCode::from(misused(&printer, &error, &program));
        }
    };
    let Alone { flags, options } = alone;
    let printer = Printer::new(Flags {
        json: flags.json,
        quiet: flags.quiet,
        no_color: flags.no_color,
        no_progress: options.no_progress,
    });
    let env = Env {
        models,
        program: &program,
        engine: None,
        printer,
    };
    let outcome = run(&options.verb, &env);
    ExitCode::from(env.printer.finish(outcome))
}

/// Help and version, which were asked for, or a command line that makes no sense, which the user can fix.
fn misused(printer: &Printer, error: &clap::Error, program: &str) -> u8 {
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => printer.finish(printer.help(&text)),
        _ if printer.is_json() => {
            let text = text.to_string();
            let what = text.lines().next().unwrap_or_default();
            let what = what.strip_prefix("error: ").unwrap_or(what);
            let refusal = Refusal::new(Code::Malformed, what);
            printer.finish(Err(refusal
                .hint(format!("`{program} --help` shows the verbs"))
                .into()))
        }
        _ => {
            printer.usage(&text);
            printer::USER
        }
    }
}
