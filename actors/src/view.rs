//! What a runtime shows of itself: plain values, the same in the API, the command line and tests.

use bytes::Bytes;
use genesis::channel::Channel;
use genesis::id::{MessageId, VcId};
use genesis::message::{Kind, Message};
use genesis::pattern::Pattern;
use genesis::power::Power;
use genesis::purse::{Coin, Purse};
use genesis::refusal::Refusal;
use genesis::scores::Scores;
use genesis::time::Time;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

use crate::letter::{Contents, Letter};
use crate::life::Life;

mod past;

pub use past::{Caused, Divergence, End, Party, Replayed};

/// A message to be sent on behalf of the node's owner.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// To whom.
    pub to: VcId,
    /// By which channel.
    pub channel: Channel,
    /// What it asks.
    pub kind: Kind,
    /// The contents, in place or by reference ([`Runtime::contents`](crate::runtime::Runtime::contents)).
    pub contents: Contents,
    /// How long it lives, if not a day, in milliseconds.
    pub expires_ms: Option<u64>,
    /// Idempotency key: the same key is accepted once, until the message expires.
    pub key: Option<String>,
    /// Further facts.
    pub metadata: BTreeMap<String, Bytes>,
}

impl Outgoing {
    /// Contents for the main channel of a VC.
    pub fn new(to: VcId, contents: impl Into<Contents>) -> Self {
        Self {
            to,
            channel: Channel::MAIN,
            kind: Kind::Tell,
            contents: contents.into(),
            expires_ms: None,
            key: None,
            metadata: BTreeMap::new(),
        }
    }
}

/// What the sender of an accepted message gets. If the receiver is durable, the message is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The message's identity.
    #[serde(serialize_with = "text")]
    pub message: MessageId,
    /// The lane sequence it was given.
    pub sequence: u64,
    /// Whether a message of the same idempotency key had been accepted before: this one was not.
    pub duplicate: bool,
}

/// How an ask ended.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The receipt of the question.
    pub receipt: Receipt,
    /// The answer, or the bounce; none if none came in time, and then the question stays queued.
    pub reply: Option<Letter>,
}

/// Which VCs to list.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Nested ones too.
    pub all: bool,
    /// Only those after this one, in the order of ids.
    pub after: Option<VcId>,
    /// How many at the most; 0 for a page.
    pub limit: usize,
    /// Only those whose shape, links and tags (`name`, `life`, `host`) meet it; none takes all.
    pub pattern: Option<Pattern>,
}

/// A page of VCs, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The VCs.
    pub rows: Vec<Summary>,
    /// The id after which the next page begins, if there is one.
    pub next: Option<VcId>,
    /// As of which events it is.
    pub seqs: Seqs,
}

/// As of which events a look is: for each worker the number of the last event that had happened to its VCs.
///
/// A look and the events up to there agree exactly, worker by worker. The worker of a VC is the first byte of
/// its id modulo their number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seqs(pub Vec<u64>);

impl Seqs {
    /// The number of the last event that a look knows of this VC.
    pub fn of(&self, id: VcId) -> u64 {
        let worker = usize::from(id.placement()) % self.0.len().max(1);
        self.0.get(worker).copied().unwrap_or_default()
    }
}

/// One VC in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Who.
    #[serde(serialize_with = "text")]
    pub id: VcId,
    /// What its owner or host calls it.
    pub name: Option<String>,
    /// Where in its life it is.
    pub life: Life,
    /// How many parts its body has, the genesis part included.
    pub parts: usize,
    /// How many messages wait for it.
    pub mailbox: u32,
    /// In whose body it lives, or who gave birth to it.
    #[serde(serialize_with = "text")]
    pub host: VcId,
    /// Whether it lives in its host's body.
    pub nested: bool,
    /// Whether it survives the node.
    pub durable: bool,
    /// What it may still spend.
    pub purse: Purse,
    /// The coins of which at most a tenth is left of what it was born with or last given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub low: Vec<Coin>,
    /// Turns that failed, since it was last born.
    pub faults: u64,
    /// How often it was restarted, since it was last born.
    pub restarts: u64,
    /// Why it stopped, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The place in pods where it sleeps, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// One part of a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartView {
    /// Its place in the body.
    pub occurrence: u64,
    /// Its digest, in hexadecimal.
    pub digest: String,
    /// What it is: `genesis`, `native echo/1`, `data`, `computer vc:…`.
    pub code: String,
    /// What it is called inside the body.
    pub role: Option<String>,
    /// Its size, in bytes.
    pub bytes: u64,
    /// What it needs.
    pub needs: Vec<Channel>,
    /// What it gives.
    pub gives: Vec<Channel>,
}

/// A contact, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContactView {
    /// What the VC calls it.
    pub name: Option<String>,
    /// Who it is.
    #[serde(serialize_with = "text")]
    pub id: VcId,
}

/// A message that was set aside after it failed a turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// The message's identity.
    #[serde(serialize_with = "text")]
    pub message: MessageId,
    /// Who sent it.
    #[serde(serialize_with = "text")]
    pub from: VcId,
    /// When it failed.
    pub at: Time,
    /// Why.
    pub why: String,
}

/// A VC on one screen: what it is, what it may do, how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Portrait {
    /// As in a list.
    #[serde(flatten)]
    pub summary: Summary,
    /// What it is for.
    pub description: Option<String>,
    /// Its body.
    pub body: Vec<PartView>,
    /// Digest of its body, in hexadecimal.
    pub body_digest: String,
    /// Digest of body, state, contacts and lineage, in hexadecimal.
    pub image_digest: String,
    /// Its coordinates, by dimension.
    pub shape: BTreeMap<String, i64>,
    /// The powers it has.
    #[serde(serialize_with = "texts")]
    pub grants: Vec<Power>,
    /// Channels of the medium that its parts need and that it was not granted.
    pub denied: Vec<Channel>,
    /// Channels that are needed and that no part gives.
    pub hunger: Vec<Channel>,
    /// All channels it needs.
    pub needs: Vec<Channel>,
    /// All channels it gives.
    pub gives: Vec<Channel>,
    /// Whom it may send to, its host aside.
    pub contacts: Vec<ContactView>,
    /// Who may reshape it, beside owner and host.
    #[serde(serialize_with = "texts")]
    pub reshapers: Vec<VcId>,
    /// Who watches it, and whom it is linked to.
    pub watchers: usize,
    /// The pattern of what it accepts; none accepts all.
    pub accept: Option<String>,
    /// The pattern over metrics it strives for.
    pub goal: Option<String>,
    /// Whom it was forked from, nearest first.
    #[serde(serialize_with = "texts")]
    pub lineage: Vec<VcId>,
    /// How many turns it took.
    pub turns: u64,
    /// How many messages it sent.
    pub sent: u64,
    /// How many births it gave.
    pub births: u64,
    /// The last messages that failed a turn.
    pub set_aside: Vec<SetAside>,
    /// Timers it has set.
    pub timers: usize,
    /// Where it is hosted: `cell` or `actor`; not observable by the VC.
    pub seat: &'static str,
    /// The last link of its trace, in hexadecimal; zeros when traces are not kept.
    pub trace: String,
    /// Messages its journal holds since the last snapshot, and its bound.
    pub journal: (u64, u32),
    /// After how many idle milliseconds it goes to sleep; 0 for never by itself.
    pub idle_ms: u64,
    /// Fuel that one of its turns may take.
    pub turn_fuel: u64,
}

/// One line of a VC's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was written.
    pub at: Time,
    /// What it says.
    pub text: String,
}

/// A piece of a VC's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogPage {
    /// Lines in order.
    pub lines: Vec<LogLine>,
    /// Lines that are no longer kept.
    pub dropped: u64,
}

/// What a journal holds: exact bytes, from which the VC can be computed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalView {
    /// The image when the first of the messages came.
    pub snapshot: Bytes,
    /// The messages it handled since, encoded, in order.
    pub messages: Vec<Bytes>,
}

/// A message that the node has seen lately, and what became of it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its identity.
    pub id: MessageId,
    /// The message.
    pub message: Message,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "fate", content = "why")]
pub enum Fate {
    /// It waits, or is on its way.
    Queued,
    /// A turn handled it.
    Consumed,
    /// It came back to its sender.
    Bounced(Refusal),
    /// It ended without a reader.
    Dead(Refusal),
}

/// One answer to `find`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Who.
    pub id: String,
    /// What it is called.
    pub name: Option<String>,
    /// Its coordinates.
    pub shape: BTreeMap<String, i64>,
    /// What it gives.
    pub gives: Vec<Channel>,
    /// What it needs.
    pub needs: Vec<Channel>,
}

/// By what the busiest are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TopBy {
    /// Turns.
    #[default]
    Rate,
    /// Fuel.
    Fuel,
    /// Messages that wait.
    Mailbox,
}

/// The busiest VCs of those in memory, nested ones included, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Top {
    /// When this was.
    pub at: Time,
    /// Over how many milliseconds rates were measured; 0 if they were not.
    pub over_ms: u64,
    /// As of which events it is.
    pub seqs: Seqs,
    /// VCs in memory that are not stopped.
    pub live: u64,
    /// VCs in memory that are stopped, and were not removed.
    pub stopped: u64,
    /// Messages that wait, of all.
    pub queued: u64,
    /// Turns a second, of all; none if rates were not measured.
    pub rate: Option<u64>,
    /// The busiest, busiest first.
    pub rows: Vec<TopRow>,
}

/// One of the busiest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TopRow {
    /// As in a list.
    #[serde(flatten)]
    pub summary: Summary,
    /// Turns it took.
    pub turns: u64,
    /// Turns a second; none if rates were not measured.
    pub rate: Option<u64>,
    /// Fuel it used since it was last in memory.
    pub fuel: u64,
    /// Fuel a second; none if rates were not measured.
    pub fuel_rate: Option<u64>,
}

/// Whom the brake stops: each of them, and all who descend from them.
#[derive(Clone, Debug, Default)]
pub struct Brake {
    /// Those that meet this pattern, whatever is said of [`ListQuery::pattern`].
    pub pattern: Option<Pattern>,
    /// These.
    pub ids: Vec<VcId>,
}

/// Whom the brake has stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Braked {
    /// How many were stopped.
    pub count: u64,
    /// How many of them were named, or met the pattern; the others descend from them.
    pub matched: u64,
    /// The first of them: those that had used most fuel, at most a page.
    pub stopped: Vec<BrakedRow>,
}

/// One that the brake has stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BrakedRow {
    /// Who.
    #[serde(serialize_with = "text")]
    pub id: VcId,
    /// What its owner or host calls it.
    pub name: Option<String>,
    /// In whose body it lived, or who gave birth to it.
    #[serde(serialize_with = "text")]
    pub host: VcId,
    /// Whether it was named, or met the pattern; else it descends from one that was.
    pub matched: bool,
    /// Turns it took.
    pub turns: u64,
    /// Fuel it used since it was last in memory.
    pub fuel: u64,
    /// Messages that waited for it, and went back.
    pub mailbox: u32,
}

/// Numbers of a runtime. `accepted = queued + consumed + bounced + dead`, at rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// VCs in memory.
    pub awake: u64,
    /// Messages the medium took responsibility for.
    pub accepted: u64,
    /// Messages waiting in mailboxes.
    pub queued: u64,
    /// Messages a turn handled.
    pub consumed: u64,
    /// Messages that went back to their sender.
    pub bounced: u64,
    /// Messages that ended without a reader: expired, set aside, or a bounce nobody is there for.
    pub dead: u64,
    /// Turns taken.
    pub turns: u64,
    /// Turns that failed.
    pub faults: u64,
    /// VCs born since the runtime began.
    pub born: u64,
    /// VCs put to sleep.
    pub slept: u64,
    /// VCs woken from the store.
    pub woken: u64,
    /// Commits of the store.
    pub commits: u64,
    /// Bytes of states, mailboxes and rows, estimated.
    pub bytes: u64,
}

fn text<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn texts<T: std::fmt::Display, S: Serializer>(
    values: &[T],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}

/// What was found out about a part that may come into a body: the body itself was not touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// The digest of the part.
    pub part: String,
    /// What it is: `wasm …`, `native counter/2`, `data`.
    pub code: String,
    /// The occurrence it would replace; none if it would be one part more.
    pub replaces: Option<u64>,
    /// What it says of itself: `self.*`. Believed only where it admits failure.
    #[serde(rename = "self", skip_serializing_if = "Option::is_none")]
    pub own: Option<Scores>,
    /// What the body's judge says of it: `tests.*`.
    #[serde(rename = "tests", skip_serializing_if = "Option::is_none")]
    pub judged: Option<Scores>,
    /// What came of the body's own recorded messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// The channels of the medium that the body would need and was not granted.
    pub denied: Vec<Channel>,
    /// The channels that the body would need and nobody would give.
    pub hunger: Vec<Channel>,
    /// What the trial took.
    pub fuel: u64,
    /// Whether it may come in.
    pub verdict: Verdict,
}

/// Whether a part may come into a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It may.
    Adopt,
    /// It may not, and why.
    Refuse(Refusal),
}

/// A body's own recorded messages, handled by the body as it is and with a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replay {
    /// How many messages were compared.
    pub messages: usize,
    /// How many had another outcome.
    pub different: u64,
    /// How many of those the body handled and the candidate did not.
    pub failing: u64,
    /// The first of those that differ.
    pub differences: Vec<Difference>,
    /// States that differ at the end: occurrence, digest as it is, digest with the candidate.
    pub states: Vec<(u64, String, Option<String>)>,
}

/// One message that a candidate handled in another way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its number in the journal, from 1.
    pub message: usize,
    /// What it said.
    pub contents: String,
    /// What the body did.
    pub before: Vec<String>,
    /// What it did with the candidate.
    pub after: Vec<String>,
}

/// On whose word a part comes into a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// The body's judge.
    Judge,
    /// This many of the last messages of its own journal, and its judge if it has one.
    Replay(u32),
    /// The owner's own: logged.
    Override,
}

/// A body was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reshaped {
    /// Under which number the part occurs.
    pub occurrence: u64,
    /// What testing and taking it in took.
    pub fuel: u64,
}

/// A part was stripped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stripped {
    /// The message it was broadcast in.
    #[serde(serialize_with = "text")]
    pub message: MessageId,
    /// What that took.
    pub fuel: u64,
}
