//! How the memory of a part is kept: the runs of its memory that are not zero, and its mutable globals.
//!
//! All numbers little-endian:
//!
//! ```text
//! version   u8       1
//! module    [u8; 32] whose memory it is
//! pages     u32      of 64 KiB
//! globals   u32      how many; then for each its bits, u64, in the order of the module
//! runs      u32      how many; then for each its place, u32, its length, u32, and its bytes
//! ```
//!
//! Runs are in order and do not touch. An image comes from a store, or from whoever sent the part: it is
//! checked as a whole before anything is written.

use actors::behaviour::Fault;
use genesis::id::Digest;
use genesis::limits::STATE_BYTES_MAX;
use genesis::refusal::Code as Kind;
use wasmtime::{Extern, Global, Store, Val, ValType};

use super::call::{Part, State};
use super::{GLOBALS_MAX, PAGE_BYTES, PAGES_MAX};

const VERSION: u8 = 1;
/// What is compared at a time, in bytes.
const GRAIN: usize = 16;
/// What is passed over at a time if it is zero, in bytes; also the pages that a module fills itself.
const BLOCK: usize = 4_096;
/// Bytes of zeros that are kept rather than ending a run.
const GAP_MAX: usize = GRAIN;

/// The image of a part.
pub(super) fn write(store: &mut Store<State>, part: &Part) -> Result<Vec<u8>, Fault> {
    let mut image = Vec::with_capacity(256);
    image.push(VERSION);
    image.extend_from_slice(part.code.facts().digest.as_bytes());
    let pages = u32::try_from(part.memory.size(&*store)).unwrap_or(u32::MAX);
    image.extend_from_slice(&pages.to_le_bytes());
    let globals = &part.code.exports.globals;
    image.extend_from_slice(
        &u32::try_from(globals.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    for at in 0..globals.len() {
        let bits = bits(&global(store, part, at)?.get(&mut *store))?;
        image.extend_from_slice(&bits.to_le_bytes());
    }
    append_runs(part.memory.data(&*store), &mut image);
    if image.len() > STATE_BYTES_MAX {
        let found = image.len();
        return Err(Fault::new(
            Kind::TooLarge,
            format!(
                "the image of part {} has {found} bytes, at most {STATE_BYTES_MAX} are kept",
                part.occurrence
            ),
        ));
    }
    Ok(image)
}

/// Puts a part that has just been made, and has not run, where the image was taken.
pub(super) fn restore(store: &mut Store<State>, part: &Part, image: &[u8]) -> Result<(), Fault> {
    let occurrence = part.occurrence;
    let failed =
        |what: String| Fault::malformed(format!("the image for part {occurrence}: {what}"));
    let image = Image::read(image, part.code.facts().digest).map_err(failed)?;
    let globals = &part.code.exports.globals;
    if image.globals.len() != globals.len() {
        let (found, known) = (image.globals.len(), globals.len());
        return Err(failed(format!("{found} globals, the module has {known}")));
    }
    let mut values = Vec::with_capacity(globals.len());
    for (at, bits) in image.globals.iter().enumerate() {
        let global = global(store, part, at)?;
        let value = value(global.ty(&*store).content(), u64::from_le_bytes(*bits));
        let value =
            value.ok_or_else(|| failed(format!("global {at} has more bits than its type")))?;
        values.push((global, value));
    }
    let pages = part.memory.size(&*store);
    let more = u64::from(image.pages).checked_sub(pages).ok_or_else(|| {
        failed(format!(
            "{} pages, the module begins with {pages}",
            image.pages
        ))
    })?;
    if more > 0 {
        part.memory.grow(&mut *store, more).map_err(|_| {
            failed(format!(
                "{} pages are more than the module may have",
                image.pages
            ))
        })?;
    }
    for (global, value) in values {
        global
            .set(&mut *store, value)
            .map_err(|error| Fault::new(Kind::Internal, error.to_string()))?;
    }
    let memory = part.memory.data_mut(&mut *store);
    for &page in &part.code.reading.filled {
        let from = (page as usize * BLOCK).min(memory.len());
        let until = (from + BLOCK).min(memory.len());
        memory[from..until].fill(0);
    }
    for (from, run) in image.runs() {
        memory[from..from + run.len()].copy_from_slice(run);
    }
    Ok(())
}

/// An image that was checked.
struct Image<'a> {
    pages: u32,
    globals: &'a [[u8; 8]],
    runs: &'a [u8],
}

impl<'a> Image<'a> {
    fn read(bytes: &'a [u8], module: Digest) -> Result<Self, String> {
        let mut input = Input(bytes);
        let version = input.take::<1>()?[0];
        if version != VERSION {
            return Err(format!("version {version}, this node reads {VERSION}"));
        }
        let digest = Digest(input.take()?);
        if digest != module {
            return Err(format!("made by module {digest}, not by {module}"));
        }
        let pages = input.number()?;
        if pages > PAGES_MAX {
            return Err(format!("{pages} pages, at most {PAGES_MAX} are taken"));
        }
        let count = input.number()?;
        if count > GLOBALS_MAX {
            return Err(format!("{count} globals, at most {GLOBALS_MAX} are taken"));
        }
        let globals = input.bytes(count as usize * 8)?;
        let (globals, _) = globals.as_chunks::<8>();
        let count = input.number()?;
        let runs = input.0;
        let memory = pages as usize * PAGE_BYTES;
        let mut free_from = 0;
        for at in 0..count {
            let from = input.number()? as usize;
            let len = input.bytes_counted()?.len();
            let end = from.saturating_add(len);
            if len == 0 || from < free_from || end > memory {
                return Err(format!(
                    "run {at}, {len} bytes at {from}, is out of order or outside"
                ));
            }
            free_from = end;
        }
        if !input.0.is_empty() {
            return Err(format!("{} bytes after its end", input.0.len()));
        }
        Ok(Self {
            pages,
            globals,
            runs,
        })
    }

    /// The runs that `read` checked.
    fn runs(&self) -> impl Iterator<Item = (usize, &'a [u8])> {
        let mut input = Input(self.runs);
        std::iter::from_fn(move || {
            let from = input.number().ok()?;
            let run = input.bytes_counted().ok()?;
            Some((from as usize, run))
        })
    }
}

/// Bytes that are left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(ends_early)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn number(&mut self) -> Result<u32, String> {
        self.take().map(u32::from_le_bytes)
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or_else(ends_early)?;
        self.0 = rest;
        Ok(taken)
    }

    fn bytes_counted(&mut self) -> Result<&'a [u8], String> {
        let len = self.number()?;
        self.bytes(len as usize)
    }
}

fn ends_early() -> String {
    "ends before it should".to_owned()
}

/// Appends the number of runs that are not zero, and the runs.
fn append_runs(memory: &[u8], image: &mut Vec<u8>) {
    let count_at = image.len();
    image.extend_from_slice(&[0; 4]);
    let mut count = 0_u32;
    let mut append = |from: usize, until: usize| {
        count += 1;
        // Memories have at most 16 MiB.
        image.extend_from_slice(&u32::try_from(from).unwrap_or(u32::MAX).to_le_bytes());
        image.extend_from_slice(
            &u32::try_from(until - from)
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        image.extend_from_slice(&memory[from..until]);
    };
    let mut run: Option<(usize, usize)> = None;
    // Memories are whole pages, so that nothing is left over after blocks and grains.
    for (block, bytes) in memory.as_chunks::<BLOCK>().0.iter().enumerate() {
        if is_zero(bytes) {
            continue;
        }
        for (grain, bytes) in bytes.as_chunks::<GRAIN>().0.iter().enumerate() {
            if u128::from_ne_bytes(*bytes) == 0 {
                continue;
            }
            let from = block * BLOCK + grain * GRAIN;
            match &mut run {
                Some((_, until)) if from - *until <= GAP_MAX => *until = from + GRAIN,
                _ => {
                    if let Some((from, until)) = run.replace((from, from + GRAIN)) {
                        append(from, until);
                    }
                }
            }
        }
    }
    if let Some((from, until)) = run {
        append(from, until);
    }
    image[count_at..count_at + 4].copy_from_slice(&count.to_le_bytes());
}

/// Whether all of a block is zero: eight words at a time, which compilers make wide instructions of.
fn is_zero(block: &[u8; BLOCK]) -> bool {
    block.as_chunks::<64>().0.iter().all(|chunk| {
        let words = chunk.as_chunks::<8>().0.iter();
        words.fold(0, |all, word| all | u64::from_ne_bytes(*word)) == 0
    })
}

fn global(store: &mut Store<State>, part: &Part, at: usize) -> Result<Global, Fault> {
    let export = &part.code.exports.globals[at];
    let export = part.instance.get_module_export(&mut *store, export);
    export.and_then(Extern::into_global).ok_or_else(|| {
        Fault::new(
            Kind::Internal,
            format!("global {at} of part {} is gone", part.occurrence),
        )
    })
}

fn bits(value: &Val) -> Result<u64, Fault> {
    match value {
        Val::I32(value) => Ok(value.cast_unsigned().into()),
        Val::I64(value) => Ok(value.cast_unsigned()),
        Val::F32(bits) => Ok((*bits).into()),
        Val::F64(bits) => Ok(*bits),
        _ => Err(Fault::new(Kind::Internal, "a global that is no number")),
    }
}

fn value(ty: &ValType, bits: u64) -> Option<Val> {
    let low = u32::try_from(bits).ok();
    match ty {
        ValType::I32 => low.map(|low| Val::I32(low.cast_signed())),
        ValType::I64 => Some(Val::I64(bits.cast_signed())),
        ValType::F32 => low.map(Val::F32),
        ValType::F64 => Some(Val::F64(bits)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(set: &[(usize, u8)], expected: &[(usize, usize)]) {
        let mut memory = vec![0; PAGE_BYTES];
        for &(at, byte) in set {
            memory[at] = byte;
        }
        let mut runs = Vec::new();
        append_runs(&memory, &mut runs);
        let image = Image {
            pages: 1,
            globals: &[],
            runs: &runs[4..],
        };
        let found: Vec<_> = image.runs().map(|(from, run)| (from, run.len())).collect();
        assert_eq!(found, expected);
        let mut again = vec![0; PAGE_BYTES];
        for (from, run) in image.runs() {
            again[from..from + run.len()].copy_from_slice(run);
        }
        assert!(again == memory, "the runs are the memory");
    }

    #[test]
    fn runs_are_what_is_not_zero() {
        check(&[], &[]);
        check(&[(0, 1)], &[(0, 16)]);
        check(&[(PAGE_BYTES - 1, 1)], &[(PAGE_BYTES - 16, 16)]);
        check(&[(15, 1), (16, 1)], &[(0, 32)]);
        check(&[(0, 1), (47, 1)], &[(0, 48)]);
        check(&[(0, 1), (48, 1)], &[(0, 16), (48, 16)]);
        check(
            &[(4_095, 1), (4_096, 1), (9_000, 1)],
            &[(4_080, 32), (8_992, 16)],
        );
    }
}
