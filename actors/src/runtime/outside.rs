//! What the world outside says to VCs.

use bytes::Bytes;
use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::image::Code as PartCode;
use genesis::message::MessageRef;
use genesis::refusal::Refusal;

use super::Runtime;
use crate::letter::{Contents, Letter, NO_CAUSE};
use crate::outside::{Mercy, OUTSIDE};
use crate::view::Summary;

impl Runtime {
    /// Brings a VC a message from the world outside; gives its sequence once it waits in the mailbox. It is a
    /// message like any other, recorded and handled by a turn; how it ended is told to the
    /// [port](crate::outside::Outside::ended). Who calls this bounds how many are under way.
    ///
    /// # Errors
    /// [`Refusal`]: the VC is stopped or unknown, or the contents are too long.
    pub async fn outside_says(
        &self,
        to: VcId,
        channel: Channel,
        contents: impl Into<Contents>,
        cause: Option<MessageRef>,
    ) -> Result<u64, Refusal> {
        let sequence = self.shared.gateway.next_sequence();
        let now = self.shared.clock.now();
        let mut letter = Letter::new(OUTSIDE, sequence, to, contents, now);
        letter.channel = channel;
        letter.cause = cause.unwrap_or(NO_CAUSE);
        self.rise(to).await?;
        self.on(to, move |worker| worker.hear(letter)).await??;
        Ok(sequence)
    }

    /// Tells that the program a VC speaks for has failed.
    ///
    /// # Errors
    /// [`Refusal`]: the VC is unknown.
    pub async fn program_failed(&self, id: VcId, why: String) -> Result<Mercy, Refusal> {
        self.on(id, move |worker| worker.program_failed(id, &why))
            .await?
    }

    /// Adds a line to a VC's log, as what its program writes to its standard error does.
    ///
    /// # Errors
    /// [`Refusal`]: the VC is unknown.
    pub async fn note(&self, id: VcId, line: String) -> Result<(), Refusal> {
        self.on(id, move |worker| worker.note(id, &line)).await?
    }

    /// Waits until a slice of the log is on disk.
    ///
    /// # Errors
    /// [`Refusal`] if it never will be.
    pub async fn settled(&self, slice: u64) -> Result<(), Refusal> {
        match &self.shared.log {
            Some(log) if slice > 0 => log.settled(slice).await,
            _ => Ok(()),
        }
    }

    /// Those in the body of a VC, in the order of their occurrence: what it calls each, and how it is.
    ///
    /// # Errors
    /// [`Refusal`]: the VC is unknown.
    pub async fn nested(&self, id: VcId) -> Result<Vec<(String, Summary)>, Refusal> {
        self.on(id, move |worker| worker.nested(id)).await?
    }

    /// The native parts of a VC: name and argument of each, in the order of their occurrence.
    ///
    /// # Errors
    /// [`Refusal`]: the VC is unknown.
    pub async fn native_parts(&self, id: VcId) -> Result<Vec<(String, Bytes)>, Refusal> {
        let native = |part: crate::cell::Part| match part.code {
            PartCode::Native { name, .. } => Some((name, part.contents)),
            _ => None,
        };
        self.on(id, move |worker| {
            let parts = worker.looking(id, |worker| worker.parts_of_vc(id))?;
            Ok(parts.into_iter().filter_map(native).collect())
        })
        .await?
    }
}
