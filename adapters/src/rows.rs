//! Behaviours of agents as WebAssembly: one turn for each row of a cohort, in batches.
//!
//! Read in this order: this page (the ABI `rows/1`), `module` (which modules are taken), `driver` (the host's own
//! loop around them), [`RowRunner`] (how batches are run), [`RowError`].
//!
//! A *row* is what one agent is between two ticks: a fixed number of bytes, its fields one after the other, little
//! endian, nothing between them. A *row module* says what becomes of one row in one tick. It never sees a second
//! row, and it cannot tell how many are run together.
//!
//! # The ABI `rows/1`
//!
//! A row module exports one function, `turn`, whose type is the row: a parameter for each field, in order.
//!
//! ```text
//! turn(fields...) -> (fields...)   the fields as they are, the fields as they will be
//! turn(fields...)                  the same, for compilers that know one result only: fields are changed by `put_*`
//! ```
//!
//! A field of the world that is an integer of up to 32 bits, or a truth (a byte, 0 or 1), is an `i32` there, one of 64
//! bits an `i64`; numbers are `f32` and `f64`. What is too long for its field is cut. It may import from the module `row`:
//!
//! ```text
//! random() -> i64          the next random number of this row in this tick
//! tick() -> i64            which tick it is
//! id() -> i64              whose row it is
//! parameter(n i32) -> f64  the n-th parameter of the world, from 0; there must be one
//! die()                    the row ends after this turn
//! sleep()                  the row is not turned again before something wakes it
//! put_i32(at i32, i32)     changes the field at this byte of the row; likewise put_i8, put_i16 (their lower bits),
//!                          put_i64, put_f32, put_f64
//! ```
//!
//! The n-th number (from 0) of a row with key k at counter c is mix(k + (c + n) · 0x9E3779B97F4A7C15), modulo 2⁶⁴,
//! where mix is the finalizer of `SplitMix64` (Steele, Lea, Flood 2014; constants of Vigna's `splitmix64.c`):
//!
//! ```text
//! z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;  z ^ (z >> 31)
//! ```
//!
//! # Why batches change nothing
//!
//! A guest could leave something behind for the row that comes next, and then what a row does would depend on its
//! neighbours in the batch. So there is nothing that it could leave: sizes cannot change (`memory.grow`, and whatever
//! changes tables or segments, is refused), every mutable global is exported and put back before each row, and so is
//! the whole memory, if the module has any instruction that writes to it. Rows, keys and parameters lie in a memory
//! of the host that the guest cannot reach. A module that writes to memory pays for what is put back: about 0.6 µs for
//! 64 KiB; one that does not, and `turn` with fields for results needs none, pays nothing. Memories may have pages of
//! one byte (`(memory 64 64 (pagesize 1))`), which makes small ones possible.
//!
//! Fuel is counted for a row, too: a batch has as much as one row may use. If that is not enough, the batch is run
//! again in halves, and a row that runs out of it alone is the error, the same for batches of any size.
//!
//! # Example
//!
//! ```
//! use adapters::rows::{Row, RowCode, RowOptions, RowTick};
//!
//! let text = r#"(module (func (export "turn") (param $age i32) (result i32)
//!     (i32.add (local.get $age) (i32.const 1))))"#;
//! let module = adapters::wasm::assemble_text(text.as_bytes())?;
//! let mut runner = RowCode::load(&module, &RowOptions::of_rows(Row::Bytes(4)))?.runner()?;
//! let mut rows = [41, 0, 0, 0, 6, 0, 0, 0];
//! let outcome = runner.turns(&RowTick { ids: &[1, 2], keys: &[0, 0], ..RowTick::default() }, &mut rows)?;
//! assert_eq!(rows, [42, 0, 0, 0, 7, 0, 0, 0]);
//! assert!(outcome.died.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod code;
mod driver;
mod error;
mod module;
mod runner;

pub use code::{Row, RowCode, RowOptions};
pub use error::RowError;
pub use module::Field;
pub use runner::{RowOutcome, RowRunner, RowTick};

/// Most fields of a row.
pub const FIELDS_MAX: usize = 256;
/// Most parameters of a world.
pub const PARAMETERS_MAX: usize = 256;
/// Most pages (64 KiB) of a row module's memory.
pub const ROW_PAGES_MAX: u64 = 16;
/// Largest memory of a row module that writes to it, in bytes: it is put back before each row.
pub const PUT_BACK_BYTES_MAX: u64 = 64 * 1024;
/// Most rows of a batch.
pub const BATCH_ROWS_MAX: usize = 16 * 1024;
/// Rows of a batch, unless told otherwise: what they need fits the fast caches of a core.
pub const BATCH_ROWS_DEFAULT: usize = 1_024;
/// Fuel of one row's turn, unless told otherwise: that of any turn.
pub const ROW_FUEL_DEFAULT: u64 = 1_000_000;
