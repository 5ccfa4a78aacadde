//! Several files of rows put into one: [`concat()`].

use std::collections::BTreeMap;
use std::path::Path;

use super::error::Error;
use super::source::Source;
use super::table::Schema;
use super::{GROUP_BYTES, Limits, Writer, csv};

/// Puts the rows of several files, in the order given, into one; formats may differ, and `out` may be one
/// of them. Memory is bounded by a row group, however long the files are. Metadata that is equal in all is
/// kept. Returns how many rows there are.
///
/// # Errors
/// [`Error::NoInputs`]; [`Error::OtherColumns`] if names, order or kinds differ (the kinds of all CSV files
/// are inferred together); and those of [`super::read`] and [`Writer`]. Then `out` is as it was.
pub fn concat<In: AsRef<Path>>(inputs: &[In], out: impl AsRef<Path>) -> Result<u64, Error> {
    let plan = Plan::of(inputs)?;
    let mut writer = Writer::create(out, &plan.schema, &plan.metadata)?;
    for path in inputs {
        let mut source = open(path.as_ref())?;
        if let Some(guesses) = &plan.guesses {
            source.set_guesses(guesses)?;
        }
        while let Some(rows) = source.next(ROWS_BYTES_MAX)? {
            writer.append(&rows)?;
        }
    }
    let rows = writer.rows();
    writer.finish()?;
    Ok(rows)
}

/// Most bytes of the values of [`super::GROUP_ROWS`] rows; a [`Writer`] makes no larger row groups, save
/// for one long row.
const ROWS_BYTES_MAX: u64 = 4 * GROUP_BYTES;

fn open(path: &Path) -> Result<Source, Error> {
    let unbounded = Limits {
        rows_max: u64::MAX,
        bytes_max: u64::MAX,
    };
    Source::open(path, unbounded)
}

/// What the inputs have in common.
struct Plan {
    schema: Schema,
    metadata: BTreeMap<String, String>,
    guesses: Option<Vec<csv::Guess>>,
}

impl Plan {
    /// Looks at each input once; only one is open at a time, for a sweep may have thousands.
    fn of<In: AsRef<Path>>(inputs: &[In]) -> Result<Self, Error> {
        let mut schemas = Vec::new();
        let mut metadata: Option<BTreeMap<String, String>> = None;
        let mut guesses: Option<Vec<csv::Guess>> = None;
        for path in inputs {
            let source = open(path.as_ref())?;
            schemas.push((source.schema().clone(), source.guesses().is_some()));
            match &mut metadata {
                None => metadata = Some(source.metadata().clone()),
                Some(all) => all.retain(|key, value| source.metadata().get(key) == Some(value)),
            }
            guesses = match (guesses, source.guesses()) {
                (Some(all), Some(more)) if all.len() == more.len() => Some(
                    all.iter()
                        .zip(more)
                        .map(|(all, more)| all.and(*more))
                        .collect(),
                ),
                (Some(all), _) => Some(all), // another number of columns is refused below
                (None, more) => more.map(<[_]>::to_vec),
            };
        }
        for (schema, inferred) in &mut schemas {
            if let (true, Some(guesses)) = (*inferred, &guesses)
                && guesses.len() == schema.columns().len()
            {
                let names = schema.columns().iter().map(|(name, _)| name.clone());
                let kinds = guesses.iter().map(|guess| guess.kind());
                *schema = Schema::new(names.zip(kinds))?;
            }
        }
        let (first, others) = schemas.split_first().ok_or(Error::NoInputs)?;
        for ((other, _), path) in others.iter().zip(inputs.iter().skip(1)) {
            first
                .0
                .check(other, || format!("`{}`", path.as_ref().display()))?;
        }
        Ok(Self {
            schema: first.0.clone(),
            metadata: metadata.unwrap_or_default(),
            guesses,
        })
    }
}
