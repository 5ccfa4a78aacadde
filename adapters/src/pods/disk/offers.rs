//! Offers that wait for the owners of pods.

use super::{Disk, batch, index};
use crate::pods::{Offer, PodsError};
use crate::swarm::sign::Owner;

/// Most offers that wait for one pod; beyond, they are refused.
const OFFERS_MAX: usize = 1_024;

impl Disk {
    pub(super) fn leave_offer(&self, offer: &Offer) -> Result<(), PodsError> {
        let _writer = self.writer.lock();
        let to: Owner = offer.to.parse()?;
        let waiting = self.list_offers(to)?;
        if waiting.len() >= OFFERS_MAX && waiting.iter().all(|known| known.id != offer.id) {
            return Err(PodsError::Unsupported {
                keeper: "the embedded store".to_owned(),
                what: format!("keep more than {OFFERS_MAX} offers for one pod"),
                hint: "its author has to take or decline some".to_owned(),
            });
        }
        self.index.write(|transaction| {
            let key = (to.0.as_slice(), offer.id.as_str());
            let mut table = transaction.open_table(index::OFFERS)?;
            table.insert(key, batch::json(offer)?.as_slice())?;
            Ok(())
        })
    }

    pub(super) fn list_offers(&self, pod: Owner) -> Result<Vec<Offer>, PodsError> {
        self.index.read(|transaction| {
            let table = transaction.open_table(index::OFFERS)?;
            let mut offers = Vec::new();
            for row in table.range((pod.0.as_slice(), "")..)? {
                let (key, offer) = row?;
                if key.value().0 != pod.0 {
                    break;
                }
                offers.push(batch::from_json(offer.value(), "an offer")?);
            }
            Ok(offers)
        })
    }

    pub(super) fn forget_offer(&self, pod: Owner, id: &str) -> Result<(), PodsError> {
        let _writer = self.writer.lock();
        self.index.write(|transaction| {
            let mut table = transaction.open_table(index::OFFERS)?;
            table.remove((pod.0.as_slice(), id))?;
            Ok(())
        })
    }
}
