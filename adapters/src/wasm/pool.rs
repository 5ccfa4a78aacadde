//! The settings of the two engines: what they share is what makes guests deterministic.

use std::hash::{Hash, Hasher};

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy,
    WasmFeatures,
};

use super::module::FEATURES;
use super::{PAGE_BYTES, PAGES_MAX, TABLE_ELEMENTS_MAX};

/// Stack that the guests of one call may use together, in bytes.
const STACK_BYTES_MAX: usize = 256 * 1024;
/// What the host's own loop over rows uses beside what its guests may.
const ROWS_FEATURES: WasmFeatures =
    WasmFeatures::MULTI_MEMORY.union(WasmFeatures::CUSTOM_PAGE_SIZES);
/// Largest bookkeeping of one instance, in bytes; admitted modules are far below.
const INSTANCE_BYTES_MAX: usize = 256 * 1024;

/// Which of the two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Size {
    /// Memories of exactly one page.
    Small,
    /// Memories that may grow.
    Large,
}

impl Size {
    pub(super) const fn of(large: bool) -> Self {
        if large { Self::Large } else { Self::Small }
    }

    /// Bytes reserved for each memory.
    const fn slot_bytes(self) -> usize {
        match self {
            Self::Small => PAGE_BYTES,
            Self::Large => PAGE_BYTES * PAGES_MAX as usize,
        }
    }
}

/// What machine code is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Parts of bodies.
    Parts(Size),
    /// Behaviours of rows: [`crate::rows`].
    Rows,
}

impl Target {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Parts(Size::Small) => b's',
            Self::Parts(Size::Large) => b'l',
            Self::Rows => b'r',
        }
    }

    pub(super) const fn from_code(code: u8) -> Option<Self> {
        match code {
            b's' => Some(Self::Parts(Size::Small)),
            b'l' => Some(Self::Parts(Size::Large)),
            b'r' => Some(Self::Rows),
            _ => None,
        }
    }
}

/// What compiled code depends on: equal wherever it is made and run.
fn config(target: Target) -> Config {
    let mut config = deterministic();
    match target {
        Target::Parts(size) => for_parts(&mut config, size),
        Target::Rows => for_rows(&mut config),
    }
    config
}

/// What makes guests deterministic and ends them.
fn deterministic() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .wasm_features(WasmFeatures::WASM3.difference(FEATURES), false)
        .wasm_features(FEATURES, true)
        .cranelift_nan_canonicalization(true)
        .cranelift_opt_level(OptLevel::Speed)
        .consume_fuel(true)
        .max_wasm_stack(STACK_BYTES_MAX)
        // Nobody reads traces of guests; without them code is smaller and a trap is cheap.
        .wasm_backtrace_max_frames(None)
        .native_unwind_info(false)
        .generate_address_map(false);
    config
}

fn for_parts(config: &mut Config, size: Size) {
    config
        .epoch_interruption(true)
        // Bounds are checked by instructions, not by guard pages: so slots touch one another, the kernel
        // merges them, and a hundred thousand cost no more mappings than one.
        .memory_reservation(size.slot_bytes() as u64)
        .memory_reservation_for_growth(0)
        .memory_guard_size(0)
        .guard_before_linear_memory(false)
        .memory_may_move(false)
        // An image mapped copy-on-write would split the merged slots.
        .memory_init_cow(size == Size::Large);
}

/// There are few instances of these, one for each thread, and they do nothing but compute: so each memory has guard
/// pages, which make checks of bounds free. Fuel alone ends them: a batch has no more of it than one row.
fn for_rows(config: &mut Config) {
    config
        .wasm_features(ROWS_FEATURES, true)
        .memory_may_move(false)
        .memory_init_cow(false);
}

/// An engine that runs code, with room for this many instances.
pub(super) fn running(size: Size, instances_max: u32) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    // Calls run on the caller's stack. A pool of stacks would be as large as that of instances, each with a page
    // that is protected: more mappings than a process may have.
    pool.total_stacks(1);
    pool.total_core_instances(instances_max)
        .total_memories(instances_max)
        .total_tables(instances_max)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .max_memory_size(size.slot_bytes())
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX as usize);
    let mut config = config(Target::Parts(size));
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// An engine that reserves nothing, so that it fits a process with little memory: it compiles, and it runs rows.
pub(super) fn compiling(target: Target) -> wasmtime::Result<Engine> {
    let mut config = config(target);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

/// Stands for everything that code compiled by this engine depends on.
pub(super) fn fingerprint(engine: &Engine) -> [u8; 32] {
    struct Feed(blake3::Hasher);
    impl Hasher for Feed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0 // never asked for: the whole digest is taken
        }
    }
    let mut feed = Feed(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut feed);
    *feed.0.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else no code that a child compiles would be loaded here.
    #[test]
    fn code_is_made_for_the_engine_that_runs_it() {
        let prints = [Size::Small, Size::Large].map(|size| {
            let (running, compiling) = (running(size, 1), compiling(Target::Parts(size)));
            let prints =
                [running, compiling].map(|engine| fingerprint(&engine.expect("it starts")));
            assert_eq!(prints[0], prints[1]);
            prints[0]
        });
        assert_ne!(
            prints[0], prints[1],
            "the two engines have code of their own"
        );
    }
}
