//! What the verbs take that steer many VCs at once.

use actors::runtime::TOP_MS_MAX;
use clap::{Args, ValueEnum};
use genesis::purse::Coin;

/// `top`.
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// By what the busiest are told
    #[arg(long, value_enum, default_value_t)]
    pub(crate) by: By,
    /// At most so many; on a terminal as many as it has lines for [default: 20]
    #[arg(long, short = 'n', value_name = "N", value_parser = super::at_least_one)]
    pub(crate) limit: Option<usize>,
    /// Over how long rates are measured, and so how often it looks, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=TOP_MS_MAX))]
    pub(crate) every: u64,
    /// Look once and end
    #[arg(long)]
    pub(crate) once: bool,
}

/// By what the busiest are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// Turns a second
    #[default]
    Rate,
    /// Fuel a second
    Fuel,
    /// Messages that wait
    Mailbox,
}

impl By {
    /// The API's word for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Fuel => "fuel",
            Self::Mailbox => "mailbox",
        }
    }
}

/// `stop`.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Whom: an id, a name, or a path into a body
    #[arg(required_unless_present = "pattern", conflicts_with = "pattern")]
    pub(crate) vc: Option<String>,
    /// The brake: all that a pattern takes, and all who descend from them, at once
    #[arg(
        long = "where",
        value_name = "PATTERN",
        long_help = "The brake: all that a pattern takes, and all who descend from them, at once. While it looks for \
            them nobody on the node takes a turn, so none is born faster than it stops them. Beside the bounds and \
            channels of `medium find` it takes the tags name, life and host; the node's own VCs are never taken"
    )]
    pub(crate) pattern: Option<String>,
    /// Also all who descend from it, as with --where
    #[arg(long)]
    pub(crate) children: bool,
}

/// `sleep`, `wake`.
#[derive(Debug, Args)]
pub(crate) struct Many {
    /// Whom: an id, a name, or a path into a body
    #[arg(required_unless_present = "pattern", conflicts_with = "pattern")]
    pub(crate) vc: Option<String>,
    /// All that a pattern takes, one after the other
    #[arg(long = "where", value_name = "PATTERN")]
    pub(crate) pattern: Option<String>,
}

/// `budget`.
#[derive(Debug, Args)]
pub(crate) struct Budget {
    /// Whose: an id, a name, or a path into a body
    pub(crate) vc: String,
    /// What you give it: fuel=N,messages=N,children=N,outside=N,motes=N; `endless` of all but motes
    #[arg(value_name = "PURSE", value_delimiter = ',', value_parser = gift)]
    pub(crate) gift: Vec<(Coin, Option<u64>)>,
}

/// One entry of a gift: `fuel=1000` or `fuel=endless`.
fn gift(text: &str) -> Result<(Coin, Option<u64>), String> {
    match text.split_once('=') {
        Some((coin, "endless")) if coin != Coin::Motes.name() => {
            super::coin(&format!("{coin}=0")).map(|(coin, _)| (coin, None))
        }
        _ => super::coin(text).map(|(coin, amount)| (coin, Some(amount))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gift_is_an_amount_or_endless() {
        assert_eq!(gift("fuel=10"), Ok((Coin::Fuel, Some(10))));
        assert_eq!(gift("fuel=endless"), Ok((Coin::Fuel, None)));
        for bad in ["motes=endless", "gold=endless", "endless", "fuel=-1"] {
            assert!(gift(bad).is_err(), "{bad}");
        }
    }
}
