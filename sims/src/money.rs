//! The exchange of money: everyone begins with the same, and at each tick gives one unit to somebody.
//!
//! Rule: Drăgulescu and Yakovenko, "Statistical mechanics of money", Eur. Phys. J. B 17, 723 (2000), with
//! the smallest transfer. Money is conserved; its distribution tends to the exponential one, whose Gini
//! coefficient is 1/2.

use std::sync::Arc;

use actors::behaviour::{Behaviour, Fault};
use actors::birth::Birth;
use actors::clock::VirtualClock;
use actors::effects::{Contact, Effects};
use actors::letter::Letter;
use actors::natives::natives;
use actors::runtime::{Config, Runtime};
use actors::view::{Outgoing, Stats};
use genesis::channel::Channel;
use genesis::id::Digest;
use genesis::message::Kind;
use genesis::refusal::{Code, Refusal};
use genesis::seal::NodeSecret;
use genesis::time::Time;
use serde::{Deserialize, Serialize};

/// One who has money and gives it away. Its tick is a timer of its own.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Trader {
    money: u64,
    ticks_left: u64,
}

impl Trader {
    /// How long a tick is, in milliseconds of virtual time.
    pub const TICK_MS: u64 = 1;
    /// What everyone begins with.
    pub const MONEY: u64 = 10;
}

impl Behaviour for Trader {
    const NAME: &'static str = "trader";
    const GIVES: &'static [Channel] = &[Channel::MAIN, Channel::TIMER];
    const NEEDS: &'static [Channel] = &[
        Channel::known("medium/send"),
        Channel::known("medium/after"),
    ];

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self {
            money: Self::MONEY,
            ticks_left: 0,
        })
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        match (letter.kind, letter.contents.as_text()) {
            (Kind::Tell, Some("unit")) => self.money += 1,
            (Kind::Tell, Some("how much?")) => {
                effects.reply(self.money)?;
            }
            // The owner says for how many ticks to trade.
            (Kind::Tell, Some(ticks)) => {
                self.ticks_left = ticks
                    .parse()
                    .map_err(|_| Fault::malformed(format!("`{ticks}` is not a number of ticks")))?;
                effects.after(Self::TICK_MS, 0)?;
            }
            (Kind::Notice, _) if letter.channel == Channel::TIMER && self.ticks_left > 0 => {
                self.ticks_left -= 1;
                let others = u64::from(effects.contacts_len());
                if self.money > 0 && others > 0 {
                    self.money -= 1;
                    let at = u32::try_from(effects.random() % others).unwrap_or(0);
                    effects.send(Contact::Kept(at), "unit")?;
                }
                if self.ticks_left > 0 {
                    effects.after(Self::TICK_MS, 0)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// How a run went.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What everyone has at the end, in the order of birth.
    pub money: Vec<u64>,
    /// The traces of all, as one digest: equal for equal seeds.
    pub digest: Digest,
    /// Numbers of the runtime.
    pub stats: Stats,
}

impl Outcome {
    /// The Gini coefficient: 0 if all have the same, towards 1 if one has everything.
    pub fn gini(&self) -> f64 {
        let mut sorted = self.money.clone();
        sorted.sort_unstable();
        let total: u64 = sorted.iter().sum();
        let n = sorted.len() as u64;
        if total == 0 || n == 0 {
            return 0.0;
        }
        let weighted: u64 = sorted
            .iter()
            .zip(1..)
            .map(|(money, rank)| money * rank)
            .sum();
        2.0 * weighted as f64 / (n * total) as f64 - (n + 1) as f64 / n as f64
    }
}

/// Runs a world of `agents` traders for `ticks` ticks.
///
/// # Errors
/// [`Refusal`] if the runtime cannot be started.
pub async fn run(agents: u64, ticks: u64, seed: u64) -> Result<Outcome, Refusal> {
    let clock = Arc::new(VirtualClock::default());
    let runtime = Runtime::start(Config {
        seed,
        deterministic: true,
        natives: natives().with::<Trader>(),
        // The ids of a world are those of its seed, not of the node that happens to run it.
        ..Config::new(NodeSecret::new(Digest::of(&seed.to_le_bytes()).0), clock)
    })
    .await?;
    let outcome = trade(&runtime, agents, ticks).await;
    runtime.shutdown().await;
    outcome
}

async fn trade(runtime: &Runtime, agents: u64, ticks: u64) -> Result<Outcome, Refusal> {
    let ids = runtime
        .spawn_many(Birth::native("trader", ""), agents, true)
        .await?;
    for &id in &ids {
        runtime.send(Outgoing::new(id, ticks.to_string())).await?;
    }
    runtime
        .run_until(Time((ticks + 1) * Trader::TICK_MS))
        .await?;
    let mut money = Vec::with_capacity(ids.len());
    for &id in &ids {
        let answer = runtime.ask(Outgoing::new(id, "how much?"), 10_000).await?;
        let has = answer
            .reply
            .and_then(|reply| (*reply.contents).try_into().ok());
        money.push(has.map(u64::from_le_bytes).ok_or_else(|| {
            Refusal::new(Code::Internal, format!("{id} does not say what it has"))
        })?);
    }
    Ok(Outcome {
        money,
        digest: runtime.trace_digest().await?,
        stats: runtime.stats().await?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_same_seed_gives_the_same_world_and_money_is_conserved() {
        let mut digests = Vec::new();
        for seed in 0..8 {
            let (a, b) = (
                run(30, 100, seed).await.unwrap(),
                run(30, 100, seed).await.unwrap(),
            );
            assert_eq!(a, b, "seed {seed}");
            assert_eq!(a.money.iter().sum::<u64>(), 30 * Trader::MONEY);
            assert!(a.stats.turns > 30 * 100);
            digests.push(a.digest);
        }
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 8, "another seed is another world");
    }

    /// The stationary distribution is the exponential one (Drăgulescu and Yakovenko, §3): Gini 1/2. In
    /// whole units it is the geometric one, Gini (1 + m) / (1 + 2m) = 0.524 for a mean of m = 10; the mean
    /// over seeds is looked at, so that one unlucky seed does not decide.
    #[tokio::test(flavor = "multi_thread")]
    async fn inequality_tends_to_that_of_the_exponential_distribution() {
        let mut mean = 0.0;
        for seed in 0..8 {
            mean += run(60, 500, 100 + seed).await.unwrap().gini() / 8.0;
        }
        assert!((0.45..0.58).contains(&mean), "{mean}");
    }
}
