//! What a Bee says, as far as it is read. Unknown fields are left alone: versions differ.

use serde::Deserialize;

use crate::pods::Batch;
use crate::swarm::stamp::bucket_slots;

#[derive(Debug, Deserialize)]
pub(super) struct Uploaded {
    pub(super) reference: String,
}

/// What a tag has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Tag {
    pub(super) uid: u64,
    /// Chunks that came in.
    #[serde(default)]
    pub(super) split: u64,
    /// Those that need not be pushed again.
    #[serde(default)]
    pub(super) seen: u64,
    /// Those that somebody in the network has.
    #[serde(default)]
    pub(super) synced: u64,
}

impl Tag {
    /// Chunks that are where they belong.
    pub(super) const fn arrived(&self) -> u64 {
        self.synced.saturating_add(self.seen)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Retrievable {
    pub(super) is_retrievable: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Peers {
    #[serde(default)]
    pub(super) peers: Vec<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pins {
    pub(super) references: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChainState {
    pub(super) current_price: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct BatchBought {
    #[serde(rename = "batchID")]
    pub(super) batch_id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct BatchList {
    pub(super) stamps: Vec<BatchView>,
}

/// A batch as a Bee shows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchView {
    #[serde(rename = "batchID")]
    pub(super) batch_id: String,
    #[serde(default)]
    pub(super) utilization: u32,
    #[serde(default)]
    pub(super) usable: bool,
    #[serde(default)]
    pub(super) label: String,
    #[serde(default)]
    pub(super) depth: u8,
    /// Seconds; -1 for a batch that never expires.
    #[serde(rename = "batchTTL", default)]
    pub(super) batch_ttl: i64,
}

impl BatchView {
    /// How full the fullest bucket is, from 0 to 1.
    pub(super) fn ratio(&self) -> f64 {
        let slots = bucket_slots(self.depth).unwrap_or(1);
        f64::from(self.utilization) / f64::from(slots)
    }

    pub(super) fn into_batch(self) -> Batch {
        Batch {
            id: self.batch_id.to_ascii_lowercase(),
            label: self.label,
            depth: self.depth,
            fullest: self.utilization,
            // A Bee tells of its fullest bucket only; this is the least that it can be.
            stamped: u64::from(self.utilization),
            ttl_s: u64::try_from(self.batch_ttl).unwrap_or(u64::MAX),
            usable: self.usable,
            motes: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_every_version_are_read() {
        let text = r#"{"stamps":[{"batchID":"AB","utilization":2,"usable":true,"label":"","depth":18,
            "amount":"1","bucketDepth":16,"blockNumber":3,"immutableFlag":true,"exists":true,"batchTTL":-1,
            "expired":false}]}"#;
        let list: BatchList = serde_json::from_str(text).unwrap();
        let view = list.stamps.into_iter().next().unwrap();
        assert!((view.ratio() - 0.5).abs() < f64::EPSILON);
        let batch = view.into_batch();
        assert_eq!((batch.id.as_str(), batch.ttl_s), ("ab", u64::MAX));
    }

    #[test]
    fn a_bee_without_pins_says_null() {
        let pins: Pins = serde_json::from_str(r#"{"references":null}"#).unwrap();
        assert!(pins.references.is_none());
    }
}
