//! Addresses of rows: stable for life, found through a table, never given twice.

use std::collections::BTreeMap;

use crate::bytes::{Damaged, Reader};

/// The address of a row within its world: the number of its cohort, a generation, and an entry in that cohort's table.
/// Who dies leaves the entry to somebody else with the next generation, so an old address finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(pub u64);

impl Default for AgentId {
    fn default() -> Self {
        Self::NOBODY
    }
}

impl AgentId {
    /// Nobody: what a field says that holds no address.
    pub const NOBODY: Self = Self(u64::MAX);
    const ENTRY_BITS: u32 = 32;
    const GENERATION_BITS: u32 = 24;
    /// The last generation of an entry, after which it is not used again.
    const GENERATION_MAX: u32 = (1 << Self::GENERATION_BITS) - 2;

    /// The address with these numbers; whether somebody has it is another matter. Generations have 24 bits.
    pub const fn new(cohort: u8, entry: u32, generation: u32) -> Self {
        let cohort = (cohort as u64) << (Self::ENTRY_BITS + Self::GENERATION_BITS);
        Self(cohort | (generation as u64) << Self::ENTRY_BITS | entry as u64)
    }

    /// The number of the cohort in which it was born: its place among the fields of the world.
    pub const fn cohort(self) -> u8 {
        (self.0 >> (Self::ENTRY_BITS + Self::GENERATION_BITS)) as u8
    }

    /// Its entry in the table of that cohort.
    #[expect(clippy::cast_possible_truncation, reason = "it is the lower half")]
    pub const fn entry(self) -> u32 {
        self.0 as u32
    }

    /// How many had this entry before.
    pub const fn generation(self) -> u32 {
        (self.0 >> Self::ENTRY_BITS) as u32 & ((1 << Self::GENERATION_BITS) - 1)
    }

    /// Whether it is an address at all.
    pub fn is_somebody(self) -> bool {
        self != Self::NOBODY
    }
}

/// `3`, or `3.1` for the second that has entry 3.
impl std::fmt::Display for AgentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.generation() {
            0 => write!(f, "{}", self.entry()),
            generation => write!(f, "{}.{generation}", self.entry()),
        }
    }
}

impl crate::field::Field for AgentId {
    const LEAVES: &'static [&'static str] = &[""];

    #[inline]
    fn write(self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self(u64::read(from)?))
    }

    fn leaves(self, out: &mut Vec<crate::field::Leaf>) {
        out.push(crate::field::Leaf::U64(self.0));
    }
}

/// The slot of a row that is dead.
pub(crate) const NO_SLOT: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    slot: u32,
    generation: u32,
}

/// From addresses to slots.
#[derive(Debug, Default)]
pub(crate) struct Table {
    cohort: u8,
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Those who were born in another cohort, and where they are.
    guests: BTreeMap<AgentId, u32>,
    /// Whether rows have moved since the slots were noted.
    stale: bool,
}

impl Table {
    pub(crate) fn of_cohort(cohort: u8) -> Self {
        Self {
            cohort,
            ..Self::default()
        }
    }

    /// An address for a row that will be in this slot.
    pub(crate) fn give(&mut self, slot: u32) -> AgentId {
        if let Some(entry) = self.free.pop() {
            let known = &mut self.entries[entry as usize];
            known.slot = slot;
            return AgentId::new(self.cohort, entry, known.generation);
        }
        let entry = u32::try_from(self.entries.len()).unwrap_or(NO_SLOT);
        self.entries.push(Entry {
            slot,
            generation: 0,
        });
        AgentId::new(self.cohort, entry, 0)
    }

    /// Room for so many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.entries.reserve(more);
    }

    /// Takes in who was born elsewhere.
    pub(crate) fn welcome(&mut self, id: AgentId, slot: u32) {
        if id.cohort() == self.cohort {
            // Back home: the entry was kept.
            self.entries[id.entry() as usize].slot = slot;
        } else {
            self.guests.insert(id, slot);
        }
    }

    /// Somebody is gone for good.
    pub(crate) fn end(&mut self, id: AgentId) {
        if id.cohort() != self.cohort {
            self.guests.remove(&id);
            return;
        }
        let entry = &mut self.entries[id.entry() as usize];
        entry.slot = NO_SLOT;
        if entry.generation < AgentId::GENERATION_MAX {
            entry.generation += 1;
            self.free.push(id.entry());
        }
    }

    /// Somebody goes to another cohort and keeps the address.
    pub(crate) fn leave(&mut self, id: AgentId) {
        if id.cohort() == self.cohort {
            self.entries[id.entry() as usize].slot = NO_SLOT;
        } else {
            self.guests.remove(&id);
        }
    }

    /// Rows have moved.
    pub(crate) fn moved(&mut self) {
        self.stale = true;
    }

    /// Notes the slots again, if rows have moved.
    pub(crate) fn settle(&mut self, ids: &[u64]) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        for (slot, &id) in (0..).zip(ids) {
            let id = AgentId(id);
            if !id.is_somebody() {
                continue;
            }
            if id.cohort() == self.cohort {
                self.entries[id.entry() as usize].slot = slot;
            } else {
                self.guests.insert(id, slot);
            }
        }
    }

    /// Where somebody is, of slots that are settled; none if dead or not here.
    #[inline]
    pub(crate) fn slot(&self, id: AgentId) -> Option<usize> {
        debug_assert!(!self.stale, "slots are read before they are settled");
        if id.cohort() == self.cohort {
            let entry = self.entries.get(id.entry() as usize)?;
            (entry.generation == id.generation() && entry.slot != NO_SLOT)
                .then_some(entry.slot as usize)
        } else {
            self.guests.get(&id).map(|&slot| slot as usize)
        }
    }

    /// Everybody, by address: those born here by entry, then the guests.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (AgentId, usize)> + '_ {
        let born = (0..).zip(&self.entries).filter_map(|(entry, known)| {
            let id = AgentId::new(self.cohort, entry, known.generation);
            (known.slot != NO_SLOT).then_some((id, known.slot as usize))
        });
        born.chain(self.guests.iter().map(|(&id, &slot)| (id, slot as usize)))
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.free.capacity() * 4
    }

    /// Generations and free entries; the slots follow from the rows.
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.entries.len() as u64).to_le_bytes());
        for entry in &self.entries {
            out.extend_from_slice(&entry.generation.to_le_bytes());
        }
        out.extend_from_slice(&(self.free.len() as u64).to_le_bytes());
        for entry in &self.free {
            out.extend_from_slice(&entry.to_le_bytes());
        }
    }

    /// The same back, for these rows.
    pub(crate) fn load(&mut self, from: &mut Reader<'_>, ids: &[u64]) -> Result<(), Damaged> {
        let mut entries = Vec::new();
        for _ in 0..from.len(4)? {
            entries.push(Entry {
                slot: NO_SLOT,
                generation: u32::from_le_bytes(from.array()?),
            });
        }
        let mut free = Vec::new();
        for _ in 0..from.len(4)? {
            free.push(u32::from_le_bytes(from.array()?));
        }
        let known = |entry: u32| (entry as usize) < entries.len();
        if let Some(entry) = free.iter().find(|&&entry| !known(entry)) {
            return Err(Damaged::new(format!(
                "entry {entry} of {} is free",
                entries.len()
            )));
        }
        for &id in ids {
            let id = AgentId(id);
            let home = id.cohort() == self.cohort;
            if home && !known(id.entry()) {
                return Err(Damaged::new(format!(
                    "{id} has no entry among {}",
                    entries.len()
                )));
            }
            if home && entries[id.entry() as usize].generation != id.generation() {
                return Err(Damaged::new(format!("{id} is of another generation")));
            }
        }
        self.entries = entries;
        self.free = free;
        self.guests.clear();
        self.stale = true;
        self.settle(ids);
        Ok(())
    }
}
