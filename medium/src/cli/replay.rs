//! What `replay` takes.

use clap::Args;

use super::part::PartAbout;

/// `replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Whom: an id, a name, or a path into a body
    #[arg(required_unless_present = "all")]
    pub(crate) vc: Option<String>,
    /// Every VC that keeps a journal; of a data folder where no node runs, too
    #[arg(long, conflicts_with_all = ["vc", "with"])]
    pub(crate) all: bool,
    /// Compare with what another part would do: one that comes with the medium, a native behaviour, or a file
    #[arg(long, value_name = "PART")]
    pub(crate) with: Option<String>,
    /// In the place of which part: its number in `medium show` [default: that of the same name or role]
    #[arg(long, value_name = "N", requires = "with")]
    pub(crate) occurrence: Option<u64>,
    /// What the part would be called inside the body
    #[arg(long, requires = "with")]
    pub(crate) role: Option<String>,
    /// What the part begins with, and how it is read.
    #[command(flatten)]
    pub(crate) about: PartAbout,
}
