//! From a birth to images, and from an image to code; forks.

use std::sync::Arc;

use bytes::Bytes;
use genesis::body::Link;
use genesis::channel::{Channel, Polarity};
use genesis::id::{Digest, VcId};
use genesis::image::{Code, Image, ImagePart};
use genesis::limits::{DEPTH_MAX, PART_CHANNELS_MAX};
use genesis::purse::Purse;
use genesis::refusal::{Code as Why, Refusal};

use crate::behaviour::{Fault, NativeKind, Natives, Program};
use crate::birth::{Birth, CodeBirth};
use crate::cell::{Assembly, Organ, Part, Seat};
use crate::enclave::Enclave;
use crate::modules::Modules;
use crate::sandbox::{Piece, Source};
use crate::shared::Shared;

pub(crate) fn has_code(code: &Code) -> bool {
    matches!(code, Code::Native { .. } | Code::WebAssembly { .. })
}

/// Makes the image that of a fork: another id, the same body and state, the parent recorded.
pub(crate) fn fork_of(image: &mut Image, id: VcId, name: Option<String>) {
    image.lineage.insert(0, image.id);
    image.lineage.truncate(64);
    image.host = image.id;
    image.id = id;
    image.name = name;
    image.nested = false;
    image.sequence = 0;
    image.births = 0;
    // Those in the body are forked with it, under ids of their own, and know one another by these.
    let mut renamed = vec![(image.lineage[0], id)];
    let inner = image.parts.iter().filter_map(Part::inner_image);
    let inner: Vec<Image> = inner.collect();
    for nested in &inner {
        renamed.push((nested.id, id.inner(image.births)));
        image.births += 1;
    }
    let rename = |ids: &mut Vec<VcId>| {
        for id in ids {
            if let Some(&(_, new)) = renamed.iter().find(|(old, _)| old == id) {
                *id = new;
            }
        }
    };
    rename(&mut image.contacts);
    rename(&mut image.reshapers);
    let places = image.parts.iter_mut().filter(|p| p.computer().is_some());
    for ((part, mut nested), &(_, nested_id)) in places.zip(inner).zip(&renamed[1..]) {
        rename(&mut nested.contacts);
        rename(&mut nested.reshapers);
        let name = nested.name.clone();
        fork_of(&mut nested, nested_id, name);
        nested.host = id;
        nested.nested = true;
        part.contents = Bytes::copy_from_slice(nested_id.as_bytes());
        part.enclosed = nested.to_bytes().ok().map(Bytes::from);
    }
}

/// Gives those in the body of a copy their purses, out of the copy's own.
pub(super) fn share_out(image: &mut Image) {
    let mut waiting = image
        .parts
        .iter()
        .filter(|p| p.computer().is_some())
        .count() as u64;
    for part in &mut image.parts {
        let Some(mut inner) = Part::inner_image(part) else {
            continue;
        };
        let share = share_of(image.purse, Purse::ENDLESS, waiting);
        // Not more than is there: a share of each coin.
        inner.purse = image.purse.split(share).unwrap_or(Purse::EMPTY);
        waiting -= 1;
        share_out(&mut inner);
        part.enclosed = inner.to_bytes().ok().map(Bytes::from);
    }
}

/// What a VC in a body asks of its host's purse: what it says or, where it names no end and the host has
/// one, as much as is left to the host and each of the `waiting` who still ask.
pub(crate) fn share_of(host: Purse, wanted: Purse, waiting: u64) -> Purse {
    let share = |host: u64, wanted: u64| {
        if wanted == u64::MAX && host != u64::MAX {
            host / (waiting + 1)
        } else {
            wanted
        }
    };
    Purse {
        fuel: share(host.fuel, wanted.fuel),
        messages: share(host.messages, wanted.messages),
        children: share(host.children, wanted.children),
        outside: share(host.outside, wanted.outside),
        motes: wanted.motes,
    }
}

/// The parts of an image that are native, in the order that decides who gives a channel.
fn organs_of(natives: &Natives, image: &Image) -> Result<Vec<Organ>, Fault> {
    let mut organs = Vec::new();
    for part in &image.parts {
        if !matches!(part.code, Code::Native { .. }) {
            continue;
        }
        let (kind, program) = program_of(natives, part)?;
        organs.push(Organ {
            digest: part.digest(),
            occurrence: part.occurrence,
            gives: kind.gives,
            program,
        });
    }
    organs.sort_by_key(|organ| (organ.digest, organ.occurrence));
    Ok(organs)
}

/// The sandboxed parts of an image, as code is made of them: born, or going on from their states.
pub(super) fn pieces_of(image: &Image) -> Vec<Piece> {
    let piece = |part: &ImagePart| {
        let Code::WebAssembly { module, .. } = part.code else {
            return None;
        };
        Some(Piece {
            occurrence: part.occurrence,
            digest: part.digest(),
            module,
            argument: part.contents.clone(),
            from: part.state.clone().map_or(Source::Birth, Source::Image),
        })
    };
    image.parts.iter().filter_map(piece).collect()
}

/// Sandboxed code of these pieces; their modules are made ready if they are not.
pub(super) fn enclave_of(
    modules: &Modules,
    pieces: Vec<Piece>,
    turn_fuel: u64,
) -> Result<Enclave, Fault> {
    for piece in &pieces {
        modules.facts(piece.module).map_err(Fault::from)?;
    }
    let sandbox = modules.sandbox().map_err(Fault::from)?;
    Enclave::new(Arc::clone(sandbox), pieces, turn_fuel)
}

/// The code of an image, born or with its state.
pub(super) fn seat_of(shared: &Shared, image: &Image) -> Result<Seat, Fault> {
    seat_with(&shared.natives, &shared.modules, image, None)
}

/// The same, one part going on from something else than its state.
pub(crate) fn seat_with(
    natives: &Natives,
    modules: &Modules,
    image: &Image,
    fresh: Option<(u64, Source)>,
) -> Result<Seat, Fault> {
    let mut organs = organs_of(natives, image)?;
    let mut pieces = pieces_of(image);
    if let Some((occurrence, source)) = fresh
        && let Some(piece) = pieces.iter_mut().find(|p| p.occurrence == occurrence)
    {
        piece.from = source;
    }
    if pieces.is_empty() {
        return Ok(match organs.len() {
            0 => Seat::Empty,
            1 => organs
                .pop()
                .map_or(Seat::Empty, |organ| Seat::One(organ.program)),
            _ => Seat::Many(Box::new(Assembly {
                organs,
                enclave: None,
            })),
        });
    }
    let enclave = Box::new(enclave_of(modules, pieces, image.turn_fuel)?);
    Ok(if organs.is_empty() {
        Seat::Enclave(enclave)
    } else {
        Seat::Many(Box::new(Assembly {
            organs,
            enclave: Some(enclave),
        }))
    })
}

/// The program of one part with code.
pub(super) fn program_of(
    natives: &Natives,
    part: &ImagePart,
) -> Result<(NativeKind, Box<dyn Program>), Fault> {
    let Code::Native { name, version } = &part.code else {
        return Err(Fault::new(Why::Untestable, "the part has no code"));
    };
    let kind = natives.get(name, Some(*version)).ok_or_else(|| {
        Fault::new(
            Why::Untestable,
            format!("this node knows no native behaviour {name}/{version}"),
        )
    })?;
    let program = match &part.state {
        Some(state) => kind.load(state)?,
        None => kind.born(&part.contents)?,
    };
    Ok((kind, program))
}

/// A part as it is born.
pub(crate) fn part_of(
    shared: &Shared,
    occurrence: u64,
    part: crate::birth::PartBirth,
) -> Result<ImagePart, Refusal> {
    let (code, contents, decoder, channels) = match part.code {
        CodeBirth::Native {
            name,
            version,
            argument,
        } => {
            let natives = &shared.natives;
            let kind = natives.get(&name, version).ok_or_else(|| {
                let known: Vec<String> = natives.iter().map(|kind| format!("{kind:?}")).collect();
                Refusal::new(
                    Why::Unknown,
                    format!("this node knows no native behaviour `{name}`"),
                )
                .hint(format!("it knows {}", known.join(" ")))
            })?;
            let code = Code::Native {
                name,
                version: kind.version,
            };
            (code, argument, Some(kind.digest()), kind.channels())
        }
        CodeBirth::Data { contents, decoder } => (Code::Data, contents, decoder, Vec::new()),
        CodeBirth::Computer(_) => (Code::Computer, Bytes::new(), None, Vec::new()),
        CodeBirth::WebAssembly { module, argument } => {
            let facts = shared.modules.facts(module)?;
            let code = Code::WebAssembly {
                module,
                bytes: facts.bytes,
            };
            // What can test itself is its own decoder.
            let decoder = facts.tests.then_some(module);
            (code, argument, decoder, facts.links.clone())
        }
    };
    Ok(ImagePart {
        occurrence,
        code,
        role: part.role,
        contents,
        decoder,
        channels,
        state: None,
        enclosed: None,
    })
}

/// The channels that a VC in a body gives to it: those of its sandboxed parts which calls can reach. Its
/// `main`, and what the medium says to it, stay its own.
fn served_by(shared: &Shared, birth: &Birth) -> Result<Vec<Link>, Refusal> {
    let mut links = Vec::new();
    for part in &birth.parts {
        if let CodeBirth::WebAssembly { module, .. } = part.code {
            let facts = shared.modules.facts(module)?;
            let serves = |&&(channel, polarity): &&Link| {
                polarity == Polarity::Gives
                    && !channel.is_of_the_medium()
                    && channel != Channel::MAIN
                    && channel != Channel::REPLY
            };
            links.extend(facts.links.iter().filter(serves).copied());
        }
    }
    links.sort_unstable();
    links.dedup();
    // A part has so many; who gives more gives the first.
    links.truncate(PART_CHANNELS_MAX);
    Ok(links)
}

/// The images of a birth: the VC's, then those of all nested in it.
pub(crate) fn images_of(
    shared: &Shared,
    id: VcId,
    host: VcId,
    nested: bool,
    birth: Birth,
    depth: usize,
) -> Result<Vec<Image>, Refusal> {
    if depth > DEPTH_MAX {
        return Err(Refusal::new(
            Why::TooLarge,
            format!("bodies nest deeper than {DEPTH_MAX}"),
        ));
    }
    let granted: Vec<VcId> = birth.contacts.iter().map(|(_, id)| *id).collect();
    let mut parts = vec![Part::genesis(birth.grants, &granted).to_image(None)];
    let mut contacts: Vec<VcId> = Vec::new();
    let mut contact_names = Vec::new();
    for (name, contact) in birth.contacts {
        if let (Some(name), Ok(at)) = (name, u32::try_from(contacts.len())) {
            contact_names.push((name, at));
        }
        contacts.push(contact);
    }
    let mut births = 0;
    let mut inner: Vec<(Option<String>, VcId, Birth)> = Vec::new();
    for (n, mut part) in birth.parts.into_iter().enumerate() {
        let occurrence = n as u64 + 1;
        let code = std::mem::replace(
            &mut part.code,
            CodeBirth::Data {
                contents: Bytes::new(),
                decoder: None,
            },
        );
        if let CodeBirth::Computer(child) = code {
            let child_id = id.inner(births);
            births += 1;
            let role = part.role.clone().or_else(|| child.name.clone());
            if let (Some(name), Ok(at)) = (role.clone(), u32::try_from(contacts.len())) {
                contact_names.push((name, at));
            }
            contacts.push(child_id);
            let mut image = part_of(shared, occurrence, part)?;
            image.code = Code::Computer;
            image.channels = served_by(shared, &child)?;
            image.role.clone_from(&role);
            image.contents = Bytes::copy_from_slice(child_id.as_bytes());
            parts.push(image);
            inner.push((role, child_id, *child));
        } else {
            part.code = code;
            parts.push(part_of(shared, occurrence, part)?);
        }
    }
    super::bodies::body_of(&parts)?;
    let inner_count = inner.len();
    let siblings: Vec<(Option<String>, VcId)> = inner
        .iter()
        .map(|(role, id, _)| (role.clone(), *id))
        .collect();
    let next_occurrence = parts.len() as u64;
    let durable = birth.durable;
    let mut purse = birth.purse;
    for (n, (_, _, child)) in inner.iter_mut().enumerate() {
        let share = share_of(purse, child.purse, (inner_count - n) as u64);
        child.purse = purse
            .split(share)
            .map_err(|empty| Refusal::new(Why::Budget, empty.to_string()))?;
    }
    let mut images = vec![Image {
        id,
        host,
        nested,
        lineage: Vec::new(),
        name: birth.name,
        description: birth.description,
        parts,
        next_occurrence,
        grants: birth.grants,
        purse,
        contacts,
        contact_names,
        reshapers: birth.reshapers,
        accept: birth.accept,
        goal: birth.goal,
        restart: birth.restart,
        sequence: 0,
        births,
        turns: 0,
        trace: Digest::ZERO,
        timers: Vec::new(),
        record: birth.record,
        idle_ms: birth.idle_ms,
        turn_fuel: birth.turn_fuel,
    }];
    for (role, child_id, mut child) in inner {
        child.grants = child.grants.narrow(birth.grants);
        child.durable = durable;
        child.name = role;
        // Its siblings, under the names that the host gave them; beyond them, only what it was granted.
        child
            .contacts
            .extend(siblings.iter().filter(|(_, id)| *id != child_id).cloned());
        images.extend(images_of(shared, child_id, id, true, child, depth + 1)?);
    }
    Ok(images)
}
