//! An illness in a town where everyone may meet everyone.

use crate::prelude::*;

agent! {
    /// Somebody.
    pub struct Person { is: u8 }
}

/// May become ill.
pub const SUSCEPTIBLE: u8 = 0;
/// Is ill and meets others.
pub const INFECTIOUS: u8 = 1;
/// Was ill.
pub const RECOVERED: u8 = 2;

world! {
    /// The town: who lives there, all of their addresses, and whom the ill have met. Who is not ill sleeps until it meets
    /// somebody who is.
    pub struct Town { people: Cohort<Person>, known: Vec<AgentId>, meetings: Channel<()> }
}

params! {
    /// The ill meet others at random until they recover; who was not ill before is ill then. Within a tick each has its own
    /// exponential times, so that neither final size nor chance of an outbreak depends on how long a tick is.
    pub struct Sir {
        /// How many live there.
        people: u64 = 10_000_u64, 1..=100_000_000, "people", agents;
        /// How many of them are ill at first.
        ill: u64 = 1_u64, 0..=100_000_000, "people", fixed;
        /// How many others somebody meets while ill, in the mean: the basic reproduction number.
        r0: f64 = 2.0, 0.0..=100.0, "people";
        /// How long somebody is ill, in the mean.
        days: f64 = 10.0, 0.01..=10_000.0, "ticks";
    }
}

impl Model for Sir {
    const NAME: &'static str = "sir";
    const RULE: &'static str =
        "Kermack and McKendrick 1927, with exponential times (Bartlett 1949)";
    const STEPS: u64 = 300;
    type World = Town;

    fn build(&self, w: &mut Town, t: &mut Tick<'_>) {
        w.people.spawn(t, self.people, |vc| {
            let ill = u64::from(vc.id().entry()) < self.ill;
            if !ill {
                vc.sleep();
            }
            let is = if ill { INFECTIOUS } else { SUSCEPTIBLE };
            Person { is }
        });
        w.known = w.people.ids().collect();
    }

    fn tick(&self, w: &mut Town, t: &mut Tick<'_>) {
        let (rate, recovers) = ((self.r0 + 1.0) / self.days, 1.0 / (self.r0 + 1.0));
        // Those who are awake are those who are ill.
        w.people
            .each_sending(t, &mut w.meetings, |person, vc, meetings| {
                let mut now = vc.waiting(1.0 / rate);
                while now < 1.0 {
                    if vc.chance(recovers) {
                        person.is = RECOVERED;
                        return vc.sleep();
                    }
                    let whom = vc.one_of(&w.known);
                    meetings.send(vc, whom, ());
                    now += vc.waiting(1.0 / rate);
                }
            });
        w.meetings.deliver(&mut w.people);
        w.people.each(t, |person, vc| {
            if person.is == SUSCEPTIBLE && !w.meetings.of(vc).is_empty() {
                person.is = INFECTIOUS;
            } else if person.is != INFECTIOUS {
                vc.sleep();
            }
        });
    }

    fn observe(&self, w: &Town, see: &mut Sample) {
        let mut count = [0; 3];
        w.people
            .iter()
            .for_each(|person| count[usize::from(person.is)] += 1);
        see.count("s", count[usize::from(SUSCEPTIBLE)]);
        see.count("i", count[usize::from(INFECTIOUS)]);
        see.count("r", count[usize::from(RECOVERED)]);
    }

    fn is_over(&self, w: &Town) -> bool {
        w.people.asleep() == w.people.len() && w.meetings.counts().parked == 0
    }

    /// `meet`: somebody ill has met this one.
    fn hear(&self, w: &mut Town, to: AgentId, text: &str) -> Result<(), String> {
        if text != "meet" {
            return Err(format!(
                "`{text}` means nothing to people: they understand `meet`"
            ));
        }
        w.meetings.post(to, ());
        Ok(())
    }
}
