//! The command line of worlds, as types: every verb, flag and help text, and nothing that runs.

use std::path::PathBuf;

use clap::{Args, Command, Parser, Subcommand, ValueEnum};

use crate::folder::Format;
use crate::params::Value;
use crate::sweep::Axis;

/// How the verbs are called in the examples below; a model's crate puts its own name in the place of it.
const CALLED: &str = "medium sim";

/// A program that is nothing but this command line.
#[derive(Debug, Parser)]
#[command(version, about = "A world of many agents", max_term_width = 100)]
pub(crate) struct Alone {
    /// What holds for every verb.
    #[command(flatten)]
    pub(crate) flags: Common,
    /// What to do.
    #[command(flatten)]
    pub(crate) options: Options,
}

/// What holds for every verb; the medium has these flags itself.
#[derive(Debug, Args)]
#[command(next_help_heading = "For every verb")]
pub(crate) struct Common {
    /// Print JSON on stdout, and errors as JSON on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print no notes, only data and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Print no colour (as does the variable `NO_COLOR`)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

/// What to do with worlds.
#[derive(Debug, Args)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Show no bar
    #[arg(long, global = true)]
    pub no_progress: bool,
}

/// What to do with worlds.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List models, or explain one: parameters, ranges, presets
    #[command(
        after_long_help = "Examples:\n  medium sim ls\n  medium sim ls flocking\n  medium sim ls --json"
    )]
    Ls(Ls),
    /// Run a model and print what came of it
    #[command(
        after_long_help = "The same model, parameters and seed give the same digest: for any number of threads, on any \
            machine.\nCtrl-C ends the run after the tick that is under way; with --out what was done is kept, and `resume` goes on.\n\nExamples:\n  \
            medium sim run flocking\n  \
            medium sim run flocking --agents 100000 --steps 100 --seed 42\n  \
            medium sim run flocking --agents 100000 --steps 100 --seed 42 --out run\n  \
            medium sim run wolfsheep --preset small --set lambs=0.3 --set cubs=0.05 --json"
    )]
    Run(Box<Run>),
    /// Go on with a run that was stopped or killed, or beyond its end
    #[command(
        after_long_help = "It goes on from the last checkpoint that is whole, or anew if there is none, and ends with the same \
            data and digests as a run that was never stopped.\n\nExamples:\n  medium sim resume run\n  \
            medium sim resume run --steps 200"
    )]
    Resume(Resume),
    /// Take another way from a tick of a run on, with other parameters
    #[command(
        after_long_help = "The world comes from the nearest checkpoint at or before the tick, and is run to the tick as the \
            other was. The other run stays as it is.\n\nExamples:\n  \
            medium sim fork run --at 50 --set vision=5 --out other"
    )]
    Fork(Fork),
    /// Run a run or a sweep again and compare every value and digest
    #[command(
        after_long_help = "Prints `= recorded`, or the first difference: tick, series, both values; then the exit code is \
            1.\n\nExamples:\n  medium sim verify run\n  medium sim verify run --json"
    )]
    Verify(Verify),
    /// Run every combination of some values, for some seeds, over all cores
    #[command(
        after_long_help = "VALUES are some values or ranges with commas between; a range is FROM..TO or FROM..TO:STEP, both \
            ends included.\nSays how many runs there are before it begins. Each has one thread; the table has them in order, \
            whichever ended first.\nThe same command goes on with a sweep that was stopped. A run that fails, or that has no \
            agents, is named and makes\nthe exit code 1; the others are kept.\n\nExamples:\n  \
            medium sim sweep flocking --set vision=5..15:5 --seeds 1..30 --out sweep\n  \
            medium sim sweep wolfsheep --set lambs=0.2,0.4 --set cubs=0.05..0.2:0.05 --seeds 1,2,3 --out sweep"
    )]
    Sweep(Box<Sweep>),
    /// Plot what a run or a sweep collected, as SVG or PNG
    #[command(
        after_long_help = "Of a sweep each combination of values is a line, with a band from the least to the greatest over \
            its seeds.\n\nExamples:\n  medium sim plot run\n  medium sim plot run --y sheep,wolves -o waves.png\n  \
            medium sim plot run/agents.parquet --x pos.x --y pos.y"
    )]
    Plot(Plot),
}

/// `ls`.
#[derive(Debug, Args)]
pub struct Ls {
    /// Which model; all of them, in a line each, without it
    pub model: Option<String>,
}

/// With what a world begins.
#[derive(Debug, Args)]
pub struct Start {
    /// Take the values of a preset
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// How many agents at first, at the density of the preset
    #[arg(
        long,
        value_name = "N",
        value_parser = count,
        long_help = "How many agents at first, at the density of the preset: the numbers of each kind keep their shares, \
            sides grow as the root. `ls MODEL` says which parameters that changes"
    )]
    pub agents: Option<u64>,
    /// Take parameters from a JSON file: one object of names and values
    #[arg(long, value_name = "FILE.json")]
    pub params: Option<PathBuf>,
    /// Run for so many ticks [default: the model's own]
    #[arg(long, value_name = "N", value_parser = count)]
    pub steps: Option<u64>,
}

/// On what it runs, and what is seen of it.
#[derive(Debug, Args)]
pub struct Going {
    /// On so many threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Show the world on the terminal while it runs
    #[arg(long)]
    pub view: bool,
    /// Start a program that answers the questions of agents: lines of JSON on its stdin and stdout
    #[arg(
        long,
        value_name = "COMMAND",
        long_help = "Start a program that answers the questions of agents. It reads lines like \
            {\"number\":256,\"cohort\":\"buyers\",\"id\":\"3\",\"question\":\"...\"} from its stdin and writes lines like \
            {\"number\":256,\"answer\":\"...\"} to its stdout. Whoever has asked sleeps, the world goes on. The folder of the run \
            keeps every answer, so that it is verified without the program"
    )]
    pub outside: Option<String>,
    /// Wait between two ticks until all questions are answered, or none came for so long
    #[arg(long, value_name = "SECONDS", value_parser = patience)]
    pub patience: Option<f64>,
}

/// What is kept of a run, and where.
#[derive(Debug, Args)]
pub struct Keep {
    /// Keep data and digests in a folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Put the run in the place of one that the folder holds
    #[arg(long, requires = "out")]
    pub force: bool,
    /// How tables are written
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "parquet",
        requires = "out"
    )]
    pub format: Format,
    /// Collect after each Nth tick
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = every, requires = "out")]
    pub collect_every: u64,
    /// Write down all agents after each Nth tick: agents.parquet, or agents.COHORT.parquet if there are several cohorts
    #[arg(long, value_name = "N", value_parser = every, requires = "out")]
    pub agents_every: Option<u64>,
    /// Write a checkpoint after each Nth tick, from which `resume` and `fork` go on
    #[arg(long, value_name = "N", value_parser = every, requires = "out")]
    pub checkpoint_every: Option<u64>,
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Which model; `ls` shows them
    pub model: Option<String>,
    /// With what it begins.
    #[command(flatten)]
    pub start: Start,
    /// Set a parameter; repeatable, and stronger than preset, agents and file
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub set: Vec<(String, Value)>,
    /// The seed of its randomness
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = count)]
    pub seed: u64,
    /// On what it runs.
    #[command(flatten)]
    pub going: Going,
    /// What is kept.
    #[command(flatten)]
    pub keep: Keep,
    /// Whether it runs in a node.
    #[command(flatten)]
    pub node: InNode,
    /// Keep rows as columns, or each on its own: the digest is the same, the speed is not
    #[arg(long, value_name = "HOW", default_value = "on")]
    pub cohorts: Cohorts,
}

/// `resume`.
#[derive(Debug, Args)]
pub struct Resume {
    /// The folder of the run
    pub dir: PathBuf,
    /// Go to this tick [default: where the run should go]
    #[arg(long, value_name = "N", value_parser = count)]
    pub steps: Option<u64>,
    /// On what it runs.
    #[command(flatten)]
    pub going: Going,
}

/// `fork`.
#[derive(Debug, Args)]
pub struct Fork {
    /// The folder of the run
    pub dir: PathBuf,
    /// After which tick the ways part
    #[arg(long, value_name = "TICK", value_parser = count)]
    pub at: u64,
    /// Give a parameter another value from there on; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment, required = true)]
    pub set: Vec<(String, Value)>,
    /// Go to this tick [default: where the other run should go]
    #[arg(long, value_name = "N", value_parser = count)]
    pub steps: Option<u64>,
    /// The folder of the new run
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Put the run in the place of one that the folder holds
    #[arg(long)]
    pub force: bool,
    /// On what it runs.
    #[command(flatten)]
    pub going: Going,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The folder of a run or a sweep; for `medium sim` also of what was published, or its reference
    pub dir: PathBuf,
    /// On so many threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Build and run a crate that was published with everything that you may do: for `medium sim` only
    #[arg(long, hide = true)]
    pub trust_native: bool,
}

/// `sweep`.
#[derive(Debug, Args)]
pub struct Sweep {
    /// Which model; `ls` shows them
    pub model: Option<String>,
    /// With what each run begins.
    #[command(flatten)]
    pub start: Start,
    /// The values of a parameter: a list, a range; repeatable
    #[arg(long, value_name = "NAME=VALUES", value_parser = Axis::parse)]
    pub set: Vec<Axis>,
    /// The seeds, each for every combination: a list, a range
    #[arg(long, value_name = "SEEDS", default_value = "1", value_parser = seeds)]
    pub seeds: Seeds,
    /// So many runs at a time [default: one per core]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// The folder of the sweep
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Put the sweep in the place of what the folder holds
    #[arg(long)]
    pub force: bool,
    /// How the table is written
    #[arg(long, value_name = "FORMAT", default_value = "parquet")]
    pub format: Format,
    /// Collect after each Nth tick
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = every)]
    pub collect_every: u64,
}

/// Seeds, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

/// `plot`.
#[derive(Debug, Args)]
pub struct Plot {
    /// The folder of a run or a sweep, or a table
    pub what: PathBuf,
    /// The column of the horizontal axis
    #[arg(long, value_name = "NAME", default_value = "step")]
    pub x: String,
    /// The columns that are drawn [default: what the model collects]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub y: Vec<String>,
    /// Powers of ten on this axis: x, y, or both with a comma between
    #[arg(long, value_name = "AXES", value_delimiter = ',')]
    pub log: Vec<LogAxis>,
    /// The file to write: .svg or .png [default: plot.svg in the folder, or beside the table]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// An axis of a plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogAxis {
    /// The horizontal one
    X,
    /// The vertical one
    Y,
}

/// A run in a node, which the medium's own command line begins.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "In a node")]
pub struct InNode {
    /// Run it in the node of the medium, as a VC of this name, and print its id
    #[arg(
        long = "in-node",
        id = "in_node",
        value_name = "NAME",
        long_help = "Run it in the node of the medium, as a VC of this name, and print its id. It goes on by itself and \
            survives the node; `show`, `send`, `freeze` and `fork` work on its agents, NAME/COHORT/ID"
    )]
    pub name: Option<String>,
    /// So many ticks in a second [default: as many as can be]
    #[arg(long, value_name = "R", requires = "in_node")]
    pub ticks_per_second: Option<f64>,
    /// Rest from the beginning, until `step` or `go`
    #[arg(long, requires = "in_node")]
    pub paused: bool,
}

/// How rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cohorts {
    /// As columns
    On,
    /// Each in memory of its own
    Off,
}

/// The command line with another name in its examples.
pub(crate) fn called(command: Command, program: &str) -> Command {
    let examples = command.get_after_long_help().map(ToString::to_string);
    let mut command = match examples {
        Some(examples) => command.after_long_help(examples.replace(CALLED, program)),
        None => command,
    };
    let verbs: Vec<_> = command
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    for verb in verbs {
        command = command.mut_subcommand(verb, |verb| called(verb, program));
    }
    command
}

/// A whole number, with `_` between digits where one likes.
fn count(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    digits
        .parse()
        .map_err(|_| format!("`{text}` is not a whole number from 0 to {}", u64::MAX))
}

/// After each so-many-th tick: the 0th would be none.
fn every(text: &str) -> Result<u64, String> {
    match count(text)? {
        0 => Err("at least 1 must be asked for".to_owned()),
        number => Ok(number),
    }
}

/// Seeds: `1..30`, `1,2,3`.
fn seeds(text: &str) -> Result<Seeds, String> {
    let axis = Axis::of("seeds", text).map_err(|error| error.to_string())?;
    let seeds: Result<_, _> = axis.values.iter().map(|value| count(value)).collect();
    seeds.map(Seeds)
}

/// How long one waits: at most a day.
fn patience(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds @ 0.0..=86_400.0) => Ok(seconds),
        _ => Err(format!(
            "`{text}` is not a number of seconds from 0 to 86400"
        )),
    }
}

/// How many threads: none at all would run nothing.
fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=1024) => Ok(number),
        _ => Err(format!(
            "`{text}` is not a number of threads from 1 to 1024"
        )),
    }
}

/// A parameter and its value: `vision=12.5`.
fn assignment(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok((name.trim().to_owned(), Value::Text(value.trim().to_owned())))
        }
        _ => Err(format!(
            "`{text}` is not of the form NAME=VALUE, as `vision=12.5` is"
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        Alone::command().debug_assert();
    }

    #[test]
    fn every_verb_has_an_example_under_the_name_of_the_program() {
        let command = called(Alone::command(), "./rabbits");
        for verb in command.get_subcommands() {
            let help = verb
                .get_after_long_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let example = format!("  ./rabbits {}", verb.get_name());
            assert!(help.contains(&example) && !help.contains(CALLED), "{help}");
        }
    }

    #[test]
    fn amounts_are_checked_at_the_boundary() {
        assert_eq!(count("1_000"), Ok(1_000));
        assert_eq!(
            assignment("vision = 1.5"),
            Ok(("vision".to_owned(), Value::Text("1.5".to_owned())))
        );
        for bad in ["", "-1", "1e3", "18446744073709551616"] {
            assert!(count(bad).is_err(), "{bad}");
        }
        for bad in ["0", "1025", "x"] {
            assert!(threads(bad).is_err(), "{bad}");
        }
        assert_eq!(seeds("1..3,7"), Ok(Seeds(vec![1, 2, 3, 7])));
        for bad in ["-1..1", "x", "1..2:0.5", ""] {
            assert!(seeds(bad).is_err(), "{bad}");
        }
        assert!(every("0").is_err());
        for bad in ["vision", "=3"] {
            assert!(assignment(bad).is_err(), "{bad}");
        }
    }
}
