//! The verbs about parts of bodies, and how a part is described to them.

use std::path::PathBuf;

use clap::Args;
use genesis::id::Digest;

use super::Outside;

/// `try`.
#[derive(Debug, Args)]
pub(crate) struct Try {
    /// On whom: an id, a name, or a path into a body
    pub(crate) vc: String,
    /// A part that comes with the medium, a native behaviour, or a file
    pub(crate) part: String,
    /// In the place of which part: its number in `medium show` [default: that of the same name or role]
    #[arg(long, value_name = "N")]
    pub(crate) occurrence: Option<u64>,
    /// What the part would be called inside the body
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// Also let it handle the last N messages that the VC recorded
    #[arg(long, value_name = "N")]
    pub(crate) replay: Option<u32>,
    /// What the part begins with, and how it is read.
    #[command(flatten)]
    pub(crate) about: PartAbout,
}

/// `strip`.
#[derive(Debug, Args)]
pub(crate) struct Strip {
    /// Of whom: an id, a name, or a path into a body
    pub(crate) vc: String,
    /// Which part: its number in `medium show`
    pub(crate) occurrence: u64,
}

/// `give`.
#[derive(Debug, Args)]
pub(crate) struct Give {
    /// Which VC: an id, a name, or a path into a body
    pub(crate) vc: String,
    /// To whom: its host from then on
    pub(crate) to: String,
    /// Give the VC itself, not a copy; it keeps its id
    #[arg(long = "move")]
    pub(crate) moved: bool,
}

/// What a part begins with and how it is read, wherever a part is named.
#[derive(Debug, Default, Args)]
pub(crate) struct PartAbout {
    /// The argument of a native behaviour or of sandboxed code
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) argument: Option<String>,
    /// The argument of sandboxed code: the contents of a file
    #[arg(long, value_name = "F", conflicts_with = "argument")]
    pub(crate) argument_file: Option<PathBuf>,
    /// The digest of the code that reads and tests a file, in hexadecimal
    #[arg(long, value_name = "HEX")]
    pub(crate) decoder: Option<Digest>,
}

/// How a part comes in, for `internalize` and `upgrade`.
#[derive(Debug, Default, Args)]
pub(crate) struct PartOptions {
    /// What the part begins with, and how it is read.
    #[command(flatten)]
    pub(crate) about: PartAbout,
    /// Also let it handle the last N messages that the VC recorded: without a judge, any other outcome refuses it
    #[arg(long, value_name = "N")]
    pub(crate) replay: Option<u32>,
    /// Take it whatever its trial says, except a state that it refuses; the VC's log says so
    #[arg(long = "override", conflicts_with = "replay")]
    pub(crate) by_override: bool,
    /// What a program outside is granted that comes in.
    #[command(flatten)]
    pub(crate) outside: Outside,
}

/// `internalize`.
#[derive(Debug, Args)]
pub(crate) struct Internalize {
    /// Into whom: an id, a name, or a path into a body
    pub(crate) vc: String,
    /// A part that comes with the medium, a native behaviour, a file, or a message (msg:…)
    pub(crate) part: String,
    /// What the part is called inside the body
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// How the part is described.
    #[command(flatten)]
    pub(crate) options: PartOptions,
}

/// `upgrade`.
#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// Whose: an id, a name, or a path into a body
    pub(crate) vc: String,
    /// [OCCURRENCE] <PART>: the number of the part to replace (else: the one of the same name or role), and
    /// a part that comes with the medium, a native behaviour or a file
    #[arg(num_args = 1..=2, required = true, value_name = "PART")]
    pub(crate) part: Vec<String>,
    /// What the part is called inside the body
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// How the part is described.
    #[command(flatten)]
    pub(crate) options: PartOptions,
}
