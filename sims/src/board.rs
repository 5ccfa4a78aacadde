//! A board: spots on each of which at most one stands, and those on which nobody does.

use genesis::id::Digester;

use crate::agent::Agent;
use crate::bytes::{Damaged, Reader};
use crate::field::Field;
use crate::piece::Piece;
use crate::space::{Lattice, Spot};
use crate::store::Hosting;
use crate::turn::Turn;

/// What stands on each spot of a lattice, as others see it: `T::default()` is nobody.
///
/// The rows themselves are those of a cohort, each of which notes its spot; the board is what makes room for one alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Board<T: Field> {
    lattice: Lattice,
    /// Row by row.
    spots: Vec<T>,
    /// Where nobody stands, in an order that only the moves so far decide.
    empty: Vec<Spot>,
}

impl<T: Field> Board<T> {
    /// Lays out a lattice on which nobody stands, in place of what was there.
    pub fn lay(&mut self, lattice: Lattice) {
        self.lattice = lattice;
        self.spots.clear();
        self.spots.resize(lattice.len(), T::default());
        self.empty.clear();
        self.empty.extend(lattice.spots());
    }

    /// The lattice.
    pub const fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    /// How many spots are empty.
    pub const fn empty(&self) -> usize {
        self.empty.len()
    }

    /// What stands on a spot.
    ///
    /// # Panics
    /// If the lattice has no such spot.
    #[inline]
    pub fn get(&self, spot: Spot) -> T {
        self.spots[spot.0 as usize]
    }

    /// Puts somebody on an empty spot, each as likely: one of these by turns, as cards are dealt.
    ///
    /// # Panics
    /// If there is none; a run says it as an error.
    pub fn enter<A: Agent, const N: usize>(&mut self, these: [T; N], vc: &mut Turn<'_, A>) -> Spot {
        let empty = self.empty.len();
        assert!(
            empty > 0,
            "all of the {} spots are taken: {} cannot enter",
            self.spots.len(),
            vc.id()
        );
        let to = self.empty.swap_remove(drawn(vc, empty));
        self.spots[to.0 as usize] = vc.deal(these);
        to
    }

    /// Moves who stands on a spot to an empty one, each as likely; nowhere if all are taken.
    ///
    /// # Panics
    /// If the lattice has no such spot.
    #[inline]
    pub fn relocate<A: Agent>(&mut self, from: Spot, vc: &mut Turn<'_, A>) -> Spot {
        if self.empty.is_empty() {
            return from;
        }
        let nth = drawn(vc, self.empty.len());
        let to = std::mem::replace(&mut self.empty[nth], from);
        let who = std::mem::take(&mut self.spots[from.0 as usize]);
        self.spots[to.0 as usize] = who;
        to
    }

    /// Nobody stands on a spot any more; what stood there.
    ///
    /// # Panics
    /// If the lattice has no such spot.
    pub fn leave(&mut self, from: Spot) -> T {
        let who = std::mem::take(&mut self.spots[from.0 as usize]);
        if who != T::default() {
            self.empty.push(from);
        }
        who
    }

    /// How many others like the one on a spot stand within a Chebyshev distance of it. A lattice that wraps is seen as if it
    /// had an edge.
    ///
    /// # Panics
    /// If the lattice has no such spot.
    #[inline]
    pub fn like(&self, spot: Spot, radius: u32) -> u32 {
        let own = self.get(spot);
        // It is like itself.
        self.around(spot, radius, |who| who == own) - 1
    }

    /// Which share of the others within a Chebyshev distance is like the one on a spot; none where there are no others.
    ///
    /// # Panics
    /// If the lattice has no such spot.
    pub fn likeness(&self, spot: Spot, radius: u32) -> Option<f64> {
        let nobody = T::default();
        let all = self.around(spot, radius, |who| who != nobody);
        let others = all - u32::from(self.get(spot) != nobody);
        (others > 0).then(|| f64::from(self.like(spot, radius)) / f64::from(others))
    }

    /// On how many spots within a Chebyshev distance stands such a one, the spot itself among them.
    #[expect(clippy::many_single_char_names, reason = "five spots in a line")]
    #[inline]
    fn around(&self, spot: Spot, radius: u32, such: impl Fn(T) -> bool) -> u32 {
        let (columns, lines) = self.lattice.square(spot, radius);
        let width = self.lattice.width() as usize;
        let mut found = 0;
        for line in lines {
            let from = line as usize * width + columns.start as usize;
            let to = line as usize * width + columns.end as usize;
            // What one sees at a distance of 1 and 2 is counted without a loop: half of the time for a town.
            let mut see = |who| found += u32::from(such(who));
            match &self.spots[from..to] {
                &[a, b, c] => [a, b, c].into_iter().for_each(see),
                &[a, b, c, d, e] => [a, b, c, d, e].into_iter().for_each(see),
                spots => spots.iter().for_each(|&who| see(who)),
            }
        }
        found
    }
}

/// Which of so many.
#[inline]
fn drawn<A: Agent>(vc: &mut Turn<'_, A>, of: usize) -> usize {
    // The draw is below `of`, which is a length.
    usize::try_from(vc.below(of as u64)).unwrap_or(0)
}

impl<T: Field> Piece for Board<T> {
    fn of_world(_: u8, _: Hosting) -> Self {
        Self::default()
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.lattice.write(out);
        for &who in &self.spots {
            who.write(out);
        }
        self.empty.save(out);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.lattice = Lattice::read(from)?;
        let spots = self.lattice.len();
        if spots > from.left() {
            return Err(Damaged::new(format!(
                "{spots} spots in {} bytes",
                from.left()
            )));
        }
        self.spots.clear();
        for _ in 0..spots {
            self.spots.push(T::read(from)?);
        }
        self.empty.load(from)?;
        let mut seen = vec![false; spots];
        for spot in &self.empty {
            let at = spot.0 as usize;
            if self.spots.get(at) != Some(&T::default()) || std::mem::replace(&mut seen[at], true) {
                return Err(Damaged::new(format!(
                    "spot {} of {spots} is listed as empty and is not, or twice",
                    spot.0
                )));
            }
        }
        Ok(())
    }

    fn digest(&mut self, hasher: &mut Digester) {
        let mut bytes = Vec::new();
        self.save(&mut bytes);
        hasher.update(&bytes);
    }
}
