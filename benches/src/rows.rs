//! Rows of agents: the same walk natively, as sandboxed code in batches, and each row by itself.

use adapters::rows::{Row, RowCode, RowOptions, RowRunner, RowTick};
use adapters::wasm::assemble_text;
use sims::random::{draw, key};

/// A random walker, whose turn does next to nothing: what is measured is what is around it.
const WALKER: &str = include_str!("../../adapters/tests/rows/walker.wat");

/// Walkers, and what they are given.
#[derive(Debug)]
pub struct Walkers {
    ids: Vec<u64>,
    keys: Vec<u64>,
    /// x and y of each, as a world holds rows.
    pub rows: Vec<u8>,
    tick: u64,
}

impl Walkers {
    /// So many, all in the origin.
    pub fn new(count: usize) -> Self {
        let ids: Vec<u64> = (0..count as u64).collect();
        Self {
            keys: ids.iter().map(|&id| key(42, id)).collect(),
            rows: vec![0; 8 * ids.len()],
            ids,
            tick: 0,
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.ids.len() as u64
    }

    /// One tick in Rust, over the same bytes.
    pub fn native(&mut self) {
        let (rows, _) = self.rows.as_chunks_mut::<8>();
        for (row, &key) in rows.iter_mut().zip(&self.keys) {
            let mut at = [&row[..4], &row[4..]].map(|field| {
                let field = field.first_chunk().copied().unwrap_or_default();
                i32::from_le_bytes(field)
            });
            let draw = draw(key, self.tick);
            let step = i32::from(draw & 2 != 0) * 2 - 1;
            let axis = usize::from(draw & 1 == 0);
            at[axis] = at[axis].wrapping_add(step);
            row[..4].copy_from_slice(&at[0].to_le_bytes());
            row[4..].copy_from_slice(&at[1].to_le_bytes());
        }
        self.tick += 1;
    }

    /// One tick by a runner.
    ///
    /// # Panics
    /// If a turn fails.
    pub fn sandboxed(&mut self, runner: &mut RowRunner) {
        let now = RowTick {
            tick: self.tick,
            counter: self.tick,
            parameters: &[],
            ids: &self.ids,
            keys: &self.keys,
        };
        let outcome = runner.turns(&now, &mut self.rows);
        outcome.expect("a walker walks");
        self.tick += 1;
    }

    /// One tick, each row on an instance of its own.
    ///
    /// # Panics
    /// If a turn fails.
    pub fn one_by_one(&mut self, code: &RowCode) {
        let now = RowTick {
            tick: self.tick,
            counter: self.tick,
            parameters: &[],
            ids: &self.ids,
            keys: &self.keys,
        };
        let outcome = code.turns_one_by_one(&now, &mut self.rows);
        outcome.expect("a walker walks");
        self.tick += 1;
    }
}

/// The walker as sandboxed code.
///
/// # Panics
/// If it is not taken.
pub fn walker() -> RowCode {
    loaded(WALKER)
}

/// The same, with a memory of so many bytes that it writes to, so that it is put back before each row.
///
/// # Panics
/// If it is not taken.
pub fn writing_walker(bytes: u32) -> RowCode {
    let turn = "(func (export \"turn\") (param $x i32) (param $y i32) (result i32 i32)";
    // Locals come first in a function, so the store goes where the first draw is.
    let draws = "(local.set $draw (i32.wrap_i64 (call $random)))";
    let memory = format!("(memory (export \"memory\") {bytes} {bytes} (pagesize 1))\n  {turn}");
    let store = format!("(i32.store (i32.const 0) (local.get $x))\n    {draws}");
    loaded(&WALKER.replace(turn, &memory).replace(draws, &store))
}

fn loaded(text: &str) -> RowCode {
    let module = assemble_text(text.as_bytes()).expect("it is a module");
    RowCode::load(&module, &RowOptions::of_rows(Row::Bytes(8))).expect("it is taken")
}
