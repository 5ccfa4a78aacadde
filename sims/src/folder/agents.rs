//! The rows of all agents as tables, one for each cohort, in pieces that end where a checkpoint is: a run that was killed
//! goes on after the last piece that is whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::FolderError;
use super::record::Format;
use crate::agent::FieldInfo;
use crate::data::{self, Kind, Schema, Table, Values, Writer};
use crate::field::Leaf;
use crate::live::Live;

/// How many rows are gathered before they are given to the writer.
const BATCH_ROWS: usize = 16 * 1024;

/// Tables of agents that are written.
#[derive(Debug)]
pub(crate) struct AgentTables {
    /// Where the pieces are.
    folder: PathBuf,
    format: Format,
    /// After which tick the pieces begin that are written now.
    from: u64,
    open: BTreeMap<&'static str, Writer>,
}

impl AgentTables {
    /// Goes on after a tick; 0 with tick 0 itself. Pieces of later ticks are removed.
    pub(crate) fn resume(folder: &Path, format: Format, from: u64) -> Result<Self, FolderError> {
        fs_err::create_dir_all(folder)?;
        for (path, piece) in pieces(folder)? {
            if piece.is_none_or(|(_, piece)| piece >= from) {
                fs_err::remove_file(path)?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            format,
            from,
            open: BTreeMap::new(),
        })
    }

    /// Writes down everybody.
    pub(crate) fn see(&mut self, live: &mut dyn Live) -> Result<(), FolderError> {
        let (step, seed) = (live.now(), live.seed());
        for cohort in live.cohorts() {
            let fields = cohort.fields.iter().flat_map(FieldInfo::names);
            let kinds = cohort.blank.iter().map(|leaf| match leaf {
                Leaf::F64(_) => Kind::F64,
                Leaf::U64(_) => Kind::U64,
                Leaf::I64(_) => Kind::I64,
                Leaf::Bool(_) => Kind::Bool,
            });
            let fixed = [
                ("step", Kind::U64),
                ("seed", Kind::U64),
                ("cohort", Kind::Text),
                ("id", Kind::U64),
            ];
            let fixed = fixed.map(|(name, kind)| (name.to_owned(), kind));
            // A field that is called as one of those has the cohort before its name.
            let fields = fields.map(|name| {
                if fixed.iter().any(|(known, _)| *known == name) {
                    format!("{}.{name}", cohort.kind)
                } else {
                    name
                }
            });
            let schema = Schema::new(fixed.iter().cloned().chain(fields.zip(kinds)))?;
            let writer = match self.open.entry(cohort.name) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let path = self.folder.join(format!(
                        "{}.{}.{}",
                        cohort.name,
                        self.from,
                        Format::Parquet.ending()
                    ));
                    entry.insert(Writer::create(path, &schema, &BTreeMap::new())?)
                }
            };
            let mut batch = Batch::of(&schema);
            let mut failed = Ok(());
            live.each(cohort.name, &mut |id, leaves| {
                if failed.is_ok() {
                    batch.push(id.0, leaves);
                    if batch.ids.len() == BATCH_ROWS {
                        failed = batch.flush(writer, &schema, step, seed, cohort.name);
                    }
                }
            })?;
            failed?;
            batch.flush(writer, &schema, step, seed, cohort.name)?;
        }
        Ok(())
    }

    /// Ends the pieces that are written; the next begin after this tick.
    pub(crate) fn cut(&mut self, now: u64) -> Result<(), FolderError> {
        for (_, writer) in std::mem::take(&mut self.open) {
            writer.finish()?;
        }
        self.from = now;
        Ok(())
    }

    /// Puts the pieces together: `agents.parquet` in a world of one cohort, `agents.COHORT.parquet` in others. The files.
    pub(crate) fn join(&mut self, now: u64, into: &Path) -> Result<Vec<PathBuf>, FolderError> {
        self.cut(now)?;
        let mut cohorts: BTreeMap<String, BTreeMap<u64, PathBuf>> = BTreeMap::new();
        for (path, piece) in pieces(&self.folder)? {
            if let Some((cohort, from)) = piece {
                cohorts.entry(cohort).or_default().insert(from, path);
            }
        }
        let alone = cohorts.len() == 1;
        let ending = self.format.ending();
        let mut files = Vec::new();
        for (cohort, pieces) in cohorts {
            let name = if alone {
                format!("agents.{ending}")
            } else {
                format!("agents.{cohort}.{ending}")
            };
            let file = into.join(name);
            let pieces: Vec<_> = pieces.into_values().collect();
            data::concat(&pieces, &file)?;
            files.push(file);
        }
        Ok(files)
    }
}

/// The files of a folder, each with its cohort and the tick after which it begins if it is a piece.
type Pieces = Vec<(PathBuf, Option<(String, u64)>)>;

fn pieces(folder: &Path) -> Result<Pieces, FolderError> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut words = name.split('.');
        let piece = match (
            words.next(),
            words.next().map(str::parse),
            words.next(),
            words.next(),
        ) {
            (Some(cohort), Some(Ok(from)), Some(_), None) => Some((cohort.to_owned(), from)),
            _ => None,
        };
        found.push((path, piece));
    }
    found.sort();
    Ok(found)
}

/// Rows that are gathered.
struct Batch {
    ids: Vec<u64>,
    columns: Vec<Values>,
}

impl Batch {
    fn of(schema: &Schema) -> Self {
        let columns = schema.columns().iter().skip(4);
        Self {
            ids: Vec::new(),
            columns: columns.map(|(_, kind)| Values::empty(*kind)).collect(),
        }
    }

    fn push(&mut self, id: u64, leaves: &[Leaf]) {
        self.ids.push(id);
        for (column, leaf) in self.columns.iter_mut().zip(leaves) {
            match (column, leaf) {
                (Values::F64(values), leaf) => values.push(leaf.number()),
                (Values::U64(values), Leaf::U64(value)) => values.push(*value),
                (Values::I64(values), Leaf::I64(value)) => values.push(*value),
                (Values::Bool(values), Leaf::Bool(value)) => values.push(*value),
                // A leaf has one kind for life; were it not so, the table would refuse columns of other lengths.
                _ => {}
            }
        }
    }

    fn flush(
        &mut self,
        writer: &mut Writer,
        schema: &Schema,
        step: u64,
        seed: u64,
        cohort: &str,
    ) -> Result<(), FolderError> {
        let rows = self.ids.len();
        if rows == 0 {
            return Ok(());
        }
        let mut table = Table::new();
        table.push("step", vec![step; rows])?;
        table.push("seed", vec![seed; rows])?;
        table.push("cohort", vec![cohort; rows])?;
        table.push("id", std::mem::take(&mut self.ids))?;
        for ((name, kind), column) in schema.columns().iter().skip(4).zip(&mut self.columns) {
            table.push(name, std::mem::replace(column, Values::empty(*kind)))?;
        }
        Ok(writer.append(&table)?)
    }
}
