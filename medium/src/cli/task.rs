//! What `task` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `task`.
#[derive(Debug, Args)]
pub(crate) struct Task {
    /// What to do.
    #[command(subcommand)]
    pub(crate) kind: TaskKind,
}

/// What can be done with tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskKind {
    /// Say what would happen: steps, fetches, sizes, command lines, bounds; touch nothing
    #[command(
        after_long_help = "Examples:\n  medium task plan ./both\n  medium task plan ./both --json"
    )]
    Plan {
        /// A directory with a `recipe.json` of a task, or of a pod
        #[arg(default_value = ".")]
        directory: PathBuf,
        /// What it is allowed.
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Run a task: every step in a fresh copy of its pod, those that can beside one another
    #[command(
        after_long_help = "A step that fails stops those that need it, and no others. Results that are known already are not \
        made again. Ctrl-C keeps what has ended, and `task resume` goes on.\n\n\
        Examples:\n  medium task run ./both\n  medium task run ./both --workers 4 --fresh"
    )]
    Run {
        /// A directory with a `recipe.json` of a task
        #[arg(default_value = ".")]
        directory: PathBuf,
        /// How many steps at a time; 0 for one per core
        #[arg(long, short, value_name = "N", default_value_t = 0)]
        workers: usize,
        /// Run steps whose result is known already as well
        #[arg(long)]
        fresh: bool,
        /// What it is allowed.
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Go on with a run that was stopped, was killed or failed
    #[command(
        after_long_help = "What succeeded is not run again. References lead where they led when the run began.\n\n\
        Examples:\n  medium task resume both-1\n  medium task resume ./runs/both-1"
    )]
    Resume {
        /// The run: its name, as `task run` says it, or its folder
        run: PathBuf,
        /// How many steps at a time; 0 for one per core
        #[arg(long, short, value_name = "N", default_value_t = 0)]
        workers: usize,
        /// What it is allowed.
        #[command(flatten)]
        permissions: Permissions,
    },
}

/// What jobs are allowed beyond their directories.
#[derive(Clone, Debug, Args)]
pub(crate) struct Permissions {
    /// Allow something beyond its directory (repeatable)
    #[arg(
        long,
        value_name = "WHAT",
        long_help = "Allow something beyond its directory (repeatable). yagna: the daemon at YAGNA_API_URL \
            [default: http://127.0.0.1:7465] with the key in YAGNA_APPKEY, and nothing else of the network"
    )]
    pub(crate) allow: Vec<Allow>,
    /// Run native commands with everything that you may do
    #[arg(long)]
    pub(crate) trust_native: bool,
}

/// What can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Allow {
    /// A yagna daemon: its address, and its key
    Yagna,
}
