//! Birds that fly as their neighbours do.

use crate::prelude::*;

agent! { /** A bird. */ pub struct Bird { pos: P2, vel: V2 } }
world! { /** The sky on a torus. */ pub struct Sky { birds: Cohort<Bird>, sight: Near<Bird> } }

params! {
    /// Birds on a torus steer towards their neighbours, as they do, and away from those too near.
    pub struct Flocking = "flocking", "Reynolds 1987, as JuliaDynamics compare it", presets [small, large] {
        /// How many birds.
        birds: u64 = [200, 400], 1..=100_000_000, "birds", agents;
        /// The side of the torus.
        side: f64 = [100.0, 150.0], 1.0..=1e6, "m", side;
        /// How far a bird sees.
        vision: f64 = [5.0, 15.0], 0.1..=1e4, "m";
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
}

impl Model for Flocking {
    type World = Sky;

    fn build(&self, Sky { birds, .. }: &mut Sky, t: &mut Tick<'_>) {
        birds.spawn(t, self.birds, |vc| Bird {
            pos: vc.point(self.side, self.side),
            vel: V2::new(vc.between(-1.0, 1.0), vc.between(-1.0, 1.0)),
        });
    }

    fn tick(&self, Sky { birds, sight }: &mut Sky, t: &mut Tick<'_>) {
        let sky = Plane::torus(self.side, self.side);
        sight.look(t, birds, sky, self.vision, |bird| bird.pos);
        birds.each(t, |bird, vc| {
            let (mut together, mut apart, mut alike) = (V2::ZERO, V2::ZERO, V2::ZERO);
            let near = sight.others(vc, |way, other| {
                together += way;
                alike += other.vel;
                if way.len2() < self.separation * self.separation {
                    apart -= way;
                }
            });
            let steer = together * self.cohere + apart * self.separate + alike * self.align;
            bird.vel = (bird.vel + steer / f64::from(near.max(1))).unit();
            bird.pos = sky.place(bird.pos + bird.vel * self.speed);
        });
    }

    fn observe(&self, Sky { birds, .. }: &Sky, see: &mut Sample) {
        let sum = birds.iter().fold(V2::ZERO, |sum, bird| sum + bird.vel);
        see.value("order", sum.len() / birds.len() as f64);
    }
}
