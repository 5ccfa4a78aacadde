//! Where a cell is, checked by generation: the fast half of an address.

use std::fmt;

/// A cell's worker, slot and generation. Meaningful inside one runtime, never stored or sent.
///
/// A stale handle is noticed (another generation lives in the slot) and the id is looked up instead.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle {
    slot: u32,
    /// Worker in the upper 8 bits, generation in the lower 24.
    tag: u32,
}

impl Handle {
    /// Not known: look the id up.
    pub const NONE: Self = Self {
        slot: u32::MAX,
        tag: u32::MAX,
    };
    /// The last generation of a slot, which is not used again after it.
    pub(crate) const GENERATION_MAX: u32 = (1 << 24) - 1;

    pub(crate) const fn new(worker: u8, slot: u32, generation: u32) -> Self {
        Self {
            slot,
            tag: (worker as u32) << 24 | generation & Self::GENERATION_MAX,
        }
    }

    pub(crate) const fn worker(self) -> usize {
        (self.tag >> 24) as usize
    }

    pub(crate) const fn slot(self) -> usize {
        self.slot as usize
    }

    pub(crate) const fn generation(self) -> u32 {
        self.tag & Self::GENERATION_MAX
    }

    pub(crate) const fn is_known(self) -> bool {
        self.slot != u32::MAX
    }
}

impl Default for Handle {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_known() {
            write!(f, "{}:{}#{}", self.worker(), self.slot(), self.generation())
        } else {
            f.write_str("-")
        }
    }
}

/// A VC that somebody may send to: its id, and where it was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub id: genesis::id::VcId,
    /// Where, if known.
    pub handle: Handle,
}

impl Entry {
    /// An entry whose place is not known yet.
    pub const fn of(id: genesis::id::VcId) -> Self {
        Self {
            id,
            handle: Handle::NONE,
        }
    }
}
