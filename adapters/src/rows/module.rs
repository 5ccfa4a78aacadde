//! Which row modules are taken: one pass over the bytes, before anything is compiled.

use genesis::refusal::{Code, Refusal};
use wasmparser::{
    BinaryReaderError, ExternalKind, FuncType, FuncValidatorAllocations, FunctionBody, GlobalType,
    MemoryType, Operator, Parser, Payload, TypeRef, ValType, ValidPayload, Validator, WasmFeatures,
};

use super::{FIELDS_MAX, PUT_BACK_BYTES_MAX, ROW_PAGES_MAX, Row, RowError};
use crate::wasm::{FEATURES, bound_section, changes_tables, clip, invalid};

/// What row modules may use: what parts may, and memories smaller than a page.
const ROW_FEATURES: WasmFeatures = FEATURES.union(WasmFeatures::CUSTOM_PAGE_SIZES);
const HINT: &str = "what a row module exports and imports: ABI rows/1, in docs/SEMANTICS.md";
/// Elements of a table: calls by index go through it.
const ELEMENTS_MAX: u64 = 1_024;
/// From which module all imports are.
pub(super) const ROW_MODULE: &str = "row";

/// The type of a field; little endian in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A byte that is 0 or 1; `turn` answers anything but 0 for 1.
    Bool,
    /// 8 bits, not negative; of what `turn` answers, the lower ones.
    U8,
    /// 8 bits with a sign; likewise.
    I8,
    /// 16 bits, not negative; likewise.
    U16,
    /// 16 bits with a sign; likewise.
    I16,
    /// 32 bits, with a sign or not: what they mean, instructions say.
    I32,
    /// 64 bits, with a sign or not.
    I64,
    /// 32 bits, IEEE 754.
    F32,
    /// 64 bits, IEEE 754.
    F64,
}

impl Field {
    /// Every type.
    pub const ALL: [Self; 9] = [
        Self::Bool,
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::F32,
        Self::F64,
    ];

    /// How many bytes of a row it takes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// As which type `turn` has it.
    pub(super) const fn carried(self) -> Self {
        match self {
            Self::Bool | Self::U8 | Self::I8 | Self::U16 | Self::I16 => Self::I32,
            Self::I32 | Self::I64 | Self::F32 | Self::F64 => self,
        }
    }

    const fn of(ty: ValType) -> Option<Self> {
        match ty {
            ValType::I32 => Some(Self::I32),
            ValType::I64 => Some(Self::I64),
            ValType::F32 => Some(Self::F32),
            ValType::F64 => Some(Self::F64),
            ValType::V128 | ValType::Ref(_) => None,
        }
    }
}

/// Their names, one after the other.
pub(super) fn names(fields: &[Field]) -> String {
    let names: Vec<_> = fields.iter().map(|field| field.name()).collect();
    names.join(" ")
}

/// What is known of a row module that may be compiled.
#[derive(Debug)]
pub(super) struct Reading {
    /// The fields of a row.
    pub(super) fields: Vec<Field>,
    /// Whether `turn` answers the fields; else it puts them.
    pub(super) answers: bool,
    /// What of the module `row` it imports.
    pub(super) imports: Vec<String>,
    /// The memory that is put back before each row; none if nothing writes to it.
    pub(super) put_back: Option<Memory>,
    /// Its mutable globals, by the names they are exported under, which are put back as well.
    pub(super) globals: Vec<(String, Field)>,
}

/// A memory that is put back before each row.
#[derive(Debug)]
pub(super) struct Memory {
    /// The name under which it is exported.
    pub(super) export: String,
    pub(super) pages: u64,
    /// The logarithm of the bytes of a page.
    pub(super) page_bytes_log2: u32,
}

impl Memory {
    pub(super) const fn bytes(&self) -> u64 {
        self.pages << self.page_bytes_log2
    }
}

/// Bytes of a row with these fields.
pub(super) fn row_bytes(fields: &[Field]) -> usize {
    fields.iter().map(|field| field.bytes()).sum()
}

impl Reading {
    /// Takes the fields as the world declares them, if `turn` can carry them.
    pub(super) fn declare(&mut self, row: &Row) -> Result<(), RowError> {
        let (found, bytes) = (names(&self.fields), row_bytes(&self.fields));
        let other = |declared| RowError::Row {
            found: format!("{found}: {bytes} bytes"),
            declared,
        };
        match row {
            Row::Bytes(declared) if *declared == bytes => Ok(()),
            Row::Bytes(declared) => Err(other(format!("{declared} bytes"))),
            Row::Fields(fields) => {
                let carried: Vec<Field> = fields.iter().map(|field| field.carried()).collect();
                if carried != self.fields {
                    return Err(other(names(fields)));
                }
                self.fields.clone_from(fields);
                Ok(())
            }
        }
    }

    pub(super) fn imports(&self, name: &str) -> bool {
        self.imports.iter().any(|import| import == name)
    }
}

/// Reads a module without making code of it.
pub(super) fn read(bytes: &[u8], bytes_max: usize) -> Result<Reading, Refusal> {
    if bytes.len() > bytes_max {
        let found = bytes.len();
        let what = format!("the module has {found} bytes, at most {bytes_max} are taken");
        return Err(Refusal::new(Code::TooLarge, what).hint("strip names and debug sections"));
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(malformed(
            "not a WebAssembly module: it does not begin with \\0asm",
        ));
    }
    let mut reader = Reader::default();
    let read = reader.module(bytes).and_then(|()| reader.finish());
    read.map_err(|refusal| refusal.hint(HINT))
}

fn malformed(what: impl Into<String>) -> Refusal {
    Refusal::new(Code::Malformed, what).hint(HINT)
}

/// The type of what may be imported: of its parameters, and of its result.
fn imported(name: &str) -> Option<(&'static [ValType], &'static [ValType])> {
    const I32: ValType = ValType::I32;
    const I64: ValType = ValType::I64;
    Some(match name {
        "random" | "tick" | "id" => (&[], &[I64]),
        "parameter" => (&[I32], &[ValType::F64]),
        "die" | "sleep" => (&[], &[]),
        "put_i8" | "put_i16" | "put_i32" => (&[I32, I32], &[]),
        "put_i64" => (&[I32, I64], &[]),
        "put_f32" => (&[I32, ValType::F32], &[]),
        "put_f64" => (&[I32, ValType::F64], &[]),
        _ => return None,
    })
}

#[derive(Default)]
struct Reader {
    types: Vec<FuncType>,
    /// The type of every function, those imported first.
    functions: Vec<u32>,
    imports: Vec<String>,
    memories: Vec<MemoryType>,
    globals: Vec<GlobalType>,
    /// Exports of globals and memories: kind, index, name.
    exports: Vec<(ExternalKind, u32, String)>,
    /// Which function is `turn`.
    turn: Option<u32>,
    /// The first instruction that writes to memory.
    writes: Option<usize>,
    allocations: Option<FuncValidatorAllocations>,
}

impl Reader {
    fn module(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let mut validator = Validator::new_with_features(ROW_FEATURES);
        let mut parser = Parser::new(0);
        parser.set_features(ROW_FEATURES);
        for payload in parser.parse_all(bytes) {
            let payload = payload.map_err(|error| invalid(&error))?;
            // Counts first: a validator may allocate in proportion to them.
            bound_section(&payload)?;
            let valid = validator
                .payload(&payload)
                .map_err(|error| invalid(&error))?;
            if let ValidPayload::Func(function, body) = valid {
                let allocations = self.allocations.take().unwrap_or_default();
                let mut function = function.into_validator(allocations);
                function.validate(&body).map_err(|error| invalid(&error))?;
                self.allocations = Some(function.into_allocations());
                self.body(&body)?;
            }
            self.section(&payload)?;
        }
        Ok(())
    }

    fn section(&mut self, payload: &Payload<'_>) -> Result<(), Refusal> {
        let failed = |error: BinaryReaderError| invalid(&error);
        match payload {
            Payload::StartSection { .. } => {
                return Err(malformed(
                    "the module has a start function; a row module does nothing outside of `turn`",
                ));
            }
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
                    let elements = table.map_err(failed)?.ty.initial;
                    if elements > ELEMENTS_MAX {
                        let what = format!(
                            "the module's table has {elements} elements, at most {ELEMENTS_MAX} are taken"
                        );
                        return Err(Refusal::new(Code::TooLarge, what));
                    }
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
                    let export = export.map_err(failed)?;
                    if export.name == "turn" && export.kind == ExternalKind::Func {
                        self.turn = Some(export.index);
                    }
                    if matches!(export.kind, ExternalKind::Global | ExternalKind::Memory) {
                        let name = export.name.to_owned();
                        self.exports.push((export.kind, export.index, name));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, module: &str, name: &str, ty: TypeRef) -> Result<(), Refusal> {
        let shown = format!("`{}` of `{}`", clip(name), clip(module));
        let expected = imported(name).filter(|_| module == ROW_MODULE);
        let (Some((params, results)), TypeRef::Func(ty)) = (expected, ty) else {
            return Err(malformed(format!(
                "the module imports {shown}, which no row module is given"
            )));
        };
        let found = self.types.get(ty as usize);
        if !found.is_some_and(|found| found.params() == params && found.results() == results) {
            return Err(malformed(format!(
                "the module imports {shown} as a function of another type"
            )));
        }
        self.functions.push(ty);
        if !self.imports.iter().any(|import| import == name) {
            self.imports.push(name.to_owned());
        }
        Ok(())
    }

    /// What stays after a turn must be known, or there must be none of it.
    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), Refusal> {
        let operators = body
            .get_operators_reader()
            .map_err(|error| invalid(&error))?;
        for operator in operators.into_iter_with_offsets() {
            let (operator, at) = operator.map_err(|error| invalid(&error))?;
            let lasting =
                changes_tables(&operator)
                    .or(matches!(operator, Operator::MemoryGrow { .. }).then_some("memory.grow"));
            if let Some(name) = lasting {
                return Err(malformed(format!(
                    "`{name}` at byte {at}: what it changes would be there for the next row as well"
                )));
            }
            if self.writes.is_none() && writes(&operator) {
                self.writes = Some(at);
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<Reading, Refusal> {
        let turn = self
            .turn
            .and_then(|turn| self.functions.get(turn as usize))
            .and_then(|&ty| self.types.get(ty as usize))
            .ok_or_else(|| malformed("the module does not export `turn`, its one function"))?;
        let fields: Option<Vec<Field>> = turn.params().iter().map(|&ty| Field::of(ty)).collect();
        let fields = fields.ok_or_else(|| malformed("a parameter of `turn` is no number"))?;
        if fields.is_empty() || fields.len() > FIELDS_MAX {
            let found = fields.len();
            return Err(malformed(format!(
                "`turn` has {found} parameters; a row has 1 to {FIELDS_MAX} fields"
            )));
        }
        let answers = !turn.results().is_empty();
        if answers && turn.results() != turn.params() {
            return Err(malformed(
                "`turn` answers other fields than it is given; it answers all of them, or none",
            ));
        }
        if let Some(put) = self.imports.iter().find(|name| name.starts_with("put_"))
            && answers
        {
            return Err(malformed(format!(
                "`turn` answers its fields and the module imports `{put}`; it does one or the other"
            )));
        }
        Ok(Reading {
            fields,
            answers,
            imports: self.imports.clone(),
            put_back: self.put_back()?,
            globals: self.globals()?,
        })
    }

    fn name(&self, kind: ExternalKind, index: usize) -> Option<String> {
        let mut exports = self.exports.iter();
        let found = exports.find(|(of, at, _)| *of == kind && *at as usize == index);
        found.map(|(_, _, name)| name.clone())
    }

    fn put_back(&self) -> Result<Option<Memory>, Refusal> {
        let Some(memory) = self.memories.first() else {
            return Ok(None);
        };
        let page_bytes_log2 = memory.page_size_log2.unwrap_or(16);
        let too_large = |bytes: u64, max: u64, why: &str| {
            let what = format!("the module's memory has {bytes} bytes, {why}{max} are taken");
            Refusal::new(Code::TooLarge, what)
        };
        let bytes = memory
            .initial
            .checked_shl(page_bytes_log2)
            .unwrap_or(u64::MAX);
        let max = ROW_PAGES_MAX << 16;
        if memory.initial > max || bytes > max {
            return Err(too_large(bytes, max, "at most "));
        }
        let Some(at) = self.writes else {
            return Ok(None);
        };
        if bytes > PUT_BACK_BYTES_MAX {
            let why = format!(
                "and it is put back before each row for what is written at byte {at}; at most "
            );
            return Err(too_large(bytes, PUT_BACK_BYTES_MAX, &why));
        }
        let export = self.name(ExternalKind::Memory, 0).ok_or_else(|| {
            malformed(format!(
                "the module writes to its memory (byte {at}) and does not export it, so nothing could put it back"
            ))
        })?;
        Ok(Some(Memory {
            export,
            pages: memory.initial,
            page_bytes_log2,
        }))
    }

    fn globals(&self) -> Result<Vec<(String, Field)>, Refusal> {
        let mut names = Vec::new();
        for (index, global) in self.globals.iter().enumerate().filter(|(_, g)| g.mutable) {
            let name = self.name(ExternalKind::Global, index);
            let (Some(name), Some(ty)) = (name, Field::of(global.content_type)) else {
                return Err(malformed(format!(
                    "global {index} can change and is no number that is exported, so nothing could put it back"
                )));
            };
            names.push((name, ty));
        }
        Ok(names)
    }
}

/// Whether an instruction writes to memory.
const fn writes(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::I32Store { .. }
            | Operator::I64Store { .. }
            | Operator::F32Store { .. }
            | Operator::F64Store { .. }
            | Operator::I32Store8 { .. }
            | Operator::I32Store16 { .. }
            | Operator::I64Store8 { .. }
            | Operator::I64Store16 { .. }
            | Operator::I64Store32 { .. }
            | Operator::MemoryFill { .. }
            | Operator::MemoryCopy { .. }
            | Operator::MemoryInit { .. }
    )
}
