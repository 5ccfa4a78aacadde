//! VCs computed again from their journals, beside the workers that turn them.

use std::sync::Arc;

use genesis::id::VcId;
use genesis::image::Image;
use genesis::refusal::{Code, Refusal};

use super::{Runtime, gone};
use crate::birth::PartBirth;
use crate::cell::Part;
use crate::journal::{Marks, Recorded, Unread, read};
use crate::replay::{against, replay};
use crate::shared::Shared;
use crate::view::{Replay, Replayed};
use crate::worker::images::part_of;
use crate::worker::replay::Moment;
use crate::worker::trial::{Candidate, begun, place_in};

/// How often a journal is looked at again whose beginning was pushed out while it was read.
const LOOKS_MAX: usize = 8;

impl Runtime {
    /// Computes a VC again from its journal, on a thread of its own: what it was at the first snapshot, every
    /// message since, and whether that comes to what it is now. The VC is looked at in one moment and goes on
    /// meanwhile.
    ///
    /// # Errors
    /// [`Refusal`]: `unknown` if there is no such VC, or it keeps no journal; `corrupt` if that cannot be
    /// read; `untestable` if code of it is not on this node.
    pub async fn replay(&self, id: VcId) -> Result<Replayed, Refusal> {
        let (image, recorded) = self.recorded(id).await?;
        let shared = Arc::clone(&self.shared);
        beside(move || replay(shared.ground(), &recorded, &image)).await
    }

    /// Computes a VC again with another part in its body from its first recorded message on, and compares.
    /// With no occurrence the part takes the place of the one of the same name or role, or else comes in as
    /// one more.
    ///
    /// # Errors
    /// As [`Runtime::replay`]; and if the part can never be one of that body.
    pub async fn replay_with(
        &self,
        id: VcId,
        occurrence: Option<u64>,
        part: PartBirth,
    ) -> Result<Replay, Refusal> {
        let part = part_of(&self.shared, 0, part)?;
        let (image, recorded) = self.recorded(id).await?;
        let shared = Arc::clone(&self.shared);
        beside(move || {
            let parts: Vec<Part> = image.parts.iter().map(Part::from_image).collect();
            let old = place_in(parts, occurrence, &part);
            let old = match occurrence {
                Some(_) => Some(old?),
                None => old.ok(),
            };
            let candidate = Candidate {
                part: &part,
                replaces: old.map(|old| old.occurrence),
                from: begun(&part),
            };
            let found = against(shared.ground(), recorded.since_anew(), &candidate, u32::MAX)?;
            found.replay.map_err(|fault| {
                let what = format!("it does not go on from the state before: {}", fault.what);
                Refusal::new(fault.code, what).who(id)
            })
        })
        .await
    }

    /// A VC in one moment, and its journal up to then.
    pub(super) async fn recorded(&self, id: VcId) -> Result<(Image, Recorded), Refusal> {
        for _ in 0..LOOKS_MAX {
            let moment = self.look(id, move |worker| worker.moment(id)).await?;
            let shared = Arc::clone(&self.shared);
            let Moment {
                image,
                marks,
                recent,
            } = moment;
            let read = tokio::task::spawn_blocking(move || read_on(&shared, id, marks, recent));
            match read.await.map_err(|_| gone())? {
                Ok(recorded) => return Ok((image, recorded)),
                Err(Unread::Failed(why)) => return Err(why),
                Err(Unread::Moved) => {}
            }
        }
        let what = format!("{id} handles messages faster than its journal is read");
        Err(Refusal::new(Code::Busy, what).who(id).hint("try again"))
    }
}

fn read_on(
    shared: &Shared,
    id: VcId,
    marks: Marks,
    recent: Vec<(u64, bytes::Bytes)>,
) -> Result<Recorded, Unread> {
    let store = shared.log.as_ref().map(|log| log.store().as_ref());
    read(store, id, marks, recent)
}

/// Does something long on a thread that nobody waits on.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Refusal::new(Code::Internal, format!("a replay: {error}")))?
}
