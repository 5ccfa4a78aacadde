//! Runaways: they end by their purses, one command stops them, and who lives beside them hardly waits.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::cell::{Cell, RefCell};

use actors::behaviour::{Behaviour, Fault, Natives};
use actors::birth::Birth;
use actors::effects::{Contact, Effects};
use actors::events::EventKind;
use actors::letter::Letter;
use actors::life::Life;
use actors::runtime::{Config, Runtime};
use actors::view::{Brake, ListQuery, Outgoing, Summary, TopBy};
use common::{check_conserved, config, knowing, pass, puppet, registry, say, show, start, tell};
use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::limits::QUOTA;
use genesis::message::Kind;
use genesis::power::Grants;
use genesis::purse::{Coin, Purse};
use genesis::refusal::Code;
use genesis::wire;
use serde::{Deserialize, Serialize};

thread_local! {
    /// Turns of attackers. A worker is a thread, so this is of one runtime with one worker.
    static ATTACKS: Cell<u64> = const { Cell::new(0) };
    /// How many there had been when a neighbour sent its message.
    static SENT_AT: Cell<u64> = const { Cell::new(0) };
    /// How many there were between a neighbour's message and the turn that handled it.
    static WAITS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

fn attacked() {
    ATTACKS.set(ATTACKS.get() + 1);
}

/// A part of what is in a purse.
fn share(purse: Purse, of: u64) -> Purse {
    let mut share = Purse::EMPTY;
    for coin in Coin::ALL {
        let left = purse.left(coin);
        share.put(coin, if left == u64::MAX { left } else { left / of });
    }
    share
}

/// Gives birth to two of its kind, each with a third of what it had, and goes on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Bomb {
    purse: Purse,
}

impl Behaviour for Bomb {
    const NAME: &'static str = "bomb";
    const GIVES: &'static [Channel] = &[Channel::MAIN, Channel::START, Channel::TIMER];

    fn born(argument: &[u8]) -> Result<Self, Fault> {
        let purse = wire::decode(1, argument);
        Ok(Self {
            purse: purse.map_err(|error| Fault::malformed(error.to_string()))?,
        })
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind != Kind::Notice || letter.channel == Channel::DOWN {
            return Ok(());
        }
        attacked();
        for _ in 0..2 {
            let purse = share(self.purse, 3);
            let argument = wire::encode(1, &purse).unwrap();
            let mut birth = Birth::native(Self::NAME, argument);
            birth.grants = Grants::ALL;
            birth.purse = purse;
            effects.spawn(birth)?;
        }
        self.purse = share(self.purse, 3);
        effects.after(1, 0)
    }
}

/// Sends a hundred for each that it is sent.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Storm;

impl Behaviour for Storm {
    const NAME: &'static str = "storm";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind != Kind::Tell {
            return Ok(());
        }
        attacked();
        let to = match effects.contacts_len() {
            0 => Contact::Sender,
            _ => Contact::Kept(0),
        };
        (0..100).try_for_each(|_| effects.send(to, "hail").map(drop))
    }
}

/// Has an answer to everything.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Talker;

impl Behaviour for Talker {
    const NAME: &'static str = "talker";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        if letter.kind != Kind::Tell {
            return Ok(());
        }
        attacked();
        let to = match effects.contacts_len() {
            0 => Contact::Sender,
            _ => Contact::Kept(0),
        };
        effects.send(to, "as I was saying").map(drop)
    }
}

/// Sends a message back and forth with another, and notes how many turns of attackers come between.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Neighbour;

impl Behaviour for Neighbour {
    const NAME: &'static str = "neighbour";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self)
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        match (letter.kind, letter.contents.as_text()) {
            (Kind::Tell, Some("ball" | "play")) => {
                if letter.contents.as_text() == Some("ball") {
                    let waited = ATTACKS.get() - SENT_AT.get();
                    WAITS.with_borrow_mut(|waits| waits.push(waited));
                }
                SENT_AT.set(ATTACKS.get());
                let to = match effects.contacts_len() {
                    0 => Contact::Sender,
                    _ => Contact::Kept(0),
                };
                effects.send(to, "ball").map(drop)
            }
            (Kind::Tell, Some("waits")) => {
                // How many there were, and how long the longest was.
                let (count, most) =
                    WAITS.with_borrow(|waits| (waits.len(), waits.iter().max().copied()));
                effects
                    .reply(format!("{count} {}", most.unwrap_or_default()))
                    .map(drop)
            }
            (Kind::Tell, Some("begin anew")) => {
                WAITS.with_borrow_mut(Vec::clear);
                effects.reply("").map(drop)
            }
            _ => Ok(()),
        }
    }
}

fn natives() -> Natives {
    registry()
        .with::<Bomb>()
        .with::<Storm>()
        .with::<Talker>()
        .with::<Neighbour>()
}

fn seeded(seed: u64) -> Config {
    let mut config = config(seed);
    config.natives = natives();
    config
}

/// Many threads and no seed, as a node has them.
fn threaded(workers: usize) -> Config {
    let mut config = seeded(1);
    config.deterministic = false;
    config.workers = workers;
    config
}

const fn purse(fuel: u64, messages: u64, children: u64) -> Purse {
    Purse {
        fuel,
        messages,
        children,
        ..Purse::EMPTY
    }
}

/// A birth with this purse; a bomb is told what it has.
fn armed(kind: &str, purse: Purse) -> Birth {
    let argument = match kind {
        "bomb" => wire::encode(1, &purse).unwrap(),
        _ => Vec::new(),
    };
    let mut birth = Birth::native(kind, argument).granted(Grants::ALL);
    birth.purse = purse;
    birth
}

/// Those who attack; told to begin.
async fn attack(runtime: &Runtime, kind: &str, purse: Purse) -> Vec<VcId> {
    let first = runtime.spawn(armed(kind, purse)).await.unwrap();
    if kind == "bomb" {
        return vec![first];
    }
    let second = runtime
        .spawn(knowing(armed(kind, purse), &[first]))
        .await
        .unwrap();
    let begin = Outgoing::new(second, "begin");
    runtime.send(begin).await.unwrap();
    vec![first, second]
}

async fn all(runtime: &Runtime) -> Vec<Summary> {
    let mut rows = Vec::new();
    let mut query = ListQuery::default();
    loop {
        let page = runtime.list(query.clone()).await.unwrap();
        rows.extend(page.rows);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return rows,
        }
    }
}

const ATTACKS_OF: [(&str, Purse); 3] = [
    ("bomb", purse(3_000_000, 0, 600)),
    ("storm", purse(50_000_000, 3_000, 0)),
    ("talker", purse(50_000_000, 3_000, 0)),
];

/// A fork bomb, a storm of mail, and a conversation without end: each ends, because of its purse, and nothing
/// is lost or made by it.
#[tokio::test]
async fn runaways_end_by_their_purses() {
    for seed in 0..3 {
        for (kind, purse) in ATTACKS_OF {
            let mut config = seeded(seed);
            let clock = std::sync::Arc::new(actors::clock::VirtualClock::default());
            config.clock = clock.clone();
            let runtime = start(config).await;
            let bystander = runtime.spawn(puppet()).await.unwrap();
            let attackers = attack(&runtime, kind, purse).await;
            runtime.quiet().await.unwrap();
            pass(&runtime, clock.as_ref(), 10_000).await;
            let ended = all(&runtime).await;
            let ended: Vec<_> = ended
                .iter()
                .filter(|vc| vc.id != bystander && vc.name.is_none())
                .collect();
            let context = format!("{kind} {seed}");
            match kind {
                "bomb" => assert!(ended.len() > 100, "{context}: {}", ended.len()),
                _ => assert_eq!(ended.len(), attackers.len(), "{context}"),
            }
            // Of two who talk, one has the last word and the other still could.
            let stopped = ended.iter().filter(|vc| vc.life == Life::Stopped);
            let why: Vec<_> = stopped.map(|vc| vc.reason.as_deref()).collect();
            assert!(why.iter().all(|why| *why == Some("budget")), "{context}");
            match kind {
                "bomb" => assert_eq!(why.len(), ended.len(), "{context}"),
                _ => assert!(!why.is_empty(), "{context}"),
            }
            let stats = runtime.stats().await.unwrap();
            assert_eq!(stats.queued, 0, "{context}");
            if kind == "bomb" {
                let born = ended.len() as u64 - 1;
                assert!(born <= purse.children, "{context}: {born}");
            } else {
                let sent: u64 = show_sent(&runtime, &attackers).await;
                assert!(sent <= 2 * purse.messages, "{context}: {sent}");
            }
            check_conserved(&runtime, &context).await;
            assert_eq!(say(&runtime, bystander, "!reply fine").await, "fine");
            runtime.shutdown().await;
        }
    }
}

async fn show_sent(runtime: &Runtime, ids: &[VcId]) -> u64 {
    let mut sent = 0;
    for &id in ids {
        sent += show(runtime, id).await.sent;
    }
    sent
}

/// Two neighbours exchange messages at the worker of a runaway: between the sending of a message and its
/// handling come no more turns of others than one VC may take at a time, however many there are of the others.
#[tokio::test]
async fn neighbours_of_a_runaway_hardly_wait() {
    let endless = Purse::ENDLESS;
    let bounds = [
        ("bomb", purse(u64::MAX, 0, 5_000)),
        (
            "storm",
            Purse {
                messages: 20_000,
                ..endless
            },
        ),
        (
            "talker",
            Purse {
                messages: 20_000,
                ..endless
            },
        ),
    ];
    for (kind, purse) in bounds {
        let runtime = start(threaded(1)).await;
        let one = runtime.spawn(Birth::native("neighbour", "")).await.unwrap();
        let other = knowing(Birth::native("neighbour", ""), &[one]);
        let other = runtime.spawn(other).await.unwrap();
        runtime.send(Outgoing::new(other, "play")).await.unwrap();
        say(&runtime, one, "begin anew").await;
        let attackers = attack(&runtime, kind, purse).await;
        // Until the attack has ended: its purse is empty.
        let last = *attackers.last().unwrap();
        let stopped = async |id| show(&runtime, id).await.summary.life == Life::Stopped;
        while kind != "bomb" && !stopped(last).await && !stopped(attackers[0]).await {
            tokio::task::yield_now().await;
        }
        let mut born = 0;
        while kind == "bomb" && born < runtime.stats().await.unwrap().born {
            born = runtime.stats().await.unwrap().born;
        }
        let waits = say(&runtime, one, "waits").await;
        let (count, most) = waits.split_once(' ').unwrap();
        let (count, most): (u64, u64) = (count.parse().unwrap(), most.parse().unwrap());
        assert!(count > 100, "{kind}: {count} messages of neighbours");
        assert!(
            most <= 2 * u64::from(QUOTA),
            "{kind}: {most} turns of others, {count} messages"
        );
        runtime.shutdown().await;
    }
}

/// A bomb that would go on for long is stopped with all who descend from it, wherever they live, while it
/// goes off; its neighbours live on.
#[tokio::test]
async fn the_brake_stops_all_who_descend() {
    for workers in [1, 2, 4] {
        for by_name in [true, false] {
            let runtime = start(threaded(workers)).await;
            let bystander = runtime.spawn(puppet()).await.unwrap();
            let child = "!spawn puppet all fuel=1000 messages=10 children=0;reply";
            say(&runtime, bystander, child).await;
            let spared = show(&runtime, bystander).await.contacts[0].id;
            let birth = armed("bomb", purse(u64::MAX, 0, 60_000)).named("bomb");
            let bomb = runtime.spawn(birth).await.unwrap();
            let brake = Brake {
                pattern: (!by_name).then(|| "name in {bomb}".parse().unwrap()),
                ids: if by_name { vec![bomb] } else { Vec::new() },
            };
            let braked = runtime.brake(brake).await.unwrap();
            let born = runtime.stats().await.unwrap().born;
            assert!(braked.count >= 1, "{workers} {by_name}");
            assert_eq!(braked.matched, 1, "{workers} {by_name}");
            runtime.quiet().await.unwrap();
            check_conserved(&runtime, "braked").await;
            assert_eq!(
                runtime.stats().await.unwrap().born,
                born,
                "{workers} {by_name}: births after the brake"
            );
            let mut stopped = 0;
            for vc in all(&runtime).await {
                let lives = vc.life != Life::Stopped;
                let others = vc.id == bystander || vc.id == spared || vc.host == runtime.owner();
                assert_eq!(
                    lives,
                    others && vc.id != bomb,
                    "{workers} {by_name}: {vc:?}"
                );
                stopped += u64::from(vc.reason.as_deref() == Some("owner"));
            }
            assert_eq!(stopped, braked.count, "{workers} {by_name}");
            assert_eq!(say(&runtime, bystander, "!reply fine").await, "fine");
            runtime.shutdown().await;
        }
    }
}

/// The brake takes whom a pattern does and never the node's own; who is in a body stops with it.
#[tokio::test]
async fn the_brake_takes_what_the_pattern_says() {
    let runtime = start(seeded(1)).await;
    let mut host = puppet().named("host");
    host.parts.push(actors::birth::PartBirth {
        role: Some("inner".into()),
        code: actors::birth::CodeBirth::Computer(Box::new(puppet())),
    });
    let host = runtime.spawn(host).await.unwrap();
    let inner = runtime.resolve("host/inner").await.unwrap();
    let echo = runtime.spawn(Birth::native("echo", "")).await.unwrap();
    let by = |pattern: &str| Brake {
        pattern: Some(pattern.parse().unwrap()),
        ids: Vec::new(),
    };
    let nobody = runtime.brake(by("name in {nobody}")).await.unwrap();
    assert_eq!(nobody.count, 0);
    let braked = runtime.brake(by("name in {host}")).await.unwrap();
    let mut ids: Vec<_> = braked
        .stopped
        .iter()
        .map(|row| (row.id, row.matched))
        .collect();
    ids.sort_unstable_by_key(|(id, _)| *id == inner);
    assert_eq!(ids, [(host, true), (inner, false)]);
    let braked = runtime.brake(by("all")).await.unwrap();
    assert_eq!(braked.stopped.len(), 1);
    assert_eq!(braked.stopped[0].id, echo);
    assert_eq!(
        runtime.find("all", 10).await.unwrap().len(),
        2,
        "the node's own, and the host"
    );
    let why = runtime
        .brake(Brake {
            ids: vec![runtime.owner()],
            ..Brake::default()
        })
        .await
        .unwrap_err();
    assert_eq!(why.code, Code::Denied);
    runtime.shutdown().await;
}

/// A tenth left is said once for each coin, in its log and as an event; a gift fills the measure.
#[tokio::test]
async fn little_left_is_said_once() {
    let runtime = start(seeded(1)).await;
    let friend = runtime.spawn(puppet()).await.unwrap();
    let mut birth = knowing(puppet(), &[friend]);
    birth.purse = Purse {
        messages: 100,
        fuel: 100_000,
        ..Purse::ENDLESS
    };
    let id = runtime.spawn(birth).await.unwrap();
    let said = async || {
        let events = runtime.events().after(0, usize::MAX).events;
        let said = events
            .into_iter()
            .filter(|event| event.kind == EventKind::Purse);
        said.map(|event| event.data).collect::<Vec<_>>()
    };
    tell(&runtime, id, "!burst k0 89").await;
    assert!(said().await.is_empty());
    assert!(show(&runtime, id).await.summary.low.is_empty());
    tell(&runtime, id, "!burst k0 1").await;
    tell(&runtime, id, "!burst k0 1").await;
    assert_eq!(said().await, ["10 of 100 messages left"]);
    assert_eq!(show(&runtime, id).await.summary.low, [Coin::Messages]);
    let gift = Purse {
        messages: 191,
        ..Purse::EMPTY
    };
    let holds = runtime.fill_purse(id, gift).await.unwrap();
    assert_eq!(holds.messages, 200);
    assert!(show(&runtime, id).await.summary.low.is_empty());
    tell(&runtime, id, "!burst k0 180").await;
    assert_eq!(
        said().await,
        [
            "10 of 100 messages left",
            "given 191 messages",
            "20 of 200 messages left"
        ]
    );
    let lines = runtime.logs(id, 0, 10).await.unwrap().lines;
    let lines: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        lines,
        [
            "purse: 10 of 100 messages left",
            "purse: the owner gave 191 messages",
            "purse: 20 of 200 messages left"
        ]
    );
    let endless = Purse {
        messages: u64::MAX,
        ..Purse::EMPTY
    };
    runtime.fill_purse(id, endless).await.unwrap();
    tell(&runtime, id, "!burst k0 250").await;
    assert_eq!(said().await.len(), 4);
    runtime.stop_vc(id).await.unwrap();
    let why = runtime.fill_purse(id, gift).await.unwrap_err();
    assert_eq!(why.code, Code::Stopped);
    runtime.shutdown().await;
}

/// Who does most comes first, by whatever is asked for, and no more than were asked for.
#[tokio::test]
async fn the_busiest_come_first() {
    let runtime = start(seeded(1)).await;
    let mut ids = Vec::new();
    for n in 0..20 {
        let id = runtime.spawn(puppet()).await.unwrap();
        for _ in 0..n {
            tell(&runtime, id, "x").await;
        }
        ids.push(id);
    }
    for by in [TopBy::Rate, TopBy::Fuel] {
        let top = runtime.top(by, 3, 0).await.unwrap();
        let rows: Vec<_> = top
            .rows
            .iter()
            .map(|row| (row.summary.id, row.turns))
            .collect();
        let own = top.rows.iter().any(|row| row.summary.name.is_some());
        assert!(
            own || rows == [(ids[19], 19), (ids[18], 18), (ids[17], 17)],
            "{rows:?}"
        );
        assert_eq!(top.live, 22, "{by:?}");
        assert_eq!((top.rate, top.over_ms), (None, 0));
    }
    runtime.stop_vc(ids[19]).await.unwrap();
    let top = runtime.top(TopBy::Rate, 100, 0).await.unwrap();
    assert_eq!((top.live, top.stopped, top.rows.len()), (21, 1, 21));
    runtime.shutdown().await;
}
