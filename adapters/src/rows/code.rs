//! A row module and its machine code, of which runners are made.

use std::fmt;
use std::sync::Arc;

use genesis::id::Digest;
use genesis::limits::MODULE_BYTES_MAX;
use genesis::refusal::{Code as Kind, Refusal};
use wasmtime::{Engine, Module};

use super::driver::{self, Layout};
use super::module::{self, Field, Reading};
use super::runner::{RowOutcome, RowRunner, RowTick};
use super::{BATCH_ROWS_DEFAULT, BATCH_ROWS_MAX, ROW_FUEL_DEFAULT, RowError};
use crate::wasm::{CacheFolder, Compiler, assemble_text, code_of_rows, engine_of_rows};

/// How a world declares its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// By their fields, in order.
    Fields(Vec<Field>),
    /// By their size in bytes alone: their fields are those of `turn`.
    Bytes(usize),
}

/// How a row module is run.
#[derive(Clone, Debug)]
pub struct RowOptions {
    /// A row, as the world declares it.
    pub row: Row,
    /// Fuel of one row's turn: [`ROW_FUEL_DEFAULT`].
    pub fuel_max: u64,
    /// Most rows that are run together, 1 to [`BATCH_ROWS_MAX`]: [`BATCH_ROWS_DEFAULT`]. It changes no result.
    pub batch_rows: usize,
    /// Where the module is compiled; in this process unless told otherwise.
    pub compiler: Compiler,
    /// Where compiled code is kept; none: it is not.
    pub cache: Option<CacheFolder>,
}

impl RowOptions {
    /// The options for such rows.
    pub const fn of_rows(row: Row) -> Self {
        Self {
            row,
            fuel_max: ROW_FUEL_DEFAULT,
            batch_rows: BATCH_ROWS_DEFAULT,
            compiler: Compiler::InProcess,
            cache: None,
        }
    }
}

/// A row module that was read and compiled. Clones share it.
#[derive(Clone)]
pub struct RowCode(Arc<Inner>);

pub(super) struct Inner {
    digest: Digest,
    pub(super) reading: Reading,
    pub(super) engine: Engine,
    pub(super) layout: Layout,
    pub(super) fuel_max: u64,
    pub(super) face: Module,
    pub(super) guest: Module,
    pub(super) around: Module,
}

impl fmt::Debug for RowCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowCode({})", self.0.digest)
    }
}

impl RowCode {
    /// Reads a module, compiles it and makes a first instance of it.
    ///
    /// # Errors
    /// [`RowError::Refused`], with what is wrong by name and number; [`RowError::Row`] if it is about other
    /// rows.
    pub fn load(module: &[u8], options: &RowOptions) -> Result<Self, RowError> {
        let mut reading = module::read(module, MODULE_BYTES_MAX)?;
        reading.declare(&options.row)?;
        let engine = engine_of_rows()?;
        let batch_rows = options.batch_rows.clamp(1, BATCH_ROWS_MAX);
        let layout = Layout::new(batch_rows, module::row_bytes(&reading.fields));
        let guest = code_of_rows(&engine, module, &options.compiler, options.cache.as_ref())?;
        let face = ours(&engine, &driver::face(&layout))?;
        let around = ours(&engine, &driver::around(&reading, &layout))?;
        let code = Self(Arc::new(Inner {
            digest: Digest::of(module),
            reading,
            engine,
            layout,
            fuel_max: options.fuel_max,
            face,
            guest,
            around,
        }));
        // What fails here would fail at every tick: data that lies outside of the memory.
        code.runner()?;
        Ok(code)
    }

    /// The module's digest.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The fields of a row, in order.
    pub fn fields(&self) -> &[Field] {
        &self.0.reading.fields
    }

    /// What runs it, for one thread at a time.
    ///
    /// # Errors
    /// [`RowError::Refused`] if there is no memory for it.
    pub fn runner(&self) -> Result<RowRunner, RowError> {
        self.runner_of(self.0.layout.batch_rows)
    }

    /// What runs at most so many rows together: from 1 to what the options say. It changes no result.
    ///
    /// # Errors
    /// As [`Self::runner`].
    pub fn runner_of(&self, batch_rows: usize) -> Result<RowRunner, RowError> {
        RowRunner::new(&self.0, batch_rows.clamp(1, self.0.layout.batch_rows))
    }

    /// The same as [`RowRunner::turns`], each row on an instance of its own that has never run before: slow, and what
    /// batches are compared with.
    ///
    /// # Errors
    /// As [`RowRunner::turns`].
    pub fn turns_one_by_one(
        &self,
        now: &RowTick<'_>,
        rows: &mut [u8],
    ) -> Result<RowOutcome, RowError> {
        let row_bytes = self.0.layout.row_bytes;
        now.check(rows.len(), row_bytes)?;
        let mut after = rows.to_vec();
        let mut outcome = RowOutcome::default();
        for (at, row) in after.chunks_exact_mut(row_bytes).enumerate() {
            let alone = RowTick {
                ids: &now.ids[at..=at],
                keys: &now.keys[at..=at],
                ..*now
            };
            let one = self.runner_of(1)?.turns(&alone, row);
            outcome.add(at, &one.map_err(|error| error.of_row(at))?);
        }
        rows.copy_from_slice(&after);
        Ok(outcome)
    }
}

/// Compiles a module of the host.
fn ours(engine: &Engine, text: &str) -> Result<Module, RowError> {
    let bytes = assemble_text(text.as_bytes())?;
    Module::new(engine, bytes).map_err(|error| internal(&error))
}

/// What should not have happened with a module that was read.
pub(super) fn internal(error: &wasmtime::Error) -> RowError {
    let what = format!("the loop over rows cannot be made: {error:#}");
    RowError::Refused(Refusal::new(Kind::Internal, what))
}
