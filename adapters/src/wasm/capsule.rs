//! The instances of one body, in one store.

use std::sync::Arc;

use actors::behaviour::Fault;
use actors::sandbox::{Called, Capsule, Givers, Piece, Source};
use genesis::channel::Channel;
use genesis::limits::STATE_BYTES_MAX;
use genesis::refusal::Code as Kind;
use wasmtime::{
    AsContextMut, Error, Extern, Func, Instance, ModuleExport, Store, TypedFunc, WasmParams,
    WasmResults,
};

use super::SCORES_BYTES_MAX;
use super::call::{Part, State, Wire, copy_answer, place, turn, what_ended};
use super::code::{Code, begin, new_store};
use super::image;
use super::lend::Lending;
use super::module::is_the_hosts;

/// The code of one body.
pub(super) struct Instances {
    store: Store<State>,
    parts: Arc<[Part]>,
    /// Who answers on which channel: part and function of it; sorted by channel.
    active: Box<[(Channel, u16, u16)]>,
    large: bool,
    /// Whether a call ended in the middle: memories are then as it left them.
    spent: bool,
}

impl Instances {
    /// Makes instances of all pieces, wires them, and lets each begin or go on.
    pub(super) fn new(
        pieces: &[Piece],
        codes: Vec<Arc<Code>>,
        large: bool,
        fuel_max: u64,
    ) -> Result<Self, Fault> {
        let Some(first) = codes.first() else {
            return Err(Fault::new(
                Kind::Malformed,
                "a body of no parts has no code",
            ));
        };
        let mut store = new_store(first.pre.module().engine(), fuel_max)?;
        let active = active_givers(pieces, &codes);
        let mut parts = Vec::with_capacity(pieces.len());
        for (piece, code) in pieces.iter().zip(codes) {
            let part = instance(&mut store, piece, code, &active);
            parts.push(part.map_err(|error| what_ended(store.data_mut(), &error, fuel_max))?);
        }
        let parts: Arc<[Part]> = parts.into();
        store.data_mut().parts = Some(parts.clone());
        let mut made = Self {
            store,
            parts,
            active,
            large,
            spent: false,
        };
        for (at, piece) in pieces.iter().enumerate() {
            made.go_on(index(at), piece, fuel_max)?;
        }
        Ok(made)
    }

    /// A part begins, or goes on from where it was.
    fn go_on(&mut self, at: u16, piece: &Piece, fuel_max: u64) -> Result<(), Fault> {
        let exports = &self.parts[usize::from(at)].code.exports;
        let (function, input, verb) = match &piece.from {
            Source::Image(image) => {
                return image::restore(&mut self.store, &self.parts[usize::from(at)], image);
            }
            Source::Birth => match &exports.born {
                Some(born) => (*born, &piece.argument, "vc_born"),
                None => return Ok(()),
            },
            Source::Save(saved) => (exports.load, saved, "vc_load"),
        };
        let occurrence = piece.occurrence;
        let answer = self.ask::<u32>(at, &function, input, fuel_max, None)?.0;
        match answer {
            0 => Ok(()),
            other => Err(Fault::malformed(match verb {
                "vc_born" => {
                    format!("part {occurrence} refused its argument (vc_born answered {other})")
                }
                _ => format!(
                    "part {occurrence} refused the state it should take over (vc_load answered {other})"
                ),
            })),
        }
    }

    /// Calls a function of a part with contents; the scratch is dropped afterwards. With `bytes_max` the
    /// function's answer is a pointer, and what it points to is copied out.
    fn ask<R: WasmResults + Copy + Into<u64>>(
        &mut self,
        at: u16,
        function: &ModuleExport,
        input: &[u8],
        fuel_max: u64,
        bytes_max: Option<usize>,
    ) -> Result<(R, Option<Vec<u8>>), Fault> {
        self.spent = true;
        let mut store = self.store.as_context_mut();
        let parts = &self.parts;
        let part = &parts[usize::from(at)];
        let mut asked = || {
            let function: TypedFunc<(u32, u32), R> = typed(&mut store, part.instance, function)?;
            let input = place(&mut store, parts, at, input)?;
            let answer = function.call(&mut store, input)?;
            let mut bytes = Vec::new();
            let bytes = match bytes_max {
                Some(max) => copy_answer(&mut store, parts, at, answer.into(), max, &mut bytes)?
                    .then_some(bytes),
                None => None,
            };
            part.done.call(&mut store, ())?;
            Ok((answer, bytes))
        };
        let outcome = asked();
        let answer =
            outcome.map_err(|error: Error| what_ended(self.store.data_mut(), &error, fuel_max))?;
        self.spent = false;
        Ok(answer)
    }

    fn find(&self, occurrence: u64) -> Result<u16, Fault> {
        if self.spent {
            return Err(spent());
        }
        let found = self
            .parts
            .iter()
            .position(|part| part.occurrence == occurrence);
        found.map(index).ok_or_else(|| {
            Fault::new(
                Kind::Unknown,
                format!("no part {occurrence} has code in this body"),
            )
        })
    }

    /// Who answers on a channel.
    fn giver(&self, channel: Channel) -> Option<(u16, u16)> {
        let at = self
            .active
            .binary_search_by(|(known, _, _)| known.cmp(&channel));
        at.ok().map(|at| (self.active[at].1, self.active[at].2))
    }

    /// What `vc_test` answers.
    fn scores(&mut self, occurrence: u64, contents: &[u8], fuel_max: u64) -> Result<String, Fault> {
        let at = self.find(occurrence)?;
        let test = self.parts[usize::from(at)].code.exports.test;
        let test = test.ok_or_else(|| {
            Fault::new(
                Kind::Untestable,
                format!("part {occurrence} does not export `vc_test`"),
            )
        })?;
        let (_, scores) = self.ask::<u64>(at, &test, contents, fuel_max, Some(SCORES_BYTES_MAX))?;
        let scores = scores.ok_or_else(|| {
            Fault::malformed(format!(
                "part {occurrence} answers no scores (vc_test answered 0)"
            ))
        })?;
        String::from_utf8(scores)
            .map_err(|_| Fault::malformed(format!("the scores of part {occurrence} are not UTF-8")))
    }
}

impl Capsule for Instances {
    fn gives(&self, channel: Channel) -> bool {
        self.giver(channel).is_some()
    }

    fn call(
        &mut self,
        channel: Channel,
        input: &[u8],
        fuel_max: u64,
        givers: &mut dyn Givers,
        answer: &mut Vec<u8>,
    ) -> Called {
        let failed = |fault| Called {
            fuel: 0,
            outcome: Err(fault),
        };
        if self.spent {
            return failed(spent());
        }
        let Some(giver) = self.giver(channel) else {
            return failed(Fault::new(
                Kind::Unknown,
                format!("no part gives {channel}"),
            ));
        };
        if let Err(fault) = begin(&mut self.store, fuel_max) {
            return failed(fault);
        }
        self.spent = true;
        let outcome = {
            let lending = Lending::new(&mut self.store, givers);
            turn(
                &mut lending.store.as_context_mut(),
                &self.parts,
                giver,
                input,
                answer,
            )
        };
        let left = self.store.get_fuel().unwrap_or_default();
        self.spent = outcome.is_err();
        Called {
            fuel: fuel_max.saturating_sub(left),
            outcome: outcome.map_err(|error| what_ended(self.store.data_mut(), &error, fuel_max)),
        }
    }

    fn image(&mut self, occurrence: u64) -> Result<Vec<u8>, Fault> {
        let at = self.find(occurrence)?;
        image::write(&mut self.store, &self.parts[usize::from(at)])
    }

    fn save(&mut self, occurrence: u64, fuel_max: u64) -> Result<Vec<u8>, Fault> {
        let at = self.find(occurrence)?;
        begin(&mut self.store, fuel_max)?;
        self.spent = true;
        let mut store = self.store.as_context_mut();
        let parts = &self.parts;
        let part = &parts[usize::from(at)];
        let mut saved = Vec::new();
        let mut save = || {
            let save: TypedFunc<(), u64> =
                typed(&mut store, part.instance, &part.code.exports.save)?;
            let packed = save.call(&mut store, ())?;
            copy_answer(&mut store, parts, at, packed, STATE_BYTES_MAX, &mut saved)?;
            part.done.call(&mut store, ())
        };
        let outcome = save();
        outcome.map_err(|error| what_ended(self.store.data_mut(), &error, fuel_max))?;
        self.spent = false;
        Ok(saved)
    }

    fn test(
        &mut self,
        occurrence: u64,
        contents: &[u8],
        fuel_max: u64,
    ) -> (u64, Result<String, Fault>) {
        // Full before anything is asked, so that what was not asked took nothing.
        if let Err(fault) = begin(&mut self.store, fuel_max) {
            return (0, Err(fault));
        }
        let scores = self.scores(occurrence, contents, fuel_max);
        let left = self.store.get_fuel().unwrap_or_default();
        (fuel_max.saturating_sub(left), scores)
    }

    fn is_large(&self) -> bool {
        self.large
    }
}

/// A function of an instance, by the place of its export.
fn typed<P: WasmParams, R: WasmResults>(
    mut store: impl AsContextMut<Data = State>,
    instance: Instance,
    export: &ModuleExport,
) -> Result<TypedFunc<P, R>, Error> {
    let export = instance.get_module_export(&mut store, export);
    let function: Option<Func> = export.and_then(Extern::into_func);
    // The module was read to have it, with this type: what is left are errors of our own.
    let function = function.ok_or_else(|| Error::msg("an export is gone"))?;
    function.typed(&store)
}

/// Makes an instance of a part and finds its exports.
fn instance(
    store: &mut Store<State>,
    piece: &Piece,
    code: Arc<Code>,
    active: &[(Channel, u16, u16)],
) -> Result<Part, Error> {
    let instance = code.pre.instantiate(&mut *store)?;
    let exports = &code.exports;
    let memory = instance
        .get_module_export(&mut *store, &exports.memory)
        .and_then(Extern::into_memory)
        .ok_or_else(|| Error::msg("the memory is gone"))?;
    let wires = code
        .reading
        .needs
        .iter()
        .map(|&channel| wire(channel, active));
    Ok(Part {
        occurrence: piece.occurrence,
        instance,
        memory,
        alloc: typed(&mut *store, instance, &exports.alloc)?,
        done: typed(&mut *store, instance, &exports.done)?,
        gives: exports
            .gives
            .iter()
            .map(|export| typed(&mut *store, instance, export))
            .collect::<Result<_, _>>()?,
        wires: wires.collect(),
        code,
    })
}

fn wire(channel: Channel, active: &[(Channel, u16, u16)]) -> Wire {
    let at = active.binary_search_by(|(known, _, _)| known.cmp(&channel));
    match at {
        Ok(at) if !is_the_hosts(channel) => Wire::Part {
            part: active[at].1,
            gives: active[at].2,
        },
        _ => Wire::Givers,
    }
}

/// For each channel that is given, who answers: the lowest by (digest, occurrence).
fn active_givers(pieces: &[Piece], codes: &[Arc<Code>]) -> Box<[(Channel, u16, u16)]> {
    let mut order: Vec<usize> = (0..pieces.len()).collect();
    order.sort_by_key(|&at| (pieces[at].digest, pieces[at].occurrence));
    let mut active = Vec::with_capacity(codes.iter().map(|code| code.reading.gives.len()).sum());
    for at in order {
        let gives = codes[at].reading.gives.iter().enumerate();
        active.extend(gives.map(|(gives, &channel)| (channel, index(at), index(gives))));
    }
    // Stable: of those with one channel the first in order stays.
    active.sort_by_key(|&(channel, _, _)| channel);
    active.dedup_by_key(|&mut (channel, _, _)| channel);
    active.into()
}

/// A body has at most `PARTS_MAX` parts, a part at most `PART_LINKS_MAX` links: checked by the engine.
fn index(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}

fn spent() -> Fault {
    Fault::new(
        Kind::Internal,
        "the code of this body ended in the middle of a call and was called again",
    )
}
