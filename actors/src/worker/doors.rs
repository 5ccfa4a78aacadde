//! What comes in from the runtime: the owner's messages, messages owed from before, looks.

use genesis::id::VcId;
use genesis::image::Image;
use genesis::power::Grants;
use genesis::purse::Purse;
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;
use genesis::wire;

use super::Worker;
use crate::cell::{Cell, Flags, Seat};
use crate::effects::Standing;
use crate::handle::Entry;
use crate::letter::Letter;
use crate::life::Life;
use crate::mailbox::Mailbox;
use crate::runtime::{KEY_VERSION, KeyRow};
use crate::store::{Op, Table};

impl Worker {
    /// Gives the owner a place, so that letters to it come out at the gateway.
    pub(crate) fn seat_owner(&mut self) {
        let cell = Cell {
            id: self.shared.owner,
            host: Entry::of(VcId::NOBODY),
            standing: Standing {
                purse: Purse::ENDLESS,
                grants: Grants::ALL,
                sequence: 0,
                births: 0,
                turns: 0,
            },
            seat: Seat::Owner,
            mail: Mailbox::EMPTY,
            generation: 0,
            kind: None,
            life: Life::Awake,
            flags: Flags::default(),
            last_active: Time::ZERO,
            family: 0,
            burned: 0,
            gauge: None,
            contacts: None,
            more: None,
        };
        self.settle_in(cell, false);
    }

    /// Takes a message of the owner, or refuses it; nothing was accepted then.
    pub(crate) fn admit(&mut self, letter: Letter, key: Option<KeyRow>) -> Result<(), Refusal> {
        let slot = self.find_or_wake(letter.to)?;
        let cell = &self.cells[slot as usize];
        let (id, durable) = (cell.id, cell.flags.durable);
        if cell.life == Life::Stopped {
            return Err(Refusal::new(Code::Stopped, format!("{id} is stopped")).who(id));
        }
        if letter.expires_at <= self.now {
            let late_ms = self.now.since_ms(letter.expires_at);
            return Err(Refusal::new(
                Code::Expired,
                format!("the message expired {late_ms} ms ago"),
            ));
        }
        if let Some(log) = self.shared.log.as_ref().filter(|_| durable) {
            log.health()?;
            if log.is_behind() {
                return Err(
                    Refusal::new(Code::Busy, "the disk is far behind").hint("send again later")
                );
            }
        }
        if let Some(refusal) = self
            .over_bound(slot, letter.weight())
            .or_else(|| self.not_accepted(slot, &letter))
        {
            return Err(refusal);
        }
        if let (Some(key), Some(row)) = (letter.extra.as_ref().and_then(|e| e.key), key) {
            if self
                .shared
                .gateway
                .keys
                .get(key)
                .is_some_and(|kept| kept.expires_at > self.now)
            {
                let what = "a message with this idempotency key is being accepted";
                return Err(Refusal::new(Code::Conflict, what).hint("ask again"));
            }
            self.keep_key(key, &row);
        }
        self.tally.accepted += 1;
        self.enqueue(slot, Box::new(letter));
        Ok(())
    }

    fn keep_key(&mut self, key: genesis::id::Digest, row: &KeyRow) {
        self.shared.gateway.keys.insert(key, row.clone());
        if self.shared.log.is_some()
            && let Ok(value) = wire::encode(KEY_VERSION, row)
        {
            self.slice.ops.push(Op::Put {
                table: Table::Dedup,
                key: key.0.to_vec(),
                value,
            });
        }
    }

    /// Keeps the answer to a message with an idempotency key, in the same commit as the turn that gave
    /// it: whoever asks again gets it again.
    pub(super) fn remember_reply(
        &mut self,
        key: genesis::id::Digest,
        asked: &Letter,
        reply: &Letter,
    ) {
        const KEPT_BYTES_MAX: usize = 4 * 1024;
        if reply.answers != asked.sequence || reply.contents.len() > KEPT_BYTES_MAX {
            return;
        }
        let Some(mut row) = self.shared.gateway.keys.get(key).or_else(|| {
            let log = self.shared.log.as_ref()?;
            let row = log.store().get(Table::Dedup, &key.0).ok()??;
            wire::decode::<KeyRow>(KEY_VERSION, &row).ok()
        }) else {
            return;
        };
        row.reply = Some(Box::new(reply.clone()));
        self.keep_key(key, &row);
    }

    /// Takes up a message that was owed when the node ended.
    pub(crate) fn deliver_owed(&mut self, mut letter: Letter) {
        letter.logged = true;
        letter.ahead = true;
        self.tally.accepted += 1;
        self.deliver(Box::new(letter));
    }

    /// A VC in a body, by the name or occurrence its host knows it under.
    pub(crate) fn inner(&mut self, host: VcId, step: &str) -> Result<VcId, Refusal> {
        let slot = self.find_or_wake(host)?;
        let parts = self.parts_of(&self.cells[slot as usize]);
        parts
            .iter()
            .find(|part| part.role.as_deref() == Some(step) || part.occurrence.to_string() == step)
            .and_then(crate::cell::Part::computer)
            .ok_or_else(|| {
                let step: String = step.chars().take(64).collect();
                Refusal::new(
                    Code::Unknown,
                    format!("the body of {host} has no VC `{step}`"),
                )
                .who(host)
            })
    }

    /// The whole image of a VC, and whether it is durable.
    pub(crate) fn frozen(&mut self, id: VcId) -> Result<(Image, bool), Refusal> {
        let slot = self.find_or_wake(id)?;
        if matches!(self.cells[slot as usize].seat, Seat::Away(_)) {
            return Err(Refusal::new(Code::Busy, format!("{id} is taking a turn")).who(id));
        }
        let durable = self.cells[slot as usize].flags.durable;
        self.whole_image(slot, 0).map(|image| (image, durable))
    }

    /// Looks at a VC; one that slept goes back to sleep.
    pub(crate) fn looking<T>(
        &mut self,
        id: VcId,
        look: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let slept = self.find(id).is_none();
        if slept {
            let (tally, events, ops) = (self.tally, self.events.len(), self.slice.ops.len());
            let slot = self.wake_from_store(id)?;
            self.tally = tally;
            self.events.truncate(events);
            self.slice.ops.truncate(ops);
            if self.cells[slot as usize].life == Life::Born {
                self.cells[slot as usize].life = Life::Dormant;
            }
        }
        let seen = look(self);
        if slept && let Some(slot) = self.find(id) {
            self.free_cell(slot);
        }
        seen
    }

    /// Whether nothing is due here before `until`.
    pub(crate) fn is_past(&self, until: Time) -> bool {
        self.is_quiet() && self.timers.next().is_none_or(|at| at > until)
    }
}
