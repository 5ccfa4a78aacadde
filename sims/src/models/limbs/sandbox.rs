//! A limb, and the sandbox in which it is tried: what its decoder does before anybody adopts it.
//!
//! A limb is a joint with a controller. The sandbox holds a copy of the joint with the robot's own load, asks it to reach
//! for some marks, and measures how far from them it was. Whole numbers alone, so that it is the same on every machine.

/// A limb: what a controller does about how far the joint is from where it should be, and how fast it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limb {
    /// Its version: a newer one has a higher number.
    pub version: u8,
    /// Force for each unit of distance, in 1/256.
    pub stiffness: i64,
    /// Force against each unit of speed, in 1/256.
    pub damping: i64,
    /// What it says of itself: how well it works, of 1,000. Nobody has measured it.
    pub claims: u64,
}

/// What every robot begins with: slow, but it gets there.
pub const FACTORY: Limb = Limb {
    version: 0,
    stiffness: 6,
    damping: 96,
    claims: 700,
};
/// A better one.
pub const GOOD: Limb = Limb {
    version: 1,
    stiffness: 40,
    damping: 160,
    claims: 900,
};
/// One that says it is better still, and pushes where it should brake.
pub const BAD: Limb = Limb {
    version: 2,
    stiffness: 60,
    damping: -24,
    claims: 990,
};

/// All limbs by version.
pub const LIMBS: [Limb; 3] = [FACTORY, GOOD, BAD];

/// How long each mark is held, in steps of the sandbox.
pub const STEPS: i64 = 96;
/// The marks that the joint has to reach, one after the other, in 1/256 of its range.
pub const MARKS: [i64; 4] = [200, -120, 256, 0];
/// A joint that goes so far beyond its range breaks.
pub const BREAKS: i64 = 4 * 256;
/// The load of a robot goes from 1 to this.
pub const LOAD_MAX: u64 = 8;

/// What came out of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The joint broke.
    Broke,
    /// How well it worked, of 1,000.
    Works(u64),
}

impl Outcome {
    /// As a number: 0 if it broke.
    pub const fn score(self) -> u64 {
        match self {
            Self::Broke => 0,
            Self::Works(score) => score,
        }
    }
}

/// Tries a limb on a joint with this load. Nothing outside of the sandbox is read or changed.
pub fn tried(limb: &Limb, load: u64) -> Outcome {
    let load = i64::try_from(load.max(1)).unwrap_or(1);
    // Position and speed in 1/65,536 of the range, so that small steps are not lost.
    let (mut at, mut speed) = (0_i64, 0_i64);
    let (mut missed, mut steps) = (0_i64, 0_i64);
    for mark in MARKS {
        for _ in 0..STEPS {
            let off = mark * 256 - at;
            let force = limb.stiffness * off - limb.damping * speed;
            speed += force / (256 * load);
            at += speed;
            if at.abs() > BREAKS * 256 {
                return Outcome::Broke;
            }
            steps += 1;
            missed += (mark * 256 - at).abs() / 256;
        }
    }
    // On average 256 off the mark is as bad as not to move at all.
    let off = missed * 1_000 / (256 * steps);
    Outcome::Works(1_000_u64.saturating_sub(off.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_good_one_is_better_under_every_load_and_the_bad_one_breaks() {
        for load in 1..=LOAD_MAX {
            let [factory, good, bad] = LIMBS.map(|limb| tried(&limb, load));
            assert!(
                good > factory && factory > Outcome::Broke,
                "load {load}: {good:?} {factory:?}"
            );
            assert_eq!(bad, Outcome::Broke, "load {load}");
        }
    }

    #[test]
    fn what_a_limb_says_of_itself_is_not_what_is_measured() {
        assert!(LIMBS.is_sorted_by_key(|limb| limb.claims));
        let honest = Limb { claims: 0, ..GOOD };
        assert_eq!(tried(&honest, 2), tried(&GOOD, 2));
    }
}
