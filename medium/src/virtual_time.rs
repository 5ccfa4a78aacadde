//! What moves the time of a `--deterministic` node: requests, and nothing else.
//!
//! A request passes one at a time, in the order of arrival, and finds the node at rest: everything that
//! the requests before it began has come to its end, at the moment of virtual time at which they left
//! it. So what a request does depends on the seed and on the requests before it, never on how long
//! anybody took. Two requests move time: `POST /v1/run`, by as much as it says, and an ask that waits,
//! in steps of [`STEP_MS`] until its answer is there, at the most for as long as it waits.
//!
//! With `--paced` the time of day moves virtual time instead, and nothing is promised but a seeded order
//! within a step.
//!
//! # Known limits
//! A VC that keeps itself busy without end is never at rest: after [`REST_MS_MAX`] requests pass all the
//! same, and what they find is not reproducible. Which of two requests that are under way at one time
//! comes first is the clients' affair.

use std::sync::Arc;
use std::time::Duration;

use actors::clock::Clock;
use actors::runtime::Runtime;
use actors::view::{Answer, Outgoing};
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;
use tokio::sync::{Mutex, MutexGuard};

/// By how much an ask that waits moves time on at once, in milliseconds of virtual time.
pub const STEP_MS: u64 = 10;
/// How much virtual time one request may run, in milliseconds: 30 days; refuse.
pub const RUN_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;
/// How long a request waits for the node to come to rest, in milliseconds of real time.
pub const REST_MS_MAX: u64 = 5_000;
/// How long an ask waits in real time at the least, in milliseconds, so that a slow machine has the
/// time to run the virtual time there is.
const ASK_REAL_MS_MIN: u64 = 2_000;
/// How long a commit gets before time moves on, in milliseconds: to memory, and to a disk. An answer
/// that waits for one must not find that time has moved because the disk was slow.
const COMMIT_MS: (u64, u64) = (3, 10);
/// How many times as long the first one gets: most answers come without any time.
const FIRST: u32 = 5;
/// By how much time moves at once when the time of day moves it, in milliseconds.
const PACE_MS: u64 = 20;

/// What moves time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Time is that of the day.
    Real,
    /// Time is virtual, and moved by requests.
    Requests,
    /// Time is virtual, and keeps pace with that of the day: not reproducible.
    Clock,
}

/// The gate through which requests pass one by one where they move time.
#[derive(Debug)]
pub(crate) struct Gate {
    runtime: Runtime,
    clock: Arc<dyn Clock>,
    pace: Pace,
    /// Whether commits go to a disk.
    durable: bool,
    one: Mutex<()>,
}

impl Gate {
    pub(crate) fn new(runtime: Runtime, clock: Arc<dyn Clock>, pace: Pace, durable: bool) -> Self {
        Self {
            runtime,
            clock,
            pace,
            durable,
            one: Mutex::new(()),
        }
    }

    /// Waits until it is this request's turn and the node is at rest; the next passes when the guard is
    /// dropped. Where time is not the requests', nobody waits. Cancel-safe.
    pub(crate) async fn pass(&self) -> Option<MutexGuard<'_, ()>> {
        if self.pace != Pace::Requests {
            return None;
        }
        let turn = self.one.lock().await;
        let rest = Duration::from_millis(REST_MS_MAX);
        if tokio::time::timeout(rest, self.runtime.quiet())
            .await
            .is_err()
        {
            tracing::warn!("the node does not come to rest: what follows is not reproducible");
        }
        Some(turn)
    }

    /// Lets virtual time go on by so much; gives the time it is then.
    pub(crate) async fn run(&self, ms: u64) -> Result<Time, Refusal> {
        if self.pace != Pace::Requests {
            let what = "time moves by itself here: only virtual time can be run";
            return Err(Refusal::new(Code::Malformed, what)
                .hint("start the node with `--deterministic`, without `--paced`"));
        }
        if ms > RUN_MS_MAX {
            let what = format!("time runs at most {RUN_MS_MAX} ms at once, not {ms}");
            return Err(Refusal::new(Code::TooLarge, what).hint("ask again for the rest"));
        }
        self.runtime.run_until(self.clock.now().plus_ms(ms)).await?;
        Ok(self.clock.now())
    }

    /// Asks, and where time is the requests' lets it run while the answer is not there.
    pub(crate) async fn ask(&self, outgoing: Outgoing, wait_ms: u64) -> Result<Answer, Refusal> {
        if self.pace != Pace::Requests {
            return self.runtime.ask(outgoing, wait_ms).await;
        }
        let end = self.clock.now().plus_ms(wait_ms);
        let real_ms = ASK_REAL_MS_MIN + wait_ms + if self.durable { wait_ms / 2 } else { 0 };
        let asked = self.runtime.ask(outgoing, real_ms);
        let running = self.run_in_steps(end);
        tokio::pin!(asked, running);
        let answer = tokio::select! {
            biased; // an answer that is there needs no more time
            answer = &mut asked => {
                let unanswered = matches!(&answer, Ok(answer) if answer.reply.is_none());
                if unanswered {
                    // The machine was slower than the ask: time goes where it always goes.
                    running.await?;
                }
                return answer;
            }
            run = &mut running => {
                run?;
                asked.await
            }
        };
        answer
    }

    async fn run_in_steps(&self, end: Time) -> Result<(), Refusal> {
        // First what is due now.
        self.runtime.run_until(self.clock.now()).await?;
        tokio::time::sleep(self.commit() * FIRST).await;
        while self.clock.now() < end {
            let next = self.clock.now().plus_ms(STEP_MS).min(end);
            self.runtime.run_until(next).await?;
            // Whoever waits for an answer gets it before time goes on.
            tokio::time::sleep(self.commit()).await;
        }
        Ok(())
    }

    fn commit(&self) -> Duration {
        let (memory, disk) = COMMIT_MS;
        Duration::from_millis(if self.durable { disk } else { memory })
    }
}

/// Lets virtual time keep pace with the time of day, in steps, so that timers of a deterministic node
/// run out while somebody watches. What happens within a step is decided by the seed alone.
pub(crate) async fn keep_pace(runtime: Runtime, clock: Arc<dyn Clock>) {
    let mut steps = tokio::time::interval(Duration::from_millis(PACE_MS));
    steps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        steps.tick().await;
        // An error is the end of the runtime.
        let next = clock.now().plus_ms(PACE_MS);
        if runtime.run_until(next).await.is_err() {
            return;
        }
    }
}
