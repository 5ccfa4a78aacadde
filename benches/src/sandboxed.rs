//! The medium as a contender with sandboxed code: the same runtime, VCs of WebAssembly parts, and the
//! engine alone without a runtime around it.

use std::sync::Arc;

use actors::behaviour::{Behaviour, Fault};
use actors::birth::{Birth, CodeBirth, PartBirth};
use actors::runtime::Runtime;
use actors::sandbox::{Capsule, Givers, Piece, Sandbox, Source};
use actors::store::Store;
use actors::view::Outgoing;
use adapters::wasm::{Engine, Options};
use bytes::Bytes;
use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::power::{Grants, Power};

use crate::medium::{ASK_MS, Counter, FINISH, config};

/// What one call may take where the engine is measured alone.
pub const FUEL: u64 = 1_000_000_000;

/// An engine with room for as many parts as a node has by default.
///
/// # Panics
/// If address space cannot be reserved.
pub fn engine() -> Arc<Engine> {
    Arc::new(Engine::new(Options::default()).expect("an engine starts"))
}

/// A runtime with so many workers and a sandbox of its own.
///
/// # Panics
/// If it cannot be started.
pub async fn start(workers: usize, store: Option<Arc<dyn Store>>) -> Runtime {
    let mut config = config(store);
    config.workers = workers;
    config.sandbox = Some(engine());
    Runtime::start(config).await.expect("a new runtime starts")
}

/// A part of this module, brought to the runtime.
///
/// # Panics
/// If it is refused.
pub async fn bring(runtime: &Runtime, module: Bytes) -> PartBirth {
    let facts = runtime.bring(module).await.expect("a part is taken");
    PartBirth {
        role: None,
        code: CodeBirth::WebAssembly {
            module: facts.digest,
            argument: Bytes::new(),
        },
    }
}

/// The birth of a VC of these parts, that may send.
pub async fn body(runtime: &Runtime, modules: Vec<Bytes>) -> Birth {
    let mut parts = Vec::new();
    for module in modules {
        parts.push(bring(runtime, module).await);
    }
    Birth {
        parts,
        grants: Grants::NONE.with(Power::Send),
        ..Birth::default()
    }
}

/// One receiver, that tells a native one when it is finished.
#[derive(Clone, Debug)]
pub struct One {
    /// Where it lives.
    pub runtime: Runtime,
    /// Which it is.
    pub id: VcId,
}

impl One {
    /// A VC of these parts in a runtime of its own with one worker.
    ///
    /// # Panics
    /// If it is not born.
    pub async fn new(modules: Vec<Bytes>) -> Self {
        Self::with_fuel(modules, 0).await
    }

    /// The same, each of its turns with so much fuel; 0 for the default.
    ///
    /// # Panics
    /// If it is not born.
    pub async fn with_fuel(modules: Vec<Bytes>, turn_fuel: u64) -> Self {
        Self::of(start(1, None).await, modules, turn_fuel).await
    }

    /// The same in this runtime.
    ///
    /// # Panics
    /// If it is not born.
    pub async fn of(runtime: Runtime, modules: Vec<Bytes>, turn_fuel: u64) -> Self {
        let finisher = runtime.spawn(Birth::native(Counter::NAME, "")).await;
        let finisher = finisher.expect("a known behaviour is born");
        let mut birth = body(&runtime, modules).await;
        birth.contacts = vec![(None, finisher)];
        birth.turn_fuel = turn_fuel;
        let id = runtime.spawn(birth).await.expect("a VC is born");
        Self { runtime, id }
    }

    /// A native counter in the same runtime: what a message costs without a sandbox.
    ///
    /// # Panics
    /// If it is not born.
    pub async fn native() -> Self {
        let runtime = start(1, None).await;
        let id = runtime.spawn(Birth::native(Counter::NAME, "")).await;
        let id = id.expect("a known behaviour is born");
        Self { runtime, id }
    }

    /// Sends so many messages and waits until all are handled.
    pub async fn tell(&self, count: u64, message: Bytes) {
        FINISH.expect(1);
        let mut courier = self.runtime.courier();
        for _ in 0..count {
            courier.tell(self.id, message.clone()).await;
        }
        courier.flush().await;
        FINISH.wait().await;
    }

    /// Asks one question on a channel and waits for the answer.
    ///
    /// # Panics
    /// If there is none, or it is a refusal.
    pub async fn ask(&self, channel: Channel, contents: &[u8]) -> Vec<u8> {
        let mut question = Outgoing::new(self.id, contents);
        question.channel = channel;
        let answer = self.runtime.ask(question, ASK_MS).await;
        let reply = answer.expect("it accepts").reply.expect("it replies");
        assert!(reply.refusal().is_none(), "{:?}", reply.refusal());
        reply.contents.to_vec()
    }

    /// Ends the runtime.
    pub async fn end(self) {
        self.runtime.shutdown().await;
    }
}

/// Pieces of these modules, which begin; the engine knows them from then on.
///
/// # Panics
/// If one is refused.
pub fn pieces(engine: &Engine, modules: &[Bytes]) -> Vec<Piece> {
    let piece = |(occurrence, module)| {
        let facts = engine.admit(module).expect("a part is taken");
        Piece {
            occurrence,
            digest: facts.digest,
            module: facts.digest,
            argument: Bytes::new(),
            from: Source::Birth,
        }
    };
    (1..).zip(modules).map(piece).collect()
}

/// A medium that answers everything with nothing, and random numbers with zero.
#[derive(Debug)]
pub struct Nobody;

impl Givers for Nobody {
    fn give(&mut self, channel: Channel, _: &[u8], answer: &mut Vec<u8>) -> Result<(), Fault> {
        if channel == Channel::known("medium/random") {
            answer.extend_from_slice(&[0; 8]);
        }
        Ok(())
    }
}

/// Calls a body outside of any runtime; gives the fuel it took.
///
/// # Panics
/// If it fails.
pub fn call(
    body: &mut dyn Capsule,
    channel: Channel,
    contents: &[u8],
    answer: &mut Vec<u8>,
) -> u64 {
    answer.clear();
    let called = body.call(channel, contents, FUEL, &mut Nobody, answer);
    called.outcome.expect("a call succeeds");
    called.fuel
}
