//! One turn: all of its effects happen, or none.

use genesis::channel::Channel;
use genesis::id::Digest;
use genesis::limits::{
    LOG_LINE_BYTES_MAX, LOG_LINES_MAX, SET_ASIDE_MAX, TIMERS_MAX, TURN_FUEL_MAX,
};
use genesis::message::Kind;
use genesis::purse::Coin;
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;

use super::Worker;
use crate::behaviour::Fault;
use crate::cell::Seat;
use crate::effects::{Effect, Effects, FUEL_PER_TURN, fuel_of};
use crate::enclave::Calls;
use crate::events::EventKind;
use crate::handle;
use crate::journal::Entry;
use crate::letter::{Contents, Letter};
use crate::outside::OUTSIDE;
use crate::timers::Due;
use crate::view::{Consent, Fate, LogLine, SetAside};

/// Whether the operator ended a turn in order to stop whatever ran.
pub(super) fn is_interrupted(outcome: &Result<(), Fault>) -> bool {
    matches!(outcome, Err(fault) if fault.ended && fault.code == Code::Cancelled)
}

impl Worker {
    /// Lets a VC handle one letter.
    pub(super) fn turn(&mut self, slot: u32, seat: &mut Seat, letter: &Letter) {
        if !self.may_turn(slot, letter) {
            return;
        }
        if matches!(
            letter.kind,
            Kind::Internalize | Kind::Deprecate | Kind::Upgrade | Kind::Computer
        ) {
            self.reshape(slot, seat, letter);
            return;
        }
        self.make_room(slot, seat);
        let mut guests = match self.invite(slot, seat) {
            Ok(guests) => guests,
            Err(fault) => {
                self.cells[slot as usize].standing.turns += 1;
                self.finish_turn(slot, letter, &mut Vec::new(), Err(fault), 0, seat);
                return;
            }
        };
        let handle = self.handle_of(slot);
        let mut effects = std::mem::take(&mut self.effects);
        let cell = &mut self.cells[slot as usize];
        let before = cell.standing;
        let contacts_before = cell
            .contacts
            .as_ref()
            .map_or(0, |contacts| contacts.own.len());
        cell.standing.turns += 1;
        // A deterministic runtime has nobody who waits.
        let fuel_here = if self.shared.deterministic {
            u64::MAX
        } else {
            TURN_FUEL_MAX
        };
        let more = cell.more.as_deref();
        let mut gate = Effects {
            me: handle::Entry {
                id: cell.id,
                handle,
            },
            host: cell.host,
            letter,
            standing: &mut cell.standing,
            contacts: &mut cell.contacts,
            list: &mut effects,
            spare: &mut self.spare,
            shelf: self.shared.shelf.as_ref(),
            ahead: letter.ahead || cell.flags.ahead || cell.flags.durable,
            seed: self.shared.seed,
            draws: 0,
            cause: None,
            spent: 0,
            parts: more.map_or(&[], |more| more.parts.as_slice()),
            durable: cell.flags.durable,
            turn_fuel: more.map_or(0, |more| more.turn_fuel),
            fuel_here,
            guests: &mut guests,
            calls: Calls::Made(Vec::new()),
        };
        let mut outcome = seat.turn(letter, &mut gate);
        while is_interrupted(&outcome) {
            // The operator stopped somebody else: this turn has not happened, and is taken again.
            gate.list.clear();
            gate.calls = Calls::Made(Vec::new());
            *gate.standing = before;
            gate.standing.turns += 1;
            gate.draws = 0;
            gate.cause = None;
            if let Some(contacts) = gate.contacts.as_mut() {
                contacts.own.truncate(contacts_before);
            }
            outcome = seat.turn(letter, &mut gate);
        }
        let spent = gate.spent;
        self.calls = gate.calls.made();
        if outcome.is_err() {
            effects.clear();
            cell.standing = before;
            cell.standing.turns += 1;
            if let Some(contacts) = &mut cell.contacts {
                contacts.own.truncate(contacts_before);
            }
        }
        let no_guests = guests.is_empty();
        if !no_guests {
            self.see_off(guests, outcome.is_ok());
        }
        if no_guests
            && matches!(&outcome, Err(fault) if fault.ended && fault.code == Code::TooLarge)
            && let Seat::Enclave(enclave) = seat
            && enclave.may_take_more(fuel_here)
        {
            // It has not happened: it is taken where nobody waits for its end. The fuel is gone.
            self.effects = effects;
            let cell = &mut self.cells[slot as usize];
            cell.standing = before;
            let spent = spent.min(cell.standing.purse.left(Coin::Fuel));
            let _ = cell.standing.purse.take(Coin::Fuel, spent);
            cell.burned = cell.burned.saturating_add(spent);
            self.burned += spent;
            self.go_slowly(slot, seat, letter);
            return;
        }
        self.finish_turn(slot, letter, &mut effects, outcome, spent, seat);
        effects.clear();
        self.effects = effects;
    }

    /// Whether a letter may be handled now; else it has ended.
    pub(super) fn may_turn(&mut self, slot: u32, letter: &Letter) -> bool {
        if letter.expires_at <= self.now {
            let late_ms = self.now.since_ms(letter.expires_at);
            self.bounce(
                letter,
                Refusal::new(Code::Expired, format!("expired {late_ms} ms ago")),
            );
            return false;
        }
        let cell = &self.cells[slot as usize];
        if cell.standing.purse.left(Coin::Fuel) < FUEL_PER_TURN {
            let why = format!(
                "the purse of {} holds {} fuel, a turn takes {FUEL_PER_TURN}",
                cell.id,
                cell.standing.purse.left(Coin::Fuel)
            );
            self.bounce(letter, Refusal::new(Code::Budget, why));
            self.stop(slot, "budget");
            return false;
        }
        true
    }

    /// Counts turns that burn all the fuel there is for one; one that does not makes up for one that did.
    fn note_burning(&mut self, slot: u32, spent: u64) {
        if let Some(more) = &mut self.cells[slot as usize].more {
            more.burns = if spent >= TURN_FUEL_MAX / 2 {
                more.burns.saturating_add(1)
            } else {
                more.burns.saturating_sub(1)
            };
        }
    }

    /// What follows a turn, wherever it was taken: records, effects, the end of the message.
    pub(super) fn finish_turn(
        &mut self,
        slot: u32,
        letter: &Letter,
        effects: &mut Vec<Effect>,
        outcome: Result<(), Fault>,
        spent: u64,
        seat: &mut Seat,
    ) {
        self.tally.turns += 1;
        self.burned += spent;
        self.work += effects.len() as u64;
        self.note_burning(slot, spent);
        let fuel = fuel_of(effects).saturating_add(spent);
        let fuel = fuel.min(self.cells[slot as usize].standing.purse.left(Coin::Fuel));
        self.record(slot, letter, &outcome, effects, fuel);
        let cell = &mut self.cells[slot as usize];
        // Cannot fail: not more than is left.
        let _ = cell.standing.purse.take(Coin::Fuel, fuel);
        cell.burned = cell.burned.saturating_add(fuel);
        cell.flags.ahead |= letter.ahead;
        if letter.kind == Kind::Notice
            && letter.channel == Channel::TIMER
            && let Some(more) = &mut cell.more
            && let Ok(tag) = <[u8; 8]>::try_from(&*letter.contents).map(u64::from_le_bytes)
            && let Some(at) = more
                .timers
                .iter()
                .position(|&timer| timer == (letter.sent_at, tag))
        {
            let timer = more.timers.swap_remove(at);
            more.fired.retain(|&fired| fired != timer);
        }
        if self.cells[slot as usize].gauge.is_some() {
            self.read_gauge(slot);
        }
        self.touch(slot);
        match outcome {
            Ok(()) => {
                self.tally.consumed += 1;
                if letter.logged {
                    self.slice.finish(letter.reference());
                    self.slice.counts.consumed += 1;
                }
                self.ended(letter, || Fate::Consumed);
                self.open_asks(slot, effects);
                let reshapes = |effect: &Effect| {
                    matches!(effect, Effect::Internalize(_) | Effect::Strip { .. })
                };
                let reshaped = effects.iter().any(reshapes);
                for effect in effects.drain(..) {
                    self.apply(slot, letter, effect, seat);
                }
                if reshaped {
                    self.snapshot(slot, seat, true);
                }
            }
            Err(fault) => self.fault(slot, letter, fault, seat),
        }
    }

    /// Notes that a durable VC must be written before the slice ends.
    pub(super) fn touch(&mut self, slot: u32) {
        let cell = &mut self.cells[slot as usize];
        if cell.flags.durable && !cell.flags.dirty {
            cell.flags.dirty = true;
            self.dirty.push(slot);
        }
    }

    /// A turn failed: its message is set aside, its sender told, its VC restarted or given up.
    fn fault(&mut self, slot: u32, letter: &Letter, fault: Fault, seat: &mut Seat) {
        self.tally.faults += 1;
        let (id, now) = (self.cells[slot as usize].id, self.now);
        self.event(EventKind::Fault, id, fault.to_string());
        let aside = SetAside {
            message: letter
                .to_message()
                .and_then(|m| m.id())
                .unwrap_or(genesis::id::MessageId(Digest::ZERO)),
            from: letter.from,
            at: now,
            why: fault.to_string(),
        };
        let out_of_budget = fault.code == Code::Budget;
        let more = self.cells[slot as usize].more_mut();
        more.faults_total += 1;
        if more.set_aside.len() >= SET_ASIDE_MAX {
            more.set_aside.pop_front();
        }
        more.set_aside.push_back(aside);
        let restart = more.restart;
        let recent = |times: &mut Vec<Time>| {
            times.retain(|&at| now.since_ms(at) <= restart.within_ms);
            times.push(now);
            u32::try_from(times.len()).unwrap_or(u32::MAX)
        };
        // What refuses its message is in order; only what fails by itself is restarted. Else whoever may
        // send to a VC could reset it.
        // Sandboxed code is as it was before whatever happened: beginning again would only lose that.
        let sandboxed = seat.enclave_mut().is_some();
        let broken = match fault.code {
            Code::Fault => !sandboxed,
            Code::Internal | Code::Corrupt => true,
            _ => false,
        };
        let too_many = broken && recent(&mut more.faults) > restart.faults_max;
        self.log_line(slot, &format!("fault: {fault}"));
        self.bounce(
            letter,
            Refusal::from(fault)
                .who(id)
                .hint("`medium show` has the message set aside"),
        );
        if out_of_budget {
            self.stop(slot, "budget");
        } else if too_many {
            let more = self.cells[slot as usize].more_mut();
            more.faults.clear();
            let given_up = recent(&mut more.restarts) > restart.restarts_max;
            if given_up {
                self.stop(slot, "faults");
            } else {
                more.restarts_total += 1;
                let times = more.restarts_total;
                self.restart(slot, seat);
                self.write_down(slot, &Entry::Restarted);
                self.event(EventKind::Restarted, id, times.to_string());
                self.log_line(
                    slot,
                    &format!("restarted from its birth state (restart {times})"),
                );
            }
        }
    }

    fn open_asks(&mut self, slot: u32, effects: &[Effect]) {
        for effect in effects {
            if let &Effect::Deadline { sequence, delay_ms } = effect {
                let cell = &mut self.cells[slot as usize];
                let id = cell.id;
                let at = self.now.plus_ms(delay_ms);
                cell.more_mut().asks.push((sequence, at));
                self.timers.set(at, id, Due::Deadline { sequence });
            }
        }
    }

    /// Carries out one effect of a turn that succeeded.
    fn apply(&mut self, slot: u32, letter: &Letter, effect: Effect, seat: &mut Seat) {
        match effect {
            Effect::Send(mut sent) => {
                self.tally.accepted += 1;
                let cell = &self.cells[slot as usize];
                let stays = sent.to != self.shared.owner && sent.to != OUTSIDE;
                if cell.flags.durable && self.shared.log.is_some() && stays {
                    sent.logged = true;
                    self.slice.accept(&sent);
                    self.slice.counts.accepted += 1;
                }
                if sent.to == self.shared.owner
                    && let Some(key) = letter.extra.as_ref().and_then(|extra| extra.key)
                {
                    self.remember_reply(key, letter, &sent);
                }
                self.route(sent);
            }
            Effect::Spawn { id, birth } => self.spawn_child(slot, id, *birth),
            Effect::Fork { id, purse } => self.fork_child(slot, id, purse, seat),
            Effect::After { delay_ms, tag } => {
                let now = self.now;
                let cell = &mut self.cells[slot as usize];
                let id = cell.id;
                let more = cell.more_mut();
                if more.timers.len() >= TIMERS_MAX as usize {
                    self.log_line(slot, &format!("a timer was refused: {TIMERS_MAX} are set"));
                    return;
                }
                let at = now.plus_ms(delay_ms.max(1));
                more.timers.push((at, tag));
                self.timers.set(at, id, Due::Notice { tag });
            }
            // Opened before anything was sent: an answer may come at once.
            Effect::Deadline { .. } => {}
            Effect::Cancel { sequence } => {
                let id = self.cells[slot as usize].id;
                let why = format!("the ask {sequence} was given up");
                self.end_ask(id, sequence, &Refusal::new(Code::Cancelled, why));
            }
            Effect::Emit(line) => self.emit(slot, &line),
            Effect::Internalize(part) => {
                let outcome = self.take_in(slot, seat, *part, Consent::Judge);
                if let Err(why) = outcome {
                    self.log_line(slot, &format!("internalize refused: {why}"));
                }
            }
            Effect::Strip { occurrence } => {
                if let Err(why) = self.take_out(slot, seat, occurrence) {
                    self.log_line(slot, &format!("strip refused: {why}"));
                }
            }
            Effect::Watch { target, link } => self.watch(slot, target, link),
            Effect::Stop => self.stop(slot, "itself"),
        }
    }

    fn emit(&mut self, slot: u32, line: &Contents) {
        let text = String::from_utf8_lossy(line);
        self.log_line(slot, &text);
        let id = self.cells[slot as usize].id;
        self.event(EventKind::Output, id, text);
    }

    /// Adds a line to a VC's log; the oldest goes when there are too many, and is counted.
    pub(super) fn log_line(&mut self, slot: u32, text: &str) {
        let at = self.now;
        let more = self.cells[slot as usize].more_mut();
        if more.log.len() >= LOG_LINES_MAX {
            more.log.pop_front();
            more.log_dropped += 1;
        }
        more.log_next += 1;
        let mut text = text.to_owned();
        if text.len() > LOG_LINE_BYTES_MAX {
            let cut = (0..=LOG_LINE_BYTES_MAX)
                .rev()
                .find(|&n| text.is_char_boundary(n))
                .unwrap_or(0);
            text.truncate(cut);
            text.push('…');
        }
        more.log.push_back(LogLine {
            seq: more.log_next,
            at,
            text,
        });
    }
}
