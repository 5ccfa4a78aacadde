//! Honest VCs beside one that never comes back from a message: what they lose by it.
//!
//! Both states alternate in one runtime, so that a busy machine weighs on both. On the wall, because waiting
//! is what is looked for: CPU time would count what the hostile one burns elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actors::letter::Contents;
use actors::runtime::Runtime;
use actors::view::Outgoing;
use genesis::id::VcId;
use genesis::refusal::Code;
use tokio::task::{JoinHandle, JoinSet};

use crate::medium::ASK_MS;
use crate::parts;
use crate::sandboxed::{One, body, start};
use crate::time::{Stopwatch, per_second};

/// Honest VCs; more than workers, so that each worker has some.
const HONEST: u64 = 8;
/// How long whoever feeds the hostile one waits while its mailbox is full.
const FULL: Duration = Duration::from_millis(2);
/// Messages of one round through an honest VC.
const TELLS: u64 = 20_000;

/// What honest VCs did in one while.
#[derive(Clone, Copy, Debug, Default)]
pub struct Served {
    /// Messages in a second through one VC, sent without waiting for answers.
    pub messages_s: u64,
    /// Answers in a second to questions, each asked when the one before was answered.
    pub answers_s: u64,
    /// How long half of the questions waited at the most, in nanoseconds.
    pub half_ns: u64,
    /// How long 99 of 100 waited at the most, in nanoseconds.
    pub most_ns: u64,
}

/// A runtime with honest VCs and a hostile one.
#[derive(Debug)]
pub struct Company {
    runtime: Runtime,
    honest: Arc<[VcId]>,
    counter: One,
    hostile: VcId,
}

impl Company {
    /// With so many workers.
    ///
    /// # Panics
    /// If they are not born.
    pub async fn new(workers: usize) -> Self {
        let runtime = start(workers, None).await;
        let counter = One::of(runtime.clone(), vec![parts::counter()], 0).await;
        let birth = body(&runtime, vec![parts::echo()]).await;
        let honest = runtime.spawn_many(birth, HONEST, false).await;
        let birth = body(&runtime, vec![parts::hostile()]).await;
        let hostile = runtime.spawn(birth).await.expect("it looks harmless");
        Self {
            honest: honest.expect("parts are born").into(),
            counter,
            hostile,
            runtime,
        }
    }

    /// Sends messages to one honest VC, then lets a client of each of the others ask one question after the
    /// other; for so long each.
    ///
    /// # Panics
    /// If one of them is not served.
    pub async fn alone(&self, for_: Duration) -> Served {
        let (watch, mut told) = (Stopwatch::start(), 0);
        while watch.wall() < for_ {
            self.counter.tell(TELLS, parts::message(TELLS)).await;
            told += TELLS;
        }
        let messages_s = per_second(told, watch.wall());
        let watch = Stopwatch::start();
        let mut clients = JoinSet::new();
        for &id in self.honest.iter() {
            let runtime = self.runtime.clone();
            clients.spawn(async move {
                let mut waits = Vec::new();
                let contents = Contents::from(parts::message(0));
                while watch.wall() < for_ {
                    let asked = Stopwatch::start();
                    let question = Outgoing::new(id, contents.clone());
                    let answer = runtime.ask(question, ASK_MS).await;
                    let reply = answer.expect("it accepts").reply.expect("it replies");
                    assert!(reply.refusal().is_none(), "{:?}", reply.refusal());
                    waits.push(asked.wall());
                }
                waits
            });
        }
        let mut waits: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
        let took = watch.wall();
        waits.sort_unstable();
        let at = |part: usize| {
            let wait = waits.get(waits.len() * part / 100).copied();
            u64::try_from(wait.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
        };
        Served {
            messages_s,
            answers_s: per_second(waits.len() as u64, took),
            half_ns: at(50),
            most_ns: at(99),
        }
    }

    /// The same, while the hostile one has mail all the time.
    ///
    /// # Panics
    /// If it is refused for another reason than that it is busy.
    pub async fn beside(&self, for_: Duration) -> Served {
        let ends = Arc::new(AtomicBool::new(false));
        let feeding = self.feed(Arc::clone(&ends));
        // Until it is known for what it is.
        tokio::time::sleep(for_ / 4).await;
        let served = self.alone(for_).await;
        ends.store(true, Ordering::Relaxed);
        feeding.await.expect("it is fed");
        self.runtime.quiet().await.expect("it runs");
        served
    }

    fn feed(&self, ends: Arc<AtomicBool>) -> JoinHandle<()> {
        let (runtime, hostile) = (self.runtime.clone(), self.hostile);
        tokio::spawn(async move {
            while !ends.load(Ordering::Relaxed) {
                match runtime.send(Outgoing::new(hostile, "go")).await {
                    Ok(_) => {}
                    Err(why) => {
                        assert_eq!(why.code, Code::Busy, "{why:?}");
                        tokio::time::sleep(FULL).await;
                    }
                }
            }
        })
    }

    /// Ends the runtime.
    pub async fn end(self) {
        self.runtime.shutdown().await;
    }
}
