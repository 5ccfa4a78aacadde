//! Offering what a fork changed to the author of what was forked, and taking it.

use std::collections::BTreeMap;

use super::Drives;
use super::edit::{Draft, check_conflicts};
use super::share::stamp_all;
use crate::pods::tree::{self, Change};
use crate::pods::{EntryKind, Offer, PodName, PodPath, PodsError, Snapshot, reach};
use crate::swarm::Reference;

/// What one tree has otherwise than another: what was there, and what is.
type Difference = BTreeMap<PodPath, (Option<Change>, Change)>;

impl Drives {
    /// Offers a fork's changes.
    pub(super) fn make_offer(&self, fork: &PodName) -> Result<Offer, PodsError> {
        let refused = |why: &str| PodsError::Offer {
            id: fork.to_string(),
            why: why.to_owned(),
        };
        let listed = self.opened(fork)?;
        let (_, record) = self.head(fork.as_str(), &listed)?;
        let parent = listed.parent.ok_or_else(|| refused("it is not a fork"))?;
        let to = parent
            .owner
            .ok_or_else(|| refused("nobody owns what it was forked from"))?;
        let (base, root): (Reference, Reference) = (parent.reference.parse()?, record.root()?);
        let difference = tree::difference(self.chunks(), base, root)?;
        if difference.is_empty() {
            return Err(refused("it is as what it was forked from"));
        }
        let deposit = self.deposit()?;
        let name = fork.to_string();
        let key = self.share_root(&*deposit, EntryKind::Directory, name, &root)?;
        deposit.finish()?;
        let [added, changed, removed] = sorted(&difference);
        let offer = Offer {
            id: String::new(),
            to,
            pod: parent.name,
            from: String::new(),
            base: parent.reference,
            fork: key,
            added,
            changed,
            removed,
            signature: String::new(),
        }
        .signed(self.key.signer())?;
        match self.keeper.leave(&offer) {
            // It can be carried as a file.
            Ok(()) | Err(PodsError::Unsupported { .. }) => Ok(offer),
            Err(error) => Err(error),
        }
    }

    /// Takes or declines what was left for a pod.
    pub(super) fn settle_offer(
        &self,
        pod: &PodName,
        id: &str,
        take: bool,
    ) -> Result<Option<Snapshot>, PodsError> {
        let owner = self.opened(pod)?.owner()?;
        let waiting = self.keeper.left_for(owner)?;
        let offer = waiting.into_iter().find(|offer| offer.id == id);
        let offer = offer.ok_or_else(|| PodsError::Offer {
            id: id.to_owned(),
            why: format!("none with this id waits for `{pod}`"),
        })?;
        if take {
            return self.take_offer(pod, &offer).map(Some);
        }
        self.keeper.forget(owner, id)?;
        Ok(None)
    }

    /// Takes an offer.
    pub(super) fn take_offer(&self, pod: &PodName, offer: &Offer) -> Result<Snapshot, PodsError> {
        let refused = |why: String| PodsError::Offer {
            id: offer.id.clone(),
            why,
        };
        offer.check()?;
        let mut draft = Draft::begin(self, pod)?;
        let owner = draft.listed().owner()?;
        if offer.to != owner.to_string() {
            return Err(refused(format!(
                "it is for a pod of {}, and `{pod}` is of {owner}",
                offer.to
            )));
        }
        let base: Reference = offer.base.parse()?;
        let fork = self.root_of(&offer.fork)?;
        let theirs = tree::difference(self.chunks(), base, fork)?;
        if sorted(&theirs) != [&offer.added, &offer.changed, &offer.removed].map(Clone::clone) {
            return Err(refused("it changes other paths than it says".to_owned()));
        }
        let ours = tree::difference(self.chunks(), base, draft.root())?;
        let now = |difference: Difference| -> BTreeMap<PodPath, Change> {
            let changes = difference.into_iter();
            changes.map(|(path, (_, now))| (path, now)).collect()
        };
        let (ours, theirs) = (now(ours), now(theirs));
        check_conflicts(&ours, &theirs)?;
        let deposit = self.deposit()?;
        let removed = |change: &Change| *change == Change::Removed;
        let gone = theirs.iter().rev().filter(|(_, change)| removed(change));
        let come = theirs.iter().filter(|(_, change)| !removed(change));
        for (path, change) in gone.chain(come) {
            if let Change::File(named) = change
                && let Some(reference) = &named.reference
            {
                stamp_all(self, &*deposit, reference, reach::contents_alone)?;
            }
            draft.apply(self, path, change.clone())?;
        }
        let note = format!("offer {} of {}", offer.id, offer.from);
        let snapshot = draft.commit(self, deposit, &note)?;
        match self.keeper.forget(owner, &offer.id) {
            Ok(()) | Err(PodsError::Unsupported { .. }) => Ok(snapshot),
            Err(error) => Err(error),
        }
    }
}

/// Paths that were added, changed and removed.
fn sorted(difference: &Difference) -> [Vec<String>; 3] {
    let mut sorted = [Vec::new(), Vec::new(), Vec::new()];
    let [added, changed, removed] = &mut sorted;
    for (path, (was, now)) in difference {
        match (was, now) {
            (_, Change::Removed) => removed.push(path.to_string()),
            (None, _) => added.push(path.to_string()),
            (Some(_), _) => changed.push(path.to_string()),
        }
    }
    sorted
}
