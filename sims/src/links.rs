//! Who is linked to whom: a network over the rows of a cohort.

use std::collections::BTreeSet;

use crate::bytes::{Damaged, Reader};
use crate::ids::AgentId;
use crate::random::Stream;

/// Links between agents of one cohort, in both directions. Read in turns, changed between phases.
///
/// The neighbours of each are packed behind one another, so reading costs one look-up; changes are noted and
/// packed by [`Links::settle`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Links {
    /// Whose neighbours begin at `starts[entry]`; nobody's where an entry has none.
    who: Vec<AgentId>,
    starts: Vec<u32>,
    to: Vec<AgentId>,
    noted: Vec<(AgentId, AgentId, bool)>,
}

impl Links {
    /// The neighbours of somebody, in the order of their addresses; none if there are none.
    #[inline]
    pub fn of(&self, id: AgentId) -> &[AgentId] {
        let entry = id.entry() as usize;
        if self.who.get(entry) != Some(&id) {
            return &[];
        }
        &self.to[self.starts[entry] as usize..self.starts[entry + 1] as usize]
    }

    /// How many links there are.
    pub const fn len(&self) -> usize {
        self.to.len() / 2
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.to.is_empty()
    }

    /// Notes a link; one that is there already, or to oneself, is none.
    pub fn link(&mut self, a: AgentId, b: AgentId) {
        self.noted.push((a, b, true));
    }

    /// Notes that a link is to go.
    pub fn unlink(&mut self, a: AgentId, b: AgentId) {
        self.noted.push((a, b, false));
    }

    /// Removes all links of somebody, such as one who has died.
    pub fn forget(&mut self, id: AgentId) {
        let gone: Vec<_> = self.of(id).to_vec();
        self.noted
            .extend(gone.into_iter().map(|other| (id, other, false)));
    }

    /// Packs what was noted, in the order in which it was. Costs as much as there are links.
    pub fn settle(&mut self) {
        if self.noted.is_empty() {
            return;
        }
        let mut all: BTreeSet<(AgentId, AgentId)> = self.pairs().collect();
        for (a, b, there) in std::mem::take(&mut self.noted) {
            for pair in [(a, b), (b, a)] {
                if there && a != b {
                    all.insert(pair);
                } else {
                    all.remove(&pair);
                }
            }
        }
        self.pack(all.into_iter().collect());
    }

    fn pairs(&self) -> impl Iterator<Item = (AgentId, AgentId)> + '_ {
        let who = self.who.iter();
        who.flat_map(|&id| self.of(id).iter().map(move |&other| (id, other)))
    }

    /// Packs pairs, each of them in both directions.
    fn pack(&mut self, mut pairs: Vec<(AgentId, AgentId)>) {
        // By entry, as that is what neighbours are found by; entries of one cohort are of one generation each.
        pairs.sort_unstable_by_key(|&(a, b)| (a.entry(), a, b));
        let entries = pairs.last().map_or(0, |(a, _)| a.entry() as usize + 1);
        self.who.clear();
        self.who.resize(entries, AgentId::NOBODY);
        self.starts.clear();
        self.starts.resize(entries + 1, 0);
        self.to.clear();
        for &(a, b) in &pairs {
            let entry = a.entry() as usize;
            self.who[entry] = a;
            self.starts[entry + 1] += 1;
            self.to.push(b);
        }
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
    }

    fn replace(&mut self, links: impl IntoIterator<Item = (AgentId, AgentId)>) {
        let mut pairs = Vec::new();
        for (a, b) in links {
            pairs.extend([(a, b), (b, a)]);
        }
        pairs.sort_unstable();
        pairs.dedup();
        self.noted.clear();
        self.pack(pairs);
    }

    /// A small world: everybody linked to the `degree / 2` next in a ring on each side, and each of these links with this
    /// probability led to somebody else.
    ///
    /// Rule: Watts and Strogatz 1998.
    pub fn small_world(&mut self, ids: &[AgentId], degree: usize, rewire: f64, mut stream: Stream) {
        let n = ids.len();
        let mut links = BTreeSet::new();
        for side in 1..=(degree / 2).min(n.saturating_sub(1) / 2) {
            for at in 0..n {
                links.insert(pair(at, (at + side) % n));
            }
        }
        for side in 1..=(degree / 2).min(n.saturating_sub(1) / 2) {
            for at in 0..n {
                let old = pair(at, (at + side) % n);
                if stream.unit() >= rewire {
                    continue;
                }
                // With everybody linked to everybody there is nowhere else.
                for _ in 0..64 {
                    let new = pair(at, index(&mut stream, n));
                    if new.0 != new.1 && !links.contains(&new) {
                        links.remove(&old);
                        links.insert(new);
                        break;
                    }
                }
            }
        }
        self.replace(links.into_iter().map(|(a, b)| (ids[a], ids[b])));
    }

    /// As many links as are asked for, between pairs drawn at random; at most all there can be.
    ///
    /// Rule: Erdős and Rényi 1959, the model with a number of links.
    pub fn random(&mut self, ids: &[AgentId], links: usize, mut stream: Stream) {
        let n = ids.len();
        let all = n * n.saturating_sub(1) / 2;
        let mut chosen = BTreeSet::new();
        while chosen.len() < links.min(all) {
            let new = pair(index(&mut stream, n), index(&mut stream, n));
            if new.0 != new.1 {
                chosen.insert(new);
            }
        }
        self.replace(chosen.into_iter().map(|(a, b)| (ids[a], ids[b])));
    }

    /// A scale-free network: each who comes is linked to `each` of those before, the more likely the more links they have.
    ///
    /// Rule: Barabási and Albert 1999.
    pub fn preferential(&mut self, ids: &[AgentId], each: usize, mut stream: Stream) {
        let mut links = Vec::new();
        // Everybody as often as they have links: a draw from it is a draw by degree.
        let mut ends: Vec<usize> = Vec::new();
        for at in 0..ids.len() {
            let mut chosen = BTreeSet::new();
            while chosen.len() < each.min(at) {
                let other = if at <= each || ends.is_empty() {
                    chosen.len()
                } else {
                    ends[index(&mut stream, ends.len())]
                };
                chosen.insert(other);
            }
            for other in chosen {
                links.push((ids[at], ids[other]));
                ends.extend([at, other]);
            }
        }
        self.replace(links);
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        let pairs: Vec<_> = self.pairs().filter(|(a, b)| a < b).collect();
        out.extend_from_slice(&(pairs.len() as u64).to_le_bytes());
        for (a, b) in pairs {
            out.extend_from_slice(&a.0.to_le_bytes());
            out.extend_from_slice(&b.0.to_le_bytes());
        }
        out.extend_from_slice(&(self.noted.len() as u64).to_le_bytes());
        for (a, b, there) in &self.noted {
            out.extend_from_slice(&a.0.to_le_bytes());
            out.extend_from_slice(&b.0.to_le_bytes());
            out.push((*there).into());
        }
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        let mut links = Vec::new();
        for _ in 0..from.len(16)? {
            let (a, b) = (AgentId(from.u64()?), AgentId(from.u64()?));
            // Neighbours are found by entry: a made-up one must not ask for all memory.
            if u64::from(a.entry().max(b.entry())) > ENTRY_MAX {
                return Err(Damaged::new(format!("a link of {a} with {b}")));
            }
            links.push((a, b));
        }
        self.replace(links);
        for _ in 0..from.len(17)? {
            let (a, b) = (AgentId(from.u64()?), AgentId(from.u64()?));
            self.noted.push((a, b, from.array()? != [0]));
        }
        Ok(())
    }
}

/// The greatest entry that a loaded network may name.
const ENTRY_MAX: u64 = 1 << 27;

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

fn index(stream: &mut Stream, n: usize) -> usize {
    usize::try_from(stream.below(n as u64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(n: u32) -> Vec<AgentId> {
        (0..n).map(|entry| AgentId::new(0, entry, 0)).collect()
    }

    /// The share of a vertex's pairs of neighbours that are linked themselves, as a mean over all.
    fn clustering(links: &Links, ids: &[AgentId]) -> f64 {
        let mut sum = 0.0;
        for &id in ids {
            let near = links.of(id);
            let mut closed = 0_u32;
            for (at, a) in near.iter().enumerate() {
                closed += near[at + 1..]
                    .iter()
                    .map(|b| u32::from(links.of(*a).contains(b)))
                    .sum::<u32>();
            }
            let pairs = near.len() * near.len().saturating_sub(1) / 2;
            sum += f64::from(closed) / (pairs.max(1) as f64);
        }
        sum / ids.len() as f64
    }

    /// Watts and Strogatz 1998: a ring has clustering 3 (k - 2) / (4 (k - 1)); with rewiring it falls as (1 - p)^3.
    #[test]
    fn a_small_world_clusters_as_published() {
        let ids = ids(2_000);
        let mut links = Links::default();
        for (rewire, share) in [(0.0, 1.0), (0.1, 0.729), (0.5, 0.125)] {
            links.small_world(&ids, 10, rewire, Stream::at(5, 0, 0));
            assert_eq!(links.len(), 2_000 * 5);
            let expected = 3.0 * 8.0 / (4.0 * 9.0) * share;
            let found = clustering(&links, &ids);
            assert!(
                (found - expected).abs() < 0.02,
                "{rewire}: {found} for {expected}"
            );
        }
    }

    /// Barabási and Albert 1999: the share of vertices with degree k falls as 2 m (m + 1) / (k (k + 1) (k + 2)).
    #[test]
    fn preferential_attachment_has_the_published_degrees() {
        let ids = ids(50_000);
        let mut links = Links::default();
        links.preferential(&ids, 3, Stream::at(9, 0, 0));
        for k in [3_usize, 5, 10] {
            let count = ids.iter().filter(|id| links.of(**id).len() == k).count();
            let expected = 24.0 / (k * (k + 1) * (k + 2)) as f64;
            let found = count as f64 / 50_000.0;
            assert!(
                (found / expected - 1.0).abs() < 0.15,
                "{k}: {found} for {expected}"
            );
        }
    }

    #[test]
    fn links_go_both_ways_and_are_found_by_whole_address() {
        let ids = ids(10);
        let mut links = Links::default();
        links.random(&ids, 20, Stream::at(1, 0, 0));
        assert_eq!(links.len(), 20);
        for &a in &ids {
            assert!(links.of(a).iter().all(|b| links.of(*b).contains(&a)));
        }
        // Who has the entry after somebody has died has none of the links.
        assert_eq!(links.of(AgentId::new(0, 3, 1)), []);
        links.forget(ids[3]);
        links.link(ids[1], ids[1]);
        links.settle();
        assert_eq!(links.of(ids[3]), []);
        assert!(!links.of(ids[1]).contains(&ids[1]));
        let mut bytes = Vec::new();
        links.link(ids[3], ids[4]);
        links.save(&mut bytes);
        let mut again = Links::default();
        again.load(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(again, links);
    }
}
