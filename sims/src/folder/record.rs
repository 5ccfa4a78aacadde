//! What a folder says of its run: `run.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::drive::{Act, Ended, What};
use crate::live::RunError;
use crate::model::{ModelInfo, Setting};
use crate::params::Value;
use crate::series::Era;
use crate::store::Hosting;

/// The version of `run.json`.
pub const SCHEMA: u32 = 1;

/// What a folder says of its run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Which model.
    pub model: String,
    /// Where its rule is from.
    pub rule: String,
    /// All parameters, as they were at first.
    pub params: BTreeMap<String, Json>,
    /// Whose randomness.
    pub seed: u64,
    /// To which tick it should go.
    pub steps: u64,
    /// How many ticks are over, at its end or at the last checkpoint.
    pub done: u64,
    /// Where it stands.
    pub status: Status,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether rows are kept as columns.
    pub cohorts: bool,
    /// On how many threads it ran last.
    pub threads: usize,
    /// How tables are written: `parquet` or `csv`.
    pub format: Format,
    /// After each so-many-th tick a row.
    pub collect_every: u64,
    /// After each so-many-th tick the rows of all agents.
    #[serde(default)]
    pub agents_every: Option<u64>,
    /// After each so-many-th tick a checkpoint.
    #[serde(default)]
    pub checkpoint_every: Option<u64>,
    /// What was done from outside.
    #[serde(default)]
    pub acts: Vec<Act>,
    /// The command of whoever answers the questions of the world; the answers are in `answers.jsonl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<String>,
    /// How long it waits between two ticks until its questions are answered, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<f64>,
    /// Of what it is a fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// How many agents there are at its end.
    pub agents: u64,
    /// How many turns they took.
    pub agent_steps: u64,
    /// The trace digest at its end.
    pub digest: Option<String>,
    /// The digest of the state at its end.
    pub state_digest: Option<String>,
    /// The columns of the parameters in its table.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// The columns of what the model collects.
    #[serde(default)]
    pub series: Vec<String>,
    /// What is collected, at its end.
    pub last: BTreeMap<String, Json>,
    /// The files beside it.
    pub files: BTreeMap<String, FileRecord>,
    /// How long it took, in seconds, over all of its beginnings.
    pub seconds: f64,
    /// Versions of what ran it.
    pub versions: BTreeMap<String, String>,
    /// The command that began it.
    pub command: Vec<String>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It runs, or was killed.
    Running,
    /// It was stopped in order, and can go on.
    Interrupted,
    /// It has done all of its ticks.
    Finished,
    /// Nothing could happen any more before it had.
    Over,
    /// The world failed.
    Failed,
}

impl From<Ended> for Status {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Steps => Self::Finished,
            Ended::Over => Self::Over,
            Ended::Interrupted => Self::Interrupted,
        }
    }
}

/// How tables are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Apache Parquet
    #[default]
    Parquet,
    /// Comma-separated values
    Csv,
}

impl Format {
    /// What their files end in.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
        }
    }
}

/// Of what a run is a fork.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fork {
    /// The folder, as it was named.
    pub of: String,
    /// After which tick the two part.
    pub at: u64,
    /// The trace digest that both have there.
    pub digest: String,
}

/// A file beside `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Blake3 of its bytes, in hex.
    pub blake3: String,
    /// How many.
    pub bytes: u64,
}

impl Record {
    /// With what the world begins.
    pub fn setting(&self) -> Setting {
        let params = self.params.iter();
        Setting {
            set: params
                .map(|(name, value)| (name.clone(), Value::from_json(value)))
                .collect(),
            seed: self.seed,
            hosting: self.hosting(),
            ..Setting::default()
        }
    }

    /// How rows are kept.
    pub fn hosting(&self) -> Hosting {
        if self.cohorts {
            Hosting::Cohorts
        } else {
            Hosting::Alone
        }
    }

    /// Which values the parameters had when.
    ///
    /// # Errors
    /// [`RunError::Param`]: one that the model does not take.
    pub fn eras(&self, model: &ModelInfo) -> Result<Vec<Era>, RunError> {
        let mut setting = self.setting();
        let mut eras = vec![Era {
            after: 0,
            values: model.resolve(&setting)?,
        }];
        for act in &self.acts {
            let What::Set(values) = &act.what;
            let values = values.iter();
            setting
                .set
                .extend(values.map(|(name, value)| (name.clone(), Value::from_json(value))));
            eras.push(Era {
                after: act.after,
                values: model.resolve(&setting)?,
            });
        }
        Ok(eras)
    }
}
