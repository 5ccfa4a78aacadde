//! What keeps modules and makes bodies of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use actors::behaviour::Fault;
use actors::sandbox::{Capsule, ModuleFacts, Piece, Sandbox};
use bytes::Bytes;
use genesis::id::Digest;
use genesis::limits::PARTS_MAX;
use genesis::refusal::{Code as Kind, Refusal};
use parking_lot::{Mutex, RwLock};

use super::cache::CacheFolder;
use super::capsule::Instances;
use super::code::Code;
use super::compile::Compiler;
use super::module::{self, Reading};
use super::pool::{self, Size, Target};
use super::{
    CODES_MAX, LARGE_MAX_DEFAULT, MODULE_BYTES_MAX, MODULES_MAX, SMALL_MAX_DEFAULT,
    TRUSTED_BYTES_MAX,
};

/// How an [`Engine`] is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where modules are compiled.
    pub compiler: Compiler,
    /// Where compiled code is kept between two runs; none: it is not.
    pub cache: Option<CacheFolder>,
    /// Instances of the small engine: [`SMALL_MAX_DEFAULT`]. Address space is reserved for them at once,
    /// memory is not.
    pub small_max: u32,
    /// Instances of the large engine: [`LARGE_MAX_DEFAULT`].
    pub large_max: u32,
    /// Modules that come with the program: they may be larger (`MODULE_TRUSTED_BYTES_MAX`), and are
    /// compiled in this process.
    pub trusted: Vec<Digest>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            compiler: Compiler::InProcess,
            cache: None,
            small_max: SMALL_MAX_DEFAULT,
            large_max: LARGE_MAX_DEFAULT,
            trusted: Vec::new(),
        }
    }
}

/// The sandbox of a node. All workers share one.
pub struct Engine {
    small: Running,
    large: Running,
    compiler: Compiler,
    cache: Option<CacheFolder>,
    trusted: Vec<Digest>,
    modules: RwLock<Modules>,
    /// One module is compiled at a time: it is slow, rare, and bounded in memory only for each.
    compiling: Mutex<()>,
    name: String,
    /// Of the small engine, and of the large.
    instances_max: (u32, u32),
}

/// An engine, and what code for it depends on.
struct Running {
    engine: wasmtime::Engine,
    fingerprint: [u8; 32],
}

#[derive(Default)]
struct Modules {
    known: HashMap<Digest, Module>,
    /// How many pieces of machine code are in memory.
    codes: usize,
}

/// A module that was read, and its machine code for either engine as far as it was needed.
struct Module {
    bytes: Bytes,
    reading: Arc<Reading>,
    facts: Arc<ModuleFacts>,
    small: Option<Arc<Code>>,
    large: Option<Arc<Code>>,
}

impl Module {
    const fn code(&self, size: Size) -> Option<&Arc<Code>> {
        match size {
            Size::Small => self.small.as_ref(),
            Size::Large => self.large.as_ref(),
        }
    }

    const fn slot(&mut self, size: Size) -> &mut Option<Arc<Code>> {
        match size {
            Size::Small => &mut self.small,
            Size::Large => &mut self.large,
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("name", &self.name)
            .field("modules", &self.modules.read().known.len())
            .field("compiler", &self.compiler)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts both engines.
    ///
    /// # Errors
    /// [`Refusal`] `io` if the address space cannot be reserved or the cache folder not be made, `internal` if this machine is none that
    /// code can be made for.
    pub fn new(options: Options) -> Result<Self, Refusal> {
        if let Some(cache) = &options.cache {
            cache.open()?;
        }
        let start = |size, instances_max| {
            let engine = pool::running(size, instances_max).map_err(|error| {
                Refusal::new(Kind::Io, format!("the sandbox does not start: {error:#}"))
                    .hint("it reserves address space for all instances; allow fewer of them")
            })?;
            let fingerprint = pool::fingerprint(&engine);
            Ok::<_, Refusal>(Running {
                engine,
                fingerprint,
            })
        };
        Ok(Self {
            instances_max: (options.small_max, options.large_max),
            small: start(Size::Small, options.small_max)?,
            large: start(Size::Large, options.large_max)?,
            compiler: options.compiler,
            cache: options.cache,
            trusted: options.trusted,
            modules: RwLock::default(),
            compiling: Mutex::default(),
            name: format!("wasmtime {WASMTIME} (cranelift), ABI vc/1"),
        })
    }

    const fn running(&self, size: Size) -> &Running {
        match size {
            Size::Small => &self.small,
            Size::Large => &self.large,
        }
    }

    /// Machine code of a module that was read; made if it is not kept.
    fn made(&self, bytes: &[u8], reading: &Arc<Reading>, size: Size) -> Result<Arc<Code>, Refusal> {
        let digest = reading.facts.digest;
        let running = self.running(size);
        let key = CacheFolder::key(digest, Target::Parts(size), &running.fingerprint);
        let kept = self.cache.as_ref().and_then(|cache| cache.load(key));
        if let Some(kept) = kept
            && let Ok(code) = Code::load(&running.engine, &kept, reading)
        {
            return Ok(Arc::new(code));
        }
        let compiled = if self.trusted.contains(&digest) {
            Compiler::InProcess.compile(Target::Parts(size), bytes)?
        } else {
            self.compiler.compile(Target::Parts(size), bytes)?
        };
        let code = Code::load(&running.engine, &compiled, reading)?;
        if let Some(cache) = &self.cache {
            cache.keep(key, &compiled);
        }
        Ok(Arc::new(code))
    }

    /// Machine code of a module that was admitted.
    fn code(&self, digest: Digest, size: Size) -> Result<Arc<Code>, Refusal> {
        let found = |modules: &Modules| {
            let module = modules.known.get(&digest).ok_or_else(|| {
                Refusal::new(Kind::Unknown, format!("module {digest} was not admitted"))
            })?;
            Ok::<_, Refusal>((
                module.code(size).cloned(),
                module.bytes.clone(),
                module.reading.clone(),
            ))
        };
        let ready = |modules: &Modules| modules.known.get(&digest)?.code(size).cloned();
        if let Some(code) = ready(&self.modules.read()) {
            return Ok(code);
        }
        // Slow: it was dropped, or is needed for the other engine for the first time.
        let _one_at_a_time = self.compiling.lock();
        let (code, bytes, reading) = found(&self.modules.read())?;
        if let Some(code) = code {
            return Ok(code);
        }
        let code = self.made(&bytes, &reading, size)?;
        let mut modules = self.modules.write();
        modules.make_room();
        if let Some(module) = modules.known.get_mut(&digest) {
            *module.slot(size) = Some(code.clone());
            modules.codes += 1;
        }
        Ok(code)
    }
}

impl Modules {
    /// Drops machine code that no body uses, if there is much.
    fn make_room(&mut self) {
        if self.codes < CODES_MAX {
            return;
        }
        for module in self.known.values_mut() {
            for size in [Size::Small, Size::Large] {
                let slot = module.slot(size);
                if slot
                    .as_ref()
                    .is_some_and(|code| Arc::strong_count(code) == 1)
                {
                    *slot = None;
                    self.codes -= 1;
                }
            }
        }
    }
}

impl Sandbox for Engine {
    fn admit(&self, module: &Bytes) -> Result<Arc<ModuleFacts>, Refusal> {
        let known = |digest: Digest| {
            let modules = self.modules.read();
            modules
                .known
                .get(&digest)
                .map(|module| module.facts.clone())
        };
        if module.len() > TRUSTED_BYTES_MAX {
            return Err(module::too_large(module.len(), MODULE_BYTES_MAX));
        }
        let digest = Digest::of(module);
        if let Some(facts) = known(digest) {
            return Ok(facts);
        }
        let bytes_max = if self.trusted.contains(&digest) {
            TRUSTED_BYTES_MAX
        } else {
            MODULE_BYTES_MAX
        };
        let reading = Arc::new(module::read(module, bytes_max)?);
        let size = Size::of(reading.facts.large);
        let _one_at_a_time = self.compiling.lock();
        if let Some(facts) = known(digest) {
            return Ok(facts);
        }
        if self.modules.read().known.len() >= MODULES_MAX {
            let what = format!("{MODULES_MAX} modules are known, no more are taken");
            return Err(
                Refusal::new(Kind::Busy, what).hint("restart the node to forget those unused")
            );
        }
        let code = self.made(module, &reading, size)?;
        code.try_out()?;
        let facts = Arc::new(reading.facts.clone());
        let mut admitted = Module {
            bytes: module.clone(),
            reading,
            facts: facts.clone(),
            small: None,
            large: None,
        };
        *admitted.slot(size) = Some(code);
        let mut modules = self.modules.write();
        modules.make_room();
        modules.known.insert(digest, admitted);
        modules.codes += 1;
        Ok(facts)
    }

    fn facts(&self, module: Digest) -> Option<Arc<ModuleFacts>> {
        let modules = self.modules.read();
        modules
            .known
            .get(&module)
            .map(|module| module.facts.clone())
    }

    fn assemble(&self, pieces: &[Piece], fuel_max: u64) -> Result<Box<dyn Capsule>, Fault> {
        if pieces.len() > PARTS_MAX {
            let found = pieces.len();
            let what = format!("a body of {found} parts, at most {PARTS_MAX} are taken");
            return Err(Fault::new(Kind::TooLarge, what));
        }
        let large = {
            let modules = self.modules.read();
            let is_large = |piece: &Piece| {
                modules
                    .known
                    .get(&piece.module)
                    .is_some_and(|m| m.facts.large)
            };
            pieces.iter().any(is_large)
        };
        let fault = |refusal: Refusal| Fault::new(refusal.code, refusal.what);
        let codes = pieces
            .iter()
            .map(|piece| self.code(piece.module, Size::of(large)));
        let codes: Vec<_> = codes.collect::<Result<_, _>>().map_err(fault)?;
        let instances = Instances::new(pieces, codes, large, fuel_max)?;
        Ok(Box::new(instances))
    }

    fn instances_max(&self, large: bool) -> usize {
        let max = if large {
            self.instances_max.1
        } else {
            self.instances_max.0
        };
        max as usize
    }

    fn interrupt(&self) {
        self.small.engine.increment_epoch();
        self.large.engine.increment_epoch();
    }

    fn engine(&self) -> &str {
        &self.name
    }
}

/// The version of the engine; `Cargo.toml` asks for exactly this one.
const WASMTIME: &str = "48.0.8";
