//! WebAssembly that turns the rows of worlds: the port of `sims`, served by the engine of `adapters`.

use std::sync::Arc;

use adapters::rows::{Row, RowCode, RowOptions, RowRunner, RowTick};
use adapters::wasm::assemble_text;
use parking_lot::Mutex;
use sims::code::{Batch, Engine, Turned};

/// The engine of this program for rows of worlds.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowEngine;

impl Engine for RowEngine {
    /// Takes modules as bytes and as text.
    fn compile(
        &self,
        module: &[u8],
        row_bytes: usize,
    ) -> Result<Arc<dyn sims::code::RowCode>, String> {
        let assembled;
        let module = if module.starts_with(b"\0asm") {
            module
        } else {
            assembled = assemble_text(module).map_err(|refusal| refusal.to_string())?;
            &assembled
        };
        let code = RowCode::load(module, &RowOptions::of_rows(Row::Bytes(row_bytes)))
            .map_err(|error| error.to_string())?;
        Ok(Arc::new(Rows {
            code,
            idle: Mutex::new(Vec::new()),
        }))
    }
}

/// Code with the instances of it that no thread uses now.
struct Rows {
    code: RowCode,
    idle: Mutex<Vec<RowRunner>>,
}

impl sims::code::RowCode for Rows {
    fn turns(&self, batch: &Batch<'_>, rows: &mut [u8]) -> Result<Turned, String> {
        let idle = self.idle.lock().pop();
        let mut runner = match idle {
            Some(runner) => runner,
            None => self.code.runner().map_err(|error| error.to_string())?,
        };
        let tick = RowTick {
            tick: batch.tick,
            counter: batch.counter,
            parameters: batch.parameters,
            ids: batch.ids,
            keys: batch.keys,
        };
        // A runner that failed is not used again.
        let outcome = runner
            .turns(&tick, rows)
            .map_err(|error| error.to_string())?;
        self.idle.lock().push(runner);
        let places = |places: Vec<usize>| {
            let places = places.into_iter().filter_map(|at| u32::try_from(at).ok());
            places.collect()
        };
        Ok(Turned {
            died: places(outcome.died),
            slept: places(outcome.asleep),
        })
    }
}
