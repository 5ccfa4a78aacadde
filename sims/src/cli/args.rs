//! The command line of worlds, as types: every verb, flag and help text, and nothing that runs.

use std::path::PathBuf;

use clap::{Args, Command, Parser, Subcommand, ValueEnum};

use crate::params::Value;

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
            machine.\nCtrl-C ends the run after the tick that is under way.\n\nExamples:\n  \
            medium sim run flocking\n  \
            medium sim run flocking --agents 100000 --steps 100 --seed 42\n  \
            medium sim run wolfsheep --preset small --set lambs=0.3 --set cubs=0.05 --json"
    )]
    Run(Run),
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
    /// On so many threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Keep rows as columns, or each on its own: the digest is the same, the speed is not
    #[arg(long, value_name = "HOW", default_value = "on")]
    pub cohorts: Cohorts,
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
        for bad in ["vision", "=3"] {
            assert!(assignment(bad).is_err(), "{bad}");
        }
    }
}
