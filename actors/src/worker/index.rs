//! What the indexer is told and asked.

use bytes::Bytes;
use genesis::channel::{Channel, Polarity};
use genesis::id::VcId;
use genesis::image::Image;
use genesis::message::Kind;
use genesis::refusal::{Code, Refusal};
use genesis::wire;

use super::Worker;
use super::bodies::body_with;
use super::look::shape_of;
use crate::cell::RowFlags;
use crate::letter::Letter;
use crate::life::Life;
use crate::natives::{Find, INDEX_VERSION, Listing};
use crate::view::Summary;

impl Worker {
    /// Sends a listing to the indexer.
    pub(crate) fn tell_indexer(&mut self, listing: &Listing) {
        let Ok(contents) = wire::encode(INDEX_VERSION, listing) else {
            return;
        };
        let mut letter = Letter::new(VcId::NOBODY, 0, self.shared.indexer, contents, self.now);
        letter.kind = Kind::Notice;
        letter.channel = Channel::LISTING;
        self.tally.accepted += 1;
        self.route(Box::new(letter));
    }

    /// Lists a VC as it is now, if it is one that can be found: with a name, or durable; not nested.
    pub(super) fn list_now(&mut self, slot: u32) {
        let cell = &self.cells[slot as usize];
        if cell.flags.nested || !(cell.flags.durable || cell.name().is_some()) {
            return;
        }
        let image = self.image_with(slot, &[]);
        if let Some(listing) = listing_of(&image)
            && listing.id != self.shared.indexer
        {
            self.tell_indexer(&listing);
        }
    }

    /// Takes a listing back.
    pub(super) fn unlist(&mut self, id: VcId) {
        self.tell_indexer(&Listing {
            id,
            name: None,
            shape: None,
            links: Vec::new(),
        });
    }
}

/// What an image says to the indexer; nothing if it is nested.
pub(crate) fn listing_of(image: &Image) -> Option<Listing> {
    if image.nested {
        return None;
    }
    let body = body_with(&image.parts, image.grants).ok()?;
    let mut links: Vec<_> = image
        .parts
        .iter()
        .flat_map(|part| part.channels.iter().copied())
        .collect();
    links.sort_unstable();
    links.dedup();
    Some(Listing {
        id: image.id,
        name: image.name.clone(),
        shape: Some(shape_of(&body)),
        links,
    })
}

/// A question for the indexer.
pub(crate) fn question(pattern: &str, limit: u32) -> Result<Bytes, Refusal> {
    let find = Find {
        pattern: pattern.to_owned(),
        limit,
    };
    wire::encode(INDEX_VERSION, &find)
        .map(Bytes::from)
        .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))
}

/// The indexer's answer.
pub(crate) fn answer(contents: &[u8]) -> Result<Vec<Listing>, Refusal> {
    wire::decode(INDEX_VERSION, contents)
        .map_err(|error| Refusal::new(Code::Internal, format!("the indexer's answer: {error}")))
}

/// The channels of one direction.
pub(crate) fn links(links: &[(Channel, Polarity)], wanted: Polarity) -> Vec<Channel> {
    links
        .iter()
        .filter(|(_, polarity)| *polarity == wanted)
        .map(|&(channel, _)| channel)
        .collect()
}

/// A sleeper in a list.
pub(crate) fn summary_of(image: &Image, flags: RowFlags) -> Summary {
    let stopped = flags.0 & RowFlags::STOPPED != 0;
    Summary {
        id: image.id,
        name: image.name.clone(),
        life: if stopped {
            Life::Stopped
        } else {
            Life::Dormant
        },
        parts: image.parts.len(),
        mailbox: 0,
        host: image.host,
        nested: image.nested,
        durable: flags.0 & RowFlags::VOLATILE == 0,
        purse: image.purse,
        low: Vec::new(),
        faults: 0,
        restarts: 0,
        reason: None,
        place: None,
    }
}
