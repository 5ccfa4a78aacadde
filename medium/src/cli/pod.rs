//! What `pod` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `pod`.
#[derive(Debug, Args)]
pub(crate) struct Pod {
    /// What to do.
    #[command(subcommand)]
    pub(crate) kind: PodKind,
}

/// What can be done with pods.
#[derive(Debug, Subcommand)]
pub(crate) enum PodKind {
    /// Print the Swarm reference of a file: what Bee would answer for it; nothing is stored
    Hash {
        /// The file; `-` is standard input
        file: PathBuf,
    },
}
