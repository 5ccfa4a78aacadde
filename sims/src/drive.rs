//! A world driven from tick to tick: to the end that was asked for, or until somebody wants it to stop.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::crew::Crew;
use crate::live::{Live, RunError};
use crate::outside::{OutsideError, Talk};
use crate::params::Value;

/// What was done to a world from outside, between two ticks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// After which tick.
    pub after: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can be done to a world from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum What {
    /// Parameters got other values.
    Set(BTreeMap<String, serde_json::Value>),
}

impl Act {
    /// Does it.
    ///
    /// # Errors
    /// [`RunError`]: what the world refuses.
    pub fn apply(&self, live: &mut dyn Live) -> Result<(), RunError> {
        match &self.what {
            What::Set(values) => {
                for (name, value) in values {
                    live.set(name, &Value::from_json(value))?;
                }
            }
        }
        Ok(())
    }
}

/// Where a world is driven to.
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// To this tick.
    pub steps: u64,
    /// What is done on the way, in the order in which it is done.
    pub acts: &'a [Act],
    /// By these threads.
    pub crew: &'a Crew,
}

/// Why a world is not driven any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It has come where it should.
    Steps,
    /// Nothing can happen any more.
    Over,
    /// Somebody wanted it to stop.
    Interrupted,
}

/// Drives a world, and shows it after each tick to somebody who may want it to stop (by answering `false`). Between two ticks
/// whoever `talk` is with hears its questions.
///
/// # Errors
/// [`RunError`] of the world, [`OutsideError`] of the talk, or what `see` says; the world is then not to be used any more.
pub fn drive<E: From<RunError> + From<OutsideError>>(
    live: &mut dyn Live,
    course: &Course<'_>,
    talk: &mut Option<Talk>,
    mut see: impl FnMut(&mut dyn Live) -> Result<bool, E>,
) -> Result<Ended, E> {
    loop {
        if live.now() >= course.steps {
            return Ok(Ended::Steps);
        }
        if live.is_over() {
            return Ok(Ended::Over);
        }
        let now = live.now();
        for act in course.acts.iter().filter(|act| act.after == now) {
            act.apply(live)?;
        }
        if let Some(talk) = talk {
            talk.between(live)?;
        }
        live.tick(course.crew)?;
        if !see(live)? && live.now() < course.steps {
            return Ok(Ended::Interrupted);
        }
    }
}
