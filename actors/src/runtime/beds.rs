//! VCs that sleep in pods: laid down, listed, risen.

use genesis::id::{Digest, VcId};
use genesis::refusal::Refusal;
use tokio::sync::oneshot;

use super::{Runtime, gone};
use crate::beds::Bed;

impl Runtime {
    /// Leaves a VC to the pod that has its image: from here on a message for it has it fetched from `place`. It
    /// keeps its id and its name; nothing else of it stays here.
    ///
    /// # Errors
    /// [`Refusal`]: it is busy, has changed since `image` was its digest, is volatile or stopped, has timers,
    /// outstanding answers or watchers.
    pub async fn lay_down(&self, id: VcId, place: String, image: Digest) -> Result<(), Refusal> {
        self.check_health(true)?;
        let at = self.shared.clock.now();
        self.settled_on(id, move |worker| worker.lay_down(id, image, place, at))
            .await
    }

    /// Where a VC sleeps, if it sleeps in a pod.
    pub fn bed(&self, id: VcId) -> Option<Bed> {
        self.shared.beds.get(&id).map(|bed| bed.clone())
    }

    /// Every VC that sleeps in a pod, by id.
    pub fn beds(&self) -> Vec<(VcId, Bed)> {
        let entry = |entry: dashmap::mapref::multiple::RefMulti<'_, VcId, Bed>| {
            (*entry.key(), entry.value().clone())
        };
        let mut beds: Vec<_> = self.shared.beds.iter().map(entry).collect();
        beds.sort_by_key(|(id, _)| *id);
        beds
    }

    /// Has a VC fetched that sleeps in a pod; nothing, if it does not.
    pub(super) async fn rise(&self, id: VcId) -> Result<(), Refusal> {
        if self.shared.beds.is_empty() || !self.shared.beds.contains_key(&id) {
            return Ok(());
        }
        let (sender, receiver) = oneshot::channel();
        self.on(id, move |worker| worker.rise(id, sender)).await?;
        receiver.await.map_err(|_| gone())?
    }
}
