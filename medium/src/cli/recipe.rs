//! What `recipe` takes.

use std::path::PathBuf;

use adapters::pods::PodName;
use clap::{Args, Subcommand};

use super::task::Permissions;
use crate::pods::plain_name;

/// `recipe`.
#[derive(Debug, Args)]
pub(crate) struct Recipe {
    /// What to do.
    #[command(subcommand)]
    pub(crate) kind: RecipeKind,
}

/// What can be done with recipes.
#[derive(Debug, Subcommand)]
pub(crate) enum RecipeKind {
    /// Write a folder with a recipe to begin with
    #[command(
        after_long_help = "On a terminal, and with no name, it asks.\n\nExamples:\n  medium recipe init\n  \
        medium recipe init count --exec 'sh [@]script/count.sh'\n  \
        medium recipe init both --pod ./first --pod ./second"
    )]
    Init(Init),
    /// Say everything that is wrong with a recipe and its directory; touch nothing
    #[command(
        after_long_help = "Exit code 1 if it cannot be run.\n\nExamples:\n  medium recipe lint\n  \
        medium recipe lint ./count --json\n  medium recipe lint --schema > recipe.schema.json"
    )]
    Lint {
        /// A directory with a `recipe.json`, or that file
        #[arg(default_value = ".")]
        directory: PathBuf,
        /// Print the JSON Schema of recipes instead
        #[arg(long)]
        schema: bool,
    },
    /// Run a pod: a directory where it is, a reference in a copy
    #[command(
        after_long_help = "A WASI module runs in the sandbox; a native command is confined by the operating system: it sees \
        its directory and the system's programs, and no network. What it prints is printed, and kept.\n\n\
        Examples:\n  medium recipe run ./count\n  medium recipe run 5f0c…9a\n  \
        medium recipe run ./hello --allow yagna"
    )]
    Run {
        /// A directory with a `recipe.json`, or a reference
        #[arg(default_value = ".")]
        what: String,
        /// What it is allowed.
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Make a pod of a recipe's directory; share it if the recipe is public
    #[command(
        after_long_help = "Secrets, what .mediumignore or .sovrignore names, and payloads that are fetched stay where they \
        are.\n\nExamples:\n  medium recipe persist ./count\n  medium recipe persist ./count --public"
    )]
    Persist {
        /// A directory with a `recipe.json`
        #[arg(default_value = ".")]
        directory: PathBuf,
        /// Say yes to sharing it: whoever is given the reference reads all of it
        #[arg(long, conflicts_with = "private")]
        public: bool,
        /// Do not share it, whatever its recipe says
        #[arg(long)]
        private: bool,
    },
    /// Make a pod of one's own from a reference, and bring it here if asked to
    #[command(
        after_long_help = "Examples:\n  medium recipe fork 5f0c…9a --name my-count\n  \
        medium recipe fork 5f0c…9a --to ./count"
    )]
    Fork {
        /// The reference
        reference: String,
        /// What to call it [default: as it is called there]
        #[arg(long, short, value_parser = plain_name)]
        name: Option<PodName>,
        /// Also bring it into this new directory
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Bring a pod into a directory: all of it or nothing
    #[command(
        after_long_help = "A pod as Sovr made them, with nothing but its recipe and an archive, is unpacked.\n\n\
        Examples:\n  medium recipe import count\n  medium recipe import count --to ./count --force"
    )]
    Import {
        /// The pod
        #[arg(value_parser = plain_name)]
        pod: PodName,
        /// Where to [default: its name, here]
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Replace the directory, with all that is in it
        #[arg(long, short)]
        force: bool,
    },
    /// List recipes, and the references they were shared by
    #[command(
        after_long_help = "Examples:\n  medium recipe ls\n  medium recipe ls --rebuild --json"
    )]
    Ls {
        /// Make the list anew from all pods of the wallet
        #[arg(long)]
        rebuild: bool,
    },
}

/// `recipe init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// What it is called, and its folder
    pub(crate) name: Option<String>,
    /// The command line of a pod; `[@]` stands for its directory
    #[arg(long, value_name = "LINE", conflicts_with = "pod")]
    pub(crate) exec: Option<String>,
    /// A pod of a task: a reference, or a directory as ./count (repeatable)
    #[arg(long, value_name = "POD")]
    pub(crate) pod: Vec<String>,
    /// What is fetched for it: an archive of a pod (repeatable)
    #[arg(long, value_name = "REF:/PATH", conflicts_with = "pod")]
    pub(crate) payload: Vec<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Who made it
    #[arg(long, value_name = "NAME")]
    pub(crate) author: Option<String>,
    /// Which version it is
    #[arg(long, default_value = "1.0")]
    pub(crate) version: String,
    /// It is shared when it is persisted
    #[arg(long)]
    pub(crate) public: bool,
}
