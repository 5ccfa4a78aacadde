//! `new`, and `console`: the verbs for those who write VCs, and for those who play with one.

use clap::{Args, Subcommand, ValueEnum};

use super::at_least_one;

/// `console`.
#[derive(Debug, Args)]
pub(crate) struct Console {
    /// Whom: an id, a name, or a path into a body
    pub(crate) vc: String,
    /// End after so many frames
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) frames: Option<usize>,
    /// Print only the last frame, as text; needs no terminal
    #[arg(long, requires = "frames")]
    pub(crate) plain: bool,
}

/// `new`.
#[derive(Debug, Args)]
pub(crate) struct New {
    /// What to begin
    #[command(subcommand)]
    pub(crate) kind: NewKind,
}

/// What `new` can begin.
#[derive(Debug, Subcommand)]
pub(crate) enum NewKind {
    /// A part of sandboxed code, with its test
    Part {
        /// What it is called, and its folder: words of a-z 0-9 with `-` between
        name: String,
        /// In which language
        #[arg(long, default_value = "wat")]
        lang: PartLanguage,
    },
    /// A VC that answers messages
    Agent {
        /// What it is called, and its folder: words of a-z 0-9 with `-` between
        name: String,
        /// In which language
        #[arg(long, default_value = "lisp")]
        lang: AgentLanguage,
    },
    /// A crate with a model of a world; needs cargo
    #[command(
        after_long_help = "It brings the engine along, so it builds anywhere.\n\nExamples:\n  \
        medium new sim rumour && medium sim run ./rumour --seed 42"
    )]
    Sim {
        /// What it is called, and its folder: words of a-z 0-9 with `-` between
        name: String,
    },
}

/// Languages of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PartLanguage {
    /// WebAssembly's text format; needs no tools
    Wat,
    /// Rust; needs cargo and the target wasm32v1-none
    Rust,
}

/// Languages of agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AgentLanguage {
    /// The Lisp that comes with the medium; needs no tools
    Lisp,
    /// A program outside; needs Python 3 and nothing else
    Python,
    /// A program outside; needs Node and nothing else
    Js,
}
