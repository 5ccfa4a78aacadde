//! Neighbours of runaways: how long they wait beside a fork bomb, a storm of mail and a conversation without end.
//!
//! Calm and attack alternate in one runtime, so that a busy machine weighs on both. On the wall, because waiting is
//! what is looked for.

use std::time::Duration;

use actors::behaviour::{Behaviour, Fault};
use actors::birth::Birth;
use actors::effects::{Contact, Effects};
use actors::letter::Letter;
use actors::life::Life;
use actors::runtime::Runtime;
use actors::view::{Brake, ListQuery, Outgoing};
use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::message::Kind;
use genesis::power::Grants;
use genesis::purse::{Coin, Purse};
use genesis::wire;
use serde::{Deserialize, Serialize};

use crate::medium::{ASK_MS, config};
use crate::time::Stopwatch;

/// Neighbours, more than workers, so that each worker has some.
const NEIGHBOURS: u64 = 8;
/// How long whoever asks pauses between two questions.
const PAUSE: Duration = Duration::from_millis(1);
/// Births that one bomb's purse pays for.
const CHILDREN: u64 = 5_000;
/// Messages that each purse of a storm, or of a conversation, pays for.
const MESSAGES: u64 = 100_000;
/// The version byte of a bomb's argument.
const VERSION: u8 = 1;

/// Gives birth to two of its kind, each with a third of what it had.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Bomb(u64);

impl Behaviour for Bomb {
    const NAME: &'static str = "bench-bomb";
    const GIVES: &'static [Channel] = &[Channel::MAIN, Channel::START];

    fn born(argument: &[u8]) -> Result<Self, Fault> {
        let children = wire::decode(VERSION, argument);
        Ok(Self(
            children.map_err(|error| Fault::malformed(error.to_string()))?,
        ))
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.channel != Channel::START {
            return Ok(());
        }
        // Half of what it has goes to each; what is too much for the purse ends it.
        let half = self.0 / 2;
        effects.spawn(armed_bomb(half)?)?;
        effects.spawn(armed_bomb(half)?).map(drop)
    }
}

fn armed_bomb(children: u64) -> Result<Birth, Fault> {
    let argument = wire::encode(VERSION, &children);
    let argument = argument.map_err(|error| Fault::malformed(error.to_string()))?;
    let mut birth = Birth::native(Bomb::NAME, argument).granted(Grants::ALL);
    birth.purse = Purse {
        children: children.saturating_sub(2),
        ..Purse::ENDLESS
    };
    Ok(birth)
}

/// Sends a hundred for each that it is sent.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Storm;

/// Has an answer to everything.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Talker;

/// Answers a message with so many, to whom it knows or to its sender.
fn answer(letter: &Letter, effects: &mut Effects<'_>, many: u32) -> Result<(), Fault> {
    if letter.kind != Kind::Tell {
        return Ok(());
    }
    let to = match effects.contacts_len() {
        0 => Contact::Sender,
        _ => Contact::Kept(0),
    };
    (0..many).try_for_each(|_| effects.send(to, "and").map(drop))
}

impl Behaviour for Storm {
    const NAME: &'static str = "bench-storm";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        answer(letter, effects, 100)
    }
}

impl Behaviour for Talker {
    const NAME: &'static str = "bench-talker";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        answer(letter, effects, 1)
    }
}

/// An attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// VCs that give birth to more of their kind.
    Bomb,
    /// Two that send each other ever more.
    Storm,
    /// Two that answer each other.
    Talk,
}

impl Attack {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bomb, Self::Storm, Self::Talk];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bomb => "bomb",
            Self::Storm => "storm",
            Self::Talk => "talk",
        }
    }

    /// Begins, with a purse that ends it; those who began.
    async fn begin(self, runtime: &Runtime) -> Vec<VcId> {
        let spawn = async |birth| runtime.spawn(birth).await.expect("it looks harmless");
        let pair = match self {
            Self::Bomb => {
                let bomb = armed_bomb(CHILDREN).expect("a number is encoded");
                return vec![spawn(bomb).await];
            }
            Self::Storm => Storm::NAME,
            Self::Talk => Talker::NAME,
        };
        let mut birth = Birth::native(pair, "").granted(Grants::ALL);
        birth.purse.messages = MESSAGES;
        let one = spawn(birth.clone()).await;
        birth.contacts.push((None, one));
        let other = spawn(birth).await;
        let begun = runtime.send(Outgoing::new(other, "begin")).await;
        begun.expect("it is taken");
        vec![one, other]
    }
}

/// How long neighbours waited in one while, and what attacked them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waited {
    /// Questions that were asked, and answered.
    pub asked: usize,
    /// How long half of them took at the most, in nanoseconds.
    pub half_ns: u64,
    /// How long 99 of 100 took at the most, in nanoseconds.
    pub most_ns: u64,
    /// Attacks that began, one after the other, each when the purse of the one before had ended it.
    pub attacks: u64,
    /// Turns that everybody took.
    pub turns: u64,
}

/// A runtime with neighbours, whoever may move in.
#[derive(Debug)]
pub struct Street {
    runtime: Runtime,
    neighbours: Vec<VcId>,
}

impl Street {
    /// With so many workers.
    ///
    /// # Panics
    /// If it does not begin.
    pub async fn new(workers: usize) -> Self {
        let mut config = config(None);
        config.workers = workers;
        config.natives = { config.natives }
            .with::<Bomb>()
            .with::<Storm>()
            .with::<Talker>();
        let runtime = Runtime::start(config).await.expect("a new runtime starts");
        let echo = Birth::native("echo", "");
        let neighbours = runtime.spawn_many(echo, NEIGHBOURS, false).await;
        Self {
            neighbours: neighbours.expect("echoes are born"),
            runtime,
        }
    }

    /// Asks neighbours one question after the other for so long, while nobody attacks or somebody does.
    ///
    /// # Panics
    /// If a neighbour does not answer.
    pub async fn waits(&self, attack: Option<Attack>, for_: Duration) -> Waited {
        let turns = self.turns().await;
        let watch = Stopwatch::start();
        let (mut waits, mut waited) = (Vec::new(), Waited::default());
        let mut attackers: Vec<VcId> = Vec::new();
        let mut begun = 0;
        while watch.wall() < for_ {
            if let Some(attack) = attack
                && self.have_ended(&attackers, &mut begun).await
            {
                self.clear(&attackers).await;
                attackers = attack.begin(&self.runtime).await;
                waited.attacks += 1;
            }
            for &id in &self.neighbours {
                let asked = Stopwatch::start();
                let answer = self.runtime.ask(Outgoing::new(id, "?"), ASK_MS).await;
                let reply = answer.expect("it accepts").reply.expect("it replies");
                assert!(reply.refusal().is_none(), "{:?}", reply.refusal());
                waits.push(asked.wall());
                tokio::time::sleep(PAUSE).await;
            }
        }
        waited.turns = self.turns().await - turns;
        self.clear(&attackers).await;
        waits.sort_unstable();
        let at = |part: usize| {
            let wait = waits.get(waits.len() * part / 100).copied();
            u64::try_from(wait.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
        };
        waited.asked = waits.len();
        waited.half_ns = at(50);
        waited.most_ns = at(99);
        waited
    }

    /// Whether an attack is over: a bomb when nobody was born since this was last asked, a pair when the purse
    /// of one of them has ended it.
    async fn have_ended(&self, attackers: &[VcId], born: &mut u64) -> bool {
        if attackers.len() > 1 {
            for &id in attackers {
                let portrait = self.runtime.show(id).await.expect("it is there");
                if portrait.summary.life == Life::Stopped {
                    return true;
                }
            }
            return false;
        }
        let now = self.runtime.stats().await.expect("it runs").born;
        std::mem::replace(born, now) == now || attackers.is_empty()
    }

    /// Stops what is left of an attack, and removes it: the next begins in a runtime like this one did.
    async fn clear(&self, attackers: &[VcId]) {
        if attackers.is_empty() {
            return;
        }
        let brake = Brake {
            ids: attackers.to_vec(),
            ..Brake::default()
        };
        self.runtime.brake(brake).await.expect("the brake works");
        let mut query = ListQuery {
            pattern: "life in {stopped}".parse().ok(),
            ..ListQuery::default()
        };
        loop {
            let page = self.runtime.list(query.clone()).await;
            let page = page.expect("it runs");
            for row in page.rows {
                let removed = self.runtime.remove(row.id).await;
                removed.expect("it is stopped");
            }
            let Some(next) = page.next else { return };
            query.after = Some(next);
        }
    }

    async fn turns(&self) -> u64 {
        self.runtime.stats().await.expect("it runs").turns
    }

    /// How long the brake takes on a bomb that goes off: the time, and how many it stopped.
    ///
    /// # Panics
    /// If it fails.
    pub async fn brake(&self) -> (Duration, u64) {
        let mut bomb = armed_bomb(CHILDREN).expect("a number is encoded");
        bomb.purse.put(Coin::Children, CHILDREN);
        let bomb = self.runtime.spawn(bomb).await.expect("it looks harmless");
        let watch = Stopwatch::start();
        let brake = Brake {
            ids: vec![bomb],
            ..Brake::default()
        };
        let braked = self.runtime.brake(brake).await.expect("the brake works");
        (watch.wall(), braked.count)
    }

    /// Ends the runtime.
    pub async fn end(self) {
        self.runtime.shutdown().await;
    }
}
