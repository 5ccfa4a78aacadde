//! People's kinds as a byte per place, one after the other in a new random order in each step.
//!
//! A person counts its neighbours whenever it is its turn, as the rule says, eight places at once.

use super::random::{Stream, below, mix};
use crate::worlds::{Outcome, Schelling, Seen, timed};

/// The kinds, a bit each; a place without anybody is 0.
const KINDS: [u8; 2] = [1, 2];
/// Bytes that are read at once.
const WORD: usize = 8;
/// How many people's homes are read before their turns.
const AHEAD: usize = 16;
/// A one in each byte of a word.
const ONES: u64 = u64::MAX / 255;

/// A town of people who see `RADIUS` places far.
struct Town<const RADIUS: usize> {
    /// Places in a row, with empty ones on both sides.
    stride: usize,
    /// The kind at each place, with empty rows above and below.
    kinds: Vec<u8>,
    /// Where each person lives; the first half are of the first kind.
    home: Vec<u32>,
    /// Where nobody lives.
    empty: Vec<u32>,
    /// In which order people have their turn.
    order: Vec<u32>,
    numbers: Stream,
}

impl<const RADIUS: usize> Town<RADIUS> {
    /// A one for each place of a row that a person sees.
    const ROW: u64 = ONES >> (8 * (WORD - (2 * RADIUS + 1)));

    fn new(size: &Schelling, seed: u64) -> Self {
        let (side, mut numbers) = (size.side as usize, Stream::new(seed));
        let stride = side + 2 * RADIUS;
        let place = |at: usize| ((at / side + RADIUS) * stride + at % side + RADIUS) as u32;
        let mut empty: Vec<u32> = (0..side * side).map(place).collect();
        for last in (1..empty.len()).rev() {
            empty.swap(last, below(numbers.next(), last as u32 + 1) as usize);
        }
        let home = empty.split_off(empty.len() - size.people as usize);
        let mut town = Self {
            stride,
            kinds: vec![0; stride * stride + WORD],
            order: (0..size.people).collect(),
            home,
            empty,
            numbers,
        };
        for person in 0..town.home.len() {
            town.kinds[town.home[person] as usize] = town.kind(person);
        }
        town
    }

    #[inline]
    fn kind(&self, person: usize) -> u8 {
        KINDS[usize::from(person >= self.home.len() / 2)]
    }

    /// How many people of these kinds live nearby, `home` included.
    #[inline]
    fn near(&self, home: usize, kinds: u8) -> u8 {
        let mut sums = 0;
        for row in 0..=2 * RADIUS {
            let first = home + row * self.stride - RADIUS * self.stride - RADIUS;
            let word = &self.kinds[first..first + WORD];
            let word = u64::from_le_bytes(word.try_into().expect("as long as a word"));
            for kind in KINDS {
                if kinds & kind != 0 {
                    sums += (word / u64::from(kind)) & Self::ROW;
                }
            }
        }
        // The highest byte is the sum of all.
        (sums.wrapping_mul(ONES) >> 56) as u8
    }

    fn step(&mut self, wanted: u8) {
        for last in (1..self.order.len()).rev() {
            let other = below(self.numbers.next(), last as u32 + 1) as usize;
            self.order.swap(last, other);
        }
        let order = std::mem::take(&mut self.order);
        let mut homes = [0; AHEAD];
        for people in order.chunks(AHEAD) {
            // Nobody but they themselves moves them, so that homes far apart in memory can be read at once.
            for (&person, home) in people.iter().zip(&mut homes) {
                *home = self.home[person as usize];
            }
            for (&person, &home) in people.iter().zip(&homes) {
                let (person, home) = (person as usize, home as usize);
                let kind = self.kind(person);
                if self.near(home, kind) <= wanted {
                    self.leave(person, home, kind);
                }
            }
        }
        self.order = order;
    }

    fn leave(&mut self, person: usize, home: usize, kind: u8) {
        let to = below(self.numbers.next(), self.empty.len() as u32) as usize;
        let to = std::mem::replace(&mut self.empty[to], home as u32);
        self.kinds[home] = 0;
        self.kinds[to as usize] = kind;
        self.home[person] = to;
    }

    /// Mean share of the neighbours of one's own kind, of those who have any.
    fn share(&self) -> f64 {
        let (mut shares, mut people) = (0.0, 0.0);
        for person in 0..self.home.len() {
            let home = self.home[person] as usize;
            let own = self.near(home, self.kind(person)) - 1;
            let all = self.near(home, KINDS[0] | KINDS[1]) - 1;
            if all > 0 {
                shares += f64::from(own) / f64::from(all);
                people += 1.0;
            }
        }
        shares / people
    }

    fn run(size: &Schelling, seed: u64) -> Outcome {
        let mut town = Self::new(size, seed);
        let took = timed(size.steps, |_| {
            town.step(size.wanted);
            (town.home.len(), town.home.len())
        });
        let homes = town.home.iter();
        Outcome {
            took,
            seen: Seen::Share(town.share()),
            hash: homes.fold(seed, |hash, &home| mix(hash ^ u64::from(home))),
        }
    }
}

/// Runs a town; its people move one after the other, so on one thread.
///
/// # Panics
/// If people see farther than a word is wide.
pub fn run(size: &Schelling, seed: u64) -> Outcome {
    match size.radius {
        1 => Town::<1>::run(size, seed),
        2 => Town::<2>::run(size, seed),
        3 => Town::<3>::run(size, seed),
        radius => panic!("people see {radius} places far, and a word has 3 on each side"),
    }
}
