//! Pins: what is kept without stamps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::index::{self, Holder, Index};
use super::{Disk, batch, reach};
use crate::pods::PodsError;
use crate::swarm::sign::Owner;
use crate::swarm::{Address, Reference};

/// How many chunks are pinned at a time.
const CHUNKS_AT_A_TIME: usize = 4_096;

/// What a wallet wants kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pin {
    owner: String,
    reference: String,
}

impl Disk {
    /// Keeps all that a reference leads to. The rows of chunks come first and the pin last: without it they mean
    /// nothing, so it is pinned as a whole or not at all.
    pub(super) fn pin(&self, wallet: Owner, root: &Reference) -> Result<(), PodsError> {
        let mut writer = self.writer.lock();
        let pin = Pin {
            owner: wallet.to_string(),
            reference: root.to_string(),
        };
        if writer.pins.values().any(|known| *known == pin) {
            return Ok(());
        }
        let number = writer.next_holder;
        let next_holder = batch::next(number)?;
        self.index.write(|transaction| {
            index::set_number(transaction, index::HOLDER_KEY, u64::from(next_holder))
        })?;
        writer.next_holder = next_holder;
        let mut found: Vec<Address> = Vec::with_capacity(CHUNKS_AT_A_TIME);
        let mut hold = |addresses: &mut Vec<Address>| {
            let held = self.hold(&mut writer, addresses, |_, _, row| {
                let holder = Holder { number, stamp: 0 };
                Ok((!row.is_held_by(number)).then_some(holder))
            });
            addresses.clear();
            held
        };
        reach::each(self, root, &mut |address| {
            found.push(*address);
            if found.len() < CHUNKS_AT_A_TIME {
                return Ok(());
            }
            hold(&mut found)
        })?;
        hold(&mut found)?;
        self.commit(&mut writer)?;
        self.index
            .write(|transaction| batch::put_json(transaction, index::PINS, number, &pin))?;
        writer.pins.insert(number, pin);
        Ok(())
    }

    /// Keeps it no longer.
    pub(super) fn unpin(&self, wallet: Owner, root: &Reference) -> Result<(), PodsError> {
        let mut writer = self.writer.lock();
        let pin = Pin {
            owner: wallet.to_string(),
            reference: root.to_string(),
        };
        let numbers: Vec<u32> = writer
            .pins
            .iter()
            .filter(|(_, known)| **known == pin)
            .map(|(number, _)| *number)
            .collect();
        self.index.write(|transaction| {
            let mut table = transaction.open_table(index::PINS)?;
            for number in &numbers {
                table.remove(number)?;
            }
            Ok(())
        })?;
        writer.pins.retain(|number, _| !numbers.contains(number));
        Ok(())
    }

    pub(super) fn list_pins(&self, wallet: Owner) -> Result<Vec<Reference>, PodsError> {
        let owner = wallet.to_string();
        let writer = self.writer.lock();
        let own = writer.pins.values().filter(|pin| pin.owner == owner);
        own.map(|pin| Ok(pin.reference.parse()?)).collect()
    }
}

/// Every pin in the index.
pub(super) fn load(index: &Index) -> Result<BTreeMap<u32, Pin>, PodsError> {
    index.read(|transaction| {
        let mut pins = BTreeMap::new();
        for row in transaction.open_table(index::PINS)?.range::<u32>(..)? {
            let (number, pin) = row?;
            pins.insert(number.value(), batch::from_json(pin.value(), "a pin")?);
        }
        Ok(pins)
    })
}
