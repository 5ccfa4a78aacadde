//! What every model relies on: mail, addresses, sleep, places. The same with rows as columns or each on its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod lives;
mod mail;
mod places;

use sims::crew::Crew;
use sims::ids::AgentId;
use sims::live::{Live, Loaded};
use sims::model::Model;
use sims::params::Params;
use sims::prelude::*;
use sims::run::Run;
use sims::store::Hosting;
use sims::world::World;

agent! {
    /// Somebody with a number, and what was last done to it.
    pub struct One { number: u64, turns: u64 }
    /// What one may become.
    pub struct Other { number: u64 }
}

world! {
    /// A world of tests.
    pub struct Field { ones: Cohort<One>, others: Cohort<Other>, mail: Channel<u64> }
}

const BOTH: [Hosting; 2] = [Hosting::Cohorts, Hosting::Alone];

/// A world with so many ones, numbered from 0 on.
fn field(hosting: Hosting, ones: u64) -> Field {
    let mut field = Field::new(hosting);
    let crew = Crew::alone();
    let mut t = Tick::new(7, 0, &crew);
    field
        .ones
        .spawn(&mut t, ones, |vc| One::new(vc.id().entry().into(), 0));
    field
}

/// A tick as a run has it.
fn tick<R>(field: &mut Field, now: u64, run: impl FnOnce(&mut Field, &mut Tick<'_>) -> R) -> R {
    for (_, piece) in field.pieces_mut() {
        piece.begin(now);
    }
    let crew = Crew::alone();
    run(field, &mut Tick::new(7, now, &crew))
}

/// Everybody takes a turn; the numbers of those who did.
fn awake(field: &mut Field, now: u64) -> Vec<u64> {
    tick(field, now, |field, t| {
        field.ones.each(t, |one, vc| one.turns = vc.tick());
    });
    let done = field.ones.iter().filter(|one| one.turns == now);
    let mut numbers: Vec<_> = done.map(|one| one.number).collect();
    numbers.sort_unstable();
    numbers
}

fn numbers(field: &Field) -> Vec<u64> {
    field.ones.iter().map(|one| one.number).collect()
}

fn ids(field: &Field) -> Vec<AgentId> {
    field.ones.ids().collect()
}

/// Saved and loaded again.
fn reloaded<M: Model + Params>(run: &Run<M>) -> Run<M> {
    Run::load(&Loaded::parse(&run.save()).unwrap(), Hosting::Cohorts).unwrap()
}
