//! Whether a run is what its folder says: it is run again and compared, row by row, to the last bit.

use std::path::Path;

use super::record::{Record, Status};
use super::{Folder, FolderError, RECORD, file_record, model_table};
use crate::crew::Crew;
use crate::data;
use crate::drive::{Course, Ended, drive};
use crate::live::{Live, RunError};
use crate::model::ModelInfo;
use crate::outside::OutsideError;
use crate::series::{Difference, Names, era};

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The same.
    Same {
        /// How many rows were compared.
        rows: usize,
        /// The trace digest.
        digest: String,
    },
    /// The first difference.
    Different(Difference),
    /// Somebody wanted it to stop.
    Interrupted,
}

/// Why the way to the end was left.
enum Left {
    Differs(Difference),
    Failed(FolderError),
}

impl From<FolderError> for Left {
    fn from(error: FolderError) -> Self {
        Self::Failed(error)
    }
}

impl From<OutsideError> for Left {
    fn from(error: OutsideError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<RunError> for Left {
    fn from(error: RunError) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs the run of a folder again and compares.
///
/// # Errors
/// [`FolderError`]: it has not ended, its table cannot be read, a parameter is wrong, the world fails.
pub fn verify(
    path: &Path,
    record: &Record,
    model: &ModelInfo,
    crew: &Crew,
    mut see: impl FnMut(&mut dyn Live) -> bool,
) -> Result<Verdict, FolderError> {
    let (Some(digest), Some(state)) = (&record.digest, &record.state_digest) else {
        let why = match record.status {
            Status::Failed => "the run failed: there is no end to compare with",
            _ => "the run has not ended: resume it first",
        };
        return Err(FolderError::malformed(&path.join(RECORD), why));
    };
    let file = model_table(path, record.format);
    let table = data::read(&file)?;
    let eras = record.eras(model)?;
    let mut live = model.begin(&record.setting())?;
    let names = Names::of(live.as_ref());
    let mut rows = 0;
    let mut compare = |live: &dyn Live| -> Result<(), Left> {
        if live.now().is_multiple_of(record.collect_every) {
            let row = names.row(live)?;
            let params = era(&eras, row.step);
            if let Some(difference) = names.difference(&row, record.seed, params, &table, rows) {
                return Err(Left::Differs(difference));
            }
            rows += 1;
        }
        Ok(())
    };
    let course = Course {
        steps: record.done,
        acts: &record.acts,
        crew,
    };
    let mut talk = Folder::talk(path, None, 0)?;
    let went = compare(live.as_ref()).and_then(|()| {
        drive(live.as_mut(), &course, &mut talk, |live| {
            compare(live)?;
            Ok::<_, Left>(see(live))
        })
    });
    let ended = match went {
        Ok(ended) => ended,
        Err(Left::Differs(difference)) => return Ok(Verdict::Different(difference)),
        Err(Left::Failed(error)) => return Err(error),
    };
    if ended == Ended::Interrupted {
        return Ok(Verdict::Interrupted);
    }
    let now = live.now();
    let differs = |series: &str, recorded: &str, recomputed: String| {
        (recorded != recomputed).then(|| Difference {
            step: now,
            series: series.to_owned(),
            recorded: recorded.to_owned(),
            recomputed,
        })
    };
    let difference = differs("steps", &record.done.to_string(), now.to_string())
        .or_else(|| differs("rows", &table.rows().to_string(), rows.to_string()))
        .or_else(|| differs("state digest", state, live.state_digest().to_string()))
        .or_else(|| differs("digest", digest, live.digest().to_string()));
    if let Some(difference) = difference {
        return Ok(Verdict::Different(difference));
    }
    for (name, known) in &record.files {
        let found = match file_record(&path.join(name)) {
            Ok(found) => found.blake3,
            Err(FolderError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                "no such file".to_owned()
            }
            Err(error) => return Err(error),
        };
        if let Some(Difference {
            recorded,
            recomputed,
            ..
        }) = differs(name, &known.blake3, found)
        {
            // Here the file is what was found, and the record what was said of it.
            let series = format!("bytes of {name}");
            return Ok(Verdict::Different(Difference {
                step: now,
                series,
                recorded,
                recomputed,
            }));
        }
    }
    Ok(Verdict::Same {
        rows,
        digest: digest.clone(),
    })
}
