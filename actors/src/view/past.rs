//! What is shown of the past: replays and trees of causes.

use genesis::channel::Channel;
use genesis::id::{MessageId, VcId};
use genesis::refusal::Refusal;
use genesis::time::Time;
use serde::{Serialize, Serializer};

use super::text;

/// A VC computed again from its journal, and whether it came to the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Who.
    #[serde(serialize_with = "text")]
    pub vc: VcId,
    /// What it is called.
    pub name: Option<String>,
    /// Messages it handled again, up to the first difference.
    pub messages: u64,
    /// Of these, those whose outcome was taken from the record: the machine ended the turn, or the message
    /// asked for another body.
    pub taken: u64,
    /// Of these, those of which nothing was recorded but that they came.
    pub unsaid: u64,
    /// Changes of its body, after which it went on from a snapshot.
    pub changes: u64,
    /// Digest of the image it came to, in hexadecimal; of the present one, if there is a difference.
    pub digest: String,
    /// The first difference; none if all is the same.
    pub first: Option<Divergence>,
}

/// Where what came now is not what was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// The number of the turn, from 1; 0 if it is about a state.
    pub message: u64,
    /// What the message said.
    pub contents: String,
    /// What was recorded.
    pub recorded: Vec<String>,
    /// What came now.
    pub now: Vec<String>,
}

/// Somebody in a tree of causes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Party {
    /// Who.
    #[serde(serialize_with = "text")]
    pub id: VcId,
    /// What it is called here.
    pub name: Option<String>,
}

/// A message in a tree of causes, and the messages that its turn sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "the word of the tree, in JSON too"
)]
pub struct Caused {
    /// The message's identity; none if only its sender's journal knows of it.
    #[serde(serialize_with = "maybe_text")]
    pub message: Option<MessageId>,
    /// Who sent it.
    pub from: Party,
    /// Whom it is for.
    pub to: Party,
    /// What it asks: `tell`, `reply`, `bounce`, …
    pub kind: String,
    /// By which channel.
    pub channel: Channel,
    /// How long its contents are.
    pub bytes: u64,
    /// How they begin, if they are text and here.
    pub says: Option<String>,
    /// When it was handled.
    pub at: Option<Time>,
    /// Which of its reader's turns handled it, from 1.
    pub turn: Option<u64>,
    /// What that cost.
    pub fuel: Option<u64>,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
    /// What its turn sent, in order.
    pub caused: Vec<Caused>,
    /// Messages of the turn that are not shown, because the tree has enough.
    pub more: u64,
}

impl Caused {
    /// Whether another message is in this tree.
    pub fn has(&self, other: &Self) -> bool {
        let same = self.message.is_some() && self.message == other.message;
        same && self.turn == other.turn || self.caused.iter().any(|caused| caused.has(other))
    }
}

/// How a message in a tree of causes ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "why")]
pub enum End {
    /// A turn handled it.
    Consumed,
    /// The turn that handled it failed.
    Fault(Refusal),
    /// It came back to its sender.
    Bounced(Refusal),
    /// It waits for its reader.
    Queued,
    /// It went to the node's owner, or outside of the medium.
    HandedOver,
    /// No journal has what became of it.
    NotRecorded,
}

#[expect(clippy::ref_option, reason = "what serde gives")]
fn maybe_text<T: std::fmt::Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value
        .as_ref()
        .map(ToString::to_string)
        .serialize(serializer)
}
