//! A run that leaves another at a tick and goes its own way.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use super::keeper::{Start, load, rows_until};
use super::record::{Fork, Record, Status};
use super::{ANSWERS, Folder, FolderError, checkpoints};
use crate::crew::Crew;
use crate::drive::{Act, Course, Ended, What, drive};
use crate::live::{Live, Loaded, RunError};
use crate::model::ModelInfo;
use crate::outside::Given;
use crate::series::{Names, Row};

/// Where a fork begins.
#[derive(Debug)]
pub struct Forked {
    /// The world at the tick, before anything is changed; none if somebody wanted it to stop on the way.
    pub start: Option<Start>,
    /// What the new folder says.
    pub record: Record,
    /// The answers from outside that its past has, as lines of `answers.jsonl`.
    pub answers: String,
    /// From which checkpoint of the other run it came; none if it was run from the beginning.
    pub from: Option<u64>,
}

/// Brings a world to a tick of a run, from the nearest checkpoint at or before it, and says what changes there.
///
/// # Errors
/// [`FolderError`]: a wrong parameter, a world that is over before, and those of files.
pub fn fork(
    path: &Path,
    parent: &Record,
    model: &ModelInfo,
    at: u64,
    set: BTreeMap<String, Json>,
    crew: &Crew,
    mut see: impl FnMut(&mut dyn Live) -> bool,
) -> Result<Forked, FolderError> {
    let mut acts: Vec<_> = parent
        .acts
        .iter()
        .filter(|act| act.after <= at)
        .cloned()
        .collect();
    acts.push(Act {
        after: at,
        what: What::Set(set),
    });
    let mut record = Record {
        acts,
        status: Status::Running,
        why: None,
        done: at,
        // Rows of agents begin with a run: a fork has none.
        agents_every: None,
        digest: None,
        state_digest: None,
        files: BTreeMap::new(),
        last: BTreeMap::new(),
        seconds: 0.0,
        ..parent.clone()
    };
    let (mut live, mut rows, from) = nearest(path, parent, model, at)?;
    let names = Names::of(live.as_ref());
    if rows.is_empty() {
        rows.push(names.row(live.as_ref())?);
    }
    // What is done after the tick itself is done when the run goes on.
    let course = Course {
        steps: at,
        acts: &record.acts,
        crew,
    };
    let mut talk = Folder::talk(path, None, live.now())?;
    let ended = drive(live.as_mut(), &course, &mut talk, |live| {
        if live.now().is_multiple_of(parent.collect_every) {
            rows.push(names.row(live)?);
        }
        Ok::<_, FolderError>(see(live))
    })?;
    match ended {
        Ended::Steps => {}
        Ended::Interrupted => {
            return Ok(Forked {
                start: None,
                record,
                answers: String::new(),
                from,
            });
        }
        Ended::Over => {
            let why = format!("nothing can happen any more, so there is no tick {at} to fork at");
            let tick = live.now();
            return Err(RunError::Failed { tick, why }.into());
        }
    }
    // Wrong values are said before a folder is made: they are tried on a copy.
    let saved = live.save();
    let loaded = Loaded::parse(&saved).map_err(RunError::from)?;
    let mut copy = model.load(&loaded, parent.hosting())?;
    for act in record.acts.iter().filter(|act| act.after == at) {
        act.apply(copy.as_mut())?;
    }
    record.fork = Some(Fork {
        of: path.display().to_string(),
        at,
        digest: live.digest().to_string(),
    });
    let start = Some(Start { live, rows });
    Ok(Forked {
        start,
        record,
        answers: answers_before(path, at)?,
        from,
    })
}

/// The lines of a record of answers that were given before a tick.
fn answers_before(path: &Path, at: u64) -> Result<String, FolderError> {
    let text = match fs_err::read_to_string(path.join(ANSWERS)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error.into()),
    };
    let before =
        |line: &&str| serde_json::from_str::<Given>(line).is_ok_and(|given| given.tick < at);
    Ok(text
        .lines()
        .filter(before)
        .flat_map(|line| [line, "\n"])
        .collect())
}

/// The world of the last good checkpoint at or before a tick, with the rows up to there; or the world at its beginning.
type Nearest = (Box<dyn Live>, Vec<Row>, Option<u64>);

fn nearest(
    path: &Path,
    parent: &Record,
    model: &ModelInfo,
    at: u64,
) -> Result<Nearest, FolderError> {
    for (tick, file) in checkpoints(path)? {
        if tick > at {
            continue;
        }
        if let Ok(live) = load(&file, parent, model, tick) {
            let names = Names::of(live.as_ref());
            if let Some(rows) = rows_until(path, parent, &names, tick)? {
                return Ok((live, rows, Some(tick)));
            }
        }
    }
    Ok((model.begin(&parent.setting())?, Vec::new(), None))
}
