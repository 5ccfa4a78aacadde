//! `sim`: worlds, by the command line that every model's crate has.

use anyhow::Result;
use sims::cli::{Env, Failure, Flags, Printer, run};
use sims::models::MODELS;

use super::Context;
use crate::cli::Sim;
use crate::printer::Closed;
use crate::report::Said;
use crate::sim::program;

/// How the verbs are called in hints.
const PROGRAM: &str = "medium sim";

/// Does what a verb of `sim` says.
pub(crate) fn sim(context: Context<'_>, options: &Sim) -> Result<()> {
    if let Some(folder) = program::folder(&options.verb) {
        let built = tokio::task::block_in_place(|| program::become_it(context, &folder));
        return built.map(|never| match never {}).map_err(Into::into);
    }
    let global = context.global;
    let env = Env {
        models: MODELS,
        program: PROGRAM,
        printer: Printer::new(Flags {
            json: global.json,
            quiet: global.quiet,
            no_color: global.no_color,
            no_progress: options.no_progress,
        }),
    };
    // A world runs on threads of its own, and waits for nothing that the executor has.
    match tokio::task::block_in_place(|| run(options, &env)) {
        Ok(()) => Ok(()),
        Err(Failure::Closed) => Err(Closed.into()),
        Err(Failure::Said) => Err(Said.into()),
        Err(Failure::Refused(refusal)) => Err((*refusal).into()),
    }
}
