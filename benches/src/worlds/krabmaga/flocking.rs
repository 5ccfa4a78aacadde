//! Birds in a `Field2D` of boxes as wide as a bird sees.
//!
//! With boxes smaller than that, as in its examples, it does not find all neighbours. At the edges of the torus it
//! never does: its search ends there, although its distance does not. So each bird near an edge has up to half of
//! its work spared, 8 % of all pairs at `large` and 0.2 % at a million birds. That is left as it is.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};

use krabmaga::engine::agent::Agent;
use krabmaga::engine::fields::field::Field as _;
use krabmaga::engine::fields::field_2d::{
    Field2D, Location2D, toroidal_distance, toroidal_transform,
};
use krabmaga::engine::location::Real2D;
use krabmaga::engine::schedule::Schedule;
use krabmaga::engine::state::State;

use crate::worlds::arrays::random::mix;
use crate::worlds::{Flocking, Outcome, Seen, timed};

/// Weights of the rule, in its numbers.
const COHERE: f32 = Flocking::COHERE as f32;
const SEPARATE: f32 = Flocking::SEPARATE as f32;
const MATCH: f32 = Flocking::MATCH as f32;
const SEPARATION: f32 = Flocking::SEPARATION as f32;
const SPEED: f32 = Flocking::SPEED as f32;

#[derive(Clone, Copy, Debug)]
struct Bird {
    id: u32,
    at: Real2D,
    velocity: Real2D,
}

impl Hash for Bird {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.id.hash(hasher);
    }
}

impl PartialEq for Bird {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Bird {}

impl fmt::Display for Bird {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bird {}", self.id)
    }
}

impl Location2D<Real2D> for Bird {
    fn get_location(self) -> Real2D {
        self.at
    }

    fn set_location(&mut self, at: Real2D) {
        self.at = at;
    }
}

impl Agent for Bird {
    fn step(&mut self, state: &mut dyn State) {
        let flock: &Flock = state.as_any().downcast_ref().expect("birds are in a flock");
        let (mut way, mut apart, mut velocities) = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0));
        let mut count = 0.0_f32;
        for other in flock
            .field
            .get_neighbors_within_distance(self.at, flock.vision)
        {
            if other.id == self.id {
                continue;
            }
            let x = toroidal_distance(other.at.x, self.at.x, flock.side);
            let y = toroidal_distance(other.at.y, self.at.y, flock.side);
            count += 1.0;
            way = (way.0 + x, way.1 + y);
            velocities = (
                velocities.0 + other.velocity.x,
                velocities.1 + other.velocity.y,
            );
            if x * x + y * y < SEPARATION * SEPARATION {
                apart = (apart.0 - x, apart.1 - y);
            }
        }
        let weight = 1.0 / count.max(1.0);
        let turn = |way: f32, apart: f32, velocities: f32| {
            (way * COHERE + apart * SEPARATE + velocities * MATCH) * weight
        };
        let x = self.velocity.x + turn(way.0, apart.0, velocities.0);
        let y = self.velocity.y + turn(way.1, apart.1, velocities.1);
        let scale = SPEED / (x * x + y * y).sqrt();
        (self.velocity.x, self.velocity.y) = (x * scale, y * scale);
        self.at.x = toroidal_transform(self.at.x + self.velocity.x, flock.side);
        self.at.y = toroidal_transform(self.at.y + self.velocity.y, flock.side);
        flock.field.set_object_location(*self, self.at);
    }
}

struct Flock {
    field: Field2D<Bird>,
    start: Vec<Bird>,
    side: f32,
    vision: f32,
}

impl State for Flock {
    fn init(&mut self, schedule: &mut Schedule) {
        for bird in self.start.drain(..) {
            self.field.set_object_location(bird, bird.at);
            schedule.schedule_repeating(Box::new(bird), 0.0, 0);
        }
    }

    fn update(&mut self, _step: u64) {
        self.field.lazy_update();
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

/// Runs a flock on one thread.
pub fn run(size: &Flocking, seed: u64) -> Outcome {
    let (side, vision) = (size.side as f32, size.vision as f32);
    let place = |[x, y, u, v]: [f64; 4]| {
        let (x, y) = (
            toroidal_transform(x as f32, side),
            toroidal_transform(y as f32, side),
        );
        let velocity = Real2D {
            x: u as f32,
            y: v as f32,
        };
        (Real2D { x, y }, velocity)
    };
    let start = size.start(seed).map(place).zip(0..);
    let mut flock = Flock {
        field: Field2D::new(side, side, vision, true),
        start: start
            .map(|((at, velocity), id)| Bird { id, at, velocity })
            .collect(),
        side,
        vision,
    };
    let mut schedule = Schedule::new();
    flock.init(&mut schedule);
    let took = timed(size.steps, |_| {
        schedule.step(&mut flock);
        (schedule.events.len(), schedule.events.len())
    });
    let mut birds: Vec<Bird> = Vec::new();
    for (agent, _) in schedule.events.iter() {
        birds.extend(agent.agent.downcast_ref::<Bird>());
    }
    birds.sort_unstable_by_key(|bird| bird.id);
    let column = |of: fn(&Bird) -> f32| birds.iter().map(|bird| f64::from(of(bird))).collect();
    let (x, y): (Vec<f64>, Vec<f64>) = (column(|bird| bird.at.x), column(|bird| bird.at.y));
    let u: Vec<f64> = column(|bird| bird.velocity.x);
    let v: Vec<f64> = column(|bird| bird.velocity.y);
    Outcome {
        took,
        seen: Seen::order(size, &x, &y, &u, &v),
        hash: x
            .iter()
            .chain(&y)
            .fold(seed, |hash, at| mix(hash ^ at.to_bits())),
    }
}
