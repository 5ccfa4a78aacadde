//! `sim`, as far as it is about worlds that a node holds.

use std::path::PathBuf;

use clap::Subcommand;

/// What to do with worlds that a node holds.
#[derive(Debug, Subcommand)]
pub(crate) enum WorldVerb {
    /// List the worlds that the node holds
    #[command(after_long_help = "Examples:\n  medium sim worlds\n  medium sim worlds --json")]
    Worlds,
    /// Take so many ticks more, wait for them, and print the trace digest
    #[command(after_long_help = "Examples:\n  medium sim step flock\n  medium sim step flock 100")]
    Step {
        /// Which world
        world: String,
        /// How many ticks
        #[arg(default_value_t = 1)]
        ticks: u64,
    },
    /// Let a world rest after the tick that it is in
    #[command(after_long_help = "Examples:\n  medium sim pause flock")]
    Pause {
        /// Which world
        world: String,
    },
    /// Let a world go, until a tick or without end
    #[command(
        after_long_help = "Examples:\n  medium sim go flock --ticks-per-second 20\n  medium sim go flock --steps 1000"
    )]
    Go {
        /// Which world
        world: String,
        /// Until so many ticks are over [default: without end]
        #[arg(long, value_name = "N")]
        steps: Option<u64>,
        /// How many ticks there are in a second [default: as many as can be]
        #[arg(long, value_name = "R")]
        ticks_per_second: Option<f64>,
    },
    /// Give a parameter another value, from the next tick on
    #[command(after_long_help = "Examples:\n  medium sim set flock vision=5")]
    Set {
        /// Which world
        world: String,
        /// Which parameters, and their values
        #[arg(required = true, value_name = "NAME=VALUE", value_parser = assignment)]
        set: Vec<(String, String)>,
    },
    /// Take an agent out of its world; it is a VC of its own, whose id is printed
    #[command(
        after_long_help = "Examples:\n  medium sim take flock/birds/17 --name bird && medium send bird fields"
    )]
    Take {
        /// Which agent: WORLD/COHORT/ID
        agent: String,
        /// What the VC is called
        #[arg(long)]
        name: Option<String>,
    },
    /// Put an agent, a VC or the file of a frozen one, into a world and print its address there
    #[command(
        after_long_help = "Examples:\n  medium sim put flock bird\n  medium sim put other ./bird.image"
    )]
    Put {
        /// Which world
        world: String,
        /// The VC that the agent is, or a file that `medium freeze` wrote
        agent: String,
    },
    /// Compute a world again, with all that was done to it, and compare every digest that was recorded
    #[command(
        after_long_help = "Examples:\n  medium sim recompute flock\n  medium sim recompute --folder ./node/worlds/1"
    )]
    Recompute {
        /// Which world
        #[arg(required_unless_present = "folder", conflicts_with = "folder")]
        world: Option<String>,
        /// The folder of a world instead, which needs no node
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
    },
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}
