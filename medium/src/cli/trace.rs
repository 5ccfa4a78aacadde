//! What `trace` takes.

use clap::Args;

/// `trace`.
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// A message (msg:…), or a VC (id, name or path)
    pub(crate) what: String,
    /// Of a VC, so many of its last messages
    #[arg(long = "limit", short = 'k', value_name = "N", default_value_t = 10)]
    pub(crate) limit: usize,
}
