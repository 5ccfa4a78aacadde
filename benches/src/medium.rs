//! The medium as a contender: a real runtime, volatile VCs, native behaviours, nothing switched off.

use std::sync::Arc;

use actors::behaviour::{Behaviour, Fault};
use actors::birth::Birth;
use actors::effects::{Contact, Effects};
use actors::letter::Letter;
use actors::runtime::{Config, Runtime};
use actors::store::Store;
use actors::view::Outgoing;
use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::seal::NodeSecret;
use serde::{Deserialize, Serialize};

use crate::time::SystemClock;
use crate::work::{Count, FLEET, Finish, Token, WORKERS};

const SEND: Channel = Channel::known("medium/send");

/// How long an ask may take, in milliseconds: far beyond what it does.
pub const ASK_MS: u64 = 60_000;

/// Where behaviours report the end of a round. A behaviour has no other way out of its runtime that
/// costs no message; nothing else here is shared.
pub static FINISH: Finish = Finish::new();

fn number(letter: &Letter) -> Result<u64, Fault> {
    let bytes = letter.contents.first_chunk();
    bytes
        .map(|bytes| u64::from_le_bytes(*bytes))
        .ok_or_else(|| Fault::malformed("8 bytes are expected"))
}

/// Counts the messages it gets.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Counter(Count);

impl Behaviour for Counter {
    const NAME: &'static str = "bench-counter";

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self::default())
    }

    fn turn(&mut self, letter: &Letter, _: &mut Effects<'_>) -> Result<(), Fault> {
        if self.0.one_more(number(letter)?) {
            FINISH.hit();
        }
        Ok(())
    }
}

/// Passes tokens on among its contacts.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Passer(Count);

impl Behaviour for Passer {
    const NAME: &'static str = "bench-passer";
    const NEEDS: &'static [Channel] = &[SEND];

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self::default())
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        self.0.0 += 1;
        if let Some((to, token)) = Token::from_u64(number(letter)?).hop() {
            effects.send(Contact::Kept(to), token.to_u64())?;
        } else {
            FINISH.hit();
        }
        Ok(())
    }
}

/// Answers a number with the next.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Server(Count);

impl Behaviour for Server {
    const NAME: &'static str = "bench-server";
    const NEEDS: &'static [Channel] = &[SEND];

    fn born(_: &[u8]) -> Result<Self, Fault> {
        Ok(Self::default())
    }

    fn turn(&mut self, letter: &Letter, effects: &mut Effects<'_>) -> Result<(), Fault> {
        self.0.0 += 1;
        effects.reply(number(letter)? + 1).map(drop)
    }
}

/// What a runtime with two workers is started with; durable VCs are kept in `store`, if there is one.
pub fn config(store: Option<Arc<dyn Store>>) -> Config {
    let mut config = Config::new(NodeSecret::new([7; 32]), Arc::new(SystemClock));
    config.workers = WORKERS;
    config.store = store;
    config.memory_bytes_max = 8 << 30; // What is idle here is measured, not put to sleep.
    config.natives = config
        .natives
        .with::<Counter>()
        .with::<Passer>()
        .with::<Server>();
    config
}

/// Such a runtime.
///
/// # Panics
/// If it cannot be started.
pub async fn start(store: Option<Arc<dyn Store>>) -> Runtime {
    let config = config(store);
    Runtime::start(config).await.expect("a new runtime starts")
}

/// One receiver.
#[derive(Clone, Debug)]
pub struct One {
    runtime: Runtime,
    id: VcId,
}

impl One {
    /// A counter.
    ///
    /// # Panics
    /// If it is not born.
    pub async fn counter() -> Self {
        Self::of(Counter::NAME).await
    }

    /// A server.
    ///
    /// # Panics
    /// If it is not born.
    pub async fn server() -> Self {
        Self::of(Server::NAME).await
    }

    async fn of(name: &str) -> Self {
        let runtime = start(None).await;
        let id = runtime.spawn(Birth::native(name, "")).await;
        let id = id.expect("a known behaviour is born");
        Self { runtime, id }
    }

    /// Sends so many messages and waits until all are handled.
    pub async fn tell(&self, count: u64) {
        FINISH.expect(1);
        let mut courier = self.runtime.courier();
        for _ in 0..count {
            courier.tell(self.id, count).await;
        }
        courier.flush().await;
        FINISH.wait().await;
    }

    /// Asks one question and waits for the answer.
    ///
    /// # Panics
    /// If there is none.
    pub async fn ask(&self, number: u64) -> u64 {
        let question = Outgoing::new(self.id, number.to_le_bytes().to_vec());
        let answer = self.runtime.ask(question, ASK_MS).await;
        let reply = answer.expect("a server accepts").reply;
        let contents = reply.expect("a server replies").contents;
        u64::from_le_bytes((*contents).try_into().expect("8 bytes"))
    }

    /// Ends the runtime.
    pub async fn end(self) {
        self.runtime.shutdown().await;
    }
}

/// Many VCs that know each other.
#[derive(Clone, Debug)]
pub struct Fleet {
    runtime: Runtime,
    ids: Arc<[VcId]>,
}

impl Fleet {
    /// A fleet of [`FLEET`].
    ///
    /// # Panics
    /// If they are not born.
    pub async fn new() -> Self {
        let runtime = start(None).await;
        let birth = Birth::native(Passer::NAME, "");
        let ids = runtime.spawn_many(birth, u64::from(FLEET), true).await;
        let ids = ids.expect("a known behaviour is born").into();
        Self { runtime, ids }
    }

    /// Lets a token start at each VC and waits until all have gone their ways.
    pub async fn pass(&self, token: impl Fn(u32) -> Token) {
        FINISH.expect(u64::from(FLEET));
        let mut courier = self.runtime.courier();
        for (&id, at) in self.ids.iter().zip(0..) {
            courier.tell(id, token(at).to_u64()).await;
        }
        courier.flush().await;
        FINISH.wait().await;
    }

    /// Ends the runtime.
    pub async fn end(self) {
        self.runtime.shutdown().await;
    }
}
