//! Birds that fly as their neighbours do.

use crate::prelude::*;

agent! {
    /// A bird.
    pub struct Bird { pos: P2, vel: V2 }
}

world! {
    /// The sky on a torus.
    pub struct Sky { birds: Cohort<Bird>, sight: Near<Bird> }
}

params! {
    /// Birds on a torus steer towards their neighbours, as they do, and away from those too near.
    pub struct Flocking {
        /// How many birds.
        birds: u64 = 400_u64, 1..=100_000_000, "birds", agents;
        /// The side of the torus.
        side: f64 = 150.0, 1.0..=1e6, "m", side;
        /// How far a bird sees.
        vision: f64 = 15.0, 0.1..=1e4, "m";
        /// How far it flies in a tick.
        speed: f64 = 1.0, 0.0..=10.0, "m";
        /// How near is too near.
        separation: f64 = 1.0, 0.0..=100.0, "m";
        /// How strongly it steers towards its neighbours.
        cohere: f64 = 0.03, 0.0..=1.0, "share";
        /// How strongly it steers away from those too near.
        separate: f64 = 0.015, 0.0..=1.0, "share";
        /// How strongly it steers as they do.
        align: f64 = 0.05, 0.0..=1.0, "share";
    }
    small { birds: 200_u64, side: 100.0, vision: 5.0 }
    large { birds: 400_u64, side: 150.0, vision: 15.0 }
}

impl Model for Flocking {
    const NAME: &'static str = "flocking";
    const RULE: &'static str = "Reynolds 1987, in the form of Agents.jl's ABMFrameworksComparison";
    type World = Sky;

    fn build(&self, w: &mut Sky, t: &mut Tick<'_>) {
        w.birds.spawn(t, self.birds, |vc| Bird {
            pos: vc.point(self.side, self.side),
            vel: V2::new(vc.between(-1.0, 1.0), vc.between(-1.0, 1.0)),
        });
    }

    fn tick(&self, w: &mut Sky, t: &mut Tick<'_>) {
        let plane = Plane::torus(self.side, self.side);
        let near2 = self.separation * self.separation;
        w.sight
            .look(t, &mut w.birds, plane, self.vision, |bird| bird.pos);
        w.birds.each(t, |bird, vc| {
            let (mut n, mut together, mut apart, mut alike) =
                (0.0_f64, V2::ZERO, V2::ZERO, V2::ZERO);
            w.sight.others(vc, |way, other| {
                n += 1.0;
                together += way;
                alike += other.vel;
                if way.len2() < near2 {
                    apart -= way;
                }
            });
            let steer = together * self.cohere + apart * self.separate + alike * self.align;
            bird.vel = (bird.vel + steer / n.max(1.0)).unit();
            bird.pos = plane.place(bird.pos + bird.vel * self.speed);
        });
    }

    fn observe(&self, w: &Sky, see: &mut Sample) {
        let sum = w.birds.iter().fold(V2::ZERO, |sum, bird| sum + bird.vel);
        see.value("order", sum.len() / w.birds.len() as f64);
    }
}
