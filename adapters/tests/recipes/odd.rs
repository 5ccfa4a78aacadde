//! Pods that behave as those of other keepers may.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adapters::pods::{
    Batch, Bought, BuyBatch, Edit, Entry, Found, Freed, Offer, PodInfo, PodName, PodPath, Pods,
    PodsError, Progress, Snapshot, Source, Verified,
};

/// Pods as another keeper might have them.
pub(crate) struct Odd {
    pub(crate) inner: Arc<dyn Pods>,
    /// It cannot be reached.
    pub(crate) fails: AtomicBool,
    /// It has no names for states: what is shared is only ever what it is now.
    pub(crate) stateless: bool,
}

impl Odd {
    fn check(&self) -> Result<(), PodsError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(PodsError::Unreachable {
                server: "it".to_owned(),
                why: "a storm".to_owned(),
            });
        }
        Ok(())
    }
}

/// What can fail, fails; the rest is not asked for here.
impl Pods for Odd {
    fn keeper(&self) -> String {
        self.inner.keeper()
    }
    fn create(&self, name: &PodName, public: bool) -> Result<PodInfo, PodsError> {
        self.check()?;
        self.inner.create(name, public)
    }
    fn set_open(&self, name: &PodName, open: bool) -> Result<PodInfo, PodsError> {
        self.check()?;
        self.inner.set_open(name, open)
    }
    fn pods(&self) -> Result<Vec<PodInfo>, PodsError> {
        self.check()?;
        self.inner.pods()
    }
    fn pod(&self, name: &PodName) -> Result<PodInfo, PodsError> {
        self.check()?;
        self.inner.pod(name)
    }
    fn remove_pod(&self, name: &PodName) -> Result<(), PodsError> {
        self.check()?;
        self.inner.remove_pod(name)
    }
    fn list(&self, from: &Source, path: &PodPath) -> Result<Vec<Entry>, PodsError> {
        self.check()?;
        self.inner.list(from, path)
    }
    fn stat(&self, from: &Source, path: &PodPath) -> Result<Entry, PodsError> {
        self.check()?;
        self.inner.stat(from, path)
    }
    fn read(
        &self,
        from: &Source,
        path: &PodPath,
        range: Option<std::ops::Range<u64>>,
        out: &mut dyn std::io::Write,
        progress: &dyn Progress,
    ) -> Result<u64, PodsError> {
        self.check()?;
        self.inner.read(from, path, range, out, progress)
    }
    fn edit<'p>(&'p self, pod: &PodName) -> Result<Box<dyn Edit + 'p>, PodsError> {
        self.check()?;
        self.inner.edit(pod)
    }
    fn history(&self, pod: &PodName) -> Result<Vec<Snapshot>, PodsError> {
        self.check()?;
        self.inner.history(pod)
    }
    fn share(&self, pod: &PodName, path: &PodPath) -> Result<String, PodsError> {
        self.check()?;
        self.inner.share(pod, path)
    }
    fn find(&self, reference: &str) -> Result<Found, PodsError> {
        self.check()?;
        let mut found = self.inner.find(reference)?;
        if self.stateless {
            reference.clone_into(&mut found.root);
            found.live = true;
        }
        Ok(found)
    }
    fn fork(&self, from: &Source, name: &PodName) -> Result<PodInfo, PodsError> {
        self.check()?;
        self.inner.fork(from, name)
    }
    fn offer(&self, fork: &PodName) -> Result<Offer, PodsError> {
        self.inner.offer(fork)
    }
    fn offers(&self, pod: &PodName) -> Result<Vec<Offer>, PodsError> {
        self.inner.offers(pod)
    }
    fn settle(
        &self,
        pod: &PodName,
        offer: &str,
        take: bool,
    ) -> Result<Option<Snapshot>, PodsError> {
        self.inner.settle(pod, offer, take)
    }
    fn verify(&self, from: &Source, progress: &dyn Progress) -> Result<Verified, PodsError> {
        self.inner.verify(from, progress)
    }
    fn batches(&self) -> Result<Vec<Batch>, PodsError> {
        self.inner.batches()
    }
    fn buy(&self, what: &BuyBatch) -> Result<Bought, PodsError> {
        self.inner.buy(what)
    }
    fn set_pinned(&self, reference: &str, pinned: bool) -> Result<(), PodsError> {
        self.inner.set_pinned(reference, pinned)
    }
    fn pins(&self) -> Result<Vec<String>, PodsError> {
        self.inner.pins()
    }
    fn collect(&self) -> Result<Freed, PodsError> {
        self.inner.collect()
    }
}
