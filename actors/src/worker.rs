//! A worker: one thread that turns many cells.
//!
//! A round of `Worker::run` takes what was left at the door, fires what is due, lets ready cells take
//! their turns, appends what happened to the log as one slice, and only then lets messages leave for
//! other workers, for the owner and for those who wait for an acknowledgement. No task, channel or timer
//! belongs to a single VC.

mod away;
pub(crate) mod beds;
pub(crate) mod births;
pub(crate) mod bodies;
mod doors;
mod ends;
mod guests;
pub(crate) mod images;
pub(crate) mod index;
mod live;
pub(crate) mod look;
mod outside;
pub(crate) mod replay;
pub(crate) mod reshape;
mod rows;
mod sleep;
pub(crate) mod steer;
pub(crate) mod strong;
pub(crate) mod trial;
mod turn;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use genesis::channel::Channel;
use genesis::id::VcId;
use genesis::limits::{
    ACTIVATION_FUEL, ARENA_BYTES_MAX, BATCH, MAILBOX_BYTES_MAX, MAILBOX_LEN_MAX, OUTBOX_LEN_MAX,
    QUOTA, SLICE,
};
use genesis::message::Kind;
use genesis::refusal::{Code, Refusal};
use genesis::time::Time;
use hashbrown::HashTable;

use crate::cell::{Cell, Seat};
use crate::effects::Effect;
use crate::events::{Event, EventKind};
use crate::handle::{Entry, Handle};
use crate::journal::Call;
use crate::letter::{Letter, NO_CAUSE, Parcel, Spare};
use crate::life::Life;
use crate::log::Slice;
use crate::mailbox::Arena;
use crate::outside::OUTSIDE;
use crate::port::{Item, Job};
use crate::ready::{Next, Ready};
use crate::shared::Shared;
use crate::timers::{Due, Timers};
use crate::view::Fate;

/// Messages a worker holds before it leaves further traffic at the door.
const ADMIT_MAX: usize = 16 * 1024;
/// Messages in a mailbox from which on what comes back to its VC dies, unless it ends an ask: who sends more than can
/// be taken would else be sent as much without a bound.
const RETURNS_MAX: u32 = 2 * MAILBOX_LEN_MAX;
/// How often the memory budget is looked at, in rounds.
const BUDGET_ROUNDS: u64 = 64;
/// How long a worker sleeps at the most while the store is stalled or cells fall asleep.
const STALL_MS: u64 = 50;

/// Turns and effects of one VC before the next has its turn: where turns ask for much, fewer of them.
const ACTIVATION_WORK: u64 = 4 * QUOTA as u64;
/// What a birth counts for, of that.
const BIRTH_WORK: u64 = 64;
/// What a message that comes back counts for.
const BOUNCE_WORK: u64 = 16;

/// Letters from other workers that are read at a time.
const TRAFFIC_WORK: usize = 512;
/// What a job counts for, of that: most are births.
const JOB_WORK: usize = 16;
/// From so much unread traffic on, those who leave it take fewer turns.
const TRAFFIC_MAX: usize = 4_096;

/// Something to be done once a slice has its number: acknowledge, hand out, count down.
type AfterSlice = Box<dyn FnOnce(u64) + Send>;

/// Counters of one worker.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) accepted: u64,
    pub(crate) consumed: u64,
    pub(crate) bounced: u64,
    pub(crate) dead: u64,
    pub(crate) turns: u64,
    pub(crate) faults: u64,
    pub(crate) born: u64,
    pub(crate) slept: u64,
    pub(crate) woken: u64,
}

/// A thread's worth of virtual computers.
pub struct Worker {
    index: u8,
    shared: Arc<Shared>,
    cells: Vec<Cell>,
    free: Vec<u32>,
    table: HashTable<u32>,
    arena: Arena,
    ready: Ready,
    /// From whom those who are born next descend, if that is known.
    root: Option<VcId>,
    /// Durable cells that wait for the store.
    parked: Vec<u32>,
    /// Cells that are dormant as soon as their row is on disk, and the slice it is in (0: not yet known).
    falling: Vec<(VcId, u64)>,
    timers: Timers,
    outs: Vec<Vec<Item>>,
    effects: Vec<Effect>,
    /// What the turn that is finished now asked those in its body.
    calls: Vec<Call>,
    spare: Spare,
    slice: Slice,
    /// The number of the last slice appended.
    appended: u64,
    /// Whose journals this slice has rows of.
    journaled: Vec<VcId>,
    /// The same of slices that may not be on disk yet.
    settling: VecDeque<(u64, Vec<VcId>)>,
    dirty: Vec<u32>,
    after: Vec<AfterSlice>,
    to_owner: Vec<Letter>,
    to_outside: Vec<Letter>,
    events: Vec<Event>,
    tally: Tally,
    /// Fuel that sandboxed code has used here.
    burned: u64,
    /// Turns and what they asked for, here.
    work: u64,
    /// Bodies with live memories: of the small engine, of the large.
    live: [live::Live; 2],
    /// Turns under way in actors, and VCs that are being fetched.
    away: u32,
    /// Who waits for VCs that are being fetched.
    rising: BTreeMap<VcId, beds::Rising>,
    now: Time,
    rounds: u64,
    /// Where the search for idle cells goes on.
    clock_hand: usize,
    draws: u64,
    closing: bool,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("index", &self.index)
            .field("cells", &self.table.len())
            .field("queued", &self.arena.len())
            .finish_non_exhaustive()
    }
}

impl Worker {
    pub(crate) fn new(index: u8, shared: Arc<Shared>) -> Self {
        let outs = shared.ports.iter().map(|_| Vec::new()).collect();
        let now = shared.clock.now();
        Self {
            index,
            shared,
            cells: Vec::new(),
            free: Vec::new(),
            table: HashTable::new(),
            arena: Arena::default(),
            ready: Ready::default(),
            root: None,
            parked: Vec::new(),
            falling: Vec::new(),
            timers: Timers::default(),
            outs,
            effects: Vec::new(),
            calls: Vec::new(),
            spare: Spare::default(),
            slice: Slice::default(),
            appended: 0,
            journaled: Vec::new(),
            settling: VecDeque::new(),
            dirty: Vec::new(),
            after: Vec::new(),
            to_owner: Vec::new(),
            to_outside: Vec::new(),
            events: Vec::new(),
            tally: Tally::default(),
            burned: 0,
            work: 0,
            live: <[live::Live; 2]>::default(),
            away: 0,
            rising: BTreeMap::new(),
            now,
            rounds: 0,
            clock_hand: 0,
            draws: 0,
            closing: false,
        }
    }

    /// Works until the runtime ends.
    pub(crate) fn run(&mut self) {
        let (mut control, mut traffic) = (Vec::new(), Vec::new());
        let mut mail = VecDeque::new();
        while !self.closing {
            self.now = self.shared.clock.now();
            self.rounds += 1;
            let room = self.arena.len() < ADMIT_MAX;
            let open = self.shared.ports[usize::from(self.index)].take(
                &mut control,
                &mut traffic,
                &mut mail,
                room,
            );
            if !open {
                return; // Another thread of this runtime has ended by a panic.
            }
            self.control(&mut control);
            self.read_traffic(&mut traffic);
            let away = self.admit_mail(&mut mail);
            let open = self.shared.is_open();
            if open {
                self.fire_timers();
                self.unpark();
                self.take_turns();
            }
            if self.rounds.is_multiple_of(BUDGET_ROUNDS) {
                self.keep_the_budget();
            }
            self.end_slice();
            self.settle_sleepers();
            self.settle_journals();
            // An actor that comes back is a job in the control lane, which ends the rest.
            let idle = self.ready.is_empty() && (mail.is_empty() || away);
            if (idle || !open) && traffic.is_empty() && !self.closing {
                self.rest();
            }
        }
        self.shared.ports[usize::from(self.index)].close();
    }

    /// Delivers what couriers brought, up to the first letter whose mailbox is full and being drained
    /// this very round: a courier waits at the door instead of being bounced. Whether that mailbox is
    /// one whose turns are taken in an actor.
    fn admit_mail(&mut self, mail: &mut VecDeque<Parcel>) -> bool {
        while let Some(parcel) = mail.front() {
            let slot = self.find(parcel.to);
            if let Some(slot) = slot {
                let cell = &self.cells[slot as usize];
                let away = matches!(cell.seat, Seat::Away(_));
                let drains = cell.flags.ready || away;
                if drains && self.over_bound(slot, parcel.contents.weight()).is_some() {
                    return away;
                }
            }
            let Some(parcel) = mail.pop_front() else {
                break;
            };
            let mut letter = self.spare.fill(Letter::new(
                self.shared.owner,
                parcel.sequence,
                parcel.to,
                parcel.contents,
                parcel.sent_at,
            ));
            letter.to_handle = slot.map_or(Handle::NONE, |slot| self.handle_of(slot));
            // Here is where what couriers bring is accepted.
            self.tally.accepted += 1;
            self.deliver(letter);
        }
        false
    }

    /// Reads traffic; not all of it at once if it is much and somebody waits in the control lane.
    fn read_traffic(&mut self, traffic: &mut Vec<Item>) {
        loop {
            self.read_some(traffic);
            let called = self.shared.ports[usize::from(self.index)].is_called();
            if traffic.is_empty() || called && !self.shared.deterministic {
                return;
            }
        }
    }

    fn read_some(&mut self, traffic: &mut Vec<Item>) {
        let mut work = 0;
        let fits = |item: &&Item| {
            let before = work;
            work += match item {
                Item::Letter(_) => 1,
                Item::Job(_) => JOB_WORK,
            };
            before < TRAFFIC_WORK
        };
        let count = traffic.iter().take_while(fits).count();
        for item in traffic.drain(..count) {
            match item {
                Item::Letter(letter) => self.deliver(letter),
                Item::Job(job) => job(self),
            }
        }
        if count > 0 {
            self.shared.ports[usize::from(self.index)].read(count);
        }
    }

    fn control(&mut self, jobs: &mut Vec<Job>) {
        for job in jobs.drain(..) {
            job(self);
        }
    }

    /// Ends the thread after this round.
    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    /// Sleeps until something is left at the door or due. Virtual time moves on instead.
    fn rest(&mut self) {
        // Full of mail for cells that cannot go on: what waits at the door must not keep it spinning.
        let room = self.arena.len() < ADMIT_MAX;
        let stalled = !self.parked.is_empty() || !self.falling.is_empty() || !room;
        let next = self.timers.next();
        if self.shared.deterministic {
            let horizon = Time(self.shared.horizon.load(Ordering::Relaxed));
            let idle = self.shared.ports[usize::from(self.index)].waiting() == 0 && self.away == 0;
            match next {
                Some(at) if idle && at <= horizon => {
                    self.shared.clock.advance_to(at);
                    return;
                }
                _ => {}
            }
        }
        let due = if self.shared.deterministic {
            None
        } else {
            next
        };
        // What is recorded is let go soon after it is on disk, also where nothing else happens.
        let soon = stalled || !self.settling.is_empty();
        let wait_ms = match (due.map(|at| at.since_ms(self.now)), soon) {
            (Some(ms), true) => Some(ms.min(STALL_MS)),
            (None, true) => Some(STALL_MS),
            (due, false) => due,
        };
        if wait_ms != Some(0) {
            let at_most = wait_ms.map(Duration::from_millis);
            self.shared.ports[usize::from(self.index)].sleep(at_most, stalled, room);
        }
    }

    // --- Turns --------------------------------------------------------------------------------

    fn take_turns(&mut self) {
        // Whoever leaves more at another worker's door than that reads does less: else its reading never ends.
        let others = self.shared.ports.iter().enumerate();
        let crowded =
            { others }.any(|(n, port)| n != usize::from(self.index) && port.unread() > TRAFFIC_MAX);
        let slice = if crowded { 1 } else { SLICE };
        let mut taken = 0;
        while taken < slice {
            let Some(next) = self.next_ready() else { break };
            let work = self.work;
            taken += self.activate_unit(next);
            let asked = u32::try_from((self.work - work) / (ACTIVATION_WORK / u64::from(QUOTA)));
            taken += asked.unwrap_or(SLICE);
            if self.slice.is_empty() {
                self.flush_full_batches();
            }
            // Whoever waits at the door, or for an answer, does not wait for those who have much to do.
            let waited_for =
                !self.to_owner.is_empty() || self.shared.ports[usize::from(self.index)].is_called();
            let enough = taken >= QUOTA || !self.ready.has_fresh();
            if waited_for && enough && !self.shared.deterministic {
                break;
            }
        }
    }

    /// The next cell in line; under `--deterministic`, one drawn by the seed.
    fn next_ready(&mut self) -> Option<Next> {
        if self.shared.deterministic && self.ready.len() > 1 {
            self.draws += 1;
            let draw = crate::effects::mix(self.shared.seed ^ self.draws);
            let at = usize::try_from(draw % self.ready.len() as u64).unwrap_or(0);
            return self.ready.draw(at);
        }
        self.ready.next()
    }

    /// Lets a cell take its turns, or of a family as many as take those of one; gives how many they took.
    fn activate_unit(&mut self, next: Next) -> u32 {
        let work = self.work;
        let mut taken = self.activate(next.slot).max(1);
        if next.family > 0 {
            while taken < QUOTA && self.work - work < ACTIVATION_WORK {
                let Some(slot) = self.ready.next_of(next.family) else {
                    break;
                };
                taken += self.activate(slot).max(1);
            }
            self.ready.put_back(next.family);
        }
        taken
    }

    /// Lets a cell take its turns, up to its quota; gives how many it took.
    fn activate(&mut self, slot: u32) -> u32 {
        let cell = &mut self.cells[slot as usize];
        cell.flags.ready = false;
        if !matches!(cell.life, Life::Born | Life::Awake) {
            return 0;
        }
        if cell.flags.durable && self.shared.log.as_ref().is_some_and(|log| log.is_stalled()) {
            self.parked.push(slot);
            return 0;
        }
        if cell.more.as_ref().is_some_and(|more| more.held > 0) {
            return 0;
        }
        let mut seat = match std::mem::replace(&mut cell.seat, Seat::Empty) {
            Seat::Actor(hosted) => {
                self.send_away(slot, hosted);
                return 1;
            }
            seat @ Seat::Away(_) => {
                cell.seat = seat;
                return 0;
            }
            seat => match self.send_slowly(slot, seat) {
                Some(seat) => seat,
                None => return 1,
            },
        };
        let cell = &mut self.cells[slot as usize];
        cell.life = Life::Awake;
        cell.last_active = self.now;
        let generation = cell.generation;
        let mut taken = 0;
        let (burned, work) = (self.burned, self.work);
        let may_go_on = |worker: &Self, taken| {
            // A turn of sandboxed code may take as long as many others: it counts by what it burns.
            taken < QUOTA
                && worker.burned - burned < ACTIVATION_FUEL
                && worker.work - work < ACTIVATION_WORK
        };
        while may_go_on(self, taken) {
            let Some(letter) = self.arena.pop(&mut self.cells[slot as usize].mail) else {
                break;
            };
            taken += 1;
            self.turn(slot, &mut seat, &letter);
            self.spare.keep(letter);
            let cell = &self.cells[slot as usize];
            let goes_on = cell.generation == generation
                && cell.life == Life::Awake
                && !matches!(cell.seat, Seat::Away(_));
            if !goes_on || cell.more.as_ref().is_some_and(|more| more.held > 0) {
                break;
            }
        }
        let cell = &mut self.cells[slot as usize];
        if cell.generation == generation && cell.flags.live {
            self.list_live(slot, &mut seat);
            let cell = &mut self.cells[slot as usize];
            // A part that was taken in or out during the turns has left a new seat behind.
            if matches!(cell.seat, Seat::Empty) {
                cell.seat = seat;
            }
            self.release_senders(slot);
            let goes_on = !may_go_on(self, taken);
            self.stand_in_line(slot, goes_on);
        }
        taken
    }

    /// Lets a cell stand in line, once, if it has something to do.
    fn make_ready(&mut self, slot: u32) {
        self.stand_in_line(slot, false);
    }

    fn stand_in_line(&mut self, slot: u32, goes_on: bool) {
        let cell = &mut self.cells[slot as usize];
        if !cell.flags.ready
            && !cell.mail.is_empty()
            && matches!(cell.life, Life::Born | Life::Awake)
        {
            cell.flags.ready = true;
            // One that draws by the seed has one line.
            let goes_on = goes_on && !self.shared.deterministic;
            self.ready.push(slot, cell.family, goes_on);
        }
    }

    fn unpark(&mut self) {
        if self.parked.is_empty() || self.shared.log.as_ref().is_some_and(|log| log.is_stalled()) {
            return;
        }
        for slot in std::mem::take(&mut self.parked) {
            self.make_ready(slot);
        }
    }

    // --- Delivery -----------------------------------------------------------------------------

    /// Sends a letter on its way: into a mailbox here, or into a batch for another worker.
    pub(crate) fn route(&mut self, letter: Box<Letter>) {
        let worker = if letter.to_handle.is_known() {
            letter.to_handle.worker()
        } else if letter.to == OUTSIDE {
            return self.hand_outside(*letter);
        } else {
            self.shared.worker_of(letter.to)
        };
        if worker == usize::from(self.index) {
            self.deliver(letter);
        } else {
            self.outs[worker].push(Item::Letter(letter));
        }
    }

    /// Has a job done by the worker of a VC: at once if it is this one.
    pub(crate) fn at_worker_of(&mut self, id: VcId, job: impl FnOnce(&mut Self) + Send + 'static) {
        let worker = self.shared.worker_of(id);
        if worker == usize::from(self.index) {
            job(self);
        } else {
            self.outs[worker].push(Item::Job(Box::new(job)));
        }
    }

    /// Puts a letter into its mailbox, or ends it with a reason.
    pub(crate) fn deliver(&mut self, letter: Box<Letter>) {
        match self.locate(&letter) {
            Ok(slot) => self.enqueue(slot, letter),
            Err(_) if self.shared.beds.contains_key(&letter.to) => self.wait_for_rising(letter),
            Err(refusal) => self.bounce(&letter, refusal),
        }
    }

    /// The cell a letter is for: by handle, by id, or woken from the store.
    fn locate(&mut self, letter: &Letter) -> Result<u32, Refusal> {
        let handle = letter.to_handle;
        if handle.is_known()
            && let Some(cell) = self.cells.get(handle.slot())
            && cell.flags.live
            && cell.generation == handle.generation()
        {
            #[expect(clippy::cast_possible_truncation, reason = "a slot was a u32 before")]
            return Ok(handle.slot() as u32);
        }
        let slot = self.find_or_wake(letter.to)?;
        if letter.from_handle.is_known() {
            // So that the sender finds the way by itself the next time.
            let (from, to) = (
                letter.from,
                self.cells[slot as usize].entry(self.index, slot),
            );
            self.at_worker_of(from, move |worker| worker.learn(from, to));
        }
        Ok(slot)
    }

    fn learn(&mut self, who: VcId, where_: Entry) {
        if let Some(slot) = self.find(who)
            && let Some(contacts) = &mut self.cells[slot as usize].contacts
        {
            contacts.locate(where_.id, where_.handle);
        }
    }

    /// The cell of a VC that is in memory.
    pub(crate) fn find(&self, id: VcId) -> Option<u32> {
        self.table
            .find(id.hash64(), |&slot| self.cells[slot as usize].id == id)
            .copied()
    }

    fn enqueue(&mut self, slot: u32, mut letter: Box<Letter>) {
        let cell = &mut self.cells[slot as usize];
        if cell.life == Life::Stopped {
            let why =
                Refusal::new(Code::Stopped, format!("{} is stopped", letter.to)).who(letter.to);
            return self.bounce(&letter, why);
        }
        if matches!(cell.seat, Seat::Owner) {
            return self.hand_to_owner(*letter);
        }
        if letter.kind == Kind::Bounce && !letter.logged && self.is_drowned(slot, &letter) {
            let what = "too many of its messages came back at a time";
            return self.die(&letter, Refusal::new(Code::Busy, what).who(letter.to));
        }
        if matches!(letter.kind, Kind::Reply | Kind::Bounce) && self.is_late(slot, &letter) {
            return self.die(
                &letter,
                Refusal::new(Code::Timeout, "the ask had ended before its answer came"),
            );
        }
        let full = self.over_bound(slot, letter.weight());
        if let Some(refusal) = full {
            // What the medium itself says is always let in: it is bounded by timers, asks and watches, and what
            // comes back by `RETURNS_MAX`; and so is a stripped part, which has no other place and is bounded by
            // the parts there are; and what comes from outside, by who listens there.
            let always = matches!(letter.kind, Kind::Notice | Kind::Bounce | Kind::Stripped);
            if !always && letter.from != OUTSIDE {
                // One that floods itself cannot wait for itself.
                if !letter.logged || letter.from == letter.to {
                    return self.bounce(&letter, refusal);
                }
                self.hold_sender(slot, &letter);
            }
        } else if let Some(refusal) = self.not_accepted(slot, &letter) {
            return self.bounce(&letter, refusal);
        }
        let cell = &mut self.cells[slot as usize];
        if cell.life == Life::Dormant {
            cell.life = Life::Awake; // It was about to fall asleep.
            self.event(EventKind::Awake, letter.to, "");
            self.falling.retain(|&(id, _)| id != letter.to);
            self.set_idle(slot);
        }
        let cell = &mut self.cells[slot as usize];
        if letter.from == VcId::NOBODY && (cell.flags.durable || self.shared.trace) {
            letter.number();
        }
        if cell.flags.durable && !letter.logged {
            letter.logged = true;
            self.slice.accept(&letter);
            self.slice.counts.accepted += 1;
        } else if letter.logged && !cell.flags.durable {
            // From here on it is as volatile as its reader.
            letter.logged = false;
            self.slice.finish(letter.reference());
            self.slice.counts.consumed += 1;
        }
        self.arena.push(&mut cell.mail, letter);
        self.make_ready(slot);
    }

    /// Why a mailbox has no room for a letter, if it has none.
    pub(crate) fn over_bound(&self, slot: u32, weight: u32) -> Option<Refusal> {
        let cell = &self.cells[slot as usize];
        let (len, bytes) = (cell.mail.len(), cell.mail.bytes());
        let what = if len >= MAILBOX_LEN_MAX {
            format!("the mailbox of {} is full ({len} messages)", cell.id)
        } else if bytes.saturating_add(weight) > MAILBOX_BYTES_MAX {
            format!(
                "the mailbox of {} is full ({bytes} bytes of {MAILBOX_BYTES_MAX})",
                cell.id
            )
        } else if self.arena.bytes() > ARENA_BYTES_MAX {
            format!(
                "the worker of {} is full ({} bytes of mail)",
                cell.id,
                self.arena.bytes()
            )
        } else {
            return None;
        };
        Some(
            Refusal::new(Code::Busy, what)
                .who(cell.id)
                .hint("send again later; `medium show` tells how many messages wait"),
        )
    }

    /// Why a letter is not accepted, if it is not: bounds of the medium, then the receiver's pattern.
    pub(crate) fn not_accepted(&self, slot: u32, letter: &Letter) -> Option<Refusal> {
        if let Some(extra) = &letter.extra
            && let Err(why) = extra.extent.within_medium()
        {
            return Some(Refusal::new(Code::TooLarge, why.to_string()));
        }
        let cell = &self.cells[slot as usize];
        let pattern = cell.more.as_ref()?.accept.as_deref()?;
        let own = letter.from == OUTSIDE || letter.from == cell.host.id && cell.flags.nested;
        if letter.kind != Kind::Tell || own {
            return None;
        }
        bodies::accepts(pattern, letter)
            .err()
            .map(|why| Refusal::new(Code::Pattern, why).who(cell.id))
    }

    /// A durable sender of a full mailbox: its message waits here, and so, beyond a bound, does it.
    fn hold_sender(&mut self, slot: u32, letter: &Letter) {
        let me = self.cells[slot as usize].id;
        let sender = Entry {
            id: letter.from,
            handle: letter.from_handle,
        };
        if sender.id == VcId::NOBODY || sender.id == me || sender.id == self.shared.owner {
            return;
        }
        let over = &mut self.cells[slot as usize].more_mut().over;
        let waiting =
            if let Some((_, waiting)) = over.iter_mut().find(|(entry, _)| entry.id == sender.id) {
                *waiting += 1;
                *waiting
            } else {
                over.push((sender, 1));
                1
            };
        if waiting == OUTBOX_LEN_MAX {
            // Two that wait for each other go on when what they wait for has expired.
            self.timers.set(letter.expires_at, me, Due::Expiry);
            self.at_worker_of(sender.id, move |worker| worker.hold(sender.id, true));
        }
    }

    fn hold(&mut self, id: VcId, on: bool) {
        if let Some(slot) = self.find(id) {
            let more = self.cells[slot as usize].more_mut();
            more.held = if on {
                more.held + 1
            } else {
                more.held.saturating_sub(1)
            };
            self.make_ready(slot);
        }
    }

    /// Ends what has expired in a full mailbox.
    fn expire_mail(&mut self, id: VcId) {
        let Some(slot) = self.find(id) else { return };
        let mut kept = Vec::new();
        while let Some(letter) = self.arena.pop(&mut self.cells[slot as usize].mail) {
            if letter.expires_at <= self.now {
                let what = "it expired in a full mailbox";
                self.bounce(&letter, Refusal::new(Code::Expired, what).who(id));
            } else {
                kept.push(letter);
            }
        }
        let next = kept.iter().map(|letter| letter.expires_at).min();
        let cell = &mut self.cells[slot as usize];
        for letter in kept {
            self.arena.push(&mut cell.mail, letter);
        }
        let waits = |more: &crate::cell::More| more.over.iter().any(|o| o.1 >= OUTBOX_LEN_MAX);
        self.release_senders(slot);
        self.make_ready(slot);
        if let Some(next) = next
            && self.cells[slot as usize].more.as_deref().is_some_and(waits)
        {
            self.timers.set(next, id, Due::Expiry);
        }
    }

    /// Lets held senders go on once a mailbox has drained to half its bound.
    fn release_senders(&mut self, slot: u32) {
        let cell = &mut self.cells[slot as usize];
        if cell.mail.len() > MAILBOX_LEN_MAX / 2 || cell.mail.bytes() > MAILBOX_BYTES_MAX / 2 {
            return;
        }
        let Some(more) = cell.more.as_mut().filter(|more| !more.over.is_empty()) else {
            return;
        };
        for (sender, waiting) in std::mem::take(&mut more.over) {
            if waiting >= OUTBOX_LEN_MAX {
                self.at_worker_of(sender.id, move |worker| worker.hold(sender.id, false));
            }
        }
    }

    /// Whether a volatile VC has so many messages to handle that one more that came back would be too much, and
    /// waits for nothing that this one ends.
    fn is_drowned(&self, slot: u32, letter: &Letter) -> bool {
        let cell = &self.cells[slot as usize];
        let asks = |more: &crate::cell::More| {
            let mut asks = more.asks.iter();
            asks.any(|&(ask, _)| ask == letter.answers)
        };
        cell.mail.len() >= RETURNS_MAX && !cell.more.as_deref().is_some_and(asks)
    }

    /// Whether a reply answers an ask that has ended.
    fn is_late(&mut self, slot: u32, letter: &Letter) -> bool {
        let Some(more) = &mut self.cells[slot as usize].more else {
            return false;
        };
        if let Some(at) = more.asks.iter().position(|&(ask, _)| ask == letter.answers) {
            more.asks.swap_remove(at);
            close_ask(more, letter.answers);
            return false;
        }
        more.closed.contains(&letter.answers)
    }

    fn hand_to_owner(&mut self, letter: Letter) {
        self.tally.consumed += 1;
        if letter.logged {
            self.slice.finish(letter.reference());
            self.slice.counts.consumed += 1;
        }
        self.to_owner.push(letter);
    }

    // --- Ends of messages ---------------------------------------------------------------------

    /// Sends a letter back to its sender with a reason.
    pub(crate) fn bounce(&mut self, letter: &Letter, why: Refusal) {
        if matches!(letter.kind, Kind::Bounce | Kind::Notice | Kind::Reply)
            || letter.from == VcId::NOBODY
            || letter.from == OUTSIDE
        {
            return self.die(letter, why);
        }
        self.tally.bounced += 1;
        self.work += BOUNCE_WORK;
        self.ended(letter, || Fate::Bounced(why.clone()));
        self.event(
            EventKind::Bounced,
            letter.to,
            format!("{}: {}", why.code, why.what),
        );
        let mut back = Letter::bounce(letter.from, letter.sequence, &why, self.now);
        back.to_handle = letter.from_handle;
        back.cause = letter.reference();
        back.ahead = letter.ahead || letter.logged;
        back.extra_mut().asker = Some(letter.to);
        let returned = letter.contents.to_bytes();
        let fits = returned.len() <= genesis::limits::METADATA_VALUE_MAX;
        if fits && letter.contents.reference().is_none() {
            back.extra_mut()
                .metadata
                .insert("returned".to_owned(), returned);
        }
        if letter.logged {
            self.slice.finish(letter.reference());
            self.slice.counts.bounced += 1;
            if letter.from != self.shared.owner {
                // The end of the one and the beginning of the other are written together.
                back.number();
                back.logged = true;
                self.slice.accept(&back);
                self.slice.counts.accepted += 1;
            }
        }
        self.tally.accepted += 1;
        self.route(Box::new(back));
    }

    /// Ends a letter that nobody will read.
    pub(crate) fn die(&mut self, letter: &Letter, why: Refusal) {
        self.tally.dead += 1;
        if letter.logged {
            self.slice.finish(letter.reference());
            self.slice.counts.dead += 1;
        }
        self.event(
            EventKind::Dead,
            letter.to,
            format!("{}: {}", why.code, why.what),
        );
        self.ended(letter, || Fate::Dead(why));
    }

    /// Notes how a message of the owner ended. A courier's are not remembered: they have no extras.
    pub(crate) fn ended(&self, letter: &Letter, fate: impl FnOnce() -> Fate) {
        if letter.from == self.shared.owner && letter.extra.is_some() {
            self.shared.gateway.ended(letter.reference(), fate);
        } else if letter.from == OUTSIDE
            && let Some(outside) = &self.shared.outside
        {
            outside.ended(letter.to, letter.sequence, fate());
        }
    }

    /// A notice of the medium to a VC of this worker or another.
    pub(crate) fn notify(&mut self, to: VcId, channel: Channel, contents: Vec<u8>) {
        let mut letter = Letter::new(VcId::NOBODY, 0, to, contents, self.now);
        letter.kind = Kind::Notice;
        letter.channel = channel;
        letter.cause = NO_CAUSE;
        self.tally.accepted += 1;
        self.route(Box::new(letter));
    }

    // --- Timers -------------------------------------------------------------------------------

    fn fire_timers(&mut self) {
        while let Some((at, id, due)) = self.timers.pop(self.now) {
            match due {
                Due::Notice { tag } => {
                    // The entry in the VC's own list goes when the notice is handled: it and the turn
                    // are then written together.
                    let Ok(slot) = self.find_or_wake(id) else {
                        continue;
                    };
                    // It is set again whenever the VC wakes, so one timer may come due here twice.
                    let more = self.cells[slot as usize].more_mut();
                    let count = |of: &[(Time, u64)]| of.iter().filter(|&&t| t == (at, tag)).count();
                    if count(&more.fired) >= count(&more.timers) {
                        continue;
                    }
                    more.fired.push((at, tag));
                    let mut letter = Letter::new(VcId::NOBODY, 0, id, tag, self.now);
                    letter.sent_at = at;
                    letter.kind = Kind::Notice;
                    letter.channel = Channel::TIMER;
                    self.tally.accepted += 1;
                    self.deliver(Box::new(letter));
                }
                Due::Deadline { sequence } => self.time_out(id, sequence),
                Due::Idle => self.sleep_if_idle(id),
                Due::Expiry => self.expire_mail(id),
            }
        }
    }

    fn time_out(&mut self, id: VcId, sequence: u64) {
        let why = format!("message {sequence} was not answered in time");
        self.end_ask(id, sequence, &Refusal::new(Code::Timeout, why));
    }

    /// Ends an ask that is open with a bounce.
    fn end_ask(&mut self, id: VcId, sequence: u64, why: &Refusal) {
        let Ok(slot) = self.find_or_wake(id) else {
            return;
        };
        let more = self.cells[slot as usize].more_mut();
        if !more.asks.iter().any(|&(ask, _)| ask == sequence) {
            return;
        }
        // Delivered while the ask is open, so that it is what closes it.
        let letter = Letter::bounce(id, sequence, why, self.now);
        self.tally.accepted += 1;
        self.deliver(Box::new(letter));
    }

    // --- The end of a round -------------------------------------------------------------------

    fn flush_full_batches(&mut self) {
        for (worker, out) in self.outs.iter_mut().enumerate() {
            if out.len() >= BATCH {
                self.shared.ports[worker].append(out);
            }
        }
    }

    /// Appends the slice to the log, then lets everything leave that depends on it.
    fn end_slice(&mut self) {
        self.write_dirty_rows();
        let (mut number, mut depends) = (0, 0);
        if let Some(log) = self.shared.log.clone() {
            if !self.slice.is_empty() {
                number = log.append(&mut self.slice);
                self.appended = number;
                for (_, slice) in self.falling.iter_mut().filter(|(_, slice)| *slice == 0) {
                    *slice = number;
                }
            }
            depends = number;
            let mut leaving = self.to_owner.iter().chain(&self.to_outside);
            if depends == 0 && leaving.any(|letter| letter.ahead) {
                // What led here was appended by another worker before it sent anything.
                depends = log.appended();
            }
        } else {
            self.slice = Slice::default();
        }
        for (worker, out) in self.outs.iter_mut().enumerate() {
            if !out.is_empty() {
                self.shared.ports[worker].append(out);
            }
        }
        for done in self.after.drain(..) {
            done(number);
        }
        for letter in self.to_owner.drain(..) {
            let slice = if letter.ahead { depends } else { 0 };
            self.shared.gateway.deliver(letter, slice);
        }
        self.leave_outside(depends);
        self.shared.events.append(&mut self.events);
    }

    pub(crate) fn event(&mut self, kind: EventKind, vc: VcId, data: impl Into<String>) {
        self.events.push(Event {
            seq: 0,
            at: self.now,
            kind,
            vc,
            data: data.into(),
        });
    }

    /// Has something done once everything of this round is in the log, with the slice to wait for.
    pub(crate) fn after_slice(&mut self, done: impl FnOnce(u64) + Send + 'static) {
        self.after.push(Box::new(done));
    }

    fn handle_of(&self, slot: u32) -> Handle {
        self.cells[slot as usize].entry(self.index, slot).handle
    }
}

/// Remembers that an ask has ended without an answer.
fn close_ask(more: &mut crate::cell::More, sequence: u64) {
    const CLOSED_MAX: usize = 64;
    if more.closed.len() >= CLOSED_MAX {
        more.closed.pop_front();
    }
    more.closed.push_back(sequence);
}
