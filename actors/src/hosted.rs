//! VCs with a ractor actor of their own: for code that must await, or that would hold up a worker.
//!
//! Only the turn itself happens in the actor. Mailbox, gate, effects, purse, log and trace stay with the
//! VC's row at its worker, which hands the actor one message at a time and goes on when it has the
//! outcome. So *where* a VC is hosted cannot be observed, by construction.

use std::sync::Arc;

use bytes::Bytes;
use genesis::id::VcId;
use genesis::purse::Purse;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::behaviour::{Fault, Program};
use crate::cell::{Part, Seat};
use crate::effects::{Contacts, Effect, Effects, Standing};
use crate::enclave::{Calls, Enclave};
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
    pub(crate) parts: Vec<Part>,
    pub(crate) durable: bool,
    pub(crate) turn_fuel: u64,
}

/// What came of it.
pub(crate) struct Homecoming {
    pub(crate) letter: Box<Letter>,
    pub(crate) standing: Standing,
    pub(crate) contacts: Option<Box<Contacts>>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) outcome: Result<(), Fault>,
    /// Fuel that sandboxed code has used.
    pub(crate) spent: u64,
    pub(crate) states: States,
    /// The code, if it went along.
    pub(crate) seat: Option<Seat>,
}

/// A worker's handle on a VC whose turns are taken elsewhere.
pub(crate) struct Hosted {
    /// Its actor; none if its code only went to the slow lane for one turn.
    actor: Option<ActorRef<Errand>>,
    /// The states of its parts after the last turn.
    pub(crate) states: States,
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
        let id = home.id;
        let result = taken(&mut home.seat, home.first_occurrence, errand, &home.shared);
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
        mut seat: Seat,
        first_occurrence: u64,
        shared: &Arc<Shared>,
    ) -> Result<Self, Fault> {
        let states = states_of(&mut seat, first_occurrence);
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
            actor: Some(actor),
            states,
            returned,
        })
    }

    /// Lets a turn be taken in the slow lane; the seat goes along and comes back.
    pub(crate) fn slowly(
        mut seat: Seat,
        first_occurrence: u64,
        errand: Errand,
        shared: &Arc<Shared>,
    ) -> Self {
        let states = states_of(&mut seat, first_occurrence);
        let (id, home) = (errand.me.id, Arc::clone(shared));
        let job = Box::new(move || {
            let mut result = taken(&mut seat, first_occurrence, errand, &home);
            result.seat = Some(seat);
            home.at(id)
                .control(Box::new(move |worker| worker.come_back(id, result)));
        });
        if let Some(job) = shared.slow.queue(job) {
            let lane = Arc::clone(shared);
            shared.tokio.spawn_blocking(move || lane.slow.run(job));
        }
        Self {
            actor: None,
            states,
            returned: Purse::EMPTY,
        }
    }

    /// Whether it has an actor of its own.
    pub(crate) const fn is_actor(&self) -> bool {
        self.actor.is_some()
    }

    /// Hands over a turn. Only one at a time: that is the credit gate before the actor's port.
    pub(crate) fn send(&self, errand: Errand) -> Result<(), Box<Letter>> {
        let Some(actor) = &self.actor else {
            return Err(errand.letter);
        };
        actor.cast(errand).map_err(|error| match error {
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
        if let Some(actor) = &self.actor {
            actor.stop(None);
        }
    }
}

/// Takes a turn.
fn taken(seat: &mut Seat, first_occurrence: u64, errand: Errand, shared: &Shared) -> Homecoming {
    let Errand {
        me,
        host,
        letter,
        mut standing,
        mut contacts,
        ahead,
        seed,
        parts,
        durable,
        turn_fuel,
    } = errand;
    let mut effects = Vec::new();
    let mut spare = Spare::default();
    let mut gate = Effects {
        me,
        host,
        letter: &letter,
        standing: &mut standing,
        contacts: &mut contacts,
        list: &mut effects,
        spare: &mut spare,
        shelf: shared.shelf.as_ref(),
        ahead,
        seed,
        draws: 0,
        cause: None,
        spent: 0,
        parts: &parts,
        durable,
        turn_fuel,
        fuel_here: u64::MAX,
        guests: &mut [],
        calls: Calls::Made(Vec::new()),
    };
    let outcome = seat.turn(&letter, &mut gate);
    let spent = gate.spent;
    let states = states_of(seat, first_occurrence);
    Homecoming {
        letter,
        standing,
        contacts,
        effects,
        outcome,
        spent,
        states,
        seat: None,
    }
}

/// The saved states of parts, by occurrence.
pub(crate) type States = Vec<(u64, Bytes)>;

/// The saved states of all parts with code.
pub(crate) fn states_of(seat: &mut Seat, first_occurrence: u64) -> States {
    let save = |program: &dyn Program, occurrence| {
        let mut state = Vec::new();
        match program.save(&mut state) {
            Ok(()) => Some((occurrence, state.into())),
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
        Seat::Enclave(enclave) => saves_of(enclave),
        Seat::Many(assembly) => {
            let organs = assembly.organs.iter();
            let natives = organs.filter_map(|organ| save(organ.program.as_ref(), organ.occurrence));
            let sandboxed = assembly.enclave.as_deref_mut().map(saves_of);
            natives.chain(sandboxed.into_iter().flatten()).collect()
        }
        Seat::Actor(hosted) | Seat::Away(hosted) => hosted.states.clone(),
        Seat::Empty | Seat::Owner => Vec::new(),
    }
}

/// The states of sandboxed parts. If a new save cannot be made, those of the last: an older state of the VC,
/// but one that it had.
fn saves_of(enclave: &mut Enclave) -> States {
    enclave.states().unwrap_or_else(|fault| {
        tracing::error!(%fault, "sandboxed parts cannot be saved; their last save is kept");
        enclave.last_save()
    })
}
