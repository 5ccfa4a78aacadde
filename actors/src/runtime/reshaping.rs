//! Changes of bodies on the owner's behalf, each a message to the VC.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use genesis::id::{MessageId, VcId};
use genesis::message::Kind;
use genesis::refusal::{Code, Refusal};
use genesis::wire;
use tokio::sync::oneshot;

use super::{RESHAPE_MS, Runtime, from_store};
use crate::birth::PartBirth;
use crate::letter::Letter;
use crate::log::Slice;
use crate::sandbox::ModuleFacts;
use crate::store::{Op, Table};
use crate::view::{Consent, Outgoing, Reshaped, Stripped, Trial};
use crate::worker::bodies::wrap;
use crate::worker::images::part_of;
use crate::worker::reshape::{FUEL, OCCURRENCE, OVERRIDE, REPLAY};

impl Runtime {
    /// Takes a part into a body, after it was tested, or on the owner's account; gives its occurrence.
    ///
    /// # Errors
    /// [`Refusal`] `untestable`, or the part failed its test, or a bound.
    pub async fn internalize(
        &self,
        id: VcId,
        part: PartBirth,
        consent: Consent,
    ) -> Result<Reshaped, Refusal> {
        let part = part_of(&self.shared, 0, part)?;
        let said = self.reshape(
            id,
            Kind::Internalize,
            wrap(&part)?.to_bytes(),
            None,
            consent,
        );
        let (said, fuel) = said.await?;
        let occurrence = number(&said)?;
        Ok(Reshaped { occurrence, fuel })
    }

    /// Lets a VC adopt a part that another stripped and the scavenger holds; gives its occurrence.
    ///
    /// # Errors
    /// [`Refusal`]: nobody holds it, or the adopter refused it; it then stays with the scavenger.
    pub async fn adopt(
        &self,
        id: VcId,
        stripped: MessageId,
        consent: Consent,
    ) -> Result<Reshaped, Refusal> {
        let mut letter = self.letter(
            Outgoing::new(self.shared.scavenger, format!("give {stripped}")),
            self.shared.gateway.next_sequence(),
            None,
        )?;
        letter.extra_mut().contacts.push(id);
        if let Some((name, value)) = fact_of(consent) {
            letter.extra_mut().metadata.insert(name.to_owned(), value);
        }
        let sequence = letter.sequence;
        let answer = self.shared.gateway.expect(sequence);
        let to = letter.to;
        self.settled_on(to, move |worker| worker.admit(letter, None))
            .await?;
        let said = self.answered(sequence, answer).await?;
        if let Some(why) = said.strip_prefix(b"refused: ".as_slice()) {
            let why = String::from_utf8_lossy(why).into_owned();
            return Err(Refusal::new(Code::Fault, why)
                .who(id)
                .hint("`medium explain` shows the part; on your own account: --override"));
        }
        let (occurrence, fuel) = said.split_at_checked(8).unwrap_or((&said, &[]));
        let fuel = fuel.try_into().map_or(0, u64::from_le_bytes);
        let occurrence = number(occurrence)?;
        Ok(Reshaped { occurrence, fuel })
    }

    /// Replaces a part by a newer one, under the same occurrence; with no occurrence, the part of the
    /// same name or role.
    ///
    /// # Errors
    /// As [`Runtime::internalize`].
    pub async fn upgrade(
        &self,
        id: VcId,
        occurrence: Option<u64>,
        part: PartBirth,
        consent: Consent,
    ) -> Result<Reshaped, Refusal> {
        let part = part_of(&self.shared, 0, part)?;
        let contents = wrap(&part)?.to_bytes();
        let said = self.reshape(id, Kind::Upgrade, contents, occurrence, consent);
        let (said, fuel) = said.await?;
        let occurrence = number(&said)?;
        Ok(Reshaped { occurrence, fuel })
    }

    /// Tries a part on a VC, which is not touched: what it says of itself, what the VC's judge says of it
    /// and, if asked for, what would have come of the VC's last `replay` messages. With no occurrence it is
    /// tried in the place of the part of the same name or role, or else as one part more.
    ///
    /// # Errors
    /// [`Refusal`] if it can never be a part of that body, or the VC is not a cell.
    pub async fn try_part(
        &self,
        id: VcId,
        occurrence: Option<u64>,
        part: PartBirth,
        replay: Option<u32>,
    ) -> Result<Trial, Refusal> {
        let part = part_of(&self.shared, 0, part)?;
        self.on(id, move |worker| {
            worker.try_part(id, occurrence, &part, replay)
        })
        .await?
    }

    /// Reads a module and keeps it under its digest, so that parts can be made of it; once this returns it
    /// is on disk, if there is a store. Compiles it if it is new: slow, so not on a worker.
    ///
    /// # Errors
    /// [`Refusal`] if this runtime has no sandbox, or that refuses it.
    pub async fn bring(&self, module: Bytes) -> Result<Arc<ModuleFacts>, Refusal> {
        let shared = Arc::clone(&self.shared);
        let bytes = module.clone();
        let read = tokio::task::spawn_blocking(move || shared.modules.bring(bytes)).await;
        let facts = read.map_err(|error| Refusal::new(Code::Internal, error.to_string()))??;
        if let Some(log) = &self.shared.log {
            let key = facts.digest.0.to_vec();
            let stored = log.store().get(Table::Contents, &key).map_err(from_store)?;
            if stored.is_none() {
                let mut slice = Slice::default();
                slice.ops.push(Op::Put {
                    table: Table::Contents,
                    key,
                    value: module.to_vec(),
                });
                let number = log.append(&mut slice);
                log.want(number);
                log.settled(number).await?;
            }
        }
        Ok(facts)
    }

    /// Takes a part out of a body and broadcasts it; gives the message it is wrapped in.
    ///
    /// # Errors
    /// [`Refusal`] if the body has no such part, or it is a VC.
    pub async fn strip(&self, id: VcId, occurrence: u64) -> Result<Stripped, Refusal> {
        let part = self
            .on(id, move |worker| worker.part_digest(id, occurrence))
            .await??;
        let contents = [part.0.as_slice(), &occurrence.to_le_bytes()].concat();
        let (said, fuel) = self
            .reshape(id, Kind::Deprecate, contents.into(), None, Consent::Judge)
            .await?;
        let messages: Vec<MessageId> = wire::decode_prefix(&said)
            .map_err(|error| Refusal::new(Code::Internal, format!("the answer: {error}")))?
            .0;
        let message = messages.first().copied().ok_or_else(|| {
            Refusal::new(Code::Internal, "the part was stripped and no message named")
        })?;
        Ok(Stripped { message, fuel })
    }

    pub(super) async fn reshape(
        &self,
        id: VcId,
        kind: Kind,
        contents: Bytes,
        occurrence: Option<u64>,
        consent: Consent,
    ) -> Result<(Bytes, u64), Refusal> {
        let mut outgoing = Outgoing {
            kind,
            ..Outgoing::new(id, contents)
        };
        if let Some(occurrence) = occurrence {
            let value = Bytes::copy_from_slice(&occurrence.to_le_bytes());
            outgoing.metadata.insert(OCCURRENCE.to_owned(), value);
        }
        let fact = match consent {
            Consent::Judge => None,
            Consent::Replay(last) => Some((REPLAY, Bytes::copy_from_slice(&last.to_le_bytes()))),
            Consent::Override => Some((OVERRIDE, Bytes::from_static(b"owner"))),
        };
        if let Some((name, value)) = fact {
            outgoing.metadata.insert(name.to_owned(), value);
        }
        let answer = self.ask(outgoing, RESHAPE_MS).await?;
        let fuel = answer
            .reply
            .as_ref()
            .and_then(|reply| reply.extra.as_ref()?.metadata.get(FUEL))
            .and_then(|bytes| bytes.as_ref().try_into().ok())
            .map_or(0, u64::from_le_bytes);
        contents_of(answer.reply).map(|said| (said, fuel))
    }

    pub(super) async fn answered(
        &self,
        sequence: u64,
        answer: oneshot::Receiver<(Letter, u64)>,
    ) -> Result<Bytes, Refusal> {
        let waited = tokio::time::timeout(Duration::from_millis(RESHAPE_MS), answer).await;
        let Ok(Ok((letter, slice))) = waited else {
            self.shared.gateway.give_up(sequence);
            return contents_of(None);
        };
        if let (Some(log), true) = (&self.shared.log, slice > 0) {
            log.settled(slice).await?;
        }
        contents_of(Some(letter))
    }
}

/// The fact by which a message says on whose word a part comes in.
fn fact_of(consent: Consent) -> Option<(&'static str, Bytes)> {
    match consent {
        Consent::Judge => None,
        Consent::Replay(last) => Some((REPLAY, Bytes::copy_from_slice(&last.to_le_bytes()))),
        Consent::Override => Some((OVERRIDE, Bytes::from_static(b"owner"))),
    }
}

pub(super) fn number(said: &[u8]) -> Result<u64, Refusal> {
    said.try_into()
        .map(u64::from_le_bytes)
        .map_err(|_| Refusal::new(Code::Internal, "the answer is not an occurrence"))
}

/// The contents of an answer, or the refusal that a bounce carries.
pub(super) fn contents_of(reply: Option<Letter>) -> Result<Bytes, Refusal> {
    let Some(reply) = reply else {
        return Err(
            Refusal::new(Code::Timeout, format!("no answer within {RESHAPE_MS} ms"))
                .hint("the VC may have much mail to handle first; see `medium show`"),
        );
    };
    match reply.refusal() {
        Some(why) => Err(why),
        None => Ok(reply.contents.to_bytes()),
    }
}
