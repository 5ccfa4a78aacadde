//! What a run does with its folder from tick to tick.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::agents::AgentTables;
use super::record::{Record, Status};
use super::rows::{self, RowLog};
use super::{ANSWERS, Folder, FolderError, PIECES, ROWS, checkpoints, file_record, model_table};
use crate::data::{self, Writer};
use crate::drive::Ended;
use crate::live::{Live, Loaded};
use crate::model::ModelInfo;
use crate::series::{Era, Names, Row};

/// How many rows are read at once when they become a table.
const BATCH_ROWS: usize = 4 * 1024;

/// Writes down a run.
#[derive(Debug)]
pub struct Keeper {
    folder: Folder,
    record: Record,
    model: ModelInfo,
    names: Names,
    eras: Vec<Era>,
    log: RowLog,
    agents: Option<AgentTables>,
    /// How long it took before, in seconds.
    before: f64,
}

/// A run that goes on.
#[derive(Debug)]
pub struct Resumed {
    /// The world.
    pub live: Box<dyn Live>,
    /// Who writes it down.
    pub keeper: Keeper,
    /// From which checkpoint; none if it begins anew.
    pub from: Option<u64>,
    /// What was wrong with later checkpoints.
    pub notes: Vec<String>,
}

/// With what a folder begins.
#[derive(Debug)]
pub struct Start {
    /// The world, which has come to tick [`Live::now`].
    pub live: Box<dyn Live>,
    /// The rows of the ticks up to that, if it has come from somewhere.
    pub rows: Vec<Row>,
}

impl Keeper {
    /// Begins to write down a run.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn begin(
        folder: Folder,
        record: Record,
        model: &ModelInfo,
        start: &mut Start,
    ) -> Result<Self, FolderError> {
        let live = start.live.as_mut();
        let names = Names::of(live);
        // Names that make no table are said before anything is run.
        names.schema()?;
        let log = RowLog::create(&folder.path().join(ROWS))?;
        let record = Record {
            parameters: names.params().map(str::to_owned).collect(),
            series: names.values().map(str::to_owned).collect(),
            ..record
        };
        let mut keeper = Self {
            eras: record.eras(model)?,
            model: *model,
            before: record.seconds,
            folder,
            record,
            names,
            log,
            agents: None,
        };
        keeper.folder.write(&keeper.record)?;
        if keeper.record.agents_every.is_some() {
            let pieces = keeper.folder.path().join(PIECES);
            keeper.agents = Some(AgentTables::resume(&pieces, keeper.record.format, 0)?);
        }
        let rows = std::mem::take(&mut start.rows);
        for row in &rows {
            keeper.log.push(row)?;
        }
        if rows.is_empty() {
            keeper.collect(live)?;
        } else {
            keeper.save(live)?;
        }
        Ok(keeper)
    }

    /// Goes on with the run of a folder: from its last checkpoint that is whole, or anew if none is.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn resume(
        folder: Folder,
        record: Record,
        model: &ModelInfo,
    ) -> Result<Resumed, FolderError> {
        let mut notes = Vec::new();
        let path = folder.path().to_owned();
        if record.agents_every.is_some() && !path.join(PIECES).exists() {
            notes.push("the rows of agents are put together already".to_owned());
            return Self::anew(folder, record, model, notes);
        }
        for (tick, file) in checkpoints(&path)? {
            if tick > record.steps {
                continue;
            }
            match load(&file, &record, model, tick) {
                Ok(live) => match Self::at(&folder, &record, model, live.as_ref())? {
                    Ok((names, log, agents)) => {
                        let keeper = Self {
                            eras: record.eras(model)?,
                            model: *model,
                            before: record.seconds,
                            folder,
                            record: under_way(record),
                            names,
                            log,
                            agents,
                        };
                        keeper.folder.write(&keeper.record)?;
                        return Ok(Resumed {
                            live,
                            keeper,
                            from: Some(tick),
                            notes,
                        });
                    }
                    Err(why) => notes.push(format!("checkpoint {tick} is of no use: {why}")),
                },
                Err(why) => notes.push(format!("checkpoint {tick} is of no use: {why}")),
            }
        }
        Self::anew(folder, record, model, notes)
    }

    fn anew(
        folder: Folder,
        record: Record,
        model: &ModelInfo,
        notes: Vec<String>,
    ) -> Result<Resumed, FolderError> {
        let live = model.begin(&record.setting())?;
        let mut start = Start {
            live,
            rows: Vec::new(),
        };
        let keeper = Self::begin(folder, under_way(record), model, &mut start)?;
        Ok(Resumed {
            live: start.live,
            keeper,
            from: None,
            notes,
        })
    }

    /// What was written down up to a checkpoint, to be appended to; or what is missing of it.
    #[expect(clippy::type_complexity, reason = "three pieces of one keeper")]
    fn at(
        folder: &Folder,
        record: &Record,
        model: &ModelInfo,
        live: &dyn Live,
    ) -> Result<Result<(Names, RowLog, Option<AgentTables>), String>, FolderError> {
        let names = Names::of(live);
        let path = folder.path().join(ROWS);
        if !path.exists() {
            // The run had ended: its rows are in the table, from which they are taken again.
            let Some(rows) = table_rows(folder.path(), record, &names)? else {
                return Ok(Err("the rows before it are missing".to_owned()));
            };
            let mut log = RowLog::create(&path)?;
            for row in &rows {
                log.push(row)?;
            }
            log.sync()?;
        }
        let Some(log) = RowLog::resume(&path, &names, live.now(), record.collect_every)? else {
            return Ok(Err("rows before it are missing or damaged".to_owned()));
        };
        let pieces = folder.path().join(PIECES);
        let agents = match record.agents_every {
            None => None,
            Some(_) => Some(AgentTables::resume(&pieces, record.format, live.now())?),
        };
        record.eras(model)?;
        Ok(Ok((names, log, agents)))
    }

    /// What the folder says of its run, so far.
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Where it is written down.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes down a tick that is over.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn see(&mut self, live: &mut dyn Live) -> Result<(), FolderError> {
        self.collect(live)?;
        let now = live.now();
        if self
            .record
            .checkpoint_every
            .is_some_and(|every| now.is_multiple_of(every))
        {
            self.save(live)?;
        }
        Ok(())
    }

    fn collect(&mut self, live: &mut dyn Live) -> Result<(), FolderError> {
        let now = live.now();
        if now.is_multiple_of(self.record.collect_every) {
            self.log.push(&self.names.row(live)?)?;
        }
        if let (Some(agents), Some(every)) = (&mut self.agents, self.record.agents_every)
            && now.is_multiple_of(every)
        {
            agents.see(live)?;
        }
        Ok(())
    }

    /// Writes a checkpoint, after what came before it is on the disk.
    fn save(&mut self, live: &mut dyn Live) -> Result<PathBuf, FolderError> {
        self.log.sync()?;
        let answers = self.folder.path().join(ANSWERS);
        if answers.exists() {
            fs_err::File::open(answers)?.sync_all()?;
        }
        if let Some(agents) = &mut self.agents {
            agents.cut(live.now())?;
        }
        self.folder.checkpoint(live.now(), &live.save())
    }

    /// The run has ended, in order: puts everything together. A run that was interrupted keeps a checkpoint.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn end(
        mut self,
        live: &mut dyn Live,
        ended: Ended,
        threads: usize,
        seconds: f64,
    ) -> Result<Record, FolderError> {
        if ended == Ended::Interrupted || self.record.checkpoint_every.is_some() {
            self.save(live)?;
        } else {
            self.log.sync()?;
        }
        let table = self.write_table()?;
        let mut files = vec![table];
        if let Some(agents) = &mut self.agents {
            files.extend(agents.join(live.now(), self.folder.path())?);
        }
        let answers = self.folder.path().join(ANSWERS);
        if answers.exists() {
            files.push(answers);
        }
        let record = &mut self.record;
        record.files.clear();
        for file in files {
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            record.files.insert(name, file_record(&file)?);
        }
        let last = live.observe();
        record.last = last
            .values()
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.into()))
            .collect();
        record.status = ended.into();
        record.why = None;
        record.done = live.now();
        record.threads = threads;
        record.agents = live.agents();
        record.agent_steps = live.agent_steps();
        record.digest = Some(live.digest().to_string());
        record.state_digest = Some(live.state_digest().to_string());
        record.seconds = self.before + seconds;
        self.folder.write(record)?;
        if ended != Ended::Interrupted {
            // All of it is in the tables now.
            let path = self.log.path().to_owned();
            drop(self.log);
            fs_err::remove_file(path)?;
            let pieces = self.folder.path().join(PIECES);
            if pieces.exists() {
                fs_err::remove_dir_all(pieces)?;
            }
        }
        Ok(self.record)
    }

    /// The world failed in its next tick: keeps what was before.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn fail(mut self, why: &str) -> Result<(), FolderError> {
        self.log.sync()?;
        let table = self.write_table()?;
        let name = table
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        self.record.files.insert(name, file_record(&table)?);
        self.record.status = Status::Failed;
        self.record.why = Some(why.to_owned());
        self.folder.write(&self.record)
    }

    fn write_table(&self) -> Result<PathBuf, FolderError> {
        let path = model_table(self.folder.path(), self.record.format);
        let metadata = self.names.metadata(&self.model);
        let mut writer = Writer::create(&path, &self.names.schema()?, &metadata)?;
        let mut batch = Vec::with_capacity(BATCH_ROWS);
        rows::each(self.log.path(), &self.names, |row| {
            batch.push(row);
            if batch.len() == BATCH_ROWS {
                writer.append(&self.names.table(&batch, self.record.seed, &self.eras)?)?;
                batch.clear();
            }
            Ok(true)
        })?;
        writer.append(&self.names.table(&batch, self.record.seed, &self.eras)?)?;
        writer.finish()?;
        Ok(path)
    }
}

/// What a folder says of its run while that is under way: nothing of an end.
fn under_way(record: Record) -> Record {
    Record {
        status: Status::Running,
        done: 0,
        why: None,
        digest: None,
        state_digest: None,
        files: BTreeMap::new(),
        ..record
    }
}

/// The world of a checkpoint; or why it is none of this run.
pub(crate) fn load(
    file: &Path,
    record: &Record,
    model: &ModelInfo,
    tick: u64,
) -> Result<Box<dyn Live>, String> {
    let bytes = fs_err::read(file).map_err(|error| error.to_string())?;
    let loaded = Loaded::parse(&bytes).map_err(|error| error.to_string())?;
    if loaded.now != tick || loaded.seed != record.seed {
        return Err(format!(
            "it is of tick {} and seed {}",
            loaded.now, loaded.seed
        ));
    }
    model
        .load(&loaded, record.hosting())
        .map_err(|error| error.to_string())
}

/// The rows that the table of a run has; none if it has none, or was changed.
pub(crate) fn table_rows(
    path: &Path,
    record: &Record,
    names: &Names,
) -> Result<Option<Vec<Row>>, FolderError> {
    let path = model_table(path, record.format);
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let Some(known) = record.files.get(&name) else {
        return Ok(None);
    };
    if !path.exists() || file_record(&path)? != *known {
        return Ok(None);
    }
    Ok(names.rows(&data::read(&path)?))
}

/// The rows of a run up to a tick, wherever they are; none if one is missing.
pub(crate) fn rows_until(
    path: &Path,
    record: &Record,
    names: &Names,
    tick: u64,
) -> Result<Option<Vec<Row>>, FolderError> {
    let mut found = Vec::new();
    rows::each(&path.join(ROWS), names, |row| {
        let good = row.step <= tick && row.step == found.len() as u64 * record.collect_every;
        if good {
            found.push(row);
        }
        Ok(good)
    })?;
    if found.is_empty() {
        found = table_rows(path, record, names)?.unwrap_or_default();
        found.retain(|row| row.step <= tick);
    }
    let wanted = tick / record.collect_every + 1;
    Ok((found.len() as u64 == wanted).then_some(found))
}
