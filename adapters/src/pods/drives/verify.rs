//! Reading everything and recomputing every hash.

use super::Drives;
use super::source::{Resolved, Shape};
use crate::pods::reach::Seen;
use crate::pods::{Damage, PodsError, Progress, Source, Verified};
use crate::swarm::feed::Index;
use crate::swarm::joiner::Branch;
use crate::swarm::mantaray::{ROOT_PATH, StoredNode};
use crate::swarm::soc::Soc;
use crate::swarm::{Reference, SwarmError};

/// Most pieces of damage that are listed.
const DAMAGE_MAX: usize = 1_000;

/// A verification under way.
struct Check<'c> {
    drives: &'c Drives,
    progress: &'c dyn Progress,
    seen: Seen,
    found: Verified,
}

impl Drives {
    pub(super) fn verify_source(
        &self,
        from: &Source,
        progress: &dyn Progress,
    ) -> Result<Verified, PodsError> {
        let resolved = self.resolve(from)?;
        let mut check = Check {
            drives: self,
            progress,
            seen: Seen::default(),
            found: Verified::default(),
        };
        check.records(&resolved)?;
        if resolved.shape == Shape::Contents {
            if check.contents("/", &resolved.root)? {
                check.found.files += 1;
            }
        } else {
            check.manifest(&resolved.root)?;
        }
        Ok(check.found)
    }
}

impl Check<'_> {
    /// The records of a pod's snapshots.
    fn records(&mut self, resolved: &Resolved) -> Result<(), PodsError> {
        let Some(records) = &resolved.records else {
            return Ok(());
        };
        let latest = self.drives.keeper.latest(&records.feed, Index(0))?;
        let latest = latest.map_or(0, |(index, _)| index.0);
        for index in 0..=latest {
            let address = records.feed.address(Index(index));
            let bytes = self
                .drives
                .chunks()
                .get(&address)
                .map_err(SwarmError::from)?;
            let read = match bytes {
                Some(bytes) => {
                    self.count(bytes.len())?;
                    Soc::verify(address, bytes).map(|_| ())
                }
                None => Err(SwarmError::Missing { address }),
            };
            if let Err(error) = read {
                self.damage("/", Some(address), &error);
            }
        }
        Ok(())
    }

    /// A manifest and all it names. What is below a damaged node is not known.
    fn manifest(&mut self, root: &Reference) -> Result<(), PodsError> {
        let mut pending = vec![(Vec::new(), *root, false)];
        let mut nodes = Seen::default();
        while let Some((path, reference, is_value)) = pending.pop() {
            let shown = shown(&path);
            if !self.contents(&directory_of(&shown), &reference)? {
                continue;
            }
            let node = match StoredNode::read(self.drives.chunks(), reference) {
                Ok(node) => node,
                Err(error) => {
                    self.damage(&shown, Some(reference.address()), &error);
                    continue;
                }
            };
            if let Some(entry) = node.entry
                && is_value
                && path != ROOT_PATH
                && self.contents(&shown, &entry)?
            {
                self.found.files += 1;
            }
            for fork in node.forks {
                let path = [&path[..], &fork.prefix].concat();
                // The same node at another path names the same chunks, and files count where they are.
                if fork.is_value || nodes.is_new(fork.node.address())? {
                    pending.push((path, fork.node, fork.is_value));
                }
            }
        }
        Ok(())
    }

    /// A tree of contents. Answers whether it is whole.
    fn contents(&mut self, path: &str, root: &Reference) -> Result<bool, PodsError> {
        let before = self.found.damage.len();
        let mut pending = vec![(*root, None)];
        while let Some((reference, expected)) = pending.pop() {
            match Branch::fetch(self.drives.chunks(), &reference, expected) {
                Ok(branch) => {
                    if branch.children.is_empty() || self.seen.is_new(reference.address())? {
                        self.count(branch.chunk_bytes)?;
                        let children = branch.children.into_iter().rev();
                        pending.extend(children.map(|(child, span)| (child, Some(span))));
                    }
                }
                Err(error) => self.damage(path, Some(reference.address()), &error),
            }
        }
        Ok(self.found.damage.len() == before)
    }

    fn count(&mut self, bytes: usize) -> Result<(), PodsError> {
        self.found.chunks += 1;
        self.found.bytes += bytes as u64;
        self.progress.moved(bytes as u64);
        if self.progress.stopped() {
            return Err(PodsError::Stopped {
                bytes: self.found.bytes,
            });
        }
        Ok(())
    }

    fn damage(&mut self, path: &str, chunk: Option<crate::swarm::Address>, error: &SwarmError) {
        if self.found.damage.len() >= DAMAGE_MAX {
            return;
        }
        let place = chunk.and_then(|chunk| self.drives.keeper.damaged(&chunk));
        let place = place.map_or_else(String::new, |place| format!(" ({place})"));
        self.found.damage.push(Damage {
            path: path.to_owned(),
            chunk: chunk.map_or_else(String::new, |chunk| chunk.to_string()),
            why: format!("{error}{place}"),
        });
    }
}

/// A manifest's path, as people write it.
fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path).trim_start_matches('/'))
}

/// The directory whose list a node of the manifest is part of.
fn directory_of(path: &str) -> String {
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(at) => path[..at].to_owned(),
    }
}
