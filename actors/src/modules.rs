//! The modules that a runtime knows: their bytes, wherever they are, and what the sandbox made of them.

use std::sync::Arc;

use bytes::Bytes;
use dashmap::DashMap;
use genesis::id::Digest;
use genesis::image::ImagePart;
use genesis::refusal::{Code, Refusal};

use crate::sandbox::{ModuleFacts, Sandbox};
use crate::store::{Store, Table};

/// The modules of a runtime. They are named by digest and never change; each is kept once, however many VCs
/// are made of it.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    sandbox: Option<Arc<dyn Sandbox>>,
    store: Option<Arc<dyn Store>>,
    /// Of those brought in this run: without a store, and until the store has them.
    bytes: DashMap<Digest, Bytes>,
}

impl Modules {
    pub(crate) fn new(sandbox: Option<Arc<dyn Sandbox>>, store: Option<Arc<dyn Store>>) -> Self {
        Self {
            sandbox,
            store,
            bytes: DashMap::new(),
        }
    }

    /// The engine.
    ///
    /// # Errors
    /// [`Refusal`] if this runtime has none.
    pub(crate) fn sandbox(&self) -> Result<&Arc<dyn Sandbox>, Refusal> {
        self.sandbox.as_ref().ok_or_else(|| {
            Refusal::new(
                Code::Untestable,
                "this runtime has no sandbox, so it hosts no WebAssembly",
            )
        })
    }

    /// Reads a module and keeps it. Slow for the first time: it is compiled.
    pub(crate) fn bring(&self, module: Bytes) -> Result<Arc<ModuleFacts>, Refusal> {
        let facts = self.sandbox()?.admit(&module)?;
        self.bytes.entry(facts.digest).or_insert(module);
        Ok(facts)
    }

    /// The bytes of a module.
    ///
    /// # Errors
    /// [`Refusal`] if this runtime does not have it, or the store cannot be read.
    pub(crate) fn bytes(&self, module: Digest) -> Result<Bytes, Refusal> {
        if let Some(bytes) = self.bytes.get(&module) {
            return Ok(bytes.clone());
        }
        let stored = match &self.store {
            Some(store) => store
                .get(Table::Contents, &module.0)
                .map_err(crate::runtime::from_store)?,
            None => None,
        };
        stored.map(Bytes::from).ok_or_else(|| {
            Refusal::new(
                Code::Untestable,
                format!("this node does not have the module {module}"),
            )
        })
    }

    /// What is known of a module; it is read and compiled if it was not in this run.
    ///
    /// # Errors
    /// As [`Modules::bytes`] and [`Sandbox::admit`].
    pub(crate) fn facts(&self, module: Digest) -> Result<Arc<ModuleFacts>, Refusal> {
        match self.sandbox()?.facts(module) {
            Some(facts) => Ok(facts),
            None => self.sandbox()?.admit(&self.bytes(module)?),
        }
    }
}

/// What an image says of a part with code must be what its code says: a claim is not believed.
pub(crate) fn check_part(
    part: &ImagePart,
    facts: &ModuleFacts,
    module: Digest,
) -> Result<(), Refusal> {
    let decoder = facts.tests.then_some(module);
    if facts.digest != module || part.channels != facts.links || part.decoder != decoder {
        let what = format!(
            "occurrence {} claims other channels, or another test, than its code has",
            part.occurrence
        );
        return Err(Refusal::new(Code::Malformed, what));
    }
    Ok(())
}
