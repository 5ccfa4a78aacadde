//! What a row may do in its turn, besides changing itself.

use crate::agent::Agent;
use crate::ids::AgentId;
use crate::random;
use crate::space::{Lattice, P2, Spot, V2};
use crate::tick::Phase;

/// What the turns of some rows came to, in the order of the rows.
#[derive(Debug)]
pub(crate) struct Said<A> {
    pub(crate) born: Vec<A>,
    /// Slots.
    pub(crate) dead: Vec<u32>,
    /// Slots, and the tick in which they wake by themselves.
    pub(crate) slept: Vec<(u32, u64)>,
}

impl<A> Default for Said<A> {
    fn default() -> Self {
        Self {
            born: Vec::new(),
            dead: Vec::new(),
            slept: Vec::new(),
        }
    }
}

/// The tick of who waits for a message alone.
pub(crate) const UNTIL_CALLED: u64 = u64::MAX;

/// The turn of one row: its address, its random numbers, and the effects it may have.
#[derive(Debug)]
pub struct Turn<'a, A: Agent> {
    phase: Phase,
    draws: u64,
    id: AgentId,
    slot: u32,
    pub(crate) dead: bool,
    said: &'a mut Said<A>,
}

impl<'a, A: Agent> Turn<'a, A> {
    #[inline(always)]
    pub(crate) fn new(phase: Phase, id: AgentId, slot: u32, said: &'a mut Said<A>) -> Self {
        Self {
            phase,
            draws: 0,
            id,
            slot,
            dead: false,
            said,
        }
    }

    /// Whose turn it is.
    #[inline]
    pub const fn id(&self) -> AgentId {
        self.id
    }

    /// Which tick it is.
    #[inline]
    pub const fn tick(&self) -> u64 {
        self.phase.tick
    }

    /// Where the row is now; another place in the next tick, perhaps.
    #[inline]
    pub(crate) const fn slot(&self) -> usize {
        self.slot as usize
    }

    /// How often the rows of the cohort had changed their places.
    #[inline]
    pub(crate) const fn ordered(&self) -> u64 {
        self.phase.ordered
    }

    /// A random number: a function of seed, address, tick, phase and draw.
    #[inline]
    pub fn random(&mut self) -> u64 {
        let key = random::key(self.phase.seed, self.id.0);
        let random = random::draw(key, self.phase.counter.wrapping_add(self.draws));
        self.draws += 1;
        random
    }

    /// Uniform in `[0, 1)`.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        random::unit(self.random())
    }

    /// Uniform in `from..to`.
    #[inline]
    pub fn between(&mut self, from: f64, to: f64) -> f64 {
        from + self.unit() * (to - from)
    }

    /// Uniform in `0..n`; 0 if `n` is 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        random::below(self.random(), n)
    }

    /// Uniform in `from..=to`.
    #[inline]
    pub fn within(&mut self, from: u32, to: u32) -> u32 {
        let more = self.below(u64::from(to.saturating_sub(from)) + 1);
        #[expect(clippy::cast_possible_truncation, reason = "at most `to - from`")]
        from.saturating_add(more as u32)
    }

    /// Whether it happens that has this probability.
    #[inline]
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of these, each as likely.
    ///
    /// # Panics
    /// If there is none.
    #[inline]
    pub fn one_of<T: Copy>(&mut self, these: &[T]) -> T {
        let nth = self.below(these.len() as u64);
        these[usize::try_from(nth).unwrap_or(0)]
    }

    /// One of these by turns, as cards are dealt: in the order of birth, so that as many get each.
    #[inline]
    pub const fn deal<T: Copy, const N: usize>(&self, these: [T; N]) -> T {
        these[self.id.entry() as usize % N]
    }

    /// A spot of a lattice.
    #[inline]
    pub fn spot(&mut self, lattice: &Lattice) -> Spot {
        let spot = self.below(lattice.len() as u64);
        #[expect(clippy::cast_possible_truncation, reason = "spots have 32 bits")]
        Spot(spot as u32)
    }

    /// One of the at most eight spots around another, each as likely.
    #[inline]
    pub fn step(&mut self, lattice: &Lattice, from: Spot) -> Spot {
        lattice.step(from, || self.random())
    }

    /// An exponential waiting time with this mean.
    #[inline]
    pub fn waiting(&mut self, mean: f64) -> f64 {
        // `unit` may be 0 and is never 1.
        -libm::log(1.0 - self.unit()) * mean
    }

    /// A point of a rectangle with its corner in the origin.
    #[inline]
    pub fn point(&mut self, width: f64, height: f64) -> P2 {
        P2 {
            x: self.unit() * width,
            y: self.unit() * height,
        }
    }

    /// A direction: a vector of length 1.
    #[inline]
    pub fn direction(&mut self) -> V2 {
        let angle = self.unit() * std::f64::consts::TAU;
        V2::new(libm::cos(angle), libm::sin(angle))
    }

    /// The row is removed after the phase; its address finds nobody from then on.
    #[inline]
    pub fn die(&mut self) {
        self.dead = true;
    }

    /// Another of its kind is born after the phase.
    #[inline]
    pub fn bear(&mut self, child: A) {
        self.said.born.push(child);
    }

    /// No more turns until a message comes.
    #[inline]
    pub fn sleep(&mut self) {
        self.said.slept.push((self.slot, UNTIL_CALLED));
    }

    /// No turns for so many ticks, or until a message comes; with 1 it is there in the next tick.
    #[inline]
    pub fn sleep_for(&mut self, ticks: u64) {
        let until = self.phase.tick.saturating_add(ticks);
        self.said.slept.push((self.slot, until));
    }
}
