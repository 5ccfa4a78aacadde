//! What makes messages survive: one log, one writer, commits for many turns at once.
//!
//! Workers append what happened in a slice of their work ([`Slice`]) *before* any message of that slice
//! leaves for another worker, so the log's order is a causal order and every prefix of it is a consistent
//! cut. The writer commits prefixes. What leaves the node waits for the commit of the prefix it depends
//! on ([`Log::settled`]); nothing else waits for the disk.
//!
//! A message that is accepted and finished between two commits costs no row at all. The others are packed
//! into one row per commit; rows are deleted from the oldest on as soon as nothing in them is owed, and a
//! message that lingers is written again further up, so that it cannot hold back the rest.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use genesis::id::VcId;
use genesis::limits::{COMMIT_RECORDS_MAX, COMMIT_WAIT_MS, LOG_LAG_MAX};
use genesis::message::MessageRef;
use genesis::refusal::{Code, Refusal};
use genesis::wire;
use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::letter::Letter;
use crate::store::{Op, Store, StoreError, Table};

/// The version byte of log rows and counters.
const VERSION: u8 = 1;
/// The key of the counters in [`Table::Meta`].
const COUNTS: &[u8] = b"counts";
/// How long a failed commit waits before it is tried again.
const RETRY_MS: u64 = 250;
/// Records that may wait for the writer before durable VCs take no more turns.
const BACKLOG_MAX: usize = 64 * 1024;

/// What became of messages of durable VCs, ever since the node was born.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) consumed: u64,
    pub(crate) bounced: u64,
    pub(crate) dead: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.consumed += other.consumed;
        self.bounced += other.bounced;
        self.dead += other.dead;
    }
}

/// What happened in one slice of a worker's work; all of it is committed, or none.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    accepted: Vec<(MessageRef, Vec<u8>)>,
    done: Vec<MessageRef>,
    pub(crate) ops: Vec<Op>,
    pub(crate) counts: Counts,
}

impl Slice {
    pub(crate) fn is_empty(&self) -> bool {
        self.accepted.is_empty() && self.done.is_empty() && self.ops.is_empty()
    }

    fn records(&self) -> usize {
        self.accepted.len() + self.done.len() + self.ops.len()
    }

    /// The medium owes this message an end.
    pub(crate) fn accept(&mut self, letter: &Letter) {
        let mut bytes = Vec::with_capacity(256 + letter.contents.len());
        match wire::encode_into(&mut bytes, letter) {
            Ok(()) => self.accepted.push((letter.reference(), bytes)),
            // A letter's contents and extras are bounded far below what the codec takes.
            Err(error) => {
                tracing::error!(%error, letter = ?letter.reference(), "a letter cannot be logged");
            }
        }
    }

    /// The message has had its end.
    pub(crate) fn finish(&mut self, message: MessageRef) {
        self.done.push(message);
    }
}

/// What a log held when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Messages that are owed, in the order in which they were accepted.
    pub(crate) owed: Vec<Letter>,
    /// What became of messages before.
    pub(crate) counts: Counts,
}

#[derive(Debug, Default)]
struct Queue {
    slices: Vec<Slice>,
    records: usize,
    /// Number of the last slice appended.
    appended: u64,
    /// Number of the last slice that somebody waits for.
    wanted: u64,
    closing: bool,
}

/// The log of one runtime: a handle for workers and the owner of the writer's thread.
#[derive(Debug)]
pub(crate) struct Log {
    store: Arc<dyn Store>,
    queue: Mutex<Queue>,
    work: Condvar,
    settled: watch::Sender<u64>,
    stalled: watch::Sender<Option<StoreError>>,
    is_stalled: AtomicBool,
    is_behind: AtomicBool,
    commits: AtomicU64,
    counts: Mutex<Counts>,
}

impl Log {
    /// Opens the log of a store and reads what is owed.
    pub(crate) fn open(
        store: Arc<dyn Store>,
    ) -> Result<(Arc<Self>, Writer, Recovered), StoreError> {
        let mut recovered = Recovered::default();
        if let Some(row) = store.get(Table::Meta, COUNTS)? {
            recovered.counts = decode("the counters", &row)?;
        }
        let mut writer = Writer {
            next_row: 1,
            ..Writer::default()
        };
        let mut owed: BTreeMap<(u64, usize), Letter> = BTreeMap::new();
        let mut places: HashMap<MessageRef, (u64, usize)> = HashMap::new();
        let mut from = Vec::new();
        loop {
            let rows = store.range(Table::Log, &from, 64)?;
            let Some((last, _)) = rows.last() else { break };
            from = [last.as_slice(), &[0]].concat();
            for (key, value) in rows {
                let number = key
                    .as_slice()
                    .try_into()
                    .map(u64::from_be_bytes)
                    .map_err(|_| StoreError::Corrupt {
                        what: format!("table log, key {key:?} is not a number"),
                    })?;
                let row: Row = decode(&format!("table log, row {number}"), &value)?;
                writer.next_row = number + 1;
                writer.rows.entry(number).or_default();
                for (place, bytes) in row.accepted.iter().enumerate() {
                    let letter: Letter = decode_part(number, bytes)?;
                    // A letter that was written again further up is owed once.
                    if let Some(old) = places.insert(letter.reference(), (number, place)) {
                        owed.remove(&old);
                    }
                    owed.insert((number, place), letter);
                }
                for message in row.done {
                    if let Some(place) = places.remove(&message) {
                        owed.remove(&place);
                    }
                }
            }
        }
        for (&(number, _), letter) in &owed {
            writer.owed.insert(letter.reference(), number);
            *writer.rows.entry(number).or_default() += 1;
        }
        recovered.owed = in_lane_order(owed.into_values().collect());
        let log = Arc::new(Self {
            store,
            queue: Mutex::default(),
            work: Condvar::new(),
            settled: watch::Sender::new(0),
            stalled: watch::Sender::new(None),
            is_stalled: AtomicBool::new(false),
            is_behind: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            counts: Mutex::new(recovered.counts),
        });
        Ok((log, writer, recovered))
    }

    /// Appends a slice; gives the number by which to wait for it. Leaves `slice` empty.
    pub(crate) fn append(&self, slice: &mut Slice) -> u64 {
        let mut queue = self.queue.lock();
        let slice = std::mem::take(slice);
        let first = queue.slices.is_empty();
        queue.records += slice.records();
        queue.slices.push(slice);
        queue.appended += 1;
        if queue.records > BACKLOG_MAX {
            self.is_behind.store(true, Ordering::Relaxed);
        }
        if first || queue.records >= COMMIT_RECORDS_MAX {
            self.work.notify_one();
        }
        queue.appended
    }

    /// The number of the last slice appended by anybody.
    pub(crate) fn appended(&self) -> u64 {
        self.queue.lock().appended
    }

    /// The number of the last slice on disk.
    pub(crate) fn settled_now(&self) -> u64 {
        *self.settled.borrow()
    }

    /// Waits until a slice is on disk. Cancel-safe.
    ///
    /// # Errors
    /// [`Refusal`] if the store cannot commit now; the slice may get there later.
    pub(crate) async fn settled(&self, number: u64) -> Result<(), Refusal> {
        let mut settled = self.settled.subscribe();
        if *settled.borrow_and_update() >= number {
            return Ok(());
        }
        self.want(number);
        let mut stalled = self.stalled.subscribe();
        tokio::select! {
            biased;
            // Both senders live as long as `self`, so neither wait can fail for another reason.
            _ = settled.wait_for(|&done| done >= number) => Ok(()),
            Ok(why) = stalled.wait_for(Option::is_some) => Err(refusal(why.as_ref())),
        }
    }

    /// Makes the writer commit up to this slice without waiting for company.
    pub(crate) fn want(&self, number: u64) {
        let mut queue = self.queue.lock();
        if queue.wanted < number {
            queue.wanted = number;
            self.work.notify_one();
        }
    }

    /// Whether durable VCs must wait: the disk is full, or the writer far behind.
    pub(crate) fn is_stalled(&self) -> bool {
        self.is_stalled.load(Ordering::Relaxed) || self.is_behind()
    }

    /// Whether the writer is far behind.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// Why the store cannot commit, if so.
    pub(crate) fn health(&self) -> Result<(), Refusal> {
        match &*self.stalled.borrow() {
            None => Ok(()),
            why => Err(refusal(why.as_ref())),
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// What became of messages of durable VCs, as of the last commit.
    pub(crate) fn counts(&self) -> Counts {
        *self.counts.lock()
    }

    /// Makes the writer commit what there is and end.
    pub(crate) fn close(&self) {
        self.queue.lock().closing = true;
        self.work.notify_one();
    }
}

/// Why nothing is accepted while the store cannot commit.
fn refusal(why: Option<&StoreError>) -> Refusal {
    let what = why.map_or_else(|| "the store is stalled".to_owned(), ToString::to_string);
    match why {
        Some(StoreError::Full { .. }) => Refusal::new(Code::DiskFull, what)
            .hint("free space on the disk of the data folder; the node goes on by itself"),
        Some(StoreError::Corrupt { .. }) => Refusal::new(Code::Corrupt, what),
        _ => Refusal::new(Code::Io, what),
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Row {
    accepted: Vec<bytes::Bytes>,
    done: Vec<MessageRef>,
}

/// What only the writer's thread knows.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    next_row: u64,
    /// In which row the letters stand that are owed.
    owed: HashMap<MessageRef, u64>,
    /// How many letters each row still owes.
    rows: BTreeMap<u64, usize>,
}

impl Writer {
    /// Commits until the log is closed. Blocks; `on_health` is called when the store stalls or recovers,
    /// `on_commit` after each commit.
    pub(crate) fn run(
        mut self,
        log: &Log,
        on_health: impl Fn(Option<&StoreError>),
        on_commit: impl Fn(),
    ) {
        loop {
            let (slices, appended, closing) = Self::gather(log);
            if !slices.is_empty() {
                let (ops, counts) = self.pack(log, slices);
                while let Err(error) = log.store.commit(&ops) {
                    if log.stalled.send_replace(Some(error.clone())).is_none() {
                        log.is_stalled.store(true, Ordering::Relaxed);
                        on_health(Some(&error));
                    }
                    let mut queue = log.queue.lock();
                    if queue.closing {
                        return; // What was not acknowledged may be lost; it was not acknowledged.
                    }
                    log.work
                        .wait_for(&mut queue, Duration::from_millis(RETRY_MS));
                }
                *log.counts.lock() = counts;
                log.commits.fetch_add(1, Ordering::Relaxed);
                if log.stalled.send_replace(None).is_some() {
                    log.is_stalled.store(false, Ordering::Relaxed);
                    on_health(None);
                }
                log.settled.send_replace(appended);
                let behind = log.queue.lock().records > BACKLOG_MAX;
                log.is_behind.store(behind, Ordering::Relaxed);
                on_commit();
            }
            if closing {
                return;
            }
        }
    }

    /// Waits for work, then a moment for company, unless somebody waits for the commit.
    fn gather(log: &Log) -> (Vec<Slice>, u64, bool) {
        let mut queue = log.queue.lock();
        while queue.slices.is_empty() && !queue.closing {
            log.work.wait(&mut queue);
        }
        let settled = log.settled_now();
        let hurry = |queue: &Queue| {
            queue.wanted > settled || queue.records >= COMMIT_RECORDS_MAX || queue.closing
        };
        if !hurry(&queue) {
            log.work.wait_while_for(
                &mut queue,
                |queue| !hurry(queue),
                Duration::from_millis(COMMIT_WAIT_MS),
            );
        }
        queue.records = 0;
        (
            std::mem::take(&mut queue.slices),
            queue.appended,
            queue.closing,
        )
    }

    /// Turns slices into the changes of one commit.
    fn pack(&mut self, log: &Log, slices: Vec<Slice>) -> (Vec<Op>, Counts) {
        let mut counts = log.counts();
        let mut accepted: Vec<Option<(MessageRef, Vec<u8>)>> = Vec::new();
        let mut places: HashMap<MessageRef, usize> = HashMap::new();
        let mut done = Vec::new();
        let mut ops: Vec<Option<Op>> = Vec::new();
        let mut last: HashMap<(Table, Vec<u8>), usize> = HashMap::new();
        for slice in slices {
            counts.add(slice.counts);
            for (message, bytes) in slice.accepted {
                if let Some(old) = places.insert(message, accepted.len()) {
                    accepted[old] = None;
                }
                accepted.push(Some((message, bytes)));
            }
            for message in slice.done {
                match places.remove(&message) {
                    Some(place) => accepted[place] = None,
                    None => done.push(message),
                }
            }
            for op in slice.ops {
                if let Op::Put { table, key, .. } | Op::Delete { table, key } = &op {
                    // Only the last change of a row counts.
                    if let Some(old) = last.insert((*table, key.clone()), ops.len()) {
                        ops[old] = None;
                    }
                }
                ops.push(Some(op));
            }
        }
        done.retain(|message| self.forget(*message));
        let number = self.next_row;
        let mut row = Row {
            accepted: Vec::new(),
            done,
        };
        self.lift_lingering(log, number, &mut row);
        for (message, bytes) in accepted.into_iter().flatten() {
            self.owe(message, number);
            row.accepted.push(bytes.into());
        }
        let mut ops: Vec<Op> = ops.into_iter().flatten().collect();
        if !row.accepted.is_empty() || !row.done.is_empty() {
            self.next_row += 1;
            self.rows.entry(number).or_default();
            let key = number.to_be_bytes().to_vec();
            if let Ok(value) = wire::encode(VERSION, &row) {
                ops.push(Op::Put {
                    table: Table::Log,
                    key,
                    value,
                });
            }
        }
        self.truncate(&mut ops);
        if let Ok(value) = wire::encode(VERSION, &counts) {
            ops.push(Op::Put {
                table: Table::Meta,
                key: COUNTS.to_vec(),
                value,
            });
        }
        (ops, counts)
    }

    fn owe(&mut self, message: MessageRef, row: u64) {
        self.forget(message);
        self.owed.insert(message, row);
        *self.rows.entry(row).or_default() += 1;
    }

    /// Whether the message was owed by a row.
    fn forget(&mut self, message: MessageRef) -> bool {
        let Some(row) = self.owed.remove(&message) else {
            return false;
        };
        if let Some(owes) = self.rows.get_mut(&row) {
            *owes -= 1;
        }
        true
    }

    /// Deletes the oldest rows that owe nothing. A row that ends messages is not needed once all rows
    /// before it are gone.
    fn truncate(&mut self, ops: &mut Vec<Op>) {
        let keep = self
            .rows
            .iter()
            .find(|&(_, &owes)| owes > 0)
            .map_or(self.next_row, |(&number, _)| number);
        if self
            .rows
            .first_key_value()
            .is_some_and(|(&first, _)| first < keep)
        {
            self.rows = self.rows.split_off(&keep);
            ops.push(Op::DeleteRange {
                table: Table::Log,
                from: Vec::new(),
                until: keep.to_be_bytes().to_vec(),
            });
        }
    }

    /// Writes again, into row `number`, what the oldest row owes, if it lags too far behind.
    fn lift_lingering(&mut self, log: &Log, number: u64, row: &mut Row) {
        let Some((&oldest, &owes)) = self.rows.first_key_value() else {
            return;
        };
        if owes == 0 || number - oldest <= LOG_LAG_MAX {
            return;
        }
        let Ok(Some(value)) = log.store.get(Table::Log, &oldest.to_be_bytes()) else {
            return;
        };
        let Ok(old) = wire::decode::<Row>(VERSION, &value) else {
            return;
        };
        for bytes in old.accepted {
            let Ok((letter, _)) = wire::decode_prefix::<Letter>(&bytes) else {
                continue;
            };
            if self.owed.get(&letter.reference()) == Some(&oldest) {
                self.forget(letter.reference());
                self.owe(letter.reference(), number);
                row.accepted.push(bytes);
            }
        }
    }
}

fn decode<T: serde::de::DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StoreError> {
    wire::decode(VERSION, bytes).map_err(|error| StoreError::Corrupt {
        what: format!("{what}: {error}"),
    })
}

/// Lets the messages of each sender follow one another by sequence: one that was written again further
/// up stands behind later ones of its lane.
fn in_lane_order(owed: Vec<Letter>) -> Vec<Letter> {
    let mut lanes: HashMap<VcId, Vec<Letter>> = HashMap::new();
    let senders: Vec<VcId> = owed.iter().map(|letter| letter.from).collect();
    for letter in owed {
        lanes.entry(letter.from).or_default().push(letter);
    }
    for (sender, lane) in &mut lanes {
        // What nobody says has no lane: notices and bounces stay as they were.
        if *sender != VcId::NOBODY {
            lane.sort_by_key(|letter| letter.sequence);
        }
        lane.reverse();
    }
    senders
        .into_iter()
        .filter_map(|sender| lanes.get_mut(&sender)?.pop())
        .collect()
}

fn decode_part(number: u64, bytes: &[u8]) -> Result<Letter, StoreError> {
    wire::decode_prefix(bytes)
        .map(|(letter, _)| letter)
        .map_err(|error| StoreError::Corrupt {
            what: format!("table log, row {number}: {error}"),
        })
}

/// The key of a VC's row.
pub(crate) fn vc_key(id: VcId) -> Vec<u8> {
    id.as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use genesis::time::Time;

    /// A lingering message is written again behind later ones of its sender, and was then also read
    /// behind them.
    #[test]
    fn what_is_owed_keeps_the_order_of_its_lane() {
        let (a, b) = (VcId::root(&[1; 32], 1), VcId::root(&[1; 32], 2));
        let letter = |from, n| Letter::new(from, n, a, "", Time(0));
        let owed = vec![
            letter(a, 2),
            letter(b, 7),
            letter(a, 3),
            letter(b, 8),
            letter(a, 1),
        ];
        let order: Vec<_> = in_lane_order(owed)
            .iter()
            .map(|l| (l.from, l.sequence))
            .collect();
        assert_eq!(order, [(a, 1), (b, 7), (a, 2), (b, 8), (a, 3)]);
    }
}
