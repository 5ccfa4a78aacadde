//! What `sim` takes: the command line that every model's crate has, what needs pods and cargo, and what is done with worlds
//! that a node holds.

use std::path::PathBuf;

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

/// What can be done with worlds.
#[derive(Debug, Subcommand)]
pub(crate) enum SimVerb {
    /// What every model's crate can do.
    #[command(flatten)]
    Here(Verb),
    /// What is done with worlds that a node holds.
    #[command(flatten)]
    InNode(WorldVerb),
    /// Make a pod of a run and of what computed it; print the reference by which it is verified
    #[command(
        after_long_help = "A crate is published with its lock file and its engine, so that it builds anywhere. Before that \
            the run is run\nagain: what does not come out the same is refused.\n\nExamples:\n  \
            medium sim publish run\n  medium sim publish rumour/runs/first --share\n  \
            medium sim verify \"$(medium sim publish run)\""
    )]
    Publish(Publish),
}

/// `sim publish`.
#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The folder of the run
    #[arg(value_name = "DIR")]
    pub(crate) run: PathBuf,
    /// The crate that computed it [default: the one that the run lies in, if its model is not built in]
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,
    /// The pod's name [default: model and digest]
    #[arg(long, value_name = "NAME")]
    pub(crate) pod: Option<String>,
    /// Make the pod readable for all: not encrypted
    #[arg(long)]
    pub(crate) public: bool,
    /// Share it as well: print a reference key on stderr, which follows later snapshots
    #[arg(long)]
    pub(crate) share: bool,
    /// Do not run it again before
    #[arg(long)]
    pub(crate) unchecked: bool,
}
