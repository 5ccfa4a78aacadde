//! Machine code of behaviours of rows, which [`crate::rows`] runs: made, kept and loaded as that of parts.

use genesis::id::Digest;
use genesis::refusal::{Code as Kind, Refusal};
use wasmtime::{Engine, Module};

use super::cache::CacheFolder;
use super::code;
use super::compile::Compiler;
use super::pool::{self, Target};

/// An engine for rows: it reserves nothing before there are instances.
pub(crate) fn engine_of_rows() -> Result<Engine, Refusal> {
    pool::compiling(Target::Rows).map_err(|error| {
        let what = format!("the engine for rows does not start: {error:#}");
        Refusal::new(Kind::Internal, what)
    })
}

/// Machine code of a module that was read and found good.
pub(crate) fn code_of_rows(
    engine: &Engine,
    bytes: &[u8],
    compiler: &Compiler,
    cache: Option<&CacheFolder>,
) -> Result<Module, Refusal> {
    let key = CacheFolder::key(Digest::of(bytes), Target::Rows, &pool::fingerprint(engine));
    if let Some(cache) = cache {
        cache.open()?;
        if let Some(Ok(module)) = cache.load(key).map(|kept| code::load(engine, &kept)) {
            return Ok(module);
        }
    }
    let compiled = compiler.compile(Target::Rows, bytes)?;
    let module = code::load(engine, &compiled)?;
    if let Some(cache) = cache {
        cache.keep(key, &compiled);
    }
    Ok(module)
}
