//! `sim`: worlds, by the command line that every model's crate has; and worlds that a node holds.

use std::sync::Arc;

use anyhow::Result;
use medium::rows::RowEngine;
use sims::cli::args::Verb;
use sims::cli::{Env, Failure, Flags, Printer, run};
use sims::models::MODELS;

use super::{Context, world};
use crate::cli::{Sim, SimVerb};
use crate::printer::Closed;
use crate::report::Said;
use crate::sim::{program, publish, verify};

/// How the verbs are called in hints.
const PROGRAM: &str = "medium sim";

/// Does what a verb of `sim` says.
pub(crate) async fn sim(context: Context<'_>, options: Sim) -> Result<()> {
    let verb = match options.verb {
        SimVerb::InNode(verb) => return world::world(context, verb).await,
        SimVerb::Publish(options) => return publish::publish(context, &options).await,
        SimVerb::Here(Verb::Verify(options)) if verify::is_published(&options.dir) => {
            let options = verify::Options {
                what: &options.dir,
                threads: options.threads,
                trust_native: options.trust_native,
            };
            return verify::verify(context, options).await;
        }
        SimVerb::Here(verb) => verb,
    };
    if let Verb::Run(options) = &verb
        && let Some(name) = &options.node.name
    {
        return world::begin(context, name, options).await;
    }
    if let Some(about) = program::about(&verb) {
        let built = tokio::task::block_in_place(|| program::become_it(context, &about));
        return built.map(|never| match never {}).map_err(Into::into);
    }
    let global = context.global;
    let env = Env {
        models: MODELS,
        program: PROGRAM,
        engine: Some(Arc::new(RowEngine)),
        printer: Printer::new(Flags {
            json: global.json,
            quiet: global.quiet,
            no_color: global.no_color,
            no_progress: options.no_progress,
        }),
    };
    // A world runs on threads of its own, and waits for nothing that the executor has.
    tokio::task::block_in_place(|| run(&verb, &env)).map_err(failed)
}

/// What the command line of worlds leaves to say.
pub(super) fn failed(failure: Failure) -> anyhow::Error {
    match failure {
        Failure::Closed => Closed.into(),
        Failure::Said => Said.into(),
        Failure::Refused(refusal) => (*refusal).into(),
    }
}
