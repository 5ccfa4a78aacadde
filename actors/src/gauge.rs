//! How full a purse is that has an end: its VC's owner is told when little is left, once for each coin.

use genesis::purse::{Coin, Purse};
use serde::{Deserialize, Serialize};

/// Little is a tenth.
const LITTLE: u64 = 10;

/// What a purse was last filled to, and of which coins it was told that little is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gauge {
    full: Purse,
    /// A bit for each of [`Coin::ALL`].
    told: u8,
}

impl Gauge {
    /// The gauge of a purse as it was filled; none if no coin in it has an end.
    pub(crate) fn of(full: Purse) -> Option<Self> {
        let ends = Coin::ALL.into_iter().any(|coin| ends(full.left(coin)));
        ends.then_some(Self { full, told: 0 })
    }

    /// Whether it says no more than the purse itself.
    pub(crate) fn is_new(&self, purse: Purse) -> bool {
        self.told == 0 && self.full == purse
    }

    /// What there was of a coin.
    pub(crate) fn full(&self, coin: Coin) -> u64 {
        self.full.left(coin)
    }

    /// The coins of which little is left.
    pub(crate) fn low(&self, purse: Purse) -> Vec<Coin> {
        let low = |coin: &Coin| self.is_low(purse, *coin);
        Coin::ALL.into_iter().filter(low).collect()
    }

    /// The coins of which little is left since they were last asked for.
    pub(crate) fn newly_low(&mut self, purse: Purse) -> impl Iterator<Item = Coin> + use<> {
        let mut found = 0;
        for (bit, coin) in Coin::ALL.into_iter().enumerate() {
            if self.told & 1 << bit == 0 && self.is_low(purse, coin) {
                found |= 1 << bit;
            }
        }
        self.told |= found;
        let coins = Coin::ALL.into_iter().enumerate();
        coins.filter_map(move |(bit, coin)| (found & 1 << bit != 0).then_some(coin))
    }

    /// A coin was filled up to this.
    pub(crate) fn fill(&mut self, coin: Coin, left: u64) {
        let bit = Coin::ALL.iter().position(|&known| known == coin);
        self.told &= !bit.map_or(0, |bit| 1 << bit);
        let mut full = Purse::EMPTY;
        for known in Coin::ALL {
            full.put(
                known,
                if known == coin {
                    left
                } else {
                    self.full.left(known)
                },
            );
        }
        self.full = full;
    }

    /// Of what there never was any, nothing runs out.
    fn is_low(&self, purse: Purse, coin: Coin) -> bool {
        let full = self.full.left(coin);
        ends(full) && purse.left(coin) <= full / LITTLE
    }
}

const fn ends(amount: u64) -> bool {
    amount != 0 && amount != u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_coin_is_told_once_and_again_after_it_was_filled() {
        let full = Purse {
            messages: 100,
            children: 5,
            ..Purse::ENDLESS
        };
        assert_eq!(Gauge::of(Purse::ENDLESS), None);
        let mut gauge = Gauge::of(full).unwrap();
        let mut purse = full;
        let told = |gauge: &mut Gauge, purse| gauge.newly_low(purse).collect::<Vec<_>>();
        purse.take(Coin::Messages, 89).unwrap();
        assert_eq!(told(&mut gauge, purse), []);
        purse.take(Coin::Messages, 1).unwrap();
        assert_eq!(told(&mut gauge, purse), [Coin::Messages]);
        assert_eq!(told(&mut gauge, purse), []);
        purse.take(Coin::Children, 5).unwrap();
        assert_eq!(told(&mut gauge, purse), [Coin::Children]);
        assert_eq!(gauge.low(purse), [Coin::Messages, Coin::Children]);
        purse.put(Coin::Messages, 40);
        gauge.fill(Coin::Messages, 50);
        assert_eq!(gauge.low(purse), [Coin::Children]);
        purse.take(Coin::Messages, 46).unwrap();
        assert_eq!(told(&mut gauge, purse), [Coin::Messages]);
    }
}
