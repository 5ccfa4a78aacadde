//! Reading every chunk, whoever it belongs to.

use std::ops::Bound;

use super::index::{self, Row};
use super::{Disk, PENDING_MAX};
use crate::pods::{Damage, PodsError, Progress, Verified};
use crate::swarm::Address;
use crate::swarm::chunk::Chunk;
use crate::swarm::soc::Soc;

/// Most pieces of damage that are listed.
const DAMAGE_MAX: usize = 1_000;

/// A row of the index, or why it cannot be read.
pub(super) type Found = (Address, Result<Row, PodsError>);

impl Disk {
    /// Reads every chunk that is kept and recomputes its hash. Which pod a damaged chunk belongs to is not known here:
    /// [`Pods::verify`](crate::pods::Pods::verify) says it.
    ///
    /// # Errors
    /// [`PodsError::Stopped`], [`PodsError::Damaged`] if the index itself is damaged. Damage of chunks is in the answer.
    pub fn verify(&self, progress: &dyn Progress) -> Result<Verified, PodsError> {
        self.commit(&mut self.writer.lock())?;
        let mut found = Verified::default();
        let mut from = Bound::Unbounded;
        loop {
            let addresses = self.addresses(from)?;
            for address in &addresses {
                let Some((row, bytes)) = self.read(address)? else {
                    continue; // freed meanwhile
                };
                found.chunks += 1;
                found.bytes += bytes.len() as u64;
                progress.moved(bytes.len() as u64);
                if progress.stopped() {
                    return Err(PodsError::Stopped { bytes: found.bytes });
                }
                let checked = if row.single_owner {
                    Soc::verify(*address, bytes).map(drop)
                } else {
                    Chunk::verify(*address, bytes).map(drop)
                };
                if let Err(error) = checked
                    && found.damage.len() < DAMAGE_MAX
                {
                    self.damaged.lock().insert(*address);
                    found.damage.push(Damage {
                        path: String::new(),
                        chunk: address.to_string(),
                        why: format!("{error} ({})", self.place_of(row.slot)),
                    });
                }
            }
            match addresses.last() {
                Some(last) => from = Bound::Excluded(*last),
                None => return Ok(found),
            }
        }
    }

    /// The next addresses in the index.
    fn addresses(&self, from: Bound<Address>) -> Result<Vec<Address>, PodsError> {
        Ok(self
            .rows(from)?
            .into_iter()
            .map(|(address, _)| address)
            .collect())
    }

    /// The next rows of the index: at most [`PENDING_MAX`].
    pub(super) fn rows(&self, from: Bound<Address>) -> Result<Vec<Found>, PodsError> {
        self.index.read(|transaction| {
            let table = transaction.open_table(index::CHUNKS)?;
            let from = match &from {
                Bound::Excluded(address) => Bound::Excluded(&address.0),
                _ => Bound::Unbounded,
            };
            let mut rows = Vec::new();
            for row in table
                .range::<&[u8; 32]>((from, Bound::Unbounded))?
                .take(PENDING_MAX)
            {
                let (address, row) = row?;
                let address = Address(*address.value());
                rows.push((address, Row::decode(&address, row.value())));
            }
            Ok(rows)
        })
    }
}
