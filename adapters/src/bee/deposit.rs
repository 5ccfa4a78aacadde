//! An upload to a Bee: chunks under one tag, stamped by one batch, read back before it is done.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::journal::Journal;
use super::wire::{Tag, Uploaded};
use super::{Bee, error};
use crate::http::HttpError;
use crate::pods::PodsError;
use crate::pods::keeper::{Deposit, Keeper, Placed};
use crate::swarm::chunk::Chunk;
use crate::swarm::sign::Owner;
use crate::swarm::soc::Soc;
use crate::swarm::store::{ChunkStore, StoreFault};
use crate::swarm::{Address, Reference};

/// The type that Bee gives to bytes.
const BYTES: &str = "application/octet-stream";
/// How long a Bee may go on pushing chunks without one of them arriving.
const STANDSTILL_MAX: Duration = Duration::from_secs(90);
/// How many chunks of an upload are read back whose arrival was confirmed: all, up to 16 MiB.
const READ_BACK_MAX: usize = 4_096;
/// How many chunks are looked at before an upload goes on.
const SAMPLE_MAX: usize = 16;

/// An upload.
#[derive(Debug)]
pub(super) struct BeeDeposit<'b> {
    bee: &'b Bee,
    batch: String,
    tag: u64,
    journal: Journal,
    /// Single-owner chunks that were put: they are read back at the end.
    placed: Mutex<Vec<Soc>>,
    /// Why a chunk was not taken, until [`Deposit::explain`] asks.
    failed: Mutex<Option<PodsError>>,
    /// Chunks that were acknowledged, and not read back yet.
    unsettled: Mutex<Vec<Address>>,
}

impl<'b> BeeDeposit<'b> {
    /// Begins an upload, or goes on with one that was interrupted, if the Bee still knows it.
    pub(super) fn begin(bee: &'b Bee, wallet: Owner, batch: String) -> Result<Self, PodsError> {
        let server = blake3::hash(bee.name().as_bytes()).to_hex();
        // Enough of each that no two share a name by chance.
        let name = format!("{}-{wallet}-{}", &server[..16], &batch[..16]);
        let journal = Journal::open(bee.options.journals.as_deref(), &name);
        let known = match journal.tag() {
            Some(uid) => bee.tag(uid)?,
            None => None,
        };
        let known = known.filter(|_| still_has(bee, &journal));
        let tag = if let Some(tag) = known {
            tag.uid
        } else {
            let tag: Tag = bee.http.post(&["tags"]).send()?.json()?;
            journal.begin(tag.uid);
            tag.uid
        };
        Ok(Self {
            bee,
            batch,
            tag,
            unsettled: Mutex::new(journal.sent()),
            journal,
            placed: Mutex::default(),
            failed: Mutex::default(),
        })
    }

    /// Sends one chunk, and checks what the Bee calls it.
    fn send(&self, address: &Address, bytes: &[u8]) -> Result<(), PodsError> {
        let request = self
            .bee
            .http
            .post(&["chunks"])
            .header("swarm-postage-batch-id", &self.batch)
            .header("swarm-tag", &self.tag.to_string())
            .header("swarm-redundancy-level", "0")
            .bytes(BYTES, Bytes::copy_from_slice(bytes))
            // The same chunk with the same batch: it is there once.
            .repeatable();
        self.taken(request.send(), *address)
    }

    /// Checks that what was taken has the name that it must.
    fn taken(
        &self,
        answer: Result<crate::http::Answer, HttpError>,
        address: Address,
    ) -> Result<(), PodsError> {
        let refused = |error| error::of_upload(error, &self.batch, self.bee);
        let uploaded: Uploaded = answer.map_err(refused)?.json()?;
        if uploaded
            .reference
            .eq_ignore_ascii_case(&address.to_string())
        {
            return Ok(());
        }
        let what = format!("{} took chunk {address} as another one", self.bee.name());
        Err(PodsError::Damaged(what))
    }

    /// Sends chunks that the Bee has not acknowledged yet, a few at a time, and remembers those that it took.
    fn send_all(&self, chunks: &[(Address, &[u8])]) -> Result<(), PodsError> {
        let taken = Mutex::new(Vec::new());
        let sent = self.in_parallel(chunks, |(address, bytes)| {
            self.send(address, bytes)?;
            taken.lock().push(*address);
            Ok(())
        });
        let taken = taken.into_inner();
        self.journal.add(&taken);
        self.unsettled.lock().extend(taken);
        sent
    }

    /// Does something with each item, [`BeeOptions::in_flight`](super::BeeOptions) at a time, until one fails.
    fn in_parallel<T: Sync>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> Result<(), PodsError> + Sync,
    ) -> Result<(), PodsError> {
        let next = AtomicUsize::new(0);
        let failed: Mutex<Option<PodsError>> = Mutex::default();
        let worker = || {
            while failed.lock().is_none()
                && let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed))
            {
                if let Err(error) = work(item) {
                    *failed.lock() = Some(error);
                }
            }
        };
        let threads = self.bee.options.in_flight.min(items.len());
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(worker);
            }
            worker();
        });
        failed.into_inner().map_or(Ok(()), Err)
    }

    /// Waits until every chunk of this upload has been taken by somebody in the network; true if there is nobody
    /// behind the Bee.
    ///
    /// A Bee pushes what it took to its peers, and is waited for as long as chunks arrive there.
    fn until_arrived(&self, root: &Reference) -> Result<bool, PodsError> {
        let mut waits = Waits::new(STANDSTILL_MAX);
        let mut arrived = 0;
        loop {
            let tag = self.bee.tag(self.tag)?.unwrap_or_default();
            if tag.arrived() >= tag.split && tag.split > 0 {
                return Ok(false);
            }
            if !self.bee.has_peers()? {
                return Ok(true);
            }
            if tag.arrived() > arrived {
                arrived = tag.arrived();
                waits = Waits::new(STANDSTILL_MAX);
            }
            if !waits.next() {
                // Its count may be wrong; what it finds is what matters.
                if self.bee.is_retrievable(root)? {
                    return Ok(false);
                }
                return Err(PodsError::Server {
                    server: self.bee.name(),
                    what: "being asked whether the upload has arrived".to_owned(),
                    status: 200,
                    message: format!("{arrived} of {} chunks are in the network", tag.split),
                    hint: "it keeps what it took: the same command goes on from here, once it has better peers".to_owned(),
                });
            }
        }
    }

    /// Reads chunks back, a few at a time.
    fn read_back(&self, chunks: &[Address]) -> Result<(), PodsError> {
        self.in_parallel(chunks, |address| self.is_here(address))
    }

    /// Reads a chunk back.
    fn is_here(&self, address: &Address) -> Result<(), PodsError> {
        let bytes = self.bee.chunk(address)?;
        let bytes = bytes.ok_or(crate::swarm::SwarmError::Missing { address: *address })?;
        Chunk::verify(*address, bytes)?;
        Ok(())
    }
}

impl ChunkStore for BeeDeposit<'_> {
    fn get(&self, address: &Address) -> Result<Option<Bytes>, StoreFault> {
        self.bee.get(address)
    }

    fn put(&self, chunks: &[(Address, &[u8])]) -> Result<(), StoreFault> {
        let missing: Vec<_> = chunks
            .iter()
            .filter(|(address, _)| !self.journal.has(address))
            .copied()
            .collect();
        self.send_all(&missing).map_err(|error| {
            let what = error.to_string();
            *self.failed.lock() = Some(error);
            StoreFault::elsewhere(what)
        })
    }
}

impl Deposit for BeeDeposit<'_> {
    fn put_single_owner(&self, chunk: &Soc) -> Result<Placed, PodsError> {
        let address = chunk.address();
        // A Bee may put a later chunk in the place of an earlier one, so it is looked at first.
        if let Some(bytes) = self.bee.chunk(&address)? {
            let there = Soc::verify(address, bytes)?;
            return Ok(if there.chunk() == chunk.chunk() {
                Placed::Kept
            } else {
                Placed::Taken
            });
        }
        let id = data_encoding::HEXLOWER.encode(chunk.id());
        let request = self
            .bee
            .http
            .post(&["soc", &chunk.owner().to_string(), &id])
            .query("sig", &chunk.signature().to_string())
            .header("swarm-postage-batch-id", &self.batch)
            .header("swarm-redundancy-level", "0")
            // What leads to everything else is kept where it was written. Bees up to 2.5 without a network answer
            // only then: they would wait for a peer to take the chunk. Later ones pay no attention to it.
            .header("swarm-pin", "true")
            .bytes(BYTES, chunk.chunk().bytes().clone())
            .repeatable();
        let answer = request.send();
        if answer
            .as_ref()
            .is_err_and(|error| error.status() == Some(409))
        {
            return Ok(Placed::Taken);
        }
        self.taken(answer, address)?;
        self.placed.lock().push(chunk.clone());
        Ok(Placed::Kept)
    }

    fn settle(&self, root: &Reference) -> Result<(), PodsError> {
        let new = std::mem::take(&mut *self.unsettled.lock());
        let is_alone = !new.is_empty() && self.until_arrived(root)?;
        // Where nobody has confirmed anything, all of it is looked at; else a share that costs little.
        let step = if is_alone {
            1
        } else {
            new.len().div_ceil(READ_BACK_MAX).max(1)
        };
        let mut read_back: Vec<Address> = new.into_iter().step_by(step).collect();
        read_back.push(root.address());
        self.read_back(&read_back)
    }

    fn finish(self: Box<Self>) -> Result<(), PodsError> {
        for chunk in self.placed.lock().iter() {
            let address = chunk.address();
            let bytes = self.bee.chunk(&address)?;
            let found = bytes.map(|bytes| Soc::verify(address, bytes)).transpose()?;
            if found.as_ref().map(Soc::chunk) != Some(chunk.chunk()) {
                let what = format!(
                    "{} took chunk {address} and does not give it back",
                    self.bee.name()
                );
                return Err(PodsError::Damaged(what));
            }
        }
        self.journal.end();
        Ok(())
    }

    fn explain(&self, fault: StoreFault) -> PodsError {
        let failed = self.failed.lock().take();
        failed.unwrap_or_else(|| crate::swarm::SwarmError::from(fault).into())
    }
}

/// Whether the Bee has what it acknowledged, as far as a few of the chunks tell: one that was set up anew has not.
fn still_has(bee: &Bee, journal: &Journal) -> bool {
    let sent = journal.sent();
    let step = sent.len().div_ceil(SAMPLE_MAX).max(1);
    let mut sample = sent.iter().step_by(step);
    sample.all(|address| matches!(bee.chunk(address), Ok(Some(_))))
}

/// Waits that grow, up to a bound in all. No clock is read: what is asked in between comes on top.
#[derive(Debug)]
pub(super) struct Waits {
    next: Duration,
    left: Duration,
}

impl Waits {
    const FIRST: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(5);

    pub(super) const fn new(all: Duration) -> Self {
        Self {
            next: Self::FIRST,
            left: all,
        }
    }

    /// Waits once more, or says that it was long enough.
    pub(super) fn next(&mut self) -> bool {
        let wait = self.next.min(self.left);
        if wait.is_zero() {
            return false;
        }
        thread::park_timeout(wait);
        self.left -= wait;
        self.next = (self.next * 2).min(Self::MAX);
        true
    }
}
