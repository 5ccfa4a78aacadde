//! A module that is a program (WASI preview 1), run to its end in this process, which is a child for it alone.
//!
//! It has the files of the job's directory, as `/pod` and as `.`, and nothing else: no network, the arguments and variables it was given, and a standard input that is empty if nobody talks to it. Its streams are the process's own. Fuel is
//! counted, not bounded: time and CPU time end the process. The module is compiled here as well, so whatever
//! a compiler does with it is under the same limits; nothing is kept of the code.

use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use wasmtime::{Config, Engine, Linker, Module, Store, StoreLimits, StoreLimitsBuilder, Trap};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use super::End;
use super::order::{Order, Refused, Told, send};

/// Longest explanation of a trap, in characters.
const TRAP_CHARS_MAX: usize = 2_000;
/// Most elements of a table.
const TABLE_ELEMENTS_MAX: usize = 1 << 20;

struct Program {
    wasi: WasiP1Ctx,
    limits: StoreLimits,
}

/// Runs the module: what is to be told, and the exit code. One that is talked to says that it begins.
pub(super) fn run(order: &Order, says: &mut UnixStream) -> (Told, ExitCode) {
    match started(order, says) {
        Ok((told, code)) => (told, ExitCode::from(code)),
        Err(error) => {
            let why = format!("{error:#}").chars().take(TRAP_CHARS_MAX).collect();
            (Told::Refused(Refused::Module(why)), ExitCode::FAILURE)
        }
    }
}

/// An error is one of the module, before any of it ran.
fn started(order: &Order, says: &mut UnixStream) -> wasmtime::Result<(Told, u8)> {
    let mut config = Config::new();
    config.consume_fuel(true);
    let engine = Engine::new(&config)?;
    let module = Module::from_file(&engine, &order.program)?;
    let mut linker = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |program: &mut Program| &mut program.wasi)?;
    let environment: Vec<_> = order.environment.iter().collect();
    let mut wasi = WasiCtxBuilder::new();
    if order.talks {
        wasi.inherit_stdin();
    }
    let wasi = wasi
        .args(&order.argv)
        .envs(&environment)
        .inherit_stdout()
        .inherit_stderr()
        .preopened_dir(&order.directory, "/pod", FsPerms::ReadWrite)?
        .preopened_dir(&order.directory, ".", FsPerms::ReadWrite)?
        .build_p1();
    let memory = usize::try_from(order.limits.memory_bytes).unwrap_or(usize::MAX);
    let limits = StoreLimitsBuilder::new()
        .memory_size(memory)
        .table_elements(TABLE_ELEMENTS_MAX)
        .trap_on_grow_failure(true)
        .build();
    let mut store = Store::new(&engine, Program { wasi, limits });
    store.limiter(|program| &mut program.limits);
    store.set_fuel(u64::MAX)?;
    let instance = linker.instantiate(&mut store, &module)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    if order.talks {
        send(says, &Told::Begins)?;
    }
    let outcome = start.call(&mut store, ());
    let fuel = u64::MAX - store.get_fuel()?;
    let (end, code) = match outcome {
        Ok(()) => (None, 0),
        Err(error) => ended(&error, order),
    };
    Ok((Told::Ended { fuel, end }, code))
}

/// How a module ended that did not return: by an exit code, a limit, or a trap.
fn ended(error: &wasmtime::Error, order: &Order) -> (Option<End>, u8) {
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        // The process's own exit code has eight bits.
        return (Some(End::Exit(*code)), 1);
    }
    let text: String = format!("{error:#}").chars().take(TRAP_CHARS_MAX).collect();
    if error.downcast_ref::<Trap>().is_none() && text.contains("forcing trap when growing memory") {
        let max = order.limits.memory_bytes;
        return (Some(End::Limit(format!("{max} bytes of memory"))), 1);
    }
    (Some(End::Trap(text)), 1)
}
