//! Who answers the questions of a world: a program beside it, or the record of an earlier run.
//!
//! Between two ticks, [`Talk::between`] puts what has been asked and gives the answers that there are; it waits for none, unless
//! it was told to be patient. Every answer is written to the record with the tick after which it was given. A run with that
//! record and nobody outside gives the same answers at the same ticks, and so the same digest.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::live::{Live, Question, RunError};

pub mod program;
pub mod record;

pub use program::Program;
pub use record::{Given, Record, Replay};

/// Somebody outside of the world.
pub trait Outside: Send {
    /// Puts a question. False if it cannot be taken now: it is put again after the next tick.
    ///
    /// # Errors
    /// [`OutsideError`] if nobody is there any more.
    fn ask(&mut self, question: &Question) -> Result<bool, OutsideError>;

    /// The answers that have come: number and text. Does not wait.
    ///
    /// # Errors
    /// [`OutsideError`] if nobody is there any more, or what came is no answer.
    fn poll(&mut self, now: u64) -> Result<Vec<(u64, String)>, OutsideError>;

    /// Waits until something has come, at most for so long; whether something has.
    fn wait(&mut self, _at_most: Duration) -> bool {
        false
    }
}

/// Why nobody answers.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    /// The program cannot be started.
    #[error("`{program}` cannot be started: {why}")]
    Start {
        /// What was to be started.
        program: String,
        /// What the system says.
        why: std::io::Error,
    },
    /// The program has ended.
    #[error("`{program}` has ended ({how}){}", last_words(.said))]
    Ended {
        /// Which program.
        program: String,
        /// With which status.
        how: String,
        /// The last of what it wrote to stderr.
        said: String,
    },
    /// A line that is no answer.
    #[error("line {line} of `{program}` is no answer: {why}: {text:?}")]
    Garbage {
        /// Which program.
        program: String,
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong.
        why: String,
        /// How the line begins.
        text: String,
    },
    /// An answer that the world does not take.
    #[error("an answer from outside is refused: {0}")]
    Refused(#[source] RunError),
    /// The record is not of this run.
    #[error(
        "the record has an answer to question {number} after tick {tick}, which this run did not ask"
    )]
    Strange {
        /// Which question.
        number: u64,
        /// After which tick.
        tick: u64,
    },
    /// The record cannot be read or written.
    #[error("{}: {why}", path.display())]
    Record {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// What a program said before it ended, as it stands in an error.
fn last_words(said: &str) -> String {
    match said.trim() {
        "" => String::new(),
        said => format!("; it said: {said}"),
    }
}

impl OutsideError {
    /// The way out.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Start { .. } => "the command is run by `sh -c`: try it in a shell",
            Self::Ended { .. } => {
                "it has to read questions until its input ends; resume the run once it does"
            }
            Self::Garbage { .. } => {
                r#"answers are lines like {"number": 0, "answer": "..."}, one for each question, and nothing else"#
            }
            Self::Refused(_) => "answer each question once, in at most 16 KiB",
            Self::Strange { .. } => "take the record that lies beside this run's own data",
            Self::Record { .. } => return None,
        })
    }
}

/// A world's conversation with somebody outside.
pub struct Talk {
    /// What was recorded for the ticks to come: given again, before anybody is asked.
    replay: Replay,
    outside: Option<Box<dyn Outside>>,
    record: Option<Record>,
    under_way: BTreeSet<u64>,
    patience: Duration,
}

impl std::fmt::Debug for Talk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Talk({} questions under way)", self.under_way.len())
    }
}

impl Talk {
    /// With somebody, every answer noted in the record. What the record has for the ticks to come is given first and nobody is
    /// asked before that is over: so a run that goes on from a checkpoint has the answers that it had.
    pub fn with(outside: Box<dyn Outside>, record: Option<Record>, ahead: Replay) -> Self {
        Self {
            replay: ahead,
            outside: Some(outside),
            record,
            under_way: BTreeSet::new(),
            patience: Duration::ZERO,
        }
    }

    /// With a record alone.
    pub const fn replay(replay: Replay) -> Self {
        Self {
            replay,
            outside: None,
            record: None,
            under_way: BTreeSet::new(),
            patience: Duration::ZERO,
        }
    }

    /// From now on waits between ticks until all questions are answered, or nothing has come for so long. The answers then
    /// do not depend on how fast the world is.
    pub const fn wait(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Puts the questions that are open and gives the answers that have come; how many. To be called before each tick.
    ///
    /// # Errors
    /// [`OutsideError`]. The world is as before but for the answers that were given.
    pub fn between(&mut self, world: &mut dyn Live) -> Result<usize, OutsideError> {
        let now = world.now();
        let recorded = self.replay.poll(now)?;
        for (number, text) in &recorded {
            world.answer(*number, text).map_err(|error| match error {
                RunError::NotOpen { number } => OutsideError::Strange { number, tick: now },
                error => OutsideError::Refused(error),
            })?;
        }
        let Some(outside) = self.outside.as_mut().filter(|_| !self.replay.goes_on(now)) else {
            return Ok(recorded.len());
        };
        for question in world.questions(&self.under_way) {
            if !outside.ask(&question)? {
                break;
            }
            self.under_way.insert(question.number);
        }
        let mut count = recorded.len();
        loop {
            for (number, text) in outside.poll(now)? {
                world.answer(number, &text).map_err(OutsideError::Refused)?;
                self.under_way.remove(&number);
                count += 1;
                if let Some(record) = &mut self.record {
                    record.note(&Given {
                        tick: now,
                        number,
                        answer: text,
                    })?;
                }
            }
            let waits = !self.patience.is_zero() && !self.under_way.is_empty();
            if !waits || !outside.wait(self.patience) {
                break;
            }
        }
        if let Some(record) = &mut self.record {
            record.flush()?;
        }
        Ok(count)
    }
}
