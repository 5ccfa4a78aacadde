//! Freeing what nothing keeps.

use std::ops::Bound;

use super::index::{self, Row};
use super::{Disk, SLOT_BYTES, Writer};
use crate::pods::{Freed, PodsError};
use crate::swarm::Address;

/// What became of some rows.
#[derive(Default)]
struct Round {
    /// Rows of chunks that nothing holds.
    dead: Vec<(Address, Row)>,
    /// Rows that name holders that are no more.
    thinner: Vec<(Address, Row)>,
    kept: u64,
    /// The last row looked at, if there may be more.
    last: Option<Address>,
}

impl Disk {
    /// Frees what is neither stamped nor pinned, in rounds: after a crash the next collection goes on.
    pub(super) fn collect_chunks(&self) -> Result<Freed, PodsError> {
        let mut writer = self.writer.lock();
        self.commit(&mut writer)?;
        let now_ms = self.clock.now().0;
        let expired = writer.expired(now_ms);
        let mut freed = Freed {
            batches: expired.len() as u64,
            ..Freed::default()
        };
        let mut from = Bound::Unbounded;
        loop {
            let round = self.look(&writer, now_ms, from)?;
            freed.kept += round.kept;
            freed.chunks += round.dead.len() as u64;
            freed.bytes += round
                .dead
                .iter()
                .map(|(_, row)| u64::from(row.len))
                .sum::<u64>();
            self.free(&mut writer, &round)?;
            match round.last {
                Some(last) => from = Bound::Excluded(last),
                None => break,
            }
        }
        self.index.write(|transaction| {
            let mut batches = transaction.open_table(index::BATCHES)?;
            let mut stamped = transaction.open_table(index::STAMPED)?;
            for number in &expired {
                batches.remove(number)?;
                stamped.retain_in((*number, 0)..=(*number, u8::MAX), |_, _| false)?;
            }
            Ok(())
        })?;
        writer.batches.retain(|number, _| !expired.contains(number));
        self.shrink(&mut writer)?;
        Ok(freed)
    }

    /// Looks at the next rows.
    fn look(&self, writer: &Writer, now_ms: u64, from: Bound<Address>) -> Result<Round, PodsError> {
        let holds = |number: &u32| {
            let is_batch = writer.batches.get(number);
            is_batch.is_some_and(|batch| !batch.is_expired(now_ms))
                || writer.pins.contains_key(number)
        };
        let rows = self.rows(from)?;
        let mut round = Round {
            last: rows.last().map(|(address, _)| *address),
            ..Round::default()
        };
        for (address, row) in rows {
            let mut row = row?;
            let before = row.holders.len();
            row.holders.retain(|holder| holds(&holder.number));
            if row.holders.is_empty() {
                round.dead.push((address, row));
                continue;
            }
            round.kept += 1;
            if row.holders.len() < before {
                round.thinner.push((address, row));
            }
        }
        Ok(round)
    }

    fn free(&self, writer: &mut Writer, round: &Round) -> Result<(), PodsError> {
        if round.dead.is_empty() && round.thinner.is_empty() {
            return Ok(());
        }
        self.index.write(|transaction| {
            let mut chunks = transaction.open_table(index::CHUNKS)?;
            let mut free = transaction.open_table(index::FREE)?;
            for (address, row) in &round.dead {
                chunks.remove(&address.0)?;
                free.insert(row.slot, ())?;
            }
            for (address, row) in &round.thinner {
                chunks.insert(&address.0, row.encode(address).as_slice())?;
            }
            Ok(())
        })?;
        let mut damaged = self.damaged.lock();
        for (address, row) in &round.dead {
            damaged.remove(address);
            writer.free.push(row.slot);
        }
        Ok(())
    }

    /// Gives the end of the file back if nothing is in it.
    fn shrink(&self, writer: &mut Writer) -> Result<(), PodsError> {
        // The lowest slot is the next to be used.
        writer.free.sort_unstable_by(|a, b| b.cmp(a));
        let unused = writer
            .free
            .iter()
            .zip((0..writer.slots).rev())
            .take_while(|(free, last)| **free == *last)
            .count();
        if unused == 0 {
            return Ok(());
        }
        let slots = writer.slots - unused as u64;
        self.index.write(|transaction| {
            let mut free = transaction.open_table(index::FREE)?;
            for slot in &writer.free[..unused] {
                free.remove(slot)?;
            }
            index::set_number(transaction, index::SLOTS_KEY, slots)
        })?;
        writer.free.drain(..unused);
        writer.slots = slots;
        self.file
            .set_len(slots * SLOT_BYTES)
            .map_err(|error| self.failed("shortening", slots, error))
    }
}
