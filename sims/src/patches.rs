//! Patches: VCs that are the spots of a lattice, and host whoever stands on them.

use crate::agent::{Agent, Columns as _, View as _, Window};
use crate::bytes::{Damaged, Reader};
use crate::cohort::{Cohort, cut, lot};
use crate::ids::AgentId;
use crate::space::{Lattice, Spot};
use crate::store::{Hosting, Rows, Store};
use crate::tick::{Phase, Tick};
use crate::turn::{Said, Turn};

/// One row for each spot of a lattice. Its address is its spot; none is born and none dies.
#[derive(Debug, Default)]
pub struct Patches<A: Agent> {
    place: u8,
    lattice: Lattice,
    store: Store<A>,
    /// Who takes a turn in the next [`Patches::react`].
    awake: Vec<Spot>,
    woken: Vec<Spot>,
    changes: Vec<(Spot, A)>,
    /// A bit for each spot: whether it is among `woken` already.
    marks: Vec<u64>,
}

impl<A: Agent> Patches<A> {
    pub(crate) fn of_world(place: u8, hosting: Hosting) -> Self {
        Self {
            place,
            store: Store::new(hosting),
            ..Self::default()
        }
    }

    /// Lays out a row on each spot, in place of what was there.
    pub fn lay(
        &mut self,
        t: &mut Tick<'_>,
        lattice: Lattice,
        mut row: impl FnMut(Spot, &mut Turn<'_, A>) -> A,
    ) {
        let phase = t.phase();
        let mut said = Said::default();
        self.lattice = lattice;
        self.store = Store::new(self.hosting());
        self.awake.clear();
        self.woken.clear();
        self.marks.clear();
        for spot in lattice.spots() {
            let mut vc = Turn::new(phase, self.id(spot), spot.0, &mut said);
            let row = row(spot, &mut vc);
            self.store.push(row);
        }
    }

    fn hosting(&self) -> Hosting {
        match self.store {
            Store::Columns(_) => Hosting::Cohorts,
            Store::Alone(_) => Hosting::Alone,
        }
    }

    /// The lattice they lie on.
    pub const fn lattice(&self) -> &Lattice {
        &self.lattice
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.lattice.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.lattice.is_empty()
    }

    /// The address of the patch on a spot.
    pub const fn id(&self, spot: Spot) -> AgentId {
        AgentId::new(self.place, spot.0, 0)
    }

    /// The row of a spot.
    ///
    /// # Panics
    /// If the lattice has no such spot.
    #[inline]
    pub fn get(&self, spot: Spot) -> A {
        self.store.get(spot.0 as usize)
    }

    /// Another row for a spot.
    ///
    /// # Panics
    /// If the lattice has no such spot.
    #[inline]
    pub fn set(&mut self, spot: Spot, row: A) {
        self.store.set(spot.0 as usize, row);
    }

    /// All rows, spot by spot.
    pub fn iter(&self) -> impl Iterator<Item = A> + '_ {
        (0..self.len()).map(|slot| self.store.get(slot))
    }

    /// Of how many patches this is true.
    pub fn count(&self, of: impl Fn(A) -> bool) -> usize {
        self.iter().filter(|row| of(*row)).count()
    }

    /// Sees the rows within a Chebyshev distance of a spot, itself among them, line by line. A lattice that wraps is seen
    /// as if it had an edge.
    #[inline(always)]
    pub fn square(&self, spot: Spot, radius: u32, mut see: impl FnMut(Spot, A)) {
        let (columns, lines) = self.lattice.square(spot, radius);
        let width = self.lattice.width() as usize;
        for line in lines {
            let from = line as usize * width + columns.start as usize;
            let to = line as usize * width + columns.end as usize;
            match &self.store {
                Store::Columns(rows) => {
                    let rows = rows.view(from, to);
                    for at in 0..rows.len() {
                        #[expect(clippy::cast_possible_truncation, reason = "spots have 32 bits")]
                        see(Spot((from + at) as u32), rows.get(at));
                    }
                }
                Store::Alone(rows) => {
                    for (at, row) in (from..).zip(&rows[from..to]) {
                        #[expect(clippy::cast_possible_truncation, reason = "spots have 32 bits")]
                        see(Spot(at as u32), **row);
                    }
                }
            }
        }
    }

    /// A turn of every patch.
    pub fn each(
        &mut self,
        t: &mut Tick<'_>,
        turn: impl Fn(&mut A, &mut Turn<'_, A>) + Send + Sync,
    ) {
        let phase = t.phase();
        let len = self.len();
        let every = len.div_ceil(t.crew().pieces(len)).max(1);
        let place = self.place;
        match &mut self.store {
            Store::Columns(rows) => {
                let work = cut(rows.window(), len, every);
                t.crew().run(work, |(from, to, rows)| {
                    all(phase, place, rows, from, to, &turn);
                });
            }
            Store::Alone(rows) => {
                let work = cut(rows.as_mut_slice(), len, every);
                t.crew().run(work, |(from, to, rows)| {
                    all(phase, place, rows, from, to, &turn);
                });
            }
        }
    }

    /// Wakes a patch: it takes a turn in the next [`react`](Self::react).
    pub fn wake(&mut self, spot: Spot) {
        if mark(&mut self.marks, self.lattice.len(), spot) {
            self.woken.push(spot);
        }
    }

    /// How many patches will take a turn in the next [`react`](Self::react).
    pub fn awake(&self) -> usize {
        self.woken.len()
    }

    /// A turn of every patch that was woken, and of no other: what does not happen costs nothing. A patch changes itself, sees
    /// the others as they were before the phase, and wakes whom it concerns. Each that was woken, once or often, is
    /// told so at the end of the phase by `woken`.
    pub fn react(
        &mut self,
        turn: impl Fn(&mut A, Spot, &Seen<'_, A>, &mut Waking<'_>),
        woken: impl Fn(&mut A),
    ) {
        std::mem::swap(&mut self.awake, &mut self.woken);
        self.woken.clear();
        for spot in &self.awake {
            self.marks[spot.0 as usize / 64] &= !(1 << (spot.0 % 64));
        }
        self.changes.clear();
        let mut waking = Waking {
            spots: self.lattice.len(),
            marks: &mut self.marks,
            woken: &mut self.woken,
        };
        let seen = Seen {
            lattice: &self.lattice,
            store: &self.store,
        };
        for &spot in &self.awake {
            let old = self.store.get(spot.0 as usize);
            let mut row = old;
            turn(&mut row, spot, &seen, &mut waking);
            if row != old {
                self.changes.push((spot, row));
            }
        }
        let mut rows = self.store.rows();
        for &(spot, row) in &self.changes {
            rows.set(spot.0 as usize, row);
        }
        for spot in &self.woken {
            let mut row = rows.get(spot.0 as usize);
            woken(&mut row);
            rows.set(spot.0 as usize, row);
        }
    }

    /// A turn of every patch on which somebody stands, with those who do; they were [gathered](Cohort::gather) before. The
    /// patch decides what they get; they are seen in the order of a lot that each draws anew.
    ///
    /// # Panics
    /// If the visitors were not gathered on this lattice since their rows last moved.
    pub fn host<V: Agent>(
        &mut self,
        t: &mut Tick<'_>,
        visitors: &mut Cohort<V>,
        turn: impl Fn(&mut A, &mut Guests<'_, '_, V>, &mut Turn<'_, A>) + Sync,
    ) {
        let mut nobody = Cohort::<Nobody>::default();
        nobody.gather(&self.lattice, |_| Spot(0));
        self.host_two(t, visitors, &mut nobody, |patch, guests, _, vc| {
            turn(patch, guests, vc);
        });
    }

    /// The same with two kinds of visitors.
    ///
    /// # Panics
    /// If one of them was not gathered on this lattice since its rows last moved.
    pub fn host_two<V: Agent, W: Agent>(
        &mut self,
        t: &mut Tick<'_>,
        first: &mut Cohort<V>,
        second: &mut Cohort<W>,
        turn: impl Fn(&mut A, &mut Guests<'_, '_, V>, &mut Guests<'_, '_, W>, &mut Turn<'_, A>) + Sync,
    ) {
        let phase = t.phase();
        let spots = self.len();
        check(first, spots);
        check(second, spots);
        let pieces = t.crew().pieces(spots.max(first.len() + second.len()));
        let every = spots.div_ceil(pieces).max(1);
        let place = self.place;
        let (first_starts, second_starts) = (
            std::mem::take(&mut first.starts),
            std::mem::take(&mut second.starts),
        );
        let mut work = Vec::with_capacity(pieces);
        let (of_first, of_second) = (first.of_phase(phase), second.of_phase(phase));
        {
            let (mut firsts, mut seconds) = (Rest::of(first), Rest::of(second));
            let mut patches = self.store.rows();
            for from in (0..spots).step_by(every) {
                let len = every.min(spots - from);
                let (band, others) = patches.split_at(len);
                patches = others;
                work.push((
                    from,
                    len,
                    band,
                    firsts.band(of_first, &first_starts[from..=from + len]),
                    seconds.band(of_second, &second_starts[from..=from + len]),
                ));
            }
        }
        let results = t.crew().run(work, |(from, len, mut rows, mut a, mut b)| {
            let mut said = Said::default();
            for at in 0..len {
                if a.is_empty_at(at) && b.is_empty_at(at) {
                    continue;
                }
                a.turn_to(at);
                b.turn_to(at);
                one(phase, place, &mut rows, from, at, &mut said, |row, vc| {
                    turn(row, &mut a, &mut b, vc);
                });
            }
            (a.said, b.said)
        });
        let (of_first, of_second): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        first.starts = first_starts;
        second.starts = second_starts;
        first.finish(of_first);
        second.finish(of_second);
    }

    pub(crate) fn in_order(&self, mut see: impl FnMut(AgentId, A)) {
        for (slot, row) in (0..).zip(self.iter()) {
            see(self.id(Spot(slot)), row);
        }
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        self.lattice.write(out);
        for row in self.iter() {
            row.write(out);
        }
        out.extend_from_slice(&(self.woken.len() as u64).to_le_bytes());
        for spot in &self.woken {
            out.extend_from_slice(&spot.0.to_le_bytes());
        }
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.lattice = Lattice::read(from)?;
        let spots = self.lattice.len() as u64;
        if spots > from.left() as u64 {
            return Err(Damaged::new(format!(
                "{spots} patches in {} bytes",
                from.left()
            )));
        }
        self.store = Store::new(self.hosting());
        for _ in 0..spots {
            self.store.push(A::read(from)?);
        }
        self.awake.clear();
        self.woken.clear();
        self.marks.clear();
        for _ in 0..from.len(4)? {
            let spot = Spot(u32::from_le_bytes(from.array()?));
            if u64::from(spot.0) >= spots {
                return Err(Damaged::new(format!("spot {} of {spots}", spot.0)));
            }
            self.wake(spot);
        }
        Ok(())
    }
}

/// Sets a bit; false if it was set.
#[inline]
fn mark(marks: &mut Vec<u64>, spots: usize, spot: Spot) -> bool {
    if marks.is_empty() {
        marks.resize(spots.div_ceil(64), 0);
    }
    let word = &mut marks[spot.0 as usize / 64];
    let bit = 1 << (spot.0 % 64);
    let new = *word & bit == 0;
    *word |= bit;
    new
}

/// A turn of each of some patches; nothing that they ask for beyond themselves is done, as none is born and none dies.
#[inline(always)]
fn all<A: Agent, W: Window<A>>(
    phase: Phase,
    place: u8,
    mut rows: W,
    from: usize,
    to: usize,
    turn: &impl Fn(&mut A, &mut Turn<'_, A>),
) {
    let mut said = Said::default();
    for at in 0..to - from {
        one(phase, place, &mut rows, from, at, &mut said, turn);
    }
}

#[inline(always)]
fn one<A: Agent>(
    phase: Phase,
    place: u8,
    rows: &mut impl Window<A>,
    from: usize,
    at: usize,
    said: &mut Said<A>,
    turn: impl FnOnce(&mut A, &mut Turn<'_, A>),
) {
    #[expect(clippy::cast_possible_truncation, reason = "spots have 32 bits")]
    let slot = (from + at) as u32;
    let mut row = rows.get(at);
    let mut vc = Turn::new(phase, AgentId::new(place, slot, 0), slot, said);
    turn(&mut row, &mut vc);
    rows.set(at, row);
}

fn check<V: Agent>(cohort: &Cohort<V>, spots: usize) {
    assert!(
        cohort.gathered == cohort.ordered && cohort.starts.len() == spots + 1,
        "the cohort `{}` is hosted by {spots} patches without having been gathered there first",
        V::NAME
    );
}

/// The rows before a phase, to look at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a, A: Agent> {
    lattice: &'a Lattice,
    store: &'a Store<A>,
}

impl<'a, A: Agent> Seen<'a, A> {
    /// The row of a spot.
    #[inline]
    pub fn get(&self, spot: Spot) -> A {
        self.store.get(spot.0 as usize)
    }

    /// The lattice.
    pub const fn lattice(&self) -> &'a Lattice {
        self.lattice
    }
}

/// Who takes a turn next.
#[derive(Debug)]
pub struct Waking<'a> {
    spots: usize,
    marks: &'a mut Vec<u64>,
    woken: &'a mut Vec<Spot>,
}

impl Waking<'_> {
    /// This patch takes a turn in the next phase.
    #[inline]
    pub fn wake(&mut self, spot: Spot) {
        if mark(self.marks, self.spots, spot) {
            self.woken.push(spot);
        }
    }
}

crate::agent! {
    /// Who stands nowhere.
    struct Nobody { nothing: bool }
}

/// The rows of a cohort that no band has yet.
struct Rest<'a, V: Agent> {
    rows: Rows<'a, V>,
    ids: &'a [u64],
    from: usize,
}

impl<'a, V: Agent> Rest<'a, V> {
    fn of(cohort: &'a mut Cohort<V>) -> Self {
        let (rows, ids) = cohort.parts();
        Self { rows, ids, from: 0 }
    }

    /// Those who stand on the spots of a band, of which each begins in `starts`.
    fn band<'s>(&mut self, phase: Phase, starts: &'s [u32]) -> Guests<'a, 's, V> {
        let from = self.from;
        let to = starts.last().map_or(from, |&to| to as usize);
        let (ids, others) = self.ids.split_at(to - from);
        self.ids = others;
        let rows = std::mem::replace(&mut self.rows, Rows::Alone(&mut []));
        let (rows, others) = rows.split_at(to - from);
        self.rows = others;
        self.from = to;
        Guests {
            phase,
            rows,
            ids,
            starts,
            slot: from,
            first: 0,
            len: 0,
            dead: 0,
            born: 0,
            said: Said::default(),
        }
    }
}

/// Those who stand on one spot.
#[derive(Debug)]
pub struct Guests<'a, 's, V: Agent> {
    phase: Phase,
    /// The rows of a whole band of spots.
    rows: Rows<'a, V>,
    ids: &'a [u64],
    starts: &'s [u32],
    /// The slot of the first row of the band.
    slot: usize,
    /// Where those on this spot begin, in the band.
    first: usize,
    len: usize,
    /// How many of them have died: the last that `said` notes.
    dead: usize,
    /// Where those begin who were born on this spot in this phase.
    born: usize,
    said: Said<V>,
}

/// So many guests are put in order without memory of their own.
const FEW: usize = 8;

impl<V: Agent> Guests<'_, '_, V> {
    /// Whether nobody stands on the so-many-th spot of the band.
    #[inline(always)]
    fn is_empty_at(&self, at: usize) -> bool {
        self.starts[at] == self.starts[at + 1]
    }

    /// Turns to the so-many-th spot of the band.
    #[inline(always)]
    fn turn_to(&mut self, at: usize) {
        let start = self.starts[at] as usize;
        self.first = start - self.slot;
        self.len = self.starts[at + 1] as usize - start;
        self.dead = 0;
        self.born = self.said.born.len();
    }

    /// How many are alive: those who came, and those born here in this phase.
    #[inline]
    pub fn len(&self) -> usize {
        self.len - self.dead + self.said.born.len() - self.born
    }

    /// Whether nobody is.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A turn of each who came and is alive, in the order of their lots.
    #[inline]
    pub fn each(&mut self, mut turn: impl FnMut(&mut V, &mut Turn<'_, V>)) {
        let (mut few, many);
        let here = self.first..self.first + self.len;
        let lots: &[(u64, usize)] = match self.len {
            0 => return,
            1 => &[(0, self.first)],
            len if len <= FEW => {
                few = [(0, 0); FEW];
                for (entry, at) in few.iter_mut().zip(here) {
                    *entry = (lot(self.phase, self.ids[at]), at);
                }
                few[..len].sort_unstable();
                &few[..len]
            }
            _ => {
                let mut all: Vec<_> = here.map(|at| (lot(self.phase, self.ids[at]), at)).collect();
                all.sort_unstable();
                many = all;
                &many
            }
        };
        for &(_, at) in lots {
            if self.dead > 0 && self.is_dead(at) {
                continue;
            }
            let mut row = self.rows.get(at);
            let id = AgentId(self.ids[at]);
            let mut vc = Turn::new(self.phase, id, self.slot_of(at), &mut self.said);
            turn(&mut row, &mut vc);
            let dead = vc.dead;
            self.rows.set(at, row);
            if dead {
                self.end(at);
            }
        }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "slots have 32 bits")]
    fn slot_of(&self, at: usize) -> u32 {
        (self.slot + at) as u32
    }

    #[inline]
    fn end(&mut self, at: usize) {
        let slot = self.slot_of(at);
        self.said.dead.push(slot);
        self.dead += 1;
    }

    /// Takes one of those who are alive out of the world, drawn by this random number; its row, or none if nobody is left.
    #[inline]
    pub fn take(&mut self, random: u64) -> Option<V> {
        let living = self.len();
        if living == 0 {
            return None;
        }
        let nth = crate::random::below(random, living as u64);
        let mut nth = usize::try_from(nth).unwrap_or(0);
        let newborn = self.said.born.len() - self.born;
        if nth < newborn {
            return Some(self.said.born.remove(self.born + nth));
        }
        nth -= newborn;
        for at in self.first..self.first + self.len {
            if self.dead > 0 && self.is_dead(at) {
                continue;
            }
            if nth == 0 {
                self.end(at);
                return Some(self.rows.get(at));
            }
            nth -= 1;
        }
        None
    }

    fn is_dead(&self, at: usize) -> bool {
        let dead = &self.said.dead[self.said.dead.len() - self.dead..];
        dead.contains(&self.slot_of(at))
    }
}
