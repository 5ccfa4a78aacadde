//! What happened to a VC since a snapshot, so that it can be computed again: bounded, in numbered rows.
//!
//! A journal is a run of *entries*: the messages that were handled, each with what came of it, and the few
//! things that change a VC outside of its turns. A *snapshot* is an entry too: the image between two turns.
//! A journal holds at most two of them with what came after each; the third pushes out the first, so that
//! there is always a past to look at. Entries of one slice share a row; the rows of a durable VC are in the
//! store, and in memory only until they are on disk.

use std::collections::VecDeque;

use bytes::Bytes;
use genesis::channel::Channel;
use genesis::id::{Digest, VcId};
use genesis::limits::JOURNAL_LEN_MAX;
use genesis::message::{Kind, Message, MessageRef};
use genesis::purse::Purse;
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;
use genesis::wire;
use serde::{Deserialize, Serialize};

use crate::behaviour::Fault;
use crate::letter::Letter;
use crate::stage::letter_of;
use crate::store::{Store, StoreError, Table};

/// First byte of a row of entries. Rows of the program before hold one message each, and its first byte is
/// the version of messages, far below.
const ENTRIES: u8 = 32;
/// First byte of a row that is a snapshot.
const SNAPSHOT: u8 = 33;
/// Rows that are read at once.
const PAGE: usize = 256;
/// Most bytes of a fault's text that are kept.
const WHY_BYTES_MAX: usize = 256;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// A message was handled.
    Turn(Box<Turn>),
    /// It answered a call of the VC whose body it lives in.
    Served(Call),
    /// The purse of a child that ended came back.
    Refund(Purse),
    /// It began again from its birth state.
    Restarted,
    /// It stopped, for this reason.
    Stopped(String),
}

/// A message that was handled, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Turn {
    /// The message.
    pub(crate) letter: Letter,
    /// The number of the VC's turn, from 1; 0 where it is not known.
    pub(crate) number: u64,
    /// When it was handled.
    pub(crate) at: Time,
    /// Whether the VC's trace went on with it.
    pub(crate) traced: bool,
    /// What came of it; none in rows of the program before.
    pub(crate) outcome: Option<Result<(), Failed>>,
    /// The digest of its effects.
    pub(crate) effects: Digest,
    /// What it cost.
    pub(crate) fuel: u64,
    /// The sequence of the first message that it sent; the others follow.
    pub(crate) first_sent: u64,
    /// What it sent.
    pub(crate) sent: Vec<Sent>,
    /// What it asked VCs in its body, and what they answered.
    pub(crate) calls: Vec<Call>,
}

/// Why a turn or a call failed: a [`Fault`] as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub(crate) code: Code,
    pub(crate) what: String,
    pub(crate) ended: bool,
}

impl Failed {
    pub(crate) fn of(fault: &Fault) -> Self {
        let mut what = fault.what.clone();
        if what.len() > WHY_BYTES_MAX {
            let cut = (0..=WHY_BYTES_MAX)
                .rev()
                .find(|&n| what.is_char_boundary(n));
            what.truncate(cut.unwrap_or(0));
            what.push('…');
        }
        Self {
            code: fault.code,
            what,
            ended: fault.ended,
        }
    }

    /// Whether it says something about the machine on that day (fuel, stack, disk) and not about code and
    /// message: a replay takes it from the record.
    pub(crate) fn is_of_the_host(&self) -> bool {
        self.ended
            || matches!(
                self.code,
                Code::Budget | Code::Internal | Code::Io | Code::Corrupt | Code::Untestable
            )
    }

    pub(crate) fn fault(&self) -> Fault {
        Fault {
            code: self.code,
            what: self.what.clone(),
            ended: self.ended,
        }
    }
}

/// A message that a turn sent, as far as its sender's journal knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) to: VcId,
    pub(crate) kind: Kind,
    pub(crate) channel: Channel,
    pub(crate) bytes: u64,
    /// What it is due to, if not to the message that the turn handled.
    pub(crate) cause: Option<MessageRef>,
}

/// A call to a VC in a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    /// Who was asked.
    pub(crate) guest: VcId,
    pub(crate) channel: Channel,
    pub(crate) request: Bytes,
    pub(crate) answer: Result<Bytes, Failed>,
}

/// Where a journal is: numbers of entries, from 1; all 0 for one that has not begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marks {
    /// The first snapshot.
    pub(crate) base: u64,
    /// The last snapshot.
    pub(crate) last: u64,
    /// The next entry.
    pub(crate) next: u64,
}

impl Marks {
    pub(crate) const fn has_begun(self) -> bool {
        self.base > 0
    }

    /// How many entries it holds, beside its snapshots.
    pub(crate) const fn len(self) -> u64 {
        let snapshots = match (self.has_begun(), self.base == self.last) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => 2,
        };
        self.next - self.base - snapshots
    }
}

/// A row that may not be on disk yet.
#[derive(Clone, Debug)]
struct Row {
    number: u64,
    bytes: Bytes,
    /// The slice that has it, or a later one; 0 while that is not known.
    slice: u64,
}

/// One VC's journal, as its worker has it.
#[derive(Debug)]
pub(crate) struct Journal {
    bound: u32,
    marks: Marks,
    rows: VecDeque<Row>,
    /// Entries of this slice, from this number on.
    open: Vec<u8>,
    open_at: u64,
}

impl Journal {
    /// A journal that begins with the next turn.
    pub(crate) fn new(bound: u32) -> Self {
        Self {
            bound: bound.clamp(1, JOURNAL_LEN_MAX),
            marks: Marks::default(),
            rows: VecDeque::new(),
            open: Vec::new(),
            open_at: 0,
        }
    }

    /// Goes on with one that is in the store.
    pub(crate) const fn resume(&mut self, marks: Marks) {
        self.marks = marks;
    }

    pub(crate) const fn marks(&self) -> Marks {
        self.marks
    }

    /// Whether the next entry needs a snapshot first.
    pub(crate) fn wants_snapshot(&self) -> bool {
        let half = u64::from(self.bound / 2).max(1);
        !self.marks.has_begun() || self.marks.next - self.marks.last > half
    }

    /// Adds an entry; nothing is kept of one that comes before the first snapshot, which will have it.
    pub(crate) fn push(&mut self, entry: &Entry) {
        if !self.marks.has_begun() {
            return;
        }
        if self.open.is_empty() {
            self.open.push(ENTRIES);
            self.open_at = self.marks.next;
        }
        let start = self.open.len();
        self.open.extend_from_slice(&[0; 4]);
        if let Err(error) = wire::encode_into(&mut self.open, entry) {
            // Its parts are bounded far below what the codec takes.
            tracing::error!(%error, "an entry cannot be recorded");
            self.open.truncate(start);
            return;
        }
        let len = u32::try_from(self.open.len() - start - 4).unwrap_or(u32::MAX);
        self.open[start..start + 4].copy_from_slice(&len.to_le_bytes());
        self.marks.next += 1;
    }

    /// Adds a snapshot; gives the number below which nothing is kept any more. `anew` says that what came
    /// before does not lead to it.
    pub(crate) fn snapshot(&mut self, image: &[u8], anew: bool) -> u64 {
        let _ = self.flush();
        let number = self.marks.next.max(1);
        let bytes = [&[SNAPSHOT, u8::from(anew)], image].concat();
        self.rows.push_back(Row {
            number,
            bytes: bytes.into(),
            slice: 0,
        });
        let alone = !self.marks.has_begun() || self.bound == 1;
        self.marks = Marks {
            base: if alone { number } else { self.marks.last },
            last: number,
            next: number + 1,
        };
        while self
            .rows
            .front()
            .is_some_and(|row| row.number < self.marks.base)
        {
            self.rows.pop_front();
        }
        self.marks.base
    }

    /// Closes the row of this slice, if there is one.
    pub(crate) fn flush(&mut self) -> Option<(u64, Bytes)> {
        if self.open.is_empty() {
            return None;
        }
        let (number, bytes) = (self.open_at, Bytes::from(std::mem::take(&mut self.open)));
        self.rows.push_back(Row {
            number,
            bytes: bytes.clone(),
            slice: 0,
        });
        Some((number, bytes))
    }

    /// Lets go of rows that are on disk: up to slice `settled`. All there are were appended with slice `appended`
    /// or before.
    pub(crate) fn settle(&mut self, appended: u64, settled: u64) {
        for row in self.rows.iter_mut().filter(|row| row.slice == 0) {
            row.slice = appended;
        }
        while self.rows.front().is_some_and(|row| row.slice <= settled) {
            self.rows.pop_front();
        }
        if self.rows.is_empty() {
            self.rows = VecDeque::new();
        }
    }

    /// The rows that may not be on disk, the open one among them.
    pub(crate) fn recent(&self) -> Vec<(u64, Bytes)> {
        let rows = self.rows.iter().map(|row| (row.number, row.bytes.clone()));
        let open =
            (!self.open.is_empty()).then(|| (self.open_at, Bytes::copy_from_slice(&self.open)));
        rows.chain(open).collect()
    }
}

/// The key of a row of a VC's journal.
pub(crate) fn key_of(id: VcId, number: u64) -> Vec<u8> {
    [id.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

/// What a journal holds, read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) items: Vec<Item>,
}

/// A snapshot or an entry.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// The image between two turns; `anew` if what came before does not lead to it.
    Snapshot { image: Bytes, anew: bool },
    /// Something that happened.
    Entry(Entry),
}

impl Recorded {
    /// The messages that were handled.
    pub(crate) fn turns(&self) -> impl DoubleEndedIterator<Item = &Turn> {
        self.items.iter().filter_map(|item| match item {
            Item::Entry(Entry::Turn(turn)) => Some(turn.as_ref()),
            _ => None,
        })
    }

    /// The items from the last snapshot on to which what came before does not lead.
    pub(crate) fn since_anew(&self) -> &[Item] {
        let anew = |item: &Item| matches!(item, Item::Snapshot { anew: true, .. });
        let from = self.items.iter().rposition(anew).unwrap_or(0);
        &self.items[from..]
    }
}

/// Why a journal could not be read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// Its beginning was pushed out meanwhile: look again.
    Moved,
    /// It is damaged, or the store failed.
    Failed(Refusal),
}

impl From<StoreError> for Unread {
    fn from(error: StoreError) -> Self {
        Self::Failed(crate::runtime::from_store(error))
    }
}

/// Reads a journal: its rows in the store, then those that may not be there yet.
///
/// # Errors
/// [`Unread`].
pub(crate) fn read(
    store: Option<&dyn Store>,
    id: VcId,
    marks: Marks,
    recent: Vec<(u64, Bytes)>,
) -> Result<Recorded, Unread> {
    let mut rows: Vec<(u64, Bytes)> = Vec::new();
    let until = recent.first().map_or(u64::MAX, |(number, _)| *number);
    // One that has not begun may have rows of the program before, from number 0 on.
    let end = if marks.has_begun() {
        marks.next
    } else {
        u64::MAX
    }
    .min(until);
    let mut from = key_of(id, marks.base);
    while let Some(store) = store {
        let page = store.range(Table::Journal, &from, PAGE)?;
        let full = page.len() == PAGE;
        let mut over = !full;
        if let Some((last, _)) = page.last() {
            from = [last.as_slice(), &[0]].concat();
        }
        for (key, value) in page {
            let number = key.strip_prefix(id.as_bytes().as_slice());
            let number = number.and_then(|number| number.try_into().ok());
            let Some(number) = number
                .map(u64::from_be_bytes)
                .filter(|&number| number < end)
            else {
                over = true;
                break;
            };
            rows.push((number, value.into()));
        }
        if over {
            break;
        }
    }
    rows.extend(recent);
    if !marks.has_begun() && rows.first().is_some_and(|(number, _)| *number > 0) {
        // Left behind by an earlier stay of the VC, which went elsewhere and came back.
        return Ok(Recorded::default());
    }
    let begins = |&(number, _): &(u64, Bytes)| number == marks.base;
    if marks.has_begun() && !rows.first().is_some_and(begins) {
        return Err(Unread::Moved);
    }
    let mut recorded = Recorded::default();
    for (number, bytes) in rows {
        read_row(number, &bytes, &mut recorded.items).map_err(|error| {
            let what = format!("the journal of {id}, row {number}: {error}");
            Unread::Failed(Refusal::new(Code::Corrupt, what).who(id))
        })?;
    }
    Ok(recorded)
}

fn read_row(number: u64, row: &Bytes, items: &mut Vec<Item>) -> Result<(), wire::DecodeError> {
    match row.split_first() {
        None => Err(wire::DecodeError::Empty),
        Some((&SNAPSHOT, rest)) => {
            let anew = rest.first().ok_or(wire::DecodeError::Empty)?;
            items.push(Item::Snapshot {
                image: row.slice(2..),
                anew: *anew != 0,
            });
            Ok(())
        }
        Some((&ENTRIES, mut rest)) => {
            while !rest.is_empty() {
                let (len, after) = rest.split_first_chunk().ok_or(wire::DecodeError::Empty)?;
                let len = u32::from_le_bytes(*len) as usize;
                let (entry, after) = after
                    .split_at_checked(len)
                    .ok_or(wire::DecodeError::Empty)?;
                let (value, read) = wire::decode_prefix(entry)?;
                if read != len {
                    return Err(wire::DecodeError::Trailing { extra: len - read });
                }
                items.push(Item::Entry(value));
                rest = after;
            }
            Ok(())
        }
        // The program before: an image under number 0, then a message in each row, its outcome unsaid.
        Some(_) if number == 0 => {
            items.push(Item::Snapshot {
                image: row.clone(),
                anew: true,
            });
            Ok(())
        }
        Some(_) => {
            let malformed = |reason: String| wire::DecodeError::Malformed { reason };
            let (message, _) =
                Message::from_bytes(row).map_err(|error| malformed(error.to_string()))?;
            items.push(Item::Entry(Entry::Turn(Box::new(Turn {
                at: message.header().sent_at,
                traced: false,
                letter: letter_of(&message),
                number: 0,
                outcome: None,
                effects: Digest::ZERO,
                fuel: 0,
                first_sent: 0,
                sent: Vec::new(),
                calls: Vec::new(),
            }))));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(n: u64) -> Entry {
        Entry::Stopped(n.to_string())
    }

    fn said(journal: &Journal) -> Vec<String> {
        let recorded = read(None, VcId::NOBODY, journal.marks(), journal.recent()).unwrap();
        let said = |item: &Item| match item {
            Item::Snapshot { image, .. } => format!("={}", String::from_utf8_lossy(image)),
            Item::Entry(Entry::Stopped(why)) => why.clone(),
            Item::Entry(_) => String::new(),
        };
        recorded.items.iter().map(said).collect()
    }

    fn run(bound: u32, entries: u64, flush_every: u64) -> Journal {
        let mut journal = Journal::new(bound);
        for n in 0..entries {
            if journal.wants_snapshot() {
                let _ = journal.snapshot(n.to_string().as_bytes(), false);
            }
            journal.push(&entry(n));
            if n % flush_every == 0 {
                let _ = journal.flush();
            }
        }
        journal
    }

    proptest! {
        /// Never more than its bound, never a gap, and at least half of the bound once there was as much.
        #[test]
        fn a_journal_holds_the_last_entries(bound in 1_u32..20, entries in 0_u64..60, every in 1_u64..5) {
            let journal = run(bound, entries, every);
            let said = said(&journal);
            let numbers: Vec<u64> = said.iter().filter_map(|text| text.parse().ok()).collect();
            let held = numbers.len() as u64;
            prop_assert_eq!(held, journal.marks().len());
            prop_assert!(held <= u64::from(bound));
            prop_assert!(held >= entries.min(u64::from(bound / 2).max(1)));
            let first = entries - held;
            prop_assert_eq!(numbers, (first..entries).collect::<Vec<_>>());
            if entries > 0 {
                prop_assert_eq!(&said[0], &format!("={first}"));
            }
        }
    }

    #[test]
    fn what_comes_before_the_first_snapshot_is_in_it() {
        let mut journal = Journal::new(4);
        journal.push(&entry(1));
        assert_eq!(journal.marks(), Marks::default());
        assert!(journal.wants_snapshot());
    }

    #[test]
    fn rows_go_when_they_are_on_disk_and_not_before() {
        let mut journal = run(8, 3, 1);
        assert_eq!(journal.recent().len(), 4);
        journal.settle(9, 8);
        assert_eq!(journal.recent().len(), 4, "slice 9 is not on disk");
        journal.push(&entry(3));
        let _ = journal.flush();
        // The row of the last entry is in slice 10.
        journal.settle(10, 9);
        assert_eq!(journal.recent().len(), 1);
        journal.settle(10, 10);
        assert_eq!(journal.recent().len(), 0);
    }
}
