//! What the owner sends and asks, with receipts and idempotency keys.

use std::sync::Arc;
use std::time::Duration;

use genesis::id::{Digest, MessageId, VcId};
use genesis::limits::{CONTENTS_INLINE_MAX, EXPIRY_DEFAULT_MS, EXPIRY_MAX_MS};
use genesis::message::Kind;
use genesis::refusal::{Code, Refusal};
use genesis::wire;

use super::{KEY_VERSION, KeyRow, Runtime, from_store};
use crate::contents::held;
use crate::letter::{Contents, Extra, Letter, Parcel};
use crate::shared::Shared;
use crate::store::Table;
use crate::view::{Answer, Fate, Outgoing, Receipt, Seen};

impl Runtime {
    /// Sends a message; once this returns, it is accepted and, if its receiver is durable, on disk.
    ///
    /// # Errors
    /// [`Refusal`]: unknown, stopped, busy, too large, not accepted by the receiver's pattern, expired,
    /// or the disk is full.
    pub async fn send(&self, outgoing: Outgoing) -> Result<Receipt, Refusal> {
        let key = self.key_of(&outgoing);
        if let Some(row) = self.known_key(key)? {
            self.key_settled(outgoing.to).await?;
            return Ok(Receipt {
                message: row.message,
                sequence: row.sequence,
                duplicate: true,
            });
        }
        let sequence = self.shared.gateway.next_sequence();
        self.admit(outgoing, sequence, key).await
    }

    /// Sends a message and waits for the answer. If none comes in time the message stays queued. An
    /// answer that depends on durable VCs is given out only once all it depends on is on disk.
    ///
    /// # Errors
    /// As [`Runtime::send`]; a bounce is an answer.
    pub async fn ask(&self, outgoing: Outgoing, wait_ms: u64) -> Result<Answer, Refusal> {
        let (key, to) = (self.key_of(&outgoing), outgoing.to);
        let known = self.known_key(key)?;
        let sequence = match &known {
            Some(row) => row.sequence,
            None => self.shared.gateway.next_sequence(),
        };
        let answer = self.shared.gateway.expect(sequence);
        let receipt = match known {
            Some(row) => Receipt {
                message: row.message,
                sequence,
                duplicate: true,
            },
            None => match self.admit(outgoing, sequence, key).await {
                Ok(receipt) => receipt,
                Err(why) => {
                    drop(answer);
                    self.shared.gateway.give_up(sequence);
                    return Err(why);
                }
            },
        };
        if receipt.duplicate
            && let Some(reply) = self.known_key(key)?.and_then(|row| row.reply)
        {
            drop(answer);
            self.shared.gateway.give_up(sequence);
            self.key_settled(to).await?;
            return Ok(Answer {
                receipt,
                reply: Some(*reply),
            });
        }
        let waited = tokio::time::timeout(Duration::from_millis(wait_ms), async {
            let (letter, slice) = answer.await.ok()?;
            if let (Some(log), true) = (&self.shared.log, slice > 0)
                && let Err(why) = log.settled(slice).await
            {
                return Some(Err(why));
            }
            Some(Ok(letter))
        });
        match waited.await {
            Ok(Some(Ok(letter))) => Ok(Answer {
                receipt,
                reply: Some(letter),
            }),
            Ok(Some(Err(why))) => Err(why),
            Ok(None) | Err(_) => {
                self.shared.gateway.give_up(sequence);
                Ok(Answer {
                    receipt,
                    reply: None,
                })
            }
        }
    }

    pub(super) async fn admit(
        &self,
        outgoing: Outgoing,
        sequence: u64,
        key: Option<Digest>,
    ) -> Result<Receipt, Refusal> {
        self.rise(outgoing.to).await?;
        let letter = self.letter(outgoing, sequence, key)?;
        let message = letter
            .to_message()
            .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
        let id = message
            .id()
            .map_err(|error| Refusal::new(Code::TooLarge, error.to_string()))?;
        let receipt = Receipt {
            message: id,
            sequence,
            duplicate: false,
        };
        let row = key.map(|_| KeyRow {
            expires_at: letter.expires_at,
            sequence,
            message: id,
            reply: None,
        });
        let to = letter.to;
        self.shared.gateway.remember(id, message, Fate::Queued);
        let refused = |why: Refusal| {
            let reference = genesis::message::MessageRef {
                sender: self.shared.owner,
                sequence,
            };
            self.shared
                .gateway
                .ended(reference, || Fate::Bounced(why.clone()));
            why
        };
        self.settled_on(to, move |worker| worker.admit(letter, row))
            .await
            .map_err(refused)?;
        Ok(receipt)
    }

    pub(super) fn letter(
        &self,
        outgoing: Outgoing,
        sequence: u64,
        key: Option<Digest>,
    ) -> Result<Letter, Refusal> {
        let now = self.shared.clock.now();
        let lives_ms = outgoing.expires_ms.unwrap_or(EXPIRY_DEFAULT_MS);
        if lives_ms > EXPIRY_MAX_MS {
            return Err(Refusal::new(
                Code::Malformed,
                format!("a message lives at most {EXPIRY_MAX_MS} ms (30 days), not {lives_ms}"),
            ));
        }
        let by_reference = outgoing.contents.reference().is_some();
        if by_reference && !matches!(outgoing.kind, Kind::Tell | Kind::Reply | Kind::Computer) {
            let what = format!(
                "contents of {} bytes, a message of kind `{}` has at most {CONTENTS_INLINE_MAX}",
                outgoing.contents.total(),
                outgoing.kind.name()
            );
            return Err(Refusal::new(Code::TooLarge, what));
        }
        let contents = held(self.shared.shelf.as_ref(), outgoing.contents)?;
        let bytes = contents.len();
        if bytes > CONTENTS_INLINE_MAX {
            return Err(Refusal::new(
                Code::TooLarge,
                format!(
                    "contents of {bytes} bytes, at most {CONTENTS_INLINE_MAX} travel inside a message"
                ),
            ));
        }
        if outgoing.channel.is_of_the_medium() {
            return Err(Refusal::new(
                Code::Denied,
                format!("only the medium itself speaks on `{}`", outgoing.channel),
            ));
        }
        let mut letter = Letter::new(self.shared.owner, sequence, outgoing.to, contents, now);
        letter.expires_at = now.plus_ms(lives_ms);
        letter.kind = outgoing.kind;
        letter.channel = outgoing.channel;
        let literal = outgoing.kind == Kind::Tell;
        let say = literal.then(|| genesis::native::native_digest("say", 1));
        letter.extra = Some(Box::new(Extra {
            metadata: outgoing.metadata,
            decoder: say,
            key,
            ..Extra::default()
        }));
        Ok(letter)
    }

    pub(super) fn key_of(&self, outgoing: &Outgoing) -> Option<Digest> {
        let key = outgoing.key.as_ref()?;
        let fields = [
            self.shared.owner.as_bytes().as_slice(),
            outgoing.to.as_bytes(),
            key.as_bytes(),
        ];
        Some(Digest::of_fields(b"medium/1 dedup", &fields))
    }

    /// What is kept of a message with this key, if it has not expired.
    pub(super) fn known_key(&self, key: Option<Digest>) -> Result<Option<KeyRow>, Refusal> {
        let (Some(key), now) = (key, self.shared.clock.now()) else {
            return Ok(None);
        };
        if let Some(row) = self.shared.gateway.keys.get(key) {
            return Ok(Some(row).filter(|row| row.expires_at > now));
        }
        let Some(log) = &self.shared.log else {
            return Ok(None);
        };
        let Some(row) = log.store().get(Table::Dedup, &key.0).map_err(from_store)? else {
            return Ok(None);
        };
        let row: KeyRow = wire::decode(KEY_VERSION, &row).map_err(|error| {
            Refusal::new(Code::Corrupt, format!("table dedup, key {key}: {error}"))
        })?;
        Ok(Some(row).filter(|row| row.expires_at > now))
    }

    /// Waits until what a key stands for is on disk: a repeated message is acknowledged no earlier than
    /// the first. The worker of its receiver has appended it once it has ended its round.
    pub(super) async fn key_settled(&self, to: VcId) -> Result<(), Refusal> {
        self.settled_on(to, |_| Ok(())).await?;
        match &self.shared.log {
            Some(log) => log.settled(log.appended()).await,
            None => Ok(()),
        }
    }

    /// A message of the owner that was seen of late.
    pub fn message(&self, id: MessageId) -> Option<Seen> {
        let (message, fate) = self.shared.gateway.seen(id)?;
        Some(Seen { id, message, fate })
    }

    /// A door for many messages from outside at once, without a receipt for each; it waits for room.
    pub fn courier(&self) -> Courier {
        Courier {
            shared: Arc::clone(&self.shared),
            batches: (0..self.shared.ports.len()).map(|_| Vec::new()).collect(),
            sequences: (0, 0),
        }
    }
}

/// Sends many messages from outside in batches, as the owner, and waits where there is no room.
#[derive(Debug)]
pub struct Courier {
    shared: Arc<Shared>,
    batches: Vec<Vec<Parcel>>,
    /// Sequences it may give: from, until. Those it never gives are gaps, which lanes may have.
    sequences: (u64, u64),
}

impl Courier {
    /// How many messages travel together.
    const BATCH: usize = 256;

    /// Sends a message; it is in its batch at once and leaves with it, which is what is waited for.
    pub fn tell<C: Into<Contents>>(
        &mut self,
        to: VcId,
        contents: C,
    ) -> impl Future<Output = ()> + use<'_, C> {
        if self.sequences.0 == self.sequences.1 {
            let first = self.shared.gateway.next_sequences(Self::BATCH as u64);
            self.sequences = (first, first + Self::BATCH as u64);
        }
        let sequence = self.sequences.0;
        self.sequences.0 += 1;
        let worker = self.shared.worker_of(to);
        let batch = &mut self.batches[worker];
        batch.push(Parcel {
            to,
            sequence,
            sent_at: self.shared.clock.now(),
            contents: contents.into(),
        });
        let port = (batch.len() >= Self::BATCH).then(|| &self.shared.ports[worker]);
        async move {
            if let Some(port) = port {
                port.admit(batch).await;
            }
        }
    }

    /// Sends what has been gathered.
    pub async fn flush(&mut self) {
        for (worker, batch) in self.batches.iter_mut().enumerate() {
            if !batch.is_empty() {
                self.shared.ports[worker].admit(batch).await;
            }
        }
    }
}
