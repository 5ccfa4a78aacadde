//! The worlds of the medium: every agent is a VC with an address, and could be sent a message, frozen or taken out.

use sims::crew::Crew;
use sims::live::Live as _;
use sims::model::Model;
use sims::models::{flocking, forestfire, schelling, wolfsheep};
use sims::prelude::*;
use sims::run::Run;
use sims::store::Hosting;

use super::arrays::random::{below, draw, mix};
use crate::worlds::{Flocking, ForestFire, Mailbox, Outcome, Schelling, Seen, WolfSheep, timed};

/// Runs a model on so many threads; `see` says what its world has come to.
#[expect(clippy::cast_possible_truncation, reason = "agents are in memory")]
fn run<M: Model>(
    model: M,
    (steps, threads, seed): (u32, usize, u64),
    see: impl FnOnce(&Run<M>) -> Seen,
) -> Outcome {
    let crew = Crew::of(threads).expect("there are threads");
    let mut run = Run::of(model, seed, Hosting::Cohorts).expect("the world can be built");
    let took = timed(steps, |_| {
        let agents = run.agents() as usize;
        run.tick(&crew).expect("the world runs");
        (agents, run.agents() as usize)
    });
    let digest = run.digest();
    let hash = digest.0.first_chunk().copied().unwrap_or_default();
    Outcome {
        took,
        hash: u64::from_le_bytes(hash),
        seen: see(&run),
    }
}

/// Runs a flock.
pub fn flocking(size: &Flocking, threads: usize, seed: u64) -> Outcome {
    let model = flocking::Flocking {
        birds: size.birds.into(),
        side: size.side,
        vision: size.vision,
        speed: Flocking::SPEED,
        separation: Flocking::SEPARATION,
        cohere: Flocking::COHERE,
        separate: Flocking::SEPARATE,
        align: Flocking::MATCH,
    };
    run(model, (size.steps, threads, seed), |run| {
        let birds: Vec<_> = run.world.birds.iter().collect();
        let column = |of: fn(&flocking::Bird) -> f64| birds.iter().map(of).collect::<Vec<_>>();
        Seen::order(
            size,
            &column(|bird| bird.pos.x),
            &column(|bird| bird.pos.y),
            &column(|bird| bird.vel.x),
            &column(|bird| bird.vel.y),
        )
    })
}

/// Runs a pasture.
pub fn wolfsheep(size: &WolfSheep, threads: usize, seed: u64) -> Outcome {
    let model = wolfsheep::WolfSheep {
        side: size.side.into(),
        sheep: size.sheep.into(),
        wolves: size.wolves.into(),
        regrow: size.regrow.into(),
        lambs: size.lamb,
        cubs: size.cub,
        grass_gives: WolfSheep::GRASS,
        sheep_gives: WolfSheep::SHEEP,
    };
    run(model, (size.steps, threads, seed), |run| Seen::Alive {
        sheep: run.world.sheep.len() as u64,
        wolves: run.world.wolves.len() as u64,
    })
}

/// Runs a town; its people move one after the other, so on one thread.
pub fn schelling(size: &Schelling, seed: u64) -> Outcome {
    let model = schelling::Schelling {
        side: size.side,
        people: size.people.into(),
        radius: size.radius,
        happy: size.wanted.into(),
    };
    run(model, (size.steps, 1, seed), |run| {
        Seen::Share(run.observe().get("alike").unwrap_or(f64::NAN))
    })
}

fn forest(size: &ForestFire) -> forestfire::ForestFire {
    forestfire::ForestFire {
        side: size.side,
        density: size.density,
    }
}

/// Where the trees of a forest are, row by row.
pub(super) fn trees(size: &ForestFire, seed: u64) -> Vec<bool> {
    let run = Run::of(forest(size), seed, Hosting::Cohorts).expect("the world can be built");
    let plots = run.world.plots.iter();
    plots.map(|plot| plot.is != forestfire::BARE).collect()
}

/// Runs a forest.
pub fn forestfire(size: &ForestFire, seed: u64) -> Outcome {
    run(forest(size), (size.steps, 1, seed), |run| {
        Seen::Burnt(run.world.burnt)
    })
}

agent! {
    /// Who writes and reads.
    struct Writer { word: u64 }
}

world! {
    /// Where all of them are.
    struct Office { writers: Cohort<Writer>, mail: Channel<u64> }
}

params! {
    /// Everyone writes to another one in each tick.
    struct Letters {
        /// How many.
        vcs: u64 = 2_u64, 1..=100_000_000, "VCs", fixed;
        /// To whom: one of so many that follow.
        reach: u64 = 1_u64, 1..=100_000_000, "VCs";
        /// Whose numbers say to whom.
        seed: u64 = 0_u64, 0..=1_000_000, "seed";
    }
}

impl Model for Letters {
    const NAME: &'static str = "letters";
    const RULE: &'static str = "this bench's";
    type World = Office;

    fn build(&self, office: &mut Office, t: &mut Tick<'_>) {
        office.writers.spawn(t, self.vcs, |vc| Writer {
            word: mix(u64::from(vc.id().entry()) + 1),
        });
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "VCs are fewer than 2^32, ticks than 100"
    )]
    fn tick(&self, office: &mut Office, t: &mut Tick<'_>) {
        let first = office.writers.ids().next().unwrap_or_default();
        let step = t.now() as u32 - 1;
        office
            .writers
            .each_sending(t, &mut office.mail, |writer, vc, out| {
                let from = vc.id().entry();
                let to = u64::from(from + below(draw(self.seed, step, from), self.reach as u32));
                let to = if to < self.vcs { to } else { to - self.vcs };
                // Nobody has died, so entries are as they were given: one after the other.
                out.send(vc, AgentId(first.0 + to), writer.word);
            });
        office.mail.deliver(&mut office.writers);
        let mail = &office.mail;
        office.writers.each(t, |writer, vc| {
            for letter in mail.of(vc) {
                let word = letter.message.wrapping_add(letter.from.entry().into());
                writer.word = mix(writer.word ^ word);
            }
        });
    }

    fn observe(&self, office: &Office, see: &mut Sample) {
        see.count("writers", office.writers.len());
    }
}

/// Lets everyone write to another one in each step; what they come to hold is told as by [`super::arrays::mailbox`].
pub fn mailbox(kind: &Mailbox, threads: usize, seed: u64) -> Outcome {
    let model = Letters {
        vcs: kind.vcs.into(),
        reach: kind.reach.into(),
        seed,
    };
    let mut hash = seed;
    let outcome = run(model, (kind.steps, threads, seed), |run| {
        for writer in run.world.writers.iter() {
            hash ^= mix(writer.word);
        }
        Seen::Read(run.world.mail.counts().delivered)
    });
    Outcome { hash, ..outcome }
}
