//! A store that no runtime runs on: its VCs are computed again from their journals, and nothing is launched,
//! woken or written.

use std::sync::Arc;

use genesis::id::VcId;
use genesis::refusal::{Code, Refusal};

use crate::behaviour::Natives;
use crate::cell::{Tail, read_whole_row};
use crate::clock::Clock;
use crate::contents::{ContentsStore, Shelf};
use crate::journal::{Unread, read};
use crate::modules::Modules;
use crate::replay::{Ground, replay};
use crate::runtime::from_store;
use crate::sandbox::Sandbox;
use crate::store::{Store, Table};
use crate::view::Replayed;
use crate::worker::replay::no_journal;

/// Rows that are read at once.
const PAGE: usize = 256;

/// What an archive is read with.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What a runtime left behind.
    pub store: Arc<dyn Store>,
    /// The native behaviours that are known.
    pub natives: Natives,
    /// What runs code that is not trusted.
    pub sandbox: Option<Arc<dyn Sandbox>>,
    /// Where contents by reference are.
    pub contents: Option<Arc<dyn ContentsStore>>,
    /// The seed that the runtime had.
    pub seed: u64,
    /// Where time comes from, for what is read of contents.
    pub clock: Arc<dyn Clock>,
}

/// A store that is looked at.
#[derive(Debug)]
pub struct Archive {
    store: Arc<dyn Store>,
    natives: Natives,
    modules: Modules,
    shelf: Option<Arc<Shelf>>,
    seed: u64,
}

impl Archive {
    /// Opens a store for looking at it.
    pub fn new(reading: Reading) -> Self {
        let Reading {
            store,
            natives,
            sandbox,
            contents,
            seed,
            clock,
        } = reading;
        Self {
            modules: Modules::new(sandbox, Some(Arc::clone(&store))),
            shelf: contents.map(|contents| Shelf::new(contents, clock)),
            store,
            natives,
            seed,
        }
    }

    /// The VCs there are, in the order of their ids, after one: a page of them, empty at the end.
    ///
    /// # Errors
    /// [`Refusal`] if the store cannot be read.
    pub fn vcs(&self, after: Option<VcId>) -> Result<Vec<VcId>, Refusal> {
        let from = after.map_or_else(Vec::new, |id| [id.as_bytes().as_slice(), &[0]].concat());
        let rows = self
            .store
            .range(Table::Vcs, &from, PAGE)
            .map_err(from_store)?;
        let id = |(key, _): (Vec<u8>, _)| {
            <[u8; 32]>::try_from(key.as_slice())
                .map(VcId::from_bytes)
                .map_err(|_| {
                    Refusal::new(Code::Corrupt, format!("table vcs, key {key:?} is no id"))
                })
        };
        rows.into_iter().map(id).collect()
    }

    /// Computes a VC again from its journal, and compares. Takes as long as its recorded turns take.
    ///
    /// # Errors
    /// As [`Runtime::replay`](crate::runtime::Runtime::replay).
    pub fn replay(&self, id: VcId) -> Result<Replayed, Refusal> {
        let row = self
            .store
            .get(Table::Vcs, id.as_bytes())
            .map_err(from_store)?;
        let row =
            row.ok_or_else(|| Refusal::new(Code::Unknown, format!("there is no {id}")).who(id))?;
        let damaged = |error: genesis::wire::DecodeError| {
            Refusal::new(Code::Corrupt, format!("the row of {id}: {error}")).who(id)
        };
        let (_, image, tail) = read_whole_row(&row).map_err(damaged)?;
        if image.record == 0 {
            return Err(no_journal(id));
        }
        let tail = tail.map(Tail::read).transpose().map_err(damaged)?;
        let marks = tail.and_then(|tail| tail.journal()).unwrap_or_default();
        let recorded = read(Some(self.store.as_ref()), id, marks, Vec::new());
        let recorded = recorded.map_err(|why| match why {
            Unread::Failed(why) => why,
            Unread::Moved => {
                Refusal::new(Code::Corrupt, "the journal's first row is missing").who(id)
            }
        })?;
        let ground = Ground {
            natives: &self.natives,
            modules: &self.modules,
            shelf: self.shelf.as_ref(),
            seed: self.seed,
        };
        replay(ground, &recorded, &image)
    }
}
