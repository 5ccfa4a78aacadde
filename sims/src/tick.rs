//! One tick: which it is, whose randomness it has, and the threads that run it.

use crate::crew::Crew;
use crate::random;

/// A tick that is under way. Each phase of it takes a number, so that a VC draws other numbers in each.
#[derive(Debug)]
pub struct Tick<'a> {
    seed: u64,
    now: u64,
    phase: u32,
    crew: &'a Crew,
}

/// What a row needs to draw numbers in one phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) seed: u64,
    pub(crate) tick: u64,
    pub(crate) counter: u64,
    /// How often the rows of the cohort had changed their places.
    pub(crate) ordered: u64,
}

impl<'a> Tick<'a> {
    /// Tick `now` of a world with this seed; 0 is the building of the world.
    pub fn new(seed: u64, now: u64, crew: &'a Crew) -> Self {
        Self {
            seed,
            now,
            phase: 0,
            crew,
        }
    }

    /// Its number: the first after the building is 1.
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// The threads.
    pub(crate) const fn crew(&self) -> &'a Crew {
        self.crew
    }

    /// The next phase.
    ///
    /// # Panics
    /// If a tick has more than 256 phases: their draws would meet those of the next tick.
    pub(crate) fn phase(&mut self) -> Phase {
        assert!(
            self.phase < 1 << random::PHASES_BITS,
            "a tick has at most 256 phases"
        );
        let phase = Phase {
            seed: self.seed,
            tick: self.now,
            counter: random::counter(self.now, self.phase),
            ordered: 0,
        };
        self.phase += 1;
        phase
    }

    /// A stream of numbers that belongs to no row, for what the world as a whole decides.
    ///
    /// # Panics
    /// As a phase does, because it is one.
    pub fn stream(&mut self) -> random::Stream {
        let phase = self.phase();
        random::Stream::at(phase.seed, u64::MAX, phase.counter)
    }
}
