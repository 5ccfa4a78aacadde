//! Who brings offers and demands together: posted rates, the least expensive first.

use crate::ids::AgentId;
use crate::random::mix;

/// What somebody offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Who.
    pub seller: AgentId,
    /// How much memory, as a power of two.
    pub size: u64,
    /// For how many millitokens an hour.
    pub rate: u64,
}

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who.
    pub buyer: AgentId,
    /// How much memory at least, as a power of two.
    pub size: u64,
    /// For at most how many millitokens an hour.
    pub limit: u64,
}

/// Pairs of places in the two lists. Buyers choose one after the other, in the order of lots; each takes the least expensive
/// offer that is left, large enough and not above its limit (or, if not `cheapest`, any such offer, by lot). Equal rates are
/// decided between by lot.
pub fn matched(
    offers: &[Offered],
    wants: &[Wanted],
    cheapest: bool,
    draw: u64,
) -> Vec<(usize, usize)> {
    let lot = |id: AgentId| mix(draw ^ id.0);
    let sizes = offers.iter().map(|offer| offer.size).max().unwrap_or(0);
    // For each size the offers that are left, the best last.
    let mut shelves = vec![Vec::new(); usize::try_from(sizes).unwrap_or(0) + 1];
    for (place, offer) in offers.iter().enumerate() {
        let rank = (
            if cheapest { offer.rate } else { 0 },
            lot(offer.seller),
            place,
        );
        if let Some(shelf) = usize::try_from(offer.size)
            .ok()
            .and_then(|size| shelves.get_mut(size))
        {
            shelf.push(rank);
        }
    }
    for shelf in &mut shelves {
        shelf.sort_unstable_by(|a, b| b.cmp(a));
    }
    let mut order: Vec<_> = (0..wants.len()).collect();
    order.sort_unstable_by_key(|&want| (lot(wants[want].buyer), want));
    let mut pairs = Vec::new();
    for want in order {
        let least = usize::try_from(wants[want].size).unwrap_or(usize::MAX);
        let good = |&(_, _, place): &(u64, u64, usize)| offers[place].rate <= wants[want].limit;
        // With `cheapest`, if the best of a shelf is too dear, so are all behind it.
        let best = shelves
            .iter()
            .enumerate()
            .skip(least)
            .filter_map(|(shelf, left)| {
                let at = if cheapest {
                    left.len().checked_sub(1)
                } else {
                    left.iter().rposition(good)
                }?;
                let rank = left.get(at).copied().filter(good)?;
                Some((rank, shelf, at))
            });
        if let Some(((_, _, place), shelf, at)) = best.min() {
            shelves[shelf].remove(at);
            pairs.push((place, want));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offers(of: &[(u64, u64)]) -> Vec<Offered> {
        let seller = |n: u64| AgentId(1_000 + n);
        (0..)
            .zip(of)
            .map(|(n, &(size, rate))| Offered {
                seller: seller(n),
                size,
                rate,
            })
            .collect()
    }

    fn wants(of: &[(u64, u64)]) -> Vec<Wanted> {
        (0..)
            .zip(of)
            .map(|(n, &(size, limit))| Wanted {
                buyer: AgentId(n),
                size,
                limit,
            })
            .collect()
    }

    #[test]
    fn the_least_expensive_that_is_large_enough_is_chosen() {
        let offers = offers(&[(0, 5), (2, 30), (1, 20), (1, 25)]);
        assert_eq!(matched(&offers, &wants(&[(1, 100)]), true, 1), [(2, 0)]);
        assert_eq!(matched(&offers, &wants(&[(0, 100)]), true, 1), [(0, 0)]);
        assert_eq!(matched(&offers, &wants(&[(2, 29)]), true, 1), []);
        assert_eq!(matched(&offers, &wants(&[(3, 1_000)]), true, 1), []);
    }

    proptest! {
        #[test]
        fn nobody_is_sold_twice_and_limits_are_kept(
            offered in prop::collection::vec((0_u64..3, 0_u64..50), 0..30),
            wanted in prop::collection::vec((0_u64..4, 0_u64..50), 0..30),
            cheapest: bool,
            draw: u64,
        ) {
            let (offers, wants) = (offers(&offered), wants(&wanted));
            let pairs = matched(&offers, &wants, cheapest, draw);
            let (mut sold, mut bought): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
            for list in [&mut sold, &mut bought] {
                list.sort_unstable();
                prop_assert!(list.windows(2).all(|two| two[0] < two[1]));
            }
            for &(offer, want) in &pairs {
                prop_assert!(offers[offer].size >= wants[want].size);
                prop_assert!(offers[offer].rate <= wants[want].limit);
            }
            // Whoever got nothing could have had nothing that is left.
            for (want, wanted) in wants.iter().enumerate().filter(|(want, _)| !bought.contains(want)) {
                for (offer, offered) in offers.iter().enumerate() {
                    let fits = offered.size >= wanted.size && offered.rate <= wanted.limit;
                    prop_assert!(!fits || sold.contains(&offer), "{want} could have {offer}");
                }
            }
            prop_assert_eq!(pairs, matched(&offers, &wants, cheapest, draw));
        }

        #[test]
        fn all_trade_who_can_if_every_limit_is_above_every_rate(
            rates in prop::collection::vec(0_u64..50, 0..30),
            limits in prop::collection::vec(50_u64..90, 0..30),
            draw: u64,
        ) {
            let offers = offers(&rates.iter().map(|&rate| (0, rate)).collect::<Vec<_>>());
            let wants = wants(&limits.iter().map(|&limit| (0, limit)).collect::<Vec<_>>());
            let pairs = matched(&offers, &wants, true, draw);
            prop_assert_eq!(pairs.len(), rates.len().min(limits.len()));
            // What is sold is the least expensive of what was offered.
            let mut sold: Vec<_> = pairs.iter().map(|&(offer, _)| offers[offer].rate).collect();
            sold.sort_unstable();
            let mut all = rates.clone();
            all.sort_unstable();
            prop_assert_eq!(&sold[..], &all[..sold.len()]);
        }
    }
}
