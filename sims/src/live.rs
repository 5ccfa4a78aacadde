//! A world that runs, whatever its model: what the command line, a sweep, a page and a node do with it.

use std::collections::BTreeSet;
use std::fmt;

use genesis::id::Digest;
use serde::{Deserialize, Serialize};

use crate::agent::FieldInfo;
use crate::bytes::{Damaged, Reader, put_bytes};
use crate::crew::Crew;
use crate::field::Leaf;
use crate::ids::AgentId;
use crate::mail::MailboxFull;
use crate::model::{ModelInfo, Sample};
use crate::params::{ParamError, Value};

/// Why a run cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A wrong parameter.
    #[error(transparent)]
    Param(#[from] ParamError),
    /// No such preset.
    #[error("there is no preset `{name}`")]
    Preset {
        /// What was said.
        name: String,
        /// Those that there are.
        known: &'static [&'static str],
    },
    /// A mailbox is full and the model says that this must not be.
    #[error("tick {tick}: {why}")]
    Mailbox {
        /// In which tick.
        tick: u64,
        /// Whose.
        why: MailboxFull,
    },
    /// The model itself ended the run.
    #[error("tick {tick}: {why}")]
    Failed {
        /// In which tick.
        tick: u64,
        /// What it said.
        why: String,
    },
    /// A checkpoint that cannot be read.
    #[error("the checkpoint is {0}")]
    Damaged(#[from] Damaged),
    /// A checkpoint of another model or version.
    #[error("the checkpoint is {found}, not {expected}")]
    Other {
        /// Of what it is.
        found: String,
        /// Of what it should be.
        expected: String,
    },
    /// There is no cohort of this name.
    #[error("there is no cohort `{name}`; there are {}", known.join(", "))]
    Cohort {
        /// What was said.
        name: String,
        /// Those that there are.
        known: Vec<&'static str>,
    },
    /// Nobody has this address.
    #[error("there is no `{cohort}/{id}`")]
    Nobody {
        /// In which cohort.
        cohort: String,
        /// Which address.
        id: AgentId,
    },
    /// An answer to a question that nobody has asked, or that has its answer.
    #[error("question {number} is not open")]
    NotOpen {
        /// Which.
        number: u64,
    },
    /// An answer that is too long.
    #[error(
        "the answer to question {number} has {bytes} bytes; {} are the most",
        crate::asks::TEXT_LEN_MAX
    )]
    TooLong {
        /// To which question.
        number: u64,
        /// How long it is.
        bytes: usize,
    },
    /// A message that an agent does not understand.
    #[error("{0}")]
    Unheard(String),
}

impl RunError {
    /// The way out.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Param(error) => error.hint(),
            Self::Preset { known, .. } => Some(match known {
                [] => "this model has none".to_owned(),
                known => format!("there are {}", known.join(", ")),
            }),
            Self::Mailbox { .. } => {
                Some("declare a larger capacity, or another overflow policy than `fail`".to_owned())
            }
            Self::Damaged(_) => Some("go on from an earlier checkpoint".to_owned()),
            Self::Cohort { .. }
            | Self::Failed { .. }
            | Self::Unheard(_)
            | Self::NotOpen { .. }
            | Self::TooLong { .. } => None,
            Self::Other { .. } => Some("use the program that wrote it".to_owned()),
            Self::Nobody { .. } => {
                Some("it is dead, elsewhere, or never was; `--list` shows who is there".to_owned())
            }
        }
    }
}

/// One agent, taken out of its world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Of which model.
    pub model: String,
    /// From which cohort.
    pub cohort: String,
    /// What kind of agent it is.
    pub kind: String,
    /// The address that it had.
    pub id: u64,
    /// The bytes of its row.
    pub row: Vec<u8>,
}

/// A question that an agent asks somebody outside of its world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its number: never given twice in a run, and below 2^53, so that every reader of JSON has it whole.
    pub number: u64,
    /// The cohort in which the agent is; empty if it has died.
    pub cohort: String,
    /// Who asks: the address as it is shown.
    pub id: String,
    /// What it asks.
    #[serde(rename = "question")]
    pub text: String,
}

/// What is known of a cohort.
#[derive(Clone, Debug)]
pub struct CohortInfo {
    /// Its name in the world.
    pub name: &'static str,
    /// Its number among the pieces of the world: [`AgentId::cohort`] of those who were born in it.
    pub place: u8,
    /// What kind of agents live in it.
    pub kind: &'static str,
    /// How many.
    pub len: usize,
    /// Their fields.
    pub fields: &'static [FieldInfo],
    /// The leaves of a row of which nothing is said: of which kind each is.
    pub blank: Vec<Leaf>,
    /// Width and height, if they are the patches of a lattice.
    pub lattice: Option<(u32, u32)>,
}

/// A world that runs.
pub trait Live: Send {
    /// Its model.
    fn model(&self) -> ModelInfo;
    /// The value of each parameter, in the order of [`ModelInfo::params`].
    fn params(&self) -> Vec<Value>;
    /// Gives a parameter another value, from the next tick on.
    ///
    /// # Errors
    /// [`RunError::Param`].
    fn set(&mut self, name: &str, value: &Value) -> Result<(), RunError>;
    /// Whose randomness it has.
    fn seed(&self) -> u64;
    /// How many ticks are over.
    fn now(&self) -> u64;
    /// Whether nothing can happen any more.
    fn is_over(&self) -> bool;
    /// How many agents live in all of its cohorts; in a world of patches alone, how many patches there are.
    fn agents(&mut self) -> u64;
    /// How many turns agents have taken, counted as those alive at the beginning of each tick.
    fn agent_steps(&self) -> u64;
    /// One tick.
    ///
    /// # Errors
    /// [`RunError`]: the world is then not to be used any more.
    fn tick(&mut self, crew: &Crew) -> Result<(), RunError>;
    /// What the model collects, now. Looking changes nothing.
    fn observe(&self) -> Sample;
    /// What is counted of each piece: `sheep.births`, `bids.dropped`.
    fn counts(&self) -> Vec<(String, u64)>;
    /// The digest of the state: of all rows in the order of their addresses, and of all else that a checkpoint holds.
    fn state_digest(&mut self) -> Digest;
    /// The trace digest: of model, parameters, seed, what was counted in each tick, what was done from outside, and the state.
    fn digest(&mut self) -> Digest;
    /// Bytes from which the run goes on as if nothing had been. [`Loaded::parse`] reads them.
    fn save(&self) -> Vec<u8>;
    /// The cohorts.
    fn cohorts(&mut self) -> Vec<CohortInfo>;
    /// Sees all agents of a cohort in the order of their addresses.
    ///
    /// # Errors
    /// [`RunError::Cohort`].
    fn each(&mut self, cohort: &str, see: &mut dyn FnMut(AgentId, &[Leaf]))
    -> Result<(), RunError>;
    /// The values of an agent's fields.
    ///
    /// # Errors
    /// [`RunError::Cohort`], [`RunError::Nobody`].
    fn show(&mut self, cohort: &str, id: AgentId) -> Result<Vec<(String, Leaf)>, RunError>;
    /// A message from outside, between two ticks.
    ///
    /// # Errors
    /// [`RunError::Cohort`], [`RunError::Nobody`], [`RunError::Unheard`].
    fn send(&mut self, cohort: &str, id: AgentId, text: &str) -> Result<(), RunError>;
    /// The questions that nobody has answered yet, but those with numbers that are `known`. Looking changes nothing.
    fn questions(&mut self, known: &BTreeSet<u64>) -> Vec<Question>;
    /// Answers a question, between two ticks: whoever asked has the answer in the next.
    ///
    /// # Errors
    /// [`RunError::NotOpen`], [`RunError::TooLong`].
    fn answer(&mut self, number: u64, text: &str) -> Result<(), RunError>;
    /// An agent as it is, to be put elsewhere; it stays here as well.
    ///
    /// # Errors
    /// [`RunError::Cohort`], [`RunError::Nobody`].
    fn copy(&mut self, cohort: &str, id: AgentId) -> Result<Frozen, RunError>;
    /// Takes an agent out of the world; its address finds nobody from then on.
    ///
    /// # Errors
    /// [`RunError::Cohort`], [`RunError::Nobody`].
    fn take(&mut self, cohort: &str, id: AgentId) -> Result<Frozen, RunError>;
    /// Puts an agent into the cohort of its name.
    ///
    /// # Errors
    /// [`RunError::Cohort`], and [`RunError::Damaged`] if it is of another kind.
    fn put(&mut self, agent: &Frozen) -> Result<AgentId, RunError>;
}

impl fmt::Debug for dyn Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.model().name, self.now())
    }
}

/// What stands first in a checkpoint.
const MAGIC: &[u8; 8] = b"VCWORLD\x01";

/// A checkpoint that was read and is whole: its digest is right.
#[derive(Clone, Debug)]
pub struct Loaded<'a> {
    /// Of which model.
    pub model: &'a str,
    /// Its parameters.
    pub params: Vec<(&'a str, Value)>,
    /// Whose randomness.
    pub seed: u64,
    /// How many ticks are over.
    pub now: u64,
    /// Turns so far.
    pub agent_steps: u64,
    /// What was counted so far, as a digest.
    pub(crate) chain: Digest,
    /// The pieces by name.
    pub(crate) pieces: Vec<(&'a str, &'a [u8])>,
}

/// Writes a checkpoint.
pub(crate) fn checkpoint(
    run: &dyn Live,
    chain: &Digest,
    pieces: &[(&'static str, Vec<u8>)],
) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    put_bytes(&mut out, run.model().name.as_bytes());
    for number in [run.seed(), run.now(), run.agent_steps()] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&chain.0);
    let params = run.model().params();
    out.extend_from_slice(&(params.len() as u64).to_le_bytes());
    for (info, value) in params.iter().zip(run.params()) {
        put_bytes(&mut out, info.name.as_bytes());
        put_value(&mut out, &value);
    }
    out.extend_from_slice(&(pieces.len() as u64).to_le_bytes());
    for (name, bytes) in pieces {
        put_bytes(&mut out, name.as_bytes());
        put_bytes(&mut out, bytes);
    }
    let digest = Digest::of(&out);
    out.extend_from_slice(&digest.0);
    out
}

pub(crate) fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U64(value) => {
            out.push(0);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::F64(value) => {
            out.push(1);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        Value::Bool(value) => {
            out.push(2);
            out.push((*value).into());
        }
        Value::Text(value) => {
            out.push(3);
            put_bytes(out, value.as_bytes());
        }
    }
}

fn value(from: &mut Reader<'_>) -> Result<Value, Damaged> {
    Ok(match from.array()? {
        [0] => Value::U64(from.u64()?),
        [1] => Value::F64(f64::from_bits(from.u64()?)),
        [2] => Value::Bool(from.array()? == [1]),
        [3] => Value::Text(from.text()?.to_owned()),
        [other] => return Err(Damaged::new(format!("a value of kind {other}"))),
    })
}

impl<'a> Loaded<'a> {
    /// Reads a checkpoint and checks that it is whole.
    ///
    /// # Errors
    /// [`Damaged`]: not a checkpoint, cut off, or changed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let Some((contents, digest)) = bytes.split_last_chunk::<32>() else {
            return Err(Damaged::new(format!("{} bytes are too few", bytes.len())));
        };
        let mut from = Reader::new(contents);
        if from.array()? != *MAGIC {
            return Err(Damaged::new("no checkpoint, or one of another version"));
        }
        if Digest::of(contents).0 != *digest {
            return Err(Damaged::new("its bytes do not have the digest at its end"));
        }
        let model = from.text()?;
        let (seed, now, agent_steps) = (from.u64()?, from.u64()?, from.u64()?);
        let chain = Digest(from.array()?);
        let mut params = Vec::new();
        for _ in 0..from.len(9)? {
            params.push((from.text()?, value(&mut from)?));
        }
        let mut pieces = Vec::new();
        for _ in 0..from.len(16)? {
            pieces.push((from.text()?, from.bytes()?));
        }
        from.end()?;
        Ok(Self {
            model,
            params,
            seed,
            now,
            agent_steps,
            chain,
            pieces,
        })
    }
}
