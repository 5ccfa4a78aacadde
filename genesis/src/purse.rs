//! What a VC may spend in its life.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A life-long budget. A child's comes out of its parent's; empty means stopped, reason `budget`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Purse {
    /// Fuel: work done in turns.
    #[serde(with = "coin")]
    pub fuel: u64,
    /// Messages sent.
    #[serde(with = "coin")]
    pub messages: u64,
    /// Children born.
    #[serde(with = "coin")]
    pub children: u64,
    /// Calls of the world outside.
    #[serde(with = "coin")]
    pub outside: u64,
    /// Money, in motes: for postage.
    pub motes: u64,
}

/// A budget as it is written: a `u64` on the wire; for people and scripts, whose numbers may end at 2⁵³,
/// *without end* is null.
mod coin {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature is serde's"
    )]
    pub(super) fn serialize<S: Serializer>(coin: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() && *coin == u64::MAX {
            serializer.serialize_none()
        } else {
            serializer.serialize_u64(*coin)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        if deserializer.is_human_readable() {
            Ok(Option::deserialize(deserializer)?.unwrap_or(u64::MAX))
        } else {
            u64::deserialize(deserializer)
        }
    }
}

/// What a purse holds money and budgets of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coin {
    /// See [`Purse::fuel`].
    Fuel,
    /// See [`Purse::messages`].
    Messages,
    /// See [`Purse::children`].
    Children,
    /// See [`Purse::outside`].
    Outside,
    /// See [`Purse::motes`].
    Motes,
}

impl Coin {
    /// Every coin, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::Fuel,
        Self::Messages,
        Self::Children,
        Self::Outside,
        Self::Motes,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fuel => "fuel",
            Self::Messages => "messages",
            Self::Children => "children",
            Self::Outside => "outside",
            Self::Motes => "motes",
        }
    }
}

impl fmt::Display for Coin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A purse does not hold what was to be taken out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the purse holds {left} {coin}, {wanted} were needed")]
pub struct Empty {
    /// Which coin.
    pub coin: Coin,
    /// How much is left of it.
    pub left: u64,
    /// How much was needed.
    pub wanted: u64,
}

impl Purse {
    /// No end of anything but money: what the owner's VCs have unless told otherwise.
    ///
    /// `u64::MAX` of a coin means *without end*: taking from it leaves it as it is.
    pub const ENDLESS: Self = Self {
        fuel: u64::MAX,
        messages: u64::MAX,
        children: u64::MAX,
        outside: u64::MAX,
        motes: 0,
    };
    /// Nothing of anything.
    pub const EMPTY: Self = Self {
        fuel: 0,
        messages: 0,
        children: 0,
        outside: 0,
        motes: 0,
    };

    /// How much is left of a coin.
    pub const fn left(&self, coin: Coin) -> u64 {
        match coin {
            Coin::Fuel => self.fuel,
            Coin::Messages => self.messages,
            Coin::Children => self.children,
            Coin::Outside => self.outside,
            Coin::Motes => self.motes,
        }
    }

    const fn slot(&mut self, coin: Coin) -> &mut u64 {
        match coin {
            Coin::Fuel => &mut self.fuel,
            Coin::Messages => &mut self.messages,
            Coin::Children => &mut self.children,
            Coin::Outside => &mut self.outside,
            Coin::Motes => &mut self.motes,
        }
    }

    /// The five coins as they are encoded, in the order of [`Coin::ALL`].
    pub fn to_le_bytes(self) -> [u8; 40] {
        let mut bytes = [0; 40];
        for (slot, coin) in bytes.chunks_exact_mut(8).zip(Coin::ALL) {
            slot.copy_from_slice(&self.left(coin).to_le_bytes());
        }
        bytes
    }

    /// Takes some of a coin out.
    ///
    /// # Errors
    /// [`Empty`] if there is not enough; nothing was taken.
    pub const fn take(&mut self, coin: Coin, wanted: u64) -> Result<(), Empty> {
        let slot = self.slot(coin);
        if *slot == u64::MAX && !matches!(coin, Coin::Motes) {
            return Ok(());
        }
        match slot.checked_sub(wanted) {
            Some(rest) => {
                *slot = rest;
                Ok(())
            }
            None => Err(Empty {
                coin,
                left: *slot,
                wanted,
            }),
        }
    }

    /// Puts some of a coin back; what is without end stays so.
    pub const fn put(&mut self, coin: Coin, amount: u64) {
        let slot = self.slot(coin);
        *slot = slot.saturating_add(amount);
    }

    /// Takes a whole purse out of this one: a child's at its birth. A coin asked for *without end*
    /// from a purse that has an end of it becomes all that is left.
    ///
    /// # Errors
    /// [`Empty`] if a coin does not suffice; nothing was taken.
    pub fn split(&mut self, wanted: Self) -> Result<Self, Empty> {
        let mut rest = *self;
        let mut child = wanted;
        for coin in Coin::ALL {
            let amount = match wanted.left(coin) {
                u64::MAX => self.left(coin),
                amount => amount,
            };
            rest.take(coin, amount)?;
            *child.slot(coin) = amount;
        }
        *self = rest;
        Ok(child)
    }

    /// Puts a whole purse back into this one: a child's at its end.
    pub fn merge(&mut self, other: Self) {
        for coin in Coin::ALL {
            match other.left(coin) {
                u64::MAX => {}
                amount => self.put(coin, amount),
            }
        }
    }
}

impl fmt::Display for Purse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, coin) in Coin::ALL.into_iter().enumerate() {
            let gap = if n > 0 { " " } else { "" };
            match self.left(coin) {
                u64::MAX => write!(f, "{gap}{coin}=∞")?,
                left => write!(f, "{gap}{coin}={left}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn purse() -> impl Strategy<Value = Purse> {
        let coin = || prop_oneof![4 => 0..1_000_u64, 1 => Just(u64::MAX)];
        (coin(), coin(), coin(), coin(), 0..1_000_u64).prop_map(
            |(fuel, messages, children, outside, motes)| Purse {
                fuel,
                messages,
                children,
                outside,
                motes,
            },
        )
    }

    proptest! {
        #[test]
        fn what_a_child_has_its_parent_lacks(parent in purse(), wanted in purse()) {
            let mut rest = parent;
            match rest.split(wanted) {
                Err(empty) => {
                    prop_assert_eq!(rest, parent);
                    prop_assert!(empty.left < empty.wanted);
                }
                Ok(child) => {
                    for coin in Coin::ALL {
                        if parent.left(coin) != u64::MAX {
                            prop_assert_eq!(rest.left(coin) + child.left(coin), parent.left(coin));
                        }
                    }
                    let endless = Coin::ALL.iter().any(|&c| child.left(c) == u64::MAX);
                    rest.merge(child);
                    if !endless {
                        prop_assert_eq!(rest, parent);
                    }
                }
            }
        }
    }
}
