//! The sandbox: WebAssembly modules behind [`actors::sandbox::Sandbox`].
//!
//! Read in this order: `module` (which modules are taken), `compile` and `cache` (how they become machine
//! code, out of reach of whoever wrote them), [`Engine`] (what keeps them and makes bodies of them),
//! `capsule` (the instances of one body), `call` (a call, from outside and between parts), `image` (how a
//! memory is kept). `pool` has the settings of the two engines behind it; `lend` is the one place where a
//! borrow is carried past the compiler's eyes.
//!
//! Two engines: *small* ones have memories of exactly one page, which fill their slots, so that a hundred
//! thousand of them lie in one mapping; *large* ones may grow to [`PAGES_MAX`] pages. A whole body runs on
//! one of them: on the large one if any of its parts needs it.
//!
//! What a guest can observe depends on its inputs only: no clock, no threads, one form of NaN, growth
//! decided by rule and never by how much memory is free. How much fuel something takes depends on the
//! version of the engine; nothing that a guest sees does.

mod cache;
mod call;
mod capsule;
mod code;
mod compile;
mod engine;
mod for_rows;
mod image;
mod lend;
mod module;
mod pool;
mod text;

use genesis::limits::{
    ANSWER_BYTES_MAX, MODULE_BYTES_MAX, MODULE_TRUSTED_BYTES_MAX as TRUSTED_BYTES_MAX,
    SCORES_BYTES_MAX,
};

pub use cache::CacheFolder;
pub use compile::{Compiler, compile_child};
pub use engine::{Engine, Options};
pub(crate) use for_rows::{code_of_rows, engine_of_rows};
pub use module::read_module;
pub(crate) use module::{FEATURES, bound_section, changes_tables, clip, invalid};
pub use text::{assemble_text, decoded_parts};

/// Largest text of a module that is assembled, in bytes.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Most pages of a memory (64 KiB each): growth beyond is refused with -1.
pub const PAGES_MAX: u32 = 256;
/// Longest body of one function, in bytes: compilers take more than proportional time.
pub const FUNCTION_BYTES_MAX: usize = 64 * 1024;
/// Most local variables of one function.
pub const LOCALS_MAX: u32 = 2_048;
/// Most functions of a module.
pub const FUNCTIONS_MAX: u32 = 8_192;
/// Most types of a module.
pub const TYPES_MAX: u32 = 1_024;
/// Most globals of a module.
pub const GLOBALS_MAX: u32 = 256;
/// Most exports of a module.
pub const EXPORTS_MAX: u32 = 512;
/// Most segments of data, and of table elements, of a module.
pub const SEGMENTS_MAX: u32 = 1_024;
/// Most elements of a module's table.
pub const TABLE_ELEMENTS_MAX: u32 = 1_024;
/// How many parts may call one another within a turn.
pub const CALL_DEPTH_MAX: usize = 16;
/// What a call to a needed channel costs, in fuel.
pub const CALL_FUEL: u64 = 100;
/// How many bytes of a request or an answer cost one fuel.
pub const BYTES_PER_FUEL: u64 = 16;
/// Instances of the small engine, unless told otherwise.
pub const SMALL_MAX_DEFAULT: u32 = 120_000;
/// Instances of the large engine, unless told otherwise.
pub const LARGE_MAX_DEFAULT: u32 = 4_000;
/// Modules whose machine code is in memory: the least used is dropped, and loaded or made again.
pub const CODES_MAX: usize = 4_096;
/// Modules that are known at a time: the next is refused with `busy`.
pub const MODULES_MAX: usize = 65_536;

const PAGE_BYTES: usize = 64 * 1024;
