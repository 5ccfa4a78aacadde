//! A cohort: VCs of one behaviour, kept as columns, each with an address of its own.

use crate::agent::{Agent, Columns as _, View as _, Window};
use crate::bytes::{Damaged, Reader};
use crate::code::{self, Code};
use crate::ids::{AgentId, Table};
use crate::mail::{Outlets, Wakes};
use crate::random;
use crate::space::{Lattice, Spot};
use crate::store::{Hosting, Rows, Store};
use crate::tick::{Phase, Tick};
use crate::turn::{Said, Turn, UNTIL_CALLED};

mod sleepers;
mod turns;

use sleepers::Sleepers;
pub(crate) use turns::cut;
use turns::run;

/// What the id of a dead row is until the row is removed.
const GONE: u64 = u64::MAX;
/// From which share of dead rows on they are removed although no phase asks for an order: 1 of so many.
const GONE_SHARE: usize = 4;

/// How many rows are read ahead of their turns in a random order.
const ROWS_AHEAD: usize = 16;

/// Rows of one kind. Their order is part of the world: that of birth, until a phase orders them by place.
#[derive(Debug, Default)]
pub struct Cohort<A: Agent> {
    pub(crate) store: Store<A>,
    pub(crate) ids: Vec<u64>,
    pub(crate) table: Table,
    /// Dead rows that are still in their places.
    gone: usize,
    sleepers: Sleepers,
    /// How often rows have changed their places.
    pub(crate) ordered: u64,
    born: u64,
    died: u64,
    /// Where the rows of each spot begin, after [`Cohort::gather`].
    pub(crate) starts: Vec<u32>,
    /// What `ordered` was then.
    pub(crate) gathered: u64,
    pub(crate) to: Vec<u32>,
    pub(crate) spare: A::Columns,
    pub(crate) spare_ids: Vec<u64>,
}

impl<A: Agent> Cohort<A> {
    /// An empty one, the so-many-th of its world.
    pub(crate) fn of_world(place: u8, hosting: Hosting) -> Self {
        Self {
            store: Store::new(hosting),
            table: Table::of_cohort(place),
            ..Self::default()
        }
    }

    /// How many live in it.
    pub fn len(&self) -> usize {
        self.ids.len() - self.gone
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them take no turns now.
    pub const fn asleep(&self) -> usize {
        self.sleepers.count
    }

    /// How many were born in it.
    pub const fn births(&self) -> u64 {
        self.born
    }

    /// How many have died in it.
    pub const fn deaths(&self) -> u64 {
        self.died
    }

    /// All rows, in their order.
    pub fn iter(&self) -> impl Iterator<Item = A> + '_ {
        let live = self.ids.iter().enumerate().filter(|(_, id)| **id != GONE);
        live.map(|(slot, _)| self.store.get(slot))
    }

    /// The mean of what is some of all rows; 0 of none.
    pub fn mean<V: Into<Option<f64>>>(&self, of: impl Fn(A) -> V) -> f64 {
        let values = self.iter().filter_map(|row| of(row).into());
        let (sum, count) =
            values.fold((0.0, 0_u64), |(sum, count), value| (sum + value, count + 1));
        if count == 0 { 0.0 } else { sum / count as f64 }
    }

    /// Of which share of all rows this is true; 0 of none.
    pub fn share(&self, of: impl Fn(A) -> bool) -> f64 {
        self.mean(|row| f64::from(u8::from(of(row))))
    }

    /// Of how many rows this is true.
    pub fn count(&self, of: impl Fn(A) -> bool) -> usize {
        self.iter().filter(|row| of(*row)).count()
    }

    /// All addresses, in the order of the rows.
    pub fn ids(&self) -> impl Iterator<Item = AgentId> + '_ {
        self.ids
            .iter()
            .filter(|id| **id != GONE)
            .map(|&id| AgentId(id))
    }

    /// The row with this address; none if it is not here, or dead. The first call after rows have moved notes all of their
    /// places.
    pub fn get(&mut self, id: AgentId) -> Option<A> {
        self.table.settle(&self.ids);
        let slot = self.table.slot(id)?;
        Some(self.store.get(slot))
    }

    /// Changes the row with this address; false if it is not here.
    pub fn set(&mut self, id: AgentId, row: A) -> bool {
        self.table.settle(&self.ids);
        let slot = self.table.slot(id);
        if let Some(slot) = slot {
            self.store.set(slot, row);
        }
        slot.is_some()
    }

    /// So many are born; what each is may depend on its address and its own random numbers.
    pub fn spawn(
        &mut self,
        t: &mut Tick<'_>,
        count: u64,
        mut row: impl FnMut(&mut Turn<'_, A>) -> A,
    ) {
        let phase = self.phase(t);
        let mut said = Said::default();
        self.table.reserve(usize::try_from(count).unwrap_or(0));
        for _ in 0..count {
            let id = self.next_id();
            let slot = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
            let row = row(&mut Turn::new(phase, id, slot, &mut said));
            self.admit(id, row);
        }
        self.born += count;
        self.finish([said]);
    }

    /// One is born; its address.
    pub fn bear(&mut self, row: A) -> AgentId {
        let id = self.next_id();
        self.admit(id, row);
        self.born += 1;
        id
    }

    fn next_id(&mut self) -> AgentId {
        let slot = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        assert!(slot < u32::MAX, "a cohort has fewer than 2^32 - 1 rows");
        self.table.give(slot)
    }

    fn admit(&mut self, id: AgentId, row: A) {
        self.ids.push(id.0);
        self.store.push(row);
    }

    /// Takes a row out; its address finds nobody from then on.
    pub fn remove(&mut self, id: AgentId) -> Option<A> {
        let row = self.take(id)?;
        self.table.end(id);
        self.died += 1;
        Some(row)
    }

    /// Moves a row to a cohort of another kind; its address finds it there.
    pub fn move_to<B: Agent>(
        &mut self,
        other: &mut Cohort<B>,
        id: AgentId,
        change: impl FnOnce(A) -> B,
    ) -> bool {
        let Some(row) = self.take(id) else {
            return false;
        };
        self.table.leave(id);
        other.table.settle(&other.ids);
        let slot = u32::try_from(other.ids.len()).unwrap_or(u32::MAX);
        other.table.welcome(id, slot);
        other.admit(id, change(row));
        true
    }

    fn take(&mut self, id: AgentId) -> Option<A> {
        self.table.settle(&self.ids);
        let slot = self.table.slot(id)?;
        let row = self.store.get(slot);
        self.sleepers.wake(slot, id);
        self.ids[slot] = GONE;
        self.gone += 1;
        // Spots no longer know who stands on them.
        self.gathered = u64::MAX;
        Some(row)
    }

    /// A turn of every row that is awake. A row changes itself and nothing else, so the order does not matter.
    pub fn each(&mut self, t: &mut Tick<'_>, turn: impl Fn(&mut A, &mut Turn<'_, A>) + Sync) {
        self.each_sending(t, (), |row, vc, ()| turn(row, vc));
    }

    /// The same, with somewhere to send messages: one [`Channel`](crate::mail::Channel), or a pair of them.
    pub fn each_sending<O: Outlets>(
        &mut self,
        t: &mut Tick<'_>,
        mut outlets: O,
        turn: impl Fn(&mut A, &mut Turn<'_, A>, &mut O::Out) + Sync,
    ) {
        let phase = self.phase(t);
        let len = self.ids.len();
        let pieces = t.crew().pieces(len - self.sleepers.count);
        let every = len.div_ceil(pieces).max(1).next_multiple_of(64);
        let (ids, sleepers) = (&self.ids, &self.sleepers);
        let mut results = match &mut self.store {
            Store::Columns(rows) => {
                let work = cut(rows.window(), len, every);
                t.crew().run(work, |(from, to, rows)| {
                    run::<A, _, O>(phase, rows, &ids[from..to], from, sleepers, &turn)
                })
            }
            Store::Alone(rows) => {
                let work = cut(rows.as_mut_slice(), len, every);
                t.crew().run(work, |(from, to, rows)| {
                    run::<A, _, O>(phase, rows, &ids[from..to], from, sleepers, &turn)
                })
            }
        };
        for (_, out) in &mut results {
            outlets.take(std::mem::take(out));
        }
        self.finish(results.into_iter().map(|(said, _)| said));
    }

    /// A turn of every row that is awake by code that came from outside; `parameters` are what the model tells it.
    ///
    /// # Panics
    /// If the code cannot be run or a turn of it fails: the run ends with an error that says why.
    pub fn each_by(&mut self, t: &mut Tick<'_>, code: &mut Code, parameters: &[f64]) {
        let phase = self.phase(t);
        let mut row = Vec::new();
        A::default().write(&mut row);
        let code = fail_if(code.ready(t.crew().engine(), row.len()));
        let len = self.ids.len();
        let live: Vec<(u32, u64)> = (0..)
            .zip(self.ids.iter().copied())
            .filter(|&(slot, id)| id != GONE && !self.sleepers.sleeps(slot as usize))
            .collect();
        let every = len.div_ceil(t.crew().pieces(len)).max(1);
        let of = |from: usize, to: usize| {
            let at = |slot: usize| live.partition_point(|(known, _)| (*known as usize) < slot);
            &live[at(from)..at(to)]
        };
        let batch = code::batch_rows(matches!(self.store, Store::Alone(_)));
        let results = match &mut self.store {
            Store::Columns(rows) => {
                let work = cut(rows.window(), len, every);
                t.crew().run(work, |(from, to, rows)| {
                    code::run::<A, _>(&*code, phase, parameters, rows, of(from, to), from, batch)
                })
            }
            Store::Alone(rows) => {
                let work = cut(rows.as_mut_slice(), len, every);
                t.crew().run(work, |(from, to, rows)| {
                    code::run::<A, _>(&*code, phase, parameters, rows, of(from, to), from, batch)
                })
            }
        };
        // The first of several errors in the order of rows: threads must not show.
        let results: Result<Vec<_>, _> = results.into_iter().collect();
        self.finish(fail_if(results));
    }

    /// A turn of every row that is awake, one after the other in an order drawn anew: for models whose definition says that
    /// each sees what those before it have done.
    pub fn each_in_random_order(
        &mut self,
        t: &mut Tick<'_>,
        mut turn: impl FnMut(&mut A, &mut Turn<'_, A>),
    ) {
        let mut stream = t.stream();
        let phase = self.phase(t);
        let mut order = std::mem::take(&mut self.to);
        order.clear();
        // The dead have no lot: when they are removed must not show.
        let slots = (0..).zip(&self.ids).filter(|(_, id)| **id != GONE);
        order.extend(slots.map(|(slot, _)| slot));
        for last in (1..order.len()).rev() {
            let other = usize::try_from(stream.below(last as u64 + 1)).unwrap_or(last);
            order.swap(last, other);
        }
        let mut said = Said::default();
        let mut rows = self.store.rows();
        // Rows in this order are far apart in memory: some are read at once, as nobody but a row itself changes it.
        let mut ahead = [(A::default(), 0); ROWS_AHEAD];
        for slots in order.chunks(ROWS_AHEAD) {
            for (&slot, row) in slots.iter().zip(&mut ahead) {
                *row = (rows.get(slot as usize), self.ids[slot as usize]);
            }
            for (&slot, &(old, id)) in slots.iter().zip(&ahead) {
                if self.sleepers.count > 0 && self.sleepers.sleeps(slot as usize) {
                    continue;
                }
                let mut row = old;
                let mut vc = Turn::new(phase, AgentId(id), slot, &mut said);
                turn(&mut row, &mut vc);
                let dead = vc.dead;
                if row != old {
                    rows.set(slot as usize, row);
                }
                if dead {
                    said.dead.push(slot);
                }
            }
        }
        drop(rows);
        self.to = order;
        self.finish([said]);
    }

    /// The next phase, for rows in the order that they have now.
    pub(crate) fn phase(&self, t: &mut Tick<'_>) -> Phase {
        self.of_phase(t.phase())
    }

    /// This phase, for rows in the order that they have now.
    pub(crate) fn of_phase(&self, phase: Phase) -> Phase {
        Phase {
            ordered: self.ordered,
            ..phase
        }
    }

    /// Carries out what the turns of a phase came to.
    pub(crate) fn finish(&mut self, said: impl IntoIterator<Item = Said<A>>) {
        let mut born = Vec::new();
        let said: Vec<_> = said.into_iter().collect();
        // All of the dead before any of the newborn: pieces must not show in who gets whose entry.
        for said in &said {
            for &(slot, until) in &said.slept {
                let id = AgentId(self.ids[slot as usize]);
                self.sleepers.lay(slot as usize, id, until);
            }
            for &slot in &said.dead {
                // Spots no longer know who stands on them.
                self.gathered = u64::MAX;
                let id = std::mem::replace(&mut self.ids[slot as usize], GONE);
                self.table.end(AgentId(id));
                self.sleepers.wake(slot as usize, AgentId(id));
                self.gone += 1;
                self.died += 1;
            }
        }
        for said in said {
            if born.is_empty() {
                born = said.born;
            } else {
                born.extend(said.born);
            }
        }
        self.born += born.len() as u64;
        for row in born {
            let id = self.next_id();
            self.admit(id, row);
        }
    }

    /// Orders the rows by the spot they stand on, so that a spot can see who is there; whoever was on a spot before keeps its
    /// place in the line.
    ///
    /// # Panics
    /// If a row stands on no spot of the lattice.
    pub fn gather(&mut self, lattice: &Lattice, at: impl Fn(&A) -> Spot) {
        self.group(lattice.len(), |row| at(row).0 as usize);
        self.gathered = self.ordered;
    }

    /// Orders the rows by group: a stable counting sort. Then `starts[g]..starts[g + 1]` are the slots of group `g`.
    pub(crate) fn group(&mut self, groups: usize, of: impl Fn(&A) -> usize) {
        self.to.clear();
        self.to.reserve(self.ids.len());
        self.starts.clear();
        self.starts.resize(groups + 2, 0);
        match &self.store {
            Store::Columns(rows) => {
                let rows = rows.view(0, rows.len());
                for (slot, &id) in self.ids.iter().enumerate() {
                    note(
                        id,
                        groups,
                        || of(&rows.get(slot)),
                        &mut self.to,
                        &mut self.starts,
                    );
                }
            }
            Store::Alone(rows) => {
                for (row, &id) in rows.iter().zip(&self.ids) {
                    note(id, groups, || of(row), &mut self.to, &mut self.starts);
                }
            }
        }
        self.order_by_starts();
    }

    /// With a group for each row in `to`, and the size of group `g` in `starts[g + 2]`: puts rows in order of the groups.
    /// Then `starts[g]..starts[g + 1]` are the slots of group `g`.
    pub(crate) fn order_by_starts(&mut self) {
        let mut sum = 0_u32;
        for start in &mut self.starts {
            sum = sum.wrapping_add(*start);
            *start = sum;
        }
        for to in &mut self.to {
            // `GONE` rows have a group beyond the last.
            if let Some(next) = self.starts.get_mut(*to as usize + 1) {
                *to = *next;
                *next = next.wrapping_add(1);
            }
        }
        self.starts.pop();
        self.reorder();
    }

    /// Puts the rows where `to` says.
    fn reorder(&mut self) {
        let len = self.len();
        self.store.order(&self.to, len, &mut self.spare);
        crate::agent::scatter(&self.ids, &self.to, len, &mut self.spare_ids);
        std::mem::swap(&mut self.ids, &mut self.spare_ids);
        self.sleepers.moved(&self.to);
        self.gone = 0;
        self.ordered += 1;
        self.table.moved();
    }

    /// Removes dead rows, if there are many.
    fn remove_gone(&mut self) {
        if self.gone * GONE_SHARE <= self.ids.len() || self.gone == 0 {
            return;
        }
        let mut next = 0;
        self.to.clear();
        self.to.extend(self.ids.iter().map(|&id| {
            if id == GONE {
                u32::MAX
            } else {
                next += 1;
                next - 1
            }
        }));
        self.reorder();
    }

    /// The tick begins: who sleeps until now wakes. The dead are removed now and not in a phase, which would move rows away
    /// from the mail that was delivered to their slots.
    pub(crate) fn begin(&mut self, now: u64) {
        self.remove_gone();
        for id in self.sleepers.due(now) {
            self.wake(id);
        }
    }

    /// The rows as a band of them is handed to a thread.
    pub(crate) fn parts(&mut self) -> (Rows<'_, A>, &[u64]) {
        (self.store.rows(), &self.ids)
    }

    /// Bytes it holds, for each row, without what is not in use.
    pub fn bytes(&self) -> usize {
        let mut row = Vec::new();
        if !self.ids.is_empty() {
            self.store.get(0).write(&mut row);
        }
        let rows = self.ids.capacity() + self.spare_ids.capacity();
        rows * (row.len() + 8)
            + (self.starts.capacity() + self.to.capacity()) * 4
            + self.table.bytes()
    }

    /// Everybody in the order of addresses.
    pub(crate) fn in_order(&mut self, mut see: impl FnMut(AgentId, A, bool)) {
        self.table.settle(&self.ids);
        for (id, slot) in self.table.in_order() {
            see(id, self.store.get(slot), self.sleepers.sleeps(slot));
        }
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.len() as u64).to_le_bytes());
        for (slot, &id) in self.ids.iter().enumerate().filter(|(_, id)| **id != GONE) {
            out.extend_from_slice(&id.to_le_bytes());
            out.push(self.sleepers.sleeps(slot).into());
            self.store.get(slot).write(out);
        }
        self.table.save(out);
        out.extend_from_slice(&self.born.to_le_bytes());
        out.extend_from_slice(&self.died.to_le_bytes());
        self.save_timers(out);
    }

    /// Who sleeps until when, by address.
    pub(crate) fn save_timers(&self, out: &mut Vec<u8>) {
        let timers = self.sleepers.timers();
        out.extend_from_slice(&(timers.len() as u64).to_le_bytes());
        for (id, until) in timers {
            out.extend_from_slice(&id.0.to_le_bytes());
            out.extend_from_slice(&until.to_le_bytes());
        }
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        let hosting = match self.store {
            Store::Columns(_) => Hosting::Cohorts,
            Store::Alone(_) => Hosting::Alone,
        };
        self.store = Store::new(hosting);
        self.ids.clear();
        self.gone = 0;
        self.ordered += 1;
        self.sleepers = Sleepers::default();
        for slot in 0..from.len(9)? {
            let id = from.u64()?;
            if id == GONE {
                return Err(Damaged::new("a row without an address"));
            }
            self.ids.push(id);
            if from.array()? != [0] {
                self.sleepers.lay(slot, AgentId(id), UNTIL_CALLED);
            }
            self.store.push(A::read(from)?);
        }
        self.table.load(from, &self.ids)?;
        self.born = from.u64()?;
        self.died = from.u64()?;
        for _ in 0..from.len(16)? {
            let (id, until) = (AgentId(from.u64()?), from.u64()?);
            match self.table.slot(id) {
                Some(slot) if self.sleepers.sleeps(slot) => self.sleepers.lay(slot, id, until),
                _ => return Err(Damaged::new(format!("{id} is awake and has a timer"))),
            }
        }
        Ok(())
    }
}

impl<A: Agent> Wakes for Cohort<A> {
    fn wake(&mut self, id: AgentId) -> Option<usize> {
        self.table.settle(&self.ids);
        let slot = self.table.slot(id)?;
        if self.sleepers.count > 0 {
            self.sleepers.wake(slot, id);
        }
        Some(slot)
    }

    fn settle(&mut self) {
        self.table.settle(&self.ids);
    }

    #[inline]
    fn slot(&self, id: AgentId) -> Option<usize> {
        self.table.slot(id)
    }

    fn slots(&self) -> usize {
        self.ids.len()
    }

    fn sleeping(&self) -> bool {
        self.sleepers.count > 0
    }

    fn ordered(&self) -> u64 {
        self.ordered
    }
}

#[inline(always)]
fn note(id: u64, groups: usize, of: impl Fn() -> usize, to: &mut Vec<u32>, starts: &mut [u32]) {
    if id == GONE {
        to.push(u32::MAX);
        return;
    }
    let group = of();
    assert!(group < groups, "a row stands on spot {group} of {groups}");
    #[expect(
        clippy::cast_possible_truncation,
        reason = "groups are fewer than 2^32"
    )]
    to.push(group as u32);
    starts[group + 2] += 1;
}

/// Ends the run with an error that says why.
fn fail_if<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|why| std::panic::panic_any(why))
}

/// The lot that somebody draws in a phase: what decides between those who ask for the same.
#[inline]
pub(crate) fn lot(phase: Phase, id: u64) -> u64 {
    random::draw(random::key(!phase.seed, id), phase.counter)
}
