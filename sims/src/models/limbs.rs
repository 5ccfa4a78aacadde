//! New limbs are released; robots try them in a sandbox before they adopt them; and whoever loses the station that feeds it
//! finds another.
//!
//! A release is a message: the limb, and a sandbox in which it can be tried. Robots who have a new limb tell their friends.
//! One limb is better than what robots begin with, and one only says so. Every robot needs the channel that stations give;
//! a station that is taken away answers nobody, and the hungry ask the next in the listing. No operator does anything.

use crate::prelude::*;
use sandbox::{FACTORY, LIMBS, LOAD_MAX, Limb, tried};

pub mod sandbox;

agent! {
    /// A robot with a limb, in need of a station.
    pub struct Robot {
        /// What its joint has to move, in units of load.
        load: u64,
        /// The version of its limb.
        limb: u8,
        /// How well that limb works on it, of 1,000.
        works: u64,
        /// Whether it believes what limbs say of themselves.
        careless: bool,
        /// Whether it adopted a limb that it had not tried.
        untested: bool,
        /// Which versions it tried and did not want, a bit for each.
        refused: u8,
        /// How often it tried a limb.
        trials: u32,
        /// Which station of the listing it uses, or asks.
        at: u64,
        /// Whether that station feeds it.
        fed: bool,
        /// Whom it tells news: the first is its neighbour in a ring, so that news gets to everybody.
        friends: [AgentId; 4],
    }
    /// A station: what it gives, it gives to so many at once.
    pub struct Station { seats: u64, taken: u64 }
}

message! {
    /// There is a new limb.
    pub struct Release { version: u8 }
    /// Somebody wants to be fed by a station, or still is.
    pub struct Plug { new: bool }
}

world! {
    /// A fleet and its stations.
    pub struct Fleet {
        robots: Cohort<Robot>,
        stations: Cohort<Station>,
        news: Channel<Release>,
        plugs: Channel<Plug>,
        answers: Channel<bool>,
        /// All stations, as the indexer found them when the world was built.
        listing: Vec<AgentId>,
    }
}

params! {
    /// Robots hear of new limbs from one another and try them in a sandbox before they adopt them; a station is taken away and
    /// the hungry ones find others.
    pub struct Limbs {
        /// How many robots.
        robots: u64 = 1_000_u64, 1..=100_000_000, "robots", agents;
        /// How many stations.
        stations: u64 = 8_u64, 1..=10_000, "stations", fixed;
        /// What all stations but one can feed; with 1 or more, each of them can be missed.
        room: f64 = 1.05, 0.0..=1e6, "share of the robots", fixed;
        /// How many robots believe what a limb says of itself.
        careless: f64 = 0.0, 0.0..=1.0, "share", fixed;
        /// Whether robots try a limb before they adopt it; if not, they all believe what it says of itself.
        sandbox: bool = true, (), "";
        /// When both limbs are released.
        release: u64 = 20_u64, 0..=1_000_000_000, "tick";
        /// How many robots get to know each of them then.
        first: u64 = 3_u64, 0..=1_000_000, "robots";
        /// How likely a robot with a new limb tells a friend of it in a tick.
        tell: f64 = 0.3, 0.0..=1.0, "probability";
        /// When a station is taken away; 0 is never.
        fails: u64 = 60_u64, 0..=1_000_000_000, "tick";
        /// Which.
        station: u64 = 0_u64, 0..=9_999, "place in the listing";
    }
    small { robots: 100_u64, stations: 4_u64 }
}

/// After so many ticks without a station all are fed by others, if those have [room](Limbs::room): who was fed by it learns
/// it in the tick after, asks one station in each tick, and needs to ask each of the others once, because a station that was
/// full stays full.
pub const fn fed_again_within(stations: u64) -> u64 {
    stations
}

impl Model for Limbs {
    const NAME: &'static str = "limbs";
    const RULE: &'static str = "the essay's robotic limb; push gossip as in Demers et al. 1987, with a trial before belief";
    const STEPS: u64 = 120;
    type World = Fleet;

    fn build(&self, w: &mut Fleet, t: &mut Tick<'_>) {
        let others = self.stations.saturating_sub(1).max(1);
        let seats = libm::ceil(self.room * self.robots as f64 / others as f64);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a count, and a cast saturates"
        )]
        let seats = seats as u64;
        w.stations
            .spawn(t, self.stations, |_| Station { seats, taken: 0 });
        w.listing = w.stations.ids().collect();
        w.robots.spawn(t, self.robots, |vc| {
            let load = 1 + vc.below(LOAD_MAX);
            Robot {
                load,
                works: tried(&FACTORY, load).score(),
                careless: vc.chance(self.careless),
                at: vc.below(self.stations),
                ..Robot::default()
            }
        });
        let ids: Vec<_> = w.robots.ids().collect();
        w.robots.each(t, |robot, vc| {
            let next = (u64::from(vc.id().entry()) + 1) % self.robots;
            robot.friends = std::array::from_fn(|friend| match friend {
                0 => place(&ids, next),
                _ => place(&ids, vc.below(self.robots)),
            });
        });
        // A station hears all that it feeds, and perhaps all the hungry at once.
        w.plugs.bound(u32::MAX, Overflow::Fail);
        w.news.bound(64, Overflow::Drop);
    }

    fn tick(&self, w: &mut Fleet, t: &mut Tick<'_>) {
        if t.now() == self.fails {
            w.stations.remove(place(&w.listing, self.station));
        }
        if t.now() == self.release {
            self.release(w, t);
        }
        w.news.deliver(&mut w.robots);
        w.answers.deliver(&mut w.robots);
        w.robots.each(t, |robot, vc| {
            robot.fed = w.answers.of(vc).iter().any(|answer| answer.message);
            for news in w.news.of(vc) {
                let limb = LIMBS.get(usize::from(news.message.version));
                if let (true, Some(limb)) = (robot.fed, limb) {
                    self.judge(robot, limb);
                }
            }
        });
        let listed = (w.listing.len() as u64).max(1);
        w.robots.each_sending(
            t,
            (&mut w.plugs, &mut w.news),
            |robot, vc, (plugs, news)| {
                if !robot.fed {
                    robot.at = (robot.at + 1) % listed;
                }
                plugs.send(vc, place(&w.listing, robot.at), Plug { new: !robot.fed });
                if robot.limb != FACTORY.version && vc.chance(self.tell) {
                    let friend = place(&robot.friends, vc.below(4));
                    let version = robot.limb;
                    news.send(vc, friend, Release { version });
                }
            },
        );
        w.plugs.deliver(&mut w.stations);
        w.stations
            .each_sending(t, &mut w.answers, |station, vc, answers| {
                let draw = vc.random();
                let plugs = w.plugs.of(vc);
                let old = plugs.iter().filter(|plug| !plug.message.new);
                for plug in old.clone() {
                    answers.send(vc, plug.from, true);
                }
                station.taken = old.count() as u64;
                // Whoever is fed stays; the seats that are left go to the others by lot.
                let new = plugs.iter().filter(|plug| plug.message.new);
                let mut new: Vec<_> = new.map(|plug| plug.from).collect();
                new.sort_unstable_by_key(|&from| (crate::random::mix(draw ^ from.0), from));
                for from in new {
                    let free = station.taken < station.seats;
                    answers.send(vc, from, free);
                    station.taken += u64::from(free);
                }
            });
    }

    fn observe(&self, w: &Fleet, see: &mut Sample) {
        let with = |version| {
            w.robots
                .iter()
                .filter(|robot| robot.limb == version)
                .count() as f64
        };
        let all = w.robots.len().max(1) as f64;
        see.value("good", with(sandbox::GOOD.version) / all);
        see.value("bad", with(sandbox::BAD.version) / all);
        see.count("hungry", w.robots.iter().filter(|robot| !robot.fed).count());
        see.count(
            "trials",
            w.robots.iter().map(|robot| robot.trials as usize).sum(),
        );
        see.count(
            "untested",
            w.robots.iter().filter(|robot| robot.untested).count(),
        );
        let work = |robot: Robot| {
            if robot.fed { robot.works as f64 } else { 0.0 }
        };
        see.mean("work", w.robots.iter().map(work));
    }
}

/// Who is in this place of a list.
fn place(list: &[AgentId], at: u64) -> AgentId {
    let found = usize::try_from(at).ok().and_then(|at| list.get(at));
    found.copied().unwrap_or(AgentId::NOBODY)
}

impl Limbs {
    /// Some robots get to know of each new limb: whom, lots decide.
    fn release(&self, w: &mut Fleet, t: &mut Tick<'_>) {
        let ids: Vec<_> = w.robots.ids().collect();
        let mut lots = t.stream();
        for limb in &LIMBS[1..] {
            for _ in 0..self.first {
                let robot = place(&ids, lots.below(ids.len() as u64));
                w.news.post(
                    robot,
                    Release {
                        version: limb.version,
                    },
                );
            }
        }
    }

    /// Adopts a limb, or not.
    fn judge(&self, robot: &mut Robot, limb: &Limb) {
        let bit = 1 << limb.version;
        if limb.version == robot.limb || robot.refused & bit != 0 {
            return;
        }
        let works = tried(limb, robot.load).score();
        let tests = self.sandbox && !robot.careless;
        let better = if tests {
            robot.trials += 1;
            works > robot.works
        } else {
            LIMBS
                .iter()
                .any(|has| has.version == robot.limb && limb.claims > has.claims)
        };
        if better {
            (robot.limb, robot.works) = (limb.version, works);
            robot.untested |= !tests;
        } else {
            robot.refused |= bit;
        }
    }
}
