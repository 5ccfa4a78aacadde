//! How a request becomes a VC: from a pod, a text, a native behaviour, sandboxed code, an image or a
//! message to a [`Birth`].
//!
//! What a pod asks for and what it gets are two things. Powers that harm nobody
//! ([`Grants::HARMLESS`]) it gets; others are *withheld*, and shown, unless whoever spawns it names
//! them. Pods in the binary come with the program and get all they ask for.

use std::collections::BTreeMap;

use actors::birth::{Birth, CodeBirth, PartBirth};
use actors::runtime::Runtime;
use actors::view::Consent;
use bytes::Bytes;
use genesis::export::{self, ExportError};
use genesis::id::{MessageId, VcId};
use genesis::image::{Code as PartCode, Image};
use genesis::limits::{JOURNAL_LEN_DEFAULT, JOURNAL_LEN_MAX, TURN_FUEL_GRANT_MAX};
use genesis::literal::{self, Lifted};
use genesis::message::Kind;
use genesis::power::{Grants, Power};
use genesis::purse::{Coin, Purse};
use genesis::refusal::{Code, Refusal};
use genesis::seal::SealError;

use crate::compute;
use crate::dormitory::{PodBeds, Sleeper};
use crate::name;
use crate::outside::Programs;
use crate::stripped::{Stripped, whereabouts};

mod pod;
pub(crate) mod program;
mod request;

pub use pod::{PARTS_BYTES_MAX, program_of};
pub use request::{Source, SpawnRequest, Spawned};

use pod::{lift_pod, open_embedded, read_pod};

/// What a node allows and can do.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Whether anything survives the node.
    pub durable: bool,
    /// Largest contents it accepts, in bytes.
    pub contents_bytes_max: u64,
}

/// Spawns what a request asks for.
///
/// # Errors
/// [`Code::Malformed`] and [`Code::TooLarge`] for what is wrong with request or pod,
/// [`Code::Unknown`] for a pod, message or contact there is not, and whatever the runtime refuses.
pub(crate) async fn spawn(
    runtime: &Runtime,
    beds: &PodBeds,
    programs: &Programs,
    policy: Policy,
    request: SpawnRequest,
) -> Result<Spawned, Refusal> {
    if let Some(record) = request.record.filter(|&record| record > JOURNAL_LEN_MAX) {
        let what = format!("a journal keeps at most {JOURNAL_LEN_MAX} messages, not {record}");
        return Err(Refusal::new(Code::TooLarge, what));
    }
    if let Some(fuel) = request.turn_fuel.filter(|&fuel| fuel > TURN_FUEL_GRANT_MAX) {
        let what = format!("a turn can be granted at most {TURN_FUEL_GRANT_MAX} fuel, not {fuel}");
        return Err(Refusal::new(Code::TooLarge, what).hint("let it do its work in several turns"));
    }
    if let Some(name) = &request.name {
        name::given(name)?;
    }
    let relations = Relations::of(runtime, &request).await?;
    let mut gate = Gate {
        named: named_powers(&request.grants)?,
        trusted: false,
        withheld: Grants::NONE,
    };
    let mut durable = policy.durable && !request.volatile;
    let (mut birth, part) = match made_from(runtime, beds, policy, &request.pod, &mut gate).await? {
        Made::Frozen(frozen) => {
            return thaw(runtime, programs, gate, durable, request, relations, frozen).await;
        }
        Made::Born(birth) => (birth, None),
        // A body of nothing but its genesis part, into which the part is taken.
        Made::Adopted(part) => (
            Box::new(Birth {
                durable: true,
                ..Birth::default()
            }),
            Some(part),
        ),
    };
    durable &= birth.durable;
    birth.grants = birth.grants.union(gate.named);
    birth.purse = spend(birth.purse, &request.purse)?;
    birth.turn_fuel = request.turn_fuel.unwrap_or(birth.turn_fuel);
    birth.own_actor = request.own_actor;
    birth.reshapers.extend(relations.reshapers);
    for (name, id) in relations.contacts {
        birth
            .contacts
            .retain(|(known, _)| known.as_ref() != Some(&name));
        birth.contacts.push((Some(name), id));
    }
    set_durable(&mut birth, durable);
    if let Some(record) = request.record {
        // Its owner's word goes before its pod's.
        birth.record = if record == 0 { NO_JOURNAL } else { record };
    }
    set_record(&mut birth, request.record);
    let (name, taken) = free_name(runtime, request.name, birth.name.take()).await;
    if is_desk(&birth) && name.as_deref() != Some(compute::NAME) {
        let what = format!(
            "who runs jobs looks for them at a VC called `{}`",
            compute::NAME
        );
        return Err(Refusal::new(Code::Conflict, what).hint(format!(
            "`--name {0}`; if there is one, `medium remove --force {0}` makes room",
            compute::NAME
        )));
    }
    birth.name.clone_from(&name);
    let granted = request.outside.unwrap_or_default();
    let plans = program::plan(programs, &birth, &granted, request.expect.as_deref())?;
    let id = runtime.spawn(*birth).await?;
    if let Some(part) = part
        && let Err(refusal) = runtime.adopt(id, part, Consent::Override).await
    {
        // Nobody shall find a VC that came to nothing.
        runtime.stop_vc(id).await?;
        runtime.remove(id).await?;
        return Err(refusal);
    }
    let mut spawned = gate.spawned(id, name, taken);
    spawned.programs = program::begin(runtime, programs, id, plans, &granted).await?;
    Ok(spawned)
}

/// Whether a VC is one that keeps orders of jobs.
fn is_desk(birth: &Birth) -> bool {
    birth
        .parts
        .iter()
        .any(|part| matches!(&part.code, CodeBirth::Native { name, .. } if name == compute::NATIVE))
}

/// What a source turns out to be.
enum Made {
    /// A VC to be born; `durable` says whether it may outlive the node.
    Born(Box<Birth>),
    /// A frozen VC.
    Frozen(Frozen),
    /// A part that was stripped.
    Adopted(MessageId),
}

/// The bytes of a frozen VC.
enum Frozen {
    /// A file: image, digest and signature.
    File(Bytes),
    /// The contents of a strong message, which was checked when it came.
    Contents(Bytes),
    /// The image in a pod, which was verified when it was read.
    Image {
        image: Box<Image>,
        /// Whether it goes on as a fork.
        fork: bool,
    },
}

/// Whom a VC is to know, and who may change it, as the request names them.
#[derive(Default)]
struct Relations {
    reshapers: Vec<VcId>,
    contacts: Vec<(String, VcId)>,
}

impl Relations {
    async fn of(runtime: &Runtime, request: &SpawnRequest) -> Result<Self, Refusal> {
        let mut relations = Self::default();
        for reshaper in &request.reshapers {
            let id = runtime.resolve(reshaper).await?;
            if !relations.reshapers.contains(&id) {
                relations.reshapers.push(id);
            }
        }
        for (name, contact) in &request.contacts {
            name::given(name)?;
            let id = runtime.resolve(contact).await?;
            relations.contacts.push((name.clone(), id));
        }
        Ok(relations)
    }
}

/// What a VC shall be called: what its owner says, even if that is taken and so refused; else what it
/// brings with it, unless that is taken, which is given back then.
async fn free_name(
    runtime: &Runtime,
    given: Option<String>,
    own: Option<String>,
) -> (Option<String>, Option<String>) {
    match own {
        _ if given.is_some() => (given, None),
        Some(own) if runtime.resolve(&own).await.is_ok() => (None, Some(own)),
        own => (own, None),
    }
}

async fn made_from(
    runtime: &Runtime,
    beds: &PodBeds,
    policy: Policy,
    source: &Source,
    gate: &mut Gate,
) -> Result<Made, Refusal> {
    let pod = match source {
        Source::Path(path) => read_pod(path.clone()).await?,
        Source::Embedded(name) => {
            gate.trusted = true;
            open_embedded(name)?
        }
        Source::Text(text) => return Ok(Made::Born(spoken(text.clone()))),
        Source::Native {
            name,
            version,
            argument,
        } => {
            let argument = Bytes::copy_from_slice(argument.as_bytes());
            let code = CodeBirth::Native {
                name: name.clone(),
                version: *version,
                argument,
            };
            return Ok(Made::Born(alone(code, Grants::HARMLESS)));
        }
        Source::WebAssembly { part, name } => {
            let code = part.clone().code(runtime).await?;
            let mut birth = alone(code, Grants::HARMLESS);
            if let Some(name) = name {
                name::given(name)?;
                birth.name = Some(name.clone());
            }
            return Ok(Made::Born(birth));
        }
        Source::Image(bytes) => return Ok(Made::Frozen(Frozen::File(bytes.clone()))),
        Source::Message(text) => return message(runtime, text).await,
        Source::Reference { place, fork } => {
            let (beds, place, fork) = (beds.clone(), place.clone(), *fork);
            match blocking(move || beds.look(&place)).await? {
                Sleeper::Frozen(image) => {
                    return Ok(Made::Frozen(Frozen::Image { image, fork }));
                }
                Sleeper::Directory(pod) => *pod,
            }
        }
    };
    let durable = pod.durable != Some(false);
    let birth = lift_pod(runtime, policy, pod, gate).await?;
    Ok(Made::Born(Box::new(Birth { durable, ..birth })))
}

/// What a message carries: a frozen VC, a part, or a literal.
async fn message(runtime: &Runtime, text: &str) -> Result<Made, Refusal> {
    let id: MessageId = text
        .parse()
        .map_err(|error| Refusal::new(Code::Malformed, format!("`message`: {error}")))?;
    // The messages of others are not kept; what they strip, the scavenger holds.
    let seen = runtime.message(id);
    let seen = seen.filter(|seen| seen.message.header().kind != Kind::Stripped);
    let Some(seen) = seen else {
        let gone =
            |what: &str, hint: &str| Err(Refusal::new(Code::Unknown, what).who(id).hint(hint));
        return match whereabouts(runtime, id).await? {
            Some(Stripped::Held) => Ok(Made::Adopted(id)),
            Some(Stripped::Adopted) => gone(
                "another body took in the part in this message",
                "strip it there, and give the message that `medium strip` prints",
            ),
            Some(Stripped::Removed) => gone(
                "the part in this message was removed: nobody took it in in time",
                "strip another one",
            ),
            None => gone(
                "this node knows no such message",
                "the messages you sent of late, and parts that were stripped, can be spawned",
            ),
        };
    };
    let kind = seen.message.header().kind;
    let contents = seen.message.contents().cloned().ok_or_else(|| {
        Refusal::new(
            Code::TooLarge,
            format!("the contents of {id} are too long to be a VC: they are not in the message"),
        )
        .who(id)
    })?;
    Ok(match kind {
        Kind::Computer => Made::Frozen(Frozen::Contents(contents)),
        _ => Made::Born(spoken(contents)),
    })
}

/// Decides over powers, and remembers what it withheld.
#[derive(Clone, Copy)]
struct Gate {
    /// Named by whoever spawns.
    named: Grants,
    /// Whether all that is asked for is granted.
    trusted: bool,
    withheld: Grants,
}

impl Gate {
    fn grant(&mut self, asked: Grants) -> Grants {
        if self.trusted {
            return asked;
        }
        let granted = asked.narrow(Grants::HARMLESS.union(self.named));
        self.withheld = self.withheld.union(asked.without(granted));
        granted
    }

    fn spawned(self, id: VcId, name: Option<String>, name_taken: Option<String>) -> Spawned {
        let withheld = self
            .withheld
            .iter()
            .map(|power| power.to_string())
            .collect();
        Spawned {
            id: id.to_string(),
            name,
            name_taken,
            withheld,
            programs: Vec::new(),
        }
    }
}

fn named_powers(names: &[String]) -> Result<Grants, Refusal> {
    names
        .iter()
        .map(|name| name.parse::<Power>())
        .collect::<Result<Grants, _>>()
        .map_err(|error| Refusal::new(Code::Malformed, error.to_string()))
}

/// A VC that says a literal.
fn spoken(bytes: impl Into<Bytes>) -> Box<Birth> {
    alone(literal_code(bytes), Grants::HARMLESS)
}

/// A VC of one part.
fn alone(code: CodeBirth, grants: Grants) -> Box<Birth> {
    let parts = vec![PartBirth { role: None, code }];
    Box::new(Birth {
        parts,
        grants,
        durable: true,
        ..Birth::default()
    })
}

/// The shared VC that every literal is, with the bytes as its argument.
fn literal_code(bytes: impl Into<Bytes>) -> CodeBirth {
    let Lifted { code, argument } = literal::lift(bytes);
    CodeBirth::Native {
        name: code.name.into_owned(),
        version: Some(code.version),
        argument,
    }
}

/// Says whether a VC survives the node, and with it all in its body.
fn set_durable(birth: &mut Birth, durable: bool) {
    birth.durable = durable;
    for part in &mut birth.parts {
        if let CodeBirth::Computer(inner) = &mut part.code {
            set_durable(inner, durable);
        }
    }
}

/// What [`Birth::record`] is until it is known who is durable, of a VC that wants no journal.
const NO_JOURNAL: u32 = u32::MAX;

/// Says how many messages a VC and those in its body record, where they do not say so themselves: `asked`,
/// or as many as durable ones do.
fn set_record(birth: &mut Birth, asked: Option<u32>) {
    birth.record = match (birth.record, asked) {
        (NO_JOURNAL, _) => 0,
        (0, Some(asked)) => asked,
        (0, None) if birth.durable => JOURNAL_LEN_DEFAULT,
        (record, _) => record,
    };
    for part in &mut birth.parts {
        if let CodeBirth::Computer(inner) = &mut part.code {
            set_record(inner, asked);
        }
    }
}

fn spend(mut purse: Purse, wanted: &BTreeMap<Coin, Option<u64>>) -> Result<Purse, Refusal> {
    for (&coin, &amount) in wanted {
        if coin == Coin::Motes && amount.is_none_or(|amount| amount == u64::MAX) {
            let what = "`motes` are money: of them there is an end";
            return Err(Refusal::new(Code::Malformed, what).hint("give a number"));
        }
        let amount = amount.unwrap_or(u64::MAX);
        match coin {
            Coin::Fuel => purse.fuel = amount,
            Coin::Messages => purse.messages = amount,
            Coin::Children => purse.children = amount,
            Coin::Outside => purse.outside = amount,
            Coin::Motes => purse.motes = amount,
        }
    }
    Ok(purse)
}

/// Brings a frozen VC back, with the powers it may have here.
async fn thaw(
    runtime: &Runtime,
    programs: &Programs,
    mut gate: Gate,
    durable: bool,
    request: SpawnRequest,
    relations: Relations,
    frozen: Frozen,
) -> Result<Spawned, Refusal> {
    if request.own_actor {
        return Err(Refusal::new(
            Code::Malformed,
            "where a frozen VC is hosted cannot be chosen",
        )
        .hint("leave out `own_actor`"));
    }
    let SpawnRequest {
        name,
        purse,
        record,
        turn_fuel,
        outside,
        expect,
        ..
    } = request;
    let fork = matches!(frozen, Frozen::Image { fork: true, .. });
    let (mut image, gate) = blocking(move || {
        let mut image = match frozen {
            Frozen::Image { image, .. } => *image,
            Frozen::File(file) => {
                export::read(&file)
                    .map_err(|error| not_an_export(&error))?
                    .0
            }
            Frozen::Contents(bytes) => {
                Image::from_bytes(&bytes).map_err(|error| not_an_image(&error))?
            }
        };
        narrow_image(&mut image, &mut gate)?;
        relate(&mut image, relations);
        image.grants = image.grants.union(gate.named);
        image.purse = spend(image.purse, &purse)?;
        image.record = record.unwrap_or(image.record);
        image.turn_fuel = turn_fuel.unwrap_or(image.turn_fuel);
        Ok((image, gate))
    })
    .await?;
    let (name, taken) = free_name(runtime, name, image.name.take()).await;
    // What it takes along must be granted here, like what is born here.
    let granted = outside.unwrap_or_default();
    let called = name.as_deref().or(taken.as_deref());
    let plans = program::plan_image(programs, &image, called, &granted, expect.as_deref())?;
    let id = runtime.thaw(image, name.clone(), durable, fork).await?;
    let mut spawned = gate.spawned(id, name, taken);
    spawned.programs = program::begin(runtime, programs, id, plans, &granted).await?;
    Ok(spawned)
}

/// Makes known to a frozen VC whom it is to know, and who may change it.
fn relate(image: &mut Image, relations: Relations) {
    for reshaper in relations.reshapers {
        if !image.reshapers.contains(&reshaper) {
            image.reshapers.push(reshaper);
        }
    }
    for (name, id) in relations.contacts {
        image.contact_names.retain(|(known, _)| *known != name);
        // A VC has far fewer contacts than a `u32` counts.
        let place = u32::try_from(image.contacts.len()).unwrap_or(u32::MAX);
        image.contacts.push(id);
        image.contact_names.push((name, place));
    }
}

fn narrow_image(image: &mut Image, gate: &mut Gate) -> Result<(), Refusal> {
    image.grants = gate.grant(image.grants);
    for part in &mut image.parts {
        if part.code != PartCode::Computer {
            continue;
        }
        if let Some(bytes) = &mut part.enclosed {
            let mut inner = Image::from_bytes(bytes).map_err(|error| not_an_image(&error))?;
            narrow_image(&mut inner, gate)?;
            let narrowed = inner.to_bytes();
            *bytes = narrowed
                .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?
                .into();
        }
    }
    Ok(())
}

fn not_an_export(error: &ExportError) -> Refusal {
    let hint = "`medium freeze <vc> -o FILE` writes one";
    match error {
        ExportError::NotAnExport => Refusal::new(
            Code::Malformed,
            format!("this is not the file of a frozen VC: {error}"),
        )
        .hint(hint),
        ExportError::Seal(SealError::Signature { .. }) => Refusal::new(
            Code::Signature,
            format!("this frozen VC is not as it was signed: {error}"),
        )
        .hint("take it from where it was frozen again"),
        _ => Refusal::new(
            Code::Malformed,
            format!("this frozen VC is damaged: {error}"),
        )
        .hint("take it from where it was frozen again"),
    }
}

fn not_an_image(error: &genesis::wire::DecodeError) -> Refusal {
    Refusal::new(Code::Malformed, format!("this is not a frozen VC: {error}"))
        .hint("`medium freeze <vc> -o FILE` writes one")
}

/// Runs what reads files, or many bytes, where it delays nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Refusal::new(Code::Internal, format!("a task failed: {error}")))?
}
