//! Stores that live as long as the process: plain, and with faults on demand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use actors::store::{Op, Row, Store, StoreError, Table};
use parking_lot::{Mutex, RwLock};

use super::{FORMAT, FORMAT_KEY, in_range, row_name};

type Tables = BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>;

/// Rows in memory, for nodes without a data folder. Clones share them.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    tables: Arc<RwLock<Tables>>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store; like any other it holds the row of its format.
    pub fn new() -> Self {
        let format = BTreeMap::from([(FORMAT_KEY.to_vec(), FORMAT.to_le_bytes().to_vec())]);
        Self {
            tables: Arc::new(RwLock::new(BTreeMap::from([(Table::Meta, format)]))),
        }
    }

    /// Makes the changes and returns those that undo them.
    fn apply(&self, ops: &[Op]) -> Vec<Op> {
        let mut tables = self.tables.write();
        let mut undo = Vec::with_capacity(ops.len());
        for op in ops {
            match op {
                Op::Put { table, key, value } => {
                    let old = tables
                        .entry(*table)
                        .or_default()
                        .insert(key.clone(), value.clone());
                    undo.push(restore(*table, key.clone(), old));
                }
                Op::Delete { table, key } => {
                    let old = tables.entry(*table).or_default().remove(key);
                    undo.push(restore(*table, key.clone(), old));
                }
                Op::DeleteRange { table, from, until } => {
                    let rows = tables.entry(*table).or_default();
                    let gone = rows.extract_if(from.clone().., |key, _| in_range(key, from, until));
                    undo.extend(gone.map(|(key, value)| restore(*table, key, Some(value))));
                }
            }
        }
        undo.reverse();
        undo
    }
}

/// The change that makes a row what it was.
fn restore(table: Table, key: Vec<u8>, old: Option<Vec<u8>>) -> Op {
    match old {
        Some(value) => Op::Put { table, key, value },
        None => Op::Delete { table, key },
    }
}

impl Store for MemoryStore {
    fn commit(&self, ops: &[Op]) -> Result<(), StoreError> {
        self.apply(ops);
        Ok(())
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .tables
            .read()
            .get(&table)
            .and_then(|rows| rows.get(key).cloned()))
    }

    fn range(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let tables = self.tables.read();
        let rows = tables.get(&table).map(|rows| rows.range(from.to_vec()..));
        let rows = rows.into_iter().flatten().take(limit);
        Ok(rows
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn len(&self, table: Table) -> Result<u64, StoreError> {
        Ok(self
            .tables
            .read()
            .get(&table)
            .map_or(0, |rows| rows.len() as u64))
    }

    fn bytes_on_disk(&self) -> u64 {
        0
    }
}

/// What becomes of the commit during which the store crashes. Either is all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CommitFate {
    /// None of its changes are there after the restart.
    #[default]
    Lost,
    /// All of its changes are there, although the caller never heard so.
    Kept,
    /// One of the two, by the plan's seed and the number of the call.
    Seeded,
}

/// What goes wrong, and when. The default is nothing, never.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Decides what the plan leaves open; the same seed decides the same.
    pub seed: u64,
    /// The call, counted from 1, during which the store crashes.
    pub crash_at: Option<u64>,
    /// What becomes of a commit that this call is.
    pub fate: CommitFate,
    /// The commit, counted from 1, from which on the disk is full.
    pub full_from: Option<u64>,
    /// Rows that cannot be read.
    pub unreadable: BTreeSet<(Table, Vec<u8>)>,
    /// How many of the last commits a crash may take along: a disk that says they are safe before
    /// they are. More than 0 breaks the contract of [`Store`], as such disks do; how many are lost
    /// is decided by the seed.
    pub unsynced_max: usize,
}

/// A [`MemoryStore`] in which things go wrong as planned. Clones are handles of the same store, so
/// that a test can start its node again on what the crash left.
///
/// A *call* is a commit, a `get`, a `range` or a `len`. From a crash until [`FaultStore::restart`]
/// every call is answered with [`StoreError::Io`].
#[derive(Clone, Debug, Default)]
pub struct FaultStore {
    memory: MemoryStore,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Debug, Default)]
struct Faults {
    plan: Plan,
    calls: u64,
    commits: u64,
    crashes: u64,
    crashed: bool,
    /// How to undo the last commits, oldest first; at most [`Plan::unsynced_max`].
    unsynced: VecDeque<Vec<Op>>,
}

impl FaultStore {
    /// An empty store that fails as planned.
    pub fn new(plan: Plan) -> Self {
        let faults = Faults {
            plan,
            ..Faults::default()
        };
        Self {
            memory: MemoryStore::new(),
            faults: Arc::new(Mutex::new(faults)),
        }
    }

    /// Crashes now: the last commits, as many as the plan allows to be lost and its seed wants, are
    /// undone.
    pub fn crash(&self) {
        self.crash_locked(&mut self.faults.lock());
    }

    /// Crashes during a call, counted from 1; one that is past crashes the next.
    pub fn crash_at(&self, call: u64, fate: CommitFate) {
        let mut faults = self.faults.lock();
        faults.plan.crash_at = Some(call);
        faults.plan.fate = fate;
    }

    /// Ends a crash. What is there is what was durable when it happened.
    pub fn restart(&self) {
        self.faults.lock().crashed = false;
    }

    /// Makes the disk full, from the next commit on.
    pub fn fill_space(&self) {
        let mut faults = self.faults.lock();
        faults.plan.full_from = Some(faults.commits + 1);
    }

    /// Frees the disk: commits go on.
    pub fn free_space(&self) {
        self.faults.lock().plan.full_from = None;
    }

    /// Makes a row unreadable, alone or within a range.
    pub fn break_row(&self, table: Table, key: &[u8]) {
        self.faults
            .lock()
            .plan
            .unreadable
            .insert((table, key.to_vec()));
    }

    /// Makes all rows readable.
    pub fn mend_rows(&self) {
        self.faults.lock().plan.unreadable.clear();
    }

    /// How many calls there were, including those that failed.
    pub fn calls(&self) -> u64 {
        self.faults.lock().calls
    }

    /// How many commits were tried.
    pub fn commits(&self) -> u64 {
        self.faults.lock().commits
    }

    /// Whether the store has crashed and was not restarted.
    pub fn is_crashed(&self) -> bool {
        self.faults.lock().crashed
    }

    fn crash_locked(&self, faults: &mut Faults) {
        faults.crashed = true;
        faults.crashes += 1;
        faults.plan.crash_at = None;
        let lost = draw(faults.plan.seed, faults.crashes) % (faults.unsynced.len() as u64 + 1);
        for _ in 0..lost {
            if let Some(undo) = faults.unsynced.pop_back() {
                self.memory.apply(&undo);
            }
        }
        faults.unsynced.clear();
    }

    /// Counts a call and lets it crash if it is the one. Says whether the caller must give up.
    fn call(&self, faults: &mut Faults) -> Result<(), StoreError> {
        faults.calls += 1;
        if faults.crashed {
            return Err(down());
        }
        if faults
            .plan
            .crash_at
            .is_some_and(|call| call <= faults.calls)
        {
            self.crash_locked(faults);
            return Err(down());
        }
        Ok(())
    }
}

impl Store for FaultStore {
    fn commit(&self, ops: &[Op]) -> Result<(), StoreError> {
        let mut faults = self.faults.lock();
        faults.commits += 1;
        let was_up = !faults.crashed;
        if let Err(error) = self.call(&mut faults) {
            let kept = match faults.plan.fate {
                CommitFate::Lost => false,
                CommitFate::Kept => true,
                CommitFate::Seeded => draw(faults.plan.seed, faults.calls) % 2 == 1,
            };
            // Later commits cannot survive without those before them.
            let has_room = faults
                .plan
                .full_from
                .is_none_or(|from| faults.commits < from);
            if was_up && kept && has_room && faults.plan.unsynced_max == 0 {
                self.memory.apply(ops);
            }
            return Err(error);
        }
        if faults
            .plan
            .full_from
            .is_some_and(|from| faults.commits >= from)
        {
            return Err(StoreError::Full {
                what: format!("commit {}", faults.commits),
            });
        }
        let undo = self.memory.apply(ops);
        if faults.plan.unsynced_max > 0 {
            if faults.unsynced.len() == faults.plan.unsynced_max {
                faults.unsynced.pop_front();
            }
            faults.unsynced.push_back(undo);
        }
        Ok(())
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut faults = self.faults.lock();
        self.call(&mut faults)?;
        if faults.plan.unreadable.contains(&(table, key.to_vec())) {
            return Err(unreadable(table, key));
        }
        self.memory.get(table, key)
    }

    fn range(&self, table: Table, from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let mut faults = self.faults.lock();
        self.call(&mut faults)?;
        let rows = self.memory.range(table, from, limit)?;
        if !faults.plan.unreadable.is_empty() {
            for (key, _) in &rows {
                if faults.plan.unreadable.contains(&(table, key.clone())) {
                    return Err(unreadable(table, key));
                }
            }
        }
        Ok(rows)
    }

    fn len(&self, table: Table) -> Result<u64, StoreError> {
        self.call(&mut self.faults.lock())?;
        self.memory.len(table)
    }

    fn bytes_on_disk(&self) -> u64 {
        self.memory.bytes_on_disk()
    }
}

fn down() -> StoreError {
    StoreError::Io {
        what: "the store has crashed".to_owned(),
    }
}

fn unreadable(table: Table, key: &[u8]) -> StoreError {
    StoreError::Io {
        what: format!("{}: the disk does not answer", row_name(table, key)),
    }
}

/// A number that depends on all bits of a seed and an index (`SplitMix64`: Steele, Lea, Flood 2014).
fn draw(seed: u64, index: u64) -> u64 {
    let mut mixed = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
