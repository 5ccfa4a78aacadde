//! What `persist` takes.

use clap::Args;

/// `persist`.
#[derive(Debug, Args)]
pub(crate) struct Persist {
    /// What: a VC by id or name, or a directory; one with a `recipe.json` is a recipe
    pub(crate) what: String,
    /// The pod's name; without it that of the VC, the recipe or the directory
    #[arg(long, value_name = "NAME")]
    pub(crate) pod: Option<String>,
    /// Make the pod readable for all: not encrypted
    #[arg(long)]
    pub(crate) public: bool,
    /// Share it as well: print a reference key on stderr, which follows later snapshots
    #[arg(long)]
    pub(crate) share: bool,
    /// Leave the VC to the pod: here it is gone until a message wakes it
    #[arg(long)]
    pub(crate) sleep: bool,
}
