#![expect(
    unsafe_code,
    reason = "compiled code cannot be checked; it is loaded from our own compiler only"
)]
//! Machine code of one module for one engine, linked so far that instances are made quickly.

use std::fmt;
use std::sync::Arc;

use actors::behaviour::Fault;
use actors::sandbox::ModuleFacts;
use genesis::refusal::{Code as Kind, Refusal};
use wasmtime::{Caller, Engine, InstancePre, Linker, Module, ModuleExport, Store};

use super::call::{State, need, what_ended};
use super::compile::Compiled;
use super::module::Reading;

/// What `vc_abi` must answer.
const ABI: u32 = 1;
/// Fuel of the question which ABI it is.
const TRIAL_FUEL: u64 = 10_000;

/// A module that can be made an instance of.
pub(super) struct Code {
    pub(super) reading: Arc<Reading>,
    pub(super) pre: InstancePre<State>,
    pub(super) exports: Exports,
}

/// Where the exports are, found once for each module.
pub(super) struct Exports {
    pub(super) memory: ModuleExport,
    pub(super) alloc: ModuleExport,
    pub(super) done: ModuleExport,
    pub(super) save: ModuleExport,
    pub(super) load: ModuleExport,
    pub(super) born: Option<ModuleExport>,
    pub(super) test: Option<ModuleExport>,
    abi: ModuleExport,
    /// As [`Reading::gives`].
    pub(super) gives: Box<[ModuleExport]>,
    /// As [`Reading::globals`].
    pub(super) globals: Box<[ModuleExport]>,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({})", self.reading.facts.digest)
    }
}

impl Code {
    /// Loads and links compiled code, and asks it for its ABI.
    pub(super) fn load(
        engine: &Engine,
        compiled: &Compiled,
        reading: &Arc<Reading>,
    ) -> Result<Self, Refusal> {
        let module = load(engine, compiled)?;
        let code = Self {
            reading: reading.clone(),
            pre: link(engine, &module, reading).map_err(|error| internal(&error))?,
            exports: Exports::of(&module, reading).ok_or_else(|| {
                Refusal::new(
                    Kind::Internal,
                    "the compiled module lacks an export it was read to have",
                )
            })?,
        };
        Ok(code)
    }

    /// What is known of the module.
    pub(super) fn facts(&self) -> &ModuleFacts {
        &self.reading.facts
    }

    /// Makes a first instance and asks it for its ABI: what fails here would fail at every birth.
    pub(super) fn try_out(&self) -> Result<(), Refusal> {
        let mut store = new_store(self.pre.module().engine(), TRIAL_FUEL)?;
        let answer = self.pre.instantiate(&mut store).and_then(|instance| {
            let abi = instance.get_module_export(&mut store, &self.exports.abi);
            let abi = abi.and_then(wasmtime::Extern::into_func);
            let abi = abi.ok_or_else(|| wasmtime::Error::msg("`vc_abi` is gone"))?;
            abi.typed::<(), u32>(&store)?.call(&mut store, ())
        });
        match answer {
            Ok(ABI) => Ok(()),
            Ok(other) => Err(Refusal::new(
                Kind::Malformed,
                format!("the module speaks ABI {other} (`vc_abi`), this node ABI {ABI}"),
            )
            .hint("build it for this ABI: PROTOCOL.md, section ABI")),
            Err(error) => {
                let fault = what_ended(store.data_mut(), &error, TRIAL_FUEL);
                let kind = match fault.code {
                    Kind::Busy | Kind::Internal | Kind::Cancelled => fault.code,
                    _ => Kind::Malformed,
                };
                Err(
                    Refusal::new(kind, format!("the module does not begin: {}", fault.what))
                        .hint("data and elements must lie inside its memory and table"),
                )
            }
        }
    }
}

/// Loads compiled code.
pub(super) fn load(engine: &Engine, compiled: &Compiled) -> Result<Module, Refusal> {
    // SAFETY: a `Compiled` is what our own compiler wrote, in this process, at the other end of a pipe,
    // or in a folder of ours under a checksum keyed by a secret; nobody else can make one. Of which
    // version and with which settings it was compiled, `deserialize` checks itself.
    let module = unsafe { Module::deserialize(engine, compiled.bytes()) };
    module.map_err(|error| internal(&error))
}

/// A store with bounds, and fuel for what comes first.
pub(super) fn new_store(engine: &Engine, fuel_max: u64) -> Result<Store<State>, Fault> {
    let mut store = Store::new(engine, State::default());
    store.limiter(|state| &mut state.limits);
    begin(&mut store, fuel_max)?;
    Ok(store)
}

/// Gives fuel for one call, and makes it end at the operator's next stop.
pub(super) fn begin(store: &mut Store<State>, fuel_max: u64) -> Result<(), Fault> {
    store.set_epoch_deadline(1);
    store.data_mut().begin();
    store
        .set_fuel(fuel_max)
        .map_err(|error| Fault::new(Kind::Internal, error.to_string()))
}

fn link(
    engine: &Engine,
    module: &Module,
    reading: &Reading,
) -> wasmtime::Result<InstancePre<State>> {
    let mut linker = Linker::new(engine);
    for (import, channel) in reading.needs.iter().enumerate() {
        linker.func_wrap(
            "channel",
            channel.as_str(),
            move |caller: Caller<'_, State>, pointer: u32, len: u32| {
                need(caller, import, pointer, len)
            },
        )?;
    }
    linker.instantiate_pre(module)
}

impl Exports {
    fn of(module: &Module, reading: &Reading) -> Option<Self> {
        let at = |name: &str| module.get_export_index(name);
        let gives = reading
            .gives
            .iter()
            .map(|channel| at(&format!("channel/{channel}")));
        let globals = reading.globals.iter().map(|name| at(name));
        Some(Self {
            memory: at("memory")?,
            alloc: at("vc_alloc")?,
            done: at("vc_done")?,
            save: at("vc_save")?,
            load: at("vc_load")?,
            born: at("vc_born"),
            test: at("vc_test"),
            abi: at("vc_abi")?,
            gives: gives.collect::<Option<_>>()?,
            globals: globals.collect::<Option<_>>()?,
        })
    }
}

/// What should not have happened with a module that was read.
fn internal(error: &wasmtime::Error) -> Refusal {
    Refusal::new(
        Kind::Internal,
        format!("compiled code cannot be loaded: {error:#}"),
    )
}
