//! Who takes a turn next: cells that are ready, so that those who do much do not keep others waiting.
//!
//! What stands in line is a *unit*: a cell that nobody gave birth to but the owner, or a *family*, which is all who
//! descend from one such cell and live at this worker. A family has one place in line however many it has, so
//! that no VC gets more turns by giving birth. Units that had nothing to do before come first; those
//! that used up what one may take at a time come after them, but every so often one of them is taken all the same.
//!
//! A deterministic runtime has no units: it draws from all cells that are ready.

use std::collections::{HashMap, VecDeque};

use genesis::id::VcId;

/// So many fresh units are taken before one that goes on with what it has.
const FRESH_RUN: u32 = 8;

/// A family at one worker; 0 is no family.
pub(crate) type FamilyId = u32;

/// What stands in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Cell(u32),
    Family(FamilyId),
}

/// All who descend from one root and live at one worker.
#[derive(Debug)]
struct Family {
    root: VcId,
    ready: VecDeque<u32>,
    /// Whether it stands in line, or is taking turns.
    in_line: bool,
    members: u32,
}

/// The line of one worker.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    fresh: VecDeque<Unit>,
    busy: VecDeque<Unit>,
    /// Fresh units taken since a busy one was.
    run: u32,
    len: usize,
    families: Vec<Family>,
    by_root: HashMap<VcId, FamilyId>,
    unused: Vec<FamilyId>,
}

/// Whose turns come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) slot: u32,
    pub(crate) family: FamilyId,
}

impl Ready {
    /// How many cells are ready.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Whether a unit stands in line that had nothing to do before.
    pub(crate) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Whether none is.
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A cell becomes ready: for the first time in a while, or because it has more to do than one may at a time.
    pub(crate) fn push(&mut self, slot: u32, family: FamilyId, goes_on: bool) {
        self.len += 1;
        let unit = match self.family(family) {
            None => Unit::Cell(slot),
            Some(members) => {
                members.ready.push_back(slot);
                if std::mem::replace(&mut members.in_line, true) {
                    return;
                }
                Unit::Family(family)
            }
        };
        if goes_on {
            self.busy.push_back(unit);
        } else {
            self.fresh.push_back(unit);
        }
    }

    /// The cell whose turn it is. Of a family as many are to be taken with [`Ready::next_of`] as one unit may; then
    /// [`Ready::put_back`] lets it stand in line again.
    pub(crate) fn next(&mut self) -> Option<Next> {
        let busy_is_due = self.run >= FRESH_RUN && !self.busy.is_empty();
        let unit = if busy_is_due {
            None
        } else {
            self.fresh.pop_front()
        };
        let unit = if let Some(unit) = unit {
            self.run += 1;
            unit
        } else {
            self.run = 0;
            self.busy.pop_front()?
        };
        match unit {
            Unit::Cell(slot) => {
                self.len -= 1;
                Some(Next { slot, family: 0 })
            }
            Unit::Family(family) => {
                if let Some(slot) = self.next_of(family) {
                    return Some(Next { slot, family });
                }
                // Its last member left the line otherwise.
                self.put_back(family);
                self.next()
            }
        }
    }

    /// The next of a family that is taking turns.
    pub(crate) fn next_of(&mut self, family: FamilyId) -> Option<u32> {
        let slot = self.family(family)?.ready.pop_front()?;
        self.len -= 1;
        Some(slot)
    }

    /// A family has taken its turns: it stands in line again if it has more to do.
    pub(crate) fn put_back(&mut self, family: FamilyId) {
        let Some(members) = self.family(family) else {
            return;
        };
        members.in_line = !members.ready.is_empty();
        if members.in_line {
            self.busy.push_back(Unit::Family(family));
        } else if members.members == 0 {
            self.dissolve(family);
        }
    }

    /// A cell drawn from all that are ready: of a runtime without families.
    pub(crate) fn draw(&mut self, at: usize) -> Option<Next> {
        match self.fresh.swap_remove_front(at) {
            Some(Unit::Cell(slot)) => {
                self.len -= 1;
                Some(Next { slot, family: 0 })
            }
            _ => None,
        }
    }

    /// One more lives here who descends from this root.
    pub(crate) fn join(&mut self, root: VcId) -> FamilyId {
        let known = self.by_root.get(&root).copied();
        let family = known.unwrap_or_else(|| self.found(root));
        if let Some(members) = self.family(family) {
            members.members += 1;
        }
        family
    }

    /// A family without members, in a place that is free.
    fn found(&mut self, root: VcId) -> FamilyId {
        let new = Family {
            root,
            ready: VecDeque::new(),
            in_line: false,
            members: 0,
        };
        let family = if let Some(unused) = self.unused.pop() {
            self.families[unused as usize - 1] = new;
            unused
        } else {
            self.families.push(new);
            u32::try_from(self.families.len()).unwrap_or(u32::MAX)
        };
        self.by_root.insert(root, family);
        family
    }

    /// One less does.
    pub(crate) fn leave(&mut self, family: FamilyId) {
        let Some(members) = self.family(family) else {
            return;
        };
        members.members = members.members.saturating_sub(1);
        if members.members == 0 && !members.in_line {
            self.dissolve(family);
        }
    }

    /// Whom a family descends from.
    pub(crate) fn root_of(&self, family: FamilyId) -> Option<VcId> {
        let at = usize::try_from(family).ok()?.checked_sub(1)?;
        self.families.get(at).map(|family| family.root)
    }

    fn family(&mut self, family: FamilyId) -> Option<&mut Family> {
        let at = usize::try_from(family).ok()?.checked_sub(1)?;
        self.families.get_mut(at)
    }

    fn dissolve(&mut self, family: FamilyId) {
        if let Some(root) = self.root_of(family)
            && self.by_root.remove(&root).is_some()
        {
            self.unused.push(family);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(n: u64) -> VcId {
        VcId::root(&[1; 32], n)
    }

    fn slots(ready: &mut Ready, count: usize) -> Vec<u32> {
        let mut seen = Vec::new();
        while seen.len() < count
            && let Some(next) = ready.next()
        {
            seen.push(next.slot);
            if next.family > 0 {
                ready.put_back(next.family);
            }
        }
        seen
    }

    #[test]
    fn a_large_family_has_one_place_in_line() {
        let mut ready = Ready::default();
        let mut family = 0;
        for slot in 100..200 {
            family = ready.join(root(1));
            ready.push(slot, family, false);
        }
        for slot in 0..3 {
            ready.push(slot, 0, false);
        }
        assert_eq!(ready.len(), 103);
        assert_eq!(slots(&mut ready, 6), [100, 0, 1, 2, 101, 102]);
        // Who comes now comes before the rest of the family.
        ready.push(7, 0, false);
        assert_eq!(slots(&mut ready, 2), [7, 103]);
        assert_eq!(slots(&mut ready, 200).len(), 96);
        assert!(ready.is_empty());
        for _ in 0..100 {
            ready.leave(family);
        }
        assert_eq!(ready.join(root(2)), family, "its place is used again");
    }

    #[test]
    fn those_who_go_on_are_not_starved() {
        let mut ready = Ready::default();
        ready.push(1_000, 0, true);
        for slot in 0..20 {
            ready.push(slot, 0, false);
        }
        let order = slots(&mut ready, 21);
        let at = order.iter().position(|&slot| slot == 1_000);
        assert_eq!(at, Some(FRESH_RUN as usize));
    }
}
