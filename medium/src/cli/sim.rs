//! What `sim` takes: the command line that every model's crate has, and what is done with worlds that a node holds.

use clap::{Args, Subcommand};
use sims::cli::args::Verb;

use super::WorldVerb;

/// Worlds: here, or in a node.
#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: SimVerb,
    /// Show no bar
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
}

/// What to do with worlds.
#[derive(Debug, Subcommand)]
pub(crate) enum SimVerb {
    /// What every model's crate can do.
    #[command(flatten)]
    Here(Verb),
    /// What is done with worlds that a node holds.
    #[command(flatten)]
    InNode(WorldVerb),
}
