//! The parts that are held, so that a copy of all is cheap: every turn begins with one.

use std::collections::BTreeMap;
use std::sync::Arc;

use genesis::id::MessageId;
use serde::{Deserialize, Serialize};

use super::Held;

/// Among how many shelves parts are divided, by the first bits of their ids; a power of two up to 256.
const SHELVES: usize = 32;

type Shelf = BTreeMap<MessageId, Held>;

/// Parts in the order of their ids. Copies share all shelves until one of them changes: then that one alone
/// is copied. Kept as one map.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Shelf", into = "Shelf")]
pub(super) struct Parts {
    shelves: [Arc<Shelf>; SHELVES],
    len: usize,
}

impl Parts {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&MessageId, &Held)> {
        self.shelves.iter().flat_map(|shelf| shelf.iter())
    }

    pub(super) fn get_mut(&mut self, id: MessageId) -> Option<&mut Held> {
        let shelf = &mut self.shelves[shelf_of(id)];
        if !shelf.contains_key(&id) {
            return None;
        }
        Arc::make_mut(shelf).get_mut(&id)
    }

    pub(super) fn insert(&mut self, id: MessageId, held: Held) {
        let before = Arc::make_mut(&mut self.shelves[shelf_of(id)]).insert(id, held);
        self.len += usize::from(before.is_none());
    }

    pub(super) fn remove(&mut self, id: MessageId) -> Option<Held> {
        let shelf = &mut self.shelves[shelf_of(id)];
        if !shelf.contains_key(&id) {
            return None;
        }
        self.len -= 1;
        Arc::make_mut(shelf).remove(&id)
    }
}

fn shelf_of(id: MessageId) -> usize {
    usize::from(id.0.0[0]) * SHELVES / 256
}

impl From<Shelf> for Parts {
    fn from(all: Shelf) -> Self {
        let mut parts = Self::default();
        for (id, held) in all {
            parts.insert(id, held);
        }
        parts
    }
}

impl From<Parts> for Shelf {
    fn from(parts: Parts) -> Self {
        let all = parts.iter().map(|(&id, held)| (id, held.clone()));
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use genesis::id::Digest;
    use genesis::time::Time;
    use genesis::wire;
    use proptest::prelude::*;

    fn id(n: u8) -> MessageId {
        MessageId(Digest([n; 32]))
    }

    fn held(tag: u64) -> Held {
        Held {
            part: Bytes::new(),
            tag,
            until: Time::ZERO,
            offered: None,
        }
    }

    proptest! {
        /// It holds what one map would, in the same order and the same bytes; a copy stays as it was.
        #[test]
        fn shelves_are_one_map(steps: Vec<(u8, u64, bool)>) {
            let (mut parts, mut map) = (Parts::default(), Shelf::new());
            for (n, tag, adds) in steps {
                let (copy, before) = (parts.clone(), map.len());
                if adds {
                    parts.insert(id(n), held(tag));
                    map.insert(id(n), held(tag));
                } else {
                    prop_assert_eq!(parts.remove(id(n)).is_some(), map.remove(&id(n)).is_some());
                }
                if let Some(held) = parts.get_mut(id(n)) {
                    held.tag += 1;
                    map.get_mut(&id(n)).expect("in both").tag += 1;
                }
                prop_assert_eq!((copy.len(), parts.len()), (before, map.len()));
                prop_assert_eq!(copy.iter().count(), before);
            }
            let bytes = wire::encode(1, &map).expect("plain values");
            prop_assert_eq!(wire::encode(1, &parts).expect("plain values"), bytes.clone());
            let again: Parts = wire::decode(1, &bytes).expect("as it was kept");
            prop_assert_eq!(wire::encode(1, &again).expect("plain values"), bytes);
        }
    }
}
