//! Everyone gives one unit to somebody, again and again: equals become unequal.

use crate::prelude::*;

agent! {
    /// One who has money and gives it away.
    pub struct Trader { money: u64 }
}

world! {
    /// The market: who trades, all of their addresses, and the units that are under way.
    pub struct Market { traders: Cohort<Trader>, known: Vec<AgentId>, units: Channel<()> }
}

params! {
    /// Everyone begins with the same and gives a unit to somebody in each tick, if there is one left: money is conserved, and
    /// its distribution tends to the exponential one.
    pub struct Money {
        /// How many trade.
        traders: u64 = 1_000_u64, 1..=100_000_000, "traders", agents;
        /// What everyone begins with.
        money: u64 = 10_u64, 0..=1_000_000, "units", fixed;
    }
}

impl Model for Money {
    const NAME: &'static str = "money";
    const RULE: &'static str = "Drăgulescu and Yakovenko 2000, with the smallest transfer";
    const STEPS: u64 = 1_000;
    type World = Market;

    fn build(&self, w: &mut Market, t: &mut Tick<'_>) {
        w.traders
            .spawn(t, self.traders, |_| Trader { money: self.money });
        w.known = w.traders.ids().collect();
    }

    fn tick(&self, w: &mut Market, t: &mut Tick<'_>) {
        w.traders
            .each_sending(t, &mut w.units, |trader, vc, units| {
                if trader.money > 0 {
                    trader.money -= 1;
                    let to = vc.one_of(&w.known);
                    units.send(vc, to, ());
                }
            });
        w.units.deliver(&mut w.traders);
        w.traders
            .each(t, |trader, vc| trader.money += w.units.of(vc).len() as u64);
    }

    /// `give 5`: so many units, from outside.
    fn hear(&self, w: &mut Market, to: AgentId, text: &str) -> Result<(), String> {
        let given = text.trim().strip_prefix("give ");
        let given: Option<u64> = given.and_then(|units| units.trim().parse().ok());
        let given = given.ok_or_else(|| format!("traders understand `give 5`, not `{text}`"))?;
        if let Some(trader) = w.traders.get(to) {
            let money = trader.money.checked_add(given);
            let money = money.ok_or("nobody can have that much")?;
            w.traders.set(to, Trader { money });
        }
        Ok(())
    }

    fn observe(&self, w: &Market, see: &mut Sample) {
        see.value("gini", gini(w.traders.iter().map(|trader| trader.money)));
        see.value(
            "money",
            w.traders.iter().map(|trader| trader.money as f64).sum(),
        );
        see.count(
            "poor",
            w.traders.iter().filter(|trader| trader.money == 0).count(),
        );
    }
}

/// The Gini coefficient: 0 if all have the same, towards 1 if one has everything.
pub fn gini(money: impl Iterator<Item = u64>) -> f64 {
    let mut sorted: Vec<u128> = money.map(u128::from).collect();
    sorted.sort_unstable();
    let (n, total) = (sorted.len() as f64, sorted.iter().sum::<u128>() as f64);
    if total == 0.0 {
        return 0.0;
    }
    let weighted = sorted
        .iter()
        .zip(1_u128..)
        .map(|(money, rank)| money * rank);
    2.0 * weighted.sum::<u128>() as f64 / (n * total) - (n + 1.0) / n
}
