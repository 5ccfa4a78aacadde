//! Sheep in a `DenseGrid2D`, wolves in the schedule alone, grass in an array.

use std::any::Any;
use std::hash::{Hash, Hasher};

use krabmaga::engine::agent::Agent;
use krabmaga::engine::fields::dense_object_grid_2d::DenseGrid2D;
use krabmaga::engine::fields::field::Field as _;
use krabmaga::engine::location::Int2D;
use krabmaga::engine::schedule::Schedule;
use krabmaga::engine::state::State;

use crate::worlds::arrays::random::{Stream, below, fraction};
use crate::worlds::{Outcome, Seen, WolfSheep, timed};

/// A sheep or a wolf.
#[derive(Clone, Copy)]
struct Animal {
    id: u32,
    wolf: bool,
    dead: bool,
    at: Int2D,
    energy: f64,
}

impl Hash for Animal {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.id.hash(hasher);
    }
}

impl PartialEq for Animal {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Animal {}

impl Animal {
    /// Goes to one of the neighbours inside the grid, each as likely.
    fn walk(&mut self, meadow: &mut Meadow) {
        loop {
            // One of the nine places around, without the middle.
            let way = below(meadow.numbers.next(), 8).cast_signed();
            let way = if way < 4 { way } else { way + 1 };
            let (x, y) = (self.at.x + way % 3 - 1, self.at.y + way / 3 - 1);
            if (0..meadow.side).contains(&x) && (0..meadow.side).contains(&y) {
                self.at = Int2D { x, y };
                return;
            }
        }
    }

    /// Leaves a young one half of its energy, if chance wants so; only the young one is returned.
    fn bear(&mut self, meadow: &mut Meadow, chance: f64) -> Option<Self> {
        if fraction(meadow.numbers.next()) >= chance {
            return None;
        }
        self.energy /= 2.0;
        let id = meadow.eaten.len() as u32;
        meadow.eaten.push(false);
        let young = Self { id, ..*self };
        meadow.born.push(young);
        Some(young)
    }

    fn graze(&mut self, meadow: &mut Meadow) {
        let grass =
            &mut meadow.grass[(self.at.y * meadow.side + self.at.x).cast_unsigned() as usize];
        if *grass == 0 {
            *grass = meadow.rules.regrow;
            self.energy += WolfSheep::GRASS;
        }
        if self.energy < WolfSheep::SHEEP_LEAST {
            self.dead = true;
            meadow.sheep -= 1;
            return;
        }
        if let Some(lamb) = self.bear(meadow, meadow.rules.lamb) {
            meadow.grid.set_object_location(lamb, &lamb.at);
        }
        meadow.grid.set_object_location(*self, &self.at);
    }

    fn hunt(&mut self, meadow: &mut Meadow) {
        if let Some(sheep) = meadow.grid.get_objects_unbuffered(&self.at) {
            let eaten = sheep[below(meadow.numbers.next(), sheep.len() as u32) as usize];
            meadow.grid.remove_object_location(eaten, &self.at);
            meadow.eaten[eaten.id as usize] = true;
            meadow.sheep -= 1;
            self.energy += WolfSheep::SHEEP;
        }
        if self.energy < WolfSheep::WOLF_LEAST {
            self.dead = true;
            meadow.wolves -= 1;
            return;
        }
        self.bear(meadow, meadow.rules.cub);
    }
}

impl Agent for Animal {
    fn step(&mut self, state: &mut dyn State) {
        let meadow: &mut Meadow = state
            .as_any_mut()
            .downcast_mut()
            .expect("it is on a meadow");
        if meadow.eaten[self.id as usize] {
            self.dead = true;
            return;
        }
        self.walk(meadow);
        self.energy -= 1.0;
        if self.wolf {
            self.hunt(meadow);
        } else {
            self.graze(meadow);
        }
    }

    fn is_stopped(&mut self, _state: &mut dyn State) -> bool {
        self.dead
    }
}

struct Meadow {
    rules: WolfSheep,
    side: i32,
    grid: DenseGrid2D<Animal>,
    /// Steps until there is grass again, per place.
    grass: Vec<u16>,
    /// Whether a sheep was eaten since its last turn, by id; of wolves none is.
    eaten: Vec<bool>,
    /// Whose first turn is in the next step.
    born: Vec<Animal>,
    sheep: usize,
    wolves: usize,
    numbers: Stream,
}

impl Meadow {
    fn new(rules: WolfSheep, seed: u64) -> Self {
        let side = i32::from(rules.side);
        let mut numbers = Stream::new(seed);
        let grass = (0..usize::from(rules.side).pow(2)).map(|_| {
            let number = numbers.next();
            let later = 1 + below(number, rules.regrow.into()) as u16;
            if number & 1 == 0 { 0 } else { later }
        });
        Self {
            side,
            grid: DenseGrid2D::new(side, side),
            grass: grass.collect(),
            eaten: Vec::new(),
            born: Vec::new(),
            sheep: 0,
            wolves: 0,
            numbers,
            rules,
        }
    }

    fn grow(&mut self) {
        for grass in &mut self.grass {
            *grass = grass.saturating_sub(1);
        }
    }

    fn schedule(&mut self, schedule: &mut Schedule, animal: Animal, time: f32) {
        if animal.wolf {
            self.wolves += 1;
        } else {
            self.sheep += 1;
        }
        // Sheep have their turns before wolves.
        schedule.schedule_repeating(Box::new(animal), time, animal.wolf.into());
    }
}

impl State for Meadow {
    fn init(&mut self, schedule: &mut Schedule) {
        for id in 0..self.rules.sheep + self.rules.wolves {
            let wolf = id >= self.rules.sheep;
            let gain = if wolf {
                WolfSheep::SHEEP
            } else {
                WolfSheep::GRASS
            };
            let mut below = |bound: u32| below(self.numbers.next(), bound);
            let animal = Animal {
                id,
                wolf,
                dead: false,
                at: Int2D {
                    x: below(self.rules.side.into()).cast_signed(),
                    y: below(self.rules.side.into()).cast_signed(),
                },
                energy: f64::from(1 + below(2 * gain as u32)),
            };
            self.eaten.push(false);
            self.schedule(schedule, animal, 0.0);
        }
    }

    fn after_step(&mut self, schedule: &mut Schedule) {
        let time = schedule.time + 1.0;
        for animal in std::mem::take(&mut self.born) {
            self.schedule(schedule, animal, time);
        }
    }

    fn update(&mut self, step: u64) {
        // It is called once before the first step, too.
        if step > 0 {
            self.grow();
        }
        self.grid.lazy_update();
    }
    fn reset(&mut self) {}

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn as_state(&self) -> &dyn State {
        self
    }

    fn as_state_mut(&mut self) -> &mut dyn State {
        self
    }
}

/// Runs a meadow on one thread.
pub fn run(size: &WolfSheep, seed: u64) -> Outcome {
    let mut meadow = Meadow::new(*size, seed);
    let mut schedule = Schedule::new();
    meadow.init(&mut schedule);
    let took = timed(size.steps, |_| {
        let alive = meadow.sheep + meadow.wolves;
        schedule.step(&mut meadow);
        (alive, meadow.sheep + meadow.wolves)
    });
    let (sheep, wolves) = (meadow.sheep as u64, meadow.wolves as u64);
    Outcome {
        took,
        seen: Seen::Alive { sheep, wolves },
        hash: 0,
    }
}
