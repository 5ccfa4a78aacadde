//! What sandboxed code may call outside of itself: the medium's channels, and VCs in the same body.
//!
//! Requests and answers are those of `genesis/PROTOCOL.md`, *What the host gives*. Everything goes through
//! the same gate as the effects of natives.

use bytes::Bytes;
use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::image::Code as PartCode;
use genesis::limits::CONTENTS_REFERENCE_MIN;
use genesis::message::Kind;
use genesis::power::{Grants, Power};
use genesis::purse::Purse;
use genesis::refusal::Code;

use super::{CONTENTS_READ, Past};
use crate::behaviour::Fault;
use crate::birth::{Birth, CodeBirth, PartBirth};
use crate::cell::{Part, Seat};
use crate::effects::{Contact, Effects};
use crate::journal::{Call, Failed};
use crate::sandbox::Givers;
use crate::worker::bodies::unwrap;
use crate::worker::images::share_of;

/// The length of the answer of `medium/context`.
const CONTEXT_BYTES: usize = 176;
/// The contact that is the host.
const HOST: u32 = u32::MAX - 1;
/// The contact that is the sender.
const SENDER: u32 = u32::MAX;
/// Contacts from here on were handed over by the message.
const CARRIED: u32 = 1 << 31;

/// A VC in the body of the one that takes a turn: the channels it gives are the body's.
pub(crate) struct Guest {
    pub(crate) id: VcId,
    pub(crate) gives: Vec<Channel>,
    pub(crate) seat: Seat,
    /// How many calls it had answered before this turn.
    pub(crate) mark: u32,
}

/// The calls of a turn to those in its body.
#[derive(Debug)]
pub(crate) enum Calls {
    /// They are answered by those who are there, and noted.
    Made(Vec<Call>),
    /// They were made before, and are answered as they were then.
    Recorded(std::vec::IntoIter<Call>),
}

impl Calls {
    /// Those that were made.
    pub(crate) fn made(self) -> Vec<Call> {
        match self {
            Self::Made(calls) => calls,
            Self::Recorded(_) => Vec::new(),
        }
    }
}

/// The world of a turn.
pub(super) struct TurnHost<'a, 'e> {
    pub(super) effects: &'a mut Effects<'e>,
    pub(super) past: &'a mut Past,
}

impl Givers for TurnHost<'_, '_> {
    fn give(
        &mut self,
        channel: Channel,
        request: &[u8],
        answer: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let outcome = if channel.is_of_the_medium() {
            of_the_medium(self.effects, channel, request, answer)
        } else if channel == CONTENTS_READ {
            read_contents(self.effects, request, answer)
        } else {
            of_a_guest(self.effects, channel, request, answer)
        };
        if outcome.is_ok() {
            self.past.answered(answer);
        }
        outcome
    }
}

/// The world of a VC that serves its host: it acts by its answer only.
pub(super) struct Mute<'a> {
    pub(super) past: &'a mut Past,
}

impl Givers for Mute<'_> {
    fn give(&mut self, channel: Channel, _: &[u8], _: &mut Vec<u8>) -> Result<(), Fault> {
        let _ = &self.past;
        Err(if channel.is_of_the_medium() {
            Fault::new(
                Code::Denied,
                format!("`{channel}`: a VC that serves its host acts by its answer only"),
            )
        } else {
            unmet(channel)
        })
    }
}

pub(super) fn unmet(channel: Channel) -> Fault {
    Fault::new(Code::Unknown, format!("unmet need {channel}"))
}

fn of_a_guest(
    effects: &mut Effects<'_>,
    channel: Channel,
    request: &[u8],
    answer: &mut Vec<u8>,
) -> Result<(), Fault> {
    let calls = match &mut effects.calls {
        Calls::Made(calls) => calls,
        Calls::Recorded(recorded) => {
            let same = |call: &Call| call.channel == channel && call.request == request;
            // Who calls what it did not call then finds nobody.
            let call = recorded.next().filter(same).ok_or_else(|| unmet(channel))?;
            let said = call.answer.map_err(|failed| failed.fault())?;
            answer.extend_from_slice(&said);
            return Ok(());
        }
    };
    let gives = |guest: &&mut Guest| guest.gives.contains(&channel);
    let Some(guest) = effects.guests.iter_mut().find(gives) else {
        return Err(unmet(channel));
    };
    let Some(enclave) = guest.seat.enclave_mut() else {
        return Err(Fault::new(
            Code::Unknown,
            format!(
                "`{channel}` is given by {:?}, which answers messages, not calls",
                guest.id
            ),
        ));
    };
    let start = answer.len();
    let (fuel, outcome) = enclave.serve(channel, request, answer);
    effects.spent += fuel;
    calls.push(Call {
        guest: guest.id,
        channel,
        request: Bytes::copy_from_slice(request),
        answer: match &outcome {
            Ok(_) => Ok(Bytes::copy_from_slice(&answer[start..])),
            Err(fault) => Err(Failed::of(fault)),
        },
    });
    outcome.map(drop)
}

fn read_contents(
    effects: &mut Effects<'_>,
    request: &[u8],
    answer: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut request = Request::of(CONTENTS_READ, request);
    let (offset, len) = (request.u64()?, request.u32()? as usize);
    request.end()?;
    answer.extend_from_slice(&effects.read_contents(offset, len)?);
    Ok(())
}

fn of_the_medium(
    effects: &mut Effects<'_>,
    channel: Channel,
    request: &[u8],
    answer: &mut Vec<u8>,
) -> Result<(), Fault> {
    let name = channel.as_str().strip_prefix("medium/").unwrap_or_default();
    let mut request = Request::of(channel, request);
    match name {
        "context" => context(effects, answer),
        "named" => {
            let name = request.text()?;
            if let Some(Contact::Kept(n)) = effects.named(name) {
                answer.extend_from_slice(&n.to_le_bytes());
            }
        }
        "keep" => {
            let contact = request.contact()?;
            request.end()?;
            put_contact(effects.keep(contact)?, answer);
        }
        "id" => {
            let contact = request.contact()?;
            request.end()?;
            answer.extend_from_slice(effects.id_of(contact)?.as_bytes());
        }
        "random" => answer.extend_from_slice(&effects.random().to_le_bytes()),
        "send" => {
            let (contact, deadline_ms) = (request.contact()?, request.u32()?);
            let channel = request.channel()?;
            let contents = request.rest();
            let sequence = if deadline_ms == 0 {
                effects.send_by(contact, channel, contents)?
            } else {
                effects.ask(contact, channel, contents, u64::from(deadline_ms))?
            };
            answer.extend_from_slice(&sequence.to_le_bytes());
        }
        "forward" => {
            let contact = request.contact()?;
            request.end()?;
            answer.extend_from_slice(&effects.forward(contact)?.to_le_bytes());
        }
        "hand" => {
            let sequence = request.u64()?;
            let mut contacts = Vec::new();
            while !request.is_empty() {
                contacts.push(request.contact()?);
            }
            effects.hand_over(sequence, &contacts)?;
        }
        "emit" => effects.emit(request.rest())?,
        "after" => {
            let (delay_ms, tag) = (request.u64()?, request.u64()?);
            request.end()?;
            effects.after(delay_ms, tag)?;
        }
        "spawn" => {
            let bits = request.u16()?;
            let purse = share_of(effects.standing.purse, request.purse()?, 1);
            let name = request.name()?;
            let argument = Bytes::copy_from_slice(request.rest());
            let birth = Birth {
                name,
                parts: likeness(effects.parts, &argument),
                grants: Power::ALL
                    .into_iter()
                    .filter(|&power| bits & 1 << power as u16 != 0)
                    .collect::<Grants>(),
                purse,
                durable: effects.durable,
                turn_fuel: effects.turn_fuel,
                ..Birth::default()
            };
            put_contact(effects.spawn(birth)?, answer);
        }
        "fork" => {
            let purse = share_of(effects.standing.purse, request.purse()?, 1);
            request.end()?;
            put_contact(effects.fork(purse)?, answer);
        }
        "internalize" => {
            let part = unwrap(request.rest()).map_err(|why| Fault::new(why.code, why.what))?;
            effects.internalize(part)?;
        }
        "strip" => {
            let occurrence = request.u64()?;
            request.end()?;
            effects.strip(occurrence)?;
        }
        "watch" => {
            let (contact, link) = (request.contact()?, request.u8()?);
            request.end()?;
            effects.watch(contact, link != 0)?;
        }
        "stop" => effects.stop()?,
        "fail" => {
            let why = String::from_utf8_lossy(request.rest()).into_owned();
            return Err(Fault::new(Code::Fault, why));
        }
        _ => return Err(unmet(channel)),
    }
    Ok(())
}

/// The channels of the medium that need no power.
pub(crate) const FREE: [&str; 7] = [
    "medium/context",
    "medium/named",
    "medium/keep",
    "medium/id",
    "medium/random",
    "medium/stop",
    "medium/fail",
];
/// Those that the power `send` opens beside its own.
pub(crate) const WITH_SEND: [&str; 2] = ["medium/forward", "medium/hand"];

fn context(effects: &Effects<'_>, answer: &mut Vec<u8>) {
    let letter = effects.letter;
    let start = answer.len();
    let kind: u32 = match letter.kind {
        Kind::Reply => 1,
        Kind::Bounce => 2,
        Kind::Notice => 3,
        _ => 0,
    };
    let carried = letter
        .extra
        .as_deref()
        .map_or(0, |extra| extra.contacts.len());
    let by_reference = u32::from(letter.contents.total() > CONTENTS_REFERENCE_MIN as u64);
    answer.extend_from_slice(&letter.sent_at.0.to_le_bytes());
    answer.extend_from_slice(&effects.turn().to_le_bytes());
    answer.extend_from_slice(&kind.to_le_bytes());
    answer.extend_from_slice(&effects.contacts_len().to_le_bytes());
    answer.extend_from_slice(&u32::try_from(carried).unwrap_or(u32::MAX).to_le_bytes());
    answer.extend_from_slice(&by_reference.to_le_bytes());
    answer.extend_from_slice(&letter.answers.to_le_bytes());
    answer.extend_from_slice(&letter.contents.total().to_le_bytes());
    answer.extend_from_slice(letter.from.as_bytes());
    answer.extend_from_slice(effects.me.id.as_bytes());
    answer.extend_from_slice(effects.host.id.as_bytes());
    let name = letter.channel.as_str().as_bytes();
    answer.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    answer.extend_from_slice(name);
    answer.resize(start + CONTEXT_BYTES, 0);
}

/// The parts of a body as it was born, the one that gives `main` with another argument.
fn likeness(parts: &[Part], argument: &Bytes) -> Vec<PartBirth> {
    let gives_main = |part: &&Part| {
        let main = (Channel::MAIN, genesis::channel::Polarity::Gives);
        matches!(part.code, PartCode::WebAssembly { .. }) && part.channels.contains(&main)
    };
    let changed = parts.iter().find(gives_main).map(|part| part.occurrence);
    let birth = |part: &Part| {
        let contents = if Some(part.occurrence) == changed {
            argument.clone()
        } else {
            part.contents.clone()
        };
        let code = match &part.code {
            PartCode::WebAssembly { module, .. } => CodeBirth::WebAssembly {
                module: *module,
                argument: contents,
            },
            PartCode::Native { name, version } => CodeBirth::Native {
                name: name.clone(),
                version: Some(*version),
                argument: contents,
            },
            PartCode::Data => CodeBirth::Data {
                contents,
                decoder: part.decoder,
            },
            // Those in a body are not copied by its code; the genesis part is given to everyone.
            _ => return None,
        };
        Some(PartBirth {
            role: part.role.clone(),
            code,
        })
    };
    parts.iter().filter_map(birth).collect()
}

fn put_contact(contact: Contact, answer: &mut Vec<u8>) {
    if let Contact::Kept(n) = contact {
        answer.extend_from_slice(&n.to_le_bytes());
    }
}

/// A request as it is read, field by field.
struct Request<'a> {
    channel: Channel,
    bytes: &'a [u8],
}

impl<'a> Request<'a> {
    const fn of(channel: Channel, bytes: &'a [u8]) -> Self {
        Self { channel, bytes }
    }

    fn short(&self, wanted: usize) -> Fault {
        Fault::malformed(format!(
            "a request to `{}` ends {} bytes early",
            self.channel,
            wanted - self.bytes.len()
        ))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (bytes, rest) = self
            .bytes
            .split_at_checked(len)
            .ok_or_else(|| self.short(len))?;
        self.bytes = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (bytes, rest) = self
            .bytes
            .split_first_chunk()
            .ok_or_else(|| self.short(N))?;
        self.bytes = rest;
        Ok(*bytes)
    }

    fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    fn contact(&mut self) -> Result<Contact, Fault> {
        Ok(match self.u32()? {
            SENDER => Contact::Sender,
            HOST => Contact::Host,
            carried if carried >= CARRIED => Contact::Carried(carried - CARRIED),
            kept => Contact::Kept(kept),
        })
    }

    fn purse(&mut self) -> Result<Purse, Fault> {
        Ok(Purse {
            fuel: self.u64()?,
            messages: self.u64()?,
            children: self.u64()?,
            outside: 0,
            motes: 0,
        })
    }

    fn channel(&mut self) -> Result<Channel, Fault> {
        let name = self.short_text()?;
        name.parse()
            .map_err(|error: genesis::channel::ChannelError| Fault::malformed(error.to_string()))
    }

    fn name(&mut self) -> Result<Option<String>, Fault> {
        let name = self.short_text()?;
        Ok((!name.is_empty()).then(|| name.to_owned()))
    }

    /// Text after its length in one byte.
    fn short_text(&mut self) -> Result<&'a str, Fault> {
        let len = usize::from(self.u8()?);
        utf8(self.take(len)?)
    }

    fn text(&mut self) -> Result<&'a str, Fault> {
        utf8(self.rest())
    }

    const fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes;
        self.bytes = &[];
        rest
    }

    const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn end(&self) -> Result<(), Fault> {
        match self.bytes.len() {
            0 => Ok(()),
            extra => Err(Fault::malformed(format!(
                "a request to `{}` has {extra} bytes too many",
                self.channel
            ))),
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| Fault::malformed(error.to_string()))
}
