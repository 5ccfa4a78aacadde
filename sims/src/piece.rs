//! What a world is made of, and what is done with each piece whatever it is.

use genesis::id::Digester;

use crate::agent::{Agent, FieldInfo};
use crate::asks::Asks;
use crate::bytes::{Damaged, Reader};
use crate::code::Code;
use crate::cohort::Cohort;
use crate::field::{Field, Leaf};
use crate::ids::AgentId;
use crate::links::Links;
use crate::mail::Channel;
use crate::near::Near;
use crate::patches::Patches;
use crate::space::Spot;
use crate::store::Hosting;

/// A piece of a world: cohorts, patches, channels, what is seen, links, and plain values.
pub trait Piece: Send {
    /// An empty one, the so-many-th of its world.
    fn of_world(place: u8, hosting: Hosting) -> Self
    where
        Self: Sized;

    /// A tick begins.
    fn begin(&mut self, _now: u64) {}

    /// Its bytes, from which a run goes on as if nothing had been.
    fn save(&self, out: &mut Vec<u8>);

    /// The same back.
    ///
    /// # Errors
    /// [`Damaged`] if they are not the bytes of such a piece.
    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged>;

    /// Its state in one canonical form, whichever way it is kept.
    fn digest(&mut self, hasher: &mut Digester);

    /// What is counted of it, by name; the same names in each tick.
    fn counts(&self, _see: &mut dyn FnMut(&'static str, u64)) {}

    /// Its rows, if it has any that can be addressed.
    fn members(&mut self) -> Option<&mut dyn Members> {
        None
    }

    /// Its questions to somebody outside, if it is made of them.
    fn asks(&mut self) -> Option<&mut Asks> {
        None
    }
}

/// Rows that can be addressed.
pub trait Members: Send {
    /// What kind of agent they are.
    fn kind(&self) -> &'static str;
    /// Their fields.
    fn fields(&self) -> &'static [FieldInfo];
    /// How many live.
    fn len(&self) -> usize;
    /// Whether nobody does.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Whether they are the ground that others stand on.
    fn is_ground(&self) -> bool {
        false
    }
    /// The leaves of a row of which nothing is said: of which kind each is.
    fn blank(&self) -> Vec<Leaf>;
    /// Width and height, if they are the patches of a lattice.
    fn lattice(&self) -> Option<(u32, u32)> {
        None
    }
    /// All of them in the order of their addresses: the address and the leaves of the fields.
    fn each(&mut self, see: &mut dyn FnMut(AgentId, &[Leaf]));
    /// The bytes of one; none if it is not here.
    fn row(&mut self, id: AgentId) -> Option<Vec<u8>>;
    /// The leaves of one; none if it is not here.
    fn leaves(&mut self, id: AgentId) -> Option<Vec<Leaf>>;
    /// Changes one; false if it is not here.
    ///
    /// # Errors
    /// [`Damaged`] if these are not the bytes of such a row.
    fn change(&mut self, id: AgentId, row: &[u8]) -> Result<bool, Damaged>;
    /// Takes one out of the world; none if it is not here or cannot leave.
    fn take(&mut self, id: AgentId) -> Option<Vec<u8>>;
    /// Takes one in.
    ///
    /// # Errors
    /// [`Damaged`] if these are not the bytes of such a row, or none can be taken in.
    fn put(&mut self, row: &[u8]) -> Result<AgentId, Damaged>;
}

fn row_of<A: Agent>(row: &[u8]) -> Result<A, Damaged> {
    let mut reader = Reader::new(row);
    let row = A::read(&mut reader)?;
    reader.end()?;
    Ok(row)
}

fn bytes_of<A: Agent>(row: A) -> Vec<u8> {
    let mut bytes = Vec::new();
    row.write(&mut bytes);
    bytes
}

fn leaves_of<A: Agent>(row: A) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    row.leaves(&mut leaves);
    leaves
}

impl<A: Agent> Piece for Cohort<A> {
    fn of_world(place: u8, hosting: Hosting) -> Self {
        Self::of_world(place, hosting)
    }

    fn begin(&mut self, now: u64) {
        self.begin(now);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.save(out);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.load(from)
    }

    fn digest(&mut self, hasher: &mut Digester) {
        let mut bytes = Vec::new();
        self.in_order(|id, row, asleep| {
            bytes.extend_from_slice(&id.0.to_le_bytes());
            bytes.push(asleep.into());
            row.write(&mut bytes);
            if bytes.len() >= 1 << 16 {
                hasher.update(&bytes);
                bytes.clear();
            }
        });
        self.save_timers(&mut bytes);
        hasher.update(&bytes);
    }

    fn counts(&self, see: &mut dyn FnMut(&'static str, u64)) {
        see("count", self.len() as u64);
        see("births", self.births());
        see("deaths", self.deaths());
    }

    fn members(&mut self) -> Option<&mut dyn Members> {
        Some(self)
    }
}

impl<A: Agent> Members for Cohort<A> {
    fn kind(&self) -> &'static str {
        A::NAME
    }

    fn fields(&self) -> &'static [FieldInfo] {
        A::FIELDS
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn blank(&self) -> Vec<Leaf> {
        leaves_of(A::default())
    }

    fn each(&mut self, see: &mut dyn FnMut(AgentId, &[Leaf])) {
        let mut leaves = Vec::new();
        self.in_order(|id, row, _| {
            leaves.clear();
            row.leaves(&mut leaves);
            see(id, &leaves);
        });
    }

    fn row(&mut self, id: AgentId) -> Option<Vec<u8>> {
        self.get(id).map(bytes_of)
    }

    fn leaves(&mut self, id: AgentId) -> Option<Vec<Leaf>> {
        self.get(id).map(leaves_of)
    }

    fn change(&mut self, id: AgentId, row: &[u8]) -> Result<bool, Damaged> {
        Ok(self.set(id, row_of(row)?))
    }

    fn take(&mut self, id: AgentId) -> Option<Vec<u8>> {
        self.remove(id).map(bytes_of)
    }

    fn put(&mut self, row: &[u8]) -> Result<AgentId, Damaged> {
        Ok(self.bear(row_of(row)?))
    }
}

impl<A: Agent> Piece for Patches<A> {
    fn of_world(place: u8, hosting: Hosting) -> Self {
        Self::of_world(place, hosting)
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.save(out);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.load(from)
    }

    fn digest(&mut self, hasher: &mut Digester) {
        let mut bytes = Vec::new();
        self.save(&mut bytes);
        hasher.update(&bytes);
    }

    fn counts(&self, see: &mut dyn FnMut(&'static str, u64)) {
        see("awake", self.awake() as u64);
    }

    fn members(&mut self) -> Option<&mut dyn Members> {
        Some(self)
    }
}

impl<A: Agent> Patches<A> {
    fn spot(&self, id: AgentId) -> Option<Spot> {
        let spot = Spot(id.entry());
        (self.id(spot) == id && (spot.0 as usize) < self.len()).then_some(spot)
    }
}

impl<A: Agent> Members for Patches<A> {
    fn kind(&self) -> &'static str {
        A::NAME
    }

    fn fields(&self) -> &'static [FieldInfo] {
        A::FIELDS
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn is_ground(&self) -> bool {
        true
    }

    fn blank(&self) -> Vec<Leaf> {
        leaves_of(A::default())
    }

    fn lattice(&self) -> Option<(u32, u32)> {
        let lattice = Patches::lattice(self);
        Some((lattice.width(), lattice.height()))
    }

    fn each(&mut self, see: &mut dyn FnMut(AgentId, &[Leaf])) {
        let mut leaves = Vec::new();
        self.in_order(|id, row| {
            leaves.clear();
            row.leaves(&mut leaves);
            see(id, &leaves);
        });
    }

    fn row(&mut self, id: AgentId) -> Option<Vec<u8>> {
        self.spot(id).map(|spot| bytes_of(self.get(spot)))
    }

    fn leaves(&mut self, id: AgentId) -> Option<Vec<Leaf>> {
        self.spot(id).map(|spot| leaves_of(self.get(spot)))
    }

    fn change(&mut self, id: AgentId, row: &[u8]) -> Result<bool, Damaged> {
        let row = row_of(row)?;
        let spot = self.spot(id);
        if let Some(spot) = spot {
            self.set(spot, row);
        }
        Ok(spot.is_some())
    }

    fn take(&mut self, _: AgentId) -> Option<Vec<u8>> {
        None
    }

    fn put(&mut self, _: &[u8]) -> Result<AgentId, Damaged> {
        Err(Damaged::new(
            "patches are the ground: none leaves and none comes",
        ))
    }
}

impl<M: Field> Piece for Channel<M> {
    fn of_world(_: u8, hosting: Hosting) -> Self {
        Self::of_world(hosting)
    }

    fn begin(&mut self, _: u64) {
        self.begin();
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.save(out);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.load(from)
    }

    fn digest(&mut self, hasher: &mut Digester) {
        let mut bytes = Vec::new();
        self.save(&mut bytes);
        hasher.update(&bytes);
    }

    fn counts(&self, see: &mut dyn FnMut(&'static str, u64)) {
        let counts = self.counts();
        see("sent", counts.sent);
        see("delivered", counts.delivered);
        see("dropped", counts.dropped);
        see("lost", counts.lost);
        see("parked", counts.parked);
    }
}

impl Piece for Asks {
    fn of_world(place: u8, _: Hosting) -> Self {
        Self::of_world(place)
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.save(out);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.load(from)
    }

    fn digest(&mut self, hasher: &mut Digester) {
        let mut bytes = Vec::new();
        self.save(&mut bytes);
        hasher.update(&bytes);
    }

    fn counts(&self, see: &mut dyn FnMut(&'static str, u64)) {
        self.counts(see);
    }

    fn asks(&mut self) -> Option<&mut Asks> {
        Some(self)
    }
}

/// What is seen is looked at anew in each tick: nothing of it is kept.
impl<A: Agent> Piece for Near<A> {
    fn of_world(_: u8, _: Hosting) -> Self {
        Self::default()
    }

    fn save(&self, _: &mut Vec<u8>) {}

    fn load(&mut self, _: &mut Reader<'_>) -> Result<(), Damaged> {
        Ok(())
    }

    fn digest(&mut self, _: &mut Digester) {}
}

/// Who is linked to whom.
impl Piece for Links {
    fn of_world(_: u8, _: Hosting) -> Self {
        Self::default()
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.save(out);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.load(from)
    }

    fn digest(&mut self, hasher: &mut Digester) {
        let mut bytes = Vec::new();
        self.save(&mut bytes);
        hasher.update(&bytes);
    }

    fn counts(&self, see: &mut dyn FnMut(&'static str, u64)) {
        see("links", self.len() as u64);
    }
}

/// Code that a world carries with it.
impl Piece for Code {
    fn of_world(_: u8, _: Hosting) -> Self {
        Self::default()
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.save(out);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.load(from)
    }

    fn digest(&mut self, hasher: &mut Digester) {
        let mut bytes = Vec::new();
        self.save(&mut bytes);
        hasher.update(&bytes);
    }
}

/// A list of plain values that belongs to the world as a whole.
impl<T: Field> Piece for Vec<T> {
    fn of_world(_: u8, _: Hosting) -> Self {
        Self::new()
    }

    fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.len() as u64).to_le_bytes());
        for value in self {
            value.write(out);
        }
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.clear();
        for _ in 0..from.len(1)? {
            self.push(T::read(from)?);
        }
        Ok(())
    }

    fn digest(&mut self, hasher: &mut Digester) {
        let mut bytes = Vec::new();
        self.save(&mut bytes);
        hasher.update(&bytes);
    }
}

macro_rules! plain {
    ($($type:ty),* $(,)?) => { $(
        /// A value that belongs to the world as a whole.
        impl Piece for $type {
            fn of_world(_: u8, _: Hosting) -> Self {
                Self::default()
            }

            fn save(&self, out: &mut Vec<u8>) {
                self.write(out);
            }

            fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
                *self = Self::read(from)?;
                Ok(())
            }

            fn digest(&mut self, hasher: &mut Digester) {
                let mut bytes = Vec::new();
                self.write(&mut bytes);
                hasher.update(&bytes);
            }
        }
    )* };
}
plain!(bool, u8, u32, u64, i64, f64);
