//! What a VC may do: powers, granted at birth and only ever narrowed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One power that a VC can be granted. Each but `Reshape` is a channel of the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Power {
    /// Send messages to contacts: `medium/send`.
    Send,
    /// Write to its own log: `medium/emit`.
    Emit,
    /// Be woken by timers: `medium/after`.
    After,
    /// Give birth to VCs: `medium/spawn`.
    Spawn,
    /// Make copies of itself: `medium/fork`.
    Fork,
    /// Take parts into its body: `medium/internalize`.
    Internalize,
    /// Take parts out of its body: `medium/strip`.
    Strip,
    /// Link to and watch other VCs: `medium/watch`.
    Watch,
    /// Reshape others that hold it as a contact with this power.
    Reshape,
}

impl Power {
    /// All powers, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Send,
        Self::Emit,
        Self::After,
        Self::Spawn,
        Self::Fork,
        Self::Internalize,
        Self::Strip,
        Self::Watch,
        Self::Reshape,
    ];

    /// The word for it: `send`, `emit`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Emit => "emit",
            Self::After => "after",
            Self::Spawn => "spawn",
            Self::Fork => "fork",
            Self::Internalize => "internalize",
            Self::Strip => "strip",
            Self::Watch => "watch",
            Self::Reshape => "reshape",
        }
    }
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Power {
    type Err = UnknownPower;

    fn from_str(name: &str) -> Result<Self, UnknownPower> {
        Self::ALL
            .into_iter()
            .find(|power| power.name() == name)
            .ok_or_else(|| UnknownPower {
                name: name.chars().take(32).collect(),
            })
    }
}

/// There is no such power.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no power `{name}`; there are send, emit, after, spawn, fork, internalize, strip, watch, reshape"
)]
pub struct UnknownPower {
    /// What was asked for.
    pub name: String,
}

/// A set of powers.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grants(u16);

impl Grants {
    /// No power at all: what a VC without its genesis part has.
    pub const NONE: Self = Self(0);
    /// Every power.
    pub const ALL: Self = Self((1 << Power::ALL.len()) - 1);
    /// What harms nobody but the VC's own purse: send (to contacts it was given), emit, after.
    pub const HARMLESS: Self = Self::NONE
        .with(Power::Send)
        .with(Power::Emit)
        .with(Power::After);

    /// These and one more.
    #[must_use]
    pub const fn with(self, power: Power) -> Self {
        Self(self.0 | 1 << power as u8)
    }

    /// Whether `power` is among them.
    pub const fn has(self, power: Power) -> bool {
        self.0 & 1 << power as u8 != 0
    }

    /// The set as a number: the bit `1 << n` for the power of number `n`.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Those of both sets: all that a parent can hand on.
    #[must_use]
    pub const fn narrow(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of this set that the other lacks.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The powers of the set.
    pub fn iter(self) -> impl Iterator<Item = Power> {
        Power::ALL.into_iter().filter(move |&power| self.has(power))
    }
}

impl FromIterator<Power> for Grants {
    fn from_iter<I: IntoIterator<Item = Power>>(powers: I) -> Self {
        powers.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (n, power) in self.iter().enumerate() {
            write!(f, "{}{power}", if n > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_only_narrow() {
        let parent = Grants::HARMLESS.with(Power::Spawn);
        let asked = Grants::ALL;
        assert_eq!(parent.narrow(asked), parent);
        assert_eq!(parent.narrow(Grants::NONE), Grants::NONE);
        assert_eq!(Grants::ALL.iter().count(), Power::ALL.len());
        assert_eq!(parent.to_string(), "send emit after spawn");
        for power in Power::ALL {
            assert_eq!(power.name().parse(), Ok(power));
        }
    }
}
