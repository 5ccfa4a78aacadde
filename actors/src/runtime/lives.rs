//! Sleep, wake, stop, remove; and waiting for a runtime to be at rest.

use std::sync::atomic::Ordering;

use genesis::id::VcId;
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;

use super::Runtime;
use crate::life::Life;

impl Runtime {
    /// Puts a VC to sleep; once this returns its image is on disk.
    ///
    /// # Errors
    /// [`Refusal`]: it is stopped, busy, or there is no store.
    pub async fn sleep(&self, id: VcId) -> Result<Life, Refusal> {
        self.settled_on(id, move |worker| worker.sleep(id)).await
    }

    /// Wakes a VC.
    ///
    /// # Errors
    /// [`Refusal`]: it is stopped or unknown.
    pub async fn wake(&self, id: VcId) -> Result<Life, Refusal> {
        self.rise(id).await?;
        self.on(id, move |worker| worker.wake(id)).await?
    }

    /// Stops a VC.
    ///
    /// # Errors
    /// [`Refusal`]: it is unknown.
    pub async fn stop_vc(&self, id: VcId) -> Result<Life, Refusal> {
        self.settled_on(id, move |worker| worker.stop_vc(id)).await
    }

    /// Leaves nothing of a stopped VC.
    ///
    /// # Errors
    /// [`Refusal`] `conflict` if it lives.
    pub async fn remove(&self, id: VcId) -> Result<Life, Refusal> {
        self.settled_on(id, move |worker| worker.remove(id)).await
    }

    /// Forgets a VC that sleeps in a pod; the pod stays.
    ///
    /// # Errors
    /// [`Refusal`]: it does not, or is being fetched.
    pub async fn forget_bed(&self, id: VcId) -> Result<Life, Refusal> {
        self.settled_on(id, move |worker| worker.forget_bed(id))
            .await
    }

    /// Waits until no message is queued and no turn runs; timers may be pending.
    ///
    /// # Errors
    /// As [`Runtime::stats`].
    pub async fn quiet(&self) -> Result<(), Refusal> {
        let mut before = None;
        loop {
            let mut quiet = true;
            let mut turns = 0;
            for worker in 0..self.shared.ports.len() {
                let (calm, tally) = self
                    .on_worker(worker, |w| (w.is_quiet(), w.numbers().0))
                    .await?;
                quiet &= calm;
                turns += tally.turns + tally.accepted;
            }
            // Quiet twice in a row with nothing done in between: nothing was on its way.
            if quiet && before == Some(turns) {
                return Ok(());
            }
            before = quiet.then_some(turns);
            tokio::task::yield_now().await;
        }
    }

    /// Lets virtual time go on until `until`, doing all that is due before.
    ///
    /// # Errors
    /// [`Refusal`] if the runtime is not deterministic.
    pub async fn run_until(&self, until: Time) -> Result<(), Refusal> {
        if !self.shared.deterministic {
            return Err(Refusal::new(
                Code::Malformed,
                "only virtual time can be run; start with --deterministic",
            ));
        }
        self.shared.horizon.fetch_max(until.0, Ordering::Relaxed);
        loop {
            self.shared.ports[0].nudge();
            self.quiet().await?;
            if self
                .on_worker(0, move |worker| worker.is_past(until))
                .await?
            {
                self.shared.clock.advance_to(until);
                return Ok(());
            }
        }
    }
}
