//! What a worker shows: lists, portraits, logs, numbers. Nothing here changes anything.

use std::collections::BTreeMap;

use genesis::channel::{Channel, Polarity};
use genesis::id::{Digest, VcId};
use genesis::image::ImagePart;
use genesis::limits::TURN_FUEL_MAX;
use genesis::refusal::Refusal;

use super::bodies::body_with;
use super::steer::Sieve;
use super::{Tally, Worker};
use crate::cell::{Cell, Seat};
use crate::view::{ListQuery, LogPage, PartView, Portrait, Summary};

impl Worker {
    /// The number of the last event that has happened here: what is seen now agrees with the events up to it.
    pub(crate) fn last_event(&mut self) -> u64 {
        self.shared.events.append(&mut self.events);
        self.shared.events.last()
    }

    /// The VCs in memory here that a query asks for, in the order of their ids, and no more than a page.
    pub(crate) fn list(&self, query: &ListQuery, limit: usize) -> Vec<Summary> {
        let mut sieve = query.pattern.as_ref().map(Sieve::new);
        let mut rows: Vec<&Cell> = self
            .cells
            .iter()
            .filter(|cell| cell.flags.live && !matches!(cell.seat, Seat::Owner))
            .filter(|cell| query.all || !cell.flags.nested)
            .filter(|cell| query.after.is_none_or(|after| cell.id > after))
            .filter(|cell| sieve.as_mut().is_none_or(|sieve| sieve.takes(self, cell)))
            .collect();
        if rows.len() > limit {
            rows.select_nth_unstable_by_key(limit, |cell| cell.id);
            rows.truncate(limit);
        }
        rows.sort_unstable_by_key(|cell| cell.id);
        rows.into_iter().map(Self::summary).collect()
    }

    pub(crate) fn summary(cell: &Cell) -> Summary {
        Summary {
            id: cell.id,
            name: cell.name().map(str::to_owned),
            life: cell.life,
            parts: cell
                .more
                .as_ref()
                .filter(|_| cell.kind.is_none())
                .map_or(2, |more| more.parts.len()),
            mailbox: cell.mail.len(),
            host: cell.host.id,
            nested: cell.flags.nested,
            durable: cell.flags.durable,
            purse: cell.standing.purse,
            low: cell
                .gauge
                .as_ref()
                .map_or_else(Vec::new, |gauge| gauge.low(cell.standing.purse)),
            faults: cell.more.as_ref().map_or(0, |more| more.faults_total),
            restarts: cell.more.as_ref().map_or(0, |more| more.restarts_total),
            reason: cell.more.as_ref().and_then(|more| more.reason.clone()),
            place: None,
        }
    }

    /// A VC on one screen.
    pub(crate) fn show(&mut self, id: VcId) -> Result<Portrait, Refusal> {
        let slot = self.find_or_wake(id)?;
        let image = self.image(slot);
        let body = body_with(&image.parts, image.grants)?;
        let cell = &self.cells[slot as usize];
        let more = cell.more.as_deref();
        let links = |wanted: Polarity| {
            let mut channels: Vec<Channel> = image
                .parts
                .iter()
                .flat_map(|part| &part.channels)
                .filter(|(_, polarity)| *polarity == wanted)
                .map(|&(channel, _)| channel)
                .collect();
            channels.sort_unstable();
            channels.dedup();
            channels
        };
        Ok(Portrait {
            summary: Self::summary(cell),
            description: image.description.clone(),
            body: image.parts.iter().map(part_view).collect(),
            body_digest: image.body_digest().to_string(),
            image_digest: image.digest().unwrap_or(Digest::ZERO).to_string(),
            shape: shape_of(&body),
            grants: image.grants.iter().collect(),
            denied: body.denied(),
            hunger: body.hunger(),
            needs: links(Polarity::Needs),
            gives: links(Polarity::Gives),
            contacts: Self::contact_views(cell.contacts.as_deref()),
            reshapers: image.reshapers.clone(),
            watchers: more.map_or(0, |more| more.watchers.len()),
            accept: image.accept.clone(),
            goal: image.goal.clone(),
            lineage: image.lineage.clone(),
            turns: image.turns,
            sent: image.sequence,
            births: image.births,
            set_aside: more
                .map(|more| more.set_aside.iter().cloned().collect())
                .unwrap_or_default(),
            timers: image.timers.len(),
            seat: match &cell.seat {
                Seat::Actor(hosted) | Seat::Away(hosted) if hosted.is_actor() => "actor",
                _ => "cell",
            },
            trace: image.trace.to_string(),
            journal: more
                .and_then(|more| more.journal.as_ref())
                .map_or((0, image.record), |journal| {
                    (journal.marks().len(), image.record)
                }),
            idle_ms: image.idle_ms,
            turn_fuel: match image.turn_fuel {
                0 => TURN_FUEL_MAX,
                granted => granted,
            },
        })
    }

    /// A piece of a VC's log.
    pub(crate) fn logs(&mut self, id: VcId, after: u64, limit: usize) -> Result<LogPage, Refusal> {
        let slot = self.find_or_wake(id)?;
        let Some(more) = &self.cells[slot as usize].more else {
            return Ok(LogPage::default());
        };
        Ok(LogPage {
            lines: more
                .log
                .iter()
                .filter(|line| line.seq > after)
                .take(limit)
                .cloned()
                .collect(),
            dropped: more.log_dropped,
        })
    }

    /// Counters, messages in mailboxes, VCs in memory, bytes.
    pub(crate) fn numbers(&self) -> (Tally, usize, usize, usize) {
        (self.tally, self.arena.len(), self.table.len(), self.bytes())
    }

    /// Whether nothing is to be done here before something comes in or is due.
    pub(crate) fn is_quiet(&self) -> bool {
        self.arena.len() == 0
            && self.away == 0
            && self.outs.iter().all(Vec::is_empty)
            && self.falling.is_empty()
            && self.shared.ports[usize::from(self.index)].waiting() == 0
    }

    /// The last links of the traces of all VCs here.
    pub(crate) fn traces(&self) -> Vec<(VcId, Digest)> {
        self.cells
            .iter()
            .filter(|cell| cell.flags.live)
            .map(|cell| {
                let more = cell.more.as_ref();
                (cell.id, more.map_or(Digest::ZERO, |more| more.trace.0))
            })
            .collect()
    }
}

fn part_view(part: &ImagePart) -> PartView {
    let links = |wanted: Polarity| {
        part.channels
            .iter()
            .filter(|(_, p)| *p == wanted)
            .map(|&(channel, _)| channel)
            .collect()
    };
    PartView {
        occurrence: part.occurrence,
        digest: part.digest().to_string(),
        code: crate::cell::Part::from_image(part).describe(),
        role: part.role.clone(),
        bytes: part.contents.len() as u64,
        needs: links(Polarity::Needs),
        gives: links(Polarity::Gives),
    }
}

/// Coordinates by the names of their dimensions.
pub(crate) fn shape_of(body: &genesis::body::Body) -> BTreeMap<String, i64> {
    body.shape()
        .iter()
        .map(|(dimension, at)| (dimension.to_string(), at))
        .collect()
}
