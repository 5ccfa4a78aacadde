//! The floor of sandboxed code: a part called by wasmtime itself, with the settings of the medium's engine.

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, Linker, Memory, Module, PoolingAllocationConfig,
    Store, TypedFunc,
};

/// One page: the whole memory of a small part.
const PAGE_BYTES: usize = 64 * 1024;
/// What one message may take.
const FUEL: u64 = 1_000_000;

fn engine() -> Engine {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(8)
        .total_memories(8)
        .total_tables(8)
        .max_memory_size(PAGE_BYTES);
    let mut config = Config::new();
    config
        .cranelift_nan_canonicalization(true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .memory_reservation(PAGE_BYTES as u64)
        .memory_reservation_for_growth(0)
        .memory_guard_size(0)
        .guard_before_linear_memory(false)
        .memory_may_move(false)
        .memory_init_cow(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).expect("an engine starts")
}

/// An instance of a part, and nothing around it.
pub struct Bare {
    store: Store<()>,
    memory: Memory,
    alloc: TypedFunc<u32, u32>,
    main: TypedFunc<(u32, u32), u64>,
    done: TypedFunc<(), ()>,
}

impl std::fmt::Debug for Bare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bare").finish_non_exhaustive()
    }
}

impl Bare {
    /// An instance of a part that needs nothing but `medium/send`, which does nothing.
    ///
    /// # Panics
    /// If it is no part.
    pub fn new(module: &[u8]) -> Self {
        let engine = engine();
        let module = Module::new(&engine, module).expect("a part compiles");
        let mut linker = Linker::new(&engine);
        linker
            .func_wrap("channel", "medium/send", |_: u32, _: u32| 0_u64)
            .expect("it is linked once");
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(1);
        store.set_fuel(FUEL).expect("fuel is counted");
        let instance = linker.instantiate(&mut store, &module);
        let instance = instance.expect("a part needs nothing else");
        let memory = instance.get_memory(&mut store, "memory");
        Self {
            memory: memory.expect("a part has a memory"),
            alloc: instance
                .get_typed_func(&mut store, "vc_alloc")
                .expect("the ABI"),
            main: instance
                .get_typed_func(&mut store, "channel/main")
                .expect("the ABI"),
            done: instance
                .get_typed_func(&mut store, "vc_done")
                .expect("the ABI"),
            store,
        }
    }

    /// Hands it a message as the ABI says: room for it, the message, and the end of the scratch.
    ///
    /// # Panics
    /// If the part fails.
    pub fn message(&mut self, contents: &[u8]) -> u64 {
        let store = &mut self.store;
        store.set_epoch_deadline(1);
        store.set_fuel(FUEL).expect("fuel is counted");
        let len = u32::try_from(contents.len()).expect("a small message");
        let at = self.alloc.call(&mut *store, len).expect("it has room");
        let place = at as usize..at as usize + contents.len();
        self.memory.data_mut(&mut *store)[place].copy_from_slice(contents);
        let answer = self.main.call(&mut *store, (at, len));
        let answer = answer.expect("it answers");
        self.done.call(&mut *store, ()).expect("it ends");
        answer
    }
}
