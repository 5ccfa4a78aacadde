//! What an operator steers by: the busiest VCs, whom a pattern takes, the brake, gifts to purses.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashSet};

use genesis::channel::{Channel, Polarity};
use genesis::extent::{Dimension, Extent, Interval};
use genesis::id::VcId;
use genesis::image::Image;
use genesis::pattern::{Mode, Pattern, Subject};
use genesis::purse::{Coin, Purse};
use genesis::refusal::{Code, Refusal};

use super::Worker;
use super::bodies::body_with;
use crate::cell::{Cell, Seat};
use crate::effects::FUEL_PER_TURN;
use crate::events::EventKind;
use crate::gauge::Gauge;
use crate::journal::Entry;
use crate::life::Life;
use crate::view::{BrakedRow, TopBy, TopRow};

/// What each slot's VC had done at one time: generation, turns, fuel.
pub(crate) type Done = Vec<(u32, u64, u64)>;

/// What a worker says when it is asked for its busiest.
#[derive(Debug, Default)]
pub(crate) struct Busiest {
    pub(crate) seq: u64,
    pub(crate) live: u64,
    pub(crate) stopped: u64,
    pub(crate) queued: u64,
    /// Turns since what was done before.
    pub(crate) turns: u64,
    /// The busiest, with turns and fuel since what was done before; in no order.
    pub(crate) rows: Vec<(TopRow, u64, u64)>,
}

/// One that lives, as the brake sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kin {
    pub(crate) id: VcId,
    pub(crate) host: VcId,
    pub(crate) matched: bool,
}

impl Worker {
    // --- The busiest --------------------------------------------------------------------------

    /// What everybody here has done so far; and how many turns all took.
    pub(crate) fn done(&self) -> (Done, u64) {
        let done = |cell: &Cell| (cell.generation, cell.standing.turns, cell.burned);
        (self.cells.iter().map(done).collect(), self.tally.turns)
    }

    /// The busiest here, beside what was done before; no more than so many.
    pub(crate) fn busiest(&mut self, by: TopBy, limit: usize, before: &(Done, u64)) -> Busiest {
        let mut all = Busiest {
            seq: self.last_event(),
            queued: self.arena.len() as u64,
            turns: self.tally.turns - before.1,
            ..Busiest::default()
        };
        let mut ranked = Vec::new();
        for (slot, cell) in self.cells.iter().enumerate() {
            if !cell.flags.live || matches!(cell.seat, Seat::Owner) {
                continue;
            }
            if cell.life == Life::Stopped {
                all.stopped += 1;
                continue;
            }
            // One that is about to sleep takes no turn, and its event has said so.
            if cell.life == Life::Dormant {
                continue;
            }
            all.live += 1;
            let (turns, fuel) = match before.0.get(slot) {
                Some(&(generation, turns, fuel)) if generation == cell.generation => {
                    (cell.standing.turns - turns, cell.burned - fuel)
                }
                // It came since: all it burned here was since then, and no turn costs less than this.
                _ => {
                    let most = cell.burned / FUEL_PER_TURN;
                    (cell.standing.turns.min(most), cell.burned)
                }
            };
            let rank = match by {
                TopBy::Rate => (turns, fuel),
                TopBy::Fuel => (fuel, turns),
                TopBy::Mailbox => (u64::from(cell.mail.len()), turns),
            };
            ranked.push((rank, slot, turns, fuel));
        }
        let best = |entry: &((u64, u64), usize, u64, u64)| std::cmp::Reverse(entry.0);
        if ranked.len() > limit && limit > 0 {
            ranked.select_nth_unstable_by_key(limit - 1, best);
        }
        ranked.truncate(limit);
        let row = |(_, slot, turns, fuel): ((u64, u64), usize, u64, u64)| {
            let cell = &self.cells[slot];
            let row = TopRow {
                summary: Self::summary(cell),
                turns: cell.standing.turns,
                rate: None,
                fuel: cell.burned,
                fuel_rate: None,
            };
            (row, turns, fuel)
        };
        all.rows = ranked.into_iter().map(row).collect();
        all
    }

    // --- The brake ----------------------------------------------------------------------------

    /// Whether something from other workers waits here to be read.
    pub(crate) fn has_traffic(&self) -> bool {
        self.shared.ports[usize::from(self.index)].unread() > 0
    }

    /// All who live in memory here, but the node's own, and whether the pattern takes them.
    pub(crate) fn kin(&self, pattern: Option<&Pattern>) -> Vec<Kin> {
        let mut sieve = pattern.map(Sieve::new);
        let own = [self.shared.scavenger, self.shared.indexer];
        let lives = |cell: &&Cell| {
            cell.flags.live
                && !matches!(cell.seat, Seat::Owner)
                && cell.life != Life::Stopped
                && !own.contains(&cell.id)
        };
        let kin = |cell: &Cell| Kin {
            id: cell.id,
            host: cell.host.id,
            matched: !cell.flags.nested
                && sieve.as_mut().is_some_and(|sieve| sieve.takes(self, cell)),
        };
        self.cells.iter().filter(lives).map(kin).collect()
    }

    /// Stops those of these that live here on the owner's behalf; how they were.
    pub(crate) fn brake(&mut self, ids: &[VcId], matched: &HashSet<VcId>) -> Vec<BrakedRow> {
        let mut stopped = Vec::new();
        for &id in ids {
            let Some(slot) = self.find(id) else { continue };
            let cell = &self.cells[slot as usize];
            if matches!(cell.seat, Seat::Owner) || cell.life == Life::Stopped {
                // Perhaps it stopped with its host, a moment ago: then it was seen there.
                continue;
            }
            stopped.push(self.braked(slot, matched));
            for inner in self.inner_of(slot) {
                if let Some(slot) = self.find(inner)
                    && self.cells[slot as usize].life != Life::Stopped
                {
                    stopped.push(self.braked(slot, matched));
                }
            }
            self.stop(slot, "owner");
        }
        stopped
    }

    fn braked(&self, slot: u32, matched: &HashSet<VcId>) -> BrakedRow {
        let cell = &self.cells[slot as usize];
        BrakedRow {
            id: cell.id,
            name: cell.name().map(str::to_owned),
            host: cell.host.id,
            matched: matched.contains(&cell.id),
            turns: cell.standing.turns,
            fuel: cell.burned,
            mailbox: cell.mail.len(),
        }
    }

    /// Those in its body, and in theirs.
    fn inner_of(&self, slot: u32) -> Vec<VcId> {
        let mut found: Vec<VcId> = Vec::new();
        let mut slots = vec![slot];
        while let Some(slot) = slots.pop() {
            let Some(more) = self.cells[slot as usize].more.as_deref() else {
                continue;
            };
            for inner in more.parts.iter().filter_map(crate::cell::Part::computer) {
                slots.extend(self.find(inner));
                found.push(inner);
            }
        }
        found
    }

    // --- Purses -------------------------------------------------------------------------------

    /// Says of which coins little is left, once for each.
    pub(super) fn read_gauge(&mut self, slot: u32) {
        let cell = &mut self.cells[slot as usize];
        let Some(gauge) = &mut cell.gauge else { return };
        let (id, purse) = (cell.id, cell.standing.purse);
        let mut said = Vec::new();
        for coin in gauge.newly_low(purse) {
            let (left, full) = (purse.left(coin), gauge.full(coin));
            said.push(format!("{left} of {full} {coin} left"));
        }
        for said in said {
            self.log_line(slot, &format!("purse: {said}"));
            self.event(EventKind::Purse, id, said);
        }
    }

    /// The owner puts something into a VC's purse; what it holds now.
    pub(crate) fn fill_purse(&mut self, id: VcId, gift: Purse) -> Result<Purse, Refusal> {
        let slot = self.find_or_wake(id)?;
        let cell = &mut self.cells[slot as usize];
        if matches!(cell.seat, Seat::Owner) {
            let what = "the owner's purse has no end";
            return Err(Refusal::new(Code::Denied, what).who(id));
        }
        if cell.life == Life::Stopped {
            let what = format!("{id} is stopped: what is put into its purse now would be lost");
            return Err(Refusal::new(Code::Stopped, what)
                .who(id)
                .hint("spawn it anew with a larger `--budget`; of one that lives, `medium ps` shows what runs out"));
        }
        let given = Coin::ALL.into_iter().filter(|&coin| gift.left(coin) > 0);
        let given: Vec<Coin> = given.collect();
        let endless = given.iter().any(|&coin| gift.left(coin) == u64::MAX);
        let mut purse = cell.standing.purse;
        for &coin in &given {
            purse.put(coin, gift.left(coin));
        }
        match &mut cell.seat {
            // Its standing is away with the turn and comes back with it.
            Seat::Away(_) if endless => {
                let what = format!("{id} is taking a turn");
                return Err(Refusal::new(Code::Busy, what).who(id).hint("try again"));
            }
            Seat::Away(hosted) => hosted.returned.merge(gift),
            _ => cell.standing.purse = purse,
        }
        match &mut cell.gauge {
            Some(gauge) => {
                for &coin in &given {
                    gauge.fill(coin, purse.left(coin));
                }
            }
            None => cell.gauge = Gauge::of(purse).map(Box::new),
        }
        let amount = |&coin: &Coin| match gift.left(coin) {
            u64::MAX => format!("{coin} without end"),
            amount => format!("{amount} {coin}"),
        };
        let said = given.iter().map(amount).collect::<Vec<_>>().join(", ");
        if !said.is_empty() {
            self.log_line(slot, &format!("purse: the owner gave {said}"));
            self.event(EventKind::Purse, id, format!("given {said}"));
            if endless {
                // What has no end is not put beside what is there, so it is no refund.
                let mut seat = std::mem::replace(&mut self.cells[slot as usize].seat, Seat::Empty);
                self.snapshot(slot, &mut seat, true);
                self.cells[slot as usize].seat = seat;
            } else if !matches!(self.cells[slot as usize].seat, Seat::Away(_)) {
                self.write_down(slot, &Entry::Refund(gift));
            }
            self.touch(slot);
        }
        Ok(purse)
    }
}

/// Whom a pattern takes. Remembers what plain VCs of one kind are like, of whom there may be many.
pub(crate) struct Sieve<'a> {
    pattern: &'a Pattern,
    plain: BTreeMap<(u16, u16), Likeness>,
}

/// What a pattern asks about bodies.
#[derive(Default)]
struct Likeness {
    extent: Extent,
    links: Vec<(Channel, Polarity)>,
}

impl Likeness {
    fn of(parts: &[genesis::image::ImagePart], grants: genesis::power::Grants) -> Self {
        let mut extent = Extent::default();
        // A body beyond a bound has no shape, so only patterns without a bound on shapes take it.
        if let Ok(body) = body_with(parts, grants) {
            for (dimension, at) in body.shape().iter() {
                extent.0.insert(dimension, Interval::point(at));
            }
        }
        let links = parts.iter().flat_map(|part| part.channels.iter().copied());
        Self {
            extent,
            links: links.collect(),
        }
    }
}

/// A VC, as a pattern asks about it.
struct Seen<'a> {
    like: &'a Likeness,
    name: Option<&'a str>,
    life: Life,
    host: VcId,
    host_text: OnceCell<String>,
}

impl Subject for Seen<'_> {
    fn interval(&self, dimension: &Dimension) -> Option<Interval> {
        self.like.extent.interval(dimension)
    }

    fn gives(&self, channel: &Channel) -> bool {
        self.like.links.contains(&(*channel, Polarity::Gives))
    }

    fn needs(&self, channel: &Channel) -> bool {
        self.like.links.contains(&(*channel, Polarity::Needs))
    }

    fn tag(&self, key: &str) -> Option<&str> {
        match key {
            "name" => self.name,
            "life" => Some(self.life.name()),
            "host" => Some(self.host_text.get_or_init(|| self.host.to_string())),
            _ => None,
        }
    }
}

impl<'a> Sieve<'a> {
    /// Takes whom this pattern does.
    pub(crate) fn new(pattern: &'a Pattern) -> Self {
        Self {
            pattern,
            plain: BTreeMap::new(),
        }
    }

    /// Whether it takes a VC in memory.
    pub(crate) fn takes(&mut self, worker: &Worker, cell: &Cell) -> bool {
        if self.pattern.is_all() {
            return true;
        }
        let made = || {
            let parts: Vec<_> = worker.parts_of(cell);
            let parts: Vec<_> = parts.iter().map(|part| part.to_image(None)).collect();
            Likeness::of(&parts, cell.standing.grants)
        };
        let once;
        let like = if let Some(kind) = cell.kind {
            let key = (kind, cell.standing.grants.bits());
            &*self.plain.entry(key).or_insert_with(made)
        } else {
            once = made();
            &once
        };
        self.pattern.matches(
            &Seen {
                like,
                name: cell.name(),
                life: cell.life,
                host: cell.host.id,
                host_text: OnceCell::new(),
            },
            Mode::Within,
        )
    }

    /// Whether it takes one that sleeps, or is stopped, in the store.
    pub(crate) fn takes_image(&self, image: &Image, life: Life) -> bool {
        let like = Likeness::of(&image.parts, image.grants);
        self.pattern.matches(
            &Seen {
                like: &like,
                name: image.name.as_deref(),
                life,
                host: image.host,
                host_text: OnceCell::new(),
            },
            Mode::Within,
        )
    }
}
