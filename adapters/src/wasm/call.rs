//! A call: from outside into a part, and from a part to whoever gives what it needs.
//!
//! Guests reach one another only through here, so the last of the parts that run is always the caller.

use std::ops::Range;
use std::sync::Arc;

use actors::behaviour::Fault;
use genesis::refusal::Code as Kind;
use wasmtime::{
    AsContextMut, Caller, Error, Instance, Memory, PoolConcurrencyLimitError, ResourceLimiter,
    Result, StoreContextMut, Trap, TypedFunc,
};

use super::code::Code;
use super::lend::Lent;
use super::{
    ANSWER_BYTES_MAX, BYTES_PER_FUEL, CALL_DEPTH_MAX, CALL_FUEL, PAGE_BYTES, PAGES_MAX,
    TABLE_ELEMENTS_MAX,
};

/// Buffers of a capsule that are larger are given back after the call, in bytes.
const KEPT_BYTES_MAX: usize = 4 * 1024;

/// An instance of a part, wired.
pub(super) struct Part {
    pub(super) occurrence: u64,
    pub(super) code: Arc<Code>,
    pub(super) instance: Instance,
    pub(super) memory: Memory,
    pub(super) alloc: TypedFunc<u32, u32>,
    pub(super) done: TypedFunc<(), ()>,
    /// The functions of the channels it gives, in the order of its module.
    pub(super) gives: Box<[TypedFunc<(u32, u32), u64>]>,
    /// Who answers the channels it needs, in the order of its module.
    pub(super) wires: Box<[Wire]>,
}

/// Who answers a needed channel.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire {
    /// A part of the same body, by its `gives`-th function.
    Part { part: u16, gives: u16 },
    /// Whoever makes the call.
    Givers,
}

/// What host functions know.
#[derive(Default)]
pub(super) struct State {
    pub(super) parts: Option<Arc<[Part]>>,
    pub(super) givers: Lent,
    pub(super) limits: Limits,
    /// The parts whose channel functions run; the first `depth` of them.
    running: [u16; CALL_DEPTH_MAX],
    depth: usize,
    /// Whether the code that runs is a channel's function, which may call what it needs.
    open: bool,
    /// Whose code ran last: whom a trap is about.
    at: u16,
    /// What ended the call, where the engine does not know it.
    fault: Option<Fault>,
    /// What is on its way between two memories.
    scratch: Vec<u8>,
}

impl State {
    /// Forgets the last call.
    pub(super) fn begin(&mut self) {
        self.depth = 0;
        self.open = false;
        self.fault = None;
        if self.scratch.capacity() > KEPT_BYTES_MAX {
            self.scratch = Vec::new();
        }
    }

    fn running(&self) -> &[u16] {
        &self.running[..self.depth]
    }

    fn occurrence(&self) -> u64 {
        let parts = self.parts.as_deref().unwrap_or_default();
        parts
            .get(usize::from(self.at))
            .map_or(0, |part| part.occurrence)
    }
}

/// Growth is decided by rule, the same on every node, and never by how much memory is free.
#[derive(Default)]
pub(super) struct Limits;

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, _: usize, desired: usize, max: Option<usize>) -> Result<bool> {
        let policy = PAGE_BYTES * PAGES_MAX as usize;
        Ok(desired <= max.unwrap_or(policy).min(policy))
    }

    fn table_growing(&mut self, _: usize, desired: usize, max: Option<usize>) -> Result<bool> {
        let policy = TABLE_ELEMENTS_MAX as usize;
        Ok(desired <= max.unwrap_or(policy).min(policy))
    }
}

type Context<'a> = StoreContextMut<'a, State>;

/// Ends the call with a fault; the engine carries it through the guests, which cannot catch it.
fn stop(store: &mut Context<'_>, fault: Fault) -> Error {
    store.data_mut().fault = Some(fault);
    Error::msg("the call was ended")
}

/// Why a call ended.
pub(super) fn what_ended(state: &mut State, error: &Error, fuel_max: u64) -> Fault {
    if let Some(fault) = state.fault.take() {
        return fault;
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Fault::new(
            Kind::Busy,
            "no room for another instance; stop or strip what is not needed",
        );
    }
    let part = state.occurrence();
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Fault::ended(format!("out of fuel: the turn used its {fuel_max}")),
        Some(Trap::StackOverflow) => Fault::ended(format!("stack exhausted in part {part}")),
        Some(Trap::Interrupt) => {
            let mut fault = Fault::ended("the operator stopped what was running");
            fault.code = Kind::Cancelled;
            fault
        }
        Some(trap) => {
            let reason = trap.to_string();
            let reason = reason.strip_prefix("wasm trap: ").unwrap_or(&reason);
            Fault::new(Kind::Fault, format!("part {part}: {reason}"))
        }
        None => Fault::new(Kind::Internal, format!("part {part}: {error:#}")),
    }
}

/// Calls a channel's function from outside and appends its answer; says whether there is one.
pub(super) fn turn(
    store: &mut Context<'_>,
    parts: &[Part],
    (part, gives): (u16, u16),
    input: &[u8],
    answer: &mut Vec<u8>,
) -> Result<bool> {
    let (pointer, len) = place(store, parts, part, input)?;
    let packed = run(store, parts, (part, gives), (pointer, len))?;
    let answered = copy_answer(store, parts, part, packed, ANSWER_BYTES_MAX, answer)?;
    parts[usize::from(part)].done.call(&mut *store, ())?;
    Ok(answered)
}

/// Has a part allocate room, and copies bytes there.
pub(super) fn place(
    store: &mut Context<'_>,
    parts: &[Part],
    at: u16,
    bytes: &[u8],
) -> Result<(u32, u32)> {
    let part = &parts[usize::from(at)];
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    store.data_mut().at = at;
    let pointer = part.alloc.call(&mut *store, len)?;
    if bytes.is_empty() {
        return Ok((pointer, 0));
    }
    if pointer == 0 {
        let what = format!("part {} has no room for {len} bytes", part.occurrence);
        return Err(stop(store, Fault::new(Kind::TooLarge, what)));
    }
    let range = range(store, part, pointer, len)?;
    part.memory.data_mut(&mut *store)[range].copy_from_slice(bytes);
    Ok((pointer, len))
}

/// Runs a channel's function, during which the part may call what it needs.
fn run(
    store: &mut Context<'_>,
    parts: &[Part],
    (at, gives): (u16, u16),
    input: (u32, u32),
) -> Result<u64> {
    let state = store.data_mut();
    let depth = state.depth;
    state.running[depth] = at;
    state.depth = depth + 1;
    state.at = at;
    state.open = true;
    let packed = parts[usize::from(at)].gives[usize::from(gives)].call(&mut *store, input)?;
    let state = store.data_mut();
    state.depth = depth;
    state.open = false;
    Ok(packed)
}

/// Appends what a part answered, from its memory; says whether it answered.
pub(super) fn copy_answer(
    store: &mut Context<'_>,
    parts: &[Part],
    at: u16,
    packed: u64,
    bytes_max: usize,
    into: &mut Vec<u8>,
) -> Result<bool> {
    if packed == 0 {
        return Ok(false);
    }
    let part = &parts[usize::from(at)];
    let (pointer, len) = unpack(packed);
    let range = range(store, part, pointer, len)?;
    if range.len() > bytes_max {
        let what = format!(
            "part {} answers {len} bytes, at most {bytes_max} are taken",
            part.occurrence
        );
        return Err(stop(store, Fault::new(Kind::TooLarge, what)));
    }
    into.extend_from_slice(&part.memory.data(&*store)[range]);
    Ok(true)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves of a packed answer"
)]
const fn unpack(packed: u64) -> (u32, u32) {
    ((packed >> 32) as u32, packed as u32)
}

/// Checks a pointer and a length that a part gave; in 64 bits, where the sum of the two cannot wrap.
fn range(store: &mut Context<'_>, part: &Part, pointer: u32, len: u32) -> Result<Range<usize>> {
    let bytes = part.memory.data_size(&*store);
    let end = u64::from(pointer) + u64::from(len);
    if end <= bytes as u64 {
        return Ok(pointer as usize..pointer as usize + len as usize);
    }
    let what = format!(
        "the part points outside its memory: part {}, {len} bytes at {pointer} of {bytes}",
        part.occurrence
    );
    Err(stop(store, Fault::new(Kind::Fault, what)))
}

/// Takes fuel for work that the host does.
fn charge(store: &mut Context<'_>, fuel: u64) -> Result<()> {
    let left = store.get_fuel()?;
    let Some(rest) = left.checked_sub(fuel) else {
        store.set_fuel(0)?;
        return Err(Trap::OutOfFuel.into());
    };
    store.set_fuel(rest)
}

/// A part calls a channel that it needs: the function behind every import.
pub(super) fn need(
    mut caller: Caller<'_, State>,
    import: usize,
    pointer: u32,
    len: u32,
) -> Result<u64> {
    let mut store = caller.as_context_mut();
    let store = &mut store;
    let state = store.data_mut();
    let (true, Some(&at), Some(parts)) = (state.open, state.running().last(), state.parts.clone())
    else {
        let part = state.occurrence();
        let what =
            format!("part {part} calls a channel where it may not: only a channel's function may");
        return Err(stop(store, Fault::new(Kind::Fault, what)));
    };
    state.open = false;
    let part = &parts[usize::from(at)];
    let channel = part.code.reading.needs[import];
    let request = range(store, part, pointer, len)?;
    if request.len() > ANSWER_BYTES_MAX {
        let what =
            format!("a request on {channel} of {len} bytes, at most {ANSWER_BYTES_MAX} are taken");
        return Err(stop(store, Fault::new(Kind::TooLarge, what)));
    }
    charge(store, CALL_FUEL + u64::from(len) / BYTES_PER_FUEL)?;
    let mut scratch = std::mem::take(&mut store.data_mut().scratch);
    scratch.clear();
    let answered = match part.wires[import] {
        Wire::Part { part: giver, gives } => {
            may_run(store, &parts, giver, channel)?;
            scratch.extend_from_slice(&part.memory.data(&*store)[request]);
            let input = place(store, &parts, giver, &scratch)?;
            // Handed back while the giver runs: it may need it for calls of its own.
            store.data_mut().scratch = scratch;
            let packed = run(store, &parts, (giver, gives), input)?;
            scratch = std::mem::take(&mut store.data_mut().scratch);
            scratch.clear();
            let answered =
                copy_answer(store, &parts, giver, packed, ANSWER_BYTES_MAX, &mut scratch)?;
            parts[usize::from(giver)].done.call(&mut *store, ())?;
            answered
        }
        Wire::Givers => {
            let mut givers = std::mem::take(&mut store.data_mut().givers);
            let request = &part.memory.data(&*store)[request];
            let outcome = givers.using(|givers| givers.give(channel, request, &mut scratch));
            store.data_mut().givers = givers;
            match outcome {
                Some(Ok(())) => !scratch.is_empty(),
                Some(Err(fault)) => return Err(stop(store, fault)),
                None => {
                    let what = format!("unmet need {channel}");
                    return Err(stop(store, Fault::new(Kind::Unknown, what)));
                }
            }
        }
    };
    if scratch.len() > ANSWER_BYTES_MAX {
        let found = scratch.len();
        let what = format!(
            "an answer on {channel} of {found} bytes, at most {ANSWER_BYTES_MAX} are taken"
        );
        return Err(stop(store, Fault::new(Kind::TooLarge, what)));
    }
    charge(store, scratch.len() as u64 / BYTES_PER_FUEL)?;
    let packed = if answered {
        let (pointer, len) = place(store, &parts, at, &scratch)?;
        u64::from(pointer) << 32 | u64::from(len)
    } else {
        0
    };
    let state = store.data_mut();
    state.scratch = scratch;
    state.at = at;
    state.open = true;
    Ok(packed)
}

/// Whether a part may be entered now: never while a function of its own runs, and not too deep.
fn may_run(
    store: &mut Context<'_>,
    parts: &[Part],
    giver: u16,
    channel: genesis::channel::Channel,
) -> Result<()> {
    let running = store.data().running();
    let what = if running.contains(&giver) {
        let part = parts[usize::from(giver)].occurrence;
        format!("cycle: part {part} is called on {channel} while it runs")
    } else if running.len() == CALL_DEPTH_MAX {
        format!("too deep: a call on {channel} from the {CALL_DEPTH_MAX}th part in a row")
    } else {
        return Ok(());
    };
    Err(stop(store, Fault::new(Kind::Fault, what)))
}
