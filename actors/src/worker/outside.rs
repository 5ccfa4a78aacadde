//! The way to the world outside and back.

use genesis::id::VcId;
use genesis::refusal::Refusal;
use genesis::time::Time;

use super::Worker;
use crate::cell::Part;
use crate::events::EventKind;
use crate::letter::Letter;
use crate::life::Life;
use crate::outside::{Mercy, Told};
use crate::view::Summary;

impl Worker {
    /// Takes what a VC says to the world outside; it leaves with the slice.
    pub(super) fn hand_outside(&mut self, letter: Letter) {
        self.tally.consumed += 1;
        self.to_outside.push(letter);
    }

    /// Lets what was said to the world outside leave, with the slice it depends on.
    pub(super) fn leave_outside(&mut self, depends: u64) {
        for letter in self.to_outside.drain(..) {
            let Some(outside) = &self.shared.outside else {
                tracing::warn!(vc = %letter.from, "nobody listens outside");
                continue;
            };
            outside.told(Told {
                vc: letter.from,
                channel: letter.channel,
                reference: letter.reference(),
                slice: if letter.ahead { depends } else { 0 },
                contents: letter.contents,
            });
        }
    }

    /// Whoever listens outside for a VC need not any more.
    pub(super) fn gone_from_outside(&self, id: VcId) {
        if let Some(outside) = &self.shared.outside {
            outside.gone(id);
        }
    }

    /// Takes a message from outside. How full the mailbox is does not matter: who listens outside has a few
    /// under way at the most.
    pub(crate) fn hear(&mut self, letter: Letter) -> Result<(), Refusal> {
        let slot = self.find_or_wake(letter.to)?;
        let cell = &self.cells[slot as usize];
        if cell.life == Life::Stopped {
            let what = format!("{} is stopped", cell.id);
            return Err(Refusal::new(genesis::refusal::Code::Stopped, what).who(cell.id));
        }
        self.tally.accepted += 1;
        self.deliver(Box::new(letter));
        Ok(())
    }

    /// The program of a VC failed. That is a fault like that of a turn, under the same rule: so many new starts
    /// within so long, one more stops the VC.
    pub(crate) fn program_failed(&mut self, id: VcId, why: &str) -> Result<Mercy, Refusal> {
        let slot = self.find_or_wake(id)?;
        if self.cells[slot as usize].life == Life::Stopped {
            return Ok(Mercy::Stopped);
        }
        self.tally.faults += 1;
        self.event(EventKind::Fault, id, why);
        self.log_line(slot, &format!("fault: {why}"));
        let now = self.now;
        let more = self.cells[slot as usize].more_mut();
        more.faults_total += 1;
        let restart = more.restart;
        let lately = |at: &Time| now.since_ms(*at) <= restart.within_ms;
        more.restarts.retain(lately);
        more.restarts.push(now);
        if more.restarts.len() > restart.restarts_max as usize {
            self.stop(slot, "faults");
            return Ok(Mercy::Stopped);
        }
        more.restarts_total += 1;
        let times = more.restarts_total;
        self.event(EventKind::Restarted, id, times.to_string());
        self.touch(slot);
        Ok(Mercy::Again(times))
    }

    /// Adds a line to a VC's log.
    pub(crate) fn note(&mut self, id: VcId, line: &str) -> Result<(), Refusal> {
        let slot = self.find_or_wake(id)?;
        self.log_line(slot, line);
        self.event(EventKind::Output, id, line);
        Ok(())
    }

    /// Those in the body of a VC.
    pub(crate) fn nested(&mut self, id: VcId) -> Result<Vec<(String, Summary)>, Refusal> {
        let mut nested = Vec::new();
        for part in self.looking(id, |worker| worker.parts_of_vc(id))? {
            let Some(inner) = part.computer() else {
                continue;
            };
            let mut summary = self.looking(inner, |worker| {
                let slot = worker.find_or_wake(inner)?;
                Ok(Self::summary(&worker.cells[slot as usize]))
            })?;
            let name = part.role.unwrap_or_else(|| part.occurrence.to_string());
            summary.name = Some(name.clone());
            nested.push((name, summary));
        }
        Ok(nested)
    }

    /// The parts of a VC.
    pub(crate) fn parts_of_vc(&mut self, id: VcId) -> Result<Vec<Part>, Refusal> {
        let slot = self.find_or_wake(id)?;
        Ok(self.parts_of(&self.cells[slot as usize]))
    }
}
