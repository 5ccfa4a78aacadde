//! Stray cats that roam the medium looking for mates.
//!
//! They roam for some ticks, then they sit and court: every tom asks the queen in sight whom he likes best and has not yet
//! asked; every queen keeps the best of those who asked her and whom she likes at all, and refuses the others. When nobody
//! has anybody left to ask, each queen who keeps a tom has kittens, each of which is put together from parts of both. Who
//! is liked is said by a pattern over shapes, the medium's own; what a tom's question carries is the tom himself.

use std::collections::BTreeSet;

use crate::prelude::*;
use body::{Figure, Parts};

pub mod body;

agent! {
    /// A cat: a body of eight parts, its shape, and whom it dreams of.
    pub struct Cat {
        pos: P2,
        born: u64,
        /// When its life ends.
        dies: u64,
        parts: Parts,
        shape: Figure,
        ideal: Figure,
        mother: AgentId,
        father: AgentId,
        /// Which parts are the mother's, a bit for each; 0 for who has no parents here.
        of_mother: u8,
        generation: u32,
        /// Whether it is a tom; else a queen.
        tom: bool,
        /// Who is kept, or asked and has not refused.
        mate: AgentId,
        /// How far the mate is from the ideal; of a tom, whoever he asked last.
        liking: u64,
        /// Whom a tom asked last.
        asked: AgentId,
        /// What a queen's mate is made of, and whom he dreams of.
        his_parts: Parts,
        his_ideal: Figure,
        his_generation: u32,
        /// How many there are whom it would rather have, and who would rather have it.
        envies: u32,
    }
}

message! {
    /// A tom asks a queen, and brings all that she may want to know.
    pub struct Courtship { parts: Parts, shape: Figure, ideal: Figure, generation: u32 }
}

world! {
    /// A torus with cats.
    pub struct Strays {
        toms: Cohort<Cat>,
        queens: Cohort<Cat>,
        kittens: Cohort<Cat>,
        sight: Near<Cat>,
        asks: Channel<Courtship>,
        refusals: Channel<bool>,
        /// For how many ticks they have roamed since they last had mates.
        roamed: u64,
        /// How many kittens found no room.
        refused: u64,
    }
}

params! {
    /// Stray cats roam, court by deferred acceptance among those in sight whose shapes fit their patterns, and have kittens
    /// that are put together from parts of both.
    pub struct Cats {
        /// How many cats there are at first.
        cats: u64 = 400_u64, 0..=10_000_000, "cats", agents;
        /// The side of the torus.
        side: f64 = 150.0, 1.0..=1e6, "m", side;
        /// How many variants there are at first of what belongs in each place of a body.
        variants: u64 = 12_u64, 1..=60_000, "variants", fixed;
        /// How far a cat sees; half the diagonal of the torus is everybody.
        sight: f64 = 20.0, 0.1..=1e6, "m";
        /// How far it walks in a tick.
        speed: f64 = 3.0, 0.0..=1e3, "m";
        /// For how many ticks cats roam before they court.
        roam: u64 = 10_u64, 1..=100_000, "ticks";
        /// How often they may ask and answer in a tick once they court.
        rounds: u64 = 10_u64, 1..=100, "rounds";
        /// How far from its ideal, in each dimension, a cat accepts: mebibytes, channels, ...
        tolerance: u64 = 3_u64, 0..=1_000_000, "steps";
        /// Whether a queen keeps the one whom she likes best; if not, the one who was first, by lot.
        prefer: bool = true, (), "";
        /// How many kittens a queen has at once.
        litter: u64 = 2_u64, 0..=16, "kittens";
        /// In how many ticks a kitten is grown.
        grow: u64 = 15_u64, 1..=1_000_000, "ticks";
        /// How long a cat lives.
        life: u64 = 80_u64, 1..=1_000_000_000, "ticks";
        /// For how many cats there is room, as a multiple of those at first; kittens beyond it are not born.
        room: f64 = 2.5, 0.0..=1e6, "times";
    }
    small { cats: 60_u64, side: 60.0 }
}

impl Model for Cats {
    const NAME: &'static str = "cats";
    const RULE: &'static str =
        "the essay's stray cats; Gale and Shapley 1962, deferred acceptance with incomplete lists";
    const STEPS: u64 = 200;
    type World = Strays;

    fn build(&self, w: &mut Strays, t: &mut Tick<'_>) {
        let variants = self.variants;
        for (cohort, count, tom) in [
            (&mut w.toms, self.cats / 2, true),
            (&mut w.queens, self.cats - self.cats / 2, false),
        ] {
            cohort.spawn(t, count, |vc| {
                let mut parts =
                    || -> Parts { std::array::from_fn(|_| variant(vc.below(variants))) };
                let (own, other) = (parts(), parts());
                Cat {
                    parts: own,
                    shape: body::figure(&own),
                    ideal: body::figure(&other),
                    pos: vc.point(self.side, self.side),
                    // Of all ages, so that they do not die at once.
                    dies: 1 + vc.below(self.life),
                    tom,
                    ..Cat::default()
                }
            });
        }
        w.asks.bound(1_024, Overflow::Park);
        w.refusals.bound(1_024, Overflow::Park);
    }

    fn tick(&self, w: &mut Strays, t: &mut Tick<'_>) {
        if w.roamed < self.roam {
            w.roamed += 1;
            self.raise(w, t);
            self.roam(&mut w.toms, t);
            self.roam(&mut w.queens, t);
            return;
        }
        for _ in 0..self.rounds {
            if self.court(w, t) {
                self.look_back(w, t);
                self.bear(w, t);
                w.roamed = 0;
                return;
            }
        }
    }

    fn observe(&self, w: &Strays, see: &mut Sample) {
        let grown = || w.toms.iter().chain(w.queens.iter());
        see.count("cats", w.toms.len() + w.queens.len());
        see.count("kittens", w.kittens.len());
        see.count("courting", usize::from(w.roamed >= self.roam));
        see.count(
            "pairs",
            w.queens
                .iter()
                .filter(|queen| queen.mate.is_somebody())
                .count(),
        );
        see.count(
            "blocking",
            w.toms.iter().map(|tom| tom.envies as usize).sum(),
        );
        see.count(
            "bodies",
            grown().map(|cat| cat.parts).collect::<BTreeSet<_>>().len(),
        );
        see.mean("generation", grown().map(|cat| f64::from(cat.generation)));
        see.mean("hunger", grown().map(|cat| cat.shape[2] as f64));
        see.value("refused", w.refused as f64);
    }

    fn is_over(&self, w: &Strays) -> bool {
        w.toms.is_empty() && w.queens.is_empty() && w.kittens.is_empty()
    }
}

/// The number of a variant; there are at most 60,000.
fn variant(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

impl Cats {
    /// Kittens sleep until they are grown, and then go where they belong; their addresses stay. Not while others court:
    /// whoever came then would find that toms who like her have got further down their lists.
    fn raise(&self, w: &mut Strays, t: &mut Tick<'_>) {
        w.kittens.each(t, |kitten, vc| {
            let left = (kitten.born + self.grow).saturating_sub(vc.tick());
            if left > 0 {
                vc.sleep_for(left);
            }
        });
        let now = t.now();
        let rows = w.kittens.ids().zip(w.kittens.iter());
        let grown: Vec<_> = rows
            .filter(|(_, cat)| now >= cat.born + self.grow)
            .collect();
        for (id, cat) in grown {
            let home = if cat.tom { &mut w.toms } else { &mut w.queens };
            w.kittens.move_to(home, id, |cat| cat);
        }
    }

    /// Cats walk, forget, and die of age.
    fn roam(&self, cats: &mut Cohort<Cat>, t: &mut Tick<'_>) {
        let plane = Plane::torus(self.side, self.side);
        let step = self.speed.min(self.side);
        cats.each(t, |cat, vc| {
            cat.pos = plane.place(cat.pos + vc.direction() * step);
            (cat.mate, cat.asked) = (AgentId::NOBODY, AgentId::NOBODY);
            (cat.liking, cat.envies) = (0, 0);
            if vc.tick() >= cat.dies {
                vc.die();
            }
        });
    }

    /// One round of questions and answers; whether it was the last, because nobody asked and nobody was refused.
    fn court(&self, w: &mut Strays, t: &mut Tick<'_>) -> bool {
        let sent = |w: &Strays| w.asks.counts().sent + w.refusals.counts().sent;
        let before = sent(w);
        self.look(w, t);
        w.refusals.deliver(&mut w.toms);
        w.toms.each_sending(t, &mut w.asks, |tom, vc, asks| {
            let refused = w.refusals.of(vc).iter().any(|no| no.from == tom.mate);
            if tom.mate.is_somebody() && !refused {
                return;
            }
            // He goes down his list: whoever he asked last is where he has got to.
            let begins = !tom.asked.is_somebody();
            let last = (tom.liking, tom.asked);
            let mut next = None;
            w.sight.around(tom.pos, |_, id, queen| {
                let key = (body::distance(&tom.ideal, &queen.shape), id);
                if (begins || key > last)
                    && next.is_none_or(|best| key < best)
                    && body::within(&tom.ideal, &queen.shape, self.tolerance)
                {
                    next = Some(key);
                }
            });
            tom.mate = AgentId::NOBODY;
            if let Some((liking, queen)) = next {
                (tom.liking, tom.asked, tom.mate) = (liking, queen, queen);
                let Cat {
                    parts,
                    shape,
                    ideal,
                    generation,
                    ..
                } = *tom;
                asks.send(
                    vc,
                    queen,
                    Courtship {
                        parts,
                        shape,
                        ideal,
                        generation,
                    },
                );
            }
        });
        w.asks.deliver(&mut w.queens);
        w.queens
            .each_sending(t, &mut w.refusals, |queen, vc, refusals| {
                // Who does not prefer stays with whoever is kept; of those who ask at once, a lot decides.
                let first = vc.random();
                let kept = if self.prefer { queen.liking } else { 0 };
                let mut best = queen.mate.is_somebody().then_some((kept, queen.mate));
                for ask in w.asks.of(vc) {
                    let Courtship {
                        parts,
                        shape,
                        ideal,
                        generation,
                    } = ask.message;
                    let liking = body::distance(&queen.ideal, &shape);
                    let lot = 1 + (crate::random::mix(first ^ ask.from.0) >> 1);
                    let rank = (if self.prefer { liking } else { lot }, ask.from);
                    if !body::within(&queen.ideal, &shape, self.tolerance)
                        || best.is_some_and(|best| best < rank)
                    {
                        refusals.send(vc, ask.from, false);
                        continue;
                    }
                    if let Some((_, other)) = best {
                        refusals.send(vc, other, false);
                    }
                    best = Some(rank);
                    (queen.mate, queen.liking) = (ask.from, liking);
                    (queen.his_parts, queen.his_ideal) = (parts, ideal);
                    queen.his_generation = generation;
                }
            });
        sent(w) == before && w.asks.counts().parked + w.refusals.counts().parked == 0
    }

    fn look(&self, w: &mut Strays, t: &Tick<'_>) {
        let plane = Plane::torus(self.side, self.side);
        w.sight
            .look(t, &mut w.queens, plane, self.sight, |queen| queen.pos);
    }

    /// Each tom counts the queens in sight with whom he would rather be, and who would rather be with him: none, if the
    /// matching is stable.
    fn look_back(&self, w: &mut Strays, t: &mut Tick<'_>) {
        self.look(w, t);
        w.toms.each(t, |tom, vc| {
            let kept = tom.mate.is_somebody().then_some((tom.liking, tom.mate));
            tom.envies = 0;
            w.sight.around(tom.pos, |_, id, queen| {
                let (his, hers) = (
                    (body::distance(&tom.ideal, &queen.shape), id),
                    (body::distance(&queen.ideal, &tom.shape), vc.id()),
                );
                let blocks = body::within(&tom.ideal, &queen.shape, self.tolerance)
                    && body::within(&queen.ideal, &tom.shape, self.tolerance)
                    && kept.is_none_or(|kept| his < kept)
                    && (!queen.mate.is_somebody() || hers < (queen.liking, queen.mate));
                tom.envies += u32::from(blocks);
            });
        });
    }

    /// Queens who keep a tom have kittens, as long as there is room; lots decide whose are born.
    fn bear(&self, w: &mut Strays, t: &mut Tick<'_>) {
        let now = t.now();
        let mut lots = t.stream();
        let mut litter = Vec::new();
        for (id, queen) in w.queens.ids().zip(w.queens.iter()) {
            for _ in 0..if queen.mate.is_somebody() {
                self.litter
            } else {
                0
            } {
                // Something of both: neither none nor all of the eight bits.
                let of_mother = u8::try_from(1 + lots.below(254)).unwrap_or(1);
                let parts = body::assemble(&queen.parts, &queen.his_parts, of_mother);
                let dreams_as_mother = lots.below(2) == 0;
                litter.push(Cat {
                    pos: queen.pos,
                    born: now,
                    dies: now + self.life,
                    parts,
                    shape: body::figure(&parts),
                    ideal: if dreams_as_mother {
                        queen.ideal
                    } else {
                        queen.his_ideal
                    },
                    mother: id,
                    father: queen.mate,
                    of_mother,
                    generation: 1 + queen.generation.max(queen.his_generation),
                    tom: lots.below(2) == 0,
                    ..Cat::default()
                });
            }
        }
        let living = (w.toms.len() + w.queens.len() + w.kittens.len()) as u64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a count, and a cast saturates"
        )]
        let room = (self.room * self.cats as f64) as u64;
        let room = usize::try_from(room.saturating_sub(living)).unwrap_or(usize::MAX);
        while litter.len() > room {
            let out = usize::try_from(lots.below(litter.len() as u64)).unwrap_or(0);
            litter.swap_remove(out);
            w.refused += 1;
        }
        for kitten in litter {
            w.kittens.bear(kitten);
        }
    }
}
