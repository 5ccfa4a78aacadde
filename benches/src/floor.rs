//! The floor: a Tokio task and a bounded channel per VC, and nothing else.

use std::sync::{Arc, OnceLock};

use tokio::sync::{mpsc, oneshot};

use crate::work::{CHANNEL_LEN_MAX, Count, FLEET, Finish, Token};

/// What a task is told.
#[derive(Debug)]
pub enum Told {
    /// To count.
    Count(u64),
    /// To pass a token on.
    Pass(u64),
    /// To answer.
    Ask(u64, oneshot::Sender<u64>),
}

type Senders = Arc<OnceLock<Vec<mpsc::Sender<Told>>>>;

async fn work(mut told: mpsc::Receiver<Told>, fleet: Senders, finish: Arc<Finish>) {
    let mut count = Count::default();
    while let Some(told) = told.recv().await {
        match told {
            Told::Count(last) => {
                if count.one_more(last) {
                    finish.hit();
                }
            }
            Told::Pass(token) => {
                count.0 += 1;
                match Token::from_u64(token).hop() {
                    Some((to, token)) => {
                        let fleet = fleet.get().map(Vec::as_slice).unwrap_or_default();
                        let told = Told::Pass(token.to_u64());
                        // The round is over when a receiver is gone.
                        let _ = fleet[to as usize].send(told).await;
                    }
                    None => finish.hit(),
                }
            }
            Told::Ask(number, answer) => {
                count.0 += 1;
                // Nobody waits any more: then nobody needs to know.
                let _ = answer.send(number + 1);
            }
        }
    }
}

/// One receiver.
#[derive(Clone, Debug)]
pub struct One {
    sender: mpsc::Sender<Told>,
    finish: Arc<Finish>,
}

impl One {
    /// A task; it ends when this is dropped. Must be called inside a Tokio runtime.
    pub fn new() -> Self {
        let (sender, receiver) = mpsc::channel(CHANNEL_LEN_MAX.0);
        let finish = Arc::new(Finish::new());
        tokio::spawn(work(receiver, Senders::default(), Arc::clone(&finish)));
        Self { sender, finish }
    }

    /// Sends so many messages and waits until all are handled.
    ///
    /// # Panics
    /// If the task has ended.
    pub async fn tell(&self, count: u64) {
        self.finish.expect(1);
        for _ in 0..count {
            let sent = self.sender.send(Told::Count(count)).await;
            sent.expect("it lives");
        }
        self.finish.wait().await;
    }

    /// Asks one question and waits for the answer.
    ///
    /// # Panics
    /// If there is none.
    pub async fn ask(&self, number: u64) -> u64 {
        let (answer, receiver) = oneshot::channel();
        let sent = self.sender.send(Told::Ask(number, answer)).await;
        sent.expect("it lives");
        receiver.await.expect("it replies")
    }
}

impl Default for One {
    fn default() -> Self {
        Self::new()
    }
}

/// Many tasks that know each other.
#[derive(Debug)]
pub struct Fleet {
    senders: Senders,
    finish: Arc<Finish>,
    tasks: tokio::task::JoinSet<()>,
}

impl Fleet {
    /// A fleet of [`FLEET`]; it ends when this is dropped. Must be called inside a Tokio runtime.
    pub fn new() -> Self {
        let senders = Senders::default();
        let finish = Arc::new(Finish::new());
        let mut tasks = tokio::task::JoinSet::new();
        let mut all = Vec::with_capacity(FLEET as usize);
        for _ in 0..FLEET {
            let (sender, receiver) = mpsc::channel(CHANNEL_LEN_MAX.1);
            tasks.spawn(work(receiver, Arc::clone(&senders), Arc::clone(&finish)));
            all.push(sender);
        }
        // Set once, here.
        let _ = senders.set(all);
        Self {
            senders,
            finish,
            tasks,
        }
    }

    /// Lets a token start at each task and waits until all have gone their ways.
    ///
    /// # Panics
    /// If a task has ended.
    pub async fn pass(&self, token: impl Fn(u32) -> Token) {
        let senders = self.senders.get().map(Vec::as_slice).unwrap_or_default();
        self.finish.expect(senders.len() as u64);
        for (sender, at) in senders.iter().zip(0..) {
            let told = Told::Pass(token(at).to_u64());
            sender.send(told).await.expect("it lives");
        }
        self.finish.wait().await;
    }

    /// Ends the tasks.
    pub async fn end(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Self::new()
    }
}
