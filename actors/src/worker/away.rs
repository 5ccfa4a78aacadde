//! Turns that are taken elsewhere: in an actor of the VC's own, or in the slow lane.

use genesis::id::VcId;
use genesis::message::Kind;
use genesis::purse::Purse;
use genesis::refusal::{Code, Refusal};

use super::Worker;
use super::turn::is_interrupted;
use crate::cell::Seat;
use crate::handle;
use crate::hosted::{Errand, Homecoming, Hosted};
use crate::journal::Entry;
use crate::letter::Letter;
use crate::life::Life;

/// So many turns in a row that burn all the fuel there is for one here make a VC one of the slow ones.
const BURNS_MAX: u8 = 4;

impl Worker {
    /// Takes a turn to where the VC's actor is.
    pub(super) fn send_away(&mut self, slot: u32, hosted: Box<Hosted>) {
        let Some(letter) = self.arena.pop(&mut self.cells[slot as usize].mail) else {
            self.cells[slot as usize].seat = Seat::Actor(hosted);
            return;
        };
        let reshapes = matches!(
            letter.kind,
            Kind::Internalize | Kind::Deprecate | Kind::Upgrade | Kind::Computer
        );
        if reshapes || !self.may_turn(slot, &letter) {
            if reshapes {
                let why = "a VC with an actor of its own is not reshaped; fork it as a cell first";
                self.bounce(&letter, Refusal::new(Code::Denied, why));
            }
            let cell = &mut self.cells[slot as usize];
            if matches!(cell.seat, Seat::Empty) {
                cell.seat = Seat::Actor(hosted);
            }
            self.make_ready(slot);
            return;
        }
        let mut seat = Seat::Actor(hosted);
        self.make_room(slot, &mut seat);
        let Seat::Actor(hosted) = seat else { return };
        let errand = self.errand(slot, letter);
        let cell = &mut self.cells[slot as usize];
        match hosted.send(errand) {
            Ok(()) => {
                cell.seat = Seat::Away(hosted);
                self.away += 1;
            }
            Err(letter) => {
                cell.seat = Seat::Actor(hosted);
                self.bounce(
                    &letter,
                    Refusal::new(Code::Internal, "the VC's actor has ended"),
                );
            }
        }
    }

    /// Takes a turn to the slow lane, if the VC is one that takes long; the seat goes along.
    ///
    /// Gives the seat back if the turn is to be taken here.
    pub(super) fn send_slowly(&mut self, slot: u32, mut seat: Seat) -> Option<Seat> {
        if self.shared.deterministic || !matches!(seat, Seat::Enclave(_)) {
            return Some(seat);
        }
        let more = self.cells[slot as usize].more.as_deref();
        let slow = more.is_some_and(|m| m.burns >= BURNS_MAX);
        // Those whose guests would have to come along stay: they live beside their host.
        let guests = more.is_some_and(|m| m.parts.iter().any(|part| part.computer().is_some()));
        let head = self.arena.peek(&self.cells[slot as usize].mail);
        let reshapes = head.is_some_and(|letter| {
            matches!(
                letter.kind,
                Kind::Internalize | Kind::Deprecate | Kind::Upgrade | Kind::Computer
            )
        });
        if !slow || guests || reshapes {
            return Some(seat);
        }
        let Some(letter) = self.arena.pop(&mut self.cells[slot as usize].mail) else {
            return Some(seat);
        };
        if !self.may_turn(slot, &letter) {
            return Some(seat);
        }
        self.make_room(slot, &mut seat);
        self.leave(slot, seat, letter);
        None
    }

    /// Takes a turn to the slow lane that was begun here and needs more fuel than it may take here. Those
    /// that follow go there at once, until some of them did not need it.
    pub(super) fn go_slowly(&mut self, slot: u32, seat: &mut Seat, letter: &Letter) {
        if let Some(more) = &mut self.cells[slot as usize].more {
            more.burns = BURNS_MAX + 1;
        }
        let seat = std::mem::replace(seat, Seat::Empty);
        self.leave(slot, seat, Box::new(letter.clone()));
    }

    fn leave(&mut self, slot: u32, seat: Seat, letter: Box<Letter>) {
        let errand = self.errand(slot, letter);
        let first = self.first_code_occurrence(slot);
        let hosted = Hosted::slowly(seat, first, errand, &self.shared);
        self.cells[slot as usize].seat = Seat::Away(Box::new(hosted));
        self.away += 1;
    }

    /// All that a turn needs which is taken elsewhere.
    fn errand(&mut self, slot: u32, letter: Box<Letter>) -> Errand {
        let handle = self.handle_of(slot);
        let cell = &mut self.cells[slot as usize];
        cell.life = Life::Awake;
        cell.last_active = self.now;
        let mut standing = cell.standing;
        standing.turns += 1;
        Errand {
            me: handle::Entry {
                id: cell.id,
                handle,
            },
            host: cell.host,
            ahead: letter.ahead || cell.flags.ahead || cell.flags.durable,
            letter,
            standing,
            contacts: cell.contacts.clone(),
            seed: self.shared.seed,
            parts: cell
                .more
                .as_ref()
                .map(|m| m.parts.clone())
                .unwrap_or_default(),
            durable: cell.flags.durable,
            turn_fuel: cell.more.as_ref().map_or(0, |more| more.turn_fuel),
        }
    }

    /// A turn that was taken in an actor comes back: from here on it is like any other.
    pub(crate) fn come_back(&mut self, id: VcId, mut home: Homecoming) {
        self.away = self.away.saturating_sub(1);
        let slot = self
            .find(id)
            .filter(|&slot| self.cells[slot as usize].life != Life::Stopped);
        let Some(slot) = slot else {
            // It was stopped while its turn was taken: the turn never happened.
            if let Some(slot) = self.find(id) {
                self.cells[slot as usize].seat = Seat::Empty;
            }
            let why = Refusal::new(Code::Stopped, format!("{id} is stopped")).who(id);
            self.bounce(&home.letter, why);
            return;
        };
        let cell = &mut self.cells[slot as usize];
        let mut returned = Purse::EMPTY;
        let mut seat = match std::mem::replace(&mut cell.seat, Seat::Empty) {
            Seat::Away(mut hosted) => {
                hosted.states = home.states;
                returned = std::mem::replace(&mut hosted.returned, Purse::EMPTY);
                home.seat.take().unwrap_or(Seat::Actor(hosted))
            }
            seat => seat,
        };
        if is_interrupted(&home.outcome) {
            // The operator meant somebody else: nothing has happened, so it is taken again.
            cell.standing.purse.merge(returned);
            self.write_down(slot, &Entry::Refund(returned));
            self.turn(slot, &mut seat, &home.letter);
            self.seat_again(slot, id, seat);
            return;
        }
        let mut effects = home.effects;
        if home.outcome.is_ok() {
            cell.standing = home.standing;
            cell.contacts = home.contacts;
        } else {
            effects.clear();
            cell.standing.turns += 1;
        }
        cell.standing.purse.merge(returned);
        let outcome = home.outcome;
        self.finish_turn(
            slot,
            &home.letter,
            &mut effects,
            outcome,
            home.spent,
            &mut seat,
        );
        if returned != Purse::EMPTY && self.cells[slot as usize].life != Life::Stopped {
            // After the turn, which did not have it yet.
            self.write_down(slot, &Entry::Refund(returned));
        }
        self.seat_again(slot, id, seat);
    }

    fn seat_again(&mut self, slot: u32, id: VcId, seat: Seat) {
        let cell = &mut self.cells[slot as usize];
        if cell.flags.live && cell.id == id && matches!(cell.seat, Seat::Empty) {
            cell.seat = seat;
            self.release_senders(slot);
            self.make_ready(slot);
        }
    }
}
