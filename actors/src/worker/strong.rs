//! Strong messages: a whole VC arrives as a message and is woken at its receiver, whose it is then.

use genesis::id::VcId;
use genesis::image::{Code as PartCode, Image};
use genesis::limits::{CONTENTS_READ_MAX, STATE_BYTES_MAX};
use genesis::purse::Coin;
use genesis::refusal::{Code, Refusal};

use super::Worker;
use super::births::Manner;
use super::images::{fork_of, share_of, share_out};
use crate::handle::Entry;
use crate::letter::Letter;
use crate::life::Life;
use crate::modules::check_part;

/// The fact of a strong message that says whose the VC was: `copy` or `move`.
pub(crate) const OWNERSHIP: &str = "ownership";
/// Why a VC stopped that went elsewhere.
pub(crate) const MOVED: &str = "moved";
/// Longest image that is woken from a message, in bytes: refuse.
const IMAGE_BYTES_MAX: u64 = STATE_BYTES_MAX as u64;

impl Worker {
    /// Wakes the VC in a message as a child of its receiver: a copy, or the VC itself if it was moved. Who it
    /// is for pays, and it can do no more than its new host.
    pub(super) fn wake_strong(&mut self, slot: u32, letter: &Letter) -> Result<VcId, Refusal> {
        let mut image = read_image(letter)?;
        for part in &image.parts {
            if let PartCode::WebAssembly { module, .. } = part.code {
                check_part(part, self.shared.modules.facts(module)?.as_ref(), module)?;
            }
        }
        let fact = letter
            .extra
            .as_ref()
            .and_then(|extra| extra.metadata.get(OWNERSHIP));
        let moved = fact.is_some_and(|fact| fact.as_ref() == b"move");
        if moved && letter.from != self.shared.owner {
            // Who it was is known to the owner only: a message alone copies.
            let what = "only the owner moves a VC; this message can be a copy";
            return Err(Refusal::new(Code::Denied, what));
        }
        let owner = self.shared.owner;
        let cell = &mut self.cells[slot as usize];
        let budget = |empty: genesis::purse::Empty| Refusal::new(Code::Budget, empty.to_string());
        let mut purse = cell.standing.purse;
        purse.take(Coin::Children, 1).map_err(budget)?;
        let share = share_of(purse, image.purse, 1);
        image.purse = purse.split(share).map_err(budget)?;
        image.grants = image.grants.narrow(cell.standing.grants);
        if letter.from != owner {
            // An image can say anything; whom it may send to is not its author's to say.
            image.contacts.clear();
            image.contact_names.clear();
            image.reshapers.clear();
        }
        if !moved {
            let id = cell.id.child(cell.standing.births);
            // Names are the owner's, and unique.
            fork_of(&mut image, id, None);
            cell.standing.births += 1;
        }
        image.host = cell.id;
        image.nested = false;
        cell.standing.purse = purse;
        let contacts = cell.contacts.get_or_insert_default();
        contacts.keep(Entry::of(image.id)).map_err(Refusal::from)?;
        share_out(&mut image);
        let (id, durable) = (image.id, cell.flags.durable && self.shared.log.is_some());
        if durable {
            self.put_rows(&image);
            self.begin_elsewhere(image);
        } else {
            let (host, purse) = (image.host, image.purse);
            self.at_worker_of(id, move |worker| {
                let manner = Manner {
                    born: true,
                    ..Manner::default()
                };
                if let Err(why) = worker.thaw(image, manner) {
                    worker.child_failed(host, purse, &why);
                }
            });
        }
        self.log_line(slot, &format!("took in {id}"));
        Ok(id)
    }

    /// Makes room for a VC that comes back under its own id, if what is here of it has gone elsewhere.
    pub(super) fn make_way(&mut self, id: VcId) {
        if let Some(slot) = self.find(id) {
            let cell = &self.cells[slot as usize];
            let reason = cell.more.as_ref().and_then(|more| more.reason.as_deref());
            // Those in its body stopped with it.
            if cell.life == Life::Stopped && matches!(reason, Some(MOVED | "host")) {
                self.free_cell(slot);
            }
        }
    }

    /// Whose a VC is; nobody's, if it is not here.
    pub(crate) fn host_of(&mut self, id: VcId) -> Option<VcId> {
        let slot = self.find_or_wake(id).ok()?;
        let host = self.cells[slot as usize].host.id;
        (host != VcId::NOBODY && host != id).then_some(host)
    }

    /// Lets a VC go: its image as it is now; here it is stopped.
    pub(crate) fn let_go(&mut self, id: VcId) -> Result<Image, Refusal> {
        let (image, _) = self.frozen(id)?;
        let slot = self.find_or_wake(id)?;
        if self.cells[slot as usize].flags.nested {
            let what = "a VC in a body does not go alone; move its host";
            return Err(Refusal::new(Code::Denied, what).who(id));
        }
        if self.cells[slot as usize].life == Life::Stopped {
            return Err(super::sleep::stopped(id, "moved"));
        }
        self.stop(slot, MOVED);
        Ok(image)
    }
}

/// The image that is the contents of a message, wherever they are.
fn read_image(letter: &Letter) -> Result<Image, Refusal> {
    let total = letter.contents.total();
    if total > IMAGE_BYTES_MAX {
        return Err(Refusal::new(
            Code::TooLarge,
            format!(
                "an image of {total} bytes, at most {IMAGE_BYTES_MAX} are woken from a message"
            ),
        ));
    }
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < total {
        let read = letter.read(bytes.len() as u64, CONTENTS_READ_MAX)?;
        if read.is_empty() {
            break;
        }
        bytes.extend_from_slice(&read);
    }
    Image::from_bytes(&bytes)
        .map_err(|error| Refusal::new(Code::Malformed, format!("not an image: {error}")))
}
