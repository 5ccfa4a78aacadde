//! How rows are run: as many together as the memory of the loop holds, and as the fuel of one row allows.

use std::fmt;
use std::sync::Arc;

use genesis::refusal::{Code as Kind, Refusal};
use wasmtime::{Extern, Global, Instance, Memory, Module, Store, Trap, TypedFunc, Val};

use super::code::{Inner, internal};
use super::driver::{DIES, FACE, GUEST, Layout, SLEEPS, STEP, is_the_guests};
use super::{PARAMETERS_MAX, RowError};

/// What the rows of one tick are given.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowTick<'a> {
    /// Which tick it is.
    pub tick: u64,
    /// Which of a row's random numbers is the first.
    pub counter: u64,
    /// The world's parameters; at most [`PARAMETERS_MAX`].
    pub parameters: &'a [f64],
    /// Whose rows they are, one for each.
    pub ids: &'a [u64],
    /// The keys of their random numbers, one for each.
    pub keys: &'a [u64],
}

impl RowTick<'_> {
    /// Whether everything fits rows of so many bytes together.
    pub(super) fn check(&self, bytes: usize, row_bytes: usize) -> Result<(), RowError> {
        let rows = bytes / row_bytes;
        let shape = |what, found| Err(RowError::Shape { what, found, rows });
        if bytes != rows * row_bytes {
            return shape("bytes", bytes);
        }
        if self.ids.len() != rows {
            return shape("ids", self.ids.len());
        }
        if self.keys.len() != rows {
            return shape("keys", self.keys.len());
        }
        if self.parameters.len() > PARAMETERS_MAX {
            return shape("parameters", self.parameters.len());
        }
        Ok(())
    }
}

/// What the rows of one tick asked for, beside what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowOutcome {
    /// Which rows end, by their place, ascending.
    pub died: Vec<usize>,
    /// Which rows sleep, by their place, ascending. One that dies as well is in both.
    pub asleep: Vec<usize>,
}

impl RowOutcome {
    /// Adds the outcome of rows that begin at this place.
    pub(super) fn add(&mut self, from: usize, other: &Self) {
        self.died.extend(other.died.iter().map(|at| from + at));
        self.asleep.extend(other.asleep.iter().map(|at| from + at));
    }
}

impl RowError {
    /// ... about a row that was the first of those it was given with.
    pub(super) fn of_row(mut self, at: usize) -> Self {
        if let Self::Trap { row, .. } | Self::Fuel { row, .. } = &mut self {
            *row += at;
        }
        self
    }
}

/// An instance of a row module, with the loop around it. It is for one thread at a time; others make their own.
pub struct RowRunner {
    code: Arc<Inner>,
    store: Store<()>,
    memory: Memory,
    turns: TypedFunc<u32, ()>,
    at_row: Global,
    unknown: Global,
    beside: Global,
    /// How many rows are run together: fewer where they need much fuel.
    batch_rows: usize,
    batch_rows_max: usize,
    /// Of one batch.
    fuel_max: u64,
    /// The rows that were run and are not handed over yet.
    after: Vec<u8>,
}

impl fmt::Debug for RowRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowRunner")
            .field("batch_rows", &self.batch_rows)
            .finish_non_exhaustive()
    }
}

impl RowRunner {
    pub(super) fn new(code: &Arc<Inner>, batch_rows: usize) -> Result<Self, RowError> {
        Self::made(code, batch_rows).map_err(|error| match error.downcast_ref::<Trap>() {
            Some(trap) => {
                let what = format!("the module does not begin: {}", reason(*trap));
                RowError::Refused(
                    Refusal::new(Kind::Malformed, what)
                        .hint("data and elements must lie inside its memory and table"),
                )
            }
            None => internal(&error),
        })
    }

    fn made(code: &Arc<Inner>, batch_rows_max: usize) -> wasmtime::Result<Self> {
        let mut store = Store::new(&code.engine, ());
        let put_back = code
            .reading
            .put_back
            .as_ref()
            .map_or(0, super::module::Memory::bytes);
        // What is put back before a row is not of its own doing.
        let fuel_max = code.fuel_max.saturating_add(put_back);
        store.set_fuel(fuel_max)?;
        let face = Instance::new(&mut store, &code.face, &[])?;
        let guest = linked(&mut store, &code.guest, &face, None)?;
        let around = linked(&mut store, &code.around, &face, Some(&guest))?;
        let keep: TypedFunc<(), ()> = around.get_typed_func(&mut store, "keep")?;
        keep.call(&mut store, ())?;
        let gone = || wasmtime::Error::msg("an export of the loop is gone");
        let mut global = |name: &str| face.get_global(&mut store, name).ok_or_else(gone);
        let (at_row, unknown, beside) = (global("at_row")?, global("unknown")?, global("beside")?);
        Ok(Self {
            memory: face.get_memory(&mut store, "memory").ok_or_else(gone)?,
            turns: around.get_typed_func(&mut store, "turns")?,
            at_row,
            unknown,
            beside,
            batch_rows: batch_rows_max,
            batch_rows_max,
            fuel_max,
            after: Vec::new(),
            code: code.clone(),
            store,
        })
    }

    /// Runs one turn of each row, in order. Either all rows are changed, or there is an error and none is.
    ///
    /// # Errors
    /// [`RowError::Trap`] or [`RowError::Fuel`] about the first row whose turn fails; [`RowError::Shape`] if there
    /// is not one id and one key for each row, or if there are too many parameters.
    pub fn turns(&mut self, now: &RowTick<'_>, rows: &mut [u8]) -> Result<RowOutcome, RowError> {
        let row_bytes = self.code.layout.row_bytes;
        now.check(rows.len(), row_bytes)?;
        let count = now.ids.len();
        self.begin(now);
        self.after.clear();
        let mut outcome = RowOutcome::default();
        let mut from = 0;
        while from < count {
            let until = (from + self.batch_rows).min(count);
            let batch = &rows[from * row_bytes..until * row_bytes];
            self.place(batch, &now.ids[from..until], &now.keys[from..until]);
            match self.run(until - from) {
                Ok(()) => {
                    self.take(from, until - from, &mut outcome);
                    from = until;
                }
                Err(Ended::Fuel) if until - from > 1 => self.batch_rows = (until - from) / 2,
                Err(ended) => return Err(self.error(from, now, ended)),
            }
        }
        rows.copy_from_slice(&self.after);
        Ok(outcome)
    }

    /// Writes what is the same for all rows.
    fn begin(&mut self, now: &RowTick<'_>) {
        let memory = self.memory.data_mut(&mut self.store);
        let shift = now.counter.wrapping_mul(STEP);
        let parameters = now.parameters.iter().flat_map(|value| value.to_le_bytes());
        let len = now.parameters.len() as u64;
        for (at, value) in [
            (Layout::TICK, now.tick),
            (Layout::SHIFT, shift),
            (Layout::PARAMETERS_LEN, len),
        ] {
            memory[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        for (to, byte) in memory[Layout::PARAMETERS..].iter_mut().zip(parameters) {
            *to = byte;
        }
    }

    /// Writes the rows of a batch, and what is theirs.
    fn place(&mut self, rows: &[u8], ids: &[u64], keys: &[u64]) {
        let reading = &self.code.reading;
        let layout = &self.code.layout;
        let memory = self.memory.data_mut(&mut self.store);
        memory[layout.rows..layout.rows + rows.len()].copy_from_slice(rows);
        if reading.imports("id") {
            put_numbers(&mut memory[layout.ids..], ids);
        }
        if reading.imports("random") {
            put_numbers(&mut memory[layout.keys..], keys);
        }
        memory[layout.asked..layout.asked + ids.len()].fill(0);
    }

    fn run(&mut self, count: usize) -> Result<(), Ended> {
        let failed = |error: wasmtime::Error| match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Ended::Fuel,
            Some(trap) => Ended::Trap(*trap),
            None => Ended::Other(format!("{error:#}")),
        };
        self.store.set_fuel(self.fuel_max).map_err(failed)?;
        // Batches have at most `BATCH_ROWS_MAX` rows.
        let rows = u32::try_from(count).unwrap_or(u32::MAX);
        self.turns.call(&mut self.store, rows).map_err(failed)?;
        let left = self.store.get_fuel().map_err(failed)?;
        // More at a time only where there is room for it: each batch that is too large is run in vain.
        if left > self.fuel_max / 4 * 3 {
            self.batch_rows = (self.batch_rows * 2).min(self.batch_rows_max);
        }
        Ok(())
    }

    /// Takes the rows of a batch that was run.
    fn take(&mut self, from: usize, count: usize, outcome: &mut RowOutcome) {
        let layout = &self.code.layout;
        let memory = self.memory.data(&self.store);
        let rows = layout.rows..layout.rows + count * layout.row_bytes;
        self.after.extend_from_slice(&memory[rows]);
        let asked = &memory[layout.asked..layout.asked + count];
        let reading = &self.code.reading;
        let those = |asks: bool, bit: u8, into: &mut Vec<usize>| {
            if asks {
                let found = asked
                    .iter()
                    .enumerate()
                    .filter(|(_, asked)| **asked & bit != 0);
                into.extend(found.map(|(at, _)| from + at));
            }
        };
        those(reading.imports("die"), DIES, &mut outcome.died);
        those(reading.imports("sleep"), SLEEPS, &mut outcome.asleep);
    }

    /// Says whose turn ended how.
    fn error(&mut self, from: usize, now: &RowTick<'_>, ended: Ended) -> RowError {
        // Without fuel it may not have come to say where it is, but then it had one row only.
        let at = match ended {
            Ended::Fuel => None,
            Ended::Trap(_) | Ended::Other(_) => self.at_row.get(&mut self.store).i32(),
        };
        let row = from + at.map_or(0, |row| row.cast_unsigned() as usize);
        let id = now.ids.get(row).copied().unwrap_or_default();
        match ended {
            Ended::Fuel => RowError::Fuel {
                row,
                id,
                fuel_max: self.code.fuel_max,
            },
            Ended::Trap(trap) => RowError::Trap {
                row,
                id,
                reason: self.wrong(now).unwrap_or_else(|| reason(trap)),
            },
            Ended::Other(what) => RowError::Refused(Refusal::new(Kind::Internal, what)),
        }
    }

    /// What the guest asked the host that is not there; forgotten once it is said.
    fn wrong(&mut self, now: &RowTick<'_>) -> Option<String> {
        let [unknown, beside] = [self.unknown, self.beside].map(|global| {
            let number = global
                .get(&mut self.store)
                .i64()
                .filter(|number| *number >= 0);
            // A global that can be written: it is the host's own.
            let _ = global.set(&mut self.store, Val::I64(-1));
            number
        });
        let parameters = now.parameters.len();
        let unknown =
            unknown.map(|n| format!("it asks for parameter {n}, the world has {parameters}"));
        let row_bytes = self.code.layout.row_bytes;
        unknown.or(beside.map(|at| {
            format!(
                "it puts a field at byte {at}, where a row of {row_bytes} bytes has no room for it"
            )
        }))
    }
}

/// Why a batch did not end by itself.
enum Ended {
    Fuel,
    Trap(Trap),
    Other(String),
}

fn reason(trap: Trap) -> String {
    let text = trap.to_string();
    text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned()
}

fn put_numbers(memory: &mut [u8], numbers: &[u64]) {
    for (to, number) in memory.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
        *to = number.to_le_bytes();
    }
}

/// An instance whose imports are the exports of the face, and of the guest.
fn linked(
    store: &mut Store<()>,
    module: &Module,
    face: &Instance,
    guest: Option<&Instance>,
) -> wasmtime::Result<Instance> {
    let mut given: Vec<Extern> = Vec::new();
    for import in module.imports() {
        let from = match (import.module(), guest) {
            (GUEST, Some(guest)) => guest,
            (FACE, Some(_)) => face,
            (module, None) if is_the_guests(module) => face,
            (module, _) => wasmtime::bail!("there is no module `{module}`"),
        };
        let found = from.get_export(&mut *store, import.name());
        let found = found
            .ok_or_else(|| wasmtime::Error::msg(format!("`{}` is not exported", import.name())))?;
        given.push(found);
    }
    Instance::new(store, module, &given)
}
