//! VCs with a ractor actor of their own: for code that must await, or that would hold up a worker.
//!
//! Only the turn itself happens in the actor. Mailbox, gate, effects, purse, log and trace stay with the
//! VC's row at its worker, which hands the actor one message at a time and goes on when it has the
//! outcome. So *where* a VC is hosted cannot be observed, by construction.

use std::sync::Arc;

use genesis::id::VcId;
use genesis::purse::Purse;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::behaviour::{Fault, Program};
use crate::cell::Seat;
use crate::effects::{Contacts, Effect, Effects, Standing};
use crate::handle::Entry;
use crate::letter::{Letter, Spare};
use crate::shared::Shared;

/// A turn to be taken elsewhere, with all that its gate needs.
pub(crate) struct Errand {
    pub(crate) me: Entry,
    pub(crate) host: Entry,
    pub(crate) letter: Box<Letter>,
    pub(crate) standing: Standing,
    pub(crate) contacts: Option<Box<Contacts>>,
    pub(crate) ahead: bool,
    pub(crate) seed: u64,
}

/// What came of it.
pub(crate) struct Homecoming {
    pub(crate) letter: Box<Letter>,
    pub(crate) standing: Standing,
    pub(crate) contacts: Option<Box<Contacts>>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) outcome: Result<(), Fault>,
    pub(crate) states: Vec<(u64, Vec<u8>)>,
}

/// A worker's handle on an actor-hosted VC.
pub(crate) struct Hosted {
    actor: ActorRef<Errand>,
    /// The states of its parts after the last turn.
    pub(crate) states: Vec<(u64, Vec<u8>)>,
    /// Purses of children that ended while the turn was taken.
    pub(crate) returned: Purse,
}

struct Turner;

struct Home {
    id: VcId,
    seat: Seat,
    first_occurrence: u64,
    shared: Arc<Shared>,
}

impl Actor for Turner {
    type Msg = Errand;
    type State = Home;
    type Arguments = Home;

    async fn pre_start(&self, _: ActorRef<Errand>, home: Home) -> Result<Home, ActorProcessingErr> {
        Ok(home)
    }

    async fn handle(
        &self,
        _: ActorRef<Errand>,
        errand: Errand,
        home: &mut Home,
    ) -> Result<(), ActorProcessingErr> {
        let Errand {
            me,
            host,
            letter,
            mut standing,
            mut contacts,
            ahead,
            seed,
        } = errand;
        let mut effects = Vec::new();
        let outcome = home.seat.turn(
            &letter,
            &mut Effects {
                me,
                host,
                letter: &letter,
                standing: &mut standing,
                contacts: &mut contacts,
                list: &mut effects,
                spare: &mut Spare::default(),
                ahead,
                seed,
                draws: 0,
            },
        );
        let states = states_of(&home.seat, home.first_occurrence);
        let (id, result) = (
            home.id,
            Homecoming {
                letter,
                standing,
                contacts,
                effects,
                outcome,
                states,
            },
        );
        home.shared
            .at(id)
            .control(Box::new(move |worker| worker.come_back(id, result)));
        Ok(())
    }
}

impl Hosted {
    /// Gives a seat an actor. Does not block: the actor takes its first errand when it has started.
    pub(crate) fn new(
        id: VcId,
        seat: Seat,
        first_occurrence: u64,
        shared: &Arc<Shared>,
    ) -> Result<Self, Fault> {
        let states = states_of(&seat, first_occurrence);
        let home = Home {
            id,
            seat,
            first_occurrence,
            shared: Arc::clone(shared),
        };
        let _runtime = shared.tokio.enter();
        let (actor, _) = ractor::ActorRuntime::<Turner>::spawn_instant(None, Turner, home)
            .map_err(|error| {
                Fault::new(
                    genesis::refusal::Code::Internal,
                    format!("no actor for {id}: {error}"),
                )
            })?;
        let returned = Purse::EMPTY;
        Ok(Self {
            actor,
            states,
            returned,
        })
    }

    /// Hands over a turn. Only one at a time: that is the credit gate before the actor's port.
    pub(crate) fn send(&self, errand: Errand) -> Result<(), Box<Letter>> {
        self.actor.cast(errand).map_err(|error| match error {
            ractor::MessagingErr::SendErr(errand) => errand.letter,
            _ => Box::new(Letter::new(
                VcId::NOBODY,
                0,
                VcId::NOBODY,
                "",
                genesis::time::Time::ZERO,
            )),
        })
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        self.actor.stop(None);
    }
}

/// The saved states of all parts with code.
pub(crate) fn states_of(seat: &Seat, first_occurrence: u64) -> Vec<(u64, Vec<u8>)> {
    let save = |program: &dyn Program, occurrence| {
        let mut state = Vec::new();
        match program.save(&mut state) {
            Ok(()) => Some((occurrence, state)),
            Err(fault) => {
                tracing::error!(%fault, "a state cannot be saved");
                None
            }
        }
    };
    match seat {
        Seat::One(program) => save(program.as_ref(), first_occurrence)
            .into_iter()
            .collect(),
        Seat::Many(assembly) => assembly
            .organs
            .iter()
            .filter_map(|organ| save(organ.program.as_ref(), organ.occurrence))
            .collect(),
        Seat::Actor(hosted) | Seat::Away(hosted) => hosted.states.clone(),
        Seat::Empty | Seat::Owner => Vec::new(),
    }
}
