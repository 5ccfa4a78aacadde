//! Changes of bodies on the owner's behalf, each a message to the VC.

use std::time::Duration;

use bytes::Bytes;
use genesis::id::{MessageId, VcId};
use genesis::message::Kind;
use genesis::refusal::{Code, Refusal};
use genesis::wire;
use tokio::sync::oneshot;

use super::{RESHAPE_MS, Runtime};
use crate::birth::PartBirth;
use crate::letter::Letter;
use crate::view::Outgoing;
use crate::worker::images::part_of;
use crate::worker::reshape::{OCCURRENCE, OVERRIDE, wrap};

impl Runtime {
    /// Takes a part into a body, after it was tested, or on the owner's account; gives its occurrence.
    ///
    /// # Errors
    /// [`Refusal`] `untestable`, or the part failed its test, or a bound.
    pub async fn internalize(
        &self,
        id: VcId,
        part: PartBirth,
        by_override: bool,
    ) -> Result<u64, Refusal> {
        let part = part_of(&self.shared.natives, 0, part)?;
        let said = self.reshape(
            id,
            Kind::Internalize,
            wrap(&part)?.to_bytes(),
            None,
            by_override,
        );
        number(&said.await?)
    }

    /// Lets a VC adopt a part that another stripped and the scavenger holds; gives its occurrence.
    ///
    /// # Errors
    /// [`Refusal`]: nobody holds it, or the adopter refused it; it then stays with the scavenger.
    pub async fn adopt(&self, id: VcId, stripped: MessageId) -> Result<u64, Refusal> {
        let mut letter = self.letter(
            Outgoing::new(self.shared.scavenger, format!("give {stripped}")),
            self.shared.gateway.next_sequence(),
            None,
        )?;
        letter.extra_mut().contacts.push(id);
        let sequence = letter.sequence;
        let answer = self.shared.gateway.expect(sequence);
        let to = letter.to;
        self.settled_on(to, move |worker| worker.admit(letter, None))
            .await?;
        let said = self.answered(sequence, answer).await?;
        match said.strip_prefix(b"refused: ".as_slice()) {
            Some(why) => {
                Err(Refusal::new(Code::Fault, String::from_utf8_lossy(why).into_owned()).who(id))
            }
            None => number(&said),
        }
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
        by_override: bool,
    ) -> Result<u64, Refusal> {
        let part = part_of(&self.shared.natives, 0, part)?;
        let contents = wrap(&part)?.to_bytes();
        let said = self.reshape(id, Kind::Upgrade, contents, occurrence, by_override);
        number(&said.await?)
    }

    /// Takes a part out of a body and broadcasts it; gives the message it is wrapped in.
    ///
    /// # Errors
    /// [`Refusal`] if the body has no such part, or it is a VC.
    pub async fn strip(&self, id: VcId, occurrence: u64) -> Result<MessageId, Refusal> {
        let part = self
            .on(id, move |worker| worker.part_digest(id, occurrence))
            .await??;
        let contents = [part.0.as_slice(), &occurrence.to_le_bytes()].concat();
        let said = self
            .reshape(id, Kind::Deprecate, contents.into(), None, false)
            .await?;
        let messages: Vec<MessageId> = wire::decode_prefix(&said)
            .map_err(|error| Refusal::new(Code::Internal, format!("the answer: {error}")))?
            .0;
        messages.first().copied().ok_or_else(|| {
            Refusal::new(Code::Internal, "the part was stripped and no message named")
        })
    }

    pub(super) async fn reshape(
        &self,
        id: VcId,
        kind: Kind,
        contents: Bytes,
        occurrence: Option<u64>,
        by_override: bool,
    ) -> Result<Bytes, Refusal> {
        let mut outgoing = Outgoing {
            kind,
            ..Outgoing::new(id, contents)
        };
        if let Some(occurrence) = occurrence {
            let value = Bytes::copy_from_slice(&occurrence.to_le_bytes());
            outgoing.metadata.insert(OCCURRENCE.to_owned(), value);
        }
        if by_override {
            outgoing
                .metadata
                .insert(OVERRIDE.to_owned(), Bytes::from_static(b"owner"));
        }
        let answer = self.ask(outgoing, RESHAPE_MS).await?;
        contents_of(answer.reply)
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
