//! The flags that hold for every verb.

use std::path::PathBuf;

use clap::Args;

/// What holds for every verb.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "For every verb")]
pub(crate) struct Global {
    /// Print JSON on stdout, and errors as JSON on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print no notes, only data and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Print no colour (as does the variable `NO_COLOR`)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// The node's data folder [default: the platform's own]
    #[arg(
        long,
        short,
        global = true,
        value_name = "DIR",
        long_help = "The node's data folder; a running node leaves its address and token there, where \
            the verbs find them. Also: variable MEDIUM_DATA. Without either: $XDG_DATA_HOME/medium, or \
            ~/.local/share/medium (macOS: ~/Library/Application Support/medium)"
    )]
    pub(crate) data: Option<PathBuf>,
    /// The node's address: where verbs find it, where `up` listens
    #[arg(
        long,
        short,
        global = true,
        value_name = "URL",
        long_help = "The node's address, http://HOST:PORT or HOST:PORT: where verbs find the node, and \
            where `up` listens (port 0: any that is free). Also: variable MEDIUM_API"
    )]
    pub(crate) api: Option<String>,
    /// What the node asks for before it changes anything
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        long_help = "What the node asks for before it changes anything; by default the one in the data \
            folder. Prefer the variable MEDIUM_TOKEN: other users of this machine can see command lines"
    )]
    pub(crate) token: Option<String>,
    /// Whose pods [default: default]
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help_heading = "For pods, recipes and tasks",
        long_help = "Whose pods: a wallet of the data folder, made when it is first needed. Also: variable \
            MEDIUM_WALLET [default: default]"
    )]
    pub(crate) wallet: Option<String>,
    /// Who keeps pods: bee:URL or fairos:URL [default: the data folder]
    #[arg(
        long,
        global = true,
        value_name = "KEEPER",
        help_heading = "For pods, recipes and tasks",
        long_help = "Who keeps pods: bee:URL for a Bee, fairos:URL for a FairOS-DFS; without it the data \
            folder, through the node if one runs there. Also: variable MEDIUM_DFS. Credentials: variables \
            MEDIUM_BEE_BATCH, MEDIUM_FAIROS_USER and MEDIUM_FAIROS_PASSWORD"
    )]
    pub(crate) dfs: Option<String>,
}
