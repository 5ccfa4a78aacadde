//! The peer: ractor, an actor per VC, its mailboxes without bounds.

use std::sync::{Arc, OnceLock};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

use crate::work::{Count, FLEET, Finish, Token};

/// What an actor is told.
#[derive(Debug)]
pub enum Told {
    /// To count.
    Count(u64),
    /// To pass a token on.
    Pass(u64),
    /// To answer.
    Ask(u64, RpcReplyPort<u64>),
}

/// What an actor knows.
#[derive(Clone, Debug)]
pub struct Known {
    fleet: Arc<OnceLock<Vec<ActorRef<Told>>>>,
    finish: Arc<Finish>,
}

impl Known {
    fn new() -> Self {
        Self {
            fleet: Arc::default(),
            finish: Arc::default(),
        }
    }
}

/// An actor.
#[derive(Debug)]
pub struct Peer;

impl Actor for Peer {
    type Msg = Told;
    type State = (Known, Count);
    type Arguments = Known;

    async fn pre_start(
        &self,
        _: ActorRef<Told>,
        known: Known,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok((known, Count::default()))
    }

    async fn handle(
        &self,
        _: ActorRef<Told>,
        told: Told,
        (known, count): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match told {
            Told::Count(last) => {
                if count.one_more(last) {
                    known.finish.hit();
                }
            }
            Told::Pass(token) => {
                count.0 += 1;
                match Token::from_u64(token).hop() {
                    Some((to, token)) => {
                        let fleet = known.fleet.get().map(Vec::as_slice).unwrap_or_default();
                        fleet[to as usize].cast(Told::Pass(token.to_u64()))?;
                    }
                    None => known.finish.hit(),
                }
            }
            Told::Ask(number, port) => {
                count.0 += 1;
                port.send(number + 1)?;
            }
        }
        Ok(())
    }
}

async fn spawn(known: &Known) -> ActorRef<Told> {
    let spawned = Actor::spawn(None, Peer, known.clone()).await;
    spawned.expect("an actor starts").0
}

/// One receiver.
#[derive(Clone, Debug)]
pub struct One {
    actor: ActorRef<Told>,
    known: Known,
}

impl One {
    /// An actor.
    pub async fn new() -> Self {
        let known = Known::new();
        let actor = spawn(&known).await;
        Self { actor, known }
    }

    /// Sends so many messages and waits until all are handled.
    ///
    /// # Panics
    /// If the actor has ended.
    pub async fn tell(&self, count: u64) {
        self.known.finish.expect(1);
        for _ in 0..count {
            self.actor.cast(Told::Count(count)).expect("it lives");
        }
        self.known.finish.wait().await;
    }

    /// Asks one question and waits for the answer.
    ///
    /// # Panics
    /// If there is none.
    pub async fn ask(&self, number: u64) -> u64 {
        ractor::call!(self.actor, Told::Ask, number).expect("it replies")
    }

    /// Ends the actor.
    pub fn end(&self) {
        self.actor.stop(None);
    }
}

/// Many actors that know each other.
#[derive(Clone, Debug)]
pub struct Fleet {
    known: Known,
}

impl Fleet {
    /// A fleet of [`FLEET`].
    pub async fn new() -> Self {
        Self::of(FLEET).await
    }

    /// So many actors.
    pub async fn of(count: u32) -> Self {
        let known = Known::new();
        let mut actors = Vec::with_capacity(count as usize);
        for _ in 0..count {
            actors.push(spawn(&known).await);
        }
        // Set once, here.
        let _ = known.fleet.set(actors);
        Self { known }
    }

    fn actors(&self) -> &[ActorRef<Told>] {
        self.known
            .fleet
            .get()
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Lets a token start at each actor and waits until all have gone their ways.
    ///
    /// # Panics
    /// If an actor has ended.
    pub async fn pass(&self, token: impl Fn(u32) -> Token) {
        self.known.finish.expect(self.actors().len() as u64);
        for (actor, at) in self.actors().iter().zip(0..) {
            let told = Told::Pass(token(at).to_u64());
            actor.cast(told).expect("it lives");
        }
        self.known.finish.wait().await;
    }

    /// Sends one message to each and waits until all are handled.
    ///
    /// # Panics
    /// If an actor has ended.
    pub async fn tell_each(&self) {
        self.known.finish.expect(self.actors().len() as u64);
        for actor in self.actors() {
            actor.cast(Told::Count(1)).expect("it lives");
        }
        self.known.finish.wait().await;
    }

    /// Ends the actors.
    pub fn end(&self) {
        for actor in self.actors() {
            actor.stop(None);
        }
    }
}
