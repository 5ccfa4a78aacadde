//! What a node answers, as far as the command line looks at it. Fields unknown here are passed over, so
//! that a newer node can be looked at; `--json` shows them all.

use medium::outside::ProgramView;
use std::collections::BTreeMap;

use data_encoding::BASE64;
use genesis::purse::{Coin, Purse};
use genesis::refusal::Refusal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A VC that was born.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Born {
    /// Who.
    pub(crate) id: String,
    /// What it is called.
    pub(crate) name: Option<String>,
    /// What its pod or image calls it, if somebody else is called so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name_taken: Option<String>,
    /// Powers that its pod asks for and that nobody granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) withheld: Vec<String>,
    /// The programs outside that it speaks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) programs: Vec<ProgramView>,
}

/// A message that was accepted, and its reply.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Sent {
    /// The message's identity.
    pub(crate) message: String,
    /// The lane sequence it was given; not known if no reply came in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sequence: Option<u64>,
    /// Whether its key had been seen before: then this one was not accepted again.
    #[serde(default)]
    pub(crate) duplicate: bool,
    /// The reply, if one came.
    #[serde(default)]
    pub(crate) reply: Option<Reply>,
}

/// A reply, or a bounce.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Reply {
    /// Whether it is the message that came back.
    pub(crate) kind: String,
    /// The contents, if they are text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// The contents, if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base64: Option<String>,
    /// The digest of the contents, if they are too long for a message.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    /// How long those are, in bytes.
    #[serde(default, rename = "bytes", skip_serializing_if = "Option::is_none")]
    pub(crate) len: Option<u64>,
    /// Why it came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Refusal>,
    /// The rest.
    #[serde(flatten)]
    pub(crate) rest: BTreeMap<String, Value>,
}

impl Reply {
    /// The contents, if they are bytes and not text.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        BASE64.decode(self.base64.as_deref()?.as_bytes()).ok()
    }
}

/// A module that a node has.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Module {
    /// Its digest.
    pub(crate) digest: String,
}

/// One VC of a list.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Summary {
    /// Who.
    pub(crate) id: String,
    /// What it is called.
    pub(crate) name: Option<String>,
    /// Where in its life it is.
    pub(crate) life: String,
    /// How many parts its body has.
    pub(crate) parts: u64,
    /// How many messages wait for it.
    pub(crate) mailbox: u64,
    /// In whose body it lives, or who gave birth to it.
    pub(crate) host: String,
    /// Whether it lives in its host's body.
    #[serde(default)]
    pub(crate) nested: bool,
    /// Whether it survives the node.
    #[serde(default)]
    pub(crate) durable: bool,
    /// What it may still spend.
    pub(crate) purse: Purse,
    /// The coins of which at most a tenth is left.
    #[serde(default)]
    pub(crate) low: Vec<Coin>,
    /// Turns that failed.
    #[serde(default)]
    pub(crate) faults: u64,
    /// How often it was restarted.
    #[serde(default)]
    pub(crate) restarts: u64,
    /// Why it stopped, if it did.
    #[serde(default)]
    pub(crate) reason: Option<String>,
    /// The place in pods where it sleeps, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<String>,
}

impl Summary {
    /// What it is called, or nothing.
    pub(crate) fn called(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }
}

/// A VC in the body of another.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Member {
    /// As in a list.
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// The program outside that it speaks for.
    pub(crate) program: Option<ProgramView>,
}

/// A VC on one screen.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Portrait {
    /// As in a list.
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// What it is for.
    pub(crate) description: Option<String>,
    /// Its body.
    pub(crate) body: Vec<Part>,
    /// Digest of its body.
    pub(crate) body_digest: String,
    /// Its coordinates.
    pub(crate) shape: BTreeMap<String, i64>,
    /// The powers it has.
    pub(crate) grants: Vec<String>,
    /// Channels of the medium that it needs and was not granted.
    pub(crate) denied: Vec<String>,
    /// Those in its body.
    #[serde(default)]
    pub(crate) members: Vec<Member>,
    /// Channels it needs and nobody gives.
    pub(crate) hunger: Vec<String>,
    /// Whom it may send to.
    pub(crate) contacts: Vec<Contact>,
    /// Who may reshape it.
    pub(crate) reshapers: Vec<String>,
    /// The pattern of what it accepts.
    pub(crate) accept: Option<String>,
    /// The pattern it strives for.
    pub(crate) goal: Option<String>,
    /// Whom it was forked from.
    pub(crate) lineage: Vec<String>,
    /// How many turns it took.
    pub(crate) turns: u64,
    /// How many messages it sent.
    pub(crate) sent: u64,
    /// How many births it gave.
    pub(crate) births: u64,
    /// Messages that failed a turn.
    pub(crate) set_aside: Vec<SetAside>,
    /// Timers it has set.
    pub(crate) timers: u64,
    /// Messages its journal holds, and its bound.
    pub(crate) journal: (u64, u64),
    /// After how many idle milliseconds it goes to sleep.
    pub(crate) idle_ms: u64,
    /// Fuel that one of its turns may take.
    #[serde(default)]
    pub(crate) turn_fuel: u64,
    /// All channels it needs.
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    /// All channels it gives.
    #[serde(default)]
    pub(crate) gives: Vec<String>,
    /// The program outside that it speaks for.
    #[serde(default)]
    pub(crate) program: Option<ProgramView>,
}

/// One part of a body.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Part {
    /// Its place in the body.
    pub(crate) occurrence: u64,
    /// What it is.
    pub(crate) code: String,
    /// What it is called inside the body.
    pub(crate) role: Option<String>,
    /// Its size.
    pub(crate) bytes: u64,
    /// What it needs.
    pub(crate) needs: Vec<String>,
    /// What it gives.
    pub(crate) gives: Vec<String>,
}

/// Someone a VC may send to.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Contact {
    /// What the VC calls it.
    pub(crate) name: Option<String>,
    /// Who it is.
    pub(crate) id: String,
}

/// A message that failed a turn.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SetAside {
    /// Which.
    pub(crate) message: String,
    /// Why.
    pub(crate) why: String,
}

/// A piece of a VC's log.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LogPage {
    /// Lines in order.
    pub(crate) lines: Vec<actors::view::LogLine>,
}

/// The node itself.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Node {
    /// Its owner's VC.
    pub(crate) id: String,
    /// Digest of the protocol it follows.
    pub(crate) genesis: String,
    /// The version of its program.
    pub(crate) version: String,
    /// Its data folder.
    pub(crate) data: Option<String>,
    /// When it began.
    pub(crate) started_at: u64,
    /// What time it is there.
    pub(crate) now: u64,
    /// What runs sandboxed code there.
    #[serde(default)]
    pub(crate) engine: Option<String>,
    /// Its counters.
    pub(crate) stats: Stats,
    /// Its store.
    pub(crate) store: Option<StoreHealth>,
}

/// How a node's store is.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StoreHealth {
    /// Its size on disk.
    pub(crate) bytes: u64,
    /// Whether it commits.
    pub(crate) healthy: bool,
    /// Why not.
    #[serde(default)]
    pub(crate) why: Option<Value>,
}

/// A node's counters, as [`actors::view::Stats`] explains them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Stats {
    /// VCs in memory.
    pub(crate) awake: u64,
    /// Messages the medium took responsibility for: all of the next four.
    pub(crate) accepted: u64,
    /// Those that wait.
    pub(crate) queued: u64,
    /// Those a turn handled.
    pub(crate) consumed: u64,
    /// Those that went back.
    pub(crate) bounced: u64,
    /// Those that ended without a reader.
    pub(crate) dead: u64,
    /// Turns taken.
    pub(crate) turns: u64,
    /// VCs born.
    pub(crate) born: u64,
    /// Commits of the store.
    pub(crate) commits: u64,
}

impl Stats {
    /// Whether every accepted message is accounted for; true only when the node is at rest.
    pub(crate) fn balanced(&self) -> bool {
        let known = [self.queued, self.consumed, self.bounced, self.dead];
        known.into_iter().try_fold(0_u64, u64::checked_add) == Some(self.accepted)
    }
}

/// A purse as a table shows it: only what has an end, with a `!` at what runs out.
pub(crate) fn purse_brief(purse: &Purse, low: &[Coin]) -> String {
    let endless = |coin: Coin| purse.left(coin) == u64::MAX;
    let none = |coin: Coin| coin == Coin::Motes && purse.left(coin) == 0;
    let ends = Coin::ALL
        .into_iter()
        .filter(|&coin| !endless(coin) && !none(coin));
    let shown: Vec<_> = ends
        .map(|coin| {
            let mark = if low.contains(&coin) { "!" } else { "" };
            format!("{coin}={}{mark}", purse.left(coin))
        })
        .collect();
    if shown.is_empty() {
        "endless".to_owned()
    } else {
        shown.join(" ")
    }
}

/// The first characters of an id, as tables show it; ids of VCs lose their prefix.
pub(crate) fn short(id: &str) -> &str {
    let digits = id.strip_prefix("vc:").unwrap_or(id);
    digits.get(..8).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purse_shows_only_what_ends() {
        assert_eq!(purse_brief(&Purse::ENDLESS, &[]), "endless");
        let purse = Purse {
            fuel: 7,
            motes: 2,
            ..Purse::ENDLESS
        };
        assert_eq!(purse_brief(&purse, &[Coin::Fuel]), "fuel=7! motes=2");
        assert_eq!(
            purse_brief(&Purse::EMPTY, &[]),
            "fuel=0 messages=0 children=0 outside=0"
        );
    }

    #[test]
    fn the_counters_add_up_or_not() {
        let stats = Stats {
            accepted: 10,
            queued: 1,
            consumed: 6,
            bounced: 2,
            dead: 1,
            ..Stats::default()
        };
        assert!(stats.balanced());
        assert!(!Stats { dead: 0, ..stats }.balanced());
        assert!(
            !Stats {
                queued: u64::MAX,
                ..stats
            }
            .balanced()
        );
    }

    #[test]
    fn a_reply_keeps_what_is_unknown_here() {
        let text = r#"{"from":"vc:a","kind":"reply","text":"hi","later":[1]}"#;
        let reply: Reply = serde_json::from_str(text).unwrap();
        assert_eq!(reply.text.as_deref(), Some("hi"));
        let again = serde_json::to_value(&reply).unwrap();
        assert_eq!(again["later"], serde_json::json!([1]));
        assert!(again.get("base64").is_none());
    }
}
