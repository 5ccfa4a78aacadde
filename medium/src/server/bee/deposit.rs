//! Chunks on their way into the store: stamped with the batch that the request names, and counted in its tag.

use std::sync::atomic::{AtomicU64, Ordering};

use adapters::pods::keeper::{Deposit, Placed};
use adapters::swarm::encrypt::Keys;
use adapters::swarm::keccak::Hash;
use adapters::swarm::soc::Soc;
use adapters::swarm::splitter::SplitOptions;
use adapters::swarm::store::{ChunkStore, StoreFault};
use adapters::swarm::{Address, Redundancy, Reference, SwarmError};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::Serialize;

use super::BeeApi;
use super::answer::{Answer, Refused, Said, set};
use super::ask::{REDUNDANCY, TAG, Upload};

/// An upload that was let in.
#[derive(Clone, Debug)]
pub(super) struct Uploading {
    api: BeeApi,
    batch: Hash,
    tag: Option<u64>,
    pin: bool,
    encrypt: bool,
    /// Whether the disk may wait until somebody asks for the tag.
    deferred: bool,
}

impl Uploading {
    /// Lets an upload in that is counted, whether it asks for a tag or not.
    pub(super) fn begin(api: &BeeApi, upload: &Upload) -> Answer<Self> {
        let tag = api.tags().get_or_create(upload.tag, api.now())?;
        Ok(Self {
            tag: Some(tag),
            ..Self::uncounted(api, upload.batch)
        }
        .with(upload))
    }

    /// Lets a chunk in. Under a tag it is counted, and need not be on the disk when it is answered for.
    pub(super) fn of_chunk(api: &BeeApi, batch: Hash, tag: Option<u64>) -> Answer<Self> {
        let tag = tag.map(|tag| api.tags().get_or_create(Some(tag), api.now()));
        Ok(Self {
            deferred: tag.is_some(),
            tag: tag.transpose()?,
            ..Self::uncounted(api, batch)
        })
    }

    fn uncounted(api: &BeeApi, batch: Hash) -> Self {
        Self {
            api: api.clone(),
            batch,
            tag: None,
            pin: false,
            encrypt: false,
            deferred: false,
        }
    }

    fn with(self, upload: &Upload) -> Self {
        Self {
            pin: upload.pin,
            encrypt: upload.encrypt,
            ..self
        }
    }

    /// Stores what `work` makes, and answers when it can be read back: after a crash too, unless it is deferred.
    /// Blocks.
    pub(super) fn store(
        &self,
        work: impl FnOnce(&Chunks<'_>) -> Answer<Reference>,
    ) -> Answer<Uploaded> {
        let deposit = self.deposit()?;
        let chunks = Chunks {
            deposit: &*deposit,
            keys: self.encrypt.then(|| self.api.keys()),
            count: AtomicU64::new(0),
        };
        let outcome = work(&chunks);
        let count = chunks.count.into_inner();
        if let Some(tag) = self.tag {
            self.api.tags().count(tag, count, self.batch);
        }
        let reference = outcome?;
        if !self.deferred {
            deposit.finish()?;
        }
        if self.pin {
            let keeper = self.api.keeper();
            keeper.set_pinned(self.api.wallet(), &reference, true)?;
        }
        if let Some(tag) = self.tag
            && !self.deferred
        {
            self.api.tags().finish(tag, count, reference.address());
        }
        Ok(Uploaded {
            reference,
            tag: self.tag,
            named: false,
        })
    }

    /// Begins to write with the batch that the request names.
    fn deposit(&self) -> Answer<Box<dyn Deposit + '_>> {
        let (keeper, wallet) = (self.api.keeper(), self.api.wallet());
        let id = HEXLOWER.encode(&self.batch);
        if !keeper.batches(wallet)?.iter().any(|batch| batch.id == id) {
            let hint = "`GET /stamps` lists the batches there are, `POST /stamps/{amount}/{depth}` buys one";
            return Err(
                Refused::not_found("batch with id not found").because(super::ask::BATCH_ID, hint)
            );
        }
        Ok(keeper.deposit_with(wallet, &id)?)
    }
}

/// Where an upload's chunks go.
pub(super) struct Chunks<'d> {
    deposit: &'d (dyn Deposit + 'd),
    keys: Option<&'d dyn Keys>,
    count: AtomicU64,
}

impl Chunks<'_> {
    /// How contents are split: encrypted if the request says so.
    pub(super) fn options(&self, threads: usize) -> SplitOptions<'_> {
        SplitOptions {
            threads,
            redundancy: Redundancy::None,
            keys: self.keys,
        }
    }

    /// Takes a single-owner chunk.
    pub(super) fn put_single_owner(&self, chunk: &Soc) -> Answer<Reference> {
        let address = chunk.address();
        match self.deposit.put_single_owner(chunk)? {
            Placed::Kept => {
                self.count.fetch_add(1, Ordering::Relaxed);
                Ok(address.into())
            }
            Placed::Taken => {
                Err(
                    Refused::new(StatusCode::CONFLICT, "another chunk is at this address").because(
                        "id",
                        format!("{address} was written before, and stays as it is"),
                    ),
                )
            }
        }
    }

    /// Why something failed, in the words of stamps where it was they.
    pub(super) fn refused(&self, error: SwarmError) -> Refused {
        match error {
            SwarmError::Store(fault) => self.deposit.explain(fault).into(),
            error => error.into(),
        }
    }
}

impl ChunkStore for Chunks<'_> {
    fn get(&self, address: &Address) -> Result<Option<Bytes>, StoreFault> {
        self.deposit.get(address)
    }

    fn put(&self, chunks: &[(Address, &[u8])]) -> Result<(), StoreFault> {
        self.deposit.put(chunks)?;
        self.count.fetch_add(chunks.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// What came of an upload.
#[derive(Debug)]
pub(super) struct Uploaded {
    reference: Reference,
    tag: Option<u64>,
    /// Whether the answer has an entity tag, as Bee gives to what has a manifest.
    named: bool,
}

impl Uploaded {
    /// The same, of what has a manifest.
    pub(super) fn named(mut self) -> Self {
        self.named = true;
        self
    }
}

#[derive(Serialize)]
struct Body {
    reference: String,
}

impl IntoResponse for Uploaded {
    fn into_response(self) -> Response {
        let reference = self.reference.to_string();
        let tag = self.named.then(|| format!("\"{reference}\""));
        let mut answer = Said(StatusCode::CREATED, Body { reference }).into_response();
        if let Some(tag) = tag {
            set(&mut answer, header::ETAG, &tag);
        }
        if let Some(tag) = self.tag {
            set(&mut answer, HeaderName::from_static(TAG), &tag.to_string());
        }
        // Bee's default has changed between versions: say what was done.
        set(&mut answer, HeaderName::from_static(REDUNDANCY), "0");
        answer
    }
}
