//! The worlds of a node, as verbs reach them.

use std::collections::BTreeMap;
use std::time::Duration;

use genesis::refusal::Refusal;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Client;

/// How long a world may be computed again before the verb gives up; the node goes on to the end.
const VERIFY: Duration = Duration::from_hours(12);
/// How long the node waits for ticks before it says how far it is, in milliseconds.
const STEP_MS: u64 = 10_000;

/// A world, as far as the command line looks at it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct World {
    /// Who.
    pub(crate) id: String,
    /// What it is called.
    pub(crate) name: Option<String>,
    /// Its model.
    pub(crate) model: String,
    /// Whose randomness.
    pub(crate) seed: u64,
    /// How many ticks are over.
    pub(crate) tick: u64,
    /// `resting`, `going`, `over` or `broken`.
    pub(crate) state: String,
    /// Until how many ticks are over.
    pub(crate) until: Option<u64>,
    /// How many live in it.
    pub(crate) agents: u64,
    /// Its trace digest, if that was asked for.
    pub(crate) digest: Option<String>,
    /// The last value of every series.
    pub(crate) last: BTreeMap<String, Value>,
    /// Those who live in it.
    pub(crate) cohorts: Vec<Cohort>,
    /// How many entries its journal has.
    pub(crate) entries: u64,
    /// Why it cannot go on.
    pub(crate) why: Option<Refusal>,
}

/// A cohort of a world.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Cohort {
    /// Its name.
    pub(crate) name: String,
    /// What kind of agents live in it.
    pub(crate) kind: String,
    /// How many.
    pub(crate) count: u64,
}

impl Client {
    /// Does something with a world: `verb` is the API's word.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn world(
        &self,
        world: &str,
        verb: &str,
        body: &Value,
    ) -> Result<Value, Refusal> {
        self.post(&["v1", "worlds", world, verb], body).await
    }

    /// So many ticks more, however long they take; the world with its digest.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn step(&self, world: &str, ticks: u64) -> Result<Value, Refusal> {
        let body = json!({ "ticks": ticks, "wait": STEP_MS });
        let mut seen = self.world(world, "step", &body).await?;
        let until = seen["until"].as_u64();
        while seen["state"] == "going" && until.is_some() && seen["until"].as_u64() == until {
            // No ticks more, only the wait.
            let body = json!({ "ticks": 0, "wait": STEP_MS });
            seen = self.world(world, "step", &body).await?;
        }
        let digest = [("digest", "true".to_owned())];
        self.get(&["v1", "worlds", world], &digest).await
    }

    /// Has the node compute a world again.
    ///
    /// # Errors
    /// As [`Client::get`]; `corrupt` if it comes to something else.
    pub(crate) async fn verify(&self, world: &str) -> Result<Value, Refusal> {
        let request = self
            .request(Method::POST, &["v1", "worlds", world, "verify"], &[])?
            .timeout(VERIFY)
            .json(&json!({}));
        self.read(self.answer(request).await?).await
    }
}
