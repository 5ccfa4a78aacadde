//! The host's own part of a batch: the loop over its rows, and what the guest imports.
//!
//! Both are WebAssembly as well, so that a call between them and the guest is a plain call and no entry from
//! outside. The *face* has the memory in which rows, keys and parameters lie, and gives the module `row`; the *loop*
//! calls the guest. A guest imports from the face alone, which exports nothing to it but functions.

use std::fmt::Write as _;

use super::PARAMETERS_MAX;
use super::module::{Field, ROW_MODULE, Reading, names};

/// Where in the face's memory things lie, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) batch_rows: usize,
    pub(super) row_bytes: usize,
    /// A byte for each row: what it asked for.
    pub(super) asked: usize,
    pub(super) ids: usize,
    pub(super) keys: usize,
    pub(super) rows: usize,
}

impl Layout {
    pub(super) const TICK: usize = 0;
    /// What is added to every key.
    pub(super) const SHIFT: usize = 8;
    pub(super) const PARAMETERS_LEN: usize = 16;
    pub(super) const PARAMETERS: usize = 24;

    pub(super) const fn new(batch_rows: usize, row_bytes: usize) -> Self {
        let ids = Self::PARAMETERS + 8 * PARAMETERS_MAX;
        let keys = ids + 8 * batch_rows;
        let rows = keys + 8 * batch_rows;
        let asked = rows + row_bytes * batch_rows;
        Self {
            batch_rows,
            row_bytes,
            asked,
            ids,
            keys,
            rows,
        }
    }

    const fn pages(&self) -> usize {
        (self.asked + self.batch_rows).div_ceil(64 * 1024)
    }
}

/// What a row asked for, in its byte.
pub(super) const DIES: u8 = 1;
pub(super) const SLEEPS: u8 = 2;
/// The step from one random number to the next.
pub(super) const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The text of the face.
pub(super) fn face(layout: &Layout) -> String {
    let Layout {
        asked,
        ids,
        row_bytes,
        ..
    } = *layout;
    let [tick, parameters_len, parameters] =
        [Layout::TICK, Layout::PARAMETERS_LEN, Layout::PARAMETERS];
    let pages = layout.pages();
    let puts = [Field::I8, Field::I16, Field::I32, Field::I64, Field::F32, Field::F64].map(|field| {
        let (name, bytes) = (field.name(), field.bytes());
        let (ty, store) = (field.carried().name(), store(field));
        // `at` is compared as it is, and with room for the field: a sum could wrap.
        let last = row_bytes.checked_sub(bytes);
        let check = match last {
            Some(last) => format!("(i32.gt_u (local.get $at) (i32.const {last}))"),
            None => "(i32.const 1)".to_owned(),
        };
        format!(
            "(func (export \"put_{name}\") (param $at i32) (param $value {ty})
               (if {check} (then (global.set $beside (i64.extend_i32_u (local.get $at))) (unreachable)))
               ({store} (i32.add (global.get $at) (local.get $at)) (local.get $value)))"
        )
    });
    let puts = puts.join("\n");
    let ask = |name: &str, bit: u8| {
        format!(
            "(func (export \"{name}\")
               (i32.store8 offset={asked} (global.get $row)
                 (i32.or (i32.load8_u offset={asked} (global.get $row)) (i32.const {bit}))))"
        )
    };
    let (die, sleep) = (ask("die", DIES), ask("sleep", SLEEPS));
    format!(
        r#"(module
  (memory (export "memory") {pages} {pages})
  ;; The row whose turn it is, where it lies, and what its next random number is made of.
  (global $row (export "at_row") (mut i32) (i32.const 0))
  (global $at (export "at") (mut i32) (i32.const 0))
  (global $draw (export "draw") (mut i64) (i64.const 0))
  ;; Which parameter was asked for that is none, and which field was put that is none; -1: none.
  (global $unknown (export "unknown") (mut i64) (i64.const -1))
  (global $beside (export "beside") (mut i64) (i64.const -1))
  (func (export "random") (result i64) (local $z i64)
    (local.set $z (global.get $draw))
    (global.set $draw (i64.add (local.get $z) (i64.const {STEP})))
    (local.set $z (i64.mul (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 30)))
      (i64.const 0xBF58476D1CE4E5B9)))
    (local.set $z (i64.mul (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 27)))
      (i64.const 0x94D049BB133111EB)))
    (i64.xor (local.get $z) (i64.shr_u (local.get $z) (i64.const 31))))
  (func (export "tick") (result i64) (i64.load offset={tick} (i32.const 0)))
  (func (export "id") (result i64)
    (i64.load offset={ids} (i32.shl (global.get $row) (i32.const 3))))
  (func (export "parameter") (param $n i32) (result f64)
    (if (i32.ge_u (local.get $n) (i32.load offset={parameters_len} (i32.const 0)))
      (then (global.set $unknown (i64.extend_i32_u (local.get $n))) (unreachable)))
    (f64.load offset={parameters} (i32.shl (local.get $n) (i32.const 3))))
  {die}
  {sleep}
  {puts})"#
    )
}

/// The text of the loop around a guest.
pub(super) fn around(reading: &Reading, layout: &Layout) -> String {
    let Layout {
        keys,
        rows,
        row_bytes,
        ..
    } = *layout;
    let pages = layout.pages();
    let shift = Layout::SHIFT;
    let carried: Vec<Field> = reading.fields.iter().map(|field| field.carried()).collect();
    let types = names(&carried);
    let results = if reading.answers { types.as_str() } else { "" };
    let mut offset = 0;
    let (mut loads, mut locals, mut keep, mut stores) =
        (String::new(), String::new(), String::new(), String::new());
    for (n, field) in reading.fields.iter().enumerate() {
        let (load, store, ty) = (load(*field), store(*field), field.carried().name());
        let _ = write!(loads, " ({load} offset={offset} (local.get $at))");
        if reading.answers {
            let value = match field {
                Field::Bool => format!("(i32.ne (local.get $field{n}) (i32.const 0))"),
                _ => format!("(local.get $field{n})"),
            };
            let _ = write!(locals, "(local $field{n} {ty}) ");
            // Results are taken from the stack, the last one first.
            keep.insert_str(0, &format!("(local.set $field{n})\n      "));
            let _ = write!(
                stores,
                "\n      ({store} offset={offset} (local.get $at) {value})"
            );
        }
        offset += field.bytes();
    }
    let draw = if reading.imports("random") {
        format!(
            "(global.set $draw (i64.add (local.get $shift)
        (i64.load offset={keys} (i32.shl (local.get $row) (i32.const 3)))))"
        )
    } else {
        String::new()
    };
    let Held {
        imports,
        kept,
        keep_all,
        put_back,
    } = held(reading);
    format!(
        r#"(module
  (import "face" "memory" (memory $rows {pages} {pages}))
  (import "face" "at_row" (global $row (mut i32)))
  (import "face" "at" (global $at (mut i32)))
  (import "face" "draw" (global $draw (mut i64)))
  (import "guest" "turn" (func $turn (param {types}) (result {results})))
  {imports}
  {kept}
  (func (export "keep") {keep_all})
  (func (export "turns") (param $count i32)
    (local $row i32) (local $at i32) (local $shift i64) {locals}
    (if (i32.eqz (local.get $count)) (then (return)))
    (local.set $at (i32.const {rows}))
    (local.set $shift (i64.load offset={shift} (i32.const 0)))
    (loop $next
      (global.set $row (local.get $row))
      (global.set $at (local.get $at))
      {draw}
      {put_back}
      (call $turn{loads})
      {keep}{stores}
      (local.set $at (i32.add (local.get $at) (i32.const {row_bytes})))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $row) (local.get $count))))))"#
    )
}

/// The instruction that reads a field.
const fn load(field: Field) -> &'static str {
    match field {
        Field::Bool | Field::U8 => "i32.load8_u",
        Field::I8 => "i32.load8_s",
        Field::U16 => "i32.load16_u",
        Field::I16 => "i32.load16_s",
        Field::I32 => "i32.load",
        Field::I64 => "i64.load",
        Field::F32 => "f32.load",
        Field::F64 => "f64.load",
    }
}

/// The instruction that writes a field.
const fn store(field: Field) -> &'static str {
    match field {
        Field::Bool | Field::U8 | Field::I8 => "i32.store8",
        Field::U16 | Field::I16 => "i32.store16",
        Field::I32 => "i32.store",
        Field::I64 => "i64.store",
        Field::F32 => "f32.store",
        Field::F64 => "f64.store",
    }
}

/// The exports of the face that belong to the host and its loop.
pub(super) const FACE: &str = "face";
pub(super) const GUEST: &str = "guest";

/// What of a guest is put back before each row.
struct Held {
    imports: String,
    /// Where it is kept.
    kept: String,
    keep_all: String,
    put_back: String,
}

fn held(reading: &Reading) -> Held {
    let mut held = Held {
        imports: String::new(),
        kept: String::new(),
        keep_all: String::new(),
        put_back: String::new(),
    };
    if let Some(memory) = &reading.put_back {
        let (pages, bytes) = (memory.pages, memory.bytes());
        let size = format!(
            "{pages} {pages} (pagesize {})",
            1_u64 << memory.page_bytes_log2
        );
        let name = quoted(&memory.export);
        let _ = write!(
            held.imports,
            "(import \"guest\" {name} (memory $guest {size}))"
        );
        let _ = write!(held.kept, "(memory $kept {size})");
        let whole = format!("(i32.const 0) (i32.const 0) (i32.const {bytes})");
        let _ = write!(held.keep_all, "(memory.copy $kept $guest {whole})");
        let _ = write!(held.put_back, "(memory.copy $guest $kept {whole})");
    }
    for (n, (name, field)) in reading.globals.iter().enumerate() {
        let (name, ty) = (quoted(name), field.name());
        let _ = write!(
            held.imports,
            "(import \"guest\" {name} (global $guest{n} (mut {ty})))"
        );
        let _ = write!(held.kept, "(global $kept{n} (mut {ty}) ({ty}.const 0))");
        let _ = write!(
            held.keep_all,
            "(global.set $kept{n} (global.get $guest{n}))"
        );
        let _ = write!(
            held.put_back,
            "(global.set $guest{n} (global.get $kept{n}))"
        );
    }
    held
}

/// A name from outside as a string of the text format.
fn quoted(name: &str) -> String {
    let bytes = name.bytes().map(|byte| format!("\\{byte:02x}"));
    format!("\"{}\"", bytes.collect::<String>())
}

/// Whether the guest is given an export of the face.
pub(super) fn is_the_guests(module: &str) -> bool {
    module == ROW_MODULE
}
