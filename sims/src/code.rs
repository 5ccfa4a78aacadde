//! Behaviours that came from outside the program: WebAssembly that turns rows, run by whoever has an engine for it.

use std::fmt;
use std::io::Read as _;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use genesis::id::Digest;

use crate::agent::{Agent, Window};
use crate::bytes::{Damaged, Reader, put_bytes};
use crate::params::{Param, Value};
use crate::random;
use crate::tick::Phase;
use crate::turn::{Said, UNTIL_CALLED};

/// A module as a parameter: the parameter is its contents, so that a run needs no file to go on.
///
/// Written as the name of a file (`walker.wat`, `walker.wasm`), as its text (`(module …)`), or as `wasm:` and its bytes in
/// hexadecimal digits; empty is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module(Vec<u8>);

/// What stands before the digits of a module.
const DIGITS: &str = "wasm:";

impl Module {
    /// Whether there is none.
    pub const fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Its bytes, or its text.
    pub fn contents(&self) -> &[u8] {
        &self.0
    }

    fn find(said: &str) -> Result<Self, String> {
        if let Some(digits) = said.strip_prefix(DIGITS) {
            let bytes = HEXLOWER.decode(digits.as_bytes());
            return bytes.map(Self).map_err(|error| error.to_string());
        }
        if said.is_empty() || said.trim_start().starts_with('(') {
            return Ok(Self(said.as_bytes().to_vec()));
        }
        let mut contents = Vec::new();
        let file = fs_err::File::open(said).map_err(|error| error.to_string())?;
        let mut file = file.take(MODULE_BYTES_MAX as u64 + 1);
        file.read_to_end(&mut contents)
            .map_err(|error| error.to_string())?;
        if contents.len() > MODULE_BYTES_MAX {
            return Err(format!("{said} has more than {MODULE_BYTES_MAX} bytes"));
        }
        if contents.is_empty() {
            return Err(format!("{said} is empty"));
        }
        Ok(Self(contents))
    }
}

impl Param for Module {
    type Range = ();
    type Written = &'static str;
    const EXPECTED: &'static str = "a module for rows: its text, or the name of its file";

    fn written(text: &'static str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    fn value(&self) -> Value {
        Value::Text(match std::str::from_utf8(&self.0) {
            Ok(text) if !self.0.starts_with(b"\0asm") => text.to_owned(),
            _ => format!("{DIGITS}{}", HEXLOWER.encode(&self.0)),
        })
    }

    fn from_value(value: &Value) -> Option<Self> {
        Self::find(&value.to_string()).ok()
    }

    fn why_not(value: &Value) -> Option<String> {
        Self::find(&value.to_string()).err()
    }

    fn range((): &()) -> Option<(Value, Value)> {
        None
    }

    fn nearest(&self, (): &()) -> Self {
        self.clone()
    }
}

/// Rows that are turned together.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Which tick it is.
    pub tick: u64,
    /// Where in the streams of random numbers this phase begins.
    pub counter: u64,
    /// What the model tells its code, in an order of its own.
    pub parameters: &'a [f64],
    /// The address of each row.
    pub ids: &'a [u64],
    /// The key of each row's stream.
    pub keys: &'a [u64],
}

/// What became of a batch, as indices into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turned {
    /// Who died, in ascending order.
    pub died: Vec<u32>,
    /// Who sleeps until a message comes, in ascending order.
    pub slept: Vec<u32>,
}

/// Code that can run. A row's turn depends on that row alone, so batches of any size come to the same.
pub trait RowCode: Send + Sync {
    /// Turns all rows of a batch; `rows` has as many bytes for each as the agents of the cohort.
    ///
    /// # Errors
    /// Why not: the row of which address did what.
    fn turns(&self, batch: &Batch<'_>, rows: &mut [u8]) -> Result<Turned, String>;
}

/// Whoever can make code run: a port, because worlds know no engine.
pub trait Engine: fmt::Debug + Send + Sync {
    /// Checks and compiles a module for rows of so many bytes.
    ///
    /// # Errors
    /// Why it cannot be taken.
    fn compile(&self, module: &[u8], row_bytes: usize) -> Result<Arc<dyn RowCode>, String>;
}

/// A module that a world carries with it: it is in its checkpoints and in its digest.
#[derive(Default)]
pub struct Code {
    module: Vec<u8>,
    digest: Option<Digest>,
    compiled: Option<Arc<dyn RowCode>>,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.digest {
            Some(digest) => write!(f, "Code({digest})"),
            None => f.write_str("Code(none)"),
        }
    }
}

/// Longest module, in bytes.
pub const MODULE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many rows are turned by one call.
const BATCH_ROWS: usize = 1_024;

impl Code {
    /// Takes a module in.
    pub fn take(&mut self, module: &Module) {
        self.digest = (!module.is_none()).then(|| Digest::of(module.contents()));
        self.module = module.contents().to_vec();
        self.compiled = None;
    }

    /// Whether there is a module.
    pub const fn is_there(&self) -> bool {
        self.digest.is_some()
    }

    /// The digest of the module; none if there is none.
    pub const fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Makes it run, if it does not yet.
    pub(crate) fn ready(
        &mut self,
        engine: Option<&Arc<dyn Engine>>,
        row_bytes: usize,
    ) -> Result<Arc<dyn RowCode>, String> {
        if let Some(code) = &self.compiled {
            return Ok(Arc::clone(code));
        }
        let engine = engine.ok_or(
            "the behaviour is WebAssembly, and this program has no engine for it; `medium sim` has",
        )?;
        let code = engine.compile(&self.module, row_bytes)?;
        self.compiled = Some(Arc::clone(&code));
        Ok(code)
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.module);
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.take(&Module(from.bytes()?.to_vec()));
        Ok(())
    }
}

/// Turns rows by code, `batch` at a time.
pub(crate) fn run<A: Agent, W: Window<A>>(
    code: &dyn RowCode,
    phase: Phase,
    parameters: &[f64],
    mut rows: W,
    live: &[(u32, u64)],
    from: usize,
    batch: usize,
) -> Result<Said<A>, String> {
    let mut said = Said::default();
    let (mut bytes, mut ids, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for some in live.chunks(batch) {
        bytes.clear();
        ids.clear();
        keys.clear();
        for &(slot, id) in some {
            rows.get(slot as usize - from).write(&mut bytes);
            ids.push(id);
            keys.push(random::key(phase.seed, id));
        }
        let turned = code.turns(
            &Batch {
                tick: phase.tick,
                counter: phase.counter,
                parameters,
                ids: &ids,
                keys: &keys,
            },
            &mut bytes,
        )?;
        let mut reader = Reader::new(&bytes);
        for &(slot, id) in some {
            let row = A::read(&mut reader)
                .map_err(|error| format!("the row of {}: {error}", crate::ids::AgentId(id)))?;
            rows.set(slot as usize - from, row);
        }
        let slot = |&at: &u32| some.get(at as usize).map(|(slot, _)| *slot);
        said.dead.extend(turned.died.iter().filter_map(slot));
        let slept = turned.slept.iter().filter_map(slot);
        said.slept.extend(slept.map(|slot| (slot, UNTIL_CALLED)));
    }
    Ok(said)
}

/// How many rows go into one call: many, or one if each is kept on its own.
pub(crate) const fn batch_rows(alone: bool) -> usize {
    if alone { 1 } else { BATCH_ROWS }
}
