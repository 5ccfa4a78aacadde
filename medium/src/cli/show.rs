//! What `show` takes.

use clap::Args;

/// `show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// A VC (id, name or path), a message (msg:…), or who lives in a world: WORLD/COHORT or WORLD/COHORT/ID
    pub(crate) what: String,
    /// Of a cohort, only those after this address
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<String>,
    /// Of a cohort, so many at the most
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) limit: Option<usize>,
}
