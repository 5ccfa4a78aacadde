//! Which modules are taken: one pass over the bytes, before anything is compiled.

use std::collections::BTreeSet;

use actors::sandbox::ModuleFacts;
use genesis::channel::{Channel, Polarity};
use genesis::id::Digest;
use genesis::limits::{MODULE_BYTES_MAX, PART_CHANNELS_MAX, PART_LINKS_MAX};
use genesis::refusal::{Code, Refusal};
use wasmparser::{
    BinaryReaderError, ConstExpr, DataKind, Export, ExternalKind, FuncType,
    FuncValidatorAllocations, FunctionBody, GlobalType, MemoryType, Operator, Parser, Payload,
    TypeRef, ValType, ValidPayload, Validator, WasmFeatures,
};

use super::{
    EXPORTS_MAX, FUNCTION_BYTES_MAX, FUNCTIONS_MAX, GLOBALS_MAX, LOCALS_MAX, PAGE_BYTES, PAGES_MAX,
    SEGMENTS_MAX, TABLE_ELEMENTS_MAX, TYPES_MAX,
};

/// What of WebAssembly a part may use: all that is deterministic, and that its image can carry.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::FLOATS);

/// The channel that every part may need and that says nothing about it.
const CONTENTS_READ: Channel = Channel::known("contents/read");
const CHANNEL_MODULE: &str = "channel";
const CHANNEL_EXPORT: &str = "channel/";
const HINT: &str = "what a part exports and imports is in PROTOCOL.md, section ABI";

/// Whether a channel is always given by the host, whatever the parts of a body give.
pub(super) fn is_the_hosts(channel: Channel) -> bool {
    channel.is_of_the_medium() || channel == CONTENTS_READ
}

/// What is known of a module that may be compiled.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) facts: ModuleFacts,
    /// All channels it imports, sorted.
    pub(super) needs: Vec<Channel>,
    /// All channels it exports, sorted.
    pub(super) gives: Vec<Channel>,
    /// Names of its mutable globals, in their order in the module.
    pub(super) globals: Vec<String>,
    /// Which pages the module itself fills when it begins.
    pub(super) filled: Vec<u32>,
}

/// Reads a module without making code of it: what it needs and gives, or why it is refused.
///
/// # Errors
/// [`Refusal`] `malformed` or `too-large`, with what is wrong by name and number.
pub fn read_module(bytes: &[u8]) -> Result<ModuleFacts, Refusal> {
    read(bytes, MODULE_BYTES_MAX).map(|reading| reading.facts)
}

/// Reads a module of at most `bytes_max` bytes.
pub(super) fn read(bytes: &[u8], bytes_max: usize) -> Result<Reading, Refusal> {
    if bytes.len() > bytes_max {
        return Err(too_large(bytes.len(), bytes_max));
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(malformed(
            "not a WebAssembly module: it does not begin with \\0asm",
        ));
    }
    let mut reader = Reader::default();
    reader.module(bytes)?;
    reader.finish(bytes)
}

/// A module has more bytes than are taken.
pub(super) fn too_large(found: usize, bytes_max: usize) -> Refusal {
    let what = format!("the module has {found} bytes, at most {bytes_max} are taken");
    Refusal::new(Code::TooLarge, what)
        .hint("strip names and debug sections, or split it into parts")
}

fn malformed(what: impl Into<String>) -> Refusal {
    Refusal::new(Code::Malformed, what).hint(HINT)
}

pub(crate) fn invalid(error: &BinaryReaderError) -> Refusal {
    malformed(format!(
        "not a module that is taken: {} (at byte {})",
        error.message(),
        error.offset()
    ))
}

/// Refuses more of something than there may be.
fn at_most(what: &str, found: u32, max: u32) -> Result<(), Refusal> {
    if found <= max {
        return Ok(());
    }
    let what = format!("the module has {found} {what}, at most {max} are taken");
    Err(Refusal::new(Code::TooLarge, what).hint(HINT))
}

#[derive(Default)]
struct Reader {
    types: Vec<FuncType>,
    /// The type of every function, those imported first.
    functions: Vec<u32>,
    globals: Vec<GlobalType>,
    memories: Vec<MemoryType>,
    needs: BTreeSet<Channel>,
    gives: BTreeSet<Channel>,
    exports: BTreeSet<String>,
    /// Globals by index, with the name under which each is exported.
    exported_globals: Vec<(u32, String)>,
    filled: BTreeSet<u32>,
    allocations: Option<FuncValidatorAllocations>,
}

impl Reader {
    fn module(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let mut validator = Validator::new_with_features(FEATURES);
        let mut parser = Parser::new(0);
        parser.set_features(FEATURES);
        for payload in parser.parse_all(bytes) {
            let payload = payload.map_err(|error| invalid(&error))?;
            // Counts first: a validator may allocate in proportion to them.
            count(&payload)?;
            let valid = validator
                .payload(&payload)
                .map_err(|error| invalid(&error))?;
            if let ValidPayload::Func(function, body) = valid {
                let allocations = self.allocations.take().unwrap_or_default();
                let mut function = function.into_validator(allocations);
                function.validate(&body).map_err(|error| invalid(&error))?;
                self.allocations = Some(function.into_allocations());
            }
            self.section(&payload)?;
        }
        Ok(())
    }

    fn section(&mut self, payload: &Payload<'_>) -> Result<(), Refusal> {
        let failed = |error: BinaryReaderError| invalid(&error);
        match payload {
            Payload::TypeSection(types) => {
                for ty in types.clone().into_iter_err_on_gc_types() {
                    self.types.push(ty.map_err(failed)?);
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    let import = import.map_err(failed)?;
                    self.import(import.module, import.name, import.ty)?;
                }
            }
            Payload::FunctionSection(functions) => {
                for ty in functions.clone() {
                    self.functions.push(ty.map_err(failed)?);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables.clone() {
                    let table = table.map_err(failed)?.ty;
                    let elements = u32::try_from(table.initial).unwrap_or(u32::MAX);
                    at_most("elements in its table", elements, TABLE_ELEMENTS_MAX)?;
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories.clone() {
                    self.memories.push(memory.map_err(failed)?);
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals.clone() {
                    self.globals.push(global.map_err(failed)?.ty);
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports.clone() {
                    self.export(&export.map_err(failed)?)?;
                }
            }
            Payload::DataSection(segments) => {
                for segment in segments.clone() {
                    let segment = segment.map_err(failed)?;
                    if let DataKind::Active { offset_expr, .. } = segment.kind {
                        self.fill(&offset_expr, segment.data.len());
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, module: &str, name: &str, ty: TypeRef) -> Result<(), Refusal> {
        let shown = format!("`{}` of `{}`", clip(name), clip(module));
        let TypeRef::Func(ty) = ty else {
            return Err(malformed(format!(
                "the module imports {shown}, which is no function; a part imports channels only"
            )));
        };
        if module != CHANNEL_MODULE {
            return Err(malformed(format!(
                "the module imports {shown}; a part imports only from `{CHANNEL_MODULE}`"
            )));
        }
        let channel = channel(name)?;
        if !self.has_type(ty, &[ValType::I32, ValType::I32], &[ValType::I64]) {
            return Err(wrong_type(&shown, "(i32, i32) -> i64"));
        }
        self.functions.push(ty);
        self.needs.insert(channel);
        Ok(())
    }

    fn export(&mut self, export: &Export<'_>) -> Result<(), Refusal> {
        if export.kind == ExternalKind::Global {
            self.exported_globals
                .push((export.index, export.name.to_owned()));
        }
        if let Some(name) = export.name.strip_prefix(CHANNEL_EXPORT) {
            let channel = channel(name)?;
            if channel == CONTENTS_READ {
                return Err(malformed(format!(
                    "the module gives `{CONTENTS_READ}`, which only the host gives"
                )));
            }
            self.gives.insert(channel);
        }
        let Some((params, results, text)) = signature(export.name) else {
            if export.name == "memory" && export.kind == ExternalKind::Memory {
                self.exports.insert(export.name.to_owned());
            }
            return Ok(());
        };
        let is_function = export.kind == ExternalKind::Func;
        let ty = usize::try_from(export.index)
            .ok()
            .and_then(|at| self.functions.get(at));
        match ty {
            Some(&ty) if is_function && self.has_type(ty, params, results) => {
                self.exports.insert(export.name.to_owned());
                Ok(())
            }
            _ => Err(wrong_type(&format!("`{}`", clip(export.name)), text)),
        }
    }

    fn has_type(&self, ty: u32, params: &[ValType], results: &[ValType]) -> bool {
        let ty = usize::try_from(ty).ok().and_then(|at| self.types.get(at));
        ty.is_some_and(|ty| ty.params() == params && ty.results() == results)
    }

    /// Notes which pages a data segment fills; all of them if its place is not a plain number.
    fn fill(&mut self, offset: &ConstExpr<'_>, bytes: usize) {
        let mut operators = offset.get_operators_reader();
        let from = match (operators.read(), operators.read()) {
            (Ok(Operator::I32Const { value }), Ok(Operator::End)) => Some(value.cast_unsigned()),
            _ => None,
        };
        if bytes == 0 {
            return;
        }
        let page = |at: u64| u32::try_from(at / 4_096).unwrap_or(u32::MAX);
        let last_of_all = page(u64::from(PAGES_MAX) * PAGE_BYTES as u64 - 1);
        let (from, until) = match from {
            Some(from) => (page(from.into()), page(u64::from(from) + bytes as u64 - 1)),
            None => (0, last_of_all),
        };
        self.filled.extend(from..=until.min(last_of_all));
    }

    fn finish(self, bytes: &[u8]) -> Result<Reading, Refusal> {
        for (name, required) in REQUIRED {
            if !self.exports.contains(name) {
                return Err(malformed(format!(
                    "the module does not export `{name}`, {required}"
                )));
            }
        }
        let memory = self
            .memories
            .first()
            .ok_or_else(|| malformed("the module has no memory"))?;
        let large = is_large(memory)?;
        let globals = self.mutable_globals()?;
        let links = self.links()?;
        Ok(Reading {
            facts: ModuleFacts {
                digest: Digest::of(bytes),
                bytes: bytes.len() as u64,
                links,
                tests: self.exports.contains("vc_test"),
                decodes: self.exports.contains("vc_decode"),
                large,
            },
            needs: self.needs.iter().copied().collect(),
            gives: self.gives.iter().copied().collect(),
            globals,
            filled: self.filled.into_iter().collect(),
        })
    }

    fn mutable_globals(&self) -> Result<Vec<String>, Refusal> {
        let mut names = Vec::new();
        for (index, global) in self.globals.iter().enumerate().filter(|(_, g)| g.mutable) {
            let exported = self
                .exported_globals
                .iter()
                .find(|(at, _)| *at as usize == index);
            let Some((_, name)) = exported else {
                return Err(malformed(format!(
                    "global {index} can change and is not exported, so no image could carry it"
                ))
                .hint("export every mutable global; linkers have a flag, like `--export=__stack_pointer`"));
            };
            if !matches!(
                global.content_type,
                ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64
            ) {
                return Err(malformed(format!(
                    "global {index} can change and is no number, so no image could carry it"
                )));
            }
            names.push(name.clone());
        }
        Ok(names)
    }

    fn links(&self) -> Result<Vec<genesis::body::Link>, Refusal> {
        let needs = self
            .needs
            .iter()
            .filter(|channel| **channel != CONTENTS_READ);
        let needs = needs.map(|&channel| (channel, Polarity::Needs));
        let gives = self.gives.iter().map(|&channel| (channel, Polarity::Gives));
        let links: BTreeSet<_> = needs.chain(gives).collect();
        at_most("links", count_u32(links.len()), count_u32(PART_LINKS_MAX))?;
        let ordinary = links
            .iter()
            .filter(|(channel, _)| !channel.is_of_the_medium());
        let channels: BTreeSet<_> = ordinary.map(|(channel, _)| channel).collect();
        at_most(
            "channels",
            count_u32(channels.len()),
            count_u32(PART_CHANNELS_MAX),
        )
        .map_err(|refusal| refusal.hint("nest parts: a body inside a body counts anew"))?;
        Ok(links.into_iter().collect())
    }
}

/// Refuses more of anything than there may be, and the instructions that are not taken.
fn count(payload: &Payload<'_>) -> Result<(), Refusal> {
    bound_section(payload)?;
    match payload {
        Payload::StartSection { .. } => Err(malformed(
            "the module has a start function; a part begins by `vc_born`",
        )),
        Payload::CodeSectionEntry(body) => check_body(body),
        _ => Ok(()),
    }
}

/// Refuses more of anything than there may be; of a function, a size that no compiler should be given.
pub(crate) fn bound_section(payload: &Payload<'_>) -> Result<(), Refusal> {
    match payload {
        Payload::TypeSection(types) => at_most("types", types.count(), TYPES_MAX),
        Payload::FunctionSection(all) => at_most("functions", all.count(), FUNCTIONS_MAX),
        Payload::GlobalSection(all) => at_most("globals", all.count(), GLOBALS_MAX),
        Payload::ExportSection(all) => at_most("exports", all.count(), EXPORTS_MAX),
        Payload::ElementSection(all) => at_most("elements", all.count(), SEGMENTS_MAX),
        Payload::DataSection(all) => at_most("data segments", all.count(), SEGMENTS_MAX),
        Payload::TableSection(all) => at_most("tables", all.count(), 1),
        Payload::MemorySection(all) => at_most("memories", all.count(), 1),
        Payload::ImportSection(all) => {
            at_most("imports", all.count(), count_u32(2 * PART_LINKS_MAX))
        }
        Payload::CodeSectionEntry(body) => bound_body(body),
        _ => Ok(()),
    }
}

/// Refuses the few instructions whose effects an image would not carry.
fn check_body(body: &FunctionBody<'_>) -> Result<(), Refusal> {
    let operators = body
        .get_operators_reader()
        .map_err(|error| invalid(&error))?;
    for operator in operators.into_iter_with_offsets() {
        let (operator, at) = operator.map_err(|error| invalid(&error))?;
        if let Some(name) = changes_tables(&operator) {
            return Err(malformed(format!(
                "`{name}` at byte {at}: an image of a part has its memory and globals, not its tables and segments"
            )));
        }
    }
    Ok(())
}

/// Refuses a function of which a compiler would make too much.
fn bound_body(body: &FunctionBody<'_>) -> Result<(), Refusal> {
    let bytes = body.range().len();
    let at = body.range().start;
    if bytes > FUNCTION_BYTES_MAX {
        return Err(Refusal::new(
            Code::TooLarge,
            format!(
                "the function at byte {at} has {bytes} bytes, at most {FUNCTION_BYTES_MAX} are taken"
            ),
        )
        .hint("split the function"));
    }
    let mut locals = 0_u32;
    for local in body.get_locals_reader().map_err(|error| invalid(&error))? {
        let (count, _) = local.map_err(|error| invalid(&error))?;
        locals = locals.saturating_add(count);
    }
    if locals > LOCALS_MAX {
        return Err(Refusal::new(
            Code::TooLarge,
            format!(
                "the function at byte {at} has {locals} local variables, at most {LOCALS_MAX} are taken"
            ),
        )
        .hint("keep large values in memory"));
    }
    Ok(())
}

const REQUIRED: [(&str, &str); 6] = [
    ("memory", "its one memory"),
    ("vc_abi", "() -> i32"),
    ("vc_alloc", "(i32) -> i32"),
    ("vc_done", "()"),
    ("vc_save", "() -> i64"),
    ("vc_load", "(i32, i32) -> i32"),
];

type Signature = (&'static [ValType], &'static [ValType], &'static str);

/// The type of a function with a meaning, by its name.
fn signature(name: &str) -> Option<Signature> {
    const I32: ValType = ValType::I32;
    const I64: ValType = ValType::I64;
    Some(match name {
        "vc_abi" => (&[], &[I32], "() -> i32"),
        "vc_alloc" => (&[I32], &[I32], "(i32) -> i32"),
        "vc_done" => (&[], &[], "()"),
        "vc_save" => (&[], &[I64], "() -> i64"),
        "vc_load" | "vc_born" => (&[I32, I32], &[I32], "(i32, i32) -> i32"),
        "vc_test" | "vc_decode" => (&[I32, I32], &[I64], "(i32, i32) -> i64"),
        _ if name.starts_with(CHANNEL_EXPORT) => (&[I32, I32], &[I64], "(i32, i32) -> i64"),
        _ => return None,
    })
}

fn is_large(memory: &MemoryType) -> Result<bool, Refusal> {
    let max = u64::from(PAGES_MAX);
    let most = memory.maximum.unwrap_or(memory.initial).max(memory.initial);
    if most > max {
        return Err(Refusal::new(
            Code::TooLarge,
            format!("the module's memory has up to {most} pages, at most {max} are taken"),
        )
        .hint("linkers have a flag, like `--max-memory=16777216`"));
    }
    Ok(memory.initial != 1 || memory.maximum != Some(1))
}

/// Instructions that change what an image does not carry.
pub(crate) const fn changes_tables(operator: &Operator<'_>) -> Option<&'static str> {
    match operator {
        Operator::TableSet { .. } => Some("table.set"),
        Operator::TableGrow { .. } => Some("table.grow"),
        Operator::TableFill { .. } => Some("table.fill"),
        Operator::TableInit { .. } => Some("table.init"),
        Operator::TableCopy { .. } => Some("table.copy"),
        Operator::ElemDrop { .. } => Some("elem.drop"),
        Operator::DataDrop { .. } => Some("data.drop"),
        _ => None,
    }
}

fn channel(name: &str) -> Result<Channel, Refusal> {
    name.parse()
        .map_err(|error| malformed(format!("channel `{}`: {error}", clip(name))))
}

fn wrong_type(what: &str, expected: &str) -> Refusal {
    malformed(format!("{what} is not a function of type {expected}"))
}

/// As much of a name from outside as a message repeats.
pub(crate) fn clip(name: &str) -> String {
    name.chars().take(40).flat_map(char::escape_debug).collect()
}

fn count_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
